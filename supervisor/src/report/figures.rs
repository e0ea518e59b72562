//! Figures over repeats.

use serde::Serialize;

/// Minimum, median, 90th percentile and maximum of at least one value, and the values as they came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Smallest.
    pub min: f64,
    /// Middle; the mean of the middle two of an even number.
    pub median: f64,
    /// Nearest rank.
    pub p90: f64,
    /// Largest.
    pub max: f64,
    /// In order of the repeats.
    pub values: Vec<f64>,
}

impl Figures {
    /// Of these values; none of no value.
    pub fn of(values: Vec<f64>) -> Option<Self> {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        let rank = (sorted.len() * 9).div_ceil(10);
        Some(Self { min: first, median, p90: sorted[rank - 1], max: last, values })
    }
}

/// A number with a comma between thousands and as many decimals as make sense for its size.
pub fn number(value: f64) -> String {
    let decimals = if value.fract() == 0.0 || value.abs() >= 100.0 { 0 } else { 1 };
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{out}") } else { format!("{sign}{out}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_few_and_many() {
        assert_eq!(Figures::of(vec![]), None);
        let one = Figures::of(vec![7.0]).unwrap();
        assert_eq!((one.min, one.median, one.p90, one.max), (7.0, 7.0, 7.0, 7.0));
        let ten = Figures::of((1..=10).rev().map(f64::from).collect()).unwrap();
        assert_eq!((ten.min, ten.median, ten.p90, ten.max), (1.0, 5.5, 9.0, 10.0));
        assert_eq!(ten.values[0], 10.0);
    }

    #[test]
    fn numbers_are_readable() {
        let all: Vec<String> =
            [0.0, 3.25, 99.95, 123.4, 1234.0, 1_234_567.8, -42.5].into_iter().map(number).collect();
        assert_eq!(all, ["0", "3.2", "100.0", "123", "1,234", "1,234,568", "-42.5"]);
    }
}
