//! Ending a run from outside: Ctrl-C, SIGTERM, SIGHUP.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// What Ctrl-C is called.
pub const CTRL_C: &str = "interrupted (Ctrl-C)";

/// Told to everything that waits.
#[derive(Clone)]
pub struct Interrupt {
    reason: watch::Receiver<Option<String>>,
    keys: mpsc::UnboundedSender<&'static str>,
}

impl Interrupt {
    /// Listens for signals: the first asks for an orderly end, the second ends the process at once (the
    /// guardian then ends the nodes). Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// When handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let (sender, reason) = watch::channel(None);
        let (keys, mut pressed) = mpsc::unbounded_channel();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::task::spawn_local(async move {
            for count in 1.. {
                let name = tokio::select! {
                    _ = interrupt.recv() => CTRL_C,
                    Some(key) = pressed.recv() => key,
                    _ = terminate.recv() => "terminated (SIGTERM)",
                    _ = hang_up.recv() => "the terminal is gone (SIGHUP)",
                };
                if count > 1 {
                    crate::view::terminal::restore();
                    std::process::exit(130);
                }
                let _ = sender.send(Some(name.to_owned()));
            }
        });
        Ok(Self { reason, keys })
    }

    /// A key that counts as a signal: the terminal sends none for Ctrl-C while a view has it.
    pub fn press(&self, reason: &'static str) {
        // Without a listener the process is about to end.
        let _ = self.keys.send(reason);
    }

    /// One that never comes.
    pub fn never() -> Self {
        Self { reason: watch::channel(None).1, keys: mpsc::unbounded_channel().0 }
    }

    /// Why the run is to end, if it is.
    pub fn reason(&self) -> Option<String> {
        self.reason.borrow().clone()
    }

    /// Completes with the reason once the run is to end.
    pub async fn wait(&self) -> String {
        let mut receiver = self.reason.clone();
        let reason = receiver.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // Nobody can interrupt any more.
            None => std::future::pending().await,
        }
    }
}
