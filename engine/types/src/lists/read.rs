//! Reading lists: LLEN, LINDEX, LRANGE, LPOS.

use std::ops::ControlFlow;

use keyspace::Value;
use keyspace::values::{Direction, List};
use resp::{Args, Writer};

use crate::arguments::{integer, integer_from, is_word};
use crate::replies::write_value;
use crate::{CommandError, Ctx};

pub(super) fn llen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |list: Option<&List>, out| {
        out.int(list.map_or(0, List::len) as i64);
        Ok(())
    })
}

pub(super) fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.read_as(ctx.first_key(args), |list: Option<&List>, out| {
        let Some(list) = list else {
            out.null();
            return Ok(());
        };
        let index = integer(args.at(2))?;
        if list.show(index, |value| write_value(out, value)).is_none() {
            out.null();
        }
        Ok(())
    })
}

/// The part of a list that two numbers mean, which count from the end when negative: where it begins and
/// how long it is.
pub(super) fn part(start: i64, end: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let from_front = |index: i64| if index < 0 { index.saturating_add(len).max(-1) } else { index };
    let (start, end) = (from_front(start).max(0), from_front(end).min(len - 1));
    match start <= end {
        true => (start as usize, (end - start + 1) as usize),
        false => (0, 0),
    }
}

pub(super) fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (integer(args.at(2))?, integer(args.at(3))?);
    ctx.read_as(ctx.first_key(args), |list: Option<&List>, out| {
        let Some(list) = list else {
            out.array(0);
            return Ok(());
        };
        let (start, count) = part(start, end, list.len());
        out.array(count);
        list.show_some(start, Direction::Forward, count, |value| write_value(out, value));
        Ok(())
    })
}

/// What LPOS looks for.
struct Search {
    /// Which match is the first that counts; from the end when negative.
    rank: i64,
    /// How many matches; 0 for all, none for a single reply.
    count: Option<u64>,
    /// How many elements are looked at; 0 for all.
    max_len: u64,
}

impl Search {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut search = Search { rank: 1, count: None, max_len: 0 };
        for at in (0..args.len()).step_by(2) {
            let (word, Some(value)) = (args.at(at), args.get(at + 1)) else {
                return Err(CommandError::Syntax);
            };
            if is_word(word, "RANK") {
                search.rank = integer(value)?;
                if search.rank == i64::MIN {
                    return Err(CommandError::new(
                        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
                    ));
                }
                if search.rank == 0 {
                    return Err(CommandError::new(RANK_ZERO));
                }
            } else if is_word(word, "COUNT") {
                search.count = Some(integer_from(value, 0, "ERR COUNT can't be negative")? as u64);
            } else if is_word(word, "MAXLEN") {
                search.max_len = integer_from(value, 0, "ERR MAXLEN can't be negative")? as u64;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(search)
    }

    /// The places of the matches.
    fn matches(&self, list: &List, wanted: &[u8]) -> Vec<usize> {
        let (len, wanted) = (list.len(), Value::of_text(wanted));
        let (start, direction) = match self.rank < 0 {
            true => (len - 1, Direction::Backward),
            false => (0, Direction::Forward),
        };
        let most = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count as usize,
        };
        let max_len = if self.max_len == 0 { usize::MAX } else { self.max_len as usize };
        let (mut places, mut skip) = (Vec::new(), self.rank.unsigned_abs() - 1);
        let mut looked_at = 0;
        let _ = list.visit(start, direction, |value| {
            if looked_at == max_len || places.len() == most {
                return ControlFlow::Break(());
            }
            if value == wanted && skip > 0 {
                skip -= 1;
            } else if value == wanted {
                places.push(if direction == Direction::Backward { len - 1 - looked_at } else { looked_at });
            }
            looked_at += 1;
            ControlFlow::Continue(())
        });
        places
    }
}

const RANK_ZERO: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                         or use negative to start from the end of the list";

pub(super) fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let search = Search::parse(args.from(3))?;
    ctx.read_as(ctx.first_key(args), |list: Option<&List>, out: &mut Writer<'_>| {
        let places = list.map(|list| search.matches(list, args.at(2))).unwrap_or_default();
        match search.count {
            None => match places.first() {
                Some(place) => out.int(*place as i64),
                None => out.null(),
            },
            Some(_) => {
                out.array(places.len());
                places.into_iter().for_each(|place| out.int(place as i64));
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_part_is_cut_to_the_list() {
        assert_eq!(part(0, -1, 5), (0, 5));
        assert_eq!(part(-2, -1, 5), (3, 2));
        assert_eq!(part(-100, 100, 5), (0, 5));
        assert_eq!(part(i64::MIN, i64::MAX, 5), (0, 5));
        assert_eq!(part(3, 2, 5), (0, 0));
        assert_eq!(part(5, 9, 5), (0, 0));
        assert_eq!(part(0, -6, 5), (0, 0));
        assert_eq!(part(0, i64::MIN, 5), (0, 0));
        assert_eq!(part(i64::MAX, i64::MAX, 5), (0, 0));
    }
}
