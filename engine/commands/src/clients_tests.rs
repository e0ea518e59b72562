//! Clients: what is held back, skipped and listed, and what a watched key's expiry means.

use crate::tests::{World, at};
use crate::{ClientId, Then};

#[test]
fn an_inline_command_held_back_is_unquoted_once() {
    let mut world = World::new(&[]);
    let (admin, id) = (world.client(), world.client());
    world.send(admin, "CLIENT PAUSE 1000 WRITE");
    let mut input = b"GET k\r\nSET \"a b\" '\"c\"'\r\nGET \"a b\"\r\n".to_vec();
    let handled = world.server.handle(id, &mut input, at(0));
    assert_eq!((handled.consumed, handled.then), (7, Then::Blocked));
    world.send(admin, "CLIENT UNPAUSE");
    let mut rest = input.split_off(handled.consumed);
    world.server.handle(id, &mut rest, at(0));
    assert_eq!(world.output(id), "$-1 +OK $3 \"c\"");
}

#[test]
fn a_reply_to_be_skipped_is_skipped_after_a_pause() {
    let mut world = World::new(&[]);
    let (admin, id) = (world.client(), world.client());
    world.send(admin, "CLIENT PAUSE 1000 WRITE");
    let mut input = b"CLIENT REPLY SKIP\r\nSET k v\r\n".to_vec();
    let handled = world.server.handle(id, &mut input, at(0));
    assert_eq!(handled.then, Then::Blocked);
    world.send(admin, "CLIENT UNPAUSE");
    let mut rest = input.split_off(handled.consumed);
    world.server.handle(id, &mut rest, at(0));
    assert_eq!(world.send(id, "GET k"), "$1 v");
}

#[test]
fn a_key_that_had_expired_when_it_was_watched_spoils_nothing() {
    let mut world = World::new(&[]);
    let (id, other) = (world.client(), world.client());
    world.send(id, "SET k v PX 10");
    let run = |world: &mut World, id: ClientId, line: &str, ms: u64| {
        let mut input = format!("{line}\r\n").into_bytes();
        world.server.handle(id, &mut input, at(ms));
        world.output(id)
    };
    // Watched before it expires, it counts as changed.
    run(&mut world, id, "WATCH k", 5);
    run(&mut world, id, "MULTI", 50);
    assert_eq!(run(&mut world, id, "EXEC", 50), "*-1");
    // Watched afterwards, it does not, not even when it is found gone.
    run(&mut world, id, "SET k v PX 10", 50);
    run(&mut world, id, "WATCH k", 100);
    run(&mut world, id, "MULTI", 100);
    assert_eq!(run(&mut world, other, "GET k", 100), "$-1");
    assert_eq!(run(&mut world, id, "EXEC", 100), "*0");
    run(&mut world, id, "WATCH k", 100);
    run(&mut world, id, "MULTI", 100);
    run(&mut world, other, "SET k w", 100);
    assert_eq!(run(&mut world, id, "EXEC", 100), "*-1");
}

#[test]
fn a_client_is_listed_with_the_fields_of_its_version() {
    let mut world = World::new(&[]);
    let id = world.client();
    world.send(id, "SUBSCRIBE a b\nPSUBSCRIBE p*\nSSUBSCRIBE s\nUNSUBSCRIBE\nPUNSUBSCRIBE\nSUNSUBSCRIBE");
    world.send(id, "HELLO 3\nCLIENT SETNAME n\nCLIENT SETINFO LIB-NAME lib\nSSUBSCRIBE s\nSELECT 2");
    let shown = world.send(id, "CLIENT INFO");
    let fields: Vec<&str> =
        shown.split(' ').skip(1).filter_map(|field| field.split_once('=')).map(|(n, _)| n).collect();
    assert_eq!(
        fields.join(" "),
        "txt:id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll \
         omem tot-mem events cmd user redir resp lib-name lib-ver"
    );
    for part in [
        " name=n ",
        " flags=P ",
        " db=2 ",
        " sub=0 psub=0 ssub=1 ",
        " cmd=client|info ",
        " resp=3 lib-name=lib ",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}
