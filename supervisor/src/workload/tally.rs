//! What a workload's clients saw, put together: acknowledged writes, outages, who acknowledged.
//!
//! Pure. An outage of a client lasts from its last success to its next, when something failed in between;
//! outages of clients that overlap are one outage of the workload.

use std::collections::BTreeMap;

use super::latency::Latency;
use super::machine::{Ack, Fact, Written};
use crate::history::{Ledger, LostWrite, Moment, What};
use crate::plan::NodeId;
use crate::world::WorkloadStatus;

/// A client counts as writing when it succeeded this recently.
const WRITING_WITHIN_US: u64 = 250_000;
/// Lost writes listed one by one.
const LISTED_LOSSES: usize = 1000;

/// An acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// What was written.
    pub written: Written,
    /// Who acknowledged it.
    pub node: NodeId,
    /// When.
    pub at: Moment,
}

/// Everything known of a workload so far.
#[derive(Debug)]
pub struct Tally {
    workload: u32,
    clients: Vec<ClientTally>,
    acked: u64,
    failed: u64,
    latency: Latency,
    longest_outage_us: u64,
    outage: Option<OpenOutage>,
    /// The node whose acknowledgements count as usual, since when.
    writer: Option<(NodeId, Moment)>,
    /// Counter increments that a later reply showed to be gone.
    regressed: Vec<(u32, Acked)>,
    interval_us: u64,
}

#[derive(Clone, Debug)]
struct ClientTally {
    last_success: Moment,
    succeeded: bool,
    failing: bool,
    acked: Vec<Acked>,
}

#[derive(Debug)]
struct OpenOutage {
    from: Moment,
    touched: Vec<u32>,
    failing: u32,
    errors: BTreeMap<String, u64>,
}

impl Tally {
    /// Of `clients` clients that begin now, each with an operation every `interval_us` (0: at once).
    pub fn new(workload: u32, clients: u32, now: Moment, interval_us: u64) -> Self {
        let client = ClientTally { last_success: now, succeeded: false, failing: false, acked: Vec::new() };
        Self {
            workload,
            clients: vec![client; clients as usize],
            acked: 0,
            failed: 0,
            latency: Latency::default(),
            longest_outage_us: 0,
            outage: None,
            writer: None,
            regressed: Vec::new(),
            interval_us,
        }
    }

    /// Adds what a client saw; gives events for the history.
    pub fn add(&mut self, client: u32, fact: Fact) -> Vec<What> {
        match fact {
            Fact::Acked(ack) => self.acked(client, ack),
            Fact::Failed { class, operation } => {
                self.failed(client, class, operation);
                Vec::new()
            }
        }
    }

    fn acked(&mut self, client: u32, ack: Ack) -> Vec<What> {
        self.acked += 1;
        self.latency.add(ack.latency_us);
        let mut events = Vec::new();
        if ack.written.is_some() {
            events.extend(self.first_write(&ack));
        }
        let state = &mut self.clients[client as usize];
        let was_failing = std::mem::replace(&mut state.failing, false);
        let gap_us = ack.at.0.saturating_sub(state.last_success.0);
        state.last_success = ack.at;
        state.succeeded = true;
        if let Some(written) = ack.written {
            if let Written::Counter(value) = written {
                let gone = pop_regressed(&mut state.acked, value - 1);
                self.regressed.extend(gone.into_iter().map(|acked| (client, acked)));
            }
            state.acked.push(Acked { written, node: ack.node, at: ack.at });
        }
        if was_failing {
            self.longest_outage_us = self.longest_outage_us.max(gap_us);
            events.extend(self.recovered(ack.at));
        }
        events
    }

    /// A change of the acknowledging node. A connection made before the last change says nothing new: its
    /// client has not noticed yet.
    fn first_write(&mut self, ack: &Ack) -> Option<What> {
        match self.writer {
            None => {
                self.writer = Some((ack.node, ack.at));
                None
            }
            Some((node, since)) if node != ack.node && ack.connected_at >= since => {
                self.writer = Some((ack.node, ack.at));
                Some(What::FirstWrite { workload: self.workload, node: ack.node })
            }
            Some(_) => None,
        }
    }

