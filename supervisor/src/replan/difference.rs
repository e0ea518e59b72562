//! What a changed script changes, from plan to plan, as pure data.
//!
//! The living topology is not looked at: roles that a failover has moved are in neither plan, so an unrelated
//! change leaves them alone. Directives are compared as the generated configurations have them, so what the
//! topology implies (a replica's `masterauth`) counts too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use commands::config::Config;

use super::conf;
use super::merge::merge;
use crate::launch::{Paths, launch};
use crate::plan::{EngineChoice, Monitor, MonitorId, Node, NodeId, NodeKind, Plan, RestartPolicy};

/// Everything that is to be done to the topology.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The new plan, in the ids of the old one.
    pub target: Plan,
    /// Nodes to start.
    pub added: Vec<NodeId>,
    /// Nodes to end.
    pub removed: Vec<NodeId>,
    /// Nodes that go on, otherwise than before.
    pub changed: Vec<NodeChange>,
    /// Monitored masters that are new, gone or otherwise.
    pub monitors: Vec<MonitorChange>,
    /// Nodes whose restart policy is another.
    pub policies: Vec<NodeId>,
    /// What the reader should know beside, with the node it is about.
    pub notes: Vec<(NodeId, String)>,
}

/// A node that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeChange {
    /// Which.
    pub node: NodeId,
    /// Directives that are otherwise.
    pub directives: Vec<DirectiveChange>,
    /// The node it follows now (none: nobody), if the script says otherwise than before.
    pub follows: Option<Option<NodeId>>,
    /// Why it must be restarted; empty when everything can be set while it runs.
    pub restart: Vec<String>,
}

/// A directive of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectiveChange {
    /// Its name.
    pub name: String,
    /// Its values before.
    pub old: Vec<String>,
    /// Its values now; none: the server's default.
    pub new: Vec<String>,
    /// What CONFIG SET takes; none when it cannot be set live.
    pub live: Option<String>,
}

/// A monitored master.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorChange {
    /// Which.
    pub monitor: MonitorId,
    /// Sentinels that run already and begin to watch it.
    pub joined: Vec<NodeId>,
    /// Sentinels that go on running and cease to watch it.
    pub left: Vec<NodeId>,
    /// Settings that are otherwise, for the sentinels that watch it before and after: name, before, now.
    pub settings: Vec<(String, Option<String>, Option<String>)>,
}

impl Difference {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.monitors.is_empty()
    }

    /// The change of a node, if it has one.
    pub fn change(&self, node: NodeId) -> Option<&NodeChange> {
        self.changed.iter().find(|change| change.node == node)
    }
}

/// Compares the plan in force with that of the changed script.
///
/// # Errors
/// What a living topology cannot become, a sentence each.
pub fn difference(old: &Plan, new: &Plan) -> Result<Difference, Vec<String>> {
    let target = merge(old, new);
    let refused = refusals(old, &target);
    if !refused.is_empty() {
        return Err(refused);
    }
    let stays = |id: &NodeId| old.node_ids().any(|other| other == *id);
    let (kept, added): (Vec<NodeId>, Vec<NodeId>) = target.node_ids().partition(stays);
    let removed = old.node_ids().filter(|id| target.retired.nodes.contains(id)).collect();
    let mut found = Difference { added, removed, ..Difference::default() };
    found.monitors = monitor_changes(old, &target, &kept);
    for &id in &kept {
        let mut change = node_change(old, &target, id);
        scripts_need_a_restart(&target, &found.monitors, &mut change);
        if change.follows.is_some() || !change.directives.is_empty() || !change.restart.is_empty() {
            found.changed.push(change);
        }
        let (before, after) = (old.node(id), target.node(id));
        if before.data != after.data {
            found.notes.push((id, "`data` counts when the topology is brought up anew".to_owned()));
        }
        if before.restart != after.restart {
            let text = format!("restart policy {} → {}", policy(before.restart), policy(after.restart));
            found.notes.push((id, text));
            found.policies.push(id);
        }
    }
    found.target = target;
    Ok(found)
}

fn policy(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::No => "no",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Always => "always",
    }
}

