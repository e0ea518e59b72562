//! The only way an experiment touches anything: act, observe, wait, now, note.
//!
//! The language calls these from the script's thread and blocks on them. The supervisor implements the
//! trait for real processes; tests (and later the simulator) implement it in virtual time. Nothing here
//! knows how a node is started or how a link is cut.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::history::{Exit, Ledger, Moment, What};
use crate::plan::{Experiment, MonitorId, NodeId, On};

/// A running workload, numbered within a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkloadId(pub u32);

/// Something done to the topology.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// SIGKILL; returns once the process has ended.
    Kill(NodeId),
    /// SHUTDOWN-like graceful stop (SIGTERM), awaited; SIGKILL after the limit.
    Stop(NodeId),
    /// Start a node that is down, with the same command, port and data.
    Start(NodeId),
    /// Stop, then start.
    Restart(NodeId),
    /// SIGSTOP.
    Pause(NodeId),
    /// SIGCONT.
    Resume(NodeId),
    /// SENTINEL FAILOVER on the first sentinel that answers.
    Failover(MonitorId),
    /// CONFIG SET of one directive (SENTINEL CONFIG SET on a sentinel).
    ConfigSet(NodeId, String, String),
    /// Begin a workload.
    StartWorkload(WorkloadSpec),
}

/// What a workload does.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadSpec {
    /// Concurrent clients, one connection each.
    pub clients: u32,
    /// How clients find the server.
    pub via: Via,
    /// The operation: `set`, `get`, `incr`, or `mixed`.
    pub op: String,
    /// Bytes in a value.
    pub value_bytes: u32,
    /// Operations a second over all clients; none: as fast as replies come.
    pub rate: Option<u32>,
    /// Limit of one operation before the client counts it failed and reconnects.
    pub op_timeout: Duration,
}

/// How clients find the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Always this node.
    Node(NodeId),
    /// The master that the sentinels name.
    Monitor(MonitorId),
}

/// What an action gives back.
#[derive(Clone, Debug, PartialEq)]
pub enum Acted {
    /// Done at this moment (the moment the fault took effect).
    Done(Moment),
    /// A workload was started.
    Workload(WorkloadId),
}

/// A question to the topology.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Send a command to a node and give its reply.
    Command(NodeId, Vec<Vec<u8>>),
    /// INFO (all sections) as fields.
    Info(NodeId),
    /// Whether the process runs, is paused or has ended.
    Process(NodeId),
    /// The node that is the monitored master now, by the sentinels' majority.
    Master(MonitorId),
    /// How a running workload is doing.
    Workload(WorkloadId),
    /// Stop a workload: recovery is awaited, every acknowledged key read back.
    StopWorkload(WorkloadId),
    /// Notification and reconfiguration scripts run in this repeat, oldest first.
    ScriptRuns,
    /// The last lines of a node's log.
    Logs(NodeId, usize),
    /// What sentinels have said from this place of the record on.
    Heard(Heard),
}

/// A place in the record of what happened: handlers have seen everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard(pub usize);

impl Heard {
    /// Behind everything that has happened.
    pub const ALL: Self = Self(usize::MAX);
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A command's reply.
    Reply(resp::Value),
    /// INFO fields in order.
    Info(Vec<(String, String)>),
    /// Process state.
    Process(ProcessState),
    /// A node.
    Node(NodeId),
    /// A workload's progress.
    Workload(WorkloadStatus),
    /// A stopped workload's ledger.
    Ledger(Ledger),
    /// Script runs ([`What::ScriptRun`] with receipt time).
    ScriptRuns(Vec<(Moment, What)>),
    /// Log lines.
    Logs(Vec<String>),
    /// Sentinels' events, and the place behind the last one.
    Heard(Vec<SeenEvent>, Heard),
}

/// State of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Running, with this process id.
    Running(i32),
    /// Stopped by SIGSTOP.
    Paused(i32),
    /// Ended.
    Ended(Exit),
    /// Never started.
    NotStarted,
}

