//! The failover of one master, from the decision to the switch.
//!
//! A failover that this sentinel runs is a [`Phase`]; outside of one there is
//! none. Phases change in [`advance`], on confirmations by INFO
//! ([`promotion_confirmed`]), and when a better configuration arrives, which
//! drops the failover altogether.

use crate::{
    action::Action,
    core::Core,
    election,
    event::Level,
    hello,
    instance::{Master, Reconfiguration, ReplicaId},
    periods::{MAX_DESYNC_MS, prompt},
    reconfigure::{self, Part},
    select,
    time::MonoMs,
};

/// Why a failover runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The master is objectively down; an election is needed.
    Outage,
    /// `SENTINEL FAILOVER`; nobody is asked.
    Command,
}

/// How far a failover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    WaitStart,
    SelectReplica,
    SendSlaveofNoOne { promoted: ReplicaId },
    WaitPromotion { promoted: ReplicaId },
    ReconfReplicas { promoted: ReplicaId },
    UpdateConfig { promoted: ReplicaId },
}

impl Phase {
    /// As in the replies of SENTINEL MASTER.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::WaitStart => "wait_start",
            Phase::SelectReplica => "select_slave",
            Phase::SendSlaveofNoOne { .. } => "send_slaveof_noone",
            Phase::WaitPromotion { .. } => "wait_promotion",
            Phase::ReconfReplicas { .. } => "reconf_slaves",
            Phase::UpdateConfig { .. } => "update_config",
        }
    }

    pub(crate) fn promoted(self) -> Option<ReplicaId> {
        match self {
            Phase::WaitStart | Phase::SelectReplica => None,
            Phase::SendSlaveofNoOne { promoted }
            | Phase::WaitPromotion { promoted }
            | Phase::ReconfReplicas { promoted }
            | Phase::UpdateConfig { promoted } => Some(promoted),
        }
    }

    pub(crate) fn awaits_votes(self) -> bool {
        self == Phase::WaitStart
    }

    /// From here on the promoted replica is the master we tell clients of.
    pub(crate) fn is_promotion_confirmed(self) -> bool {
        matches!(self, Phase::ReconfReplicas { .. } | Phase::UpdateConfig { .. })
    }
}

/// When this sentinel will stand for election.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidacy {
    at: MonoMs,
    /// The turn came late, and a second one was taken.
    postponed: bool,
}

/// A failover run by this sentinel.
#[derive(Debug)]
pub(crate) struct Failover {
    pub(crate) epoch: u64,
    pub(crate) cause: Cause,
    pub(crate) phase: Phase,
    pub(crate) changed_at: MonoMs,
}

/// Starts a failover if the master is objectively down and the last attempt,
/// ours or another's, is long enough ago. Says whether it did.
pub(crate) fn start_if_needed(core: &mut Core, master: &mut Master) -> bool {
    if master.odown_since.is_none() || master.failover.is_some() {
        return false;
    }
    let pause = master.settings.failover_timeout_ms * 2;
    if let Some(started) = master.failover_started_at
        && core.mono() < started.plus(pause)
    {
        log_delay(core, master, started, pause);
        core.wake_at(started.plus(pause));
        return false;
    }
    if core.is_prompt() && !is_our_turn(core, master) {
        return false;
    }
    start(core, master, Cause::Outage);
    true
}

fn log_delay(core: &mut Core, master: &mut Master, started: MonoMs, pause: u64) {
    if master.delay_logged == Some(started) {
        return;
    }
    master.delay_logged = Some(started);
    let ahead = started.plus(pause).since(core.mono()) as i64;
    let date = crate::time::WallMs(core.now.wall.0 + ahead).to_date(core.global.utc_offset_seconds);
    core.log(Level::Notice, format!("Next failover delay: I will not start a failover before {date}"));
}

