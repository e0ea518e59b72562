//! Talking to a topology that is up: a socket in its run directory, and who listens and asks there.
//!
//! - [`protocol`]: requests and answers, one JSON object a line.
//! - [`serve`]: the supervisor's side; acts through the same parts as an experiment does.
//! - [`address`]: nodes named by name or by role (`mymaster:master`).
//! - [`ask`]: the command line's side, and finding the topologies that are up.
//!
//! Whoever may enter the run directory may act on the topology: the directory's permissions are the gate, as
//! for the nodes' data. A supervisor that was killed leaves a socket nobody answers; such a run is not "up".

pub mod address;
pub mod ask;
pub mod protocol;
pub mod serve;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The socket's name in the run directory.
const SOCKET: &str = "control";

/// The socket of a run, by a path that is short however deep the directory is: a socket's path has room for
/// 107 bytes only. Valid as long as the file is kept.
fn socket_path(run: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(run)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
    Ok((directory, path))
}
