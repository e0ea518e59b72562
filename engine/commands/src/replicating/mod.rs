//! Replication: the stream to replicas, the link to a master, and what both mean for commands.
//!
//! The machines themselves are the `replication` crate's; this module feeds them and does what they say.
//! - [`stream`](self::stream): what this server propagates, and who gets it.
//! - [`peers`](self::peers): replicas attached to this server: PSYNC, snapshots, acknowledgements.
//! - [`upstream`](self::upstream): this server's own master.
//! - [`failover`](self::failover): changing places with a replica.

mod failover;
mod peers;
mod stream;
mod upstream;

pub(crate) use failover::{Failover, failover, state_name as failover_state};
pub(crate) use peers::{ReplicaPeer, psync, replconf, sync, wait};
pub use upstream::MasterRequest;
pub(crate) use upstream::{Upstream, replicaof, role};

use replication::history::History;
use replication::id::{Offset, Position, ReplId};
use types::Random;

use crate::client::ClientId;
use crate::config::Settings;
use crate::feed::Feed;

/// Everything a server knows of replication.
#[derive(Debug)]
pub(crate) struct Replicating {
    pub(crate) history: History,
    /// The master, when this server is a replica.
    pub(crate) upstream: Option<Upstream>,
    /// Attached replicas, in order of arrival.
    pub(crate) replicas: Vec<ClientId>,
    /// Replicas that are connected and timely, for `min-replicas-to-write`.
    pub(crate) timely_replicas: usize,
    /// Whether some replica that is online has not acknowledged everything.
    lagging: bool,
    /// The stream's bytes that were not handed on yet.
    pub(crate) feed: Feed,
    acks_wanted: bool,
    last_ping_ms: u64,
    without_replicas_since_ms: Option<u64>,
    /// FAILOVER under way.
    pub(crate) failover: Option<Failover>,
    /// There was a master until just now: the connection to it must be closed.
    orphaned: bool,
    /// Where to go on, read from a snapshot before the link to the master exists.
    resumed: Option<(Position, u32)>,
}

impl Replicating {
    pub(crate) fn new(settings: &Settings, random: &mut Random) -> Self {
        let mut history = History::new(new_id(random));
        history.set_backlog_size(settings.repl_backlog_size as usize);
        Self {
            history,
            upstream: settings.replicaof.clone().map(Upstream::waiting),
            replicas: Vec::new(),
            timely_replicas: 0,
            lagging: false,
            feed: Feed::default(),
            acks_wanted: false,
            last_ping_ms: 0,
            without_replicas_since_ms: None,
            failover: None,
            orphaned: false,
            resumed: None,
        }
    }

    /// Whether this server is a replica.
    pub(crate) fn is_replica(&self) -> bool {
        self.upstream.is_some()
    }

    /// Whether nobody takes what commands propagate.
    pub(crate) fn is_unreplicated(&self) -> bool {
        self.is_replica() || self.history.backlog().is_none()
    }

    /// Whether the link to the master is up.
    pub(crate) fn link_is_up(&self) -> bool {
        self.upstream.as_ref().is_some_and(Upstream::is_up)
    }

    /// The stream's offset, with what is about to be handed on.
    pub(crate) fn offset(&self) -> u64 {
        self.history.offset().0 + self.feed.bytes.len() as u64
    }

    /// Bytes of the stream that were not handed on yet.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.feed.bytes.capacity()
    }

    /// Whether some replica has not acknowledged all there is.
    pub(crate) fn any_replica_lags(&self) -> bool {
        self.lagging
    }

    /// Has the replicas asked for acknowledgements at the end of this turn.
    pub(crate) fn ask_for_acks(&mut self) {
        self.acks_wanted = true;
    }

    /// Id, offset and selected database for a snapshot's preamble, when replication is in use.
    pub(crate) fn for_snapshot(&self) -> Option<([u8; 40], u64, i64)> {
        self.history.backlog()?;
        let mut id = [0; 40];
        id.copy_from_slice(self.history.id().as_bytes());
        let db = match &self.upstream {
            Some(upstream) => upstream.stream_db(),
            None => self.feed.db.unwrap_or(0),
        };
        Some((id, self.offset(), i64::from(db)))
    }

    /// A snapshot was loaded at start: its history may be gone on from.
    pub(crate) fn resume_from_snapshot(&mut self, saved: Option<([u8; 40], u64, u32)>, random: &mut Random) {
        let Some((id, offset, db)) = saved else { return };
        let Some(id) = ReplId::parse(&id) else { return };
        let position = Position { id, offset: Offset(offset) };
        let size = self.history.backlog_size();
        self.history = match self.upstream {
            Some(_) => History::resumed(position),
            None => History::continued(position, new_id(random)),
        };
        self.history.set_backlog_size(size);
        self.resumed = Some((position, db));
    }
}

/// A new replication id.
pub(crate) fn new_id(random: &mut Random) -> ReplId {
    let mut bytes = [0; 20];
    for chunk in bytes.chunks_mut(8) {
        let bits = random.next_u64().to_le_bytes();
        chunk.copy_from_slice(&bits[..chunk.len()]);
    }
    ReplId::from_random(bytes)
}
