//! What one evaluation of a script knows: the plan as declared so far, mistakes, and, when an experiment
//! runs, the world it acts on.
//!
//! An evaluation either declares (nothing is started, mistakes are gathered) or runs one repeat of one
//! experiment (the same declarations again, that one body called in place).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::{AST, EvalAltResult, Map, NativeCallContext, Position};

use super::diagnostic::{Diagnostic, Severity};
use super::failure::{Failure, Halt, Halted, Outcome, Spot, Stop, failure_in, halt_in};
use super::handle::Body;
use super::import::Imports;
use super::random::Random;
use super::script::Script;
use super::values::NodeHandle;
use super::{Inputs, locate};
use crate::history::{During, Moment};
use crate::plan::{Ids, NodeId, Plan, Position as Place};
use crate::ports::PortAllocator;
use crate::world::{Begun, Heard, World};

/// One evaluation.
pub(crate) struct Session {
    pub(crate) script: Rc<Script>,
    pub(crate) inputs: Inputs,
    pub(crate) state: RefCell<State>,
    pub(crate) running: Option<Running>,
    /// Handlers with their bodies, when they are to run.
    pub(crate) handlers: RefCell<Vec<Rc<Body>>>,
    pub(crate) imports: Imports,
    /// Every source text that takes part, by the name Rhai knows it by.
    sources: RefCell<BTreeMap<String, Rc<Source>>>,
}

/// What the script has declared so far.
pub(crate) struct State {
    pub(crate) plan: Plan,
    /// Handles of the plan's nodes.
    pub(crate) nodes: Vec<NodeHandle>,
    /// What `defaults` gave.
    pub(crate) defaults: Map,
    pub(crate) topology_declared: bool,
    pub(crate) ports: Box<dyn PortAllocator>,
    pub(crate) explicit_ports: Vec<ExplicitPort>,
    pub(crate) automatic_ports: usize,
    pub(crate) random: Random,
    pub(crate) printed: Vec<String>,
    pub(crate) mistakes: Vec<Diagnostic>,
}

/// A port that the script names.
pub(crate) struct ExplicitPort {
    pub(crate) ip: std::net::IpAddr,
    pub(crate) port: u16,
    /// The node that has it, and the line that says so.
    pub(crate) node: String,
    pub(crate) line: usize,
}

/// What this evaluation is to run, and how far it is.
pub(crate) struct Running {
    pub(crate) world: Rc<RefCell<dyn World>>,
    /// The experiment and repeat; none: only the handlers of a topology that is up.
    pub(crate) target: Option<During>,
    /// What the repeat began with.
    pub(crate) begun: Begun,
    /// The plan that the evaluation must reproduce.
    pub(crate) expected: Rc<Plan>,
    /// The ids that what is declared has in the world; without one, its place in the script is its id.
    pub(crate) ids: Ids,
    /// Whether a body runs now, the experiment's or a handler's.
    pub(crate) inside: Cell<bool>,
    /// Whether it is a handler's.
    pub(crate) handling: Cell<bool>,
    /// What handlers have seen.
    pub(crate) heard: Cell<Heard>,
    /// When the experiment last acted on a node: `wait_event` looks no further back.
    pub(crate) last_action: Cell<Moment>,
    /// Whether some check or limit did not hold.
    pub(crate) failed: Cell<bool>,
    /// The last word that was called, for halts that come between calls.
    pub(crate) last_call: RefCell<(Position, Option<String>)>,
}

/// A source text and what Rhai made of it.
pub(crate) struct Source {
    /// As shown to people.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) ast: AST,
}

impl Session {
    pub(crate) fn new(
        script: Rc<Script>,
        inputs: Inputs,
        ports: Box<dyn PortAllocator>,
        running: Option<Running>,
    ) -> Self {
        let plan = Plan {
            version: crate::plan::PLAN_VERSION,
            name: script.stem(),
            seed: inputs.seed,
            ..Plan::default()
        };
        let state = State {
            plan,
            nodes: Vec::new(),
            defaults: Map::new(),
            topology_declared: false,
            ports,
            explicit_ports: Vec::new(),
            automatic_ports: 0,
            random: Random::new(inputs.seed),
            printed: Vec::new(),
            mistakes: Vec::new(),
        };
        let (handlers, sources) = (RefCell::default(), RefCell::default());
        let imports = Imports::default();
        Self { script, inputs, state: RefCell::new(state), running, handlers, imports, sources }
    }

    /// Makes a source text known under Rhai's name for it.
    pub(crate) fn add_source(&self, name: &str, file: String, text: String, ast: AST) -> Rc<Source> {
        let source = Rc::new(Source { file, text, ast });
        self.sources.borrow_mut().insert(name.to_owned(), source.clone());
        source
    }

