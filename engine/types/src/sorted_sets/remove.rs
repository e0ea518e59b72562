//! Taking members out: ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use std::ops::Range;

use keyspace::values::{Direction, SortedSet};
use resp::Args;

use super::bounds::{RankRange, lex_range, score_range};
use crate::{Class, CommandError, Ctx};

pub(super) fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    remove(ctx, args, "zrem", |set| (2..args.len()).filter(|&at| set.remove(args.at(at)).is_some()).count())
}

pub(super) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let range = RankRange::parse(args.at(2), args.at(3))?;
    remove_range(ctx, args, "zremrangebyrank", |set| range.within(set.len()))
}

pub(super) fn zremrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let range = score_range(args.at(2), args.at(3))?;
    remove_range(ctx, args, "zremrangebyscore", |set| set.score_range(range))
}

pub(super) fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let range = lex_range(args.at(2), args.at(3))?;
    remove_range(ctx, args, "zremrangebylex", |set| set.lex_range(range, Direction::Forward))
}

fn remove_range(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    event: &'static str,
    ranks: impl FnOnce(&SortedSet) -> Range<usize>,
) -> Result<(), CommandError> {
    remove(ctx, args, event, |set| {
        let ranks = ranks(set);
        set.remove_range(ranks.clone());
        ranks.len()
    })
}

/// Takes members out of the set at the first key, replies how many and records what follows.
fn remove(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    event: &'static str,
    take: impl FnOnce(&mut SortedSet) -> usize,
) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let updated = ctx.update(key, take)?;
    if let Some(removed) = updated {
        ctx.removed(key, Class::SortedSet, event, removed);
    }
    ctx.out.int(updated.map_or(0, |updated| updated.result as i64));
    Ok(())
}
