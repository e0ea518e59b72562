//! Random commands, the same for our server and for the real one: every reply, every keyspace event, every
//! replicated command and in the end all contents must be equal.
//!
//! Commands follow from a seed. What depends on the clock is left out: keys get deadlines far ahead, or in
//! the past where that deletes them at once. `TOPPLE_DIFF_COMMANDS` sets how many commands a family runs
//! (20,000 unless told), `TOPPLE_DIFF_SEED` another seed.

mod acl;
mod bits;
mod crowd;
mod dump;
mod hashes;
mod hyperloglog;
mod introspection;
mod lists;
mod scripting;
mod sets;
mod sort;
mod sorted_sets;
mod streams;
mod told;
mod tracking;

use resp::Value;

use super::pattern::{Pattern, Shape};
use super::support::client::Client;
use super::support::server::{Engine, Server};
use super::support::wait::until;

/// Commands between two comparisons of replies and events.
const BATCH: usize = 100;
/// Commands that are shown before the one that got different replies.
const SHOWN: usize = 12;
const DATABASES: usize = 3;

const KEYS: &[&str] =
    &["a", "b", "c", "key:1", "key:2", "key:3", "", "a b\r\n", "\u{0}", "longer:key:than:the:others:1"];
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "10",
    "0010",
    "9999",
    "10000",
    "-0",
    "+1",
    " 1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "3.0e3",
    "-0.25",
    "abc",
    "hello world",
    "\r\n\u{0}\u{ff}",
    "12345678901234567890123456789012345678901234",
    "123456789012345678901234567890123456789012345",
    "the quick brown fox jumps over the lazy dog, and then the lazy dog jumps over the quick brown fox",
];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "-3",
    "7",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "x",
    "",
    "01",
    " 2",
];
const FLOATS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.1",
    "-0.3",
    "1e3",
    "1.5e-3",
    "3.14159265358979323846",
    "1e17",
    "123456789.987654321",
    "1e-18",
    "0x1p-3",
    "inf",
    "nan",
    "x",
    "",
    "1e4000",
    "-1e4000",
    "18446744073709551615.5",
];
/// Fields of hashes and members of sets.
const ELEMENTS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "abc",
    "1",
    "2",
    "3",
    "-17",
    "70000",
    "5000000000",
    "007",
    "",
    "a b\r\n",
    "an element that is longer than forty bytes are",
];
const PATTERNS: &[&str] =
    &["*", "a*", "key:?", "key:[12]", "[^a]*", "*:1", "\\*", "", "??", "longer*others*"];
/// Far ahead, in milliseconds and in seconds.
const FUTURE_MS: &[&str] =
    &["4102444800000", "4102444800499", "4102444800500", "4102444900123", "9000000000000"];
const FUTURE: &[&str] = &["4102444800", "4102444801", "4102444900"];
const EXPIRE_OPTIONS: &[&str] = &["NX", "XX", "GT", "LT", "gt", "foo"];
const SET_OPTIONS: &[&str] = &["NX", "XX", "GET", "KEEPTTL", "nx", "get", "FOO"];
const DB_NUMBERS: &[&str] = &["0", "1", "2", "2", "16", "-1", "x"];
/// What a mutation adds to a command.
const STRAY_WORDS: &[&str] = &["x", "NX", "GET", "1", ""];

/// Commands on strings; words in capitals behind a dollar stand for one of a pool.
const STRINGS: &[&str] = &[
    "GET $K",
    "GET $K",
    "SET $K $V",
    "SET $K $V",
    "SET $K $V $O",
    "SET $K $V $O $O",
    "SET $K $V PXAT $M",
    "SET $K $V EXAT $S $O",
    "SET $K $V $O PXAT $M $O",
    "SET $K $V EX 0",
    "SET $K $V PX x",
    "SETNX $K $V",
    "SETEX $K 0 $V",
    "PSETEX $K -5 $V",
    "GETSET $K $V",
    "GETDEL $K",
    "GETEX $K",
    "GETEX $K PERSIST",
    "GETEX $K PXAT $M",
    "GETEX $K EXAT $S",
    "GETEX $K EXAT 1",
    "GETEX $K EX -1",
    "MGET $K $K $K",
    "MSET $K $V $K $V",
    "MSET $K $V $K",
    "MSETNX $K $V $K $V",
    "APPEND $K $V",
    "APPEND $K $V",
    "STRLEN $K",
    "SETRANGE $K $R $V",
    "SETRANGE $K $I $V",
    "GETRANGE $K $I $I",
    "GETRANGE $K $R $R",
    "SUBSTR $K $I $I",
    "INCR $K",
    "INCR $K",
    "DECR $K",
    "INCRBY $K $I",
    "DECRBY $K $I",
    "INCRBYFLOAT $K $F",
    "INCRBYFLOAT $K $F",
    "LCS $K $K",
    "LCS $K $K LEN",
    "LCS $K $K IDX",
    "LCS $K $K IDX MINMATCHLEN $R WITHMATCHLEN",
    "DEL $K",
    "PEXPIRETIME $K",
];

