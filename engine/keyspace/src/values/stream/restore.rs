//! A stream built from parts that come from outside: files and DUMP payloads.
//!
//! Nothing is believed: nodes are checked element by element, figures against what the nodes hold, and every
//! pending entry must have one consumer. What is refused would have the stream answer with nonsense.

use super::node::Node;
use super::{ConsumerKey, Pending, Stream, StreamId};
use crate::value::WallMs;
use crate::values::Listpack;

/// The parts are not those of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidStream;

/// The figures of a stream beside its entries, the first id apart, which the nodes tell. Files of older
/// formats have only the first two; the rest is told from the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The number of entries.
    pub length: u64,
    /// The id of the entry added last.
    pub last_id: StreamId,
    /// The highest id of a deleted entry.
    pub max_deleted_id: Option<StreamId>,
    /// The number of entries ever added.
    pub entries_added: Option<u64>,
}

impl Stream {
    /// Adds a node at the end.
    ///
    /// # Errors
    /// [`InvalidStream`] when the listpack is no node, or does not come behind those before it.
    pub fn restore_node(&mut self, id: StreamId, pack: Listpack) -> Result<(), InvalidStream> {
        if self.nodes.back().is_some_and(|last| last.id >= id) {
            return Err(InvalidStream);
        }
        let node = Node { id, pack };
        let live = node.check().ok_or(InvalidStream)?;
        let first = node.entries().find(|entry| !entry.is_deleted());
        if first.is_some_and(|first| self.length > 0 && first.id <= self.last_id) {
            return Err(InvalidStream);
        }
        if let Some(last) = node.entries_back().find(|entry| !entry.is_deleted()) {
            self.last_id = last.id;
        }
        self.pack_bytes += node.pack.heap_bytes();
        self.nodes.push_back(node);
        self.length += live;
        Ok(())
    }

    /// Sets the figures, once all nodes are there.
    ///
    /// # Errors
    /// [`InvalidStream`] when the nodes say otherwise.
    pub fn restore_metadata(&mut self, metadata: Metadata) -> Result<(), InvalidStream> {
        if metadata.length != self.length || (self.length > 0 && metadata.last_id < self.last_id) {
            return Err(InvalidStream);
        }
        self.find_first();
        self.last_id = metadata.last_id;
        self.max_deleted_id = metadata.max_deleted_id.unwrap_or(StreamId::MIN);
        self.entries_added = metadata.entries_added.unwrap_or(self.length);
        Ok(())
    }

