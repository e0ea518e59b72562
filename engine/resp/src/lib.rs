//! RESP2, RESP3 and inline commands: parsing requests, writing replies, and the client's side of both.
//!
//! - [`request`]: what a server reads. Arguments are spans into the connection's input buffer; nothing is
//!   allocated or copied for a command that arrives whole.
//! - [`reply`]: what a server writes, straight into the output buffer, in the client's protocol version.
//! - [`value`]: what a client reads, as a tree.
//! - [`encode`]: what a client writes.
//! - [`split`]: the quoting rules shared by inline commands, configuration files and redis-cli.
//! - [`number`]: numbers as text, both ways, with Redis's strictness.
//! - [`strtod`]: floats as C reads them.
//!
//! No I/O happens here. The formats are those of the RESP specification and of Redis 7.2's behaviour.

#![forbid(unsafe_code)]

pub mod encode;
pub mod number;
pub mod reply;
pub mod request;
pub mod split;
pub mod strtod;
pub mod value;

pub use reply::{Deferred, Protocol, Writer};
pub use request::{Args, Batch, Limits, Parser, RequestError, Span};
pub use value::{Value, ValueError};
