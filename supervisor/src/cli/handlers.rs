//! The handlers of a topology that is up: the script on a thread of its own, and who carries out what it asks.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::live::Live;
use super::output::{colour_on_stderr, complain};
use super::run::SCRIPT_STACK_BYTES;
use crate::experiment::Cause;
use crate::experiment::living::{NotReady, live};
use crate::history::What;
use crate::lang::{Inputs, Script};
use crate::plan::Plan;
use crate::world::World;
use crate::world_real::WorldHandle;
use crate::world_real::executor::Executor;

/// Handlers at work; they end with the value.
pub(super) struct Handlers(Option<AbortHandle>);

impl Handlers {
    /// Runs `on_ready`, then has `on_event` listen. Does nothing for a script that has neither.
    ///
    /// # Errors
    /// When `on_ready` fails.
    pub(super) async fn start(topology: &Live, script: Script, inputs: Inputs) -> Result<Self, NotReady> {
        let plan = topology.journal.plan();
        if plan.handlers.is_empty() {
            return Ok(Self(None));
        }
        let (requests, asked) = mpsc::unbounded_channel();
        let (told, mut troubles) = mpsc::unbounded_channel::<String>();
        let (sender, ready) = oneshot::channel();
        let world = WorldHandle::new(requests, topology.journal.clock());
        let plan: Plan = (*plan).clone();
        let run = move || {
            let world: Rc<RefCell<dyn World>> = Rc::new(RefCell::new(world));
            let ready = |outcome| {
                let _ = sender.send(outcome);
            };
            let tell = |trouble: crate::lang::Diagnostic| {
                complain(&trouble.render(colour_on_stderr()));
                let _ = told.send(trouble.summary());
            };
            live(&Rc::new(script), &inputs, &plan, &world, ready, tell);
        };
        let builder = std::thread::Builder::new().name("script".to_owned()).stack_size(SCRIPT_STACK_BYTES);
        if let Err(error) = builder.spawn(run) {
            complain(&format!("topple: cannot start the script's thread: {error}"));
            return Err(NotReady { cause: Cause::Environment, diagnostic: None });
        }
        let journal = topology.journal.clone();
        let executor = Executor::new(
            journal.clone(),
            topology.nodes.clone(),
            topology.stages.clone(),
            topology.interrupt.clone(),
            true,
        );
        let served = tokio::task::spawn_local(async move {
            tokio::select! {
                () = executor.serve_handlers(asked) => {}
                () = async {
                    while let Some(text) = troubles.recv().await {
                        journal.record(What::Note { node: None, text });
                    }
                    std::future::pending().await
                } => {}
            }
        });
        let handlers = Self(Some(served.abort_handle()));
        let interrupted = NotReady { cause: Cause::Interrupted, diagnostic: None };
        ready.await.unwrap_or(Err(interrupted)).map(|()| handlers)
    }
}

impl Drop for Handlers {
    /// Whatever the script waits for fails then, and its thread ends.
    fn drop(&mut self) {
        if let Some(served) = &self.0 {
            served.abort();
        }
    }
}
