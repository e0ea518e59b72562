//! Who is told of what: redirection, what outlives its clients, and the table's limit.

use crate::ClientId;
use crate::tests::{World, at};

/// A client that speaks RESP3.
fn modern(world: &mut World) -> ClientId {
    let id = world.client();
    world.send(id, "HELLO 3");
    id
}

#[test]
fn a_client_of_the_old_protocol_is_told_through_another() {
    let mut world = World::new(&[]);
    let (reader, listener, writer) = (world.client(), world.client(), world.client());
    world.send(listener, "SUBSCRIBE __redis__:invalidate");
    assert_eq!(world.send(reader, "CLIENT TRACKING ON REDIRECT 2\nCLIENT GETREDIR\nGET k"), "+OK :2 $-1");
    world.send(writer, "SET k 1");
    assert_eq!(world.output(listener), "*3 $7 message $20 __redis__:invalidate *1 $1 k");
    world.send(writer, "FLUSHALL");
    assert_eq!(world.output(listener), "*3 $7 message $20 __redis__:invalidate $-1");
    assert_eq!(world.output(reader), "");
    world.server.disconnect(listener, at(0));
    assert_eq!(world.send(reader, "GET k\nSET k 2"), "$-1 +OK");
    assert!(world.send(reader, "CLIENT TRACKINGINFO").contains("broken_redirect"));
    assert!(world.send(reader, "CLIENT LIST").contains(" flags=tR "));
}

#[test]
fn a_modern_client_learns_that_its_redirection_is_broken() {
    let mut world = World::new(&[]);
    let (reader, listener) = (modern(&mut world), modern(&mut world));
    world.send(reader, "CLIENT TRACKING ON REDIRECT 2");
    assert_eq!(world.send(reader, "GET k\nSET k 1"), "_ +OK");
    assert_eq!(world.output(listener), ">2 $10 invalidate *1 $1 k");
    world.server.disconnect(listener, at(0));
    assert_eq!(world.send(reader, "GET k\nSET k 1"), "$1 1 +OK >2 $21 tracking-redir-broken :2");
}

#[test]
fn nothing_is_recorded_for_nobody() {
    let mut world = World::new(&[]);
    let (reader, writer) = (modern(&mut world), world.client());
    world.send(reader, "CLIENT TRACKING ON BCAST");
    assert!(world.server.effects.watching);
    world.server.disconnect(reader, at(0));
    assert!(!world.server.effects.watching);
    let reader = modern(&mut world);
    world.send(reader, "CLIENT TRACKING ON\nMGET a b");
    assert!(world.send(writer, "INFO stats").contains("tracking_total_keys:2 tracking_total_items:2"));
    world.send(writer, "SET a 1\nSET b 1");
    assert_eq!(world.output(reader), ">2 $10 invalidate *1 $1 a >2 $10 invalidate *1 $1 b");
    assert!(!world.server.effects.watching);
}

#[test]
fn the_table_keeps_its_limit() {
    let mut world = World::new(&[("tracking-table-max-keys", "2")]);
    let reader = modern(&mut world);
    world.send(reader, "CLIENT TRACKING ON");
    let told = world.send(reader, "GET a\nGET b\nGET c\nGET d");
    assert_eq!(told.matches("invalidate").count(), 2, "{told}");
    assert!(world.send(reader, "INFO stats").contains("tracking_total_keys:2 "));
}

#[test]
fn a_client_that_publishes_to_itself_is_told_in_its_protocol() {
    let mut world = World::new(&[]);
    let id = world.client();
    assert_eq!(
        world.send(id, "MULTI\nSUBSCRIBE c\nPUBLISH c m\nEXEC"),
        "+OK +QUEUED +QUEUED *2 *3 $9 subscribe $1 c :1 :1 *3 $7 message $1 c $1 m"
    );
}
