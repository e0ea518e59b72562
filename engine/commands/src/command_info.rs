//! COMMAND and its subcommands: the table, told to clients.

use resp::{Args, Writer};
use types::glob::{Case, matches};
use types::spec::{Begin, Find, KeySpec};
use types::{Command, CommandError, Flags, Meta};

use crate::acl::Categories;
use crate::admin::{container, help, plain};
use crate::client::Client;
use crate::command_keys::{self, KeyUse};
use crate::server::Server;
use crate::table::{AdminHandler, Entry, Table};

const BASE: Meta = Meta {
    group: "server",
    since: "2.8.13",
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
    acl: &["connection"],
    ..Meta::BASE
};

/// The commands come in any order.
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[Command {
    run: all,
    ..container(
        Meta { name: "command", summary: "Describes all commands.", arity: -1, tips: UNORDERED, ..BASE },
        &[
            plain(Meta { name: "count", summary: "Counts the commands.", arity: 2, ..BASE }, count),
            plain(
                Meta {
                    name: "info",
                    tips: UNORDERED,
                    summary: "Describes some commands.",
                    arity: -2,
                    args: "[command-name [command-name ...]]",
                    ..BASE
                },
                info,
            ),
            plain(
                Meta {
                    name: "docs",
                    tips: UNORDERED,
                    summary: "Documents some commands.",
                    since: "7.0.0",
                    arity: -2,
                    args: "[command-name [command-name ...]]",
                    ..BASE
                },
                docs,
            ),
            plain(
                Meta {
                    name: "list",
                    tips: UNORDERED,
                    summary: "Names the commands.",
                    since: "7.0.0",
                    arity: -2,
                    args: "[FILTERBY MODULE module-name | ACLCAT category | PATTERN pattern]",
                    ..BASE
                },
                list,
            ),
            plain(
                Meta {
                    name: "getkeys",
                    summary: "Picks the keys out of a command.",
                    arity: -3,
                    args: "command [arg [arg ...]]",
                    ..BASE
                },
                getkeys,
            ),
            plain(
                Meta {
                    name: "getkeysandflags",
                    summary: "Picks the keys out of a command, with what happens to them.",
                    since: "7.0.0",
                    arity: -3,
                    args: "command [arg [arg ...]]",
                    ..BASE
                },
                getkeysandflags,
            ),
            plain(
                Meta { name: "help", summary: "Lists the subcommands.", since: "5.0.0", arity: 2, ..BASE },
                help_,
            ),
        ],
    )
}];

fn all(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let mut writer = client.writer();
    writer.array(server.table.entries().len());
    server.table.entries().iter().for_each(|entry| describe(&mut writer, entry));
    Ok(())
}

fn count(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    client.writer().int(server.table.entries().len() as i64);
    Ok(())
}

fn info(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() == 2 {
        return all(server, client, args);
    }
    let mut writer = client.writer();
    writer.array(args.len() - 2);
    for name in args.from(2).iter() {
        match server.table.find_full(name) {
            Some(entry) => describe(&mut writer, entry),
            None => writer.null_array(),
        }
    }
    Ok(())
}

fn names_of(flags: Flags) -> Vec<&'static str> {
    // What only the server itself goes by is not shown.
    let hidden = [Flags::SENTINEL, Flags::ONLY_SENTINEL, Flags::MAY_REPLICATE];
    let shown = |(flag, _): &&(Flags, &str)| flags.has(*flag) && !hidden.contains(flag);
    Flags::NAMES.iter().filter(shown).map(|(_, name)| *name).collect()
}

fn describe(writer: &mut Writer<'_>, entry: &Entry) {
    let meta = entry.meta;
    let (first, last, step) = legacy_range(meta.keys);
    writer.array(10);
    writer.bulk(entry.full_name.as_bytes());
    writer.int(i64::from(meta.arity));
    let flags = names_of(meta.flags);
    writer.set(flags.len());
    flags.iter().for_each(|flag| writer.simple(flag));
    for number in [first, last, step] {
        writer.int(i64::from(number));
    }
    let categories: Vec<&str> = entry.categories.names().collect();
    writer.set(categories.len());
    categories.iter().for_each(|category| writer.simple(&format!("@{category}")));
    writer.set(meta.tips.len());
    meta.tips.iter().for_each(|tip| writer.bulk(tip.as_bytes()));
    writer.set(meta.keys.len());
    meta.keys.iter().for_each(|spec| describe_keys(writer, spec));
    writer.array(entry.subcommands.len());
    entry.subcommands.iter().for_each(|sub| describe(writer, sub));
}

