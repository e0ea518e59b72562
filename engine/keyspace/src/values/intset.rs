//! Sets of integers: sorted, all of one width, which grows with the largest of them.
//!
//! The integers lie little-endian one after the other, as in Redis's intset; the header of that format
//! (width and number) is made when the whole is written out. An integer is found by halving.

use std::fmt;

use super::listpack::{Invalid, UNCOUNTED};
use crate::packed::Block;

/// Bytes of the format's header: width and number, four each.
const HEADER_BYTES: usize = 8;

/// A sorted sequence of different integers.
#[derive(Clone)]
#[repr(transparent)]
pub struct Intset(Block);

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

/// The smallest width that holds an integer, in bytes.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

/// An integer of `bytes.len()` bytes.
#[inline(always)]
fn read(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("an integer of {} bytes", bytes.len()),
    }
}

impl Intset {
    /// One without integers.
    pub fn new() -> Intset {
        Intset::of_bytes(&[], 2)
    }

    fn of_bytes(bytes: &[u8], width: usize) -> Intset {
        // The block counts the width: the number follows from it.
        Intset(Block::from_bytes(bytes, UNCOUNTED + width as u16))
    }

    /// Whether a block is an intset, not a listpack.
    #[inline(always)]
    pub(super) fn is(block: &Block) -> bool {
        block.count() > UNCOUNTED
    }

    /// The block that it is.
    pub(super) fn into_block(self) -> Block {
        self.0
    }

    #[inline(always)]
    fn width(&self) -> usize {
        (self.0.count() - UNCOUNTED).into()
    }

    /// The number of integers.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len() / self.width()
    }

    /// Whether there is no integer.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Memory asked for.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// The integer with this number, in ascending order.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        let width = self.width();
        (index < self.len()).then(|| read(&self.0.bytes()[index * width..(index + 1) * width]))
    }

    /// All integers in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        self.0.bytes().chunks_exact(self.width()).map(read)
    }

    /// Where an integer is, or where it would be put.
    fn search(&self, value: i64) -> Result<usize, usize> {
        let width = self.width();
        let bytes = self.0.bytes();
        let (mut low, mut high) = (0, bytes.len() / width);
        // Ascending integers come often: the last one is looked at first.
        if high > 0 && read(&bytes[(high - 1) * width..high * width]) < value {
            return Err(high);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let found = read(&bytes[middle * width..(middle + 1) * width]);
            match found.cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Whether an integer is in it.
    pub fn contains(&self, value: i64) -> bool {
        width_of(value) <= self.width() && self.search(value).is_ok()
    }

    /// Adds an integer; false when it is there.
    pub fn insert(&mut self, value: i64) -> bool {
        let needed = width_of(value);
        if needed > self.width() {
            self.widen(needed);
        }
        let width = self.width();
        match self.search(value) {
            Ok(_) => false,
            Err(index) => {
                let at = index * width;
                self.0.splice(at..at, &value.to_le_bytes()[..width]);
                true
            }
        }
    }

    /// Removes an integer; false when it is not there. The width stays.
    pub fn remove(&mut self, value: i64) -> bool {
        if width_of(value) > self.width() {
            return false;
        }
        let width = self.width();
        match self.search(value) {
            Ok(index) => {
                self.0.splice(index * width..(index + 1) * width, &[]);
                true
            }
            Err(_) => false,
        }
    }

    fn widen(&mut self, width: usize) {
        let mut bytes = Vec::with_capacity(self.len() * width);
        for value in self.iter() {
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        *self = Intset::of_bytes(&bytes, width);
    }

    /// The length of the encoded form in bytes.
    pub fn encoded_len(&self) -> usize {
        HEADER_BYTES + self.0.len()
    }

    /// Appends the encoded form: width, number, integers.
    pub fn write_encoded(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.width() as u32).to_le_bytes());
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        out.extend_from_slice(self.0.bytes());
    }

    /// Reads the encoded form.
    ///
    /// # Errors
    /// [`Invalid`] when width or number is not as the format says, or an integer is not greater than the
    /// one before.
    pub fn from_encoded(bytes: &[u8]) -> Result<Intset, Invalid> {
        let (width, rest) = bytes.split_first_chunk::<4>().ok_or(Invalid)?;
        let (count, integers) = rest.split_first_chunk::<4>().ok_or(Invalid)?;
        let (width, count) = (u32::from_le_bytes(*width) as usize, u32::from_le_bytes(*count) as usize);
        if !matches!(width, 2 | 4 | 8) || count.checked_mul(width) != Some(integers.len()) {
            return Err(Invalid);
        }
        let intset = Intset::of_bytes(integers, width);
        match intset.iter().is_sorted_by(|one, next| one < next) {
            true => Ok(intset),
            false => Err(Invalid),
        }
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![8 => -50..50i64, 4 => -40_000..40_000i64, 1 => any::<i32>().prop_map(i64::from), 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn it_is_as_a_sorted_set(steps in prop::collection::vec((any::<bool>(), integer()), 0..120)) {
            let (mut intset, mut model) = (Intset::new(), BTreeSet::new());
            for (adds, value) in steps {
                match adds {
                    true => prop_assert_eq!(intset.insert(value), model.insert(value)),
                    false => prop_assert_eq!(intset.remove(value), model.remove(&value)),
                }
                prop_assert_eq!(intset.len(), model.len());
                prop_assert_eq!(intset.contains(value), adds);
            }
            prop_assert!(intset.iter().eq(model.iter().copied()));
            let mut encoded = Vec::new();
            intset.write_encoded(&mut encoded);
            prop_assert_eq!(encoded.len(), intset.encoded_len());
            prop_assert!(Intset::from_encoded(&encoded).unwrap().iter().eq(model.iter().copied()));
        }
    }

    #[test]
    fn bytes_are_those_of_the_format() {
        let mut intset = Intset::new();
        [5, -1, 70_000].into_iter().for_each(|value| assert!(intset.insert(value)));
        let mut encoded = Vec::new();
        intset.write_encoded(&mut encoded);
        let expected = [[4, 0, 0, 0], [3, 0, 0, 0], [255, 255, 255, 255], [5, 0, 0, 0], [0x70, 0x11, 1, 0]];
        assert_eq!(encoded, expected.concat());
    }

    #[test]
    fn bytes_that_are_no_sorted_integers_are_refused() {
        for bad in [
            &[2, 0, 0, 0, 1, 0, 0][..],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0],
            &[8, 0, 0, 0, 255, 255, 255, 255],
        ] {
            assert!(Intset::from_encoded(bad).is_err(), "{bad:?}");
        }
    }
}