/// With deadlines met to the millisecond all sentinels would stand at once
/// and split the vote; those of Redis are kept apart by PINGs and ticks that
/// are a second and a tenth long. Here a turn is decided by a rank that all
/// compute alike from the ids they know, rotated by epoch, plus a little
/// chance. Turns lie further apart the slower the machine and the others
/// answer, up to Redis's second in all. This only ever delays a start.
fn is_our_turn(core: &mut Core, master: &mut Master) -> bool {
    let now = core.mono();
    let spacing = turn_spacing_ms(core, master);
    let mut candidacy = match master.candidacy {
        Some(candidacy) => candidacy,
        None => {
            let delay = rank(core, master) * spacing + core.random.below(spacing / 5);
            Candidacy { at: now.plus(delay.min(MAX_DESYNC_MS)), postponed: false }
        }
    };
    let late_ms = now.since(candidacy.at);
    if late_ms > prompt::LATE_TURN_MS && !candidacy.postponed {
        // What others sent meanwhile is heard first.
        candidacy = Candidacy { at: now.plus(late_ms.min(spacing)), postponed: true };
    }
    master.candidacy = Some(candidacy);
    core.wake_at(candidacy.at);
    now >= candidacy.at
}

/// The sentinels this one believes to be alive, itself included.
fn living(master: &Master) -> usize {
    master.voters.values().filter(|v| v.down.since.is_none()).count() + 1
}

fn turn_spacing_ms(core: &Core, master: &Master) -> u64 {
    let widest = MAX_DESYNC_MS / (living(master) as u64 - 1).max(1);
    (core.delays.worst_ms(core.mono()) * 4).clamp(prompt::RANK_SPACING_MS.min(widest), widest)
}

/// The place of this sentinel in the order of candidates.
fn rank(core: &Core, master: &Master) -> u64 {
    let alive = master.voters.values().filter(|v| v.down.since.is_none());
    let mut ids: Vec<&str> = alive.map(|v| v.runid.as_str()).chain([core.myid.as_str()]).collect();
    ids.sort_unstable();
    let position = ids.iter().position(|id| *id == core.myid).unwrap_or(0);
    let salt = master.name.bytes().fold(core.epoch, |sum, byte| sum.wrapping_add(u64::from(byte)));
    let first = (salt % ids.len() as u64) as usize;
    ((position + ids.len() - first) % ids.len()) as u64
}

/// Begins a failover in a new epoch.
pub(crate) fn start(core: &mut Core, master: &mut Master, cause: Cause) {
    core.epoch += 1;
    core.flush();
    let epoch = core.epoch;
    let now = core.mono();
    master.failover = Some(Failover { epoch, cause, phase: Phase::WaitStart, changed_at: now });
    master.candidacy = None;
    core.plain_event(Level::Warning, "+new-epoch", master, epoch.to_string());
    core.master_event(Level::Warning, "+try-failover", master, "");
    let desync = core.random.below(MAX_DESYNC_MS);
    master.failover_started_at = Some(now.plus(desync));
    let me = core.myid.clone();
    election::vote(core, master, epoch, &me);
}

fn set_phase(core: &Core, master: &mut Master, phase: Phase) {
    if let Some(failover) = &mut master.failover {
        failover.phase = phase;
        failover.changed_at = core.mono();
    }
}

fn abort(core: &mut Core, master: &mut Master, event: &'static str) {
    core.master_event(Level::Warning, event, master, "");
    master.failover = None;
}

/// Takes the running failover as far as it goes without news.
pub(crate) fn advance(core: &mut Core, master: &mut Master) {
    loop {
        let Some(failover) = &master.failover else { return };
        let before = failover.phase;
        match before {
            Phase::WaitStart => wait_start(core, master),
            Phase::SelectReplica => select_replica(core, master),
            Phase::SendSlaveofNoOne { promoted } => send_slaveof_no_one(core, master, promoted),
            Phase::WaitPromotion { .. } => {
                abort_after_timeout(core, master);
            }
            Phase::ReconfReplicas { .. } => reconfigure_replicas(core, master),
            Phase::UpdateConfig { .. } => return,
        }
        let changed = master.failover.as_ref().is_some_and(|f| f.phase != before);
        if !changed || !core.is_prompt() || core.crashed {
            return;
        }
    }
}

