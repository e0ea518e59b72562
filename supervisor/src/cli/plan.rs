//! `topple plan`: what a script declares, and how each node would be started.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::check::{RUN_DIR, open};
use super::output::{colour_on_stderr, complain};
use super::{PlanArgs, WRONG_INPUT};
use crate::lang::{Evaluation, Inputs, evaluate, format_duration, render_all};
use crate::launch::{Launch, Paths, launch, shell_line};
use crate::plan::{EngineChoice, Experiment, Handler, Monitor, Network, Node, NodeId, NodeKind, On, Plan};
use crate::ports::SystemPorts;

/// Shows the plan of the script that the command line names.
pub fn plan(args: &PlanArgs) -> ExitCode {
    let evaluation = match evaluated(&args.file, &args.inputs.inputs()) {
        Ok(evaluation) => evaluation,
        Err(mistakes) => {
            complain(mistakes.trim_end());
            return ExitCode::from(WRONG_INPUT);
        }
    };
    if !evaluation.warnings.is_empty() {
        complain(render_all(&evaluation.warnings, colour_on_stderr()).trim_end());
    }
    let topple = std::env::current_exe().unwrap_or_else(|_| "topple".into());
    let mut out = io::stdout().lock();
    // A reader that went away needs no message.
    let _ = show(&evaluation.plan, &topple, args.json, &mut out);
    ExitCode::SUCCESS
}

/// Evaluates with the ports that a run would have now.
fn evaluated(file: &str, inputs: &Inputs) -> Result<Evaluation, String> {
    let colour = colour_on_stderr();
    let script = open(file).map_err(|error| error.render(colour))?;
    evaluate(&script, inputs, Box::new(SystemPorts::default()))
        .map_err(|mistakes| render_all(&mistakes, colour))
}

/// Writes a plan as text or as JSON. The run's directory, which only a run has, is shown as `RUN`.
///
/// # Errors
/// Those of writing.
pub fn show(plan: &Plan, topple: &Path, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let paths = Paths { topple: topple.to_owned(), nodes: Path::new(RUN_DIR).join("up"), ..Paths::default() };
    let launches: Vec<Launch> =
        (0..plan.nodes.len()).map(|index| launch(plan, NodeId(index as u32), &paths)).collect();
    if json {
        serde_json::to_writer_pretty(&mut *out, &Document { plan, launch: &launches })?;
        writeln!(out)?;
    } else {
        out.write_all(text(plan, &launches).as_bytes())?;
    }
    out.flush()
}

/// The JSON document: the plan, and what starts each node, in the plan's order.
#[derive(serde::Serialize)]
struct Document<'a> {
    plan: &'a Plan,
    launch: &'a [Launch],
}

fn text(plan: &Plan, launches: &[Launch]) -> String {
    let mut out = String::new();
    let network = match plan.network {
        Network::Host => "network host (links cannot be cut)",
    };
    let _ = writeln!(out, "topology {}, {network}, seed {}", plan.name, plan.seed);
    for (name, value) in &plan.params {
        let _ = writeln!(out, "param {name} = {value}");
    }
    for (node, launch) in plan.nodes.iter().zip(launches) {
        node_text(&mut out, plan, node, launch);
    }
    for monitor in &plan.monitors {
        monitor_text(&mut out, plan, monitor);
    }
    for handler in &plan.handlers {
        handler_text(&mut out, plan, handler);
    }
    for experiment in &plan.experiments {
        experiment_text(&mut out, experiment);
    }
    if !plan.nodes.is_empty() {
        let _ = writeln!(out, "\n{RUN_DIR} is the directory that each run gets.");
    }
    out
}

