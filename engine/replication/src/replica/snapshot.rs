//! Finding where a snapshot ends in the bytes that come from a master.
//!
//! Either its length is told in advance, or forty bytes told in advance follow it. The mark may be
//! cut anywhere between two reads, so the last bytes of each are kept until it is sure that they
//! are not its beginning.

use memchr::memmem;

use super::{Payload, SnapshotSize};

const MARK: usize = 40;
const EOF: &[u8] = b"EOF:";

/// The framing of the snapshot under way.
#[derive(Debug)]
pub(super) struct Framing {
    end: End,
    read_bytes: u64,
}

#[derive(Debug)]
enum End {
    After {
        total: u64,
    },
    /// `kept` is the tail of what has come, shorter than a mark.
    Mark {
        mark: [u8; MARK],
        kept: Vec<u8>,
    },
}

/// What a piece of input turned out to be.
#[derive(Debug)]
pub(super) struct Taken {
    /// Parts of the snapshot, in order.
    pub(super) parts: Vec<Payload>,
    /// Where in the input the snapshot's framing ended, when it did.
    pub(super) done_at: Option<usize>,
}

impl Framing {
    /// Reads what follows the `$` of the first line.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let end = match header.strip_prefix(EOF) {
            Some(mark) => End::Mark { mark: mark.try_into().ok()?, kept: Vec::new() },
            None => End::After { total: crate::id::Offset::parse(header)?.0 },
        };
        Some(Framing { end, read_bytes: 0 })
    }

    pub(super) fn size(&self) -> SnapshotSize {
        match self.end {
            End::After { total } => SnapshotSize::Known(total),
            End::Mark { .. } => SnapshotSize::Unknown,
        }
    }

    /// Bytes of the snapshot so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Sorts out `input[from..]`. Also to be called with nothing, because a snapshot of no bytes
    /// is complete at once.
    pub(super) fn take(&mut self, input: &[u8], from: usize) -> Taken {
        let mut parts = Vec::new();
        let done_at = match &mut self.end {
            End::After { total } => {
                let left = *total - self.read_bytes;
                let until = from + left.min((input.len() - from) as u64) as usize;
                parts.push(Payload::Input(from..until));
                (left == (until - from) as u64).then_some(until)
            }
            End::Mark { mark, kept } => take_marked(mark, kept, input, from, &mut parts),
        };
        parts.retain(|part| !part.bytes(input).is_empty());
        self.read_bytes += parts.iter().map(|part| part.bytes(input).len() as u64).sum::<u64>();
        Taken { parts, done_at }
    }
}

/// Looks for the mark in `kept` followed by `input[from..]`; gives the index in `input` after it.
fn take_marked(
    mark: &[u8; MARK],
    kept: &mut Vec<u8>,
    input: &[u8],
    from: usize,
    parts: &mut Vec<Payload>,
) -> Option<usize> {
    let finder = memmem::Finder::new(mark);
    let fresh = &input[from..];
    // A mark that begins in what was kept ends within the next bytes.
    let before = kept.len();
    kept.extend_from_slice(&fresh[..fresh.len().min(MARK - 1)]);
    if let Some(at) = finder.find(kept).filter(|&at| at < before) {
        let mut start = std::mem::take(kept);
        start.truncate(at);
        parts.push(Payload::Kept(start));
        return Some(from + at + MARK - before);
    }
    if fresh.len() < MARK {
        // All of it is in `kept` now.
        let sure = kept.len().saturating_sub(MARK - 1);
        if let Some(at) = finder.find(kept) {
            let mut start = std::mem::take(kept);
            start.truncate(at);
            parts.push(Payload::Kept(start));
            return Some(from + at + MARK - before);
        }
        let tail = kept.split_off(sure);
        parts.push(Payload::Kept(std::mem::replace(kept, tail)));
        return None;
    }
    kept.truncate(before);
    parts.push(Payload::Kept(std::mem::take(kept)));
    if let Some(at) = finder.find(fresh) {
        parts.push(Payload::Input(from..from + at));
        return Some(from + at + MARK);
    }
    let sure = input.len() - (MARK - 1);
    parts.push(Payload::Input(from..sure));
    kept.extend_from_slice(&input[sure..]);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MARK_TEXT: &str = "aabaabaabaabaabaabaabaabaabaabaabaabaaba";

    /// Passes the pieces through; gives the snapshot and what followed it.
    fn frame(header: &str, pieces: &[&[u8]]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut framing = Framing::parse(header.as_bytes()).expect("a good header");
        let (mut snapshot, mut rest, mut done) = (Vec::new(), Vec::new(), false);
        for piece in pieces {
            if done {
                rest.extend_from_slice(piece);
                continue;
            }
            let taken = framing.take(piece, 0);
            for part in &taken.parts {
                snapshot.extend_from_slice(part.bytes(piece));
            }
            if let Some(at) = taken.done_at {
                done = true;
                rest.extend_from_slice(&piece[at..]);
            }
        }
        assert_eq!(framing.read_bytes(), snapshot.len() as u64);
        done.then_some((snapshot, rest))
    }

    #[test]
    fn reads_headers() {
        assert!(Framing::parse(b"EOF:short").is_none());
        assert!(Framing::parse(b"-1").is_none());
        assert!(Framing::parse(b"").is_none());
        let size = |header: &[u8]| Framing::parse(header).map(|framing| framing.size());
        assert_eq!(size(b"0"), Some(SnapshotSize::Known(0)));
        assert_eq!(size(format!("EOF:{MARK_TEXT}").as_bytes()), Some(SnapshotSize::Unknown));
        assert_eq!(frame("0", &[b""]), Some((vec![], vec![])));
        assert_eq!(frame("3", &[b"ab", b"cd", b"e"]), Some((b"abc".to_vec(), b"de".to_vec())));
        assert_eq!(frame("3", &[b"ab"]), None);
    }

    proptest! {
        /// A mark that resembles its own shifts, after a snapshot full of its beginnings, cut at
        /// any two places.
        #[test]
        fn finds_the_mark_wherever_the_input_is_cut(
            starts in prop::collection::vec(0..MARK, 0..6),
            rest in prop::collection::vec(any::<u8>(), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut snapshot = Vec::new();
            for start in starts {
                snapshot.extend_from_slice(&MARK_TEXT.as_bytes()[..start]);
                snapshot.push(b'x');
            }
            let whole = [&snapshot[..], MARK_TEXT.as_bytes(), &rest].concat();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len())).collect();
            places.extend([0, whole.len()]);
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frame(&format!("EOF:{MARK_TEXT}"), &pieces), Some((snapshot, rest)));
        }
    }
}
