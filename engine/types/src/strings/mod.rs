//! String commands: their declarations here, their code in a file for each kind of work.
//!
//! - `get`: reading values; `set`: storing them, with deadlines and conditions; `multi`: many keys at once.
//! - `edit`: parts of strings; `count`: numbers in strings.
//! - `lcs`: the longest common subsequence.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4. Bitmaps and HyperLogLog, which live
//! in strings too, are families of their own.

mod count;
mod edit;
mod get;
mod lcs;
mod multi;
mod set;
#[cfg(test)]
mod tests;

use crate::Handler;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, all_keys, one_key};

const STRING: Meta = Meta { group: "string", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const WRITE_FAST: Flags = WRITE.and(Flags::FAST);
const RANGE_COST: &str = "O(N) where N is the length of the part that is returned";
const KEYS_COST: &str = "O(N) where N is the number of keys";

/// Keys at every second argument, a value behind each.
const fn pairs(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(1), find: Find::Range(-1, 2, 0) }
}

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "get",
            summary: "Gives the string stored at a key.",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO", "access"])],
            args: "key",
            ..STRING
        },
        get::get,
    ),
    command(
        Meta {
            name: "set",
            summary: "Stores a string at a key, whatever it held, on conditions and for a time if asked.",
            arity: -3,
            flags: WRITE,
            keys: &[one_key(&["RW", "access", "update", "variable_flags"])],
            args: "key value [NX | XX] [GET] [EX seconds:integer | PX milliseconds:integer \
                   | EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | KEEPTTL]",
            ..STRING
        },
        set::set,
    ),
    command(
        Meta {
            name: "setnx",
            summary: "Stores a string at a key that does not exist.",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["OW", "insert"])],
            args: "key value",
            deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
            ..STRING
        },
        set::setnx,
    ),
    command(
        Meta {
            name: "setex",
            summary: "Stores a string at a key for a number of seconds.",
            since: "2.0.0",
            arity: 4,
            flags: WRITE,
            keys: &[one_key(&["OW", "update"])],
            args: "key seconds:integer value",
            deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
            ..STRING
        },
        set::setex,
    ),
    command(
        Meta {
            name: "psetex",
            summary: "Stores a string at a key for a number of milliseconds.",
            since: "2.6.0",
            arity: 4,
            flags: WRITE,
            keys: &[one_key(&["OW", "update"])],
            args: "key milliseconds:integer value",
            deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
            ..STRING
        },
        set::psetex,
    ),
    command(
        Meta {
            name: "getset",
            summary: "Stores a string at a key and gives the one that was there.",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key value",
            deprecated: Some(("6.2.0", "`SET` with the `GET` argument")),
            ..STRING
        },
        set::getset,
    ),
    command(
        Meta {
            name: "getdel",
            summary: "Gives the string stored at a key and deletes the key.",
            since: "6.2.0",
            arity: 2,
            flags: Flags::WRITE.and(Flags::FAST),
            keys: &[one_key(&["RW", "access", "delete"])],
            args: "key",
            ..STRING
        },
        get::getdel,
    ),
    command(
        Meta {
            name: "getex",
            summary: "Gives the string stored at a key and changes when the key expires.",
            since: "6.2.0",
            arity: -2,
            flags: Flags::WRITE.and(Flags::FAST),
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key [EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time \
                   | PXAT unix-time-milliseconds:unix-time | PERSIST]",
            ..STRING
        },
        get::getex,
    ),
    command(
        Meta {
            name: "mget",
            summary: "Gives the strings stored at several keys.",
            complexity: KEYS_COST,
            arity: -2,
            flags: READ_FAST,
            keys: &[all_keys(&["RO", "access"])],
            tips: &["request_policy:multi_shard"],
            args: "key [key ...]",
            ..STRING
        },
        multi::mget,
    ),
    command(
        Meta {
            name: "mset",
            summary: "Stores a string at each of several keys, at one moment.",
            since: "1.0.1",
            complexity: KEYS_COST,
            arity: -3,
            flags: WRITE,
            keys: &[pairs(&["OW", "update"])],
            tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
            args: "key value [key value ...]",
            ..STRING
        },
        multi::mset,
    ),
    command(
        Meta {
            name: "msetnx",
            summary: "Stores a string at each of several keys, if none of them exists.",
            since: "1.0.1",
            complexity: KEYS_COST,
            arity: -3,
            flags: WRITE,
            keys: &[pairs(&["OW", "insert"])],
            tips: &["request_policy:multi_shard", "response_policy:agg_min"],
            args: "key value [key value ...]",
            ..STRING
        },
        multi::msetnx,
    ),
    command(
        Meta {
            name: "append",
            summary: "Adds bytes to the end of a string, which is created if need be.",
            since: "2.0.0",
            complexity: "O(1) on average, where the added part is small",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "insert"])],
            args: "key value",
            ..STRING
        },
        edit::append,
    ),
    command(
        Meta {
            name: "strlen",
            summary: "Gives the length of a string in bytes.",
            since: "2.2.0",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key",
            ..STRING
        },
        get::strlen,
    ),
    command(
        Meta {
            name: "setrange",
            summary: "Overwrites a part of a string, which grows with zero bytes if need be.",
            since: "2.2.0",
            complexity: "O(M) where M is the length of the new part; more when the string grows",
            arity: 4,
            flags: WRITE,
            keys: &[one_key(&["RW", "update"])],
            args: "key offset:integer value",
            ..STRING
        },
        edit::setrange,
    ),
    command(
        Meta {
            name: "getrange",
            summary: "Gives a part of a string.",
            since: "2.4.0",
            complexity: RANGE_COST,
            arity: 4,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key start:integer end:integer",
            ..STRING
        },
        edit::getrange,
    ),
    command(
        Meta {
            name: "substr",
            summary: "Gives a part of a string.",
            complexity: RANGE_COST,
            arity: 4,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key start:integer end:integer",
            deprecated: Some(("2.0.0", "`GETRANGE`")),
            ..STRING
        },
        edit::getrange,
    ),
    command(
        Meta {
            name: "incr",
            summary: "Adds one to the integer stored at a key; a missing key counts as 0.",
            arity: 2,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key",
            ..STRING
        },
        count::incr,
    ),
    command(
        Meta {
            name: "decr",
            summary: "Takes one from the integer stored at a key; a missing key counts as 0.",
            arity: 2,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key",
            ..STRING
        },
        count::decr,
    ),
    command(
        Meta {
            name: "incrby",
            summary: "Adds to the integer stored at a key; a missing key counts as 0.",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key increment:integer",
            ..STRING
        },
        count::incrby,
    ),
    command(
        Meta {
            name: "decrby",
            summary: "Takes from the integer stored at a key; a missing key counts as 0.",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key decrement:integer",
            ..STRING
        },
        count::decrby,
    ),
    command(
        Meta {
            name: "incrbyfloat",
            summary: "Adds to the number stored at a key; a missing key counts as 0.",
            since: "2.6.0",
            arity: 3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key increment:double",
            ..STRING
        },
        count::incrbyfloat,
    ),
    command(
        Meta {
            name: "lcs",
            summary: "Finds the longest common subsequence of two strings.",
            since: "7.0.0",
            complexity: "O(N*M) where N and M are the lengths of the strings",
            arity: -3,
            flags: READ,
            keys: &[KeySpec { flags: &["RO", "access"], begin: Begin::Index(1), find: Find::Range(1, 1, 0) }],
            args: "key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]",
            ..STRING
        },
        lcs::lcs,
    ),
];
