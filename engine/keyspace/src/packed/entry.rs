//! [`Slot`] owns one entry, [`Entry`] borrows one.
//!
//! The lowest bit of a slot's address repeats whether the entry has a deadline, so that looking
//! for volatile keys does not load the entries of the others.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};

use super::shape::{
    ALIGN, BUFFER, EXPIRY, EXPIRY_AT, FLAGS_AT, INLINE_MAX_BYTES, INT, LONG_KEY, OBJECT, SHORT_KEY_LEN_AT,
    Shape, VALUE_LEN_AT,
};
use crate::object::{Data, Object, ObjectMut};
use crate::value::{Encoding, Kind, Value, WallMs};
use crate::values::{Hash, List, Set, SortedSet, Stream};

const CLOCK_MASK: u32 = 0x00ff_ffff;
const KIND_SHIFT: u32 = 24;
const ENCODING_SHIFT: u32 = 28;
const VOLATILE_TAG: usize = 1;

/// The value part of an entry to be written.
pub(crate) enum Body<'a> {
    Int(i64),
    Inline(&'a [u8]),
    Object(Object),
}

impl<'a> Body<'a> {
    /// The bytes inline when the whole entry stays small, otherwise an object.
    #[inline]
    pub(crate) fn of_bytes(key: &[u8], value: &'a [u8], has_expiry: bool) -> Body<'a> {
        if fits_inline(key.len(), value.len(), has_expiry) {
            Body::Inline(value)
        } else {
            Body::Object(Object::Raw(value.to_vec()))
        }
    }
}

/// Whether an entry with an inline value of this length is small enough.
#[inline]
pub(crate) fn fits_inline(key_len: usize, value_len: usize, has_expiry: bool) -> bool {
    key_len <= INLINE_MAX_BYTES
        && value_len <= INLINE_MAX_BYTES
        && Shape::new(key_len, has_expiry, 0, value_len).bytes() <= INLINE_MAX_BYTES
}

/// Everything an entry is made of.
pub(crate) struct Recipe<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) clock: u32,
    pub(crate) encoding: Encoding,
    pub(crate) expires_at: Option<WallMs>,
    pub(crate) body: Body<'a>,
}

impl Recipe<'_> {
    #[inline(always)]
    fn shape(&self) -> Shape {
        let (flag, value_len) = match &self.body {
            Body::Int(_) => (INT, 0),
            Body::Object(Object::Raw(_)) => (BUFFER, 0),
            Body::Object(_) => (OBJECT, 0),
            Body::Inline(bytes) => (0, bytes.len()),
        };
        Shape::new(self.key.len(), self.expires_at.is_some(), flag, value_len)
    }
}

/// The owner of one entry.
///
/// Invariant: the address without its lowest bit came from `alloc` with the layout that the
/// entry's own head describes, every part that the head names is initialized, and nobody else
/// frees or changes it while the slot lives.
pub(crate) struct Slot(NonNull<u8>);

// SAFETY: a slot is the only owner of its allocation and of the object in it (plain data, without
// ties to a thread: `Object` is `Send`, which a test holds), like a `Box<[u8]>`.
unsafe impl Send for Slot {}
// SAFETY: through a shared slot memory is only read.
unsafe impl Sync for Slot {}

impl Slot {
    pub(crate) fn new(recipe: Recipe<'_>) -> Slot {
        assert!(u32::try_from(recipe.key.len()).is_ok(), "a key of 4 GiB or more");
        let shape = recipe.shape();
        let layout = layout(shape);
        // SAFETY: the layout's size is at least the eight bytes of the head.
        let Some(at) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        #[cfg(test)]
        super::tests::LIVE_ENTRIES.set(super::tests::LIVE_ENTRIES.get() + 1);
        // SAFETY: the allocation was made for this very shape and is nobody else's.
        unsafe { write(at, shape, recipe) }
    }

