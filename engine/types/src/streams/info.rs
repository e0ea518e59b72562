//! XINFO: what a stream, its groups and their consumers are like.

use keyspace::WallMs;
use keyspace::values::{Consumer, Group, Stream, StreamId};
use resp::{Args, Writer};

use super::groups::{print, wrong_subcommand};
use super::reply;
use crate::arguments::{integer, is_word};
use crate::{CommandError, Ctx};

/// Entries of each kind that FULL shows unless told.
const DEFAULT_COUNT: usize = 10;

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Tell of the consumers of <groupname>.",
    "GROUPS <key>",
    "    Tell of the groups of the stream.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Tell of the stream itself.",
    "HELP",
    "    Print this text.",
];

pub(super) fn help(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    print(ctx, HELP)
}

fn read<R>(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: impl FnOnce(&Stream, &mut Writer<'_>) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    ctx.read_as(ctx.key(args.at(2)), |stream: Option<&Stream>, out| {
        reply(stream.ok_or(CommandError::NoSuchKey)?, out)
    })
}

fn field(out: &mut Writer<'_>, name: &str) {
    out.bulk(name.as_bytes());
}

fn number_or_null(out: &mut Writer<'_>, number: Option<i64>) {
    match number {
        Some(number) => out.int(number),
        None => out.null(),
    }
}

pub(super) fn consumers(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let now = ctx.now.wall;
    read(ctx, args, |stream, out| {
        let name = args.at(3);
        let group = stream.group(name).ok_or_else(|| reply::no_group_in(args.at(2), name))?;
        let since = |then: WallMs| now.0.wrapping_sub(then.0).max(0);
        out.array(group.consumers().len());
        for consumer in group.consumers() {
            out.map(4);
            field(out, "name");
            out.bulk(consumer.name());
            field(out, "pending");
            out.int(consumer.pending_len() as i64);
            field(out, "idle");
            out.int(since(consumer.seen_at));
            field(out, "inactive");
            out.int(consumer.active_at.map_or(-1, since));
        }
        Ok(())
    })
}

pub(super) fn groups(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    read(ctx, args, |stream, out| {
        out.array(stream.groups().len());
        for (name, group) in stream.groups() {
            out.map(6);
            field(out, "name");
            out.bulk(name);
            field(out, "consumers");
            out.int(group.consumers().len() as i64);
            field(out, "pending");
            out.int(group.pending_len() as i64);
            field(out, "last-delivered-id");
            reply::id(out, group.last_id);
            field(out, "entries-read");
            number_or_null(out, group.entries_read);
            field(out, "lag");
            number_or_null(out, stream.lag(group));
        }
        Ok(())
    })
}

pub(super) fn stream(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let full = match args.len() {
        3 => None,
        4 | 6 if is_word(args.at(3), "FULL") => Some(match args.len() {
            4 => DEFAULT_COUNT,
            _ if !is_word(args.at(4), "COUNT") => return Err(wrong_subcommand(args)),
            _ => usize::try_from(integer(args.at(5))?).unwrap_or(DEFAULT_COUNT),
        }),
        _ => return Err(wrong_subcommand(args)),
    };
    read(ctx, args, |stream, out| {
        match full {
            None => summary(stream, out),
            Some(0) => details(stream, usize::MAX, out),
            Some(count) => details(stream, count, out),
        }
        Ok(())
    })
}

/// What both forms begin with: seven fields.
fn figures(stream: &Stream, out: &mut Writer<'_>) {
    field(out, "length");
    out.int(stream.len() as i64);
    field(out, "radix-tree-keys");
    out.int(stream.nodes().len() as i64);
    field(out, "radix-tree-nodes");
    out.int(stream.radix_nodes() as i64);
    for (name, id) in
        [("last-generated-id", stream.last_id()), ("max-deleted-entry-id", stream.max_deleted_id())]
    {
        field(out, name);
        reply::id(out, id);
    }
    field(out, "entries-added");
    out.int(stream.entries_added() as i64);
    field(out, "recorded-first-entry-id");
    reply::id(out, stream.first_id());
}

fn summary(stream: &Stream, out: &mut Writer<'_>) {
    out.map(10);
    figures(stream, out);
    field(out, "groups");
    out.int(stream.groups().len() as i64);
    let ends = [
        ("first-entry", stream.iter().next()),
        ("last-entry", stream.range_back(StreamId::MIN, StreamId::MAX).next()),
    ];
    for (name, entry) in ends {
        field(out, name);
        match entry {
            Some(entry) => reply::entry(out, &entry),
            None => out.null(),
        }
    }
}

fn details(stream: &Stream, count: usize, out: &mut Writer<'_>) {
    out.map(9);
    figures(stream, out);
    field(out, "entries");
    reply::entries(out, stream.iter().take(count), 0);
    field(out, "groups");
    out.array(stream.groups().len());
    for (name, group) in stream.groups() {
        group_details(stream, name, group, count, out);
    }
}

fn group_details(stream: &Stream, name: &[u8], group: &Group, count: usize, out: &mut Writer<'_>) {
    out.map(7);
    field(out, "name");
    out.bulk(name);
    field(out, "last-delivered-id");
    reply::id(out, group.last_id);
    field(out, "entries-read");
    number_or_null(out, group.entries_read);
    field(out, "lag");
    number_or_null(out, stream.lag(group));
    field(out, "pel-count");
    out.int(group.pending_len() as i64);
    field(out, "pending");
    out.array(group.pending_len().min(count));
    for (id, pending) in group.pending_from(StreamId::MIN).take(count) {
        out.array(4);
        reply::id(out, id);
        out.bulk(group.consumer(pending.consumer).name());
        out.int(pending.delivered_at.0);
        out.int(pending.deliveries as i64);
    }
    field(out, "consumers");
    out.array(group.consumers().len());
    for consumer in group.consumers() {
        consumer_details(group, consumer, count, out);
    }
}

fn consumer_details(group: &Group, consumer: &Consumer, count: usize, out: &mut Writer<'_>) {
    out.map(5);
    field(out, "name");
    out.bulk(consumer.name());
    field(out, "seen-time");
    out.int(consumer.seen_at.0);
    field(out, "active-time");
    out.int(consumer.active_at.map_or(-1, |at| at.0));
    field(out, "pel-count");
    out.int(consumer.pending_len() as i64);
    field(out, "pending");
    out.array(consumer.pending_len().min(count));
    for id in consumer.pending_from(StreamId::MIN).take(count) {
        let (at, deliveries) = group.pending(id).map_or((0, 0), |one| (one.delivered_at.0, one.deliveries));
        out.array(3);
        reply::id(out, id);
        out.int(at);
        out.int(deliveries as i64);
    }
}
