//! The `redis` table that scripts and functions see.

use std::rc::Rc;

use corosensei::Yielder;
use mlua::{Lua, MultiValue, Scope, Table, Value};

use crate::arguments::Arguments;
use crate::interpreter::State;
use crate::library::Function;
use crate::lua_args::{as_number, as_text};
use crate::machine::{Answer, Input, Kind, Output, Step};
use crate::raise::{Raise, error_table, with_code};
use crate::shebang::{Flags, INVALID_NAME, is_valid_name};
use crate::to_reply::text_or_empty;

/// The version that scripts are told.
const VERSION: &str = "7.2.4";
const VERSION_NUMBER: i64 = 0x0007_0204;

type Steps = Yielder<Input, Output>;

/// Leaves the stack until the driver has answered.
pub(crate) fn ask(steps: &Steps, step: Step) -> Answer {
    match steps.suspend(Output::Step(step)) {
        Input::Answer(answer) => answer,
        Input::Job(_) | Input::Quit => Answer::Kill("Script interrupted."),
    }
}

/// The table for running scripts.
pub(crate) fn table<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    steps: &'env Steps,
    state: &Rc<State>,
) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    constants(&redis)?;
    for (name, value) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        redis.raw_set(name, value)?;
    }
    let shared = Rc::clone(state);
    let call = move |lua: &Lua, values: MultiValue| call(lua, steps, &shared, values, Raising::Yes);
    redis.raw_set("call", scope.create_function(call)?)?;
    let shared = Rc::clone(state);
    let pcall = move |lua: &Lua, values: MultiValue| call_protected(lua, steps, &shared, values);
    redis.raw_set("pcall", scope.create_function(pcall)?)?;
    let shared = Rc::clone(state);
    let check = move |_: &Lua, values: MultiValue| check_permission(steps, &shared, values);
    redis.raw_set("acl_check_cmd", scope.create_function(check)?)?;
    redis.raw_set("log", scope.create_function(move |_, values: MultiValue| log(steps, values))?)?;
    replies(lua, &redis)?;
    settings(lua, &redis, state)?;
    if state.kind == Kind::Scripts {
        redis.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
        redis.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
        redis.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    Ok(redis)
}

/// The table for a library's code while it is loaded.
pub(crate) fn loading_table<'scope, 'env>(
    lua: &Lua,
    scope: &'scope Scope<'scope, 'env>,
    steps: &'env Steps,
    state: &Rc<State>,
) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    constants(&redis)?;
    redis.raw_set("log", scope.create_function(move |_, values: MultiValue| log(steps, values))?)?;
    let shared = Rc::clone(state);
    let register = lua.create_function(move |_, values: MultiValue| register(&shared, values))?;
    redis.raw_set("register_function", register)?;
    Ok(redis)
}

fn constants(redis: &Table) -> mlua::Result<()> {
    for (level, name) in ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"].into_iter().enumerate() {
        redis.raw_set(name, level)?;
    }
    redis.raw_set("REDIS_VERSION", VERSION)?;
    redis.raw_set("REDIS_VERSION_NUM", VERSION_NUMBER)
}

/// What becomes of a command's error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Raising {
    Yes,
    No,
}

fn call_protected(lua: &Lua, steps: &Steps, state: &State, values: MultiValue) -> mlua::Result<Value> {
    match call(lua, steps, state, values, Raising::No) {
        Err(error) => match Raise::within(&error) {
            Some(Raise::Table { message, counted }) => error_table(lua, message, *counted),
            _ => Err(error),
        },
        value => value,
    }
}

fn call(
    lua: &Lua,
    steps: &Steps,
    state: &State,
    values: MultiValue,
    raising: Raising,
) -> mlua::Result<Value> {
    let mut args = state.arguments.take();
    args.clear();
    gather(&values, &mut args)?;
    // Its strings are references that the interpreter has few of.
    drop(values);
    let step = Step::Call { args, resp3: state.resp3.get(), replicate: state.replicate.get() };
    match ask(steps, step) {
        Answer::Reply(reply, args) => {
            keep(state, args);
            if raising == Raising::Yes && reply.first() == Some(&b'-') {
                let end = reply.windows(2).position(|pair| pair == b"\r\n").unwrap_or(reply.len());
                return Err(Raise::Table { message: with_code(&reply[..end]), counted: true }.into());
            }
            crate::from_reply::read(lua, &reply)
        }
        Answer::Refused(text, args) => {
            keep(state, args);
            Err(Raise::Table { message: with_code(text.as_bytes()), counted: true }.into())
        }
        Answer::Kill(text) => {
            state.killed.set(Some(text));
            Err(Raise::Killed(text).into())
        }
        Answer::Permission(_) | Answer::Continue => Ok(Value::Nil),
    }
}

