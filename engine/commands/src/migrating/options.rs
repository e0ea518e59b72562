//! The arguments of MIGRATE.

use resp::Args;
use resp::number::parse_i64;
use types::CommandError;

/// What a timeout that is no positive number stands for.
const DEFAULT_TIMEOUT_MS: u64 = 1000;

/// What becomes of a key here once it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterMove {
    Delete,
    /// COPY
    Keep,
}

/// What becomes of a key that the other server has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Refuse,
    /// REPLACE
    Replace,
}

/// AUTH and AUTH2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Login<'a> {
    pub(super) user: Option<&'a [u8]>,
    pub(super) password: &'a [u8],
}

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Options<'a> {
    pub(super) host: String,
    pub(super) port: String,
    pub(super) db: i64,
    /// How long each step of the conversation may take.
    pub(super) timeout_ms: u64,
    pub(super) after: AfterMove,
    pub(super) existing: Existing,
    pub(super) login: Option<Login<'a>>,
    pub(super) keys: Vec<&'a [u8]>,
}

pub(super) fn parse<'a>(args: Args<'a>) -> Result<Options<'a>, CommandError> {
    let text = |at| String::from_utf8_lossy(args.at(at)).into_owned();
    let (mut after, mut existing, mut login) = (AfterMove::Delete, Existing::Refuse, None);
    let mut keys = vec![args.at(3)];
    let mut at = 6;
    while at < args.len() {
        match args.at(at).to_ascii_lowercase().as_slice() {
            b"copy" => after = AfterMove::Keep,
            b"replace" => existing = Existing::Replace,
            b"auth" => {
                let password = args.get(at + 1).ok_or(CommandError::Syntax)?;
                login = Some(Login { user: None, password });
                at += 1;
            }
            b"auth2" => {
                let password = args.get(at + 2).ok_or(CommandError::Syntax)?;
                login = Some(Login { user: args.get(at + 1), password });
                at += 2;
            }
            b"keys" => {
                if !args.at(3).is_empty() {
                    return Err(CommandError::new(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                keys = args.from(at + 1).iter().collect();
                break;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    let integer = |at| parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger);
    let timeout_ms = integer(5)?;
    Ok(Options {
        host: text(1),
        port: text(2),
        db: integer(4)?,
        timeout_ms: u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS),
        after,
        existing,
        login,
        keys,
    })
}
