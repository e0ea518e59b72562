//! Telling servers whom to follow, and taking a new master's address.

use crate::{
    address::Address,
    core::{Core, words},
    event::Level,
    instance::{Down, Master, MasterSettings, Replica, Server, Vote},
    link::Expect,
};

/// Which part this sentinel had in a failover; given to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Leader,
    Observer,
}

/// Host and port in the form servers are told.
pub(crate) fn target(core: &Core, addr: &Address) -> (String, u16) {
    (addr.shown(core.global.announce_hostnames).to_owned(), addr.port)
}

/// Makes a server follow `to`, or nobody. In one transaction the server also
/// rewrites its file and drops its clients, so that they look for the master
/// anew. Says whether it could be sent.
pub(crate) fn send_slaveof(
    core: &mut Core,
    server: &mut Server,
    settings: &MasterSettings,
    to: Option<&(String, u16)>,
) -> bool {
    if server.link.command.open().is_none() {
        return false;
    }
    let (host, port) = to.map_or(("NO", "ONE".to_owned()), |(host, port)| (host.as_str(), port.to_string()));
    let commands = [
        words(&[settings.command("MULTI")]),
        words(&[settings.command("SLAVEOF"), host, &port]),
        words(&[settings.command("CONFIG"), "REWRITE"]),
        words(&[settings.command("CLIENT"), "KILL", "TYPE", "normal"]),
        words(&[settings.command("CLIENT"), "KILL", "TYPE", "pubsub"]),
        words(&[settings.command("EXEC")]),
    ];
    for command in commands {
        core.send(&mut server.link, command, Expect::Discard);
    }
    if core.is_prompt() {
        server.info.wanted = true;
        core.wake_at(core.mono());
    }
    true
}

/// What a reset leaves of a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Sentinels,
    Nothing,
}

/// Forgets replicas, state and, unless kept, the other sentinels.
pub(crate) fn reset(core: &mut Core, master: &mut Master, keep: Keep) {
    for mut replica in std::mem::take(&mut master.replicas) {
        core.close_link(&mut replica.server.link);
    }
    core.close_link(&mut master.server.link);
    if keep == Keep::Nothing {
        master.voters.clear();
        core.voters_left = true;
    }
    let down = Down { since: None, last_since: master.server.down.last_since };
    let addr = master.server.addr.clone();
    master.server = Server::new(addr, crate::info::Role::Master, core.mono());
    master.server.down = down;
    master.rebooted_at = None;
    master.odown_since = None;
    // The epoch of the vote stays: one vote an epoch also after a reset.
    master.vote = Vote { leader: None, epoch: master.vote.epoch };
    master.failover = None;
    master.failover_started_at = None;
    master.candidacy = None;
    core.wake_at(core.mono());
}

/// The master is now at `to`; all others, the old one included, follow it.
fn change_address(core: &mut Core, master: &mut Master, to: Address) {
    let old = master.server.addr.clone();
    let mut others: Vec<Address> =
        master.replicas.iter().map(|r| r.server.addr.clone()).filter(|addr| !addr.is(&to)).collect();
    if !old.is(&to) && !others.iter().any(|addr| addr.is(&old)) {
        others.push(old);
    }
    reset(core, master, Keep::Sentinels);
    master.server.addr = to;
    master.server.down = Down::default();
    master.last_odown_since = None;
    for addr in others {
        let replica = Replica::new(core.next_replica_id(), addr, core.mono());
        master.replicas.push(replica);
        let replica = &master.replicas[master.replicas.len() - 1];
        core.replica_event(Level::Notice, "+slave", master, replica, "");
    }
    core.flush();
}

/// Announces that the master moved to `to` and takes the address.
pub(crate) fn switch(core: &mut Core, master: &mut Master, to: Address) {
    announce(core, master, &master.server.addr, &to);
    change_address(core, master, to);
}

fn announce(core: &mut Core, master: &Master, from: &Address, to: &Address) {
    let (old_host, old_port) = target(core, from);
    let (host, port) = target(core, to);
    let text = format!("{} {old_host} {old_port} {host} {port}", master.name);
    core.plain_event(Level::Warning, "+switch-master", master, text);
}

/// Takes a master's address from another sentinel. It may be the one we have
/// already, while clients are told of a replica that we promoted.
pub(crate) fn follow(core: &mut Core, master: &mut Master, to: Address) {
    let known = &master.server.addr;
    let from = if known.is(&to) { master.current_addr().clone() } else { known.clone() };
    let moved = !from.is(&to);
    if moved {
        announce(core, master, &from, &to);
    }
    change_address(core, master, to);
    if moved {
        let new = master.server.addr.clone();
        run_client_script(core, master, Part::Observer, &from, &new);
    }
}

/// Runs the client reconfiguration script, if there is one.
pub(crate) fn run_client_script(core: &mut Core, master: &Master, part: Part, from: &Address, to: &Address) {
    let Some(script) = &master.settings.client_reconfig_script else { return };
    let part = match part {
        Part::Leader => "leader",
        Part::Observer => "observer",
    };
    let (from_host, from_port) = target(core, from);
    let (to_host, to_port) = target(core, to);
    let args = vec![
        master.name.clone(),
        part.to_owned(),
        "start".to_owned(),
        from_host,
        from_port.to_string(),
        to_host,
        to_port.to_string(),
    ];
    core.scripts.schedule(script, args);
}
