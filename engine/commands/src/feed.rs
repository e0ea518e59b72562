//! Commands encoded for one taker: the replicas, or the append-only file.
//!
//! Both get the same commands, but each at times of its own, and each must be told the selected database anew
//! when it begins. What EXEC or a script propagates is held together: it is opened with MULTI when its first
//! command comes, and closed with EXEC unless it was the only one.

use resp::encode;

/// What opens a transaction.
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

/// Memory kept for what comes.
const KEEP_BYTES: usize = 1 << 20;

/// Commands on their way.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    pub(crate) bytes: Vec<u8>,
    /// The database that was selected last.
    pub(crate) db: Option<u32>,
    transaction: Transaction,
}

/// Whether what comes belongs to a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Transaction {
    #[default]
    None,
    /// EXEC runs; nothing came yet.
    Begun,
    /// MULTI is in the bytes, at `multi_at`, and so many commands behind it.
    Open { multi_at: usize, commands: usize },
}

impl Feed {
    /// What comes from now on belongs together; false when it does already.
    pub(crate) fn begin_transaction(&mut self) -> bool {
        let begins = self.transaction == Transaction::None;
        if begins {
            self.transaction = Transaction::Begun;
        }
        begins
    }

    /// Another history is about to begin in the middle of a transaction: what that has brought so far is for
    /// nobody.
    pub(crate) fn abandon_transaction(&mut self) {
        if let Transaction::Open { multi_at, .. } = self.transaction {
            self.bytes.truncate(multi_at);
            self.db = None;
            self.transaction = Transaction::Begun;
        }
    }

    /// Adds a command; `as_sent` are its bytes, where they are there in the form they take here.
    #[inline]
    pub(crate) fn append<'a>(
        &mut self,
        db: u32,
        as_sent: Option<&[u8]>,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        if self.db != Some(db) {
            self.db = Some(db);
            self.bytes.extend_from_slice(&replication::stream::select(db));
        }
        match &mut self.transaction {
            Transaction::None => {}
            Transaction::Begun => {
                self.transaction = Transaction::Open { multi_at: self.bytes.len(), commands: 1 };
                self.bytes.extend_from_slice(MULTI);
            }
            Transaction::Open { commands, .. } => *commands += 1,
        }
        if let Some(bytes) = as_sent {
            return self.bytes.extend_from_slice(bytes);
        }
        encode::header(&mut self.bytes, b'*', args.len());
        for arg in args {
            encode::bulk(&mut self.bytes, arg);
        }
    }

    /// A transaction is over. A single command needs none.
    pub(crate) fn end_transaction(&mut self) {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::Open { multi_at, commands: 1 } => {
                self.bytes.drain(multi_at..multi_at + MULTI.len());
            }
            Transaction::Open { .. } => encode::command(&mut self.bytes, &["EXEC"]),
            Transaction::None | Transaction::Begun => {}
        }
    }

    /// Whether a transaction has been begun that is not over, and some of it is here.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.transaction, Transaction::Open { .. })
    }

    /// Bytes that may go on: of a transaction all or nothing.
    #[inline]
    pub(crate) fn ready_bytes(&self) -> usize {
        match self.transaction {
            Transaction::Open { multi_at, .. } => multi_at,
            Transaction::None | Transaction::Begun => self.bytes.len(),
        }
    }

    /// Forgets the first bytes, which have gone on.
    pub(crate) fn consume(&mut self, count: usize) {
        if count == self.bytes.len() {
            self.bytes.clear();
            // What one great command needed is given back.
            self.bytes.shrink_to(KEEP_BYTES);
        } else {
            self.bytes.drain(..count);
        }
        if let Transaction::Open { multi_at, .. } = &mut self.transaction {
            *multi_at -= count;
        }
    }

    /// The next command begins with SELECT: somebody joins who knows of no selected database.
    pub(crate) fn select_anew(&mut self) {
        self.db = None;
    }

    /// Nobody takes what is here any more.
    pub(crate) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.db = None;
        if self.is_open() {
            self.transaction = Transaction::Begun;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(feed: &mut Feed, db: u32, words: &str) {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        feed.append(db, None, words.iter().copied());
    }

    fn shown(feed: &Feed) -> String {
        let text = String::from_utf8_lossy(&feed.bytes).replace("\r\n", " ");
        text.split(' ')
            .filter(|word| !word.starts_with(['*', '$']))
            .collect::<Vec<_>>()
            .join(" ")
            .trim()
            .into()
    }

    #[test]
    fn a_single_command_needs_no_transaction() {
        let mut feed = Feed::default();
        append(&mut feed, 0, "SET a 1");
        assert!(feed.begin_transaction() && !feed.begin_transaction());
        feed.end_transaction();
        assert!(feed.begin_transaction());
        append(&mut feed, 2, "SET b 2");
        feed.end_transaction();
        assert_eq!(shown(&feed), "SELECT 0 SET a 1 SELECT 2 SET b 2");
        feed.begin_transaction();
        append(&mut feed, 2, "INCR b");
        append(&mut feed, 2, "INCR b");
        feed.end_transaction();
        assert!(shown(&feed).ends_with("MULTI INCR b INCR b EXEC"), "{}", shown(&feed));
    }

    #[test]
    fn half_a_transaction_stays() {
        let mut feed = Feed::default();
        append(&mut feed, 0, "SET a 1");
        let before = feed.bytes.len();
        feed.begin_transaction();
        append(&mut feed, 0, "SET b 2");
        assert_eq!((feed.ready_bytes(), feed.is_open()), (before, true));
        feed.consume(before);
        assert_eq!((feed.ready_bytes(), shown(&feed).as_str()), (0, "MULTI SET b 2"));
        append(&mut feed, 0, "SET c 3");
        feed.end_transaction();
        assert_eq!(shown(&feed), "MULTI SET b 2 SET c 3 EXEC");
        assert_eq!(feed.ready_bytes(), feed.bytes.len());
    }
}
