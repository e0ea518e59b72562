//! A node: about a hundred entries in one listpack, laid out as Redis does, so that files hold nodes as
//! they are.
//!
//! ```text
//! master:  live | deleted | fields | field… | 0
//! entry:   flags | ms | seq | fields | field, value… | elements
//!          flags | ms | seq | value…              | elements      with the fields of the master
//! ```
//!
//! Ids are kept as differences to the node's id, which is that of its first entry; `elements` counts those
//! of the entry before it, so that one can walk backwards. A deleted entry stays, marked, until the node has
//! no live one. That listpacks from outside are sound is what [`Node::check`] makes sure of; all else relies
//! on it.

use super::StreamId;
use crate::value::{Value, parse_canonical_int};
use crate::values::{Listpack, Position};

/// The entry is deleted.
const DELETED: i64 = 1;
/// The entry has the fields of the master.
const SAME_FIELDS: i64 = 2;
/// What a stored node may hold.
const FLAGS: i64 = DELETED | SAME_FIELDS;

/// The fields and values of an entry to be added: so many pairs, field and value in turn.
#[derive(Clone, Copy)]
pub struct Pairs<F> {
    count: usize,
    element: F,
    bytes: usize,
}

impl<'a, F: Fn(usize) -> &'a [u8]> Pairs<F> {
    /// `count` pairs; `element` gives fields for even numbers and values for odd ones.
    pub fn new(count: usize, element: F) -> Self {
        let bytes = (0..count * 2).map(|index| element(index).len()).sum();
        Pairs { count, element, bytes }
    }

    /// Bytes of all fields and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// An upper bound of what `strings` of them take in a listpack.
    fn room(&self, strings: usize) -> usize {
        Listpack::room_for(6, strings, self.bytes)
    }
}

/// A node of a stream.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: StreamId,
    pub(super) pack: Listpack,
}

/// An entry to be deleted; it keeps its meaning until its node changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    at: Position,
    flags: i64,
}

/// What the master says.
#[derive(Clone, Copy, Debug)]
struct Master {
    live: i64,
    deleted: i64,
    fields: usize,
    /// Where its fields begin.
    fields_at: Position,
}

/// An entry where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// The number of its fields.
    pub fields: usize,
    pack: &'a Listpack,
    flags: i64,
    at: Position,
    /// Where its fields and values, or its values, begin; none when it has none and nothing follows.
    body: Option<Position>,
    /// Where the master's fields begin, if they are its own.
    names: Option<Position>,
}

impl<'a> Entry<'a> {
    /// Whether it is but the trace of an entry.
    pub(super) fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    /// Its fields and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut names = self.names.map(|at| self.pack.iter_on(Some(at)));
        let mut body = self.pack.iter_on(self.body);
        (0..self.fields).map_while(move |_| {
            let name = match &mut names {
                Some(names) => names.next()?,
                None => body.next()?,
            };
            Some((name, body.next()?))
        })
    }

    /// What [`Node::delete`] wants to know.
    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, flags: self.flags }
    }

    /// The number of listpack elements before the last, which tells it.
    fn elements(&self) -> usize {
        match self.names {
            Some(_) => 3 + self.fields,
            None => 4 + 2 * self.fields,
        }
    }
}

fn int(value: Option<Value<'_>>) -> Option<i64> {
    value.and_then(Value::as_int)
}

fn is_same(stored: Value<'_>, given: &[u8]) -> bool {
    match stored {
        Value::Bytes(bytes) => bytes == given,
        Value::Int(number) => parse_canonical_int(given) == Some(number),
    }
}

