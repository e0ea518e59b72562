//! `topple up`: a topology in the foreground, or with `-d` in the background.

use std::process::ExitCode;

use super::background::{self, Foreground};
use super::handlers::Handlers;
use super::live::{Live, WhenKilled, explain, prepare, with_runtime};
use super::output::{colour_on_stderr, colour_on_stdout, complain, print};
use super::{REFUSED, UpArgs};
use crate::control::serve::Control;
use crate::experiment::Cause;
use crate::experiment::living::NotReady;
use crate::lang::{Inputs, Script};
use crate::launch::shell_line;
use crate::plan::{NodeKind, Plan};
use crate::report::live::LiveLines;
use crate::report::paint::Paint;
use crate::stage::Files;
use crate::world::WorldError;

/// The stage's name in the run directory.
const STAGE: &str = "up";

/// Brings the topology up, says where it is, and keeps it until Ctrl-C or `topple down`.
pub(super) fn up(args: &UpArgs) -> ExitCode {
    if args.detach && !args.in_background {
        return background::start(std::env::args_os().skip(1));
    }
    let foreground = match args.in_background.then(Foreground::detach).transpose() {
        Ok(foreground) => foreground,
        Err(error) => {
            complain(&format!("topple: {}: {error}", background::OPTION));
            return ExitCode::from(REFUSED);
        }
    };
    let prepared = match prepare(&args.file, &args.inputs) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let paint = Paint::new(colour_on_stdout());
    let lines = LiveLines::new(prepared.evaluation.plan.clone(), paint);
    let listener = Box::new(move |event: &_| {
        if let Some(line) = lines.line(event) {
            print(&format!("{line}\n"));
        }
    });
    let when_killed = if args.keep { WhenKilled::Keep } else { WhenKilled::Remove };
    let options = Options { file: args.file.clone(), keep: args.keep, paint };
    with_runtime(prepared, Some(listener), when_killed, |live, prepared| {
        let script = ((*prepared.script).clone(), prepared.inputs);
        serve(live, script, options, foreground)
    })
}

struct Options {
    file: String,
    keep: bool,
    paint: Paint,
}

/// Why the topology is not up.
enum NotUp {
    /// It does not come up.
    World(WorldError),
    /// It came up, and what the script does then has failed.
    OnReady(NotReady),
}

async fn serve(
    live: Live,
    script: (Script, Inputs),
    options: Options,
    foreground: Option<Foreground>,
) -> ExitCode {
    let Options { file, keep, paint } = options;
    let run = live.dir.path();
    let control = Control::listen(run, file, live.journal.clone(), live.nodes.clone(), live.stages.clone());
    let mut down = match control {
        Ok(down) => down,
        Err(error) => {
            complain(&format!("topple: cannot listen in {}: {error}", run.display()));
            live.finish(Files::Remove).await;
            return ExitCode::from(REFUSED);
        }
    };
    let abandoned = async {
        match &foreground {
            Some(foreground) => foreground.gone().await,
            None => std::future::pending().await,
        }
    };
    let ready = async {
        live.stages.bring_up(STAGE).await.map_err(NotUp::World)?;
        Handlers::start(&live, script.0, script.1).await.map_err(NotUp::OnReady)
    };
    let gone = || WorldError::Interrupted("the command that asked for it has ended".to_owned());
    let brought_up = tokio::select! {
        brought_up = ready => brought_up,
        () = abandoned => Err(NotUp::World(gone())),
        _ = live.interrupt.wait() => {
            let _ = live.stages.tear_down(Files::Keep).await;
            live.finish(if keep { Files::Keep } else { Files::Remove }).await;
            return ExitCode::from(super::INTERRUPTED);
        }
    };
    let handlers = match brought_up {
        Ok(handlers) => handlers,
        Err(error) => return not_up(live, &error, keep).await,
    };
    let hint = match foreground {
        Some(_) => {
            "`topple down` stops the topology; `topple status` and `topple events -f` tell how it is.\n"
        }
        None => "Ctrl-C stops the topology.\n",
    };
    print(&addresses(&live.journal.plan(), paint, hint));
    if let Some(Err(error)) = foreground.map(|foreground| foreground.ready(live.dir.path())) {
        complain(&format!("topple: cannot go into the background: {error}"));
    }
    let lost = async {
        while !live.nodes.guardian_lost() {
            live.nodes.changed().await;
        }
    };
    let code = tokio::select! {
        reason = live.interrupt.wait() => {
            print(&format!("\n{reason}: stopping (once more ends everything at once)\n"));
            ExitCode::SUCCESS
        }
        _ = down.recv() => {
            print("\nasked to go down\n");
            ExitCode::SUCCESS
        }
        () = lost => {
            print("\nthe guardian process is gone: every node has ended with it\n");
            ExitCode::from(REFUSED)
        }
    };
    drop(handlers);
    live.stages.stop_all().await;
    let _ = live.stages.tear_down(Files::Keep).await;
    live.finish(if keep { Files::Keep } else { Files::Remove }).await;
    code
}

