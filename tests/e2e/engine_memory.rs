//! Memory: eviction under every policy, what evicting means to replicas, freeing in the background, clients
//! that do not read, listening elsewhere.

use super::support::client::Client;
use super::support::node::{Node, free_port};
use super::support::random::Random;
use super::support::server::Engine;
use super::support::wait::until;

const VALUE_BYTES: usize = 200;
/// Room beside what a server holds when it is idle.
const ROOM_BYTES: i64 = 4 << 20;

/// Starts a server with room for some ten thousand keys.
fn limited(engine: Engine, policy: &str, more: &[&str]) -> Node {
    let node = Node::start(engine, &[&["--maxmemory-policy", policy], more].concat());
    let limit = node.figure("used_memory") + ROOM_BYTES;
    node.ok(&format!("CONFIG SET maxmemory {limit}"));
    node
}

/// Sends commands in pipelines; gives how many replies were errors.
fn pipelined(client: &mut Client, commands: &[Vec<String>]) -> usize {
    let mut errors = 0;
    for batch in commands.chunks(200) {
        client.send(batch.iter().map(Vec::as_slice)).expect("sent");
        errors += batch.iter().filter(|_| client.reply().expect("a reply").as_error().is_some()).count();
    }
    errors
}

fn set(key: usize, seconds: Option<usize>) -> Vec<String> {
    let mut command = vec!["SET".to_string(), format!("key:{key}"), "x".repeat(VALUE_BYTES)];
    command.extend(seconds.into_iter().flat_map(|seconds| ["EX".to_string(), seconds.to_string()]));
    command
}

#[test]
fn every_policy_keeps_to_the_limit() {
    for policy in [
        "noeviction",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let node = limited(Engine::Topple, policy, &[]);
        let limit = node.figure("maxmemory");
        let seconds = |key: usize| policy.starts_with("volatile").then_some(1000 + key);
        let commands: Vec<_> = (0..30_000).map(|key| set(key, seconds(key))).collect();
        let refused = pipelined(&mut node.client(), &commands);
        let (used, evicted) = (node.figure("used_memory"), node.figure("evicted_keys"));
        let keys = node.ok("DBSIZE").as_int().unwrap_or(0);
        // What a command needs while it runs comes on top.
        assert!(used < limit + (1 << 20), "{policy}: {used} of {limit}");
        match policy {
            "noeviction" => assert!(refused > 10_000 && evicted == 0, "{refused} refused, {evicted} evicted"),
            // Asking for the figures takes memory too, so that a few more may have gone meanwhile.
            _ => {
                let gone = 30_000 - keys;
                assert!(
                    refused == 0 && (evicted..evicted + 200).contains(&gone),
                    "{policy}: {refused}, {evicted}, {gone}"
                );
            }
        }
        assert!((5_000..25_000).contains(&keys), "{policy} kept {keys}");
        if policy == "volatile-ttl" {
            let kept = |key: usize| node.ok(&format!("EXISTS key:{key}")).as_int() == Some(1);
            let late = (29_900..30_000).filter(|key| kept(*key)).count();
            let soon = (0..100).filter(|key| kept(*key)).count();
            assert!(late > 90 && soon < 30, "{late} of the latest and {soon} of the soonest deadlines");
        }
    }
}

/// Reads keys of which few are much in demand, and stores those that are missing; gives the share of hits.
fn hit_rate(node: &Node) -> (f64, i64) {
    let (mut random, mut client) = (Random::new(3), node.client());
    let (mut hits, mut asked) = (0, 0);
    for round in 0..300 {
        let keys: Vec<u64> = (0..200)
            .map(|_| {
                let uniform = random.below(1 << 20) as f64 / f64::from(1 << 20);
                (60_000.0 * uniform.powi(4)) as u64
            })
            .collect();
        let gets: Vec<Vec<String>> =
            keys.iter().map(|key| vec!["GET".to_string(), format!("key:{key}")]).collect();
        client.send(gets.iter().map(Vec::as_slice)).expect("sent");
        let found: Vec<bool> =
            keys.iter().map(|_| client.reply().expect("a reply").as_bytes().is_some()).collect();
        // The cache is full after a third of the rounds.
        if round >= 100 {
            hits += found.iter().filter(|found| **found).count();
            asked += keys.len();
        }
        let missing = keys.iter().zip(&found).filter(|(_, found)| !**found);
        let sets: Vec<_> = missing.map(|(key, _)| set(*key as usize, None)).collect();
        assert_eq!(pipelined(&mut client, &sets), 0);
    }
    (hits as f64 / asked as f64, node.ok("DBSIZE").as_int().unwrap_or(0))
}

#[allow(clippy::print_stdout, reason = "the figures are there to be read")]
#[test]
fn what_is_in_demand_is_kept_as_the_real_server_keeps_it() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let (ours, our_keys) = hit_rate(&limited(Engine::Topple, policy, &[]));
        let (real, real_keys) = hit_rate(&limited(Engine::Redis, policy, &[]));
        println!(
            "{policy}: hits {ours:.3} with {our_keys} keys, redis-server {real:.3} with {real_keys} keys"
        );
        assert!(ours > real - 0.05, "{policy}: {ours} against {real}");
    }
}

