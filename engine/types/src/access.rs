//! The 24-bit access word of an entry: what it means under each eviction policy, and how it changes.
//!
//! Under an LRU policy (and all others but LFU) it is the time of the last use in seconds. Under an LFU
//! policy the upper 16 bits are the minute in which the counter was last brought up to date, the lower 8 a
//! logarithmic counter of uses, which grows ever more rarely and decays with time. Figures and rules are
//! those of Redis 7.2. It evicts nothing: that is the server's.

use crate::random::Random;

/// Bits of the word.
const MASK: u32 = 0x00ff_ffff;
/// What a new key counts, so that it is not the first to go.
const LFU_INITIAL: u32 = 5;
const LFU_MOST: u32 = 255;

/// How access words are read and stamped by one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessClock {
    /// What reading a key stamps, where that does not depend on what is there.
    stamp: Option<u32>,
    /// Whether reading a key is noted at all.
    touches: bool,
    /// The time, in seconds.
    seconds: u32,
    lfu: Option<Lfu>,
}

/// Counting uses: the time and the two directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lfu {
    /// Unix time in minutes, as far as 16 bits hold.
    minutes: u16,
    /// `lfu-log-factor`.
    log_factor: u32,
    /// `lfu-decay-time`, in minutes; 0: nothing decays.
    decay_minutes: u32,
}

impl Lfu {
    /// At `wall_ms`, by `lfu-log-factor` and `lfu-decay-time`.
    pub fn new(wall_ms: i64, log_factor: u32, decay_minutes: u32) -> Self {
        Self { minutes: (wall_ms / 60_000) as u16, log_factor, decay_minutes }
    }

    /// The counter of a word, less what has decayed since.
    pub fn counter(self, word: u32) -> u32 {
        let since = (word >> 8) as u16;
        // As Redis counts: a wrap around costs one minute.
        let elapsed = match self.minutes >= since {
            true => u32::from(self.minutes - since),
            false => u32::from(u16::MAX - since) + u32::from(self.minutes),
        };
        let periods = elapsed.checked_div(self.decay_minutes).unwrap_or(0);
        (word & LFU_MOST).saturating_sub(periods)
    }

    /// The word after one more use.
    pub fn used(self, word: u32, random: &mut Random) -> u32 {
        let counter = self.counter(word);
        self.word(match counter {
            LFU_MOST => LFU_MOST,
            _ => {
                let base = f64::from(counter.saturating_sub(LFU_INITIAL));
                let chance = 1.0 / (base * f64::from(self.log_factor) + 1.0);
                let drawn = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                counter + u32::from(drawn < chance)
            }
        })
    }

    /// A word with this counter, brought up to date now.
    pub fn word(self, counter: u32) -> u32 {
        u32::from(self.minutes) << 8 | counter.min(LFU_MOST)
    }
}

impl AccessClock {
    /// Times of last use. `touches`: whether reading is noted (not while a snapshot child runs, so that
    /// reading copies no memory, nor for a client that asked not to touch).
    #[inline]
    pub fn lru(wall_ms: i64, touches: bool) -> Self {
        let seconds = (wall_ms / 1000) as u32 & MASK;
        Self { stamp: touches.then_some(seconds), touches, seconds, lfu: None }
    }

    /// Counters of uses.
    pub fn lfu(wall_ms: i64, lfu: Lfu, touches: bool) -> Self {
        Self { stamp: None, touches, seconds: (wall_ms / 1000) as u32 & MASK, lfu: Some(lfu) }
    }

    /// What reading a key stamps on it, if that is the same for every key.
    #[inline(always)]
    pub fn stamp(self) -> Option<u32> {
        self.stamp
    }

    /// How uses are counted, when reading a key is to be counted.
    #[inline(always)]
    pub fn counts(self) -> Option<Lfu> {
        self.lfu.filter(|_| self.touches)
    }

    /// How uses are counted, if an LFU policy is in force.
    pub fn policy_lfu(self) -> Option<Lfu> {
        self.lfu
    }

