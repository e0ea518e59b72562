//! Command errors, to the letter what Redis says.

use std::borrow::Cow;

/// Why a command failed; its `Display` is the error line without the dash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The arguments do not follow the command's grammar.
    Syntax,
    /// The key holds a value of another type.
    WrongType,
    /// An argument or value is not an integer of 64 bits.
    NotAnInteger,
    /// An argument or value is not a float.
    NotAFloat,
    /// An increment would leave the 64-bit range.
    WouldOverflow,
    /// The key does not exist and must.
    NoSuchKey,
    /// A numeric argument is out of range.
    OutOfRange,
    /// The database index is out of range.
    DbIndex,
    /// An expire time of 0 or less, or beyond what can be kept; names the command.
    InvalidExpire(&'static str),
    /// The resulting string would pass `proto-max-bulk-len`.
    StringTooLong,
    /// Wrong number of arguments; the full command name in lower case.
    Arity(String),
    /// Anything else, code included.
    Other(Cow<'static, str>),
}

impl CommandError {
    /// An error in words of its own, code included: `ERR …`.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Other(text.into())
    }
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Syntax => "ERR syntax error",
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::WouldOverflow => "ERR increment or decrement would overflow",
            Self::NoSuchKey => "ERR no such key",
            Self::OutOfRange => "ERR value is out of range",
            Self::DbIndex => "ERR DB index is out of range",
            Self::InvalidExpire(command) => {
                return write!(f, "ERR invalid expire time in '{command}' command");
            }
            Self::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::Arity(command) => {
                return write!(f, "ERR wrong number of arguments for '{command}' command");
            }
            Self::Other(text) => text,
        })
    }
}
