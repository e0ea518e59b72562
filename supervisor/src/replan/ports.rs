//! Ports for a script that is evaluated anew while its topology is up: who has one keeps it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::plan::Plan;
use crate::ports::PortAllocator;

/// The ports of a plan by name; other nodes get theirs from another allocator.
pub struct KeptPorts {
    living: HashMap<String, u16>,
    /// Of nodes that have left: theirs again if they come back and nobody else has it.
    retired: HashMap<String, (IpAddr, u16)>,
    claimed: HashSet<(IpAddr, u16)>,
    others: Box<dyn PortAllocator>,
}

impl KeptPorts {
    /// The ports of this plan; `others` gives none of them.
    pub fn new(plan: &Plan, mut others: Box<dyn PortAllocator>) -> Self {
        for node in plan.nodes_in_force() {
            others.claim(node.ip, node.port);
        }
        let living = plan.nodes_in_force().map(|node| (node.name.clone(), node.port)).collect();
        let claimed = plan.nodes_in_force().map(|node| (node.ip, node.port)).collect();
        let retired = plan.retired.nodes.iter().map(|&id| plan.node(id));
        let retired = retired.map(|node| (node.name.clone(), (node.ip, node.port))).collect();
        Self { living, retired, claimed, others }
    }
}

impl PortAllocator for KeptPorts {
    fn allocate(&mut self, node: &str, ip: IpAddr, first: u16) -> Option<u16> {
        if let Some(&port) = self.living.get(node).filter(|&&port| port != 0) {
            return Some(port);
        }
        if let Some(&place) = self.retired.get(node)
            && place.0 == ip
            && place.1 != 0
            && self.claimed.insert(place)
        {
            return Some(place.1);
        }
        let port = self.others.allocate(node, ip, first)?;
        self.claimed.insert((ip, port));
        Some(port)
    }

    fn claim(&mut self, ip: IpAddr, port: u16) {
        self.claimed.insert((ip, port));
        self.others.claim(ip, port);
    }
}
