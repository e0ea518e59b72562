//! A long list: a sequence of nodes, most of them listpacks of limited size.
//!
//! An element from `list_plain_bytes` on is a node of its own. Every node counts its elements, so that a
//! place in the list is found without looking into the nodes on the way.
//!
//! With a depth, nodes farther than that from both ends are compressed (`node`). A node that is changed is
//! restored first; whatever changes a node inside, or how many there are, ends with [`Quicklist::tend`].

use std::collections::VecDeque;
use std::ops::Range;

use super::fill::Fill;
use super::node::Node;
use crate::value::Value;
use crate::values::{End, Limits, Listpack};

/// What merging two listpacks saves: their header and end are there once.
const MERGED_AWAY_BYTES: usize = 11;

/// How far one change moves nodes away from an end: a split and what is put between its halves.
const MOVED_INWARD: usize = 2;

/// Where an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) offset: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Quicklist {
    nodes: VecDeque<Node>,
    len: usize,
    /// Memory of the nodes' contents.
    bytes: usize,
    /// Nodes at each end that are not compressed; 0 when none is.
    depth: usize,
}

impl Quicklist {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn nodes(&self) -> &VecDeque<Node> {
        &self.nodes
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes + self.nodes.capacity() * size_of::<Node>()
    }

    /// The only node's listpack, when the whole list is one that `fill` holds.
    pub(super) fn take_single(&mut self, fill: Fill) -> Option<Listpack> {
        match self.nodes.front() {
            Some(Node::Packed { count, elements })
                if self.nodes.len() == 1 && fill.holds(elements.encoded_len(), *count as usize) => {}
            _ => return None,
        }
        match self.remove_node(0) {
            Node::Packed { elements, .. } => Some(elements),
            Node::Plain(_) | Node::Frozen(_) => unreachable!("the node was looked at"),
        }
    }

    // --- Compression ---

    /// So many nodes at each end are not to be compressed, all others are; none when it is 0.
    pub(super) fn set_depth(&mut self, depth: usize) {
        self.depth = depth;
        self.tend(0..self.nodes.len());
    }

    /// After a change: what is near an end lies open, and the nodes that were `touched`, and those that may have
    /// moved away from the ends, are compressed.
    fn tend(&mut self, touched: Range<usize>) {
        if self.depth == 0 {
            return;
        }
        let (len, depth) = (self.nodes.len(), self.depth);
        for near in 0..depth.min(len) {
            self.thaw(near);
            self.thaw(len - 1 - near);
        }
        let interior = depth..len.saturating_sub(depth);
        let behind_ends =
            [depth..depth + MOVED_INWARD, interior.end.saturating_sub(MOVED_INWARD)..interior.end];
        for part in behind_ends.into_iter().chain([touched]) {
            (part.start.max(interior.start)..part.end.min(interior.end)).for_each(|at| self.freeze(at));
        }
    }

    fn freeze(&mut self, at: usize) {
        if let Some(frozen) = self.nodes[at].frozen() {
            self.exchange(at, frozen);
        }
    }

    fn thaw(&mut self, at: usize) {
        if let Node::Frozen(frozen) = &self.nodes[at] {
            let thawed = frozen.thawed();
            self.exchange(at, thawed);
        }
    }

    fn exchange(&mut self, at: usize, node: Node) {
        self.bytes += node.heap_bytes();
        self.bytes -= self.nodes[at].heap_bytes();
        self.nodes[at] = node;
    }

    // --- Nodes ---

    pub(super) fn insert_node(&mut self, at: usize, node: Node) {
        self.bytes += node.heap_bytes();
        self.len += node.count();
        self.nodes.insert(at, node);
    }

    pub(super) fn push_node(&mut self, node: Node) {
        self.insert_node(self.nodes.len(), node);
    }

