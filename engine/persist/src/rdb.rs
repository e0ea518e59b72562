//! RDB, the snapshot format: [`Writer`] makes version 10, [`Reader`] takes versions 1 to 12.
//!
//! Layout of a file: `REDIS` and four digits of version; auxiliary fields; for each database its
//! number, the sizes of its tables, and its keys, each with optional expiry and idle time or
//! frequency; function libraries; an end mark and, from version 5 on, a CRC-64 of all before it.
//! The rules come from files that Redis writes and from the published description of the format.
//!
//! A single value in the same form, with version and checksum behind it, is what DUMP gives and RESTORE
//! takes: [`dump`], [`restore`].
//!
//! Neither side does I/O, and neither looks at a clock: whether an expired key is kept is up to
//! the caller.

mod cursor;
mod error;
mod format;
mod payload;
mod reader;
mod values;
mod writer;

pub use error::{ErrorKind, RdbError};
pub use format::{KeyMeta, MAX_STRING_BYTES, ModuleId, NEWEST_READABLE, StringValue, VERSION};
pub use payload::{PayloadError, Restored, dump, restore};
pub use reader::{Checked, Item, Reader, Step, Verify};
pub use writer::{Checksum, Compression, Writer, WriterOptions};
