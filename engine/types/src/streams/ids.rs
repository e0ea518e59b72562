//! Ids as arguments. Numbers are read as leniently as Redis reads them: by C's rules, where they are not in
//! canonical form already, and only up to a zero byte.

use keyspace::values::StreamId;

use crate::CommandError;

/// No id may be longer.
const MAX_LEN: usize = 127;

/// The id of an entry to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: by the clock.
    Auto,
    /// `ms-*`: the next one in this millisecond.
    AutoSeq(u64),
    /// As given.
    Exact(StreamId),
}

pub(super) fn invalid() -> CommandError {
    CommandError::new("ERR Invalid stream ID specified as stream command argument")
}

/// An id; where it has no number, `missing_seq` is its number. `-` and `+` are none.
pub(super) fn strict(argument: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match parse(argument, missing_seq)? {
        NewId::Exact(id) => Ok(id),
        _ => Err(invalid()),
    }
}

/// An id of an entry to be added, the star aside.
pub(super) fn new_id(argument: &[u8]) -> Result<NewId, CommandError> {
    parse(argument, 0)
}

/// An id; `-` is the lowest and `+` the highest.
pub(super) fn lenient(argument: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match until_zero(argument) {
        b"-" if argument.len() <= MAX_LEN => Ok(StreamId::MIN),
        b"+" if argument.len() <= MAX_LEN => Ok(StreamId::MAX),
        _ => strict(argument, missing_seq),
    }
}

/// The first id of a range; behind a parenthesis the one after.
pub(super) fn range_start(argument: &[u8]) -> Result<StreamId, CommandError> {
    match argument {
        [b'(', rest @ ..] if !rest.is_empty() => {
            strict(rest, 0)?.next().ok_or_else(|| CommandError::new("ERR invalid start ID for the interval"))
        }
        _ => lenient(argument, 0),
    }
}

/// The last id of a range; behind a parenthesis the one before.
pub(super) fn range_end(argument: &[u8]) -> Result<StreamId, CommandError> {
    match argument {
        [b'(', rest @ ..] if !rest.is_empty() => strict(rest, u64::MAX)?
            .prev()
            .ok_or_else(|| CommandError::new("ERR invalid end ID for the interval")),
        _ => lenient(argument, u64::MAX),
    }
}

fn until_zero(argument: &[u8]) -> &[u8] {
    argument.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn parse(argument: &[u8], missing_seq: u64) -> Result<NewId, CommandError> {
    if argument.len() > MAX_LEN {
        return Err(invalid());
    }
    let text = until_zero(argument);
    let dash = text.iter().position(|byte| *byte == b'-');
    let ms = number(&text[..dash.unwrap_or(text.len())]).ok_or_else(invalid)?;
    match dash.map(|dash| &text[dash + 1..]) {
        None => Ok(NewId::Exact(StreamId::new(ms, missing_seq))),
        Some(b"*") => Ok(NewId::AutoSeq(ms)),
        Some(seq) => Ok(NewId::Exact(StreamId::new(ms, number(seq).ok_or_else(invalid)?))),
    }
}

/// A number by the rules of C's `strtoull`, but that a canonical negative one is refused.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(number) = resp::number::parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().take_while(|byte| space(byte)).count()..];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let magnitude = digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })?;
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_leniently_as_in_c() {
        let exact = |ms, seq| Ok(NewId::Exact(StreamId::new(ms, seq)));
        for (text, expected) in [
            (&b"5"[..], exact(5, 7)),
            (b"5-3", exact(5, 3)),
            (b"5-*", Ok(NewId::AutoSeq(5))),
            (b"007- 3", exact(7, 3)),
            (b"+5-\t+3", exact(5, 3)),
            (b"5--03", exact(5, 3u64.wrapping_neg())),
            (b"18446744073709551615-18446744073709551615", exact(u64::MAX, u64::MAX)),
            (b"5\x00junk", exact(5, 7)),
            (b"18446744073709551616", Err(invalid())),
            (b"5--3", Err(invalid())),
            (b"-5", Err(invalid())),
            (b"-", Err(invalid())),
            (b"+", Err(invalid())),
            (b"", Err(invalid())),
            (b"5-", Err(invalid())),
            (b"5-**", Err(invalid())),
            (b"5-3-1", Err(invalid())),
            (b"x", Err(invalid())),
            (&[b'1'; 128], Err(invalid())),
        ] {
            assert_eq!(parse(text, 7), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn ranges_may_leave_their_ends_out() {
        assert_eq!(range_start(b"(5-3"), Ok(StreamId::new(5, 4)));
        assert_eq!(range_end(b"(5"), Ok(StreamId::new(5, u64::MAX - 1)));
        assert_eq!(range_end(b"5"), Ok(StreamId::new(5, u64::MAX)));
        assert_eq!((range_start(b"-"), range_end(b"+")), (Ok(StreamId::MIN), Ok(StreamId::MAX)));
        for wrong in [&b"("[..], b"(-", b"(+", b"(18446744073709551615-18446744073709551615"] {
            assert!(range_start(wrong).is_err());
        }
        assert!(range_end(b"(0-0").is_err());
    }
}
