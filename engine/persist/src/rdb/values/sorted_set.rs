//! Sorted sets: members and scores one by one, scores as text or as eight bytes, a ziplist, a listpack.
//! Written with scores of eight bytes, the greatest first, or as a listpack.

use keyspace::Object;
use keyspace::values::{Limits, SortedSet};

use super::{Built, Cursor, Fault, Spare, Stop, Writer, code, expected, from_ziplist, listpack};

/// Lengths of a score's text that stand for scores without one.
const NAN: u8 = 253;
const INFINITY: u8 = 254;
const NEGATIVE_INFINITY: u8 = 255;

pub(super) fn code_of(set: &SortedSet) -> u8 {
    if set.listpack().is_some() { code::ZSET_LISTPACK } else { code::ZSET_BINARY }
}

pub(super) fn write(writer: &mut Writer, set: &SortedSet) {
    if let Some(pairs) = set.listpack() {
        return writer.blob(|out| pairs.write_encoded(out));
    }
    writer.number(set.len() as u64);
    for (member, score) in set.iter(0..set.len()).rev() {
        writer.element(member);
        writer.raw(&score.to_le_bytes());
    }
}

#[derive(Debug)]
pub(super) struct Builder {
    code: u8,
    /// Members to come, once their number is known.
    left: Option<u64>,
    set: SortedSet,
}

impl Builder {
    pub(super) fn new(code: u8) -> Builder {
        Builder { code, left: None, set: SortedSet::default() }
    }

    pub(super) fn advance(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare, limits: &Limits) -> Built {
        let pairs = match self.code {
            code::ZSET_LISTPACK => listpack(cursor, &mut spare.first)?,
            code::ZSET_ZIPLIST => from_ziplist(cursor, &mut spare.first)?,
            _ => return self.take_members(cursor, spare, limits),
        };
        if pairs.is_empty() {
            return Ok(None);
        }
        Ok(Some(Object::SortedSet(SortedSet::from_listpack(pairs, limits)?)))
    }

    fn take_members(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare, limits: &Limits) -> Built {
        let mut left = match self.left {
            Some(left) => left,
            None => {
                let left = cursor.number()?;
                self.set = SortedSet::for_size(expected(left), 0, limits);
                left
            }
        };
        // Kept only beside the first member: until then the set is made anew.
        while left > 0 {
            let text = cursor.text()?;
            let score = self.score(cursor)?;
            let member = text.lend(cursor.data(), &mut spare.first)?;
            if score.is_nan() || !self.set.insert(member, score, limits) {
                return Err(Fault::Invalid);
            }
            left -= 1;
            self.left = Some(left);
            cursor.keep();
        }
        let mut set = std::mem::take(&mut self.set);
        set.settle(limits);
        Ok((!set.is_empty()).then_some(Object::SortedSet(set)))
    }

    fn score(&self, cursor: &mut Cursor<'_>) -> Result<f64, Fault> {
        if self.code == code::ZSET_BINARY {
            return Ok(f64::from_le_bytes(cursor.array()?));
        }
        match cursor.byte()? {
            NAN => Err(Fault::Invalid),
            INFINITY => Ok(f64::INFINITY),
            NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY),
            length => {
                let text = cursor.bytes(length.into()).map_err(|stop: Stop| Fault::Stop(stop))?;
                resp::number::parse_f64(text).ok_or(Fault::Invalid)
            }
        }
    }
}
