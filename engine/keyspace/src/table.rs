//! The table: extendible hashing, from a hash to a slot.
//!
//! The directory is indexed with the top bits of the hash and names a segment; a segment of local
//! depth `d` covers the hashes that agree in their top `d` bits, and the bits after those name
//! the home bucket. A segment that gets full splits in two, two small buddies merge, and neither
//! ever touches more than those; only the directory, four bytes a segment, is copied as a whole.
//! So no insertion waits for the table to grow. Before there is more than one segment, that one
//! has 1, 8 or 64 buckets, so that a database of few keys stays small.
//!
//! **Invariant:** every bucket covers a contiguous range of the hash space. Scanning rests on it.
//!
//! Values and deadlines mean nothing here, except that a segment's figures of volatile keys move
//! with the keys.

#[cfg(test)]
pub(crate) mod check;

use crate::bucket::Bucket;
use crate::hash::{KeyHash, KeyHasher};
use crate::packed::Slot;
use crate::segment::{LoadAhead, NEVER, Place, Reported, Segment};
use crate::value::WallMs;

/// Bits that choose among the 64 buckets of a segment.
const BUCKET_BITS: u32 = 6;
const BUCKETS: usize = 1 << BUCKET_BITS;

/// The only segment grows and shrinks between 1, 8 and 64 buckets: three bits at a time.
const ROOT_STEP_BITS: u32 = 3;

/// Keeps every bucket's range a multiple of 2^11 hashes, as cursors need, with room to spare.
const MAX_DEPTH: u32 = 40;

/// A segment with more entries than this splits: 6.3 of 7 lanes of each home bucket.
const SPLIT_ABOVE: u32 = full_above(BUCKETS);

/// Keys for which a segment is made ahead of them: some get more than their share.
const RESERVED_PER_SEGMENT: usize = SPLIT_ABOVE as usize * 9 / 10;

/// Two buddies with at most this many entries together merge; half of what would split again.
const MERGE_UP_TO: u32 = SPLIT_ABOVE / 2;

/// After a removal a segment looks whether to merge when its count is a multiple of this.
const MERGE_CHECK_EVERY: u32 = 16;

const fn full_above(buckets: usize) -> u32 {
    (buckets * 63 / 10) as u32
}

/// Where an entry is: found once, used for what follows in the same call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Location {
    pub(crate) segment: usize,
    pub(crate) home: usize,
    pub(crate) place: Place,
}

/// A segment's number and its local depth in one word of the directory.
#[derive(Clone, Copy)]
struct Pointer(u32);

impl Pointer {
    const DEPTH_BITS: u32 = 6;

    fn new(segment: usize, local_depth: u32) -> Pointer {
        assert!(segment < 1 << (32 - Pointer::DEPTH_BITS), "more segments than the directory can name");
        Pointer((segment as u32) << Pointer::DEPTH_BITS | local_depth)
    }

    #[inline(always)]
    fn segment(self) -> usize {
        (self.0 >> Pointer::DEPTH_BITS) as usize
    }

    #[inline(always)]
    fn local_depth(self) -> u32 {
        self.0 & ((1 << Pointer::DEPTH_BITS) - 1)
    }
}

/// The slots of one database, by hash.
pub(crate) struct Table {
    pub(crate) hasher: KeyHasher,
    /// Empty as long as nothing has been inserted; otherwise 2^depth pointers.
    directory: Vec<Pointer>,
    depth: u32,
    /// The binary logarithm of the home buckets in a segment.
    bucket_bits: u32,
    /// The home buckets of each segment. This and the next two are parallel, without holes.
    buckets: Vec<Box<[Bucket]>>,
    #[expect(
        clippy::vec_box,
        reason = "unboxed, growing the array would copy a hundred bytes a segment at once"
    )]
    segments: Vec<Box<Segment>>,
    /// A lower bound of the deadlines in each segment, `NEVER` without volatile keys.
    pub(crate) deadlines: Vec<i64>,
    /// How many segments there are of each local depth.
    depths: [u32; MAX_DEPTH as usize + 1],
    len: usize,
    volatile: usize,
    overflow_bytes: usize,
}

