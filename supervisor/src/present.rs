//! Who is master of what, and who follows whom, as the nodes tell it now.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Client, ClientError, Endpoint, info_fields};
use crate::control::address::Roles;
use crate::plan::{Monitor, MonitorId, NodeId, NodeKind, Plan};
use crate::world_real::named_master;

/// Limit of asking one node. One that is paused does not answer.
pub const ANSWER_LIMIT: Duration = Duration::from_millis(500);

/// Roles as the nodes tell them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Present {
    masters: HashMap<MonitorId, NodeId>,
    /// Replicas with whom they follow, in order of declaration.
    follows: Vec<(NodeId, NodeId)>,
}

impl Present {
    /// Asks the sentinels and servers of a plan.
    pub async fn ask(plan: &Plan) -> Self {
        let mut present = Self::default();
        for (id, monitor) in plan.monitors_in_force() {
            for &sentinel in &monitor.sentinels {
                let endpoint = Endpoint::of(plan.node(sentinel));
                let named = named_master(&endpoint, &monitor.name, ANSWER_LIMIT).await;
                if let Some(master) = named.and_then(|address| plan.node_at(address)) {
                    present.masters.insert(id, master);
                    break;
                }
            }
        }
        let server = |id: &NodeId| matches!(plan.node(*id).kind, NodeKind::Master | NodeKind::Replica { .. });
        for id in plan.node_ids().filter(server) {
            let Ok(fields) = ask_info(&Endpoint::of(plan.node(id))).await else { continue };
            let follows = fields.get("role").is_some_and(|role| role == "slave");
            if let (true, Some(master)) = (follows, master_address(&fields).and_then(|at| plan.node_at(at))) {
                present.follows.push((id, master));
            }
        }
        present
    }

    /// The master that a monitor's sentinels name.
    pub fn master_of(&self, monitor: MonitorId) -> Option<NodeId> {
        self.masters.get(&monitor).copied()
    }

    /// Whom a server follows.
    pub fn followed_by(&self, id: NodeId) -> Option<NodeId> {
        self.follows.iter().find(|(follower, _)| *follower == id).map(|(_, master)| *master)
    }

    /// Who has the place now that the plan gives to a node: a failover may have made another one master.
    pub fn holder(&self, plan: &Plan, declared: NodeId) -> NodeId {
        let mut monitors = plan.monitors_in_force().filter(|(_, monitor)| monitor.master == declared);
        if let Some(named) = monitors.find_map(|(id, _)| self.master_of(id)) {
            return named;
        }
        let mut at = declared;
        if plan.node(declared).kind == NodeKind::Master {
            for _ in &self.follows {
                at = self.followed_by(at).unwrap_or(at);
            }
        }
        at
    }
}

impl Roles for (&Plan, &Present) {
    fn master(&self, monitor: &Monitor) -> Option<NodeId> {
        let (id, _) = self.0.monitors_in_force().find(|(_, other)| other.name == monitor.name)?;
        self.1.master_of(id)
    }

    fn replicas(&self, master: NodeId) -> Vec<NodeId> {
        self.1.follows.iter().filter(|(_, of)| *of == master).map(|(id, _)| *id).collect()
    }
}

/// The fields of a node's INFO.
///
/// # Errors
/// When it does not answer, or refuses.
pub async fn ask_info(endpoint: &Endpoint) -> Result<HashMap<String, String>, ClientError> {
    let mut client = Client::connect(endpoint, ANSWER_LIMIT).await?;
    let reply = client.command(&["INFO"], ANSWER_LIMIT).await?;
    match reply.to_text() {
        Some(text) => Ok(info_fields(&text).into_iter().collect()),
        None => Err(ClientError::Refused(reply.as_error().unwrap_or_else(|| "no INFO".to_owned()))),
    }
}

/// The address of the master that INFO names.
pub fn master_address(fields: &HashMap<String, String>) -> Option<SocketAddr> {
    let ip = fields.get("master_host")?.parse().ok()?;
    Some(SocketAddr::new(ip, fields.get("master_port")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::rc::Rc;

    use super::*;
    use crate::lang::{Inputs, Script, evaluate};
    use crate::ports::CountedPorts;

    #[test]
    fn a_place_is_held_by_whom_the_sentinels_or_the_servers_name() {
        let source = "let m = master(\"m\"); let r = replicas(\"r\", m, 2); let c = replica(\"c\", r[0]);
                      monitor(sentinels(\"s\", 3), \"mm\", m); let n = master(\"n\"); replica(\"q\", n);";
        let script = Rc::new(Script::from_text("t.rhai", source, Path::new("/")));
        let plan =
            evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default())).expect("right").plan;
        let id = |name: &str| plan.node_named(name).expect("declared");
        let present = Present {
            masters: HashMap::from([(MonitorId(0), id("r1"))]),
            follows: vec![(id("m"), id("r1")), (id("r2"), id("r1")), (id("n"), id("q"))],
        };
        let holder = |name: &str| plan.node(present.holder(&plan, id(name))).name.clone();
        assert_eq!(["m", "r1", "r2", "n", "q"].map(holder), ["r1", "r1", "r2", "q", "q"]);
        assert_eq!(Present::default().holder(&plan, id("m")), id("m"));
    }
}
