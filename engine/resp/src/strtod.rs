//! Floats as C reads them: the longest number at the front of a text.
//!
//! Redis takes float arguments with `strtod`, so that hexadecimal floats, `infinity` in any case and
//! leading spaces have a meaning, and bounds of ranges may be followed by what is no number. Decimal
//! digits are turned into a number by the standard library, which rounds correctly.

/// The number at the front of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// Its value; 0 when there is none.
    pub value: f64,
    /// Bytes it takes, leading spaces included; 0 when there is none.
    pub used: usize,
    /// The number is too large for a double, or so small that it became 0.
    pub out_of_range: bool,
}

const NONE: Number = Number { value: 0.0, used: 0, out_of_range: false };

/// Whether C's `isspace` holds.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Reads the number at the front of `text`, which ends at a zero byte if it has one.
pub fn strtod(text: &[u8]) -> Number {
    let spaces = text.iter().take_while(|&&byte| is_space(byte)).count();
    let (sign, negative) = match text.get(spaces) {
        Some(b'-') => (1, true),
        Some(b'+') => (1, false),
        _ => (0, false),
    };
    let body = &text[spaces + sign..];
    let mut number = word(body).or_else(|| hexadecimal(body)).unwrap_or_else(|| decimal(body));
    if number.used > 0 {
        number.used += spaces + sign;
        if negative {
            number.value = -number.value;
        }
    }
    number
}

/// `inf`, `infinity`, `nan`, `nan(…)`.
fn word(text: &[u8]) -> Option<Number> {
    let starts =
        |word: &str| text.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word.as_bytes()));
    let found = |value, used| Some(Number { value, used, out_of_range: false });
    if starts("infinity") {
        return found(f64::INFINITY, 8);
    }
    if starts("inf") {
        return found(f64::INFINITY, 3);
    }
    if !starts("nan") {
        return None;
    }
    let inner = text[3..].strip_prefix(b"(").map_or(0, |rest| {
        let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        if rest.get(word) == Some(&b')') { word + 2 } else { 0 }
    });
    found(f64::NAN, 3 + inner)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The bytes of an exponent behind its letter: a sign perhaps, and digits; 0 when there are none.
fn exponent_bytes(text: &[u8]) -> usize {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    match digits(&text[sign..]) {
        0 => 0,
        count => sign + count,
    }
}

fn decimal(text: &[u8]) -> Number {
    let whole = digits(text);
    let part = match text.get(whole) {
        Some(b'.') => digits(&text[whole + 1..]),
        _ => 0,
    };
    if whole + part == 0 {
        return NONE;
    }
    let mut used = whole;
    if text.get(whole) == Some(&b'.') {
        used += 1 + part;
    }
    let mantissa = used;
    if matches!(text.get(used), Some(b'e' | b'E'))
        && let exponent @ 1.. = exponent_bytes(&text[used + 1..])
    {
        used += 1 + exponent;
    }
    let value: f64 =
        std::str::from_utf8(&text[..used]).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let nonzero = text[..mantissa].iter().any(|byte| (b'1'..=b'9').contains(byte));
    Number { value, used, out_of_range: value.is_infinite() || (value == 0.0 && nonzero) }
}

/// `0x1.8p3`.
fn hexadecimal(text: &[u8]) -> Option<Number> {
    let body = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X"))?;
    let (mut mantissa, mut exponent, mut lost) = (0u64, 0i64, false);
    let (mut used, mut any, mut in_part) = (0, false, false);
    for &byte in body {
        match (byte as char).to_digit(16) {
            Some(digit) => {
                any = true;
                if mantissa >> 58 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if in_part { 4 } else { 0 };
                } else {
                    lost |= digit != 0;
                    exponent += if in_part { 0 } else { 4 };
                }
            }
            None if byte == b'.' && !in_part => in_part = true,
            None => break,
        }
        used += 1;
    }
    if !any {
        // Only the zero before the `x` is a number.
        return Some(Number { value: 0.0, used: 1, out_of_range: false });
    }
    if matches!(body.get(used), Some(b'p' | b'P'))
        && let length @ 1.. = exponent_bytes(&body[used + 1..])
    {
        let text = std::str::from_utf8(&body[used + 1..used + 1 + length]).unwrap_or("");
        let limit = if text.starts_with('-') { -1_000_000 } else { 1_000_000 };
        exponent = exponent.saturating_add(text.parse().unwrap_or(limit));
        used += 1 + length;
    }
    let value = scaled(mantissa, lost, exponent);
    let out_of_range = value.is_infinite() || (value == 0.0 && mantissa != 0);
    Some(Number { value, used: used + 2, out_of_range })
}

