//! Reading strings: GET, STRLEN, and the two that read and then change the key's life: GETDEL, GETEX.

use keyspace::{Value, WallMs};
use resp::Args;

use crate::arguments::{Clock, is_word, string};
use crate::replies::write_value;
use crate::{Class, CommandError, Ctx, Key};

/// What a reading command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    String,
}

/// Replies with the string at `key`, or null.
pub(super) fn reply_with(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<Found, CommandError> {
    ctx.read_with(key, |entry, out| match entry {
        None => {
            out.null();
            Ok(Found::Missing)
        }
        Some(entry) => {
            write_value(out, string(entry)?);
            Ok(Found::String)
        }
    })
}

pub(super) fn get(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply_with(ctx, ctx.first_key(args)).map(|_| ())
}

pub(super) fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_with(ctx.first_key(args), |entry, out| {
        out.int(entry.map(string).transpose()?.map_or(0, Value::len) as i64);
        Ok(())
    })
}

pub(super) fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    if reply_with(ctx, key)? == Found::String {
        delete(ctx, key);
    }
    Ok(())
}

/// Deletes a key that is there, and replicates only that.
fn delete(ctx: &mut Ctx<'_>, key: Key<'_>) {
    ctx.remove(key);
    ctx.changed(key, Class::Generic, "del");
    ctx.effects.replicate_as(&[b"DEL", key.bytes]);
}

/// What GETEX does to the deadline.
#[derive(Clone, Copy)]
enum Life<'a> {
    Unchanged,
    Persist,
    Until(Clock, &'a [u8]),
}

fn parse_life<'a>(args: Args<'a>) -> Result<Life<'a>, CommandError> {
    let mut life = Life::Unchanged;
    let mut at = 2;
    while at < args.len() {
        let word = args.at(at);
        life = match (life, Clock::from_word(word)) {
            (Life::Unchanged | Life::Persist, None) if is_word(word, "PERSIST") => Life::Persist,
            (Life::Unchanged, Some(clock)) if at + 1 < args.len() => Life::Until(clock, args.at(at + 1)),
            (Life::Until(given, _), Some(clock)) if given == clock && at + 1 < args.len() => {
                Life::Until(clock, args.at(at + 1))
            }
            _ => return Err(CommandError::Syntax),
        };
        at += if matches!(life, Life::Until(..)) { 2 } else { 1 };
    }
    Ok(life)
}

pub(super) fn getex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let life = parse_life(args)?;
    let key = ctx.first_key(args);
    let now = ctx.now;
    // A time that is wrong is an error only where there is a string.
    let (found, deadline) = ctx.read_with(key, |entry, out| {
        let Some(entry) = entry else {
            out.null();
            return Ok((Found::Missing, None));
        };
        let value = string(entry)?;
        let deadline = match life {
            Life::Until(clock, time) => Some(clock.positive_deadline(time, now, "getex")?),
            _ => None,
        };
        write_value(out, value);
        Ok((Found::String, deadline))
    })?;
    if found == Found::String {
        match (life, deadline) {
            (Life::Persist, _) => persist(ctx, key),
            (Life::Until(clock, _), Some(deadline)) => set_deadline(ctx, key, clock, deadline),
            _ => {}
        }
    }
    Ok(())
}

fn persist(ctx: &mut Ctx<'_>, key: Key<'_>) {
    let db = ctx.db();
    if db.get(key.hash, key.bytes).is_some_and(|entry| entry.expires_at().is_some()) {
        db.set_expiry(key.hash, key.bytes, None);
        ctx.changed(key, Class::Generic, "persist");
        ctx.effects.replicate_as(&[b"PERSIST", key.bytes]);
    }
}

fn set_deadline(ctx: &mut Ctx<'_>, key: Key<'_>, clock: Clock, deadline: WallMs) {
    if matches!(clock, Clock::EXAT | Clock::PXAT) && ctx.has_passed(deadline) {
        return delete(ctx, key);
    }
    ctx.db().set_expiry(key.hash, key.bytes, Some(deadline));
    ctx.changed(key, Class::Generic, "expire");
    ctx.effects.replicate_as(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(deadline.0).as_bytes()]);
}
