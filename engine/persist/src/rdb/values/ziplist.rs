//! Ziplists: what listpacks were before Redis 7.0. They are read only.
//!
//! Layout: length in bytes, offset of the last entry (four bytes each, lowest first), number of entries
//! (two bytes; 65,535 for "count them"), entries, `ff`. An entry begins with the length of the one before
//! it (one byte, or `fe` and four) and says in its next bytes whether it is a string or an integer.

use std::borrow::Cow;

use keyspace::values::Listpack;

use super::{Fault, gathered};

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
/// Lengths from here on take four bytes behind this one.
const LONG: u8 = 0xfe;
const UNCOUNTED: u16 = u16::MAX;

/// The elements, every one of them checked.
pub(super) fn to_listpack(bytes: &[u8]) -> Result<Listpack, Fault> {
    Ok(gathered(&elements(bytes).ok_or(Fault::Invalid)?))
}

fn elements(bytes: &[u8]) -> Option<Vec<Cow<'_, [u8]>>> {
    let total = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let last = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    let count = u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    if total != bytes.len() || *bytes.get(HEADER_BYTES..)?.last()? != END {
        return None;
    }
    let end = bytes.len() - 1;
    let (mut at, mut before, mut last_at) = (HEADER_BYTES, 0, HEADER_BYTES);
    let mut elements = Vec::new();
    while at < end {
        let (told, prefix) = previous_length(&bytes[at..end])?;
        let (element, length) = element(&bytes[at + prefix..end])?;
        if told != before {
            return None;
        }
        elements.push(element);
        last_at = at;
        before = prefix + length;
        at += before;
    }
    let counted = count == UNCOUNTED || usize::from(count) == elements.len();
    (at == end && last == last_at && counted).then_some(elements)
}

/// What an entry says of the one before it, and the bytes that takes.
fn previous_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        END => None,
        LONG => Some((u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?) as usize, 5)),
        length => Some((length.into(), 1)),
    }
}

/// An entry without its first part, and the bytes it takes.
fn element(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let first = *bytes.first()?;
    let string = |head: usize, length: usize| {
        let end = head.checked_add(length)?;
        Some((Cow::Borrowed(bytes.get(head..end)?), end))
    };
    let integer = |width: usize| {
        let mut word = [0; 8];
        word[8 - width..].copy_from_slice(bytes.get(1..1 + width)?);
        Some((number(i64::from_le_bytes(word) >> (64 - 8 * width)), 1 + width))
    };
    match first {
        0x00..=0x3f => string(1, usize::from(first)),
        0x40..=0x7f => string(2, usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(1)?)),
        0x80 => string(5, u32::from_be_bytes(*bytes.get(1..)?.first_chunk()?) as usize),
        0xc0 => integer(2),
        0xd0 => integer(4),
        0xe0 => integer(8),
        0xf0 => integer(3),
        0xfe => integer(1),
        0xf1..=0xfd => Some((number(i64::from(first & 0x0f) - 1), 1)),
        _ => None,
    }
}

fn number(value: i64) -> Cow<'static, [u8]> {
    Cow::Owned(itoa::Buffer::new().format(value).as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ziplist of entries given without what they say of the one before.
    fn made(entries: &[&[u8]]) -> Vec<u8> {
        let (mut body, mut before, mut last) = (Vec::new(), 0, HEADER_BYTES);
        for entry in entries {
            last = HEADER_BYTES + body.len();
            let begin = body.len();
            if before < 254 {
                body.push(before as u8);
            } else {
                body.push(LONG);
                body.extend_from_slice(&(before as u32).to_le_bytes());
            }
            body.extend_from_slice(entry);
            before = body.len() - begin;
        }
        let total = HEADER_BYTES + body.len() + 1;
        let mut bytes = [(total as u32).to_le_bytes(), (last as u32).to_le_bytes()].concat();
        bytes.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.push(END);
        bytes
    }

    #[test]
    fn every_kind_of_entry() {
        let long = [&[0x41, 0x2c][..], &[b'x'; 300]].concat();
        let bytes = made(&[
            b"\x05hello",
            &long,
            b"\x80\x00\x00\x00\x02hi",
            b"\xc0\xff\xff",
            b"\xd0\x00\x00\x00\x80",
            b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80",
            b"\xf0\xff\xff\x7f",
            b"\xfe\x80",
            b"\xf1",
            b"\xfd",
        ]);
        let found = elements(&bytes).expect("a good ziplist");
        let x = "x".repeat(300);
        let expected =
            ["hello", &x, "hi", "-1", "-2147483648", "-9223372036854775808", "8388607", "-128", "0", "12"];
        assert_eq!(found, expected.map(|text| Cow::Borrowed(text.as_bytes())));
        assert!(elements(&made(&[])).expect("an empty one").is_empty());
    }

    #[test]
    fn whatever_byte_is_changed_it_is_refused_or_read_whole() {
        let good = made(&[b"\x05hello", b"\xc0\x01\x02", b"\xf4"]);
        for at in 0..good.len() {
            for to in 0..=255 {
                let mut bad = good.clone();
                bad[at] = to;
                if let Some(found) = elements(&bad) {
                    assert_eq!(found.len(), 3, "{bad:?}");
                }
            }
            assert!(elements(&good[..at]).is_none());
        }
    }
}
