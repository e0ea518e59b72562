//! A database: keys to values, with deadlines and an access clock.
//!
//! It knows no time: a key whose deadline has passed is still there until the caller removes it.
//! Nor does it know of notifications, replication or eviction policies.

use crate::hash::{Cursor, HashSeed, KeyHash, KeyHasher};
use crate::object::{Data, Object, ObjectMut, Typed, Updated, WrongKind};
use crate::packed::{Body, Entry, Recipe, Slot, fits_inline};
use crate::table::{Location, Table};
use crate::value::{EMBSTR_MAX_LEN, Encoding, Expiry, Value, WallMs, parse_canonical_int};

/// A scratch buffer larger than this is given back after use.
const SCRATCH_KEPT_BYTES: usize = 4096;

/// One database.
pub struct Db {
    pub(crate) table: Table,
    /// Memory of the entries; the table counts its own.
    entry_bytes: usize,
    /// Where small values are edited.
    scratch: Vec<u8>,
    /// The segment where the next expiry cycle begins.
    pub(crate) expire_from: usize,
}

impl Db {
    /// An empty database; it allocates nothing until the first key comes.
    pub fn new(seed: HashSeed) -> Db {
        Db::with_hasher(KeyHasher::new(seed))
    }

    pub(crate) fn with_hasher(hasher: KeyHasher) -> Db {
        Db { table: Table::new(hasher), entry_bytes: 0, scratch: Vec::new(), expire_from: 0 }
    }

    /// The number of keys.
    #[inline]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// The number of keys with a deadline.
    #[inline]
    pub fn volatile_len(&self) -> usize {
        self.table.volatile_len()
    }

    /// The memory asked for, entries and table, in bytes.
    pub fn bytes(&self) -> usize {
        self.entry_bytes + self.table.bytes() + self.scratch.capacity()
    }

    /// The part of [`bytes`](Self::bytes) that is not entries.
    pub fn table_bytes(&self) -> usize {
        self.table.bytes() + self.scratch.capacity()
    }

    /// Makes room for so many keys, which are about to come; of use only while there is none.
    pub fn reserve(&mut self, keys: usize) {
        self.table.reserve(keys);
    }

    /// The hash that all other calls take beside the key.
    #[inline]
    pub fn hash_of(&self, key: &[u8]) -> KeyHash {
        self.table.hasher.hash(key)
    }

    /// Begins to load the bucket of a key: the first pass over a batch of commands.
    #[inline]
    pub fn prefetch_bucket(&self, h: KeyHash) {
        self.table.prefetch_bucket(h);
    }

    /// Begins to load the entry of a key: the second pass over a batch of commands.
    #[inline]
    pub fn prefetch_entry(&self, h: KeyHash) {
        self.table.prefetch_entry(h);
    }

