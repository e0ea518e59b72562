//! A world in virtual time, scripted by tests: what happens when, and how nodes answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use resp::Value;

use crate::history::{Exit, Ledger, LostWrite, Moment, Outcome, What};
use crate::plan::{Experiment, NodeId, Plan};
use crate::world::{
    Acted, Action, Begun, Heard, Listening, Observation, ProcessState, Query, SeenEvent, Wait, Waited,
    WorkloadId, WorkloadStatus, World, WorldError,
};

/// How long any action takes in this world.
const ACTION: u64 = 5_000;
/// How long a wait for change sleeps.
const TICK: u64 = 10_000;

/// A world whose events come at given times after the kill of node 0.
pub(super) struct FakeWorld {
    now: u64,
    deadline: Option<u64>,
    pub(super) plan: Plan,
    pub(super) down: BTreeSet<NodeId>,
    paused: BTreeSet<NodeId>,
    /// Since when each node was last started.
    started: BTreeMap<NodeId, u64>,
    /// Events to come: time after the last kill, sentinel, event.
    pub(super) after_kill: Vec<(u64, NodeId, &'static str)>,
    published: Vec<SeenEvent>,
    /// Time a restarted node loads before it answers.
    pub(super) loading: u64,
    loads: u32,
    pub(super) log: Vec<String>,
    pub(super) begins_with: Option<WorldError>,
    /// Ends the run at this time.
    pub(super) interrupt_at: Option<u64>,
}

impl FakeWorld {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            now: 0,
            deadline: None,
            plan,
            down: BTreeSet::new(),
            paused: BTreeSet::new(),
            started: BTreeMap::new(),
            after_kill: Vec::new(),
            published: Vec::new(),
            loading: 0,
            loads: 0,
            log: Vec::new(),
            begins_with: None,
            interrupt_at: None,
        }
    }

    fn name(&self, id: NodeId) -> String {
        self.plan.nodes[id.0 as usize].name.clone()
    }

    fn answering(&self, id: NodeId) -> Result<(), WorldError> {
        let loaded = self.started.get(&id).is_none_or(|at| at + self.loading <= self.now);
        if !self.down.contains(&id) && !self.paused.contains(&id) && loaded {
            return Ok(());
        }
        Err(WorldError::Unreachable {
            node: self.name(id),
            reason: "connection refused".into(),
            log: vec!["# last words".into()],
        })
    }

    fn interrupted(&self) -> Result<(), WorldError> {
        match self.interrupt_at {
            Some(at) if at <= self.now => Err(WorldError::Interrupted("interrupted".into())),
            _ => Ok(()),
        }
    }

    fn take_effect(&mut self, verb: &str, id: NodeId) -> Result<Acted, WorldError> {
        let refused = |what: &str, name: String| Err(WorldError::Refused(format!("{name} {what}")));
        match verb {
            "kill" | "stop" if self.down.contains(&id) => {
                return refused("is down already", self.name(id));
            }
            "start" if !self.down.contains(&id) => return refused("runs already", self.name(id)),
            "kill" | "stop" => {
                self.down.insert(id);
            }
            "start" | "restart" => {
                self.down.remove(&id);
                self.started.insert(id, self.now);
            }
            "pause" => {
                self.paused.insert(id);
            }
            _ => {
                self.paused.remove(&id);
            }
        }
        let at = self.now;
        if verb == "kill" {
            let coming = self.after_kill.clone();
            self.published.extend(coming.into_iter().map(|(after, node, event)| SeenEvent {
                at: Moment(at + after),
                node,
                event: event.into(),
                text: "mymaster 127.0.0.1 6379 127.0.0.1 6380".into(),
            }));
        }
        self.now += ACTION;
        self.log.push(format!("{} {verb} {}", at / 1000, self.name(id)));
        Ok(Acted::Done(Moment(at)))
    }

    fn reply(&self, id: NodeId, words: &[Vec<u8>]) -> Result<Value, WorldError> {
        self.answering(id)?;
        let text: Vec<String> = words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        let follows = self.started.contains_key(&id) || id != NodeId(0);
        Ok(match text[0].as_str() {
            "ROLE" => {
                let role = if follows { "slave" } else { "master" };
                Value::Array(vec![Value::Bulk(role.into())])
            }
            "ECHO" => Value::Bulk(text[1..].join(" ").into_bytes()),
            "MAP" => Value::Map(vec![(Value::Bulk("a".into()), Value::Int(1))]),
            "LOADING" => Value::Error("LOADING Redis is loading the dataset in memory".into()),
            _ => Value::Error(format!("ERR unknown command '{}'", text[0]).into_bytes()),
        })
    }

    /// Sentinels' events, those to come among them, as they come.
    fn in_order(&self) -> Vec<SeenEvent> {
        let mut events = self.published.clone();
        events.sort_by_key(|seen| seen.at);
        events
    }

    fn wait_alone(&mut self, wait: Wait) -> Result<Waited, WorldError> {
        match wait {
            Wait::Until(until) => self.now = self.now.max(until.0),
            Wait::Change(until) => self.now = (self.now + TICK).min(until.0.max(self.now)),
            Wait::Event(filter, until) => {
                let mut matching: Vec<SeenEvent> = self
                    .published
                    .iter()
                    .filter(|seen| seen.event == filter.event && seen.at > filter.after && seen.at <= until)
                    .filter(|seen| filter.from.is_empty() || filter.from.contains(&seen.node))
                    .cloned()
                    .collect();
                matching.truncate(filter.count as usize);
                if matching.len() < filter.count as usize {
                    self.now = until.0;
                    let seen = self.published.iter().map(|seen| seen.event.clone()).collect();
                    return Ok(Waited::TimedOut { seen });
                }
                self.now = self.now.max(matching.last().map_or(0, |seen| seen.at.0));
                return Ok(Waited::Came(matching));
            }
            Wait::Log(node, text, until) => {
                // The fake logs say "line 0", "line 1" and "line 2", if their node is up.
                if self.down.contains(&node) || !text.starts_with("line ") {
                    self.now = until.0;
                    return Ok(Waited::TimedOut { seen: vec!["line 2".into()] });
                }
                self.now += 1_000;
            }
            Wait::Ready(nodes, until) => {
                let down = |id: &NodeId| nodes.is_empty() || nodes.contains(id);
                if self.down.iter().any(down) {
                    self.now = until.0;
                    return Ok(Waited::TimedOut { seen: vec!["m is down".into()] });
                }
                self.now += 50_000;
            }
        }
        self.interrupted()?;
        Ok(Waited::Came(Vec::new()))
    }
}

