//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use std::collections::HashMap;

use resp::Args;
use types::{CommandError, Propagation};

use crate::acl::Context;
use crate::client::{Blocked, Client, ClientId, State};
use crate::server::Server;

/// Who watches what: clients by database and key.
pub(crate) type Watched = HashMap<(u32, Vec<u8>), Vec<ClientId>>;

pub(crate) fn multi(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    if client.state.has(State::MULTI) {
        return Err(CommandError::new("ERR MULTI calls can not be nested"));
    }
    client.state.add(State::MULTI);
    client.writer().ok();
    Ok(())
}

pub(crate) fn discard(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    if !client.state.has(State::MULTI) {
        return Err(CommandError::new("ERR DISCARD without MULTI"));
    }
    server.discard(client);
    client.writer().ok();
    Ok(())
}

pub(crate) fn watch(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if client.state.has(State::MULTI) {
        return Err(CommandError::new("ERR WATCH inside MULTI is not allowed"));
    }
    for key in args.from(1).iter() {
        let watched = (client.db, key.to_vec());
        if !client.rare.watching.contains(&watched) {
            server.watched.entry(watched.clone()).or_default().push(client.id);
            if server.has_expired(&watched) {
                client.rare.watching_expired.push(watched.clone());
            }
            client.rare.watching.push(watched);
        }
    }
    server.refresh_watching();
    client.writer().ok();
    Ok(())
}

pub(crate) fn unwatch(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.end_watch(client);
    client.writer().ok();
    Ok(())
}

pub(crate) fn exec(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    if !client.state.has(State::MULTI) {
        return Err(CommandError::new("ERR EXEC without MULTI"));
    }
    if client.state.has(State::DIRTY_EXEC) {
        server.discard(client);
        return Err(CommandError::new("EXECABORT Transaction discarded because of previous errors."));
    }
    if client.state.has(State::DIRTY_CAS) || server.watches_an_expired_key(client) {
        server.discard(client);
        client.writer().null_array();
        return Ok(());
    }
    let queued = std::mem::take(&mut client.rare.queued);
    client.rare.exec_size = (queued.len(), client.rare.queued_bytes);
    server.discard(client);
    client.writer().array(queued.len());
    client.state.add(State::IN_EXEC);
    server.begin_transaction();
    client.rare.exec_rest = queued.into();
    server.go_on_with_exec(client);
    Ok(())
}

impl Server {
    /// Runs what is left of a transaction; a script among its commands may leave it in the middle.
    pub(crate) fn go_on_with_exec(&mut self, client: &mut Client) {
        while let Some(command) = client.rare.exec_rest.pop_front() {
            // Users may have changed since it was queued.
            match self.acl_check(client, command.entry, command.args()) {
                Ok(()) => self.call(client, command.entry, command.args(), None),
                Err(denied) => {
                    let error = denied.text_in_exec();
                    self.log_denial(client, denied, Context::Multi);
                    self.answer_error(client, &error);
                }
            }
            if client.blocked == Some(Blocked::Script) {
                // Not closed off yet: EXEC follows when the script and what is behind it have run.
                self.effects.propagation = Propagation::Nothing;
                return;
            }
        }
        self.end_transaction();
        // Its commands were propagated one by one, between MULTI and EXEC of their own.
        self.effects.propagation = Propagation::Nothing;
        client.state.remove(State::IN_EXEC);
    }

    /// Leaves MULTI: nothing is queued or watched any more.
    pub(crate) fn discard(&mut self, client: &mut Client) {
        client.rare.queued = Vec::new();
        client.rare.queued_bytes = 0;
        client.state.remove(State::MULTI);
        client.state.remove(State::DIRTY_EXEC);
        client.state.remove(State::DIRTY_CAS);
        self.end_watch(client);
    }

    pub(crate) fn end_watch(&mut self, client: &mut Client) {
        self.unwatch(client);
        client.rare.watching = Vec::new();
        client.rare.watching_expired = Vec::new();
        client.state.remove(State::DIRTY_CAS);
    }

    /// Takes a client off the lists of watchers.
    pub(crate) fn unwatch(&mut self, client: &Client) {
        for watched in &client.rare.watching {
            if let Some(watchers) = self.watched.get_mut(watched) {
                watchers.retain(|id| *id != client.id);
                if watchers.is_empty() {
                    self.watched.remove(watched);
                }
            }
        }
        self.refresh_watching();
    }

