//! A server process from start to end.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use commands::config::{Config, Level, Supervised};
use commands::{Identity, Server};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::connection;
use crate::doors::{Door, Doors};
use crate::host::ProcessHost;
use crate::journal;
use crate::listen::{self, Listeners};
use crate::load;
use crate::log::{Log, Role};
use crate::master_link;
use crate::options::{Program, Start};
use crate::sentinel;
use crate::shell::{self, Shell};
use crate::snapshot_child::{self, ChildState};
use crate::standing;
use crate::transport::Transport;

/// Time for connections to take their last output when the server ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The pid file of a server in the background that names none.
const DEFAULT_PIDFILE: &str = "/var/run/redis.pid";

/// Runs the server; gives its exit code.
pub(crate) fn run(mut start: Start) -> i32 {
    let started = Instant::now();
    if let Err(text) = enter_directory(&mut start.config) {
        crate::options::print(1, &format!("{text}\n"));
        return 1;
    }
    let machine = match start.program {
        Program::Sentinel => match sentinel::read(&start.config) {
            Ok(machine) => Some(machine),
            Err(text) => {
                crate::options::print(1, &format!("\n{text}\n"));
                return 1;
            }
        },
        Program::Server => None,
    };
    let supervisor = standing::supervisor(start.config.settings.supervised);
    let settings = &mut start.config.settings;
    if settings.daemonize && settings.pidfile.is_empty() {
        settings.pidfile = DEFAULT_PIDFILE.into();
    }
    if settings.daemonize
        && supervisor == Supervised::No
        && let Err(error) = sys::daemonize()
    {
        crate::options::print(1, &format!("Can't go into the background: {error}\n"));
        return 1;
    }
    let log = match Log::open(&settings.logfile, settings.loglevel) {
        Ok(log) => Rc::new(log.with_syslog(settings)),
        Err(text) => {
            crate::options::print(1, &format!("{text}\n"));
            return 1;
        }
    };
    die_loudly(&log);
    if machine.is_some()
        && let Err(text) = sentinel::check_file(&start.config)
    {
        log.line(Role::Sentinel, Level::Warning, &text);
        return 1;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            log.line(Role::Master, Level::Warning, &format!("Can't start the event loop: {error}"));
            return 1;
        }
    };
    let pidfile = start.config.settings.pidfile.clone();
    let code = LocalSet::new().block_on(&runtime, serve(start, machine, log, started));
    if !pidfile.is_empty() {
        let _ = std::fs::remove_file(pidfile);
    }
    code
}

/// A broken invariant ends the process with a line in the log: going on could damage data.
fn die_loudly(log: &Log) {
    let log = std::sync::Mutex::new(log.reopened());
    std::panic::set_hook(Box::new(move |panic| {
        if let Ok(log) = log.lock() {
            log.line(Role::Master, Level::Warning, &format!("=== TOPPLE BUG: {panic} ==="));
        }
        std::process::abort();
    }));
}

/// Makes `dir` absolute and goes there.
fn enter_directory(config: &mut Config) -> Result<(), String> {
    let wanted = &config.settings.dir;
    std::env::set_current_dir(wanted).map_err(|error| format!("Can't chdir to '{wanted}': {error}"))?;
    let directory =
        std::env::current_dir().map_err(|error| format!("Can't tell the working directory: {error}"))?;
    config.settings.dir = directory.to_string_lossy().into_owned();
    Ok(())
}

