//! LZF, the compression of strings in RDB files.
//!
//! The format is a sequence of runs, each led by a control byte `c`:
//! - `c < 32`: `c + 1` literal bytes follow;
//! - otherwise a match of `(c >> 5) + 2` bytes (when `c >> 5` is 7, the next byte is added to the
//!   length) that starts `((c & 31) << 8 | next byte) + 1` bytes before the end of the output.
//!
//! Which of all possible outputs the compressor makes follows liblzf, as Redis has it, down to its choice
//! of matches: a DUMP is the same bytes, whoever made it. In a file, where nobody compares, smaller tables
//! are used for short inputs, and collisions cost a match here and there.
//!
//! [`Compressor`] keeps its table of positions between calls, so that a short string pays nothing
//! for clearing it. [`decompress`] trusts nothing: it never reads or allocates beyond what the
//! input really yields.

use std::fmt;

/// Farthest distance a match can reach back.
const MAX_DISTANCE: usize = 1 << 13;
/// Longest match: 7 from the control byte, 255 from the extra byte, 2 implied.
const MAX_MATCH: usize = 7 + 255 + 2;
/// Shortest match that the compressor looks for.
const MIN_MATCH: usize = 3;
/// Bytes at the end that a match leaves alone, as a rule.
const TAIL: usize = 2;
/// Beyond this room, the first bytes of a match are compared without regard to the tail.
const UNROLLED: usize = 16;
/// Longest run of literals.
const MAX_LITERALS: usize = 32;
/// Most output bytes that one input byte can stand for (a match of 264 takes three).
const MAX_EXPANSION: usize = MAX_MATCH / 3;
/// Slots of the table that finds what liblzf finds.
const EXACT_SLOTS: usize = 1 << 16;
/// Slots of the table that is fast; short inputs use only part of it, which stays in the processor's
/// first cache.
const FAST_SLOTS: usize = 1 << 14;
const SHORT_SLOTS: usize = 1 << 10;
const SHORT_INPUT: usize = 2048;

/// What matters more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// Speed.
    #[default]
    Fast,
    /// The same bytes as liblzf.
    Exact,
}

/// The compressed form does not yield what was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid LZF data")
    }
}

impl std::error::Error for Corrupt {}

/// Compresses one string after another.
#[derive(Debug)]
pub struct Compressor {
    /// Where a hash of three bytes was last seen, as `base + position` of that time. What is
    /// below the present `base` belongs to an earlier input and counts as empty.
    table: Box<[u32]>,
    base: u32,
    /// The `base` of the next input.
    next_base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Compressor::new(Effort::Fast)
    }
}

impl Compressor {
    /// A compressor with an empty table (64 KB, or 256 KB to be exact).
    #[must_use]
    pub fn new(effort: Effort) -> Self {
        let slots = match effort {
            Effort::Fast => FAST_SLOTS,
            Effort::Exact => EXACT_SLOTS,
        };
        Compressor { table: vec![0; slots].into_boxed_slice(), base: 1, next_base: 1 }
    }

    /// Appends the compressed form of `input` to `output` and gives its length, or leaves
    /// `output` as it was and gives `None` when that form would be longer than `limit` bytes.
    pub fn compress(&mut self, input: &[u8], output: &mut Vec<u8>, limit: usize) -> Option<usize> {
        self.forget_earlier_inputs(u32::try_from(input.len()).ok()?)?;
        let slots = match self.table.len() {
            FAST_SLOTS if input.len() <= SHORT_INPUT => SHORT_SLOTS,
            slots => slots,
        };
        let start = output.len();
        // Where liblzf would write next: it leaves a byte for the run of literals it is in.
        let next = |output: &Vec<u8>, pending: usize| {
            output.len() - start + pending / MAX_LITERALS * (MAX_LITERALS + 1) + 1 + pending % MAX_LITERALS
        };
        let (mut at, mut literals_from) = (0, 0);
        while let Some(three) = three_at(input, at) {
            let pending = at - literals_from;
            let earlier = self.replace(three, at, slots);
            let length = earlier.map_or(0, |earlier| match_length(input, earlier, at));
            let room = match length {
                0 => 0,
                _ => 4 - usize::from(pending.is_multiple_of(MAX_LITERALS)),
            };
            if next(output, pending) + room >= limit {
                output.truncate(start);
                return None;
            }
            if length == 0 {
                at += 1;
                continue;
            }
            push_literals(&input[literals_from..at], output);
            push_match(at - earlier.unwrap_or(0), length, output);
            at += length;
            literals_from = at;
            // The end of a match is worth remembering; every position inside it hardly is.
            for inside in [at - 2, at - 1] {
                if let Some(three) = three_at(input, inside) {
                    self.replace(three, inside, slots);
                }
            }
        }
        if next(output, at - literals_from) + 3 > limit {
            output.truncate(start);
            return None;
        }
        push_literals(&input[literals_from..], output);
        Some(output.len() - start)
    }

