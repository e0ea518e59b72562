//! HyperLogLog: how many different elements there were, told from 16,384 registers of six bits.
//!
//! A HyperLogLog is a string with a header (`stored`) and its registers, either as runs of equal ones
//! (`sparse`) or six bits each (`dense`). Commands that work on one as a string (GETRANGE, SETRANGE, DUMP)
//! see the same bytes as in Redis, and what they break is noticed here. `hash` turns an element into a
//! register and a count, `estimate` registers into a number.
//!
//! Behaviour, errors, stored form and what is replicated are those of Redis 7.2.4.

mod debug;
mod dense;
mod estimate;
mod hash;
mod merge;
mod sparse;
mod stored;
#[cfg(test)]
mod tests;

use keyspace::{Encoding, Entry, Expiry};
use resp::Args;

use crate::arguments::string;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, all_keys, one_key};
use crate::{Class, CommandError, Ctx, Handler, Key};
use stored::Damaged;

const HLL: Meta = Meta { group: "hyperloglog", since: "2.8.9", ..Meta::BASE };
const WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM);

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "pfadd",
            summary: "Adds elements to a HyperLogLog, which is created if need be.",
            complexity: "O(1) an element",
            arity: -2,
            flags: WRITE.and(Flags::FAST),
            keys: &[one_key(&["RW", "insert"])],
            args: "key [element [element ...]]",
            ..HLL
        },
        pfadd,
    ),
    command(
        Meta {
            name: "pfcount",
            summary: "Estimates how many different elements were added to HyperLogLogs, taken together.",
            complexity: "O(1) for one key, O(N) for N keys",
            arity: -2,
            // It keeps its estimate in the value.
            flags: Flags::READONLY.and(Flags::MAY_REPLICATE),
            keys: &[all_keys(&["RW", "access"])],
            args: "key [key ...]",
            ..HLL
        },
        pfcount,
    ),
    command(
        Meta {
            name: "pfmerge",
            summary: "Merges HyperLogLogs into one, which is created if need be.",
            complexity: "O(N) where N is the number of HyperLogLogs",
            arity: -2,
            flags: WRITE,
            keys: &[
                one_key(&["RW", "access", "insert"]),
                KeySpec { flags: &["RO", "access"], begin: Begin::Index(2), find: Find::Range(-1, 1, 0) },
            ],
            args: "destkey:key [sourcekey:key [sourcekey:key ...]]",
            ..HLL
        },
        merge::pfmerge,
    ),
    command(
        Meta {
            name: "pfdebug",
            summary: "Shows or changes how a HyperLogLog is stored.",
            complexity: "O(N) where N is the number of registers",
            arity: 3,
            flags: WRITE.and(Flags::ADMIN),
            keys: &[KeySpec { flags: &["RW", "access"], begin: Begin::Index(2), find: Find::Range(0, 1, 0) }],
            args: "subcommand key",
            ..HLL
        },
        debug::pfdebug,
    ),
    command(
        Meta {
            name: "pfselftest",
            summary: "Checks registers and estimates against plain counting.",
            complexity: "O(N) where N is the number of elements tried",
            arity: 1,
            flags: Flags::ADMIN,
            ..HLL
        },
        debug::pfselftest,
    ),
];

fn corrupted(_: Damaged) -> CommandError {
    CommandError::new("INVALIDOBJ Corrupted HLL object detected")
}

/// Refuses an entry that cannot be a HyperLogLog: another type, or a string without the right header.
fn check(entry: Entry<'_>) -> Result<(), CommandError> {
    let value = string(entry)?;
    let plausible = match value {
        keyspace::Value::Bytes(bytes) => entry.encoding() != Encoding::Int && stored::is_plausible(bytes),
        keyspace::Value::Int(_) => false,
    };
    match plausible {
        true => Ok(()),
        false => Err(CommandError::new("WRONGTYPE Key is not a valid HyperLogLog string value.")),
    }
}

/// Looks a key up to change it; true when it holds a HyperLogLog.
fn check_for_write(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<bool, CommandError> {
    let found = ctx.for_write(key).map(check).transpose()?;
    Ok(found.is_some())
}

/// Makes a HyperLogLog that counts nothing, where there is no key.
fn create(ctx: &mut Ctx<'_>, key: Key<'_>) {
    ctx.announce_new(key);
    let access = ctx.access_stamp();
    ctx.db().set_raw(key.hash, key.bytes, &stored::empty(), Expiry::Clear, access);
}

/// Changes a HyperLogLog that is there.
fn edit<R>(
    ctx: &mut Ctx<'_>,
    key: Key<'_>,
    change: impl FnOnce(&mut Vec<u8>) -> Result<R, Damaged>,
) -> Result<R, CommandError> {
    match ctx.db().edit(key.hash, key.bytes, change) {
        Some(result) => result.map_err(corrupted),
        None => Err(CommandError::NoSuchKey),
    }
}

fn pfadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let sparse_max_bytes = ctx.limits.hll_sparse_max_bytes;
    let created = !check_for_write(ctx, key)?;
    if created {
        create(ctx, key);
    }
    let added = edit(ctx, key, |bytes| {
        let mut added = 0;
        for element in args.from(2).iter() {
            added += u64::from(stored::raise(bytes, hash::place(element), sparse_max_bytes)?);
        }
        if added > 0 || created {
            stored::forget_count(bytes);
        }
        Ok(added)
    })?;
    let changes = added + u64::from(created);
    if changes > 0 {
        ctx.changed(key, Class::String, "pfadd");
        ctx.effects.dirty += changes - 1;
    }
    ctx.out.int((changes > 0).into());
    Ok(())
}

fn pfcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 2 {
        let union = merge::union(ctx, args.from(1))?;
        ctx.out.int(estimate::cardinality(&union.histogram()) as i64);
        return Ok(());
    }
    let key = ctx.first_key(args);
    let Some(entry) = ctx.read(key) else {
        ctx.out.int(0);
        return Ok(());
    };
    check(entry)?;
    let known = string(entry)?.to_cow();
    if let Some(count) = stored::known_count(&known) {
        ctx.db().edit(key.hash, key.bytes, |_| ());
        ctx.out.int(count as i64);
        return Ok(());
    }
    // The count is kept in the string, so that replicas have to hear of it.
    let count = edit(ctx, key, |bytes| {
        let count = estimate::cardinality(&stored::histogram(bytes)?);
        stored::keep_count(bytes, count);
        Ok(count)
    })?;
    ctx.effects.dirty += 1;
    ctx.effects.touched(ctx.db_index, key.bytes);
    ctx.out.int(count as i64);
    Ok(())
}
