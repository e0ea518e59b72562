//! What must hold of every history, and of the world once faults are over.

use std::collections::{BTreeMap, BTreeSet};

use topple_sentinel::Reply;

use crate::{
    server::HostId,
    world::{Fact, World, ip_of},
};

/// The words behind `sentinel <directive>` in a persisted file.
fn directives<'a>(text: &'a str, directive: &str) -> Vec<Vec<&'a str>> {
    let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines
        .filter(|w| w.len() > 2 && w[0] == "sentinel" && w[1] == directive)
        .map(|w| w[2..].to_vec())
        .collect()
}

/// Checks everything that holds at all times; panics with the story.
pub(crate) fn history(world: &World, quorum: usize) {
    let violations: Vec<String> = [
        epochs_never_regress(world),
        one_address_per_config_epoch(world),
        one_vote_per_epoch(world),
        leaders_are_elected(world, quorum),
        one_promotion_per_failover(world),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(violations.is_empty(), "{violations:#?}\n{}", world.story());
}

fn epochs_never_regress(world: &World) -> Vec<String> {
    let mut newest: BTreeMap<(usize, String), u64> = BTreeMap::new();
    let mut bad = Vec::new();
    for (at, who, fact) in &world.history {
        let Fact::Persisted(text) = fact else { continue };
        for directive in ["current-epoch", "config-epoch", "leader-epoch"] {
            for words in directives(text, directive) {
                let (key, epoch) = match words.as_slice() {
                    [epoch] => (directive.to_owned(), *epoch),
                    [master, epoch] => (format!("{directive} {master}"), *epoch),
                    other => panic!("{directive} {other:?}"),
                };
                let epoch: u64 = epoch.parse().expect("a number");
                let before = newest.entry((*who, key.clone())).or_default();
                if epoch < *before {
                    bad.push(format!("{at}: s{who} {key} fell from {before} to {epoch}"));
                }
                *before = epoch.max(*before);
            }
        }
    }
    bad
}

/// All sentinels that ever believed a configuration epoch believed the same.
fn one_address_per_config_epoch(world: &World) -> Vec<String> {
    let mut known: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (_, _, fact) in &world.history {
        let Fact::Persisted(text) = fact else { continue };
        for monitor in directives(text, "monitor") {
            let epoch = directives(text, "config-epoch").into_iter().find(|w| w[0] == monitor[0]);
            if let Some(epoch) = epoch.filter(|w| w[1] != "0") {
                let key = (monitor[0].to_owned(), epoch[1].to_owned());
                known.entry(key).or_default().insert(monitor[1].to_owned());
            }
        }
    }
    known
        .into_iter()
        .filter(|(_, addresses)| addresses.len() > 1)
        .map(|(key, addresses)| format!("{key:?} is claimed by {addresses:?}"))
        .collect()
}

/// The votes told, by sentinel: epoch and candidate. With several masters a
/// sentinel may vote several times an epoch, so worlds of one master only.
fn votes(world: &World) -> Vec<(u64, usize, u64, String)> {
    let cast = world.events().filter(|(_, _, e)| e.kind == "+vote-for-leader");
    cast.map(|(at, who, event)| {
        let (candidate, epoch) = event.text.split_once(' ').expect("two words");
        (at, who, epoch.parse().expect("a number"), candidate.to_owned())
    })
    .collect()
}

fn has_one_master(world: &World) -> bool {
    !world.history.iter().any(|(_, _, fact)| match fact {
        Fact::Persisted(text) => directives(text, "monitor").len() > 1,
        _ => false,
    })
}

fn one_vote_per_epoch(world: &World) -> Vec<String> {
    if !has_one_master(world) {
        return Vec::new();
    }
    let mut seen: BTreeMap<(usize, u64), String> = BTreeMap::new();
    let mut bad = Vec::new();
    for (at, who, epoch, candidate) in votes(world) {
        if let Some(before) = seen.insert((who, epoch), candidate.clone()) {
            bad.push(format!("{at}: s{who} voted twice in epoch {epoch}: {before}, {candidate}"));
        }
    }
    bad
}

fn leaders_are_elected(world: &World, quorum: usize) -> Vec<String> {
    if !has_one_master(world) {
        return Vec::new();
    }
    let votes = votes(world);
    let mut leaders: BTreeMap<u64, usize> = BTreeMap::new();
    let mut forced: BTreeSet<usize> = BTreeSet::new();
    let mut bad = Vec::new();
    let needed = quorum.max(world.nodes.len() / 2 + 1);
    for (at, who, fact) in &world.history {
        match fact {
            Fact::Log(text) if text.starts_with("Executing user requested") => {
                forced.insert(*who);
            }
            Fact::Crashed => {
                forced.remove(who);
            }
            Fact::Event(event) if event.kind == "+elected-leader" => {
                if forced.remove(who) {
                    continue;
                }
                let id = &world.nodes[*who].id;
                let own = votes.iter().rfind(|(t, w, _, c)| t <= at && w == who && c == id);
                let Some((_, _, epoch, me)) = own else {
                    bad.push(format!("{at}: s{who} leads without a vote of its own"));
                    continue;
                };
                let voters: BTreeSet<usize> = votes
                    .iter()
                    .filter(|(t, _, e, c)| t <= at && e == epoch && c == me)
                    .map(|(_, w, ..)| *w)
                    .collect();
                if voters.len() < needed {
                    bad.push(format!("{at}: s{who} leads epoch {epoch} with votes of {voters:?} only"));
                }
                if let Some(other) = leaders.insert(*epoch, *who).filter(|other| other != who) {
                    bad.push(format!("{at}: epoch {epoch} is led by s{other} and s{who}"));
                }
            }
            _ => {}
        }
    }
    bad
}

fn one_promotion_per_failover(world: &World) -> Vec<String> {
    let mut promoted: BTreeMap<usize, BTreeSet<HostId>> = BTreeMap::new();
    let mut bad = Vec::new();
    for (at, who, fact) in &world.history {
        match fact {
            Fact::Event(event) if event.kind == "+try-failover" => {
                promoted.remove(who);
            }
            Fact::Slaveof { server, to: None } => {
                let set = promoted.entry(*who).or_default();
                set.insert(*server);
                if set.len() > 1 && has_one_master(world) {
                    bad.push(format!("{at}: s{who} promoted {set:?} in one failover"));
                }
            }
            _ => {}
        }
    }
    bad
}

/// The address a sentinel gives clients.
pub(crate) fn address(world: &World, sentinel: usize, master: &str) -> Option<String> {
    let text = world.nodes[sentinel].machine.as_ref()?.info_section();
    let line = text.lines().find(|line| line.contains(&format!("name={master},")))?;
    let address = line.split("address=").nth(1)?.split(':').next()?;
    Some(address.to_owned())
}

/// Whether all sentinels name one master, it is one, and all living servers
/// of its group follow it.
pub(crate) fn has_converged(world: &World, master: &str, group: std::ops::Range<HostId>) -> bool {
    let named: BTreeSet<_> = (0..world.nodes.len()).map(|n| address(world, n, master)).collect();
    let [Some(ip)] = named.iter().collect::<Vec<_>>()[..] else { return false };
    let Some(chosen) = group.clone().find(|host| ip_of(*host) == *ip) else { return false };
    let follows_or_leads = |host: HostId| {
        let server = &world.servers[host];
        !server.alive
            || (host == chosen && server.follows.is_none())
            || (host != chosen && server.follows == Some(chosen))
    };
    let settled = world.nodes.iter().all(|node| {
        let machine = node.machine.as_ref();
        machine.is_some_and(|m| m.info_section().contains(&format!("name={master},status=ok")))
    });
    settled && group.into_iter().all(follows_or_leads)
}

/// The value of a field in a reply made of pairs.
pub(crate) fn field(reply: &Reply, name: &str) -> Option<String> {
    let Reply::Map(pairs) = reply else { return None };
    let found = pairs.iter().find(|(key, _)| *key == Reply::Bulk(name.as_bytes().to_vec()))?;
    match &found.1 {
        Reply::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}
