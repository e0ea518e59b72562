//! Members on the map: GEOADD, GEOPOS, GEOHASH, GEODIST.

use keyspace::values::SortedSet;
use resp::{Args, Protocol, Writer};

use super::geohash::Position;
use crate::arguments::{float, is_word};
use crate::sorted_sets::{Conditions, add_to_key};
use crate::{CommandError, Ctx};

/// The position that two arguments tell.
pub(super) fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, CommandError> {
    let (longitude, latitude) = (float(longitude)?, float(latitude)?);
    Position::new(longitude, latitude).ok_or_else(|| {
        CommandError::new(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

/// How many meters a unit is.
pub(super) fn unit(argument: &[u8]) -> Result<f64, CommandError> {
    [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)]
        .into_iter()
        .find_map(|(name, meters)| is_word(argument, name).then_some(meters))
        .ok_or(CommandError::new("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// A distance, with four digits behind the point.
pub(super) fn write_distance(out: &mut Writer<'_>, distance: f64) {
    // Rounded as a number of ten-thousandths, which is what Redis does.
    let parts = (distance * 10_000.0).round_ties_even() as u64;
    out.bulk(format!("{}.{:04}", parts / 10_000, parts % 10_000).as_bytes());
}

/// Longitude and latitude, with as many digits as are needed and at most seventeen behind the point.
pub(super) fn write_position(out: &mut Writer<'_>, position: Position) {
    out.array(2);
    for degrees in [position.longitude, position.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match out.protocol() {
            Protocol::Resp2 => out.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                out.raw(b",");
                out.raw(text.as_bytes());
                out.raw(b"\r\n");
            }
        }
    }
}

pub(super) fn geoadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut conditions = Conditions::default();
    let mut from = 2;
    while from < args.len() {
        let flag = match args.at(from) {
            word if is_word(word, "NX") => &mut conditions.new_only,
            word if is_word(word, "XX") => &mut conditions.present_only,
            word if is_word(word, "CH") => &mut conditions.count_changed,
            _ => break,
        };
        *flag = true;
        from += 1;
    }
    let count = args.len() - from;
    if count == 0 || !count.is_multiple_of(3) || (conditions.new_only && conditions.present_only) {
        return Err(CommandError::Syntax);
    }
    let place = |at: usize| Ok((position(args.at(at), args.at(at + 1))?.score(), args.at(at + 2)));
    let places: Vec<(u64, &[u8])> =
        (from..args.len()).step_by(3).map(place).collect::<Result<_, CommandError>>()?;
    let pairs: Vec<(f64, &[u8])> = places.iter().map(|&(score, member)| (score as f64, member)).collect();
    let before = ctx.effects.dirty;
    add_to_key(ctx, args, &pairs, conditions)?;
    if ctx.effects.dirty > before && !ctx.effects.unreplicated {
        // A replica gets the scores: it need not compute them as we do.
        let mut command: Vec<Vec<u8>> = vec![b"zadd".to_vec()];
        command.extend((1..from).map(|at| args.at(at).to_vec()));
        for (score, member) in places {
            command.push(itoa::Buffer::new().format(score).as_bytes().to_vec());
            command.push(member.to_vec());
        }
        ctx.effects.replicate_instead(vec![command]);
    }
    Ok(())
}

/// Replies with something of each member that argument 2 and on name.
fn for_members(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    write: impl Fn(&mut Writer<'_>, Option<Position>),
) -> Result<(), CommandError> {
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        out.array(args.len() - 2);
        for at in 2..args.len() {
            write(out, set.and_then(|set| set.score(args.at(at))).map(Position::of_score));
        }
        Ok(())
    })
}

pub(super) fn geopos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    for_members(ctx, args, |out, position| match position {
        Some(position) => write_position(out, position),
        None => out.null_array(),
    })
}

pub(super) fn geohash(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    for_members(ctx, args, |out, position| match position {
        Some(position) => out.bulk(&position.text()),
        None => out.null(),
    })
}

pub(super) fn geodist(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let meters = match args.len() {
        4 => 1.0,
        5 => unit(args.at(4))?,
        _ => return Err(CommandError::Syntax),
    };
    ctx.read_as::<SortedSet, _>(ctx.first_key(args), |set, out| {
        let place = |at| set.and_then(|set| set.score(args.at(at))).map(Position::of_score);
        match (place(2), place(3)) {
            (Some(from), Some(to)) => write_distance(out, from.distance(to) / meters),
            _ => out.null(),
        }
        Ok(())
    })
}