    /// A source by Rhai's name for it; the script itself when there is none.
    pub(crate) fn source(&self, name: Option<&str>) -> Option<Rc<Source>> {
        let sources = self.sources.borrow();
        name.and_then(|name| sources.get(name)).or_else(|| sources.get(self.script.name())).cloned()
    }

    /// Does work that draws its random choices from a stream of its own.
    pub(crate) fn choosing_by<T>(&self, random: &mut Random, work: impl FnOnce() -> T) -> T {
        std::mem::swap(&mut self.state.borrow_mut().random, random);
        let given = work();
        std::mem::swap(&mut self.state.borrow_mut().random, random);
        given
    }

    /// The ids that names have in the world.
    pub(crate) fn ids(&self) -> Ids {
        self.running.as_ref().map(|running| running.ids.clone()).unwrap_or_default()
    }

    /// Every source.
    pub(crate) fn sources(&self) -> Vec<Rc<Source>> {
        self.sources.borrow().values().cloned().collect()
    }

    /// Whether an experiment's body runs now.
    pub(crate) fn inside_experiment(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.inside.get())
    }

    /// What runs; an error that says what is wrong when the word stands at top level.
    pub(crate) fn running(&self, word: &str) -> Outcome<&Running> {
        self.running.as_ref().filter(|running| running.inside.get()).ok_or_else(|| {
            Failure::new(
                Spot::Call,
                format!(
                    "`{word}` touches live nodes, and is allowed only inside `experiment`, `on_ready` and `on_event`"
                ),
            )
            .note("top level declares; nothing runs yet while it is evaluated".to_owned())
            .into()
        })
    }

    /// As [`Session::running`], for the check alone.
    pub(crate) fn require_experiment(&self, word: &str) -> Outcome<()> {
        self.running(word).map(|_| ())
    }

    /// Notes a mistake and goes on, or fails when an experiment runs.
    pub(crate) fn mistake(&self, context: &NativeCallContext<'_>, failure: Failure) -> Outcome<()> {
        if self.running.is_some() {
            return Err(failure.into());
        }
        self.remark(context, Severity::Error, failure);
        Ok(())
    }

    /// Notes a warning.
    pub(crate) fn warn(&self, context: &NativeCallContext<'_>, failure: Failure) {
        if self.running.is_none() {
            self.remark(context, Severity::Warning, failure);
        }
    }

    /// Notes a warning, unless the same has been said of another call.
    pub(crate) fn warn_once(&self, context: &NativeCallContext<'_>, failure: Failure) {
        let said = self.state.borrow().mistakes.iter().any(|known| known.message == failure.message);
        if !said {
            self.warn(context, failure);
        }
    }

    /// Notes a warning about a call that is over.
    pub(crate) fn warn_at(&self, place: &Place, failure: Failure) {
        let position = Position::new(place.line as u16, place.column as u16);
        let source = self.sources().into_iter().find(|source| source.file == place.file);
        self.add_mistake(self.diagnose(source.as_deref(), position, Severity::Warning, failure));
    }

    /// Notes what can be said about a source without running it.
    pub(crate) fn check_source(&self, source: &Source) {
        if self.running.is_some() {
            return;
        }
        for diagnostic in super::check::findings(self, source) {
            self.add_mistake(diagnostic);
        }
    }

    /// Notes a diagnostic unless one was noted for the same place: what the walk over the tree says of a
    /// call, its evaluation says again in other words. There may be several warnings for one place.
    pub(crate) fn add_mistake(&self, diagnostic: Diagnostic) {
        let place = |d: &Diagnostic| (d.severity, d.file.clone(), d.line, d.column);
        let here = place(&diagnostic);
        let same = |known: &Diagnostic| {
            let mistake = diagnostic.line > 0 && diagnostic.severity == Severity::Error;
            place(known) == here && (mistake || known.message == diagnostic.message)
        };
        let mistakes = &mut self.state.borrow_mut().mistakes;
        if !mistakes.iter().any(same) {
            mistakes.push(diagnostic);
        }
    }

    fn remark(&self, context: &NativeCallContext<'_>, severity: Severity, failure: Failure) {
        let source = self.source(context.call_source());
        let diagnostic = self.diagnose(source.as_deref(), context.call_position(), severity, failure);
        self.add_mistake(diagnostic);
    }

    /// A failure of a call as a diagnostic at the part of the call that is wrong.
    fn diagnose(
        &self,
        source: Option<&Source>,
        position: Position,
        severity: Severity,
        failure: Failure,
    ) -> Diagnostic {
        let Some(source) = source else {
            return Diagnostic::about(self.script.name(), failure.message);
        };
        let place = locate::spot(&source.ast, position, &failure.spot);
        let mut diagnostic = Diagnostic::at(severity, &source.file, &source.text, place, failure.message);
        diagnostic.notes = failure.notes;
        diagnostic
    }

    /// An error of the script engine as a diagnostic. Halts have words of their own and are not seen here.
    pub(crate) fn explain(&self, error: &EvalAltResult) -> Diagnostic {
        let (source, position) = self.place_of(error);
        let failure = failure_in(error).unwrap_or_else(|| super::explain::failure(self, error));
        self.diagnose(source.as_deref(), position, Severity::Error, failure)
    }

    /// A message of the caller's at the place that an error names.
    pub(crate) fn diagnostic_at(
        &self,
        error: &EvalAltResult,
        message: String,
        notes: Vec<String>,
    ) -> Diagnostic {
        let (source, position) = match halt_in(error) {
            Some(halted) if !halted.position.is_none() => {
                (self.source(halted.source.as_deref()), halted.position)
            }
            _ => self.place_of(error),
        };
        let mut failure = Failure::new(Spot::Call, message);
        failure.notes = notes;
        self.diagnose(source.as_deref(), position, Severity::Error, failure)
    }

    /// The innermost place that an error names.
    pub(crate) fn place_of(&self, error: &EvalAltResult) -> (Option<Rc<Source>>, Position) {
        let (mut error, mut source, mut position) = (error, self.source(None), error.position());
        loop {
            let inner = match error {
                EvalAltResult::ErrorInFunctionCall(_, name, inner, _) => {
                    source = self.source(Some(name.as_str()).filter(|name| !name.is_empty())).or(source);
                    inner
                }
                EvalAltResult::ErrorInModule(path, inner, _) => {
                    source = self.source(Some(path)).or(source);
                    inner
                }
                _ => return (source, position),
            };
            error = inner;
            if !error.position().is_none() {
                position = error.position();
            }
        }
    }

    /// A call's place as the plan holds it.
    pub(crate) fn place(&self, context: &NativeCallContext<'_>) -> Place {
        let position = context.call_position();
        let file = self
            .source(context.call_source())
            .map_or_else(|| self.script.name().to_owned(), |source| source.file.clone());
        Place { file, line: position.line().unwrap_or(0), column: position.position().unwrap_or(0) }
    }

    /// The imported file that a place is in; none for the script itself.
    pub(crate) fn imported(&self, file: &str) -> Option<String> {
        (file != self.script.name()).then(|| file.to_owned())
    }

    /// The text of a call's arguments, one by one.
    pub(crate) fn argument_texts(&self, context: &NativeCallContext<'_>) -> Vec<String> {
        let source = self.source(context.call_source());
        source.map(|source| locate::argument_texts(&source.text, context.call_position())).unwrap_or_default()
    }

    /// The handle of a node.
    pub(crate) fn handle(&self, id: NodeId) -> Option<NodeHandle> {
        self.state.borrow().nodes.iter().find(|handle| handle.id == id).cloned()
    }

    /// Notes that a word is called here.
    pub(crate) fn step_to(&self, context: &NativeCallContext<'_>) {
        if let Some(running) = &self.running {
            let source = context.call_source().map(str::to_owned);
            *running.last_call.borrow_mut() = (context.call_position(), source);
        }
    }

    /// A halt that no call raised: the place of the last call is the nearest that is known.
    pub(crate) fn between_calls(&self, halt: Halt) -> Halted {
        let last = self.running.as_ref().map(|running| running.last_call.borrow().clone());
        let (position, source) = last.unwrap_or((Position::NONE, None));
        Halted { halt, position, source }
    }

    /// What stops a script between two calls, as an error of the script engine.
    pub(crate) fn raise_between_calls(&self, stop: Stop) -> Box<EvalAltResult> {
        match stop {
            Stop::Halt(halt) => {
                let halted = self.between_calls(halt);
                let position = halted.position;
                EvalAltResult::ErrorTerminated(rhai::Dynamic::from(halted), position).into()
            }
            other => other.raise(Position::NONE, None),
        }
    }

    /// Called between the script's steps: ends a script that does not end by itself.
    pub(crate) fn progress(&self, steps: u64) -> Option<Halt> {
        /// A top level that declares a thousand nodes takes some ten thousand steps.
        const MAX_TOP_LEVEL_STEPS: u64 = 20_000_000;
        match &self.running {
            Some(running) if running.inside.get() => {
                let world = running.world.try_borrow().ok()?;
                world.deadline().filter(|at| world.now() >= *at).map(|_| Halt::Deadline)
            }
            _ => (steps > MAX_TOP_LEVEL_STEPS).then_some(Halt::Endless),
        }
    }
}
