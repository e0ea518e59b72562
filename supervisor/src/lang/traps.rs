//! Warnings of what works, and probably not as meant: of a node where it is declared, and of the plan as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::call::Call;
use super::diagnostic::Diagnostic;
use super::failure::{Failure, Spot};
use super::foreign::{Program, how_to_install, on_path};
use super::options::{Options, listed};
use super::session::Session;
use super::suggest::did_you_mean;
use super::topology;
use crate::plan::{EngineChoice, Node, NodeId, NodeKind, Plan, Position};

/// The program of a node that is another server's, as the script names it. Warns when it is not there.
pub(crate) fn program(call: &Call<'_>, spot: Spot, text: &str) -> PathBuf {
    if !text.contains('/') {
        let path = PathBuf::from(text);
        given_program(call, "engine", spot, &path);
        return path;
    }
    let found = call.session.script.resolve_program(text);
    if let Some(trouble) = found.trouble {
        warn_of_program(call, spot, &found.path, format!("engine: {trouble}"));
    }
    found.path
}

/// Warns when the program that the command line names is not there.
pub(crate) fn given_program(call: &Call<'_>, named_by: &str, spot: Spot, path: &Path) {
    let name = path.display();
    if path.components().count() > 1 {
        if !path.is_file() {
            warn_of_program(call, spot, path, format!("{named_by}: there is no file {name}"));
        }
    } else if on_path(&name.to_string()).is_none() {
        warn_of_program(call, spot, path, format!("{named_by}: there is no program `{name}` on PATH"));
    }
}

fn warn_of_program(call: &Call<'_>, spot: Spot, path: &Path, message: String) {
    let hint = (!path.exists()).then(|| how_to_install(path));
    call.session.warn_once(call.context, Failure::new(spot, message).note(hint));
}

/// Directives that another server does not know.
pub(crate) fn unknown_directives(
    call: &Call<'_>,
    options: &Options,
    engine: &EngineChoice,
    config: &BTreeMap<String, String>,
) {
    let EngineChoice::Path(path) = engine else { return };
    if config.is_empty() || call.session.running.is_some() {
        return;
    }
    let Some(program) = Program::read(path) else { return };
    let own = commands::config::Config::default();
    let ours: Vec<&str> = own.get(&[b"*"]).into_iter().map(|(name, _)| name).collect();
    for name in config.keys().filter(|name| !program.knows(name)) {
        let near = || {
            let known = ours.iter().copied().filter(|name| program.knows(name));
            did_you_mean(name, known)
        };
        let hint = match ours.contains(&name.as_str()) {
            true => Some("it came with a later version: leave it out, or name a newer server".to_owned()),
            false => near(),
        };
        let message = format!("{} does not know the directive `{name}`, and will not start", path.display());
        call.session
            .warn_once(call.context, Failure::new(options.inner_spot("config", name), message).note(hint));
    }
}

/// A server with an append-only file reads nothing else at its start.
pub(crate) fn ignored_dump(
    call: &Call<'_>,
    options: &Options,
    config: &BTreeMap<String, String>,
    data: Option<&Path>,
) {
    let Some(data) = data else { return };
    let named = |directive: &str, default: &str| {
        config.get(directive).map_or(default, |value| value.trim_matches('"')).to_owned()
    };
    let (dump, file) = (named("dbfilename", "dump.rdb"), named("appendfilename", "appendonly.aof"));
    let manifest = data.join(named("appenddirname", "appendonlydir")).join(format!("{file}.manifest"));
    // Without a directory of its own, the file is one of an older version, which is taken over.
    let has_file = manifest.exists() || data.join(file).exists();
    if !named("appendonly", "no").eq_ignore_ascii_case("yes") || has_file || !data.join(&dump).is_file() {
        return;
    }
    let message = format!(
        "{} is not read: with `appendonly` only the append-only file is, and there is none",
        data.join(dump).display()
    );
    let hint = "it starts empty; leave `appendonly` out, and have `on_ready` say `config_set(node, \"appendonly\", \"yes\")`";
    call.session.warn(call.context, Failure::new(options.value_spot("data"), message).note(hint.to_owned()));
}

