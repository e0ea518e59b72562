//! Stream commands: their declarations here, their code in a file for each kind of work.
//!
//! - `edit`: adding, deleting, trimming, with `trimming` for what XADD and XTRIM share; `range`: reading by id.
//! - `read`: reading what is new, for oneself or for a group, and waiting for it.
//! - `groups`: making and ending groups and consumers; `pending`: what was delivered and not acknowledged;
//!   `claim`: taking it over; `replication`: what replicas are told of all that.
//! - `info`: looking inside. `ids` and `reply` read and write ids and entries.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4. Groups are not entries: what changes
//! only them does not spoil the transactions of those who watch the key, as in Redis.

mod claim;
mod edit;
mod groups;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod replication;
mod reply;
#[cfg(test)]
mod tests;
mod trimming;

use keyspace::values::Stream;
use resp::Writer;

use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, one_key};
use crate::{Class, Ctx, Handler, Key};

const STREAM: Meta = Meta { group: "stream", since: "5.0.0", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE;
const WRITE_FAST: Flags = Flags::WRITE.and(Flags::FAST);
const UNSURE: &[&str] = &["nondeterministic_output"];
const RANGE_COST: &str = "O(N) where N is the number of entries that are returned";
const TRIM_COST: &str = "O(N) where N is the number of entries that go";

/// One key at argument 2, behind the subcommand.
const fn second_key(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(2), find: Find::Range(0, 1, 0) }
}

/// The first half of what stands behind STREAMS.
const fn behind_streams(from: i32) -> KeySpec {
    KeySpec { flags: &["RO", "access"], begin: Begin::Keyword("STREAMS", from), find: Find::Range(-1, 1, 2) }
}

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// What a container's subcommand HELP is declared as.
const HELP: Meta = Meta {
    name: "help",
    summary: "Describes the subcommands.",
    arity: 2,
    flags: Flags::LOADING.and(Flags::STALE),
    ..STREAM
};

/// Changes the stream of a key that holds one, with the reply's writer at hand.
fn change_beside_reply<R>(
    ctx: &mut Ctx<'_>,
    key: Key<'_>,
    change: impl FnOnce(&mut Stream, &mut Writer<'_>) -> R,
) -> Option<R> {
    let stamp = ctx.access.stamp();
    let out = &mut ctx.out;
    let db = &mut ctx.dbs[ctx.db_index as usize];
    let updated = db.update(key.hash, key.bytes, stamp, |stream: &mut Stream| change(stream, out));
    updated?.ok().map(|updated| updated.result)
}

/// Records that a consumer was made.
fn note_consumer(ctx: &mut Ctx<'_>, key: Key<'_>) {
    ctx.effects.dirty += 1;
    ctx.effects.event(ctx.db_index, key.bytes, Class::Stream, "xgroup-createconsumer");
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "xadd",
            summary: "Adds an entry to a stream, which is created if need be.",
            complexity: "O(1) to add; O(N) to trim, where N is the number of entries that go",
            arity: -5,
            flags: WRITE_FAST.and(Flags::DENYOOM),
            keys: &[one_key(&["RW", "update"])],
            tips: UNSURE,
            args: "key [NOMKSTREAM] [(MAXLEN | MINID) [= | ~] threshold [LIMIT count:integer]] \
                   (* | id) field value [field value ...]",
            ..STREAM
        },
        edit::xadd,
    ),
    command(
        Meta {
            name: "xlen",
            summary: "Gives the number of entries of a stream.",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key",
            ..STREAM
        },
        range::xlen,
    ),
    command(
        Meta {
            name: "xrange",
            summary: "Gives the entries whose ids are in a range.",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key start end [COUNT count:integer]",
            ..STREAM
        },
        range::xrange,
    ),
    command(
        Meta {
            name: "xrevrange",
            summary: "Gives the entries whose ids are in a range, the last one first.",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key end start [COUNT count:integer]",
            ..STREAM
        },
        range::xrevrange,
    ),
    command(
        Meta {
            name: "xread",
            summary: "Gives what came to streams behind given ids, and waits for it if asked.",
            complexity: RANGE_COST,
            arity: -4,
            flags: READ.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
            keys: &[behind_streams(1)],
            args: "[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS key [key ...] id [id ...]",
            ..STREAM
        },
        read::xread,
    ),
    command(
        Meta {
            name: "xreadgroup",
            summary: "Gives a consumer of a group what is new, or what it has yet to acknowledge.",
            complexity: RANGE_COST,
            arity: -7,
            flags: WRITE.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
            keys: &[behind_streams(4)],
            args: "GROUP group consumer [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] \
                   STREAMS key [key ...] id [id ...]",
            ..STREAM
        },
        read::xreadgroup,
    ),
    command(
        Meta {
            name: "xdel",
            summary: "Deletes entries of a stream by their ids.",
            complexity: "O(1) for each entry",
            arity: -3,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "delete"])],
            args: "key id [id ...]",
            ..STREAM
        },
        edit::xdel,
    ),
    command(
        Meta {
            name: "xtrim",
            summary: "Deletes the oldest entries of a stream, down to a length or an id.",
            complexity: TRIM_COST,
            arity: -4,
            flags: WRITE,
            keys: &[one_key(&["RW", "delete"])],
            tips: UNSURE,
            args: "key (MAXLEN | MINID) [= | ~] threshold [LIMIT count:integer]",
            ..STREAM
        },
        edit::xtrim,
    ),
    command(
        Meta {
            name: "xsetid",
            summary: "Sets the figures of a stream; meant for replication.",
            arity: -3,
            flags: WRITE_FAST.and(Flags::DENYOOM),
            keys: &[one_key(&["RW", "update"])],
            args: "key last-id [ENTRIESADDED entries-added:integer] [MAXDELETEDID max-deleted-id]",
            ..STREAM
        },
        edit::xsetid,
    ),
    command(
        Meta {
            name: "xack",
            summary: "Acknowledges entries that were delivered to a consumer of a group.",
            complexity: "O(1) for each entry",
            arity: -4,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "update"])],
            args: "key group id [id ...]",
            ..STREAM
        },
        pending::xack,
    ),
    command(
        Meta {
            name: "xpending",
            summary: "Tells what a group has been given and not acknowledged.",
            complexity: RANGE_COST,
            arity: -3,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            tips: UNSURE,
            args: "key group [[IDLE min-idle-time:integer] start end count:integer [consumer]]",
            ..STREAM
        },
        pending::xpending,
    ),
    command(
        Meta {
            name: "xclaim",
            summary: "Gives pending entries to another consumer.",
            complexity: "O(log N) where N is the number of the group's pending entries",
            arity: -6,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "update"])],
            tips: UNSURE,
            args: "key group consumer min-idle-time id [id ...] [IDLE ms:integer] \
                   [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] \
                   [LASTID lastid]",
            ..STREAM
        },
        claim::xclaim,
    ),
    command(
        Meta {
            name: "xautoclaim",
            summary: "Gives entries that have been pending for long to another consumer.",
            since: "6.2.0",
            complexity: "O(1) for a small count",
            arity: -6,
            flags: WRITE_FAST,
            keys: &[one_key(&["RW", "delete"])],
            tips: UNSURE,
            args: "key group consumer min-idle-time start [COUNT count:integer] [JUSTID]",
            ..STREAM
        },
        claim::xautoclaim,
    ),
    Command {
        meta: Meta {
            name: "xgroup",
            summary: "Makes and ends groups of consumers.",
            complexity: "Depends on the subcommand.",
            arity: -2,
            ..STREAM
        },
        run: groups::help,
        subcommands: XGROUP,
    },
    Command {
        meta: Meta {
            name: "xinfo",
            summary: "Tells what a stream is like inside.",
            complexity: "Depends on the subcommand.",
            arity: -2,
            ..STREAM
        },
        run: info::help,
        subcommands: XINFO,
    },
];

