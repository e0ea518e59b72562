//! Random operations, compared with a plain map after each.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{db, identity_db, key, scan_all};
use crate::db::Db;
use crate::{Encoding, Expiry, WallMs, parse_canonical_int};

#[derive(Clone, Debug)]
struct Stored {
    value: Vec<u8>,
    encoding: Encoding,
    deadline: Option<i64>,
    clock: u32,
}

#[derive(Clone, Debug)]
enum Op {
    Set(u32, Vec<u8>, Expiry),
    SetRaw(u32, Vec<u8>, Expiry),
    SetInt(u32, i64, Expiry),
    Append(u32, Vec<u8>),
    Overwrite(u32, usize, u8),
    SetExpiry(u32, Option<i64>),
    Touch(u32, u32),
    Remove(u32),
    Rename(u32, u32),
    Fill(u32, u32),
    Drain(u32, u32),
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![Just(Expiry::Keep), Just(Expiry::Clear), (0..1000i64).prop_map(|t| Expiry::At(WallMs(t)))]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..60),
        2 => any::<i32>().prop_map(|n| n.to_string().into_bytes()),
        1 => vec(any::<u8>(), 430..560),
        1 => vec(any::<u8>(), 1000..3000),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..300u32;
    prop_oneof![
        4 => (key.clone(), value(), expiry()).prop_map(|(k, v, e)| Op::Set(k, v, e)),
        1 => (key.clone(), value(), expiry()).prop_map(|(k, v, e)| Op::SetRaw(k, v, e)),
        2 => (key.clone(), any::<i64>(), expiry()).prop_map(|(k, n, e)| Op::SetInt(k, n, e)),
        2 => (key.clone(), value()).prop_map(|(k, v)| Op::Append(k, v)),
        1 => (key.clone(), 0..700usize, any::<u8>()).prop_map(|(k, at, b)| Op::Overwrite(k, at, b)),
        2 => (key.clone(), proptest::option::of(0..1000i64)).prop_map(|(k, t)| Op::SetExpiry(k, t)),
        1 => (key.clone(), 0..1u32 << 24).prop_map(|(k, c)| Op::Touch(k, c)),
        3 => key.clone().prop_map(Op::Remove),
        2 => (key.clone(), key).prop_map(|(a, b)| Op::Rename(a, b)),
        1 => (0..4000u32, 1..1500u32).prop_map(|(from, n)| Op::Fill(from, n)),
        1 => (0..4000u32, 1..2500u32).prop_map(|(from, n)| Op::Drain(from, n)),
    ]
}

/// A database beside its model. Keys come from numbers by `name`.
struct Pair {
    db: Db,
    model: HashMap<Vec<u8>, Stored>,
    name: fn(u32) -> Vec<u8>,
    clock: u32,
}

impl Pair {
    fn store(&mut self, key: Vec<u8>, value: Vec<u8>, encoding: Encoding, expiry: Expiry) {
        let deadline = match expiry {
            Expiry::Keep => self.model.get(&key).and_then(|old| old.deadline),
            Expiry::Clear => None,
            Expiry::At(at) => Some(at.0),
        };
        self.model.insert(key, Stored { value, encoding, deadline, clock: self.clock });
    }

    fn set(&mut self, n: u32, value: Vec<u8>, expiry: Expiry) {
        let key = (self.name)(n);
        self.db.set_bytes(self.db.hash_of(&key), &key, &value, expiry, self.clock);
        let encoding = match parse_canonical_int(&value) {
            Some(_) => Encoding::Int,
            None if value.len() <= 44 => Encoding::Embstr,
            None => Encoding::Raw,
        };
        self.store(key, value, encoding, expiry);
    }

    fn edit(&mut self, n: u32, f: impl Fn(&mut Vec<u8>)) {
        let key = (self.name)(n);
        let edited = self.db.edit(self.db.hash_of(&key), &key, &f).is_some();
        let stored = self.model.get_mut(&key);
        assert_eq!(edited, stored.is_some());
        if let Some(stored) = stored {
            f(&mut stored.value);
            stored.encoding = Encoding::Raw;
        }
    }

    fn remove(&mut self, n: u32) {
        let key = (self.name)(n);
        let removed = self.db.remove(self.db.hash_of(&key), &key);
        let expected = self.model.remove(&key);
        assert_eq!(removed.is_some(), expected.is_some());
        if let (Some(removed), Some(expected)) = (removed, expected) {
            assert_eq!(removed.key(), key);
            assert_eq!(removed.entry().value().to_cow(), expected.value);
            assert_eq!(removed.expires_at(), expected.deadline.map(WallMs));
        }
    }

    fn rename(&mut self, from: u32, to: u32) {
        let (from, to) = ((self.name)(from), (self.name)(to));
        if let Some(removed) = self.db.remove(self.db.hash_of(&from), &from) {
            self.db.insert_removed(self.db.hash_of(&to), &to, removed);
        }
        if let Some(stored) = self.model.remove(&from) {
            self.model.insert(to, stored);
        }
    }

