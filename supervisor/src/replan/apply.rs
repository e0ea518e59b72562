//! Carrying out a difference on the living topology, and taking it back when a step fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use resp::Value;

use super::conf;
use super::difference::{Difference, is_script, live_value, own_directives, settings};
use super::say;
use super::steps::{Step, steps};
use crate::client::{Client, ClientError, Endpoint};
use crate::history::{Moment, ReloadStage, What};
use crate::journal::Journal;
use crate::launch::{Paths, launch};
use crate::nodes::Nodes;
use crate::plan::{MonitorId, NodeId, NodeKind, Plan};
use crate::present::{ANSWER_LIMIT, Present};
use crate::ready::Expect;
use crate::run_dir::RunDir;
use crate::stage::{Patience, READY_LIMIT, Stages, check_ports, hasten, lay_out, micros};
use crate::world::{ProcessState, WorldError};
use crate::world_real::named_master;

/// How often sentinels are asked whether a failover is over.
const POLL: Duration = Duration::from_millis(10);

/// The living topology, as changes are made to it.
#[derive(Clone)]
pub struct Living {
    /// The record.
    pub journal: Journal,
    /// The processes.
    pub nodes: Nodes,
    /// The stage.
    pub stages: Stages,
    /// The run's directory.
    pub dir: RunDir,
}

/// From one plan to another; going back swaps the two.
struct Way<'a> {
    living: &'a Living,
    from: &'a Plan,
    to: &'a Plan,
    difference: &'a Difference,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// There was nothing to do, or it was refused.
    Nothing,
    /// The topology is what the script says.
    Made,
    /// It is what it was before.
    TakenBack,
}

/// Makes the topology what a changed script says: first says what will be done, then does it, and takes it back
/// if a step fails.
pub async fn apply(living: &Living, difference: &Difference) -> Applied {
    let journal = &living.journal;
    let old = journal.plan();
    if difference.is_empty() && difference.notes.is_empty() {
        // Names, experiments and places in the script count all the same.
        if *old != difference.target {
            journal.set_plan(difference.target.clone());
        }
        return Applied::Nothing;
    }
    let began = journal.now();
    let meanwhile = meanwhile(&old, difference);
    journal.set_plan(meanwhile.clone());
    for (node, text) in say::lines(&old, difference) {
        journal.record(What::Reload { stage: ReloadStage::Planned, node, text });
    }
    let forth = Way { living, from: &meanwhile, to: &difference.target, difference };
    match forth.go(&steps(&old, difference)).await {
        Ok(()) => {
            for &id in &difference.removed {
                living.stages.remove(id);
            }
            journal.set_plan(difference.target.clone());
            for &id in &difference.policies {
                if let Some(text) = living.nodes.policy_has_changed(id) {
                    let (stage, text) = (ReloadStage::Told, text.to_owned());
                    journal.record(What::Reload { stage, node: Some(id), text });
                }
            }
            let took_ms = journal.now().0.saturating_sub(began.0) / 1000;
            let text = format!("the topology is what the script says, after {took_ms} ms");
            journal.record(What::Reload { stage: ReloadStage::Done, node: None, text });
            Applied::Made
        }
        Err((done, error)) => {
            tell(living, ReloadStage::Failed, &describe(&error));
            tell(living, ReloadStage::Told, "taking back what was done");
            let mut before = meanwhile;
            before.retired.nodes.extend(&difference.added);
            let back = Way { living, from: &difference.target, to: &before, difference };
            back.undo(&done).await;
            for &id in &difference.added {
                living.stages.remove(id);
            }
            journal.set_plan(before);
            tell(living, ReloadStage::Failed, "the topology is what it was before the script changed");
            Applied::TakenBack
        }
    }
}

/// The plan in force while changes are made: the old one, and the nodes that join. Places of new monitors are
/// there, not in force.
fn meanwhile(old: &Plan, difference: &Difference) -> Plan {
    let mut plan = old.clone();
    for &id in &difference.added {
        let node = difference.target.node(id).clone();
        match plan.nodes.get_mut(id.0 as usize) {
            Some(place) => *place = node,
            None => plan.nodes.push(node),
        }
        plan.retired.nodes.remove(&id);
    }
    for (index, monitor) in difference.target.monitors.iter().enumerate().skip(old.monitors.len()) {
        plan.monitors.push(monitor.clone());
        plan.retired.monitors.insert(MonitorId(index as u32));
    }
    plan
}

