//! The declarations of EVAL and its like, SCRIPT and FUNCTION.

use types::spec::{Begin, Find, KeySpec};
use types::{Command, Flags, Meta};

use super::{eval, functions};
use crate::admin::{container, plain};
use crate::table::AdminHandler;

const RUNS: Flags = Flags::NOSCRIPT
    .and(Flags::STALE)
    .and(Flags::SKIP_MONITOR)
    .and(Flags::NO_MANDATORY_KEYS)
    .and(Flags::MOVABLEKEYS);
const READS: Flags = RUNS.and(Flags::READONLY);
const KEYS: KeySpec =
    KeySpec { flags: &["RW", "access", "update"], begin: Begin::Index(2), find: Find::Count(0, 1, 1) };
const READ_KEYS: KeySpec = KeySpec { flags: &["RO", "access"], ..KEYS };

const BASE: Meta = Meta { group: "scripting", acl: &["scripting"], arity: -3, ..Meta::BASE };
const RUN: Meta = Meta {
    complexity: "Depends on the script that is executed.",
    flags: RUNS.and(Flags::MAY_REPLICATE),
    keys: &[KEYS],
    ..BASE
};
const RUN_RO: Meta = Meta { since: "7.0.0", flags: READS, keys: &[READ_KEYS], ..RUN };
const TEXT_ARGS: &str = "script numkeys:integer [key [key ...]] [arg [arg ...]]";
const SHA_ARGS: &str = "sha1 numkeys:integer [key [key ...]] [arg [arg ...]]";
const CALL_ARGS: &str = "function numkeys:integer [key [key ...]] [arg [arg ...]]";

const ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const ONE_OF_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:one_succeeded"];

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[
    plain(
        Meta { name: "eval", summary: "Runs a script.", since: "2.6.0", args: TEXT_ARGS, ..RUN },
        eval::eval,
    ),
    plain(
        Meta { name: "eval_ro", summary: "Runs a script that writes nothing.", args: TEXT_ARGS, ..RUN_RO },
        eval::eval_ro,
    ),
    plain(
        Meta {
            name: "evalsha",
            summary: "Runs a cached script by its SHA-1.",
            since: "2.6.0",
            args: SHA_ARGS,
            ..RUN
        },
        eval::evalsha,
    ),
    plain(
        Meta {
            name: "evalsha_ro",
            summary: "Runs a cached script that writes nothing by its SHA-1.",
            args: SHA_ARGS,
            ..RUN_RO
        },
        eval::evalsha_ro,
    ),
    plain(
        Meta {
            name: "fcall",
            summary: "Calls a function.",
            since: "7.0.0",
            complexity: "Depends on the function that is executed.",
            args: CALL_ARGS,
            ..RUN
        },
        functions::fcall,
    ),
    plain(
        Meta {
            name: "fcall_ro",
            summary: "Calls a function that writes nothing.",
            complexity: "Depends on the function that is executed.",
            args: CALL_ARGS,
            ..RUN_RO
        },
        functions::fcall_ro,
    ),
    container(
        Meta {
            name: "script",
            summary: "Manages cached scripts.",
            since: "2.6.0",
            complexity: "Depends on subcommand.",
            arity: -2,
            acl: &[],
            ..BASE
        },
        SCRIPT,
    ),
    container(
        Meta {
            name: "function",
            summary: "Manages libraries of functions.",
            since: "7.0.0",
            complexity: "Depends on subcommand.",
            arity: -2,
            acl: &[],
            ..BASE
        },
        FUNCTION,
    ),
];

const OF_SCRIPT: Meta = Meta { since: "2.6.0", flags: Flags::NOSCRIPT, ..BASE };