    /// The entry of a key, expired or not.
    #[inline]
    pub fn get(&self, h: KeyHash, key: &[u8]) -> Option<Entry<'_>> {
        self.table.find(h, key).map(|(_, slot)| slot.entry())
    }

    /// The entry of a key, whose access clock is set on the way.
    #[inline]
    pub fn get_touch(&mut self, h: KeyHash, key: &[u8], clock: Option<u32>) -> Option<Entry<'_>> {
        let (at, _) = self.table.find(h, key)?;
        let slot = self.table.slot_mut(at);
        if let Some(clock) = clock {
            slot.touch(clock);
        }
        Some(slot.entry())
    }

    /// Sets the 24-bit access clock of a key, if there is such a key.
    pub fn touch(&mut self, h: KeyHash, key: &[u8], clock: u32) {
        self.get_touch(h, key, Some(clock));
    }

    /// Sets a string, choosing the encoding that SET would.
    #[inline]
    pub fn set_bytes(&mut self, h: KeyHash, key: &[u8], value: &[u8], expiry: Expiry, clock: u32) {
        match parse_canonical_int(value) {
            Some(n) => self.set_int(h, key, n, expiry, clock),
            None if value.len() <= EMBSTR_MAX_LEN => {
                self.store(h, key, Value::Bytes(value), Encoding::Embstr, expiry, clock);
            }
            None => self.set_raw(h, key, value, expiry, clock),
        }
    }

    /// Sets a string that is text whatever it looks like: never an integer.
    pub fn set_text(&mut self, h: KeyHash, key: &[u8], value: &[u8], expiry: Expiry, clock: u32) {
        let encoding = if value.len() <= EMBSTR_MAX_LEN { Encoding::Embstr } else { Encoding::Raw };
        self.store(h, key, Value::Bytes(value), encoding, expiry, clock);
    }

    /// Sets a string whose encoding is raw, whatever its length and form.
    pub fn set_raw(&mut self, h: KeyHash, key: &[u8], value: &[u8], expiry: Expiry, clock: u32) {
        self.store(h, key, Value::Bytes(value), Encoding::Raw, expiry, clock);
    }

    /// Sets a string that is the decimal text of an integer.
    pub fn set_int(&mut self, h: KeyHash, key: &[u8], value: i64, expiry: Expiry, clock: u32) {
        self.store(h, key, Value::Int(value), Encoding::Int, expiry, clock);
    }

    #[inline]
    fn store(
        &mut self,
        h: KeyHash,
        key: &[u8],
        value: Value<'_>,
        encoding: Encoding,
        expiry: Expiry,
        clock: u32,
    ) {
        let found = self.table.find(h, key).map(|(at, slot)| (at, slot.entry()));
        let old_deadline = found.and_then(|(_, entry)| entry.expires_at());
        let expires_at = match expiry {
            Expiry::Keep => old_deadline,
            Expiry::Clear => None,
            Expiry::At(at) => Some(at),
        };
        let body = match value {
            Value::Int(n) => Body::Int(n),
            Value::Bytes(bytes) => Body::of_bytes(key, bytes, expires_at.is_some()),
        };
        let recipe = Recipe { key, clock, encoding, expires_at, body };
        let found = found.map(|(at, entry)| (at, entry.bytes()));
        self.put(h, found, recipe, old_deadline);
    }

    /// Stores a value of any kind under a key, in place of what was there.
    pub fn set_object(&mut self, h: KeyHash, key: &[u8], object: Object, expiry: Expiry, clock: u32) {
        let found = self.table.find(h, key).map(|(at, slot)| (at, slot.entry()));
        let old_deadline = found.and_then(|(_, entry)| entry.expires_at());
        let expires_at = match expiry {
            Expiry::Keep => old_deadline,
            Expiry::Clear => None,
            Expiry::At(at) => Some(at),
        };
        let recipe = Recipe { key, clock, encoding: Encoding::Raw, expires_at, body: Body::Object(object) };
        let found = found.map(|(at, entry)| (at, entry.bytes()));
        self.put(h, found, recipe, old_deadline);
    }

    /// Changes a value of kind `T` in its place. `None` when there is no such key.
    ///
    /// The access clock is stamped on the way, and the memory the value holds is counted anew.
    #[inline]
    pub fn update<T: Typed, R>(
        &mut self,
        h: KeyHash,
        key: &[u8],
        clock: Option<u32>,
        f: impl FnOnce(&mut T) -> R,
    ) -> Option<Result<Updated<R>, WrongKind>> {
        let (at, _) = self.table.find(h, key)?;
        let slot = self.table.slot_mut(at);
        let Some(value) = slot.object_mut().and_then(T::of_mut) else { return Some(Err(WrongKind)) };
        let old_bytes = value.heap_bytes();
        let result = f(value);
        let (new_bytes, emptied) = (value.heap_bytes(), value.is_void());
        self.entry_bytes = self.entry_bytes + new_bytes - old_bytes;
        if let Some(clock) = clock {
            slot.touch(clock);
        }
        Some(Ok(Updated { result, emptied }))
    }

    /// Writes an entry over the one `found` (with its memory), or as a new one.
    #[inline]
    fn put(
        &mut self,
        h: KeyHash,
        found: Option<(Location, usize)>,
        recipe: Recipe<'_>,
        old_deadline: Option<WallMs>,
    ) {
        let expires_at = recipe.expires_at;
        match found {
            Some((at, old_bytes)) => {
                let slot = self.table.slot_mut(at);
                slot.overwrite(recipe);
                self.entry_bytes = self.entry_bytes + slot.entry().bytes() - old_bytes;
                self.deadline_changed(at, old_deadline, expires_at);
            }
            None => self.insert(h, Slot::new(recipe)),
        }
    }

    /// Adds an entry whose key is not there.
    pub(crate) fn insert(&mut self, h: KeyHash, slot: Slot) {
        self.entry_bytes += slot.entry().bytes();
        self.table.insert(h, slot);
    }

    fn deadline_changed(&mut self, at: Location, old: Option<WallMs>, new: Option<WallMs>) {
        if old == new {
            return;
        }
        // The new one first: removing the last one of a segment would forget its figures.
        if let Some(deadline) = new {
            self.table.deadline_added(at.segment, deadline);
        }
        if let Some(deadline) = old {
            self.table.deadline_removed(at.segment, deadline);
        }
    }

    /// Changes a string in place, as a growable buffer; the key and its deadline stay and the
    /// encoding becomes raw. `None` when there is no such key.
    ///
    /// Long values are not copied: appending costs what is appended, on average.
    pub fn edit<R>(&mut self, h: KeyHash, key: &[u8], f: impl FnOnce(&mut Vec<u8>) -> R) -> Option<R> {
        let (at, slot) = self.table.find(h, key)?;
        let old_bytes = slot.entry().bytes();
        let slot = self.table.slot_mut(at);
        let result = match slot.object_mut() {
            Some(ObjectMut::Raw(bytes)) => {
                let result = f(bytes);
                slot.set_encoding(Encoding::Raw);
                result
            }
            Some(_) => unreachable!("a string is edited, and this is none"),
            None => edit_inline(slot, key, &mut self.scratch, f),
        };
        let new_bytes = slot.entry().bytes();
        self.entry_bytes = self.entry_bytes + new_bytes - old_bytes;
        Some(result)
    }

    /// Sets or takes away the deadline of a key. False when there is no such key.
    pub fn set_expiry(&mut self, h: KeyHash, key: &[u8], at: Option<WallMs>) -> bool {
        let Some((location, slot)) = self.table.find(h, key) else { return false };
        let (old, old_bytes) = (slot.entry().expires_at(), slot.entry().bytes());
        if old != at {
            let slot = self.table.slot_mut(location);
            slot.set_expires_at(at);
            self.entry_bytes = self.entry_bytes + slot.entry().bytes() - old_bytes;
            self.deadline_changed(location, old, at);
        }
        true
    }

    /// Takes a key out, with everything that belongs to it.
    pub fn remove(&mut self, h: KeyHash, key: &[u8]) -> Option<Removed> {
        let (at, slot) = self.table.find(h, key)?;
        self.entry_bytes -= slot.entry().bytes();
        Some(Removed(self.table.remove(at)))
    }

    /// Puts what was taken out under a key, in place of what that key held, with its value,
    /// deadline, encoding and access clock (RENAME, MOVE).
    pub fn insert_removed(&mut self, h: KeyHash, key: &[u8], r: Removed) {
        drop(self.remove(h, key));
        let slot = if r.key() == key { r.0 } else { r.0.with_key(key) };
        self.insert(h, slot);
    }

    /// Empties the database and returns what it held, which may be dropped on another thread.
    /// The seed stays, so hashes and cursors keep their meaning.
    #[must_use = "dropping it is the expensive part"]
    pub fn take(&mut self) -> Db {
        let empty = Db::with_hasher(self.table.hasher.clone());
        std::mem::replace(self, empty)
    }

    /// Visits keys from a cursor on and returns the cursor to go on from, 0 at the end.
    ///
    /// At least `count` entries are visited unless the end comes first or the table is very
    /// sparse there; a bucket is always visited as a whole. A key that is there from the first
    /// call to the last is visited exactly once, however the table grows or shrinks meanwhile;
    /// one that is not, at most once.
    pub fn scan(&self, c: Cursor, count: usize, f: &mut dyn FnMut(Entry<'_>)) -> Cursor {
        let mut position = c.position();
        let mut visited = 0;
        let mut buckets_left = count.max(1).saturating_mul(10);
        while let Some((chain, start, end)) = self.table.bucket_at(position) {
            for slot in chain {
                let entry = slot.entry();
                // Inside a bucket only after the table has changed: the part before was visited.
                if position == start || self.hash_of(entry.key()).0 >= position {
                    f(entry);
                    visited += 1;
                }
            }
            buckets_left -= 1;
            if end == 0 || visited >= count || buckets_left == 0 {
                return Cursor::at(end);
            }
            position = end;
        }
        Cursor(0)
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.table.segment_count()).flat_map(|id| {
            let (segment, buckets) = self.table.segment(id);
            segment.entries(buckets).map(Slot::entry)
        })
    }
}

