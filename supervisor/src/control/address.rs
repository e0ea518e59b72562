//! Nodes named by name, or by the role they have now: `mymaster:master`, `mymaster:replica:1`,
//! `mymaster:sentinel:0`.
//!
//! Pure: who has which role is passed in.

use crate::plan::{Monitor, NodeId, Plan};

/// What a role name needs to know of the living topology.
pub trait Roles {
    /// The present master of a monitor.
    fn master(&self, monitor: &Monitor) -> Option<NodeId>;
    /// The present replicas of a node, in order of declaration.
    fn replicas(&self, master: NodeId) -> Vec<NodeId>;
}

/// Whether naming a node needs to know its role.
pub fn needs_roles(plan: &Plan, name: &str) -> bool {
    plan.node_named(name).is_none() && name.contains(':')
}

/// The node of this name or role.
///
/// # Errors
/// A sentence that says what there is instead.
pub fn find(plan: &Plan, name: &str, roles: &dyn Roles) -> Result<NodeId, String> {
    if let Some(id) = plan.node_named(name) {
        return Ok(id);
    }
    let mut parts = name.split(':');
    let (Some(first), Some(role)) = (parts.next(), parts.next()) else { return Err(unknown(plan, name)) };
    let Some(monitor) =
        plan.monitors_in_force().map(|(_, monitor)| monitor).find(|monitor| monitor.name == first)
    else {
        let names: Vec<&str> = plan.monitors_in_force().map(|(_, one)| one.name.as_str()).collect();
        return Err(match names.is_empty() {
            true => format!("no master is monitored here, so `{name}` names nothing"),
            false => format!("no master is monitored as `{first}`; there is {}", names.join(", ")),
        });
    };
    let master = || roles.master(monitor).ok_or_else(|| format!("no sentinel names the master of {first}"));
    let index = match parts.next().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(index)) if parts.next().is_none() => index,
        Some(_) => return Err(format!("`{name}`: expected MONITOR:ROLE or MONITOR:ROLE:NUMBER")),
    };
    let found = match role {
        "master" => vec![master()?],
        "replica" | "slave" => roles.replicas(master()?),
        "sentinel" => monitor.sentinels.clone(),
        _ => return Err(format!("`{role}` is no role; expected master, replica or sentinel")),
    };
    found
        .get(index)
        .copied()
        .ok_or_else(|| format!("`{name}`: {first} has {} of that role, counted from 0", found.len()))
}

fn unknown(plan: &Plan, name: &str) -> String {
    let names: Vec<&str> = plan.nodes_in_force().map(|node| node.name.as_str()).collect();
    format!("there is no node `{name}`; there are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;
    use crate::plan::{EngineChoice, Node, NodeKind, Position, RestartPolicy};

    struct Now;

    impl Roles for Now {
        fn master(&self, _: &Monitor) -> Option<NodeId> {
            Some(NodeId(1))
        }

        fn replicas(&self, master: NodeId) -> Vec<NodeId> {
            assert_eq!(master, NodeId(1));
            vec![NodeId(0)]
        }
    }

    fn plan() -> Plan {
        let node = |name: &str, kind| Node {
            name: name.to_owned(),
            kind,
            ip: IpAddr::from([127, 0, 0, 1]),
            port: 1,
            engine: EngineChoice::Topple,
            config: Default::default(),
            env: Default::default(),
            data: None,
            restart: RestartPolicy::No,
            position: Position::default(),
        };
        Plan {
            nodes: vec![
                node("m", NodeKind::Master),
                node("r1", NodeKind::Replica { of: NodeId(0) }),
                node("s1", NodeKind::Sentinel),
            ],
            monitors: vec![Monitor {
                name: "mm".to_owned(),
                master: NodeId(0),
                sentinels: vec![NodeId(2)],
                quorum: 1,
                down_after: Duration::from_secs(1),
                failover_timeout: Duration::from_secs(1),
                parallel_syncs: 1,
                notification_script: None,
                client_reconfig_script: None,
                position: Position::default(),
            }],
            ..Plan::default()
        }
    }

    #[test]
    fn names_and_roles_find_nodes() {
        let found = |name: &str| find(&plan(), name, &Now).map(|id| id.0);
        assert_eq!(found("m"), Ok(0));
        assert_eq!(found("mm:master"), Ok(1));
        assert_eq!(found("mm:replica:0"), Ok(0));
        assert_eq!(found("mm:sentinel"), Ok(2));
        assert_eq!(
            found("mm:replica:1"),
            Err("`mm:replica:1`: mm has 1 of that role, counted from 0".into())
        );
        assert_eq!(found("x"), Err("there is no node `x`; there are m, r1, s1".into()));
        assert_eq!(found("y:master"), Err("no master is monitored as `y`; there is mm".into()));
        assert_eq!(found("mm:boss"), Err("`boss` is no role; expected master, replica or sentinel".into()));
        assert_eq!(
            found("mm:replica:x"),
            Err("`mm:replica:x`: expected MONITOR:ROLE or MONITOR:ROLE:NUMBER".into())
        );
    }
}
