//! From one list to another: LMOVE, RPOPLPUSH, and BLMOVE, BRPOPLPUSH, which wait for something to move.

use keyspace::values::{End, List};
use resp::Args;

use super::end_named;
use super::pop::{settle_taken, wait_for_list};
use super::push::{push_event, push_one};
use crate::arguments::timeout_in_seconds;
use crate::{Class, CommandError, Ctx, Key};

/// From where to where.
#[derive(Clone, Copy)]
struct Ends {
    from: End,
    to: End,
}

impl Ends {
    /// RPOPLPUSH's.
    const TURNING: Ends = Ends { from: End::Back, to: End::Front };

    fn parse(args: Args<'_>) -> Result<Ends, CommandError> {
        let end = |index| end_named(args.at(index)).ok_or(CommandError::Syntax);
        Ok(Ends { from: end(3)?, to: end(4)? })
    }
}

pub(super) fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let ends = Ends::parse(args)?;
    move_or_null(ctx, args, ends)
}

pub(super) fn rpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    move_or_null(ctx, args, Ends::TURNING)
}

fn move_or_null(ctx: &mut Ctx<'_>, args: Args<'_>, ends: Ends) -> Result<(), CommandError> {
    if !move_one(ctx, args, ends)? {
        ctx.out.null();
    }
    Ok(())
}

pub(super) fn blmove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let ends = Ends::parse(args)?;
    let timeout_ms = timeout_in_seconds(args.at(5), ctx.now)?;
    match move_one(ctx, args, ends)? {
        true => ctx.effects.replicate_as(&[b"LMOVE", args.at(1), args.at(2), args.at(3), args.at(4)]),
        false => wait_for_source(ctx, args, timeout_ms),
    }
    Ok(())
}

pub(super) fn brpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let timeout_ms = timeout_in_seconds(args.at(3), ctx.now)?;
    match move_one(ctx, args, Ends::TURNING)? {
        true => ctx.effects.replicate_as(&[b"RPOPLPUSH", args.at(1), args.at(2)]),
        false => wait_for_source(ctx, args, timeout_ms),
    }
    Ok(())
}

fn wait_for_source(ctx: &mut Ctx<'_>, args: Args<'_>, timeout_ms: Option<u64>) {
    match ctx.may_block {
        true => ctx.block(wait_for_list(std::iter::once(args.at(1)), timeout_ms)),
        false => ctx.out.null(),
    }
}

/// Moves an element and replies with it; false when there is no source.
fn move_one(ctx: &mut Ctx<'_>, args: Args<'_>, ends: Ends) -> Result<bool, CommandError> {
    let (source, target) = (ctx.first_key(args), ctx.key(args.at(2)));
    if !ctx.check_kind::<List>(source)? {
        return Ok(false);
    }
    let element = match source.bytes == target.bytes {
        true => turn(ctx, source, ends)?,
        false => {
            ctx.check_kind::<List>(target)?;
            carry(ctx, source, target, ends)?
        }
    };
    ctx.out.bulk(&element);
    Ok(true)
}

/// Moves within one list.
fn turn(ctx: &mut Ctx<'_>, key: Key<'_>, ends: Ends) -> Result<Vec<u8>, CommandError> {
    let limits = ctx.limits;
    let turned = ctx.update(key, |list: &mut List| {
        let element = list.pop_with(ends.from, limits, |value| value.to_cow().into_owned())?;
        list.push(ends.to, &element, limits);
        Some(element)
    })?;
    let Some(element) = turned.and_then(|updated| updated.result) else {
        unreachable!("a list without elements")
    };
    ctx.effects.event(ctx.db_index, key.bytes, Class::List, push_event(ends.to));
    settle_taken(ctx, key, ends.from, 1, false);
    Ok(element)
}

/// Moves from one list to another.
fn carry(ctx: &mut Ctx<'_>, source: Key<'_>, target: Key<'_>, ends: Ends) -> Result<Vec<u8>, CommandError> {
    let limits = ctx.limits;
    let taken = ctx.update(source, |list: &mut List| {
        list.pop_with(ends.from, limits, |value| value.to_cow().into_owned())
    })?;
    let Some((Some(element), emptied)) = taken.map(|updated| (updated.result, updated.emptied)) else {
        unreachable!("a list without elements")
    };
    push_one(ctx, target, ends.to, &element)?;
    settle_taken(ctx, source, ends.from, 1, emptied);
    Ok(element)
}
