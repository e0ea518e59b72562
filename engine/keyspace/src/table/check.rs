//! What must hold in a table, and figures that only tests look at.

use super::{BUCKET_BITS, BUCKETS, SPLIT_ABOVE, Table};
use crate::hash::KeyHash;
use crate::segment::NEVER;

/// Entries that one split moves at most, when hashes are spread as they should be.
pub(crate) const SPLIT_WORK_MAX: usize = SPLIT_ABOVE as usize;

impl Table {
    /// Panics when an invariant is broken.
    pub(crate) fn check(&self) {
        if self.directory.is_empty() {
            assert_eq!((self.len, self.volatile, self.bytes()), (0, 0, 0));
            return;
        }
        assert_eq!(self.directory.len(), 1 << self.depth);
        assert_eq!((self.buckets.len(), self.deadlines.len()), (self.segments.len(), self.segments.len()));
        assert!(self.segments.len() == 1 || self.bucket_bits == BUCKET_BITS);
        let mut depths = self.depths;
        let mut pointed_to = 0;
        let (mut len, mut volatile, mut overflow_bytes) = (0, 0, 0);
        for (id, segment) in self.segments.iter().enumerate() {
            let local_depth = u32::from(segment.local_depth);
            depths[local_depth as usize] -= 1;
            let first = self.directory_index(segment.start);
            let pointers = &self.directory[first..first + (1 << (self.depth - local_depth))];
            assert!(pointers.iter().all(|p| p.segment() == id && p.local_depth() == local_depth));
            pointed_to += pointers.len();
            self.check_segment(id);
            len += segment.count as usize;
            volatile += segment.volatile as usize;
            overflow_bytes += segment.overflow_bytes();
        }
        assert_eq!(pointed_to, self.directory.len());
        assert!(depths.iter().all(|&n| n == 0));
        assert!(self.depths[self.depth as usize] > 0, "the directory is deeper than any segment");
        assert_eq!((len, volatile, overflow_bytes), (self.len, self.volatile, self.overflow_bytes));
    }

    fn check_segment(&self, id: usize) {
        let (segment, buckets) = self.segment(id);
        assert_eq!(buckets.len(), 1 << self.bucket_bits);
        let (mut count, mut volatile, mut earliest) = (0, 0, NEVER);
        for home in 0..buckets.len() {
            let len = segment.nth_of_chain(buckets, home, 0).0;
            let mut in_chain = 0;
            for slot in segment.chain(buckets, home) {
                let entry = slot.entry();
                let h = self.hasher.hash(entry.key());
                assert_eq!(self.home(h), Some((id, home)));
                assert_eq!(
                    self.find(h, entry.key()).map(|(_, s)| s.entry().key().as_ptr()),
                    Some(entry.key().as_ptr())
                );
                assert_eq!(slot.is_volatile(), entry.expires_at().is_some());
                if let Some(deadline) = entry.expires_at() {
                    volatile += 1;
                    earliest = earliest.min(deadline.0);
                }
                in_chain += 1;
            }
            assert!(in_chain == len || segment.has_spilled());
            assert!(segment.chain_end_is_right(buckets, home));
            count += in_chain;
        }
        assert_eq!((count, volatile), (segment.count as usize, segment.volatile));
        assert!(self.deadlines[id] <= earliest, "the bound is later than a deadline");
        assert!(segment.volatile > 0 || self.deadlines[id] == NEVER);
    }

    /// The number of entries in the segment of a hash and in the largest segment.
    pub(crate) fn counts(&self, h: KeyHash) -> (usize, usize) {
        let here = self.home(h).map_or(0, |(id, _)| self.segments[id].count);
        let largest = self.segments.iter().map(|segment| segment.count).max();
        (here as usize, largest.unwrap_or(0) as usize)
    }

    pub(crate) fn directory_len(&self) -> usize {
        self.directory.len()
    }

    /// The number of home buckets.
    pub(crate) fn home_buckets(&self) -> usize {
        if self.segments.len() > 1 {
            self.segments.len() * BUCKETS
        } else {
            self.segments.len() << self.bucket_bits
        }
    }
}
