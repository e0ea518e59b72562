//! The backlog: the latest bytes of the replication stream, kept so that a replica that was away
//! for a while can go on where it stopped.
//!
//! A ring that grows to its size only as bytes arrive: a node without writes pays nothing for it.

use crate::id::Offset;

/// The default of `repl-backlog-size`.
pub const DEFAULT_SIZE_BYTES: usize = 1024 * 1024;

/// The last `size` bytes of a stream, with the numbers they have in it.
#[derive(Debug)]
pub struct Backlog {
    /// Grows by appending until it has `size` bytes; then `oldest` goes around.
    ring: Vec<u8>,
    /// Index of the oldest byte.
    oldest: usize,
    size: usize,
    end: Offset,
}

impl Backlog {
    /// An empty backlog of at most `size` bytes for a stream whose next byte is `offset + 1`.
    #[must_use]
    pub fn new(size: usize, offset: Offset) -> Self {
        Backlog { ring: Vec::new(), oldest: 0, size: size.max(1), end: offset }
    }

    /// The most bytes it will hold (`repl_backlog_size`).
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Bytes it holds now (`repl_backlog_histlen`).
    #[must_use]
    pub fn length(&self) -> usize {
        self.ring.len()
    }

    /// The number of the oldest byte it holds, or of the byte to come when it is empty
    /// (`repl_backlog_first_byte_offset`).
    #[must_use]
    pub fn first_offset(&self) -> Offset {
        Offset(self.end.0 + 1 - self.ring.len() as u64)
    }

    /// The number of the last byte appended: the stream's offset.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.end
    }

    /// Adds the stream's next bytes; the oldest make room.
    pub fn append(&mut self, bytes: &[u8]) {
        self.end = self.end.plus(bytes.len() as u64);
        let kept = &bytes[bytes.len().saturating_sub(self.size)..];
        let (first, rest) = kept.split_at(kept.len().min(self.size - self.ring.len()));
        self.grow(first);
        let (to_end, around) = rest.split_at(rest.len().min(self.ring.len() - self.oldest));
        self.ring[self.oldest..self.oldest + to_end.len()].copy_from_slice(to_end);
        self.ring[..around.len()].copy_from_slice(around);
        if self.ring.len() == self.size {
            self.oldest = (self.oldest + rest.len()) % self.size;
        }
    }

    /// Appends to a ring that is not full. The memory doubles, but never beyond the size.
    fn grow(&mut self, bytes: &[u8]) {
        let needed = self.ring.len() + bytes.len();
        if needed > self.ring.capacity() {
            let capacity = needed.max(self.ring.capacity() * 2).min(self.size);
            self.ring.reserve_exact(capacity - self.ring.len());
        }
        self.ring.extend_from_slice(bytes);
    }

    /// The bytes from number `from` on, in two pieces; both empty when `from` is the byte to
    /// come. `None` when the backlog does not reach back to it, or it is further ahead.
    #[must_use]
    pub fn copy_from(&self, from: Offset) -> Option<(&[u8], &[u8])> {
        if from > self.end.next() {
            return None;
        }
        let skip = from.0.checked_sub(self.first_offset().0)? as usize;
        let (newer, older) = self.ring.split_at(self.oldest);
        Some(match skip.checked_sub(older.len()) {
            None => (&older[skip..], newer),
            Some(skip) => (&newer[skip..], &[]),
        })
    }

    /// Changes the size (`CONFIG SET repl-backlog-size`), keeping the latest bytes that fit.
    pub fn resize(&mut self, size: usize) {
        let size = size.max(1);
        self.ring.rotate_left(self.oldest);
        self.oldest = 0;
        if self.ring.len() > size {
            self.ring.drain(..self.ring.len() - size);
            self.ring.shrink_to(size);
        }
        self.size = size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(backlog: &Backlog) -> Vec<u8> {
        let (first, second) = backlog.copy_from(backlog.first_offset()).expect("its own first byte");
        [first, second].concat()
    }

    #[test]
    fn keeps_the_latest_bytes() {
        let mut backlog = Backlog::new(4, Offset(10));
        assert_eq!((backlog.first_offset(), backlog.end_offset()), (Offset(11), Offset(10)));
        assert_eq!(backlog.copy_from(Offset(11)), Some((&b""[..], &b""[..])));
        backlog.append(b"abc");
        assert_eq!(all(&backlog), b"abc");
        backlog.append(b"def");
        assert_eq!(all(&backlog), b"cdef");
        assert_eq!((backlog.first_offset(), backlog.end_offset()), (Offset(13), Offset(16)));
        assert_eq!(backlog.copy_from(Offset(12)), None);
        assert_eq!(backlog.copy_from(Offset(17)), Some((&b""[..], &b""[..])));
        assert_eq!(backlog.copy_from(Offset(18)), None);
        backlog.append(b"longer than all of it");
        assert_eq!(all(&backlog), b"f it");
    }

    #[test]
    fn memory_comes_with_the_bytes() {
        let mut backlog = Backlog::new(1 << 20, Offset(0));
        assert_eq!(backlog.ring.capacity(), 0);
        backlog.append(b"PING");
        assert!(backlog.ring.capacity() < 100);
        for _ in 0..3_000 {
            backlog.append(&[0; 1_000]);
        }
        assert_eq!(backlog.ring.capacity(), 1 << 20);
    }

    #[derive(Debug, Clone)]
    enum Change {
        Append(Vec<u8>),
        Resize(usize),
    }

    fn arbitrary_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            5 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Change::Append),
            1 => (1..50usize).prop_map(Change::Resize),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_the_tail_of_the_stream(
            size in 1..50usize, start in 0..1_000u64, changes in prop::collection::vec(arbitrary_change(), 0..40),
        ) {
            let mut backlog = Backlog::new(size, Offset(start));
            let mut tail: Vec<u8> = Vec::new();
            let (mut size, mut total) = (size, start);
            for change in changes {
                match change {
                    Change::Append(bytes) => {
                        backlog.append(&bytes);
                        total += bytes.len() as u64;
                        tail.extend(bytes);
                    }
                    Change::Resize(to) => {
                        backlog.resize(to);
                        size = to;
                    }
                }
                tail.drain(..tail.len().saturating_sub(size));
                prop_assert_eq!(backlog.end_offset(), Offset(total));
                prop_assert_eq!(backlog.length(), tail.len());
                for skip in 0..=tail.len() {
                    let from = Offset(backlog.first_offset().0 + skip as u64);
                    let (first, second) = backlog.copy_from(from).expect("within");
                    prop_assert_eq!([first, second].concat(), &tail[skip..]);
                }
                prop_assert!(backlog.copy_from(Offset(total + 2)).is_none());
                if backlog.first_offset() > Offset(0) {
                    prop_assert!(backlog.copy_from(Offset(backlog.first_offset().0 - 1)).is_none());
                }
            }
        }
    }
}
