//! Snapshots as whole files: real ones, our own, and damaged ones.

mod loading;

use keyspace::{Data, Value};
use loading::{Loaded, load, load_in_pieces};
use proptest::prelude::*;
use topple_persist::rdb::{
    Checked, Checksum, Compression, ErrorKind, KeyMeta, RdbError, Reader, Step, StringValue, Verify, Writer,
    WriterOptions,
};

const STRINGS: &[u8] = include_bytes!("fixtures/strings.rdb");
const LFU: &[u8] = include_bytes!("fixtures/lfu.rdb");
const LRU: &[u8] = include_bytes!("fixtures/lru.rdb");
const PLAIN: &[u8] = include_bytes!("fixtures/plain.rdb");
const UNCHECKED: &[u8] = include_bytes!("fixtures/unchecked.rdb");

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn reads_what_redis_writes() {
    let loaded = load(STRINGS).expect("a good file");
    assert_eq!(loaded.version, 10);
    assert_eq!(loaded.checked, Some(Checked::Matched));
    let aux: Vec<_> = loaded.aux.iter().map(|(key, _)| text(key)).collect();
    assert_eq!(aux, ["redis-ver", "redis-bits", "ctime", "used-mem", "aof-base"]);
    assert_eq!(loaded.aux[0].1, b"7.0.15");
    assert_eq!(loaded.aux[1].1, b"64");
    assert_eq!(loaded.functions.len(), 1);
    assert!(text(&loaded.functions[0]).starts_with("#!lua name=lib\nredis.register_function('f'"));
    assert_eq!(loaded.sizes, [(0, 25, 1), (3, 2, 0)]);

    for number in [
        "0",
        "1",
        "-1",
        "127",
        "-128",
        "128",
        "-129",
        "32767",
        "-32768",
        "32768",
        "-32769",
        "2147483647",
        "-2147483648",
        "2147483648",
        "-9223372036854775808",
        "007",
        "-0",
        "+1",
    ] {
        assert_eq!(loaded.string(0, &format!("n:{number}")), number.as_bytes());
    }
    assert_eq!(loaded.string(0, "12345"), b"key-is-int");
    assert_eq!(loaded.string(0, "empty"), b"");
    assert_eq!(loaded.string(0, "hello"), b"world");
    assert_eq!(loaded.string(0, "long"), b"abc".repeat(100));
    assert_eq!(loaded.string(0, &"longkey".repeat(20)), b"x");
    assert_eq!(loaded.string(0, "bin"), b"\x00\xff\r\n\x80");
    assert_eq!(loaded.string(3, "other"), b"in db three");
    assert_eq!(loaded.string(3, "big").len(), 17_000);
    assert_eq!(loaded.meta(0, "exp").expires_at_ms, Some(33_000_000_000_000));
    assert_eq!(loaded.meta(0, "hello"), KeyMeta::default());
}

#[test]
fn reads_usage_and_the_optional_parts() {
    let lfu = load(LFU).expect("a good file");
    let (seldom, often) = (lfu.meta(0, "a").lfu.expect("a frequency"), lfu.meta(0, "b").lfu.expect("one"));
    assert!(often > seldom, "{often} > {seldom}");

    let lru = load(LRU).expect("a good file");
    assert!(lru.meta(0, "a").lru_idle_s >= Some(1));
    assert_eq!(
        lru.meta(0, "b"),
        KeyMeta { expires_at_ms: Some(4_000_000_000_000), lru_idle_s: Some(0), lfu: None }
    );

    assert_eq!(load(PLAIN).expect("a good file").string(0, "long"), b"abc".repeat(20));
    let unchecked = load(UNCHECKED).expect("a good file");
    assert_eq!(unchecked.checked, Some(Checked::Absent));
}

#[test]
fn however_a_file_is_cut_it_reads_the_same() {
    for file in [STRINGS, LFU, LRU, PLAIN, UNCHECKED] {
        let whole = load(file);
        for piece in [1, 2, 3, 7, 64] {
            assert_eq!(load_in_pieces(file, piece), whole);
        }
    }
}

