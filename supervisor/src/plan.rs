//! The plan: what a topology script declares, as pure data.
//!
//! Evaluating a script yields a [`Plan`] and starts nothing. A plan can be printed, compared, saved as
//! JSON and tested. Experiments appear in it by name, options and position only: their bodies stay in the
//! script, which every run evaluates anew. Ports are already allocated here, so a plan is the same for the
//! same script, parameters, seed and port allocator.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The version of the plan's form in JSON.
pub const PLAN_VERSION: u32 = 1;

/// Index of a node in [`Plan::nodes`]; stable within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// Index of a monitored master in [`Plan::monitors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MonitorId(pub u32);

/// A place in a script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The script's path as given, or the name of a built-in topology.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// Everything a script declares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// The topology's name: the script's file stem unless `topology(#{ name })` says otherwise.
    pub name: String,
    /// Which network the nodes live on.
    pub network: Network,
    /// Seed of every random choice in the run.
    pub seed: u64,
    /// Parameters declared with `param`, with the values in force.
    pub params: BTreeMap<String, String>,
    /// Nodes in order of declaration.
    pub nodes: Vec<Node>,
    /// Monitored masters in order of declaration.
    pub monitors: Vec<Monitor>,
    /// Experiments in order of declaration.
    pub experiments: Vec<Experiment>,
    /// What the script does by itself when something happens, in order of declaration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<Handler>,
    /// What a changed script has taken out of a topology that is up.
    #[serde(default, skip_serializing_if = "Retired::is_empty")]
    pub retired: Retired,
}

/// Nodes and monitors that are no more. They keep their places, so that ids in the history keep their meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Nodes.
    pub nodes: BTreeSet<NodeId>,
    /// Monitored masters.
    pub monitors: BTreeSet<MonitorId>,
}

impl Retired {
    fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.monitors.is_empty()
    }
}

impl Plan {
    /// Ids of all nodes in force, in order.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        let ids = (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId);
        let retired = self.retired.nodes.clone();
        ids.filter(move |id| !retired.contains(id))
    }

    /// All nodes in force, in order.
    pub fn nodes_in_force(&self) -> impl Iterator<Item = &Node> {
        self.node_ids().map(|id| self.node(id))
    }

    /// A node by id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The node of this name.
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        self.node_ids().find(|&id| self.node(id).name == name)
    }

    /// The node with this address.
    pub fn node_at(&self, wanted: SocketAddr) -> Option<NodeId> {
        self.node_ids().find(|&id| self.node(id).address() == wanted)
    }

    /// Monitors in force with their ids, in order.
    pub fn monitors_in_force(&self) -> impl Iterator<Item = (MonitorId, &Monitor)> {
        let ids = (0..u32::MAX).map(MonitorId).zip(&self.monitors);
        ids.filter(|(id, _)| !self.retired.monitors.contains(id))
    }

    /// The monitors that a sentinel has a part in.
    pub fn monitors_of(&self, sentinel: NodeId) -> impl Iterator<Item = &Monitor> {
        let monitors = self.monitors_in_force().map(|(_, monitor)| monitor);
        monitors.filter(move |monitor| monitor.sentinels.contains(&sentinel))
    }
}

/// The ids that names have in a plan. A script that is evaluated anew while its topology is up declares in another
/// order; its names tell who is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    nodes: BTreeMap<String, NodeId>,
    monitors: BTreeMap<String, MonitorId>,
}

impl Ids {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            nodes: plan.node_ids().map(|id| (plan.node(id).name.clone(), id)).collect(),
            monitors: plan.monitors_in_force().map(|(id, monitor)| (monitor.name.clone(), id)).collect(),
        }
    }

    /// The id of the node that is declared as the `place`-th.
    pub fn node(&self, name: &str, place: usize) -> NodeId {
        self.nodes.get(name).copied().unwrap_or(NodeId(place as u32))
    }

    /// The id of the monitored master that is declared as the `place`-th.
    pub fn monitor(&self, name: &str, place: usize) -> MonitorId {
        self.monitors.get(name).copied().unwrap_or(MonitorId(place as u32))
    }
}

