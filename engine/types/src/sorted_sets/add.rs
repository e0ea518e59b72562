//! Giving members scores: ZADD, ZINCRBY.

use keyspace::values::{Limits, Scored, SortedSet};
use resp::Args;

use super::record;
use crate::arguments::{float, is_word};
use crate::{CommandError, Ctx};

const NOT_A_NUMBER: &str = "ERR resulting score is not a number (NaN)";

/// When a member gets a score, and which.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conditions {
    /// Only members that are new.
    pub(crate) new_only: bool,
    /// Only members that are there.
    pub(crate) present_only: bool,
    /// Members that are there: only if the score grows.
    pub(crate) greater: bool,
    /// Members that are there: only if the score shrinks.
    pub(crate) less: bool,
    /// The score is added to the present one.
    pub(crate) increment: bool,
    /// The reply counts changed members too.
    pub(crate) count_changed: bool,
}

impl Conditions {
    /// Reads the options in front of the scores; gives where they end.
    fn parse(args: Args<'_>) -> (Conditions, usize) {
        let mut conditions = Conditions::default();
        let mut at = 2;
        while at < args.len() {
            let word = args.at(at);
            let flag = match () {
                _ if is_word(word, "NX") => &mut conditions.new_only,
                _ if is_word(word, "XX") => &mut conditions.present_only,
                _ if is_word(word, "GT") => &mut conditions.greater,
                _ if is_word(word, "LT") => &mut conditions.less,
                _ if is_word(word, "CH") => &mut conditions.count_changed,
                _ if is_word(word, "INCR") => &mut conditions.increment,
                _ => break,
            };
            *flag = true;
            at += 1;
        }
        (conditions, at)
    }

    fn check(self, pairs: usize) -> Result<(), CommandError> {
        if self.new_only && self.present_only {
            return Err(CommandError::new("ERR XX and NX options at the same time are not compatible"));
        }
        if [self.greater, self.less, self.new_only].into_iter().filter(|set| *set).count() > 1 {
            return Err(CommandError::new(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.increment && pairs > 1 {
            return Err(CommandError::new("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score a member gets: none when it is left as it is.
    fn decide(self, score: f64, present: Option<f64>) -> Result<Option<f64>, CommandError> {
        let Some(present) = present else {
            return Ok((!self.present_only).then_some(score));
        };
        if self.new_only {
            return Ok(None);
        }
        let score = if self.increment { present + score } else { score };
        if score.is_nan() {
            return Err(CommandError::new(NOT_A_NUMBER));
        }
        let refused = (self.less && score >= present) || (self.greater && score <= present);
        Ok((!refused).then_some(score))
    }
}

/// What became of the members of one command.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    added: u64,
    changed: u64,
    /// The last one's score, if it was not left as it was.
    score: Option<f64>,
}

/// Gives several members their scores.
fn add_all(
    set: &mut SortedSet,
    pairs: &[(f64, &[u8])],
    conditions: Conditions,
    limits: &Limits,
) -> Result<Outcome, CommandError> {
    let longest = pairs.first().map_or(0, |(_, member)| member.len());
    match set.is_void() {
        true => *set = SortedSet::for_size(pairs.len(), longest, limits),
        false => set.expect(pairs.len(), limits),
    }
    let mut outcome = Outcome::default();
    for &(score, member) in pairs {
        let mut refused = None;
        let scored = set.update(member, limits, |present| match conditions.decide(score, present) {
            Ok(decided) => decided,
            Err(error) => {
                refused = Some(error);
                None
            }
        });
        if let Some(error) = refused {
            return Err(error);
        }
        outcome.score = match scored {
            Scored::Added(score) => {
                outcome.added += 1;
                Some(score)
            }
            Scored::Changed(score) => {
                outcome.changed += 1;
                Some(score)
            }
            Scored::Same(score) => Some(score),
            Scored::Left => None,
        };
    }
    Ok(outcome)
}

/// Gives the members of a key their scores, replies and records what follows.
pub(crate) fn add_to_key(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    pairs: &[(f64, &[u8])],
    conditions: Conditions,
) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let limits = ctx.limits;
    let outcome = match conditions.present_only && !ctx.check_kind::<SortedSet>(key)? {
        true => Outcome::default(),
        false => {
            ctx.update_or_insert::<SortedSet, _>(key, |set| add_all(set, pairs, conditions, limits))?.result?
        }
    };
    match (conditions.increment, outcome.score) {
        (true, Some(score)) => ctx.out.double(score),
        (true, None) => ctx.out.null(),
        (false, _) if conditions.count_changed => ctx.out.int((outcome.added + outcome.changed) as i64),
        (false, _) => ctx.out.int(outcome.added as i64),
    }
    if outcome.added + outcome.changed > 0 {
        let event = if conditions.increment { "zincr" } else { "zadd" };
        record(ctx, key, outcome.added + outcome.changed, event);
    }
    Ok(())
}

pub(super) fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (conditions, from) = Conditions::parse(args);
    let count = args.len() - from;
    if count == 0 || count % 2 == 1 {
        return Err(CommandError::Syntax);
    }
    conditions.check(count / 2)?;
    if count == 2 {
        return add_to_key(ctx, args, &[(float(args.at(from))?, args.at(from + 1))], conditions);
    }
    let pair = |at: usize| Ok((float(args.at(at))?, args.at(at + 1)));
    let pairs: Vec<(f64, &[u8])> =
        (from..args.len()).step_by(2).map(pair).collect::<Result<_, CommandError>>()?;
    add_to_key(ctx, args, &pairs, conditions)
}

pub(super) fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let conditions = Conditions { increment: true, ..Conditions::default() };
    add_to_key(ctx, args, &[(float(args.at(2))?, args.at(3))], conditions)
}
