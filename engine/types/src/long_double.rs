//! The arithmetic of INCRBYFLOAT and HINCRBYFLOAT: 80-bit extended floating point, as x86 has it and Redis uses it.
//!
//! Results must agree with Redis's to the last digit, so numbers are read, added and written exactly as
//! the C library and the processor do it: 64 bits of mantissa, rounded to nearest even, exponents of 15
//! bits, and text with 17 decimals without trailing zeros. Nothing else is here: no multiplication, no
//! NaN (a command that comes to one fails).

use std::cmp::Ordering;

/// The exponent of the smallest numbers; those with a mantissa of fewer than 64 bits are denormal.
const MIN_EXPONENT: i32 = -16445;
/// The exponent of the largest numbers.
const MAX_EXPONENT: i32 = 16320;
/// Texts from this length on are no numbers.
const MAX_TEXT_BYTES: usize = 5 * 1024;
/// No number has more digits before its point, or this many zeros behind it: no need to compute either.
const MAX_DECIMAL_EXPONENT: i64 = 4960;
/// Decimals that are written.
const DECIMALS: usize = 17;
const DECIMAL_UNITS: u128 = 10u128.pow(DECIMALS as u32);

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LongDouble {
    /// `mantissa × 2^exponent`, where the mantissa has 64 bits or the exponent is the smallest.
    Finite { negative: bool, mantissa: u64, exponent: i32 },
    /// Beyond all numbers. Texts can say so, sums cannot.
    Infinite { negative: bool },
}

impl From<i64> for LongDouble {
    fn from(number: i64) -> Self {
        round(number < 0, u128::from(number.unsigned_abs()), 0, false)
    }
}

impl LongDouble {
    /// Reads what `strtold` reads, the whole text and no leading space: decimal, hexadecimal, infinity. A
    /// number too large, or too small to differ from zero, is none.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= MAX_TEXT_BYTES {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        match text {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(negative, digits),
            [b'0'..=b'9' | b'.', ..] => parse_decimal(negative, text),
            _ if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") => {
                Some(Self::Infinite { negative })
            }
            _ => None,
        }
    }

    /// The sum; none when it is infinite or undefined.
    pub(crate) fn checked_add(self, other: Self) -> Option<Self> {
        let (
            Self::Finite { negative: sign, mantissa, exponent },
            Self::Finite { negative: other_sign, mantissa: other_mantissa, exponent: other_exponent },
        ) = (self, other)
        else {
            return None;
        };
        if (exponent, mantissa) < (other_exponent, other_mantissa) {
            return other.checked_add(self);
        }
        // The larger one has 63 bits of room below, so that what is lost of the smaller one is far below
        // the last bit that counts.
        let large = u128::from(mantissa) << 63;
        let unshifted = u128::from(other_mantissa) << 63;
        let distance = exponent.abs_diff(other_exponent);
        let small = unshifted.checked_shr(distance).unwrap_or(0);
        let lost = small.checked_shl(distance) != Some(unshifted) && unshifted != 0;
        let sum = match sign == other_sign {
            true => large + small,
            false => large - small - u128::from(lost),
        };
        match round(sign, sum, exponent - 63, lost) {
            Self::Infinite { .. } => None,
            finite => Some(finite),
        }
    }

    /// The number times `factor`, rounded as the processor does it, and then up to a whole number; what is
    /// beyond 128 bits stays at their end.
    pub(crate) fn times_rounded_up(self, factor: u32) -> i128 {
        let product = match self {
            Self::Finite { negative, mantissa, exponent } => {
                round(negative, u128::from(mantissa) * u128::from(factor), exponent, false)
            }
            infinite => infinite,
        };
        let (negative, whole) = match product {
            Self::Infinite { negative } => (negative, i128::MAX),
            Self::Finite { negative, mantissa, exponent: exponent @ 0.. } => {
                let whole = if exponent > 62 { i128::MAX } else { i128::from(mantissa) << exponent };
                (negative, whole)
            }
            Self::Finite { negative, mantissa, exponent } => {
                let shift = exponent.unsigned_abs();
                let whole = mantissa.checked_shr(shift).unwrap_or(0);
                let has_rest = whole.checked_shl(shift) != Some(mantissa) && mantissa != 0;
                (negative, i128::from(whole) + i128::from(has_rest && !negative))
            }
        };
        if negative { -whole } else { whole }
    }

    /// The text with up to 17 decimals.
    pub(crate) fn to_text(self) -> String {
        let (negative, mut text) = match self {
            Self::Infinite { negative } => return if negative { "-inf" } else { "inf" }.to_owned(),
            Self::Finite { negative, mantissa, exponent: exponent @ 0.. } => {
                (negative, Natural::from(mantissa).shifted_left(exponent as usize).to_text())
            }
            Self::Finite { negative, mantissa, exponent } => {
                let units =
                    shift_to_nearest_even(u128::from(mantissa) * DECIMAL_UNITS, exponent.unsigned_abs());
                let (whole, part) = (units / DECIMAL_UNITS, units % DECIMAL_UNITS);
                (negative, format!("{whole}.{part:0width$}", width = DECIMALS))
            }
        };
        if text.contains('.') {
            text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        }
        if negative && text != "0" {
            text.insert(0, '-');
        }
        text
    }
}

