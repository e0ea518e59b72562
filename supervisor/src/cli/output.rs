//! Writing to the terminal: plain into a pipe, coloured on a terminal unless NO_COLOR is set.

use std::io::{self, IsTerminal, Write};

/// Whether standard output takes colours.
pub(super) fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && !no_colour()
}

/// Whether standard error takes colours.
pub(super) fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && !no_colour()
}

/// `NO_COLOR` counts when it is set to anything (no-color.org).
fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Writes text to standard output. A reader that went away (`| head`) is no error worth a message.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Writes a message to standard error.
pub(super) fn complain(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}
