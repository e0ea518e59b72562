//! Listpacks: elements one after the other in one piece of memory.
//!
//! An element is a string, kept as an integer where it is the canonical text of one, followed by its
//! own length, so that one can walk both ways. Elements are as in Redis's listpack format
//! (its `listpack.md`); the format's header and end byte are not kept but made when the whole is
//! written out ([`Listpack::write_encoded`]), because the block knows both lengths already.
//!
//! It knows neither pairs nor order: those are the business of the types made of it.

mod compose;

use std::fmt;

pub use compose::Composer;

use crate::packed::Block;
use crate::value::{Value, parse_canonical_int};

/// Bytes of the format's header: total length and number of elements.
const HEADER_BYTES: usize = 6;
/// The format's last byte.
const END: u8 = 0xff;
/// The count that means "more than fit here; walk". The counts beyond it mark an [`Intset`](super::Intset).
pub(super) const UNCOUNTED: u16 = 0xff00;
/// The same in the format's header.
const ENCODED_UNCOUNTED: u16 = u16::MAX;

/// A number of elements as the block keeps it.
fn counted(elements: usize) -> u16 {
    elements.min(UNCOUNTED.into()) as u16
}

/// Where an element begins; it keeps its meaning until the listpack changes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

/// An end of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the first element is; LEFT.
    Front,
    /// Where the last element is; RIGHT.
    Back,
}

