//! MIGRATE between two servers, ours and real ones.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use resp::Value;

use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::{LIMIT, until};

/// What makes a key, and what shows all of it.
const KEYS: &[(&str, &str)] = &[
    ("SET string text", "GET string"),
    ("SET number -12345", "GET number"),
    ("SET timed text EX 10000", "EXPIRETIME timed"),
    ("RPUSH list a b 3", "LRANGE list 0 -1"),
    ("SADD numbers 1 2 3", "SORT numbers"),
    ("SADD words b a c", "SORT words ALPHA"),
    ("HSET hash one 1 two 2", "HMGET hash one two"),
    ("ZADD sorted 1.5 a -inf b", "ZRANGE sorted 0 -1 WITHSCORES"),
    ("XADD stream 5-1 field value", "XRANGE stream - +"),
    ("PFADD counts a b c", "PFCOUNT counts"),
    ("SETRANGE long 100000 end", "STRLEN long"),
];

/// Every key goes over, and is the same there; a replica of the source loses them.
fn moves(from: Engine, to: Engine) {
    let (source, target) = (Node::start(from, &[]), Node::start(to, &[]));
    let replica = Node::start(Engine::Topple, &[]);
    replica.follow(&source);
    for (make, _) in KEYS {
        source.ok(make);
    }
    let shown = |node: &Node| KEYS.iter().map(|(_, show)| node.ok(show)).collect::<Vec<_>>();
    let before = shown(&source);
    let name = |(make, _): &(&str, &'static str)| make.split(' ').nth(1).unwrap().to_string();
    let port = target.port();
    let (one_by_one, together) = KEYS.split_at(KEYS.len() / 2);
    for key in one_by_one {
        assert_ok(&migrate(&source, port, &format!("{} 0 5000", name(key))));
    }
    let names: Vec<String> = together.iter().map(name).collect();
    assert_ok(&migrate(&source, port, &format!("'' 0 5000 KEYS none {}", names.join(" "))));
    assert_eq!(source.ok("DBSIZE").as_int(), Some(0));
    until("a replica without keys", || replica.ok("DBSIZE").as_int() == Some(0));
    let (mut after, mut before) = (shown(&target), before);
    // A deadline travels as a time to live: it may end up a moment later.
    let deadline = KEYS.iter().position(|(_, show)| show.starts_with("EXPIRETIME")).unwrap();
    let times = [after.remove(deadline), before.remove(deadline)].map(|time| time.as_int().unwrap());
    assert!((0..60).contains(&(times[0] - times[1])), "{times:?}");
    assert_eq!(after, before);
    // One connection served all of them.
    assert_eq!(source.info("migrate_cached_sockets"), "1");
}

/// Runs MIGRATE from `source` to `port` with the rest of its words, `''` among them for the empty one.
fn migrate(source: &Node, port: u16, rest: &str) -> Value {
    let words = format!("MIGRATE 127.0.0.1 {port} {rest}");
    let words: Vec<&str> = words.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
    source.client().call(&words).expect("a reply")
}

fn assert_ok(reply: &Value) {
    assert_eq!(reply.to_text().as_deref(), Some("OK"), "{reply:?}");
}

fn error(reply: &Value) -> String {
    reply.as_error().unwrap_or_else(|| panic!("no error: {reply:?}"))
}

#[test]
fn all_types_from_ours_to_ours() {
    moves(Engine::Topple, Engine::Topple);
}

#[test]
fn all_types_from_ours_to_a_real_server() {
    moves(Engine::Topple, Engine::Redis);
}

#[test]
fn all_types_from_a_real_server_to_ours() {
    moves(Engine::Redis, Engine::Topple);
}

/// What is said and done at every turn is what the real server says and does.
fn converses(from: Engine, to: Engine) {
    let source = Node::start(from, &[]);
    let target = Node::start(to, &[]);
    target.ok("CONFIG SET requirepass secret");
    let port = target.port();
    let there = |line: &str| {
        let mut client = target.client();
        client.line("AUTH secret").unwrap();
        client.line(line).unwrap().to_text()
    };
    let migrate = |rest: &str| migrate(&source, port, rest);
    source.ok("MSET a 1 b 2 c 3");
    assert_eq!(
        error(&migrate("a 0 1000")),
        "ERR Target instance replied with error: NOAUTH Authentication required."
    );
    assert_eq!(
        error(&migrate("a 0 1000 AUTH wrong")),
        "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled."
    );
    assert_eq!(source.ok("EXISTS a").as_int(), Some(1), "what was refused stays");
    assert_ok(&migrate("a 0 1000 COPY AUTH secret"));
    assert_eq!((source.ok("EXISTS a").as_int(), there("GET a")), (Some(1), Some("1".into())));
    assert_eq!(
        error(&migrate("'' 0 1000 AUTH2 default secret KEYS a b")),
        "ERR Target instance replied with error: BUSYKEY Target key name already exists."
    );
    assert_eq!(source.ok("EXISTS a b").as_int(), Some(1), "what was taken is gone, the rest stays");
    source.ok("SET a 4");
    assert_ok(&migrate("a 0 1000 REPLACE AUTH secret"));
    assert_eq!(there("GET a").as_deref(), Some("4"));
    assert_eq!(
        error(&migrate("c 999 1000 AUTH secret")),
        "ERR Target instance replied with error: ERR DB index is out of range"
    );
    assert_eq!(source.ok("GET c").to_text().as_deref(), Some("3"));
    // In a script and in a transaction it works like any command.
    assert_ok(
        &source
            .client()
            .call(&[
                "EVAL",
                &format!(
                    "return redis.call('MIGRATE', '127.0.0.1', '{port}', KEYS[1], 1, 1000, 'AUTH', 'secret')"
                ),
                "1",
                "c",
            ])
            .unwrap(),
    );
    assert_eq!(source.ok("DBSIZE").as_int(), Some(0));
}

#[test]
fn logs_in_and_says_why_not() {
    for (from, to) in
        [(Engine::Redis, Engine::Redis), (Engine::Topple, Engine::Redis), (Engine::Redis, Engine::Topple)]
    {
        converses(from, to);
    }
}

#[test]
fn a_target_that_says_nothing_costs_the_timeout() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    for engine in [Engine::Redis, Engine::Topple] {
        let source = Node::start(engine, &[]);
        source.ok("SET k v");
        let reply = migrate(&source, port, "k 0 50");
        assert_eq!(error(&reply), "IOERR error or timeout reading to target instance", "{engine:?}");
        assert_eq!(source.ok("GET k").to_text().as_deref(), Some("v"));
        assert_eq!(source.info("migrate_cached_sockets"), "0");
    }
}

