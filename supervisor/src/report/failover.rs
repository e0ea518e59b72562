//! The anatomy of a failover: how long each of its phases took.
//!
//! A failover ends with the first `+switch-master` of a monitored master, and belongs to the last fault
//! before it (kill, stop, pause, restart of the node that was master, or a failover asked for). Between
//! them lie milestones of the sentinel that led it: `+sdown`, `+odown`, `+elected-leader`,
//! `+promoted-slave`; after (or between) them the first write that another node acknowledged. A phase is
//! the time from one milestone to the next, so phases add up to the total.
//!
//! Milestones lie at the moment of receipt; where the sentinel's log gives an earlier wall time, because the
//! supervisor was busy, that counts.

use std::net::SocketAddr;

use serde::Serialize;

use crate::history::{Event, History, Moment, What};
use crate::plan::{MonitorId, NodeId};

/// Beyond this, receipt and the node's wall time do not disagree by delay but by a clock that was set.
const LATEST_RECEIPT_US: u64 = 1_000_000;
/// Wall times have millisecond steps.
const WALL_STEP_US: u64 = 2_000;

/// One failover.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failover {
    /// Name of the monitored master.
    pub monitor: String,
    /// What set it off, e.g. `kill m`; none when nothing in the history did.
    pub cause: Option<String>,
    /// When the fault took effect (or the first milestone, without a cause).
    pub at: Moment,
    /// The sentinel that led it.
    pub leader: Option<String>,
    /// The node that was master.
    pub from: Option<String>,
    /// The node that became master.
    pub to: Option<String>,
    /// What the time went to, in order.
    pub phases: Vec<Phase>,
    /// From fault to the last milestone.
    pub total_ms: f64,
}

/// A part of a failover.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// Its name, e.g. `detection`.
    pub name: String,
    /// The milestone that ends it, e.g. `+sdown`.
    pub until: String,
    /// How long it took.
    pub ms: f64,
}

/// Phases in their usual order, each with the milestone that ends it.
pub const PHASES: [(&str, &str); 6] = [
    ("detection", "+sdown"),
    ("agreement", "+odown"),
    ("election", "+elected-leader"),
    ("promotion", "+promoted-slave"),
    ("switch", "+switch-master"),
    ("first write", "first write"),
];

/// When an event happened, as exactly as is known.
pub fn moment_of(history: &History, event: &Event) -> Moment {
    let by_wall = event.node_wall_ms.and_then(|wall_ms| {
        let since_start_ms = u64::try_from(wall_ms.checked_sub(history.started_wall_ms)?).ok()?;
        Some(Moment(since_start_ms * 1000))
    });
    match by_wall {
        Some(wall) if (WALL_STEP_US..LATEST_RECEIPT_US).contains(&event.at.0.saturating_sub(wall.0)) => wall,
        _ => event.at,
    }
}

/// The failovers among the events of a repeat, in order.
pub fn failovers(history: &History, events: &[&Event]) -> Vec<Failover> {
    let mut found: Vec<Failover> = Vec::new();
    for index in 0..history.plan.monitors.len() {
        let monitor = MonitorId(u32::try_from(index).unwrap_or(u32::MAX));
        let search = Search { history, events, monitor };
        let mut after = Moment(0);
        let mut address = None;
        while let Some((failover, switched, new_address)) = search.next(after, address) {
            after = switched;
            address = Some(new_address);
            found.push(failover);
        }
    }
    found.sort_by_key(|failover| failover.at);
    found
}

struct Search<'a> {
    history: &'a History,
    events: &'a [&'a Event],
    monitor: MonitorId,
}

