//! What scripts declare: plans, ports, defaults, parameters, imports.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use expect_test::expect;

use super::{declares, evaluated, script};
use crate::lang::script::BUILT_IN_TOPOLOGIES;
use crate::lang::{Inputs, Script, evaluate, render_all};
use crate::plan::EngineChoice;
use crate::ports::{CountedPorts, RecordedPorts};

#[test]
fn a_process_is_a_node_without_a_port() {
    declares(
        r#"
let ss = sentinels("s", 2, #{ port: 26379 });
monitor(ss, "mm", master("m", #{ port: 6379 }), #{ quorum: 2 });
let app = process("app", #{ command: ["./app", 7], env: #{ AT: addresses(ss) }, ready: "up" });
let job = process("job", #{ command: ["/bin/true"] });
"#,
        expect![[r#"
            s1 sentinel 127.0.0.1:26379 line 2
            s2 sentinel 127.0.0.1:26380 line 2
            m master 127.0.0.1:6379 line 3
            app process ["./app", "7"] in /scripts Some("up") {"AT": "127.0.0.1:26379,127.0.0.1:26380"} 127.0.0.1:0 line 4
            job process ["/bin/true"] in /scripts None {} 127.0.0.1:0 line 5
            monitor mm quorum 2 down after 30s, 2 sentinels
        "#]],
    );
}

#[test]
fn the_design_s_example_declares_its_plan() {
    declares(
        r#"
let m  = master("m", #{ port: 6379, config: #{ "repl-backlog-size": "2mb" } });
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
            m master 127.0.0.1:6379 {"repl-backlog-size": "2mb"} line 2
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
defaults(#{ config: #{ "repl-diskless-sync": true, hz: 10 }, sentinel_config: #{ loglevel: "debug" } });
let m = master("m", #{ config: #{ hz: 20, save: ["900 1", "300 10"] } });
defaults(#{ config: #{ maxclients: 100 } });
replica("r", m);
let s = sentinel("s");
monitor(s, "mymaster", m);
"#,
        expect![[r#"
            m master 127.0.0.1:6379 {"hz": "20", "repl-diskless-sync": "yes", "save": "900 1\n300 10"} line 3
            r replica of m 127.0.0.1:6380 {"hz": "10", "maxclients": "100", "repl-diskless-sync": "yes"} line 5
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
                // One script is missing on purpose there: the warning is part of what it shows.
                let warnings = usize::from(*name == "notification-scripts");
                assert_eq!(
                    evaluation.warnings.len(),
                    warnings,
                    "{}",
                    render_all(&evaluation.warnings, false)
                );
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
        error: there is no script DIR/nowhere.rhai to import
          --> t.rhai:1:8
           |
         1 | import "nowhere" as c;
           |        ^^^^^^^^^

    "#]]
    .assert_eq(&text);
}

#[test]
fn an_evaluation_keeps_no_copy_of_the_script() {
    let script = script("let m = master(\"m\"); experiment(\"e\", || { m.kill(); });");
    let evaluation = evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default()));
    assert!(evaluation.is_ok());
    assert_eq!(Rc::strong_count(&script), 1);
}
