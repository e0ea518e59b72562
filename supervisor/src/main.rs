//! The binary: `topple`, and `redis-server` or `redis-sentinel` when called by such a name.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = std::env::args_os().collect();
    // The arguments are read: from here on their memory may hold the process's title.
    sys::claim_title_area();
    topple::cli::main(args)
}