/// First key, last key and step, as clients older than key specifications want them: all ranges that
/// follow each other, as one.
fn legacy_range(specs: &[KeySpec]) -> (i32, i32, i32) {
    let mut whole: Option<(i32, i32, i32)> = None;
    for spec in specs {
        let KeySpec { begin: Begin::Index(first), find: Find::Range(last, step, _), .. } = spec else {
            continue;
        };
        let last = if *last >= 0 { first + last } else { *last };
        whole = match whole {
            None => Some((*first, last, *step)),
            Some((from, to, _)) if to + 1 == *first => Some((from, last, 1)),
            other => other,
        };
    }
    whole.unwrap_or((0, 0, 0))
}

fn describe_keys(writer: &mut Writer<'_>, spec: &KeySpec) {
    let numbers = |writer: &mut Writer<'_>, fields: &[(&str, i32)]| {
        writer.map(fields.len());
        for (name, value) in fields {
            writer.bulk(name.as_bytes());
            writer.int(i64::from(*value));
        }
    };
    let unknown = |writer: &mut Writer<'_>| {
        writer.bulk(b"unknown");
        writer.bulk(b"spec");
        writer.map(0);
    };
    writer.map(3);
    writer.bulk(b"flags");
    writer.set(spec.flags.len());
    spec.flags.iter().for_each(|flag| writer.simple(flag));
    writer.bulk(b"begin_search");
    writer.map(2);
    writer.bulk(b"type");
    match spec.begin {
        Begin::Index(index) => {
            writer.bulk(b"index");
            writer.bulk(b"spec");
            numbers(writer, &[("index", index)]);
        }
        Begin::Keyword(word, from) => {
            writer.bulk(b"keyword");
            writer.bulk(b"spec");
            writer.map(2);
            writer.bulk(b"keyword");
            writer.bulk(word.as_bytes());
            writer.bulk(b"startfrom");
            writer.int(i64::from(from));
        }
        Begin::Unknown => unknown(writer),
    }
    writer.bulk(b"find_keys");
    writer.map(2);
    writer.bulk(b"type");
    match spec.find {
        Find::Range(last, step, limit) => {
            writer.bulk(b"range");
            writer.bulk(b"spec");
            numbers(writer, &[("lastkey", last), ("keystep", step), ("limit", limit)]);
        }
        Find::Count(index, first, step) => {
            writer.bulk(b"keynum");
            writer.bulk(b"spec");
            numbers(writer, &[("keynumidx", index), ("firstkey", first), ("keystep", step)]);
        }
        Find::Unknown => unknown(writer),
    }
}

fn docs(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let found: Vec<&Entry> = match args.len() {
        2 => server.table.entries().iter().collect(),
        _ => args.from(2).iter().filter_map(|name| server.table.find_full(name)).collect(),
    };
    let mut writer = client.writer();
    writer.map(found.len());
    found.iter().for_each(|entry| document(&mut writer, entry));
    Ok(())
}

fn document(writer: &mut Writer<'_>, entry: &Entry) {
    let meta = entry.meta;
    let arguments = types::notation::arguments(meta.args);
    writer.bulk(entry.full_name.as_bytes());
    let deprecated = if meta.deprecated.is_some() { 3 } else { 0 };
    writer.map(
        4 + deprecated + usize::from(!arguments.is_empty()) + usize::from(!entry.subcommands.is_empty()),
    );
    for (name, value) in [
        ("summary", meta.summary),
        ("since", meta.since),
        ("group", meta.group),
        ("complexity", meta.complexity),
    ] {
        writer.bulk(name.as_bytes());
        writer.bulk(value.as_bytes());
    }
    if let Some((since, instead)) = meta.deprecated {
        writer.bulk(b"doc_flags");
        writer.set(1);
        writer.simple("deprecated");
        writer.bulk(b"deprecated_since");
        writer.bulk(since.as_bytes());
        writer.bulk(b"replaced_by");
        writer.bulk(instead.as_bytes());
    }
    if !arguments.is_empty() {
        writer.bulk(b"arguments");
        writer.array(arguments.len());
        arguments.iter().for_each(|argument| document_argument(writer, argument));
    }
    if !entry.subcommands.is_empty() {
        writer.bulk(b"subcommands");
        writer.map(entry.subcommands.len());
        entry.subcommands.iter().for_each(|sub| document(writer, sub));
    }
}

