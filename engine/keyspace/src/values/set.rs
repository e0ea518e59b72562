//! Sets: sorted integers, a listpack of few short members, or a [`Dict`].
//!
//! Which it is follows Redis 7.2: a set begins as what its first member and the number of expected ones
//! suggest, integers give way to a listpack where a member is none, and both to a dict beyond the limits.
//! Nothing turns back by itself. In a listpack members keep the order they came in.

use std::fmt;

use super::dict::Dict;
use super::intset::Intset;
use super::limits::Limits;
use super::listpack::{Invalid, Listpack};
use crate::hash::Cursor;
use crate::packed::{self, Block, Thin};
use crate::sample::place_of;
use crate::value::{Encoding, Value, parse_canonical_int};

/// An intset holds no more than this, whatever the limits allow.
const INTSET_MAX_ENTRIES: u64 = 1 << 30;
/// A listpack takes no more than this, whatever the limits allow.
const LISTPACK_MAX_BYTES: usize = 1 << 30;

/// Different members.
#[derive(Clone)]
pub struct Set(Thin<Block, Dict>);

/// The encoding, borrowed.
enum Form<I, L, D> {
    Intset(I),
    Listpack(L),
    Dict(D),
}

impl Set {
    #[inline(always)]
    fn form(&self) -> Form<&Intset, &Listpack, &Dict> {
        match self.0.form() {
            packed::Form::Small(block) if Intset::is(block) => Form::Intset(block.view()),
            packed::Form::Small(block) => Form::Listpack(block.view()),
            packed::Form::Large(dict) => Form::Dict(dict),
        }
    }

    #[inline(always)]
    fn form_mut(&mut self) -> Form<&mut Intset, &mut Listpack, &mut Dict> {
        match self.0.form_mut() {
            packed::Form::Small(block) if Intset::is(block) => Form::Intset(block.view_mut()),
            packed::Form::Small(block) => Form::Listpack(block.view_mut()),
            packed::Form::Large(dict) => Form::Dict(dict),
        }
    }

    fn of_intset(intset: Intset) -> Set {
        Set(Thin::of_small(intset.into_block()))
    }

    fn of_listpack(listpack: Listpack) -> Set {
        Set(Thin::of_small(listpack.into_block()))
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form() {
            Form::Intset(intset) => intset.fmt(f),
            Form::Listpack(listpack) => listpack.fmt(f),
            Form::Dict(dict) => dict.fmt(f),
        }
    }
}

impl Default for Set {
    /// One without members, as a set of integers.
    fn default() -> Self {
        Set::of_intset(Intset::new())
    }
}

impl Set {
    /// One without members, in the encoding that suits `expected` members of which the first is this.
    pub fn for_members(first: &[u8], expected: usize, limits: &Limits) -> Set {
        let expected_u64 = expected as u64;
        if expected_u64 <= limits.set_max_intset_entries && parse_canonical_int(first).is_some() {
            Set::default()
        } else if expected_u64 <= limits.set_max_listpack_entries {
            Set::empty_listpack()
        } else {
            Set(Thin::of_large(new_dict(expected, limits)))
        }
    }

    /// One without members, as a listpack.
    pub fn empty_listpack() -> Set {
        Set::of_listpack(Listpack::new())
    }

    /// A set of the integers of an intset that comes from outside.
    ///
    /// # Errors
    /// [`Invalid`] when there is none.
    pub fn from_intset(intset: Intset, limits: &Limits) -> Result<Set, Invalid> {
        if intset.is_empty() {
            return Err(Invalid);
        }
        let mut set = Set::of_intset(intset);
        set.limit_integers(limits);
        Ok(set)
    }

    /// A set of the elements of a listpack that comes from outside.
    ///
    /// # Errors
    /// [`Invalid`] when there is no element, or one twice.
    pub fn from_listpack(listpack: Listpack, limits: &Limits) -> Result<Set, Invalid> {
        let mut set = Set::of_listpack(listpack.into_distinct(1)?);
        if set.len() as u64 > limits.set_max_listpack_entries {
            set.become_dict(set.len(), limits);
        }
        Ok(set)
    }

    /// The integers, while it is an intset.
    pub fn as_intset(&self) -> Option<&Intset> {
        match self.form() {
            Form::Intset(intset) => Some(intset),
            _ => None,
        }
    }