/// Arguments up to this size are kept for the next call.
const KEPT_BYTES: usize = 64 << 10;

fn keep(state: &State, args: Arguments) {
    if args.byte_len() <= KEPT_BYTES {
        state.arguments.replace(args);
    }
}

/// A command's arguments: strings, and numbers, which are written whole where they are.
fn gather(values: &MultiValue, args: &mut Arguments) -> Result<(), Raise> {
    if values.is_empty() {
        return Err(Raise::error("Please specify at least one argument for this redis lib call"));
    }
    let mut text = Vec::new();
    for value in values {
        match value {
            Value::String(string) => args.push(&string.as_bytes()),
            Value::Integer(number) => args.push(number.to_string().as_bytes()),
            Value::Number(number) => {
                text.clear();
                resp::number::write_f64(&mut text, *number);
                args.push(&text);
            }
            _ => return Err(Raise::error("Lua redis lib command arguments must be strings or integers")),
        }
    }
    Ok(())
}

fn check_permission(steps: &Steps, state: &State, values: MultiValue) -> mlua::Result<bool> {
    let mut args = Arguments::default();
    gather(&values, &mut args)?;
    drop(values);
    match ask(steps, Step::Permission(args)) {
        Answer::Permission(Some(allowed)) => Ok(allowed),
        Answer::Kill(text) => {
            state.killed.set(Some(text));
            Err(Raise::Killed(text).into())
        }
        _ => Err(Raise::error("Invalid command passed to redis.acl_check_cmd()").into()),
    }
}

fn log(steps: &Steps, values: MultiValue) -> mlua::Result<()> {
    if values.len() < 2 {
        return Err(Raise::error("redis.log() requires two arguments or more.").into());
    }
    let Some(level) = values.front().and_then(as_number) else {
        return Err(Raise::error("First argument must be a number (log level).").into());
    };
    if !(0.0..4.0).contains(&level) {
        return Err(Raise::error("Invalid debug level.").into());
    }
    let texts: Vec<Vec<u8>> = values.iter().skip(1).filter_map(as_text).collect();
    drop(values);
    ask(steps, Step::Log(level as u8, texts.join(&b' ')));
    Ok(())
}

/// `error_reply`, `status_reply`, `sha1hex`.
fn replies(lua: &Lua, redis: &Table) -> mlua::Result<()> {
    let single = |values: &MultiValue| match values.front() {
        Some(Value::String(text)) if values.len() == 1 => Some(text.as_bytes().to_vec()),
        _ => None,
    };
    let wrong = |lua: &Lua| error_table(lua, b"ERR wrong number or type of arguments", false);
    let error = lua.create_function(move |lua, values: MultiValue| match single(&values) {
        Some(text) => error_table(lua, &with_code(&text), false),
        None => wrong(lua),
    })?;
    redis.raw_set("error_reply", error)?;
    let status = lua.create_function(move |lua, values: MultiValue| match single(&values) {
        Some(text) => {
            let table = lua.create_table()?;
            table.raw_set("ok", lua.create_string(text)?)?;
            Ok(Value::Table(table))
        }
        None => wrong(lua),
    })?;
    redis.raw_set("status_reply", status)?;
    let sha1hex = lua.create_function(|_, values: MultiValue| match values.len() {
        1 => Ok(crate::sha1_hex(&text_or_empty(values.front()))),
        _ => Err(Raise::error("wrong number of arguments").into()),
    })?;
    redis.raw_set("sha1hex", sha1hex)
}

