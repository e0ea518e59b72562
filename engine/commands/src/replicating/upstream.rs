//! This server's own master: the link, the snapshot it sends, and the stream applied from it.

use persist::rdb::Verify;
use replication::history::{OwnReplicas, SYNTHESIZED_CACHED_MASTER};
use replication::id::{Offset, Position};
use replication::replica::{Action, Destination, Handover, Input, Link, LinkConfig, LinkState};
use resp::request::Trust;
use resp::{Args, Batch, Limits, Parser};
use types::{CommandError, Now};

use crate::client::{Client, Peer, State};
use crate::config::Level;
use crate::server::Server;
use crate::snapshot::{Expired, Loader};

/// First pause after a failed attempt to connect; it doubles up to [`LONGEST_RETRY_MS`].
const FIRST_RETRY_MS: u64 = 10;
/// Redis's period of attempts.
const LONGEST_RETRY_MS: u64 = 1000;

/// What the shell is to do about the connection to the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterRequest {
    /// Close the old connection, if any, and open one.
    Connect {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Write these bytes to it.
    Send(Vec<u8>),
    /// Close it.
    Disconnect,
}

/// The master and all that is under way with it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// None until the server's own file is loaded.
    pub(crate) link: Option<Link>,
    requests: Vec<MasterRequest>,
    /// The snapshot being received: where it stands and what was read.
    sync: Option<(Position, Loader)>,
    sync_failed: Option<String>,
    /// The snapshot is complete, but a script that was left in the middle still goes by the old data.
    sync_held: bool,
    /// The stream's commands run as this client's.
    client: Option<Box<Client>>,
    /// The database selected in the stream, while `client` is out running one of its commands.
    running_db: u32,
    /// Stream bytes that are no complete command yet.
    unparsed: Vec<u8>,
    /// Bytes of a transaction that has not reached its EXEC: they count as applied all together.
    held: Vec<u8>,
}

impl Upstream {
    /// The master as CLIENT LIST shows it, once its stream flows.
    pub(crate) fn listed_client(&self) -> Option<&Client> {
        let online = self.link.as_ref().is_some_and(|link| link.state() == LinkState::Online);
        self.client.as_deref().filter(|_| online)
    }

    pub(super) fn waiting((host, port): (String, u16)) -> Self {
        Self {
            host,
            port,
            link: None,
            requests: Vec::new(),
            sync: None,
            sync_failed: None,
            sync_held: false,
            client: None,
            running_db: 0,
            unparsed: Vec::new(),
            held: Vec::new(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.state() == LinkState::Online)
    }

    pub(super) fn stream_db(&self) -> u32 {
        self.client.as_ref().map_or(self.running_db, |client| client.db)
    }

    fn forget_stream(&mut self) {
        self.unparsed.clear();
        self.held.clear();
        if let Some(client) = &mut self.client {
            client.state.remove(State::MULTI);
            client.state.remove(State::DIRTY_EXEC);
            client.rare.queued.clear();
        }
    }
}

impl Server {
    /// Begins to follow the configured master, if there is one; called once the server has its data.
    pub fn start_replication(&mut self, now: Now) {
        self.now = now;
        // A stream that goes on in a database that is no longer there cannot be taken up.
        let known = |(_, db): &(Position, u32)| (*db as usize) < self.dbs.len();
        let resumed = self.replicating.resumed.filter(known);
        let position = resumed.map(|(position, _)| position);
        self.open_link(position, resumed.map_or(0, |(_, db)| db), Handover::None);
    }

