//! Registers as runs of equal ones. A run is one of
//! - `00nnnnnn`: `n + 1` registers that are zero;
//! - `01nnnnnn nnnnnnnn`: `n + 1` registers that are zero, up to all of them;
//! - `1vvvvvnn`: `n + 1` registers of value `v + 1`, so that 32 is the greatest.
//!
//! When a register changes, its run is cut in up to three and equal neighbours among the next five runs are
//! joined, just as far as Redis joins them, because the bytes can be seen.

use super::hash::Place;
use super::stored::{Damaged, Histogram, REGISTERS};

/// The greatest value that a run can have.
const GREATEST_VALUE: u8 = 32;
/// The longest run of a value other than zero.
const LONGEST_VALUE_RUN: usize = 4;
/// The longest run of zeros in one byte.
const LONGEST_SHORT_ZEROS: usize = 64;
/// Runs that are looked at for neighbours to join.
const RUNS_JOINED: usize = 5;

/// A run of equal registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) value: u8,
    pub(super) length: usize,
    /// Bytes it takes.
    size: usize,
}

/// The run at the front of `bytes`.
fn run_at(bytes: &[u8]) -> Result<Run, Damaged> {
    let first = *bytes.first().ok_or(Damaged)?;
    Ok(match first >> 6 {
        0 => Run { value: 0, length: usize::from(first) + 1, size: 1 },
        1 => {
            let second = *bytes.get(1).ok_or(Damaged)?;
            Run { value: 0, length: (usize::from(first & 0x3f) << 8 | usize::from(second)) + 1, size: 2 }
        }
        _ => Run { value: (first >> 2 & 0x1f) + 1, length: usize::from(first & 3) + 1, size: 1 },
    })
}

/// Writes the run that a register's change leaves; nothing for one of no length.
fn push_run(out: &mut Vec<u8>, value: u8, length: usize) {
    match (length, value) {
        (0, _) => {}
        (_, 1..) => out.push(0x80 | (value - 1) << 2 | (length - 1) as u8),
        (..=LONGEST_SHORT_ZEROS, 0) => out.push((length - 1) as u8),
        _ => out.extend_from_slice(&(0x4000 | (length - 1) as u16).to_be_bytes()),
    }
}

/// All registers zero.
pub(super) fn push_empty(out: &mut Vec<u8>) {
    push_run(out, 0, REGISTERS);
}

/// Whether a run is of the two-byte form.
fn is_long(byte: u8) -> bool {
    byte >> 6 == 1
}

/// Visits all runs with the register they begin at; together they must cover all registers and no more.
pub(super) fn for_each(bytes: &[u8], mut visit: impl FnMut(usize, Run)) -> Result<(), Damaged> {
    let (mut at, mut register) = (0, 0);
    while at < bytes.len() {
        let run = run_at(&bytes[at..])?;
        if run.length > REGISTERS - register {
            return Err(Damaged);
        }
        visit(register, run);
        register += run.length;
        at += run.size;
    }
    if register == REGISTERS { Ok(()) } else { Err(Damaged) }
}

/// How many registers have each value.
pub(super) fn histogram(bytes: &[u8]) -> Result<Histogram, Damaged> {
    let mut histogram = [0; 64];
    for_each(bytes, |_, run| histogram[usize::from(run.value)] += run.length as u32)?;
    Ok(histogram)
}

/// What came of raising a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It was as high already.
    No,
    Yes,
    /// The runs cannot hold it, or would take too much memory.
    NeedsDense,
}

/// Raises a register that is lower. `bytes` are a header of `header` bytes and the runs; together they may
/// grow to `max_bytes`.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    header: usize,
    place: Place,
    max_bytes: u64,
) -> Result<Raised, Damaged> {
    if place.value > GREATEST_VALUE {
        return Ok(Raised::NeedsDense);
    }
    let (mut at, mut first, mut before) = (header, 0, None);
    let run = loop {
        let run = run_at(&bytes[at..])?;
        if place.register < first + run.length {
            break run;
        }
        before = Some(at);
        at += run.size;
        first += run.length;
    };
    if run.value >= place.value {
        return Ok(Raised::No);
    }
    if first + run.length > REGISTERS {
        return Err(Damaged);
    }
    let mut cut = Vec::with_capacity(5);
    push_run(&mut cut, run.value, place.register - first);
    push_run(&mut cut, place.value, 1);
    push_run(&mut cut, run.value, first + run.length - place.register - 1);
    if cut.len() > run.size && (bytes.len() + cut.len() - run.size) as u64 > max_bytes {
        return Ok(Raised::NeedsDense);
    }
    bytes.splice(at..at + run.size, cut);
    join(bytes, before.unwrap_or(header));
    Ok(Raised::Yes)
}

/// Joins neighbours of one value from the run at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..RUNS_JOINED {
        let Some(&byte) = bytes.get(at) else { return };
        if is_long(byte) {
            at += 2;
            continue;
        }
        if byte & 0x80 != 0 && bytes.get(at + 1).is_some_and(|next| next & 0x80 != 0) {
            let (length, next) = (usize::from(byte & 3) + 1, usize::from(bytes[at + 1] & 3) + 1);
            // The values are the same and one run can hold both.
            if byte >> 2 == bytes[at + 1] >> 2 && length + next <= LONGEST_VALUE_RUN {
                bytes[at + 1] = byte & !3 | (length + next - 1) as u8;
                bytes.remove(at);
                continue;
            }
        }
        at += 1;
    }
}

/// The runs in text, as PFDEBUG DECODE shows them.
pub(super) fn describe(mut bytes: &[u8]) -> Result<String, Damaged> {
    let mut words = Vec::new();
    while let Some(first) = bytes.first() {
        let run = run_at(bytes)?;
        words.push(match run.value {
            0 if is_long(*first) => format!("Z:{}", run.length),
            0 => format!("z:{}", run.length),
            value => format!("v:{value},{}", run.length),
        });
        bytes = &bytes[run.size..];
    }
    Ok(words.join(" "))
}
