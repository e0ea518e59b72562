//! One life of the topology: fresh directories, processes, watch, readiness; and its end.
//!
//! - [`lay_out`]: directories, configurations and commands of the nodes.
//! - `hasten`: shorter periods of real sentinels while they get to know each other.
//!
//! All servers and sentinels are started at once and polled until they are ready, then the user's own
//! processes; nothing waits a fixed time.

pub mod hasten;
pub mod lay_out;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::history::{Exit, Moment, What};
use crate::journal::Journal;
use crate::nodes::Nodes;
use crate::plan::{NodeId, NodeKind, Plan};
use crate::ports;
use crate::ready::probe::Prober;
use crate::ready::{Expect, Facts, missing};
use crate::run_dir::RunDir;
use crate::stage::lay_out::LaidOut;
use crate::watch::Watch;
use crate::watch::log::last_lines;
use crate::world::{ProcessState, WorldError};

/// How long a topology may take to be ready after its start.
pub const READY_LIMIT: Duration = Duration::from_secs(30);

const FIRST_POLL: Duration = Duration::from_millis(1);
const LAST_POLL: Duration = Duration::from_millis(15);
/// Log lines shown with an error.
const LOG_LINES: usize = 10;

/// Brings the topology up and down, and knows where the stage in force lives.
#[derive(Clone)]
pub struct Stages(Rc<Inner>);

struct Inner {
    journal: Journal,
    nodes: Nodes,
    dir: RunDir,
    current: RefCell<Option<Stage>>,
}

struct Stage {
    name: String,
    watch: Watch,
    logs: HashMap<NodeId, PathBuf>,
    /// Where the log of a process's present life begins, when it is not the first.
    log_begins: HashMap<NodeId, u64>,
}

impl Stages {
    /// Nothing is up yet.
    pub fn new(journal: Journal, nodes: Nodes, dir: RunDir) -> Self {
        Self(Rc::new(Inner { journal, nodes, dir, current: RefCell::new(None) }))
    }

    /// The stage in force.
    pub fn current(&self) -> Option<String> {
        self.0.current.borrow().as_ref().map(|stage| stage.name.clone())
    }

    /// Starts a fresh topology with empty data and waits until it is ready.
    ///
    /// # Errors
    /// `Environment` when something cannot be started; `Unreachable` with a node's last log lines when the
    /// topology does not get ready, naming who misses what.
    pub async fn bring_up(&self, name: &str) -> Result<(), WorldError> {
        let plan = self.0.journal.plan();
        check_ports(&plan)?;
        let laid_out = lay_out::lay_out(&plan, &self.0.dir, name)
            .map_err(|error| WorldError::Environment(error.to_string()))?;
        let logs: HashMap<NodeId, PathBuf> =
            laid_out.iter().map(|place| (place.node, place.log.clone())).collect();
        for place in laid_out {
            self.0.nodes.prepare(place.node, place.command);
        }
        let wrappers = self.0.dir.wrappers();
        let watch = Watch::start(
            &self.0.journal,
            logs.iter().map(|(&id, path)| (id, path.clone())).collect(),
            &wrappers,
        );
        *self.0.current.borrow_mut() =
            Some(Stage { name: name.to_owned(), watch, logs, log_begins: HashMap::new() });

        let began = self.0.journal.now();
        let (processes, servers): (Vec<NodeId>, Vec<NodeId>) =
            plan.node_ids().partition(|&id| plan.node(id).is_process());
        self.start_all(&servers).await?;
        let hastened = hasten::hasten(&plan, &self.0.nodes, READY_LIMIT).await;
        let until = Moment(began.0 + micros(READY_LIMIT));
        let waited = self.wait_ready(&servers, Expect::DeclaredRoles, until).await;
        hastened.restore().await;
        waited.map_err(|problems| self.not_ready(&plan, &problems))?;
        if !processes.is_empty() {
            self.start_all(&processes).await?;
            let until = Moment(self.0.journal.now().0 + micros(READY_LIMIT));
            let waited = self.wait_ready(&processes, Expect::DeclaredRoles, until).await;
            waited.map_err(|problems| self.not_ready(&plan, &problems))?;
        }
        let took_us = self.0.journal.now().0 - began.0;
        self.0.journal.record(What::Ready { took_us });
        Ok(())
    }

    /// Adds nodes that were laid out below the stage in force: their commands, logs and watch.
    pub fn add(&self, laid_out: Vec<LaidOut>) {
        for place in laid_out {
            self.0.nodes.prepare(place.node, place.command);
            if let Some(stage) = self.0.current.borrow_mut().as_mut() {
                stage.watch.add(place.node, place.log.clone());
                stage.logs.insert(place.node, place.log);
            }
        }
    }

