//! Finding keys: KEYS, SCAN, RANDOMKEY, DBSIZE.

use keyspace::{Cursor, Entry};
use resp::Args;
use resp::encode::bulk;

use crate::arguments::{integer, is_word};
use crate::ctx::is_due;
use crate::glob::{Case, matches};
use crate::{CommandError, Ctx, ExpiryRule};

/// How often RANDOMKEY tries on, on a replica where every key has a deadline that may have passed.
const RANDOM_TRIES: usize = 100;

/// Keys written as bulk strings while their number is not known yet.
#[derive(Default)]
struct Found {
    written: Vec<u8>,
    count: usize,
}

impl Found {
    fn add(&mut self, key: &[u8]) {
        bulk(&mut self.written, key);
        self.count += 1;
    }

    fn reply(&self, ctx: &mut Ctx<'_>) {
        ctx.out.array(self.count);
        ctx.out.raw(&self.written);
    }
}

/// A pattern; none where every key matches.
fn pattern(argument: &[u8]) -> Option<&[u8]> {
    (argument != b"*").then_some(argument)
}

fn matches_key(pattern: Option<&[u8]>, key: &[u8]) -> bool {
    pattern.is_none_or(|pattern| matches(pattern, key, Case::Sensitive))
}

pub(super) fn keys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let pattern = pattern(args.at(1));
    let (now, rule) = (ctx.now, ctx.expiry);
    let mut found = Found::default();
    for entry in ctx.db().iter() {
        if matches_key(pattern, entry.key()) && !is_due(entry, now, rule) {
            found.add(entry.key());
        }
    }
    found.reply(ctx);
    Ok(())
}

struct ScanOptions<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = ScanOptions { count: 10, pattern: None, kind: None };
        for at in (2..args.len()).step_by(2) {
            let word = args.at(at);
            if at + 1 == args.len() {
                return Err(CommandError::Syntax);
            }
            let value = args.at(at + 1);
            if is_word(word, "COUNT") {
                let count = integer(value)?;
                options.count = usize::try_from(count).ok().filter(|n| *n > 0).ok_or(CommandError::Syntax)?;
            } else if is_word(word, "MATCH") {
                options.pattern = pattern(value);
            } else if is_word(word, "TYPE") {
                options.kind = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    fn select(&self, entry: Entry<'_>) -> bool {
        self.kind.is_none_or(|kind| is_word(kind, entry.kind().name()))
            && matches_key(self.pattern, entry.key())
    }
}

/// A cursor as `strtoul` reads it: a sign is allowed, and nothing at all means 0.
fn parse_cursor(argument: &[u8]) -> Result<Cursor, CommandError> {
    let (negative, digits) = match argument {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        digits => (false, digits),
    };
    let value = digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    let sign_alone = digits.is_empty() && !argument.is_empty();
    match value.filter(|_| !sign_alone) {
        Some(value) => Ok(Cursor(if negative { value.wrapping_neg() } else { value })),
        None => Err(CommandError::new("ERR invalid cursor")),
    }
}

pub(super) fn scan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.at(1))?;
    let options = ScanOptions::parse(args)?;
    let (now, rule) = (ctx.now, ctx.expiry);
    let (mut found, mut expired) = (Found::default(), Vec::new());
    let next = ctx.db().scan(cursor, options.count, &mut |entry| {
        if is_due(entry, now, rule) {
            expired.push(entry.key().to_vec());
        } else if options.select(entry) {
            found.add(entry.key());
        }
    });
    if rule == ExpiryRule::Delete {
        for key in &expired {
            ctx.delete_expired(ctx.key(key));
        }
    }
    ctx.out.array(2);
    ctx.out.bulk(next.0.to_string().as_bytes());
    found.reply(ctx);
    Ok(())
}

pub(super) fn randomkey(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    let mut tries = 0;
    loop {
        let draw = ctx.random.next_u64();
        let Some(entry) = ctx.dbs[ctx.db_index as usize].random(draw) else {
            ctx.out.null();
            return Ok(());
        };
        tries += 1;
        let give_up = ctx.expiry == ExpiryRule::Hide && tries >= RANDOM_TRIES;
        if give_up || !is_due(entry, ctx.now, ctx.expiry) {
            ctx.out.bulk(entry.key());
            return Ok(());
        }
        if ctx.expiry == ExpiryRule::Delete {
            let key = entry.key().to_vec();
            ctx.delete_expired(ctx.key(&key));
        }
    }
}

pub(super) fn dbsize(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    let size = ctx.db().len();
    ctx.out.int(size as i64);
    Ok(())
}
