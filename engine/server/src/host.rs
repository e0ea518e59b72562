//! The server's [`Host`]: files, forks, the log, figures of the process.

use std::io::Read as _;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use commands::config::{Config, Level, Settings};
use commands::snapshot::SnapshotInfo;
use commands::{
    AllocatorFigures, Figures, Garbage, Host, Journal, LazyFreed, PeerConnection, PeerError, SnapshotTarget,
    SyncState,
};
use keyspace::Db;

use crate::doors::Doors;
use crate::journal::FileJournal;
use crate::log::{Log, Role};
use crate::memory::Memory;
use crate::options::Program;
use crate::peer_connection::BlockingConnection;
use crate::snapshot_child::{self, ChildState};
use crate::standing;

/// Bytes read from a snapshot file at a time.
const PIECE_BYTES: usize = 1 << 20;

/// The process's side of the server.
pub(crate) struct ProcessHost {
    log: Rc<Log>,
    role: std::cell::Cell<Role>,
    child: Rc<ChildState>,
    doors: Rc<Doors>,
    program: Program,
    settings: Settings,
    config_file: String,
    /// The command line, to start anew with.
    arguments: Vec<String>,
    /// The score for the kernel that the process was started with.
    oom_score: i32,
    memory: Memory,
    journal: FileJournal,
    started: Instant,
    startup_bytes: u64,
    total_system_bytes: u64,
}

impl ProcessHost {
    pub(crate) fn new(
        log: Rc<Log>,
        role: Role,
        program: Program,
        child: Rc<ChildState>,
        doors: Rc<Doors>,
        config: &Config,
        arguments: Vec<String>,
    ) -> Self {
        let memory = Memory::new();
        let startup_bytes = memory.used_bytes();
        Self {
            log,
            role: std::cell::Cell::new(role),
            child,
            doors,
            program,
            settings: config.settings.clone(),
            config_file: config.file.clone().unwrap_or_default(),
            arguments,
            oom_score: standing::oom_score(),
            memory,
            journal: FileJournal::default(),
            started: Instant::now(),
            startup_bytes,
            total_system_bytes: total_system_bytes(),
        }
    }
}

impl ProcessHost {
    /// Told whenever the append-only file was synced aside.
    pub(crate) fn syncs_ended(&self) -> std::sync::Arc<tokio::sync::Notify> {
        self.journal.ended()
    }

    /// Sets the process's title, if it is to say anything.
    pub(crate) fn show_title(&self) {
        if self.settings.set_proc_title {
            let name = if self.program == Program::Sentinel { "redis-sentinel" } else { "redis-server" };
            sys::set_title(&standing::title(&self.settings, self.program, name, &self.config_file));
        }
    }

    /// Tells the kernel how readily to kill this process, as its settings and role say.
    pub(crate) fn apply_oom_score(&self) -> Result<(), String> {
        let whose = usize::from(self.role.get() == Role::Replica);
        let score =
            standing::wanted_oom_score(&self.settings, self.oom_score, whose).unwrap_or(self.oom_score);
        match score == standing::oom_score() {
            true => Ok(()),
            false => standing::set_oom_score(score),
        }
    }
}

impl Host for ProcessHost {
    fn log(&mut self, level: Level, text: &str) {
        self.log.line(self.role.get(), level, text);
    }

    fn role_changed(&mut self, replica: bool) {
        self.role.set(if replica { Role::Replica } else { Role::Master });
        let _ = self.apply_oom_score();
    }

    fn log_level_changed(&mut self, least: commands::config::LogLevel) {
        self.log.set_least(least);
    }

    fn figures(&mut self) -> Figures {
        let used_bytes = self.memory.used_bytes();
        let own = sys::cpu_times(sys::CpuOf::Process);
        let children = sys::cpu_times(sys::CpuOf::Children);
        let seconds = |us: u64| us as f64 / 1e6;
        Figures {
            used_bytes,
            peak_bytes: self.memory.peak_bytes(),
            startup_bytes: self.startup_bytes,
            rss_bytes: sys::rss_bytes(std::process::id() as i32).unwrap_or(0),
            total_system_bytes: self.total_system_bytes,
            allocator: allocator_figures(),
            cpu_seconds: [own.system_us, own.user_us, children.system_us, children.user_us].map(seconds),
        }
    }

    fn save(&mut self, path: &str, dbs: &[Db], info: &SnapshotInfo) -> Result<(), String> {
        snapshot_child::write_file(path, dbs, info, &mut |_| {}).map_err(|error| error.to_string())
    }

