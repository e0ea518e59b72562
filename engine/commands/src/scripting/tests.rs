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
