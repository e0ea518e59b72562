//! Words that declare nodes and what sentinels monitor: `master`, `replica`, `replicas`, `sentinel`,
//! `sentinels`, `process`, `monitor`; and `addresses` of nodes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rhai::{Array, Dynamic, Map};

use super::call::Call;
use super::directives;
use super::failure::{Failure, Outcome, Spot};
use super::observe;
use super::options::Options;
use super::session::ExplicitPort;
use super::traps;
use super::values::{MonitorHandle, NodeHandle, TimeSpan};
use super::words::{Opt, Place, Takes, Word, option, optional, required};
use crate::plan::{EngineChoice, Monitor, Node, NodeId, NodeKind, RestartPolicy};

pub(crate) const PORT: Opt = option(
    "port",
    Takes::Count(1, 65535),
    "the first free one from 6379, for sentinels from 26379",
    "port it listens on; several nodes declared at once get consecutive ones",
);
pub(crate) const IP: Opt = option("ip", Takes::Text, "\"127.0.0.1\"", "address it listens on");
pub(crate) const CONFIG: Opt = option(
    "config",
    Takes::Table,
    "",
    "directives of redis.conf, or of sentinel.conf; an array gives a directive several lines",
);
pub(crate) const ENGINE: Opt = option(
    "engine",
    Takes::Text,
    "\"topple\"",
    "server program: \"topple\", or another server's path or name, e.g. \"/usr/bin/redis-server\"",
);
pub(crate) const RESTART: Opt = option(
    "restart",
    Takes::Choice(&["no", "on-failure", "always"]),
    "\"no\"",
    "what happens when the process ends by itself",
);
pub(crate) const DATA: Opt = option("data", Takes::Text, "", "start from a copy of this directory");
pub(crate) const ENV: Opt = option("env", Takes::Table, "", "further environment variables");

const NODE: &[Opt] = &[PORT, IP, CONFIG, ENGINE, RESTART, DATA, ENV];

const PROCESS: &[Opt] = &[
    option("command", Takes::Array, "", "program and arguments, an array of strings; must be given"),
    option(
        "ready",
        Takes::Text,
        "",
        "it is ready when its output holds this; without it, when it is started",
    ),
    RESTART,
    ENV,
];

