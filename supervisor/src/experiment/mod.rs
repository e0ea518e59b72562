//! Runs a script's experiments on a world.
//!
//! For each repeat the world begins a fresh topology, the script is evaluated anew with the same parameters,
//! seed and ports, what it declares is compared with the plan, and that one body is called in place. How it
//! ended decides the outcome; what happened is in the world's history, not here.

#[cfg(test)]
mod fake_world;
pub mod living;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rhai::EvalAltResult;

use crate::history::{During, Moment, Outcome, What};
use crate::lang::failure::{FailureKind, Halt, failure_in, halt_in};
use crate::lang::session::{Running, Session};
use crate::lang::wait::LOG_NOTE;
use crate::lang::{Diagnostic, Inputs, Script, evaluate, nearest_experiment, run_repeat};
use crate::plan::{Experiment, Ids, Plan};
use crate::ports::RecordedPorts;
use crate::world::{Begun, World, WorldError};

/// Which experiments are run, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only experiments whose name contains this, in any case of letters.
    pub only: Option<String>,
    /// As often as this instead of as the script says.
    pub repeat: Option<u32>,
}

/// One repeat of one experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    /// Which.
    pub during: During,
    /// How it ended, as the history has it.
    pub outcome: Outcome,
    /// What stands behind a bad outcome, for the exit code.
    pub cause: Cause,
    /// Why it ended early, with its place in the script.
    pub diagnostic: Option<Diagnostic>,
}

/// What stands behind an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Every check and limit held.
    Held,
    /// A check, a limit or a wait did not hold, or a node did not answer.
    DidNotHold,
    /// The script is wrong.
    Script,
    /// The machine refused.
    Environment,
    /// The run was ended from outside.
    Interrupted,
}