impl World for FakeWorld {
    fn now(&self) -> Moment {
        Moment(self.now)
    }

    fn act(&mut self, action: Action) -> Result<Acted, WorldError> {
        self.interrupted()?;
        match action {
            Action::Kill(id) => self.take_effect("kill", id),
            Action::Stop(id) => self.take_effect("stop", id),
            Action::Start(id) => self.take_effect("start", id),
            Action::Restart(id) => self.take_effect("restart", id),
            Action::Pause(id) => self.take_effect("pause", id),
            Action::Resume(id) => self.take_effect("resume", id),
            Action::Failover(monitor) => {
                self.log.push(format!("{} failover {}", self.now / 1000, monitor.0));
                Ok(Acted::Done(Moment(self.now)))
            }
            Action::ConfigSet(id, name, value) => {
                self.answering(id)?;
                self.log.push(format!("{} config_set {} {name} {value}", self.now / 1000, self.name(id)));
                Ok(Acted::Done(Moment(self.now)))
            }
            Action::StartWorkload(spec) => {
                self.loads += 1;
                let value = spec.value_bytes;
                let line =
                    format!("{} load {} {:?} {} {value}b", self.now / 1000, spec.clients, spec.via, spec.op);
                self.log.push(line);
                Ok(Acted::Workload(WorkloadId(self.loads - 1)))
            }
        }
    }

