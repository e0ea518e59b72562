//! Sorted sets against a plain model: a map from member to score, sorted anew for every question.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::hash::HashSeed;

type Model = BTreeMap<Vec<u8>, f64>;

fn limits() -> Limits {
    Limits { zset_max_listpack_entries: 12, seed: HashSeed([5, 6, 7, 8]), ..Limits::default() }
}

fn ordered(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut pairs: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    pairs.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    pairs
}

fn contents(set: &SortedSet) -> Vec<(Vec<u8>, f64)> {
    set.iter(0..set.len()).map(|(member, score)| (member.to_cow().into_owned(), score)).collect()
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0..90u32).prop_map(|n| format!("member:{n}").into_bytes()),
        3 => (-20..20i64).prop_map(|n| n.to_string().into_bytes()),
        1 => (0..3u8).prop_map(|n| vec![n; 70]),
        1 => Just(Vec::new()),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3..4i32).prop_map(f64::from),
        2 => (-1000..1000i32).prop_map(|n| f64::from(n) / 8.0),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(5e-324), Just(1e300)],
        1 => any::<i64>().prop_map(|n| n as f64),
    ]
}

fn check_ranges(set: &SortedSet, model: &Model, low: f64, high: f64) {
    let pairs = ordered(model);
    for (min, max) in [
        (ScoreBound::Inclusive(low), ScoreBound::Inclusive(high)),
        (ScoreBound::Exclusive(low), ScoreBound::Inclusive(high)),
        (ScoreBound::Inclusive(low), ScoreBound::Exclusive(high)),
    ] {
        let within = |score: f64| {
            let above = if matches!(min, ScoreBound::Inclusive(_)) { score >= low } else { score > low };
            let below = if matches!(max, ScoreBound::Inclusive(_)) { score <= high } else { score < high };
            above && below
        };
        let expected: Vec<_> = pairs.iter().filter(|(_, score)| within(*score)).cloned().collect();
        let ranks = set.score_range(ScoreRange { min, max });
        assert_eq!(contents_of(set, ranks.clone()), expected);
        let mut backwards: Vec<_> =
            set.iter(ranks).rev().map(|(member, score)| (member.to_cow().into_owned(), score)).collect();
        backwards.reverse();
        assert_eq!(backwards, expected);
    }
}

fn contents_of(set: &SortedSet, ranks: Range<usize>) -> Vec<(Vec<u8>, f64)> {
    set.iter(ranks).map(|(member, score)| (member.to_cow().into_owned(), score)).collect()
}

fn check_all(set: &SortedSet, model: &Model) {
    set.check();
    let pairs = ordered(model);
    assert_eq!((set.len(), set.is_void()), (pairs.len(), pairs.is_empty()));
    assert_eq!(contents(set), pairs);
    for (rank, (member, score)) in pairs.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.score(member), Some(*score));
        assert_eq!(contents_of(set, rank..rank + 1), [(member.clone(), *score)]);
    }
    let middle = pairs.len() / 2;
    let mut both = set.iter(0..pairs.len());
    let mut met: Vec<_> = owned_front(&mut both, middle);
    met.extend(both.map(|(member, score)| (member.to_cow().into_owned(), score)));
    assert_eq!(met, pairs);
}

