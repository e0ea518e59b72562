//! `topple attach`: the live view of a topology that is up.

use std::process::ExitCode;

use tokio::task::LocalSet;

use super::living::on;
use super::output::{complain, no_colour};
use super::{REFUSED, WhichRun};
use crate::control::ask::{AskError, Up};
use crate::interrupt::Interrupt;
use crate::view::draw::Palette;
use crate::view::screen::{End, View};
use crate::view::state::Purpose;
use crate::view::terminal;

/// The view's colours.
pub(super) fn palette() -> Palette {
    if no_colour() { Palette::Plain } else { Palette::Colours }
}

/// Shows the topology that the command line means until it is left.
pub(super) fn attach(which: &WhichRun) -> ExitCode {
    if !terminal::is_able() {
        complain(
            "topple: the live view needs a terminal; `topple status` and `topple events -f` print into a pipe",
        );
        return ExitCode::from(REFUSED);
    }
    on(which, show)
}

fn show(up: Up) -> Result<ExitCode, AskError> {
    let failed = |error: std::io::Error| AskError::Refused(format!("cannot show the live view: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    LocalSet::new().block_on(&runtime, async {
        let interrupt = Interrupt::on_signals().map_err(failed)?;
        let mut view = View::open(&up.dir, Purpose::Attach, palette())?;
        let end = tokio::select! {
            end = view.ended() => end,
            _ = interrupt.wait() => End::Closed,
        };
        view.close().await;
        match end {
            End::Failed(error) => Err(failed(error)),
            End::Gone => {
                super::output::print(&format!("{} is down\n", up.description.plan.name));
                Ok(ExitCode::SUCCESS)
            }
            End::Broken => Err(AskError::Refused("the live view is gone; the topology is up".to_owned())),
            End::Quit | End::Interrupted | End::Closed => Ok(ExitCode::SUCCESS),
        }
    })
}
