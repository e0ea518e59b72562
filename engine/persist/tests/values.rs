//! Values of every type: those of a real server, of every form that servers have written, and our own.

mod fixtures;

use std::collections::BTreeMap;

use fixtures::{DUMPS, EVERY, payloads};
use keyspace::values::Limits;
use keyspace::{Data, Object, Value};
use topple_persist::rdb::{
    Compression, ErrorKind, Item, KeyMeta, PayloadError, RdbError, Reader, Restored, Step, StringValue,
    Verify, Writer, WriterOptions, dump, restore,
};

fn restored(payload: &[u8]) -> Restored {
    restore(payload, &Limits::default()).expect("a payload of a real server")
}

fn dumped(value: &Restored) -> Vec<u8> {
    match value {
        Restored::String(bytes) => {
            let number = keyspace::parse_canonical_int(bytes);
            dump(Data::String(number.map_or(Value::Bytes(bytes), Value::Int)), Compression::Lzf)
        }
        Restored::Object(object) => dump(object.data(), Compression::Lzf),
    }
}

/// The elements of a set or hash, sorted: tables have them in no order. Those of a list that came one by one,
/// which does not say where its nodes begin.
fn unordered(value: &Restored) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut elements: Vec<(Vec<u8>, Vec<u8>)> = match value {
        Restored::Object(Object::Set(set)) => {
            set.iter().map(|member| (member.to_cow().into_owned(), Vec::new())).collect()
        }
        Restored::Object(Object::Hash(hash)) => hash
            .iter()
            .map(|(field, value)| (field.to_cow().into_owned(), value.to_cow().into_owned()))
            .collect(),
        Restored::Object(Object::List(list))
            if list.show(0, |first| first == Value::Bytes(b"element 0")) == Some(true) =>
        {
            let mut elements = Vec::new();
            list.for_each(|element| elements.push((element.to_cow().into_owned(), Vec::new())));
            return Some(elements);
        }
        _ => return None,
    };
    elements.sort();
    Some(elements)
}

#[test]
fn what_a_real_server_dumps_is_restored_and_dumped_again() {
    let mut compared = 0;
    for (name, given, real) in payloads() {
        let value = restored(given.as_deref().unwrap_or(&real));
        let ours = dumped(&value);
        match unordered(&value) {
            Some(elements) if ours != real => {
                assert_eq!(unordered(&restored(&ours)), Some(elements.clone()), "{name}");
                assert_eq!(unordered(&restored(&real)), Some(elements), "{name}");
            }
            _ => assert_eq!(ours, real, "{name}"),
        }
        compared += 1;
    }
    assert_eq!(compared, DUMPS.lines().count());
}

/// Keys of a file with what DUMP would give for them.
fn load(file: &[u8], piece: usize) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, RdbError> {
    let mut reader = Reader::new(Verify::Checksum);
    let mut keys = BTreeMap::new();
    for bytes in file.chunks(piece) {
        reader.feed(bytes);
        while let Step::Item(item) = reader.next()? {
            let (key, payload) = match item {
                Item::Key { key, value: StringValue::Int(number), .. } => {
                    (key, dump(Data::String(Value::Int(number)), Compression::Lzf))
                }
                Item::Key { key, value: StringValue::Bytes(bytes), .. } => {
                    (key, dumped(&Restored::String(bytes.to_vec())))
                }
                Item::Object { key, object, .. } => (key, dump(object.data(), Compression::Lzf)),
                _ => continue,
            };
            assert_eq!(keys.insert(key.to_vec(), payload), None);
        }
    }
    reader.finish()?;
    Ok(keys)
}

#[test]
fn a_real_file_is_read_however_it_is_cut() {
    let whole = load(EVERY, EVERY.len()).expect("a good file");
    for (name, given, real) in payloads() {
        let ours = &whole[name.as_bytes()];
        let direct = restored(given.as_deref().unwrap_or(&real));
        match unordered(&direct) {
            Some(elements) => assert_eq!(unordered(&restored(ours)), Some(elements), "{name}"),
            None => assert_eq!(ours, &real, "{name}"),
        }
    }
    assert_eq!(whole.len(), DUMPS.lines().count());
    for piece in [1, 7, 1000] {
        assert_eq!(load(EVERY, piece).expect("a good file"), whole);
    }
}

