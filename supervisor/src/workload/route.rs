//! Finding the server that a workload's clients talk to.
//!
//! Through sentinels as client libraries do it: ask them for the master's address, connect, and verify with
//! ROLE that it is one.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use resp::Value;
use tokio::task::JoinSet;

use crate::client::{Client, Endpoint};
use crate::history::Moment;
use crate::journal::Journal;
use crate::plan::NodeId;
use crate::world::Via;
use crate::world_real::named_master;

const SENTINEL_LIMIT: Duration = Duration::from_millis(200);
/// A name learned this recently is not asked for again: hundreds of clients reconnect at once.
const FRESH_US: u64 = 5_000;

/// The way to the server.
pub(super) struct Route {
    journal: Journal,
    via: Via,
    /// The last answer of the sentinels, and when it came.
    known: RefCell<Option<(SocketAddr, Moment)>>,
}

impl Route {
    pub(super) fn new(journal: Journal, via: Via) -> Self {
        Self { journal, via, known: RefCell::new(None) }
    }

    pub(super) fn via(&self) -> Via {
        self.via
    }

    /// Finds and connects; gives the connection and its node, or a class of failure.
    pub(super) async fn connect(&self, limit: Duration) -> Result<(Client, NodeId), String> {
        let plan = self.journal.plan();
        let node = match self.via {
            Via::Node(node) => node,
            Via::Monitor(_) => {
                let address = self.master().await.ok_or("no sentinel answers")?;
                plan.node_at(address).ok_or("the sentinels name an unknown address")?
            }
        };
        let endpoint = Endpoint::of(plan.node(node));
        let mut client = Client::connect(&endpoint, limit).await.map_err(|error| error.class().to_owned())?;
        if matches!(self.via, Via::Monitor(_)) {
            let role = client.command(&["ROLE"], limit).await.map_err(|error| error.class().to_owned())?;
            let name = role.as_array().and_then(|role| role.first()).and_then(Value::as_bytes);
            if name != Some(b"master") {
                *self.known.borrow_mut() = None;
                return Err("not a master yet".to_owned());
            }
        }
        Ok((client, node))
    }

    /// What most of the sentinels say; of equally many, what came first.
    async fn master(&self) -> Option<SocketAddr> {
        let Via::Monitor(monitor) = self.via else { return None };
        let now = self.journal.now();
        if let Some((address, at)) = *self.known.borrow()
            && now.0.saturating_sub(at.0) < FRESH_US
        {
            return Some(address);
        }
        let plan = self.journal.plan();
        let planned = &plan.monitors[monitor.0 as usize];
        let mut asked = JoinSet::new();
        for &sentinel in &planned.sentinels {
            let endpoint = Endpoint::of(plan.node(sentinel));
            let name = planned.name.clone();
            asked.spawn_local(async move { named_master(&endpoint, &name, SENTINEL_LIMIT).await });
        }
        let mut votes: Vec<(SocketAddr, usize)> = Vec::new();
        while let Some(answer) = asked.join_next().await {
            let Ok(Some(address)) = answer else { continue };
            match votes.iter_mut().find(|(named, _)| *named == address) {
                Some((_, count)) => *count += 1,
                None => votes.push((address, 1)),
            }
            // A majority is enough: a hung sentinel holds nobody up.
            if votes.iter().any(|(_, count)| count * 2 > planned.sentinels.len()) {
                break;
            }
        }
        let mut winner = None;
        for (address, count) in votes {
            if winner.is_none_or(|(_, most)| count > most) {
                winner = Some((address, count));
            }
        }
        let (address, _) = winner?;
        *self.known.borrow_mut() = Some((address, self.journal.now()));
        Some(address)
    }

    /// Forgets what the sentinels said, because they have said something else.
    pub(super) fn forget(&self) {
        *self.known.borrow_mut() = None;
    }
}
