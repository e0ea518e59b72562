//! CRC-64 with the Jones polynomial, reflected, as RDB files, DUMP payloads and the AOF use it.
//!
//! The parameters: polynomial `0xad93d23594c935a9`, input and output reflected, initial value and
//! final XOR zero. The check value for `123456789` is `0xe9c6d914c4b8d9ca`.
//!
//! Sixteen bytes are taken a step, each through a table of its own, so that the look-ups of one
//! step do not wait for each other. Carry-less multiplication would be faster still, but it needs
//! `unsafe`, which this crate forbids.

/// The polynomial with its bits in reverse, because the register shifts to the right.
const REVERSED_POLYNOMIAL: u64 = 0xad93_d235_94c9_35a9_u64.reverse_bits();

/// Bytes taken in one step of the wide loop.
const STRIDE: usize = 16;

/// `TABLES[n][b]`: what byte `b` contributes when `n` more bytes of the step follow it.
static TABLES: [[u64; 256]; STRIDE] = tables();

const fn tables() -> [[u64; 256]; STRIDE] {
    let mut tables = [[0u64; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ REVERSED_POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut level = 1;
    while level < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let previous = tables[level - 1][byte];
            tables[level][byte] = (previous >> 8) ^ tables[0][(previous & 0xff) as usize];
            byte += 1;
        }
        level += 1;
    }
    tables
}

/// Carries `crc` (0 at the start) over `bytes`.
///
/// `update(update(0, a), b)` equals `update(0, a followed by b)`.
#[must_use]
pub fn update(mut crc: u64, bytes: &[u8]) -> u64 {
    let mut steps = bytes.chunks_exact(STRIDE);
    for step in &mut steps {
        let (low, high) = step.split_at(8);
        let first = crc ^ little_endian(low);
        let second = little_endian(high);
        crc = 0;
        for lane in 0..8 {
            crc ^= TABLES[15 - lane][(first >> (8 * lane)) as usize & 0xff];
            crc ^= TABLES[7 - lane][(second >> (8 * lane)) as usize & 0xff];
        }
    }
    for &byte in steps.remainder() {
        crc = (crc >> 8) ^ TABLES[0][(crc as u8 ^ byte) as usize];
    }
    crc
}

fn little_endian(eight: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(eight);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, a bit at a time.
    fn bitwise(mut crc: u64, bytes: &[u8]) -> u64 {
        for &byte in bytes {
            crc ^= u64::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ REVERSED_POLYNOMIAL } else { crc >> 1 };
            }
        }
        crc
    }

    #[test]
    fn check_value() {
        assert_eq!(update(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(update(0, b""), 0);
    }

    proptest! {
        #[test]
        fn equals_the_definition_however_the_input_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(update(update(0, head), tail), bitwise(0, &bytes));
        }
    }
}
