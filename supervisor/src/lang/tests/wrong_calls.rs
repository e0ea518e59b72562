//! Wrong words, options, variables, types, units and places.

use expect_test::expect;

use super::check;

#[test]
fn unknown_options_words_and_variables_get_the_nearest_right_one() {
    check(
        r#"let m = master("m");
let ss = sentinels("s", 3);
monitor(ss, "mymaster", m, #{ qourum: 2, down_after: "1s" });
let x = replcas("r", m, 2);
experiment("e", || {
    mm.kill();
    m.kil();
    wait_untl("1s", || m.running());
    let load = workload(#{ client: 3 });
    m.partition();
});
"#,
        expect![[r#"
            error: unknown option `qourum`
              --> t.rhai:3:31
               |
             3 | monitor(ss, "mymaster", m, #{ qourum: 2, down_after: "1s" });
               |                               ^^^^^^
               = did you mean `quorum`?

            error: unknown word `replcas`
              --> t.rhai:4:9
               |
             4 | let x = replcas("r", m, 2);
               |         ^^^^^^^
               = did you mean `replicas`?

            error: unknown variable `mm`
              --> t.rhai:6:5
               |
             6 |     mm.kill();
               |     ^^
               = did you mean `m`?

            error: unknown word `kil`
              --> t.rhai:7:7
               |
             7 |     m.kil();
               |       ^^^
               = did you mean `kill`?

            error: unknown word `wait_untl`
              --> t.rhai:8:5
               |
             8 |     wait_untl("1s", || m.running());
               |     ^^^^^^^^^
               = did you mean `wait_until`?

            error: unknown option `client`
              --> t.rhai:9:28
               |
             9 |     let load = workload(#{ client: 3 });
               |                            ^^^^^^
               = did you mean `clients`?

            error: `partition` is not there yet in this version
               --> t.rhai:10:7
                |
             10 |     m.partition();
                |       ^^^^^^^^^

        "#]],
    );
}

#[test]
fn wrong_types_and_units_say_what_was_expected() {
    check(
        r#"let m = master("m", #{ port: "6379", restart: "allways", ip: "localhost" });
let ss = sentinels("s", "three");
"#,
        expect![[r#"
            error: option `port` of `master`: expected a whole number from 1 to 65535, got the string "6379"
              --> t.rhai:1:30
               |
             1 | let m = master("m", #{ port: "6379", restart: "allways", ip: "localhost" });
               |                              ^^^^^^

            error: option `restart` of `master`: expected "no", "on-failure" or "always", got "allways"
              --> t.rhai:1:47
               |
             1 | let m = master("m", #{ port: "6379", restart: "allways", ip: "localhost" });
               |                                               ^^^^^^^^^
               = did you mean `always`?

            error: option `ip`: "localhost" is not an address
              --> t.rhai:1:62
               |
             1 | let m = master("m", #{ port: "6379", restart: "allways", ip: "localhost" });
               |                                                              ^^^^^^^^^^^
               = write 127.0.0.1: sentinels tell nodes apart by address, and `localhost` beside it is another one

            error: `count` of `sentinels`: expected a whole number from 0 to 1000, got the string "three"
              --> t.rhai:2:25
               |
             2 | let ss = sentinels("s", "three");
               |                         ^^^^^^^

        "#]],
    );
    check(
        r#"let m = master("m", #{ port: 70000 });
let s = sentinels("s", 3);
monitor(s, "mymaster", m, #{ down_after: 1000, failover_timeout: "10sec" });
experiment("e", #{ timeout: "60" }, || {
    sleep(5);
    sleep("5");
    kill("m");
    wait_event("+odown", 10);
    workload(#{ value: "64" });
});
"#,
        expect![[r#"
            error: option `port` of `master`: expected a whole number from 1 to 65535, got 70000
              --> t.rhai:1:30
               |
             1 | let m = master("m", #{ port: 70000 });
               |                              ^^^^^

            error: option `down_after` of `monitor`: expected a duration, got the number 1000
              --> t.rhai:3:42
               |
             3 | monitor(s, "mymaster", m, #{ down_after: 1000, failover_timeout: "10sec" });
               |                                          ^^^^
               = a duration is a string with a unit: "250ms", "1s", "2m"; here perhaps "1000s" or "1000ms"

            error: option `failover_timeout` of `monitor`: expected a duration: `sec` is not a unit of time
              --> t.rhai:3:66
               |
             3 | monitor(s, "mymaster", m, #{ down_after: 1000, failover_timeout: "10sec" });
               |                                                                  ^^^^^^^
               = a duration is a string with a unit: "250ms", "1s", "2m"

            error: option `timeout` of `experiment`: expected a duration: `60` has no unit
              --> t.rhai:4:29
               |
             4 | experiment("e", #{ timeout: "60" }, || {
               |                             ^^^^
               = a duration is a string with a unit: "250ms", "1s", "2m"

            error: `duration` of `sleep`: expected a duration, got the number 5
              --> t.rhai:5:11
               |
             5 |     sleep(5);
               |           ^
               = a duration is a string with a unit: "250ms", "1s", "2m"; here perhaps "5s" or "5ms"

            error: `duration` of `sleep`: expected a duration: `5` has no unit
              --> t.rhai:6:11
               |
             6 |     sleep("5");
               |           ^^^
               = a duration is a string with a unit: "250ms", "1s", "2m"

            error: `node` of `kill`: expected a node, got the string "m"
              --> t.rhai:7:10
               |
             7 |     kill("m");
               |          ^^^

            error: `limit` of `wait_event`: expected a duration, got the number 10
              --> t.rhai:8:26
               |
             8 |     wait_event("+odown", 10);
               |                          ^^
               = a duration is a string with a unit: "250ms", "1s", "2m"; here perhaps "10s" or "10ms"

            error: option `value` of `workload`: expected a size: `64` has no unit
              --> t.rhai:9:24
               |
             9 |     workload(#{ value: "64" });
               |                        ^^^^
               = a size is a string with a unit: "512b", "64kb", "1mb"

        "#]],
    );
}

#[test]
fn missing_and_surplus_arguments_show_the_usage() {
    check(
        r#"let m = master();
let r = replica("r");
experiment("e", || { wait_until("1s"); m.kill(1, 2); m.start("now"); });
experiment("without a body");
"#,
        expect![[r#"
            error: `master` is missing `name` (a name or a monitor)
              --> t.rhai:1:9
               |
             1 | let m = master();
               |         ^^^^^^
               = it is used as `master(name, [options])`

            error: `replica` is missing `of` (a node)
              --> t.rhai:2:9
               |
             2 | let r = replica("r");
               |         ^^^^^^^
               = it is used as `replica(name, of, [options])`

            error: `wait_until` is missing `condition` (a closure)
              --> t.rhai:3:22
               |
             3 | experiment("e", || { wait_until("1s"); m.kill(1, 2); m.start("now"); });
               |                      ^^^^^^^^^^
               = it is used as `wait_until(limit, condition)`

            error: `kill` takes at most 1 argument, got 3
              --> t.rhai:3:42
               |
             3 | experiment("e", || { wait_until("1s"); m.kill(1, 2); m.start("now"); });
               |                                          ^^^^
               = it is used as `kill(node)`

            error: `start` takes at most 1 argument, got 2
              --> t.rhai:3:56
               |
             3 | experiment("e", || { wait_until("1s"); m.kill(1, 2); m.start("now"); });
               |                                                        ^^^^^
               = it is used as `start(node)`

            error: `experiment` is missing `body` (a closure)
              --> t.rhai:4:1
               |
             4 | experiment("without a body");
               | ^^^^^^^^^^
               = it is used as `experiment(name, [options], body)`

        "#]],
    );
}

#[test]
fn acting_at_top_level_is_an_error() {
    check(
        "let m = master(\"m\");\nm.kill();\n",
        expect![[r#"
            error: `kill` touches live nodes, and is allowed only inside `experiment`, `on_ready` and `on_event`
              --> t.rhai:2:3
               |
             2 | m.kill();
               |   ^^^^
               = top level declares; nothing runs yet while it is evaluated

        "#]],
    );
    check(
        "let m = master(\"m\");\nfn boom(node) { node.kill() }\nboom(m);\n",
        expect![[r#"
            error: `kill` touches live nodes, and is allowed only inside `experiment`, `on_ready` and `on_event`
              --> t.rhai:2:22
               |
             2 | fn boom(node) { node.kill() }
               |                      ^^^^
               = top level declares; nothing runs yet while it is evaluated

        "#]],
    );
    check(
        "sleep(1);",
        expect![[r#"
            error: `sleep` touches live nodes, and is allowed only inside `experiment`, `on_ready` and `on_event`
              --> t.rhai:1:1
               |
             1 | sleep(1);
               | ^^^^^
               = top level declares; nothing runs yet while it is evaluated

            error: `duration` of `sleep`: expected a duration, got the number 1
              --> t.rhai:1:7
               |
             1 | sleep(1);
               |       ^
               = a duration is a string with a unit: "250ms", "1s", "2m"; here perhaps "1s" or "1ms"

        "#]],
    );
}

#[test]
fn a_function_does_not_see_the_top_level() {
    check(
        r#"let m = master("m");
fn again() { m.restart() }
fn fine(node) { let k = 1; wait_until("1s", || node.running() && k == 1); }
experiment("e", || { again(); fine(m); });
"#,
        expect![[r#"
            error: the function `again` does not see the top level's variable `m`
              --> t.rhai:2:14
               |
             2 | fn again() { m.restart() }
               |              ^
               = pass it: `fn again(…, m)`

        "#]],
    );
}

#[test]
fn handlers_that_could_not_work_are_refused() {
    check(
        r#"let m = master("m");
let s = sentinel("s");
monitor(s, "mm", m);
on_ready(|e| { print(e); });
on_event("+switch-mastr", |e| {});
on_event("switch", |e| {});
"#,
        expect![[r#"
            error: the body of `on_ready` takes 1 value
              --> t.rhai:4:10
               |
             4 | on_ready(|e| { print(e); });
               |          ^
               = it is written `|| …`

            error: `event` of `on_event`: Sentinel publishes no event "+switch-mastr"
              --> t.rhai:5:10
               |
             5 | on_event("+switch-mastr", |e| {});
               |          ^^^^^^^^^^^^^^^
               = did you mean `+switch-master`?

            error: `event` of `on_event`: Sentinel publishes no event "switch"
              --> t.rhai:6:10
               |
             6 | on_event("switch", |e| {});
               |          ^^^^^^^^
               = events are like "+switch-master" and "-sdown"

        "#]],
    );
    check(
        "let m = master(\"m\");\nexperiment(\"e\", || {});\non_ready(|| { m.kill(); });\n",
        expect![[r#"
            error: `on_ready` stands behind an experiment, which would not see it
              --> t.rhai:3:1
               |
             3 | on_ready(|| { m.kill(); });
               | ^^^^^^^^
               = declare it before the first experiment, at line 2

        "#]],
    );
    check(
        "experiment(\"e\", || { on_ready(|| {}); wait_event(\"+switchmaster\", \"1s\"); });",
        expect![[r#"
        error: `event` of `wait_event`: Sentinel publishes no event "+switchmaster"
          --> t.rhai:1:50
           |
         1 | experiment("e", || { on_ready(|| {}); wait_event("+switchmaster", "1s"); });
           |                                                  ^^^^^^^^^^^^^^^
           = did you mean `+switch-master`?

    "#]],
    );
    // An event of a later version is let through; the rest of the call is looked at all the same.
    check(
        "let m = master(\"m\");\non_event(\"+new-thing\", || {});\non_event(\"+sdown\", #{ from: m }, |e| {});\n",
        expect![[r#"
            error: the body of `on_event` takes 0 values
              --> t.rhai:2:24
               |
             2 | on_event("+new-thing", || {});
               |                        ^
               = it is written `|event| …`

            error: `m` is not a sentinel: it publishes no events
              --> t.rhai:3:29
               |
             3 | on_event("+sdown", #{ from: m }, |e| {});
               |                             ^

        "#]],
    );
}
