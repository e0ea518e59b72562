//! Reading entries by id: XLEN, XRANGE, XREVRANGE.

use keyspace::values::Stream;
use resp::Args;

use super::{ids, reply};
use crate::arguments::{integer, is_word};
use crate::{CommandError, Ctx};

pub(super) fn xlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |stream: Option<&Stream>, out| {
        out.int(stream.map_or(0, Stream::len) as i64);
        Ok(())
    })
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

pub(super) fn xrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    range(ctx, args, Order::Ascending)
}

pub(super) fn xrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    range(ctx, args, Order::Descending)
}

fn range(ctx: &mut Ctx<'_>, args: Args<'_>, order: Order) -> Result<(), CommandError> {
    let (start_at, end_at) = if order == Order::Ascending { (2, 3) } else { (3, 2) };
    let (start, end) = (ids::range_start(args.at(start_at))?, ids::range_end(args.at(end_at))?);
    let mut count = None;
    let mut at = 4;
    while at < args.len() {
        if !is_word(args.at(at), "COUNT") || at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        count = Some(integer(args.at(at + 1))?.max(0) as u64);
        at += 2;
    }
    ctx.read_as(ctx.first_key(args), |stream: Option<&Stream>, out| {
        match (stream, count, order) {
            (None, _, _) => out.array(0),
            (Some(_), Some(0), _) => out.null_array(),
            (Some(stream), _, Order::Ascending) => {
                reply::entries(out, stream.range(start, end), count.unwrap_or(0));
            }
            (Some(stream), _, Order::Descending) => {
                reply::entries(out, stream.range_back(start, end), count.unwrap_or(0));
            }
        }
        Ok(())
    })
}
