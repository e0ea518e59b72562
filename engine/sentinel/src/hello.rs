//! Hello messages: how sentinels find each other and agree on addresses.
//!
//! A hello is published on `__sentinel__:hello` of every master and replica
//! and sent to every known sentinel. It has eight fields separated by commas:
//! ip, port, run id and current epoch of the sentinel; name, ip, port and
//! configuration epoch of the master.

use crate::{
    address::Address,
    core::{Core, words},
    event::Level,
    instance::{Hellos, Master, MasterId, MasterSettings, Peer, Peers, Server, Voter},
    link::{Expect, Link},
    reconfigure,
};

/// The channel of hello messages.
pub(crate) const CHANNEL: &str = "__sentinel__:hello";

/// The part of our hello that is the same for all who get it.
pub(crate) struct Announcement {
    master: MasterId,
    name: String,
    host: String,
    port: u16,
    config_epoch: u64,
}

impl Announcement {
    pub(crate) fn of(core: &Core, master: &Master) -> Announcement {
        let addr = master.current_addr();
        Announcement {
            master: master.id,
            name: master.name.clone(),
            host: addr.shown(core.global.announce_hostnames).to_owned(),
            port: addr.port,
            config_epoch: master.config_epoch,
        }
    }
}

/// Publishes our hello on a server, if it is time.
pub(crate) fn publish_on_server(
    core: &mut Core,
    server: &mut Server,
    settings: &MasterSettings,
    what: &Announcement,
) {
    publish(core, &mut server.link, &mut server.hellos, settings.command("PUBLISH"), what);
}

/// Sends our hello to another sentinel, if it is time.
pub(crate) fn publish_to_peer(core: &mut Core, voter: &mut Voter, peer: &mut Peer, what: &Announcement) {
    publish(core, &mut peer.link, &mut voter.hellos, "PUBLISH", what);
}

fn publish(core: &mut Core, link: &mut Link, hellos: &mut Hellos, command: &str, what: &Announcement) {
    let expect = Expect::Hello(what.master);
    let due = core.is_due(hellos.published, core.periods.publish_ms) && !link.expects(&expect);
    if !(due || hellos.wanted) {
        return;
    }
    if let Some(sent) = hellos.sent.filter(|_| !hellos.wanted) {
        // Refused: not at once again.
        if !core.has_passed(sent, core.periods.ping_ms / 10) {
            return;
        }
    }
    let Some(ip) = core.global.announce_ip.as_deref().or(link.command.local_ip()) else { return };
    let port =
        if core.global.announce_port != 0 { core.global.announce_port } else { core.global.listen_port };
    let text = format!(
        "{ip},{port},{},{},{},{},{},{}",
        core.myid, core.epoch, what.name, what.host, what.port, what.config_epoch
    );
    if core.send(link, words(&[command, CHANNEL, &text]), expect) {
        hellos.sent = Some(core.mono());
        hellos.wanted = false;
    }
}

/// Has every process that cares hear of the master at once.
pub(crate) fn publish_soon(core: &mut Core, master: &mut Master) {
    let all = [&mut master.server.hellos]
        .into_iter()
        .chain(master.replicas.iter_mut().map(|r| &mut r.server.hellos))
        .chain(master.voters.values_mut().map(|v| &mut v.hellos));
    for hellos in all {
        hellos.wanted = true;
    }
    core.wake_at(core.mono());
}

/// A hello of another sentinel.
#[derive(Debug, PartialEq, Eq)]
struct Hello<'a> {
    ip: &'a str,
    port: u16,
    runid: &'a str,
    epoch: u64,
    master: &'a str,
    master_host: &'a str,
    master_port: u16,
    config_epoch: u64,
}

