//! Iterating with a cursor: what SCAN and the SCANs of hashes, sets and sorted sets have in common.
//!
//! What a cursor means is the scanned value's business; what is visited is the command's.

use keyspace::{Cursor, Typed, Value};
use resp::Args;

use crate::arguments::{integer, is_word};
use crate::glob::{Case, matches};
use crate::replies::Found;
use crate::{CommandError, Ctx};

/// A pattern; none where everything matches.
pub(crate) fn pattern(argument: &[u8]) -> Option<&[u8]> {
    (argument != b"*").then_some(argument)
}

/// Whether a name matches the pattern, if there is one.
pub(crate) fn is_match(pattern: Option<&[u8]>, name: &[u8]) -> bool {
    pattern.is_none_or(|pattern| matches(pattern, name, Case::Sensitive))
}

/// What is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Keys, of which TYPE may choose.
    Keys,
    /// The elements of one value.
    Elements,
}

/// MATCH, COUNT and TYPE.
pub(crate) struct Options<'a> {
    pub(crate) count: usize,
    pub(crate) pattern: Option<&'a [u8]>,
    pub(crate) kind: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads the options from argument `from` on.
    pub(crate) fn parse(args: Args<'a>, from: usize, over: Over) -> Result<Self, CommandError> {
        let mut options = Options { count: 10, pattern: None, kind: None };
        for at in (from..args.len()).step_by(2) {
            let word = args.at(at);
            let Some(value) = args.get(at + 1) else { return Err(CommandError::Syntax) };
            if is_word(word, "COUNT") {
                let count = integer(value)?;
                options.count = usize::try_from(count).ok().filter(|n| *n > 0).ok_or(CommandError::Syntax)?;
            } else if is_word(word, "MATCH") {
                options.pattern = pattern(value);
            } else if is_word(word, "TYPE") && over == Over::Keys {
                options.kind = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether an element's name is asked for.
    pub(crate) fn select(&self, name: &[u8]) -> bool {
        is_match(self.pattern, name)
    }

    /// The same of an element.
    pub(crate) fn select_value(&self, name: Value<'_>) -> bool {
        self.pattern.is_none() || self.select(name.as_bytes(&mut itoa::Buffer::new()))
    }
}

/// A cursor as `strtoul` reads it: a sign is allowed, and nothing at all means 0.
pub(crate) fn parse_cursor(argument: &[u8]) -> Result<Cursor, CommandError> {
    let (negative, digits) = match argument {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        digits => (false, digits),
    };
    let value = digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    let sign_alone = digits.is_empty() && !argument.is_empty();
    match value.filter(|_| !sign_alone) {
        Some(value) => Ok(Cursor(if negative { value.wrapping_neg() } else { value })),
        None => Err(CommandError::new("ERR invalid cursor")),
    }
}

/// Scans the value of type `T` at argument 1 from the cursor at argument 2 on, by way of `visit`. Options
/// of a missing key are not even read.
pub(crate) fn scan_elements<T: Typed>(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    visit: impl FnOnce(&T, Cursor, &Options<'_>, &mut Found) -> Cursor,
) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.at(2))?;
    ctx.read_as::<T, _>(ctx.first_key(args), |value, out| {
        let mut found = Found::default();
        let next = match value {
            Some(value) => visit(value, cursor, &Options::parse(args, 3, Over::Elements)?, &mut found),
            None => Cursor(0),
        };
        found.reply_with(out, next);
        Ok(())
    })
}
