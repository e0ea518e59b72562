//! Values of every type in a file: which form is written, and how each of the forms is read.
//!
//! A value is read element by element as it arrives: a [`Builder`] keeps what there is so far, so that
//! memory follows what has arrived and nothing is read twice. Nothing is believed: what comes as one
//! piece (listpack, ziplist, zipmap, intset) is checked whole, and elements that must differ do.
//!
//! What the type codes mean is in [`code`]; the forms are those that Redis writes, from 1.0 on.

mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;
mod ziplist;
mod zipmap;

use keyspace::values::{Invalid, InvalidStream, Limits, Listpack};
use keyspace::{Data, Object, parse_canonical_int};

use super::cursor::{Cursor, Stop};
use super::error::ErrorKind;
use super::format;
use super::writer::Writer;

/// How many elements a value is prepared for at most, whatever its length claims.
const EXPECTED_AT_MOST: u64 = 16_384;

/// What the byte before a key says of its value.
pub(super) mod code {
    pub(crate) const STRING: u8 = 0;
    pub(crate) const LIST: u8 = 1;
    pub(crate) const SET: u8 = 2;
    pub(crate) const ZSET: u8 = 3;
    pub(crate) const HASH: u8 = 4;
    pub(crate) const ZSET_BINARY: u8 = 5;
    pub(crate) const HASH_ZIPMAP: u8 = 9;
    pub(crate) const LIST_ZIPLIST: u8 = 10;
    pub(crate) const SET_INTSET: u8 = 11;
    pub(crate) const ZSET_ZIPLIST: u8 = 12;
    pub(crate) const HASH_ZIPLIST: u8 = 13;
    pub(crate) const LIST_OF_ZIPLISTS: u8 = 14;
    pub(crate) const STREAM_1: u8 = 15;
    pub(crate) const HASH_LISTPACK: u8 = 16;
    pub(crate) const ZSET_LISTPACK: u8 = 17;
    pub(crate) const LIST_OF_LISTPACKS: u8 = 18;
    pub(crate) const STREAM_2: u8 = 19;
    pub(crate) const SET_LISTPACK: u8 = 20;
    pub(crate) const STREAM_3: u8 = 21;
}

/// Where strings go that do not lie in the bytes as they are: two that are needed at once.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub(super) first: Vec<u8>,
    pub(super) second: Vec<u8>,
}

/// Why a value is not complete.
enum Fault {
    /// It stops short, or is wrong in a way that has its own name.
    Stop(Stop),
    /// It does not follow its format.
    Invalid,
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Fault::Stop(stop)
    }
}

impl From<Invalid> for Fault {
    fn from(_: Invalid) -> Self {
        Fault::Invalid
    }
}

impl From<InvalidStream> for Fault {
    fn from(_: InvalidStream) -> Self {
        Fault::Invalid
    }
}

/// A complete value; none for one without elements, whose key does not count.
type Built = Result<Option<Object>, Fault>;

/// A value that is being read.
#[derive(Debug)]
pub(super) struct Builder {
    code: u8,
    form: Form,
}

#[derive(Debug)]
enum Form {
    List(list::Builder),
    Set(set::Builder),
    SortedSet(sorted_set::Builder),
    Hash(hash::Builder),
    Stream(Box<stream::Builder>),
}

impl Builder {
    /// One for values of this code; none when there are no such values, or they are strings.
    pub(super) fn new(code: u8) -> Option<Builder> {
        let form = match code {
            code::LIST | code::LIST_ZIPLIST | code::LIST_OF_ZIPLISTS | code::LIST_OF_LISTPACKS => {
                Form::List(list::Builder::new(code))
            }
            code::SET | code::SET_INTSET | code::SET_LISTPACK => Form::Set(set::Builder::new(code)),
            code::ZSET | code::ZSET_BINARY | code::ZSET_ZIPLIST | code::ZSET_LISTPACK => {
                Form::SortedSet(sorted_set::Builder::new(code))
            }
            code::HASH | code::HASH_ZIPMAP | code::HASH_ZIPLIST | code::HASH_LISTPACK => {
                Form::Hash(hash::Builder::new(code))
            }
            code::STREAM_1 | code::STREAM_2 | code::STREAM_3 => {
                Form::Stream(Box::new(stream::Builder::new(code)))
            }
            _ => return None,
        };
        Some(Builder { code, form })
    }

