//! The order of a large sorted set: a B+tree of (score, member) with the number of items below each node,
//! so that ranks are found in logarithmic time.
//!
//! Leaves hold the score and a handle of the member's entry in the table beside the tree; the member's
//! bytes are there only. Each child is known to its parent by its first item. An overfull node gives to a
//! neighbour before it splits, and one that grows at its edge splits there, so that nodes are well filled
//! whatever the order in which items come. Nodes have a fixed size: growing never copies more than one.
//!
//! It knows neither the table nor scores that are no numbers.

use std::cmp::Ordering;
use std::ops::Range;

use crate::packed::Handle;

/// The most items of a leaf, and children of an inner node; one more is allocated, for the moment before
/// an overfull node is relieved.
const MAX: usize = 63;
const CAPACITY: usize = MAX + 1;
/// A neighbour takes items over when it has room for so many.
const ROOM: usize = 8;
/// A node with fewer is joined to a neighbour, if the two leave some room.
const MIN: usize = MAX / 4;
const JOINED_MAX: usize = MAX - ROOM;

const LEAF_BYTES: usize = CAPACITY * size_of::<Item>();
const INNER_BYTES: usize =
    size_of::<Inner>() + CAPACITY * (size_of::<Item>() + size_of::<usize>() + size_of::<Node>());

/// A member with its score.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) score: f64,
    pub(super) member: Handle,
}

impl Item {
    /// How it stands to a score and a member: by score first, then by bytes.
    #[inline]
    pub(super) fn order(&self, score: f64, member: &[u8]) -> Ordering {
        if self.score < score {
            Ordering::Less
        } else if self.score > score {
            Ordering::Greater
        } else {
            self.member.entry().key().cmp(member)
        }
    }
}

#[derive(Debug)]
enum Node {
    Leaf(Vec<Item>),
    Inner(Box<Inner>),
}

/// Children, each with its first item and the number of items in it.
#[derive(Debug)]
struct Inner {
    firsts: Vec<Item>,
    counts: Vec<usize>,
    children: Vec<Node>,
}

/// Where in a node an item came to lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Edge {
    Front,
    Back,
    Neither,
}

impl Inner {
    fn new() -> Inner {
        Inner {
            firsts: Vec::with_capacity(CAPACITY),
            counts: Vec::with_capacity(CAPACITY),
            children: Vec::with_capacity(CAPACITY),
        }
    }

    fn insert(&mut self, at: usize, child: Node) {
        self.firsts.insert(at, child.first());
        self.counts.insert(at, child.count());
        self.children.insert(at, child);
    }

    fn remove(&mut self, at: usize) -> Node {
        self.firsts.remove(at);
        self.counts.remove(at);
        self.children.remove(at)
    }

    /// Brings what is known of a child up to date.
    fn refresh(&mut self, at: usize) {
        self.firsts[at] = self.children[at].first();
        self.counts[at] = self.children[at].count();
    }

    /// The child that holds an item, or would.
    fn child_of(&self, score: f64, member: &[u8]) -> usize {
        let after = self.firsts.partition_point(|first| first.order(score, member) != Ordering::Greater);
        after.saturating_sub(1)
    }

    /// The child with the item of a rank, and the rank in that child.
    fn child_at(&self, mut rank: usize) -> (usize, usize) {
        for (at, &count) in self.counts.iter().enumerate() {
            if rank < count {
                return (at, rank);
            }
            rank -= count;
        }
        unreachable!("a rank beyond the end")
    }
}

impl Node {
    fn first(&self) -> Item {
        match self {
            Node::Leaf(items) => items[0],
            Node::Inner(inner) => inner.firsts[0],
        }
    }

    /// Items of a leaf, children of an inner node.
    fn width(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(inner) => inner.children.len(),
        }
    }

    /// Items in it.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(inner) => inner.counts.iter().sum(),
        }
    }

    /// Moves items or children at the end of this node to the front of the next.
    fn give_to_next(&mut self, from: usize, next: &mut Node) {
        match (self, next) {
            (Node::Leaf(items), Node::Leaf(next)) => drop(next.splice(0..0, items.drain(from..))),
            (Node::Inner(inner), Node::Inner(next)) => {
                next.firsts.splice(0..0, inner.firsts.drain(from..));
                next.counts.splice(0..0, inner.counts.drain(from..));
                next.children.splice(0..0, inner.children.drain(from..));
            }
            _ => unreachable!("neighbours are of one level"),
        }
    }

    /// Moves items or children at the front of the next node to the end of this one.
    fn take_from_next(&mut self, count: usize, next: &mut Node) {
        match (self, next) {
            (Node::Leaf(items), Node::Leaf(next)) => items.extend(next.drain(..count)),
            (Node::Inner(inner), Node::Inner(next)) => {
                inner.firsts.extend(next.firsts.drain(..count));
                inner.counts.extend(next.counts.drain(..count));
                inner.children.extend(next.children.drain(..count));
            }
            _ => unreachable!("neighbours are of one level"),
        }
    }

    /// An empty node of the same level.
    fn empty_like(&self) -> Node {
        match self {
            Node::Leaf(_) => Node::Leaf(Vec::with_capacity(CAPACITY)),
            Node::Inner(_) => Node::Inner(Box::new(Inner::new())),
        }
    }
}

