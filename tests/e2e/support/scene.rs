//! A master, its replicas, all puppets, and a sentinel that knows them.

use resp::Value;

use super::puppet::Puppet;
use super::server::Engine;
use super::watcher::{Watcher, field_of, in_common_words};

/// Periods that make no sentinel wait for long.
const HASTE: &str = "SENTINEL DEBUG info-period 200 ping-period 100 ask-period 100 publish-period 200";

/// The master `mm` comes first, then its replicas.
pub struct Scene {
    puppets: Vec<Puppet>,
    watcher: Watcher,
}

impl Scene {
    /// Waits until all replicas are known, connected and have told of themselves. The first replica is the one
    /// that a failover chooses.
    pub fn new(engine: Engine, replicas: usize, quorum: u32, directives: &str) -> Scene {
        let puppets = Scene::puppets(replicas);
        let line = format!("sentinel monitor mm 127.0.0.1 {} {quorum}\n", puppets[0].port());
        Scene::with(puppets, Watcher::start(engine, &format!("{line}{directives}")))
    }

    /// A master and its replicas.
    pub fn puppets(replicas: usize) -> Vec<Puppet> {
        let master = Puppet::master();
        let others: Vec<Puppet> = (0..replicas).map(|_| Puppet::replica(&master)).collect();
        others.iter().take(1).for_each(|first| first.strings().priority = 1);
        std::iter::once(master).chain(others).collect()
    }

    /// Puppets and a sentinel that was told of them.
    pub fn with(puppets: Vec<Puppet>, watcher: Watcher) -> Scene {
        watcher.ok(HASTE);
        let replicas = puppets.len() - 1;
        watcher.await_reply("SENTINEL REPLICAS mm", |reply| {
            let known = reply.as_array().unwrap_or_default();
            let is_ready = |one: &Value| {
                field_of(one, "flags") == "slave" && field_of(one, "master-link-status") == "ok"
            };
            known.len() == replicas && known.iter().all(is_ready)
        });
        Scene { puppets, watcher }
    }

    /// The sentinel.
    pub fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// The sentinel, to be ended or started.
    pub fn watcher_mut(&mut self) -> &mut Watcher {
        &mut self.watcher
    }

    /// The master.
    pub fn master(&self) -> &Puppet {
        &self.puppets[0]
    }

    /// A replica, counted from one.
    pub fn replica(&self, n: usize) -> &Puppet {
        &self.puppets[n]
    }

    /// Texts with names in place of the puppets' ports.
    pub fn named(&self, texts: &[String]) -> Vec<String> {
        let names = ["m", "r1", "r2", "r3"];
        let ports = self.puppets.iter().zip(names).map(|(puppet, name)| (puppet.port(), name));
        in_common_words(texts, &ports.chain([(self.watcher.port(), "own")]).collect::<Vec<_>>())
    }

    /// All events so far.
    pub fn story(&self) -> Vec<String> {
        self.named(&self.watcher.events())
    }

    /// The same in an order of its own, for what Redis's ticks bring about in any order.
    pub fn sorted_story(&self) -> Vec<String> {
        let mut story = self.story();
        story.sort();
        story
    }
}
