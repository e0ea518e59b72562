//! Full synchronization and the stream after it: our server with itself, and with the real one on either
//! side.

use std::time::Duration;

use super::support::dataset::{Load, await_same};
use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::until;

const DISKLESS: &[&str] = &["--repl-diskless-sync", "yes"];
const BY_DISK: &[&str] = &["--repl-diskless-sync", "no"];

fn assert_same_history(master: &Node, replica: &Node) {
    assert_eq!(master.info("master_replid"), replica.info("master_replid"));
    let (ours, theirs) = (|| master.figure("master_repl_offset"), || replica.figure("slave_repl_offset"));
    until("the replica's offset", || ours() == theirs());
}

/// A replica joins a master with data, then takes a stream of random writes; afterwards both hold the same.
fn synchronized(from: Engine, to: Engine, how: &[&str], seed: u64) {
    let (master, replica) = (Node::start(from, how), Node::start(to, &[]));
    let mut load = Load::new(&master, seed);
    load.write(1_000);
    replica.ok("SET stale 1");
    replica.follow(&master);
    load.write(4_000);
    let data = await_same(&master, &replica);
    assert!(data.len() > 200, "only {} keys", data.len());
    assert!(data.keys().any(|(db, _)| *db == 2), "several databases");
    assert_same_history(&master, &replica);
    assert_eq!(master.figure("sync_full"), 1);
    assert_eq!(master.figure("connected_slaves"), 1);
    assert!(master.info("slave0").contains("state=online"), "{}", master.info("slave0"));
}

#[test]
fn ours_to_ours_diskless() {
    synchronized(Engine::Topple, Engine::Topple, DISKLESS, 11);
}

#[test]
fn ours_to_ours_by_disk() {
    synchronized(Engine::Topple, Engine::Topple, BY_DISK, 12);
}

#[test]
fn real_to_ours_diskless() {
    synchronized(Engine::Redis, Engine::Topple, DISKLESS, 13);
}

#[test]
fn real_to_ours_by_disk() {
    synchronized(Engine::Redis, Engine::Topple, BY_DISK, 14);
}

#[test]
fn ours_to_real_diskless() {
    synchronized(Engine::Topple, Engine::Redis, DISKLESS, 15);
}

#[test]
fn ours_to_real_by_disk() {
    synchronized(Engine::Topple, Engine::Redis, BY_DISK, 16);
}

#[test]
fn both_sides_log_what_people_look_for() {
    let (master, replica) = (Node::start(Engine::Topple, DISKLESS), Node::start(Engine::Topple, &[]));
    replica.follow(&master);
    let port = replica.port();
    master.await_info("connected_slaves", "1");
    for line in [
        format!("Replica 127.0.0.1:{port} asks for synchronization"),
        "Partial resynchronization not accepted: Replication ID mismatch".into(),
        "Starting BGSAVE for SYNC with target: replicas sockets".into(),
        "Background RDB transfer terminated with success".into(),
        format!("Synchronization with replica 127.0.0.1:{port} succeeded"),
    ] {
        master.await_log(&line, 1);
    }
    for line in [
        "Connecting to MASTER 127.0.0.1:",
        "MASTER <-> REPLICA sync started",
        "Non blocking connect for SYNC fired the event.",
        "Master replied to PING, replication can continue...",
        "Full resync from master: ",
        "MASTER <-> REPLICA sync: Finished with success",
    ] {
        replica.await_log(line, 1);
        assert_eq!(replica.log().matches(line).count(), 1, "{line}");
    }
    assert!(!master.log().contains("DB saved on disk"), "it went to the replica");
}

