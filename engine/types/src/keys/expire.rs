//! Deadlines of keys: the EXPIRE family, the TTL family, PERSIST.
//!
//! Every EXPIRE is replicated as the deadline it came to (PEXPIREAT), its conditions resolved; one in the
//! past is the deletion that it means.

use keyspace::WallMs;
use resp::Args;

use crate::arguments::{Clock, Unit, is_word};
use crate::{Class, CommandError, Ctx, Key};

/// On what conditions EXPIRE acts.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    none_yet: bool,
    has_one: bool,
    greater: bool,
    less: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut conditions = Conditions::default();
        for option in args.iter().skip(3) {
            let flag = match option {
                _ if is_word(option, "NX") => &mut conditions.none_yet,
                _ if is_word(option, "XX") => &mut conditions.has_one,
                _ if is_word(option, "GT") => &mut conditions.greater,
                _ if is_word(option, "LT") => &mut conditions.less,
                _ => {
                    let option = String::from_utf8_lossy(option);
                    return Err(CommandError::new(format!("ERR Unsupported option {option}")));
                }
            };
            *flag = true;
        }
        if conditions.none_yet && (conditions.has_one || conditions.greater || conditions.less) {
            return Err(CommandError::new(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        match conditions.greater && conditions.less {
            true => Err(CommandError::new("ERR GT and LT options at the same time are not compatible")),
            false => Ok(conditions),
        }
    }

    /// Whether a key with the deadline `old` may get `new`. No deadline is later than any.
    fn hold(self, old: Option<WallMs>, new: WallMs) -> bool {
        !(self.none_yet && old.is_some()
            || self.has_one && old.is_none()
            || self.greater && old.is_none_or(|old| new <= old)
            || self.less && old.is_some_and(|old| new >= old))
    }
}

pub(super) fn expire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Clock::EX, "expire")
}

pub(super) fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Clock::PX, "pexpire")
}

pub(super) fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Clock::EXAT, "expireat")
}

pub(super) fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Clock::PXAT, "pexpireat")
}

fn set_deadline(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    clock: Clock,
    name: &'static str,
) -> Result<(), CommandError> {
    let conditions = Conditions::parse(args)?;
    let deadline = clock.deadline(args.at(2), ctx.now)?.ok_or(CommandError::InvalidExpire(name))?;
    let key = ctx.first_key(args);
    let old = ctx.for_write(key).map(|entry| entry.expires_at());
    let act = old.is_some_and(|old| conditions.hold(old, deadline));
    if act && ctx.has_passed(deadline) {
        ctx.remove(key);
        ctx.changed(key, Class::Generic, "del");
        ctx.effects.replicate_as(&[b"DEL", key.bytes]);
    } else if act {
        ctx.db().set_expiry(key.hash, key.bytes, Some(deadline));
        ctx.changed(key, Class::Generic, "expire");
        if clock != Clock::PXAT || args.len() > 3 {
            let mut buffer = itoa::Buffer::new();
            ctx.effects.replicate_as(&[b"PEXPIREAT", key.bytes, buffer.format(deadline.0).as_bytes()]);
        }
    }
    ctx.out.int(i64::from(act));
    Ok(())
}

pub(super) fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply_deadline(ctx, args, Unit::Seconds, ctx.now.wall)
}

pub(super) fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply_deadline(ctx, args, Unit::Milliseconds, ctx.now.wall)
}

pub(super) fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply_deadline(ctx, args, Unit::Seconds, WallMs(0))
}

pub(super) fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    reply_deadline(ctx, args, Unit::Milliseconds, WallMs(0))
}

/// Replies with the time from `origin` to the key's deadline; -1 when it has none, -2 without a key.
fn reply_deadline(ctx: &mut Ctx<'_>, args: Args<'_>, unit: Unit, origin: WallMs) -> Result<(), CommandError> {
    let deadline = ctx.read_untouched(ctx.first_key(args)).map(|entry| entry.expires_at());
    ctx.out.int(match deadline {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => {
            let ms = deadline.0.saturating_sub(origin.0).max(0);
            match unit {
                Unit::Milliseconds => ms,
                // To the nearest second.
                Unit::Seconds => ms / 1000 + i64::from(ms % 1000 >= 500),
            }
        }
    });
    Ok(())
}

pub(super) fn persist(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let had_deadline = ctx.for_write(key).is_some_and(|entry| entry.expires_at().is_some());
    if had_deadline {
        forget_deadline(ctx, key);
    }
    ctx.out.int(i64::from(had_deadline));
    Ok(())
}

fn forget_deadline(ctx: &mut Ctx<'_>, key: Key<'_>) {
    ctx.db().set_expiry(key.hash, key.bytes, None);
    ctx.changed(key, Class::Generic, "persist");
}
