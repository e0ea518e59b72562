//! `topple up -d`: the same program started once more, in a session of its own, which says when it is ready.
//!
//! The two talk over a socket pair that is the background process's standard input: it needs no other, and so
//! no descriptor has to be handed over by number. Until it is ready the background process writes to the same
//! terminal, so that mistakes and progress are seen; then it goes on into `up.log` of the run directory. If
//! the foreground process ends before, it gives up.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use tokio::io::AsyncReadExt;

use super::REFUSED;
use super::output::complain;

/// The hidden option that the background process is started with.
pub(super) const OPTION: &str = "--in-background";

/// Starts the background process and waits until its topology is ready or it has ended.
pub(super) fn start(args: impl Iterator<Item = OsString>) -> ExitCode {
    match try_start(args) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("topple: cannot go into the background: {error}"));
            ExitCode::from(REFUSED)
        }
    }
}

fn try_start(args: impl Iterator<Item = OsString>) -> io::Result<ExitCode> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(crate::stage::lay_out::program())
        .args(args)
        .arg(OPTION)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    let mut said = String::new();
    ours.read_to_string(&mut said)?;
    if said == READY {
        return Ok(ExitCode::SUCCESS);
    }
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(REFUSED)))
}

const READY: &str = "ready";

/// The background process's end of the pair.
pub(super) struct Foreground(UnixStream);

impl Foreground {
    /// Leaves the terminal's session and takes the pair over.
    ///
    /// # Errors
    /// When this process was not started by [`start`].
    pub(super) fn detach() -> io::Result<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        nix::unistd::setsid()?;
        Ok(Self(socket))
    }

    /// Completes when the foreground process has gone.
    pub(super) async fn gone(&self) {
        let socket = self.0.try_clone().and_then(|socket| {
            socket.set_nonblocking(true)?;
            tokio::net::UnixStream::from_std(socket)
        });
        match socket {
            Ok(mut socket) => {
                let _ = socket.read(&mut [0]).await;
            }
            Err(_) => std::future::pending().await,
        }
    }

    /// Lets the foreground process go: from here on output goes into a file of the run directory.
    ///
    /// # Errors
    /// When that file cannot be written.
    pub(super) fn ready(mut self, run: &Path) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(run.join("up.log"))?;
        let nothing = OpenOptions::new().read(true).open("/dev/null")?;
        self.0.write_all(READY.as_bytes())?;
        self.0.shutdown(std::net::Shutdown::Both)?;
        nix::unistd::dup2_stdin(&nothing)?;
        nix::unistd::dup2_stdout(&log)?;
        nix::unistd::dup2_stderr(&log)?;
        Ok(())
    }
}
