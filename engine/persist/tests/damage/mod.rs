//! Random damage that follows from a seed.

/// Bytes that mean something somewhere.
const TELLING: &[u8] =
    &[0, 1, 2, 3, 9, 16, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc3, 0xf0, 0xf4, 0xfe, 0xff];

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// The seeded generator (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64) as usize
    }
}

/// Damages bytes in one to three places, at times with pieces of others.
pub(crate) fn damage(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(8)).min(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = TELLING[random.below(TELLING.len())],
            2 => bytes[at] = random.below(256) as u8,
            3 => bytes[at] = bytes[at].wrapping_add(if random.below(2) == 0 { 1 } else { 255 }),
            4 => drop(bytes.drain(at..end)),
            5 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
            6 => bytes.extend_from_within(at..end),
            _ => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                let piece = &other[from..(from + 1 + random.below(12)).min(other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
}
