//! Eviction and `maxmemory` on a whole server in memory, where memory is what the databases ask for.

use crate::tests::World;

/// Fills database 0 with `count` keys of some 200 bytes, from `first` on.
fn fill(world: &mut World, client: crate::ClientId, first: usize, count: usize) -> usize {
    let filler = "x".repeat(200);
    (first..first + count)
        .filter(|index| world.send(client, &format!("SET key:{index} {filler}")) == "+OK")
        .count()
}

/// A server whose limit has room for some hundred keys of [`fill`] beyond what it holds.
fn limited(policy: &str) -> (World, crate::ClientId) {
    let mut world = World::new(&[("maxmemory", "40000"), ("maxmemory-policy", policy)]);
    let client = world.client();
    (world, client)
}

fn size(world: &mut World, client: crate::ClientId) -> usize {
    world.send(client, "DBSIZE").trim_start_matches(':').parse().unwrap()
}

#[test]
fn without_eviction_writes_are_refused_and_reads_go_on() {
    let (mut world, client) = limited("noeviction");
    let stored = fill(&mut world, client, 0, 1000);
    assert!((50..400).contains(&stored), "{stored}");
    assert_eq!(
        world.send(client, "SET one more\nGET nothing\nDEL key:0"),
        "-OOM command not allowed when used memory > 'maxmemory'. $-1 :1"
    );
    assert_eq!(world.server.eviction.stats.evicted_keys, 0);
    assert_eq!(world.send(client, "CONFIG SET maxmemory 0\nSET one more"), "+OK +OK");
}

#[test]
fn a_transaction_is_refused_as_a_whole() {
    let (mut world, client) = limited("noeviction");
    assert_eq!(world.send(client, "MULTI\nSET k v"), "+OK +QUEUED");
    let other = world.client();
    fill(&mut world, other, 0, 1000);
    assert_eq!(
        world.send(client, "GET k"),
        "-OOM command not allowed when used memory > 'maxmemory'.",
        "queueing takes memory"
    );
    assert!(world.send(client, "EXEC").starts_with("-EXECABORT"));
    assert_eq!(world.send(client, "GET k\nMULTI\nEXEC"), "$-1 +OK *0");
}

#[test]
fn every_policy_keeps_to_the_limit() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl"] {
        let (mut world, client) = limited(policy);
        if policy == "volatile-ttl" {
            let filler = "x".repeat(200);
            for index in 0..1000 {
                let reply = world.send(client, &format!("SET key:{index} {filler} EX {}", 10_000 - index));
                assert_eq!(reply, "+OK");
            }
            // The ones that end soonest have gone.
            assert_eq!(world.send(client, "EXISTS key:0 key:1 key:2"), ":3");
        } else {
            assert_eq!(fill(&mut world, client, 0, 1000), 1000, "{policy}");
        }
        let kept = size(&mut world, client);
        assert!((50..400).contains(&kept), "{policy} kept {kept}");
        let evicted = world.server.eviction.stats.evicted_keys as usize;
        assert_eq!(kept + evicted, 1000, "{policy}");
    }
}

#[test]
fn keys_without_a_deadline_stay_where_only_volatile_ones_go() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let (mut world, client) = limited(policy);
        let filler = "x".repeat(200);
        for index in 0..30 {
            world.send(client, &format!("SET kept:{index} {filler}\nSET goes:{index} {filler} EX 1000"));
        }
        let refused = (0..1000)
            .map(|index| world.send(client, &format!("SET more:{index} {filler}")))
            .filter(|reply| reply.starts_with("-OOM"))
            .count();
        assert!(refused > 500, "{policy}: {refused}");
        let kept =
            (0..30).filter(|index| world.send(client, &format!("EXISTS kept:{index}")) == ":1").count();
        let gone =
            (0..30).filter(|index| world.send(client, &format!("EXISTS goes:{index}")) == ":0").count();
        assert_eq!((kept, gone), (30, 30), "{policy}");
    }
}

#[test]
fn what_is_used_stays_longer() {
    for policy in ["allkeys-lru", "allkeys-lfu"] {
        let (mut world, client) = limited(policy);
        world.send(client, "CONFIG SET maxmemory-samples 10");
        fill(&mut world, client, 0, 20);
        for round in 0..20 {
            world.pass(5_000);
            for hot in 0..20 {
                world.send(client, &format!("GET key:{hot}"));
            }
            fill(&mut world, client, 1000 + round * 50, 50);
        }
        let hot = (0..20).filter(|hot| world.send(client, &format!("EXISTS key:{hot}")) == ":1").count();
        assert!(hot >= 16, "{policy} kept {hot} of 20 keys in use");
    }
}

#[test]
fn evicted_keys_are_announced_and_replicated() {
    let (mut world, client) = limited("allkeys-random");
    world.send(client, "CONFIG SET notify-keyspace-events Ee");
    let (listener, watcher) = (world.client(), world.client());
    world.send(listener, "SUBSCRIBE __keyevent@0__:evicted");
    fill(&mut world, client, 0, 1);
    world.send(watcher, "WATCH key:0\nMULTI\nPING");
    world.output(listener);
    fill(&mut world, client, 1, 2000);
    assert!(world.output(listener).contains("__keyevent@0__:evicted"));
    assert_eq!(world.send(client, "EXISTS key:0"), ":0", "chosen among few, two thousand times");
    assert_eq!(world.send(watcher, "EXEC"), "*-1");
}

#[test]
fn nothing_is_evicted_during_a_pause_nor_by_a_replica() {
    let (mut world, client) = limited("allkeys-random");
    world.send(client, "CONFIG SET maxmemory 0");
    fill(&mut world, client, 0, 500);
    let other = world.client();
    world.send(other, "CLIENT PAUSE 1000 WRITE\nCONFIG SET maxmemory 40000");
    world.pass(100);
    assert_eq!(size(&mut world, client), 500);
    world.pass(1000);
    world.pass(100);
    assert!(size(&mut world, client) < 400);
    world.send(client, "CONFIG SET maxmemory 0");
    fill(&mut world, client, 0, 500);
    world.send(client, "REPLICAOF 127.0.0.1 1\nCONFIG SET maxmemory 40000");
    world.pass(100);
    assert_eq!(size(&mut world, client), 500);
    world.send(client, "CONFIG SET replica-ignore-maxmemory no");
    world.pass(100);
    assert!(size(&mut world, client) < 400);
}

#[test]
fn object_tells_what_the_policy_keeps() {
    let (mut world, client) = limited("allkeys-lfu");
    world.send(client, "SET k v\nGET k\nGET k");
    let freq = world.send(client, "OBJECT FREQ k");
    assert!([":5", ":6", ":7", ":8"].contains(&freq.as_str()), "{freq}");
    assert!(world.send(client, "OBJECT IDLETIME k").starts_with("-ERR An LFU maxmemory policy is selected"));
    world.send(client, "CONFIG SET maxmemory-policy allkeys-lru\nSET k v");
    world.pass(7_000);
    assert_eq!(world.send(client, "OBJECT IDLETIME k"), ":7");
    assert!(world.send(client, "OBJECT FREQ k").starts_with("-ERR An LFU maxmemory policy is not selected"));
}