    /// Puts another value, deadline and head in place of the present ones; `recipe.key` must be
    /// the entry's key. Memory is reused when the sizes are the same.
    #[inline]
    pub(crate) fn overwrite(&mut self, recipe: Recipe<'_>) {
        let old = self.shape();
        let new = recipe.shape();
        if layout(old) != layout(new) {
            *self = Slot::new(recipe);
            return;
        }
        let at = self.at();
        // SAFETY: the write below forgets what lies there, so it is dropped exactly once.
        drop(unsafe { take_object(self.entry(), old) });
        // SAFETY: the allocation has the layout of the new shape too. The recipe cannot borrow
        // from this entry, because `self` is borrowed mutably.
        let written = unsafe { write(at, new, recipe) };
        mem::forget(mem::replace(self, written));
    }

    /// The same entry with another deadline.
    pub(crate) fn set_expires_at(&mut self, expires_at: Option<WallMs>) {
        if let (true, Some(deadline)) = (self.is_volatile(), expires_at) {
            // SAFETY: the flag says that the eight bytes at `EXPIRY_AT` are the deadline.
            unsafe { self.at().add(EXPIRY_AT).cast::<i64>().write(deadline.0) }
        } else if self.is_volatile() || expires_at.is_some() {
            // SAFETY: the old owner is forgotten below, as the contract of `rebuild` asks.
            let rebuilt = unsafe { rebuild(self, None, expires_at) };
            mem::forget(mem::replace(self, rebuilt));
        }
    }

    /// The same value, deadline and head under another key.
    pub(crate) fn with_key(self, key: &[u8]) -> Slot {
        let old = ManuallyDrop::new(self);
        let expires_at = old.entry().expires_at();
        // SAFETY: `old` is never used nor dropped again.
        unsafe { rebuild(&old, Some(key), expires_at) }
    }

    /// Sets the access clock, writing only when it changes: after a fork each first write to a
    /// page copies it.
    #[inline]
    pub(crate) fn touch(&mut self, clock: u32) {
        let word = self.entry().word();
        let new = word & !CLOCK_MASK | clock & CLOCK_MASK;
        if word != new {
            // SAFETY: the first four bytes are the head's word; `self` is borrowed mutably.
            unsafe { self.at().cast::<u32>().write(new) }
        }
    }

    pub(crate) fn set_encoding(&mut self, encoding: Encoding) {
        let word = self.entry().word() & !(0xf << ENCODING_SHIFT) | (encoding as u32) << ENCODING_SHIFT;
        // SAFETY: the first four bytes are the head's word; `self` is borrowed mutably.
        unsafe { self.at().cast::<u32>().write(word) }
    }

    /// The object, when the value is one.
    #[inline]
    pub(crate) fn object_mut(&mut self) -> Option<ObjectMut<'_>> {
        let (shape, kind) = (self.shape(), self.entry().kind());
        if !shape.has(OBJECT | BUFFER) {
            return None;
        }
        // SAFETY: within the allocation, as its shape says.
        let at = unsafe { self.at().add(shape.word_at()) };
        // SAFETY: flag and kind say what lies there, in the entry's own memory, which is borrowed mutably for
        // as long as the object is.
        Some(unsafe {
            match kind {
                Kind::String => ObjectMut::Raw(at.cast::<Vec<u8>>().as_mut()),
                Kind::List => ObjectMut::List(at.cast::<Box<List>>().as_mut()),
                Kind::Set => ObjectMut::Set(at.cast::<Set>().as_mut()),
                Kind::SortedSet => ObjectMut::SortedSet(at.cast::<SortedSet>().as_mut()),
                Kind::Hash => ObjectMut::Hash(at.cast::<Hash>().as_mut()),
                Kind::Stream => ObjectMut::Stream(at.cast::<Box<Stream>>().as_mut()),
            }
        })
    }

    #[inline(always)]
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry { at: self.at(), life: PhantomData }
    }

    /// Whether the entry has a deadline, told without loading it.
    #[inline(always)]
    pub(crate) fn is_volatile(&self) -> bool {
        self.0.addr().get() & VOLATILE_TAG != 0
    }

    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        super::prefetch(self.at().as_ptr());
    }

    #[inline(always)]
    fn at(&self) -> NonNull<u8> {
        // SAFETY: entries are aligned to 8 and not null, so clearing the lowest bit of the tagged
        // address gives the entry's address, which is not null either.
        unsafe { NonNull::new_unchecked(self.0.as_ptr().map_addr(|addr| addr & !VOLATILE_TAG)) }
    }

    #[inline(always)]
    fn shape(&self) -> Shape {
        self.entry().shape()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (at, shape) = (self.at(), self.shape());
        // SAFETY: the entry that holds it goes away now.
        drop(unsafe { take_object(self.entry(), shape) });
        // SAFETY: allocated with this layout and owned by `self`, which ends here.
        unsafe { free(at, shape) }
    }
}