#[test]
fn a_replica_hears_what_is_evicted() {
    let master = limited(Engine::Topple, "allkeys-lru", &[]);
    for engine in [Engine::Topple, Engine::Redis] {
        let replica = Node::start(engine, &[]);
        replica.follow(&master);
        let commands: Vec<_> = (0..20_000).map(|key| set(key, None)).collect();
        assert_eq!(pipelined(&mut master.client(), &commands), 0);
        assert!(master.figure("evicted_keys") > 0);
        // Being asked takes memory too: without a limit nothing more goes.
        let limit = master.figure("maxmemory");
        master.ok("CONFIG SET maxmemory 0");
        until("the same number of keys", || master.ok("DBSIZE") == replica.ok("DBSIZE"));
        if engine == Engine::Topple {
            until("the same data", || master.ok("DEBUG DIGEST") == replica.ok("DEBUG DIGEST"));
        }
        master.ok(&format!("CONFIG SET maxmemory {limit}"));
    }
}

#[test]
fn large_values_are_freed_in_the_background() {
    let node = Node::start(Engine::Topple, &[]);
    let mut client = node.client();
    let fill = |client: &mut Client, key: &str| {
        let commands: Vec<Vec<String>> = (0..50)
            .map(|part| {
                let members = (0..400).map(|member| format!("member:{part}:{member}"));
                ["SADD".to_string(), key.to_string()].into_iter().chain(members).collect()
            })
            .collect();
        assert_eq!(pipelined(client, &commands), 0);
    };
    let before = node.figure("used_memory");
    fill(&mut client, "big");
    assert!(node.figure("used_memory") > before + (500 << 10));
    assert_eq!(node.ok("UNLINK big").as_int(), Some(1));
    until("its memory", || node.figure("used_memory") < before + (200 << 10));
    assert_eq!((node.figure("lazyfreed_objects"), node.figure("lazyfree_pending_objects")), (1, 0));
    // DEL frees at once unless it is told not to.
    fill(&mut client, "big");
    node.ok("DEL big");
    assert_eq!(node.figure("lazyfreed_objects"), 1);
    node.ok("CONFIG SET lazyfree-lazy-user-del yes");
    fill(&mut client, "big");
    node.ok("DEL big");
    until("the second one's end", || node.figure("lazyfreed_objects") == 2);
    node.ok("CONFIG RESETSTAT");
    node.ok("DEBUG POPULATE 5000");
    node.ok("FLUSHALL ASYNC");
    until("the keys' end", || node.figure("lazyfreed_objects") == 5000);
}

/// A subscriber that reads nothing is closed at its limit, however fast messages come.
#[test]
fn a_subscriber_that_never_reads_is_bounded() {
    let node = Node::start(Engine::Topple, &["--client-output-buffer-limit", "pubsub", "2mb", "0", "0"]);
    let mut deaf = node.client();
    deaf.line("SUBSCRIBE news").expect("a reply");
    let before = node.figure("used_memory");
    let message = "x".repeat(100_000);
    let mut publisher = node.client();
    let mut most = 0;
    for _ in 0..300 {
        publisher.call(&["PUBLISH", "news", &message]).expect("a reply");
        most = most.max(node.figure("used_memory") - before);
    }
    assert!(most < 8 << 20, "{most} bytes at the most");
    node.await_log("scheduled to be closed ASAP for overcoming of output buffer limits", 1);
    until("its end", || node.figure("pubsub_clients") == 0);
}

#[test]
fn the_largest_clients_are_evicted() {
    let node = Node::start(Engine::Topple, &["--maxmemory-clients", "3mb"]);
    let mut greedy = node.client();
    greedy.line("MULTI").expect("a reply");
    let value = "x".repeat(500_000);
    let closed = (0..20).any(|_| greedy.call(&["SET", "k", &value]).is_err());
    assert!(closed, "a transaction of ten megabytes");
    assert_eq!(node.figure("evicted_clients"), 1);
    assert_eq!(node.ok("PING").to_text().as_deref(), Some("PONG"));
}

#[test]
fn the_server_listens_elsewhere_when_told_to() {
    let node = Node::start(Engine::Topple, &[]);
    let mut client = node.client();
    let port = free_port();
    assert_eq!(
        client.line(&format!("CONFIG SET port {port}")).expect("a reply").as_bytes(),
        Some(&b"OK"[..])
    );
    let mut moved = Client::connect(port).expect("it listens there");
    assert_eq!(moved.line("PING").expect("a reply").as_bytes(), Some(&b"PONG"[..]));
    assert!(Client::connect(node.port()).is_err(), "it does not listen here any more");
    // The old connection lives; what cannot be had changes nothing.
    let error = client.line("CONFIG SET bind 203.0.113.7").expect("a reply").as_error().unwrap_or_default();
    assert!(error.ends_with("Failed to bind to specified addresses."), "{error}");
    assert!(Client::connect(port).is_ok());
    client.line(&format!("CONFIG SET port {}", node.port())).expect("a reply");
    assert_eq!(node.ok("PING").to_text().as_deref(), Some("PONG"));
}
