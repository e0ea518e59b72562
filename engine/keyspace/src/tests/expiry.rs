//! The expiry cycle: everything due is reported, in bounded steps, and nothing else.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{db, key};
use crate::db::Db;
use crate::{Expiry, WallMs};

fn set(db: &mut Db, n: u32, deadline: Option<i64>) {
    let key = key(n);
    let expiry = deadline.map_or(Expiry::Clear, |at| Expiry::At(WallMs(at)));
    db.set_bytes(db.hash_of(&key), &key, b"value", expiry, 0);
}

fn cycle(db: &mut Db, now: i64, budget: usize) -> (Vec<Vec<u8>>, bool) {
    let mut due = Vec::new();
    let more = db.expire_cycle(WallMs(now), budget, &mut |key| due.push(key.to_vec()));
    (due, more)
}

fn remove_all(db: &mut Db, keys: &[Vec<u8>]) {
    keys.iter().for_each(|key| assert!(super::remove(db, key)));
}

#[test]
fn all_due_keys_are_reported_and_no_others() {
    let mut db = db();
    (0..5000).for_each(|n| set(&mut db, n, (n % 2 == 0).then_some(n.into())));
    assert_eq!(db.next_deadline_hint(), Some(WallMs(0)));
    let (mut due, more) = cycle(&mut db, 1999, usize::MAX);
    due.sort_unstable();
    let mut expected: Vec<_> = (0..2000).step_by(2).map(key).collect();
    expected.sort_unstable();
    assert_eq!((due.len(), more), (1000, false));
    assert_eq!(due, expected);
    remove_all(&mut db, &due);
    db.table.check();
    assert_eq!(db.volatile_len(), 1500);
    assert_eq!(db.next_deadline_hint(), Some(WallMs(2000)), "removing what was reported makes bounds exact");
    assert_eq!(cycle(&mut db, 1999, usize::MAX), (vec![], false));
}

#[test]
fn the_budget_is_kept_and_the_next_call_goes_on() {
    let mut db = db();
    (0..20_000).for_each(|n| set(&mut db, n, Some(5)));
    let (mut calls, mut gone) = (0, 0);
    loop {
        let (due, more) = cycle(&mut db, 5, 100);
        assert!(due.len() <= 100 + 403, "{} keys with a budget of 100", due.len());
        remove_all(&mut db, &due);
        gone += due.len();
        calls += 1;
        if !more {
            break;
        }
    }
    assert_eq!((gone, db.len()), (20_000, 0));
    assert!(calls > 20);
}

#[test]
fn keys_that_are_kept_are_reported_again() {
    let mut db = db();
    (0..100).for_each(|n| set(&mut db, n, Some(n.into())));
    assert_eq!(cycle(&mut db, 9, 1000).0.len(), 10);
    let (due, _) = cycle(&mut db, 9, 1000);
    assert_eq!(due.len(), 10);
    remove_all(&mut db, &due[1..]);
    assert_eq!(cycle(&mut db, 9, 1000).0, due[..1]);
    assert!(db.set_expiry(db.hash_of(&due[0]), &due[0], None));
    assert!(cycle(&mut db, 9, 1000).0.is_empty());
}

#[test]
fn a_key_that_comes_already_due_after_the_report_hides_no_other() {
    let mut db = db();
    set(&mut db, 1, Some(5));
    set(&mut db, 2, Some(6));
    assert_eq!(cycle(&mut db, 10, 1000).0.len(), 2);
    set(&mut db, 3, Some(3));
    remove_all(&mut db, &[key(1), key(3)]);
    db.table.check();
    assert_eq!(cycle(&mut db, 10, 1000).0, [key(2)]);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u32, Option<i64>),
    SetExpiry(u32, Option<i64>),
    Remove(u32),
    /// Whether what is reported is removed at once.
    Cycle(i64, usize, bool),
    Fill(u32),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let deadline = || proptest::option::of(0..200i64);
    prop_oneof![
        4 => (0..150u32, deadline()).prop_map(|(n, at)| Step::Set(n, at)),
        3 => (0..150u32, deadline()).prop_map(|(n, at)| Step::SetExpiry(n, at)),
        2 => (0..150u32).prop_map(Step::Remove),
        3 => (0..220i64, 1..200usize, any::<bool>()).prop_map(|(now, b, r)| Step::Cycle(now, b, r)),
        1 => (0..2000u32).prop_map(Step::Fill),
        1 => Just(Step::Drain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bounds_stay_bounds_and_nothing_due_is_overlooked(steps in vec(step(), 1..60)) {
        let mut db = db();
        for step in steps {
            match step {
                Step::Set(n, at) => set(&mut db, n, at),
                Step::SetExpiry(n, at) => {
                    db.set_expiry(db.hash_of(&key(n)), &key(n), at.map(WallMs));
                }
                Step::Remove(n) => {
                    super::remove(&mut db, &key(n));
                }
                Step::Cycle(now, budget, remove) => {
                    let (due, _) = cycle(&mut db, now, budget);
                    for key in &due {
                        let entry = db.get(db.hash_of(key), key).expect("reported, but not there");
                        prop_assert!(entry.expires_at().is_some_and(|at| at.0 <= now));
                    }
                    if remove {
                        remove_all(&mut db, &due);
                    }
                }
                Step::Fill(count) => (1000..1000 + count).for_each(|n| set(&mut db, n, (n % 3 == 0).then_some(150))),
                Step::Drain => (1000..3000).for_each(|n| {
                    super::remove(&mut db, &key(n));
                }),
            }
            db.table.check();
        }
        let due = db.iter().filter(|entry| entry.expires_at().is_some_and(|at| at.0 <= 100)).count();
        prop_assert_eq!(cycle(&mut db, 100, usize::MAX).0.len(), due);
    }
}
