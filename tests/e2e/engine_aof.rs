//! The append-only file: written by one kind of server and loaded by the other, kept through kills, rewritten
//! under writes, switched on and off, followed by replicas.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::client::Client;
use super::support::dataset::{Load, dataset};
use super::support::everything::{everything, write_everything};
use super::support::node::{Node, SIGTERM};
use super::support::random::Random;
use super::support::server::Engine;
use super::support::wait::{obtain_or, until};

const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// Copies what is in the directory of one server's append-only file to another's.
pub(super) fn copy_aof(from: &Node, to: &Node) {
    fs::create_dir_all(to.path("appendonlydir")).expect("a directory");
    for name in files(from) {
        let file = format!("appendonlydir/{name}");
        fs::copy(from.path(&file), to.path(&file)).expect("a file");
    }
}

/// The files of the append-only file.
fn files(node: &Node) -> Vec<String> {
    let entries = fs::read_dir(node.path("appendonlydir")).expect("the directory").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn rewrite(node: &Node) {
    let before = node.figure("aof_rewrites");
    node.ok("BGREWRITEAOF");
    obtain_or(
        || {
            (node.figure("aof_rewrites") > before && node.info("aof_rewrite_in_progress") == "0")
                .then_some(())
        },
        || format!("the end of a rewrite; the log:\n{}", node.log()),
    );
    assert_eq!(node.info("aof_last_bgrewrite_status"), "ok", "{}", node.log());
}

fn set_by_hand(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, words);
    bytes
}

fn check_with_the_real_checker(node: &Node) {
    let manifest = node.path("appendonlydir/appendonly.aof.manifest");
    let output =
        Command::new("redis-check-aof").arg(manifest).output().expect("redis-check-aof is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("All AOF files and manifest are valid"), "{said}");
}

#[test]
fn each_kind_of_server_loads_what_the_other_wrote() {
    for (writer, reader) in
        [(Engine::Topple, Engine::Redis), (Engine::Redis, Engine::Topple), (Engine::Topple, Engine::Topple)]
    {
        for preamble in ["yes", "no"] {
            let options = ["--aof-use-rdb-preamble", preamble, "--aof-timestamp-enabled", preamble];
            let arguments = [ALWAYS, &options].concat();
            let mut one = Node::start(writer, &arguments);
            write_everything(&mut one.client(), "");
            rewrite(&one);
            write_everything(&mut one.client(), ":later");
            let written = everything(&one);
            assert!(written.contains("long-hash:later"), "{written}");
            one.kill();
            check_with_the_real_checker(&one);
            let mut other = Node::prepare(reader, &arguments);
            copy_aof(&one, &other);
            other.launch();
            let what = format!("written by {writer:?}, loaded by {reader:?}, preamble {preamble}");
            assert_eq!(everything(&other), written, "{what}\n{}", other.log());
            // What is loaded is rewritten and loaded once more, by whoever wrote it.
            rewrite(&other);
            other.ok("SET last 1");
            let again = everything(&other);
            other.kill();
            let mut third = Node::prepare(writer, &arguments);
            copy_aof(&other, &third);
            third.launch();
            assert_eq!(everything(&third), again, "{what}, and back\n{}", third.log());
        }
    }
}

/// Counts up a key of its own until the server is gone; gives the last number that was acknowledged.
fn count(port: u16, key: &str, stop: &AtomicBool) -> i64 {
    let mut client = Client::connect(port).expect("a server that has answered");
    let mut acked = 0;
    while !stop.load(Ordering::Relaxed) {
        match client.line(&format!("INCR {key}")) {
            Ok(reply) => acked = reply.as_int().unwrap_or(acked),
            Err(_) => break,
        }
    }
    acked
}

/// `TOPPLE_AOF_KILLS` sets how often the server is killed (4 times unless told).
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let rounds: u64 = std::env::var("TOPPLE_AOF_KILLS").map_or(4, |text| text.parse().expect("a number"));
    let mut node = Node::start(Engine::Topple, &[ALWAYS, &["--auto-aof-rewrite-min-size", "20kb"]].concat());
    let mut random = Random::new(std::process::id().into());
    for round in 0..rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|index| {
                let (port, stop) = (node.port(), stop.clone());
                std::thread::spawn(move || count(port, &format!("k{index}"), &stop))
            })
            .collect();
        let mut client = node.client();
        until("some writes", || client.line("GET k2").expect("a reply").to_text().is_some());
        if random.below(2) == 0 {
            node.cmd("BGREWRITEAOF");
        }
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        node.kill();
        stop.store(true, Ordering::Relaxed);
        let acked: Vec<i64> = writers.into_iter().map(|writer| writer.join().expect("a writer")).collect();
        node.launch();
        for (index, acked) in acked.iter().enumerate() {
            let found = node.ok(&format!("GET k{index}")).to_text().and_then(|text| text.parse::<i64>().ok());
            assert!(found >= Some(*acked), "round {round}: {found:?} of {acked}\n{}", node.log());
        }
    }
}

