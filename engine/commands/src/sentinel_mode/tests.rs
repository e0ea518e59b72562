//! A sentinel in memory: its commands, events, votes and file, without sockets or disks.

use ::sentinel::{Action, Config, Host, Input, Surroundings, Value};

use crate::tests::{World, at};

struct Nothing;

impl Host for Nothing {
    fn is_executable(&self, _: &str) -> bool {
        false
    }

    fn resolve(&self, _name: &str) -> Option<std::net::IpAddr> {
        None
    }
}

const ID: &str = "0123456789012345678901234567890123456789";

/// A sentinel of a master that nobody hears from.
fn sentinel(directives: &[(&str, &str)]) -> World {
    let mut world = World::new(directives);
    let text = format!(
        "port 26379\nsentinel myid {ID}\nsentinel monitor m 127.0.0.1 6379 1\n\
         sentinel down-after-milliseconds m 500\n"
    );
    let around = Surroundings { listen_port: 26379, loglevel: "notice".into(), ..Surroundings::default() };
    let config = Config::from_text(text.as_bytes(), around, &Nothing).unwrap();
    world.server.become_sentinel(config, Box::new(Nothing), at(0));
    world
}

#[test]
fn only_the_commands_of_a_sentinel_exist() {
    let mut world = sentinel(&[]);
    let id = world.client();
    assert_eq!(world.send(id, "SET k v"), "-ERR unknown command 'SET', with args beginning with: 'k' 'v'");
    assert_eq!(
        world.send(id, "CONFIG GET port\nPING"),
        "-ERR unknown command 'CONFIG', with args beginning with: 'GET' 'port'  +PONG"
    );
    assert_eq!(world.send(id, "ROLE"), "*2 $8 sentinel *1 $1 m");
    assert_eq!(world.send(id, "SENTINEL"), "-ERR wrong number of arguments for 'sentinel' command");
    assert_eq!(
        world.send(id, "SENTINEL MASTERS x\nSENTINEL NOSUCH"),
        "-ERR wrong number of arguments for 'sentinel|masters' command -ERR unknown subcommand 'NOSUCH'. Try \
         SENTINEL HELP."
    );
    assert_eq!(
        world.send(id, "PUBLISH news x"),
        "-ERR Only HELLO messages are accepted by Sentinel instances."
    );
    assert_eq!(world.send(id, "COMMAND COUNT"), ":15");
    assert!(World::new(&[]).server.take_sentinel_requests().is_empty());
}

#[test]
fn a_server_has_no_command_sentinel() {
    let mut world = World::new(&[]);
    let id = world.client();
    assert_eq!(
        world.send(id, "SENTINEL MYID"),
        "-ERR unknown command 'SENTINEL', with args beginning with: 'MYID' ".trim_end()
    );
}

#[test]
fn every_declared_subcommand_is_known_to_the_machine() {
    let mut world = sentinel(&[]);
    let id = world.client();
    for sub in super::COMMANDS[0].subcommands {
        let words = sub.meta.arity.unsigned_abs() as usize - 2;
        let reply = world.send(id, &format!("SENTINEL {} {}", sub.meta.name, "x ".repeat(words)));
        let unknown = reply.contains("unknown subcommand") || reply.contains("wrong number of arguments");
        assert!(!unknown, "{}: {reply}", sub.meta.name);
    }
}

#[test]
fn replies_follow_the_protocol_of_the_client() {
    let mut world = sentinel(&[]);
    let id = world.client();
    assert_eq!(world.send(id, "SENTINEL get-master-addr-by-name m"), "*2 $9 127.0.0.1 $4 6379");
    assert_eq!(world.send(id, "SENTINEL get-master-addr-by-name x"), "*-1");
    assert!(world.send(id, "SENTINEL MASTER m").starts_with("*4"), "a flat array");
    let hello = world.send(id, "HELLO 3");
    assert!(hello.starts_with("%6 ") && hello.contains("$4 mode $8 sentinel"), "{hello}");
    assert!(world.send(id, "SENTINEL MASTER m").starts_with('%'));
    assert_eq!(world.send(id, "SENTINEL get-master-addr-by-name x"), "_");
}