    /// Takes a node out that is down.
    pub fn remove(&self, id: NodeId) {
        self.catch_up();
        self.0.nodes.forget(id);
        if let Some(stage) = self.0.current.borrow_mut().as_mut() {
            stage.watch.remove(id);
            stage.logs.remove(&id);
            stage.log_begins.remove(&id);
        }
    }

    /// What a node's log says of its readiness counts from here on.
    pub fn begin_log(&self, id: NodeId) {
        let bytes = self.log_bytes(id);
        if let Some(stage) = self.0.current.borrow_mut().as_mut() {
            stage.log_begins.insert(id, bytes);
        }
    }

    /// Starts nodes, all at once.
    ///
    /// # Errors
    /// The first that cannot be started.
    pub async fn start_all(&self, ids: &[NodeId]) -> Result<(), WorldError> {
        let start = |&id: &NodeId| {
            let nodes = self.0.nodes.clone();
            tokio::task::spawn_local(async move { nodes.start(id).await })
        };
        let starts: Vec<_> = ids.iter().map(start).collect();
        for start in starts {
            start.await.map_err(|error| WorldError::Environment(error.to_string()))??;
        }
        Ok(())
    }

    /// Polls until the nodes are ready.
    ///
    /// # Errors
    /// What is missing, a sentence each, when the moment comes first. At the start of a topology also as
    /// soon as one of its processes has ended: it would not come back.
    pub async fn wait_ready(&self, ids: &[NodeId], expect: Expect, until: Moment) -> Result<(), Vec<String>> {
        let patience = match expect {
            Expect::DeclaredRoles => Patience::WhileAllRun,
            Expect::AnyConsistentRoles => Patience::UntilTheMoment,
        };
        self.wait_ready_by(&self.0.journal.plan(), ids, expect, patience, until).await
    }

    /// Polls until the nodes are ready as another plan than that in force has them.
    ///
    /// # Errors
    /// As [`wait_ready`](Self::wait_ready).
    pub async fn wait_ready_by(
        &self,
        plan: &Plan,
        ids: &[NodeId],
        expect: Expect,
        patience: Patience,
        until: Moment,
    ) -> Result<(), Vec<String>> {
        let journal = &self.0.journal;
        let mut prober = Prober::new(plan);
        let mut pause = FIRST_POLL;
        loop {
            let nodes = self.0.nodes.clone();
            let asked = tokio::time::Instant::now();
            let round = prober.round(|id| nodes.runs(id)).await;
            let took = asked.elapsed();
            let (processes, servers): (Vec<NodeId>, Vec<NodeId>) =
                ids.iter().partition(|&&id| plan.node(id).is_process());
            let mut problems = missing(plan, &servers, expect, &round);
            problems.extend(processes.iter().filter_map(|&id| self.unready_process(id)));
            if problems.is_empty() {
                problems = self.unsubscribed(ids);
            }
            if problems.is_empty() {
                return Ok(());
            }
            let ended = |id: &NodeId| {
                let silent = matches!(round.facts.get(id), Some(Facts::Silent(_)));
                (silent || self.unready_process(*id).is_some()) && self.0.nodes.runs(*id).is_err()
            };
            let hopeless = patience == Patience::WhileAllRun && ids.iter().any(ended);
            if hopeless || journal.now() >= until {
                return Err(problems);
            }
            tokio::time::sleep(pause).await;
            // Nodes that are asked all the time do not get ready.
            pause = (pause * 3 / 2).min(LAST_POLL).max(took / 2);
        }
    }

    /// What keeps a process from being ready. One without a word to wait for need only have been started, and
    /// may have done its work already.
    fn unready_process(&self, id: NodeId) -> Option<String> {
        let plan = self.0.journal.plan();
        let node = plan.node(id);
        let NodeKind::Process { ready, .. } = &node.kind else { return None };
        let begins = self.0.current.borrow().as_ref().and_then(|stage| stage.log_begins.get(&id).copied());
        let said = |text: &String| self.log_has(id, text, begins.unwrap_or(0));
        let problem = match (ready, self.0.nodes.state(id)) {
            (Some(text), _) if said(text) => return None,
            (
                None,
                ProcessState::Running(_) | ProcessState::Paused(_) | ProcessState::Ended(Exit::Code(0)),
            ) => {
                return None;
            }
            (Some(text), ProcessState::Running(_)) => format!("has not said {text:?} yet"),
            (_, ProcessState::Paused(_)) => "is paused".to_owned(),
            _ => self.0.nodes.runs(id).err().unwrap_or_default(),
        };
        Some(format!("{}: {problem}", node.name))
    }

    /// Whether a node's log holds a text, behind its first `from` bytes.
    pub fn log_has(&self, id: NodeId, text: &str, from: u64) -> bool {
        let log = self.log_path(id).and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(log.len());
        String::from_utf8_lossy(&log[from..]).contains(text)
    }

