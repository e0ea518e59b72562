//! A bucket: one cache line of seven entries, their fingerprints and a link.
//!
//! Lanes are filled from the front without gaps. It knows nothing of chains: what a link means
//! is the segment's business.

use crate::packed::{Slot, prefetch};

/// Entries in one bucket.
pub(crate) const LANES: usize = 7;

/// The meta byte that holds the link.
const LINK: usize = 7;

/// The top bit of every byte that belongs to a lane.
const LANE_BITS: u64 = 0x0080_8080_8080_8080;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;

/// Seven slots, their fingerprints (0: empty) and one link byte.
#[repr(C, align(64))]
pub(crate) struct Bucket {
    meta: [u8; 8],
    slots: [Option<Slot>; LANES],
}

impl Bucket {
    pub(crate) const EMPTY: Bucket = Bucket { meta: [0; 8], slots: [const { None }; LANES] };

    /// The lane and slot of the key.
    #[inline(always)]
    pub(crate) fn find(&self, fingerprint: u8, key: &[u8]) -> Option<(usize, &Slot)> {
        let mut candidates = self.candidates(fingerprint);
        while candidates != 0 {
            let lane = (candidates.trailing_zeros() / 8) as usize;
            if let Some(Some(slot)) = self.slots.get(lane)
                && slot.entry().key() == key
            {
                return Some((lane, slot));
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// One bit for each lane with this fingerprint; a bit above a right one may be wrong.
    #[inline(always)]
    fn candidates(&self, fingerprint: u8) -> u64 {
        let differing = u64::from_le_bytes(self.meta) ^ (LOW_BITS * u64::from(fingerprint));
        differing.wrapping_sub(LOW_BITS) & !differing & LANE_BITS
    }

    /// How many lanes are taken.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        // The lowest bit of a zero-byte search is always right, and lanes have no gaps.
        let empty = self.candidates(0);
        if empty == 0 { LANES } else { (empty.trailing_zeros() / 8) as usize }
    }

    #[inline(always)]
    pub(crate) fn link(&self) -> u8 {
        self.meta[LINK]
    }

    pub(crate) fn set_link(&mut self, link: u8) {
        self.meta[LINK] = link;
    }

    pub(crate) fn slot(&self, lane: usize) -> Option<&Slot> {
        self.slots[lane].as_ref()
    }

    pub(crate) fn slot_mut(&mut self, lane: usize) -> Option<&mut Slot> {
        self.slots[lane].as_mut()
    }

    /// The slots in use.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().map_while(Option::as_ref)
    }

    /// Adds an entry behind the others; gives it back when the bucket is full.
    #[inline]
    pub(crate) fn push(&mut self, fingerprint: u8, slot: Slot) -> Result<(), Slot> {
        let lane = self.len();
        if lane == LANES {
            return Err(slot);
        }
        self.meta[lane] = fingerprint;
        self.slots[lane] = Some(slot);
        Ok(())
    }

    /// Takes the last entry with its fingerprint.
    pub(crate) fn pop(&mut self) -> Option<(u8, Slot)> {
        let lane = self.len().checked_sub(1)?;
        let fingerprint = std::mem::take(&mut self.meta[lane]);
        self.slots[lane].take().map(|slot| (fingerprint, slot))
    }

    /// Puts another entry in the place of one and returns that.
    pub(crate) fn replace(&mut self, lane: usize, fingerprint: u8, slot: Slot) -> Option<Slot> {
        self.meta[lane] = fingerprint;
        self.slots[lane].replace(slot)
    }

    /// Loads the entries that a search for this fingerprint would compare. False: there are none.
    #[inline]
    pub(crate) fn prefetch_candidates(&self, fingerprint: u8) -> bool {
        let candidates = self.candidates(fingerprint);
        let mut left = candidates;
        while left != 0 {
            if let Some(Some(slot)) = self.slots.get((left.trailing_zeros() / 8) as usize) {
                slot.prefetch();
            }
            left &= left - 1;
        }
        candidates != 0
    }

    /// Loads all entries of the bucket.
    pub(crate) fn prefetch_entries(&self) {
        self.slots().for_each(Slot::prefetch);
    }

    /// Loads the bucket itself.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        prefetch(self);
    }
}
