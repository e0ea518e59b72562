//! Sets: members one by one, an intset, a listpack. Written in the first two forms: Redis 7.0 has no third.

use keyspace::Object;
use keyspace::values::{Intset, Limits, Set};

use super::{Built, Cursor, Fault, Spare, Writer, code, expected, listpack};

pub(super) fn code_of(set: &Set) -> u8 {
    if set.as_intset().is_some() { code::SET_INTSET } else { code::SET }
}

pub(super) fn write(writer: &mut Writer, set: &Set) {
    if let Some(integers) = set.as_intset() {
        return writer.blob(|out| integers.write_encoded(out));
    }
    writer.number(set.len() as u64);
    for member in set.iter() {
        writer.element(member);
    }
}

#[derive(Debug)]
pub(super) struct Builder {
    code: u8,
    /// Members to come, once their number is known.
    left: Option<u64>,
    set: Set,
}

impl Builder {
    pub(super) fn new(code: u8) -> Builder {
        Builder { code, left: None, set: Set::default() }
    }

    pub(super) fn advance(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare, limits: &Limits) -> Built {
        let set = match self.code {
            code::SET_INTSET => {
                let text = cursor.text()?;
                let integers = Intset::from_encoded(text.lend(cursor.data(), &mut spare.first)?)?;
                Set::from_intset(integers, limits)?
            }
            code::SET_LISTPACK => Set::from_listpack(listpack(cursor, &mut spare.first)?, limits)?,
            _ => return self.take_members(cursor, spare, limits),
        };
        Ok(Some(Object::Set(set)))
    }

    fn take_members(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare, limits: &Limits) -> Built {
        let mut left = match self.left {
            Some(left) => left,
            None => {
                let left = cursor.number()?;
                self.set.expect(expected(left), limits);
                left
            }
        };
        while left > 0 {
            let text = cursor.text()?;
            if !self.set.add(text.lend(cursor.data(), &mut spare.first)?, limits) {
                return Err(Fault::Invalid);
            }
            left -= 1;
            self.left = Some(left);
            cursor.keep();
        }
        let set = std::mem::take(&mut self.set);
        Ok((!set.is_empty()).then_some(Object::Set(set)))
    }
}
