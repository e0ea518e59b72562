//! The Lua state inside the coroutine: built once, then one job after another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use corosensei::Yielder;
use mlua::chunk::ChunkMode;
use mlua::{
    Function as LuaFunction, HookTriggers, Lua, LuaOptions, MultiValue, Scope, StdLib, Table, Value, VmState,
};
use resp::Protocol;

use crate::arguments::Arguments;
use crate::library::Function;
use crate::machine::{
    Answer, Failure, Finished, Input, Job, Kind, MAX_PATTERN_BYTES, Output, Run, SLICE_INSTRUCTIONS, Step,
};
use crate::raise::{PRELUDE, Raise, Uncaught, to_lua};
use crate::random::Generator;
use crate::redis_api::ask;
use crate::to_reply::{Names, ReplyWriter};
use crate::{bit, cjson, cmsgpack, lua_args, redis_api, structs};

/// Runs between two steps of garbage collection beyond what Lua does by itself.
const RUNS_A_COLLECTION: u32 = 50;

/// What can be seen of the interpreter from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Rc<Cell<usize>>);

impl Gauge {
    pub(crate) fn used_bytes(&self) -> usize {
        self.0.get()
    }
}

/// What functions called by scripts share.
pub(crate) struct State {
    pub(crate) kind: Kind,
    /// `redis.setresp(3)`.
    pub(crate) resp3: Cell<bool>,
    /// `redis.set_repl`.
    pub(crate) replicate: Cell<u8>,
    /// The script is to end, with this error.
    pub(crate) killed: Cell<Option<&'static str>>,
    /// The buffers of the last call.
    pub(crate) arguments: RefCell<Arguments>,
    /// Functions registered and not adopted yet.
    pub(crate) pending: RefCell<Vec<(Function, LuaFunction)>>,
    generator: Cell<Generator>,
    uncaught: RefCell<Option<Uncaught>>,
    /// Leaves the stack when a slice is used up.
    slice: RefCell<Option<LuaFunction>>,
}

/// The coroutine's body.
pub(crate) fn run(kind: Kind, memory_bytes: usize, gauge: Gauge, steps: &Yielder<Input, Output>) {
    let state = Rc::new(State {
        kind,
        resp3: Cell::new(false),
        replicate: Cell::new(3),
        killed: Cell::new(None),
        arguments: RefCell::default(),
        pending: RefCell::default(),
        generator: Cell::new(Generator::new()),
        uncaught: RefCell::default(),
        slice: RefCell::default(),
    });
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
    let built = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false));
    let lua = match built {
        Ok(lua) => lua,
        Err(error) => {
            steps.suspend(Output::Ready(Err(error.to_string())));
            return;
        }
    };
    let ended = lua.scope(|scope| {
        let mut interpreter = Interpreter::new(&lua, scope, steps, Rc::clone(&state))?;
        lua.set_memory_limit(memory_bytes)?;
        gauge.0.set(lua.used_memory());
        let mut input = steps.suspend(Output::Ready(Ok(())));
        while let Input::Job(job) = input {
            let finished = interpreter.job(job);
            gauge.0.set(lua.used_memory());
            input = steps.suspend(Output::Step(Step::Finished(finished)));
        }
        Ok(())
    });
    if let Err(error) = ended {
        steps.suspend(Output::Ready(Err(error.to_string())));
    }
    state.slice.take();
    state.pending.take();
}

/// A reply's bytes, and the error it is.
type Written = (Vec<u8>, Vec<Failure>);

struct Interpreter {
    lua: Lua,
    state: Rc<State>,
    /// Scripts by SHA-1, or functions by name.
    defined: Table,
    globals: Table,
    names: Names,
    xpcall: LuaFunction,
    handler: LuaFunction,
    bind: LuaFunction,
    phase: LuaFunction,
    runs: u32,
}

