//! XREAD and XREADGROUP: what came behind an id, for oneself or for a consumer of a group; waiting for it.

use keyspace::values::{ConsumerKey, Group, Pending, Stream, StreamId};
use keyspace::{Kind, WallMs};
use resp::{Args, Writer};

use super::replication::{Place, Told};
use super::{change_beside_reply, ids, note_consumer, reply};
use crate::arguments::{integer, is_word};
use crate::{BlockOn, Caller, CommandError, Ctx, Key, TimedOut};

/// Whose entries are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader<'a> {
    /// XREAD
    Anyone,
    /// XREADGROUP, before and with its option GROUP.
    Unnamed,
    Consumer {
        group: &'a [u8],
        name: &'a [u8],
    },
}

/// Behind which id reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Behind(StreamId),
    /// `>`: what the group has given to nobody yet.
    New,
}

/// A command as it came.
struct Request<'a> {
    args: Args<'a>,
    reader: Reader<'a>,
    /// 0 for all.
    count: u64,
    block_ms: Option<u64>,
    no_ack: bool,
    /// The argument that is the first key.
    keys_at: usize,
    /// How many streams.
    streams: usize,
}

pub(super) fn xread(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    read(ctx, Request::parse(ctx, args, Reader::Anyone)?)
}

pub(super) fn xreadgroup(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    read(ctx, Request::parse(ctx, args, Reader::Unnamed)?)
}

