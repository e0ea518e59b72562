//! A server process that a test stops, damages and starts again in the same place: it keeps its directory,
//! its port and its log over restarts.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use resp::Value;
use tempfile::TempDir;

use super::client::Client;
use super::server::Engine;
use super::wait::{obtain_or, until};

/// Signals by number, for [`Node::signal`].
pub const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

/// Ports from here on are not given to outgoing connections, so that a server finds its own again.
const FIRST_PORT: u16 = 21_000;
const PORTS: u16 = 10_000;
const START_TRIES: usize = 5;

/// A server and its place.
pub struct Node {
    engine: Engine,
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
    child: Option<Child>,
    /// What it reads from its standard input.
    input: String,
    /// The program to run instead of the engine's own.
    program: Option<PathBuf>,
    /// Variables of its environment.
    variables: Vec<(String, String)>,
}

impl Node {
    /// Starts a server with more directives as on a command line, and waits until it answers. It makes no
    /// snapshots unless told to, does not delay full syncs, and lets DEBUG be used.
    pub fn start(engine: Engine, directives: &[&str]) -> Node {
        let mut failure = String::new();
        for _ in 0..START_TRIES {
            let mut node = Node::prepare(engine, directives);
            node.spawn();
            match node.answers() {
                true => return node,
                false => failure = node.log(),
            }
        }
        panic!("the server of {engine:?} did not start; its log:\n{failure}");
    }

    /// A server that is not started yet, with a directory to put files into.
    pub fn prepare(engine: Engine, directives: &[&str]) -> Node {
        let port = free_port();
        let usual = [
            ["--port", &port.to_string()],
            ["--bind", "127.0.0.1"],
            ["--save", ""],
            ["--repl-diskless-sync-delay", "0"],
            ["--enable-debug-command", "yes"],
        ];
        let arguments = usual.iter().flatten().chain(directives).map(ToString::to_string).collect();
        Node::with_arguments(engine, port, arguments)
    }

    /// A server that is not started yet, with these arguments and no others.
    pub fn with_arguments(engine: Engine, port: u16, arguments: Vec<String>) -> Node {
        let directory = tempfile::tempdir().expect("a directory for the server");
        Node {
            engine,
            port,
            arguments,
            directory,
            child: None,
            input: String::new(),
            program: None,
            variables: Vec::new(),
        }
    }

    /// Gives it something to read from its standard input.
    pub fn set_input(&mut self, input: String) {
        self.input = input;
    }

    /// Adds to its arguments.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
    }

    /// Sets a variable of its environment.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.into(), value.into()));
    }

    /// Has it run by another name.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = Some(program);
    }

    /// Starts the process, which must not run already.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.path("log")).expect("the server's log");
        let mut command = match &self.program {
            Some(program) => Command::new(program),
            None => program(self.engine),
        };
        let spawned = command
            .args(&self.arguments)
            .envs(self.variables.iter().cloned())
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stderr(log.try_clone().expect("the server's log"))
            .stdout(log)
            .spawn();
        let mut child = spawned.unwrap_or_else(|error| {
            panic!(
                "the server of {:?} cannot be run ({error}); tests/run installs what is needed",
                self.engine
            )
        });
        // Its end may come before it has read anything.
        let _ = child.stdin.take().expect("piped").write_all(self.input.as_bytes());
        self.child = Some(child);
    }

    /// Starts the process with more arguments, which it keeps, and waits until it answers with its data.
    pub fn launch_with(&mut self, arguments: &[&str]) {
        self.add_arguments(arguments);
        self.launch();
    }

    /// Starts the process and waits until it answers with its data.
    pub fn launch(&mut self) {
        self.spawn();
        assert!(self.answers(), "it did not start; its log:\n{}", self.log());
    }

    /// Waits for the first PONG; false when the process has ended.
    fn answers(&mut self) -> bool {
        obtain_or(
            || {
                if self.child.as_mut()?.try_wait().expect("our child").is_some() {
                    return Some(false);
                }
                let pong = Client::connect(self.port).and_then(|mut client| client.line("PING"));
                pong.ok().filter(|pong| pong.as_bytes() == Some(b"PONG")).map(|_| true)
            },
            || "the first PONG".into(),
        )
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().expect("it runs").id()).expect("a pid")
    }

    /// A file in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Names of the files in its directory that look like snapshots.
    pub fn snapshots(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("its directory").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".rdb")).collect();
        names.sort();
        names
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("a connection to a server that has answered")
    }

    /// One command over a connection of its own.
    pub fn cmd(&self, line: &str) -> Value {
        self.client().line(line).unwrap_or_else(|error| panic!("{line}: {error}; the log:\n{}", self.log()))
    }

    /// One command that must not fail.
    pub fn ok(&self, line: &str) -> Value {
        let reply = self.cmd(line);
        assert_eq!(reply.as_error(), None, "{line}");
        reply
    }

    /// A field of INFO; empty when there is none.
    pub fn info(&self, field: &str) -> String {
        let text = self.ok("INFO everything").to_text().expect("a text");
        let prefix = format!("{field}:");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_string()
    }

    /// A field of INFO that is a number.
    pub fn figure(&self, field: &str) -> i64 {
        let text = self.info(field);
        text.parse().unwrap_or_else(|_| panic!("{field} is {text:?}"))
    }

    /// Waits until a field of INFO has a value.
    pub fn await_info(&self, field: &str, value: &str) {
        obtain_or(
            || (self.info(field) == value).then_some(()),
            || format!("{field}:{value}; it is {:?}; the log:\n{}", self.info(field), self.log()),
        );
    }

    /// All it has logged, over all starts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("log")).unwrap_or_default()).into_owned()
    }

    /// Waits until its log holds a text as often as `times`.
    pub fn await_log(&self, text: &str, times: usize) {
        obtain_or(
            || (self.log().matches(text).count() >= times).then_some(()),
            || format!("{times} times {text:?} in the log:\n{}", self.log()),
        );
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: i32) {
        sys::signal_process(self.pid(), signal).expect("it runs");
    }

    /// Stops the process where it is, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal(SIGSTOP);
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        self.signal(SIGCONT);
    }

    /// Kills the process and waits for its end.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("our child");
        child.wait().expect("our child");
    }

    /// Waits until the process ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let mut status = None;
        until("the end of the process", || {
            status = child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("waited for")
    }

    /// Has it follow a master and waits for the link.
    pub fn follow(&self, master: &Node) {
        self.ok(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
        self.await_info("master_link_status", "up");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; either way it is gone after this.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The program of an engine, ready to take redis-server's arguments.
pub fn program(engine: Engine) -> Command {
    match engine {
        Engine::Redis => Command::new("redis-server"),
        Engine::Topple => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_topple"));
            command.arg("server");
            command
        }
    }
}

/// A port of 127.0.0.1 that nobody listens on and that no other test of this process is given.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mut port = 0;
    until("a free port", || {
        let taken = NEXT.fetch_add(1, Ordering::Relaxed);
        // Two runs of the tests begin at different places.
        let start = u64::from(std::process::id()) * 7;
        port = FIRST_PORT + ((start + u64::from(taken)) % u64::from(PORTS)) as u16;
        TcpListener::bind(("127.0.0.1", port)).is_ok()
    });
    port
}
