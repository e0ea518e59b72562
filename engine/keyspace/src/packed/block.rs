//! [`Block`]: growable bytes behind one thin pointer, with a small count beside them.
//!
//! ```text
//! 0  u32  length of the bytes
//! 4  u16  count: whatever the owner counts
//! 6  u16  spare: bytes allocated behind the last one
//! 8       the bytes
//! ```
//!
//! A `Vec<u8>` takes 24 bytes where it is kept, and a boxed slice 16; collections of a few elements
//! are so small that this shows.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ops::Range;
use std::ptr::{self, NonNull};

const HEAD_BYTES: usize = 8;
const COUNT_AT: usize = 4;
const SPARE_AT: usize = 6;
const ALIGN: usize = 8;

/// Up to this size a block takes as much as the allocator's size class gives.
const CLASSES_UP_TO_BYTES: usize = 256 * 1024;

/// A length that no block has.
pub(super) const NO_LENGTH: u32 = u32::MAX;

/// The most a block may have to spare, so that it fits its field together with a step of growth.
const SPARE_MAX_BYTES: usize = 60_000;

/// The owner of one block.
///
/// Invariant: the address came from `alloc` or `realloc` with the layout that the head describes
/// (`HEAD_BYTES` + length + spare, aligned to `ALIGN`), the head and `length` bytes behind it are
/// initialized, and nobody else frees or changes them.
#[repr(transparent)]
pub(crate) struct Block(NonNull<u8>);

// SAFETY: a block is the only owner of plain bytes, like a `Box<[u8]>`.
unsafe impl Send for Block {}
// SAFETY: through a shared block memory is only read.
unsafe impl Sync for Block {}

impl Block {
    /// A block without bytes, with room for some.
    pub(crate) fn with_capacity(bytes: usize) -> Block {
        let size = size_for(bytes);
        let layout = layout(size);
        // SAFETY: the layout's size is at least that of the head.
        let Some(at) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let mut block = Block(at);
        block.write_head(0, 0, size - HEAD_BYTES);
        block
    }

    /// A block of these bytes.
    pub(crate) fn from_bytes(bytes: &[u8], count: u16) -> Block {
        let mut block = Block::with_capacity(bytes.len());
        block.splice(0..0, bytes);
        block.set_count(count);
        block
    }

    /// The number of bytes.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the head's first four bytes.
        unsafe { self.0.cast::<u32>().read() as usize }
    }

    /// What the owner counts.
    #[inline(always)]
    pub(crate) fn count(&self) -> u16 {
        // SAFETY: two bytes of the head, aligned.
        unsafe { self.0.add(COUNT_AT).cast::<u16>().read() }
    }

    /// Sets what the owner counts.
    #[inline(always)]
    pub(crate) fn set_count(&mut self, count: u16) {
        // SAFETY: two bytes of the head, aligned; `self` is borrowed mutably.
        unsafe { self.0.add(COUNT_AT).cast::<u16>().write(count) }
    }

    /// Memory asked for.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        HEAD_BYTES + self.len() + self.spare()
    }

    /// The bytes.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` initialized bytes lie behind the head, and are not changed while borrowed.
        unsafe { std::slice::from_raw_parts(self.0.add(HEAD_BYTES).as_ptr(), self.len()) }
    }

    /// Puts `with` in place of the bytes in `range`; those behind move.
    ///
    /// # Panics
    /// When the range is not within the bytes, or the block would pass 4 GiB.
    pub(crate) fn splice(&mut self, range: Range<usize>, with: &[u8]) {
        let (old_len, count) = (self.len(), self.count());
        assert!(range.start <= range.end && range.end <= old_len, "a range outside the block");
        let new_len = old_len - (range.end - range.start) + with.len();
        assert!(new_len < NO_LENGTH as usize, "a block of 4 GiB or more");
        let mut capacity = old_len + self.spare();
        if new_len > capacity {
            capacity = self.reallocate(capacity, size_for(new_len));
        }
        // SAFETY: `capacity` bytes are allocated behind the head, at least `new_len`. The tail of
        // `old_len - range.end` bytes is initialized and fits behind the replacement, which
        // cannot overlap this block, because `self` is borrowed mutably.
        unsafe {
            let bytes = self.0.add(HEAD_BYTES).as_ptr();
            let tail_to = range.start + with.len();
            if tail_to != range.end {
                ptr::copy(bytes.add(range.end), bytes.add(tail_to), old_len - range.end);
            }
            ptr::copy_nonoverlapping(with.as_ptr(), bytes.add(range.start), with.len());
        }
        if capacity - new_len > (new_len / 2 + 64).min(SPARE_MAX_BYTES) {
            capacity = self.reallocate(capacity, size_for(new_len));
        }
        self.write_head(new_len, count, capacity - new_len);
    }

    /// Gives spare room back.
    pub(crate) fn shrink(&mut self) {
        let (len, count) = (self.len(), self.count());
        let capacity = self.reallocate(len + self.spare(), (HEAD_BYTES + len).next_multiple_of(ALIGN));
        self.write_head(len, count, capacity - len);
    }

    #[inline(always)]
    fn spare(&self) -> usize {
        // SAFETY: two bytes of the head, aligned.
        unsafe { self.0.add(SPARE_AT).cast::<u16>().read().into() }
    }

    fn write_head(&mut self, len: usize, count: u16, spare: usize) {
        debug_assert!(spare <= usize::from(u16::MAX) && u32::try_from(len).is_ok());
        // SAFETY: the head's eight bytes, aligned; `self` is borrowed mutably.
        unsafe {
            self.0.cast::<u32>().write(len as u32);
            self.0.add(COUNT_AT).cast::<u16>().write(count);
            self.0.add(SPARE_AT).cast::<u16>().write(spare as u16);
        }
    }

    /// Moves the block from an allocation with `capacity` bytes behind the head into one of `size`
    /// bytes, head included, and gives the new capacity. Bytes up to the smaller one are kept; the
    /// caller writes the head, which does not describe the allocation until then.
    fn reallocate(&mut self, capacity: usize, size: usize) -> usize {
        if HEAD_BYTES + capacity != size {
            // SAFETY: allocated with this layout by the caller's word; the new size is not 0.
            let moved = unsafe { realloc(self.0.as_ptr(), layout(HEAD_BYTES + capacity), size) };
            let Some(at) = NonNull::new(moved) else { handle_alloc_error(layout(size)) };
            self.0 = at;
        }
        size - HEAD_BYTES
    }
}

