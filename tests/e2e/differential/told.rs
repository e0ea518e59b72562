//! What is compared of replies and messages that also tell times, addresses and memory, or what 7.2 tells
//! otherwise than the installed 7.0.

use resp::Value;

use super::{Command, Pattern};

/// Fields of a line of CLIENT LIST that follow from what was done. 7.2 adds `lib-name` and `lib-ver`.
const CLIENT_FIELDS: &[&str] =
    &["id", "name", "flags", "db", "sub", "psub", "ssub", "multi", "cmd", "user", "redir", "resp"];
/// What is not told of an ACL LOG entry: how long ago it was, and what 7.2 adds.
const LOG_TIMES: &[&[u8]] = &[b"age-seconds", b"entry-id", b"timestamp-created", b"timestamp-last-updated"];

/// Fields of INFO that follow from what was done, and what begins a line of its statistics.
const INFO_FIELDS: &[&str] = &[
    "blocked_clients",
    "connected_clients",
    "db0",
    "db1",
    "evicted_keys",
    "expired_keys",
    "keyspace_hits",
    "keyspace_misses",
    "pubsub_channels",
    "pubsub_patterns",
    "pubsubshard_channels",
    "rdb_changes_since_last_save",
    "total_commands_processed",
    "total_error_replies",
    "tracking_clients",
    "tracking_total_items",
    "tracking_total_keys",
    "tracking_total_prefixes",
];

/// A value in text, as far as it is compared. `block` is what the connection had sent last.
pub(super) fn told(block: &[Command], value: &Value) -> String {
    let sorts = block.iter().any(has_no_order);
    Pattern::of(&settled(value, sorts), None).to_string()
}

/// Whether a command's reply is in a table's order.
fn has_no_order(command: &Command) -> bool {
    let words: Vec<Vec<u8>> = command.iter().take(2).map(|word| word.to_ascii_uppercase()).collect();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    matches!(
        words.as_slice(),
        [b"CONFIG", b"GET"] | [b"LATENCY", b"HISTOGRAM"] | [b"PUBSUB", ..] | [b"KEYS", ..] | [b"ACL", b"CAT"]
    )
}

fn settled(value: &Value, sorts: bool) -> Value {
    match value {
        Value::Simple(text) if is_monitor_line(text) => Value::Simple(monitor_line(text)),
        Value::Bulk(text) | Value::Verbatim(_, text) if text.starts_with(b"id=") => {
            Value::Bulk(client_lines(&String::from_utf8_lossy(text)))
        }
        Value::Bulk(text) | Value::Verbatim(_, text) if text.starts_with(b"# ") => {
            Value::Bulk(info(&String::from_utf8_lossy(text)))
        }
        Value::Bulk(text) if text.starts_with(b"user ") => Value::Bulk(acl_line(text)),
        Value::Error(text) => Value::Error(error(&String::from_utf8_lossy(text))),
        Value::Bulk(text) if text.starts_with(b"User ") || text.starts_with(b"This user ") => {
            Value::Bulk(dry_run(text))
        }
        Value::Array(items) => array(items, sorts),
        Value::Map(pairs) => {
            let flat: Vec<Value> =
                pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect();
            match array(&flat, false) {
                Value::Array(items) => {
                    Value::Array([vec![Value::Simple(b"map".into())], sorted_pairs(&items)].concat())
                }
                other => other,
            }
        }
        Value::Set(items) => Value::Set(settled_all(items, sorts)),
        Value::Push(items) => Value::Push(settled_all(items, sorts)),
        other => other.clone(),
    }
}

/// An array; one of names and values loses those that are not compared.
fn array(items: &[Value], sorts: bool) -> Value {
    let first = items.first().and_then(Value::as_bytes).unwrap_or_default();
    let named = items.len().is_multiple_of(2);
    let without: &[&[u8]] = match first {
        b"count" if named => LOG_TIMES,
        b"server" if named => &[b"version"],
        // 7.2 keeps the rules as they were given, 7.0 makes up others that mean the same.
        b"flags" | b"commands" if named => &[b"commands"],
        b"calls" if named => &[b"histogram_usec"],
        _ if is_slow_entry(items) => return Value::Array(vec![settled(&items[3], false), items[5].clone()]),
        _ if sorts && named => return Value::Array(sorted_pairs(&settled_all(items, sorts))),
        _ if sorts => {
            let mut items = settled_all(items, sorts);
            items.sort_by_key(|item| Pattern::of(item, None).to_string());
            return Value::Array(items);
        }
        _ => return Value::Array(settled_all(items, sorts)),
    };
    let kept = items.chunks(2).filter(|pair| !without.contains(&pair[0].as_bytes().unwrap_or_default()));
    Value::Array(settled_all(&kept.flatten().cloned().collect::<Vec<_>>(), sorts))
}