/// Items in order.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    len: usize,
    leaves: usize,
    inners: usize,
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree { root: Node::Leaf(Vec::with_capacity(CAPACITY)), len: 0, leaves: 1, inners: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Memory asked for.
    pub(super) fn heap_bytes(&self) -> usize {
        self.leaves * LEAF_BYTES + self.inners * INNER_BYTES
    }

    /// The number of nodes.
    pub(super) fn nodes(&self) -> usize {
        self.leaves + self.inners
    }

    /// Adds an item, of which there must be none with the same score and member.
    pub(super) fn insert(&mut self, item: Item) {
        let mut root = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
        let edge = self.insert_below(&mut root, item, item.member.entry().key());
        self.len += 1;
        if root.width() > MAX {
            let mut inner = Inner::new();
            self.inners += 1;
            inner.insert(0, root);
            self.relieve(&mut inner, 0, edge);
            root = Node::Inner(Box::new(inner));
        }
        self.root = root;
    }

    fn insert_below(&mut self, node: &mut Node, item: Item, member: &[u8]) -> Edge {
        match node {
            Node::Leaf(items) => {
                let at = items.partition_point(|one| one.order(item.score, member) == Ordering::Less);
                items.insert(at, item);
                match at {
                    _ if at + 1 == items.len() => Edge::Back,
                    0 => Edge::Front,
                    _ => Edge::Neither,
                }
            }
            Node::Inner(inner) => {
                let at = inner.child_of(item.score, member);
                let edge = self.insert_below(&mut inner.children[at], item, member);
                inner.counts[at] += 1;
                if edge == Edge::Front || (edge == Edge::Back && inner.counts[at] == 1) {
                    inner.firsts[at] = item;
                }
                let last = inner.children.len() - 1;
                if inner.children[at].width() > MAX {
                    self.relieve(inner, at, edge);
                }
                match edge {
                    Edge::Front if at == 0 => Edge::Front,
                    Edge::Back if at == last => Edge::Back,
                    _ => Edge::Neither,
                }
            }
        }
    }

    /// Makes room in an overfull child: a neighbour takes some of it, or it is split.
    fn relieve(&mut self, inner: &mut Inner, at: usize, edge: Edge) {
        let width = inner.children[at].width();
        let room = |at: usize| inner.children.get(at).is_some_and(|node| node.width() + ROOM <= MAX);
        if room(at + 1) {
            let [child, next] = &mut inner.children[at..at + 2] else { unreachable!("two children") };
            let keep = width - (width - next.width()) / 2;
            child.give_to_next(keep, next);
        } else if at > 0 && room(at - 1) {
            let [before, child] = &mut inner.children[at - 1..at + 1] else { unreachable!("two children") };
            before.take_from_next((width - before.width()) / 2, child);
            inner.refresh(at - 1);
        } else {
            let last = at + 1 == inner.children.len();
            let keep = match edge {
                Edge::Front if at == 0 => 1,
                Edge::Back if last => width - 1,
                _ => width / 2,
            };
            let child = &mut inner.children[at];
            let mut next = child.empty_like();
            match next {
                Node::Leaf(_) => self.leaves += 1,
                Node::Inner(_) => self.inners += 1,
            }
            child.give_to_next(keep, &mut next);
            inner.insert(at + 1, next);
        }
        inner.refresh(at);
        if at + 1 < inner.children.len() {
            inner.refresh(at + 1);
        }
    }

    /// Takes out the item of a rank.
    ///
    /// # Panics
    /// When there are not so many.
    pub(super) fn remove_at(&mut self, rank: usize) -> Item {
        let mut root = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
        let removed = self.remove_below(&mut root, rank);
        self.len -= 1;
        while let Node::Inner(inner) = &mut root
            && inner.children.len() == 1
        {
            root = inner.remove(0);
            self.inners -= 1;
        }
        self.root = root;
        removed
    }

    fn remove_below(&mut self, node: &mut Node, rank: usize) -> Item {
        match node {
            Node::Leaf(items) => items.remove(rank),
            Node::Inner(inner) => {
                let (at, rank) = inner.child_at(rank);
                let removed = self.remove_below(&mut inner.children[at], rank);
                self.join(inner, at);
                removed
            }
        }
    }

    /// Takes note of a child that has lost an item, and joins it to a neighbour or drops it when little or
    /// nothing is left of it.
    fn join(&mut self, inner: &mut Inner, at: usize) {
        inner.counts[at] -= 1;
        let width = inner.children[at].width();
        if width == 0 {
            self.forget(inner, at);
            return;
        }
        inner.firsts[at] = inner.children[at].first();
        if width >= MIN {
            return;
        }
        let fits =
            |other: usize| inner.children.get(other).is_some_and(|other| other.width() + width <= JOINED_MAX);
        let front = match at {
            _ if fits(at + 1) => at,
            1.. if fits(at - 1) => at - 1,
            _ => return,
        };
        let [child, next] = &mut inner.children[front..front + 2] else { unreachable!("two children") };
        child.take_from_next(next.width(), next);
        inner.counts[front] += inner.counts[front + 1];
        self.forget(inner, front + 1);
    }

    fn forget(&mut self, inner: &mut Inner, at: usize) {
        match inner.remove(at) {
            Node::Leaf(_) => self.leaves -= 1,
            Node::Inner(_) => self.inners -= 1,
        }
    }

    /// How many items come first for which `before` holds, as it must for none behind the first for which
    /// it does not.
    pub(super) fn partition(&self, before: impl Fn(&Item) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return rank + items.partition_point(&before),
                Node::Inner(inner) => match inner.firsts.partition_point(&before) {
                    0 => return rank,
                    at => {
                        rank += inner.counts[..at - 1].iter().sum::<usize>();
                        node = &inner.children[at - 1];
                    }
                },
            }
        }
    }

    /// The rank of an item, or where it would be.
    pub(super) fn rank(&self, score: f64, member: &[u8]) -> usize {
        self.partition(|item| item.order(score, member) == Ordering::Less)
    }

    /// The leaf with the item of a rank, and the item's place in it.
    fn leaf_at(&self, mut rank: usize) -> (&[Item], usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return (items, rank),
                Node::Inner(inner) => {
                    let (at, below) = inner.child_at(rank);
                    (node, rank) = (&inner.children[at], below);
                }
            }
        }
    }

    /// The items of some ranks, from either end.
    ///
    /// # Panics
    /// When there are not so many.
    pub(super) fn range(&self, ranks: Range<usize>) -> Items<'_> {
        assert!(ranks.start <= ranks.end && ranks.end <= self.len, "ranks beyond the end");
        Items { tree: self, ranks, front: &[], back: &[] }
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        let (mut leaves, mut inners) = (0, 0);
        assert_eq!(check(&self.root, true, &mut leaves, &mut inners).1, self.len);
        assert_eq!((leaves, inners), (self.leaves, self.inners));
        let items: Vec<&Item> = self.range(0..self.len).collect();
        for pair in items.windows(2) {
            assert_eq!(pair[0].order(pair[1].score, pair[1].member.entry().key()), Ordering::Less);
        }
    }
}

