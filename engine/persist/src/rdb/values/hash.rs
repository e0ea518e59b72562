//! Hashes: fields and values one by one, a zipmap, a ziplist, a listpack. Written in the first and last form.

use keyspace::Object;
use keyspace::values::{Hash, Limits};

use super::{Built, Cursor, Fault, Spare, Writer, code, expected, from_ziplist, gathered, listpack, zipmap};

pub(super) fn code_of(hash: &Hash) -> u8 {
    if hash.as_listpack().is_some() { code::HASH_LISTPACK } else { code::HASH }
}

pub(super) fn write(writer: &mut Writer, hash: &Hash) {
    if let Some(pairs) = hash.as_listpack() {
        return writer.blob(|out| pairs.write_encoded(out));
    }
    writer.number(hash.len() as u64);
    for (field, value) in hash.iter() {
        writer.element(field);
        writer.element(value);
    }
}

#[derive(Debug)]
pub(super) struct Builder {
    code: u8,
    /// Fields to come, once their number is known.
    left: Option<u64>,
    hash: Hash,
}

impl Builder {
    pub(super) fn new(code: u8) -> Builder {
        Builder { code, left: None, hash: Hash::default() }
    }

    pub(super) fn advance(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare, limits: &Limits) -> Built {
        let pairs = match self.code {
            code::HASH_LISTPACK => listpack(cursor, &mut spare.first)?,
            code::HASH_ZIPLIST => from_ziplist(cursor, &mut spare.first)?,
            code::HASH_ZIPMAP => {
                let text = cursor.text()?;
                gathered(
                    &zipmap::elements(text.lend(cursor.data(), &mut spare.first)?).ok_or(Fault::Invalid)?,
                )
            }
            _ => return self.take_fields(cursor, spare, limits),
        };
        if pairs.is_empty() {
            return Ok(None);
        }
        // Other forms than the listpack may hold what is too long for one.
        let longest = pairs.iter().map(keyspace::Value::len).max().unwrap_or(0) as u64;
        if longest <= limits.hash_max_listpack_value {
            return Ok(Some(Object::Hash(Hash::from_listpack(pairs, limits)?)));
        }
        self.take_pairs(&pairs, limits)
    }

    fn take_pairs(&mut self, pairs: &keyspace::values::Listpack, limits: &Limits) -> Built {
        let mut elements = pairs.iter();
        while let Some(field) = elements.next() {
            let value = elements.next().ok_or(Fault::Invalid)?;
            if !self.hash.set(&field.to_cow(), &value.to_cow(), limits) {
                return Err(Fault::Invalid);
            }
        }
        Ok(Some(Object::Hash(std::mem::take(&mut self.hash))))
    }

    fn take_fields(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare, limits: &Limits) -> Built {
        let mut left = match self.left {
            Some(left) => left,
            None => {
                let left = cursor.number()?;
                self.hash.expect(expected(left), limits);
                left
            }
        };
        while left > 0 {
            let (field, value) = (cursor.text()?, cursor.text()?);
            let data = cursor.data();
            let (field, value) = (field.lend(data, &mut spare.first)?, value.lend(data, &mut spare.second)?);
            if !self.hash.set(field, value, limits) {
                return Err(Fault::Invalid);
            }
            left -= 1;
            self.left = Some(left);
            cursor.keep();
        }
        let hash = std::mem::take(&mut self.hash);
        Ok((!hash.is_empty()).then_some(Object::Hash(hash)))
    }
}