/// Bytes that are no listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// A sequence of strings.
#[derive(Clone)]
#[repr(transparent)]
pub struct Listpack(Block);

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Listpack {
    /// One without elements.
    pub fn new() -> Listpack {
        Listpack(Block::with_capacity(0))
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self.0.count() {
            UNCOUNTED => self.iter().count(),
            count => count.into(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Memory asked for.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// Bytes that the elements take; the encoded form is seven longer.
    pub fn element_bytes(&self) -> usize {
        self.0.len()
    }

    /// The block that it is.
    pub(super) fn into_block(self) -> Block {
        self.0
    }

    /// The elements as they lie in memory.
    pub(super) fn elements(&self) -> &[u8] {
        self.0.bytes()
    }

    /// One of such bytes, of which the number of elements is known.
    pub(super) fn from_elements(bytes: &[u8], count: usize) -> Listpack {
        Listpack(Block::from_bytes(bytes, counted(count)))
    }

    /// The length of the encoded form in bytes.
    pub fn encoded_len(&self) -> usize {
        HEADER_BYTES + self.0.len() + 1
    }

    /// Bytes that one more element would take.
    pub fn cost_of(element: &[u8]) -> usize {
        let length = match parse_canonical_int(element) {
            Some(number) => int_bytes(number),
            None => string_head_bytes(element.len()) + element.len(),
        };
        length + backlen_bytes(length)
    }

    // --- Walking ---

    /// The first element.
    pub fn first(&self) -> Option<Position> {
        (!self.is_empty()).then_some(Position(0))
    }

    /// The last element.
    pub fn last(&self) -> Option<Position> {
        self.before(self.0.len())
    }

    /// The element behind another.
    pub fn next(&self, at: Position) -> Option<Position> {
        let next = self.end_of(at);
        (next < self.0.len()).then_some(Position(next))
    }

    /// The element before another.
    pub fn prev(&self, at: Position) -> Option<Position> {
        self.before(at.0)
    }

    /// The element with this number; negative numbers count from the end, -1 being the last.
    pub fn seek(&self, index: i64) -> Option<Position> {
        let count = self.0.count();
        if count != UNCOUNTED {
            let from_front = if index < 0 { index + i64::from(count) } else { index };
            if !(0..i64::from(count)).contains(&from_front) {
                return None;
            }
            let from_front = from_front as usize;
            let from_back = usize::from(count) - 1 - from_front;
            return match from_front <= from_back {
                true => self.step(self.first()?, from_front, Self::next),
                false => self.step(self.last()?, from_back, Self::prev),
            };
        }
        match usize::try_from(index) {
            Ok(index) => self.step(self.first()?, index, Self::next),
            Err(_) => self.step(self.last()?, (index.unsigned_abs() - 1) as usize, Self::prev),
        }
    }

    fn step(
        &self,
        mut at: Position,
        steps: usize,
        step: fn(&Self, Position) -> Option<Position>,
    ) -> Option<Position> {
        for _ in 0..steps {
            at = step(self, at)?;
        }
        Some(at)
    }

    /// An element.
    ///
    /// # Panics
    /// When no element begins there.
    #[inline]
    pub fn get(&self, at: Position) -> Value<'_> {
        decode(&self.0.bytes()[at.0..]).0
    }

    /// All elements in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { listpack: self, front: 0, back: self.0.len() }
    }

    /// The element at `at` and all behind it.
    pub fn iter_from(&self, at: Position) -> Iter<'_> {
        Iter { listpack: self, front: at.0, back: self.0.len() }
    }

    /// All elements up to and with the one at `at`.
    pub fn iter_through(&self, at: Position) -> Iter<'_> {
        Iter { listpack: self, front: 0, back: self.end_of(at) }
    }

    /// All elements from `at` on, with their positions.
    pub fn positions_from(&self, at: Option<Position>) -> impl Iterator<Item = (Position, Value<'_>)> {
        let mut next = at;
        std::iter::from_fn(move || {
            let at = next?;
            next = self.next(at);
            Some((at, self.get(at)))
        })
    }

    /// Looks from `from` on for an element equal to `wanted`, passing over `skip` elements after each
    /// that is not (1 to compare the fields of field-value pairs only).
    pub fn find(&self, from: Option<Position>, wanted: &[u8], skip: usize) -> Option<Position> {
        let number = parse_canonical_int(wanted);
        let bytes = self.0.bytes();
        let mut at = from?.0;
        let mut skipping = 0;
        while at < bytes.len() {
            if skipping > 0 {
                skipping -= 1;
            } else {
                let same = match decode(&bytes[at..]).0 {
                    Value::Int(element) => number == Some(element),
                    Value::Bytes(element) => number.is_none() && element == wanted,
                };
                if same {
                    return Some(Position(at));
                }
                skipping = skip;
            }
            at = self.end_of(Position(at));
        }
        None
    }

    /// The offset behind an element.
    #[inline]
    fn end_of(&self, at: Position) -> usize {
        let length = decode(&self.0.bytes()[at.0..]).1;
        at.0 + length + backlen_bytes(length)
    }

    /// The element that ends at an offset.
    fn before(&self, end: usize) -> Option<Position> {
        let bytes = &self.0.bytes()[..end];
        let length = read_backlen(bytes)?;
        Some(Position(end - backlen_bytes(length) - length))
    }

    // --- Changing ---

    /// Adds an element at the end.
    pub fn push_back(&mut self, element: &[u8]) {
        self.write_at(self.0.len()..self.0.len(), &[element]);
        self.count_by(1);
    }

    /// Adds an element at the front.
    pub fn push_front(&mut self, element: &[u8]) {
        self.write_at(0..0, &[element]);
        self.count_by(1);
    }

    /// Adds several elements at the end, with one move of memory.
    pub fn append(&mut self, elements: &[&[u8]]) {
        self.insert_all(None, elements);
    }

    /// Adds several elements before the one at `before`, at the end for none.
    pub fn insert_all(&mut self, before: Option<Position>, elements: &[&[u8]]) {
        let at = before.map_or(self.0.len(), |position| position.0);
        self.write_at(at..at, elements);
        self.count_by(elements.len() as isize);
    }

    /// Adds an element before the one at `before`, at the end for none; gives its position.
    pub fn insert(&mut self, before: Option<Position>, element: &[u8]) -> Position {
        let at = before.map_or(self.0.len(), |position| position.0);
        self.write_at(at..at, &[element]);
        self.count_by(1);
        Position(at)
    }

    /// Puts an element in place of another.
    pub fn replace(&mut self, at: Position, element: &[u8]) {
        let end = self.end_of(at);
        self.write_at(at.0..end, &[element]);
    }

    /// Removes up to `count` elements from `at` on; gives the position of what follows now.
    pub fn remove(&mut self, at: Position, count: usize) -> Option<Position> {
        let mut end = at.0;
        let mut removed = 0;
        while removed < count && end < self.0.len() {
            end = self.end_of(Position(end));
            removed += 1;
        }
        self.0.splice(at.0..end, &[]);
        self.count_by(-(removed as isize));
        (at.0 < self.0.len()).then_some(at)
    }

    /// Removes up to `limit` elements that are equal to `wanted`, from an end on; gives their number.
    pub fn remove_equal(&mut self, wanted: Value<'_>, limit: usize, end: End) -> usize {
        let backwards = end == End::Back;
        let mut removed = 0;
        let mut at = if backwards { self.last() } else { self.first() };
        while let Some(here) = at.filter(|_| removed < limit) {
            // What lies before does not move.
            let before = if backwards { self.prev(here) } else { None };
            let found = self.get(here) == wanted;
            let behind = match found {
                true => self.remove(here, 1),
                false if backwards => None,
                false => self.next(here),
            };
            removed += usize::from(found);
            at = if backwards { before } else { behind };
        }
        removed
    }

    /// Takes the elements from `at` on off into a listpack of their own.
    pub fn split_off(&mut self, at: Position) -> Listpack {
        let mut rest = Listpack(Block::from_bytes(&self.0.bytes()[at.0..], UNCOUNTED));
        let total = self.0.len();
        self.0.splice(at.0..total, &[]);
        self.recount();
        rest.recount();
        rest
    }

    /// Adds all elements of another at the end.
    pub fn extend(&mut self, other: &Listpack) {
        let end = self.0.len();
        self.0.splice(end..end, other.0.bytes());
        match (self.0.count(), other.0.count()) {
            (UNCOUNTED, _) | (_, UNCOUNTED) => self.0.set_count(UNCOUNTED),
            (_, added) => self.count_by(usize::from(added) as isize),
        }
    }

    /// Gives spare room back.
    pub fn shrink(&mut self) {
        self.0.shrink();
    }

    fn write_at(&mut self, range: std::ops::Range<usize>, elements: &[&[u8]]) {
        // Small elements, the usual case, are made on the stack.
        let mut small = [0; 80];
        if let [element] = elements
            && element.len() <= 64
        {
            let length = encode(element, &mut small);
            self.0.splice(range, &small[..length]);
            return;
        }
        let mut bytes = Vec::with_capacity(elements.iter().map(|element| element.len() + 11).sum());
        for element in elements {
            let start = bytes.len();
            bytes.resize(start + element.len() + 32, 0);
            let length = encode(element, &mut bytes[start..]);
            bytes.truncate(start + length);
        }
        self.0.splice(range, &bytes);
    }

    fn count_by(&mut self, change: isize) {
        match self.0.count() {
            UNCOUNTED if change < 0 => self.recount(),
            UNCOUNTED => {}
            count => {
                let count = isize::try_from(count).unwrap_or(0) + change;
                self.0.set_count(counted(count as usize));
            }
        }
    }

    fn recount(&mut self) {
        let count = self.iter().take(usize::from(UNCOUNTED)).count();
        self.0.set_count(count as u16);
    }

    // --- The whole format ---

    /// Appends the encoded form: header, elements, end.
    pub fn write_encoded(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.encoded_len() as u32).to_le_bytes());
        let count = u16::try_from(self.len()).unwrap_or(ENCODED_UNCOUNTED);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(self.0.bytes());
        out.push(END);
    }

    /// Reads the encoded form, whose every element is checked.
    ///
    /// # Errors
    /// [`Invalid`] when a length, a count or an element is not as the format says.
    pub fn from_encoded(bytes: &[u8]) -> Result<Listpack, Invalid> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(Invalid)?;
        let [a, b, c, d, count @ ..] = *header;
        let count = u16::from_le_bytes(count);
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return Err(Invalid);
        }
        let (&end, elements) = rest.split_last().ok_or(Invalid)?;
        if end != END {
            return Err(Invalid);
        }
        let found = check(elements)?;
        if count != ENCODED_UNCOUNTED && usize::from(count) != found {
            return Err(Invalid);
        }
        Ok(Listpack(Block::from_bytes(elements, counted(found))))
    }
}