/// What is wrong with the plan as a whole, once everything is declared.
pub(crate) fn whole_plan(session: &Session) {
    let (given, declared) = (&session.inputs.params, session.state.borrow().plan.params.clone());
    for (message, hint) in topology::undeclared_params(given, &declared) {
        session.add_mistake(Diagnostic::about(session.script.name(), message).note(hint));
    }
    let plan = session.state.borrow().plan.clone();
    let watched = |id: NodeId| plan.monitors.iter().any(|monitor| monitor.sentinels.contains(&id));
    let idle = plan.node_ids().filter(|&id| plan.node(id).kind == NodeKind::Sentinel && !watched(id));
    for (place, names) in by_place(idle.map(|id| plan.node(id))) {
        let (sentinels, monitor) = match names.len() {
            1 => ("sentinel", "monitors"),
            _ => ("sentinels", "monitor"),
        };
        let message = format!("the {sentinels} {} {monitor} nothing", listed(&names));
        let hint = "say what it watches: `monitor(sentinels, name, master)`";
        session.warn_at(place, Failure::new(Spot::Call, message).note(hint.to_owned()));
    }
    let directives: BTreeSet<&String> = plan.nodes.iter().flat_map(|node| node.config.keys()).collect();
    for directive in directives {
        let says = |node: &&Node| {
            let value = node.config.get(directive);
            value.is_some_and(|value| value.split([' ', '\n']).any(|word| word == "localhost"))
        };
        for (place, names) in by_place(plan.nodes.iter().filter(says)) {
            let ip = plan.nodes.iter().find(says).map_or(IpAddr::from([127, 0, 0, 1]), |node| node.ip);
            let message =
                format!("`{directive}` of {} says localhost; the nodes are at {ip}", listed(&names));
            let hint = "sentinels and replicas tell nodes apart by address: say the address";
            session.warn_at(place, Failure::new(Spot::Call, message).note(hint.to_owned()));
        }
    }
    for node in &plan.nodes {
        if let NodeKind::Process { command, .. } = &node.kind {
            localhost_in_process(session, &plan, node, command);
        }
    }
}

/// The names of nodes that one call declares, call by call.
fn by_place<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<(&'a Position, Vec<&'a str>)> {
    let mut groups: Vec<(&Position, Vec<&str>)> = Vec::new();
    for node in nodes {
        match groups.iter_mut().find(|(place, _)| **place == node.position) {
            Some((_, names)) => names.push(&node.name),
            None => groups.push((&node.position, vec![&node.name])),
        }
    }
    groups
}

/// A program that is told to look for the nodes at `localhost`.
fn localhost_in_process(session: &Session, plan: &Plan, node: &Node, command: &[String]) {
    let servers: Vec<&Node> = plan.nodes_in_force().filter(|node| !node.is_process()).collect();
    let Some(first) = servers.first() else { return };
    let ports: BTreeSet<u16> = servers.iter().map(|server| server.port).collect();
    let texts = || command.iter().chain(node.env.values());
    let about_nodes = texts().any(|text| has_port(text, &ports) || is_of_the_family(text));
    let warn = |what: String, spot: Spot| {
        let message = format!("{what} of `{}` says localhost; the nodes are at {}", node.name, first.ip);
        let hint = format!(
            "localhost may mean ::1 first, where none of them listens, and sentinels name nodes by address: write \
             {}, or use `addresses(nodes)`",
            first.ip
        );
        session.warn_at(&node.position, Failure::new(spot, message).note(hint));
    };
    for (index, text) in command.iter().enumerate() {
        if says_localhost(text, &ports, about_nodes) {
            warn("`command`".to_owned(), Spot::Element(1, "command".to_owned(), index));
        }
    }
    for (name, text) in &node.env {
        if says_localhost(text, &ports, about_nodes || is_of_the_family(name)) {
            warn(format!("`{name}`"), Spot::Inner(1, "env".to_owned(), name.clone()));
        }
    }
}

fn is_of_the_family(name: &str) -> bool {
    let name = name.to_lowercase();
    ["redis", "valkey", "sentinel"].iter().any(|word| name.contains(word))
}

/// Whether one of the ports stands in a text as a number of its own.
fn has_port(text: &str, ports: &BTreeSet<u16>) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|word| word.parse().is_ok_and(|port| ports.contains(&port)))
}

/// Whether a text has `localhost` where a node is meant: with a node's port, or without a port and scheme that
/// would be something else's when the program is about nodes at all.
fn says_localhost(text: &str, ports: &BTreeSet<u16>, about_nodes: bool) -> bool {
    const NAME: &str = "localhost";
    let lower = text.to_ascii_lowercase();
    lower.match_indices(NAME).any(|(at, _)| {
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let (before, after) = (&lower[..at], &lower[at + NAME.len()..]);
        if before.ends_with(of_a_name) || after.starts_with(of_a_name) {
            return false;
        }
        let port: String =
            after.strip_prefix(':').unwrap_or("").chars().take_while(char::is_ascii_digit).collect();
        if let Ok(port) = port.parse::<u16>() {
            return ports.contains(&port);
        }
        let url = before.rsplit([' ', ',', '=', '\'', '"']).next().unwrap_or("");
        match url.split_once("://") {
            Some((scheme, _)) => is_of_the_family(scheme),
            None => about_nodes,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_counts_where_a_node_is_meant() {
        let ports = BTreeSet::from([6379, 26379]);
        let says = |text: &str| says_localhost(text, &ports, false);
        for meant in
            ["localhost:6379", "redis://u:p@localhost/0", "a=LOCALHOST:26379,b", "x localhost:6379/1"]
        {
            assert!(says(meant), "{meant}");
        }
        for other in
            ["localhost", "localhost:5432", "http://localhost/", "my-localhost:6379", "localhost.dev:6379"]
        {
            assert!(!says(other), "{other}");
        }
        assert!(says_localhost("localhost", &ports, true));
        assert!(!says_localhost("postgres://localhost/app", &ports, true));
        assert!(has_port("-p 6379", &ports) && !has_port("16379", &ports));
    }
}
