//! From a difference to what is done, in order, and how each step is taken back.
//!
//! Pure. A step says only what it is about; what it sets comes from the plan it leads to, so taking it back is
//! a step towards the plan before.

use super::difference::{Difference, MonitorChange, is_script};
use crate::plan::{MonitorId, NodeId, NodeKind, Plan};

/// Something done to the topology, on the way from one plan to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A sentinel ceases to watch a master.
    Unwatch(NodeId, MonitorId),
    /// A sentinel begins to watch a master.
    Watch(NodeId, MonitorId),
    /// A sentinel's settings of a master.
    Set(NodeId, MonitorId),
    /// A server's directives, while it runs.
    Configure(NodeId),
    /// A node stops and starts with what is new.
    Restart(NodeId),
    /// New nodes are laid out, started, and become ready.
    Join(Vec<NodeId>),
    /// A server follows another.
    Follow(NodeId),
    /// These nodes, and whoever watches or follows, become ready.
    Settle(Vec<NodeId>),
    /// The sentinels of a master forget peers that watch it no more.
    Forget(MonitorId),
    /// A node gives its role away, stops, and is forgotten by the sentinels.
    Leave(NodeId),
    /// A node that left starts again with what it had.
    Return(NodeId),
}

impl Step {
    /// What takes it back, also when it was done in part.
    pub fn undo(&self) -> Vec<Step> {
        match self {
            Self::Unwatch(sentinel, monitor) => vec![Self::Watch(*sentinel, *monitor)],
            Self::Watch(sentinel, monitor) => vec![Self::Unwatch(*sentinel, *monitor)],
            Self::Join(nodes) => nodes.iter().rev().map(|&node| Self::Leave(node)).collect(),
            Self::Leave(node) => vec![Self::Return(*node)],
            Self::Settle(_) | Self::Forget(_) => Vec::new(),
            other => vec![other.clone()],
        }
    }
}

/// All steps of a difference. What may fail comes before what cannot be had back without loss: nodes leave
/// last, when everything else is ready.
pub fn steps(old: &Plan, difference: &Difference) -> Vec<Step> {
    let target = &difference.target;
    let is_process = |id: &NodeId| target.node(*id).is_process();
    let (processes, servers): (Vec<NodeId>, Vec<NodeId>) =
        difference.added.iter().partition(|id| is_process(id));
    let restarted: Vec<NodeId> = difference
        .changed
        .iter()
        .filter(|change| !change.restart.is_empty())
        .map(|change| change.node)
        .collect();
    let mut out = Vec::new();
    let live = |id: &&NodeId| !restarted.contains(id);
    for change in &difference.monitors {
        out.extend(change.left.iter().filter(live).map(|&id| Step::Unwatch(id, change.monitor)));
    }
    let configured = difference.changed.iter().filter(|change| !change.directives.is_empty());
    out.extend(configured.map(|change| change.node).filter(|id| live(&id)).map(Step::Configure));
    out.extend(restarted.iter().filter(|id| !is_process(id)).map(|&id| Step::Restart(id)));
    if !servers.is_empty() {
        out.push(Step::Join(servers.clone()));
    }
    let following = difference.changed.iter().filter(|change| change.follows.is_some());
    out.extend(following.map(|change| Step::Follow(change.node)));
    for change in &difference.monitors {
        out.extend(change.joined.iter().filter(live).map(|&id| Step::Watch(id, change.monitor)));
        if change.settings.iter().any(|(name, ..)| !is_script(name)) {
            let watching = target.monitors[change.monitor.0 as usize].sentinels.iter();
            let others = |id: &&NodeId| !change.joined.contains(id) && !difference.added.contains(id);
            out.extend(watching.filter(live).filter(others).map(|&id| Step::Set(id, change.monitor)));
        }
    }
    let fewer = |change: &&MonitorChange| !change.left.is_empty() && watched(target, change.monitor);
    out.extend(difference.monitors.iter().filter(fewer).map(|change| Step::Forget(change.monitor)));
    let touched = touched(difference, &servers);
    if !touched.is_empty() {
        out.push(Step::Settle(touched));
    }
    out.extend(restarted.iter().filter(|id| is_process(id)).map(|&id| Step::Restart(id)));
    if !processes.is_empty() {
        out.push(Step::Join(processes));
    }
    out.extend(leaving(old, &difference.removed).into_iter().map(Step::Leave));
    out
}

fn watched(plan: &Plan, monitor: MonitorId) -> bool {
    plan.monitors_in_force().any(|(id, _)| id == monitor)
}

/// Servers and sentinels whose readiness may have suffered.
fn touched(difference: &Difference, added: &[NodeId]) -> Vec<NodeId> {
    let target = &difference.target;
    let mut touched: Vec<NodeId> = added.to_vec();
    touched.extend(
        difference.changed.iter().map(|change| change.node).filter(|&id| !target.node(id).is_process()),
    );
    let roots: Vec<NodeId> = touched.iter().map(|&id| root(target, id)).collect();
    for (id, monitor) in target.monitors_in_force() {
        let changes = difference.monitors.iter().any(|change| change.monitor == id);
        let joined = monitor.sentinels.iter().any(|id| added.contains(id));
        if changes || joined || roots.contains(&monitor.master) {
            touched.extend(&monitor.sentinels);
        }
    }
    touched.sort();
    touched.dedup();
    touched
}

/// The master at the top of a node's chain.
fn root(plan: &Plan, id: NodeId) -> NodeId {
    let mut top = id;
    while let NodeKind::Replica { of } = plan.node(top).kind {
        top = of;
    }
    top
}

/// Who leaves first: applications, who watches, who follows, masters.
fn leaving(old: &Plan, removed: &[NodeId]) -> Vec<NodeId> {
    let mut leaving = removed.to_vec();
    leaving.sort_by_key(|&id| match old.node(id).kind {
        NodeKind::Process { .. } => 0,
        NodeKind::Sentinel => 1,
        NodeKind::Replica { .. } => 2,
        NodeKind::Master => 3,
    });
    leaving
}
