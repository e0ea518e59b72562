//! The guardian's own loop, run in the forked process until the supervisor is gone.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::clock::Clock;
use crate::guardian::protocol::{Notice, Request, SpawnRequest, decode, encode};
use crate::history::Exit;

/// Serves the supervisor until the socket closes, then ends every descendant. Gives the exit code.
pub fn run(socket: UnixStream, clock: Clock) -> i32 {
    sys::set_title("topple-guardian");
    let served = Guardian::new(socket, clock).and_then(|mut guardian| {
        let result = guardian.serve();
        // Nodes go before their files, or a dying node could write one anew.
        sys::kill_all_descendants();
        if let Some(path) = guardian.remove_when_orphaned.take() {
            let _ = fs::remove_dir_all(path);
        }
        result
    });
    if served.is_ok() { 0 } else { 1 }
}

struct Guardian {
    socket: UnixStream,
    signals: SignalFd,
    clock: Clock,
    input: Vec<u8>,
    /// Pids of running children by the supervisor's number.
    pids: HashMap<u64, i32>,
    remove_when_orphaned: Option<PathBuf>,
}

impl Guardian {
    fn new(socket: UnixStream, clock: Clock) -> io::Result<Self> {
        sys::become_subreaper()?;
        let mut set = SigSet::empty();
        // A polite request to the guardian itself is an orderly end of everything.
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
            set.add(signal);
        }
        set.thread_block()?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self {
            socket,
            signals,
            clock,
            input: Vec::new(),
            pids: HashMap::new(),
            remove_when_orphaned: None,
        })
    }

    /// Returns when the socket has closed or the guardian was asked to end.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let mut watched = [
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut watched, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [signals, socket] = watched.map(|entry| entry.any().unwrap_or(false));
            if signals && self.drain_signals()? {
                return Ok(());
            }
            if socket && !self.read_requests()? {
                return Ok(());
            }
        }
    }

    /// Gives whether the guardian was asked to end.
    fn drain_signals(&mut self) -> io::Result<bool> {
        let mut asked_to_end = false;
        while let Some(info) = self.signals.read_signal()? {
            asked_to_end |= info.ssi_signo != Signal::SIGCHLD as u32;
        }
        self.reap()?;
        Ok(asked_to_end)
    }

    /// Gives whether the supervisor is still there.
    fn read_requests(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 << 10];
        let count = match self.socket.read(&mut chunk) {
            Ok(0) | Err(_) => return Ok(false),
            Ok(count) => count,
        };
        self.input.extend_from_slice(&chunk[..count]);
        while let Some(request) = decode(&mut self.input).map_err(io::Error::other)? {
            self.handle(request)?;
        }
        Ok(true)
    }

    fn handle(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Spawn { id, what } => {
                let started = spawn(what);
                let at = self.clock.now();
                let notice = match started {
                    Ok(pid) => {
                        self.pids.insert(id, pid);
                        Notice::Spawned { id, pid, at }
                    }
                    Err(error) => Notice::SpawnFailed { id, error },
                };
                self.tell(&notice)
            }
            Request::Signal { id, request, signal } => {
                let sent = match self.pids.get(&id) {
                    Some(&pid) => sys::signal_process(pid, signal).map_err(|error| error.to_string()),
                    None => Err("it has ended".to_owned()),
                };
                let at = self.clock.now();
                self.tell(&Notice::Signalled { request, at, error: sent.err() })
            }
            Request::Sweep { request } => {
                for reaped in sys::kill_all_descendants() {
                    self.report_exit(reaped)?;
                }
                self.tell(&Notice::Done { request })
            }
            Request::RemoveWhenOrphaned { path } => {
                self.remove_when_orphaned = Some(path);
                Ok(())
            }
            Request::KeepWhenOrphaned { request } => {
                self.remove_when_orphaned = None;
                self.tell(&Notice::Done { request })
            }
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        while let Ok(Some(reaped)) = sys::waitpid_nohang_any() {
            self.report_exit(reaped)?;
        }
        Ok(())
    }

    fn report_exit(&mut self, reaped: sys::Reaped) -> io::Result<()> {
        let at = self.clock.now();
        let how = match reaped.ended {
            sys::Ended::Code(code) => Exit::Code(code),
            sys::Ended::Signal(signal) => Exit::Signal(signal),
        };
        // Orphans that came to us (scripts, snapshot children) have no number: nobody waits for them.
        let id = self.pids.iter().find(|&(_, &pid)| pid == reaped.pid).map(|(&id, _)| id);
        match id {
            Some(id) => {
                self.pids.remove(&id);
                self.tell(&Notice::Exited { id, pid: reaped.pid, how, at })
            }
            None => Ok(()),
        }
    }

    fn tell(&mut self, notice: &Notice) -> io::Result<()> {
        self.socket.write_all(&encode(notice))
    }
}

fn spawn(what: SpawnRequest) -> Result<i32, String> {
    let output = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&what.output)
        .map_err(|error| format!("cannot write {}: {error}", what.output.display()))?;
    let program = what.argv.first().cloned().unwrap_or_default();
    sys::spawn(sys::SpawnSpec {
        argv: what.argv.into_iter().map(Into::into).collect(),
        env: what.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        cwd: what.cwd,
        output,
    })
    .map_err(|error| format!("cannot execute {program}: {error}"))
}
