//! Several sets: ZUNION, ZINTER, ZDIFF, the forms that store what they find, and ZINTERCARD. Plain sets take
//! part as sorted sets whose scores are all 1.

use std::borrow::Cow;
use std::collections::HashMap;

use keyspace::values::{Set, SortedSet};
use keyspace::{Data, Entry, Typed, Value};
use resp::{Args, Protocol, Writer};

use super::{Told, store, write_member};
use crate::arguments::{float, integer, is_word};
use crate::{CommandError, Ctx, Key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Members,
    Store,
    Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// Two scores of a member as one; infinities that cancel out give 0.
    fn join(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => zero_for_nan(score + other),
            Aggregate::Min if other < score => other,
            Aggregate::Max if other > score => other,
            _ => score,
        }
    }
}

fn zero_for_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A set that takes part.
#[derive(Clone, Copy)]
enum Members<'a> {
    Plain(&'a Set),
    Sorted(&'a SortedSet),
    None,
}

#[derive(Clone, Copy)]
struct Source<'a> {
    members: Members<'a>,
    weight: f64,
}

impl<'a> Source<'a> {
    fn len(self) -> usize {
        match self.members {
            Members::Plain(set) => set.len(),
            Members::Sorted(set) => set.len(),
            Members::None => 0,
        }
    }

    fn score(self, member: Value<'_>) -> Option<f64> {
        match self.members {
            Members::Plain(set) => set.contains_value(member).then_some(1.0),
            Members::Sorted(set) => set.score(member.as_bytes(&mut itoa::Buffer::new())),
            Members::None => None,
        }
    }

    fn for_each(self, mut visit: impl FnMut(Value<'a>, f64)) {
        match self.members {
            Members::Plain(set) => set.iter().for_each(|member| visit(member, 1.0)),
            Members::Sorted(set) => set.iter(0..set.len()).for_each(|(member, score)| visit(member, score)),
            Members::None => {}
        }
    }
}

/// The options behind the keys.
struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    told: Told,
    /// ZINTERCARD counts no further; 0 for no limit.
    limit: usize,
}

impl Options {
    fn parse(
        args: Args<'_>,
        (from, keys): (usize, usize),
        operation: Operation,
        goal: Goal,
    ) -> Result<Options, CommandError> {
        let mut options =
            Options { weights: vec![1.0; keys], aggregate: Aggregate::Sum, told: Told::Member, limit: 0 };
        let weighs = operation != Operation::Diff && goal != Goal::Count;
        let mut at = from;
        while at < args.len() {
            let (word, behind) = (args.at(at), args.len() - at - 1);
            if weighs && behind >= keys && is_word(word, "WEIGHTS") {
                for (weight, at) in options.weights.iter_mut().zip(at + 1..) {
                    *weight = float(args.at(at))
                        .map_err(|_| CommandError::new("ERR weight value is not a float"))?;
                }
                at += keys;
            } else if weighs && behind >= 1 && is_word(word, "AGGREGATE") {
                at += 1;
                options.aggregate = match args.at(at) {
                    word if is_word(word, "SUM") => Aggregate::Sum,
                    word if is_word(word, "MIN") => Aggregate::Min,
                    word if is_word(word, "MAX") => Aggregate::Max,
                    _ => return Err(CommandError::Syntax),
                };
            } else if goal == Goal::Members && is_word(word, "WITHSCORES") {
                options.told = Told::MemberAndScore;
            } else if goal == Goal::Count && behind >= 1 && is_word(word, "LIMIT") {
                at += 1;
                let limit = resp::number::parse_i64(args.at(at)).and_then(|n| usize::try_from(n).ok());
                options.limit = limit.ok_or(CommandError::new("ERR LIMIT can't be negative"))?;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

/// Looks the keys up, each with its hit or miss; none where nothing is.
fn look_up<'k>(
    ctx: &mut Ctx<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<Option<Key<'k>>>, CommandError> {
    keys.map(|bytes| {
        let key = ctx.key(bytes);
        match ctx.read(key).map(Entry::data) {
            None => Ok(None),
            Some(Data::Set(_) | Data::SortedSet(_)) => Ok(Some(key)),
            Some(_) => Err(CommandError::WrongType),
        }
    })
    .collect()
}

fn borrow<'c>(ctx: &'c Ctx<'_>, keys: &[Option<Key<'_>>], weights: &[f64]) -> Vec<Source<'c>> {
    let db = &ctx.dbs[ctx.db_index as usize];
    let members = |key: &Option<Key<'_>>| {
        let data = key.as_ref().and_then(|key| db.get(key.hash, key.bytes)).map(Entry::data);
        match data {
            Some(data) => match (SortedSet::of(data), Set::of(data)) {
                (Some(set), _) => Members::Sorted(set),
                (_, Some(set)) => Members::Plain(set),
                _ => Members::None,
            },
            None => Members::None,
        }
    };
    keys.iter().zip(weights).map(|(key, &weight)| Source { members: members(key), weight }).collect()
}

type Scores<'a> = Vec<(Cow<'a, [u8]>, f64)>;

