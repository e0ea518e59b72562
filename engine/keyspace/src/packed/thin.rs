//! [`Thin`]: a block or something larger, whichever it is, behind one thin pointer.
//!
//! A collection is a block of bytes while it is small and a structure of its own beyond. An enum of the two
//! takes two words where it is kept, in every entry. Here the first four bytes behind the pointer tell: the
//! length of a block, or one that no block has.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, transmute_copy};
use std::ptr::NonNull;

use super::Block;
use super::block::NO_LENGTH;
use crate::values::{Intset, Listpack};

/// A type that is a [`Block`] in memory.
///
/// # Safety
/// The type must be `repr(transparent)` over a block, and any block must be a valid value of it as far as
/// memory safety goes.
pub(crate) unsafe trait OfBlock {}

// SAFETY: it is the type itself.
unsafe impl OfBlock for Block {}
// SAFETY: transparent over a block, and safe code checks what it reads of the bytes.
unsafe impl OfBlock for Listpack {}
// SAFETY: transparent over a block, and safe code checks what it reads of the bytes.
unsafe impl OfBlock for Intset {}

impl Block {
    /// The block as what it holds.
    #[inline(always)]
    pub(crate) fn view<T: OfBlock>(&self) -> &T {
        // SAFETY: the contract of `OfBlock`.
        unsafe { NonNull::from(self).cast::<T>().as_ref() }
    }

    /// The block as what it holds, to be changed.
    #[inline(always)]
    pub(crate) fn view_mut<T: OfBlock>(&mut self) -> &mut T {
        // SAFETY: the contract of `OfBlock`; `self` is borrowed mutably for as long.
        unsafe { NonNull::from(self).cast::<T>().as_mut() }
    }
}

/// Either form, borrowed.
pub(crate) enum Form<S, L> {
    Small(S),
    Large(L),
}

#[repr(C, align(8))]
struct Headed<L> {
    mark: u32,
    large: L,
}

/// The owner of an `S`, which is a block, or of an `L`.
///
/// Invariant: the pointer is that of a block, or came from `Box<Headed<L>>` with the mark `NO_LENGTH`;
/// nobody else owns it.
pub(crate) struct Thin<S: OfBlock, L>(NonNull<u8>, PhantomData<(S, L)>);

// SAFETY: it owns an `S` or an `L` and nothing else.
unsafe impl<S: OfBlock + Send, L: Send> Send for Thin<S, L> {}
// SAFETY: through a shared one its value is only borrowed.
unsafe impl<S: OfBlock + Sync, L: Sync> Sync for Thin<S, L> {}

impl<S: OfBlock, L> Thin<S, L> {
    /// Memory that a large form takes beyond what it asks for itself.
    pub(crate) const LARGE_BYTES: usize = size_of::<Headed<L>>();

    /// The small form.
    pub(crate) fn of_small(small: S) -> Self {
        let small = ManuallyDrop::new(small);
        // SAFETY: an `S` is a block, which is a `NonNull<u8>`; the original is never used nor dropped again.
        Thin(unsafe { transmute_copy::<S, NonNull<u8>>(&small) }, PhantomData)
    }

    /// The large form.
    pub(crate) fn of_large(large: L) -> Self {
        let headed = Box::new(Headed { mark: NO_LENGTH, large });
        Thin(NonNull::from(Box::leak(headed)).cast(), PhantomData)
    }

    #[inline(always)]
    fn is_large(&self) -> bool {
        // SAFETY: either form begins with four initialized, aligned bytes.
        unsafe { self.0.cast::<u32>().read() == NO_LENGTH }
    }

    /// What it is.
    #[inline(always)]
    pub(crate) fn form(&self) -> Form<&S, &L> {
        if self.is_large() {
            // SAFETY: the mark says that it is a `Headed<L>`, borrowed as `self` is.
            Form::Large(unsafe { &self.0.cast::<Headed<L>>().as_ref().large })
        } else {
            // SAFETY: the pointer is a block's, in the place of an `S`, which is a block.
            Form::Small(unsafe { NonNull::from(&self.0).cast::<S>().as_ref() })
        }
    }

    /// What it is, to be changed.
    #[inline(always)]
    pub(crate) fn form_mut(&mut self) -> Form<&mut S, &mut L> {
        if self.is_large() {
            // SAFETY: the mark says that it is a `Headed<L>`, borrowed mutably as `self` is.
            Form::Large(unsafe { &mut self.0.cast::<Headed<L>>().as_mut().large })
        } else {
            // SAFETY: the pointer is a block's, in the place of an `S`; whatever block the borrower leaves
            // there is owned by `self` from then on.
            Form::Small(unsafe { NonNull::from(&mut self.0).cast::<S>().as_mut() })
        }
    }
}

impl<S: OfBlock, L> Drop for Thin<S, L> {
    fn drop(&mut self) {
        if self.is_large() {
            // SAFETY: by the invariant it came from such a box, which ends here.
            drop(unsafe { Box::from_raw(self.0.cast::<Headed<L>>().as_ptr()) });
        } else {
            // SAFETY: by the invariant it is a block, and so an `S`, which ends here.
            drop(unsafe { transmute_copy::<NonNull<u8>, S>(&self.0) });
        }
    }
}

impl<S: OfBlock + Clone, L: Clone> Clone for Thin<S, L> {
    fn clone(&self) -> Self {
        match self.form() {
            Form::Small(small) => Thin::of_small(small.clone()),
            Form::Large(large) => Thin::of_large(large.clone()),
        }
    }
}

impl<S: OfBlock + fmt::Debug, L: fmt::Debug> fmt::Debug for Thin<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form() {
            Form::Small(small) => small.fmt(f),
            Form::Large(large) => large.fmt(f),
        }
    }
}