const MONITOR: &[Opt] = &[
    option("quorum", Takes::Count(1, i64::MAX), "a majority", "sentinels that must agree on ODOWN"),
    option("down_after", Takes::Duration, "\"30s\"", "silence after which a sentinel says SDOWN"),
    option("failover_timeout", Takes::Duration, "\"3m\"", "limit of a failover's steps"),
    option("parallel_syncs", Takes::Count(1, 1_000_000), "1", "replicas that resync at the same time"),
    option("notification_script", Takes::Text, "", "program run for events of level warning"),
    option("client_reconfig_script", Takes::Text, "", "program run when the master's address has changed"),
];

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "master",
        place: Place::Anywhere,
        params: &[required("name", Takes::NameOrMonitor), optional("options", Takes::Options)],
        variadic: false,
        options: NODE,
        gives: "a node",
        summary: "Declares a server without a master. Of a monitor, in an experiment: the node that most \
                  sentinels name as its master now.",
        run: master,
    },
    Word {
        name: "replica",
        place: Place::TopLevel,
        params: &[
            required("name", Takes::Name),
            required("of", Takes::Node),
            optional("options", Takes::Options),
        ],
        variadic: false,
        options: NODE,
        gives: "a node",
        summary: "Declares a server that replicates from another; from a replica, for a chain.",
        run: replica,
    },
    Word {
        name: "replicas",
        place: Place::TopLevel,
        params: &[
            required("prefix", Takes::Name),
            required("of", Takes::Node),
            required("count", Takes::Count(0, 1000)),
            optional("options", Takes::Options),
        ],
        variadic: false,
        options: NODE,
        gives: "an array of nodes",
        summary: "Declares so many replicas, named with the prefix and a number from 1.",
        run: replicas,
    },
    Word {
        name: "sentinel",
        place: Place::TopLevel,
        params: &[required("name", Takes::Name), optional("options", Takes::Options)],
        variadic: false,
        options: NODE,
        gives: "a node",
        summary: "Declares a sentinel; `monitor` says what it watches.",
        run: sentinel,
    },
    Word {
        name: "sentinels",
        place: Place::TopLevel,
        params: &[
            required("prefix", Takes::Name),
            required("count", Takes::Count(0, 1000)),
            optional("options", Takes::Options),
        ],
        variadic: false,
        options: NODE,
        gives: "an array of nodes",
        summary: "Declares so many sentinels, named with the prefix and a number from 1.",
        run: sentinels,
    },
    Word {
        name: "process",
        place: Place::TopLevel,
        params: &[required("name", Takes::Name), required("options", Takes::Options)],
        variadic: false,
        options: PROCESS,
        gives: "a node",
        summary: "Declares a program of your own, e.g. the application under test. It runs in the script's \
                  folder, is started when all servers and sentinels are ready, and is killed, paused, stopped \
                  and started like any node.",
        run: process,
    },
    Word {
        name: "addresses",
        place: Place::Anywhere,
        params: &[required("nodes", Takes::Nodes)],
        variadic: false,
        options: &[],
        gives: "a string: `ip:port,ip:port…`",
        summary: "The addresses of nodes, as programs take them in an environment variable.",
        run: addresses,
    },
    Word {
        name: "monitor",
        place: Place::TopLevel,
        params: &[
            required("sentinels", Takes::Nodes),
            required("name", Takes::Name),
            required("master", Takes::Node),
            optional("options", Takes::Options),
        ],
        variadic: false,
        options: MONITOR,
        gives: "a monitor",
        summary: "Has sentinels watch a master under a name.",
        run: monitor,
    },
];

fn master(call: &mut Call<'_>) -> Outcome {
    if let Some(monitor) = call.monitor_or_none(0) {
        return observe::master_of(call, &monitor);
    }
    let name = call.text(0).to_string();
    Takes::Name
        .accept(&name.clone().into())
        .map_err(|misfit| Failure::new(call.spot(0), misfit.message).note(misfit.hint))?;
    if call.session.inside_experiment() {
        return Err(Failure::new(
            Spot::Call,
            "`master(name)` declares, and is allowed at top level only, not inside an experiment",
        )
        .into());
    }
    let options = call.options(1)?;
    declare(call, name, NodeKind::Master, &options, 0).map(Dynamic::from)
}

fn replica(call: &mut Call<'_>) -> Outcome {
    let kind = replica_kind(call, 1)?;
    let options = call.options(2)?;
    declare(call, call.text(0).to_string(), kind, &options, 0).map(Dynamic::from)
}

fn replicas(call: &mut Call<'_>) -> Outcome {
    let kind = replica_kind(call, 1)?;
    let options = call.options(3)?;
    declare_many(call, call.int(2), &kind, &options)
}

fn sentinel(call: &mut Call<'_>) -> Outcome {
    let options = call.options(1)?;
    declare(call, call.text(0).to_string(), NodeKind::Sentinel, &options, 0).map(Dynamic::from)
}

fn sentinels(call: &mut Call<'_>) -> Outcome {
    let options = call.options(2)?;
    declare_many(call, call.int(1), &NodeKind::Sentinel, &options)
}

