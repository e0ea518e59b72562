//! How far a group has read, counted in entries.
//!
//! A group counts what it reads, as long as the count is sure to be right: once entries were deleted that
//! it has not come to, or it was set to an arbitrary id, the count is unknown until it can be told from the
//! figures of the stream again. The rules are those of Redis 7.2, whose replicas compute along.

use super::{Group, Stream, StreamId};

impl Stream {
    /// Whether an entry whose id is not lower than `from` may have been deleted since.
    pub fn has_deleted_from(&self, from: StreamId) -> bool {
        if self.length == 0 || self.max_deleted_id == StreamId::MIN {
            return false;
        }
        // What was deleted before the first entry leaves no gap.
        self.first_id <= self.max_deleted_id && from <= self.max_deleted_id
    }

    /// How many entries were added up to an id, where that can be told.
    pub fn count_up_to(&self, id: StreamId) -> Option<i64> {
        let added = self.entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= self.last_id {
            return Some(added);
        }
        match id.cmp(&self.last_id) {
            std::cmp::Ordering::Equal => return Some(added),
            std::cmp::Ordering::Greater => return None,
            std::cmp::Ordering::Less => {}
        }
        let unbroken = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        let gone = added.wrapping_sub(self.length as i64);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if unbroken => Some(gone),
            std::cmp::Ordering::Equal if unbroken => Some(gone.wrapping_add(1)),
            _ => None,
        }
    }

    /// How many entries a group has still to read, where that can be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let added = self.entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_deleted_from(group.last_id) => Some(read),
            _ => self.count_up_to(group.last_id),
        };
        read.map(|read| added.wrapping_sub(read))
    }
}

impl Group {
    /// Moves the group on to an entry that it reads now, if it is beyond what it has read.
    pub fn advance(&mut self, to: StreamId, stream: &Stream) -> bool {
        if to <= self.last_id {
            return false;
        }
        match self.entries_read {
            Some(read) if !stream.has_deleted_from(to) => self.entries_read = Some(read.wrapping_add(1)),
            _ if stream.entries_added > 0 => self.entries_read = stream.count_up_to(to),
            _ => {}
        }
        self.last_id = to;
        true
    }
}