    /// Prepares the table for an input of `length` bytes; `None` when positions do not fit.
    fn forget_earlier_inputs(&mut self, length: u32) -> Option<()> {
        if self.next_base.checked_add(length).is_none() {
            self.table.fill(0);
            self.next_base = 1;
        }
        self.base = self.next_base;
        self.next_base = self.base.checked_add(length)?;
        Some(())
    }

    /// Notes that `three` bytes were seen at `at`; gives where they may have been before.
    fn replace(&mut self, three: [u8; MIN_MATCH], at: usize, slots: usize) -> Option<usize> {
        let [a, b, c] = three.map(u32::from);
        let word = a << 16 | b << 8 | c;
        let hash = (word >> 8).wrapping_sub(word.wrapping_mul(5));
        let slot = &mut self.table[hash as usize & (slots - 1)];
        let seen = std::mem::replace(slot, self.base + at as u32);
        seen.checked_sub(self.base).map(|position| position as usize)
    }
}

fn three_at(input: &[u8], at: usize) -> Option<[u8; MIN_MATCH]> {
    input.get(at..)?.first_chunk().copied()
}

/// How many bytes from `at` on repeat those from `earlier` on; 0 when they are too few, or too far back, or
/// at the very beginning, which liblzf takes for an empty slot.
fn match_length(input: &[u8], earlier: usize, at: usize) -> usize {
    if earlier == 0 || at - earlier > MAX_DISTANCE || input[at] != input[earlier] {
        return 0;
    }
    let room = MAX_MATCH.min(input.len() - at - TAIL);
    let least = if room > UNROLLED { MIN_MATCH + UNROLLED } else { MIN_MATCH };
    let longest = room.max(least);
    let (now, before) = (&input[at..at + longest], &input[earlier..earlier + longest]);
    match now.iter().zip(before).take_while(|(a, b)| a == b).count() {
        0..MIN_MATCH => 0,
        length => length,
    }
}

fn push_literals(literals: &[u8], output: &mut Vec<u8>) {
    for run in literals.chunks(MAX_LITERALS) {
        output.push((run.len() - 1) as u8);
        output.extend_from_slice(run);
    }
}

fn push_match(distance: usize, length: usize, output: &mut Vec<u8>) {
    let (back, length) = (distance - 1, length - 2);
    let high = (back >> 8) as u8;
    if length < 7 {
        output.push((length as u8) << 5 | high);
    } else {
        output.push(7 << 5 | high);
        output.push((length - 7) as u8);
    }
    output.push(back as u8);
}

/// Replaces the content of `output` by the decompressed form of `input`, which must be exactly
/// `length` bytes long.
///
/// A `length` that `input` cannot possibly yield is refused before anything is allocated.
///
/// # Errors
/// [`Corrupt`] when a run is cut off, a match reaches back before the start, or the output would
/// not be exactly `length` bytes; `output` then holds what was decompressed so far.
pub fn decompress(input: &[u8], length: usize, output: &mut Vec<u8>) -> Result<(), Corrupt> {
    output.clear();
    if length > input.len().saturating_mul(MAX_EXPANSION) {
        return Err(Corrupt);
    }
    output.reserve(length.min(input.len() * 2));
    let mut rest = input;
    while let Some((&control, after)) = rest.split_first() {
        rest = if control < MAX_LITERALS as u8 {
            let (literals, after) = after.split_at_checked(usize::from(control) + 1).ok_or(Corrupt)?;
            output.extend_from_slice(literals);
            after
        } else {
            copy_match(control, after, output)?
        };
        if output.len() > length {
            return Err(Corrupt);
        }
    }
    if output.len() == length { Ok(()) } else { Err(Corrupt) }
}

