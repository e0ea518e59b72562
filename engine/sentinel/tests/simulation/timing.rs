//! How long a failover takes: kill to `+switch-master`.
//!
//! `TOPPLE_SENTINEL_RUNS=1000 cargo test -p topple-sentinel --test simulation
//! timing -- --nocapture` prints the distribution.

use crate::{checks, world::World};

const DOWN_AFTER_MS: u64 = 500;

fn runs() -> u64 {
    std::env::var("TOPPLE_SENTINEL_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

/// Milliseconds from the kill to the first and to the last sentinel's
/// `+switch-master`.
fn measure(seed: u64, delay_ms: u64, pace: &str) -> Option<(u64, u64)> {
    let directives = format!(
        "sentinel monitor mymaster $IP0 6379 2\nsentinel down-after-milliseconds mymaster {DOWN_AFTER_MS}\n\
         sentinel failover-timeout mymaster 10000\n{pace}"
    );
    let mut world = World::new(seed, 1, 2, 3, &directives);
    world.max_delay_ms = delay_ms;
    let ready = if pace.is_empty() { 300 } else { 15_000 };
    let before_kill = ready + world.dice.below(2_000);
    world.run_for(before_kill);
    let killed = world.now;
    world.kill(0);
    let done = world.run_until(30_000, |w| w.count("+switch-master") == 3);
    let switches: Vec<u64> =
        world.events().filter(|(_, _, e)| e.kind == "+switch-master").map(|(at, ..)| at - killed).collect();
    checks::history(&world, 2);
    done.then(|| (switches[0], switches[2]))
}

fn distribution(name: &str, mut figures: Vec<u64>) {
    figures.sort_unstable();
    let at = |percent: usize| figures[(figures.len() - 1) * percent / 100];
    println!(
        "{name}: min {} p50 {} p90 {} p99 {} max {} ms",
        at(0),
        at(50),
        at(90),
        at(99),
        figures[figures.len() - 1]
    );
}

#[test]
fn prompt_failovers_stay_close_to_down_after() {
    for delay in [1, 5] {
        let taken: Vec<(u64, u64)> =
            (0..runs()).map(|seed| measure(seed, delay, "").expect("a failover")).collect();
        distribution(&format!("first switch, {delay} ms"), taken.iter().map(|t| t.0).collect());
        distribution(&format!("last switch, {delay} ms"), taken.iter().map(|t| t.1).collect());
        for (seed, (first, last)) in taken.iter().enumerate() {
            assert!(*first >= DOWN_AFTER_MS, "seed {seed}: a verdict {first} ms after the kill is early");
            assert!(*last <= DOWN_AFTER_MS + 700, "seed {seed}: {last} ms");
        }
    }
}

#[test]
fn the_pace_of_redis_completes_too() {
    let runs = (runs() / 4).max(5);
    let taken: Vec<u64> = (0..runs)
        .filter_map(|seed| measure(seed, 1, "sentinel pace redis\n").map(|(_, last)| last))
        .collect();
    assert!(taken.len() as u64 * 10 >= runs * 5, "{} of {runs} completed at the first try", taken.len());
    distribution("last switch, pace redis", taken);
}

/// Failovers over a slow network in which more than one sentinel stood.
fn contested(delay_ms: u64, runs: u64) -> u64 {
    let directives = "sentinel monitor mymaster $IP0 6379 2\nsentinel down-after-milliseconds mymaster 1000\n\
                      sentinel failover-timeout mymaster 10000\n";
    let is_contested = |seed: &u64| {
        let mut world = World::new(*seed, 1, 2, 3, directives);
        world.max_delay_ms = delay_ms;
        let before_kill = 3_000 + world.dice.below(2_000);
        world.run_for(before_kill);
        world.kill(0);
        assert!(world.run_until(30_000, |w| w.count("+switch-master") == 3), "{}", world.story());
        checks::history(&world, 2);
        world.count("+try-failover") > 1
    };
    (0..runs).filter(is_contested).count() as u64
}

#[test]
fn candidates_keep_apart_however_slow_the_others_answer() {
    for delay in [1, 40, 120] {
        let (runs, contested) = (runs(), contested(delay, runs()));
        println!("{contested} of {runs} failovers were contested with delays up to {delay} ms");
        assert!(contested * 8 <= runs, "{contested} of {runs} with {delay} ms");
    }
}
