//! The virtual network: hosts, connections, time, faults.
//!
//! Connections behave like TCP: in order, without loss. A cut holds packets
//! back until it heals; a reset or a crash ends connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use topple_sentinel::{
    Action, Config, Event, Host, Input, Level, LinkId, MonoMs, Now, Reply, ScriptId, ScriptOutcome, Sentinel,
    Surroundings, Value, WallMs,
};

use crate::server::{Effect, HostId, Server};

/// Splitmix, for the faults and delays.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Every program may be run.
pub(crate) struct AnyScript;

impl Host for AnyScript {
    fn is_executable(&self, _path: &str) -> bool {
        true
    }

    fn resolve(&self, _name: &str) -> Option<std::net::IpAddr> {
        None
    }
}

/// How long a script runs and how it ends, by its path.
pub(crate) type ScriptEnd = Box<dyn Fn(&str) -> (u64, ScriptOutcome)>;

/// Which connection: sentinel, its incarnation, its link.
pub(crate) type ConnId = (usize, u64, LinkId);

#[derive(Debug)]
struct Conn {
    from: HostId,
    to: HostId,
    subscribed: bool,
    multi: Option<Vec<Vec<Vec<u8>>>>,
    /// The last delivery in each direction; order is kept.
    last: [u64; 2],
    /// What waits in a cut, or before a paused process, in each direction.
    held: [VecDeque<Packet>; 2],
}

#[derive(Debug)]
enum Packet {
    ToServer(Vec<Vec<u8>>),
    ToClient(Value),
    Reset,
}

impl Packet {
    /// The direction: 1 away from the sentinel that opened the connection.
    fn way(&self) -> usize {
        usize::from(matches!(self, Packet::ToServer(_)))
    }
}

enum Happening {
    Arrive(ConnId, Packet),
    Dial { conn: ConnId, from: HostId, to: HostId, tries: u32 },
    Tick { sentinel: usize, incarnation: u64 },
    ScriptEnd { sentinel: usize, incarnation: u64, id: ScriptId, outcome: ScriptOutcome },
}

/// One line of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Event(Event),
    Log(String),
    Persisted(String),
    /// A server was told to follow somebody, by this sentinel.
    Slaveof {
        server: HostId,
        to: Option<HostId>,
    },
    /// This sentinel orders a server to be a master; a fault may hold the order back.
    Promotes {
        server: HostId,
    },
    Script {
        path: String,
        args: Vec<String>,
    },
    /// A sentinel told another for whom it voted.
    Told {
        group: usize,
        leader: String,
        epoch: u64,
    },
    Killed(ScriptId),
    Crashed,
    Restarted,
}

pub(crate) struct Node {
    pub(crate) host: HostId,
    pub(crate) machine: Option<Sentinel>,
    /// Its run id, from the first start on.
    pub(crate) id: String,
    pub(crate) incarnation: u64,
    pub(crate) disk: Vec<u8>,
    pub(crate) wall_step_ms: i64,
    /// Crash when this many more actions are done.
    pub(crate) crash_in: Option<u32>,
    pub(crate) paused: bool,
    backlog: VecDeque<(ConnId, Packet)>,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) dice: Dice,
    pub(crate) max_delay_ms: u64,
    pub(crate) servers: Vec<Server>,
    /// Servers of one master, itself included.
    group_size: usize,
    pub(crate) nodes: Vec<Node>,
    pub(crate) history: Vec<(u64, usize, Fact)>,
    /// How scripts end: after so long, in this way.
    pub(crate) script_end: ScriptEnd,
    cuts: BTreeSet<(HostId, HostId)>,
    conns: BTreeMap<ConnId, Conn>,
    queue: BTreeMap<(u64, u64), Happening>,
    serial: u64,
}

pub(crate) fn ip_of(host: HostId) -> String {
    format!("10.0.0.{}", host + 1)
}

impl World {
    /// A world of `groups` masters with `replicas` each, watched by
    /// `sentinels` that all have the configuration `directives`, in which
    /// `$IPn` stands for the address of the n-th master.
    pub(crate) fn new(
        seed: u64,
        groups: usize,
        replicas: usize,
        sentinels: usize,
        directives: &str,
    ) -> World {
        let mut world = World::stopped(seed, groups, replicas, sentinels, directives);
        (0..sentinels).for_each(|n| world.start(n));
        world
    }

