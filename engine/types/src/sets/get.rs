//! Reading one set: SISMEMBER, SMISMEMBER, SCARD, SMEMBERS, SSCAN.

use keyspace::values::Set;
use resp::Args;

use crate::replies::write_value;
use crate::scanning::scan_elements;
use crate::{CommandError, Ctx};

pub(super) fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |set: Option<&Set>, out| {
        out.int(i64::from(set.is_some_and(|set| set.contains(args.at(2)))));
        Ok(())
    })
}

pub(super) fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |set: Option<&Set>, out| {
        out.array(args.len() - 2);
        for member in args.iter().skip(2) {
            out.int(i64::from(set.is_some_and(|set| set.contains(member))));
        }
        Ok(())
    })
}

pub(super) fn scard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |set: Option<&Set>, out| {
        out.int(set.map_or(0, Set::len) as i64);
        Ok(())
    })
}

pub(super) fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |set: Option<&Set>, out| {
        out.set(set.map_or(0, Set::len));
        set.into_iter().flat_map(Set::iter).for_each(|member| write_value(out, member));
        Ok(())
    })
}

pub(super) fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    scan_elements(ctx, args, |set: &Set, cursor, options, found| {
        set.scan(cursor, options.count, &mut |member| {
            if options.select_value(member) {
                found.add_value(member);
            }
        })
    })
}
