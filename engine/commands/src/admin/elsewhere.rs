//! Commands of parts that this server does without: cluster mode and modules.
//!
//! They are there because clients, ACL rules and `COMMAND` know them, and they answer as a Redis server whose
//! cluster support is disabled, and which finds no module to load.

use resp::Args;
use types::{Command, CommandError, Flags, Meta};

use super::{container, help, plain};
use crate::client::Client;
use crate::config::Level;
use crate::server::Server;
use crate::table::AdminHandler;

const CLUSTER: Meta = Meta { group: "cluster", since: "3.0.0", flags: Flags::STALE, ..Meta::BASE };
const CHANGES: Flags = Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING);
const READS: Flags = Flags::ADMIN.and(Flags::STALE);
const ANY_ORDER: &[&str] = &["nondeterministic_output"];
const PER_SLOT: &str = "O(N) where N is the number of slots given";
const PER_NODE: &str = "O(N) where N is the number of known nodes";

/// A subcommand of CLUSTER.
const fn cluster(
    name: &'static str,
    arity: i32,
    flags: Flags,
    summary: &'static str,
) -> Command<AdminHandler> {
    plain(Meta { name, arity, flags, summary, ..CLUSTER }, disabled)
}

/// The same with what few of them have.
const fn with(
    command: Command<AdminHandler>,
    since: &'static str,
    complexity: &'static str,
    tips: &'static [&'static str],
) -> Command<AdminHandler> {
    Command { meta: Meta { since, complexity, tips, ..command.meta }, ..command }
}

const OF_CLUSTER: &[Command<AdminHandler>] = &[
    with(cluster("addslots", -3, CHANGES, "Gives this node hash slots."), "3.0.0", PER_SLOT, &[]),
    with(
        cluster("addslotsrange", -4, CHANGES, "Gives this node ranges of hash slots."),
        "7.0.0",
        PER_SLOT,
        &[],
    ),
    with(cluster("bumpepoch", 2, CHANGES, "Raises the configuration epoch."), "3.0.0", "O(1)", ANY_ORDER),
    with(
        cluster("count-failure-reports", 3, READS, "Counts the failure reports about a node."),
        "3.0.0",
        "O(N) where N is the number of reports",
        ANY_ORDER,
    ),
    cluster("countkeysinslot", 3, Flags::STALE, "Counts the keys of a hash slot."),
    with(cluster("delslots", -3, CHANGES, "Takes hash slots from this node."), "3.0.0", PER_SLOT, &[]),
    with(
        cluster("delslotsrange", -4, CHANGES, "Takes ranges of hash slots from this node."),
        "7.0.0",
        PER_SLOT,
        &[],
    ),
    cluster("failover", -2, CHANGES, "Has this replica take its master's place."),
    cluster("flushslots", 2, CHANGES, "Takes all hash slots from this node."),
    cluster("forget", 3, CHANGES, "Removes a node from the table of nodes."),
    with(
        cluster("getkeysinslot", 4, Flags::STALE, "Names keys of a hash slot."),
        "3.0.0",
        "O(log(N)) where N is the number of keys asked for",
        ANY_ORDER,
    ),
    plain(
        Meta {
            name: "help",
            arity: 2,
            since: "5.0.0",
            flags: Flags::LOADING.and(Flags::STALE),
            summary: "Lists the subcommands.",
            ..CLUSTER
        },
        cluster_help,
    ),
    with(cluster("info", 2, Flags::STALE, "Tells how the cluster is."), "3.0.0", "O(1)", ANY_ORDER),
    with(
        cluster("keyslot", 3, Flags::STALE, "Tells the hash slot of a key."),
        "3.0.0",
        "O(N) where N is the length of the key",
        &[],
    ),
    with(cluster("links", 2, Flags::STALE, "Lists the links to other nodes."), "7.0.0", PER_NODE, ANY_ORDER),
    cluster("meet", -4, CHANGES, "Introduces a node to the cluster."),
    cluster("myid", 2, Flags::STALE, "Tells this node's id."),
    with(
        cluster("myshardid", 2, Flags::STALE, "Tells the id of this node's shard."),
        "7.2.0",
        "O(1)",
        ANY_ORDER,
    ),
    with(cluster("nodes", 2, Flags::STALE, "Lists the nodes."), "3.0.0", PER_NODE, ANY_ORDER),
    with(cluster("replicas", 3, READS, "Lists the replicas of a node."), "5.0.0", PER_NODE, ANY_ORDER),
    cluster("replicate", 3, CHANGES, "Makes this node the replica of another."),
    with(
        cluster(
            "reset",
            -2,
            Flags::ADMIN.and(Flags::STALE).and(Flags::NOSCRIPT),
            "Makes this node one that belongs to no cluster.",
        ),
        "3.0.0",
        "O(N) where N is the number of known nodes; it may empty the databases",
        &[],
    ),
    cluster("saveconfig", 2, CHANGES, "Writes the table of nodes to its file."),
    cluster("set-config-epoch", 3, CHANGES, "Sets the configuration epoch of a new node."),
    cluster("setslot", -4, CHANGES, "Says whose a hash slot is."),
    with(cluster("shards", 2, Flags::STALE, "Lists the shards."), "7.0.0", PER_NODE, ANY_ORDER),
    Command {
        meta: Meta {
            deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
            ..with(cluster("slaves", 3, READS, "Lists the replicas of a node."), "3.0.0", PER_NODE, ANY_ORDER)
                .meta
        },
        run: disabled,
        subcommands: &[],
    },
    Command {
        meta: Meta {
            deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
            ..with(
                cluster("slots", 2, Flags::STALE, "Lists who has which slots."),
                "3.0.0",
                PER_NODE,
                ANY_ORDER,
            )
            .meta
        },
        run: disabled,
        subcommands: &[],
    },
];