/// Edits an integer or an inline value by way of the scratch buffer.
fn edit_inline<R>(
    slot: &mut Slot,
    key: &[u8],
    scratch: &mut Vec<u8>,
    f: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    let mut buffer = std::mem::take(scratch);
    buffer.clear();
    slot.entry().value().write_to(&mut buffer);
    let result = f(&mut buffer);
    if fits_inline(key.len(), buffer.len(), slot.is_volatile()) {
        slot.overwrite(edited(slot.entry(), key, Body::Inline(&buffer)));
        if buffer.capacity() <= SCRATCH_KEPT_BYTES {
            *scratch = buffer;
        }
    } else {
        slot.overwrite(edited(slot.entry(), key, Body::Object(Object::Raw(buffer))));
    }
    result
}

/// An entry as it was but for its value, which is raw now.
fn edited<'a>(entry: Entry<'_>, key: &'a [u8], body: Body<'a>) -> Recipe<'a> {
    Recipe { key, clock: entry.access(), encoding: Encoding::Raw, expires_at: entry.expires_at(), body }
}

/// An entry that is in no database any more. Dropping it frees its memory.
pub struct Removed(pub(crate) Slot);

impl Removed {
    /// The key it was under.
    pub fn key(&self) -> &[u8] {
        self.0.entry().key()
    }

    /// The value, of whatever kind.
    pub fn data(&self) -> Data<'_> {
        self.0.entry().data()
    }

    /// The deadline, if it had one.
    pub fn expires_at(&self) -> Option<WallMs> {
        self.0.entry().expires_at()
    }

    /// Everything about it, as of an entry that is still in a database.
    pub fn entry(&self) -> Entry<'_> {
        self.0.entry()
    }

    /// Roughly how many allocations dropping it frees.
    pub fn free_effort(&self) -> usize {
        self.0.entry().free_effort()
    }
}
