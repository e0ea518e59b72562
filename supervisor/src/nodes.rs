//! The nodes' processes: start, end, pause and resume, what state each is in, and restart policies.
//!
//! Every start of a node within a stage uses the same command, port and data directory. Whether a node is
//! *ready* is not known here.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::guardian::handle::{GuardianHandle, Report};
use crate::guardian::protocol::SpawnRequest;
use crate::history::{Exit, Moment, What};
use crate::journal::Journal;
use crate::lang::foreign::how_to_install;
use crate::plan::{EngineChoice, NodeId, RestartPolicy};
use crate::world::{ProcessState, WorldError};

/// Graceful stops that take longer end by SIGKILL.
pub const STOP_LIMIT: Duration = Duration::from_secs(10);
/// A node that takes longer than this to stop is told of: whoever waits sees what for.
const QUIET_LIMIT: Duration = Duration::from_secs(2);

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LAST_BACK_OFF: Duration = Duration::from_secs(5);
/// A process that ran this long before it failed starts with the first back-off again.
const RAN_WELL: Duration = Duration::from_secs(10);

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

/// The processes of all nodes. Cheap to clone; all copies are one.
#[derive(Clone)]
pub struct Nodes(Rc<Inner>);

struct Inner {
    journal: Journal,
    guardian: GuardianHandle,
    states: RefCell<Vec<NodeState>>,
    /// Which node a process number of the guardian belongs to.
    numbers: RefCell<HashMap<u64, NodeId>>,
    changed: Notify,
    guardian_lost: Cell<bool>,
}

#[derive(Default)]
struct NodeState {
    command: Option<SpawnRequest>,
    live: Option<Live>,
    last_exit: Option<Exit>,
    /// Restarts since the process last ran well.
    restarts: u32,
    /// When its restart policy starts it again, while it is down for that.
    due: Option<Moment>,
    /// Who ended the last process.
    ended_by: Option<Ending>,
}

#[derive(Clone, Copy)]
struct Live {
    number: u64,
    /// None between asking for the start and its confirmation.
    pid: Option<i32>,
    started: Moment,
    paused: bool,
    ending: Ending,
}

/// Who ends a process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nobody: an end is the process's own.
    Own,
    /// The experiment kills it: expected, and the restart policy applies as for a crash.
    Killed,
    /// The experiment or the supervisor stops it: it stays down.
    Stopped,
}

impl Nodes {
    /// Nodes of the journal's plan, none running. Must be called inside a `LocalSet`; `reports` come from
    /// the guardian.
    pub fn new(journal: Journal, guardian: GuardianHandle, reports: mpsc::UnboundedReceiver<Report>) -> Self {
        let states = journal.plan().nodes.iter().map(|_| NodeState::default()).collect();
        let nodes = Self(Rc::new(Inner {
            journal,
            guardian,
            states: RefCell::new(states),
            numbers: RefCell::default(),
            changed: Notify::new(),
            guardian_lost: Cell::new(false),
        }));
        tokio::task::spawn_local(nodes.clone().follow(reports));
        nodes
    }

    /// Sets the command that every start uses from now on, and forgets earlier ends. A plan that has grown may
    /// name new nodes.
    pub fn prepare(&self, id: NodeId, command: SpawnRequest) {
        let mut states = self.0.states.borrow_mut();
        if states.len() <= id.0 as usize {
            states.resize_with(id.0 as usize + 1, NodeState::default);
        }
        let state = &mut states[id.0 as usize];
        assert!(state.live.is_none(), "a running node is not prepared anew");
        *state = NodeState { command: Some(command), ..NodeState::default() };
    }

    /// Sets the command that later starts use; the process that runs goes on.
    pub fn set_command(&self, id: NodeId, command: SpawnRequest) {
        self.0.states.borrow_mut()[id.0 as usize].command = Some(command);
    }

    /// Takes a node out that is down: it is not started any more.
    pub fn forget(&self, id: NodeId) {
        if let Some(state) = self.0.states.borrow_mut().get_mut(id.0 as usize) {
            state.command = None;
        }
    }

    /// The state of a node's process.
    pub fn state(&self, id: NodeId) -> ProcessState {
        let states = self.0.states.borrow();
        // A node that a changed script adds has no state before it is prepared.
        let Some(state) = states.get(id.0 as usize) else { return ProcessState::NotStarted };
        match (state.live, state.last_exit) {
            (Some(Live { pid: Some(pid), paused: true, .. }), _) => ProcessState::Paused(pid),
            (Some(Live { pid: Some(pid), .. }), _) => ProcessState::Running(pid),
            (_, Some(exit)) => ProcessState::Ended(exit),
            _ => ProcessState::NotStarted,
        }
    }

