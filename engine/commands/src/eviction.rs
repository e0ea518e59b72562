//! Keeping the data within `maxmemory`: which keys go, how many at a time, and what is refused meanwhile.
//!
//! As Redis 7.2: before a command runs, keys are evicted until memory is below the limit; candidates are a
//! few keys drawn at random, the best of which wait in a small pool for the next time. The work is bounded
//! in time and goes on from the server's timer. It never counts what replicas have not read yet, because
//! evicting produces more of that. How access words are read is the `types` crate's.

use keyspace::{Entry, WallMs};
use types::lazy::is_large;
use types::{AccessClock, Class, Flags, Lfu};

use crate::client::{Client, State};
use crate::config::Policy;
use crate::server::Server;
use crate::table::Entry as Command;

/// Candidates kept from one time to the next.
const POOL: usize = 16;
/// Keys drawn at a time at the most, whatever `maxmemory-samples` says: more would only stall.
const MOST_SAMPLES: i64 = 64;
/// Keys evicted before the clock is read again.
const KEYS_PER_LOOK: u64 = 16;
/// How long to sleep at a time while another thread frees memory.
const FREEING_WAIT_S: f64 = 0.0002;

/// A key that may go.
#[derive(Debug)]
struct Candidate {
    /// How much it deserves to: milliseconds unused, rarity, or nearness of its end.
    idle: u64,
    db: u32,
    key: Vec<u8>,
}

/// What INFO tells of evictions since CONFIG RESETSTAT.
#[derive(Debug, Default)]
pub(crate) struct EvictionStats {
    pub(crate) evicted_keys: u64,
    pub(crate) evicted_clients: u64,
    /// Microseconds above the limit, in spells that are over.
    exceeded_us: u64,
}

/// State of eviction.
#[derive(Debug, Default)]
pub(crate) struct Eviction {
    pub(crate) stats: EvictionStats,
    /// The best candidate last.
    pool: Vec<Candidate>,
    /// Where a random policy takes the next key from.
    next_db: usize,
    /// Memory was above the limit when time ran out: the timer goes on.
    unfinished: bool,
    exceeded_since_ms: Option<u64>,
    /// What the last look before a command found; scripts are refused writes by it.
    pub(crate) out_of_memory: bool,
}

/// What came of evicting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Memory is within the limit, or need not be.
    Within,
    /// Not yet, but there is more to evict.
    Unfinished,
    /// It is not, and nothing can be evicted.
    Short,
}

impl Server {
    /// How commands stamp the keys they meet now; `touches`: whether reading is noted.
    pub(crate) fn access_clock(&self, touches: bool) -> AccessClock {
        let touches = touches && !self.persistence.child_is_running();
        match self.config.settings.maxmemory_policy.is_lfu() {
            false => AccessClock::lru(self.now.wall.0, touches),
            true => AccessClock::lfu(self.now.wall.0, self.lfu(), touches),
        }
    }

    fn lfu(&self) -> Lfu {
        let settings = &self.config.settings;
        Lfu::new(self.now.wall.0, settings.lfu_log_factor as u32, settings.lfu_decay_time as u32)
    }

    /// Memory in use, as the limit sees it before replicas' buffers are taken off.
    pub(crate) fn used_bytes(&self) -> u64 {
        let counted = || self.dbs.iter().map(|db| db.bytes() as u64).sum();
        self.host.used_bytes().unwrap_or_else(counted)
    }

    /// Memory that evicting would not win back: what replicas have still to read.
    pub(crate) fn not_counted_bytes(&self) -> u64 {
        let replicas = self.replicating.replicas.iter().filter_map(|id| self.clients.get(*id));
        let waiting: usize = replicas.map(|client| client.out.capacity() + client.unsent).sum();
        (waiting + self.replicating.pending_bytes() + self.aof_buffer_bytes()) as u64
    }

    /// How much memory is above the limit.
    pub(crate) fn excess_bytes(&self) -> u64 {
        let limit = self.config.settings.maxmemory;
        let used = self.used_bytes();
        if limit == 0 || used <= limit {
            return 0;
        }
        used.saturating_sub(self.not_counted_bytes()).saturating_sub(limit)
    }

    /// Whether there is a limit that this server keeps by itself. A replica leaves that to its master.
    pub(crate) fn limits_memory(&self) -> bool {
        let settings = &self.config.settings;
        settings.maxmemory > 0 && !(self.replicating.is_replica() && settings.replica_ignore_maxmemory)
    }

