//! The coroutine in which Lua runs, and what is passed in and out.
//!
//! A Lua interpreter lives on a stack of its own. Whenever a script needs something it cannot do (run a
//! command, ask for a permission, write to the log), or has used up its slice of instructions, the stack
//! is left and the driver gets a [`Step`]; it goes on when the driver has an [`Answer`]. The driver may
//! take its time: meanwhile the machine is a value like any other.
//!
//! Limits, so that no script takes the process down:
//! - the stack: [`STACK_BYTES`] with a guard page. Lua nests at most 200 calls of C functions (each takes at
//!   most some 9 KiB, `string.gsub`), 200 levels of syntax, and what this crate's converters bound
//!   themselves; a pattern may have at most [`MAX_PATTERN_BYTES`], because the matcher recurses.
//! - the memory: [`MEMORY_BYTES`] a machine; beyond it a script gets "not enough memory".
//! - the time: every [`SLICE_INSTRUCTIONS`] the driver is asked. A kill is an error raised anew at each
//!   instruction, so that `pcall` cannot swallow it.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

pub use crate::arguments::Arguments;
use crate::interpreter;
use crate::library::Function;

/// Address space of the stack; memory is taken as it is used.
pub const STACK_BYTES: usize = 32 << 20;
/// Memory that Lua may take in a server.
pub const MEMORY_BYTES: usize = 1 << 30;
/// Longest pattern of `string.find` and its like.
pub const MAX_PATTERN_BYTES: usize = 64 << 10;
/// Instructions after which the driver is asked whether to go on.
pub const SLICE_INSTRUCTIONS: u32 = 100_000;

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scripts of EVAL.
    Scripts,
    /// Functions of libraries.
    Functions,
}

/// Work for the machine.
#[derive(Debug)]
pub enum Job {
    /// Compiles a script and keeps it under its name.
    Define {
        /// The name: its SHA-1.
        name: String,
        /// The text, without its first line if that is a shebang.
        body: Vec<u8>,
    },
    /// Forgets scripts.
    Forget {
        /// Their names.
        names: Vec<String>,
    },
    /// Runs a script or function.
    Run(Run),
    /// Runs a library's code, which registers functions. They are kept aside until they are adopted.
    Load {
        /// The code, without its first line.
        code: Vec<u8>,
    },
    /// The functions registered last take their place, instead of the old ones of these names.
    Adopt {
        /// Names in lower case of functions that go.
        replaced: Vec<Vec<u8>>,
    },
}

/// A script or function to be run.
#[derive(Debug, Default)]
pub struct Run {
    /// The script's SHA-1, or the function's name in lower case.
    pub name: Vec<u8>,
    /// The name that errors show.
    pub shown: Vec<u8>,
    /// Keys, then the other arguments.
    pub args: Arguments,
    /// How many of them are keys.
    pub keys: usize,
    /// The client speaks RESP3.
    pub resp3: bool,
}

/// Why a script failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The error's line, code in front.
    pub message: Vec<u8>,
    /// It was counted already, when the command failed that it comes from.
    pub counted: bool,
}

/// How a job ended.
#[derive(Debug)]
pub enum Finished {
    /// Defined, forgotten, adopted.
    Done,
    /// The script's reply, in the client's protocol, and errors within it that count.
    Reply {
        /// The bytes.
        bytes: Vec<u8>,
        /// The errors that the reply is or holds; each counts like a command's.
        failures: Vec<Failure>,
        /// The arguments, for their memory.
        args: Arguments,
    },
    /// The script failed.
    Failed(Failure),
    /// What a library registered.
    Registered(Vec<Function>),
}

/// What the machine needs, or has done.
#[derive(Debug)]
pub enum Step {
    /// A command to run.
    Call {
        /// Its arguments.
        args: Arguments,
        /// The reply is wanted in RESP3.
        resp3: bool,
        /// Where its effects may go: 1 the AOF, 2 replicas.
        replicate: u8,
    },
    /// Whether the user may run this command.
    Permission(Arguments),
    /// A line for the log, with its level, 0 (debug) to 3 (warning).
    Log(u8, Vec<u8>),
    /// The slice is used up.
    Slice,
    /// The job is done.
    Finished(Finished),
}

