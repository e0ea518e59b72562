//! Tests of the entry layout; small on purpose, so that they run under valgrind too.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::object::{Object, ObjectMut};
use crate::value::{Encoding, Kind, Value, WallMs};
use crate::values::{End, Hash, Limits, List, Set, SortedSet};

thread_local! {
    /// Entries allocated and not yet freed by this thread.
    pub(crate) static LIVE_ENTRIES: Cell<isize> = const { Cell::new(0) };
}

fn recipe<'a>(key: &'a [u8], value: &'a [u8], expires_at: Option<i64>) -> Recipe<'a> {
    Recipe {
        key,
        clock: 0x00ab_cdef,
        encoding: if value.len() <= 44 { Encoding::Embstr } else { Encoding::Raw },
        expires_at: expires_at.map(WallMs),
        body: Body::of_bytes(key, value, expires_at.is_some()),
    }
}

fn check(slot: &Slot, key: &[u8], value: &[u8], expires_at: Option<i64>) {
    let entry = slot.entry();
    assert_eq!(entry.key(), key);
    assert_eq!(entry.value(), Value::Bytes(value));
    assert_eq!(entry.expires_at(), expires_at.map(WallMs));
    assert_eq!(slot.is_volatile(), expires_at.is_some());
    assert_eq!(entry.access(), 0x00ab_cdef);
    assert_eq!(entry.kind(), Kind::String);
}

#[test]
fn small_entries_are_as_small_as_promised() {
    let (key, value) = ([b'k'; 16], [b'v'; 32]);
    assert_eq!(Slot::new(recipe(&key, &value, None)).entry().bytes(), 56);
    assert_eq!(Slot::new(recipe(&key, &value, Some(1))).entry().bytes(), 64);
    let int = Slot::new(Recipe { body: Body::Int(7), ..recipe(&key, b"", None) });
    assert_eq!(int.entry().bytes(), 32);
    assert_eq!(size_of::<Option<Slot>>(), 8);
}

#[test]
fn every_combination_of_lengths_reads_back() {
    let bytes: Vec<u8> = (0..2000u32).map(|i| (i * 7 + 3) as u8).collect();
    for key_len in [0, 1, 7, 8, 16, 254, 255, 256, 257, 511, 512, 700] {
        for value_len in [0, 1, 8, 44, 45, 247, 255, 256, 480, 488, 496, 504, 512, 1999] {
            for expires_at in [None, Some(i64::MIN), Some(1_700_000_000_000)] {
                let (key, value) = (&bytes[..key_len], &bytes[1..1 + value_len]);
                let slot = Slot::new(recipe(key, value, expires_at));
                check(&slot, key, value, expires_at);
                let moved = slot.with_key(&bytes[3..3 + (key_len * 3) % 300]);
                check(&moved, &bytes[3..3 + (key_len * 3) % 300], value, expires_at);
            }
        }
    }
    assert_eq!(LIVE_ENTRIES.get(), 0);
}

#[test]
fn overwriting_and_deadlines_keep_everything_else() {
    let bytes: Vec<u8> = (0..3000u32).map(|i| (i * 13) as u8).collect();
    for key_len in [3, 300] {
        let key = &bytes[..key_len];
        let mut slot = Slot::new(recipe(key, b"first", None));
        for value_len in [5, 6, 40, 40, 48, 2000, 2001, 10, 0, 2000, 3] {
            for expires_at in [None, Some(5), Some(9), None, Some(1)] {
                let value = &bytes[..value_len];
                slot.overwrite(recipe(key, value, expires_at));
                check(&slot, key, value, expires_at);
                for deadline in [Some(77), Some(78), None, None] {
                    slot.set_expires_at(deadline.map(WallMs));
                    check(&slot, key, value, deadline);
                }
            }
            slot.overwrite(Recipe { body: Body::Int(-5), ..recipe(key, b"", Some(3)) });
            assert_eq!(slot.entry().value(), Value::Int(-5));
            slot.set_expires_at(None);
            assert_eq!(slot.entry().value(), Value::Int(-5));
        }
        assert_eq!(LIVE_ENTRIES.get(), 1);
    }
    assert_eq!(LIVE_ENTRIES.get(), 0);
}

#[test]
fn a_value_of_the_same_size_is_written_in_place() {
    let mut slot = Slot::new(recipe(b"key", b"0123456789", None));
    let before = slot.entry().key().as_ptr();
    slot.overwrite(recipe(b"key", b"987654321098", None));
    assert_eq!(slot.entry().key().as_ptr(), before);
    check(&slot, b"key", b"987654321098", None);
}

