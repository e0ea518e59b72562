//! `fork` in its two uses: the child that writes a snapshot, and the guardian of a run's processes.
//!
//! **Invariant:** this is the only place that forks without executing another program. Both functions
//! refuse to run where the result would be wrong: the parent-death signal follows the forking *thread*, so
//! a snapshot is forked on the main thread only, and a guardian only while there is but one thread.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::unistd::{ForkResult, Pid, fork, getpid, pipe2};

use crate::descriptors::close_inherited;
use crate::process::die_with_parent;
use crate::title::set_title;

/// How much a snapshot child stands back.
const SNAPSHOT_NICENESS: i32 = 10;
/// Exit code of a child that panicked.
const PANICKED: i32 = 134;

/// How a snapshot child is set up.
#[derive(Debug)]
pub struct SnapshotOptions<'a> {
    /// Its process title, e.g. `redis-rdb-bgsave 127.0.0.1:6379`.
    pub title: &'a str,
    /// A descriptor that moves into the child (the file or pipe that takes the RDB); closed in the parent.
    pub extra: Option<OwnedFd>,
    /// Value for the child's `oom_score_adj`, so that the kernel prefers it as a victim.
    pub oom_score_adj: Option<i32>,
}

/// What the snapshot child has in hand.
#[derive(Debug)]
pub struct SnapshotChild {
    /// The writing end of the pipe to the parent.
    pub pipe: File,
    /// The descriptor given in [`SnapshotOptions::extra`].
    pub extra: Option<File>,
}

/// A snapshot child, seen by its parent.
#[derive(Debug)]
pub struct Forked {
    /// Its process id; the parent reaps it.
    pub pid: i32,
    /// The reading end of its pipe, non-blocking.
    pub pipe_read: OwnedFd,
    /// How long `fork` took.
    pub fork_us: u64,
}

/// Whether the calling thread is the process's first.
pub fn is_main_thread() -> bool {
    nix::unistd::gettid() == getpid()
}

/// Forks a child that sees memory as it is now, runs `work` in it and ends it with the code `work` gives.
///
/// In the child: SIGKILL follows the parent's death, signal handlers are reset (SIGPIPE and SIGHUP ignored,
/// so that a lost pipe is an error and not a death), every descriptor but 0 to 2, the pipe and `extra` is
/// closed. It ends without running destructors or exit hooks, also when `work` panics.
///
/// `work` must not touch the runtime, nor use or drop descriptors that it captured: they are closed.
///
/// # Errors
/// `EPERM` outside the main thread; otherwise those of `pipe` and `fork`.
pub fn fork_snapshot<F>(options: SnapshotOptions<'_>, work: F) -> io::Result<Forked>
where
    F: FnOnce(SnapshotChild) -> i32,
{
    if !is_main_thread() {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    let (pipe_read, pipe_write) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&pipe_read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let parent = getpid();
    let began = Instant::now();
    match fork_with_signals_blocked()? {
        Side::Parent(pid) => {
            let fork_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            Ok(Forked { pid, pipe_read, fork_us })
        }
        Side::Child(blocked) => {
            let code = catch_unwind(AssertUnwindSafe(|| {
                let mut keep = vec![pipe_write.as_raw_fd()];
                keep.extend(options.extra.as_ref().map(AsRawFd::as_raw_fd));
                // Its number is about to be closed; the value must not be dropped afterwards.
                std::mem::forget(pipe_read);
                let ready = set_up_snapshot(parent, &keep, options.title, options.oom_score_adj);
                drop(blocked);
                match ready {
                    Ok(()) => work(SnapshotChild {
                        pipe: File::from(pipe_write),
                        extra: options.extra.map(File::from),
                    }),
                    Err(_) => 1,
                }
            }));
            exit_now(code.unwrap_or(PANICKED))
        }
    }
}

/// Where parent and child share a core, clients of the parent come first: the snapshot takes a little longer
/// then, and nobody waits for a time slice of the child's.
fn yield_to_parent() {
    // SAFETY: `nice` takes a number and touches no memory of ours.
    let _ = unsafe { libc::nice(SNAPSHOT_NICENESS) };
}

fn set_up_snapshot(parent: Pid, keep: &[i32], title: &str, oom_score_adj: Option<i32>) -> io::Result<()> {
    yield_to_parent();
    die_with_parent(parent)?;
    reset_signal_handlers();
    close_inherited(keep)?;
    set_title(title);
    if let Some(score) = oom_score_adj {
        // Raising it is always allowed, lowering is not: a refusal costs nothing.
        let _ = fs::write("/proc/self/oom_score_adj", score.to_string());
    }
    Ok(())
}

/// The guardian, seen by the process that forked it.
#[derive(Debug)]
pub struct Guardian {
    /// Its process id.
    pub pid: i32,
    /// The connection to it; when the last copy closes, the guardian ends everything.
    pub socket: UnixStream,
}

/// Forks a process that outlives the caller's death and runs `work` with one end of a socket pair.
///
/// The child leads a session of its own (a terminal's Ctrl-C does not reach it), holds no descriptor but
/// the socket, has `/dev/null` as standard input, output and error, and default signal handlers.
///
/// # Errors
/// `EPERM` when the process has more than one thread already; otherwise those of the system calls.
pub fn fork_guardian<F>(work: F) -> io::Result<Guardian>
where
    F: FnOnce(UnixStream) -> i32,
{
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    let (ours, theirs) = UnixStream::pair()?;
    match fork_with_signals_blocked()? {
        Side::Parent(pid) => Ok(Guardian { pid, socket: ours }),
        Side::Child(blocked) => {
            let code = catch_unwind(AssertUnwindSafe(|| {
                std::mem::forget(ours);
                let ready = set_up_guardian(&theirs);
                drop(blocked);
                if ready.is_ok() { work(theirs) } else { 1 }
            }));
            exit_now(code.unwrap_or(PANICKED))
        }
    }
}

fn set_up_guardian(socket: &UnixStream) -> io::Result<()> {
    nix::unistd::setsid()?;
    reset_signal_handlers();
    close_inherited(&[socket.as_raw_fd()])?;
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}

enum Side {
    Parent(i32),
    Child(BlockedSignals),
}

/// Restores the signal mask when dropped.
struct BlockedSignals(SigSet);

impl BlockedSignals {
    /// Blocks everything: a signal that reached the child before its handlers are reset would run the
    /// parent's handler, which writes into the event loop's pipe that both share.
    fn all() -> io::Result<Self> {
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
        Ok(Self(before))
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None);
    }
}

fn fork_with_signals_blocked() -> io::Result<Side> {
    let blocked = BlockedSignals::all()?;
    // SAFETY: the child goes on in this one thread. It uses the allocator, whose locks the C library and
    // jemalloc hand over at fork; helper threads hold no other lock that the child takes, because it
    // touches no runtime and no shared output and leaves with `_exit`.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(blocked);
            Ok(Side::Parent(child.as_raw()))
        }
        ForkResult::Child => Ok(Side::Child(blocked)),
    }
}

fn reset_signal_handlers() {
    for number in Signal::iterator() {
        let handler = match number {
            Signal::SIGPIPE | Signal::SIGHUP => SigHandler::SigIgn,
            _ => SigHandler::SigDfl,
        };
        // SAFETY: no Rust handler is installed, only the default or "ignore". SIGKILL and SIGSTOP refuse.
        let _ = unsafe { signal(number, handler) };
    }
}

fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process at once; nothing of the copied program state may run (buffers that the
    // parent will flush too, exit hooks, destructors).
    unsafe { libc::_exit(code) }
}