impl Interpreter {
    fn new<'scope, 'env>(
        lua: &Lua,
        scope: &'scope Scope<'scope, 'env>,
        steps: &'env Yielder<Input, Output>,
        state: Rc<State>,
    ) -> mlua::Result<Self> {
        let xpcall: LuaFunction = lua.globals().raw_get("xpcall")?;
        let convert = lua.create_function(|lua, value: Value| to_lua(lua, value))?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name(format!("={PRELUDE}"));
        let sandbox: Table = prelude.into_function()?.call((convert, MAX_PATTERN_BYTES))?;
        let freeze: LuaFunction = sandbox.raw_get("freeze")?;
        let globals: Table = sandbox.raw_get("globals")?;
        let redis = redis_api::table(lua, scope, steps, &state)?;
        for (name, table) in [
            ("redis", redis),
            ("bit", bit::library(lua)?),
            ("cjson", cjson_library(lua, &freeze)?),
            ("cmsgpack", cmsgpack::library(lua)?),
            ("struct", structs::library(lua)?),
            ("math", math(lua, &sandbox, &state)?),
        ] {
            globals.raw_set(name, freeze.call::<Table>(table)?)?;
        }
        if state.kind == Kind::Functions {
            let loading: Table = sandbox.raw_get("loading")?;
            let redis = redis_api::loading_table(lua, scope, steps, &state)?;
            let strictly: LuaFunction = sandbox.raw_get("freeze_strictly")?;
            loading.raw_set("redis", strictly.call::<Table>(redis)?)?;
        }
        let shared = Rc::clone(&state);
        let handler = lua.create_function(move |lua, value: Value| {
            shared.uncaught.replace(Some(Uncaught::read(lua, &value)));
            Ok(())
        })?;
        let shared = Rc::clone(&state);
        let slice = scope.create_function(move |_, ()| {
            if let Answer::Kill(text) = ask(steps, Step::Slice) {
                shared.killed.set(Some(text));
            }
            Ok(())
        })?;
        state.slice.replace(Some(slice));
        lua.set_globals(sandbox.raw_get("environment")?)?;
        let interpreter = Self {
            lua: lua.clone(),
            defined: lua.create_table()?,
            globals,
            names: Names::new(lua)?,
            xpcall,
            handler,
            bind: sandbox.raw_get("bind")?,
            phase: sandbox.raw_get("phase")?,
            runs: 0,
            state,
        };
        interpreter.hook(SLICE_INSTRUCTIONS)?;
        Ok(interpreter)
    }

    /// Has the driver asked every so many instructions; a killed script ends at each.
    fn hook(&self, instructions: u32) -> mlua::Result<()> {
        hook(&self.lua, &self.state, instructions)
    }

    fn job(&mut self, job: Job) -> Finished {
        let failed = |error: mlua::Error| Finished::Failed(failure(&Uncaught::of_error(&error), b""));
        match job {
            Job::Define { name, body } => match self.define(&name, &body) {
                Ok(()) => Finished::Done,
                Err(text) => Finished::Failed(Failure {
                    message: format!("ERR Error compiling script (new function): {text}").into_bytes(),
                    counted: false,
                }),
            },
            Job::Forget { names } => {
                for name in names {
                    // A name that is not there is forgotten already.
                    let _ = self.defined.raw_set(name, Value::Nil);
                }
                let _ = self.lua.gc_collect();
                Finished::Done
            }
            Job::Run(run) => {
                let finished = self.run(run);
                self.after_run();
                finished
            }
            Job::Load { code } => self.load(&code).unwrap_or_else(failed),
            Job::Adopt { replaced } => self.adopt(&replaced).map_or_else(failed, |()| Finished::Done),
        }
    }

    fn compile(&self, chunk_name: &str, text: &[u8]) -> Result<LuaFunction, String> {
        if text.first() == Some(&27) {
            return Err(format!("{}:1: unexpected symbol near 'char(27)'", &chunk_name[1..]));
        }
        let chunk = self.lua.load(text).set_name(chunk_name).set_mode(ChunkMode::Text);
        chunk.into_function().map_err(|error| match error {
            mlua::Error::SyntaxError { message, .. } => message,
            mlua::Error::MemoryError(_) => "not enough memory".into(),
            other => other.to_string(),
        })
    }

