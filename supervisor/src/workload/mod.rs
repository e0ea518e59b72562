//! Workloads: clients that read and write while the topology is hurt, and the ledger of what was lost.
//!
//! - [`machine`]: one client, pure.
//! - [`tally`]: what all clients saw, pure.
//! - [`latency`]: a histogram.
//! - `shell`: sockets and timers for the machines.
//! - `route`: finding the server, directly or through sentinels.
//! - `read_back`: reading every acknowledged key at the end.

pub mod latency;
pub mod machine;
mod read_back;
mod route;
mod shell;
pub mod tally;

use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::history::{Ledger, Moment, What};
use crate::journal::Journal;
use crate::stage::micros;
use crate::world::{Via, WorkloadId, WorkloadSpec, WorkloadStatus, WorldError};
use machine::{Machine, Op, Settings, Written};
use route::Route;
use shell::Shared;
use tally::Tally;

/// How long clients may take to succeed again once a workload is to stop.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);

/// The workloads of a repeat.
pub struct Workloads {
    journal: Journal,
    running: Vec<Option<Running>>,
}

struct Running {
    shared: Rc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for client in &self.clients {
            client.abort();
        }
    }
}

impl Workloads {
    /// None runs yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, running: Vec::new() }
    }

    /// Starts clients. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// `Refused` for an operation that does not exist.
    pub fn start(&mut self, spec: &WorkloadSpec) -> Result<WorkloadId, WorldError> {
        let op = Op::parse(&spec.op)
            .ok_or_else(|| WorldError::Refused(format!("there is no workload operation `{}`", spec.op)))?;
        let id = WorkloadId(u32::try_from(self.running.len()).unwrap_or(u32::MAX));
        let interval_us = spec.rate.map(|rate| 1_000_000 * u64::from(spec.clients) / u64::from(rate.max(1)));
        let settings = Settings {
            op,
            prefix: self.prefix(id),
            value_bytes: spec.value_bytes as usize,
            op_timeout_us: micros(spec.op_timeout),
            interval_us,
        };
        self.journal.record(What::WorkloadBegin { workload: id.0, detail: self.detail(spec) });
        let now = self.journal.now();
        let tally = Tally::new(id.0, spec.clients, now, interval_us.unwrap_or(0));
        let route = Route::new(self.journal.clone(), spec.via);
        let shared = Rc::new(Shared::new(self.journal.clone(), settings, route, tally));
        let mut clients: Vec<JoinHandle<()>> = (0..spec.clients)
            .map(|client| {
                // Spread over the interval, or all would send at the same moment.
                let offset = interval_us.unwrap_or(0) * u64::from(client) / u64::from(spec.clients.max(1));
                let machine = Machine::new(client, Moment(now.0 + offset));
                tokio::task::spawn_local(shell::run(Rc::clone(&shared), client, machine))
            })
            .collect();
        clients.push(tokio::task::spawn_local(shell::follow_master(Rc::clone(&shared))));
        self.running.push(Some(Running { shared, clients }));
        Ok(id)
    }

    /// Begins every key: no two workloads of a run share one, so that a key of an earlier one is never taken
    /// for a write that survived.
    fn prefix(&self, id: WorkloadId) -> String {
        match self.journal.during() {
            Some(during) => format!("topple:{}.{}.{}", during.experiment + 1, during.repeat + 1, id.0),
            None => format!("topple:{}", id.0),
        }
    }

    fn detail(&self, spec: &WorkloadSpec) -> String {
        let plan = self.journal.plan();
        let via = match spec.via {
            Via::Node(node) => plan.node(node).name.clone(),
            Via::Monitor(monitor) => format!("sentinels of {}", plan.monitors[monitor.0 as usize].name),
        };
        let rate = spec.rate.map_or_else(String::new, |rate| format!(", {rate}/s"));
        let plural = if spec.clients == 1 { "" } else { "s" };
        format!("{} client{plural}, {} via {via}{rate}", spec.clients, spec.op)
    }

    fn running(&self, id: WorkloadId) -> Result<&Running, WorldError> {
        let running = self.running.get(id.0 as usize).and_then(Option::as_ref);
        running.ok_or_else(|| WorldError::Refused("the workload is stopped".to_owned()))
    }

    /// How a workload is doing.
    ///
    /// # Errors
    /// `Refused` when it is stopped.
    pub fn status(&self, id: WorkloadId) -> Result<WorkloadStatus, WorldError> {
        let running = self.running(id)?;
        Ok(running.shared.tally.borrow().status(self.journal.now()))
    }

    /// Stops a workload: waits until every client succeeds again (limited), then reads every acknowledged
    /// key back through the server in force.
    ///
    /// # Errors
    /// `Refused` when it is stopped; `Unreachable` when nothing can be read back.
    pub async fn stop(&mut self, id: WorkloadId) -> Result<Ledger, WorldError> {
        self.running(id)?;
        let Some(mut running) = self.running[id.0 as usize].take() else { unreachable!("just looked") };
        let shared = Rc::clone(&running.shared);
        let limit = Moment(self.journal.now().0 + micros(RECOVERY_LIMIT));
        shared.stop(limit);
        // The last task follows the master; it has no end of its own.
        let follower = running.clients.pop();
        for client in &mut running.clients {
            let _ = client.await;
        }
        if let Some(follower) = follower {
            follower.abort();
        }
        let open = shared.tally.borrow_mut().close(self.journal.now());
        if let Some(outage) = open {
            self.journal.record(outage);
        }
        let lost = read_back::read_back(&shared).await?;
        let ledger = shared.tally.borrow().ledger(lost, |client, written| match written {
            Written::Key(seq) => shared.settings.key(client, seq),
            Written::Counter(_) => shared.settings.counter(client),
        });
        self.journal.record(What::WorkloadEnd { workload: id.0, ledger: ledger.clone() });
        Ok(ledger)
    }

    /// Ends every workload at once, without a ledger, and forgets them.
    pub fn abort_all(&mut self) {
        self.running.clear();
    }
}