async fn serve(start: Start, machine: Option<::sentinel::Config>, log: Rc<Log>, started: Instant) -> i32 {
    let Start { program, mut config, arguments } = start;
    let replica = config.settings.replicaof.is_some();
    let role = match program {
        Program::Sentinel => Role::Sentinel,
        Program::Server if replica => Role::Replica,
        Program::Server => Role::Master,
    };
    announce(&config, program, &log, role);
    allow_clients(&mut config, &log, role);
    let listeners = match listen::open(&config.settings, &log, role) {
        Ok(listeners) => listeners,
        Err(_) => return 1,
    };
    write_pidfile(&config, &log, role);
    let child = Rc::new(ChildState::default());
    let doors = Rc::new(Doors::default());
    let host = ProcessHost::new(log.clone(), role, program, child.clone(), doors.clone(), &config, arguments);
    host.show_title();
    let syncs_ended = host.syncs_ended();
    if let Err(reason) = host.apply_oom_score() {
        log.line(role, Level::Warning, &reason);
    }
    let supervisor = standing::supervisor(config.settings.supervised);
    let port = config.settings.port;
    let unix_path = config.settings.unixsocket.clone();
    let tcp = !listeners.tcp.is_empty();
    let mut server = Server::new(config, identity(supervisor), Box::new(host), shell::now(started));
    if let Err(text) = server.load_users_at_start() {
        server.log(Level::Warning, text);
        return 1;
    }
    let shell = &Rc::new(Shell::new(server, child, started));
    tokio::task::spawn_local(tick(shell.clone()));
    tokio::task::spawn_local(snapshot_child::follow_all(shell.clone()));
    tokio::task::spawn_local(journal::follow(shell.clone(), syncs_ended));
    accept_all(shell, doors, listeners, &unix_path);
    if let Some(machine) = machine {
        log.line(role, Level::Notice, &format!("Running mode=sentinel, port={port}."));
        shell.with(|server, now| server.become_sentinel(machine, Box::new(sentinel::Programs), now));
        tokio::task::spawn_local(sentinel::run(shell.clone()));
    } else if let Err(text) = become_ready(shell, &log, role, tcp, &unix_path).await {
        log.line(role, Level::Warning, &text);
        return 1;
    }
    if let Err(text) = standing::tell_ready(supervisor) {
        log.line(role, Level::Warning, &text);
    }
    tokio::task::spawn_local(signals(shell.clone()));
    shell.exit.wait().await;
    // Replicas and the client that asked get what is still theirs.
    let quiet = async {
        while shell.server.borrow().has_unsent_output() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, quiet).await;
    let code = shell.server.borrow().exit_code();
    code.unwrap_or(0)
}

/// Loads the data and begins to replicate.
async fn become_ready(
    shell: &Rc<Shell>,
    log: &Log,
    role: Role,
    tcp: bool,
    unix_path: &str,
) -> Result<(), String> {
    log.line(role, Level::Notice, "Server initialized");
    load::load(shell).await?;
    if tcp {
        log.line(role, Level::Notice, "Ready to accept connections tcp");
    }
    if !unix_path.is_empty() {
        log.line(role, Level::Notice, "Ready to accept connections unix");
    }
    tokio::task::spawn_local(master_link::run(shell.clone()));
    shell.with(|server, now| server.start_replication(now));
    Ok(())
}

fn identity(supervisor: Supervised) -> Identity {
    let seed = std::collections::hash_map::RandomState::new();
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as u64);
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default().trim().to_string()
    };
    Identity {
        pid: std::process::id(),
        supervised: match supervisor {
            Supervised::Upstart => "upstart",
            Supervised::Systemd => "systemd",
            Supervised::Auto | Supervised::No => "no",
        },
        executable: std::env::current_exe()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default(),
        os: format!("{} {} {}", read("ostype"), read("osrelease"), std::env::consts::ARCH),
        seed: std::hash::BuildHasher::hash_one(&seed, (time, std::process::id())),
    }
}

fn announce(config: &Config, program: Program, log: &Log, role: Role) {
    let pid = std::process::id();
    let version = env!("CARGO_PKG_VERSION");
    // A server's first lines carry the letter of a process without a role yet; a sentinel has its own at once.
    let first = if program == Program::Sentinel { role } else { Role::Child };
    log.line(first, Level::Notice, "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    log.line(
        first,
        Level::Notice,
        &format!("Redis version=7.2.4, bits=64, commit=00000000, modified=0, pid={pid}, just started"),
    );
    if config.file.is_some() {
        log.line(first, Level::Notice, "Configuration loaded");
    } else {
        log.line(first, Level::Warning, "Warning: no config file specified, using the default config. In order to specify a config file use topple server /path/to/redis.conf");
    }
    log.line(role, Level::Notice, "monotonic clock: POSIX clock_gettime");
    let mode = if program == Program::Sentinel { "sentinel" } else { "standalone" };
    let port = config.settings.port;
    log.raw(&format!(
        "\n    \\_/   Topple {version}, speaking Redis 7.2.4\n     |    Running in {mode} mode\n   __|__  Port: {port}\n  /     \\ PID: {pid}\n\n"
    ));
}

