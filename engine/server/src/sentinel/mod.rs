//! What a sentinel asks of the outside: connections, time, look-ups, scripts.
//!
//! One task drives the machine: it carries out what was asked, in order, and tells it the time. Every
//! connection is a task of its own that reports what it hears. Nothing here decides anything.

mod link;
mod scripts;
mod start;

use std::collections::HashMap;
use std::future::pending;
use std::rc::Rc;

use ::sentinel::{Action, Input, LinkId};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::shell::Shell;
use link::Link;
use scripts::Scripts;

pub(crate) use start::{Programs, check_file, read};

/// Serves the sentinel as long as the process runs.
pub(crate) async fn run(shell: Rc<Shell>) {
    let mut driver = Driver { shell: shell.clone(), links: HashMap::new(), scripts: Scripts::default() };
    // Before the first script starts, or the end of one could go unnoticed.
    let mut children = signal(SignalKind::child()).ok();
    loop {
        driver.scripts.reap(&shell);
        for request in shell.with(|server, _| server.take_sentinel_requests()) {
            driver.carry_out(request);
        }
        let timeout_ms = shell.server.borrow().sentinel_timeout_ms();
        let timeout = async {
            match timeout_ms {
                Some(at_ms) => tokio::time::sleep_until(shell.instant(at_ms)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shell.sentinel.wait() => {}
            () = next(&mut children) => {}
            () = timeout => shell.with(|server, now| server.sentinel_input(Input::Tick, now)),
        }
    }
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

struct Driver {
    shell: Rc<Shell>,
    links: HashMap<LinkId, Link>,
    scripts: Scripts,
}

impl Driver {
    fn carry_out(&mut self, request: Action) {
        match request {
            Action::Connect { link, host, port } => {
                self.links.retain(|_, link| !link.is_over());
                self.links.insert(link, Link::open(&self.shell, link, host, port));
            }
            Action::Send { link, args } => {
                if let Some(link) = self.links.get(&link) {
                    link.send(&args);
                }
            }
            Action::Close { link } => drop(self.links.remove(&link)),
            Action::Resolve { host } => {
                tokio::task::spawn_local(resolve(self.shell.clone(), host));
            }
            Action::RunScript { id, path, args } => self.scripts.start(&self.shell, id, &path, &args),
            Action::KillScript { id } => self.scripts.kill(id),
            // The server itself does these at once.
            Action::Event(_) | Action::Log { .. } | Action::Persist(_) | Action::Exit { .. } => {}
        }
    }
}

async fn resolve(shell: Rc<Shell>, host: String) {
    let found = tokio::net::lookup_host((host.as_str(), 0)).await;
    let ip = found.ok().and_then(|mut addresses| addresses.next()).map(|address| address.ip());
    shell.with(|server, now| server.sentinel_input(Input::Resolved { host, ip }, now));
}
