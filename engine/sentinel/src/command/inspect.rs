//! Showing what is known: masters, replicas, sentinels, scripts, caches.

use super::Call;
use crate::{
    Reply, Sentinel,
    instance::{Down, Master, Reconfiguration, Replica, Server, Voter},
    link::Link,
    scripts::JobState,
    time::MonoMs,
};

/// Fields of one instance in the order of Redis.
#[derive(Default)]
struct Fields(Vec<(Reply, Reply)>);

impl Fields {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((Reply::bulk(name), Reply::bulk(value.to_string())));
    }

    fn add_some(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

pub(super) fn masters(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let sentinel = &*call.sentinel;
    Ok(Reply::Array(sentinel.masters.iter().map(|m| describe_master(sentinel, m)).collect()))
}

pub(super) fn master(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let index = call.master()?;
    Ok(describe_master(call.sentinel, &call.sentinel.masters[index]))
}

pub(super) fn replicas(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let sentinel = &*call.sentinel;
    let master = &sentinel.masters[call.master()?];
    // `replica-announced no` hides a replica from clients, not from failovers.
    let announced = master.replicas.iter().filter(|r| r.announced);
    Ok(Reply::Array(announced.map(|r| describe_replica(sentinel, master, r)).collect()))
}

pub(super) fn sentinels(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let sentinel = &*call.sentinel;
    let master = &sentinel.masters[call.master()?];
    Ok(Reply::Array(master.voters.values().map(|v| describe_voter(sentinel, master, v)).collect()))
}

fn describe_master(sentinel: &Sentinel, master: &Master) -> Reply {
    let now = sentinel.core.mono();
    let settings = &master.settings;
    let addr = &master.server.addr;
    let mut flags = down_flags(master.server.down, master.odown_since);
    flags.push("master");
    flags.extend((!master.server.link.is_up()).then_some("disconnected"));
    flags.extend(master.failover.is_some().then_some("failover_in_progress"));
    let forced = master.failover.as_ref().is_some_and(|f| f.cause == crate::failover::Cause::Command);
    flags.extend(forced.then_some("force_failover"));
    flags.extend(master.server.script_kill_sent.then_some("script_kill_sent"));
    flags.extend(master.rebooted_at.is_some().then_some("master_reboot"));
    let mut fields = Fields::default();
    fields.add("name", &master.name);
    fields.add("ip", addr.shown(sentinel.core.global.announce_hostnames));
    fields.add("port", addr.port);
    fields.add("runid", master.server.runid.as_deref().unwrap_or(""));
    fields.add("flags", flags.join(","));
    describe_link(&mut fields, &master.server.link, 1);
    fields.add_some("failover-state", master.failover.as_ref().map(|f| f.phase.name()));
    describe_health(&mut fields, &master.server.link, now, master.server.down, master.odown_since);
    fields.add("down-after-milliseconds", settings.down_after_ms);
    describe_role(&mut fields, &master.server, now);
    fields.add("config-epoch", master.config_epoch);
    fields.add("num-slaves", master.replicas.len());
    fields.add("num-other-sentinels", master.voters.len());
    fields.add("quorum", settings.quorum);
    fields.add("failover-timeout", settings.failover_timeout_ms);
    fields.add("parallel-syncs", settings.parallel_syncs);
    fields.add_some("notification-script", settings.notification_script.as_ref());
    fields.add_some("client-reconfig-script", settings.client_reconfig_script.as_ref());
    Reply::Map(fields.0)
}

fn describe_replica(sentinel: &Sentinel, master: &Master, replica: &Replica) -> Reply {
    let now = sentinel.core.mono();
    let (server, shown) = (&replica.server, sentinel.core.global.announce_hostnames);
    let mut flags = down_flags(server.down, None);
    flags.push("slave");
    flags.extend((!server.link.is_up()).then_some("disconnected"));
    flags.extend(master.is_promoted(replica.id).then_some("promoted"));
    flags.extend(match replica.reconfiguration {
        Reconfiguration::Sent { .. } => Some("reconf_sent"),
        Reconfiguration::InProgress => Some("reconf_inprog"),
        Reconfiguration::Untouched | Reconfiguration::Done => None,
    });
    flags.extend(replica.is_settled().then_some("reconf_done"));
    flags.extend(server.script_kill_sent.then_some("script_kill_sent"));
    let mut fields = Fields::default();
    fields.add("name", replica.name(shown));
    fields.add("ip", server.addr.shown(shown));
    fields.add("port", server.addr.port);
    fields.add("runid", server.runid.as_deref().unwrap_or(""));
    fields.add("flags", flags.join(","));
    describe_link(&mut fields, &server.link, 1);
    describe_health(&mut fields, &server.link, now, server.down, None);
    fields.add("down-after-milliseconds", master.settings.down_after_ms);
    describe_role(&mut fields, server, now);
    fields.add("master-link-down-time", replica.master_link_down_ms);
    fields.add("master-link-status", if replica.master_link_up { "ok" } else { "err" });
    fields.add("master-host", replica.master_host.as_deref().unwrap_or("?"));
    fields.add("master-port", replica.master_port);
    fields.add("slave-priority", replica.priority);
    fields.add("slave-repl-offset", replica.offset);
    fields.add("replica-announced", u8::from(replica.announced));
    Reply::Map(fields.0)
}

fn describe_voter(sentinel: &Sentinel, master: &Master, voter: &Voter) -> Reply {
    let now = sentinel.core.mono();
    let unknown = Link::new(false, now);
    let link = sentinel.peers.get(&voter.runid).map_or(&unknown, |peer| &peer.link);
    let sharing = sentinel.masters.iter().filter(|m| m.voters.contains_key(&voter.runid)).count();
    let mut flags = down_flags(voter.down, None);
    flags.push("sentinel");
    flags.extend((!link.is_up()).then_some("disconnected"));
    flags.extend(voter.says_down.then_some("master_down"));
    let mut fields = Fields::default();
    fields.add("name", &voter.runid);
    fields.add("ip", voter.addr.shown(sentinel.core.global.announce_hostnames));
    fields.add("port", voter.addr.port);
    fields.add("runid", &voter.runid);
    fields.add("flags", flags.join(","));
    describe_link(&mut fields, link, sharing);
    describe_health(&mut fields, link, now, voter.down, None);
    fields.add("down-after-milliseconds", master.settings.down_after_ms);
    fields.add("last-hello-message", now.since(voter.last_hello));
    fields.add("voted-leader", voter.leader.as_deref().unwrap_or("?"));
    fields.add("voted-leader-epoch", voter.leader_epoch);
    Reply::Map(fields.0)
}

fn down_flags(down: Down, odown_since: Option<MonoMs>) -> Vec<&'static str> {
    let flags = [down.since.map(|_| "s_down"), odown_since.map(|_| "o_down")];
    flags.into_iter().flatten().collect()
}

