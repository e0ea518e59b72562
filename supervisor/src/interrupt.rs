//! Ending a run from outside: Ctrl-C, SIGTERM, SIGHUP.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Told to everything that waits.
#[derive(Clone)]
pub struct Interrupt(watch::Receiver<Option<String>>);

impl Interrupt {
    /// Listens for signals: the first asks for an orderly end, the second ends the process at once (the
    /// guardian then ends the nodes). Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// When handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(None);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::task::spawn_local(async move {
            for count in 1.. {
                let name = tokio::select! {
                    _ = interrupt.recv() => "interrupted (Ctrl-C)",
                    _ = terminate.recv() => "terminated (SIGTERM)",
                    _ = hang_up.recv() => "the terminal is gone (SIGHUP)",
                };
                if count > 1 {
                    std::process::exit(130);
                }
                let _ = sender.send(Some(name.to_owned()));
            }
        });
        Ok(Self(receiver))
    }

    /// One that never comes.
    pub fn never() -> Self {
        Self(watch::channel(None).1)
    }

    /// Why the run is to end, if it is.
    pub fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Completes with the reason once the run is to end.
    pub async fn wait(&self) -> String {
        let mut receiver = self.0.clone();
        let reason = receiver.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // Nobody can interrupt any more.
            None => std::future::pending().await,
        }
    }
}
