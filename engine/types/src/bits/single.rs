//! One bit: SETBIT, GETBIT.

use resp::Args;

use super::{bit_offset, edit_bits};
use crate::arguments::string;
use crate::{Class, CommandError, Ctx};

/// The bit within its byte that an offset means.
fn mask(offset: u64) -> u8 {
    0x80 >> (offset & 7)
}

pub(super) fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let offset = bit_offset(args.at(2), None, ctx.max_string_bytes)?;
    let on = match resp::number::parse_i64(args.at(3)) {
        Some(bit @ 0..=1) => bit == 1,
        _ => return Err(CommandError::new("ERR bit is not an integer or out of range")),
    };
    let key = ctx.first_key(args);
    let (was_on, grew) = edit_bits(ctx, key, offset, |bytes, grew| {
        let byte = &mut bytes[(offset >> 3) as usize];
        let was_on = *byte & mask(offset) != 0;
        if was_on != on {
            *byte ^= mask(offset);
        }
        (was_on, grew)
    })?;
    if grew || was_on != on {
        ctx.changed(key, Class::String, "setbit");
    }
    ctx.out.int(was_on.into());
    Ok(())
}

pub(super) fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let offset = bit_offset(args.at(2), None, ctx.max_string_bytes)?;
    ctx.read_with(ctx.first_key(args), |entry, out| {
        let mut buffer = itoa::Buffer::new();
        let byte = match entry {
            None => 0,
            Some(entry) => {
                let bytes = string(entry)?.as_bytes(&mut buffer);
                bytes.get((offset >> 3) as usize).copied().unwrap_or(0)
            }
        };
        out.int((byte & mask(offset) != 0).into());
        Ok(())
    })
}
