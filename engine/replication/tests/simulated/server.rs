//! One server: what the shell around the machines does, in its shortest form.

use topple_replication::history::{History, OwnReplicas, Psync, PsyncRequest};
use topple_replication::id::{Position, ReplId};
use topple_replication::master::{Peer, PeerState, Replconf};
use topple_replication::replica::{Action, Input, Link, LinkState};
use topple_replication::stream;

use super::Random;

const SNAPSHOT_TAKES_MS: u64 = 20;
const PING_PERIOD_MS: u64 = 500;

/// How a master sends its snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Snapshots {
    WithLength,
    WithMark,
}

/// A connection of a replica, as its master has it.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) replica: usize,
    pub(crate) peer: Peer,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// The stream since the snapshot was begun.
    held: Vec<u8>,
    snapshot: Vec<u8>,
    ready_at_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) history: History,
    pub(crate) log: Vec<u8>,
    pub(crate) attached: Vec<Attached>,
    pub(crate) snapshots: Snapshots,
    pub(crate) fulls: usize,
    pub(crate) partials: usize,
    pub(crate) link: Option<Link>,
    pub(crate) master: Option<usize>,
    /// The replica's end of its connection to the master.
    pub(crate) connected: bool,
    pub(crate) bytes_left: Option<usize>,
    pub(crate) to_master: Vec<u8>,
    /// The history changed: this server's own replicas must come again.
    pub(crate) must_drop_replicas: bool,
    incoming: Vec<u8>,
    target: Option<Position>,
    stream: Vec<u8>,
    pub(crate) lines: Vec<String>,
}

