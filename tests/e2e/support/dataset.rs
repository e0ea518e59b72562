//! All that a server holds, for comparing two of them.

use std::collections::BTreeMap;

use resp::Value;

use super::client::Client;
use super::node::Node;
use super::random::Random;
use super::wait::obtain_or;

/// Databases that are compared and written to.
pub const DATABASES: u64 = 3;

/// Database and key; value and deadline in Unix milliseconds (-1 for none).
pub type Dataset = BTreeMap<(u64, Vec<u8>), (Vec<u8>, i64)>;

/// Reads everything.
pub fn dataset(node: &Node) -> Dataset {
    let mut client = node.client();
    let mut all = Dataset::new();
    for db in 0..DATABASES {
        client.line(&format!("SELECT {db}")).expect("a reply");
        let keys = client.line("KEYS *").expect("a reply");
        for key in keys.as_array().expect("keys").iter().filter_map(Value::as_bytes) {
            let value = client.call(&[b"GET", key]).expect("a reply");
            let deadline = client.call(&[b"PEXPIRETIME", key]).expect("a reply");
            // A key may go between the questions: then its deadline is -2.
            if let (Some(value), Some(deadline @ -1..)) = (value.as_bytes(), deadline.as_int()) {
                all.insert((db, key.to_vec()), (value.to_vec(), deadline));
            }
        }
    }
    all
}

/// Waits until two servers hold the same, and gives it.
pub fn await_same(one: &Node, other: &Node) -> Dataset {
    obtain_or(
        || {
            let held = dataset(one);
            assert!(!other.log().contains("CRITICAL"), "a replica met an error:\n{}", other.log());
            (held == dataset(other)).then_some(held)
        },
        || {
            let (one_holds, other_holds) = (dataset(one), dataset(other));
            let first = one_holds.iter().find(|(key, held)| other_holds.get(*key) != Some(*held));
            let extra = other_holds.iter().find(|(key, _)| !one_holds.contains_key(*key));
            format!(
                "the same data in two servers: {} and {} keys; first difference {first:?}, extra {extra:?}\n{}\n{}",
                one_holds.len(),
                other_holds.len(),
                one.log(),
                other.log()
            )
        },
    )
}

/// Random writes that follow from a seed: several databases, transactions, deadlines near and far.
/// `TOPPLE_LOAD_SEED` makes them others.
pub struct Load {
    random: Random,
    client: Client,
}

impl Load {
    /// Writes through a connection of its own.
    pub fn new(node: &Node, seed: u64) -> Load {
        let other = std::env::var("TOPPLE_LOAD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
        Load { random: Random::new(seed ^ other), client: node.client() }
    }

    /// Sends so many commands, a hundred at a time, and checks that each got a reply that is no error.
    pub fn write(&mut self, commands: usize) {
        for begin in (0..commands).step_by(100) {
            let batch: Vec<Vec<String>> =
                (begin..commands.min(begin + 100)).flat_map(|_| self.next()).collect();
            self.client.send(batch.iter().map(Vec::as_slice)).expect("a connection");
            for command in &batch {
                let error = self.client.reply().expect("a reply").as_error();
                let moved_nowhere = command[0] == "MOVE"
                    && error.as_deref() == Some("ERR source and destination objects are the same");
                assert!(error.is_none() || moved_nowhere, "{command:?}: {error:?}");
            }
        }
    }

    /// A command, or a transaction of some.
    fn next(&mut self) -> Vec<Vec<String>> {
        let words = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
        match self.random.below(20) {
            0 => vec![words(&format!("SELECT {}", self.random.below(DATABASES)))],
            1 => {
                let inner = (0..=self.random.below(4)).map(|_| words(&self.command()));
                [vec![words("MULTI")], inner.collect(), vec![words("EXEC")]].concat()
            }
            _ => vec![words(&self.command())],
        }
    }

    fn command(&mut self) -> String {
        let random = &mut self.random;
        let (key, number) = (format!("k{}", random.below(300)), format!("n{}", random.below(20)));
        let value = "x".repeat(random.below(120) as usize) + &random.below(1000).to_string();
        let far = 4_102_444_800_000 + random.below(1_000_000);
        let other = format!("k{}", random.below(300));
        match random.below(26) {
            0..=3 => format!("SET {key} {value}"),
            4 => format!("SET {key} {value} PX {}", 1 + random.below(40)),
            5 => format!("SET {key} {value} PXAT {far}"),
            6 => format!("INCRBY {number} {}", random.below(100)),
            7 => format!("APPEND {key} {}", random.below(10)),
            8 => format!("DEL {key} k{}", random.below(300)),
            9 => format!("PEXPIREAT {key} {far}"),
            10 => format!("PEXPIRE {key} {}", 1 + random.below(60)),
            11 => format!("COPY {key} copy{} REPLACE", random.below(50)),
            12 => format!("MSET {key} {value} {number} {}", random.below(1000)),
            13 => format!("GETEX {key} PX {}", 1 + random.below(50)),
            14 => format!("GETDEL {key}"),
            15 => format!("SETRANGE {key} {} {value}", random.below(200)),
            16 => format!("SET {key} {value} KEEPTTL"),
            17 => format!("SET {key} {value} XX GET"),
            18 => format!("MOVE {key} {}", random.below(DATABASES)),
            19 => format!("UNLINK {key} {other}"),
            20 => format!("COPY {other} copy{} DB 2 REPLACE", random.below(50)),
            21 => format!("PERSIST {key}"),
            22 if random.below(20) == 0 => "SWAPDB 1 2".into(),
            23 if random.below(60) == 0 => "FLUSHDB".into(),
            24 => format!("EXPIRE {key} {} GT", random.below(3)),
            _ => format!("INCRBYFLOAT f{} 0.{}", random.below(10), random.below(1000)),
        }
    }
}
