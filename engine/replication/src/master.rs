//! The master's side: what it knows of each replica that is attached to it.
//!
//! A [`Peer`] belongs to a client connection from its first `REPLCONF` or `PSYNC` on. Deciding
//! when a snapshot is made, and moving bytes, is the server's business; it tells the peer.

use std::fmt;

use crate::id::Offset;
use crate::stream::KnowsPsync2;

/// How far a replica has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// It has said who it is, but has not asked for anything yet.
    Handshake,
    /// It waits for a snapshot to be begun.
    WaitBgsaveStart,
    /// It waits for the snapshot being made, whose offset it has been told.
    WaitBgsaveEnd,
    /// It is being sent the snapshot.
    SendBulk,
    /// It has been sent a snapshot with an end mark. The stream starts when it acknowledges,
    /// because a mark is only found when nothing follows it.
    AwaitAck,
    /// It is sent the stream.
    Online,
}

impl fmt::Display for PeerState {
    /// As `INFO replication` says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PeerState::Handshake => "handshake",
            PeerState::WaitBgsaveStart | PeerState::WaitBgsaveEnd => "wait_bgsave",
            PeerState::SendBulk => "send_bulk",
            PeerState::AwaitAck | PeerState::Online => "online",
        })
    }
}

/// Whether a replica can find the end of a snapshot by its mark (`capa eof`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KnowsEof {
    /// It announced so.
    Yes,
    /// It needs the length in advance.
    #[default]
    No,
}

/// What a client that does as a replica wants (`REPLCONF rdb-only`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wants {
    /// The snapshot and the stream after it.
    #[default]
    Stream,
    /// A snapshot only, as `redis-cli --rdb` does.
    SnapshotOnly,
}

/// What to do after a `REPLCONF`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replconf {
    /// Answer `+OK`.
    Ok,
    /// Answer nothing: it was an acknowledgement.
    Silent,
    /// Answer nothing, and begin to send the stream: it was the first acknowledgement after a
    /// snapshot with an end mark.
    StartStream,
    /// `GETACK`: when it came from this server's own master, acknowledge
    /// ([`crate::replica::Link::acknowledge`]) before the command itself is counted as applied.
    SendAck,
    /// Answer with this error, `-` and line end to be added.
    Error(String),
}

/// Longest `ip-address` that is taken.
const LONGEST_HOST: usize = 255;

/// One replica, as its master sees it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address that the connection comes from.
    connected_ip: String,
    announced_ip: Option<String>,
    listening_port: u16,
    eof: KnowsEof,
    psync2: KnowsPsync2,
    wants: Wants,
    version: Option<String>,
    state: PeerState,
    initial_offset: Offset,
    ack_offset: Offset,
    fsynced_offset: Option<Offset>,
    ack_at_ms: u64,
}

