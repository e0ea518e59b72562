//! Packed memory: entries and blocks of one allocation each, and prefetching. The only unsafe code here.
//!
//! Everything outside this folder is safe code on top of [`Slot`], which owns one entry, and
//! [`Entry`], which borrows one, of [`Block`], growable bytes behind a thin pointer, and of [`Thin`], a block
//! or something larger behind one.

mod block;
mod entry;
mod handle;
mod prefetch;
mod shape;
#[cfg(test)]
mod tests;
mod thin;

pub(crate) use block::Block;
pub use entry::Entry;
pub(crate) use entry::{Body, Recipe, Slot, fits_inline};
pub(crate) use handle::Handle;
pub(crate) use prefetch::prefetch;
pub(crate) use thin::{Form, Thin};
