//! Configuration files and command lines of random text: nothing panics, and what is accepted means the same when it
//! is rewritten and read again.
//!
//! Text follows from a seed. `TOPPLE_FUZZ_ROUNDS` sets how many texts are tried (4,000 unless told),
//! `TOPPLE_FUZZ_SEED` another seed.

use topple_commands::config::{Config, load_lines, parse_arguments, rewrite, rewrite_all};

/// Values: of every kind, at limits, beyond them, and none.
const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "10",
    "300",
    "65535",
    "65536",
    "yes",
    "no",
    "YES",
    "maybe",
    "1kb",
    "64mb",
    "1gb",
    "1k",
    "50%",
    "101%",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "everysec",
    "always",
    "noeviction",
    "allkeys-lru",
    "volatile-lfu",
    "notice",
    "debug",
    "KEA",
    "Kg$",
    "local",
    "\"\"",
    "''",
    "\"a b\"",
    "'a b'",
    "\"a",
    "'a\\'b'",
    "\"\\x00\\n\\\"\"",
    "#",
    "a#b",
    "127.0.0.1",
    "::1",
    "*",
    "-::*",
    "60 5",
    "60 5 10 2",
    "3600 1 300 100",
    "normal 0 0 0",
    "replica 256mb 64mb 60",
    "pubsub 32mb 8mb",
    "/tmp",
    "dump.rdb",
    "a/b",
    "50 99 99.9",
    "50 x",
    "alice on >p ~* +@all",
    "bob off resetchannels -@all (+get ~x)",
    "default nopass",
    "{title} {port}",
    "{nosuch}",
    "Ünï",
    "\u{1}\u{7f}",
    "x\ty",
    "  ",
];
const OTHER: &[&str] = &[
    "",
    "#",
    "# comment",
    "include nosuch.conf",
    "sentinel monitor m 127.0.0.1 6379 2",
    "nosuch 1",
    "\"port\" 1",
];
const BYTES: &[char] =
    &['a', '1', ' ', '\t', '"', '\'', '\\', 'x', '0', '-', '#', '\r', '\u{0}', 'é', '%', '{', '}'];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// The seeded generator (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, pool: &[&'a T]) -> &'a T {
        pool[self.below(pool.len())]
    }
}

fn value(random: &mut Random) -> String {
    match random.below(6) {
        0 => (0..random.below(8)).map(|_| BYTES[random.below(BYTES.len())]).collect(),
        1 => format!("{} {}", random.pick(VALUES), random.pick(VALUES)),
        _ => random.pick(VALUES).to_owned(),
    }
}

/// A line: a directive with a value, seldom something else.
fn line(names: &[String], random: &mut Random) -> String {
    match random.below(12) {
        0 => random.pick(OTHER).to_owned(),
        1 => (0..random.below(20)).map(|_| BYTES[random.below(BYTES.len())]).collect(),
        2 => format!("{}\t{} ", names[random.below(names.len())].to_uppercase(), value(random)),
        _ => format!("{} {}", names[random.below(names.len())], value(random)),
    }
}

fn load(config: &mut Config, text: &str) -> Result<(), String> {
    let mut none = |path: &str| Err(format!("no file {path}"));
    load_lines(config, "redis.conf", text, &mut none).map_err(|error| error.to_string())
}

/// Everything CONFIG GET tells, and the users.
fn told(config: &Config) -> Vec<String> {
    let mut told: Vec<String> =
        config.get(&[b"*"]).into_iter().map(|(name, value)| format!("{name} {value:?}")).collect();
    told.extend(config.user_lines.iter().cloned());
    told
}

fn names() -> Vec<String> {
    let all = Config::default();
    all.get(&[b"*"]).into_iter().map(|(name, _)| name.to_owned()).chain(["user".to_owned()]).collect()
}

#[test]
fn what_is_accepted_of_a_file_means_the_same_when_it_is_rewritten() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000) / 8, setting("TOPPLE_FUZZ_SEED", 1));
    let (names, mut taken) = (names(), 0);
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 32).wrapping_add(round));
        // Lines that are refused alone are left out: whole files would hardly ever be accepted.
        let lines: Vec<String> = (0..1 + random.below(12)).map(|_| line(&names, &mut random)).collect();
        let good = |line: &String| load(&mut Config::default(), line).is_ok();
        let text = lines.iter().filter(|line| good(line)).map(|line| format!("{line}\n")).collect::<String>();
        let mut config = Config::default();
        if load(&mut config, &text).is_err() {
            continue;
        }
        for (how, rewritten) in [("once", rewrite(&config, &text)), ("in full", rewrite_all(&config, &text))]
        {
            let mut again = Config::default();
            let shown = || format!("seed {seed}, round {round}, {how}:\n{text}\n--- rewritten:\n{rewritten}");
            load(&mut again, &rewritten).unwrap_or_else(|error| panic!("{}\n{error}", shown()));
            assert!(told(&again) == told(&config), "{}\n{:#?}", shown(), difference(&config, &again));
            assert_eq!(rewrite(&again, &rewritten), rewritten, "rewriting changes nothing more; {}", shown());
        }
        taken += 1;
    }
    assert!(taken > rounds / 2, "only {taken} of {rounds} files were accepted");
}

fn difference(one: &Config, other: &Config) -> Vec<String> {
    let (one, other) = (told(one), told(other));
    one.iter()
        .zip(&other)
        .filter(|(one, other)| one != other)
        .map(|(one, other)| format!("{one} => {other}"))
        .collect()
}

#[test]
fn any_command_line_is_taken_or_refused() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000), setting("TOPPLE_FUZZ_SEED", 1));
    let (names, mut taken) = (names(), 0);
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 33).wrapping_add(round));
        let mut words = Vec::new();
        for _ in 0..random.below(4) {
            match random.below(8) {
                0 => words.push(value(&mut random)),
                1 => words.push(format!("--{}", line(&names, &mut random))),
                _ => {
                    words.push(format!("--{}", names[random.below(names.len())]));
                    words.extend(value(&mut random).split(' ').map(str::to_owned));
                }
            }
        }
        let mut config = Config::default();
        if parse_arguments(&mut config, &words).is_ok() {
            let mut again = Config::default();
            let rewritten = rewrite(&config, "");
            load(&mut again, &rewritten).unwrap_or_else(|error| panic!("round {round}, {words:?}: {error}"));
            assert!(
                told(&again) == told(&config),
                "round {round}, {words:?}\n{rewritten}\n{:#?}",
                difference(&config, &again)
            );
            taken += 1;
        }
    }
    assert!(taken > 0, "nothing was taken");
}