/// The network the nodes live on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// 127.0.0.1 and distinct ports; links cannot be cut.
    #[default]
    Host,
}

/// One process of the topology.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name, as declared.
    pub name: String,
    /// What the node is at the start.
    pub kind: NodeKind,
    /// Address clients and peers use.
    pub ip: IpAddr,
    /// Port it listens on; 0 for a process, whose ports are its own business.
    pub port: u16,
    /// Which server program runs it.
    pub engine: EngineChoice,
    /// Directives given by the script, in order of the map's keys; values as redis.conf would have them.
    pub config: BTreeMap<String, String>,
    /// Extra environment.
    pub env: BTreeMap<String, String>,
    /// Directory to start from (copied into the node's own).
    pub data: Option<PathBuf>,
    /// What happens when the process ends by itself.
    pub restart: RestartPolicy,
    /// Where the script declared it.
    pub position: Position,
}

/// What a node is when it starts; roles change later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum NodeKind {
    /// A server without a master.
    Master,
    /// A server that replicates from another node.
    Replica {
        /// The node it is told to follow.
        of: NodeId,
    },
    /// A sentinel; what it monitors is in [`Plan::monitors`].
    Sentinel,
    /// The user's own program; it is started when all servers and sentinels are ready.
    Process {
        /// Program and arguments.
        command: Vec<String>,
        /// Where it runs: the script's folder.
        cwd: PathBuf,
        /// What its output must hold for it to be ready; none: it need only be started.
        ready: Option<String>,
    },
}

impl Node {
    /// Where it is reached.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// Whether it is the user's own program, and no server.
    pub fn is_process(&self) -> bool {
        matches!(self.kind, NodeKind::Process { .. })
    }

    /// What it is, in a word.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Master => "master",
            NodeKind::Replica { .. } => "replica",
            NodeKind::Sentinel => "sentinel",
            NodeKind::Process { .. } => "process",
        }
    }
}

/// The program a node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// This binary (`topple server`, `topple sentinel`).
    Topple,
    /// Another server's binary, e.g. `/usr/bin/redis-server`.
    Path(PathBuf),
}

/// Restart policy of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Leave it down.
    #[default]
    No,
    /// Start it again when it ends with another code than 0 or by a signal, with back-off.
    OnFailure,
    /// Start it again whatever it ended with, with back-off.
    Always,
}

/// A master watched by sentinels under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// The master's name, e.g. `mymaster`.
    pub name: String,
    /// The node that is master at the start.
    pub master: NodeId,
    /// The sentinels that watch it.
    pub sentinels: Vec<NodeId>,
    /// Votes needed for ODOWN.
    pub quorum: u32,
    /// `down-after-milliseconds`.
    pub down_after: Duration,
    /// `failover-timeout`.
    pub failover_timeout: Duration,
    /// `parallel-syncs`.
    pub parallel_syncs: u32,
    /// Absolute path of the script run for every event, if any.
    pub notification_script: Option<PathBuf>,
    /// Absolute path of the script run when the master's address changes, if any.
    pub client_reconfig_script: Option<PathBuf>,
    /// Where the script declared it.
    pub position: Position,
}

/// An `on_ready` or `on_event`, without its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handler {
    /// What it comes after.
    pub on: On,
    /// Where the script declared it.
    pub position: Position,
}

/// What a handler comes after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// A fresh topology is ready.
    Ready,
    /// A Sentinel event.
    Event {
        /// E.g. `+switch-master`; `*` for every one.
        event: String,
        /// Only from these sentinels; empty: any.
        from: Vec<NodeId>,
    },
}

impl On {
    /// Whether a sentinel's event is one of those.
    pub fn is(&self, sentinel: NodeId, said: &str) -> bool {
        match self {
            On::Ready => false,
            On::Event { event, from } => {
                (event == "*" || event == said) && (from.is_empty() || from.contains(&sentinel))
            }
        }
    }
}

/// An experiment, without its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Unique name.
    pub name: String,
    /// How often it runs.
    pub repeat: u32,
    /// Limit of one repeat.
    pub timeout: Duration,
    /// Whether each repeat starts from a fresh, ready topology with empty data.
    pub fresh: bool,
    /// Where the script declared it.
    pub position: Position,
}
