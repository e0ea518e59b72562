//! Ids of entries: a time in milliseconds and a number within it, written `ms-seq`.

/// The id of an entry; ids are ordered by time, then number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix time in milliseconds, as far as the one who chose it cares.
    pub ms: u64,
    /// A number that tells entries of one millisecond apart.
    pub seq: u64,
}

/// The longest text of an id, in bytes.
pub const STREAM_ID_MAX_LEN: usize = 41;

impl StreamId {
    /// The lowest id, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The highest id.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// An id of these parts.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id right behind; none behind the highest.
    pub fn next(self) -> Option<StreamId> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The id right before; none before the lowest.
    pub fn prev(self) -> Option<StreamId> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }

    /// Its text, written into `buffer`.
    pub fn format(self, buffer: &mut [u8; STREAM_ID_MAX_LEN]) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        let ms = digits.format(self.ms).as_bytes();
        let dash = ms.len();
        buffer[..dash].copy_from_slice(ms);
        buffer[dash] = b'-';
        let seq = digits.format(self.seq).as_bytes();
        let end = dash + 1 + seq.len();
        buffer[dash + 1..end].copy_from_slice(seq);
        &buffer[..end]
    }

    /// Sixteen bytes, most significant first, which sort as ids do.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The id of sixteen bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let word = u128::from_be_bytes(bytes);
        StreamId { ms: (word >> 64) as u64, seq: word as u64 }
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_cross_milliseconds_and_end_at_the_ends() {
        let id = StreamId::new(5, u64::MAX);
        assert_eq!(id.next(), Some(StreamId::new(6, 0)));
        assert_eq!(StreamId::new(6, 0).prev(), Some(id));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.prev()), (None, None));
    }

    #[test]
    fn text_and_bytes() {
        for id in [StreamId::MIN, StreamId::MAX, StreamId::new(1_700_000_000_000, 7)] {
            let mut buffer = [0; STREAM_ID_MAX_LEN];
            assert_eq!(id.format(&mut buffer), id.to_string().as_bytes());
            assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
        }
        assert!(StreamId::new(1, u64::MAX).to_bytes() < StreamId::new(2, 0).to_bytes());
    }
}