fn settled_all(items: &[Value], sorts: bool) -> Vec<Value> {
    let told = items.iter().filter(|item| item.as_bytes() != Some(b"sanitize-payload"));
    told.map(|item| settled(item, sorts)).collect()
}

fn sorted_pairs(items: &[Value]) -> Vec<Value> {
    let mut pairs: Vec<Vec<Value>> = items.chunks(2).map(<[Value]>::to_vec).collect();
    pairs.sort_by_key(|pair| pair.iter().map(|one| Pattern::of(one, None).to_string()).collect::<Vec<_>>());
    pairs.concat()
}

/// Id, time, duration, command, address, name.
fn is_slow_entry(items: &[Value]) -> bool {
    use Value::{Array, Bulk, Int};
    matches!(items, [Int(_), Int(_), Int(_), Array(_), Bulk(_), Bulk(_)])
}

/// Time, database and sender, command.
pub(super) fn is_monitor_line(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit) && text.contains(&b'[')
}

fn monitor_line(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once('[').expect("a monitor's line");
    let (sender, command) = rest.split_once(']').expect("a monitor's line");
    let (db, address) = sender.split_once(' ').expect("a database and a sender");
    let sender = if address == "lua" { address } else { "client" };
    format!("seen [{db} {sender}]{command}").into_bytes()
}

fn client_lines(text: &str) -> Vec<u8> {
    let kept = |field: &&str| field.split_once('=').is_some_and(|(name, _)| CLIENT_FIELDS.contains(&name));
    let line = |line: &str| line.split(' ').filter(kept).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n").into_bytes()
}

fn info(text: &str) -> Vec<u8> {
    let line = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let timeless = |part: &&str| !part.starts_with("usec") && !part.starts_with("avg_ttl");
        let value = value.split(',').filter(timeless).collect::<Vec<_>>().join(",");
        let counts = name.starts_with("cmdstat_") || name.starts_with("errorstat_");
        (counts || INFO_FIELDS.contains(&name)).then(|| format!("{name}:{value}"))
    };
    let mut lines: Vec<String> = text.lines().filter_map(line).collect();
    lines.sort();
    lines.join("\n").into_bytes()
}

/// A user as in an ACL file, without its rules of commands, and without a flag that 7.0 leaves unsaid.
fn acl_line(text: &[u8]) -> Vec<u8> {
    let is_rule = |word: &&[u8]| matches!(word.strip_prefix(b"(").unwrap_or(word).first(), Some(b'+' | b'-'));
    let words = text.split(|byte| *byte == b' ').filter(|word| *word != b"sanitize-payload");
    let kept: Vec<&[u8]> = words.map(|word| if is_rule(&word) { b"rule".as_slice() } else { word }).collect();
    // How many rules say the same is another matter.
    let mut kept = kept;
    kept.dedup_by(|a, b| a == b && *a == b"rule");
    kept.join(&b' ')
}

/// 7.2 says in other words why something is not permitted; to a script 7.0 does not even name it.
fn error(text: &str) -> Vec<u8> {
    let kinds = [
        ("command", "no permissions to run the '", "can't run this command or subcommand"),
        ("key", "access a key", "access one of the keys used as arguments"),
        ("key", "access a key", "can't access at least one of the keys"),
        ("channel", "access a channel", "access one of the channels used as arguments"),
        ("channel", "access a channel", "can't publish to the channel"),
    ];
    let found = kinds.iter().find(|(_, new, old)| text.contains(new) || text.contains(old));
    match found {
        Some((kind, ..)) => format!("refused a {kind}").into_bytes(),
        None => text.replace("HELLO <proto> AUTH", "HELLO AUTH").into_bytes(),
    }
}

/// What ACL DRYRUN says, the user's name aside.
fn dry_run(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    text.split_once(" has no permissions").map_or(&*text, |(_, rest)| rest).as_bytes().to_vec()
}