const SCRIPT: &[Command<AdminHandler>] = &[
    plain(
        Meta {
            name: "debug",
            summary: "Sets how scripts are debugged.",
            since: "3.2.0",
            arity: 3,
            args: "<YES | SYNC | NO>",
            ..OF_SCRIPT
        },
        eval::debug,
    ),
    plain(
        Meta {
            name: "exists",
            summary: "Tells which scripts are cached.",
            complexity: "O(N), N being the number of scripts",
            tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
            args: "sha1 [sha1 ...]",
            ..OF_SCRIPT
        },
        eval::exists,
    ),
    plain(
        Meta {
            name: "flush",
            summary: "Forgets all cached scripts.",
            complexity: "O(N), N being the number of scripts",
            arity: -2,
            tips: ALL_NODES,
            args: "[ASYNC | SYNC]",
            ..OF_SCRIPT
        },
        eval::flush,
    ),
    plain(
        Meta {
            name: "help",
            summary: "Lists the subcommands.",
            since: "5.0.0",
            arity: 2,
            flags: Flags::LOADING.and(Flags::STALE),
            ..OF_SCRIPT
        },
        eval::help,
    ),
    plain(
        Meta {
            name: "kill",
            summary: "Ends the script that runs.",
            arity: 2,
            flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
            tips: ONE_OF_SHARDS,
            ..OF_SCRIPT
        },
        eval::kill,
    ),
    plain(
        Meta {
            name: "load",
            summary: "Caches a script.",
            complexity: "O(N), N being the script's length",
            arity: 3,
            flags: Flags::NOSCRIPT.and(Flags::STALE),
            tips: ALL_NODES,
            args: "script",
            ..OF_SCRIPT
        },
        eval::load,
    ),
];

const OF_FUNCTION: Meta = Meta { since: "7.0.0", arity: 2, flags: Flags::NOSCRIPT, ..BASE };
const WRITES: Flags = Flags::NOSCRIPT.and(Flags::WRITE);

const FUNCTION: &[Command<AdminHandler>] = &[
    plain(
        Meta {
            name: "delete",
            summary: "Deletes a library.",
            arity: 3,
            flags: WRITES,
            tips: ALL_SHARDS,
            args: "library-name",
            ..OF_FUNCTION
        },
        functions::delete,
    ),
    plain(
        Meta {
            name: "dump",
            summary: "Gives all libraries as a payload.",
            complexity: "O(N), N being the number of functions",
            ..OF_FUNCTION
        },
        functions::dump,
    ),
    plain(
        Meta {
            name: "flush",
            summary: "Deletes all libraries.",
            complexity: "O(N), N being the number of functions",
            arity: -2,
            flags: WRITES,
            tips: ALL_SHARDS,
            args: "[ASYNC | SYNC]",
            ..OF_FUNCTION
        },
        functions::flush,
    ),
    plain(
        Meta {
            name: "help",
            summary: "Lists the subcommands.",
            flags: Flags::LOADING.and(Flags::STALE),
            ..OF_FUNCTION
        },
        functions::help,
    ),
    plain(
        Meta {
            name: "kill",
            summary: "Ends the function that runs.",
            flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
            tips: ONE_OF_SHARDS,
            ..OF_FUNCTION
        },
        functions::kill,
    ),
    plain(
        Meta {
            name: "list",
            summary: "Describes the libraries.",
            complexity: "O(N), N being the number of functions",
            arity: -2,
            tips: &["nondeterministic_output_order"],
            args: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
            ..OF_FUNCTION
        },
        functions::list,
    ),
    plain(
        Meta {
            name: "load",
            summary: "Loads a library.",
            arity: -3,
            flags: WRITES.and(Flags::DENYOOM),
            tips: ALL_SHARDS,
            args: "[REPLACE] function-code",
            ..OF_FUNCTION
        },
        functions::load,
    ),
    plain(
        Meta {
            name: "restore",
            summary: "Loads the libraries of a payload.",
            complexity: "O(N), N being the number of functions in the payload",
            arity: -3,
            flags: WRITES.and(Flags::DENYOOM),
            tips: ALL_SHARDS,
            args: "serialized-value [FLUSH | APPEND | REPLACE]",
            ..OF_FUNCTION
        },
        functions::restore,
    ),
    plain(
        Meta {
            name: "stats",
            summary: "Tells of the function that runs.",
            flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            ..OF_FUNCTION
        },
        functions::stats,
    ),
];