impl<'a> FromIterator<&'a [u8]> for Listpack {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(elements: I) -> Listpack {
        let mut listpack = Listpack::new();
        elements.into_iter().for_each(|element| listpack.push_back(element));
        listpack
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Elements in order, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    listpack: &'a Listpack,
    front: usize,
    back: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (value, length) = decode(&self.listpack.0.bytes()[self.front..]);
        self.front += length + backlen_bytes(length);
        Some(value)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let at = self.listpack.before(self.back)?;
        self.back = at.0;
        Some(self.listpack.get(at))
    }
}

// --- Elements ---

/// Bytes of an integer element, its own length left out.
fn int_bytes(number: i64) -> usize {
    match number {
        0..=127 => 1,
        -4096..=4095 => 2,
        -32_768..=32_767 => 3,
        -8_388_608..=8_388_607 => 4,
        -2_147_483_648..=2_147_483_647 => 5,
        _ => 9,
    }
}

fn string_head_bytes(length: usize) -> usize {
    match length {
        0..=63 => 1,
        64..=4095 => 2,
        _ => 5,
    }
}

/// Bytes of the length behind an element of `length` bytes.
#[inline]
fn backlen_bytes(length: usize) -> usize {
    match length {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        2_097_152..=268_435_455 => 4,
        _ => 5,
    }
}

