//! The run's clock: a monotonic one that every process forked from this one shares.
//!
//! Made once, before the guardian is forked, so that moments taken by the guardian (a kill, an exit) and by
//! the supervisor (an event's receipt) lie on one axis.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::history::Moment;

/// Moments since a fixed start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Instant,
    started_wall_ms: i64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_wall_ms = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        Self { base: Instant::now(), started_wall_ms }
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        Moment(u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Unix time in milliseconds at [`Moment`] 0.
    pub fn started_wall_ms(&self) -> i64 {
        self.started_wall_ms
    }

    /// Unix time in milliseconds at a moment.
    pub fn wall_ms(&self, moment: Moment) -> i64 {
        self.started_wall_ms.saturating_add(i64::try_from(moment.0 / 1000).unwrap_or(i64::MAX))
    }

    /// The instant of a moment, for timers.
    pub fn instant(&self, moment: Moment) -> Instant {
        // A moment "never" would overflow the kernel's clock; a century is as good.
        let century_us = 100 * 365 * 24 * 3_600 * 1_000_000;
        self.base + Duration::from_micros(moment.0.min(century_us))
    }
}
