//! The machine: one value that takes inputs and orders actions.
//!
//! Inputs are routed to the process they concern; then the rules look at the
//! masters they may have changed. With the pace `redis` the rules look only
//! on ticks, as Redis does.

use crate::{
    Action, Host, Input, Reply,
    address::Address,
    agreement::{self, Urgency},
    command,
    config::{Config, SourceLine},
    connection,
    core::{Core, Queued},
    down,
    event::Level,
    failover, hello,
    instance::{Master, Owner, Peer, Peers, Replica, Server, Voter},
    link::{Expect, Link, LinkId, LinkKind},
    probe, refresh, rewrite, scripts, tilt,
    time::{MonoMs, Now},
    value::Value,
};

/// How often the rules may follow up on themselves at one moment.
const MAX_ROUNDS: usize = 12;
/// Within this time the rules look at what a routine answer has left: as soon as Redis's own tick.
const ROUTINE_MS: u64 = 100;

/// A sentinel without sockets, clock or processes.
#[derive(Debug)]
pub struct Sentinel {
    pub(crate) core: Core,
    /// In the order in which they were configured.
    pub(crate) masters: Vec<Master>,
    pub(crate) peers: Peers,
    /// The configuration file as read, into which changes are written.
    pub(crate) source: Vec<SourceLine>,
    persisted: Vec<u8>,
    /// The next tick of the pace `redis`.
    next_tick: MonoMs,
}

impl Sentinel {
    /// A sentinel as configured. `seed` must differ between processes: the id
    /// of a new sentinel is drawn from it.
    pub fn new(config: Config, seed: u64, now: Now) -> Sentinel {
        let mut core = Core::new(now, seed, config.global, config.pace);
        let fresh_id = core.random.id();
        core.myid = config.myid.unwrap_or(fresh_id);
        core.epoch = config.current_epoch;
        core.names = config.names;
        let mut sentinel = Sentinel {
            core,
            masters: Vec::new(),
            peers: Peers::new(),
            source: config.source,
            persisted: Vec::new(),
            next_tick: now.mono,
        };
        for master in config.masters {
            sentinel.restore_master(master);
        }
        let core = &mut sentinel.core;
        core.flush();
        core.log(Level::Notice, format!("Sentinel ID is {}", core.myid));
        for master in &sentinel.masters {
            let extra = format!("quorum {}", master.settings.quorum);
            core.master_event(Level::Warning, "+monitor", master, &extra);
        }
        sentinel
    }

    /// A master with what the file remembers of it.
    fn restore_master(&mut self, config: crate::config::MasterConfig) {
        let core = &mut self.core;
        let now = core.mono();
        let addr = Address::new(&config.host, config.port, &core.names);
        let id = core.next_master_id();
        let mut master = Master::new(id, &config.name, addr, config.settings, now);
        master.config_epoch = config.config_epoch;
        master.vote.epoch = config.leader_epoch;
        core.epoch = core.epoch.max(config.config_epoch).max(config.leader_epoch);
        for (host, port) in config.known_replicas {
            let addr = Address::new(&host, port, &core.names);
            master.replicas.push(Replica::new(core.next_replica_id(), addr, now));
        }
        for (host, port, runid) in config.known_sentinels.into_iter().filter(|(_, _, id)| *id != core.myid) {
            let addr = Address::new(&host, port, &core.names);
            master.voters.insert(runid.clone(), Voter::new(&runid, addr.clone(), now));
            self.peers.entry(runid).or_insert_with(|| Peer { addr, link: Link::new(false, now) });
        }
        self.masters.push(master);
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        if self.core.crashed {
            return;
        }
        let late_ms = now.mono.since(self.next_timeout());
        self.core.delays.note(late_ms, now.mono);
        self.core.now = now;
        match input {
            Input::Tick => {}
            Input::Connected { link, local_ip } => self.connected(link, &local_ip.to_string()),
            Input::ConnectFailed { link, error } => self.lost(link, Some(&error)),
            Input::Closed { link } => self.lost(link, None),
            Input::Reply { link, reply } => self.replied(link, reply),
            Input::Resolved { host, ip } => self.resolved(&host, ip),
            Input::ScriptStarted { id, pid } => scripts::started(&mut self.core, id, pid),
            Input::ScriptEnded { id, outcome } => scripts::ended(&mut self.core, id, outcome),
        }
        self.follow_up();
    }

