//! The append-only file's formats: what a rewrite writes as commands, and reader and manifest under damage.
//!
//! Damage follows from a seed. `TOPPLE_FUZZ_ROUNDS` sets how many pieces of damage are tried (4,000 unless
//! told), `TOPPLE_FUZZ_SEED` another seed.

mod damage;
mod fixtures;

use damage::{Random, damage, setting};
use fixtures::payloads;
use keyspace::Data;
use keyspace::Value;
use keyspace::values::{Limits, Stream, StreamId};
use proptest::prelude::*;
use topple_persist::aof::{BaseForm, CommandWriter, Manifest, Reader};
use topple_persist::rdb::{Restored, restore};

/// Everything a file says, or why it says no more; and how much of it is sound.
fn told(file: &[u8], mut piece: impl FnMut() -> usize) -> (String, u64) {
    let (mut reader, mut rest, mut told) = (Reader::new(0), file, String::new());
    loop {
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(commands)) => {
                    for args in commands.iter() {
                        told.push_str(
                            &args.iter().map(|arg| arg.escape_ascii().to_string() + " ").collect::<String>(),
                        );
                        told.push('\n');
                    }
                }
                Err(error) => return (told + &error.to_string(), reader.valid_up_to()),
            }
        }
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
        rest = later;
        reader.feed(now);
    }
    let end = reader.finish().map_or_else(|error| error.to_string(), |()| "whole".into());
    (told + &end, reader.valid_up_to())
}

/// A value of each type and size, as commands.
fn written() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (name, _, real) in payloads() {
        let mut writer = CommandWriter::default();
        writer.timestamp(1_700_000_000);
        writer.select_db(3);
        match restore(&real, &Limits::default()).expect("a payload of a real server") {
            Restored::String(bytes) => {
                writer.key(name.as_bytes(), Data::String(Value::Bytes(&bytes)), Some(77));
            }
            Restored::Object(object) => writer.key(name.as_bytes(), object.data(), None),
        }
        files.push(writer.pending().to_vec());
    }
    files
}

#[test]
fn what_is_written_is_read_whole() {
    for file in written() {
        let (text, valid) = told(&file, || usize::MAX);
        assert!(text.starts_with("SELECT 3 \n") && text.ends_with("whole"), "{text}");
        assert_eq!(valid, file.len() as u64);
        // A name, a key and 64 pairs; entries of streams are written whole.
        let words = file.split(|byte| *byte == b'\n').filter(|line| line.first() == Some(&b'*'));
        let longest =
            words.filter_map(|line| String::from_utf8_lossy(&line[1..]).trim().parse::<u32>().ok()).max();
        assert!(longest <= Some(130) || text.contains("XADD"), "{text}");
    }
}

#[test]
fn a_stream_without_entries_is_made_all_the_same() {
    let mut stream = Stream::default();
    stream.set_last_id(StreamId { ms: 7, seq: 1 });
    stream.set_entries_added(5);
    stream.create_group(b"g", StreamId { ms: 3, seq: 0 }, None);
    let mut writer = CommandWriter::default();
    writer.key(b"s", Data::Stream(&stream), None);
    assert_eq!(
        told(writer.pending(), || 3).0,
        "XADD s MAXLEN 0 0-1 x y \nXSETID s 7-1 ENTRIESADDED 5 MAXDELETEDID 0-0 \n\
         XGROUP CREATE s g 3-0 ENTRIESREAD -1 \nwhole"
    );
}

#[test]
fn damaged_files_say_the_same_however_they_are_cut() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000), setting("TOPPLE_FUZZ_SEED", 1));
    let files: Vec<Vec<u8>> = written().into_iter().filter(|file| file.len() < 2000).collect();
    let multi = b"*1\r\n$5\r\nMULTI\r\n".to_vec();
    let exec = b"*1\r\n$4\r\nEXEC\r\n".to_vec();
    let pieces =
        [files, vec![multi, exec, b"#TS:12\r\n".to_vec(), b"*0\r\n".to_vec(), b"\r\n".to_vec()]].concat();
    let mut ends = std::collections::BTreeSet::new();
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 34).wrapping_add(round));
        let mut file: Vec<u8> =
            (0..1 + random.below(4)).flat_map(|_| pieces[random.below(pieces.len())].clone()).collect();
        damage(&mut file, &pieces, &mut random);
        let whole = told(&file, || usize::MAX);
        assert!(whole.1 <= file.len() as u64);
        assert_eq!(told(&file, || 1), whole, "seed {seed}, round {round}");
        assert_eq!(told(&file, || 1 + random.below(40)), whole, "seed {seed}, round {round}");
        // What is sound is whole, and says no less.
        let (sound, _) = told(&file[..whole.1 as usize], || usize::MAX);
        assert!(sound.ends_with("whole"), "seed {seed}, round {round}: {sound}");
        ends.insert(whole.0.rsplit('\n').next().unwrap_or("").split([',', ' ']).next().map(str::to_owned));
    }
    assert!(ends.len() > 3, "only {ends:?}");
}

#[test]
fn damaged_manifests_are_refused_or_mean_one_thing() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000), setting("TOPPLE_FUZZ_SEED", 1));
    let mut manifest = Manifest::default();
    for _ in 0..2 {
        manifest.begin_base("appendonly.aof", BaseForm::Rdb);
        manifest.begin_incremental("\"odd\" name\n");
    }
    manifest.retire_rewritten();
    let text = manifest.to_text().into_bytes();
    let words = [&b" seq 3"[..], b" type i", b"file \"a\\x41\"", b"\n", b"#", b"\""].map(<[u8]>::to_vec);
    let mut taken = 0;
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 35).wrapping_add(round));
        let mut text = text.clone();
        damage(&mut text, &words, &mut random);
        if let Ok(read) = Manifest::parse(&text) {
            if read != Manifest::default() {
                let again = Manifest::parse(read.to_text().as_bytes());
                assert_eq!(
                    again.map(|again| again.to_text()),
                    Ok(read.to_text()),
                    "seed {seed}, round {round}"
                );
            }
            taken += 1;
        }
    }
    assert!(taken > 0, "nothing was taken");
}

proptest! {
    #[test]
    fn any_names_survive(prefix in "[^/\\\\\u{0}]{1,40}", bases in 1..5, rewrites in 0..5) {
        let mut manifest = Manifest::default();
        for _ in 0..bases {
            manifest.begin_base(&prefix, BaseForm::Commands);
            manifest.begin_incremental(&prefix);
        }
        for _ in 0..rewrites {
            manifest.begin_incremental(&prefix);
            manifest.begin_base(&prefix, BaseForm::Rdb);
            manifest.retire_rewritten();
        }
        prop_assert_eq!(Manifest::parse(manifest.to_text().as_bytes()), Ok(manifest));
    }

    #[test]
    fn any_bytes_are_told_the_same_way_in_pieces(bytes in prop::collection::vec(prop::sample::select(&b"*$#123\r\nPa"[..]), 0..60)) {
        prop_assert_eq!(told(&bytes, || 1), told(&bytes, || usize::MAX));
    }
}
