//! The live view as a thread: asks the control socket, reads keys, draws.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ratatui::crossterm::event::{self, Event as Input, KeyEvent};
use tokio::sync::oneshot;

use super::draw::{Palette, draw};
use super::state::{Command, Purpose, State};
use super::terminal::{self, Screen};
use crate::control::ask::{AskError, Up, describe};
use crate::control::protocol::{Answer, NodeStatus, Request, Verb};
use crate::history::Event;
use crate::watch::log::{LogTail, last_lines};

/// How often the nodes are asked how they are.
const STATUS_PERIOD: Duration = Duration::from_millis(500);
/// How often a log that is shown is looked at, and the clock is drawn.
const TICK: Duration = Duration::from_millis(200);
/// How often the reader of keys looks whether it is to end.
const KEY_PERIOD: Duration = Duration::from_millis(50);
/// Lines of a log when it is opened.
const LOG_LINES: usize = 1000;

const OTHERWISE: &str = "the supervisor answered something else";

/// How a view ended.
#[derive(Debug)]
pub enum End {
    /// By the key for it.
    Quit,
    /// By Ctrl-C.
    Interrupted,
    /// It was closed from outside.
    Closed,
    /// The topology is down.
    Gone,
    /// The terminal failed.
    Failed(io::Error),
    /// Something in this program has failed, has said so, and has given the terminal back.
    Broken,
}

enum Message {
    Key(KeyEvent),
    Resized,
    Status(Vec<NodeStatus>),
    Happened(Box<Event>),
    /// What came of an action: the node and its state, or why not.
    Acted(Result<(String, String), String>),
    Log(String, PathBuf),
    Gone,
    Close,
}

/// An open view.
pub struct View {
    thread: JoinHandle<()>,
    messages: Sender<Message>,
    ended: Option<oneshot::Receiver<End>>,
}

impl View {
    /// Opens the view of the topology in a run directory.
    ///
    /// # Errors
    /// When the topology does not say who it is. What the terminal refuses is told as the view's end.
    pub fn open(run: &Path, purpose: Purpose, palette: Palette) -> Result<Self, AskError> {
        let (messages, inbox) = channel();
        let (end, ended) = oneshot::channel();
        let run = run.to_owned();
        let outbox = messages.clone();
        let work = move || {
            let up = match describe(&run) {
                Ok(description) => Up { dir: run, description },
                Err(source) => {
                    let _ = end.send(End::Failed(source));
                    return;
                }
            };
            let finished = show(up, purpose, palette, &outbox, &inbox).unwrap_or_else(End::Failed);
            terminal::restore();
            let _ = end.send(finished);
        };
        let thread = std::thread::Builder::new().name("view".to_owned()).spawn(work);
        let thread = thread.map_err(|error| AskError::Refused(format!("cannot start a thread: {error}")))?;
        Ok(Self { thread, messages, ended: Some(ended) })
    }

    /// Tells how it ended, once it has; to be asked once.
    pub fn ended(&mut self) -> impl Future<Output = End> + use<> {
        let ended = self.ended.take();
        async move {
            match ended {
                Some(ended) => ended.await.unwrap_or(End::Broken),
                None => std::future::pending().await,
            }
        }
    }

