//! Snapshots in a forked child: what the child does, and how the parent follows it.
//!
//! The child reports keys written and memory copied as lines on its pipe; the parent reads them, and reaps
//! the child when the pipe ends.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use commands::config::Level;
use commands::snapshot::{self, Progress, SnapshotInfo};
use commands::{SnapshotResult, SnapshotTarget};
use keyspace::Db;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::log::{Log, Role};
use crate::shell::Shell;
use crate::transfer;

/// Bytes after which a file that is synced often is synced.
const SYNC_EVERY_BYTES: usize = 4 << 20;
/// Pieces between two reports.
const PIECES_A_REPORT: u64 = 16;

/// The child that runs, as the host and the following task share it.
#[derive(Debug, Default)]
pub(crate) struct ChildState {
    pub(crate) pid: Cell<Option<i32>>,
    pub(crate) cow_bytes: Cell<u64>,
    /// The file it writes before that takes its name.
    pub(crate) temporary: RefCell<Option<String>>,
    /// A child that was just forked, to be followed by a task.
    pub(crate) begun: RefCell<Option<Begun>>,
}

impl ChildState {
    /// Removes what a child that was killed could not clear up itself.
    pub(crate) fn remove_temporary(&self) {
        if let Some(path) = self.temporary.borrow_mut().take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What following a child takes.
#[derive(Debug)]
pub(crate) struct Begun {
    pid: i32,
    target: SnapshotTarget,
    reports: OwnedFd,
    /// The reading end of the pipe that carries the snapshot itself, when it goes to replicas.
    data: Option<OwnedFd>,
    path: String,
}

/// Forks the child. Gives the microseconds that took.
pub(crate) fn begin(
    state: &ChildState,
    log: &Rc<Log>,
    target: SnapshotTarget,
    path: &str,
    options: sys::SnapshotOptions<'_>,
    dbs: &[Db],
    info: &SnapshotInfo,
) -> Result<u64, String> {
    let (data, extra) = match target {
        SnapshotTarget::File | SnapshotTarget::Aof => (None, None),
        SnapshotTarget::Replicas => {
            let (read, write) = io::pipe().map_err(|error| error.to_string())?;
            (Some(OwnedFd::from(read)), Some(OwnedFd::from(write)))
        }
    };
    let options = sys::SnapshotOptions { extra, ..options };
    let forked = sys::fork_snapshot(options, |child| {
        let log = log.reopened();
        match target {
            SnapshotTarget::Aof => rewrite(child, &log, dbs, info),
            _ => work(child, &log, path, dbs, info),
        }
    })
    .map_err(|error| error.to_string())?;
    log.line(
        Role::Master,
        Level::Notice,
        &match target {
            SnapshotTarget::File => format!("Background saving started by pid {}", forked.pid),
            SnapshotTarget::Replicas => format!("Background RDB transfer started by pid {}", forked.pid),
            SnapshotTarget::Aof => {
                format!("Background append only file rewriting started by pid {}", forked.pid)
            }
        },
    );
    state.pid.set(Some(forked.pid));
    state.cow_bytes.set(0);
    // CONFIG SET dir moves the parent, not the child.
    let path = std::path::absolute(path).map_or(path.to_string(), |path| path.to_string_lossy().into_owned());
    *state.temporary.borrow_mut() = match target {
        SnapshotTarget::File => Some(temporary_name(&path, forked.pid.unsigned_abs())),
        SnapshotTarget::Aof => Some(base_name(forked.pid.unsigned_abs())),
        SnapshotTarget::Replicas => None,
    };
    *state.begun.borrow_mut() =
        Some(Begun { pid: forked.pid, target, reports: forked.pipe_read, data, path });
    Ok(forked.fork_us)
}

/// Tells the parent now and then how far the child is.
fn reporter(reports: &File) -> impl FnMut(Progress) {
    let mut pieces = 0;
    move |Progress { keys, delay_us }: Progress| {
        if delay_us > 0 {
            std::thread::sleep(Duration::from_micros(delay_us));
            return;
        }
        pieces += 1;
        if pieces % PIECES_A_REPORT == 0 {
            let _ = sys::write_line(reports.as_fd(), &format!("{} {keys}", sys::private_dirty_bytes()));
        }
    }
}

/// Tells the parent how far the child has come, and how much memory was copied for its sake.
fn last_report(reports: &File, dbs: &[Db]) -> u64 {
    let cow = sys::private_dirty_bytes();
    let _ = sys::write_line(reports.as_fd(), &format!("{cow} {}", dbs.iter().map(Db::len).sum::<usize>()));
    cow >> 20
}

/// The work of a child that writes a base of the append-only file; its exit code.
fn rewrite(child: sys::SnapshotChild, log: &Log, dbs: &[Db], info: &SnapshotInfo) -> i32 {
    let path = base_name(std::process::id());
    let written = write_and_sync(&path, dbs, info, &mut reporter(&child.pipe));
    let mb = last_report(&child.pipe, dbs);
    match written {
        Ok(()) => {
            log.line(
                Role::Child,
                Level::Notice,
                &format!("Successfully created the temporary AOF base file {path}"),
            );
            log.line(
                Role::Child,
                Level::Notice,
                &format!("Fork CoW for AOF rewrite: current {mb} MB, peak {mb} MB, average {mb} MB"),
            );
            0
        }
        Err(error) => {
            let reason = crate::listen::reason(&error);
            let text = format!("Write error writing append only file on disk: {reason}");
            log.line(Role::Child, Level::Warning, &text);
            let _ = std::fs::remove_file(&path);
            1
        }
    }
}

/// Where the process `pid` writes a base before the parent gives it its name.
fn base_name(pid: u32) -> String {
    format!("temp-rewriteaof-bg-{pid}.aof")
}

/// The child's work; its exit code.
fn work(child: sys::SnapshotChild, log: &Log, path: &str, dbs: &[Db], info: &SnapshotInfo) -> i32 {
    let reports = child.pipe;
    let mut report = reporter(&reports);
    let to_file = child.extra.is_none();
    let result = match child.extra {
        Some(mut pipe) => {
            snapshot::write(dbs, info, &mut |piece| pipe.write_all(piece), &mut report).map(|_| ())
        }
        None => write_file(path, dbs, info, &mut report),
    };
    let mb = last_report(&reports, dbs);
    match result {
        Ok(()) => {
            if to_file {
                log.line(Role::Child, Level::Notice, "DB saved on disk");
            }
            log.line(
                Role::Child,
                Level::Notice,
                &format!("Fork CoW for RDB: current {mb} MB, peak {mb} MB, average {mb} MB"),
            );
            0
        }
        Err(error) => {
            log.line(Role::Child, Level::Warning, &format!("Write error saving DB on disk: {error}"));
            1
        }
    }
}

/// Writes the snapshot file: into a temporary one, made durable, then renamed over the old.
pub(crate) fn write_file(
    path: &str,
    dbs: &[Db],
    info: &SnapshotInfo,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<()> {
    let temporary = temporary_name(path, std::process::id());
    let written =
        write_and_sync(&temporary, dbs, info, progress).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    // The rename is durable once the directory is.
    let directory = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Where the process `pid` writes the snapshot before it takes its name.
fn temporary_name(path: &str, pid: u32) -> String {
    let name = format!("temp-{pid}.rdb");
    match Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => parent.join(name).to_string_lossy().into_owned(),
        None => name,
    }
}

fn write_and_sync(
    path: &str,
    dbs: &[Db],
    info: &SnapshotInfo,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<()> {
    let mut file = File::create(path)?;
    let syncs_often = info.aof_base.is_some_and(|base| base.syncs_often);
    let mut unsynced_bytes = 0;
    let mut sink = |piece: &[u8]| {
        file.write_all(piece)?;
        unsynced_bytes += piece.len();
        if syncs_often && unsynced_bytes >= SYNC_EVERY_BYTES {
            unsynced_bytes = 0;
            file.sync_data()?;
        }
        Ok(())
    };
    snapshot::write(dbs, info, &mut sink, progress)?;
    file.sync_all()
}

/// Follows every child that is forked, one after the other.
pub(crate) async fn follow_all(shell: Rc<Shell>) {
    loop {
        let begun = shell.child.begun.borrow_mut().take();
        match begun {
            Some(begun) => follow(&shell, begun).await,
            None => shell.child_begun.wait().await,
        }
    }
}

async fn follow(shell: &Rc<Shell>, begun: Begun) {
    let state = &shell.child;
    let (ended, when_ended) = oneshot::channel();
    if let Some(data) = begun.data
        && let Ok(pipe) = receiver(data)
    {
        let mark = shell.with(|server, _| server.new_mark());
        let senders = transfer::open(shell);
        tokio::task::spawn_local(transfer::relay_pipe(senders, pipe, mark, when_ended));
    }
    let mut result = SnapshotResult::default();
    if let Ok(reports) = receiver(begun.reports) {
        let mut lines = BufReader::new(reports).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut numbers = line.split(' ').filter_map(|word| word.parse::<u64>().ok());
            if let (Some(cow_bytes), Some(keys)) = (numbers.next(), numbers.next()) {
                (result.cow_bytes, result.keys) = (cow_bytes, keys);
                state.cow_bytes.set(cow_bytes);
            }
        }
    }
    let outcome = reap(begun.pid).await;
    state.pid.set(None);
    match outcome {
        sys::Ended::Code(code) => result.code = Some(code),
        sys::Ended::Signal(signal) => result.signal = Some(signal),
    }
    let ok = result.code == Some(0);
    if begun.target == SnapshotTarget::Aof && ok {
        result.file = state.temporary.borrow_mut().take();
    }
    let clearing_up = std::time::Instant::now();
    state.remove_temporary();
    result.clear_up_us = clearing_up.elapsed().as_micros() as u64;
    let _ = ended.send(ok);
    if begun.target == SnapshotTarget::File && ok && shell.server.borrow().snapshot_has_receivers() {
        let senders = transfer::open(shell);
        tokio::task::spawn_local(send_file(shell.clone(), senders, File::open(&begun.path)));
    }
    shell.with(|server, now| server.snapshot_ended(result, now));
}

async fn send_file(shell: Rc<Shell>, senders: transfer::Senders, file: io::Result<File>) {
    let sent = match file {
        Ok(file) => transfer::send_file(senders, file).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        shell.with(|server, _| {
            server.log(Level::Warning, format!("SYNC failed. Can't open/stat DB after BGSAVE: {error}"))
        });
    }
}

fn receiver(descriptor: OwnedFd) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(descriptor)
}

/// Waits for a child whose pipe has ended: it is about to exit.
async fn reap(pid: i32) -> sys::Ended {
    let mut pause = Duration::from_micros(200);
    loop {
        match sys::waitpid_nohang(pid) {
            Ok(Some(ended)) => return ended,
            Ok(None) => tokio::time::sleep(pause).await,
            Err(_) => return sys::Ended::Code(1),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