/// Declares a program of the user's.
fn process(call: &mut Call<'_>) -> Outcome {
    let name = call.text(0).to_string();
    check_unique_name(call, &name, None)?;
    let options = call.options(1)?;
    let command = options.get("command").and_then(|value| value.clone().into_array().ok());
    let command: Vec<String> = command.unwrap_or_default().iter().map(ToString::to_string).collect();
    if command.first().is_none_or(String::is_empty) {
        let message = "option `command` of `process` must name a program".to_owned();
        let hint = "write it as an array: `command: [\"python3\", \"app.py\"]`".to_owned();
        return Err(Failure::new(call.spot(1), message).note(hint).into());
    }
    let defaults = call.session.state.borrow().defaults.clone();
    let node = Node {
        kind: NodeKind::Process {
            command,
            cwd: call.session.script.folder(),
            ready: options.text("ready").map(|text| text.to_string()),
        },
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        engine: EngineChoice::Topple,
        config: BTreeMap::new(),
        env: env(&options, defaults.get("env")),
        data: None,
        restart: restart(&options.clone().or(&defaults)),
        position: call.session.place(call.context),
        name,
    };
    Ok(Dynamic::from(add(call, node)))
}

/// Puts a node into the plan.
fn add(call: &Call<'_>, node: Node) -> NodeHandle {
    let mut state = call.session.state.borrow_mut();
    let id = call.session.ids().node(&node.name, state.nodes.len());
    let handle = NodeHandle { id, node: Rc::new(node.clone()) };
    state.plan.nodes.push(node);
    state.nodes.push(handle.clone());
    handle
}

fn addresses(call: &mut Call<'_>) -> Outcome {
    let nodes = call.nodes(0);
    if let Some(process) = nodes.iter().find(|node| node.node.is_process()) {
        let message = format!("`{}` is a process: it has no address", process.node.name);
        return Err(Failure::new(call.spot(0), message).into());
    }
    let addresses: Vec<String> = nodes.iter().map(NodeHandle::address).collect();
    Ok(addresses.join(",").into())
}

fn restart(given: &Options) -> RestartPolicy {
    match given.text("restart").as_deref() {
        Some("always") => RestartPolicy::Always,
        Some("on-failure") => RestartPolicy::OnFailure,
        _ => RestartPolicy::No,
    }
}

/// What a replica follows, which must be a server.
fn replica_kind(call: &Call<'_>, param: usize) -> Outcome<NodeKind> {
    let of = call.node(param);
    if !of.is_server() {
        let (name, kind) = (&of.node.name, of.node.kind_name());
        let message = format!("`{name}` is a {kind}: a replica follows a master or a replica");
        return Err(Failure::new(call.spot(param), message).into());
    }
    Ok(NodeKind::Replica { of: of.id })
}

fn declare_many(call: &Call<'_>, count: i64, kind: &NodeKind, options: &Options) -> Outcome {
    let prefix = call.text(0);
    let nodes: Outcome<Array> = (0..count)
        .map(|index| {
            let name = format!("{prefix}{}", index + 1);
            declare(call, name, kind.clone(), options, index).map(Dynamic::from)
        })
        .collect();
    Ok(nodes?.into())
}

/// Declares the node that is `offset` after the one the options speak of.
fn declare(
    call: &Call<'_>,
    name: String,
    kind: NodeKind,
    options: &Options,
    offset: i64,
) -> Outcome<NodeHandle> {
    check_unique_name(call, &name, followed(&kind))?;
    let defaults = call.session.state.borrow().defaults.clone();
    let given = options.clone().or(&defaults);
    let config_defaults = if kind == NodeKind::Sentinel { "sentinel_config" } else { "config" };
    let ip = address(call, &given)?;
    let engine = engine(call, options, &given)?;
    let config = config(call, options, defaults.get(config_defaults), &kind)?;
    match &engine {
        EngineChoice::Topple => check_with_engine(call, options, &config)?,
        EngineChoice::Path(_) => traps::unknown_directives(call, options, &engine, &config),
    }
    let data = data(call, options)?;
    if kind == NodeKind::Master {
        traps::ignored_dump(call, options, &config, data.as_deref());
    }
    let node = Node {
        port: port(call, &name, &kind, ip, options, offset)?,
        ip,
        engine,
        config,
        env: env(options, defaults.get("env")),
        data,
        restart: restart(&given),
        position: call.session.place(call.context),
        name,
        kind,
    };
    Ok(add(call, node))
}

/// The node that a new one follows.
fn followed(kind: &NodeKind) -> Option<NodeId> {
    match kind {
        NodeKind::Replica { of } => Some(*of),
        _ => None,
    }
}