impl Cause {
    /// The exit code it calls for.
    pub fn exit_code(self) -> u8 {
        match self {
            Cause::Held => 0,
            Cause::DidNotHold => 1,
            Cause::Script => 2,
            Cause::Environment => 3,
            Cause::Interrupted => 130,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Repeats in the order they ran.
    pub repeats: Vec<Repeat>,
}

impl Summary {
    /// The exit code: 0 all held, 1 something did not, 2 the script is wrong, 3 the environment refused,
    /// 130 interrupted. The gravest of all repeats counts.
    pub fn exit_code(&self) -> u8 {
        self.repeats.iter().map(|repeat| repeat.cause.exit_code()).max().unwrap_or(0)
    }
}

/// Runs the selected experiments of a script whose plan was evaluated before with the same inputs.
///
/// # Errors
/// When the selection fits no experiment, or when the script, evaluated again, declares something else.
pub fn run(
    script: &Rc<Script>,
    inputs: &Inputs,
    plan: &Plan,
    world: &Rc<RefCell<dyn World>>,
    selection: &Selection,
) -> Result<Summary, Vec<Diagnostic>> {
    let selected = select(script, plan, selection)?;
    reproduce(script, inputs, plan)?;
    let plan = Rc::new(plan.clone());
    let mut summary = Summary::default();
    for index in selected {
        let experiment = &plan.experiments[index as usize];
        for repeat in 0..selection.repeat.unwrap_or(experiment.repeat) {
            let during = During { experiment: index, repeat };
            let done = run_one(script, inputs, &plan, world, during);
            let stop = matches!(done.cause, Cause::Interrupted | Cause::Environment);
            summary.repeats.push(done);
            if stop {
                return Ok(summary);
            }
        }
    }
    Ok(summary)
}

/// The indices of the experiments to run.
fn select(script: &Script, plan: &Plan, selection: &Selection) -> Result<Vec<u32>, Vec<Diagnostic>> {
    let wanted = selection.only.as_ref().map(|only| only.to_lowercase());
    let fits = |experiment: &Experiment| {
        wanted.as_ref().is_none_or(|wanted| experiment.name.to_lowercase().contains(wanted))
    };
    let indices: Vec<u32> = plan
        .experiments
        .iter()
        .enumerate()
        .filter(|(_, experiment)| fits(experiment))
        .map(|(index, _)| index as u32)
        .collect();
    match &selection.only {
        _ if plan.experiments.is_empty() => {
            Err(vec![Diagnostic::about(script.name(), "the script declares no experiment")])
        }
        Some(only) if indices.is_empty() => Err(vec![nearest_experiment(script, plan, only)]),
        _ => Ok(indices),
    }
}

/// Evaluates the script once more: a script whose declarations depend on anything but its inputs would run
/// its experiments on another topology than the one that was started.
fn reproduce(script: &Rc<Script>, inputs: &Inputs, plan: &Plan) -> Result<(), Vec<Diagnostic>> {
    let again = evaluate(script, inputs, Box::new(RecordedPorts::of(plan)))?.plan;
    if again == *plan {
        return Ok(());
    }
    let difference = crate::lang::difference_so_far(&again, plan)
        .unwrap_or_else(|| "evaluated again, the script declares more than before".to_owned());
    Err(vec![Diagnostic::about(script.name(), difference)])
}

/// One repeat, from a fresh topology to its outcome.
fn run_one(
    script: &Rc<Script>,
    inputs: &Inputs,
    plan: &Rc<Plan>,
    world: &Rc<RefCell<dyn World>>,
    during: During,
) -> Repeat {
    let experiment = &plan.experiments[during.experiment as usize];
    let begun = world.borrow_mut().begin(experiment, during.experiment, during.repeat);
    let ending = match begun {
        Ok(begun) => run_body(script, inputs, plan, world, during, begun),
        Err(error) => Ending::of_begin(&error),
    };
    world.borrow_mut().end(ending.outcome.clone());
    Repeat { during, outcome: ending.outcome, cause: ending.cause, diagnostic: ending.diagnostic }
}

/// What an evaluation is to run.
fn running(plan: &Rc<Plan>, world: &Rc<RefCell<dyn World>>, target: Option<During>, begun: Begun) -> Running {
    Running {
        world: world.clone(),
        target,
        begun,
        expected: plan.clone(),
        ids: Ids::default(),
        inside: Cell::new(false),
        handling: Cell::new(false),
        heard: Cell::default(),
        last_action: Cell::new(Moment::default()),
        failed: Cell::new(false),
        last_call: RefCell::default(),
    }
}

/// Evaluates the script with its body, and judges how that ended.
fn run_body(
    script: &Rc<Script>,
    inputs: &Inputs,
    plan: &Rc<Plan>,
    world: &Rc<RefCell<dyn World>>,
    during: During,
    begun: Begun,
) -> Ending {
    let running = running(plan, world, Some(during), begun);
    let ports = Box::new(RecordedPorts::of(plan));
    let (session, outcome) = run_repeat(script, inputs, ports, running);
    let failed = session.running.as_ref().is_some_and(|running| running.failed.get());
    match outcome {
        Err(error) => Ending::of(&session, &error, failed),
        Ok(()) => Ending::error(
            Cause::Script,
            Diagnostic::about(script.name(), "evaluated again, the script does not declare this experiment"),
        ),
    }
}

/// What was seen instead, as a note; log lines say themselves what they are.
fn instead(line: String) -> String {
    if line.starts_with(LOG_NOTE) { line } else { format!("instead: {line}") }
}

/// Whether the repeat's time-out has passed.
fn timed_out(session: &Session) -> bool {
    session.running.as_ref().is_some_and(|running| {
        let world = running.world.borrow();
        world.deadline().is_some_and(|deadline| world.now() >= deadline)
    })
}

/// How a repeat ended.
struct Ending {
    outcome: Outcome,
    cause: Cause,
    diagnostic: Option<Diagnostic>,
}

impl Ending {
    fn judged(failed: bool, diagnostic: Option<Diagnostic>) -> Self {
        let (outcome, cause) =
            if failed { (Outcome::Failed, Cause::DidNotHold) } else { (Outcome::Passed, Cause::Held) };
        Self { outcome, cause, diagnostic }
    }

    fn error(cause: Cause, diagnostic: Diagnostic) -> Self {
        let outcome = Outcome::Error(diagnostic.summary());
        Self { outcome, cause, diagnostic: Some(diagnostic) }
    }

    /// The fresh topology did not come up.
    fn of_begin(error: &WorldError) -> Self {
        let cause = match error {
            WorldError::Interrupted(_) => Cause::Interrupted,
            WorldError::Environment(_) => Cause::Environment,
            WorldError::Unreachable { .. } | WorldError::Refused(_) | WorldError::NotYet(_) => {
                Cause::DidNotHold
            }
        };
        let mut diagnostic = Diagnostic::about("bring-up", error.to_string());
        if let WorldError::Unreachable { log, .. } = error {
            diagnostic.notes.extend(log.iter().map(|line| format!("log: {line}")));
        }
        Self { outcome: Outcome::Error(error.to_string()), cause, diagnostic: Some(diagnostic) }
    }

    /// An error or a halt that nothing caught.
    fn of(session: &Session, error: &EvalAltResult, failed: bool) -> Self {
        match halt_in(error) {
            Some(halted) => Self::of_halt(session, error, halted.halt, failed),
            None => Self::of_error(session, error),
        }
    }

    /// The body ended by itself, or was ended.
    fn of_halt(session: &Session, error: &EvalAltResult, halt: Halt, failed: bool) -> Self {
        let at = |message: String, notes: Vec<String>| session.diagnostic_at(error, message, notes);
        match halt {
            Halt::BodyDone => Self::judged(failed, None),
            Halt::Required { label } => {
                Self::judged(true, Some(at(format!("required: {label}"), Vec::new())))
            }
            Halt::TimedOut { what, seen } => {
                let notes = seen.into_iter().map(instead).collect();
                Self::judged(true, Some(at(format!("did not come: {what}"), notes)))
            }
            Halt::Deadline => Self::of_deadline(session, error),
            // The world ends what it is doing at the time-out, too.
            Halt::Interrupted(_) if timed_out(session) => Self::of_deadline(session, error),
            Halt::Interrupted(why) => Self::error(Cause::Interrupted, at(why, Vec::new())),
            Halt::Diverged(difference) => Self::error(Cause::Script, at(difference, Vec::new())),
            Halt::Endless => {
                Self::error(Cause::Script, at("the top level does not come to an end".to_owned(), Vec::new()))
            }
        }
    }

    /// The repeat's time-out passed: a check that every experiment has.
    fn of_deadline(session: &Session, error: &EvalAltResult) -> Self {
        let running = session.running.as_ref();
        let timeout = running.map_or_else(String::new, |running| {
            let index = running.target.map_or(0, |target| target.experiment as usize);
            crate::lang::format_duration(running.expected.experiments[index].timeout)
        });
        let label = format!("the experiment ends within its time-out of {timeout}");
        let diagnostic = session.diagnostic_at(
            error,
            format!("the experiment's time-out of {timeout} passed here"),
            vec!["the option `timeout` of `experiment` sets it".to_owned()],
        );
        if let Some(running) = running {
            let (line, file) = (diagnostic.line, session.imported(&diagnostic.file));
            running.world.borrow_mut().note(What::Check { label, held: false, fatal: true, line, file });
        }
        Self::judged(true, Some(diagnostic))
    }

    /// An error that nothing caught.
    fn of_error(session: &Session, error: &EvalAltResult) -> Self {
        let cause = match failure_in(error).map(|failure| failure.kind) {
            Some(FailureKind::Unreachable) => Cause::DidNotHold,
            Some(FailureKind::Environment) => Cause::Environment,
            Some(FailureKind::Script) | None => Cause::Script,
        };
        Self::error(cause, session.explain(error))
    }
}
