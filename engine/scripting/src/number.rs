//! Numbers as text the way C's `printf("%.*g")` writes them and `strtod` reads them: what Lua and its
//! libraries rely on.

/// Writes `value` with at most `precision` significant digits, as `%.{precision}g` does.
pub(crate) fn format_g(value: f64, precision: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan".into() } else { "nan".into() };
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf".into() } else { "inf".into() };
    }
    let precision = precision.max(1);
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.abs());
    }
    let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
    without_trailing_zeros(&format!("{value:.decimals$}")).to_string()
}

fn without_trailing_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// A number as Lua's `tostring` shows it.
pub(crate) fn lua_text(value: f64) -> String {
    format_g(value, 14)
}

/// Reads the number at the start of `text` as `strtod` does (without leading space); its length, 0 if there
/// is none.
pub(crate) fn read_prefix(text: &[u8]) -> (f64, usize) {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let rest = &text[start..];
    let signed = |value: f64| if negative { -value } else { value };
    for (word, value) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes()) {
            return (signed(value), start + word.len());
        }
    }
    if rest.len() > 2 && rest[0] == b'0' && rest[1] | 0x20 == b'x' {
        let (value, length) = read_hexadecimal(&rest[2..]);
        if length > 0 {
            return (signed(value), start + 2 + length);
        }
    }
    let length = decimal_length(rest);
    let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
    match text.parse::<f64>() {
        Ok(value) => (signed(value), start + length),
        Err(_) => (0.0, 0),
    }
}

fn decimal_length(text: &[u8]) -> usize {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut at = whole;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        at += 1 + fraction;
    }
    if whole + fraction == 0 {
        return 0;
    }
    if text.get(at).is_some_and(|byte| byte | 0x20 == b'e') {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'-' | b'+')));
        let exponent = digits((at + 1 + sign).min(text.len()));
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

fn read_hexadecimal(text: &[u8]) -> (f64, usize) {
    let (mut value, mut at, mut scale, mut digits, mut point) = (0.0f64, 0, 0i32, 0, false);
    while let Some(&byte) = text.get(at) {
        match (byte as char).to_digit(16) {
            Some(digit) => {
                value = value * 16.0 + f64::from(digit);
                scale -= if point { 4 } else { 0 };
                digits += 1;
            }
            None if byte == b'.' && !point => point = true,
            None => break,
        }
        at += 1;
    }
    if digits == 0 {
        return (0.0, 0);
    }
    if text.get(at).is_some_and(|byte| byte | 0x20 == b'p') {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'-' | b'+')));
        let from = (at + 1 + sign).min(text.len());
        let length = text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length > 0 {
            let text = std::str::from_utf8(&text[at + 1..from + length]).unwrap_or_default();
            scale = scale.saturating_add(text.trim_start_matches('+').parse().unwrap_or(0));
            at = from + length;
        }
    }
    (value * 2f64.powi(scale), at)
}

/// Reads a string as a number the way Lua coerces it: surrounding space allowed, nothing else around it.
pub(crate) fn from_lua_text(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    let (value, length) = read_prefix(text);
    (length > 0 && length == text.len()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_printf_does() {
        let cases =
            [(0.0, "0"), (1.0 / 3.0, "0.33333333333333"), (1e20, "1e+20"), (1e-5, "1e-05"), (100.0, "100")];
        for (value, text) in cases {
            assert_eq!(lua_text(value), text);
        }
        assert_eq!(format_g(123456789012345678.0, 14), "1.2345678901235e+17");
        assert_eq!(format_g(0.1, 17), "0.10000000000000001");
        assert_eq!(format_g(f64::NEG_INFINITY, 3), "-inf");
        assert_eq!(format_g(9.99, 1), "1e+01");
    }

    #[test]
    fn read_as_strtod_does() {
        let cases: [(&str, f64, usize); 9] = [
            ("12abc", 12.0, 2),
            ("-1.5e3x", -1500.0, 6),
            ("1e", 1.0, 1),
            ("0x10", 16.0, 4),
            ("0x1p4", 16.0, 5),
            ("0x", 0.0, 1),
            (".5", 0.5, 2),
            (".", 0.0, 0),
            ("-Infinity", f64::NEG_INFINITY, 9),
        ];
        for (text, value, length) in cases {
            assert_eq!(read_prefix(text.as_bytes()), (value, length), "{text}");
        }
        assert_eq!(from_lua_text(b" 12 "), Some(12.0));
        assert_eq!(from_lua_text(b"12 x"), None);
        assert_eq!(from_lua_text(b""), None);
    }
}
