//! Replies as a client reads them: a tree, parsed from a buffer that may not hold all of it yet.

use crate::number::{parse_f64, parse_i64};

/// Depth of nested replies beyond which a peer is taken for hostile.
const MAX_DEPTH: usize = 64;
/// Longest string accepted, in bytes.
const MAX_BULK_BYTES: usize = 512 << 20;

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+OK`.
    Simple(Vec<u8>),
    /// `-ERR …`, without the dash; also RESP3's blob error.
    Error(Vec<u8>),
    /// `:1`.
    Int(i64),
    /// `$…`.
    Bulk(Vec<u8>),
    /// A null of any kind.
    Nil,
    /// `*…`.
    Array(Vec<Value>),
    /// `%…`.
    Map(Vec<(Value, Value)>),
    /// `~…`.
    Set(Vec<Value>),
    /// `>…`: out-of-band data.
    Push(Vec<Value>),
    /// `,…`.
    Double(f64),
    /// `#t`, `#f`.
    Bool(bool),
    /// `=…`: format and text.
    Verbatim(String, Vec<u8>),
    /// `(…`: digits.
    BigNumber(Vec<u8>),
}

/// Bytes that are no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The type byte is not one of RESP's.
    #[error("unknown reply type {0:?}")]
    UnknownType(char),
    /// A length or number is malformed or out of range.
    #[error("malformed {0} in a reply")]
    Malformed(&'static str),
    /// Nested too deeply.
    #[error("a reply nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

impl Value {
    /// Parses the reply at the start of `input`; gives it and its length, or none while it is incomplete.
    pub fn parse(input: &[u8]) -> Result<Option<(Value, usize)>, ValueError> {
        let mut reader = Reader { input, at: 0 };
        Ok(reader.value(0)?.map(|value| (value, reader.at)))
    }

    /// The bytes of a string-like reply.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes)
            | Value::Bulk(bytes)
            | Value::Verbatim(_, bytes)
            | Value::BigNumber(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a string-like reply, with invalid UTF-8 replaced.
    pub fn to_text(&self) -> Option<String> {
        self.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The error's text, if this is one.
    pub fn as_error(&self) -> Option<String> {
        match self {
            Value::Error(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    /// The integer, also when it is written as a string.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            other => other.as_bytes().and_then(parse_i64),
        }
    }

    /// The elements of an array, set or push.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.input[self.at..];
        let end = memchr::memchr(b'\n', rest)?;
        self.at += end + 1;
        Some(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]))
    }

    fn value(&mut self, depth: usize) -> Result<Option<Value>, ValueError> {
        if depth > MAX_DEPTH {
            return Err(ValueError::TooDeep);
        }
        let Some(&kind) = self.input.get(self.at) else { return Ok(None) };
        if !b"+-:$*_,#=(%~>!|".contains(&kind) {
            return Err(ValueError::UnknownType(kind as char));
        }
        let Some(line) = self.line() else { return Ok(None) };
        let text = &line[1..];
        Ok(Some(match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Int(
                parse_i64(text.strip_prefix(b"+").unwrap_or(text)).ok_or(ValueError::Malformed("integer"))?,
            ),
            b'_' => Value::Nil,
            b'#' => Value::Bool(text == b"t"),
            b',' if text.eq_ignore_ascii_case(b"nan") => Value::Double(f64::NAN),
            b',' => Value::Double(parse_f64(text).ok_or(ValueError::Malformed("double"))?),
            b'(' => Value::BigNumber(text.to_vec()),
            b'$' | b'=' | b'!' => return self.blob(kind, text),
            b'|' => {
                // Attributes describe the reply that follows; no reply of ours depends on them.
                let Some(length) = length(text)? else { return Ok(None) };
                return match self.items(length * 2, depth)? {
                    Some(_) => self.value(depth),
                    None => Ok(None),
                };
            }
            _ => return self.aggregate(kind, text, depth),
        }))
    }

    fn blob(&mut self, kind: u8, text: &[u8]) -> Result<Option<Value>, ValueError> {
        let Some(length) = length(text)? else { return Ok(Some(Value::Nil)) };
        if length > MAX_BULK_BYTES {
            return Err(ValueError::Malformed("bulk length"));
        }
        let Some(bytes) = self.input.get(self.at..self.at + length + 2) else { return Ok(None) };
        self.at += length + 2;
        let bytes = bytes[..length].to_vec();
        Ok(Some(match kind {
            b'$' => Value::Bulk(bytes),
            b'!' => Value::Error(bytes),
            _ => match bytes.split_at_checked(4) {
                Some((format, text)) => {
                    Value::Verbatim(String::from_utf8_lossy(&format[..3]).into_owned(), text.to_vec())
                }
                None => return Err(ValueError::Malformed("verbatim string")),
            },
        }))
    }

    fn aggregate(&mut self, kind: u8, text: &[u8], depth: usize) -> Result<Option<Value>, ValueError> {
        let Some(length) = length(text)? else { return Ok(Some(Value::Nil)) };
        let count = if kind == b'%' { length.checked_mul(2) } else { Some(length) };
        let count = count.ok_or(ValueError::Malformed("length"))?;
        let Some(items) = self.items(count, depth)? else { return Ok(None) };
        Ok(Some(match kind {
            b'*' => Value::Array(items),
            b'~' => Value::Set(items),
            b'>' => Value::Push(items),
            _ => {
                let mut items = items.into_iter();
                let mut pairs = Vec::with_capacity(length.min(1024));
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Value::Map(pairs)
            }
        }))
    }

    fn items(&mut self, count: usize, depth: usize) -> Result<Option<Vec<Value>>, ValueError> {
        // What a peer announces is not what it sends: memory is taken as elements arrive.
        let mut items = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            match self.value(depth + 1)? {
                Some(value) => items.push(value),
                None => return Ok(None),
            }
        }
        Ok(Some(items))
    }
}