fn document_argument(writer: &mut Writer<'_>, argument: &types::notation::Argument) {
    let flags = argument.flags();
    let fields = 2
        + usize::from(argument.children.is_empty() && argument.kind != "pure-token")
        + usize::from(argument.token.is_some())
        + usize::from(!flags.is_empty())
        + usize::from(!argument.children.is_empty())
        + usize::from(argument.kind == "key");
    writer.map(fields);
    writer.bulk(b"name");
    writer.bulk(argument.name.as_bytes());
    writer.bulk(b"type");
    writer.bulk(argument.kind.as_bytes());
    if argument.children.is_empty() && argument.kind != "pure-token" {
        writer.bulk(b"display_text");
        writer.bulk(argument.name.as_bytes());
    }
    if argument.kind == "key" {
        writer.bulk(b"key_spec_index");
        writer.int(0);
    }
    if let Some(token) = &argument.token {
        writer.bulk(b"token");
        writer.bulk(token.as_bytes());
    }
    if !flags.is_empty() {
        writer.bulk(b"flags");
        writer.set(flags.len());
        flags.iter().for_each(|flag| writer.simple(flag));
    }
    if !argument.children.is_empty() {
        writer.bulk(b"arguments");
        writer.array(argument.children.len());
        argument.children.iter().for_each(|child| document_argument(writer, child));
    }
}

fn list(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let filter = match args.len() {
        2 => None,
        5 if args.at(2).eq_ignore_ascii_case(b"filterby") => {
            let kind = args.at(3).to_ascii_lowercase();
            if !matches!(kind.as_slice(), b"module" | b"aclcat" | b"pattern") {
                return Err(CommandError::Syntax);
            }
            Some((kind, args.at(4)))
        }
        _ => return Err(CommandError::Syntax),
    };
    let wanted = |entry: &Entry| match &filter {
        None => true,
        Some((kind, word)) => match kind.as_slice() {
            b"module" => false,
            b"aclcat" => Categories::named(word).is_some_and(|category| entry.categories.has(category)),
            _ => matches(word, entry.full_name.as_bytes(), Case::Insensitive),
        },
    };
    let all =
        server.table.entries().iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands));
    let names: Vec<&str> = all.filter(|entry| wanted(entry)).map(|entry| entry.full_name.as_str()).collect();
    let mut writer = client.writer();
    writer.array(names.len());
    names.iter().for_each(|name| writer.bulk(name.as_bytes()));
    Ok(())
}

/// The keys of a command and what happens to them.
fn keys_of(table: &'static Table, args: Args<'_>) -> Result<Vec<KeyUse>, CommandError> {
    let entry = table.resolve(args).ok_or(CommandError::new("ERR Invalid command specified"))?;
    if !command_keys::has_keys(entry) {
        return Err(CommandError::new("ERR The command has no key arguments"));
    }
    if !entry.meta.accepts(args.len()) {
        return Err(CommandError::new("ERR Invalid number of arguments specified for command"));
    }
    match command_keys::keys_of(entry, args) {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        // A script need not have keys.
        _ if entry.meta.group == "scripting" => Ok(Vec::new()),
        _ => Err(CommandError::new("ERR Invalid arguments specified for command")),
    }
}

fn getkeys(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let args = args.from(2);
    let keys = keys_of(server.table, args)?;
    let mut writer = client.writer();
    writer.array(keys.len());
    keys.iter().for_each(|key| writer.bulk(args.at(key.at)));
    Ok(())
}

fn getkeysandflags(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let args = args.from(2);
    let keys = keys_of(server.table, args)?;
    let mut writer = client.writer();
    writer.array(keys.len());
    for key in keys {
        writer.array(2);
        writer.bulk(args.at(key.at));
        writer.set(key.flags.len());
        key.flags.iter().for_each(|flag| writer.simple(flag));
    }
    Ok(())
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Describe all commands.",
            "COUNT",
            "    How many there are.",
            "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
            "    Their names.",
            "INFO [<name> ...]",
            "    Arity, flags, keys of some commands.",
            "DOCS [<name> ...]",
            "    Their documentation.",
            "GETKEYS <command>",
            "    The keys of a whole command.",
            "GETKEYSANDFLAGS <command>",
            "    The same, with what happens to each.",
        ],
    );
    Ok(())
}