#[inline(always)]
fn layout(shape: Shape) -> Layout {
    match Layout::from_size_align(shape.bytes(), ALIGN) {
        Ok(layout) => layout,
        // Keys are below 4 GiB and inline values below 64 KiB.
        Err(_) => unreachable!("an entry larger than the address space"),
    }
}

/// Writes every part of an entry and returns its owner.
///
/// # Safety
/// `at` must be an allocation of `layout(shape)` that nobody else uses, `shape` that of `recipe`.
#[inline(always)]
unsafe fn write(at: NonNull<u8>, shape: Shape, recipe: Recipe<'_>) -> Slot {
    let kind = match &recipe.body {
        Body::Object(object) => object.kind(),
        Body::Int(_) | Body::Inline(_) => Kind::String,
    };
    let word =
        recipe.clock & CLOCK_MASK | (kind as u32) << KIND_SHIFT | (recipe.encoding as u32) << ENCODING_SHIFT;
    // SAFETY: all offsets come from the shape that the allocation was made for, and each is
    // aligned for what is written there: the allocation to 8, 8-byte parts follow 8-byte parts.
    unsafe {
        at.cast::<u32>().write(word);
        at.add(FLAGS_AT).write(shape.flags);
        if shape.has(LONG_KEY) {
            at.add(SHORT_KEY_LEN_AT).write(0);
            at.add(shape.long_key_len_at()).cast::<u32>().write(shape.key_len as u32);
        } else {
            at.add(SHORT_KEY_LEN_AT).write(shape.key_len as u8);
        }
        at.add(VALUE_LEN_AT).cast::<u16>().write(shape.value_len as u16);
        if let Some(deadline) = recipe.expires_at {
            at.add(EXPIRY_AT).cast::<i64>().write(deadline.0);
        }
        ptr::copy_nonoverlapping(recipe.key.as_ptr(), at.add(shape.key_at()).as_ptr(), shape.key_len);
        match recipe.body {
            Body::Int(n) => at.add(shape.word_at()).cast::<i64>().write(n),
            Body::Object(object) => write_object(at.add(shape.word_at()), object),
            Body::Inline(value) => {
                ptr::copy_nonoverlapping(value.as_ptr(), at.add(shape.value_at()).as_ptr(), value.len());
            }
        }
    }
    let tag = if shape.has(EXPIRY) { VOLATILE_TAG } else { 0 };
    Slot(at.map_addr(|addr| addr | tag))
}

/// Writes an object without its kind, which the entry's head tells.
///
/// # Safety
/// `at` must be aligned to 8, with room for a word or, for a string, a `Vec`.
#[inline(always)]
unsafe fn write_object(at: NonNull<u8>, object: Object) {
    // SAFETY: by contract. All collections are one pointer.
    unsafe {
        match object {
            Object::Raw(bytes) => at.cast().write(bytes),
            Object::List(list) => at.cast().write(list),
            Object::Set(set) => at.cast().write(set),
            Object::SortedSet(set) => at.cast().write(set),
            Object::Hash(hash) => at.cast().write(hash),
            Object::Stream(stream) => at.cast().write(stream),
        }
    }
}

