//! Sorted set commands: their declarations here, their code in a file for each kind of work.
//!
//! - `add`: scores given; `remove`: members and ranges taken out; `pop`: the lowest and highest, at once or
//!   when there are some.
//! - `read`: questions about members; `range`: members in order; `random`; `scan`.
//! - `combine`: unions, intersections and differences of several sets. `bounds`: ranges as arguments.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4. Geo commands, which live in sorted
//! sets too, are a family of their own.

mod add;
mod bounds;
mod combine;
mod pop;
mod random;
mod range;
mod read;
mod remove;
mod scan;
#[cfg(test)]
mod tests;

use keyspace::values::SortedSet;
use keyspace::{Expiry, Value};
use resp::{Protocol, Writer};

pub(crate) use add::{Conditions, add_to_key};

use crate::replies::write_value;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, one_key};
use crate::{Class, Ctx, Handler, Key};

/// What is told of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Member,
    MemberAndScore,
}

/// Replies with a member; with its score, as a pair where the protocol has doubles.
fn write_member(out: &mut Writer<'_>, member: Value<'_>, score: f64, told: Told) {
    if told == Told::MemberAndScore && out.protocol() == Protocol::Resp3 {
        out.array(2);
    }
    write_value(out, member);
    if told == Told::MemberAndScore {
        out.double(score);
    }
}

/// Records so many changes of a sorted set, with their event.
fn record(ctx: &mut Ctx<'_>, key: Key<'_>, changes: u64, event: &'static str) {
    ctx.effects.dirty += changes;
    ctx.effects.touched(ctx.db_index, key.bytes);
    ctx.effects.event(ctx.db_index, key.bytes, Class::SortedSet, event);
}

/// Stores a result in place of whatever a key holds and replies with its size; an empty one removes the key.
pub(crate) fn store(ctx: &mut Ctx<'_>, target: Key<'_>, result: SortedSet, event: &'static str) {
    let len = result.len();
    ctx.expire_before_write(target);
    if len > 0 {
        ctx.put(target, result, Expiry::Clear);
        ctx.changed(target, Class::SortedSet, event);
    } else if ctx.remove(target) {
        ctx.changed(target, Class::Generic, "del");
    }
    ctx.out.int(len as i64);
}

const SORTED_SET: Meta = Meta { group: "sorted-set", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const READ_MANY: Flags = Flags::READONLY.and(Flags::MOVABLEKEYS);
const ADD: Flags = Flags::WRITE.and(Flags::DENYOOM);
const ADD_FAST: Flags = ADD.and(Flags::FAST);
const STORE_MANY: Flags = ADD.and(Flags::MOVABLEKEYS);
const REMOVE: Flags = Flags::WRITE;
const REMOVE_FAST: Flags = Flags::WRITE.and(Flags::FAST);
const WAIT_FAST: Flags = REMOVE_FAST.and(Flags::NOSCRIPT).and(Flags::BLOCKING);

const LOG_COST: &str = "O(log(N)) where N is the number of members";
const RANGE_COST: &str = "O(log(N)+M) where N is the number of members and M that of those in the range";
const POP_COST: &str = "O(log(N)*M) where N is the number of members and M that of those popped";
const MPOP_COST: &str =
    "O(K) + O(M*log(N)) where K is the number of keys, N that of members and M that of those popped";
const UNION_COST: &str = "O(N)+O(M*log(M)) where N is the number of all members and M that of the result's";
const INTER_COST: &str = "O(N*K)+O(M*log(M)) where N is the size of the smallest set, K the number of sets and M the result's size";
const DIFF_COST: &str =
    "O(L + (N-K)log(N)) where L is the number of all members, N that of the first set and K the result's";

const fn key_at(index: i32, flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(index), find: Find::Range(0, 1, 0) }
}

/// As many keys as the argument says.
const fn counted_keys(index: i32, flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(index), find: Find::Count(0, 1, 1) }
}

const READ_KEY: &[KeySpec] = &[one_key(&["RO", "access"])];
const REMOVE_KEY: &[KeySpec] = &[one_key(&["RW", "delete"])];
const POP_KEY: &[KeySpec] = &[one_key(&["RW", "access", "delete"])];
const POP_KEYS: &[KeySpec] =
    &[KeySpec { flags: &["RW", "access", "delete"], begin: Begin::Index(1), find: Find::Range(-2, 1, 0) }];
