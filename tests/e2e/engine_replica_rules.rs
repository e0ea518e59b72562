//! What being a master or a replica means for commands: WAIT, read-only replicas, too few replicas,
//! passwords, stale data, expiry led by the master, ROLE and INFO.

use std::time::Instant;

use resp::Value;

use super::support::client::Client;
use super::support::dataset::await_same;
use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::{obtain, until};

fn with_replicas(count: usize) -> (Node, Vec<Node>) {
    let master = Node::start(Engine::Topple, &[]);
    let replicas: Vec<Node> = (0..count).map(|_| Node::start(Engine::Topple, &[])).collect();
    for replica in &replicas {
        replica.follow(&master);
    }
    until("replicas that are online", || {
        master.info(&format!("slave{}", count - 1)).contains("state=online")
    });
    (master, replicas)
}

fn error(node: &Node, line: &str) -> String {
    node.cmd(line).as_error().unwrap_or_else(|| panic!("{line} is no error"))
}

#[test]
fn wait_without_replicas() {
    let master = Node::start(Engine::Topple, &[]);
    let mut client = master.client();
    client.line("SET a 1").expect("a reply");
    assert_eq!(client.line("WAIT 0 0").expect("a reply"), Value::Int(0));
    let begun = Instant::now();
    assert_eq!(client.line("WAIT 1 200").expect("a reply"), Value::Int(0));
    assert!(begun.elapsed().as_millis() >= 199, "{:?}", begun.elapsed());
}

#[test]
fn wait_counts_replicas_that_have_the_write() {
    let (master, replicas) = with_replicas(2);
    let mut client = master.client();
    client.line("SET a 1").expect("a reply");
    assert_eq!(client.line("WAIT 2 0").expect("a reply"), Value::Int(2));
    for replica in &replicas {
        assert_eq!(replica.ok("GET a").to_text().as_deref(), Some("1"));
    }
    // A client that wrote nothing waits for nothing.
    assert_eq!(master.cmd("WAIT 2 0"), Value::Int(2));

    replicas[1].pause();
    client.line("SET a 2").expect("a reply");
    assert_eq!(client.line("WAIT 1 0").expect("a reply"), Value::Int(1));
    let begun = Instant::now();
    assert_eq!(client.line("WAIT 2 300").expect("a reply"), Value::Int(1));
    assert!(begun.elapsed().as_millis() >= 299, "{:?}", begun.elapsed());

    // One that waits without a limit is answered when the replica goes on; others are served meanwhile.
    client.send([["WAIT", "2", "0"].as_slice()].into_iter()).expect("a connection");
    master.await_info("blocked_clients", "1");
    assert_eq!(master.ok("GET a").to_text().as_deref(), Some("2"));
    replicas[1].resume();
    assert_eq!(client.reply().expect("a reply"), Value::Int(2));
}

#[test]
fn wait_is_for_masters_and_well_formed_numbers() {
    let (master, replicas) = with_replicas(1);
    assert!(error(&replicas[0], "WAIT 1 1").starts_with("ERR WAIT cannot be used with replica instances."));
    assert_eq!(error(&master, "WAIT x 1"), "ERR value is not an integer or out of range");
    assert_eq!(error(&master, "WAIT 1 -1"), "ERR timeout is negative");
    let mut client = master.client();
    client.line("SET a 1").expect("a reply");
    client.send([["WAIT", "5", "0"].as_slice()].into_iter()).expect("a connection");
    master.await_info("blocked_clients", "1");
    master.ok(&format!("REPLICAOF 127.0.0.1 {}", replicas[0].port()));
    let reply = client.reply().expect("a reply").as_error().unwrap_or_default();
    assert!(reply.starts_with("UNBLOCKED force unblock from blocking operation"), "{reply}");
}

