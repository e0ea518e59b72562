//! Texts as numbers, by the rules of C's `strtod`, which Redis reads weights with: leading white space and
//! hexadecimal are numbers, the text ends at its first zero byte, and nothing at all is 0.

/// The number that a text is; none where it is not, or where it is out of range.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let text = &text[text.iter().take_while(|byte| space(byte)).count()..];
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = match digits {
        [b'0', b'x' | b'X', hex @ ..] => hexadecimal(hex)?,
        [b'0'..=b'9' | b'.', ..] => decimal(digits)?,
        _ if [&b"inf"[..], b"infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word)) => f64::INFINITY,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// A number without a sign; none when it is too large or too small.
fn decimal(digits: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let mantissa = digits.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let is_zero = !mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    (is_zero || value.is_normal()).then_some(value)
}

/// What follows `0x`: digits with or without a point, then perhaps `p` and a binary exponent.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => (&text[..at], std::str::from_utf8(&text[at + 1..]).ok()?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (mut value, mut point, mut digits) = (0.0, None, 0);
    for byte in mantissa {
        if *byte == b'.' && point.is_none() {
            point = Some(digits);
            continue;
        }
        value = value * 16.0 + f64::from(char::from(*byte).to_digit(16)?);
        digits += 1;
    }
    let behind_point = point.map_or(0, |at| digits - at);
    let value: f64 = value * 2f64.powi(exponent.clamp(-5000, 5000) - 4 * behind_point);
    (digits > 0 && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_c_does() {
        for (text, value) in [
            ("", 0.0),
            ("5", 5.0),
            (" \t-5.5", -5.5),
            ("+1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("0x10", 16.0),
            ("-0x1.8p1", -3.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("1\0abc", 1.0),
            ("0e999", 0.0),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in ["x", "1x", " ", "1 ", "nan", "1e400", "1e-400", "-", ".", "0x", "1e", "--1", "e5"] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
