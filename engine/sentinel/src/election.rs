//! One vote an epoch, and who leads a failover.
//!
//! **Invariant:** a vote's epoch is persisted before the vote is told, and a
//! vote for an epoch is never given twice for one master. The reply to the
//! question is written only after the [`Persist`](crate::Action::Persist)
//! that precedes it in the queue.
//!
//! Redis counts votes of the newest epoch it has seen while standing for an
//! older one, which lets one epoch have two leaders when several masters fail
//! at once. Here a candidate moves on to the newest epoch, votes anew in it
//! and counts votes of exactly that epoch.

use crate::{
    core::Core,
    event::Level,
    instance::{Master, Vote},
    periods::MAX_DESYNC_MS,
};

/// Votes for `candidate` if this epoch's vote is still free; returns the vote
/// that stands.
pub(crate) fn vote(core: &mut Core, master: &mut Master, epoch: u64, candidate: &str) -> Vote {
    if epoch > core.epoch {
        core.epoch = epoch;
        core.flush();
        core.plain_event(Level::Warning, "+new-epoch", master, epoch.to_string());
    }
    if master.vote.epoch < epoch && core.epoch <= epoch {
        master.vote = Vote { leader: Some(candidate.to_owned()), epoch };
        core.flush();
        core.plain_event(Level::Warning, "+vote-for-leader", master, format!("{candidate} {epoch}"));
        if !candidate.eq_ignore_ascii_case(&core.myid) {
            // The one we voted for gets the time to complete its failover.
            let desync = core.random.below(MAX_DESYNC_MS);
            master.failover_started_at = Some(core.mono().plus(desync));
            master.candidacy = None;
        }
    }
    master.vote.clone()
}

/// The leader that a majority of all known sentinels, and at least the
/// quorum, voted for in `epoch`.
pub(crate) fn leader(core: &Core, master: &Master, epoch: u64) -> Option<String> {
    let others = master.voters.values().filter(|v| v.leader_epoch == epoch);
    let mut ballots: Vec<&str> = others.filter_map(|v| v.leader.as_deref()).collect();
    if master.vote.epoch == epoch {
        ballots.extend(master.vote.leader.as_deref());
    }
    let needed = (master.voter_count() / 2 + 1).max(master.settings.quorum as usize);
    let votes_for = |candidate: &str| ballots.iter().filter(|b| b.eq_ignore_ascii_case(candidate)).count();
    debug_assert_eq!(core.myid.len(), 40);
    ballots.iter().find(|candidate| votes_for(candidate) >= needed).map(|winner| (*winner).to_owned())
}
