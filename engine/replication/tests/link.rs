//! What a link says, logs and waits for, as transcripts.

use expect_test::{Expect, expect};
use topple_replication::id::{Offset, Position, ReplId};
use topple_replication::replica::{Action, Destination, Handover, Input, Level, Link, LinkConfig, LinkState};

fn id() -> ReplId {
    ReplId::from_random([0xab; 20])
}

/// A link and all it did.
struct Script {
    link: Link,
    now_ms: u64,
    transcript: String,
}

impl Script {
    fn new(config: LinkConfig, position: Option<Position>) -> Self {
        let mut script =
            Script { link: Link::new(config, position, 0), now_ms: 0, transcript: String::new() };
        script.drain(b"");
        script
    }

    fn plain() -> Self {
        Script::new(LinkConfig::new("10.0.0.1", 6379, 6380), None)
    }

    fn online() -> Self {
        let mut script = Script::new(
            LinkConfig::new("10.0.0.1", 6379, 6380),
            Some(Position { id: id(), offset: Offset(50) }),
        );
        script.input(Input::Connected);
        script.bytes("+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n");
        script.transcript.clear();
        script
    }

    fn at(&mut self, now_ms: u64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }

    fn input(&mut self, input: Input<'_>) -> &mut Self {
        self.link.handle(self.now_ms, input);
        self.drain(b"")
    }

    fn bytes(&mut self, bytes: &str) -> &mut Self {
        self.link.handle(self.now_ms, Input::Bytes(bytes.as_bytes()));
        self.drain(bytes.as_bytes())
    }

    /// Jumps to the next timeout.
    fn timeout(&mut self) -> &mut Self {
        self.now_ms = self.link.next_timeout();
        self.transcript += &format!("at {} ms\n", self.now_ms);
        self.input(Input::Timeout)
    }

    fn drain(&mut self, input: &[u8]) -> &mut Self {
        while let Some(action) = self.link.poll_action() {
            let line = match action {
                Action::Log(Level::Warning, line) => format!("# {line}"),
                Action::Log(_, line) => format!("* {line}"),
                Action::Send(bytes) => format!("send {}", bytes.escape_ascii()),
                Action::Snapshot(part) => format!("snapshot {}", part.bytes(input).escape_ascii()),
                Action::Stream(part) => format!("stream {}", part.bytes(input).escape_ascii()),
                other => format!("{other:?}"),
            };
            self.transcript += &line;
            self.transcript.push('\n');
        }
        self
    }

    fn check(&mut self, expected: Expect) -> &mut Self {
        expected.assert_eq(&self.transcript);
        self.transcript.clear();
        self
    }
}

