//! The engine's allocator: jemalloc with size classes eight bytes apart.
//!
//! Classes of eight bytes' distance hold small entries with a tenth less waste. jemalloc then aligns small
//! allocations to eight bytes only, while layouts with a larger alignment need not have a size that is a
//! multiple of it (hash tables do not); so such sizes are rounded up here.

use std::alloc::{GlobalAlloc, Layout};

use tikv_jemallocator::Jemalloc;

/// Alignment that every size class has.
const CLASS_ALIGN: usize = 8;

/// The allocator; made the global one by the server crate.
#[derive(Debug)]
pub struct Allocator;

fn rounded(layout: Layout) -> Layout {
    if layout.align() > CLASS_ALIGN { layout.pad_to_align() } else { layout }
}

// SAFETY: every call is passed on to jemalloc with the same layout in all of an allocation's life (rounding
// depends on the layout alone), never smaller than asked for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises hold for the rounded layout too; its size is not 0 if theirs is not.
        unsafe { Jemalloc.alloc(rounded(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe { Jemalloc.alloc_zeroed(rounded(layout)) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` with the same rounded layout.
        unsafe { Jemalloc.dealloc(pointer, rounded(layout)) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let rounded_new = match layout.align() > CLASS_ALIGN {
            // The caller promises that rounding up to the alignment does not overflow.
            true => new_size.next_multiple_of(layout.align()),
            false => new_size,
        };
        // SAFETY: the pointer came from `alloc` with the same rounded layout; the new size is not 0.
        unsafe { Jemalloc.realloc(pointer, rounded(layout), rounded_new) }
    }
}

/// Gives pages that hold nothing back to the system.
pub fn purge_allocator() {
    // The index that stands for all arenas (jemalloc(3), `arena.<i>.purge`).
    const ALL_ARENAS: &std::ffi::CStr = c"arena.4096.purge";
    // SAFETY: the name ends in a zero, and the call takes and gives no value.
    unsafe {
        tikv_jemalloc_sys::mallctl(
            ALL_ARENAS.as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        );
    }
}

/// The allocator's own report of itself, for people.
pub fn allocator_report() -> String {
    let mut text = Vec::new();
    // What cannot be told is left out.
    let _ = tikv_jemalloc_ctl::stats_print::stats_print(&mut text, Default::default());
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_holds_for_odd_sizes() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in 1..200 {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the size is not 0; the memory is freed with the layout it was got with.
                unsafe {
                    let pointer = Allocator.alloc(layout);
                    assert_eq!(pointer as usize % align, 0, "{size} bytes aligned to {align}");
                    let grown = Allocator.realloc(pointer, layout, size + 13);
                    assert_eq!(grown as usize % align, 0, "{} bytes aligned to {align}", size + 13);
                    Allocator.dealloc(grown, Layout::from_size_align(size + 13, align).unwrap());
                }
            }
        }
    }
}
