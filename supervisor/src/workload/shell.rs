//! Sockets and timers for the clients of a workload.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::machine::{Fact, Machine, Settings, Step};
use super::route::Route;
use super::tally::Tally;
use crate::client::Client;
use crate::history::{Moment, What};
use crate::journal::Journal;
use crate::plan::NodeId;
use crate::world::Via;

/// Limit of finding the server and connecting to it, when an operation's own limit is longer.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// What the clients of one workload share. Borrowed for moments, never across an await.
pub(super) struct Shared {
    pub(super) journal: Journal,
    pub(super) settings: Settings,
    pub(super) route: Route,
    pub(super) tally: RefCell<Tally>,
    /// Set once the workload is to stop.
    stop_by: Cell<Option<Moment>>,
    /// The node that became master last, as the sentinels published it.
    master: Cell<Option<NodeId>>,
    /// Wakes every client: the master moved, or the workload is to stop.
    wake: Notify,
}

impl Shared {
    pub(super) fn new(journal: Journal, settings: Settings, route: Route, tally: Tally) -> Self {
        Self {
            journal,
            settings,
            route,
            tally: RefCell::new(tally),
            stop_by: Cell::new(None),
            master: Cell::new(None),
            wake: Notify::new(),
        }
    }

    pub(super) fn stop(&self, limit: Moment) {
        self.stop_by.set(Some(limit));
        self.wake.notify_waiters();
    }

    fn add(&self, client: u32, fact: Fact) {
        let events = self.tally.borrow_mut().add(client, fact);
        for event in events {
            self.journal.record(event);
        }
    }

    /// Completes when the master is known to be another node than this.
    async fn moved_from(&self, node: Option<NodeId>) {
        while self.master.get().is_none() || self.master.get() == node {
            self.wake.notified().await;
        }
    }

    async fn sleep_until(&self, moment: Moment) {
        tokio::select! {
            () = tokio::time::sleep_until(self.journal.clock().instant(moment).into()) => {}
            () = self.wake.notified() => {}
        }
    }
}

/// Runs one client until it is finished.
pub(super) async fn run(shared: Rc<Shared>, client: u32, mut machine: Machine) {
    let settings = shared.settings.clone();
    let connect_limit = Duration::from_micros(settings.op_timeout_us).min(CONNECT_LIMIT);
    let mut connection: Option<Client> = None;
    let mut followed = shared.master.get();
    loop {
        if let Some(limit) = shared.stop_by.get() {
            machine.stop(limit);
        }
        if shared.master.get() != followed {
            followed = shared.master.get();
            if machine.node() != followed {
                machine.master_moved();
            }
        }
        match machine.step(&settings, shared.journal.now()) {
            Step::Finished => return,
            Step::Sleep(moment) => shared.sleep_until(moment).await,
            Step::Connect => {
                connection = None;
                match shared.route.connect(connect_limit).await {
                    Ok((client, node)) => {
                        connection = Some(client);
                        machine.connected(shared.journal.now(), node);
                    }
                    Err(class) => shared.add(client, machine.failed(shared.journal.now(), &class)),
                }
            }
            Step::Send { args, limit_us } => {
                let outcome = match connection.as_mut() {
                    Some(open) => exchange(&shared, open, &args, limit_us, machine.node()).await,
                    None => Err("connection closed".to_owned()),
                };
                let now = shared.journal.now();
                let fact = match outcome {
                    Ok(reply) => machine.replied(&settings, now, &reply),
                    Err(class) => machine.failed(now, &class),
                };
                shared.add(client, fact);
            }
        }
    }
}

async fn exchange(
    shared: &Shared,
    connection: &mut Client,
    args: &[Vec<u8>],
    limit_us: u64,
    node: Option<NodeId>,
) -> Result<resp::Value, String> {
    tokio::select! {
        biased;
        reply = connection.command(args, Duration::from_micros(limit_us)) => {
            reply.map_err(|error| error.class().to_owned())
        }
        // Waiting for a master that is none any more is of no use.
        () = shared.moved_from(node) => Err("the master moved".to_owned()),
    }
}

/// Tells the clients when the sentinels publish `+switch-master`, as client libraries learn it.
pub(super) async fn follow_master(shared: Rc<Shared>) {
    let Via::Monitor(monitor) = shared.route.via() else { return std::future::pending().await };
    let plan = shared.journal.plan();
    let name = plan.monitors[monitor.0 as usize].name.clone();
    let mut last = shared.journal.now();
    loop {
        shared.journal.changed().await;
        let switches = shared.journal.search(|event| match &event.what {
            What::Sentinel { event: kind, text, .. } if event.at > last && kind == "+switch-master" => {
                new_master(text, &name).map(|address| (event.at, address))
            }
            _ => None,
        });
        if let Some(&(at, address)) = switches.last() {
            last = at;
            if let Some(node) = plan.node_at(address) {
                shared.master.set(Some(node));
                shared.route.forget();
                shared.wake.notify_waiters();
            }
        }
    }
}

/// The address in `NAME OLD-IP OLD-PORT NEW-IP NEW-PORT`.
fn new_master(text: &str, name: &str) -> Option<std::net::SocketAddr> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [of, _, _, ip, port] = words.as_slice() else { return None };
    (*of == name).then(|| Some(std::net::SocketAddr::new(ip.parse().ok()?, port.parse().ok()?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_address_is_read() {
        let text = "mm 127.0.0.1 7001 127.0.0.1 7002";
        assert_eq!(new_master(text, "mm"), Some("127.0.0.1:7002".parse().unwrap()));
        assert_eq!(new_master(text, "other"), None);
        assert_eq!(new_master("mm x", "mm"), None);
    }
}
