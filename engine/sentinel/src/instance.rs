//! The watched processes: masters, their replicas, the other sentinels.
//!
//! Plain state with the questions asked of it; the rules that change it live
//! in the modules named after them.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    address::Address,
    failover::{Candidacy, Failover},
    info::Role,
    link::Link,
    periods::{DEFAULT_PARALLEL_SYNCS, DEFAULT_REPLICA_PRIORITY, Periods},
    time::MonoMs,
};

/// A monitored master, for as long as it is monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MasterId(pub(crate) u64);

/// A replica, until its master is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReplicaId(pub(crate) u64);

/// Whose connection a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Master(MasterId),
    Replica(MasterId, ReplicaId),
    /// The sentinel with this run id.
    Peer(Arc<str>),
}

/// Whether a process is subjectively down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Down {
    pub(crate) since: Option<MonoMs>,
    /// When it last went down, also after it came back.
    pub(crate) last_since: Option<MonoMs>,
}

/// When hello messages were sent to one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hellos {
    /// The last one that was accepted.
    pub(crate) published: MonoMs,
    pub(crate) sent: Option<MonoMs>,
    /// One must go out as soon as the link allows.
    pub(crate) wanted: bool,
}

impl Hellos {
    pub(crate) fn new(now: MonoMs) -> Hellos {
        Hellos { published: now, sent: None, wanted: false }
    }
}

/// When INFO was asked and what it said last.
#[derive(Clone, Debug, Default)]
pub(crate) struct InfoState {
    pub(crate) text: Option<Vec<u8>>,
    pub(crate) refreshed: Option<MonoMs>,
    pub(crate) sent: Option<MonoMs>,
    /// INFO must be asked as soon as the link allows, even if one is pending.
    pub(crate) wanted: bool,
    /// Until when INFO is asked more often (pace `prompt`).
    pub(crate) eager_until: Option<MonoMs>,
}

/// A data server: what masters and replicas have in common.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) addr: Address,
    pub(crate) link: Link,
    pub(crate) runid: Option<String>,
    pub(crate) down: Down,
    pub(crate) info: InfoState,
    pub(crate) hellos: Hellos,
    pub(crate) role_reported: Role,
    pub(crate) role_reported_at: MonoMs,
    /// SCRIPT KILL was sent and the server is still down.
    pub(crate) script_kill_sent: bool,
}

impl Server {
    pub(crate) fn new(addr: Address, role: Role, now: MonoMs) -> Server {
        Server {
            addr,
            link: Link::new(true, now),
            runid: None,
            down: Down::default(),
            info: InfoState::default(),
            hellos: Hellos::new(now),
            role_reported: role,
            role_reported_at: now,
            script_kill_sent: false,
        }
    }
}

/// How far a replica is that follows the promoted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reconfiguration {
    Untouched,
    /// It was told.
    Sent {
        at: MonoMs,
    },
    /// Its INFO names the promoted one.
    InProgress,
    /// Its link is up.
    Done,
}

impl Reconfiguration {
    /// Whether it counts among those that resynchronise at once.
    pub(crate) fn is_in_progress(self) -> bool {
        matches!(self, Reconfiguration::Sent { .. } | Reconfiguration::InProgress)
    }
}

/// A replica of a monitored master.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) id: ReplicaId,
    pub(crate) server: Server,
    pub(crate) priority: i64,
    pub(crate) announced: bool,
    pub(crate) offset: u64,
    pub(crate) master_host: Option<String>,
    pub(crate) master_port: u16,
    pub(crate) master_link_up: bool,
    /// As INFO says; negative when the link never was up.
    pub(crate) master_link_down_ms: i64,
    /// When the reported master last changed.
    pub(crate) master_changed_at: MonoMs,
    pub(crate) reconfiguration: Reconfiguration,
    /// It did not take the order in time: the failover ends without it.
    pub(crate) given_up: bool,
}

impl Replica {
    pub(crate) fn new(id: ReplicaId, addr: Address, now: MonoMs) -> Replica {
        Replica {
            id,
            server: Server::new(addr, Role::Slave, now),
            priority: DEFAULT_REPLICA_PRIORITY,
            announced: true,
            offset: 0,
            master_host: None,
            master_port: 0,
            master_link_up: false,
            master_link_down_ms: 0,
            master_changed_at: now,
            reconfiguration: Reconfiguration::Untouched,
            given_up: false,
        }
    }

    /// Whether a failover need not wait for it.
    pub(crate) fn is_settled(&self) -> bool {
        self.given_up || self.reconfiguration == Reconfiguration::Done
    }

    /// `ip:port`, the name a replica goes by.
    pub(crate) fn name(&self, announce_hostnames: bool) -> String {
        let host = self.server.addr.shown(announce_hostnames);
        if host.contains(':') {
            format!("[{host}]:{}", self.server.addr.port)
        } else {
            format!("{host}:{}", self.server.addr.port)
        }
    }
}

/// Another sentinel's process, shared by all masters that know it.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Where the link is opened to.
    pub(crate) addr: Address,
    pub(crate) link: Link,
}

/// All other sentinels by run id.
pub(crate) type Peers = BTreeMap<String, Peer>;

/// Each voter with its process: both are in the order of run ids, and there are no more voters than processes.
pub(crate) fn alongside<'a>(
    voters: &'a mut BTreeMap<String, Voter>,
    peers: &'a mut Peers,
) -> impl Iterator<Item = (&'a mut Voter, &'a mut Peer)> {
    let mut peers = peers.iter_mut().peekable();
    voters.values_mut().filter_map(move |voter| {
        while peers.next_if(|(runid, _)| **runid < voter.runid).is_some() {}
        let (_, peer) = peers.next_if(|(runid, _)| **runid == voter.runid)?;
        Some((voter, peer))
    })
}

