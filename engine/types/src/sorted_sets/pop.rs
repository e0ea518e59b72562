//! Taking the lowest or highest members: ZPOPMIN, ZPOPMAX, ZMPOP, and BZPOPMIN, BZPOPMAX, BZMPOP, which
//! wait until there are some.
//!
//! A replica is told to pop as many from the key that was found; it never waits.

use keyspace::values::SortedSet;
use keyspace::{Kind, Updated};
use resp::{Args, Protocol};

use crate::arguments::{integer_from, is_word, timeout_in_seconds};
use crate::{BlockOn, Class, CommandError, Ctx, Key, TimedOut};

/// From which end members are popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }

    fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }
}

/// How popped members are replied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Member and score by turns.
    Flat,
    /// Pairs.
    Pairs,
    /// The key, then member and score.
    KeyAndFlat,
    /// The key and an array of pairs.
    KeyAndPairs,
}

pub(super) fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop_plain(ctx, args, End::Min)
}

pub(super) fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop_plain(ctx, args, End::Max)
}

fn pop_plain(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match args.len() {
        3 => {
            let error = "ERR value is out of range, must be positive";
            Some(integer_from(args.at(2), 0, error)? as usize)
        }
        _ => None,
    };
    let shape = match (ctx.out.protocol(), count) {
        (Protocol::Resp3, Some(_)) => Shape::Pairs,
        _ => Shape::Flat,
    };
    let key = ctx.first_key(args);
    let found = ctx.check_kind::<SortedSet>(key)?;
    match count.unwrap_or(1) {
        0 => ctx.out.array(0),
        _ if !found => ctx.out.array(0),
        count => {
            pop(ctx, key, end, count, shape)?;
        }
    }
    Ok(())
}

/// Pops up to `count` members of a set that is there, replies with them and records what follows; gives
/// how many there were.
fn pop(ctx: &mut Ctx<'_>, key: Key<'_>, end: End, count: usize, shape: Shape) -> Result<usize, CommandError> {
    let popped = ctx.update(key, |set: &mut SortedSet| {
        let len = set.len();
        let ranks = match end {
            End::Min => 0..count.min(len),
            End::Max => len - count.min(len)..len,
        };
        let owned = |(member, score): (keyspace::Value<'_>, f64)| (member.to_cow().into_owned(), score);
        let mut members: Vec<(Vec<u8>, f64)> = set.iter(ranks.clone()).map(owned).collect();
        set.remove_range(ranks);
        if end == End::Max {
            members.reverse();
        }
        members
    })?;
    let Some(popped) = popped else { return Ok(0) };
    let members = popped.result;
    match shape {
        Shape::Flat => ctx.out.array(2 * members.len()),
        Shape::Pairs => ctx.out.array(members.len()),
        Shape::KeyAndFlat => {
            ctx.out.array(2 * members.len() + 1);
            ctx.out.bulk(key.bytes);
        }
        Shape::KeyAndPairs => {
            ctx.out.array(2);
            ctx.out.bulk(key.bytes);
            ctx.out.array(members.len());
        }
    }
    for (member, score) in &members {
        if matches!(shape, Shape::Pairs | Shape::KeyAndPairs) {
            ctx.out.array(2);
        }
        ctx.out.bulk(member);
        ctx.out.double(*score);
    }
    let removed = Updated { result: members.len(), emptied: popped.emptied };
    ctx.removed(key, Class::SortedSet, end.event(), removed);
    Ok(members.len())
}

/// The first of some keys that holds a sorted set.
///
/// # Errors
/// When one before it holds something else.
fn first_of<'a>(
    ctx: &mut Ctx<'_>,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Key<'a>>, CommandError> {
    for bytes in keys {
        let key = ctx.key(bytes);
        if ctx.check_kind::<SortedSet>(key)? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// What ZMPOP and BZMPOP ask for.
struct Request<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

impl<'a> Request<'a> {
    /// Reads from the number of keys on.
    fn parse(args: Args<'a>, at: usize) -> Result<Request<'a>, CommandError> {
        let keys = integer_from(args.at(at), 1, "ERR numkeys should be greater than 0")? as usize;
        let word = at.checked_add(keys).and_then(|at| at.checked_add(1)).filter(|word| *word < args.len());
        let Some(word) = word else { return Err(CommandError::Syntax) };
        let end = match args.at(word) {
            text if is_word(text, "MIN") => End::Min,
            text if is_word(text, "MAX") => End::Max,
            _ => return Err(CommandError::Syntax),
        };
        let mut count = None;
        let mut option = word + 1;
        while option < args.len() {
            if count.is_some() || !is_word(args.at(option), "COUNT") || option + 1 == args.len() {
                return Err(CommandError::Syntax);
            }
            count =
                Some(integer_from(args.at(option + 1), 1, "ERR count should be greater than 0")? as usize);
            option += 2;
        }
        let keys = (at + 1..word).map(|at| args.at(at)).collect();
        Ok(Request { keys, end, count: count.unwrap_or(1) })
    }

    /// Pops from the first key that has members; false when there is none.
    fn serve(&self, ctx: &mut Ctx<'_>) -> Result<bool, CommandError> {
        let Some(key) = first_of(ctx, self.keys.iter().copied())? else { return Ok(false) };
        let popped = pop(ctx, key, self.end, self.count, Shape::KeyAndPairs)?;
        let popped = itoa::Buffer::new().format(popped).to_owned();
        ctx.effects.replicate_as(&[self.end.command(), key.bytes, popped.as_bytes()]);
        Ok(true)
    }
}

pub(super) fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let request = Request::parse(args, 1)?;
    if !request.serve(ctx)? {
        ctx.out.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let timeout_ms = timeout_in_seconds(args.at(1), ctx.now)?;
    let request = Request::parse(args, 2)?;
    if !request.serve(ctx)? {
        wait(ctx, request.keys.iter().copied(), timeout_ms);
    }
    Ok(())
}

pub(super) fn bzpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop_waiting(ctx, args, End::Min)
}

pub(super) fn bzpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop_waiting(ctx, args, End::Max)
}

fn pop_waiting(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let last = args.len() - 1;
    let timeout_ms = timeout_in_seconds(args.at(last), ctx.now)?;
    match first_of(ctx, (1..last).map(|at| args.at(at)))? {
        Some(key) => {
            pop(ctx, key, end, 1, Shape::KeyAndFlat)?;
            ctx.effects.replicate_as(&[end.command(), key.bytes]);
        }
        None => wait(ctx, (1..last).map(|at| args.at(at)), timeout_ms),
    }
    Ok(())
}

/// Waits for a sorted set at one of the keys, or replies at once where nobody may wait.
fn wait<'a>(ctx: &mut Ctx<'_>, keys: impl Iterator<Item = &'a [u8]>, timeout_ms: Option<u64>) {
    if !ctx.may_block {
        return ctx.out.null_array();
    }
    ctx.block(BlockOn {
        keys: keys.map(<[u8]>::to_vec).collect(),
        kind: Kind::SortedSet,
        without_key_too: false,
        timeout_ms,
        timed_out: TimedOut::NullArray,
        again: None,
    });
}
