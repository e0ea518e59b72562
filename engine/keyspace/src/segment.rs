//! A segment: home buckets that cover a contiguous part of the hash space, with the overflow
//! buckets and figures that belong to them.
//!
//! A full bucket links to an overflow bucket of the segment's pool, and so on. All buckets of a
//! chain but the last are full. Should a flood of equal hashes use up the pool, further entries
//! go to the `spilled` list and the chain's last link says so: slow, but right and without limit.
//!
//! The home buckets are not part of [`Segment`] itself: the table keeps them in an array beside,
//! so that a look-up loads nothing else. Splitting and merging are the table's business.

use crate::bucket::{Bucket, LANES};
use crate::packed::Slot;

/// The link that says that the chain goes on in the spilled list.
const SPILLED: u8 = 255;

/// Overflow buckets a segment may have: links are 1 to 254.
const OVERFLOW_MAX: usize = 254;

/// How many overflow buckets are allocated at a time.
const OVERFLOW_STEP: usize = 4;

/// The deadline of a segment without volatile keys.
pub(crate) const NEVER: i64 = i64::MAX;

/// Where in a segment an entry lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Home { lane: usize },
    Overflow { link: u8, lane: usize },
    Spilled { index: usize },
}

struct Spilled {
    home: u8,
    fingerprint: u8,
    slot: Slot,
}

/// What the last expiry cycle found here, so that the bound is exact again as soon as all keys it
/// reported are gone.
pub(crate) struct Reported {
    /// Reported were deadlines up to this one.
    pub(crate) until: i64,
    /// How many of the reported keys are still there.
    pub(crate) pending: u32,
    /// A lower bound of the other deadlines.
    pub(crate) later: i64,
}

impl Reported {
    pub(crate) const NOTHING: Reported = Reported { until: i64::MIN, pending: 0, later: NEVER };
}

pub(crate) struct Segment {
    overflow: Vec<Bucket>,
    spilled: Vec<Spilled>,
    /// The first of the unused overflow buckets, each of which links to the next.
    free: u8,
    pub(crate) local_depth: u8,
    /// The first hash of the segment's part of the hash space.
    pub(crate) start: u64,
    pub(crate) count: u32,
    pub(crate) volatile: u32,
    pub(crate) reported: Reported,
}

impl Segment {
    pub(crate) fn new(local_depth: u32, start: u64) -> Segment {
        Segment {
            overflow: Vec::new(),
            spilled: Vec::new(),
            free: 0,
            local_depth: local_depth as u8,
            start,
            count: 0,
            volatile: 0,
            reported: Reported::NOTHING,
        }
    }

    /// Memory of the overflow buckets and of the spilled list.
    pub(crate) fn overflow_bytes(&self) -> usize {
        self.overflow.capacity() * size_of::<Bucket>() + self.spilled.capacity() * size_of::<Spilled>()
    }

    /// Whether entries had to leave the chains; such a segment is neither split nor merged, which
    /// would be unbounded work.
    pub(crate) fn has_spilled(&self) -> bool {
        !self.spilled.is_empty()
    }

    /// Goes on with a search where the home bucket's link leads.
    #[cold]
    pub(crate) fn find_beyond(
        &self,
        home: usize,
        mut link: u8,
        fingerprint: u8,
        key: &[u8],
    ) -> Option<(Place, &Slot)> {
        while link != 0 && link != SPILLED {
            let bucket = &self.overflow[usize::from(link) - 1];
            if let Some((lane, slot)) = bucket.find(fingerprint, key) {
                return Some((Place::Overflow { link, lane }, slot));
            }
            link = bucket.link();
        }
        if link != SPILLED {
            return None;
        }
        self.spilled.iter().enumerate().find_map(|(index, one)| {
            let same = usize::from(one.home) == home
                && one.fingerprint == fingerprint
                && one.slot.entry().key() == key;
            same.then_some((Place::Spilled { index }, &one.slot))
        })
    }

    /// Loads what a search beyond the home bucket would look at first.
    pub(crate) fn prefetch_beyond(&self, link: u8) {
        if let Some(bucket) = self.overflow.get(usize::from(link).wrapping_sub(1)) {
            bucket.prefetch();
        }
    }

