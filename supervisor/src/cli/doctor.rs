//! `topple doctor`: what this host allows, and how to allow more.
//!
//! Looks only; nothing is changed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use super::REFUSED;
use super::output::{colour_on_stdout, print};
use crate::lang::foreign::on_path;
use crate::report::paint::Paint;
use crate::run_dir::RunDir;

/// What a look gave.
enum Finding {
    Good(String),
    /// Something optional is missing, and what to do.
    Lacking(String, String),
    /// Topologies cannot be brought up, and what to do.
    Bad(String, String),
}

/// What is looked at, and how.
type Look = (&'static str, fn() -> Finding);

use Finding::{Bad, Good, Lacking};

/// Looks at everything and says what it found; 3 when topologies cannot be brought up here.
pub(super) fn doctor() -> ExitCode {
    let paint = Paint::new(colour_on_stdout());
    let looks: [Look; 8] = [
        ("runs directory", runs_directory),
        ("default ports", ports),
        ("open files", open_files),
        ("redis-server", || program("redis-server", "nodes on real Redis", "redis-server")),
        ("redis-cli", || program("redis-cli", "`topple cli`", "redis-tools")),
        ("memory overcommit", overcommit),
        ("transparent huge pages", huge_pages),
        ("user namespaces", namespaces),
    ];
    let width = looks.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut code = ExitCode::SUCCESS;
    for (name, look) in looks {
        let (mark, text, advice) = match look() {
            Good(text) => (paint.green("ok"), text, None),
            Lacking(text, advice) => (paint.yellow("--"), text, Some(advice)),
            Bad(text, advice) => {
                code = ExitCode::from(REFUSED);
                (paint.red("!!"), text, Some(advice))
            }
        };
        print(&format!("{mark}  {name:width$}  {text}\n"));
        if let Some(advice) = advice {
            print(&format!("    {:width$}  {}\n", "", paint.dim(&advice)));
        }
    }
    code
}

fn runs_directory() -> Finding {
    let path = RunDir::parent();
    let probe = path.join(format!(".doctor-{}", std::process::id()));
    let tried =
        fs::create_dir_all(&path).and_then(|()| fs::create_dir(&probe)).and_then(|()| fs::remove_dir(&probe));
    match tried {
        Ok(()) => Good(path.display().to_string()),
        Err(error) => Bad(
            format!("{} cannot be written: {error}", path.display()),
            "set TOPPLE_RUNS to a directory that can be".to_owned(),
        ),
    }
}

fn ports() -> Finding {
    let taken: Vec<String> = [6379, 6380, 6381, 26379, 26380, 26381]
        .into_iter()
        .filter(|&port| TcpListener::bind(("127.0.0.1", port)).is_err())
        .map(|port| port.to_string())
        .collect();
    match taken.is_empty() {
        true => Good("6379 to 6381 and 26379 to 26381 are free".to_owned()),
        false => Lacking(
            format!("taken: {}", taken.join(", ")),
            "topologies that name these ports are refused; `ss -ltnp` names the programs that listen there"
                .to_owned(),
        ),
    }
}

fn open_files() -> Finding {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let soft: u64 = line.split_whitespace().nth(3).and_then(|word| word.parse().ok()).unwrap_or(u64::MAX);
    match soft >= 1024 {
        true => Good(if soft == u64::MAX { "unlimited".to_owned() } else { soft.to_string() }),
        false => Lacking(
            soft.to_string(),
            "`ulimit -n 10032` lets servers take their usual 10,000 clients".to_owned(),
        ),
    }
}

/// A program, with its version.
fn program(name: &str, purpose: &str, package: &str) -> Finding {
    let version = Command::new(name).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    match version {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let version = text
                .split_whitespace()
                .find(|word| word.trim_start_matches("v=").starts_with(|c: char| c.is_ascii_digit()));
            Good(
                format!("{} {}", found(name).display(), version.unwrap_or("").trim_start_matches("v="))
                    .trim_end()
                    .to_owned(),
            )
        }
        Err(_) => Lacking(
            format!("not on the path; it is for {purpose}"),
            format!("Debian: apt-get install {package}"),
        ),
    }
}

fn found(name: &str) -> PathBuf {
    on_path(name).unwrap_or_else(|| name.into())
}

fn overcommit() -> Finding {
    match read("/proc/sys/vm/overcommit_memory").as_str() {
        "2" => Lacking(
            "2: a fork for a snapshot may be refused when memory is half full".to_owned(),
            "sysctl vm.overcommit_memory=1".to_owned(),
        ),
        other => Good(other.to_owned()),
    }
}

fn huge_pages() -> Finding {
    match read("/sys/kernel/mm/transparent_hugepage/enabled") {
        text if text.contains("[always]") => Lacking(
            "always: copying a page while a snapshot runs copies 2 MB".to_owned(),
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled".to_owned(),
        ),
        text if text.is_empty() => Good("not there".to_owned()),
        text => Good(text),
    }
}

fn namespaces() -> Finding {
    let tried = Command::new("unshare")
        .args(["--user", "--net", "--map-root-user", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match tried {
        Ok(status) if status.success() => {
            Good("may be made (for networks whose links can be cut)".to_owned())
        }
        Ok(_) => Lacking(
            "may not be made by this user: no networks whose links can be cut".to_owned(),
            "sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0"
                .to_owned(),
        ),
        Err(_) => Lacking(
            "unknown: `unshare` is not on the path".to_owned(),
            "Debian: apt-get install util-linux".to_owned(),
        ),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(path)).unwrap_or_default().trim().to_owned()
}
