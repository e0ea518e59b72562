//! Random commands on streams and their groups.
//!
//! Ids are given, never made by the clock. What tells how long ago something was is told apart only as
//! "lately" and "long ago". Consumers are made before they do anything: before 7.2 one that got nothing was
//! not made at all.

use std::collections::{HashMap, VecDeque};

use resp::Value;

use super::{Client, Command, Pattern, Random, VALUES, compare_by};

/// Small nodes, so that trimming has many to go through.
const DIRECTIVES: &[&str] = &["--stream-node-max-entries", "5", "--stream-node-max-bytes", "300"];

const KEYS: &[&str] = &["s", "s", "s", "t", "t", "a b\r\n", "str"];
const GROUPS: &[&str] = &["g", "g", "g", "h", ""];
const CONSUMERS: &[&str] = &["alice", "bob", "al", ""];
const FIELDS: &[&str] = &["f", "f", "g", "12", "", "a longer name of a field"];
const COUNTS: &[&str] = &["0", "1", "2", "3", "5", "8", "12", "20", "-1", "x"];
const BOUNDS: &[&str] = &["-", "+", "0", "-", "+", "(0", "x"];
const IDLE: &[&str] = &["0", "0", "0", "100000000", "-1", "x"];

/// Semicolons separate commands that follow each other; a word that begins with = is the last one picked
/// for that letter.
const STREAMS: &[&str] = &[
    "XADD $K $N f $V",
    "XADD $K $N f $V",
    "XADD $K $N f $V",
    "XADD $K $N $F $V",
    "XADD $K $N f $V g $V",
    "XADD $K $N $F $V $F $V $F $V",
    "XADD $K NOMKSTREAM $N f $V",
    "XADD $K $E f v",
    "XADD $K MAXLEN $C $N f $V",
    "XADD $K MAXLEN ~ $C $N f $V",
    "XADD $K MAXLEN ~ $C LIMIT $C $N f $V",
    "XADD $K MINID = $E $N f $V",
    "XADD $K MINID ~ $E $N f $V",
    "XTRIM $K MAXLEN $C",
    "XTRIM $K MAXLEN ~ $C",
    "XTRIM $K MAXLEN ~ $C LIMIT $C",
    "XTRIM $K MINID $E",
    "XTRIM $K MINID ~ $E LIMIT $C",
    "XDEL $K $E",
    "XDEL $K $E",
    "XDEL $K $E $E $E $E",
    "XLEN $K",
    "XRANGE $K - +",
    "XRANGE $K $B $B",
    "XRANGE $K $B $B COUNT $C",
    "XREVRANGE $K $B $B",
    "XREVRANGE $K + - COUNT $C",
    "XREAD STREAMS $K $E",
    "XREAD COUNT $C STREAMS $K $K $E $E",
    "XREAD COUNT $C STREAMS $K $K 0 $",
    "XSETID $K $Z",
    "XSETID $K $Z ENTRIESADDED $C",
    "XSETID $K $Z MAXDELETEDID $E",
    "XGROUP CREATE $K $G $E",
    "XGROUP CREATE $K $G 0",
    "XGROUP CREATE $K $G $ MKSTREAM",
    "XGROUP CREATE $K $G $E ENTRIESREAD $C",
    "XGROUP SETID $K $G $E",
    "XGROUP SETID $K $G $",
    "XGROUP SETID $K $G $E ENTRIESREAD $C",
    "XGROUP CREATECONSUMER $K $G $W",
    "XGROUP CREATECONSUMER $K $G $W;XREADGROUP GROUP =G =W COUNT $C STREAMS =K >",
    "XGROUP CREATECONSUMER $K $G $W;XREADGROUP GROUP =G =W COUNT $C STREAMS =K >",
    "XGROUP CREATECONSUMER $K $G $W;XREADGROUP GROUP =G =W COUNT $C STREAMS =K >",
    "XGROUP CREATECONSUMER $K $G $W;XREADGROUP GROUP =G =W NOACK COUNT $C STREAMS =K >",
    "XGROUP CREATECONSUMER $K $G $W;XREADGROUP GROUP =G =W COUNT $C STREAMS =K $E",
    "XGROUP CREATECONSUMER $K $G $W;XREADGROUP GROUP =G =W STREAMS =K =K > 0",
    "XACK $K $G $E",
    "XACK $K $G $E $E $E $E",
    "XPENDING $K $G",
    "XPENDING $K $G",
    "XPENDING $K $G - + 20",
    "XPENDING $K $G $B $B $C $W",
    "XPENDING $K $G IDLE $I - + $C",
    "XGROUP CREATECONSUMER $K $G $W;XCLAIM =K =G =W $I $E $E",
    "XGROUP CREATECONSUMER $K $G $W;XCLAIM =K =G =W $I $E JUSTID",
    "XGROUP CREATECONSUMER $K $G $W;XCLAIM =K =G =W $I $E $E FORCE RETRYCOUNT $C TIME 1000",
    "XGROUP CREATECONSUMER $K $G $W;XCLAIM =K =G =W 0 $E IDLE 200000000 FORCE LASTID $E",
    "XGROUP CREATECONSUMER $K $G $W;XAUTOCLAIM =K =G =W $I $B",
    "XGROUP CREATECONSUMER $K $G $W;XAUTOCLAIM =K =G =W $I 0 COUNT $C",
    "XGROUP CREATECONSUMER $K $G $W;XAUTOCLAIM =K =G =W $I 0 COUNT 2 JUSTID",
    "XGROUP DELCONSUMER $K $G $W",
    "XINFO STREAM $K",
    "XINFO STREAM $K",
    "XINFO GROUPS $K",
    "XINFO GROUPS $K",
];