    /// The slot at a place that is not in a home bucket.
    pub(crate) fn beyond_mut(&mut self, place: Place) -> Option<&mut Slot> {
        match place {
            Place::Home { .. } => None,
            Place::Overflow { link, lane } => self.overflow[usize::from(link) - 1].slot_mut(lane),
            Place::Spilled { index } => self.spilled.get_mut(index).map(|one| &mut one.slot),
        }
    }

    /// Adds an entry to a home bucket's chain. The counts are the caller's.
    pub(crate) fn push(&mut self, buckets: &mut [Bucket], home: usize, fingerprint: u8, slot: Slot) {
        let Err(slot) = buckets[home].push(fingerprint, slot) else { return };
        self.push_beyond(&mut buckets[home], home, fingerprint, slot);
    }

    #[cold]
    fn push_beyond(&mut self, first: &mut Bucket, home: usize, fingerprint: u8, mut slot: Slot) {
        let mut last = 0;
        let mut link = first.link();
        while link != 0 && link != SPILLED {
            last = link;
            let bucket = &mut self.overflow[usize::from(link) - 1];
            match bucket.push(fingerprint, slot) {
                Ok(()) => return,
                Err(back) => slot = back,
            }
            link = bucket.link();
        }
        let end = link;
        let new = self.take_overflow();
        let tail = if last == 0 { first } else { &mut self.overflow[usize::from(last) - 1] };
        match new {
            Some(new) => {
                tail.set_link(new);
                let bucket = &mut self.overflow[usize::from(new) - 1];
                bucket.set_link(end);
                let pushed = bucket.push(fingerprint, slot);
                debug_assert!(pushed.is_ok());
            }
            None => {
                tail.set_link(SPILLED);
                self.spilled.push(Spilled { home: home as u8, fingerprint, slot });
            }
        }
    }

    /// The link of an empty overflow bucket, unless the pool is used up.
    fn take_overflow(&mut self) -> Option<u8> {
        if self.free != 0 {
            let link = self.free;
            let bucket = &mut self.overflow[usize::from(link) - 1];
            self.free = bucket.link();
            bucket.set_link(0);
            return Some(link);
        }
        if self.overflow.len() == OVERFLOW_MAX {
            return None;
        }
        if self.overflow.len() == self.overflow.capacity() {
            self.overflow.reserve_exact(OVERFLOW_STEP);
        }
        self.overflow.push(Bucket::EMPTY);
        Some(self.overflow.len() as u8)
    }

    /// Takes an entry out and closes the gap with the chain's last one. The counts are the
    /// caller's.
    pub(crate) fn remove(&mut self, buckets: &mut [Bucket], home: usize, place: Place) -> Option<Slot> {
        if let Place::Spilled { index } = place {
            let slot = self.spilled.swap_remove(index).slot;
            self.mark_spilled(&mut buckets[home], home);
            return Some(slot);
        }
        let (fingerprint, last) = self.pop_last(&mut buckets[home])?;
        let (bucket, lane) = match place {
            Place::Home { lane } => (&mut buckets[home], lane),
            Place::Overflow { link, lane } => (&mut self.overflow[usize::from(link) - 1], lane),
            Place::Spilled { .. } => return None,
        };
        // The popped entry is the wanted one itself when its lane is empty now.
        let removed =
            if bucket.slot(lane).is_none() { Some(last) } else { bucket.replace(lane, fingerprint, last) };
        if let Some(one) = self.spilled.pop() {
            let back = usize::from(one.home);
            self.push(buckets, back, one.fingerprint, one.slot);
            self.mark_spilled(&mut buckets[back], back);
        }
        removed
    }

    /// Takes the last entry of a chain; an overflow bucket that gets empty goes back to the pool.
    fn pop_last(&mut self, first: &mut Bucket) -> Option<(u8, Slot)> {
        let (mut before, mut last, mut link) = (0, 0, first.link());
        while link != 0 && link != SPILLED {
            (before, last) = (last, link);
            link = self.overflow[usize::from(link) - 1].link();
        }
        if last == 0 {
            return first.pop();
        }
        let bucket = &mut self.overflow[usize::from(last) - 1];
        let popped = bucket.pop();
        if bucket.len() == 0 {
            bucket.set_link(self.free);
            self.free = last;
            let tail = if before == 0 { first } else { &mut self.overflow[usize::from(before) - 1] };
            tail.set_link(link);
        }
        popped
    }