/// Commands on keys of any type.
const GENERIC: &[&str] = &[
    "SET $K $V",
    "SET $K $V",
    "SET $K $V",
    "SET $K $V PXAT $M",
    "APPEND $K $V",
    "INCR $K",
    "GET $K",
    "DEL $K $K",
    "UNLINK $K",
    "EXISTS $K $K $K",
    "TOUCH $K $K",
    "TYPE $K",
    "EXPIREAT $K $S",
    "EXPIREAT $K $S $X",
    "EXPIREAT $K $S $X $X",
    "PEXPIREAT $K $M",
    "PEXPIREAT $K $M $X",
    "PEXPIREAT $K 1 $X",
    "EXPIRE $K 0",
    "EXPIRE $K -100 $X",
    "PEXPIRE $K -9223372036854775808",
    "EXPIRE $K 9223372036854775807",
    "EXPIRETIME $K",
    "PEXPIRETIME $K",
    "PEXPIRETIME $K",
    "PERSIST $K",
    "RENAME $K $K",
    "RENAME $K $K",
    "RENAMENX $K $K",
    "COPY $K $K",
    "COPY $K $K REPLACE",
    "COPY $K $K DB $D",
    "COPY $K $K DB $D REPLACE",
    "MOVE $K $D",
    "KEYS $P",
    "DBSIZE",
    "SCAN 0 COUNT 1000",
    "SCAN 0 COUNT 1000 MATCH $P",
    "SCAN 0 TYPE string COUNT 1000",
    "SCAN 0 TYPE hash COUNT 1000",
    "SCAN x",
    "OBJECT ENCODING $K",
    "OBJECT ENCODING $K",
    "OBJECT FREQ $K",
    "OBJECT FOO $K",
    "SELECT $D",
    "SWAPDB $D $D",
    "FLUSHDB FOO",
    "MGET $K $K",
];

/// Scores: often the same, and what is hard to read, write or compare.
const SCORES: &[&str] = &[
    "0",
    "-0",
    "1",
    "1",
    "1.0",
    "2",
    "2",
    "-3",
    "0.5",
    "-1.25",
    "3.3",
    "0.1",
    "1e-9",
    "5e-324",
    "1e300",
    "1e17",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775807",
    "123456.789012345678",
    "inf",
    "-inf",
    "+Infinity",
    "0x1p-3",
    "nan",
    "1e400",
    "1e-400",
    " 1",
    "1 ",
    "x",
    "",
];
const SCORE_BOUNDS: &[&str] = &[
    "-inf", "+inf", "-inf", "+inf", "0", "(0", "-0", "1", "(1", "2", "(2", "3.3", "(0.1", "1e300", "(inf",
    "(-inf", "(", "", " 1", "1 ", "nan", "x", "1\u{0}x",
];
const MEMBER_BOUNDS: &[&str] =
    &["-", "+", "-", "+", "[a", "(a", "[b", "(field", "[f", "(", "[", "[\u{ff}", "a", "", "++", "(zzz", "[1"];

/// Degrees below a limit or, seldom, beyond; often whole, so that places lie together.
fn degrees(random: &mut Random, limit: usize) -> Vec<u8> {
    let whole = random.below(2 * limit + 1) as i64 - limit as i64;
    let near = random.below(4) as i64 + 10;
    match random.below(4) {
        0 => format!("{whole}.{:06}", random.below(1_000_000)),
        1 => whole.to_string(),
        2 => format!("{near}.{}", random.below(100)),
        _ => near.to_string(),
    }
    .into_bytes()
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

    fn pick<'a>(&mut self, pool: &[&'a str]) -> &'a str {
        pool[self.below(pool.len())]
    }
}

