//! Client-side caching: which client may hold which key, and telling it when the key changes.
//!
//! In the default mode the server remembers the keys a client read and forgets each once it told of its
//! change; in broadcasting mode a client hears of every change below its prefixes, and nothing is remembered.
//! Keys are told apart by name alone, whatever their database, as Redis does. What changed comes from the
//! effects of commands (`Effects::touched`); a message to the client whose command made the change follows
//! behind that command's reply.

mod commands;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use resp::{Args, Protocol, Writer};

pub(crate) use commands::{caching, getredir, tracking, trackinginfo};

use crate::client::{Client, ClientId, State};
use crate::command_keys::keys_of;
use crate::server::Server;
use crate::table::Entry;
use types::Flags;

/// The channel that stands for invalidations where a client only knows RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// What a client asked for with CLIENT TRACKING ON.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientTracking {
    /// Who is told instead.
    redirect: Option<ClientId>,
    mode: Mode,
    /// Not told of its own changes.
    noloop: bool,
    /// CLIENT CACHING was said for the next command.
    caching: bool,
    /// The one to be told instead is gone.
    pub(crate) broken: bool,
    /// In broadcasting mode: what the keys it hears of begin with.
    prefixes: Vec<Vec<u8>>,
}

/// Which keys a client hears of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Those it read.
    #[default]
    Default,
    /// Those it read behind CLIENT CACHING YES.
    OptIn,
    /// Those it read, but behind CLIENT CACHING NO.
    OptOut,
    /// All below its prefixes.
    Broadcast,
}

impl ClientTracking {
    pub(crate) fn broadcasts(&self) -> bool {
        self.mode == Mode::Broadcast
    }

    /// What CLIENT GETREDIR tells.
    pub(crate) fn redirect_id(&self) -> u64 {
        self.redirect.map_or(0, |id| id.id)
    }

    fn remembers_next(&self) -> bool {
        match self.mode {
            Mode::Default => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast => false,
        }
    }
}

/// The server's side.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    /// Who may hold a key.
    keys: BTreeMap<Vec<u8>, BTreeSet<ClientId>>,
    /// Pairs in `keys`.
    items: usize,
    prefixes: BTreeMap<Vec<u8>, Prefix>,
    /// Clients that track.
    pub(crate) clients: usize,
}

/// A prefix that clients listen below.
#[derive(Debug, Default)]
struct Prefix {
    clients: BTreeSet<ClientId>,
    /// Keys changed in this turn, and who changed each last.
    changed: BTreeMap<Vec<u8>, Option<ClientId>>,
}

impl Tracking {
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn item_count(&self) -> usize {
        self.items
    }

    pub(crate) fn prefix_count(&self) -> usize {
        self.prefixes.len()
    }

    pub(crate) fn wants_changes(&self) -> bool {
        !self.keys.is_empty() || !self.prefixes.is_empty()
    }

    /// Takes a key out of the table, with those who may hold it.
    fn forget(&mut self, key: &[u8]) -> Option<BTreeSet<ClientId>> {
        let holders = self.keys.remove(key)?;
        self.items -= holders.len();
        Some(holders)
    }
}

/// Who is told, and in what form.
enum Listener {
    Push(ClientId),
    /// In RESP2, as a message of a channel.
    Message(ClientId),
}

impl Server {
    /// Whether changed keys must be recorded.
    pub(crate) fn refresh_watching(&mut self) {
        self.effects.watching =
            !self.watched.is_empty() || self.tracking.wants_changes() || self.blocking.anyone_waits();
    }

    /// Remembers the keys that a command of a tracking client read.
    pub(crate) fn remember_tracked(&mut self, client: &Client, entry: &Entry, args: Args<'_>) {
        let tracking = client.rare.tracking.as_ref();
        let pubsub = entry.has(Flags::PUBSUB);
        if !entry.has(Flags::READONLY) || pubsub || !tracking.is_some_and(|t| t.remembers_next()) {
            return;
        }
        for key in keys_of(entry, args).unwrap_or_default() {
            let holders = self.tracking.keys.entry(args.at(key.at).to_vec()).or_default();
            self.tracking.items += usize::from(holders.insert(client.id));
        }
        self.refresh_watching();
    }

