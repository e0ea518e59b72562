//! A whole server without sockets, files or a clock: clients are handles, time is a number.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use keyspace::{Db, WallMs};
use types::Now;

use crate::config::{Config, Level, LogLevel};
use crate::snapshot::SnapshotInfo;
use crate::{
    Appended, Begin, ClientId, Figures, Garbage, Host, Identity, Journal, LinkInput, MasterRequest, Peer,
    Server, SnapshotResult, SnapshotTarget, SyncState, Then,
};

/// What the server asked of the outside.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) log: Vec<String>,
    pub(crate) snapshots: Vec<SnapshotTarget>,
    /// Offset and database of the last snapshot begun.
    position: Option<(u64, i64)>,
    saves: usize,
    /// Goes on a microsecond whenever it is read.
    clock_ns: u64,
    /// The snapshot file.
    saved: Vec<u8>,
    pub(crate) written: Vec<String>,
    /// Files of the append-only file by name, which of them grows, and what syncing it has come to.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) grows: Option<String>,
    pub(crate) syncing: SyncState,
    pub(crate) sync_marks: Vec<u64>,
    /// Bytes the disk still takes.
    pub(crate) room_bytes: Option<usize>,
    pub(crate) exited: Option<i32>,
    pub(crate) fails: bool,
    /// How far the clock goes with each look at it, beyond a microsecond.
    pub(crate) clock_step_us: u64,
}

/// Files that are but bytes.
struct MemoryJournal(Rc<RefCell<Outside>>);

impl Journal for MemoryJournal {
    fn open(&mut self, path: &str, begin: Begin, _: u64) -> Result<u64, String> {
        let mut outside = self.0.borrow_mut();
        let file = outside.files.entry(path.into()).or_default();
        if begin == Begin::Empty {
            file.clear();
        }
        let length = file.len() as u64;
        outside.grows = Some(path.into());
        Ok(length)
    }
    fn close(&mut self) {
        self.0.borrow_mut().grows = None;
    }
    fn append(&mut self, bytes: &[u8]) -> Appended {
        let mut outside = self.0.borrow_mut();
        let room = outside.room_bytes.unwrap_or(usize::MAX).min(bytes.len());
        if let Some(left) = &mut outside.room_bytes {
            *left -= room;
        }
        let grows = outside.grows.clone().expect("an open file");
        outside.files.get_mut(&grows).expect("a file").extend_from_slice(&bytes[..room]);
        let error = (room < bytes.len()).then(|| "No space left on device".into());
        Appended { bytes: room, error }
    }
    fn shorten(&mut self, length: u64) -> Result<(), String> {
        let path = self.0.borrow().grows.clone().expect("an open file");
        self.truncate(&path, length)
    }
    fn sync(&mut self) -> Result<(), String> {
        Ok(())
    }
    fn sync_aside(&mut self, mark: u64) {
        let mut outside = self.0.borrow_mut();
        outside.sync_marks.push(mark);
        outside.syncing.pending += 1;
    }
    fn settle(&mut self) {
        self.0.borrow_mut().syncing = SyncState::default();
    }
    fn length(&self, path: &str) -> Result<Option<u64>, String> {
        Ok(self.0.borrow().files.get(path).map(|file| file.len() as u64))
    }
    fn read(&mut self, path: &str, offset: u64, most: usize) -> Result<Vec<u8>, String> {
        let outside = self.0.borrow();
        Ok(outside.files[path].iter().skip(offset as usize).take(most).copied().collect())
    }
    fn is_directory(&self, path: &str) -> bool {
        self.0.borrow().files.keys().any(|name| name.starts_with(&format!("{path}/")))
    }
    fn make_directory(&mut self, _: &str) -> Result<(), String> {
        if self.0.borrow().fails { Err("Read-only file system".into()) } else { Ok(()) }
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        let mut outside = self.0.borrow_mut();
        let file = outside.files.remove(from).ok_or("No such file or directory")?;
        outside.files.insert(to.into(), file);
        if outside.grows.as_deref() == Some(from) {
            outside.grows = Some(to.into());
        }
        Ok(())
    }
    fn remove(&mut self, path: &str) {
        self.0.borrow_mut().files.remove(path);
    }
    fn truncate(&mut self, path: &str, length: u64) -> Result<(), String> {
        let mut outside = self.0.borrow_mut();
        let file = outside.files.entry(path.into()).or_default();
        file.truncate(length as usize);
        // What was cut off is room again.
        Ok(())
    }
}

