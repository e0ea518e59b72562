//! Experiments on real processes, end to end: exit codes, what is measured, what is left.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::support::topple::{Place, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(120);
const SIGINT: i32 = 2;

/// Runs a script; gives the exit code, the output and the JSON form of the report.
fn run(place: &Place, script: &str, args: &[&str]) -> (Option<i32>, String, Value) {
    place.write("t.rhai", &with_port(script));
    let mut all = vec!["run", "t.rhai", "--json", "out.json"];
    all.extend(args);
    let (status, output) = place.start(&all).finish(LIMIT);
    let json = fs::read_to_string(place.path().join("out.json")).unwrap_or_default();
    (status.code(), output, serde_json::from_str(&json).unwrap_or_default())
}

/// A script of one node with a free port for the word `PORT`.
fn with_port(script: &str) -> String {
    if script.contains("PORT") {
        script.replace("PORT", &free_ports(1).to_string())
    } else {
        script.to_owned()
    }
}

fn drill(first_port: u16) -> String {
    format!(
        r#"
let m = master("m", #{{ port: {first_port} }});
let rs = replicas("r", m, 2, #{{ port: {} }});
let ss = sentinels("s", 3, #{{ port: {} }});
let mm = monitor(ss, "mm", m, #{{ quorum: 2, down_after: "500ms", failover_timeout: "10s",
                                  notification_script: "notify.sh" }});
experiment("the master dies", #{{ timeout: "90s" }}, || {{
    let load = workload(#{{ clients: 4, via: mm, op: "set", rate: 2000 }});
    wait_until("10s", || load.acked() > 200);
    let t = m.kill();
    // On a busy machine a first vote may be split; the sentinels try again after twice the time-out.
    let switched = wait_event("+switch-master", "50s");
    measure("failover", switched.since(t), #{{ max: "50s" }});
    wait_until("10s", || load.writing());
    check(mm.master() != m, "another node is master");
    let seen = load.stop();
    check(seen.acked > 100, "clients wrote");
    wait_until("10s", || script_runs("+switch-master").len() == 3);
}});
"#,
        first_port + 1,
        first_port + 3
    )
}

#[test]
fn a_process_starts_when_all_is_ready_and_is_a_node_like_the_others() {
    let place = Place::new();
    let port = free_ports(1);
    place.write(
        "app.sh",
        "#!/bin/sh\ntrap 'echo asked to stop; exit 0' TERM\necho \"sees $(redis-cli -p $SERVER PING)\"\n\
         while true; do sleep 0.05; done\n",
    );
    let script = format!(
        r#"
let m = master("m", #{{ port: {port} }});
let app = process("app", #{{ command: ["./app.sh"], env: #{{ SERVER: m.port }}, ready: "sees PONG" }});
let job = process("job", #{{ command: ["sh", "-c", "echo done"] }});
experiment("its life", #{{ timeout: "30s" }}, || {{
    check(app.running(), "it runs");
    check(app.logs(10).contains("sees PONG"), "the server was ready before it");
    wait_log(job, "done", "5s");
    app.stop();
    check(app.logs(1)[0] == "asked to stop", "a graceful end");
    app.start();
    wait_log(app, "sees PONG", "5s");
    app.pause();
    check(app.paused(), "paused");
    app.kill();
    app.start();
    wait_ready("5s", app);
}});
"#
    );
    let (code, output, json) = run(&place, &script, &[]);
    assert_eq!(code, Some(0), "{output}");
    assert!(json["history"]["plan"]["nodes"][1]["kind"]["command"][0] == "./app.sh", "{json}");
    place.expect_nothing_left(Duration::from_secs(5));
}

#[test]
fn a_process_that_ends_before_it_is_ready_is_told_with_its_last_words() {
    let place = Place::new();
    let script = r#"
let m = master("m", #{ port: PORT });
process("app", #{ command: ["sh", "-c", "echo no database given; exit 7"], ready: "connected" });
experiment("never", || { });
"#;
    let (code, output, _) = run(&place, script, &[]);
    assert_eq!(code, Some(1), "{output}");
    for text in ["app", "exit code 7", "no database given"] {
        assert!(output.contains(text), "{text}: {output}");
    }
}

#[test]
fn a_log_that_never_says_it_fails_with_what_it_says_instead() {
    let place = Place::new();
    let script = r#"
let m = master("m", #{ port: PORT });
let app = process("app", #{ command: ["sh", "-c", "echo something else; sleep 100"] });
experiment("waits", || { wait_log(app, "connected", "300ms"); });
"#;
    let (code, output, _) = run(&place, script, &[]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("something else"), "{output}");
    let wrong = script.replace("wait_log(app, \"connected\", \"300ms\")", "app.cmd(\"PING\")");
    let (code, output, _) = run(&place, &wrong, &[]);
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("`app` is a process, not a server"), "{output}");
}

/// A failover's phases add up to its total, name every milestone, and agree with what the script measured.
fn failover_is_taken_apart(engine: &str) {
    let place = Place::new();
    place.write("notify.sh", "#!/bin/sh\nexit 0\n");
    let (code, output, json) = run(&place, &drill(free_ports(6)), &["--engine", engine]);
    assert_eq!(code, Some(0), "{output}");
    let experiment = &json["summary"]["experiments"][0];
    let failover = &experiment["repeats"][0]["failovers"][0];
    assert_eq!(failover["cause"], "kill m");
    let phases = failover["phases"].as_array().expect("phases");
    let mut milestones: Vec<&str> = phases.iter().filter_map(|phase| phase["until"].as_str()).collect();
    milestones.sort_unstable();
    let all = ["+elected-leader", "+odown", "+promoted-slave", "+sdown", "+switch-master", "first write"];
    assert_eq!(milestones, all, "{output}");
    let sum: f64 = phases.iter().filter_map(|phase| phase["ms"].as_f64()).sum();
    let total = failover["total_ms"].as_f64().expect("a total");
    assert!((sum - total).abs() < 0.001, "{sum} of {total}");
    let detection = phases[0]["ms"].as_f64().expect("a figure");
    assert!(detection >= 450.0, "down-after is 500 ms, detection took {detection}");
    let measured = experiment["measures"][0]["figures"]["median"].as_f64().expect("a figure");
    let until_switch: f64 = phases
        .iter()
        .take_while(|phase| phase["until"] != "first write")
        .filter_map(|phase| phase["ms"].as_f64())
        .sum();
    // The report uses the sentinels' own times where the script saw the event later, on a busy machine.
    assert!(measured > until_switch - 50.0, "measured {measured}, phases {until_switch}: {output}");
    assert!(experiment["repeats"][0]["workloads"][0]["outages"][0]["ms"].as_f64() > Some(400.0), "{output}");
    place.expect_nothing_left(Duration::from_secs(1));
}

#[test]
fn a_failover_of_real_sentinels_is_taken_apart() {
    failover_is_taken_apart(&on_path("redis-server"));
}

#[test]
fn a_failover_of_our_sentinels_is_taken_apart() {
    failover_is_taken_apart("topple");
}

#[test]
fn acknowledged_writes_that_are_gone_are_in_the_ledger() {
    for engine in [on_path("redis-server").as_str(), "topple"] {
        for (op, all_gone) in [("set", true), ("incr", true), ("get", false)] {
            let (place, port) = (Place::new(), free_ports(1));
            let script = format!(
                r#"
let m = master("m", #{{ port: {port} }});
experiment("x", #{{}}, || {{
    let load = workload(#{{ clients: 2, via: m, op: "{op}" }});
    wait_until("10s", || load.acked() > 200);
    m.cmd("FLUSHALL");
    let before = load.acked();
    wait_until("10s", || load.acked() > before + 50);
    let seen = load.stop();
    measure("lost", seen.lost);
    measure("acked", seen.acked);
}});
"#
            );
            let (code, output, json) = run(&place, &script, &["--engine", engine]);
            assert_eq!(code, Some(0), "{output}");
            let workload = &json["summary"]["experiments"][0]["repeats"][0]["workloads"][0];
            let lost = workload["ledger"]["lost"].as_u64().expect("a count");
            let acked = workload["ledger"]["acked"].as_u64().expect("a count");
            if all_gone {
                assert!((150..acked).contains(&lost), "{engine} {op}: {lost} of {acked} lost\n{output}");
                let listed = workload["ledger"]["lost_writes"].as_array().expect("a list").len() as u64;
                assert_eq!(listed, lost.min(1000));
            } else {
                assert_eq!(lost, 0, "{engine} {op}");
            }
        }
    }
}

#[test]
fn a_failed_check_gives_1_and_keeps_the_files() {
    let place = Place::new();
    let script = r#"
let m = master("m", #{ port: PORT });
experiment("x", #{ repeat: 2 }, || { check(m.cmd("PING") == "PONG", "answers"); check(1 > 2, "never"); });
"#;
    let (code, output, json) = run(&place, script, &["--engine", &on_path("redis-server")]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("0 of 2 repeats passed"), "{output}");
    assert_eq!(json["summary"]["experiments"][0]["checks"][0]["held"], 2);
    assert_eq!(json["summary"]["experiments"][0]["checks"][1]["held"], 0);
    let runs = place.runs();
    let [kept] = runs.as_slice() else { panic!("{runs:?}") };
    assert!(output.contains(&kept.display().to_string()), "{output}");
    for file in ["plan.json", "history.jsonl", "report.txt", "1.1/m/redis.conf", "1.2/m/log", "1.1/m/command"]
    {
        assert!(kept.join(file).is_file(), "{file}");
    }
    assert!(place.processes().is_empty());
}

#[test]
fn every_verb_does_what_it_says() {
    for engine in [on_path("redis-server").as_str(), "topple"] {
        let (place, port) = (Place::new(), free_ports(2));
        let script = format!(
            r#"
let m = master("m", #{{ port: {port} }});
let r = replica("r", m, #{{ port: {} }});
experiment("x", #{{ timeout: "60s" }}, || {{
    m.cmd("SET", "k", "v");
    wait_until("5s", || r.cmd("GET", "k") == "v");
    m.pause();
    m.resume();
    check(m.cmd("PING") == "PONG", "answers after a pause");
    r.stop();
    r.start();
    wait_ready("10s");
    check(r.link() == "up", "the link is up again");
    check(r.cmd("GET", "k") == "v", "the replica has the key");
    m.restart();
    wait_ready("20s");
    r.kill();
    check(m.info("role") == "master", "still master");
}});
"#,
            port + 1
        );
        let (code, output, _) = run(&place, &script, &["--engine", engine]);
        assert_eq!(code, Some(0), "{engine}: {output}");
        place.expect_nothing_left(Duration::from_secs(1));
    }
}

#[test]
fn ctrl_c_ends_a_run_with_130_and_a_report() {
    let place = Place::new();
    let script = r#"
let m = master("m", #{ port: PORT });
experiment("x", #{}, || { m.cmd("SET", "k", "v"); sleep("50s"); });
"#;
    place.write("t.rhai", &with_port(script));
    let mut running = place.start(&["run", "t.rhai", "--engine", &on_path("redis-server")]);
    running.wait_for("ready after", LIMIT);
    running.signal(SIGINT);
    let (status, output) = running.finish(Duration::from_secs(10));
    assert_eq!(status.code(), Some(130), "{output}");
    assert!(output.contains("interrupted"), "{output}");
    assert!(place.processes().is_empty());
}

#[test]
fn a_missing_binary_gives_3() {
    let place = Place::new();
    let script = "let m = master(\"m\", #{ port: PORT }); experiment(\"x\", #{}, || { m.kill(); });";
    let (code, output, _) = run(&place, script, &["--engine", "/nonexistent/redis-server"]);
    assert_eq!(code, Some(3), "{output}");
    assert!(output.contains("/nonexistent/redis-server"), "{output}");
}

#[test]
fn a_node_that_does_not_come_up_is_named_with_its_log() {
    let place = Place::new();
    let script = r#"
let m = master("m", #{ port: PORT, config: #{ "maxmemory-policy": "nonsense" } });
experiment("x", #{}, || { m.kill(); });
"#;
    let (code, output, _) = run(&place, script, &["--engine", &on_path("redis-server")]);
    assert_ne!(code, Some(0), "{output}");
    assert!(output.contains("maxmemory-policy"), "the log's last lines tell why: {output}");
}
