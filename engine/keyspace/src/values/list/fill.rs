//! How much a node of a list holds: `list-max-listpack-size`.
//!
//! A negative setting limits the bytes of a node's encoded listpack, any other its elements; then a node
//! still stays below a size that can be rewritten quickly. The rules and figures are Redis 7.2's.

use crate::values::Limits;

/// Sizes meant by -1 to -5.
const SIZES: [usize; 5] = [4096, 8192, 16_384, 32_768, 65_536];
/// No node that is limited by its elements passes this many bytes.
const SAFE_BYTES: usize = 8192;

/// What a node may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Bytes(usize),
    Elements(usize),
}

impl Fill {
    pub(super) fn of(limits: &Limits) -> Fill {
        let setting = limits.list_max_listpack_size;
        match usize::try_from(setting) {
            Ok(elements) => Fill::Elements(elements.max(1)),
            Err(_) => {
                let level = setting.unsigned_abs().min(SIZES.len() as u64) as usize;
                Fill::Bytes(SIZES[level - 1])
            }
        }
    }

    /// Whether a listpack of this size is too large to be written.
    pub(super) fn is_exceeded(self, bytes: usize, elements: usize) -> bool {
        match self {
            Fill::Bytes(limit) => bytes > limit,
            Fill::Elements(limit) => bytes > SAFE_BYTES || elements > limit,
        }
    }

    /// Whether a listpack that is there already is small enough to be the whole list.
    pub(super) fn holds(self, bytes: usize, elements: usize) -> bool {
        match self {
            Fill::Bytes(limit) => bytes <= limit,
            Fill::Elements(limit) => elements <= limit,
        }
    }

    /// Half as much, so that a list near the limit does not change its form at every command.
    pub(super) fn half(self) -> Fill {
        match self {
            Fill::Bytes(limit) => Fill::Bytes(limit / 2),
            Fill::Elements(limit) => Fill::Elements(limit / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(list_max_listpack_size: i64) -> Fill {
        Fill::of(&Limits { list_max_listpack_size, ..Limits::default() })
    }

    #[test]
    fn settings_mean_bytes_or_elements() {
        assert_eq!(
            [-1, -2, -5, -6, i64::MIN].map(fill),
            [4096, 8192, 65_536, 65_536, 65_536].map(Fill::Bytes)
        );
        assert_eq!([0, 1, 128].map(fill), [1, 1, 128].map(Fill::Elements));
    }

    #[test]
    fn a_node_limited_by_elements_stays_small_all_the_same() {
        assert!(fill(1_000_000).is_exceeded(8193, 2));
        assert!(!fill(1_000_000).is_exceeded(8192, 4000));
        assert!(fill(3).is_exceeded(10, 4));
    }
}
