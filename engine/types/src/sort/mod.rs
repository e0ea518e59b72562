//! SORT and SORT_RO: the elements of a list, a set or a sorted set in another order.
//!
//! - `options`: what the arguments ask for; `pattern`: keys and fields named after an element.
//! - `order`: weights and comparisons; `number`: texts as numbers.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4, in the locale `C`.

mod number;
mod options;
mod order;
mod pattern;
#[cfg(test)]
mod tests;

use std::ops::Range;

use keyspace::values::{Direction, End, Limits, List, SortedSet};
use keyspace::{Data, Expiry, Value};
use resp::Args;

use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, one_key};
use crate::{Caller, Class, CommandError, Ctx, Handler};
use options::{By, Options, Variant};

const SORT: Meta = Meta {
    arity: -2,
    complexity: "O(N+M*log(M)) where N is the number of elements and M that of returned ones",
    acl: &["set", "sortedset", "list", "dangerous"],
    ..Meta::BASE
};

/// Keys that only the data or the other options tell.
const fn unknown(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Unknown, find: Find::Unknown }
}

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "sort",
            summary: "Gives the elements of a list, a set or a sorted set in order, or stores them.",
            flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLEKEYS),
            keys: &[one_key(&["RO", "access"]), unknown(&["RO", "access"]), unknown(&["OW", "update"])],
            args: "key [BY by-pattern:pattern] [LIMIT offset:integer count:integer] \
                   [GET get-pattern:pattern [GET get-pattern:pattern ...]] [ASC | DESC] [ALPHA] \
                   [STORE destination:key]",
            ..SORT
        },
        sort,
    ),
    command(
        Meta {
            name: "sort_ro",
            summary: "Gives the elements of a list, a set or a sorted set in order.",
            since: "7.0.0",
            flags: Flags::READONLY.and(Flags::MOVABLEKEYS),
            keys: &[one_key(&["RO", "access"]), unknown(&["RO", "access"])],
            args: "key [BY by-pattern:pattern] [LIMIT offset:integer count:integer] \
                   [GET get-pattern:pattern [GET get-pattern:pattern ...]] [ASC | DESC] [ALPHA]",
            ..SORT
        },
        sort_ro,
    ),
];

fn sort(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Variant::MayStore)
}

fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Variant::ReadOnly)
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, variant: Variant) -> Result<(), CommandError> {
    let mut options = Options::parse(args, variant, ctx.reads_all_keys)?;
    let (elements, window) = load(ctx, args, &mut options)?;
    enlarge(ctx, args);
    let sorted = match options.by {
        By::Nothing => elements,
        by => order::sorted(ctx, elements, by, &options)?,
    };
    let elements = sorted.get(window).unwrap_or_default();
    match options.store {
        None => reply(ctx, elements, &options.get),
        Some(target) => store(ctx, elements, &options.get, target),
    }
    Ok(())
}

/// A sorted set that is sorted takes its large form, as in Redis, where OBJECT ENCODING shows it.
fn enlarge(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, limits) = (ctx.first_key(args), ctx.limits);
    let db = ctx.db();
    let small = |entry: keyspace::Entry<'_>| match entry.data() {
        Data::SortedSet(set) => set.listpack().is_some(),
        _ => false,
    };
    if db.get(key.hash, key.bytes).is_some_and(small) {
        // The reading has stamped it already.
        let _ = db.update(key.hash, key.bytes, None, |set: &mut SortedSet| set.enlarge(limits));
    }
}

/// The elements, and which of them are asked for once they are in order. Where nothing is to be sorted,
/// only those are loaded, but for a set: what is stored, or what a script goes on with, must not be chance.
fn load(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    options: &mut Options<'_>,
) -> Result<(Vec<Vec<u8>>, Range<usize>), CommandError> {
    let scripted = ctx.caller == Caller::Script;
    ctx.read_with(ctx.first_key(args), |entry, _| {
        let Some(entry) = entry else { return Ok((Vec::new(), 0..0)) };
        let take = |elements: &mut dyn Iterator<Item = Value<'_>>, len: usize, options: &Options<'_>| {
            let window = options.window(len);
            match options.by {
                By::Nothing => {
                    let wanted = elements.skip(window.start).take(window.len());
                    (wanted.map(owned).collect(), 0..window.len())
                }
                _ => (elements.map(owned).collect(), window),
            }
        };
        Ok(match entry.data() {
            Data::List(list) => load_list(list, options),
            Data::Set(set) => {
                if options.by == By::Nothing && (options.store.is_some() || scripted) {
                    (options.by, options.alpha) = (By::Element, true);
                }
                take(&mut set.iter(), set.len(), options)
            }
            Data::SortedSet(set) => {
                let members = set.iter(0..set.len()).map(|(member, _)| member);
                let mut walk: Box<dyn Iterator<Item = Value<'_>>> = match options.by {
                    By::Nothing if options.descending => Box::new(members.rev()),
                    _ => Box::new(members),
                };
                take(&mut walk, set.len(), options)
            }
            _ => return Err(CommandError::WrongType),
        })
    })
}

fn load_list(list: &List, options: &Options<'_>) -> (Vec<Vec<u8>>, Range<usize>) {
    let (len, mut elements) = (list.len(), Vec::new());
    let window = options.window(len);
    let mut take = |start, direction, count| {
        list.show_some(start, direction, count, |value| elements.push(owned(value)));
    };
    let window = match options.by {
        By::Nothing if options.descending => {
            take(len.wrapping_sub(1 + window.start), Direction::Backward, window.len());
            0..window.len()
        }
        By::Nothing => {
            take(window.start, Direction::Forward, window.len());
            0..window.len()
        }
        _ => {
            take(0, Direction::Forward, len);
            window
        }
    };
    (elements, window)
}

fn owned(value: Value<'_>) -> Vec<u8> {
    value.to_cow().into_owned()
}

fn reply(ctx: &mut Ctx<'_>, elements: &[Vec<u8>], get: &[&[u8]]) {
    ctx.out.array(elements.len() * get.len().max(1));
    for element in elements {
        if get.is_empty() {
            ctx.out.bulk(element);
        }
        for pattern in get {
            match pattern::look_up(ctx, pattern, element) {
                Some(value) => ctx.out.bulk(&value),
                None => ctx.out.null(),
            }
        }
    }
}

/// Stores the elements, or what they name, as a list; an empty one removes what is there.
fn store(ctx: &mut Ctx<'_>, elements: &[Vec<u8>], get: &[&[u8]], target: &[u8]) {
    let (mut list, limits) = (List::default(), ctx.limits);
    for element in elements {
        if get.is_empty() {
            push(&mut list, element, limits);
        }
        for pattern in get {
            let value = pattern::look_up(ctx, pattern, element).unwrap_or_default();
            push(&mut list, &value, limits);
        }
    }
    let (target, len) = (ctx.key(target), list.len());
    if len > 0 {
        ctx.expire_before_write(target);
        ctx.put(target, list, Expiry::Clear);
        ctx.changed(target, Class::List, "sortstore");
        ctx.effects.dirty += len as u64 - 1;
    } else if ctx.remove(target) {
        ctx.changed(target, Class::Generic, "del");
    }
    ctx.out.int(len as i64);
}

fn push(list: &mut List, element: &[u8], limits: &Limits) {
    list.push(End::Back, element, limits);
}
