//! Values of every type written by commands, and read back in a form that two kinds of servers agree on.

use resp::Value;

use super::client::Client;
use super::node::Node;

/// Commands that leave values of every type, deadlines, groups, a library of functions and transactions.
const COMMANDS: &[&str] = &[
    "SET string some-text",
    "SET number 12345",
    "APPEND number 6",
    "SETRANGE string 4 _",
    "SET far x PX 400000000",
    "SET at x PXAT 4102444800123",
    "GETEX far EX 500000",
    "INCRBYFLOAT float 3.25",
    "SETBIT bits 100 1",
    "PFADD hll a b c",
    "RPUSH list a b c d",
    "LINSERT list BEFORE c between",
    "LMOVE list other LEFT RIGHT",
    "SADD set a b c 7",
    "SADD numbers 1 2 3",
    "SPOP set",
    "HSET hash a 1 b 2 c three",
    "HINCRBYFLOAT hash a 0.5",
    "ZADD zset 1 a 2.5 b -inf c inf d",
    "ZINCRBY zset 0.1 a",
    "GEOADD geo 13.361389 38.115556 Palermo",
    "XADD stream 1-1 a 1 b 2",
    "XADD stream 2-1 a 1 b 2",
    "XADD stream 3-0 c 3",
    "XADD stream 4-0 c 4",
    "XDEL stream 2-1",
    "XGROUP CREATE stream group 0",
    "XGROUP CREATE stream idle $",
    "XREADGROUP GROUP group one COUNT 2 STREAMS stream >",
    "XREADGROUP GROUP group two COUNT 1 STREAMS stream >",
    "XACK stream group 1-1",
    "XGROUP CREATECONSUMER stream group three",
    "XADD trimmed MAXLEN 2 1-0 f v",
    "XADD trimmed MAXLEN 2 2-0 f v",
    "XADD trimmed MAXLEN 2 3-0 f v",
    "XADD empty 5-5 f v",
    "XTRIM empty MAXLEN 0",
    "MULTI",
    "SET in-transaction 1",
    "INCR in-transaction",
    "EXEC",
    "SELECT 2",
    "SET elsewhere 2",
    "PEXPIREAT elsewhere 4102444800000",
    "SET gone 1",
    "PEXPIRE gone 1",
    "SELECT 0",
    "RENAME string renamed",
    "SORT numbers DESC STORE sorted",
    "COPY list copied DB 1",
    "SET swapped 1",
    "SWAPDB 1 2",
];

/// A library of functions, and scripts with quoted words.
const SCRIPTS: &[&[&str]] = &[
    &[
        "FUNCTION",
        "LOAD",
        "#!lua name=lib\nredis.register_function('twice', function(keys) redis.call('INCR', keys[1]) return redis.call('INCR', keys[1]) end)",
    ],
    &["FCALL", "twice", "1", "counted"],
    &[
        "EVAL",
        "for i = 1, 200 do redis.call('RPUSH', KEYS[1], i) redis.call('HSET', KEYS[2], 'f' .. i, i) redis.call('ZADD', KEYS[3], i, 'm' .. i) redis.call('SADD', KEYS[4], 'm' .. i) end",
        "4",
        "long-list",
        "long-hash",
        "long-zset",
        "long-set",
    ],
    &["SET", "odd \r\n\"key\"", "\u{0}\u{1}value"],
];

/// Writes everything; keys whose names end in `suffix`.
pub fn write_everything(client: &mut Client, suffix: &str) {
    let named = |word: &str| match KEYS.contains(&word) {
        true => format!("{word}{suffix}"),
        false => word.to_string(),
    };
    for line in COMMANDS {
        let words: Vec<String> = line.split(' ').map(named).collect();
        let reply = client.call(&words).expect("a reply");
        assert_eq!(reply.as_error(), None, "{line}");
    }
    for words in SCRIPTS {
        let words: Vec<String> = words.iter().map(|word| named(word)).collect();
        let reply = client.call(&words).expect("a reply");
        let again = words[0] == "FUNCTION" && !suffix.is_empty();
        assert!(reply.as_error().is_none() || again, "{words:?}: {:?}", reply.as_error());
    }
}

/// The names of keys among the words of [`COMMANDS`] and [`SCRIPTS`].
const KEYS: &[&str] = &[
    "string",
    "number",
    "far",
    "at",
    "float",
    "bits",
    "hll",
    "list",
    "other",
    "set",
    "numbers",
    "hash",
    "zset",
    "geo",
    "stream",
    "trimmed",
    "empty",
    "in-transaction",
    "elsewhere",
    "gone",
    "renamed",
    "sorted",
    "copied",
    "swapped",
    "counted",
    "long-list",
    "long-hash",
    "long-zset",
    "long-set",
];