    fn open_link(&mut self, position: Option<Position>, stream_db: u32, handover: Handover) {
        let settings = &self.config.settings;
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let Some(upstream) = &mut self.replicating.upstream else { return };
        let announced = settings.replica_announce_port;
        let own_port = if announced > 0 { announced } else { settings.port };
        let config = LinkConfig {
            user: some(&settings.masteruser),
            password: some(&settings.masterauth),
            announced_ip: some(&settings.replica_announce_ip),
            version: Some("7.2.4".into()),
            timeout_ms: settings.repl_timeout as u64 * 1000,
            retry_ms: FIRST_RETRY_MS,
            destination: Destination::Parser,
            handover,
            ..LinkConfig::new(&upstream.host, upstream.port, own_port as u16)
        };
        let mut link = Link::new(config, position, self.now.mono_ms);
        link.synced(self.aof.synced_offset.map(Offset));
        upstream.link = Some(link);
        let peer = Peer { address: format!("{}:{}", upstream.host, upstream.port), ..Peer::default() };
        let mut client = Client::new(self.clients.id_elsewhere(), peer, self.now.mono_ms);
        client.state.add(State::MASTER);
        client.db = stream_db;
        upstream.client = Some(Box::new(client));
        self.drain_link(&[]);
    }

    /// What the shell is to do about the connection to the master, oldest first.
    pub fn take_master_requests(&mut self) -> Vec<MasterRequest> {
        let orphaned = std::mem::take(&mut self.replicating.orphaned);
        if orphaned && self.replicating.upstream.is_none() {
            return vec![MasterRequest::Disconnect];
        }
        self.replicating
            .upstream
            .as_mut()
            .map(|upstream| std::mem::take(&mut upstream.requests))
            .unwrap_or_default()
    }

    /// Whether [`take_master_requests`](Self::take_master_requests) has something to give.
    pub fn has_master_requests(&self) -> bool {
        match &self.replicating.upstream {
            Some(upstream) => !upstream.requests.is_empty(),
            None => self.replicating.orphaned,
        }
    }

    /// When [`Input::Timeout`] is due to the link, in monotonic milliseconds.
    pub fn link_timeout_ms(&self) -> Option<u64> {
        Some(self.replicating.upstream.as_ref()?.link.as_ref()?.next_timeout())
    }

    /// Something happened to the connection to the master.
    pub fn link_input(&mut self, input: Input<'_>, now: Now) {
        self.now = now;
        let bytes: &[u8] = if let Input::Bytes(bytes) = &input { bytes } else { &[] };
        self.stats.repl_input_bytes += bytes.len() as u64;
        let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut())
        else {
            return;
        };
        link.handle(now.mono_ms, input);
        self.drain_link(bytes);
        self.after_commands();
    }

    fn next_link_action(&mut self) -> Option<Action> {
        self.replicating.upstream.as_mut()?.link.as_mut()?.poll_action()
    }