    /// Makes the end of a chain say whether it goes on in the spilled list.
    fn mark_spilled(&mut self, first: &mut Bucket, home: usize) {
        let end = if self.spilled.iter().any(|one| usize::from(one.home) == home) { SPILLED } else { 0 };
        let (mut last, mut link) = (0, first.link());
        while link != 0 && link != SPILLED {
            last = link;
            link = self.overflow[usize::from(link) - 1].link();
        }
        let tail = if last == 0 { first } else { &mut self.overflow[usize::from(last) - 1] };
        tail.set_link(end);
    }

    /// The entries of one home bucket with its whole chain.
    pub(crate) fn chain<'a>(&'a self, buckets: &'a [Bucket], home: usize) -> impl Iterator<Item = &'a Slot> {
        let mut link = buckets[home].link();
        let beyond = std::iter::from_fn(move || {
            let bucket = match link {
                0 | SPILLED => return None,
                _ => &self.overflow[usize::from(link) - 1],
            };
            link = bucket.link();
            Some(bucket)
        });
        let mut spilled = self.spilled.iter();
        let spilled = std::iter::from_fn(move || {
            spilled.find(|one| usize::from(one.home) == home).map(|one| &one.slot)
        });
        std::iter::once(&buckets[home]).chain(beyond).flat_map(Bucket::slots).chain(spilled)
    }

    /// Whether the end of a chain says what the spilled list holds.
    #[cfg(test)]
    pub(crate) fn chain_end_is_right(&self, buckets: &[Bucket], home: usize) -> bool {
        let mut link = buckets[home].link();
        while link != 0 && link != SPILLED {
            link = self.overflow[usize::from(link) - 1].link();
        }
        (link == SPILLED) == self.spilled.iter().any(|one| usize::from(one.home) == home)
    }

    /// How many entries one home bucket has with its chain, spilled ones left out, and the one at
    /// `index` among them.
    pub(crate) fn nth_of_chain<'a>(
        &'a self,
        buckets: &'a [Bucket],
        home: usize,
        index: usize,
    ) -> (usize, Option<&'a Slot>) {
        let mut bucket = &buckets[home];
        let (mut count, mut found) = (0, None);
        loop {
            if let Some(lane) = index.checked_sub(count).filter(|lane| *lane < LANES) {
                found = bucket.slot(lane);
            }
            count += bucket.len();
            match bucket.link() {
                0 | SPILLED => return (count, found),
                link => bucket = &self.overflow[usize::from(link) - 1],
            }
        }
    }

    /// All entries, in no order.
    pub(crate) fn entries<'a>(&'a self, buckets: &'a [Bucket]) -> impl Iterator<Item = &'a Slot> {
        let chained = buckets.iter().chain(&self.overflow).flat_map(Bucket::slots);
        chained.chain(self.spilled.iter().map(|one| &one.slot))
    }

    /// Empties a segment, giving each entry with its home bucket and fingerprint. The entries of
    /// later buckets are loaded ahead when the receiver is going to `look_at` them.
    pub(crate) fn drain(
        mut self,
        buckets: &mut [Bucket],
        load_ahead: LoadAhead,
        mut f: impl FnMut(usize, u8, Slot),
    ) {
        const AHEAD: usize = 2;
        for home in 0..buckets.len() {
            if load_ahead == LoadAhead::Entries
                && let Some(later) = buckets.get(home + AHEAD)
            {
                later.prefetch_entries();
            }
            let mut bucket = &mut buckets[home];
            loop {
                while let Some((fingerprint, slot)) = bucket.pop() {
                    f(home, fingerprint, slot);
                }
                match bucket.link() {
                    0 | SPILLED => break,
                    link => bucket = &mut self.overflow[usize::from(link) - 1],
                }
            }
        }
        for one in self.spilled.drain(..) {
            f(usize::from(one.home), one.fingerprint, one.slot);
        }
    }
}

/// Whether draining a segment loads the entries themselves ahead of time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadAhead {
    /// The receiver reads keys.
    Entries,
    /// The receiver only moves pointers.
    Nothing,
}