type Command = Vec<Vec<u8>>;

fn fill(word: &str, random: &mut Random) -> Vec<u8> {
    let pool = match word {
        "$K" => KEYS,
        "$V" => VALUES,
        "$H" => ELEMENTS,
        "$I" => INTEGERS,
        "$F" if random.below(3) == 0 => {
            let (whole, part) = (random.below(1 << 40) as i64 - (1 << 39), random.below(1 << 30));
            return format!("{}.{part:09}", whole >> random.below(40)).into_bytes();
        }
        "$F" => FLOATS,
        "$R" => return random.below(12).to_string().into_bytes(),
        "$M" => FUTURE_MS,
        "$S" => FUTURE,
        "$O" => SET_OPTIONS,
        "$X" => EXPIRE_OPTIONS,
        "$D" => DB_NUMBERS,
        "$P" => PATTERNS,
        "$Z" => SCORES,
        "$B" => SCORE_BOUNDS,
        "$L" => MEMBER_BOUNDS,
        "$A" => &["NX", "XX", "GT", "LT", "CH", "ch"],
        "$G" => &["SUM", "MIN", "MAX", "max", "avg"],
        "$U" => &["m", "km", "ft", "mi", "KM", "x"],
        "$E" => &["0", "1", "500", "100000", "250.5", "1000000", "20000000", "-1", "x", "inf"],
        "$W" => return degrees(random, 181),
        "$N" => return degrees(random, 87),
        _ => {
            let of_family = bits::fill(word, random)
                .or_else(|| hyperloglog::fill(word, random))
                .or_else(|| dump::fill(word, random));
            return of_family.unwrap_or_else(|| word.into());
        }
    };
    random.pick(pool).into()
}

/// A command of the family; one in fifty has a word too many or too few.
fn generate(templates: &[&str], random: &mut Random) -> Command {
    // Seldom, or there would never be much to look at.
    if random.below(500) == 0 {
        return vec![random.pick(&["FLUSHDB", "FLUSHALL"]).into()];
    }
    let mut command: Command = random.pick(templates).split(' ').map(|word| fill(word, random)).collect();
    match random.below(100) {
        // Not an OBJECT: an error that quotes a zero byte ends there in C. Not a SPOP: without its count it
        // would take whatever chance says. Not a RESTORE: without ABSTTL its deadline counts from the clock.
        0 if command.len() > 1 && ![&b"OBJECT"[..], b"SPOP", b"RESTORE"].contains(&&command[0][..]) => {
            drop(command.remove(random.below(command.len() - 1) + 1))
        }
        // ZRANK and ZREVRANK take one word more in 7.2; sets with a word among integers stay listpacks.
        1 if !command[0].ends_with(b"RANK") && command[0] != b"SADD" => {
            command.push(random.pick(STRAY_WORDS).into())
        }
        _ => {}
    }
    command
}

/// How the reply of a command is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// As it is.
    Kept,
    /// An array in any order.
    Any,
    /// An array of names with their values, in any order.
    Pairs,
    /// A cursor and an array in any order.
    Scan,
    /// A cursor and an array of names with their values, in any order.
    ScanPairs,
    /// Of members with their distances the distances.
    Distances,
    /// Chance decides the elements: only how many they are.
    Number,
    /// As it is, fractions by their value.
    Fractions,
    /// A cursor and an array of names with scores, in any order.
    ScanFractions,
}

impl Order {
    fn of(command: &Command) -> Order {
        let (name, all) = (command[0].to_ascii_uppercase(), command.get(2).is_some_and(|arg| arg == b"1000"));
        let names = |word: &str| command.iter().any(|arg| arg == word.as_bytes());
        match name.as_slice() {
            b"KEYS" | b"HKEYS" | b"HVALS" | b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"SPOP" => {
                Order::Any
            }
            b"HGETALL" => Order::Pairs,
            b"SCAN" | b"SSCAN" => Order::Scan,
            b"HSCAN" => Order::ScanPairs,
            b"SRANDMEMBER" if all => Order::Any,
            b"HRANDFIELD" if all && command.len() == 3 => Order::Any,
            b"HRANDFIELD" if all => Order::Pairs,
            b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => Order::Number,
            // Where only some are wanted, Redis's sort leaves to chance which of equal distances are among them.
            [b'G', b'E', b'O', ..] if names("COUNT") && names("WITHDIST") => Order::Distances,
            b"ZSCAN" => Order::ScanFractions,
            [b'Z', ..] => Order::Fractions,
            // Equal weights leave the order to chance, and nothing sorts a set.
            b"SORT" | b"SORT_RO" if !names("STORE") && (names("nosort") || names("ALPHA") && names("BY")) => {
                Order::Any
            }
            _ => Order::Kept,
        }
    }
}

