//! Which replica becomes the master.
//!
//! Excluded: down, disconnected, silent or stale ones, those of priority 0,
//! and those whose link to the master was down for too long before the
//! outage. Of the rest the lowest priority wins, then the largest offset,
//! then the smallest run id.

use std::cmp::{Ordering, Reverse};

use crate::{
    core::Core,
    instance::{Master, Replica, ReplicaId},
    time::MonoMs,
};

/// Whether something was heard at most `ms` ago.
pub(crate) fn is_fresh(core: &Core, heard: Option<MonoMs>, ms: u64) -> bool {
    heard.is_some_and(|at| core.mono().since(at) <= ms)
}

/// The replica to promote, if one is fit.
pub(crate) fn best_replica(core: &Core, master: &Master) -> Option<ReplicaId> {
    master.replicas.iter().filter(|r| is_fit(core, master, r)).min_by(|a, b| compare(a, b)).map(|r| r.id)
}

/// Whether a replica may be promoted as far as its own link tells.
pub(crate) fn is_reachable(core: &Core, replica: &Replica) -> bool {
    let server = &replica.server;
    server.down.since.is_none()
        && server.link.is_up()
        && core.mono().since(server.link.last_available) <= core.periods.ping_ms * 5
        && replica.priority != 0
}

fn is_fit(core: &Core, master: &Master, replica: &Replica) -> bool {
    let down_since = master.server.down.since;
    let info_ms = if down_since.is_some() { core.periods.ping_ms * 5 } else { core.periods.info_ms * 3 };
    let longest_link_down =
        down_since.map_or(0, |since| core.mono().since(since)) + master.settings.down_after_ms * 10;
    is_reachable(core, replica)
        && is_fresh(core, replica.server.info.refreshed, info_ms)
        && replica.master_link_down_ms <= longest_link_down as i64
}

fn compare(a: &Replica, b: &Replica) -> Ordering {
    // A run id that is not known yet comes last.
    let run_id =
        |r: &Replica| (r.server.runid.is_none(), r.server.runid.as_deref().map(str::to_ascii_lowercase));
    (a.priority, Reverse(a.offset))
        .cmp(&(b.priority, Reverse(b.offset)))
        .then_with(|| run_id(a).cmp(&run_id(b)))
}
