//! What clients should not send: malformed, oversized, endless and random input. The offender is told and
//! disconnected; everybody else is served on.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use resp::Value;

use super::support::client::Client;
use super::support::node::Node;
use super::support::random::Random;
use super::support::server::Engine;
use super::support::wait::until;

/// Sends bytes; gives all that comes back before the server closes, or what has come when it does not.
fn answer(node: &Node, bytes: &[u8]) -> (String, bool) {
    let mut client = node.client();
    client.allow(Duration::from_secs(3)).expect("a connection");
    // The server may close before it has read everything.
    let _ = client.send_raw(bytes);
    let mut text = String::new();
    loop {
        match client.raw_line() {
            Ok(line) => text.push_str(&String::from_utf8_lossy(&line)),
            Err(error) => {
                let open = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                return (text, !open);
            }
        }
    }
}

fn assert_lives(node: &Node) {
    assert_eq!(node.cmd("PING").as_bytes(), Some(&b"PONG"[..]));
    assert!(!node.log().contains("panicked"), "{}", node.log());
}

/// Kilobytes the process holds in memory.
fn resident_kb(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Input that breaks the protocol, and what is said about it before the connection is closed.
fn offences() -> Vec<(Vec<u8>, &'static str)> {
    let long_inline = vec![b'a'; 70_000];
    let long_count = [b"*".to_vec(), vec![b'1'; 70_000]].concat();
    let long_length = [b"*1\r\n$".to_vec(), vec![b'1'; 70_000]].concat();
    vec![
        (b"*x\r\n".to_vec(), "invalid multibulk length"),
        (b"*2147483648\r\n".to_vec(), "invalid multibulk length"),
        (b"*99999999999999999999\r\n".to_vec(), "invalid multibulk length"),
        (b"*1\r\nPING\r\n".to_vec(), "expected '$', got 'P'"),
        (b"*2\r\n$3\r\nGET\r\n:1\r\n".to_vec(), "expected '$', got ':'"),
        (b"*1\r\n$x\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$-1\r\n".to_vec(), "invalid bulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$629145600\r\n".to_vec(), "invalid bulk length"),
        (b"SET a \"b\r\n".to_vec(), "unbalanced quotes in request"),
        (b"SET a \"b\"c\r\n".to_vec(), "unbalanced quotes in request"),
        (long_inline, "too big inline request"),
        (long_count, "too big mbulk count string"),
        (long_length, "too big bulk count string"),
    ]
}

#[test]
fn malformed_requests_are_named_and_closed_as_the_real_server_does() {
    let (ours, real) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Redis, &[]));
    for (bytes, reason) in offences() {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let expected = (format!("-ERR Protocol error: {reason}"), true);
        assert_eq!(answer(&ours, &bytes), expected, "{shown:?}");
        assert_eq!(answer(&real, &bytes), expected, "the real one, {shown:?}");
    }
    assert_lives(&ours);
}

#[test]
fn what_comes_before_a_malformed_request_is_answered() {
    let node = Node::start(Engine::Topple, &[]);
    let (text, closed) = answer(&node, b"PING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*1\r\n!\r\nPING\r\n");
    assert_eq!(text, "+PONG$2hi-ERR Protocol error: expected '$', got '!'");
    assert!(closed);
}

