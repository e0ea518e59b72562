//! The server as a value, and how the shell drives it.

use keyspace::{Db, HashSeed, WallMs};
use resp::Limits;
use resp::request::Trust;
use types::{Effects, Now, Random};

use crate::acl::Acl;
use crate::aof::Aof;
use crate::blocking::Blocking;
use crate::client::{Blocked, ClientId, Peer, State};
use crate::clients::Clients;
use crate::config::{Config, Level};
use crate::eviction::Eviction;
use crate::expiry::ExpiryCycle;
use crate::gates::Gates;
use crate::host::{Garbage, Host};
use crate::migrating::PeerConnections;
use crate::monitoring::latency::Latencies;
use crate::monitoring::slowlog::SlowLog;
use crate::monitoring::timing::Timing;
use crate::persistence::Persistence;
use crate::pubsub::PubSub;
use crate::replicating::Replicating;
use crate::scripting::Scripting;
use crate::sentinel_mode::SentinelMode;
use crate::stats::Stats;
use crate::table::{TABLE, Table};
use crate::tracking::Tracking;
use crate::transactions::Watched;

/// Commands looked at together: enough to hide memory latency, few enough to keep their lines cached.
const BATCH: usize = 16;

/// Output after which a pipeline is interrupted to send it: replies must not pile up without bound.
const ENOUGH_OUTPUT_BYTES: usize = 1 << 20;

/// What tells one server process from another.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// The program's path.
    pub executable: String,
    /// Operating system, release and machine.
    pub os: String,
    /// The supervisor that started it: `no`, `upstart` or `systemd`.
    pub supervised: &'static str,
    /// Seed of everything random.
    pub seed: u64,
}

/// A server.
pub struct Server {
    /// Its configuration.
    pub config: Config,
    pub(crate) host: Box<dyn Host>,
    /// The commands that exist.
    pub(crate) table: &'static Table,
    /// What makes the server a sentinel.
    pub(crate) sentinel: Option<Box<SentinelMode>>,
    pub(crate) identity: Identity,
    pub(crate) run_id: [u8; 40],
    pub(crate) dbs: Vec<Db>,
    pub(crate) clients: Clients,
    pub(crate) effects: Effects,
    pub(crate) random: Random,
    pub(crate) pubsub: PubSub,
    pub(crate) acl: Acl,
    pub(crate) tracking: Tracking,
    pub(crate) timing: Timing,
    pub(crate) slowlog: SlowLog,
    pub(crate) latencies: Latencies,
    /// Clients that watch what others do.
    pub(crate) monitors: Vec<ClientId>,
    pub(crate) watched: Watched,
    pub(crate) blocking: Blocking,
    pub(crate) replicating: Replicating,
    pub(crate) persistence: Persistence,
    pub(crate) aof: Aof,
    pub(crate) scripting: Scripting,
    pub(crate) stats: Stats,
    pub(crate) gates: Gates,
    pub(crate) now: Now,
    pub(crate) started: Now,
    pub(crate) shutdown: Option<Shutdown>,
    /// What is to be freed where that stalls nobody.
    pub(crate) garbage: Garbage,
    pub(crate) eviction: Eviction,
    /// Connections that MIGRATE keeps.
    pub(crate) peer_connections: PeerConnections,
    hash_seed: HashSeed,
    /// When compact encodings end, as the configuration says.
    pub(crate) limits: keyspace::values::Limits,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub(crate) active_expire: bool,
    pub(crate) debug: crate::admin::debug::DebugState,
    /// Figures as the last INFO found them.
    pub(crate) info_figures: crate::host::Figures,
    pub(crate) expiry: ExpiryCycle,
    /// A deadline was set that is nearer than the next tick.
    pub(crate) timer_changed: bool,
    /// Times the timer ran.
    pub(crate) ticks: u64,
}

/// An orderly end, asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Waiting for replicas until the deadline.
    Waiting { deadline_ms: u64, save: Option<bool>, force: bool },
    /// Everything is saved: the process ends with this code.
    Done(i32),
}

/// What became of a client's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// What to do with the client now.
    pub then: Then,
}

/// What the shell does with a client after its bytes were handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Write its output, read on.
    Continue,
    /// Write its output, then hand in the rest of the input again: there is more in it to run.
    More,
    /// Write its output; do not handle more input until it is woken.
    Blocked,
    /// Write its output, then close.
    CloseAfterOutput,
    /// Close now.
    Close,
}