/// Writes an element with its length behind it; gives the number of bytes.
fn encode(element: &[u8], out: &mut [u8]) -> usize {
    let length = match parse_canonical_int(element) {
        Some(number) => encode_int(number, out),
        None => {
            let head = encode_string_head(element.len(), out);
            out[head..head + element.len()].copy_from_slice(element);
            head + element.len()
        }
    };
    length + write_backlen(length, &mut out[length..])
}

fn encode_int(number: i64, out: &mut [u8]) -> usize {
    let length = int_bytes(number);
    let bytes = number.to_le_bytes();
    match length {
        1 => out[0] = number as u8,
        2 => {
            let bits = (number & 0x1fff) as u16;
            out[..2].copy_from_slice(&[0xc0 | (bits >> 8) as u8, bits as u8]);
        }
        _ => {
            out[0] = match length {
                3 => 0xf1,
                4 => 0xf2,
                5 => 0xf3,
                _ => 0xf4,
            };
            out[1..length].copy_from_slice(&bytes[..length - 1]);
        }
    }
    length
}

fn encode_string_head(length: usize, out: &mut [u8]) -> usize {
    match string_head_bytes(length) {
        1 => out[0] = 0x80 | length as u8,
        2 => out[..2].copy_from_slice(&[0xe0 | (length >> 8) as u8, length as u8]),
        _ => {
            out[0] = 0xf0;
            out[1..5].copy_from_slice(&(length as u32).to_le_bytes());
        }
    }
    string_head_bytes(length)
}

/// Writes a length so that it can be read from its end: seven bits a byte, the lowest last, and the
/// high bit in all but the first.
fn write_backlen(length: usize, out: &mut [u8]) -> usize {
    let count = backlen_bytes(length);
    for (place, byte) in out[..count].iter_mut().enumerate() {
        let bits = (length >> (7 * (count - 1 - place))) as u8 & 0x7f;
        *byte = if place == 0 { bits } else { bits | 0x80 };
    }
    count
}

