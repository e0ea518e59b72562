//! Databases: the table of keys, the memory layout of entries, expiry, SCAN.
//!
//! Pure: no I/O, no clock and no randomness; times, seeds and random numbers are passed in. It
//! holds keys and values and knows no commands; what a deadline or an access clock means is the
//! caller's.
//!
//! - [`Db`] is what other crates use.
//! - `table` finds a slot by hash and grows and shrinks in small steps; `segment` and `bucket`
//!   are its parts.
//! - `packed` is the memory of entries (header, key and small value in one allocation) and of
//!   growable blocks of bytes behind a thin pointer.
//! - `values` are the data types other than strings, and the encodings they are made of.
//!
//! **Invariant:** `unsafe` appears in `packed` only.

#![deny(unsafe_code)]

mod bucket;
mod db;
mod expire;
mod hash;
pub mod lzf;
mod object;
#[allow(unsafe_code)]
mod packed;
mod sample;
mod segment;
mod table;
#[cfg(test)]
mod tests;
mod value;
pub mod values;

pub use db::{Db, Removed};
pub use hash::{Cursor, HashSeed, KeyHash};
pub use object::{Data, Object, Typed, Updated, WrongKind};
pub use packed::Entry;
pub use sample::place_of;
pub use value::{EMBSTR_MAX_LEN, Encoding, Expiry, Kind, Value, WallMs, parse_canonical_int};