const XGROUP: &[Command<Handler>] = &[
    command(
        Meta {
            name: "create",
            summary: "Makes a group.",
            arity: -5,
            flags: WRITE.and(Flags::DENYOOM),
            keys: &[second_key(&["RW", "insert"])],
            args: "key group (id | $) [MKSTREAM] [ENTRIESREAD entries-read:integer]",
            ..STREAM
        },
        groups::create,
    ),
    command(
        Meta {
            name: "createconsumer",
            summary: "Makes a consumer in a group.",
            since: "6.2.0",
            arity: 5,
            flags: WRITE.and(Flags::DENYOOM),
            keys: &[second_key(&["RW", "insert"])],
            args: "key group consumer",
            ..STREAM
        },
        groups::createconsumer,
    ),
    command(
        Meta {
            name: "delconsumer",
            summary: "Takes a consumer out of a group.",
            arity: 5,
            flags: WRITE,
            keys: &[second_key(&["RW", "delete"])],
            args: "key group consumer",
            ..STREAM
        },
        groups::delconsumer,
    ),
    command(
        Meta {
            name: "destroy",
            summary: "Ends a group.",
            complexity: "O(N) where N is the number of the group's pending entries",
            arity: 4,
            flags: WRITE,
            keys: &[second_key(&["RW", "delete"])],
            args: "key group",
            ..STREAM
        },
        groups::destroy,
    ),
    command(HELP, groups::help),
    command(
        Meta {
            name: "setid",
            summary: "Sets the id of the entry that a group was given last.",
            arity: -5,
            flags: WRITE,
            keys: &[second_key(&["RW", "update"])],
            args: "key group (id | $) [ENTRIESREAD entries-read:integer]",
            ..STREAM
        },
        groups::setid,
    ),
];

const XINFO: &[Command<Handler>] = &[
    command(
        Meta {
            name: "consumers",
            summary: "Tells of the consumers of a group.",
            arity: 4,
            flags: READ,
            keys: &[second_key(&["RO", "access"])],
            tips: UNSURE,
            args: "key group",
            ..STREAM
        },
        info::consumers,
    ),
    command(
        Meta {
            name: "groups",
            summary: "Tells of the groups of a stream.",
            arity: 3,
            flags: READ,
            keys: &[second_key(&["RO", "access"])],
            args: "key",
            ..STREAM
        },
        info::groups,
    ),
    command(HELP, info::help),
    command(
        Meta {
            name: "stream",
            summary: "Tells of a stream itself, with all its groups and what is pending if asked.",
            arity: -3,
            flags: READ,
            keys: &[second_key(&["RO", "access"])],
            args: "key [FULL [COUNT count:integer]]",
            ..STREAM
        },
        info::stream,
    ),
];