/// What the driver says to a step.
#[derive(Debug)]
pub enum Answer {
    /// The reply of a command, and the arguments back.
    Reply(Vec<u8>, Arguments),
    /// The command was refused; the error's text without its code where that is ERR, else whole.
    Refused(String, Arguments),
    /// The permission asked for; none when there is no such command.
    Permission(Option<bool>),
    /// Go on.
    Continue,
    /// Raise an error that cannot be caught, of this text.
    Kill(&'static str),
}

/// What goes into the coroutine.
pub(crate) enum Input {
    Job(Job),
    Answer(Answer),
    Quit,
}

/// What comes out of it.
pub(crate) enum Output {
    Ready(Result<(), String>),
    Step(Step),
}

/// An interpreter on a stack of its own.
pub struct Machine {
    coroutine: Coroutine<Input, Output, ()>,
    gauge: interpreter::Gauge,
    busy: bool,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Machine {{ busy: {} }}", self.busy)
    }
}

impl Machine {
    /// A machine without scripts, whose Lua may take `memory_bytes`. Fails when there is no memory for its
    /// stack.
    pub fn new(kind: Kind, memory_bytes: usize) -> Result<Self, String> {
        let stack = DefaultStack::new(STACK_BYTES).map_err(|error| error.to_string())?;
        let gauge = interpreter::Gauge::default();
        let inner = gauge.clone();
        let coroutine = Coroutine::with_stack(stack, move |yielder, _| {
            interpreter::run(kind, memory_bytes, inner, yielder)
        });
        let mut machine = Self { coroutine, gauge, busy: false };
        match machine.resume(Input::Answer(Answer::Continue)) {
            Some(Output::Ready(Ok(()))) => Ok(machine),
            Some(Output::Ready(Err(error))) => Err(error),
            _ => Err("the interpreter did not start".into()),
        }
    }

    fn resume(&mut self, input: Input) -> Option<Output> {
        if self.coroutine.done() {
            return None;
        }
        match self.coroutine.resume(input) {
            CoroutineResult::Yield(output) => Some(output),
            CoroutineResult::Return(()) => None,
        }
    }

    fn step(&mut self, input: Input) -> Step {
        let step = match self.resume(input) {
            Some(Output::Step(step)) => step,
            _ => Step::Finished(Finished::Failed(Failure {
                message: b"ERR the interpreter has ended".to_vec(),
                counted: false,
            })),
        };
        self.busy = !matches!(step, Step::Finished(_));
        step
    }

    /// Begins a job. The machine must be idle.
    pub fn start(&mut self, job: Job) -> Step {
        debug_assert!(!self.busy, "one job at a time");
        self.step(Input::Job(job))
    }

    /// Goes on with a job, after any step but the last.
    pub fn go_on(&mut self, answer: Answer) -> Step {
        debug_assert!(self.busy, "no job to go on with");
        self.step(Input::Answer(answer))
    }

    /// Does a job that needs no driver (all but running a script).
    pub fn finish(&mut self, job: Job) -> Finished {
        let mut step = self.start(job);
        loop {
            step = match step {
                Step::Finished(finished) => return finished,
                Step::Call { args, .. } => {
                    self.go_on(Answer::Refused("This Redis command is not allowed from script".into(), args))
                }
                Step::Permission(_) => self.go_on(Answer::Permission(None)),
                Step::Log(..) | Step::Slice => self.go_on(Answer::Continue),
            };
        }
    }

    /// Bytes Lua holds, as of the last job's end.
    pub fn used_bytes(&self) -> usize {
        self.gauge.used_bytes()
    }
}

impl Drop for Machine {
    /// Ends a script that is left in the middle: its stack must be walked back, not thrown away.
    fn drop(&mut self) {
        while self.busy {
            self.step(Input::Answer(Answer::Kill("Script killed by shutdown.")));
        }
        self.resume(Input::Quit);
    }
}