    /// The same, but no sentinel is started yet.
    pub(crate) fn stopped(
        seed: u64,
        groups: usize,
        replicas: usize,
        sentinels: usize,
        directives: &str,
    ) -> World {
        let mut servers = Vec::new();
        for group in 0..groups {
            let master = group * (replicas + 1);
            servers.push(Server::new(master, None));
            servers.extend((1..=replicas).map(|n| Server::new(master + n, Some(master))));
        }
        let mut text = directives.to_owned();
        for group in 0..groups {
            text = text.replace(&format!("$IP{group}"), &ip_of(group * (replicas + 1)));
        }
        let first = servers.len();
        let mut world = World {
            now: 1_000,
            dice: Dice(seed),
            max_delay_ms: 1,
            servers,
            group_size: replicas + 1,
            nodes: Vec::new(),
            history: Vec::new(),
            script_end: Box::new(|_| (5, ScriptOutcome::Exit(0))),
            cuts: BTreeSet::new(),
            conns: BTreeMap::new(),
            queue: BTreeMap::new(),
            serial: 0,
        };
        for n in 0..sentinels {
            world.nodes.push(Node {
                host: first + n,
                machine: None,
                id: String::new(),
                incarnation: 0,
                disk: format!("port 26379\n{text}").into_bytes(),
                wall_step_ms: 0,
                crash_in: None,
                paused: false,
                backlog: VecDeque::new(),
            });
        }
        world
    }

    // Time ----------------------------------------------------------------

    pub(crate) fn run_for(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            let happening = entry.remove();
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = end;
    }

    /// Runs until `done`, at most `limit_ms`; says whether it came true.
    pub(crate) fn run_until(&mut self, limit_ms: u64, mut done: impl FnMut(&World) -> bool) -> bool {
        let end = self.now + limit_ms;
        loop {
            if done(self) {
                return true;
            }
            match self.queue.first_key_value() {
                Some(((at, _), _)) if *at <= end => self.run_for(at.saturating_sub(self.now)),
                _ => return false,
            }
        }
    }

    fn schedule(&mut self, at: u64, what: Happening) {
        self.serial += 1;
        self.queue.insert((at.max(self.now), self.serial), what);
    }

