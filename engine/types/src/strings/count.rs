//! Numbers in strings: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

use keyspace::{Expiry, Value};
use resp::Args;

use crate::arguments::{integer, string};
use crate::long_double::LongDouble;
use crate::{Class, CommandError, Ctx};

pub(super) fn incr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    add(ctx, args, 1)
}

pub(super) fn decr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    add(ctx, args, -1)
}

pub(super) fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    add(ctx, args, integer(args.at(2))?)
}

pub(super) fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    match integer(args.at(2))?.checked_neg() {
        Some(increment) => add(ctx, args, increment),
        None => Err(CommandError::new("ERR decrement would overflow")),
    }
}

fn add(ctx: &mut Ctx<'_>, args: Args<'_>, increment: i64) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let old = match ctx.for_write(key) {
        Some(entry) => string(entry)?.as_int().ok_or(CommandError::NotAnInteger)?,
        None => 0,
    };
    let new = old.checked_add(increment).ok_or(CommandError::WouldOverflow)?;
    ctx.store_int(key, new);
    ctx.changed(key, Class::String, "incrby");
    ctx.out.int(new);
    Ok(())
}

pub(super) fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let old = match ctx.for_write(key).map(string).transpose()? {
        None => Some(LongDouble::from(0)),
        Some(Value::Int(number)) => Some(LongDouble::from(number)),
        Some(Value::Bytes(text)) => LongDouble::parse(text),
    };
    let old = old.ok_or(CommandError::NotAFloat)?;
    let increment = LongDouble::parse(args.at(2)).ok_or(CommandError::NotAFloat)?;
    let Some(new) = old.checked_add(increment) else {
        return Err(CommandError::new("ERR increment would produce NaN or Infinity"));
    };
    let text = new.to_text();
    // Whole as it may be, the result is kept as text.
    ctx.store_text(key, text.as_bytes(), Expiry::Keep);
    ctx.changed(key, Class::String, "incrbyfloat");
    ctx.out.bulk(text.as_bytes());
    // A replica stores the very text: it need not share our idea of fractions.
    ctx.effects.replicate_as(&[b"SET", key.bytes, text.as_bytes(), b"KEEPTTL"]);
    Ok(())
}
