//! Ids and entries as replies.

use keyspace::Value;
use keyspace::values::{Entry, STREAM_ID_MAX_LEN, StreamId};
use resp::Writer;

use crate::CommandError;

/// An id.
pub(super) fn id(out: &mut Writer<'_>, id: StreamId) {
    out.bulk(id.format(&mut [0; STREAM_ID_MAX_LEN]));
}

/// An id as an argument of a command.
pub(super) fn id_text(id: StreamId) -> Vec<u8> {
    id.format(&mut [0; STREAM_ID_MAX_LEN]).to_vec()
}

/// An entry: its id, and its fields and values in turn.
pub(super) fn entry(out: &mut Writer<'_>, entry: &Entry<'_>) {
    out.array(2);
    id(out, entry.id);
    out.array(entry.fields * 2);
    for (name, value) in entry.pairs() {
        string(out, name);
        string(out, value);
    }
}

fn string(out: &mut Writer<'_>, value: Value<'_>) {
    match value {
        Value::Int(number) => out.bulk_int(number),
        Value::Bytes(bytes) => out.bulk(bytes),
    }
}

/// Entries as an array, up to `count` (0 for all).
pub(super) fn entries<'a>(out: &mut Writer<'_>, entries: impl Iterator<Item = Entry<'a>>, count: u64) {
    let begun = out.deferred();
    let mut written = 0;
    for one in entries {
        entry(out, &one);
        written += 1;
        if written as u64 == count {
            break;
        }
    }
    out.finish_array(begun, written);
}

/// A word as errors show it: C's strings end at a zero byte.
pub(super) fn quoted(word: &[u8]) -> String {
    let end = word.iter().position(|byte| *byte == 0).unwrap_or(word.len());
    String::from_utf8_lossy(&word[..end]).into_owned()
}

/// There is no such key or group.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (quoted(key), quoted(group));
    CommandError::new(format!("NOGROUP No such key '{key}' or consumer group '{group}'"))
}

/// There is no such group in the stream.
pub(super) fn no_group_in(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (quoted(key), quoted(group));
    CommandError::new(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
}
