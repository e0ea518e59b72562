//! What this server propagates: encoded once, kept in the backlog, copied to every attached replica.
//!
//! Bytes gather in `pending` while commands run and are handed on once a turn, so that a pipeline of
//! writes wakes each replica once.

use resp::encode;

use super::{Replicating, Transaction};
use crate::server::Server;

impl Replicating {
    pub(crate) fn begin_transaction(&mut self) {
        self.transaction = Transaction::Begun;
    }

    fn append(&mut self, db: u32, args: &mut dyn ExactSizeIterator<Item = &[u8]>) {
        if self.stream_db != Some(db) {
            self.stream_db = Some(db);
            self.pending.extend_from_slice(&replication::stream::select(db));
        }
        if self.transaction == Transaction::Begun {
            self.transaction = Transaction::Open;
            encode::command(&mut self.pending, &["MULTI"]);
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
        if self.replicating.is_replica() {
            return;
        }
        if self.replicating.history.backlog().is_none() {
            self.replicating.history.feed(&[]);
            return;
        }
        self.replicating.append(db, &mut args);
    }

    /// EXEC has run: what it propagated is closed off.
    pub(crate) fn end_transaction(&mut self, db: u32) {
        if self.replicating.transaction == Transaction::Open {
            self.replicating.transaction = Transaction::None;
            self.propagate(db, [&b"EXEC"[..]].into_iter());
        }
        self.replicating.transaction = Transaction::None;
    }

    /// Adds bytes of the master's own stream, for this server's replicas.
    pub(super) fn relay(&mut self, bytes: &[u8]) {
        self.replicating.pending.extend_from_slice(bytes);
    }

    /// Hands on what gathered in `pending`.
    pub(crate) fn flush_replication(&mut self) {
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
