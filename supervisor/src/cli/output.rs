//! Writing to the terminal: plain into a pipe, coloured on a terminal unless NO_COLOR is set.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::view::terminal;

/// Whether standard output takes colours.
pub(super) fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && !no_colour()
}

/// Whether standard error takes colours.
pub(super) fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && !no_colour()
}

/// `NO_COLOR` counts when it is set to anything (no-color.org).
pub(super) fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Writes text to standard output. A reader that went away (`| head`) is no error worth a message.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Messages that came while a view had the terminal.
static HELD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writes a message to standard error; once the terminal is given back, if a view has it.
pub(super) fn complain(message: &str) {
    if terminal::is_taken() {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_owned());
        return;
    }
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Writes what was held back.
pub(super) fn release_complaints() {
    let held = std::mem::take(&mut *HELD.lock().unwrap_or_else(PoisonError::into_inner));
    for message in held {
        let _ = writeln!(io::stderr().lock(), "{message}");
    }
}