fn handler_text(out: &mut String, plan: &Plan, handler: &Handler) {
    let line = handler.position.line;
    let _ = match &handler.on {
        On::Ready => writeln!(out, "\non ready (line {line})"),
        On::Event { event, from } => {
            let names: Vec<&str> = from.iter().map(|&id| plan.node(id).name.as_str()).collect();
            let from = if names.is_empty() { String::new() } else { format!(" from {}", names.join(", ")) };
            writeln!(out, "\non {event}{from} (line {line})")
        }
    };
}

fn node_text(out: &mut String, plan: &Plan, node: &Node, launch: &Launch) {
    let kind = match node.kind {
        NodeKind::Master => "master".to_owned(),
        NodeKind::Replica { of } => format!("replica of {}", plan.nodes[of.0 as usize].name),
        NodeKind::Sentinel => "sentinel".to_owned(),
        NodeKind::Process { .. } => "process".to_owned(),
    };
    let engine = match &node.engine {
        EngineChoice::Topple => String::new(),
        EngineChoice::Path(path) => format!(", {}", path.display()),
    };
    let place = match &node.kind {
        NodeKind::Process { cwd, .. } => format!("in {}", cwd.display()),
        _ => format!("at {}:{}{engine}", node.ip, node.port),
    };
    let _ = writeln!(out, "\n{}: {kind} {place}", node.name);
    let environment: Vec<String> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let prefix =
        if environment.is_empty() { String::new() } else { format!("env {} ", shell_line(&environment)) };
    let _ = writeln!(out, "  $ {prefix}{}", shell_line(&launch.argv));
    if let NodeKind::Process { ready: Some(text), .. } = &node.kind {
        let _ = writeln!(out, "  ready when it says {text:?}");
    }
    if let Some(data) = &node.data {
        let _ = writeln!(out, "  data: a copy of {}", data.display());
    }
    for (name, content) in &launch.files {
        let _ = writeln!(out, "  {}:", launch.dir.join(name).display());
        for line in content.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
}

fn monitor_text(out: &mut String, plan: &Plan, monitor: &Monitor) {
    let name = |id: &NodeId| plan.nodes[id.0 as usize].name.clone();
    let sentinels: Vec<String> = monitor.sentinels.iter().map(name).collect();
    let _ = writeln!(
        out,
        "\nmonitor {}: master {}, quorum {} of {}",
        monitor.name,
        name(&monitor.master),
        monitor.quorum,
        sentinels.join(", ")
    );
    let _ = writeln!(
        out,
        "  down after {}, failover time-out {}, parallel syncs {}",
        format_duration(monitor.down_after),
        format_duration(monitor.failover_timeout),
        monitor.parallel_syncs
    );
    let scripts = [
        ("notification script", &monitor.notification_script),
        ("client reconfiguration script", &monitor.client_reconfig_script),
    ];
    for (what, script) in scripts {
        if let Some(script) = script {
            let _ = writeln!(out, "  {what} {}", script.display());
        }
    }
}

fn experiment_text(out: &mut String, experiment: &Experiment) {
    let times =
        if experiment.repeat == 1 { "once".to_owned() } else { format!("{} times", experiment.repeat) };
    let topology = if experiment.fresh { "a fresh topology" } else { "the topology as it is" };
    let _ = writeln!(
        out,
        "\nexperiment \"{}\": {times}, at most {} each, on {topology} (line {})",
        experiment.name,
        format_duration(experiment.timeout),
        experiment.position.line
    );
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::lang::Script;
    use crate::ports::CountedPorts;
    use expect_test::expect;

    fn shown(source: &str, json: bool) -> String {
        let script = Rc::new(Script::from_text("t.rhai", source, Path::new("/scripts")));
        let plan = evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default()))
            .unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, false)))
            .plan;
        let mut out = Vec::new();
        show(&plan, Path::new("topple"), json, &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_plan_shows_commands_and_configurations() {
        let source = r#"
let n = param("replicas", 1);
let m = master("m", #{ env: #{ TZ: "UTC" } });
replicas("r", m, n, #{ engine: "/usr/bin/redis-server" });
monitor(sentinel("s"), "mymaster", m, #{ down_after: "500ms", notification_script: "/bin/true" });
experiment("drill", #{ repeat: 3, timeout: "90s" }, || {});
experiment("on", #{ fresh: false }, || {});
"#;
        expect![[r#"
            topology t, network host (links cannot be cut), seed 0
            param replicas = 1

            m: master at 127.0.0.1:6379
              $ env TZ=UTC topple server RUN/up/m/redis.conf
              RUN/up/m/redis.conf:
                # Generated by Topple.
                port 6379
                bind 127.0.0.1
                dir RUN/up/m/data
                daemonize no
                logfile ""
                protected-mode no
                save ""
                repl-diskless-sync-delay 0

            r1: replica of m at 127.0.0.1:6380, /usr/bin/redis-server
              $ /usr/bin/redis-server RUN/up/r1/redis.conf
              RUN/up/r1/redis.conf:
                # Generated by Topple.
                port 6380
                bind 127.0.0.1
                dir RUN/up/r1/data
                daemonize no
                logfile ""
                protected-mode no
                save ""
                repl-diskless-sync-delay 0
                replicaof 127.0.0.1 6379

            s: sentinel at 127.0.0.1:26379
              $ topple sentinel RUN/up/s/sentinel.conf
              RUN/up/s/sentinel.conf:
                # Generated by Topple.
                port 26379
                bind 127.0.0.1
                dir RUN/up/s/data
                daemonize no
                logfile ""
                protected-mode no
                sentinel monitor mymaster 127.0.0.1 6379 1
                sentinel down-after-milliseconds mymaster 500
                sentinel failover-timeout mymaster 180000
                sentinel parallel-syncs mymaster 1
                sentinel notification-script mymaster /bin/true

            monitor mymaster: master m, quorum 1 of s
              down after 500ms, failover time-out 3m, parallel syncs 1
              notification script /bin/true

            experiment "drill": 3 times, at most 1m30s each, on a fresh topology (line 6)

            experiment "on": once, at most 1m each, on the topology as it is (line 7)

            RUN is the directory that each run gets.
        "#]]
        .assert_eq(&shown(source, false));
    }

    #[test]
    fn the_json_is_the_plan_and_what_starts_it() {
        expect![[r##"
            {
              "plan": {
                "version": 1,
                "name": "t",
                "network": "host",
                "seed": 0,
                "params": {},
                "nodes": [
                  {
                    "name": "m",
                    "kind": {
                      "is": "master"
                    },
                    "ip": "127.0.0.1",
                    "port": 6379,
                    "engine": "topple",
                    "config": {},
                    "env": {},
                    "data": null,
                    "restart": "no",
                    "position": {
                      "file": "t.rhai",
                      "line": 1,
                      "column": 1
                    }
                  }
                ],
                "monitors": [],
                "experiments": []
              },
              "launch": [
                {
                  "argv": [
                    "topple",
                    "server",
                    "RUN/up/m/redis.conf"
                  ],
                  "dir": "RUN/up/m",
                  "data": "RUN/up/m/data",
                  "files": [
                    [
                      "redis.conf",
                      "# Generated by Topple.\nport 6379\nbind 127.0.0.1\ndir RUN/up/m/data\ndaemonize no\nlogfile \"\"\nprotected-mode no\nsave \"\"\nrepl-diskless-sync-delay 0\n"
                    ]
                  ],
                  "env": [],
                  "cwd": "RUN/up/m"
                }
              ]
            }
        "##]].assert_eq(&shown("master(\"m\");", true));
        let text = shown("let m = master(\"m\"); replica(\"r\", m); experiment(\"e\", || {});", true);
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let plan: Plan = serde_json::from_value(document["plan"].clone()).expect("a plan");
        assert_eq!(plan.nodes.len(), 2);
        assert_eq!(document["launch"][1]["argv"][1], "server");
    }
}