/// Visits the members that all have, the smallest set first, until `visit` says it is enough.
fn for_each_common<'a>(
    sources: &[Source<'a>],
    aggregate: Aggregate,
    mut visit: impl FnMut(Value<'a>, f64) -> bool,
) {
    let Some((first, others)) = sources.split_first() else { return };
    let mut enough = false;
    first.for_each(|member, score| {
        if enough {
            return;
        }
        let first = zero_for_nan(first.weight * score);
        let joined = others
            .iter()
            .try_fold(first, |score, other| Some(aggregate.join(score, other.weight * other.score(member)?)));
        if let Some(score) = joined {
            enough = !visit(member, score);
        }
    });
}

fn union<'a>(sources: &[Source<'a>], aggregate: Aggregate) -> Scores<'a> {
    let mut scores: HashMap<Cow<'a, [u8]>, f64> = HashMap::new();
    for source in sources {
        source.for_each(|member, score| {
            let score = zero_for_nan(source.weight * score);
            let joined = |present: &mut f64| *present = aggregate.join(*present, score);
            scores.entry(member.to_cow()).and_modify(joined).or_insert(score);
        });
    }
    scores.into_iter().collect()
}

fn difference<'a>(sources: &[Source<'a>]) -> Scores<'a> {
    let mut scores = Vec::new();
    if let Some((first, others)) = sources.split_first() {
        first.for_each(|member, score| {
            if others.iter().all(|other| other.score(member).is_none()) {
                scores.push((member.to_cow(), score));
            }
        });
    }
    scores
}

/// The members of the result, in order.
fn combine<'a>(mut sources: Vec<Source<'a>>, operation: Operation, aggregate: Aggregate) -> Scores<'a> {
    if operation != Operation::Diff {
        // As Redis does: sums of fractions depend on it.
        sources.sort_by_key(|source| source.len());
    }
    let mut scores = match operation {
        Operation::Union => union(&sources, aggregate),
        Operation::Diff => difference(&sources),
        Operation::Inter => {
            let mut scores = Vec::new();
            for_each_common(&sources, aggregate, |member, score| {
                scores.push((member.to_cow(), score));
                true
            });
            scores
        }
    };
    scores.sort_unstable_by(|a, b| {
        a.1.partial_cmp(&b.1).unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.0.cmp(&b.0))
    });
    scores
}

fn run(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    name: &str,
    operation: Operation,
    goal: Goal,
) -> Result<(), CommandError> {
    let at = if goal == Goal::Store { 2 } else { 1 };
    let count = integer(args.at(at))?;
    if count < 1 {
        return Err(CommandError::new(format!("ERR at least 1 input key is needed for '{name}' command")));
    }
    let count = usize::try_from(count).ok().filter(|count| *count < args.len() - at);
    let Some(count) = count else { return Err(CommandError::Syntax) };
    let keys = look_up(ctx, (at + 1..at + 1 + count).map(|at| args.at(at)))?;
    let options = Options::parse(args, (at + 1 + count, count), operation, goal)?;
    match goal {
        Goal::Count => count_common(ctx, &keys, &options),
        Goal::Members => reply(ctx, &keys, &options, operation),
        Goal::Store => {
            let result = result(ctx, &keys, &options, operation);
            let event = match operation {
                Operation::Union => "zunionstore",
                Operation::Inter => "zinterstore",
                Operation::Diff => "zdiffstore",
            };
            let target = ctx.first_key(args);
            store(ctx, target, result, event);
        }
    }
    Ok(())
}

fn count_common(ctx: &mut Ctx<'_>, keys: &[Option<Key<'_>>], options: &Options) {
    let mut sources = borrow(ctx, keys, &options.weights);
    sources.sort_by_key(|source| source.len());
    let mut common = 0;
    for_each_common(&sources, options.aggregate, |_, _| {
        common += 1;
        common != options.limit
    });
    ctx.out.int(common as i64);
}

fn reply(ctx: &mut Ctx<'_>, keys: &[Option<Key<'_>>], options: &Options, operation: Operation) {
    let scores = combine(borrow(ctx, keys, &options.weights), operation, options.aggregate);
    let mut written = Vec::new();
    let mut out = Writer::new(&mut written, ctx.out.protocol());
    let flat = options.told == Told::MemberAndScore && out.protocol() == Protocol::Resp2;
    out.array(if flat { 2 * scores.len() } else { scores.len() });
    for (member, score) in &scores {
        write_member(&mut out, Value::Bytes(member), *score, options.told);
    }
    ctx.out.raw(&written);
}

fn result(ctx: &Ctx<'_>, keys: &[Option<Key<'_>>], options: &Options, operation: Operation) -> SortedSet {
    let scores = combine(borrow(ctx, keys, &options.weights), operation, options.aggregate);
    let longest = scores.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
    let mut result = SortedSet::for_size(scores.len(), longest, ctx.limits);
    for (member, score) in &scores {
        result.insert(member, *score, ctx.limits);
    }
    result
}

pub(super) fn zunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, "zunion", Operation::Union, Goal::Members)
}

pub(super) fn zinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, "zinter", Operation::Inter, Goal::Members)
}

pub(super) fn zdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, "zdiff", Operation::Diff, Goal::Members)
}

pub(super) fn zunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, "zunionstore", Operation::Union, Goal::Store)
}

pub(super) fn zinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, "zinterstore", Operation::Inter, Goal::Store)
}

pub(super) fn zdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, "zdiffstore", Operation::Diff, Goal::Store)
}

pub(super) fn zintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, "zintercard", Operation::Inter, Goal::Count)
}