#[test]
fn strangers_may_send_little() {
    for engine in [Engine::Topple, Engine::Redis] {
        let node = Node::start(engine, &[]);
        let mut open = node.client();
        open.line("CONFIG SET requirepass secret").expect("a reply");
        for (bytes, expected) in [
            (b"*11\r\n".to_vec(), "-ERR Protocol error: unauthenticated multibulk length"),
            (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n".to_vec(), "-ERR Protocol error: unauthenticated bulk length"),
            (b"GET a\r\nQUIT\r\n".to_vec(), "-NOAUTH Authentication required.+OK"),
        ] {
            assert_eq!(answer(&node, &bytes), (expected.to_string(), true), "{engine:?}");
        }
        let mut client = node.client();
        let wrong = client.line("AUTH wrong").expect("a reply").as_error().unwrap_or_default();
        assert_eq!(wrong, "WRONGPASS invalid username-password pair or user is disabled.");
        assert_eq!(client.line("AUTH secret").expect("a reply").as_error(), None);
        assert_eq!(client.line("GET a").expect("a reply"), Value::Nil);
        // Known, it may send more.
        let keys: Vec<String> = (0..50).map(|index| index.to_string()).collect();
        let command: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
        assert_eq!(client.call(&command).expect("a reply").as_array().map(<[Value]>::len), Some(50));
    }
}

#[test]
fn announcements_cost_nothing_until_they_are_kept() {
    let node = Node::start(Engine::Topple, &[]);
    let before_kb = resident_kb(&node);
    let mut clients = Vec::new();
    for _ in 0..50 {
        for bytes in [
            &b"*2147483647\r\n"[..],
            b"*2147483647\r\n$1\r\na\r\n",
            b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n",
        ] {
            let mut client = node.client();
            client.send_raw(bytes).expect("a connection");
            clients.push(client);
        }
    }
    node.await_info("connected_clients", "151");
    assert_lives(&node);
    let grown_kb = resident_kb(&node) - before_kb;
    assert!(grown_kb < 64 << 10, "grew by {grown_kb} kB");
}

#[test]
fn half_a_command_and_gone() {
    let node = Node::start(Engine::Topple, &[]);
    let command = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";
    for length in 1..command.len() {
        node.client().send_raw(&command[..length]).expect("a connection");
    }
    node.await_info("connected_clients", "1");
    assert_eq!(node.ok("DBSIZE"), Value::Int(0), "none of them ran");
    assert_lives(&node);
}

#[test]
fn commands_that_arrive_byte_by_byte() {
    let node = Node::start(Engine::Topple, &[]);
    let mut client = node.client();
    for byte in b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$7\r\nva\r\nlue\r\nGET key\r\n" {
        client.send_raw(&[*byte]).expect("a connection");
    }
    assert_eq!(client.reply().expect("a reply").as_bytes(), Some(&b"OK"[..]));
    assert_eq!(client.reply().expect("a reply").as_bytes(), Some(&b"va\r\nlue"[..]));
}

