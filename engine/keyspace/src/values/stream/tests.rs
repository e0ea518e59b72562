//! Streams against a model, after random work; groups likewise.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::value::WallMs;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;
type Model = BTreeMap<StreamId, Fields>;

#[derive(Clone, Debug)]
enum Step {
    Append { ms: u64, seq: u64, fields: Fields },
    Delete(Index),
    DeleteUnknown(StreamId),
    MaxLen(Index, Option<u64>),
    MinId(Index, Option<u64>),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec![&b"name"[..], b"12", b"-7", b"", b"x"]).prop_map(<[u8]>::to_vec),
        1 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..70),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fields = prop_oneof![
        text().prop_map(|value| vec![(b"f".to_vec(), value)]),
        prop::collection::vec((text(), text()), 1..4),
    ];
    let trim = prop::option::of(0..12u64);
    prop_oneof![
        12 => (0..3u64, 0..3u64, fields).prop_map(|(ms, seq, fields)| Step::Append { ms, seq, fields }),
        4 => any::<Index>().prop_map(Step::Delete),
        1 => (0..40u64, 0..40u64).prop_map(|(ms, seq)| Step::DeleteUnknown(StreamId::new(ms, seq))),
        1 => (any::<Index>(), trim.clone()).prop_map(|(index, limit)| Step::MaxLen(index, limit)),
        1 => (any::<Index>(), trim).prop_map(|(index, limit)| Step::MinId(index, limit)),
    ]
}

/// How the stream trims: exactly, or whole nodes up to a limit.
fn trim(stream: &mut Stream, to: Trim, limit: Option<u64>) -> u64 {
    match limit {
        None => stream.trim(to),
        Some(limit) => stream.trim_nodes(to, limit),
    }
}

fn listed<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<(StreamId, Fields)> {
    let owned = |value: crate::Value<'_>| value.to_cow().into_owned();
    entries
        .map(|entry| {
            let pairs: Vec<_> = entry.pairs().map(|(name, value)| (owned(name), owned(value))).collect();
            assert_eq!(pairs.len(), entry.fields);
            (entry.id, pairs)
        })
        .collect()
}

struct Both {
    stream: Stream,
    model: Model,
    limits: Limits,
    added: u64,
    max_deleted: StreamId,
}

impl Both {
    fn some_id(&self, index: &Index) -> StreamId {
        match self.model.len() {
            0 => StreamId::MIN,
            count => *self.model.keys().nth(index.index(count)).unwrap(),
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Append { ms, seq, fields } => {
                let last = self.stream.last_id();
                let seq = if ms == 0 { last.seq + 1 + seq } else { seq };
                let id = StreamId::new(last.ms + ms, seq);
                let pairs = Pairs::new(fields.len(), |at| {
                    let (name, value) = &fields[at / 2];
                    if at % 2 == 0 { &name[..] } else { &value[..] }
                });
                self.stream.append(id, &pairs, &self.limits);
                self.model.insert(id, fields);
                self.added += 1;
            }
            Step::Delete(index) => self.delete(self.some_id(&index)),
            Step::DeleteUnknown(id) => self.delete(id),
            Step::MaxLen(index, limit) => {
                let keep = index.index(self.model.len() + 1) as u64;
                let removed = trim(&mut self.stream, Trim::MaxLen(keep), limit);
                self.removed_from_front(removed, limit);
                assert!(self.model.len() as u64 >= keep.min(self.model.len() as u64 + removed));
                assert!(limit.is_some() || self.model.len() as u64 <= keep);
            }
            Step::MinId(index, limit) => {
                let first = self.some_id(&index);
                let below = self.model.range(..first).count() as u64;
                let removed = trim(&mut self.stream, Trim::MinId(first), limit);
                assert!(removed == below || limit.is_some() && removed < below);
                self.removed_from_front(removed, limit);
            }
        }
    }

    fn delete(&mut self, id: StreamId) {
        let was_there = self.model.remove(&id).is_some();
        assert_eq!(self.stream.delete(id), was_there);
        if was_there {
            self.max_deleted = self.max_deleted.max(id);
        }
    }

    fn removed_from_front(&mut self, count: u64, limit: Option<u64>) {
        assert!(limit.is_none_or(|limit| limit == 0 || count <= limit));
        for _ in 0..count {
            self.model.pop_first();
        }
    }