    /// Makes room before a command; gives whether the command is refused because there is none.
    pub(crate) fn is_short_of_memory(&mut self, client: &mut Client, command: &Command) -> bool {
        let short = self.evict(Some(client)) == Outcome::Short;
        self.eviction.out_of_memory = short;
        if !short || client.state.has(State::MASTER) {
            return false;
        }
        let exec = command.meta.name == "exec";
        // Queueing takes memory too.
        let queues = client.state.has(State::MULTI)
            && !matches!(command.full_name.as_str(), "exec" | "discard" | "quit" | "reset");
        command.has(Flags::DENYOOM)
            || queues
            || exec && client.rare.queued.iter().any(|queued| queued.entry.has(Flags::DENYOOM))
    }

    /// Goes on with what time was too short for.
    pub(crate) fn eviction_tick(&mut self) {
        if self.eviction.unfinished {
            self.evict(None);
        }
    }

    /// Has the timer evict until memory is within the limit.
    pub(crate) fn evict_soon(&mut self) {
        self.eviction.unfinished = self.limits_memory();
        self.timer_changed |= self.eviction.unfinished;
    }

    /// When eviction goes on by itself.
    pub(crate) fn next_eviction_ms(&self) -> Option<u64> {
        self.eviction.unfinished.then_some(self.now.mono_ms)
    }

    /// Evicts keys until memory is within the limit, or time is up.
    fn evict(&mut self, running: Option<&mut Client>) -> Outcome {
        self.eviction.unfinished = false;
        // Nothing changes under a script that was left in the middle.
        let possible = self.limits_memory()
            && self.persistence.loading.is_none()
            && self.gates.pause.is_none()
            && self.scripting.suspended.is_none();
        let excess = if possible { self.excess_bytes() } else { 0 };
        if excess == 0 {
            self.note_excess(Outcome::Within);
            return Outcome::Within;
        }
        let started_us = self.host.clock_us();
        let limit_us = time_limit_us(self.config.settings.maxmemory_eviction_tenacity);
        let mut outcome = match self.config.settings.maxmemory_policy {
            Policy::NoEviction => Outcome::Short,
            policy => self.evict_keys(policy, excess, started_us, limit_us),
        };
        self.settle_effects_of(running);
        self.free_garbage();
        // What another thread is about to free is as good as free.
        while outcome == Outcome::Short
            && self.host.lazy_free().pending > 0
            && self.host.clock_us() - started_us < limit_us
        {
            self.host.sleep(FREEING_WAIT_S);
            if self.excess_bytes() == 0 {
                outcome = Outcome::Within;
            }
        }
        let took_us = self.host.clock_us() - started_us;
        self.note_latency_us("eviction-cycle", took_us);
        if outcome == Outcome::Unfinished {
            self.eviction.unfinished = true;
            self.timer_changed = true;
        }
        self.note_excess(outcome);
        outcome
    }

    fn evict_keys(&mut self, policy: Policy, excess: u64, started_us: u64, limit_us: u64) -> Outcome {
        let (mut freed, mut keys) = (0i64, 0u64);
        while freed < excess as i64 {
            let Some((db, key)) = self.victim(policy) else { return Outcome::Short };
            let before = self.used_bytes();
            self.evict_key(db, key);
            freed += before as i64 - self.used_bytes() as i64;
            keys += 1;
            if !keys.is_multiple_of(KEYS_PER_LOOK) {
                continue;
            }
            // Freed elsewhere, memory does not show in the difference.
            if self.config.settings.lazyfree_lazy_eviction {
                self.free_garbage();
                if self.excess_bytes() == 0 {
                    break;
                }
            }
            if self.host.clock_us() - started_us > limit_us {
                return if self.excess_bytes() == 0 { Outcome::Within } else { Outcome::Unfinished };
            }
        }
        Outcome::Within
    }

    fn evict_key(&mut self, db: u32, key: Vec<u8>) {
        let lazy = self.config.settings.lazyfree_lazy_eviction;
        let started_us = self.begin_latency();
        let data = &mut self.dbs[db as usize];
        let Some(removed) = data.remove(data.hash_of(&key), &key) else { return };
        if lazy && is_large(removed.free_effort()) {
            self.garbage.values.push(removed);
        } else {
            drop(removed);
        }
        self.end_latency("eviction-del", started_us);
        self.eviction.stats.evicted_keys += 1;
        self.effects.touched(db, &key);
        self.effects.event(db, &key, Class::Evicted, "evicted");
        let verb: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
        self.propagate(db, [verb, &key].into_iter());
    }

    /// The next key to go.
    fn victim(&mut self, policy: Policy) -> Option<(u32, Vec<u8>)> {
        if matches!(policy, Policy::AllkeysRandom | Policy::VolatileRandom) {
            return self.random_victim(policy);
        }
        loop {
            let mut found = 0;
            for db in 0..self.dbs.len() {
                found += self.draw_candidates(policy, db);
            }
            if found == 0 {
                self.eviction.pool.clear();
                return None;
            }
            while let Some(candidate) = self.eviction.pool.pop() {
                let db = &self.dbs[candidate.db as usize];
                let entry = db.get(db.hash_of(&candidate.key), &candidate.key);
                // It may have gone, or become another's, since it was drawn.
                if entry.is_some_and(|entry| policy.takes_all_keys() || entry.expires_at().is_some()) {
                    return Some((candidate.db, candidate.key));
                }
            }
        }
    }