impl Peer {
    /// A client at address `ip` that begins to act as a replica.
    #[must_use]
    pub fn new(ip: &str) -> Self {
        Peer {
            connected_ip: ip.to_owned(),
            announced_ip: None,
            listening_port: 0,
            eof: KnowsEof::No,
            psync2: KnowsPsync2::No,
            wants: Wants::Stream,
            version: None,
            state: PeerState::Handshake,
            initial_offset: Offset(0),
            ack_offset: Offset(0),
            fsynced_offset: None,
            ack_at_ms: 0,
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn state(&self) -> PeerState {
        self.state
    }

    /// The address it is known by: the one it announced, or the connection's.
    #[must_use]
    pub fn ip(&self) -> &str {
        self.announced_ip.as_deref().unwrap_or(&self.connected_ip)
    }

    /// The port it said it listens on; 0 when it said nothing.
    #[must_use]
    pub fn listening_port(&self) -> u16 {
        self.listening_port
    }

    /// What log lines call it, for a client whose own address is `ip:port`.
    #[must_use]
    pub fn name(&self, client_port: u16) -> String {
        match self.listening_port {
            0 => format!("{}:<unknown-replica-port> (client port {client_port})", self.ip()),
            port => format!("{}:{port}", self.ip()),
        }
    }

    /// Whether a snapshot may be sent with an end mark.
    #[must_use]
    pub fn knows_eof(&self) -> KnowsEof {
        self.eof
    }

    /// Whether it is told the id when it goes on.
    #[must_use]
    pub fn knows_psync2(&self) -> KnowsPsync2 {
        self.psync2
    }

    /// Whether it wants more than a snapshot.
    #[must_use]
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// The version it announced.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The offset told with `+FULLRESYNC`: the stream after it is to be sent once the snapshot is
    /// through.
    #[must_use]
    pub fn initial_offset(&self) -> Offset {
        self.initial_offset
    }

    /// The greatest offset it acknowledged.
    #[must_use]
    pub fn ack_offset(&self) -> Offset {
        self.ack_offset
    }

    /// The greatest offset it acknowledged as being on its disk (`FACK`).
    #[must_use]
    pub fn fsynced_offset(&self) -> Option<Offset> {
        self.fsynced_offset
    }

    /// It needs a snapshot that has not been begun.
    pub fn wait_for_snapshot(&mut self) {
        self.state = PeerState::WaitBgsaveStart;
    }

    /// A snapshot of the data at `offset` has been begun, and the replica told so.
    pub fn snapshot_begun(&mut self, offset: Offset) {
        self.state = PeerState::WaitBgsaveEnd;
        self.initial_offset = offset;
    }

    /// The snapshot is there and its first byte is about to be sent.
    pub fn sending(&mut self) {
        self.state = PeerState::SendBulk;
    }

    /// A snapshot of known length has been sent, or the replica goes on without one.
    pub fn online(&mut self, now_ms: u64) {
        self.state = PeerState::Online;
        self.ack_at_ms = now_ms;
    }

    /// A snapshot has been sent with its end mark.
    pub fn await_ack(&mut self, now_ms: u64) {
        self.state = PeerState::AwaitAck;
        self.ack_at_ms = now_ms;
    }

    /// An empty line: the replica is loading, and alive.
    pub fn newline(&mut self, now_ms: u64) {
        self.ack_at_ms = now_ms;
    }

    /// Whether it is counted as a replica that works: it has all there was at some moment.
    #[must_use]
    pub fn is_online(&self) -> bool {
        matches!(self.state, PeerState::Online | PeerState::AwaitAck)
    }

    /// Milliseconds since it was last heard of; 0 until it is online.
    #[must_use]
    pub fn lag_ms(&self, now_ms: u64) -> u64 {
        if self.is_online() { now_ms.saturating_sub(self.ack_at_ms) } else { 0 }
    }

    /// Whether it has been silent for longer than `repl-timeout`; Redis then logs
    /// `Disconnecting timedout replica (streaming sync): NAME`.
    #[must_use]
    pub fn timed_out(&self, now_ms: u64, timeout_ms: u64) -> bool {
        self.lag_ms(now_ms) > timeout_ms
    }

    /// The value of its line in `INFO replication` (`slave0:` and so on before it).
    #[must_use]
    pub fn info_line(&self, now_ms: u64) -> String {
        format!(
            "ip={},port={},state={},offset={},lag={}",
            self.ip(),
            self.listening_port,
            self.state,
            self.ack_offset,
            self.lag_ms(now_ms) / 1_000
        )
    }

    /// Carries out a `REPLCONF`; `words` are what follows the command's name.
    pub fn replconf(&mut self, now_ms: u64, words: &[&[u8]]) -> Replconf {
        if !words.len().is_multiple_of(2) {
            return Replconf::Error("ERR syntax error".to_owned());
        }
        for pair in words.chunks_exact(2) {
            let (option, value) = (pair[0].to_ascii_lowercase(), pair[1]);
            let done = match option.as_slice() {
                b"listening-port" => self.set_listening_port(value),
                b"ip-address" => self.set_announced_ip(value),
                b"capa" => self.add_capability(value),
                b"version" => {
                    self.version = Some(String::from_utf8_lossy(value).into_owned());
                    Ok(())
                }
                b"rdb-only" => self.set_wants(value),
                b"ack" => return self.acknowledged(now_ms, words),
                b"getack" => return Replconf::SendAck,
                _ => Err(format!("ERR Unrecognized REPLCONF option: {}", String::from_utf8_lossy(pair[0]))),
            };
            if let Err(error) = done {
                return Replconf::Error(error);
            }
        }
        Replconf::Ok
    }

    fn set_listening_port(&mut self, value: &[u8]) -> Result<(), String> {
        self.listening_port = integer(value)?;
        Ok(())
    }

    fn set_announced_ip(&mut self, value: &[u8]) -> Result<(), String> {
        if value.len() > LONGEST_HOST {
            let length = value.len();
            return Err(format!(
                "ERR REPLCONF ip-address provided by replica instance is too long: {length} bytes"
            ));
        }
        let ip = String::from_utf8_lossy(value).into_owned();
        self.announced_ip = Some(ip).filter(|ip| !ip.is_empty());
        Ok(())
    }

    /// Capabilities this side does not know are for later versions, and no error.
    fn add_capability(&mut self, value: &[u8]) -> Result<(), String> {
        match value.to_ascii_lowercase().as_slice() {
            b"eof" => self.eof = KnowsEof::Yes,
            b"psync2" => self.psync2 = KnowsPsync2::Yes,
            _ => {}
        }
        Ok(())
    }

    fn set_wants(&mut self, value: &[u8]) -> Result<(), String> {
        self.wants = match integer::<u64>(value)? {
            1 => Wants::SnapshotOnly,
            _ => Wants::Stream,
        };
        Ok(())
    }

    /// `ACK <offset> [FACK <fsynced offset>]`. Offsets never go back; what is malformed, or comes
    /// from a client that is not being sent a stream, is passed over, as the peer expects no
    /// answer.
    fn acknowledged(&mut self, now_ms: u64, words: &[&[u8]]) -> Replconf {
        if self.state == PeerState::Handshake {
            return Replconf::Silent;
        }
        for pair in words.chunks_exact(2) {
            let Some(offset) = Offset::parse(pair[1]) else {
                return Replconf::Silent;
            };
            if pair[0].eq_ignore_ascii_case(b"ack") {
                self.ack_offset = self.ack_offset.max(offset);
            } else if pair[0].eq_ignore_ascii_case(b"fack") {
                self.fsynced_offset = self.fsynced_offset.max(Some(offset));
            }
        }
        self.ack_at_ms = now_ms;
        if self.state == PeerState::AwaitAck {
            self.state = PeerState::Online;
            return Replconf::StartStream;
        }
        Replconf::Silent
    }
}

fn integer<T: std::str::FromStr>(value: &[u8]) -> Result<T, String> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| "ERR value is not an integer or out of range".to_owned())
}

