//! The terminal as the view needs it: raw, on the alternate screen, without a cursor; and as it was.
//!
//! Whoever ends the process calls [`restore`], which does nothing when there is nothing to be done: the view when
//! it closes, a panic, a second signal.

use std::io::{self, IsTerminal, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

/// Whether the terminal is the view's at present.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What the view draws on.
pub type Screen = Terminal<CrosstermBackend<io::Stdout>>;

/// Whether a view can be shown: keys come from a terminal, the drawing goes to one, and it can place its cursor.
pub fn is_able() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdin().is_terminal() && stdout().is_terminal() && !dumb
}

/// Whether a view has the terminal.
pub fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Takes the terminal over.
///
/// # Errors
/// Those of the terminal.
pub fn take() -> io::Result<Screen> {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
    TAKEN.store(true, Ordering::SeqCst);
    enter()?;
    blank()
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Hide)
}

/// An empty screen of the terminal's present size. It is made anew for every size: one that adapts itself asks
/// the terminal where its cursor is, and not every terminal answers.
///
/// # Errors
/// Those of the terminal.
pub fn blank() -> io::Result<Screen> {
    let (width, height) = size()?;
    execute!(stdout(), Clear(ClearType::All))?;
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(CrosstermBackend::new(stdout()), TerminalOptions { viewport })
}

/// Whether a screen is not of the terminal's size any more.
pub fn is_outgrown(screen: &mut Screen) -> bool {
    let area = screen.get_frame().area();
    size().is_ok_and(|size| size != (area.width, area.height))
}

/// Gives the terminal back as it was, if it was taken.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nobody is left to tell when this fails.
        let _ = execute!(stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Gives the terminal back, stops this process as Ctrl-Z does, and takes the terminal over again once it goes on.
///
/// # Errors
/// Those of the terminal.
pub fn suspend() -> io::Result<Screen> {
    restore();
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGTSTP)?;
    take()
}
