//! [`World`] for real processes.
//!
//! The script runs on a thread of its own and holds a [`WorldHandle`]; each call is a request over a
//! channel to the runtime's thread, where [`executor`] carries it out, and the script blocks until the
//! answer comes.
//!
//! - [`executor`]: one request after the other; ends them at the repeat's time-out and at Ctrl-C.
//! - `observe`: answers to queries.
//! - `waits`: waiting for moments, changes, events and readiness.

pub mod executor;
mod observe;
mod waits;

pub(crate) use observe::named_master;

use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::mpsc::UnboundedSender;

use crate::clock::Clock;
use crate::history::{Moment, Outcome, What};
use crate::plan::Experiment;
use crate::world::{Acted, Action, Begun, Listening, Observation, Query, Wait, Waited, World, WorldError};

/// Takes the answer to a request.
pub type Reply<T> = SyncSender<Result<T, WorldError>>;

/// What the script's thread asks of the runtime's.
#[derive(Debug)]
pub enum Request {
    /// [`World::act`].
    Act(Action, Reply<Acted>),
    /// [`World::observe`].
    Observe(Query, Reply<Observation>),
    /// [`World::wait`].
    Wait(Wait, Listening, Reply<Waited>),
    /// [`World::enter_handler`].
    EnterHandler,
    /// [`World::leave_handler`].
    LeaveHandler,
    /// [`World::note`].
    Note(What),
    /// [`World::begin`]; answers with the repeat's deadline.
    Begin {
        /// The experiment.
        experiment: Experiment,
        /// Its index in the plan.
        index: u32,
        /// The repeat.
        repeat: u32,
        /// Takes the deadline and what the repeat begins with.
        reply: Reply<(Moment, Begun)>,
    },
    /// [`World::end`].
    End(Outcome, Reply<()>),
}

/// The script's side.
#[derive(Debug)]
pub struct WorldHandle {
    requests: UnboundedSender<Request>,
    clock: Clock,
    deadline: Option<Moment>,
}

impl WorldHandle {
    /// A world whose requests go to `requests`.
    pub fn new(requests: UnboundedSender<Request>, clock: Clock) -> Self {
        Self { requests, clock, deadline: None }
    }

    fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, WorldError> {
        let gone = || WorldError::Interrupted("the run is over".to_owned());
        let (reply, answer) = sync_channel(1);
        self.requests.send(request(reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl World for WorldHandle {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn act(&mut self, action: Action) -> Result<Acted, WorldError> {
        self.ask(|reply| Request::Act(action, reply))
    }

    fn observe(&mut self, query: Query) -> Result<Observation, WorldError> {
        self.ask(|reply| Request::Observe(query, reply))
    }

    fn wait(&mut self, wait: Wait, listening: &Listening) -> Result<Waited, WorldError> {
        self.ask(|reply| Request::Wait(wait, listening.clone(), reply))
    }

    // Without the runtime nothing more is done, by a handler or otherwise.
    fn enter_handler(&mut self) {
        let _ = self.requests.send(Request::EnterHandler);
    }

    fn leave_handler(&mut self) {
        let _ = self.requests.send(Request::LeaveHandler);
    }

    fn note(&mut self, what: What) {
        // Without the runtime there is no history to note it in either.
        let _ = self.requests.send(Request::Note(what));
    }

    fn begin(&mut self, experiment: &Experiment, index: u32, repeat: u32) -> Result<Begun, WorldError> {
        self.deadline = None;
        let experiment = experiment.clone();
        let (deadline, begun) = self.ask(|reply| Request::Begin { experiment, index, repeat, reply })?;
        self.deadline = Some(deadline);
        Ok(begun)
    }

    fn end(&mut self, outcome: Outcome) {
        self.deadline = None;
        let _ = self.ask(|reply| Request::End(outcome, reply));
    }

    fn deadline(&self) -> Option<Moment> {
        self.deadline
    }
}
