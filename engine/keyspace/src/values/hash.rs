//! Hashes: fields with values, in a listpack of pairs while few and short, in a [`Dict`] beyond.
//!
//! A hash that became a dict stays one. When it becomes one is Redis 7.2's rule: with more fields, or a
//! longer field or value, than the limits allow. In a listpack fields keep the order they came in.

use super::dict::Dict;
use super::limits::Limits;
use super::listpack::{Invalid, Listpack, Position};
use crate::hash::Cursor;
use crate::packed::{Form, Thin};
use crate::sample::place_of;
use crate::value::{Encoding, Value};

/// A listpack takes no more than this, whatever the limits allow.
const LISTPACK_MAX_BYTES: usize = 1 << 30;

/// Fields with values.
#[derive(Clone, Debug)]
pub struct Hash(Thin<Listpack, Dict>);

impl Default for Hash {
    fn default() -> Self {
        Hash(Thin::of_small(Listpack::new()))
    }
}

impl Hash {
    /// A hash of the pairs of a listpack that comes from outside.
    ///
    /// # Errors
    /// [`Invalid`] when there is no pair, half a pair, or a field twice.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<Hash, Invalid> {
        let mut hash = Hash(Thin::of_small(listpack.into_distinct(2)?));
        if hash.len() as u64 > limits.hash_max_listpack_entries {
            hash.become_dict(limits);
        }
        Ok(hash)
    }

    /// The listpack of pairs, while it is one.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match self.0.form() {
            Form::Small(listpack) => Some(listpack),
            Form::Large(_) => None,
        }
    }

    /// How it is represented.
    pub fn encoding(&self) -> Encoding {
        match self.0.form() {
            Form::Small(_) => Encoding::Listpack,
            Form::Large(_) => Encoding::Hashtable,
        }
    }

    /// Memory asked for, beyond the value itself.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match self.0.form() {
            Form::Small(listpack) => listpack.heap_bytes(),
            Form::Large(dict) => Thin::<Listpack, Dict>::LARGE_BYTES + dict.heap_bytes(),
        }
    }

    /// Roughly how many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        match self.0.form() {
            Form::Small(_) => 1,
            Form::Large(dict) => dict.free_effort(),
        }
    }

    /// Whether its key goes away for want of fields.
    #[inline]
    pub fn is_void(&self) -> bool {
        match self.0.form() {
            Form::Small(listpack) => listpack.is_empty(),
            Form::Large(dict) => dict.is_empty(),
        }
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        match self.0.form() {
            Form::Small(listpack) => listpack.len() / 2,
            Form::Large(dict) => dict.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.is_void()
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Value<'_>> {
        match self.0.form() {
            Form::Small(listpack) => {
                let at = listpack.find(listpack.first(), field, 1)?;
                Some(listpack.get(listpack.next(at)?))
            }
            Form::Large(dict) => Some(dict.get(field)?.value()),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        match self.0.form() {
            Form::Small(listpack) => listpack.find(listpack.first(), field, 1).is_some(),
            Form::Large(dict) => dict.contains(field),
        }
    }

    /// Prepares for so many fields to be set: more than a listpack may have are not even tried in one.
    pub fn expect(&mut self, fields: usize, limits: &Limits) {
        if fields as u64 > limits.hash_max_listpack_entries {
            self.become_dict(limits);
        }
    }

    /// Gives a field a value, in place of the one it has; true when the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Form::Small(listpack) = self.0.form_mut() {
            let longest = field.len().max(value.len());
            let bytes = listpack.element_bytes().saturating_add(field.len()).saturating_add(value.len());
            if longest as u64 <= limits.hash_max_listpack_value && bytes <= LISTPACK_MAX_BYTES {
                let found = listpack.find(listpack.first(), field, 1);
                if let Some(value_at) = found.and_then(|at| listpack.next(at)) {
                    listpack.replace(value_at, value);
                    return false;
                }
                listpack.append(&[field, value]);
                if (listpack.len() / 2) as u64 > limits.hash_max_listpack_entries {
                    self.become_dict(limits);
                }
                return true;
            }
            self.become_dict(limits);
        }
        match self.0.form_mut() {
            Form::Large(dict) => dict.set(field, value),
            Form::Small(_) => unreachable!("a hash that became a dict"),
        }
    }

    #[cold]
    fn become_dict(&mut self, limits: &Limits) {
        let Form::Small(listpack) = self.0.form() else { return };
        let mut dict = Dict::new(limits.seed);
        dict.reserve(listpack.len() / 2);
        for (field, value) in pairs(listpack) {
            dict.set(&field.to_cow(), &value.to_cow());
        }
        self.0 = Thin::of_large(dict);
    }

    /// Removes a field; false when there is none.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self.0.form_mut() {
            Form::Small(listpack) => match listpack.find(listpack.first(), field, 1) {
                Some(at) => {
                    listpack.remove(at, 2);
                    true
                }
                None => false,
            },
            Form::Large(dict) => dict.remove(field).is_some(),
        }
    }

    /// All fields with their values: in a listpack in their order, in a dict in none.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'_>, Value<'_>)> {
        let (listpack, dict) = match self.0.form() {
            Form::Small(listpack) => (Some(listpack), None),
            Form::Large(dict) => (None, Some(dict)),
        };
        let listed = listpack.into_iter().flat_map(pairs);
        let tabled = dict.into_iter().flat_map(|dict| dict.iter());
        listed.chain(tabled.map(|entry| (Value::Bytes(entry.key()), entry.value())))
    }

    /// Visits fields from a cursor on and returns the cursor to go on from, 0 at the end; a listpack is
    /// always visited as a whole.
    pub fn scan(&self, cursor: Cursor, count: usize, f: &mut dyn FnMut(Value<'_>, Value<'_>)) -> Cursor {
        match self.0.form() {
            Form::Small(listpack) => {
                pairs(listpack).for_each(|(field, value)| f(field, value));
                Cursor(0)
            }
            Form::Large(dict) => {
                dict.scan(cursor, count, &mut |entry| f(Value::Bytes(entry.key()), entry.value()))
            }
        }
    }

    /// Any field with its value, each equally likely, by a random number that the caller draws.
    pub fn random(&self, draw: u64) -> Option<(Value<'_>, Value<'_>)> {
        match self.0.form() {
            Form::Small(listpack) => {
                let index = place_of(draw, self.len());
                let at = listpack.seek(index as i64 * 2)?;
                Some(pair(listpack, at))
            }
            Form::Large(dict) => dict.random(draw).map(|entry| (Value::Bytes(entry.key()), entry.value())),
        }
    }
}

