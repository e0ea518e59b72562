//! Questions about members: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT.

use keyspace::values::{Direction, SortedSet};
use resp::Args;

use super::bounds::{lex_range, score_range};
use crate::arguments::is_word;
use crate::{CommandError, Ctx};

pub(super) fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        out.int(set.map_or(0, SortedSet::len) as i64);
        Ok(())
    })
}

pub(super) fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        match set.and_then(|set| set.score(args.at(2))) {
            Some(score) => out.double(score),
            None => out.null(),
        }
        Ok(())
    })
}

pub(super) fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        out.array(args.len() - 2);
        for at in 2..args.len() {
            match set.and_then(|set| set.score(args.at(at))) {
                Some(score) => out.double(score),
                None => out.null(),
            }
        }
        Ok(())
    })
}

pub(super) fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    rank(ctx, args, Direction::Forward, "zrank")
}

pub(super) fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    rank(ctx, args, Direction::Backward, "zrevrank")
}

fn rank(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    direction: Direction,
    name: &'static str,
) -> Result<(), CommandError> {
    if args.len() > 4 {
        return Err(CommandError::Arity(name.to_owned()));
    }
    let with_score = args.len() == 4;
    if with_score && !is_word(args.at(3), "WITHSCORE") {
        return Err(CommandError::Syntax);
    }
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        let found = set.and_then(|set| Some((set.len(), set.rank(args.at(2))?)));
        let Some((len, (rank, score))) = found else {
            if with_score {
                out.null_array()
            } else {
                out.null()
            }
            return Ok(());
        };
        let rank = match direction {
            Direction::Forward => rank,
            Direction::Backward => len - 1 - rank,
        };
        if with_score {
            out.array(2);
        }
        out.int(rank as i64);
        if with_score {
            out.double(score);
        }
        Ok(())
    })
}

pub(super) fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let range = score_range(args.at(2), args.at(3))?;
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        out.int(set.map_or(0, |set| set.score_range(range).len()) as i64);
        Ok(())
    })
}

pub(super) fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let range = lex_range(args.at(2), args.at(3))?;
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        out.int(set.map_or(0, |set| set.lex_range(range, Direction::Forward).len()) as i64);
        Ok(())
    })
}
