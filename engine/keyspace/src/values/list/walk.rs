//! Walking through a list, one way or the other. Elements are shown rather than handed out: one of a compressed
//! node exists only as long as the walk is in that node.

use std::ops::ControlFlow;

use super::quicklist::Place;
use super::{List, Part};
use crate::value::Value;
use crate::values::{Direction, Listpack};

impl List {
    /// Shows the element at `index` and those behind it, or before it in reverse order, until told to stop.
    #[inline]
    pub fn visit<B>(
        &self,
        index: usize,
        direction: Direction,
        mut show: impl FnMut(Value<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if index >= self.len() {
            return ControlFlow::Continue(());
        }
        let Place { mut node, offset } = self.place(index);
        let mut offset = Some(offset);
        while let Some(part) = self.part(node) {
            match part {
                Part::Plain(bytes) => show(Value::of_text(&bytes))?,
                Part::Packed(elements) => visit_node(&elements, offset.take(), direction, &mut show)?,
            }
            node = match direction {
                Direction::Forward => node + 1,
                Direction::Backward if node == 0 => break,
                Direction::Backward => node - 1,
            };
            offset = None;
        }
        ControlFlow::Continue(())
    }

    /// Shows up to `count` elements from the one at `index` on.
    #[inline]
    pub fn show_some(
        &self,
        index: usize,
        direction: Direction,
        count: usize,
        mut show: impl FnMut(Value<'_>),
    ) {
        let mut left = count;
        let _ = self.visit(index, direction, |value| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            show(value);
            ControlFlow::Continue(())
        });
    }

    /// Shows all elements in order.
    #[inline]
    pub fn for_each(&self, show: impl FnMut(Value<'_>)) {
        self.show_some(0, Direction::Forward, usize::MAX, show);
    }

    /// Shows the element with this number, if there is one; negative numbers count from the end, -1 being the
    /// last.
    pub fn show<R>(&self, index: i64, show: impl FnOnce(Value<'_>) -> R) -> Option<R> {
        let Place { node, offset } = self.place(self.index(index)?);
        match self.part(node)? {
            Part::Plain(bytes) => Some(show(Value::of_text(&bytes))),
            Part::Packed(elements) => elements.seek(offset as i64).map(|at| show(elements.get(at))),
        }
    }
}

/// Shows the elements of one node, from its end or from the one at `offset` on.
#[inline]
fn visit_node<B>(
    elements: &Listpack,
    offset: Option<usize>,
    direction: Direction,
    show: &mut impl FnMut(Value<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let from = offset.and_then(|offset| elements.seek(offset as i64));
    let mut walk = match (from, direction) {
        (None, _) => elements.iter(),
        (Some(at), Direction::Forward) => elements.iter_from(at),
        (Some(at), Direction::Backward) => elements.iter_through(at),
    };
    match direction {
        Direction::Forward => walk.try_for_each(show),
        Direction::Backward => walk.rev().try_for_each(show),
    }
}