    /// CLIENT CACHING holds for one command, or one transaction.
    pub(crate) fn end_caching(&self, client: &mut Client) {
        let said = client.last_command.is_some_and(|entry| entry.full_name.starts_with("client|"));
        if !said
            && !client.state.has(State::MULTI)
            && let Some(tracking) = &mut client.rare.tracking
        {
            tracking.caching = false;
        }
    }

    /// Tells of changed keys. `running` is the client whose command changed them.
    pub(crate) fn invalidate<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        mut running: Option<&mut Client>,
    ) {
        let by = running.as_ref().map(|client| client.id);
        // Redis's scripts have a client of their own: who listens below a prefix hears of what its script does.
        let in_script = running.as_ref().is_some_and(|client| client.state.has(State::IN_SCRIPT));
        for key in keys {
            for (prefix, below) in &mut self.tracking.prefixes {
                if key.starts_with(prefix) {
                    below.changed.insert(key.to_vec(), by.filter(|_| !in_script));
                }
            }
            for id in self.tracking.forget(key).into_iter().flatten() {
                self.tell_one(id, Some(key), by, running.as_deref_mut());
            }
        }
    }

    /// Tells one client of one key, or of all.
    fn tell_one(
        &mut self,
        id: ClientId,
        key: Option<&[u8]>,
        by: Option<ClientId>,
        running: Option<&mut Client>,
    ) {
        let mut running = running.filter(|client| client.id == id);
        let client = match &mut running {
            Some(client) => Some(&**client),
            None => self.clients.get(id),
        };
        let Some(client) = client else { return };
        let Some(tracking) = &client.rare.tracking else { return };
        let unwanted = tracking.broadcasts() || tracking.noloop && by == Some(id);
        if key.is_some() && unwanted {
            return;
        }
        // Its own one, whatever a script that it runs speaks.
        let protocol = self.clients.protocol_of(id).unwrap_or(client.protocol);
        let mut payload = Vec::new();
        let mut writer = Writer::new(&mut payload, protocol);
        match key {
            Some(key) => {
                writer.array(1);
                writer.bulk(key);
            }
            None => writer.null(),
        }
        self.tell(id, running, &payload);
    }

    /// Sends an invalidation to a tracking client, or to whom it is redirected.
    fn tell(&mut self, id: ClientId, running: Option<&mut Client>, payload: &[u8]) {
        let client = match &running {
            Some(client) => Some(&**client),
            None => self.clients.get(id),
        };
        let tracking = client.and_then(|client| client.rare.tracking.as_ref());
        let (Some(tracking), Some(protocol)) = (tracking, self.clients.protocol_of(id)) else { return };
        let redirect = tracking.redirect;
        let mut bytes = Vec::new();
        let listener = match redirect {
            Some(to) => self.listener(to),
            None => (protocol == Protocol::Resp3).then_some(Listener::Push(id)),
        };
        match listener {
            Some(Listener::Push(to)) => {
                let mut writer = Writer::new(&mut bytes, Protocol::Resp3);
                writer.push(2);
                writer.bulk(b"invalidate");
                writer.raw(payload);
                self.clients.send(to, &bytes);
            }
            Some(Listener::Message(to)) => {
                let mut writer = Writer::new(&mut bytes, Protocol::Resp2);
                writer.array(3);
                writer.bulk(b"message");
                writer.bulk(CHANNEL);
                writer.raw(payload);
                self.clients.send(to, &bytes);
            }
            None => {
                let Some(to) = redirect.filter(|to| !self.clients.is_connected(*to)) else { return };
                let broken = match running {
                    Some(client) => client.rare.tracking.as_mut(),
                    None => self.clients.get_mut(id).and_then(|client| client.rare.tracking.as_mut()),
                };
                if let Some(tracking) = broken {
                    tracking.broken = true;
                }
                if protocol == Protocol::Resp3 {
                    let mut writer = Writer::new(&mut bytes, Protocol::Resp3);
                    writer.push(2);
                    writer.bulk(b"tracking-redir-broken");
                    writer.int(to.id as i64);
                    self.clients.send(id, &bytes);
                }
            }
        }
    }

    /// How the client that others redirect to can be told, if it can.
    fn listener(&self, to: ClientId) -> Option<Listener> {
        match self.clients.protocol_of(to)? {
            Protocol::Resp3 => Some(Listener::Push(to)),
            Protocol::Resp2 => {
                let listens = self.clients.get(to).is_some_and(|client| client.state.has(State::PUBSUB));
                listens.then_some(Listener::Message(to))
            }
        }
    }

    /// Tells every tracking client that all keys may have changed (FLUSHALL, a full sync).
    pub(crate) fn invalidate_all(&mut self, mut running: Option<&mut Client>) {
        let tracks = |client: &&Client| client.state.has(State::TRACKING);
        let mut ids: Vec<ClientId> = self.clients.iter().filter(tracks).map(|client| client.id).collect();
        ids.extend(running.as_deref().filter(tracks).map(|client| client.id));
        for id in ids {
            self.tell_one(id, None, None, running.as_deref_mut());
        }
        self.tracking.keys.clear();
        self.tracking.items = 0;
        self.refresh_watching();
    }

    /// Once a turn is over: tells those who listen below prefixes, and keeps the table within its limit.
    pub(crate) fn settle_tracking(&mut self) {
        if self.tracking.clients == 0 && !self.tracking.wants_changes() {
            return;
        }
        let changed = |prefix: &mut Prefix| {
            (!prefix.changed.is_empty())
                .then(|| (prefix.clients.clone(), std::mem::take(&mut prefix.changed)))
        };
        let turns: Vec<_> = self.tracking.prefixes.values_mut().filter_map(changed).collect();
        for (clients, changed) in turns {
            for id in clients {
                let noloop = self.clients.get(id).and_then(|client| client.rare.tracking.as_ref());
                let noloop = noloop.is_some_and(|tracking| tracking.noloop);
                let told = changed.iter().filter(|(_, by)| !noloop || **by != Some(id));
                let told: Vec<&Vec<u8>> = told.map(|(key, _)| key).collect();
                if told.is_empty() {
                    continue;
                }
                let mut payload = Vec::new();
                let mut writer = Writer::new(&mut payload, Protocol::Resp3);
                writer.array(told.len());
                told.iter().for_each(|key| writer.bulk(key));
                self.tell(id, None, &payload);
            }
        }
        self.limit_tracking_table();
        self.refresh_watching();
    }

    /// Beyond `tracking-table-max-keys`, keys are invalidated as if they had changed.
    fn limit_tracking_table(&mut self) {
        let most = self.config.settings.tracking_table_max_keys as usize;
        while most > 0 && self.tracking.keys.len() > most {
            // From either end, so that no family of names is always the first to go.
            let last = self.random.below(2) == 0;
            let keys = &self.tracking.keys;
            let key = if last { keys.keys().next_back() } else { keys.keys().next() };
            let Some(key) = key.cloned() else { return };
            for id in self.tracking.forget(&key).into_iter().flatten() {
                self.tell_one(id, Some(&key), None, None);
            }
        }
    }

    /// CLIENT TRACKING OFF, RESET, or the end of the client. What it read is forgotten as it changes.
    pub(crate) fn end_tracking(&mut self, client: &mut Client) {
        let Some(tracking) = client.rare.tracking.take() else { return };
        client.state.remove(State::TRACKING);
        self.tracking.clients -= 1;
        for prefix in &tracking.prefixes {
            if let Some(below) = self.tracking.prefixes.get_mut(prefix) {
                below.clients.remove(&client.id);
                if below.clients.is_empty() {
                    self.tracking.prefixes.remove(prefix);
                }
            }
        }
        self.refresh_watching();
    }
}
