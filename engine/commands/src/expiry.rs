//! Deleting keys whose deadline has passed without anyone asking for them.
//!
//! A slice of work is bounded by time, and while there is more the next slice follows after a pause, so that
//! expiring takes the share of the processor that `active-expire-effort` grants and never stalls clients for
//! long. Redis does the same work in slices of up to 25 ms. Finding the keys is the keyspace's; deleting one
//! that a command meets is the context's.

use keyspace::WallMs;
use types::{Cause, Class};

use crate::server::Server;

/// Entries looked at between two looks at the clock.
const ENTRIES_PER_STEP: usize = 1_000;
/// Longest slice.
const SLICE_US: u64 = 1_000;

/// State and figures of the cycle.
#[derive(Debug, Default)]
pub(crate) struct ExpiryCycle {
    /// The database where the next slice begins.
    next_db: usize,
    /// When the next slice is due, if the last one left work.
    again_ms: Option<u64>,
    /// Estimated share of keys with a deadline that have passed it.
    pub(crate) stale_share: f64,
    /// Slices that ended because of the time.
    pub(crate) capped: u64,
    pub(crate) total_us: u64,
}

impl ExpiryCycle {
    /// Counts from 0 again (CONFIG RESETSTAT).
    pub(crate) fn reset_figures(&mut self) {
        (self.stale_share, self.capped, self.total_us) = (0.0, 0, 0);
    }
}

impl Server {
    /// A slice of expiring; nothing on a replica, whose master leads.
    pub(crate) fn expire_cycle(&mut self) {
        self.expiry.again_ms = None;
        let paused = self.gates.pause.is_some() || self.persistence.loading.is_some();
        if !self.active_expire || self.replicating.is_replica() || paused {
            return;
        }
        let volatile: usize = self.dbs.iter().map(keyspace::Db::volatile_len).sum();
        if volatile == 0 {
            self.expiry.stale_share *= 0.95;
            return;
        }
        let started_us = self.host.clock_us();
        let (mut expired, mut capped, mut dbs_left) = (0, false, self.dbs.len());
        while dbs_left > 0 && !capped {
            let (deleted, more) = self.expire_step(self.expiry.next_db % self.dbs.len());
            expired += deleted;
            if !more {
                self.expiry.next_db = (self.expiry.next_db + 1) % self.dbs.len();
                dbs_left -= 1;
            }
            capped = (more || dbs_left > 0) && self.host.clock_us() - started_us > SLICE_US;
        }
        let share = expired as f64 / volatile as f64;
        self.expiry.stale_share = self.expiry.stale_share * 0.95 + share * 0.05;
        let took_us = self.host.clock_us() - started_us;
        self.expiry.total_us += took_us;
        self.note_latency_us("expire-cycle", took_us);
        if capped {
            self.expiry.capped += 1;
            let percent = 25 + 2 * (self.config.settings.active_expire_effort as u64 - 1);
            let pause_ms = (SLICE_US * (100 - percent) / percent).div_ceil(1000);
            self.expiry.again_ms = Some(self.now.mono_ms + pause_ms);
            self.timer_changed = true;
        }
        self.settle_effects();
    }

    /// Deletes due keys of one database; gives how many, and whether there may be more.
    fn expire_step(&mut self, index: usize) -> (usize, bool) {
        // In the very millisecond of its deadline a key is still there.
        let now = WallMs(self.now.wall.0 - 1);
        let mut due = Vec::new();
        let db = &mut self.dbs[index];
        let more = db.expire_cycle(now, ENTRIES_PER_STEP, &mut |key| due.push(key.to_vec()));
        let count = due.len();
        for key in due {
            let started_us = self.begin_latency();
            let db = &mut self.dbs[index];
            if let Some(removed) = db.remove(db.hash_of(&key), &key) {
                self.effects.discard(removed, Cause::Expired);
                self.end_latency("expire-del", started_us);
                self.effects.expired_keys += 1;
                self.effects.touched(index as u32, &key);
                self.effects.event(index as u32, &key, Class::Expired, "expired");
                self.effects.expired.push((index as u32, key));
            }
        }
        (count, more)
    }

    /// When the next slice is due, if not with the regular timer.
    pub(crate) fn next_expiry_ms(&self) -> Option<u64> {
        self.expiry.again_ms
    }

    /// Mean milliseconds until the deadlines of a database, estimated from a few keys.
    pub(crate) fn average_ttl_ms(&self, index: usize) -> i64 {
        const SAMPLES: i64 = 16;
        let seed = self.now.wall.0 as u64;
        let deadline = |n: i64| self.dbs[index].random_volatile(seed.wrapping_add(n as u64))?.expires_at();
        let left = (0..SAMPLES).filter_map(deadline).map(|at| (at.0 - self.now.wall.0).max(0));
        let (count, sum) = left.fold((0, 0i64), |(count, sum), ms| (count + 1, sum.saturating_add(ms)));
        sum.checked_div(count).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::World;

    #[test]
    fn a_slice_ends_with_its_time_and_the_rest_follows() {
        let mut world = World::new(&[]);
        let client = world.client();
        for index in 0..5_000 {
            world.send(client, &format!("SET key:{index} v PX 100"));
        }
        // Each look at the clock takes two milliseconds, so that a step is a slice.
        world.outside.borrow_mut().clock_step_us = 2_000;
        world.pass(200);
        let left = world.server.key_count();
        assert!((3_000..5_000).contains(&left), "{left}");
        assert_eq!(world.server.expiry.capped, 1);
        assert!(world.server.next_timeout_ms().is_some_and(|at| at <= 204));
        for _ in 0..10 {
            world.pass(4);
        }
        assert_eq!(world.server.key_count(), 0);
        assert!(world.server.expiry.stale_share > 0.0);
    }

    #[test]
    fn the_average_of_deadlines_is_near() {
        let mut world = World::new(&[]);
        let client = world.client();
        for index in 0..100 {
            world.send(client, &format!("SET key:{index} v PX {}\nSET other:{index} v", 50_000 + index));
        }
        assert!((50_000..50_100).contains(&world.server.average_ttl_ms(0)));
        assert_eq!(world.server.average_ttl_ms(1), 0);
    }
}