/// Takes the object out of an entry, if it has one; it must not be read as one that has it afterwards.
///
/// # Safety
/// The entry must be live and of `shape`, and its object is not used again through it.
#[inline]
unsafe fn take_object(entry: Entry<'_>, shape: Shape) -> Option<Object> {
    if !shape.has(OBJECT | BUFFER) {
        return None;
    }
    // SAFETY: within the allocation, as its shape says.
    let at = unsafe { entry.at.add(shape.word_at()) };
    // SAFETY: by contract what `write_object` put there for this kind, moved out once.
    Some(unsafe {
        match entry.kind() {
            Kind::String => Object::Raw(at.cast().read()),
            Kind::List => Object::List(at.cast().read()),
            Kind::Set => Object::Set(at.cast().read()),
            Kind::SortedSet => Object::SortedSet(at.cast().read()),
            Kind::Hash => Object::Hash(at.cast().read()),
            Kind::Stream => Object::Stream(at.cast().read()),
        }
    })
}

/// Frees the entry's own memory, and nothing that it points to.
///
/// # Safety
/// `at` must be a live entry of `shape`, not used again.
unsafe fn free(at: NonNull<u8>, shape: Shape) {
    #[cfg(test)]
    super::tests::LIVE_ENTRIES.set(super::tests::LIVE_ENTRIES.get() - 1);
    // SAFETY: by contract and by the invariant of `Slot`.
    unsafe { dealloc(at.as_ptr(), layout(shape)) }
}

/// Moves the entry of `old` into a new allocation under another key (its own for `None`) and
/// with another deadline, and frees the old one.
///
/// # Safety
/// `old` must neither be used nor dropped afterwards, only forgotten or overwritten.
unsafe fn rebuild(old: &Slot, key: Option<&[u8]>, expires_at: Option<WallMs>) -> Slot {
    let (at, shape, entry) = (old.at(), old.shape(), old.entry());
    let encoding = Encoding::from_bits((entry.word() >> ENCODING_SHIFT) as u8);
    // SAFETY: the old entry is not used again by contract, so the object moves.
    let body = match unsafe { take_object(entry, shape) } {
        Some(object) => Body::Object(object),
        None => match entry.value() {
            Value::Int(n) => Body::Int(n),
            Value::Bytes(bytes) => Body::of_bytes(key.unwrap_or(entry.key()), bytes, expires_at.is_some()),
        },
    };
    let new = Slot::new(Recipe {
        key: key.unwrap_or(entry.key()),
        clock: entry.access(),
        encoding,
        expires_at,
        body,
    });
    // SAFETY: everything has been copied or moved out; by contract nobody uses it again.
    unsafe { free(at, shape) }
    new
}

/// A borrowed entry: key, value, deadline, access clock.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub(super) at: NonNull<u8>,
    pub(super) life: PhantomData<&'a Slot>,
}

// All reads below rest on the invariant of `Slot`, which is borrowed for `'a`: nobody writes to
// the entry nor frees it meanwhile, and its head describes initialized, aligned parts.
impl<'a> Entry<'a> {
    /// The key.
    #[inline(always)]
    pub fn key(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: `key_len` initialized bytes lie at `key_at`.
        unsafe { std::slice::from_raw_parts(self.at.add(shape.key_at()).as_ptr(), shape.key_len) }
    }

