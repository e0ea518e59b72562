//! Acting upon an INFO reply: discovery, roles, promotions, wrong masters.

use crate::{
    address::Address,
    core::Core,
    event::Level,
    failover::{self, Phase},
    info::{Info, Role},
    instance::{Down, Master, Reconfiguration, Replica, Server},
    periods::prompt,
    reconfigure, select,
};

/// Takes the INFO of the master itself.
pub(crate) fn of_master(core: &mut Core, master: &mut Master, text: &[u8]) {
    let info = Info::parse(text);
    let rebooted = take_common(core, &mut master.server, &info, text);
    if rebooted {
        core.master_event(Level::Notice, "+reboot", master, "");
        if master.settings.reboot_down_after_ms != 0 {
            master.rebooted_at = Some(core.mono());
        }
    }
    for (host, port) in &info.replicas {
        discover(core, master, host, *port);
    }
    if let Some(role) = take_role(core, &mut master.server, &info) {
        let (level, kind) = role_event(role == Role::Master);
        let extra = format!("new reported role is {}", role.name());
        core.master_event(level, kind, master, &extra);
    }
}

/// Takes the INFO of one of its replicas.
pub(crate) fn of_replica(core: &mut Core, master: &mut Master, index: usize, text: &[u8]) {
    let info = Info::parse(text);
    if take_common(core, &mut master.replicas[index].server, &info, text) {
        core.replica_event(Level::Notice, "+reboot", master, &master.replicas[index], "");
    }
    take_replication(core, &mut master.replicas[index], &info);
    if let Some(role) = take_role(core, &mut master.replicas[index].server, &info) {
        master.replicas[index].master_changed_at = core.mono();
        let (level, kind) = role_event(role == Role::Slave);
        let extra = format!("new reported role is {}", role.name());
        core.replica_event(level, kind, master, &master.replicas[index], &extra);
    }
    if core.tilt.is_on() {
        return;
    }
    match info.role {
        Some(Role::Master) => claims_to_be_master(core, master, index),
        Some(Role::Slave) => {
            follows_wrong_master(core, master, index);
            note_reconfiguration(core, master, index);
        }
        None => {}
    }
}

fn role_event(as_expected: bool) -> (Level, &'static str) {
    (Level::Verbose, if as_expected { "+role-change" } else { "-role-change" })
}

/// Notes text and run id; says whether the run id changed.
fn take_common(core: &Core, server: &mut Server, info: &Info, text: &[u8]) -> bool {
    server.info.text = Some(text.to_vec());
    server.info.refreshed = Some(core.mono());
    let Some(run_id) = &info.run_id else { return false };
    let rebooted = server.runid.as_ref().is_some_and(|known| known != run_id);
    server.runid = Some(run_id.clone());
    rebooted
}

/// Notes the role; returns it if it changed.
fn take_role(core: &Core, server: &mut Server, info: &Info) -> Option<Role> {
    let role = info.role.filter(|role| *role != server.role_reported)?;
    server.role_reported = role;
    server.role_reported_at = core.mono();
    if core.is_prompt() {
        server.info.eager_until = Some(core.mono().plus(prompt::EAGER_MS));
    }
    Some(role)
}

fn take_replication(core: &Core, replica: &mut Replica, info: &Info) {
    // Absent while the link is up.
    replica.master_link_down_ms = info.master_link_down_s.map_or(0, |s| s.saturating_mul(1000));
    if info.role != Some(Role::Slave) {
        return;
    }
    let host_changed = info.master_host.is_some() && info.master_host != replica.master_host;
    let port_changed = info.master_port.is_some_and(|port| port != replica.master_port);
    if host_changed || port_changed {
        replica.master_changed_at = core.mono();
    }
    if let Some(host) = &info.master_host {
        replica.master_host = Some(host.clone());
    }
    replica.master_port = info.master_port.unwrap_or(replica.master_port);
    replica.master_link_up = info.master_link_up.unwrap_or(replica.master_link_up);
    replica.priority = info.priority.unwrap_or(replica.priority);
    replica.offset = info.offset.unwrap_or(replica.offset);
    replica.announced = info.announced.unwrap_or(replica.announced);
}

