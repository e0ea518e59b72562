//! The server process: event loop, sockets, files, timers, snapshot children.
//!
//! A thin shell around [`commands::Server`]: it moves bytes and time in and out and does what the server
//! asks. One thread runs everything; `RefCell<Server>` is borrowed in short synchronous sections and never
//! held across an await. What decides anything lives in the pure crates.

#![forbid(unsafe_code)]

mod connection;
mod doors;
mod host;
mod include;
mod journal;
mod listen;
mod load;
mod log;
mod master_link;
mod memory;
mod options;
mod peer_connection;
mod sentinel;
mod serve;
mod shell;
mod snapshot_child;
mod standing;
mod syslog;
mod transfer;
mod transport;

pub use options::Program;

/// The engine's allocator: small size classes and little waste, as Redis's own choice.
#[global_allocator]
static ALLOCATOR: sys::Allocator = sys::Allocator;

/// Runs a server (or a sentinel) with the command line `arguments`, the program's name not among them;
/// gives the exit code. Must be called on the main thread: snapshots are forked from it.
pub fn main(program: Program, arguments: &[String]) -> i32 {
    match options::read(program, arguments) {
        options::Decision::Exit { code, text } => {
            options::print(code, &text);
            code
        }
        options::Decision::Run(start) => serve::run(*start),
    }
}
