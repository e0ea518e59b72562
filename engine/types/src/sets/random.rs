//! Members at random: SPOP takes them, SRANDMEMBER only gives them.
//!
//! What SPOP takes is replicated by name: as SREM, or as the key's deletion when nothing is left.

use keyspace::values::{Limits, Set};
use keyspace::{Encoding, Typed, Value};
use resp::Args;

use crate::arguments::integer;
use crate::replies::{write_or_null, write_value};
use crate::sampling::{count, draw_different, draw_repeating, pick_of};
use crate::{Class, CommandError, Ctx, Key, Random};

/// Members that one replicated SREM names at most.
const SREM_MEMBERS: usize = 1024;
/// When so many times the members that stay are fewer than those that go, the set is made anew of the
/// ones that stay, in the encoding that suits them.
const KEPT_WEIGHT: usize = 5;

pub(super) fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut random = Random::new(ctx.random.next_u64());
    let key = ctx.first_key(args);
    let count = match args.len() {
        2 => {
            return ctx.read_as(key, |set: Option<&Set>, out| {
                write_or_null(out, set.and_then(|set| set.random(random.next_u64())));
                Ok(())
            });
        }
        3 => count(args.at(2))?,
        _ => return Err(CommandError::Syntax),
    };
    ctx.read_as(key, |set: Option<&Set>, out| match set {
        Some(set) if count < 0 => {
            let count = count.unsigned_abs();
            out.array(count as usize);
            // A listpack is walked once, not for each member.
            let all: Vec<Value<'_>> = set.as_listpack().map(|_| set.iter().collect()).unwrap_or_default();
            let pick = |draw| if all.is_empty() { set.random(draw) } else { pick_of(&all, draw) };
            draw_repeating(&mut random, count, pick, Value::len, |member| write_value(out, member))
        }
        Some(set) => {
            let wanted = usize::try_from(count).unwrap_or(usize::MAX).min(set.len());
            out.array(wanted);
            draw(&mut random, set, wanted, |member| write_value(out, member));
            Ok(())
        }
        None => {
            out.array(0);
            Ok(())
        }
    })
}

/// Gives `wanted` different members of a set that has as many.
fn draw<'a>(random: &mut Random, set: &'a Set, wanted: usize, give: impl FnMut(Value<'a>)) {
    match wanted == set.len() {
        true => set.iter().for_each(give),
        false => {
            let pick = |draw| set.random(draw);
            draw_different(random, (wanted, set.len()), set.iter(), pick, Value::to_cow, give);
        }
    }
}

pub(super) fn spop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.first_key(args);
    match args.len() {
        2 => pop_one(ctx, key),
        3 => {
            let count = integer(args.at(2)).ok().and_then(|count| usize::try_from(count).ok());
            let count = count.ok_or(CommandError::new("ERR value is out of range, must be positive"))?;
            pop_several(ctx, key, count)
        }
        _ => Err(CommandError::Syntax),
    }
}

fn pop_one(ctx: &mut Ctx<'_>, key: Key<'_>) -> Result<(), CommandError> {
    let draw = ctx.random.next_u64();
    let updated = ctx.update(key, |set: &mut Set| {
        let member = set.random(draw)?.to_cow().into_owned();
        set.remove(&member);
        Some(member)
    })?;
    let Some((member, emptied)) = updated.and_then(|one| Some((one.result?, one.emptied))) else {
        ctx.out.null();
        return Ok(());
    };
    ctx.changed(key, Class::Set, "spop");
    ctx.effects.replicate_as(&[b"SREM", key.bytes, &member]);
    ctx.out.bulk(&member);
    if emptied {
        ctx.remove_emptied(key);
    }
    Ok(())
}

fn pop_several(ctx: &mut Ctx<'_>, key: Key<'_>, count: usize) -> Result<(), CommandError> {
    ctx.check_kind::<Set>(key)?;
    let len = ctx.update(key, |set: &mut Set| set.len())?.map_or(0, |one| one.result);
    if count == 0 || len == 0 {
        ctx.out.set(0);
        return Ok(());
    }
    if count >= len {
        pop_all(ctx, key, len);
        return Ok(());
    }
    let mut random = Random::new(ctx.random.next_u64());
    let limits = ctx.limits;
    let popped = ctx.update(key, |set: &mut Set| pop_some(set, count, &mut random, limits))?;
    let popped = popped.map(|one| one.result).unwrap_or_default();
    ctx.changed(key, Class::Set, "spop");
    ctx.effects.dirty += popped.len() as u64 - 1;
    ctx.out.set(popped.len());
    popped.iter().for_each(|member| ctx.out.bulk(member));
    if !ctx.effects.unreplicated {
        let srem = |members: &[Vec<u8>]| {
            let head = [b"SREM".to_vec(), key.bytes.to_vec()];
            head.into_iter().chain(members.iter().cloned()).collect()
        };
        ctx.effects.replicate_instead(popped.chunks(SREM_MEMBERS).map(srem).collect());
    }
    Ok(())
}

fn pop_all(ctx: &mut Ctx<'_>, key: Key<'_>, len: usize) {
    let db = &ctx.dbs[ctx.db_index as usize];
    if let Some(set) = db.get(key.hash, key.bytes).and_then(|entry| Set::of(entry.data())) {
        ctx.out.set(len);
        set.iter().for_each(|member| write_value(&mut ctx.out, member));
    }
    ctx.changed(key, Class::Set, "spop");
    ctx.effects.dirty += len as u64 - 1;
    ctx.remove_emptied(key);
    let name: &[u8] = if ctx.effects.lazy.server_del { b"UNLINK" } else { b"DEL" };
    ctx.effects.replicate_as(&[name, key.bytes]);
}

/// Takes `count` members out of a set that has more.
fn pop_some(set: &mut Set, count: usize, random: &mut Random, limits: &Limits) -> Vec<Vec<u8>> {
    let kept = set.len() - count;
    if kept.saturating_mul(KEPT_WEIGHT) > count {
        let mut popped = Vec::with_capacity(count);
        draw(random, set, count, |member| popped.push(member.to_cow().into_owned()));
        popped.iter().for_each(|member| assert!(set.remove(member)));
        return popped;
    }
    let mut rest = match set.encoding() {
        Encoding::Intset => Set::default(),
        _ => Set::empty_listpack(),
    };
    draw(random, set, kept, |member| assert!(rest.add_value(member, limits)));
    let popped = set.iter().filter(|member| !rest.contains_value(*member));
    let popped = popped.map(|member| member.to_cow().into_owned()).collect();
    *set = rest;
    popped
}