/// `mantissa * 2^exponent`, to the nearest double and to the even one of two; `lost` says that the
/// mantissa was a little more than it is.
fn scaled(mantissa: u64, lost: bool, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let length = 64 - i64::from(mantissa.leading_zeros());
    // The last place a double of this size has, 52 below its first one or that of the subnormals.
    let last = (exponent + length - 53).max(-1074);
    if exponent + length > 1024 {
        return f64::INFINITY;
    }
    let drop = last - exponent;
    let whole = match drop {
        ..=0 => mantissa << -drop,
        1..=64 => {
            let (kept, rest) = match drop {
                64 => (0, mantissa),
                _ => (mantissa >> drop, mantissa & ((1 << drop) - 1)),
            };
            let half = 1u64 << (drop - 1);
            let up = rest > half || (rest == half && (lost || kept & 1 == 1));
            kept + u64::from(up)
        }
        _ => 0,
    };
    // Both factors are powers of two or fit in 53 bits, so that nothing is rounded again.
    let (near, far) = (last.clamp(-1000, 900), last - last.clamp(-1000, 900));
    whole as f64 * 2f64.powi(near as i32) * 2f64.powi(far as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_number_is_taken() {
        for (text, value, used) in [
            ("1", 1.0, 1),
            ("  -1.5e3x", -1500.0, 8),
            ("+.5", 0.5, 3),
            ("5.", 5.0, 2),
            (".", 0.0, 0),
            ("-", 0.0, 0),
            ("1e", 1.0, 1),
            ("1e+", 1.0, 1),
            ("1e-2", 0.01, 4),
            ("infinityx", f64::INFINITY, 8),
            ("-INFi", f64::NEG_INFINITY, 4),
            ("0x", 0.0, 1),
            ("0x1p-3", 0.125, 6),
            ("0x1.8", 1.5, 5),
            ("0X.8p+1", 1.0, 7),
            ("0x1p", 1.0, 3),
            ("0x1fffffffffffffp0", 9_007_199_254_740_991.0, 18),
            ("0x20000000000001", 9_007_199_254_740_992.0, 16),
            ("0x20000000000001000000001", 9_007_199_254_740_994.0 * 2f64.powi(36), 25),
            ("0x1p-1074", 5e-324, 9),
            ("0x1.8p-1074", 1e-323, 11),
            ("0x1p1023", f64::MAX / (2.0 - f64::EPSILON), 8),
            ("", 0.0, 0),
            ("x", 0.0, 0),
            ("1\u{0}2", 1.0, 1),
        ] {
            assert_eq!(strtod(text.as_bytes()), Number { value, used, out_of_range: false }, "{text:?}");
        }
        assert!(strtod(b"nan(ab_1)").value.is_nan());
        assert_eq!(strtod(b"nan(ab_1)").used, 9);
        assert_eq!(strtod(b"nan(ab").used, 3);
        assert!(strtod(b"-0").value.is_sign_negative());
    }

    #[test]
    fn what_a_double_cannot_hold_is_told() {
        for text in ["1e400", "-1e400", "1e-400", "0x1p1024", "0x1p-1080", "0x1p999999999999999999999"] {
            assert!(strtod(text.as_bytes()).out_of_range, "{text}");
        }
        for text in ["0e-400", "1e-320", "0x0p99999"] {
            assert!(!strtod(text.as_bytes()).out_of_range, "{text}");
        }
    }
}
