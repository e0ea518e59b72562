//! What a server needs of the outside at once.
//!
//! The shell implements this with files, `fork` and a log; tests with memory. Everything else (sockets,
//! timers) the shell does around the server, never the server itself.

use keyspace::{Db, Removed};

use crate::aof::journal::{Journal, SyncState};
use crate::config::{Level, LogLevel, Settings};
use crate::snapshot::SnapshotInfo;

/// Where a snapshot child writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotTarget {
    /// The snapshot file.
    File,
    /// Straight to waiting replicas.
    Replicas,
    /// A file that is to be a base of the append-only file; the child chooses its name.
    Aof,
}

/// Memory and processor figures of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Bytes the program holds.
    pub used_bytes: u64,
    /// The most it ever held.
    pub peak_bytes: u64,
    /// Bytes the program held when it had started.
    pub startup_bytes: u64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Memory of the machine.
    pub total_system_bytes: u64,
    /// What the allocator says of itself.
    pub allocator: AllocatorFigures,
    /// System and user CPU seconds of the process, then of its ended children.
    pub cpu_seconds: [f64; 4],
}

/// What the allocator holds, all in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocatorFigures {
    /// Given to the program.
    pub allocated_bytes: u64,
    /// In pages of which some part is given to the program.
    pub active_bytes: u64,
    /// In pages that are in memory.
    pub resident_bytes: u64,
}

/// What is no longer reachable and takes long to free.
#[derive(Default)]
pub struct Garbage {
    /// Whole databases.
    pub dbs: Vec<Db>,
    /// Single large values.
    pub values: Vec<Removed>,
}

impl Garbage {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.dbs.is_empty() && self.values.is_empty()
    }

    /// How many keys it is made of.
    pub fn objects(&self) -> u64 {
        (self.dbs.iter().map(Db::len).sum::<usize>() + self.values.len()) as u64
    }
}

/// Freeing on another thread, in keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LazyFreed {
    /// Handed over and not freed yet.
    pub pending: u64,
    /// Freed, since the server began or [`Host::reset_lazy_freed`].
    pub freed: u64,
}

/// A connection to another server, on which this one stands still until something has come of it.
pub trait PeerConnection {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// [`PeerError`]; some of the bytes may have been written.
    fn write(&mut self, bytes: &[u8], timeout_ms: u64) -> Result<(), PeerError>;
    /// Reads up to the end of a line, which is not part of what it gives.
    ///
    /// # Errors
    /// [`PeerError`]; the connection is of no use any more.
    fn read_line(&mut self, timeout_ms: u64) -> Result<Vec<u8>, PeerError>;
}

/// Why nothing came of a wait for another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerError {
    /// The time was over.
    TimedOut,
    /// The connection is gone, or was refused.
    Failed,
    /// There is no such address, or no way to it.
    Unreachable,
}

/// The outside.
pub trait Host {
    /// Writes a log line.
    fn log(&mut self, level: Level, text: &str);
    /// The server has become a replica, or a master.
    fn role_changed(&mut self, replica: bool);
    /// The least severity logged has changed.
    fn log_level_changed(&mut self, least: LogLevel);
    /// Current figures.
    fn figures(&mut self) -> Figures;
    /// Writes the snapshot file `path` (relative to the working directory) now, atomically.
    fn save(&mut self, path: &str, dbs: &[Db], info: &SnapshotInfo) -> Result<(), String>;
    /// Reads the file `path` in pieces.
    fn read_snapshot(
        &mut self,
        path: &str,
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String>;
    /// What the append-only file needs.
    fn journal(&mut self) -> &mut dyn Journal;
    /// How far the append-only file is synced aside.
    fn sync_state(&self) -> SyncState;
    /// Ends the process, at once: nothing more goes out.
    fn exit(&mut self, code: i32);
    /// Ends the process by a signal, at once.
    fn crash(&mut self, signal: i32) {
        let _ = signal;
    }
    /// Puts the same program with the same arguments in this process's place after so long; gives why that
    /// was not possible.
    fn restart(&mut self, delay_ms: u64) -> String {
        let _ = delay_ms;
        "not here".into()
    }
    /// Forks a child that writes a snapshot; gives the microseconds `fork` took.
    fn start_snapshot(
        &mut self,
        target: SnapshotTarget,
        path: &str,
        dbs: &[Db],
        info: &SnapshotInfo,
    ) -> Result<u64, String>;
    /// Kills the snapshot child; its end is reported like any other.
    fn kill_snapshot(&mut self);
    /// Copy-on-write bytes the running child has reported last.
    fn snapshot_cow_bytes(&self) -> u64;
    /// Nanoseconds of a clock that never goes back.
    fn monotonic_ns(&mut self) -> u64;
    /// Unix time in microseconds.
    fn wall_us(&mut self) -> i64;
    /// Bytes that nobody can guess.
    fn entropy(&mut self) -> [u8; 32];
    /// Stops everything for so long (DEBUG SLEEP).
    fn sleep(&mut self, seconds: f64);
    /// Reads a small file.
    fn read_file(&mut self, path: &str) -> Result<String, String>;
    /// Replaces a small file atomically and durably.
    fn write_file(&mut self, path: &str, text: &str) -> Result<(), String>;
    /// Changes the working directory; gives its absolute path.
    fn change_directory(&mut self, path: &str) -> Result<String, String>;
    /// Opens a connection to another server, waiting for it.
    ///
    /// # Errors
    /// [`PeerError`] when there is none in that time.
    fn connect_peer(
        &mut self,
        host: &str,
        port: u16,
        timeout_ms: u64,
    ) -> Result<Box<dyn PeerConnection>, PeerError> {
        let _ = (host, port, timeout_ms);
        Err(PeerError::Unreachable)
    }
    /// Frees something large, perhaps on another thread.
    fn free(&mut self, garbage: Garbage);
    /// What has come of that.
    fn lazy_free(&self) -> LazyFreed {
        LazyFreed::default()
    }
    /// Counts what was freed from 0 again.
    fn reset_lazy_freed(&mut self) {}
    /// Bytes the program holds now, told at once; none where nobody counts, and what the databases ask for
    /// must do.
    fn used_bytes(&self) -> Option<u64> {
        None
    }
    /// Gives memory that is free back to the system.
    fn purge_memory(&mut self) {}
    /// What the allocator says of itself at length.
    fn allocator_report(&mut self) -> String {
        String::new()
    }
    /// Directives were changed that concern the process: where it listens, its title. An error names the
    /// directive that could not be applied, and nothing has changed then.
    fn settings_changed(&mut self, before: &Settings, now: &Settings) -> Result<(), (&'static str, String)> {
        let _ = (before, now);
        Ok(())
    }
    /// The same clock in microseconds, to bound work by.
    fn clock_us(&mut self) -> u64 {
        self.monotonic_ns() / 1000
    }
}