impl Server {
    pub(crate) fn new(id: ReplId) -> Self {
        Server {
            history: History::new(id),
            log: Vec::new(),
            attached: Vec::new(),
            snapshots: Snapshots::WithLength,
            fulls: 0,
            partials: 0,
            link: None,
            master: None,
            connected: false,
            bytes_left: None,
            to_master: Vec::new(),
            must_drop_replicas: false,
            incoming: Vec::new(),
            target: None,
            stream: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// A client's write.
    pub(crate) fn write(&mut self, letter: u8) {
        self.log.push(letter);
        self.propagate(&stream::command(&[b"WRITE", &[letter]]));
    }

    fn propagate(&mut self, bytes: &[u8]) {
        self.history.feed(bytes);
        for attached in &mut self.attached {
            match attached.peer.state() {
                PeerState::Handshake | PeerState::WaitBgsaveStart => {}
                PeerState::WaitBgsaveEnd | PeerState::SendBulk | PeerState::AwaitAck => {
                    attached.held.extend_from_slice(bytes);
                }
                PeerState::Online => attached.outbox.extend_from_slice(bytes),
            }
        }
    }

    pub(crate) fn tick(&mut self, now_ms: u64, random: &mut Random) {
        if self.link.as_ref().is_some_and(|link| link.next_timeout() <= now_ms) {
            self.handle(now_ms, Input::Timeout, b"");
        }
        if self.link.is_none() && !self.attached.is_empty() && now_ms.is_multiple_of(PING_PERIOD_MS) {
            self.propagate(stream::PING);
        }
        for attached in &mut self.attached {
            if attached.peer.state() == PeerState::WaitBgsaveEnd {
                attached.outbox.extend_from_slice(stream::NEWLINE);
                if now_ms >= attached.ready_at_ms {
                    attached.send_snapshot(now_ms, self.snapshots, &random.id());
                }
            }
        }
    }

    // As a master.

    pub(crate) fn attach(&mut self, replica: usize) {
        self.attached.push(Attached {
            replica,
            peer: Peer::new("10.0.0.2"),
            inbox: Vec::new(),
            outbox: Vec::new(),
            held: Vec::new(),
            snapshot: Vec::new(),
            ready_at_ms: 0,
        });
    }

    pub(crate) fn take_output(&mut self, replica: usize) -> Vec<u8> {
        let attached = self.attached.iter_mut().find(|attached| attached.replica == replica);
        attached.map(|attached| std::mem::take(&mut attached.outbox)).unwrap_or_default()
    }

    pub(crate) fn receive(&mut self, now_ms: u64, replica: usize, bytes: &[u8], random: &mut Random) {
        let Some(index) = self.attached.iter().position(|attached| attached.replica == replica) else {
            return;
        };
        self.attached[index].inbox.extend_from_slice(bytes);
        while let Some((words, length)) = first_command(&self.attached[index].inbox) {
            self.attached[index].inbox.drain(..length);
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            match words.as_slice() {
                [] => self.attached[index].peer.newline(now_ms),
                [b"PING"] => self.attached[index].outbox.extend_from_slice(b"+PONG\r\n"),
                [b"REPLCONF", options @ ..] => self.attached[index].replconf(now_ms, options),
                [b"PSYNC", id, offset] => {
                    let request = PsyncRequest::parse(id, offset).expect("an integer");
                    self.psync(now_ms, index, request, random.id());
                }
                words => panic!("unexpected {words:?}"),
            }
        }
    }

    fn psync(&mut self, now_ms: u64, index: usize, request: PsyncRequest, new_id: ReplId) {
        if self.link.as_ref().is_some_and(|link| link.state() != LinkState::Online) {
            let refusal = b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n";
            return self.attached[index].outbox.extend_from_slice(refusal);
        }
        match self.history.try_partial(request) {
            Psync::Continue { from } => {
                self.partials += 1;
                let line = stream::continue_line(self.history.id(), self.attached[index].peer.knows_psync2());
                let (first, second) =
                    self.history.backlog().and_then(|backlog| backlog.copy_from(from)).expect("it said so");
                self.attached[index].outbox.extend([&line, first, second].concat());
                self.attached[index].peer.online(now_ms);
            }
            Psync::Full { .. } => {
                self.fulls += 1;
                self.history.create_backlog_with(new_id);
                let offset = self.history.offset();
                let attached = &mut self.attached[index];
                attached.peer.wait_for_snapshot();
                attached.peer.snapshot_begun(offset);
                attached.outbox.extend(stream::full_resync_line(self.history.id(), offset));
                attached.snapshot.clone_from(&self.log);
                attached.ready_at_ms = now_ms + SNAPSHOT_TAKES_MS;
            }
        }
    }

    // As a replica.

    pub(crate) fn handle(&mut self, now_ms: u64, input: Input<'_>, bytes: &[u8]) {
        if let Some(link) = &mut self.link {
            link.handle(now_ms, input);
            self.act(now_ms, bytes);
        }
    }

    pub(crate) fn act(&mut self, now_ms: u64, input: &[u8]) {
        while let Some(action) = self.link.as_mut().and_then(Link::poll_action) {
            match action {
                Action::Connect { .. } => {}
                Action::Send(bytes) => self.to_master.extend(bytes),
                Action::StartFullSync(position) => self.target = Some(position),
                Action::SnapshotStart(_) => self.incoming.clear(),
                Action::Snapshot(part) => self.incoming.extend_from_slice(part.bytes(input)),
                Action::SnapshotDone => {
                    self.log = std::mem::take(&mut self.incoming);
                    self.history.adopt(self.target.take().expect("told before"));
                    self.must_drop_replicas = true;
                    self.handle_loaded(now_ms);
                }
                Action::PartialAccepted { id } => {
                    self.must_drop_replicas |= self.history.go_on(id) == OwnReplicas::MustReconnect;
                }
                Action::HandoverAccepted | Action::HandoverRefused => {
                    unreachable!("nobody is asked to take over")
                }
                Action::Stream(part) => {
                    self.stream.extend_from_slice(part.bytes(input));
                    self.apply();
                }
                Action::Disconnect => {
                    self.connected = false;
                    self.stream.clear();
                    self.to_master.clear();
                }
                Action::Log(_, line) => self.lines.push(line),
            }
        }
    }

    fn handle_loaded(&mut self, now_ms: u64) {
        if let Some(link) = &mut self.link {
            link.handle(now_ms, Input::Loaded);
        }
    }

    fn apply(&mut self) {
        while let Some((words, length)) = first_command(&self.stream) {
            let raw: Vec<u8> = self.stream.drain(..length).collect();
            if let [b"WRITE", letter] = words.iter().map(Vec::as_slice).collect::<Vec<_>>().as_slice() {
                self.log.extend_from_slice(letter);
            }
            self.propagate(&raw);
            self.link.as_mut().expect("the stream comes from it").applied(length as u64);
        }
    }
}

impl Attached {
    fn replconf(&mut self, now_ms: u64, options: &[&[u8]]) {
        match self.peer.replconf(now_ms, options) {
            Replconf::Ok => self.outbox.extend_from_slice(b"+OK\r\n"),
            Replconf::StartStream => self.outbox.append(&mut self.held),
            Replconf::Silent => {}
            other => panic!("unexpected {other:?}"),
        }
    }

    fn send_snapshot(&mut self, now_ms: u64, snapshots: Snapshots, mark: &ReplId) {
        self.peer.sending();
        let mut snapshot = std::mem::take(&mut self.snapshot);
        match snapshots {
            Snapshots::WithLength => {
                self.outbox.extend(stream::snapshot_length_line(snapshot.len() as u64));
                self.outbox.append(&mut snapshot);
                self.outbox.append(&mut self.held);
                self.peer.online(now_ms);
            }
            Snapshots::WithMark => {
                self.outbox.extend(stream::snapshot_mark_line(mark));
                self.outbox.append(&mut snapshot);
                self.outbox.extend_from_slice(mark.as_bytes());
                self.peer.await_ack(now_ms);
            }
        }
    }
}

/// The words of the first whole command, and its length; no words for an empty line.
fn first_command(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    if bytes.first() == Some(&b'\n') {
        return Some((Vec::new(), 1));
    }
    let mut at = 0;
    let count = number(bytes, &mut at, b'*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number(bytes, &mut at, b'$')?;
        words.push(bytes.get(at..at + length)?.to_vec());
        bytes.get(at + length..at + length + 2)?;
        at += length + 2;
    }
    Some((words, at))
}

fn number(bytes: &[u8], at: &mut usize, kind: u8) -> Option<usize> {
    let rest = bytes.get(*at..)?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    assert_eq!(rest[0], kind, "{}", bytes.escape_ascii());
    *at += end + 1;
    Some(std::str::from_utf8(&rest[1..end - 1]).expect("digits").parse().expect("a number"))
}
