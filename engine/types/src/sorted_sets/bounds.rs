//! Ranges as arguments: by score, by member, by rank.

use std::ops::Range;

use keyspace::values::{LexBound, LexRange, ScoreBound, ScoreRange};
use resp::strtod::strtod;

use crate::CommandError;
use crate::arguments::integer;

/// A score, behind a parenthesis if it is excluded. Redis reads it with C's means: to the end, or to a zero
/// byte; spaces may stand before it, and nothing at all is 0.
fn score_bound(argument: &[u8]) -> Result<ScoreBound, CommandError> {
    let (exclusive, text) = match argument {
        [b'(', rest @ ..] => (true, rest),
        text => (false, text),
    };
    let length = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let number = strtod(&text[..length]);
    if number.used != length || number.value.is_nan() {
        return Err(CommandError::new("ERR min or max is not a float"));
    }
    Ok(if exclusive { ScoreBound::Exclusive(number.value) } else { ScoreBound::Inclusive(number.value) })
}

pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    Ok(ScoreRange { min: score_bound(min)?, max: score_bound(max)? })
}

fn lex_bound(argument: &[u8]) -> Result<LexBound<'_>, CommandError> {
    match argument {
        [b'-'] | [b'-', 0, ..] => Ok(LexBound::Lowest),
        [b'+'] | [b'+', 0, ..] => Ok(LexBound::Highest),
        [b'(', member @ ..] => Ok(LexBound::Exclusive(member)),
        [b'[', member @ ..] => Ok(LexBound::Inclusive(member)),
        _ => Err(CommandError::new("ERR min or max not valid string range item")),
    }
}

pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    Ok(LexRange { min: lex_bound(min)?, max: lex_bound(max)? })
}

/// Ranks from one to another, both included; negative ones count from the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct RankRange {
    start: i64,
    stop: i64,
}

impl RankRange {
    pub(super) fn parse(start: &[u8], stop: &[u8]) -> Result<RankRange, CommandError> {
        Ok(RankRange { start: integer(start)?, stop: integer(stop)? })
    }

    /// What it means in a set of so many members; empty where nothing lies in it.
    pub(super) fn within(self, len: usize) -> Range<usize> {
        let len = len as i64;
        let from_front = |rank: i64| if rank < 0 { rank + len } else { rank };
        let (start, stop) = (from_front(self.start).max(0), from_front(self.stop).min(len - 1));
        if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
    }
}
