//! Keys at random, for RANDOMKEY and for sampling what to evict.
//!
//! Roughly uniform: a random segment, a random bucket of it, a random place of the bucket's
//! chain, and again when nothing is there. All from one random number that the caller draws.

use crate::bucket::LANES;
use crate::db::Db;
use crate::packed::{Entry, Slot};

/// Places of a chain that are tried; entries of a longer one are chosen a little less often.
const CHAIN_PLACES: usize = 2 * LANES;

/// Failed tries after which an orderly search begins.
const TRIES: usize = 100;

/// One of `count` places, each equally likely, by a random number that the caller draws; 0 when there is none.
#[inline]
pub fn place_of(draw: u64, count: usize) -> usize {
    ((u128::from(draw) * count as u128) >> 64) as usize
}

/// Numbers made from one random number: Vigna's splitmix64.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        place_of(z, limit)
    }
}

impl Db {
    /// Any key, each about equally likely. It may have expired.
    pub fn random(&self, random: u64) -> Option<Entry<'_>> {
        if self.is_empty() {
            return None;
        }
        self.draw(&mut Draws(random), |_| true)
    }

    /// Any key that has a deadline, each about equally likely. It may have expired.
    pub fn random_volatile(&self, random: u64) -> Option<Entry<'_>> {
        if self.volatile_len() == 0 {
            return None;
        }
        self.draw(&mut Draws(random), Slot::is_volatile)
    }

    fn draw(&self, draws: &mut Draws, wanted: impl Fn(&Slot) -> bool) -> Option<Entry<'_>> {
        for _ in 0..TRIES {
            let (segment, buckets) = self.table.segment(draws.below(self.table.segment_count()));
            let home = draws.below(buckets.len());
            let mut index = draws.below(CHAIN_PLACES);
            let (len, mut found) = segment.nth_of_chain(buckets, home, index);
            if len > CHAIN_PLACES {
                index = draws.below(len);
                found = segment.nth_of_chain(buckets, home, index).1;
            }
            if let Some(slot) = found.filter(|slot| wanted(slot)) {
                return Some(slot.entry());
            }
        }
        self.search(draws, wanted)
    }

    /// Looks through the segments from a random one on, and chooses among what the first one with
    /// wanted entries has.
    #[cold]
    fn search(&self, draws: &mut Draws, wanted: impl Fn(&Slot) -> bool) -> Option<Entry<'_>> {
        let segments = self.table.segment_count();
        let from = draws.below(segments);
        for step in 0..segments {
            let (segment, buckets) = self.table.segment((from + step) % segments);
            let candidates = || segment.entries(buckets).filter(|slot| wanted(slot));
            let count = candidates().count();
            if count > 0 {
                return candidates().nth(draws.below(count)).map(Slot::entry);
            }
        }
        None
    }
}
