//! Append-only files that were cut short, altered or miss a part, and disks that take no more: what is sound is
//! loaded or nothing is, and the log says so in the real server's words.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::support::node::{Node, program};
use super::support::server::Engine;
use super::support::wait::obtain_or;

const INCREMENT: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
const ON: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
const BOTH: [Engine; 2] = [Engine::Redis, Engine::Topple];

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    resp::encode::command(&mut bytes, words);
    bytes
}

/// A server that is not started, whose increment holds these bytes and whose manifest says this.
fn prepared(engine: Engine, options: &[&str], increment: &[u8], manifest: &str) -> Node {
    let node = Node::prepare(engine, &[ON, options].concat());
    fs::create_dir(node.path("appendonlydir")).expect("a directory");
    fs::write(node.path(INCREMENT), increment).expect("a file");
    fs::write(node.path(MANIFEST), manifest).expect("a file");
    node
}

const ONE_INCREMENT: &str = "file appendonly.aof.1.incr.aof seq 1 type i\n";

/// Starts a server that must not come up; gives its log.
fn refused(mut node: Node) -> String {
    let before = fs::read(node.path(INCREMENT)).expect("the file");
    node.spawn();
    let status = node.ended();
    let log = node.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!log.contains("Ready to accept connections"), "{log}");
    assert_eq!(fs::read(node.path(INCREMENT)).expect("the file"), before, "the file is as it was");
    log
}

/// Lines of the log without their first words.
fn has_line(log: &str, text: &str) -> bool {
    log.lines().any(|line| line.contains(text))
}

#[test]
fn a_tail_that_was_cut_is_dropped_or_refused() {
    let sound = [command(&["SELECT", "0"]), command(&["SET", "a", "1"])].concat();
    let last = command(&["SET", "b", "some text"]);
    let open = [command(&["MULTI"]), command(&["SET", "c", "1"])].concat();
    let mut tails: Vec<(Vec<u8>, bool)> =
        (1..last.len()).step_by(3).map(|cut| (last[..cut].to_vec(), false)).collect();
    tails.push((open.clone(), true));
    tails.push(([open, last[..9].to_vec()].concat(), false));
    for (index, (tail, is_transaction)) in tails.iter().enumerate() {
        let file = [&sound[..], tail].concat();
        // The real one is held against a few.
        for engine in if index % 4 == 0 { &BOTH[..] } else { &BOTH[1..] } {
            let mut node = prepared(*engine, &[], &file, ONE_INCREMENT);
            node.launch();
            let log = node.log();
            let name = "appendonly.aof.1.incr.aof";
            assert!(
                has_line(&log, &format!("!!! Warning: short read while loading the AOF file {name}!!!")),
                "{log}"
            );
            let cut = format!("!!! Truncating the AOF {name} at offset {} !!!", sound.len());
            assert!(has_line(&log, &cut), "{cut}\n{log}");
            assert!(
                has_line(&log, &format!("AOF {name} loaded anyway because aof-load-truncated is enabled")),
                "{log}"
            );
            assert!(
                !is_transaction
                    || has_line(
                        &log,
                        &format!("Revert incomplete MULTI/EXEC transaction in AOF file {name}")
                    ),
                "{log}"
            );
            assert_eq!(node.ok("DBSIZE").as_int(), Some(1));
            node.ok("SET new 1");
            node.kill();
            let kept = fs::read(node.path(INCREMENT)).expect("the file");
            let added = [command(&["SELECT", "0"]), command(&["SET", "new", "1"])].concat();
            assert_eq!(
                String::from_utf8_lossy(&kept),
                String::from_utf8_lossy(&[sound.clone(), added].concat())
            );
            let log = refused(prepared(*engine, &["--aof-load-truncated", "no"], &file, ONE_INCREMENT));
            let words = format!(
                "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server."
            );
            assert!(has_line(&log, &words), "{log}");
        }
    }
}

#[test]
fn damage_in_the_middle_is_refused_with_the_offset() {
    let sound = [command(&["SELECT", "0"]), command(&["SET", "a", "1"])].concat();
    let name = "appendonly.aof.1.incr.aof";
    let bad = format!(
        "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename.manifest>"
    );
    for (damage, words) in [
        (b"garbage\r\n".to_vec(), bad.as_str()),
        (b"*0\r\n".to_vec(), &bad),
        (b"*2\r\n+x\r\n".to_vec(), &bad),
        (b"\x00".to_vec(), &bad),
        (
            command(&["NOSUCHCOMMAND", "x"]),
            "Unknown command 'NOSUCHCOMMAND' reading the append only file appendonly.aof.1.incr.aof",
        ),
    ] {
        let file = [&sound[..], &damage, &sound].concat();
        for engine in BOTH {
            let log = refused(prepared(engine, &[], &file, ONE_INCREMENT));
            assert!(has_line(&log, words), "{damage:?} {engine:?}\n{log}");
            if engine == Engine::Topple {
                assert!(
                    log.contains(&format!("offset {}", sound.len())) || words.starts_with("Unknown"),
                    "{log}"
                );
                assert!(!log.contains("panicked"), "{log}");
            }
        }
    }
}

