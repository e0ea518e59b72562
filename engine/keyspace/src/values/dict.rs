//! The table of fields inside a value: of a hash, a set, a sorted set.
//!
//! Entries are packed like keys of a database (`packed`), without deadline and access clock. Few of them lie in a row
//! and are searched one by one: many a small hash is a table only because one value is long, and the
//! extendible-hash table costs half a kilobyte before the first entry. More of them make a [`Db`],
//! which grows without stalling and is scanned with SCAN's guarantees. A dict that once grew does not
//! become a row again, but gives its memory back like any table.
//!
//! An entry stays at its address while it is in the dict, unless another value of another size takes its
//! value's place; an integer in an integer's place never moves it.
//!
//! What a field means, and when a collection becomes a dict, is the owner's business.

use std::fmt;

use crate::db::{Db, Removed};
use crate::hash::{Cursor, HashSeed};
use crate::packed::{Body, Entry, Handle, Recipe, Slot};
use crate::sample::place_of;
use crate::value::{Encoding, Expiry, Value, parse_canonical_int};

/// The most entries that are searched one by one.
const ROW_MAX: usize = 16;

/// How many places a row grows by, once it has as many.
const ROW_STEP: usize = 4;

/// An integer takes eight bytes; shorter texts are kept as they are.
const INT_BYTES: usize = 8;

/// Entries by key.
pub struct Dict {
    seed: HashSeed,
    form: Form,
}

enum Form {
    Row(Row),
    Table(Box<Db>),
}

#[derive(Default)]
struct Row {
    slots: Vec<Slot>,
    /// Memory of the entries.
    entry_bytes: usize,
}

