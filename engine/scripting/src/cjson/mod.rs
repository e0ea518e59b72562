//! The `cjson` library: JSON both ways, as lua-cjson 2.1 does it, with its settings and its errors.
//!
//! JSON's null is a light userdata of address zero, `cjson.null`.

mod decode;
mod encode;

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use crate::lua_args::{Fault, LuaArgs, as_text, function, type_name};

/// What the settings functions set. They hold for as long as the interpreter lives.
#[derive(Clone, Copy, Debug)]
struct Config {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_max_depth: i64,
    decode_max_depth: i64,
    /// 0 off, 1 on, 2 null.
    encode_invalid_numbers: usize,
    decode_invalid_numbers: usize,
    number_precision: i64,
    keep_buffer: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            encode_invalid_numbers: 0,
            decode_invalid_numbers: 1,
            number_precision: 14,
            keep_buffer: 1,
        }
    }
}

/// One of the settings.
type Field<T> = fn(&mut Config) -> &mut T;

type Shared = Rc<RefCell<Config>>;

/// Builds the library, with settings of its own.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let config = Shared::default();
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    table.raw_set("null", Value::NULL)?;
    let shared = Rc::clone(&config);
    let body = move |lua: &Lua, args: LuaArgs| {
        let Some(value) = args.get(0).filter(|_| args.len() == 1) else {
            return Err(args.fault(0, "expected 1 argument"));
        };
        let mut out = Vec::new();
        encode::Encoder { config: *shared.borrow(), out: &mut out }.value(value, 0)?;
        Ok(MultiValue::from_iter([Value::String(lua.create_string(&out)?)]))
    };
    table.raw_set("encode", function(lua, "encode", body)?)?;
    let shared = Rc::clone(&config);
    let body = move |lua: &Lua, args: LuaArgs| {
        if args.len() != 1 {
            return Err(args.fault(0, "expected 1 argument"));
        }
        let text = args.string(0)?;
        let value = decode::Decoder::new(lua, &text, *shared.borrow()).document()?;
        Ok(MultiValue::from_iter([value]))
    };
    table.raw_set("decode", function(lua, "decode", body)?)?;
    settings(lua, &table, &config)?;
    Ok(table)
}

fn settings(lua: &Lua, table: &Table, config: &Shared) -> mlua::Result<()> {
    let integers: [(&'static str, i64, Field<i64>); 3] = [
        ("encode_max_depth", i64::from(i32::MAX), |config| &mut config.encode_max_depth),
        ("decode_max_depth", i64::from(i32::MAX), |config| &mut config.decode_max_depth),
        ("encode_number_precision", 14, |config| &mut config.number_precision),
    ];
    for (name, largest, field) in integers {
        let config = Rc::clone(config);
        let body = move |_: &Lua, args: LuaArgs| {
            not_more_than(&args, 1)?;
            let result = integer(&args, 0, field(&mut config.borrow_mut()), 1, largest)?;
            Ok(MultiValue::from_iter([result]))
        };
        table.raw_set(name, function(lua, name, body)?)?;
    }
    let options: [(&'static str, &'static [&'static str], Field<usize>); 3] = [
        ("encode_keep_buffer", &["off", "on"], |config| &mut config.keep_buffer),
        ("encode_invalid_numbers", &["off", "on", "null"], |config| &mut config.encode_invalid_numbers),
        ("decode_invalid_numbers", &["off", "on"], |config| &mut config.decode_invalid_numbers),
    ];
    for (name, words, field) in options {
        let config = Rc::clone(config);
        let body = move |lua: &Lua, args: LuaArgs| {
            not_more_than(&args, 1)?;
            let result = option(lua, &args, field(&mut config.borrow_mut()), words)?;
            Ok(MultiValue::from_iter([result]))
        };
        table.raw_set(name, function(lua, name, body)?)?;
    }
    let config = Rc::clone(config);
    let body = move |lua: &Lua, args: LuaArgs| {
        not_more_than(&args, 3)?;
        let config = &mut *config.borrow_mut();
        let mut convert = usize::from(config.sparse_convert);
        let first = option(lua, &args, &mut convert, &["off", "on"])?;
        config.sparse_convert = convert == 1;
        let ratio = integer(&args, 1, &mut config.sparse_ratio, 0, i64::from(i32::MAX))?;
        let safe = integer(&args, 2, &mut config.sparse_safe, 0, i64::from(i32::MAX))?;
        Ok(MultiValue::from_iter([first, ratio, safe]))
    };
    table.raw_set("encode_sparse_array", function(lua, "encode_sparse_array", body)?)
}

fn not_more_than(args: &LuaArgs, count: usize) -> Result<(), Fault> {
    match args.len() <= count {
        true => Ok(()),
        false => Err(args.fault(count, "found too many arguments")),
    }
}

/// Sets an integer if one is given; gives what holds now.
fn integer(args: &LuaArgs, index: usize, field: &mut i64, least: i64, most: i64) -> Result<Value, Fault> {
    if !matches!(args.get(index), None | Some(Value::Nil)) {
        let value = args.integer(index)?;
        if value < least || value > most {
            return Err(args.fault(index, &format!("expected integer between {least} and {most}")));
        }
        *field = value;
    }
    Ok(Value::Integer(*field))
}

/// Sets one of several words, or a truth value, if one is given; gives what holds now.
fn option(lua: &Lua, args: &LuaArgs, field: &mut usize, words: &[&str]) -> Result<Value, Fault> {
    match args.get(0) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(on)) => *field = usize::from(*on),
        Some(value) => {
            let Some(text) = as_text(value) else {
                return Err(args.wrong_type(0, "string"));
            };
            let found = words.iter().position(|word| word.as_bytes() == text);
            let shown = String::from_utf8_lossy(&text);
            *field = found.ok_or_else(|| args.fault(0, &format!("invalid option '{shown}'")))?;
        }
    }
    Ok(match *field {
        0 => Value::Boolean(false),
        1 => Value::Boolean(true),
        other => Value::String(lua.create_string(words[other])?),
    })
}

/// What cannot be written as JSON, and why.
fn cannot_serialise(value: &Value, why: &str) -> Fault {
    Fault::new(format!("Cannot serialise {}: {why}", type_name(value)))
}