/// A reply in text; where the order means nothing it is sorted.
fn shown(command: &Command, reply: &Value) -> String {
    let bag = Pattern::Bag(Shape::Array, Vec::new());
    let sorted = |reply: &Value| Pattern::of(reply, Some(&bag)).to_string();
    let paired = |reply: &Value| match reply {
        Value::Array(items) => {
            let pair =
                |two: &[Value]| two.iter().map(|one| Pattern::of(one, None).to_string() + " ").collect();
            let mut pairs: Vec<String> = items.chunks(2).map(pair).collect();
            pairs.sort();
            pairs.join(", ")
        }
        other => Pattern::of(other, None).to_string(),
    };
    match (Order::of(command), reply) {
        (Order::Any, _) => sorted(reply),
        (Order::Pairs, _) => paired(reply),
        (Order::Scan, Value::Array(items)) => items.iter().map(sorted).collect::<Vec<_>>().join(" "),
        (Order::ScanPairs, Value::Array(items)) => items.iter().map(paired).collect::<Vec<_>>().join(" "),
        (Order::Number, Value::Array(items)) => format!("{} elements", items.len()),
        (Order::Number, Value::Bulk(_)) => "an element".to_owned(),
        (Order::Distances, Value::Array(items)) => {
            let distance =
                |item: &Value| item.as_array().and_then(|pair| pair.get(1)).map(|it| format!("{it:?} "));
            items.iter().filter_map(distance).collect()
        }
        (Order::Fractions, _) => Pattern::of(&by_value(reply), None).to_string(),
        (Order::ScanFractions, Value::Array(items)) => {
            items.iter().map(|item| paired(&by_value(item))).collect::<Vec<_>>().join(" ")
        }
        _ if streams::tells_times(command) => Pattern::of(&streams::without_times(reply), None).to_string(),
        _ => Pattern::of(reply, None).to_string(),
    }
}

/// A reply with the same text for the same fraction.
fn by_value(reply: &Value) -> Value {
    match reply {
        Value::Array(items) => Value::Array(items.iter().map(by_value).collect()),
        Value::Bulk(text) => match std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) {
            Some(value) if value.is_finite() => Value::Bulk(format!("{value:?}").into_bytes()),
            _ => reply.clone(),
        },
        other => other.clone(),
    }
}

/// One of the two servers, with a client that commands, one that listens to events, and a replica of sorts
/// that only reads what it is sent.
struct Side {
    _server: Server,
    client: Client,
    listener: Client,
    replica: Client,
    replica_db: String,
}

/// Becomes a replica and reads over the snapshot, which is empty.
fn attach_replica(mut client: Client) -> Client {
    client.send([["PSYNC", "?", "-1"].as_slice()].into_iter()).expect("a request for everything");
    let next = |client: &mut Client| loop {
        // Empty lines are signs of life.
        let line = client.raw_line().expect("a line of the synchronization");
        if !line.is_empty() {
            return String::from_utf8_lossy(&line).into_owned();
        }
    };
    let answer = next(&mut client);
    assert!(answer.starts_with("+FULLRESYNC "), "{answer}");
    let header = next(&mut client);
    let length = header.strip_prefix('$').and_then(|length| length.parse().ok());
    client.raw_bytes(length.unwrap_or_else(|| panic!("no length: {header}"))).expect("a snapshot");
    client
}

impl Side {
    fn start(engine: Engine, directives: &[&str]) -> Side {
        let always = ["--notify-keyspace-events", "EAnm", "--repl-diskless-sync", "no"];
        let server = Server::start(engine, &[&always, directives].concat());
        let (client, mut listener) = (server.client(), server.client());
        for pattern in ["__keyevent@*", "end of batch"] {
            listener.call(&["PSUBSCRIBE", pattern]).expect("a subscription");
        }
        let replica = attach_replica(server.client());
        Side { _server: server, client, listener, replica, replica_db: String::new() }
    }