    /// The word of a new key.
    #[inline]
    pub fn of_new(self) -> u32 {
        match self.lfu {
            None => self.seconds,
            Some(lfu) => lfu.word(LFU_INITIAL),
        }
    }

    /// The word of a key that was last used so many seconds ago (RESTORE IDLETIME, a snapshot's hint).
    pub fn of_idle(self, idle_seconds: u64) -> u32 {
        match self.lfu {
            None => self.seconds.wrapping_sub(idle_seconds.min(u64::from(MASK)) as u32) & MASK,
            Some(_) => self.of_new(),
        }
    }

    /// The word of a key with this counter (RESTORE FREQ, a snapshot's hint).
    pub fn of_frequency(self, frequency: u8) -> u32 {
        self.lfu.map_or(self.seconds, |lfu| lfu.word(u32::from(frequency)))
    }

    /// For how many seconds a key with this word has not been used, under an LRU policy.
    pub fn idle_seconds(self, word: u32) -> u32 {
        self.seconds.wrapping_sub(word) & MASK
    }

    /// The same clock, reading through it noted or not.
    pub fn with_touching(self, touches: bool) -> Self {
        let stamp = (touches && self.lfu.is_none()).then_some(self.seconds);
        Self { stamp, touches, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn counters_grow_logarithmically() {
        let lfu = Lfu::new(0, 10, 1);
        let mut random = Random::new(7);
        let mut word = lfu.word(LFU_INITIAL);
        let mut after = Vec::new();
        for uses in 1..=1_000_000u32 {
            word = lfu.used(word, &mut random);
            if [100, 1000, 100_000, 1_000_000].contains(&uses) {
                after.push(lfu.counter(word));
            }
        }
        // The documentation's table for a factor of 10: 10, 18, 142, 255.
        let near = [(6, 14), (14, 24), (130, 155), (255, 255)];
        let fits = after.iter().zip(near).all(|(counter, (least, most))| (least..=most).contains(counter));
        assert!(fits, "{after:?}");
    }

    #[test]
    fn counters_decay_by_the_minute() {
        let word = Lfu::new(10 * MINUTE_MS, 10, 2).word(8);
        let counter = |minute| Lfu::new(minute * MINUTE_MS, 10, 2).counter(word);
        assert_eq!([counter(10), counter(11), counter(12), counter(15), counter(100)], [8, 8, 7, 6, 0]);
        assert_eq!(Lfu::new(100 * MINUTE_MS, 10, 0).counter(word), 8, "nothing decays");
        // The minutes go round once in 45 days.
        let word = Lfu::new(65_530 * MINUTE_MS, 10, 1).word(200);
        assert_eq!(Lfu::new(65_540 * MINUTE_MS, 10, 1).counter(word), 200 - 9);
    }

    #[test]
    fn times_go_round() {
        let clock = AccessClock::lru(0x0100_0002 * 1000, true);
        assert_eq!((clock.stamp(), clock.of_new()), (Some(2), 2));
        assert_eq!(clock.idle_seconds(0x00ff_fffe), 4);
        assert_eq!(clock.of_idle(4), 0x00ff_fffe);
        assert_eq!(AccessClock::lru(5000, false).stamp(), None);
        assert_eq!(AccessClock::lru(5000, false).with_touching(true), AccessClock::lru(5000, true));
    }

    #[test]
    fn frequencies_are_only_kept_where_they_are_counted() {
        let lfu = Lfu::new(3 * MINUTE_MS, 10, 1);
        let counting = AccessClock::lfu(3 * MINUTE_MS, lfu, true);
        assert_eq!(lfu.counter(counting.of_frequency(200)), 200);
        assert_eq!(lfu.counter(counting.of_idle(100)), LFU_INITIAL);
        assert_eq!(AccessClock::lru(9000, true).of_frequency(200), 9);
        assert!(counting.counts().is_some() && counting.with_touching(false).counts().is_none());
    }
}