#[test]
fn events_are_logged_and_published_and_links_are_asked_for() {
    let mut world = sentinel(&[]);
    let listener = world.client();
    world.send(listener, "SUBSCRIBE +sdown");
    world.server.sentinel_input(Input::Tick, at(0));
    let requests = world.server.take_sentinel_requests();
    assert!(
        matches!(&requests[..], [Action::Connect { port: 6379, .. }, Action::Connect { .. }]),
        "{requests:?}"
    );
    assert!(world.server.take_sentinel_stirred());
    assert!(!world.server.take_sentinel_stirred());
    let mut down = false;
    for ms in (0..2000).step_by(100) {
        assert!(world.server.sentinel_timeout_ms().is_some_and(|at_ms| at_ms <= ms + 500));
        world.server.sentinel_input(Input::Tick, at(ms));
        down |= world.output(listener).contains("$6 +sdown $23 master m 127.0.0.1 6379");
    }
    assert!(down);
    let log = world.outside.borrow().log.join("\n");
    for line in [
        &format!("Sentinel ID is {ID}"),
        "+monitor master m 127.0.0.1 6379 quorum 1",
        "+sdown master m 127.0.0.1 6379",
    ] {
        assert!(log.contains(line), "{line} in {log}");
    }
}

#[test]
fn a_vote_is_written_before_it_is_told() {
    let mut world = sentinel(&[]);
    let id = world.client();
    let before = world.outside.borrow().written.len();
    let candidate = "f".repeat(40);
    let reply = world.send(id, &format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 5 {candidate}"));
    assert_eq!(reply, format!("*3 :0 $40 {candidate} :5"));
    let written = world.outside.borrow().written[before..].concat();
    assert!(written.contains("sentinel leader-epoch m 5\n"), "{written}");
    assert!(written.contains("sentinel current-epoch 5\n"), "{written}");
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let mut world = sentinel(&[]);
    let id = world.client();
    assert_eq!(world.send(id, "SENTINEL SET m quorum 2"), "+OK");
    world.outside.borrow_mut().fails = true;
    assert_eq!(world.send(id, "SENTINEL FLUSHCONFIG"), "-ERR Failed to save config file. Check server logs.");
    let log = world.outside.borrow().log.last().cloned().unwrap_or_default();
    assert_eq!(log, "WARNING: Sentinel was not able to save the new configuration on disk!!!: disk full");
}

#[test]
fn info_has_the_sections_of_a_sentinel() {
    let mut world = sentinel(&[("requirepass", "secret")]);
    let id = world.client();
    assert_eq!(world.send(id, "INFO"), "-NOAUTH Authentication required.");
    assert_eq!(world.send(id, "AUTH secret"), "+OK");
    let info = world.send(id, "INFO");
    let heads: Vec<&str> = info.split("# ").skip(1).filter_map(|section| section.split(' ').next()).collect();
    assert_eq!(heads, ["Server", "Clients", "Stats", "CPU", "Sentinel"]);
    assert!(info.contains("redis_mode:sentinel"));
    let only = world.send(id, "INFO sentinel");
    assert!(only.contains("master0:name=m,status=ok,address=127.0.0.1:6379,slaves=0,sentinels=1"), "{only}");
    assert!(!only.contains("# Server"));
}

#[test]
fn a_reply_without_a_link_is_ignored_and_shutdown_saves_nothing() {
    let mut world = sentinel(&[("save", "3600 1")]);
    let reply = Value::Simple(b"PONG".to_vec());
    world.server.sentinel_input(Input::Reply { link: ::sentinel::LinkId(77), reply }, at(1));
    let id = world.client();
    world.send(id, "SHUTDOWN SAVE");
    assert_eq!(world.server.exit_code(), Some(0));
    assert!(!world.outside.borrow().log.iter().any(|line| line.contains("RDB")));
}
