//! Clients that wait, on a whole server in memory.

use crate::ClientId;
use crate::tests::World;

fn several<const N: usize>() -> (World, [ClientId; N]) {
    let mut world = World::new(&[]);
    let clients = std::array::from_fn(|_| world.client());
    (world, clients)
}

/// What came for clients since they were last looked at.
fn outputs<const N: usize>(world: &mut World, clients: [ClientId; N]) -> [String; N] {
    clients.map(|client| world.output(client))
}

#[test]
fn clients_are_served_in_order_of_arrival_and_others_wait_on() {
    let (mut world, [pusher, a, b, c]) = several();
    assert_eq!(world.send(a, "BLPOP k other 0"), "");
    assert_eq!(world.send(b, "BLPOP other k 0"), "");
    assert_eq!(world.send(c, "BRPOP k 0"), "");
    assert_eq!(world.send(pusher, "RPUSH k 1 2"), ":2");
    assert_eq!(outputs(&mut world, [a, b, c]), ["*2 $1 k $1 1", "*2 $1 k $1 2", ""]);
    assert!(world.send(pusher, "EXISTS k\nRPUSH k 3\nINFO clients").contains("blocked_clients:0"));
    assert_eq!(outputs(&mut world, [c]), ["*2 $1 k $1 3"]);
}

#[test]
fn chains_are_served_to_their_end() {
    let (mut world, [pusher, a, b, c]) = several();
    world.send(a, "BLMOVE one two LEFT RIGHT 0");
    world.send(b, "BLMOVE two three LEFT RIGHT 0");
    world.send(c, "BLPOP three 0");
    assert_eq!(world.send(pusher, "RPUSH one x"), ":1");
    assert_eq!(outputs(&mut world, [a, b, c]), ["$1 x", "$1 x", "*2 $5 three $1 x"]);
    assert_eq!(world.send(pusher, "DBSIZE"), ":0");
}

#[test]
fn a_transaction_is_over_before_anyone_is_served() {
    let (mut world, [pusher, a]) = several();
    world.send(a, "BLPOP k 0");
    world.send(pusher, "MULTI\nRPUSH k 1\nRPUSH k 2\nLPOP k\nBLPOP nothing 0");
    assert_eq!(world.send(pusher, "EXEC"), "*4 :1 :2 $1 1 *-1");
    assert_eq!(world.output(a), "*2 $1 k $1 2");
    world.send(a, "BLPOP k 0");
    world.send(pusher, "MULTI\nRPUSH k 1\nDEL k");
    assert_eq!(world.send(pusher, "EXEC"), "*2 :1 :1");
    assert_eq!(world.output(a), "");
}

#[test]
fn other_kinds_of_values_wake_nobody_and_wrong_targets_are_told_of() {
    let (mut world, [pusher, a, b]) = several();
    world.send(a, "BLPOP k 0");
    world.send(b, "BLMOVE k target LEFT LEFT 0");
    world.send(pusher, "SET k text\nDEL k\nSET target text");
    assert_eq!(outputs(&mut world, [a, b]), ["", ""]);
    world.send(pusher, "RPUSH k 1 2");
    let [a, b] = outputs(&mut world, [a, b]);
    assert_eq!(a, "*2 $1 k $1 1");
    assert!(b.starts_with("-WRONGTYPE"), "{b}");
    assert_eq!(world.send(pusher, "LRANGE k 0 -1"), "*1 $1 2");
}

#[test]
fn keys_become_ready_in_many_ways() {
    for way in [
        "RPUSH from 1\nRENAME from k",
        "RPUSH from 1\nCOPY from k",
        "SELECT 1\nRPUSH k 1\nMOVE k 0",
        "SELECT 1\nRPUSH k 1\nSWAPDB 0 1",
        "RPUSH from 1\nLMOVE from k LEFT LEFT",
    ] {
        let (mut world, [pusher, a]) = several();
        world.send(a, "BLPOP k 0");
        world.send(pusher, way);
        assert_eq!(world.output(a), "*2 $1 k $1 1", "{way}");
    }
}

#[test]
fn waits_end_in_time_to_the_millisecond() {
    let (mut world, [pusher, a, b]) = several();
    world.send(a, "BLPOP k 0.25");
    world.send(b, "BLMOVE k l LEFT LEFT 1");
    assert_eq!(world.server.next_timeout_ms(), Some(250));
    world.pass(249);
    assert_eq!(outputs(&mut world, [a, b]), ["", ""]);
    world.pass(1);
    assert_eq!(outputs(&mut world, [a, b]), ["*-1", ""]);
    world.pass(750);
    assert_eq!(outputs(&mut world, [a, b]), ["", "*-1"]);
    assert_eq!(world.send(pusher, "RPUSH k 1"), ":1");
    assert_eq!(
        world.send(a, "BLPOP k -1\nBLPOP k x\nBLPOP k 1e300"),
        [
            "-ERR timeout is negative",
            "-ERR timeout is not a float or out of range",
            "-ERR timeout is out of range",
        ]
        .join(" ")
    );
}

