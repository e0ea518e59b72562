//! ACL LOG: what was refused, to whom.
//!
//! A refusal like one of the last few, and not much later, is counted there instead of getting a line of
//! its own: a client that tries again and again must not push everything else out.

use std::collections::VecDeque;

use super::check::Reason;

/// Entries a new refusal is compared with.
const COMPARED: usize = 10;
/// Time after which a like refusal is a new one, in milliseconds.
const ALIKE_MS: i64 = 60_000;

/// Where a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    TopLevel,
    Multi,
    Lua,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) count: u64,
    pub(crate) reason: Reason,
    pub(crate) context: Context,
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// The client's line of CLIENT LIST at the last time.
    pub(crate) client: String,
    pub(crate) id: u64,
    /// Unix time in milliseconds of the first time and of the last.
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
}

/// The log, latest first.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<LogEntry>,
    next_id: u64,
    /// Refusals since the start: authentication, commands, keys, channels.
    pub(crate) denied: [u64; 4],
}

impl Log {
    /// Adds a refusal; its count, id and times are filled in here.
    pub(crate) fn add(&mut self, entry: LogEntry, now_ms: i64, max_len: usize) {
        self.denied[match entry.reason {
            Reason::Auth => 0,
            Reason::Command => 1,
            Reason::Key => 2,
            Reason::Channel => 3,
        }] += 1;
        let alike = |known: &LogEntry| {
            known.reason == entry.reason
                && known.context == entry.context
                && known.user == entry.user
                && known.object == entry.object
                && now_ms - known.updated_ms <= ALIKE_MS
        };
        let known = self.entries.iter().take(COMPARED).position(alike);
        match known.and_then(|at| self.entries.remove(at)) {
            Some(known) => self.entries.push_front(LogEntry {
                count: known.count + 1,
                client: entry.client,
                updated_ms: now_ms,
                ..known
            }),
            None => {
                let id = self.next_id;
                self.next_id += 1;
                self.entries.push_front(LogEntry {
                    count: 1,
                    id,
                    created_ms: now_ms,
                    updated_ms: now_ms,
                    ..entry
                });
            }
        }
        self.trim(max_len);
    }

    /// Drops the oldest beyond `acllog-max-len`.
    pub(crate) fn trim(&mut self, max_len: usize) {
        self.entries.truncate(max_len);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The latest `count`.
    pub(crate) fn latest(&self, count: usize) -> impl ExactSizeIterator<Item = &LogEntry> {
        self.entries.iter().take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str) -> LogEntry {
        LogEntry {
            count: 0,
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            user: b"u".to_vec(),
            client: String::new(),
            id: 0,
            created_ms: 0,
            updated_ms: 0,
        }
    }

    #[test]
    fn like_refusals_are_counted_together_for_a_minute() {
        let mut log = Log::default();
        log.add(refusal("a"), 0, 128);
        log.add(refusal("b"), 1000, 128);
        log.add(refusal("a"), 30_000, 128);
        log.add(refusal("b"), 90_000, 128);
        let lines: Vec<_> = log.latest(10).map(|e| (e.count, e.object.clone(), e.id)).collect();
        assert_eq!(lines, [(1, b"b".to_vec(), 2), (2, b"a".to_vec(), 0), (1, b"b".to_vec(), 1)]);
        assert_eq!(log.denied, [0, 0, 4, 0]);
        log.trim(1);
        assert_eq!(log.latest(10).len(), 1);
    }
}