/// The length that ends where `bytes` end.
fn read_backlen(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (place, byte) in bytes.iter().rev().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

/// The element at the front of `bytes`, and its length without the length behind it.
///
/// # Panics
/// When there is none: the bytes are ours.
#[inline]
fn decode(bytes: &[u8]) -> (Value<'_>, usize) {
    match try_decode(bytes) {
        Some(found) => found,
        None => unreachable!("a listpack with a broken element"),
    }
}

#[inline]
fn try_decode(bytes: &[u8]) -> Option<(Value<'_>, usize)> {
    let first = *bytes.first()?;
    let int = |length: usize| {
        let mut word = [0; 8];
        let digits = bytes.get(1..length)?;
        word[8 - digits.len()..].copy_from_slice(digits);
        Some((Value::Int(i64::from_le_bytes(word) >> (64 - 8 * digits.len())), length))
    };
    let string = |head: usize, length: usize| {
        Some((Value::Bytes(bytes.get(head..head.checked_add(length)?)?), head + length))
    };
    match first {
        0x00..=0x7f => Some((Value::Int(first.into()), 1)),
        0x80..=0xbf => string(1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let bits = i64::from(first & 0x1f) << 8 | i64::from(*bytes.get(1)?);
            Some((Value::Int(bits << 51 >> 51), 2))
        }
        0xe0..=0xef => string(2, usize::from(first & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => string(5, u32::from_le_bytes(*bytes.get(1..5)?.first_chunk()?) as usize),
        0xf1 => int(3),
        0xf2 => int(4),
        0xf3 => int(5),
        0xf4 => int(9),
        _ => None,
    }
}

/// Counts elements of bytes that come from outside.
fn check(bytes: &[u8]) -> Result<usize, Invalid> {
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        let (_, length) = try_decode(&bytes[at..]).ok_or(Invalid)?;
        let end = at + length + backlen_bytes(length);
        if end > bytes.len() || read_backlen(&bytes[at + length..end]) != Some(length) {
            return Err(Invalid);
        }
        at = end;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            (-5000i64..5000).prop_map(|n| n.to_string().into_bytes()),
            (-40_000i64..40_000).prop_map(|n| n.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..80),
            prop::collection::vec(any::<u8>(), 4000..4200),
        ]
    }

    fn contents(listpack: &Listpack) -> Vec<Vec<u8>> {
        listpack.iter().map(|value| value.to_cow().into_owned()).collect()
    }

    proptest! {
        #[test]
        fn it_is_as_a_vector_of_strings(
            steps in prop::collection::vec((0..7u8, any::<prop::sample::Index>(), element()), 1..60),
        ) {
            let (mut listpack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
            for (kind, index, element) in steps {
                let place = index.index(model.len() + 1);
                let at = listpack.seek(place as i64);
                match (kind, at) {
                    (0, _) => {
                        listpack.push_front(&element);
                        model.insert(0, element);
                    }
                    (1, Some(at)) => {
                        listpack.replace(at, &element);
                        model[place] = element;
                    }
                    (2, Some(at)) => {
                        let count = element.len() % 4;
                        listpack.remove(at, count);
                        model.drain(place..(place + count).min(model.len()));
                    }
                    (3, Some(at)) => {
                        let rest = listpack.split_off(at);
                        prop_assert_eq!(contents(&rest), model.split_off(place));
                    }
                    _ => {
                        listpack.insert(at, &element);
                        model.insert(place, element);
                    }
                }
                prop_assert_eq!(listpack.len(), model.len());
            }
            prop_assert_eq!(&contents(&listpack), &model);
            let backwards: Vec<Vec<u8>> = listpack.iter().rev().map(|value| value.to_cow().into_owned()).collect();
            prop_assert_eq!(backwards, model.iter().rev().cloned().collect::<Vec<_>>());
            for (place, element) in model.iter().enumerate() {
                let first = model.iter().position(|one| one == element);
                prop_assert_eq!(listpack.find(listpack.first(), element, 0), listpack.seek(first.unwrap() as i64));
                prop_assert_eq!(listpack.seek(place as i64 - model.len() as i64), listpack.seek(place as i64));
            }
            let mut encoded = Vec::new();
            listpack.write_encoded(&mut encoded);
            prop_assert_eq!(encoded.len(), listpack.encoded_len());
            prop_assert_eq!(contents(&Listpack::from_encoded(&encoded).unwrap()), model);
        }

        #[test]
        fn any_bytes_are_refused_or_read_whole(mut bytes in prop::collection::vec(any::<u8>(), 7..64)) {
            let length = bytes.len() as u32;
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes[4..6].copy_from_slice(&[0xff, 0xff]);
            *bytes.last_mut().unwrap() = END;
            if let Ok(listpack) = Listpack::from_encoded(&bytes) {
                prop_assert_eq!(listpack.iter().count(), listpack.iter().rev().count());
            }
        }
    }

    #[test]
    fn bytes_are_those_of_the_format() {
        let listpack: Listpack = [&b"1"[..], b"-1", b"hello", b"4096", b"70000"].into_iter().collect();
        let mut encoded = Vec::new();
        listpack.write_encoded(&mut encoded);
        let expected = [
            &[28, 0, 0, 0, 5, 0][..],
            &[0x01, 1],
            &[0xdf, 0xff, 2],
            &[0x85, b'h', b'e', b'l', b'l', b'o', 6],
            &[0xf1, 0x00, 0x10, 3],
            &[0xf2, 0x70, 0x11, 0x01, 4],
            &[0xff],
        ];
        assert_eq!(encoded, expected.concat());
    }

    #[test]
    fn more_elements_than_the_count_holds_are_counted_by_walking() {
        let mut listpack: Listpack = std::iter::repeat_n(&b"7"[..], 70_000).collect();
        assert_eq!(listpack.len(), 70_000);
        assert_eq!(listpack.seek(-1), listpack.last());
        listpack.remove(Position(0), 10_000);
        assert_eq!(listpack.len(), 60_000);
    }
}
