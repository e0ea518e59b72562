//! Experiments in virtual time.

mod handlers;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::fake_world::FakeWorld;
use super::{Cause, Selection, Summary, run};
use crate::lang::{Inputs, Script, evaluate};
use crate::plan::{NodeId, Plan};
use crate::ports::CountedPorts;
use crate::world::{World, WorldError};

/// Nodes 0 to 5: m, r1, r2, s1, s2, s3.
const TOPOLOGY: &str = r#"
let m = master("m");
let rs = replicas("r", m, 2);
let ss = sentinels("s", 3);
let mm = monitor(ss, "mymaster", m, #{ quorum: 2, down_after: "1s" });
"#;

struct Done {
    summary: Summary,
    log: String,
}

fn plan_of(script: &Rc<Script>) -> Plan {
    match evaluate(script, &Inputs::default(), Box::new(CountedPorts::default())) {
        Ok(evaluation) => evaluation.plan,
        Err(mistakes) => panic!("{}", crate::lang::render_all(&mistakes, false)),
    }
}

/// Runs a whole script in a world that a test prepares.
fn run_with(source: &str, selection: &Selection, prepare: impl FnOnce(&mut FakeWorld)) -> Done {
    let script = Rc::new(Script::from_text("t.rhai", source, Path::new("/scripts")));
    let plan = plan_of(&script);
    let world = Rc::new(RefCell::new(FakeWorld::new(plan.clone())));
    prepare(&mut world.borrow_mut());
    let shared: Rc<RefCell<dyn World>> = world.clone();
    let summary = run(&script, &Inputs::default(), &plan, &shared, selection)
        .unwrap_or_else(|mistakes| panic!("{}", crate::lang::render_all(&mistakes, false)));
    let log = world.borrow().log.join("\n");
    Done { summary, log }
}

/// Events of a failover, as they come after the master's death.
fn failover(world: &mut FakeWorld) {
    world.after_kill = vec![
        (1_000_000, NodeId(3), "+sdown"),
        (1_010_000, NodeId(4), "+sdown"),
        (1_020_000, NodeId(3), "+odown"),
        (1_500_000, NodeId(3), "+switch-master"),
        (1_530_000, NodeId(4), "+switch-master"),
        (1_560_000, NodeId(5), "+switch-master"),
    ];
}

/// Runs one body and shows what the world saw, the exit code, and why it ended early.
fn check_body(body: &str, expected: Expect) {
    let source = format!("{TOPOLOGY}experiment(\"e\", #{{ timeout: \"30s\" }}, || {{\n{body}\n}});\n");
    show(&run_with(&source, &Selection::default(), failover), expected);
}

fn show(done: &Done, expected: Expect) {
    let mut text = format!("{}\nexit code {}\n", done.log, done.summary.exit_code());
    for repeat in &done.summary.repeats {
        if let Some(diagnostic) = &repeat.diagnostic {
            text.push_str(&diagnostic.render(false));
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn the_drill_runs_as_the_design_shows_it() {
    check_body(
        r#"let load = workload(#{ clients: 8, via: mm, op: "set" });
    sleep("1s");
    let t = m.kill();
    let switched = wait_event("+switch-master", "10s");
    measure("failover", switched.since(t), #{ max: "3s" });
    m.start();
    wait_until("20s", || m.role() == "slave" && m.link() == "up");
    let seen = load.stop();
    check(script_runs("+switch-master").len() == 1, "a sentinel ran the script");
    print(`${seen.acked} acknowledged, ${seen.lost} lost, down for ${seen.longest_outage}`);"#,
        expect![[r#"
            100 begin "e" 0
            100 load 8 Monitor(MonitorId(0)) set 32b
            1100 kill m
            2600 measure failover 1500ms max Some(3000.0) min None
            2600 start m
            2605 check line 15 true: a sentinel ran the script
            2605 print 1000 acknowledged, 1 lost, down for 850ms
            2605 end Passed
            exit code 0
        "#]],
    );
}

#[test]
fn times_compare_with_each_other_and_with_duration_strings() {
    check_body(
        r#"let t = m.kill();
    let d = wait_event("+sdown", "5s") - t;"#,
        expect![[r#"
            100 begin "e" 0
            100 kill m
            1100 end Error("t.rhai:8: `-` has no meaning for an event and a moment")
            exit code 2
            error: `-` has no meaning for an event and a moment
              --> t.rhai:8:40
               |
             8 |     let d = wait_event("+sdown", "5s") - t;
               |                                        ^
        "#]],
    );
    check_body(
        r#"let t = now();
    sleep("1500ms");
    let d = now() - t;
    check(d == "1.5s" && d != "1s" && d > "1s" && d >= "1500ms" && d < "2s" && d <= "1m", "duration and string");
    check("1s" < d && "2s" > d && "1.5s" == d, "string and duration");
    check(t < now() && t <= t && t == t && !(t > now()) && t != now() + "1s", "moments");
    check(d + "500ms" == "2s" && d * 2 == "3s" && d / 3 == "500ms" && d.ms == 1500.0, "arithmetic");
    check(t + d == now(), "a moment and a duration");"#,
        expect![[r#"
            100 begin "e" 0
            1600 check line 10 true: duration and string
            1600 check line 11 true: string and duration
            1600 check line 12 true: moments
            1600 check line 13 true: arithmetic
            1600 check line 14 true: a moment and a duration
            1600 end Passed
            exit code 0
        "#]],
    );
}

#[test]
fn any_other_mix_is_an_error_and_never_false() {
    for (comparison, message) in [
        (r#"1200 < "3s""#, "`<` cannot compare the number 1200 with the string \"3s\""),
        (r#"(now() - now()) < 3"#, "`<` cannot compare a duration with the number 3"),
        (r#"3.5 >= (now() - now())"#, "`>=` cannot compare the number 3.5 with a duration"),
        (r#"now() < "3s""#, "`<` cannot compare a moment with the string \"3s\""),
        (r#"now() == (now() - now())"#, "`==` cannot compare a moment with a duration"),
        (r#"(now() - now()) == "soon""#, "`==` cannot compare a duration with the string \"soon\""),
        (r#"m == "m""#, "`==` cannot compare a node with the string \"m\""),
        (r#"m < rs[0]"#, "`<` has no meaning between a node and a node"),
        (r#"m != mm"#, "`!=` cannot compare a node with a monitor"),
        (r#"true > 0"#, "`>` cannot compare `true` with the number 0"),
        (r#"info(m, "connected_slaves") == "2""#, "`==` cannot compare the number 2 with the string \"2\""),
        (r#""10s" < "9s""#, "two strings compare letter by letter, not as durations"),
        (r#"[1] < [2]"#, "`<` has no meaning between an array and an array"),
    ] {
        let source = format!("{TOPOLOGY}experiment(\"e\", || {{ if {comparison} {{ print(\"yes\"); }} }});");
        let done = run_with(&source, &Selection::default(), |_| {});
        let found = done.summary.repeats[0].diagnostic.as_ref().map(|d| d.message.as_str());
        assert_eq!(found, Some(message), "{comparison}");
        assert_eq!(done.summary.exit_code(), 2, "{comparison}");
    }
}

#[test]
fn ordinary_comparisons_are_as_they_were() {
    check_body(
        r#"check(1 < 2 && 1 == 1.0 && 2.5 > 2 && "a" < "b" && 'a' == "a" && true != false, "plain values");
    check(m == m && m != rs[0] && mm == mm && m != (), "nodes and nothing");
    check([1, 2] == [1, 2] && [1] != [2] && #{ a: 1 } == #{ a: 1 }, "arrays and maps");
    check(2 in [1, 2] && "b" in "abc" && "a" in #{ a: 1 }, "in");
    check(m in [rs[0], m] && rs.index_of(rs[1]) == 1, "nodes in arrays");
    check(switch 3 { 3 => true, _ => false }, "switch");"#,
        expect![[r#"
            100 begin "e" 0
            100 check line 7 true: plain values
            100 check line 8 true: nodes and nothing
            100 check line 9 true: arrays and maps
            100 check line 10 true: in
            100 check line 11 true: nodes in arrays
            100 check line 12 true: switch
            100 end Passed
            exit code 0
        "#]],
    );
}

#[test]
fn a_call_and_a_method_are_the_same() {
    check_body(
        r#"kill(m); start(m); m.pause(); check(paused(m) && !m.running()); resume(m); m.restart(); stop(m);
    check(cmd(rs[0], "ECHO", 1, 2.5, true) == rs[0].cmd("ECHO", "1", "2.5", "true"));
    check(role(rs[0]) == rs[0].role() && mm.master() == master(mm) && mm.master().name == "r1");
    failover(mm); mm.failover();
    check(rs[0].logs(2).len() == 2 && rs[0].cmd("MAP").a == 1);
    let all = rs[0].info();
    check(all.connected_slaves == 2 && all.master_link_status == "up");"#,
        expect![[r#"
            100 begin "e" 0
            100 kill m
            105 start m
            110 pause m
            115 check line 7 true: paused(m) && !m.running()
            115 resume m
            120 restart m
            125 stop m
            130 check line 8 true: cmd(rs[0], "ECHO", 1, 2.5, true) == rs[0].cmd("ECHO", "1", "2.5", "true")
            131 check line 9 true: role(rs[0]) == rs[0].role() && mm.master() == master(mm) && mm.master().name == "r1"
            131 failover 0
            131 failover 0
            131 check line 11 true: rs[0].logs(2).len() == 2 && rs[0].cmd("MAP").a == 1
            131 check line 13 true: all.connected_slaves == 2 && all.master_link_status == "up"
            131 end Passed
            exit code 0
        "#]],
    );
}

#[test]
fn an_unreachable_node_means_not_yet_in_a_wait_and_is_an_error_outside() {
    check_body(
        r#"m.kill();
    let caught = "";
    try { m.role(); } catch (error) { caught = error.message; }
    check(caught == "m did not answer: connection refused", caught);
    wait_until("2s", || m.role() == "slave");"#,
        expect![[r#"
            100 begin "e" 0
            100 kill m
            105 check line 10 true: m did not answer: connection refused
            2105 require line 11 false: m.role() == "slave" within 2s; instead: m did not answer: connection refused
            2105 end Failed
            exit code 1
            error: did not come: m.role() == "slave" within 2s
               --> t.rhai:11:5
                |
             11 |     wait_until("2s", || m.role() == "slave");
                |     ^^^^^^^^^^
                = instead: m did not answer: connection refused
                = log: # last words
        "#]],
    );
    check_body(
        "m.kill();\n    m.role();",
        expect![[r#"
        100 begin "e" 0
        100 kill m
        105 end Error("t.rhai:8: m did not answer: connection refused")
        exit code 1
        error: m did not answer: connection refused
          --> t.rhai:8:7
           |
         8 |     m.role();
           |       ^^^^
           = log: # last words
    "#]],
    );
}

#[test]
fn an_error_of_the_script_ends_a_wait_at_once() {
    check_body(
        r#"wait_until("20s", || m.role() == 5);"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `==` cannot compare the string \"master\" with the number 5")
        exit code 2
        error: `==` cannot compare the string "master" with the number 5
          --> t.rhai:7:31
           |
         7 | wait_until("20s", || m.role() == 5);
           |                               ^
    "#]],
    );
}

#[test]
fn a_wait_goes_on_while_a_node_is_loading() {
    check_body(
        r#"wait_until("100ms", || m.cmd("LOADING") == "x");"#,
        expect![[r#"
            100 begin "e" 0
            200 require line 7 false: m.cmd("LOADING") == "x" within 100ms; instead: `m` answered LOADING with an error: LOADING Redis is loading the dataset in memory
            200 end Failed
            exit code 1
            error: did not come: m.cmd("LOADING") == "x" within 100ms
              --> t.rhai:7:1
               |
             7 | wait_until("100ms", || m.cmd("LOADING") == "x");
               | ^^^^^^^^^^
               = instead: `m` answered LOADING with an error: LOADING Redis is loading the dataset in memory
        "#]],
    );
    check_body(
        r#"wait_until("100ms", || m.cmd("NONSENSE") == "x");"#,
        expect![[r#"
            100 begin "e" 0
            100 end Error("t.rhai:7: `m` answered NONSENSE with an error: ERR unknown command 'NONSENSE'")
            exit code 2
            error: `m` answered NONSENSE with an error: ERR unknown command 'NONSENSE'
              --> t.rhai:7:26
               |
             7 | wait_until("100ms", || m.cmd("NONSENSE") == "x");
               |                          ^^^
               = log: line 0
               = log: line 1
               = log: line 2
        "#]],
    );
}

#[test]
fn events_count_from_the_last_action_on() {
    check_body(
        r#"m.kill();
    wait_event("+sdown", "5s", #{ count: 2 });
    wait_event("+odown", "5s", #{ from: ss[0] });
    let all = wait_event("+switch-master", "5s", #{ count: 3, from: ss });
    check(all.node == ss[2] && all.event == "+switch-master" && all.text.contains("6380"), "the last one");
    let t = m.start();
    wait_event("+sdown", "1s");"#,
        expect![[r#"
            100 begin "e" 0
            100 kill m
            1660 check line 11 true: the last one
            1660 start m
            2665 require line 13 false: +sdown within 1s; instead: +sdown; +sdown; +odown; +switch-master; +switch-master; +switch-master
            2665 end Failed
            exit code 1
            error: did not come: +sdown within 1s
               --> t.rhai:13:5
                |
             13 |     wait_event("+sdown", "1s");
                |     ^^^^^^^^^^
                = instead: +sdown
                = instead: +sdown
                = instead: +odown
                = instead: +switch-master
                = instead: +switch-master
                = instead: +switch-master
        "#]],
    );
    check_body(
        r#"let before = now();
    m.kill();
    wait_event("+switch-master", "5s");
    cmd(rs[0], "ECHO", "is no action");
    wait_event("+sdown", "1s");
    m.start();
    wait_event("+sdown", "1s", #{ after: before });"#,
        expect![[r#"
            100 begin "e" 0
            100 kill m
            1600 start m
            1605 end Passed
            exit code 0
        "#]],
    );
}

#[test]
fn neither_require_nor_a_time_out_can_be_caught() {
    check_body(
        r#"try { require(false, "never caught"); } catch { print("caught"); }"#,
        expect![[r#"
        100 begin "e" 0
        100 require line 7 false: never caught
        100 end Failed
        exit code 1
        error: required: never caught
          --> t.rhai:7:7
           |
         7 | try { require(false, "never caught"); } catch { print("caught"); }
           |       ^^^^^^^
    "#]],
    );
    check_body(
        r#"try { wait_until("50ms", || false); } catch { print("caught"); }"#,
        expect![[r#"
            100 begin "e" 0
            150 require line 7 false: false within 50ms; instead: the condition is still false
            150 end Failed
            exit code 1
            error: did not come: false within 50ms
              --> t.rhai:7:7
               |
             7 | try { wait_until("50ms", || false); } catch { print("caught"); }
               |       ^^^^^^^^^^
               = instead: the condition is still false
        "#]],
    );
    check_body(
        r#"try { wait_event("+tilt", "50ms"); } catch { print("caught"); }"#,
        expect![[r#"
        100 begin "e" 0
        150 require line 7 false: +tilt within 50ms
        150 end Failed
        exit code 1
        error: did not come: +tilt within 50ms
          --> t.rhai:7:7
           |
         7 | try { wait_event("+tilt", "50ms"); } catch { print("caught"); }
           |       ^^^^^^^^^^
    "#]],
    );
    check_body(
        r#"try { loop { sleep("7s"); } } catch { print("caught"); }"#,
        expect![[r#"
        100 begin "e" 0
        30100 require line 7 false: the experiment ends within its time-out of 30s
        30100 end Failed
        exit code 1
        error: the experiment's time-out of 30s passed here
          --> t.rhai:7:14
           |
         7 | try { loop { sleep("7s"); } } catch { print("caught"); }
           |              ^^^^^
           = the option `timeout` of `experiment` sets it
    "#]],
    );
}

#[test]
fn a_failed_check_goes_on_and_fails_the_repeat() {
    check_body(
        r#"check(1 + 1 == 3, "arithmetic");
    check(rs.len() == 3);
    measure("count", 5, #{ max: 4, min: 1 });
    measure("fine", duration("5ms"), #{ min: "1ms" });
    print("went on");"#,
        expect![[r#"
            100 begin "e" 0
            100 check line 7 false: arithmetic
            100 check line 8 false: rs.len() == 3
            100 measure count 5 max Some(4.0) min Some(1.0)
            100 measure fine 5ms max None min Some(1.0)
            100 print went on
            100 end Failed
            exit code 1
        "#]],
    );
}

#[test]
fn limits_are_of_the_figure_s_kind() {
    check_body(
        r#"measure("x", duration("5ms"), #{ max: 4 });"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `max` must be a duration, as the figure is; got the number 4")
        exit code 2
        error: `max` must be a duration, as the figure is; got the number 4
          --> t.rhai:7:39
           |
         7 | measure("x", duration("5ms"), #{ max: 4 });
           |                                       ^
    "#]],
    );
    check_body(
        r#"measure("x", "5ms");"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `value` of `measure`: expected a number or a duration, got the string \"5ms\"")
        exit code 2
        error: `value` of `measure`: expected a number or a duration, got the string "5ms"
          --> t.rhai:7:14
           |
         7 | measure("x", "5ms");
           |              ^^^^^
    "#]],
    );
    check_body(
        r#"measure("x", 0.0 / 0.0);"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `value` of `measure`: expected a number or a duration, got the number NaN")
        exit code 2
        error: `value` of `measure`: expected a number or a duration, got the number NaN
          --> t.rhai:7:18
           |
         7 | measure("x", 0.0 / 0.0);
           |                  ^
    "#]],
    );
}

#[test]
fn declaring_inside_an_experiment_is_an_error() {
    check_body(
        r#"master("late");"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `master(name)` declares, and is allowed at top level only, not inside an experiment")
        exit code 2
        error: `master(name)` declares, and is allowed at top level only, not inside an experiment
          --> t.rhai:7:1
           |
         7 | master("late");
           | ^^^^^^
    "#]],
    );
    check_body(
        r#"experiment("nested", || {});"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `experiment` declares, and is allowed at top level only, not inside an experiment")
        exit code 2
        error: `experiment` declares, and is allowed at top level only, not inside an experiment
          --> t.rhai:7:1
           |
         7 | experiment("nested", || {});
           | ^^^^^^^^^^
    "#]],
    );
}

#[test]
fn refusals_and_misuse_say_what_is_wrong() {
    check_body(
        r#"rs[0].start();"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: r1 runs already")
        exit code 2
        error: r1 runs already
          --> t.rhai:7:7
           |
         7 | rs[0].start();
           |       ^^^^^
    "#]],
    );
    check_body(
        r#"workload(#{ via: ss[0] });"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `s1` is a sentinel: clients write to a server")
        exit code 2
        error: `s1` is a sentinel: clients write to a server
          --> t.rhai:7:18
           |
         7 | workload(#{ via: ss[0] });
           |                  ^^
           = give the monitor, and clients ask its sentinels for the master
    "#]],
    );
    check_body(
        r#"let seen = workload().stop(); print(seen.loost);"#,
        expect![[r#"
        100 begin "e" 0
        100 load 8 Monitor(MonitorId(0)) set 32b
        100 end Error("t.rhai:7: a ledger has no field `loost`")
        exit code 2
        error: a ledger has no field `loost`
          --> t.rhai:7:42
           |
         7 | let seen = workload().stop(); print(seen.loost);
           |                                          ^^^^^
           = did you mean `lost`?
    "#]],
    );
    check_body(
        r#"let x = #{ a: 1 }; print(x.b);"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: the map has no `b`")
        exit code 2
        error: the map has no `b`
          --> t.rhai:7:28
           |
         7 | let x = #{ a: 1 }; print(x.b);
           |                            ^
           = `"b" in map` tells whether it has one
    "#]],
    );
    check_body(
        r#"wait_until("1s", || 5);"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: the condition must give true or false; it gave the number 5")
        exit code 2
        error: the condition must give true or false; it gave the number 5
          --> t.rhai:7:18
           |
         7 | wait_until("1s", || 5);
           |                  ^
    "#]],
    );
    check_body(
        r#"m.info("connected_slave");"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: INFO of `m` has no field `connected_slave`")
        exit code 2
        error: INFO of `m` has no field `connected_slave`
          --> t.rhai:7:8
           |
         7 | m.info("connected_slave");
           |        ^^^^^^^^^^^^^^^^^
           = did you mean `connected_slaves`?
    "#]],
    );
    check_body(
        r#"sleep(duration("1s") * -1); let n = 5; sleep(n);"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: `duration` of `sleep`: expected a duration, got the number 5")
        exit code 2
        error: `duration` of `sleep`: expected a duration, got the number 5
          --> t.rhai:7:46
           |
         7 | sleep(duration("1s") * -1); let n = 5; sleep(n);
           |                                              ^
           = a duration is a string with a unit: "250ms", "1s", "2m"; here perhaps "5s" or "5ms"
    "#]],
    );
    check_body(
        r#"print(m.running);"#,
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:7: a node has no field `running`")
        exit code 2
        error: a node has no field `running`
          --> t.rhai:7:9
           |
         7 | print(m.running);
           |         ^^^^^^^
           = `running` is a word: write `running()`
    "#]],
    );
}

#[test]
fn a_script_without_end_meets_its_time_out() {
    let source =
        format!("{TOPOLOGY}experiment(\"e\", #{{ timeout: \"1s\" }}, || {{ loop {{ m.running(); }} }});");
    let done = run_with(&source, &Selection::default(), |_| {});
    let repeat = &done.summary.repeats[0];
    assert_eq!(repeat.cause, Cause::DidNotHold);
    let message = repeat.diagnostic.as_ref().expect("says why").message.clone();
    assert_eq!(message, "the experiment's time-out of 1s passed here");
}

#[test]
fn repeats_start_afresh_and_captured_variables_do_not_leak_between_them() {
    let source = r#"
let m = master("m");
let count = 0;
experiment("counts", #{ repeat: 2 }, || { count += 1; print(`count ${count}`); });
experiment("other", || { print(`count ${count}`); });
print("declared");
"#;
    let done = run_with(source, &Selection::default(), |_| {});
    show(
        &done,
        expect![[r#"
        100 begin "counts" 0
        100 print count 1
        100 end Passed
        200 begin "counts" 1
        200 print count 1
        200 end Passed
        300 begin "other" 0
        300 print count 0
        300 end Passed
        exit code 0
    "#]],
    );
}

#[test]
fn one_experiment_can_be_chosen_and_repeated() {
    let source = r#"
let m = master("m");
experiment("first", || { print(pick([1, 2, 3, 4, 5, 6])); });
experiment("Second try", || { print(pick([1, 2, 3, 4, 5, 6])); });
"#;
    let all = run_with(source, &Selection::default(), |_| {});
    let selection = Selection { only: Some("second".into()), repeat: Some(2) };
    let one = run_with(source, &selection, |_| {});
    show(
        &one,
        expect![[r#"
        100 begin "Second try" 0
        100 print 3
        100 end Passed
        200 begin "Second try" 1
        200 print 2
        200 end Passed
        exit code 0
    "#]],
    );
    let drawn = |log: &str| {
        let begin = log.find("begin \"Second try\" 0").expect("it ran");
        log[begin..].lines().nth(1).and_then(|line| line.split_once("print ")).expect("it drew").1.to_owned()
    };
    assert_eq!(drawn(&all.log), drawn(&one.log), "a choice does not depend on what else runs");
}

#[test]
fn a_check_of_an_imported_file_says_its_file() {
    let folder = tempfile::tempdir().expect("temporary directory");
    let text = "fn judged(m) {\n    check(m.running());\n    wait_until(\"1ms\", || false);\n}";
    std::fs::write(folder.path().join("lib.rhai"), text).expect("written");
    let folder = folder.path().display().to_string();
    let source = format!(
        "import \"{folder}/lib\" as lib;\nlet m = master(\"m\");\nexperiment(\"e\", || {{ lib::judged(m); }});"
    );
    let log = run_with(&source, &Selection::default(), |_| {}).log.replace(&folder, "DIR");
    expect![[r#"
        100 begin "e" 0
        100 check DIR/lib.rhai line 2 true: m.running()
        101 require DIR/lib.rhai line 3 false: false within 1ms; instead: the condition is still false
        101 end Failed"#]]
    .assert_eq(&log);
}

#[test]
fn a_selection_that_fits_nothing_is_an_error() {
    let script = Rc::new(Script::from_text(
        "t.rhai",
        "master(\"m\"); experiment(\"the master dies\", || {});",
        Path::new("/scripts"),
    ));
    let plan = plan_of(&script);
    let world: Rc<RefCell<dyn World>> = Rc::new(RefCell::new(FakeWorld::new(plan.clone())));
    let selection = Selection { only: Some("teh master dies".into()), repeat: None };
    let mistakes = run(&script, &Inputs::default(), &plan, &world, &selection).expect_err("nothing fits");
    expect![[r#"
        error: no experiment's name contains "teh master dies"
         --> t.rhai
           = did you mean `the master dies`?

    "#]]
    .assert_eq(&crate::lang::render_all(&mistakes, false));
}

#[test]
fn a_script_that_declares_something_else_the_second_time_is_not_run() {
    let folder = tempfile::tempdir().expect("temporary directory");
    let source = "let m = master(\"m\", #{ data: \"seed\" }); experiment(\"e\", || {});";
    std::fs::create_dir(folder.path().join("seed")).expect("made");
    let script = Rc::new(Script::from_text("t.rhai", source, folder.path()));
    let mut plan = plan_of(&script);
    plan.nodes[0].name = "other".into();
    let world: Rc<RefCell<dyn World>> = Rc::new(RefCell::new(FakeWorld::new(plan.clone())));
    let mistakes = run(&script, &Inputs::default(), &plan, &world, &Selection::default());
    expect![[r#"
        error: evaluated again, the script declares something else: node `other`
         --> t.rhai

    "#]]
    .assert_eq(&crate::lang::render_all(&mistakes.expect_err("differs"), false));
}

#[test]
fn a_topology_that_does_not_come_up_decides_the_exit_code() {
    let source = "master(\"m\"); experiment(\"e\", #{ repeat: 3 }, || {});";
    for (error, code, ran) in [
        (WorldError::Environment("port 6379 is taken".into()), 3, 1),
        (WorldError::Interrupted("interrupted".into()), 130, 1),
        (WorldError::Unreachable { node: "m".into(), reason: "timeout".into(), log: vec![] }, 1, 3),
    ] {
        let done = run_with(source, &Selection::default(), |world| world.begins_with = Some(error));
        assert_eq!((done.summary.exit_code(), done.summary.repeats.len()), (code, ran));
    }
}

#[test]
fn an_interrupt_ends_the_run() {
    let source =
        "let m = master(\"m\"); experiment(\"e\", #{ repeat: 3 }, || { try { sleep(\"9s\"); } catch {} });";
    let done = run_with(source, &Selection::default(), |world| world.interrupt_at = Some(5_000_000));
    assert_eq!((done.summary.exit_code(), done.summary.repeats.len()), (130, 1));
}