/// A length; none for `-1`.
fn length(text: &[u8]) -> Result<Option<usize>, ValueError> {
    match parse_i64(text) {
        Some(-1) => Ok(None),
        Some(length @ 0..=0x7fff_ffff) => Ok(Some(length as usize)),
        _ => Err(ValueError::Malformed("length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_every_cut() {
        let text = b"*9\r\n+OK\r\n-ERR x\r\n:-5\r\n$3\r\na\r\n\r\n$-1\r\n%1\r\n$1\r\nk\r\n,1.5\r\n#t\r\n=6\r\ntxt:hi\r\n(12\r\n";
        let (value, used) = Value::parse(text).unwrap().unwrap();
        assert_eq!(used, text.len());
        assert_eq!(
            value,
            Value::Array(vec![
                Value::Simple(b"OK".to_vec()),
                Value::Error(b"ERR x".to_vec()),
                Value::Int(-5),
                Value::Bulk(b"a\r\n".to_vec()),
                Value::Nil,
                Value::Map(vec![(Value::Bulk(b"k".to_vec()), Value::Double(1.5))]),
                Value::Bool(true),
                Value::Verbatim("txt".into(), b"hi".to_vec()),
                Value::BigNumber(b"12".to_vec()),
            ])
        );
        for cut in 0..text.len() {
            assert_eq!(Value::parse(&text[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn hostile_replies_are_errors() {
        assert_eq!(Value::parse(b"?x\r\n"), Err(ValueError::UnknownType('?')));
        assert_eq!(Value::parse(b"$-2\r\n"), Err(ValueError::Malformed("length")));
        assert_eq!(Value::parse(b"$99999999999\r\n"), Err(ValueError::Malformed("length")));
        assert_eq!(Value::parse("*1\r\n".repeat(100).as_bytes()), Err(ValueError::TooDeep));
        assert_eq!(Value::parse(b"*2000000000\r\n"), Ok(None));
    }
}
