//! Differences from script to script: what is said, and the steps.

use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::difference::difference;
use super::say;
use super::steps::{Step, steps};
use crate::lang::{Inputs, Script, evaluate, render_all};
use crate::plan::{NodeId, Plan};
use crate::ports::CountedPorts;
use crate::replan::ports::KeptPorts;

fn plan(source: &str, ports: Box<dyn crate::ports::PortAllocator>) -> Plan {
    let script = Rc::new(Script::from_text("t.rhai", source, Path::new("/scripts")));
    evaluate(&script, &Inputs::default(), ports)
        .unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, false)))
        .plan
}

/// The second script's plan, as it is compared with the first's.
fn replanned(old: &Plan, source: &str) -> Plan {
    plan(source, Box::new(KeptPorts::new(old, Box::new(CountedPorts::default()))))
}

fn told(old: &Plan, new: &Plan) -> String {
    let difference = match difference(old, new) {
        Ok(difference) => difference,
        Err(refused) => return refused.iter().map(|line| format!("refused: {line}\n")).collect(),
    };
    let name = |id: &NodeId| difference.target.node(*id).name.clone();
    let mut out = String::new();
    for (node, line) in say::lines(old, &difference) {
        let _ = writeln!(out, "{:4} {line}", node.as_ref().map_or("-".to_owned(), name));
    }
    let monitor = |id: &crate::plan::MonitorId| difference.target.monitors[id.0 as usize].name.clone();
    for step in steps(old, &difference) {
        let names = |ids: &[NodeId]| ids.iter().map(name).collect::<Vec<_>>().join(" ");
        let _ = match &step {
            Step::Unwatch(node, of) => writeln!(out, "     unwatch {} {}", name(node), monitor(of)),
            Step::Watch(node, of) => writeln!(out, "     watch {} {}", name(node), monitor(of)),
            Step::Set(node, of) => writeln!(out, "     set {} {}", name(node), monitor(of)),
            Step::Configure(node) => writeln!(out, "     configure {}", name(node)),
            Step::Restart(node) => writeln!(out, "     restart {}", name(node)),
            Step::Join(nodes) => writeln!(out, "     join {}", names(nodes)),
            Step::Follow(node) => writeln!(out, "     follow {}", name(node)),
            Step::Settle(nodes) => writeln!(out, "     settle {}", names(nodes)),
            Step::Forget(of) => writeln!(out, "     forget {}", monitor(of)),
            Step::Leave(node) => writeln!(out, "     leave {}", name(node)),
            Step::Return(node) => writeln!(out, "     return {}", name(node)),
        };
    }
    out
}

fn check(before: &str, after: &str, expected: Expect) {
    let old = plan(before, Box::new(CountedPorts::default()));
    let new = replanned(&old, after);
    expected.assert_eq(&told(&old, &new));
}