fn check_unique_name(call: &Call<'_>, name: &str, follows: Option<NodeId>) -> Outcome<()> {
    let known = {
        let state = call.session.state.borrow();
        let known = state.plan.nodes.iter().position(|node| node.name == name);
        known.map(|index| (state.nodes[index].id, state.plan.nodes[index].position.line))
    };
    let Some((id, line)) = known else { return Ok(()) };
    let failure = match follows == Some(id) {
        true => Failure::new(call.spot(0), format!("`{name}` would be a replica of itself"))
            .note(format!("`{name}` is declared at line {line}: give its replica a name of its own")),
        false => Failure::new(call.spot(0), format!("there are two nodes named `{name}`"))
            .note(format!("the other one is declared at line {line}")),
    };
    call.session.mistake(call.context, failure)
}

fn address(call: &Call<'_>, given: &Options) -> Outcome<IpAddr> {
    const DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(text) = given.text("ip") else { return Ok(DEFAULT) };
    if let Ok(ip) = text.parse() {
        return Ok(ip);
    }
    let hint = if text == "localhost" {
        "write 127.0.0.1: sentinels tell nodes apart by address, and `localhost` beside it is another one"
    } else {
        "an address looks like 127.0.0.1"
    };
    let failure = Failure::new(given.value_spot("ip"), format!("option `ip`: {text:?} is not an address"))
        .note(hint.to_owned());
    call.session.mistake(call.context, failure)?;
    Ok(DEFAULT)
}

fn port(
    call: &Call<'_>,
    name: &str,
    kind: &NodeKind,
    ip: IpAddr,
    options: &Options,
    offset: i64,
) -> Outcome<u16> {
    let Some(base) = options.int("port") else { return automatic_port(call, name, kind, ip) };
    let Ok(port) = u16::try_from(base + offset) else {
        let message = format!("`{name}` would get port {}, beyond 65535", base + offset);
        return Err(Failure::new(options.value_spot("port"), message).into());
    };
    let taken = {
        let mut state = call.session.state.borrow_mut();
        // A port that was given out is no mistake of the script's: evaluation starts over without it.
        let known = state.explicit_ports.iter().find(|known| (known.ip, known.port) == (ip, port));
        let taken = known.map(|known| (known.node.clone(), known.line));
        let line = call.position().line().unwrap_or(0);
        state.explicit_ports.push(ExplicitPort { ip, port, node: name.to_owned(), line });
        state.ports.claim(ip, port);
        taken
    };
    if let Some((holder, line)) = taken {
        let failure = Failure::new(
            options.value_spot("port"),
            format!("port {port} is taken twice: `{name}` wants it, and `{holder}` has it"),
        )
        .note(format!("`{holder}` is declared at line {line}"));
        let master = followed(kind).and_then(|id| call.session.handle(id));
        let itself = master.filter(|master| master.node.name == holder);
        let failure = failure
            .note(itself.map(|_| format!("`{name}` follows `{holder}`: it would be a replica of itself")));
        call.session.mistake(call.context, failure)?;
    }
    Ok(port)
}

fn automatic_port(call: &Call<'_>, name: &str, kind: &NodeKind, ip: IpAddr) -> Outcome<u16> {
    let first = if *kind == NodeKind::Sentinel { 26379 } else { 6379 };
    let mut state = call.session.state.borrow_mut();
    state.automatic_ports += 1;
    state.ports.allocate(name, ip, first).ok_or_else(|| {
        Failure::new(Spot::Call, format!("there is no free port from {first} for `{name}`")).into()
    })
}

