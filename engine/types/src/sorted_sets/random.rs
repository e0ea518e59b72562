//! ZRANDMEMBER: members at random, with or without repetitions, with or without scores.

use keyspace::values::SortedSet;
use keyspace::{Value, place_of};
use resp::{Args, Protocol, Writer};

use super::{Told, write_member};
use crate::arguments::is_word;
use crate::replies::write_or_null;
use crate::sampling::{count, draw_different, draw_repeating};
use crate::{CommandError, Ctx, Random};

/// A member by a random number.
fn pick(set: &SortedSet, draw: u64) -> Option<(Value<'_>, f64)> {
    let rank = place_of(draw, set.len());
    set.iter(rank..set.len().min(rank + 1)).next()
}

pub(super) fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut random = Random::new(ctx.random.next_u64());
    let Some(argument) = args.get(2) else {
        return ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
            let found = set.and_then(|set| pick(set, random.next_u64()));
            write_or_null(out, found.map(|(member, _)| member));
            Ok(())
        });
    };
    let count = count(argument)?;
    let told = match args.get(3) {
        None => Told::Member,
        Some(word) if args.len() == 4 && is_word(word, "WITHSCORES") => Told::MemberAndScore,
        Some(_) => return Err(CommandError::Syntax),
    };
    if told == Told::MemberAndScore && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::OutOfRange);
    }
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| match set {
        Some(set) if count < 0 => repeating(set, count.unsigned_abs(), told, &mut random, out),
        Some(set) => {
            different(set, usize::try_from(count).unwrap_or(usize::MAX), told, &mut random, out);
            Ok(())
        }
        None => {
            out.array(0);
            Ok(())
        }
    })
}

fn begin(out: &mut Writer<'_>, count: usize, told: Told) {
    let flat = told == Told::MemberAndScore && out.protocol() == Protocol::Resp2;
    out.array(if flat { count.saturating_mul(2) } else { count });
}

fn repeating(
    set: &SortedSet,
    count: u64,
    told: Told,
    random: &mut Random,
    out: &mut Writer<'_>,
) -> Result<(), CommandError> {
    begin(out, count as usize, told);
    let len_of = |(member, _): (Value<'_>, f64)| member.len() + 16;
    draw_repeating(
        random,
        count,
        |draw| pick(set, draw),
        len_of,
        |(member, score)| {
            write_member(out, member, score, told);
        },
    )
}

fn different(set: &SortedSet, count: usize, told: Told, random: &mut Random, out: &mut Writer<'_>) {
    let total = set.len();
    let wanted = count.min(total);
    begin(out, wanted, told);
    let all = set.iter(0..total);
    if wanted == total {
        return all.for_each(|(member, score)| write_member(out, member, score, told));
    }
    draw_different(
        random,
        (wanted, total),
        all,
        |draw| pick(set, draw),
        |(member, _)| member.to_cow(),
        |(member, score)| write_member(out, member, score, told),
    );
}
