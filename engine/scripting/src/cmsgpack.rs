//! The `cmsgpack` library: MessagePack both ways, as lua-cmsgpack 0.4 does it.
//!
//! Tables nested deeper than sixteen levels are written as nil. Numbers without fraction that fit 64 bits
//! are written as integers; others as the shorter float that holds them.

use mlua::{Lua, MultiValue, Table, Value};

use crate::lua_args::{Fault, LuaArgs, as_number, function, to_i64};

/// Levels of tables that are written.
const MAX_WRITTEN_DEPTH: usize = 16;
/// Levels of nesting that are read.
const MAX_READ_DEPTH: usize = 3_000;

/// Builds the library.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    table.raw_set("pack", function(lua, "pack", pack)?)?;
    table.raw_set("unpack", function(lua, "unpack", |lua, args| unpack(lua, &args, 0, 0))?)?;
    let one = |lua: &Lua, args: LuaArgs| {
        let offset = optional(&args, 1)?;
        unpack(lua, &args, 1, offset)
    };
    table.raw_set("unpack_one", function(lua, "unpack_one", one)?)?;
    let limited = |lua: &Lua, args: LuaArgs| {
        let limit = args.integer(1)?;
        let offset = optional(&args, 2)?;
        unpack(lua, &args, limit, offset)
    };
    table.raw_set("unpack_limit", function(lua, "unpack_limit", limited)?)?;
    Ok(table)
}

fn optional(args: &LuaArgs, index: usize) -> Result<i64, Fault> {
    match args.get(index) {
        None | Some(Value::Nil) => Ok(0),
        Some(_) => args.integer(index),
    }
}

fn pack(lua: &Lua, args: LuaArgs) -> Result<MultiValue, Fault> {
    if args.len() == 0 {
        return Err(args.fault_before_first("MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for index in 0..args.len() {
        write(&mut out, args.get(index).unwrap_or(&Value::Nil), 0)?;
    }
    Ok(MultiValue::from_iter([Value::String(lua.create_string(&out)?)]))
}

fn write(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), Fault> {
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            header(out, text.len(), (0xa0, 31), Some(0xd9), 0xda);
            out.extend_from_slice(&text);
        }
        Value::Boolean(on) => out.push(if *on { 0xc3 } else { 0xc2 }),
        Value::Integer(_) | Value::Number(_) => write_number(out, as_number(value).unwrap_or_default()),
        Value::Table(table) if depth < MAX_WRITTEN_DEPTH => return write_table(out, table, depth + 1),
        _ => out.push(0xc0),
    }
    Ok(())
}

fn write_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> Result<(), Fault> {
    if let Some(length) = array_length(table)? {
        header(out, length, (0x90, 15), None, 0xdc);
        for index in 1..=length {
            write(out, &table.raw_get(index)?, depth)?;
        }
        return Ok(());
    }
    let count = table.pairs::<Value, Value>().count();
    header(out, count, (0x80, 15), None, 0xde);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        write(out, &key, depth)?;
        write(out, &value, depth)?;
    }
    Ok(())
}

/// The length of a table whose keys are 1 to n.
fn array_length(table: &Table) -> Result<Option<usize>, Fault> {
    let (mut largest, mut count) = (0, 0);
    for pair in table.pairs::<Value, Value>() {
        let (Value::Integer(key @ 1..=0x7fff_ffff), _) = pair? else { return Ok(None) };
        largest = largest.max(key);
        count += 1;
    }
    Ok((largest == count).then_some(count as usize))
}

