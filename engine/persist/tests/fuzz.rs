//! Payloads and files of every type with random damage under a right checksum: none may panic, nothing may be
//! taken that cannot be written and read again, and a file must say the same however it is cut.
//!
//! Damage follows from a seed. `TOPPLE_FUZZ_ROUNDS` sets how many pieces of damage are tried (4,000 unless
//! told), `TOPPLE_FUZZ_SEED` another seed.

mod damage;
mod fixtures;

use damage::{Random, damage, setting};
use fixtures::{payloads, seal};
use keyspace::values::Limits;
use keyspace::{Data, Object, Value};
use topple_persist::rdb::{
    Compression, Item, KeyMeta, Reader, Restored, Step, Verify, Writer, WriterOptions, dump, restore,
};

/// The longest payload that is damaged.
const LONGEST: usize = 3000;

/// Bodies of payloads: no version, no checksum.
fn bodies() -> Vec<Vec<u8>> {
    let all = payloads().filter(|(name, _, _)| !name.starts_with("string:mixed"));
    let forms = all.flat_map(|(_, given, real)| given.into_iter().chain([real]));
    let unpacked = |payload: Vec<u8>| {
        let value = restore(&payload, &Limits::default()).expect("a payload of a real server");
        // Behind compression damage would hardly ever reach a value.
        let plain = match &value {
            Restored::String(bytes) => dump(Data::String(Value::Bytes(bytes)), Compression::None),
            Restored::Object(object) => dump(object.data(), Compression::None),
        };
        [payload, plain]
    };
    let all = forms.flat_map(unpacked).map(|payload| payload[..payload.len() - 10].to_vec());
    all.filter(|body| body.len() <= LONGEST).collect()
}

/// What was taken can be looked through, written and read again.
fn hold(object: &Object, limits: &Limits) {
    let payload = dump(object.data(), Compression::Lzf);
    let Ok(Restored::Object(again)) = restore(&payload, limits) else {
        panic!("cannot be read again: {object:?}")
    };
    assert_eq!(again.kind(), object.kind());
    match (object, &again) {
        (Object::List(one), Object::List(other)) => {
            let [one_by_one, others] = [one, other].map(|list| {
                let mut elements = Vec::new();
                list.for_each(|element| elements.push(element.to_cow().into_owned()));
                elements
            });
            assert_eq!(one_by_one, others);
            assert_eq!(one_by_one.len(), one.len());
        }
        (Object::Set(one), Object::Set(other)) => {
            assert!(one.iter().all(|member| one.contains_value(member) && other.contains_value(member)));
            assert_eq!((one.iter().count(), one.len()), (one.len(), other.len()));
        }
        (Object::Hash(one), Object::Hash(other)) => {
            assert!(one.iter().all(|(field, value)| {
                one.get(&field.to_cow()) == Some(value) && other.contains(&field.to_cow())
            }));
            assert_eq!((one.iter().count(), one.len()), (one.len(), other.len()));
        }
        (Object::SortedSet(one), Object::SortedSet(other)) => {
            let all = || one.iter(0..one.len());
            assert!(all().eq(other.iter(0..other.len())));
            assert!(
                all()
                    .enumerate()
                    .all(|(rank, (member, score))| { one.rank(&member.to_cow()) == Some((rank, score)) })
            );
        }
        _ => assert_eq!(dump(again.data(), Compression::Lzf), payload),
    }
}

#[test]
fn damaged_payloads_are_refused_or_sound() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000), setting("TOPPLE_FUZZ_SEED", 1));
    let (bodies, limits) = (bodies(), Limits::default());
    let mut taken = 0;
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 32).wrapping_add(round));
        let mut body = bodies[random.below(bodies.len())].clone();
        damage(&mut body, &bodies, &mut random);
        body.extend_from_slice(&[10, 0]);
        if let Ok(Restored::Object(object)) = restore(&seal(&body), &limits) {
            hold(&object, &limits);
            taken += 1;
        }
    }
    assert!(taken > 0, "nothing was taken");
}

/// Everything a file says, or why it says no more.
fn told(file: &[u8], mut piece: impl FnMut() -> usize) -> String {
    let mut reader = Reader::new(Verify::Nothing);
    let (mut rest, mut told) = (file, String::new());
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece().min(rest.len()));
        rest = later;
        reader.feed(now);
        loop {
            match reader.next() {
                Ok(Step::Item(item)) => match item {
                    Item::Object { key, object, meta } => {
                        let payload = dump(object.data(), Compression::None);
                        told.push_str(&format!("{key:?} {payload:?} {meta:?}\n"));
                    }
                    item => told.push_str(&format!("{item:?}\n")),
                },
                Ok(Step::NeedMore) => break,
                Ok(Step::Done { trailing, .. }) => {
                    // How much of it has been fed is another matter.
                    let _ = trailing;
                    return told + "done";
                }
                Err(error) => return told + &error.to_string(),
            }
        }
    }
    told + "unfinished"
}

#[test]
fn damaged_files_say_the_same_however_they_are_cut() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000) / 4, setting("TOPPLE_FUZZ_SEED", 1));
    let (bodies, limits) = (bodies(), Limits::default());
    let small: Vec<&Vec<u8>> = bodies.iter().filter(|body| body.len() < 400).collect();
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 33).wrapping_add(round));
        let mut writer =
            Writer::new(WriterOptions { compression: Compression::None, ..WriterOptions::default() });
        writer.header();
        writer.select_db(0, 3, 0);
        for _ in 0..3 {
            let body = small[random.below(small.len())];
            let payload = seal(&[body, &[10, 0][..]].concat());
            match restore(&payload, &limits).expect("sound") {
                Restored::String(bytes) => {
                    writer.key(b"s", Data::String(Value::Bytes(&bytes)), KeyMeta::default())
                }
                Restored::Object(object) => writer.key(b"o", object.data(), KeyMeta::default()),
            }
        }
        writer.end();
        let mut file = writer.pending().to_vec();
        damage(&mut file, &bodies, &mut random);
        let whole = told(&file, || usize::MAX);
        assert_eq!(told(&file, || 1), whole, "seed {seed}, round {round}");
        assert_eq!(told(&file, || 1 + random.below(40)), whole, "seed {seed}, round {round}");
    }
}
