//! Opening connections, introducing ourselves, and giving up silent ones.
//!
//! A connection starts with AUTH where a password is configured and with a
//! client name by which operators recognise sentinels. The rules of when a
//! connection is tried again or given up are Redis's; the pace `prompt` tries
//! sooner and gives up sooner, which moves no verdict: the time since the
//! oldest unanswered PING survives a reconnection.

use crate::{
    address::Address,
    core::{Core, Global, words},
    hello::CHANNEL,
    instance::{MasterSettings, Owner, Server},
    link::{Channel, Expect, Link, LinkId, LinkKind},
    periods::prompt,
};

/// User and password for one kind of process.
pub(crate) struct Credentials<'a> {
    user: Option<&'a str>,
    pass: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    pub(crate) fn of_master(settings: &'a MasterSettings) -> Credentials<'a> {
        Credentials { user: settings.auth_user.as_deref(), pass: settings.auth_pass.as_deref() }
    }

    pub(crate) fn of_sentinels(global: &'a Global) -> Credentials<'a> {
        match &global.sentinel_pass {
            Some(pass) => Credentials { user: global.sentinel_user.as_deref(), pass: Some(pass) },
            None => Credentials { user: None, pass: global.requirepass.as_deref() },
        }
    }

    fn auth(&self, command: &str) -> Option<Vec<Vec<u8>>> {
        let pass = self.pass?;
        Some(match self.user {
            Some(user) => words(&[command, user, pass]),
            None => words(&[command, pass]),
        })
    }
}

/// Opens what is closed of a link, if it is time.
pub(crate) fn reconnect(core: &mut Core, link: &mut Link, owner: &Owner, addr: &Address) {
    let command_closed = matches!(link.command, Channel::Closed);
    let pubsub_closed = matches!(link.pubsub, Some(Channel::Closed));
    if (!command_closed && !pubsub_closed) || addr.port == 0 {
        return;
    }
    let now = core.mono();
    if let Some(last) = link.last_connect {
        let delay = if core.is_prompt() {
            (prompt::RECONNECT_MS << link.failures.min(8)).min(core.periods.ping_ms)
        } else {
            core.periods.ping_ms
        };
        if now < last.plus(delay) {
            core.wake_at(last.plus(delay));
            return;
        }
    }
    let Some(ip) = resolve(core, addr, link.failures > 0) else { return };
    link.last_connect = Some(now);
    if command_closed {
        link.failures += 1;
        link.command = core.open(owner, LinkKind::Command, &ip, addr.port);
        // The PING that greets the connection counts from here on, so that a
        // process that never accepts is found out.
        link.unanswered_ping.get_or_insert(now);
    }
    if pubsub_closed {
        link.pubsub = Some(core.open(owner, LinkKind::PubSub, &ip, addr.port));
    }
}

/// The address to connect to; a name without one, or whose address failed, is
/// looked up again.
fn resolve(core: &mut Core, addr: &Address, failed: bool) -> Option<String> {
    let ip = core.names.ip(&addr.host);
    if (ip.is_none() || failed) && core.global.resolve_hostnames {
        let now = core.mono();
        if core.names.ask(&addr.host, now) {
            core.push(crate::Action::Resolve { host: addr.host.clone() });
        }
        core.wake_at(now.plus(core.periods.ping_ms));
    }
    ip
}

/// Takes the news that a connection is open.
pub(crate) fn established(link: &mut Link, id: LinkId, local_ip: &str) {
    let channels = [Some(&mut link.command), link.pubsub.as_mut()];
    for channel in channels.into_iter().flatten() {
        if let Channel::Opening { id: opening, since } = *channel
            && opening == id
        {
            *channel = Channel::Open { id, since, local_ip: local_ip.to_owned() };
        }
    }
}

/// Says who we are on a new connection, then PINGs or subscribes.
pub(crate) fn greet(
    core: &mut Core,
    link: &mut Link,
    kind: LinkKind,
    auth: Option<Vec<Vec<u8>>>,
    name: impl Fn(&str) -> String,
) {
    let client_name = format!("sentinel-{}-{}", &core.myid[..8], kind.suffix());
    let set_name = words(&[&name("CLIENT"), "SETNAME", &client_name]);
    match kind {
        LinkKind::Command => {
            for args in auth.into_iter().chain([set_name]) {
                core.send(link, args, Expect::Discard);
            }
            ping(core, link, &name("PING"));
        }
        LinkKind::PubSub => {
            link.last_heard = core.mono();
            let Some(id) = link.pubsub.as_ref().and_then(Channel::open) else { return };
            let subscribe = words(&[&name("SUBSCRIBE"), CHANNEL]);
            for args in auth.into_iter().chain([set_name, subscribe]) {
                core.push(crate::Action::Send { link: id, args });
            }
        }
    }
}

/// Greets a master or replica.
pub(crate) fn greet_server(core: &mut Core, server: &mut Server, settings: &MasterSettings, kind: LinkKind) {
    let name = |command: &str| settings.command(command).to_owned();
    let auth = Credentials::of_master(settings).auth(&name("AUTH"));
    greet(core, &mut server.link, kind, auth, name);
    if core.is_prompt() {
        // A subscriber that publishes at once is heard by every earlier one.
        server.hellos.wanted = true;
        if kind == LinkKind::Command {
            server.info.wanted = true;
            server.info.eager_until = Some(core.mono().plus(prompt::EAGER_MS));
        }
    }
}

/// Greets another sentinel.
pub(crate) fn greet_peer(core: &mut Core, link: &mut Link) {
    let auth = Credentials::of_sentinels(&core.global).auth("AUTH");
    greet(core, link, LinkKind::Command, auth, str::to_owned);
}

pub(crate) fn ping(core: &mut Core, link: &mut Link, command: &str) {
    let now = core.mono();
    if core.send(link, words(&[command]), Expect::Ping) {
        link.last_ping = Some(now);
        link.unanswered_ping.get_or_insert(now);
    }
}

/// Gives up connections that have been silent for too long, so that a new one
/// is tried: the old one may be half open.
pub(crate) fn give_up_silent(core: &mut Core, link: &mut Link, down_after_ms: u64) {
    let now = core.mono();
    let redis_age = core.periods.min_link_reconnect_ms;
    let age = if core.is_prompt() { redis_age.min((down_after_ms * 2).max(2000)) } else { redis_age };
    if let (Some(since), Some(ping)) = (link.command.since(), link.unanswered_ping) {
        let old = core.has_passed(since, age);
        let unanswered = core.has_passed(ping, down_after_ms / 2);
        let silent = core.has_passed(link.last_pong, down_after_ms / 2);
        if old && unanswered && silent {
            core.close_command(link);
            core.wake_at(now);
        }
    }
    if let Some(since) = link.pubsub.as_ref().and_then(Channel::since) {
        let old = core.has_passed(since, redis_age);
        let silent = core.has_passed(link.last_heard, core.periods.publish_ms * 3);
        if old && silent {
            core.close_pubsub(link);
            core.wake_at(now);
        }
    }
}
