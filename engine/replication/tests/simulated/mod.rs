//! A few servers in virtual time, joined by connections that can be cut after any byte.
//!
//! A data set is the log of the writes that made it, a letter each, and a snapshot is that log:
//! two data sets are equal exactly when their logs are.

mod server;

use topple_replication::history::PsyncRequest;
use topple_replication::id::ReplId;
use topple_replication::replica::{Input, Link, LinkConfig, LinkState};

pub(crate) use server::{Server, Snapshots};

/// A seeded generator (xorshift).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    pub(crate) fn id(&mut self) -> ReplId {
        let mut bytes = [0; 20];
        bytes.fill_with(|| self.below(256) as u8);
        ReplId::from_random(bytes)
    }
}

/// All servers and the time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) servers: Vec<Server>,
    pub(crate) now_ms: u64,
    pub(crate) random: Random,
    /// How many bytes the next connection carries, both ways together, before it is cut.
    pub(crate) next_cut: Option<usize>,
    /// How many bytes a replica is given at once.
    pub(crate) piece: usize,
}

impl World {
    pub(crate) fn new(servers: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let servers = (0..servers).map(|_| Server::new(random.id())).collect();
        World { servers, now_ms: 0, random, next_cut: None, piece: usize::MAX }
    }

    /// `REPLICAOF`, on any server at any time.
    pub(crate) fn replicaof(&mut self, replica: usize, master: usize) {
        self.cut(replica);
        self.drop_replicas_of(replica);
        let server = &mut self.servers[replica];
        let position = match server.link.take() {
            Some(link) => link.position(),
            None => {
                server.history.create_backlog();
                Some(server.history.position())
            }
        };
        server.master = Some(master);
        let config = LinkConfig { retry_ms: 50, ..LinkConfig::new("10.0.0.1", 6379, 6380) };
        server.link = Some(Link::new(config, position, self.now_ms));
        server.act(self.now_ms, b"");
    }

    /// `REPLICAOF NO ONE`.
    pub(crate) fn promote(&mut self, replica: usize) {
        self.cut(replica);
        self.drop_replicas_of(replica);
        let id = self.random.id();
        let server = &mut self.servers[replica];
        server.link = None;
        server.master = None;
        server.history.shift_to(id);
    }

    /// Cuts the connection of a replica to its master; both sides notice.
    pub(crate) fn cut(&mut self, replica: usize) {
        if self.servers[replica].connected {
            self.servers[replica].handle(self.now_ms, Input::Closed, b"");
        }
        self.detach(replica);
    }

    /// The masters notice that a replica is gone.
    fn detach(&mut self, replica: usize) {
        self.servers[replica].connected = false;
        self.servers[replica].to_master.clear();
        for server in &mut self.servers {
            server.attached.retain(|attached| attached.replica != replica);
        }
    }

    fn drop_replicas_of(&mut self, master: usize) {
        for replica in 0..self.servers.len() {
            if self.servers[replica].master == Some(master) {
                self.cut(replica);
            }
        }
    }

    pub(crate) fn write(&mut self, master: usize, letters: &[u8]) {
        let server = &mut self.servers[master];
        assert!(server.link.is_none(), "a replica takes no writes");
        for &letter in letters {
            server.write(letter);
        }
    }

    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now_ms += 1;
            for index in 0..self.servers.len() {
                self.connect(index);
                self.deliver_to_master(index);
                self.deliver_to_replica(index);
                self.servers[index].tick(self.now_ms, &mut self.random);
                if std::mem::take(&mut self.servers[index].must_drop_replicas) {
                    self.drop_replicas_of(index);
                }
            }
        }
    }

    /// Runs until every replica is online and has what its master has.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        for _ in 0..20_000 {
            self.run(1);
            if (0..self.servers.len()).all(|index| self.is_settled(index)) {
                return;
            }
        }
        panic!("did not converge: {:#?}", self.servers);
    }

    fn is_settled(&self, index: usize) -> bool {
        let server = &self.servers[index];
        let (Some(link), Some(master)) = (&server.link, server.master) else { return true };
        let master = &self.servers[master];
        link.state() == LinkState::Online
            && link.position() == Some(server.history.position())
            && server.history.position() == master.history.position()
            && server.log == master.log
    }

    fn connect(&mut self, index: usize) {
        let server = &mut self.servers[index];
        let wanted = server.link.as_ref().is_some_and(|link| link.state() == LinkState::Connecting);
        if let (true, false, Some(master)) = (wanted, server.connected, server.master) {
            self.detach(index);
            let server = &mut self.servers[index];
            server.connected = true;
            server.bytes_left = self.next_cut.take();
            server.handle(self.now_ms, Input::Connected, b"");
            self.servers[master].attach(index);
        }
    }

    /// What of `bytes` a replica's connection still carries, and whether it breaks then.
    fn carried(&mut self, replica: usize, bytes: &mut Vec<u8>) -> bool {
        match &mut self.servers[replica].bytes_left {
            Some(left) if *left <= bytes.len() => {
                bytes.truncate(*left);
                *left = 0;
                true
            }
            Some(left) => {
                *left -= bytes.len();
                false
            }
            None => false,
        }
    }

    fn deliver_to_master(&mut self, replica: usize) {
        let Some(master) = self.servers[replica].master.filter(|_| self.servers[replica].connected) else {
            return;
        };
        let mut bytes = std::mem::take(&mut self.servers[replica].to_master);
        let breaks = self.carried(replica, &mut bytes);
        self.servers[master].receive(self.now_ms, replica, &bytes, &mut self.random);
        if breaks {
            self.cut(replica);
        }
    }

    fn deliver_to_replica(&mut self, replica: usize) {
        let Some(master) = self.servers[replica].master.filter(|_| self.servers[replica].connected) else {
            return;
        };
        let mut bytes = self.servers[master].take_output(replica);
        let breaks = self.carried(replica, &mut bytes);
        for piece in bytes.chunks(self.piece) {
            if !self.servers[replica].connected {
                break;
            }
            self.servers[replica].handle(self.now_ms, Input::Bytes(piece), piece);
        }
        if breaks {
            self.cut(replica);
        }
    }

    /// What a server would answer to a request, for looking into.
    pub(crate) fn could_continue(&self, master: usize, request: PsyncRequest) -> bool {
        use topple_replication::history::Psync;
        matches!(self.servers[master].history.try_partial(request), Psync::Continue { .. })
    }
}
