//! What must hold of every history, and of the world once faults are over.

use std::collections::{BTreeMap, BTreeSet};

use topple_sentinel::Reply;

use crate::{
    server::HostId,
    world::{Fact, World, ip_of},
};

/// Checks everything that holds at all times; panics with the story.
///
/// No epoch ever falls, in any file. A configuration epoch stands for one
/// address. A vote told for a master and an epoch is never told otherwise.
/// Who begins a failover sees the master objectively down; who leads one has
/// the votes of a majority and of the quorum, and nobody else has them for
/// that master and epoch. One failover promotes one replica.
pub(crate) fn history(world: &World, quorum: usize) {
    let mut ledger = Ledger::new(world, quorum.max(world.nodes.len() / 2 + 1));
    for (at, who, fact) in &world.history {
        let before = ledger.bad.len();
        ledger.take(*who, fact);
        for line in &mut ledger.bad[before..] {
            *line = format!("{at}: s{who} {line}");
        }
    }
    assert!(ledger.bad.is_empty(), "{:#?}\n{}", ledger.bad, world.story());
}

/// What the history has told so far. Masters are told apart by their group
/// of servers.
struct Ledger<'a> {
    world: &'a World,
    /// Votes a leader needs.
    needed: usize,
    epochs: BTreeMap<(usize, String), u64>,
    addresses: BTreeMap<(String, String), String>,
    /// By name.
    groups: BTreeMap<String, usize>,
    /// By voter, group and epoch: the candidate.
    told: BTreeMap<(usize, usize, u64), String>,
    /// By group, epoch and candidate: who told it so.
    supporters: BTreeMap<(usize, u64, String), BTreeSet<usize>>,
    /// Epochs in which a sentinel voted for itself.
    stood: BTreeMap<usize, BTreeSet<u64>>,
    leaders: BTreeMap<(usize, u64), usize>,
    objectively_down: BTreeSet<(usize, usize)>,
    forced: BTreeSet<(usize, usize)>,
    promoted: BTreeMap<(usize, usize), BTreeSet<HostId>>,
    bad: Vec<String>,
}

impl<'a> Ledger<'a> {
    fn new(world: &'a World, needed: usize) -> Ledger<'a> {
        Ledger {
            world,
            needed,
            epochs: BTreeMap::new(),
            addresses: BTreeMap::new(),
            groups: BTreeMap::new(),
            told: BTreeMap::new(),
            supporters: BTreeMap::new(),
            stood: BTreeMap::new(),
            leaders: BTreeMap::new(),
            objectively_down: BTreeSet::new(),
            forced: BTreeSet::new(),
            promoted: BTreeMap::new(),
            bad: Vec::new(),
        }
    }

    fn take(&mut self, who: usize, fact: &Fact) {
        match fact {
            Fact::Persisted(text) => self.take_file(who, text),
            Fact::Told { group, leader, epoch } => self.take_vote(who, *group, leader, *epoch),
            Fact::Event(event) => self.take_event(who, event.kind, &event.text),
            Fact::Log(text) => {
                if let Some(rest) = text.strip_prefix("Executing user requested FAILOVER of '") {
                    self.forced.insert((who, self.groups[rest.trim_end_matches('\'')]));
                }
            }
            Fact::Crashed => {
                self.forced.retain(|(sentinel, _)| *sentinel != who);
                self.objectively_down.retain(|(sentinel, _)| *sentinel != who);
            }
            Fact::Promotes { server } => {
                let set = self.promoted.entry((who, self.world.group_of(*server))).or_default();
                set.insert(*server);
                if set.len() > 1 {
                    self.bad.push(format!("promoted {set:?} in one failover"));
                }
            }
            _ => {}
        }
    }

    fn take_file(&mut self, who: usize, text: &str) {
        let mut monitored = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').skip(1).collect();
            match words.as_slice() {
                ["current-epoch", epoch] => self.take_epoch(who, "current-epoch", epoch),
                ["leader-epoch", name, epoch] => {
                    self.take_epoch(who, &format!("leader-epoch {name}"), epoch);
                }
                ["monitor", name, ip, ..] => monitored.push((*name, *ip)),
                ["config-epoch", name, epoch] => {
                    self.take_epoch(who, &format!("config-epoch {name}"), epoch);
                    let monitor = monitored.iter().find(|(monitored, _)| monitored == name);
                    let (_, ip) = monitor.expect("a master before its epoch");
                    self.groups.insert((*name).to_owned(), self.world.group_at(ip));
                    self.take_address(name, epoch, ip);
                }
                _ => {}
            }
        }
    }

