//! Scripts in a whole server: values, errors, effects, and scripts that take long.

use crate::tests::World;

fn world() -> World {
    World::new(&[])
}

#[test]
fn scripts_run_commands() {
    let mut world = world();
    let id = world.client();
    assert_eq!(world.send(id, r#"EVAL "return redis.call('SET',KEYS[1],ARGV[1])" 1 k v"#), "+OK");
    assert_eq!(world.send(id, r#"EVAL "return redis.call('GET',KEYS[1])" 1 k"#), "$1 v");
    assert_eq!(
        world.send(id, r#"EVAL "return redis.call('INCR',KEYS[1])" 1 k"#),
        "-ERR value is not an integer or out of range script: 52398bc53eb0e9ba2d7cfe7fd1bdd77c34b35dd5, on \
         @user_script:1."
            .replace(
                "52398bc53eb0e9ba2d7cfe7fd1bdd77c34b35dd5",
                &scripting::sha1_hex(b"return redis.call('INCR',KEYS[1])")
            )
    );
    assert_eq!(
        world.send(id, r#"EVAL "redis.call('SELECT', 3) redis.call('SET', 'x', 1) return 1" 0"#),
        ":1"
    );
    assert_eq!(world.send(id, "EXISTS x\nSELECT 3\nEXISTS x"), ":0 +OK :1");
}

/// A clock that goes on by itself, so that a script is past its limit after some slices.
fn slow_world() -> World {
    let world = World::new(&[("busy-reply-threshold", "1")]);
    world.outside.borrow_mut().clock_step_us = 1_000;
    world
}

#[test]
fn others_are_served_while_a_script_runs() {
    let mut world = slow_world();
    let (script, other) = (world.client(), world.client());
    assert_eq!(
        world.send(script, r#"EVAL "while true do pcall(function() while true do end end) end" 0"#),
        ""
    );
    let busy = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    assert_eq!(world.send(other, "GET k"), busy);
    assert_eq!(world.send(other, "FUNCTION KILL"), busy);
    world.tick();
    assert_eq!(world.output(script), "");
    assert_eq!(world.send(other, "SCRIPT KILL"), "+OK");
    world.tick();
    assert!(world.output(script).starts_with("-ERR Script killed by user with SCRIPT KILL."));
    assert_eq!(world.send(other, "GET k"), "$-1");
    assert_eq!(world.send(other, "SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
    assert_eq!(world.send(script, "GET k"), "$-1");
}

#[test]
fn a_script_that_wrote_is_not_killed() {
    let mut world = slow_world();
    let (script, other) = (world.client(), world.client());
    let text = r#"EVAL "redis.call('SET','k','v') for i=1,5e6 do end return 'done'" 0"#;
    assert_eq!(
        world.send(script, &format!("MULTI\nSET a 1\n{text}\nSET b 2\nEXEC")),
        "+OK +QUEUED +QUEUED +QUEUED *3 +OK"
    );
    assert!(world.send(other, "SCRIPT KILL").starts_with("-UNKILLABLE Sorry"));
    for _ in 0..1000 {
        world.tick();
    }
    assert_eq!(world.output(script), "$4 done +OK");
    assert_eq!(world.send(other, "GET k\nGET b"), "$1 v $1 2");
}

#[test]
fn a_script_goes_on_without_its_client() {
    let mut world = slow_world();
    let (script, other) = (world.client(), world.client());
    world.send(script, r#"EVAL "for i=1,5e6 do end redis.call('SET','k','v')" 0"#);
    world.disconnect(script);
    for _ in 0..1000 {
        world.tick();
    }
    assert_eq!(world.send(other, "GET k"), "$1 v");
}

#[test]
fn libraries_live_with_the_data() {
    let mut world = world();
    let id = world.client();
    let load = |name: &str, function: &str| {
        r#"FUNCTION LOAD "#.to_string()
            + &format!(
                "\"#!lua name={name}\\nredis.register_function('{function}', function(k, a) return a[1] end)\""
            )
    };
    assert_eq!(world.send(id, &load("one", "f")), "$3 one");
    assert_eq!(world.send(id, &load("one", "f")), "-ERR Library 'one' already exists");
    assert_eq!(world.send(id, &load("two", "F")), "-ERR Function F already exists");
    assert_eq!(world.send(id, &load("two", "g")), "$3 two");
    assert_eq!(world.send(id, "FCALL F 0 x\nFCALL g 0 y"), "$1 x $1 y");
    let info = world.server.snapshot_info();
    assert_eq!(info.functions.len(), 2);
    assert_eq!(world.send(id, "FUNCTION FLUSH\nFCALL f 0 x"), "+OK -ERR Function not found");
    world.server.replace_libraries(info.functions).unwrap();
    assert_eq!(
        world.send(id, "FUNCTION DELETE one\nFCALL f 0 x\nFCALL g 0 y"),
        "+OK -ERR Function not found $1 y"
    );
}

/// Lasts for some ticks.
const LONG: &str = "for i=1,5e6 do end";

fn until_free(world: &mut World) {
    while world.server.scripting.suspended.is_some() {
        world.tick();
    }
    world.tick();
}

#[test]
fn the_reply_that_is_skipped_is_the_long_scripts() {
    let mut world = slow_world();
    let id = world.client();
    assert_eq!(world.send(id, &format!("CLIENT REPLY SKIP\nEVAL \"{LONG} return 1\" 0")), "");
    until_free(&mut world);
    assert_eq!(world.output(id), "");
    assert_eq!(world.send(id, "PING"), "+PONG");
    assert_eq!(world.send(id, &format!("CLIENT REPLY OFF\nMULTI\nGET k\nEVAL \"{LONG}\" 0\nEXEC")), "");
    until_free(&mut world);
    assert_eq!(world.output(id), "");
    assert_eq!(world.send(id, "CLIENT REPLY ON"), "+OK");
}

#[test]
fn one_that_went_leaves_nothing_behind_when_its_script_ends() {
    let mut world = slow_world();
    let (gone, other) = (world.client(), world.client());
    world.send(gone, &format!("MULTI\nEVAL \"{LONG}\" 0\nSUBSCRIBE news\nSET k v\nEXEC"));
    world.disconnect(gone);
    until_free(&mut world);
    assert_eq!(world.send(other, "GET k\nPUBSUB NUMSUB news"), "$1 v *2 $4 news :0");
}

#[test]
fn nothing_is_evicted_or_saved_under_a_long_script() {
    let mut world = slow_world();
    let (script, other) = (world.client(), world.client());
    world.send(script, "CONFIG SET maxmemory-policy allkeys-random\nSET a 1\nSET b 2\nCONFIG SET save '1 1'");
    world.send(other, "CONFIG SET maxmemory 1");
    world.send(script, &format!("EVAL \"redis.call('SET','c',1) {LONG} redis.call('SET','d',1)\" 0"));
    let before = world.server.key_count();
    assert!(world.server.scripting.suspended.is_some());
    assert!(world.send(other, "PING").starts_with("-BUSY"));
    assert_eq!(world.server.key_count(), before);
    world.server.shutdown_by_signal("SIGTERM", crate::tests::at(50));
    assert_eq!(world.server.exit_code(), None, "half of what a script writes is not saved");
    until_free(&mut world);
    assert_eq!(world.server.exit_code(), Some(0));
}

#[test]
fn no_replica_gets_a_snapshot_of_half_a_script() {
    let mut world = slow_world();
    let (first, second, script) = (world.client(), world.client(), world.client());
    world.send(script, "CONFIG SET repl-diskless-sync no");
    world.send(first, "PSYNC ? -1");
    world.send(second, "PSYNC ? -1");
    assert_eq!(world.outside.borrow().snapshots.len(), 1);
    world.send(script, &format!("EVAL \"redis.call('SET','c',1) {LONG} redis.call('SET','d',1)\" 0"));
    let done = crate::SnapshotResult { code: Some(0), ..crate::SnapshotResult::default() };
    world.server.snapshot_ended(done, crate::tests::at(50));
    assert_eq!(world.outside.borrow().snapshots.len(), 1);
    until_free(&mut world);
    assert_eq!(world.outside.borrow().snapshots.len(), 2, "once the script is over");
}

#[test]
fn a_wait_that_ends_under_a_long_script_does_not_wind_up_the_timer() {
    let mut world = slow_world();
    let (script, waits) = (world.client(), world.client());
    world.send(waits, "BLPOP k 0.01");
    world.send(script, &format!("EVAL \"{LONG} return 1\" 0"));
    for _ in 0..20 {
        world.tick();
        if world.server.scripting.suspended.is_some() {
            assert_eq!(world.server.next_timeout_ms(), Some(world.server.now().mono_ms + 1));
        }
    }
    until_free(&mut world);
    world.pass(10);
    assert_eq!(world.output(waits), "*-1");
}

#[test]
fn a_transaction_that_a_long_script_holds_up_is_closed_off_once() {
    let mut world = slow_world();
    let (replica, id) = (world.client(), world.client());
    world.send(replica, "PSYNC ? -1");
    let writes = format!("MULTI\nSET a 1\nEVAL \"{LONG} redis.call('SET','b',2)\" 0\nSET c 3\nEXEC");
    world.send(id, &writes);
    until_free(&mut world);
    let history = &world.server.replicating.history;
    let (first, second) = history.backlog().unwrap().copy_from(replication::id::Offset(1)).unwrap();
    let stream = String::from_utf8_lossy(&[first, second].concat()).into_owned();
    assert_eq!(stream.matches("MULTI").count(), 1, "{stream}");
    assert_eq!(stream.matches("EXEC").count(), 1, "{stream}");
    assert_eq!(
        stream.matches("\r\nSET\r\n").count(),
        3,
        "what a script writes once it was left is replicated too: {stream}"
    );
    assert!(stream.ends_with("EXEC\r\n"), "{stream}");
}
