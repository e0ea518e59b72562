//! A node of a long list, and how one far from both ends is kept compressed (`list-compress-depth`).
//!
//! What is compressed are the elements as they lie in memory, by LZF; where Redis draws its lines, so are they
//! here: a node of a few bytes is left alone, and so is one that would hardly become smaller.

use std::borrow::Cow;

use super::Part;
use super::fill::Fill;
use crate::lzf::{self, Compressor};
use crate::values::{Limits, Listpack};

/// Bytes that an element takes beside its own, at most: what Redis reckons with.
const ELEMENT_OVERHEAD_BYTES: usize = 8;
/// What the encoded form of a listpack has beside its elements.
const ENVELOPE_BYTES: usize = 7;
/// Smaller nodes are not compressed.
const FREEZE_FROM_BYTES: usize = 48;
/// Nor is one that would save less.
const FREEZE_SAVES_BYTES: usize = 8;

/// A node.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Packed { count: u32, elements: Listpack },
    Plain(Box<[u8]>),
    Frozen(Box<Frozen>),
}

/// A node in its compressed form.
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    count: u32,
    /// Length of what is compressed.
    len: u32,
    /// Whether it is one large element.
    plain: bool,
    lzf: Box<[u8]>,
}

impl Node {
    pub(super) fn packed(elements: Listpack) -> Node {
        Node::Packed { count: elements.len() as u32, elements }
    }

    pub(super) fn of(element: &[u8], limits: &Limits) -> Node {
        match element.len() >= limits.list_plain_bytes {
            true => Node::Plain(element.into()),
            false => Node::packed([element].into_iter().collect()),
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Node::Packed { count, .. } => *count as usize,
            Node::Plain(_) => 1,
            Node::Frozen(frozen) => frozen.count as usize,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Node::Packed { elements, .. } => elements.heap_bytes(),
            Node::Plain(bytes) => bytes.len(),
            Node::Frozen(frozen) => size_of::<Frozen>() + frozen.lzf.len(),
        }
    }

    /// Length of the encoded listpack; none when it is no listpack.
    pub(super) fn encoded_len(&self) -> Option<usize> {
        match self {
            Node::Packed { elements, .. } => Some(elements.encoded_len()),
            Node::Frozen(frozen) if !frozen.plain => Some(frozen.len as usize + ENVELOPE_BYTES),
            Node::Plain(_) | Node::Frozen(_) => None,
        }
    }

    /// Whether one more element may be added.
    pub(super) fn takes(&self, element: &[u8], limits: &Limits) -> bool {
        let Some(encoded_len) = self.encoded_len() else { return false };
        let bytes = encoded_len + element.len() + ELEMENT_OVERHEAD_BYTES;
        element.len() < limits.list_plain_bytes && !Fill::of(limits).is_exceeded(bytes, self.count() + 1)
    }

    /// The compressed form, where it has one worth having.
    pub(super) fn frozen(&self) -> Option<Node> {
        let (bytes, plain) = match self {
            Node::Packed { elements, .. } => (elements.elements(), false),
            Node::Plain(bytes) => (&**bytes, true),
            Node::Frozen(_) => return None,
        };
        if bytes.len() < FREEZE_FROM_BYTES {
            return None;
        }
        let mut lzf = Vec::new();
        Compressor::default().compress(bytes, &mut lzf, bytes.len() - FREEZE_SAVES_BYTES)?;
        let (count, len) = (self.count() as u32, u32::try_from(bytes.len()).ok()?);
        Some(Node::Frozen(Box::new(Frozen { count, len, plain, lzf: lzf.into_boxed_slice() })))
    }

    /// What is in it, to be read.
    pub(super) fn part(&self) -> Part<'_> {
        match self {
            Node::Packed { elements, .. } => Part::Packed(Cow::Borrowed(elements)),
            Node::Plain(bytes) => Part::Plain(Cow::Borrowed(bytes)),
            Node::Frozen(frozen) => frozen.part(),
        }
    }
}

impl Frozen {
    /// The node as it was.
    pub(super) fn thawed(&self) -> Node {
        match self.part() {
            Part::Packed(elements) => Node::Packed { count: self.count, elements: elements.into_owned() },
            Part::Plain(bytes) => Node::Plain(bytes.into_owned().into_boxed_slice()),
        }
    }

    fn part(&self) -> Part<'static> {
        let mut bytes = Vec::new();
        if lzf::decompress(&self.lzf, self.len as usize, &mut bytes).is_err() {
            unreachable!("a node was compressed wrongly");
        }
        match self.plain {
            true => Part::Plain(Cow::Owned(bytes)),
            false => Part::Packed(Cow::Owned(Listpack::from_elements(&bytes, self.count as usize))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saves(node: &Node) -> bool {
        node.frozen().is_some_and(|frozen| {
            assert_eq!(frozen.count(), node.count());
            assert_eq!(frozen.encoded_len(), node.encoded_len());
            frozen.heap_bytes() < node.heap_bytes()
        })
    }

    #[test]
    fn what_repeats_is_frozen_and_noise_and_little_are_not() {
        let alike = |count| Node::packed(vec![&b"an element"[..]; count].into_iter().collect());
        assert!(saves(&alike(100)));
        assert!(saves(&Node::Plain(vec![b'x'; 100].into())));
        assert!(!saves(&alike(3)));
        let mut draw = 1u64;
        let noise = std::iter::repeat_with(|| {
            draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (draw >> 56) as u8
        });
        assert!(!saves(&Node::Plain(noise.take(1000).collect())));
    }
}
