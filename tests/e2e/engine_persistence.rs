//! Snapshots: made by command, by save points and at the end; loaded at the start, ours and the real
//! server's alike.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use super::support::dataset::{Load, dataset};
use super::support::node::{Node, SIGTERM};
use super::support::server::Engine;
use super::support::wait::until;

/// Long enough for everything a test does while a snapshot is under way: a minute a key.
const HOLD: &str = "CONFIG SET rdb-key-save-delay 60000000";

fn populate(node: &Node, keys: usize) {
    let mut client = node.client();
    client.allow(Duration::from_secs(120)).expect("a connection");
    let reply = client.line(&format!("DEBUG POPULATE {keys}")).expect("a reply");
    assert_eq!(reply.as_error(), None);
}

fn await_bgsave(node: &Node) {
    node.await_info("rdb_bgsave_in_progress", "0");
}

/// What the real checker says of a file: whether it is in order, and its output.
fn real_check(path: &std::path::Path) -> (bool, String) {
    let output = Command::new("redis-check-rdb").arg(path).output().expect("redis-check-rdb is installed");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn save_writes_what_the_next_start_loads() {
    let mut node = Node::start(Engine::Topple, &[]);
    Load::new(&node, 1).write(2_000);
    assert!(node.figure("rdb_changes_since_last_save") > 0);
    node.ok("SAVE");
    assert_eq!(node.figure("rdb_changes_since_last_save"), 0);
    assert_eq!(node.snapshots(), ["dump.rdb"]);
    let saved = dataset(&node);
    node.ok("SET unsaved 1");
    node.kill();
    node.launch();
    let loaded = dataset(&node);
    let far = |set: BTreeMap<_, (Vec<u8>, i64)>| -> BTreeMap<_, _> {
        set.into_iter().filter(|(_, (_, deadline))| !(0..4_102_444_800_000).contains(deadline)).collect()
    };
    // Short deadlines may have passed in between.
    assert_eq!(far(loaded), far(saved));
    node.await_log("DB loaded from disk", 1);
}

#[test]
fn bgsave_reports_its_figures() {
    let node = Node::start(Engine::Topple, &[]);
    populate(&node, 20_000);
    let before = node.ok("LASTSAVE").as_int();
    assert_eq!(node.figure("rdb_saves"), 0);
    assert_eq!(node.ok("BGSAVE").to_text().as_deref(), Some("Background saving started"));
    await_bgsave(&node);
    assert_eq!(node.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(node.figure("rdb_saves"), 1);
    assert!(node.figure("rdb_last_bgsave_time_sec") >= 0);
    assert!(node.figure("latest_fork_usec") > 0);
    assert!(node.figure("rdb_last_cow_size") > 0, "the child copied at least its own stack");
    assert_eq!(node.figure("total_forks"), 1);
    assert!(node.ok("LASTSAVE").as_int() >= before);
    for line in
        ["Background saving started by pid", "DB saved on disk", "Background saving terminated with success"]
    {
        node.await_log(line, 1);
    }
    assert!(node.log().contains("Fork CoW for RDB"), "{}", node.log());
    assert_eq!(node.snapshots(), ["dump.rdb"]);
}

#[test]
fn clients_are_answered_all_along_a_bgsave() {
    let node = Node::start(Engine::Topple, &[]);
    populate(&node, 100_000);
    node.ok("CONFIG SET rdb-key-save-delay -100");
    let mut client = node.client();
    node.ok("BGSAVE");
    let mut answered = 0;
    until("the end of the snapshot", || {
        for _ in 0..100 {
            let pong = client.line("PING").expect("an answer during the snapshot");
            assert_eq!(pong.as_bytes(), Some(&b"PONG"[..]));
            client.line(&format!("SET key:{answered} changed")).expect("an answer during the snapshot");
            answered += 1;
        }
        node.info("rdb_bgsave_in_progress") == "0"
    });
    assert_eq!(node.info("rdb_last_bgsave_status"), "ok");
    assert!(answered > 0);
}

#[test]
fn a_second_snapshot_is_refused_while_one_is_made() {
    let node = Node::start(Engine::Topple, &[]);
    node.ok("MSET a 1 b 2");
    node.ok(HOLD);
    node.ok("BGSAVE");
    for line in ["BGSAVE", "SAVE", "BGSAVE SCHEDULE"] {
        let error = node.cmd(line).as_error();
        assert_eq!(error.as_deref(), Some("ERR Background save already in progress"), "{line}");
    }
    assert_eq!(node.figure("rdb_bgsave_in_progress"), 1);
}

#[test]
fn a_save_point_fires() {
    let node = Node::start(Engine::Topple, &["--save", "1 3"]);
    node.ok("MSET a 1 b 2");
    node.ok("SET c 3");
    // One change alone would not do: MSET counts one for each key.
    node.await_log("3 changes in 1 seconds. Saving...", 1);
    node.await_log("Background saving terminated with success", 1);
    node.await_info("rdb_changes_since_last_save", "0");
    assert_eq!(node.snapshots(), ["dump.rdb"]);
}

#[test]
fn the_real_checker_accepts_our_file() {
    let node = Node::start(Engine::Topple, &[]);
    Load::new(&node, 2).write(2_000);
    populate(&node, 1_000);
    node.ok("SAVE");
    let (ok, output) = real_check(&node.path("dump.rdb"));
    assert!(ok, "{output}");
    assert!(output.contains("RDB looks OK"), "{output}");
    assert!(output.contains("Checksum OK"), "{output}");
}

/// Writes a data set of every kind of string, saves it in one engine and loads it in the other.
fn handed_over(from: Engine, to: Engine) {
    let writer = Node::start(from, &[]);
    Load::new(&writer, 3).write(3_000);
    let mut client = writer.client();
    let long = "compressible ".repeat(2_000);
    let binary: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let strings: [(&[u8], &[u8]); 9] = [
        (b"empty", b""),
        (b"", b"empty key"),
        (b"int8", b"-128"),
        (b"int16", b"32767"),
        (b"int32", b"-2147483648"),
        (b"int64", b"9223372036854775807"),
        (b"not-int", b"007"),
        (b"long", long.as_bytes()),
        (b"binary", &binary),
    ];
    for (key, value) in strings {
        client.call(&[&b"SET"[..], key, value]).expect("a reply");
    }
    client.line("PEXPIREAT long 4102444800123").expect("a reply");
    // What has a near deadline must be gone before the comparison.
    until("the near deadlines", || {
        let now = writer.ok("TIME").as_array().expect("two numbers")[0].as_int().expect("seconds") * 1000;
        dataset(&writer).values().all(|(_, deadline)| *deadline == -1 || *deadline > now + 60_000)
    });
    writer.ok("SAVE");
    let saved = dataset(&writer);
    assert!(saved.len() > 300, "{}", saved.len());
    assert!((0..3).all(|db| saved.keys().any(|(of, _)| *of == db)), "all databases are used");

    let mut reader = Node::prepare(to, &[]);
    fs::copy(writer.path("dump.rdb"), reader.path("dump.rdb")).expect("a copy");
    reader.launch();
    assert_eq!(dataset(&reader), saved);
}

#[test]
fn the_real_server_loads_our_file() {
    handed_over(Engine::Topple, Engine::Redis);
}

#[test]
fn the_real_servers_file_is_loaded() {
    handed_over(Engine::Redis, Engine::Topple);
}

#[test]
fn a_server_killed_during_bgsave_keeps_the_old_file() {
    let mut node = Node::start(Engine::Topple, &[]);
    node.ok("SET old 1");
    node.ok("SAVE");
    let old = fs::read(node.path("dump.rdb")).expect("the file");
    node.ok("MSET new 1 newer 2");
    node.ok(HOLD);
    node.ok("BGSAVE");
    until("the child's temporary file", || node.snapshots().len() == 2);
    node.kill();
    assert_eq!(fs::read(node.path("dump.rdb")).expect("the file"), old);
    node.launch();
    let keys: Vec<Vec<u8>> = dataset(&node).into_keys().map(|(_, key)| key).collect();
    assert_eq!(keys, [b"old"]);
    // The half-written one is in nobody's way.
    node.ok("SAVE");
    assert_eq!(node.figure("rdb_changes_since_last_save"), 0);
}

#[test]
fn a_killed_snapshot_child_is_an_error_and_leaves_nothing() {
    let node = Node::start(Engine::Topple, &["--save", "3600 1"]);
    node.ok("MSET a 1 b 2");
    node.ok(HOLD);
    node.ok("BGSAVE");
    until("the child's temporary file", || node.snapshots().len() == 1);
    let log = node.log();
    let pid = log.split("Background saving started by pid ").nth(1).expect("its pid in the log");
    let pid = pid.lines().next().expect("a line").parse().expect("a pid");
    sys::signal_process(pid, 9).expect("it runs");
    await_bgsave(&node);
    node.await_log("Background saving terminated by signal 9", 1);
    assert_eq!(node.info("rdb_last_bgsave_status"), "err");
    until("the temporary file's end", || node.snapshots().is_empty());
    let error = node.cmd("SET c 3").as_error().unwrap_or_default();
    assert!(error.starts_with("MISCONF "), "{error}");
}

/// A directory that nobody can write to, root included, has to be one that is gone.
#[test]
fn a_directory_that_cannot_be_written_to() {
    let node = Node::start(Engine::Topple, &["--save", "3600 1", "--enable-protected-configs", "yes"]);
    node.ok("SET a 1");
    let gone = node.path("gone");
    fs::create_dir(&gone).expect("a directory");
    node.ok(&format!("CONFIG SET dir {}", gone.display()));
    fs::remove_dir(&gone).expect("it is empty");

    assert_eq!(node.cmd("SAVE").as_error().as_deref(), Some("ERR"));
    assert!(node.log().contains("Error trying to save the DB"), "{}", node.log());
    // A failed SAVE is its caller's to know; only a failed BGSAVE stops writes.
    node.ok("SET a 2");
    node.ok("BGSAVE");
    node.await_info("rdb_last_bgsave_status", "err");
    node.await_log("Background saving error", 1);
    let error = node.cmd("SET a 3").as_error().unwrap_or_default();
    assert!(error.starts_with("MISCONF Redis is configured to save RDB snapshots"), "{error}");
    assert_eq!(node.ok("GET a").to_text().as_deref(), Some("2"));

    // Either way out: the check is turned off, or a snapshot succeeds.
    node.ok("CONFIG SET stop-writes-on-bgsave-error no");
    node.ok("SET a 3");
    node.ok("CONFIG SET stop-writes-on-bgsave-error yes");
    assert!(node.cmd("SET a 4").as_error().is_some());
    let directory = node.path("there");
    fs::create_dir(&directory).expect("a directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("its mode");
    node.ok(&format!("CONFIG SET dir {}", directory.display()));
    node.ok("BGSAVE");
    node.await_info("rdb_last_bgsave_status", "ok");
    node.ok("SET a 4");
}

#[test]
fn shutdown_saves_when_told_to_or_when_save_points_are_set() {
    let mut node = Node::start(Engine::Topple, &[]);
    let mut expected = 0;
    // What ends the server, whether save points are set, whether the write before it survives.
    for (how, points, kept) in [
        ("SHUTDOWN", "", false),
        ("SHUTDOWN", "3600 1000", true),
        ("SHUTDOWN NOSAVE", "3600 1000", false),
        ("SHUTDOWN SAVE", "", true),
        ("SIGTERM", "", false),
        ("SIGTERM", "3600 1000", true),
    ] {
        node.client().call(&["CONFIG", "SET", "save", points]).expect("a reply");
        node.ok("INCR count");
        match how {
            "SIGTERM" => node.signal(SIGTERM),
            _ => assert!(node.client().line(how).is_err(), "no reply to a {how} that succeeds"),
        }
        assert_eq!(node.ended().code(), Some(0), "{how}");
        expected += i32::from(kept);
        node.launch();
        let count = node.ok("GET count").as_int().unwrap_or(0);
        assert_eq!(count, i64::from(expected), "{how} with save points {points:?}");
    }
    assert!(node.log().contains("Received SIGTERM scheduling shutdown..."), "{}", node.log());
}

#[test]
fn shutdown_that_cannot_save_does_not_end_the_server() {
    let mut node = Node::start(Engine::Topple, &["--enable-protected-configs", "local"]);
    let gone = node.path("gone");
    fs::create_dir(&gone).expect("a directory");
    node.ok(&format!("CONFIG SET dir {}", gone.display()));
    fs::remove_dir(&gone).expect("it is empty");
    node.ok("SET a 1");
    let error = node.cmd("SHUTDOWN SAVE").as_error();
    assert_eq!(error.as_deref(), Some("ERR Errors trying to SHUTDOWN. Check logs."));
    assert_eq!(node.ok("GET a").to_text().as_deref(), Some("1"));
    assert!(node.client().line("SHUTDOWN SAVE FORCE").is_err());
    assert_eq!(node.ended().code(), Some(0));
}

#[test]
fn clients_hear_that_the_data_is_being_loaded() {
    let mut node = Node::start(Engine::Topple, &[]);
    populate(&node, 1_000_000);
    let mut client = node.client();
    client.allow(Duration::from_secs(120)).expect("a connection");
    assert_eq!(client.line("SAVE").expect("a reply").as_error(), None);
    node.kill();
    node.spawn();
    let loading = Some("LOADING Redis is loading the dataset in memory".to_string());
    until("a server that loads", || {
        let reply = super::support::client::Client::connect(node.port())
            .and_then(|mut client| client.line("GET key:1"));
        reply.is_ok_and(|reply| reply.as_error() == loading)
    });
    // The state can be watched meanwhile, and PING says it too.
    assert_eq!(node.figure("loading"), 1);
    assert!(node.figure("loading_total_bytes") > 1_000_000);
    assert_eq!(node.cmd("PING").as_error(), loading);
    node.await_info("loading", "0");
    assert_eq!(node.ok("DBSIZE").as_int(), Some(1_000_000));
    assert_eq!(node.ok("GET key:999999").to_text().as_deref(), Some("value:999999"));
    assert_eq!(node.figure("rdb_last_load_keys_loaded"), 1_000_000);
}
