//! The append-only file with files that are but bytes, and a clock that is a number.

use crate::tests::{World, at};
use crate::{LoadPlan, SnapshotResult};

const INCREMENT: &str = "appendonlydir/appendonly.aof.1.incr.aof";

/// A server whose file is open.
fn world(directives: &[(&str, &str)]) -> World {
    let directives = [&[("appendonly", "yes"), ("save", "")], directives].concat();
    let mut world = World::new(&directives);
    start(&mut world);
    world
}

fn start(world: &mut World) {
    let LoadPlan::AppendOnly(paths) = world.server.plan_loading(at(0)).unwrap() else { panic!("a snapshot") };
    for path in paths {
        let file = world.outside.borrow().files[&path].clone();
        for piece in file.chunks(3) {
            world.server.feed_aof_file(piece, at(0)).unwrap();
        }
        world.server.end_aof_file(at(0)).unwrap();
    }
    world.server.aof_loaded(at(0));
    world.server.open_aof_at_start(at(0)).unwrap();
}

/// Commands are sent, and what is to be written is, as before a reply.
fn send(world: &mut World, client: crate::ClientId, lines: &str) -> String {
    let replies = world.send(client, lines);
    let now = world.server.now();
    if world.server.aof_is_pending() {
        world.server.write_aof(now);
    }
    replies
}