impl Server {
    /// A server without data.
    pub fn new(config: Config, identity: Identity, host: Box<dyn Host>, now: Now) -> Self {
        let mut random = Random::new(identity.seed);
        let seed = HashSeed(std::array::from_fn(|_| random.next_u64()));
        let run_id = random.hex_id();
        let databases = config.settings.databases as usize;
        let replicating = Replicating::new(&config.settings, &mut random);
        let mut server = Self {
            host,
            table: if config.renames.is_empty() { &TABLE } else { Table::renamed(&config.renames) },
            sentinel: None,
            identity,
            run_id,
            dbs: (0..databases).map(|_| Db::new(seed)).collect(),
            clients: Clients::default(),
            effects: Effects::default(),
            random,
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            timing: Timing::default(),
            slowlog: SlowLog::default(),
            latencies: Latencies::default(),
            monitors: Vec::new(),
            acl: Acl::new(&config.settings.requirepass),
            watched: Watched::default(),
            blocking: Blocking::default(),
            replicating,
            persistence: Persistence::new(now),
            aof: Aof::default(),
            scripting: Scripting::default(),
            stats: Stats::default(),
            gates: Gates::default(),
            now,
            started: now,
            shutdown: None,
            garbage: Garbage::default(),
            eviction: Eviction::default(),
            peer_connections: PeerConnections::default(),
            hash_seed: seed,
            limits: config.settings.limits(seed),
            active_expire: true,
            debug: crate::admin::debug::DebugState::default(),
            info_figures: crate::host::Figures::default(),
            expiry: ExpiryCycle::default(),
            timer_changed: false,
            ticks: 0,
            config,
        };
        server.pass_settings_to_effects();
        server.refresh_client_limits();
        server.refresh_gates();
        server.refresh_timing();
        server
    }

    /// Writes a log line.
    pub fn log(&mut self, level: Level, text: impl AsRef<str>) {
        self.host.log(level, text.as_ref());
    }

    /// The run id, 40 hexadecimal digits.
    pub fn run_id(&self) -> &[u8; 40] {
        &self.run_id
    }

    /// A new database set with this server's hash seed, for loading aside.
    pub fn fresh_dbs(&self) -> Vec<Db> {
        (0..self.dbs.len()).map(|_| Db::new(self.hash_seed)).collect()
    }

    /// Takes over the limits of compact encodings from the configuration.
    pub(crate) fn refresh_limits(&mut self) {
        let list_plain_bytes = self.limits.list_plain_bytes;
        self.limits =
            keyspace::values::Limits { list_plain_bytes, ..self.config.settings.limits(self.hash_seed) };
    }

    /// A client has connected. An `Err` is the line to send before closing it.
    pub fn connect(&mut self, peer: Peer, now: Now) -> Result<ClientId, String> {
        self.now = now;
        self.stats.connections += 1;
        if self.clients.len() as i64 >= self.config.settings.maxclients {
            self.stats.rejected_connections += 1;
            return Err("-ERR max number of clients reached\r\n".into());
        }
        if self.refused_by_protected_mode(&peer) {
            self.stats.rejected_connections += 1;
            return Err("-DENIED Redis is running in protected mode because protected mode is enabled and no \
                        password is set for the default user. In this mode connections are only accepted from the \
                        loopback interface. Set a password, choose addresses with 'bind', or turn protected-mode off.\r\n"
                .into());
        }
        let id = self.clients.add(peer, now.mono_ms);
        if let Some(mut client) = self.clients.take(id) {
            self.become_stranger(&mut client);
            self.clients.put_back(client);
        }
        Ok(id)
    }

    fn refused_by_protected_mode(&self, peer: &Peer) -> bool {
        let settings = &self.config.settings;
        let chosen = settings.bind != crate::config::Settings::default().bind;
        settings.protected_mode && self.acl.default_user().nopass && !chosen && !peer.is_local
    }

    /// A client's connection has ended.
    pub fn disconnect(&mut self, id: ClientId, now: Now) {
        self.now = now;
        self.forget_client(id);
    }

    pub(crate) fn forget_client(&mut self, id: ClientId) {
        let Some(mut client) = self.clients.remove(id) else { return };
        self.end_all_of(&mut client);
        if client.blocked == Some(Blocked::Script) {
            self.keep_for_script(client);
        }
    }