fn describe_link(fields: &mut Fields, link: &Link, sharing: usize) {
    fields.add("link-pending-commands", link.pending.len());
    fields.add("link-refcount", sharing);
}

fn describe_health(fields: &mut Fields, link: &Link, now: MonoMs, down: Down, odown_since: Option<MonoMs>) {
    fields.add("last-ping-sent", link.unanswered_ping.map_or(0, |at| now.since(at)));
    fields.add("last-ok-ping-reply", now.since(link.last_available));
    fields.add("last-ping-reply", now.since(link.last_pong));
    fields.add_some("s-down-time", down.since.map(|at| now.since(at)));
    fields.add_some("o-down-time", odown_since.map(|at| now.since(at)));
}

fn describe_role(fields: &mut Fields, server: &Server, now: MonoMs) {
    fields.add("info-refresh", server.info.refreshed.map_or(0, |at| now.since(at)));
    fields.add("role-reported", server.role_reported.name());
    fields.add("role-reported-time", now.since(server.role_reported_at));
}

pub(super) fn role(sentinel: &Sentinel) -> Reply {
    let names = sentinel.masters.iter().map(|m| Reply::bulk(&m.name)).collect();
    Reply::Array(vec![Reply::bulk("sentinel"), Reply::Array(names)])
}

pub(super) fn info_cache(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let sentinel = &*call.sentinel;
    let now = sentinel.core.mono();
    let cached = |server: &Server| {
        let age = server.info.refreshed.map_or(0, |at| now.since(at)) as i64;
        let text = server.info.text.as_ref().map_or(Reply::Nil, Reply::bulk);
        Reply::Array(vec![Reply::Int(age), text])
    };
    let asked = sentinel.masters.iter().filter(|m| call.args.contains(&m.name));
    let flat = asked.flat_map(|master| {
        let servers = [&master.server].into_iter().chain(master.replicas.iter().map(|r| &r.server));
        [Reply::bulk(&master.name), Reply::Array(servers.map(cached).collect())]
    });
    Ok(Reply::Array(flat.collect()))
}

pub(super) fn pending_scripts(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let core = &call.sentinel.core;
    let jobs = core.scripts.jobs.iter().map(|job| {
        let argv = [&job.path].into_iter().chain(&job.args).map(Reply::bulk).collect();
        let (flags, pid, time_name, time) = match job.state {
            JobState::Running { since, pid, .. } => ("running", pid, "run-time", core.mono().since(since)),
            JobState::Waiting { until } => {
                ("scheduled", 0, "run-delay", until.map_or(0, |at| at.since(core.mono())))
            }
        };
        let mut fields = Fields(vec![(Reply::bulk("argv"), Reply::Array(argv))]);
        fields.add("flags", flags);
        fields.add("pid", pid);
        fields.add(time_name, time);
        fields.add("retry-num", job.runs);
        Reply::Map(fields.0)
    });
    Ok(Reply::Array(jobs.collect()))
}

/// The section `# Sentinel` of INFO.
pub(crate) fn info_section(sentinel: &Sentinel) -> String {
    let core = &sentinel.core;
    let failure = core.simulated_failure;
    let failure_flags = u8::from(failure.after_election) | u8::from(failure.after_promotion) << 1;
    let mut text = format!(
        "# Sentinel\r\nsentinel_masters:{}\r\nsentinel_tilt:{}\r\nsentinel_tilt_since_seconds:{}\r\n\
         sentinel_running_scripts:{}\r\nsentinel_scripts_queue_length:{}\r\n\
         sentinel_simulate_failure_flags:{failure_flags}\r\n",
        sentinel.masters.len(),
        u8::from(core.tilt.is_on()),
        core.tilt.since.map_or(-1, |since| (core.mono().since(since) / 1000) as i64),
        core.scripts.running(),
        core.scripts.jobs.len(),
    );
    for (number, master) in sentinel.masters.iter().enumerate() {
        let status = match (master.odown_since, master.server.down.since) {
            (Some(_), _) => "odown",
            (None, Some(_)) => "sdown",
            (None, None) => "ok",
        };
        let addr = &master.server.addr;
        text.push_str(&format!(
            "master{number}:name={},status={status},address={}:{},slaves={},sentinels={}\r\n",
            master.name,
            addr.shown(core.global.announce_hostnames),
            addr.port,
            master.replicas.len(),
            master.voter_count(),
        ));
    }
    text
}
