//! Starting: the command line, configuration files and what is wrong with them, where the server listens,
//! the background.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::support::client::Client;
use super::support::node::{Node, free_port, program};
use super::support::server::Engine;
use super::support::topple::Place;
use super::support::wait::{obtain, until};

/// Runs a program that is expected to end by itself, with something on its standard input.
fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let mut over = false;
    for _ in 0..6_000 {
        over = child.try_wait().expect("our child").is_some();
        if over {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if !over {
        // A server that starts after all would run for ever.
        child.kill().expect("our child");
    }
    child.wait_with_output().expect("its output")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Starts our server on a configuration that it must refuse; gives what it says.
fn refused(directory: &TempDir, config: &str) -> String {
    let path = directory.path().join("server.conf");
    fs::write(&path, config).expect("a file");
    let output = run(program(Engine::Topple).arg(&path).current_dir(directory), "");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    text(&output)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn version_and_help() {
    for argument in ["--version", "-v"] {
        let output = run(program(Engine::Topple).arg(argument), "");
        assert!(output.status.success());
        assert!(text(&output).starts_with("Redis server v=7.2.4 sha="), "{}", text(&output));
    }
    for argument in ["--help", "-h"] {
        let output = run(program(Engine::Topple).arg(argument), "");
        assert!(output.status.success());
        assert!(text(&output).contains("Usage: "), "{}", text(&output));
    }
}

#[test]
fn an_unknown_directive_is_named_with_its_line_and_the_nearest() {
    let directory = directory();
    let said = refused(&directory, "# a comment\nport 0\n\nmaxclient 100\n");
    assert!(said.contains("*** FATAL CONFIG FILE ERROR"), "{said}");
    assert!(said.contains("at line 4"), "{said}");
    assert!(said.contains(">>> 'maxclient 100'"), "{said}");
    assert!(said.contains("did you mean 'maxclients'?"), "{said}");
    let output = run(program(Engine::Topple).args(["--apendonly", "no"]), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("did you mean 'appendonly'?"), "{}", text(&output));
}

#[test]
fn wrong_values_are_refused_with_the_reason() {
    let directory = directory();
    for (line, reason) in [
        ("port many", "argument couldn't be parsed into an integer"),
        ("port 70000", "argument must be between 0 and 65535 inclusive"),
        ("daemonize maybe", "argument must be 'yes' or 'no'"),
        ("save 900", "Invalid save parameters"),
        ("repl-backlog-size much", "argument must be a memory value"),
        ("loglevel loud", "argument(s) must be one of the following"),
        ("requirepass \"open", "Unbalanced quotes in configuration line"),
        ("cluster-enabled yes", "not supported by this version"),
        ("include missing.conf", "missing.conf"),
    ] {
        let said = refused(&directory, &format!("{line}\n"));
        assert!(said.contains(reason), "{line}: {said}");
        assert!(said.contains("at line 1") && said.contains(line), "{said}");
    }
}

#[test]
fn a_file_or_directory_that_is_not_there() {
    let output = run(program(Engine::Topple).arg("nowhere/server.conf"), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("can't open config file"), "{}", text(&output));
    let output = run(program(Engine::Topple).args(["--dir", "/nowhere/at/all"]), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("Can't chdir to '/nowhere/at/all'"), "{}", text(&output));
}

#[test]
fn a_taken_port_ends_the_start_with_the_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let directory = directory();
    let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1"];
    for engine in [Engine::Topple, Engine::Redis] {
        let output = run(program(engine).args(arguments).current_dir(&directory), "");
        assert_eq!(output.status.code(), Some(1), "{engine:?}");
        let said = text(&output);
        let reason = format!(
            "Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use"
        );
        assert!(said.contains(&reason), "{engine:?}: {said}");
        assert!(!said.contains("Ready to accept connections"), "{said}");
    }
}

#[test]
fn the_log_begins_as_people_know_it() {
    let node = Node::start(Engine::Topple, &[]);
    let log = node.log();
    for line in [
        "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo".to_string(),
        "Server initialized".into(),
        "Ready to accept connections tcp".into(),
        format!("Port: {}", node.port()),
        format!("PID: {}", node.pid()),
        format!("{}:M ", node.pid()),
    ] {
        assert!(log.contains(&line), "{line:?} in {log}");
    }
}

/// A node with a configuration file and nothing else.
fn configured(config: &str) -> Node {
    let port = free_port();
    let mut node = Node::with_arguments(Engine::Topple, port, vec!["server.conf".into()]);
    let usual = format!("port {port}\nbind 127.0.0.1\nsave \"\"\n");
    fs::write(node.path("server.conf"), usual + config).expect("a file");
    node.launch();
    node
}

fn setting(node: &Node, name: &str) -> String {
    let reply = node.ok(&format!("CONFIG GET {name}"));
    reply.as_array().and_then(|pair| pair.get(1)?.to_text()).unwrap_or_else(|| panic!("no {name}: {reply:?}"))
}

#[test]
fn includes_are_read_where_they_stand() {
    let port = free_port();
    let mut node = Node::with_arguments(Engine::Topple, port, vec!["server.conf".into()]);
    let write = |name: &str, text: &str| fs::write(node.path(name), text).expect("a file");
    write("server.conf", &format!("port {port}\nmaxclients 11\ninclude more.conf\nhz 20\n"));
    write("more.conf", "maxclients 22\nhz 30\ninclude most.conf\n");
    write("most.conf", "repl-backlog-size 2mb\n");
    node.launch();
    assert_eq!(setting(&node, "maxclients"), "22", "the include comes later");
    assert_eq!(setting(&node, "hz"), "20", "the file goes on after it");
    assert_eq!(setting(&node, "repl-backlog-size"), "2097152");
}

#[test]
fn options_outweigh_the_file() {
    let port = free_port();
    let arguments = ["server.conf", "--port", &port.to_string(), "--hz", "44", "--save", "60", "5"];
    let mut node =
        Node::with_arguments(Engine::Topple, port, arguments.iter().map(ToString::to_string).collect());
    fs::write(node.path("server.conf"), "port 1\nhz 33\nmaxclients 55\n").expect("a file");
    node.launch();
    assert_eq!(setting(&node, "hz"), "44");
    assert_eq!(setting(&node, "maxclients"), "55");
    assert_eq!(setting(&node, "save"), "60 5");
    assert_eq!(node.info("config_file"), node.path("server.conf").display().to_string());
}

#[test]
fn a_configuration_from_standard_input() {
    let port = free_port();
    let mut node = Node::with_arguments(Engine::Topple, port, vec!["-".into(), "--hz".into(), "66".into()]);
    node.set_input(format!("port {port}\nbind 127.0.0.1\nsave \"\"\nmaxclients 77\nhz 55\n"));
    node.launch();
    assert_eq!(setting(&node, "maxclients"), "77");
    assert_eq!(setting(&node, "hz"), "66", "options come after it");
}

#[test]
fn a_rewritten_file_means_the_same_after_a_restart() {
    let mut node = configured("# kept as it is\nmaxclients 100\n\nhz 10\n");
    let other = Node::start(Engine::Topple, &[]);
    for (name, value) in [
        ("maxclients", "200"),
        ("save", "900 1 300 10"),
        ("client-output-buffer-limit", "pubsub 1mb 512kb 30"),
        ("notify-keyspace-events", "KEx"),
        ("repl-backlog-size", "3mb"),
    ] {
        let reply = node.client().call(&["CONFIG", "SET", name, value]).expect("a reply");
        assert_eq!(reply.as_error(), None, "{name}");
    }
    node.ok(&format!("REPLICAOF 127.0.0.1 {}", other.port()));
    let mut client = node.client();
    client.call(&["CONFIG", "SET", "requirepass", "a \"secret\" \\ word"]).expect("a reply");
    let all = |client: &mut Client| client.line("CONFIG GET *").expect("a reply");
    let before = all(&mut client);
    assert_eq!(client.line("CONFIG REWRITE").expect("a reply").as_error(), None);
    let file = fs::read_to_string(node.path("server.conf")).expect("the file");
    assert!(file.contains("# kept as it is\nmaxclients 200\n"), "{file}");
    assert!(file.contains("# Generated by CONFIG REWRITE"), "{file}");
    assert!(file.contains(&format!("replicaof 127.0.0.1 {}", other.port())), "{file}");

    node.kill();
    node.spawn();
    let mut client = obtain("a connection", || {
        let mut client = Client::connect(node.port()).ok()?;
        let reply = client.call(&["AUTH", "a \"secret\" \\ word"]).ok()?;
        reply.as_error().is_none().then_some(client)
    });
    assert_eq!(all(&mut client), before);
    // Rewritten again, nothing changes.
    assert_eq!(client.line("CONFIG REWRITE").expect("a reply").as_error(), None);
    assert_eq!(fs::read_to_string(node.path("server.conf")).expect("the file"), file);
    assert!(real_reads(&node.path("server.conf")), "the real server takes the file too: {file}");
}

/// Whether the real server starts on a configuration file (with another port, and as a master).
fn real_reads(path: &Path) -> bool {
    let text = fs::read_to_string(path).expect("the file");
    let lines = text.lines().filter(|line| !line.starts_with("port ") && !line.starts_with("replicaof "));
    let port = free_port();
    let mut node = Node::with_arguments(Engine::Redis, port, vec!["server.conf".into()]);
    let text = lines.collect::<Vec<_>>().join("\n") + &format!("\nport {port}\ndir .\n");
    fs::write(node.path("server.conf"), text).expect("a file");
    node.spawn();
    let started = obtain("the start or the end of the real server", || {
        let log = node.log();
        match log.contains("Ready to accept connections") {
            true => Some(true),
            false => log.contains("FATAL CONFIG").then_some(false),
        }
    });
    assert!(started, "{}", node.log());
    started
}

#[test]
fn a_rewrite_without_a_file_is_an_error() {
    let node = Node::start(Engine::Topple, &[]);
    let error = node.cmd("CONFIG REWRITE").as_error();
    assert_eq!(error.as_deref(), Some("ERR The server is running without a config file"));
    let error = node.cmd("CONFIG SET databases 1").as_error().unwrap_or_default();
    assert!(error.contains("can't set immutable config"), "{error}");
    let error = node.cmd("CONFIG SET maxclients many").as_error().unwrap_or_default();
    assert!(
        error.starts_with("ERR CONFIG SET failed (possibly related to argument 'maxclients')"),
        "{error}"
    );
    // All or nothing.
    assert!(node.cmd("CONFIG SET maxclients 123 hz many").as_error().is_some());
    assert_eq!(setting(&node, "maxclients"), "10000");
}

#[test]
fn in_the_background_with_a_pid_file() {
    // Ends what was started in it, in the background too.
    let (place, port) = (Place::new(), free_port());
    let (pidfile, logfile) = (place.path().join("server.pid"), place.path().join("server.log"));
    let status = program(Engine::Topple)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "yes"])
        .arg("--pidfile")
        .arg(&pidfile)
        .arg("--logfile")
        .arg(&logfile)
        .current_dir(place.path())
        .stdout(Stdio::null())
        .status()
        .expect("the program starts");
    assert!(status.success(), "the parent ends well while the server goes on");
    let mut client = obtain("a connection", || Client::connect(port).ok());
    let info = client.line("INFO server").expect("a reply").to_text().expect("a text");
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).expect("its pid").to_string();
    let written = fs::read_to_string(&pidfile).expect("the pid file");
    assert_eq!(written.trim(), pid);
    assert!(fs::read_to_string(&logfile).expect("the log").contains("Ready to accept connections"));
    assert!(client.line("SHUTDOWN NOSAVE").is_err());
    until("the end of the server", || !Path::new(&format!("/proc/{pid}")).exists());
    assert!(!pidfile.exists(), "the pid file goes with the server");
}