/// A replica that the master lists.
fn discover(core: &mut Core, master: &mut Master, host: &str, port: u16) {
    let addr = Address::new(host, port, &core.names);
    if addr.ip.is_none() && !core.global.resolve_hostnames {
        return;
    }
    if master.replicas.iter().any(|r| r.server.addr.is(&addr)) {
        return;
    }
    let replica = Replica::new(core.next_replica_id(), addr, core.mono());
    master.replicas.push(replica);
    let replica = &master.replicas[master.replicas.len() - 1];
    core.replica_event(Level::Notice, "+slave", master, replica, "");
    core.flush_discovery();
}

/// A replica says it is a master: the promotion we wait for, or an old master
/// that came back and must be told.
fn claims_to_be_master(core: &mut Core, master: &mut Master, index: usize) {
    let id = master.replicas[index].id;
    let awaited = master
        .failover
        .as_ref()
        .is_some_and(|f| matches!(f.phase, Phase::WaitPromotion { promoted } if promoted == id));
    if awaited {
        failover::promotion_confirmed(core, master);
        return;
    }
    let wait = core.periods.publish_ms * 4;
    let replica = &master.replicas[index];
    let stable = no_down_for(core, replica.server.down, wait)
        && core.has_passed(replica.server.role_reported_at, wait);
    if master.is_promoted(id) || !stable || !master_looks_sane(core, master) {
        return;
    }
    let to = reconfigure::target(core, &master.server.addr);
    if reconfigure::send_slaveof(core, &mut master.replicas[index].server, &master.settings, Some(&to)) {
        core.replica_event(Level::Notice, "+convert-to-slave", master, &master.replicas[index], "");
    }
}

/// A replica follows somebody else for longer than a failover may take.
fn follows_wrong_master(core: &mut Core, master: &mut Master, index: usize) {
    let replica = &master.replicas[index];
    let Some(host) = &replica.master_host else { return };
    if master.server.addr.matches(host, replica.master_port, &core.names) {
        return;
    }
    let wait = master.settings.failover_timeout_ms;
    let stable =
        no_down_for(core, replica.server.down, wait) && core.has_passed(replica.master_changed_at, wait);
    if !stable || !master_looks_sane(core, master) {
        return;
    }
    let to = reconfigure::target(core, &master.server.addr);
    if reconfigure::send_slaveof(core, &mut master.replicas[index].server, &master.settings, Some(&to)) {
        core.replica_event(Level::Notice, "+fix-slave-config", master, &master.replicas[index], "");
    }
}

/// A replica that was told to follow the promoted one tells how far it is.
fn note_reconfiguration(core: &mut Core, master: &mut Master, index: usize) {
    let Some(promoted) = master.promoted() else { return };
    let replica = &master.replicas[index];
    let follows = replica
        .master_host
        .as_ref()
        .is_some_and(|host| promoted.server.addr.matches(host, replica.master_port, &core.names));
    if matches!(replica.reconfiguration, Reconfiguration::Sent { .. }) && follows {
        master.replicas[index].reconfiguration = Reconfiguration::InProgress;
        core.replica_event(Level::Notice, "+slave-reconf-inprog", master, &master.replicas[index], "");
    }
    let replica = &mut master.replicas[index];
    if replica.reconfiguration == Reconfiguration::InProgress && replica.master_link_up {
        replica.reconfiguration = Reconfiguration::Done;
        core.replica_event(Level::Notice, "+slave-reconf-done", master, &master.replicas[index], "");
    }
}

/// Whether the master is one a replica can be sent to.
fn master_looks_sane(core: &Core, master: &Master) -> bool {
    master.server.role_reported == Role::Master
        && master.server.down.since.is_none()
        && master.odown_since.is_none()
        && select::is_fresh(core, master.server.info.refreshed, core.periods.info_ms * 2)
}

fn no_down_for(core: &mut Core, down: Down, ms: u64) -> bool {
    down.last_since.is_none_or(|since| core.has_passed(since, ms))
}
