//! Scripts in real processes: others are served while one takes long, effects and libraries reach replicas,
//! libraries outlive a restart.

use resp::Value;

use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::until;

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('twice', function(keys, args) \
                       redis.call('SET', keys[1], args[1]) return redis.call('INCR', keys[1]) end)";
const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

fn text(value: &Value) -> String {
    value.as_error().or_else(|| value.to_text()).unwrap_or_else(|| format!("{value:?}"))
}

/// The same conversation with either server.
fn a_long_script_can_be_killed(engine: Engine) {
    let node = Node::start(engine, &["--busy-reply-threshold", "50"]);
    let (mut script, mut other) = (node.client(), node.client());
    let body = "while true do pcall(function() while true do redis.call('GET', 'k') end end) end";
    script.send([["EVAL", body, "0"].as_slice()].into_iter()).expect("a script sent");
    until("others are told", || other.call(&["PING"]).is_ok_and(|reply| text(&reply) == BUSY));
    assert_eq!(text(&other.call(&["FUNCTION", "KILL"]).unwrap()), BUSY);
    assert_eq!(text(&other.call(&["SHUTDOWN"]).unwrap()), BUSY);
    assert_eq!(text(&other.call(&["SCRIPT", "KILL"]).unwrap()), "OK");
    let error = text(&script.reply().expect("an end"));
    assert!(error.starts_with("ERR Script killed by user with SCRIPT KILL... script: "), "{error}");
    until("served again", || other.call(&["PING"]).is_ok_and(|reply| text(&reply) == "PONG"));
    assert_eq!(text(&other.call(&["SCRIPT", "KILL"]).unwrap()), "NOTBUSY No scripts in execution right now.");
    // One that wrote must be waited for.
    let body = "redis.call('SET', 'k', 'v') local n = tonumber(ARGV[1]) for i = 1, n do end return 'done'";
    script.send([["EVAL", body, "0", "100000000"].as_slice()].into_iter()).expect("a script sent");
    until("others are told", || other.call(&["PING"]).is_ok_and(|reply| text(&reply) == BUSY));
    assert!(text(&other.call(&["SCRIPT", "KILL"]).unwrap()).starts_with("UNKILLABLE "));
    assert_eq!(text(&script.reply().expect("its reply")), "done");
    assert_eq!(text(&other.call(&["GET", "k"]).unwrap()), "v");
}

#[test]
fn a_long_script_can_be_killed_in_ours() {
    a_long_script_can_be_killed(Engine::Topple);
}

#[test]
fn a_long_script_can_be_killed_in_the_real_one() {
    a_long_script_can_be_killed(Engine::Redis);
}

fn libraries_and_effects_are_replicated(from: Engine, to: Engine) {
    let (master, replica) = (Node::start(from, &[]), Node::start(to, &[]));
    let mut client = master.client();
    assert_eq!(text(&client.call(&["FUNCTION", "LOAD", LIBRARY]).unwrap()), "lib");
    // In the snapshot first, then in the stream.
    replica.follow(&master);
    until("the library is there", || {
        replica.client().call(&["FCALL_RO", "twice", "0"]).is_ok_and(|reply| {
            text(&reply) == "ERR Can not execute a script with write flag using *_ro command."
        }) || replica
            .client()
            .call(&["FUNCTION", "LIST"])
            .is_ok_and(|reply| reply.as_array().is_some_and(|all| all.len() == 1))
    });
    assert_eq!(client.call(&["FCALL", "twice", "1", "k", "41"]).unwrap(), Value::Int(42));
    let body = "redis.call('SET', 'a', ARGV[1]) redis.call('SELECT', 2) return redis.call('SET', 'b', 'c')";
    assert_eq!(text(&client.call(&["EVAL", body, "0", "x"]).unwrap()), "OK");
    let mut reader = replica.client();
    until("the effects", || reader.call(&["GET", "a"]).is_ok_and(|reply| text(&reply) == "x"));
    assert_eq!(text(&reader.call(&["GET", "k"]).unwrap()), "42");
    client.call(&["FUNCTION", "DELETE", "lib"]).unwrap();
    until("the library is gone", || {
        reader.call(&["FUNCTION", "LIST"]).is_ok_and(|reply| reply == Value::Array(Vec::new()))
    });
}

#[test]
fn ours_to_real() {
    libraries_and_effects_are_replicated(Engine::Topple, Engine::Redis);
}

#[test]
fn real_to_ours() {
    libraries_and_effects_are_replicated(Engine::Redis, Engine::Topple);
}

#[test]
fn payloads_and_files_are_read_both_ways() {
    let (ours, real) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Redis, &[]));
    for (from, to) in [(&ours, &real), (&real, &ours)] {
        let (mut from, mut to) = (from.client(), to.client());
        from.call(&["FUNCTION", "FLUSH"]).unwrap();
        assert_eq!(text(&from.call(&["FUNCTION", "LOAD", LIBRARY]).unwrap()), "lib");
        let Value::Bulk(payload) = from.call(&["FUNCTION", "DUMP"]).unwrap() else { panic!("no payload") };
        let restore: [&[u8]; 4] = [b"FUNCTION", b"RESTORE", &payload, b"FLUSH"];
        assert_eq!(text(&to.call(&restore).unwrap()), "OK");
        assert_eq!(to.call(&["FCALL", "TWICE", "1", "k", "1"]).unwrap(), Value::Int(2));
        let again: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &payload];
        assert_eq!(text(&to.call(&again).unwrap()), "ERR Library lib already exists");
    }
}

#[test]
fn libraries_outlive_a_restart() {
    let mut node = Node::start(Engine::Topple, &[]);
    let mut client = node.client();
    assert_eq!(text(&client.call(&["FUNCTION", "LOAD", LIBRARY]).unwrap()), "lib");
    node.ok("SAVE");
    node.kill();
    node.launch();
    let mut client = node.client();
    assert_eq!(client.call(&["FCALL", "twice", "1", "k", "1"]).unwrap(), Value::Int(2));
    assert_eq!(node.figure("number_of_functions"), 1);
    assert_eq!(node.figure("number_of_libraries"), 1);
}

/// A script that reads while a full sync comes to its end sees the old data to its own end.
#[test]
fn data_is_not_exchanged_under_a_script() {
    let master = Node::start(Engine::Topple, &[]);
    for index in 0..200 {
        master.ok(&format!("SET new:{index} v"));
    }
    // The snapshot takes its time, so that the script is under way before it is there.
    master.ok("CONFIG SET rdb-key-save-delay 5000");
    let replica = Node::start(Engine::Topple, &["--busy-reply-threshold", "10"]);
    replica.ok("SET old v");
    let (mut script, mut other) = (replica.client(), replica.client());
    replica.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    let body = "while redis.call('EXISTS', 'new:0') == 0 do end return 'the data has changed'";
    script.send([["EVAL_RO", body, "0"].as_slice()].into_iter()).expect("a script sent");
    until("others are told", || other.call(&["PING"]).is_ok_and(|reply| text(&reply) == BUSY));
    master.await_log("succeeded (socket). Waiting for REPLCONF ACK", 1);
    assert_eq!(text(&other.call(&["SCRIPT", "KILL"]).unwrap()), "OK");
    let error = text(&script.reply().expect("an end"));
    assert!(error.starts_with("ERR Script killed by user"), "{error}");
    replica.await_info("master_link_status", "up");
    assert_eq!(text(&replica.ok("EXISTS old new:0 new:199")), "Int(2)");
}