    /// The value of a string.
    ///
    /// # Panics
    /// When it is of another kind.
    #[inline(always)]
    pub fn value(self) -> Value<'a> {
        match self.data() {
            Data::String(value) => value,
            _ => unreachable!("a string is asked of a {}", self.kind().name()),
        }
    }

    /// The value, whatever its kind.
    #[inline(always)]
    pub fn data(self) -> Data<'a> {
        let shape = self.shape();
        if shape.has(INT) {
            // SAFETY: the flag says that the word is an integer.
            Data::String(Value::Int(unsafe { self.at.add(shape.word_at()).cast::<i64>().read() }))
        } else if shape.has(OBJECT) {
            self.collection(shape)
        } else if let Some(buffer) = self.buffer(shape) {
            Data::String(Value::Bytes(buffer))
        } else {
            // SAFETY: `value_len` initialized bytes lie at `value_at`.
            Data::String(Value::Bytes(unsafe {
                std::slice::from_raw_parts(self.at.add(shape.value_at()).as_ptr(), shape.value_len)
            }))
        }
    }

    /// The collection of an entry of this shape, which has `OBJECT`.
    #[inline(always)]
    fn collection(self, shape: Shape) -> Data<'a> {
        // SAFETY: within the allocation, as its shape says.
        let at = unsafe { self.at.add(shape.word_at()) };
        // SAFETY: the kind says what lies there, in the entry's own memory.
        unsafe {
            match self.kind() {
                Kind::List => Data::List(at.cast::<Box<List>>().as_ref()),
                Kind::Set => Data::Set(at.cast::<Set>().as_ref()),
                Kind::SortedSet => Data::SortedSet(at.cast::<SortedSet>().as_ref()),
                Kind::Hash => Data::Hash(at.cast::<Hash>().as_ref()),
                Kind::Stream => Data::Stream(at.cast::<Box<Stream>>().as_ref()),
                Kind::String => unreachable!("a string among the collections"),
            }
        }
    }

    /// The deadline, if the key has one. It may have passed.
    #[inline(always)]
    pub fn expires_at(self) -> Option<WallMs> {
        // SAFETY: the flag says that the eight bytes at `EXPIRY_AT` are the deadline.
        (self.flags() & EXPIRY != 0).then(|| WallMs(unsafe { self.at.add(EXPIRY_AT).cast::<i64>().read() }))
    }

    /// The 24-bit access clock: LRU time or LFU counter, as the caller means it.
    #[inline(always)]
    pub fn access(self) -> u32 {
        self.word() & CLOCK_MASK
    }

    /// How the value is represented.
    #[inline]
    pub fn encoding(self) -> Encoding {
        match self.data() {
            Data::String(_) => Encoding::from_bits((self.word() >> ENCODING_SHIFT) as u8),
            data => data.encoding(),
        }
    }

    /// The data type.
    #[inline]
    pub fn kind(self) -> Kind {
        Kind::from_bits((self.word() >> KIND_SHIFT) as u8 & 0xf)
    }

    /// The memory asked for: the entry and what it points to, without its share of the table.
    #[inline]
    pub fn bytes(self) -> usize {
        let shape = self.shape();
        shape.bytes()
            + if shape.has(OBJECT) {
                self.collection(shape).heap_bytes()
            } else {
                self.buffer(shape).map_or(0, Vec::capacity)
            }
    }

    /// Roughly how many allocations freeing the value takes; deletions that take many are worth
    /// handing to another thread.
    pub fn free_effort(self) -> usize {
        self.data().free_effort()
    }

    #[inline(always)]
    fn buffer(self, shape: Shape) -> Option<&'a Vec<u8>> {
        // SAFETY: the flag says that a `Vec` lies there, in the entry's own memory.
        shape.has(BUFFER).then(|| unsafe { self.at.add(shape.word_at()).cast::<Vec<u8>>().as_ref() })
    }

    #[inline(always)]
    fn word(self) -> u32 {
        // SAFETY: the head's first four bytes.
        unsafe { self.at.cast::<u32>().read() }
    }

    #[inline(always)]
    fn flags(self) -> u8 {
        // SAFETY: a byte of the head.
        unsafe { self.at.add(FLAGS_AT).read() }
    }

    #[inline(always)]
    fn shape(self) -> Shape {
        let flags = self.flags();
        // SAFETY: bytes of the head.
        let (short_key_len, value_len) =
            unsafe { (self.at.add(SHORT_KEY_LEN_AT).read(), self.at.add(VALUE_LEN_AT).cast::<u16>().read()) };
        let mut shape = Shape { flags, key_len: short_key_len.into(), value_len: value_len.into() };
        if shape.has(LONG_KEY) {
            // SAFETY: the flag says that four bytes of key length lie there.
            shape.key_len = unsafe { self.at.add(shape.long_key_len_at()).cast::<u32>().read() } as usize;
        }
        shape
    }
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("value", &self.data())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
