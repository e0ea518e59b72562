//! The machine itself: phases, timers, and what each input does in each phase.

use std::collections::VecDeque;

use super::handshake::{self, PsyncAnswer, Question, Verdict};
use super::snapshot::Framing;
use super::{
    Action, Destination, Handover, Input, Level, LinkConfig, LinkState, Payload, SnapshotSize,
    TransferProgress,
};
use crate::id::{Offset, Position};
use crate::stream;

/// Longest line taken before the stream begins.
const LONGEST_LINE: usize = 64 * 1024;

#[derive(Debug)]
enum Phase {
    /// No connection until then.
    Waiting {
        until_ms: u64,
    },
    Connecting,
    Ping,
    Introduction(VecDeque<Question>),
    Psync,
    /// The master makes the snapshot.
    SnapshotHeader(Position),
    Snapshot(Position, Framing),
    /// The owner loads it. `early` has arrived meanwhile.
    Loading {
        position: Position,
        early: Vec<u8>,
        closed: Connection,
        next_newline_ms: u64,
    },
    Online {
        next_ack_ms: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Open,
    Closed,
}

/// A replica's connection to its master, from the first attempt until the owner drops it.
///
/// See the [crate's page](crate) for how it is driven.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    phase: Phase,
    /// What has been applied, and can be asked to be continued.
    position: Option<Position>,
    /// How much of it is on this server's disk, where it keeps an append-only file.
    synced: Option<Offset>,
    /// The stream up to where it has been received.
    received: Offset,
    /// A line that has not ended yet.
    line: Vec<u8>,
    attempted_ms: u64,
    last_io_ms: u64,
    down_since_ms: Option<u64>,
    actions: VecDeque<Action>,
}

impl Link {
    /// A link that connects at once. `position` is where this server's data set stands, if it may
    /// ask to go on from there: [`crate::history::History::position`] when it was a master or a
    /// replica with data, [`Link::position`] of the former link when it changes masters, `None`
    /// when it has nothing.
    #[must_use]
    pub fn new(config: LinkConfig, position: Option<Position>, now_ms: u64) -> Self {
        let mut link = Link {
            config,
            phase: Phase::Waiting { until_ms: now_ms },
            position,
            synced: None,
            received: position.map_or(Offset(0), |position| position.offset),
            line: Vec::new(),
            attempted_ms: now_ms,
            last_io_ms: now_ms,
            down_since_ms: None,
            actions: VecDeque::new(),
        };
        link.connect(now_ms, "Connecting to MASTER");
        link
    }

    /// How the replica presents itself.
    #[must_use]
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// The same, to be changed (`CONFIG SET masterauth` and the like): what was changed holds
    /// from the next attempt or timer on.
    pub fn config_mut(&mut self) -> &mut LinkConfig {
        &mut self.config
    }

    /// How far it has come.
    #[must_use]
    pub fn state(&self) -> LinkState {
        match self.phase {
            Phase::Waiting { .. } => LinkState::Connect,
            Phase::Connecting => LinkState::Connecting,
            Phase::Ping | Phase::Introduction(_) | Phase::Psync => LinkState::Handshake,
            Phase::SnapshotHeader(_) | Phase::Snapshot(..) => LinkState::Transfer,
            Phase::Loading { .. } => LinkState::Loading,
            Phase::Online { .. } => LinkState::Online,
        }
    }

    /// What has been applied so far (`slave_repl_offset`); `None` before the first full
    /// synchronization.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The stream's offset up to which bytes have been received (`slave_read_repl_offset`).
    #[must_use]
    pub fn received(&self) -> Offset {
        self.received
    }

    /// When bytes last came from the master; `None` unless online
    /// (`master_last_io_seconds_ago`, -1).
    #[must_use]
    pub fn last_io_ms(&self) -> Option<u64> {
        matches!(self.phase, Phase::Online { .. }).then_some(self.last_io_ms)
    }

