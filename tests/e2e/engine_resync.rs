//! Partial resynchronization: after cut links, restarts and promotions a replica goes on where it was.

use super::support::dataset::{Load, await_same};
use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::until;

fn pair(master: Engine, replica: Engine) -> (Node, Node) {
    let (master, replica) = (Node::start(master, &[]), Node::start(replica, &[]));
    replica.follow(&master);
    (master, replica)
}

/// Waits until both stand at the same offset.
fn await_caught_up(master: &Node, replica: &Node) {
    until("equal offsets", || {
        let offset = master.figure("master_repl_offset");
        replica.figure("slave_repl_offset") == offset
            && replica.info("master_link_status") == "up"
            && master.figure("master_repl_offset") == offset
    });
}

/// The link breaks by a command on one side; writes go on meanwhile.
fn goes_on_after(master: Engine, replica: Engine, on_master: bool, command: &str) {
    let (master, replica) = pair(master, replica);
    let mut load = Load::new(&master, 21);
    load.write(500);
    await_caught_up(&master, &replica);
    let side = if on_master { &master } else { &replica };
    assert_eq!(side.ok(command).as_int(), Some(1), "{command}");
    load.write(500);
    master.await_info("sync_partial_ok", "1");
    await_same(&master, &replica);
    await_caught_up(&master, &replica);
    assert_eq!(master.figure("sync_full"), 1, "one full sync, at the start");
    master.await_log("accepted. Sending", 1);
    replica.await_log("Successful partial resynchronization with master.", 1);
}

#[test]
fn after_the_master_drops_its_replicas() {
    for kind in ["replica", "slave"] {
        goes_on_after(Engine::Topple, Engine::Topple, true, &format!("CLIENT KILL TYPE {kind}"));
    }
}

#[test]
fn after_the_replica_drops_its_master() {
    goes_on_after(Engine::Topple, Engine::Topple, false, "CLIENT KILL TYPE master");
}

#[test]
fn our_replica_goes_on_with_a_real_master() {
    goes_on_after(Engine::Redis, Engine::Topple, true, "CLIENT KILL TYPE replica");
}

#[test]
fn a_real_replica_goes_on_with_our_master() {
    goes_on_after(Engine::Topple, Engine::Redis, true, "CLIENT KILL TYPE replica");
}

#[test]
fn a_replica_that_stood_still_goes_on() {
    let times = ["--repl-timeout", "2", "--repl-ping-replica-period", "1"];
    let (master, replica) = (Node::start(Engine::Topple, &times), Node::start(Engine::Topple, &times));
    replica.follow(&master);
    let mut load = Load::new(&master, 22);
    load.write(200);
    await_caught_up(&master, &replica);
    replica.pause();
    master.await_log("Disconnecting timedout replica (streaming sync)", 1);
    load.write(200);
    replica.resume();
    master.await_info("sync_partial_ok", "1");
    await_same(&master, &replica);
    assert_eq!(master.figure("sync_full"), 1);
}

#[test]
fn a_master_that_stood_still_is_noticed() {
    let times = ["--repl-timeout", "2", "--repl-ping-replica-period", "1"];
    let (master, replica) = (Node::start(Engine::Topple, &times), Node::start(Engine::Topple, &times));
    replica.follow(&master);
    master.pause();
    replica.await_info("master_link_status", "down");
    assert!(replica.figure("master_link_down_since_seconds") >= 0);
    replica.await_log("MASTER timeout: no data nor PING received...", 1);
    master.resume();
    replica.await_info("master_link_status", "up");
    master.ok("SET a 1");
    await_same(&master, &replica);
    assert_eq!(master.figure("sync_full"), 1, "{}", master.log());
}

#[test]
fn too_much_was_missed_for_the_backlog() {
    let (master, replica) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Topple, &[]));
    master.ok("CONFIG SET repl-backlog-size 16kb");
    replica.follow(&master);
    let refused = master.figure("sync_partial_err");
    replica.pause();
    master.ok("CLIENT KILL TYPE replica");
    let mut load = Load::new(&master, 23);
    load.write(2_000);
    replica.resume();
    master.await_info("sync_full", "2");
    await_same(&master, &replica);
    assert_eq!(master.figure("sync_partial_ok"), 0);
    assert_eq!(master.figure("sync_partial_err"), refused + 1);
    master.await_log("Unable to partial resync with replica", 1);
}

/// The second of two replicas in a row has the master's own history, and passes through cuts of either link.
fn chained(engines: [Engine; 3]) {
    let [master, first, second] = engines.map(|engine| Node::start(engine, &[]));
    first.follow(&master);
    second.follow(&first);
    let mut load = Load::new(&master, 24);
    load.write(1_000);
    let same_everywhere = || {
        await_same(&master, &first);
        await_same(&first, &second);
        for replica in [&first, &second] {
            await_caught_up(&master, replica);
            assert_eq!(replica.info("master_replid"), master.info("master_replid"));
        }
    };
    same_everywhere();
    master.ok("CLIENT KILL TYPE replica");
    load.write(300);
    same_everywhere();
    first.ok("CLIENT KILL TYPE replica");
    load.write(300);
    same_everywhere();
    assert_eq!((master.figure("sync_full"), first.figure("sync_full")), (1, 1), "no more full syncs");
    // When the first link was cut the second held, or went on too.
    assert_eq!(master.figure("sync_partial_ok"), 1);
    assert!(first.figure("sync_partial_ok") >= 1);
}

#[test]
fn a_chain_has_one_history() {
    chained([Engine::Topple; 3]);
}