    fn failed(&mut self, client: u32, class: String, operation: bool) {
        self.failed += u64::from(operation);
        let state = &mut self.clients[client as usize];
        let newly = !std::mem::replace(&mut state.failing, true);
        let last_success = state.last_success;
        let outage = self.outage.get_or_insert_with(|| OpenOutage {
            from: last_success,
            touched: Vec::new(),
            failing: 0,
            errors: BTreeMap::new(),
        });
        outage.from = outage.from.min(last_success);
        outage.failing += u32::from(newly);
        if !outage.touched.contains(&client) {
            outage.touched.push(client);
        }
        *outage.errors.entry(class).or_default() += 1;
    }

    fn recovered(&mut self, at: Moment) -> Option<What> {
        let outage = self.outage.as_mut()?;
        outage.failing = outage.failing.saturating_sub(1);
        if outage.failing > 0 {
            return None;
        }
        let outage = self.outage.take()?;
        Some(self.outage_event(outage, Some(at)))
    }

    fn outage_event(&self, outage: OpenOutage, until: Option<Moment>) -> What {
        What::Outage {
            workload: self.workload,
            from: outage.from,
            until,
            clients: u32::try_from(outage.touched.len()).unwrap_or(u32::MAX),
            errors: outage.errors,
        }
    }

    /// The outage that has not ended, at the end of the workload.
    pub fn close(&mut self, now: Moment) -> Option<What> {
        let outage = self.outage.take()?;
        self.longest_outage_us = self.longest_outage_us.max(now.0.saturating_sub(outage.from.0));
        Some(self.outage_event(outage, None))
    }

    /// Progress at this moment.
    pub fn status(&self, now: Moment) -> WorkloadStatus {
        let recent_us = WRITING_WITHIN_US.max(2 * self.interval_us);
        let writes = |client: &ClientTally| {
            client.succeeded && !client.failing && now.0.saturating_sub(client.last_success.0) <= recent_us
        };
        let ongoing_us = self
            .clients
            .iter()
            .filter(|client| client.failing)
            .map(|client| now.0.saturating_sub(client.last_success.0))
            .max();
        let last =
            self.clients.iter().filter(|client| client.succeeded).map(|client| client.last_success).max();
        WorkloadStatus {
            acked: self.acked,
            failed: self.failed,
            writing: self.clients.iter().all(writes),
            longest_outage_us: self.longest_outage_us.max(ongoing_us.unwrap_or(0)),
            since_success_us: last.map(|last| now.0.saturating_sub(last.0)),
        }
    }

    /// Every acknowledged write that should still be there, with its client.
    pub fn to_read_back(&self) -> Vec<(u32, Acked)> {
        let of_client = |(client, tally): (usize, &ClientTally)| {
            let client = u32::try_from(client).unwrap_or(u32::MAX);
            tally.acked.iter().map(move |&acked| (client, acked)).collect::<Vec<_>>()
        };
        self.clients.iter().enumerate().flat_map(of_client).collect()
    }

    /// Counter increments acknowledged beyond the value that a client's counter has at the end.
    pub fn counter_ends_at(&mut self, client: u32, value: i64) {
        let gone = pop_regressed(&mut self.clients[client as usize].acked, value);
        self.regressed.extend(gone.into_iter().map(|acked| (client, acked)));
    }

    /// The ledger. `lost` are the keys that were not found; `key` names a client's write.
    pub fn ledger(&self, lost: Vec<(u32, Acked)>, key: impl Fn(u32, Written) -> String) -> Ledger {
        let mut all: Vec<(u32, Acked)> = lost;
        all.extend(self.regressed.iter().copied());
        all.sort_by_key(|(client, acked)| (acked.at, *client));
        Ledger {
            acked: self.acked,
            failed: self.failed,
            lost: all.len() as u64,
            lost_writes: all
                .iter()
                .take(LISTED_LOSSES)
                .map(|&(client, acked)| LostWrite {
                    key: key(client, acked.written),
                    node: acked.node,
                    at: acked.at,
                })
                .collect(),
            longest_outage_us: self.longest_outage_us,
            latency_us: self.latency.summary_us(),
        }
    }
}