#[test]
fn a_replica_is_read_only_unless_told_otherwise() {
    let (master, replicas) = with_replicas(1);
    let replica = &replicas[0];
    master.ok("SET a 1");
    await_same(&master, replica);
    let read_only = "READONLY You can't write against a read only replica.";
    for line in ["SET a 2", "DEL a", "EXPIRE a 10", "FLUSHALL", "INCR n"] {
        assert_eq!(error(replica, line), read_only, "{line}");
    }
    let mut client = replica.client();
    client.line("MULTI").expect("a reply");
    assert_eq!(client.line("SET a 2").expect("a reply").as_error().as_deref(), Some(read_only));
    assert!(client.line("EXEC").expect("a reply").as_error().is_some_and(|e| e.starts_with("EXECABORT")));
    // Publishing is no write.
    assert_eq!(replica.cmd("PUBLISH channel message"), Value::Int(0));
    replica.ok("CONFIG SET replica-read-only no");
    replica.ok("SET own 1");
    assert_eq!(master.ok("EXISTS own"), Value::Int(0));
    assert_eq!(replica.ok("GET a").to_text().as_deref(), Some("1"));
}

#[test]
fn writes_need_enough_timely_replicas() {
    let (master, replicas) = with_replicas(1);
    let few = "NOREPLICAS Not enough good replicas to write.";
    master.ok("CONFIG SET min-replicas-to-write 2");
    assert_eq!(error(&master, "SET a 1"), few);
    assert_eq!(master.info("min_slaves_good_slaves"), "1");
    assert!(master.ok("GET a").as_bytes().is_none(), "reading is allowed");
    master.ok("CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 1");
    until("a write", || master.cmd("SET a 1").as_error().is_none());
    // One that no longer acknowledges does not count.
    replicas[0].pause();
    until("no write", || master.cmd("SET a 2").as_error().as_deref() == Some(few));
    assert_eq!(master.info("min_slaves_good_slaves"), "0");
    replicas[0].resume();
    until("a write", || master.cmd("SET a 3").as_error().is_none());
}

/// `masterauth` against `requirepass`, with each combination of engines.
fn authenticated(master: Engine, replica: Engine) {
    let master = Node::start(master, &[]);
    // Set over a connection that is open, because new ones must authenticate at once.
    let mut client = master.client();
    client.line("SET a 1").expect("a reply");
    client.line("CONFIG SET requirepass secret").expect("a reply");
    let replica = Node::start(replica, &[]);
    replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    replica.await_log("NOAUTH", 1);
    assert_eq!(replica.info("master_link_status"), "down");
    replica.ok("CONFIG SET masterauth wrong");
    replica.await_log("WRONGPASS", 1);
    replica.ok("CONFIG SET masterauth secret");
    replica.await_info("master_link_status", "up");
    assert_eq!(replica.ok("GET a").to_text().as_deref(), Some("1"));
}

#[test]
fn a_password_for_the_master() {
    authenticated(Engine::Topple, Engine::Topple);
}

#[test]
fn a_password_for_a_real_master() {
    authenticated(Engine::Redis, Engine::Topple);
}

#[test]
fn a_real_replicas_password() {
    authenticated(Engine::Topple, Engine::Redis);
}

#[test]
fn a_user_and_password_for_a_real_master() {
    let (master, replica) = (Node::start(Engine::Redis, &[]), Node::start(Engine::Topple, &[]));
    master.ok("ACL SETUSER copier on >secret +psync +replconf +ping");
    master.ok("ACL SETUSER default -psync");
    replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    replica.await_log("NOPERM", 1);
    replica.ok("CONFIG SET masteruser copier masterauth secret");
    replica.await_info("master_link_status", "up");
    master.ok("SET a 1");
    await_same(&master, &replica);
}

#[test]
fn stale_data_is_kept_back_when_told_so() {
    let (mut master, replicas) = with_replicas(1);
    let replica = &replicas[0];
    master.ok("SET a 1");
    await_same(&master, replica);
    master.kill();
    replica.await_info("master_link_status", "down");
    assert_eq!(replica.ok("GET a").to_text().as_deref(), Some("1"), "stale data is served by default");
    replica.ok("CONFIG SET replica-serve-stale-data no");
    let down = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    for line in ["GET a", "KEYS *", "DBSIZE", "PING"] {
        assert_eq!(error(replica, line), down, "{line}");
    }
    for line in ["INFO", "ROLE", "CONFIG GET port", "REPLICAOF NO ONE"] {
        assert_eq!(replica.cmd(line).as_error(), None, "{line}");
    }
    assert_eq!(replica.ok("GET a").to_text().as_deref(), Some("1"), "as a master it answers");
}

