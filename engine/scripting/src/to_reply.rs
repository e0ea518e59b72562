//! A Lua value as the reply of a script.
//!
//! Numbers become integers, their fraction cut off; strings bulk strings; true 1 and false null (or RESP3's
//! booleans after `redis.setresp(3)`); a table is looked at for `err`, `ok`, `double`, `map`, `set`,
//! `big_number` and `verbatim_string`, in this order, and else is an array up to its first nil.

use mlua::{Lua, LuaString, Table, Value};
use resp::{Protocol, Writer};

use crate::lua_args::{as_number, as_text, to_i64};
use crate::machine::Failure;
use crate::raise::without_line_end;

/// Levels of nesting that are written.
const MAX_DEPTH: usize = 2_500;

/// The names of fields, made once.
#[derive(Debug)]
pub(crate) struct Names {
    err: LuaString,
    ok: LuaString,
    double: LuaString,
    map: LuaString,
    set: LuaString,
    big_number: LuaString,
    verbatim_string: LuaString,
}

impl Names {
    pub(crate) fn new(lua: &Lua) -> mlua::Result<Self> {
        Ok(Self {
            err: lua.create_string("err")?,
            ok: lua.create_string("ok")?,
            double: lua.create_string("double")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
            big_number: lua.create_string("big_number")?,
            verbatim_string: lua.create_string("verbatim_string")?,
        })
    }
}

/// Writes replies.
pub(crate) struct ReplyWriter<'a> {
    pub(crate) names: &'a Names,
    /// The client's protocol.
    pub(crate) protocol: Protocol,
    /// The script asked for RESP3.
    pub(crate) script_resp3: bool,
    pub(crate) out: Vec<u8>,
    /// The errors written.
    pub(crate) failures: Vec<Failure>,
}

impl ReplyWriter<'_> {
    fn writer(&mut self) -> Writer<'_> {
        Writer::new(&mut self.out, self.protocol)
    }

    /// Writes the reply.
    pub(crate) fn reply(&mut self, value: &Value) -> mlua::Result<()> {
        self.value(value, 0)
    }

    /// Writes an error, and notes it.
    fn error(&mut self, table: &Table, text: &LuaString) -> mlua::Result<()> {
        let message = one_line(without_line_end(until_nul(&text.as_bytes())));
        self.out.push(b'-');
        self.out.extend_from_slice(&message);
        self.out.extend_from_slice(b"\r\n");
        let counted = table.raw_get::<Value>("ignore_error_stats_update")?;
        self.failures.push(Failure { message, counted: counted.as_boolean() == Some(true) });
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        let resp3 = self.script_resp3;
        match value {
            Value::Integer(number) => self.writer().int(*number),
            Value::Number(number) => self.writer().int(to_i64(*number)),
            Value::String(text) => self.writer().bulk(&text.as_bytes()),
            Value::Boolean(on) if resp3 => self.writer().boolean(*on),
            Value::Boolean(true) => self.writer().int(1),
            Value::Table(_) if depth >= MAX_DEPTH => self.writer().error("ERR reached lua stack limit"),
            Value::Table(table) => return self.table(table, depth + 1),
            _ => self.writer().null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let names = self.names;
        if let Value::String(text) = table.raw_get(&names.err)? {
            self.error(table, &text)?;
        } else if let Value::String(text) = table.raw_get(&names.ok)? {
            let status = one_line(&text.as_bytes());
            self.out.push(b'+');
            self.out.extend_from_slice(&status);
            self.out.extend_from_slice(b"\r\n");
        } else if let Some(number) = number_of(table.raw_get(&names.double)?) {
            self.writer().double(number);
        } else if let Value::Table(map) = table.raw_get(&names.map)? {
            let pairs = map.pairs::<Value, Value>().count();
            self.writer().map(pairs);
            for pair in map.pairs::<Value, Value>() {
                let (key, value) = pair?;
                self.value(&key, depth)?;
                self.value(&value, depth)?;
            }
        } else if let Value::Table(set) = table.raw_get(&names.set)? {
            let members = set.pairs::<Value, Value>().count();
            self.writer().set(members);
            for pair in set.pairs::<Value, Value>() {
                self.value(&pair?.0, depth)?;
            }
        } else if let Value::String(digits) = table.raw_get(&names.big_number)? {
            let digits = String::from_utf8_lossy(&one_line(&digits.as_bytes())).into_owned();
            self.writer().big_number(&digits);
        } else if let Some((format, text)) = self.verbatim(table)? {
            self.writer().verbatim(&format, &text);
        } else {
            return self.array(table, depth);
        }
        Ok(())
    }

    fn verbatim(&self, table: &Table) -> mlua::Result<Option<(String, Vec<u8>)>> {
        let Value::Table(inner) = table.raw_get(&self.names.verbatim_string)? else { return Ok(None) };
        let (Value::String(text), Value::String(format)) =
            (inner.raw_get("string")?, inner.raw_get::<Value>("format")?)
        else {
            return Ok(None);
        };
        // A format is three characters.
        let mut format = String::from_utf8_lossy(&format.as_bytes()).chars().take(3).collect::<String>();
        while format.len() < 3 {
            format.push(' ');
        }
        Ok(Some((format, text.as_bytes().to_vec())))
    }

    fn array(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let begin = self.out.len();
        let mut count = 0;
        loop {
            let item: Value = table.raw_get(count + 1)?;
            if item.is_nil() {
                break;
            }
            self.value(&item, depth)?;
            count += 1;
        }
        // The length is known only now; the header goes in front.
        let mut header = Vec::with_capacity(8);
        Writer::new(&mut header, self.protocol).array(count);
        self.out.splice(begin..begin, header);
        Ok(())
    }
}

fn number_of(value: Value) -> Option<f64> {
    matches!(value, Value::Integer(_) | Value::Number(_)).then(|| as_number(&value)).flatten()
}

/// A text up to its first NUL: it is a C string to Redis.
fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A text up to its first NUL with its line ends as spaces.
fn one_line(text: &[u8]) -> Vec<u8> {
    until_nul(text).iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

/// The bytes of a value where a library function takes any: what is no text counts as empty.
pub(crate) fn text_or_empty(value: Option<&Value>) -> Vec<u8> {
    value.and_then(as_text).unwrap_or_default()
}
