//! Commands on keys of any type: their declarations here, their code in a file for each kind of work.
//!
//! - `delete`: DEL, UNLINK and what only asks whether keys are there; `expire`: deadlines.
//! - `dump`: values as bytes, DUMP and RESTORE.
//! - `relocate`: RENAME, COPY, MOVE; `flush`: whole databases; `scan`: finding keys; `object`: what Redis
//!   tells of a value's inside.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4. Freeing what is
//! large is left to whoever dispatches the command, by way of the effects.

mod delete;
mod dump;
mod expire;
mod flush;
mod object;
mod relocate;
mod scan;
#[cfg(test)]
mod tests;

use crate::Handler;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, all_keys, one_key};

const GENERIC: Meta = Meta { group: "generic", ..Meta::BASE };
/// Commands that the reference puts in another group and ACLs among those on keys.
const SERVER: Meta = Meta { group: "server", acl: &["keyspace"], ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE;
const WRITE_FAST: Flags = Flags::WRITE.and(Flags::FAST);
const KEYS_COST: &str = "O(N) where N is the number of keys";
const RESTORE_COST: &str = "O(N) where N is the size of the value; O(N*log(N)) for a sorted set";
const RESTORE_ARGS: &str = "key ttl:integer serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds:integer] \
                            [FREQ frequency:integer]";
const SUM_OVER_SHARDS: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const EVERY_SHARD: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// One key at argument 2.
const fn second_key(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(2), find: Find::Range(0, 1, 0) }
}

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "del",
            summary: "Deletes keys.",
            complexity: "O(N) where N is the number of keys and of the elements they hold",
            arity: -2,
            flags: WRITE,
            keys: &[all_keys(&["RM", "delete"])],
            tips: SUM_OVER_SHARDS,
            args: "key [key ...]",
            ..GENERIC
        },
        delete::del,
    ),
    command(
        Meta {
            name: "unlink",
            summary: "Deletes keys; their memory may be freed later.",
            since: "4.0.0",
            complexity: KEYS_COST,
            arity: -2,
            flags: WRITE_FAST,
            keys: &[all_keys(&["RM", "delete"])],
            tips: SUM_OVER_SHARDS,
            args: "key [key ...]",
            ..GENERIC
        },
        delete::unlink,
    ),
    command(
        Meta {
            name: "exists",
            summary: "Counts the keys that exist; one that is named twice counts twice.",
            complexity: KEYS_COST,
            arity: -2,
            flags: READ_FAST,
            keys: &[all_keys(&["RO"])],
            tips: SUM_OVER_SHARDS,
            args: "key [key ...]",
            ..GENERIC
        },
        delete::exists,
    ),
    command(
        Meta {
            name: "touch",
            summary: "Marks keys as just used and counts those that exist.",
            since: "3.2.1",
            complexity: KEYS_COST,
            arity: -2,
            flags: READ_FAST,
            keys: &[all_keys(&["RO"])],
            tips: SUM_OVER_SHARDS,
            args: "key [key ...]",
            ..GENERIC
        },
        delete::touch,
    ),
    command(
        Meta {
            name: "type",
            summary: "Tells the type of the value at a key.",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key",
            ..GENERIC
        },
        delete::type_of,
    ),
    command(
        Meta {
            name: "expire",
            summary: "Lets a key expire in a number of seconds.",
            args: "key seconds:integer [NX | XX | GT | LT]",
            ..EXPIRE
        },
        expire::expire,
    ),
    command(
        Meta {
            name: "pexpire",
            summary: "Lets a key expire in a number of milliseconds.",
            since: "2.6.0",
            args: "key milliseconds:integer [NX | XX | GT | LT]",
            ..EXPIRE
        },
        expire::pexpire,
    ),
    command(
        Meta {
            name: "expireat",
            summary: "Lets a key expire at a Unix time in seconds.",
            since: "1.2.0",
            args: "key unix-time-seconds:unix-time [NX | XX | GT | LT]",
            ..EXPIRE
        },
        expire::expireat,
    ),
    command(
        Meta {
            name: "pexpireat",
            summary: "Lets a key expire at a Unix time in milliseconds.",
            since: "2.6.0",
            args: "key unix-time-milliseconds:unix-time [NX | XX | GT | LT]",
            ..EXPIRE
        },
        expire::pexpireat,
    ),
    command(Meta { name: "ttl", summary: "Tells in how many seconds a key expires.", ..TTL }, expire::ttl),
    command(
        Meta {
            name: "pttl",
            summary: "Tells in how many milliseconds a key expires.",
            since: "2.6.0",
            ..TTL
        },
        expire::pttl,
    ),
    command(
        Meta {
            name: "expiretime",
            summary: "Tells at which Unix time in seconds a key expires.",
            since: "7.0.0",
            tips: &[],
            ..TTL
        },
        expire::expiretime,
    ),
    command(
        Meta {
            name: "pexpiretime",
            summary: "Tells at which Unix time in milliseconds a key expires.",
            since: "7.0.0",
            tips: &[],
            ..TTL
        },
        expire::pexpiretime,
    ),
    command(
        Meta {
            name: "persist",
            summary: "Lets a key live for ever again.",
            since: "2.2.0",
            arity: 2,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "update"])],
            args: "key",
            ..GENERIC
        },
        expire::persist,
    ),
    command(
        Meta {
            name: "rename",
            summary: "Gives a key another name, in place of a key that has it.",
            arity: 3,
            flags: WRITE,
            keys: &[one_key(&["RW", "access", "delete"]), second_key(&["OW", "update"])],
            args: "key newkey:key",
            ..GENERIC
        },
        relocate::rename,
    ),
    command(
        Meta {
            name: "renamenx",
            summary: "Gives a key another name, if no key has it.",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "delete"]), second_key(&["OW", "insert"])],
            args: "key newkey:key",
            ..GENERIC
        },
        relocate::renamenx,
    ),
    command(
        Meta {
            name: "copy",
            summary: "Copies a key's value to another key.",
            since: "6.2.0",
            complexity: "O(N) where N is the number of elements in the value; O(1) for a string",
            arity: -3,
            flags: Flags::WRITE.and(Flags::DENYOOM),
            keys: &[one_key(&["RO", "access"]), second_key(&["OW", "update"])],
            args: "source:key destination:key [DB destination-db:integer] [REPLACE]",
            ..GENERIC
        },
        relocate::copy,
    ),
    command(
        Meta {
            name: "move",
            summary: "Moves a key to another database.",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key db:integer",
            ..GENERIC
        },
        relocate::move_key,
    ),
    command(
        Meta {
            name: "dump",
            summary: "Gives the value at a key in the form that RESTORE takes.",
            since: "2.6.0",
            complexity: "O(N) where N is the size of the value",
            arity: 2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output"],
            args: "key",
            ..GENERIC
        },
        dump::dump,
    ),
    command(
        Meta {
            name: "restore",
            summary: "Makes a key of what DUMP gave.",
            since: "2.6.0",
            complexity: RESTORE_COST,
            arity: -4,
            flags: Flags::WRITE.and(Flags::DENYOOM),
            acl: &["dangerous"],
            keys: &[one_key(&["OW", "update"])],
            args: RESTORE_ARGS,
            ..GENERIC
        },
        dump::restore,
    ),
    command(
        Meta {
            name: "restore-asking",
            summary: "Makes a key of what DUMP gave, while its slot moves between nodes of a cluster.",
            since: "3.0.0",
            complexity: RESTORE_COST,
            arity: -4,
            flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::ASKING),
            acl: &["keyspace", "dangerous"],
            keys: &[one_key(&["OW", "update"])],
            args: RESTORE_ARGS,
            ..SERVER
        },
        dump::restore,
    ),
    command(
        Meta {
            name: "keys",
            summary: "Gives all keys that match a pattern.",
            complexity: "O(N) where N is the number of keys in the database",
            arity: 2,
            flags: READ,
            acl: &["keyspace", "dangerous"],
            tips: &["request_policy:all_shards", "nondeterministic_output_order"],
            args: "pattern:pattern",
            ..GENERIC
        },
        scan::keys,
    ),
    command(
        Meta {
            name: "scan",
            summary: "Gives some keys of the database and a cursor to go on from.",
            since: "2.8.0",
            complexity: "O(1) for every call; O(N) for all calls from cursor 0 back to it, of N keys",
            arity: -2,
            flags: READ,
            acl: &["keyspace"],
            tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
            args: "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type]",
            ..GENERIC
        },
        scan::scan,
    ),
    command(
        Meta {
            name: "randomkey",
            summary: "Gives any key of the database.",
            arity: 1,
            flags: READ,
            acl: &["keyspace"],
            tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
            ..GENERIC
        },
        scan::randomkey,
    ),
    command(
        Meta {
            name: "dbsize",
            summary: "Tells how many keys the database holds.",
            arity: 1,
            flags: READ_FAST,
            tips: &["request_policy:all_shards", "response_policy:agg_sum"],
            ..SERVER
        },
        scan::dbsize,
    ),
    command(
        Meta {
            name: "flushdb",
            summary: "Deletes all keys of the database.",
            complexity: "O(N) where N is the number of keys in the database",
            arity: -1,
            flags: WRITE,
            acl: &["keyspace", "dangerous"],
            tips: EVERY_SHARD,
            args: "[ASYNC | SYNC]",
            ..SERVER
        },
        flush::flushdb,
    ),
    command(
        Meta {
            name: "flushall",
            summary: "Deletes all keys of all databases.",
            complexity: "O(N) where N is the number of keys in all databases",
            arity: -1,
            flags: WRITE,
            acl: &["keyspace", "dangerous"],
            tips: EVERY_SHARD,
            args: "[ASYNC | SYNC]",
            ..SERVER
        },
        flush::flushall,
    ),
    command(
        Meta {
            name: "swapdb",
            summary: "Exchanges two databases.",
            since: "4.0.0",
            complexity: "O(N) where N is the number of clients that watch or block on keys of either",
            arity: 3,
            flags: WRITE_FAST,
            acl: &["keyspace", "dangerous"],
            args: "index1:integer index2:integer",
            ..SERVER
        },
        flush::swapdb,
    ),
    Command {
        meta: Meta {
            name: "object",
            summary: "A container for commands on the inside of values.",
            since: "2.2.3",
            complexity: "Depends on the subcommand",
            arity: -2,
            ..GENERIC
        },
        run: object::help,
        subcommands: object::SUBCOMMANDS,
    },
];

const EXPIRE: Meta = Meta { arity: -3, flags: WRITE_FAST, keys: &[one_key(&["RW", "update"])], ..GENERIC };

const TTL: Meta = Meta {
    arity: 2,
    flags: READ_FAST,
    keys: &[one_key(&["RO", "access"])],
    tips: &["nondeterministic_output"],
    args: "key",
    ..GENERIC
};
