//! Pieces of replies that several families give.

use keyspace::{Cursor, Value};
use resp::Writer;
use resp::encode::bulk;

/// A string, or the element of a collection.
#[inline]
pub(crate) fn write_value(out: &mut Writer<'_>, value: Value<'_>) {
    match value {
        Value::Int(number) => out.bulk_int(number),
        Value::Bytes(bytes) => out.bulk(bytes),
    }
}

/// A string, or null.
#[inline]
pub(crate) fn write_or_null(out: &mut Writer<'_>, value: Option<Value<'_>>) {
    match value {
        Some(value) => write_value(out, value),
        None => out.null(),
    }
}

/// Bulk strings written while their number is not known yet.
#[derive(Default)]
pub(crate) struct Found {
    written: Vec<u8>,
    count: usize,
}

impl Found {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        bulk(&mut self.written, bytes);
        self.count += 1;
    }

    pub(crate) fn add_value(&mut self, value: Value<'_>) {
        self.add(value.as_bytes(&mut itoa::Buffer::new()));
    }

    /// All of them, as an array.
    pub(crate) fn reply(&self, out: &mut Writer<'_>) {
        out.array(self.count);
        out.raw(&self.written);
    }

    /// All of them, as a set.
    pub(crate) fn reply_set(&self, out: &mut Writer<'_>) {
        out.set(self.count);
        out.raw(&self.written);
    }

    /// All of them behind the cursor to go on from.
    pub(crate) fn reply_with(&self, out: &mut Writer<'_>, next: Cursor) {
        out.array(2);
        out.bulk(itoa::Buffer::new().format(next.0).as_bytes());
        self.reply(out);
    }
}