/// The allocation for so many bytes: a whole size class of the allocator, of which there are four from
/// each power of two to the next, so that room that would be lost otherwise is there to grow into. Large
/// blocks have an eighth to spare, as far as that fits its field.
fn size_for(bytes: usize) -> usize {
    let size = (HEAD_BYTES + bytes).next_multiple_of(ALIGN);
    if size <= CLASSES_UP_TO_BYTES {
        size.next_multiple_of((size.next_power_of_two() / 8).max(ALIGN))
    } else {
        size + (size / 8).min(32 * 1024).next_multiple_of(ALIGN)
    }
}

fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!("a block larger than the address space"),
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the invariant: allocated with this layout, owned by `self`, which ends here.
        unsafe { dealloc(self.0.as_ptr(), layout(self.heap_bytes())) }
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        Block::from_bytes(self.bytes(), self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_as_its_model_after_random_splices() {
        let mut seed = 1u64;
        let mut draw = |limit: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % limit.max(1)
        };
        let (mut block, mut model) = (Block::with_capacity(0), Vec::<u8>::new());
        for step in 0..3000 {
            let start = draw(model.len() + 1);
            let end = start + draw((model.len() - start).min(if step % 50 == 0 { 9999 } else { 20 }) + 1);
            let with: Vec<u8> =
                (0..draw(if step % 70 == 0 { 3000 } else { 40 })).map(|_| draw(256) as u8).collect();
            block.splice(start..end, &with);
            model.splice(start..end, with);
            block.set_count(step as u16);
            if step % 100 == 0 {
                block.shrink();
            }
            assert_eq!((block.bytes(), block.count()), (&model[..], step as u16));
            assert!(block.heap_bytes() >= 8 + model.len());
        }
        let copy = block.clone();
        assert_eq!(copy.bytes(), &model[..]);
    }

    #[test]
    fn small_blocks_waste_nothing() {
        assert_eq!(Block::from_bytes(b"12345678", 1).heap_bytes(), 16);
        for (bytes, size) in [(1, 16), (56, 64), (57, 80), (120, 128), (121, 160), (220, 256), (250, 320)] {
            assert_eq!(Block::from_bytes(&vec![0; bytes], 0).heap_bytes(), size);
        }
        assert_eq!(size_of::<Option<Block>>(), 8);
    }

    #[test]
    #[should_panic(expected = "a range outside the block")]
    fn a_range_outside_is_refused() {
        Block::from_bytes(b"abc", 0).splice(2..4, b"");
    }
}
