//! Nothing outlives `topple`, however it ends.

use std::time::{Duration, Instant};

use super::support::client::Client;
use super::support::topple::{Place, Running, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(40);
const SIGKILL: i32 = 9;
const SIGINT: i32 = 2;

/// Six nodes on six ports in a row.
fn topology(engine: &str, first_port: u16) -> String {
    let sentinel_port = first_port + 3;
    format!(
        r#"
defaults(#{{ engine: "{engine}" }});
let m = master("m", #{{ port: {first_port} }});
let rs = replicas("r", m, 2, #{{ port: {} }});
let ss = sentinels("s", 3, #{{ port: {sentinel_port} }});
monitor(ss, "mm", m, #{{ quorum: 2, down_after: "1s", notification_script: "sleep.sh" }});
"#,
        first_port + 1
    )
}

/// A script that is still running when the supervisor is killed, with a child that shrugs signals off.
const SLEEPING_SCRIPT: &str = "#!/bin/sh\n(trap '' TERM INT HUP; sleep 1000) &\nsleep 1000\n";

/// Has the master fork a snapshot child that does not end soon.
fn start_slow_snapshot(port: u16) {
    let mut client = Client::connect(port).expect("the master listens");
    for line in ["CONFIG SET rdb-key-save-delay 1000000", "MSET a 1 b 2 c 3 d 4", "BGSAVE"] {
        let reply = client.line(line).expect("a reply");
        assert_eq!(reply.as_error(), None, "{line}");
    }
}

fn killed_at_different_moments(engine: &str, rounds: u32) {
    let first_port = free_ports(6);
    let place = Place::new();
    place.write("topology.rhai", &topology(engine, first_port));
    place.write("sleep.sh", SLEEPING_SCRIPT);
    for round in 0..rounds {
        let mut running = place.start(&["up", "topology.rhai"]);
        if round % 5 == 4 {
            // In the middle of the bring-up, each time a little later.
            running.wait_for("started, process", LIMIT);
            std::thread::sleep(Duration::from_millis(u64::from(round)));
        } else {
            running.wait_for("Ctrl-C stops the topology", LIMIT);
            start_slow_snapshot(first_port);
            await_sleeping_script(&place);
        }
        running.signal(SIGKILL);
        place.expect_nothing_left(Duration::from_secs(10));
    }
}

fn await_sleeping_script(place: &Place) {
    let deadline = Instant::now() + LIMIT;
    while !place.processes().iter().any(|process| process.contains("sleep 1000")) {
        assert!(Instant::now() < deadline, "no script runs: {:#?}", place.processes());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn nothing_outlives_a_killed_supervisor_of_real_servers() {
    killed_at_different_moments(&on_path("redis-server"), 8);
}

#[test]
fn nothing_outlives_a_killed_supervisor() {
    killed_at_different_moments("topple", 50);
}

fn up(place: &Place) -> Running {
    place.write("topology.rhai", &topology(&on_path("redis-server"), free_ports(6)));
    place.write("sleep.sh", "#!/bin/sh\nexit 0\n");
    let mut running = place.start(&["up", "topology.rhai"]);
    running.wait_for("Ctrl-C stops the topology", LIMIT);
    running
}

#[test]
fn ctrl_c_stops_every_node_in_an_orderly_way() {
    let place = Place::new();
    let running = up(&place);
    running.signal(SIGINT);
    let (status, output) = running.finish(LIMIT);
    assert_eq!(status.code(), Some(0), "{output}");
    assert_eq!(output.matches("ended: exit code 0").count(), 6, "{output}");
    place.expect_nothing_left(Duration::from_secs(1));
}

#[test]
fn nothing_outlives_a_killed_guardian() {
    let place = Place::new();
    let running = up(&place);
    let guardian = place
        .processes()
        .into_iter()
        .find(|process| process.contains("topple-guardian"))
        .and_then(|process| process.split(' ').next()?.parse::<i32>().ok())
        .expect("a guardian");
    sys::signal_process(guardian, SIGKILL).expect("it runs");
    let (status, output) = running.finish(LIMIT);
    assert_eq!(status.code(), Some(3), "{output}");
    assert!(output.contains("the guardian process is gone"), "{output}");
    place.expect_nothing_left(Duration::from_secs(1));
}

#[test]
fn a_taken_port_is_refused_with_what_to_do() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    place.write("topology.rhai", &format!("master(\"m\", #{{ port: {port} }});"));
    let (status, output) = place.start(&["up", "topology.rhai"]).finish(LIMIT);
    assert_eq!(status.code(), Some(3), "{output}");
    assert!(output.contains(&format!("m cannot listen on 127.0.0.1:{port}")), "{output}");
    let processes = place.processes();
    assert!(processes.is_empty(), "{processes:?}");
}
