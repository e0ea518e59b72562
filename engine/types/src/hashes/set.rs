//! Changing fields: HSET, HMSET, HSETNX, HDEL.

use keyspace::values::Hash;
use resp::Args;

use crate::{Class, CommandError, Ctx};

pub(super) fn hset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let added = set_fields(ctx, args, "hset")?;
    ctx.out.int(added as i64);
    Ok(())
}

pub(super) fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_fields(ctx, args, "hmset")?;
    ctx.out.ok();
    Ok(())
}

/// Sets the fields from argument 2 on; gives how many are new.
fn set_fields(ctx: &mut Ctx<'_>, args: Args<'_>, name: &str) -> Result<usize, CommandError> {
    if args.len() % 2 == 1 {
        return Err(CommandError::Arity(name.into()));
    }
    let key = ctx.first_key(args);
    let (limits, fields) = (ctx.limits, (args.len() - 2) / 2);
    let updated = ctx.update_or_insert(key, |hash: &mut Hash| {
        hash.expect(fields, limits);
        let fields = (2..args.len()).step_by(2);
        fields.filter(|at| hash.set(args.at(*at), args.at(*at + 1), limits)).count()
    })?;
    ctx.changed(key, Class::Hash, "hset");
    ctx.effects.dirty += fields as u64 - 1;
    Ok(updated.result)
}

pub(super) fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let limits = ctx.limits;
    let field = args.at(2);
    let updated = ctx.update_or_insert(key, |hash: &mut Hash| {
        !hash.contains(field) && hash.set(field, args.at(3), limits)
    })?;
    if updated.result {
        ctx.changed(key, Class::Hash, "hset");
    }
    ctx.out.int(i64::from(updated.result));
    Ok(())
}

pub(super) fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let updated =
        ctx.update(key, |hash: &mut Hash| args.iter().skip(2).filter(|field| hash.remove(field)).count())?;
    if let Some(removed) = updated {
        ctx.removed(key, Class::Hash, "hdel", removed);
    }
    ctx.out.int(updated.map_or(0, |updated| updated.result as i64));
    Ok(())
}
