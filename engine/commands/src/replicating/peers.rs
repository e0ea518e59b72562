//! Replicas attached to this server: PSYNC, the snapshots made for them, acknowledgements, WAIT.

use replication::history::{Psync, PsyncRequest};
use replication::master::{KnowsEof, Peer, PeerState, Replconf, Wants};
use replication::stream;
use resp::Args;
use resp::number::parse_i64;
use types::CommandError;

use crate::aof::WaitFor;
use crate::client::{Blocked, Client, ClientId, State};
use crate::config::Level;
use crate::host::SnapshotTarget;
use crate::server::Server;

/// What a client's connection knows of being a replica's.
#[derive(Debug)]
pub(crate) struct ReplicaPeer {
    pub(crate) peer: Peer,
    /// Bytes that go out before the snapshot: replies to the handshake.
    pub(crate) before_snapshot: Vec<u8>,
    /// It came with SYNC: no +FULLRESYNC line.
    old_sync: bool,
    waiting_since_ms: u64,
}

impl ReplicaPeer {
    fn new(address: &str) -> Self {
        let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip);
        Self { peer: Peer::new(ip), before_snapshot: Vec::new(), old_sync: false, waiting_since_ms: 0 }
    }

    /// Whether its ordinary output may be sent: not while a snapshot is due or on the way.
    pub(crate) fn may_send(&self) -> bool {
        matches!(self.peer.state(), PeerState::Handshake | PeerState::Online)
    }

    /// Whether the stream is kept for it: from the moment of its snapshot on.
    pub(crate) fn takes_stream(&self) -> bool {
        let waits = matches!(self.peer.state(), PeerState::Handshake | PeerState::WaitBgsaveStart);
        !waits && self.peer.wants() == Wants::Stream
    }
}

fn peer(client: &mut Client) -> &mut ReplicaPeer {
    let address = &client.peer.address;
    client.rare.replica.get_or_insert_with(|| ReplicaPeer::new(address))
}

fn name(client: &mut Client) -> String {
    let port = client.peer.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
    peer(client).peer.name(port)
}

pub(crate) fn replconf(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let now_ms = server.now.mono_ms;
    if client.state.has(State::MASTER) {
        if args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"getack")) {
            server.acknowledge_to_master();
            server.acknowledge_when_synced();
        }
        return Ok(());
    }
    let words: Vec<&[u8]> = args.from(1).iter().collect();
    match peer(client).peer.replconf(now_ms, &words) {
        Replconf::Ok => client.writer().ok(),
        Replconf::Error(error) => return Err(CommandError::new(error)),
        Replconf::StartStream => server.replica_online(client),
        Replconf::Silent | Replconf::SendAck => {}
    }
    server.ack_received(client);
    Ok(())
}

pub(crate) fn psync(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if client.state.has(State::REPLICATION) {
        return Ok(());
    }
    if args.get(3).is_some_and(|word| word.eq_ignore_ascii_case(b"failover")) {
        server.take_over(client, args.at(1))?;
    }
    let request = PsyncRequest::parse(args.at(1), args.at(2)).ok_or(CommandError::NotAnInteger)?;
    server.attach(client, Some(request))
}

pub(crate) fn sync(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.attach(client, None)
}

impl Server {
    /// The master fails over to this replica, which becomes the master, if both speak of the same history.
    fn take_over(&mut self, client: &Client, id: &[u8]) -> Result<(), CommandError> {
        let shown = String::from_utf8_lossy(id);
        self.log(Level::Warning, format!("Failover request received for replid {shown}."));
        if !self.replicating.is_replica() {
            return Err(CommandError::new("ERR PSYNC FAILOVER can't be sent to a master."));
        }
        if !id.eq_ignore_ascii_case(self.replicating.history.id().as_bytes()) {
            return Err(CommandError::new("ERR PSYNC FAILOVER replid must match my replid."));
        }
        self.promote();
        let by = super::upstream::asker(client);
        self.log(Level::Notice, format!("MASTER MODE enabled (failover request from '{by}')"));
        Ok(())
    }