/// What would need the topology to be taken down.
fn refusals(old: &Plan, target: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    if target.node_ids().next().is_none() {
        found.push("it declares no nodes any more; `topple down` takes a topology down".to_owned());
    }
    if old.network != target.network {
        found.push("its network is another; take the topology down and up again".to_owned());
    }
    for id in target.node_ids().filter(|&id| old.node_ids().any(|other| other == id)) {
        let (before, after) = (old.node(id), target.node(id));
        if !before.is_process() && !after.is_process() && before.address() != after.address() {
            found.push(format!(
                "`{}` would move from {} to {}; addresses do not move while a topology is up: give the node \
                 another name, or take the topology down and up again",
                after.name,
                before.address(),
                after.address()
            ));
        }
        if family(before) != family(after) {
            found.push(format!(
                "`{}` is a {} and would become a {}: give it another name",
                after.name,
                before.kind_name(),
                after.kind_name()
            ));
        }
    }
    let leaving = |node: &Node| {
        let mut before = old.node_ids().filter(|id| target.retired.nodes.contains(id));
        before.find(|&id| !old.node(id).is_process() && old.node(id).address() == node.address())
    };
    for id in target.node_ids().filter(|&id| !old.node_ids().any(|other| other == id)) {
        let node = target.node(id);
        if let Some(gone) = leaving(node).filter(|_| !node.is_process()) {
            let (name, gone, address) = (&node.name, &old.node(gone).name, node.address());
            found.push(format!(
                "`{name}` would join at {address}, where `{gone}` is until it has left, and a node that is up keeps its \
                 name: give `{name}` another port, or save the script without it first"
            ));
        }
    }
    let servers: Vec<&Node> = target.nodes_in_force().filter(|node| !node.is_process()).collect();
    for (index, node) in servers.iter().enumerate() {
        if let Some(other) = servers[..index].iter().find(|other| other.address() == node.address()) {
            found.push(format!("`{}` and `{}` would both be at {}", other.name, node.name, node.address()));
        }
    }
    found
}

/// Nodes of one family become another by commands; others are other programs.
fn family(node: &Node) -> u8 {
    match node.kind {
        NodeKind::Master | NodeKind::Replica { .. } => 0,
        NodeKind::Sentinel => 1,
        NodeKind::Process { .. } => 2,
    }
}

fn node_change(old: &Plan, target: &Plan, id: NodeId) -> NodeChange {
    let (before, after) = (old.node(id), target.node(id));
    let directives = directive_changes(old, target, id);
    let master = |plan: &Plan| match plan.node(id).kind {
        NodeKind::Replica { of } => Some(of),
        _ => None,
    };
    let follows = (master(old) != master(target)).then(|| master(target));
    let mut restart: Vec<String> = Vec::new();
    if before.engine != after.engine {
        restart.push(format!("runs {} instead of {}", engine(after), engine(before)));
    }
    if before.env != after.env {
        restart.push("its environment is another".to_owned());
    }
    if before.is_process() && before.kind != after.kind {
        restart.push("its command is another".to_owned());
    }
    let fixed = directives.iter().filter(|change| change.live.is_none());
    restart.extend(fixed.map(|change| format!("{} cannot be set while it runs", change.name)));
    NodeChange { node: id, directives, follows, restart }
}

fn engine(node: &Node) -> String {
    match &node.engine {
        EngineChoice::Topple => "Topple's engine".to_owned(),
        EngineChoice::Path(path) => path.display().to_string(),
    }
}

/// What a sentinel's file has of monitors; compared there, not here.
const OF_MONITORS: [&str; 7] = [
    "sentinel monitor",
    "sentinel down-after-milliseconds",
    "sentinel failover-timeout",
    "sentinel parallel-syncs",
    "sentinel auth-pass",
    "sentinel notification-script",
    "sentinel client-reconfig-script",
];

/// The directives of a node as its generated configuration has them, without those about whom it follows or
/// watches.
pub(super) fn own_directives(plan: &Plan, id: NodeId) -> BTreeMap<String, Vec<String>> {
    let node = plan.node(id);
    let files = launch(plan, id, &Paths::default()).files;
    let mut found = files.first().map(|(_, text)| conf::directives(text)).unwrap_or_default();
    found.remove("replicaof");
    found.retain(|name, _| node.config.contains_key(name) || !OF_MONITORS.contains(&name.as_str()));
    found
}

fn directive_changes(old: &Plan, target: &Plan, id: NodeId) -> Vec<DirectiveChange> {
    let (before, after) = (own_directives(old, id), own_directives(target, id));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let values =
        |of: &BTreeMap<String, Vec<String>>, name: &String| of.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .map(|name| (name, values(&before, name), values(&after, name)))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| {
            let sentinel = target.node(id).kind == NodeKind::Sentinel;
            let live = if sentinel { None } else { live_value(name, &new) };
            DirectiveChange { name: name.clone(), old, new, live }
        })
        .collect()
}

