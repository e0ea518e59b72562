//! Arguments that a script passes to a library function, and how a function says that they are wrong.
//!
//! A library function gives a [`Fault`]; it is raised as Lua's own libraries raise theirs, with the position
//! of the caller in front.

use mlua::{Function, Lua, MultiValue, Value};

use crate::number::{from_lua_text, lua_text};
use crate::raise::Raise;

/// What is wrong, as the script's error will say after the position.
#[derive(Debug)]
pub(crate) struct Fault {
    message: String,
    /// The interpreter itself says it, not a library: without a position.
    bare: bool,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), bare: false }
    }

    /// One without a position in front.
    pub(crate) fn bare(message: impl Into<String>) -> Self {
        Self { message: message.into(), bare: true }
    }
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        match error {
            mlua::Error::MemoryError(_) => Fault::new("not enough memory"),
            error => Fault::new(error.to_string()),
        }
    }
}

/// The arguments of one call.
#[derive(Debug)]
pub(crate) struct LuaArgs {
    function: &'static str,
    values: MultiValue,
}

impl LuaArgs {
    pub(crate) fn new(function: &'static str, values: MultiValue) -> Self {
        Self { function, values }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index)
    }

    /// `bad argument #1 to 'f' (…)`, for the argument at `index`.
    pub(crate) fn fault(&self, index: usize, what: &str) -> Fault {
        Fault::new(format!("bad argument #{} to '{}' ({what})", index + 1, self.function))
    }

    /// The same where the count begins before the first argument.
    pub(crate) fn fault_before_first(&self, what: &str) -> Fault {
        Fault::new(format!("bad argument #0 to '{}' ({what})", self.function))
    }

    /// `… (number expected, got nil)`.
    pub(crate) fn wrong_type(&self, index: usize, expected: &str) -> Fault {
        let got = self.get(index).map_or("no value", type_name);
        self.fault(index, &format!("{expected} expected, got {got}"))
    }

    /// A number, or a string that reads as one.
    pub(crate) fn number(&self, index: usize) -> Result<f64, Fault> {
        self.get(index).and_then(as_number).ok_or_else(|| self.wrong_type(index, "number"))
    }

    /// A number, as a C integer: its fraction is cut off, what does not fit wraps as on x86.
    pub(crate) fn integer(&self, index: usize) -> Result<i64, Fault> {
        Ok(to_i64(self.number(index)?))
    }

    /// A string, or a number as one.
    pub(crate) fn string(&self, index: usize) -> Result<Vec<u8>, Fault> {
        self.get(index).and_then(as_text).ok_or_else(|| self.wrong_type(index, "string"))
    }
}

/// A C cast to a 64-bit integer, as x86 does it: what does not fit becomes the smallest.
pub(crate) fn to_i64(value: f64) -> i64 {
    match value {
        value if value.is_nan() || value >= 9_223_372_036_854_775_808.0 => i64::MIN,
        value => value as i64,
    }
}

/// The bytes of a string, or of a number as Lua would show it.
pub(crate) fn as_text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(number) => Some(lua_text(*number as f64).into_bytes()),
        Value::Number(number) => Some(lua_text(*number).into_bytes()),
        _ => None,
    }
}

/// A number, or a string that reads as one.
pub(crate) fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => from_lua_text(&text.as_bytes()),
        _ => None,
    }
}

/// The name Lua has for a value's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// Makes a Lua function of `body`; its faults are raised with the caller's position in front.
pub(crate) fn function(
    lua: &Lua,
    name: &'static str,
    body: impl Fn(&Lua, LuaArgs) -> Result<MultiValue, Fault> + 'static,
) -> mlua::Result<Function> {
    lua.create_function(move |lua, values: MultiValue| {
        body(lua, LuaArgs::new(name, values)).map_err(|fault| {
            let position = if fault.bare { String::new() } else { crate::raise::position(lua) };
            let text = [position.as_bytes(), fault.message.as_bytes()].concat();
            Raise::Text(text).into()
        })
    })
}
