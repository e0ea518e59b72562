//! Several sets: SINTER, SINTERCARD, SUNION, SDIFF, and the forms that store what they find.
//!
//! The order of a reply, and the encoding of a stored result, follow from how the result is put together,
//! which is why unions and differences are made as sets first, and differences in two ways.

use std::cmp::Reverse;

use keyspace::values::{Limits, Set};
use keyspace::{Encoding, Expiry, Typed, Value};
use resp::Args;

use crate::arguments::{integer, is_word};
use crate::replies::{Found, write_value};
use crate::{Class, CommandError, Ctx, Key};

/// Reads the sets at some keys, each with its hit or miss; none where there is no key.
fn look_up<'k>(
    ctx: &mut Ctx<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<Option<Key<'k>>>, CommandError> {
    keys.map(|bytes| {
        let key = ctx.key(bytes);
        ctx.read_as(key, |set: Option<&Set>, _| Ok(set.map(|_| key)))
    })
    .collect()
}

/// The sets that were looked up, all at once.
fn borrow<'c>(ctx: &'c Ctx<'_>, keys: &[Option<Key<'_>>]) -> Vec<Option<&'c Set>> {
    let db = &ctx.dbs[ctx.db_index as usize];
    let set = |key: &Key<'_>| db.get(key.hash, key.bytes).and_then(|entry| Set::of(entry.data()));
    keys.iter().map(|key| key.as_ref().and_then(set)).collect()
}

pub(super) fn sinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(ctx, args.iter().skip(1))?;
    let mut found = Found::default();
    for_each_common(borrow(ctx, &keys), |member| {
        found.add_value(member);
        Search::GoesOn
    });
    found.reply_set(&mut ctx.out);
    Ok(())
}

pub(super) fn sintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = integer(args.at(1)).ok().and_then(|count| usize::try_from(count).ok()).filter(|n| *n > 0);
    let count = count.ok_or(CommandError::new("ERR numkeys should be greater than 0"))?;
    if count > args.len() - 2 {
        return Err(CommandError::new("ERR Number of keys can't be greater than number of args"));
    }
    let mut limit = 0;
    for at in (2 + count..args.len()).step_by(2) {
        let (true, Some(argument)) = (is_word(args.at(at), "LIMIT"), args.get(at + 1)) else {
            return Err(CommandError::Syntax);
        };
        let given = integer(argument).ok().and_then(|limit| usize::try_from(limit).ok());
        limit = given.ok_or(CommandError::new("ERR LIMIT can't be negative"))?;
    }
    let keys = look_up(ctx, args.iter().skip(2).take(count))?;
    let mut common = 0;
    for_each_common(borrow(ctx, &keys), |_| {
        common += 1;
        if common == limit { Search::Ends } else { Search::GoesOn }
    });
    ctx.out.int(common as i64);
    Ok(())
}

pub(super) fn sinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(ctx, args.iter().skip(2))?;
    let result = intersection(borrow(ctx, &keys), ctx.limits);
    store(ctx, args, result, "sinterstore");
    Ok(())
}

pub(super) fn sunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(ctx, args.iter().skip(1))?;
    let result = union(&borrow(ctx, &keys), ctx.limits);
    reply(ctx, &result);
    Ok(())
}

pub(super) fn sunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(ctx, args.iter().skip(2))?;
    let result = union(&borrow(ctx, &keys), ctx.limits);
    store(ctx, args, result, "sunionstore");
    Ok(())
}

pub(super) fn sdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(ctx, args.iter().skip(1))?;
    let result = difference(&borrow(ctx, &keys), ctx.limits);
    reply(ctx, &result);
    Ok(())
}

pub(super) fn sdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(ctx, args.iter().skip(2))?;
    let result = difference(&borrow(ctx, &keys), ctx.limits);
    store(ctx, args, result, "sdiffstore");
    Ok(())
}

fn reply(ctx: &mut Ctx<'_>, set: &Set) {
    ctx.out.set(set.len());
    set.iter().for_each(|member| write_value(&mut ctx.out, member));
}

/// Stores a result at argument 1 and replies with its size; an empty one removes what is there.
fn store(ctx: &mut Ctx<'_>, args: Args<'_>, result: Set, event: &'static str) {
    let target = ctx.first_key(args);
    let len = result.len();
    if len > 0 {
        ctx.expire_before_write(target);
        ctx.put(target, result, Expiry::Clear);
        ctx.changed(target, Class::Set, event);
    } else if ctx.remove(target) {
        ctx.changed(target, Class::Generic, "del");
    }
    ctx.out.int(len as i64);
}

/// Whether a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    GoesOn,
    Ends,
}

/// Gives the members that all sets have, in the order of the smallest one.
fn for_each_common(sets: Vec<Option<&Set>>, mut give: impl FnMut(Value<'_>) -> Search) {
    let Some(mut sets) = sets.into_iter().collect::<Option<Vec<&Set>>>() else { return };
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    let others: Vec<&Set> = others.iter().copied().filter(|set| !std::ptr::eq(*set, *smallest)).collect();
    let mut common = smallest.iter().filter(|member| others.iter().all(|set| set.contains_value(*member)));
    let _ = common.find(|member| give(*member) == Search::Ends);
}

fn intersection(sets: Vec<Option<&Set>>, limits: &Limits) -> Set {
    let smallest = sets.iter().flatten().min_by_key(|set| set.len());
    let mut result = match smallest.map(|set| set.encoding()) {
        Some(Encoding::Intset) => Set::default(),
        _ => Set::empty_listpack(),
    };
    for_each_common(sets, |member| {
        result.add_value(member, limits);
        Search::GoesOn
    });
    result.become_integers(limits);
    result
}

fn union(sets: &[Option<&Set>], limits: &Limits) -> Set {
    let mut result = Set::default();
    for member in sets.iter().flatten().flat_map(|set| set.iter()) {
        result.add_value(member, limits);
    }
    result
}

/// What the first set has and no other. Either its members are looked for in the others, or theirs are
/// taken from a copy of it: whichever seems less work, with a bonus of two for the first.
fn difference(sets: &[Option<&Set>], limits: &Limits) -> Set {
    let mut result = Set::default();
    let Some((Some(first), others)) = sets.split_first() else { return result };
    let mut others: Vec<&Set> = others.iter().flatten().copied().collect();
    if others.iter().any(|set| std::ptr::eq(*set, *first)) {
        return result;
    }
    let looking = first.len() * (others.len() + 1) / 2;
    let taking = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if looking <= taking {
        others.sort_by_key(|set| Reverse(set.len()));
        for member in first.iter().filter(|member| !others.iter().any(|set| set.contains_value(*member))) {
            result.add_value(member, limits);
        }
        return result;
    }
    for member in first.iter() {
        result.add_value(member, limits);
    }
    for member in others.into_iter().flat_map(Set::iter) {
        if result.is_void() {
            break;
        }
        result.remove(member.as_bytes(&mut itoa::Buffer::new()));
    }
    result
}
