//! The append-only file: commands as they were carried out, in files that a manifest names.
//!
//! Since Redis 7.0 it has several parts in a directory of their own: a base (all data at one moment, in the
//! form of a snapshot or of commands), increments (the commands after it, one file after the other), and
//! history (files that a rewrite has made superfluous and that are about to be deleted).
//!
//! - [`Manifest`]: which files there are, in what order, and what the next ones are called.
//! - [`Reader`]: the commands of a file, fed in pieces; tells a file that was cut short from a damaged one.
//! - [`CommandWriter`]: all data in the form of commands, as a rewrite makes it without a snapshot's form.
//!
//! Nothing here opens a file, and nothing runs a command.

mod command_writer;
mod manifest;
mod reader;
mod stream_commands;

pub use command_writer::CommandWriter;
pub use manifest::{BaseForm, FileInfo, FileKind, Manifest, ManifestError, ManifestFault};
pub use reader::{AofError, Commands, Fault, MAX_ANNOTATION_BYTES, Reader};

/// How a file begins that is a snapshot, or has one before its commands.
pub const RDB_SIGNATURE: &[u8] = b"REDIS";
