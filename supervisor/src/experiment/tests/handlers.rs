//! Handlers, chaos, phases and directives, in virtual time.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::{Selection, TOPOLOGY, failover, plan_of, run_with, show};
use crate::experiment::fake_world::FakeWorld;
use crate::experiment::living::{Beginning, NotReady, live};
use crate::lang::{Inputs, Script};
use crate::world::World;

fn check(source: &str, expected: Expect) {
    show(&run_with(&format!("{TOPOLOGY}{source}"), &Selection::default(), failover), expected);
}

#[test]
fn handlers_run_inside_the_waits_of_the_experiment() {
    check(
        r#"
on_ready(|| { m.cmd("ECHO", "seed"); print("ready"); });
on_event("+switch-master", #{ from: ss[0] }, |e| { print(`${e.node}: ${e.text}`); sleep("100ms"); });
on_event("+sdown", |e| { rs[0].config_set("maxmemory", "1mb"); });
experiment("e", || {
    let t = m.kill();
    let switched = wait_event("+switch-master", "10s", #{ count: 3 });
    check(switched.since(t) >= "1500ms");
});
"#,
        expect![[r#"
            100 begin "e" 0
            100 handler begins
            100 print ready
            100 handler ends
            100 kill m
            1100 handler begins
            1100 config_set r1 maxmemory 1mb
            1100 handler ends
            1110 handler begins
            1110 config_set r1 maxmemory 1mb
            1110 handler ends
            1600 handler begins
            1600 print s1: mymaster 127.0.0.1 6379 127.0.0.1 6380
            1700 handler ends
            1700 check line 13 true: switched.since(t) >= "1500ms"
            1700 end Passed
            exit code 0
        "#]],
    );
}

#[test]
fn what_a_handler_or_a_condition_chooses_changes_no_choice_of_the_body() {
    let chosen = |handler: &str, condition: &str| {
        let source = format!(
            "{TOPOLOGY}fn one() {{ let all = []; for i in 0..1000 {{ all.push(i); }} pick(all) }}\n\
             on_ready(|| {{ {handler} }});\non_event(\"+sdown\", |e| {{ {handler} }});\n\
             experiment(\"e\", || {{ m.kill(); sleep(\"3s\"); let n = 0;\n\
             wait_until(\"9s\", || {{ n += 1; {condition} }}); print(`chosen ${{one()}}`); }});"
        );
        let log = run_with(&source, &Selection::default(), failover).log;
        let lines = log.lines().filter_map(|line| line.split_once("print "));
        lines.map(|(_, text)| text.to_owned()).collect::<Vec<_>>()
    };
    let quiet = chosen("1", "n > 1");
    assert_eq!(quiet.len(), 1);
    assert_eq!(chosen("one()", "n > 1"), quiet);
    assert_eq!(chosen("1", "one() >= 0 && n > 1"), quiet);
    assert_eq!(chosen("1", "one() >= 0 && n > 5"), quiet);
    // What a handler chooses is another thing each time it runs, and the same in every run.
    let said = chosen("print(one())", "n > 1");
    assert_eq!(said, chosen("print(one())", "one() >= 0 && n > 5"));
    assert!(said.len() > 2 && said[1] != said[2], "{said:?}");
}

#[test]
fn an_event_that_comes_while_nothing_waits_is_handled_at_the_next_wait() {
    check(
        r#"
on_event("*", |e| { print(e.event); });
experiment("e", || { m.kill(); sleep("3s"); print("slept"); });
experiment("goes on", #{ fresh: false }, || { sleep("1s"); print("no handler saw the last one's events"); });
"#,
        expect![[r#"
            100 begin "e" 0
            100 kill m
            1100 handler begins
            1100 print +sdown
            1100 handler ends
            1110 handler begins
            1110 print +sdown
            1110 handler ends
            1120 handler begins
            1120 print +odown
            1120 handler ends
            1600 handler begins
            1600 print +switch-master
            1600 handler ends
            1630 handler begins
            1630 print +switch-master
            1630 handler ends
            1660 handler begins
            1660 print +switch-master
            1660 handler ends
            3105 print slept
            3105 end Passed
            3205 begin "goes on" 0
            4205 print no handler saw the last one's events
            4205 end Passed
            exit code 0
        "#]],
    );
}

#[test]
fn what_a_handler_fails_with_ends_the_experiment_at_its_place() {
    check(
        "on_event(\"+odown\", |e| {\n    require(1 > 2, \"the handler's\");\n});\n\
         experiment(\"e\", || { m.kill(); sleep(\"3s\"); print(\"not reached\"); });\n",
        expect![[r#"
            100 begin "e" 0
            100 kill m
            1120 handler begins
            1120 require line 7 false: the handler's
            1120 handler ends
            1120 end Failed
            exit code 1
            error: required: the handler's
              --> t.rhai:7:5
               |
             7 |     require(1 > 2, "the handler's");
               |     ^^^^^^^
        "#]],
    );
    check(
        "on_ready(|| {\n    m.cmd(\"NOSUCH\");\n});\nexperiment(\"e\", || { print(\"not reached\"); });\n",
        expect![[r#"
            100 begin "e" 0
            100 handler begins
            100 handler ends
            100 end Error("t.rhai:7: `m` answered NOSUCH with an error: ERR unknown command 'NOSUCH'")
            exit code 2
            error: `m` answered NOSUCH with an error: ERR unknown command 'NOSUCH'
              --> t.rhai:7:7
               |
             7 |     m.cmd("NOSUCH");
               |       ^^^
               = log: line 0
               = log: line 1
               = log: line 2
        "#]],
    );
}

/// Runs a script's handlers alone and shows what the world saw.
fn check_living(source: &str, expected: Expect) {
    let script = Rc::new(Script::from_text("t.rhai", &format!("{TOPOLOGY}{source}"), Path::new("/scripts")));
    let plan = plan_of(&script);
    let world = Rc::new(RefCell::new(FakeWorld::new(plan.clone())));
    failover(&mut world.borrow_mut());
    world.borrow_mut().interrupt_at = Some(5_000_000);
    let shared: Rc<RefCell<dyn World>> = world.clone();
    let told = RefCell::new(String::new());
    let ready = |outcome: Result<(), NotReady>| match outcome {
        Ok(()) => told.borrow_mut().push_str("ready\n"),
        Err(failed) => {
            told.borrow_mut().push_str(&format!("{:?}\n", failed.cause));
            told.borrow_mut().push_str(&failed.diagnostic.map(|d| d.render(false)).unwrap_or_default());
        }
    };
    let tell = |trouble: crate::lang::Diagnostic| told.borrow_mut().push_str(&trouble.render(false));
    live(&script, &Inputs::default(), &plan, &shared, Beginning::Fresh, ready, tell);
    let log = world.borrow().log.join("\n");
    expected.assert_eq(&format!("{log}\n{}", told.borrow()));
}

#[test]
fn a_topology_without_an_experiment_has_its_handlers_until_it_ends() {
    check_living(
        r#"
on_ready(|| { m.kill(); });
on_event("+sdown", #{ from: ss[0] }, |e| { e.node.cmd("NOSUCH"); });
on_event("+switch-master", |e| { print(`${e.node} at ${e.at}`); });
experiment("is not run", || { print("no"); });
"#,
        expect![[r#"
            0 handler begins
            0 kill m
            5 handler ends
            1000 handler begins
            1000 handler ends
            1500 handler begins
            1500 print s1 at +1.5s
            1500 handler ends
            1530 handler begins
            1530 print s2 at +1.53s
            1530 handler ends
            1560 handler begins
            1560 print s3 at +1.56s
            1560 handler ends
            ready
            error: `s1` answered NOSUCH with an error: ERR unknown command 'NOSUCH'
              --> t.rhai:8:51
               |
             8 | on_event("+sdown", #{ from: ss[0] }, |e| { e.node.cmd("NOSUCH"); });
               |                                                   ^^^
               = log: line 0
               = log: line 1
               = log: line 2
        "#]],
    );
    check_living(
        "on_ready(|| { check(m.role() == \"slave\"); });\n",
        expect![[r#"
        0 handler begins
        0 check line 6 false: m.role() == "slave"
        0 handler ends
        DidNotHold
    "#]],
    );
}

#[test]
fn chaos_follows_from_the_seed_and_leaves_all_nodes_up() {
    check(
        r#"experiment("e", || {
    let did = chaos([m, rs[0], rs[1]], "4s", #{ faults: ["kill", "stop", "pause"], at_once: 2, lasting: "900ms" });
    print(`${did.len()} faults, the first on ${did[0].node}`);
    check(m.running() && rs[0].running() && rs[1].running());
});
"#,
        expect![[r#"
            100 begin "e" 0
            1143 stop r2
            1666 pause m
            1676 start r2
            2679 resume m
            3870 kill m
            4100 start m
            4105 print 3 faults, the first on r2
            4105 check line 9 true: m.running() && rs[0].running() && rs[1].running()
            4105 end Passed
            exit code 0
        "#]],
    );
    check(
        "experiment(\"e\", || { chaos(m, \"1s\", #{ faults: [\"kil\"] }); });\n",
        expect![[r#"
        100 begin "e" 0
        100 end Error("t.rhai:6: there is no fault `kil`")
        exit code 2
        error: there is no fault `kil`
          --> t.rhai:6:48
           |
         6 | experiment("e", || { chaos(m, "1s", #{ faults: ["kil"] }); });
           |                                                ^
           = did you mean `kill`?
    "#]],
    );
}

#[test]
fn directives_are_set_with_the_values_that_a_configuration_takes() {
    check(
        r#"experiment("e", || {
    m.config_set("repl-diskless-sync", true);
    ss[0].config_set("loglevel", "debug");
    m.config_set("save", "900 1\n300 10");
});
"#,
        expect![[r#"
            100 begin "e" 0
            100 config_set m repl-diskless-sync yes
            100 config_set s1 loglevel debug
            100 end Error("t.rhai:9: the value of `save` has a line break")
            exit code 2
            error: the value of `save` has a line break
              --> t.rhai:9:26
               |
             9 |     m.config_set("save", "900 1\n300 10");
               |                          ^^^^^^^^^^^^^^^
               = an array gives a directive several lines
        "#]],
    );
}

#[test]
fn a_handler_sees_what_it_saw_where_it_was_declared() {
    let folder = tempfile::tempdir().expect("temporary directory");
    let common = "const KEY = \"seed\";\nfn seed(node) { node.cmd(\"ECHO\", global::KEY) }\n\
                  fn handle(node) {\n    on_ready(|| { print(seed(node)); });\n    \
                  on_event(\"+odown\", |e| { node.cmd(\"NOSUCH\"); });\n}\n\
                  fn nap() { sleep(\"5s\"); }\nexport KEY;\n";
    std::fs::write(folder.path().join("common.rhai"), common).expect("written");
    let source = format!(
        "import \"common\" as c;\n{TOPOLOGY}c::handle(rs[0]);\non_ready(|| {{ print(c::KEY); }});\n\
         on_event(\"+sdown\", |e| {{ print(c::KEY + e.node.name); }});\n\
         experiment(\"e\", || {{ m.kill(); c::nap(); }});\n"
    );
    let script = Rc::new(Script::from_text("t.rhai", &source, folder.path()));
    let plan = plan_of(&script);
    let world = Rc::new(RefCell::new(FakeWorld::new(plan.clone())));
    failover(&mut world.borrow_mut());
    let shared: Rc<RefCell<dyn World>> = world.clone();
    let summary = super::run(&script, &Inputs::default(), &plan, &shared, &Selection::default());
    let summary = summary.unwrap_or_else(|mistakes| panic!("{}", crate::lang::render_all(&mistakes, false)));
    let log = world.borrow().log.join("\n");
    let text = summary.repeats[0].diagnostic.as_ref().map(|d| d.render(false)).unwrap_or_default();
    let here = folder.path().display().to_string();
    expect![[r#"
        100 begin "e" 0
        100 handler begins
        100 print seed
        100 handler ends
        100 handler begins
        100 print seed
        100 handler ends
        100 kill m
        1100 handler begins
        1100 print seeds1
        1100 handler ends
        1110 handler begins
        1110 print seeds2
        1110 handler ends
        1120 handler begins
        1120 handler ends
        1120 end Error("DIR/common.rhai:5: `r1` answered NOSUCH with an error: ERR unknown command 'NOSUCH'")
        error: `r1` answered NOSUCH with an error: ERR unknown command 'NOSUCH'
          --> DIR/common.rhai:5:35
           |
         5 |     on_event("+odown", |e| { node.cmd("NOSUCH"); });
           |                                   ^^^
           = log: line 0
           = log: line 1
           = log: line 2
    "#]]
    .assert_eq(&format!("{log}\n{text}").replace(&here, "DIR"));
}
