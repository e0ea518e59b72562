//! OBJECT: what can be told of a value's inside. Looking does not count as using.

use keyspace::{Encoding, Entry};
use resp::Args;

use super::{GENERIC, READ, second_key};
use crate::arguments::string;
use crate::spec::{Command, Flags, Meta};
use crate::{CommandError, Ctx, Handler};

/// What REFCOUNT says of an integer that Redis keeps only once.
const SHARED_REFCOUNT: i64 = i32::MAX as i64;
/// Redis keeps integers from 0 up to here only once.
const SHARED_INTEGERS: i64 = 10_000;

const OBJECT: Meta = Meta {
    arity: 3,
    flags: READ,
    acl: &["keyspace"],
    keys: &[second_key(&["RO"])],
    tips: &["nondeterministic_output"],
    args: "key",
    ..GENERIC
};

pub(super) const SUBCOMMANDS: &[Command<Handler>] = &[
    super::command(
        Meta {
            name: "encoding",
            summary: "Tells how the value at a key is represented.",
            since: "2.2.3",
            ..OBJECT
        },
        encoding,
    ),
    super::command(
        Meta { name: "freq", summary: "Tells how often a key is used.", since: "4.0.0", ..OBJECT },
        freq,
    ),
    super::command(
        Meta {
            name: "help",
            summary: "Describes the subcommands.",
            since: "6.2.0",
            arity: 2,
            flags: Flags::LOADING.and(Flags::STALE),
            acl: &["keyspace"],
            ..GENERIC
        },
        help,
    ),
    super::command(
        Meta {
            name: "idletime",
            summary: "Tells for how many seconds a key has not been used.",
            since: "2.2.3",
            ..OBJECT
        },
        idletime,
    ),
    super::command(
        Meta {
            name: "refcount",
            summary: "Tells how many references to the value at a key there are.",
            since: "2.2.3",
            ..OBJECT
        },
        refcount,
    ),
];

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Tell how the value at <key> is represented.",
    "FREQ <key>",
    "    Tell how often <key> is used, as a logarithmic counter; needs an LFU policy.",
    "IDLETIME <key>",
    "    Tell for how many seconds <key> has been neither read nor written.",
    "REFCOUNT <key>",
    "    Tell how many references to the value at <key> there are.",
    "HELP",
    "    Print this text.",
];

pub(super) fn help(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.out.array(HELP.len());
    for line in HELP {
        ctx.out.simple(line);
    }
    Ok(())
}

/// What `look` finds at the key, if there is one; replies with null otherwise.
fn inspect<R>(ctx: &mut Ctx<'_>, args: Args<'_>, look: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
    let found = ctx.inspect(ctx.key(args.at(2))).map(look);
    if found.is_none() {
        ctx.out.null();
    }
    found
}

fn encoding(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    if let Some(encoding) = inspect(ctx, args, |entry| entry.encoding().name()) {
        ctx.out.bulk(encoding.as_bytes());
    }
    Ok(())
}

const NOT_COUNTED: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
     when switching between policies at runtime LRU and LFU data will take some time to adjust.";
const NOT_TIMED: &str = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
     switching between policies at runtime LRU and LFU data will take some time to adjust.";

fn freq(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let Some(word) = inspect(ctx, args, |entry| entry.access()) else { return Ok(()) };
    let lfu = ctx.access.policy_lfu().ok_or(CommandError::new(NOT_COUNTED))?;
    ctx.out.int(i64::from(lfu.counter(word)));
    Ok(())
}

fn idletime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let Some(word) = inspect(ctx, args, |entry| entry.access()) else { return Ok(()) };
    if ctx.access.policy_lfu().is_some() {
        return Err(CommandError::new(NOT_TIMED));
    }
    ctx.out.int(i64::from(ctx.access.idle_seconds(word)));
    Ok(())
}

fn refcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let shared = inspect(ctx, args, |entry| {
        entry.encoding() == Encoding::Int
            && string(entry)
                .ok()
                .and_then(keyspace::Value::as_int)
                .is_some_and(|n| (0..SHARED_INTEGERS).contains(&n))
    });
    if let Some(shared) = shared {
        ctx.out.int(if shared { SHARED_REFCOUNT } else { 1 });
    }
    Ok(())
}