/// The length of a string, array or map: within the first byte, in one byte where there is that form, or in
/// two or four.
fn header(out: &mut Vec<u8>, length: usize, short: (u8, usize), one_byte: Option<u8>, two_bytes: u8) {
    match (length, one_byte) {
        _ if length <= short.1 => out.push(short.0 | length as u8),
        (0..=0xff, Some(kind)) => out.extend_from_slice(&[kind, length as u8]),
        (0..=0xffff, _) => {
            out.push(two_bytes);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(two_bytes + 1);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

fn write_number(out: &mut Vec<u8>, number: f64) {
    let whole = to_i64(number);
    if whole as f64 != number {
        let short = number as f32;
        if f64::from(short) == number {
            out.push(0xca);
            out.extend_from_slice(&short.to_be_bytes());
        } else {
            out.push(0xcb);
            out.extend_from_slice(&number.to_be_bytes());
        }
        return;
    }
    let (kind, bytes) = match whole {
        -32..=127 => return out.push(whole as u8),
        0x80..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -0x80..=-33 => (0xd0, 1),
        -0x8000..=-0x81 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(kind);
    out.extend_from_slice(&whole.to_be_bytes()[8 - bytes..]);
}

/// Values from `offset` on: all, or as many as `limit` says, in front of them then the offset behind.
fn unpack(lua: &Lua, args: &LuaArgs, limit: i64, offset: i64) -> Result<MultiValue, Fault> {
    let text = args.string(0)?;
    let length = text.len();
    if offset < 0 || limit < 0 {
        return Err(Fault::new(format!(
            "Invalid request to unpack with offset of {offset} and limit of {length}."
        )));
    }
    if offset as usize > length {
        return Err(Fault::new(format!("Start offset {offset} greater than input length {length}.")));
    }
    let all = limit == 0 && offset == 0;
    let limit = if all { i64::from(i32::MAX) } else { limit };
    let mut reader = Reader { lua, text: &text, at: offset as usize };
    let mut values = MultiValue::new();
    while reader.at < length && (values.len() as i64) < limit {
        values.push_back(reader.value(0)?);
    }
    if !all {
        let next = if reader.at == length { -1 } else { reader.at as i64 };
        values.push_front(Value::Integer(next));
    }
    Ok(values)
}

struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let taken = self.text.get(self.at..).and_then(|rest| rest.get(..count));
        self.at += count;
        taken.ok_or_else(|| Fault::new("Missing bytes in input."))
    }

    /// An unsigned number of so many bytes.
    fn number(&mut self, bytes: usize) -> Result<u64, Fault> {
        Ok(self.take(bytes)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_READ_DEPTH {
            return Err(Fault::new("stack overflow (in function mp_decode_to_lua_array)"));
        }
        let kind = self.take(1)?[0];
        let number = |value: f64| Ok(Value::Number(value));
        match kind {
            0x00..=0x7f => number(f64::from(kind)),
            0xe0..=0xff => number(f64::from(kind as i8)),
            0x80..=0x8f => self.map(usize::from(kind & 15), depth),
            0x90..=0x9f => self.array(usize::from(kind & 15), depth),
            0xa0..=0xbf => self.string(usize::from(kind & 31)),
            0xc0 => Ok(Value::Nil),
            0xc2 | 0xc3 => Ok(Value::Boolean(kind == 0xc3)),
            0xca => number(f64::from(f32::from_bits(self.number(4)? as u32))),
            0xcb => number(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => number(self.number(1 << (kind - 0xcc))? as f64),
            0xd0 => number(self.number(1)? as i8 as f64),
            0xd1 => number(self.number(2)? as i16 as f64),
            0xd2 => number(self.number(4)? as i32 as f64),
            0xd3 => number(self.number(8)? as i64 as f64),
            0xd9..=0xdb => {
                let length = self.number(1 << (kind - 0xd9))?;
                self.string(length as usize)
            }
            0xdc | 0xdd => {
                let length = self.number(2 << (kind - 0xdc))?;
                self.array(length as usize, depth)
            }
            0xde | 0xdf => {
                let length = self.number(2 << (kind - 0xde))?;
                self.map(length as usize, depth)
            }
            _ => Err(Fault::new("Bad data format in input.")),
        }
    }

    fn string(&mut self, length: usize) -> Result<Value, Fault> {
        let bytes = self.take(length)?;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for index in 1..=length {
            let value = self.value(depth + 1)?;
            table.raw_set(index, value)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for _ in 0..length {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            match &key {
                Value::Nil => return Err(Fault::bare("table index is nil")),
                Value::Number(number) if number.is_nan() => return Err(Fault::bare("table index is NaN")),
                _ => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }
}
