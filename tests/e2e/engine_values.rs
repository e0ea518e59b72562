//! Values of every type on their way between our server and the real one: by file, by full synchronization,
//! by DUMP and RESTORE. They are those of `engine/persist/tests/fixtures`.

use std::collections::BTreeMap;
use std::fs;

use resp::Value;

use super::pattern::{Pattern, Shape};
use super::support::client::Client;
use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::until;

/// Name, payload that it is restored from or `-`, payload that a real server's DUMP gives.
const VALUES: &str = include_str!("../../engine/persist/tests/fixtures/every.dumps");

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Restores every value, the old forms as they are.
fn populate(node: &Node) {
    let mut client = node.client();
    for line in VALUES.lines() {
        let words: Vec<&str> = line.rsplitn(3, ' ').collect();
        let [dump, given, name] = words[..] else { panic!("three words: {line}") };
        let payload = bytes(if given == "-" { dump } else { given });
        let reply = client.call(&[&b"RESTORE"[..], name.as_bytes(), b"0", &payload]).expect("a reply");
        assert_eq!(reply.to_text().as_deref(), Some("OK"), "{name}");
    }
}

/// What a value is: its elements where they have no order, else what DUMP gives.
fn content(client: &mut Client, key: &[u8]) -> String {
    let mut ask = |name: &str| client.call(&[name.as_bytes(), key]).expect("a reply");
    let kind = ask("TYPE").to_text().expect("a type");
    let shown = match kind.as_str() {
        "set" => Pattern::of(&ask("SMEMBERS"), Some(&Pattern::Bag(Shape::Array, Vec::new()))).to_string(),
        "hash" => {
            let reply = ask("HGETALL");
            let fields = reply.as_array().expect("fields and values");
            let mut pairs: Vec<String> = fields.chunks(2).map(|pair| format!("{pair:?}")).collect();
            pairs.sort();
            pairs.concat()
        }
        // Where its nodes begin is told by DUMP and compared in the fixtures' own tests.
        "list" => {
            let reply = client.call(&[&b"LRANGE"[..], key, b"0", b"-1"]).expect("a reply");
            Pattern::of(&reply, None).to_string()
        }
        _ => Pattern::of(&ask("DUMP"), None).to_string(),
    };
    format!("{kind} {shown}")
}

fn contents(node: &Node) -> BTreeMap<Vec<u8>, String> {
    let mut client = node.client();
    let keys = client.line("KEYS *").expect("a reply");
    let keys = keys.as_array().expect("keys").iter().filter_map(Value::as_bytes);
    keys.map(|key| (key.to_vec(), content(&mut client, key))).collect()
}

#[track_caller]
fn assert_same(ours: &BTreeMap<Vec<u8>, String>, real: &BTreeMap<Vec<u8>, String>) {
    assert_eq!(ours.len(), real.len());
    for (key, content) in ours {
        assert_eq!(Some(content), real.get(key), "{}", key.escape_ascii());
    }
}

/// Encodings, where ours and those of 7.0 have the same names.
fn encodings(node: &Node) -> Vec<String> {
    let mut client = node.client();
    let mut names: Vec<&str> = VALUES.lines().filter_map(|line| line.split(' ').next()).collect();
    names.retain(|name| !name.contains("list") && !name.contains("set:words"));
    let mut encoding = |name: &str| client.call(&["OBJECT", "ENCODING", name]).expect("a reply").to_text();
    names.iter().map(|name| format!("{name} {:?}", encoding(name))).collect()
}

fn by_file(writer: Engine, reader: Engine) {
    let mut from = Node::start(writer, &[]);
    populate(&from);
    from.ok("SAVE");
    let written = contents(&from);
    let file = fs::read(from.path("dump.rdb")).expect("the file");
    from.kill();
    let mut to = Node::prepare(reader, &[]);
    fs::write(to.path("dump.rdb"), file).expect("a copy");
    to.launch();
    assert_same(&contents(&to), &written);
}

#[test]
fn the_real_server_loads_our_values() {
    by_file(Engine::Topple, Engine::Redis);
}

#[test]
fn the_real_servers_values_are_loaded() {
    by_file(Engine::Redis, Engine::Topple);
}

fn by_synchronization(from: Engine, to: Engine, how: &str) {
    let (master, replica) = (Node::start(from, &["--repl-diskless-sync", how]), Node::start(to, &[]));
    populate(&master);
    replica.follow(&master);
    replica.await_info("master_link_status", "up");
    let offset = || master.figure("master_repl_offset") == replica.figure("slave_repl_offset");
    until("the replica's offset", offset);
    assert_same(&contents(&replica), &contents(&master));
}

#[test]
fn values_reach_a_real_replica() {
    by_synchronization(Engine::Topple, Engine::Redis, "yes");
}

#[test]
fn values_come_from_a_real_master() {
    by_synchronization(Engine::Redis, Engine::Topple, "no");
}

#[test]
fn both_make_the_same_of_a_payload() {
    let (ours, real) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Redis, &[]));
    populate(&ours);
    populate(&real);
    assert_same(&contents(&ours), &contents(&real));
    assert_eq!(encodings(&ours), encodings(&real));
    // And each takes what the other makes of it.
    for (maker, taker) in [(&ours, &real), (&real, &ours)] {
        let (mut from, mut to) = (maker.client(), taker.client());
        for key in contents(maker).keys() {
            let payload = from.call(&[&b"DUMP"[..], key.as_slice()]).expect("a reply");
            let payload = payload.as_bytes().expect("a payload");
            let reply =
                to.call(&[&b"RESTORE"[..], key.as_slice(), b"0", payload, b"REPLACE"]).expect("a reply");
            assert_eq!(reply.to_text().as_deref(), Some("OK"), "{}", key.escape_ascii());
        }
    }
    assert_same(&contents(&ours), &contents(&real));
}

#[test]
fn usage_travels_with_a_file() {
    for (policy, ask) in [("allkeys-lru", "OBJECT IDLETIME k"), ("allkeys-lfu", "OBJECT FREQ k")] {
        for (writer, reader) in [(Engine::Topple, Engine::Redis), (Engine::Redis, Engine::Topple)] {
            let settings = ["--maxmemory-policy", policy, "--lfu-decay-time", "0"];
            let mut from = Node::start(writer, &settings);
            from.ok("SET s x");
            let payload = from.client().call(&["DUMP", "s"]).expect("a reply");
            let hint: [&[u8]; 2] =
                if policy == "allkeys-lru" { [b"IDLETIME", b"5000"] } else { [b"FREQ", b"77"] };
            let payload = payload.as_bytes().expect("a payload");
            let command: [&[u8]; 6] = [b"RESTORE", b"k", b"0", payload, hint[0], hint[1]];
            let reply = from.client().call(&command);
            assert_eq!(reply.expect("a reply").to_text().as_deref(), Some("OK"));
            from.ok("SAVE");
            let file = fs::read(from.path("dump.rdb")).expect("the file");
            from.kill();
            let mut to = Node::prepare(reader, &settings);
            fs::write(to.path("dump.rdb"), file).expect("a copy");
            to.launch();
            let told = to.ok(ask).as_int().expect("a number");
            let expected = if policy == "allkeys-lru" { 5000..=5060 } else { 77..=77 };
            assert!(expected.contains(&told), "{policy}: {told}");
        }
    }
}