    fn define(&self, name: &str, body: &[u8]) -> Result<(), String> {
        let function = self.compile("@user_script", body)?;
        self.defined.raw_set(name, function).map_err(|error| error.to_string())
    }

    fn run(&mut self, run: Run) -> Finished {
        self.state.resp3.set(false);
        self.state.replicate.set(3);
        match self.try_run(&run) {
            Ok(Ok((bytes, failures))) => Finished::Reply { bytes, failures, args: run.args },
            Ok(Err(uncaught)) => Finished::Failed(failure(&uncaught, &run.shown)),
            Err(error) => Finished::Failed(failure(&self.uncaught(&error), &run.shown)),
        }
    }

    fn try_run(&self, run: &Run) -> mlua::Result<Result<Written, Uncaught>> {
        let body: LuaFunction = self.defined.raw_get(self.lua.create_string(&run.name)?)?;
        let args = run.args.args();
        let keys = self.sequence(args.iter().take(run.keys))?;
        let values = self.sequence(args.iter().skip(run.keys))?;
        let body = match self.state.kind {
            Kind::Scripts => {
                self.globals.raw_set("KEYS", keys)?;
                self.globals.raw_set("ARGV", values)?;
                body
            }
            Kind::Functions => self.bind.call((body, keys, values))?,
        };
        match self.protected(&body)? {
            Ok(mut results) => {
                let value = results.pop_front().unwrap_or(Value::Nil);
                drop(results);
                let protocol = if run.resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
                let script_resp3 = self.state.resp3.get();
                let mut writer = ReplyWriter {
                    names: &self.names,
                    protocol,
                    script_resp3,
                    out: Vec::new(),
                    failures: Vec::new(),
                };
                writer.reply(&value)?;
                Ok(Ok((writer.out, writer.failures)))
            }
            Err(uncaught) => Ok(Err(uncaught)),
        }
    }

    fn sequence<'a>(&self, items: impl ExactSizeIterator<Item = &'a [u8]>) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(items.len(), 0)?;
        for (index, item) in items.enumerate() {
            table.raw_set(index + 1, self.lua.create_string(item)?)?;
        }
        Ok(table)
    }

    /// Calls a function; its results, or the error that nobody caught.
    fn protected(&self, body: &LuaFunction) -> mlua::Result<Result<MultiValue, Uncaught>> {
        self.state.uncaught.take();
        let mut results: MultiValue = self.xpcall.call((body, &self.handler))?;
        let ok = results.pop_front() == Some(Value::Boolean(true));
        if ok && self.state.killed.get().is_none() {
            return Ok(Ok(results));
        }
        let uncaught = self.state.uncaught.take();
        Ok(Err(uncaught.unwrap_or_else(|| match results.pop_front() {
            Some(value) if !ok => Uncaught::read(&self.lua, &value),
            _ => self.killed(),
        })))
    }

    fn uncaught(&self, error: &mlua::Error) -> Uncaught {
        match (self.state.killed.get(), self.state.uncaught.take()) {
            (Some(_), Some(uncaught)) => uncaught,
            (Some(_), None) => self.killed(),
            (None, _) => Uncaught::of_error(error),
        }
    }

    fn killed(&self) -> Uncaught {
        Uncaught::of_error(&Raise::Killed(self.state.killed.get().unwrap_or_default()).into())
    }

    fn after_run(&mut self) {
        if self.state.killed.take().is_some() {
            // Without this hook scripts would not be interrupted; with the old one they end at once.
            let _ = self.hook(SLICE_INSTRUCTIONS);
        }
        self.runs += 1;
        if self.runs.is_multiple_of(RUNS_A_COLLECTION) {
            let _ = self.lua.gc_step();
        }
    }

    fn load(&mut self, code: &[u8]) -> mlua::Result<Finished> {
        self.state.pending.take();
        let failed =
            |message: String| Ok(Finished::Failed(Failure { message: message.into(), counted: false }));
        let chunk = match self.compile("@user_function", code) {
            Ok(chunk) => chunk,
            Err(text) => return failed(format!("ERR Error compiling function: {text}")),
        };
        self.phase.call::<()>(true)?;
        let ended = self.protected(&chunk);
        self.after_run();
        self.phase.call::<()>(false)?;
        let uncaught = match ended {
            Ok(Ok(_)) => None,
            Ok(Err(uncaught)) => Some(uncaught),
            Err(error) => Some(self.uncaught(&error)),
        };
        if let Some(uncaught) = uncaught {
            self.state.pending.take();
            let text = String::from_utf8_lossy(&uncaught.message).into_owned();
            return failed(format!("ERR Error registering functions: {text}"));
        }
        let registered: Vec<Function> =
            self.state.pending.borrow().iter().map(|(function, _)| function.clone()).collect();
        match registered.is_empty() {
            true => failed("ERR No functions registered".into()),
            false => Ok(Finished::Registered(registered)),
        }
    }

    fn adopt(&self, replaced: &[Vec<u8>]) -> mlua::Result<()> {
        for name in replaced {
            self.defined.raw_set(self.lua.create_string(name)?, Value::Nil)?;
        }
        for (function, body) in self.state.pending.take() {
            self.defined.raw_set(self.lua.create_string(function.name.to_ascii_lowercase())?, body)?;
        }
        Ok(())
    }
}

