//! The plan of a changed script, told in the ids of the plan in force.
//!
//! Nodes and monitors are the same when they have the same name. What is new gets new ids (or those it had when
//! it was there before), what is gone is retired and keeps its place.

use std::collections::HashMap;

use crate::plan::{Monitor, MonitorId, Node, NodeId, NodeKind, On, Plan};

/// `new`, in the ids of `old`.
pub(super) fn merge(old: &Plan, new: &Plan) -> Plan {
    let mut merged = Plan { nodes: old.nodes.clone(), monitors: old.monitors.clone(), ..new.clone() };
    merged.retired.nodes = old.nodes.iter().enumerate().map(|(index, _)| NodeId(index as u32)).collect();
    merged.retired.monitors =
        old.monitors.iter().enumerate().map(|(index, _)| MonitorId(index as u32)).collect();
    let mut ids = HashMap::new();
    for id in new.node_ids() {
        let node = new.node(id);
        let place = old.node_named(&node.name).map(|id| id.0 as usize);
        let place = place.or_else(|| merged.nodes.iter().position(|other| other.name == node.name));
        let place = put(&mut merged.nodes, place, node.clone());
        merged.retired.nodes.remove(&NodeId(place));
        ids.insert(id, NodeId(place));
    }
    for &id in ids.values() {
        let node = &mut merged.nodes[id.0 as usize];
        *node = told_in(node, &ids);
    }
    for handler in &mut merged.handlers {
        if let On::Event { from, .. } = &mut handler.on {
            from.iter_mut().for_each(|id| *id = ids[id]);
        }
    }
    for (_, monitor) in new.monitors_in_force() {
        let place = merged.monitors.iter().position(|other| other.name == monitor.name);
        let monitor = Monitor {
            master: ids[&monitor.master],
            sentinels: monitor.sentinels.iter().map(|id| ids[id]).collect(),
            ..monitor.clone()
        };
        let place = put(&mut merged.monitors, place, monitor);
        merged.retired.monitors.remove(&MonitorId(place));
    }
    merged
}

fn put<T>(list: &mut Vec<T>, place: Option<usize>, item: T) -> u32 {
    let place = place.unwrap_or(list.len());
    match list.get_mut(place) {
        Some(there) => *there = item,
        None => list.push(item),
    }
    u32::try_from(place).expect("a plan has far fewer nodes")
}

fn told_in(node: &Node, ids: &HashMap<NodeId, NodeId>) -> Node {
    let kind = match &node.kind {
        NodeKind::Replica { of } => NodeKind::Replica { of: ids[of] },
        other => other.clone(),
    };
    Node { kind, ..node.clone() }
}
