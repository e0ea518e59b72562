//! Clients people use, unchanged: redis-py, redis-cli, redis-benchmark.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use super::support::clients::python;
use super::support::dataset::{Load, dataset};
use super::support::node::Node;
use super::support::server::Engine;
use super::support::wait::until;

/// Runs one of redis's programs against a node; gives its output, which must end well.
fn tool(program: &str, node: &Node, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(["-p", &node.port().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be run ({error}); tests/run installs what is needed")
        });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}{errors}");
    text
}

fn cli(node: &Node, arguments: &[&str]) -> String {
    tool("redis-cli", node, arguments)
}

/// Runs a Python script with the port as its argument.
fn script(text: &str, node: &Node) {
    let output = Command::new(python())
        .args(["-c", text, &node.port().to_string()])
        .output()
        .expect("the interpreter runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}\n{}", node.log());
    assert!(said.trim_end().ends_with("all well"), "{said}");
}

const COMMANDS: &str = r#"
import sys, redis
for protocol in (2, 3):
    r = redis.Redis(port=int(sys.argv[1]), protocol=protocol, decode_responses=True, client_name="tester")
    r.flushall()
    assert r.ping() is True
    assert r.set("a", "1", ex=100) is True and r.get("a") == "1" and 0 < r.ttl("a") <= 100
    assert r.set("a", "2", nx=True) is None and r.set("a", "3", get=True) == "1"
    assert r.incrbyfloat("f", 0.5) == 0.5
    assert r.mset({"x": 1, "y": 2}) and r.mget("x", "y", "z") == ["1", "2", None]

    with r.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set(f"key:{i}", i)
        assert pipe.execute() == [True] * 1000
    assert sorted(r.scan_iter("key:*", count=50)) == sorted(f"key:{i}" for i in range(1000))
    assert r.dbsize() == 1004

    with r.pipeline() as pipe:
        pipe.watch("balance")
        r.set("balance", "10")
        pipe.multi()
        pipe.set("balance", "20")
        try:
            pipe.execute()
            raise SystemExit("the watched key had changed")
        except redis.WatchError:
            pass
    def double(pipe):
        value = int(pipe.get("balance"))
        pipe.multi()
        pipe.set("balance", value * 2)
    assert r.transaction(double, "balance") == [True] and r.get("balance") == "20"
    with r.pipeline() as pipe:
        try:
            pipe.set("b", "x").incr("b").set("c", 1).execute()
            raise SystemExit("INCR of a word succeeded")
        except redis.ResponseError as error:
            assert "not an integer" in str(error), error
    assert r.get("c") == "1"

    info = r.client_info()
    assert info["name"] == "tester" and info["lib-name"] == "redis-py" and int(info["resp"]) == protocol, info
    assert any(c["name"] == "tester" for c in r.client_list())
    config = r.config_get("maxclients", "hz")
    assert config == {"maxclients": "10000", "hz": "10"}, config
    assert r.config_set("hz", 11) and r.config_get("hz") == {"hz": "11"} and r.config_set("hz", 10)
    assert r.info("server")["redis_version"] == "7.2.4" and r.info()["connected_clients"] >= 1
    assert r.role()[0] == "master" and r.time()[0] > 0
    assert r.lastsave()
    assert "get" in r.command() and r.command_count() > 50
    r.close()
print("all well")
"#;

const SUBSCRIBERS: &str = r#"
import sys, redis
def next_message(p):
    for _ in range(100):
        message = p.get_message(timeout=0.2)
        if message is not None:
            return message
    raise SystemExit("no message")
