//! Lua scripts and functions: the interpreter, its sandbox, and the libraries that scripts see.
//!
//! A [`Machine`] is a Lua 5.1 interpreter on a stack of its own. It never holds a reference to the server:
//! the driver gives it a [`Job`], and the machine comes back with a [`Step`] whenever it needs something
//! (a command to be run, a permission, a log line), when its slice of instructions is used up, or when the
//! job is done. So a script that runs for long can be left where it is while other clients are served.
//!
//! - `machine`: the coroutine, and what is passed in and out.
//! - `interpreter`: the Lua state inside it: jobs, the sandbox, hooks, errors.
//! - `redis_api`: the `redis` table; `from_reply` and `to_reply`: values both ways.
//! - `cjson`, `cmsgpack`, `structs`, `bit`, `random`: the other libraries.
//! - `shebang`: a script's first line, and the flags in it. `library`: libraries of functions.
//!
//! What this crate does not do: it knows no commands, no databases, no clients and no clock.
//!
//! Limits (see `machine`): the stack is bounded and guarded, Lua's memory is bounded, patterns are
//! bounded in length (their matcher recurses), so that no script takes the process down.

#![forbid(unsafe_code)]

mod arguments;
mod bit;
mod cjson;
mod cmsgpack;
mod from_reply;
mod interpreter;
pub mod library;
mod lua_args;
pub mod machine;
mod number;
mod raise;
mod random;
mod redis_api;
pub mod shebang;
mod structs;
#[cfg(test)]
mod tests;
mod to_reply;

pub use library::{Function, Library};
pub use machine::{Answer, Arguments, Failure, Finished, Job, Kind, Machine, Run, Step};
pub use shebang::{Flags, Shebang};

/// A script's name: the SHA-1 of its text, 40 lower-case hexadecimal digits.
pub fn sha1_hex(text: &[u8]) -> String {
    sha1_smol::Sha1::from(text).digest().to_string()
}
