//! Sorted sets.

use super::Listpack;
use crate::value::Encoding;

/// A value of this type.
#[derive(Clone, Debug, Default)]
pub struct SortedSet {
    elements: Listpack,
}

impl SortedSet {
    /// How it is represented.
    pub fn encoding(&self) -> Encoding {
        Encoding::Listpack
    }

    /// Memory asked for, beyond the value itself.
    pub fn heap_bytes(&self) -> usize {
        self.elements.heap_bytes()
    }

    /// Roughly how many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        1
    }

    /// Whether its key goes away for want of elements.
    pub fn is_void(&self) -> bool {
        self.elements.is_empty()
    }
}
