//! The connections to one watched process and what their silence means.
//!
//! A master or replica has a command connection and a pub/sub connection; a
//! sentinel has only the first, shared by all masters that know it. Sockets
//! belong to the shell. This module keeps the queue of expected replies and
//! the times that the rules of SDOWN and of link health measure.

use std::collections::VecDeque;

use crate::{instance::MasterId, time::MonoMs};

/// One connection, from the order to open it until it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// The state of one connection.
#[derive(Debug)]
pub(crate) enum Channel {
    Closed,
    Opening { id: LinkId, since: MonoMs },
    Open { id: LinkId, since: MonoMs, local_ip: String },
}

impl Channel {
    pub(crate) fn id(&self) -> Option<LinkId> {
        match self {
            Channel::Closed => None,
            Channel::Opening { id, .. } | Channel::Open { id, .. } => Some(*id),
        }
    }

    /// The id while commands can be sent.
    pub(crate) fn open(&self) -> Option<LinkId> {
        match self {
            Channel::Open { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Since when it is open or opening.
    pub(crate) fn since(&self) -> Option<MonoMs> {
        match self {
            Channel::Closed => None,
            Channel::Opening { since, .. } | Channel::Open { since, .. } => Some(*since),
        }
    }

    /// The address of our end.
    pub(crate) fn local_ip(&self) -> Option<&str> {
        match self {
            Channel::Open { local_ip, .. } => Some(local_ip),
            _ => None,
        }
    }
}

/// Which of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Command,
    PubSub,
}

impl LinkKind {
    /// The end of the client name that the connection takes.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            LinkKind::Command => "cmd",
            LinkKind::PubSub => "pubsub",
        }
    }
}

/// What the next reply on a command connection answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Ping,
    Info,
    /// A published hello, about this master.
    Hello(MasterId),
    /// Whether this master is down, and a vote.
    Ask(MasterId),
    Discard,
}

/// The connections to one process.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) command: Channel,
    /// `None` for a sentinel, which is not subscribed to.
    pub(crate) pubsub: Option<Channel>,
    pub(crate) pending: VecDeque<Expect>,
    /// The last valid answer to PING.
    pub(crate) last_available: MonoMs,
    /// The last answer of any kind to PING.
    pub(crate) last_pong: MonoMs,
    /// When the oldest PING without a valid answer was sent.
    pub(crate) unanswered_ping: Option<MonoMs>,
    pub(crate) last_ping: Option<MonoMs>,
    pub(crate) last_connect: Option<MonoMs>,
    /// The last message on the pub/sub connection.
    pub(crate) last_heard: MonoMs,
    /// Connections that failed since one answered.
    pub(crate) failures: u32,
}

impl Link {
    /// A link not yet opened. A process that never answers is down from the
    /// moment it is known, therefore an unanswered PING is assumed.
    pub(crate) fn new(pubsub: bool, now: MonoMs) -> Link {
        Link {
            command: Channel::Closed,
            pubsub: pubsub.then_some(Channel::Closed),
            pending: VecDeque::new(),
            last_available: now,
            last_pong: now,
            unanswered_ping: Some(now),
            last_ping: None,
            last_connect: None,
            last_heard: now,
            failures: 0,
        }
    }

    /// Whether all connections of the link are open.
    pub(crate) fn is_up(&self) -> bool {
        self.command.open().is_some() && self.pubsub.as_ref().is_none_or(|c| c.open().is_some())
    }

    pub(crate) fn expects(&self, what: &Expect) -> bool {
        self.pending.contains(what)
    }

    /// Takes the state of a connection that is gone; returns its kind.
    pub(crate) fn forget(&mut self, id: LinkId) -> Option<LinkKind> {
        if self.command.id() == Some(id) {
            self.command = Channel::Closed;
            self.pending.clear();
            return Some(LinkKind::Command);
        }
        let pubsub = self.pubsub.as_mut().filter(|c| c.id() == Some(id))?;
        *pubsub = Channel::Closed;
        Some(LinkKind::PubSub)
    }
}
