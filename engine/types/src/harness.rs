//! Runs lines of commands on a context of their own and shows what came of each: the reply, and what the
//! dispatcher would see. For tests of command families.
//!
//! Beside commands a line may be `+1500` (milliseconds pass), `rule delete|hide|ignore`, `db 1`, `unstamped`
//! (the access clock is left alone from here on) or `unblocking` (clients cannot be made to wait from here
//! on). A command's line may end in nothing else.

use std::fmt::Write as _;

use expect_test::Expect;
use keyspace::{Db, HashSeed, WallMs};
use resp::encode::command;
use resp::request::{Limits, Trust};
use resp::split::split_words;
use resp::{Args, Batch, Parser, Protocol, Value, Writer};

use crate::{AccessClock, Class, Ctx, Effects, ExpiryRule, Now, Propagation, Random, commands};

/// When every test begins, in Unix milliseconds.
const START_MS: i64 = 1_000_000_000_000;
const ALL_CLASSES: u16 = 2047;

struct Harness {
    dbs: Vec<Db>,
    db_index: u32,
    now: Now,
    rule: ExpiryRule,
    stamps: bool,
    random: Random,
    limits: keyspace::values::Limits,
    may_block: bool,
    shown: String,
}

/// Runs `script` and compares what is shown with `expected`.
#[track_caller]
pub(crate) fn check(script: &str, expected: Expect) {
    expected.assert_eq(&run(script));
}

/// Runs `script` and shows what came of it.
pub(crate) fn run(script: &str) -> String {
    let mut harness = Harness {
        dbs: (0..3).map(|_| Db::new(HashSeed([1, 2, 3, 4]))).collect(),
        db_index: 0,
        now: Now { wall: WallMs(START_MS), mono_ms: 0 },
        rule: ExpiryRule::Delete,
        stamps: true,
        random: Random::new(1),
        limits: keyspace::values::Limits::default(),
        may_block: true,
        shown: String::new(),
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        harness.line(line);
    }
    harness.shown
}

