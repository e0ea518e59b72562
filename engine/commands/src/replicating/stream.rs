//! What this server propagates: encoded once, kept in the backlog, copied to every attached replica.
//!
//! Bytes gather in a [`Feed`](crate::feed::Feed) while commands run and are handed on once a turn, so that a pipeline of
//! writes wakes each replica once.

use crate::scripting::Targets;
use crate::server::Server;

impl Server {
    /// Adds a command to the stream, if this server is the head of it, and to the append-only file.
    pub(crate) fn propagate<'a>(&mut self, db: u32, args: impl ExactSizeIterator<Item = &'a [u8]> + Clone) {
        self.propagate_bytes(db, None, args);
    }

    /// The same for a command whose bytes may be there in the form they take in the stream.
    #[inline]
    pub(crate) fn propagate_bytes<'a>(
        &mut self,
        db: u32,
        as_sent: Option<&[u8]>,
        args: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    ) {
        let targets = self.scripting.targets;
        if self.aof.takes_commands() && targets.has(Targets::AOF) {
            self.feed_aof(db, as_sent, args.clone());
        }
        if self.replicating.is_replica() || !targets.has(Targets::REPLICAS) {
            return;
        }
        if self.replicating.history.backlog().is_none() {
            // Offsets count on: that is how waiting for the append-only file is told.
            self.replicating.history.feed(&[]);
            return;
        }
        self.replicating.feed.append(db, as_sent, args);
    }

    /// Adds a command to the stream alone: one that is gone when it has run, and has no place in a file.
    pub(crate) fn propagate_to_replicas<'a>(
        &mut self,
        db: u32,
        args: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    ) {
        let targets = self.scripting.targets;
        self.scripting.targets = Targets(targets.0 & Targets::REPLICAS.0);
        self.propagate(db, args);
        self.scripting.targets = targets;
    }

    /// Adds what stands for one command to the stream; several commands are a transaction.
    pub(crate) fn propagate_instead(&mut self, db: u32, commands: &[Vec<Vec<u8>>]) {
        let begins = self.begin_transaction();
        for command in commands {
            self.propagate(db, command.iter().map(Vec::as_slice));
        }
        if begins {
            self.end_transaction();
        }
    }

    /// What is propagated from now on belongs together; false when it does already.
    pub(crate) fn begin_transaction(&mut self) -> bool {
        self.aof.feed.begin_transaction();
        self.replicating.feed.begin_transaction()
    }

    /// EXEC or a script has run: what it propagated is closed off.
    pub(crate) fn end_transaction(&mut self) {
        self.aof.feed.end_transaction();
        self.replicating.feed.end_transaction();
    }

    /// Adds bytes of the master's own stream, for this server's replicas.
    pub(super) fn relay(&mut self, bytes: &[u8]) {
        self.replicating.feed.bytes.extend_from_slice(bytes);
    }

    /// Hands on what has gathered.
    pub(crate) fn flush_replication(&mut self) {
        if self.replicating.feed.is_open() {
            // A script has been left in the middle: what it wrote goes out whole.
            return;
        }
        if std::mem::take(&mut self.replicating.acks_wanted)
            && !self.replicating.replicas.is_empty()
            && !self.replicating.is_replica()
        {
            self.replicating.feed.bytes.extend_from_slice(replication::stream::GETACK);
        }
        if self.replicating.feed.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.replicating.feed.bytes);
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
        self.replicating.feed.bytes = bytes;
        self.replicating.feed.bytes.clear();
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
            self.replicating.feed.bytes.extend_from_slice(replication::stream::PING);
        }
    }
}
