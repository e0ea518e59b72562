//! Notification and reconfiguration scripts: the queue, limits and retries.
//!
//! The shell starts and kills programs; this module decides when. At most 16
//! run at once, 256 are queued (the oldest waiting one makes room), each may
//! run for a minute. Exit code 1 or a signal means try again, up to ten runs,
//! after 30 s, 60 s, 120 s…

use crate::{
    action::{Action, ScriptOutcome},
    core::Core,
    event::Level,
    time::MonoMs,
};

const MAX_QUEUED: usize = 256;
const MAX_RUNNING: usize = 16;
const MAX_RUNS: u32 = 10;

/// One queued or running script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptId(pub u64);

#[derive(Debug)]
pub(crate) enum JobState {
    Waiting { until: Option<MonoMs> },
    Running { since: MonoMs, pid: u32, killed: bool },
}

#[derive(Debug)]
pub(crate) struct Job {
    id: ScriptId,
    pub(crate) path: String,
    pub(crate) args: Vec<String>,
    pub(crate) runs: u32,
    pub(crate) state: JobState,
}

/// The queue, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    pub(crate) jobs: Vec<Job>,
    next_id: u64,
}

impl Scripts {
    pub(crate) fn running(&self) -> usize {
        self.jobs.iter().filter(|job| matches!(job.state, JobState::Running { .. })).count()
    }

    /// Queues one run.
    pub(crate) fn schedule(&mut self, path: &str, args: Vec<String>) {
        self.next_id += 1;
        let state = JobState::Waiting { until: None };
        self.jobs.push(Job { id: ScriptId(self.next_id), path: path.to_owned(), args, runs: 0, state });
        if self.jobs.len() > MAX_QUEUED
            && let Some(oldest) = self.jobs.iter().position(|j| matches!(j.state, JobState::Waiting { .. }))
        {
            self.jobs.remove(oldest);
        }
    }

    /// When a delay or a time limit ends.
    pub(crate) fn next_deadline(&self, max_runtime_ms: u64) -> MonoMs {
        let full = self.running() >= MAX_RUNNING;
        let deadlines = self.jobs.iter().filter_map(|job| match job.state {
            JobState::Waiting { .. } if full => None,
            JobState::Waiting { until } => Some(until.unwrap_or(MonoMs(0))),
            JobState::Running { since, killed: false, .. } => Some(since.plus(max_runtime_ms).plus(1)),
            JobState::Running { .. } => None,
        });
        deadlines.min().unwrap_or(MonoMs::NEVER)
    }

    fn job(&mut self, id: ScriptId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }
}

/// Starts what may start and kills what has run for too long.
pub(crate) fn advance(core: &mut Core) {
    let now = core.mono();
    let mut free = MAX_RUNNING.saturating_sub(core.scripts.running());
    let mut actions = Vec::new();
    let mut timeouts = Vec::new();
    for job in &mut core.scripts.jobs {
        match &mut job.state {
            JobState::Waiting { until } if free > 0 && until.is_none_or(|at| at <= now) => {
                free -= 1;
                job.runs += 1;
                job.state = JobState::Running { since: now, pid: 0, killed: false };
                let (path, args) = (job.path.clone(), job.args.clone());
                actions.push(Action::RunScript { id: job.id, path, args });
            }
            JobState::Running { since, pid, killed }
                if !*killed && now.since(*since) > core.periods.script_max_runtime_ms =>
            {
                *killed = true;
                timeouts.push((format!("{} {pid}", job.path), job.id));
            }
            _ => {}
        }
    }
    actions.into_iter().for_each(|action| core.push(action));
    for (text, id) in timeouts {
        core.event(Level::Warning, "-script-timeout", text);
        core.push(Action::KillScript { id });
    }
}

pub(crate) fn started(core: &mut Core, id: ScriptId, started: u32) {
    if let Some(Job { state: JobState::Running { pid, .. }, .. }) = core.scripts.job(id) {
        *pid = started;
        core.event(Level::Debug, "+script-child", started.to_string());
    }
}

pub(crate) fn ended(core: &mut Core, id: ScriptId, outcome: ScriptOutcome) {
    let (now, first_delay) = (core.mono(), core.periods.script_retry_delay_ms);
    let Some(job) = core.scripts.job(id) else { return };
    let JobState::Running { pid, .. } = job.state else { return };
    let (exit, signal) = match outcome {
        ScriptOutcome::Exit(code) => (code, 0),
        ScriptOutcome::Signal(signal) => (0, signal),
        ScriptOutcome::NotExecutable => (2, 0),
        ScriptOutcome::ForkFailed => (0, 99),
    };
    let retry = (signal != 0 || exit == 1) && job.runs < MAX_RUNS;
    let error = format!("{} {signal} {exit}", job.path);
    if retry {
        let delay = first_delay.saturating_mul(1 << (job.runs.max(1) - 1));
        job.state = JobState::Waiting { until: Some(now.plus(delay)) };
    } else {
        core.scripts.jobs.retain(|job| job.id != id);
    }
    if outcome == ScriptOutcome::ForkFailed {
        core.event(Level::Warning, "-script-error", error);
        return;
    }
    core.event(Level::Debug, "-script-child", format!("{pid} {exit} {signal}"));
    if !retry && (signal != 0 || exit != 0) {
        core.event(Level::Warning, "-script-error", error);
    }
}
