//! [`Handle`]: the address of an entry that somebody else owns.
//!
//! An index beside a table (the tree of a sorted set) would have to keep every member a second time, or
//! look each up to compare it. It keeps handles instead.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::Entry;

/// The address of an entry in a table that lies beside the index which holds the handle.
///
/// Invariant, which the owner of both keeps: a handle is used only while its entry is in that table and
/// has not been laid out anew. Entries do not move when the table grows, shrinks or is moved itself; an
/// integer that is overwritten by an integer stays where it is. So the index drops a handle before the
/// entry is taken out, and nothing but integers is written to the entry meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle(NonNull<u8>);

// SAFETY: a handle is an address; what it leads to is `Send` and goes with the table to which it belongs.
unsafe impl Send for Handle {}
// SAFETY: through a shared handle memory is only read.
unsafe impl Sync for Handle {}

impl Handle {
    /// The handle of an entry.
    #[inline(always)]
    pub(crate) fn of(entry: Entry<'_>) -> Handle {
        Handle(entry.at)
    }

    /// The entry, borrowed for no longer than the index that holds the handle.
    #[inline(always)]
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry { at: self.0, life: PhantomData }
    }
}