fn block_time(ctx: &Ctx<'_>, argument: &[u8]) -> Result<u64, CommandError> {
    let ms =
        integer(argument).map_err(|_| CommandError::new("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::new("ERR timeout is negative"))?;
    match ms as i64 > i64::MAX - ctx.now.wall.0 {
        true => Err(CommandError::new("ERR timeout is out of range")),
        false => Ok(ms),
    }
}

impl<'a> Request<'a> {
    fn parse(ctx: &Ctx<'_>, args: Args<'a>, reader: Reader<'a>) -> Result<Request<'a>, CommandError> {
        let of_group = reader == Reader::Unnamed;
        let mut request =
            Request { args, reader, count: 0, block_ms: None, no_ack: false, keys_at: 0, streams: 0 };
        let mut at = 1;
        while at < args.len() {
            let (word, more) = (args.at(at), args.len() - at - 1);
            if is_word(word, "BLOCK") && more > 0 {
                if ctx.caller == Caller::Script {
                    let name = String::from_utf8_lossy(args.at(0));
                    return Err(CommandError::new(format!(
                        "ERR {name} command is not allowed with BLOCK option from scripts"
                    )));
                }
                request.block_ms = Some(block_time(ctx, args.at(at + 1))?);
                at += 1;
            } else if is_word(word, "COUNT") && more > 0 {
                request.count = integer(args.at(at + 1))?.max(0) as u64;
                at += 1;
            } else if is_word(word, "STREAMS") && more > 0 {
                request.streams(at + 1, of_group)?;
                break;
            } else if is_word(word, "GROUP") && more >= 2 {
                only_for_groups(of_group, "GROUP")?;
                request.reader = Reader::Consumer { group: args.at(at + 1), name: args.at(at + 2) };
                at += 2;
            } else if is_word(word, "NOACK") {
                only_for_groups(of_group, "NOACK")?;
                request.no_ack = true;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        match request.reader {
            _ if request.keys_at == 0 => Err(CommandError::Syntax),
            Reader::Unnamed => Err(CommandError::new("ERR Missing GROUP option for XREADGROUP")),
            _ => Ok(request),
        }
    }

    fn streams(&mut self, at: usize, of_group: bool) -> Result<(), CommandError> {
        let count = self.args.len() - at;
        if !count.is_multiple_of(2) {
            let (command, symbol) = if of_group { ("xreadgroup", '>') } else { ("xread", '$') };
            return Err(CommandError::new(format!(
                "ERR Unbalanced '{command}' list of streams: for each stream key an ID or '{symbol}' must be \
                 specified."
            )));
        }
        (self.keys_at, self.streams) = (at, count / 2);
        Ok(())
    }

    fn key(&self, number: usize) -> &'a [u8] {
        self.args.at(self.keys_at + number)
    }

    /// Looks at a stream and says behind which id of it reading begins.
    fn begin(&self, ctx: &mut Ctx<'_>, number: usize) -> Result<From, CommandError> {
        let (key, argument) = (self.key(number), self.args.at(self.keys_at + self.streams + number));
        let of_group = match self.reader {
            Reader::Consumer { group, .. } => Some(group),
            _ => None,
        };
        ctx.read_as(ctx.key(key), |stream: Option<&Stream>, _| {
            if let Some(group) = of_group
                && stream.and_then(|stream| stream.group(group)).is_none()
            {
                let error = reply::no_group(key, group);
                return Err(CommandError::new(format!("{error} in XREADGROUP with GROUP option")));
            }
            match (argument, of_group) {
                (b"$", Some(_)) => Err(CommandError::new(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history \
                     of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ \
                     ID would just return an empty result set.",
                )),
                (b"$", None) => Ok(From::Behind(stream.map_or(StreamId::MIN, Stream::last_id))),
                (b">", None) => Err(CommandError::new(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
                     <consumer> option.",
                )),
                (b">", Some(_)) => Ok(From::New),
                (id, _) => match ids::strict(id, 0)? {
                    // The highest id is how Redis itself spells it.
                    StreamId::MAX if of_group.is_some() => Ok(From::New),
                    id => Ok(From::Behind(id)),
                },
            }
        })
    }

    /// The command to run again: `$` means the end of now.
    fn again(&self, begins: &[From]) -> Option<Vec<Vec<u8>>> {
        let ids_at = self.keys_at + self.streams;
        let mut command = None;
        for (number, begin) in begins.iter().enumerate() {
            if let (b"$", From::Behind(id)) = (self.args.at(ids_at + number), begin) {
                command.get_or_insert_with(|| self.args.to_vecs())[ids_at + number] = reply::id_text(*id);
            }
        }
        command
    }
}

fn only_for_groups(of_group: bool, option: &str) -> Result<(), CommandError> {
    match of_group {
        true => Ok(()),
        false => Err(CommandError::new(format!(
            "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
        ))),
    }
}

fn read(ctx: &mut Ctx<'_>, request: Request<'_>) -> Result<(), CommandError> {
    let begins =
        (0..request.streams).map(|number| request.begin(ctx, number)).collect::<Result<Vec<_>, _>>()?;
    let mut told = Told::new(ctx);
    let answer = ctx.out.deferred();
    let mut served = 0;
    for (number, begin) in begins.iter().enumerate() {
        let is_served = match request.reader {
            Reader::Consumer { group, name } => {
                let place = Place { key: request.key(number), group };
                read_as_consumer(ctx, &request, place, name, *begin, &mut told)
            }
            _ => read_plainly(ctx, &request, number, *begin)?,
        };
        served += usize::from(is_served);
    }
    if matches!(request.reader, Reader::Consumer { .. }) {
        told.done(ctx);
    }
    if served > 0 {
        match ctx.out.protocol() {
            resp::Protocol::Resp2 => ctx.out.finish_array(answer, served),
            resp::Protocol::Resp3 => ctx.out.finish_map(answer, served),
        }
    } else if let Some(ms) = request.block_ms.filter(|_| ctx.may_block) {
        ctx.block(BlockOn {
            keys: (0..request.streams).map(|number| request.key(number).to_vec()).collect(),
            kind: Kind::Stream,
            without_key_too: request.reader != Reader::Anyone,
            timeout_ms: (ms > 0).then_some(ms),
            timed_out: TimedOut::NullArray,
            again: request.again(&begins),
        });
    } else {
        ctx.out.null_array();
    }
    Ok(())
}

/// Begins a stream's part of the reply.
fn open_stream(out: &mut Writer<'_>, key: &[u8]) {
    if out.protocol() == resp::Protocol::Resp2 {
        out.array(2);
    }
    out.bulk(key);
}

fn read_plainly(
    ctx: &mut Ctx<'_>,
    request: &Request<'_>,
    number: usize,
    begin: From,
) -> Result<bool, CommandError> {
    let key = request.key(number);
    let From::Behind(id) = begin else { return Ok(false) };
    ctx.read_as(ctx.key(key), |stream: Option<&Stream>, out| {
        let Some(stream) = stream.filter(|stream| stream.top_id().is_some_and(|top| top > id)) else {
            return Ok(false);
        };
        open_stream(out, key);
        reply::entries(out, stream.range(id.next().unwrap_or(id), StreamId::MAX), request.count);
        Ok(true)
    })
}

/// What a consumer did to its group.
struct Done {
    created: bool,
    served: bool,
}

fn read_as_consumer(
    ctx: &mut Ctx<'_>,
    request: &Request<'_>,
    place: Place<'_>,
    name: &[u8],
    begin: From,
    told: &mut Told,
) -> bool {
    let (key, now): (Key<'_>, WallMs) = (ctx.key(place.key), ctx.now.wall);
    if ctx.read(key).is_none() {
        return false;
    }
    let done = change_beside_reply(ctx, key, |stream, out| {
        stream.change_group(place.group, |group, stream| {
            let (consumer, created) = consumer_of(group, name, now);
            if created && request.no_ack {
                told.consumer(place, name);
            }
            let served = match begin {
                From::Behind(id) => {
                    open_stream(out, place.key);
                    history(group, stream, consumer, id, request.count, now, out);
                    true
                }
                From::New if stream.top_id().is_some_and(|top| top > group.last_id) => {
                    open_stream(out, place.key);
                    deliver(group, stream, consumer, request, Delivery { place, now, told }, out);
                    true
                }
                From::New => false,
            };
            Done { created, served }
        })
    });
    let Some(done) = done.flatten() else { return false };
    if done.created {
        note_consumer(ctx, key);
    }
    ctx.effects.dirty += u64::from(done.served);
    done.served
}

/// The consumer of a name, made if there is none; it is seen now.
pub(super) fn consumer_of(group: &mut Group, name: &[u8], now: WallMs) -> (ConsumerKey, bool) {
    match group.find_consumer(name) {
        Some(consumer) => {
            group.consumer_mut(consumer).seen_at = now;
            (consumer, false)
        }
        None => match group.create_consumer(name, now) {
            Some(consumer) => (consumer, true),
            None => unreachable!("a consumer that was not there cannot be made"),
        },
    }
}

/// What is pending with the consumer behind an id; entries that are gone are null.
fn history(
    group: &mut Group,
    stream: &Stream,
    consumer: ConsumerKey,
    behind: StreamId,
    count: u64,
    now: WallMs,
    out: &mut Writer<'_>,
) {
    let limit = if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
    // Behind the highest id Redis begins at it.
    let first = behind.next().unwrap_or(behind);
    let pending: Vec<StreamId> = group.consumer(consumer).pending_from(first).take(limit).collect();
    out.array(pending.len());
    for id in pending {
        let Some(entry) = stream.get(id) else {
            out.array(2);
            reply::id(out, id);
            out.null_array();
            continue;
        };
        reply::entry(out, &entry);
        if let Some(old) = group.pending(id).copied() {
            let deliveries = old.deliveries.wrapping_add(1);
            group.deliver(id, Pending { consumer, delivered_at: now, deliveries });
        }
    }
}

/// What delivering takes beside the stream.
struct Delivery<'a, 'b> {
    place: Place<'a>,
    now: WallMs,
    told: &'b mut Told,
}

/// Gives new entries to a consumer.
fn deliver(
    group: &mut Group,
    stream: &Stream,
    consumer: ConsumerKey,
    request: &Request<'_>,
    delivery: Delivery<'_, '_>,
    out: &mut Writer<'_>,
) {
    let Delivery { place, now, told } = delivery;
    let first = group.last_id.next().unwrap_or(group.last_id);
    let begun = out.deferred();
    let mut given = 0;
    for entry in stream.range(first, StreamId::MAX) {
        group.advance(entry.id, stream);
        reply::entry(out, &entry);
        if !request.no_ack {
            let pending = Pending { consumer, delivered_at: now, deliveries: 1 };
            group.deliver(entry.id, pending);
            group.consumer_mut(consumer).active_at = Some(now);
            told.claim(place, &reply::id_text(entry.id), &pending, group);
        }
        given += 1;
        if given as u64 == request.count {
            break;
        }
    }
    out.finish_array(begun, given);
    // Without anything pending only this tells how far the group has come.
    if given > 0 && request.no_ack {
        told.progress(place, group.last_id, group.entries_read);
    }
}
