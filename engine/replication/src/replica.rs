//! The replica's side: a machine that connects to a master, says who it is, takes a snapshot or
//! goes on without one, and passes the stream on.
//!
//! [`Link`] has no socket and no clock. Its owner opens and closes the connection as
//! [`Action`]s say, tells it what happened ([`Input`]) and at what time, and applies the data.

mod handshake;
mod link;
mod snapshot;

use std::ops::Range;

use crate::id::{Position, ReplId};

pub use link::Link;

/// How a replica presents itself, and its periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// The master's name or address.
    pub host: String,
    /// The master's port.
    pub port: u16,
    /// `masteruser`: `None` for the default user.
    pub user: Option<String>,
    /// `masterauth`: `None` when the master asks for no password.
    pub password: Option<String>,
    /// The port to tell the master: `replica-announce-port`, or the one listened on.
    pub announced_port: u16,
    /// `replica-announce-ip`: `None` to leave it to the connection's address.
    pub announced_ip: Option<String>,
    /// The version told to the master; `None` to say nothing, as before Redis 7.2.
    pub version: Option<String>,
    /// `repl-timeout`.
    pub timeout_ms: u64,
    /// Least time between two attempts when the first failed (Redis tries once a second).
    pub retry_ms: u64,
    /// Time between two acknowledgements, and between two newlines while loading (Redis: one
    /// second).
    pub ack_period_ms: u64,
    /// Where the owner puts a snapshot as it arrives; for the log only.
    pub destination: Destination,
    /// Whether the other server, a replica so far, is asked to become the master.
    pub handover: Handover,
}

impl LinkConfig {
    /// Redis's defaults, for a master at `host:port` and a server that listens on `own_port`.
    #[must_use]
    pub fn new(host: &str, port: u16, own_port: u16) -> Self {
        LinkConfig {
            host: host.to_owned(),
            port,
            user: None,
            password: None,
            announced_port: own_port,
            announced_ip: None,
            version: None,
            timeout_ms: 60_000,
            retry_ms: 1_000,
            ack_period_ms: 1_000,
            destination: Destination::Disk,
            handover: Handover::None,
        }
    }
}

/// Where a snapshot goes as it arrives (`repl-diskless-load`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Into a file, which is loaded when it is complete.
    Disk,
    /// Straight into the reader.
    Parser,
}

/// What `PSYNC` asks beside the stream (`FAILOVER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handover {
    /// Nothing.
    #[default]
    None,
    /// That the other server become the master. Asked until it is answered.
    Asked,
}

/// Something that happened to the connection or to the data.
#[derive(Debug)]
pub enum Input<'a> {
    /// The connection asked for is open.
    Connected,
    /// It could not be opened; the system's reason, such as `Connection refused`.
    ConnectFailed(String),
    /// Bytes from the master. Drain the actions before the next input: some are ranges of these
    /// bytes.
    Bytes(&'a [u8]),
    /// The master closed the connection, or it broke.
    Closed,
    /// The snapshot has been loaded: the data set is the master's, as of
    /// [`Action::StartFullSync`].
    Loaded,
    /// The snapshot could not be loaded, and the former data set may be gone; the reason.
    LoadFailed(String),
    /// The time that [`Link::next_timeout`] named has come. Early or repeated calls do no harm.
    Timeout,
}

/// What the owner is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a connection; answer with [`Input::Connected`] or [`Input::ConnectFailed`].
    Connect {
        /// The master's name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Write this to the connection.
    Send(Vec<u8>),
    /// A snapshot of the data at this position will come: make ready for [`Action::Snapshot`].
    StartFullSync(Position),
    /// The snapshot begins.
    SnapshotStart(SnapshotSize),
    /// The next bytes of the snapshot.
    Snapshot(Payload),
    /// The snapshot is complete: disconnect the server's own replicas (their data is of another
    /// history), load it, call [`crate::history::History::adopt`] with the position told by
    /// [`Action::StartFullSync`], and answer [`Input::Loaded`], or [`Input::LoadFailed`]. Bytes
    /// that arrive before that are kept; better not read any.
    SnapshotDone,
    /// The master goes on from where this replica stopped. Call
    /// [`crate::history::History::go_on`] with the id.
    PartialAccepted {
        /// The history's name as the master knows it, when it said one.
        id: Option<ReplId>,
    },
    /// The other server has become the master, as [`LinkConfig::handover`] asked.
    HandoverAccepted,
    /// It will not, or it is gone before it said so.
    HandoverRefused,
    /// The next bytes of the stream: commands, cut anywhere. When they have been applied, tell
    /// [`Link::applied`].
    Stream(Payload),
    /// Close the connection, and drop what of the stream has arrived but is not a complete
    /// command: it will be sent again. Nothing that comes from the old connection after this is
    /// to be passed in.
    Disconnect,
    /// Write a line to the log.
    Log(Level, String),
}

/// How long a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotSize {
    /// This many bytes.
    Known(u64),
    /// The master does not know yet.
    Unknown,
}

/// Bytes handed on, where possible without copying them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// This range of the bytes given in the last [`Input::Bytes`].
    Input(Range<usize>),
    /// Bytes kept from earlier inputs.
    Kept(Vec<u8>),
}

impl Payload {
    /// The bytes; `input` are those given in the last [`Input::Bytes`] (anything, if the last
    /// input was another one).
    #[must_use]
    pub fn bytes<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        match self {
            Payload::Input(range) => &input[range.clone()],
            Payload::Kept(bytes) => bytes,
        }
    }
}

/// Severity of a log line, as `loglevel` orders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `.`
    Debug,
    /// `-`
    Verbose,
    /// `*`
    Notice,
    /// `#`
    Warning,
}

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Waiting for the next attempt.
    Connect,
    /// Waiting for the connection to open.
    Connecting,
    /// Talking: from `PING` to the answer to `PSYNC`.
    Handshake,
    /// Receiving a snapshot.
    Transfer,
    /// Waiting for the owner to have loaded it.
    Loading,
    /// Receiving the stream.
    Online,
}

impl LinkState {
    /// The fourth element of `ROLE` on a replica.
    #[must_use]
    pub fn role_name(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Transfer | LinkState::Loading => "sync",
            LinkState::Online => "connected",
        }
    }
}

/// What `INFO replication` tells of a transfer under way (`master_sync_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    /// `master_sync_total_bytes`, `None` (shown as 0, with -1 left) when it is not known.
    pub total_bytes: Option<u64>,
    /// `master_sync_read_bytes`.
    pub read_bytes: u64,
    /// When bytes last arrived, for `master_sync_last_io_seconds_ago`.
    pub last_io_ms: u64,
}