impl Search<'_> {
    /// The next failover whose switch comes after the moment and leads to another address than the last.
    fn next(&self, after: Moment, last: Option<SocketAddr>) -> Option<(Failover, Moment, SocketAddr)> {
        let (switched, old, new) = self.events.iter().find_map(|event| {
            let text = self.said(event, "+switch-master")?.1;
            let (old, new) = addresses(text)?;
            let at = moment_of(self.history, event);
            // The other sentinels say the same a little later.
            (at > after && Some(new) != last).then_some((at, old, new))
        })?;
        let from = self.history.plan.node_at(old);
        let to = self.history.plan.node_at(new);
        let leader = self.last_before("+elected-leader", None, after, switched).map(|(node, _)| node);
        let cause = self.cause(from, after, switched);
        let began = cause.as_ref().map(|(at, _)| *at);
        let mut milestones = self.milestones(leader, began.unwrap_or(after), switched);
        if let Some(at) = to.and_then(|to| self.first_write(to, began.unwrap_or(after), switched)) {
            milestones.push(("first write", at));
        }
        milestones.sort_by_key(|&(_, at)| at);
        let at = began.or_else(|| milestones.first().map(|&(_, at)| at)).unwrap_or(switched);
        let (phases, total_ms) = phases(at, &milestones);
        let name = |id: NodeId| self.history.plan.node(id).name.clone();
        let failover = Failover {
            monitor: self.name().to_owned(),
            cause: cause.map(|(_, text)| text),
            at,
            leader: leader.map(name),
            from: from.map(name),
            to: to.map(name),
            phases,
            total_ms,
        };
        Some((failover, switched, new))
    }

    fn name(&self) -> &str {
        &self.history.plan.monitors[self.monitor.0 as usize].name
    }

    /// The sentinel and text of an event of this monitor.
    fn said<'e>(&self, event: &'e Event, wanted: &str) -> Option<(NodeId, &'e str)> {
        match &event.what {
            What::Sentinel { node, monitor, event, text }
                if *monitor == Some(self.monitor) && event == wanted =>
            {
                Some((*node, text))
            }
            _ => None,
        }
    }

    /// The last fault on the node that was master, or failover asked for, before the switch.
    fn cause(&self, from: Option<NodeId>, after: Moment, before: Moment) -> Option<(Moment, String)> {
        let name = |id: &NodeId| self.history.plan.node(*id).name.clone();
        self.events.iter().rev().filter(|event| event.at > after && event.at < before).find_map(|event| {
            let What::Action { verb, nodes, detail } = &event.what else { return None };
            let hurts = matches!(verb.as_str(), "kill" | "stop" | "pause" | "restart")
                && from.is_some_and(|from| nodes.contains(&from));
            if hurts {
                let names: Vec<String> = nodes.iter().map(name).collect();
                return Some((event.at, format!("{verb} {}", names.join(", "))));
            }
            (verb == "failover" && detail == self.name()).then(|| (event.at, format!("failover {detail}")))
        })
    }

    fn last_before(
        &self,
        wanted: &str,
        by: Option<NodeId>,
        after: Moment,
        before: Moment,
    ) -> Option<(NodeId, Moment)> {
        self.events.iter().rev().find_map(|event| {
            let (node, text) = self.said(event, wanted)?;
            // `+sdown` is said of replicas and sentinels too.
            let about_master = !matches!(wanted, "+sdown" | "+odown") || text.starts_with("master ");
            let at = moment_of(self.history, event);
            let fits = about_master && at > after && at <= before && by.is_none_or(|by| by == node);
            fits.then_some((node, at))
        })
    }

    fn milestones(
        &self,
        leader: Option<NodeId>,
        after: Moment,
        switched: Moment,
    ) -> Vec<(&'static str, Moment)> {
        let mut milestones = vec![("+switch-master", switched)];
        for wanted in ["+sdown", "+odown", "+elected-leader", "+promoted-slave"] {
            if let Some((_, at)) = self.last_before(wanted, leader, after, switched) {
                milestones.push((wanted, at));
            }
        }
        milestones
    }

    /// The first write that the new master acknowledged: before the switch was published, or soon after.
    fn first_write(&self, to: NodeId, began: Moment, switched: Moment) -> Option<Moment> {
        let next_switch = self
            .events
            .iter()
            .filter(|event| {
                self.said(event, "+switch-master")
                    .and_then(|(_, text)| addresses(text))
                    .is_some_and(|(_, new)| self.history.plan.node_at(new) != Some(to))
            })
            .map(|event| event.at)
            .find(|&at| at > switched);
        self.events
            .iter()
            .filter(|event| event.at > began && next_switch.is_none_or(|next| event.at < next))
            .find(|event| matches!(event.what, What::FirstWrite { node, .. } if node == to))
            .map(|event| event.at)
    }
}

/// Old and new address in `NAME OLD-IP OLD-PORT NEW-IP NEW-PORT`.
fn addresses(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, old_ip, old_port, new_ip, new_port] = words.as_slice() else { return None };
    let address = |ip: &str, port: &str| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?));
    Some((address(old_ip, old_port)?, address(new_ip, new_port)?))
}

fn phases(began: Moment, milestones: &[(&'static str, Moment)]) -> (Vec<Phase>, f64) {
    let mut previous = began;
    let mut phases = Vec::new();
    for &(milestone, at) in milestones {
        let name = PHASES.iter().find(|(_, until)| *until == milestone).map_or(milestone, |(name, _)| name);
        let ms = at.0.saturating_sub(previous.0) as f64 / 1000.0;
        phases.push(Phase { name: name.to_owned(), until: milestone.to_owned(), ms });
        previous = at.max(previous);
    }
    (phases, previous.0.saturating_sub(began.0) as f64 / 1000.0)
}