/// Another sentinel as a judge of one master.
#[derive(Debug)]
pub(crate) struct Voter {
    pub(crate) runid: String,
    /// As announced for this master; it may differ from master to master.
    pub(crate) addr: Address,
    pub(crate) down: Down,
    pub(crate) hellos: Hellos,
    pub(crate) last_hello: MonoMs,
    /// It said that it sees the master down.
    pub(crate) says_down: bool,
    /// The leader it voted for, and in which epoch.
    pub(crate) leader: Option<String>,
    pub(crate) leader_epoch: u64,
    /// The last answer whether the master is down.
    pub(crate) answered: MonoMs,
    pub(crate) asked: Option<MonoMs>,
}

impl Voter {
    pub(crate) fn new(runid: &str, addr: Address, now: MonoMs) -> Voter {
        Voter {
            runid: runid.to_owned(),
            addr,
            down: Down::default(),
            hellos: Hellos::new(now),
            last_hello: now,
            says_down: false,
            leader: None,
            leader_epoch: 0,
            answered: now,
            asked: None,
        }
    }
}

/// What is configured of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MasterSettings {
    pub(crate) quorum: u32,
    pub(crate) down_after_ms: u64,
    pub(crate) failover_timeout_ms: u64,
    pub(crate) parallel_syncs: u32,
    /// 0: a rebooted master is not held to be down.
    pub(crate) reboot_down_after_ms: u64,
    pub(crate) notification_script: Option<String>,
    pub(crate) client_reconfig_script: Option<String>,
    pub(crate) auth_pass: Option<String>,
    pub(crate) auth_user: Option<String>,
    /// Commands that the servers know under another name: by the name in
    /// lower case, the name as it was given and the other one.
    pub(crate) renamed: BTreeMap<String, (String, String)>,
}

impl MasterSettings {
    pub(crate) fn new(quorum: u32, periods: &Periods) -> MasterSettings {
        MasterSettings {
            quorum,
            down_after_ms: periods.default_down_after_ms,
            failover_timeout_ms: periods.default_failover_timeout_ms,
            parallel_syncs: DEFAULT_PARALLEL_SYNCS,
            reboot_down_after_ms: 0,
            notification_script: None,
            client_reconfig_script: None,
            auth_pass: None,
            auth_user: None,
            renamed: BTreeMap::new(),
        }
    }

    /// The name under which the servers know `command`.
    pub(crate) fn command<'a>(&'a self, command: &'a str) -> &'a str {
        if self.renamed.is_empty() {
            return command;
        }
        self.renamed.get(&command.to_ascii_lowercase()).map_or(command, |(_, other)| other)
    }
}

/// The vote this sentinel gave for a master: one an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vote {
    /// Unknown after a restart; the epoch is what counts.
    pub(crate) leader: Option<String>,
    pub(crate) epoch: u64,
}

/// A monitored master with everything known about it.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) id: MasterId,
    pub(crate) name: String,
    pub(crate) settings: MasterSettings,
    pub(crate) server: Server,
    /// Rebooted since, and has not answered PING with PONG yet.
    pub(crate) rebooted_at: Option<MonoMs>,
    pub(crate) odown_since: Option<MonoMs>,
    /// When it last was objectively down, also after it came back.
    pub(crate) last_odown_since: Option<MonoMs>,
    pub(crate) config_epoch: u64,
    pub(crate) vote: Vote,
    pub(crate) failover: Option<Failover>,
    /// When the last failover was begun, by us or by the one we voted for.
    pub(crate) failover_started_at: Option<MonoMs>,
    /// The start for which the delay was logged.
    pub(crate) delay_logged: Option<MonoMs>,
    /// This sentinel will stand for election (pace `prompt`).
    pub(crate) candidacy: Option<Candidacy>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) voters: BTreeMap<String, Voter>,
    /// When the rules must look at this master again.
    pub(crate) wake: MonoMs,
}

impl Master {
    pub(crate) fn new(
        id: MasterId,
        name: &str,
        addr: Address,
        settings: MasterSettings,
        now: MonoMs,
    ) -> Master {
        Master {
            id,
            name: name.to_owned(),
            settings,
            server: Server::new(addr, Role::Master, now),
            rebooted_at: None,
            odown_since: None,
            last_odown_since: None,
            config_epoch: 0,
            vote: Vote::default(),
            failover: None,
            failover_started_at: None,
            delay_logged: None,
            candidacy: None,
            replicas: Vec::new(),
            voters: BTreeMap::new(),
            wake: now,
        }
    }

    pub(crate) fn replica(&self, id: ReplicaId) -> Option<&Replica> {
        self.replicas.iter().find(|r| r.id == id)
    }

    /// The replica that the running failover promotes, once chosen.
    pub(crate) fn promoted(&self) -> Option<&Replica> {
        self.replica(self.failover.as_ref()?.phase.promoted()?)
    }

    /// The address clients should use: that of the promoted replica from the
    /// moment its promotion is confirmed.
    pub(crate) fn current_addr(&self) -> &Address {
        match &self.failover {
            Some(failover) if failover.phase.is_promotion_confirmed() => {
                self.promoted().map_or(&self.server.addr, |r| &r.server.addr)
            }
            _ => &self.server.addr,
        }
    }

    pub(crate) fn is_promoted(&self, id: ReplicaId) -> bool {
        self.failover.as_ref().is_some_and(|f| f.phase.promoted() == Some(id))
    }

    /// Sentinels that know this master, this one included.
    pub(crate) fn voter_count(&self) -> usize {
        self.voters.len() + 1
    }
}