#[test]
fn whoever_left_or_was_unblocked_is_not_served() {
    let (mut world, [pusher, a, b, c, d]) = several();
    for client in [a, b, c, d] {
        world.send(client, "BLPOP k 100");
    }
    assert!(world.send(pusher, "INFO clients").contains("clients_in_timeout_table:4"));
    world.server.disconnect(a, crate::tests::at(0));
    assert_eq!(
        world.send(pusher, &format!("CLIENT UNBLOCK {}\nCLIENT UNBLOCK {} ERROR", b.id, c.id)),
        ":1 :1"
    );
    assert_eq!(world.send(pusher, &format!("CLIENT UNBLOCK {}", c.id)), ":0");
    assert_eq!(outputs(&mut world, [b, c]), ["*-1", "-UNBLOCKED client unblocked via CLIENT UNBLOCK"]);
    assert_eq!(world.send(pusher, &format!("CLIENT KILL ID {}\nRPUSH k 1", d.id)), ":1 :1");
    assert_eq!(world.send(pusher, "LLEN k"), ":1");
    world.server.disconnect(d, crate::tests::at(0));
    let info = world.send(pusher, "INFO clients");
    assert!(info.contains("clients_in_timeout_table:0"), "{info}");
    assert!(info.contains("total_blocking_keys:0"), "{info}");
    assert!(!world.server.effects.watching);
}

#[test]
fn becoming_a_replica_ends_all_waits() {
    let (mut world, [admin, a]) = several();
    world.send(a, "BLPOP k 0");
    world.send(admin, "REPLICAOF 127.0.0.1 1");
    let expected =
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
    assert_eq!(world.output(a), expected);
    assert_eq!(world.server.attention(a), crate::Then::CloseAfterOutput);
}

#[test]
fn a_pause_holds_back_who_would_have_been_served() {
    let (mut world, [admin, a]) = several();
    world.send(a, "BLPOP k 0");
    world.send(admin, "MULTI\nRPUSH k 1\nCLIENT PAUSE 100 WRITE");
    world.send(admin, "EXEC");
    assert_eq!(world.output(a), "");
    world.pass(100);
    assert_eq!(world.output(a), "*2 $1 k $1 1");
}

#[test]
fn replies_that_are_not_wanted_are_not_given_later_either() {
    let (mut world, [pusher, a]) = several();
    assert_eq!(world.send(a, "CLIENT REPLY SKIP\nBLPOP k 0"), "");
    world.send(pusher, "RPUSH k 1 2");
    assert_eq!(world.output(a), "");
    assert_eq!(world.send(a, "LPOP k"), "$1 2");
    assert!(world.send(pusher, "INFO commandstats").contains("cmdstat_blpop:calls=1"));
}

#[test]
fn readers_of_streams_wait_behind_what_was_there() {
    let (mut world, [writer, a, b]) = several();
    world.send(writer, "XADD s 1-1 f old");
    assert_eq!(world.send(a, "XREAD BLOCK 0 STREAMS s other $ $"), "");
    assert_eq!(world.send(b, "XREAD BLOCK 0 STREAMS other s 0 1-1"), "");
    assert_eq!(world.send(writer, "XADD s 1-2 f new"), "$3 1-2");
    let new = "*1 *2 $1 s *1 *2 $3 1-2 *2 $1 f $3 new";
    assert_eq!(outputs(&mut world, [a, b]), [new, new]);
}

#[test]
fn consumers_share_what_comes_and_hear_of_the_end_of_their_group() {
    let (mut world, [writer, a, b]) = several();
    let no_group = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    world.send(writer, "XGROUP CREATE s g $ MKSTREAM");
    assert_eq!(world.send(a, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >"), "");
    assert_eq!(world.send(b, "XREADGROUP GROUP g two BLOCK 0 STREAMS s >"), "");
    world.send(writer, "XADD s 1-1 f v");
    assert_eq!(outputs(&mut world, [a, b]), ["*1 *2 $1 s *1 *2 $3 1-1 *2 $1 f $1 v", ""]);
    world.send(a, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >");
    world.send(writer, "XGROUP DESTROY s g");
    assert_eq!(outputs(&mut world, [a, b]), [no_group, no_group]);
    world.send(writer, "XGROUP CREATE s g $");
    world.send(a, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >");
    world.send(writer, "DEL s");
    assert_eq!(world.output(a), no_group);
    world.send(writer, "XGROUP CREATE s g $ MKSTREAM");
    world.send(a, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >");
    world.send(writer, "SET s text");
    assert_eq!(world.output(a), "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

#[test]
fn one_whose_command_let_others_go_on_hears_of_what_they_change() {
    let (mut world, [pusher, a]) = several();
    world.send(pusher, "HELLO 3");
    assert_eq!(world.send(pusher, "CLIENT TRACKING on\nEXISTS two"), "+OK :0");
    world.send(a, "BLMOVE one two LEFT RIGHT 0");
    assert_eq!(world.send(pusher, "RPUSH one x\nPING"), ":1 >2 $10 invalidate *1 $3 two +PONG");
    assert_eq!(world.send(pusher, "CLIENT TRACKING off\nWATCH two"), "+OK +OK");
    world.send(a, "BLMOVE one two LEFT RIGHT 0");
    assert_eq!(world.send(pusher, "RPUSH one x\nMULTI\nPING\nEXEC"), ":1 +OK +QUEUED _");
}

#[test]
fn one_that_monitors_does_not_touch_keys() {
    let (mut world, [other, a]) = several();
    world.send(a, "MONITOR");
    let refused = world.send(a, "BLPOP k 0\nPING");
    assert!(refused.starts_with("-ERR Replica can't interact with the keyspace +PONG"), "{refused}");
    world.send(other, "GET k");
    assert!(world.output(a).contains("\"GET\" \"k\""), "it still monitors");
}
