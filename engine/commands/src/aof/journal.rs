//! What the append-only file needs of the outside.
//!
//! One file grows at a time. A thread of the outside syncs it where that must not hold anybody up, and tells
//! how far it has come.

/// What became of bytes that were to be appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Bytes that are in the file.
    pub bytes: usize,
    /// Why the others are not.
    pub error: Option<String>,
}

/// How far syncing aside has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncState {
    /// Syncs that were begun and are not over.
    pub pending: usize,
    /// The mark of the last one that succeeded.
    pub done: Option<u64>,
    /// Why the last one failed, if it did.
    pub error: Option<String>,
}

/// What an opened file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// What it holds already.
    AsIs,
    /// Nothing.
    Empty,
}

/// Files of the append-only file; names are relative to the working directory.
pub trait Journal {
    /// Opens the file that grows from now on; gives its length. The one before it is synced and closed aside,
    /// as in [`sync_aside`](Self::sync_aside).
    fn open(&mut self, path: &str, begin: Begin, mark: u64) -> Result<u64, String>;
    /// Closes the file that grows.
    fn close(&mut self);
    /// Writes behind its end.
    fn append(&mut self, bytes: &[u8]) -> Appended;
    /// Cuts off what is behind `length` of the file that grows.
    fn shorten(&mut self, length: u64) -> Result<(), String>;
    /// Has all that was written reach the disk, and waits for it.
    fn sync(&mut self) -> Result<(), String>;
    /// The same without waiting; `mark` is told when it is done.
    fn sync_aside(&mut self, mark: u64);
    /// Waits until nothing is being synced, and forgets the last failure.
    fn settle(&mut self);
    /// The length of a file; none when there is no such file.
    fn length(&self, path: &str) -> Result<Option<u64>, String>;
    /// Up to `most` bytes of a file from `offset` on; none at its end.
    fn read(&mut self, path: &str, offset: u64, most: usize) -> Result<Vec<u8>, String>;
    /// Whether there is a directory of this name.
    fn is_directory(&self, path: &str) -> bool;
    /// Makes a directory, if it is not there.
    fn make_directory(&mut self, path: &str) -> Result<(), String>;
    /// Gives a file another name, for good.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), String>;
    /// Removes a file, aside if that may take long.
    fn remove(&mut self, path: &str);
    /// Cuts a file that is not open.
    fn truncate(&mut self, path: &str, length: u64) -> Result<(), String>;
}