/// `value / 2^shift`, rounded to the nearest integer, ties to the even one.
fn shift_to_nearest_even(value: u128, shift: u32) -> u128 {
    let kept = value.checked_shr(shift).unwrap_or(0);
    let rest = value - kept.checked_shl(shift).unwrap_or(0);
    let half = match shift {
        1..=128 => 1u128 << (shift - 1),
        // Nothing that is to be shifted reaches half of 2^129.
        _ => return kept,
    };
    match rest.cmp(&half) {
        Ordering::Less => kept,
        Ordering::Equal => kept + (kept & 1),
        Ordering::Greater => kept + 1,
    }
}

/// The number nearest to `mantissa × 2^exponent`, or to a little more when something was `lost` below the
/// mantissa's last bit; then the mantissa must have more than 65 bits.
fn round(negative: bool, mantissa: u128, exponent: i32, lost: bool) -> LongDouble {
    let bits = 128 - mantissa.leading_zeros() as i32;
    if bits == 0 {
        return LongDouble::Finite { negative, mantissa: 0, exponent: MIN_EXPONENT };
    }
    let dropped = (bits - 64).max(MIN_EXPONENT - exponent);
    let rounded = match dropped {
        ..=0 => mantissa << -dropped,
        // The last bit, far below those that are kept, turns a tie into more than half.
        _ => shift_to_nearest_even(mantissa | u128::from(lost), dropped.unsigned_abs()),
    };
    // Rounding up may have carried into a 65th bit, which is then the only one.
    let (mantissa, exponent) = match u64::try_from(rounded) {
        Ok(mantissa) => (mantissa, exponent + dropped),
        Err(_) => (1 << 63, exponent + dropped + 1),
    };
    match exponent {
        ..=MAX_EXPONENT => LongDouble::Finite { negative, mantissa, exponent },
        _ => LongDouble::Infinite { negative },
    }
}

/// What is left of a number that was read, if it is neither too large nor too small.
fn in_range(number: LongDouble) -> Option<LongDouble> {
    match number {
        LongDouble::Infinite { .. } | LongDouble::Finite { mantissa: 0, .. } => None,
        finite => Some(finite),
    }
}

