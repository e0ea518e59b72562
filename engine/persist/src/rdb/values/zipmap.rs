//! Zipmaps: small hashes of Redis before 2.6. They are read only.
//!
//! Layout: number of pairs (254 and more: count them), then for each pair the field's length, the field,
//! the value's length, the number of unused bytes behind the value, the value, the unused bytes; `ff`.
//! A length is one byte, or `fe` and four, lowest first.

const END: u8 = 0xff;
const LONG: u8 = 0xfe;

/// Fields and values by turns.
pub(super) fn elements(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (&count, mut rest) = bytes.split_first()?;
    let mut elements = Vec::new();
    while *rest.first()? != END {
        let length = take_length(&mut rest)?;
        elements.push(take(&mut rest, length)?);
        let length = take_length(&mut rest)?;
        let unused = take(&mut rest, 1)?[0];
        elements.push(take(&mut rest, length)?);
        take(&mut rest, unused.into())?;
    }
    let counted = count >= LONG || usize::from(count) * 2 == elements.len();
    (rest.len() == 1 && counted).then_some(elements)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    match take(rest, 1)?[0] {
        END => None,
        LONG => Some(u32::from_le_bytes(*take(rest, 4)?.first_chunk()?) as usize),
        length => Some(length.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_and_without_unused_bytes() {
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\xfe\x05\x00\x00\x00\x02world..\xff";
        assert_eq!(elements(bytes).expect("a good one"), [&b"foo"[..], b"bar", b"hello", b"world"]);
        assert_eq!(elements(b"\x00\xff").expect("an empty one"), [b""; 0]);
        for cut in 0..bytes.len() {
            assert_eq!(elements(&bytes[..cut]), None);
        }
        assert_eq!(elements(b"\x01\x03foo\x03\x00bar\xffx"), None);
        assert_eq!(elements(b"\x02\x03foo\x03\x00bar\xff"), None);
    }
}
