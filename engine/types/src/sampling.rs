//! Elements at random: what HRANDFIELD, SRANDMEMBER and ZRANDMEMBER have in common.
//!
//! Different elements are chosen so that each choice of as many is equally likely; elements that may
//! repeat are drawn one by one. A reply without bound is refused: Redis would make it until memory ends.

use std::borrow::Cow;
use std::collections::BTreeSet;

use keyspace::place_of;

use crate::arguments::integer;
use crate::{CommandError, Random};

/// A reply with repetitions may take no more than this.
const REPLY_MAX_BYTES: u64 = 512 << 20;
/// What an element takes in a reply, beside itself.
const FRAME_BYTES: u64 = 6;
/// Choosing by drawing pays while at most one in so many is chosen.
const DRAWN_ONE_IN: usize = 3;

/// The number of elements asked for; negative: with repetitions.
pub(crate) fn count(argument: &[u8]) -> Result<i64, CommandError> {
    match integer(argument)? {
        i64::MIN => Err(CommandError::new(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        count => Ok(count),
    }
}

/// Gives `count` elements, each drawn of all.
///
/// # Errors
/// [`CommandError::OutOfRange`] when they would be more than a reply can hold; some may have been given.
pub(crate) fn draw_repeating<I: Copy>(
    random: &mut Random,
    count: u64,
    pick: impl Fn(u64) -> Option<I>,
    len_of: impl Fn(I) -> usize,
    mut give: impl FnMut(I),
) -> Result<(), CommandError> {
    if count > REPLY_MAX_BYTES / FRAME_BYTES {
        return Err(CommandError::OutOfRange);
    }
    let mut bytes = 0;
    for _ in 0..count {
        let Some(element) = pick(random.next_u64()) else { break };
        bytes += FRAME_BYTES + len_of(element) as u64;
        if bytes > REPLY_MAX_BYTES {
            return Err(CommandError::OutOfRange);
        }
        give(element);
    }
    Ok(())
}

/// The element that a random number means.
pub(crate) fn pick_of<I: Copy>(all: &[I], draw: u64) -> Option<I> {
    all.get(place_of(draw, all.len())).copied()
}

/// Gives `wanted` different ones of `total` elements, in no particular order where they are drawn (`pick`),
/// in the order of `all` where that is walked.
pub(crate) fn draw_different<'a, I: Copy>(
    random: &mut Random,
    (wanted, total): (usize, usize),
    all: impl Iterator<Item = I>,
    pick: impl Fn(u64) -> Option<I>,
    name_of: impl Fn(I) -> Cow<'a, [u8]>,
    mut give: impl FnMut(I),
) {
    if wanted.saturating_mul(DRAWN_ONE_IN) > total {
        let mut choice = Choice { wanted, left: total };
        all.filter(|_| choice.next(random)).for_each(give);
        return;
    }
    let mut seen = BTreeSet::new();
    while seen.len() < wanted {
        let Some(element) = pick(random.next_u64()) else { break };
        if seen.insert(name_of(element)) {
            give(element);
        }
    }
}

/// Chooses `wanted` of the `left` things that are still to pass by (Knuth's algorithm S).
pub(crate) struct Choice {
    pub(crate) wanted: usize,
    pub(crate) left: usize,
}

impl Choice {
    /// Whether the next one is chosen.
    pub(crate) fn next(&mut self, random: &mut Random) -> bool {
        if self.left == 0 {
            return false;
        }
        let chosen = random.below(self.left as u64) < self.wanted as u64;
        self.left -= 1;
        self.wanted -= usize::from(chosen);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, wanted: usize, total: usize) -> Vec<usize> {
        let mut chosen = Vec::new();
        let pick = |draw: u64| Some(place_of(draw, total));
        let name = |one: usize| Cow::Owned(one.to_be_bytes().to_vec());
        draw_different(&mut Random::new(seed), (wanted, total), 0..total, pick, name, |one| chosen.push(one));
        chosen
    }

    #[test]
    fn as_many_different_ones_as_wanted_and_each_as_often_as_the_others() {
        for (wanted, total) in [(1, 1), (2, 10), (5, 10), (9, 10), (10, 10)] {
            let mut times = vec![0; total];
            for seed in 0..2000 {
                let mut chosen = drawn(seed, wanted, total);
                chosen.iter().for_each(|one| times[*one] += 1);
                chosen.sort_unstable();
                chosen.dedup();
                assert_eq!(chosen.len(), wanted);
            }
            let fair = 2000 * wanted / total;
            assert!(times.iter().all(|times| (fair * 3 / 4..=fair * 5 / 4).contains(times)), "{times:?}");
        }
    }

    #[test]
    fn a_reply_without_bound_is_refused() {
        let draw = |count, len| draw_repeating(&mut Random::new(1), count, |_| Some(()), |()| len, |()| ());
        assert_eq!(draw(1000, 10), Ok(()));
        assert_eq!(draw(i64::MAX as u64, 1), Err(CommandError::OutOfRange));
        assert_eq!(draw(1000, 1 << 20), Err(CommandError::OutOfRange));
    }

    #[test]
    fn counts() {
        assert_eq!(count(b"-9223372036854775807"), Ok(-i64::MAX));
        assert!(count(b"-9223372036854775808").is_err());
        assert_eq!(count(b"1.5"), Err(CommandError::NotAnInteger));
    }
}
