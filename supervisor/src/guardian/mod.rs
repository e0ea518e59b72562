//! The guardian: the process that is the parent of every node and leaves none behind.
//!
//! It is a plain `fork` of the supervisor, made in `main` before any thread or runtime exists (not a
//! re-exec: that would need a path to a binary that may have been replaced or unlinked meanwhile, and there
//! is no other thread whose locks a fork could break). It leads a session of its own, is child subreaper,
//! and does what it is told over a socket pair: start a process, signal one, report exits. When the socket
//! closes, for whatever reason, it kills every descendant, removes what it was told to remove, and ends.
//!
//! - [`protocol`]: the messages and their frames.
//! - [`process`]: the guardian's own loop; single-threaded, blocking, no tokio.
//! - [`handle`]: the supervisor's side, on tokio.
//!
//! **Invariant:** the guardian signals only pids that it is the parent of and has not reaped.
//!
//! The supervisor is a subreaper too: if somebody kills the guardian itself, its orphans come to the
//! supervisor, which ends them the same way.

pub mod handle;
pub mod process;
pub mod protocol;
