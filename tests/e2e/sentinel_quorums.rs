//! Failovers by every company of sentinels, over servers of both kinds: the master is killed and every sentinel must
//! name its heir.
//!
//! The short form fails each company's master over once. The long form prints how many of how many succeeded, and
//! how long they took, from the kill until the last sentinel names the heir:
//!
//! ```text
//! TOPPLE_FAILOVERS=20 cargo test -p topple --test e2e -- --nocapture every_company_fails_over
//! ```
//!
//! `TOPPLE_BURNERS=8` keeps so many processes busy meanwhile.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::node::{Node, free_port};
use super::support::server::Engine::{self, Redis, Topple};
use super::support::wait::until;
use super::support::watcher::{Watcher, field_of};

/// A real sentinel that loses a split vote stands again after twice this time.
const FAILOVER_TIMEOUT_MS: u64 = 5_000;
const PATIENCE: Duration = Duration::from_secs(40);

/// How one failover went.
struct Outcome {
    /// Until the last sentinel named the heir; `None` when one did not.
    taken: Option<Duration>,
    /// How many stood for election.
    candidates: usize,
}

/// A master with two replicas and three sentinels that all know each other.
struct Topology {
    servers: Vec<Node>,
    sentinels: Vec<Watcher>,
}

impl Topology {
    fn start(sentinels: [Engine; 3], servers: Engine) -> Topology {
        let master = Node::start(servers, &[]);
        let replicas = (0..2).map(|_| Node::start(servers, &[]));
        let servers: Vec<Node> = std::iter::once(master).chain(replicas).collect();
        servers[1..].iter().for_each(|replica| replica.follow(&servers[0]));
        let lines = format!(
            "sentinel monitor mm 127.0.0.1 {} 2\nsentinel down-after-milliseconds mm 500\n\
             sentinel failover-timeout mm {FAILOVER_TIMEOUT_MS}\n",
            servers[0].port()
        );
        let mut sentinels = sentinels.map(|engine| Watcher::prepare_at(engine, free_port(), &lines));
        sentinels.iter_mut().for_each(|sentinel| sentinel.node_mut().launch());
        let topology = Topology { servers, sentinels: sentinels.into() };
        topology.await_readiness();
        topology
    }

    fn await_readiness(&self) {
        for sentinel in &self.sentinels {
            for (list, flags, count) in [("REPLICAS", "slave", 2), ("SENTINELS", "sentinel", 2)] {
                sentinel.await_reply(&format!("SENTINEL {list} mm"), |reply| {
                    let all = reply.as_array().unwrap_or_default();
                    let ready = |one: &resp::Value| {
                        field_of(one, "flags") == flags
                            && (flags == "sentinel" || field_of(one, "master-link-status") == "ok")
                    };
                    all.len() == count && all.iter().all(ready)
                });
            }
        }
    }

    /// Kills the master and watches what comes of it.
    fn fail_over(mut self) -> Outcome {
        let old = self.servers[0].port().to_string();
        self.servers[0].kill();
        let killed = Instant::now();
        let names_heir = |sentinel: &Watcher| {
            let address = sentinel.ok("SENTINEL GET-MASTER-ADDR-BY-NAME mm");
            address.as_array().and_then(|words| words[1].to_text()).is_some_and(|port| port != old)
        };
        let mut taken = None;
        while taken.is_none() && killed.elapsed() < PATIENCE {
            if self.sentinels.iter().all(names_heir) {
                taken = Some(killed.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let stood = |sentinel: &Watcher| {
            sentinel.events().iter().filter(|event| event.contains(" +try-failover ")).count()
        };
        let candidates = self.sentinels.iter().map(stood).sum();
        if taken.is_some() {
            // The heir takes writes, and the other replica follows it.
            let masters =
                || self.servers[1..].iter().filter(|server| server.info("role") == "master").count();
            until("one master and its replica", || {
                let followers = self.servers[1..].iter().filter(|server| {
                    server.info("role") == "slave" && server.info("master_link_status") == "up"
                });
                masters() == 1 && followers.count() == 1
            });
        }
        Outcome { taken, candidates }
    }
}

const COMPANIES: [(&str, [Engine; 3]); 4] = [
    ("three of ours", [Topple, Topple, Topple]),
    ("two of ours and a real one", [Topple, Redis, Topple]),
    ("one of ours and two real ones", [Redis, Topple, Redis]),
    ("three real ones", [Redis, Redis, Redis]),
];

#[test]
fn every_company_fails_over() {
    match number("TOPPLE_FAILOVERS", 1) {
        1 => once_each(),
        runs => many_each(runs),
    }
}

fn once_each() {
    std::thread::scope(|scope| {
        for (name, sentinels) in COMPANIES {
            // Both kinds of servers appear; the long form has all eight pairs.
            let servers = if sentinels[1] == Redis { Topple } else { Redis };
            scope.spawn(move || {
                let outcome = Topology::start(sentinels, servers).fail_over();
                assert!(outcome.taken.is_some(), "{name} over {servers:?}: {} stood", outcome.candidates);
            });
        }
    });
}

/// Processes that do nothing but take time.
struct Burners(Vec<Child>);

impl Burners {
    fn start(count: usize) -> Burners {
        let burn = || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
        Burners((0..count).map(|_| burn().expect("a shell")).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Ours, and never ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

#[expect(clippy::print_stdout, reason = "the figures are for a human")]
fn many_each(runs: usize) {
    let _burners = Burners::start(number("TOPPLE_BURNERS", 0));
    let mut failed = Vec::new();
    for servers in [Topple, Redis] {
        for (name, sentinels) in COMPANIES {
            let outcomes: Vec<Outcome> =
                (0..runs).map(|_| Topology::start(sentinels, servers).fail_over()).collect();
            let mut taken: Vec<u128> =
                outcomes.iter().filter_map(|one| one.taken).map(|taken| taken.as_millis()).collect();
            taken.sort_unstable();
            let contested = outcomes.iter().filter(|one| one.candidates > 1).count();
            let figure = |percent: usize| taken.get((taken.len().max(1) - 1) * percent / 100).copied();
            println!(
                "{name} over {servers:?}: {} of {runs}; ms: min {:?} median {:?} p90 {:?} max {:?}; {contested} contested",
                taken.len(),
                figure(0),
                figure(50),
                figure(90),
                figure(100),
            );
            if taken.len() < runs {
                failed.push(format!("{name} over {servers:?}: {} of {runs}", taken.len()));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
