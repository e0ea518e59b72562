//! Lua values as JSON.

use mlua::{Table, Value};

use super::{Config, cannot_serialise};
use crate::lua_args::{Fault, as_number};
use crate::number::format_g;

/// Writes one document.
pub(super) struct Encoder<'a> {
    pub(super) config: Config,
    pub(super) out: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    pub(super) fn value(&mut self, value: &Value, depth: i64) -> Result<(), Fault> {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(_) | Value::Number(_) => self.number(value)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(address) if address.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Table(table) => return self.table(table, value, depth + 1),
            other => return Err(cannot_serialise(other, "type not supported")),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, value: &Value, depth: i64) -> Result<(), Fault> {
        if depth > self.config.encode_max_depth {
            return Err(Fault::new(format!("Cannot serialise, excessive nesting ({depth})")));
        }
        match self.array_length(table, value)? {
            Some(length) if length > 0 => self.array(table, length, depth),
            _ => self.object(table, depth),
        }
    }

    /// The length of a table that can be an array.
    fn array_length(&self, table: &Table, value: &Value) -> Result<Option<i64>, Fault> {
        let (mut largest, mut items) = (0i64, 0i64);
        for pair in table.pairs::<Value, Value>() {
            match pair?.0 {
                Value::Integer(key) if key >= 1 => {
                    largest = largest.max(key);
                    items += 1;
                }
                Value::Number(key) if key >= 1.0 && key.floor() == key => {
                    largest = largest.max(key as i64);
                    items += 1;
                }
                _ => return Ok(None),
            }
        }
        let config = &self.config;
        let sparse = config.sparse_ratio > 0
            && largest > items.saturating_mul(config.sparse_ratio)
            && largest > config.sparse_safe;
        match sparse {
            true if config.sparse_convert => Ok(None),
            true => Err(cannot_serialise(value, "excessively sparse array")),
            false => Ok(Some(largest)),
        }
    }

    fn array(&mut self, table: &Table, length: i64, depth: i64) -> Result<(), Fault> {
        self.out.push(b'[');
        for index in 1..=length {
            if index > 1 {
                self.out.push(b',');
            }
            let item: Value = table.raw_get(index)?;
            self.value(&item, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: i64) -> Result<(), Fault> {
        self.out.push(b'{');
        let mut first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            match &key {
                Value::String(text) => self.string(&text.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.number(&key)?;
                    self.out.push(b'"');
                }
                other => return Err(cannot_serialise(other, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn number(&mut self, value: &Value) -> Result<(), Fault> {
        let number = as_number(value).unwrap_or_default();
        if !number.is_finite() {
            match self.config.encode_invalid_numbers {
                0 => return Err(cannot_serialise(value, "must not be NaN or Inf")),
                1 if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                1 => {}
                _ => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        self.out.extend_from_slice(format_g(number, self.config.number_precision as usize).as_bytes());
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for &byte in text {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'/' => b"\\/",
                8 => b"\\b",
                b'\t' => b"\\t",
                b'\n' => b"\\n",
                12 => b"\\f",
                b'\r' => b"\\r",
                0..=31 | 127 => {
                    self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(escape);
        }
        self.out.push(b'"');
    }
}
