//! Groups of consumers: what was delivered to whom and is not acknowledged yet.
//!
//! Every pending entry is kept twice, as in Redis: by id in the group, with what is known of it, and as a
//! bare id with its consumer. Consumers are known by a key that stays theirs while they exist.

use std::collections::{BTreeMap, BTreeSet};

use super::StreamId;
use crate::value::WallMs;

/// What the trees take for a pending entry, roughly: they are seldom more than two thirds full.
const PENDING_BYTES: usize = (size_of::<(StreamId, Pending)>() + size_of::<StreamId>()) * 3 / 2;
const CONSUMER_BYTES: usize = size_of::<Option<Consumer>>() + size_of::<ConsumerKey>();

/// Stands for a consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerKey(u32);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose it is.
    pub consumer: ConsumerKey,
    /// When it was delivered last.
    pub delivered_at: WallMs,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last tried to do something.
    pub seen_at: WallMs,
    /// When it last got something; none when it never did.
    pub active_at: Option<WallMs>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The number of its pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Its pending entries from an id on.
    pub fn pending_from(&self, first: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.range(first..).copied()
    }
}

/// A group of consumers.
#[derive(Clone, Debug)]
pub struct Group {
    /// The id of the last entry delivered.
    pub last_id: StreamId,
    /// How many entries were read, where that is known.
    pub entries_read: Option<i64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: Vec<Option<Consumer>>,
    /// The consumers in the order of their names.
    by_name: Vec<ConsumerKey>,
    /// Bytes of the consumers' names.
    name_bytes: usize,
}

impl Group {
    /// A group without consumers.
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Group {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Vec::new(),
            by_name: Vec::new(),
            name_bytes: 0,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.pending.len() * PENDING_BYTES + self.consumers.len() * CONSUMER_BYTES + self.name_bytes
    }

    pub(super) fn free_effort(&self) -> usize {
        1 + self.by_name.len() + self.pending.len()
    }

    // --- Consumers ---

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.by_name.iter().map(|key| self.consumer(*key))
    }

    fn place_of(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|key| self.consumer(*key).name().cmp(name))
    }

    /// The consumer of this name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerKey> {
        self.place_of(name).ok().map(|place| self.by_name[place])
    }

    /// A consumer.
    ///
    /// # Panics
    /// When it was deleted.
    pub fn consumer(&self, key: ConsumerKey) -> &Consumer {
        match self.consumers.get(key.0 as usize) {
            Some(Some(consumer)) => consumer,
            _ => unreachable!("a consumer that is not there"),
        }
    }

    /// A consumer, to be changed.
    ///
    /// # Panics
    /// When it was deleted.
    pub fn consumer_mut(&mut self, key: ConsumerKey) -> &mut Consumer {
        match self.consumers.get_mut(key.0 as usize) {
            Some(Some(consumer)) => consumer,
            _ => unreachable!("a consumer that is not there"),
        }
    }

    /// Makes a consumer, seen now; none when there is one of this name.
    pub fn create_consumer(&mut self, name: &[u8], now: WallMs) -> Option<ConsumerKey> {
        let place = self.place_of(name).err()?;
        let consumer =
            Consumer { name: name.into(), seen_at: now, active_at: None, pending: BTreeSet::new() };
        let free = self.consumers.iter().position(Option::is_none);
        let slot = free.filter(|_| self.by_name.len() < self.consumers.len());
        let key = match slot {
            Some(slot) => {
                self.consumers[slot] = Some(consumer);
                ConsumerKey(slot as u32)
            }
            None => {
                self.consumers.push(Some(consumer));
                ConsumerKey((self.consumers.len() - 1) as u32)
            }
        };
        self.by_name.insert(place, key);
        self.name_bytes += name.len();
        Some(key)
    }

    /// Ends a consumer and forgets what is pending with it; gives how much that was, none when there is no
    /// consumer of this name.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let place = self.place_of(name).ok()?;
        let key = self.by_name.remove(place);
        let consumer = self.consumers[key.0 as usize].take()?;
        self.name_bytes -= name.len();
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    // --- Pending entries ---

    /// The number of pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is known of a pending entry.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// The pending entries from an id on.
    pub fn pending_from(&self, first: StreamId) -> impl DoubleEndedIterator<Item = (StreamId, &Pending)> {
        self.pending.range(first..).map(|(id, pending)| (*id, pending))
    }

    /// Gives an entry to a consumer, in place of whoever had it.
    pub fn deliver(&mut self, id: StreamId, pending: Pending) {
        if let Some(old) = self.pending.insert(id, pending) {
            if old.consumer == pending.consumer {
                return;
            }
            self.consumer_mut(old.consumer).pending.remove(&id);
        }
        self.consumer_mut(pending.consumer).pending.insert(id);
    }

    /// Forgets a pending entry; false when it is none.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.consumer_mut(pending.consumer).pending.remove(&id);
        true
    }
}