    fn drain_link(&mut self, input: &[u8]) {
        while let Some(action) = self.next_link_action() {
            self.link_action(action, input);
        }
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut())
            && link.state() == LinkState::Online
        {
            link.config_mut().retry_ms = FIRST_RETRY_MS;
        }
        self.refresh_gates();
    }

    fn link_action(&mut self, action: Action, input: &[u8]) {
        match action {
            Action::Log(level, text) => self.log(log_level(level), text),
            Action::Connect { host, port } => {
                self.slow_retries_down();
                self.request(MasterRequest::Connect { host, port });
            }
            Action::Send(bytes) => self.request(MasterRequest::Send(bytes)),
            Action::Disconnect => {
                self.request(MasterRequest::Disconnect);
                if let Some(upstream) = &mut self.replicating.upstream {
                    upstream.forget_stream();
                    upstream.sync = None;
                    upstream.sync_held = false;
                }
            }
            Action::StartFullSync(position) => {
                let loader = self.loader(Verify::Checksum, Expired::Keep);
                if let Some(upstream) = &mut self.replicating.upstream {
                    upstream.sync = Some((position, loader));
                    upstream.sync_failed = None;
                }
            }
            Action::SnapshotStart(_) => {}
            Action::Snapshot(payload) => self.load_snapshot_piece(payload.bytes(input)),
            Action::SnapshotDone => self.finish_full_sync(),
            Action::HandoverAccepted => self.failover_done(),
            Action::HandoverRefused => self.abort_failover("Failover target rejected psync request"),
            Action::PartialAccepted { id } => {
                if self.replicating.history.go_on(id) == OwnReplicas::MustReconnect {
                    self.disconnect_replicas();
                }
            }
            Action::Stream(payload) => self.apply_stream(payload.bytes(input)),
        }
    }

    /// Prompt at first, because masters and replicas are often started together; then as Redis. An attempt
    /// that comes to an open connection but no further (a refusal, a snapshot that fails) counts as well:
    /// each may cost the master a fork.
    fn slow_retries_down(&mut self) {
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            let retry_ms = link.config().retry_ms;
            link.config_mut().retry_ms = (retry_ms * 2).min(LONGEST_RETRY_MS);
        }
    }

    fn request(&mut self, request: MasterRequest) {
        if let Some(upstream) = &mut self.replicating.upstream {
            upstream.requests.push(request);
        }
    }

    fn load_snapshot_piece(&mut self, bytes: &[u8]) {
        let Some(upstream) = &mut self.replicating.upstream else { return };
        let Some((_, loader)) = &mut upstream.sync else { return };
        if let Err(error) = loader.feed(bytes) {
            upstream.sync = None;
            upstream.sync_failed = Some(error.to_string());
        }
    }

    /// A script has ended that the data of a full sync waited for.
    pub(crate) fn finish_held_sync(&mut self) {
        let held = |upstream: &mut Upstream| std::mem::take(&mut upstream.sync_held);
        if self.replicating.upstream.as_mut().is_some_and(held) {
            self.finish_full_sync();
            self.drain_link(&[]);
        }
    }

    /// The snapshot is complete: it takes the place of the data, or nothing changes.
    fn finish_full_sync(&mut self) {
        let busy = self.scripting.suspended.is_some();
        let Some(upstream) = &mut self.replicating.upstream else { return };
        if busy {
            // The link stays as one that loads, and tells the master so.
            upstream.sync_held = true;
            return;
        }
        let failed = upstream.sync_failed.take();
        let finished = match upstream.sync.take() {
            Some((position, loader)) => {
                loader.finish().map(|loaded| (position, loaded)).map_err(|error| error.to_string())
            }
            None => Err(failed.unwrap_or_else(|| "no snapshot was received".into())),
        };
        let (position, loaded) = match finished {
            Ok(finished) => finished,
            Err(reason) => {
                self.log(
                    Level::Warning,
                    format!("Failed trying to load the MASTER synchronization DB: {reason}"),
                );
                self.link_input_inner(Input::LoadFailed(reason));
                return;
            }
        };
        self.log(Level::Notice, "MASTER <-> REPLICA sync: Loading DB in memory");
        if let Err(reason) = self.replace_libraries(loaded.functions) {
            self.log(
                Level::Warning,
                format!("Failed trying to load the MASTER synchronization DB: {reason}"),
            );
            self.link_input_inner(Input::LoadFailed(reason));
            return;
        }
        self.disconnect_replicas();
        if self.aof.is_on() {
            self.stop_aof();
        }
        self.log(
            Level::Notice,
            format!("Done loading RDB, keys loaded: {}, keys expired: {}.", loaded.keys, loaded.expired),
        );
        let databases = loaded.dbs.len() as u32;
        self.replace_data(loaded.dbs);
        self.replicating.feed.bytes.clear();
        self.replicating.history.adopt(position);
        if let Some(client) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.client.as_mut())
        {
            // A master begins anew with SELECT; a replica that serves us goes on in its own database.
            client.db = loaded.replication.map_or(0, |(_, _, db)| db).min(databases - 1);
        }
        self.link_input_inner(Input::Loaded);
        self.restart_aof_after_sync();
    }

    /// Cuts the connection to the master, which is taken up again at once; false when it is not up.
    pub(crate) fn drop_master_link(&mut self) -> bool {
        if !self.replicating.link_is_up() {
            return false;
        }
        self.link_input_inner(Input::Closed);
        self.drain_link(&[]);
        true
    }

    fn link_input_inner(&mut self, input: Input<'_>) {
        let now_ms = self.now.mono_ms;
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            link.handle(now_ms, input);
        }
    }

    /// Runs the commands of the stream, and passes its bytes on as they are.
    pub(crate) fn apply_stream(&mut self, bytes: &[u8]) {
        let busy = self.scripting.suspended.is_some();
        if !bytes.is_empty() && self.aof_refuses_stream() {
            return;
        }
        let Some(upstream) = &mut self.replicating.upstream else { return };
        if busy {
            // The stream waits as every client does; it is taken up when the script has ended.
            upstream.unparsed.extend_from_slice(bytes);
            return;
        }
        let Some(mut client) = upstream.client.take() else { return };
        let mut unparsed = std::mem::take(&mut upstream.unparsed);
        unparsed.extend_from_slice(bytes);
        client.active_ms = self.now.mono_ms;
        let mut batch = Batch::default();
        let mut consumed = 0;
        let mut broken = None;
        let limits = Limits { max_bulk_bytes: u32::MAX - 1, trust: Trust::Authenticated };
        loop {
            batch.clear();
            let start = consumed;
            match Parser::default().parse(&mut unparsed, consumed, 16, limits, &mut batch) {
                Ok(done) => consumed = done,
                Err(error) => {
                    consumed = (0..batch.len()).last().map_or(start, |last| batch.end(last));
                    broken = Some(error);
                }
            }
            let mut at = start;
            for index in 0..batch.len() {
                if let Some(upstream) = &mut self.replicating.upstream {
                    upstream.running_db = client.db;
                }
                self.run_from_master(&mut client, &batch, index, &unparsed);
                let end = batch.end(index);
                self.count_applied(&client, &unparsed[at..end]);
                at = end;
            }
            // Empty commands (a master's newlines) are part of the stream too.
            if at < consumed && batch.len() < 16 {
                self.count_applied(&client, &unparsed[at..consumed]);
            }
            if batch.len() < 16 || broken.is_some() {
                break;
            }
            consumed = at;
        }
        unparsed.drain(..consumed);
        if let Some(upstream) = &mut self.replicating.upstream {
            upstream.unparsed = unparsed;
            upstream.client = Some(client);
        }
        if let Some(error) = broken {
            self.stream_is_broken(&error.to_string());
        }
    }

    /// What follows in the stream cannot be read: nothing of it is counted, and only all the data anew can
    /// tell where this server stands.
    fn stream_is_broken(&mut self, error: &str) {
        self.log(Level::Warning, format!("Protocol error ({error}) in the stream from the master"));
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            link.forget_position();
        }
        self.link_input_inner(Input::Closed);
    }

    fn count_applied(&mut self, client: &Client, bytes: &[u8]) {
        let Some(upstream) = &mut self.replicating.upstream else { return };
        upstream.held.extend_from_slice(bytes);
        if client.state.has(State::MULTI) {
            return;
        }
        let held = std::mem::take(&mut upstream.held);
        if let Some(link) = &mut upstream.link {
            link.applied(held.len() as u64);
        }
        self.relay(&held);
    }

    pub(crate) fn acknowledge_to_master(&mut self) {
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            link.acknowledge();
        }
    }

    pub(crate) fn replication_tick(&mut self) {
        self.tend_replicas();
    }

    /// This server is a master from here on.
    pub(super) fn promote(&mut self) {
        if self.replicating.upstream.take().is_none() {
            return;
        }
        self.replicating.orphaned = true;
        self.flush_replication();
        let id = super::new_id(&mut self.random);
        let line = self.replicating.history.shift_to(id);
        self.log(Level::Notice, line);
        self.replicating.feed.select_anew();
        self.disconnect_replicas();
        self.replicating.without_replicas_since_ms = Some(self.now.mono_ms);
        self.config.settings.replicaof = None;
        self.host.role_changed(false);
        self.refresh_gates();
    }

    /// This server follows another from here on, which is asked to become the master first if `handover` says
    /// so.
    pub(super) fn follow(&mut self, host: String, port: u16, handover: Handover) {
        self.replicating.feed.abandon_transaction();
        self.flush_replication();
        let earlier = self.replicating.upstream.take();
        let (position, stream_db) = match &earlier {
            Some(upstream) => (upstream.link.as_ref().and_then(Link::position), upstream.stream_db()),
            None => {
                self.log(Level::Notice, SYNTHESIZED_CACHED_MASTER);
                self.replicating.history.create_backlog();
                (Some(self.replicating.history.position()), 0)
            }
        };
        self.fail_all_waits();
        self.disconnect_replicas();
        self.config.settings.replicaof = Some((host.clone(), port));
        self.replicating.upstream = Some(Upstream::waiting((host.clone(), port)));
        self.host.role_changed(true);
        self.open_link(position, stream_db, handover);
        // The shell may still hold the old connection.
        if let Some(upstream) = &mut self.replicating.upstream {
            upstream.requests.insert(0, MasterRequest::Disconnect);
        }
        self.refresh_gates();
    }
}

