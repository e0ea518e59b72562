//! Values as bytes: DUMP, and RESTORE, which believes nothing of what it gets.
//!
//! The form is that of RDB files (`persist::rdb`). A time to live is replicated as a deadline.

use keyspace::{Expiry, WallMs};
use persist::rdb::{self, PayloadError, Restored};
use resp::Args;

use crate::arguments::{integer, is_word};
use crate::{Class, CommandError, Ctx, Key};

pub(super) fn dump(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let compression = ctx.compression;
    ctx.read_with(ctx.first_key(args), |entry, out| match entry {
        Some(entry) => out.bulk(&rdb::dump(entry.data(), compression)),
        None => out.null(),
    });
    Ok(())
}

/// What the options of RESTORE say.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

fn options(args: Args<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut at = 4;
    while at < args.len() {
        let word = args.at(at);
        let operand = args.get(at + 1);
        if is_word(word, "REPLACE") {
            options.replace = true;
        } else if is_word(word, "ABSTTL") {
            options.absolute = true;
        } else if let Some(operand) =
            operand.filter(|_| is_word(word, "IDLETIME") && options.frequency.is_none())
        {
            let invalid = || CommandError::new("ERR Invalid IDLETIME value, must be >= 0");
            options.idle_seconds = Some(u64::try_from(integer(operand)?).map_err(|_| invalid())?);
            at += 1;
        } else if let Some(operand) =
            operand.filter(|_| is_word(word, "FREQ") && options.idle_seconds.is_none())
        {
            let invalid = || CommandError::new("ERR Invalid FREQ value, must be >= 0 and <= 255");
            options.frequency = Some(u8::try_from(integer(operand)?).map_err(|_| invalid())?);
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    Ok(options)
}

/// The deadline; none for a key that lives for ever.
fn deadline(ctx: &Ctx<'_>, ttl: i64, options: Options) -> Result<Option<WallMs>, CommandError> {
    match ttl {
        ..0 => Err(CommandError::new("ERR Invalid TTL value, must be >= 0")),
        0 => Ok(None),
        _ if options.absolute => Ok(Some(WallMs(ttl))),
        _ => Ok(Some(WallMs(ttl.saturating_add(ctx.now.wall.0)))),
    }
}

pub(super) fn restore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = options(args)?;
    let key = ctx.first_key(args);
    if !options.replace && ctx.for_write(key).is_some() {
        return Err(CommandError::new("BUSYKEY Target key name already exists."));
    }
    let deadline = deadline(ctx, integer(args.at(2))?, options)?;
    let restored = rdb::restore(args.at(3), ctx.limits).map_err(|error| {
        CommandError::new(match error {
            PayloadError::Footer => "ERR DUMP payload version or checksum are wrong",
            PayloadError::Format => "ERR Bad data format",
        })
    })?;
    ctx.expire_before_write(key);
    let deleted = options.replace && ctx.remove(key);
    if deadline.is_some_and(|at| ctx.has_passed(at)) {
        if deleted {
            ctx.changed(key, Class::Generic, "del");
            ctx.effects.replicate_as(&[b"DEL", key.bytes]);
        }
    } else {
        store(ctx, key, restored, deadline, options);
        if let Some(at) = deadline.filter(|_| !options.absolute) {
            replicate_with_deadline(ctx, args, at);
        }
    }
    ctx.out.ok();
    Ok(())
}

fn store(ctx: &mut Ctx<'_>, key: Key<'_>, restored: Restored, deadline: Option<WallMs>, options: Options) {
    let expiry = deadline.map_or(Expiry::Clear, Expiry::At);
    let word = match (options.frequency, options.idle_seconds) {
        (Some(frequency), _) => ctx.access.of_frequency(frequency),
        (None, Some(idle_seconds)) => ctx.access.of_idle(idle_seconds),
        (None, None) => ctx.access.of_new(),
    };
    ctx.announce_new(key);
    match restored {
        Restored::String(bytes) => ctx.db().set_bytes(key.hash, key.bytes, &bytes, expiry, word),
        Restored::Object(object) => ctx.db().set_object(key.hash, key.bytes, object, expiry, word),
    }
    ctx.changed(key, Class::Generic, "restore");
}

/// The same command with its time to live as a deadline.
fn replicate_with_deadline(ctx: &mut Ctx<'_>, args: Args<'_>, at: WallMs) {
    let mut buffer = itoa::Buffer::new();
    let deadline = buffer.format(at.0).as_bytes();
    let mut words: Vec<&[u8]> = args.iter().collect();
    words[2] = deadline;
    words.push(b"ABSTTL");
    ctx.effects.replicate_as(&words);
}
