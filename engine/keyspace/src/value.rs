//! What an entry holds: kinds, encodings, borrowed strings.
//!
//! Names and limits of the encodings are those that OBJECT ENCODING shows in Redis 7.2.

use std::borrow::Cow;

/// Unix time in milliseconds, as deadlines are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WallMs(pub i64);

/// What a write does to the deadline of its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// The key keeps the deadline it has, if any (KEEPTTL, INCR, APPEND).
    Keep,
    /// The key lives for ever (a plain SET).
    Clear,
    /// The key gets this deadline.
    At(WallMs),
}

/// The data type of a key, as TYPE tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

impl Kind {
    /// The name that TYPE replies.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }

    pub(crate) fn from_bits(bits: u8) -> Kind {
        match bits {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::SortedSet,
            4 => Kind::Hash,
            5 => Kind::Stream,
            _ => unreachable!("an entry of unknown kind {bits}"),
        }
    }
}

/// How a value is represented, as OBJECT ENCODING tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// A 64-bit integer.
    Int,
    /// A string of at most [`EMBSTR_MAX_LEN`] bytes that has not been changed in place.
    Embstr,
    /// Any other string.
    Raw,
    /// Elements one after the other in one piece of memory.
    Listpack,
    /// A chain of listpacks.
    Quicklist,
    /// Sorted integers of one width.
    Intset,
    /// A table.
    Hashtable,
    /// A table and a tree ordered by score.
    Skiplist,
    /// A tree of listpacks, ordered by id.
    Stream,
}

/// The longest string that is `embstr`, in bytes.
pub const EMBSTR_MAX_LEN: usize = 44;

impl Encoding {
    /// The name that OBJECT ENCODING replies.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::Quicklist => "quicklist",
            Encoding::Intset => "intset",
            Encoding::Hashtable => "hashtable",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
        }
    }

    pub(crate) fn from_bits(bits: u8) -> Encoding {
        match bits {
            0 => Encoding::Int,
            1 => Encoding::Embstr,
            2 => Encoding::Raw,
            _ => unreachable!("a string of unknown encoding {bits}"),
        }
    }
}

/// A borrowed string, as values and elements of collections are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// A string that is the canonical decimal text of this integer.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The string of these bytes.
    #[inline]
    pub fn of_text(text: &'a [u8]) -> Value<'a> {
        parse_canonical_int(text).map_or(Value::Bytes(text), Value::Int)
    }

    /// The string's bytes; an integer is written into `buffer`.
    #[inline]
    pub fn as_bytes<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Value::Int(n) => buffer.format(n).as_bytes(),
            Value::Bytes(bytes) => bytes,
        }
    }

    /// The string's bytes, owned only when they must be made from an integer.
    pub fn to_cow(self) -> Cow<'a, [u8]> {
        match self {
            Value::Int(n) => Cow::Owned(itoa::Buffer::new().format(n).as_bytes().to_vec()),
            Value::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Appends the string's bytes to `out`.
    #[inline]
    pub fn write_to(self, out: &mut Vec<u8>) {
        match self {
            Value::Int(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The integer this string is the canonical text of, whatever its encoding.
    #[inline]
    pub fn as_int(self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(n),
            Value::Bytes(bytes) => parse_canonical_int(bytes),
        }
    }

    /// The string's length in bytes.
    pub fn len(self) -> usize {
        match self {
            Value::Int(n) => itoa::Buffer::new().format(n).len(),
            Value::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the string is empty.
    pub fn is_empty(self) -> bool {
        matches!(self, Value::Bytes([]))
    }
}

/// The integer that `text` is the one canonical decimal form of: no sign but a minus, no leading
/// zeros, no spaces, within 64 bits.
#[inline]
pub fn parse_canonical_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // Nineteen digits always fit in 64 unsigned bits.
    let mut magnitude = 0u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for n in [0, 1, -1, 9, 10, -10, 1234567890123456789, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(parse_canonical_int(n.to_string().as_bytes()), Some(n));
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1 ",
            "1a",
            "a",
            "-01",
            "1.0",
            "--1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "1\0",
        ] {
            assert_eq!(parse_canonical_int(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn integers_have_the_length_of_their_text() {
        for n in [0, 7, -7, 10, 99, 100, i64::MAX, i64::MIN] {
            let text = n.to_string();
            let value = Value::Int(n);
            assert_eq!(value.len(), text.len());
            assert_eq!(value.as_bytes(&mut itoa::Buffer::new()), text.as_bytes());
            assert_eq!(value.to_cow().as_ref(), text.as_bytes());
            assert!(!value.is_empty());
        }
        assert!(Value::Bytes(b"").is_empty());
    }
}
