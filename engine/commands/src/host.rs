//! What a server needs of the outside at once.
//!
//! The shell implements this with files, `fork` and a log; tests with memory. Everything else (sockets,
//! timers) the shell does around the server, never the server itself.

use keyspace::Db;

use crate::config::{Level, LogLevel};
use crate::snapshot::SnapshotInfo;

/// Where a snapshot child writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotTarget {
    /// The snapshot file.
    File,
    /// Straight to waiting replicas.
    Replicas,
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
    /// System and user CPU seconds of the process, then of its ended children.
    pub cpu_seconds: [f64; 4],
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
    /// Stops everything for so long (DEBUG SLEEP).
    fn sleep(&mut self, seconds: f64);
    /// Reads a small file.
    fn read_file(&mut self, path: &str) -> Result<String, String>;
    /// Replaces a small file atomically and durably.
    fn write_file(&mut self, path: &str, text: &str) -> Result<(), String>;
    /// Changes the working directory; gives its absolute path.
    fn change_directory(&mut self, path: &str) -> Result<String, String>;
    /// Frees something large, perhaps on another thread.
    fn free(&mut self, garbage: Vec<Db>);
}