/// The node's own choice, then `run --engine`, then `defaults`.
fn engine(call: &Call<'_>, options: &Options, given: &Options) -> Outcome<EngineChoice> {
    let text = match (options.text("engine"), &call.session.inputs.engine) {
        (Some(own), _) => own,
        (None, Some(engine)) => {
            if let EngineChoice::Path(path) = engine {
                traps::given_program(call, "`--engine`", Spot::Call, path);
            }
            return Ok(engine.clone());
        }
        (None, None) => match given.text("engine") {
            Some(default) => default,
            None => return Ok(EngineChoice::Topple),
        },
    };
    if text == "topple" {
        return Ok(EngineChoice::Topple);
    }
    let spot = options.get("engine").map_or(Spot::Call, |_| options.value_spot("engine"));
    Ok(EngineChoice::Path(traps::program(call, spot, &text)))
}

/// The node's directives, with those of `defaults` where it says nothing itself.
fn config(
    call: &Call<'_>,
    options: &Options,
    defaults: Option<&Dynamic>,
    kind: &NodeKind,
) -> Outcome<BTreeMap<String, String>> {
    let inherited = defaults.and_then(|map| map.clone().try_cast::<Map>()).unwrap_or_default();
    let mut config: BTreeMap<String, String> = inherited
        .into_iter()
        .filter_map(|(name, value)| {
            // What does not fit was said where `defaults` stands.
            Some((name.to_lowercase(), directives::value(&name, &value.flatten(), kind).ok()?))
        })
        .collect();
    config.extend(directives_of(call, options, "config", kind)?);
    Ok(config)
}

/// Asks Topple's engine whether it would start with these directives.
fn check_with_engine(call: &Call<'_>, options: &Options, config: &BTreeMap<String, String>) -> Outcome<()> {
    for (name, text) in config {
        if let Some(misfit) = directives::refused_by_engine(name, text) {
            let spot = options.inner_spot("config", name);
            call.session.mistake(call.context, Failure::new(spot, misfit.message).note(misfit.hint))?;
        }
    }
    Ok(())
}

/// The directives of an option's map; those that do not fit are noted.
pub(crate) fn directives_of(
    call: &Call<'_>,
    options: &Options,
    option: &str,
    kind: &NodeKind,
) -> Outcome<BTreeMap<String, String>> {
    let mut directives = BTreeMap::new();
    for (name, value) in options.table(option).unwrap_or_default() {
        match directives::value(&name, &value.flatten(), kind) {
            Ok(text) => {
                directives.insert(name.to_lowercase(), text);
            }
            Err(misfit) => {
                let spot = options.inner_spot(option, &name);
                call.session.mistake(call.context, Failure::new(spot, misfit.message).note(misfit.hint))?;
            }
        }
    }
    Ok(directives)
}

