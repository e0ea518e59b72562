//! What is asked of a topology that is up, and what it answers: JSON, one object a line.
//!
//! One connection carries one request. Events come one a line, until the asker hangs up if it follows them;
//! every other request has one answer.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::history::Event;
use crate::plan::Plan;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Who are you.
    Describe,
    /// How is every node.
    Status,
    /// Do something to a node.
    Act {
        /// What.
        verb: Verb,
        /// To which node, by name or role.
        node: String,
    },
    /// Ask a monitor's sentinels for a failover.
    Failover {
        /// The monitored master's name.
        monitor: String,
    },
    /// Where is a node.
    Locate {
        /// Its name or role.
        node: String,
    },
    /// What happened.
    Events {
        /// Whether to go on with what happens from now on.
        follow: bool,
    },
    /// Stop everything.
    Down,
}

/// What can be done to a node from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// A graceful stop.
    Stop,
    /// Start it again.
    Start,
    /// Stop, then start.
    Restart,
}

impl Verb {
    /// As the language calls it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Kill => "kill",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Stop => "stop",
            Verb::Start => "start",
            Verb::Restart => "restart",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Describe`].
    Description(Description),
    /// To [`Request::Status`].
    Status {
        /// In order of declaration.
        nodes: Vec<NodeStatus>,
    },
    /// It was done.
    Done {
        /// Which node it was done to.
        node: String,
        /// How it is now, in words.
        state: String,
    },
    /// To [`Request::Locate`].
    Place {
        /// The node's name.
        node: String,
        /// Its address.
        ip: String,
        /// Its port.
        port: u16,
        /// Its password, if it asks for one.
        password: Option<String>,
        /// Its log.
        log: PathBuf,
    },
    /// Something that happened.
    Event(Event),
    /// It was not done, for this reason.
    Refused {
        /// In a sentence.
        reason: String,
    },
}

/// A topology that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The script or built-in topology, as given.
    pub file: String,
    /// The supervisor's process id.
    pub pid: u32,
    /// Unix time of its start, in milliseconds.
    pub started_wall_ms: i64,
    /// What runs.
    pub plan: Plan,
}

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// `ip:port`.
    pub address: String,
    /// `running`, `paused`, `not started`, or how it ended.
    pub state: String,
    /// Its process, if there is one.
    pub pid: Option<i32>,
    /// What it says it is: `master`, `slave`, `sentinel`; none when it does not answer.
    pub role: Option<String>,
    /// A replica's master, or the masters a sentinel watches, by node name where they are nodes.
    pub of: Vec<String>,
    /// Whether a replica's link is up.
    pub linked: Option<bool>,
    /// Replication offset of a server.
    pub offset: Option<i64>,
    /// Connected clients.
    pub clients: Option<u64>,
    /// Bytes of memory used.
    pub used_bytes: Option<u64>,
    /// Commands a second, lately.
    pub ops_per_s: Option<u64>,
    /// Keys, over all databases.
    pub keys: Option<u64>,
    /// Why there is nothing to tell of a node that runs.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_one_line_of_json() {
        let request = Request::Act { verb: Verb::Kill, node: "mymaster:master".to_owned() };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"ask":"act","verb":"kill","node":"mymaster:master"}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        let answer = Answer::Refused { reason: "two\nlines".to_owned() };
        let line = serde_json::to_string(&answer).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), answer);
    }
}
