//! Hash commands: their declarations here, their code in a file for each kind of work.
//!
//! - `set`: HSET, HMSET, HSETNX, HDEL; `count`: numbers in fields.
//! - `get`: reading fields; `random`: HRANDFIELD; HSCAN is `scanning` on a hash.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4.

mod count;
mod get;
mod random;
mod set;
#[cfg(test)]
mod tests;

use crate::Handler;
use crate::spec::{Command, Flags, Meta, one_key};

const HASH: Meta = Meta { group: "hash", since: "2.0.0", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE_FAST: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);
const ALL_COST: &str = "O(N) where N is the number of fields of the hash";
const FIELDS_COST: &str = "O(N) where N is the number of given fields";

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "hset",
            summary: "Gives fields of a hash their values.",
            complexity: FIELDS_COST,
            arity: -4,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "update"])],
            args: "key field value [field value ...]",
            ..HASH
        },
        set::hset,
    ),
    command(
        Meta {
            name: "hmset",
            summary: "Gives fields of a hash their values.",
            complexity: FIELDS_COST,
            arity: -4,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "update"])],
            args: "key field value [field value ...]",
            deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
            ..HASH
        },
        set::hmset,
    ),
    command(
        Meta {
            name: "hsetnx",
            summary: "Gives a field of a hash a value, unless it has one.",
            arity: 4,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "insert"])],
            args: "key field value",
            ..HASH
        },
        set::hsetnx,
    ),
    command(
        Meta {
            name: "hget",
            summary: "Gives the value of a field.",
            arity: 3,
            flags: READ_FAST,
            keys: &[one_key(&["RO", "access"])],
            args: "key field",
            ..HASH
        },
        get::hget,
    ),
    command(
        Meta {
            name: "hmget",
            summary: "Gives the values of several fields.",
            complexity: FIELDS_COST,
            arity: -3,
            flags: READ_FAST,
            keys: &[one_key(&["RO", "access"])],
            args: "key field [field ...]",
            ..HASH
        },
        get::hmget,
    ),
    command(
        Meta {
            name: "hgetall",
            summary: "Gives all fields of a hash with their values.",
            complexity: ALL_COST,
            arity: 2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output_order"],
            args: "key",
            ..HASH
        },
        get::hgetall,
    ),
    command(
        Meta {
            name: "hkeys",
            summary: "Gives all fields of a hash.",
            complexity: ALL_COST,
            arity: 2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output_order"],
            args: "key",
            ..HASH
        },
        get::hkeys,
    ),
    command(
        Meta {
            name: "hvals",
            summary: "Gives the values of all fields of a hash.",
            complexity: ALL_COST,
            arity: 2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output_order"],
            args: "key",
            ..HASH
        },
        get::hvals,
    ),
    command(
        Meta {
            name: "hdel",
            summary: "Removes fields from a hash, and the hash with its last one.",
            complexity: FIELDS_COST,
            arity: -3,
            flags: Flags::WRITE.and(Flags::FAST),
            keys: &[one_key(&["RW", "delete"])],
            args: "key field [field ...]",
            ..HASH
        },
        set::hdel,
    ),
    command(
        Meta {
            name: "hexists",
            summary: "Tells whether a hash has a field.",
            arity: 3,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key field",
            ..HASH
        },
        get::hexists,
    ),
    command(
        Meta {
            name: "hlen",
            summary: "Tells how many fields a hash has.",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key",
            ..HASH
        },
        get::hlen,
    ),
    command(
        Meta {
            name: "hstrlen",
            summary: "Tells the length of a field's value in bytes.",
            since: "3.2.0",
            arity: 3,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key field",
            ..HASH
        },
        get::hstrlen,
    ),
    command(
        Meta {
            name: "hincrby",
            summary: "Adds to the integer in a field; a missing field counts as 0.",
            arity: 4,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key field increment:integer",
            ..HASH
        },
        count::hincrby,
    ),
    command(
        Meta {
            name: "hincrbyfloat",
            summary: "Adds to the number in a field; a missing field counts as 0.",
            since: "2.6.0",
            arity: 4,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key field increment:double",
            ..HASH
        },
        count::hincrbyfloat,
    ),
    command(
        Meta {
            name: "hrandfield",
            summary: "Gives fields of a hash at random.",
            since: "6.2.0",
            complexity: "O(N) where N is the number of fields returned",
            arity: -2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output"],
            args: "key [count:integer [WITHVALUES]]",
            ..HASH
        },
        random::hrandfield,
    ),
    command(
        Meta {
            name: "hscan",
            summary: "Gives some fields of a hash with their values, and a cursor to go on from.",
            since: "2.8.0",
            complexity: "O(1) for every call; O(N) for all calls from cursor 0 back to it, of N fields",
            arity: -3,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output"],
            args: "key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
            ..HASH
        },
        get::hscan,
    ),
];