    fn attach(&mut self, client: &mut Client, request: Option<PsyncRequest>) -> Result<(), CommandError> {
        if client.state.has(State::REPLICATION) {
            return Ok(());
        }
        if self.replicating.failover.is_some() {
            return Err(CommandError::new("NOMASTERLINK Can't SYNC while failing over"));
        }
        if self.replicating.is_replica() && !self.replicating.link_is_up() {
            return Err(CommandError::new("NOMASTERLINK Can't SYNC while not connected with my master"));
        }
        if !client.out.is_empty() && request.is_none() {
            return Err(CommandError::new("ERR SYNC and PSYNC are invalid with pending output"));
        }
        self.flush_replication();
        let name = name(client);
        self.log(Level::Notice, format!("Replica {name} asks for synchronization"));
        if let Some(request) = request {
            match self.replicating.history.try_partial(request) {
                Psync::Continue { from } => {
                    self.continue_replica(client, &name, from);
                    return Ok(());
                }
                Psync::Full { reason } => {
                    self.log(Level::Notice, reason.log_line(&name));
                    if let Some(warning) = reason.warning(&name) {
                        self.log(Level::Warning, warning);
                    }
                    if request != PsyncRequest::Everything {
                        self.stats.sync_partial_err += 1;
                    }
                }
            }
        }
        self.stats.sync_full += 1;
        client.state.add(State::REPLICA);
        let now_ms = self.now.mono_ms;
        let before = std::mem::take(&mut client.out);
        let replica = peer(client);
        replica.old_sync = request.is_none();
        replica.before_snapshot = before;
        replica.waiting_since_ms = now_ms;
        replica.peer.wait_for_snapshot();
        self.replicating.replicas.push(client.id);
        if !self.replicating.is_replica() && self.replicating.replicas.len() == 1 {
            let id = super::new_id(&mut self.random);
            if let Some(line) = self.replicating.history.create_backlog_with(id) {
                self.log(Level::Notice, line);
            }
        }
        self.want_snapshot_for(client);
        Ok(())
    }

