//! Changing lists elsewhere than at their ends: LSET, LINSERT, LREM, LTRIM.

use keyspace::Updated;
use keyspace::values::{End, List, Side};
use resp::Args;

use super::read::part;
use crate::arguments::{integer, is_word};
use crate::{Class, CommandError, Ctx};

pub(super) fn lset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    if !ctx.check_kind::<List>(key)? {
        return Err(CommandError::NoSuchKey);
    }
    let (index, limits) = (integer(args.at(2))?, ctx.limits);
    let set = ctx.update(key, |list: &mut List| list.set(index, args.at(3), limits))?;
    if !set.is_some_and(|updated| updated.result) {
        return Err(CommandError::new("ERR index out of range"));
    }
    ctx.changed(key, Class::List, "lset");
    ctx.out.ok();
    Ok(())
}

pub(super) fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let side = match args.at(2) {
        word if is_word(word, "AFTER") => Side::After,
        word if is_word(word, "BEFORE") => Side::Before,
        _ => return Err(CommandError::Syntax),
    };
    let (key, limits) = (ctx.first_key(args), ctx.limits);
    let inserted = ctx.update(key, |list: &mut List| {
        let inserted = list.insert_beside(args.at(3), side, args.at(4), limits);
        inserted.then(|| list.len())
    })?;
    match inserted.map(|updated| updated.result) {
        None => ctx.out.int(0),
        Some(None) => ctx.out.int(-1),
        Some(Some(len)) => {
            ctx.changed(key, Class::List, "linsert");
            ctx.out.int(len as i64);
        }
    }
    Ok(())
}

pub(super) fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = integer(args.at(2))?;
    if count == i64::MIN {
        return Err(CommandError::new(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    let end = if count < 0 { End::Back } else { End::Front };
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let (key, limits) = (ctx.first_key(args), ctx.limits);
    let removed = ctx.update(key, |list: &mut List| list.remove_equal(args.at(3), limit, end, limits))?;
    if let Some(removed) = removed {
        ctx.removed(key, Class::List, "lrem", removed);
    }
    ctx.out.int(removed.map_or(0, |removed| removed.result as i64));
    Ok(())
}

pub(super) fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (integer(args.at(2))?, integer(args.at(3))?);
    let (key, limits) = (ctx.first_key(args), ctx.limits);
    let trimmed = ctx.update(key, |list: &mut List| {
        let len = list.len();
        let (start, kept) = part(start, end, len);
        // Behind first: places before it stay.
        list.remove_range(start + kept, len, limits);
        list.remove_range(0, start, limits);
        len - kept
    })?;
    if let Some(Updated { result: removed, emptied }) = trimmed {
        // The event comes also when nothing had to go.
        ctx.effects.dirty += removed as u64;
        ctx.effects.touched(ctx.db_index, key.bytes);
        ctx.effects.event(ctx.db_index, key.bytes, Class::List, "ltrim");
        if emptied {
            ctx.remove_emptied(key);
        }
    }
    ctx.out.ok();
    Ok(())
}
