//! Members in order: ZRANGE and its elder forms, and ZRANGESTORE.

use std::ops::Range;

use keyspace::values::{Direction, LexRange, ScoreRange, SortedSet};
use resp::{Args, Protocol, Writer};

use super::bounds::{RankRange, lex_range, score_range};
use super::{Told, store, write_member};
use crate::arguments::{integer, is_word};
use crate::{CommandError, Ctx};

/// By what members are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a form of the command leaves open, and what it says itself.
#[derive(Clone, Copy, Debug)]
struct Form {
    by: Option<By>,
    direction: Option<Direction>,
    /// The argument with the key to read.
    source: usize,
    may_tell_scores: bool,
}

const PLAIN: Form = Form { by: None, direction: None, source: 1, may_tell_scores: true };

/// The bounds, understood.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    Rank(RankRange),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

/// All that a command asks for.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    bounds: Bounds<'a>,
    direction: Direction,
    offset: i64,
    limit: i64,
    told: Told,
}

/// Options behind the bounds.
struct Options {
    by: Option<By>,
    direction: Option<Direction>,
    limit: Option<(i64, i64)>,
    told: Told,
}

impl Options {
    fn parse(args: Args<'_>, form: Form) -> Result<Options, CommandError> {
        let mut options = Options { by: form.by, direction: form.direction, limit: None, told: Told::Member };
        let mut at = form.source + 3;
        while at < args.len() {
            let word = args.at(at);
            if form.may_tell_scores && is_word(word, "WITHSCORES") {
                options.told = Told::MemberAndScore;
            } else if is_word(word, "LIMIT") && at + 2 < args.len() {
                options.limit = Some((integer(args.at(at + 1))?, integer(args.at(at + 2))?));
                at += 2;
            } else if form.direction.is_none() && is_word(word, "REV") {
                options.direction = Some(Direction::Backward);
            } else if form.by.is_none() && is_word(word, "BYLEX") {
                options.by = Some(By::Lex);
            } else if form.by.is_none() && is_word(word, "BYSCORE") {
                options.by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, form: Form) -> Result<Query<'a>, CommandError> {
        let options = Options::parse(args, form)?;
        let (by, direction) =
            (options.by.unwrap_or(By::Rank), options.direction.unwrap_or(Direction::Forward));
        let (offset, limit) = options.limit.unwrap_or((0, -1));
        if limit != -1 && by == By::Rank {
            return Err(CommandError::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if options.told == Told::MemberAndScore && by == By::Lex {
            return Err(CommandError::new(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (first, second) = (args.at(form.source + 1), args.at(form.source + 2));
        let (min, max) = match direction {
            Direction::Backward if by != By::Rank => (second, first),
            _ => (first, second),
        };
        let bounds = match by {
            By::Rank => Bounds::Rank(RankRange::parse(min, max)?),
            By::Score => Bounds::Score(score_range(min, max)?),
            By::Lex => Bounds::Lex(lex_range(min, max)?),
        };
        Ok(Query { bounds, direction, offset, limit, told: options.told })
    }

    /// The ranks of the members that are asked for.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let all = match self.bounds {
            Bounds::Rank(range) => {
                let ranks = range.within(set.len());
                return match self.direction {
                    Direction::Forward => ranks,
                    Direction::Backward => set.len() - ranks.end..set.len() - ranks.start,
                };
            }
            Bounds::Score(range) => set.score_range(range),
            Bounds::Lex(range) => set.lex_range(range, self.direction),
        };
        // An offset below 0 lies outside every range, a limit below 0 is none.
        let skip = usize::try_from(self.offset).unwrap_or(usize::MAX).min(all.len());
        let count = usize::try_from(self.limit).unwrap_or(usize::MAX).min(all.len() - skip);
        match self.direction {
            Direction::Forward => all.start + skip..all.start + skip + count,
            Direction::Backward => all.end - skip - count..all.end - skip,
        }
    }

    fn reply(&self, set: &SortedSet, out: &mut Writer<'_>) {
        let ranks = self.ranks(set);
        let flat = self.told == Told::MemberAndScore && out.protocol() == Protocol::Resp2;
        out.array(if flat { 2 * ranks.len() } else { ranks.len() });
        let members = set.iter(ranks);
        match self.direction {
            Direction::Forward => members.for_each(|(m, score)| write_member(out, m, score, self.told)),
            Direction::Backward => {
                members.rev().for_each(|(m, score)| write_member(out, m, score, self.told));
            }
        }
    }
}

fn reply(ctx: &mut Ctx<'_>, args: Args<'_>, form: Form) -> Result<(), CommandError> {
    let query = Query::parse(args, form)?;
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        match set {
            Some(set) => query.reply(set, out),
            None => out.array(0),
        }
        Ok(())
    })
}

pub(super) fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply(ctx, args, PLAIN)
}

pub(super) fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply(ctx, args, Form { by: Some(By::Rank), direction: Some(Direction::Backward), ..PLAIN })
}

pub(super) fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply(ctx, args, Form { by: Some(By::Score), direction: Some(Direction::Forward), ..PLAIN })
}

pub(super) fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply(ctx, args, Form { by: Some(By::Score), direction: Some(Direction::Backward), ..PLAIN })
}

pub(super) fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply(ctx, args, Form { by: Some(By::Lex), direction: Some(Direction::Forward), ..PLAIN })
}

pub(super) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply(ctx, args, Form { by: Some(By::Lex), direction: Some(Direction::Backward), ..PLAIN })
}

pub(super) fn zrangestore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let query = Query::parse(args, Form { source: 2, may_tell_scores: false, ..PLAIN })?;
    let limits = ctx.limits;
    let source = ctx.key(args.at(2));
    let result = ctx.read_as::<SortedSet, _>(source, |set, _| {
        let mut result = SortedSet::new();
        if let Some(set) = set {
            let mut buffer = itoa::Buffer::new();
            for (member, score) in set.iter(query.ranks(set)) {
                result.insert(member.as_bytes(&mut buffer), score, limits);
            }
        }
        Ok(result)
    })?;
    let target = ctx.first_key(args);
    store(ctx, target, result, "zrangestore");
    Ok(())
}
