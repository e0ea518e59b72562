//! Strings at many keys in one command: MGET, MSET, MSETNX.

use keyspace::Expiry;
use resp::Args;

use super::set::store_string;
use crate::arguments::string;
use crate::replies::write_value;
use crate::{CommandError, Ctx};

pub(super) fn mget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.out.array(args.len() - 1);
    for bytes in args.iter().skip(1) {
        ctx.read_with(ctx.key(bytes), |entry, out| match entry.map(string) {
            Some(Ok(value)) => write_value(out, value),
            // A key of another type is no error here.
            _ => out.null(),
        });
    }
    Ok(())
}

pub(super) fn mset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    check_pairs(args, "mset")?;
    store_pairs(ctx, args);
    ctx.out.ok();
    Ok(())
}

pub(super) fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    check_pairs(args, "msetnx")?;
    let none_there = (1..args.len()).step_by(2).all(|at| ctx.for_write(ctx.key(args.at(at))).is_none());
    if none_there {
        store_pairs(ctx, args);
    }
    ctx.out.int(i64::from(none_there));
    Ok(())
}

fn check_pairs(args: Args<'_>, name: &str) -> Result<(), CommandError> {
    match args.len() % 2 {
        1 => Ok(()),
        _ => Err(CommandError::Arity(name.into())),
    }
}

fn store_pairs(ctx: &mut Ctx<'_>, args: Args<'_>) {
    for at in (1..args.len()).step_by(2) {
        let key = ctx.key(args.at(at));
        ctx.expire_before_write(key);
        store_string(ctx, key, args.at(at + 1), Expiry::Clear);
    }
}
