//! Values under another name or in another database: RENAME, RENAMENX, COPY, MOVE.

use keyspace::{Encoding, Expiry, Object, WallMs};
use resp::Args;

use crate::arguments::{db_index, is_word};
use crate::{Class, CommandError, Ctx, Key};

const SAME: CommandError =
    CommandError::Other(std::borrow::Cow::Borrowed("ERR source and destination objects are the same"));

/// What happens when the new name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Replace,
    Refuse,
}

pub(super) fn rename(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    rename_unless(ctx, args, Taken::Replace)?;
    ctx.out.ok();
    Ok(())
}

pub(super) fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let renamed = rename_unless(ctx, args, Taken::Refuse)?;
    ctx.out.int(i64::from(renamed));
    Ok(())
}

/// Renames; false when nothing had to be done or the new name is taken.
fn rename_unless(ctx: &mut Ctx<'_>, args: Args<'_>, taken: Taken) -> Result<bool, CommandError> {
    let (from, to) = (ctx.first_key(args), ctx.key(args.at(2)));
    if ctx.for_write(from).is_none() {
        return Err(CommandError::NoSuchKey);
    }
    if from.bytes == to.bytes {
        return Ok(false);
    }
    if ctx.for_write(to).is_some() {
        if taken == Taken::Refuse {
            return Ok(false);
        }
        ctx.remove(to);
    }
    ctx.announce_new(to);
    if let Some(removed) = ctx.db().remove(from.hash, from.bytes) {
        ctx.db().insert_removed(to.hash, to.bytes, removed);
    }
    ctx.effects.touched(ctx.db_index, from.bytes);
    ctx.effects.event(ctx.db_index, from.bytes, Class::Generic, "rename_from");
    ctx.changed(to, Class::Generic, "rename_to");
    Ok(true)
}

pub(super) fn move_key(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (source, target) = (ctx.db_index, db_index(args.at(2), ctx.dbs.len())?);
    if source == target {
        return Err(SAME);
    }
    let key = ctx.first_key(args);
    let moves =
        ctx.for_write(key).is_some() && ctx.in_db(target, |ctx| ctx.for_write(ctx.key(key.bytes)).is_none());
    if moves {
        let removed = ctx.db().remove(key.hash, key.bytes);
        ctx.in_db(target, |ctx| {
            let key = ctx.key(key.bytes);
            ctx.announce_new(key);
            if let Some(removed) = removed {
                ctx.db().insert_removed(key.hash, key.bytes, removed);
            }
        });
        ctx.effects.touched(source, key.bytes);
        ctx.effects.event(source, key.bytes, Class::Generic, "move_from");
        ctx.effects.changed(target, key.bytes, Class::Generic, "move_to");
    }
    ctx.out.int(i64::from(moves));
    Ok(())
}

/// Where COPY copies to, and whether it may replace what is there.
fn parse_copy(ctx: &Ctx<'_>, args: Args<'_>) -> Result<(u32, Taken), CommandError> {
    let (mut target, mut taken) = (ctx.db_index, Taken::Refuse);
    let mut at = 3;
    while at < args.len() {
        let word = args.at(at);
        if is_word(word, "REPLACE") {
            taken = Taken::Replace;
        } else if is_word(word, "DB") && at + 1 < args.len() {
            at += 1;
            target = db_index(args.at(at), ctx.dbs.len())?;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    Ok((target, taken))
}

/// A value taken out of a borrowed entry.
struct Copied {
    object: Object,
    encoding: Encoding,
    expires_at: Option<WallMs>,
}

pub(super) fn copy(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (target, taken) = parse_copy(ctx, args)?;
    let (from, to) = (ctx.first_key(args), args.at(2));
    if target == ctx.db_index && from.bytes == to {
        return Err(SAME);
    }
    let copied = ctx.read_with(from, |entry, _| {
        entry.map(|entry| Copied {
            object: entry.data().to_object(),
            encoding: entry.encoding(),
            expires_at: entry.expires_at(),
        })
    });
    let done = match copied {
        None => false,
        Some(copied) => ctx.in_db(target, |ctx| paste(ctx, ctx.key(to), copied, taken)),
    };
    ctx.out.int(i64::from(done));
    Ok(())
}

/// Stores a copied value in the selected database; false when the key is taken.
fn paste(ctx: &mut Ctx<'_>, key: Key<'_>, copied: Copied, taken: Taken) -> bool {
    if ctx.for_write(key).is_some() {
        if taken == Taken::Refuse {
            return false;
        }
        ctx.remove(key);
    }
    let expiry = copied.expires_at.map_or(Expiry::Clear, Expiry::At);
    match copied.object {
        Object::Raw(bytes) if copied.encoding != Encoding::Raw => ctx.store(key, &bytes, expiry),
        object => {
            ctx.announce_new(key);
            let access = ctx.access_stamp();
            ctx.db().set_object(key.hash, key.bytes, object, expiry, access);
        }
    }
    ctx.changed(key, Class::Generic, "copy_to");
    true
}
