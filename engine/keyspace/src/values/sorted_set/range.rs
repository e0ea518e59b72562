//! Ranges of a sorted set by score and by member, as ranges of ranks.

use std::ops::Range;

use super::{Form, SortedSet, small};
use crate::value::Value;

/// An end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    /// This score and beyond.
    Inclusive(f64),
    /// Beyond this score.
    Exclusive(f64),
}

/// Scores from one bound to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The lower end.
    pub min: ScoreBound,
    /// The upper end.
    pub max: ScoreBound,
}

impl ScoreRange {
    fn is_below(self, score: f64) -> bool {
        match self.min {
            ScoreBound::Inclusive(min) => score < min,
            ScoreBound::Exclusive(min) => score <= min,
        }
    }

    fn is_above(self, score: f64) -> bool {
        match self.max {
            ScoreBound::Inclusive(max) => score > max,
            ScoreBound::Exclusive(max) => score >= max,
        }
    }
}

/// An end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member.
    Lowest,
    /// Behind every member.
    Highest,
    /// This member and beyond.
    Inclusive(&'a [u8]),
    /// Beyond this member.
    Exclusive(&'a [u8]),
}

/// Members from one bound to the other, in a set whose scores are all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// The lower end.
    pub min: LexBound<'a>,
    /// The upper end.
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    fn is_below(self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Inclusive(min) => member < min,
            LexBound::Exclusive(min) => member <= min,
        }
    }

    fn is_above(self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Inclusive(max) => member > max,
            LexBound::Exclusive(max) => member >= max,
        }
    }

    /// Whether nothing can lie in it.
    fn is_void(self) -> bool {
        let bytes = |bound| match bound {
            LexBound::Inclusive(bytes) => Some((bytes, true)),
            LexBound::Exclusive(bytes) => Some((bytes, false)),
            _ => None,
        };
        match (self.min, self.max) {
            (LexBound::Highest, _) | (_, LexBound::Lowest) => true,
            (min, max) => match (bytes(min), bytes(max)) {
                (Some((min, with_min)), Some((max, with_max))) => {
                    min > max || (min == max && !(with_min && with_max))
                }
                _ => false,
            },
        }
    }
}

/// Which way a sequence is walked. Of a range of members it is the end from which it is looked for: it matters
/// only where scores differ, and Redis gives what it finds from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest, or the front, on.
    Forward,
    /// From the highest, or the back, on.
    Backward,
}

impl SortedSet {
    /// The ranks of the members with scores in a range.
    pub fn score_range(&self, range: ScoreRange) -> Range<usize> {
        let (start, end) = match self.0.form() {
            Form::Small(pairs) => {
                let count = |before: &dyn Fn(f64) -> bool| {
                    small::pairs(pairs).take_while(|pair| before(pair.score)).count()
                };
                (count(&|score| range.is_below(score)), count(&|score| !range.is_above(score)))
            }
            Form::Large(large) => (
                large.order.partition(|item| range.is_below(item.score)),
                large.order.partition(|item| !range.is_above(item.score)),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of the members in a range, which means something only when all scores are the same.
    pub fn lex_range(&self, range: LexRange<'_>, direction: Direction) -> Range<usize> {
        if range.is_void() {
            return 0..0;
        }
        match self.0.form() {
            Form::Small(_) => self.walk_lex_range(range, direction),
            Form::Large(large) => {
                // Where scores differ the ends decide first, as in Redis.
                let (mut ends, len) = (large.order.range(0..self.len()), self.len());
                let first = ends.next().map_or(&[][..], |item| item.member.entry().key());
                let last = ends.next_back().map_or(first, |item| item.member.entry().key());
                if len == 0 || range.is_below(last) || range.is_above(first) {
                    return 0..0;
                }
                let start = large.order.partition(|item| range.is_below(item.member.entry().key()));
                let end = large.order.partition(|item| !range.is_above(item.member.entry().key()));
                start..end.max(start)
            }
        }
    }

    /// What Redis finds in a listpack: the ends must lie in the range's directions, then it walks from the
    /// first match on while members are within the other bound.
    fn walk_lex_range(&self, range: LexRange<'_>, direction: Direction) -> Range<usize> {
        let below = |member: Value<'_>| range.is_below(member.as_bytes(&mut itoa::Buffer::new()));
        let above = |member: Value<'_>| range.is_above(member.as_bytes(&mut itoa::Buffer::new()));
        let len = self.len();
        let ends = (self.iter(0..len).next(), self.iter(0..len).next_back());
        let (Some((first, _)), Some((last, _))) = ends else { return 0..0 };
        if below(last) || above(first) {
            return 0..0;
        }
        match direction {
            Direction::Forward => {
                let start = self.iter(0..len).take_while(|(member, _)| below(*member)).count();
                let count = self.iter(start..len).take_while(|(member, _)| !above(*member)).count();
                start..start + count
            }
            Direction::Backward => {
                let skipped = self.iter(0..len).rev().take_while(|(member, _)| above(*member)).count();
                let end = len - skipped;
                let count = self.iter(0..end).rev().take_while(|(member, _)| !below(*member)).count();
                end - count..end
            }
        }
    }
}