/// Takes the digits of a number, with at most one point among them. Gives the digits, how many of them
/// stand behind the point, and the rest of the text; none without any digit.
fn split_digits(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<(Vec<u8>, usize, &[u8])> {
    let whole = text.iter().take_while(|byte| is_digit(byte)).count();
    let part = match text.get(whole) {
        Some(b'.') => text[whole + 1..].iter().take_while(|byte| is_digit(byte)).count(),
        _ => 0,
    };
    let point = usize::from(text.get(whole) == Some(&b'.'));
    let digits = [&text[..whole], &text[whole + point..whole + point + part]].concat();
    (!digits.is_empty()).then(|| (digits, part, &text[whole + point + part..]))
}

/// The exponent that ends a number: nothing, or a letter and an integer, which is clamped.
fn parse_exponent(text: &[u8], letter: u8) -> Option<i64> {
    let Some((first, rest)) = text.split_first() else { return Some(0) };
    if !first.eq_ignore_ascii_case(&letter) {
        return None;
    }
    let (negative, digits) = match rest {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0i64, |size, digit| (size * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(if negative { -size } else { size })
}

fn parse_hexadecimal(negative: bool, text: &[u8]) -> Option<LongDouble> {
    let (digits, behind_point, rest) = split_digits(text, u8::is_ascii_hexdigit)?;
    let mut exponent = parse_exponent(rest, b'p')? - 4 * behind_point as i64;
    let (mut mantissa, mut lost) = (0u128, false);
    for digit in digits {
        let value = (digit as char).to_digit(16).unwrap_or(0);
        if mantissa >> 123 == 0 {
            mantissa = mantissa << 4 | u128::from(value);
        } else {
            lost |= value != 0;
            exponent += 4;
        }
    }
    match mantissa {
        0 => Some(round(negative, 0, 0, false)),
        _ => in_range(round(negative, mantissa, exponent as i32, lost)),
    }
}

fn parse_decimal(negative: bool, text: &[u8]) -> Option<LongDouble> {
    let (digits, behind_point, rest) = split_digits(text, u8::is_ascii_digit)?;
    let exponent = parse_exponent(rest, b'e')? - behind_point as i64;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[zeros..];
    if digits.is_empty() {
        return Some(round(negative, 0, 0, false));
    }
    if (digits.len() as i64 + exponent).abs() > MAX_DECIMAL_EXPONENT {
        return None;
    }
    let digits = Natural::parse(digits);
    let power = Natural::power_of_ten(exponent.unsigned_abs() as usize);
    in_range(match exponent {
        0.. => {
            let (mantissa, exponent, lost) = digits.times(&power).leading_bits();
            round(negative, mantissa, exponent, lost)
        }
        _ => {
            let (mantissa, exponent, lost) = digits.divided_by(power);
            round(negative, mantissa, exponent, lost)
        }
    })
}

/// An integer of any size: limbs of 32 bits, the lowest first, the highest not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Natural(Vec<u32>);

impl From<u64> for Natural {
    fn from(value: u64) -> Self {
        let mut natural = Natural(vec![value as u32, (value >> 32) as u32]);
        natural.trim();
        natural
    }
}

impl Natural {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn parse(digits: &[u8]) -> Self {
        let mut natural = Natural(Vec::new());
        for chunk in digits.chunks(9) {
            let value = chunk.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
            natural.multiply_and_add(10u32.pow(chunk.len() as u32), value);
        }
        natural
    }

    fn power_of_ten(exponent: usize) -> Self {
        let mut natural = Natural(vec![1]);
        for _ in 0..exponent / 9 {
            natural.multiply_and_add(1_000_000_000, 0);
        }
        natural.multiply_and_add(10u32.pow((exponent % 9) as u32), 0);
        natural
    }

    fn multiply_and_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        self.0.push(carry as u32);
        self.trim();
    }

    fn times(&self, other: &Natural) -> Self {
        let mut product = vec![0u32; self.0.len() + other.0.len()];
        for (at, &limb) in self.0.iter().enumerate() {
            let mut carry = 0;
            for (result, &factor) in product[at..].iter_mut().zip(other.0.iter().chain([&0])) {
                carry += u64::from(*result) + u64::from(limb) * u64::from(factor);
                *result = carry as u32;
                carry >>= 32;
            }
        }
        let mut product = Natural(product);
        product.trim();
        product
    }

    fn bits(&self) -> usize {
        self.0.last().map_or(0, |top| self.0.len() * 32 - top.leading_zeros() as usize)
    }

    fn shifted_left(&self, bits: usize) -> Self {
        let mut limbs = vec![0; bits / 32];
        let mut carry = 0u64;
        for &limb in &self.0 {
            carry |= u64::from(limb) << (bits % 32);
            limbs.push(carry as u32);
            carry >>= 32;
        }
        limbs.push(carry as u32);
        let mut shifted = Natural(limbs);
        shifted.trim();
        shifted
    }

    /// Whether it is at least `other`; both may have zeros on top while they are being divided.
    fn at_least(&self, other: &Natural) -> bool {
        let limb = |natural: &Natural, at: usize| natural.0.get(at).copied().unwrap_or(0);
        let unequal =
            (0..self.0.len().max(other.0.len())).rev().find(|&at| limb(self, at) != limb(other, at));
        unequal.is_none_or(|at| limb(self, at) > limb(other, at))
    }

    /// Takes away `other`, which must not be more.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = 0;
        for (at, limb) in self.0.iter_mut().enumerate() {
            let take = i64::from(other.0.get(at).copied().unwrap_or(0)) + borrow;
            let difference = i64::from(*limb) - take;
            *limb = difference as u32;
            borrow = i64::from(difference < 0);
        }
        self.trim();
    }

    /// Its highest 128 bits at most, the exponent they have, and whether bits below them were lost.
    fn leading_bits(&self) -> (u128, i32, bool) {
        let dropped = self.0.len().saturating_sub(4);
        let mantissa = self.0[dropped..].iter().rev().fold(0, |bits, &limb| bits << 32 | u128::from(limb));
        (mantissa, dropped as i32 * 32, self.0[..dropped].iter().any(|limb| *limb != 0))
    }

    /// A hundred bits of the quotient, the exponent they have, and whether bits below them were lost.
    fn divided_by(self, mut divisor: Natural) -> (u128, i32, bool) {
        const STEPS: i32 = 100;
        let exponent = self.bits() as i32 - divisor.bits() as i32;
        let mut rest = self.shifted_left(exponent.min(0).unsigned_abs() as usize);
        divisor = divisor.shifted_left(exponent.max(0) as usize);
        // Both have the same number of bits now: the rest is less than twice the divisor, and stays so.
        let mut quotient = 0u128;
        for _ in 0..=STEPS {
            quotient <<= 1;
            if rest.at_least(&divisor) {
                rest.subtract(&divisor);
                quotient |= 1;
            }
            rest = rest.shifted_left(1);
        }
        (quotient, exponent - STEPS, !rest.0.is_empty())
    }

    fn to_text(&self) -> String {
        const CHUNK: u64 = 1_000_000_000;
        let mut natural = self.clone();
        let mut chunks = Vec::new();
        while !natural.0.is_empty() {
            let mut rest = 0;
            for limb in natural.0.iter_mut().rev() {
                let value = rest << 32 | u64::from(*limb);
                *limb = (value / CHUNK) as u32;
                rest = value % CHUNK;
            }
            natural.trim();
            chunks.push(rest);
        }
        let first = chunks.pop().unwrap_or(0).to_string();
        chunks.iter().rev().fold(first, |text, chunk| format!("{text}{chunk:09}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let (a, b) = (LongDouble::parse(a.as_bytes()), LongDouble::parse(b.as_bytes()));
        a.expect("a number").checked_add(b.expect("a number")).map(LongDouble::to_text)
    }

    /// The results are those of a real Redis on x86.
    #[test]
    fn sums() {
        for (a, b, expected) in [
            ("0.1", "0.2", "0.3"),
            ("3", "1.000000000000000005", "4.00000000000000001"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "200", "5200"),
            ("1e-17", "0", "0.00000000000000001"),
            ("-1e-18", "0", "0"),
            ("5e-18", "0", "0"),
            ("1.5e-17", "0", "0.00000000000000002"),
            ("18446744073709551615", "0.5", "18446744073709551616"),
            ("18446744073709551615", "1.5", "18446744073709551616"),
            ("36893488147419103231", "0", "36893488147419103232"),
            ("9223372036854775807.5", "-0.25", "9223372036854775807"),
            ("1e20", "-1", "100000000000000000000"),
            ("123456789012345678901234567890", "1", "123456789012345678899921813504"),
            ("0x1.8p1", "-0X10", "-13"),
            ("0xffffffffffffffff.8", "0", "18446744073709551616"),
            ("0xfffffffffffffffe8", "0", "295147905179352825824"),
            ("0x.1", "5.", "5.0625"),
            (".5", "+1", "1.5"),
            ("0x1p-16445", "1", "1"),
            ("3.6e-4951", "0", "0"),
            ("1", "-1", "0"),
            ("-0", "0", "0"),
            ("1e4000", "-1e4000", "0"),
            ("0.30000000000000000001", "0", "0.3"),
            ("1", "1e-25", "1"),
            ("17", "-17.00000000000000000001", "0"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
            assert_eq!(sum(b, a).as_deref(), Some(expected), "{b} + {a}");
        }
    }

    #[test]
    fn sums_that_are_none() {
        for (a, b) in [("inf", "1"), ("-Infinity", "inf"), ("1.18973149535723176502e4932", "1e4932")] {
            assert_eq!(sum(a, b), None, "{a} + {b}");
        }
    }

    #[test]
    fn texts_that_are_no_numbers() {
        for text in [
            "",
            ".",
            " 1",
            "1 ",
            "1e",
            "1e+",
            "0x",
            "0x.",
            "0xp1",
            "nan",
            "e5",
            "--1",
            "1_0",
            "1f",
            "1e-4952",
            "0x1p-16446",
            "1.19e4932",
            "1\0",
            "0x1p16384",
            "infinit",
            "1e999999999999",
            "1e-999999999999",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; MAX_TEXT_BYTES]), None);
        assert_eq!(LongDouble::parse(b"0e999999999999"), Some(LongDouble::from(0)));
    }

    #[test]
    fn the_largest_number_is_written_whole() {
        let text = sum("1.18973149535723176502e4932", "0").expect("a finite sum");
        assert_eq!(text.len(), 4933);
        assert!(text.starts_with("118973149535723176502126385303097020516906332229462420"), "{text}");
        assert_eq!(sum(&text, "0"), Some(text));
    }

    #[test]
    fn numbers_are_multiplied_and_rounded_up() {
        let times = |text: &str| LongDouble::parse(text.as_bytes()).unwrap().times_rounded_up(1000);
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("1", 1000),
            ("0.1", 100),
            ("0.0001", 1),
            ("1e-4000", 1),
            ("-0.0001", 0),
            ("-1.5", -1500),
            ("12.3456", 12_346),
            ("9223372036854775.807", i128::from(i64::MAX)),
            ("9223372036854775.808", i128::from(i64::MAX) + 1),
            ("1e100", i128::MAX),
            ("inf", i128::MAX),
            ("-inf", -i128::MAX),
        ] {
            assert_eq!(times(text), expected, "{text}");
        }
    }
}
