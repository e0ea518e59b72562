//! What a command leaves behind for the dispatcher: how much it changed, which keys, what to replicate.
//!
//! Handlers only record; the dispatcher alone feeds replicas, watchers and subscribers from it. What nobody
//! is interested in is not even recorded, so that a write to a server without watchers, subscribers or
//! replicas pays a branch.

use keyspace::{Db, Kind, Removed};

use crate::lazy::{Cause, Discarded, LazyFree, is_large};

/// Classes of keyspace events, as in `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Class {
    /// `g`: commands that are not of one type.
    Generic = 1,
    /// `$`
    String = 2,
    /// `l`
    List = 4,
    /// `s`
    Set = 8,
    /// `h`
    Hash = 16,
    /// `z`
    SortedSet = 32,
    /// `x`
    Expired = 64,
    /// `e`
    Evicted = 128,
    /// `t`
    Stream = 256,
    /// `m`: a read missed.
    Miss = 512,
    /// `n`: a key was created.
    New = 1024,
}

/// A keyspace event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The database.
    pub db: u32,
    /// The event's name, e.g. `set`.
    pub event: &'static str,
    /// The key.
    pub key: Vec<u8>,
}

/// What goes to replicas when a command changed something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// The command as it came.
    #[default]
    AsReceived,
    /// These commands instead of it.
    Instead(Vec<Vec<Vec<u8>>>),
    /// The command as it came, even when nothing changed.
    Always,
    /// Nothing, although something changed.
    Nothing,
}

/// What a client waits for that could not be served at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOn {
    /// The keys, in the selected database.
    pub keys: Vec<Vec<u8>>,
    /// What one of them must hold for the command to run again.
    pub kind: Kind,
    /// Whether it runs again also when a key goes away or holds something else (XREADGROUP).
    pub without_key_too: bool,
    /// How long it waits, in milliseconds; none: for ever.
    pub timeout_ms: Option<u64>,
    /// What it is told when the time is over.
    pub timed_out: TimedOut,
    /// The command to run again, where it is not the one that came (XREAD's `$` has got its meaning).
    pub again: Option<Vec<Vec<u8>>>,
}

/// The reply to a client that waited in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    /// Null.
    Null,
    /// The null array.
    NullArray,
}

/// A database that was emptied.
pub struct Flushed {
    /// Which.
    pub db: u32,
    /// What it held: tells whose watched keys are gone, and is best dropped where it stalls nobody.
    pub contents: Db,
}

impl std::fmt::Debug for Flushed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flushed {{ db: {}, keys: {} }}", self.db, self.contents.len())
    }
}

/// What a command did, beyond its reply.
#[derive(Debug, Default)]
pub struct Effects {
    /// Changes since the server began; what `rdb_changes_since_last_save` counts from.
    pub dirty: u64,
    /// What to replicate for this command.
    pub propagation: Propagation,
    /// Keys that had expired and were deleted on the way; replicated as deletions before the command.
    pub expired: Vec<(u32, Vec<u8>)>,
    /// Keys touched by this command, recorded while [`watching`](Self::watching).
    pub touched: Vec<(u32, Vec<u8>)>,
    /// Whether some client watches, tracks or waits for keys.
    pub watching: bool,
    /// Classes of events that are published (a sum of [`Class`] values).
    pub notify: u16,
    /// Events to publish.
    pub notices: Vec<Notice>,
    /// Lookups that found their key, since CONFIG RESETSTAT.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Keys deleted because they had expired.
    pub expired_keys: u64,
    /// Databases that FLUSHDB or FLUSHALL emptied. Their keys are not among [`touched`](Self::touched).
    pub flushed: Vec<Flushed>,
    /// FLUSHALL ran: the snapshot file is to be emptied too.
    pub flushed_all: bool,
    /// FLUSHDB or FLUSHALL has run, whether or not there was anything: who holds copies of keys hears of it.
    pub flush_ran: bool,
    /// Databases that SWAPDB exchanged. Their keys are not among [`touched`](Self::touched).
    pub swapped: Option<(u32, u32)>,
    /// The client has to wait; taken by the dispatcher, which blocks it.
    pub block: Option<BlockOn>,
    /// Set while nobody takes what is replicated, so that no rewritten command need be made.
    pub unreplicated: bool,
    /// Which values are not freed at once.
    pub lazy: LazyFree,
    /// Those values.
    pub discarded: Discarded,
}

impl Effects {
    /// Records one change of `key` and its event.
    pub fn changed(&mut self, db: u32, key: &[u8], class: Class, event: &'static str) {
        self.dirty += 1;
        self.touched(db, key);
        self.event(db, key, class, event);
    }

    /// Records that watchers of `key` must know.
    pub fn touched(&mut self, db: u32, key: &[u8]) {
        if self.watching {
            self.touched.push((db, key.to_vec()));
        }
    }

    /// Records an event alone.
    pub fn event(&mut self, db: u32, key: &[u8], class: Class, event: &'static str) {
        if self.wants(class) {
            self.notices.push(Notice { db, event, key: key.to_vec() });
        }
    }

    /// Whether events of a class are published.
    pub fn wants(&self, class: Class) -> bool {
        self.notify & class as u16 != 0
    }

    /// Counts a lookup that did not find its key, with its event.
    pub fn missed(&mut self, db: u32, key: &[u8]) {
        self.misses += 1;
        self.event(db, key, Class::Miss, "keymiss");
    }

    /// Drops what was removed: at once, or later and elsewhere when it is large.
    pub fn discard(&mut self, removed: Removed, cause: Cause) {
        if is_large(removed.free_effort()) && self.lazy.covers(cause) {
            self.discarded.0.push(removed);
        }
    }

    /// Replaces what is replicated for this command.
    pub fn replicate_instead(&mut self, commands: Vec<Vec<Vec<u8>>>) {
        self.propagation = Propagation::Instead(commands);
    }

    /// Replaces what is replicated for this command by one other.
    pub fn replicate_as(&mut self, command: &[&[u8]]) {
        if !self.unreplicated {
            self.replicate_instead(vec![command.iter().map(|arg| arg.to_vec()).collect()]);
        }
    }
}