/// Takes the acknowledged increments off whose value is beyond `limit`: the counter does not hold them.
fn pop_regressed(acked: &mut Vec<Acked>, limit: i64) -> Vec<Acked> {
    let beyond = |acked: &Acked| matches!(acked.written, Written::Counter(value) if value > limit);
    let keep = acked.iter().rposition(|acked| !beyond(acked)).map_or(0, |last| last + 1);
    acked.split_off(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    fn ack(at: u64, node: NodeId, connected_at: u64, written: Written) -> Fact {
        Fact::Acked(Ack {
            at: Moment(at),
            node,
            connected_at: Moment(connected_at),
            latency_us: 5,
            written: Some(written),
        })
    }

    fn fail(class: &str) -> Fact {
        Fact::Failed { class: class.to_owned(), operation: true }
    }

    #[test]
    fn overlapping_outages_are_one_from_the_first_loss_to_the_last_recovery() {
        let mut tally = Tally::new(0, 3, Moment(0), 0);
        for client in 0..3 {
            tally.add(client, ack(100 + u64::from(client), A, 0, Written::Key(0)));
        }
        tally.add(1, fail("timeout"));
        tally.add(0, fail("timeout"));
        tally.add(0, fail("connection refused"));
        let events = tally.add(0, ack(900, B, 800, Written::Key(3)));
        assert_eq!(events, [What::FirstWrite { workload: 0, node: B }]);
        let events = tally.add(1, ack(1000, B, 850, Written::Key(1)));
        let outage = What::Outage {
            workload: 0,
            from: Moment(100),
            until: Some(Moment(1000)),
            clients: 2,
            errors: BTreeMap::from([("connection refused".to_owned(), 1), ("timeout".to_owned(), 2)]),
        };
        assert_eq!(events, [outage]);
        let status = tally.status(Moment(1000));
        assert_eq!((status.acked, status.failed, status.longest_outage_us), (5, 3, 899));
        assert!(status.writing);
    }

    #[test]
    fn a_client_that_has_not_noticed_is_no_new_writer() {
        let mut tally = Tally::new(0, 2, Moment(0), 0);
        tally.add(0, ack(10, A, 1, Written::Key(0)));
        tally.add(1, ack(11, A, 1, Written::Key(0)));
        assert_eq!(tally.add(0, ack(50, B, 40, Written::Key(1))).len(), 1);
        assert!(tally.add(1, ack(51, A, 1, Written::Key(1))).is_empty());
        assert!(tally.add(0, ack(52, B, 40, Written::Key(2))).is_empty());
        assert_eq!(tally.add(1, ack(90, A, 80, Written::Key(2))).len(), 1, "back to the first");
    }

    #[test]
    fn writing_needs_every_client() {
        let mut tally = Tally::new(0, 2, Moment(0), 0);
        tally.add(0, ack(10, A, 1, Written::Key(0)));
        assert!(!tally.status(Moment(10)).writing);
        tally.add(1, ack(20, A, 1, Written::Key(0)));
        assert!(tally.status(Moment(20)).writing);
        assert!(!tally.status(Moment(260_011)).writing, "too long ago");
        tally.add(1, fail("timeout"));
        assert!(!tally.status(Moment(30)).writing);
        assert_eq!(tally.status(Moment(1020)).longest_outage_us, 1000);
        assert!(matches!(tally.close(Moment(2020)), Some(What::Outage { until: None, .. })));
        assert_eq!(tally.status(Moment(2020)).longest_outage_us, 2000);
    }

    #[test]
    fn counters_that_go_back_lose_what_was_acknowledged_beyond() {
        let mut tally = Tally::new(0, 1, Moment(0), 0);
        for value in 1..=5 {
            tally.add(0, ack(value as u64, A, 0, Written::Counter(value)));
        }
        // The new master had the counter at 3 only.
        tally.add(0, ack(10, B, 9, Written::Counter(4)));
        tally.add(0, ack(11, B, 9, Written::Counter(5)));
        tally.counter_ends_at(0, 4);
        let ledger = tally.ledger(Vec::new(), |client, _| format!("c{client}"));
        let lost: Vec<(u64, NodeId)> =
            ledger.lost_writes.iter().map(|write| (write.at.0, write.node)).collect();
        assert_eq!(lost, [(4, A), (5, A), (11, B)]);
        assert_eq!(ledger.lost, 3);
    }

    #[test]
    fn the_ledger_lists_losses_in_order() {
        let mut tally = Tally::new(0, 2, Moment(0), 0);
        tally.add(0, ack(7, A, 0, Written::Key(4)));
        tally.add(1, ack(5, A, 0, Written::Key(2)));
        let lost = tally.to_read_back();
        let ledger = tally.ledger(lost, |client, written| format!("{client} {written:?}"));
        let keys: Vec<&str> = ledger.lost_writes.iter().map(|write| write.key.as_str()).collect();
        assert_eq!(keys, ["1 Key(2)", "0 Key(4)"]);
        assert_eq!(ledger.latency_us, [5; 4]);
    }
}