#[test]
fn a_pipeline_of_a_hundred_thousand() {
    let node = Node::start(Engine::Topple, &[]);
    let mut client = node.client();
    let count = 100_000;
    client.send_raw(&b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n".repeat(count)).expect("a connection");
    for expected in 1..=count {
        assert_eq!(client.reply().expect("a reply"), Value::Int(expected as i64));
    }
}

#[test]
fn a_large_value_comes_back_whole() {
    let node = Node::start(Engine::Topple, &[]);
    let mut client = node.client();
    client.allow(Duration::from_secs(60)).expect("a connection");
    let value: Vec<u8> = (0..100 << 20).map(|index: usize| ((index * 31) >> 3) as u8).collect();
    assert_eq!(client.call(&[&b"SET"[..], b"large", &value]).expect("a reply").as_error(), None);
    let back = client.call(&["GET", "large"]).expect("a reply");
    assert!(back.as_bytes() == Some(&value[..]));
    node.ok("CONFIG SET proto-max-bulk-len 1mb");
    let (text, closed) = answer(&node, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n");
    assert_eq!((text.as_str(), closed), ("-ERR Protocol error: invalid bulk length", true));
}

/// A subscriber that never reads is closed once more waits for it than it may.
#[test]
fn a_subscriber_that_never_reads_is_closed() {
    let node = Node::start(Engine::Topple, &[]);
    node.client()
        .call(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 512kb 60"])
        .expect("a reply");
    let mut deaf = node.client();
    deaf.line("SUBSCRIBE news").expect("a reply");
    let before_kb = resident_kb(&node);
    let mut publisher = node.client();
    let message = "x".repeat(10_000);
    until("the subscriber's end", || {
        let batch = vec![["PUBLISH", "news", &message]; 50];
        publisher.send(batch.iter().map(<[&str; 3]>::as_slice)).expect("a connection");
        let heard: i64 =
            batch.iter().map(|_| publisher.reply().expect("a reply").as_int().expect("a count")).sum();
        heard == 0
    });
    node.await_log("for overcoming of output buffer limits.", 1);
    let grown_kb = resident_kb(&node).saturating_sub(before_kb);
    assert!(grown_kb < 64 << 10, "grew by {grown_kb} kB");
    assert_lives(&node);
}

/// A client that asks and never reads replies is not read from either, so it cannot make the server grow.
#[test]
fn a_client_that_never_reads_its_replies() {
    let node = Node::start(Engine::Topple, &[]);
    node.client().call(&["SET", "value", &"x".repeat(10_000)]).expect("a reply");
    let before_kb = resident_kb(&node);
    let mut deaf = node.client();
    let batch = b"GET value\r\n".repeat(500);
    deaf.limit_writes(Duration::from_millis(500)).expect("a connection");
    let begun = Instant::now();
    let mut sent = 0;
    // Until the server takes no more.
    while deaf.send_raw(&batch).is_ok() && sent < 2_000_000 {
        sent += 500;
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    assert!(sent < 2_000_000, "the server reads on and on");
    let grown_kb = resident_kb(&node).saturating_sub(before_kb);
    assert!(grown_kb < 256 << 10, "grew by {grown_kb} kB");
    assert_lives(&node);
}

#[test]
fn too_many_clients_are_turned_away() {
    let node = Node::start(Engine::Topple, &["--maxclients", "20"]);
    node.await_info("connected_clients", "1");
    let held: Vec<Client> = (0..19).map(|_| node.client()).collect();
    let mut last = node.client();
    assert_eq!(last.line("PING").expect("a reply").as_bytes(), Some(&b"PONG"[..]));
    let (text, closed) = answer(&node, b"");
    assert_eq!((text.as_str(), closed), ("-ERR max number of clients reached", true));
    drop(held);
    until("room again", || node.client().line("PING").is_ok_and(|pong| pong.as_bytes() == Some(b"PONG")));
    assert!(node.figure("rejected_connections") >= 1);
}

#[test]
fn a_request_beyond_what_is_held_for_a_client() {
    for engine in [Engine::Topple, Engine::Redis] {
        let node = Node::start(engine, &[]);
        node.ok("CONFIG SET client-query-buffer-limit 1mb");
        let mut request = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$8388608\r\n".to_vec();
        request.resize(8 << 20, b'x');
        let (text, closed) = answer(&node, &request);
        assert_eq!((text.as_str(), closed), ("", true), "{engine:?}");
        node.await_log("Closing client that reached max query buffer length", 1);
        assert_eq!(node.ok("EXISTS a"), Value::Int(0));
    }
}

/// Random bytes, random protocol and valid commands cut and changed at random.
fn garbage(random: &mut Random) -> Vec<u8> {
    const PIECES: &[&[u8]] = &[
        b"*",
        b"$",
        b"\r\n",
        b"\r",
        b"\n",
        b"1",
        b"3",
        b"-1",
        b"0",
        b"99999",
        b"SET",
        b"GET",
        b"a",
        b"\"",
        b"'",
        b"\\x",
        b" ",
        b"\0",
        b"\xff",
        b"MULTI",
        b"EXEC",
        b"SUBSCRIBE",
        b"HELLO",
        b"PSYNC",
        b"REPLCONF",
        b"CLIENT",
        b"CONFIG",
        b"GET",
        b"*3\r\n$3\r\nSET\r\n",
        b"$1\r\nk\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b":",
        b"+",
        b"%",
        b">",
        b"SCAN 0",
        b"OBJECT",
        b"DEBUG",
        b"INFO",
        b"WAIT 1 1",
        b"RESET",
        b"EXPIRE",
    ];
    let length = 1 + random.below(60);
    match random.below(3) {
        0 => (0..length * 20).map(|_| random.bits() as u8).collect(),
        1 => (0..length).flat_map(|_| random.pick(PIECES).to_vec()).collect(),
        _ => {
            let mut bytes =
                b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n".repeat(3);
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.bits() as u8;
            }
            bytes
        }
    }
}

#[test]
fn garbage_from_seeds_hurts_nobody() {
    let node = Node::start(Engine::Topple, &[]);
    let before_kb = resident_kb(&node);
    let mut bystander = node.client();
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let mut client = node.client();
        for _ in 0..=random.below(5) {
            // It may have been closed for the last piece.
            let _ = client.send_raw(&garbage(&mut random));
        }
        let pong =
            bystander.line("PING").unwrap_or_else(|error| panic!("seed {seed}: {error}; {}", node.log()));
        assert_eq!(pong.as_bytes(), Some(&b"PONG"[..]), "seed {seed}");
    }
    assert_lives(&node);
    node.await_info("connected_clients", "2");
    let grown_kb = resident_kb(&node).saturating_sub(before_kb);
    assert!(grown_kb < 128 << 10, "grew by {grown_kb} kB");
}

#[test]
fn a_stream_of_garbage_from_a_master_does_not_end_a_replica() {
    use std::io::Write as _;
    let replica = Node::start(Engine::Topple, &[]);
    replica.ok("SET own 1");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    replica.ok(&format!("REPLICAOF 127.0.0.1 {port}"));
    for seed in 0..40 {
        let (mut stream, _) = listener.accept().expect("the replica comes again");
        let mut random = Random::new(seed);
        let polite: &[&[u8]] = &[
            b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n",
            b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 0123456789012345678901234567890123456789 1\r\n$1000\r\n",
            b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 0123456789012345678901234567890123456789 1\r\n$EOF:",
            b"",
        ];
        let _ = stream.write_all(random.pick::<&[u8]>(polite));
        let _ = stream.write_all(&garbage(&mut random));
    }
    assert_eq!(replica.ok("GET own").to_text().as_deref(), Some("1"));
    assert_lives(&replica);
}
