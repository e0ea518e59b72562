//! Taking from the ends: LPOP, RPOP, LMPOP, and BLPOP, BRPOP, BLMPOP, which wait for something to take.
//!
//! A command that takes what it waited for, or from one of several keys, is replicated as the LPOP or RPOP
//! that it came to.

use keyspace::values::{Direction, End, List};
use keyspace::{Kind, Updated};
use resp::{Args, Writer};

use super::end_named;
use crate::arguments::{integer_from, is_word, timeout_in_seconds};
use crate::replies::write_value;
use crate::{BlockOn, Class, CommandError, Ctx, Key, TimedOut};

pub(super) fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Front, "lpop")
}

pub(super) fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(ctx, args, End::Back, "rpop")
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, name: &'static str) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    let count = match args.len() {
        2 => None,
        3 => Some(integer_from(args.at(2), 0, "ERR value is out of range, must be positive")? as usize),
        _ => return Err(CommandError::Arity(name.to_owned())),
    };
    let taken = match count {
        None => take_one(ctx, key, end, |_, _| {})?,
        Some(0) => match ctx.check_kind::<List>(key)? {
            true => {
                ctx.out.array(0);
                return Ok(());
            }
            false => None,
        },
        Some(count) => take_several(ctx, key, end, count, |_, _| {})?,
    };
    match (taken, count) {
        (Some(_), _) => {}
        (None, None) => ctx.out.null(),
        (None, Some(_)) => ctx.out.null_array(),
    }
    Ok(())
}

/// Takes an element and replies with it, behind what `lead` writes; none when there is no list.
fn take_one<'a>(
    ctx: &mut Ctx<'a>,
    key: Key<'_>,
    end: End,
    lead: impl FnOnce(&mut Writer<'a>, &[u8]),
) -> Result<Option<usize>, CommandError> {
    change_and_reply(ctx, key, end, |list, limits, out| {
        lead(out, key.bytes);
        list.pop_with(end, limits, |value| write_value(out, value));
        1
    })
}

/// Takes up to `count` elements and replies with an array of them, behind what `lead` writes; gives how
/// many, none when there is no list.
fn take_several<'a>(
    ctx: &mut Ctx<'a>,
    key: Key<'_>,
    end: End,
    count: usize,
    lead: impl FnOnce(&mut Writer<'a>, &[u8]),
) -> Result<Option<usize>, CommandError> {
    change_and_reply(ctx, key, end, |list, limits, out| {
        let (len, count) = (list.len(), count.min(list.len()));
        lead(out, key.bytes);
        out.array(count);
        let (start, direction) = match end {
            End::Front => (0, Direction::Forward),
            End::Back => (len - 1, Direction::Backward),
        };
        list.show_some(start, direction, count, |value| write_value(out, value));
        list.remove_range(if end == End::Front { 0 } else { len - count }, count, limits);
        count
    })
}

/// Changes a list beside the reply's writer, so that elements go there without a copy in between; `change`
/// gives how many it took.
fn change_and_reply<'a>(
    ctx: &mut Ctx<'a>,
    key: Key<'_>,
    end: End,
    change: impl FnOnce(&mut List, &keyspace::values::Limits, &mut Writer<'a>) -> usize,
) -> Result<Option<usize>, CommandError> {
    ctx.expire_before_write(key);
    let (limits, out) = (ctx.limits, &mut ctx.out);
    let stamp = ctx.access.stamp();
    let db = &mut ctx.dbs[ctx.db_index as usize];
    let Some(updated) = db.update(key.hash, key.bytes, stamp, |list: &mut List| change(list, limits, out))
    else {
        return Ok(None);
    };
    let Updated { result: taken, emptied } = updated.map_err(|_| CommandError::WrongType)?;
    settle_taken(ctx, key, end, taken, emptied);
    Ok(Some(taken))
}

/// Records that elements were taken, and removes the key when none are left.
pub(super) fn settle_taken(ctx: &mut Ctx<'_>, key: Key<'_>, end: End, taken: usize, emptied: bool) {
    ctx.removed(key, Class::List, pop_event(end), Updated { result: taken, emptied });
}

