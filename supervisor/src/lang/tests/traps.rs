//! Warnings of what works, and probably not as meant.

use std::os::unix::fs::PermissionsExt as _;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::super::foreign::tests::server;
use super::super::{Inputs, Script, evaluate, render_all};
use crate::ports::CountedPorts;

/// What a script beside these files is told.
fn check(files: &[(&str, &[u8])], source: &str, expected: Expect) {
    let folder = tempfile::tempdir().expect("temporary directory");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, bytes).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    let script = Rc::new(Script::from_text("t.rhai", source, folder.path()));
    let found = match evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default())) {
        Ok(evaluation) => evaluation.warnings,
        Err(mistakes) => mistakes,
    };
    expected.assert_eq(&render_all(&found, false).replace(&folder.path().display().to_string(), "DIR"));
}

#[test]
fn localhost_in_a_process_is_warned_of_where_a_node_is_meant() {
    check(
        &[],
        r#"let m = master("m", #{ port: 7001 });
process("app", #{ command: ["app", "--db", "localhost:5432", "--cache", "localhost:7001"],
                  env: #{ REDIS_HOST: "localhost", DB: "postgres://localhost/x" } });
"#,
        expect![[r#"
            warning: `command` of `app` says localhost; the nodes are at 127.0.0.1
              --> t.rhai:2:73
               |
             2 | process("app", #{ command: ["app", "--db", "localhost:5432", "--cache", "localhost:7001"],
               |                                                                         ^^^^^^^^^^^^^^^^
               = localhost may mean ::1 first, where none of them listens, and sentinels name nodes by address: write 127.0.0.1, or use `addresses(nodes)`

            warning: `REDIS_HOST` of `app` says localhost; the nodes are at 127.0.0.1
              --> t.rhai:3:27
               |
             3 |                   env: #{ REDIS_HOST: "localhost", DB: "postgres://localhost/x" } });
               |                           ^^^^^^^^^^
               = localhost may mean ::1 first, where none of them listens, and sentinels name nodes by address: write 127.0.0.1, or use `addresses(nodes)`

        "#]],
    );
    check(&[], r#"process("app", #{ command: ["redis-cli", "-h", "localhost"] });"#, expect![""]);
    let python = "import redis; redis.Redis(host='localhost')";
    let source =
        format!("master(\"m\");\nprocess(\"app\", #{{ command: [\"python3\", \"-c\", \"{python}\"] }});");
    check(
        &[],
        &source,
        expect![[r#"
        warning: `command` of `app` says localhost; the nodes are at 127.0.0.1
          --> t.rhai:2:46
           |
         2 | process("app", #{ command: ["python3", "-c", "import redis; redis.Redis(host='localhost')"] });
           |                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = localhost may mean ::1 first, where none of them listens, and sentinels name nodes by address: write 127.0.0.1, or use `addresses(nodes)`

    "#]],
    );
    let other = source.replace("redis", "http").replace("Redis", "Http");
    check(&[], &other, expect![""]);
}

#[test]
fn a_replica_of_itself_is_called_so() {
    check(
        &[],
        "let r = replica(\"r\", r);\nlet rs = replicas(\"rs\", rs[0], 2);",
        expect![[r#"
        error: `r` would be a replica of itself
          --> t.rhai:1:22
           |
         1 | let r = replica("r", r);
           |                      ^
           = what a replica follows is declared before it

        error: `rs` would be a replica of itself
          --> t.rhai:2:25
           |
         2 | let rs = replicas("rs", rs[0], 2);
           |                         ^^
           = what a replica follows is declared before it

    "#]],
    );
    check(
        &[],
        "let m = master(\"m\", #{ port: 7001 });\nreplica(\"m\", m);\nreplica(\"r\", m, #{ port: 7001 });",
        expect![[r#"
            error: `m` would be a replica of itself
              --> t.rhai:2:9
               |
             2 | replica("m", m);
               |         ^^^
               = `m` is declared at line 1: give its replica a name of its own

            error: port 7001 is taken twice: `r` wants it, and `m` has it
              --> t.rhai:3:26
               |
             3 | replica("r", m, #{ port: 7001 });
               |                          ^^^^
               = `m` is declared at line 1
               = `r` follows `m`: it would be a replica of itself

        "#]],
    );
}

#[test]
fn directives_that_another_server_does_not_know_are_warned_of() {
    let old = server(&["zset-max-listpack-entries", "timeout", "monitor"], &[]);
    check(
        &[("old-server", &old), ("wrapper", b"#!/bin/sh\nexec redis-server \"$@\"\n")],
        r#"let m = master("m", #{ engine: "./old-server", config: #{ "set-max-listpack-entries": 5, "zset-max-listpack-entries": 5 } });
defaults(#{ engine: "./old-server", config: #{ timeot: 3, "rejson.depth": 1 } });
replicas("r", m, 2);
master("n", #{ engine: "./wrapper", config: #{ nonsense: 1 } });
sentinels("s", 3, #{ config: #{ "sentinel nonsense": "x" } });
"#,
        expect![[r#"
            warning: DIR/old-server does not know the directive `set-max-listpack-entries`, and will not start
              --> t.rhai:1:59
               |
             1 | let m = master("m", #{ engine: "./old-server", config: #{ "set-max-listpack-entries": 5, "zset-max-listpack-entries": 5 } });
               |                                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^
               = it came with a later version: leave it out, or name a newer server

            warning: DIR/old-server does not know the directive `timeot`, and will not start
              --> t.rhai:3:10
               |
             3 | replicas("r", m, 2);
               |          ^^^
               = did you mean `timeout`?

            warning: the sentinels `s1`, `s2` and `s3` monitor nothing
              --> t.rhai:5:1
               |
             5 | sentinels("s", 3, #{ config: #{ "sentinel nonsense": "x" } });
               | ^^^^^^^^^
               = say what it watches: `monitor(sentinels, name, master)`

            warning: DIR/old-server does not know the directive `sentinel nonsense`, and will not start
              --> t.rhai:5:33
               |
             5 | sentinels("s", 3, #{ config: #{ "sentinel nonsense": "x" } });
               |                                 ^^^^^^^^^^^^^^^^^^^

        "#]],
    );
}

#[test]
fn servers_that_are_not_there_are_told_with_their_package() {
    check(
        &[],
        r#"let m = master("m", #{ engine: "./nowhere/valkey-server" });
defaults(#{ engine: "keydb-server-of-nobody" });
replicas("r", m, 2);
replica("x", m);
"#,
        expect![[r#"
            warning: engine: there is no file DIR/nowhere/valkey-server
              --> t.rhai:1:32
               |
             1 | let m = master("m", #{ engine: "./nowhere/valkey-server" });
               |                                ^^^^^^^^^^^^^^^^^^^^^^^^^
               = install it (Debian: apt-get install valkey-server), or name another server in the option `engine`

            warning: engine: there is no program `keydb-server-of-nobody` on PATH
              --> t.rhai:3:1
               |
             3 | replicas("r", m, 2);
               | ^^^^^^^^
               = name a server by its path in the option `engine`, or install one (Debian: apt-get install redis-server)

        "#]],
    );
}

#[test]
fn a_dump_that_the_append_only_file_hides_is_warned_of() {
    let source = r#"let m = master("m", #{ data: "seed", config: #{ appendonly: "yes", dbfilename: "my.rdb" } });
replica("r", m, #{ data: "seed", config: #{ appendonly: true, dbfilename: "my.rdb" } });
"#;
    check(
        &[("seed/my.rdb", b"x")],
        source,
        expect![[r#"
        warning: DIR/seed/my.rdb is not read: with `appendonly` only the append-only file is, and there is none
          --> t.rhai:1:30
           |
         1 | let m = master("m", #{ data: "seed", config: #{ appendonly: "yes", dbfilename: "my.rdb" } });
           |                              ^^^^^^
           = it starts empty; leave `appendonly` out, and have `on_ready` say `config_set(node, "appendonly", "yes")`

    "#]],
    );
    for has_aof in ["seed/appendonlydir/appendonly.aof.manifest", "seed/appendonly.aof"] {
        check(&[("seed/my.rdb", b"x"), (has_aof, b"x")], source, expect![""]);
    }
    check(&[("seed/dump.rdb", b"x")], source, expect![""]);
    check(&[("seed/my.rdb", b"x")], &source.replace("\"yes\"", "\"no\""), expect![""]);
}
