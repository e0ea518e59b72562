//! Whole databases: FLUSHDB, FLUSHALL, SWAPDB.
//!
//! What a flushed database held goes to the effects, so that freeing it can happen elsewhere; ASYNC and
//! SYNC therefore differ in nothing but their syntax.

use resp::Args;

use crate::arguments::is_word;
use crate::effects::{Flushed, Propagation};
use crate::{CommandError, Ctx};

fn check_option(args: Args<'_>) -> Result<(), CommandError> {
    match args.len() {
        1 => Ok(()),
        2 if is_word(args.at(1), "ASYNC") || is_word(args.at(1), "SYNC") => Ok(()),
        _ => Err(CommandError::Syntax),
    }
}

fn flush(ctx: &mut Ctx<'_>, db: u32) {
    let contents = ctx.dbs[db as usize].take();
    if !contents.is_empty() {
        ctx.effects.dirty += contents.len() as u64;
        ctx.effects.flushed.push(Flushed { db, contents });
    }
    // Replicas may hold keys that are gone here: they are told whatever there was.
    ctx.effects.propagation = Propagation::Always;
    ctx.effects.flush_ran = true;
}

pub(super) fn flushdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    check_option(args)?;
    flush(ctx, ctx.db_index);
    ctx.out.ok();
    Ok(())
}

pub(super) fn flushall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    check_option(args)?;
    for db in 0..ctx.dbs.len() as u32 {
        flush(ctx, db);
    }
    ctx.effects.flushed_all = true;
    ctx.out.ok();
    Ok(())
}

pub(super) fn swapdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let number = |at, error| {
        let number = resp::number::parse_i64(args.at(at)).and_then(|number| i32::try_from(number).ok());
        number.ok_or(CommandError::new(error))
    };
    let first = number(1, "ERR invalid first DB index")?;
    let second = number(2, "ERR invalid second DB index")?;
    let existing = |index: i32| u32::try_from(index).ok().filter(|index| (*index as usize) < ctx.dbs.len());
    let (Some(first), Some(second)) = (existing(first), existing(second)) else {
        return Err(CommandError::DbIndex);
    };
    ctx.dbs.swap(first as usize, second as usize);
    if first != second {
        ctx.effects.swapped = Some((first, second));
    }
    ctx.effects.dirty += 1;
    ctx.out.ok();
    Ok(())
}