impl Table {
    pub(crate) fn new(hasher: KeyHasher) -> Table {
        Table {
            hasher,
            directory: Vec::new(),
            depth: 0,
            bucket_bits: 0,
            buckets: Vec::new(),
            segments: Vec::new(),
            deadlines: Vec::new(),
            depths: [0; MAX_DEPTH as usize + 1],
            len: 0,
            volatile: 0,
            overflow_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn volatile_len(&self) -> usize {
        self.volatile
    }

    pub(crate) fn segment_count(&self) -> usize {
        self.segments.len()
    }

    pub(crate) fn segment(&self, id: usize) -> (&Segment, &[Bucket]) {
        (&self.segments[id], &self.buckets[id])
    }

    pub(crate) fn segment_mut(&mut self, id: usize) -> &mut Segment {
        &mut self.segments[id]
    }

    /// Memory asked for, without the entries.
    pub(crate) fn bytes(&self) -> usize {
        let homes = (self.segments.len() << self.bucket_bits) * size_of::<Bucket>();
        homes
            + self.segments.len() * size_of::<Segment>()
            + self.overflow_bytes
            + self.directory.capacity() * size_of::<Pointer>()
            + self.buckets.capacity() * size_of::<Box<[Bucket]>>()
            + self.segments.capacity() * size_of::<Box<Segment>>()
            + self.deadlines.capacity() * size_of::<i64>()
    }

    // --- Looking up ---

    #[inline(always)]
    fn directory_index(&self, hash: u64) -> usize {
        // Shifted in two steps, because a shift by 64 is none.
        ((hash >> 1) >> (63 - self.depth)) as usize
    }

    #[inline(always)]
    fn home_index(&self, hash: u64, local_depth: u32) -> usize {
        (((hash << local_depth) >> 1) >> (63 - self.bucket_bits)) as usize
    }

    /// The segment and the home bucket of a hash; `None` only when nothing has been inserted.
    #[inline(always)]
    fn home(&self, h: KeyHash) -> Option<(usize, usize)> {
        let pointer = *self.directory.get(self.directory_index(h.0))?;
        Some((pointer.segment(), self.home_index(h.0, pointer.local_depth())))
    }

    #[inline(always)]
    pub(crate) fn find(&self, h: KeyHash, key: &[u8]) -> Option<(Location, &Slot)> {
        let (segment, home) = self.home(h)?;
        let fingerprint = h.fingerprint();
        let bucket = &self.buckets[segment][home];
        if let Some((lane, slot)) = bucket.find(fingerprint, key) {
            return Some((Location { segment, home, place: Place::Home { lane } }, slot));
        }
        if bucket.link() == 0 {
            return None;
        }
        let (place, slot) = self.segments[segment].find_beyond(home, bucket.link(), fingerprint, key)?;
        Some((Location { segment, home, place }, slot))
    }

    #[inline(always)]
    pub(crate) fn prefetch_bucket(&self, h: KeyHash) {
        if let Some((segment, home)) = self.home(h) {
            self.buckets[segment][home].prefetch();
        }
    }

    #[inline(always)]
    pub(crate) fn prefetch_entry(&self, h: KeyHash) {
        let Some((segment, home)) = self.home(h) else { return };
        let bucket = &self.buckets[segment][home];
        if !bucket.prefetch_candidates(h.fingerprint()) && bucket.link() != 0 {
            self.segments[segment].prefetch_beyond(bucket.link());
        }
    }

    /// The slot at a location that `find` gave and nothing has changed since.
    #[inline(always)]
    pub(crate) fn slot_mut(&mut self, at: Location) -> &mut Slot {
        let slot = match at.place {
            Place::Home { lane } => self.buckets[at.segment][at.home].slot_mut(lane),
            _ => self.segments[at.segment].beyond_mut(at.place),
        };
        match slot {
            Some(slot) => slot,
            None => unreachable!("no slot at {at:?}"),
        }
    }

    /// The chain of the bucket that covers a hash, and the bucket's range: its first hash and the
    /// first one behind it, which is 0 at the end of the hash space.
    pub(crate) fn bucket_at(&self, hash: u64) -> Option<(impl Iterator<Item = &Slot>, u64, u64)> {
        let pointer = *self.directory.get(self.directory_index(hash))?;
        let (segment, buckets) = self.segment(pointer.segment());
        let home = self.home_index(hash, pointer.local_depth());
        let prefix_bits = pointer.local_depth() + self.bucket_bits;
        let (start, end) = if prefix_bits == 0 {
            (0, 0)
        } else {
            let size = 1u64 << (64 - prefix_bits);
            let start = hash & !(size - 1);
            (start, start.wrapping_add(size))
        };
        Some((segment.chain(buckets, home), start, end))
    }

    // --- Inserting and removing ---

    /// Adds an entry whose key is not in the table.
    pub(crate) fn insert(&mut self, h: KeyHash, slot: Slot) {
        if self.directory.is_empty() {
            self.plant();
        }
        self.make_room(h);
        let Some((id, home)) = self.home(h) else { unreachable!("a table without directory") };
        let deadline = slot.is_volatile().then(|| slot.entry().expires_at()).flatten();
        let segment = &mut self.segments[id];
        let before = segment.overflow_bytes();
        segment.push(&mut self.buckets[id], home, h.fingerprint(), slot);
        segment.count += 1;
        self.overflow_bytes += segment.overflow_bytes() - before;
        self.len += 1;
        if let Some(deadline) = deadline {
            self.deadline_added(id, deadline);
        }
    }

    /// Takes out the entry at a location that `find` gave and nothing has changed since.
    pub(crate) fn remove(&mut self, at: Location) -> Slot {
        let segment = &mut self.segments[at.segment];
        let before = segment.overflow_bytes();
        let Some(slot) = segment.remove(&mut self.buckets[at.segment], at.home, at.place) else {
            unreachable!("no slot at {at:?}")
        };
        segment.count -= 1;
        let count = segment.count;
        self.overflow_bytes = self.overflow_bytes + segment.overflow_bytes() - before;
        self.len -= 1;
        if slot.is_volatile()
            && let Some(deadline) = slot.entry().expires_at()
        {
            self.deadline_removed(at.segment, deadline);
        }
        if self.len == 0 {
            self.uproot();
        } else if count.is_multiple_of(MERGE_CHECK_EVERY) || self.bucket_bits < BUCKET_BITS {
            self.shrink(at.segment);
        }
        slot
    }

    // --- Deadlines ---

    pub(crate) fn deadline_added(&mut self, id: usize, deadline: WallMs) {
        let segment = &mut self.segments[id];
        segment.volatile += 1;
        self.volatile += 1;
        self.deadlines[id] = self.deadlines[id].min(deadline.0);
        let reported = &mut segment.reported;
        if deadline.0 <= reported.until {
            // One that was due already and not reported: only another look tells the rest.
            *reported = Reported::NOTHING;
        } else {
            reported.later = reported.later.min(deadline.0);
        }
    }

    pub(crate) fn deadline_removed(&mut self, id: usize, deadline: WallMs) {
        let segment = &mut self.segments[id];
        segment.volatile -= 1;
        self.volatile -= 1;
        if segment.volatile == 0 {
            segment.reported = Reported::NOTHING;
            self.deadlines[id] = NEVER;
        } else if deadline.0 <= segment.reported.until && segment.reported.pending > 0 {
            segment.reported.pending -= 1;
            if segment.reported.pending == 0 {
                self.deadlines[id] = segment.reported.later;
                segment.reported = Reported::NOTHING;
            }
        }
    }

    // --- Growing ---

    /// Makes the segments that so many keys will need, where there are none yet.
    pub(crate) fn reserve(&mut self, keys: usize) {
        let segments = keys.div_ceil(RESERVED_PER_SEGMENT).next_power_of_two();
        let depth = segments.trailing_zeros();
        if !self.directory.is_empty() || depth == 0 || depth > MAX_DEPTH {
            return;
        }
        self.bucket_bits = BUCKET_BITS;
        self.depth = depth;
        self.directory.reserve_exact(segments);
        for index in 0..segments {
            let start = (index as u64) << (64 - depth);
            let id = self.add_segment(Grown::new(BUCKETS, depth, start));
            self.directory.push(Pointer::new(id, depth));
        }
    }

    /// Makes the first segment.
    #[cold]
    fn plant(&mut self) {
        self.bucket_bits = 0;
        self.depth = 0;
        let id = self.add_segment(Grown::new(1, 0, 0));
        self.directory.push(Pointer::new(id, 0));
    }

    /// Splits the segment of a hash when it is full. At most once: what does not fit then goes to
    /// overflow buckets, and the next insertion splits on.
    #[inline]
    fn make_room(&mut self, h: KeyHash) {
        let Some((id, _)) = self.home(h) else { return };
        if self.segments[id].count < full_above(1 << self.bucket_bits) {
            return;
        }
        if self.bucket_bits < BUCKET_BITS {
            self.resize_root(self.bucket_bits + ROOT_STEP_BITS);
        } else if self.may_split(id) {
            self.split(id);
        }
    }

    /// Whether splitting is possible and worth it. Under a flood of hashes with the same top bits
    /// each split would double the directory for nothing, so that its size is kept proportional
    /// to the number of keys.
    fn may_split(&self, id: usize) -> bool {
        let segment = &self.segments[id];
        let local_depth = u32::from(segment.local_depth);
        !segment.has_spilled()
            && local_depth < MAX_DEPTH
            && (local_depth < self.depth || self.directory.len() * 2 <= 64 + self.len / 8)
    }

    #[cold]
    fn split(&mut self, id: usize) {
        let (segment, mut buckets) = self.take_segment(id);
        let depth = u32::from(segment.local_depth) + 1;
        let half = 1 << (64 - depth);
        let start = segment.start;
        if depth > self.depth {
            self.double_directory();
        }
        let mut low = Grown::new(BUCKETS, depth, start);
        let mut high = Grown::new(BUCKETS, depth, start | half);
        segment.drain(&mut buckets, LoadAhead::Entries, |_, fingerprint, slot| {
            let hash = self.hasher.hash(slot.entry().key()).0;
            let side = if hash & half == 0 { &mut low } else { &mut high };
            side.push(self.home_index(hash, depth), fingerprint, slot);
        });
        self.put_segment(id, low);
        let new = self.add_segment(high);
        self.point_to(id);
        self.point_to(new);
    }

    #[cold]
    fn double_directory(&mut self) {
        let mut doubled = Vec::with_capacity(self.directory.len() * 2);
        for &pointer in &self.directory {
            doubled.extend_from_slice(&[pointer, pointer]);
        }
        self.directory = doubled;
        self.depth += 1;
    }

    /// Gives the only segment another number of buckets.
    #[cold]
    fn resize_root(&mut self, bucket_bits: u32) {
        let (segment, mut buckets) = self.take_segment(0);
        let fewer_bits = self.bucket_bits.saturating_sub(bucket_bits);
        let growing = bucket_bits > self.bucket_bits;
        self.bucket_bits = bucket_bits;
        let mut root = Grown::new(1 << bucket_bits, 0, 0);
        segment.drain(&mut buckets, LoadAhead::Entries, |home, fingerprint, slot| {
            let home = if growing {
                self.home_index(self.hasher.hash(slot.entry().key()).0, 0)
            } else {
                home >> fewer_bits
            };
            root.push(home, fingerprint, slot);
        });
        self.put_segment(0, root);
    }

    // --- Shrinking ---

    /// Merges a segment with its buddy when both are small, or makes a small root smaller.
    fn shrink(&mut self, id: usize) {
        let local_depth = u32::from(self.segments[id].local_depth);
        if local_depth == 0 {
            if self.bucket_bits > 0 && !self.segments[id].has_spilled() {
                let fewer_bits = self.bucket_bits - ROOT_STEP_BITS;
                if self.segments[id].count <= full_above(1 << fewer_bits) / 3 {
                    self.resize_root(fewer_bits);
                }
            }
            return;
        }
        if self.segments[id].count > MERGE_UP_TO {
            return;
        }
        let buddy_start = self.segments[id].start ^ (1 << (64 - local_depth));
        let buddy = self.directory[self.directory_index(buddy_start)];
        let other = &self.segments[buddy.segment()];
        if buddy.local_depth() == local_depth
            && self.segments[id].count + other.count <= MERGE_UP_TO
            && !self.segments[id].has_spilled()
            && !other.has_spilled()
        {
            self.merge(id, buddy.segment());
        }
    }

    #[cold]
    fn merge(&mut self, one: usize, other: usize) {
        let (low_id, high_id) =
            if self.segments[one].start < self.segments[other].start { (one, other) } else { (other, one) };
        let deadline = self.deadlines[low_id].min(self.deadlines[high_id]);
        let (low, mut low_buckets) = self.take_segment(low_id);
        let (high, mut high_buckets) = self.take_segment(high_id);
        let depth = u32::from(low.local_depth) - 1;
        let volatile = low.volatile + high.volatile;
        let mut merged = Grown::new(BUCKETS, depth, low.start);
        low.drain(&mut low_buckets, LoadAhead::Nothing, |home, fingerprint, slot| {
            merged.push_unread(home / 2, fingerprint, slot);
        });
        high.drain(&mut high_buckets, LoadAhead::Nothing, |home, fingerprint, slot| {
            merged.push_unread((BUCKETS + home) / 2, fingerprint, slot);
        });
        merged.segment.volatile = volatile;
        merged.deadline = deadline;
        self.put_segment(low_id, merged);
        self.point_to(low_id);
        self.drop_segment(high_id);
        if self.depths[self.depth as usize] == 0 {
            self.halve_directory();
        }
    }

    #[cold]
    fn halve_directory(&mut self) {
        self.directory = self.directory.iter().step_by(2).copied().collect();
        self.depth -= 1;
        if self.directory.len() * 4 < self.buckets.capacity() {
            self.buckets.shrink_to(self.directory.len());
            self.segments.shrink_to(self.directory.len());
            self.deadlines.shrink_to(self.directory.len());
        }
    }

    /// Frees everything when the last key has gone.
    #[cold]
    fn uproot(&mut self) {
        let hasher = self.hasher.clone();
        *self = Table::new(hasher);
    }

    // --- The parallel arrays ---

    /// Takes a segment out of its place, which keeps the number until `put_segment`.
    fn take_segment(&mut self, id: usize) -> (Segment, Box<[Bucket]>) {
        let segment = std::mem::replace(&mut *self.segments[id], Segment::new(0, 0));
        self.overflow_bytes -= segment.overflow_bytes();
        self.depths[usize::from(segment.local_depth)] -= 1;
        self.deadlines[id] = NEVER;
        (segment, std::mem::take(&mut self.buckets[id]))
    }

    fn put_segment(&mut self, id: usize, grown: Grown) {
        self.depths[usize::from(grown.segment.local_depth)] += 1;
        self.overflow_bytes += grown.segment.overflow_bytes();
        *self.segments[id] = grown.segment;
        self.buckets[id] = grown.buckets;
        self.deadlines[id] = grown.deadline;
    }

    fn add_segment(&mut self, grown: Grown) -> usize {
        self.depths[usize::from(grown.segment.local_depth)] += 1;
        self.overflow_bytes += grown.segment.overflow_bytes();
        self.segments.push(Box::new(grown.segment));
        self.buckets.push(grown.buckets);
        self.deadlines.push(grown.deadline);
        self.segments.len() - 1
    }

    /// Removes the place of a segment that was taken out; the last one gets its number.
    fn drop_segment(&mut self, id: usize) {
        self.segments.swap_remove(id);
        self.buckets.swap_remove(id);
        self.deadlines.swap_remove(id);
        if id < self.segments.len() {
            self.point_to(id);
        }
    }

    /// Makes the directory name a segment wherever it covers the hashes.
    fn point_to(&mut self, id: usize) {
        let segment = &self.segments[id];
        let local_depth = u32::from(segment.local_depth);
        let first = self.directory_index(segment.start);
        let pointer = Pointer::new(id, local_depth);
        self.directory[first..first + (1 << (self.depth - local_depth))].fill(pointer);
    }
}

/// A segment being filled, with its home buckets and the bound of its deadlines.
struct Grown {
    segment: Segment,
    buckets: Box<[Bucket]>,
    deadline: i64,
}

impl Grown {
    fn new(buckets: usize, local_depth: u32, start: u64) -> Grown {
        Grown {
            segment: Segment::new(local_depth, start),
            buckets: std::iter::repeat_with(|| Bucket::EMPTY).take(buckets).collect(),
            deadline: NEVER,
        }
    }

    /// Adds an entry and its deadline.
    fn push(&mut self, home: usize, fingerprint: u8, slot: Slot) {
        if slot.is_volatile()
            && let Some(deadline) = slot.entry().expires_at()
        {
            self.segment.volatile += 1;
            self.deadline = self.deadline.min(deadline.0);
        }
        self.push_unread(home, fingerprint, slot);
    }

    /// Adds an entry without loading it; its deadline is the caller's business.
    fn push_unread(&mut self, home: usize, fingerprint: u8, slot: Slot) {
        self.segment.push(&mut self.buckets, home, fingerprint, slot);
        self.segment.count += 1;
    }
}