/// Seldom, or there would never be much to look at.
const RARE: &[&str] = &[
    "DEL $K",
    "XGROUP DESTROY $K $G",
    "RENAME $K $K",
    "COPY $K $K REPLACE",
    "SET str x",
    "TYPE $K",
    "OBJECT ENCODING $K",
    "XTRIM $K MAXLEN 0",
];

/// Where the ids are that are asked for, and the commands still to be given.
struct Generator {
    clock: u64,
    queue: VecDeque<Command>,
}

impl Generator {
    fn next(&mut self, random: &mut Random) -> Command {
        if let Some(command) = self.queue.pop_front() {
            return command;
        }
        let pool = if random.below(40) == 0 { RARE } else { STREAMS };
        let template = random.pick(pool);
        let mut picked = HashMap::new();
        for command in template.split(';') {
            let words: Vec<String> =
                command.split(' ').map(|word| self.fill(word, &mut picked, random)).collect();
            // Lone commands are mutated now and then.
            self.queue.push_back(words.into_iter().map(String::into_bytes).collect());
        }
        if self.queue.len() == 1 && random.below(60) == 0 && !template.contains("XREAD") {
            let words = self.queue[0].len();
            self.queue[0].remove(1 + random.below(words - 1));
        }
        self.queue.pop_front().expect("a template has a command")
    }

    fn fill<'a>(
        &mut self,
        word: &'a str,
        picked: &mut HashMap<&'a str, String>,
        random: &mut Random,
    ) -> String {
        let pool = match word {
            "$K" => KEYS,
            "$G" => GROUPS,
            "$W" => CONSUMERS,
            "$F" => FIELDS,
            "$V" => VALUES,
            "$C" => COUNTS,
            "$I" => IDLE,
            "$B" if random.below(3) > 0 => BOUNDS,
            "$B" => return format!("{}{}", random.pick(&["", "", "("]), self.near(random)),
            "$N" => return self.new_id(random),
            "$E" => return self.near(random),
            "$Z" => {
                self.clock += 1;
                return format!("{}-0", self.clock);
            }
            _ => {
                let before = word.strip_prefix('=').and_then(|letter| picked.get(letter));
                return before.map_or_else(|| word.to_owned(), String::clone);
            }
        };
        let word_picked = random.pick(pool).to_owned();
        picked.insert(&word[1..], word_picked.clone());
        word_picked
    }

    /// An id that is higher than most.
    fn new_id(&mut self, random: &mut Random) -> String {
        self.clock += random.below(2) as u64;
        match random.below(8) {
            0 => self.clock.to_string(),
            1..5 => format!("{}-*", self.clock),
            _ => format!("{}-{}", self.clock, random.below(6)),
        }
    }

    /// An id that may well be there.
    fn near(&self, random: &mut Random) -> String {
        let ms = self.clock.saturating_sub(random.below(16) as u64);
        match random.below(12) {
            0 => ms.to_string(),
            _ => format!("{ms}-{}", random.below(3)),
        }
    }
}

/// Whether replies of a command tell how long ago things were.
pub(super) fn tells_times(command: &Command) -> bool {
    command[0] == b"XPENDING" && command.len() > 3
}

/// A list of what is pending, with times told roughly.
pub(super) fn without_times(reply: &Value) -> Value {
    let roughly = |item: &Value| match item.as_array() {
        Some([id, consumer, Value::Int(ms), deliveries]) => {
            let ms = Value::Int(if *ms < 50_000_000 { 0 } else { 1 });
            Value::Array(vec![id.clone(), consumer.clone(), ms, deliveries.clone()])
        }
        _ => item.clone(),
    };
    match reply.as_array() {
        Some(items) => Value::Array(items.iter().map(roughly).collect()),
        None => reply.clone(),
    }
}

/// Makes the time in a replicated XCLAIM one that is the same for all, unless it was given.
pub(super) fn hide_times(words: &mut [&[u8]]) {
    if let Some(at) = words.iter().position(|word| *word == b"TIME")
        && words[at + 1].len() > 8
    {
        words[at + 1] = b"lately";
    }
}

/// All there is to know of a stream and its groups.
pub(super) fn contents(client: &mut Client, key: &[u8]) -> Vec<String> {
    let commands: [&[&[u8]]; 3] =
        [&[b"XRANGE", key, b"-", b"+"], &[b"XINFO", b"STREAM", key], &[b"XINFO", b"GROUPS", key]];
    commands
        .iter()
        .map(|command| Pattern::of(&client.call(command).expect("a reply"), None).to_string())
        .collect()
}

#[test]
fn streams_are_alike() {
    let mut generator = Generator { clock: 1, queue: VecDeque::new() };
    compare_by(|random| generator.next(random), DIRECTIVES);
}
