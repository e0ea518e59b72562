//! When a topology is ready: links up, offsets equal, every sentinel knows all others and all replicas.
//!
//! [`missing`] is a pure function from what the nodes say of themselves ([`Facts`], gathered by [`probe`])
//! to the list of what is still missing; an empty list means ready. There is no fixed sleep anywhere.
//!
//! Roles are judged by [`Expect`]: a topology that has just been started must have the declared roles; later
//! any consistent state will do, because a failover has changed them.

pub mod probe;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use crate::plan::{Monitor, NodeId, NodeKind, Plan};

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// It does not run or does not answer; why.
    Silent(String),
    /// A server.
    Server(ServerFacts),
    /// A sentinel: what it knows, by monitored name.
    Sentinel(BTreeMap<String, MonitorFacts>),
}

/// A server's own account, from INFO.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFacts {
    /// Still reading its data from disk or from a master.
    pub loading: bool,
    /// `master` or `slave`.
    pub role: String,
    /// The master it follows.
    pub master: Option<SocketAddr>,
    /// `master_link_status` is `up` and no sync is in progress.
    pub linked: bool,
    /// Its replication offset.
    pub offset: i64,
}

/// A sentinel's account of one monitored master.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MonitorFacts {
    /// The master's address in force.
    pub address: Option<SocketAddr>,
    /// The master's flags, e.g. `master,s_down`.
    pub flags: String,
    /// The replicas it knows.
    pub replicas: Vec<Peer>,
    /// The other sentinels it knows.
    pub sentinels: Vec<Peer>,
}

/// A replica or sentinel as a sentinel knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Its flags.
    pub flags: String,
    /// `master-link-status` is `ok` (always true of sentinels).
    pub linked: bool,
}

/// Which roles are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Those the plan declares.
    DeclaredRoles,
    /// Any in which replicas follow a master.
    AnyConsistentRoles,
}

/// Facts of one round, and the offsets that masters had in the round before.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// By node.
    pub facts: HashMap<NodeId, Facts>,
    /// A replica that has what its master had a round ago keeps up, though writes go on.
    pub earlier_offsets: HashMap<NodeId, i64>,
}

/// What keeps `nodes` from being ready, a sentence each.
pub fn missing(plan: &Plan, nodes: &[NodeId], expect: Expect, round: &Round) -> Vec<String> {
    let judge = Judge { plan, expect, round };
    nodes.iter().filter_map(|&id| judge.node(id)).collect()
}

struct Judge<'a> {
    plan: &'a Plan,
    expect: Expect,
    round: &'a Round,
}

impl Judge<'_> {
    fn node(&self, id: NodeId) -> Option<String> {
        let node = &self.plan.nodes[id.0 as usize];
        let problem = match (self.round.facts.get(&id), &node.kind) {
            (None, _) => Some("not asked yet".to_owned()),
            (Some(Facts::Silent(reason)), _) => Some(reason.clone()),
            (Some(Facts::Server(facts)), kind) => self.server(id, kind, facts),
            (Some(Facts::Sentinel(facts)), _) => self.sentinel(id, facts),
        };
        problem.map(|problem| format!("{}: {problem}", node.name))
    }

    fn server(&self, id: NodeId, kind: &NodeKind, facts: &ServerFacts) -> Option<String> {
        if facts.loading {
            return Some("still loading its data".to_owned());
        }
        if self.expect == Expect::DeclaredRoles {
            match kind {
                NodeKind::Replica { of } => {
                    let declared = self.address(*of);
                    if facts.role != "slave" || facts.master != Some(declared) {
                        return Some(format!("does not follow {} yet", self.name(*of)));
                    }
                }
                _ if facts.role != "master" => return Some(format!("is {}, not master", facts.role)),
                _ => {}
            }
        }
        if facts.role != "slave" {
            return None;
        }
        let Some(master) = facts.master.and_then(|address| self.node_at(address)) else {
            return Some("follows a master outside the topology".to_owned());
        };
        if !facts.linked {
            return Some(format!("link to {} is not up", self.name(master)));
        }
        self.offset(id, facts.offset, master)
    }

    fn offset(&self, id: NodeId, offset: i64, master: NodeId) -> Option<String> {
        let Some(Facts::Server(of_master)) = self.round.facts.get(&master) else {
            return Some(format!("its master {} does not answer", self.name(master)));
        };
        let earlier = self.round.earlier_offsets.get(&master);
        let keeps_up = self.expect == Expect::AnyConsistentRoles
            && earlier.is_some_and(|&earlier| (earlier..=of_master.offset).contains(&offset));
        if offset == of_master.offset || keeps_up {
            return None;
        }
        let master_name = self.name(master);
        debug_assert_ne!(id, master, "a replica of itself is refused when the plan is made");
        Some(format!("at offset {offset}, its master {master_name} at {}", of_master.offset))
    }

    fn sentinel(&self, id: NodeId, facts: &BTreeMap<String, MonitorFacts>) -> Option<String> {
        self.plan.monitors_of(id).find_map(|monitor| match facts.get(&monitor.name) {
            None => Some(format!("does not monitor {}", monitor.name)),
            Some(facts) => {
                self.monitor(id, monitor, facts).map(|problem| format!("{}: {problem}", monitor.name))
            }
        })
    }

    fn monitor(&self, id: NodeId, monitor: &Monitor, facts: &MonitorFacts) -> Option<String> {
        let Some(master) = facts.address.and_then(|address| self.node_at(address)) else {
            return Some("its master's address is no node of the topology".to_owned());
        };
        if self.expect == Expect::DeclaredRoles && master != monitor.master {
            return Some(format!("names {} as master", self.name(master)));
        }
        if facts.flags != "master" {
            return Some(format!("sees {} as {}", self.name(master), facts.flags));
        }
        if let Some(Facts::Server(server)) = self.round.facts.get(&master)
            && server.role != "master"
        {
            return Some(format!("names {} as master, which is {}", self.name(master), server.role));
        }
        let others = monitor.sentinels.iter().filter(|&&other| other != id);
        others
            .filter_map(|&other| self.peer(other, &facts.sentinels, "sentinel"))
            .chain(
                self.replicas_of(master).filter_map(|replica| self.peer(replica, &facts.replicas, "slave")),
            )
            .next()
    }

    fn peer(&self, wanted: NodeId, known: &[Peer], flags: &str) -> Option<String> {
        let address = self.address(wanted);
        let name = self.name(wanted);
        match known.iter().find(|peer| peer.address == address) {
            None => Some(format!("does not know {name} yet")),
            Some(peer) if peer.flags != flags => Some(format!("sees {name} as {}", peer.flags)),
            Some(peer) if !peer.linked => Some(format!("sees the link of {name} down")),
            Some(_) => None,
        }
    }

    /// Nodes that say of themselves that they follow `master`.
    fn replicas_of(&self, master: NodeId) -> impl Iterator<Item = NodeId> {
        let address = self.address(master);
        self.plan.node_ids().filter(move |id| {
            matches!(self.round.facts.get(id), Some(Facts::Server(facts))
                if facts.role == "slave" && facts.master == Some(address))
        })
    }

    fn name(&self, id: NodeId) -> &str {
        &self.plan.nodes[id.0 as usize].name
    }

    fn address(&self, id: NodeId) -> SocketAddr {
        self.plan.node(id).address()
    }

    fn node_at(&self, wanted: SocketAddr) -> Option<NodeId> {
        self.plan.node_at(wanted)
    }
}

#[cfg(test)]
mod tests;