    /// The listpack, while it is one.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match self.form() {
            Form::Listpack(listpack) => Some(listpack),
            _ => None,
        }
    }

    /// How it is represented.
    pub fn encoding(&self) -> Encoding {
        match self.form() {
            Form::Intset(_) => Encoding::Intset,
            Form::Listpack(_) => Encoding::Listpack,
            Form::Dict(_) => Encoding::Hashtable,
        }
    }

    /// Memory asked for, beyond the value itself.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        match self.form() {
            Form::Intset(intset) => intset.heap_bytes(),
            Form::Listpack(listpack) => listpack.heap_bytes(),
            Form::Dict(dict) => Thin::<Block, Dict>::LARGE_BYTES + dict.heap_bytes(),
        }
    }

    /// Roughly how many allocations freeing it takes.
    pub fn free_effort(&self) -> usize {
        match self.form() {
            Form::Dict(dict) => dict.free_effort(),
            _ => 1,
        }
    }

    /// Whether its key goes away for want of members.
    #[inline]
    pub fn is_void(&self) -> bool {
        match self.form() {
            Form::Intset(intset) => intset.is_empty(),
            Form::Listpack(listpack) => listpack.is_empty(),
            Form::Dict(dict) => dict.is_empty(),
        }
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self.form() {
            Form::Intset(intset) => intset.len(),
            Form::Listpack(listpack) => listpack.len(),
            Form::Dict(dict) => dict.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.is_void()
    }

    /// Whether it has a member.
    pub fn contains(&self, member: &[u8]) -> bool {
        match self.form() {
            Form::Intset(intset) => parse_canonical_int(member).is_some_and(|number| intset.contains(number)),
            Form::Listpack(listpack) => listpack.find(listpack.first(), member, 0).is_some(),
            Form::Dict(dict) => dict.contains(member),
        }
    }

    /// Whether it has a member of another set.
    pub fn contains_value(&self, member: Value<'_>) -> bool {
        match (self.form(), member) {
            (Form::Intset(intset), Value::Int(number)) => intset.contains(number),
            (_, member) => self.contains(member.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Prepares for so many members to be added: more than a compact encoding may have are not even tried
    /// in one.
    pub fn expect(&mut self, members: usize, limits: &Limits) {
        let limit = match self.form() {
            Form::Intset(_) => limits.set_max_intset_entries,
            Form::Listpack(_) => limits.set_max_listpack_entries,
            Form::Dict(_) => return,
        };
        if members as u64 > limit {
            self.become_dict(members, limits);
        }
    }

    /// Adds a member; false when it is there.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match self.form_mut() {
            Form::Dict(dict) => dict.add(member),
            Form::Listpack(listpack) => {
                if listpack.find(listpack.first(), member, 0).is_some() {
                    return false;
                }
                let count = listpack.len();
                if fits_listpack(listpack.element_bytes(), count, member.len(), limits) {
                    listpack.push_back(member);
                } else {
                    self.become_dict(count + 1, limits).add(member);
                }
                true
            }
            Form::Intset(intset) => match parse_canonical_int(member) {
                Some(number) => {
                    let added = intset.insert(number);
                    if added {
                        self.limit_integers(limits);
                    }
                    added
                }
                None => {
                    self.add_first_text(member, limits);
                    true
                }
            },
        }
    }

    /// Adds a member of another set; false when it is there.
    pub fn add_value(&mut self, member: Value<'_>, limits: &Limits) -> bool {
        match (self.form_mut(), member) {
            (Form::Intset(intset), Value::Int(number)) => {
                let added = intset.insert(number);
                if added {
                    self.limit_integers(limits);
                }
                added
            }
            (_, member) => self.add(member.as_bytes(&mut itoa::Buffer::new()), limits),
        }
    }

    /// Adds a member that is no integer to a set of integers.
    fn add_first_text(&mut self, member: &[u8], limits: &Limits) {
        let Form::Intset(intset) = self.form() else { unreachable!("not a set of integers") };
        let count = intset.len();
        let ends = intset.get(0).into_iter().chain(intset.get(count.wrapping_sub(1)));
        let longest = ends.map(|number| Value::Int(number).len()).max().unwrap_or(0);
        let bytes = count.saturating_mul(longest.max(9) + 2);
        if longest as u64 <= limits.set_max_listpack_value
            && fits_listpack(bytes, count, member.len(), limits)
        {
            let mut listpack = Listpack::new();
            for number in intset.iter() {
                listpack.push_back(itoa::Buffer::new().format(number).as_bytes());
            }
            listpack.push_back(member);
            *self = Set::of_listpack(listpack);
        } else {
            self.become_dict(count + 1, limits).add(member);
        }
    }

    /// Turns a set of too many integers into a dict.
    fn limit_integers(&mut self, limits: &Limits) {
        let max = limits.set_max_intset_entries.min(INTSET_MAX_ENTRIES);
        if let Form::Intset(intset) = self.form()
            && intset.len() as u64 > max
        {
            self.become_dict(intset.len(), limits);
        }
    }

    #[cold]
    fn become_dict(&mut self, expected: usize, limits: &Limits) -> &mut Dict {
        if !matches!(self.form(), Form::Dict(_)) {
            let mut dict = new_dict(expected, limits);
            for member in self.iter() {
                dict.add(member.as_bytes(&mut itoa::Buffer::new()));
            }
            self.0 = Thin::of_large(dict);
        }
        match self.form_mut() {
            Form::Dict(dict) => dict,
            _ => unreachable!("a set that became a dict"),
        }
    }

    /// Becomes an intset, if all members are integers and not too many.
    pub fn become_integers(&mut self, limits: &Limits) {
        let max = limits.set_max_intset_entries.min(INTSET_MAX_ENTRIES);
        if matches!(self.form(), Form::Intset(_)) || self.len() as u64 > max {
            return;
        }
        let mut intset = Intset::new();
        for member in self.iter() {
            let Some(number) = member.as_int() else { return };
            intset.insert(number);
        }
        *self = Set::of_intset(intset);
    }

    /// Removes a member; false when there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self.form_mut() {
            Form::Intset(intset) => parse_canonical_int(member).is_some_and(|number| intset.remove(number)),
            Form::Listpack(listpack) => match listpack.find(listpack.first(), member, 0) {
                Some(at) => {
                    listpack.remove(at, 1);
                    true
                }
                None => false,
            },
            Form::Dict(dict) => dict.remove(member).is_some(),
        }
    }

    /// All members: integers in ascending order, those of a listpack in their order, those of a dict in
    /// none.
    pub fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        let (mut intset, mut listpack, mut dict) = (None, None, None);
        match self.form() {
            Form::Intset(one) => intset = Some(one),
            Form::Listpack(one) => listpack = Some(one),
            Form::Dict(one) => dict = Some(one),
        }
        let integers = intset.into_iter().flat_map(Intset::iter).map(Value::Int);
        let listed = listpack.into_iter().flat_map(Listpack::iter);
        let tabled = dict.into_iter().flat_map(|dict| dict.iter()).map(|entry| Value::Bytes(entry.key()));
        integers.chain(listed).chain(tabled)
    }

    /// Visits members from a cursor on and returns the cursor to go on from, 0 at the end; a compact
    /// encoding is always visited as a whole.
    pub fn scan(&self, cursor: Cursor, count: usize, f: &mut dyn FnMut(Value<'_>)) -> Cursor {
        match self.form() {
            Form::Dict(dict) => dict.scan(cursor, count, &mut |entry| f(Value::Bytes(entry.key()))),
            _ => {
                self.iter().for_each(f);
                Cursor(0)
            }
        }
    }

    /// Any member, each equally likely, by a random number that the caller draws.
    pub fn random(&self, draw: u64) -> Option<Value<'_>> {
        let index = || place_of(draw, self.len());
        match self.form() {
            Form::Intset(intset) => intset.get(index()).map(Value::Int),
            Form::Listpack(listpack) => listpack.seek(index() as i64).map(|at| listpack.get(at)),
            Form::Dict(dict) => dict.random(draw).map(|entry| Value::Bytes(entry.key())),
        }
    }
}