/// Says why, and takes down what is there.
async fn not_up(live: Live, error: &NotUp, keep: bool) -> ExitCode {
    let (code, unwanted) = match error {
        NotUp::World(error) => {
            explain(error);
            // The logs tell why a topology does not come up; one nobody wants any more has nothing to tell.
            (REFUSED, matches!(error, WorldError::Interrupted(_)))
        }
        NotUp::OnReady(failed) => {
            if let Some(diagnostic) = &failed.diagnostic {
                complain(&diagnostic.render(colour_on_stderr()));
            }
            complain("topple: `on_ready` has failed: the topology goes down");
            (failed.cause.exit_code(), failed.cause == Cause::Interrupted)
        }
    };
    let _ = live.stages.tear_down(Files::Keep).await;
    live.finish(if unwanted && !keep { Files::Remove } else { Files::Keep }).await;
    ExitCode::from(code)
}

/// A table of the nodes with a command that connects to each.
fn addresses(plan: &Plan, paint: Paint, hint: &str) -> String {
    let mut out = String::new();
    let width = |text: fn(&crate::plan::Node) -> String| {
        plan.nodes_in_force().map(|node| text(node).chars().count()).max().unwrap_or(0)
    };
    let role = |node: &crate::plan::Node| node.kind_name().to_owned();
    let address = |node: &crate::plan::Node| match node.is_process() {
        true => String::new(),
        false => std::net::SocketAddr::new(node.ip, node.port).to_string(),
    };
    let (names, roles, places) = (width(|node| node.name.clone()), width(role), width(address));
    out.push('\n');
    for node in plan.nodes_in_force() {
        if let NodeKind::Process { command, .. } = &node.kind {
            let command = paint.dim(&shell_line(command));
            out.push_str(&format!(
                "  {:names$}  {:roles$}  {:places$}  {command}\n",
                node.name,
                role(node),
                ""
            ));
            continue;
        }
        let host = if node.ip == std::net::IpAddr::from([127, 0, 0, 1]) {
            String::new()
        } else {
            format!("-h {} ", node.ip)
        };
        out.push_str(&format!(
            "  {:names$}  {:roles$}  {:places$}  {}\n",
            node.name,
            role(node),
            address(node),
            paint.dim(&format!("redis-cli {host}-p {}", node.port)),
        ));
    }
    for (_, monitor) in plan.monitors_in_force() {
        if let Some(&sentinel) = monitor.sentinels.first() {
            let port = plan.node(sentinel).port;
            let command = format!("redis-cli -p {port} SENTINEL GET-MASTER-ADDR-BY-NAME {}", monitor.name);
            out.push_str(&format!("\n  master of {}: {}\n", monitor.name, paint.dim(&command)));
        }
    }
    out.push('\n');
    out.push_str(hint);
    out
}
