//! Starting, signalling and reaping child processes.
//!
//! Does not keep a table of children: who signals a pid must be its parent and must not have reaped it, or
//! the number may belong to another process by now.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// SIGKILL's number.
pub const SIGKILL: i32 = libc::SIGKILL;

/// Leaves the terminal and goes on in the background, with the standard streams to nowhere.
///
/// # Errors
/// Those of `fork` and `setsid`.
pub fn daemonize() -> io::Result<()> {
    Ok(nix::unistd::daemon(true, false)?)
}

/// A child that was waited for; its pid may be reused by the kernel from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its process id.
    pub pid: i32,
    /// How it ended.
    pub ended: Ended,
}

/// Reaps the given child if it has ended; `None` while it runs.
///
/// # Errors
/// `ECHILD` when it is no child of the caller (or was reaped before).
pub fn waitpid_nohang(pid: i32) -> io::Result<Option<Ended>> {
    Ok(wait_for(Pid::from_raw(pid))?.map(|reaped| reaped.ended))
}

/// Reaps any one child that has ended; `None` when all of them run.
///
/// # Errors
/// `ECHILD` when there are no children at all.
pub fn waitpid_nohang_any() -> io::Result<Option<Reaped>> {
    wait_for(Pid::from_raw(-1))
}

fn wait_for(pid: Pid) -> io::Result<Option<Reaped>> {
    loop {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => {
                return Ok(Some(Reaped { pid: pid.as_raw(), ended: Ended::Code(code) }));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Ok(Some(Reaped { pid: pid.as_raw(), ended: Ended::Signal(signal as i32) }));
            }
            Ok(WaitStatus::StillAlive) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Sends a signal. The caller must be the parent of `pid` and must not have reaped it.
///
/// # Errors
/// `EINVAL` for an unknown signal or a pid that would address a group (0 and below); otherwise `kill`'s.
pub fn signal_process(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(nix::sys::signal::kill(Pid::from_raw(pid), Signal::try_from(signal)?)?)
}

/// Makes the calling process the one that orphaned descendants are re-parented to.
///
/// # Errors
/// `prctl`'s.
pub fn become_subreaper() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// What to start.
#[derive(Debug)]
pub struct SpawnSpec {
    /// The program (found through PATH when without a slash) and its arguments.
    pub argv: Vec<OsString>,
    /// Variables set beside the inherited ones.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Standard output and error; standard input is `/dev/null`.
    pub output: File,
}

/// Starts a child that is killed when the calling thread ends, and gives its pid once the program was
/// executed. It blocks and ignores no signal, whatever its parent does. The caller reaps it.
///
/// # Errors
/// `EINVAL` without a program; otherwise fork's or exec's.
pub fn spawn(spec: SpawnSpec) -> io::Result<i32> {
    let Some((program, arguments)) = spec.argv.split_first() else {
        return Err(Errno::EINVAL.into());
    };
    let parent = getpid();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(spec.env)
        .current_dir(spec.cwd)
        .stdin(Stdio::null())
        .stdout(spec.output.try_clone()?)
        .stderr(spec.output);
    // SAFETY: the closure makes a few system calls and allocates nothing, so it may run between fork and
    // exec.
    unsafe {
        command.pre_exec(move || {
            die_with_parent(parent)?;
            expect_every_signal()
        });
    }
    let child = command.spawn()?;
    Ok(i32::try_from(child.id()).expect("a pid is positive and fits pid_t"))
}

/// Blocked and ignored signals survive an exec: a server that is started with SIGTERM blocked could not be
/// stopped.
fn expect_every_signal() -> io::Result<()> {
    for number in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGPIPE, Signal::SIGCHLD] {
        // SAFETY: installs the default, no Rust function.
        unsafe { signal(number, SigHandler::SigDfl) }?;
    }
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?)
}

/// Asks for SIGKILL when the parent (the forking thread) ends, and fails if it already has.
pub(crate) fn die_with_parent(parent: Pid) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}