fn failure(uncaught: &Uncaught, shown: &[u8]) -> Failure {
    Failure { message: uncaught.with_location(shown), counted: uncaught.counted }
}

fn hook(lua: &Lua, state: &Rc<State>, instructions: u32) -> mlua::Result<()> {
    let state = Rc::downgrade(state);
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(instructions), move |lua, _| {
        let Some(state) = state.upgrade() else { return Ok(VmState::Continue) };
        if state.killed.get().is_none() {
            let slice = state.slice.borrow().clone();
            // So deep in calls of C functions that nobody can be asked: it would never end otherwise.
            if slice.is_some_and(|slice| slice.call::<()>(()).is_err()) {
                state.killed.set(Some("C stack overflow"));
            }
        }
        match state.killed.get() {
            None => Ok(VmState::Continue),
            Some(text) => {
                // From now on at each instruction, so that nothing that catches errors goes on.
                hook(lua, &state, 1)?;
                Err(Raise::Killed(text).into())
            }
        }
    })
}

/// `cjson`, whose `new` gives another one with settings of its own.
fn cjson_library(lua: &Lua, freeze: &LuaFunction) -> mlua::Result<Table> {
    let table = cjson::library(lua)?;
    let freeze = freeze.clone();
    let new = lua.create_function(move |lua, ()| freeze.call::<Table>(cjson::library(lua)?))?;
    table.raw_set("new", new)?;
    Ok(table)
}

/// `math`, with its own generator in the place of C's.
fn math(lua: &Lua, sandbox: &Table, state: &Rc<State>) -> mlua::Result<Table> {
    let math: Table = sandbox.raw_get("math")?;
    let shared = Rc::clone(state);
    let random = lua_args::function(lua, "random", move |_, args| {
        let mut generator = shared.generator.get();
        let number = generator.random(&args);
        shared.generator.set(generator);
        Ok(MultiValue::from_iter([Value::Number(number?)]))
    })?;
    math.raw_set("random", random)?;
    let shared = Rc::clone(state);
    let seed = lua_args::function(lua, "randomseed", move |_, args| {
        let mut generator = shared.generator.get();
        generator.seed(args.integer(0)? as i32);
        shared.generator.set(generator);
        Ok(MultiValue::new())
    })?;
    math.raw_set("randomseed", seed)?;
    Ok(math)
}