    /// Ends all that a client that has gone took part in.
    pub(crate) fn end_all_of(&mut self, client: &mut crate::client::Client) {
        self.end_wait(client);
        self.end_tracking(client);
        self.end_monitor(client);
        self.unwatch(client);
        self.pubsub.remove_client(client);
        if client.state.has(State::REPLICA) {
            self.replica_gone(client);
        }
    }

    /// Runs the commands at the front of `input`, which belongs to client `id`.
    pub fn handle(&mut self, id: ClientId, input: &mut [u8], now: Now) -> Handled {
        self.now = now;
        if self.exit_code().is_some() {
            // The last snapshot is written: what ran now would be acknowledged and lost.
            return Handled { consumed: 0, then: Then::Blocked };
        }
        let Some(mut client) = self.clients.take(id) else {
            return Handled { consumed: 0, then: Then::Close };
        };
        client.active_ms = now.mono_ms;
        self.clients.watch.now_ms = now.mono_ms;
        let (consumed, more) = self.handle_taken(&mut client, input);
        client.query_bytes = input.len() - consumed;
        self.stats.reads += 1;
        self.stats.input_bytes += consumed as u64;
        if client.state.has(State::REPLICA) {
            self.heard_from_replica(&mut client);
        }
        let then = self.then(&client);
        self.clients.put_back(client);
        self.after_commands();
        match self.clients.get(id) {
            Some(client) => match self.then(client) {
                Then::Continue if more => Handled { consumed, then: Then::More },
                then => Handled { consumed, then },
            },
            None => Handled { consumed, then },
        }
    }

    fn then(&self, client: &crate::client::Client) -> Then {
        if client.state.has(State::CLOSE_NOW) {
            Then::Close
        } else if client.state.has(State::CLOSE_AFTER_REPLY) {
            Then::CloseAfterOutput
        } else if client.blocked.is_some() {
            Then::Blocked
        } else {
            Then::Continue
        }
    }

    /// Runs what it can; gives the bytes used up, and whether it stopped only because of much output.
    fn handle_taken(&mut self, client: &mut crate::client::Client, input: &mut [u8]) -> (usize, bool) {
        let mut consumed = 0;
        let mut more = false;
        let mut batch = std::mem::take(&mut client.batch);
        loop {
            if client.blocked.is_some() || client.state.has(State::CLOSING) {
                break;
            }
            batch.clear();
            // A command that is held back is parsed again from its own bytes; an inline one is unquoted there.
            let inline = self.gates.pause.is_some() && input.get(consumed).is_some_and(|byte| *byte != b'*');
            let original = inline.then(|| input[consumed..].to_vec());
            let parsed = client.parser.parse(input, consumed, BATCH, self.parse_limits(client), &mut batch);
            let ran = self.run_batch(client, &batch, input);
            if let Some(stopped_at) = ran {
                // What was parsed beyond is parsed again when the client goes on.
                client.parser = resp::Parser::default();
                if let (Some(original), None) = (original, stopped_at) {
                    input[consumed..].copy_from_slice(&original);
                }
                consumed = stopped_at.unwrap_or(consumed);
                break;
            }
            match parsed {
                Ok(done) => consumed = done,
                Err(error) => {
                    client.writer().error(&format!("ERR Protocol error: {error}"));
                    client.state.add(State::CLOSE_AFTER_REPLY);
                    consumed = input.len();
                }
            }
            if batch.is_empty() {
                break;
            }
            if client.out.len() > ENOUGH_OUTPUT_BYTES {
                more = true;
                break;
            }
        }
        batch.clear();
        client.batch = batch;
        (consumed, more)
    }

    fn parse_limits(&self, client: &crate::client::Client) -> Limits {
        let max_bulk_bytes = u32::try_from(self.config.settings.proto_max_bulk_len).unwrap_or(u32::MAX);
        let trust = if client.state.has(State::UNAUTHENTICATED) {
            Trust::Unauthenticated
        } else {
            Trust::Authenticated
        };
        Limits { max_bulk_bytes, trust }
    }

    /// How many bytes the argument that client `id` is sending still needs: a hint for reading.
    pub fn wanted(&self, id: ClientId, received: usize) -> usize {
        self.clients.get(id).map_or(0, |client| client.parser.wanted(received))
    }