    /// A replica waits for a snapshot: it is begun now, or when what runs has ended.
    fn want_snapshot_for(&mut self, client: &Client) {
        match self.persistence.running.map(|running| running.target) {
            Some(SnapshotTarget::File) => {
                self.log(
                    Level::Notice,
                    "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC",
                );
            }
            Some(SnapshotTarget::Aof) => {
                self.log(
                    Level::Notice,
                    "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed",
                );
                self.persistence.sync_wanted = true;
            }
            Some(SnapshotTarget::Replicas) => {
                self.log(Level::Notice, "Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
            }
            // Begun once this client is back in its place, so that it is among those served.
            None if self.diskless_delay_ms() > 0 && replica_can_wait(client) => {
                self.log(Level::Notice, "Delay next BGSAVE for diskless SYNC");
            }
            None => self.persistence.sync_wanted = true,
        }
    }

    fn continue_replica(&mut self, client: &mut Client, name: &str, from: replication::id::Offset) {
        client.state.add(State::REPLICA);
        let now_ms = self.now.mono_ms;
        let psync2 = peer(client).peer.knows_psync2();
        let line = stream::continue_line(self.replicating.history.id(), psync2);
        client.out.extend_from_slice(&line);
        let mut sent = 0;
        if let Some((first, second)) =
            self.replicating.history.backlog().and_then(|backlog| backlog.copy_from(from))
        {
            sent = first.len() + second.len();
            client.out.extend_from_slice(first);
            client.out.extend_from_slice(second);
        }
        peer(client).peer.online(now_ms);
        self.replicating.replicas.push(client.id);
        self.stats.sync_partial_ok += 1;
        self.log(
            Level::Notice,
            format!(
                "Partial resynchronization request from {name} accepted. Sending {sent} bytes of backlog starting from \
                 offset {from}."
            ),
        );
        self.count_timely_replicas_with(Some(client));
    }

    fn diskless_delay_ms(&self) -> u64 {
        let settings = &self.config.settings;
        if settings.repl_diskless_sync { settings.repl_diskless_sync_delay as u64 * 1000 } else { 0 }
    }

    /// Begins the snapshot that waiting replicas need, when it is time.
    pub(crate) fn start_wanted_snapshot(&mut self) {
        // What a script has half done is no snapshot: it waits for the script's end.
        let busy = self.scripting.suspended.is_some();
        if busy || self.persistence.child_is_running() || self.shutdown.is_some() {
            return;
        }
        let waiting = self.replicas_in(PeerState::WaitBgsaveStart);
        if waiting.is_empty() {
            self.persistence.sync_wanted = false;
            return;
        }
        let now_ms = self.now.mono_ms;
        let longest_ms = waiting
            .iter()
            .filter_map(|id| self.clients.get(*id)?.rare.replica.as_ref())
            .map(|replica| now_ms.saturating_sub(replica.waiting_since_ms))
            .max();
        let most = self.config.settings.repl_diskless_sync_max_replicas as usize;
        let enough = most > 0 && waiting.len() >= most;
        if !self.persistence.sync_wanted && !enough && longest_ms.unwrap_or(0) < self.diskless_delay_ms() {
            return;
        }
        self.persistence.sync_wanted = false;
        self.start_snapshot_for(&waiting);
    }

    fn start_snapshot_for(&mut self, waiting: &[ClientId]) {
        let all_know_eof = waiting.iter().all(|id| {
            let replica = self.clients.get(*id).and_then(|client| client.rare.replica.as_ref());
            replica.is_some_and(|replica| replica.peer.knows_eof() == KnowsEof::Yes)
        });
        let target = match self.config.settings.repl_diskless_sync && all_know_eof {
            true => SnapshotTarget::Replicas,
            false => SnapshotTarget::File,
        };
        let kind = if target == SnapshotTarget::Replicas { "replicas sockets" } else { "disk" };
        self.log(Level::Notice, format!("Starting BGSAVE for SYNC with target: {kind}"));
        self.flush_replication();
        self.replicating.feed.select_anew();
        let (id, offset) = (self.replicating.history.id(), self.replicating.history.offset());
        if self.start_snapshot(target).is_err() {
            for id in waiting {
                self.clients.close(*id);
            }
            return;
        }
        for replica_id in waiting {
            let Some(client) = self.clients.get_mut(*replica_id) else { continue };
            if let Some(replica) = &mut client.rare.replica {
                if !replica.old_sync {
                    replica.before_snapshot.extend_from_slice(&stream::full_resync_line(id, offset));
                }
                replica.peer.snapshot_begun(offset);
            }
            self.clients.wake(*replica_id);
        }
    }

    fn replicas_in(&self, state: PeerState) -> Vec<ClientId> {
        let in_state = |id: &ClientId| {
            let replica = self.clients.get(*id).and_then(|client| client.rare.replica.as_ref());
            replica.is_some_and(|replica| replica.peer.state() == state)
        };
        self.replicating.replicas.iter().copied().filter(in_state).collect()
    }

    /// The replicas that the snapshot being made, or just made, is for. Asked once a snapshot: they count as
    /// being sent it from now on.
    pub fn snapshot_receivers(&mut self) -> Vec<ClientId> {
        let receivers = self.replicas_in(PeerState::WaitBgsaveEnd);
        for id in &receivers {
            if let Some(replica) = self.clients.get_mut(*id).and_then(|client| client.rare.replica.as_mut()) {
                replica.peer.sending();
            }
        }
        receivers
    }

    /// Whether replicas wait for the snapshot file that was just written.
    pub fn snapshot_has_receivers(&self) -> bool {
        !self.replicas_in(PeerState::WaitBgsaveEnd).is_empty()
    }

    /// Forty random digits to end a snapshot whose length is not known beforehand.
    pub fn new_mark(&mut self) -> [u8; 40] {
        self.random.hex_id()
    }

    /// A replica was sent its whole snapshot; `marked`: with an end mark instead of a length.
    pub fn snapshot_sent(&mut self, id: ClientId, marked: bool) {
        let now_ms = self.now.mono_ms;
        let Some(client) = self.clients.get_mut(id) else { return };
        let Some(replica) = &mut client.rare.replica else { return };
        if marked {
            replica.peer.await_ack(now_ms);
            let name = replica.peer.name(0);
            self.log(Level::Notice, format!("Streamed replica with {name} succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming"));
        } else {
            replica.peer.online(now_ms);
            let name = replica.peer.name(0);
            self.log(Level::Notice, format!("Synchronization with replica {name} succeeded"));
        }
        self.clients.wake(id);
        self.count_timely_replicas();
    }

    pub(crate) fn snapshot_for_replicas_ended(&mut self, target: SnapshotTarget, ok: bool) {
        if !ok {
            for state in [PeerState::WaitBgsaveEnd, PeerState::SendBulk] {
                for id in self.replicas_in(state) {
                    if target == SnapshotTarget::File {
                        self.log(Level::Warning, "SYNC failed. BGSAVE child returned an error");
                    }
                    self.clients.close(id);
                }
            }
        }
        self.start_wanted_snapshot();
    }

    /// The first acknowledgement after a marked snapshot: the stream may flow.
    fn replica_online(&mut self, client: &mut Client) {
        let name = name(client);
        self.log(Level::Notice, format!("Synchronization with replica {name} succeeded"));
    }

    fn ack_received(&mut self, client: &mut Client) {
        if !client.state.has(State::REPLICA) {
            return;
        }
        self.count_timely_replicas_with(Some(client));
        self.answer_waits(Some(client));
    }

    pub(super) fn count_timely_replicas(&mut self) {
        self.count_timely_replicas_with(None);
    }

    /// Counts who is timely and whether anyone lags; `running` is a replica that is out of its place.
    fn count_timely_replicas_with(&mut self, running: Option<&Client>) {
        let (now_ms, offset) = (self.now.mono_ms, self.replicating.history.offset());
        let max_lag_s = self.config.settings.min_replicas_max_lag as u64;
        let peers: Vec<&Peer> = self.peers(running).collect();
        let timely = replication::master::good_replicas(peers.iter().copied(), now_ms, max_lag_s);
        let lagging = peers.iter().any(|peer| peer.is_online() && peer.ack_offset() < offset);
        self.replicating.timely_replicas = timely;
        self.replicating.lagging = lagging;
        self.refresh_gates();
    }

    fn peers<'a>(&'a self, running: Option<&'a Client>) -> impl Iterator<Item = &'a Peer> {
        let in_place = self.replicating.replicas.iter().filter_map(|id| self.clients.get(*id));
        in_place.chain(running).filter_map(|client| client.rare.replica.as_ref()).map(|replica| &replica.peer)
    }

    /// Attached replicas in order, for INFO and ROLE.
    pub(crate) fn attached(&self) -> impl Iterator<Item = &Peer> {
        self.peers(None)
    }

    /// A replica's connection is gone.
    pub(crate) fn replica_gone(&mut self, client: &Client) {
        self.replicating.replicas.retain(|id| *id != client.id);
        let name = client.rare.replica.as_ref().map(|replica| replica.peer.name(0)).unwrap_or_default();
        self.log(Level::Notice, format!("Connection with replica {name} lost."));
        self.count_timely_replicas();
        if self.replicating.replicas.is_empty() {
            self.replicating.without_replicas_since_ms = Some(self.now.mono_ms);
        }
        let serving =
            [PeerState::WaitBgsaveEnd, PeerState::SendBulk].iter().any(|s| !self.replicas_in(*s).is_empty());
        let transfer =
            self.persistence.running.is_some_and(|running| running.target == SnapshotTarget::Replicas);
        if transfer && !serving {
            self.log(Level::Notice, "Diskless rdb transfer, last replica dropped, killing fork child.");
            self.kill_snapshot();
        }
    }

    /// Bytes of any kind came from a replica, perhaps only the newlines of one that is loading: it lives.
    pub(crate) fn heard_from_replica(&mut self, client: &mut Client) {
        let now_ms = self.now.mono_ms;
        peer(client).peer.newline(now_ms);
    }

    /// Takes a new replication id: nobody can go on from the old one.
    pub(crate) fn change_replication_id(&mut self) {
        self.flush_replication();
        let id = super::new_id(&mut self.random);
        let _ = self.replicating.history.shift_to(id);
        self.replicating.history.clear_second();
    }

    /// Disconnects all replicas, so that they learn of a change of history when they return.
    pub(super) fn disconnect_replicas(&mut self) {
        for id in self.replicating.replicas.clone() {
            self.clients.close(id);
        }
    }

    pub(super) fn tend_replicas(&mut self) {
        self.ping_replicas();
        self.start_wanted_snapshot();
        let timeout_ms = self.config.settings.repl_timeout as u64 * 1000;
        let now_ms = self.now.mono_ms;
        for id in self.replicating.replicas.clone() {
            let Some(replica) = self.clients.get(id).and_then(|client| client.rare.replica.as_ref()) else {
                continue;
            };
            if replica.peer.timed_out(now_ms, timeout_ms) {
                let name = replica.peer.name(0);
                self.log(Level::Warning, format!("Disconnecting timedout replica (streaming sync): {name}"));
                self.clients.close(id);
            } else if matches!(replica.peer.state(), PeerState::WaitBgsaveStart | PeerState::WaitBgsaveEnd) {
                self.keep_waiting_replica_alive(id);
            }
        }
        if !self.replicating.replicas.is_empty() {
            self.count_timely_replicas();
        }
        self.free_idle_backlog();
    }

    /// An empty line a second: the replica knows that we live while the snapshot is made.
    fn keep_waiting_replica_alive(&mut self, id: ClientId) {
        let now_ms = self.now.mono_ms;
        if let Some(client) = self.clients.get_mut(id)
            && now_ms.saturating_sub(client.active_ms) >= 1000
        {
            client.active_ms = now_ms;
            if let Some(replica) = &mut client.rare.replica {
                replica.before_snapshot.extend_from_slice(stream::NEWLINE);
            }
            self.clients.wake(id);
        }
    }

    fn free_idle_backlog(&mut self) {
        let ttl_ms = (self.config.settings.repl_backlog_ttl as u64).saturating_mul(1000);
        let idle =
            self.replicating.without_replicas_since_ms.filter(|_| self.replicating.replicas.is_empty());
        let Some(since_ms) = idle.filter(|_| ttl_ms > 0 && !self.replicating.is_replica()) else { return };
        if self.now.mono_ms.saturating_sub(since_ms) > ttl_ms && self.replicating.history.backlog().is_some()
        {
            let id = super::new_id(&mut self.random);
            self.replicating.history.free_backlog(id);
            let seconds = ttl_ms / 1000;
            self.log(
                Level::Notice,
                format!("Replication backlog freed after {seconds} seconds without connected replicas."),
            );
        }
    }

    /// Answers those whose WAIT is satisfied; `running` is the replica whose acknowledgement it was.
    pub(crate) fn answer_waits(&mut self, running: Option<&Client>) {
        let waiting: Vec<(ClientId, WaitFor, i64, u64)> = self
            .clients
            .iter()
            .filter_map(|client| match client.blocked {
                Some(Blocked::Wait { on, replicas, offset, .. }) => Some((client.id, on, replicas, offset)),
                _ => None,
            })
            .collect();
        for (id, on, replicas, offset) in waiting {
            if self.is_awaited(on, replicas, offset, running) {
                self.answer_waiting(id, |server, client| {
                    server.write_awaited_beside(client, on, offset, running);
                });
            }
        }
    }

    /// How many replicas have all up to an offset, in memory or on their disks.
    pub(crate) fn acked(&self, on: WaitFor, offset: u64, running: Option<&Client>) -> i64 {
        let (peers, offset) = (self.peers(running), replication::id::Offset(offset));
        let count = match on {
            WaitFor::Replicas => replication::master::acknowledged_by(peers, offset),
            WaitFor::Disks { .. } => replication::master::fsynced_by(peers, offset),
        };
        count as i64
    }

    /// A wait's time is up: it is told how far it has come.
    pub(crate) fn finish_wait(&mut self, id: ClientId) {
        if let Some(Blocked::Wait { on, offset, .. }) = self.clients.get(id).and_then(|client| client.blocked)
        {
            self.answer_waiting(id, |server, client| server.write_awaited(client, on, offset));
        }
    }
}

/// Whether a diskless snapshot, which may be delayed for more replicas, will do for it.
fn replica_can_wait(client: &Client) -> bool {
    client.rare.replica.as_ref().is_some_and(|replica| replica.peer.knows_eof() == KnowsEof::Yes)
}

pub(crate) fn wait(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if server.replicating.is_replica() {
        return Err(CommandError::new(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        ));
    }
    let replicas = parse_i64(args.at(1)).ok_or(CommandError::NotAnInteger)?;
    let timeout_ms =
        parse_i64(args.at(2)).ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| CommandError::new("ERR timeout is negative"))?;
    let (offset, on) = (client.write_offset, WaitFor::Replicas);
    if server.is_awaited(on, replicas, offset, None) || client.state.has(State::IN_EXEC) {
        server.write_awaited(client, on, offset);
        return Ok(());
    }
    let deadline_ms = (timeout_ms > 0).then(|| server.now.mono_ms.saturating_add(timeout_ms));
    client.blocked = Some(Blocked::Wait { on, replicas, offset, deadline_ms });
    server.blocking.set_deadline(client.id, deadline_ms);
    server.timer_changed = true;
    server.replicating.ask_for_acks();
    Ok(())
}
