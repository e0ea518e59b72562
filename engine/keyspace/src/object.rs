//! Values as entries own them ([`Object`]) and as readers borrow them ([`Data`]).

use crate::value::{Encoding, Kind, Value};
use crate::values::{Hash, List, Set, SortedSet, Stream};

/// A value that is not an integer or a short string.
#[derive(Debug)]
pub enum Object {
    /// The bytes of a long string.
    Raw(Vec<u8>),
    /// A list.
    List(Box<List>),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A hash.
    Hash(Hash),
    /// A stream.
    Stream(Box<Stream>),
}

impl Object {
    /// Its data type.
    pub fn kind(&self) -> Kind {
        self.data().kind()
    }

    /// The value, borrowed.
    #[inline(always)]
    pub fn data(&self) -> Data<'_> {
        match self {
            Object::Raw(bytes) => Data::String(Value::Bytes(bytes)),
            Object::List(list) => Data::List(list),
            Object::Set(set) => Data::Set(set),
            Object::SortedSet(set) => Data::SortedSet(set),
            Object::Hash(hash) => Data::Hash(hash),
            Object::Stream(stream) => Data::Stream(stream),
        }
    }
}

/// An object in its entry, to be changed.
#[derive(Debug)]
pub enum ObjectMut<'a> {
    /// The bytes of a long string.
    Raw(&'a mut Vec<u8>),
    /// A list.
    List(&'a mut List),
    /// A set.
    Set(&'a mut Set),
    /// A sorted set.
    SortedSet(&'a mut SortedSet),
    /// A hash.
    Hash(&'a mut Hash),
    /// A stream.
    Stream(&'a mut Stream),
}

/// A borrowed value of any kind.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// A string.
    String(Value<'a>),
    /// A list.
    List(&'a List),
    /// A set.
    Set(&'a Set),
    /// A sorted set.
    SortedSet(&'a SortedSet),
    /// A hash.
    Hash(&'a Hash),
    /// A stream.
    Stream(&'a Stream),
}

impl Data<'_> {
    /// Its data type.
    pub fn kind(self) -> Kind {
        match self {
            Data::String(_) => Kind::String,
            Data::List(_) => Kind::List,
            Data::Set(_) => Kind::Set,
            Data::SortedSet(_) => Kind::SortedSet,
            Data::Hash(_) => Kind::Hash,
            Data::Stream(_) => Kind::Stream,
        }
    }

    /// Memory a collection asked for, beyond its place in the entry; of a string its entry tells.
    #[inline]
    pub(crate) fn heap_bytes(self) -> usize {
        match self {
            Data::String(_) => 0,
            Data::List(list) => size_of::<List>() + list.heap_bytes(),
            Data::Set(set) => set.heap_bytes(),
            Data::SortedSet(set) => set.heap_bytes(),
            Data::Hash(hash) => hash.heap_bytes(),
            Data::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(),
        }
    }

    /// Roughly how many allocations freeing it takes.
    pub(crate) fn free_effort(self) -> usize {
        match self {
            Data::String(_) => 1,
            Data::List(list) => list.free_effort(),
            Data::Set(set) => set.free_effort(),
            Data::SortedSet(set) => set.free_effort(),
            Data::Hash(hash) => hash.free_effort(),
            Data::Stream(stream) => stream.free_effort(),
        }
    }

    /// How a collection is represented; of a string its entry tells.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Data::String(_) => Encoding::Raw,
            Data::List(list) => list.encoding(),
            Data::Set(set) => set.encoding(),
            Data::SortedSet(set) => set.encoding(),
            Data::Hash(hash) => hash.encoding(),
            Data::Stream(stream) => stream.encoding(),
        }
    }

    /// A copy that owns its memory; a string becomes its bytes.
    pub fn to_object(self) -> Object {
        match self {
            Data::String(value) => Object::Raw(value.to_cow().into_owned()),
            Data::List(list) => Object::List(Box::new(list.clone())),
            Data::Set(set) => Object::Set(set.clone()),
            Data::SortedSet(set) => Object::SortedSet(set.clone()),
            Data::Hash(hash) => Object::Hash(hash.clone()),
            Data::Stream(stream) => Object::Stream(Box::new(stream.clone())),
        }
    }
}

/// The value is of another kind than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongKind;

/// What came of changing a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated<R> {
    /// What the change gave.
    pub result: R,
    /// Whether nothing is left, so that the key has to go.
    pub emptied: bool,
}

/// A data type that an entry may hold, strings aside.
pub trait Typed: Sized {
    /// The value in an object of this type.
    fn of(data: Data<'_>) -> Option<&Self>;
    /// The value in an object of this type, to be changed.
    fn of_mut(object: ObjectMut<'_>) -> Option<&mut Self>;
    /// An object that holds the value.
    fn into_object(self) -> Object;
    /// Memory asked for, beyond the value itself.
    fn heap_bytes(&self) -> usize;
    /// Whether its key goes away for want of elements.
    fn is_void(&self) -> bool;
}

macro_rules! typed {
    ($($kind:ident, $value:ident => $object:expr;)*) => {$(
        impl Typed for $kind {
            #[inline(always)]
            fn of(data: Data<'_>) -> Option<&Self> {
                match data {
                    Data::$kind(value) => Some(value),
                    _ => None,
                }
            }

            #[inline(always)]
            fn of_mut(object: ObjectMut<'_>) -> Option<&mut Self> {
                match object {
                    ObjectMut::$kind(value) => Some(value),
                    _ => None,
                }
            }

            fn into_object(self) -> Object {
                let $value = self;
                Object::$kind($object)
            }

            #[inline(always)]
            fn heap_bytes(&self) -> usize {
                $kind::heap_bytes(self)
            }

            #[inline(always)]
            fn is_void(&self) -> bool {
                $kind::is_void(self)
            }
        }
    )*};
}

typed! {
    List, value => Box::new(value);
    Set, value => value;
    SortedSet, value => value;
    Hash, value => value;
    Stream, value => Box::new(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_one_word_and_may_be_freed_on_another_thread() {
        fn sendable<T: Send>() {}
        sendable::<Object>();
        assert_eq!((size_of::<Set>(), size_of::<SortedSet>(), size_of::<Hash>()), (8, 8, 8));
    }
}
