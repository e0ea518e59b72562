//! Keys chosen so that their hashes are alike: slow is allowed, wrong or endless is not.

use super::{identity_db, insert, remove};
use crate::db::Db;

fn flooded(hash: impl Fn(u32) -> u64, keys: u32) -> (Db, Vec<Vec<u8>>) {
    let mut db = identity_db();
    let keys: Vec<Vec<u8>> =
        (0..keys).map(|n| [&hash(n).to_be_bytes()[..], &n.to_be_bytes()].concat()).collect();
    for key in &keys {
        insert(&mut db, key, key);
    }
    (db, keys)
}

fn check_then_empty((mut db, keys): (Db, Vec<Vec<u8>>)) {
    db.table.check();
    assert!(db.table.directory_len() <= 64 + keys.len(), "directory of {}", db.table.directory_len());
    assert!(db.table.home_buckets() <= 64 * 64 + keys.len());
    for key in &keys {
        let entry = db.get(db.hash_of(key), key).expect("a key is missing");
        assert_eq!(entry.value().to_cow(), &key[..]);
    }
    // Some from the front, some from the back, so that holes are filled from all places.
    let (front, back) = keys.split_at(keys.len() / 2);
    for (i, key) in front.iter().chain(back.iter().rev()).enumerate() {
        assert!(remove(&mut db, key));
        if i % 500 == 0 {
            db.table.check();
        }
    }
    assert_eq!((db.len(), db.bytes()), (0, 0));
}

#[test]
fn equal_hashes() {
    check_then_empty(flooded(|_| 0x5555_5555_5555_5555, 4000));
    check_then_empty(flooded(|_| 0, 4000));
    check_then_empty(flooded(|_| u64::MAX, 4000));
}

#[test]
fn hashes_with_equal_top_bits() {
    check_then_empty(flooded(|n| 0xabcd_ef01_2345_0000 | u64::from(n), 5000));
    check_then_empty(flooded(u64::from, 5000));
}

#[test]
fn hashes_that_share_two_buckets_of_many() {
    check_then_empty(flooded(|n| u64::from(n % 2) << 63 | 0x1234, 5000));
}

#[test]
fn equal_hashes_among_honest_ones() {
    let spread = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    check_then_empty(flooded(|n| if n % 3 == 0 { 42 << 50 } else { spread(n) }, 9000));
}

#[test]
fn the_last_to_come_go_first() {
    let (mut db, keys) = flooded(|_| 7 << 40, 2500);
    for key in keys.iter().rev() {
        assert!(remove(&mut db, key));
        if db.len() % 100 == 0 {
            db.table.check();
        }
    }
    assert_eq!(db.bytes(), 0);
}
