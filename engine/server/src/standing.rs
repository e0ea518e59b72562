//! How the process stands in the system: its title, its chance to be killed when memory is out, the
//! supervisor that started it.
//!
//! Formats: proc(5) `oom_score_adj`; sd_notify(3). Nothing here is needed to serve; what fails is told.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;

use commands::config::{OomScore, Settings, Supervised, TitleParts};

use crate::options::Program;

const OOM_FILE: &str = "/proc/self/oom_score_adj";
const SIGSTOP: i32 = 19;

/// The title by the template; `what` is the program's name or what a child does.
pub(crate) fn title(settings: &Settings, program: Program, what: &str, config_file: &str) -> String {
    let listen_addr = match settings.port {
        0 => settings.unixsocket.clone(),
        port => format!("{}:{port}", settings.bind.0.first().map_or("*", String::as_str)),
    };
    settings.proc_title_template.title(&TitleParts {
        title: what,
        listen_addr: &listen_addr,
        server_mode: if program == Program::Sentinel { "[sentinel]" } else { "" },
        port: settings.port as u16,
        unixsocket: &settings.unixsocket,
        config_file,
    })
}

/// The score the process was started with.
pub(crate) fn oom_score() -> i32 {
    let text = std::fs::read_to_string(OOM_FILE).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The score by the settings: of a master (0), a replica (1) or a snapshot child (2).
pub(crate) fn wanted_oom_score(settings: &Settings, base: i32, whose: usize) -> Option<i32> {
    let value = settings.oom_score_adj_values.0[whose];
    let score = match settings.oom_score_adj {
        OomScore::No => return None,
        OomScore::Yes | OomScore::Relative => base + value,
        OomScore::Absolute => value,
    };
    Some(score.clamp(-1000, 1000))
}

/// Has the kernel take this score.
pub(crate) fn set_oom_score(score: i32) -> Result<(), String> {
    std::fs::write(OOM_FILE, score.to_string())
        .map_err(|error| format!("Unable to write oom_score_adj: {}", crate::listen::reason(&error)))
}

/// Which supervisor is meant: `auto` asks the environment.
pub(crate) fn supervisor(setting: Supervised) -> Supervised {
    let speaks_of = |name: &str| std::env::var_os(name).is_some();
    match setting {
        Supervised::Auto if speaks_of("UPSTART_JOB") => Supervised::Upstart,
        Supervised::Auto if speaks_of("NOTIFY_SOCKET") => Supervised::Systemd,
        Supervised::Auto => Supervised::No,
        setting => setting,
    }
}

/// Tells the supervisor that the server is ready.
pub(crate) fn tell_ready(supervisor: Supervised) -> Result<(), String> {
    match supervisor {
        Supervised::Upstart => {
            // upstart waits for the process to stop itself, and continues it.
            sys::signal_process(std::process::id() as i32, SIGSTOP).map_err(|error| error.to_string())
        }
        Supervised::Systemd => notify("STATUS=Ready to accept connections\nREADY=1\n"),
        Supervised::Auto | Supervised::No => Ok(()),
    }
}

fn notify(message: &str) -> Result<(), String> {
    let path = std::env::var_os("NOTIFY_SOCKET")
        .ok_or("systemd supervision requested or auto-detected, but NOTIFY_SOCKET is not set")?;
    let send = || -> std::io::Result<usize> {
        let socket = UnixDatagram::unbound()?;
        match path.as_bytes().strip_prefix(b"@") {
            // An address without a file.
            Some(name) => {
                use std::os::linux::net::SocketAddrExt as _;
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(message.as_bytes(), &address)
            }
            None => socket.send_to(message.as_bytes(), &path),
        }
    };
    send().map(drop).map_err(|error| format!("Failed to notify systemd: {}", crate::listen::reason(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_relative_or_not() {
        let mut settings = Settings::default();
        assert_eq!(wanted_oom_score(&settings, 100, 1), None);
        settings.oom_score_adj = OomScore::Relative;
        assert_eq!(
            [0, 1, 2].map(|whose| wanted_oom_score(&settings, 100, whose)),
            [Some(100), Some(300), Some(900)]
        );
        assert_eq!(wanted_oom_score(&settings, 500, 2), Some(1000));
        settings.oom_score_adj = OomScore::Absolute;
        assert_eq!(wanted_oom_score(&settings, 100, 1), Some(200));
    }

    #[test]
    fn the_title_says_where_it_listens() {
        let mut settings = Settings::default();
        assert_eq!(title(&settings, Program::Server, "redis-server", ""), "redis-server *:6379");
        settings.bind.0 = vec!["127.0.0.1".into()];
        let sentinel = title(&settings, Program::Sentinel, "redis-sentinel", "");
        assert_eq!(sentinel, "redis-sentinel 127.0.0.1:6379 [sentinel]");
    }
}