#[test]
fn a_chain_through_the_real_server_has_one_history() {
    chained([Engine::Topple, Engine::Redis, Engine::Topple]);
}

#[test]
fn a_chain_between_real_servers_has_one_history() {
    chained([Engine::Redis, Engine::Topple, Engine::Redis]);
}

/// A replica is promoted; its sibling and the old master go on with it by the second replication id.
fn promoted(engines: [Engine; 3]) {
    // A ping of the old master's after the promotion would be a history of its own.
    let quiet = ["--repl-ping-replica-period", "3600", "--enable-debug-command", "yes"];
    let [master, heir, sibling] = engines.map(|engine| Node::start(engine, &quiet));
    heir.follow(&master);
    sibling.follow(&master);
    Load::new(&master, 25).write(500);
    // So would be the end of a key.
    master.ok("DEBUG SET-ACTIVE-EXPIRE 0");
    await_caught_up(&master, &heir);
    await_caught_up(&master, &sibling);
    let old_id = master.info("master_replid");

    heir.ok("REPLICAOF NO ONE");
    assert_eq!(heir.info("role"), "master");
    assert_ne!(heir.info("master_replid"), old_id);
    assert_eq!(heir.info("master_replid2"), old_id);
    assert_eq!(heir.figure("second_repl_offset"), heir.figure("master_repl_offset") + 1);
    let mut load = Load::new(&heir, 26);
    load.write(300);
    sibling.follow(&heir);
    master.follow(&heir);
    load.write(300);
    for replica in [&sibling, &master] {
        await_same(&heir, replica);
        await_caught_up(&heir, replica);
        assert_eq!(replica.info("master_replid"), heir.info("master_replid"));
        assert_eq!(replica.info("master_replid2"), old_id);
    }
    assert_eq!(heir.figure("sync_full"), 0, "{}", heir.log());
    assert_eq!(heir.figure("sync_partial_ok"), 2);
}

#[test]
fn siblings_of_a_promoted_replica_go_on() {
    promoted([Engine::Topple; 3]);
}

#[test]
fn a_real_sibling_goes_on_with_our_promoted_replica() {
    promoted([Engine::Redis, Engine::Topple, Engine::Redis]);
}

#[test]
fn our_sibling_goes_on_with_a_real_promoted_replica() {
    promoted([Engine::Topple, Engine::Redis, Engine::Topple]);
}

#[test]
fn a_replica_that_wrote_by_itself_cannot_go_on() {
    let (master, replica) = pair(Engine::Topple, Engine::Topple);
    Load::new(&master, 27).write(200);
    await_caught_up(&master, &replica);
    replica.ok("REPLICAOF NO ONE");
    replica.ok("SET own 1");
    replica.follow(&master);
    assert_eq!(master.figure("sync_full"), 2, "{}", master.log());
    await_same(&master, &replica);
}

#[test]
fn a_restarted_replica_goes_on_from_its_file() {
    let (master, mut replica) = pair(Engine::Topple, Engine::Topple);
    let mut load = Load::new(&master, 28);
    load.write(500);
    await_caught_up(&master, &replica);
    assert!(replica.client().line("SHUTDOWN SAVE").is_err());
    replica.ended();
    load.write(200);
    replica.launch_with(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    replica.await_info("master_link_status", "up");
    await_same(&master, &replica);
    assert_eq!((master.figure("sync_full"), master.figure("sync_partial_ok")), (1, 1), "{}", replica.log());
}

/// Keys that expire while the master is away are not in its data after the restart: its replicas, which go on
/// without a new snapshot, must hear of it.
#[test]
fn what_expired_during_a_restart_expires_on_replicas() {
    for replica in [Engine::Topple, Engine::Redis] {
        let (mut master, replica) = pair(Engine::Topple, replica);
        master.ok("MSET stays 1 short 1");
        master.ok("DEBUG SET-ACTIVE-EXPIRE 0");
        master.ok("PEXPIRE short 20");
        await_caught_up(&master, &replica);
        until("the deadline", || replica.ok("PTTL short").as_int() == Some(-2));
        assert!(master.client().line("SHUTDOWN SAVE").is_err());
        master.ended();
        master.launch();
        assert_eq!(master.figure("rdb_last_load_keys_expired"), 1);
        replica.await_info("master_link_status", "up");
        until("one key on the replica", || replica.ok("DBSIZE").as_int() == Some(1));
        assert_eq!((master.figure("sync_full"), master.figure("sync_partial_ok")), (0, 1));
    }
}

/// A master that saved as it ended has its history in the file: replicas need no new snapshot.
fn restarted(master: Engine, replica: Engine) {
    let (mut master, replica) = pair(master, replica);
    let mut load = Load::new(&master, 29);
    load.write(500);
    await_caught_up(&master, &replica);
    let id = master.info("master_replid");
    assert!(master.client().line("SHUTDOWN SAVE").is_err());
    master.ended();
    master.launch();
    replica.await_info("master_link_status", "up");
    assert_eq!(master.info("master_replid2"), id);
    let mut load = Load::new(&master, 30);
    load.write(200);
    await_same(&master, &replica);
    await_caught_up(&master, &replica);
    assert_eq!((master.figure("sync_full"), master.figure("sync_partial_ok")), (0, 1), "{}", master.log());
}

#[test]
fn replicas_of_a_restarted_master_go_on() {
    restarted(Engine::Topple, Engine::Topple);
}

#[test]
fn real_replicas_of_our_restarted_master_go_on() {
    restarted(Engine::Topple, Engine::Redis);
}

#[test]
fn our_replicas_of_a_restarted_real_master_go_on() {
    restarted(Engine::Redis, Engine::Topple);
}