#[test]
fn rewrites_under_writes_lose_nothing() {
    for preamble in ["yes", "no"] {
        let mut node = Node::start(Engine::Topple, &[ALWAYS, &["--aof-use-rdb-preamble", preamble]].concat());
        let mut load = Load::new(&node, 7);
        for _ in 0..5 {
            load.write(300);
            node.cmd("BGREWRITEAOF");
            load.write(700);
            node.await_info("aof_rewrite_in_progress", "0");
        }
        write_everything(&mut node.client(), "");
        let written = dataset(&node);
        node.kill();
        node.launch();
        let far = |set: super::support::dataset::Dataset| {
            let is_far = |deadline: i64| !(0..4_102_444_800_000).contains(&deadline);
            set.into_iter().filter(|(_, (_, deadline))| is_far(*deadline)).collect::<Vec<_>>()
        };
        assert_eq!(far(dataset(&node)), far(written), "{}", node.log());
        // One base, what came after it, and the manifest: the rest has been deleted.
        obtain_or(|| (files(&node).len() == 3).then_some(()), || format!("three files: {:?}", files(&node)));
    }
}

#[test]
fn what_is_loaded_again_is_the_same() {
    let node = Node::start(Engine::Topple, &["--appendonly", "yes"]);
    let mut load = Load::new(&node, 11);
    for round in 0..6 {
        load.write(500);
        write_everything(&mut node.client(), &format!(":{round}"));
        // Keys whose deadline has passed are not there for anybody; loading puts them back for a moment.
        let strings = |set: super::support::dataset::Dataset| {
            set.into_iter().filter(|(_, (_, deadline))| *deadline == -1).collect::<Vec<_>>()
        };
        let before = (everything_but_near(&node), strings(dataset(&node)));
        node.ok("DEBUG LOADAOF");
        assert_eq!((everything_but_near(&node), strings(dataset(&node))), before, "round {round}");
        if round % 2 == 0 {
            rewrite(&node);
        }
    }
}

/// Every line but those of keys whose deadline is near.
fn everything_but_near(node: &Node) -> Vec<String> {
    let near = |line: &str| {
        let deadline = line.split(' ').nth(3).and_then(|word| word.parse::<i64>().ok());
        deadline.is_some_and(|at| (0..4_000_000_000_000).contains(&at))
    };
    everything(node).lines().filter(|line| !near(line)).map(str::to_owned).collect()
}

#[test]
fn it_is_switched_on_and_off_while_it_runs() {
    let mut node = Node::start(Engine::Topple, &["--appendfsync", "always"]);
    write_everything(&mut node.client(), "");
    node.ok("CONFIG SET appendonly yes");
    node.ok("SET after 1");
    node.await_info("aof_pending_rewrite", "0");
    assert_eq!(files(&node).len(), 3, "{:?}", files(&node));
    let written = everything(&node);
    node.kill();
    node.launch_with(&["--appendonly", "yes"]);
    assert_eq!(everything(&node), written);
    node.ok("CONFIG SET appendonly no");
    assert_eq!(node.info("aof_enabled"), "0");
    node.ok("SET unwritten 1");
    node.kill();
    node.launch();
    assert_eq!(everything(&node), written, "what came while it was off is not there");
    node.ok("CONFIG SET aof-disable-auto-gc yes");
    rewrite(&node);
    assert!(files(&node).len() > 3, "history is kept: {:?}", files(&node));
    node.ok("CONFIG SET aof-disable-auto-gc no");
    rewrite(&node);
    obtain_or(|| (files(&node).len() == 3).then_some(()), || format!("three files: {:?}", files(&node)));
}