fn wait_start(core: &mut Core, master: &mut Master) {
    let Some(failover) = &mut master.failover else { return };
    let cause = failover.cause;
    if core.epoch > failover.epoch && cause == Cause::Outage {
        // Another master's election moved the epoch on: stand in the new one.
        failover.epoch = core.epoch;
        let (epoch, me) = (core.epoch, core.myid.clone());
        election::vote(core, master, epoch, &me);
    }
    let epoch = master.failover.as_ref().map_or(0, |f| f.epoch);
    let is_leader = election::leader(core, master, epoch).is_some_and(|l| l.eq_ignore_ascii_case(&core.myid));
    if !is_leader && cause == Cause::Outage {
        let timeout = core.periods.election_timeout_ms.min(master.settings.failover_timeout_ms);
        let started = master.failover_started_at.unwrap_or(MonoMs(0));
        if core.has_passed(started, timeout) {
            abort(core, master, "-failover-abort-not-elected");
        }
        return;
    }
    core.master_event(Level::Warning, "+elected-leader", master, "");
    if core.simulated_failure.after_election {
        return crash(core);
    }
    set_phase(core, master, Phase::SelectReplica);
    core.master_event(Level::Warning, "+failover-state-select-slave", master, "");
}

fn select_replica(core: &mut Core, master: &mut Master) {
    if awaits_fresh_info(core, master) {
        return;
    }
    let Some(promoted) = select::best_replica(core, master) else {
        return abort(core, master, "-failover-abort-no-good-slave");
    };
    set_phase(core, master, Phase::SendSlaveofNoOne { promoted });
    promoted_event(core, master, Level::Warning, "+selected-slave");
    promoted_event(core, master, Level::Notice, "+failover-state-send-slaveof-noone");
}

/// Offsets decide between replicas; those told before the outage say little.
/// The choice waits a moment for newer ones (pace `prompt`).
fn awaits_fresh_info(core: &mut Core, master: &mut Master) -> bool {
    let Some(failover) = &master.failover else { return false };
    let changed_at = failover.changed_at;
    if !core.is_prompt() || core.has_passed(changed_at, prompt::FRESH_INFO_WAIT_MS) {
        return false;
    }
    let needed = master.server.down.since.unwrap_or(changed_at);
    let mut waits = false;
    for replica in &mut master.replicas {
        let info = &mut replica.server.info;
        if info.refreshed.is_some_and(|at| at >= needed) || replica.priority == 0 {
            continue;
        }
        if replica.server.link.is_up() && replica.server.down.since.is_none() {
            info.wanted |= info.sent.is_none_or(|at| at < needed);
            waits = true;
        }
    }
    waits
}

fn promoted_event(core: &mut Core, master: &Master, level: Level, kind: &'static str) {
    if let Some(promoted) = master.promoted() {
        core.replica_event(level, kind, master, promoted, "");
    }
}

/// Gives up when a phase took longer than the failover time-out.
fn abort_after_timeout(core: &mut Core, master: &mut Master) {
    let changed_at = master.failover.as_ref().map_or(core.mono(), |f| f.changed_at);
    if core.has_passed(changed_at, master.settings.failover_timeout_ms) {
        abort(core, master, "-failover-abort-slave-timeout");
    }
}

fn send_slaveof_no_one(core: &mut Core, master: &mut Master, promoted: ReplicaId) {
    let settings = &master.settings;
    let replica = master.replicas.iter_mut().find(|r| r.id == promoted);
    let connected = replica.filter(|r| r.server.link.is_up());
    let sent = connected.is_some_and(|r| reconfigure::send_slaveof(core, &mut r.server, settings, None));
    if !sent {
        return abort_after_timeout(core, master);
    }
    promoted_event(core, master, Level::Notice, "+failover-state-wait-promotion");
    set_phase(core, master, Phase::WaitPromotion { promoted });
}

/// The chosen replica says it is a master: the new configuration is a fact
/// from here on, and everyone is told.
pub(crate) fn promotion_confirmed(core: &mut Core, master: &mut Master) {
    let Some(Failover { epoch, phase: Phase::WaitPromotion { promoted }, .. }) = master.failover else {
        return;
    };
    master.config_epoch = epoch;
    set_phase(core, master, Phase::ReconfReplicas { promoted });
    core.flush();
    promoted_event(core, master, Level::Warning, "+promoted-slave");
    if core.simulated_failure.after_promotion {
        return crash(core);
    }
    core.master_event(Level::Warning, "+failover-state-reconf-slaves", master, "");
    if let Some(replica) = master.promoted() {
        let to = replica.server.addr.clone();
        reconfigure::run_client_script(core, master, Part::Leader, &master.server.addr, &to);
    }
    hello::publish_soon(core, master);
}