    /// When a node that is down is started again by its restart policy, and how often it was since it ran well.
    pub fn restart_due(&self, id: NodeId) -> Option<(Moment, u32)> {
        let states = self.0.states.borrow();
        let state = states.get(id.0 as usize)?;
        Some((state.due?, state.restarts))
    }

    /// Whether the node's process exists, with a sentence when it does not.
    pub fn runs(&self, id: NodeId) -> Result<(), String> {
        match self.state(id) {
            ProcessState::Running(_) | ProcessState::Paused(_) => Ok(()),
            ProcessState::Ended(exit) => Err(format!("not running ({})", describe_exit(exit))),
            ProcessState::NotStarted => Err("not started".to_owned()),
        }
    }

    /// Whether the guardian is gone: nothing can be started or ended any more.
    pub fn guardian_lost(&self) -> bool {
        self.0.guardian_lost.get()
    }

    /// Completes at the next start, exit, or loss of the guardian.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Starts a node that is down.
    ///
    /// # Errors
    /// `Refused` when it runs; `Environment` when the system refuses.
    pub async fn start(&self, id: NodeId) -> Result<Moment, WorldError> {
        let (number, command) = {
            let mut states = self.0.states.borrow_mut();
            let state = &mut states[id.0 as usize];
            if state.live.is_some() {
                return Err(WorldError::Refused(format!("{} runs already", self.name(id))));
            }
            let Some(command) = state.command.clone() else {
                return Err(WorldError::Refused(format!("{} is not part of this run", self.name(id))));
            };
            let number = self.0.guardian.next_id();
            let started = self.0.journal.now();
            state.live = Some(Live { number, pid: None, started, paused: false, ending: Ending::Own });
            state.due = None;
            (number, command)
        };
        self.0.numbers.borrow_mut().insert(number, id);
        // In a task of its own: an interrupted wait must not lose the answer.
        let nodes = self.clone();
        let start = tokio::task::spawn_local(async move { nodes.spawn(id, number, command).await });
        start.await.map_err(|error| WorldError::Environment(error.to_string()))?
    }

    async fn spawn(&self, id: NodeId, number: u64, command: SpawnRequest) -> Result<Moment, WorldError> {
        match self.0.guardian.spawn(number, command).await {
            Ok((pid, at)) => {
                self.0.journal.record_at(at, None, What::Started { node: id, pid });
                self.live_mut(id, number, |live| live.pid = Some(pid));
                self.0.changed.notify_waiters();
                Ok(at)
            }
            Err(error) => {
                self.0.numbers.borrow_mut().remove(&number);
                self.0.states.borrow_mut()[id.0 as usize].live = None;
                let hint = start_hint(&self.0.journal.plan().node(id).engine, &error);
                Err(WorldError::Environment(format!("{} cannot be started: {error}{hint}", self.name(id))))
            }
        }
    }

    /// SIGKILL; returns once the process was reaped, with the moment the signal was sent.
    ///
    /// # Errors
    /// `Refused` when it does not run.
    pub async fn kill(&self, id: NodeId) -> Result<Moment, WorldError> {
        let number = self.mark(id, Ending::Killed)?;
        let at = self.signal(id, number, SIGKILL).await?;
        self.ended(id, number).await?;
        Ok(at)
    }

    /// SIGTERM, awaited; SIGKILL after [`STOP_LIMIT`]. Gives the moment of the first signal. A node that is down and
    /// waits for its restart policy stays down.
    ///
    /// # Errors
    /// `Refused` when it does not run.
    pub async fn stop(&self, id: NodeId) -> Result<Moment, WorldError> {
        if self.gives_up_restarting(id) {
            return Ok(self.0.journal.now());
        }
        let number = self.mark(id, Ending::Stopped)?;
        let at = self.signal(id, number, SIGTERM).await?;
        if matches!(self.state(id), ProcessState::Paused(_)) {
            // A stopped process cannot act on SIGTERM.
            let _ = self.signal(id, number, SIGCONT).await;
        }
        if tokio::time::timeout(QUIET_LIMIT, self.ended(id, number)).await.is_ok() {
            return Ok(at);
        }
        let (quiet_s, limit_s) = (QUIET_LIMIT.as_secs(), STOP_LIMIT.as_secs());
        let text =
            format!("still runs {quiet_s} s after SIGTERM: it is waited for, and killed after {limit_s} s");
        self.0.journal.record(What::Note { node: Some(id), text });
        if tokio::time::timeout(STOP_LIMIT - QUIET_LIMIT, self.ended(id, number)).await.is_err() {
            let text = format!("did not stop within {} s and was killed", STOP_LIMIT.as_secs());
            self.0.journal.record(What::Note { node: Some(id), text });
            let _ = self.signal(id, number, SIGKILL).await;
            self.ended(id, number).await?;
        }
        Ok(at)
    }