    /// Since when a link that had been online is down (`master_link_down_since_seconds`); `None`
    /// when it is online or never was.
    #[must_use]
    pub fn down_since_ms(&self) -> Option<u64> {
        self.down_since_ms
    }

    /// The transfer of a snapshot, when one is under way (`master_sync_in_progress`).
    #[must_use]
    pub fn transfer(&self) -> Option<TransferProgress> {
        let (total_bytes, read_bytes) = match &self.phase {
            Phase::SnapshotHeader(_) | Phase::Loading { .. } => (None, 0),
            Phase::Snapshot(_, framing) => match framing.size() {
                SnapshotSize::Known(total) => (Some(total), framing.read_bytes()),
                SnapshotSize::Unknown => (None, framing.read_bytes()),
            },
            _ => return None,
        };
        Some(TransferProgress { total_bytes, read_bytes, last_io_ms: self.last_io_ms })
    }

    /// The next thing to do, until there is none.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timeout`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_timeout(&self) -> u64 {
        let silence = self.last_io_ms.saturating_add(self.config.timeout_ms).saturating_add(1);
        match self.phase {
            Phase::Waiting { until_ms } => until_ms,
            Phase::Loading { next_newline_ms, .. } => next_newline_ms,
            Phase::Online { next_ack_ms } => next_ack_ms.min(silence),
            _ => silence,
        }
    }

    /// `bytes` more of the stream have been applied.
    ///
    /// # Panics
    /// When the link has no data set yet: nothing can have been applied.
    pub fn applied(&mut self, bytes: u64) {
        let position = self.position.as_mut().expect("the stream comes after a full synchronization");
        position.offset = position.offset.plus(bytes);
    }

    /// Tells up to which offset all is on this server's disk; none when it keeps no such file. Acknowledgements
    /// say so from now on.
    pub fn synced(&mut self, offset: Option<Offset>) {
        self.synced = offset;
    }

    /// Acknowledges now what has been applied: the answer to `REPLCONF GETACK *` from the master.
    pub fn acknowledge(&mut self) {
        if let (Phase::Online { .. }, Some(position)) = (&self.phase, self.position) {
            self.send(stream::ack(position.offset, self.synced));
        }
    }

    /// The data set is about to be replaced, or has been changed otherwise: it cannot be gone on
    /// from. To be called when a snapshot is loaded over the former data before it is complete.
    pub fn forget_position(&mut self) {
        self.position = None;
    }

    /// Takes one input. Drain [`Link::poll_action`] after it.
    pub fn handle(&mut self, now_ms: u64, input: Input<'_>) {
        match input {
            Input::Connected => self.connected(now_ms),
            Input::ConnectFailed(reason) => self.connect_failed(now_ms, &reason),
            Input::Bytes(bytes) => self.bytes(now_ms, bytes),
            Input::Closed => self.closed(now_ms),
            Input::Loaded => self.loaded(now_ms),
            Input::LoadFailed(reason) => self.load_failed(now_ms, &reason),
            Input::Timeout => self.timeout(now_ms),
        }
    }

    fn log(&mut self, level: Level, line: impl Into<String>) {
        self.actions.push_back(Action::Log(level, line.into()));
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.actions.push_back(Action::Send(bytes));
    }

    fn connect(&mut self, now_ms: u64, verb: &str) {
        let (host, port) = (self.config.host.clone(), self.config.port);
        self.log(Level::Notice, format!("{verb} {host}:{port}"));
        self.log(Level::Notice, "MASTER <-> REPLICA sync started");
        self.actions.push_back(Action::Connect { host, port });
        self.phase = Phase::Connecting;
        self.attempted_ms = now_ms;
        self.last_io_ms = now_ms;
        self.line.clear();
    }

    fn connected(&mut self, now_ms: u64) {
        if matches!(self.phase, Phase::Connecting) {
            self.last_io_ms = now_ms;
            self.log(Level::Notice, "Non blocking connect for SYNC fired the event.");
            self.send(stream::PING.to_vec());
            self.phase = Phase::Ping;
        }
    }

    fn connect_failed(&mut self, now_ms: u64, reason: &str) {
        if matches!(self.phase, Phase::Connecting) {
            self.log(Level::Warning, format!("Error condition on socket for SYNC: {reason}"));
            self.wait(now_ms);
        }
    }

    /// Waits for the next attempt: a period after the last one, so that an error that comes at
    /// once does not make it spin.
    fn wait(&mut self, now_ms: u64) {
        let until_ms = now_ms.max(self.attempted_ms.saturating_add(self.config.retry_ms));
        self.phase = Phase::Waiting { until_ms };
    }

    /// Gives up this attempt on an open connection.
    fn give_up(&mut self, now_ms: u64, line: impl Into<String>) {
        self.log(Level::Warning, line);
        self.hang_up(now_ms);
    }

    fn hang_up(&mut self, now_ms: u64) {
        self.actions.push_back(Action::Disconnect);
        self.wait(now_ms);
    }

    fn closed(&mut self, now_ms: u64) {
        match &mut self.phase {
            Phase::Waiting { .. } => {}
            Phase::Connecting => self.connect_failed(now_ms, "Connection closed"),
            phase @ (Phase::Ping | Phase::Introduction(_) | Phase::Psync) => {
                if matches!(phase, Phase::Psync) {
                    self.end_handover(Action::HandoverRefused);
                }
                self.log(Level::Warning, "Failed to read response from the server: Connection closed");
                self.give_up(now_ms, "Master did not respond to command during SYNC handshake");
            }
            Phase::SnapshotHeader(_) | Phase::Snapshot(..) => {
                self.give_up(now_ms, "I/O error trying to sync with MASTER: connection lost");
            }
            Phase::Loading { closed, .. } => *closed = Connection::Closed,
            Phase::Online { .. } => self.lost(now_ms),
        }
    }

    /// A link that was online is not any more: the next attempt follows at once.
    fn lost(&mut self, now_ms: u64) {
        self.down_since_ms = Some(now_ms);
        self.log(Level::Notice, "Connection with master lost.");
        self.log(Level::Notice, "Caching the disconnected master state.");
        self.actions.push_back(Action::Disconnect);
        self.connect(now_ms, "Reconnecting to MASTER");
    }

    fn timeout(&mut self, now_ms: u64) {
        let silent = now_ms.saturating_sub(self.last_io_ms) > self.config.timeout_ms;
        match &mut self.phase {
            Phase::Waiting { until_ms } if now_ms >= *until_ms => {
                self.connect(now_ms, "Connecting to MASTER");
            }
            Phase::Waiting { .. } => {}
            Phase::Connecting | Phase::Ping | Phase::Introduction(_) | Phase::Psync => {
                if silent {
                    self.give_up(now_ms, "Timeout connecting to the MASTER...");
                }
            }
            Phase::SnapshotHeader(_) | Phase::Snapshot(..) => {
                if silent {
                    self.give_up(
                        now_ms,
                        "Timeout receiving bulk data from MASTER... If the problem persists try to set the \
                         'repl-timeout' parameter in redis.conf to a larger value.",
                    );
                }
            }
            Phase::Loading { next_newline_ms, closed, .. } => {
                if now_ms >= *next_newline_ms {
                    *next_newline_ms = now_ms.saturating_add(self.config.ack_period_ms);
                    if *closed == Connection::Open {
                        self.send(stream::NEWLINE.to_vec());
                    }
                }
            }
            Phase::Online { .. } if silent => {
                self.log(Level::Warning, "MASTER timeout: no data nor PING received...");
                self.lost(now_ms);
            }
            Phase::Online { next_ack_ms } => {
                if now_ms >= *next_ack_ms {
                    *next_ack_ms = now_ms.saturating_add(self.config.ack_period_ms);
                    self.acknowledge();
                }
            }
        }
    }

    fn bytes(&mut self, now_ms: u64, input: &[u8]) {
        self.last_io_ms = now_ms;
        let mut at = 0;
        while at < input.len() {
            at = match &mut self.phase {
                Phase::Waiting { .. } | Phase::Connecting => return,
                Phase::Ping | Phase::Introduction(_) | Phase::Psync | Phase::SnapshotHeader(_) => {
                    self.gather_line(now_ms, input, at)
                }
                Phase::Snapshot(..) => self.snapshot(now_ms, input, at),
                Phase::Loading { early, .. } => {
                    early.extend_from_slice(&input[at..]);
                    input.len()
                }
                Phase::Online { .. } => {
                    self.stream(Payload::Input(at..input.len()), input);
                    input.len()
                }
            };
        }
    }

    /// Hands on bytes of the stream.
    fn stream(&mut self, payload: Payload, input: &[u8]) {
        self.received = self.received.plus(payload.bytes(input).len() as u64);
        self.actions.push_back(Action::Stream(payload));
    }

    /// Takes input up to the end of a line, which may have begun earlier; gives the place after.
    fn gather_line(&mut self, now_ms: u64, input: &[u8], at: usize) -> usize {
        let rest = &input[at..];
        let Some(length) = memchr::memchr(b'\n', rest) else {
            self.line.extend_from_slice(rest);
            if self.line.len() > LONGEST_LINE {
                self.give_up(now_ms, "Bad protocol from MASTER: a line that does not end");
            }
            return input.len();
        };
        self.line.extend_from_slice(&rest[..length]);
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        // An empty line says that the master is busy, and alive.
        if !line.is_empty() {
            self.take_line(now_ms, &String::from_utf8_lossy(&line));
        }
        at + length + 1
    }

    fn take_line(&mut self, now_ms: u64, line: &str) {
        match &mut self.phase {
            Phase::Ping => {
                let verdict = handshake::judge_pong(line);
                if self.accept(now_ms, verdict) {
                    let (bytes, questions) = handshake::introduction(&self.config);
                    self.send(bytes);
                    self.phase = Phase::Introduction(questions);
                }
            }
            Phase::Introduction(questions) => {
                let Some(question) = questions.pop_front() else { return };
                let last = questions.is_empty();
                if self.accept(now_ms, handshake::judge(question, line)) && last {
                    let (bytes, log) = handshake::psync(self.position, self.config.handover);
                    self.log(Level::Notice, log);
                    self.send(bytes);
                    self.phase = Phase::Psync;
                }
            }
            Phase::Psync => self.take_psync_answer(now_ms, line),
            &mut Phase::SnapshotHeader(position) => self.take_snapshot_header(now_ms, position, line),
            _ => {}
        }
    }

    /// Logs a verdict; gives whether the attempt goes on.
    fn accept(&mut self, now_ms: u64, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Good => true,
            Verdict::Tolerated(level, line) => {
                self.log(level, line);
                true
            }
            Verdict::Failed(line) => {
                self.give_up(now_ms, line);
                false
            }
        }
    }

    /// The other server has answered a handover, or never will.
    fn end_handover(&mut self, how: Action) {
        if std::mem::take(&mut self.config.handover) == Handover::Asked {
            self.actions.push_back(how);
        }
    }

    fn take_psync_answer(&mut self, now_ms: u64, line: &str) {
        let answer = handshake::read_psync_answer(line);
        self.end_handover(match answer {
            PsyncAnswer::Refused(..) => Action::HandoverRefused,
            PsyncAnswer::Full(_) | PsyncAnswer::Continue(_) => Action::HandoverAccepted,
        });
        match answer {
            PsyncAnswer::Full(position) => {
                let Position { id, offset } = position;
                self.log(Level::Notice, format!("Full resync from master: {id}:{offset}"));
                self.actions.push_back(Action::StartFullSync(position));
                self.phase = Phase::SnapshotHeader(position);
            }
            PsyncAnswer::Continue(id) => {
                let Some(position) = &mut self.position else {
                    self.give_up(
                        now_ms,
                        "Master accepted a partial resynchronization that was not requested",
                    );
                    return;
                };
                let changed = id.filter(|id| *id != position.id);
                if let Some(id) = changed {
                    position.id = id;
                }
                self.received = position.offset;
                self.log(Level::Notice, "Successful partial resynchronization with master.");
                if let Some(id) = changed {
                    self.log(Level::Notice, format!("Master replication ID changed to {id}"));
                }
                self.actions.push_back(Action::PartialAccepted { id });
                self.log(
                    Level::Notice,
                    "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.",
                );
                self.go_online(now_ms);
                // Redis leaves the first one to the next second; `WAIT` and `INFO` on the master
                // need not wait for it.
                self.acknowledge();
            }
            PsyncAnswer::Refused(level, line) => {
                self.log(level, line);
                self.hang_up(now_ms);
            }
        }
    }

    fn go_online(&mut self, now_ms: u64) {
        self.down_since_ms = None;
        self.last_io_ms = now_ms;
        self.phase = Phase::Online { next_ack_ms: now_ms.saturating_add(self.config.ack_period_ms) };
    }

    fn take_snapshot_header(&mut self, now_ms: u64, position: Position, line: &str) {
        if let Some(error) = line.strip_prefix('-') {
            return self.give_up(now_ms, format!("MASTER aborted replication with an error: {error}"));
        }
        let Some(framing) = line.strip_prefix('$').and_then(|header| Framing::parse(header.as_bytes()))
        else {
            return self.give_up(
                now_ms,
                format!(
                    "Bad protocol from MASTER, the first byte is not '$' (we received '{line}'), are you sure the \
                     host and port are right?"
                ),
            );
        };
        let destination = match self.config.destination {
            Destination::Disk => "to disk",
            Destination::Parser => "to parser",
        };
        let size = framing.size();
        self.log(
            Level::Notice,
            match size {
                SnapshotSize::Known(bytes) => {
                    format!("MASTER <-> REPLICA sync: receiving {bytes} bytes from master {destination}")
                }
                SnapshotSize::Unknown => format!(
                    "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF {destination}"
                ),
            },
        );
        self.actions.push_back(Action::SnapshotStart(size));
        self.phase = Phase::Snapshot(position, framing);
        self.snapshot(now_ms, &[], 0);
    }

    fn snapshot(&mut self, now_ms: u64, input: &[u8], at: usize) -> usize {
        let Phase::Snapshot(position, framing) = &mut self.phase else { return input.len() };
        let position = *position;
        let taken = framing.take(input, at);
        self.actions.extend(taken.parts.into_iter().map(Action::Snapshot));
        let Some(done_at) = taken.done_at else { return input.len() };
        self.actions.push_back(Action::SnapshotDone);
        self.phase = Phase::Loading {
            position,
            early: Vec::new(),
            closed: Connection::Open,
            next_newline_ms: now_ms.saturating_add(self.config.ack_period_ms),
        };
        done_at
    }

    fn loaded(&mut self, now_ms: u64) {
        let Phase::Loading { position, early, closed, .. } = &mut self.phase else { return };
        let (position, early, closed) = (*position, std::mem::take(early), *closed);
        self.position = Some(position);
        self.received = position.offset;
        self.log(Level::Notice, "MASTER <-> REPLICA sync: Finished with success");
        self.go_online(now_ms);
        if closed == Connection::Closed {
            return self.lost(now_ms);
        }
        // A master that marked the snapshot's end waits for this before it sends the stream.
        self.acknowledge();
        if !early.is_empty() {
            self.stream(Payload::Kept(early), &[]);
        }
    }

    fn load_failed(&mut self, now_ms: u64, reason: &str) {
        if !matches!(self.phase, Phase::Loading { .. }) {
            return;
        }
        self.position = None;
        let source = match self.config.destination {
            Destination::Disk => "disk",
            Destination::Parser => "socket",
        };
        self.give_up(
            now_ms,
            format!("Failed trying to load the MASTER synchronization DB from {source}: {reason}"),
        );
    }
}