/// Writes that arrive while the snapshot is made and sent must not be lost, nor come before it.
#[test]
fn writes_during_a_full_sync_arrive() {
    for how in [DISKLESS, BY_DISK] {
        let (master, replica) = (Node::start(Engine::Topple, how), Node::start(Engine::Topple, &[]));
        master.ok("DEBUG POPULATE 20000 big 200");
        // Some two seconds for the snapshot.
        master.ok("CONFIG SET rdb-key-save-delay 50");
        replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
        master.await_info("rdb_bgsave_in_progress", "1");
        let mut load = Load::new(&master, 17);
        let mut during = 0;
        until("the link", || {
            load.write(100);
            during += 100;
            replica.info("master_link_status") == "up"
        });
        assert!(during > 100, "the snapshot was over at once");
        await_same(&master, &replica);
        assert_same_history(&master, &replica);
    }
}

#[test]
fn a_replica_that_comes_during_a_bgsave_gets_the_next_one() {
    let (master, replica) = (Node::start(Engine::Topple, BY_DISK), Node::start(Engine::Topple, &[]));
    master.ok("DEBUG POPULATE 2000");
    master.ok("CONFIG SET rdb-key-save-delay 1000");
    master.ok("BGSAVE");
    replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    master.await_log("Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC", 1);
    assert_eq!(master.figure("rdb_bgsave_in_progress"), 1);
    master.ok("CONFIG SET rdb-key-save-delay 0");
    master.ok("SET late 1");
    replica.await_info("master_link_status", "up");
    await_same(&master, &replica);
    assert_eq!(master.figure("total_forks"), 2);
}

#[test]
fn one_snapshot_serves_replicas_that_come_together() {
    for how in [DISKLESS, BY_DISK] {
        let delay = ["--repl-diskless-sync-delay", "1"];
        let master = Node::start(Engine::Topple, &[how, &delay].concat());
        master.ok("DEBUG POPULATE 2000");
        master.ok("CONFIG SET rdb-key-save-delay 100");
        let replicas: Vec<Node> = (0..2).map(|_| Node::start(Engine::Topple, &[])).collect();
        for replica in &replicas {
            replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
        }
        for replica in &replicas {
            replica.await_info("master_link_status", "up");
            await_same(&master, replica);
        }
        assert_eq!(master.figure("sync_full"), 2);
        if how == DISKLESS {
            assert_eq!(master.figure("total_forks"), 1, "{}", master.log());
        }
    }
}

#[test]
fn a_replica_lost_in_the_middle_of_a_full_sync_comes_back() {
    let (master, mut replica) = (Node::start(Engine::Topple, DISKLESS), Node::start(Engine::Topple, &[]));
    master.ok("DEBUG POPULATE 20000 key 300");
    master.ok("CONFIG SET rdb-key-save-delay 1000");
    replica.ok("SET own 1");
    replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    replica.await_log("MASTER <-> REPLICA sync: receiving", 1);
    // What it had is what it has until the snapshot is complete.
    assert_eq!(replica.ok("GET own").to_text().as_deref(), Some("1"));
    replica.kill();
    master.await_log("Diskless rdb transfer, last replica dropped, killing fork child.", 1);
    master.await_info("rdb_bgsave_in_progress", "0");
    assert_eq!(master.info("rdb_last_bgsave_status"), "ok", "nothing is wrong with the disk");
    master.ok("CONFIG SET rdb-key-save-delay 0");
    replica.launch();
    replica.follow(&master);
    await_same(&master, &replica);
}

#[test]
fn a_snapshot_with_what_is_not_there_leaves_the_replica_as_it_was() {
    let (master, replica) =
        (Node::start(Engine::Redis, &[]), Node::start(Engine::Topple, &["--databases", "2"]));
    master.ok("SET colour red");
    master.ok("MOVE colour 5");
    replica.ok("SET own 1");
    replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    replica.await_log("Failed trying to load the MASTER synchronization DB: database 5 at offset", 1);
    assert_eq!(replica.ok("GET own").to_text().as_deref(), Some("1"));
    assert_eq!(replica.info("master_link_status"), "down");
    // Once the data fits the next attempt succeeds.
    master.ok("SWAPDB 0 5");
    replica.await_info("master_link_status", "up");
    assert!(replica.ok("GET own").as_bytes().is_none());
    assert_eq!(replica.ok("GET colour").to_text().as_deref(), Some("red"));
}

