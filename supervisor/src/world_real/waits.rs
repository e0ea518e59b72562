//! Waiting: for a moment, for anything to happen, for sentinels' events, for readiness.

use std::time::Duration;

use super::executor::Executor;
use crate::history::{Moment, What};
use crate::plan::NodeId;
use crate::ready::Expect;
use crate::world::{EventFilter, SeenEvent, Wait, Waited, WorldError};

/// Looking again makes sense after this long even if nothing was noticed.
const LOOK_AGAIN: Duration = Duration::from_millis(4);
/// Events told about when the awaited one does not come.
const SEEN_LINES: usize = 12;

impl Executor {
    pub(super) async fn wait(&mut self, wait: Wait) -> Result<Waited, WorldError> {
        match wait {
            Wait::Until(moment) => {
                self.sleep_until(moment).await;
                Ok(Waited::Came(Vec::new()))
            }
            Wait::Change(limit) => Ok(self.change(limit).await),
            Wait::Event(filter, limit) => Ok(self.event(&filter, limit).await),
            Wait::Log(id, text, limit) => Ok(self.log(id, &text, limit).await),
            Wait::Ready(nodes, limit) => Ok(self.ready(nodes, limit).await),
        }
    }

    async fn sleep_until(&self, moment: Moment) {
        tokio::time::sleep_until(self.journal.clock().instant(moment).into()).await;
    }

    async fn change(&self, limit: Moment) -> Waited {
        tokio::select! {
            () = self.journal.changed() => {}
            () = self.nodes.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = self.sleep_until(limit) => return Waited::TimedOut { seen: Vec::new() },
        }
        Waited::Came(Vec::new())
    }

    async fn event(&self, filter: &EventFilter, limit: Moment) -> Waited {
        loop {
            let matched = matching(filter, self.journal.search(sentinel_event));
            if let Some(matched) = matched {
                return Waited::Came(matched);
            }
            if self.journal.now() >= limit {
                return Waited::TimedOut { seen: self.seen_since(filter.after) };
            }
            tokio::select! {
                () = self.journal.changed() => {}
                () = self.sleep_until(limit) => self.stages.catch_up(),
            }
        }
    }

    async fn log(&self, id: NodeId, text: &str, limit: Moment) -> Waited {
        let from = self.log_marks.get(&id).copied().unwrap_or(0);
        loop {
            if self.stages.log_has(id, text, from) {
                return Waited::Came(Vec::new());
            }
            if self.journal.now() >= limit {
                let mut seen = self.stages.log_lines(id, SEEN_LINES);
                if let Err(ended) = self.nodes.runs(id) {
                    seen.push(format!("{} is {ended}", self.journal.plan().node(id).name));
                }
                return Waited::TimedOut { seen };
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What the sentinels said instead, for the error message.
    fn seen_since(&self, after: Moment) -> Vec<String> {
        let events: Vec<SeenEvent> =
            self.journal.search(sentinel_event).into_iter().filter(|seen| seen.at > after).collect();
        let plan = self.journal.plan();
        let line = |seen: &SeenEvent| {
            let since_ms = (seen.at.0 - after.0) as f64 / 1000.0;
            format!("{} {} {} ({since_ms:.0} ms in)", plan.node(seen.node).name, seen.event, seen.text)
        };
        events[events.len().saturating_sub(SEEN_LINES)..].iter().map(line).collect()
    }

    async fn ready(&self, nodes: Vec<NodeId>, limit: Moment) -> Waited {
        let nodes = if nodes.is_empty() { self.journal.plan().node_ids().collect() } else { nodes };
        let began = self.journal.now();
        match self.stages.wait_ready(&nodes, Expect::AnyConsistentRoles, limit).await {
            Ok(()) => {
                self.journal.record(What::Ready { took_us: self.journal.now().0 - began.0 });
                Waited::Came(Vec::new())
            }
            Err(seen) => Waited::TimedOut { seen },
        }
    }
}

pub(super) fn sentinel_event(event: &crate::history::Event) -> Option<SeenEvent> {
    match &event.what {
        What::Sentinel { node, event: name, text, .. } => {
            Some(SeenEvent { at: event.at, node: *node, event: name.clone(), text: text.clone() })
        }
        _ => None,
    }
}

/// The events that satisfy the filter, if enough have come: of several, one from each sentinel.
fn matching(filter: &EventFilter, events: Vec<SeenEvent>) -> Option<Vec<SeenEvent>> {
    let wanted = filter.count.max(1) as usize;
    let mut matched: Vec<SeenEvent> = Vec::new();
    for seen in events {
        let fits = seen.event == filter.event
            && seen.at > filter.after
            && (filter.from.is_empty() || filter.from.contains(&seen.node))
            && !matched.iter().any(|other| other.node == seen.node);
        if fits {
            matched.push(seen);
            if matched.len() == wanted {
                return Some(matched);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: u64, node: u32, event: &str) -> SeenEvent {
        SeenEvent { at: Moment(at), node: NodeId(node), event: event.to_owned(), text: String::new() }
    }

    #[test]
    fn several_must_come_from_different_sentinels_after_the_moment() {
        let events = || {
            vec![
                seen(5, 1, "+odown"),
                seen(10, 1, "+sdown"),
                seen(11, 1, "+odown"),
                seen(12, 1, "+odown"),
                seen(13, 2, "+odown"),
            ]
        };
        let filter = |count: u32, from: Vec<NodeId>| EventFilter {
            event: "+odown".to_owned(),
            from,
            count,
            after: Moment(5),
        };
        let moments = |filter: &EventFilter| {
            matching(filter, events()).map(|list| list.iter().map(|seen| seen.at.0).collect::<Vec<_>>())
        };
        assert_eq!(moments(&filter(1, vec![])), Some(vec![11]));
        assert_eq!(moments(&filter(2, vec![])), Some(vec![11, 13]));
        assert_eq!(moments(&filter(3, vec![])), None);
        assert_eq!(moments(&filter(1, vec![NodeId(2)])), Some(vec![13]));
    }
}