#[test]
fn a_unix_socket_beside_or_instead_of_a_port() {
    use std::io::Read as _;
    let node = configured("unixsocket server.sock\nunixsocketperm 700\n");
    let ask = |path: &Path| {
        let mut stream = UnixStream::connect(path).expect("a connection");
        stream.write_all(b"PING\r\n").expect("it reads");
        let mut pong = [0; 7];
        stream.read_exact(&mut pong).expect("a reply");
        pong
    };
    assert_eq!(&ask(&node.path("server.sock")), b"+PONG\r\n");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(node.path("server.sock")).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(node.log().contains("Ready to accept connections unix"), "{}", node.log());

    let mut only = Node::prepare(Engine::Topple, &["--port", "0", "--unixsocket", "only.sock"]);
    only.spawn();
    only.await_log("Ready to accept connections unix", 1);
    assert_eq!(&ask(&only.path("only.sock")), b"+PONG\r\n");
}

#[test]
fn several_addresses() {
    let port = free_port();
    let arguments =
        ["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1", "127.0.0.3", "-192.0.2.1"];
    let mut node =
        Node::with_arguments(Engine::Topple, port, arguments.iter().map(ToString::to_string).collect());
    node.launch();
    for (ip, there) in [([127, 0, 0, 1], true), ([127, 0, 0, 3], true), ([127, 0, 0, 2], false)] {
        assert_eq!(TcpStream::connect((Ipv4Addr::from(ip), port)).is_ok(), there, "{ip:?}");
    }
    assert_eq!(setting(&node, "bind"), "127.0.0.1 127.0.0.3 -192.0.2.1");
    // An address that must be there and is not.
    let output = run(program(Engine::Topple).args(["--port", "0", "--bind", "192.0.2.1"]), "");
    assert_eq!(output.status.code(), Some(1), "nothing to listen on");
    let port = free_port().to_string();
    let output = run(program(Engine::Topple).args(["--port", &port, "--bind", "192.0.2.1"]), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("192.0.2.1"), "{}", text(&output));
}

/// Called by the name of Redis's own program, it is that program.
#[test]
fn called_as_redis_server() {
    let port = free_port();
    let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""];
    let mut node =
        Node::with_arguments(Engine::Topple, port, arguments.iter().map(ToString::to_string).collect());
    let link = node.path("redis-server");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_topple"), &link).expect("a link");
    node.set_program(link);
    node.launch();
    assert_eq!(node.info("tcp_port"), port.to_string());
}
