//! Numbers in fields: HINCRBY, HINCRBYFLOAT.

use keyspace::Value;
use keyspace::values::Hash;
use resp::Args;

use crate::arguments::integer;
use crate::long_double::LongDouble;
use crate::{Class, CommandError, Ctx};

pub(super) fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let increment = integer(args.at(3))?;
    let (key, field, limits) = (ctx.first_key(args), args.at(2), ctx.limits);
    let updated = ctx.update_or_insert(key, |hash: &mut Hash| {
        let old = match hash.get(field) {
            Some(value) => value.as_int().ok_or(CommandError::new("ERR hash value is not an integer"))?,
            None => 0,
        };
        let new = old.checked_add(increment).ok_or(CommandError::WouldOverflow)?;
        hash.set(field, itoa::Buffer::new().format(new).as_bytes(), limits);
        Ok(new)
    })?;
    let new = updated.result?;
    ctx.changed(key, Class::Hash, "hincrby");
    ctx.out.int(new);
    Ok(())
}

pub(super) fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let increment = LongDouble::parse(args.at(3)).ok_or(CommandError::NotAFloat)?;
    if matches!(increment, LongDouble::Infinite { .. }) {
        return Err(CommandError::new("ERR value is NaN or Infinity"));
    }
    let (key, field, limits) = (ctx.first_key(args), args.at(2), ctx.limits);
    let updated = ctx.update_or_insert(key, |hash: &mut Hash| {
        let old = match hash.get(field) {
            None => Some(LongDouble::from(0)),
            Some(Value::Int(number)) => Some(LongDouble::from(number)),
            Some(Value::Bytes(text)) => LongDouble::parse(text),
        };
        let old = old.ok_or(CommandError::new("ERR hash value is not a float"))?;
        let Some(new) = old.checked_add(increment) else {
            return Err(CommandError::new("ERR increment would produce NaN or Infinity"));
        };
        let text = new.to_text();
        hash.set(field, text.as_bytes(), limits);
        Ok(text)
    })?;
    let text = updated.result?;
    ctx.changed(key, Class::Hash, "hincrbyfloat");
    ctx.out.bulk(text.as_bytes());
    // A replica stores the very text: it need not share our idea of fractions.
    ctx.effects.replicate_as(&[b"HSET", key.bytes, field, text.as_bytes()]);
    Ok(())
}
