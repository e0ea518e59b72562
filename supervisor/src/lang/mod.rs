//! The topology language: Rhai scripts that declare a topology and experiment on it.
//!
//! [`evaluate`] turns a script into a [`Plan`] and starts nothing; [`crate::experiment`] evaluates it anew
//! for each repeat and calls one body in place. The words are declared beside their code (`declare`, `handle`,
//! `act`, `observe`, `wait`, `judge`, `load`, `random`, `phase`, `chaos`, `topology`), in the form that `words`
//! sets; `check` walks
//! the syntax tree; `explain` and `diagnostic` turn what went wrong into text.
//!
//! Nothing here starts a process, opens a socket or reads a clock: experiments act through
//! [`crate::world::World`], and ports come from a [`PortAllocator`].

mod act;
mod call;
mod chaos;
mod check;
mod compare;
mod declare;
pub mod diagnostic;
mod directives;
mod engine;
mod explain;
pub(crate) mod failure;
pub(crate) mod foreign;
mod handle;
mod import;
mod judge;
mod load;
mod locate;
mod observe;
mod options;
mod phase;
mod quantity;
mod random;
mod reference;
pub mod script;
pub(crate) mod session;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod topology;
mod traps;
mod values;
pub(crate) mod wait;
mod words;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use rhai::{EvalAltResult, Scope};

pub use diagnostic::{Diagnostic, Severity, render_all};
pub use reference::reference;
pub use script::{OpenError, Script};

use crate::plan::{EngineChoice, Plan};
use crate::ports::{CountedPorts, PortAllocator, RecordedPorts};
use failure::{Halt, halt_in};
use session::{Running, Session};

/// What an evaluation depends on beside the script and the ports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Values that `-p name=value` gives to parameters.
    pub params: BTreeMap<String, String>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Server program for nodes that do not name one themselves (`run --engine`).
    pub engine: Option<EngineChoice>,
}

/// What came of an evaluation without errors.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// What the script declares.
    pub plan: Plan,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// Lines that the top level printed.
    pub printed: Vec<String>,
}

/// Evaluates a script. The ports given out are the allocator's; those that the script names are claimed
/// first, wherever they stand in the script.
///
/// # Errors
/// Every mistake that was found, warnings among them.
pub fn evaluate(
    script: &Rc<Script>,
    inputs: &Inputs,
    mut ports: Box<dyn PortAllocator>,
) -> Result<Evaluation, Vec<Diagnostic>> {
    let first = declare_all(script, inputs, Box::new(CountedPorts::default()))?;
    let explicit = std::mem::take(&mut first.state.borrow_mut().explicit_ports);
    if first.state.borrow().automatic_ports == 0 {
        return Ok(evaluation(&first));
    }
    for named in explicit {
        ports.claim(named.ip, named.port);
    }
    let second = declare_all(script, inputs, ports)?;
    Ok(evaluation(&second))
}

fn evaluation(session: &Session) -> Evaluation {
    let mut state = session.state.borrow_mut();
    Evaluation {
        plan: std::mem::take(&mut state.plan),
        warnings: std::mem::take(&mut state.mistakes),
        printed: std::mem::take(&mut state.printed),
    }
}

/// One evaluation that only declares; all mistakes if there is an error among them.
fn declare_all(
    script: &Rc<Script>,
    inputs: &Inputs,
    ports: Box<dyn PortAllocator>,
) -> Result<Rc<Session>, Vec<Diagnostic>> {
    let session = Rc::new(Session::new(script.clone(), inputs.clone(), ports, None));
    match run_script(&session) {
        Ok(()) => traps::whole_plan(&session),
        Err(error) => {
            let diagnostic = match halt_in(&error) {
                Some(halted) => explain_halt(&session, &error, &halted.halt),
                None => session.explain(&error),
            };
            session.add_mistake(diagnostic);
        }
    }
    let mistakes = session.state.borrow().mistakes.clone();
    if mistakes.iter().any(|mistake| mistake.severity == Severity::Error) {
        return Err(mistakes);
    }
    Ok(session)
}

/// Compiles and runs a session's script from top to end.
pub(crate) fn run_script(session: &Rc<Session>) -> Result<(), Box<EvalAltResult>> {
    run_script_with(session, &engine::build(session))
}