/// Progress of a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkloadStatus {
    /// Acknowledged so far.
    pub acked: u64,
    /// Failed so far.
    pub failed: u64,
    /// Whether every client's last operation succeeded within the last 250 ms.
    pub writing: bool,
    /// Longest time without a success so far.
    pub longest_outage_us: u64,
    /// Microseconds since the last success of any client.
    pub since_success_us: Option<u64>,
}

/// Something to wait for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// Until this moment.
    Until(Moment),
    /// The next moment at which looking again makes sense (an event came, or a few milliseconds passed),
    /// but not after the given one.
    Change(Moment),
    /// A Sentinel event; gives the moments and texts matched.
    Event(EventFilter, Moment),
    /// Until a node's log holds a text that was not there at the last action, but not after the moment.
    Log(NodeId, String, Moment),
    /// Until the whole topology (or these nodes) is ready, but not after the moment.
    Ready(Vec<NodeId>, Moment),
}

/// Which Sentinel events count.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct EventFilter {
    /// E.g. `+switch-master`.
    pub event: String,
    /// Only from these sentinels; empty: any.
    pub from: Vec<NodeId>,
    /// How many must have come (from different sentinels when more than one).
    pub count: u32,
    /// Only events received after this moment.
    pub after: Moment,
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Waited {
    /// What was waited for came; events matched, if events were.
    Came(Vec<SeenEvent>),
    /// The limit passed first; what was seen instead, a line each.
    TimedOut {
        /// Lines for the error message.
        seen: Vec<String>,
    },
    /// Something came that a handler listens for; the wait is not over.
    Heard,
}

/// What handlers listen for while the script waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listening {
    /// What they come after; nothing: no wait is broken off.
    pub to: Vec<On>,
    /// Only what comes from here on.
    pub from: Heard,
}

/// What a repeat begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// A fresh, ready topology with empty data.
    Fresh,
    /// The topology of the last repeat, as it left it.
    GoesOn,
}

/// A Sentinel event as seen by a wait.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenEvent {
    /// Receipt time.
    pub at: Moment,
    /// The sentinel.
    pub node: NodeId,
    /// E.g. `+switch-master`.
    pub event: String,
    /// Its text.
    pub text: String,
}

/// Why the world could not do or answer something.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorldError {
    /// The node did not answer; the reason, and its last log lines.
    #[error("{node} did not answer: {reason}")]
    Unreachable {
        /// The node's name.
        node: String,
        /// Why.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The action makes no sense now (starting a node that runs, resuming one that is not paused).
    #[error("{0}")]
    Refused(String),
    /// It cannot be done yet: a wait tries again.
    #[error("{0}")]
    NotYet(String),
    /// The machine refused (port taken, no permission, binary missing).
    #[error("{0}")]
    Environment(String),
    /// The run is being ended (Ctrl-C, the repeat's time-out).
    #[error("{0}")]
    Interrupted(String),
}

/// The living topology, as an experiment sees it.
pub trait World {
    /// Microseconds since the run began.
    fn now(&self) -> Moment;
    /// Does something; recorded in the history.
    fn act(&mut self, action: Action) -> Result<Acted, WorldError>;
    /// Answers a question.
    fn observe(&mut self, query: Query) -> Result<Observation, WorldError>;
    /// Blocks until something happens or a limit passes, or until a handler is wanted.
    fn wait(&mut self, wait: Wait, listening: &Listening) -> Result<Waited, WorldError>;
    /// A handler begins: what it does is no action of the experiment's, after which waits look back.
    fn enter_handler(&mut self);
    /// The handler has ended.
    fn leave_handler(&mut self);
    /// Records a check, a measure, a print or a note.
    fn note(&mut self, what: What);
    /// Begins a repeat: a fresh, ready topology with empty data (or the last one, when `fresh` is off).
    fn begin(&mut self, experiment: &Experiment, index: u32, repeat: u32) -> Result<Begun, WorldError>;
    /// Ends a repeat.
    fn end(&mut self, outcome: crate::history::Outcome);
    /// When the repeat that runs must be over, if one runs: waits and the script stop then.
    fn deadline(&self) -> Option<Moment>;
}