    /// Takes what has arrived of the value. A value without elements gives none.
    pub(super) fn advance(
        &mut self,
        cursor: &mut Cursor<'_>,
        spare: &mut Spare,
        limits: &Limits,
    ) -> Result<Option<Object>, Stop> {
        let built = match &mut self.form {
            Form::List(builder) => builder.advance(cursor, spare, limits),
            Form::Set(builder) => builder.advance(cursor, spare, limits),
            Form::SortedSet(builder) => builder.advance(cursor, spare, limits),
            Form::Hash(builder) => builder.advance(cursor, spare, limits),
            Form::Stream(builder) => builder.advance(cursor, spare),
        };
        match built {
            Ok(object) => {
                cursor.keep();
                Ok(object)
            }
            Err(Fault::Stop(stop)) => Err(stop),
            Err(Fault::Invalid) => {
                let name = format::type_name(self.code).unwrap_or("value");
                Cursor::fail(cursor.kept_offset(), ErrorKind::InvalidValue(name))
            }
        }
    }
}

/// How many elements to prepare for when there are said to be so many.
fn expected(length: u64) -> usize {
    length.min(EXPECTED_AT_MOST) as usize
}

/// The listpack that a string is.
fn listpack(cursor: &mut Cursor<'_>, spare: &mut Vec<u8>) -> Result<Listpack, Fault> {
    let text = cursor.text()?;
    let listpack = Listpack::from_encoded(text.lend(cursor.data(), spare)?)?;
    Ok(canonical(listpack))
}

/// The elements of a ziplist as a listpack.
fn from_ziplist(cursor: &mut Cursor<'_>, spare: &mut Vec<u8>) -> Result<Listpack, Fault> {
    let text = cursor.text()?;
    ziplist::to_listpack(text.lend(cursor.data(), spare)?)
}

/// The same elements, integers written as such: others would not be found.
fn canonical(listpack: Listpack) -> Listpack {
    let odd = |value: keyspace::Value<'_>| matches!(value, keyspace::Value::Bytes(bytes) if parse_canonical_int(bytes).is_some());
    if !listpack.iter().any(odd) {
        return listpack;
    }
    gathered(&listpack.iter().map(keyspace::Value::to_cow).collect::<Vec<_>>())
}

/// A listpack of these elements.
fn gathered<T: AsRef<[u8]>>(elements: &[T]) -> Listpack {
    let elements: Vec<&[u8]> = elements.iter().map(AsRef::as_ref).collect();
    let mut listpack = Listpack::new();
    listpack.append(&elements);
    listpack
}

impl Writer {
    /// The code of the form in which a value is written: one that Redis 7.0 reads too.
    pub(super) fn code_of(data: Data<'_>) -> u8 {
        match data {
            Data::String(_) => code::STRING,
            Data::List(_) => code::LIST_OF_LISTPACKS,
            Data::Set(set) => set::code_of(set),
            Data::SortedSet(set) => sorted_set::code_of(set),
            Data::Hash(hash) => hash::code_of(hash),
            Data::Stream(_) => code::STREAM_2,
        }
    }

    /// A value, behind its code (and key).
    pub(super) fn body(&mut self, data: Data<'_>) {
        match data {
            Data::String(value) => self.element(value),
            Data::List(list) => list::write(self, list),
            Data::Set(set) => set::write(self, set),
            Data::SortedSet(set) => sorted_set::write(self, set),
            Data::Hash(hash) => hash::write(self, hash),
            Data::Stream(stream) => stream::write(self, stream),
        }
    }
}
