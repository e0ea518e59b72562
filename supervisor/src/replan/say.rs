//! A difference in words: what will be done, said before it is.

use super::difference::{Difference, DirectiveChange, MonitorChange, NodeChange};
use crate::plan::{NodeId, NodeKind, Plan};

/// What will be done, a line each, with the node it is about. Ids are those of the target.
pub fn lines(old: &Plan, difference: &Difference) -> Vec<(Option<NodeId>, String)> {
    let target = &difference.target;
    let mut out = Vec::new();
    for &id in &difference.added {
        let node = target.node(id);
        let place = if node.is_process() { String::new() } else { format!(" at {}", node.address()) };
        out.push((Some(id), format!("+ joins: {}{place}", kind(target, id))));
    }
    for change in &difference.changed {
        out.extend(node_lines(old, target, change).into_iter().map(|line| (Some(change.node), line)));
    }
    for change in &difference.monitors {
        out.extend(monitor_lines(old, target, change).into_iter().map(|line| (None, line)));
    }
    out.extend(difference.removed.iter().map(|&id| (Some(id), format!("- leaves: {}", kind(old, id)))));
    out.extend(difference.notes.iter().map(|(id, text)| (Some(*id), format!("~ {text}"))));
    out
}

fn kind(plan: &Plan, id: NodeId) -> String {
    match plan.node(id).kind {
        NodeKind::Replica { of } => format!("replica of {}", plan.node(of).name),
        NodeKind::Sentinel => {
            let names: Vec<&str> = plan.monitors_of(id).map(|monitor| monitor.name.as_str()).collect();
            if names.is_empty() { "sentinel".to_owned() } else { format!("sentinel of {}", names.join(", ")) }
        }
        _ => plan.node(id).kind_name().to_owned(),
    }
}

fn node_lines(old: &Plan, target: &Plan, change: &NodeChange) -> Vec<String> {
    let how = if change.restart.is_empty() { "set live" } else { "with a restart" };
    let mut out: Vec<String> =
        change.directives.iter().map(|directive| format!("~ {}, {how}", directive_line(directive))).collect();
    if let Some(follows) = change.follows {
        let name = |id: NodeId| target.node(id).name.clone();
        let before = match old.node(change.node).kind {
            NodeKind::Replica { of } => format!(" instead of {}", old.node(of).name),
            _ => String::new(),
        };
        out.push(match follows {
            Some(master) => format!("~ follows {}{before}", name(master)),
            None => "~ follows nobody any more: a master".to_owned(),
        });
    }
    if !change.restart.is_empty() {
        out.push(format!("~ restarts: {}", change.restart.join("; ")));
    }
    out
}

fn directive_line(directive: &DirectiveChange) -> String {
    // Passwords are not for the terminal, nor for the history.
    if directive.name.contains("pass") || directive.name.contains("auth") {
        return format!("{} changes", directive.name);
    }
    let shown = |values: &[String]| match values {
        [] => "its default".to_owned(),
        values => values.join(" / "),
    };
    format!("{} {} → {}", directive.name, shown(&directive.old), shown(&directive.new))
}

fn monitor_lines(old: &Plan, target: &Plan, change: &MonitorChange) -> Vec<String> {
    let after = &target.monitors[change.monitor.0 as usize];
    let name = &after.name;
    let in_force = |plan: &Plan| plan.monitors_in_force().find(|(id, _)| *id == change.monitor).is_some();
    let names =
        |ids: &[NodeId]| ids.iter().map(|&id| target.node(id).name.clone()).collect::<Vec<_>>().join(", ");
    if !in_force(target) {
        return vec![format!("- {name} is not monitored any more")];
    }
    let all = names(&after.sentinels);
    let master = &target.node(after.master).name;
    if !in_force(old) {
        return vec![format!("+ {name}, master {master}, is monitored by {all}")];
    }
    let before = &old.monitors[change.monitor.0 as usize];
    if before.master != after.master {
        let was = &old.node(before.master).name;
        return vec![format!("~ {name} is {master} instead of {was}: {all} begin anew")];
    }
    let mut out = Vec::new();
    if !change.joined.is_empty() {
        out.push(format!("~ {name} is monitored by {} too", names(&change.joined)));
    }
    if !change.left.is_empty() {
        out.push(format!("~ {name} is monitored by {} no more", names(&change.left)));
    }
    out.extend(change.settings.iter().map(|(setting, before, after)| {
        if setting == "auth-pass" {
            return format!("~ {name}: auth-pass changes");
        }
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        format!("~ {name}: {setting} {} → {}", shown(before), shown(after))
    }));
    out
}