#[test]
fn names_a_type_it_does_not_take() {
    let error = load(b"REDIS0012\xfe\x00\x18\x01k").expect_err("a hash with field expiry");
    assert_eq!(
        error,
        RdbError { offset: 11, kind: ErrorKind::UnsupportedValueType("hash with field expiry") }
    );
    assert_eq!(error.to_string(), "value of type hash with field expiry at offset 11 is not supported");
}

#[test]
fn every_truncation_is_an_unexpected_end() {
    for file in [STRINGS, LFU, LRU] {
        for length in 0..file.len() {
            let error = load(&file[..length]).expect_err("cut off");
            assert_eq!(error, RdbError { offset: length as u64, kind: ErrorKind::UnexpectedEnd });
        }
    }
    assert_eq!(load(&LFU[..20]).expect_err("cut off").to_string(), "unexpected end of file at offset 20");
}

/// One wrong byte anywhere is noticed, or does not change what is loaded.
#[test]
fn every_corruption_is_an_error_or_harmless() {
    for (file, step) in [(STRINGS, 31), (LFU, 1), (LRU, 3)] {
        let whole = load(file).expect("a good file");
        let mut refused = 0;
        let mut damaged = file.to_vec();
        for at in 0..file.len() {
            for wrong in (1..=255).step_by(step).map(|difference| file[at] ^ difference) {
                damaged[at] = wrong;
                match load(&damaged) {
                    Ok(loaded) => {
                        // Only a version from before checksums passes for a good file.
                        assert!(loaded.version < 5, "byte {at} as {wrong}");
                        assert_eq!(loaded.keys, whole.keys, "byte {at} as {wrong}");
                    }
                    Err(error) => {
                        assert!(error.offset <= file.len() as u64);
                        refused += 1;
                    }
                }
            }
            damaged[at] = file[at];
        }
        assert!(refused > (file.len() - 1) * (255 / step));
    }
}

#[test]
fn a_wrong_checksum_is_named_with_both_values() {
    let mut damaged = LFU.to_vec();
    let value = damaged.len() - 10;
    damaged[value] ^= 1;
    let error = load(&damaged).expect_err("damaged");
    assert_eq!(error.offset, damaged.len() as u64 - 8);
    assert!(error.to_string().starts_with(&format!("wrong checksum at offset {}: expected ", error.offset)));

    let mut reader = Reader::new(Verify::Nothing);
    reader.feed(&damaged);
    while let Step::Item(_) = reader.next().expect("not verified") {}
    reader.finish().expect("loaded all the same");
}

#[test]
fn a_meaningless_length_is_an_error() {
    for (length, kind) in [
        (&[0x81, 0, 0, 0, 0, 0x20, 0, 0, 1][..], ErrorKind::StringTooLong(512 * 1024 * 1024 + 1)),
        (&[0x81, 255, 255, 255, 255, 255, 255, 255, 255], ErrorKind::StringTooLong(u64::MAX)),
        (&[0x82], ErrorKind::InvalidLength(0x82)),
        (&[0xc4], ErrorKind::InvalidStringEncoding(4)),
    ] {
        let mut file = b"REDIS0010\x00".to_vec();
        file.extend_from_slice(length);
        assert_eq!(load(&file), Err(RdbError { offset: 10, kind }));
    }
}

#[test]
fn refuses_what_is_not_a_snapshot() {
    for (file, offset, kind) in [
        (&b"*2\r\n"[..], 0, ErrorKind::WrongSignature),
        (b"REDIX0010", 0, ErrorKind::WrongSignature),
        (b"REDIS00x0", 0, ErrorKind::WrongSignature),
        (b"REDIS0000", 5, ErrorKind::UnsupportedVersion(0)),
        (b"REDIS0013", 5, ErrorKind::UnsupportedVersion(13)),
        (b"REDIS0010\xf6", 9, ErrorKind::PreReleaseFunction),
        (b"REDIS0010\xc8", 9, ErrorKind::UnknownType(200)),
        (b"REDIS0010\xf9\x01\xff", 11, ErrorKind::MetadataWithoutKey),
        (b"REDIS0010\xfe\x81\x00\x00\x00\x01\x00\x00\x00\x00", 10, ErrorKind::NumberTooLarge(1 << 32)),
        (b"REDIS0010\xf7\x01\x02\x01\x09", 13, ErrorKind::InvalidModuleData(9)),
        (b"REDIS0010\x00\x01k\xc3\x02\x02\x01a", 12, ErrorKind::InvalidLzf),
    ] {
        assert_eq!(load(file), Err(RdbError { offset, kind }), "{}", file.escape_ascii());
    }
}

