//! Lists: elements one by one, ziplists, listpacks. Written as listpacks, and elements too large for them.

use keyspace::Object;
use keyspace::values::{End, Limits, List, Part};

use super::{Built, Cursor, Fault, Spare, Writer, code, from_ziplist, listpack};

/// How a node of a quicklist holds its elements.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

pub(super) fn write(writer: &mut Writer, list: &List) {
    let parts = list.parts();
    writer.number(parts.len() as u64);
    for part in parts {
        match part {
            Part::Packed(elements) => {
                writer.number(PACKED);
                writer.blob(|out| elements.write_encoded(out));
            }
            Part::Plain(element) => {
                writer.number(PLAIN);
                writer.text(&element);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Builder {
    code: u8,
    /// Elements or nodes to come, once their number is known.
    left: Option<u64>,
    list: List,
}

impl Builder {
    pub(super) fn new(code: u8) -> Builder {
        // A ziplist stands by itself.
        let left = (code == code::LIST_ZIPLIST).then_some(1);
        Builder { code, left, list: List::default() }
    }

    pub(super) fn advance(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare, limits: &Limits) -> Built {
        let mut left = match self.left {
            Some(left) => left,
            None => cursor.number()?,
        };
        while left > 0 {
            self.take(cursor, &mut spare.first, limits)?;
            left -= 1;
            self.left = Some(left);
            cursor.keep();
        }
        let mut list = std::mem::take(&mut self.list);
        list.settle(limits);
        Ok((!list.is_empty()).then(|| Object::List(Box::new(list))))
    }

    fn take(&mut self, cursor: &mut Cursor<'_>, spare: &mut Vec<u8>, limits: &Limits) -> Result<(), Fault> {
        match self.code {
            code::LIST => {
                let text = cursor.text()?;
                self.list.push(End::Back, text.lend(cursor.data(), spare)?, limits);
            }
            code::LIST_OF_LISTPACKS => match cursor.number()? {
                PACKED => self.list.append_part(listpack(cursor, spare)?),
                PLAIN => {
                    let text = cursor.text()?;
                    self.list.append_plain(text.lend(cursor.data(), spare)?.to_vec());
                }
                _ => return Err(Fault::Invalid),
            },
            _ => self.list.append_part(from_ziplist(cursor, spare)?),
        }
        Ok(())
    }
}
