//! `latency-tracking-info-percentiles`: numbers from 0 to 100.

use std::ops::RangeInclusive;

use resp::number::parse_f64;

use super::setting::Setting;

/// Percentiles that INFO shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Setting for Percentiles {
    const MANY_WORDS: bool = true;

    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let words = words.iter().filter(|word| !word.is_empty());
        let parse = |word: &Vec<u8>| {
            let percent = parse_f64(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            match (0.0..=100.0).contains(&percent) {
                true => Ok(percent),
                false => Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
            }
        };
        words.map(parse).collect::<Result<_, &str>>().map(Self).map_err(Into::into)
    }

    fn show(&self) -> String {
        self.0.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
    }

    fn lines(&self) -> Vec<String> {
        vec![if self.0.is_empty() { "\"\"".into() } else { self.show() }]
    }
}