    fn replies(&mut self, commands: &[Command]) -> Vec<String> {
        self.client.send(commands.iter().map(Vec::as_slice)).expect("commands sent");
        let mut reply = || self.client.reply().expect("a reply");
        commands.iter().map(|command| shown(command, &reply())).collect()
    }

    /// Ends a batch: a message that listeners get, and replicas as the command that it was.
    fn end_batch(&mut self) {
        self.client.call(&["PUBLISH", "end of batch", ""]).expect("a reply");
    }

    /// The events of the batch that has ended.
    fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            let message = self.listener.reply().expect("an event");
            let [_, _, channel, key] = message.as_array().expect("a message") else {
                panic!("an odd message: {message:?}")
            };
            if channel.as_bytes() == Some(b"end of batch") {
                return events;
            }
            events.push(format!("{} {}", Pattern::of(channel, None), Pattern::of(key, None)));
        }
    }

    /// What was replicated of the batch that has ended. The replica says that it lives, or it would be taken for
    /// dead in a long run.
    fn replicated(&mut self) -> Vec<String> {
        let alive = ["REPLCONF", "ACK", "0"];
        self.replica.send([alive.as_slice()].into_iter()).expect("an acknowledgement");
        let mut commands = Vec::new();
        loop {
            let command = self.replica.reply().expect("a replicated command");
            let items = command.as_array().expect("a command");
            let mut words: Vec<&[u8]> = items.iter().filter_map(Value::as_bytes).collect();
            match words[0].to_ascii_uppercase().as_slice() {
                b"PUBLISH" => return commands,
                b"PING" | b"REPLCONF" => continue,
                b"SELECT" => {
                    self.replica_db = String::from_utf8_lossy(words[1]).into_owned();
                    continue;
                }
                // We leave away the conditions: they hold.
                b"PEXPIREAT" => words.truncate(3),
                b"XCLAIM" => streams::hide_times(&mut words),
                _ => {}
            }
            let words: Vec<String> = words.iter().map(|word| resp::split::quote(word)).collect();
            commands.push(format!("in {}: {}", self.replica_db, words.join(" ")));
        }
    }

    /// The contents once they were loaded from the append-only file.
    fn loaded_again(&mut self) -> Vec<String> {
        let reply = self.client.line("DEBUG LOADAOF").expect("a reply");
        assert_eq!(reply.as_error(), None);
        self.contents()
    }

    /// Has the append-only file rewritten, as a snapshot or as commands.
    fn rewrite(&mut self, preamble: &str) {
        self.client.call(&["CONFIG", "SET", "aof-use-rdb-preamble", preamble]).expect("a reply");
        self.client.line("BGREWRITEAOF").expect("a reply");
        until("the end of a rewrite", || {
            let info = self.client.line("INFO persistence").expect("a reply").to_text().expect("a text");
            info.contains("aof_rewrite_in_progress:0")
        });
    }

    /// All databases: keys, values, deadlines.
    fn contents(&mut self) -> Vec<String> {
        let mut contents = Vec::new();
        for db in 0..DATABASES {
            self.client.line(&format!("SELECT {db}")).expect("a reply");
            let keys = self.client.line("KEYS *").expect("a reply");
            let mut keys: Vec<&[u8]> =
                keys.as_array().expect("keys").iter().filter_map(Value::as_bytes).collect();
            keys.sort_unstable();
            for key in keys {
                let mut ask = |name: &str, options: &[&str]| {
                    let mut command = vec![name.as_bytes().to_vec(), key.to_vec()];
                    command.extend(options.iter().map(|option| option.as_bytes().to_vec()));
                    let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
                    shown(&command, &self.client.call(&words).expect("a reply"))
                };
                let kind = ask("TYPE", &[]);
                let content = match kind.as_str() {
                    "+hash" => ask("HGETALL", &[]),
                    "+list" => ask("SORT_RO", &["BY", "nosort"]),
                    "+set" => ask("SMEMBERS", &[]),
                    "+zset" => ask("ZRANGE", &["0", "-1", "WITHSCORES"]),
                    _ => ask("GET", &[]),
                };
                let facts = [content, ask("PEXPIRETIME", &[]), kind];
                if facts[2] == "+stream" {
                    contents.extend(streams::contents(&mut self.client, key));
                }
                contents.push(format!("{db} {} {}", key.escape_ascii(), facts.join(" ")));
            }
        }
        contents
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn written(command: &Command) -> String {
    command.iter().map(|word| resp::split::quote(word)).collect::<Vec<_>>().join(" ")
}

/// Fails with the first difference.
#[track_caller]
fn assert_alike(ours: &[String], real: &[String], what: impl Fn() -> String) {
    let differs = (0..ours.len().max(real.len())).find(|&at| ours.get(at) != real.get(at));
    if let Some(at) = differs {
        panic!("{}\nnumber {at}: ours {:?}, real {:?}", what(), ours.get(at), real.get(at));
    }
}

/// How many entries a group has read is not told by what XREADGROUP propagates, here as in Redis.
fn without_read_counts(lines: &[String]) -> Vec<String> {
    let shortened = |line: &String| {
        let mut parts = line.split(" \"entries-read\"");
        let first = parts.next().unwrap_or_default();
        let rest = parts.map(|part| part.find(']').map_or("", |end| &part[end..]));
        std::iter::once(first).chain(rest).collect()
    };
    lines.iter().map(shortened).collect()
}

#[track_caller]
fn compare(templates: &[&str]) {
    compare_with(templates, &[]);
}

/// The same on servers with some directives set.
#[track_caller]
fn compare_with(templates: &[&str], directives: &[&str]) {
    compare_by(|random| generate(templates, random), directives);
}

/// The same with commands made otherwise than from templates alone.
#[track_caller]
fn compare_by(mut generate: impl FnMut(&mut Random) -> Command, directives: &[&str]) {
    let seed = setting("TOPPLE_DIFF_SEED").unwrap_or(20_240_501);
    let total = setting("TOPPLE_DIFF_COMMANDS").unwrap_or(20_000) as usize;
    let mut random = Random(seed);
    // What ours is given goes into its append-only file too, from which it must come back.
    let keeps = ["--appendonly", "yes", "--appendfsync", "no"];
    let debug = ["--enable-debug-command", "yes"];
    let mut ours = Side::start(Engine::Topple, &[directives, &keeps, &debug].concat());
    let mut real = Side::start(Engine::Redis, directives);
    let mut history: Vec<String> = Vec::new();
    for _ in 0..total.div_ceil(BATCH) {
        let commands: Vec<Command> = (0..BATCH).map(|_| generate(&mut random)).collect();
        let (our_replies, real_replies) = (ours.replies(&commands), real.replies(&commands));
        for ((command, our), real) in commands.iter().zip(&our_replies).zip(&real_replies) {
            history.push(format!("{}  =>  {real}", written(command)));
            let before = history[history.len().saturating_sub(SHOWN)..].join("\n");
            assert_eq!(our, real, "seed {seed}, command {}; the last ones were\n{before}", history.len());
        }
        let batch = || history[history.len() - BATCH..].join("\n");
        ours.end_batch();
        real.end_batch();
        assert_alike(&ours.events(), &real.events(), || format!("seed {seed}, events of\n{}", batch()));
        let (our_commands, real_commands) = (ours.replicated(), real.replicated());
        assert_alike(&our_commands, &real_commands, || format!("seed {seed}, replicated of\n{}", batch()));
    }
    let contents = ours.contents();
    assert_alike(&contents, &real.contents(), || format!("seed {seed}, contents in the end"));
    let contents = without_read_counts(&contents);
    let loaded = without_read_counts(&ours.loaded_again());
    assert_alike(&loaded, &contents, || format!("seed {seed}, loaded from its file"));
    // What is pending of entries that were deleted cannot be made by commands; in Redis neither.
    let has_groups = contents.iter().any(|line| line.contains("\"pending\""));
    ours.rewrite(if has_groups { "yes" } else { "no" });
    let loaded = without_read_counts(&ours.loaded_again());
    assert_alike(&loaded, &contents, || format!("seed {seed}, loaded from its rewritten file"));
}
#[test]
fn strings_are_alike() {
    compare(STRINGS);
}

#[test]
fn keys_are_alike() {
    compare(GENERIC);
}