/// Checks a subtree; gives its depth and number of items.
#[cfg(test)]
fn check(node: &Node, is_root: bool, leaves: &mut usize, inners: &mut usize) -> (usize, usize) {
    assert!(node.width() <= MAX && (is_root || node.width() > 0));
    match node {
        Node::Leaf(items) => {
            assert_eq!(items.capacity(), CAPACITY);
            *leaves += 1;
            (0, items.len())
        }
        Node::Inner(inner) => {
            *inners += 1;
            assert!(!is_root || inner.children.len() > 1);
            let mut depths = Vec::new();
            for (at, child) in inner.children.iter().enumerate() {
                let (depth, count) = check(child, false, leaves, inners);
                assert_eq!(count, inner.counts[at]);
                let (first, known) = (child.first(), inner.firsts[at]);
                assert_eq!(first.order(known.score, known.member.entry().key()), Ordering::Equal);
                depths.push(depth);
            }
            depths.dedup();
            assert_eq!(depths.len(), 1);
            assert_eq!([inner.firsts.len(), inner.counts.len()], [inner.children.len(); 2]);
            assert_eq!(inner.children.capacity(), CAPACITY);
            (depths[0] + 1, inner.counts.iter().sum())
        }
    }
}

/// Items of some ranks, from either end; a leaf at a time.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    tree: &'a Tree,
    ranks: Range<usize>,
    /// What is left of the leaf at the front, and of the one at the back.
    front: &'a [Item],
    back: &'a [Item],
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a Item;

    #[inline]
    fn next(&mut self) -> Option<&'a Item> {
        let rank = self.ranks.next()?;
        if self.front.is_empty() {
            let (leaf, at) = self.tree.leaf_at(rank);
            self.front = &leaf[at..];
        }
        let (item, rest) = self.front.split_first()?;
        self.front = rest;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for Items<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        if self.back.is_empty() {
            let (leaf, at) = self.tree.leaf_at(rank);
            self.back = &leaf[..=at];
        }
        let (item, rest) = self.back.split_last()?;
        self.back = rest;
        Some(item)
    }
}
