//! Key hashes, the keyed hash function and scan cursors.
//!
//! A key's hash decides everything about its place: the top bits name the segment, the next ones
//! the bucket, the lowest eight are the fingerprint. The seed is passed in; this crate has no
//! randomness of its own. Whoever does not know the seed cannot choose colliding keys at will.

use std::hash::{BuildHasher, Hasher as _};

/// The seed of a keyed hash: 256 bits that the caller draws at random once per process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashSeed(pub [u64; 4]);

impl std::fmt::Debug for HashSeed {
    /// Does not tell it: whoever knows the seed can choose colliding keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashSeed(..)")
    }
}

/// The hash of a key under the seed of one database.
///
/// Databases made with the same seed agree on it, so it may be computed once and used with each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// The byte kept beside each entry pointer; never 0, which marks an empty lane.
    #[inline(always)]
    pub(crate) fn fingerprint(self) -> u8 {
        let byte = self.0 as u8;
        if byte == 0 { 1 } else { byte }
    }
}

/// A position of SCAN in hash order; 0 both starts and ends an iteration.
///
/// At most 53 bits are used, so that clients which keep numbers as doubles carry it unharmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(pub u64);

impl Cursor {
    /// How many low bits of a hash a cursor leaves out.
    const DROPPED_BITS: u32 = 11;

    /// The first hash that has not been visited yet. Bits beyond 53 are ignored.
    pub(crate) fn position(self) -> u64 {
        self.0 << Self::DROPPED_BITS
    }

    /// The cursor of a position that is a multiple of 2^11, as every bucket's start is.
    pub(crate) fn at(position: u64) -> Cursor {
        debug_assert_eq!(position & ((1 << Self::DROPPED_BITS) - 1), 0);
        Cursor(position >> Self::DROPPED_BITS)
    }
}

/// The hash function of a database.
#[derive(Clone)]
pub(crate) enum KeyHasher {
    /// What runs outside tests.
    Keyed(ahash::RandomState),
    /// The key's first eight bytes, big-endian: lets tests place keys where they want them.
    #[cfg(test)]
    Identity,
}

impl KeyHasher {
    pub(crate) fn new(seed: HashSeed) -> KeyHasher {
        let [a, b, c, d] = seed.0;
        KeyHasher::Keyed(ahash::RandomState::with_seeds(a, b, c, d))
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        match self {
            KeyHasher::Keyed(state) => {
                let mut hasher = state.build_hasher();
                hasher.write(key);
                KeyHash(hasher.finish())
            }
            #[cfg(test)]
            KeyHasher::Identity => {
                let mut first = [0; 8];
                let n = key.len().min(8);
                first[..n].copy_from_slice(&key[..n]);
                KeyHash(u64::from_be_bytes(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_changes_every_hash_and_bits_are_spread() {
        let one = KeyHasher::new(HashSeed([1, 2, 3, 4]));
        let two = KeyHasher::new(HashSeed([1, 2, 3, 5]));
        let mut ones = [0u32; 64];
        for i in 0..4096u32 {
            let key = format!("key:{i}");
            let h = one.hash(key.as_bytes()).0;
            assert_ne!(h, two.hash(key.as_bytes()).0);
            for (bit, n) in ones.iter_mut().enumerate() {
                *n += (h >> bit) as u32 & 1;
            }
        }
        for n in ones {
            assert!((1800..2300).contains(&n), "a bit is set {n} times of 4096");
        }
    }

    #[test]
    fn keys_that_differ_in_trailing_zeros_or_length_have_different_hashes() {
        let hasher = KeyHasher::new(HashSeed([9, 8, 7, 6]));
        let zeros = [0u8; 64];
        let mut seen: Vec<u64> = (0..=64).map(|n| hasher.hash(&zeros[..n]).0).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 65);
    }
}