/// What CONFIG SET takes for a directive, by what Topple's engine knows of it; one that the script names no
/// more is set to its default. Another engine may refuse; then it is restarted.
pub(super) fn live_value(name: &str, values: &[String]) -> Option<String> {
    let config = Config::default();
    config.check_live(name).ok()?;
    if values.is_empty() {
        return config.get(&[name.as_bytes()]).into_iter().next().map(|(_, value)| value);
    }
    conf::live_value(values)
}

/// A monitor's settings, as SENTINEL SET names them.
pub(super) fn settings(plan: &Plan, monitor: &Monitor) -> Vec<(String, Option<String>)> {
    let script = |path: &Option<PathBuf>| path.as_deref().map(Path::display).map(|path| path.to_string());
    [
        ("quorum", Some(monitor.quorum.to_string())),
        ("down-after-milliseconds", Some(monitor.down_after.as_millis().to_string())),
        ("failover-timeout", Some(monitor.failover_timeout.as_millis().to_string())),
        ("parallel-syncs", Some(monitor.parallel_syncs.to_string())),
        ("auth-pass", crate::launch::chain_password(plan, plan.node(monitor.master)).map(str::to_owned)),
        (NOTIFICATION, script(&monitor.notification_script)),
        (RECONFIGURATION, script(&monitor.client_reconfig_script)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

const NOTIFICATION: &str = "notification-script";
const RECONFIGURATION: &str = "client-reconfig-script";

/// Whether a setting names a script: SENTINEL SET refuses those, unless told otherwise at the start.
pub(super) fn is_script(setting: &str) -> bool {
    matches!(setting, NOTIFICATION | RECONFIGURATION)
}

fn monitor_changes(old: &Plan, target: &Plan, kept: &[NodeId]) -> Vec<MonitorChange> {
    let ids = (0..target.monitors.len() as u32).map(MonitorId);
    let in_force = |plan: &Plan, id: MonitorId| {
        plan.monitors_in_force().find(|(other, _)| *other == id).map(|(_, monitor)| monitor.clone())
    };
    let change = |id| {
        let (before, after) = (in_force(old, id), in_force(target, id));
        let sentinels = |monitor: &Option<Monitor>| -> Vec<NodeId> {
            let all = monitor.iter().flat_map(|monitor| monitor.sentinels.clone());
            all.filter(|sentinel| kept.contains(sentinel)).collect()
        };
        let (watched, watch) = (sentinels(&before), sentinels(&after));
        // Another master is another address: the sentinels begin anew.
        let same = matches!((&before, &after), (Some(before), Some(after)) if before.master == after.master);
        let joined = watch.iter().filter(|id| !same || !watched.contains(id)).copied().collect();
        let left = watched.iter().filter(|id| !same || !watch.contains(id)).copied().collect();
        let settings = match (&before, &after) {
            (Some(before), Some(after)) if same => changed_settings(old, before, target, after),
            _ => Vec::new(),
        };
        MonitorChange { monitor: id, joined, left, settings }
    };
    let changes = ids.map(change);
    changes
        .filter(|change| {
            let appears =
                in_force(old, change.monitor).is_some() != in_force(target, change.monitor).is_some();
            appears || !change.joined.is_empty() || !change.left.is_empty() || !change.settings.is_empty()
        })
        .collect()
}

fn changed_settings(
    old: &Plan,
    before: &Monitor,
    target: &Plan,
    after: &Monitor,
) -> Vec<(String, Option<String>, Option<String>)> {
    let pairs = settings(old, before).into_iter().zip(settings(target, after));
    pairs
        .filter(|(before, after)| before != after)
        .map(|((name, before), (_, after))| (name, before, after))
        .collect()
}

/// Scripts are read at a sentinel's start alone.
fn scripts_need_a_restart(target: &Plan, monitors: &[MonitorChange], change: &mut NodeChange) {
    for monitor in monitors {
        let planned = &target.monitors[monitor.monitor.0 as usize];
        let set = monitor.settings.iter().any(|(name, ..)| is_script(name));
        let stays = planned.sentinels.contains(&change.node) && !monitor.joined.contains(&change.node);
        let has_scripts = planned.notification_script.is_some() || planned.client_reconfig_script.is_some();
        let joins = monitor.joined.contains(&change.node) && has_scripts;
        if (set && stays) || joins {
            let name = &planned.name;
            change.restart.push(format!("the scripts of {name} cannot be set while it runs"));
        }
    }
}
