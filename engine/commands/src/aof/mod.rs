//! The append-only file: every change, written before its reply goes out.
//!
//! - [`journal`]: what is needed of the outside: a file that grows, and names of files.
//! - [`write`](self::write): the buffer goes into the file, the file to the disk.
//! - [`files`]: manifest and file names; opening at start, switching on and off.
//! - [`rewrite`]: a child writes a new base, and what comes of that.
//! - [`load`]: the files read at start and by DEBUG LOADAOF.
//! - [`wait`](self::wait): WAITAOF.
//!
//! What belongs into the file is what goes to replicas; the dispatcher feeds both. A replica's own file holds
//! what its master's commands did.

mod files;
pub(crate) mod journal;
mod load;
mod rewrite;
#[cfg(test)]
mod tests;
mod wait;
mod write;

pub use load::LoadPlan;
pub(crate) use rewrite::bgrewriteaof;
pub(crate) use wait::{WaitFor, waitaof};

use persist::aof::Manifest;

use crate::feed::Feed;
use crate::host::SnapshotTarget;
use crate::server::Server;
use load::Loading;
use rewrite::Rewriting;
use write::Writing;

/// Whether there is an append-only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AofState {
    /// There is none.
    #[default]
    Off,
    /// Every change goes into it.
    On,
    /// It was switched on; until the first rewrite is done, changes go into a temporary increment.
    WaitRewrite,
}

/// All that is known of the append-only file.
#[derive(Debug, Default)]
pub(crate) struct Aof {
    pub(crate) state: AofState,
    /// Whether commands are taken: not before the child of a first rewrite runs.
    takes_commands: bool,
    pub(crate) manifest: Manifest,
    /// What is not in the file yet.
    pub(crate) feed: Feed,
    /// The second of the last timestamp.
    timestamp_s: i64,
    pub(crate) writing: Writing,
    pub(crate) rewriting: Rewriting,
    loading: Option<Box<Loading>>,
    /// The stream's offset up to which all is on the disk; none without an append-only file.
    pub(crate) synced_offset: Option<u64>,
    /// A replica was asked for an acknowledgement while not all was on the disk.
    ack_when_synced: bool,
    /// DEBUG AOF-FLUSH-SLEEP.
    pub(crate) debug_sleep_us: u64,
}

impl Aof {
    /// Whether changes are to be fed.
    #[inline]
    pub(crate) fn takes_commands(&self) -> bool {
        self.takes_commands
    }

    /// Whether there is, or is about to be, an append-only file.
    pub(crate) fn is_on(&self) -> bool {
        self.state != AofState::Off
    }
}

impl Server {
    /// Adds a command to what is to be written.
    #[inline]
    pub(crate) fn feed_aof<'a>(
        &mut self,
        db: u32,
        as_sent: Option<&[u8]>,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        if self.config.settings.aof_timestamp_enabled {
            let seconds = self.wall_seconds();
            if seconds > self.aof.timestamp_s {
                self.aof.timestamp_s = seconds;
                self.aof.feed.bytes.extend_from_slice(format!("#TS:{seconds}\r\n").as_bytes());
            }
        }
        self.aof.feed.append(db, as_sent, args);
    }

    fn set_aof_state(&mut self, state: AofState) {
        self.aof.state = state;
        self.refresh_aof();
    }

    /// Works out anew whether commands are taken; called when the state changes or a child begins or ends.
    pub(crate) fn refresh_aof(&mut self) {
        let rewrites =
            self.is_rewriting_aof() && self.persistence.running.is_some_and(|running| !running.killed);
        self.aof.takes_commands = self.persistence.loading.is_none()
            && match self.aof.state {
                AofState::Off => false,
                AofState::On => true,
                AofState::WaitRewrite => rewrites,
            };
        self.refresh_gates();
    }

    /// Whether the child that runs makes a new base.
    pub(crate) fn is_rewriting_aof(&self) -> bool {
        self.persistence.running.is_some_and(|running| running.target == SnapshotTarget::Aof)
    }

    /// Bytes that are not in the file yet.
    pub(crate) fn aof_buffer_bytes(&self) -> usize {
        if self.aof.is_on() { self.aof.feed.bytes.capacity() } else { 0 }
    }
}