/// How many replicas have everything up to `offset`: the answer to `WAIT`.
pub fn acknowledged_by<'a>(peers: impl IntoIterator<Item = &'a Peer>, offset: Offset) -> usize {
    peers.into_iter().filter(|peer| peer.is_online() && peer.ack_offset >= offset).count()
}

/// How many replicas have everything up to `offset` on disk: the answer to `WAITAOF`.
pub fn fsynced_by<'a>(peers: impl IntoIterator<Item = &'a Peer>, offset: Offset) -> usize {
    peers.into_iter().filter(|peer| peer.is_online() && peer.fsynced_offset >= Some(offset)).count()
}

/// How many replicas are fit to be counted for `min-replicas-to-write`: online, and heard of
/// within `min-replicas-max-lag`. Compared in whole seconds, as Redis does.
pub fn good_replicas<'a>(peers: impl IntoIterator<Item = &'a Peer>, now_ms: u64, max_lag_s: u64) -> usize {
    peers.into_iter().filter(|peer| peer.is_online() && peer.lag_ms(now_ms) / 1_000 <= max_lag_s).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replconf(peer: &mut Peer, now_ms: u64, line: &str) -> Replconf {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        peer.replconf(now_ms, &words)
    }

    fn error(text: &str) -> Replconf {
        Replconf::Error(text.to_owned())
    }

    #[test]
    fn learns_who_it_is() {
        let mut peer = Peer::new("10.0.0.9");
        assert_eq!(peer.name(555), "10.0.0.9:<unknown-replica-port> (client port 555)");
        assert_eq!(replconf(&mut peer, 0, "listening-port 6380"), Replconf::Ok);
        assert_eq!(peer.name(555), "10.0.0.9:6380");
        assert_eq!(replconf(&mut peer, 0, "IP-address replica.example"), Replconf::Ok);
        assert_eq!(replconf(&mut peer, 0, "capa eof capa psync2 capa later"), Replconf::Ok);
        assert_eq!(replconf(&mut peer, 0, "version 7.2.4"), Replconf::Ok);
        assert_eq!(replconf(&mut peer, 0, "rdb-only 1"), Replconf::Ok);
        assert_eq!((peer.ip(), peer.listening_port()), ("replica.example", 6380));
        assert_eq!((peer.knows_eof(), peer.knows_psync2()), (KnowsEof::Yes, KnowsPsync2::Yes));
        assert_eq!((peer.version(), peer.wants()), (Some("7.2.4"), Wants::SnapshotOnly));
    }

    #[test]
    fn refuses_what_is_wrong() {
        let mut peer = Peer::new("10.0.0.9");
        assert_eq!(replconf(&mut peer, 0, "listening-port"), error("ERR syntax error"));
        let not_an_integer = "ERR value is not an integer or out of range";
        assert_eq!(replconf(&mut peer, 0, "listening-port x"), error(not_an_integer));
        assert_eq!(replconf(&mut peer, 0, "listening-port 65536"), error(not_an_integer));
        assert_eq!(replconf(&mut peer, 0, "Nonsense 1"), error("ERR Unrecognized REPLCONF option: Nonsense"));
        let long = "x".repeat(256);
        assert_eq!(
            replconf(&mut peer, 0, &format!("ip-address {long}")),
            error("ERR REPLCONF ip-address provided by replica instance is too long: 256 bytes")
        );
    }

    #[test]
    fn a_marked_snapshot_is_followed_by_the_stream_only_after_an_acknowledgement() {
        let mut peer = Peer::new("10.0.0.9");
        assert_eq!(replconf(&mut peer, 5, "ACK 99"), Replconf::Silent);
        assert_eq!(peer.ack_offset(), Offset(0), "not a replica yet");
        peer.wait_for_snapshot();
        assert_eq!(peer.info_line(9_000), "ip=10.0.0.9,port=0,state=wait_bgsave,offset=0,lag=0");
        peer.snapshot_begun(Offset(100));
        peer.sending();
        assert_eq!(peer.info_line(9_000), "ip=10.0.0.9,port=0,state=send_bulk,offset=0,lag=0");
        peer.await_ack(10_000);
        peer.newline(12_000);
        assert_eq!(peer.info_line(13_500), "ip=10.0.0.9,port=0,state=online,offset=0,lag=1");
        assert_eq!(replconf(&mut peer, 14_000, "ACK 100"), Replconf::StartStream);
        assert_eq!(replconf(&mut peer, 15_000, "ACK 150 FACK 120"), Replconf::Silent);
        assert_eq!(replconf(&mut peer, 16_000, "ack 140"), Replconf::Silent);
        assert_eq!((peer.ack_offset(), peer.fsynced_offset()), (Offset(150), Some(Offset(120))));
        assert_eq!(peer.info_line(16_000), "ip=10.0.0.9,port=0,state=online,offset=150,lag=0");
        assert_eq!(replconf(&mut peer, 16_000, "GETACK *"), Replconf::SendAck);
        assert!(!peer.timed_out(76_000, 60_000));
        assert!(peer.timed_out(76_001, 60_000));
    }

    #[test]
    fn counts_replicas() {
        let peers: Vec<Peer> = [(0, 10), (5_000, 20), (9_000, 30)]
            .into_iter()
            .map(|(ack_at_ms, offset)| {
                let mut peer = Peer::new("10.0.0.9");
                peer.online(0);
                peer.replconf(ack_at_ms, &[b"ACK", format!("{offset}").as_bytes()]);
                peer
            })
            .chain([Peer::new("10.0.0.10")])
            .collect();
        assert_eq!(acknowledged_by(&peers, Offset(20)), 2);
        assert_eq!(acknowledged_by(&peers, Offset(0)), 3);
        assert_eq!(fsynced_by(&peers, Offset(0)), 0);
        assert_eq!(good_replicas(&peers, 10_000, 5), 2);
        assert_eq!(good_replicas(&peers, 10_999, 5), 2);
        assert_eq!(good_replicas(&peers, 11_000, 5), 1);
    }
}
