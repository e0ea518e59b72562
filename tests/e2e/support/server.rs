//! One server process for a test, ours or the real `redis-server`: on a free port, in a directory of its
//! own, and gone with the value.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Client;

/// How long a server may take to answer its first PING.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Another process may take the port that was free a moment ago.
const START_TRIES: usize = 3;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Ours.
    Topple,
    /// The real one, that is on the path.
    Redis,
}

/// A running server.
pub struct Server {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Server {
    /// Starts a server without snapshots, with more directives as on a command line
    /// (`["--maxmemory", "1mb"]`), and waits until it answers.
    pub fn start(engine: Engine, directives: &[&str]) -> Server {
        let mut failure = String::new();
        for _ in 0..START_TRIES {
            match Server::try_start(engine, directives) {
                Ok(server) => return server,
                Err(log) => failure = log,
            }
        }
        panic!("the server of {engine:?} did not start; its log:\n{failure}");
    }

    fn try_start(engine: Engine, directives: &[&str]) -> Result<Server, String> {
        let directory = tempfile::tempdir().expect("a directory for the server");
        let port = free_port();
        let log_path = directory.path().join("log");
        let log = File::create(&log_path).expect("the server's log");
        let mut command = match engine {
            Engine::Redis => Command::new("redis-server"),
            Engine::Topple => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_topple"));
                command.arg("server");
                command
            }
        };
        let child = command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .arg("--dir")
            .arg(directory.path())
            .args(directives)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("the server's log"))
            .stdout(log)
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("the server of {engine:?} cannot be run ({error}); tests/run installs what the tests need")
        });
        let mut server = Server { child, port, _directory: directory };
        match server.answers() {
            true => Ok(server),
            false => Err(std::fs::read_to_string(log_path).unwrap_or_default()),
        }
    }

    /// Waits for the first PONG; false when the process has ended or takes too long.
    fn answers(&mut self) -> bool {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline && self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let pong = Client::connect(self.port).and_then(|mut client| client.line("PING"));
            if pong.is_ok_and(|pong| pong.as_bytes() == Some(b"PONG")) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("a connection to a server that has answered")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of 127.0.0.1 that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("the port's number").port()
}