const SENTINEL: &str = r#"
let m = master("m");
let rs = replicas("r", m, 2);
let ss = sentinels("s", 3);
monitor(ss, "mm", m, #{ quorum: 2, down_after: "1s" });
"#;

#[test]
fn places_in_the_script_and_experiments_change_nothing() {
    let after = format!("\n\n// more\n{SENTINEL}\nexperiment(\"x\", || {{ }});\n");
    check(SENTINEL, &after, expect![[""]]);
}

#[test]
fn nodes_join_and_leave_and_nobody_moves() {
    let after = r#"
let first = master("first");
let m = master("m");
let r2 = replica("r2", m);
let r3 = replica("r3", r2);
let ss = sentinels("s", 5);
monitor(ss, "mm", m, #{ quorum: 3, down_after: "1s" });
"#;
    check(
        SENTINEL,
        after,
        expect![[r#"
        first + joins: master at 127.0.0.1:6382
        r3   + joins: replica of r2 at 127.0.0.1:6383
        s4   + joins: sentinel of mm at 127.0.0.1:26382
        s5   + joins: sentinel of mm at 127.0.0.1:26383
        -    ~ mm: quorum 2 → 3
        r1   - leaves: replica of m
             join first r3 s4 s5
             set s1 mm
             set s2 mm
             set s3 mm
             settle s1 s2 s3 first r3 s4 s5
             leave r1
    "#]],
    );
}

#[test]
fn directives_are_set_live_where_the_engine_allows_it() {
    let before = r#"
let m = master("m", #{ config: #{ maxmemory: "1mb", databases: 16, hz: 20, requirepass: "a" } });
let r = replica("r", m);
"#;
    let live = r#"
let m = master("m", #{ config: #{ maxmemory: "2mb", databases: 16, requirepass: "b", save: ["900 1", "60 5"] } });
let r = replica("r", m);
"#;
    check(
        before,
        live,
        expect![[r#"
        m    ~ hz 20 → its default, set live
        m    ~ masterauth changes, set live
        m    ~ maxmemory 1mb → 2mb, set live
        m    ~ requirepass changes, set live
        m    ~ save "" → 900 1 / 60 5, set live
        r    ~ masterauth changes, set live
             configure m
             configure r
             settle m r
    "#]],
    );
    let fixed = before.replace("databases: 16", "databases: 4").replace("1mb", "3mb");
    check(
        before,
        &fixed,
        expect![[r#"
        m    ~ databases 16 → 4, with a restart
        m    ~ maxmemory 1mb → 3mb, with a restart
        m    ~ restarts: databases cannot be set while it runs
             restart m
             settle m
    "#]],
    );
    let engine = "defaults(#{ engine: \"/usr/bin/redis-server\", env: #{ A: \"b\" } });".to_owned() + before;
    check(
        before,
        &engine,
        expect![[r#"
        m    ~ restarts: runs /usr/bin/redis-server instead of Topple's engine; its environment is another
        r    ~ restarts: runs /usr/bin/redis-server instead of Topple's engine; its environment is another
             restart m
             restart r
             settle m r
    "#]],
    );
}

#[test]
fn replicas_follow_another() {
    let before =
        "let m = master(\"m\"); let n = master(\"n\"); let a = replica(\"a\", m); let b = replica(\"b\", m);";
    let after =
        "let m = master(\"m\"); let n = replica(\"n\", m); let a = replica(\"a\", n); let b = master(\"b\");";
    check(
        before,
        after,
        expect![[r#"
        n    ~ follows m
        a    ~ follows n instead of m
        b    ~ follows nobody any more: a master
             follow n
             follow a
             follow b
             settle n a b
    "#]],
    );
}

#[test]
fn monitors_come_go_and_change() {
    let before = r#"
let m = master("m"); let n = master("n");
let ss = sentinels("s", 3);
monitor(ss, "a", m, #{ quorum: 2 });
monitor(ss, "b", n, #{ quorum: 2 });
"#;
    let after = r#"
let m = master("m"); let n = master("n");
let ss = sentinels("s", 3);
monitor(ss, "a", n, #{ quorum: 2 });
monitor(ss, "c", m, #{ quorum: 1, down_after: "2s" });
"#;
    check(
        before,
        after,
        expect![[r#"
            -    ~ a is n instead of m: s1, s2, s3 begin anew
            -    - b is not monitored any more
            -    + c, master m, is monitored by s1, s2, s3
                 unwatch s1 a
                 unwatch s2 a
                 unwatch s3 a
                 unwatch s1 b
                 unwatch s2 b
                 unwatch s3 b
                 watch s1 a
                 watch s2 a
                 watch s3 a
                 watch s1 c
                 watch s2 c
                 watch s3 c
                 forget a
                 settle s1 s2 s3
        "#]],
    );
    let set = before.replace("\"a\", m, #{ quorum: 2 }", "\"a\", m, #{ quorum: 3, parallel_syncs: 2 }");
    check(
        before,
        &set,
        expect![[r#"
        -    ~ a: quorum 2 → 3
        -    ~ a: parallel-syncs 1 → 2
             set s1 a
             set s2 a
             set s3 a
             settle s1 s2 s3
    "#]],
    );
    let fewer = before.replace("monitor(ss, \"b\"", "monitor([ss[0], ss[1]], \"b\"");
    check(
        before,
        &fewer,
        expect![[r#"
            -    ~ b is monitored by s3 no more
                 unwatch s3 b
                 forget b
                 settle s1 s2
        "#]],
    );
    let script = before
        .replace("\"a\", m, #{ quorum: 2 }", "\"a\", m, #{ quorum: 2, notification_script: \"/bin/true\" }");
    check(
        before,
        &script,
        expect![[r#"
        s1   ~ restarts: the scripts of a cannot be set while it runs
        s2   ~ restarts: the scripts of a cannot be set while it runs
        s3   ~ restarts: the scripts of a cannot be set while it runs
        -    ~ a: notification-script none → /bin/true
             restart s1
             restart s2
             restart s3
             settle s1 s2 s3
    "#]],
    );
}

#[test]
fn what_a_living_topology_cannot_become_is_refused() {
    let before = "let m = master(\"m\", #{ port: 7001 }); let r = replica(\"r\", m);";
    check(
        before,
        "let m = master(\"m\", #{ port: 7002 });",
        expect![[r#"
        refused: `m` would move from 127.0.0.1:7001 to 127.0.0.1:7002; addresses do not move while a topology is up: give the node another name, or take the topology down and up again
    "#]],
    );
    check(
        before,
        "let m = master(\"m\", #{ port: 7001 }); let r = replica(\"q\", m, #{ port: 6379 });",
        expect![[r#"
            refused: `q` would join at 127.0.0.1:6379, where `r` is until it has left, and a node that is up keeps its name: give `q` another port, or save the script without it first
        "#]],
    );
    check(
        before,
        "",
        expect![[r#"
        refused: it declares no nodes any more; `topple down` takes a topology down
    "#]],
    );
    check(
        before,
        "let m = sentinel(\"m\", #{ port: 7001 }); monitor(m, \"x\", master(\"n\"), #{ quorum: 1 });",
        expect![[r#"
            refused: `m` is a master and would become a sentinel: give it another name
        "#]],
    );
    check(
        before,
        "let x = master(\"x\", #{ port: 7001 }); let m = master(\"m\");",
        expect![[r#"
            refused: `m` and `x` would both be at 127.0.0.1:7001
        "#]],
    );
}

#[test]
fn processes_are_started_anew() {
    let before = r#"let m = master("m"); let p = process("p", #{ command: ["a", "b"] });"#;
    let after = r#"let m = master("m"); let p = process("p", #{ command: ["a", "c"] }); let q = process("q", #{ command: ["z"], restart: "always" });"#;
    check(
        before,
        after,
        expect![[r#"
        q    + joins: process
        p    ~ restarts: its command is another
             restart p
             join q
    "#]],
    );
    check(
        after,
        before,
        expect![[r#"
        p    ~ restarts: its command is another
        q    - leaves: process
             restart p
             leave q
    "#]],
    );
}

#[test]
fn data_and_restart_policies_are_said_and_start_nothing_anew() {
    let before = r#"let m = master("m"); let p = process("p", #{ command: ["a"], restart: "always" });"#;
    let after = before
        .replace("\"m\"", "\"m\", #{ data: \"/tmp\", restart: \"on-failure\" }")
        .replace("always", "no");
    check(
        before,
        &after,
        expect![[r#"
        m    ~ `data` counts when the topology is brought up anew
        m    ~ restart policy no → on-failure
        p    ~ restart policy always → no
    "#]],
    );
}

#[test]
fn what_left_and_comes_again_has_its_id_and_port() {
    let first = plan(SENTINEL, Box::new(CountedPorts::default()));
    let fewer = SENTINEL.replace("\"r\", m, 2", "\"r\", m, 1");
    let second = difference(&first, &replanned(&first, &fewer)).expect("possible").target;
    let gone = first.node_named("r2").expect("declared");
    assert_eq!(second.node_named("r2"), None);
    assert_eq!(second.node(gone).name, "r2");
    let third = difference(&second, &replanned(&second, SENTINEL)).expect("possible").target;
    assert_eq!(third.node_named("r2"), Some(gone));
    assert_eq!(third.node(gone).port, first.node(gone).port);
    assert_eq!(third.monitors, first.monitors);
    assert!(third.retired.nodes.is_empty());
}

#[test]
fn every_step_can_be_taken_back() {
    let nodes = [NodeId(1), NodeId(2)];
    let join = Step::Join(nodes.to_vec());
    assert_eq!(join.undo(), [Step::Leave(NodeId(2)), Step::Leave(NodeId(1))]);
    assert_eq!(Step::Leave(NodeId(1)).undo(), [Step::Return(NodeId(1))]);
    assert_eq!(Step::Configure(NodeId(1)).undo(), [Step::Configure(NodeId(1))]);
    let monitor = crate::plan::MonitorId(0);
    assert_eq!(Step::Watch(NodeId(1), monitor).undo(), [Step::Unwatch(NodeId(1), monitor)]);
}