struct MemoryHost(Rc<RefCell<Outside>>, MemoryJournal);

/// A base, as a child would write it.
fn base(dbs: &[Db], info: &SnapshotInfo, file: &mut Vec<u8>) -> Result<(), String> {
    let mut sink = |piece: &[u8]| {
        file.extend_from_slice(piece);
        Ok(())
    };
    crate::snapshot::write(dbs, info, &mut sink, &mut |_| {}).map(drop).map_err(|error| error.to_string())
}

impl Host for MemoryHost {
    fn log(&mut self, _: Level, text: &str) {
        self.0.borrow_mut().log.push(text.to_string());
    }
    fn role_changed(&mut self, _: bool) {}
    fn log_level_changed(&mut self, _: LogLevel) {}
    fn figures(&mut self) -> Figures {
        Figures::default()
    }
    fn save(&mut self, path: &str, dbs: &[Db], info: &SnapshotInfo) -> Result<(), String> {
        let mut outside = self.0.borrow_mut();
        if info.aof_base.is_some() {
            let file = outside.files.entry(path.into()).or_default();
            return base(dbs, info, file);
        }
        outside.saves += 1;
        outside.saved.clear();
        let saved = &mut outside.saved;
        let mut sink = |piece: &[u8]| {
            saved.extend_from_slice(piece);
            Ok(())
        };
        crate::snapshot::write(dbs, info, &mut sink, &mut |_| {}).unwrap();
        if outside.fails { Err("disk full".into()) } else { Ok(()) }
    }
    fn read_snapshot(
        &mut self,
        _: &str,
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let saved = self.0.borrow().saved.clone();
        feed(&saved)
    }
    fn start_snapshot(
        &mut self,
        target: SnapshotTarget,
        _: &str,
        dbs: &[Db],
        info: &SnapshotInfo,
    ) -> Result<u64, String> {
        let mut outside = self.0.borrow_mut();
        if target == SnapshotTarget::Aof {
            let file = outside.files.entry("temp-rewriteaof-bg-1.aof".into()).or_default();
            file.clear();
            base(dbs, info, file)?;
        }
        outside.snapshots.push(target);
        outside.position = info.replication.map(|(_, offset, db)| (offset, db));
        Ok(100)
    }
    fn kill_snapshot(&mut self) {}
    fn journal(&mut self) -> &mut dyn Journal {
        &mut self.1
    }
    fn sync_state(&self) -> SyncState {
        self.0.borrow().syncing.clone()
    }
    fn exit(&mut self, code: i32) {
        self.0.borrow_mut().exited = Some(code);
    }
    fn snapshot_cow_bytes(&self) -> u64 {
        0
    }
    fn entropy(&mut self) -> [u8; 32] {
        [7; 32]
    }
    fn monotonic_ns(&mut self) -> u64 {
        let mut outside = self.0.borrow_mut();
        outside.clock_ns += 1000 + outside.clock_step_us * 1000;
        outside.clock_ns
    }
    fn wall_us(&mut self) -> i64 {
        1_700_000_000_000_007
    }
    fn sleep(&mut self, seconds: f64) {
        self.0.borrow_mut().clock_ns += (seconds * 1e9) as u64;
    }
    fn read_file(&mut self, path: &str) -> Result<String, String> {
        if let Some(file) = self.0.borrow().files.get(path) {
            return Ok(String::from_utf8_lossy(file).into_owned());
        }
        self.0.borrow().written.last().cloned().ok_or_else(|| "no file".into())
    }
    fn write_file(&mut self, path: &str, text: &str) -> Result<(), String> {
        let mut outside = self.0.borrow_mut();
        if outside.fails {
            return Err("disk full".into());
        }
        if path.ends_with(".manifest") {
            outside.files.insert(path.into(), text.as_bytes().to_vec());
            return Ok(());
        }
        outside.written.push(text.to_string());
        Ok(())
    }
    fn change_directory(&mut self, path: &str) -> Result<String, String> {
        Ok(path.to_string())
    }
    fn free(&mut self, _: Garbage) {}
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) outside: Rc<RefCell<Outside>>,
    now_ms: u64,
}

