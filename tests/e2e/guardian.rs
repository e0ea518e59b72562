//! Nothing outlives `topple`, however it ends.
//!
//! `TOPPLE_KILLS=1000 tests/run e2e nothing_outlives_a_killed_supervisor` is the long form.

use std::time::Duration;

use super::support::client::Client;
use super::support::random::Random;
use super::support::topple::{Place, Running, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(40);
const SIGKILL: i32 = 9;
const SIGINT: i32 = 2;
const SIGSTOP: i32 = 19;

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

/// Where a round's supervisor is killed.
#[derive(Debug)]
enum Moment {
    /// So many microseconds after its start: before the run directory, in the bring-up, or when it is ready.
    Start(u64),
    /// Ready, with a snapshot child and notification scripts at work, and so many microseconds later.
    Busy(u64),
    /// So many microseconds into its orderly end.
    End(u64),
}

/// Which process a round kills, and when.
#[derive(Debug)]
struct Round {
    detached: bool,
    /// Not the supervisor in the background, but the command that waits for it.
    caller: bool,
    moment: Moment,
}

impl Round {
    fn draw(random: &mut Random) -> Self {
        let moment = match random.below(5) {
            0 | 1 => Moment::Start(random.below(400_000)),
            2 | 3 => Moment::Busy(random.below(30_000)),
            _ => Moment::End(random.below(60_000)),
        };
        let detached = random.below(3) == 0;
        let caller = detached && matches!(moment, Moment::Start(_)) && random.below(3) == 0;
        Self { detached, caller, moment }
    }

    /// Starts the topology and kills its supervisor.
    fn play(&self, place: &Place, first_port: u16) {
        let mut running = match self.detached {
            true => place.start(&["up", "-d", "topology.rhai"]),
            false => place.start(&["up", "topology.rhai"]),
        };
        let victim = match self.detached && !self.caller {
            true => place.await_pid_of(" --in-background", LIMIT),
            false => running.pid(),
        };
        let pause = match self.moment {
            Moment::Start(micros) => micros,
            Moment::Busy(micros) | Moment::End(micros) => {
                let ready = if self.detached { "`topple down` stops" } else { "Ctrl-C stops" };
                running.wait_for(ready, LIMIT);
                start_slow_snapshot(first_port);
                place.await_pid_of("sleep 1000", LIMIT);
                micros
            }
        };
        if matches!(self.moment, Moment::End(_)) {
            sys::signal_process(victim, SIGINT).expect("it runs");
        }
        std::thread::sleep(Duration::from_micros(pause));
        // At its end it may be gone already, and the caller when the topology was ready before.
        let came_late = sys::signal_process(victim, SIGKILL).is_err();
        if self.caller && came_late | running.saw("`topple down` stops") {
            let _ = place.start(&["down"]).finish(LIMIT);
        }
    }
}

/// Kills supervisors at drawn moments. `TOPPLE_KILLS` sets how many (the long form: 1,000), and
/// `TOPPLE_KILLS_SEED` replays their draws.
#[allow(clippy::print_stdout)] // The long form is run for its count.
fn killed_at_drawn_moments(engine: &str, rounds: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("TOPPLE_KILLS").unwrap_or(rounds);
    let seed = number("TOPPLE_KILLS_SEED").unwrap_or(1);
    let mut random = Random::new(seed);
    let first_port = free_ports(6);
    let place = Place::new();
    place.write("topology.rhai", &topology(engine, first_port));
    place.write("sleep.sh", SLEEPING_SCRIPT);
    let before = place.files();
    let mut reclaimable = 0;
    for number in 0..rounds {
        let round = Round::draw(&mut random);
        round.play(&place, first_port);
        place.expect_no_process(Duration::from_secs(10));
        let told = || format!("round {number} of seed {seed}: {round:?}");
        for port in first_port..first_port + 6 {
            assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok(), "{port} is taken; {}", told());
        }
        // The guardian removes the run's directory last of all. One that was not told yet leaves it to the
        // next run, which reclaims it.
        reclaimable += place.runs().len();
        assert!(place.runs().len() <= 1, "{:?}; {}", place.runs(), told());
        assert_eq!(place.files(), before, "{}", told());
    }
    println!(
        "{rounds} kills of a supervisor of {engine}: {reclaimable} run directories left to the next run"
    );
    let mut running = place.start(&["up", "topology.rhai"]);
    running.wait_for("Ctrl-C stops the topology", LIMIT);
    assert_eq!(place.runs().len(), 1, "reclaimed: {:?}", place.runs());
    running.signal(SIGINT);
    let _ = running.finish(LIMIT);
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn nothing_outlives_a_killed_supervisor_of_real_servers() {
    killed_at_drawn_moments(&on_path("redis-server"), 8);
}

#[test]
fn nothing_outlives_a_killed_supervisor() {
    killed_at_drawn_moments("topple", 40);
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
fn what_a_killed_supervisor_and_guardian_leave_is_reclaimed_by_the_next_run() {
    let place = Place::new();
    let first_port = free_ports(6);
    let without_scripts = topology("topple", first_port).replace(", notification_script: \"sleep.sh\"", "");
    place.write("topology.rhai", &without_scripts);
    let mut running = place.start(&["up", "topology.rhai"]);
    running.wait_for("Ctrl-C stops the topology", LIMIT);
    let guardian = place.await_pid_of("topple-guardian", LIMIT);
    // The supervisor first: it must not learn of its guardian's end.
    running.signal(SIGSTOP);
    sys::signal_process(guardian, SIGKILL).expect("it runs");
    running.signal(SIGKILL);
    // The nodes go with the guardian, their parent; nobody is there to remove the files.
    place.expect_no_process(Duration::from_secs(10));
    let left = place.runs();
    assert_eq!(left.len(), 1);
    let mut again = place.start(&["up", "topology.rhai"]);
    again.wait_for(&format!("removed what a killed run had left: {}", left[0].display()), LIMIT);
    again.wait_for("Ctrl-C stops the topology", LIMIT);
    assert!(!left[0].exists());
    assert_eq!(place.runs().len(), 1, "that of the living is not touched");
    again.signal(SIGINT);
    let _ = again.finish(LIMIT);
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn nothing_outlives_a_killed_guardian() {
    let place = Place::new();
    let running = up(&place);
    let guardian = place.await_pid_of("topple-guardian", LIMIT);
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
    assert!(output.contains(&format!("end process {} (", std::process::id())), "{output}");
    let processes = place.processes();
    assert!(processes.is_empty(), "{processes:?}");
}