/// Carries out one match; gives the input after it.
fn copy_match<'a>(control: u8, rest: &'a [u8], output: &mut Vec<u8>) -> Result<&'a [u8], Corrupt> {
    let mut length = usize::from(control >> 5) + 2;
    let mut rest = rest;
    if length == 7 + 2 {
        let (&more, after) = rest.split_first().ok_or(Corrupt)?;
        length += usize::from(more);
        rest = after;
    }
    let (&low, rest) = rest.split_first().ok_or(Corrupt)?;
    let distance = (usize::from(control & 31) << 8 | usize::from(low)) + 1;
    let mut from = output.len().checked_sub(distance).ok_or(Corrupt)?;
    // A match may overlap what it produces: "a" at distance 1 repeats it. What exists is copied
    // in pieces that double in size.
    while length > 0 {
        let piece = length.min(output.len() - from);
        output.extend_from_within(from..from + piece);
        from += piece;
        length -= piece;
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(compressor: &mut Compressor, input: &[u8]) -> usize {
        let mut packed = b"before".to_vec();
        let length = compressor.compress(input, &mut packed, usize::MAX).expect("no limit");
        assert_eq!(length, packed.len() - 6);
        let mut output = Vec::new();
        decompress(&packed[6..], input.len(), &mut output).expect("our own output");
        assert_eq!(output, input);
        length
    }

    #[test]
    fn repeats_shrink() {
        let mut compressor = Compressor::default();
        assert!(round_trip(&mut compressor, &[b'a'; 10_000]) < 150);
        assert!(round_trip(&mut compressor, &b"the quick brown fox ".repeat(100)) < 80);
    }

    #[test]
    fn gives_up_at_the_limit_and_leaves_no_trace() {
        let mut compressor = Compressor::default();
        let noise: Vec<u8> = (0..200u8).collect();
        let mut output = b"x".to_vec();
        assert_eq!(compressor.compress(&noise, &mut output, noise.len() - 4), None);
        assert_eq!(output, b"x");
        // Nor does it leave positions behind that a shorter input could stumble upon.
        round_trip(&mut compressor, &noise[150..]);
    }

    #[test]
    fn positions_of_earlier_inputs_are_never_matched() {
        let mut compressor = Compressor { next_base: u32::MAX - 1_000, ..Compressor::default() };
        for round in 0..100 {
            round_trip(&mut compressor, &[b'a' + (round % 26); 300]);
        }
        assert!(compressor.base < 100_000, "the table was started anew");
    }

    #[test]
    fn refuses_bad_input() {
        let mut output = Vec::new();
        for (input, length, why) in [
            (&[5, b'a'][..], 6, "literals cut off"),
            (&[0, b'a', 0x20], 4, "match without distance"),
            (&[0, b'a', 0xe0, 1], 12, "long match without distance"),
            (&[0, b'a', 0x20, 1], 4, "reaches back before the start"),
            (&[0, b'a'], 2, "shorter than promised"),
            (&[1, b'a', b'b'], 1, "longer than promised"),
            (&[0, b'a'], usize::MAX, "impossible length"),
        ] {
            assert_eq!(decompress(input, length, &mut output), Err(Corrupt), "{why}");
        }
        assert!(output.capacity() < 1_000);
    }

    proptest! {
        #[test]
        fn round_trips(
            inputs in prop::collection::vec(
                prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..5_000), 1..5),
        ) {
            let mut compressor = Compressor::default();
            for input in &inputs {
                round_trip(&mut compressor, input);
            }
        }

        #[test]
        fn hostile_input_never_panics(input in prop::collection::vec(any::<u8>(), 0..500), length in 0..10_000usize) {
            let mut output = Vec::new();
            if decompress(&input, length, &mut output).is_ok() {
                prop_assert_eq!(output.len(), length);
            }
        }
    }
}
