//! Sorted sets: members ordered by a score, and by their bytes where scores are the same.
//!
//! - `small`: a listpack of pairs, while there are few short ones (`zset-max-listpack-entries`, `-value`).
//! - `large`: a table from member to score, and a `tree` with ranks; `skiplist` to the outside.
//! - `range`: ranges by score and by member, found as ranges of ranks.
//!
//! When one becomes the other is as in Redis 7.2. Scores are never NaN: that is for the commands to refuse.

mod large;
mod range;
mod small;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::Range;

use large::Large;
pub use range::{Direction, LexBound, LexRange, ScoreBound, ScoreRange};

use super::{Invalid, Limits, Listpack, Position};
use crate::hash::Cursor;
use crate::packed::{Form, Thin};
use crate::value::{Encoding, Value};

/// The most bytes of a listpack, as Redis has it.
const LISTPACK_MAX_BYTES: usize = 1 << 30;

/// A sorted set.
#[derive(Clone, Debug)]
pub struct SortedSet(Thin<Listpack, Large>);

impl Default for SortedSet {
    fn default() -> Self {
        SortedSet(Thin::of_small(Listpack::new()))
    }
}

/// What became of a member that was to get a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scored {
    /// It is new.
    Added(f64),
    /// It had another score.
    Changed(f64),
    /// It has the score that it had.
    Same(f64),
    /// It was left as it was, there or not.
    Left,
}

impl SortedSet {
    /// One without members, in the compact form.
    pub fn new() -> SortedSet {
        SortedSet::default()
    }

    /// One without members, in the form for so many of at most this length.
    pub fn for_size(entries: usize, longest: usize, limits: &Limits) -> SortedSet {
        let is_small = entries as u64 <= limits.zset_max_listpack_entries
            && longest as u64 <= limits.zset_max_listpack_value;
        match is_small {
            true => SortedSet::new(),
            false => SortedSet(Thin::of_large(Large::new(limits.seed, entries))),
        }
    }

    /// One of the pairs that a listpack holds, member and score by turns; the compact form is kept if it
    /// is not too long.
    ///
    /// # Errors
    /// [`Invalid`] when a score is missing or no number, or pairs are out of order or double.
    pub fn from_listpack(pairs: Listpack, limits: &Limits) -> Result<SortedSet, Invalid> {
        small::check(&pairs)?;
        let mut set = SortedSet(Thin::of_small(pairs));
        set.expect(set.len(), limits);
        Ok(set)
    }

    /// The listpack of a compact one.
    pub fn listpack(&self) -> Option<&Listpack> {
        match self.0.form() {
            Form::Small(pairs) => Some(pairs),
            Form::Large(_) => None,
        }
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self.0.form() {
            Form::Small(pairs) => pairs.len() / 2,
            Form::Large(large) => large.order.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How it is represented.
    pub fn encoding(&self) -> Encoding {
        match self.0.form() {
            Form::Small(_) => Encoding::Listpack,
            Form::Large(_) => Encoding::Skiplist,
        }
    }

    /// Memory asked for, beyond the value itself.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match self.0.form() {
            Form::Small(pairs) => pairs.heap_bytes(),
            Form::Large(large) => {
                Thin::<Listpack, Large>::LARGE_BYTES + large.members.heap_bytes() + large.order.heap_bytes()
            }
        }
    }

