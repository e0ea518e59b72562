//! Files that outlive the process: RDB snapshots, and the checksum and compression they use; the append-only
//! file.
//!
//! Everything here turns bytes into values and back. Nothing opens a file or a socket: the
//! server drains [`rdb::Writer`] into a file or a replica's connection, and feeds
//! [`rdb::Reader`] from either, in pieces of any size.
//!
//! ```
//! use keyspace::{Data, Value};
//! use topple_persist::rdb::{self, Item, KeyMeta, Reader, Step, Writer, WriterOptions};
//!
//! let mut writer = Writer::new(WriterOptions::default());
//! writer.header();
//! writer.aux(b"redis-ver", b"7.2.4");
//! writer.select_db(0, 1, 0);
//! writer.key(b"greeting", Data::String(Value::Bytes(b"hello")), KeyMeta::default());
//! writer.end();
//! // A server writes `writer.pending()` to its file and calls `writer.clear_pending()`
//! // whenever that has grown to a good size for one write.
//!
//! let mut reader = Reader::new(rdb::Verify::Checksum);
//! let mut loaded = Vec::new();
//! for piece in writer.pending().chunks(7) {
//!     reader.feed(piece);
//!     loop {
//!         match reader.next()? {
//!             Step::NeedMore => break,
//!             Step::Item(Item::Key { key, value, meta: _ }) => loaded.push((key.to_vec(), value.to_vec())),
//!             Step::Item(_) => {}
//!             Step::Done { trailing, .. } => {
//!                 assert!(trailing.is_empty());
//!                 break;
//!             }
//!         }
//!     }
//! }
//! reader.finish()?; // "unexpected end of file at offset …" if the input stopped short
//! assert_eq!(loaded, [(b"greeting".to_vec(), b"hello".to_vec())]);
//! # Ok::<(), rdb::RdbError>(())
//! ```
//!
//! Deliberately absent: module values and hashes whose fields expire (the reader names the type it met
//! and where), and any decision about what a loaded key or command means (expired keys, duplicate keys,
//! database numbers and unknown commands are the caller's business).

#![forbid(unsafe_code)]

pub mod aof;
pub mod crc64;
pub use keyspace::lzf;
pub mod rdb;
