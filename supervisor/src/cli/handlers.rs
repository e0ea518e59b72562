//! The handlers of a topology that is up: the script on a thread of its own, and who carries out what it asks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::live::Live;
use super::output::{colour_on_stderr, complain};
use super::run::SCRIPT_STACK_BYTES;
use crate::experiment::Cause;
use crate::experiment::living::{Beginning, NotReady, live};
use crate::history::{ReloadStage, What};
use crate::lang::{Diagnostic, Inputs, Script};
use crate::world::{Heard, World};
use crate::world_real::WorldHandle;
use crate::world_real::executor::Executor;

/// A handler that runs when others are to take its place may come to its end within this.
const LAST_ONE_LIMIT: Duration = Duration::from_secs(10);

/// Handlers at work; they end with the value.
pub(super) struct Handlers(Option<AtWork>);

struct AtWork {
    /// Gives what they have heard.
    served: JoinHandle<Heard>,
    /// Tells them that others take their place.
    replaced: Rc<Notify>,
}

impl Handlers {
    /// Runs `on_ready`, then has `on_event` listen. Does nothing for a script that has neither.
    ///
    /// # Errors
    /// When `on_ready` fails.
    pub(super) async fn start(topology: &Live, script: Script, inputs: Inputs) -> Result<Self, NotReady> {
        Self::begin(topology, script, inputs, Beginning::Fresh).await
    }

    /// Has those of another script take their place.
    pub(super) async fn replace(&mut self, topology: &Live, script: Script, inputs: Inputs) {
        let tell = |stage, text: String| topology.journal.record(What::Reload { stage, node: None, text });
        let heard = match self.0.take() {
            None => topology.journal.heard_by_now(),
            Some(mut before) => {
                before.replaced.notify_one();
                match tokio::time::timeout(LAST_ONE_LIMIT, &mut before.served).await {
                    Ok(heard) => heard.unwrap_or_else(|_| topology.journal.heard_by_now()),
                    Err(_) => {
                        before.served.abort();
                        let seconds = LAST_ONE_LIMIT.as_secs();
                        tell(
                            ReloadStage::Told,
                            format!("a handler that still ran after {seconds} s was broken off"),
                        );
                        topology.journal.heard_by_now()
                    }
                }
            }
        };
        match Self::begin(topology, script, inputs, Beginning::Instead(heard)).await {
            Ok(handlers) => *self = handlers,
            Err(failed) => {
                let why =
                    failed.diagnostic.map(|diagnostic| format!("\n{}", diagnostic.render(false).trim_end()));
                tell(ReloadStage::Failed, format!("its handlers cannot begin{}", why.unwrap_or_default()));
            }
        }
    }

    async fn begin(
        topology: &Live,
        script: Script,
        inputs: Inputs,
        beginning: Beginning,
    ) -> Result<Self, NotReady> {
        let plan = topology.journal.plan();
        if plan.handlers.is_empty() {
            return Ok(Self(None));
        }
        let (requests, asked) = mpsc::unbounded_channel();
        let (told, troubles) = mpsc::unbounded_channel::<String>();
        let (sender, ready) = oneshot::channel();
        let world = WorldHandle::new(requests, topology.journal.clock());
        let plan = (*plan).clone();
        let run = move || {
            let world: Rc<RefCell<dyn World>> = Rc::new(RefCell::new(world));
            let ready = |outcome| {
                let _ = sender.send(outcome);
            };
            let tell = |trouble: Diagnostic| {
                complain(&trouble.render(colour_on_stderr()));
                let _ = told.send(trouble.summary());
            };
            live(&Rc::new(script), &inputs, &plan, &world, beginning, ready, tell);
        };
        let builder = std::thread::Builder::new().name("script".to_owned()).stack_size(SCRIPT_STACK_BYTES);
        if let Err(error) = builder.spawn(run) {
            complain(&format!("topple: cannot start the script's thread: {error}"));
            return Err(NotReady { cause: Cause::Environment, diagnostic: None });
        }
        let handlers = Self(Some(AtWork::serve(topology, asked, troubles)));
        let interrupted = NotReady { cause: Cause::Interrupted, diagnostic: None };
        ready.await.unwrap_or(Err(interrupted)).map(|()| handlers)
    }
}

impl AtWork {
    /// Carries out what the script asks, and notes what goes wrong in it.
    fn serve(
        topology: &Live,
        asked: mpsc::UnboundedReceiver<crate::world_real::Request>,
        mut troubles: mpsc::UnboundedReceiver<String>,
    ) -> Self {
        let journal = topology.journal.clone();
        let executor = Executor::new(
            journal.clone(),
            topology.nodes.clone(),
            topology.stages.clone(),
            topology.interrupt.clone(),
            true,
        );
        let replaced = Rc::new(Notify::new());
        let told = Rc::clone(&replaced);
        let served = tokio::task::spawn_local(async move {
            tokio::select! {
                heard = executor.serve_handlers(asked, told) => heard,
                heard = async {
                    while let Some(text) = troubles.recv().await {
                        journal.record(What::Note { node: None, text });
                    }
                    std::future::pending().await
                } => heard,
            }
        });
        Self { served, replaced }
    }
}

impl Drop for AtWork {
    /// Whatever the script waits for fails then, and its thread ends.
    fn drop(&mut self) {
        self.served.abort();
    }
}