    /// Roughly how many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        match self.0.form() {
            Form::Small(_) => 1,
            Form::Large(large) => large.members.free_effort() + large.order.nodes(),
        }
    }

    /// Whether its key goes away for want of members.
    #[inline]
    pub fn is_void(&self) -> bool {
        match self.0.form() {
            Form::Small(pairs) => pairs.is_empty(),
            Form::Large(large) => large.order.len() == 0,
        }
    }

    // --- One member ---

    /// A member's score.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.0.form() {
            Form::Small(pairs) => small::find(pairs, member).map(|(_, score)| score),
            Form::Large(large) => large.score(member),
        }
    }

    /// A member's rank, 0 being that of the lowest score, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self.0.form() {
            Form::Small(pairs) => {
                let (at, score) = small::find(pairs, member)?;
                Some((small::pairs(pairs).take_while(|pair| pair.at < at).count(), score))
            }
            Form::Large(large) => {
                let score = large.score(member)?;
                Some((large.order.rank(score, member), score))
            }
        }
    }

    /// Gives a member a score; true when it is new.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) -> bool {
        matches!(self.update(member, limits, |_| Some(score)), Scored::Added(_))
    }

    /// Gives a member the score that `decide` says, knowing the present one; none leaves it alone.
    pub fn update(
        &mut self,
        member: &[u8],
        limits: &Limits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Scored {
        let found = match self.0.form() {
            Form::Small(pairs) => small::find(pairs, member).map(|(at, score)| (Some(at), score)),
            Form::Large(large) => large.score(member).map(|score| (None, score)),
        };
        let Some(score) = decide(found.map(|(_, score)| score)) else { return Scored::Left };
        match found {
            Some((_, old)) if old == score => Scored::Same(score),
            Some((at, old)) => {
                self.set(member, at, old, score);
                Scored::Changed(score)
            }
            None => {
                self.add(member, score, limits);
                Scored::Added(score)
            }
        }
    }

    fn set(&mut self, member: &[u8], at: Option<Position>, old: f64, score: f64) {
        match (self.0.form_mut(), at) {
            (Form::Small(pairs), Some(at)) => {
                pairs.remove(at, 2);
                small::insert(pairs, member, score);
            }
            (Form::Large(large), _) => large.set(member, old, score),
            (Form::Small(_), None) => unreachable!("a member without a place"),
        }
    }

    fn add(&mut self, member: &[u8], score: f64, limits: &Limits) {
        if let Form::Small(pairs) = self.0.form() {
            let too_much = (self.len() + 1) as u64 > limits.zset_max_listpack_entries
                || member.len() as u64 > limits.zset_max_listpack_value
                || pairs.encoded_len() + member.len() > LISTPACK_MAX_BYTES;
            if too_much {
                self.become_large(limits);
            }
        }
        match self.0.form_mut() {
            Form::Small(pairs) => small::insert(pairs, member, score),
            Form::Large(large) => large.insert(member, score),
        }
    }

    /// Takes a member out; gives its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self.0.form_mut() {
            Form::Small(pairs) => {
                let (at, score) = small::find(pairs, member)?;
                pairs.remove(at, 2);
                Some(score)
            }
            Form::Large(large) => large.remove(member),
        }
    }

    // --- Ranges ---

    /// Members and scores of some ranks, from either end.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn iter(&self, ranks: Range<usize>) -> Members<'_> {
        assert!(ranks.start <= ranks.end && ranks.end <= self.len(), "ranks beyond the end");
        match self.0.form() {
            Form::Small(pairs) => Members(Walk::Small { pairs, ranks, front: None, back: None }),
            Form::Large(large) => Members(Walk::Large(large.order.range(ranks))),
        }
    }

    /// Takes out the members of some ranks.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        assert!(ranks.start <= ranks.end && ranks.end <= self.len(), "ranks beyond the end");
        match self.0.form_mut() {
            Form::Small(pairs) => {
                if let Some(first) = small::pair_at(pairs, ranks.start).map(|pair| pair.at) {
                    pairs.remove(first, 2 * ranks.len());
                }
            }
            // From the back, so that the ranks of the others stay.
            Form::Large(large) => ranks.rev().for_each(|rank| large.remove_at(rank)),
        }
    }

    /// Visits members from a cursor on and returns the cursor to go on from, 0 at the end; a small set is
    /// visited all at once.
    pub fn scan(&self, cursor: Cursor, count: usize, f: &mut dyn FnMut(Value<'_>, f64)) -> Cursor {
        match self.0.form() {
            Form::Small(pairs) => {
                small::pairs(pairs).for_each(|pair| f(pair.member, pair.score));
                Cursor(0)
            }
            Form::Large(large) => large.members.scan(cursor, count, &mut |entry| {
                f(Value::Bytes(entry.key()), large::score_of(entry));
            }),
        }
    }

    // --- Forms ---

    /// Makes ready for so many members in all.
    pub fn expect(&mut self, entries: usize, limits: &Limits) {
        if matches!(self.0.form(), Form::Small(_)) && entries as u64 > limits.zset_max_listpack_entries {
            self.become_large(limits);
        }
    }

    /// Takes the large form, whatever it holds.
    pub fn enlarge(&mut self, limits: &Limits) {
        self.become_large(limits);
    }

    /// Takes the compact form if all fits in it, as results of commands do when they are complete.
    pub fn settle(&mut self, limits: &Limits) {
        let Form::Large(large) = self.0.form() else { return };
        if self.len() as u64 > limits.zset_max_listpack_entries {
            return;
        }
        let lengths = || self.iter(0..self.len()).map(|(member, _)| member.len());
        let fits = lengths().max().unwrap_or(0) as u64 <= limits.zset_max_listpack_value
            && lengths().sum::<usize>() <= LISTPACK_MAX_BYTES;
        if fits {
            let mut pairs = Listpack::new();
            for item in large.order.range(0..large.order.len()) {
                small::insert(&mut pairs, item.member.entry().key(), item.score);
            }
            self.0 = Thin::of_small(pairs);
        }
    }

    fn become_large(&mut self, limits: &Limits) {
        let Form::Small(pairs) = self.0.form() else { return };
        let mut large = Large::new(limits.seed, self.len());
        for pair in small::pairs(pairs) {
            large.insert(pair.member.as_bytes(&mut itoa::Buffer::new()), pair.score);
        }
        self.0 = Thin::of_large(large);
    }

    #[cfg(test)]
    fn check(&self) {
        if let Form::Large(large) = self.0.form() {
            large.order.check();
            assert_eq!(large.members.len(), large.order.len());
        }
    }
}

