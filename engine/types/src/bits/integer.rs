//! Integers of 1 to 64 bits at any bit of a string, the highest bit first, and what becomes of a number that
//! is too large for its place.

use std::cmp::Ordering;

/// How an integer lies in a string: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) signed: bool,
    pub(super) bits: u32,
}

/// What happens to a result that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

impl Format {
    /// From a text such as `u8`.
    pub(super) fn parse(text: &[u8]) -> Option<Format> {
        let (signed, widest) = match text.first()? {
            b'i' => (true, 64),
            b'u' => (false, 63),
            _ => return None,
        };
        let bits = resp::number::parse_i64(&text[1..])?;
        (1..=widest).contains(&bits).then_some(Format { signed, bits: bits as u32 })
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// The number that the lowest bits of `raw` are.
    fn interpret(self, raw: u64) -> i64 {
        let spare = 64 - self.bits;
        match self.signed {
            true => (raw << spare) as i64 >> spare,
            false => (raw & self.mask()) as i64,
        }
    }

    /// The integer at bit `offset`; bits behind the end of `bytes` are zero.
    pub(super) fn read(self, bytes: &[u8], offset: u64) -> i64 {
        // It spans nine bytes at most.
        let first = usize::try_from(offset >> 3).unwrap_or(usize::MAX);
        let window = (0..9).fold(0u128, |window, at| {
            let byte = first.checked_add(at).and_then(|at| bytes.get(at)).copied().unwrap_or(0);
            window << 8 | u128::from(byte)
        });
        let below = 72 - (offset & 7) as u32 - self.bits;
        self.interpret((window >> below) as u64)
    }

    /// Writes the lowest bits of `value` at bit `offset`, which must lie in `bytes` as a whole.
    pub(super) fn write(self, bytes: &mut [u8], offset: u64, value: i64) {
        let first = (offset >> 3) as usize;
        let below = 72 - (offset & 7) as u32 - self.bits;
        let mask = u128::from(self.mask()) << below;
        let value = u128::from(value as u64 & self.mask()) << below;
        for (at, byte) in bytes[first..].iter_mut().take(9).enumerate() {
            let shift = 8 * (8 - at as u32);
            *byte = *byte & !((mask >> shift) as u8) | (value >> shift) as u8;
        }
    }

    /// `value + increment` as it can be kept; none when it does not fit and that is a failure.
    ///
    /// A value from outside (SET) is taken with an increment of 0. That signed values far below the least one
    /// saturate at the greatest is what Redis does with them: it compares a difference that has overflowed.
    pub(super) fn add(self, value: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        let side = if self.signed {
            self.signed_side(value, increment)
        } else {
            self.unsigned_side(value as u64, increment)
        };
        let wrapped = self.interpret((value as u64).wrapping_add(increment as u64));
        match (side, overflow) {
            (Ordering::Equal, _) => Some(value.wrapping_add(increment)),
            (_, Overflow::Wrap) => Some(wrapped),
            (_, Overflow::Fail) => None,
            (Ordering::Greater, Overflow::Saturate) => Some(self.greatest()),
            (Ordering::Less, Overflow::Saturate) => Some(self.least()),
        }
    }

    fn greatest(self) -> i64 {
        (self.mask() >> u32::from(self.signed)) as i64
    }

    fn least(self) -> i64 {
        if self.signed { !self.greatest() } else { 0 }
    }

    /// On which side of what fits the sum lies.
    fn unsigned_side(self, value: u64, increment: i64) -> Ordering {
        let greatest = self.mask();
        if value > greatest || increment > 0 && increment > (greatest - value) as i64 {
            Ordering::Greater
        } else if increment < 0 && increment < (value as i64).wrapping_neg() {
            Ordering::Less
        } else {
            Ordering::Equal
        }
    }

    fn signed_side(self, value: i64, increment: i64) -> Ordering {
        let (greatest, least) = (self.greatest(), self.least());
        let (most_up, most_down) = (greatest.wrapping_sub(value), least.wrapping_sub(value));
        let narrow = self.bits != 64;
        if value > greatest
            || narrow && increment > most_up
            || value >= 0 && increment > 0 && increment > most_up
        {
            Ordering::Greater
        } else if value < least
            || narrow && increment < most_down
            || value < 0 && increment < 0 && increment < most_down
        {
            Ordering::Less
        } else {
            Ordering::Equal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_anywhere_is_read_and_nothing_else_changes() {
        for bits in 1..=64 {
            for signed in [false, true] {
                if !signed && bits == 64 {
                    continue;
                }
                let format = Format { signed, bits };
                for offset in 0..17 {
                    for value in [0, 1, -1, 0x5555_5555_5555_5555, i64::MIN, i64::MAX] {
                        let mut bytes = [0xa5; 12];
                        format.write(&mut bytes, offset, value);
                        let read = format.read(&bytes, offset);
                        assert_eq!(read as u64 & format.mask(), value as u64 & format.mask());
                        format.write(&mut bytes, offset, Format { signed, bits }.read(&[0xa5; 12], offset));
                        assert_eq!(bytes, [0xa5; 12]);
                    }
                }
            }
        }
    }

    #[test]
    fn bits_behind_the_end_are_zero() {
        let format = Format { signed: false, bits: 16 };
        assert_eq!(format.read(&[0xff], 4), 0xf000);
        assert_eq!(format.read(&[0xff], u64::MAX >> 1), 0);
    }

    #[test]
    fn only_widths_that_exist_are_formats() {
        for (text, expected) in [
            ("u8", Some((false, 8))),
            ("i64", Some((true, 64))),
            ("u63", Some((false, 63))),
            ("u64", None),
            ("i65", None),
            ("i0", None),
            ("i-1", None),
            ("x8", None),
            ("i", None),
            ("", None),
            ("u08", None),
        ] {
            let found = Format::parse(text.as_bytes()).map(|format| (format.signed, format.bits));
            assert_eq!(found, expected, "{text}");
        }
    }
}
