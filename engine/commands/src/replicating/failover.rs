//! FAILOVER: this master and one of its replicas change places, without losing a write.
//!
//! Writes are held back until a replica has acknowledged everything. Then this server follows that replica, and
//! its PSYNC asks it to become the master first; with its answer everyone goes on.

use resp::Args;
use resp::number::parse_i64;
use types::CommandError;

use crate::client::Client;
use crate::config::Level;
use crate::gates::{Pause, Paused, PausedBy};
use crate::server::Server;

/// A failover under way.
#[derive(Debug)]
pub(crate) struct Failover {
    /// The replica that is to be the master; none: whichever has everything first.
    target: Option<(String, u16)>,
    deadline_ms: Option<u64>,
    at_deadline: AtDeadline,
    stage: Stage,
}

/// What is done when no replica has everything in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtDeadline {
    GiveUp,
    /// FORCE: fails over all the same.
    GoOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    WaitingForSync,
    /// This server follows the target, which has not accepted yet.
    InProgress,
}

/// What `master_failover_state` says.
pub(crate) fn state_name(failover: Option<&Failover>) -> &'static str {
    match failover.map(|failover| failover.stage) {
        None => "no-failover",
        Some(Stage::WaitingForSync) => "waiting-for-sync",
        Some(Stage::InProgress) => "failover-in-progress",
    }
}

/// What FAILOVER asks for.
#[derive(Debug, Default)]
struct Request {
    target: Option<(String, i64)>,
    timeout_ms: Option<i64>,
    force: bool,
    abort: bool,
}

fn parse(args: Args<'_>) -> Result<Request, CommandError> {
    let mut request = Request::default();
    let mut at = 1;
    while at < args.len() {
        let more = args.len() - 1 - at;
        match args.at(at).to_ascii_lowercase().as_slice() {
            b"timeout" if more >= 1 && request.timeout_ms.is_none() => {
                let timeout_ms = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                if timeout_ms <= 0 {
                    return Err(CommandError::new("ERR FAILOVER timeout must be greater than 0"));
                }
                request.timeout_ms = Some(timeout_ms);
                at += 1;
            }
            b"to" if more >= 2 && request.target.is_none() => {
                let port = parse_i64(args.at(at + 2)).ok_or(CommandError::NotAnInteger)?;
                request.target = Some((String::from_utf8_lossy(args.at(at + 1)).into_owned(), port));
                at += 2;
            }
            b"force" if !request.force => request.force = true,
            b"abort" if args.len() == 2 => request.abort = true,
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    Ok(request)
}

pub(crate) fn failover(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let request = parse(args)?;
    if request.abort {
        if server.replicating.failover.is_none() {
            return Err(CommandError::new("ERR No failover in progress."));
        }
        server.abort_failover("Failover manually aborted");
    } else {
        server.begin_failover(request)?;
    }
    client.writer().ok();
    Ok(())
}

impl Server {
    fn begin_failover(&mut self, request: Request) -> Result<(), CommandError> {
        let refuse = |text: &'static str| Err(CommandError::new(text));
        if self.replicating.failover.is_some() {
            return refuse("ERR FAILOVER already in progress.");
        }
        if self.replicating.is_replica() {
            return refuse("ERR FAILOVER is not valid when server is a replica.");
        }
        if self.replicating.replicas.is_empty() {
            return refuse("ERR FAILOVER requires connected replicas.");
        }
        if request.force && (request.timeout_ms.is_none() || request.target.is_none()) {
            return refuse("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
        }
        let mut target = None;
        if let Some((host, port)) = request.target {
            let replica = self.attached().find(|peer| {
                peer.ip().eq_ignore_ascii_case(&host) && i64::from(peer.listening_port()) == port
            });
            let Some(replica) = replica else {
                return refuse("ERR FAILOVER target HOST and PORT is not a replica.");
            };
            if !replica.is_online() {
                return refuse("ERR FAILOVER target replica is not online.");
            }
            target = Some((host, replica.listening_port()));
        }
        let line = match &target {
            Some((host, port)) => format!("FAILOVER requested to {host}:{port}."),
            None => "FAILOVER requested to any replica.".into(),
        };
        self.log(Level::Notice, line);
        let deadline = |timeout_ms: i64| self.now.mono_ms.saturating_add(timeout_ms.unsigned_abs());
        self.replicating.failover = Some(Failover {
            target,
            deadline_ms: request.timeout_ms.map(deadline),
            at_deadline: if request.force { AtDeadline::GoOn } else { AtDeadline::GiveUp },
            stage: Stage::WaitingForSync,
        });
        // What was written goes out before the offset stands still.
        self.flush_replication();
        self.pause(PausedBy::Failover, Pause { until_ms: u64::MAX, what: Paused::Writes });
        Ok(())
    }

    /// Goes on with a failover once a replica has everything, or its time is over.
    pub(crate) fn failover_step(&mut self) {
        let Some(failover) = &self.replicating.failover else { return };
        if failover.stage != Stage::WaitingForSync {
            return;
        }
        let target = failover.target.clone();
        if failover.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now.mono_ms) {
            match (failover.at_deadline, target) {
                (AtDeadline::GoOn, Some((host, port))) => {
                    self.log(
                        Level::Notice,
                        format!("FAILOVER to {host}:{port} time out exceeded, failing over."),
                    );
                    self.fail_over_to(host, port);
                }
                _ => self.abort_failover("Replica never caught up before timeout"),
            }
            return;
        }
        let offset = self.replicating.offset();
        let synced = self.attached().find(|peer| {
            let wanted = target.as_ref().is_none_or(|(host, port)| {
                peer.ip().eq_ignore_ascii_case(host) && peer.listening_port() == *port
            });
            wanted && peer.is_online() && peer.ack_offset().0 == offset
        });
        if let Some((host, port)) = synced.map(|peer| (peer.ip().to_string(), peer.listening_port())) {
            self.log(Level::Notice, format!("Failover target {host}:{port} is synced, failing over."));
            self.fail_over_to(host, port);
        }
    }

    fn fail_over_to(&mut self, host: String, port: u16) {
        if let Some(failover) = &mut self.replicating.failover {
            failover.stage = Stage::InProgress;
            failover.target = Some((host.clone(), port));
        }
        self.follow(host, port, replication::replica::Handover::Asked);
    }

    /// The target is the master now.
    pub(super) fn failover_done(&mut self) {
        if self.replicating.failover.take().is_some() {
            self.end_pause(PausedBy::Failover);
        }
    }

    /// Stays, or becomes again, the master.
    pub(super) fn abort_failover(&mut self, reason: &str) {
        let Some(failover) = self.replicating.failover.take() else { return };
        let target = failover.target.map_or("any replica".into(), |(host, port)| format!("{host}:{port}"));
        self.log(Level::Notice, format!("FAILOVER to {target} aborted: {reason}"));
        if failover.stage == Stage::InProgress {
            self.promote();
        }
        self.end_pause(PausedBy::Failover);
    }

    /// When a failover's time is over.
    pub(crate) fn failover_deadline_ms(&self) -> Option<u64> {
        let failover = self.replicating.failover.as_ref()?;
        failover.deadline_ms.filter(|_| failover.stage == Stage::WaitingForSync)
    }
}