fn run_script_with(session: &Rc<Session>, engine: &rhai::Engine) -> Result<(), Box<EvalAltResult>> {
    let script = &session.script;
    let ast = engine::compile(engine, script.name(), script.source()).map_err(|error| {
        let text = script.source().to_owned();
        session.add_source(script.name(), script.name().to_owned(), text, rhai::AST::empty());
        Box::new(EvalAltResult::ErrorParsing(*error.0, error.1))
    })?;
    let source =
        session.add_source(script.name(), script.name().to_owned(), script.source().to_owned(), ast.clone());
    session.check_source(&source);
    engine.run_ast_with_scope(&mut Scope::new(), &ast)
}

/// A halt while only declaring: the top level does not end.
fn explain_halt(session: &Session, error: &EvalAltResult, halt: &Halt) -> Diagnostic {
    let message = match halt {
        Halt::Endless => "the top level does not come to an end".to_owned(),
        other => format!("the script was ended: {other:?}"),
    };
    session.diagnostic_at(error, message, Vec::new())
}

/// The diagnostic for an experiment's name that fits none.
pub(crate) fn nearest_experiment(script: &Script, plan: &Plan, wanted: &str) -> Diagnostic {
    let names: Vec<&str> = plan.experiments.iter().map(|experiment| experiment.name.as_str()).collect();
    let hint = suggest::did_you_mean(wanted, names.iter().copied())
        .unwrap_or_else(|| format!("there are {}", options::listed(&names)));
    Diagnostic::about(script.name(), format!("no experiment's name contains {wanted:?}")).note(hint)
}

/// A duration for people.
pub fn format_duration(duration: std::time::Duration) -> String {
    quantity::format_micros(duration.as_micros() as i64)
}

/// One evaluation that runs the body of one experiment.
pub(crate) fn run_repeat(
    script: &Rc<Script>,
    inputs: &Inputs,
    ports: Box<dyn PortAllocator>,
    running: Running,
) -> (Rc<Session>, Result<(), Box<EvalAltResult>>) {
    let session = Rc::new(Session::new(script.clone(), inputs.clone(), ports, Some(running)));
    let outcome = run_script(&session);
    (session, outcome)
}

/// One evaluation that runs the handlers of a topology that is up, until its world ends. `ready` is given how
/// those for readiness ended, and says whether to go on; `tell` every later error.
pub(crate) fn run_handlers(
    script: &Rc<Script>,
    inputs: &Inputs,
    running: Running,
    ready: impl FnOnce(&Session, Result<(), Box<EvalAltResult>>) -> ControlFlow<()>,
    mut tell: impl FnMut(&Session, &EvalAltResult),
) {
    let ports = Box::new(RecordedPorts::of(&running.expected));
    let session = Rc::new(Session::new(script.clone(), inputs.clone(), ports, Some(running)));
    let engine = engine::build(&session);
    let outcome = run_script_with(&session, &engine).and_then(|()| handle::begin_to_live(&session, &engine));
    if ready(&session, outcome).is_continue() {
        handle::live(&session, &engine, &mut |error| tell(&session, error));
    }
}

/// What a plan that is still growing declares otherwise than the whole one, if anything.
pub(crate) fn difference_so_far(whole: &Plan, grown: &Plan) -> Option<String> {
    fn first_difference<'a, T: PartialEq>(whole: &'a [T], grown: &'a [T]) -> Option<&'a T> {
        let other = |index: usize| whole.get(index);
        grown.iter().enumerate().find(|(index, item)| other(*index) != Some(*item)).map(|(_, item)| item)
    }
    let what = if (&whole.name, whole.network, whole.seed) != (&grown.name, grown.network, grown.seed) {
        "the topology's settings".to_owned()
    } else if let Some(node) = first_difference(&whole.nodes, &grown.nodes) {
        format!("node `{}`", node.name)
    } else if let Some(monitor) = first_difference(&whole.monitors, &grown.monitors) {
        format!("monitor `{}`", monitor.name)
    } else if let Some(handler) = first_difference(&whole.handlers, &grown.handlers) {
        format!("the handler at line {}", handler.position.line)
    } else if let Some(experiment) = first_difference(&whole.experiments, &grown.experiments) {
        format!("experiment \"{}\"", experiment.name)
    } else {
        return None;
    };
    Some(format!("evaluated again, the script declares something else: {what}"))
}