    fn note(&mut self, sentinel: usize, fact: Fact) {
        self.history.push((self.now, sentinel, fact));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick { sentinel, incarnation } => {
                let node = &self.nodes[sentinel];
                let due = node.machine.as_ref().is_some_and(|m| m.next_timeout().0 <= self.now);
                if node.incarnation == incarnation && due && !node.paused {
                    self.input(sentinel, Input::Tick);
                }
            }
            Happening::ScriptEnd { sentinel, incarnation, id, outcome } => {
                if self.nodes[sentinel].incarnation == incarnation {
                    self.input(sentinel, Input::ScriptEnded { id, outcome });
                }
            }
            Happening::Dial { conn, from, to, tries } => self.dial(conn, from, to, tries),
            Happening::Arrive(conn, packet) => self.arrive(conn, packet),
        }
    }

    // Sentinels -------------------------------------------------------------

    fn moment(&self, sentinel: usize) -> Now {
        let wall = 1_700_000_000_000 + self.now as i64 + self.nodes[sentinel].wall_step_ms;
        Now { mono: MonoMs(self.now), wall: WallMs(wall) }
    }

    /// Starts or restarts a sentinel from its disk.
    pub(crate) fn start(&mut self, sentinel: usize) {
        let now = self.moment(sentinel);
        let seed = self.dice.below(u64::MAX);
        let node = &mut self.nodes[sentinel];
        assert!(node.machine.is_none());
        let around = Surroundings { listen_port: 26379, ..Surroundings::default() };
        let config = Config::from_text(&node.disk, around, &AnyScript).expect("own file is readable");
        node.incarnation += 1;
        node.paused = false;
        let machine = Sentinel::new(config, seed, now);
        node.id = machine.id().to_owned();
        node.machine = Some(machine);
        self.note(sentinel, Fact::Restarted);
        self.input(sentinel, Input::Tick);
    }

    pub(crate) fn crash(&mut self, sentinel: usize) {
        self.nodes[sentinel].machine = None;
        self.nodes[sentinel].crash_in = None;
        self.nodes[sentinel].paused = false;
        self.nodes[sentinel].backlog.clear();
        self.note(sentinel, Fact::Crashed);
        let host = self.nodes[sentinel].host;
        self.reset_connections_of(host);
    }

    pub(crate) fn input(&mut self, sentinel: usize, input: Input) {
        let now = self.moment(sentinel);
        if let Some(machine) = &mut self.nodes[sentinel].machine {
            machine.handle(now, input);
            self.drive(sentinel);
        }
    }

    /// A client's command; `None` when the sentinel is dead or died of it.
    pub(crate) fn command(&mut self, sentinel: usize, args: &[&str]) -> Option<Reply> {
        let now = self.moment(sentinel);
        let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
        let reply = self.nodes[sentinel].machine.as_mut()?.command(now, &args, &AnyScript);
        self.drive(sentinel).then_some(reply)
    }

    /// Carries out actions; `false` when the sentinel crashed meanwhile.
    fn drive(&mut self, sentinel: usize) -> bool {
        loop {
            let node = &mut self.nodes[sentinel];
            let Some(machine) = &mut node.machine else { return false };
            let Some(action) = machine.poll_action() else { break };
            if let Some(left) = &mut node.crash_in {
                if *left == 0 {
                    self.crash(sentinel);
                    return false;
                }
                *left -= 1;
            }
            self.act(sentinel, action);
        }
        let node = &self.nodes[sentinel];
        let Some(machine) = &node.machine else { return false };
        let (at, incarnation) = (machine.next_timeout().0, node.incarnation);
        self.schedule(at, Happening::Tick { sentinel, incarnation });
        true
    }

    fn act(&mut self, sentinel: usize, action: Action) {
        let (from, incarnation) = (self.nodes[sentinel].host, self.nodes[sentinel].incarnation);
        match action {
            Action::Connect { link, host, .. } => {
                let to = self.host_at(&host);
                let at = self.now + self.delay();
                let conn = (sentinel, incarnation, link);
                self.schedule(at, Happening::Dial { conn, from, to, tries: 0 });
            }
            Action::Send { link, args } => {
                let id = (sentinel, incarnation, link);
                let promotes = args == [&b"SLAVEOF"[..], b"NO", b"ONE"];
                if let Some(server) = self.conns.get(&id).map(|conn| conn.to).filter(|_| promotes) {
                    self.note(sentinel, Fact::Promotes { server });
                }
                self.transmit(id, Packet::ToServer(args));
            }
            Action::Close { link } => {
                self.conns.remove(&(sentinel, incarnation, link));
            }
            Action::Event(event) => {
                assert!(!event.text.is_empty() && !event.text.contains('\n'));
                self.note(sentinel, Fact::Event(event));
            }
            Action::Log { text, .. } => self.note(sentinel, Fact::Log(text)),
            Action::Persist(text) => {
                self.note(sentinel, Fact::Persisted(String::from_utf8(text.clone()).expect("text")));
                self.nodes[sentinel].disk = text;
            }
            Action::RunScript { id, path, args } => {
                let (after, outcome) = (self.script_end)(&path);
                self.note(sentinel, Fact::Script { path, args });
                let at = self.now + after;
                self.schedule(at, Happening::ScriptEnd { sentinel, incarnation, id, outcome });
            }
            Action::KillScript { id } => {
                self.note(sentinel, Fact::Killed(id));
                let (at, outcome) = (self.now, ScriptOutcome::Signal(9));
                self.schedule(at, Happening::ScriptEnd { sentinel, incarnation, id, outcome });
            }
            Action::Resolve { .. } => {}
            Action::Exit { .. } => self.crash(sentinel),
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = (u64, usize, &Event)> {
        self.history.iter().filter_map(|(at, who, fact)| match fact {
            Fact::Event(event) => Some((*at, *who, event)),
            _ => None,
        })
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.events().filter(|(_, _, event)| event.kind == kind).count()
    }

    /// Everything but debug events and files, for a human to read.
    pub(crate) fn story(&self) -> String {
        let mut story = String::new();
        for (at, who, fact) in &self.history {
            let line = match fact {
                Fact::Event(event) if event.level == Level::Debug => continue,
                Fact::Persisted(_) => continue,
                Fact::Event(event) => format!("{} {}", event.kind, event.text),
                other => format!("{other:?}"),
            };
            story.push_str(&format!("{at:>8} s{who} {line}\n"));
        }
        story
    }

    // Network -----------------------------------------------------------------

    fn host_at(&self, ip: &str) -> HostId {
        let last = ip.rsplit('.').next().and_then(|n| n.parse::<usize>().ok());
        last.expect("an address of the world") - 1
    }

    fn delay(&mut self) -> u64 {
        1 + self.dice.below(self.max_delay_ms)
    }

    pub(crate) fn cut(&mut self, a: HostId, b: HostId) {
        self.cuts.extend([(a, b), (b, a)]);
    }

    /// Nothing goes from `a` to `b` any more.
    pub(crate) fn cut_one_way(&mut self, a: HostId, b: HostId) {
        self.cuts.insert((a, b));
    }

    /// Cuts a host off from all others.
    pub(crate) fn isolate(&mut self, host: HostId) {
        for other in 0..self.servers.len() + self.nodes.len() {
            if other != host {
                self.cut(host, other);
            }
        }
    }

    fn is_cut(&self, a: HostId, b: HostId) -> bool {
        self.cuts.contains(&(a, b))
    }

    fn is_cut_either_way(&self, a: HostId, b: HostId) -> bool {
        self.is_cut(a, b) || self.is_cut(b, a)
    }

    /// The group of a server.
    pub(crate) fn group_of(&self, server: HostId) -> usize {
        server / self.group_size
    }

    pub(crate) fn group_at(&self, ip: &str) -> usize {
        self.group_of(self.host_at(ip))
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in ids {
            self.release(id);
        }
    }

    /// Has what was held back arrive, before anything sent later; what still
    /// cannot is held back anew.
    fn release(&mut self, id: ConnId) {
        let held = self.conns.get_mut(&id).map(|c| std::mem::take(&mut c.held)).unwrap_or_default();
        held.into_iter().flatten().for_each(|packet| self.arrive(id, packet));
    }

    fn transmit(&mut self, id: ConnId, packet: Packet) {
        let at = self.now + self.delay();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let way = packet.way();
        let at = at.max(conn.last[way]);
        conn.last[way] = at;
        self.schedule(at, Happening::Arrive(id, packet));
    }

    fn is_alive(&self, host: HostId) -> bool {
        match self.servers.get(host) {
            Some(server) => server.alive,
            None => self.nodes[host - self.servers.len()].machine.is_some(),
        }
    }

    /// SYN: refused by a dead host, repeated into a cut for a while.
    fn dial(&mut self, conn: ConnId, from: HostId, to: HostId, tries: u32) {
        let (sentinel, incarnation, link) = conn;
        if self.nodes[sentinel].incarnation != incarnation {
            return;
        }
        if self.is_cut_either_way(from, to) {
            if tries < 5 {
                let at = self.now + 1000;
                self.schedule(at, Happening::Dial { conn, from, to, tries: tries + 1 });
            } else {
                self.input(sentinel, Input::Closed { link });
            }
            return;
        }
        if !self.is_alive(to) {
            return self.input(sentinel, Input::Closed { link });
        }
        let fresh = Conn { from, to, subscribed: false, multi: None, last: [0, 0], held: Default::default() };
        self.conns.insert(conn, fresh);
        let local_ip = ip_of(from).parse().expect("an address");
        self.input(sentinel, Input::Connected { link, local_ip });
    }

    fn arrive(&mut self, id: ConnId, packet: Packet) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (to, way) = (conn.to, packet.way());
        let (source, target) = if way == 1 { (conn.from, to) } else { (to, conn.from) };
        if self.is_cut(source, target) || !conn.held[way].is_empty() {
            return self.hold(id, packet);
        }
        match packet {
            Packet::Reset => {
                self.conns.remove(&id);
                self.client_input(id, Packet::Reset);
            }
            Packet::ToClient(_) => self.client_input(id, packet),
            Packet::ToServer(args) => match self.servers.get(to) {
                Some(server) if server.paused => self.hold(id, Packet::ToServer(args)),
                Some(_) => self.serve(id, to, args),
                None => self.serve_sentinel(id, to - self.servers.len(), args),
            },
        }
    }

    fn hold(&mut self, id: ConnId, packet: Packet) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.held[packet.way()].push_back(packet);
        }
    }

    fn client_input(&mut self, id: ConnId, packet: Packet) {
        let (sentinel, incarnation, link) = id;
        if self.nodes[sentinel].incarnation != incarnation {
            return;
        }
        if self.nodes[sentinel].paused {
            self.nodes[sentinel].backlog.push_back((id, packet));
            return;
        }
        match packet {
            Packet::ToClient(reply) => self.input(sentinel, Input::Reply { link, reply }),
            _ => self.input(sentinel, Input::Closed { link }),
        }
    }

    fn reset_connections_of(&mut self, host: HostId) {
        let ids: Vec<ConnId> =
            self.conns.iter().filter(|(_, c)| c.from == host || c.to == host).map(|(id, _)| *id).collect();
        for id in ids {
            if self.conns[&id].from == host {
                self.conns.remove(&id);
            } else {
                self.transmit(id, Packet::Reset);
            }
        }
    }

    /// Ends one connection out of the blue.
    pub(crate) fn reset_any(&mut self) {
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        if !ids.is_empty() {
            let id = ids[self.dice.below(ids.len() as u64) as usize];
            self.transmit(id, Packet::Reset);
        }
    }

    // Servers -----------------------------------------------------------------

    pub(crate) fn kill(&mut self, server: HostId) {
        self.servers[server].alive = false;
        self.servers[server].paused = false;
        self.reset_connections_of(server);
    }

    /// Starts a killed server again, with the role its file remembers.
    pub(crate) fn revive(&mut self, server: HostId) {
        let now = self.now;
        let it = &mut self.servers[server];
        it.alive = true;
        it.paused = false;
        it.restarts += 1;
        it.runid = format!("{:039x}{:x}", server, it.restarts % 16);
        it.link_up = false;
        it.link_down_since = now;
        it.synced_at = now + it.sync_ms;
    }

    pub(crate) fn pause(&mut self, server: HostId) {
        self.servers[server].paused = true;
    }

    pub(crate) fn resume(&mut self, server: HostId) {
        self.servers[server].paused = false;
        let ids: Vec<ConnId> = self.conns.iter().filter(|(_, c)| c.to == server).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.release(id));
    }

    pub(crate) fn pause_sentinel(&mut self, sentinel: usize) {
        self.nodes[sentinel].paused = true;
    }

    pub(crate) fn resume_sentinel(&mut self, sentinel: usize) {
        self.nodes[sentinel].paused = false;
        for (id, packet) in std::mem::take(&mut self.nodes[sentinel].backlog) {
            self.client_input(id, packet);
        }
        let host = self.nodes[sentinel].host;
        let asked: Vec<ConnId> = self.conns.iter().filter(|(_, c)| c.to == host).map(|(id, _)| *id).collect();
        asked.into_iter().for_each(|id| self.release(id));
        self.input(sentinel, Input::Tick);
    }

    /// Brings replication links up or down as the network allows.
    fn refresh_replication(&mut self) {
        for host in 0..self.servers.len() {
            let Some(master) = self.servers[host].follows else {
                self.servers[host].offset += 1;
                continue;
            };
            let source = &self.servers[master];
            let reachable = source.alive && !source.paused && !self.is_cut_either_way(host, master);
            let offset = source.offset;
            let now = self.now;
            let it = &mut self.servers[host];
            if reachable && !it.link_up && now >= it.synced_at {
                it.link_up = true;
            }
            if reachable && it.link_up {
                it.offset = offset;
            }
            if !reachable && it.link_up {
                it.link_up = false;
                it.link_down_since = now;
                it.synced_at = now + it.sync_ms;
            }
        }
    }

    fn serve(&mut self, id: ConnId, host: HostId, args: Vec<Vec<u8>>) {
        let word = String::from_utf8_lossy(&args[0]).to_ascii_uppercase();
        let conn = self.conns.get_mut(&id).expect("an open connection");
        match (word.as_str(), &mut conn.multi) {
            ("MULTI", multi) => {
                *multi = Some(Vec::new());
                self.transmit(id, Packet::ToClient(Value::Simple(b"OK".to_vec())));
            }
            ("EXEC", multi) => {
                let queued = multi.take().expect("EXEC after MULTI");
                let replies = queued.into_iter().map(|args| self.execute(id, host, &args)).collect();
                self.transmit(id, Packet::ToClient(Value::Array(replies)));
            }
            (_, Some(queued)) => {
                queued.push(args);
                self.transmit(id, Packet::ToClient(Value::Simple(b"QUEUED".to_vec())));
            }
            _ => {
                let reply = self.execute(id, host, &args);
                self.transmit(id, Packet::ToClient(reply));
            }
        }
    }

    fn execute(&mut self, id: ConnId, host: HostId, args: &[Vec<u8>]) -> Value {
        if args[0].eq_ignore_ascii_case(b"INFO") {
            return self.info(host);
        }
        let (reply, effect) = Server::simple_reply(args);
        match effect {
            None => {}
            Some(Effect::Subscribe) => self.conns.get_mut(&id).expect("open").subscribed = true,
            Some(Effect::Publish { channel, payload }) => self.publish(host, &channel, &payload),
            Some(Effect::KillClients { pubsub }) => {
                let victims: Vec<ConnId> = self
                    .conns
                    .iter()
                    .filter(|(other, c)| c.to == host && c.subscribed == pubsub && **other != id)
                    .map(|(id, _)| *id)
                    .collect();
                victims.into_iter().for_each(|id| self.transmit(id, Packet::Reset));
            }
            Some(Effect::Follow(to)) => {
                let to = to.map(|(ip, _)| self.host_at(&ip));
                self.note(id.0, Fact::Slaveof { server: host, to });
                self.refresh_replication();
                let now = self.now;
                let it = &mut self.servers[host];
                if it.obeys && it.follows != to {
                    it.follows = to;
                    it.link_up = false;
                    it.link_down_since = now;
                    it.synced_at = now + it.sync_ms;
                }
            }
        }
        reply
    }

    fn publish(&mut self, host: HostId, channel: &str, payload: &[u8]) {
        let fields = [b"message".to_vec(), channel.as_bytes().to_vec(), payload.to_vec()];
        let message = Value::Array(fields.into_iter().map(Value::Bulk).collect());
        let subscribers: Vec<ConnId> =
            self.conns.iter().filter(|(_, c)| c.to == host && c.subscribed).map(|(id, _)| *id).collect();
        subscribers.into_iter().for_each(|id| self.transmit(id, Packet::ToClient(message.clone())));
    }

    fn info(&mut self, host: HostId) -> Value {
        self.refresh_replication();
        let attached: Vec<(String, u16)> = self
            .servers
            .iter()
            .filter(|s| s.alive && s.follows == Some(host) && s.link_up)
            .map(|s| (ip_of(s.host), 6379))
            .collect();
        let master = self.servers[host].follows.map(ip_of);
        Value::Bulk(self.servers[host].info(self.now, master.as_deref(), &attached))
    }

    fn serve_sentinel(&mut self, id: ConnId, sentinel: usize, args: Vec<Vec<u8>>) {
        if self.nodes[sentinel].paused {
            return self.hold(id, Packet::ToServer(args));
        }
        let word = String::from_utf8_lossy(&args[0]).to_ascii_uppercase();
        let reply = match word.as_str() {
            "SENTINEL" | "PUBLISH" => {
                let words: Vec<String> =
                    args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                match self.command(sentinel, &words) {
                    Some(reply) => {
                        self.note_vote(sentinel, &words, &reply);
                        value_of(reply)
                    }
                    None => return,
                }
            }
            _ => Server::simple_reply(&args).0,
        };
        self.transmit(id, Packet::ToClient(reply));
    }
}