#[test]
fn the_access_clock_leaves_kind_and_encoding_alone() {
    let mut slot = Slot::new(recipe(b"key", &[1; 100], None));
    slot.touch(u32::MAX);
    assert_eq!((slot.entry().access(), slot.entry().encoding()), (0x00ff_ffff, Encoding::Raw));
    slot.set_encoding(Encoding::Embstr);
    assert_eq!((slot.entry().access(), slot.entry().encoding()), (0x00ff_ffff, Encoding::Embstr));
    slot.touch(0);
    assert_eq!((slot.entry().access(), slot.entry().kind()), (0, Kind::String));
}

#[test]
fn objects_are_exact_and_change_in_place() {
    let mut slot = Slot::new(recipe(b"key", &[7; 5000], None));
    assert_eq!(slot.entry().bytes(), 16 + size_of::<Vec<u8>>() + 5000);
    let Some(ObjectMut::Raw(bytes)) = slot.object_mut() else { panic!("no object") };
    bytes.extend_from_slice(b"tail");
    assert_eq!(slot.entry().value().len(), 5004);
    assert!(Slot::new(recipe(b"key", b"small", None)).object_mut().is_none());
}

#[test]
fn a_collection_keeps_its_kind_and_contents_wherever_its_entry_goes() {
    let limits = Limits::default();
    let mut list = List::new();
    list.push(End::Back, b"a", &limits);
    let mut set = Set::default();
    assert!(set.add(b"1", &limits) && set.add(b"text", &limits));
    let mut integers = Set::default();
    assert!(integers.add(b"1", &limits));
    let mut scores = SortedSet::new();
    assert!(scores.insert(b"m", 1.5, &limits));
    let mut large = scores.clone();
    large.enlarge(&limits);
    let mut hash = Hash::default();
    assert!(hash.set(b"f", b"v", &limits));
    let mut dict = hash.clone();
    dict.expect(1 << 20, &limits);
    let objects = [
        Object::List(Box::new(list)),
        Object::Set(set),
        Object::Set(integers),
        Object::SortedSet(scores),
        Object::SortedSet(large),
        Object::Hash(hash),
        Object::Hash(dict),
        Object::Stream(Box::default()),
        Object::Raw(vec![7; 900]),
    ];
    for object in objects {
        let (text, kind) = (format!("{:?}", object.data()), object.kind());
        let mut slot = Slot::new(Recipe { body: Body::Object(object), ..recipe(b"key", b"", None) });
        let check = |slot: &Slot| {
            assert_eq!((slot.entry().kind(), format!("{:?}", slot.entry().data())), (kind, text.clone()));
        };
        check(&slot);
        slot.set_expires_at(Some(WallMs(5)));
        check(&slot);
        let mut slot = slot.with_key(&[b'k'; 300]);
        check(&slot);
        let same_kind = match slot.object_mut() {
            Some(ObjectMut::Raw(_)) => kind == Kind::String,
            Some(ObjectMut::List(_)) => kind == Kind::List,
            Some(ObjectMut::Set(_)) => kind == Kind::Set,
            Some(ObjectMut::SortedSet(_)) => kind == Kind::SortedSet,
            Some(ObjectMut::Hash(_)) => kind == Kind::Hash,
            Some(ObjectMut::Stream(_)) => kind == Kind::Stream,
            None => false,
        };
        assert!(same_kind, "{kind:?}");
        slot.overwrite(recipe(&[b'k'; 300], b"a string", Some(5)));
        assert_eq!(slot.entry().kind(), Kind::String);
    }
    assert_eq!(LIVE_ENTRIES.get(), 0);
}

#[test]
fn a_thin_value_is_either_form_and_is_dropped_once() {
    let drops = Rc::new(());
    let mut thin = Thin::<Block, Rc<()>>::of_small(Block::from_bytes(b"small", 5));
    let Form::Small(block) = thin.form_mut() else { panic!("a block") };
    block.splice(5..5, &[b'x'; 1000]);
    let copy = thin.clone();
    thin = Thin::of_large(drops.clone());
    let Form::Large(large) = thin.form_mut() else { panic!("the large form") };
    assert_eq!(Rc::strong_count(large), 2);
    let other = thin.clone();
    assert_eq!(Rc::strong_count(&drops), 3);
    drop((thin, other));
    assert_eq!(Rc::strong_count(&drops), 1);
    let Form::Small(block) = copy.form() else { panic!("a block") };
    assert_eq!((block.len(), &block.bytes()[..6], block.count()), (1005, &b"smallx"[..], 5));
}

#[test]
fn an_entry_may_be_freed_on_another_thread() {
    let slot = Slot::new(recipe(b"key", &[7; 5000], Some(1)));
    std::thread::spawn(move || drop(slot)).join().unwrap();
    LIVE_ENTRIES.set(LIVE_ENTRIES.get() - 1);
}
