//! Deleting keys and asking for them: DEL, UNLINK, EXISTS, TOUCH, TYPE.

use resp::Args;

use crate::{Cause, Class, CommandError, Ctx, Key};

/// Replies with how many of the keys from argument 1 on `body` says yes to.
fn count(ctx: &mut Ctx<'_>, args: Args<'_>, mut body: impl FnMut(&mut Ctx<'_>, Key<'_>) -> bool) {
    let counted = args.iter().skip(1).filter(|bytes| body(ctx, ctx.key(bytes))).count();
    ctx.out.int(counted as i64);
}

pub(super) fn del(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    delete(ctx, args, Cause::Deleted)
}

/// DEL, but large values are freed elsewhere.
pub(super) fn unlink(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    delete(ctx, args, Cause::Unlinked)
}

fn delete(ctx: &mut Ctx<'_>, args: Args<'_>, cause: Cause) -> Result<(), CommandError> {
    count(ctx, args, |ctx, key| {
        // One that has just expired does not count as deleted by the client.
        ctx.exists(key);
        let deleted = ctx.remove_because(key, cause);
        if deleted {
            ctx.changed(key, Class::Generic, "del");
        }
        deleted
    });
    Ok(())
}

pub(super) fn exists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    count(ctx, args, |ctx, key| ctx.read_untouched(key).is_some());
    Ok(())
}

pub(super) fn touch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    count(ctx, args, |ctx, key| ctx.read(key).is_some());
    Ok(())
}

pub(super) fn type_of(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let name = ctx.read_untouched(ctx.first_key(args)).map_or("none", |entry| entry.kind().name());
    ctx.out.simple(name);
    Ok(())
}
