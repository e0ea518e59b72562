//! Walking over entries by id, from either end.

use super::node::{Entries, EntriesBack, Entry};
use super::{Stream, StreamId};

impl Stream {
    /// The last node that begins at or before an id: where the id is, if it is anywhere.
    pub(super) fn node_before(&self, id: StreamId) -> Option<usize> {
        self.nodes.partition_point(|node| node.id <= id).checked_sub(1)
    }

    /// All entries in order.
    pub fn iter(&self) -> Range<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    /// The entries whose ids are from `first` to `last`, both included.
    pub fn range(&self, first: StreamId, last: StreamId) -> Range<'_> {
        let node = self.node_before(first).unwrap_or(0);
        let entries = self.nodes.get(node).map(|node| node.entries());
        Range { stream: self, first, last, node, entries }
    }

    /// The same, the highest id first.
    pub fn range_back(&self, first: StreamId, last: StreamId) -> RangeBack<'_> {
        let node = self.node_before(last);
        let entries = node.map(|node| self.nodes[node].entries_back());
        RangeBack { stream: self, first, last, node: node.unwrap_or(0), entries }
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The id of the last entry that is there.
    pub fn top_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// The id of the first entry of which there is a trace, deleted or not.
    pub fn first_recorded_id(&self) -> Option<StreamId> {
        self.nodes.front()?.entries().next().map(|entry| entry.id)
    }
}

/// Entries in order.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    stream: &'a Stream,
    first: StreamId,
    last: StreamId,
    node: usize,
    /// What is left of the node; none when all is done.
    entries: Option<Entries<'a>>,
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            match self.entries.as_mut()?.next() {
                Some(entry) if entry.id > self.last => {
                    self.entries = None;
                    return None;
                }
                Some(entry) if entry.is_deleted() || entry.id < self.first => {}
                Some(entry) => return Some(entry),
                None => {
                    self.node += 1;
                    self.entries = self.stream.nodes.get(self.node).map(|node| node.entries());
                }
            }
        }
    }
}

/// Entries in reverse order.
#[derive(Clone, Debug)]
pub struct RangeBack<'a> {
    stream: &'a Stream,
    first: StreamId,
    last: StreamId,
    node: usize,
    entries: Option<EntriesBack<'a>>,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            match self.entries.as_mut()?.next() {
                Some(entry) if entry.id < self.first => {
                    self.entries = None;
                    return None;
                }
                Some(entry) if entry.is_deleted() || entry.id > self.last => {}
                Some(entry) => return Some(entry),
                None => {
                    let before = self.node.checked_sub(1);
                    self.entries = before.map(|node| self.stream.nodes[node].entries_back());
                    self.node = before.unwrap_or(0);
                }
            }
        }
    }
}
