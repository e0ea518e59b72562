//! Changing sets: SADD, SREM, SMOVE.

use keyspace::values::Set;
use resp::Args;

use crate::{Class, CommandError, Ctx, Key};

pub(super) fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let (limits, given) = (ctx.limits, args.len() - 2);
    let updated = ctx.update_or_insert(key, |set: &mut Set| {
        match set.is_void() {
            true => *set = Set::for_members(args.at(2), given, limits),
            false => set.expect(given, limits),
        }
        args.iter().skip(2).filter(|member| set.add(member, limits)).count()
    })?;
    if updated.result > 0 {
        ctx.changed(key, Class::Set, "sadd");
        ctx.effects.dirty += updated.result as u64 - 1;
    }
    ctx.out.int(updated.result as i64);
    Ok(())
}

pub(super) fn srem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let updated =
        ctx.update(key, |set: &mut Set| args.iter().skip(2).filter(|member| set.remove(member)).count())?;
    if let Some(removed) = updated {
        ctx.removed(key, Class::Set, "srem", removed);
    }
    ctx.out.int(updated.map_or(0, |updated| updated.result as i64));
    Ok(())
}

pub(super) fn smove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (from, to, member) = (ctx.first_key(args), ctx.key(args.at(2)), args.at(3));
    let moved = move_member(ctx, from, to, member)?;
    ctx.out.int(i64::from(moved));
    Ok(())
}

/// Moves a member between the sets at two keys; false when the first has no such member.
fn move_member(ctx: &mut Ctx<'_>, from: Key<'_>, to: Key<'_>, member: &[u8]) -> Result<bool, CommandError> {
    // The other key has its expiry looked at even when there is nothing to move.
    ctx.for_write(to);
    if ctx.for_write(from).is_none() {
        return Ok(false);
    }
    ctx.check_kind::<Set>(from)?;
    ctx.check_kind::<Set>(to)?;
    if from.bytes == to.bytes {
        return Ok(ctx.update(from, |set: &mut Set| set.contains(member))?.is_some_and(|one| one.result));
    }
    let Some(removed) = ctx.update(from, |set: &mut Set| set.remove(member))?.filter(|one| one.result) else {
        return Ok(false);
    };
    ctx.changed(from, Class::Set, "srem");
    if removed.emptied {
        ctx.remove_emptied(from);
    }
    let limits = ctx.limits;
    let added = ctx.update_or_insert(to, |set: &mut Set| {
        if set.is_void() {
            *set = Set::for_members(member, 1, limits);
        }
        set.add(member, limits)
    })?;
    if added.result {
        ctx.changed(to, Class::Set, "sadd");
    }
    Ok(true)
}