    /// Answers a client's `SENTINEL …`, `ROLE`, or `PUBLISH` command. **The
    /// reply may be written only after every action polled now is carried
    /// out**: a vote must be on disk before it is told.
    pub fn command(&mut self, now: Now, args: &[&[u8]], host: &dyn Host) -> Reply {
        self.core.now = now;
        let reply = command::run(self, args, host);
        self.wake_all();
        self.follow_up();
        reply
    }

    /// When [`Input::Tick`] is wanted next, whatever else happens.
    pub fn next_timeout(&self) -> MonoMs {
        if !self.core.is_prompt() {
            return self.next_tick;
        }
        let periods = &self.core.periods;
        let masters = self.masters.iter().map(|m| m.wake).min().unwrap_or(MonoMs::NEVER);
        let look = self.core.tilt.next_look(periods.tilt_trigger_ms, periods.tilt_ms);
        masters
            .min(look)
            .min(self.core.next_save())
            .min(self.core.scripts.next_deadline(periods.script_max_runtime_ms))
    }

    /// The next thing to do, in order, until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        while let Some(queued) = self.core.outbox.pop_front() {
            match queued {
                Queued::Ready(action) => return Some(action),
                Queued::Persist => {
                    self.core.unsaved_since = None;
                    let text = rewrite::file(self);
                    if text != self.persisted {
                        self.persisted.clone_from(&text);
                        return Some(Action::Persist(text));
                    }
                }
            }
        }
        None
    }

    /// The run id of this sentinel.
    pub fn id(&self) -> &str {
        &self.core.myid
    }

    /// The log level last asked for by `SENTINEL CONFIG SET loglevel`, or
    /// that of the configuration.
    pub fn loglevel(&self) -> &str {
        &self.core.global.loglevel
    }

    /// The section `# Sentinel` of INFO, lines ended by CRLF.
    pub fn info_section(&self) -> String {
        command::info_section(self)
    }

    /// Writes the file even if it says the same already.
    pub(crate) fn rewrite_in_full(&mut self) {
        self.persisted.clear();
        self.core.flush();
    }

    pub(crate) fn wake_all(&mut self) {
        let now = self.core.mono();
        self.masters.iter_mut().for_each(|m| m.wake = m.wake.min(now));
    }

    // After an input ------------------------------------------------------

    /// Lets the rules look at what is due.
    fn follow_up(&mut self) {
        if self.core.crashed {
            return;
        }
        let now = self.core.mono();
        if !self.core.is_prompt() {
            if now < self.next_tick {
                return;
            }
            // Ticks are spread so that sentinels do not act in step.
            self.next_tick = now.plus(50 + self.core.random.below(51));
            self.wake_all();
        }
        tilt::check(&mut self.core);
        for index in 0..self.masters.len() {
            self.look_at(index);
        }
        if std::mem::take(&mut self.core.voters_left) {
            self.drop_unknown_peers();
        }
        scripts::advance(&mut self.core);
        self.core.save_what_is_due();
    }

    /// Applies all rules to one master, until they have nothing to add.
    fn look_at(&mut self, index: usize) {
        let (core, master, peers) = (&mut self.core, &mut self.masters[index], &mut self.peers);
        if core.mono() < master.wake {
            return;
        }
        for _ in 0..MAX_ROUNDS {
            let queued = core.outbox.len();
            core.take_wake();
            apply_rules(core, master, peers);
            master.wake = core.take_wake();
            // A rule that acted has a new deadline, and may call for others.
            let is_quiet = core.outbox.len() == queued && core.mono() < master.wake;
            if is_quiet || core.crashed || !core.is_prompt() {
                return;
            }
        }
        // Whatever wants more is looked at again a millisecond later.
        master.wake = master.wake.max(core.mono().plus(1));
    }

    /// Closes links to sentinels that no master knows any more.
    fn drop_unknown_peers(&mut self) {
        let (core, masters) = (&mut self.core, &self.masters);
        self.peers.retain(|runid, peer| {
            let known = masters.iter().any(|m| m.voters.contains_key(runid));
            if !known {
                core.close_link(&mut peer.link);
            }
            known
        });
    }

    // Routing -------------------------------------------------------------

    /// Has the rules look at the masters an owner's news may concern.
    fn touch(&mut self, owner: &Owner) {
        self.touch_by(owner, self.core.mono());
    }

    /// The same for what calls for nothing: most answers only say that all is as it was, and of those thirty
    /// sentinels over ten masters get thousands a second.
    fn touch_in_time(&mut self, owner: &Owner) {
        self.touch_by(owner, self.core.mono().plus(ROUTINE_MS));
    }

    fn touch_by(&mut self, owner: &Owner, at: MonoMs) {
        for master in &mut self.masters {
            let concerned = match owner {
                Owner::Master(id) | Owner::Replica(id, _) => master.id == *id,
                Owner::Peer(runid) => master.voters.contains_key(&**runid),
            };
            if concerned {
                master.wake = master.wake.min(at);
            }
        }
    }

    /// The master and, for a replica, its place in the list.
    fn place(&self, owner: &Owner) -> Option<(usize, Option<usize>)> {
        let (id, replica) = match owner {
            Owner::Master(id) => (id, None),
            Owner::Replica(id, replica) => (id, Some(*replica)),
            Owner::Peer(_) => return None,
        };
        let index = self.masters.iter().position(|m| m.id == *id)?;
        match replica {
            None => Some((index, None)),
            Some(replica) => {
                let place = self.masters[index].replicas.iter().position(|r| r.id == replica)?;
                Some((index, Some(place)))
            }
        }
    }

    fn server(&mut self, owner: &Owner) -> Option<&mut Server> {
        let (index, replica) = self.place(owner)?;
        let master = &mut self.masters[index];
        Some(match replica {
            None => &mut master.server,
            Some(place) => &mut master.replicas[place].server,
        })
    }

    fn link(&mut self, owner: &Owner) -> Option<&mut Link> {
        match owner {
            Owner::Peer(runid) => self.peers.get_mut(&**runid).map(|peer| &mut peer.link),
            _ => self.server(owner).map(|server| &mut server.link),
        }
    }

    fn connected(&mut self, id: LinkId, local_ip: &str) {
        let Some((owner, kind)) = self.core.routes.get(&id).cloned() else { return };
        let Some(link) = self.link(&owner) else { return };
        connection::established(link, id, local_ip);
        self.greet(&owner, kind);
        self.touch(&owner);
    }

    fn greet(&mut self, owner: &Owner, kind: LinkKind) {
        if let Owner::Peer(runid) = owner {
            if let Some(peer) = self.peers.get_mut(&**runid) {
                connection::greet_peer(&mut self.core, &mut peer.link);
            }
            return;
        }
        let Some((index, replica)) = self.place(owner) else { return };
        let Master { server, replicas, settings, .. } = &mut self.masters[index];
        let server = match replica {
            None => server,
            Some(place) => &mut replicas[place].server,
        };
        connection::greet_server(&mut self.core, server, settings, kind);
    }

    /// A connection is gone, or (with an error) never was.
    fn lost(&mut self, id: LinkId, error: Option<&str>) {
        let Some((owner, kind)) = self.core.routes.remove(&id) else { return };
        if let Some(link) = self.link(&owner) {
            link.forget(id);
        }
        self.touch(&owner);
        let Some(error) = error else { return };
        let event = match kind {
            LinkKind::Command => "-cmd-link-reconnection",
            LinkKind::PubSub => "-pubsub-link-reconnection",
        };
        let extra = format!("#{error}");
        let core = &mut self.core;
        match self.masters.iter().find_map(|m| Some((m, m.voters.get(peer_id(&owner)?)?))) {
            Some((master, voter)) => core.voter_event(Level::Debug, event, master, voter, &extra),
            None => match self.place(&owner) {
                Some((index, None)) => {
                    let master = &self.masters[index];
                    self.core.master_event(Level::Debug, event, master, &extra);
                }
                Some((index, Some(place))) => {
                    let master = &self.masters[index];
                    self.core.replica_event(Level::Debug, event, master, &master.replicas[place], &extra);
                }
                None => {}
            },
        }
    }

    fn replied(&mut self, id: LinkId, reply: Value) {
        let Some((owner, kind)) = self.core.routes.get(&id).cloned() else { return };
        match kind {
            LinkKind::PubSub if self.heard(&owner, &reply) => return self.touch_in_time(&owner),
            LinkKind::PubSub => {}
            LinkKind::Command => {
                let Some(expect) = self.link(&owner).and_then(|link| link.pending.pop_front()) else {
                    return;
                };
                match expect {
                    Expect::Discard => {}
                    Expect::Ping => {
                        if self.ponged(&owner, &reply) && !self.is_down(&owner) {
                            return self.touch_in_time(&owner);
                        }
                    }
                    Expect::Info => self.informed(&owner, &reply),
                    Expect::Hello(master) => {
                        self.hello_accepted(&owner, master, &reply);
                        return self.touch_in_time(&owner);
                    }
                    Expect::Ask(master) => {
                        let Owner::Peer(runid) = &owner else { return };
                        if let Some(master) = self.masters.iter_mut().find(|m| m.id == master) {
                            agreement::answered(&mut self.core, master, runid, &reply);
                        }
                    }
                }
            }
        }
        self.touch(&owner);
    }

    /// What comes on a subscription: RESP2 sends arrays, RESP3 pushes. Whether it is a message.
    fn heard(&mut self, owner: &Owner, reply: &Value) -> bool {
        let now = self.core.mono();
        if let Some(link) = self.link(owner) {
            link.last_heard = now;
        }
        let (Value::Array(fields) | Value::Push(fields)) = reply else { return false };
        if let [kind, _channel, payload] = fields.as_slice()
            && kind.text() == Some(b"message")
            && let Some(text) = payload.text()
        {
            self.hello_received(text);
            return true;
        }
        false
    }

    pub(crate) fn hello_received(&mut self, text: &[u8]) {
        let queued = self.core.outbox.len();
        hello::receive(&mut self.core, &mut self.masters, &mut self.peers, text);
        // Whatever is new is told or saved.
        if self.core.outbox.len() != queued {
            self.wake_all();
        }
    }

    fn hello_accepted(&mut self, owner: &Owner, master: crate::instance::MasterId, reply: &Value) {
        if matches!(reply, Value::Error(_)) {
            return;
        }
        let now = self.core.mono();
        let hellos = match owner {
            Owner::Peer(runid) => {
                let master = self.masters.iter_mut().find(|m| m.id == master);
                master.and_then(|m| m.voters.get_mut(&**runid)).map(|v| &mut v.hellos)
            }
            _ => self.server(owner).map(|server| &mut server.hellos),
        };
        if let Some(hellos) = hellos {
            hellos.published = now;
        }
    }

    /// An answer to PING; whether it is a valid one.
    fn ponged(&mut self, owner: &Owner, reply: &Value) -> bool {
        let now = self.core.mono();
        if let Owner::Peer(runid) = owner
            && let Some(asked) = self.peers.get(&**runid).and_then(|peer| peer.link.last_ping)
        {
            self.core.delays.note(now.since(asked), now);
        }
        let Some(link) = self.link(owner) else { return false };
        let (Value::Simple(text) | Value::Error(text)) = reply else {
            link.last_pong = now;
            return false;
        };
        let valid = [&b"PONG"[..], b"LOADING", b"MASTERDOWN"].iter().any(|p| text.starts_with(p));
        link.last_pong = now;
        link.failures = 0;
        if valid {
            link.last_available = now;
            link.unanswered_ping = None;
        }
        let Some((index, replica)) = self.place(owner) else { return valid };
        let Master { server, replicas, settings, rebooted_at, .. } = &mut self.masters[index];
        if replica.is_none() && text.starts_with(b"PONG") {
            *rebooted_at = None;
        }
        let server = replica.map_or(server, |place| &mut replicas[place].server);
        if text.starts_with(b"BUSY") && server.down.since.is_some() && !server.script_kill_sent {
            let kill = crate::core::words(&[settings.command("SCRIPT"), "KILL"]);
            server.script_kill_sent = self.core.send(&mut server.link, kill, Expect::Discard);
        }
        valid
    }

    /// Whether any master's rules hold an owner to be down.
    fn is_down(&self, owner: &Owner) -> bool {
        if let Owner::Peer(runid) = owner {
            return self
                .masters
                .iter()
                .filter_map(|m| m.voters.get(&**runid))
                .any(|v| v.down.since.is_some());
        }
        self.place(owner).is_none_or(|(index, replica)| {
            let master = &self.masters[index];
            let server = replica.map_or(&master.server, |place| &master.replicas[place].server);
            server.down.since.is_some()
        })
    }

    fn informed(&mut self, owner: &Owner, reply: &Value) {
        let Value::Bulk(text) = reply else { return };
        let Some((index, replica)) = self.place(owner) else { return };
        let master = &mut self.masters[index];
        match replica {
            None => refresh::of_master(&mut self.core, master, text),
            Some(place) => refresh::of_replica(&mut self.core, master, place, text),
        }
    }

    fn resolved(&mut self, host: &str, ip: Option<std::net::IpAddr>) {
        self.core.names.learn(host, ip);
        let names = &self.core.names;
        for master in &mut self.masters {
            let servers = master.replicas.iter_mut().map(|r| &mut r.server.addr);
            let voters = master.voters.values_mut().map(|v| &mut v.addr);
            for addr in servers.chain(voters).chain([&mut master.server.addr]) {
                if addr.host.eq_ignore_ascii_case(host) {
                    addr.ip = names.ip(host);
                }
            }
        }
        self.wake_all();
    }
}

fn peer_id(owner: &Owner) -> Option<&str> {
    match owner {
        Owner::Peer(runid) => Some(runid),
        _ => None,
    }
}

/// One look of every rule at one master.
fn apply_rules(core: &mut Core, master: &mut Master, peers: &mut Peers) {
    probe::all(core, master, peers);
    if core.tilt.is_on() {
        return;
    }
    let just_down = down::check_master(core, master);
    for index in 0..master.replicas.len() {
        down::check_replica(core, master, index);
    }
    down::check_voters(core, master, peers);
    agreement::check_objectively_down(core, master);
    if just_down && core.is_prompt() {
        agreement::ask_others(core, master, peers, Urgency::Forced);
        master.replicas.iter_mut().for_each(|r| r.server.info.wanted = true);
        core.wake_at(core.mono());
    }
    if failover::start_if_needed(core, master) {
        agreement::ask_others(core, master, peers, Urgency::Forced);
    }
    failover::advance(core, master);
    if core.crashed {
        return;
    }
    agreement::ask_others(core, master, peers, Urgency::Periodic);
    failover::finish(core, master);
}
