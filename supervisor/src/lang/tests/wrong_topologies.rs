//! Topologies that cannot work, and traps.

use expect_test::expect;

use super::check;

#[test]
fn names_and_ports_are_not_taken_twice() {
    check(
        r#"let m = master("m", #{ port: 6379 });
let n = master("m", #{ port: 6379 });
replicas("r", m, 2, #{ port: 6378 });
experiment("e", || {});
experiment("e", || {});
master("a/b");
param("p", 1);
param("p", 2);
"#,
        expect![[r#"
            error: there are two nodes named `m`
              --> t.rhai:2:16
               |
             2 | let n = master("m", #{ port: 6379 });
               |                ^^^
               = the other one is declared at line 1

            error: port 6379 is taken twice: `m` wants it, and `m` has it
              --> t.rhai:2:30
               |
             2 | let n = master("m", #{ port: 6379 });
               |                              ^^^^
               = `m` is declared at line 1

            error: port 6379 is taken twice: `r2` wants it, and `m` has it
              --> t.rhai:3:30
               |
             3 | replicas("r", m, 2, #{ port: 6378 });
               |                              ^^^^
               = `m` is declared at line 1
               = `r2` follows `m`: it would be a replica of itself

            error: there are two experiments named "e"
              --> t.rhai:5:12
               |
             5 | experiment("e", || {});
               |            ^^^
               = the other one is declared at line 4

            error: "a/b" cannot be a name
              --> t.rhai:6:8
               |
             6 | master("a/b");
               |        ^^^^^
               = a name has 1 to 64 letters, digits, `-`, `_` and `.`, and no `.` first

        "#]],
    );
}

#[test]
fn monitors_that_cannot_work_are_refused() {
    check(
        r#"let m = master("m");
let r = replica("r", m);
let ss = sentinels("s", 3);
monitor(ss, "a", m, #{ quorum: 4 });
monitor(ss, "b", m, #{ down_after: "10us" });
monitor(ss[0], "a", m);
"#,
        expect![[r#"
            error: a quorum of 4 cannot be reached by 3 sentinels
              --> t.rhai:4:32
               |
             4 | monitor(ss, "a", m, #{ quorum: 4 });
               |                                ^
               = a majority of 3 is 2

            error: option `down_after`: must be at least "1ms"
              --> t.rhai:5:36
               |
             5 | monitor(ss, "b", m, #{ down_after: "10us" });
               |                                    ^^^^^^

            error: `s1` already monitors a master named `a`
              --> t.rhai:6:16
               |
             6 | monitor(ss[0], "a", m);
               |                ^^^
               = see line 4

        "#]],
    );
    check(
        "let m = master(\"m\"); monitor(m, \"a\", m);",
        expect![[r#"
        error: `m` is not a sentinel
          --> t.rhai:1:30
           |
         1 | let m = master("m"); monitor(m, "a", m);
           |                              ^
           = `monitor` is used as `monitor(sentinels, name, master, [options])`

    "#]],
    );
    check(
        "let m = master(\"m\"); let s = sentinel(\"s\"); monitor(s, \"a\", replica(\"r\", m));",
        expect![[r#"
        error: `r` is a replica: sentinels monitor a master
          --> t.rhai:1:61
           |
         1 | let m = master("m"); let s = sentinel("s"); monitor(s, "a", replica("r", m));
           |                                                             ^^^^^^^

    "#]],
    );
    check(
        "let m = master(\"m\"); replica(\"r\", sentinel(\"s\"));",
        expect![[r#"
        error: `s` is a sentinel: a replica follows a master or a replica
          --> t.rhai:1:35
           |
         1 | let m = master("m"); replica("r", sentinel("s"));
           |                                   ^^^^^^^^

    "#]],
    );
    check(
        "monitor([], \"a\", master(\"m\"));",
        expect![[r#"
        error: `sentinels` of `monitor`: expected a node or an array of nodes, got an array
          --> t.rhai:1:9
           |
         1 | monitor([], "a", master("m"));
           |         ^

    "#]],
    );
}

#[test]
fn traps_are_warned_of() {
    check(
        r#"let m = master("m", #{ config: #{ "replica-announce-ip": "localhost" }, engine: "/nowhere/redis-server" });
let ss = sentinels("s", 2);
monitor(ss, "mymaster", m, #{ notification_script: "notify.sh" });
let other = master("other");
monitor(sentinels("t", 3), "mymaster", other);
sentinel("idle");
"#,
        expect![[r#"
            warning: `replica-announce-ip` of `m` says localhost; the nodes are at 127.0.0.1
              --> t.rhai:1:9
               |
             1 | let m = master("m", #{ config: #{ "replica-announce-ip": "localhost" }, engine: "/nowhere/redis-server" });
               |         ^^^^^^
               = sentinels and replicas tell nodes apart by address: say the address

            warning: engine: there is no file /nowhere/redis-server
              --> t.rhai:1:81
               |
             1 | let m = master("m", #{ config: #{ "replica-announce-ip": "localhost" }, engine: "/nowhere/redis-server" });
               |                                                                                 ^^^^^^^^^^^^^^^^^^^^^^^
               = install it (Debian: apt-get install redis-server), or name another server in the option `engine`

            warning: 2 sentinels are an even number
              --> t.rhai:3:9
               |
             3 | monitor(ss, "mymaster", m, #{ notification_script: "notify.sh" });
               |         ^^
               = one more costs little: an even number survives no more failures than one less

            warning: `notification_script`: there is no file /scripts/notify.sh
              --> t.rhai:3:52
               |
             3 | monitor(ss, "mymaster", m, #{ notification_script: "notify.sh" });
               |                                                    ^^^^^^^^^^^
               = a sentinel started by hand refuses it; here each run of it fails, and the report says so

            warning: other sentinels monitor another master under the name `mymaster`
              --> t.rhai:5:28
               |
             5 | monitor(sentinels("t", 3), "mymaster", other);
               |                            ^^^^^^^^^^
               = see line 3: clients that ask both groups get two answers

            warning: the sentinel `idle` monitors nothing
              --> t.rhai:6:1
               |
             6 | sentinel("idle");
               | ^^^^^^^^
               = say what it watches: `monitor(sentinels, name, master)`

        "#]],
    );
}

#[test]
fn directives_that_topple_answers_for_are_refused() {
    check(
        r#"let m = master("m", #{ config: #{ port: 1, "replicaof": "127.0.0.1 1", hz: #{} } });
defaults(#{ config: #{ daemonize: true } });
master("n");
"#,
        expect![[r#"
            error: `port` is set by Topple itself
              --> t.rhai:1:35
               |
             1 | let m = master("m", #{ config: #{ port: 1, "replicaof": "127.0.0.1 1", hz: #{} } });
               |                                   ^^^^
               = use the option `port`

            error: `replicaof` is set by Topple itself
              --> t.rhai:1:44
               |
             1 | let m = master("m", #{ config: #{ port: 1, "replicaof": "127.0.0.1 1", hz: #{} } });
               |                                            ^^^^^^^^^^^
               = declare it with `replica(name, of)`

            error: the value of `hz` is a string, a number or a boolean, not a map
              --> t.rhai:1:72
               |
             1 | let m = master("m", #{ config: #{ port: 1, "replicaof": "127.0.0.1 1", hz: #{} } });
               |                                                                        ^^

            error: `daemonize` is set by Topple itself
              --> t.rhai:2:24
               |
             2 | defaults(#{ config: #{ daemonize: true } });
               |                        ^^^^^^^^^
               = Topple keeps its nodes in the foreground

        "#]],
    );
}

#[test]
fn topple_s_engine_is_asked_about_its_directives() {
    check(
        r#"let m = master("m", #{ config: #{ maxmemry: "64mb", hz: "often", appendonly: "no", save: "900" } });
let other = master("other", #{ engine: "/bin/sh", config: #{ "io-uring": "yes" } });
defaults(#{ config: #{ "timeot": 0 } });
replica("r", m);
"#,
        expect![[r#"
            error: Topple's engine knows no directive `maxmemry`
              --> t.rhai:1:35
               |
             1 | let m = master("m", #{ config: #{ maxmemry: "64mb", hz: "often", appendonly: "no", save: "900" } });
               |                                   ^^^^^^^^
               = did you mean `maxmemory`?

            error: the value of `hz`: argument couldn't be parsed into an integer
              --> t.rhai:1:53
               |
             1 | let m = master("m", #{ config: #{ maxmemry: "64mb", hz: "often", appendonly: "no", save: "900" } });
               |                                                     ^^

            error: the value of `save`: Invalid save parameters
              --> t.rhai:1:84
               |
             1 | let m = master("m", #{ config: #{ maxmemry: "64mb", hz: "often", appendonly: "no", save: "900" } });
               |                                                                                    ^^^^

            error: Topple's engine knows no directive `timeot`
              --> t.rhai:4:9
               |
             4 | replica("r", m);
               |         ^^^
               = did you mean `timeout`?

        "#]],
    );
}

#[test]
fn networks_of_later_versions_say_so() {
    check(
        "topology(#{ network: \"namespace\" });",
        expect![[r#"
        error: the network "namespace" is not there yet: this version has "host" only
          --> t.rhai:1:22
           |
         1 | topology(#{ network: "namespace" });
           |                      ^^^^^^^^^^^

    "#]],
    );
    check(
        "topology(#{ network: \"hots\" });",
        expect![[r#"
        error: there is no network "hots": this version has "host" only
          --> t.rhai:1:22
           |
         1 | topology(#{ network: "hots" });
           |                      ^^^^^^

    "#]],
    );
    check(
        "master(\"m\");\ntopology(#{ name: \"late\" });",
        expect![[r#"
        error: `topology` is said before any node
          --> t.rhai:2:1
           |
         2 | topology(#{ name: "late" });
           | ^^^^^^^^

    "#]],
    );
}