impl Dict {
    /// One without entries; nobody who does not know the seed can make its keys collide.
    pub fn new(seed: HashSeed) -> Dict {
        Dict { seed, form: Form::Row(Row::default()) }
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Row(row) => row.slots.len(),
            Form::Table(table) => table.len(),
        }
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory asked for, beyond the value itself.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Row(row) => row.slots.capacity() * size_of::<Slot>() + row.entry_bytes,
            Form::Table(table) => size_of::<Db>() + table.bytes(),
        }
    }

    /// Makes room for so many entries in all, where they are known to come.
    pub fn reserve(&mut self, entries: usize) {
        match &mut self.form {
            Form::Row(row) if entries <= ROW_MAX => {
                row.slots.reserve_exact(entries.saturating_sub(row.slots.len()));
            }
            Form::Row(_) => self.become_table(),
            Form::Table(_) => {}
        }
    }

    /// The entry of a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Entry<'_>> {
        match &self.form {
            Form::Row(row) => row.find(key).map(|at| row.slots[at].entry()),
            Form::Table(table) => table.get(table.hash_of(key), key),
        }
    }

    /// Whether there is an entry of this key.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// Adds an entry without a value; false when the key is there, whose entry stays as it is.
    #[inline]
    pub fn add(&mut self, key: &[u8]) -> bool {
        if let Form::Table(table) = &mut self.form {
            let hash = table.hash_of(key);
            let absent = table.get(hash, key).is_none();
            if absent {
                table.insert(hash, Slot::new(recipe(key, Value::Bytes(b""))));
            }
            return absent;
        }
        let absent = !self.contains(key);
        if absent {
            self.put(key, Value::Bytes(b""));
        }
        absent
    }

    /// Gives a key a string, in place of any it has; true when the key is new. The text of an integer is
    /// kept as one where that takes less.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> bool {
        let value = match value.len() > INT_BYTES {
            true => parse_canonical_int(value).map_or(Value::Bytes(value), Value::Int),
            false => Value::Bytes(value),
        };
        self.put(key, value)
    }

    /// Gives a key an integer, in place of what it has; true when the key is new.
    #[inline]
    pub fn set_int(&mut self, key: &[u8], value: i64) -> bool {
        self.put(key, Value::Int(value))
    }

    /// Adds an entry with an integer for a key that is not there, as the caller knows; gives its handle.
    #[inline]
    pub(crate) fn insert_int(&mut self, key: &[u8], value: i64) -> Handle {
        debug_assert!(!self.contains(key));
        let slot = Slot::new(recipe(key, Value::Int(value)));
        let handle = Handle::of(slot.entry());
        match &mut self.form {
            Form::Row(row) if row.slots.len() < ROW_MAX => row.push(slot),
            _ => {
                if matches!(self.form, Form::Row(_)) {
                    self.become_table();
                }
                let Form::Table(table) = &mut self.form else { unreachable!("a row that became a table") };
                table.insert(table.hash_of(key), slot);
            }
        }
        handle
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: Value<'_>) -> bool {
        if let Form::Row(row) = &mut self.form {
            if let Some(at) = row.find(key) {
                row.overwrite(at, key, value);
                return false;
            }
            if row.slots.len() < ROW_MAX {
                row.push(Slot::new(recipe(key, value)));
                return true;
            }
            self.become_table();
        }
        let Form::Table(table) = &mut self.form else { unreachable!("a row that became a table") };
        let (hash, before) = (table.hash_of(key), table.len());
        match value {
            Value::Int(number) => table.set_int(hash, key, number, Expiry::Clear, 0),
            Value::Bytes(bytes) => table.set_raw(hash, key, bytes, Expiry::Clear, 0),
        }
        table.len() > before
    }

    #[cold]
    fn become_table(&mut self) {
        let mut table = Box::new(Db::new(self.seed));
        if let Form::Row(row) = &mut self.form {
            for slot in std::mem::take(&mut row.slots) {
                let hash = table.hash_of(slot.entry().key());
                table.insert(hash, slot);
            }
        }
        self.form = Form::Table(table);
    }

    /// Takes out the entry of a key.
    pub fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        match &mut self.form {
            Form::Row(row) => row.find(key).map(|at| Removed(row.remove(at))),
            Form::Table(table) => table.remove(table.hash_of(key), key),
        }
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let (row, table) = match &self.form {
            Form::Row(row) => (Some(row), None),
            Form::Table(table) => (None, Some(table)),
        };
        let row = row.into_iter().flat_map(|row| row.slots.iter().map(Slot::entry));
        row.chain(table.into_iter().flat_map(|table| table.iter()))
    }

    /// Visits entries from a cursor on and returns the cursor to go on from, 0 at the end; as of a
    /// database, but few entries are visited all at once, whatever the cursor.
    pub fn scan(&self, cursor: Cursor, count: usize, f: &mut dyn FnMut(Entry<'_>)) -> Cursor {
        match &self.form {
            Form::Row(row) => {
                row.slots.iter().for_each(|slot| f(slot.entry()));
                Cursor(0)
            }
            Form::Table(table) => table.scan(cursor, count, f),
        }
    }

    /// Any entry, each equally likely, by a random number that the caller draws.
    pub fn random(&self, draw: u64) -> Option<Entry<'_>> {
        match &self.form {
            Form::Row(row) => row.slots.get(place_of(draw, row.slots.len())).map(Slot::entry),
            Form::Table(table) => table.random(draw),
        }
    }

    /// Roughly how many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        self.len()
    }
}

impl Row {
    #[inline]
    fn find(&self, key: &[u8]) -> Option<usize> {
        self.slots.iter().position(|slot| slot.entry().key() == key)
    }

    fn push(&mut self, slot: Slot) {
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(self.slots.len().clamp(1, ROW_STEP));
        }
        self.entry_bytes += slot.entry().bytes();
        self.slots.push(slot);
    }

    fn overwrite(&mut self, at: usize, key: &[u8], value: Value<'_>) {
        let slot = &mut self.slots[at];
        self.entry_bytes -= slot.entry().bytes();
        slot.overwrite(recipe(key, value));
        self.entry_bytes += slot.entry().bytes();
    }

    fn remove(&mut self, at: usize) -> Slot {
        let slot = self.slots.swap_remove(at);
        self.entry_bytes -= slot.entry().bytes();
        if self.slots.capacity() - self.slots.len() >= 2 * ROW_STEP {
            self.slots.shrink_to(self.slots.len().next_multiple_of(ROW_STEP));
        }
        slot
    }
}

fn recipe<'a>(key: &'a [u8], value: Value<'a>) -> Recipe<'a> {
    let body = match value {
        Value::Int(number) => Body::Int(number),
        Value::Bytes(bytes) => Body::of_bytes(key, bytes, false),
    };
    Recipe { key, clock: 0, encoding: Encoding::Raw, expires_at: None, body }
}

