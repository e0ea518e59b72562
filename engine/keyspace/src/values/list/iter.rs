//! Walking through a list, one way or the other.

use super::quicklist::Node;
use super::{List, Part};
use crate::value::Value;
use crate::values::listpack;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forwards,
    Backwards,
}

/// Elements of a list in order, or in reverse order.
#[derive(Clone)]
pub struct Iter<'a> {
    list: &'a List,
    direction: Direction,
    node: usize,
    within: Within<'a>,
}

#[derive(Clone)]
enum Within<'a> {
    Packed(listpack::Iter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iter<'a> {
    /// From the element at `offset` of a node on.
    pub(super) fn from(list: &'a List, direction: Direction, node: usize, offset: usize) -> Self {
        let within = match (list.part(node), direction) {
            (None, _) => Within::Plain(None),
            (Some(Part::Plain(bytes)), _) => Within::Plain(Some(bytes)),
            (Some(Part::Packed(elements)), Direction::Forwards) => elements
                .seek(offset as i64)
                .map_or(Within::Plain(None), |at| Within::Packed(elements.iter_from(at))),
            (Some(Part::Packed(elements)), Direction::Backwards) => elements
                .seek(offset as i64)
                .map_or(Within::Plain(None), |at| Within::Packed(elements.iter_through(at))),
        };
        Iter { list, direction, node, within }
    }

    /// Goes on to the next node; false at the end.
    fn turn(&mut self) -> bool {
        let next = match self.direction {
            Direction::Forwards => self.node.checked_add(1),
            Direction::Backwards => self.node.checked_sub(1),
        };
        let Some((next, part)) = next.and_then(|next| Some((next, self.list.part(next)?))) else {
            return false;
        };
        self.node = next;
        self.within = match part {
            Part::Plain(bytes) => Within::Plain(Some(bytes)),
            Part::Packed(elements) => Within::Packed(elements.iter()),
        };
        true
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        loop {
            let found = match (&mut self.within, self.direction) {
                (Within::Packed(elements), Direction::Forwards) => elements.next(),
                (Within::Packed(elements), Direction::Backwards) => elements.next_back(),
                (Within::Plain(bytes), _) => bytes.take().map(Value::of_text),
            };
            if found.is_some() {
                return found;
            }
            if !self.turn() {
                return None;
            }
        }
    }
}

impl<'a> From<&'a Node> for Part<'a> {
    fn from(node: &'a Node) -> Self {
        match node {
            Node::Packed { elements, .. } => Part::Packed(elements),
            Node::Plain(bytes) => Part::Plain(bytes),
        }
    }
}
