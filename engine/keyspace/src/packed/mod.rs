//! Packed memory: entries of one allocation each, and prefetching. The only unsafe code here.
//!
//! Everything outside this folder is safe code on top of [`Slot`], which owns one entry, and
//! [`Entry`], which borrows one.

mod entry;
mod prefetch;
mod shape;
#[cfg(test)]
mod tests;

pub use entry::Entry;
pub(crate) use entry::{Body, Recipe, Slot, fits_inline};
pub(crate) use prefetch::prefetch;