/// Has the system allow as many open files as `maxclients` needs, or lowers that.
fn allow_clients(config: &mut Config, log: &Log, role: Role) {
    // Files that are not clients': listeners, the log, snapshots.
    const OTHER_FILES: i64 = 32;
    let wanted = config.settings.maxclients;
    let allowed = sys::raise_open_files((wanted + OTHER_FILES) as u64).map_or(i64::MAX, |files| files as i64);
    if allowed < wanted + OTHER_FILES {
        config.settings.maxclients = (allowed - OTHER_FILES).max(1);
        let text = format!(
            "You requested maxclients of {wanted} requiring at least {} max file descriptors; the system allows \
             {allowed}. maxclients has been reduced to {}.",
            wanted + OTHER_FILES,
            config.settings.maxclients
        );
        log.line(role, Level::Warning, &text);
    }
}

fn write_pidfile(config: &Config, log: &Log, role: Role) {
    let path = &config.settings.pidfile;
    if !path.is_empty()
        && let Err(error) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        log.line(role, Level::Warning, &format!("Failed to write PID file: {error} ({path})"));
    }
}

fn accept_all(shell: &Rc<Shell>, doors: Rc<Doors>, listeners: Listeners, unix_path: &str) {
    doors.add(listeners.tcp);
    let accepting = shell.clone();
    tokio::task::spawn_local(async move {
        loop {
            for door in doors.opened().await {
                tokio::task::spawn_local(accept_tcp(accepting.clone(), door));
            }
        }
    });
    if let Some(listener) = listeners.unix {
        let (shell, path) = (shell.clone(), unix_path.to_string());
        tokio::task::spawn_local(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let serve = connection::serve(shell.clone(), Transport::Unix(stream), path.clone());
                        tokio::task::spawn_local(serve);
                    }
                    Err(error) => refused(&shell, &error).await,
                }
            }
        });
    }
}

/// Accepts from one listener until it is closed.
async fn accept_tcp(shell: Rc<Shell>, door: Rc<Door>) {
    while let Some(accepted) = door.accept().await {
        match accepted {
            Ok(stream) => {
                let keepalive_s = shell.server.borrow().config.settings.tcp_keepalive;
                let transport = Transport::tcp(stream, keepalive_s);
                tokio::task::spawn_local(connection::serve(shell.clone(), transport, String::new()));
            }
            Err(error) => refused(&shell, &error).await,
        }
    }
}

/// Accepting failed, most likely for want of descriptors: say so and wait, rather than spin.
async fn refused(shell: &Shell, error: &std::io::Error) {
    shell.with(|server, _| server.log(Level::Warning, format!("Accepting client connection: {error}")));
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// The server's timer: `hz` times a second, and when a deadline comes sooner.
async fn tick(shell: Rc<Shell>) {
    let mut regular = shell.now().mono_ms;
    loop {
        let next = shell.server.borrow().next_timeout_ms().map_or(regular, |at_ms| at_ms.min(regular));
        tokio::select! {
            () = tokio::time::sleep_until(shell.instant(next)) => {}
            // A deadline has come nearer; it need not be over.
            () = shell.timer.wait() => continue,
        }
        shell.with(|server, now| server.tick(now));
        // Sockets have their turn between two ticks, however soon the next is due.
        tokio::task::yield_now().await;
        let period_ms = 1000 / shell.server.borrow().config.settings.hz.per_second();
        regular = shell.now().mono_ms + period_ms;
    }
}

async fn signals(shell: Rc<Shell>) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        shell.with(|server, now| server.shutdown_by_signal(name, now));
    }
}
