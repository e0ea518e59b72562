//! Where the parts of an entry lie in its one allocation.
//!
//! ```text
//!  0  u32   24 bits of access clock, 4 bits of kind, 4 bits of encoding
//!  4  u8    flags
//!  5  u8    key length, unless the key is long
//!  6  u16   length of the inline value
//!  8  i64   deadline                                        only with EXPIRY
//!  .  i64   the integer                                     only with INT
//!  .        the collection, one pointer                     only with OBJECT
//!  .        the string's buffer, three words                only with BUFFER
//!  .  u32   key length                                      only with LONG_KEY
//!  .        key bytes, then the bytes of an inline value, then padding to a multiple of 8
//! ```

/// The entry has a deadline.
pub(super) const EXPIRY: u8 = 1;
/// The key is longer than 255 bytes.
pub(super) const LONG_KEY: u8 = 2;
/// The value is an integer.
pub(super) const INT: u8 = 4;
/// The value is a collection of the kind that the head says.
pub(super) const OBJECT: u8 = 8;
/// The value is a string in a buffer of its own.
pub(super) const BUFFER: u8 = 16;

pub(super) const FLAGS_AT: usize = 4;
pub(super) const SHORT_KEY_LEN_AT: usize = 5;
pub(super) const VALUE_LEN_AT: usize = 6;
pub(super) const EXPIRY_AT: usize = 8;
const HEAD_BYTES: usize = 8;

/// Alignment of every entry; leaves the lowest bits of its address free.
pub(super) const ALIGN: usize = 8;

/// The largest entry that still holds its value inline.
pub(super) const INLINE_MAX_BYTES: usize = 512;

/// Flags and lengths: all it takes to find every part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) flags: u8,
    pub(super) key_len: usize,
    /// Of the inline value; 0 for all others.
    pub(super) value_len: usize,
}

impl Shape {
    /// The shape of an entry with an integer (`INT`), an object (`OBJECT`) or an inline value (0).
    #[inline(always)]
    pub(super) fn new(key_len: usize, has_expiry: bool, value_flag: u8, value_len: usize) -> Shape {
        let mut flags = value_flag;
        if has_expiry {
            flags |= EXPIRY;
        }
        if key_len > usize::from(u8::MAX) {
            flags |= LONG_KEY;
        }
        Shape { flags, key_len, value_len }
    }

    #[inline(always)]
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Offset of the integer, the collection or the buffer.
    #[inline(always)]
    pub(super) fn word_at(self) -> usize {
        HEAD_BYTES + if self.has(EXPIRY) { 8 } else { 0 }
    }

    /// Offset of the 4-byte key length of a long key.
    #[inline(always)]
    pub(super) fn long_key_len_at(self) -> usize {
        self.word_at()
            + if self.has(BUFFER) {
                size_of::<Vec<u8>>()
            } else if self.has(INT | OBJECT) {
                8
            } else {
                0
            }
    }

    #[inline(always)]
    pub(super) fn key_at(self) -> usize {
        self.long_key_len_at() + if self.has(LONG_KEY) { 4 } else { 0 }
    }

    #[inline(always)]
    pub(super) fn value_at(self) -> usize {
        self.key_at() + self.key_len
    }

    /// Bytes of the allocation.
    #[inline(always)]
    pub(super) fn bytes(self) -> usize {
        (self.value_at() + self.value_len).next_multiple_of(ALIGN)
    }
}
