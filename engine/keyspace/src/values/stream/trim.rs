//! Trimming: entries go from the old end, whole nodes first.
//!
//! Approximate trimming stops where a node would have to be changed, and after a limit; what is left then
//! depends on the size of nodes, so masters tell their replicas what the result was.

use super::{Stream, StreamId};

/// What to trim to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// At most so many entries stay.
    MaxLen(u64),
    /// Entries with lower ids go.
    MinId(StreamId),
}

impl Stream {
    /// Trims exactly; gives the number of entries removed.
    pub fn trim(&mut self, to: Trim) -> u64 {
        self.trim_by(to, 0, true)
    }

    /// Removes whole nodes only, as long as the entries removed are at most `limit` (0 for no limit).
    pub fn trim_nodes(&mut self, to: Trim, limit: u64) -> u64 {
        self.trim_by(to, limit, false)
    }

    fn trim_by(&mut self, to: Trim, limit: u64, exact: bool) -> u64 {
        let mut removed = 0;
        while let Some(node) = self.nodes.front() {
            if matches!(to, Trim::MaxLen(length) if self.length <= length) {
                break;
            }
            let (live, _) = node.counts();
            if limit > 0 && removed + live > limit {
                break;
            }
            let goes_whole = match to {
                Trim::MaxLen(length) => self.length - live >= length,
                Trim::MinId(id) => node.entries_back().next().is_some_and(|last| last.id < id),
            };
            if !goes_whole {
                removed += if exact { self.trim_first_node(to) } else { 0 };
                break;
            }
            self.drop_node(0);
            self.length -= live;
            removed += live;
        }
        if removed > 0 || self.length == 0 {
            self.find_first();
        }
        removed
    }

    /// Marks entries of the first node as deleted.
    fn trim_first_node(&mut self, to: Trim) -> u64 {
        let length = self.length;
        let Some(node) = self.nodes.front_mut() else { return 0 };
        let live = node.entries().filter(|entry| !entry.is_deleted());
        let marks: Vec<_> = match to {
            Trim::MaxLen(keep) => live.take((length - keep.min(length)) as usize).map(|e| e.mark()).collect(),
            Trim::MinId(id) => live.take_while(|entry| entry.id < id).map(|entry| entry.mark()).collect(),
        };
        if marks.is_empty() {
            return 0;
        }
        let old_bytes = node.pack.heap_bytes();
        node.delete(&marks);
        self.pack_bytes = self.pack_bytes + node.pack.heap_bytes() - old_bytes;
        self.length -= marks.len() as u64;
        marks.len() as u64
    }
}
