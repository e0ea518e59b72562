//! Tests that take the whole crate: against a model, under attack, in growth and shrink.

mod expiry;
mod flood;
mod growth;
mod model;
mod scanning;
mod valgrind;

use crate::db::Db;
use crate::hash::{HashSeed, KeyHasher};
use crate::{Cursor, Expiry};

pub(super) fn db() -> Db {
    Db::new(HashSeed([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]))
}

/// A database in which the first eight bytes of a key are its hash.
pub(super) fn identity_db() -> Db {
    Db::with_hasher(KeyHasher::Identity)
}

pub(super) fn key(n: u32) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

pub(super) fn insert(db: &mut Db, key: &[u8], value: &[u8]) {
    db.set_bytes(db.hash_of(key), key, value, Expiry::Clear, 0);
}

pub(super) fn remove(db: &mut Db, key: &[u8]) -> bool {
    db.remove(db.hash_of(key), key).is_some()
}

/// All keys that a scan of a table at rest gives.
pub(super) fn scan_all(db: &Db, count: usize) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut cursor = Cursor(0);
    loop {
        cursor = db.scan(cursor, count, &mut |entry| keys.push(entry.key().to_vec()));
        assert!(cursor.0 < 1 << 53);
        if cursor.0 == 0 {
            return keys;
        }
    }
}

#[test]
fn databases_and_removed_entries_can_go_to_other_threads() {
    fn is_send<T: Send>() {}
    is_send::<Db>();
    is_send::<crate::Removed>();
}

#[test]
fn an_empty_database_costs_nothing_and_a_small_one_little() {
    let mut db = db();
    assert_eq!(db.bytes(), 0);
    insert(&mut db, b"foo", b"bar");
    assert!(db.bytes() < 400, "{} bytes for one key", db.bytes());
    for n in 0..40 {
        insert(&mut db, &key(n), b"value");
    }
    assert!(db.bytes() < 3000, "{} bytes for 41 keys", db.bytes());
}

#[test]
fn taking_a_database_leaves_an_empty_one_with_the_same_hashes() {
    let mut db = db();
    let h = db.hash_of(b"foo");
    insert(&mut db, b"foo", b"bar");
    let taken = db.take();
    assert_eq!((taken.len(), db.len(), db.bytes()), (1, 0, 0));
    assert_eq!(db.hash_of(b"foo"), h);
    std::thread::spawn(move || assert!(taken.get(h, b"foo").is_some())).join().unwrap();
}
