//! Failovers in mixed company: real and own sentinels over real and own servers, and the clients that follow.

use std::process::Command;
use std::time::Duration;

use resp::Value;

use super::support::client::Client;
use super::support::clients::{go, ioredis, python};
use super::support::topple::{Place, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(120);
const STEP: Duration = Duration::from_secs(30);
const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;

/// A drill in which `engines` (for the master, two replicas and three sentinels) are `topple` or `redis`.
fn drill(engines: [&str; 6]) -> String {
    let port = free_ports(6);
    let redis = on_path("redis-server");
    let program = |index: usize| if engines[index] == "redis" { redis.as_str() } else { "topple" };
    let node = |index: usize| format!("#{{ port: {}, engine: \"{}\" }}", port + index as u16, program(index));
    format!(
        r#"
let m = master("m", {});
let r1 = replica("r1", m, {});
let r2 = replica("r2", m, {});
let ss = [sentinel("s1", {}), sentinel("s2", {}), sentinel("s3", {})];
let mm = monitor(ss, "mm", m, #{{ quorum: 2, down_after: "500ms", failover_timeout: "10s" }});
experiment("the master dies", #{{ timeout: "100s" }}, || {{
    let t = m.kill();
    wait_event("+switch-master", "20s", #{{ count: 3 }});
    wait_until("10s", || mm.master() != m && mm.master().role() == "master");
    m.start();
    wait_until("40s", || m.role() == "slave" && m.link() == "up");
    let heir = mm.master();
    check(heir.cmd("SET", "k", "v") == "OK", "the new master takes writes");
    wait_until("10s", || m.cmd("GET", "k") == "v" && r1.cmd("GET", "k") == "v" && r2.cmd("GET", "k") == "v");
}});
"#,
        node(0),
        node(1),
        node(2),
        node(3),
        node(4),
        node(5)
    )
}

fn completes(engines: [&str; 6]) {
    let place = Place::new();
    place.write("t.rhai", &drill(engines));
    let (status, output) = place.start(&["run", "t.rhai"]).finish(LIMIT);
    assert_eq!(status.code(), Some(0), "{engines:?}\n{output}");
    place.expect_nothing_left(STEP);
}

#[test]
fn two_own_sentinels_and_a_real_one_form_a_quorum() {
    completes(["redis", "topple", "redis", "topple", "redis", "topple"]);
}

#[test]
fn two_real_sentinels_and_an_own_one_form_a_quorum() {
    completes(["topple", "redis", "topple", "redis", "topple", "redis"]);
}

#[test]
fn own_sentinels_fail_real_servers_over() {
    completes(["redis", "redis", "redis", "topple", "topple", "topple"]);
}

#[test]
fn real_sentinels_fail_own_servers_over() {
    completes(["topple", "topple", "topple", "redis", "redis", "redis"]);
}

/// Writes through redis-py's Sentinel until the master has changed under it and a write succeeded again.
const FOLLOWER: &str = r#"
import sys, time, redis
from redis.sentinel import Sentinel
ports = [int(port) for port in sys.argv[1:]]
sentinel = Sentinel([("127.0.0.1", port) for port in ports], socket_timeout=0.5)
first = sentinel.discover_master("mm")
assert len(sentinel.discover_slaves("mm")) == 2, sentinel.discover_slaves("mm")
master = sentinel.master_for("mm", socket_timeout=0.5)
replica = sentinel.slave_for("mm", socket_timeout=0.5)
master.set("before", "1")
print("ready", first[1], flush=True)
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    try:
        master.set("after", "1")
        now = sentinel.discover_master("mm")
        if now != first:
            assert master.get("after") == b"1"
            assert master.get("before") == b"1"
            print("followed to", now[1], flush=True)
            sys.exit(0)
    except redis.RedisError:
        pass
    time.sleep(0.02)
sys.exit("the master never changed")
"#;

fn cli(port: u16, words: &[&str]) -> String {
    let output =
        Command::new("redis-cli").args(["-p", &port.to_string()]).args(words).output().expect("redis-cli");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As [`FOLLOWER`], through ioredis; the first argument is where it is installed.
const NODE_FOLLOWER: &str = r#"
const [home, ...ports] = process.argv.slice(1);
const Redis = require(home + '/node_modules/ioredis');
const sentinels = ports.map((port) => ({ host: '127.0.0.1', port: Number(port) }));
const master = new Redis({ sentinels, name: 'mm', retryStrategy: () => 50, sentinelRetryStrategy: () => 50,
                           commandTimeout: 500, maxRetriesPerRequest: null });
const replica = new Redis({ sentinels, name: 'mm', role: 'slave', sentinelRetryStrategy: () => 50 });
for (const client of [master, replica]) client.on('error', () => {});
const portNow = async () => Number((await master.info('server')).match(/tcp_port:(\d+)/)[1]);
(async () => {
  await master.set('before', '1');
  const first = await portNow();
  if ((await replica.role())[0] !== 'slave') throw new Error('role slave leads to no replica');
  const deadline = Date.now() + 30000;
  while (Date.now() < deadline) {
    try {
      await master.set('after', '1');
      const now = await portNow();
      if (now !== first) {
        if (await master.get('before') !== '1') throw new Error('a write is lost');
        console.log('followed to', now);
        process.exit(0);
      }
    } catch (error) { if (error.message === 'a write is lost') throw error; }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the master never changed');
})().catch((error) => { console.error(error); process.exit(1); });
"#;

/// The clients that follow: each writes `before`, and ends with "followed to" once it writes to another master.
enum Follower {
    Python,
    Node,
    Go,
    Rust,
}

impl Follower {
    fn follow(&self, sentinels: [u16; 3]) -> Result<String, String> {
        let mut command = match self {
            Follower::Python => {
                let mut command = Command::new(python());
                command.args(["-c", FOLLOWER]);
                command
            }
            Follower::Node => {
                let mut command = Command::new("node");
                command.args(["-e", NODE_FOLLOWER]).arg(ioredis());
                command
            }
            Follower::Go => {
                let (workspace, libraries) = go();
                let mut command = Command::new("go");
                command.args(["run", "tests/e2e/support/follower.go"]).current_dir(&workspace);
                command.env("GO111MODULE", "off").env("GOPATH", libraries);
                command.env("GOCACHE", workspace.join("target/clients/go"));
                command
            }
            Follower::Rust => return follow_in_rust(sentinels).map_err(|error| error.to_string()),
        };
        let output =
            command.args(sentinels.map(|port| port.to_string())).output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(said),
            false => Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr))),
        }
    }
}

