//! Small sorted sets: a listpack of member and score by turns, ordered by score, then by member.
//!
//! Scores are written as Redis writes them into listpacks, so that the bytes are those of its DUMP: whole
//! ones as integers (the sign of zero is lost), others as their shortest text. Every search walks.

use std::cmp::Ordering;

use resp::number::{parse_f64, whole_f64, write_f64};

use crate::value::{Value, parse_canonical_int};
use crate::values::listpack::{Invalid, Listpack, Position};

/// The score that an element is the text of.
fn score_of(element: Value<'_>) -> Option<f64> {
    match element {
        Value::Int(number) => Some(number as f64),
        Value::Bytes(text) => parse_f64(text),
    }
}

/// The score behind a member.
fn score_at(pairs: &Listpack, at: Position) -> f64 {
    let score = score_of(pairs.get(at));
    debug_assert!(score.is_some(), "a score that is no number");
    score.unwrap_or(0.0)
}

/// The text of a score.
fn text_of(score: f64, text: &mut Vec<u8>) {
    match whole_f64(score) {
        Some(whole) => text.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes()),
        None => write_f64(text, score),
    }
}

/// A member with its score and place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) at: Position,
    pub(super) member: Value<'a>,
    pub(super) score: f64,
}

/// The pairs from a place on.
pub(super) fn pairs_from(pairs: &Listpack, from: Option<Position>) -> impl Iterator<Item = Pair<'_>> {
    let mut next = from;
    std::iter::from_fn(move || {
        let at = next?;
        let score_at_position = pairs.next(at)?;
        next = pairs.next(score_at_position);
        Some(Pair { at, member: pairs.get(at), score: score_at(pairs, score_at_position) })
    })
}

/// All pairs, the last first.
pub(super) fn pairs_backwards(pairs: &Listpack) -> impl Iterator<Item = Pair<'_>> {
    let mut next = pairs.last();
    std::iter::from_fn(move || {
        let score_at_position = next?;
        let at = pairs.prev(score_at_position)?;
        next = pairs.prev(at);
        Some(Pair { at, member: pairs.get(at), score: score_at(pairs, score_at_position) })
    })
}

/// All pairs.
pub(super) fn pairs(pairs: &Listpack) -> impl Iterator<Item = Pair<'_>> {
    pairs_from(pairs, pairs.first())
}

/// The pair of a rank.
pub(super) fn pair_at(pairs: &Listpack, rank: usize) -> Option<Pair<'_>> {
    let at = pairs.seek(i64::try_from(rank).ok()?.checked_mul(2)?)?;
    let score = score_at(pairs, pairs.next(at)?);
    Some(Pair { at, member: pairs.get(at), score })
}

/// A member's place and score.
pub(super) fn find(pairs: &Listpack, member: &[u8]) -> Option<(Position, f64)> {
    let at = pairs.find(pairs.first(), member, 1)?;
    Some((at, score_at(pairs, pairs.next(at)?)))
}

/// How a pair stands to a score and a member.
fn order(pair: Pair<'_>, score: f64, member: &[u8]) -> Ordering {
    let by_score = pair.score.partial_cmp(&score).unwrap_or(Ordering::Equal);
    by_score.then_with(|| pair.member.as_bytes(&mut itoa::Buffer::new()).cmp(member))
}

/// Adds a member that is not there.
pub(super) fn insert(pairs: &mut Listpack, member: &[u8], score: f64) {
    // Where it goes behind all others, as the newest often does, nothing is walked.
    let last = pairs_backwards(pairs).next();
    let before = match last {
        Some(last) if order(last, score, member) == Ordering::Greater => self::pairs(pairs)
            .find(|&pair| order(pair, score, member) == Ordering::Greater)
            .map(|pair| pair.at),
        _ => None,
    };
    let mut text = Vec::with_capacity(24);
    text_of(score, &mut text);
    pairs.insert_all(before, &[member, &text]);
}

/// Reads what comes from outside.
///
/// # Errors
/// [`Invalid`] when something lacks a score, a score is no number, or pairs are out of order or double.
pub(super) fn check(listpack: &Listpack) -> Result<(), Invalid> {
    let mut members = std::collections::HashSet::new();
    let mut elements = listpack.iter();
    let mut before: Option<(f64, Vec<u8>)> = None;
    while let Some(member) = elements.next() {
        let score = elements.next().and_then(score_of).ok_or(Invalid)?;
        let member = match member {
            // Bytes that are an integer's text would not be found again.
            Value::Bytes(bytes) if parse_canonical_int(bytes).is_some() => return Err(Invalid),
            member => member.to_cow().into_owned(),
        };
        if before.as_ref().is_some_and(|(last, bytes)| (*last, bytes) >= (score, &member)) {
            return Err(Invalid);
        }
        if !members.insert(member.clone()) {
            return Err(Invalid);
        }
        before = Some((score, member));
    }
    Ok(())
}
