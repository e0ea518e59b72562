//! Lists: one listpack while small, a quicklist beyond.
//!
//! - `fill`: how much a node holds.
//! - `quicklist`: the form of long lists.
//! - `node`: a piece of those, compressed when it is far from both ends.
//! - `walk`: reading.
//!
//! A list turns into a quicklist before elements come that would pass the limits of one node, and back
//! when what is left takes no more than half of that, as in Redis 7.2. What is added is reckoned by its
//! text, not by the bytes it will take. A list keeps the `list-compress-depth` of the moment it became long.

mod fill;
mod node;
mod quicklist;
#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;
use std::ops::ControlFlow;

use fill::Fill;
use node::Node;
use quicklist::{Place, Quicklist};

use super::{Direction, End, Limits, Listpack};
use crate::value::{Encoding, Value};

/// On which side of another element a new one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nearer to the front.
    Before,
    /// Nearer to the back.
    After,
}

/// A piece of a list, as it is stored.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// Some elements.
    Packed(Cow<'a, Listpack>),
    /// One large element.
    Plain(Cow<'a, [u8]>),
}

/// A sequence of strings.
#[derive(Clone, Debug, Default)]
pub struct List {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Small(Listpack),
    Long(Box<Quicklist>),
}

impl Default for Form {
    fn default() -> Self {
        Form::Small(Listpack::new())
    }
}

impl List {
    /// A list without elements.
    pub fn new() -> List {
        List::default()
    }

    /// How it is represented.
    pub fn encoding(&self) -> Encoding {
        match self.form {
            Form::Small(_) => Encoding::Listpack,
            Form::Long(_) => Encoding::Quicklist,
        }
    }

    /// Memory asked for, beyond the value itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Small(elements) => elements.heap_bytes(),
            Form::Long(list) => size_of::<Quicklist>() + list.heap_bytes(),
        }
    }

    /// Roughly how many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        self.node_count()
    }

    /// Whether its key goes away for want of elements.
    pub fn is_void(&self) -> bool {
        match &self.form {
            Form::Small(elements) => elements.is_empty(),
            Form::Long(list) => list.len() == 0,
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.is_void()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Small(elements) => elements.len(),
            Form::Long(list) => list.len(),
        }
    }

    // --- Reading ---

    /// A place counted from the front, if there is an element.
    fn index(&self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = if index < 0 { index.checked_add(len as i64)? } else { index };
        usize::try_from(index).ok().filter(|index| *index < len)
    }

    fn place(&self, index: usize) -> Place {
        match &self.form {
            Form::Small(_) => Place { node: 0, offset: index },
            Form::Long(list) => list.locate(index),
        }
    }

    /// The pieces it is stored in, in order: what a file of it holds.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part<'_>> {
        (0..self.node_count()).map(|node| match self.part(node) {
            Some(part) => part,
            None => unreachable!("a list has fewer parts than it counts"),
        })
    }

    fn node_count(&self) -> usize {
        match &self.form {
            Form::Small(_) => 1,
            Form::Long(list) => list.nodes().len(),
        }
    }

    fn part(&self, node: usize) -> Option<Part<'_>> {
        match &self.form {
            Form::Small(elements) => (node == 0).then_some(Part::Packed(Cow::Borrowed(elements))),
            Form::Long(list) => list.nodes().get(node).map(Node::part),
        }
    }

    // --- Building ---

    /// Adds a whole listpack behind the last element. To be followed by [`settle`](Self::settle).
    pub fn append_part(&mut self, elements: Listpack) {
        if !elements.is_empty() {
            self.lengthen().push_node(Node::packed(elements));
        }
    }

    /// Adds an element behind the last one, as a node of its own. To be followed by
    /// [`settle`](Self::settle).
    pub fn append_plain(&mut self, element: Vec<u8>) {
        self.lengthen().push_node(Node::Plain(element.into_boxed_slice()));
    }

    /// Chooses the form that a list of these elements has that was just read from a file.
    pub fn settle(&mut self, limits: &Limits) {
        match &self.form {
            Form::Small(_) => self.make_room(0, 0, limits),
            Form::Long(_) => self.become_small(Fill::of(limits)),
        }
        if let Form::Long(list) = &mut self.form {
            list.set_depth(depth(limits));
        }
    }

    // --- Changing ---

    /// Adds elements at an end, one after the other.
    #[inline]
    pub fn push_all<'a>(
        &mut self,
        end: End,
        elements: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
        limits: &Limits,
    ) {
        if let Form::Small(_) = self.form {
            let bytes = elements.clone().map(<[u8]>::len).sum();
            self.make_room(bytes, elements.len(), limits);
        }
        match &mut self.form {
            Form::Small(listpack) => elements.for_each(|element| match end {
                End::Front => listpack.push_front(element),
                End::Back => listpack.push_back(element),
            }),
            Form::Long(list) => elements.for_each(|element| list.push(end, element, limits)),
        }
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, element: &[u8], limits: &Limits) {
        self.push_all(end, std::iter::once(element), limits);
    }

    /// Takes an element off an end and shows it before it goes.
    #[inline]
    pub fn pop_with<R>(&mut self, end: End, limits: &Limits, show: impl FnOnce(Value<'_>) -> R) -> Option<R> {
        match &mut self.form {
            Form::Small(elements) => {
                let at = if end == End::Front { elements.first() } else { elements.last() };
                let at = at?;
                let result = show(elements.get(at));
                elements.remove(at, 1);
                Some(result)
            }
            Form::Long(list) => {
                let result = list.pop_with(end, show);
                self.become_small(Fill::of(limits).half());
                result
            }
        }
    }

    /// Removes up to `count` elements from the one at `start` on.
    pub fn remove_range(&mut self, start: usize, count: usize, limits: &Limits) {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return;
        }
        match &mut self.form {
            Form::Small(elements) => {
                if let Some(at) = elements.seek(start as i64) {
                    elements.remove(at, count);
                }
            }
            Form::Long(list) => list.remove_range(start, count),
        }
        self.become_small(Fill::of(limits).half());
    }

    /// Removes up to `limit` elements that are equal to `wanted`, from an end on; gives their number.
    pub fn remove_equal(&mut self, wanted: &[u8], limit: usize, end: End, limits: &Limits) -> usize {
        let wanted = Value::of_text(wanted);
        let removed = match &mut self.form {
            Form::Small(elements) => elements.remove_equal(wanted, limit, end),
            Form::Long(list) => list.remove_equal(wanted, limit, end),
        };
        if removed > 0 {
            self.become_small(Fill::of(limits).half());
        }
        removed
    }

    /// Puts an element in place of the one with this number; false when there is none.
    pub fn set(&mut self, index: i64, element: &[u8], limits: &Limits) -> bool {
        self.make_room(element.len(), 1, limits);
        let Some(index) = self.index(index) else { return false };
        match &mut self.form {
            Form::Small(elements) => {
                if let Some(at) = elements.seek(index as i64) {
                    elements.replace(at, element);
                }
            }
            Form::Long(list) => list.replace(list.locate(index), element, limits),
        }
        self.become_small(Fill::of(limits).half());
        true
    }

    /// Adds an element beside the first one that is equal to `pivot`; false when there is none.
    pub fn insert_beside(&mut self, pivot: &[u8], side: Side, element: &[u8], limits: &Limits) -> bool {
        self.make_room(element.len(), 1, limits);
        let pivot = Value::of_text(pivot);
        let mut index = 0;
        let found = self.visit(0, Direction::Forward, |value| {
            if value == pivot {
                return ControlFlow::Break(());
            }
            index += 1;
            ControlFlow::Continue(())
        });
        if found.is_continue() {
            return false;
        }
        let index = if side == Side::After { index + 1 } else { index };
        let len = self.len();
        match &mut self.form {
            Form::Small(elements) => {
                elements.insert(elements.seek(index as i64), element);
            }
            Form::Long(list) if index == len => list.push(End::Back, element, limits),
            Form::Long(list) => list.insert(list.locate(index), element, limits),
        }
        true
    }

    // --- Forms ---

    /// Takes the form that elements of `bytes` bytes in all need that are about to come.
    fn make_room(&mut self, bytes: usize, count: usize, limits: &Limits) {
        if let Form::Small(elements) = &self.form
            && Fill::of(limits)
                .is_exceeded(elements.encoded_len().saturating_add(bytes), elements.len() + count)
        {
            self.lengthen().set_depth(depth(limits));
        }
    }

    fn lengthen(&mut self) -> &mut Quicklist {
        if let Form::Small(elements) = &mut self.form {
            let elements = std::mem::take(elements);
            let mut list = Quicklist::default();
            if !elements.is_empty() {
                list.push_node(Node::packed(elements));
            }
            self.form = Form::Long(Box::new(list));
        }
        match &mut self.form {
            Form::Long(list) => list,
            Form::Small(_) => unreachable!("it is long now"),
        }
    }

    fn become_small(&mut self, fill: Fill) {
        if let Form::Long(list) = &mut self.form
            && let Some(elements) = list.take_single(fill)
        {
            self.form = Form::Small(elements);
        }
    }
}

/// Nodes at each end that `list-compress-depth` leaves alone.
fn depth(limits: &Limits) -> usize {
    usize::try_from(limits.list_compress_depth).unwrap_or(0)
}