impl Clone for Dict {
    fn clone(&self) -> Dict {
        let mut copy = Dict::new(self.seed);
        copy.reserve(self.len());
        for entry in self.iter() {
            copy.put(entry.key(), entry.value());
        }
        copy
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.iter().map(|entry| (entry.key().escape_ascii().to_string(), entry.value()));
        f.debug_map().entries(pairs).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SEED: HashSeed = HashSeed([1, 2, 3, 4]);

    fn contents(dict: &Dict) -> BTreeMap<Vec<u8>, Vec<u8>> {
        dict.iter().map(|entry| (entry.key().to_vec(), entry.value().to_cow().into_owned())).collect()
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(any::<u8>(), 500..600),
        ]
    }

    proptest! {
        #[test]
        fn it_is_as_a_map(steps in prop::collection::vec((0..8u8, 0..60u32, value()), 1..200)) {
            let (mut dict, mut model) = (Dict::new(SEED), BTreeMap::<Vec<u8>, Vec<u8>>::new());
            for (kind, key, value) in steps {
                let key = format!("key{key}").into_bytes();
                match kind {
                    0 | 1 => {
                        let removed = dict.remove(&key).map(|one| one.data().to_object());
                        let expected = model.remove(&key);
                        prop_assert_eq!(removed.is_some(), expected.is_some());
                    }
                    2 => {
                        prop_assert_eq!(dict.add(&key), !model.contains_key(&key));
                        model.entry(key).or_default();
                    }
                    3 => {
                        let number = value.len() as i64 - 20;
                        let new = model.insert(key.clone(), number.to_string().into_bytes()).is_none();
                        prop_assert_eq!(dict.set_int(&key, number), new);
                    }
                    _ => {
                        prop_assert_eq!(dict.set(&key, &value), !model.contains_key(&key));
                        model.insert(key, value);
                    }
                }
                prop_assert_eq!(dict.len(), model.len());
            }
            prop_assert_eq!(&contents(&dict), &model);
            prop_assert_eq!(&contents(&dict.clone()), &model);
            for (key, value) in &model {
                let entry = dict.get(key).unwrap();
                prop_assert_eq!(&*entry.value().to_cow(), &value[..]);
            }
            let bytes: usize = dict.iter().map(Entry::bytes).sum();
            prop_assert!(dict.heap_bytes() >= bytes);
            if let Form::Row(row) = &dict.form {
                prop_assert_eq!(row.entry_bytes, bytes);
            }
        }

        #[test]
        fn a_scan_meets_every_entry(len in 0..2000u32, count in 1..100usize) {
            let mut dict = Dict::new(SEED);
            (0..len).for_each(|n| assert!(dict.add(&n.to_be_bytes())));
            let (mut cursor, mut seen) = (Cursor(0), Vec::new());
            loop {
                cursor = dict.scan(cursor, count, &mut |entry| seen.push(entry.key().to_vec()));
                if cursor == Cursor(0) {
                    break;
                }
            }
            seen.sort();
            prop_assert_eq!(seen, (0..len).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_entry_is_drawn() {
        for len in [1u32, 5, 16, 17, 300] {
            let mut dict = Dict::new(SEED);
            (0..len).for_each(|n| assert!(dict.add(&n.to_be_bytes())));
            let mut seen = BTreeMap::<Vec<u8>, u32>::new();
            let mut draw = 7u64;
            for _ in 0..len * 200 {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *seen.entry(dict.random(draw).unwrap().key().to_vec()).or_default() += 1;
            }
            assert_eq!(seen.len(), len as usize);
            assert!(seen.values().all(|times| (100..320).contains(times)), "{seen:?}");
        }
        assert!(Dict::new(SEED).random(1).is_none());
    }

    #[test]
    fn an_integer_in_an_integers_place_stays_at_its_address() {
        let mut dict = Dict::new(SEED);
        for n in 0..1000i64 {
            dict.set_int(&n.to_be_bytes(), n);
        }
        let first = dict.get(&0i64.to_be_bytes()).unwrap().key().as_ptr();
        dict.set_int(&0i64.to_be_bytes(), i64::MIN);
        assert_eq!(dict.get(&0i64.to_be_bytes()).unwrap().key().as_ptr(), first);
    }
}