impl Harness {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [passed] if passed.starts_with('+') => self.now.wall.0 += passed[1..].parse::<i64>().unwrap(),
            ["unstamped"] => self.stamps = false,
            ["unblocking"] => self.may_block = false,
            ["db", index] => self.db_index = index.parse().unwrap(),
            ["rule", "delete"] => self.rule = ExpiryRule::Delete,
            ["rule", "hide"] => self.rule = ExpiryRule::Hide,
            ["rule", "ignore"] => self.rule = ExpiryRule::Ignore,
            _ => self.command(line),
        }
    }

    fn command(&mut self, line: &str) {
        let words = split_words(line.as_bytes()).unwrap();
        let mut input = Vec::new();
        command(&mut input, &words);
        let mut batch = Batch::default();
        let limits = Limits { max_bulk_bytes: 1 << 20, trust: Trust::Authenticated };
        Parser::default().parse(&mut input, 0, 1, limits, &mut batch).unwrap();
        let (reply, effects) = self.call(batch.args(0, &input));
        write!(self.shown, "{line}\n    {}", show(&reply)).unwrap();
        self.show_effects(effects);
        self.shown.push('\n');
    }

    fn call(&mut self, args: Args<'_>) -> (Value, Effects) {
        let mut out = Vec::new();
        let mut effects = Effects { watching: true, notify: ALL_CLASSES, ..Effects::default() };
        let named = |name: &str, at: usize| args.at(at).eq_ignore_ascii_case(name.as_bytes());
        let found = commands().find(|one| named(one.meta.name, 0)).expect("a command of the family");
        let found = match found.subcommands {
            [] => found,
            subcommands => subcommands.iter().find(|one| named(one.meta.name, 1)).expect("a subcommand"),
        };
        assert!(found.meta.accepts(args.len()), "the dispatcher refuses this number of arguments");
        let mut ctx = Ctx {
            dbs: &mut self.dbs,
            db_index: self.db_index,
            now: self.now,
            access: AccessClock::lru(self.now.wall.0, self.stamps),
            expiry: self.rule,
            out: Writer::new(&mut out, Protocol::Resp2),
            effects: &mut effects,
            random: &mut self.random,
            first_key: None,
            max_string_bytes: 1 << 20,
            limits: &self.limits,
            compression: persist::rdb::Compression::Lzf,
            may_block: self.may_block,
            reads_all_keys: true,
            caller: crate::Caller::Client,
        };
        if let Err(error) = (found.run)(&mut ctx, args) {
            out.clear();
            Writer::new(&mut out, Protocol::Resp2).error(&error.to_string());
        }
        if effects.block.is_some() {
            assert!(out.is_empty(), "a command that waits has no reply");
            return (Value::Nil, effects);
        }
        let (reply, used) = Value::parse(&out).unwrap().expect("a whole reply");
        assert_eq!(used, out.len(), "one reply and no more");
        (reply, effects)
    }

    fn show_effects(&mut self, effects: Effects) {
        let shown = &mut self.shown;
        if effects.dirty > 0 {
            write!(shown, " dirty={}", effects.dirty).unwrap();
        }
        if effects.hits + effects.misses > 0 {
            write!(shown, " hits={}/{}", effects.hits, effects.hits + effects.misses).unwrap();
        }
        for (db, key) in &effects.expired {
            write!(shown, " expired={db}:{}", key.escape_ascii()).unwrap();
        }
        let touched: Vec<String> =
            effects.touched.iter().map(|(db, key)| format!("{db}:{}", key.escape_ascii())).collect();
        if !touched.is_empty() {
            write!(shown, " touched={}", touched.join(",")).unwrap();
        }
        for flushed in &effects.flushed {
            write!(shown, " flushed={}:{}", flushed.db, flushed.contents.len()).unwrap();
        }
        if let Some((first, second)) = effects.swapped {
            write!(shown, " swapped={first},{second}").unwrap();
        }
        let events: Vec<String> = effects
            .notices
            .iter()
            .map(|notice| format!("{}@{}:{}", notice.event, notice.db, notice.key.escape_ascii()))
            .collect();
        if !events.is_empty() {
            write!(shown, " events={}", events.join(",")).unwrap();
        }
        if let Some(on) = &effects.block {
            let keys: Vec<String> = on.keys.iter().map(|key| key.escape_ascii().to_string()).collect();
            write!(shown, " waits={}:{}", on.kind.name(), keys.join(",")).unwrap();
            match on.timeout_ms {
                Some(timeout_ms) => write!(shown, ":{timeout_ms}ms").unwrap(),
                None => shown.push_str(":forever"),
            }
            for word in on.again.iter().flatten() {
                write!(shown, " {}", word.escape_ascii()).unwrap();
            }
        }
        match effects.propagation {
            Propagation::AsReceived => {}
            Propagation::Always => shown.push_str(" replicated=always"),
            Propagation::Nothing => shown.push_str(" replicated=nothing"),
            Propagation::Instead(commands) => {
                for command in commands {
                    let words: Vec<String> =
                        command.iter().map(|word| word.escape_ascii().to_string()).collect();
                    write!(shown, " replicated=[{}]", words.join(" ")).unwrap();
                }
            }
        }
    }
}

/// A reply in one line.
fn show(reply: &Value) -> String {
    match reply {
        Value::Simple(text) => format!("+{}", text.escape_ascii()),
        Value::Error(text) => format!("-{}", text.escape_ascii()),
        Value::Int(value) => format!(":{value}"),
        Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::Nil => "nil".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        other => panic!("RESP2 has no {other:?}"),
    }
}

#[test]
fn every_class_of_events_is_asked_for() {
    assert_eq!(Class::New as u16 * 2 - 1, ALL_CLASSES);
}
