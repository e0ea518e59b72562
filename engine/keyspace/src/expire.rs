//! Finding keys whose deadline has passed.
//!
//! Each segment keeps a lower bound of its deadlines, so a cycle looks at eight bytes a segment
//! and reads only segments that are due. Removing is the caller's: it also has to tell replicas.

use crate::db::Db;
use crate::segment::{NEVER, Reported};
use crate::value::WallMs;

impl Db {
    /// Reports keys whose deadline is at or before `now`; the caller removes them afterwards.
    ///
    /// Looks at due segments, each as a whole (about 400 keys at most), until `budget` entries
    /// have been looked at, and goes on there at the next call. True: there may be more. A
    /// reported key that is not removed is reported again.
    pub fn expire_cycle(&mut self, now: WallMs, budget: usize, expired: &mut dyn FnMut(&[u8])) -> bool {
        if self.volatile_len() == 0 {
            return false;
        }
        let segments = self.table.segment_count();
        let mut looked_at = 0;
        for step in 0..segments {
            let id = (self.expire_from + step) % segments;
            if self.table.deadlines[id] > now.0 {
                continue;
            }
            if looked_at >= budget {
                self.expire_from = id;
                return true;
            }
            looked_at += self.expire_segment(id, now, expired);
        }
        false
    }

    /// Reports the due keys of one segment, sets its bound anew, and tells how many entries it
    /// looked at.
    fn expire_segment(&mut self, id: usize, now: WallMs, expired: &mut dyn FnMut(&[u8])) -> usize {
        let (segment, buckets) = self.table.segment(id);
        let count = segment.count as usize;
        let mut earliest = NEVER;
        let mut reported = Reported { until: now.0, pending: 0, later: NEVER };
        for slot in segment.entries(buckets).filter(|slot| slot.is_volatile()) {
            let Some(deadline) = slot.entry().expires_at() else { continue };
            earliest = earliest.min(deadline.0);
            if deadline <= now {
                reported.pending += 1;
                expired(slot.entry().key());
            } else {
                reported.later = reported.later.min(deadline.0);
            }
        }
        self.table.deadlines[id] = earliest;
        self.table.segment_mut(id).reported = if reported.pending > 0 { reported } else { Reported::NOTHING };
        count
    }

    /// A time before which no key expires: a lower bound of all deadlines.
    pub fn next_deadline_hint(&self) -> Option<WallMs> {
        if self.volatile_len() == 0 {
            return None;
        }
        self.table.deadlines.iter().min().map(|&earliest| WallMs(earliest))
    }
}
