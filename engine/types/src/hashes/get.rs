//! Reading fields: HGET, HMGET, HGETALL, HKEYS, HVALS, HEXISTS, HLEN, HSTRLEN, HSCAN.

use keyspace::Value;
use keyspace::values::Hash;
use resp::{Args, Writer};

use crate::replies::{write_or_null, write_value};
use crate::scanning::scan_elements;
use crate::{CommandError, Ctx};

pub(super) fn hget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |hash: Option<&Hash>, out| {
        write_or_null(out, hash.and_then(|hash| hash.get(args.at(2))));
        Ok(())
    })
}

pub(super) fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |hash: Option<&Hash>, out| {
        out.array(args.len() - 2);
        for field in args.iter().skip(2) {
            write_or_null(out, hash.and_then(|hash| hash.get(field)));
        }
        Ok(())
    })
}

pub(super) fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |hash: Option<&Hash>, out| {
        out.map(hash.map_or(0, Hash::len));
        hash.into_iter().flat_map(Hash::iter).for_each(|(field, value)| {
            write_value(out, field);
            write_value(out, value);
        });
        Ok(())
    })
}

pub(super) fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    list(ctx, args, |out, field, _| write_value(out, field))
}

pub(super) fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    list(ctx, args, |out, _, value| write_value(out, value))
}

/// Replies with something of each field, as an array.
fn list(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    write: fn(&mut Writer<'_>, Value<'_>, Value<'_>),
) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |hash: Option<&Hash>, out| {
        out.array(hash.map_or(0, Hash::len));
        hash.into_iter().flat_map(Hash::iter).for_each(|(field, value)| write(out, field, value));
        Ok(())
    })
}

pub(super) fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    number(ctx, args, |hash| usize::from(hash.contains(args.at(2))))
}

pub(super) fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    number(ctx, args, Hash::len)
}

pub(super) fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    number(ctx, args, |hash| hash.get(args.at(2)).map_or(0, Value::len))
}

/// Replies with a number, 0 for a missing hash.
fn number(ctx: &mut Ctx<'_>, args: Args<'_>, of: impl FnOnce(&Hash) -> usize) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |hash: Option<&Hash>, out| {
        out.int(hash.map_or(0, of) as i64);
        Ok(())
    })
}

pub(super) fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    scan_elements(ctx, args, |hash: &Hash, cursor, options, found| {
        hash.scan(cursor, options.count, &mut |field, value| {
            if options.select_value(field) {
                found.add_value(field);
                found.add_value(value);
            }
        })
    })
}
