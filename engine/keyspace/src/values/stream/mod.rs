//! Streams: entries in order of their ids, and the groups of consumers that read them.
//!
//! Entries lie in nodes ([`node`](self::node) has the layout), which are kept in the order of their ids: a
//! node is added at one end and mostly goes at the other. Nothing here knows the time or what `*` means in
//! a command; ids and times are passed in. What is counted, and when a count is forgotten (deleted ids,
//! entries read), follows Redis 7.2, because files and replicas carry these figures.

mod group;
mod id;
mod lag;
mod node;
mod radix;
mod range;
mod restore;
#[cfg(test)]
mod tests;
mod trim;

use std::collections::{BTreeMap, VecDeque};

pub use group::{Consumer, ConsumerKey, Group, Pending};
pub use id::{STREAM_ID_MAX_LEN, StreamId};
pub use node::{Entry, Pairs};
pub use restore::{InvalidStream, Metadata};
pub use trim::Trim;

use super::{Limits, Listpack};
use crate::value::Encoding;
use node::Node;

/// No node's listpack, and no entry, may be larger.
const LISTPACK_MAX_BYTES: u64 = 1 << 30;
/// What a node takes in the row of nodes.
const NODE_BYTES: usize = size_of::<Node>();
/// What the tree of groups takes for each, roughly.
const GROUP_BYTES: usize = (size_of::<Box<[u8]>>() + size_of::<Group>()) * 3 / 2;

/// A value of this type.
#[derive(Debug, Default)]
pub struct Stream {
    nodes: VecDeque<Node>,
    /// Memory of all nodes' listpacks.
    pack_bytes: usize,
    length: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Memory of the groups.
    group_bytes: usize,
}

impl Clone for Stream {
    fn clone(&self) -> Stream {
        let nodes = self.nodes.clone();
        // Copies of listpacks have other room to spare.
        let pack_bytes = nodes.iter().map(|node| node.pack.heap_bytes()).sum();
        Stream { nodes, pack_bytes, groups: self.groups.clone(), ..*self }
    }
}

impl Stream {
    /// Whether an entry of so many bytes, fields and values together, is too large to be stored.
    pub fn is_too_large(bytes: usize) -> bool {
        bytes as u64 > LISTPACK_MAX_BYTES
    }

    // --- Figures ---

    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The id of the entry added last, whether or not it is still there.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The id of the first entry, the lowest of all when there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The highest id of an entry that was deleted by name.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// The number of entries ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Sets the id that later ones must surpass.
    pub fn set_last_id(&mut self, id: StreamId) {
        self.last_id = id;
    }

    /// Sets the number of entries ever added.
    pub fn set_entries_added(&mut self, count: u64) {
        self.entries_added = count;
    }

    /// Sets the highest id of an entry that was deleted by name.
    pub fn set_max_deleted_id(&mut self, id: StreamId) {
        self.max_deleted_id = id;
    }

    // --- Entries ---

