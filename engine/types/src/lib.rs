//! The data commands, a family a module, on a narrow context.
//!
//! A command is declared once, in the table at the top of its family's file, beside its code. Its handler
//! sees a [`Ctx`]: the databases, the time, a random generator, the reply and the effects; never the
//! server, its clients or its sockets. What follows from a command (replication, keyspace events, watched
//! keys) is derived by the dispatcher from the [`Effects`] it leaves.

#![forbid(unsafe_code)]

mod arguments;

pub mod access;
pub mod bits;
pub mod ctx;
pub mod effects;
pub mod error;
pub mod geo;
pub mod glob;
#[cfg(test)]
mod harness;
pub mod hashes;
pub mod hyperloglog;
pub mod keys;
pub mod lazy;
pub mod lists;
mod long_double;
pub mod notation;
pub mod random;
mod replies;
mod sampling;
mod scanning;
pub mod sets;
pub mod sort;
pub mod sorted_sets;
pub mod spec;
pub mod streams;
pub mod strings;

pub use access::{AccessClock, Lfu};
pub use ctx::{Caller, Ctx, ExpiryRule, Key, Now};
pub use effects::{BlockOn, Class, Effects, Flushed, Notice, Propagation, TimedOut};
pub use error::CommandError;
pub use lazy::{Cause, LazyFree};
pub use random::Random;
pub use spec::{Command, Flags, Meta};

/// A data command's code.
pub type Handler = fn(&mut Ctx<'_>, resp::Args<'_>) -> Result<(), CommandError>;

/// Every data command of this crate.
pub fn commands() -> impl Iterator<Item = &'static Command<Handler>> {
    let families = [
        strings::COMMANDS,
        keys::COMMANDS,
        lists::COMMANDS,
        sets::COMMANDS,
        hashes::COMMANDS,
        sorted_sets::COMMANDS,
        geo::COMMANDS,
        streams::COMMANDS,
        bits::COMMANDS,
        hyperloglog::COMMANDS,
        sort::COMMANDS,
    ];
    families.into_iter().flatten()
}