fn env(options: &Options, defaults: Option<&Dynamic>) -> BTreeMap<String, String> {
    let inherited = defaults.and_then(|map| map.clone().try_cast::<Map>()).unwrap_or_default();
    inherited
        .into_iter()
        .chain(options.table("env").unwrap_or_default())
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

fn data(call: &Call<'_>, options: &Options) -> Outcome<Option<PathBuf>> {
    let Some(text) = options.text("data") else { return Ok(None) };
    let path = call.session.script.resolve(&text);
    if !path.is_dir() {
        let message = format!("option `data`: {} is not a directory", path.display());
        call.session.mistake(call.context, Failure::new(options.value_spot("data"), message))?;
    }
    Ok(Some(path))
}

fn monitor(call: &mut Call<'_>) -> Outcome {
    let sentinels = call.nodes(0);
    let name = call.text(1);
    let master = call.node(2);
    let options = call.options(3)?;
    check_monitor(call, &sentinels, &name, &master)?;
    let quorum = quorum(call, &options, sentinels.len())?;
    let span = |key: &str, default_s: i64| {
        let span = options.span(key).unwrap_or(TimeSpan(default_s * 1_000_000));
        Duration::from_micros(span.0.max(0) as u64)
    };
    let declared = Monitor {
        name: name.to_string(),
        master: master.id,
        sentinels: sentinels.iter().map(|node| node.id).collect(),
        quorum,
        down_after: at_least_one_ms(call, &options, "down_after", span("down_after", 30))?,
        failover_timeout: at_least_one_ms(call, &options, "failover_timeout", span("failover_timeout", 180))?,
        parallel_syncs: options.int("parallel_syncs").unwrap_or(1) as u32,
        notification_script: script(call, &options, "notification_script"),
        client_reconfig_script: script(call, &options, "client_reconfig_script"),
        position: call.session.place(call.context),
    };
    let mut state = call.session.state.borrow_mut();
    let id = call.session.ids().monitor(&name, state.plan.monitors.len());
    state.plan.monitors.push(declared);
    Ok(Dynamic::from(MonitorHandle { id, name }))
}

/// sentinel.conf counts in whole milliseconds, and refuses 0.
fn at_least_one_ms(call: &Call<'_>, options: &Options, key: &str, given: Duration) -> Outcome<Duration> {
    if given.as_millis() == 0 {
        let failure =
            Failure::new(options.value_spot(key), format!("option `{key}`: must be at least \"1ms\""));
        call.session.mistake(call.context, failure)?;
    }
    Ok(given)
}

fn check_monitor(call: &Call<'_>, sentinels: &[NodeHandle], name: &str, master: &NodeHandle) -> Outcome<()> {
    if let Some(wrong) = sentinels.iter().find(|node| !node.is_sentinel()) {
        let message = format!("`{}` is not a sentinel", wrong.node.name);
        return Err(Failure::new(call.spot(0), message)
            .note("`monitor` is used as `monitor(sentinels, name, master, [options])`".to_owned())
            .into());
    }
    if master.node.kind != NodeKind::Master {
        let (name, what) = (&master.node.name, master.node.kind_name());
        let message = format!("`{name}` is a {what}: sentinels monitor a master");
        return Err(Failure::new(call.spot(2), message).into());
    }
    let earlier: Vec<Monitor> = {
        let state = call.session.state.borrow();
        state.plan.monitors.iter().filter(|monitor| monitor.name == name).cloned().collect()
    };
    for monitor in earlier {
        let shared = sentinels.iter().find(|node| monitor.sentinels.contains(&node.id));
        let line = monitor.position.line;
        if let Some(sentinel) = shared {
            let message = format!("`{}` already monitors a master named `{name}`", sentinel.node.name);
            let failure = Failure::new(call.spot(1), message).note(format!("see line {line}"));
            call.session.mistake(call.context, failure)?;
        } else if monitor.master != master.id {
            let message = format!("other sentinels monitor another master under the name `{name}`");
            let warning = Failure::new(call.spot(1), message)
                .note(format!("see line {line}: clients that ask both groups get two answers"));
            call.session.warn(call.context, warning);
        }
    }
    Ok(())
}

fn quorum(call: &Call<'_>, options: &Options, sentinels: usize) -> Outcome<u32> {
    let majority = sentinels / 2 + 1;
    let quorum = options.int("quorum").unwrap_or(majority as i64);
    if quorum > sentinels as i64 {
        let failure = Failure::new(
            options.value_spot("quorum"),
            format!("a quorum of {quorum} cannot be reached by {sentinels} sentinels"),
        )
        .note(format!("a majority of {sentinels} is {majority}"));
        call.session.mistake(call.context, failure)?;
    }
    if sentinels > 0 && sentinels.is_multiple_of(2) {
        let warning = Failure::new(call.spot(0), format!("{sentinels} sentinels are an even number"))
            .note("one more costs little: an even number survives no more failures than one less".to_owned());
        call.session.warn(call.context, warning);
    }
    Ok(quorum as u32)
}

fn script(call: &Call<'_>, options: &Options, key: &str) -> Option<PathBuf> {
    let text = options.text(key)?;
    let found = call.session.script.resolve_program(&text);
    if let Some(trouble) = found.trouble {
        let warning = Failure::new(options.value_spot(key), format!("`{key}`: {trouble}")).note(
            "a sentinel started by hand refuses it; here each run of it fails, and the report says so"
                .to_owned(),
        );
        call.session.warn(call.context, warning);
    }
    Some(found.path)
}
