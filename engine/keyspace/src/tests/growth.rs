//! Growth and shrink: bounded steps, bounded memory, everything given back; random keys.

use std::collections::HashMap;

use super::{db, insert, key, remove};
use crate::table::check::SPLIT_WORK_MAX;
use crate::{Expiry, WallMs};

#[test]
fn one_insertion_never_moves_more_than_one_segment() {
    let mut db = db();
    for n in 0..60_000 {
        let key = key(n);
        let h = db.hash_of(&key);
        let segments = db.table.segment_count();
        let (before, _) = db.table.counts(h);
        db.set_int(h, &key, n.into(), Expiry::Clear, 0);
        let split = db.table.segment_count() - segments;
        assert!(split <= 1);
        assert!(split == 0 || before <= SPLIT_WORK_MAX, "a split moved {before} entries");
    }
    let (_, largest) = db.table.counts(db.hash_of(b""));
    assert!(largest <= SPLIT_WORK_MAX);
    assert!(db.table.directory_len() <= 8 * db.table.segment_count());
}

#[test]
fn the_table_costs_few_bytes_a_key_at_any_size() {
    let mut db = db();
    for n in 0..100_000u32 {
        let key = key(n);
        db.set_int(db.hash_of(&key), &key, n.into(), Expiry::Clear, 0);
        if n > 1000 && n % 1000 == 0 {
            let each = db.table.bytes() as f64 / f64::from(n);
            assert!(each < 24.0, "{each} bytes of table for each of {n} keys");
        }
    }
}

#[test]
fn removing_gives_the_memory_back_on_the_way() {
    let mut db = db();
    let value = [b'v'; 32];
    (0..60_000).for_each(|n| insert(&mut db, &key(n), &value));
    let full = db.bytes();
    (0..57_000).for_each(|n| assert!(remove(&mut db, &key(n))));
    db.table.check();
    assert!(db.bytes() * 8 < full, "{} of {full} bytes left", db.bytes());
    (57_000..60_000).for_each(|n| assert!(remove(&mut db, &key(n))));
    assert_eq!(db.bytes(), 0);
}

#[test]
fn random_keys_are_about_equally_likely() {
    let mut db = db();
    assert!(db.random(1).is_none() && db.random_volatile(1).is_none());
    for n in 0..2000 {
        let key = key(n);
        let expiry = if n % 4 == 0 { Expiry::At(WallMs(5)) } else { Expiry::Clear };
        db.set_int(db.hash_of(&key), &key, n.into(), expiry, 0);
    }
    let mut drawn: HashMap<&[u8], u32> = HashMap::new();
    let mut volatile: HashMap<&[u8], u32> = HashMap::new();
    for random in 0..200_000 {
        *drawn.entry(db.random(random).unwrap().key()).or_default() += 1;
        if random % 4 == 0 {
            let entry = db.random_volatile(random).unwrap();
            assert!(entry.expires_at().is_some());
            *volatile.entry(entry.key()).or_default() += 1;
        }
    }
    assert_eq!((drawn.len(), volatile.len()), (2000, 500));
    for times in drawn.values().chain(volatile.values()) {
        assert!((40..200).contains(times), "a key was drawn {times} times, not about 100");
    }
}

#[test]
fn the_only_volatile_key_of_many_is_found() {
    let mut db = db();
    (0..20_000).for_each(|n| insert(&mut db, &key(n), b"value"));
    assert!(db.set_expiry(db.hash_of(&key(7)), &key(7), Some(WallMs(5))));
    assert_eq!(db.random_volatile(99).unwrap().key(), key(7));
}
