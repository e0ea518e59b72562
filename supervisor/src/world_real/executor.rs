//! Carrying out what the script asks, on the runtime's thread.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Request;
use super::observe::Observer;
use super::waits::sentinel_event;
use crate::history::{During, Moment, Outcome, What};
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::nodes::Nodes;
use crate::plan::{Experiment, MonitorId, NodeId, NodeKind};
use crate::stage::{Files, Stages, micros};
use crate::workload::Workloads;
use crate::world::{Acted, Action, Begun, Heard, Listening, Observation, Query, Waited, WorldError};

/// Everything that a request may need.
pub struct Executor {
    pub(super) journal: Journal,
    pub(super) nodes: Nodes,
    pub(super) stages: Stages,
    pub(super) workloads: Workloads,
    pub(super) observer: Observer,
    interrupt: Interrupt,
    keep: bool,
    repeat: Option<Repeat>,
    /// How long each node's log was at the last action.
    pub(super) log_marks: HashMap<NodeId, u64>,
    /// Those of the experiment while a handler runs.
    marks_of_experiment: Option<HashMap<NodeId, u64>>,
    /// Whether some repeat did not pass: then the run's files are worth keeping.
    any_failed: bool,
}

/// The repeat that runs.
#[derive(Clone, Copy)]
struct Repeat {
    deadline: Moment,
    timeout: Duration,
}

impl Executor {
    /// Nothing is up yet. With `keep`, the files of every repeat stay.
    pub fn new(journal: Journal, nodes: Nodes, stages: Stages, interrupt: Interrupt, keep: bool) -> Self {
        let workloads = Workloads::new(journal.clone());
        let observer = Observer::new(journal.clone(), nodes.clone(), stages.clone());
        let log_marks = HashMap::new();
        let repeat = None;
        Self {
            journal,
            nodes,
            stages,
            workloads,
            observer,
            interrupt,
            keep,
            repeat,
            log_marks,
            marks_of_experiment: None,
            any_failed: false,
        }
    }

    /// Serves the handlers of a topology that is up, until the script is gone or others are to take their place;
    /// one that runs then comes to its end before. Gives what they have heard.
    pub async fn serve_handlers(
        mut self,
        mut requests: UnboundedReceiver<Request>,
        replaced: Rc<Notify>,
    ) -> Heard {
        let mut heard = self.journal.heard_by_now();
        while let Some(request) = requests.recv().await {
            let listens = match &request {
                Request::Wait(_, listening, _) if self.marks_of_experiment.is_none() => Some(listening.from),
                _ => None,
            };
            match listens {
                None => self.serve(request).await,
                Some(from) => {
                    heard = from;
                    tokio::select! {
                        biased;
                        () = replaced.notified() => break,
                        () = self.serve(request) => {}
                    }
                }
            }
        }
        self.workloads.abort_all();
        heard
    }

    /// Serves the script until it is gone; then takes the topology down. Gives whether files are to stay.
    pub async fn run(mut self, mut requests: UnboundedReceiver<Request>) -> Files {
        while let Some(request) = requests.recv().await {
            self.serve(request).await;
        }
        self.workloads.abort_all();
        let _ = self.stages.tear_down(Files::Keep).await;
        if self.keep || self.any_failed { Files::Keep } else { Files::Remove }
    }

