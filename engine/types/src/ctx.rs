//! The context of a data command: databases, time, randomness, reply, effects.
//!
//! Also the one place that decides what an expired key means. A master deletes it when it meets it (and
//! the deletion is replicated); a replica only hides it from readers, because its master leads expiry; a
//! replica applying its master's stream, and a server loading a file, ignore the clock altogether.

use keyspace::values::Limits;
use keyspace::{Db, Entry, Expiry, KeyHash, Typed, Updated, WallMs};
use persist::rdb::Compression;
use resp::{Args, Writer};

use crate::access::{AccessClock, Lfu};
use crate::effects::{BlockOn, Class, Effects};
use crate::error::CommandError;
use crate::lazy::{Cause, is_large};
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

/// Who calls a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A client, or the replication stream.
    Client,
    /// A script, whose work must not hang on chance.
    Script,
}

/// What a data command may see and change.
pub struct Ctx<'a> {
    /// All databases.
    pub dbs: &'a mut [Db],
    /// The selected one.
    pub db_index: u32,
    /// The time.
    pub now: Now,
    /// How the access words of keys met are stamped.
    pub access: AccessClock,
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
    /// When compact encodings end.
    pub limits: &'a Limits,
    /// What DUMP does to long strings.
    pub compression: Compression,
    /// Whether the client may be made to wait: not inside a transaction or script.
    pub may_block: bool,
    /// Whether the client may read keys that its arguments do not name (SORT's patterns).
    pub reads_all_keys: bool,
    /// Who calls the command.
    pub caller: Caller,
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
        self.count_use(key);
        self.read_stamped(key, self.access.stamp())
    }

    /// Looks a key up to read it without stamping its access clock.
    pub fn read_untouched(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        self.read_stamped(key, None)
    }

    fn read_stamped(&mut self, key: Key<'_>, access: Option<u32>) -> Option<Entry<'_>> {
        let gone = self.expire_if_due(key);
        let found = match gone {
            true => None,
            false => self.dbs[self.db_index as usize].get_touch(key.hash, key.bytes, access),
        };
        match found.is_some() {
            true => self.effects.hits += 1,
            false => self.effects.missed(self.db_index, key.bytes),
        }
        found
    }

    /// Looks a key up as [`read`](Self::read) does and hands it to `reply`, beside the reply's writer: the
    /// value goes into the output buffer without a copy in between, and the key is searched for once.
    pub fn read_with<R>(
        &mut self,
        key: Key<'_>,
        reply: impl FnOnce(Option<Entry<'_>>, &mut Writer<'a>) -> R,
    ) -> R {
        self.count_use(key);
        let found = self.dbs[self.db_index as usize].get_touch(key.hash, key.bytes, self.access.stamp());
        match found {
            Some(entry) if !is_due(entry, self.now, self.expiry) => {
                self.effects.hits += 1;
                reply(Some(entry), &mut self.out)
            }
            found => {
                if found.is_some() && self.expiry == ExpiryRule::Delete {
                    self.delete_expired(key);
                }
                self.effects.missed(self.db_index, key.bytes);
                reply(None, &mut self.out)
            }
        }
    }

    /// Looks a key up without stamping its access clock or telling anyone of a miss (OBJECT).
    pub fn inspect(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let gone = self.expire_if_due(key);
        let found = match gone {
            true => None,
            false => self.dbs[self.db_index as usize].get(key.hash, key.bytes),
        };
        match found.is_some() {
            true => self.effects.hits += 1,
            false => self.effects.misses += 1,
        }
        found
    }

    /// Looks a key up to change it: stamps the access clock, counts nothing. A key past its deadline is
    /// deleted first, also on a replica: only a writable one gets here.
    pub fn for_write(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        self.expire_before_write(key);
        let access = self.access.stamp();
        self.db().get_touch(key.hash, key.bytes, access)
    }

    /// Counts a use of the key, under an LFU policy.
    #[inline(always)]
    fn count_use(&mut self, key: Key<'_>) {
        if let Some(lfu) = self.access.counts() {
            self.count_use_by(lfu, key);
        }
    }

    #[cold]
    fn count_use_by(&mut self, lfu: Lfu, key: Key<'_>) {
        let db = &mut self.dbs[self.db_index as usize];
        if let Some(word) = db.get(key.hash, key.bytes).map(Entry::access) {
            db.touch(key.hash, key.bytes, lfu.used(word, self.random));
        }
    }

    /// Lets expiry have its say before a key is overwritten unseen, and counts that as a use.
    pub fn expire_before_write(&mut self, key: Key<'_>) {
        self.count_use(key);
        if self.expire_if_due(key) && self.expiry == ExpiryRule::Hide {
            self.delete_expired(key);
        }
    }

    /// Whether the key is there, after expiry has had its say.
    pub fn exists(&mut self, key: Key<'_>) -> bool {
        !self.expire_if_due(key) && self.db().get(key.hash, key.bytes).is_some()
    }

    /// Applies the expiry rule to one key; true when it must be treated as missing. False says nothing of
    /// whether it exists.
    fn expire_if_due(&mut self, key: Key<'_>) -> bool {
        let db = &self.dbs[self.db_index as usize];
        if db.volatile_len() == 0 {
            return false;
        }
        let found = db.get(key.hash, key.bytes);
        let due = found.is_some_and(|entry| is_due(entry, self.now, self.expiry));
        if due && self.expiry == ExpiryRule::Delete {
            self.delete_expired(key);
        }
        due
    }

    /// Deletes a key whose deadline has passed, recording what follows from it.
    pub fn delete_expired(&mut self, key: Key<'_>) {
        let db = self.db_index;
        if let Some(removed) = self.dbs[db as usize].remove(key.hash, key.bytes) {
            self.effects.discard(removed, Cause::Expired);
            self.effects.expired_keys += 1;
            self.effects.expired.push((db, key.bytes.to_vec()));
            self.effects.touched(db, key.bytes);
            self.effects.event(db, key.bytes, Class::Expired, "expired");
        }
    }

    /// Reads a value of type `T` and hands it to `reply`, beside the reply's writer, as
    /// [`read_with`](Self::read_with) does.
    ///
    /// # Errors
    /// [`CommandError::WrongType`] when the key holds something else, and what `reply` gives.
    pub fn read_as<T: Typed, R>(
        &mut self,
        key: Key<'_>,
        reply: impl FnOnce(Option<&T>, &mut Writer<'a>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        self.read_with(key, |entry, out| match entry {
            Some(entry) => reply(Some(T::of(entry.data()).ok_or(CommandError::WrongType)?), out),
            None => reply(None, out),
        })
    }

    /// Looks a key up to change it and refuses one that holds something other than a `T`; true when there
    /// is one.
    pub fn check_kind<T: Typed>(&mut self, key: Key<'_>) -> Result<bool, CommandError> {
        match self.for_write(key) {
            None => Ok(false),
            Some(entry) if T::of(entry.data()).is_some() => Ok(true),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Changes a value of type `T` in its place; none when there is no such key. Records nothing, and an
    /// emptied value stays until [`remove_emptied`](Self::remove_emptied), which its command must call.
    pub fn update<T: Typed, R>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<Updated<R>>, CommandError> {
        self.expire_before_write(key);
        let access = self.access.stamp();
        match self.db().update(key.hash, key.bytes, access, change) {
            None => Ok(None),
            Some(Ok(updated)) => Ok(Some(updated)),
            Some(Err(keyspace::WrongKind)) => Err(CommandError::WrongType),
        }
    }

    /// Changes a value of type `T` in its place, or makes one if there is no such key. A new one that
    /// stays empty is not stored. Records nothing but the event that a key was created.
    pub fn update_or_insert<T: Typed + Default, R>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Updated<R>, CommandError> {
        // The closure is called once, by whichever comes first to need it.
        let mut change = Some(change);
        let mut once = |value: &mut T| match change.take() {
            Some(change) => change(value),
            None => unreachable!("a value is changed twice"),
        };
        if let Some(updated) = self.update::<T, R>(key, &mut once)? {
            return Ok(updated);
        }
        let mut value = T::default();
        let result = once(&mut value);
        let emptied = value.is_void();
        if !emptied {
            self.put(key, value, Expiry::Clear);
        }
        Ok(Updated { result, emptied: false })
    }

    /// Stores a value in place of whatever the key holds. Records like [`store`](Self::store).
    pub fn put<T: Typed>(&mut self, key: Key<'_>, value: T, expiry: Expiry) {
        self.announce_new(key);
        let expiry = self.set_large_aside(key, expiry);
        let access = self.access_of_stored(key);
        self.db().set_object(key.hash, key.bytes, value.into_object(), expiry, access);
    }

    /// Removes a key whose value has lost its last element, with its event.
    pub fn remove_emptied(&mut self, key: Key<'_>) {
        if self.remove(key) {
            self.effects.event(self.db_index, key.bytes, Class::Generic, "del");
        }
    }

    /// Records that so many elements were removed from the value of `key`, with its event, and removes the key
    /// when none are left; nothing when none were removed.
    pub fn removed(&mut self, key: Key<'_>, class: Class, event: &'static str, removed: Updated<usize>) {
        if removed.result == 0 {
            return;
        }
        self.effects.dirty += removed.result as u64 - 1;
        self.changed(key, class, event);
        if removed.emptied {
            self.remove_emptied(key);
        }
    }

    /// Has the client wait; the command writes no reply, and runs again when a key may be ready. Only where
    /// [`may_block`](Self::may_block) says so.
    pub fn block(&mut self, on: BlockOn) {
        debug_assert!(self.may_block);
        self.effects.block = Some(on);
    }

    /// Removes a key for good, as part of what a command does; false when it was not there. Records nothing.
    pub fn remove(&mut self, key: Key<'_>) -> bool {
        self.remove_because(key, Cause::Implied)
    }

    /// Removes a key for good; `cause` decides where a large value is freed. Records nothing.
    pub fn remove_because(&mut self, key: Key<'_>, cause: Cause) -> bool {
        match self.dbs[self.db_index as usize].remove(key.hash, key.bytes) {
            Some(removed) => {
                self.effects.discard(removed, cause);
                true
            }
            None => false,
        }
    }

    /// Stores a string, choosing its encoding. Records nothing but the event that a key was created.
    pub fn store(&mut self, key: Key<'_>, value: &[u8], expiry: Expiry) {
        self.announce_new(key);
        let expiry = self.set_large_aside(key, expiry);
        let access = self.access_of_stored(key);
        self.db().set_bytes(key.hash, key.bytes, value, expiry, access);
    }

    /// Stores a string that never counts as an integer, though it may look like one (INCRBYFLOAT). Records
    /// like [`store`](Self::store).
    pub fn store_text(&mut self, key: Key<'_>, value: &[u8], expiry: Expiry) {
        self.announce_new(key);
        let expiry = self.set_large_aside(key, expiry);
        let access = self.access_of_stored(key);
        self.db().set_text(key.hash, key.bytes, value, expiry, access);
    }

    /// Takes a value that is about to be overwritten out first, where it is large and the overwriting
    /// command is not to wait until it is freed; the key's deadline is kept by way of the expiry given back.
    #[inline]
    fn set_large_aside(&mut self, key: Key<'_>, expiry: Expiry) -> Expiry {
        match self.effects.lazy.server_del {
            true => self.set_aside(key, expiry),
            false => expiry,
        }
    }

    #[cold]
    fn set_aside(&mut self, key: Key<'_>, expiry: Expiry) -> Expiry {
        let db = &mut self.dbs[self.db_index as usize];
        let Some(entry) = db.get(key.hash, key.bytes) else { return expiry };
        if !is_large(entry.free_effort()) {
            return expiry;
        }
        let kept = match (expiry, entry.expires_at()) {
            (Expiry::Keep, Some(at)) => Expiry::At(at),
            (Expiry::Keep, None) => Expiry::Clear,
            _ => expiry,
        };
        self.remove(key);
        kept
    }

    /// The access word of a key that is written: under an LFU policy the one it has.
    #[inline]
    fn access_of_stored(&self, key: Key<'_>) -> u32 {
        if self.access.policy_lfu().is_some()
            && let Some(entry) = self.dbs[self.db_index as usize].get(key.hash, key.bytes)
        {
            return entry.access();
        }
        self.access.of_new()
    }

    /// Stores an integer as a string, keeping the deadline. Records like [`store`](Self::store).
    pub fn store_int(&mut self, key: Key<'_>, value: i64) {
        self.announce_new(key);
        let access = self.access_of_stored(key);
        self.db().set_int(key.hash, key.bytes, value, Expiry::Keep, access);
    }

    /// Records the event of a key's creation, if it is not there yet; to be called just before it is.
    pub fn announce_new(&mut self, key: Key<'_>) {
        let db = self.db_index;
        if self.effects.wants(Class::New) && self.dbs[db as usize].get(key.hash, key.bytes).is_none() {
            self.effects.event(db, key.bytes, Class::New, "new");
        }
    }

    /// The access word for a key that is written: always stamped, the memory is touched anyway.
    pub fn access_stamp(&self) -> u32 {
        self.access.of_new()
    }

    /// Runs `body` with another database selected.
    pub fn in_db<R>(&mut self, db_index: u32, body: impl FnOnce(&mut Self) -> R) -> R {
        let selected = std::mem::replace(&mut self.db_index, db_index);
        let result = body(self);
        self.db_index = selected;
        result
    }

    /// Whether a deadline that a client asks for has passed already, so that the key goes at once. Only a
    /// master decides that.
    pub fn has_passed(&self, deadline: WallMs) -> bool {
        self.expiry == ExpiryRule::Delete && deadline <= self.now.wall
    }

    /// Records a change of `key`, with its keyspace event.
    pub fn changed(&mut self, key: Key<'_>, class: Class, event: &'static str) {
        self.effects.changed(self.db_index, key.bytes, class, event);
    }
}

/// Whether the entry's deadline has passed, by a rule that heeds deadlines. In the very millisecond of its
/// deadline a key is still there.
pub fn is_due(entry: Entry<'_>, now: Now, rule: ExpiryRule) -> bool {
    rule != ExpiryRule::Ignore && entry.expires_at().is_some_and(|at| at < now.wall)
}
