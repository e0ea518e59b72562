//! DEBUG on a whole server in memory.

use crate::tests::World;

fn world() -> (World, crate::ClientId) {
    let mut world = World::new(&[("enable-debug-command", "yes")]);
    let client = world.client();
    (world, client)
}

#[test]
fn only_for_those_who_may() {
    let mut world = World::new(&[]);
    let client = world.client();
    assert!(world.send(client, "DEBUG DIGEST").starts_with("-ERR DEBUG command not allowed. If the"));
    let mut world = World::new(&[("enable-debug-command", "local")]);
    let client = world.client();
    assert_eq!(world.send(client, "DEBUG SLEEP 0"), "+OK");
    assert_eq!(
        world.send(client, "DEBUG nosuch\nDEBUG SLEEP\nDEBUG SLEEP 1 2"),
        "-ERR unknown subcommand or wrong number of arguments for 'nosuch'. Try DEBUG HELP. \
         -ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP. \
         -ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP."
    );
}

#[test]
fn digests_are_of_contents_alone() {
    let (mut world, client) = world();
    let empty = world.send(client, "DEBUG DIGEST");
    assert_eq!(empty, format!("+{}", "0".repeat(40)));
    world.send(client, "SET a 1\nSET b text\nSADD s x y z 1\nHSET h f v g w");
    let before = world.send(client, "DEBUG DIGEST\nDEBUG DIGEST-VALUE a s h nokey");
    // In another order, by another way, with other encodings.
    world.send(client, "FLUSHALL\nCONFIG SET set-max-listpack-entries 1 hash-max-listpack-entries 1");
    world.send(client, "HSET h g w f v\nSADD s 1 z y x\nSET b te\nAPPEND b xt\nSET a 0\nINCR a");
    assert_eq!(world.send(client, "DEBUG DIGEST\nDEBUG DIGEST-VALUE a s h nokey"), before);
    world.send(client, "EXPIRE a 100");
    assert_ne!(world.send(client, "DEBUG DIGEST"), before.split(' ').next().unwrap());
    // A deadline belongs to the key, not to the value.
    let value = world.send(client, "DEBUG DIGEST-VALUE a");
    assert_eq!(value.split(' ').nth(1), before.split(' ').nth(2));
    let swapped = world.send(client, "DEBUG DIGEST\nHSET h f w g v\nDEBUG DIGEST");
    assert_ne!(swapped[..41], swapped[swapped.len() - 41..]);
}

#[test]
fn a_reload_keeps_everything() {
    let (mut world, client) = world();
    world.send(client, "DEBUG POPULATE 100 p 20\nSET k v EX 1000\nSELECT 3\nSET other 5\nSELECT 0");
    let digest = world.send(client, "DEBUG DIGEST");
    assert_eq!(world.send(client, "DEBUG RELOAD\nDBSIZE\nDEBUG DIGEST"), format!("+OK :101 {digest}"));
    // What was not saved is lost, unless it stays and joins what is loaded.
    world.send(client, "SET new 1");
    assert!(
        world.send(client, "DEBUG RELOAD NOSAVE NOFLUSH").starts_with("-ERR Error trying to load the RDB")
    );
    assert_eq!(world.send(client, "DEBUG RELOAD NOSAVE NOFLUSH MERGE\nDBSIZE"), "+OK :102");
    assert_eq!(world.send(client, "DEBUG RELOAD NOSAVE\nDBSIZE\nDEBUG DIGEST"), format!("+OK :101 {digest}"));
    assert!(world.send(client, "DEBUG RELOAD SIDEWAYS").starts_with("-ERR DEBUG RELOAD only supports"));
    assert!(world.send(client, "DEBUG LOADAOF").starts_with("-ERR"));
}