    async fn serve(&mut self, request: Request) {
        let interrupt = self.interrupt.clone();
        let limit = Limit { interrupt, repeat: self.repeat, journal: self.journal.clone() };
        // A reply nobody takes means that the script's thread is gone; the loop ends at the next request.
        match request {
            Request::Act(action, reply) => {
                let _ = reply.send(limit.hold(self.act(action)).await);
            }
            Request::Observe(query, reply) => {
                let _ = reply.send(limit.hold(self.observe(query)).await);
            }
            Request::Wait(wait, listening, reply) => {
                let heard = heard(self.journal.clone(), listening);
                let waited = async {
                    tokio::select! {
                        biased;
                        () = heard => Ok(Waited::Heard),
                        waited = self.wait(wait) => waited,
                    }
                };
                let _ = reply.send(limit.hold(waited).await);
            }
            Request::EnterHandler => self.marks_of_experiment = Some(self.log_marks.clone()),
            Request::LeaveHandler => {
                if let Some(marks) = self.marks_of_experiment.take() {
                    self.log_marks = marks;
                }
            }
            Request::Note(what) => {
                self.journal.record(what);
            }
            Request::Begin { experiment, index, repeat, reply } => {
                let begun = limit.hold(self.begin(&experiment, index, repeat)).await;
                if begun.is_err() {
                    self.any_failed = true;
                }
                let _ = reply.send(begun);
            }
            Request::End(outcome, reply) => {
                self.end(outcome).await;
                let _ = reply.send(Ok(()));
            }
        }
    }

    async fn begin(
        &mut self,
        experiment: &Experiment,
        index: u32,
        repeat: u32,
    ) -> Result<(Moment, Begun), WorldError> {
        self.workloads.abort_all();
        let stage = format!("{}.{}", index + 1, repeat + 1);
        let fresh = experiment.fresh || self.stages.current().is_none();
        if fresh && self.stages.current().is_some() {
            let files = if self.keep || self.any_failed { Files::Keep } else { Files::Remove };
            self.stages.tear_down(files).await?;
        }
        self.journal.set_during(Some(During { experiment: index, repeat }));
        self.journal.record(What::RepeatBegin);
        self.observer.forget();
        self.log_marks.clear();
        self.marks_of_experiment = None;
        if fresh {
            self.stages.bring_up(&stage).await?;
        }
        let deadline = Moment(self.journal.now().0.saturating_add(micros(experiment.timeout)));
        self.repeat = Some(Repeat { deadline, timeout: experiment.timeout });
        Ok((deadline, if fresh { Begun::Fresh } else { Begun::GoesOn }))
    }

    async fn end(&mut self, outcome: Outcome) {
        self.workloads.abort_all();
        self.stages.catch_up();
        self.any_failed |= outcome != Outcome::Passed;
        self.repeat = None;
        self.journal.record(What::RepeatEnd { outcome });
    }

    async fn act(&mut self, action: Action) -> Result<Acted, WorldError> {
        let plan = self.journal.plan();
        self.log_marks = plan.node_ids().map(|id| (id, self.stages.log_bytes(id))).collect();
        let nodes = self.nodes.clone();
        let (verb, id, at) = match action {
            Action::Kill(id) => ("kill", id, nodes.kill(id).await?),
            Action::Stop(id) => ("stop", id, nodes.stop(id).await?),
            Action::Start(id) => ("start", id, nodes.start(id).await?),
            Action::Restart(id) => {
                let at = nodes.stop(id).await?;
                nodes.start(id).await?;
                ("restart", id, at)
            }
            Action::Pause(id) => ("pause", id, nodes.pause(id).await?),
            Action::Resume(id) => ("resume", id, nodes.resume(id).await?),
            Action::Failover(monitor) => return self.failover(monitor).await,
            Action::ConfigSet(id, name, value) => return self.config_set(id, &name, &value).await,
            Action::StartWorkload(spec) => return Ok(Acted::Workload(self.workloads.start(&spec)?)),
        };
        self.record_action(at, verb, vec![id], String::new());
        Ok(Acted::Done(at))
    }

    fn record_action(&self, at: Moment, verb: &str, nodes: Vec<NodeId>, detail: String) {
        self.journal.record_at(at, None, What::Action { verb: verb.to_owned(), nodes, detail });
    }

