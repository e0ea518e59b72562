//! Seeded choices: `pick`, `shuffle`, `chance`.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine, so that a
//! seed replays a run. Each repeat of each experiment has a stream of its own; running only one experiment
//! does not change its choices. So has each handler, and each wait's condition: how often they run depends on
//! time, and must not change what the body chooses.

use rhai::Array;

use super::call::Call;
use super::failure::{Failure, Outcome};
use super::words::{Place, Takes, Word, required};
use crate::history::During;

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "pick",
        place: Place::Anywhere,
        params: &[required("array", Takes::Array)],
        variadic: false,
        options: &[],
        gives: "one element",
        summary: "One element of an array, chosen by the run's seed.",
        run: pick,
    },
    Word {
        name: "shuffle",
        place: Place::Anywhere,
        params: &[required("array", Takes::Array)],
        variadic: false,
        options: &[],
        gives: "an array",
        summary: "The elements of an array in an order chosen by the run's seed.",
        run: shuffle,
    },
    Word {
        name: "chance",
        place: Place::Anywhere,
        params: &[required("probability", Takes::Number)],
        variadic: false,
        options: &[],
        gives: "a boolean",
        summary: "True with this probability (0 to 1), by the run's seed.",
        run: chance,
    },
];

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The stream of one repeat.
    pub(crate) fn for_repeat(seed: u64, during: During) -> Self {
        let mut random = Self::new(seed ^ (u64::from(during.experiment) << 32 | u64::from(during.repeat)));
        // One step apart, neighbouring seeds would give streams that overlap.
        random.state = random.next().rotate_left(17) ^ seed;
        random
    }

    /// The stream of the handler that is declared as the `index`-th.
    pub(crate) fn for_handler(seed: u64, during: Option<During>, index: usize) -> Self {
        let mut random = during.map_or_else(|| Self::new(seed), |during| Self::for_repeat(seed, during));
        random.state ^= (index as u64 + 1).rotate_left(48);
        random.split()
    }

    /// A stream of its own, for the price of one number of this one.
    pub(crate) fn split(&mut self) -> Self {
        Self { state: self.next() }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, by multiplication: the bias is below 2^-32 for any array that fits.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn pick(call: &mut Call<'_>) -> Outcome {
    let array = array(call);
    if array.is_empty() {
        return Err(Failure::new(call.spot(0), "`pick` needs an array with at least one element").into());
    }
    let index = call.session.state.borrow_mut().random.below(array.len());
    Ok(array[index].clone())
}

fn shuffle(call: &mut Call<'_>) -> Outcome {
    let mut array = array(call);
    let random = &mut call.session.state.borrow_mut().random;
    for last in (1..array.len()).rev() {
        let other = random.below(last + 1);
        array.swap(last, other);
    }
    Ok(array.into())
}

fn chance(call: &mut Call<'_>) -> Outcome {
    let probability =
        call.get(0).and_then(|value| value.as_float().or_else(|_| value.as_int().map(|n| n as f64)).ok());
    match probability {
        Some(p) if (0.0..=1.0).contains(&p) => Ok((call.session.state.borrow_mut().random.unit() < p).into()),
        _ => Err(Failure::new(call.spot(0), "a probability lies between 0 and 1").into()),
    }
}

fn array(call: &Call<'_>) -> Array {
    call.get(0).and_then(|value| value.clone().try_cast::<Array>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_repeats_differ() {
        let draw = |mut random: Random| -> Vec<usize> { (0..8).map(|_| random.below(1000)).collect() };
        let repeat = |repeat| During { experiment: 0, repeat };
        assert_eq!(draw(Random::new(7)), draw(Random::new(7)));
        assert_ne!(draw(Random::for_repeat(7, repeat(0))), draw(Random::for_repeat(7, repeat(1))));
        assert_eq!(draw(Random::for_repeat(7, repeat(3))), draw(Random::for_repeat(7, repeat(3))));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut random = Random::new(1);
        let mut seen = [0u32; 6];
        for _ in 0..6000 {
            seen[random.below(6)] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1200).contains(&count)), "{seen:?}");
    }
}
