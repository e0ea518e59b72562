//! String commands.

use crate::Handler;
use crate::spec::{Command, Flags, Meta, one_key};
use crate::{CommandError, Ctx};
use keyspace::Value;
use resp::Args;

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[Command {
    meta: Meta {
        name: "get",
        summary: "Gives the string stored at a key.",
        group: "string",
        arity: 2,
        flags: Flags::READONLY.and(Flags::FAST),
        keys: &[one_key(&["RO", "access"])],
        args: "key",
        ..Meta::BASE
    },
    run: get,
    subcommands: &[],
}];

fn get(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let _ = (ctx, args, std::marker::PhantomData::<Value<'static>>);
    Ok(())
}