    fn remove_node(&mut self, at: usize) -> Node {
        let Some(node) = self.nodes.remove(at) else { unreachable!("no node {at}") };
        self.bytes -= node.heap_bytes();
        self.len -= node.count();
        if self.nodes.capacity() > 32 && self.nodes.len() * 4 < self.nodes.capacity() {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
        node
    }

    /// Changes a node's listpack, keeping count; a node that is left empty goes away.
    fn change<R>(&mut self, at: usize, f: impl FnOnce(&mut Listpack, &mut u32) -> R) -> R {
        self.thaw(at);
        let Node::Packed { count, elements } = &mut self.nodes[at] else {
            unreachable!("node {at} is no listpack")
        };
        let (old_count, old_bytes) = (*count as usize, elements.heap_bytes());
        let result = f(elements, count);
        let (new_count, new_bytes) = (*count as usize, elements.heap_bytes());
        self.len = self.len + new_count - old_count;
        self.bytes = self.bytes + new_bytes - old_bytes;
        if new_count == 0 {
            self.remove_node(at);
        }
        result
    }

    /// The place of an element; `index` must be below the length.
    pub(super) fn locate(&self, index: usize) -> Place {
        if index < self.len / 2 {
            let mut offset = index;
            for (node, content) in self.nodes.iter().enumerate() {
                match offset.checked_sub(content.count()) {
                    None => return Place { node, offset },
                    Some(rest) => offset = rest,
                }
            }
        } else {
            let mut from_end = self.len - index;
            for (node, content) in self.nodes.iter().enumerate().rev() {
                match content.count().checked_sub(from_end) {
                    Some(offset) => return Place { node, offset },
                    None => from_end -= content.count(),
                }
            }
        }
        unreachable!("an element beyond the end")
    }

    pub(super) fn push(&mut self, end: End, element: &[u8], limits: &Limits) {
        let at = match end {
            End::Front => 0,
            End::Back => self.nodes.len().saturating_sub(1),
        };
        if self.nodes.get(at).is_some_and(|node| node.takes(element, limits)) {
            self.change(at, |elements, count| {
                *count += 1;
                match end {
                    End::Front => elements.push_front(element),
                    End::Back => elements.push_back(element),
                }
            });
            return;
        }
        let at = if end == End::Front { 0 } else { self.nodes.len() };
        self.insert_node(at, Node::of(element, limits));
        self.tend(at..at);
    }

    /// Takes an element off an end, showing it first.
    pub(super) fn pop_with<R>(&mut self, end: End, show: impl FnOnce(Value<'_>) -> R) -> Option<R> {
        let at = match end {
            End::Front => 0,
            End::Back => self.nodes.len().checked_sub(1)?,
        };
        if let Node::Plain(bytes) = self.nodes.get(at)? {
            let result = show(Value::of_text(bytes));
            self.remove_node(at);
            self.tend(0..0);
            return Some(result);
        }
        let nodes = self.nodes.len();
        let popped = self.change(at, |elements, count| {
            let last = if end == End::Front { elements.first() } else { elements.last() };
            let last = last?;
            let result = show(elements.get(last));
            elements.remove(last, 1);
            *count -= 1;
            Some(result)
        });
        if self.nodes.len() < nodes {
            self.tend(0..0);
        }
        popped
    }

    /// Removes elements; both figures must be within the length.
    pub(super) fn remove_range(&mut self, start: usize, mut count: usize) {
        if count == 0 {
            return;
        }
        let Place { mut node, mut offset } = self.locate(start);
        let touched = node..node + 2;
        while count > 0 {
            let held = self.nodes[node].count();
            if offset == 0 && held <= count {
                self.remove_node(node);
                count -= held;
                continue;
            }
            let removed = count.min(held - offset);
            self.change(node, |elements, counted| {
                if let Some(at) = elements.seek(offset as i64) {
                    elements.remove(at, removed);
                }
                *counted -= removed as u32;
            });
            count -= removed;
            node += 1;
            offset = 0;
        }
        self.tend(touched);
    }

    /// Puts an element in place of another.
    pub(super) fn replace(&mut self, place: Place, element: &[u8], limits: &Limits) {
        let large = element.len() >= limits.list_plain_bytes;
        self.thaw(place.node);
        match &self.nodes[place.node] {
            Node::Packed { .. } if !large => self.change(place.node, |elements, _| {
                if let Some(at) = elements.seek(place.offset as i64) {
                    elements.replace(at, element);
                }
            }),
            Node::Plain(_) if large => {
                self.remove_node(place.node);
                self.insert_node(place.node, Node::of(element, limits));
            }
            _ => {
                let index = self.index_of(place);
                self.insert(place, element, limits);
                self.remove_range(index + 1, 1);
            }
        }
        self.tend(place.node..place.node + 1);
    }

    fn index_of(&self, place: Place) -> usize {
        self.nodes.iter().take(place.node).map(Node::count).sum::<usize>() + place.offset
    }

    /// Adds an element before the one at `place`.
    pub(super) fn insert(&mut self, place: Place, element: &[u8], limits: &Limits) {
        let Place { node, offset } = place;
        if self.nodes[node].takes(element, limits) {
            self.change(node, |elements, count| {
                elements.insert(elements.seek(offset as i64), element);
                *count += 1;
            });
        } else if offset == 0 && node > 0 && self.nodes[node - 1].takes(element, limits) {
            self.change(node - 1, |elements, count| {
                elements.push_back(element);
                *count += 1;
            });
        } else if offset == 0 {
            self.insert_node(node, Node::of(element, limits));
        } else {
            self.split(node, offset);
            self.insert_node(node + 1, Node::of(element, limits));
            self.merge_around(node + 1, limits);
        }
        // A node split and what was merged around it lie within two of it.
        self.tend(node.saturating_sub(2)..node + 4);
    }

    /// Parts a node before one of its elements, not the first.
    fn split(&mut self, node: usize, offset: usize) {
        let rest = self.change(node, |elements, count| {
            let rest = elements.seek(offset as i64).map(|at| elements.split_off(at));
            *count = offset as u32;
            rest
        });
        if let Some(rest) = rest {
            self.insert_node(node + 1, Node::packed(rest));
        }
    }

    /// Joins small neighbours after a split.
    fn merge_around(&mut self, center: usize, limits: &Limits) {
        let mut center = center;
        if center >= 2 && self.merge(center - 2, limits) {
            center -= 1;
        }
        self.merge(center + 1, limits);
        if center >= 1 && self.merge(center - 1, limits) {
            center -= 1;
        }
        self.merge(center, limits);
    }

    /// Joins a node with the one behind it, if both together may be one.
    fn merge(&mut self, at: usize, limits: &Limits) -> bool {
        let (Some(first), Some(second)) = (self.nodes.get(at), self.nodes.get(at + 1)) else { return false };
        let (Some(first_len), Some(second_len)) = (first.encoded_len(), second.encoded_len()) else {
            return false;
        };
        let bytes = (first_len + second_len).saturating_sub(MERGED_AWAY_BYTES);
        if Fill::of(limits).is_exceeded(bytes, first.count() + second.count()) {
            return false;
        }
        self.thaw(at + 1);
        let Node::Packed { count: added, elements: second } = self.remove_node(at + 1) else {
            unreachable!("the node was looked at")
        };
        self.change(at, |elements, count| {
            elements.extend(&second);
            *count += added;
        });
        true
    }

    /// Removes up to `limit` elements that are equal to `wanted`, from one end on.
    pub(super) fn remove_equal(&mut self, wanted: Value<'_>, limit: usize, end: End) -> usize {
        let (mut removed, mut left) = (0, self.nodes.len());
        while left > 0 && removed < limit {
            let before = self.nodes.len();
            let at = if end == End::Front { before - left } else { left - 1 };
            left -= 1;
            self.thaw(at);
            removed += match &self.nodes[at] {
                Node::Plain(bytes) if Value::of_text(bytes) == wanted => {
                    self.remove_node(at);
                    1
                }
                Node::Plain(_) => 0,
                Node::Packed { .. } => self.change(at, |elements, count| {
                    let found = elements.remove_equal(wanted, limit - removed, end);
                    *count -= found as u32;
                    found
                }),
                Node::Frozen(_) => unreachable!("the node was restored"),
            };
            if self.nodes.len() == before {
                self.tend(at..at + 1);
            }
        }
        self.tend(0..0);
        removed
    }
}
