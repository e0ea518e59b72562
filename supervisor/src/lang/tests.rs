//! Scripts and what they declare; wrong scripts and what they are told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::script::BUILT_IN_TOPOLOGIES;
use super::{Evaluation, Inputs, Script, evaluate, render_all, words};
use crate::plan::{EngineChoice, NodeKind};
use crate::ports::{CountedPorts, RecordedPorts};

fn script(source: &str) -> Rc<Script> {
    Rc::new(Script::from_text("t.rhai", source, Path::new("/scripts")))
}

fn evaluated(source: &str, inputs: &Inputs) -> Evaluation {
    evaluate(&script(source), inputs, Box::new(CountedPorts::default()))
        .unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, false)))
}

/// The mistakes of a script, or the warnings of one without.
fn mistakes(source: &str) -> String {
    match evaluate(&script(source), &Inputs::default(), Box::new(CountedPorts::default())) {
        Ok(evaluation) => render_all(&evaluation.warnings, false),
        Err(mistakes) => render_all(&mistakes, false),
    }
}

fn check(source: &str, expected: Expect) {
    expected.assert_eq(&mistakes(source));
}

/// A plan in a few lines.
fn declares(source: &str, expected: Expect) {
    let plan = evaluated(source, &Inputs::default()).plan;
    let mut text = String::new();
    for node in &plan.nodes {
        let kind = match node.kind {
            NodeKind::Master => "master".to_owned(),
            NodeKind::Sentinel => "sentinel".to_owned(),
            NodeKind::Replica { of } => format!("replica of {}", plan.nodes[of.0 as usize].name),
        };
        let _ = write!(text, "{} {kind} {}:{}", node.name, node.ip, node.port);
        if !node.config.is_empty() {
            let _ = write!(text, " {:?}", node.config);
        }
        let _ = writeln!(text, " line {}", node.position.line);
    }
    for monitor in &plan.monitors {
        let _ = writeln!(
            text,
            "monitor {} quorum {} down after {:?}, {} sentinels",
            monitor.name,
            monitor.quorum,
            monitor.down_after,
            monitor.sentinels.len()
        );
    }
    for experiment in &plan.experiments {
        let _ = writeln!(
            text,
            "experiment {:?} x{} {:?}",
            experiment.name, experiment.repeat, experiment.timeout
        );
    }
    expected.assert_eq(&text);
}