    /// Asks one sentinel after the other; the first that answers decides.
    async fn failover(&mut self, monitor: MonitorId) -> Result<Acted, WorldError> {
        let planned = self.journal.plan().monitors[monitor.0 as usize].clone();
        let mut silent = Vec::new();
        for &sentinel in &planned.sentinels {
            let at = self.journal.now();
            let command = ["SENTINEL", "FAILOVER", &planned.name].map(|word| word.as_bytes().to_vec());
            match self.observer.command(sentinel, &command).await {
                Ok(reply) => {
                    if let Some(error) = reply.as_error() {
                        let text = format!("failover of {}: {error}", planned.name);
                        // One is under way, or no replica was found good yet.
                        let not_yet = ["INPROG", "NOGOODSLAVE"].iter().any(|code| error.starts_with(code));
                        let refuse = if not_yet { WorldError::NotYet } else { WorldError::Refused };
                        return Err(refuse(text));
                    }
                    self.record_action(at, "failover", vec![sentinel], planned.name.clone());
                    return Ok(Acted::Done(at));
                }
                Err(error) => silent.push(error.to_string()),
            }
        }
        Err(WorldError::Refused(format!("failover of {}: {}", planned.name, silent.join("; "))))
    }

    async fn config_set(&mut self, id: NodeId, name: &str, value: &str) -> Result<Acted, WorldError> {
        let plan = self.journal.plan();
        let node = plan.node(id);
        let prefix: &[&str] = match node.kind {
            NodeKind::Sentinel => &["SENTINEL", "CONFIG", "SET"],
            _ => &["CONFIG", "SET"],
        };
        let command = [prefix, &[name, value]].concat();
        let command: Vec<Vec<u8>> = command.iter().map(|word| word.as_bytes().to_vec()).collect();
        let at = self.journal.now();
        let reply = self.observer.command(id, &command).await?;
        if let Some(error) = reply.as_error() {
            return Err(WorldError::Refused(format!("{}: {error}", node.name)));
        }
        self.record_action(at, "config_set", vec![id], format!("{name} {value}"));
        Ok(Acted::Done(at))
    }

    async fn observe(&mut self, query: Query) -> Result<Observation, WorldError> {
        match query {
            Query::Workload(id) => self.workloads.status(id).map(Observation::Workload),
            Query::StopWorkload(id) => self.workloads.stop(id).await.map(Observation::Ledger),
            Query::Command(id, args) => self.observer.command(id, &args).await.map(Observation::Reply),
            Query::Info(id) => self.observer.info(id).await.map(Observation::Info),
            Query::Process(id) => Ok(Observation::Process(self.nodes.state(id))),
            Query::Master(monitor) => self.observer.master(monitor).await.map(Observation::Node),
            Query::ScriptRuns => {
                self.stages.catch_up();
                Ok(Observation::ScriptRuns(self.journal.search(|event| match &event.what {
                    what @ What::ScriptRun { .. } => Some((event.at, what.clone())),
                    _ => None,
                })))
            }
            Query::Logs(id, count) => Ok(Observation::Logs(self.stages.log_lines(id, count))),
            Query::Heard(from) => {
                let (events, next) = self.journal.search_from(from.0, sentinel_event);
                Ok(Observation::Heard(events, Heard(next)))
            }
        }
    }
}

/// Completes when something has come that handlers listen for.
async fn heard(journal: Journal, listening: Listening) {
    let mut from = listening.from.0;
    loop {
        let (events, next) = journal.search_from(from, sentinel_event);
        if events.iter().any(|seen| listening.to.iter().any(|on| on.is(seen.node, &seen.event))) {
            return;
        }
        from = next.max(from);
        journal.changed().await;
    }
}

/// What ends a request early.
struct Limit {
    interrupt: Interrupt,
    repeat: Option<Repeat>,
    journal: Journal,
}

impl Limit {
    async fn hold<T>(&self, work: impl Future<Output = Result<T, WorldError>>) -> Result<T, WorldError> {
        let time_out = async {
            match self.repeat {
                Some(repeat) => {
                    let instant = self.journal.clock().instant(repeat.deadline);
                    tokio::time::sleep_until(instant.into()).await;
                    format!("the repeat's time-out of {:?} passed", repeat.timeout)
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reason = self.interrupt.wait() => Err(WorldError::Interrupted(reason)),
            done = work => done,
            reason = time_out => Err(WorldError::Interrupted(reason)),
        }
    }
}
