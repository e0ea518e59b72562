//! Registers of six bits each, lowest bits first, in 12,288 bytes.

use super::hash::Place;
use super::stored::{Histogram, REGISTERS};

/// Bits of a register.
const WIDTH: usize = 6;
const MASK: u8 = (1 << WIDTH) - 1;
/// Bytes that all registers take.
pub(super) const BYTES: usize = REGISTERS * WIDTH / 8;

/// A register's value.
pub(super) fn get(registers: &[u8], register: usize) -> u8 {
    let (byte, shift) = (register * WIDTH / 8, register * WIDTH % 8);
    let next = registers.get(byte + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([registers[byte], next]) >> shift) as u8 & MASK
}

/// Gives a register a value of six bits.
pub(super) fn set(registers: &mut [u8], register: usize, value: u8) {
    let (byte, shift) = (register * WIDTH / 8, register * WIDTH % 8);
    let (mask, value) = (u16::from(MASK) << shift, u16::from(value & MASK) << shift);
    registers[byte] = registers[byte] & !mask.to_le_bytes()[0] | value.to_le_bytes()[0];
    if let Some(next) = registers.get_mut(byte + 1) {
        *next = *next & !mask.to_le_bytes()[1] | value.to_le_bytes()[1];
    }
}

/// Raises a register that is lower; tells whether it was.
pub(super) fn raise(registers: &mut [u8], place: Place) -> bool {
    let lower = get(registers, place.register) < place.value;
    if lower {
        set(registers, place.register, place.value);
    }
    lower
}

/// Visits every register: three bytes hold four.
pub(super) fn for_each(registers: &[u8], mut visit: impl FnMut(usize, u8)) {
    for (group, bytes) in registers.as_chunks::<3>().0.iter().enumerate() {
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        for place in 0..4 {
            visit(group * 4 + place, (word >> (WIDTH * place)) as u8 & MASK);
        }
    }
}

/// How many registers have each value.
pub(super) fn histogram(registers: &[u8]) -> Histogram {
    let mut histogram = [0; 64];
    for_each(registers, |_, value| histogram[usize::from(value)] += 1);
    histogram
}