    /// Takes a client's output into `into`, which must be empty; `false` when the client is gone or must
    /// be closed at once. A replica's output waits while its snapshot is on the way.
    pub fn take_output(&mut self, id: ClientId, into: &mut Vec<u8>) -> bool {
        let Some(client) = self.clients.get_mut(id) else { return false };
        if client.state.has(State::CLOSE_NOW) {
            return false;
        }
        let client = &mut *client;
        match &mut client.rare.replica {
            Some(replica) if !replica.may_send() => into.append(&mut replica.before_snapshot),
            _ => std::mem::swap(&mut client.out, into),
        }
        client.unsent = into.len();
        true
    }

    /// What the shell took has been sent.
    pub fn output_sent(&mut self, id: ClientId, bytes: usize) {
        self.stats.writes += 1;
        let mut replica = false;
        if let Some(client) = self.clients.get_mut(id) {
            client.unsent = 0;
            replica = client.state.has(State::REPLICA);
        }
        let counter = if replica { &mut self.stats.repl_output_bytes } else { &mut self.stats.output_bytes };
        *counter += bytes as u64;
    }

    /// Whether some client has output that was not sent yet.
    pub fn has_unsent_output(&self) -> bool {
        let may_send =
            |client: &&crate::client::Client| client.rare.replica.as_ref().is_none_or(|r| r.may_send());
        self.clients.iter().filter(may_send).any(|client| !client.out.is_empty() || client.unsent > 0)
    }

    /// What is to be done with client `id`, which was woken.
    pub fn attention(&self, id: ClientId) -> Then {
        self.clients.get(id).map_or(Then::Close, |client| self.then(client))
    }

    /// Clients that got output, were unblocked or must be closed outside their own commands.
    pub fn take_woken(&mut self) -> Vec<ClientId> {
        self.clients.take_woken()
    }

    /// Whether [`next_timeout_ms`](Self::next_timeout_ms) may have come nearer since the last call.
    pub fn take_timer_changed(&mut self) -> bool {
        std::mem::take(&mut self.timer_changed)
    }

    /// Whether [`take_woken`](Self::take_woken) has something to give.
    pub fn any_woken(&self) -> bool {
        self.clients.any_woken()
    }

    /// The exit code, once the server has ended in order.
    pub fn exit_code(&self) -> Option<i32> {
        match self.shutdown {
            Some(Shutdown::Done(code)) => Some(code),
            _ => None,
        }
    }

    /// What happens without a client asking: expiry, snapshots, replication, limits. Called some ten times
    /// a second, and at once when [`next_timeout_ms`](Self::next_timeout_ms) says so.
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        self.ticks += 1;
        self.clients.watch.now_ms = now.mono_ms;
        if self.debug.cron_paused {
            self.script_tick();
            self.end_waits_in_time();
            self.after_commands();
            return;
        }
        self.stats.sample(now.mono_ms, self.ticks);
        if self.script_tick() && self.scripting.suspended.is_some() {
            // Nothing changes under a script.
            self.after_commands();
            return;
        }
        self.expire_cycle();
        self.eviction_tick();
        self.persistence_tick();
        self.aof_tick();
        self.replication_tick();
        self.shutdown_tick();
        self.end_pause_if_over();
        self.end_waits_in_time();
        self.close_idle_and_slow();
        self.peer_connections.close_idle(now.mono_ms);
        self.after_commands();
    }

    /// The next moment something is due, in monotonic milliseconds, if that is before the next regular tick.
    pub fn next_timeout_ms(&self) -> Option<u64> {
        // Only what the tick would see to: a moment that has passed and stays would have the timer go off
        // without end, and nobody be read from.
        if self.scripting.suspended.is_some() {
            return Some(self.now.mono_ms + 1);
        }
        if self.debug.cron_paused {
            return self.blocking.next_deadline_ms();
        }
        self.blocking
            .next_deadline_ms()
            .into_iter()
            .chain(self.gates.pause.map(|pause| pause.until_ms))
            .chain(self.failover_deadline_ms())
            .chain(self.next_eviction_ms())
            .chain(self.next_expiry_ms())
            .min()
    }

    /// Now, as the server last heard it.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Keys stored, over all databases.
    pub fn key_count(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    pub(crate) fn wall_seconds(&self) -> i64 {
        let WallMs(ms) = self.now.wall;
        ms / 1000
    }
}
