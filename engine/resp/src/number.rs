//! Numbers as text: the strict integer form that commands accept, and the float forms that replies use.
//!
//! An integer argument is canonical: an optional `-`, no leading zeros, no spaces, within 64 bits. This is
//! also the test for storing a string as an integer, so that the text can be reproduced from the number.

use crate::strtod::{is_space, strtod};

/// Parses the canonical decimal form of a 64-bit signed integer; anything else is `None`.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [] => return None,
        [b'0'] => return Some(0),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 || !(b'1'..=b'9').contains(&digits[0]) {
        return None;
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    match negative {
        false => i64::try_from(value).ok(),
        true if value <= i64::MIN.unsigned_abs() => Some((value as i64).wrapping_neg()),
        true => None,
    }
}

/// Parses the canonical decimal form of a 64-bit unsigned integer.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => text.iter().try_fold(0u64, |value, &digit| {
            if !digit.is_ascii_digit() {
                return None;
            }
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        }),
        _ => None,
    }
}

/// Parses a float argument as Redis does: what C's `strtod` reads, to the end; no leading space, no NaN, and
/// nothing beyond what a double can hold.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    if is_space(*text.first()?) {
        return None;
    }
    // Whole numbers are the usual case.
    if let Some(integer) = parse_i64(text).filter(|integer| integer.unsigned_abs() < 1 << 53) {
        return Some(integer as f64);
    }
    let number = strtod(text);
    let whole = number.used == text.len() && !number.out_of_range && !number.value.is_nan();
    whole.then_some(number.value)
}

/// The integer that a double is, when it is one and not so large that conversions could overflow; zero
/// without its sign.
pub fn whole_f64(value: f64) -> Option<i64> {
    let integer = value as i64;
    (value.abs() <= WHOLE_MAX && integer as f64 == value).then_some(integer)
}

/// Up to here whole doubles are written as integers: 2^62.
const WHOLE_MAX: f64 = 4_611_686_018_427_387_904.0;

/// Writes a float the way Redis 7.2 writes doubles: `inf`, `-inf`, `nan`, `-0`; whole numbers as integers;
/// else the shortest digits that read back as the same number, in scientific notation when the point lies
/// far from them (Redis's choice, whose exponents have neither leading zeros nor a fixed limit).
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        let text: &[u8] = if value.is_nan() {
            b"nan"
        } else if value > 0.0 {
            b"inf"
        } else {
            b"-inf"
        };
        return out.extend_from_slice(text);
    }
    if value == 0.0 {
        return out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    }
    match whole_f64(value) {
        Some(integer) => out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes()),
        None => write_shortest(out, value),
    }
}

fn write_shortest(out: &mut Vec<u8>, value: f64) {
    use std::io::Write as _;
    let mut text = [0u8; 32];
    let mut rest = &mut text[..];
    // `d.ddde-x` takes 24 bytes at most.
    let _ = write!(rest, "{:e}", value.abs());
    let used = 32 - rest.len();
    let text = std::str::from_utf8(&text[..used]).unwrap_or_default();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut digits = [0u8; 20];
    let mut count = 0;
    for digit in mantissa.bytes().filter(u8::is_ascii_digit).take(digits.len()) {
        digits[count] = digit;
        count += 1;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    write_digits(out, &digits[..count], exponent);
}

/// Writes digits of which the first stands for so many powers of ten.
fn write_digits(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let count = digits.len() as i32;
    let last = exponent - count + 1;
    if last >= 0 && exponent.abs() < count + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + last as usize, b'0');
    } else if last < 0 && (last > -7 || exponent.abs() < 4) {
        let whole = count + last;
        if whole <= 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + whole.unsigned_abs() as usize, b'0');
            out.extend_from_slice(digits);
        } else {
            out.extend_from_slice(&digits[..whole as usize]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole as usize..]);
        }
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(itoa::Buffer::new().format(exponent.abs()).as_bytes());
    }
}

/// Writes a float with up to seventeen digits, as C's `%.17g` does and Redis wherever it goes by way of a long
/// double.
pub fn write_f64_digits(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() || value == 0.0 {
        return write_f64(out, value);
    }
    let text = format!("{:.16e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let count = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..count];
    if value < 0.0 {
        out.push(b'-');
    }
    match exponent {
        -4..0 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-1 - exponent) as usize, b'0');
            out.extend_from_slice(digits);
        }
        0..17 => {
            let whole = exponent as usize + 1;
            out.extend_from_slice(&digits[..whole.min(count)]);
            if whole >= count {
                out.resize(out.len() + whole - count, b'0');
            } else {
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        _ => {
            out.push(digits[0]);
            if count > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_canonical() {
        for (text, value) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), value, "{text:?}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    #[test]
    fn floats_read_and_write() {
        assert_eq!(parse_f64(b"3.25e2"), Some(325.0));
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_f64(b"nan"), None);
        assert_eq!(parse_f64(b" 1"), None);
        assert_eq!(parse_f64(b"1 "), None);
        assert_eq!(parse_f64(b"1e400"), None);
        assert_eq!(parse_f64(b"1e-400"), None);
        assert_eq!(parse_f64(b"0x10"), Some(16.0));
        for (value, text) in [
            (3.0, "3"),
            (3.3, "3.3"),
            (-0.5, "-0.5"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1e30, "1e+30"),
            (1e20, "1e+20"),
            (1e7, "10000000"),
            (1e-9, "1e-9"),
            (1.5e-6, "1.5e-6"),
            (1.5e-5, "0.000015"),
            (1.25e-310, "1.25e-310"),
            (12_345.678_901_234, "1.2345678901234e+4"),
            (1_234.567_890_123_4, "1234.5678901234"),
            (1_700_000_000.123, "1700000000.123"),
            (1_152_921_504_606_846_976.0, "1152921504606846976"),
            (4_611_686_018_427_388_928.0, "4611686018427389000"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            let mut out = Vec::new();
            write_f64(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn seventeen_digits_are_as_in_c() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (-0.5, "-0.5"),
            (3.0, "3"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.25e-5, "1.2500000000000001e-05"),
            (0.00012, "0.00012"),
            (1e300, "1.0000000000000001e+300"),
            (123_456.5, "123456.5"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "-0"),
        ] {
            let mut out = Vec::new();
            write_f64_digits(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