/// All that a server holds, a line a key, in order; and its libraries of functions.
pub fn everything(node: &Node) -> String {
    let mut client = node.client();
    let mut lines = Vec::new();
    for db in 0..3 {
        client.line(&format!("SELECT {db}")).expect("a reply");
        let keys = client.line("KEYS *").expect("a reply");
        for key in keys.as_array().expect("keys").iter().filter_map(Value::as_bytes) {
            if let Some(shown) = value_of(&mut client, key) {
                lines.push(format!("{db} {} {shown}", key.escape_ascii()));
            }
        }
    }
    lines.sort();
    let libraries = client.line("FUNCTION LIST WITHCODE").expect("a reply");
    lines.push(format!("{libraries:?}"));
    lines.join("\n")
}

fn value_of(client: &mut Client, key: &[u8]) -> Option<String> {
    let mut ask = |words: &[&str]| {
        let words: Vec<&[u8]> =
            words.iter().map(|word| if *word == "KEY" { key } else { word.as_bytes() }).collect();
        client.call(&words).expect("a reply")
    };
    let kind = ask(&["TYPE", "KEY"]).to_text()?;
    let deadline = ask(&["PEXPIRETIME", "KEY"]).as_int()?;
    // Short deadlines pass while it is looked at.
    if kind == "none" || (0..4_000_000_000_000).contains(&deadline) && key.starts_with(b"gone") {
        return None;
    }
    let unordered = |reply: Value, size: usize| {
        let items = reply.as_array().expect("elements").to_vec();
        let mut shown: Vec<String> = items.chunks(size).map(|item| format!("{item:?}")).collect();
        shown.sort();
        shown.concat()
    };
    let shown = match kind.as_str() {
        "list" => format!("{:?}", ask(&["LRANGE", "KEY", "0", "-1"])),
        "set" => unordered(ask(&["SMEMBERS", "KEY"]), 1),
        "hash" => unordered(ask(&["HGETALL", "KEY"]), 2),
        "zset" => {
            let reply = ask(&["ZRANGE", "KEY", "0", "-1", "WITHSCORES"]);
            let pairs = reply.as_array().expect("members and scores").chunks(2).map(|pair| {
                // Versions differ in how many digits they write of the same number.
                let score = pair[1].to_text().and_then(|text| text.parse::<f64>().ok());
                format!("{:?}={score:?} ", pair[0])
            });
            pairs.collect()
        }
        "stream" => stream_of(&mut ask),
        _ => format!("{:?}", ask(&["GET", "KEY"])),
    };
    Some(format!("{kind} {deadline} {shown}"))
}

/// A stream's entries, figures, groups, consumers and what is pending; not when anybody was last seen.
fn stream_of(ask: &mut impl FnMut(&[&str]) -> Value) -> String {
    let mut shown = format!("{:?}", ask(&["XRANGE", "KEY", "-", "+"]));
    let info = ask(&["XINFO", "STREAM", "KEY"]);
    let fields = info.as_array().expect("fields");
    for pair in fields.chunks(2) {
        let name = pair[0].to_text().unwrap_or_default();
        if ["length", "last-generated-id", "max-deleted-entry-id", "entries-added", "groups"]
            .contains(&name.as_str())
        {
            shown.push_str(&format!(" {name}={:?}", pair[1]));
        }
    }
    let groups = ask(&["XINFO", "GROUPS", "KEY"]);
    for group in groups.as_array().into_iter().flatten() {
        // Up to the id delivered last: what XREADGROUP propagates does not tell how many entries were read.
        shown.push_str(&format!(" {:?}", &group.as_array().expect("fields")[..8]));
    }
    for group in ["group", "idle"] {
        let pending = ask(&["XPENDING", "KEY", group, "-", "+", "100"]);
        for entry in pending.as_array().into_iter().flatten() {
            // Id, consumer, how long ago, how often.
            if let Some([id, consumer, _, times]) = entry.as_array() {
                shown.push_str(&format!(" {group}:{id:?}/{consumer:?}/{times:?}"));
            }
        }
        let consumers = ask(&["XINFO", "CONSUMERS", "KEY", group]);
        for consumer in consumers.as_array().into_iter().flatten() {
            shown.push_str(&format!(" {:?}", &consumer.as_array().expect("fields")[..4]));
        }
    }
    shown
}
