//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take on a machine that does a lot besides.
pub const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `attempt` gives something; fails, with what is waited for, when that takes too long.
pub fn obtain<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    obtain_or(attempt, || what.to_string())
}

/// The same with words that are found when it fails.
pub fn obtain_or<T>(mut attempt: impl FnMut() -> Option<T>, what: impl FnOnce() -> String) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        if Instant::now() >= deadline {
            panic!("waited in vain: {}", what());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until the condition holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    obtain(what, || holds().then_some(()));
}
