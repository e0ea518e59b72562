//! The built-in topologies do what their names say: each is run as it stands, on ports that are free.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::support::topple::{Place, free_ports};

const LIMIT: Duration = Duration::from_secs(240);
/// Ports that a node and those declared with it may take.
const BLOCK: u16 = 10;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The script with free ports for those it names, and scripts beside it as in the repository.
fn written_out(name: &str) -> Place {
    let place = Place::new();
    for folder in ["topologies", "scripts"] {
        fs::create_dir(place.path().join(folder)).expect("a folder");
    }
    for script in fs::read_dir(root().join("scripts")).expect("scripts").flatten() {
        let target = place.path().join("scripts").join(script.file_name());
        fs::copy(script.path(), target).expect("copied");
    }
    let text = fs::read_to_string(root().join(format!("topologies/{name}.rhai"))).expect("a topology");
    place.write(&format!("topologies/{name}.rhai"), &elsewhere(&text));
    place
}

/// Every `port: N` of a script with a free N, and as many free ones behind it.
fn elsewhere(text: &str) -> String {
    let mut parts = text.split("port: ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut given: Vec<(u16, u16)> = Vec::new();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        out.push_str("port: ");
        let Ok(port) = part[..digits].parse::<u16>() else {
            out.push_str(part);
            continue;
        };
        // Ports that are near each other are one block of the script's.
        let near = given.iter().find(|(from, _)| (*from..*from + BLOCK).contains(&port)).copied();
        let (from, to) = near.unwrap_or_else(|| {
            let pair = (port, free_ports(BLOCK));
            given.push(pair);
            pair
        });
        out.push_str(&(to + (port - from)).to_string());
        out.push_str(&part[digits..]);
    }
    out
}

fn holds(name: &str) {
    holds_with(name, &[]);
}

fn holds_with(name: &str, params: &[&str]) {
    let place = written_out(name);
    let script = format!("topologies/{name}.rhai");
    let mut words = vec!["run", &script];
    params.iter().for_each(|param| words.extend(["-p", param]));
    let (status, output) = place.start(&words).finish(LIMIT);
    assert_eq!(status.code(), Some(0), "{output}");
    place.expect_nothing_left(Duration::from_secs(20));
}

#[test]
fn two_masters_share_a_set_of_sentinels() {
    holds("two-masters-one-sentinel-set");
}

#[test]
fn one_sentinel_of_three_may_be_dead() {
    holds("one-sentinel-dead");
}

#[test]
fn clients_go_on_without_sentinels() {
    holds("all-sentinels-dead");
}

#[test]
fn a_replica_joins_and_leaves_a_living_topology() {
    holds("replica-joins-and-leaves-live");
}

#[test]
fn notification_scripts_work_fail_hang_and_miss() {
    holds("notification-scripts");
}

#[test]
fn real_and_own_engines_live_in_one_topology() {
    holds("mixed-engines");
}

#[test]
fn a_rolling_restart_loses_nothing() {
    holds("rolling-restart");
}

/// All hundred take a release build's speed; the shape is the same.
#[test]
fn of_many_masters_one_dies_and_the_others_do_not_notice() {
    holds_with("hundred-nodes", &["masters=2", "replicas=2", "sentinels=3"]);
}

#[test]
fn without_a_real_server_mixed_engines_says_what_to_install() {
    let place = written_out("mixed-engines");
    let script = "topologies/mixed-engines.rhai";
    for name in ["no-such-redis-server", "/nowhere/redis-server"] {
        let (status, output) = place.start(&["run", script, "-p", &format!("redis={name}")]).finish(LIMIT);
        assert_eq!(status.code(), Some(3), "{output}");
        assert!(output.contains(&format!("cannot execute {name}")), "{output}");
        assert!(output.contains("apt-get install redis-server"), "{output}");
    }
    assert!(place.processes().is_empty());
}

#[test]
fn the_built_in_name_works_anywhere() {
    // What is compiled in is what lies in `topologies/`, and needs nothing beside the binary.
    let place = Place::new();
    let (status, output) = place.start(&["plan", "notification-scripts"]).finish(LIMIT);
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("scripts/notify-works.sh"), "{output}");
}
