//! All data as commands: what a rewrite writes where `aof-use-rdb-preamble` is off.
//!
//! Collections are written with at most 64 elements a command, so that nobody who reads the file has to hold a
//! large one at once.

use keyspace::{Data, Value};
use resp::encode;

use super::stream_commands;

/// Elements a command, as in Redis.
pub(super) const ITEMS_A_COMMAND: usize = 64;

/// Makes the commands that make the data.
#[derive(Debug, Default)]
pub struct CommandWriter {
    pending: Vec<u8>,
    drained: u64,
}

/// Room for an integer as text.
type Digits = itoa::Buffer;

impl CommandWriter {
    /// What has been written and not yet cleared.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Forgets the pending bytes: the caller has them. Their memory is kept for the next ones.
    pub fn clear_pending(&mut self) {
        self.drained += self.pending.len() as u64;
        self.pending.clear();
    }

    /// Length of the file so far, in bytes.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.drained + self.pending.len() as u64
    }

    /// The annotation of a time in Unix seconds.
    pub fn timestamp(&mut self, seconds: i64) {
        self.pending.extend_from_slice(format!("#TS:{seconds}\r\n").as_bytes());
    }

    /// What follows belongs to this database.
    pub fn select_db(&mut self, db: u32) {
        self.command(&[b"SELECT", Digits::new().format(db).as_bytes()]);
    }

    /// A library of functions.
    pub fn function(&mut self, code: &[u8]) {
        self.command(&[b"FUNCTION", b"LOAD", code]);
    }

    /// A key with its value, and its deadline in Unix milliseconds.
    pub fn key(&mut self, key: &[u8], value: Data<'_>, expires_at_ms: Option<i64>) {
        match value {
            Data::String(value) => self.command(&[b"SET", key, value.as_bytes(&mut Digits::new())]),
            Data::List(list) => {
                let mut index = 0;
                list.for_each(|element| {
                    self.element(b"RPUSH", key, list.len(), index, element);
                    index += 1;
                });
            }
            Data::Set(set) => {
                for (index, member) in set.iter().enumerate() {
                    self.element(b"SADD", key, set.len(), index, member);
                }
            }
            Data::SortedSet(set) => {
                self.pairs(b"ZADD", key, set.len(), set.iter(0..set.len()), |writer, (member, score)| {
                    writer.score(score);
                    writer.value(member);
                });
            }
            Data::Hash(hash) => {
                self.pairs(b"HMSET", key, hash.len(), hash.iter(), |writer, (field, value)| {
                    writer.value(field);
                    writer.value(value);
                });
            }
            Data::Stream(stream) => stream_commands::write(self, key, stream),
        }
        if let Some(at_ms) = expires_at_ms {
            self.command(&[b"PEXPIREAT", key, Digits::new().format(at_ms).as_bytes()]);
        }
    }

    pub(super) fn command(&mut self, words: &[&[u8]]) {
        encode::command(&mut self.pending, words);
    }

    /// The first two words of a command of `words` in all.
    pub(super) fn begin(&mut self, words: usize, name: &[u8], key: &[u8]) {
        encode::header(&mut self.pending, b'*', words);
        encode::bulk(&mut self.pending, name);
        encode::bulk(&mut self.pending, key);
    }

    pub(super) fn word(&mut self, bytes: &[u8]) {
        encode::bulk(&mut self.pending, bytes);
    }

    pub(super) fn value(&mut self, value: Value<'_>) {
        self.word(value.as_bytes(&mut Digits::new()));
    }

    /// A score in so many digits that the same number is read again.
    fn score(&mut self, score: f64) {
        let mut text = Vec::with_capacity(24);
        resp::number::write_f64(&mut text, score);
        self.word(&text);
    }

    /// The element with this number of so many, behind the beginning of a command where one is due.
    fn element(&mut self, name: &[u8], key: &[u8], length: usize, index: usize, element: Value<'_>) {
        if index.is_multiple_of(ITEMS_A_COMMAND) {
            self.begin(2 + (length - index).min(ITEMS_A_COMMAND), name, key);
        }
        self.value(element);
    }

    fn pairs<T>(
        &mut self,
        name: &[u8],
        key: &[u8],
        length: usize,
        pairs: impl Iterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        for (index, pair) in pairs.enumerate() {
            if index % ITEMS_A_COMMAND == 0 {
                self.begin(2 + 2 * (length - index).min(ITEMS_A_COMMAND), name, key);
            }
            write(self, pair);
        }
    }
}
