//! A topology in the background and the commands on it.

use std::time::{Duration, Instant};

use super::support::topple::{Place, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(40);

fn topology(name: &str, first_port: u16) -> String {
    let sentinel_port = first_port + 2;
    format!(
        r#"
topology(#{{ name: "{name}" }});
let m = master("m", #{{ port: {first_port} }});
let r = replica("r", m, #{{ port: {} }});
let ss = sentinels("s", 3, #{{ port: {sentinel_port} }});
monitor(ss, "mm", m, #{{ quorum: 2, down_after: "500ms" }});
"#,
        first_port + 1
    )
}

/// Runs `topple` to its end; gives the exit code and all output.
fn topple(place: &Place, args: &[&str]) -> (i32, String) {
    let (status, output) = place.start(args).finish(LIMIT);
    (status.code().expect("an exit code"), output)
}

#[track_caller]
fn expect(place: &Place, args: &[&str], code: i32, text: &str) -> String {
    let (status, output) = topple(place, args);
    assert_eq!(status, code, "{args:?}: {output}");
    assert!(output.contains(text), "{args:?} has no {text:?}: {output}");
    output
}

/// Asks until the output has the text.
#[track_caller]
fn await_output(place: &Place, args: &[&str], text: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let (_, output) = topple(place, args);
        if output.contains(text) {
            return;
        }
        assert!(Instant::now() < deadline, "{args:?} never has {text:?}: {output}");
    }
}

#[test]
fn a_topology_lives_in_the_background_until_it_is_taken_down() {
    on_path("redis-cli");
    let port = free_ports(5);
    let place = Place::new();
    place.write("one.rhai", &topology("one", port));
    expect(&place, &["ps"], 0, "no topology is up");
    expect(&place, &["status"], 3, "no topology is up; `topple up FILE -d`");
    expect(&place, &["up", "one.rhai", "-d"], 0, "`topple down` stops the topology");
    expect(&place, &["ps"], 0, "one.rhai");
    let status = expect(&place, &["status"], 0, "sentinel");
    assert_eq!(status.lines().filter(|line| line.contains(" running ")).count(), 5, "{status}");

    expect(&place, &["cli", "m", "SET", "k", "v"], 0, "OK");
    expect(&place, &["cli", "mm:replica", "GET", "k"], 0, "v");
    expect(&place, &["pause", "r"], 0, "r: paused");
    expect(&place, &["pause", "r"], 2, "r is paused already");
    expect(&place, &["resume", "r"], 0, "r: running");
    expect(&place, &["restart", "s3"], 0, "s3: running");
    // Before it answers it may not have its signal handlers yet.
    await_output(&place, &["cli", "s3", "PING"], "PONG");
    expect(&place, &["stop", "s3"], 0, "s3: ended (exit code 0)");
    expect(&place, &["start", "s3"], 0, "s3: running");
    expect(&place, &["kill", "nosuch"], 2, "there is no node `nosuch`; there are m, r, s1, s2, s3");
    expect(&place, &["failover", "other"], 2, "no master is monitored as `other`; there is mm");
    expect(&place, &["logs", "m", "-n", "500"], 0, "Ready to accept connections");

    let merged = expect(&place, &["logs", "m", "r", "-n", "500"], 0, "m | ");
    let time = |line: &str| {
        // `m | 4711:M 21 Nov 2026 06:52:59.904 * …`
        let word = line.split(' ').nth(6)?;
        (word.len() == 12 && word.contains(':')).then(|| word.to_owned())
    };
    let times: Vec<String> = merged.lines().filter_map(time).collect();
    assert!(merged.contains("r | ") && times.len() > 10 && times.is_sorted(), "{merged}");
    expect(&place, &["logs"], 0, "s3 | ");

    expect(&place, &["kill", "mm:master"], 0, "m: ended (SIGKILL)");
    await_output(&place, &["cli", "mm:master", "ROLE"], "master");
    await_output(&place, &["events"], "+switch-master");
    let events = expect(&place, &["events"], 0, "kill m (from the command line)");
    assert!(events.contains("ready after"), "what happened before is told too: {events}");
    let json = expect(&place, &["status", "--json"], 0, "\"state\": \"ended (SIGKILL)\"");
    assert!(json.contains("\"name\": \"r\""), "{json}");

    expect(&place, &["down"], 0, "one is down");
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn a_node_that_fails_again_and_again_is_shown_waiting_for_its_next_start() {
    let place = Place::new();
    place.write(
        "one.rhai",
        "process(\"p\", #{ command: [\"sh\", \"-c\", \"test -e gone && exit 3; echo on; exec sleep 1000\"],
                       ready: \"on\", restart: \"on-failure\" });",
    );
    expect(&place, &["up", "one.rhai", "-d"], 0, "");
    place.write("gone", "");
    topple(&place, &["kill", "p"]);
    await_output(&place, &["status"], "ended (exit code 3), starts again in ");
    await_output(&place, &["status"], " in a row)");
    std::fs::remove_file(place.path().join("gone")).expect("removed");
    await_output(&place, &["status"], "p     running");
    expect(&place, &["down"], 0, "one is down");
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn several_topologies_live_side_by_side_and_are_told_apart() {
    let port = free_ports(10);
    let place = Place::new();
    place.write("one.rhai", &topology("one", port));
    place.write("two.rhai", &topology("two", port + 5));
    expect(&place, &["up", "one.rhai", "-d"], 0, "");
    expect(&place, &["up", "two.rhai", "-d"], 0, "");
    let listed = expect(&place, &["ps"], 0, "one");
    assert!(listed.contains("two.rhai"), "{listed}");
    expect(&place, &["status"], 2, "several topologies are up");
    expect(&place, &["kill", "m", "--run", "three"], 2, "no topology `three` is up");
    expect(&place, &["kill", "r", "--run", "two"], 0, "r: ended (SIGKILL)");
    let one = expect(&place, &["status", "--run", "one"], 0, "");
    assert!(!one.contains("ended"), "{one}");
    // The ports of a topology that is up are refused to another, with what to do.
    let elsewhere = Place::new();
    elsewhere.write("again.rhai", &topology("again", port));
    expect(&elsewhere, &["up", "again.rhai", "-d"], 3, "Choose another port");
    expect(&place, &["down", "--run", "one"], 0, "one is down");
    expect(&place, &["down"], 0, "two is down");
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn mistakes_of_a_script_are_told_before_anything_goes_into_the_background() {
    let place = Place::new();
    place.write("wrong.rhai", "let m = mastr(\"m\");\n");
    expect(&place, &["up", "wrong.rhai", "-d"], 2, "did you mean `master`?");
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn followed_events_and_logs_come_as_they_happen_and_end_with_the_topology() {
    let port = free_ports(5);
    let place = Place::new();
    place.write("one.rhai", &topology("one", port));
    expect(&place, &["up", "one.rhai", "-d"], 0, "");
    let mut events = place.start(&["events", "-f"]);
    events.wait_for("ready after", LIMIT);
    let mut logs = place.start(&["logs", "r", "-f"]);
    logs.wait_for("Ready to accept connections", LIMIT);
    expect(&place, &["restart", "r"], 0, "");
    events.wait_for("restart r (from the command line)", LIMIT);
    logs.wait_for("User requested shutdown", LIMIT);
    expect(&place, &["down"], 0, "one is down");
    assert!(events.finish(LIMIT).0.success());
    assert!(logs.finish(LIMIT).0.success());
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn killed_in_the_background_it_leaves_nothing() {
    let port = free_ports(5);
    let place = Place::new();
    place.write("one.rhai", &topology("one", port));
    for _ in 0..3 {
        expect(&place, &["up", "one.rhai", "-d"], 0, "");
        let listed = expect(&place, &["ps"], 0, "one");
        let row = listed.lines().find(|line| line.starts_with("one ")).expect("a row");
        let pid = row.split_whitespace().nth(2).and_then(|pid| pid.parse().ok()).expect("a pid");
        sys::signal_process(pid, 9).expect("it runs");
        place.expect_nothing_left(Duration::from_secs(10));
        expect(&place, &["ps"], 0, "no topology is up");
    }
}

#[test]
fn a_built_in_topology_is_written_out_and_works_as_it_stands() {
    let place = Place::new();
    expect(&place, &["init", "sentinal"], 2, "did you mean `sentinel`?");
    expect(&place, &["init", "sentinel"], 0, "wrote sentinel.rhai");
    expect(&place, &["init", "sentinel"], 2, "sentinel.rhai is there already");
    expect(&place, &["init", "sentinel", "--force"], 0, "wrote scripts/notify.sh");
    expect(&place, &["check", "sentinel.rhai"], 0, "");
    let words = expect(&place, &["completions", "bash"], 0, "failover");
    assert!(words.contains("--detach"), "{words}");
    let found = expect(&place, &["doctor"], 0, "runs directory");
    assert!(found.contains("redis-server"), "{found}");
}
