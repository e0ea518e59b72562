//! The keys of a command: which of its arguments they are, and what happens to them.
//!
//! Read from the command's key specifications; the few commands whose keys these cannot tell (they are
//! marked `incomplete` or `variable_flags`) are told here one by one. COMMAND GETKEYS, access control and
//! client-side caching all ask here. The rules are those of Redis's documentation of key specifications: a
//! specification that points beyond the arguments makes the whole command wrong.

use resp::Args;
use resp::number::parse_i64;
use types::spec::{Begin, Find, KeySpec};

use crate::table::Entry;

/// One key of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// Its argument's index.
    pub(crate) at: usize,
    /// What happens to it, in the flags of a key specification.
    pub(crate) flags: &'static [&'static str],
}

impl KeyUse {
    /// Whether its value is read, so that a client may learn it.
    pub(crate) fn reads(&self) -> bool {
        self.flags.contains(&"access")
    }

    /// Whether it is changed.
    pub(crate) fn writes(&self) -> bool {
        self.flags.iter().any(|flag| matches!(*flag, "insert" | "update" | "delete"))
    }
}

/// The arguments do not say where the keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongArguments;

/// What reads a value.
const READ: &[&str] = &["RO", "access"];
/// What overwrites one unseen.
const OVERWRITE: &[&str] = &["OW", "update"];
/// What reads and changes one.
const CHANGE: &[&str] = &["RW", "access", "update"];
/// What takes one away, having read it.
const TAKE: &[&str] = &["RW", "access", "delete"];

/// Whether the command may have keys at all.
pub(crate) fn has_keys(entry: &Entry) -> bool {
    entry.meta.keys.iter().any(is_key)
}

/// The keys of `args`, in the order of the specifications.
pub(crate) fn keys_of(entry: &Entry, args: Args<'_>) -> Result<Vec<KeyUse>, WrongArguments> {
    match entry.full_name.as_str() {
        "sort" => return Ok(sort(args)),
        "sort_ro" => return Ok(at(1, READ)),
        "migrate" => return migrate(args),
        "set" => return Ok(at(1, if names(args, 3, b"get") { CHANGE } else { OVERWRITE })),
        "bitfield" => return Ok(at(1, if only_gets(args) { READ } else { CHANGE })),
        _ => {}
    }
    let mut found = Vec::new();
    for spec in entry.meta.keys.iter().filter(|spec| is_key(spec)) {
        positions(spec, args, &mut found)?;
    }
    Ok(found)
}

/// Channels of sharded pub/sub are declared like keys, for clients of a cluster, but are none.
fn is_key(spec: &KeySpec) -> bool {
    !spec.flags.contains(&"not_key")
}

fn at(at: usize, flags: &'static [&'static str]) -> Vec<KeyUse> {
    vec![KeyUse { at, flags }]
}

fn names(args: Args<'_>, from: usize, word: &[u8]) -> bool {
    args.from(from.min(args.len())).iter().any(|arg| arg.eq_ignore_ascii_case(word))
}

/// Adds the keys one specification points to.
fn positions(spec: &KeySpec, args: Args<'_>, found: &mut Vec<KeyUse>) -> Result<(), WrongArguments> {
    let count = args.len() as i64;
    let first = match spec.begin {
        Begin::Index(index) => i64::from(index),
        Begin::Keyword(word, from) => match after_keyword(args, word, from) {
            Some(at) => at,
            None => return Ok(()),
        },
        Begin::Unknown => return Err(WrongArguments),
    };
    let (first, last, step) = match spec.find {
        Find::Range(last, step, limit) => {
            let last = match (last, limit) {
                (0.., _) => first + i64::from(last),
                (_, ..=1) => count + i64::from(last),
                _ => first + (count - first) / i64::from(limit) + i64::from(last),
            };
            (first, last, step)
        }
        Find::Count(index, offset, step) => {
            let at = usize::try_from(first + i64::from(index)).map_err(|_| WrongArguments)?;
            let number = args.get(at).and_then(parse_i64).ok_or(WrongArguments)?;
            let first = first + i64::from(offset);
            (first, first.saturating_add(number.saturating_sub(1).saturating_mul(i64::from(step))), step)
        }
        Find::Unknown => return Err(WrongArguments),
    };
    if first < 1 || last >= count || last < first {
        return Err(WrongArguments);
    }
    let every = usize::try_from(step).unwrap_or(1).max(1);
    found.extend((first as usize..=last as usize).step_by(every).map(|at| KeyUse { at, flags: spec.flags }));
    Ok(())
}

/// The index behind `word`, searched forwards from `from`, or backwards when that is negative.
fn after_keyword(args: Args<'_>, word: &str, from: i32) -> Option<i64> {
    let is_word = |at: &usize| args.at(*at).eq_ignore_ascii_case(word.as_bytes());
    let found = match usize::try_from(from) {
        Ok(from) => (from..args.len()).find(is_word),
        Err(_) => {
            let start = args.len().checked_sub(from.unsigned_abs() as usize)?;
            (1..=start).rev().find(is_word)
        }
    };
    found.map(|at| at as i64 + 1)
}

/// SORT key … STORE destination: the last STORE counts.
fn sort(args: Args<'_>) -> Vec<KeyUse> {
    let mut found = at(1, READ);
    let mut store = None;
    let mut index = 2;
    while index < args.len() {
        // The words behind these options are no options.
        index += match args.at(index).to_ascii_lowercase().as_slice() {
            b"limit" => 3,
            b"get" | b"by" => 2,
            b"store" if index + 1 < args.len() => {
                store = Some(index + 1);
                2
            }
            _ => 1,
        };
    }
    found.extend(store.map(|at| KeyUse { at, flags: OVERWRITE }));
    found
}

/// MIGRATE host port key|"" … [KEYS key …]: one key, or several in its place.
fn migrate(args: Args<'_>) -> Result<Vec<KeyUse>, WrongArguments> {
    if args.len() <= 3 {
        return Err(WrongArguments);
    }
    let mut index = 6;
    while index < args.len() {
        index += match args.at(index).to_ascii_lowercase().as_slice() {
            b"auth" => 2,
            b"auth2" => 3,
            b"keys" if !args.at(3).is_empty() => return Err(WrongArguments),
            b"keys" if index + 1 < args.len() => {
                return Ok((index + 1..args.len()).map(|at| KeyUse { at, flags: TAKE }).collect());
            }
            _ => 1,
        };
    }
    Ok(at(3, TAKE))
}

/// Whether BITFIELD is asked for nothing but values.
fn only_gets(args: Args<'_>) -> bool {
    let mut index = 2;
    while index < args.len() {
        match args.at(index).eq_ignore_ascii_case(b"get") {
            true => index += 3,
            false => return false,
        }
    }
    true
}