impl<'a> Hello<'a> {
    /// `None` unless the text has the eight fields.
    fn parse(text: &'a str) -> Option<Hello<'a>> {
        let mut fields = text.split(',');
        let hello = Hello {
            ip: fields.next()?,
            port: fields.next()?.parse().ok()?,
            runid: fields.next()?,
            epoch: fields.next()?.parse().ok()?,
            master: fields.next()?,
            master_host: fields.next()?,
            master_port: fields.next()?.parse().ok()?,
            config_epoch: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(hello)
    }
}

/// Takes a hello heard on a channel or sent to us.
pub(crate) fn receive(core: &mut Core, masters: &mut [Master], peers: &mut Peers, text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(hello) = Hello::parse(text) else { return };
    if hello.runid == core.myid {
        return;
    }
    let Some(index) = masters.iter().position(|m| m.name == hello.master) else { return };
    meet(core, masters, peers, index, &hello);
    let master = &mut masters[index];
    if hello.epoch > core.epoch {
        core.epoch = hello.epoch;
        core.flush();
        core.plain_event(Level::Warning, "+new-epoch", master, hello.epoch.to_string());
    }
    adopt_configuration(core, master, &hello);
    if let Some(voter) = master.voters.get_mut(hello.runid) {
        voter.last_hello = core.mono();
    }
}

/// Notes who sent the hello and where it is reached.
fn meet(core: &mut Core, masters: &mut [Master], peers: &mut Peers, index: usize, hello: &Hello<'_>) {
    let addr = Address::new(hello.ip, hello.port, &core.names);
    match masters[index].voters.get(hello.runid) {
        Some(voter) if voter.addr.is(&addr) => {}
        Some(_) => {
            move_sentinel(core, masters, peers, index, hello, &addr);
            core.flush();
        }
        None => {
            add_sentinel(core, masters, peers, index, hello, &addr);
            core.flush_discovery();
        }
    }
}

/// A sentinel that the master did not know.
fn add_sentinel(
    core: &mut Core,
    masters: &mut [Master],
    peers: &mut Peers,
    index: usize,
    hello: &Hello<'_>,
    addr: &Address,
) {
    let old = masters[index].voters.values().find(|v| v.addr.is(addr)).map(|v| v.runid.clone());
    if let Some(old) = old {
        replace_at_same_address(core, masters, peers, index, &old);
    }
    let now = core.mono();
    peers
        .entry(hello.runid.to_owned())
        .or_insert_with(|| Peer { addr: addr.clone(), link: Link::new(false, now) });
    let mut voter = Voter::new(hello.runid, addr.clone(), now);
    let master = &mut masters[index];
    if core.is_prompt() {
        voter.hellos.wanted = true;
        // The newcomer missed what was published before it subscribed.
        master.server.hellos.wanted = true;
    }
    master.voters.insert(hello.runid.to_owned(), voter);
    core.voter_event(Level::Notice, "+sentinel", master, &master.voters[hello.runid], "");
}

/// A known sentinel speaks from another address: it is that sentinel for
/// every master.
fn move_sentinel(
    core: &mut Core,
    masters: &mut [Master],
    peers: &mut Peers,
    index: usize,
    hello: &Hello<'_>,
    addr: &Address,
) {
    let extra = format!("ip {} port {} for {}", hello.ip, hello.port, hello.runid);
    core.master_event(Level::Notice, "+sentinel-address-switch", &masters[index], &extra);
    if let Some(peer) = peers.get_mut(hello.runid) {
        core.close_link(&mut peer.link);
        peer.link.last_connect = None;
        peer.addr = addr.clone();
    }
    let fresh = Voter::new(hello.runid, addr.clone(), core.mono());
    masters[index].voters.insert(hello.runid.to_owned(), fresh);
    let mut others = 0;
    for (_, master) in masters.iter_mut().enumerate().filter(|(i, _)| *i != index) {
        if let Some(voter) = master.voters.get_mut(hello.runid) {
            voter.addr = addr.clone();
            others += 1;
        }
    }
    if others > 0 {
        let master = &masters[index];
        let extra = format!("{others} additional matching instances");
        let voter = &master.voters[hello.runid];
        core.voter_event(Level::Notice, "+sentinel-address-update", master, voter, &extra);
    }
}

/// Another sentinel is said to be at an address that a new one now has: the
/// old one is gone, for every master.
fn replace_at_same_address(
    core: &mut Core,
    masters: &mut [Master],
    peers: &mut Peers,
    index: usize,
    old: &str,
) {
    let master = &masters[index];
    core.voter_event(Level::Notice, "+sentinel-invalid-addr", master, &master.voters[old], "");
    for master in masters.iter_mut() {
        master.voters.remove(old);
    }
    core.voters_left = true;
    if let Some(mut peer) = peers.remove(old) {
        core.close_link(&mut peer.link);
    }
}

/// A configuration with a higher epoch replaces ours, and ends a failover that
/// this sentinel runs in a lower one.
///
/// Redis looks at the address only: a leader that is still telling replicas of
/// its choice, and hears that another failover has led back to the old master,
/// goes on, and ends with an address of its own for the epoch of the other.
fn adopt_configuration(core: &mut Core, master: &mut Master, hello: &Hello<'_>) {
    if hello.config_epoch <= master.config_epoch || !master.voters.contains_key(hello.runid) {
        return;
    }
    master.config_epoch = hello.config_epoch;
    core.flush();
    let is_overtaken = master.failover.as_ref().is_some_and(|f| f.epoch < hello.config_epoch);
    if !is_overtaken && master.server.addr.matches(hello.master_host, hello.master_port, &core.names) {
        return;
    }
    core.voter_event(Level::Warning, "+config-update-from", master, &master.voters[hello.runid], "");
    let to = Address::new(hello.master_host, hello.master_port, &core.names);
    reconfigure::follow(core, master, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_has_exactly_eight_fields() {
        let text = "127.0.0.1,26379,abc,3,mymaster,127.0.0.1,6379,2";
        let hello = Hello::parse(text).expect("well formed");
        assert_eq!((hello.port, hello.epoch, hello.master, hello.config_epoch), (26379, 3, "mymaster", 2));
        assert_eq!(Hello::parse("b"), None);
        assert_eq!(Hello::parse(&format!("{text},1")), None);
        assert_eq!(Hello::parse(&text.replace("26379", "port")), None);
    }
}
