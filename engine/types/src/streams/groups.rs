//! XGROUP: making, moving and ending groups and their consumers.

use keyspace::Expiry;
use keyspace::values::{Stream, StreamId};
use resp::Args;

use super::{ids, reply};
use crate::arguments::{integer, is_word};
use crate::{Class, CommandError, Ctx, Key};

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Make a group that begins behind an entry. Options are:",
    "    * MKSTREAM",
    "      Make an empty stream if there is none.",
    "    * ENTRIESREAD entries_read",
    "      Set how many entries the group has read already.",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Make a consumer in a group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Take a consumer out of a group.",
    "DESTROY <key> <groupname>",
    "    End a group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the last id that the group has been given.",
    "HELP",
    "    Print this text.",
];

pub(super) fn help(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    print(ctx, HELP)
}

pub(super) fn print(ctx: &mut Ctx<'_>, help: &[&str]) -> Result<(), CommandError> {
    ctx.out.array(help.len());
    help.iter().for_each(|line| ctx.out.simple(line));
    Ok(())
}

/// The arguments are not those of the subcommand.
pub(super) fn wrong_subcommand(args: Args<'_>) -> CommandError {
    let name = reply::quoted(args.at(1));
    let container = String::from_utf8_lossy(args.at(0)).to_uppercase();
    CommandError::new(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {container} HELP."
    ))
}

/// What CREATE and SETID may be told beside the id.
#[derive(Debug, Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn parse(args: Args<'_>, may_make_stream: bool) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut at = 5;
        while at < args.len() {
            if may_make_stream && is_word(args.at(at), "MKSTREAM") {
                options.make_stream = true;
                at += 1;
            } else if is_word(args.at(at), "ENTRIESREAD") && at + 1 < args.len() {
                let count = integer(args.at(at + 1))?;
                if count < -1 {
                    return Err(CommandError::new("ERR value for ENTRIESREAD must be positive or -1"));
                }
                options.entries_read = (count >= 0).then_some(count);
                at += 2;
            } else {
                return Err(wrong_subcommand(args));
            }
        }
        Ok(options)
    }
}

fn no_key() -> CommandError {
    CommandError::new(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
         MKSTREAM option to create an empty stream automatically.",
    )
}

/// The key of a subcommand, which must hold a stream.
fn existing<'k>(ctx: &mut Ctx<'_>, args: Args<'k>) -> Result<Key<'k>, CommandError> {
    let key = ctx.key(args.at(2));
    match ctx.check_kind::<Stream>(key)? {
        true => Ok(key),
        false => Err(no_key()),
    }
}

/// Changes the stream of a key that is there.
fn change<R>(
    ctx: &mut Ctx<'_>,
    key: Key<'_>,
    change: impl FnOnce(&mut Stream) -> R,
) -> Result<R, CommandError> {
    ctx.update(key, change)?.map(|updated| updated.result).ok_or_else(no_key)
}

/// Records a change of the stream's groups, of which watchers need not know.
fn note(ctx: &mut Ctx<'_>, key: Key<'_>, event: &'static str) {
    ctx.effects.dirty += 1;
    ctx.effects.event(ctx.db_index, key.bytes, Class::Stream, event);
}

pub(super) fn create(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = Options::parse(args, true)?;
    if args.len() > 8 {
        return Err(wrong_subcommand(args));
    }
    let (key, name) = (ctx.key(args.at(2)), args.at(3));
    let exists = ctx.check_kind::<Stream>(key)?;
    if !exists && !options.make_stream {
        return Err(no_key());
    }
    let id = match args.at(4) {
        b"$" => None,
        id => Some(ids::strict(id, 0)?),
    };
    if !exists {
        ctx.put(key, Stream::default(), Expiry::Clear);
        ctx.effects.touched(ctx.db_index, key.bytes);
    }
    let created = change(ctx, key, |stream| {
        let id = id.unwrap_or(stream.last_id());
        stream.create_group(name, id, options.entries_read)
    })?;
    if !created {
        return Err(CommandError::new("BUSYGROUP Consumer Group name already exists"));
    }
    ctx.out.ok();
    note(ctx, key, "xgroup-create");
    Ok(())
}

pub(super) fn setid(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = Options::parse(args, false)?;
    let (key, name) = (existing(ctx, args)?, args.at(3));
    change(ctx, key, |stream| stream.group(name).is_some().then_some(()))?
        .ok_or_else(|| reply::no_group_in(key.bytes, name))?;
    if !matches!(args.len(), 5 | 7) {
        return Err(wrong_subcommand(args));
    }
    let id: Option<StreamId> = match args.at(4) {
        b"$" => None,
        id => Some(ids::lenient(id, 0)?),
    };
    change(ctx, key, |stream| {
        stream.change_group(name, |group, stream| {
            group.last_id = id.unwrap_or(stream.last_id());
            group.entries_read = options.entries_read;
        })
    })?;
    ctx.out.ok();
    note(ctx, key, "xgroup-setid");
    Ok(())
}

pub(super) fn destroy(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, name) = (existing(ctx, args)?, args.at(3));
    let destroyed = change(ctx, key, |stream| stream.destroy_group(name))?;
    ctx.out.int(i64::from(destroyed));
    if destroyed {
        note(ctx, key, "xgroup-destroy");
        // Those who wait for the group must learn that it is gone.
        ctx.effects.touched(ctx.db_index, key.bytes);
    }
    Ok(())
}

pub(super) fn createconsumer(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, name, now) = (existing(ctx, args)?, args.at(3), ctx.now.wall);
    let created = change(ctx, key, |stream| {
        stream.change_group(name, |group, _| group.create_consumer(args.at(4), now).is_some())
    })?
    .ok_or_else(|| reply::no_group_in(key.bytes, name))?;
    ctx.out.int(i64::from(created));
    if created {
        note(ctx, key, "xgroup-createconsumer");
    }
    Ok(())
}

pub(super) fn delconsumer(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, name) = (existing(ctx, args)?, args.at(3));
    let deleted =
        change(ctx, key, |stream| stream.change_group(name, |group, _| group.delete_consumer(args.at(4))))?
            .ok_or_else(|| reply::no_group_in(key.bytes, name))?;
    ctx.out.int(deleted.unwrap_or(0) as i64);
    if deleted.is_some() {
        note(ctx, key, "xgroup-delconsumer");
    }
    Ok(())
}
