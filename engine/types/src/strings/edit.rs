//! Parts of strings: APPEND, SETRANGE, GETRANGE (and SUBSTR, its old name).
//!
//! Edited strings become `raw`, as in Redis; a long one is changed in its place.

use keyspace::{Expiry, Value};
use resp::Args;

use crate::arguments::{integer, string};
use crate::replies::write_value;
use crate::{Class, CommandError, Ctx, Key};

/// The length of the string that is to be changed; none when the key is missing.
fn length_for_write(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<Option<usize>, CommandError> {
    Ok(ctx.for_write(key).map(string).transpose()?.map(Value::len))
}

/// Refuses a string that would pass `proto-max-bulk-len`.
fn check_length(ctx: &Ctx<'_>, length: usize, more: usize) -> Result<(), CommandError> {
    match (length as u64).checked_add(more as u64) {
        Some(total) if total <= ctx.max_string_bytes => Ok(()),
        _ => Err(CommandError::StringTooLong),
    }
}

pub(super) fn append(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, tail) = (ctx.first_key(args), args.at(2));
    let length = match length_for_write(ctx, key)? {
        None => {
            ctx.store(key, tail, Expiry::Clear);
            tail.len()
        }
        Some(length) => {
            check_length(ctx, length, tail.len())?;
            ctx.db().edit(key.hash, key.bytes, |bytes| bytes.extend_from_slice(tail));
            length + tail.len()
        }
    };
    ctx.changed(key, Class::String, "append");
    ctx.out.int(length as i64);
    Ok(())
}

pub(super) fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, part) = (ctx.first_key(args), args.at(3));
    let Ok(offset) = usize::try_from(integer(args.at(2))?) else {
        return Err(CommandError::new("ERR offset is out of range"));
    };
    let length = length_for_write(ctx, key)?;
    if part.is_empty() {
        ctx.out.int(length.unwrap_or(0) as i64);
        return Ok(());
    }
    check_length(ctx, offset, part.len())?;
    let end = offset + part.len();
    if length.is_none() {
        ctx.announce_new(key);
        let access = ctx.access_stamp();
        ctx.db().set_raw(key.hash, key.bytes, &[], Expiry::Clear, access);
    }
    ctx.db().edit(key.hash, key.bytes, |bytes| {
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(part);
    });
    ctx.changed(key, Class::String, "setrange");
    ctx.out.int(length.unwrap_or(0).max(end) as i64);
    Ok(())
}

pub(super) fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (integer(args.at(2))?, integer(args.at(3))?);
    ctx.read_with(ctx.first_key(args), |entry, out| {
        let mut buffer = itoa::Buffer::new();
        let value = entry.map(string).transpose()?.unwrap_or(Value::Bytes(b""));
        let bytes = value.as_bytes(&mut buffer);
        write_value(out, Value::Bytes(slice(bytes, start, end)));
        Ok(())
    })
}

/// The bytes from `start` to `end`, both included and both counted from the end when negative.
fn slice(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    let length = bytes.len() as i64;
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let from_front = |index: i64| if index < 0 { index.saturating_add(length).max(0) } else { index };
    let (start, end) = (from_front(start), from_front(end).min(length - 1));
    if start > end { b"" } else { &bytes[start as usize..=end as usize] }
}