impl World {
    pub(crate) fn new(directives: &[(&str, &str)]) -> Self {
        let mut config = Config::default();
        for (name, value) in directives {
            let words = resp::split::split_words(value.as_bytes()).unwrap();
            config.set_at_start(name, &words).unwrap();
        }
        let outside = Rc::new(RefCell::new(Outside::default()));
        let host = Box::new(MemoryHost(outside.clone(), MemoryJournal(outside.clone())));
        let server = Server::new(config, Identity { seed: 1, ..Identity::default() }, host, at(0));
        World { server, outside, now_ms: 0 }
    }

    pub(crate) fn client(&mut self) -> ClientId {
        let peer = Peer { address: "127.0.0.1:50000".into(), is_local: true, ..Peer::default() };
        self.server.connect(peer, at(self.now_ms)).unwrap()
    }

    /// Sends inline commands; gives the replies with `\r\n` shown as a space.
    pub(crate) fn send(&mut self, id: ClientId, lines: &str) -> String {
        let mut input: Vec<u8> =
            lines.split('\n').flat_map(|line| [line.trim().as_bytes(), b"\r\n"].concat()).collect();
        self.server.handle(id, &mut input, at(self.now_ms));
        self.output(id)
    }

    pub(crate) fn output(&mut self, id: ClientId) -> String {
        let mut out = Vec::new();
        self.server.take_output(id, &mut out);
        String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_string()
    }

    /// A connection ends.
    pub(crate) fn disconnect(&mut self, id: ClientId) {
        self.server.disconnect(id, at(self.now_ms));
    }

    /// The timer goes off.
    pub(crate) fn tick(&mut self) {
        self.now_ms += 1;
        self.server.tick(at(self.now_ms));
    }

    /// The master says something.
    fn hear(&mut self, bytes: &[u8]) {
        self.server.link_input(LinkInput::Bytes(bytes), at(self.now_ms));
    }

    /// What this server wants of its link, as text.
    fn requests(&mut self) -> String {
        let shown = |request| match request {
            MasterRequest::Send(bytes) => String::from_utf8_lossy(&bytes).replace("\r\n", " "),
            other => format!("{other:?}"),
        };
        self.server.take_master_requests().into_iter().map(shown).collect()
    }

