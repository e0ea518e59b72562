//! What `topple check` warns of comes to pass with real servers, and what they take it does not warn of.

use std::time::Duration;

use super::support::server::{Engine, Server};
use super::support::topple::{Place, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(60);

fn topple(place: &Place, args: &[&str]) -> (i32, String) {
    let (status, output) = place.start(args).finish(LIMIT);
    (status.code().expect("an exit code"), output)
}

#[test]
fn a_directive_that_is_warned_of_keeps_the_real_server_from_starting() {
    let (place, server, port) = (Place::new(), on_path("redis-server"), free_ports(1));
    let script = |name: &str| {
        let config = format!("config: #{{ \"{name}\": 5 }}");
        format!(
            "master(\"m\", #{{ engine: \"{server}\", port: {port}, {config} }}); experiment(\"e\", || {{}});"
        )
    };
    for (name, known) in
        [("zset-max-listpack-entries", true), ("set-max-listpack-entries", false), ("maxmemry", false)]
    {
        place.write("t.rhai", &script(name));
        let warned = topple(&place, &["check", "t.rhai"]).1.contains("does not know the directive");
        let (code, output) = topple(&place, &["run", "t.rhai"]);
        let refused = output.contains("Bad directive or wrong number of arguments");
        assert_eq!((warned, refused, code == 0), (!known, !known, known), "{name}: {output}");
    }
}

#[test]
fn no_directive_that_the_real_server_has_is_warned_of() {
    let place = Place::new();
    let real = Server::start(Engine::Redis, &[]);
    let all = real.client().call(&["CONFIG", "GET", "*"]).expect("a reply");
    let names: Vec<String> = all
        .as_array()
        .expect("pairs")
        .chunks(2)
        .filter_map(|pair| pair[0].to_text())
        .filter(|name| !GENERATED.contains(&name.as_str()))
        .map(|name| format!("\"{name}\": \"x\""))
        .collect();
    assert!(names.len() > 150, "{names:?}");
    let config = names.join(", ");
    place.write(
        "t.rhai",
        &format!("master(\"m\", #{{ engine: \"redis-server\", config: #{{ {config} }} }});"),
    );
    let (code, output) = topple(&place, &["check", "t.rhai"]);
    assert_eq!((code, output.trim()), (0, "t.rhai: no mistakes found"));
}

/// What scripts say otherwise.
const GENERATED: &[&str] = &[
    "port",
    "bind",
    "dir",
    "daemonize",
    "logfile",
    "pidfile",
    "syslog-enabled",
    "replicaof",
    "slaveof",
    "cluster-enabled",
];

#[test]
fn a_dump_beside_no_append_only_file_is_not_read_as_check_says() {
    let (place, server, port) = (Place::new(), on_path("redis-server"), free_ports(4));
    let seed = place.path().join("seed");
    std::fs::create_dir(&seed).expect("a folder");
    let writer = Server::start(Engine::Topple, &["--dir", &seed.display().to_string()]);
    let mut client = writer.client();
    for words in [&["SET", "key", "value"][..], &["SAVE"]] {
        assert_eq!(client.call(words).expect("a reply").as_bytes(), Some(b"OK".as_slice()));
    }
    drop(writer);
    place.write(
        "t.rhai",
        &format!(
            r#"
let ours = master("ours", #{{ port: {port}, data: "seed", config: #{{ appendonly: "yes" }} }});
let real = master("real", #{{ port: {}, data: "seed", engine: "{server}", config: #{{ appendonly: "yes" }} }});
let late = master("late", #{{ port: {}, data: "seed" }});
on_ready(|| config_set(late, "appendonly", "yes"));
experiment("who has it", || {{
    check(ours.cmd("DBSIZE") == 0 && real.cmd("DBSIZE") == 0 && late.cmd("DBSIZE") == 1);
}});
"#,
            port + 1,
            port + 2
        ),
    );
    let (_, warned) = topple(&place, &["check", "t.rhai"]);
    assert_eq!(warned.matches("dump.rdb is not read").count(), 2, "{warned}");
    assert!(warned.contains("t.rhai:2:"), "{warned}");
    let (code, output) = topple(&place, &["run", "t.rhai"]);
    assert_eq!(code, 0, "{output}");
}
