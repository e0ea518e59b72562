//! BITFIELD and BITFIELD_RO: several integers inside one string, read, written and counted up.
//!
//! All subcommands are read before anything happens, so that one that is wrong changes nothing.

use resp::Args;

use super::integer::{Format, Overflow};
use super::{bit_offset, edit_bits};
use crate::arguments::{integer, is_word, string};
use crate::{Class, CommandError, Ctx};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    IncrBy(i64),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    action: Action,
    format: Format,
    offset: u64,
    overflow: Overflow,
}

impl Step {
    /// Carries the step out; gives its reply (none for null) and whether the string changed.
    fn run(self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let Step { format, offset, overflow, .. } = self;
        let old = format.read(bytes, offset);
        let (new, reply) = match self.action {
            Action::Get => return (Some(old), false),
            Action::Set(value) => (format.add(value, 0, overflow), Some(old)),
            Action::IncrBy(by) => {
                let new = format.add(old, by, overflow);
                (new, new)
            }
        };
        let Some(new) = new else { return (None, false) };
        format.write(bytes, offset, new);
        (reply, new != old)
    }
}

fn parse(args: Args<'_>, max_string_bytes: u64) -> Result<Vec<Step>, CommandError> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 2;
    while at < args.len() {
        let (word, more) = (args.at(at), args.len() - at - 1);
        if is_word(word, "OVERFLOW") && more >= 1 {
            overflow = parse_overflow(args.at(at + 1))?;
            at += 2;
            continue;
        }
        let operands = match word {
            _ if is_word(word, "GET") => 2,
            _ if is_word(word, "SET") || is_word(word, "INCRBY") => 3,
            _ => return Err(CommandError::Syntax),
        };
        if more < operands {
            return Err(CommandError::Syntax);
        }
        let format = Format::parse(args.at(at + 1)).ok_or(CommandError::new(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ))?;
        let offset = bit_offset(args.at(at + 2), Some(format.bits), max_string_bytes)?;
        let action = match operands {
            2 => Action::Get,
            _ if is_word(word, "SET") => Action::Set(integer(args.at(at + 3))?),
            _ => Action::IncrBy(integer(args.at(at + 3))?),
        };
        steps.push(Step { action, format, offset, overflow });
        at += 1 + operands;
    }
    Ok(steps)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, CommandError> {
    [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)]
        .into_iter()
        .find_map(|(name, overflow)| is_word(word, name).then_some(overflow))
        .ok_or(CommandError::new("ERR Invalid OVERFLOW type specified"))
}

/// The last bit that any of the steps may write; none when all only read.
fn last_written(steps: &[Step]) -> Option<u64> {
    let writes = steps.iter().filter(|step| step.action != Action::Get);
    writes.map(|step| step.offset + u64::from(step.format.bits) - 1).max()
}

pub(super) fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let steps = parse(args, ctx.max_string_bytes)?;
    let Some(last_bit) = last_written(&steps) else { return read(ctx, args, &steps) };
    let key = ctx.first_key(args);
    let (replies, changes) = edit_bits(ctx, key, last_bit, |bytes, grew| {
        let mut changes = 0;
        let mut replies = Vec::with_capacity(steps.len());
        for step in &steps {
            let (reply, changed) = step.run(bytes);
            let wrote = step.action != Action::Get && reply.is_some();
            changes += u64::from(changed || grew && wrote);
            replies.push(reply);
        }
        (replies, changes)
    })?;
    if changes > 0 {
        ctx.changed(key, Class::String, "setbit");
        ctx.effects.dirty += changes - 1;
    }
    ctx.out.array(replies.len());
    for reply in replies {
        match reply {
            Some(number) => ctx.out.int(number),
            None => ctx.out.null(),
        }
    }
    Ok(())
}

pub(super) fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let steps = parse(args, ctx.max_string_bytes)?;
    match last_written(&steps) {
        None => read(ctx, args, &steps),
        Some(_) => Err(CommandError::new("ERR BITFIELD_RO only supports the GET subcommand")),
    }
}

/// Steps that only read, on a string that may be missing.
fn read(ctx: &mut Ctx<'_>, args: Args<'_>, steps: &[Step]) -> Result<(), CommandError> {
    ctx.read_with(ctx.first_key(args), |entry, out| {
        let mut buffer = itoa::Buffer::new();
        let value = entry.map(string).transpose()?;
        let bytes = value.as_ref().map_or(&[][..], |value| value.as_bytes(&mut buffer));
        out.array(steps.len());
        for step in steps {
            out.int(step.format.read(bytes, step.offset));
        }
        Ok(())
    })
}
