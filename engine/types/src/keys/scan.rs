//! Finding keys: KEYS, SCAN, RANDOMKEY, DBSIZE.

use keyspace::Entry;
use resp::Args;

use crate::arguments::is_word;
use crate::ctx::is_due;
use crate::replies::Found;
use crate::scanning::{Options, Over, is_match, parse_cursor, pattern};
use crate::{CommandError, Ctx, ExpiryRule};

/// How often RANDOMKEY tries on, on a replica where every key has a deadline that may have passed.
const RANDOM_TRIES: usize = 100;

pub(super) fn keys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let pattern = pattern(args.at(1));
    let (now, rule) = (ctx.now, ctx.expiry);
    let mut found = Found::default();
    for entry in ctx.db().iter() {
        if is_match(pattern, entry.key()) && !is_due(entry, now, rule) {
            found.add(entry.key());
        }
    }
    found.reply(&mut ctx.out);
    Ok(())
}

fn select(options: &Options<'_>, entry: Entry<'_>) -> bool {
    options.kind.is_none_or(|kind| is_word(kind, entry.kind().name())) && options.select(entry.key())
}

pub(super) fn scan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.at(1))?;
    let options = Options::parse(args, 2, Over::Keys)?;
    let (now, rule) = (ctx.now, ctx.expiry);
    let (mut found, mut expired) = (Found::default(), Vec::new());
    let next = ctx.db().scan(cursor, options.count, &mut |entry| {
        if is_due(entry, now, rule) {
            expired.push(entry.key().to_vec());
        } else if select(&options, entry) {
            found.add(entry.key());
        }
    });
    if rule == ExpiryRule::Delete {
        for key in &expired {
            ctx.delete_expired(ctx.key(key));
        }
    }
    found.reply_with(&mut ctx.out, next);
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