/// `setresp`, `set_repl`.
fn settings(lua: &Lua, redis: &Table, state: &Rc<State>) -> mlua::Result<()> {
    let shared = Rc::clone(state);
    let setresp = lua.create_function(move |_, values: MultiValue| {
        if values.len() != 1 {
            return Err(Raise::error("redis.setresp() requires one argument.").into());
        }
        match values.front().and_then(as_number) {
            Some(version) if version == 2.0 || version == 3.0 => {
                shared.resp3.set(version == 3.0);
                Ok(())
            }
            _ => Err(Raise::error("RESP version must be 2 or 3.").into()),
        }
    })?;
    redis.raw_set("setresp", setresp)?;
    let shared = Rc::clone(state);
    let set_repl = lua.create_function(move |_, values: MultiValue| {
        if values.len() != 1 {
            return Err(Raise::error("redis.set_repl() requires two arguments.").into());
        }
        match values.front().and_then(as_number).unwrap_or_default() {
            flags if (0.0..4.0).contains(&flags) => {
                shared.replicate.set(flags as u8);
                Ok(())
            }
            _ => Err(Raise::error(
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            )
            .into()),
        }
    })?;
    redis.raw_set("set_repl", set_repl)
}

fn register(state: &State, values: MultiValue) -> mlua::Result<()> {
    let (function, callback) = read_registration(&values)?;
    if !is_valid_name(&function.name) {
        return Err(Raise::error(INVALID_NAME).into());
    }
    let mut pending = state.pending.borrow_mut();
    if pending.iter().any(|(known, _)| known.name.eq_ignore_ascii_case(&function.name)) {
        return Err(Raise::error("Function already exists in the library").into());
    }
    pending.push((function, callback));
    Ok(())
}

fn read_registration(values: &MultiValue) -> Result<(Function, mlua::Function), Raise> {
    match (values.len(), values.front(), values.get(1)) {
        (1, Some(Value::Table(named)), _) => read_named(named),
        (1, ..) => Err(Raise::error(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing \
             named arguments).",
        )),
        (2, Some(name), Some(callback)) => {
            let Some(name) = as_text(name) else {
                return Err(Raise::error("first argument to redis.register_function must be a string"));
            };
            let Value::Function(callback) = callback else {
                return Err(Raise::error("second argument to redis.register_function must be a function"));
            };
            Ok((Function { name, description: None, flags: Flags::default() }, callback.clone()))
        }
        _ => Err(Raise::error("wrong number of arguments to redis.register_function")),
    }
}

fn read_named(named: &Table) -> Result<(Function, mlua::Function), Raise> {
    let (mut name, mut description, mut callback, mut flags) = (None, None, None, Flags::default());
    let text = |value: &Value, what: &str| {
        as_text(value).ok_or_else(|| {
            Raise::error(&format!("{what} argument given to redis.register_function must be a string"))
        })
    };
    for pair in named.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else { continue };
        let Some(key) = as_text(&key) else {
            return Err(Raise::error("named argument key given to redis.register_function is not a string"));
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => name = Some(text(&value, "function_name")?),
            b"description" => description = Some(text(&value, "description")?),
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => {
                    return Err(Raise::error(
                        "callback argument given to redis.register_function must be a function",
                    ));
                }
            },
            b"flags" => flags = read_flags(&value)?,
            _ => return Err(Raise::error("unknown argument given to redis.register_function")),
        }
    }
    let Some(name) = name else {
        return Err(Raise::error("redis.register_function must get a function name argument"));
    };
    let Some(callback) = callback else {
        return Err(Raise::error("redis.register_function must get a callback argument"));
    };
    Ok((Function { name, description, flags }, callback))
}

fn read_flags(value: &Value) -> Result<Flags, Raise> {
    let Value::Table(table) = value else {
        return Err(Raise::error(
            "flags argument to redis.register_function must be a table representing function flags",
        ));
    };
    let mut flags = Flags::default();
    for flag in table.sequence_values::<Value>() {
        let named = match flag {
            Ok(Value::String(name)) => Flags::named(&name.as_bytes()),
            _ => None,
        };
        flags = flags.and(named.ok_or_else(|| Raise::error("unknown flag given"))?);
    }
    Ok(flags)
}