#[test]
fn a_file_of_one_part_is_taken_over() {
    let options = ["--appendonly", "yes"];
    // As commands, and as servers from 4.0 to 6.2 wrote it: a snapshot with commands behind it.
    let commands = [set_by_hand(&["SELECT", "0"]), set_by_hand(&["SET", "a", "1"])].concat();
    let made = Node::start(Engine::Redis, &[]);
    made.ok("SET in-snapshot 1");
    made.ok("SAVE");
    let snapshot = fs::read(made.path("dump.rdb")).expect("the file");
    for (name, file) in [("commands", commands.clone()), ("snapshot", [snapshot, commands].concat())] {
        let mut shown = Vec::new();
        for engine in [Engine::Redis, Engine::Topple] {
            let mut node = Node::prepare(engine, &options);
            fs::write(node.path("appendonly.aof"), &file).expect("a file");
            node.launch();
            node.await_log("Successfully migrated an old-style AOF", 1);
            assert!(!node.path("appendonly.aof").exists());
            assert_eq!(
                files(&node),
                ["appendonly.aof", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
            );
            node.ok("SET later 1");
            node.ok("CONFIG SET appendfsync always");
            node.ok("SET last 1");
            let manifest =
                fs::read_to_string(node.path("appendonlydir/appendonly.aof.manifest")).expect("it");
            shown.push((everything(&node), manifest));
            node.kill();
            node.launch();
            assert_eq!(everything(&node), shown.last().expect("just pushed").0, "{name} {engine:?}");
        }
        assert_eq!(shown[0], shown[1], "{name}");
    }
}

#[test]
fn a_replicas_file_begins_anew_with_a_full_sync() {
    let master = Node::start(Engine::Topple, &[]);
    write_everything(&mut master.client(), "");
    let mut replica = Node::start(Engine::Topple, ALWAYS);
    replica.ok("SET of-its-own 1");
    replica.follow(&master);
    replica.await_info("aof_pending_rewrite", "0");
    write_everything(&mut master.client(), ":later");
    Load::new(&master, 3).write(500);
    master.ok("SET last 1");
    until("the last write", || replica.ok("GET last").to_text().as_deref() == Some("1"));
    let held = everything_but_near(&replica);
    assert!(!held.iter().any(|line| line.contains("of-its-own")), "{held:?}");
    replica.kill();
    for engine in [Engine::Topple, Engine::Redis] {
        let mut alone = Node::prepare(engine, ALWAYS);
        copy_aof(&replica, &alone);
        alone.launch();
        assert_eq!(everything_but_near(&alone), held, "{engine:?}\n{}", alone.log());
    }
}

#[test]
fn waitaof_counts_disks() {
    let master = Node::start(Engine::Topple, &["--appendonly", "yes"]);
    let replicas: Vec<Node> = [&["--appendonly", "yes"][..], ALWAYS, &[]]
        .iter()
        .map(|options| Node::start(Engine::Topple, options))
        .collect();
    replicas.iter().for_each(|replica| replica.follow(&master));
    replicas[..2].iter().for_each(|replica| replica.await_info("aof_pending_rewrite", "0"));
    let mut client = master.client();
    client.allow(Duration::from_secs(60)).expect("a connection");
    let mut wait = |line: &str| {
        assert_eq!(client.line("INCR n").expect("a reply").as_error(), None);
        format!("{:?}", client.line(line).expect("a reply").as_array().expect("two counts"))
    };
    assert_eq!(wait("WAITAOF 1 2 0"), "[Int(1), Int(2)]");
    assert_eq!(wait("WAITAOF 0 2 0").split(", ").nth(1), Some("Int(2)]"));
    let counts = wait("WAITAOF 1 3 2500");
    assert_eq!(counts, "[Int(1), Int(2)]", "the third replica keeps no file");
}

#[test]
fn an_orderly_end_writes_what_is_left() {
    let mut node = Node::start(Engine::Topple, &["--appendonly", "yes"]);
    write_everything(&mut node.client(), "");
    let written = everything(&node);
    node.signal(SIGTERM);
    assert_eq!(node.ended().code(), Some(0));
    node.await_log("Calling fsync() on the AOF file.", 1);
    node.launch();
    assert_eq!(everything(&node), written);
    // A first rewrite that is under way holds all there is.
    node.ok("CONFIG SET appendonly no");
    node.ok("CONFIG SET rdb-key-save-delay 60000000");
    node.ok("CONFIG SET appendonly yes");
    assert!(node.cmd("SHUTDOWN").as_error().is_some());
    node.await_log("Writing initial AOF, can't exit.", 1);
    let _ = node.client().line("SHUTDOWN FORCE");
    assert_eq!(node.ended().code(), Some(0));
    node.await_log("There is a child rewriting the AOF. Killing it!", 1);
    let left = fs::read_dir(node.path(".")).expect("its directory").flatten();
    let left: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("temp-"))
        .collect();
    assert_eq!(left, [""; 0], "nothing half-written is left");
}

