//! TILT: not trusting one's own clock.
//!
//! Redis looks at the wall clock on every tick and, when it stepped back or
//! by more than the trigger, watches without acting for a while. Here the
//! machine asks to be woken at least four times within the trigger, so a
//! larger gap means that the process stood still or the clock stepped. The
//! length of the mode is measured on the monotonic clock.

use crate::{
    core::Core,
    event::Level,
    time::{MonoMs, Now, WallMs},
};

/// The mode and what is needed to detect it.
#[derive(Debug)]
pub(crate) struct Tilt {
    pub(crate) since: Option<MonoMs>,
    previous: WallMs,
    seen_at: MonoMs,
}

impl Tilt {
    pub(crate) fn new(now: Now) -> Tilt {
        Tilt { since: None, previous: now.wall, seen_at: now.mono }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// When the clock must be looked at again.
    pub(crate) fn next_look(&self, trigger_ms: u64, tilt_ms: u64) -> MonoMs {
        let look = self.seen_at.plus((trigger_ms / 4).clamp(10, 500));
        self.since.map_or(look, |since| look.min(since.plus(tilt_ms)))
    }
}

/// Looks at the clock; enters and leaves the mode.
pub(crate) fn check(core: &mut Core) {
    let now = core.now;
    let step = now.wall.0 - core.tilt.previous.0;
    core.tilt.previous = now.wall;
    core.tilt.seen_at = now.mono;
    if step < 0 || step as u64 > core.periods.tilt_trigger_ms {
        core.tilt.since = Some(now.mono);
        core.event(Level::Warning, "+tilt", "#tilt mode entered".into());
    } else if core.tilt.since.is_some_and(|since| now.mono.since(since) >= core.periods.tilt_ms) {
        core.tilt.since = None;
        core.event(Level::Warning, "-tilt", "#tilt mode exited".into());
    }
}