/// The field at a position and the value behind it.
fn pair(listpack: &Listpack, at: Position) -> (Value<'_>, Value<'_>) {
    match listpack.next(at) {
        Some(value_at) => (listpack.get(at), listpack.get(value_at)),
        None => unreachable!("a field without a value"),
    }
}

fn pairs(listpack: &Listpack) -> impl Iterator<Item = (Value<'_>, Value<'_>)> {
    let mut elements = listpack.iter();
    std::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits { hash_max_listpack_entries: 12, hash_max_listpack_value: 20, ..Limits::default() }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            40 => (0..40i64).prop_map(|n| n.to_string().into_bytes()),
            10 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            40 => prop::collection::vec(97..101u8, 0..3),
            1 => prop::collection::vec(any::<u8>(), 18..24),
        ]
    }

    proptest! {
        #[test]
        fn it_is_as_a_map(steps in prop::collection::vec((0..5u8, text(), text()), 0..80), draw in any::<u64>()) {
            let (mut hash, mut model) = (Hash::default(), BTreeMap::<Vec<u8>, Vec<u8>>::new());
            let mut grown = false;
            for (kind, field, value) in steps {
                if kind == 0 {
                    prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                } else {
                    grown |= field.len().max(value.len()) > 20;
                    let new = model.insert(field.clone(), value.clone()).is_none();
                    prop_assert_eq!(hash.set(&field, &value, &limits()), new);
                    prop_assert_eq!(hash.get(&field).unwrap().to_cow(), value);
                }
                grown |= model.len() > 12;
                prop_assert_eq!(hash.len(), model.len());
                prop_assert_eq!(hash.is_void(), model.is_empty());
                prop_assert_eq!(hash.encoding() == Encoding::Hashtable, grown);
            }
            let owned = |(field, value): (Value<'_>, Value<'_>)| (field.to_cow().into_owned(), value.to_cow().into_owned());
            prop_assert_eq!(&hash.iter().map(owned).collect::<BTreeMap<_, _>>(), &model);
            prop_assert_eq!(&hash.clone().iter().map(owned).collect::<BTreeMap<_, _>>(), &model);
            match hash.random(draw).map(owned) {
                Some((field, value)) => prop_assert_eq!(&model[&field], &value),
                None => prop_assert!(model.is_empty()),
            }
            let mut scanned = BTreeMap::new();
            let end = hash.scan(Cursor(0), 1000, &mut |field, value| scanned.extend([owned((field, value))]));
            prop_assert_eq!((end, &scanned), (Cursor(0), &model));
        }
    }

    #[test]
    fn a_listpack_from_outside_is_checked_and_converted_when_long() {
        let pairs = |count: u32| -> Listpack {
            let elements: Vec<Vec<u8>> = (0..2 * count).map(|n| n.to_string().into_bytes()).collect();
            elements.iter().map(Vec::as_slice).collect()
        };
        assert_eq!(Hash::from_listpack(pairs(12), &limits()).unwrap().encoding(), Encoding::Listpack);
        assert_eq!(Hash::from_listpack(pairs(13), &limits()).unwrap().encoding(), Encoding::Hashtable);
        assert!(Hash::from_listpack(pairs(0), &limits()).is_err());
        let odd: Listpack = [&b"a"[..]].into_iter().collect();
        assert!(Hash::from_listpack(odd, &limits()).is_err());
    }

    #[test]
    fn many_expected_fields_make_a_dict_at_once() {
        let mut hash = Hash::default();
        hash.expect(12, &limits());
        assert_eq!(hash.encoding(), Encoding::Listpack);
        hash.expect(13, &limits());
        assert_eq!(hash.encoding(), Encoding::Hashtable);
        assert!(hash.is_void() && size_of::<Hash>() == 8);
    }
}
