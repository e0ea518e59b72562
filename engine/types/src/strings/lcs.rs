//! LCS: the longest common subsequence of two strings, by the classic table of all pairs of prefixes.

use std::borrow::Cow;

use keyspace::Value;
use resp::Args;

use crate::arguments::{integer, is_word, string};
use crate::{CommandError, Ctx, Key};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    length: bool,
    ranges: bool,
    with_lengths: bool,
    min_length: i64,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut at = 3;
        while at < args.len() {
            let word = args.at(at);
            if is_word(word, "IDX") {
                options.ranges = true;
            } else if is_word(word, "LEN") {
                options.length = true;
            } else if is_word(word, "WITHMATCHLEN") {
                options.with_lengths = true;
            } else if is_word(word, "MINMATCHLEN") && at + 1 < args.len() {
                options.min_length = integer(args.at(at + 1))?.max(0);
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        match options.ranges && options.length {
            true => {
                Err(CommandError::new("ERR If you want both the length and indexes, please just use IDX."))
            }
            false => Ok(options),
        }
    }
}

/// Lengths of the longest common subsequence of every prefix of `a` and every prefix of `b`.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    lengths: Vec<u32>,
}

/// A stretch that both strings share: where it begins in each, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    a: usize,
    b: usize,
    length: usize,
}

impl<'a> Table<'a> {
    fn new(a: &'a [u8], b: &'a [u8]) -> Self {
        let width = b.len() + 1;
        let mut lengths = vec![0u32; (a.len() + 1) * width];
        for (row, &byte) in a.iter().enumerate() {
            let (above, below) = lengths.split_at_mut((row + 1) * width);
            let above = &above[row * width..];
            for (column, &other) in b.iter().enumerate() {
                below[column + 1] = match byte == other {
                    true => above[column] + 1,
                    false => above[column + 1].max(below[column]),
                };
            }
        }
        Table { a, b, lengths }
    }

    fn length(&self, a: usize, b: usize) -> u32 {
        self.lengths[a * (self.b.len() + 1) + b]
    }

    /// The shared stretches, from the last to the first.
    fn matches(&self) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        let (mut a, mut b) = (self.a.len(), self.b.len());
        while a > 0 && b > 0 {
            if self.a[a - 1] != self.b[b - 1] {
                if self.length(a - 1, b) > self.length(a, b - 1) {
                    a -= 1
                } else {
                    b -= 1
                }
                continue;
            }
            match matches.last_mut() {
                Some(last) if (last.a, last.b) == (a, b) => {
                    *last = Match { a: a - 1, b: b - 1, length: last.length + 1 };
                }
                _ => matches.push(Match { a: a - 1, b: b - 1, length: 1 }),
            }
            a -= 1;
            b -= 1;
        }
        matches
    }
}

/// A copy of the string at a key; empty when there is none.
fn copy_of(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<Vec<u8>, CommandError> {
    let value = ctx.read(key).map(string).transpose();
    let value = value.map_err(|_| CommandError::new("ERR The specified keys must contain string values"))?;
    Ok(value.map(Value::to_cow).map_or(Vec::new(), Cow::into_owned))
}

pub(super) fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    // Both are looked up before either is judged.
    let (a, b) = (copy_of(ctx, ctx.first_key(args)), copy_of(ctx, ctx.key(args.at(2))));
    let (a, b) = (a?, b?);
    let options = Options::parse(args)?;
    let table_bytes = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1).saturating_mul(4);
    if table_bytes > ctx.max_string_bytes {
        return Err(CommandError::new(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let table = Table::new(&a, &b);
    let length = i64::from(table.length(a.len(), b.len()));
    if options.ranges {
        reply_ranges(ctx, &table.matches(), length, options);
    } else if options.length {
        ctx.out.int(length);
    } else {
        let stretches = table.matches();
        let common: Vec<&[u8]> = stretches.iter().rev().map(|one| &a[one.a..one.a + one.length]).collect();
        ctx.out.bulk(&common.concat());
    }
    Ok(())
}

fn reply_ranges(ctx: &mut Ctx<'_>, matches: &[Match], length: i64, options: Options) {
    let shown = || matches.iter().filter(|one| one.length as i64 >= options.min_length);
    let out = &mut ctx.out;
    out.map(2);
    out.bulk(b"matches");
    out.array(shown().count());
    for one in shown() {
        out.array(if options.with_lengths { 3 } else { 2 });
        for start in [one.a, one.b] {
            out.array(2);
            out.int(start as i64);
            out.int((start + one.length - 1) as i64);
        }
        if options.with_lengths {
            out.int(one.length as i64);
        }
    }
    out.bulk(b"len");
    out.int(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_come_last_first() {
        let table = Table::new(b"ohmytext", b"mynewtext");
        assert_eq!(table.length(8, 9), 6);
        assert_eq!(table.matches(), [Match { a: 4, b: 5, length: 4 }, Match { a: 2, b: 0, length: 2 }]);
        assert_eq!(Table::new(b"", b"abc").matches(), []);
        assert_eq!(Table::new(b"abc", b"xyz").matches(), []);
    }
}
