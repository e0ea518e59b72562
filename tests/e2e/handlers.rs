//! Handlers on real processes: with an experiment, and in a topology that only is up.

use std::time::{Duration, Instant};

use super::support::topple::{Place, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(60);

fn script(engine: &str) -> String {
    let port = free_ports(6);
    format!(
        r#"
defaults(#{{ engine: "{engine}" }});
let m = master("m", #{{ port: {port} }});
let rs = replicas("r", m, 2, #{{ port: {} }});
let ss = sentinels("s", 3, #{{ port: {} }});
let mm = monitor(ss, "mm", m, #{{ quorum: 2, down_after: "2s", failover_timeout: "10s" }});
on_ready(|| {{ m.cmd("SET", "seed", "1"); }});
on_event("+switch-master", #{{ from: ss[0] }}, |e| {{
    wait_until("10s", || mm.master().role() == "master");
    mm.master().config_set("maxmemory", "100mb");
    if !m.running() {{ m.start(); }}
    print(`restarted after ${{e.text}}`);
}});
experiment("the handler mends it", || {{
    check(m.cmd("GET", "seed") == "1", "on_ready has run");
    during_snapshot(m, || m.kill());
    wait_until("30s", || m.role() == "slave" && m.link() == "up");
    check(mm.master().cmd("CONFIG", "GET", "maxmemory")[1] == "104857600", "the handler has set it");
    check(mm.master().cmd("GET", "seed") == "1");
}});
"#,
        port + 1,
        port + 3
    )
}

fn experiment_on(engine: &str) {
    let place = Place::new();
    place.write("t.rhai", &script(engine));
    let (status, output) = place.start(&["run", "t.rhai"]).finish(LIMIT);
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("restarted after mm"), "{output}");
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn handlers_mend_what_an_experiment_breaks() {
    experiment_on("topple");
}

#[test]
fn handlers_mend_what_an_experiment_breaks_on_real_servers() {
    experiment_on(&on_path("redis-server"));
}

#[test]
fn handlers_work_in_a_topology_in_the_background() {
    let place = Place::new();
    place.write("t.rhai", &script("topple"));
    let (status, output) = place.start(&["up", "-d", "t.rhai"]).finish(LIMIT);
    assert_eq!(status.code(), Some(0), "{output}");
    let topple = |args: &[&str]| place.start(args).finish(LIMIT).1;
    assert_eq!(topple(&["cli", "m", "GET", "seed"]).trim(), "1");
    topple(&["kill", "mm:master"]);
    let deadline = Instant::now() + LIMIT;
    while !topple(&["events"]).contains("restarted after mm") {
        assert!(Instant::now() < deadline, "{}", topple(&["events"]));
        std::thread::sleep(Duration::from_millis(20));
    }
    topple(&["down"]);
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn an_on_ready_that_fails_ends_the_topology_with_its_exit_code() {
    for (body, code, says) in [
        ("require(m.role() == \"slave\", \"it is a slave\");", 1, "required: it is a slave"),
        ("m.cmd(\"NOSUCH\");", 2, "answered NOSUCH with an error"),
    ] {
        let place = Place::new();
        let port = free_ports(1);
        let script = format!("let m = master(\"m\", #{{ port: {port} }});\non_ready(|| {{ {body} }});\n");
        place.write("t.rhai", &script);
        for args in [&["up", "t.rhai"][..], &["up", "-d", "t.rhai"]] {
            let (status, output) = place.start(args).finish(LIMIT);
            assert_eq!(status.code(), Some(code), "{output}");
            assert!(output.contains(says) && output.contains("t.rhai:2:"), "{output}");
            assert_eq!(place.processes(), [""; 0], "{output}");
        }
    }
}
