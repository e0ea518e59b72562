//! The `bit` library: operations on 32-bit integers, as in Lua BitOp.
//!
//! Numbers are rounded to the nearest integer (ties to even) and taken modulo 2^32; results are signed.

use mlua::{Lua, MultiValue, Table, Value};

use crate::lua_args::{Fault, LuaArgs, function};

type Unary = fn(u32) -> u32;
type Binary = fn(u32, u32) -> u32;

/// Builds the library.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let unary: [(&'static str, Unary); 3] = [("tobit", |a| a), ("bnot", |a| !a), ("bswap", u32::swap_bytes)];
    for (name, operation) in unary {
        table.raw_set(name, function(lua, name, move |_, args| Ok(result(operation(bits(&args, 0)?))))?)?;
    }
    let folds: [(&'static str, Binary); 3] =
        [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];
    for (name, operation) in folds {
        table.raw_set(name, function(lua, name, move |_, args| fold(&args, operation))?)?;
    }
    let shifts: [(&'static str, Binary); 5] = [
        ("lshift", |a, n| a << (n & 31)),
        ("rshift", |a, n| a >> (n & 31)),
        ("arshift", |a, n| ((a as i32) >> (n & 31)) as u32),
        ("rol", |a, n| a.rotate_left(n & 31)),
        ("ror", |a, n| a.rotate_right(n & 31)),
    ];
    for (name, operation) in shifts {
        let body = move |_: &Lua, args: LuaArgs| Ok(result(operation(bits(&args, 0)?, bits(&args, 1)?)));
        table.raw_set(name, function(lua, name, body)?)?;
    }
    table.raw_set("tohex", function(lua, "tohex", to_hex)?)?;
    Ok(table)
}

fn bits(args: &LuaArgs, index: usize) -> Result<u32, Fault> {
    // Adding 2^52 + 2^51 leaves the rounded value, modulo 2^32, in the low bits of the mantissa.
    Ok((args.number(index)? + 6_755_399_441_055_744.0).to_bits() as u32)
}

fn fold(args: &LuaArgs, operation: fn(u32, u32) -> u32) -> Result<MultiValue, Fault> {
    let mut value = bits(args, 0)?;
    for index in 1..args.len() {
        value = operation(value, bits(args, index)?);
    }
    Ok(result(value))
}

fn result(value: u32) -> MultiValue {
    MultiValue::from_iter([Value::Integer(i64::from(value as i32))])
}

fn to_hex(lua: &Lua, args: LuaArgs) -> Result<MultiValue, Fault> {
    let value = bits(&args, 0)?;
    let digits = if args.len() > 1 { bits(&args, 1)? as i32 } else { 8 };
    let upper = digits < 0;
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if upper { format!("{value:08X}") } else { format!("{value:08x}") };
    Ok(MultiValue::from_iter([Value::String(lua.create_string(&text[8 - count..])?)]))
}