    fn apply(&mut self, op: Op) {
        self.clock = (self.clock + 77) & 0x00ff_ffff;
        match op {
            Op::Set(n, value, expiry) => self.set(n, value, expiry),
            Op::SetRaw(n, value, expiry) => {
                let key = (self.name)(n);
                self.db.set_raw(self.db.hash_of(&key), &key, &value, expiry, self.clock);
                self.store(key, value, Encoding::Raw, expiry);
            }
            Op::SetInt(n, value, expiry) => {
                let key = (self.name)(n);
                self.db.set_int(self.db.hash_of(&key), &key, value, expiry, self.clock);
                self.store(key, value.to_string().into_bytes(), Encoding::Int, expiry);
            }
            Op::Append(n, tail) => self.edit(n, |bytes| bytes.extend_from_slice(&tail)),
            Op::Overwrite(n, at, byte) => self.edit(n, |bytes| {
                bytes.resize(bytes.len().max(at + 1), 0);
                bytes[at] = byte;
            }),
            Op::SetExpiry(n, at) => {
                let key = (self.name)(n);
                let set = self.db.set_expiry(self.db.hash_of(&key), &key, at.map(WallMs));
                assert_eq!(set, self.model.contains_key(&key));
                if let Some(stored) = self.model.get_mut(&key) {
                    stored.deadline = at;
                }
            }
            Op::Touch(n, clock) => {
                let key = (self.name)(n);
                self.db.touch(self.db.hash_of(&key), &key, clock);
                if let Some(stored) = self.model.get_mut(&key) {
                    stored.clock = clock;
                }
            }
            Op::Remove(n) => self.remove(n),
            Op::Rename(from, to) => self.rename(from, to),
            Op::Fill(from, count) => {
                for n in from..from + count {
                    let expiry = if n % 5 == 0 { Expiry::At(WallMs(n.into())) } else { Expiry::Keep };
                    self.set(n, format!("filled {n}").into_bytes(), expiry);
                }
            }
            Op::Drain(from, count) => (from..from + count).for_each(|n| self.remove(n)),
        }
    }

    fn compare(&self) {
        self.db.table.check();
        assert_eq!(self.db.len(), self.model.len());
        let volatile = self.model.values().filter(|stored| stored.deadline.is_some()).count();
        assert_eq!(self.db.volatile_len(), volatile);
        for (key, stored) in &self.model {
            let entry = self.db.get(self.db.hash_of(key), key).expect("a key is missing");
            assert_eq!(entry.key(), key);
            assert_eq!(entry.value().to_cow(), stored.value);
            assert_eq!(entry.value().len(), stored.value.len());
            assert_eq!(entry.encoding(), stored.encoding);
            assert_eq!(entry.expires_at(), stored.deadline.map(WallMs));
            assert_eq!(entry.access(), stored.clock);
        }
        assert_eq!(self.db.iter().count(), self.model.len());
        let entries: usize = self.db.iter().map(|entry| entry.bytes()).sum();
        let scratch = self.db.bytes() - self.db.table.bytes() - entries;
        assert!(scratch <= 4096, "bytes() is off by {scratch}");
        let mut scanned = scan_all(&self.db, 7);
        scanned.sort_unstable();
        scanned.dedup();
        assert_eq!(scanned.len(), self.model.len());
    }

    fn run(mut self, ops: Vec<Op>) {
        for op in ops {
            self.apply(op);
            self.compare();
        }
        let keys: Vec<_> = self.model.keys().cloned().collect();
        for key in keys {
            assert!(super::remove(&mut self.db, &key));
        }
        assert!(self.db.bytes() <= 4096, "{} bytes are left of nothing", self.db.bytes());
        self.db.table.check();
    }
}

/// Keys of which many share their hash, and others all but its lowest bits.
fn clashing_key(n: u32) -> Vec<u8> {
    let hash = match n % 4 {
        0 => 0x0123_4567_89ab_cdef,
        1 => u64::from(n) << 40,
        2 => u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        _ => u64::MAX - u64::from(n % 16),
    };
    [&hash.to_be_bytes()[..], &n.to_be_bytes()].concat()
}

fn long_key(n: u32) -> Vec<u8> {
    let mut key = key(n);
    key.resize(key.len() + n as usize % 520, b'.');
    key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn behaves_as_a_map_with_spread_hashes(ops in vec(op(), 1..40)) {
        Pair { db: db(), model: HashMap::new(), name: key, clock: 1 }.run(ops);
    }

    #[test]
    fn behaves_as_a_map_with_long_keys(ops in vec(op(), 1..30)) {
        Pair { db: db(), model: HashMap::new(), name: long_key, clock: 1 }.run(ops);
    }

    #[test]
    fn behaves_as_a_map_with_clashing_hashes(ops in vec(op(), 1..30)) {
        Pair { db: identity_db(), model: HashMap::new(), name: clashing_key, clock: 1 }.run(ops);
    }
}

#[test]
fn appending_to_a_long_value_does_not_copy_it_each_time() {
    let mut db = db();
    super::insert(&mut db, b"log", &[b'x'; 600]);
    let h = db.hash_of(b"log");
    let mut moves = 0;
    let mut at = std::ptr::null();
    for _ in 0..100_000 {
        let now = db.edit(h, b"log", |bytes| {
            bytes.extend_from_slice(b"0123456789");
            bytes.as_ptr()
        });
        moves += usize::from(now != Some(at));
        at = now.unwrap();
    }
    assert_eq!(db.get(h, b"log").unwrap().value().len(), 1_000_600);
    assert!(moves < 40, "{moves} moves");
}
