//! `topple logs`: one node's log as it is, or those of several in the order of time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::living::on;
use super::output::{colour_on_stdout, complain, print};
use super::{LogsArgs, REFUSED};
use crate::control::ask::{AskError, Up};
use crate::control::protocol::{Answer, Request};
use crate::report::paint::Paint;
use crate::watch::log::{LogTail, parse};

/// How often a followed log is looked at.
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// Shows the logs of the nodes that the command line names, of all when it names none.
pub(super) fn logs(args: &LogsArgs) -> ExitCode {
    on(&args.which, |up| {
        let is_up = || up.ask(&Request::Describe).is_ok();
        let shown = match args.nodes.as_slice() {
            [node] => {
                let (_, log) = place(&up, node)?;
                show_log(&log, args.lines, args.follow, is_up)
                    .map_err(|error| format!("cannot read {}: {error}", log.display()))
            }
            nodes => {
                let all: Vec<String> =
                    up.description.plan.nodes_in_force().map(|node| node.name.clone()).collect();
                let nodes = if nodes.is_empty() { &all } else { nodes };
                let places: Result<Vec<_>, AskError> = nodes.iter().map(|node| place(&up, node)).collect();
                show_logs(places?, args.lines, args.follow, is_up);
                Ok(())
            }
        };
        match shown {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                complain(&format!("topple: {error}"));
                Ok(ExitCode::from(REFUSED))
            }
        }
    })
}

/// A node's name, and where its log is.
fn place(up: &Up, node: &str) -> Result<(String, PathBuf), AskError> {
    match up.ask(&Request::Locate { node: node.to_owned() })? {
        Answer::Place { node, log, .. } => Ok((node, log)),
        _ => Err(AskError::Refused("the supervisor answered something else".to_owned())),
    }
}

/// Prints the last lines of several logs together and, following, what is added while the topology is up.
fn show_logs(places: Vec<(String, PathBuf)>, lines: usize, follow: bool, is_up: impl Fn() -> bool) {
    let paint = Paint::new(colour_on_stdout());
    let width = places.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut logs: Vec<Log> = places
        .into_iter()
        .map(|(name, path)| Log {
            prefix: format!("{name:<width$} | "),
            tail: LogTail::new(path),
            last_ms: 0,
        })
        .collect();
    let show = |lines: &[Line]| {
        let text: String =
            lines.iter().map(|line| format!("{}{}\n", paint.dim(&line.prefix), line.text)).collect();
        print(&text);
    };
    let there = merged(&mut logs);
    show(&there[there.len().saturating_sub(lines)..]);
    if !follow {
        return;
    }
    let mut checked = Instant::now();
    loop {
        std::thread::sleep(LOG_PAUSE);
        let added = merged(&mut logs);
        show(&added);
        if added.is_empty() && checked.elapsed() > Duration::from_secs(1) {
            checked = Instant::now();
            if !is_up() {
                return;
            }
        }
    }
}

/// A log that is read with others.
struct Log {
    prefix: String,
    tail: LogTail,
    /// The time of its last line that had one: what follows without belongs to it.
    last_ms: i64,
}

struct Line {
    prefix: String,
    at_ms: i64,
    text: String,
}

/// The new lines of all logs, by the time that they say. Lines of one log keep their order.
fn merged(logs: &mut [Log]) -> Vec<Line> {
    let mut all = Vec::new();
    for log in logs {
        loop {
            // A long log comes in parts.
            let lines = log.tail.new_lines();
            if lines.is_empty() {
                break;
            }
            for text in lines {
                // A clock that was set back does not change the order of what was written.
                log.last_ms = parse(&text).map_or(log.last_ms, |line| line.local_ms.max(log.last_ms));
                all.push(Line { prefix: log.prefix.clone(), at_ms: log.last_ms, text });
            }
        }
    }
    all.sort_by_key(|line| line.at_ms);
    all
}

/// Prints the last lines of a file and, following, what is added while the topology is up.
fn show_log(path: &Path, lines: usize, follow: bool, mut is_up: impl FnMut() -> bool) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let kept = text.split_inclusive(|&byte| byte == b'\n').count().saturating_sub(lines);
    let last: Vec<u8> = text.split_inclusive(|&byte| byte == b'\n').skip(kept).flatten().copied().collect();
    print(&String::from_utf8_lossy(&last));
    if follow { follow_log(path, text.len() as u64, &mut is_up) } else { Ok(()) }
}

/// Prints what is added to a file behind its first `at` bytes, until the topology is down.
fn follow_log(path: &Path, mut at: u64, is_up: &mut dyn FnMut() -> bool) -> io::Result<()> {
    let mut checked = Instant::now();
    loop {
        std::thread::sleep(LOG_PAUSE);
        let length = std::fs::metadata(path).map(|data| data.len()).unwrap_or(at);
        if length < at {
            // It was begun anew.
            at = 0;
        }
        if length > at {
            let mut added = Vec::new();
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(at))?;
            file.read_to_end(&mut added)?;
            at += added.len() as u64;
            print(&String::from_utf8_lossy(&added));
        } else if checked.elapsed() > Duration::from_secs(1) {
            checked = Instant::now();
            if !is_up() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn several_logs_are_one_in_the_order_of_time() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let line = |ms: u32, text: &str| format!("1:M 21 Nov 2026 00:00:00.{ms:03} * {text}\n");
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a"), format!("{}banner\n{}", line(1, "one"), line(5, "four"))).expect("written");
        std::fs::write(path("b"), format!("{}{}", line(3, "two"), line(2, "three"))).expect("written");
        let log = |name: &str| Log { prefix: name.to_owned(), tail: LogTail::new(path(name)), last_ms: 0 };
        let mut logs = [log("a"), log("b"), log("none")];
        let mut said = || -> Vec<String> {
            merged(&mut logs)
                .into_iter()
                .map(|line| format!("{} {}", line.prefix, line.text.rsplit(' ').next().expect("a word")))
                .collect()
        };
        assert_eq!(said(), ["a one", "a banner", "b two", "b three", "a four"]);
        let mut file = File::options().append(true).open(path("b")).expect("open");
        file.write_all(line(9, "five").as_bytes()).expect("written");
        assert_eq!(said(), ["b five"]);
    }
}
