//! Bitmap commands: strings as arrays of bits, the highest bit of the first byte being bit 0.
//!
//! - `single`: SETBIT, GETBIT; `search`: BITCOUNT, BITPOS and their ranges; `combine`: BITOP.
//! - `field`: what BITFIELD asks for; `integer`: numbers of 1 to 64 bits anywhere in a string.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4. A string whose bits are changed becomes
//! `raw`, also when nothing changed in the end.

mod combine;
mod field;
mod integer;
mod search;
mod single;
#[cfg(test)]
mod tests;

use keyspace::Expiry;
use resp::number::parse_i64;

use crate::arguments::string;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, one_key};
use crate::{CommandError, Ctx, Handler, Key};

const BITMAP: Meta = Meta { group: "bitmap", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const LENGTH_COST: &str = "O(N) where N is the length of the string";
const FIELDS_COST: &str = "O(N) where N is the number of subcommands";

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "setbit",
            summary: "Sets or clears one bit of a string, which grows with zero bytes if need be.",
            since: "2.2.0",
            arity: 4,
            flags: WRITE,
            keys: &[one_key(&["RW", "access", "update"])],
            args: "key offset:integer value:integer",
            ..BITMAP
        },
        single::setbit,
    ),
    command(
        Meta {
            name: "getbit",
            summary: "Gives one bit of a string.",
            since: "2.2.0",
            arity: 3,
            flags: READ_FAST,
            keys: &[one_key(&["RO", "access"])],
            args: "key offset:integer",
            ..BITMAP
        },
        single::getbit,
    ),
    command(
        Meta {
            name: "bitcount",
            summary: "Counts the bits of a string, or of a part of it, that are set.",
            since: "2.6.0",
            complexity: LENGTH_COST,
            arity: -2,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key [start:integer end:integer [BYTE | BIT]]",
            ..BITMAP
        },
        search::bitcount,
    ),
    command(
        Meta {
            name: "bitpos",
            summary: "Finds the first bit of a string, or of a part of it, that is set or clear.",
            since: "2.8.7",
            complexity: LENGTH_COST,
            arity: -3,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key bit:integer [start:integer [end:integer [BYTE | BIT]]]",
            ..BITMAP
        },
        search::bitpos,
    ),
    command(
        Meta {
            name: "bitop",
            summary: "Combines strings bit by bit and stores the result.",
            since: "2.6.0",
            complexity: "O(N) where N is the length of the longest string",
            arity: -4,
            flags: WRITE,
            keys: &[
                KeySpec { flags: &["OW", "update"], begin: Begin::Index(2), find: Find::Range(0, 1, 0) },
                KeySpec { flags: &["RO", "access"], begin: Begin::Index(3), find: Find::Range(-1, 1, 0) },
            ],
            args: "AND | OR | XOR | NOT destkey:key key [key ...]",
            ..BITMAP
        },
        combine::bitop,
    ),
    command(
        Meta {
            name: "bitfield",
            summary: "Reads, writes and counts up integers of any width inside a string.",
            since: "3.2.0",
            complexity: FIELDS_COST,
            arity: -2,
            flags: WRITE,
            keys: &[one_key(&["RW", "access", "update", "variable_flags"])],
            args: "key [GET encoding offset:integer | [OVERFLOW WRAP | SAT | FAIL] \
                   SET encoding offset:integer value:integer | INCRBY encoding offset:integer increment:integer]",
            ..BITMAP
        },
        field::bitfield,
    ),
    command(
        Meta {
            name: "bitfield_ro",
            summary: "Reads integers of any width inside a string.",
            since: "6.0.0",
            complexity: FIELDS_COST,
            arity: -2,
            flags: READ_FAST,
            keys: &[one_key(&["RO", "access"])],
            args: "key [GET encoding offset:integer [GET encoding offset:integer ...]]",
            ..BITMAP
        },
        field::bitfield_ro,
    ),
];

/// The number of a bit that a string within `max_string_bytes` can have; `width` is what `#` counts in, where
/// that is allowed.
fn bit_offset(argument: &[u8], width: Option<u32>, max_string_bytes: u64) -> Result<u64, CommandError> {
    let (digits, unit) = match (argument, width) {
        ([b'#', digits @ ..], Some(width)) => (digits, width),
        _ => (argument, 1),
    };
    parse_i64(digits)
        .and_then(|offset| u64::try_from(offset).ok()?.checked_mul(unit.into()))
        .filter(|offset| offset >> 3 < max_string_bytes)
        .ok_or(CommandError::new("ERR bit offset is not an integer or out of range"))
}

/// Has `change` work on a string that reaches to `last_bit` at least, and tells it whether it had to grow for
/// that. A missing key becomes a string of zeros first.
fn edit_bits<R>(
    ctx: &mut Ctx<'_>,
    key: Key<'_>,
    last_bit: u64,
    change: impl FnOnce(&mut [u8], bool) -> R,
) -> Result<R, CommandError> {
    let there = ctx.for_write(key).map(string).transpose()?.is_some();
    if !there {
        ctx.announce_new(key);
        let access = ctx.access_stamp();
        ctx.db().set_raw(key.hash, key.bytes, &[], Expiry::Clear, access);
    }
    let length = (last_bit >> 3) as usize + 1;
    let edited = ctx.db().edit(key.hash, key.bytes, |bytes| {
        let grows = bytes.len() < length;
        if grows {
            bytes.resize(length, 0);
        }
        change(bytes, grows)
    });
    edited.ok_or(CommandError::NoSuchKey)
}
