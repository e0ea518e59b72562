//! A stream as commands: its entries, what cannot be told from them, and its groups.
//!
//! When consumers were last seen is not kept, as in Redis: they were when the file is loaded.

use keyspace::values::{Group, STREAM_ID_MAX_LEN, Stream, StreamId};

use super::command_writer::CommandWriter;

/// An id as text.
struct IdText([u8; STREAM_ID_MAX_LEN], usize);

impl IdText {
    fn new(id: StreamId) -> Self {
        let mut buffer = [0; STREAM_ID_MAX_LEN];
        let length = id.format(&mut buffer).len();
        Self(buffer, length)
    }

    fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

/// A number as a word.
fn digits(number: impl itoa::Integer, buffer: &mut itoa::Buffer) -> &[u8] {
    buffer.format(number).as_bytes()
}

pub(super) fn write(writer: &mut CommandWriter, key: &[u8], stream: &Stream) {
    let mut is_empty = true;
    for entry in stream.iter() {
        is_empty = false;
        writer.begin(3 + 2 * entry.fields, b"XADD", key);
        writer.word(IdText::new(entry.id).bytes());
        for (field, value) in entry.pairs() {
            writer.value(field);
            writer.value(value);
        }
    }
    if is_empty {
        // The one way to make a stream without entries.
        writer.command(&[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
    }
    writer.command(&[
        b"XSETID",
        key,
        IdText::new(stream.last_id()).bytes(),
        b"ENTRIESADDED",
        digits(stream.entries_added(), &mut itoa::Buffer::new()),
        b"MAXDELETEDID",
        IdText::new(stream.max_deleted_id()).bytes(),
    ]);
    for (name, group) in stream.groups() {
        write_group(writer, key, name, group);
    }
}

fn write_group(writer: &mut CommandWriter, key: &[u8], name: &[u8], group: &Group) {
    writer.command(&[
        b"XGROUP",
        b"CREATE",
        key,
        name,
        IdText::new(group.last_id).bytes(),
        b"ENTRIESREAD",
        // -1: nobody knows.
        digits(group.entries_read.unwrap_or(-1), &mut itoa::Buffer::new()),
    ]);
    for consumer in group.consumers() {
        if consumer.pending_len() == 0 {
            writer.command(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()]);
        }
        for id in consumer.pending_from(StreamId::MIN) {
            let Some(pending) = group.pending(id) else { continue };
            writer.command(&[
                b"XCLAIM",
                key,
                name,
                consumer.name(),
                b"0",
                IdText::new(id).bytes(),
                b"TIME",
                digits(pending.delivered_at.0, &mut itoa::Buffer::new()),
                b"RETRYCOUNT",
                digits(pending.deliveries, &mut itoa::Buffer::new()),
                b"JUSTID",
                b"FORCE",
            ]);
        }
    }
}
