//! The `topple` program run by a test: its own run directory, its output line by line, and whatever it
//! starts recognisable by a mark in the environment.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Below what the kernel gives to outgoing connections, above the usual ports of servers.
const PORTS: std::ops::Range<u16> = 19_000..31_000;
static NEXT_OFFSET: AtomicU16 = AtomicU16::new(0);

/// The first of `count` ports in a row that nobody listens on; no two calls of a test run give the same. Another run
/// at the same time begins elsewhere.
pub fn free_ports(count: u16) -> u16 {
    let start = PORTS.start + (std::process::id() % 40) as u16 * 200;
    loop {
        let first = start + NEXT_OFFSET.fetch_add(count, Ordering::Relaxed);
        assert!(first + count <= PORTS.end, "no {count} free ports in a row");
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}

/// The environment variable that marks every process of a test.
const MARK: &str = "TOPPLE_E2E_MARK";

/// A place for scripts and runs, gone with the value together with everything started from it.
pub struct Place {
    directory: TempDir,
    mark: String,
}

impl Place {
    /// A new, empty one.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mark = directory.path().file_name().expect("a name").to_string_lossy().into_owned();
        fs::create_dir(directory.path().join("runs")).expect("the runs' folder");
        Self { directory, mark }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file; one whose name ends in `.sh` can be run.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file");
        let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path
    }

    /// The command that starts `topple` here.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.shell(env!("CARGO_BIN_EXE_topple"));
        command.args(args);
        command
    }

    /// The command that starts another program here.
    pub fn shell(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env(MARK, &self.mark).env("TOPPLE_RUNS", self.path().join("runs"));
        command
    }

    /// Starts `topple` here.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut child = self
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("topple starts");
        let (sender, lines) = channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Running { child, lines, seen: Vec::new() }
    }

    /// Processes that were started from here and still are, as `pid command line`. Told by the mark, or by
    /// where they work: a process that sets its title writes over its environment.
    pub fn processes(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.mark);
        let ours = |pid: &str| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
                || cwd.starts_with(self.path())
        };
        fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && ours(name))
            .map(|pid| {
                let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                format!("{pid} {}", line.replace('\0', " ").trim_end())
            })
            .collect()
    }

    /// Run directories that are there.
    pub fn runs(&self) -> Vec<PathBuf> {
        fs::read_dir(self.path().join("runs"))
            .expect("the runs")
            .flatten()
            .map(|entry| entry.path())
            .collect()
    }

    /// Waits for a process whose command line contains the text, and gives its id.
    pub fn await_pid_of(&self, text: &str, limit: Duration) -> i32 {
        let deadline = Instant::now() + limit;
        loop {
            let processes = self.processes();
            let found = processes.iter().find(|process| process.contains(text));
            if let Some(pid) = found.and_then(|process| process.split(' ').next()?.parse().ok()) {
                return pid;
            }
            assert!(Instant::now() < deadline, "no {text:?} runs: {processes:#?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Everything below it but the run directories.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() && path != self.path().join("runs") {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        found.sort();
        found
    }

    /// Waits until no process is left; fails with what is.
    pub fn expect_no_process(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "left behind: {:#?}", self.processes());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until no process and no run directory is left; fails with what is.
    pub fn expect_nothing_left(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let (processes, runs) = (self.processes(), self.runs());
            if processes.is_empty() && runs.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {processes:#?} {runs:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for process in self.processes() {
            let pid = process.split(' ').next().and_then(|pid| pid.parse::<i32>().ok());
            if let Some(pid) = pid {
                let _ = sys::signal_process(pid, 9);
            }
        }
    }
}

/// A running `topple`.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// Reads output until a line contains the text, and gives that line.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {text:?}; the output:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Whether a line with the text has come by now.
    pub fn saw(&mut self, text: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| line.contains(text))
    }

    /// Sends a signal to `topple` itself.
    pub fn signal(&self, signal: i32) {
        sys::signal_process(self.pid(), signal).expect("it runs");
    }

    /// Waits for the end; gives the exit status and all output.
    pub fn finish(mut self, limit: Duration) -> (ExitStatus, String) {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                break status;
            }
            if Instant::now() >= deadline {
                self.seen.extend(self.lines.try_iter());
                panic!("topple does not end; the output:\n{}", self.seen.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.seen.push(line);
        }
        (status, self.seen.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program on the path is.
pub fn on_path(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    let found =
        found.unwrap_or_else(|| panic!("{name} is missing: apt-get install redis-server, or tests/run"));
    found.to_string_lossy().into_owned()
}