    fn watches_an_expired_key(&self, client: &Client) -> bool {
        let rare = &client.rare;
        rare.watching
            .iter()
            .any(|watched| self.has_expired(watched) && !rare.watching_expired.contains(watched))
    }

    fn has_expired(&self, (db, key): &(u32, Vec<u8>)) -> bool {
        let db = &self.dbs[*db as usize];
        let deadline = db.get(db.hash_of(key), key).and_then(|entry| entry.expires_at());
        deadline.is_some_and(|at| at < self.now.wall)
    }

    /// Spoils a client's transaction because of a key it watches, unless that had expired before and is
    /// only gone now.
    fn spoil(client: &mut Client, touched: &(u32, Vec<u8>), gone: bool) {
        let expired = &mut client.rare.watching_expired;
        match expired.iter().position(|known| known == touched) {
            Some(at) if gone => drop(expired.swap_remove(at)),
            _ => client.state.add(State::DIRTY_CAS),
        }
    }

    /// Spoils the transactions of those who watch keys that were touched.
    pub(crate) fn settle_touched(&mut self, mut running: Option<&mut Client>) {
        let whole_dbs = !self.effects.flushed.is_empty() || self.effects.swapped.is_some();
        let exchanged = self.effects.swapped;
        let mut all = std::mem::take(&mut self.effects.touched);
        let flush_ran = std::mem::take(&mut self.effects.flush_ran);
        // What is remembered for a client that tracks no more is forgotten at the change too.
        if self.tracking.clients > 0 || self.tracking.wants_changes() {
            let keys = all.iter().map(|(_, key)| key.as_slice());
            self.invalidate(keys, running.as_deref_mut());
            if flush_ran {
                self.invalidate_all(running.as_deref_mut());
            }
        }
        if whole_dbs && self.effects.watching {
            all.extend(self.watched_in_changed_dbs());
        }
        if self.blocking.anyone_waits() {
            self.note_ready(&all, exchanged);
        }
        // What was flushed or exchanged concerns this command alone.
        self.effects.swapped = None;
        self.garbage.dbs.extend(self.effects.flushed.drain(..).map(|flushed| flushed.contents));
        for touched in all {
            let Some(watchers) = self.watched.get(&touched) else { continue };
            let db = &self.dbs[touched.0 as usize];
            let gone = db.get(db.hash_of(&touched.1), &touched.1).is_none();
            for id in watchers {
                match &mut running {
                    Some(client) if client.id == *id => Self::spoil(client, &touched, gone),
                    _ => {
                        if let Some(client) = self.clients.get_mut(*id) {
                            Self::spoil(client, &touched, gone);
                        }
                    }
                }
            }
        }
    }

    /// Notes changed keys for those who wait for them.
    fn note_ready(&mut self, touched: &[(u32, Vec<u8>)], exchanged: Option<(u32, u32)>) {
        touched.iter().for_each(|key| self.blocking.touched(key));
        if !self.effects.flushed.is_empty() || exchanged.is_some() {
            let flushed = &self.effects.flushed;
            self.blocking.touched_all(|db| {
                flushed.iter().any(|flushed| flushed.db == db)
                    || exchanged.is_some_and(|(a, b)| db == a || db == b)
            });
        }
    }

    /// Watched keys that FLUSHDB, FLUSHALL or SWAPDB took away or put there.
    fn watched_in_changed_dbs(&mut self) -> Vec<(u32, Vec<u8>)> {
        let swapped = self.effects.swapped.take();
        let held = |db: &keyspace::Db, key: &[u8]| db.get(db.hash_of(key), key).is_some();
        let gone = |(db, key): &(u32, Vec<u8>)| {
            let flushed =
                self.effects.flushed.iter().any(|flushed| flushed.db == *db && held(&flushed.contents, key));
            let exchanged = swapped.is_some_and(|(a, b)| {
                (*db == a || *db == b)
                    && (held(&self.dbs[a as usize], key) || held(&self.dbs[b as usize], key))
            });
            flushed || exchanged
        };
        self.watched.keys().filter(|watched| gone(watched)).cloned().collect()
    }

    /// Spoils the transactions of everyone who watches a key, and what anyone holds (a full sync).
    pub(crate) fn touch_all_watched(&mut self) {
        self.invalidate_all(None);
        self.blocking.touched_all(|_| true);
        let ids: Vec<ClientId> = self.watched.values().flatten().copied().collect();
        for id in ids {
            if let Some(client) = self.clients.get_mut(id) {
                client.state.add(State::DIRTY_CAS);
            }
        }
    }
}
