//! Answers to queries about nodes: commands, INFO, who is master.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use resp::Value;

use crate::client::{Client, ClientError, Endpoint, info_fields};
use crate::journal::Journal;
use crate::nodes::Nodes;
use crate::plan::{MonitorId, NodeId};
use crate::stage::Stages;
use crate::world::{ProcessState, WorldError};

/// Limit of an ordinary command. A node that is paused or loading does not answer: the script learns so
/// soon enough to go on waiting.
const COMMAND_LIMIT: Duration = Duration::from_secs(3);
/// Limit of commands whose nature it is to take long.
const LONG_COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// Limit of asking one sentinel for the master.
const SENTINEL_LIMIT: Duration = Duration::from_millis(500);

const LONG_COMMANDS: [&str; 20] = [
    "BLPOP",
    "BRPOP",
    "BLMOVE",
    "BLMPOP",
    "BRPOPLPUSH",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "XREAD",
    "XREADGROUP",
    "WAIT",
    "WAITAOF",
    "SAVE",
    "DEBUG",
    "FLUSHALL",
    "FLUSHDB",
    "EVAL",
    "SORT",
    "KEYS",
    "MIGRATE",
];

/// Asks nodes, over one kept connection each.
pub(super) struct Observer {
    journal: Journal,
    nodes: Nodes,
    stages: Stages,
    /// By node, for the process that it was made to.
    connections: HashMap<NodeId, (i32, Client)>,
}

impl Observer {
    pub(super) fn new(journal: Journal, nodes: Nodes, stages: Stages) -> Self {
        Self { journal, nodes, stages, connections: HashMap::new() }
    }

    /// Drops every connection.
    pub(super) fn forget(&mut self) {
        self.connections.clear();
    }

    /// Sends a command and gives its reply, an error reply included.
    pub(super) async fn command(&mut self, id: NodeId, args: &[Vec<u8>]) -> Result<Value, WorldError> {
        let name = args.first().map(|name| String::from_utf8_lossy(name).to_uppercase()).unwrap_or_default();
        let limit = if LONG_COMMANDS.contains(&name.as_str()) { LONG_COMMAND_LIMIT } else { COMMAND_LIMIT };
        match self.try_command(id, args, limit).await {
            // A server that shuts down says so by closing the connection.
            Err(ClientError::Closed | ClientError::Io(_)) if name == "SHUTDOWN" => {
                Ok(Value::Simple(b"OK".to_vec()))
            }
            Ok(reply) => Ok(reply),
            Err(error) => Err(self.stages.unreachable(id, error.to_string())),
        }
    }

    async fn try_command(
        &mut self,
        id: NodeId,
        args: &[Vec<u8>],
        limit: Duration,
    ) -> Result<Value, ClientError> {
        let pid = match self.nodes.state(id) {
            ProcessState::Running(pid) | ProcessState::Paused(pid) => pid,
            ProcessState::Ended(_) | ProcessState::NotStarted => 0,
        };
        let kept = self.connections.remove(&id).filter(|(of, client)| *of == pid && client.is_open());
        let mut client = match kept {
            Some((_, client)) => client,
            None => Client::connect(&Endpoint::of(self.journal.plan().node(id)), limit).await?,
        };
        let reply = client.command(args, limit).await?;
        self.connections.insert(id, (pid, client));
        Ok(reply)
    }

    /// INFO, all sections.
    pub(super) async fn info(&mut self, id: NodeId) -> Result<Vec<(String, String)>, WorldError> {
        let reply = self.command(id, &[b"INFO".to_vec(), b"everything".to_vec()]).await?;
        match reply.to_text() {
            Some(text) => Ok(info_fields(&text)),
            None => {
                let error = reply.as_error().unwrap_or_else(|| "no INFO".to_owned());
                Err(self.stages.unreachable(id, error))
            }
        }
    }

    /// The master that most of the sentinels that answer name.
    pub(super) async fn master(&mut self, monitor: MonitorId) -> Result<NodeId, WorldError> {
        let plan = self.journal.plan();
        let planned = &plan.monitors[monitor.0 as usize];
        let asked: Vec<_> = planned
            .sentinels
            .iter()
            .filter(|&&id| matches!(self.nodes.state(id), ProcessState::Running(_)))
            .map(|&id| {
                let endpoint = Endpoint::of(plan.node(id));
                let name = planned.name.clone();
                tokio::task::spawn_local(async move { named_master(&endpoint, &name, SENTINEL_LIMIT).await })
            })
            .collect();
        let mut votes: HashMap<SocketAddr, usize> = HashMap::new();
        let mut answers = 0;
        for task in asked {
            if let Ok(Some(address)) = task.await {
                answers += 1;
                *votes.entry(address).or_default() += 1;
            }
        }
        let winner = votes.iter().find(|&(_, &count)| count * 2 > answers).map(|(&address, _)| address);
        match winner {
            Some(address) => plan.node_at(address).ok_or_else(|| {
                WorldError::Refused(format!("{}: {address} is no node of this topology", planned.name))
            }),
            None if answers == 0 => {
                Err(WorldError::NotYet(format!("no sentinel of {} answers", planned.name)))
            }
            None => {
                Err(WorldError::NotYet(format!("the sentinels of {} name different masters", planned.name)))
            }
        }
    }
}

/// The address that one sentinel names for a monitored master.
pub(crate) async fn named_master(endpoint: &Endpoint, name: &str, limit: Duration) -> Option<SocketAddr> {
    let mut client = Client::connect(endpoint, limit).await.ok()?;
    let reply = client.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name], limit).await.ok()?;
    let [ip, port] = reply.as_array()? else { return None };
    let ip: IpAddr = ip.to_text()?.parse().ok()?;
    Some(SocketAddr::new(ip, u16::try_from(port.as_int()?).ok()?))
}