/// The words of the commands in a file.
fn words(world: &World, path: &str) -> String {
    let text = String::from_utf8_lossy(&world.outside.borrow().files[path]).replace("\r\n", " ");
    text.split(' ').filter(|word| !word.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ").trim().into()
}

fn logged(world: &World, text: &str) -> bool {
    world.outside.borrow().log.iter().any(|line| line.contains(text))
}

#[test]
fn what_is_written_is_loaded() {
    let mut one = world(&[]);
    let client = one.client();
    send(&mut one, client, "SET a 1\nMULTI\nINCR a\nINCR a\nEXEC\nSELECT 2\nRPUSH l x y\nPUBLISH c m\nGET a");
    assert_eq!(words(&one, INCREMENT), "SELECT 0 SET a 1 MULTI INCR a INCR a EXEC SELECT 2 RPUSH l x y");
    let mut other = World::new(&[("appendonly", "yes"), ("save", "")]);
    other.outside.borrow_mut().files = one.outside.borrow().files.clone();
    start(&mut other);
    let client = other.client();
    assert_eq!(send(&mut other, client, "GET a\nSELECT 2\nLRANGE l 0 -1"), "$1 3 +OK *2 $1 x $1 y");
    assert!(
        send(&mut other, client, "INFO commandstats").find("rpush").is_none(),
        "loading is no client's work"
    );
    assert_eq!(words(&other, INCREMENT), words(&one, INCREMENT), "nothing was written for loading");
    assert!(logged(&other, "DB loaded from incr file appendonly.aof.1.incr.aof"));
    assert!(logged(&other, "Opening AOF incr file appendonly.aof.1.incr.aof on server start"));
}

#[test]
fn what_a_script_says_of_its_effects_holds() {
    let mut world = world(&[]);
    let client = world.client();
    send(&mut world, client, r#"EVAL "redis.set_repl(redis.REPL_REPLICA) redis.call('SET','a',1)" 0"#);
    send(&mut world, client, r#"EVAL "redis.set_repl(redis.REPL_AOF) redis.call('SET','b',1)" 0"#);
    assert_eq!(words(&world, INCREMENT), "SELECT 0 SET b 1");
}

#[test]
fn times_are_written_once_a_second() {
    let mut world = world(&[("aof-timestamp-enabled", "yes"), ("appendfsync", "no")]);
    let client = world.client();
    send(&mut world, client, "SET a 1\nSET a 2");
    world.pass(1000);
    send(&mut world, client, "SET a 3");
    assert_eq!(words(&world, INCREMENT), "#TS:1700000000 SELECT 0 SET a 1 SET a 2 #TS:1700000001 SET a 3");
}

#[test]
fn a_write_waits_for_a_sync_two_seconds_at_the_most() {
    let mut world = world(&[]);
    let client = world.client();
    world.pass(1000);
    send(&mut world, client, "SET a 1");
    assert_eq!(world.outside.borrow().syncing.pending, 1, "a second has passed: it is synced aside");
    send(&mut world, client, "SET a 2");
    world.pass(1900);
    assert_eq!(words(&world, INCREMENT), "SELECT 0 SET a 1");
    world.pass(200);
    assert_eq!(words(&world, INCREMENT), "SELECT 0 SET a 1 SET a 2");
    assert!(logged(&world, "Asynchronous AOF fsync is taking too long (disk is busy?)."));
    assert!(send(&mut world, client, "INFO persistence").contains("aof_delayed_fsync:1"));
    // When the sync ends, what waits is written at once.
    send(&mut world, client, "SET a 3");
    world.outside.borrow_mut().syncing.pending = 0;
    world.server.aof_synced(world.server.now());
    assert!(words(&world, INCREMENT).ends_with("SET a 3"));
}

#[test]
fn waitaof_ends_when_a_sync_does() {
    let mut world = world(&[]);
    let client = world.client();
    assert_eq!(send(&mut world, client, "WAITAOF 1 0 0"), "*2 :1 :0", "nothing was written");
    world.pass(1000);
    assert_eq!(send(&mut world, client, "SET a 1\nWAITAOF 1 0 0"), "+OK");
    let mark = *world.outside.borrow().sync_marks.last().unwrap();
    {
        let mut outside = world.outside.borrow_mut();
        (outside.syncing.pending, outside.syncing.done) = (0, Some(mark));
    }
    world.server.aof_synced(world.server.now());
    assert_eq!(world.output(client), "*2 :1 :0");
    assert_eq!(send(&mut world, client, "WAITAOF 0 1 5"), "");
    world.pass(10);
    assert_eq!(world.output(client), "*2 :1 :0", "as far as it has come");
    send(&mut world, client, "SET a 2\nWAITAOF 1 0 0");
    let other = world.client();
    send(&mut world, other, "CONFIG SET appendonly no");
    assert!(world.output(client).starts_with("-ERR WAITAOF cannot be used when numlocal is set"));
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let mut world = world(&[]);
    let client = world.client();
    send(&mut world, client, "SET a 1");
    let before = words(&world, INCREMENT);
    world.outside.borrow_mut().room_bytes = Some(10);
    assert_eq!(send(&mut world, client, "SET a 2"), "+OK");
    assert_eq!(words(&world, INCREMENT), before, "half a command is taken out again");
    assert!(logged(&world, "Short write while writing to the AOF file: (nwritten=10, expected="));
    let refused = "-MISCONF Errors writing to the AOF file: No space left on device";
    assert_eq!(send(&mut world, client, "SET a 3\nPING\nGET a"), format!("{refused} {refused} $1 2"));
    assert!(send(&mut world, client, "INFO persistence").contains("aof_last_write_status:err"));
    world.outside.borrow_mut().room_bytes = None;
    world.tick();
    assert_eq!(words(&world, INCREMENT), format!("{before} SET a 2"));
    assert!(logged(&world, "AOF write error looks solved. The server can write again."));
    assert_eq!(send(&mut world, client, "SET a 3"), "+OK");
}

#[test]
fn with_always_a_write_that_fails_ends_the_process() {
    let mut world = world(&[("appendfsync", "always")]);
    let client = world.client();
    assert_eq!(
        send(&mut world, client, "SET a 1\nWAITAOF 1 0 0"),
        "+OK",
        "before its reply it is on the disk"
    );
    assert_eq!(world.output(client), "*2 :1 :0");
    world.outside.borrow_mut().room_bytes = Some(0);
    send(&mut world, client, "SET a 2");
    assert_eq!(world.outside.borrow().exited, Some(1));
    assert!(logged(
        &world,
        "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting..."
    ));
}

#[test]
fn a_rewrite_begins_an_increment_and_retires_what_was() {
    let mut world = world(&[("aof-use-rdb-preamble", "no")]);
    let client = world.client();
    send(&mut world, client, "SET a 1");
    assert_eq!(send(&mut world, client, "BGREWRITEAOF"), "+Background append only file rewriting started");
    assert!(
        send(&mut world, client, "BGREWRITEAOF")
            .starts_with("-ERR Background append only file rewriting already")
    );
    assert!(send(&mut world, client, "BGSAVE").starts_with("-ERR Another child process is active (AOF?)"));
    send(&mut world, client, "SET b 2");
    let file = Some("temp-rewriteaof-bg-1.aof".to_string());
    let done = SnapshotResult { code: Some(0), file, ..SnapshotResult::default() };
    world.server.snapshot_ended(done, at(0));
    assert_eq!(words(&world, "appendonlydir/appendonly.aof.2.base.aof"), "SELECT 0 SET a 1");
    assert_eq!(words(&world, "appendonlydir/appendonly.aof.2.incr.aof"), "SELECT 0 SET b 2");
    let names: Vec<String> = world.outside.borrow().files.keys().cloned().collect();
    assert_eq!(
        names,
        [
            "appendonlydir/appendonly.aof.2.base.aof",
            "appendonlydir/appendonly.aof.2.incr.aof",
            "appendonlydir/appendonly.aof.manifest"
        ]
    );
    assert!(send(&mut world, client, "INFO persistence").contains("aof_last_bgrewrite_status:ok"));
}

#[test]
fn rewrites_that_fail_are_tried_ever_more_rarely() {
    let mut world = world(&[("auto-aof-rewrite-min-size", "1")]);
    let client = world.client();
    send(&mut world, client, &format!("SET a {}", "x".repeat(5000)));
    let failed = || SnapshotResult { code: Some(1), ..SnapshotResult::default() };
    for _ in 0..3 {
        world.pass(100);
        let now = world.server.now();
        world.server.snapshot_ended(failed(), now);
    }
    world.pass(100);
    assert!(logged(&world, "triggered the limit, will retry in 1 minutes"));
    assert!(send(&mut world, client, "INFO persistence").contains("aof_rewrites_consecutive_failures:3"));
    let rewrites = |world: &World| {
        let log = &world.outside.borrow().log;
        log.iter().filter(|line| line.contains("Starting automatic rewriting of AOF on")).count()
    };
    let before = rewrites(&world);
    world.pass(59_000);
    assert_eq!(rewrites(&world), before);
    world.pass(2_000);
    assert_eq!(rewrites(&world), before + 1);
}

#[test]
fn switched_on_while_it_runs_it_begins_with_a_rewrite() {
    let mut world = World::new(&[("save", "")]);
    world.server.plan_loading(at(0)).unwrap();
    world.server.open_aof_at_start(at(0)).unwrap();
    let client = world.client();
    assert_eq!(send(&mut world, client, "SET a 1\nCONFIG SET appendonly yes\nSET b 2"), "+OK +OK +OK");
    assert_eq!(words(&world, "appendonlydir/temp-appendonly.aof.incr"), "SELECT 0 SET b 2");
    assert!(send(&mut world, client, "INFO persistence").contains("aof_pending_rewrite:1"));
    assert!(send(&mut world, client, "SHUTDOWN").starts_with("-ERR Errors trying to SHUTDOWN"));
    assert!(logged(&world, "Writing initial AOF, can't exit."));
    let file = Some("temp-rewriteaof-bg-1.aof".to_string());
    let done = SnapshotResult { code: Some(0), file, ..SnapshotResult::default() };
    world.server.snapshot_ended(done, at(0));
    assert_eq!(words(&world, INCREMENT), "SELECT 0 SET b 2");
    assert_eq!(send(&mut world, client, "SET c 3\nCONFIG SET appendonly no\nSET d 4"), "+OK +OK +OK");
    assert!(words(&world, INCREMENT).ends_with("SET c 3"));
    world.outside.borrow_mut().fails = true;
    assert!(
        send(&mut world, client, "CONFIG SET appendonly yes")
            .ends_with("Unable to turn on AOF. Check server logs.")
    );
    assert_eq!(send(&mut world, client, "CONFIG GET appendonly"), "*2 $10 appendonly $2 no");
}

#[test]
fn latencies_of_writes_are_noted() {
    let mut world = world(&[("appendfsync", "always"), ("latency-monitor-threshold", "1")]);
    let client = world.client();
    world.outside.borrow_mut().clock_step_us = 5_000;
    send(&mut world, client, "SET a 1");
    world.outside.borrow_mut().clock_step_us = 0;
    let latest = send(&mut world, client, "LATENCY LATEST");
    for event in ["aof-write ", "aof-write-alone", "aof-fsync-always"] {
        assert!(latest.contains(event), "{event}: {latest}");
    }
}
