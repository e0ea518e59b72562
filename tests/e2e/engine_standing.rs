//! How a server stands in its system, as its configuration asks: renamed commands, included files, signals
//! with options, supervisors, titles and the kernel's choice when memory is out, a restart in place.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::support::client::Client;
use super::support::node::{Node, SIGTERM, free_port};
use super::support::server::Engine;
use super::support::wait::until;

/// Our server on a configuration file, not started yet.
fn configured(config: &str) -> Node {
    let port = free_port();
    let node = Node::with_arguments(Engine::Topple, port, vec!["server.conf".into()]);
    fs::write(node.path("server.conf"), format!("port {port}\nbind 127.0.0.1\n{config}")).expect("a file");
    node
}

#[test]
fn renamed_commands_and_included_files() {
    let config = "include *.part\ninclude none*.at.all\nrename-command FLUSHALL \"\"\n";
    let mut node = configured(config);
    for (name, text) in
        [("1.part", "maxmemory 100mb\n"), ("2.part", "maxmemory 200mb\nrename-command GET fetch\n")]
    {
        fs::write(node.path(name), text).expect("a file");
    }
    node.launch();
    assert_eq!(node.figure("maxmemory"), 200 << 20, "files come in order of their names");
    node.ok("SET k v");
    assert_eq!(node.ok("FETCH k").to_text().as_deref(), Some("v"));
    for gone in ["GET k", "FLUSHALL"] {
        let error = node.cmd(gone).as_error().unwrap_or_default();
        assert!(error.starts_with("ERR unknown command"), "{gone}: {error}");
    }
}

#[test]
fn a_signal_means_what_the_configuration_says() {
    let mut node = configured("save 3600 1000\nshutdown-on-sigterm nosave\n");
    node.launch();
    node.ok("SET k v");
    node.signal(SIGTERM);
    assert_eq!(node.ended().code(), Some(0));
    assert!(node.snapshots().is_empty());
}

#[test]
fn a_supervisor_is_told_that_the_server_is_ready() {
    let mut node = Node::prepare(Engine::Topple, &["--supervised", "systemd"]);
    let path = node.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    node.set_variable("NOTIFY_SOCKET", &path.to_string_lossy());
    node.launch();
    let mut message = [0; 200];
    let length = socket.recv(&mut message).expect("a message");
    assert!(String::from_utf8_lossy(&message[..length]).contains("READY=1"));
    assert_eq!(node.info("process_supervised"), "systemd");
}

#[test]
fn titles_and_scores_for_the_kernel() {
    let node = Node::start(
        Engine::Topple,
        &["--oom-score-adj", "yes", "--oom-score-adj-values", "10", "300", "900"],
    );
    let read = |name: &str| {
        let bytes = fs::read(format!("/proc/{}/{name}", node.pid())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_string()
    };
    let base: i32 =
        fs::read_to_string("/proc/self/oom_score_adj").expect("a score").trim().parse().expect("a number");
    assert_eq!(read("oom_score_adj"), (base + 10).min(1000).to_string());
    assert_eq!(read("cmdline"), format!("redis-server 127.0.0.1:{}", node.port()));
    let set = node.client().call(&["CONFIG", "SET", "proc-title-template", "{title} on {port}"]);
    assert_eq!(set.expect("a reply").as_bytes(), Some(&b"OK"[..]));
    assert_eq!(read("cmdline"), format!("redis-server on {}", node.port()));
    node.ok("REPLICAOF 127.0.0.1 1");
    until("a replica's score", || read("oom_score_adj") == (base + 300).min(1000).to_string());
}

#[test]
fn a_restart_in_place() {
    let node = Node::start(Engine::Topple, &["--save", "3600 1000"]);
    node.ok("SET k v");
    let (pid, run) = (node.info("process_id"), node.info("run_id"));
    assert!(node.client().line("DEBUG RESTART").is_err(), "the connection ends with the old program");
    until("the new one", || Client::connect(node.port()).is_ok_and(|mut client| client.line("PING").is_ok()));
    until("its data", || {
        let value = Client::connect(node.port()).and_then(|mut client| client.line("GET k"));
        value.is_ok_and(|value| value.to_text().as_deref() == Some("v"))
    });
    assert_eq!(node.info("process_id"), pid);
    assert_ne!(node.info("run_id"), run);
}
