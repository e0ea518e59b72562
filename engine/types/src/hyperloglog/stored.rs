//! The string that a HyperLogLog is: `HYLL`, a byte for the encoding, three of nothing, the last count in
//! eight (lowest first; its highest bit says that it holds no more), and the registers.

use super::hash::Place;
use super::sparse::Raised;
use super::{dense, sparse};

/// Registers of every HyperLogLog.
pub(super) const REGISTERS: usize = 1 << 14;
/// How many registers have each value that six bits can hold.
pub(super) type Histogram = [u32; 64];

const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const COUNT: std::ops::Range<usize> = 8..16;
const STALE: u8 = 0x80;

/// The registers do not follow their encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// How the registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Dense,
    Sparse,
}

/// One that counts nothing.
pub(super) fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING_AT] = SPARSE;
    sparse::push_empty(&mut bytes);
    bytes
}

/// Whether a string has the header, and the length where that is fixed.
pub(super) fn is_plausible(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES
        && bytes.starts_with(MAGIC)
        && match bytes[ENCODING_AT] {
            DENSE => bytes.len() == HEADER_BYTES + dense::BYTES,
            encoding => encoding == SPARSE,
        }
}

/// How a plausible one keeps its registers.
pub(super) fn kept(bytes: &[u8]) -> Kept {
    if bytes[ENCODING_AT] == DENSE { Kept::Dense } else { Kept::Sparse }
}

/// The bytes behind the header.
pub(super) fn registers(bytes: &[u8]) -> &[u8] {
    &bytes[HEADER_BYTES..]
}

/// The count that was kept, if nothing changed since.
pub(super) fn known_count(bytes: &[u8]) -> Option<u64> {
    let count: [u8; 8] = bytes[COUNT].try_into().ok()?;
    (count[7] & STALE == 0).then_some(u64::from_le_bytes(count))
}

/// Keeps the count of the registers as they are.
pub(super) fn keep_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT].copy_from_slice(&count.to_le_bytes());
}

/// Marks the kept count as out of date.
pub(super) fn forget_count(bytes: &mut [u8]) {
    bytes[COUNT.end - 1] |= STALE;
}

/// How many registers have each value.
pub(super) fn histogram(bytes: &[u8]) -> Result<Histogram, Damaged> {
    match kept(bytes) {
        Kept::Dense => Ok(dense::histogram(registers(bytes))),
        Kept::Sparse => sparse::histogram(registers(bytes)),
    }
}

/// Raises a register that is lower; tells whether it was. Runs that would take more than `sparse_max_bytes`,
/// header included, become dense.
pub(super) fn raise(bytes: &mut Vec<u8>, place: Place, sparse_max_bytes: u64) -> Result<bool, Damaged> {
    if kept(bytes) == Kept::Sparse {
        match sparse::raise(bytes, HEADER_BYTES, place, sparse_max_bytes)? {
            Raised::No => return Ok(false),
            Raised::Yes => {
                forget_count(bytes);
                return Ok(true);
            }
            Raised::NeedsDense => make_dense(bytes)?,
        }
    }
    Ok(dense::raise(&mut bytes[HEADER_BYTES..], place))
}

/// Keeps the registers in six bits each from here on.
pub(super) fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Damaged> {
    if kept(bytes) == Kept::Dense {
        return Ok(());
    }
    let mut registers = vec![0; dense::BYTES];
    sparse::for_each(&bytes[HEADER_BYTES..], |first, run| {
        if run.value > 0 {
            (first..first + run.length).for_each(|at| dense::set(&mut registers, at, run.value));
        }
    })?;
    bytes.truncate(HEADER_BYTES);
    bytes[ENCODING_AT] = DENSE;
    bytes.extend_from_slice(&registers);
    Ok(())
}