#[test]
fn reads_other_versions_of_the_container() {
    // Version 3: expiry in seconds, no checksum. What follows is handed back.
    let old = load(b"REDIS0003\xfe\x00\xfd\x01\x00\x00\x00\x00\x01k\x01v\xffmore").expect("an old file");
    assert_eq!(old.meta(0, "k").expires_at_ms, Some(1_000));
    assert_eq!((old.checked, &old.trailing[..]), (Some(Checked::Absent), &b"more"[..]));

    // Version 12: slot sizes, and module data with every kind of part.
    let mut new = b"REDIS0012\xf7\x81\x00\x00\x00\x00\x00\x00\x04\x00\x02\x02".to_vec();
    new.extend_from_slice(b"\x01\x05\x02\x06\x03ffff\x04dddddddd\x05\x03abc\x00");
    new.extend_from_slice(
        b"\xfe\x00\xfb\x01\x00\xf4\x05\x01\x00\x00\x01k\xc0\x07\xff\x00\x00\x00\x00\x00\x00\x00\x00",
    );
    let new = load(&new).expect("a new file");
    assert_eq!(new.modules, ["AAAAAAAAB"]);
    assert_eq!(new.slots, [(5, 1, 0)]);
    assert_eq!(new.string(0, "k"), b"7");
}

#[test]
fn commands_may_follow_the_snapshot() {
    let mut file = LFU.to_vec();
    file.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    let loaded = load(&file).expect("a good file");
    assert_eq!(loaded.trailing, b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(loaded.checked, Some(Checked::Matched));
}

fn arbitrary_string() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        any::<i16>().prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b')], 0..20_000),
    ]
}

fn arbitrary_meta() -> impl Strategy<Value = KeyMeta> {
    (any::<Option<i64>>(), any::<Option<u64>>(), any::<Option<u8>>())
        .prop_map(|(expires_at_ms, lru_idle_s, lfu)| KeyMeta { expires_at_ms, lru_idle_s, lfu })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        keys in prop::collection::btree_map(
            arbitrary_string(), (arbitrary_string(), any::<Option<i64>>(), arbitrary_meta()), 0..20),
        db in any::<u32>(),
        compression in prop_oneof![Just(Compression::Lzf), Just(Compression::None)],
        checksum in prop_oneof![Just(Checksum::Crc64), Just(Checksum::Zero)],
        piece in 1..5_000usize,
    ) {
        let mut writer = Writer::new(WriterOptions { checksum, compression, ..WriterOptions::default() });
        writer.header();
        writer.aux(b"redis-bits", b"64");
        writer.function(b"#!lua name=x");
        writer.select_db(db, keys.len() as u64, 0);
        let mut expected = Loaded::default();
        for (key, (bytes, number, meta)) in &keys {
            let value = number.map_or(StringValue::Bytes(bytes), StringValue::Int);
            let data = Data::String(number.map_or(Value::Bytes(bytes), Value::Int));
            writer.key(key, data, *meta);
            expected.keys.insert((db, key.clone()), (value.to_vec(), *meta));
        }
        writer.end();
        let loaded = load_in_pieces(writer.pending(), piece).expect("our own file");
        prop_assert_eq!(loaded.keys, expected.keys);
        prop_assert_eq!(loaded.functions, [b"#!lua name=x"]);
        prop_assert_eq!(loaded.sizes, [(db, keys.len() as u64, 0)]);
        let checked = if checksum == Checksum::Zero { Checked::Absent } else { Checked::Matched };
        prop_assert_eq!(loaded.checked, Some(checked));
    }

    #[test]
    fn noise_after_a_header_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut file = b"REDIS0012".to_vec();
        file.extend_from_slice(&noise);
        let whole = load(&file);
        prop_assert_eq!(load_in_pieces(&file, 1), whole);
    }
}