    fn take_epoch(&mut self, who: usize, what: &str, epoch: &str) {
        let epoch: u64 = epoch.parse().expect("a number");
        let newest = self.epochs.entry((who, what.to_owned())).or_default();
        if epoch < *newest {
            self.bad.push(format!("has {what} {epoch} after {newest}"));
        }
        *newest = epoch.max(*newest);
    }

    fn take_address(&mut self, name: &str, epoch: &str, ip: &str) {
        let key = (name.to_owned(), epoch.to_owned());
        let known = self.addresses.entry(key).or_insert_with(|| ip.to_owned());
        if epoch != "0" && known != ip {
            self.bad.push(format!("has {name} at {ip} in configuration epoch {epoch}, not at {known}"));
        }
    }

    fn take_vote(&mut self, who: usize, group: usize, leader: &str, epoch: u64) {
        let told = self.told.entry((who, group, epoch)).or_insert_with(|| leader.to_owned());
        if told != leader {
            self.bad.push(format!("voted for {told} and {leader} in epoch {epoch}"));
        }
        self.supporters.entry((group, epoch, leader.to_owned())).or_default().insert(who);
    }

    fn take_event(&mut self, who: usize, kind: &str, text: &str) {
        let about = |text: &str| text.split(' ').nth(2).map(|ip| self.world.group_at(ip));
        match kind {
            "+vote-for-leader" => {
                let (candidate, epoch) = text.split_once(' ').expect("two words");
                if candidate == self.world.nodes[who].id {
                    self.stood.entry(who).or_default().insert(epoch.parse().expect("a number"));
                }
            }
            "+odown" => drop(self.objectively_down.insert((who, about(text).expect("a master")))),
            "-odown" | "+reset-master" => {
                self.objectively_down.remove(&(who, about(text).expect("a master")));
            }
            "+switch-master" => {
                let group = self.world.group_at(text.split(' ').nth(1).expect("an address"));
                self.objectively_down.remove(&(who, group));
                self.forced.remove(&(who, group));
            }
            "+try-failover" => {
                let key = (who, about(text).expect("a master"));
                self.promoted.remove(&key);
                if !self.objectively_down.contains(&key) && !self.forced.contains(&key) {
                    self.bad.push(format!("begins a failover of {text}, which is not objectively down"));
                }
            }
            "+elected-leader" => self.take_leader(who, about(text).expect("a master")),
            _ => {}
        }
    }

    fn take_leader(&mut self, who: usize, group: usize) {
        if self.forced.remove(&(who, group)) {
            return;
        }
        let id = &self.world.nodes[who].id;
        // Its own vote may have gone to another, who asked first; those of others count all the same.
        let stood = self.stood.get(&who).cloned().unwrap_or_default();
        let supported = self.supporters.iter().filter(|((of, _, whom), _)| *of == group && whom == id);
        let mut votes: BTreeMap<u64, usize> =
            supported.map(|((_, epoch, _), voters)| (*epoch, voters.len())).collect();
        stood.into_iter().for_each(|epoch| *votes.entry(epoch).or_default() += 1);
        let won = votes.into_iter().rev().find(|(_, votes)| *votes >= self.needed).map(|(epoch, _)| epoch);
        let Some(epoch) = won else {
            self.bad.push(format!("leads group {group} without {} votes in any epoch", self.needed));
            return;
        };
        if let Some(other) = self.leaders.insert((group, epoch), who) {
            self.bad.push(format!("leads group {group} in epoch {epoch}, as s{other} did"));
        }
    }
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
