//! Set commands: their declarations here, their code in a file for each kind of work.
//!
//! - `change`: SADD, SREM, SMOVE; `get`: reading one set; `random`: SPOP, SRANDMEMBER.
//! - `combine`: intersections, unions and differences, given or stored.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4.

mod change;
mod combine;
mod get;
mod random;
#[cfg(test)]
mod tests;

use crate::Handler;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, all_keys, one_key};

const SET: Meta = Meta { group: "set", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const WRITE_FAST: Flags = WRITE.and(Flags::FAST);
const MEMBERS_COST: &str = "O(N) where N is the number of given members";
const ALL_COST: &str = "O(N) where N is the number of members of all sets";
const INTER_COST: &str = "O(N*M) at most, where N is the size of the smallest set and M the number of sets";

/// One key at argument 2.
const fn second_key(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(2), find: Find::Range(0, 1, 0) }
}

/// Keys from argument 2 to the end.
const fn later_keys(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(2), find: Find::Range(-1, 1, 0) }
}

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "sadd",
            summary: "Adds members to a set.",
            complexity: MEMBERS_COST,
            arity: -3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "insert"])],
            args: "key member [member ...]",
            ..SET
        },
        change::sadd,
    ),
    command(
        Meta {
            name: "srem",
            summary: "Removes members from a set, and the set with its last one.",
            complexity: MEMBERS_COST,
            arity: -3,
            flags: Flags::WRITE.and(Flags::FAST),
            keys: &[one_key(&["RW", "delete"])],
            args: "key member [member ...]",
            ..SET
        },
        change::srem,
    ),
    command(
        Meta {
            name: "sismember",
            summary: "Tells whether a set has a member.",
            arity: 3,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key member",
            ..SET
        },
        get::sismember,
    ),
    command(
        Meta {
            name: "smismember",
            summary: "Tells which of several members a set has.",
            since: "6.2.0",
            complexity: MEMBERS_COST,
            arity: -3,
            flags: READ_FAST,
            keys: &[one_key(&["RO", "access"])],
            args: "key member [member ...]",
            ..SET
        },
        get::smismember,
    ),
    command(
        Meta {
            name: "scard",
            summary: "Tells how many members a set has.",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key",
            ..SET
        },
        get::scard,
    ),
    command(
        Meta {
            name: "smembers",
            summary: "Gives all members of a set.",
            complexity: "O(N) where N is the number of members of the set",
            arity: 2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output_order"],
            args: "key",
            ..SET
        },
        get::smembers,
    ),
    command(
        Meta {
            name: "spop",
            summary: "Takes members out of a set at random.",
            complexity: "O(N) where N is the number of members taken",
            arity: -2,
            flags: Flags::WRITE.and(Flags::FAST),
            keys: &[one_key(&["RW", "access", "delete"])],
            tips: &["nondeterministic_output"],
            args: "key [count:integer]",
            ..SET
        },
        random::spop,
    ),
    command(
        Meta {
            name: "srandmember",
            summary: "Gives members of a set at random.",
            complexity: "O(N) where N is the number of members given",
            arity: -2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output"],
            args: "key [count:integer]",
            ..SET
        },
        random::srandmember,
    ),
    command(
        Meta {
            name: "smove",
            summary: "Moves a member from one set to another.",
            arity: 4,
            flags: Flags::WRITE.and(Flags::FAST),
            keys: &[one_key(&["RW", "access", "delete"]), second_key(&["RW", "insert"])],
            args: "source:key destination:key member",
            ..SET
        },
        change::smove,
    ),
    command(
        Meta {
            name: "sinter",
            summary: "Gives the members that all of several sets have.",
            complexity: INTER_COST,
            arity: -2,
            flags: READ,
            keys: &[all_keys(&["RO", "access"])],
            tips: &["nondeterministic_output_order"],
            args: "key [key ...]",
            ..SET
        },
        combine::sinter,
    ),
    command(
        Meta {
            name: "sintercard",
            summary: "Counts the members that all of several sets have.",
            since: "7.0.0",
            complexity: INTER_COST,
            arity: -3,
            flags: READ.and(Flags::MOVABLEKEYS),
            keys: &[KeySpec { flags: &["RO", "access"], begin: Begin::Index(1), find: Find::Count(0, 1, 1) }],
            args: "numkeys:integer key [key ...] [LIMIT limit:integer]",
            ..SET
        },
        combine::sintercard,
    ),
    command(
        Meta {
            name: "sinterstore",
            summary: "Stores the members that all of several sets have.",
            complexity: INTER_COST,
            arity: -3,
            flags: WRITE,
            keys: &[one_key(&["RW", "update"]), later_keys(&["RO", "access"])],
            args: "destination:key key [key ...]",
            ..SET
        },
        combine::sinterstore,
    ),
    command(
        Meta {
            name: "sunion",
            summary: "Gives the members that any of several sets has.",
            complexity: ALL_COST,
            arity: -2,
            flags: READ,
            keys: &[all_keys(&["RO", "access"])],
            tips: &["nondeterministic_output_order"],
            args: "key [key ...]",
            ..SET
        },
        combine::sunion,
    ),
    command(
        Meta {
            name: "sunionstore",
            summary: "Stores the members that any of several sets has.",
            complexity: ALL_COST,
            arity: -3,
            flags: WRITE,
            keys: &[one_key(&["OW", "update"]), later_keys(&["RO", "access"])],
            args: "destination:key key [key ...]",
            ..SET
        },
        combine::sunionstore,
    ),
    command(
        Meta {
            name: "sdiff",
            summary: "Gives the members of a set that none of the others has.",
            complexity: ALL_COST,
            arity: -2,
            flags: READ,
            keys: &[all_keys(&["RO", "access"])],
            tips: &["nondeterministic_output_order"],
            args: "key [key ...]",
            ..SET
        },
        combine::sdiff,
    ),
    command(
        Meta {
            name: "sdiffstore",
            summary: "Stores the members of a set that none of the others has.",
            complexity: ALL_COST,
            arity: -3,
            flags: WRITE,
            keys: &[one_key(&["OW", "update"]), later_keys(&["RO", "access"])],
            args: "destination:key key [key ...]",
            ..SET
        },
        combine::sdiffstore,
    ),
    command(
        Meta {
            name: "sscan",
            summary: "Gives some members of a set and a cursor to go on from.",
            since: "2.8.0",
            complexity: "O(1) for every call; O(N) for all calls from cursor 0 back to it, of N members",
            arity: -3,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: &["nondeterministic_output"],
            args: "key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
            ..SET
        },
        get::sscan,
    ),
];