    fn compare(&self, bounds: &(Index, Index)) {
        let (stream, model) = (&self.stream, &self.model);
        let expected: Vec<_> = model.iter().map(|(id, fields)| (*id, fields.clone())).collect();
        assert_eq!(listed(stream.iter()), expected);
        let (low, high) = (self.some_id(&bounds.0), self.some_id(&bounds.1));
        for (low, high) in [(low, high), (low.next().unwrap(), StreamId::MAX), (StreamId::MIN, high)] {
            let inside = expected.iter().filter(|(id, _)| (low..=high).contains(id)).cloned();
            let mut inside: Vec<_> = inside.collect();
            assert_eq!(listed(stream.range(low, high)), inside);
            inside.reverse();
            assert_eq!(listed(stream.range_back(low, high)), inside);
        }
        assert_eq!(stream.len(), model.len() as u64);
        assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or_default());
        assert_eq!(stream.top_id(), model.keys().next_back().copied());
        assert_eq!((stream.entries_added(), stream.max_deleted_id()), (self.added, self.max_deleted));
        for stream in [stream, &stream.clone()] {
            let packs: usize = stream.nodes().map(|(_, pack)| pack.heap_bytes()).sum();
            assert_eq!(stream.heap_bytes(), stream.nodes.capacity() * NODE_BYTES + packs);
        }
        for node in &stream.nodes {
            assert!(node.check().is_some());
        }
    }

    /// The stream as it comes back from a file.
    fn restored(&self) -> Stream {
        let mut restored = Stream::default();
        for (id, pack) in self.stream.nodes() {
            let mut bytes = Vec::new();
            pack.write_encoded(&mut bytes);
            restored.restore_node(id, Listpack::from_encoded(&bytes).unwrap()).unwrap();
        }
        let metadata = Metadata {
            length: self.stream.len(),
            last_id: self.stream.last_id(),
            max_deleted_id: Some(self.stream.max_deleted_id()),
            entries_added: Some(self.stream.entries_added()),
        };
        restored.restore_metadata(metadata).unwrap();
        restored
    }
}