const MODULE: Meta = Meta { group: "server", since: "4.0.0", ..Meta::BASE };
const LOADS: Flags = Flags::ADMIN.and(Flags::NO_ASYNC_LOADING).and(Flags::NOSCRIPT).and(Flags::PROTECTED);
const CONNECTION: Meta = Meta { acl: &["connection"], flags: Flags::FAST, ..CLUSTER };
const ALWAYS: Flags = Flags::FAST.and(Flags::LOADING).and(Flags::STALE);

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[
    container(
        Meta {
            name: "cluster",
            summary: "Groups the commands of cluster mode.",
            complexity: "By subcommand",
            arity: -2,
            flags: Flags::NONE,
            ..CLUSTER
        },
        OF_CLUSTER,
    ),
    plain(
        Meta { name: "asking", summary: "Announces a request that was redirected.", ..CONNECTION },
        disabled,
    ),
    plain(
        Meta {
            name: "readonly",
            summary: "Lets this connection read from a replica.",
            flags: ALWAYS,
            ..CONNECTION
        },
        disabled,
    ),
    plain(
        Meta { name: "readwrite", summary: "Ends what READONLY began.", flags: ALWAYS, ..CONNECTION },
        disabled,
    ),
    container(
        Meta {
            name: "module",
            summary: "Groups the commands on modules.",
            complexity: "By subcommand",
            arity: -2,
            ..MODULE
        },
        &[
            plain(
                Meta {
                    name: "help",
                    arity: 2,
                    since: "5.0.0",
                    flags: Flags::LOADING.and(Flags::STALE),
                    summary: "Lists the subcommands.",
                    ..MODULE
                },
                module_help,
            ),
            plain(
                Meta {
                    name: "list",
                    arity: 2,
                    complexity: "O(N) where N is the number of modules",
                    flags: Flags::ADMIN.and(Flags::NOSCRIPT),
                    tips: &["nondeterministic_output_order"],
                    summary: "Lists the modules.",
                    ..MODULE
                },
                module_list,
            ),
            plain(
                Meta { name: "load", arity: -3, flags: LOADS, summary: "Loads a module.", ..MODULE },
                module_load,
            ),
            plain(
                Meta {
                    name: "loadex",
                    arity: -3,
                    since: "7.0.0",
                    flags: LOADS,
                    summary: "Loads a module with its configuration.",
                    ..MODULE
                },
                module_load,
            ),
            plain(
                Meta { name: "unload", arity: 3, flags: LOADS, summary: "Unloads a module.", ..MODULE },
                module_unload,
            ),
        ],
    ),
];

fn disabled(_: &mut Server, _: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    Err(CommandError::new("ERR This instance has cluster support disabled"))
}

fn cluster_help(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let lines: Vec<String> = OF_CLUSTER
        .iter()
        .filter(|command| command.meta.name != "help")
        .flat_map(|command| [command.meta.name.to_uppercase(), format!("    {}", command.meta.summary)])
        .collect();
    help(client, "CLUSTER", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    Ok(())
}

fn module_help(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "MODULE",
        &[
            "LIST",
            "    List the modules.",
            "LOAD <path> [<arg> ...]",
            "    Load a module; this server has none to load.",
            "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
            "    The same with its configuration.",
            "UNLOAD <name>",
            "    Unload a module.",
        ],
    );
    Ok(())
}

fn module_list(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    client.writer().array(0);
    Ok(())
}

fn module_load(server: &mut Server, _: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let path = String::from_utf8_lossy(args.at(2)).into_owned();
    server.log(Level::Warning, format!("Module {path} failed to load: this server runs no modules"));
    Err(CommandError::new("ERR Error loading the extension. Please check the server logs."))
}

fn module_unload(_: &mut Server, _: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    Err(CommandError::new("ERR Error unloading module: no such module with that name"))
}
