//! What this server propagates: encoded once, kept in the backlog, copied to every attached replica.
//!
//! Bytes gather in `pending` while commands run and are handed on once a turn, so that a pipeline of
//! writes wakes each replica once.

use resp::encode;

use super::{Replicating, Transaction};
use crate::server::Server;

/// What opens a transaction in the stream.
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

impl Replicating {
    /// What is propagated from now on belongs together; false when it does already.
    pub(crate) fn begin_transaction(&mut self) -> bool {
        let begins = self.transaction == Transaction::None;
        if begins {
            self.transaction = Transaction::Begun;
        }
        begins
    }

    /// This server is about to follow another in the middle of a transaction: what that has propagated so far
    /// is for nobody.
    pub(super) fn abandon_transaction(&mut self) {
        if let Transaction::Open { multi_at, .. } = self.transaction {
            self.pending.truncate(multi_at);
            self.stream_db = None;
            self.transaction = Transaction::Begun;
        }
    }

    fn append(&mut self, db: u32, args: &mut dyn ExactSizeIterator<Item = &[u8]>) {
        if self.stream_db != Some(db) {
            self.stream_db = Some(db);
            self.pending.extend_from_slice(&replication::stream::select(db));
        }
        match &mut self.transaction {
            Transaction::None => {}
            Transaction::Begun => {
                self.transaction = Transaction::Open { multi_at: self.pending.len(), commands: 1 };
                self.pending.extend_from_slice(MULTI);
            }
            Transaction::Open { commands, .. } => *commands += 1,
        }
        encode::header(&mut self.pending, b'*', args.len());
        for arg in args {
            encode::bulk(&mut self.pending, arg);
        }
    }

    /// The next command begins with SELECT: a replica joins that knows of no selected database.
    pub(super) fn select_anew(&mut self) {
        self.stream_db = None;
    }
}

impl Server {
    /// Adds a command to the stream, if this server is the head of it.
    pub(crate) fn propagate<'a>(&mut self, db: u32, mut args: impl ExactSizeIterator<Item = &'a [u8]>) {
        if self.scripting.muted {
            return;
        }
        if self.replicating.is_replica() {
            return;
        }
        if self.replicating.history.backlog().is_none() {
            self.replicating.history.feed(&[]);
            return;
        }
        self.replicating.append(db, &mut args);
    }

    /// Adds what stands for one command to the stream; several commands are a transaction.
    pub(crate) fn propagate_instead(&mut self, db: u32, commands: &[Vec<Vec<u8>>]) {
        let begins = self.replicating.begin_transaction();
        for command in commands {
            self.propagate(db, command.iter().map(Vec::as_slice));
        }
        if begins {
            self.end_transaction(db);
        }
    }

    /// EXEC or a script has run: what it propagated is closed off. A single command needs no transaction.
    pub(crate) fn end_transaction(&mut self, db: u32) {
        match std::mem::replace(&mut self.replicating.transaction, Transaction::None) {
            Transaction::Open { multi_at, commands: 1 } => {
                self.replicating.pending.drain(multi_at..multi_at + MULTI.len());
            }
            Transaction::Open { .. } => self.propagate(db, [&b"EXEC"[..]].into_iter()),
            Transaction::None | Transaction::Begun => {}
        }
    }

    /// Adds bytes of the master's own stream, for this server's replicas.
    pub(super) fn relay(&mut self, bytes: &[u8]) {
        self.replicating.pending.extend_from_slice(bytes);
    }

    /// Hands on what gathered in `pending`.
    pub(crate) fn flush_replication(&mut self) {
        if matches!(self.replicating.transaction, Transaction::Open { .. }) {
            // A script has been left in the middle: what it wrote goes out whole.
            return;
        }
        if std::mem::take(&mut self.replicating.acks_wanted)
            && !self.replicating.replicas.is_empty()
            && !self.replicating.is_replica()
        {
            self.replicating.pending.extend_from_slice(replication::stream::GETACK);
        }
        if self.replicating.pending.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.replicating.pending);
        self.replicating.history.feed(&bytes);
        self.replicating.lagging = !self.replicating.replicas.is_empty();
        for index in 0..self.replicating.replicas.len() {
            let id = self.replicating.replicas[index];
            let Some(client) = self.clients.get(id) else { continue };
            if client.rare.replica.as_ref().is_some_and(|replica| replica.takes_stream()) {
                self.clients.send(id, &bytes);
            }
        }
        // The buffer's memory is used again.
        self.replicating.pending = bytes;
        self.replicating.pending.clear();
    }

    /// A ping to the replicas now and then, so that they know their master lives.
    pub(super) fn ping_replicas(&mut self) {
        let period_ms = self.config.settings.repl_ping_replica_period as u64 * 1000;
        let due = self.now.mono_ms.saturating_sub(self.replicating.last_ping_ms) >= period_ms;
        if due
            && !self.replicating.is_replica()
            && !self.replicating.replicas.is_empty()
            && self.gates.pause.is_none()
        {
            self.replicating.last_ping_ms = self.now.mono_ms;
            self.replicating.pending.extend_from_slice(replication::stream::PING);
        }
    }
}
