//! A connected client, as the server knows it.

use std::rc::Rc;

use std::collections::{BTreeSet, VecDeque};

use resp::{Args, Batch, Parser, Protocol, Span, Writer};

use crate::acl::User;
use crate::aof::WaitFor;
use crate::blocking::Waiting;
use crate::replicating::ReplicaPeer;
use crate::table::Entry;
use crate::tracking::ClientTracking;

/// A client's handle: its place, and the id that CLIENT LIST shows, which is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    pub(crate) slot: u32,
    /// The id shown to users.
    pub id: u64,
}

impl ClientId {
    /// A small number unique among connected clients, for the shell's own tables.
    pub fn index(self) -> usize {
        self.slot as usize
    }
}

/// How a client is connected.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address, `ip:port` or `path:0`.
    pub address: String,
    /// Our address it connected to.
    pub local: String,
    /// Whether it comes from this machine (loopback or a Unix socket).
    pub is_local: bool,
    /// File descriptor, for CLIENT LIST.
    pub fd: i32,
}

/// Bits of a client's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State(u32);

impl State {
    /// Inside MULTI.
    pub(crate) const MULTI: State = State(1);
    /// A queued command was wrong: EXEC fails.
    pub(crate) const DIRTY_EXEC: State = State(2);
    /// A watched key changed: EXEC gives null.
    pub(crate) const DIRTY_CAS: State = State(4);
    /// Close once the output is written.
    pub(crate) const CLOSE_AFTER_REPLY: State = State(8);
    /// Close at once.
    pub(crate) const CLOSE_NOW: State = State(16);
    /// A replica's connection.
    pub(crate) const REPLICA: State = State(32);
    /// The stream from our master.
    pub(crate) const MASTER: State = State(64);
    /// Must authenticate first.
    pub(crate) const UNAUTHENTICATED: State = State(128);
    /// Has not authenticated, and could not do without when it connected. While the default user needs no password it
    /// may do what that user may.
    pub(crate) const STRANGER: State = State(1 << 16);
    /// Has subscriptions.
    pub(crate) const PUBSUB: State = State(256);
    /// CLIENT REPLY OFF.
    pub(crate) const REPLY_OFF: State = State(512);
    /// CLIENT REPLY SKIP was just said: the next command's reply is dropped.
    pub(crate) const REPLY_SKIP_NEXT: State = State(1024);
    /// This command's reply is dropped.
    pub(crate) const REPLY_SKIP: State = State(2048);
    /// CLIENT NO-TOUCH.
    pub(crate) const NO_TOUCH: State = State(4096);
    /// CLIENT NO-EVICT.
    pub(crate) const NO_EVICT: State = State(8192);
    /// In the shell's list of clients to look at.
    pub(crate) const WOKEN: State = State(1 << 14);
    /// Running EXEC.
    pub(crate) const IN_EXEC: State = State(1 << 15);

    /// A script runs a command as this client.
    pub(crate) const IN_SCRIPT: State = State(1 << 27);
    /// MONITOR.
    pub(crate) const MONITOR: State = State(1 << 26);
    /// CLIENT TRACKING ON.
    pub(crate) const TRACKING: State = State(1 << 25);
    /// Its user may not do everything.
    pub(crate) const RESTRICTED: State = State(1 << 24);

    /// Running a command again that waited.
    pub(crate) const RETRYING: State = State(1 << 28);

    /// It runs no more commands.
    pub(crate) const CLOSING: State = State(8 | 16);
    /// Never closed for being idle.
    pub(crate) const EXEMPT_FROM_TIMEOUT: State = State(32 | 64 | 256 | (1 << 26));
    /// A peer of replication.
    pub(crate) const REPLICATION: State = State(32 | 64);
    /// Its commands need a look at who it is before they run.
    pub(crate) const SPECIAL: State =
        State(1 | 32 | 64 | 128 | 256 | 512 | 1024 | 2048 | (1 << 24) | (1 << 26));

    /// Something must be done once its command is over.
    pub(crate) const AFTERWARDS: State = State(Self::SPECIAL.0 | Self::TRACKING.0);

    /// Whether any of `other` is set.
    pub(crate) fn has(self, other: State) -> bool {
        self.0 & other.0 != 0
    }
    pub(crate) fn add(&mut self, other: State) {
        self.0 |= other.0;
    }
    pub(crate) fn remove(&mut self, other: State) {
        self.0 &= !other.0;
    }
    pub(crate) fn set(&mut self, other: State, on: bool) {
        match on {
            true => self.add(other),
            false => self.remove(other),
        }
    }
}

/// Why a client's next commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// WAIT, WAITAOF: until so many replicas acknowledged the offset, or the deadline.
    Wait { on: WaitFor, replicas: i64, offset: u64, deadline_ms: Option<u64> },
    /// For keys; what exactly is [`Rare::waiting`].
    Keys,
    /// CLIENT PAUSE.
    Paused,
    /// SHUTDOWN waits for replicas.
    Shutdown,
    /// Its script runs, past its limit.
    Script,
}

