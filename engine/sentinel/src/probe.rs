//! What is sent to every process periodically: PING, INFO, hello.

use crate::{
    connection,
    core::{Core, words},
    hello::{self, Announcement},
    instance::{Master, MasterSettings, Owner, Peers, Server, alongside},
    link::{Expect, Link},
    periods::{MAX_PENDING, prompt},
};

/// Keeps in touch with a master, its replicas and the other sentinels.
pub(crate) fn all(core: &mut Core, master: &mut Master, peers: &mut Peers) {
    let what = Announcement::of(core, master);
    let failing = master.odown_since.is_some() || master.failover.is_some();
    let promoted = master.failover.as_ref().and_then(|f| f.phase.promoted());
    let Master { id, server, settings, replicas, voters, .. } = master;
    connection::reconnect(core, &mut server.link, &Owner::Master(*id), &server.addr);
    let every = InfoPeriod { redis_ms: core.periods.info_ms, watched: false };
    probe_server(core, server, settings, every, &what);
    for replica in replicas.iter_mut() {
        let owner = Owner::Replica(*id, replica.id);
        connection::reconnect(core, &mut replica.server.link, &owner, &replica.server.addr);
        let often = failing || replica.master_link_down_ms != 0;
        let redis_ms = if often { core.periods.info_ms.min(1000) } else { core.periods.info_ms };
        let told = replica.reconfiguration.is_in_progress();
        let every = InfoPeriod { redis_ms, watched: told || promoted == Some(replica.id) };
        probe_server(core, &mut replica.server, settings, every, &what);
    }
    for (voter, peer) in alongside(voters, peers) {
        if !peer.link.is_up() {
            let owner = Owner::Peer(voter.runid.as_str().into());
            connection::reconnect(core, &mut peer.link, &owner, &peer.addr);
        }
        if takes_more(&peer.link) {
            probe_ping(core, &mut peer.link, settings.down_after_ms, "PING");
            hello::publish_to_peer(core, voter, peer, &what);
        }
    }
}

/// How often INFO is asked.
#[derive(Clone, Copy)]
struct InfoPeriod {
    redis_ms: u64,
    /// A promotion or reconfiguration of this server is awaited.
    watched: bool,
}

impl InfoPeriod {
    fn ms(self, core: &mut Core, server: &Server) -> u64 {
        if !core.is_prompt() {
            return self.redis_ms;
        }
        let now = core.mono();
        let wanted = if self.watched {
            prompt::INFO_WATCH_MS
        } else if let Some(until) = server.info.eager_until.filter(|until| now < *until) {
            // News come early or late: it is asked ever more seldom.
            let eager_for = prompt::EAGER_MS.saturating_sub(until.since(now));
            prompt::INFO_EAGER_MS.max(eager_for / 2)
        } else {
            prompt::INFO_MS
        };
        wanted.min(self.redis_ms)
    }
}

fn takes_more(link: &Link) -> bool {
    link.command.open().is_some() && link.pending.len() < MAX_PENDING
}

fn probe_server(
    core: &mut Core,
    server: &mut Server,
    settings: &MasterSettings,
    every: InfoPeriod,
    what: &Announcement,
) {
    if !takes_more(&server.link) {
        return;
    }
    probe_info(core, server, settings, every);
    probe_ping(core, &mut server.link, settings.down_after_ms, settings.command("PING"));
    hello::publish_on_server(core, server, settings, what);
}

fn probe_info(core: &mut Core, server: &mut Server, settings: &MasterSettings, every: InfoPeriod) {
    let period = every.ms(core, server);
    let pending = server.link.expects(&Expect::Info);
    let stale = !pending && server.info.refreshed.is_none_or(|at| core.is_due(at, period));
    // An error instead of an answer is not asked again at once.
    let due = stale && server.info.sent.is_none_or(|at| core.is_due(at, period.min(1000)));
    if (due || server.info.wanted)
        && core.send(&mut server.link, words(&[settings.command("INFO")]), Expect::Info)
    {
        server.info.sent = Some(core.mono());
        server.info.wanted = false;
    }
}

fn probe_ping(core: &mut Core, link: &mut Link, down_after_ms: u64, command: &str) {
    let redis_ms = core.periods.ping_ms.min(down_after_ms);
    let period =
        if core.is_prompt() { redis_ms.min((down_after_ms / 5).max(prompt::MIN_PING_MS)) } else { redis_ms };
    let heard_long_ago = core.is_due(link.last_pong, period);
    let sent_long_ago = link.last_ping.is_none_or(|at| core.is_due(at, period / 2));
    if heard_long_ago && sent_long_ago {
        connection::ping(core, link, command);
    }
}