fn log_level(level: replication::replica::Level) -> Level {
    match level {
        replication::replica::Level::Debug => Level::Debug,
        replication::replica::Level::Verbose => Level::Verbose,
        replication::replica::Level::Notice => Level::Notice,
        replication::replica::Level::Warning => Level::Warning,
    }
}

/// Who asked for a change of roles, for the log.
pub(super) fn asker(client: &Client) -> String {
    let Peer { address, local, .. } = &client.peer;
    format!("id={} addr={address} laddr={local} name={}", client.id.id, client.name)
}

pub(crate) fn replicaof(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    if server.replicating.failover.is_some() {
        return Err(CommandError::new("ERR REPLICAOF not allowed while failing over."));
    }
    let by = asker(client);
    if args.at(1).eq_ignore_ascii_case(b"no") && args.at(2).eq_ignore_ascii_case(b"one") {
        if server.replicating.is_replica() {
            server.promote();
            server.log(Level::Notice, format!("MASTER MODE enabled (user request from '{by}')"));
        }
        client.writer().ok();
        return Ok(());
    }
    if client.state.has(State::REPLICA) {
        return Err(CommandError::new("ERR Command is not valid when client is a replica."));
    }
    let port = resp::number::parse_i64(args.at(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(CommandError::new("ERR Invalid master port"))?;
    let host = String::from_utf8_lossy(args.at(1)).into_owned();
    let same = |upstream: &Upstream| upstream.host.eq_ignore_ascii_case(&host) && upstream.port == port;
    if server.replicating.upstream.as_ref().is_some_and(same) {
        server.log(Level::Notice, "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed.");
        client.writer().simple("OK Already connected to specified master");
        return Ok(());
    }
    let line = format!("REPLICAOF {host}:{port} enabled (user request from '{by}')");
    server.follow(host, port, Handover::None);
    server.log(Level::Notice, line);
    client.writer().ok();
    Ok(())
}

pub(crate) fn role(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let mut writer = client.writer();
    if let Some(upstream) = &server.replicating.upstream {
        let link = upstream.link.as_ref();
        writer.array(5);
        writer.bulk(b"slave");
        writer.bulk(upstream.host.as_bytes());
        writer.int(i64::from(upstream.port));
        writer.bulk(link.map_or("connect", |link| link.state().role_name()).as_bytes());
        let position = link.filter(|link| link.state() == LinkState::Online).and_then(Link::position);
        writer.int(position.map_or(-1, |Position { offset: Offset(offset), .. }| offset as i64));
        return Ok(());
    }
    let online: Vec<_> = server.attached().filter(|peer| peer.is_online()).collect();
    writer.array(3);
    writer.bulk(b"master");
    writer.int(server.replicating.offset() as i64);
    writer.array(online.len());
    for peer in online {
        writer.array(3);
        writer.bulk(peer.ip().as_bytes());
        writer.bulk(peer.listening_port().to_string().as_bytes());
        writer.bulk(peer.ack_offset().0.to_string().as_bytes());
    }
    Ok(())
}