#[test]
fn the_master_leads_expiry() {
    let (master, replicas) = with_replicas(1);
    let replica = &replicas[0];
    // The master neither deletes by itself nor is asked for the key: the replica must not delete it either.
    master.ok("DEBUG SET-ACTIVE-EXPIRE 0");
    let mut client = master.client();
    client.line("MSET stays 1 short 1").expect("a reply");
    client.line("PEXPIRE short 30").expect("a reply");
    assert_eq!(client.line("WAIT 1 0").expect("a reply"), Value::Int(1));
    until("the deadline on the replica", || replica.ok("GET short").as_bytes().is_none());
    assert_eq!(replica.ok("EXISTS short"), Value::Int(0), "a reader sees it as gone");
    assert_eq!(replica.ok("TTL short"), Value::Int(-2));
    assert_eq!(replica.ok("DBSIZE"), Value::Int(2), "yet it is there until the master says so");
    let mut feed = replica_feed(&master);
    assert_eq!(master.ok("GET short"), Value::Nil);
    until("the DEL in the stream", || feed.reply().is_ok_and(|command| words(&command) == ["DEL", "short"]));
    until("the key's end on the replica", || replica.ok("DBSIZE") == Value::Int(1));
    assert_eq!(master.figure("expired_keys"), 1);
}

/// What the next commands of a stream are, pings aside.
fn next_commands(feed: &mut Client, count: usize) -> Vec<String> {
    let mut commands = Vec::new();
    while commands.len() < count {
        let command = words(&feed.reply().expect("a command")).join(" ");
        if !command.eq_ignore_ascii_case("ping") {
            commands.push(command);
        }
    }
    commands
}

#[test]
fn a_transaction_is_one_in_the_stream() {
    for engine in [Engine::Topple, Engine::Redis] {
        let master = Node::start(engine, &[]);
        let mut feed = replica_feed(&master);
        let mut client = master.client();
        for line in ["MULTI", "SET a 1", "GET a", "INCR n", "SELECT 1", "SET b 2", "EXEC", "SET c 3"] {
            assert_eq!(client.line(line).expect("a reply").as_error(), None, "{line}");
        }
        let expected = ["SELECT 0", "MULTI", "SET a 1", "INCR n", "SELECT 1", "SET b 2", "EXEC", "SET c 3"];
        assert_eq!(next_commands(&mut feed, expected.len()), expected, "{engine:?}");
        // Nothing of one that changes nothing.
        for line in ["MULTI", "GET a", "EXEC", "SET d 4"] {
            client.line(line).expect("a reply");
        }
        assert_eq!(next_commands(&mut feed, 1), ["SET d 4"], "{engine:?}");
    }
}

#[test]
fn expiry_reaches_replicas_without_anyone_asking() {
    for (master, replica) in [(Engine::Topple, Engine::Redis), (Engine::Redis, Engine::Topple)] {
        let (master, replica) = (Node::start(master, &[]), Node::start(replica, &[]));
        replica.follow(&master);
        master.ok("SET stays 1");
        for index in 0..50 {
            master.ok(&format!("SET short:{index} 1 PX {}", 20 + index));
        }
        until("one key on both", || {
            master.ok("DBSIZE") == Value::Int(1) && replica.ok("DBSIZE") == Value::Int(1)
        });
        await_same(&master, &replica);
    }
}

/// A connection that is sent the stream, as a replica would be.
fn replica_feed(master: &Node) -> Client {
    let mut client = master.client();
    client.send([["PSYNC", "?", "-1"].as_slice()].into_iter()).expect("a connection");
    // Empty lines keep the connection alive until the snapshot comes.
    let length = obtain("a snapshot", || {
        let line = String::from_utf8_lossy(&client.raw_line().expect("a line")).into_owned();
        line.strip_prefix('$').map(|length| length.parse().expect("a length"))
    });
    client.raw_bytes(length).expect("the snapshot");
    client
}

