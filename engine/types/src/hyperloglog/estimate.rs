//! From registers to a number of elements, by the improved estimator of Otmar Ertl ("New cardinality
//! estimation algorithms for HyperLogLog sketches", 2017, algorithm 6).

use super::stored::{Histogram, REGISTERS};

/// Bits of the hash that are searched for the first that is set.
const RANKS: usize = 64 - REGISTERS.trailing_zeros() as usize;
/// `1 / (2 ln 2)`.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The number of different elements that leave registers so distributed.
pub(super) fn cardinality(histogram: &Histogram) -> u64 {
    let registers = REGISTERS as f64;
    let share = |value: usize| f64::from(histogram[value]) / registers;
    let full = (registers - f64::from(histogram[RANKS + 1])) / registers;
    let mut sum = registers * tau(full);
    for value in (1..=RANKS).rev() {
        sum = (sum + f64::from(histogram[value])) * 0.5;
    }
    sum += registers * sigma(share(0));
    (ALPHA * registers * registers / sum).round() as u64
}

/// The correction for registers that are still zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * power;
        power += power;
        if sum == before {
            return sum;
        }
    }
}

/// The correction for registers that are as high as they can be.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut power, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        power *= 0.5;
        sum -= (1.0 - x).powi(2) * power;
        if sum == before {
            return sum / 3.0;
        }
    }
}
