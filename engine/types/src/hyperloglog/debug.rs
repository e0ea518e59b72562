//! What only developers of HyperLogLogs ask: PFDEBUG, PFSELFTEST.

use resp::Args;

use super::hash::{self, Place};
use super::stored::{self, Kept, REGISTERS};
use super::{check_for_write, corrupted, dense, edit, estimate, sparse};
use crate::arguments::{is_word, string};
use crate::{CommandError, Ctx, Key};

pub(super) fn pfdebug(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (word, key) = (args.at(1), ctx.key(args.at(2)));
    if !check_for_write(ctx, key)? {
        return Err(CommandError::new("ERR The specified key does not exist"));
    }
    ctx.db().edit(key.hash, key.bytes, |_| ());
    match word {
        _ if is_word(word, "GETREG") => getreg(ctx, key),
        _ if is_word(word, "DECODE") => decode(ctx, key),
        _ if is_word(word, "ENCODING") => {
            let kept = edit(ctx, key, |bytes| Ok(stored::kept(bytes)))?;
            ctx.out.simple(match kept {
                Kept::Dense => "dense",
                Kept::Sparse => "sparse",
            });
            Ok(())
        }
        _ if is_word(word, "TODENSE") => {
            let converted = to_dense(ctx, key)?;
            ctx.out.int(converted.into());
            Ok(())
        }
        _ => {
            let word = String::from_utf8_lossy(word);
            Err(CommandError::new(format!("ERR Unknown PFDEBUG subcommand '{word}'")))
        }
    }
}

/// Makes a HyperLogLog dense, and has replicas do so; false when it was already.
fn to_dense(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<bool, CommandError> {
    let converted = edit(ctx, key, |bytes| {
        let sparse = stored::kept(bytes) == Kept::Sparse;
        stored::make_dense(bytes)?;
        Ok(sparse)
    })?;
    ctx.effects.dirty += u64::from(converted);
    Ok(converted)
}

fn getreg(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<(), CommandError> {
    to_dense(ctx, key)?;
    let mut values = Vec::with_capacity(REGISTERS);
    edit(ctx, key, |bytes| {
        dense::for_each(stored::registers(bytes), |_, value| values.push(value));
        Ok(())
    })?;
    ctx.out.array(values.len());
    values.into_iter().for_each(|value| ctx.out.int(value.into()));
    Ok(())
}

fn decode(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<(), CommandError> {
    let text = match ctx.db().get(key.hash, key.bytes) {
        Some(entry) => {
            let bytes = string(entry)?.to_cow();
            match stored::kept(&bytes) {
                Kept::Sparse => sparse::describe(stored::registers(&bytes)).map_err(corrupted)?,
                Kept::Dense => return Err(CommandError::new("ERR HLL encoding is not sparse")),
            }
        }
        None => return Err(CommandError::NoSuchKey),
    };
    ctx.out.bulk(text.as_bytes());
    Ok(())
}

/// Rounds of random registers, each as many as there are registers.
const ROUNDS: usize = 100;
/// Elements that are counted.
const ELEMENTS: u64 = 100_000;

pub(super) fn pfselftest(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    let mut state = ctx.now.wall.0 as u64;
    registers_keep_their_values(&mut state)?;
    estimates_are_near(&mut state)?;
    ctx.out.ok();
    Ok(())
}

/// The next of a sequence of numbers (a linear congruential generator's high bits).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn registers_keep_their_values(state: &mut u64) -> Result<(), CommandError> {
    let mut registers = vec![0; dense::BYTES];
    for _ in 0..ROUNDS {
        let expected: Vec<u8> = (0..REGISTERS).map(|_| next(state) as u8 & 63).collect();
        expected.iter().enumerate().for_each(|(at, value)| dense::set(&mut registers, at, *value));
        if let Some(at) = (0..REGISTERS).find(|at| dense::get(&registers, *at) != expected[*at]) {
            let (value, expected) = (dense::get(&registers, at), expected[at]);
            let text = format!("TESTFAILED Register {at} should be {expected} but is {value}");
            return Err(CommandError::new(text));
        }
    }
    Ok(())
}

/// Counts ever more elements, in runs as long as those can and in six bits, and allows for four times the
/// standard error.
fn estimates_are_near(state: &mut u64) -> Result<(), CommandError> {
    let seed = next(state);
    let (mut both, mut plain) = (stored::empty(), stored::empty());
    stored::make_dense(&mut plain).map_err(corrupted)?;
    let relative_error = 1.04 / (REGISTERS as f64).sqrt();
    for count in 1..=ELEMENTS {
        let Place { register, value } = hash::place(&(seed << 32 | count).to_le_bytes());
        for bytes in [&mut both, &mut plain] {
            stored::raise(bytes, Place { register, value }, 3000).map_err(corrupted)?;
        }
        if !count.is_power_of_two() && count != ELEMENTS {
            continue;
        }
        let [one, other] = [&both, &plain].map(|bytes| stored::histogram(bytes).map_err(corrupted));
        let (one, other) = (one?, other?);
        if one != other {
            return Err(CommandError::new("TESTFAILED Sparse and dense registers differ"));
        }
        let estimate = estimate::cardinality(&one);
        let allowed = (count as f64 * relative_error * 4.0).ceil().max(2.0);
        if estimate.abs_diff(count) as f64 > allowed {
            let text = format!("TESTFAILED Too big error: {count} elements are estimated as {estimate}");
            return Err(CommandError::new(text));
        }
    }
    Ok(())
}