    /// A replica whose master has sent it an empty snapshot of its data at offset 100, `db` being selected.
    fn replica(db: i64) -> Self {
        let mut world = World::new(&[("replicaof", "127.0.0.1 1")]);
        world.server.start_replication(at(0));
        world.server.link_input(LinkInput::Connected, at(0));
        world.hear(b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
        let info = SnapshotInfo { replication: Some(([b'a'; 40], 100, db)), ..SnapshotInfo::default() };
        let mut file = Vec::new();
        let mut sink = |piece: &[u8]| {
            file.extend_from_slice(piece);
            Ok(())
        };
        crate::snapshot::write(&[], &info, &mut sink, &mut |_| {}).unwrap();
        world.hear(format!("+FULLRESYNC {} 100\r\n${}\r\n", "a".repeat(40), file.len()).as_bytes());
        world.hear(&file);
        assert!(world.requests().ends_with("REPLCONF $3 ACK $3 100 "));
        world
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.server.tick(at(self.now_ms));
    }
}

pub(crate) fn at(ms: u64) -> Now {
    Now { wall: WallMs(1_700_000_000_000 + ms as i64), mono_ms: ms }
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let mut world = World::new(&[]);
    let id = world.client();
    assert_eq!(
        world.send(id, "SET k v\nGET k\nNOSUCH a b\nGET\nPING"),
        "+OK $1 v -ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b'  -ERR wrong number of arguments for 'get' command +PONG"
    );
    // A subcommand's name must not be taken for a command's in the next batch.
    assert_eq!(world.send(id, "CONFIG SET hz 20"), "+OK");
    assert_eq!(
        world.send(id, "SET k w\nCONFIG NOSUCH"),
        "+OK -ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP."
    );
}

#[test]
fn transactions_queue_run_and_fail_as_a_whole() {
    let mut world = World::new(&[]);
    let (a, b) = (world.client(), world.client());
    assert_eq!(world.send(a, "MULTI\nSET k 1\nINCR k\nEXEC"), "+OK +QUEUED +QUEUED *2 +OK :2");
    assert_eq!(
        world.send(a, "MULTI\nSET k\nEXEC"),
        "+OK -ERR wrong number of arguments for 'set' command -EXECABORT Transaction discarded because of previous errors."
    );
    assert_eq!(world.send(a, "WATCH k\nMULTI\nGET k"), "+OK +OK +QUEUED");
    assert_eq!(world.send(b, "SET k 5"), "+OK");
    assert_eq!(world.send(a, "EXEC\nGET k"), "*-1 $1 5");
    assert_eq!(world.send(a, "WATCH k\nMULTI\nGET k"), "+OK +OK +QUEUED");
    assert_eq!(world.send(b, "FLUSHALL"), "+OK");
    assert_eq!(world.send(a, "EXEC"), "*-1");
    assert_eq!(
        world.send(a, "WATCH k\nUNWATCH\nMULTI\nDISCARD\nEXEC"),
        "+OK +OK +OK +OK -ERR EXEC without MULTI"
    );
}

#[test]
fn messages_reach_their_listeners() {
    let mut world = World::new(&[("notify-keyspace-events", "KEA")]);
    let (listener, sender) = (world.client(), world.client());
    assert_eq!(
        world.send(listener, "SUBSCRIBE news\nPSUBSCRIBE __keyevent*"),
        "*3 $9 subscribe $4 news :1 *3 $10 psubscribe $11 __keyevent* :2"
    );
    assert_eq!(world.send(sender, "PUBLISH news hello\nSET k v"), ":1 +OK");
    assert_eq!(
        world.output(listener),
        "*3 $7 message $4 news $5 hello *4 $8 pmessage $11 __keyevent* $18 __keyevent@0__:set $1 k"
    );
    assert!(world.send(listener, "GET k").starts_with("-ERR Can't execute 'get': only (P|S)SUBSCRIBE"));
    let modern = world.client();
    world.send(modern, "HELLO 3\nUNSUBSCRIBE\nSUBSCRIBE news");
    assert_eq!(world.send(modern, "GET k"), "$1 v");
    // In RESP3 a client hears what it publishes itself, behind the reply.
    assert_eq!(world.send(modern, "PUBLISH news x"), ":2 >3 $7 message $4 news $1 x");
}

#[test]
fn keys_expire_by_themselves() {
    let mut world = World::new(&[("notify-keyspace-events", "Ex")]);
    let (listener, client) = (world.client(), world.client());
    world.send(listener, "SUBSCRIBE __keyevent@0__:expired");
    world.output(listener);
    assert_eq!(world.send(client, "SET k v PX 500\nPTTL k"), "+OK :500");
    world.pass(400);
    assert_eq!(world.send(client, "DBSIZE"), ":1");
    world.pass(200);
    assert_eq!(world.send(client, "DBSIZE"), ":0");
    assert_eq!(world.output(listener), "*3 $7 message $22 __keyevent@0__:expired $1 k");
}

#[test]
fn gates_refuse_and_hold_back() {
    let mut world = World::new(&[("requirepass", "secret"), ("min-replicas-to-write", "1")]);
    let id = world.client();
    assert_eq!(
        world.send(id, "GET k\nAUTH wrong\nAUTH secret\nGET k"),
        "-NOAUTH Authentication required. -WRONGPASS invalid username-password pair or user is disabled. +OK $-1"
    );
    assert_eq!(world.send(id, "SET k v"), "-NOREPLICAS Not enough good replicas to write.");
    assert_eq!(world.send(id, "CONFIG SET min-replicas-to-write 0\nSET k v"), "+OK +OK");
    let other = world.client();
    world.send(other, "AUTH secret\nCLIENT PAUSE 1000 WRITE");
    let mut input = b"SET k w\r\nGET k\r\n".to_vec();
    let handled = world.server.handle(id, &mut input, at(world.now_ms));
    assert_eq!((handled.consumed, handled.then), (0, Then::Blocked));
    world.pass(1001);
    assert_eq!(world.server.attention(id), Then::Continue);
    world.server.handle(id, &mut input, at(world.now_ms));
    assert_eq!(world.output(id), "+OK $1 w");
}

#[test]
fn a_failed_snapshot_stops_writes_until_one_succeeds() {
    let mut world = World::new(&[("save", "1 1")]);
    let id = world.client();
    assert_eq!(world.send(id, "SET k v"), "+OK");
    world.pass(2100);
    assert_eq!(world.outside.borrow().snapshots, [SnapshotTarget::File]);
    let failed = SnapshotResult { code: Some(1), ..SnapshotResult::default() };
    world.server.snapshot_ended(failed.clone(), at(world.now_ms));
    assert!(world.send(id, "SET k w").starts_with("-MISCONF "));
    assert!(world.send(id, "PING").starts_with("-MISCONF "));
    world.pass(1000);
    assert_eq!(world.outside.borrow().snapshots.len(), 1, "not tried again at once");
    world.pass(5000);
    assert_eq!(world.outside.borrow().snapshots.len(), 2);
    world.server.snapshot_ended(SnapshotResult { code: Some(0), ..failed }, at(world.now_ms));
    assert_eq!(world.send(id, "SET k w"), "+OK");
    assert!(
        world.outside.borrow().log.iter().any(|line| line == "Background saving terminated with success")
    );
}

#[test]
fn shutdown_saves_when_it_should_and_stays_when_it_cannot() {
    let mut world = World::new(&[("save", "")]);
    let id = world.client();
    world.send(id, "SHUTDOWN");
    assert_eq!((world.server.exit_code(), world.outside.borrow().saves), (Some(0), 0));
    let mut world = World::new(&[("save", "60 1")]);
    let id = world.client();
    world.outside.borrow_mut().fails = true;
    assert_eq!(world.send(id, "SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(world.server.exit_code(), None);
    world.send(id, "SHUTDOWN NOSAVE");
    assert_eq!(world.server.exit_code(), Some(0));
}

#[test]
fn config_set_takes_all_or_nothing() {
    let mut world = World::new(&[]);
    let id = world.client();
    let refused = world.send(id, "CONFIG SET hz 50 timeout x");
    assert_eq!(
        refused,
        "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer"
    );
    assert_eq!(world.send(id, "CONFIG GET hz"), "*2 $2 hz $2 10");
}

#[test]
fn much_output_interrupts_a_pipeline() {
    let mut world = World::new(&[]);
    let id = world.client();
    world.send(id, &format!("SET big {}", "x".repeat(60_000)));
    let mut input = b"GET big\r\n".repeat(100);
    let handled = world.server.handle(id, &mut input, at(0));
    assert_eq!(handled.then, Then::More);
    assert!(handled.consumed < input.len());
    let mut replies = world.output(id).matches("$60000").count();
    let mut rest = input.split_off(handled.consumed);
    while !rest.is_empty() {
        let handled = world.server.handle(id, &mut rest, at(0));
        rest.drain(..handled.consumed);
        replies += world.output(id).matches("$60000").count();
    }
    assert_eq!(replies, 100);
}

#[test]
fn a_transaction_queued_before_a_demotion_does_not_write_after_it() {
    let mut world = World::new(&[]);
    let (writer, other) = (world.client(), world.client());
    assert_eq!(world.send(writer, "MULTI\nSET k v"), "+OK +QUEUED");
    assert_eq!(world.send(other, "REPLICAOF 127.0.0.1 1"), "+OK");
    assert_eq!(
        world.send(writer, "EXEC\nEXEC"),
        "-EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica. \
         -ERR EXEC without MULTI"
    );
    assert_eq!(world.send(other, "DBSIZE\nMULTI\nGET k\nEXEC"), ":0 +OK +QUEUED *1 $-1");
}

#[test]
fn the_stream_goes_on_in_the_snapshots_database() {
    let mut world = World::replica(3);
    let client = world.client();
    world.hear(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    assert_eq!(world.send(client, "GET k\nSELECT 3\nGET k"), "$-1 +OK $1 v");
}

#[test]
fn nothing_behind_a_broken_stream_is_counted() {
    let mut world = World::replica(0);
    let client = world.client();
    world.hear(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n!broken\r\n");
    assert_eq!(world.send(client, "GET k"), "$1 v");
    assert_eq!(world.server.replicating.offset(), 127);
    assert!(world.requests().contains("Disconnect"));
    world.server.link_input(LinkInput::Connected, at(0));
    world.hear(b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    assert!(world.requests().contains("PSYNC $1 ? $2 -1"), "only all the data anew will do");
}

#[test]
fn a_master_that_refuses_is_asked_again_ever_more_slowly() {
    let mut world = World::new(&[("replicaof", "127.0.0.1 1")]);
    world.server.start_replication(at(0));
    let mut attempts = 0;
    for now_ms in 0..10_000 {
        attempts += world.requests().matches("Connect {").count();
        world.server.link_input(LinkInput::Connected, at(now_ms));
        world.server.link_input(LinkInput::Bytes(b"-ERR not you\r\n"), at(now_ms));
        world.server.link_input(LinkInput::Timeout, at(now_ms));
    }
    assert!((10..=20).contains(&attempts), "{attempts} attempts in ten seconds");
}

#[test]
fn a_snapshots_offset_covers_what_was_written_in_the_same_turn() {
    let mut world = World::new(&[("repl-diskless-sync", "no")]);
    let (replica, client) = (world.client(), world.client());
    world.send(replica, "PSYNC ? -1");
    assert_eq!(world.outside.borrow().position, Some((0, 0)));
    world.server.snapshot_ended(SnapshotResult { code: Some(0), ..SnapshotResult::default() }, at(0));
    world.send(client, "SELECT 2\nINCR a\nBGSAVE");
    let position = world.outside.borrow().position;
    assert_eq!(position, Some((world.server.replicating.offset(), 2)));
    assert!(position.unwrap().0 > 0);
    // Inside a transaction it waits for its end, so that no snapshot stands in the middle of one.
    world.server.snapshot_ended(SnapshotResult { code: Some(0), ..SnapshotResult::default() }, at(0));
    assert_eq!(world.send(client, "MULTI\nBGSAVE\nEXEC"), "+OK +QUEUED *1 +Background saving scheduled");
    world.pass(100);
    assert_eq!(world.outside.borrow().snapshots.len(), 3);
}

#[test]
fn nothing_runs_once_the_last_snapshot_is_written() {
    let mut world = World::new(&[("save", "60 1")]);
    let (client, other) = (world.client(), world.client());
    world.send(client, "SHUTDOWN");
    assert_eq!(world.server.exit_code(), Some(0));
    assert_eq!(world.send(other, "SET k v"), "");
    assert_eq!(world.server.key_count(), 0);
}

#[test]
fn what_is_named_reset_is_queued_but_for_reset_itself() {
    let mut world = World::new(&[]);
    let (id, subscriber) = (world.client(), world.client());
    assert_eq!(world.send(id, "MULTI\nSLOWLOG RESET\nLATENCY RESET\nEXEC"), "+OK +QUEUED +QUEUED *2 +OK :0");
    assert_eq!(world.send(id, "MULTI\nRESET\nEXEC"), "+OK +RESET -ERR EXEC without MULTI");
    world.send(subscriber, "SUBSCRIBE news");
    assert!(world.send(subscriber, "SLOWLOG RESET").starts_with("-ERR Can't execute 'slowlog|reset'"));
}

#[test]
fn a_transaction_that_begins_to_follow_leaves_nothing_in_the_stream() {
    let mut world = World::new(&[]);
    let (replica, id) = (world.client(), world.client());
    world.send(replica, "PSYNC ? -1");
    world.send(id, "SET a 1");
    let offset = world.server.replicating.offset();
    let text = "MULTI\nSET a 2\nSET b 2\nREPLICAOF 127.0.0.1 1\nEXEC";
    assert!(world.send(id, text).ends_with("*3 +OK +OK +OK"));
    assert_eq!(world.server.replicating.offset(), offset);
    assert_eq!(world.send(id, "REPLICAOF no one\nSET a 3"), "+OK +OK");
    assert!(world.server.replicating.offset() > offset, "what follows is no part of it");
}
