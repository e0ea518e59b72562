//! What the machine asks of its shell, and what the shell tells it.

use std::net::IpAddr;

use crate::{event::Event, event::Level, link::LinkId, scripts::ScriptId, value::Value};

/// What the shell must do. Actions are carried out in the order polled.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open a connection; answer with [`Input::Connected`],
    /// [`Input::ConnectFailed`] or [`Input::Closed`]. A link id is never used
    /// twice.
    Connect {
        /// Names the connection from now on.
        link: LinkId,
        /// An IP literal.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// Write one command to an open link.
    Send {
        /// A link that was reported connected and not closed since.
        link: LinkId,
        /// The command and its arguments.
        args: Vec<Vec<u8>>,
    },
    /// Close a link, whether it is open or still connecting. Nothing further
    /// about it need be reported; what is reported is ignored.
    Close {
        /// The link.
        link: LinkId,
    },
    /// Look a host name up; answer with [`Input::Resolved`].
    Resolve {
        /// The name.
        host: String,
    },
    /// Log an event and publish it (see [`Event::is_published`]).
    Event(Event),
    /// Write a plain log line.
    Log {
        /// The line's weight.
        level: Level,
        /// The line.
        text: String,
    },
    /// Replace the configuration file atomically and fsync it **before**
    /// anything polled later is done and before a command's reply is written:
    /// a vote that could be forgotten in a crash must not be given.
    Persist(Vec<u8>),
    /// Start a program in the background; answer with
    /// [`Input::ScriptStarted`], later [`Input::ScriptEnded`].
    RunScript {
        /// Names the run.
        id: ScriptId,
        /// The program.
        path: String,
        /// Its arguments, the program's name not included.
        args: Vec<String>,
    },
    /// Kill a running program with SIGKILL; its end is still to be reported.
    KillScript {
        /// The run.
        id: ScriptId,
    },
    /// End the process at once (a simulated crash was asked for).
    Exit {
        /// The exit code.
        code: i32,
    },
}

/// What happened outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The moment of [`Sentinel::next_timeout`](crate::Sentinel::next_timeout) came.
    Tick,
    /// A connection is established.
    Connected {
        /// The link.
        link: LinkId,
        /// The address of our end: it is what we announce to the others.
        local_ip: IpAddr,
    },
    /// A connection could not even be begun: the system refused at once.
    ConnectFailed {
        /// The link.
        link: LinkId,
        /// The reason, for the log.
        error: String,
    },
    /// A connection ended, or was refused by the other side or the network.
    Closed {
        /// The link.
        link: LinkId,
    },
    /// One reply or pub/sub message arrived, in the order of the link.
    Reply {
        /// The link.
        link: LinkId,
        /// What was said.
        reply: Value,
    },
    /// A host name was looked up.
    Resolved {
        /// As asked in [`Action::Resolve`].
        host: String,
        /// `None` when there is no address.
        ip: Option<IpAddr>,
    },
    /// A program runs.
    ScriptStarted {
        /// The run.
        id: ScriptId,
        /// Its process, shown by `SENTINEL PENDING-SCRIPTS`.
        pid: u32,
    },
    /// A program ended, or never began.
    ScriptEnded {
        /// The run.
        id: ScriptId,
        /// How.
        outcome: ScriptOutcome,
    },
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// With this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// The program is missing or not executable; treated as exit code 2,
    /// which is never retried.
    NotExecutable,
    /// The host had no process to give; retried later.
    ForkFailed,
}

/// What a command or the configuration needs of the outside at once.
pub trait Host {
    /// Whether `path` names a program this process may run.
    fn is_executable(&self, path: &str) -> bool;

    /// The address of a host name, for names that an operator gives and that
    /// are waited for, as Redis does. Others are asked for by
    /// [`Action::Resolve`].
    fn resolve(&self, name: &str) -> Option<IpAddr>;
}
