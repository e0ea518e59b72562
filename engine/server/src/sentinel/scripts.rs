//! Running the sentinel's scripts: started, killed and reaped here; when, the machine decides.
//!
//! A script inherits the environment, the standard output and error, and nothing to read.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use ::sentinel::{Input, ScriptId, ScriptOutcome};

use crate::shell::Shell;

/// The scripts that run.
#[derive(Default)]
pub(super) struct Scripts {
    running: Vec<(ScriptId, Child)>,
}

impl Scripts {
    /// Starts a script, or tells that it could not be started.
    pub(super) fn start(&mut self, shell: &Shell, id: ScriptId, path: &str, args: &[String]) {
        let input = match command(path).args(args).stdin(Stdio::null()).spawn() {
            Ok(child) => {
                let pid = child.id();
                self.running.push((id, child));
                Input::ScriptStarted { id, pid }
            }
            Err(error) => Input::ScriptEnded { id, outcome: refused(&error) },
        };
        shell.with(|server, now| server.sentinel_input(input, now));
    }

    /// Kills a script; its end is reported like any other.
    pub(super) fn kill(&mut self, id: ScriptId) {
        for (_, child) in self.running.iter_mut().filter(|(running, _)| *running == id) {
            // It was not reaped yet, so the process is ours; an ended one needs no killing.
            let _ = child.kill();
        }
    }

    /// Reports the scripts that have ended.
    pub(super) fn reap(&mut self, shell: &Shell) {
        self.running.retain_mut(|(id, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                let input = Input::ScriptEnded { id: *id, outcome: outcome(status) };
                shell.with(|server, now| server.sentinel_input(input, now));
                false
            }
            Err(_) => {
                let input = Input::ScriptEnded { id: *id, outcome: ScriptOutcome::ForkFailed };
                shell.with(|server, now| server.sentinel_input(input, now));
                false
            }
        });
    }
}

/// A command that takes the path as it is: PATH is not searched.
fn command(path: &str) -> Command {
    let mut command = match path.contains('/') {
        true => Command::new(path),
        false => Command::new(format!("./{path}")),
    };
    command.arg0(path);
    command
}

/// Which failures pass: no process or memory to be had. All others are the program's.
fn refused(error: &io::Error) -> ScriptOutcome {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => ScriptOutcome::ForkFailed,
        _ => ScriptOutcome::NotExecutable,
    }
}

fn outcome(status: ExitStatus) -> ScriptOutcome {
    match status.signal() {
        Some(signal) => ScriptOutcome::Signal(signal),
        None => ScriptOutcome::Exit(status.code().unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        assert_eq!(outcome(ExitStatus::from_raw(0)), ScriptOutcome::Exit(0));
        assert_eq!(outcome(ExitStatus::from_raw(3 << 8)), ScriptOutcome::Exit(3));
        assert_eq!(outcome(ExitStatus::from_raw(9)), ScriptOutcome::Signal(9));
        let missing = command("no-such-script").spawn().err().map(|error| refused(&error));
        assert_eq!(missing, Some(ScriptOutcome::NotExecutable));
    }
}
