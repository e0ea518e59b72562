//! Listpacks that come from outside and are to be a hash, a set or a sorted set.
//!
//! The format allows what these types do not: fields that occur twice, pairs of which one half is missing,
//! integers written as strings, which a search would not find.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::listpack::{Invalid, Listpack};
use crate::value::{Value, parse_canonical_int};

impl Listpack {
    /// The same elements, which are groups of `group` with a different first element each, and written as
    /// [`push_back`](Self::push_back) writes them.
    ///
    /// # Errors
    /// [`Invalid`] when there is no element, the last group is not complete or two begin alike.
    pub fn into_distinct(self, group: usize) -> Result<Listpack, Invalid> {
        let (mut seen, mut count, mut canonical) = (BTreeSet::<Cow<'_, [u8]>>::new(), 0, true);
        for (at, element) in self.iter().enumerate() {
            count += 1;
            if at % group == 0 && !seen.insert(element.to_cow()) {
                return Err(Invalid);
            }
            canonical &= !matches!(element, Value::Bytes(bytes) if parse_canonical_int(bytes).is_some());
        }
        if count == 0 || count % group != 0 {
            return Err(Invalid);
        }
        drop(seen);
        if canonical {
            return Ok(self);
        }
        let elements: Vec<Cow<'_, [u8]>> = self.iter().map(Value::to_cow).collect();
        Ok(elements.iter().map(Cow::as_ref).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(elements: &[&[u8]]) -> Listpack {
        elements.iter().copied().collect()
    }

    #[test]
    fn groups_are_complete_and_begin_differently() {
        assert!(made(&[b"a", b"1", b"b", b"1"]).into_distinct(2).is_ok());
        assert!(made(&[b"a", b"1", b"a", b"2"]).into_distinct(2).is_err());
        assert!(made(&[b"a", b"1", b"b"]).into_distinct(2).is_err());
        assert!(made(&[b"1", b"2", b"1"]).into_distinct(1).is_err());
        assert!(made(&[]).into_distinct(1).is_err());
    }

    #[test]
    fn integers_written_as_strings_are_found() {
        // "12" as a string of two bytes.
        let encoded = [11, 0, 0, 0, 1, 0, 0x82, b'1', b'2', 3, 0xff];
        let listpack = Listpack::from_encoded(&encoded).unwrap();
        assert_eq!(listpack.find(listpack.first(), b"12", 0), None);
        let listpack = listpack.into_distinct(1).unwrap();
        assert_eq!(listpack.find(listpack.first(), b"12", 0), listpack.first());
    }
}