#[test]
fn populate_leaves_what_is_there() {
    let (mut world, client) = world();
    world.send(client, "SET key:1 mine");
    assert_eq!(
        world.send(client, "DEBUG POPULATE 3\nMGET key:0 key:1 key:2"),
        "+OK *3 $7 value:0 $4 mine $7 value:2"
    );
    assert_eq!(world.send(client, "DEBUG POPULATE -1"), "-ERR value is out of range, must be positive");
    assert_eq!(world.send(client, "DEBUG POPULATE x"), "-ERR value is out of range, must be positive");
    assert_eq!(world.send(client, "DEBUG POPULATE 1 p 3\nSTRLEN p:0"), "+OK :3");
}

#[test]
fn every_kind_of_reply() {
    let (mut world, client) = world();
    assert_eq!(world.send(client, "DEBUG PROTOCOL map"), "*6 :0 :0 :1 :1 :2 :0");
    assert!(world.send(client, "DEBUG PROTOCOL push").starts_with("-ERR RESP2 is not supported"));
    world.send(client, "HELLO 3");
    assert_eq!(world.send(client, "DEBUG PROTOCOL map"), "%3 :0 #f :1 #t :2 #f");
    assert_eq!(
        world.send(client, "DEBUG PROTOCOL attrib"),
        "|1 $14 key-popularity *2 $7 key:123 :90 $39 Some real reply following the attribute"
    );
    assert!(world.send(client, "DEBUG PROTOCOL push").starts_with(">2 $16 server-cpu-usage :42"));
    assert_eq!(world.send(client, "DEBUG PROTOCOL verbatim"), "=29 txt:This is a verbatim\nstring");
    assert!(world.send(client, "DEBUG PROTOCOL nonsense").starts_with("-ERR Wrong protocol type name."));
}

#[test]
fn a_paused_timer_expires_nothing() {
    let (mut world, client) = world();
    world.send(client, "SET k v PX 10\nDEBUG PAUSE-CRON 1");
    world.pass(1000);
    assert_eq!(world.send(client, "DBSIZE\nDEBUG PAUSE-CRON 0"), ":1 +OK");
    world.pass(1000);
    assert_eq!(world.send(client, "DBSIZE"), ":0");
}

#[test]
fn objects_are_described() {
    let (mut world, client) = world();
    world.send(client, "SET k v\nSADD s a");
    let shown = world.send(client, "DEBUG OBJECT k");
    assert!(shown.starts_with("+Value at:0x") && shown.contains(" encoding:embstr "), "{shown}");
    assert_eq!(world.send(client, "DEBUG OBJECT nokey"), "-ERR no such key");
    assert!(
        world.send(client, "DEBUG SDSLEN k").starts_with("+key_sds_len:1, key_sds_avail:0, key_zmalloc: ")
    );
    assert_eq!(world.send(client, "DEBUG LISTPACK s"), "+Listpack structure printed on stdout");
    assert_eq!(world.send(client, "DEBUG LISTPACK k"), "-ERR Not a listpack encoded object.");
    assert_eq!(world.send(client, "DEBUG STRINGMATCH-LEN a*c abbc\nDEBUG STRINGMATCH-LEN a?c abbc"), ":1 :0");
    assert_eq!(world.send(client, "DEBUG HTSTATS 99"), "-ERR Out of range database");
    assert_eq!(world.send(client, "DEBUG ERROR MYCODE"), "-MYCODE");
    assert_eq!(world.send(client, "DEBUG CLIENT-EVICTION"), "-ERR maxmemory-clients is disabled.");
}

#[test]
fn keys_that_expire_on_a_reload_are_deleted_on_replicas_too() {
    let (mut world, client) = world();
    let replica = world.client();
    world.send(replica, "PSYNC ? -1");
    world.send(client, "DEBUG SET-ACTIVE-EXPIRE 0\nSET k v PX 5\nSET other v");
    world.pass(20);
    let before = world.server.replicating.offset();
    assert_eq!(world.send(client, "DEBUG RELOAD\nDBSIZE"), "+OK :1");
    assert!(world.server.replicating.offset() > before, "k is deleted there");
    let after = world.server.replicating.offset();
    assert_eq!(world.send(client, "DEBUG RELOAD"), "+OK");
    assert_eq!(world.server.replicating.offset(), after);
}