#[test]
fn a_damaged_manifest_is_refused_with_its_line() {
    for (manifest, words, line) in [
        ("", "Found an empty AOF manifest", None),
        ("file appendonly.aof.1.incr.aof seq 1 type i", "The AOF manifest file contains too long line", None),
        ("file appendonly.aof.1.incr.aof seq 1\n", "Invalid AOF manifest file format", Some(1)),
        ("\n", "Invalid AOF manifest file format", Some(1)),
        ("file a/b seq 1 type i\n", "File can't be a path, just a filename", Some(1)),
        ("file a seq 1 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number", Some(2)),
        ("file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information", Some(2)),
        ("file a seq 1 type x\n", "Unknown AOF file type", Some(1)),
    ] {
        for engine in BOTH {
            let log = refused(prepared(engine, &[], b"", manifest));
            assert!(
                has_line(&log, "*** FATAL AOF MANIFEST FILE ERROR ***"),
                "{manifest:?} {engine:?}\n{log}"
            );
            assert!(has_line(&log, words), "{manifest:?} {engine:?}\n{log}");
            let told = line.map(|line| format!("Reading the manifest file, at line {line}"));
            assert!(told.is_none_or(|told| has_line(&log, &told)), "{manifest:?} {engine:?}\n{log}");
        }
    }
}

#[test]
fn a_part_that_is_missing_or_cut_in_the_middle_is_refused() {
    let two = "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    let whole = [command(&["SELECT", "0"]), command(&["SET", "a", "1"])].concat();
    for engine in BOTH {
        let log = refused(prepared(engine, &[], &whole, two));
        assert!(
            has_line(
                &log,
                "Unable to obtain the AOF file appendonly.aof.2.incr.aof length. stat: No such file or directory"
            ),
            "{log}"
        );
        let mut node = prepared(engine, &[], &whole[..whole.len() - 3], two);
        fs::write(node.path("appendonlydir/appendonly.aof.2.incr.aof"), &whole).expect("a file");
        node.spawn();
        assert_eq!(node.ended().code(), Some(1));
        assert!(
            has_line(&node.log(), "Fatal error: the truncated file is not the last file"),
            "{}",
            node.log()
        );
        // A base that is a snapshot has no tail to spare.
        let base =
            "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
        let mut node = prepared(engine, &[], &whole, base);
        fs::write(node.path("appendonlydir/appendonly.aof.1.base.rdb"), b"REDIS0010\xfa\x09redis")
            .expect("a file");
        node.spawn();
        assert_eq!(node.ended().code(), Some(1));
        let log = node.log();
        let told =
            has_line(&log, "Error reading the RDB base file appendonly.aof.1.base.rdb, AOF loading aborted");
        assert!(told || engine == Engine::Redis, "{log}");
    }
}

/// A program that runs a server which may write files of so many bytes only.
fn limited(node: &Node, kilobytes: u32) -> std::path::PathBuf {
    let path = node.path("limited");
    let binary = program(Engine::Topple).get_program().to_string_lossy().into_owned();
    // The signal of a file that grows too large is ignored, so that it is an error of the write.
    let script =
        format!("#!/bin/bash\ntrap '' XFSZ\nulimit -S -f {kilobytes}\nexec '{binary}' server \"$@\"\n");
    fs::write(&path, script).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its owner");
    path
}

/// Lets the server write as much as it likes.
fn lift_limit(node: &Node) {
    let done = Command::new("prlimit").args(["--pid", &node.pid().to_string(), "--fsize=unlimited"]).status();
    assert!(done.expect("prlimit is part of util-linux").success());
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let mut node = Node::prepare(Engine::Topple, &["--appendonly", "yes", "--logfile", ""]);
    let program = limited(&node, 64);
    node.set_program(program);
    node.launch();
    let mut client = node.client();
    let value = "x".repeat(1000);
    let mut acked = 0;
    let refusal = obtain_or(
        || {
            let reply = client.line(&format!("RPUSH list {value}")).expect("a reply");
            acked += i64::from(reply.as_error().is_none());
            reply.as_error()
        },
        || "a refusal".into(),
    );
    assert!(refusal.starts_with("MISCONF Errors writing to the AOF file: File too large"), "{refusal}");
    assert!(client.line("PING").expect("a reply").as_error().is_some(), "as in Redis");
    assert_eq!(client.line("LLEN list").expect("a reply").as_int(), Some(acked), "reads are served");
    assert!(
        client
            .line("INFO persistence")
            .expect("a reply")
            .to_text()
            .expect("text")
            .contains("aof_last_write_status:err")
    );
    lift_limit(&node);
    obtain_or(
        || client.line("PING").expect("a reply").as_error().is_none().then_some(()),
        || format!("writing again; the log:\n{}", node.log()),
    );
    node.await_log("AOF write error looks solved", 1);
    assert_eq!(client.line("RPUSH list last").expect("a reply").as_int(), Some(acked + 1));
    client.line("CONFIG SET appendfsync always").expect("a reply");
    client.line("SET done 1").expect("a reply");
    node.kill();
    let mut again = Node::prepare(Engine::Topple, &["--appendonly", "yes"]);
    super::engine_aof::copy_aof(&node, &again);
    again.launch();
    assert_eq!(again.ok("LLEN list").as_int(), Some(acked + 1));
}

#[test]
fn with_always_a_full_disk_ends_the_server_before_it_promises() {
    let mut node = Node::prepare(Engine::Topple, &[ON, &["--logfile", ""]].concat());
    let program = limited(&node, 64);
    node.set_program(program);
    node.launch();
    let mut client = node.client();
    let value = "x".repeat(1000);
    let mut acked = 0;
    while let Ok(reply) = client.line(&format!("RPUSH list {value}")) {
        assert_eq!(reply.as_error(), None);
        acked += 1;
    }
    assert_eq!(node.ended().code(), Some(1));
    node.await_log("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...", 1);
    let mut again = Node::prepare(Engine::Topple, ON);
    super::engine_aof::copy_aof(&node, &again);
    again.launch();
    assert_eq!(again.ok("LLEN list").as_int(), Some(acked));
}
