//! Adding several elements of mixed kinds at once: integers that have no text, and strings; and putting
//! integers in place of integers. What structures inside listpacks need, where texts would only be made to
//! be parsed again.

use super::{Iter, Listpack, Position, encode, encode_int, write_backlen};

/// Elements that take no more bytes than this are made on the stack.
const SMALL_BYTES: usize = 384;
/// The most an integer takes, with its length behind it.
const INT_MAX_BYTES: usize = 10;
/// The most a string of less than [`LONG_STRING_BYTES`] takes beyond its own bytes, and any other.
const STRING_EXTRA_BYTES: (usize, usize) = (4, 10);
/// Where a string's length takes more room.
const LONG_STRING_BYTES: usize = 4096;

/// Elements being made ready to be added.
pub struct Composer<'a> {
    out: &'a mut [u8],
    used: usize,
    count: usize,
}

impl Composer<'_> {
    /// Adds an integer.
    pub fn int(&mut self, number: i64) {
        let length = encode_int(number, &mut self.out[self.used..]);
        self.used += length;
        self.used += write_backlen(length, &mut self.out[self.used..]);
        self.count += 1;
    }

    /// Adds a string.
    pub fn string(&mut self, element: &[u8]) {
        self.used += encode(element, &mut self.out[self.used..]);
        self.count += 1;
    }
}

impl Listpack {
    /// Room that so many integers and strings of so many bytes together take at most.
    pub fn room_for(ints: usize, strings: usize, string_bytes: usize) -> usize {
        let extra = match string_bytes < LONG_STRING_BYTES {
            true => STRING_EXTRA_BYTES.0,
            false => STRING_EXTRA_BYTES.1,
        };
        ints * INT_MAX_BYTES + strings * extra + string_bytes
    }

    /// Adds at the end what `compose` makes, with one move of memory.
    ///
    /// # Panics
    /// When it makes more than `room` bytes of it.
    pub fn compose(&mut self, room: usize, compose: impl FnOnce(&mut Composer<'_>)) {
        let mut small = [0; SMALL_BYTES];
        let mut large = Vec::new();
        let out = match room <= SMALL_BYTES {
            true => &mut small[..],
            false => {
                large.resize(room, 0);
                &mut large[..]
            }
        };
        let mut composer = Composer { out, used: 0, count: 0 };
        compose(&mut composer);
        let Composer { out, used, count } = composer;
        let end = self.0.len();
        self.0.splice(end..end, &out[..used]);
        self.count_by(count as isize);
    }

    /// Puts an integer in place of an element.
    pub fn replace_int(&mut self, at: Position, number: i64) {
        let mut out = [0; INT_MAX_BYTES];
        let length = encode_int(number, &mut out);
        let length = length + write_backlen(length, &mut out[length..]);
        let end = self.end_of(at);
        self.0.splice(at.0..end, &out[..length]);
    }

    /// The elements from `at` on; none for none.
    pub fn iter_on(&self, at: Option<Position>) -> Iter<'_> {
        let end = self.0.len();
        Iter { listpack: self, front: at.map_or(end, |at| at.0), back: end }
    }
}

impl Iter<'_> {
    /// Where the next element begins.
    pub fn position(&self) -> Option<Position> {
        (self.front < self.back).then_some(Position(self.front))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_elements_are_those_added_one_by_one() {
        let long = vec![b'x'; 5000];
        let strings: [&[u8]; 5] = [b"", b"a", b"12", b"-9223372036854775808", &long];
        let (mut composed, mut pushed) = (Listpack::new(), Listpack::new());
        for number in [0, 127, 128, -1, 4096, i64::MIN, i64::MAX] {
            for string in strings {
                composed.compose(Listpack::room_for(2, 1, string.len()), |out| {
                    out.int(number);
                    out.string(string);
                    out.int(1);
                });
                for element in [number.to_string().as_bytes(), string, b"1"] {
                    pushed.push_back(element);
                }
            }
        }
        let encoded = |listpack: &Listpack| {
            let mut out = Vec::new();
            listpack.write_encoded(&mut out);
            out
        };
        assert_eq!(encoded(&composed), encoded(&pushed));
        composed.replace_int(composed.seek(0).unwrap(), 70_000);
        pushed.replace(pushed.seek(0).unwrap(), b"70000");
        assert_eq!(encoded(&composed), encoded(&pushed));
        let mut iter = composed.iter_on(composed.seek(-1));
        assert_eq!(iter.position(), composed.last());
        assert_eq!((iter.by_ref().count(), iter.position()), (1, None));
    }
}