proptest! {
    #[test]
    fn it_is_as_a_map_of_entries(
        steps in prop::collection::vec((step(), any::<(Index, Index)>()), 1..80),
        entries in prop::sample::select(vec![0, 1, 3, 5, 100]),
        bytes in prop::sample::select(vec![0, 64, 200, 4096]),
    ) {
        let limits = Limits { stream_node_max_entries: entries, stream_node_max_bytes: bytes, ..Limits::default() };
        let (stream, model) = (Stream::default(), Model::new());
        let mut both = Both { stream, model, limits, added: 0, max_deleted: StreamId::MIN };
        for (step, bounds) in &steps {
            both.apply(step.clone());
            both.compare(bounds);
        }
        both.stream = both.restored();
        both.compare(&steps[0].1);
    }

    #[test]
    fn bytes_of_nodes_are_refused_or_walked_to_the_end(
        mut bytes in prop::collection::vec(any::<u8>(), 1..4),
        place in any::<Index>(),
        ids in prop::collection::vec(0..3u64, 1..6),
    ) {
        let mut stream = Stream::default();
        for (number, fields) in ids.iter().enumerate() {
            let pairs = Pairs::new(*fields as usize, |at| if at % 2 == 0 { &b"field"[..] } else { b"7" });
            stream.append(StreamId::new(1, number as u64), &pairs, &Limits::default());
        }
        stream.delete(StreamId::new(1, 0));
        for (id, pack) in stream.nodes() {
            let mut encoded = Vec::new();
            pack.write_encoded(&mut encoded);
            // Somewhere in the elements, which end one byte before the listpack does.
            let room = encoded.len() - 7;
            let at = 6 + place.index(room);
            bytes.truncate(encoded.len() - 1 - at);
            encoded[at..at + bytes.len()].copy_from_slice(&bytes);
            let Ok(pack) = Listpack::from_encoded(&encoded) else { continue };
            let mut restored = Stream::default();
            if restored.restore_node(id, pack).is_ok() {
                prop_assert_eq!(listed(restored.iter()).len() as u64, restored.len());
                let mut forth = listed(restored.iter());
                forth.reverse();
                prop_assert_eq!(listed(restored.range_back(StreamId::MIN, StreamId::MAX)), forth);
                restored.trim(Trim::MaxLen(1));
                prop_assert!(restored.len() <= 1);
            }
        }
    }

    #[test]
    fn a_group_knows_whose_every_pending_entry_is(
        steps in prop::collection::vec((0..6u8, 0..4usize, 0..20u64), 1..120),
    ) {
        let names = [&b"alice"[..], b"bob", b"", b"al"];
        let mut stream = Stream::default();
        stream.create_group(b"g", StreamId::MIN, None);
        let mut model: BTreeMap<&[u8], Vec<u64>> = BTreeMap::new();
        for (kind, who, entry) in steps {
            let (name, id) = (names[who], StreamId::new(entry, 0));
            stream.change_group(b"g", |group, _| match kind {
                0 => {
                    let made = group.create_consumer(name, WallMs(5));
                    assert_eq!(made.is_some(), !model.contains_key(name));
                    model.entry(name).or_default();
                }
                1 => {
                    let gone = model.remove(name).map(|pending| pending.len());
                    assert_eq!(group.delete_consumer(name), gone);
                }
                2 => {
                    let had = model.values_mut().any(|pending| {
                        let before = pending.len();
                        pending.retain(|one| *one != entry);
                        pending.len() < before
                    });
                    assert_eq!(group.acknowledge(id), had);
                }
                _ => {
                    let Some(consumer) = group.find_consumer(name) else { return };
                    model.values_mut().for_each(|pending| pending.retain(|one| *one != entry));
                    model.get_mut(name).unwrap().push(entry);
                    group.deliver(id, Pending { consumer, delivered_at: WallMs(0), deliveries: 1 });
                }
            });
            let group = stream.group(b"g").unwrap();
            let found: Vec<(&[u8], Vec<u64>)> = group
                .consumers()
                .map(|one| (one.name(), one.pending_from(StreamId::MIN).map(|id| id.ms).collect()))
                .collect();
            model.values_mut().for_each(|pending| pending.sort_unstable());
            prop_assert_eq!(&found, &model.iter().map(|(name, ids)| (*name, ids.clone())).collect::<Vec<_>>());
            prop_assert_eq!(group.pending_len(), model.values().map(Vec::len).sum::<usize>());
            for (id, pending) in group.pending_from(StreamId::MIN) {
                prop_assert!(model[group.consumer(pending.consumer).name()].contains(&id.ms));
            }
            prop_assert_eq!(stream.heap_bytes(), GROUP_BYTES + 1 + group.heap_bytes());
        }
        stream.destroy_group(b"g");
        prop_assert_eq!(stream.heap_bytes(), 0);
    }
}

#[test]
fn a_last_id_set_back_leaves_no_trace_in_the_way() {
    let mut stream = Stream::default();
    let pairs = Pairs::new(1, |_| &b"x"[..]);
    let limits = Limits::default();
    for seq in 1..=3 {
        stream.append(StreamId::new(5, seq), &pairs, &limits);
    }
    stream.delete(StreamId::new(5, 3));
    // What is left of the node is the trace of its last entry.
    stream.trim(Trim::MinId(StreamId::new(5, 3)));
    assert_eq!((stream.len(), stream.nodes().len()), (0, 1));
    stream.set_last_id(StreamId::new(4, 0));
    stream.append(StreamId::new(4, 1), &pairs, &limits);
    assert_eq!(listed(stream.iter()).len(), 1);
    assert!(stream.get(StreamId::new(4, 1)).is_some());
}

#[test]
fn many_groups_do_not_make_adding_dearer_to_account_for() {
    let mut stream = Stream::default();
    for number in 0..100u32 {
        assert!(stream.create_group(&number.to_be_bytes(), StreamId::MIN, Some(0)));
        assert!(!stream.create_group(&number.to_be_bytes(), StreamId::MIN, None));
    }
    let before = stream.heap_bytes();
    assert_eq!(stream.clone().heap_bytes(), before);
    assert!(stream.destroy_group(&7u32.to_be_bytes()));
    assert!(!stream.destroy_group(&7u32.to_be_bytes()));
    assert_eq!(before - stream.heap_bytes(), GROUP_BYTES + 4);
}
