//! How slowly the world answers at the moment.
//!
//! Ticks that come late and answers of other sentinels that take long are the
//! signs of a machine or a network under load. The worst of them is
//! remembered, and halves with time. Nothing that decides depends on it: it
//! only spreads the starts of candidates (see
//! [`failover`](crate::failover)).

use crate::time::MonoMs;

const HALF_LIFE_MS: u64 = 2_000;

/// The worst delay seen lately.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    worst: Option<(u64, MonoMs)>,
}

impl Delays {
    /// Takes a delay seen at `now`.
    pub(crate) fn note(&mut self, ms: u64, now: MonoMs) {
        if ms > 0 && ms >= self.worst_ms(now) {
            self.worst = Some((ms, now));
        }
    }

    /// What must be reckoned with at `now`, in milliseconds.
    pub(crate) fn worst_ms(&self, now: MonoMs) -> u64 {
        let Some((ms, at)) = self.worst else { return 0 };
        let halvings = now.since(at) / HALF_LIFE_MS;
        ms.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts_until_it_has_faded() {
        let mut delays = Delays::default();
        assert_eq!(delays.worst_ms(MonoMs(5)), 0);
        delays.note(80, MonoMs(1_000));
        delays.note(10, MonoMs(1_500));
        assert_eq!(delays.worst_ms(MonoMs(2_999)), 80);
        assert_eq!(delays.worst_ms(MonoMs(3_000)), 40);
        delays.note(50, MonoMs(3_100));
        assert_eq!(delays.worst_ms(MonoMs(3_100)), 50);
        assert_eq!(delays.worst_ms(MonoMs(3_100 + 1_000_000)), 0);
    }
}