const READ_KEYS: &[KeySpec] = &[counted_keys(1, &["RO", "access"])];
const STORE_KEYS: &[KeySpec] = &[one_key(&["OW", "update"]), counted_keys(2, &["RO", "access"])];

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "zadd",
            summary: "Gives members scores, on conditions if asked; a missing key becomes a sorted set.",
            since: "1.2.0",
            complexity: LOG_COST,
            arity: -4,
            flags: ADD_FAST,
            keys: &[one_key(&["RW", "update"])],
            args: "key [NX | XX] [GT | LT] [CH] [INCR] score:double member [score:double member ...]",
            ..SORTED_SET
        },
        add::zadd,
    ),
    command(
        Meta {
            name: "zincrby",
            summary: "Adds to a member's score; a missing member counts as 0.",
            since: "1.2.0",
            complexity: LOG_COST,
            arity: 4,
            flags: ADD_FAST,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key increment:integer member",
            ..SORTED_SET
        },
        add::zincrby,
    ),
    command(
        Meta {
            name: "zrem",
            summary: "Takes members out; a sorted set without members is deleted.",
            since: "1.2.0",
            complexity: "O(M*log(N)) where N is the number of members and M that of those taken out",
            arity: -3,
            flags: REMOVE_FAST,
            keys: REMOVE_KEY,
            args: "key member [member ...]",
            ..SORTED_SET
        },
        remove::zrem,
    ),
    command(
        Meta {
            name: "zremrangebyrank",
            summary: "Takes out the members of a range of ranks.",
            since: "2.0.0",
            complexity: RANGE_COST,
            arity: 4,
            flags: REMOVE,
            keys: REMOVE_KEY,
            args: "key start:integer stop:integer",
            ..SORTED_SET
        },
        remove::zremrangebyrank,
    ),
    command(
        Meta {
            name: "zremrangebyscore",
            summary: "Takes out the members of a range of scores.",
            since: "1.2.0",
            complexity: RANGE_COST,
            arity: 4,
            flags: REMOVE,
            keys: REMOVE_KEY,
            args: "key min:double max:double",
            ..SORTED_SET
        },
        remove::zremrangebyscore,
    ),
    command(
        Meta {
            name: "zremrangebylex",
            summary: "Takes out the members between two, where all scores are the same.",
            since: "2.8.9",
            complexity: RANGE_COST,
            arity: 4,
            flags: REMOVE,
            keys: REMOVE_KEY,
            args: "key min max",
            ..SORTED_SET
        },
        remove::zremrangebylex,
    ),
    command(
        Meta {
            name: "zcard",
            summary: "Gives the number of members.",
            since: "1.2.0",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key",
            ..SORTED_SET
        },
        read::zcard,
    ),
    command(
        Meta {
            name: "zscore",
            summary: "Gives a member's score.",
            since: "1.2.0",
            arity: 3,
            flags: READ_FAST,
            keys: READ_KEY,
            args: "key member",
            ..SORTED_SET
        },
        read::zscore,
    ),
    command(
        Meta {
            name: "zmscore",
            summary: "Gives the scores of several members.",
            since: "6.2.0",
            complexity: "O(N) where N is the number of members asked for",
            arity: -3,
            flags: READ_FAST,
            keys: READ_KEY,
            args: "key member [member ...]",
            ..SORTED_SET
        },
        read::zmscore,
    ),
    command(
        Meta {
            name: "zrank",
            summary: "Gives a member's rank, counted from the lowest score.",
            since: "2.0.0",
            complexity: LOG_COST,
            arity: -3,
            flags: READ_FAST,
            keys: READ_KEY,
            args: "key member [WITHSCORE]",
            ..SORTED_SET
        },
        read::zrank,
    ),
    command(
        Meta {
            name: "zrevrank",
            summary: "Gives a member's rank, counted from the highest score.",
            since: "2.0.0",
            complexity: LOG_COST,
            arity: -3,
            flags: READ_FAST,
            keys: READ_KEY,
            args: "key member [WITHSCORE]",
            ..SORTED_SET
        },
        read::zrevrank,
    ),
    command(
        Meta {
            name: "zcount",
            summary: "Counts the members of a range of scores.",
            since: "2.0.0",
            complexity: LOG_COST,
            arity: 4,
            flags: READ_FAST,
            keys: READ_KEY,
            args: "key min:double max:double",
            ..SORTED_SET
        },
        read::zcount,
    ),
    command(
        Meta {
            name: "zlexcount",
            summary: "Counts the members between two, where all scores are the same.",
            since: "2.8.9",
            complexity: LOG_COST,
            arity: 4,
            flags: READ_FAST,
            keys: READ_KEY,
            args: "key min max",
            ..SORTED_SET
        },
        read::zlexcount,
    ),
    command(
        Meta {
            name: "zrange",
            summary: "Gives the members of a range of ranks, of scores, or between two members.",
            since: "1.2.0",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: READ_KEY,
            args: "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset:integer count:integer] \
                   [WITHSCORES]",
            ..SORTED_SET
        },
        range::zrange,
    ),
    command(
        Meta {
            name: "zrangestore",
            summary: "Stores the members of a range at another key.",
            since: "6.2.0",
            complexity: RANGE_COST,
            arity: -5,
            flags: ADD,
            keys: &[one_key(&["OW", "update"]), key_at(2, &["RO", "access"])],
            args: "dst:key src:key min max [BYSCORE | BYLEX] [REV] [LIMIT offset:integer count:integer]",
            ..SORTED_SET
        },
        range::zrangestore,
    ),
    command(
        Meta {
            name: "zrevrange",
            summary: "Gives the members of a range of ranks, the highest first.",
            since: "1.2.0",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: READ_KEY,
            args: "key start:integer stop:integer [WITHSCORES]",
            deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
            ..SORTED_SET
        },
        range::zrevrange,
    ),
    command(
        Meta {
            name: "zrangebyscore",
            summary: "Gives the members of a range of scores.",
            since: "1.0.5",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: READ_KEY,
            args: "key min:double max:double [WITHSCORES] [LIMIT offset:integer count:integer]",
            deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
            ..SORTED_SET
        },
        range::zrangebyscore,
    ),
    command(
        Meta {
            name: "zrevrangebyscore",
            summary: "Gives the members of a range of scores, the highest first.",
            since: "2.2.0",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: READ_KEY,
            args: "key max:double min:double [WITHSCORES] [LIMIT offset:integer count:integer]",
            deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
            ..SORTED_SET
        },
        range::zrevrangebyscore,
    ),
    command(
        Meta {
            name: "zrangebylex",
            summary: "Gives the members between two, where all scores are the same.",
            since: "2.8.9",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: READ_KEY,
            args: "key min max [LIMIT offset:integer count:integer]",
            deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
            ..SORTED_SET
        },
        range::zrangebylex,
    ),
    command(
        Meta {
            name: "zrevrangebylex",
            summary: "Gives the members between two, the highest first, where all scores are the same.",
            since: "2.8.9",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: READ_KEY,
            args: "key max min [LIMIT offset:integer count:integer]",
            deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
            ..SORTED_SET
        },
        range::zrevrangebylex,
    ),
    command(
        Meta {
            name: "zpopmin",
            summary: "Takes out the members with the lowest scores and gives them.",
            since: "5.0.0",
            complexity: POP_COST,
            arity: -2,
            flags: REMOVE_FAST,
            keys: POP_KEY,
            args: "key [count:integer]",
            ..SORTED_SET
        },
        pop::zpopmin,
    ),
    command(
        Meta {
            name: "zpopmax",
            summary: "Takes out the members with the highest scores and gives them.",
            since: "5.0.0",
            complexity: POP_COST,
            arity: -2,
            flags: REMOVE_FAST,
            keys: POP_KEY,
            args: "key [count:integer]",
            ..SORTED_SET
        },
        pop::zpopmax,
    ),
    command(
        Meta {
            name: "zmpop",
            summary: "Takes members with the lowest or highest scores out of the first key that has some.",
            since: "7.0.0",
            complexity: MPOP_COST,
            arity: -4,
            flags: REMOVE.and(Flags::MOVABLEKEYS),
            keys: &[counted_keys(1, &["RW", "access", "delete"])],
            args: "numkeys:integer key [key ...] (MIN | MAX) [COUNT count:integer]",
            ..SORTED_SET
        },
        pop::zmpop,
    ),
    command(
        Meta {
            name: "bzpopmin",
            summary: "Takes out the member with the lowest score, waiting until one of the keys has some.",
            since: "5.0.0",
            complexity: LOG_COST,
            arity: -3,
            flags: WAIT_FAST,
            keys: POP_KEYS,
            args: "key [key ...] timeout:double",
            ..SORTED_SET
        },
        pop::bzpopmin,
    ),
    command(
        Meta {
            name: "bzpopmax",
            summary: "Takes out the member with the highest score, waiting until one of the keys has some.",
            since: "5.0.0",
            complexity: LOG_COST,
            arity: -3,
            flags: WAIT_FAST,
            keys: POP_KEYS,
            args: "key [key ...] timeout:double",
            ..SORTED_SET
        },
        pop::bzpopmax,
    ),
    command(
        Meta {
            name: "bzmpop",
            summary: "Takes members with the lowest or highest scores out, waiting until one of the keys has some.",
            since: "7.0.0",
            complexity: MPOP_COST,
            arity: -5,
            flags: REMOVE.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
            keys: &[counted_keys(2, &["RW", "access", "delete"])],
            args: "timeout:double numkeys:integer key [key ...] (MIN | MAX) [COUNT count:integer]",
            ..SORTED_SET
        },
        pop::bzmpop,
    ),
    command(
        Meta {
            name: "zrandmember",
            summary: "Gives members at random.",
            since: "6.2.0",
            complexity: "O(N) where N is the number of members given",
            arity: -2,
            flags: READ,
            keys: READ_KEY,
            tips: &["nondeterministic_output"],
            args: "key [count:integer [WITHSCORES]]",
            ..SORTED_SET
        },
        random::zrandmember,
    ),
    command(
        Meta {
            name: "zunion",
            summary: "Gives the members of all of several sets.",
            since: "6.2.0",
            complexity: UNION_COST,
            arity: -3,
            flags: READ_MANY,
            keys: READ_KEYS,
            args: "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] \
                   [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]",
            ..SORTED_SET
        },
        combine::zunion,
    ),
    command(
        Meta {
            name: "zinter",
            summary: "Gives the members that several sets have in common.",
            since: "6.2.0",
            complexity: INTER_COST,
            arity: -3,
            flags: READ_MANY,
            keys: READ_KEYS,
            args: "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] \
                   [AGGREGATE (SUM | MIN | MAX)] [WITHSCORES]",
            ..SORTED_SET
        },
        combine::zinter,
    ),
    command(
        Meta {
            name: "zdiff",
            summary: "Gives the members of the first of several sets that no other has.",
            since: "6.2.0",
            complexity: DIFF_COST,
            arity: -3,
            flags: READ_MANY,
            keys: READ_KEYS,
            args: "numkeys:integer key [key ...] [WITHSCORES]",
            ..SORTED_SET
        },
        combine::zdiff,
    ),
    command(
        Meta {
            name: "zunionstore",
            summary: "Stores the members of all of several sets at a key.",
            since: "2.0.0",
            complexity: UNION_COST,
            arity: -4,
            flags: STORE_MANY,
            keys: STORE_KEYS,
            args: "destination numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer \
                   ...]] [AGGREGATE (SUM | MIN | MAX)]",
            ..SORTED_SET
        },
        combine::zunionstore,
    ),
    command(
        Meta {
            name: "zinterstore",
            summary: "Stores the members that several sets have in common at a key.",
            since: "2.0.0",
            complexity: INTER_COST,
            arity: -4,
            flags: STORE_MANY,
            keys: STORE_KEYS,
            args: "destination numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer \
                   ...]] [AGGREGATE (SUM | MIN | MAX)]",
            ..SORTED_SET
        },
        combine::zinterstore,
    ),
    command(
        Meta {
            name: "zdiffstore",
            summary: "Stores the members of the first of several sets that no other has at a key.",
            since: "6.2.0",
            complexity: DIFF_COST,
            arity: -4,
            flags: STORE_MANY,
            keys: STORE_KEYS,
            args: "destination numkeys:integer key [key ...]",
            ..SORTED_SET
        },
        combine::zdiffstore,
    ),
    command(
        Meta {
            name: "zintercard",
            summary: "Counts the members that several sets have in common.",
            since: "7.0.0",
            complexity: "O(N*K) where N is the size of the smallest set and K the number of sets",
            arity: -3,
            flags: READ_MANY,
            keys: READ_KEYS,
            args: "numkeys:integer key [key ...] [LIMIT limit:integer]",
            ..SORTED_SET
        },
        combine::zintercard,
    ),
    command(
        Meta {
            name: "zscan",
            summary: "Gives members and scores piece by piece, with a cursor.",
            since: "2.8.0",
            complexity: "O(1) a call, O(N) for all N members",
            arity: -3,
            flags: READ,
            keys: READ_KEY,
            tips: &["nondeterministic_output"],
            args: "key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
            ..SORTED_SET
        },
        scan::zscan,
    ),
];
