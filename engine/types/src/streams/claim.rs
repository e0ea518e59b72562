//! XCLAIM and XAUTOCLAIM: pending entries change hands.

use keyspace::WallMs;
use keyspace::values::{ConsumerKey, Group, Pending, Stream, StreamId};
use resp::{Args, Writer};

use super::read::consumer_of;
use super::replication::{Place, Told};
use super::{change_beside_reply, ids, note_consumer, reply};
use crate::arguments::{integer, is_word};
use crate::{CommandError, Ctx, Key};

/// XAUTOCLAIM looks at so many pending entries for each that it may give.
const LOOKS_PER_ENTRY: u64 = 10;
const DEFAULT_COUNT: u64 = 100;
/// The highest count accepted: bytes of that many ids still have a number.
const COUNT_MAX: i64 = i64::MAX / 16;
/// From this count on the ids of deleted entries would not fit into any memory.
const COUNT_TOO_LARGE: u64 = 1 << 43;

/// What is told of a claimed entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    Entry,
    Id,
}

/// How entries are claimed.
struct Claim {
    min_idle_ms: i64,
    delivered_at: WallMs,
    /// XCLAIM's RETRYCOUNT.
    deliveries: Option<u64>,
    /// XCLAIM's FORCE: also entries that are not pending.
    force: bool,
    tell: Tell,
}

/// What came of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is not pending, or not idle for long enough.
    Left,
    /// It is gone from the stream, and now from what is pending.
    Cleared,
    Claimed,
}

impl Claim {
    /// Claims one entry for a consumer and replies with it.
    fn one(
        &self,
        (group, stream): (&mut Group, &Stream),
        (id, id_text): (StreamId, &[u8]),
        (consumer, now): (ConsumerKey, WallMs),
        (place, told): (Place<'_>, &mut Told),
        out: &mut Writer<'_>,
    ) -> Outcome {
        let old = group.pending(id).copied();
        let Some(entry) = stream.get(id) else {
            let Some(old) = old else { return Outcome::Left };
            told.claim(place, id_text, &old, group);
            group.acknowledge(id);
            return Outcome::Cleared;
        };
        let deliveries = match old {
            Some(old) => {
                let idle_ms = now.0.wrapping_sub(old.delivered_at.0);
                if self.min_idle_ms > 0 && idle_ms < self.min_idle_ms {
                    return Outcome::Left;
                }
                old.deliveries
            }
            None if self.force => 1,
            None => return Outcome::Left,
        };
        let deliveries = match (self.deliveries, self.tell) {
            (Some(given), _) => given,
            (None, Tell::Id) => deliveries,
            (None, Tell::Entry) => deliveries.wrapping_add(1),
        };
        let pending = Pending { consumer, delivered_at: self.delivered_at, deliveries };
        group.deliver(id, pending);
        group.consumer_mut(consumer).active_at = Some(now);
        match self.tell {
            Tell::Id => reply::id(out, id),
            Tell::Entry => reply::entry(out, &entry),
        }
        told.claim(place, id_text, &pending, group);
        Outcome::Claimed
    }
}

/// Whether the key holds a stream with the group; an error otherwise.
fn check_group(ctx: &mut Ctx<'_>, key: Key<'_>, group: &[u8]) -> Result<(), CommandError> {
    ctx.read_as(key, |stream: Option<&Stream>, _| match stream.and_then(|stream| stream.group(group)) {
        Some(_) => Ok(()),
        None => Err(reply::no_group(key.bytes, group)),
    })
}

/// XCLAIM's arguments behind the ids.
struct Options {
    claim: Claim,
    last_id: StreamId,
}

impl Options {
    fn parse(args: Args<'_>, min_idle_ms: i64, now: WallMs) -> Result<Options, CommandError> {
        let claim =
            Claim { min_idle_ms, delivered_at: now, deliveries: None, force: false, tell: Tell::Entry };
        let mut options = Options { claim, last_id: StreamId::MIN };
        // None asked for, and what Redis takes for that.
        let mut delivered_at = -1;
        let mut at = 0;
        while at < args.len() {
            let word = args.at(at);
            let value = args.get(at + 1);
            let number = |value: &[u8], option: &str| {
                integer(value).map_err(|_| {
                    CommandError::new(format!("ERR Invalid {option} option argument for XCLAIM"))
                })
            };
            match value {
                _ if is_word(word, "FORCE") => options.claim.force = true,
                _ if is_word(word, "JUSTID") => options.claim.tell = Tell::Id,
                Some(value) if is_word(word, "IDLE") => {
                    delivered_at = now.0.wrapping_sub(number(value, "IDLE")?);
                    at += 1;
                }
                Some(value) if is_word(word, "TIME") => {
                    delivered_at = number(value, "TIME")?;
                    at += 1;
                }
                Some(value) if is_word(word, "RETRYCOUNT") => {
                    options.claim.deliveries = u64::try_from(number(value, "RETRYCOUNT")?).ok();
                    at += 1;
                }
                Some(value) if is_word(word, "LASTID") => {
                    options.last_id = ids::strict(value, 0)?;
                    at += 1;
                }
                _ => {
                    let word = reply::quoted(word);
                    return Err(CommandError::new(format!("ERR Unrecognized XCLAIM option '{word}'")));
                }
            }
            at += 1;
        }
        // A time that cannot be is taken as now: clients compute it from clocks of their own.
        if (0..=now.0).contains(&delivered_at) {
            options.claim.delivered_at = WallMs(delivered_at);
        }
        Ok(options)
    }
}

pub(super) fn xclaim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, now) = (ctx.first_key(args), ctx.now.wall);
    let place = Place { key: key.bytes, group: args.at(2) };
    check_group(ctx, key, place.group)?;
    let min_idle_ms = integer(args.at(4))
        .map_err(|_| CommandError::new("ERR Invalid min-idle-time argument for XCLAIM"))?
        .max(0);
    // Ids end where options begin.
    let ids: Vec<(StreamId, &[u8])> =
        args.from(5).iter().map_while(|text| Some((ids::strict(text, 0).ok()?, text))).collect();
    let Options { claim, last_id } = Options::parse(args.from(5 + ids.len()), min_idle_ms, now)?;
    let mut told = Told::new(ctx);
    let done = change_beside_reply(ctx, key, |stream, out| {
        stream.change_group(place.group, |group, stream| {
            let mut progress = last_id > group.last_id;
            group.last_id = group.last_id.max(last_id);
            let (consumer, created) = consumer_of(group, args.at(3), now);
            let begun = out.deferred();
            let (mut claimed, mut changes) = (0, 0);
            for id in &ids {
                let at = (consumer, now);
                let outcome = claim.one((group, stream), *id, at, (place, &mut told), out);
                claimed += usize::from(outcome == Outcome::Claimed);
                changes += u64::from(outcome != Outcome::Left);
            }
            out.finish_array(begun, claimed);
            // Every claim tells the last id too.
            progress &= changes == 0;
            if progress {
                told.progress(place, group.last_id, group.entries_read);
            }
            (created, changes + u64::from(progress))
        })
    });
    settle(ctx, key, told, done.flatten());
    Ok(())
}