/// A command kept for later, with its own bytes.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) entry: &'static Entry,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Queued {
    pub(crate) fn new(entry: &'static Entry, args: Args<'_>) -> Self {
        let (mut bytes, mut spans) = (Vec::new(), Vec::with_capacity(args.len()));
        for arg in args.iter() {
            spans.push(Span { start: bytes.len() as u32, length: arg.len() as u32 });
            bytes.extend_from_slice(arg);
        }
        Self { entry, bytes, spans }
    }

    /// Bytes it is kept in.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// A command of these words.
    pub(crate) fn of_words(entry: &'static Entry, words: &[Vec<u8>]) -> Self {
        let mut queued = Self { entry, bytes: words.concat(), spans: Vec::with_capacity(words.len()) };
        let mut start = 0;
        for word in words {
            queued.spans.push(Span { start, length: word.len() as u32 });
            start += word.len() as u32;
        }
        queued
    }

    pub(crate) fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }
}

/// What few clients have: kept apart so that an idle client stays small.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) queued: Vec<Queued>,
    /// What EXEC has still to run, while it runs.
    pub(crate) exec_rest: VecDeque<Queued>,
    /// How many commands it runs in all, and their bytes.
    pub(crate) exec_size: (usize, usize),
    /// Bytes of those.
    pub(crate) queued_bytes: usize,
    /// Watched keys with their database.
    pub(crate) watching: Vec<(u32, Vec<u8>)>,
    /// Those of them that had expired already when they were watched.
    pub(crate) watching_expired: Vec<(u32, Vec<u8>)>,
    pub(crate) channels: BTreeSet<Vec<u8>>,
    pub(crate) patterns: BTreeSet<Vec<u8>>,
    pub(crate) shard_channels: BTreeSet<Vec<u8>>,
    pub(crate) tracking: Option<Box<ClientTracking>>,
    /// Whose connection it is; none for the default user's.
    pub(crate) user: Option<Rc<User>>,
    pub(crate) lib_name: String,
    pub(crate) lib_version: String,
    pub(crate) replica: Option<ReplicaPeer>,
    /// What it waits for, while it is [`Blocked::Keys`].
    pub(crate) waiting: Option<Box<Waiting>>,
}

/// A connected client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) peer: Peer,
    pub(crate) state: State,
    pub(crate) db: u32,
    pub(crate) protocol: Protocol,
    pub(crate) name: String,
    pub(crate) parser: Parser,
    pub(crate) batch: Batch,
    /// Bytes to send; the shell takes them.
    pub(crate) out: Vec<u8>,
    /// Bytes the shell took and has not sent yet.
    pub(crate) unsent: usize,
    pub(crate) blocked: Option<Blocked>,
    pub(crate) connected_ms: u64,
    pub(crate) active_ms: u64,
    pub(crate) last_command: Option<&'static Entry>,
    /// Bytes of a request received and not yet complete, for CLIENT LIST.
    pub(crate) query_bytes: usize,
    /// Replication offset after this client's last write, for WAIT.
    pub(crate) write_offset: u64,
    /// What it held when that was last counted.
    pub(crate) counted_bytes: u64,
    /// Since when the output is over its soft limit.
    pub(crate) over_soft_since_ms: Option<u64>,
    pub(crate) rare: Box<Rare>,
}

impl Client {
    pub(crate) fn new(id: ClientId, peer: Peer, now_ms: u64) -> Self {
        Self {
            id,
            peer,
            state: State::default(),
            db: 0,
            protocol: Protocol::Resp2,
            name: String::new(),
            parser: Parser::default(),
            batch: Batch::default(),
            out: Vec::new(),
            unsent: 0,
            blocked: None,
            connected_ms: now_ms,
            active_ms: now_ms,
            last_command: None,
            query_bytes: 0,
            write_offset: 0,
            counted_bytes: 0,
            over_soft_since_ms: None,
            rare: Box::default(),
        }
    }

    /// The name of its user.
    pub(crate) fn user_name(&self) -> &[u8] {
        self.rare.user.as_ref().map_or(b"default", |user| &user.name)
    }

    /// A writer for this client's replies.
    pub(crate) fn writer(&mut self) -> Writer<'_> {
        Writer::new(&mut self.out, self.protocol)
    }

    /// Channels and patterns it is subscribed to, those of the shard included.
    pub(crate) fn subscriptions(&self) -> usize {
        self.rare.channels.len() + self.rare.patterns.len() + self.rare.shard_channels.len()
    }

    /// Class for `client-output-buffer-limit`: 0 normal, 1 replica, 2 pub/sub.
    pub(crate) fn class(&self) -> usize {
        if self.state.has(State::REPLICA) {
            1
        } else if self.state.has(State::PUBSUB) {
            2
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn each_state_has_a_bit_of_its_own() {
        let mut seen = State::default();
        for state in [
            State::MULTI,
            State::DIRTY_EXEC,
            State::DIRTY_CAS,
            State::CLOSE_AFTER_REPLY,
            State::CLOSE_NOW,
            State::REPLICA,
            State::MASTER,
            State::UNAUTHENTICATED,
            State::STRANGER,
            State::PUBSUB,
            State::REPLY_OFF,
            State::REPLY_SKIP_NEXT,
            State::REPLY_SKIP,
            State::NO_TOUCH,
            State::NO_EVICT,
            State::WOKEN,
            State::IN_EXEC,
            State::IN_SCRIPT,
            State::MONITOR,
            State::TRACKING,
            State::RESTRICTED,
            State::RETRYING,
        ] {
            assert_eq!(state.0.count_ones(), 1, "{state:?}");
            assert!(!seen.has(state), "{state:?} is taken");
            seen.add(state);
        }
    }
}