fn tell(living: &Living, stage: ReloadStage, text: &str) {
    living.journal.record(What::Reload { stage, node: None, text: text.to_owned() });
}

/// Ends a process, if it runs, and starts it with the same command.
pub(super) async fn run_anew(living: &Living, id: NodeId) -> Result<(), WorldError> {
    let plan = living.journal.plan();
    if living.nodes.runs(id).is_ok() {
        living.nodes.stop(id).await?;
    }
    living.stages.begin_log(id);
    living.nodes.start(id).await?;
    // As one that joins: it is waited for also when it has ended at once.
    let difference = Difference { added: vec![id], ..Difference::default() };
    Way { living, from: &plan, to: &plan, difference: &difference }.settle(&[id]).await
}

/// The error with the log lines that explain it.
pub(super) fn describe(error: &WorldError) -> String {
    match error {
        WorldError::Unreachable { reason, node, log } => {
            let lines: Vec<String> = log.iter().map(|line| format!("\n    {line}")).collect();
            let heading =
                if log.is_empty() { String::new() } else { format!("\n  the last lines of {node}'s log:") };
            format!("{reason}{heading}{}", lines.concat())
        }
        other => other.to_string(),
    }
}

impl Way<'_> {
    /// Does all steps; on failure gives those begun, the failed one last.
    async fn go(&self, steps: &[Step]) -> Result<(), (Vec<Step>, WorldError)> {
        self.nobody_concerned_is_paused().map_err(|error| (Vec::new(), error))?;
        let hastened = hasten::hasten(self.to, &self.living.nodes, ANSWER_LIMIT).await;
        let mut begun = Vec::new();
        let mut outcome = Ok(());
        for step in steps {
            begun.push(step.clone());
            outcome = self.step(step).await;
            if outcome.is_err() {
                break;
            }
        }
        hastened.restore().await;
        outcome.map_err(|error| (begun, error))
    }

    /// Takes steps back, the last one first. What fails here is told, and the rest goes on.
    async fn undo(&self, begun: &[Step]) {
        for step in begun.iter().rev().flat_map(Step::undo) {
            if let Err(error) = self.step(&step).await {
                tell(self.living, ReloadStage::Failed, &format!("not taken back: {error}"));
            }
        }
    }

    /// A node that is paused would answer nothing.
    fn nobody_concerned_is_paused(&self) -> Result<(), WorldError> {
        let mut concerned: Vec<NodeId> = self.difference.changed.iter().map(|change| change.node).collect();
        for change in &self.difference.monitors {
            concerned.extend(change.joined.iter().chain(&change.left));
            if !change.settings.is_empty() {
                concerned.extend(&self.to.monitors[change.monitor.0 as usize].sentinels);
            }
        }
        let paused = |id: &NodeId| matches!(self.living.nodes.state(*id), ProcessState::Paused(_));
        match concerned.into_iter().find(paused) {
            Some(id) => {
                let name = &self.to.node(id).name;
                Err(WorldError::Refused(format!(
                    "{name} is paused: `topple resume {name}`, then save the script again"
                )))
            }
            None => Ok(()),
        }
    }

    async fn step(&self, step: &Step) -> Result<(), WorldError> {
        match step {
            Step::Unwatch(sentinel, monitor) => self.watch(*sentinel, *monitor).await,
            Step::Watch(sentinel, monitor) => self.watch(*sentinel, *monitor).await,
            Step::Set(sentinel, monitor) => self.set(*sentinel, *monitor).await,
            Step::Configure(node) => self.configure(*node).await,
            Step::Restart(node) => self.restart(*node).await,
            Step::Join(nodes) => self.join(nodes).await,
            Step::Follow(node) => self.follow(*node).await,
            Step::Settle(nodes) => self.settle(nodes).await,
            Step::Forget(monitor) => self.forget(*monitor).await,
            Step::Leave(node) => self.leave(*node).await,
            Step::Return(node) => self.come_back(*node).await,
        }
    }

    fn runs(&self, id: NodeId) -> bool {
        self.living.nodes.runs(id).is_ok()
    }

    /// A connection with the password of either plan.
    async fn connect(&self, id: NodeId) -> Result<Client, WorldError> {
        let unreachable = |error: ClientError| self.living.stages.unreachable(id, error.to_string());
        let (before, after) = (Endpoint::of(self.from.node(id)), Endpoint::of(self.to.node(id)));
        match Client::connect(&before, ANSWER_LIMIT).await {
            // One without a password lets everybody in, and refuses only afterwards.
            Ok(mut client) if before.password.is_none() && after.password.is_some() => {
                let refused = client.command(&["PING"], ANSWER_LIMIT).await.map_err(unreachable)?.as_error();
                match refused {
                    None => Ok(client),
                    Some(_) => Client::connect(&after, ANSWER_LIMIT).await.map_err(unreachable),
                }
            }
            Err(ClientError::Refused(_)) => Client::connect(&after, ANSWER_LIMIT).await.map_err(unreachable),
            other => other.map_err(unreachable),
        }
    }

    async fn command(&self, id: NodeId, client: &mut Client, words: &[&str]) -> Result<Value, WorldError> {
        let reply = client.command(words, ANSWER_LIMIT).await;
        let reply = reply.map_err(|error| self.living.stages.unreachable(id, error.to_string()))?;
        match reply.as_error() {
            None => Ok(reply),
            Some(error) => {
                let name = &self.to.node(id).name;
                Err(WorldError::Refused(format!(
                    "{name} refuses {}: {error}",
                    words[..words.len().min(3)].join(" ")
                )))
            }
        }
    }

    fn say(&self, node: NodeId, text: String) {
        self.living.journal.record(What::Reload { stage: ReloadStage::Told, node: Some(node), text });
    }

    fn paths(&self, plan: &Plan) -> Result<Paths, WorldError> {
        let stage = self.living.stages.current().unwrap_or_default();
        lay_out::paths(plan, &self.living.dir, &stage)
            .map_err(|error| WorldError::Environment(error.to_string()))
    }

    /// Changes a node's own configuration file, which its server may have rewritten.
    fn amend_file(&self, id: NodeId, amended: impl FnOnce(&str) -> String) -> Result<(), WorldError> {
        let launch = launch(self.to, id, &self.paths(self.to)?);
        let Some((name, _)) = launch.files.first() else { return Ok(()) };
        let path = launch.dir.join(name);
        let written = std::fs::read_to_string(&path).and_then(|text| std::fs::write(&path, amended(&text)));
        written.map_err(|error| WorldError::Environment(format!("cannot change {}: {error}", path.display())))
    }

    /// The directives of a node that change, with the values they get.
    fn directives(&self, id: NodeId) -> BTreeMap<String, Vec<String>> {
        let own = own_directives(self.to, id);
        let changes = self.difference.change(id).into_iter().flat_map(|change| &change.directives);
        changes
            .map(|change| (change.name.clone(), own.get(&change.name).cloned().unwrap_or_default()))
            .collect()
    }

    async fn configure(&self, id: NodeId) -> Result<(), WorldError> {
        let directives = self.directives(id);
        if !self.runs(id) {
            self.say(id, "is down: what changed counts at its next start".to_owned());
            return self.amend_file(id, |text| conf::amend(text, &directives));
        }
        let mut client = self.connect(id).await?;
        for (name, values) in &directives {
            let value = live_value(name, values).unwrap_or_default();
            let reply = client.command(&["CONFIG", "SET", name, &value], ANSWER_LIMIT).await;
            let reply = reply.map_err(|error| self.living.stages.unreachable(id, error.to_string()))?;
            let Some(error) = reply.as_error() else { continue };
            if !["immutable", "Unsupported", "Unknown option"].iter().any(|sign| error.contains(sign)) {
                let node = &self.to.node(id).name;
                return Err(WorldError::Refused(format!("{node} refuses CONFIG SET {name}: {error}")));
            }
            self.say(id, format!("its server cannot set {name} while it runs, so it restarts"));
            return self.restart(id).await;
        }
        self.amend_file(id, |text| conf::amend(text, &directives))
    }

    /// Whether a sentinel watches a master under a plan, and which.
    fn watched(plan: &Plan, sentinel: NodeId, monitor: MonitorId) -> Option<NodeId> {
        let in_force = plan.monitors_in_force().find(|(id, _)| *id == monitor)?.1;
        in_force.sentinels.contains(&sentinel).then_some(in_force.master)
    }

    /// A sentinel begins, begins anew, or ceases to watch a master.
    async fn watch(&self, sentinel: NodeId, monitor: MonitorId) -> Result<(), WorldError> {
        let planned = &self.to.monitors[monitor.0 as usize];
        let wanted = Self::watched(self.to, sentinel, monitor);
        if !self.runs(sentinel) {
            let present = Present::ask(self.from).await;
            return self.amend_monitor(sentinel, monitor, &present);
        }
        let mut client = self.connect(sentinel).await?;
        let name = planned.name.as_str();
        let known = client.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name], ANSWER_LIMIT).await;
        let known = known.is_ok_and(|reply| reply.as_array().is_some());
        if known {
            self.command(sentinel, &mut client, &["SENTINEL", "REMOVE", name]).await?;
        }
        let Some(master) = wanted else { return Ok(()) };
        let address = self.to.node(Present::ask(self.from).await.holder(self.to, master)).address();
        let (ip, port, quorum) =
            (address.ip().to_string(), address.port().to_string(), planned.quorum.to_string());
        self.command(sentinel, &mut client, &["SENTINEL", "MONITOR", name, &ip, &port, &quorum]).await?;
        for (setting, value) in settings(self.to, planned) {
            if setting != "quorum"
                && !is_script(&setting)
                && let Some(value) = value
            {
                self.command(sentinel, &mut client, &["SENTINEL", "SET", name, &setting, &value]).await?;
            }
        }
        Ok(())
    }

    /// The settings of a master on a sentinel that watches it before and after.
    async fn set(&self, sentinel: NodeId, monitor: MonitorId) -> Result<(), WorldError> {
        if !self.runs(sentinel) {
            return self.amend_monitor(sentinel, monitor, &Present::default());
        }
        let planned = &self.to.monitors[monitor.0 as usize];
        let mut client = self.connect(sentinel).await?;
        for (setting, value) in self.changed_settings(monitor) {
            if !is_script(&setting) {
                let words = ["SENTINEL", "SET", &planned.name, &setting, value.as_deref().unwrap_or("")];
                self.command(sentinel, &mut client, &words).await?;
            }
        }
        Ok(())
    }

    /// The settings of a master that change, with the values they get.
    fn changed_settings(&self, monitor: MonitorId) -> Vec<(String, Option<String>)> {
        let changes = self.difference.monitors.iter().filter(|change| change.monitor == monitor);
        let names: Vec<&String> =
            changes.flat_map(|change| &change.settings).map(|(name, ..)| name).collect();
        let all = settings(self.to, &self.to.monitors[monitor.0 as usize]);
        all.into_iter().filter(|(name, _)| names.contains(&name)).collect()
    }

    /// Brings a sentinel's file to what the plan says of a master.
    fn amend_monitor(
        &self,
        sentinel: NodeId,
        monitor: MonitorId,
        present: &Present,
    ) -> Result<(), WorldError> {
        let planned = &self.to.monitors[monitor.0 as usize];
        let (before, after) =
            (Self::watched(self.from, sentinel, monitor), Self::watched(self.to, sentinel, monitor));
        let paths = self.paths(self.to)?;
        let wrapped = |(name, value): (String, Option<String>)| {
            let wrapper = |script: &String| {
                let wrapper = paths.wrappers.get(&(sentinel, PathBuf::from(script)));
                wrapper.map_or_else(|| script.clone(), |path| path.display().to_string())
            };
            let value = if is_script(&name) { value.as_ref().map(wrapper) } else { value };
            (name, value)
        };
        if before.is_some() && before == after {
            let settings: Vec<_> = self.changed_settings(monitor).into_iter().map(wrapped).collect();
            return self.amend_file(sentinel, |text| conf::with_settings(text, &planned.name, &settings));
        }
        self.amend_file(sentinel, |text| {
            let mut text = conf::without_monitor(text, &planned.name);
            if let Some(master) = after {
                let address = self.to.node(present.holder(self.to, master)).address();
                let (ip, port) = (address.ip(), address.port());
                text.push_str(&format!("sentinel monitor {} {ip} {port} {}\n", planned.name, planned.quorum));
                let settings: Vec<_> = settings(self.to, planned).into_iter().map(wrapped).collect();
                text = conf::with_settings(&text, &planned.name, &settings);
            }
            text
        })
    }

    /// Stops a node, changes its file and command, and starts it again, if it ran.
    async fn restart(&self, id: NodeId) -> Result<(), WorldError> {
        let ran = self.runs(id);
        if ran {
            self.living.nodes.stop(id).await?;
        }
        let directives = self.directives(id);
        if !directives.is_empty() {
            self.amend_file(id, |text| conf::amend(text, &directives))?;
        }
        if self.to.node(id).kind == NodeKind::Sentinel {
            let present = Present::ask(self.from).await;
            for change in &self.difference.monitors {
                self.amend_monitor(id, change.monitor, &present)?;
            }
        }
        let paths = self.paths(self.to)?;
        let command = lay_out::lay_out_command(self.to, id, &paths)
            .map_err(|error| WorldError::Environment(error.to_string()))?;
        self.living.nodes.set_command(id, command);
        if !ran {
            self.say(id, "is down: what changed counts at its next start".to_owned());
            return Ok(());
        }
        self.living.stages.begin_log(id);
        self.living.nodes.start(id).await?;
        self.settle(&[id]).await
    }

    async fn join(&self, ids: &[NodeId]) -> Result<(), WorldError> {
        let stages = &self.living.stages;
        let mut newcomers = self.to.clone();
        newcomers.retired.nodes.extend(self.to.node_ids().filter(|id| !ids.contains(id)));
        check_ports(&newcomers)?;
        let staged = self.staged(ids, &Present::ask(self.from).await);
        let paths = self.paths(self.to)?;
        let mut laid_out = Vec::new();
        for &id in ids {
            // Of an earlier node of that name.
            let _ = std::fs::remove_dir_all(paths.node_dir(staged.node(id)));
            let place = lay_out::lay_out_node(&staged, id, &paths);
            laid_out.push(place.map_err(|error| WorldError::Environment(error.to_string()))?);
        }
        stages.add(laid_out);
        stages.start_all(ids).await?;
        newcomers.retired = staged.retired.clone();
        newcomers.retired.nodes.extend(self.to.node_ids().filter(|id| !ids.contains(id)));
        let hastened = hasten::hasten(&newcomers, &self.living.nodes, READY_LIMIT).await;
        let settled = self.settle(ids).await;
        hastened.restore().await;
        settled
    }

    /// The plan from which new nodes are laid out: they follow and watch whoever has the declared place now.
    fn staged(&self, ids: &[NodeId], present: &Present) -> Plan {
        let mut staged = self.to.clone();
        for &id in ids {
            if let NodeKind::Replica { of } = self.to.node(id).kind {
                let of = present.holder(self.to, of);
                staged.nodes[id.0 as usize].kind = NodeKind::Replica { of };
            }
        }
        for monitor in &mut staged.monitors {
            monitor.master = present.holder(self.to, monitor.master);
        }
        staged
    }

    async fn follow(&self, id: NodeId) -> Result<(), WorldError> {
        let master = match self.to.node(id).kind {
            NodeKind::Replica { of } => {
                let holder = Present::ask(self.from).await.holder(self.to, of);
                Some(self.to.node(holder).address()).filter(|_| holder != id)
            }
            _ => None,
        };
        let words = match master {
            Some(address) => vec![format!("{} {}", address.ip(), address.port())],
            None => Vec::new(),
        };
        if self.runs(id) {
            let mut client = self.connect(id).await?;
            let (ip, port) = match master {
                Some(address) => (address.ip().to_string(), address.port().to_string()),
                None => ("NO".to_owned(), "ONE".to_owned()),
            };
            self.command(id, &mut client, &["REPLICAOF", &ip, &port]).await?;
        }
        self.amend_file(id, |text| conf::amend(text, &BTreeMap::from([("replicaof".to_owned(), words)])))
    }

    /// The plan that readiness is judged by: every node that runs, also one that is still to leave, and none
    /// that is down.
    fn judged(&self) -> Plan {
        let mut plan = self.to.clone();
        let down = |id: &NodeId| !self.runs(*id);
        plan.retired.nodes = (0..plan.nodes.len() as u32).map(NodeId).filter(down).collect();
        for monitor in &mut plan.monitors {
            monitor.sentinels.retain(|id| self.runs(*id));
        }
        plan
    }

    /// Waits until those of the nodes that should run are ready.
    async fn settle(&self, ids: &[NodeId]) -> Result<(), WorldError> {
        let stages = &self.living.stages;
        let until = Moment(self.living.journal.now().0 + micros(READY_LIMIT));
        let judged = self.judged();
        let mut ids: Vec<NodeId> = ids.to_vec();
        // One that its user has taken down before is none of ours; one that just joined is.
        ids.retain(|id| self.runs(*id) || self.difference.added.contains(id));
        let waited = stages
            .wait_ready_by(&judged, &ids, Expect::AnyConsistentRoles, Patience::WhileAllRun, until)
            .await;
        waited.map_err(|problems| stages.not_ready(self.to, &problems))
    }

    /// A node gives its role away, stops, and is forgotten.
    async fn leave(&self, id: NodeId) -> Result<(), WorldError> {
        let present = Present::ask(&self.living.journal.plan()).await;
        let concerned: Vec<MonitorId> = self
            .to
            .monitors_in_force()
            .filter(|(monitor, _)| {
                let watched = Self::watched(self.from, id, *monitor).is_some();
                let master = present.master_of(*monitor);
                watched || master == Some(id) || master.is_some() && present.followed_by(id) == master
            })
            .map(|(monitor, _)| monitor)
            .collect();
        for &monitor in concerned.iter().filter(|monitor| present.master_of(**monitor) == Some(id)) {
            self.step_down(id, monitor).await?;
        }
        if self.runs(id) {
            if matches!(self.living.nodes.state(id), ProcessState::Paused(_)) {
                let _ = self.living.nodes.resume(id).await;
            }
            self.living.nodes.stop(id).await?;
        }
        for monitor in concerned {
            self.forget(monitor).await?;
        }
        Ok(())
    }

    /// Has the sentinels make another node master before this one goes.
    async fn step_down(&self, id: NodeId, monitor: MonitorId) -> Result<(), WorldError> {
        let planned = &self.to.monitors[monitor.0 as usize];
        let Some(&sentinel) = planned.sentinels.iter().find(|id| self.runs(**id)) else { return Ok(()) };
        self.say(
            id,
            format!("is the master of {} now: the sentinels choose another before it leaves", planned.name),
        );
        let mut client = self.connect(sentinel).await?;
        self.command(sentinel, &mut client, &["SENTINEL", "FAILOVER", &planned.name]).await?;
        let until = self.living.journal.now().0 + micros(READY_LIMIT);
        let endpoint = Endpoint::of(self.to.node(sentinel));
        let own = self.to.node(id).address();
        while named_master(&endpoint, &planned.name, ANSWER_LIMIT).await.is_none_or(|named| named == own) {
            if self.living.journal.now().0 >= until {
                let seconds = READY_LIMIT.as_secs();
                let reason = format!("{} is still {} after {seconds} s", planned.name, self.to.node(id).name);
                return Err(WorldError::Refused(reason));
            }
            tokio::time::sleep(POLL).await;
        }
        self.settle(&planned.sentinels).await
    }

    /// Has the sentinels of a master forget who is gone, one after the other, as Redis's manual says.
    async fn forget(&self, monitor: MonitorId) -> Result<(), WorldError> {
        let planned = &self.to.monitors[monitor.0 as usize];
        let running: Vec<NodeId> = planned.sentinels.iter().copied().filter(|id| self.runs(*id)).collect();
        for &sentinel in &running {
            let mut client = self.connect(sentinel).await?;
            self.command(sentinel, &mut client, &["SENTINEL", "RESET", &planned.name]).await?;
            self.settle(&[sentinel]).await?;
        }
        Ok(())
    }

    /// A node that left starts again.
    async fn come_back(&self, id: NodeId) -> Result<(), WorldError> {
        if !self.runs(id) {
            self.living.nodes.start(id).await?;
        }
        self.settle(&[id]).await
    }
}