/// As [`FOLLOWER`], through the `redis` crate.
fn follow_in_rust(sentinels: [u16; 3]) -> redis::RedisResult<String> {
    use redis::Commands as _;
    use redis::sentinel::{SentinelClient, SentinelServerType};
    let client = |server| {
        let urls = sentinels.map(|port| format!("redis://127.0.0.1:{port}")).to_vec();
        SentinelClient::build(urls, "mm".to_owned(), None, server)
    };
    let port_of = |connection: &mut redis::Connection| -> redis::RedisResult<String> {
        let info: redis::InfoDict = redis::cmd("INFO").query(connection)?;
        Ok(info.get::<String>("tcp_port").unwrap_or_default())
    };
    let mut replicas = client(SentinelServerType::Replica)?;
    let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut replicas.get_connection()?)?;
    assert_eq!(role.first(), Some(&redis::Value::BulkString(b"slave".to_vec())));
    let mut master = client(SentinelServerType::Master)?;
    let mut connection = master.get_connection()?;
    let first = port_of(&mut connection)?;
    let _: () = connection.set("before", "1")?;
    let mut follow = || -> redis::RedisResult<Option<String>> {
        let mut connection = master.get_connection()?;
        connection.set_read_timeout(Some(Duration::from_millis(500)))?;
        let _: () = connection.set("after", "1")?;
        let now = port_of(&mut connection)?;
        let before: String = connection.get("before")?;
        Ok((now != first && before == "1").then(|| format!("followed to {now}")))
    };
    let deadline = std::time::Instant::now() + STEP;
    loop {
        match follow() {
            Ok(Some(said)) => return Ok(said),
            Err(error) if std::time::Instant::now() >= deadline => return Err(error),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn redis_py_and_redis_cli_follow_a_failover() {
    follows(Follower::Python);
}

#[test]
fn ioredis_follows_a_failover() {
    follows(Follower::Node);
}

#[test]
fn redigo_follows_a_failover() {
    follows(Follower::Go);
}

#[test]
fn the_redis_crate_follows_a_failover() {
    follows(Follower::Rust);
}

fn follows(client: Follower) {
    let (place, port) = (Place::new(), free_ports(6));
    let script = format!(
        "let m = master(\"m\", #{{ port: {port} }});\nreplicas(\"r\", m, 2, #{{ port: {} }});\n\
         let ss = sentinels(\"s\", 3, #{{ port: {} }});\nmonitor(ss, \"mm\", m, #{{ quorum: 2, down_after: \"500ms\" }});\n",
        port + 1,
        port + 3
    );
    place.write("t.rhai", &script);
    let mut topology = place.start(&["up", "t.rhai"]);
    topology.wait_for("Ctrl-C stops", STEP);
    let sentinels = [port + 3, port + 4, port + 5];
    let follower = std::thread::spawn(move || client.follow(sentinels));
    assert_eq!(cli(port + 3, &["sentinel", "get-master-addr-by-name", "mm"]), format!("127.0.0.1\n{port}\n"));
    // The write before the failover must be on a replica before the master dies.
    super::support::wait::until("both replicas have the first write", || {
        [port + 1, port + 2].iter().all(|port| cli(*port, &["get", "before"]) == "1\n")
    });
    let mut master = Client::connect(port).expect("the master");
    let info = match master.call(&["INFO", "server"]).expect("INFO") {
        Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}"),
    };
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).expect("a pid");
    sys::signal_process(pid.trim().parse().expect("a pid"), SIGKILL).expect("the master ran");
    let said = follower.join().expect("the client's thread ends");
    assert!(said.as_ref().is_ok_and(|said| said.contains("followed to")), "{said:?}");
    let heir = cli(port + 4, &["sentinel", "get-master-addr-by-name", "mm"]);
    assert!(!heir.contains(&format!("\n{port}\n")), "{heir}");
    assert_eq!(cli(port + 5, &["sentinel", "ckquorum", "mm"]).split(' ').next(), Some("OK"));
    topology.signal(SIGINT);
    let (status, output) = topology.finish(STEP);
    assert_eq!(status.code(), Some(0), "{output}");
    place.expect_nothing_left(STEP);
}