    fn read_snapshot(
        &mut self,
        path: &str,
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut file = std::fs::File::open(path).map_err(|error| crate::listen::reason(&error))?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut piece).map_err(|error| crate::listen::reason(&error))? {
                0 => return Ok(()),
                length => feed(&piece[..length])?,
            }
        }
    }

    fn journal(&mut self) -> &mut dyn Journal {
        &mut self.journal
    }

    fn sync_state(&self) -> SyncState {
        self.journal.state()
    }

    fn exit(&mut self, code: i32) {
        std::process::exit(code);
    }

    fn crash(&mut self, signal: i32) {
        let _ = sys::signal_process(std::process::id() as i32, signal);
    }

    fn restart(&mut self, delay_ms: u64) -> String {
        use std::os::unix::process::CommandExt as _;
        std::thread::sleep(Duration::from_millis(delay_ms));
        let program = match std::env::current_exe() {
            Ok(program) => program,
            Err(error) => return crate::listen::reason(&error),
        };
        let mode = if self.program == Program::Sentinel { "sentinel" } else { "server" };
        let error = std::process::Command::new(program).arg(mode).args(&self.arguments).exec();
        crate::listen::reason(&error)
    }

    fn start_snapshot(
        &mut self,
        target: SnapshotTarget,
        path: &str,
        dbs: &[Db],
        info: &SnapshotInfo,
    ) -> Result<u64, String> {
        let kind = match target {
            SnapshotTarget::File => "redis-rdb-bgsave",
            SnapshotTarget::Replicas => "redis-rdb-to-slaves",
            SnapshotTarget::Aof => "redis-aof-rewrite",
        };
        let title = standing::title(&self.settings, self.program, kind, &self.config_file);
        let oom_score_adj = standing::wanted_oom_score(&self.settings, self.oom_score, 2);
        let options = sys::SnapshotOptions { title: &title, extra: None, oom_score_adj };
        snapshot_child::begin(&self.child, &self.log, target, path, options, dbs, info)
    }

    fn kill_snapshot(&mut self) {
        if let Some(pid) = self.child.pid.get() {
            // It is our child and not reaped yet, so the number is still its own.
            let _ = sys::signal_process(pid, sys::SIGKILL);
            // At the server's end nobody follows it any more.
            self.child.remove_temporary();
        }
    }

    fn snapshot_cow_bytes(&self) -> u64 {
        self.child.cow_bytes.get()
    }

    fn monotonic_ns(&mut self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn wall_us(&mut self) -> i64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
        elapsed.map_or(0, |elapsed| elapsed.as_micros() as i64)
    }

    fn entropy(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        // A password that can be guessed is worse than a server that ends.
        read.expect("the system's random numbers");
        bytes
    }

    fn sleep(&mut self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }

    fn read_file(&mut self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn write_file(&mut self, path: &str, text: &str) -> Result<(), String> {
        replace_file(path, text).map_err(|error| crate::listen::reason(&error))
    }

    fn change_directory(&mut self, path: &str) -> Result<String, String> {
        std::env::set_current_dir(path).map_err(|error| error.to_string())?;
        let directory = std::env::current_dir().map_err(|error| error.to_string())?;
        Ok(directory.to_string_lossy().into_owned())
    }

    fn connect_peer(
        &mut self,
        host: &str,
        port: u16,
        timeout_ms: u64,
    ) -> Result<Box<dyn PeerConnection>, PeerError> {
        let source = &self.settings.bind_source_addr;
        Ok(Box::new(BlockingConnection::open(host, port, source, timeout_ms)?))
    }

    fn free(&mut self, garbage: Garbage) {
        self.memory.free(garbage);
    }

    fn lazy_free(&self) -> LazyFreed {
        self.memory.lazy_freed()
    }

    fn reset_lazy_freed(&mut self) {
        self.memory.reset_lazy_freed();
    }

    fn used_bytes(&self) -> Option<u64> {
        Some(self.memory.used_bytes())
    }

    fn settings_changed(&mut self, before: &Settings, now: &Settings) -> Result<(), (&'static str, String)> {
        if before.bind != now.bind || before.port != now.port {
            self.doors.reopen(before, now, &self.log, self.role.get()).map_err(|_| {
                match before.bind == now.bind {
                    true => ("port", "Unable to listen on this port. Check server logs.".to_string()),
                    false => ("bind", "Failed to bind to specified addresses.".to_string()),
                }
            })?;
        }
        self.settings = now.clone();
        let standing = |settings: &Settings| (settings.oom_score_adj, settings.oom_score_adj_values);
        if standing(before) != standing(now)
            && let Err(reason) = self.apply_oom_score()
        {
            self.log(Level::Warning, &reason);
            self.settings = before.clone();
            let failed = "Failed to apply new oom_score_adj configuration, check server logs.";
            return Err(("oom-score-adj", failed.into()));
        }
        self.show_title();
        Ok(())
    }

    fn purge_memory(&mut self) {
        sys::purge_allocator();
    }

    fn allocator_report(&mut self) -> String {
        sys::allocator_report()
    }
}

/// Writes a file beside the old one, with its permissions, makes it durable and renames it over. The name
/// is durable only once the directory is: a sentinel must not forget a vote.
fn replace_file(path: &str, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let temporary = format!("{path}.{}.tmp", std::process::id());
    let directory = std::path::Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        if let Ok(old) = std::fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        std::fs::File::open(directory.unwrap_or(std::path::Path::new(".")))?.sync_all()
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

fn allocator_figures() -> AllocatorFigures {
    use tikv_jemalloc_ctl::stats;
    // The allocator's statistics are as of the last epoch.
    let _ = tikv_jemalloc_ctl::epoch::advance();
    let bytes = |figure: tikv_jemalloc_ctl::Result<usize>| figure.unwrap_or(0) as u64;
    AllocatorFigures {
        allocated_bytes: bytes(stats::allocated::read()),
        active_bytes: bytes(stats::active::read()),
        resident_bytes: bytes(stats::resident::read()),
    }
}

fn total_system_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
