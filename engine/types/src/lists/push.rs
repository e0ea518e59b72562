//! Adding at the ends: LPUSH, RPUSH, LPUSHX, RPUSHX.

use keyspace::Expiry;
use keyspace::values::{End, List};
use resp::Args;

use crate::{Class, CommandError, Ctx, Key};

/// What happens when there is no list yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Create,
    Leave,
}

pub(super) fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Front, Missing::Create)
}

pub(super) fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Back, Missing::Create)
}

pub(super) fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Front, Missing::Leave)
}

pub(super) fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    push(ctx, args, End::Back, Missing::Leave)
}

/// The event of adding at an end.
pub(super) fn push_event(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

fn push(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, missing: Missing) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let (elements, limits) = (args.from(2), ctx.limits);
    let add = |list: &mut List| {
        list.push_all(end, elements.iter(), limits);
        list.len()
    };
    let len = match ctx.update(key, add)? {
        Some(updated) => updated.result,
        None if missing == Missing::Leave => {
            ctx.out.int(0);
            return Ok(());
        }
        None => {
            let mut list = List::new();
            let len = add(&mut list);
            ctx.put(key, list, Expiry::Clear);
            len
        }
    };
    ctx.effects.dirty += elements.len() as u64 - 1;
    ctx.changed(key, Class::List, push_event(end));
    ctx.out.int(len as i64);
    Ok(())
}

/// Adds one element to a list that holds it from now on, as a part of another command.
pub(super) fn push_one(
    ctx: &mut Ctx<'_>,
    key: Key<'_>,
    end: End,
    element: &[u8],
) -> Result<(), CommandError> {
    let limits = ctx.limits;
    ctx.update_or_insert(key, |list: &mut List| list.push(end, element, limits))?;
    ctx.effects.touched(ctx.db_index, key.bytes);
    ctx.effects.event(ctx.db_index, key.bytes, Class::List, push_event(end));
    Ok(())
}