for protocol in (2, 3):
    r = redis.Redis(port=int(sys.argv[1]), protocol=protocol, decode_responses=True)
    p = r.pubsub()
    p.subscribe("news")
    p.psubscribe("ne*")
    assert [next_message(p)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert r.publish("news", "hello") == 2
    got = [next_message(p), next_message(p)]
    assert [m["type"] for m in got] == ["message", "pmessage"], got
    assert all(m["data"] == "hello" and m["channel"] == "news" for m in got), got
    assert r.pubsub_channels() == ["news"] and r.pubsub_numsub("news", "none") == [("news", 1), ("none", 0)]
    assert r.pubsub_numpat() == 1
    if protocol == 2:
        # redis-py takes RESP3's plain answer for a message when it decodes replies.
        p.ping()
        assert next_message(p)["type"] == "pong"
    p.unsubscribe("news")
    assert next_message(p)["type"] == "unsubscribe"
    assert r.publish("news", "again") == 1
    assert next_message(p)["pattern"] == "ne*"
    p.close()
    r.config_set("notify-keyspace-events", "KEA")
    p = r.pubsub()
    p.psubscribe("__key*__:*")
    next_message(p)
    r.set("k", "v")
    events = {(m["channel"], m["data"]) for m in (next_message(p), next_message(p))}
    assert events == {("__keyspace@0__:k", "set"), ("__keyevent@0__:set", "k")}, events
    r.config_set("notify-keyspace-events", "")
    p.close()
print("all well")
"#;

const ERRORS: &str = r#"
import sys, redis
port = int(sys.argv[1])
r = redis.Redis(port=port)
r.config_set("requirepass", "secret")
def fails(kind, call):
    try:
        call()
    except kind:
        return
    raise SystemExit(f"no {kind.__name__}")
fails(redis.AuthenticationError, lambda: redis.Redis(port=port).ping())
fails(redis.AuthenticationError, lambda: redis.Redis(port=port, password="wrong").ping())
for protocol in (2, 3):
    known = redis.Redis(port=port, password="secret", protocol=protocol, db=3)
    assert known.ping()
    fails(redis.ResponseError, lambda: known.execute_command("NOSUCH", "x"))
    fails(redis.ResponseError, lambda: known.execute_command("GET"))
    known.execute_command("SET", "k", b"\x00\xff")
    assert known.get("k") == b"\x00\xff"
    named = redis.Redis(port=port, username="default", password="secret", protocol=protocol)
    assert named.get("k") is None and named.select(3)
known.config_set("requirepass", "")
print("all well")
"#;

const REPLICA: &str = r#"
import sys, redis
r = redis.Redis(port=int(sys.argv[1]))
try:
    r.set("a", 1)
except redis.ReadOnlyError:
    print("all well")
"#;

#[test]
fn redis_py_commands_pipelines_and_transactions() {
    script(COMMANDS, &Node::start(Engine::Topple, &[]));
}

#[test]
fn redis_py_subscriptions() {
    script(SUBSCRIBERS, &Node::start(Engine::Topple, &[]));
}

#[test]
fn redis_py_passwords_and_errors() {
    script(ERRORS, &Node::start(Engine::Topple, &[]));
}

#[test]
fn redis_py_knows_a_replica_by_its_error() {
    let (master, replica) = (Node::start(Engine::Topple, &[]), Node::start(Engine::Topple, &[]));
    replica.follow(&master);
    script(REPLICA, &replica);
}

#[test]
fn redis_cli_in_its_ways_of_asking() {
    let node = Node::start(Engine::Topple, &[]);
    assert_eq!(cli(&node, &["set", "a", "hello world"]), "OK\n");
    assert_eq!(cli(&node, &["get", "a"]), "hello world\n");
    assert_eq!(cli(&node, &["-n", "2", "get", "a"]), "\n");
    assert!(cli(&node, &["info"]).contains("redis_version:7.2.4\r\n"));
    assert!(cli(&node, &["info", "replication"]).contains("role:master\r\n"));
    let hello = cli(&node, &["-3", "--no-raw", "hello", "3"]);
    assert!(hello.contains("\"proto\" => (integer) 3"), "{hello}");
    let config = cli(&node, &["-3", "--no-raw", "config", "get", "maxclients"]);
    assert_eq!(config.trim_end(), "1# \"maxclients\" => \"10000\"");
    assert_eq!(cli(&node, &["--json", "-3", "mget", "a", "b"]), "[\"hello world\",null]\n");
    let error = cli(&node, &["nosuch", "x"]);
    assert!(error.starts_with("ERR unknown command 'nosuch', with args beginning with: 'x'"), "{error}");
    node.client().call(&["CONFIG", "SET", "requirepass", "secret"]).expect("a reply");
    assert!(cli(&node, &["ping"]).starts_with("NOAUTH"));
    assert_eq!(cli(&node, &["-a", "secret", "--no-auth-warning", "ping"]), "PONG\n");
    assert_eq!(cli(&node, &["--user", "default", "--pass", "secret", "--no-auth-warning", "ping"]), "PONG\n");
}

#[test]
fn redis_cli_scans_and_looks_at_keys() {
    let node = Node::start(Engine::Topple, &[]);
    node.ok("DEBUG POPULATE 1000");
    node.ok("SET other 1");
    let mut scanned: Vec<String> = cli(&node, &["--scan"]).lines().map(str::to_string).collect();
    scanned.sort();
    let mut expected: Vec<String> = (0..1000).map(|index| format!("key:{index}")).collect();
    expected.push("other".into());
    expected.sort();
    assert_eq!(scanned, expected);
    assert_eq!(cli(&node, &["--scan", "--pattern", "oth*"]), "other\n");
    let piped = run_with_input(
        "redis-cli",
        &node,
        &["--pipe"],
        &b"*3\r\n$3\r\nSET\r\n$1\r\np\r\n$1\r\n1\r\n".repeat(500),
    );
    assert!(piped.contains("errors: 0, replies: 500"), "{piped}");
    let lines = run_with_input("redis-cli", &node, &[], b"SET \"a b\" 'c d'\nGET \"a b\"\nDEL \"a b\"\n");
    assert_eq!(lines, "OK\nc d\n1\n");
}

fn run_with_input(program: &str, node: &Node, arguments: &[&str], input: &[u8]) -> String {
    use std::io::Write as _;
    let mut child = Command::new(program)
        .args(["-p", &node.port().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn redis_cli_fetches_a_snapshot() {
    for how in ["yes", "no"] {
        let node = Node::start(Engine::Topple, &["--repl-diskless-sync", how]);
        Load::new(&node, 41).write(1_000);
        until("the near deadlines", || {
            dataset(&node).values().all(|(_, deadline)| *deadline == -1 || *deadline >= 4_102_444_800_000)
        });
        let mut reader = Node::prepare(Engine::Redis, &[]);
        let path = reader.path("dump.rdb");
        let said = cli(&node, &["--rdb", path.to_str().expect("a path of ours")]);
        assert!(path.exists(), "{said}");
        reader.launch();
        assert_eq!(dataset(&reader), dataset(&node));
        node.await_info("connected_slaves", "0");
    }
}

/// Ended with the value.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn redis_cli_shows_the_stream_as_a_replica() {
    let node = Node::start(Engine::Topple, &[]);
    node.ok("SET before 1");
    let child = Command::new("redis-cli")
        .args(["-p", &node.port().to_string(), "--replica"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-cli starts");
    let mut guard = Guard(child);
    let mut lines = BufReader::new(guard.0.stdout.take().expect("piped")).lines();
    node.await_info("connected_slaves", "1");
    // It shows nothing before the snapshot is through, and everything after it, pings too: so the reading
    // below ends.
    node.ok("CONFIG SET repl-ping-replica-period 1");
    node.ok("SET during hello");
    let found = lines.by_ref().map_while(Result::ok).take(30).any(|line| line.contains("\"during\""));
    assert!(found, "the write in the stream");
}

#[test]
fn redis_cli_repeats_a_command() {
    let node = Node::start(Engine::Topple, &[]);
    let child = Command::new("redis-cli")
        .args(["-p", &node.port().to_string(), "-r", "20", "-i", "0.01", "ping"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli starts");
    let mut guard = Guard(child);
    let mut said = String::new();
    guard.0.stdout.take().expect("piped").read_to_string(&mut said).expect("its output");
    assert_eq!(said, "PONG\n".repeat(20));
}

#[test]
fn redis_benchmark_runs() {
    let node = Node::start(Engine::Topple, &[]);
    let said = tool("redis-benchmark", &node, &["-n", "1000", "-q", "-t", "ping,set,get,incr,mset"]);
    for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
        assert!(said.contains(&format!("{test}: ")), "{test}: {said}");
    }
    assert!(!said.contains("ERR"), "{said}");
    assert_eq!(node.ok("GET counter:__rand_int__").as_int(), Some(1000));
    let said = tool(
        "redis-benchmark",
        &node,
        &["-n", "5000", "-P", "16", "-c", "20", "-q", "-r", "100", "-t", "set,get"],
    );
    assert!(said.contains("requests per second"), "{said}");
    let said = tool("redis-benchmark", &node, &["-3", "-n", "1000", "-q", "GET", "key"]);
    assert!(said.contains("requests per second"), "{said}");
}
