//! A command's reply as a Lua value.
//!
//! RESP2: integers, strings, `{ok = …}`, `{err = …}`, arrays as tables, null as false. RESP3 (after
//! `redis.setresp(3)`): null as nil, booleans, `{double = …}`, `{map = …}`, `{set = …}`,
//! `{big_number = …}`, `{verbatim_string = {string = …, format = …}}`.

use mlua::{Lua, Table, Value};

use crate::raise::{error_table, with_code};

/// Levels of nesting that are read; no command nests so deep.
const MAX_DEPTH: usize = 1_000;

/// Reads one reply.
pub(crate) fn read(lua: &Lua, reply: &[u8]) -> mlua::Result<Value> {
    Reader { lua, rest: reply }.value(0)
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> &'a [u8] {
        let rest = self.rest;
        match rest.windows(2).position(|pair| pair == b"\r\n") {
            Some(end) => {
                self.rest = &rest[end + 2..];
                &rest[..end]
            }
            None => std::mem::take(&mut self.rest),
        }
    }

    fn blob(&mut self, length: usize) -> &'a [u8] {
        let (blob, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest.get(2..).unwrap_or_default();
        blob
    }

    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        let line = self.line();
        let Some((kind, text)) = line.split_first() else { return Ok(Value::Nil) };
        let lua = self.lua;
        let string = |bytes: &[u8]| lua.create_string(bytes).map(Value::String);
        Ok(match kind {
            b':' => Value::Integer(resp::number::parse_i64(text).unwrap_or_default()),
            b'+' => self.field("ok", string(text)?)?,
            b'-' => error_table(lua, &with_code(text), true)?,
            b'$' | b'=' | b'!' => {
                let Some(length) = length(text) else { return Ok(Value::Boolean(false)) };
                let blob = self.blob(length);
                match kind {
                    b'$' => string(blob)?,
                    b'!' => error_table(lua, &with_code(blob), true)?,
                    _ => self.verbatim(blob)?,
                }
            }
            b'_' => Value::Nil,
            b'#' => Value::Boolean(text == b"t"),
            b',' => {
                let number = crate::number::read_prefix(text).0;
                self.field("double", Value::Number(number))?
            }
            b'(' => self.field("big_number", string(text)?)?,
            b'*' | b'>' | b'~' | b'%' | b'|' => {
                let Some(length) = length(text) else { return Ok(Value::Boolean(false)) };
                if depth >= MAX_DEPTH {
                    return Ok(Value::Nil);
                }
                return self.collection(*kind, length, depth + 1);
            }
            _ => Value::Nil,
        })
    }

    fn field(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn verbatim(&self, blob: &[u8]) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 2)?;
        table.raw_set("string", self.lua.create_string(blob.get(4..).unwrap_or_default())?)?;
        table.raw_set("format", self.lua.create_string(blob.get(..3).unwrap_or_default())?)?;
        self.field("verbatim_string", Value::Table(table))
    }

    fn collection(&mut self, kind: u8, length: usize, depth: usize) -> mlua::Result<Value> {
        let table: Table;
        match kind {
            b'%' | b'|' => {
                table = self.lua.create_table()?;
                for _ in 0..length {
                    let key = self.value(depth)?;
                    let value = self.value(depth)?;
                    if !key.is_nil() {
                        table.raw_set(key, value)?;
                    }
                }
                if kind == b'|' {
                    // Attributes describe the reply that follows.
                    return self.value(depth);
                }
                self.field("map", Value::Table(table))
            }
            b'~' => {
                table = self.lua.create_table()?;
                for _ in 0..length {
                    let member = self.value(depth)?;
                    if !member.is_nil() {
                        table.raw_set(member, true)?;
                    }
                }
                self.field("set", Value::Table(table))
            }
            _ => {
                table = self.lua.create_table_with_capacity(length.min(4096), 0)?;
                for index in 1..=length {
                    let item = self.value(depth)?;
                    table.raw_set(index, item)?;
                }
                Ok(Value::Table(table))
            }
        }
    }
}

/// A length; none for a null.
fn length(text: &[u8]) -> Option<usize> {
    resp::number::parse_i64(text).and_then(|length| usize::try_from(length).ok())
}
