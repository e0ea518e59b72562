//! Large sorted sets: a table from member to score, and a tree of both in order.
//!
//! Invariant: tree and table hold the same members with the same scores, and each handle in the tree is
//! that of the member's entry in the table, whose value is the score's bits as an integer. A member leaves
//! the tree before the table.

use super::tree::{Item, Tree};
use crate::hash::HashSeed;
use crate::packed::Entry;
use crate::value::Value;
use crate::values::Dict;

#[derive(Debug)]
pub(super) struct Large {
    pub(super) members: Dict,
    pub(super) order: Tree,
    seed: HashSeed,
}

/// The score that a member's entry holds.
#[inline]
pub(super) fn score_of(entry: Entry<'_>) -> f64 {
    match entry.value() {
        Value::Int(bits) => f64::from_bits(bits as u64),
        Value::Bytes(_) => unreachable!("a member without a score"),
    }
}

impl Large {
    pub(super) fn new(seed: HashSeed, expected: usize) -> Large {
        let mut members = Dict::new(seed);
        members.reserve(expected);
        Large { members, order: Tree::new(), seed }
    }

    #[inline]
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.get(member).map(score_of)
    }

    /// Adds a member that is not there.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        let handle = self.members.insert_int(member, score.to_bits() as i64);
        self.order.insert(Item { score, member: handle });
    }

    /// Gives a member that is there another score.
    pub(super) fn set(&mut self, member: &[u8], old: f64, score: f64) {
        let rank = self.order.rank(old, member);
        let item = self.order.remove_at(rank);
        // An integer in an integer's place: the entry stays where it is.
        self.members.set_int(member, score.to_bits() as i64);
        self.order.insert(Item { score, member: item.member });
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.score(member)?;
        let rank = self.order.rank(score, member);
        self.order.remove_at(rank);
        self.members.remove(member);
        Some(score)
    }

    pub(super) fn remove_at(&mut self, rank: usize) {
        let item = self.order.remove_at(rank);
        // The tree does not hold it any more, so its entry may go.
        let member = item.member.entry().key().to_vec();
        self.members.remove(&member);
    }
}

impl Clone for Large {
    fn clone(&self) -> Large {
        let mut copy = Large::new(self.seed, self.order.len());
        for item in self.order.range(0..self.order.len()) {
            copy.insert(item.member.entry().key(), item.score);
        }
        copy
    }
}
