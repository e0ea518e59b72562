//! Durations and sizes as the language writes them: `"250ms"`, `"1s"`, `"64mb"`.
//!
//! Only text in and numbers out. A number without a unit is never guessed at: the error says which units
//! there are. Sizes follow redis.conf: `k`, `m`, `g` are powers of 1000, `kb`, `mb`, `gb` powers of 1024.

use std::time::Duration;

/// The units of a duration, with their length in microseconds.
const DURATION_UNITS: &[(&str, f64)] =
    &[("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6), ("h", 3600e6), ("d", 86_400e6)];

/// The units of a size, with their length in bytes.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
];

/// The longest duration accepted: a hundred years, so that sums of durations stay far from overflow.
const MAX_DURATION_US: f64 = 100.0 * 366.0 * 86_400e6;

/// Why a text is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuantityError {
    /// Digits only.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// The letters after the digits are no unit.
    #[error("`{unit}` is not a unit of {of}")]
    UnknownUnit {
        /// The letters found.
        unit: String,
        /// `time` or `size`.
        of: &'static str,
    },
    /// Not digits and a unit at all.
    #[error("`{0}` is not a number and a unit")]
    Malformed(String),
    /// Beyond what makes sense.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// Reads a duration: a number, possibly with a fraction, and one of `us ms s m h d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split_number(text)?;
    let Some((_, unit_us)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(QuantityError::UnknownUnit { unit: unit.to_owned(), of: "time" });
    };
    let micros = number * unit_us;
    if micros > MAX_DURATION_US {
        return Err(QuantityError::TooLarge(text.to_owned()));
    }
    Ok(Duration::from_micros(micros.round() as u64))
}

/// Reads a size in bytes: a number and one of `b k kb m mb g gb`.
pub(crate) fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split_number(text)?;
    let unit_lower = unit.to_ascii_lowercase();
    let Some((_, unit_bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit_lower) else {
        return Err(QuantityError::UnknownUnit { unit: unit.to_owned(), of: "size" });
    };
    let bytes = number * *unit_bytes as f64;
    if bytes > (1u64 << 50) as f64 {
        return Err(QuantityError::TooLarge(text.to_owned()));
    }
    Ok(bytes.round() as u64)
}

/// Writes microseconds for people: three significant digits, in the unit that suits.
pub(crate) fn format_micros(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let value = micros.unsigned_abs();
    match value {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{value}us"),
        1_000..1_000_000 => format!("{sign}{}ms", significant(value as f64 / 1e3)),
        1_000_000..60_000_000 => format!("{sign}{}s", significant(value as f64 / 1e6)),
        _ => {
            let seconds = value / 1_000_000;
            match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
                (0, minutes, 0) => format!("{sign}{minutes}m"),
                (0, minutes, rest) => format!("{sign}{minutes}m{rest}s"),
                (hours, 0, 0) => format!("{sign}{hours}h"),
                (hours, minutes, rest) => format!("{sign}{hours}h{minutes}m{rest}s"),
            }
        }
    }
}

/// Three significant digits without trailing zeros.
fn significant(value: f64) -> String {
    let decimals = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Splits `1.5s` into 1.5 and `s`.
fn split_number(text: &str) -> Result<(f64, &str), QuantityError> {
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (digits, unit) = trimmed.split_at(end);
    let number: f64 = digits.parse().map_err(|_| QuantityError::Malformed(text.to_owned()))?;
    match unit.trim_start() {
        "" => Err(QuantityError::NoUnit(text.to_owned())),
        unit => Ok((number, unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_known_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2 m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("5"), Err(QuantityError::NoUnit("5".into())));
        assert_eq!(
            parse_duration("5sec"),
            Err(QuantityError::UnknownUnit { unit: "sec".into(), of: "time" })
        );
        assert_eq!(parse_duration("-1s"), Err(QuantityError::Malformed("-1s".into())));
        assert_eq!(parse_duration("soon"), Err(QuantityError::Malformed("soon".into())));
        assert_eq!(parse_duration("1.2.3s"), Err(QuantityError::Malformed("1.2.3s".into())));
        assert_eq!(parse_duration("999999d"), Err(QuantityError::TooLarge("999999d".into())));
    }

    #[test]
    fn sizes_follow_redis_conf() {
        assert_eq!(parse_size("64mb"), Ok(64 << 20));
        assert_eq!(parse_size("1k"), Ok(1000));
        assert_eq!(parse_size("1KB"), Ok(1024));
        assert_eq!(parse_size("3"), Err(QuantityError::NoUnit("3".into())));
        assert_eq!(parse_size("3x"), Err(QuantityError::UnknownUnit { unit: "x".into(), of: "size" }));
    }

    #[test]
    fn durations_read_well() {
        let written: Vec<String> =
            [0, 900, 12_345, 250_000, 1_234_567, 12_000_000, 61_000_000, 120_000_000, -1_500_000]
                .into_iter()
                .map(format_micros)
                .collect();
        assert_eq!(written, ["0s", "900us", "12.3ms", "250ms", "1.23s", "12s", "1m1s", "2m", "-1.5s"]);
    }

    #[test]
    fn rounding_does_not_spill_into_nonsense() {
        assert_eq!(format_micros(999_999), "1000ms");
        assert_eq!(format_micros(3_600_000_000), "1h");
    }
}
