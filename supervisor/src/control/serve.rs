//! The supervisor's side of the control socket.
//!
//! Each connection is a task of its own, so that a slow asker keeps nobody else waiting. What is done to nodes
//! is recorded in the history like an experiment's doing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::address;
use super::protocol::{Answer, Description, NodeStatus, Request, Verb};
use super::socket_path;
use crate::client::{Client, Endpoint};
use crate::history::{Moment, What};
use crate::journal::Journal;
use crate::nodes::{Nodes, describe_exit};
use crate::plan::{NodeId, NodeKind};
use crate::present::{ANSWER_LIMIT, Present, ask_info, master_address};
use crate::stage::Stages;
use crate::world::{ProcessState, WorldError};

/// Limit of a request to arrive.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The longest request.
const REQUEST_BYTES: u64 = 64 << 10;

/// Serves one topology.
#[derive(Clone)]
pub struct Control {
    file: String,
    journal: Journal,
    nodes: Nodes,
    stages: Stages,
    down: mpsc::UnboundedSender<()>,
}

impl Control {
    /// Listens in the run directory. What comes out of the receiver is the wish to go down. Must be called
    /// inside a `LocalSet`.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn listen(
        run: &Path,
        file: String,
        journal: Journal,
        nodes: Nodes,
        stages: Stages,
    ) -> std::io::Result<mpsc::UnboundedReceiver<()>> {
        let (_directory, path) = socket_path(run)?;
        let listener = UnixListener::bind(path)?;
        let (down, wishes) = mpsc::unbounded_channel();
        let control = Self { file, journal, nodes, stages, down };
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(control.clone().converse(stream));
            }
        });
        Ok(wishes)
    }

    async fn converse(self, stream: UnixStream) {
        let (read, mut write) = stream.into_split();
        let mut line = String::new();
        let mut reader = BufReader::new(read.take(REQUEST_BYTES));
        let Ok(Ok(_)) = tokio::time::timeout(REQUEST_LIMIT, reader.read_line(&mut line)).await else {
            return;
        };
        let answer = match serde_json::from_str(&line) {
            Ok(Request::Events { follow }) => {
                return self.events(reader.into_inner().into_inner(), write, follow).await;
            }
            Ok(request) => self.answer(request).await,
            Err(error) => Answer::Refused { reason: format!("the request is not understood: {error}") },
        };
        let _ = send(&mut write, &answer).await;
    }

    async fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Describe => Answer::Description(Description {
                file: self.file.clone(),
                pid: std::process::id(),
                started_wall_ms: self.journal.clock().started_wall_ms(),
                plan: (*self.journal.plan()).clone(),
            }),
            Request::Status => Answer::Status { nodes: self.status().await },
            Request::Act { verb, node } => self.act(verb, &node).await.unwrap_or_else(refused),
            Request::Failover { monitor } => self.failover(&monitor).await.unwrap_or_else(refused),
            Request::Locate { node } => self.locate(&node).await.unwrap_or_else(refused),
            Request::Down => {
                let _ = self.down.send(());
                Answer::Done { node: String::new(), state: "stopping".to_owned() }
            }
            Request::Events { .. } => refused("events are not answered at once".to_owned()),
        }
    }

    async fn events(&self, mut read: OwnedReadHalf, mut write: OwnedWriteHalf, follow: bool) {
        let mut sent = 0;
        loop {
            let events = self.journal.events_from(sent);
            if events.is_empty() {
                if !follow {
                    return;
                }
                let mut more = [0; 64];
                tokio::select! {
                    () = self.journal.changed() => {}
                    // Nothing more is asked on this connection: it ends when the asker hangs up.
                    read = read.read(&mut more) => match read {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    },
                }
            }
            for event in events {
                sent += 1;
                if send(&mut write, &Answer::Event(event)).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn find(&self, name: &str) -> Result<NodeId, String> {
        let plan = self.journal.plan();
        let present = match address::needs_roles(&plan, name) {
            true => Present::ask(&plan).await,
            false => Present::default(),
        };
        address::find(&plan, name, &(&*plan, &present))
    }

    async fn act(&self, verb: Verb, name: &str) -> Result<Answer, String> {
        let id = self.find(name).await?;
        let nodes = &self.nodes;
        let done = match verb {
            Verb::Kill => nodes.kill(id).await,
            Verb::Pause => nodes.pause(id).await,
            Verb::Resume => nodes.resume(id).await,
            Verb::Stop => nodes.stop(id).await,
            Verb::Start => nodes.start(id).await,
            Verb::Restart => self.restart(id).await,
        };
        let at = done.map_err(|error| error.to_string())?;
        let detail = "(from the command line)".to_owned();
        self.journal.record_at(
            at,
            None,
            What::Action { verb: verb.name().to_owned(), nodes: vec![id], detail },
        );
        let node = self.journal.plan().node(id).name.clone();
        Ok(Answer::Done { node, state: self.describe(id) })
    }

    async fn restart(&self, id: NodeId) -> Result<Moment, WorldError> {
        let at = match self.nodes.runs(id) {
            Ok(()) => Some(self.nodes.stop(id).await?),
            Err(_) => None,
        };
        let started = self.nodes.start(id).await?;
        Ok(at.unwrap_or(started))
    }

    async fn failover(&self, monitor: &str) -> Result<Answer, String> {
        let plan = self.journal.plan();
        let planned = plan
            .monitors_in_force()
            .map(|(_, one)| one)
            .find(|one| one.name == monitor)
            .ok_or_else(|| {
                let names: Vec<&str> = plan.monitors_in_force().map(|(_, one)| one.name.as_str()).collect();
                format!("no master is monitored as `{monitor}`; there is {}", names.join(", "))
            })?;
        let mut problems = Vec::new();
        for &sentinel in &planned.sentinels {
            let node = plan.node(sentinel);
            let at = self.journal.now();
            let asked = async {
                let mut client = Client::connect(&Endpoint::of(node), ANSWER_LIMIT).await?;
                client.command(&["SENTINEL", "FAILOVER", monitor], ANSWER_LIMIT).await
            };
            match asked.await {
                Ok(reply) => match reply.as_error() {
                    Some(error) => return Err(error),
                    None => {
                        let verb = "failover".to_owned();
                        let what = What::Action { verb, nodes: vec![sentinel], detail: monitor.to_owned() };
                        self.journal.record_at(at, None, what);
                        let state = format!("asked for a failover of {monitor}");
                        return Ok(Answer::Done { node: node.name.clone(), state });
                    }
                },
                Err(error) => problems.push(format!("{}: {error}", node.name)),
            }
        }
        Err(format!("no sentinel of {monitor} answers: {}", problems.join("; ")))
    }

    async fn locate(&self, name: &str) -> Result<Answer, String> {
        let id = self.find(name).await?;
        let plan = self.journal.plan();
        let node = plan.node(id);
        Ok(Answer::Place {
            node: node.name.clone(),
            ip: node.ip.to_string(),
            port: node.port,
            password: Endpoint::of(node).password,
            log: self.stages.log_path(id).unwrap_or_else(|| PathBuf::from("log")),
        })
    }

    /// How every node is; all are asked at once.
    async fn status(&self) -> Vec<NodeStatus> {
        let plan = self.journal.plan();
        let asked: Vec<_> =
            plan.node_ids().map(|id| tokio::task::spawn_local(self.clone().node_status(id))).collect();
        let mut statuses = Vec::new();
        for (task, node) in asked.into_iter().zip(plan.nodes_in_force()) {
            let lost = NodeStatus { name: node.name.clone(), ..NodeStatus::default() };
            statuses.push(task.await.unwrap_or(lost));
        }
        statuses
    }

    /// How a node's process is, in words: `running`, `ended (SIGKILL), starts again in 0.4 s (2 in a row)`.
    fn describe(&self, id: NodeId) -> String {
        let state = self.nodes.state(id);
        match (state, self.nodes.restart_due(id)) {
            (ProcessState::Ended(_), Some((due, restarts))) => {
                let seconds = due.0.saturating_sub(self.journal.now().0) as f64 / 1e6;
                let row = if restarts > 1 { format!(" ({restarts} in a row)") } else { String::new() };
                format!("{}, starts again in {seconds:.1} s{row}", describe_state(state))
            }
            _ => describe_state(state),
        }
    }

    async fn node_status(self, id: NodeId) -> NodeStatus {
        let node = self.journal.plan().node(id).clone();
        let state = self.nodes.state(id);
        let pid = match state {
            ProcessState::Running(pid) | ProcessState::Paused(pid) => Some(pid),
            ProcessState::Ended(_) | ProcessState::NotStarted => None,
        };
        let mut status = NodeStatus {
            name: node.name.clone(),
            address: match node.is_process() {
                true => "-".to_owned(),
                false => SocketAddr::new(node.ip, node.port).to_string(),
            },
            role: node.is_process().then(|| "process".to_owned()),
            state: self.describe(id),
            pid,
            ..NodeStatus::default()
        };
        if !matches!(state, ProcessState::Running(_)) || node.is_process() {
            return status;
        }
        match ask_info(&Endpoint::of(&node)).await {
            Ok(fields) => self.fill(&mut status, node.kind == NodeKind::Sentinel, &fields),
            Err(error) => status.problem = Some(error.to_string()),
        }
        status
    }

    fn fill(&self, status: &mut NodeStatus, sentinel: bool, fields: &HashMap<String, String>) {
        let number = |name: &str| fields.get(name).and_then(|value| value.parse::<u64>().ok());
        let text = |name: &str| fields.get(name).cloned();
        status.clients = number("connected_clients");
        status.used_bytes = number("used_memory");
        status.ops_per_s = number("instantaneous_ops_per_sec");
        if sentinel {
            status.role = Some("sentinel".to_owned());
            let masters = fields.iter().filter(|(name, _)| name.starts_with("master") && name.len() > 6);
            let mut watched: Vec<String> = masters.filter_map(|(_, value)| watched_master(value)).collect();
            watched.sort();
            status.of = watched;
            return;
        }
        status.role = text("role");
        let slave = status.role.as_deref() == Some("slave");
        let offset = if slave { "slave_repl_offset" } else { "master_repl_offset" };
        status.offset = text(offset).and_then(|value| value.parse().ok());
        if slave {
            status.linked = text("master_link_status").map(|link| link == "up");
            status.of = master_address(fields).map(|address| self.node_name(address)).into_iter().collect();
        }
        let keys = fields.iter().filter(|(name, _)| name.starts_with("db") && name.len() > 2);
        let keys =
            keys.filter_map(|(_, value)| value.strip_prefix("keys=")?.split(',').next()?.parse::<u64>().ok());
        status.keys = Some(keys.sum());
    }

    fn node_name(&self, address: SocketAddr) -> String {
        let plan = self.journal.plan();
        plan.node_at(address).map_or_else(|| address.to_string(), |id| plan.node(id).name.clone())
    }
}

fn refused(reason: String) -> Answer {
    Answer::Refused { reason }
}

/// `running`, `paused`, `ended (SIGKILL)`, `not started`.
fn describe_state(state: ProcessState) -> String {
    match state {
        ProcessState::Running(_) => "running".to_owned(),
        ProcessState::Paused(_) => "paused".to_owned(),
        ProcessState::Ended(exit) => format!("ended ({})", describe_exit(exit)),
        ProcessState::NotStarted => "not started".to_owned(),
    }
}

/// `mymaster (ok)` of a sentinel's `name=mymaster,status=ok,…`.
fn watched_master(value: &str) -> Option<String> {
    let fields: HashMap<&str, &str> = value.split(',').filter_map(|part| part.split_once('=')).collect();
    Some(format!("{} ({})", fields.get("name")?, fields.get("status")?))
}

async fn send(write: &mut OwnedWriteHalf, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}
