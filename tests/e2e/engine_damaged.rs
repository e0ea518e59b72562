//! Snapshot files that are cut, altered or hold what this version cannot: a clear end with exit code 1,
//! nothing half-loaded, the file left as it was.

use std::fs;

use super::support::dataset::Load;
use super::support::node::Node;
use super::support::random::Random;
use super::support::server::Engine;

/// A file of some variety, and its bytes.
fn healthy_file() -> Vec<u8> {
    let node = Node::start(Engine::Topple, &[]);
    Load::new(&node, 4).write(1_000);
    node.ok("SAVE");
    fs::read(node.path("dump.rdb")).expect("the file")
}

/// Starts a server on a file that it must refuse; gives its log.
fn refused(engine: Engine, bytes: &[u8]) -> String {
    let mut node = Node::prepare(engine, &[]);
    fs::write(node.path("dump.rdb"), bytes).expect("a file");
    node.spawn();
    let status = node.ended();
    let log = node.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!log.contains("Ready to accept connections"), "{log}");
    assert_eq!(fs::read(node.path("dump.rdb")).expect("the file"), bytes, "the file is as it was");
    assert_eq!(node.snapshots(), ["dump.rdb"]);
    log
}

fn assert_names_offset(log: &str) {
    let line = log.lines().find(|line| line.contains("Fatal error loading the DB"));
    let line = line.unwrap_or_else(|| panic!("no reason in the log:\n{log}"));
    let offset = line.split("offset ").nth(1).unwrap_or_else(|| panic!("no offset: {line}"));
    assert!(offset.starts_with(|first: char| first.is_ascii_digit()), "{line}");
    assert!(line.contains("Nothing was loaded"), "{line}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_cut_file_is_refused_with_the_offset() {
    let file = healthy_file();
    let lengths = [0, 1, 8, 9, 10, 40, file.len() / 3, file.len() / 2, file.len() - 9, file.len() - 1];
    for length in lengths {
        let log = refused(Engine::Topple, &file[..length]);
        assert_names_offset(&log);
        assert!(log.contains("unexpected end of file"), "cut at {length}: {log}");
    }
}

#[test]
fn an_altered_file_is_refused_with_the_offset() {
    let file = healthy_file();
    let mut random = Random::new(5);
    for _ in 0..12 {
        let mut altered = file.clone();
        let at = random.below(file.len() as u64) as usize;
        altered[at] ^= 1 << random.below(8);
        let log = refused(Engine::Topple, &altered);
        assert_names_offset(&log);
    }
}

#[test]
fn a_checksum_that_does_not_fit_is_named() {
    let mut file = healthy_file();
    let last = file.len() - 1;
    file[last] ^= 0x55;
    let log = refused(Engine::Topple, &file);
    assert_names_offset(&log);
    assert!(log.contains("wrong checksum"), "{log}");
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let log = refused(Engine::Topple, b"this is no snapshot at all, whatever its name says\n");
    assert!(log.contains("not an RDB file"), "{log}");
}

#[test]
fn values_of_types_that_are_not_there_are_named() {
    // A hash whose fields expire, of Redis 7.4.
    let log = refused(Engine::Topple, b"REDIS0012\xfe\x00\x00\x01a\x01b\x18\x01h\x01\x00\x01f\x01v\xff");
    assert_names_offset(&log);
    assert!(log.contains("value of type hash with field expiry"), "{log}");
}

/// The real server ends with the same code, so whoever watches exit codes sees no difference.
#[test]
fn the_real_server_refuses_a_cut_file_too() {
    let file = healthy_file();
    let mut node = Node::prepare(Engine::Redis, &[]);
    fs::write(node.path("dump.rdb"), &file[..file.len() / 2]).expect("a file");
    node.spawn();
    assert_eq!(node.ended().code(), Some(1), "{}", node.log());
}
