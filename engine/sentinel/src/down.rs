//! Subjectively down: what this sentinel itself sees.
//!
//! A process is down when its oldest unanswered PING (or, without a
//! connection, its last valid answer) is older than `down-after-milliseconds`;
//! a master also when it has long claimed to be a replica, or rebooted and
//! does not answer. None of these times is ever shortened.

use crate::{
    connection,
    core::Core,
    event::Level,
    info::Role,
    instance::{Down, Master, Peers, alongside},
    link::Link,
    time::MonoMs,
};

/// Whether a link has been silent for longer than allowed.
fn is_silent(core: &mut Core, link: &Link, down_after_ms: u64) -> bool {
    let since = link.unanswered_ping.or((!link.is_up()).then_some(link.last_available));
    since.is_some_and(|since| core.has_passed(since, down_after_ms))
}

/// The change of verdict, if there is one.
fn judge(down: &mut Down, is_down: bool, now: MonoMs) -> Option<&'static str> {
    match (down.since, is_down) {
        (None, true) => {
            *down = Down { since: Some(now), last_since: Some(now) };
            Some("+sdown")
        }
        (Some(_), false) => {
            down.since = None;
            Some("-sdown")
        }
        _ => None,
    }
}

/// Judges the master; says whether it just went down.
pub(crate) fn check_master(core: &mut Core, master: &mut Master) -> bool {
    let down_after = master.settings.down_after_ms;
    connection::give_up_silent(core, &mut master.server.link, down_after);
    let silent = is_silent(core, &master.server.link, down_after);
    let deserted = master.server.role_reported == Role::Slave
        && core.has_passed(master.server.role_reported_at, down_after + core.periods.info_ms * 2);
    let rebooted =
        master.rebooted_at.is_some_and(|at| core.has_passed(at, master.settings.reboot_down_after_ms));
    let Some(kind) = judge(&mut master.server.down, silent || deserted || rebooted, core.mono()) else {
        return false;
    };
    master.server.script_kill_sent = false;
    core.master_event(Level::Warning, kind, master, "");
    kind == "+sdown"
}

pub(crate) fn check_replica(core: &mut Core, master: &mut Master, index: usize) {
    let down_after = master.settings.down_after_ms;
    let server = &mut master.replicas[index].server;
    connection::give_up_silent(core, &mut server.link, down_after);
    let silent = is_silent(core, &server.link, down_after);
    if let Some(kind) = judge(&mut server.down, silent, core.mono()) {
        server.script_kill_sent = false;
        core.replica_event(Level::Warning, kind, master, &master.replicas[index], "");
    }
}

/// Judges the other sentinels.
pub(crate) fn check_voters(core: &mut Core, master: &mut Master, peers: &mut Peers) {
    let down_after = master.settings.down_after_ms;
    let mut changes = Vec::new();
    for (voter, peer) in alongside(&mut master.voters, peers) {
        connection::give_up_silent(core, &mut peer.link, down_after);
        let silent = is_silent(core, &peer.link, down_after);
        if let Some(kind) = judge(&mut voter.down, silent, core.mono()) {
            changes.push((kind, voter.runid.clone()));
        }
    }
    for (kind, runid) in changes {
        core.voter_event(Level::Warning, kind, master, &master.voters[&runid], "");
    }
}