/// Members and scores, from either end.
#[derive(Clone, Debug)]
pub struct Members<'a>(Walk<'a>);

#[derive(Clone, Debug)]
enum Walk<'a> {
    Small {
        pairs: &'a Listpack,
        ranks: Range<usize>,
        /// Where the next pair at the front begins, and the last one given at the back.
        front: Option<Position>,
        back: Option<Position>,
    },
    Large(tree::Items<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (Value<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Large(items) => {
                let item = items.next()?;
                Some((Value::Bytes(item.member.entry().key()), item.score))
            }
            Walk::Small { pairs, ranks, front, .. } => {
                let rank = ranks.next()?;
                let pair = match *front {
                    Some(at) => small::pairs_from(pairs, Some(at)).next()?,
                    None => small::pair_at(pairs, rank)?,
                };
                *front = pairs.next(pair.at).and_then(|score| pairs.next(score));
                Some((pair.member, pair.score))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::Large(items) => items.size_hint(),
            Walk::Small { ranks, .. } => ranks.size_hint(),
        }
    }
}

impl ExactSizeIterator for Members<'_> {}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Large(items) => {
                let item = items.next_back()?;
                Some((Value::Bytes(item.member.entry().key()), item.score))
            }
            Walk::Small { pairs, ranks, back, .. } => {
                let rank = ranks.next_back()?;
                let pair = match *back {
                    Some(at) => {
                        let at = pairs.prev(at).and_then(|score| pairs.prev(score));
                        small::pairs_from(pairs, at).next()?
                    }
                    None => small::pair_at(pairs, rank)?,
                };
                *back = Some(pair.at);
                Some((pair.member, pair.score))
            }
        }
    }
}
