//! Counting and finding bits: BITCOUNT, BITPOS, and the ranges both take.

use keyspace::Value;
use resp::Args;

use crate::arguments::{integer, is_word, string};
use crate::{CommandError, Ctx};

/// Bits from `first` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bits {
    first: u64,
    end: u64,
}

/// What the two numbers of a range count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

fn unit(word: Option<&[u8]>) -> Result<Unit, CommandError> {
    match word {
        None => Ok(Unit::Byte),
        Some(word) if is_word(word, "BIT") => Ok(Unit::Bit),
        Some(word) if is_word(word, "BYTE") => Ok(Unit::Byte),
        Some(_) => Err(CommandError::Syntax),
    }
}

/// The bits of a string of `length` bytes from `start` to `end`, both included and counted from the string's
/// end when negative; none when there are none.
fn range(length: usize, start: i64, end: Option<i64>, unit: Unit) -> Option<Bits> {
    let total = match unit {
        Unit::Byte => length as i64,
        Unit::Bit => length as i64 * 8,
    };
    let from_front = |index: i64| if index < 0 { index.saturating_add(total).max(0) } else { index };
    let (first, last) = (from_front(start), end.map_or(total, from_front).min(total - 1));
    if first > last {
        return None;
    }
    let (first, end) = (first as u64, last as u64 + 1);
    Some(match unit {
        Unit::Byte => Bits { first: first * 8, end: end * 8 },
        Unit::Bit => Bits { first, end },
    })
}

/// The bytes that the bits lie in: whole ones between two that count only where the masks are set. In a
/// single byte both masks are the same.
struct Parts<'a> {
    head: (u8, u8),
    body: &'a [u8],
    tail: Option<(u8, u8)>,
}

fn parts(bytes: &[u8], bits: Bits) -> Parts<'_> {
    let (first, last) = ((bits.first >> 3) as usize, ((bits.end - 1) >> 3) as usize);
    let head_mask = 0xffu8 >> (bits.first & 7);
    let tail_mask = 0xffu8 << (7 - ((bits.end - 1) & 7));
    if first == last {
        return Parts { head: (bytes[first], head_mask & tail_mask), body: &[], tail: None };
    }
    let tail = Some((bytes[last], tail_mask));
    Parts { head: (bytes[first], head_mask), body: &bytes[first + 1..last], tail }
}

/// The number of bits that are set.
fn count_ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    whole + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

fn count_in(bytes: &[u8], bits: Bits) -> u64 {
    let Parts { head, body, tail } = parts(bytes, bits);
    let edge = |(byte, mask): (u8, u8)| u64::from((byte & mask).count_ones());
    edge(head) + count_ones(body) + tail.map_or(0, edge)
}

/// The first bit in `bits` that is `wanted`.
fn find_in(bytes: &[u8], bits: Bits, wanted: bool) -> Option<u64> {
    let Parts { head, body, tail } = parts(bytes, bits);
    // Clear bits are looked for as the set ones of the complement.
    let flip = if wanted { 0 } else { 0xff };
    let edge = |(byte, mask): (u8, u8)| match (byte ^ flip) & mask {
        0 => None,
        found => Some(u64::from(found.leading_zeros())),
    };
    let first_byte = bits.first >> 3;
    if let Some(bit) = edge(head) {
        return Some(first_byte * 8 + bit);
    }
    // A byte without any bit that is wanted.
    let dull = flip;
    let (words, rest) = body.as_chunks::<8>();
    let dull_words = words.iter().take_while(|word| **word == [dull; 8]).count();
    let near = match words.get(dull_words) {
        Some(word) => &word[..],
        None => rest,
    };
    if let Some(at) = near.iter().position(|byte| *byte != dull) {
        let byte = first_byte + 1 + (dull_words * 8 + at) as u64;
        return Some(byte * 8 + u64::from((near[at] ^ flip).leading_zeros()));
    }
    tail.and_then(edge).map(|bit| ((bits.end - 1) >> 3) * 8 + bit)
}

pub(super) fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_with(ctx.first_key(args), |entry, out| {
        let mut buffer = itoa::Buffer::new();
        // What is wrong with a range goes unnoticed where there is no key.
        let Some(entry) = entry else {
            out.int(0);
            return Ok(());
        };
        let bytes = string(entry)?.as_bytes(&mut buffer);
        let bits = match args.len() {
            2 => range(bytes.len(), 0, None, Unit::Byte),
            4 | 5 => {
                let (start, end) = (integer(args.at(2))?, integer(args.at(3))?);
                match start < 0 && end < 0 && start > end {
                    true => None,
                    false => range(bytes.len(), start, Some(end), unit(args.get(4))?),
                }
            }
            _ => return Err(CommandError::Syntax),
        };
        out.int(bits.map_or(0, |bits| count_in(bytes, bits)) as i64);
        Ok(())
    })
}

pub(super) fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let wanted = match integer(args.at(2))? {
        bit @ 0..=1 => bit == 1,
        _ => return Err(CommandError::new("ERR The bit argument must be 1 or 0.")),
    };
    ctx.read_with(ctx.first_key(args), |entry, out| {
        let mut buffer = itoa::Buffer::new();
        let Some(value) = entry.map(string).transpose()? else {
            out.int(if wanted { -1 } else { 0 });
            return Ok(());
        };
        out.int(position(value, &mut buffer, args, wanted)?);
        Ok(())
    })
}

/// What BITPOS tells of a string that is there.
fn position(
    value: Value<'_>,
    buffer: &mut itoa::Buffer,
    args: Args<'_>,
    wanted: bool,
) -> Result<i64, CommandError> {
    if args.len() > 6 {
        return Err(CommandError::Syntax);
    }
    let bytes = value.as_bytes(buffer);
    let start = args.get(3).map_or(Ok(0), integer)?;
    let unit = unit(args.get(5))?;
    let end = args.get(4).map(integer).transpose()?;
    let Some(bits) = range(bytes.len(), start, end, unit) else { return Ok(-1) };
    match find_in(bytes, bits, wanted) {
        Some(bit) => Ok(bit as i64),
        // A string without an end of its own goes on in zeros.
        None if !wanted && end.is_none() => Ok(bits.end as i64),
        None => Ok(-1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at >> 3) as usize] & 0x80 >> (at & 7) != 0
    }

    #[test]
    fn counting_and_finding_are_as_bit_by_bit() {
        let mut state = 7u64;
        let mut random = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for _ in 0..3000 {
            let length = 1 + random(40);
            let fill = [0, 0xff, 0x55][random(3) as usize];
            let mut bytes = vec![fill; length as usize];
            for _ in 0..random(3) {
                bytes[random(length) as usize] ^= 1 << random(8);
            }
            let first = random(length * 8);
            let bits = Bits { first, end: first + 1 + random(length * 8 - first) };
            let all = bits.first..bits.end;
            assert_eq!(count_in(&bytes, bits), all.clone().filter(|at| bit(&bytes, *at)).count() as u64);
            for wanted in [false, true] {
                let expected = all.clone().find(|at| bit(&bytes, *at) == wanted);
                assert_eq!(find_in(&bytes, bits, wanted), expected, "{bytes:?} {bits:?} {wanted}");
            }
        }
    }
}