#[test]
fn the_design_s_example_declares_its_plan() {
    declares(
        r#"
let m  = master("m", #{ port: 6379, config: #{ "appendonly": "yes" } });
let rs = replicas("r", m, 2);
let r3 = replica("r3", rs[0]);
let ss = sentinels("s", 3, #{ port: 26379 });
let mm = monitor(ss, "mymaster", m, #{ quorum: 2, down_after: "1s", failover_timeout: "10s" });
experiment("the master dies", #{ repeat: 5, timeout: "60s" }, || {
    let t = m.kill();
    measure("failover", wait_event("+switch-master", "10s").since(t), #{ max: "3s" });
});
"#,
        expect![[r#"
            m master 127.0.0.1:6379 {"appendonly": "yes"} line 2
            r1 replica of m 127.0.0.1:6380 line 3
            r2 replica of m 127.0.0.1:6381 line 3
            r3 replica of r1 127.0.0.1:6382 line 4
            s1 sentinel 127.0.0.1:26379 line 5
            s2 sentinel 127.0.0.1:26380 line 5
            s3 sentinel 127.0.0.1:26381 line 5
            monitor mymaster quorum 2 down after 1s, 3 sentinels
            experiment "the master dies" x5 60s
        "#]],
    );
}

#[test]
fn ports_named_anywhere_in_the_script_are_kept_free() {
    declares(
        "master(\"a\"); master(\"b\"); master(\"c\", #{ port: 6379 });",
        expect![[r#"
        a master 127.0.0.1:6380 line 1
        b master 127.0.0.1:6381 line 1
        c master 127.0.0.1:6379 line 1
    "#]],
    );
}

#[test]
fn defaults_give_way_to_a_node_s_own_options_directive_by_directive() {
    declares(
        r#"
defaults(#{ config: #{ appendonly: true, hz: 10 }, sentinel_config: #{ loglevel: "debug" } });
let m = master("m", #{ config: #{ hz: 20, save: ["900 1", "300 10"] } });
defaults(#{ config: #{ maxmemory: "64mb" } });
replica("r", m);
let s = sentinel("s");
monitor(s, "mymaster", m);
"#,
        expect![[r#"
            m master 127.0.0.1:6379 {"appendonly": "yes", "hz": "20", "save": "900 1\n300 10"} line 3
            r replica of m 127.0.0.1:6380 {"appendonly": "yes", "hz": "10", "maxmemory": "64mb"} line 5
            s sentinel 127.0.0.1:26379 {"loglevel": "debug"} line 6
            monitor mymaster quorum 1 down after 30s, 1 sentinels
        "#]],
    );
}

#[test]
fn parameters_take_their_type_from_the_default() {
    let source = r#"let n = param("replicas", 2); let t = param("down", "1s"); let on = param("on", true);
        replicas("r", master("m"), n); if on { print(`${n} ${t}`); }"#;
    let mut inputs = Inputs::default();
    assert_eq!(evaluated(source, &inputs).plan.nodes.len(), 3);
    inputs.params = BTreeMap::from([("replicas".into(), "5".into()), ("down".into(), "2s".into())]);
    let evaluation = evaluated(source, &inputs);
    assert_eq!(evaluation.plan.nodes.len(), 6);
    assert_eq!(evaluation.plan.params["replicas"], "5");
    assert_eq!(evaluation.printed, ["5 2s"]);
    for (name, value) in [("replicas", "many"), ("replica", "1")] {
        let inputs = Inputs { params: BTreeMap::from([(name.into(), value.into())]), ..Inputs::default() };
        let found = evaluate(&script(source), &inputs, Box::new(CountedPorts::default()));
        let text = render_all(&found.expect_err("wrong"), false);
        assert!(text.contains("`replicas`"), "{text}");
    }
}

#[test]
fn the_same_inputs_give_the_same_plan_and_ports_are_kept() {
    let source = r#"let m = master("m"); replicas("r", m, 3);
        experiment(pick(["a", "b", "c", "d", "e", "f", "g"]), || {});"#;
    let first = evaluated(source, &Inputs { seed: 7, ..Inputs::default() }).plan;
    let again = evaluate(
        &script(source),
        &Inputs { seed: 7, ..Inputs::default() },
        Box::new(RecordedPorts::of(&first)),
    );
    assert_eq!(again.expect("evaluates").plan, first);
    let other: Vec<_> = (0..20)
        .map(|seed| evaluated(source, &Inputs { seed, ..Inputs::default() }).plan.experiments[0].name.clone())
        .collect();
    assert!(other.iter().any(|name| *name != other[0]), "the seed chooses");
}

#[test]
fn engines_are_chosen_by_node_then_command_line_then_defaults() {
    let source = r#"defaults(#{ engine: "redis-server" });
        master("a"); master("b", #{ engine: "topple" }); master("c", #{ engine: "valkey-server" });"#;
    let engines = |inputs: &Inputs| -> Vec<EngineChoice> {
        evaluated(source, inputs).plan.nodes.into_iter().map(|node| node.engine).collect()
    };
    let path = |name: &str| EngineChoice::Path(name.into());
    assert_eq!(
        engines(&Inputs::default()),
        [path("redis-server"), EngineChoice::Topple, path("valkey-server")]
    );
    let inputs = Inputs { engine: Some(path("/opt/redis-server")), ..Inputs::default() };
    assert_eq!(engines(&inputs), [path("/opt/redis-server"), EngineChoice::Topple, path("valkey-server")]);
}

#[test]
fn every_built_in_topology_evaluates_without_a_warning() {
    for (name, _) in BUILT_IN_TOPOLOGIES {
        let script = Rc::new(Script::open(name, Path::new("/run")).expect("built in"));
        match evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default())) {
            Ok(evaluation) => {
                assert!(evaluation.warnings.is_empty(), "{}", render_all(&evaluation.warnings, false));
                assert_eq!(evaluation.plan.name, *name);
            }
            Err(mistakes) => panic!("{name}: {}", render_all(&mistakes, false)),
        }
    }
}

#[test]
fn scripts_import_others_by_relative_path() {
    let folder = tempfile::tempdir().expect("temporary directory");
    std::fs::write(
        folder.path().join("common.rhai"),
        "fn pair(name) { let m = master(name); [m, replica(name + \"-r\", m)] }\nconst LIMIT = \"10s\";\nexport LIMIT;",
    )
    .expect("written");
    let of = |source: &str| {
        let script = Rc::new(Script::from_text("t.rhai", source, folder.path()));
        evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default()))
    };
    let plan =
        of("import \"common\" as c;\nlet p = c::pair(\"a\");\nexperiment(\"e\", || { sleep(c::LIMIT); });")
            .unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, false)))
            .plan;
    assert_eq!(plan.nodes.len(), 2);
    std::fs::write(folder.path().join("common.rhai"), "fn pair(name) {\n    mastre(name)\n}")
        .expect("written");
    let wrong = of("import \"common\" as c;\nc::pair(\"a\");").expect_err("wrong");
    let text = render_all(&wrong, false).replace(&folder.path().display().to_string(), "DIR");
    expect![[r#"
        error: unknown word `mastre`
          --> DIR/common.rhai:2:5
           |
         2 |     mastre(name)
           |     ^^^^^^
           = did you mean `master`?

    "#]]
    .assert_eq(&text);
    let missing = of("import \"nowhere\" as c;").expect_err("missing");
    let text = render_all(&missing, false).replace(&folder.path().display().to_string(), "DIR");
    expect![[r#"
        error: cannot read DIR/nowhere.rhai: No such file or directory (os error 2)
          --> t.rhai:1:8
           |
         1 | import "nowhere" as c;
           |        ^^^^^^^^^

    "#]]
    .assert_eq(&text);
}

#[test]
fn no_word_option_or_field_is_a_keyword() {
    let engine = super::engine::bare();
    let compile = |text: &str| engine.compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    for word in words::all() {
        compile(&format!("{0}(1); let x = 1; x.{0}(2);", word.name));
        for option in word.options {
            compile(&format!("f(#{{ {}: 1 }})", option.name));
        }
        for param in word.params {
            compile(&format!("let {0} = 1; {0}", param.name));
        }
    }
    for name in words::NOT_YET {
        compile(&format!("{name}(1)"));
    }
    for field in super::values::FIELDS {
        compile(&format!("let x = 1; x.{}", field.name));
    }
}

#[test]
fn no_two_words_have_the_same_name_and_none_hides_one_of_rhai_s() {
    let names: Vec<&str> = words::all().map(|word| word.name).collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name} twice");
        assert!(!words::NOT_YET.contains(name), "{name} is there");
        let taken = super::check::native_functions().contains_key(*name);
        // Rhai's `sleep` is replaced; its `start` is a range's, which is no node.
        assert!(!taken || ["sleep", "start"].contains(name), "{name} is a function of Rhai's");
    }
}

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
fn acting_at_top_level_is_an_error() {
    check(
        "let m = master(\"m\");\nm.kill();\n",
        expect![[r#"
        error: `kill` touches live nodes, and is allowed only inside `experiment`
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
        error: `kill` touches live nodes, and is allowed only inside `experiment`
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
        error: `sleep` touches live nodes, and is allowed only inside `experiment`
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
fn parse_errors_point_at_their_place() {
    check(
        "let m = master(\"m\";\n",
        expect![[r#"
        error: `,` is missing to separate the arguments to function call 'master'
          --> t.rhai:1:19
           |
         1 | let m = master("m";
           |                   ^

    "#]],
    );
    check(
        "let s = \"open;\n",
        expect![[r#"
        error: open string is not terminated
          --> t.rhai:1:9
           |
         1 | let s = "open;
           |         ^^^^^^

    "#]],
    );
    check(
        "let x = 1;\nlet until = 2;\n",
        expect![[r#"
        error: expecting name of a variable
          --> t.rhai:2:5
           |
         2 | let until = 2;
           |     ^^^^^
           = `until` is a word of Rhai's and cannot be a name

    "#]],
    );
    check(
        "master(\"m\")\nmaster(\"n\")\n",
        expect![[r#"
        error: `;` is missing to terminate this statement
          --> t.rhai:2:1
           |
         2 | master("n")
           | ^^^^^^

    "#]],
    );
    check(
        "eval(\"1\")",
        expect![[r#"
        error: unknown word `eval`
          --> t.rhai:1:1
           |
         1 | eval("1")
           | ^^^^
           = scripts have no `eval` and no clock of their own

    "#]],
    );
    check(
        "let m = master(\"m\", #{ port: 1, port: 2 });",
        expect![[r#"
        error: `port` is given twice
          --> t.rhai:1:33
           |
         1 | let m = master("m", #{ port: 1, port: 2 });
           |                                 ^^^^

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
               = a sentinel refuses to start with a script it cannot run

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

#[test]
fn what_rhai_says_is_put_in_our_words() {
    check(
        "let x = [1, 2]; x[5];",
        expect![[r#"
        error: there is no element 5: the array has 2
          --> t.rhai:1:19
           |
         1 | let x = [1, 2]; x[5];
           |                   ^

    "#]],
    );
    check(
        "let m = master(\"m\"); print(m.prot);",
        expect![[r#"
        error: a node has no field `prot`
          --> t.rhai:1:30
           |
         1 | let m = master("m"); print(m.prot);
           |                              ^^^^
           = did you mean `port`?

    "#]],
    );
    check(
        "let m = master(\"m\"); m.name = \"n\";",
        expect![[r#"
        error: the field `name` of a node cannot be set
          --> t.rhai:1:24
           |
         1 | let m = master("m"); m.name = "n";
           |                        ^^^^

    "#]],
    );
    check(
        "let m = master(\"m\"); m + 1;",
        expect![[r#"
        error: `+` has no meaning for a node and a number
          --> t.rhai:1:24
           |
         1 | let m = master("m"); m + 1;
           |                        ^

    "#]],
    );
    check(
        "fn f(x) { f(x) } f(1);",
        expect![[r#"
        error: functions call each other too deeply, or without end
          --> t.rhai:1:18
           |
         1 | fn f(x) { f(x) } f(1);
           |                  ^

    "#]],
    );
    check(
        "throw \"up\";",
        expect![[r#"
        error: the script threw: up
          --> t.rhai:1:1
           |
         1 | throw "up";
           | ^^^^^

    "#]],
    );
    check(
        "[1].push();",
        expect![[r#"
        error: `push` does not take 0 arguments
          --> t.rhai:1:5
           |
         1 | [1].push();
           |     ^^^^

    "#]],
    );
    check(
        "let o = #{ go_on: |x| x + 1 }; o.go_on(1); o.stop_now(1);",
        expect![[r#"
        error: unknown word `stop_now`
          --> t.rhai:1:46
           |
         1 | let o = #{ go_on: |x| x + 1 }; o.go_on(1); o.stop_now(1);
           |                                              ^^^^^^^^

    "#]],
    );
    check(
        "fn kill(x) { x }\nkill(1);",
        expect![[r#"
        error: the function `kill` hides the word
          --> t.rhai:1:12
           |
         1 | fn kill(x) { x }
           |            ^

    "#]],
    );
    check(
        "if 1200 < \"3s\" { print(1); }",
        expect![[r#"
        error: `<` cannot compare the number 1200 with the string "3s"
          --> t.rhai:1:9
           |
         1 | if 1200 < "3s" { print(1); }
           |         ^

    "#]],
    );
}

#[test]
fn there_is_no_exit() {
    check(
        "exit(0);",
        expect![[r#"
        error: there is no `exit`: it would end the run without judging it
          --> t.rhai:1:1
           |
         1 | exit(0);
           | ^^^^
           = `return` leaves a body early, and `require(false, why)` fails the experiment

    "#]],
    );
    check(
        "experiment(\"e\", || { try { exit(); } catch {} });",
        expect![[r#"
        error: there is no `exit`: it would end the run without judging it
          --> t.rhai:1:28
           |
         1 | experiment("e", || { try { exit(); } catch {} });
           |                            ^^^^
           = `return` leaves a body early, and `require(false, why)` fails the experiment

    "#]],
    );
    // Called by a name that only evaluation knows.
    check(
        "let leave = Fn(\"exit\");\nleave.call();",
        expect![[r#"
        error: there is no `exit`: it would end the run without judging it
          --> t.rhai:2:7
           |
         2 | leave.call();
           |       ^^^^
           = `return` leaves a body early, and `require(false, why)` fails the experiment

    "#]],
    );
}

#[test]
fn a_top_level_without_end_is_ended() {
    check(
        "let x = 0;\nloop { x += 1; }\n",
        expect![[r#"
        error: the top level does not come to an end
          --> t.rhai:2:13
           |
         2 | loop { x += 1; }
           |             ^

    "#]],
    );
}

#[test]
fn deep_calls_and_expressions_are_allowed_as_far_as_the_limits_say() {
    let plan = evaluated(
        "fn down(n) { if n == 0 { return 0; } down(n - 1) } down(50); master(`m${down(40)}`);",
        &Inputs::default(),
    )
    .plan;
    assert_eq!(plan.nodes[0].name, "m0");
    assert!(mistakes("fn down(n) { down(n + 1) } down(0);").contains("too deeply"));
}

#[test]
fn an_evaluation_keeps_no_copy_of_the_script() {
    let script = script("let m = master(\"m\"); experiment(\"e\", || { m.kill(); });");
    let evaluation = evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default()));
    assert!(evaluation.is_ok());
    assert_eq!(Rc::strong_count(&script), 1);
}

#[test]
fn the_deepest_script_allowed_fits_on_a_main_thread_s_stack() {
    // Both limits at once: calls as deep as they may be, each inside an expression as deep as it may be.
    let nested = (0..28).fold("down(n + 1)".to_owned(), |inner, _| format!("[{inner}][0]"));
    let source = format!("fn down(n) {{ {nested} }} down(0);");
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(move || mistakes(&source));
    let text = thread.expect("a thread").join().expect("no overflow");
    assert!(text.contains("too deeply"), "{text}");
}