    /// Whether it was down and waited for its next start, which does not come any more.
    fn gives_up_restarting(&self, id: NodeId) -> bool {
        let mut states = self.0.states.borrow_mut();
        let Some(state) = states.get_mut(id.0 as usize).filter(|state| state.live.is_none()) else {
            return false;
        };
        let waited = state.due.take().is_some();
        if waited {
            state.ended_by = Some(Ending::Stopped);
        }
        waited
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// `Refused` when it does not run or is paused.
    pub async fn pause(&self, id: NodeId) -> Result<Moment, WorldError> {
        self.set_paused(id, true).await
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// `Refused` when it is not paused.
    pub async fn resume(&self, id: NodeId) -> Result<Moment, WorldError> {
        self.set_paused(id, false).await
    }

    async fn set_paused(&self, id: NodeId, pause: bool) -> Result<Moment, WorldError> {
        let live = self.live(id)?;
        if live.paused == pause {
            let state = if pause { "paused already" } else { "not paused" };
            return Err(WorldError::Refused(format!("{} is {state}", self.name(id))));
        }
        let at = self.signal(id, live.number, if pause { SIGSTOP } else { SIGCONT }).await?;
        self.live_mut(id, live.number, |live| live.paused = pause);
        Ok(at)
    }

    /// Kills every process and whatever else descends from the guardian (scripts, snapshot children), and
    /// returns when none is left.
    ///
    /// # Errors
    /// `Environment` when the guardian is gone.
    pub async fn sweep(&self) -> Result<(), WorldError> {
        for state in self.0.states.borrow_mut().iter_mut() {
            state.command = None;
            if let Some(live) = &mut state.live {
                live.ending = Ending::Stopped;
            }
        }
        self.0.guardian.sweep().await.map_err(WorldError::Environment)?;
        while !self.0.guardian_lost.get() && self.0.states.borrow().iter().any(|state| state.live.is_some()) {
            self.changed().await;
        }
        Ok(())
    }

    /// Ids of nodes whose process exists.
    pub fn living(&self) -> Vec<NodeId> {
        self.0.journal.plan().node_ids().filter(|&id| self.runs(id).is_ok()).collect()
    }

    fn live(&self, id: NodeId) -> Result<Live, WorldError> {
        let live = self.0.states.borrow()[id.0 as usize].live;
        live.ok_or_else(|| WorldError::Refused(format!("{} is not running", self.name(id))))
    }

    fn live_mut(&self, id: NodeId, number: u64, change: impl FnOnce(&mut Live)) -> Option<Live> {
        let mut states = self.0.states.borrow_mut();
        let live = states[id.0 as usize].live.as_mut().filter(|live| live.number == number)?;
        change(live);
        Some(*live)
    }

    fn mark(&self, id: NodeId, ending: Ending) -> Result<u64, WorldError> {
        let number = self.live(id)?.number;
        self.live_mut(id, number, |live| live.ending = ending);
        Ok(number)
    }

    async fn signal(&self, id: NodeId, number: u64, signal: i32) -> Result<Moment, WorldError> {
        let sent = self.0.guardian.signal(number, signal).await;
        sent.map_err(|error| WorldError::Refused(format!("{}: {error}", self.name(id))))
    }

    async fn ended(&self, id: NodeId, number: u64) -> Result<(), WorldError> {
        let runs = || self.0.states.borrow()[id.0 as usize].live.is_some_and(|live| live.number == number);
        while runs() {
            if self.0.guardian_lost.get() {
                return Err(WorldError::Environment("the guardian process is gone".to_owned()));
            }
            self.changed().await;
        }
        Ok(())
    }

    fn name(&self, id: NodeId) -> String {
        self.0.journal.plan().node(id).name.clone()
    }

    async fn follow(self, mut reports: mpsc::UnboundedReceiver<Report>) {
        while let Some(report) = reports.recv().await {
            match report {
                Report::Exited { id: number, pid, how, at } => self.exited(number, pid, how, at),
                Report::Lost => {
                    self.0.guardian_lost.set(true);
                    // Its orphans are ours now: this process is a subreaper too.
                    sys::kill_all_descendants();
                }
            }
            self.0.changed.notify_waiters();
        }
    }

    fn exited(&self, number: u64, pid: i32, how: Exit, at: Moment) {
        let Some(id) = self.0.numbers.borrow_mut().remove(&number) else { return };
        let Some(live) = self.live_mut(id, number, |_| {}) else { return };
        let expected = live.ending != Ending::Own;
        self.0.journal.record_at(at, None, What::Exited { node: id, pid, how, expected });
        let ran = Duration::from_micros(at.0.saturating_sub(live.started.0));
        let back_off = {
            let mut states = self.0.states.borrow_mut();
            let state = &mut states[id.0 as usize];
            state.live = None;
            state.last_exit = Some(how);
            state.ended_by = Some(live.ending);
            let policy = self.0.journal.plan().node(id).restart;
            (live.ending != Ending::Stopped && restarts(policy, how)).then(|| {
                state.restarts = if ran >= RAN_WELL { 0 } else { state.restarts + 1 };
                back_off(state.restarts)
            })
        };
        if let Some(pause) = back_off {
            self.restart_after(id, pause);
        }
    }

    /// A node's restart policy is another: one that is down and waits for its next start may not be started any
    /// more, one that stays down may. Gives what becomes of it, if anything does.
    pub fn policy_has_changed(&self, id: NodeId) -> Option<&'static str> {
        let policy = self.0.journal.plan().node(id).restart;
        let (starts, is_due) = {
            let states = self.0.states.borrow();
            let state = states.get(id.0 as usize)?;
            let down = state.live.is_none() && state.command.is_some();
            let by_itself = state.ended_by.is_some_and(|by| by != Ending::Stopped);
            (down && by_itself && restarts(policy, state.last_exit?), state.due.is_some())
        };
        match (starts, is_due) {
            (true, false) => {
                self.restart_after(id, back_off(0));
                Some("is down, and starts again")
            }
            (false, true) => {
                self.0.states.borrow_mut()[id.0 as usize].due = None;
                Some("stays down")
            }
            _ => None,
        }
    }

    fn restart_after(&self, id: NodeId, pause: Duration) {
        let due = Moment(self.0.journal.now().0 + crate::stage::micros(pause));
        self.0.states.borrow_mut()[id.0 as usize].due = Some(due);
        tokio::task::spawn_local(self.clone().restart_later(id, pause, due));
    }

    async fn restart_later(self, id: NodeId, pause: Duration, due: Moment) {
        tokio::time::sleep(pause).await;
        let still_wanted = {
            let mut states = self.0.states.borrow_mut();
            let state = &mut states[id.0 as usize];
            // Started or stopped meanwhile, or to be started at another time.
            if state.due != Some(due) {
                return;
            }
            state.due = None;
            state.live.is_none() && state.command.is_some()
        };
        if still_wanted && let Err(error) = self.start(id).await {
            self.0.journal.record(What::Note { node: Some(id), text: error.to_string() });
        }
    }
}

/// What to do about a process that cannot be started.
fn start_hint(engine: &EngineChoice, error: &str) -> String {
    let is = |errno: nix::errno::Errno| error.contains(&format!("(os error {})", errno as i32));
    match engine {
        EngineChoice::Path(path) if is(nix::errno::Errno::ENOENT) => format!("; {}", how_to_install(path)),
        _ if is(nix::errno::Errno::EAGAIN) => {
            ". The limit of processes is reached: `ulimit -u` shows it, and raises it as far as it may."
                .to_owned()
        }
        _ if is(nix::errno::Errno::EMFILE) | is(nix::errno::Errno::ENFILE) => {
            ". The limit of open files is reached: `ulimit -n` shows it, and raises it as far as it may."
                .to_owned()
        }
        _ => String::new(),
    }
}

fn restarts(policy: RestartPolicy, how: Exit) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::OnFailure => how != Exit::Code(0),
        RestartPolicy::Always => true,
    }
}

