//! Errors that this crate raises inside Lua, and what an error says once nobody caught it.
//!
//! An error raised in Rust reaches Lua as an opaque value. The sandbox's `pcall`, `xpcall` and
//! `coroutine.resume` hand it to [`to_lua`], which makes the string or table of it that Redis's own
//! functions raise; the outermost handler reads it with [`Uncaught::read`].

use std::fmt;

use mlua::{Lua, Value};

use crate::lua_args::{as_text, type_name};

/// What the prelude is called in error positions.
pub(crate) const PRELUDE: &str = "topple_guard";

/// An error.
#[derive(Clone, Debug)]
pub(crate) enum Raise {
    /// A text, its position in front.
    Text(Vec<u8>),
    /// A table `{err = …}`.
    Table { message: Vec<u8>, counted: bool },
    /// The end of the script; not to be caught.
    Killed(&'static str),
}

impl fmt::Display for Raise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raise::Text(text) | Raise::Table { message: text, .. } => {
                f.write_str(&String::from_utf8_lossy(text))
            }
            Raise::Killed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Raise {}

impl From<Raise> for mlua::Error {
    fn from(raise: Raise) -> Self {
        mlua::Error::external(raise)
    }
}

impl Raise {
    /// `ERR …` as a table.
    pub(crate) fn error(message: &str) -> Self {
        Raise::Table { message: format!("ERR {message}").into_bytes(), counted: false }
    }

    /// What was raised, if it was one of ours.
    pub(crate) fn within(error: &mlua::Error) -> Option<&Raise> {
        match error {
            mlua::Error::CallbackError { cause, .. } => Self::within(cause),
            mlua::Error::ExternalError(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

/// The text of an error that is not ours.
fn foreign_text(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => foreign_text(cause),
        mlua::Error::MemoryError(_) => "not enough memory".into(),
        mlua::Error::RuntimeError(text) => text.clone(),
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// Reads an error's text as Redis does: a dash in front and line ends behind go, a text without a code gets
/// one.
pub(crate) fn with_code(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let text = without_line_end(text);
    match text.contains(&b' ') {
        true => text.to_vec(),
        false => [b"ERR ", text].concat(),
    }
}

/// A text without the line ends behind it.
pub(crate) fn without_line_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &text[..end]
}

/// An error as a script that catches it sees it.
pub(crate) fn to_lua(lua: &Lua, value: Value) -> mlua::Result<Value> {
    match &value {
        Value::Error(error) => match Raise::within(error) {
            Some(Raise::Text(text)) => Ok(Value::String(lua.create_string(text)?)),
            Some(Raise::Table { message, counted }) => error_table(lua, message, *counted),
            Some(Raise::Killed(_)) => Ok(value),
            None => Ok(Value::String(lua.create_string(foreign_text(error))?)),
        },
        Value::String(text) => match without_prelude(&text.as_bytes()) {
            Some(rest) => Ok(Value::String(lua.create_string(rest)?)),
            None => Ok(value.clone()),
        },
        _ => Ok(value),
    }
}

/// `{err = …}`, marked when the error was counted where it arose.
pub(crate) fn error_table(lua: &Lua, message: &[u8], counted: bool) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(message)?)?;
    if counted {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(Value::Table(table))
}

/// The text behind a position inside the prelude, if it has one.
fn without_prelude(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(PRELUDE.as_bytes())?.strip_prefix(b":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest[digits..].strip_prefix(b": ")
}

/// Where a script was, by the nearest of its own functions: the chunk's name and the line.
fn location(lua: &Lua) -> Option<(String, usize)> {
    (1..200)
        .map_while(|level| {
            lua.inspect_stack(level, |debug| {
                let source = debug.source();
                let source = source.source.as_deref().unwrap_or_default();
                source.starts_with("@user_").then(|| (source.to_string(), debug.current_line().unwrap_or(0)))
            })
        })
        .flatten()
        .next()
}

/// The position of the function that called the running one, as Lua's libraries put it before their errors.
pub(crate) fn position(lua: &Lua) -> String {
    location(lua).map_or_else(String::new, |(source, line)| format!("{}:{line}: ", &source[1..]))
}

/// An error that nobody caught.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uncaught {
    /// Its line, with its code.
    pub(crate) message: Vec<u8>,
    /// Counted where it arose.
    pub(crate) counted: bool,
    /// The chunk and line it comes from.
    pub(crate) location: Option<(String, usize)>,
}

impl Uncaught {
    /// To be called in the handler, while the stack is as it was.
    pub(crate) fn read(lua: &Lua, value: &Value) -> Self {
        let mut counted = false;
        let coded = |text: &[u8]| [b"ERR ", text].concat();
        let message = match value {
            Value::Error(error) => return Self { location: location(lua), ..Self::of_error(error) },
            Value::String(text) => match without_prelude(&text.as_bytes()) {
                Some(rest) => coded(&[position(lua).as_bytes(), rest].concat()),
                None => coded(&text.as_bytes()),
            },
            Value::Table(table) => {
                counted = table.raw_get::<bool>("ignore_error_stats_update").unwrap_or(false);
                let text = table.raw_get::<Value>("err").ok().and_then(|text| as_text(&text));
                text.unwrap_or_else(|| coded(b"unknown error"))
            }
            Value::Nil => coded(b"nil"),
            Value::Boolean(on) => coded(on.to_string().as_bytes()),
            other => coded(&as_text(other).unwrap_or_else(|| type_name(other).into())),
        };
        Self { message, counted, location: location(lua) }
    }

    /// Of an error that came out of Lua without passing the handler.
    pub(crate) fn of_error(error: &mlua::Error) -> Self {
        let (message, counted) = match Raise::within(error) {
            Some(Raise::Table { message, counted }) => (message.clone(), *counted),
            Some(Raise::Text(text)) => ([b"ERR ", text.as_slice()].concat(), false),
            Some(Raise::Killed(text)) => (format!("ERR {text}").into_bytes(), false),
            None => (format!("ERR {}", foreign_text(error)).into_bytes(), false),
        };
        Self { message, counted, location: None }
    }

    /// The whole line, with the script's name and where in it the error arose.
    pub(crate) fn with_location(&self, shown: &[u8]) -> Vec<u8> {
        let mut line = self.message.clone();
        if let Some((source, number)) = &self.location {
            line.extend_from_slice(b" script: ");
            line.extend_from_slice(shown);
            line.extend_from_slice(format!(", on {source}:{number}.").as_bytes());
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (text, coded) in [("x", "ERR x"), ("x y", "x y"), ("-x y", "x y"), ("-x\r\n", "ERR x")] {
            assert_eq!(with_code(text.as_bytes()), coded.as_bytes());
        }
    }

    #[test]
    fn positions_inside_the_prelude_go() {
        assert_eq!(without_prelude(b"topple_guard:12: bad"), Some(&b"bad"[..]));
        assert_eq!(without_prelude(b"user_script:12: bad"), None);
    }
}
