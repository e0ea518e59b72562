//! FAILOVER: a master and its replica change places, ours and real ones, and no acknowledged write is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use resp::Value;

use super::support::dataset::await_same;
use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::until;

fn assert_ok(reply: &Value) {
    assert_eq!(reply.to_text().as_deref(), Some("OK"), "{reply:?}");
}

fn pair(master: Engine, replica: Engine) -> (Node, Node) {
    let (master, replica) = (Node::start(master, &[]), Node::start(replica, &[]));
    replica.follow(&master);
    until("the replica is online", || master.info("slave0").contains("state=online"));
    (master, replica)
}

/// Counts up on `node` until it is no master any more; gives the last number acknowledged.
fn count_until_demoted(node: &Node) -> (std::thread::JoinHandle<()>, Arc<AtomicI64>, Arc<AtomicBool>) {
    let (acked, begun) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let (mut client, shared, started) = (node.client(), acked.clone(), begun.clone());
    let counting = std::thread::spawn(move || {
        while let Some(count) = client.line("INCR counter").unwrap().as_int() {
            shared.store(count, Ordering::SeqCst);
            started.store(count > 100, Ordering::SeqCst);
        }
    });
    (counting, acked, begun)
}

fn change_places(master: Engine, replica: Engine, request: impl Fn(&Node) -> String) {
    let (old, new) = pair(master, replica);
    old.ok("SET before 1");
    let (counting, acked, begun) = count_until_demoted(&old);
    until("writes", || begun.load(Ordering::SeqCst));
    assert_ok(&old.ok(&request(&new)));
    old.await_info("role", "slave");
    new.await_info("role", "master");
    counting.join().unwrap();
    old.await_info("master_link_status", "up");
    old.await_info("master_failover_state", "no-failover");
    assert_eq!(new.ok("GET counter").to_text(), Some(acked.load(Ordering::SeqCst).to_string()));
    assert_eq!(new.figure("sync_full"), 0, "the old master goes on from where it was");
    new.ok("SET after 1");
    await_same(&old, &new);
    // And back again.
    until("the old master is an online replica", || new.info("slave0").contains("state=online"));
    assert_ok(&new.ok("FAILOVER"));
    new.await_info("role", "slave");
    old.await_info("role", "master");
    new.await_info("master_link_status", "up");
    await_same(&old, &new);
}

fn to(node: &Node) -> String {
    format!("FAILOVER TO 127.0.0.1 {}", node.port())
}

#[test]
fn ours_and_ours_change_places() {
    change_places(Engine::Topple, Engine::Topple, to);
}

#[test]
fn ours_fails_over_to_a_real_server() {
    change_places(Engine::Topple, Engine::Redis, |node| format!("{} TIMEOUT 30000", to(node)));
}

#[test]
fn a_real_server_fails_over_to_ours() {
    change_places(Engine::Redis, Engine::Topple, |node| format!("{} TIMEOUT 30000", to(node)));
}

#[test]
fn any_replica_will_do() {
    change_places(Engine::Topple, Engine::Topple, |_| "FAILOVER".into());
}

/// A replica that stands still: writes wait, and go on when the failover is given up.
#[test]
fn writes_wait_until_it_is_given_up() {
    for engine in [Engine::Redis, Engine::Topple] {
        for abort in [true, false] {
            let (master, replica) = pair(engine, Engine::Topple);
            replica.pause();
            master.ok("SET k 1");
            let request = if abort { "FAILOVER" } else { "FAILOVER TIMEOUT 300" };
            assert_ok(&master.ok(request));
            let mut writer = master.client();
            writer.send([["SET", "k", "2"].as_slice()].into_iter()).unwrap();
            until("the write waits", || master.figure("blocked_clients") == 1);
            assert_eq!(master.ok("GET k").to_text().as_deref(), Some("1"));
            if abort {
                assert_eq!(master.info("master_failover_state"), "waiting-for-sync");
                let second = master.cmd("FAILOVER").as_error().unwrap_or_default();
                assert!(second.contains("FAILOVER already in progress."), "{second}");
                let follow = master.cmd("REPLICAOF 127.0.0.1 1").as_error().unwrap_or_default();
                assert!(follow.contains("REPLICAOF not allowed while failing over."), "{follow}");
                assert_ok(&master.ok("FAILOVER ABORT"));
                master.await_log("FAILOVER to any replica aborted: Failover manually aborted", 1);
            } else {
                master.await_log("aborted: Replica never caught up before timeout", 1);
            }
            assert_ok(&writer.reply().unwrap());
            assert_eq!(master.info("master_failover_state"), "no-failover");
            assert_eq!(master.info("role"), "master");
            replica.resume();
            await_same(&master, &replica);
        }
    }
}

/// FORCE gives up what the replica has not got; it stands still, so that the master follows nobody yet, and can
/// be the master again.
#[test]
fn forced_it_goes_on_without_the_replica() {
    for engine in [Engine::Redis, Engine::Topple] {
        let (master, replica) = pair(engine, Engine::Topple);
        replica.pause();
        master.ok("SET k 1");
        assert_ok(&master.ok(&format!("{} FORCE TIMEOUT 100", to(&replica))));
        master.await_info("master_failover_state", "failover-in-progress");
        master.await_info("role", "slave");
        let refused = master.cmd("SET k 2").as_error().unwrap_or_default();
        assert!(refused.contains("READONLY"), "{engine:?}: {refused}");
        assert_ok(&master.ok("FAILOVER ABORT"));
        assert_eq!(master.info("role"), "master");
        assert_ok(&master.ok("SET k 3"));
        replica.resume();
        replica.await_info("role", "slave");
        replica.await_info("master_link_status", "up");
        await_same(&master, &replica);
    }
}

#[test]
fn who_is_asked_to_take_over_must_be_a_replica_of_the_same_history() {
    for engine in [Engine::Redis, Engine::Topple] {
        let (master, replica) = pair(engine, engine);
        let id = master.info("master_replid");
        let refused = master.cmd(&format!("PSYNC {id} 1 FAILOVER")).as_error().unwrap_or_default();
        assert!(refused.contains("PSYNC FAILOVER can't be sent to a master."), "{refused}");
        let refused =
            replica.cmd(&format!("PSYNC {} 1 FAILOVER", "0".repeat(40))).as_error().unwrap_or_default();
        assert!(refused.contains("PSYNC FAILOVER replid must match my replid."), "{refused}");
        assert_eq!(replica.info("role"), "slave");
    }
}