    /// How long a node's log is, in bytes.
    pub fn log_bytes(&self, id: NodeId) -> u64 {
        self.log_path(id).and_then(|path| std::fs::metadata(path).ok()).map_or(0, |data| data.len())
    }

    fn unsubscribed(&self, ids: &[NodeId]) -> Vec<String> {
        let current = self.0.current.borrow();
        let waiting = current.as_ref().map(|stage| stage.watch.unsubscribed()).unwrap_or_default();
        let plan = self.0.journal.plan();
        waiting
            .into_iter()
            .filter(|id| ids.contains(id))
            .map(|id| format!("{}: the subscription to its events is not confirmed", plan.node(id).name))
            .collect()
    }

    /// What to say of problems that [`wait_ready`](Self::wait_ready) has told, with a node's last log lines.
    pub fn not_ready(&self, plan: &Plan, problems: &[String]) -> WorldError {
        let has_problem = |id: &NodeId| {
            let name = &plan.node(*id).name;
            problems.iter().any(|problem| problem.split(':').next() == Some(name))
        };
        // An ended process explains more than those that wait for it.
        let ended = plan.node_ids().filter(has_problem).find(|&id| self.0.nodes.runs(id).is_err());
        let node = ended.or_else(|| plan.node_ids().find(has_problem));
        WorldError::Unreachable {
            node: node.map_or_else(|| "the topology".to_owned(), |id| plan.node(id).name.clone()),
            reason: format!("the topology is not ready: {}", problems.join("; ")),
            log: node.map(|id| self.log_lines(id, LOG_LINES)).unwrap_or_default(),
        }
    }

    /// The last lines of a node's log.
    pub fn log_lines(&self, id: NodeId, count: usize) -> Vec<String> {
        let current = self.0.current.borrow();
        let path = current.as_ref().and_then(|stage| stage.logs.get(&id));
        path.map(|path| last_lines(path, count)).unwrap_or_default()
    }

    /// Where a node's log is.
    pub fn log_path(&self, id: NodeId) -> Option<PathBuf> {
        self.0.current.borrow().as_ref().and_then(|stage| stage.logs.get(&id).cloned())
    }

    /// A node that did not answer, with its last log lines.
    pub fn unreachable(&self, id: NodeId, reason: String) -> WorldError {
        let node = self.0.journal.plan().node(id).name.clone();
        let reason = match self.0.nodes.runs(id) {
            Ok(()) => reason,
            Err(ended) => ended,
        };
        WorldError::Unreachable { node, reason, log: self.log_lines(id, LOG_LINES) }
    }

    /// Reads what logs and scripts have said by now.
    pub fn catch_up(&self) {
        if let Some(stage) = self.0.current.borrow().as_ref() {
            stage.watch.catch_up();
        }
    }

    /// Stops every node gracefully, for the end of `up`.
    pub async fn stop_all(&self) {
        let stops: Vec<_> = self
            .0
            .nodes
            .living()
            .into_iter()
            .map(|id| {
                let nodes = self.0.nodes.clone();
                tokio::task::spawn_local(async move { nodes.stop(id).await })
            })
            .collect();
        for stop in stops {
            // One that ended by itself meanwhile is as good.
            let _ = stop.await;
        }
    }

    /// Kills whatever still runs of the stage, and its scripts and snapshot children. With `remove`, its
    /// files go too.
    ///
    /// # Errors
    /// `Environment` when the guardian is gone.
    pub async fn tear_down(&self, files: Files) -> Result<(), WorldError> {
        self.catch_up();
        let swept = self.0.nodes.sweep().await;
        self.catch_up();
        let stage = self.0.current.borrow_mut().take();
        if let (Some(stage), Files::Remove) = (&stage, files) {
            self.0.dir.remove_stage(&stage.name);
        }
        swept
    }
}

/// How long readiness is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until a moment; who is down may come back.
    UntilTheMoment,
    /// Not longer than all the processes run.
    WhileAllRun,
}

/// What becomes of a stage's files at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// They stay in the run directory.
    Keep,
    /// They are removed.
    Remove,
}

/// Refuses when somebody listens where a node of the plan is to listen.
///
/// # Errors
/// `Environment` with the node and what to do.
pub fn check_ports(plan: &Plan) -> Result<(), WorldError> {
    for node in plan.nodes_in_force().filter(|node| !node.is_process()) {
        if let Err(error) = TcpListener::bind((node.ip, node.port)) {
            let (name, ip, port) = (&node.name, node.ip, node.port);
            let holder = ports::holder(port).unwrap_or_else(|| {
                // Another user's process keeps its descriptors to itself.
                format!("the program that uses it (`sudo ss -ltnp 'sport = :{port}'` names it)")
            });
            return Err(WorldError::Environment(format!(
                "{name} cannot listen on {ip}:{port}: {error}. Choose another port in the script, or end {holder}."
            )));
        }
    }
    Ok(())
}

/// A duration in microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
