//! Storing strings: SET with its options, and its older relatives SETNX, SETEX, PSETEX, GETSET.
//!
//! A relative time is replicated as the deadline it came to, so that a replica which gets it later keeps
//! the key no longer.

use keyspace::{Expiry, WallMs};
use resp::Args;

use super::get::reply_with;
use crate::arguments::{Clock, is_word};
use crate::{Class, CommandError, Ctx, Key};

/// On what condition SET stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    Missing,
    Present,
}

/// What SET does to the deadline.
#[derive(Clone, Copy, Debug)]
enum Life<'a> {
    Forever,
    Keep,
    Until(Clock, &'a [u8]),
}

/// What SET replies when it stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Status,
    OldValue,
}

#[derive(Clone, Copy, Debug)]
struct Options<'a> {
    condition: Condition,
    answer: Answer,
    life: Life<'a>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options =
            Options { condition: Condition::Always, answer: Answer::Status, life: Life::Forever };
        let mut at = 3;
        while at < args.len() {
            let word = args.at(at);
            at += 1;
            match (options.condition, options.life) {
                (Condition::Always | Condition::Missing, _) if is_word(word, "NX") => {
                    options.condition = Condition::Missing;
                }
                (Condition::Always | Condition::Present, _) if is_word(word, "XX") => {
                    options.condition = Condition::Present;
                }
                _ if is_word(word, "GET") => options.answer = Answer::OldValue,
                (_, Life::Forever | Life::Keep) if is_word(word, "KEEPTTL") => options.life = Life::Keep,
                (_, life) => {
                    options.life = until(life, word, args, at)?;
                    at += 1;
                }
            }
        }
        Ok(options)
    }
}

/// The time option `word`, with its value at `at`. It may be given again, but not beside another one.
fn until<'a>(life: Life<'a>, word: &[u8], args: Args<'a>, at: usize) -> Result<Life<'a>, CommandError> {
    let clock = Clock::from_word(word).filter(|clock| match life {
        Life::Forever => true,
        Life::Keep => false,
        Life::Until(given, _) => given == *clock,
    });
    match clock {
        Some(clock) if at < args.len() => Ok(Life::Until(clock, args.at(at))),
        _ => Err(CommandError::Syntax),
    }
}

/// Stores, with the event and what else follows from a string being set.
pub(super) fn store_string(ctx: &mut Ctx<'_>, key: Key<'_>, value: &[u8], expiry: Expiry) {
    ctx.store(key, value, expiry);
    ctx.changed(key, Class::String, "set");
}

/// Stores until a deadline, which is an event of its own.
fn store_until(ctx: &mut Ctx<'_>, key: Key<'_>, value: &[u8], deadline: WallMs) {
    store_string(ctx, key, value, Expiry::At(deadline));
    ctx.effects.event(ctx.db_index, key.bytes, Class::Generic, "expire");
}

fn replicate_with_deadline(ctx: &mut Ctx<'_>, key: Key<'_>, value: &[u8], deadline: WallMs) {
    let mut buffer = itoa::Buffer::new();
    ctx.effects.replicate_as(&[b"SET", key.bytes, value, b"PXAT", buffer.format(deadline.0).as_bytes()]);
}

pub(super) fn set(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    if args.len() > 3 {
        return set_with(ctx, args, key, Options::parse(args)?);
    }
    ctx.expire_before_write(key);
    store_string(ctx, key, args.at(2), Expiry::Clear);
    ctx.out.ok();
    Ok(())
}

fn set_with(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    key: Key<'_>,
    options: Options<'_>,
) -> Result<(), CommandError> {
    let value = args.at(2);
    let deadline = match options.life {
        Life::Until(clock, time) => Some(clock.positive_deadline(time, ctx.now, "set")?),
        _ => None,
    };
    if options.answer == Answer::OldValue {
        reply_with(ctx, key)?;
    }
    let present = ctx.for_write(key).is_some();
    let refused = match options.condition {
        Condition::Always => false,
        Condition::Missing => present,
        Condition::Present => !present,
    };
    if options.answer == Answer::Status {
        if refused { ctx.out.null() } else { ctx.out.ok() }
    }
    if refused {
        return Ok(());
    }
    match (deadline, options.life) {
        (Some(deadline), _) => {
            store_until(ctx, key, value, deadline);
            replicate_with_deadline(ctx, key, value, deadline);
        }
        (_, Life::Keep) => store_string(ctx, key, value, Expiry::Keep),
        _ => store_string(ctx, key, value, Expiry::Clear),
    }
    if options.answer == Answer::OldValue && deadline.is_none() {
        replicate_without_get(ctx, args);
    }
    Ok(())
}

/// A replica has nobody to give the old value to.
fn replicate_without_get(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let kept: Vec<&[u8]> = (0..args.len())
        .map(|index| (index, args.at(index)))
        .filter(|(index, argument)| *index < 3 || !is_word(argument, "GET"))
        .map(|(_, argument)| argument)
        .collect();
    ctx.effects.replicate_as(&kept);
}

pub(super) fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let missing = ctx.for_write(key).is_none();
    if missing {
        store_string(ctx, key, args.at(2), Expiry::Clear);
    }
    ctx.out.int(i64::from(missing));
    Ok(())
}

pub(super) fn setex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_for(ctx, args, Clock::EX, "setex")
}

pub(super) fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_for(ctx, args, Clock::PX, "psetex")
}

fn set_for(ctx: &mut Ctx<'_>, args: Args<'_>, clock: Clock, name: &'static str) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let deadline = clock.positive_deadline(args.at(2), ctx.now, name)?;
    ctx.expire_before_write(key);
    store_until(ctx, key, args.at(3), deadline);
    replicate_with_deadline(ctx, key, args.at(3), deadline);
    ctx.out.ok();
    Ok(())
}

pub(super) fn getset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    reply_with(ctx, key)?;
    ctx.expire_before_write(key);
    store_string(ctx, key, args.at(2), Expiry::Clear);
    ctx.effects.replicate_as(&[b"SET", key.bytes, args.at(2)]);
    Ok(())
}