fn new_dict(expected: usize, limits: &Limits) -> Dict {
    let mut dict = Dict::new(limits.seed);
    dict.reserve(expected);
    dict
}

/// Whether one more member may go into a listpack of `count` elements that take `bytes`.
fn fits_listpack(bytes: usize, count: usize, member_len: usize, limits: &Limits) -> bool {
    (count as u64) < limits.set_max_listpack_entries
        && member_len as u64 <= limits.set_max_listpack_value
        && bytes.saturating_add(member_len) <= LISTPACK_MAX_BYTES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits {
            set_max_intset_entries: 14,
            set_max_listpack_entries: 10,
            set_max_listpack_value: 12,
            ..Limits::default()
        }
    }

    fn member() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            40 => (0..25i64).prop_map(|n| n.to_string().into_bytes()),
            2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            2 => prop::collection::vec(97..100u8, 0..2),
            1 => prop::collection::vec(any::<u8>(), 11..14),
        ]
    }

    fn contents(set: &Set) -> BTreeSet<Vec<u8>> {
        set.iter().map(|member| member.to_cow().into_owned()).collect()
    }

    proptest! {
        #[test]
        fn it_is_as_a_set(steps in prop::collection::vec((0..4u8, member()), 0..80), draw in any::<u64>()) {
            let (mut set, mut model) = (Set::default(), BTreeSet::new());
            let mut encoding = Encoding::Intset;
            for (kind, member) in steps {
                if kind == 0 {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                } else {
                    let added = model.insert(member.clone());
                    prop_assert_eq!(set.add(&member, &limits()), added);
                    let text = parse_canonical_int(&member).is_none();
                    let longest = model.iter().map(Vec::len).max().unwrap_or(0);
                    encoding = match encoding {
                        Encoding::Intset if text && model.len() <= 10 && longest <= 12 => Encoding::Listpack,
                        Encoding::Intset if text || model.len() > 14 => Encoding::Hashtable,
                        Encoding::Listpack if model.len() > 10 || (added && member.len() > 12) => Encoding::Hashtable,
                        same => same,
                    };
                }
                prop_assert!(set.contains(&member) == model.contains(&member));
                prop_assert_eq!((set.len(), set.encoding()), (model.len(), encoding));
            }
            prop_assert_eq!(&contents(&set), &model);
            prop_assert_eq!(&contents(&set.clone()), &model);
            prop_assert!(model.iter().all(|member| set.contains_value(Value::Bytes(member))));
            match set.random(draw) {
                Some(member) => prop_assert!(model.contains(&*member.to_cow())),
                None => prop_assert!(model.is_empty()),
            }
            let mut scanned = BTreeSet::new();
            let end = set.scan(Cursor(0), 1000, &mut |one| scanned.extend([one.to_cow().into_owned()]));
            prop_assert_eq!((end, &scanned), (Cursor(0), &model));
            let mut copy = Set::empty_listpack();
            set.iter().for_each(|member| assert!(copy.add_value(member, &limits())));
            prop_assert_eq!(&contents(&copy), &model);
            copy.become_integers(&limits());
            let integers = model.len() <= 14 && model.iter().all(|member| parse_canonical_int(member).is_some());
            prop_assert_eq!(copy.encoding() == Encoding::Intset, integers);
            prop_assert_eq!(&contents(&copy), &model);
        }
    }

    #[test]
    fn the_first_member_and_the_number_choose_the_encoding() {
        let encoding = |first: &[u8], count| Set::for_members(first, count, &limits()).encoding();
        assert_eq!(encoding(b"1", 14), Encoding::Intset);
        assert_eq!(encoding(b"1", 15), Encoding::Hashtable);
        assert_eq!(encoding(b"a", 10), Encoding::Listpack);
        assert_eq!(encoding(b"a", 11), Encoding::Hashtable);
        let mut set = Set::default();
        set.expect(14, &limits());
        assert_eq!(set.encoding(), Encoding::Intset);
        set.expect(15, &limits());
        assert_eq!((set.encoding(), size_of::<Set>()), (Encoding::Hashtable, 8));
    }

    #[test]
    fn what_comes_from_outside_is_checked_and_converted_when_long() {
        let listed = |count: u32| -> Listpack {
            let elements: Vec<Vec<u8>> = (0..count).map(|n| format!("m{n}").into_bytes()).collect();
            elements.iter().map(Vec::as_slice).collect()
        };
        assert_eq!(Set::from_listpack(listed(10), &limits()).unwrap().encoding(), Encoding::Listpack);
        assert_eq!(Set::from_listpack(listed(11), &limits()).unwrap().encoding(), Encoding::Hashtable);
        assert!(Set::from_listpack(listed(0), &limits()).is_err());
        let mut intset = Intset::new();
        assert!(Set::from_intset(intset.clone(), &limits()).is_err());
        (0..15).for_each(|n| assert!(intset.insert(n)));
        assert_eq!(Set::from_intset(intset, &limits()).unwrap().encoding(), Encoding::Hashtable);
    }
}
