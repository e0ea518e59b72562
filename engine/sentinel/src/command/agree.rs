//! What clients and other sentinels rely on: addresses, verdicts, votes.

use super::Call;
use crate::{Reply, agreement, election};

/// The host and port of the master that clients should use.
pub(super) fn master_addr(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let Ok(index) = call.master() else { return Ok(Reply::NilArray) };
    let addr = call.sentinel.masters[index].current_addr();
    let host = addr.shown(call.sentinel.core.global.announce_hostnames);
    Ok(Reply::Array(vec![Reply::bulk(host), Reply::bulk(addr.port.to_string())]))
}

pub(super) fn myid(call: &mut Call<'_>) -> Result<Reply, Reply> {
    Ok(Reply::bulk(&call.sentinel.core.myid))
}

/// Another sentinel asks for our verdict and, with a run id, for our vote.
pub(super) fn is_master_down(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let not_a_number = || Reply::err("value is not an integer or out of range");
    let [host, port, epoch, candidate] = call.args else { return Err(not_a_number()) };
    let port: i64 = port.parse().map_err(|_| not_a_number())?;
    let epoch: i64 = epoch.parse().map_err(|_| not_a_number())?;
    let sentinel = &mut *call.sentinel;
    let (core, peers) = (&mut sentinel.core, &mut sentinel.peers);
    let port = u16::try_from(port).unwrap_or(0);
    let master = sentinel.masters.iter_mut().find(|m| m.server.addr.matches(host, port, &core.names));
    let (mut is_down, mut leader, mut leader_epoch) = (false, None, 0);
    if let Some(master) = master {
        is_down = !core.tilt.is_on() && master.server.down.since.is_some();
        if candidate != "*" {
            let vote = election::vote(core, master, epoch.max(0) as u64, candidate);
            (leader, leader_epoch) = (vote.leader, vote.epoch);
        }
        agreement::was_asked(core, master, peers);
    }
    Ok(Reply::Array(vec![
        Reply::Int(i64::from(is_down)),
        Reply::bulk(leader.as_deref().unwrap_or("*")),
        Reply::Int(leader_epoch as i64),
    ]))
}

/// Whether enough sentinels are in reach to agree and to elect.
pub(super) fn check_quorum(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let master = &call.sentinel.masters[call.master()?];
    let usable = master.voters.values().filter(|v| v.down.since.is_none()).count() + 1;
    let (majority, quorum) = (master.voter_count() / 2 + 1, master.settings.quorum as usize);
    if usable >= quorum && usable >= majority {
        return Ok(Reply::Status(format!(
            "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
        )));
    }
    let mut text = format!("NOQUORUM {usable} usable Sentinels. ");
    if usable < quorum {
        text.push_str("Not enough available Sentinels to reach the specified quorum for this master");
    }
    if usable < majority {
        if usable < quorum {
            text.push_str(". ");
        }
        text.push_str("Not enough available Sentinels to reach the majority and authorize a failover");
    }
    Err(Reply::Error(text))
}