    fn random_victim(&mut self, policy: Policy) -> Option<(u32, Vec<u8>)> {
        for _ in 0..self.dbs.len() {
            let index = self.eviction.next_db % self.dbs.len();
            self.eviction.next_db = index + 1;
            let random = self.random.next_u64();
            if let Some(entry) = draw(&self.dbs[index], policy, random) {
                return Some((index as u32, entry.key().to_vec()));
            }
        }
        None
    }

    /// Draws keys of a database into the pool; gives how many keys it has to choose from.
    fn draw_candidates(&mut self, policy: Policy, index: usize) -> usize {
        let db = &self.dbs[index];
        let found = if policy.takes_all_keys() { db.len() } else { db.volatile_len() };
        if found == 0 {
            return 0;
        }
        let (clock, lfu) = (self.access_clock(false), self.lfu());
        for _ in 0..self.config.settings.maxmemory_samples.min(MOST_SAMPLES) {
            let random = self.random.next_u64();
            let Some(entry) = draw(&self.dbs[index], policy, random) else { break };
            let idle = match policy {
                Policy::VolatileTtl => u64::MAX - entry.expires_at().map_or(0, |WallMs(at)| at.max(0) as u64),
                policy if policy.is_lfu() => u64::from(255 - lfu.counter(entry.access())),
                _ => u64::from(clock.idle_seconds(entry.access())) * 1000,
            };
            self.eviction.offer(idle, index as u32, entry.key());
        }
        found
    }

    /// Keeps account of the time spent above the limit.
    fn note_excess(&mut self, outcome: Outcome) {
        let now_ms = self.now.mono_ms;
        match outcome {
            Outcome::Within => {
                if let Some(since_ms) = self.eviction.exceeded_since_ms.take() {
                    self.eviction.stats.exceeded_us += now_ms.saturating_sub(since_ms) * 1000;
                }
            }
            _ => {
                self.eviction.exceeded_since_ms.get_or_insert(now_ms);
            }
        }
    }

    /// Microseconds above the limit: in all, and in the present spell.
    pub(crate) fn exceeded_us(&self) -> (u64, u64) {
        let since = self.eviction.exceeded_since_ms;
        let current = since.map_or(0, |since_ms| self.now.mono_ms.saturating_sub(since_ms) * 1000);
        (self.eviction.stats.exceeded_us + current, current)
    }
}

impl Eviction {
    /// Takes a candidate into the pool, if it is better than the worst there or there is room.
    fn offer(&mut self, idle: u64, db: u32, key: &[u8]) {
        let at = self.pool.partition_point(|candidate| candidate.idle < idle);
        let full = self.pool.len() == POOL;
        if full && at == 0 || self.pool.iter().any(|known| known.db == db && known.key == key) {
            return;
        }
        self.pool.insert(at, Candidate { idle, db, key: key.to_vec() });
        if full {
            self.pool.remove(0);
        }
    }
}

fn draw(db: &keyspace::Db, policy: Policy, random: u64) -> Option<Entry<'_>> {
    if policy.takes_all_keys() { db.random(random) } else { db.random_volatile(random) }
}

/// `maxmemory-eviction-tenacity` as a time: up to half a millisecond linearly, then by 15 % a step, then
/// without end.
fn time_limit_us(tenacity: i64) -> u64 {
    match tenacity {
        ..=10 => 50 * tenacity.max(0) as u64,
        11..100 => (500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_the_best() {
        let mut eviction = Eviction::default();
        for idle in [5u64, 90, 3, 70, 70, 1, 1000].into_iter().chain(100..130) {
            eviction.offer(idle, 0, format!("{idle}").as_bytes());
        }
        assert_eq!(eviction.pool.len(), POOL);
        assert_eq!(eviction.pool.last().map(|candidate| candidate.idle), Some(1000));
        assert_eq!(eviction.pool.first().map(|candidate| candidate.idle), Some(115));
        eviction.offer(1, 0, b"too fresh");
        eviction.offer(1000, 0, b"1000");
        assert_eq!(eviction.pool.len(), POOL);
        assert_eq!(eviction.pool.iter().filter(|candidate| candidate.key == b"1000").count(), 1);
    }

    #[test]
    fn tenacity_is_a_time() {
        assert_eq!([0, 1, 10, 11, 100].map(time_limit_us), [0, 50, 500, 575, u64::MAX]);
        assert!((120_000_000..130_000_000).contains(&time_limit_us(99)), "two minutes");
    }
}