    fn observe(&mut self, query: Query) -> Result<Observation, WorldError> {
        self.interrupted()?;
        self.now += 100;
        Ok(match query {
            Query::Command(id, words) => Observation::Reply(self.reply(id, &words)?),
            Query::Info(id) => {
                self.answering(id)?;
                Observation::Info(vec![
                    ("role".into(), "slave".into()),
                    ("master_link_status".into(), "up".into()),
                    ("connected_slaves".into(), "2".into()),
                ])
            }
            Query::Process(id) => Observation::Process(match () {
                () if self.down.contains(&id) => ProcessState::Ended(Exit::Signal(9)),
                () if self.paused.contains(&id) => ProcessState::Paused(7),
                () => ProcessState::Running(7),
            }),
            Query::Master(_) => Observation::Node(NodeId(1)),
            Query::Workload(_) => Observation::Workload(WorkloadStatus {
                acked: self.now / 100,
                writing: !self.down.contains(&NodeId(0)),
                ..WorkloadStatus::default()
            }),
            Query::StopWorkload(_) => Observation::Ledger(Ledger {
                acked: 1000,
                lost: 1,
                longest_outage_us: 850_000,
                lost_writes: vec![LostWrite { key: "k:7".into(), node: NodeId(0), at: Moment(9) }],
                ..Ledger::default()
            }),
            Query::ScriptRuns => Observation::ScriptRuns(vec![(
                Moment(self.now),
                What::ScriptRun {
                    node: NodeId(3),
                    argv: vec!["notify.sh".into(), "+switch-master".into(), "mymaster".into()],
                    output: "noted\n".into(),
                    how: Some(Exit::Code(0)),
                    took_us: 1500,
                },
            )]),
            Query::Heard(from) => {
                let now = Moment(self.now);
                let arrived: Vec<SeenEvent> =
                    self.in_order().into_iter().filter(|seen| seen.at <= now).collect();
                let events = arrived.get(from.0..).unwrap_or_default().to_vec();
                Observation::Heard(events, Heard(arrived.len()))
            }
            Query::Logs(_, lines) => {
                Observation::Logs((0..lines.min(3)).map(|line| format!("line {line}")).collect())
            }
        })
    }

    fn wait(&mut self, wait: Wait, listening: &Listening) -> Result<Waited, WorldError> {
        let began = self.now;
        let coming = self.in_order();
        let heard = coming.iter().skip(listening.from.0);
        let heard = heard
            .filter(|seen| listening.to.iter().any(|on| on.is(seen.node, &seen.event)))
            .map(|seen| seen.at.0)
            .next();
        let waited = self.wait_alone(wait);
        match heard {
            Some(at) if at <= self.now => {
                self.now = at.max(began);
                Ok(Waited::Heard)
            }
            _ => waited,
        }
    }

    fn enter_handler(&mut self) {
        self.log.push(format!("{} handler begins", self.now / 1000));
    }

    fn leave_handler(&mut self) {
        self.log.push(format!("{} handler ends", self.now / 1000));
    }

    fn note(&mut self, what: What) {
        let line = match what {
            What::Check { label, held, fatal, line, file } => {
                let kind = if fatal { "require" } else { "check" };
                let of = file.map(|file| format!("{file} ")).unwrap_or_default();
                format!("{kind} {of}line {line} {held}: {label}")
            }
            What::Measure { name, value, unit, max, min } => {
                format!("measure {name} {value}{unit} max {max:?} min {min:?}")
            }
            What::Print { text } => format!("print {text}"),
            other => format!("{other:?}"),
        };
        self.log.push(format!("{} {line}", self.now / 1000));
    }

    fn begin(&mut self, experiment: &Experiment, _index: u32, repeat: u32) -> Result<Begun, WorldError> {
        if let Some(error) = self.begins_with.clone() {
            return Err(error);
        }
        self.down.clear();
        self.started.clear();
        self.published.clear();
        self.now += Duration::from_millis(100).as_micros() as u64;
        self.deadline = Some(self.now + experiment.timeout.as_micros() as u64);
        self.log.push(format!("{} begin {:?} {repeat}", self.now / 1000, experiment.name));
        Ok(if experiment.fresh { Begun::Fresh } else { Begun::GoesOn })
    }

    fn end(&mut self, outcome: Outcome) {
        self.deadline = None;
        self.log.push(format!("{} end {outcome:?}", self.now / 1000));
    }

    fn deadline(&self) -> Option<Moment> {
        self.deadline.map(Moment)
    }
}
