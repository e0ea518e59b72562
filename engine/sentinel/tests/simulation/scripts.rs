//! Scripts: what they are told, how often they are tried, when they are ended.

use topple_sentinel::{Reply, ScriptOutcome};

use crate::{
    checks::field,
    world::{Fact, World},
};

const DIRECTIVES: &str = "sentinel monitor mymaster $IP0 6379 1\n\
    sentinel down-after-milliseconds mymaster 500\n\
    sentinel notification-script mymaster /notify\n\
    sentinel client-reconfig-script mymaster /reconfig\n";

fn runs(world: &World, wanted: &str) -> Vec<(u64, Vec<String>)> {
    let scripts = world.history.iter().filter_map(|(at, _, fact)| match fact {
        Fact::Script { path, args } if path == wanted => Some((*at, args.clone())),
        _ => None,
    });
    scripts.collect()
}

fn world(outcome: fn(&str) -> (u64, ScriptOutcome)) -> World {
    let mut world = World::stopped(3, 1, 1, 1, DIRECTIVES);
    world.script_end = Box::new(outcome);
    world.start(0);
    world
}

#[test]
fn warnings_are_notified_and_clients_reconfigured() {
    let mut world = world(|_| (5, ScriptOutcome::Exit(0)));
    world.run_for(300);
    world.kill(0);
    world.run_for(1_000);
    let told: Vec<_> = runs(&world, "/notify").into_iter().map(|(_, args)| args[0].clone()).collect();
    assert_eq!(told[..3], ["+monitor", "+sdown", "+odown"]);
    assert!(told.contains(&"+switch-master".to_owned()) && !told.contains(&"+slave".to_owned()));
    let reconfigured = runs(&world, "/reconfig");
    assert_eq!(reconfigured.len(), 1);
    assert_eq!(reconfigured[0].1, ["mymaster", "leader", "start", "10.0.0.1", "6379", "10.0.0.2", "6379"]);
    assert_eq!(world.count("-script-error"), 0);
}

#[test]
fn exit_code_one_is_tried_ten_times_with_doubling_delays() {
    let mut world = world(|_| (7, ScriptOutcome::Exit(1)));
    world.command(0, &["SENTINEL", "DEBUG", "script-retry-delay", "50"]);
    world.run_for(50 * 1024);
    let starts: Vec<u64> = runs(&world, "/notify").into_iter().map(|(at, _)| at).collect();
    assert_eq!(starts.len(), 10, "+monitor is all that happened");
    let gaps: Vec<u64> = starts.windows(2).map(|w| w[1] - w[0]).collect();
    let expected: Vec<u64> = (0..9).map(|n| (50 << n) + 7).collect();
    assert_eq!(gaps, expected);
    let error = world.events().find(|(_, _, e)| e.kind == "-script-error").expect("given up").2;
    assert_eq!(error.text, "/notify 0 1");
}

#[test]
fn other_codes_and_missing_programs_are_not_tried_again() {
    for (outcome, text) in
        [(ScriptOutcome::Exit(3), "/notify 0 3"), (ScriptOutcome::NotExecutable, "/notify 0 2")]
    {
        let mut world = World::stopped(3, 1, 1, 1, DIRECTIVES);
        world.script_end = Box::new(move |_| (7, outcome));
        world.start(0);
        world.run_for(100_000);
        assert_eq!(runs(&world, "/notify").len(), 1);
        let error = world.events().find(|(_, _, e)| e.kind == "-script-error").expect("told").2;
        assert_eq!(error.text, text);
    }
}

#[test]
fn a_script_that_hangs_is_killed_after_a_minute_and_tried_again() {
    let mut world = world(|_| (u64::MAX / 4, ScriptOutcome::Exit(0)));
    world.run_for(60_500);
    assert_eq!(world.count("-script-timeout"), 1);
    assert_eq!(world.history.iter().filter(|(_, _, f)| matches!(f, Fact::Killed(_))).count(), 1);
    world.run_for(31_000);
    assert_eq!(runs(&world, "/notify").len(), 2);
}

#[test]
fn sixteen_run_at_once_and_the_rest_waits() {
    let mut world = world(|_| (50_000, ScriptOutcome::Exit(0)));
    world.run_for(300);
    for n in 0..300 {
        let quorum = (n % 5 + 1).to_string();
        world.command(0, &["SENTINEL", "SET", "mymaster", "quorum", &quorum]);
    }
    world.run_for(100);
    assert_eq!(runs(&world, "/notify").len(), 16);
    let Some(Reply::Array(jobs)) = world.command(0, &["SENTINEL", "PENDING-SCRIPTS"]) else {
        panic!("a list")
    };
    assert_eq!(jobs.len(), 256);
    assert_eq!(field(&jobs[0], "flags").as_deref(), Some("running"));
    assert_eq!(field(&jobs[255], "flags").as_deref(), Some("scheduled"));
    let section = world.nodes[0].machine.as_ref().expect("alive").info_section();
    assert!(section.contains("sentinel_running_scripts:16\r\nsentinel_scripts_queue_length:256\r\n"));
}