fn pop_event(end: End) -> &'static str {
    match end {
        End::Front => "lpop",
        End::Back => "rpop",
    }
}

fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Front => b"LPOP",
        End::Back => b"RPOP",
    }
}

pub(super) fn blpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    blocking_pop(ctx, args, End::Front)
}

pub(super) fn brpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    blocking_pop(ctx, args, End::Back)
}

fn blocking_pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let (keys, timeout) = (1..args.len() - 1, args.at(args.len() - 1));
    let timeout_ms = timeout_in_seconds(timeout, ctx.now)?;
    for bytes in keys.clone().map(|index| args.at(index)) {
        let key = ctx.key(bytes);
        let lead = |out: &mut Writer<'_>, key: &[u8]| {
            out.array(2);
            out.bulk(key);
        };
        if take_one(ctx, key, end, lead)?.is_some() {
            ctx.effects.replicate_as(&[pop_command(end), bytes]);
            return Ok(());
        }
    }
    wait_for(ctx, keys.map(|index| args.at(index)), timeout_ms);
    Ok(())
}

/// Has the client wait for a list under one of the keys; where that cannot be, it gets what it would get in
/// the end.
fn wait_for<'k>(ctx: &mut Ctx<'_>, keys: impl Iterator<Item = &'k [u8]>, timeout_ms: Option<u64>) {
    match ctx.may_block {
        true => ctx.block(wait_for_list(keys, timeout_ms)),
        false => ctx.out.null_array(),
    }
}

/// What a command waits for that needs a list under one of the keys.
pub(super) fn wait_for_list<'k>(keys: impl Iterator<Item = &'k [u8]>, timeout_ms: Option<u64>) -> BlockOn {
    BlockOn {
        keys: keys.map(<[u8]>::to_vec).collect(),
        kind: Kind::List,
        without_key_too: false,
        timeout_ms,
        timed_out: TimedOut::NullArray,
        again: None,
    }
}

pub(super) fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let wanted = Several::parse(args.from(1))?;
    if !wanted.take(ctx)? {
        ctx.out.null_array();
    }
    Ok(())
}

pub(super) fn blmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let wanted = Several::parse(args.from(2))?;
    let timeout_ms = timeout_in_seconds(args.at(1), ctx.now)?;
    if !wanted.take(ctx)? {
        wait_for(ctx, wanted.keys(), timeout_ms);
    }
    Ok(())
}

/// What LMPOP and BLMPOP take.
struct Several<'a> {
    /// The keys come first.
    args: Args<'a>,
    key_count: usize,
    end: End,
    count: usize,
}

impl<'a> Several<'a> {
    /// Reads `numkeys key [key ...] LEFT | RIGHT [COUNT count]`.
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let key_count = integer_from(args.at(0), 1, "ERR numkeys should be greater than 0")? as usize;
        let args = args.from(1);
        let end = args.get(key_count).and_then(end_named).ok_or(CommandError::Syntax)?;
        let count = match args.len() - key_count - 1 {
            0 => 1,
            2 if is_word(args.at(key_count + 1), "COUNT") => {
                integer_from(args.at(key_count + 2), 1, "ERR count should be greater than 0")?
            }
            // A wrong count is told of before what follows it.
            3.. if is_word(args.at(key_count + 1), "COUNT") => {
                integer_from(args.at(key_count + 2), 1, "ERR count should be greater than 0")?;
                return Err(CommandError::Syntax);
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self { args, key_count, end, count: count as usize })
    }

    fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.args.iter().take(self.key_count)
    }

    /// Takes from the first key that holds a list and replies; false when none does.
    fn take(&self, ctx: &mut Ctx<'_>) -> Result<bool, CommandError> {
        for bytes in self.keys() {
            let key = ctx.key(bytes);
            let lead = |out: &mut Writer<'_>, key: &[u8]| {
                out.array(2);
                out.bulk(key);
            };
            if let Some(taken) = take_several(ctx, key, self.end, self.count, lead)? {
                let mut count = itoa::Buffer::new();
                let count = count.format(taken).as_bytes();
                ctx.effects.replicate_as(&[pop_command(self.end), bytes, count]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