    /// Adds to a group a consumer with its pending entries, whose deliveries `delivery` tells by id: when,
    /// and how often.
    ///
    /// # Errors
    /// [`InvalidStream`] when there is no such group or there is such a consumer, and when an entry is
    /// pending with another one or unknown to `delivery`.
    pub fn restore_consumer(
        &mut self,
        group: &[u8],
        name: &[u8],
        seen_at: WallMs,
        active_at: Option<WallMs>,
        pending: &[StreamId],
        mut delivery: impl FnMut(StreamId) -> Option<(WallMs, u64)>,
    ) -> Result<(), InvalidStream> {
        self.change_group(group, |group, _| {
            let consumer: ConsumerKey = group.create_consumer(name, seen_at).ok_or(InvalidStream)?;
            group.consumer_mut(consumer).active_at = active_at;
            for &id in pending {
                let (delivered_at, deliveries) = delivery(id).ok_or(InvalidStream)?;
                if group.pending(id).is_some() {
                    return Err(InvalidStream);
                }
                group.deliver(id, Pending { consumer, delivered_at, deliveries });
            }
            Ok(())
        })
        .ok_or(InvalidStream)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listpack(elements: &str) -> Listpack {
        elements.split_whitespace().map(str::as_bytes).collect()
    }

    #[test]
    fn nodes_that_are_none_are_refused() {
        // Master: live, deleted, fields, names, 0; then an entry of the same fields and one of its own.
        let sound = "2 1 1 f 0 2 0 0 v 4 3 0 1 w 4 0 0 2 2 a b c d 8";
        let mut stream = Stream::default();
        stream.restore_node(StreamId::new(5, 0), listpack(sound)).unwrap();
        let ids: Vec<String> = stream.iter().map(|entry| format!("{}:{}", entry.id, entry.fields)).collect();
        assert_eq!(ids, ["5-0:1", "5-2:2"]);
        for broken in [
            "",
            "x",
            "0 0 1 f 0",
            "2 1",
            "2 1 1 f",
            "2 1 1 f 1",
            "2 1 9223372036854775807 f 0",
            "1 1 1 f 0 2 0 0 v 4 3 0 1 w 4 0 0 2 2 a b c d 8",
            "2 0 1 f 0 2 0 0 v 4 3 0 1 w 4 0 0 2 2 a b c d 8",
            "1 0 1 f 0 2 0 0 v",
            "1 0 1 f 0 2 0 0 v 5",
            "1 0 1 f 0 2 0 0 v 9223372036854775807",
            "1 0 1 f 0 4 0 0 v 4",
            "1 0 1 f 0 2 x 0 v 4",
            "1 0 1 f 0 0 0 0 9223372036854775807 a b 6",
            "1 0 1 f 0 0 0 0 -1 a b 6",
            "2 0 1 f 0 2 0 1 v 4 2 0 0 w 4",
            "1 0 -1 f 0 2 0 0 v 4",
        ] {
            let node = stream.clone().restore_node(StreamId::new(6, 0), listpack(broken));
            assert_eq!(node, Err(InvalidStream), "{broken}");
        }
        // Behind what is there, by its own id and by those of its entries.
        let one = "1 0 1 f 0 2 0 0 v 4";
        assert_eq!(stream.restore_node(StreamId::new(5, 0), listpack(one)), Err(InvalidStream));
        assert_eq!(stream.restore_node(StreamId::new(5, 1), listpack(one)), Err(InvalidStream));
        assert_eq!(stream.restore_node(StreamId::new(5, 3), listpack(one)), Ok(()));
    }

    #[test]
    fn figures_must_agree_with_the_nodes() {
        let mut stream = Stream::default();
        let node = "1 1 1 f 0 3 0 0 v 4 2 0 1 w 4";
        stream.restore_node(StreamId::new(5, 0), listpack(node)).unwrap();
        let told =
            Metadata { length: 1, last_id: StreamId::new(9, 9), max_deleted_id: None, entries_added: None };
        for wrong in [Metadata { length: 2, ..told }, Metadata { last_id: StreamId::new(5, 0), ..told }] {
            assert_eq!(stream.clone().restore_metadata(wrong), Err(InvalidStream), "{wrong:?}");
        }
        stream.restore_metadata(told).unwrap();
        assert_eq!((stream.len(), stream.entries_added(), stream.first_id()), (1, 1, StreamId::new(5, 1)));
        assert_eq!(stream.last_id(), StreamId::new(9, 9));
    }

    #[test]
    fn an_entry_is_pending_with_one_consumer() {
        let mut stream = Stream::default();
        stream.create_group(b"g", StreamId::MIN, None);
        let now = WallMs(1);
        let mut restore = |name: &[u8], ids: &[StreamId]| {
            stream.restore_consumer(b"g", name, now, None, ids, |id| (id.ms < 9).then_some((now, 1)))
        };
        assert_eq!(restore(b"a", &[StreamId::new(1, 0), StreamId::new(2, 0)]), Ok(()));
        assert_eq!(restore(b"a", &[]), Err(InvalidStream));
        assert_eq!(restore(b"b", &[StreamId::new(2, 0)]), Err(InvalidStream));
        assert_eq!(restore(b"c", &[StreamId::new(9, 0)]), Err(InvalidStream));
        assert_eq!(stream.group(b"g").unwrap().pending_len(), 2);
    }
}