fn owned_front(members: &mut Members<'_>, count: usize) -> Vec<(Vec<u8>, f64)> {
    members.take(count).map(|(member, score)| (member.to_cow().into_owned(), score)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
    Fill(u32, u32, f64),
    Drain(u32, u32),
    Settle,
    Clone,
    Ranges(f64, f64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (member(), score()).prop_map(|(member, score)| Step::Insert(member, score)),
        4 => member().prop_map(Step::Remove),
        2 => (0..400usize, 0..60usize).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => (0..2000u32, 1..700u32, score()).prop_map(|(from, count, score)| Step::Fill(from, count, score)),
        1 => (0..2000u32, 1..900u32).prop_map(|(from, count)| Step::Drain(from, count)),
        1 => Just(Step::Settle),
        1 => Just(Step::Clone),
        2 => (score(), score()).prop_map(|(low, high)| Step::Ranges(low, high)),
    ]
}

/// The member and score of a number: the order of scores is neither that of numbers nor of members.
fn filled(n: u32, step: f64) -> (Vec<u8>, f64) {
    let score = if step.is_finite() { step * f64::from(n.wrapping_mul(2_654_435_761) >> 22) } else { step };
    (format!("filled {n}").into_bytes(), if score.is_finite() { score } else { 0.0 })
}

fn apply(set: &mut SortedSet, model: &mut Model, step: Step) {
    let limits = limits();
    // The compact form knows no negative zero; both are equal anyway.
    match step {
        Step::Insert(member, score) => {
            let new = set.insert(&member, score, &limits);
            assert_eq!(new, !model.contains_key(&member));
            model.insert(member, score);
        }
        Step::Remove(member) => assert_eq!(set.remove(&member), model.remove(&member)),
        Step::RemoveRange(at, count) => {
            let (start, end) = (at.min(set.len()), (at + count).min(set.len()));
            for (member, _) in contents_of(set, start..end) {
                model.remove(&member);
            }
            set.remove_range(start..end);
        }
        Step::Fill(from, count, step) => {
            for (member, score) in (from..from + count).map(|n| filled(n, step)) {
                set.insert(&member, score, &limits);
                model.insert(member, score);
            }
        }
        Step::Drain(from, count) => {
            for (member, _) in (from..from + count).map(|n| filled(n, 0.0)) {
                assert_eq!(set.remove(&member), model.remove(&member));
            }
        }
        Step::Settle => set.settle(&limits),
        Step::Clone => {
            let copy = set.clone();
            *set = copy;
        }
        Step::Ranges(low, high) => check_ranges(set, model, low, high),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn it_is_as_its_model(steps in prop::collection::vec(step(), 1..60)) {
        let (mut set, mut model) = (SortedSet::new(), Model::new());
        for step in steps {
            apply(&mut set, &mut model, step);
            set.check();
            prop_assert_eq!(set.len(), model.len());
        }
        check_all(&set, &model);
        let mut members: Vec<_> = model.into_keys().collect();
        members.reverse();
        for member in members {
            assert!(set.remove(&member).is_some());
        }
        prop_assert!(set.is_void());
        if let Form::Large(large) = set.0.form() {
            prop_assert_eq!(large.order.nodes(), 1);
        }
    }

    #[test]
    fn encoded_forms_are_checked(pairs in prop::collection::vec((member(), score()), 0..8)) {
        let mut set = SortedSet::new();
        let roomy = Limits::default();
        for (member, score) in &pairs {
            set.insert(member, *score, &roomy);
        }
        prop_assume!(set.listpack().is_some());
        let listpack = set.listpack().unwrap().clone();
        let read = SortedSet::from_listpack(listpack.clone(), &roomy).unwrap();
        prop_assert_eq!(contents(&read), contents(&set));
        let mut cut = listpack;
        if let Some(last) = cut.last() {
            cut.remove(last, 1);
            prop_assert!(SortedSet::from_listpack(cut, &roomy).is_err());
        }
    }
}

#[test]
fn what_is_no_sorted_set_is_refused() {
    for elements in [&["a"][..], &["a", "x"], &["a", "nan"], &["a", "2", "b", "1"], &["a", "1", "a", "2"]] {
        let listpack: Listpack = elements.iter().map(|element| element.as_bytes()).collect();
        assert!(SortedSet::from_listpack(listpack, &Limits::default()).is_err(), "{elements:?}");
    }
}

#[test]
fn forms_change_as_in_redis() {
    let limits = limits();
    let mut set = SortedSet::new();
    for n in 0..12u32 {
        set.insert(&n.to_be_bytes(), n.into(), &limits);
    }
    assert_eq!(set.encoding(), Encoding::Listpack);
    set.insert(b"another", 1.0, &limits);
    assert_eq!(set.encoding(), Encoding::Skiplist);
    set.remove(b"another");
    assert_eq!(set.encoding(), Encoding::Skiplist);
    set.settle(&limits);
    assert_eq!(set.encoding(), Encoding::Listpack);
    set.remove_range(0..6);
    set.insert(&[b'x'; 64], 1.0, &limits);
    assert_eq!(set.encoding(), Encoding::Listpack);
    set.insert(&[b'x'; 65], 1.0, &limits);
    assert_eq!(set.encoding(), Encoding::Skiplist);
    set.settle(&limits);
    assert_eq!(set.encoding(), Encoding::Skiplist);
    assert_eq!(SortedSet::for_size(13, 0, &limits).encoding(), Encoding::Skiplist);
    assert_eq!(SortedSet::for_size(12, 64, &limits).encoding(), Encoding::Listpack);
}

#[test]
fn scores_are_written_as_redis_does() {
    let mut set = SortedSet::new();
    for (member, score) in [("a", -0.0), ("b", 0.1), ("c", 3.0), ("d", 2f64.powi(62)), ("e", f64::INFINITY)] {
        set.insert(member.as_bytes(), score, &Limits::default());
    }
    let elements: Vec<Value<'_>> = set.listpack().unwrap().iter().collect();
    let scores: Vec<_> = elements.iter().skip(1).step_by(2).collect();
    let expected =
        [Value::Int(0), Value::Bytes(b"0.1"), Value::Int(3), Value::Int(1 << 62), Value::Bytes(b"inf")];
    assert_eq!(scores, expected.iter().collect::<Vec<_>>());
}

#[test]
fn nodes_are_well_filled_whatever_the_order() {
    let limits = limits();
    for (kind, most) in [("ascending", 17.5), ("descending", 17.5), ("random", 21.0)] {
        let mut set = SortedSet::new();
        for n in 0..20_000u32 {
            let score = match kind {
                "ascending" => n,
                "descending" => u32::MAX - n,
                _ => n.wrapping_mul(2_654_435_761),
            };
            set.insert(&n.to_be_bytes(), score.into(), &limits);
        }
        let Form::Large(large) = set.0.form() else { panic!("a small set") };
        let bytes = large.order.heap_bytes() as f64 / 20_000.0;
        assert!(bytes < most, "{kind}: {bytes} bytes a member");
    }
}

#[test]
fn ranges_of_members() {
    let limits = limits();
    for count in [5u8, 200] {
        let mut set = SortedSet::new();
        for n in 0..count {
            set.insert(&[b'a', n], 0.0, &limits);
        }
        let ranks = |min, max| set.lex_range(LexRange { min, max }, Direction::Forward);
        let count = usize::from(count);
        assert_eq!(ranks(LexBound::Lowest, LexBound::Highest), 0..count);
        assert_eq!(ranks(LexBound::Inclusive(&[b'a', 1]), LexBound::Exclusive(&[b'a', 3])), 1..3);
        assert_eq!(ranks(LexBound::Exclusive(&[b'a', 1]), LexBound::Inclusive(&[b'a', 3])), 2..4);
        assert_eq!(ranks(LexBound::Exclusive(&[b'a', 1]), LexBound::Inclusive(&[b'a', 1])), 0..0);
        assert!(ranks(LexBound::Inclusive(b"b"), LexBound::Highest).is_empty());
        assert!(ranks(LexBound::Highest, LexBound::Lowest).is_empty());
    }
}

/// Small enough for valgrind: handles are compared while entries come, change and go.
#[test]
fn handles_lead_to_entries_that_are_there() {
    let limits = Limits { zset_max_listpack_entries: 0, ..limits() };
    let (mut set, mut model) = (SortedSet::new(), Model::new());
    for n in 0..600u32 {
        let member = format!("m{}", n.wrapping_mul(2_654_435_761) % 300).into_bytes();
        if n % 5 == 4 {
            assert_eq!(set.remove(&member), model.remove(&member));
        } else {
            set.insert(&member, f64::from(n % 7), &limits);
            model.insert(member, f64::from(n % 7));
        }
    }
    let copy = set.clone();
    set.remove_range(3..150);
    set.check();
    drop(set);
    let copy = std::thread::spawn(move || copy).join().unwrap();
    check_all(&copy, &model);
}