    /// Closes it; the terminal is as it was when this returns. The view may be waiting for an answer of this very
    /// process, so nothing is blocked meanwhile.
    pub async fn close(self) {
        let _ = self.messages.send(Message::Close);
        // A view that panicked has restored the terminal in its hook.
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

fn show(
    up: Up,
    purpose: Purpose,
    palette: Palette,
    outbox: &Sender<Message>,
    inbox: &Receiver<Message>,
) -> io::Result<End> {
    if matches!(inbox.try_recv(), Ok(Message::Close)) {
        return Ok(End::Closed);
    }
    let mut screen = terminal::take()?;
    let keys = Keys::read(outbox.clone());
    follow_events(copy(&up), outbox.clone());
    follow_status(copy(&up), outbox.clone());
    let state = State::new(purpose, up.description.clone());
    let shown = Shown { up, state, log: None, outbox: outbox.clone() }.run(&mut screen, palette, inbox);
    drop(keys);
    shown
}

/// The reader of keys. Nothing may read the terminal any more once it is given back, so it ends with the value.
struct Keys {
    over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Keys {
    fn read(outbox: Sender<Message>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let reader = Some(read_keys(outbox, Arc::clone(&over)));
        Self { over, reader }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

fn copy(up: &Up) -> Up {
    Up { dir: up.dir.clone(), description: up.description.clone() }
}

fn read_keys(outbox: Sender<Message>, over: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            let message = match event::poll(KEY_PERIOD) {
                Ok(false) => continue,
                Ok(true) => match event::read() {
                    Ok(Input::Key(key)) => Message::Key(key),
                    Ok(Input::Resize(..)) => Message::Resized,
                    Ok(_) => continue,
                    // The terminal is gone.
                    Err(_) => Message::Close,
                },
                Err(_) => Message::Close,
            };
            let over = matches!(message, Message::Close);
            if outbox.send(message).is_err() || over {
                return;
            }
        }
    })
}

fn follow_events(up: Up, outbox: Sender<Message>) {
    std::thread::spawn(move || {
        let _ = up.events(true, |event| outbox.send(Message::Happened(Box::new(event.clone()))).is_ok());
        let _ = outbox.send(Message::Gone);
    });
}

fn follow_status(up: Up, outbox: Sender<Message>) {
    std::thread::spawn(move || {
        loop {
            if let Ok(Answer::Status { nodes }) = up.ask(&Request::Status)
                && outbox.send(Message::Status(nodes)).is_err()
            {
                return;
            }
            std::thread::sleep(STATUS_PERIOD);
        }
    });
}

struct Shown {
    up: Up,
    state: State,
    log: Option<LogTail>,
    outbox: Sender<Message>,
}

impl Shown {
    fn run(mut self, screen: &mut Screen, palette: Palette, inbox: &Receiver<Message>) -> io::Result<End> {
        loop {
            // Another thread's panic has given it back, and its message is on the screen.
            if !terminal::is_taken() {
                return Ok(End::Broken);
            }
            self.state.now_ms = now_ms();
            if terminal::is_outgrown(screen) {
                *screen = terminal::blank()?;
            }
            screen.draw(|frame| draw(frame, &self.state, palette))?;
            let mut next = match inbox.recv_timeout(TICK) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(End::Closed),
            };
            // All that is there is taken before anything is drawn.
            while let Some(message) = next {
                if let Some(end) = self.take(message, screen)? {
                    return Ok(end);
                }
                next = inbox.try_recv().ok();
            }
            if let Some(tail) = &mut self.log {
                let lines = tail.new_lines();
                self.state.log_lines(lines);
            }
        }
    }

    fn take(&mut self, message: Message, screen: &mut Screen) -> io::Result<Option<End>> {
        match message {
            Message::Key(key) => return self.key(key, screen),
            // The next drawing finds the new size.
            Message::Resized => {}
            Message::Status(nodes) => self.state.status(nodes),
            Message::Happened(event) => self.state.event(&event),
            Message::Acted(outcome) => {
                self.state.acted(outcome);
                self.ask_status();
            }
            Message::Log(name, path) => {
                if self.state.page == super::state::Page::Log(name) {
                    // Set up first: a line written between the two would be shown twice, never lost.
                    self.log = Some(LogTail::at_end(path.clone()));
                    self.state.log_lines(last_lines(&path, LOG_LINES));
                }
            }
            Message::Gone => return Ok(Some(End::Gone)),
            Message::Close => return Ok(Some(End::Closed)),
        }
        Ok(None)
    }

    fn key(&mut self, key: KeyEvent, screen: &mut Screen) -> io::Result<Option<End>> {
        match self.state.key(key) {
            None => {}
            Some(Command::Quit) => return Ok(Some(End::Quit)),
            Some(Command::Interrupt) => return Ok(Some(End::Interrupted)),
            Some(Command::Suspend) => *screen = terminal::suspend()?,
            Some(Command::Redraw) => *screen = terminal::blank()?,
            Some(Command::Act(verb, node)) => self.act(verb, node),
            Some(Command::OpenLog(node)) => self.locate(node),
            Some(Command::CloseLog) => self.log = None,
        }
        Ok(None)
    }

    /// Asks beside the drawing: a graceful stop may take seconds.
    fn act(&self, verb: Verb, node: String) {
        let (up, outbox) = (copy(&self.up), self.outbox.clone());
        std::thread::spawn(move || {
            let outcome = match up.ask(&Request::Act { verb, node }) {
                Ok(Answer::Done { node, state }) => Ok((node, state)),
                Ok(_) => Err(OTHERWISE.to_owned()),
                Err(error) => Err(error.to_string()),
            };
            let _ = outbox.send(Message::Acted(outcome));
        });
    }

    fn locate(&self, node: String) {
        let (up, outbox) = (copy(&self.up), self.outbox.clone());
        std::thread::spawn(move || {
            let message = match up.ask(&Request::Locate { node: node.clone() }) {
                Ok(Answer::Place { log, .. }) => Message::Log(node, log),
                Ok(_) => Message::Acted(Err(OTHERWISE.to_owned())),
                Err(error) => Message::Acted(Err(error.to_string())),
            };
            let _ = outbox.send(message);
        });
    }

    /// Shows what an action did without waiting for the next round.
    fn ask_status(&self) {
        let (up, outbox) = (copy(&self.up), self.outbox.clone());
        std::thread::spawn(move || {
            if let Ok(Answer::Status { nodes }) = up.ask(&Request::Status) {
                let _ = outbox.send(Message::Status(nodes));
            }
        });
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