fn words(command: &Value) -> Vec<String> {
    command.as_array().unwrap_or_default().iter().filter_map(Value::to_text).collect()
}

#[test]
fn role_tells_both_sides() {
    let (master, replicas) = with_replicas(2);
    master.ok("SET a 1");
    for replica in &replicas {
        await_same(&master, replica);
    }
    until("acknowledged offsets", || {
        let role = master.ok("ROLE");
        let fields = role.as_array().expect("a role");
        let offset = fields[1].as_int().expect("an offset");
        let listed = fields[2].as_array().expect("replicas");
        let all = listed.iter().zip(&replicas).all(|(seen, replica)| {
            words(seen) == ["127.0.0.1", &replica.port().to_string(), &offset.to_string()]
        });
        fields[0].as_bytes() == Some(b"master") && listed.len() == 2 && all
    });
    let role = replicas[0].ok("ROLE");
    let fields = role.as_array().expect("a role");
    assert_eq!(words(&role), ["slave", "127.0.0.1", "connected"]);
    assert_eq!(fields[2], Value::Int(i64::from(master.port())));
    assert!(fields[4].as_int().is_some_and(|offset| offset > 0));
    // Killed, it is no longer listed.
    drop(replicas);
    until("no replicas", || {
        master.ok("ROLE").as_array().expect("a role")[2].as_array().is_some_and(<[Value]>::is_empty)
    });
}

/// Names of a section's fields in order, without those that number 7.0 lacks or names differently.
fn fields(node: &Node, section: &str) -> Vec<String> {
    let text = node.ok(&format!("INFO {section}")).to_text().expect("a text");
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_string()).collect()
}

#[test]
fn info_replication_has_the_real_servers_fields() {
    let mut sides = Vec::new();
    for engine in [Engine::Topple, Engine::Redis] {
        let (master, replica) = (Node::start(engine, &[]), Node::start(engine, &[]));
        let alone = fields(&master, "replication");
        replica.follow(&master);
        until("online", || master.info("slave0").contains("state=online"));
        let (leads, follows) = (fields(&master, "replication"), fields(&replica, "replication"));
        master.ok("CONFIG SET min-replicas-to-write 1");
        let guarded = fields(&master, "replication");
        let line: Vec<String> =
            master.info("slave0").split(',').filter_map(|f| Some(f.split_once('=')?.0.to_string())).collect();
        replica.ok("REPLICAOF 127.0.0.1 1");
        replica.await_info("master_link_status", "down");
        let cut = fields(&replica, "replication");
        sides.push([alone, leads, follows, guarded, line, cut]);
    }
    assert_eq!(sides[0], sides[1]);
    assert!(sides[0][2].contains(&"slave_read_repl_offset".to_string()), "{:?}", sides[0][2]);
}

/// Fields of the other sections that the real 7.0 has must be there, in its order.
#[test]
fn info_has_the_real_servers_fields() {
    // What tells of the real server's compiler and allocator, and one time that ours does not take.
    let others = |name: &str| {
        matches!(name, "gcc_version" | "atomicvar_api" | "expire_cycle_cpu_milliseconds")
            || name.starts_with("allocator_")
            || name.starts_with("rss_overhead_")
    };
    let (ours, real) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Redis, &[]));
    for node in [&ours, &real] {
        node.ok("SET a 1");
        node.ok("GET a");
    }
    for section in ["server", "clients", "memory", "persistence", "stats", "cpu", "cluster", "keyspace"] {
        let ours = fields(&ours, section);
        let wanted: Vec<String> = fields(&real, section).into_iter().filter(|name| !others(name)).collect();
        let missing: Vec<&String> = wanted.iter().filter(|name| !ours.contains(name)).collect();
        assert!(missing.is_empty(), "{section}: {missing:?}");
        let common: Vec<&String> = ours.iter().filter(|name| wanted.contains(name)).collect();
        assert_eq!(common, wanted.iter().collect::<Vec<_>>(), "{section}: the order");
    }
}
