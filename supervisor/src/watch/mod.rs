//! Watching nodes: what sentinels publish and what logs say, turned into events of the history.
//!
//! - [`log`]: reading logs as they grow, and Redis's line format.
//! - [`sentinel`]: the subscription to a sentinel's events.
//! - [`dedup`]: a sentinel's event comes twice, published and logged; it is recorded once.
//!
//! A published event gives the moment of receipt at once; its log line gives the node's own wall time. An
//! event that was logged but not received (before the subscription, or while the connection was down) is
//! recorded from the log.

pub mod dedup;
pub mod log;
pub mod sentinel;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::history::{Moment, What};
use crate::journal::Journal;
use crate::plan::{MonitorId, NodeId, NodeKind, Plan};
use crate::script_shim::{JOURNAL, ScriptRecord};
use crate::watch::dedup::Dedup;
use crate::watch::log::{LogLine, LogTail, align_to_receipt};

/// How often logs are looked at beside the moments when an event makes it useful.
const LOG_PERIOD: Duration = Duration::from_millis(25);

/// Watches the nodes of one stage; ends when dropped.
pub struct Watch {
    shared: Rc<Shared>,
    tasks: RefCell<Vec<AbortHandle>>,
}

struct Shared {
    journal: Journal,
    nodes: RefCell<HashMap<NodeId, Watched>>,
    /// The journal of scripts, which all sentinels' wrappers append to.
    scripts: RefCell<LogTail>,
}

struct Watched {
    tail: LogTail,
    sentinel: bool,
    subscribed: bool,
    dedup: Dedup,
}

impl Watch {
    /// Begins to watch: nodes with the paths of their logs, and the scripts folder. Must be called inside a
    /// `LocalSet`.
    pub fn start(journal: &Journal, logs: Vec<(NodeId, PathBuf)>, scripts: &Path) -> Self {
        let shared = Rc::new(Shared {
            journal: journal.clone(),
            nodes: RefCell::default(),
            scripts: RefCell::new(LogTail::at_end(scripts.join(JOURNAL))),
        });
        let follow = tokio::task::spawn_local(follow_logs(Rc::clone(&shared))).abort_handle();
        let watch = Self { shared, tasks: RefCell::new(vec![follow]) };
        for (id, path) in logs {
            watch.add(id, path);
        }
        watch
    }

    /// Watches one more node of the plan in force.
    pub fn add(&self, id: NodeId, log: PathBuf) {
        let sentinel = self.shared.journal.plan().node(id).kind == NodeKind::Sentinel;
        let watched =
            Watched { tail: LogTail::new(log), sentinel, subscribed: !sentinel, dedup: Dedup::default() };
        self.shared.nodes.borrow_mut().insert(id, watched);
        if sentinel {
            let task = tokio::task::spawn_local(sentinel::follow(Rc::clone(&self.shared), id));
            self.tasks.borrow_mut().push(task.abort_handle());
        }
    }

    /// Ceases to watch a node.
    pub fn remove(&self, id: NodeId) {
        self.shared.nodes.borrow_mut().remove(&id);
    }

    /// Sentinels whose events are not received yet.
    pub fn unsubscribed(&self) -> Vec<NodeId> {
        let nodes = self.shared.nodes.borrow();
        nodes.iter().filter(|(_, watched)| !watched.subscribed).map(|(&id, _)| id).collect()
    }

    /// Reads what the logs hold by now, so that nothing written before this call is missed.
    pub fn catch_up(&self) {
        self.shared.read_logs();
        self.shared.read_scripts();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for task in self.tasks.get_mut() {
            task.abort();
        }
    }
}

async fn follow_logs(shared: Rc<Shared>) {
    let mut tick = tokio::time::interval(LOG_PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        shared.read_logs();
        shared.read_scripts();
    }
}

impl Shared {
    fn read_scripts(&self) {
        let lines = self.scripts.borrow_mut().new_lines();
        for line in lines {
            let Ok(record) = serde_json::from_str::<ScriptRecord>(&line) else { continue };
            let plan = self.journal.plan();
            let Some(node) = plan.node_named(&record.node) else { continue };
            let ScriptRecord { argv, output, how, took_us, .. } = record;
            self.journal.record(What::ScriptRun { node, argv, output, how, took_us });
        }
    }

