//! What instances answer us, and what we answer clients, as plain trees.
//!
//! Encoding and decoding are not done here: the shell converts between these
//! trees and RESP2 or RESP3.

/// A reply of a monitored instance, parsed by the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A status line such as `PONG`.
    Simple(Vec<u8>),
    /// An error line, its code first: `LOADING Redis is loading…`.
    Error(Vec<u8>),
    /// An integer.
    Int(i64),
    /// A string.
    Bulk(Vec<u8>),
    /// A null of any kind.
    Nil,
    /// An array; also what RESP3 sends as a set.
    Array(Vec<Value>),
    /// A RESP3 push; understood like the array RESP2 sends instead.
    Push(Vec<Value>),
    /// Any other kind; no instance answers a sentinel with one.
    Other,
}

impl Value {
    /// The bytes of a status or string.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The answer to a client's command, independent of the protocol's version.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A status: `+OK`.
    Status(String),
    /// An error line with its code, without the leading `-`.
    Error(String),
    /// An integer.
    Int(i64),
    /// A string.
    Bulk(Vec<u8>),
    /// A missing string: `$-1` or `_`.
    Nil,
    /// A missing array: `*-1` or `_`.
    NilArray,
    /// An array.
    Array(Vec<Reply>),
    /// Pairs: a map in RESP3, a flat array in RESP2.
    Map(Vec<(Reply, Reply)>),
}

impl Reply {
    pub(crate) fn ok() -> Reply {
        Reply::Status("OK".into())
    }

    pub(crate) fn bulk(text: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(text.as_ref().to_vec())
    }

    /// An error with the code `ERR`.
    pub(crate) fn err(text: impl AsRef<str>) -> Reply {
        Reply::Error(format!("ERR {}", text.as_ref()))
    }
}
