//! The options of XADD and XTRIM, and how what trimming came to is replicated.
//!
//! Approximate trimming depends on the size of nodes, which need not be the same elsewhere: replicas are told
//! to trim exactly to what was left here.

use keyspace::values::{Limits, Stream, StreamId, Trim};
use resp::Args;

use super::ids::{self, NewId};
use super::reply::id_text;
use crate::arguments::{integer, is_word};
use crate::{CommandError, Ctx, ExpiryRule};

/// Nodes that approximate trimming goes through unless told.
const DEFAULT_LIMIT_NODES: u64 = 100;
/// The limit where nodes have none of their own.
const DEFAULT_LIMIT: u64 = 10_000;
/// No default limit is higher.
const DEFAULT_LIMIT_MAX: u64 = 1_000_000;

/// How a stream is to be trimmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trimming {
    to: Trim,
    approximate: bool,
    limit: u64,
    /// Which argument is the threshold.
    at: usize,
}

/// What trimming left: the threshold that replicas get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    length: u64,
    first: StreamId,
}

impl Trimming {
    /// Trims; gives how many entries went.
    pub(super) fn apply(&self, stream: &mut Stream) -> (u64, Left) {
        let removed = match self.approximate {
            true => stream.trim_nodes(self.to, self.limit),
            false => stream.trim(self.to),
        };
        let first = stream.first_recorded_id().unwrap_or(StreamId::MAX);
        (removed, Left { length: stream.len(), first })
    }

    /// Puts the exact threshold into a command to be replicated; false when it is exact already.
    pub(super) fn make_exact(&self, command: &mut [Vec<u8>], left: Left) -> bool {
        if self.approximate {
            command[self.at - 1] = b"=".to_vec();
            command[self.at] = match self.to {
                Trim::MaxLen(_) => left.length.to_string().into_bytes(),
                Trim::MinId(_) => id_text(left.first),
            };
        }
        self.approximate
    }

    /// Whether the command must be replicated in other words.
    pub(super) fn is_approximate(&self) -> bool {
        self.approximate
    }
}

/// What is being parsed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Xadd,
    Xtrim,
}

/// The options of either command.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) trimming: Option<Trimming>,
    /// NOMKSTREAM
    pub(super) only_existing: bool,
    /// XADD's id, and which argument it is.
    pub(super) id: Option<(NewId, usize)>,
    limit: Option<u64>,
}

impl Options {
    /// Reads the options from argument 2 on; those of XADD end with the id.
    pub(super) fn parse(ctx: &Ctx<'_>, args: Args<'_>, of: Of) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut at = 2;
        while at < args.len() {
            let (word, more) = (args.at(at), args.len() - 1 - at);
            if of == Of::Xadd && word == b"*" {
                options.id = Some((NewId::Auto, at));
                break;
            }
            if more > 0 && (is_word(word, "MAXLEN") || is_word(word, "MINID")) {
                at = options.threshold(args, at)?;
            } else if is_word(word, "LIMIT") && more > 0 {
                let limit = u64::try_from(integer(args.at(at + 1))?)
                    .map_err(|_| CommandError::new("ERR The LIMIT argument must be >= 0."))?;
                options.limit = Some(limit);
                at += 1;
            } else if of == Of::Xadd && is_word(word, "NOMKSTREAM") {
                options.only_existing = true;
            } else if of == Of::Xadd {
                options.id = Some((ids::new_id(word)?, at));
                break;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        options.set_limit(ctx, of)?;
        Ok(options)
    }

    /// Reads MAXLEN or MINID at `at`; gives the last argument of it.
    fn threshold(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        if self.trimming.is_some() {
            return Err(CommandError::new(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let has_operator = at + 2 < args.len() && matches!(args.at(at + 1), b"~" | b"=");
        let approximate = has_operator && args.at(at + 1) == b"~";
        let value_at = at + 1 + usize::from(has_operator);
        let value = args.at(value_at);
        let to = match is_word(args.at(at), "MAXLEN") {
            true => Trim::MaxLen(
                u64::try_from(integer(value)?)
                    .map_err(|_| CommandError::new("ERR The MAXLEN argument must be >= 0."))?,
            ),
            false => Trim::MinId(ids::strict(value, 0)?),
        };
        self.trimming = Some(Trimming { to, approximate, limit: 0, at: value_at });
        Ok(value_at)
    }

    fn set_limit(&mut self, ctx: &Ctx<'_>, of: Of) -> Result<(), CommandError> {
        let Some(trimming) = &mut self.trimming else {
            return match (self.limit, of) {
                (Some(1..), _) => Err(CommandError::new(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
                (_, Of::Xtrim) => {
                    Err(CommandError::new("ERR syntax error, XTRIM must be called with a trimming strategy"))
                }
                (Some(0), Of::Xadd) if ctx.expiry != ExpiryRule::Ignore => Err(exact_with_limit()),
                (_, Of::Xadd) => Ok(()),
            };
        };
        // What the master told is exact, limit or not.
        if ctx.expiry == ExpiryRule::Ignore {
            return Ok(());
        }
        trimming.limit = match self.limit {
            Some(_) if !trimming.approximate => return Err(exact_with_limit()),
            None if !trimming.approximate => 0,
            Some(limit) => limit,
            None => default_limit(ctx.limits),
        };
        Ok(())
    }
}

fn exact_with_limit() -> CommandError {
    CommandError::new("ERR syntax error, LIMIT cannot be used without the special ~ option")
}

fn default_limit(limits: &Limits) -> u64 {
    match limits.stream_node_max_entries.saturating_mul(DEFAULT_LIMIT_NODES) {
        0 => DEFAULT_LIMIT,
        limit => limit.min(DEFAULT_LIMIT_MAX),
    }
}