/// A connection that the target closed meanwhile is opened anew; what it answered before it was cut counts.
#[test]
fn a_connection_that_is_gone_is_tried_once_anew() {
    for engine in [Engine::Redis, Engine::Topple] {
        let source = Node::start(engine, &[]);
        let mut target = Node::start(Engine::Redis, &[]);
        source.ok("MSET a 1 b 2");
        let port = target.port();
        assert_ok(&migrate(&source, port, "a 0 1000"));
        target.kill();
        target.launch();
        assert_ok(&migrate(&source, port, "b 0 1000"));
        assert_eq!(target.ok("GET b").to_text().as_deref(), Some("2"));
    }
}

#[test]
fn a_target_that_is_cut_off_in_the_middle_keeps_what_it_took() {
    for engine in [Engine::Redis, Engine::Topple] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let source = Node::start(engine, &[]);
        source.ok("MSET a 1 b 2 c 3");
        let target = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut received = Vec::new();
            let mut piece = [0; 4096];
            // SELECT and all three keys have arrived once the last key's name has.
            while !received.windows(7).any(|window| window == b"$1\r\nc\r\n") {
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "closed early: {}", received.escape_ascii());
                received.extend_from_slice(&piece[..read]);
            }
            stream.write_all(b"+OK\r\n+OK\r\n+OK\r\n").unwrap();
        });
        let reply = migrate(&source, port, "'' 0 5000 KEYS a b c");
        target.join().unwrap();
        assert_eq!(error(&reply), "IOERR error or timeout reading to target instance", "{engine:?}");
        assert_eq!(source.ok("EXISTS a b c").as_int(), Some(1), "{engine:?}");
        assert_eq!(source.ok("GET c").to_text().as_deref(), Some("3"));
    }
}
