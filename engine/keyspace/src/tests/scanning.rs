//! What SCAN promises, while the table grows and shrinks under it.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{db, identity_db, insert, key, remove, scan_all};
use crate::{Cursor, Expiry};

/// Scans with changes between the calls; each number of `changes` fills up or drains to that many
/// passing keys.
fn scan_through(stable: u32, first_passing: u32, changes: &[(u32, usize)]) {
    let mut db = db();
    let passing = |n: u32| format!("passing:{n}").into_bytes();
    let mut present = first_passing;
    (0..stable).for_each(|n| insert(&mut db, &key(n), b"stays"));
    (0..present).for_each(|n| insert(&mut db, &passing(n), b"goes"));
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    let (mut cursor, mut step) = (Cursor(0), 0);
    loop {
        let (wanted, count) = changes[step % changes.len()];
        cursor = db.scan(cursor, count, &mut |entry| *seen.entry(entry.key().to_vec()).or_default() += 1);
        if cursor.0 == 0 {
            break;
        }
        assert!(cursor.0 < 1 << 53);
        (present..wanted).for_each(|n| insert(&mut db, &passing(n), b"goes"));
        (wanted..present).for_each(|n| assert!(remove(&mut db, &passing(n))));
        present = wanted;
        step += 1;
        assert!(step < 1_000_000, "the scan does not end");
    }
    assert!(seen.values().all(|&times| times == 1), "a key was visited twice");
    for n in 0..stable {
        assert!(seen.contains_key(&key(n)), "key {n} was missed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_stays_is_visited_exactly_once(
        stable in 0..700u32,
        passing in 0..4000u32,
        changes in vec((prop_oneof![Just(0), 0..100u32, 0..4000u32], 1..80usize), 1..12),
    ) {
        scan_through(stable, passing, &changes);
    }
}

#[test]
fn growing_from_one_bucket_to_many_segments_in_mid_scan() {
    scan_through(6, 0, &[(0, 1), (20_000, 1)]);
    scan_through(40, 0, &[(3000, 1), (0, 1), (20_000, 1)]);
}

#[test]
fn shrinking_from_many_segments_to_one_bucket_in_mid_scan() {
    scan_through(3, 20_000, &[(20_000, 500), (20_000, 500), (0, 1)]);
    scan_through(40, 20_000, &[(20_000, 5000), (0, 1), (300, 1)]);
}

#[test]
fn count_bounds_what_one_call_visits() {
    let mut db = db();
    (0..10_000).for_each(|n| insert(&mut db, &key(n), b"value"));
    let mut visited = 0;
    db.scan(Cursor(0), 10, &mut |_| visited += 1);
    assert!((10..60).contains(&visited), "{visited} visited");
    assert_eq!(scan_all(&db, usize::MAX).len(), 10_000);
    assert_eq!(scan_all(&db, 0).len(), 10_000);
}

#[test]
fn any_cursor_is_harmless() {
    let mut db = db();
    assert_eq!(db.scan(Cursor(12345), 10, &mut |_| panic!("nothing is there")), Cursor(0));
    (0..1000).for_each(|n| insert(&mut db, &key(n), b"value"));
    for cursor in [1, 7, (1 << 53) - 1, 1 << 53, u64::MAX, 0xdead_beef_dead_beef] {
        let next = db.scan(Cursor(cursor), 10, &mut |_| {});
        assert!(next.0 < 1 << 53);
    }
}

#[test]
fn a_long_chain_is_visited_whole() {
    let mut db = identity_db();
    for n in 0..3000u32 {
        let key = [&7u64.to_be_bytes()[..], &n.to_be_bytes()].concat();
        db.set_bytes(db.hash_of(&key), &key, b"v", Expiry::Clear, 0);
    }
    let mut keys = scan_all(&db, 1);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3000);
}