impl World {
    fn note_vote(&mut self, sentinel: usize, words: &[&str], reply: &Reply) {
        let ["SENTINEL", "is-master-down-by-addr", ip, ..] = words else { return };
        let Reply::Array(fields) = reply else { return };
        if let [_, Reply::Bulk(leader), Reply::Int(epoch)] = fields.as_slice()
            && leader != b"*"
        {
            let leader = String::from_utf8_lossy(leader).into_owned();
            let fact = Fact::Told { group: self.group_at(ip), leader, epoch: *epoch as u64 };
            self.note(sentinel, fact);
        }
    }
}

/// What a client parses of a reply in RESP2.
pub(crate) fn value_of(reply: Reply) -> Value {
    match reply {
        Reply::Status(text) => Value::Simple(text.into_bytes()),
        Reply::Error(text) => Value::Error(text.into_bytes()),
        Reply::Int(n) => Value::Int(n),
        Reply::Bulk(bytes) => Value::Bulk(bytes),
        Reply::Nil | Reply::NilArray => Value::Nil,
        Reply::Array(items) => Value::Array(items.into_iter().map(value_of).collect()),
        Reply::Map(pairs) => {
            Value::Array(pairs.into_iter().flat_map(|(k, v)| [value_of(k), value_of(v)]).collect())
        }
    }
}
