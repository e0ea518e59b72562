//! What is pending: XACK and XPENDING.

use keyspace::values::{Group, Stream, StreamId};
use resp::{Args, Writer};

use super::{ids, reply};
use crate::arguments::{integer, is_word};
use crate::{CommandError, Ctx};

pub(super) fn xack(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, group) = (ctx.first_key(args), args.at(2));
    let is_there = ctx.read_as(key, |stream: Option<&Stream>, _| {
        Ok(stream.is_some_and(|stream| stream.group(group).is_some()))
    })?;
    if !is_there {
        ctx.out.int(0);
        return Ok(());
    }
    let ids = args.from(3).iter().map(|id| ids::strict(id, 0)).collect::<Result<Vec<_>, _>>()?;
    let acknowledged = ctx.update(key, |stream: &mut Stream| {
        stream.change_group(group, |group, _| ids.iter().filter(|id| group.acknowledge(**id)).count())
    })?;
    let acknowledged = acknowledged.and_then(|updated| updated.result).unwrap_or(0);
    // Watchers need not know: no entry has changed.
    ctx.effects.dirty += acknowledged as u64;
    ctx.out.int(acknowledged as i64);
    Ok(())
}

/// Which pending entries XPENDING lists.
struct Filter<'a> {
    min_idle_ms: i64,
    first: StreamId,
    last: StreamId,
    count: u64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Filter<'a>, CommandError> {
        let (mut min_idle_ms, mut at) = (0, 3);
        if is_word(args.at(3), "IDLE") {
            min_idle_ms = integer(args.at(4))?;
            at = 5;
            if args.len() < 8 {
                return Err(CommandError::Syntax);
            }
        }
        let count = integer(args.at(at + 2))?.max(0) as u64;
        let (first, last) = (ids::range_start(args.at(at))?, ids::range_end(args.at(at + 1))?);
        Ok(Filter { min_idle_ms, first, last, count, consumer: args.get(at + 3) })
    }
}

pub(super) fn xpending(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let filter = match args.len() {
        3 => None,
        6..=9 => Some(Filter::parse(args)?),
        _ => return Err(CommandError::Syntax),
    };
    let (key, name, now_ms) = (ctx.first_key(args), args.at(2), ctx.now.wall.0);
    ctx.read_as(key, |stream: Option<&Stream>, out| {
        let group = stream.and_then(|stream| stream.group(name));
        let group = group.ok_or_else(|| reply::no_group(key.bytes, name))?;
        match filter {
            None => summary(group, out),
            Some(filter) => list(group, &filter, now_ms, out),
        }
        Ok(())
    })
}

fn summary(group: &Group, out: &mut Writer<'_>) {
    out.array(4);
    out.int(group.pending_len() as i64);
    let mut pending = group.pending_from(StreamId::MIN);
    let Some((first, _)) = pending.next() else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    reply::id(out, first);
    reply::id(out, pending.next_back().map_or(first, |(last, _)| last));
    let busy = || group.consumers().filter(|consumer| consumer.pending_len() > 0);
    out.array(busy().count());
    for consumer in busy() {
        out.array(2);
        out.bulk(consumer.name());
        out.bulk_int(consumer.pending_len() as i64);
    }
}

fn list(group: &Group, filter: &Filter<'_>, now_ms: i64, out: &mut Writer<'_>) {
    let consumer = filter.consumer.map(|name| group.find_consumer(name).map(|key| group.consumer(key)));
    let ids: Box<dyn Iterator<Item = StreamId> + '_> = match consumer {
        Some(None) => return out.array(0),
        Some(Some(consumer)) => Box::new(consumer.pending_from(filter.first)),
        None => Box::new(group.pending_from(filter.first).map(|(id, _)| id)),
    };
    let begun = out.deferred();
    let mut listed = 0;
    for id in ids.take_while(|id| *id <= filter.last) {
        if listed as u64 == filter.count {
            break;
        }
        let Some(pending) = group.pending(id) else { continue };
        let idle_ms = now_ms.wrapping_sub(pending.delivered_at.0);
        if filter.min_idle_ms != 0 && idle_ms < filter.min_idle_ms {
            continue;
        }
        out.array(4);
        reply::id(out, id);
        out.bulk(group.consumer(pending.consumer).name());
        out.int(idle_ms.max(0));
        out.int(pending.deliveries as i64);
        listed += 1;
    }
    out.finish_array(begun, listed);
}
