//! The handlers of a topology that is up, without an experiment.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;

use super::{Cause, Ending, running};
use crate::lang::session::Running;
use crate::lang::{Diagnostic, Inputs, Script, run_handlers};
use crate::plan::{Ids, Plan};
use crate::world::{Begun, Heard, World};

/// Why `on_ready` has failed.
#[derive(Clone, Debug, PartialEq)]
pub struct NotReady {
    /// What stands behind it, for the exit code.
    pub cause: Cause,
    /// Why, with its place in the script; none when it was a check, which the history has.
    pub diagnostic: Option<Diagnostic>,
}

/// What handlers find when they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// A fresh topology that has just become ready.
    Fresh,
    /// One that lives already; others have heard everything before this place.
    Instead(Heard),
}

/// Runs a script's handlers on a world whose topology is ready, until the world ends: first those for
/// readiness, of which `ready` learns how they ended, then those for events as they come. What an event's
/// handler fails with goes to `tell`, and the next event has its handlers run all the same.
pub fn live(
    script: &Rc<Script>,
    inputs: &Inputs,
    plan: &Plan,
    world: &Rc<RefCell<dyn World>>,
    beginning: Beginning,
    ready: impl FnOnce(Result<(), NotReady>),
    mut tell: impl FnMut(Diagnostic),
) {
    let (begun, heard) = match beginning {
        Beginning::Fresh => (Begun::Fresh, Heard::default()),
        Beginning::Instead(heard) => (Begun::GoesOn, heard),
    };
    let running = Running {
        ids: Ids::of(plan),
        heard: Cell::new(heard),
        ..running(&Rc::new(plan.clone()), world, None, begun)
    };
    run_handlers(
        script,
        inputs,
        running,
        |session, outcome| {
            let failed = session.running.as_ref().is_some_and(|running| running.failed.replace(false));
            let ending = match &outcome {
                Ok(()) => Ending::judged(failed, None),
                Err(error) => Ending::of(session, error, failed),
            };
            if ending.cause == Cause::Held {
                ready(Ok(()));
                return ControlFlow::Continue(());
            }
            ready(Err(NotReady { cause: ending.cause, diagnostic: ending.diagnostic }));
            ControlFlow::Break(())
        },
        |session, error| {
            if let Some(diagnostic) = Ending::of(session, error, true).diagnostic {
                tell(diagnostic);
            }
        },
    );
}