fn back_off(restarts: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(1 << restarts.saturating_sub(1).min(10)).min(LAST_BACK_OFF)
}

/// `exit code 1`, `SIGKILL`.
pub fn describe_exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => nix::sys::signal::Signal::try_from(signal)
            .map_or_else(|_| format!("signal {signal}"), |signal| signal.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_back_off() {
        assert!(!restarts(RestartPolicy::No, Exit::Signal(9)));
        assert!(restarts(RestartPolicy::OnFailure, Exit::Signal(9)));
        assert!(!restarts(RestartPolicy::OnFailure, Exit::Code(0)));
        assert!(restarts(RestartPolicy::Always, Exit::Code(0)));
        let pauses: Vec<u128> = (0..9).map(|count| back_off(count).as_millis()).collect();
        assert_eq!(pauses, [100, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn what_cannot_be_started_is_told_with_what_to_do() {
        let redis = EngineChoice::Path("redis-server".into());
        let missing = "cannot execute redis-server: No such file or directory (os error 2)";
        assert!(start_hint(&redis, missing).contains("apt-get install redis-server"));
        assert_eq!(start_hint(&EngineChoice::Topple, missing), "");
        assert!(start_hint(&redis, "Resource temporarily unavailable (os error 11)").contains("ulimit -u"));
        assert!(start_hint(&redis, "Too many open files (os error 24)").contains("ulimit -n"));
    }

    #[test]
    fn exits_are_described() {
        assert_eq!(describe_exit(Exit::Signal(9)), "SIGKILL");
        assert_eq!(describe_exit(Exit::Signal(35)), "signal 35");
        assert_eq!(describe_exit(Exit::Code(2)), "exit code 2");
    }
}