#[test]
fn loading_is_told_of_while_it_lasts() {
    let mut node = Node::start(Engine::Topple, &["--appendonly", "yes"]);
    let mut client = node.client();
    let value = "x".repeat(1000);
    let batch: Vec<Vec<String>> =
        (0..60_000).map(|n| vec!["SET".into(), format!("key:{n}"), value.clone()]).collect();
    for batch in batch.chunks(1000) {
        client.send(batch.iter().map(Vec::as_slice)).expect("a connection");
        batch.iter().for_each(|_| assert_eq!(client.reply().expect("a reply").as_error(), None));
    }
    node.signal(SIGTERM);
    node.ended();
    node.spawn();
    let mut seen = String::new();
    obtain_or(
        || {
            let mut client = Client::connect(node.port()).ok()?;
            let refused = client.line("GET key:1").ok()?;
            if seen.is_empty() && refused.as_error().is_some_and(|error| error.starts_with("LOADING")) {
                seen = client.line("INFO persistence").ok()?.to_text()?;
            }
            refused.as_bytes().map(|_| ())
        },
        || "the end of loading".into(),
    );
    assert!(seen.contains("\r\nloading:1\r\n") && seen.contains("loading_total_bytes:"), "{seen}");
    assert_eq!(node.ok("DBSIZE").as_int(), Some(60_000));
}

/// Whether a directory is that of the present working directory, or another.
#[test]
fn other_names_are_used_and_odd_ones_quoted() {
    let options = ["--appendonly", "yes", "--appenddirname", "my dir", "--appendfilename", "my 'own' file"];
    let mut node = Node::start(Engine::Topple, &options);
    node.ok("SET a 1");
    rewrite_in(&node, "my dir");
    node.ok("CONFIG SET appendfsync always");
    node.ok("SET b 2");
    let manifest = fs::read_to_string(node.path("my dir/my 'own' file.manifest")).expect("the manifest");
    assert_eq!(
        manifest,
        "file \"my 'own' file.2.base.rdb\" seq 2 type b\nfile \"my 'own' file.2.incr.aof\" seq 2 type i\n"
    );
    node.kill();
    let mut real = Node::prepare(Engine::Redis, &options);
    copy_directory(&node.path("my dir"), &real.path("my dir"));
    real.launch();
    assert_eq!(everything(&real).lines().count(), 3);
    node.launch();
    assert_eq!(everything(&node), everything(&real));
}

fn rewrite_in(node: &Node, directory: &str) {
    assert!(node.path(directory).is_dir());
    rewrite(node);
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the directory").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file");
    }
}
