//! From an element to its register: MurmurHash64A, whose low bits choose the register and whose others are
//! searched for the first that is set.

use super::stored::REGISTERS;

/// The seed under which Redis hashes elements.
const SEED: u64 = 0xadc8_3b19;
/// Bits of the hash that choose the register.
const INDEX_BITS: u32 = REGISTERS.trailing_zeros();

/// A register and the least value that an element gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) register: usize,
    pub(super) value: u8,
}

/// Where an element belongs.
pub(super) fn place(element: &[u8]) -> Place {
    let hash = murmur64a(element, SEED);
    // One bit more than there are, so that the search always ends.
    let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
    Place { register: hash as usize & (REGISTERS - 1), value: rest.trailing_zeros() as u8 + 1 }
}

/// Austin Appleby's MurmurHash2 in its 64-bit form, words read lowest byte first.
fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut mixed = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> 47;
        hash = (hash ^ mixed.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> 47
}
