//! The context of a data command: databases, time, randomness, reply, effects.
//!
//! Also the one place that decides what an expired key means. A master deletes it when it meets it (and
//! the deletion is replicated); a replica only hides it from readers, because its master leads expiry; a
//! replica applying its master's stream, and a server loading a file, ignore the clock altogether.

use keyspace::{Db, Entry, Expiry, KeyHash, WallMs};
use resp::{Args, Writer};

use crate::effects::{Class, Effects};
use crate::random::Random;

/// The time of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Unix time.
    pub wall: WallMs,
    /// Monotonic milliseconds since the process began.
    pub mono_ms: u64,
}

/// What a key past its deadline means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryRule {
    /// It is deleted now (a master).
    Delete,
    /// It is there, but not for this client (a replica).
    Hide,
    /// It is there (the replication stream, loading).
    Ignore,
}

/// A key with its hash, computed once.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its hash in the selected database.
    pub hash: KeyHash,
}

/// What a data command may see and change.
pub struct Ctx<'a> {
    /// All databases.
    pub dbs: &'a mut [Db],
    /// The selected one.
    pub db_index: u32,
    /// The time.
    pub now: Now,
    /// The access clock to stamp on keys met (24 bits); none while a snapshot child runs or the client
    /// asked not to touch, so that reading copies no memory.
    pub access: Option<u32>,
    /// What expired keys mean.
    pub expiry: ExpiryRule,
    /// The reply.
    pub out: Writer<'a>,
    /// What else came of it.
    pub effects: &'a mut Effects,
    /// Random choices.
    pub random: &'a mut Random,
    /// The hash of the command's first key, if the dispatcher computed it.
    pub first_key: Option<KeyHash>,
    /// `proto-max-bulk-len`.
    pub max_string_bytes: u64,
}

impl<'a> Ctx<'a> {
    /// The selected database.
    pub fn db(&mut self) -> &mut Db {
        &mut self.dbs[self.db_index as usize]
    }

    /// Argument 1 as the command's first key.
    pub fn first_key<'k>(&self, args: Args<'k>) -> Key<'k> {
        let bytes = args.at(1);
        Key { bytes, hash: self.first_key.unwrap_or_else(|| self.dbs[self.db_index as usize].hash_of(bytes)) }
    }

    /// Any other key.
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.dbs[self.db_index as usize].hash_of(bytes) }
    }

    /// Looks a key up to read it: counts a hit or miss and stamps the access clock.
    pub fn read(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        self.read_stamped(key, self.access)
    }

    /// Looks a key up to read it without stamping its access clock.
    pub fn read_untouched(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        self.read_stamped(key, None)
    }

    fn read_stamped(&mut self, key: Key<'_>, access: Option<u32>) -> Option<Entry<'_>> {
        if !self.expire_if_due(key) {
            self.effects.misses += 1;
            self.effects.event(self.db_index, key.bytes, Class::Miss, "keymiss");
            return None;
        }
        let found = self.dbs[self.db_index as usize].get_touch(key.hash, key.bytes, access);
        match found.is_some() {
            true => self.effects.hits += 1,
            false => self.effects.misses += 1,
        }
        if found.is_none() {
            self.effects.event(self.db_index, key.bytes, Class::Miss, "keymiss");
        }
        found
    }

    /// Looks a key up to change it, or without counting the lookup.
    pub fn peek(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        if !self.expire_if_due(key) {
            return None;
        }
        self.dbs[self.db_index as usize].get(key.hash, key.bytes)
    }

    /// Whether the key is there, after expiry has had its say.
    pub fn exists(&mut self, key: Key<'_>) -> bool {
        self.peek(key).is_some()
    }

    /// Applies the expiry rule to one key; false when it must be treated as missing. True says nothing of
    /// whether it exists.
    fn expire_if_due(&mut self, key: Key<'_>) -> bool {
        let db = &self.dbs[self.db_index as usize];
        if db.volatile_len() == 0 || self.expiry == ExpiryRule::Ignore {
            return true;
        }
        let due = db.get(key.hash, key.bytes).and_then(|entry| entry.expires_at()).is_some_and(|at| at <= self.now.wall);
        match (due, self.expiry) {
            (false, _) => true,
            (true, ExpiryRule::Delete) => {
                self.delete_expired(key);
                false
            }
            (true, _) => false,
        }
    }

    /// Deletes a key whose deadline has passed, recording what follows from it.
    pub fn delete_expired(&mut self, key: Key<'_>) {
        let db = self.db_index;
        if self.dbs[db as usize].remove(key.hash, key.bytes).is_some() {
            self.effects.expired_keys += 1;
            self.effects.expired.push((db, key.bytes.to_vec()));
            self.effects.touched(db, key.bytes);
            self.effects.event(db, key.bytes, Class::Expired, "expired");
        }
    }

    /// Removes a key for good; false when it was not there. Records nothing.
    pub fn remove(&mut self, key: Key<'_>) -> bool {
        self.dbs[self.db_index as usize].remove(key.hash, key.bytes).is_some()
    }

    /// Stores a string, choosing its encoding. Records nothing.
    pub fn store(&mut self, key: Key<'_>, value: &[u8], expiry: Expiry) {
        let access = self.access_stamp();
        self.db().set_bytes(key.hash, key.bytes, value, expiry, access);
    }

    /// The access clock for a key that is written: always stamped, the memory is touched anyway.
    pub fn access_stamp(&self) -> u32 {
        self.access.unwrap_or((self.now.wall.0 / 1000) as u32 & 0x00ff_ffff)
    }

    /// Records a change of `key`, with its keyspace event.
    pub fn changed(&mut self, key: Key<'_>, class: Class, event: &'static str) {
        self.effects.changed(self.db_index, key.bytes, class, event);
    }
}