    /// Adds an entry behind all others; its id must be higher than [`last_id`](Self::last_id), and it must
    /// not be [too large](Self::is_too_large).
    pub fn append<'a>(&mut self, id: StreamId, pairs: &Pairs<impl Fn(usize) -> &'a [u8]>, limits: &Limits) {
        debug_assert!(id > self.last_id && !Self::is_too_large(pairs.bytes()));
        if self.length == 0 {
            self.drop_traces(id);
        }
        match self.nodes.back_mut() {
            Some(node) if has_room(node, pairs.bytes(), limits) => {
                let old_bytes = node.pack.heap_bytes();
                node.append(id, pairs);
                self.pack_bytes = self.pack_bytes + node.pack.heap_bytes() - old_bytes;
            }
            full => {
                if let Some(full) = full {
                    let old_bytes = full.pack.heap_bytes();
                    full.pack.shrink();
                    self.pack_bytes = self.pack_bytes + full.pack.heap_bytes() - old_bytes;
                }
                let mut node = Node::new(id, pairs);
                node.append(id, pairs);
                self.pack_bytes += node.pack.heap_bytes();
                self.nodes.push_back(node);
            }
        }
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        self.length += 1;
        if self.length == 1 {
            self.first_id = id;
        }
    }

    /// After the last id was set back, traces of deleted entries might stand behind the one that comes.
    #[cold]
    fn drop_traces(&mut self, id: StreamId) {
        let last = self.nodes.back().and_then(|node| node.entries_back().next());
        if last.is_some_and(|last| last.id >= id) {
            self.nodes.clear();
            self.pack_bytes = 0;
        }
    }

    /// Deletes the entry with this id; false when there is none.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(index) = self.node_before(id) else { return false };
        let node = &mut self.nodes[index];
        let Some(mark) = node.entries().find(|entry| entry.id == id && !entry.is_deleted()) else {
            return false;
        };
        let mark = mark.mark();
        if node.counts().0 == 1 {
            self.drop_node(index);
        } else {
            let old_bytes = node.pack.heap_bytes();
            node.delete(&[mark]);
            self.pack_bytes = self.pack_bytes + node.pack.heap_bytes() - old_bytes;
        }
        self.length -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if self.length == 0 || id == self.first_id {
            self.find_first();
        }
        true
    }

    fn drop_node(&mut self, index: usize) {
        if let Some(node) = self.nodes.remove(index) {
            self.pack_bytes -= node.pack.heap_bytes();
        }
    }

    /// Learns the first id anew.
    fn find_first(&mut self) {
        self.first_id = self.iter().next().map_or(StreamId::MIN, |entry| entry.id);
    }

    // --- Nodes, as files hold them ---

    /// The nodes in order: the id that differences count from, and the listpack.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (StreamId, &Listpack)> {
        self.nodes.iter().map(|node| (node.id, &node.pack))
    }

    /// How many nodes Redis's radix tree over these nodes' ids would have, which XINFO tells.
    pub fn radix_nodes(&self) -> usize {
        radix::nodes(self.nodes.iter().map(|node| node.id.to_bytes()))
    }

    // --- Groups ---

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Makes a group; false when there is one of this name.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<i64>) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        let group = Group::new(last_id, entries_read);
        self.group_bytes += GROUP_BYTES + name.len() + group.heap_bytes();
        self.groups.insert(name.into(), group);
        true
    }

    /// Ends a group with all its consumers; false when there is none of this name.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.groups.remove(name) else { return false };
        self.group_bytes -= GROUP_BYTES + name.len() + group.heap_bytes();
        true
    }

    /// Changes a group, beside a look at the rest of the stream; none when there is no such group.
    pub fn change_group<R>(
        &mut self,
        name: &[u8],
        change: impl FnOnce(&mut Group, &Stream) -> R,
    ) -> Option<R> {
        // The groups are taken out meanwhile, so that the stream can be read while one changes.
        let mut groups = std::mem::take(&mut self.groups);
        let result = groups.get_mut(name).map(|group| {
            let old_bytes = group.heap_bytes();
            let result = change(group, self);
            self.group_bytes = self.group_bytes + group.heap_bytes() - old_bytes;
            result
        });
        self.groups = groups;
        result
    }

    // --- What every type tells ---

    /// How it is represented.
    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// Memory asked for, beyond the value itself.
    pub fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * NODE_BYTES + self.pack_bytes + self.group_bytes
    }

    /// Roughly how many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        self.nodes.len() + self.groups.values().map(Group::free_effort).sum::<usize>()
    }

    /// Whether its key goes away for want of elements: a stream stays.
    pub fn is_void(&self) -> bool {
        false
    }
}

/// Whether a node takes one more entry.
fn has_room(node: &Node, bytes: usize, limits: &Limits) -> bool {
    let max_bytes = match limits.stream_node_max_bytes {
        0 => LISTPACK_MAX_BYTES,
        limit => limit.min(LISTPACK_MAX_BYTES),
    };
    let (live, deleted) = node.counts();
    ((node.pack.encoded_len() + bytes) as u64) < max_bytes
        && (limits.stream_node_max_entries == 0 || live + deleted < limits.stream_node_max_entries)
}