impl Node {
    /// A node whose first entry will be the one with this id and these fields.
    pub(super) fn new<'a>(id: StreamId, pairs: &Pairs<impl Fn(usize) -> &'a [u8]>) -> Node {
        let mut pack = Listpack::new();
        pack.compose(pairs.room(pairs.count), |out| {
            out.int(0);
            out.int(0);
            out.int(pairs.count as i64);
            (0..pairs.count).for_each(|index| out.string((pairs.element)(index * 2)));
            out.int(0);
        });
        Node { id, pack }
    }

    fn master(&self) -> Option<Master> {
        let mut elements = self.pack.iter_on(self.pack.first());
        let (live, deleted) = (int(elements.next())?, int(elements.next())?);
        let fields = usize::try_from(int(elements.next())?).ok()?;
        Some(Master { live, deleted, fields, fields_at: elements.position()? })
    }

    /// The numbers of live and of deleted entries.
    pub(super) fn counts(&self) -> (u64, u64) {
        self.master().map_or((0, 0), |master| (master.live as u64, master.deleted as u64))
    }

    /// Adds an entry at the end; its id must be higher than any in the node.
    pub(super) fn append<'a>(&mut self, id: StreamId, pairs: &Pairs<impl Fn(usize) -> &'a [u8]>) {
        let Some(master) = self.master() else { unreachable!("a node without its master") };
        let mut names = self.pack.iter_on(Some(master.fields_at));
        let same = master.fields == pairs.count
            && (0..pairs.count)
                .all(|index| names.next().is_some_and(|stored| is_same(stored, (pairs.element)(index * 2))));
        let (ms, seq) = (id.ms.wrapping_sub(self.id.ms) as i64, id.seq.wrapping_sub(self.id.seq) as i64);
        self.pack.compose(pairs.room(pairs.count * 2), |out| {
            out.int(if same { SAME_FIELDS } else { 0 });
            out.int(ms);
            out.int(seq);
            if same {
                (0..pairs.count).for_each(|index| out.string((pairs.element)(index * 2 + 1)));
                out.int(3 + pairs.count as i64);
            } else {
                out.int(pairs.count as i64);
                (0..pairs.count * 2).for_each(|index| out.string((pairs.element)(index)));
                out.int(4 + 2 * pairs.count as i64);
            }
        });
        self.count(master, 1, 0);
    }

    /// Changes the numbers of live and deleted entries.
    fn count(&mut self, master: Master, live: i64, deleted: i64) {
        // From the back, so that the first position keeps its meaning when a number grows.
        if deleted != 0
            && let Some(at) = self.pack.seek(1)
        {
            self.pack.replace_int(at, master.deleted + deleted);
        }
        if let Some(at) = self.pack.first() {
            self.pack.replace_int(at, master.live + live);
        }
    }

    /// Marks live entries as deleted, which stand in order.
    pub(super) fn delete(&mut self, entries: &[Mark]) {
        // From the back: flags that came from outside may have been written wider than they need to be.
        for mark in entries.iter().rev() {
            self.pack.replace_int(mark.at, mark.flags | DELETED);
        }
        let count = entries.len() as i64;
        if let Some(master) = self.master() {
            self.count(master, -count, count);
        }
    }

    /// The entries from the first on, deleted ones too.
    pub(super) fn entries(&self) -> Entries<'_> {
        let front = self.master().and_then(|master| {
            let mut elements = self.pack.iter_on(Some(master.fields_at));
            skip(&mut elements, master.fields + 1);
            elements.position()
        });
        Entries { node: self, master: self.master(), front }
    }

    /// The entries from the last on, deleted ones too.
    pub(super) fn entries_back(&self) -> EntriesBack<'_> {
        EntriesBack { node: self, master: self.master(), back: self.pack.last() }
    }

    /// The entry whose flags are at `at`.
    fn entry(&self, master: Master, at: Position) -> Option<Entry<'_>> {
        let mut elements = self.pack.iter_on(Some(at));
        let flags = int(elements.next())?;
        let (ms, seq) = (int(elements.next())?, int(elements.next())?);
        let same = flags & SAME_FIELDS != 0;
        let fields = match same {
            true => master.fields,
            false => usize::try_from(int(elements.next())?).ok()?,
        };
        let id = StreamId::new(self.id.ms.wrapping_add(ms as u64), self.id.seq.wrapping_add(seq as u64));
        let names = same.then_some(master.fields_at);
        Some(Entry { id, fields, pack: &self.pack, flags, at, body: elements.position(), names })
    }

    /// Whether a listpack is a node as this module writes them; gives the number of its live entries.
    pub(super) fn check(&self) -> Option<u64> {
        let master = self.master()?;
        let mut elements = self.pack.iter_on(Some(master.fields_at));
        if !skips(&mut elements, master.fields) || int(elements.next()) != Some(0) {
            return None;
        }
        let (mut live, mut deleted, mut at) = (0, 0, elements.position());
        let mut last = None;
        while let Some(flags_at) = at {
            let entry = self.entry(master, flags_at)?;
            let flags_are_ints = matches!(self.pack.get(flags_at), Value::Int(0..=FLAGS));
            let strings = match entry.names {
                Some(_) => entry.fields,
                None => entry.fields.checked_mul(2)?,
            };
            let mut elements = self.pack.iter_on(entry.body);
            if !flags_are_ints || !skips(&mut elements, strings) {
                return None;
            }
            if elements.next()? != Value::Int(i64::try_from(entry.elements()).ok()?) {
                return None;
            }
            match entry.is_deleted() {
                true => deleted += 1,
                false if last.is_some_and(|last| last >= entry.id) => return None,
                false => {
                    last = Some(entry.id);
                    live += 1;
                }
            }
            at = elements.position();
        }
        let counted = live == master.live && deleted == master.deleted && live + deleted > 0;
        counted.then_some(live as u64)
    }
}

/// Passes over so many elements.
fn skip(elements: &mut crate::values::Iter<'_>, count: usize) {
    skips(elements, count);
}

/// Passes over so many elements; false when there are not so many.
fn skips(elements: &mut crate::values::Iter<'_>, count: usize) -> bool {
    count == 0 || elements.nth(count - 1).is_some()
}

/// The entries of a node in order.
#[derive(Clone, Debug)]
pub(super) struct Entries<'a> {
    node: &'a Node,
    master: Option<Master>,
    front: Option<Position>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = self.node.entry(self.master?, self.front?)?;
        let mut elements = self.node.pack.iter_on(entry.body);
        let strings = if entry.names.is_some() { entry.fields } else { entry.fields * 2 };
        skip(&mut elements, strings + 1);
        self.front = elements.position();
        Some(entry)
    }
}

/// The entries of a node in reverse order.
#[derive(Clone, Debug)]
pub(super) struct EntriesBack<'a> {
    node: &'a Node,
    master: Option<Master>,
    /// The element that counts those of the entry to come; the one that ends the master counts none.
    back: Option<Position>,
}

impl<'a> Iterator for EntriesBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let pack = &self.node.pack;
        let mut at = self.back?;
        let elements = int(Some(pack.get(at)))?;
        if elements == 0 {
            self.back = None;
            return None;
        }
        for _ in 0..elements {
            at = pack.prev(at)?;
        }
        self.back = pack.prev(at);
        self.node.entry(self.master?, at)
    }
}
