//! HRANDFIELD: fields at random, with or without repetitions, with or without values.

use keyspace::Value;
use keyspace::values::Hash;
use resp::{Args, Protocol, Writer};

use crate::arguments::is_word;
use crate::replies::{write_or_null, write_value};
use crate::sampling::{count, draw_different, draw_repeating, pick_of};
use crate::{CommandError, Ctx, Random};

/// What is told of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Field,
    FieldAndValue,
}

type Pair<'a> = (Value<'a>, Value<'a>);

pub(super) fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut random = Random::new(ctx.random.next_u64());
    let Some(argument) = args.get(2) else {
        return ctx.read_as(ctx.first_key(args), |hash: Option<&Hash>, out| {
            let field = hash.and_then(|hash| hash.random(random.next_u64()));
            write_or_null(out, field.map(|(field, _)| field));
            Ok(())
        });
    };
    let count = count(argument)?;
    let told = match args.get(3) {
        None => Told::Field,
        Some(word) if args.len() == 4 && is_word(word, "WITHVALUES") => Told::FieldAndValue,
        Some(_) => return Err(CommandError::Syntax),
    };
    if told == Told::FieldAndValue && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::OutOfRange);
    }
    ctx.read_as(ctx.first_key(args), |hash: Option<&Hash>, out| match hash {
        Some(hash) if count < 0 => repeating(hash, count.unsigned_abs(), told, &mut random, out),
        Some(hash) => {
            different(hash, usize::try_from(count).unwrap_or(usize::MAX), told, &mut random, out);
            Ok(())
        }
        None => {
            out.array(0);
            Ok(())
        }
    })
}

fn repeating(
    hash: &Hash,
    count: u64,
    told: Told,
    random: &mut Random,
    out: &mut Writer<'_>,
) -> Result<(), CommandError> {
    begin(out, count as usize, told);
    let len_of = |(field, value): Pair<'_>| match told {
        Told::Field => field.len(),
        Told::FieldAndValue => field.len() + value.len(),
    };
    // A listpack is walked once, not for each field.
    let all: Vec<Pair<'_>> = hash.as_listpack().map(|_| hash.iter().collect()).unwrap_or_default();
    let pick = |draw| if all.is_empty() { hash.random(draw) } else { pick_of(&all, draw) };
    draw_repeating(random, count, pick, len_of, |pair| write(out, pair, told))
}

fn different(hash: &Hash, count: usize, told: Told, random: &mut Random, out: &mut Writer<'_>) {
    let total = hash.len();
    let wanted = count.min(total);
    begin(out, wanted, told);
    if wanted == total {
        return hash.iter().for_each(|pair| write(out, pair, told));
    }
    draw_different(
        random,
        (wanted, total),
        hash.iter(),
        |draw| hash.random(draw),
        |(field, _)| field.to_cow(),
        |pair| write(out, pair, told),
    );
}

/// Begins the reply: RESP2 has fields and values in one row, RESP3 in pairs.
fn begin(out: &mut Writer<'_>, count: usize, told: Told) {
    match (told, out.protocol()) {
        (Told::FieldAndValue, Protocol::Resp2) => out.array(count * 2),
        _ => out.array(count),
    }
}

fn write(out: &mut Writer<'_>, (field, value): Pair<'_>, told: Told) {
    if told == Told::FieldAndValue && out.protocol() == Protocol::Resp3 {
        out.array(2);
    }
    write_value(out, field);
    if told == Told::FieldAndValue {
        write_value(out, value);
    }
}
