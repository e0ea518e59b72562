//! Objectively down: what enough sentinels see, and asking them.
//!
//! While this sentinel sees a master down it asks every other one that knows
//! the master. An answer counts for five asking periods. With the quorum
//! reached the master is objectively down.

use crate::{
    core::{Core, words},
    event::Level,
    instance::{Master, Peer, Peers, Voter, alongside},
    link::Expect,
    periods::{MAX_PENDING, prompt},
    value::Value,
};

/// Counts who sees the master down and judges.
pub(crate) fn check_objectively_down(core: &mut Core, master: &mut Master) {
    let agreeing = master.voters.values().filter(|v| v.says_down).count() as u32 + 1;
    let is_down = master.server.down.since.is_some() && agreeing >= master.settings.quorum;
    match (master.odown_since, is_down) {
        (None, true) => {
            master.odown_since = Some(core.mono());
            master.last_odown_since = Some(core.mono());
            let extra = format!("#quorum {agreeing}/{}", master.settings.quorum);
            core.master_event(Level::Warning, "+odown", master, &extra);
        }
        (Some(_), false) => {
            master.odown_since = None;
            master.candidacy = None;
            core.master_event(Level::Warning, "-odown", master, "");
        }
        _ => {}
    }
}

/// Whether a question goes out now or only when it is time again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    Periodic,
    Forced,
}

/// Asks the other sentinels whether they see the master down and, while we
/// stand for election, for their vote.
pub(crate) fn ask_others(core: &mut Core, master: &mut Master, peers: &mut Peers, urgency: Urgency) {
    for voter in master.voters.values_mut() {
        forget_old_answer(core, voter);
    }
    if master.server.down.since.is_none() {
        return;
    }
    let period = period(core, master);
    let (host, port) = crate::reconfigure::target(core, &master.server.addr);
    let candidate = if master.failover.is_some() { core.myid.clone() } else { "*".to_owned() };
    let question =
        ["SENTINEL", "is-master-down-by-addr", &host, &port.to_string(), &core.epoch.to_string(), &candidate]
            .map(str::to_owned);
    let expect = Expect::Ask(master.id);
    for (voter, peer) in alongside(&mut master.voters, peers) {
        if peer.link.command.open().is_none() || peer.link.pending.len() >= MAX_PENDING {
            continue;
        }
        if urgency == Urgency::Forced || is_due(core, voter, peer, period, &expect) {
            let args = words(&question.each_ref().map(String::as_str));
            if core.send(&mut peer.link, args, expect.clone()) {
                voter.asked = Some(core.mono());
            }
        }
    }
}

/// How long after an answer the next question follows.
fn period(core: &Core, master: &Master) -> u64 {
    let awaiting_votes = master.failover.as_ref().is_some_and(|f| f.phase.awaits_votes());
    let agreed = master.odown_since.is_some();
    match master.server.down.since {
        _ if !core.is_prompt() || (agreed && !awaiting_votes) => core.periods.ask_ms,
        Some(since) if !agreed && core.mono().since(since) < prompt::ASK_FIRST_FOR_MS => prompt::ASK_FIRST_MS,
        _ => prompt::ASK_MS,
    }
}

fn is_due(core: &mut Core, voter: &Voter, peer: &Peer, period_ms: u64, expect: &Expect) -> bool {
    // With an answer outstanding, the next question waits a full period.
    let after_answer = peer.link.expects(expect) || core.has_passed(voter.answered, period_ms);
    let after_question = voter.asked.is_none_or(|at| core.has_passed(at, period_ms.min(core.periods.ask_ms)));
    after_answer && after_question
}

fn forget_old_answer(core: &mut Core, voter: &mut Voter) {
    if (voter.says_down || voter.leader.is_some()) && core.has_passed(voter.answered, core.periods.ask_ms * 5)
    {
        voter.says_down = false;
        voter.leader = None;
    }
}

/// Another sentinel asks about a master that we see down as well: it will
/// have news for us, so that we ask in turn (pace `prompt`).
pub(crate) fn was_asked(core: &mut Core, master: &mut Master, peers: &mut Peers) {
    if !core.is_prompt() || master.server.down.since.is_none() || master.odown_since.is_some() {
        return;
    }
    let now = core.mono();
    let lately = |v: &Voter| v.asked.is_some_and(|at| now.since(at) < prompt::ASK_ECHO_MS);
    if !master.voters.values().any(lately) {
        ask_others(core, master, peers, Urgency::Forced);
    }
}

/// Takes the answer: down or not, the leader voted for, the epoch of the vote.
pub(crate) fn answered(core: &mut Core, master: &mut Master, runid: &str, reply: &Value) {
    let Value::Array(fields) = reply else { return };
    let [Value::Int(is_down), leader, Value::Int(epoch)] = fields.as_slice() else { return };
    let Some(leader) = leader.text() else { return };
    let Some(voter) = master.voters.get_mut(runid) else { return };
    voter.answered = core.mono();
    voter.says_down = *is_down == 1;
    if leader != b"*" {
        let leader = String::from_utf8_lossy(leader).into_owned();
        let epoch = *epoch as u64;
        if voter.leader_epoch != epoch {
            let text = format!("{} voted for {leader} {epoch}", voter.runid);
            core.log(Level::Notice, text);
        }
        voter.leader = Some(leader);
        voter.leader_epoch = epoch;
    }
}