#[test]
fn a_master_that_is_not_there_is_tried_again() {
    let (mut master, replica) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Topple, &[]));
    master.kill();
    replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    replica.await_log("Error condition on socket for SYNC", 2);
    let role = replica.ok("ROLE");
    let words = role.as_array().expect("a role");
    assert!(matches!(words[3].to_text().as_deref(), Some("connect" | "connecting")), "{role:?}");
    master.launch();
    replica.await_info("master_link_status", "up");
}

#[test]
fn a_stream_of_large_values_arrives() {
    let (master, replica) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Topple, &[]));
    replica.follow(&master);
    let mut client = master.client();
    client.allow(Duration::from_secs(60)).expect("a connection");
    for index in 0..20 {
        let (key, value) = (format!("large:{index}"), vec![b'a' + index; 1 << 20]);
        let reply = client.call(&[b"SET", key.as_bytes(), &value]).expect("a reply");
        assert_eq!(reply.as_error(), None);
    }
    await_same(&master, &replica);
    assert_same_history(&master, &replica);
}

/// A replica that does not read is cut off before its output fills the memory, and comes back.
#[test]
fn a_replica_that_is_too_slow_is_cut_off() {
    let (master, replica) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Topple, &[]));
    // A hard limit below the backlog's size counts as that size, and one cut there finds the backlog too short:
    // only the soft limit cuts one that the backlog still spares a full sync.
    let limits = ["client-output-buffer-limit", "replica 0 1mb 0", "repl-backlog-size", "256mb"];
    master.client().call(&[&["CONFIG", "SET"][..], &limits].concat()).expect("a reply");
    replica.follow(&master);
    replica.pause();
    let (mut client, value) = (master.client(), "x".repeat(100_000));
    // More than the sockets' buffers take, less than the backlog holds.
    for index in 0..1_000 {
        let key = format!("slow:{}", index % 20);
        let reply = client.call(&["SET", &key, &value]).expect("a reply");
        assert_eq!(reply.as_error(), None);
    }
    until("the cut", || master.figure("connected_slaves") == 0);
    master.await_log("for overcoming of output buffer limits.", 1);
    replica.resume();
    replica.await_info("master_link_status", "up");
    await_same(&master, &replica);
    assert_eq!(master.figure("sync_full"), 1, "the backlog still had what was missed");
}

/// An orderly end waits for replicas, so that what was acknowledged is not lost with the master.
#[test]
fn shutdown_waits_for_a_replica_that_lags() {
    for resumed in [true, false] {
        let mut master =
            Node::start(Engine::Topple, &["--shutdown-timeout", if resumed { "50" } else { "1" }]);
        let replica = Node::start(Engine::Topple, &[]);
        replica.follow(&master);
        until("a replica that is online", || master.info("slave0").contains("state=online"));
        replica.pause();
        master.ok("SET last 1");
        let mut asking = master.client();
        asking.send([["SHUTDOWN"].as_slice()].into_iter()).expect("a connection");
        master.await_log("Waiting for replicas before shutting down.", 1);
        if resumed {
            replica.resume();
        } else {
            master.await_log("Lagging replicas at the end of shutdown-timeout.", 1);
        }
        assert!(asking.reply().is_err(), "closed without a word");
        assert_eq!(master.ended().code(), Some(0));
        if resumed {
            assert_eq!(replica.ok("GET last").to_text().as_deref(), Some("1"));
        }
    }
}

#[test]
fn a_replica_that_was_configured_from_the_start() {
    let master = Node::start(Engine::Topple, &[]);
    Load::new(&master, 18).write(500);
    let port = master.port().to_string();
    let replica = Node::start(Engine::Topple, &["--replicaof", "127.0.0.1", &port]);
    replica.await_info("master_link_status", "up");
    await_same(&master, &replica);
    assert_eq!(replica.info("role"), "slave");
}
