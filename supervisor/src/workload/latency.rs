//! A histogram of latencies: 32 steps for each doubling, so a figure is off by 3 % at most.

const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;

/// Counts of latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Latency {
    /// Counts one.
    pub fn add(&mut self, us: u64) {
        let bucket = bucket(us);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    /// The value that this share (per 100,000) of all latencies does not exceed; 0 without any.
    fn quantile_us(&self, per_100k: u64) -> u64 {
        let rank = (self.total * per_100k).div_ceil(100_000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_us(bucket).min(self.max_us);
            }
        }
        self.max_us
    }

    /// p50, p99, p99.9 and the maximum.
    pub fn summary_us(&self) -> [u64; 4] {
        [self.quantile_us(50_000), self.quantile_us(99_000), self.quantile_us(99_900), self.max_us]
    }
}

/// Values below [`STEPS`] have a bucket each; above, the leading bits choose it.
fn bucket(us: u64) -> usize {
    let bits = 64 - us.leading_zeros();
    if bits <= STEP_BITS {
        return us as usize;
    }
    let shift = bits - STEP_BITS - 1;
    let step = (us >> shift) as usize;
    (shift as usize) * STEPS + step
}

/// The largest value of a bucket.
fn upper_us(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    let step = (bucket - shift * STEPS) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_its_bucket() {
        for us in (0..5000).chain([65_535, 65_536, 1 << 40, (1 << 40) - 1]) {
            let upper = upper_us(bucket(us));
            assert!(upper >= us && upper - us <= us / 32 + 1, "{us} in {upper}");
        }
        for us in 1..100_000u64 {
            assert!(bucket(us) >= bucket(us - 1));
        }
    }

    #[test]
    fn quantiles() {
        let mut latency = Latency::default();
        assert_eq!(latency.summary_us(), [0; 4]);
        for us in 1..=1000 {
            latency.add(us);
        }
        let [p50, p99, p999, max] = latency.summary_us();
        assert!((500..=516).contains(&p50), "{p50}");
        assert!((990..=1000).contains(&p99), "{p99}");
        assert!(p999 >= p99 && max == 1000);
    }
}