fn settle(ctx: &mut Ctx<'_>, key: Key<'_>, told: Told, done: Option<(bool, u64)>) {
    let (created, changes) = done.unwrap_or((false, 0));
    if created {
        note_consumer(ctx, key);
    }
    ctx.effects.dirty += changes;
    told.done(ctx);
}

/// XAUTOCLAIM's arguments.
struct Scan {
    claim: Claim,
    start: StreamId,
    count: u64,
}

impl Scan {
    fn parse(args: Args<'_>, now: WallMs) -> Result<Scan, CommandError> {
        let min_idle_ms = integer(args.at(4))
            .map_err(|_| CommandError::new("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?
            .max(0);
        let start = ids::range_start(args.at(5))?;
        let claim =
            Claim { min_idle_ms, delivered_at: now, deliveries: None, force: false, tell: Tell::Entry };
        let mut scan = Scan { claim, start, count: DEFAULT_COUNT };
        let mut at = 6;
        while at < args.len() {
            if is_word(args.at(at), "COUNT") && at + 1 < args.len() {
                let count = integer(args.at(at + 1)).ok().filter(|count| (1..=COUNT_MAX).contains(count));
                scan.count = count.ok_or_else(|| CommandError::new("ERR COUNT must be > 0"))? as u64;
                at += 1;
            } else if is_word(args.at(at), "JUSTID") {
                scan.claim.tell = Tell::Id;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(scan)
    }
}

pub(super) fn xautoclaim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, now) = (ctx.first_key(args), ctx.now.wall);
    let place = Place { key: key.bytes, group: args.at(2) };
    // The key is looked up, and a miss told of, before the arguments are judged.
    let has_group = check_group(ctx, key, place.group);
    let scan = Scan::parse(args, now)?;
    has_group?;
    if scan.count >= COUNT_TOO_LARGE {
        return Err(CommandError::new(
            "ERR Insufficient memory, failed allocating transient memory, COUNT too high.",
        ));
    }
    let mut told = Told::new(ctx);
    let done = change_beside_reply(ctx, key, |stream, out| {
        stream.change_group(place.group, |group, stream| {
            let (consumer, created) = consumer_of(group, args.at(3), now);
            let changes = scan.run((group, stream), (consumer, now), (place, &mut told), out);
            (created, changes)
        })
    });
    settle(ctx, key, told, done.flatten());
    Ok(())
}

impl Scan {
    /// Claims what it meets, from the start on; gives how much has changed.
    fn run(
        &self,
        (group, stream): (&mut Group, &Stream),
        at: (ConsumerKey, WallMs),
        (place, told): (Place<'_>, &mut Told),
        out: &mut Writer<'_>,
    ) -> u64 {
        let mut looks = self.count.saturating_mul(LOOKS_PER_ENTRY);
        let mut next = Some(self.start);
        let mut cleared = Vec::new();
        let mut claimed = 0;
        out.array(3);
        let whole = out.deferred();
        let cursor = loop {
            let found = next.and_then(|next| group.pending_from(next).next().map(|(id, _)| id));
            let Some(id) = found else { break StreamId::MIN };
            if looks == 0 || (claimed + cleared.len()) as u64 == self.count {
                break id;
            }
            looks -= 1;
            let text = reply::id_text(id);
            match self.claim.one((group, stream), (id, &text), at, (place, told), out) {
                Outcome::Claimed => claimed += 1,
                Outcome::Cleared => cleared.push(id),
                Outcome::Left => {}
            }
            next = id.next();
        };
        out.finish_with(whole, |out| {
            reply::id(out, cursor);
            out.array(claimed);
        });
        out.array(cleared.len());
        cleared.iter().for_each(|id| reply::id(out, *id));
        (claimed + cleared.len()) as u64
    }
}
