//! Commands on a topology that is up: ps, status, events, cli, kill and its like, failover, down.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use super::output::{colour_on_stdout, complain, print};
use super::{CliArgs, EventsArgs, FailoverArgs, NodeArgs, REFUSED, StatusArgs, WRONG_INPUT, WhichRun};
use crate::control::ask::{AskError, Up, all_up, choose};
use crate::control::protocol::{Answer, Request, Verb};
use crate::report::live::LiveLines;
use crate::report::paint::Paint;
use crate::report::status;
use crate::view::draw::for_people;

/// How long `down` waits for the supervisor to have ended.
const DOWN_LIMIT: Duration = Duration::from_secs(30);

/// Shows what went wrong and gives the exit code.
fn fail(error: &AskError) -> ExitCode {
    complain(&format!("topple: {error}"));
    ExitCode::from(match error {
        AskError::NothingUp | AskError::Silent { .. } => REFUSED,
        AskError::Several(_) | AskError::NotThatOne { .. } | AskError::Refused(_) => WRONG_INPUT,
    })
}

/// Runs `body` on the topology that the command line means.
pub(super) fn on(which: &WhichRun, body: impl FnOnce(Up) -> Result<ExitCode, AskError>) -> ExitCode {
    choose(which.run.as_deref()).and_then(body).unwrap_or_else(|error| fail(&error))
}

/// Lists the topologies that are up.
pub(super) fn ps() -> ExitCode {
    let up = all_up();
    if up.is_empty() {
        print("no topology is up\n");
        return ExitCode::SUCCESS;
    }
    let mut rows = vec![["NAME", "NODES", "PID", "UP FOR", "FILE", "DIRECTORY"].map(str::to_owned).to_vec()];
    let now_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    for one in up {
        let description = &one.description;
        let seconds = (now_ms as i64 - description.started_wall_ms).max(0) / 1000;
        rows.push(vec![
            description.plan.name.clone(),
            description.plan.node_ids().count().to_string(),
            description.pid.to_string(),
            for_people(seconds),
            description.file.clone(),
            one.dir.display().to_string(),
        ]);
    }
    print(&table(&rows));
    ExitCode::SUCCESS
}

/// Columns as wide as their widest cell.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// How every node is.
pub(super) fn status(args: &StatusArgs) -> ExitCode {
    on(&args.which, |up| {
        let Answer::Status { nodes } = up.ask(&Request::Status)? else { return Ok(ExitCode::from(REFUSED)) };
        match args.json {
            true => print(&format!("{}\n", serde_json::to_string_pretty(&nodes).unwrap_or_default())),
            false => print(&status::table(&nodes)),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What happened, and with `-f` what happens.
pub(super) fn events(args: &EventsArgs) -> ExitCode {
    on(&args.which, |up| {
        let lines = LiveLines::new(up.description.plan.clone(), Paint::new(colour_on_stdout()));
        up.events(args.follow, |event| {
            if args.json {
                print(&format!("{}\n", serde_json::to_string(event).unwrap_or_default()));
            } else if let Some(line) = lines.line(event) {
                print(&format!("{line}\n"));
            }
            true
        })?;
        Ok(ExitCode::SUCCESS)
    })
}

/// redis-cli to a node.
pub(super) fn cli(args: &CliArgs) -> ExitCode {
    on(&args.which, |up| {
        let Answer::Place { ip, port, password, .. } =
            up.ask(&Request::Locate { node: args.node.clone() })?
        else {
            return Ok(ExitCode::from(REFUSED));
        };
        if port == 0 {
            return Err(AskError::Refused(format!("`{}` is a process, not a server", args.node)));
        }
        let mut command = Command::new("redis-cli");
        command.args(["-h", &ip, "-p", &port.to_string()]).args(&args.command);
        if let Some(password) = password {
            command.env("REDISCLI_AUTH", password);
        }
        match command.status() {
            Ok(status) => {
                Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
            }
            Err(error) => {
                complain(&format!(
                    "topple: redis-cli cannot be started: {error}; install it (Debian: redis-tools), or connect to {ip}:{port} with another client"
                ));
                Ok(ExitCode::from(REFUSED))
            }
        }
    })
}

/// Does something to a node.
pub(super) fn act(verb: Verb, args: &NodeArgs) -> ExitCode {
    on(&args.which, |up| done(up.ask(&Request::Act { verb, node: args.node.clone() })?))
}

/// Asks for a failover of a monitored master.
pub(super) fn failover(args: &FailoverArgs) -> ExitCode {
    on(&args.which, |up| done(up.ask(&Request::Failover { monitor: args.monitor.clone() })?))
}

fn done(answer: Answer) -> Result<ExitCode, AskError> {
    if let Answer::Done { node, state } = answer {
        print(&format!("{node}: {state}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Stops a topology and waits until nothing of it is left.
pub(super) fn down(which: &WhichRun) -> ExitCode {
    on(which, |up| {
        let pid = up.description.pid;
        // Its start time tells it from a later process with the same number.
        let started = start_time(pid);
        up.ask(&Request::Down)?;
        let began = Instant::now();
        while started.is_some() && start_time(pid) == started {
            if began.elapsed() > DOWN_LIMIT {
                let seconds = DOWN_LIMIT.as_secs();
                complain(&format!(
                    "topple: {} is still stopping after {seconds} s (process {pid})",
                    up.name()
                ));
                return Ok(ExitCode::from(REFUSED));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        print(&format!("{} is down\n", up.description.plan.name));
        Ok(ExitCode::SUCCESS)
    })
}

/// When a process began, in the kernel's ticks; none when it has ended.
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (*fields.first()? != "Z").then(|| fields.get(19).map(|&ticks| ticks.to_owned()))?
}