/// Sends the remaining replicas to the new master, a few at a time. While the
/// most allowed are under way nobody else is told, nor are those given up that
/// do not move: the failover time-out ends that.
fn reconfigure_replicas(core: &mut Core, master: &mut Master) {
    let Some(to) = master.promoted().map(|r| reconfigure::target(core, &r.server.addr)) else { return };
    let at_once = master.settings.parallel_syncs as usize;
    let mut in_progress = master.replicas.iter().filter(|r| r.reconfiguration.is_in_progress()).count();
    for index in 0..master.replicas.len() {
        if in_progress >= at_once {
            break;
        }
        let replica = &master.replicas[index];
        if master.is_promoted(replica.id) || replica.is_settled() {
            continue;
        }
        // Whoever is given up is told once more.
        let may_be_told =
            give_up_if_late(core, master, index) || !master.replicas[index].reconfiguration.is_in_progress();
        let replica = &mut master.replicas[index];
        if may_be_told
            && replica.server.link.is_up()
            && reconfigure::send_slaveof(core, &mut replica.server, &master.settings, Some(&to))
        {
            replica.reconfiguration = Reconfiguration::Sent { at: core.mono() };
            core.replica_event(Level::Notice, "+slave-reconf-sent", master, &master.replicas[index], "");
            in_progress += 1;
        }
    }
    detect_end(core, master, &to);
}

/// Gives up a replica that was told too long ago; says whether it did.
fn give_up_if_late(core: &mut Core, master: &mut Master, index: usize) -> bool {
    let Reconfiguration::Sent { at } = master.replicas[index].reconfiguration else { return false };
    if !core.has_passed(at, core.periods.slave_reconf_timeout_ms) {
        return false;
    }
    core.replica_event(Level::Notice, "-slave-reconf-sent-timeout", master, &master.replicas[index], "");
    let replica = &mut master.replicas[index];
    replica.given_up = true;
    replica.reconfiguration = Reconfiguration::Untouched;
    core.wake_at(core.mono());
    true
}

fn detect_end(core: &mut Core, master: &mut Master, to: &(String, u16)) {
    let Some(promoted) = master.promoted().filter(|r| r.server.down.since.is_none()).map(|r| r.id) else {
        return;
    };
    let open = |master: &Master| {
        let left = master.replicas.iter().filter(|r| r.id != promoted && r.server.down.since.is_none());
        left.filter(|r| !r.is_settled()).count()
    };
    let changed_at = master.failover.as_ref().map_or(core.mono(), |f| f.changed_at);
    let timed_out = core.has_passed(changed_at, master.settings.failover_timeout_ms);
    if timed_out {
        core.master_event(Level::Warning, "+failover-end-for-timeout", master, "");
    } else if open(master) > 0 {
        return;
    }
    core.master_event(Level::Warning, "+failover-end", master, "");
    if timed_out {
        order_the_rest(core, master, promoted, to);
    }
    set_phase(core, master, Phase::UpdateConfig { promoted });
}

/// Out of time: everyone left is told at once, whatever `parallel-syncs` says.
fn order_the_rest(core: &mut Core, master: &mut Master, promoted: ReplicaId, to: &(String, u16)) {
    for index in 0..master.replicas.len() {
        let replica = &mut master.replicas[index];
        let told = replica.is_settled() || matches!(replica.reconfiguration, Reconfiguration::Sent { .. });
        if replica.id == promoted || told || !replica.server.link.is_up() {
            continue;
        }
        if reconfigure::send_slaveof(core, &mut replica.server, &master.settings, Some(to)) {
            replica.reconfiguration = Reconfiguration::Sent { at: core.mono() };
            core.replica_event(Level::Notice, "+slave-reconf-sent-be", master, &master.replicas[index], "");
        }
    }
}

/// Takes the promoted replica's address once the failover is complete.
pub(crate) fn finish(core: &mut Core, master: &mut Master) {
    if !matches!(master.failover.as_ref().map(|f| f.phase), Some(Phase::UpdateConfig { .. })) {
        return;
    }
    if let Some(to) = master.promoted().map(|r| r.server.addr.clone()) {
        reconfigure::switch(core, master, to);
    }
}

fn crash(core: &mut Core) {
    core.log(Level::Warning, "Sentinel CRASH because of SENTINEL simulate-failure".into());
    core.push(Action::Exit { code: 99 });
    core.crashed = true;
}
