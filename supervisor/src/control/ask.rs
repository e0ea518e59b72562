//! The command line's side of the control socket: finding topologies that are up, and asking one.
//!
//! Plain blocking sockets: a command asks one thing and ends.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Answer, Description, Request};
use super::socket_path;
use crate::run_dir::RunDir;

/// Limit of an answer: a graceful stop may take ten seconds, and a restart is one and a start.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Limit of being told who it is.
const DESCRIBE_LIMIT: Duration = Duration::from_secs(3);

/// A topology that is up.
#[derive(Debug)]
pub struct Up {
    /// Its run directory.
    pub dir: PathBuf,
    /// What it says of itself.
    pub description: Description,
}

/// Why nothing was asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing is up.
    #[error("no topology is up; `topple up FILE -d` brings one up in the background")]
    NothingUp,
    /// Several are.
    #[error("several topologies are up: {}; choose one with --run", .0.join(", "))]
    Several(Vec<String>),
    /// Not the one asked for.
    #[error("no topology `{wanted}` is up; there is {}", .there.join(", "))]
    NotThatOne {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
    /// It does not answer.
    #[error("the supervisor in {} does not answer: {source}", .dir.display())]
    Silent {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// Every topology that is up.
pub fn all_up() -> Vec<Up> {
    let up = |dir: PathBuf| describe(&dir).ok().map(|description| Up { dir, description });
    RunDir::all().into_iter().filter_map(up).collect()
}

/// What the topology in a run directory says of itself.
///
/// # Errors
/// When nobody answers there.
pub fn describe(run: &Path) -> io::Result<Description> {
    match ask_within(run, &Request::Describe, DESCRIBE_LIMIT)? {
        Answer::Description(description) => Ok(description),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it answers something else")),
    }
}

/// The topology of this name or run directory's name, or the only one.
///
/// # Errors
/// [`AskError`] when there is none, or more than one.
pub fn choose(wanted: Option<&str>) -> Result<Up, AskError> {
    let mut up = all_up();
    if let Some(wanted) = wanted {
        let there: Vec<String> = up.iter().map(|one| one.name()).collect();
        up.retain(|one| one.description.plan.name == wanted || one.name() == wanted);
        if up.is_empty() && !there.is_empty() {
            return Err(AskError::NotThatOne { wanted: wanted.to_owned(), there });
        }
    }
    if up.len() > 1 {
        return Err(AskError::Several(up.iter().map(Up::name).collect()));
    }
    up.pop().ok_or(AskError::NothingUp)
}

impl Up {
    /// The name of its run directory.
    pub fn name(&self) -> String {
        self.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Asks for something that has one answer.
    ///
    /// # Errors
    /// [`AskError::Silent`], or [`AskError::Refused`] with the reason.
    pub fn ask(&self, request: &Request) -> Result<Answer, AskError> {
        match ask_within(&self.dir, request, ANSWER_LIMIT) {
            Ok(Answer::Refused { reason }) => Err(AskError::Refused(reason)),
            Ok(answer) => Ok(answer),
            Err(source) => Err(AskError::Silent { dir: self.dir.clone(), source }),
        }
    }

    /// Asks for events and hands each to `take` until it says stop, or the topology is down.
    ///
    /// # Errors
    /// [`AskError::Silent`] when it cannot be asked.
    pub fn events(
        &self,
        follow: bool,
        mut take: impl FnMut(&crate::history::Event) -> bool,
    ) -> Result<(), AskError> {
        let silent = |source| AskError::Silent { dir: self.dir.clone(), source };
        let stream = send(&self.dir, &Request::Events { follow }).map_err(silent)?;
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            if let Ok(Answer::Event(event)) = serde_json::from_str(&line)
                && !take(&event)
            {
                break;
            }
        }
        Ok(())
    }
}

fn ask_within(run: &Path, request: &Request, limit: Duration) -> io::Result<Answer> {
    let stream = send(run, request)?;
    stream.set_read_timeout(Some(limit))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn send(run: &Path, request: &Request) -> io::Result<UnixStream> {
    let (_directory, path) = socket_path(run)?;
    let mut stream = UnixStream::connect(path)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(stream)
}
