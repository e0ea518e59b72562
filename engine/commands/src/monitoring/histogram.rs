//! Durations of a command, counted in classes whose width grows with the duration.
//!
//! Two significant digits are kept, as in HdrHistogram: 128 classes for every doubling, from a nanosecond to
//! a second; what is longer counts as a second. LATENCY HISTOGRAM and the percentiles of INFO are read from
//! it and come out as Redis's do. Only classes up to the longest duration seen take memory.

/// Classes of a doubling.
const HALF: u64 = 128;
/// Longest duration told apart, in nanoseconds.
const LONGEST_NS: u64 = 1_000_000_000;
/// The first limit LATENCY HISTOGRAM shows, and the last, in nanoseconds.
const FIRST_LIMIT_NS: u64 = 1 << 10;
const LAST_LIMIT_NS: u64 = 1 << 29;

/// Counts by class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// The class of a duration.
fn class(ns: u64) -> usize {
    // Classes of a nanosecond each up to twice HALF, then ever wider ones.
    let doublings = u64::from(64 - (ns | (2 * HALF - 1)).leading_zeros()) - 8;
    ((doublings + 1) * HALF + (ns >> doublings) - HALF) as usize
}

/// The longest duration of a class.
fn longest(class: usize) -> u64 {
    let class = class as u64;
    match class / HALF {
        0 | 1 => class,
        half => {
            let doublings = half - 1;
            ((class - doublings * HALF) + 1) * (1 << doublings) - 1
        }
    }
}

impl Histogram {
    /// Counts `times` durations.
    pub(crate) fn add(&mut self, ns: u64, times: u64) {
        let class = class(ns.clamp(1, LONGEST_NS));
        if self.counts.len() <= class {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += times;
        self.total += times;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The duration that so many percent do not exceed, in nanoseconds.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent.min(100.0) / 100.0 * self.total as f64) + 0.5) as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return longest(class);
            }
        }
        0
    }

    /// Limits that double, in microseconds, and how many durations did not exceed each; only those that add
    /// to the one before.
    pub(crate) fn doubling(&self) -> Vec<(u64, u64)> {
        let mut shown: Vec<(u64, u64)> = Vec::new();
        let (mut limit, mut seen, mut from) = (FIRST_LIMIT_NS, 0, 0);
        while seen < self.total && limit <= LAST_LIMIT_NS {
            let at = class(limit);
            let to = (at + 1).min(self.counts.len());
            let within: u64 = self.counts[from.min(to)..to].iter().sum();
            seen += within;
            from = to;
            if within > 0 {
                shown.push((longest(at) / 1000, seen));
            }
            limit *= 2;
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_two_digits_wide() {
        for ns in [1, 127, 128, 255, 256, 257, 1000, 1024, 1031, 65_536, 123_456, 999_999_999] {
            let (class, longest) = (class(ns), longest(class(ns)));
            assert!(ns <= longest && longest - ns <= ns / 100, "{ns} in {class} up to {longest}");
            assert_eq!(super::class(longest), class);
            assert_eq!(super::class(longest + 1), class + 1);
        }
    }

    #[test]
    fn figures_are_those_of_redis() {
        let mut histogram = Histogram::default();
        // What redis-server shows of 3.007 and 17.023 µs is 3 and 17.
        histogram.add(3_000, 8);
        histogram.add(17_000, 1);
        assert_eq!((histogram.percentile(50.0), histogram.percentile(99.0)), (3_007, 17_023));
        assert_eq!(histogram.doubling(), [(4, 8), (33, 9)]);
        histogram.add(900_000_000, 1);
        assert_eq!(histogram.doubling(), [(4, 8), (33, 9)], "beyond what is shown");
        histogram.add(u64::MAX, 1);
        assert_eq!(histogram.total(), 11);
    }
}