    fn read_logs(&self) {
        let ids: Vec<NodeId> = self.nodes.borrow().keys().copied().collect();
        for id in ids {
            self.read_log(id);
        }
    }

    /// Reads the new lines of one log and records what they tell.
    fn read_log(&self, id: NodeId) {
        let mut found = Vec::new();
        {
            let mut nodes = self.nodes.borrow_mut();
            let Some(watched) = nodes.get_mut(&id) else { return };
            let now = self.journal.now();
            let receipt_wall_ms = self.journal.clock().wall_ms(now);
            for line in watched.tail.new_lines() {
                let Some(line) = log::parse(&line) else { continue };
                let wall_ms = align_to_receipt(line.local_ms, receipt_wall_ms);
                if let Some(what) = watched.told_by(id, &line, now, &self.journal.plan()) {
                    found.push((now, wall_ms, what));
                }
            }
        }
        for (at, wall_ms, what) in found {
            self.journal.record_at(at, Some(wall_ms), what);
        }
    }

    /// Records a published event, with the wall time that its log line gives. Lines that are read on the
    /// way are recorded too, in the order of the log.
    fn published(&self, id: NodeId, event: &str, text: &str) {
        let at = self.journal.now();
        let plan = self.journal.plan();
        let mut found: Vec<(Option<i64>, What)> = Vec::new();
        {
            let mut nodes = self.nodes.borrow_mut();
            let Some(watched) = nodes.get_mut(&id) else { return };
            if watched.dedup.already_logged(event, text, at) {
                return;
            }
            let mut own_line_seen = false;
            // A sentinel logs an event before it publishes it, so its line is there by now.
            let receipt_wall_ms = self.journal.clock().wall_ms(at);
            for line in watched.tail.new_lines() {
                let Some(line) = log::parse(&line) else { continue };
                let wall_ms = Some(align_to_receipt(line.local_ms, receipt_wall_ms));
                if !own_line_seen && log::sentinel_event(&line.message) == Some((event, text)) {
                    own_line_seen = true;
                    found.push((wall_ms, sentinel_event(&plan, id, event, text)));
                } else if let Some(what) = watched.told_by(id, &line, at, &plan) {
                    found.push((wall_ms, what));
                }
            }
            if !own_line_seen {
                watched.dedup.published_before_logged(event, text, at);
                found.push((None, sentinel_event(&plan, id, event, text)));
            }
        }
        for (wall_ms, what) in found {
            self.journal.record_at(at, wall_ms, what);
        }
    }

    fn watches(&self, id: NodeId) -> bool {
        self.nodes.borrow().contains_key(&id)
    }

    fn set_subscribed(&self, id: NodeId, subscribed: bool) {
        if let Some(watched) = self.nodes.borrow_mut().get_mut(&id) {
            watched.subscribed = subscribed;
        }
    }
}

impl Watched {
    fn told_by(&mut self, id: NodeId, line: &LogLine, at: Moment, plan: &Plan) -> Option<What> {
        if self.sentinel {
            let (event, text) = log::sentinel_event(&line.message)?;
            if self.dedup.already_published(event, text, at) {
                return None;
            }
            return Some(sentinel_event(plan, id, event, text));
        }
        if let Some(role) = log::role_change(&line.message) {
            return Some(What::Role { node: id, role: role.to_owned() });
        }
        log::worth_a_note(line).then(|| What::Note { node: Some(id), text: line.message.clone() })
    }
}

fn sentinel_event(plan: &Plan, node: NodeId, event: &str, text: &str) -> What {
    What::Sentinel { node, monitor: monitor_in(plan, text), event: event.to_owned(), text: text.to_owned() }
}

/// The monitored master that an event's text names: after `master`, after `@`, or first
/// (`+switch-master`).
fn monitor_in(plan: &Plan, text: &str) -> Option<MonitorId> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let name = match words.iter().position(|&word| word == "@") {
        Some(at) => words.get(at + 1),
        None if words.first() == Some(&"master") => words.get(1),
        None => words.first(),
    }?;
    plan.monitors_in_force().find(|(_, monitor)| monitor.name == *name).map(|(id, _)| id)
}
