//! How a word fails: with an error the script may catch, or with a halt it may not.
//!
//! A [`Failure`] says *where in the call* it lies ([`Spot`]); [`super::locate`] finds that place in the
//! syntax tree, so that the caret points at the wrong argument and not at the whole call.

use rhai::{Dynamic, EvalAltResult, Position};

use crate::world::WorldError;

/// What a word gives back.
pub(crate) type Outcome<T = Dynamic> = Result<T, Stop>;

/// Why a word did not give a value.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An error; `try` catches it.
    Fail(Box<Failure>),
    /// The end of the experiment (or of the script); `try` does not catch it.
    Halt(Halt),
    /// What a closure ended with, passed on as it is.
    Nested(Box<EvalAltResult>),
}

/// An error of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    /// Whose fault it is.
    pub(crate) kind: FailureKind,
    /// One sentence without a full stop.
    pub(crate) message: String,
    /// What was expected, what else is known.
    pub(crate) notes: Vec<String>,
    /// Which part of the call.
    pub(crate) spot: Spot,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The script's.
    Script,
    /// A node did not answer, or answered that it cannot answer yet.
    Unreachable,
    /// The machine's: no permission, port taken, binary missing.
    Environment,
}

/// A part of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The call itself.
    Call,
    /// An argument as written, a method's receiver being the first.
    Argument(usize),
    /// The name of an option in the map that is this argument.
    Key(usize, String),
    /// A key of the map that is the value of an option.
    Inner(usize, String, String),
    /// The value of an option.
    Value(usize, String),
    /// An element of the array that is the value of an option.
    Element(usize, String, usize),
}

/// A halt on its way out, with its place: Rhai puts the place of each caller on what cannot be caught.
#[derive(Clone, Debug)]
pub(crate) struct Halted {
    pub(crate) halt: Halt,
    /// None when it came between two calls.
    pub(crate) position: Position,
    /// Rhai's name of the source that the position is in.
    pub(crate) source: Option<String>,
}

/// An end that the script cannot catch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Halt {
    /// `require` did not hold.
    Required {
        /// What it says.
        label: String,
    },
    /// A wait's limit passed.
    TimedOut {
        /// What was waited for, and how long.
        what: String,
        /// What was seen instead.
        seen: Vec<String>,
    },
    /// The repeat's time-out passed.
    Deadline,
    /// The run is being ended.
    Interrupted(String),
    /// The experiment that was to run has run.
    BodyDone,
    /// This evaluation declares something else than the plan says.
    Diverged(String),
    /// The top level does not come to an end.
    Endless,
}

impl Failure {
    /// An error of the script.
    pub(crate) fn new(spot: Spot, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Script, message: message.into(), notes: Vec::new(), spot }
    }

    /// With a further note, if there is one.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<Option<String>>) -> Self {
        self.notes.extend(note.into());
        self
    }

    /// As an error of the script engine.
    pub(crate) fn raise(self, position: Position) -> Box<EvalAltResult> {
        EvalAltResult::ErrorRuntime(Dynamic::from(self), position).into()
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Stop {
    /// As an error of the script engine.
    pub(crate) fn raise(self, position: Position, source: Option<&str>) -> Box<EvalAltResult> {
        match self {
            Stop::Fail(failure) => failure.raise(position),
            Stop::Halt(halt) => {
                let halted = Halted { halt, position, source: source.map(str::to_owned) };
                EvalAltResult::ErrorTerminated(Dynamic::from(halted), position).into()
            }
            Stop::Nested(error) => error,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Fail(Box::new(failure))
    }
}

impl From<WorldError> for Stop {
    fn from(error: WorldError) -> Self {
        let message = error.to_string();
        let (kind, notes) = match error {
            WorldError::Interrupted(why) => return Stop::Halt(Halt::Interrupted(why)),
            WorldError::Unreachable { log, .. } => {
                (FailureKind::Unreachable, log.iter().map(|line| format!("log: {line}")).collect())
            }
            WorldError::NotYet(_) => (FailureKind::Unreachable, Vec::new()),
            WorldError::Refused(_) => (FailureKind::Script, Vec::new()),
            WorldError::Environment(_) => (FailureKind::Environment, Vec::new()),
        };
        Failure { kind, message, notes, spot: Spot::Call }.into()
    }
}

/// The failure or halt inside an error of the script engine, below any calls it passed through.
pub(crate) fn innermost(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            innermost(inner)
        }
        other => other,
    }
}

/// The failure that an error carries, if it carries one.
pub(crate) fn failure_in(error: &EvalAltResult) -> Option<Failure> {
    match innermost(error) {
        EvalAltResult::ErrorRuntime(value, _) => value.clone().try_cast::<Failure>(),
        _ => None,
    }
}

/// The halt that an error carries, if it carries one.
pub(crate) fn halt_in(error: &EvalAltResult) -> Option<Halted> {
    match innermost(error) {
        EvalAltResult::ErrorTerminated(value, _) => value.clone().try_cast::<Halted>(),
        _ => None,
    }
}
