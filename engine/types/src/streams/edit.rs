//! Changing a stream: XADD, XDEL, XTRIM, XSETID.

use keyspace::Expiry;
use keyspace::values::{Pairs, Stream, StreamId};
use resp::Args;

use super::ids::{self, NewId};
use super::reply::{self, id_text};
use super::trimming::{Left, Of, Options};
use crate::arguments::{integer, is_word};
use crate::{Class, CommandError, Ctx, Key};

/// What came of adding.
struct Added {
    id: StreamId,
    trimmed: Option<(u64, Left)>,
}

pub(super) fn xadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = Options::parse(ctx, args, Of::Xadd)?;
    let Some((wanted, id_at)) = options.id else { return Err(CommandError::Arity("xadd".into())) };
    let fields = args.from(id_at + 1);
    if fields.len() < 2 || !fields.len().is_multiple_of(2) {
        return Err(CommandError::Arity("xadd".into()));
    }
    if wanted == NewId::Exact(StreamId::MIN) {
        return Err(CommandError::new("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let key = ctx.first_key(args);
    let (limits, now_ms) = (ctx.limits, ctx.now.wall.0 as u64);
    let pairs = Pairs::new(fields.len() / 2, |index| fields.at(index));
    let add = |stream: &mut Stream| {
        let id = next_id(stream, wanted, now_ms)?;
        if Stream::is_too_large(pairs.bytes()) {
            return Err(CommandError::new("ERR Elements are too large to be stored"));
        }
        stream.append(id, &pairs, limits);
        Ok(Added { id, trimmed: options.trimming.map(|trimming| trimming.apply(stream)) })
    };
    let added = match ctx.update(key, add)? {
        Some(updated) => updated.result?,
        None if options.only_existing => {
            ctx.out.null();
            return Ok(());
        }
        None => {
            let mut stream = Stream::default();
            let added = add(&mut stream)?;
            ctx.put(key, stream, Expiry::Clear);
            added
        }
    };
    reply::id(&mut ctx.out, added.id);
    ctx.changed(key, Class::Stream, "xadd");
    if added.trimmed.is_some_and(|(removed, _)| removed > 0) {
        ctx.effects.event(ctx.db_index, key.bytes, Class::Stream, "xtrim");
    }
    let is_generated = !matches!(wanted, NewId::Exact(_));
    let is_approximate = options.trimming.is_some_and(|trimming| trimming.is_approximate());
    if (is_generated || is_approximate) && !ctx.effects.unreplicated {
        let mut command = args.to_vecs();
        command[id_at] = id_text(added.id);
        if let (Some(trimming), Some((_, left))) = (options.trimming, added.trimmed) {
            trimming.make_exact(&mut command, left);
        }
        if !is_generated {
            command[id_at] = args.at(id_at).to_vec();
        }
        ctx.effects.replicate_instead(vec![command]);
    }
    Ok(())
}

/// The id that the entry gets.
fn next_id(stream: &Stream, wanted: NewId, now_ms: u64) -> Result<StreamId, CommandError> {
    let last = stream.last_id();
    if last == StreamId::MAX {
        return Err(CommandError::new(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = match wanted {
        NewId::Auto if now_ms > last.ms => Some(StreamId::new(now_ms, 0)),
        NewId::Auto => last.next(),
        NewId::AutoSeq(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| StreamId::new(ms, seq)),
        NewId::AutoSeq(ms) => Some(StreamId::new(ms, 0)),
        NewId::Exact(id) => Some(id),
    };
    id.filter(|id| *id > last).ok_or_else(|| {
        CommandError::new("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    })
}

pub(super) fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = Options::parse(ctx, args, Of::Xtrim)?;
    let Some(trimming) = options.trimming else { return Err(CommandError::Syntax) };
    let key = ctx.first_key(args);
    let trimmed = ctx.update(key, |stream: &mut Stream| trimming.apply(stream))?;
    let Some((removed, left)) = trimmed.map(|updated| updated.result) else {
        ctx.out.int(0);
        return Ok(());
    };
    if removed > 0 {
        note(ctx, key, removed, "xtrim");
        if trimming.is_approximate() && !ctx.effects.unreplicated {
            let mut command = args.to_vecs();
            trimming.make_exact(&mut command, left);
            ctx.effects.replicate_instead(vec![command]);
        }
    }
    ctx.out.int(removed as i64);
    Ok(())
}

/// Records so many changes of one kind.
fn note(ctx: &mut Ctx<'_>, key: Key<'_>, changes: u64, event: &'static str) {
    ctx.changed(key, Class::Stream, event);
    ctx.effects.dirty += changes - 1;
}

pub(super) fn xdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    if !ctx.check_kind::<Stream>(key)? {
        ctx.out.int(0);
        return Ok(());
    }
    // All of them are read first, so that a wrong one leaves nothing half done.
    let ids = args.from(2).iter().map(|id| ids::strict(id, 0)).collect::<Result<Vec<_>, _>>()?;
    let deleted =
        ctx.update(key, |stream: &mut Stream| ids.iter().filter(|id| stream.delete(**id)).count())?;
    let deleted = deleted.map_or(0, |updated| updated.result);
    if deleted > 0 {
        note(ctx, key, deleted as u64, "xdel");
    }
    ctx.out.int(deleted as i64);
    Ok(())
}

/// What XSETID is to set.
struct Figures {
    last_id: StreamId,
    entries_added: Option<u64>,
    max_deleted_id: Option<StreamId>,
}

impl Figures {
    fn parse(args: Args<'_>) -> Result<Figures, CommandError> {
        let last_id = ids::strict(args.at(2), 0)?;
        let mut figures = Figures { last_id, entries_added: None, max_deleted_id: None };
        let mut at = 3;
        while at < args.len() {
            let (word, value) = (args.at(at), args.get(at + 1).ok_or(CommandError::Syntax)?);
            if is_word(word, "ENTRIESADDED") {
                let count = u64::try_from(integer(value)?)
                    .map_err(|_| CommandError::new("ERR entries_added must be positive"))?;
                figures.entries_added = Some(count);
            } else if is_word(word, "MAXDELETEDID") {
                let id = ids::strict(value, 0)?;
                if last_id < id {
                    return Err(CommandError::new(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
                figures.max_deleted_id = Some(id).filter(|id| *id != StreamId::MIN);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(figures)
    }

    fn apply(&self, stream: &mut Stream) -> Result<(), &'static str> {
        if self.last_id < stream.max_deleted_id() {
            return Err("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
        }
        if let Some(top) = stream.top_id() {
            if self.last_id < top {
                return Err("ERR The ID specified in XSETID is smaller than the target stream top item");
            }
            if self.entries_added.is_some_and(|count| count < stream.len()) {
                return Err(
                    "ERR The entries_added specified in XSETID is smaller than the target stream length",
                );
            }
        }
        stream.set_last_id(self.last_id);
        if let Some(count) = self.entries_added {
            stream.set_entries_added(count);
        }
        if let Some(id) = self.max_deleted_id {
            stream.set_max_deleted_id(id);
        }
        Ok(())
    }
}

pub(super) fn xsetid(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let figures = Figures::parse(args)?;
    let key = ctx.first_key(args);
    let applied = ctx.update(key, |stream: &mut Stream| figures.apply(stream))?;
    applied.ok_or(CommandError::NoSuchKey)?.result.map_err(CommandError::new)?;
    ctx.out.ok();
    // Watchers need not know: no entry has changed.
    ctx.effects.dirty += 1;
    ctx.effects.event(ctx.db_index, key.bytes, Class::Stream, "xsetid");
    Ok(())
}
