//! The supervisor's side of the guardian.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::guardian::protocol::{Notice, Request, SpawnRequest, decode, encode};
use crate::history::{Exit, Moment};

/// What the guardian reports on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A process started as `id` was reaped.
    Exited {
        /// Number of the process.
        id: u64,
        /// Its process id.
        pid: i32,
        /// How it ended.
        how: Exit,
        /// When.
        at: Moment,
    },
    /// The guardian is gone; nothing can be started or signalled any more.
    Lost,
}

type Answer<T> = oneshot::Sender<Result<T, String>>;

#[derive(Default)]
struct Pending {
    /// Set once the guardian is gone: nothing asked from then on would be answered.
    lost: bool,
    spawns: HashMap<u64, Answer<(i32, Moment)>>,
    signals: HashMap<u64, Answer<Moment>>,
    done: HashMap<u64, Answer<()>>,
}

/// Talks to the guardian. Cheap to clone; when the last copy is gone, so is the guardian.
#[derive(Clone)]
pub struct GuardianHandle {
    requests: mpsc::UnboundedSender<Request>,
    pending: Rc<RefCell<Pending>>,
    next: Rc<Cell<u64>>,
}

impl GuardianHandle {
    /// Takes over the socket; reports go to `reports`. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// When the socket cannot be registered with the runtime.
    pub fn connect(
        socket: std::os::unix::net::UnixStream,
        reports: mpsc::UnboundedSender<Report>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (read, write) = UnixStream::from_std(socket)?.into_split();
        let (requests, queue) = mpsc::unbounded_channel();
        let pending = Rc::new(RefCell::new(Pending::default()));
        tokio::task::spawn_local(write_requests(write, queue));
        tokio::task::spawn_local(read_notices(read, Rc::clone(&pending), reports));
        Ok(Self { requests, pending, next: Rc::new(Cell::new(1)) })
    }

    /// A number for the next process. Known before the process starts, so that its exit can be told apart
    /// however early it comes.
    pub fn next_id(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    /// Starts a process under a number from [`next_id`](Self::next_id); gives its pid and the moment.
    ///
    /// # Errors
    /// A sentence that names the program or file that refused.
    pub async fn spawn(&self, id: u64, what: SpawnRequest) -> Result<(i32, Moment), String> {
        let (sender, receiver) = oneshot::channel();
        self.pending.borrow_mut().spawns.insert(id, sender);
        self.ask(Request::Spawn { id, what }, receiver).await
    }

    /// Sends a signal to the process with this number; gives the moment it was sent.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn signal(&self, id: u64, signal: i32) -> Result<Moment, String> {
        let request = self.next_id();
        let (sender, receiver) = oneshot::channel();
        self.pending.borrow_mut().signals.insert(request, sender);
        self.ask(Request::Signal { id, request, signal }, receiver).await
    }

    /// Kills every descendant of the guardian and waits until none is left.
    ///
    /// # Errors
    /// When the guardian is gone.
    pub async fn sweep(&self) -> Result<(), String> {
        self.ask_until_done(|request| Request::Sweep { request }).await
    }

    /// Has the guardian remove a directory if the supervisor is killed.
    pub fn remove_when_orphaned(&self, path: PathBuf) {
        let _ = self.requests.send(Request::RemoveWhenOrphaned { path });
    }

    /// Takes [`remove_when_orphaned`](Self::remove_when_orphaned) back; in force when this returns.
    ///
    /// # Errors
    /// When the guardian is gone.
    pub async fn keep_when_orphaned(&self) -> Result<(), String> {
        self.ask_until_done(|request| Request::KeepWhenOrphaned { request }).await
    }

    async fn ask_until_done(&self, ask: impl FnOnce(u64) -> Request) -> Result<(), String> {
        let request = self.next_id();
        let (sender, receiver) = oneshot::channel();
        self.pending.borrow_mut().done.insert(request, sender);
        self.ask(ask(request), receiver).await
    }

    async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, String>>,
    ) -> Result<T, String> {
        let lost = || "the guardian process is gone".to_owned();
        if self.pending.borrow().lost {
            return Err(lost());
        }
        self.requests.send(request).map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?
    }
}

async fn write_requests(mut socket: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Request>) {
    while let Some(request) = queue.recv().await {
        if socket.write_all(&encode(&request)).await.is_err() {
            return;
        }
    }
}

async fn read_notices(
    mut socket: OwnedReadHalf,
    pending: Rc<RefCell<Pending>>,
    reports: mpsc::UnboundedSender<Report>,
) {
    let mut input = Vec::new();
    loop {
        match socket.read_buf(&mut input).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        while let Ok(Some(notice)) = decode(&mut input) {
            deliver(notice, &pending, &reports);
        }
    }
    // Dropping the senders makes every waiting request fail.
    *pending.borrow_mut() = Pending { lost: true, ..Pending::default() };
    let _ = reports.send(Report::Lost);
}

fn deliver(notice: Notice, pending: &RefCell<Pending>, reports: &mpsc::UnboundedSender<Report>) {
    let mut pending = pending.borrow_mut();
    match notice {
        Notice::Spawned { id, pid, at } => {
            if let Some(waiting) = pending.spawns.remove(&id) {
                let _ = waiting.send(Ok((pid, at)));
            }
        }
        Notice::SpawnFailed { id, error } => {
            if let Some(waiting) = pending.spawns.remove(&id) {
                let _ = waiting.send(Err(error));
            }
        }
        Notice::Signalled { request, at, error } => {
            if let Some(waiting) = pending.signals.remove(&request) {
                let _ = waiting.send(error.map_or(Ok(at), Err));
            }
        }
        Notice::Done { request } => {
            if let Some(waiting) = pending.done.remove(&request) {
                let _ = waiting.send(Ok(()));
            }
        }
        Notice::Exited { id, pid, how, at } => {
            let _ = reports.send(Report::Exited { id, pid, how, at });
        }
    }
}
