//! Names of a data set's history (replication ids) and places in it (offsets).

use std::fmt;

/// A replication id: forty lower-case hexadecimal digits that name one history of writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplId([u8; ReplId::LENGTH]);

impl ReplId {
    /// Digits in an id.
    pub const LENGTH: usize = 40;

    /// The id made of twenty random bytes.
    #[must_use]
    pub fn from_random(random: [u8; 20]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut id = [0; Self::LENGTH];
        for (pair, byte) in id.chunks_exact_mut(2).zip(random) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        ReplId(id)
    }

    /// The id that `text` is, in either case; `None` unless it is forty hexadecimal digits.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; Self::LENGTH] = text.try_into().ok()?;
        digits
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then(|| ReplId(digits.map(|digit| digit.to_ascii_lowercase())))
    }

    /// The forty digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The forty digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How `INFO` and the log show "no id".
pub const NO_ID: &str = "0000000000000000000000000000000000000000";

/// A place in a history, as the number of bytes before it. The first byte of the stream after
/// offset `n` has the number `n + 1`; the same type is used for both, and names say which
/// (`offset` for the count, `next` or `from` for a byte's number).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The number of the byte that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Offset(self.0 + 1)
    }

    /// The place `bytes` later.
    #[must_use]
    pub fn plus(self, bytes: u64) -> Self {
        Offset(self.0 + bytes)
    }

    /// The number that `text` says in decimal.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        // `u64::from_str` would take a plus sign, which no peer writes.
        if !text.first()?.is_ascii_digit() {
            return None;
        }
        std::str::from_utf8(text).ok()?.parse().ok().map(Offset)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in a certain history: what a replica has, and what it asks its master to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The history.
    pub id: ReplId,
    /// Bytes of it that have been applied.
    pub offset: Offset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forty_hexadecimal_digits() {
        let id = ReplId::from_random([0xa7; 20]);
        assert_eq!(id.to_string(), "a7".repeat(20));
        assert_eq!(ReplId::parse("A7".repeat(20).as_bytes()), Some(id));
        assert_eq!(ReplId::parse(b"?"), None);
        assert_eq!(ReplId::parse("g7".repeat(20).as_bytes()), None);
        assert_eq!(ReplId::parse(NO_ID.as_bytes()).map(|id| id.to_string()).as_deref(), Some(NO_ID));
    }

    #[test]
    fn offsets_are_plain_decimal() {
        assert_eq!(Offset::parse(b"12"), Some(Offset(12)));
        for text in ["", "-1", "+1", "1 ", "x", "99999999999999999999"] {
            assert_eq!(Offset::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
