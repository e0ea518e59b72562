//! The seeded generator: ids, and the desynchronisation of elections.
//!
//! Not for secrets. The generator is SplitMix64, whose whole state is the
//! seed, so that a run is repeated by repeating its inputs.

/// A deterministic generator.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// An id of 40 hexadecimal digits, as Redis gives to every process.
    pub(crate) fn id(&mut self) -> String {
        let digits: String = (0..3).map(|_| format!("{:016x}", self.next())).collect();
        digits[..40].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_id_and_another_seed_another() {
        let id = Random::new(7).id();
        assert_eq!(id.len(), 40);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(id, Random::new(7).id());
        assert_ne!(id, Random::new(8).id());
    }
}