#[test]
fn every_truncation_of_a_value_is_an_unexpected_end() {
    let file = file_of(&small_values());
    for length in 9..file.len() {
        let error = load(&file[..length], 5).expect_err("cut off");
        assert_eq!(error, RdbError { offset: length as u64, kind: ErrorKind::UnexpectedEnd });
    }
}

/// One payload of each kind that is not large.
fn small_values() -> Vec<(String, Restored)> {
    let small = payloads().filter(|(name, _, real)| !name.contains("string:") && real.len() < 600);
    small.map(|(name, given, real)| (name, restored(given.as_deref().unwrap_or(&real)))).collect()
}

fn file_of(values: &[(String, Restored)]) -> Vec<u8> {
    let mut writer = Writer::new(WriterOptions::default());
    writer.header();
    writer.select_db(0, values.len() as u64, 0);
    for (name, value) in values {
        match value {
            Restored::String(bytes) => {
                writer.key(name.as_bytes(), Data::String(Value::Bytes(bytes)), KeyMeta::default());
            }
            Restored::Object(object) => writer.key(name.as_bytes(), object.data(), KeyMeta::default()),
        }
    }
    writer.end();
    writer.pending().to_vec()
}

#[test]
fn what_is_written_is_read() {
    let values = small_values();
    let loaded = load(&file_of(&values), 100).expect("our own file");
    for (name, value) in &values {
        assert_eq!(loaded[name.as_bytes()], dumped(value), "{name}");
    }
    assert_eq!(loaded.len(), values.len());
}

/// Gives a payload the checksum of its bytes.
fn sealed(body: &[u8]) -> Vec<u8> {
    fixtures::seal(&[body, &[10, 0]].concat())
}

#[test]
fn what_follows_no_form_is_refused() {
    let intset = |integers: &[i16]| {
        let mut bytes = vec![2, 0, 0, 0, integers.len() as u8, 0, 0, 0];
        integers.iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
        [&[11, bytes.len() as u8][..], &bytes].concat()
    };
    assert!(restore(&sealed(&intset(&[1, 2, 3])), &Limits::default()).is_ok());
    for (body, why) in [
        (&b""[..], "nothing"),
        (b"\x06\x00", "a module's value of a pre-release"),
        (b"\x07\x00", "a module's value"),
        (b"\x08\x00", "a type that never was"),
        (b"\x16\x00", "a hash with expiring fields"),
        (b"\x00\x05abc", "a string cut off"),
        (b"\x00\xc5", "a string form that never was"),
        (b"\x01\x00", "a list without elements"),
        (b"\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a", "a list of 2^64 elements"),
        (b"\x02\x02\x01a\x01a", "a member twice"),
        (b"\x04\x02\x01a\x01b\x01a\x01c", "a field twice"),
        (b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f", "a score that is no number"),
        (
            b"\x05\x02\x01a\x00\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x40",
            "a member twice",
        ),
        (b"\x03\x01\x01a\xfd", "a score that is no number"),
        (b"\x03\x01\x01a\x02xx", "a score in letters"),
        (b"\x12\x01\x03\x01a", "a list's node of a kind that never was"),
        (&intset(&[]), "no integers"),
        (&intset(&[2, 1]), "integers out of order"),
        (&intset(&[1, 1]), "an integer twice"),
        (b"\x10\x0b\x0b\x00\x00\x00\x01\x00\x81a\x02\xff\x00", "a listpack of another length"),
        (b"\x10\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff", "a field without a value"),
        (b"\x13\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "a stream that counts what is not there"),
    ] {
        let result = restore(&sealed(body), &Limits::default());
        assert_eq!(result.map(|_| ()), Err(PayloadError::Format), "{why}");
    }
}

#[test]
fn what_is_wrong_with_the_end_is_told_apart() {
    let good = sealed(b"\x00\x01a");
    assert!(matches!(restore(&good, &Limits::default()), Ok(Restored::String(bytes)) if bytes == b"a"));
    let mut wrong_sum = good.clone();
    wrong_sum[3] ^= 1;
    let too_new = fixtures::seal(b"\x00\x01a\x0d\x00");
    for bad in [&b""[..], b"short", &good[..good.len() - 1], &wrong_sum, &too_new] {
        assert_eq!(restore(bad, &Limits::default()).map(|_| ()), Err(PayloadError::Footer), "{bad:?}");
    }
}
