//! The event history of a run: the one record that the report is computed from.
//!
//! Everything that happened is an [`Event`]: what the experiment did, what processes and sentinels said,
//! what clients saw, what was judged. Events carry the supervisor's receipt time (monotonic, from the
//! start of the run) and, where known, the node's own wall time. The format is versioned and is what
//! `--json` and a run's directory hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{MonitorId, NodeId, Plan};

/// Microseconds since the run began, on the supervisor's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(pub u64);

/// A version of the history's form.
pub const HISTORY_VERSION: u32 = 1;

/// Everything recorded about one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// [`HISTORY_VERSION`].
    pub version: u32,
    /// Unix time in milliseconds at [`Moment`] 0.
    pub started_wall_ms: i64,
    /// The plan that was run.
    pub plan: Plan,
    /// Events in order of receipt.
    pub events: Vec<Event>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When the supervisor knew.
    pub at: Moment,
    /// The node's own wall time in Unix milliseconds, where the source says it.
    pub node_wall_ms: Option<i64>,
    /// The experiment and repeat it belongs to; none while the first topology comes up.
    pub during: Option<During>,
    /// What it was.
    pub what: What,
}

/// Which repeat of which experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct During {
    /// Index in [`Plan::experiments`].
    pub experiment: u32,
    /// Repeat, from 0.
    pub repeat: u32,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A repeat begins: its fresh topology is about to be started.
    RepeatBegin,
    /// A repeat ended.
    RepeatEnd {
        /// How.
        outcome: Outcome,
    },
    /// A process was started.
    Started {
        /// Which node.
        node: NodeId,
        /// Its process id.
        pid: i32,
    },
    /// A process ended.
    Exited {
        /// Which node.
        node: NodeId,
        /// Its process id.
        pid: i32,
        /// How it ended.
        how: Exit,
        /// Whether the experiment asked for it.
        expected: bool,
    },
    /// The topology, or a part waited for, is ready.
    Ready {
        /// Time from the first start to ready.
        took_us: u64,
    },
    /// The experiment acted on nodes.
    Action {
        /// The verb, as in the language: `kill`, `pause`…
        verb: String,
        /// The nodes concerned.
        nodes: Vec<NodeId>,
        /// Anything else worth reading, e.g. the command sent.
        detail: String,
    },
    /// A sentinel published an event.
    Sentinel {
        /// The sentinel that said so.
        node: NodeId,
        /// The monitored master it is about, where it names one.
        monitor: Option<MonitorId>,
        /// E.g. `+sdown`.
        event: String,
        /// Its text, e.g. `master mymaster 127.0.0.1 6379`.
        text: String,
    },
    /// A node's role as it reports it changed.
    Role {
        /// Which node.
        node: NodeId,
        /// `master` or `slave`.
        role: String,
    },
    /// A notification or reconfiguration script ran.
    ScriptRun {
        /// The sentinel that ran it.
        node: NodeId,
        /// Its command line.
        argv: Vec<String>,
        /// What it wrote, cut at 4 KiB.
        output: String,
        /// How it ended; none when it could not be started.
        how: Option<Exit>,
        /// How long it ran.
        took_us: u64,
    },
    /// A workload began.
    WorkloadBegin {
        /// Its number within the repeat.
        workload: u32,
        /// Its options, for the report.
        detail: String,
    },
    /// Clients of a workload could not complete operations between two moments.
    Outage {
        /// The workload.
        workload: u32,
        /// Last success before.
        from: Moment,
        /// First success after; none when it never recovered.
        until: Option<Moment>,
        /// Clients touched.
        clients: u32,
        /// The errors they saw, with counts.
        errors: BTreeMap<String, u64>,
    },
    /// The first write acknowledged by another node than before.
    FirstWrite {
        /// The workload.
        workload: u32,
        /// The node that acknowledged it.
        node: NodeId,
    },
    /// A workload was stopped and every acknowledged key read back.
    WorkloadEnd {
        /// The workload.
        workload: u32,
        /// What came of it.
        ledger: Ledger,
    },
    /// A `check` or `require` was judged.
    Check {
        /// What it says.
        label: String,
        /// Whether it held.
        held: bool,
        /// Whether its failure ends the repeat (`require`).
        fatal: bool,
        /// Where.
        line: usize,
        /// The imported file that the line is of; none: the script itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// A figure was measured.
    Measure {
        /// Its name.
        name: String,
        /// Its value in `unit`.
        value: f64,
        /// `ms`, or empty for a plain number.
        unit: String,
        /// Upper limit it is judged by.
        max: Option<f64>,
        /// Lower limit it is judged by.
        min: Option<f64>,
    },
    /// The script printed a line.
    Print {
        /// The line.
        text: String,
    },
    /// Another plan is in force from here on: the script has changed under `up --watch`. Ids keep their meaning.
    Plan {
        /// The plan.
        plan: Box<Plan>,
    },
    /// What a changed script does to the topology that is up.
    Reload {
        /// How far it is.
        stage: ReloadStage,
        /// The node concerned, if one is.
        node: Option<NodeId>,
        /// The text; of a mistake several lines, as `check` shows it.
        text: String,
    },
    /// Something the reader should know (a sampler fell behind, a log line of level warning…).
    Note {
        /// The node concerned, if one is.
        node: Option<NodeId>,
        /// The text.
        text: String,
    },
}

/// How far a changed script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadStage {
    /// It has mistakes, or asks for what a living topology cannot become; nothing is changed.
    Refused,
    /// This will be done.
    Planned,
    /// Said on the way.
    Told,
    /// All of it was done.
    Done,
    /// Something failed; what was done before is undone.
    Failed,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// How a repeat ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every check and limit held.
    Passed,
    /// Some check or limit did not hold.
    Failed,
    /// The script or the bring-up failed with this message.
    Error(String),
}

/// What became of a workload's writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Writes the server acknowledged.
    pub acked: u64,
    /// Operations that failed or timed out (their fate is unknown).
    pub failed: u64,
    /// Acknowledged writes that could not be read back at the end.
    pub lost: u64,
    /// The lost ones, at most 1,000 of them.
    pub lost_writes: Vec<LostWrite>,
    /// Longest time without a success, in microseconds.
    pub longest_outage_us: u64,
    /// Latency of acknowledged operations: p50, p99, p99.9, max in microseconds.
    pub latency_us: [u64; 4],
}

/// An acknowledged write that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostWrite {
    /// The key.
    pub key: String,
    /// The node that acknowledged it.
    pub node: NodeId,
    /// When it was acknowledged.
    pub at: Moment,
}