#[test]
fn a_full_synchronization_with_a_known_length() {
    let mut script = Script::plain();
    script.check(expect![[r#"
        * Connecting to MASTER 10.0.0.1:6379
        * MASTER <-> REPLICA sync started
        Connect { host: "10.0.0.1", port: 6379 }
    "#]]);
    script.input(Input::Connected).bytes("+PONG\r\n").check(expect![[r#"
        * Non blocking connect for SYNC fired the event.
        send *1\r\n$4\r\nPING\r\n
        * Master replied to PING, replication can continue...
        send *3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6380\r\n*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n
    "#]]);
    script.bytes("+OK\r\n+OK\r\n").check(expect![[r#"
        * Partial resynchronization not possible (no cached master)
        send *3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n
    "#]]);
    assert_eq!(script.link.state().role_name(), "handshake");
    script.bytes(&format!("\n+FULLRESYNC {} 50\r\n", id())).check(expect![[r#"
        * Full resync from master: abababababababababababababababababababab:50
        StartFullSync(Position { id: abababababababababababababababababababab, offset: Offset(50) })
    "#]]);
    assert_eq!(script.link.state().role_name(), "sync");
    script.bytes("\n\n$5\r\nRE").bytes("DISstr").check(expect![[r#"
        * MASTER <-> REPLICA sync: receiving 5 bytes from master to disk
        SnapshotStart(Known(5))
        snapshot RE
        snapshot DIS
        SnapshotDone
    "#]]);
    assert_eq!(script.link.state(), LinkState::Loading);
    script.bytes("eam").timeout().check(expect![[r#"
        at 1000 ms
        send \n
    "#]]);
    script.input(Input::Loaded).check(expect![[r#"
        * MASTER <-> REPLICA sync: Finished with success
        send *3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n50\r\n
        stream stream
    "#]]);
    assert_eq!(script.link.state().role_name(), "connected");
    assert_eq!(
        (script.link.received(), script.link.position()),
        (Offset(56), Some(Position { id: id(), offset: Offset(50) }))
    );
    script.link.applied(6);
    script.timeout().check(expect![[r#"
        at 2000 ms
        send *3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n56\r\n
    "#]]);
}

#[test]
fn a_full_synchronization_with_a_mark_straight_into_the_reader() {
    let mut config = LinkConfig::new("10.0.0.1", 6379, 6380);
    config.destination = Destination::Parser;
    config.password = Some("secret".to_owned());
    let mut script = Script::new(config, None);
    script.input(Input::Connected).bytes("-NOAUTH Authentication required.\r\n").bytes("+OK\r\n+OK\r\n");
    script.bytes("-ERR Unrecognized REPLCONF option: capa\r\n").check(expect![[r#"
        * Connecting to MASTER 10.0.0.1:6379
        * MASTER <-> REPLICA sync started
        Connect { host: "10.0.0.1", port: 6379 }
        * Non blocking connect for SYNC fired the event.
        send *1\r\n$4\r\nPING\r\n
        * Master replied to PING, replication can continue...
        send *2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6380\r\n*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n
        * (Non critical) Master does not understand REPLCONF capa: -ERR Unrecognized REPLCONF option: capa
        * Partial resynchronization not possible (no cached master)
        send *3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n
    "#]]);
    script.bytes(&format!("+FULLRESYNC {} 50\r\n", id()));
    script.bytes(&format!("$EOF:{}\r\nREDIS{}", id(), id())).check(expect![[r#"
        * Full resync from master: abababababababababababababababababababab:50
        StartFullSync(Position { id: abababababababababababababababababababab, offset: Offset(50) })
        * MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to parser
        SnapshotStart(Unknown)
        snapshot REDIS
        SnapshotDone
    "#]]);
}

#[test]
fn a_lost_link_is_taken_up_again_at_once_and_goes_on() {
    let mut script = Script::online();
    script.at(5_000).bytes("abcdef");
    script.link.applied(4);
    script.input(Input::Closed).check(expect![[r#"
        stream abcdef
        * Connection with master lost.
        * Caching the disconnected master state.
        Disconnect
        * Reconnecting to MASTER 10.0.0.1:6379
        * MASTER <-> REPLICA sync started
        Connect { host: "10.0.0.1", port: 6379 }
    "#]]);
    assert_eq!(script.link.down_since_ms(), Some(5_000));
    script.input(Input::ConnectFailed("Connection refused".to_owned())).timeout().check(expect![[r##"
        # Error condition on socket for SYNC: Connection refused
        at 6000 ms
        * Connecting to MASTER 10.0.0.1:6379
        * MASTER <-> REPLICA sync started
        Connect { host: "10.0.0.1", port: 6379 }
    "##]]);
    script.input(Input::Connected).bytes("+PONG\r\n+OK\r\n+OK\r\n").check(expect![[r#"
        * Non blocking connect for SYNC fired the event.
        send *1\r\n$4\r\nPING\r\n
        * Master replied to PING, replication can continue...
        send *3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6380\r\n*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n
        * Trying a partial resynchronization (request abababababababababababababababababababab:55).
        send *3\r\n$5\r\nPSYNC\r\n$40\r\nabababababababababababababababababababab\r\n$2\r\n55\r\n
    "#]]);
    let promoted = ReplId::from_random([0xcd; 20]);
    script.bytes(&format!("+CONTINUE {promoted}\r\nef")).check(expect![[r#"
        * Successful partial resynchronization with master.
        * Master replication ID changed to cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
        PartialAccepted { id: Some(cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd) }
        * MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.
        send *3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n54\r\n
        stream ef
    "#]]);
    assert_eq!(script.link.down_since_ms(), None);
    assert_eq!(script.link.position(), Some(Position { id: promoted, offset: Offset(54) }));
    assert_eq!(script.link.received(), Offset(56));
}

#[test]
fn acknowledges_every_second_and_on_demand() {
    let mut script = Script::online();
    script.timeout().timeout();
    script.link.applied(7);
    script.link.acknowledge();
    script.drain(b"").check(expect![[r#"
        at 1000 ms
        send *3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n50\r\n
        at 2000 ms
        send *3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n50\r\n
        send *3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n57\r\n
    "#]]);
}

#[test]
fn silence_ends_a_link() {
    let mut script = Script::online();
    script.link.config_mut().ack_period_ms = 1_000_000;
    script.timeout();
    script.bytes("x").transcript.clear();
    script.timeout().check(expect![[r#"
        at 61001 ms
        # MASTER timeout: no data nor PING received...
        * Connection with master lost.
        * Caching the disconnected master state.
        Disconnect
        * Reconnecting to MASTER 10.0.0.1:6379
        * MASTER <-> REPLICA sync started
        Connect { host: "10.0.0.1", port: 6379 }
    "#]]);

    let mut script = Script::plain();
    script.transcript.clear();
    script.timeout().check(expect![[r#"
        at 60001 ms
        # Timeout connecting to the MASTER...
        Disconnect
    "#]]);

    let mut script = Script::plain();
    script
        .input(Input::Connected)
        .bytes("+PONG\r\n+OK\r\n+OK\r\n")
        .bytes(&format!("+FULLRESYNC {} 50\r\n", id()));
    script.at(59_000).bytes("\n").transcript.clear();
    script.timeout().check(expect![[r#"
        at 119001 ms
        # Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value.
        Disconnect
    "#]]);
}

#[test]
fn refusals_are_logged_and_tried_again_after_a_second() {
    for (answers, expected) in [
        (
            "-MISCONF x\r\n",
            expect![[r#"
            # Error reply to PING from master: '-MISCONF x'
            Disconnect
        "#]],
        ),
        (
            "+PONG\r\n+OK\r\n+OK\r\n-LOADING Redis is loading\r\n",
            expect![[r#"
                * Master is currently unable to PSYNC but should be in the future: -LOADING Redis is loading
                Disconnect
            "#]],
        ),
        (
            "+PONG\r\n+OK\r\n+OK\r\n-NOAUTH Authentication required.\r\n",
            expect![[r#"
            # Unexpected reply to PSYNC from master: -NOAUTH Authentication required.
            Disconnect
        "#]],
        ),
        (
            "+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n",
            expect![[r#"
            # Master accepted a partial resynchronization that was not requested
            Disconnect
        "#]],
        ),
        (
            "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC abababababababababababababababababababab 1\r\n-ERR fork failed\r\n",
            expect![[r#"
                # MASTER aborted replication with an error: ERR fork failed
                Disconnect
            "#]],
        ),
        (
            "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC abababababababababababababababababababab 1\r\nHTTP/1.1\r\n",
            expect![[r#"
                # Bad protocol from MASTER, the first byte is not '$' (we received 'HTTP/1.1'), are you sure the host and port are right?
                Disconnect
            "#]],
        ),
    ] {
        let mut script = Script::plain();
        script.at(100).input(Input::Connected);
        script.transcript.clear();
        // What follows a refusal belongs to a connection that is no more.
        let last_line = answers.trim_end().rfind('\n').map_or(0, |at| at + 1);
        script.bytes(&answers[..last_line]).transcript.clear();
        script.bytes(&(answers[last_line..].to_owned() + "left over\r\n")).check(expected);
        assert_eq!(script.link.state(), LinkState::Connect);
        assert_eq!(script.link.next_timeout(), 1_000, "{answers:?}");
        script.at(999).input(Input::Timeout).check(expect![[""]]);
        script.timeout();
        assert_eq!(script.link.state(), LinkState::Connecting);
    }
}

#[test]
fn a_master_that_closes_early_is_tried_again_after_a_second() {
    let mut script = Script::plain();
    script.input(Input::Connected).transcript.clear();
    script.input(Input::Closed).check(expect![[r#"
        # Failed to read response from the server: Connection closed
        # Master did not respond to command during SYNC handshake
        Disconnect
    "#]]);
    assert_eq!(script.link.next_timeout(), 1_000);
    script.timeout().input(Input::Connected).bytes("+PONG\r\n+OK\r\n+OK\r\n");
    script.bytes(&format!("+FULLRESYNC {} 50\r\n$10\r\nhalf", id())).transcript.clear();
    script.at(9_000).input(Input::Closed).check(expect![[r#"
        # I/O error trying to sync with MASTER: connection lost
        Disconnect
    "#]]);
    assert_eq!(script.link.next_timeout(), 9_000, "the last attempt was long ago");
}

#[test]
fn a_snapshot_that_does_not_load_leaves_nothing_to_go_on_from() {
    let mut script =
        Script::new(LinkConfig::new("10.0.0.1", 6379, 6380), Some(Position { id: id(), offset: Offset(9) }));
    script.input(Input::Connected).bytes("+PONG\r\n+OK\r\n+OK\r\n");
    script.bytes(&format!("+FULLRESYNC {} 50\r\n$3\r\nbad", id())).transcript.clear();
    assert!(script.link.position().is_some());
    script.input(Input::LoadFailed("unexpected end of file at offset 3".to_owned())).check(expect![[r#"
        # Failed trying to load the MASTER synchronization DB from disk: unexpected end of file at offset 3
        Disconnect
    "#]]);
    assert_eq!(script.link.position(), None);
}

#[test]
fn a_connection_lost_while_loading_is_noticed_afterwards() {
    let mut script = Script::plain();
    script.input(Input::Connected).bytes("+PONG\r\n+OK\r\n+OK\r\n");
    script.bytes(&format!("+FULLRESYNC {} 50\r\n$3\r\nrdb", id())).transcript.clear();
    script.input(Input::Closed).timeout().check(expect![[r#"
        at 1000 ms
    "#]]);
    script.input(Input::Loaded).check(expect![[r#"
        * MASTER <-> REPLICA sync: Finished with success
        * Connection with master lost.
        * Caching the disconnected master state.
        Disconnect
        * Reconnecting to MASTER 10.0.0.1:6379
        * MASTER <-> REPLICA sync started
        Connect { host: "10.0.0.1", port: 6379 }
    "#]]);
    script.input(Input::Connected).bytes("+PONG\r\n+OK\r\n+OK\r\n").check(expect![[r#"
        * Non blocking connect for SYNC fired the event.
        send *1\r\n$4\r\nPING\r\n
        * Master replied to PING, replication can continue...
        send *3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6380\r\n*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n
        * Trying a partial resynchronization (request abababababababababababababababababababab:51).
        send *3\r\n$5\r\nPSYNC\r\n$40\r\nabababababababababababababababababababab\r\n$2\r\n51\r\n
    "#]]);
}

#[test]
fn a_line_without_end_is_not_kept_for_ever() {
    let mut script = Script::plain();
    script.input(Input::Connected).transcript.clear();
    for _ in 0..70 {
        script.bytes(&"x".repeat(1_000));
    }
    script.check(expect![[r#"
        # Bad protocol from MASTER: a line that does not end
        Disconnect
    "#]]);
}

/// A link that asks its server to become the master, up to the answer.
fn handing_over() -> Script {
    let config = LinkConfig { handover: Handover::Asked, ..LinkConfig::new("10.0.0.1", 6379, 6380) };
    let mut script = Script::new(config, Some(Position { id: id(), offset: Offset(50) }));
    script.input(Input::Connected);
    script.transcript.clear();
    script.bytes("+PONG\r\n+OK\r\n+OK\r\n");
    assert!(script.transcript.contains("$2\\r\\n51\\r\\n$8\\r\\nFAILOVER"), "{}", script.transcript);
    script.transcript.clear();
    script
}

#[test]
fn a_replica_is_asked_to_become_the_master_until_it_answers() {
    for (answer, told) in [
        ("+CONTINUE\r\n".to_string(), "HandoverAccepted"),
        (format!("+FULLRESYNC {} 7\r\n", id()), "HandoverAccepted"),
        ("-ERR PSYNC FAILOVER replid must match my replid.\r\n".to_string(), "HandoverRefused"),
    ] {
        let mut script = handing_over();
        script.bytes(&answer);
        assert!(script.transcript.contains(told), "{answer}: {}", script.transcript);
        assert_eq!(script.link.config().handover, Handover::None);
    }
    let mut script = handing_over();
    script.input(Input::Closed);
    assert!(script.transcript.contains("HandoverRefused"), "{}", script.transcript);
}

#[test]
fn a_handover_is_asked_again_when_the_connection_did_not_come_so_far() {
    let config = LinkConfig { handover: Handover::Asked, ..LinkConfig::new("10.0.0.1", 6379, 6380) };
    let mut script = Script::new(config, Some(Position { id: id(), offset: Offset(50) }));
    script.input(Input::ConnectFailed("Connection refused".into())).timeout();
    script.input(Input::Connected);
    script.transcript.clear();
    script.bytes("+PONG\r\n+OK\r\n+OK\r\n");
    assert!(script.transcript.contains("FAILOVER"), "{}", script.transcript);
}
