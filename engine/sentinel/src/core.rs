//! What all rules share: the moment, the queue of actions, ids and settings.
//!
//! It knows no rule itself. Rules get `&mut Core` beside the master they look
//! at, so that every order to the outside passes through one queue.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    action::Action,
    address::{Address, Names},
    delays::Delays,
    event::{Event, Level},
    instance::{Master, MasterId, Owner, Replica, ReplicaId, Voter},
    link::{Channel, Expect, Link, LinkId, LinkKind},
    periods::{Pace, Periods, prompt},
    random::Random,
    scripts::Scripts,
    tilt::Tilt,
    time::{MonoMs, Now},
};

/// Settings of this sentinel that belong to no master.
#[derive(Clone, Debug, Default)]
pub(crate) struct Global {
    pub(crate) announce_ip: Option<String>,
    /// 0: the port this sentinel listens on.
    pub(crate) announce_port: u16,
    pub(crate) listen_port: u16,
    pub(crate) resolve_hostnames: bool,
    pub(crate) announce_hostnames: bool,
    pub(crate) deny_scripts_reconfig: bool,
    pub(crate) sentinel_user: Option<String>,
    pub(crate) sentinel_pass: Option<String>,
    /// What clients of this sentinel must know; the others are assumed to
    /// want the same when `sentinel-pass` is not set.
    pub(crate) requirepass: Option<String>,
    pub(crate) loglevel: String,
    pub(crate) utc_offset_seconds: i32,
}

/// So many discoveries in a row are persisted at once; each further one needs a pause of [`SAVE_WITHIN_MS`].
const SAVES_AT_ONCE: u64 = 16;
/// How long a discovery beyond those may wait to be persisted, with others that come meanwhile.
const SAVE_WITHIN_MS: u64 = 250;

/// A place in the queue of actions.
#[derive(Debug)]
pub(crate) enum Queued {
    Ready(Action),
    /// The configuration changed here. The text is made when it is polled:
    /// later changes may be persisted early, never an earlier one late.
    Persist,
}

/// Crashes asked for by `SENTINEL SIMULATE-FAILURE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SimulatedFailure {
    pub(crate) after_election: bool,
    pub(crate) after_promotion: bool,
}

/// What all rules share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) now: Now,
    pub(crate) myid: String,
    pub(crate) epoch: u64,
    pub(crate) pace: Pace,
    /// Whether `sentinel pace` stands in the file.
    pub(crate) pace_is_set: bool,
    pub(crate) periods: Periods,
    pub(crate) global: Global,
    pub(crate) random: Random,
    pub(crate) outbox: VecDeque<Queued>,
    pub(crate) tilt: Tilt,
    pub(crate) delays: Delays,
    pub(crate) scripts: Scripts,
    pub(crate) routes: BTreeMap<LinkId, (Owner, LinkKind)>,
    pub(crate) names: Names,
    pub(crate) simulated_failure: SimulatedFailure,
    /// A master no longer knows a sentinel: its link may be superfluous.
    pub(crate) voters_left: bool,
    /// Since when the configuration has had something that is not on disk and may wait.
    pub(crate) unsaved_since: Option<MonoMs>,
    /// By when discoveries will have earned what they have used of [`SAVES_AT_ONCE`].
    saves_repaid_at: MonoMs,
    /// A simulated crash happened: nothing is done any more.
    pub(crate) crashed: bool,
    /// By how much the common moments of routine messages are shifted.
    phase_ms: u64,
    /// The earliest moment a rule asked to be looked at again.
    wake: MonoMs,
    next_id: u64,
}

impl Core {
    pub(crate) fn new(now: Now, seed: u64, global: Global, pace: Option<Pace>) -> Core {
        Core {
            now,
            myid: String::new(),
            epoch: 0,
            pace: pace.unwrap_or_default(),
            pace_is_set: pace.is_some(),
            periods: Periods::default(),
            global,
            random: Random::new(seed),
            outbox: VecDeque::new(),
            tilt: Tilt::new(now),
            delays: Delays::default(),
            scripts: Scripts::default(),
            routes: BTreeMap::new(),
            names: Names::default(),
            simulated_failure: SimulatedFailure::default(),
            voters_left: false,
            unsaved_since: None,
            saves_repaid_at: now.mono,
            crashed: false,
            phase_ms: seed % prompt::MAX_SLACK_MS,
            wake: MonoMs::NEVER,
            next_id: 0,
        }
    }

    pub(crate) fn mono(&self) -> MonoMs {
        self.now.mono
    }

    pub(crate) fn is_prompt(&self) -> bool {
        self.pace == Pace::Prompt
    }

    /// Notes that a rule has something to do at `at`.
    pub(crate) fn wake_at(&mut self, at: MonoMs) {
        self.wake = self.wake.min(at);
    }

    /// Starts to collect wake-ups anew and returns the earliest so far.
    pub(crate) fn take_wake(&mut self) -> MonoMs {
        std::mem::replace(&mut self.wake, MonoMs::NEVER)
    }

    /// Whether `ms` have passed since `from`; if not, asks to be woken then.
    pub(crate) fn has_passed(&mut self, from: MonoMs, ms: u64) -> bool {
        let due = from.plus(ms).plus(1);
        if self.mono() >= due {
            return true;
        }
        self.wake_at(due);
        false
    }

    /// The same for a routine message, of which nothing is decided: with the pace `prompt` it may come an eighth
    /// of its period later, so that messages to many processes go out together. The moments differ from
    /// sentinel to sentinel.
    pub(crate) fn is_due(&mut self, from: MonoMs, period_ms: u64) -> bool {
        let due = from.plus(period_ms).plus(1);
        if self.mono() >= due {
            return true;
        }
        let slack = (period_ms / 8).clamp(1, prompt::MAX_SLACK_MS);
        let wait = slack - 1 - due.plus(self.phase_ms).0 % slack;
        self.wake_at(if self.is_prompt() { due.plus(wait) } else { due });
        false
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn next_replica_id(&mut self) -> ReplicaId {
        ReplicaId(self.next_id())
    }

    pub(crate) fn next_master_id(&mut self) -> MasterId {
        MasterId(self.next_id())
    }

    pub(crate) fn push(&mut self, action: Action) {
        self.outbox.push_back(Queued::Ready(action));
    }

    pub(crate) fn log(&mut self, level: Level, text: String) {
        self.push(Action::Log { level, text });
    }

    /// Asks for the configuration to be persisted before anything that is
    /// queued from here on.
    pub(crate) fn flush(&mut self) {
        self.outbox.push_back(Queued::Persist);
    }

    /// Asks for a discovery to be persisted: at once, as after a crash it might not be made again (the replicas of
    /// a master that is dead by then), but not hundreds of times in the second in which a sentinel comes into a
    /// company of thirty over ten masters.
    pub(crate) fn flush_discovery(&mut self) {
        let repaid_at = self.saves_repaid_at.max(self.now.mono).plus(SAVE_WITHIN_MS);
        if repaid_at > self.now.mono.plus(SAVES_AT_ONCE * SAVE_WITHIN_MS) {
            self.unsaved_since.get_or_insert(self.now.mono);
        } else {
            self.saves_repaid_at = repaid_at;
            self.flush();
        }
    }

    /// When what waits is to be persisted.
    pub(crate) fn next_save(&self) -> MonoMs {
        self.unsaved_since.map_or(MonoMs::NEVER, |since| since.plus(SAVE_WITHIN_MS))
    }

    /// Persists what has waited long enough.
    pub(crate) fn save_what_is_due(&mut self) {
        if self.next_save() <= self.now.mono {
            self.flush();
        }
    }

    // Events ------------------------------------------------------------

    /// An event that belongs to no master; it runs no notification script.
    pub(crate) fn event(&mut self, level: Level, kind: &'static str, text: String) {
        self.push(Action::Event(Event { level, kind, text }));
    }

    /// An event about `master` with a text of its own.
    pub(crate) fn plain_event(&mut self, level: Level, kind: &'static str, master: &Master, text: String) {
        if level == Level::Warning
            && let Some(script) = &master.settings.notification_script
        {
            self.scripts.schedule(script, vec![kind.to_owned(), text.clone()]);
        }
        self.event(level, kind, text);
    }

    pub(crate) fn master_event(&mut self, level: Level, kind: &'static str, master: &Master, extra: &str) {
        let mut text = self.identity("master", &master.name, &master.server.addr);
        append(&mut text, extra);
        self.plain_event(level, kind, master, text);
    }

    pub(crate) fn replica_event(
        &mut self,
        level: Level,
        kind: &'static str,
        master: &Master,
        replica: &Replica,
        extra: &str,
    ) {
        let name = replica.name(self.global.announce_hostnames);
        let mut text = self.identity_of_part("slave", &name, &replica.server.addr, master);
        append(&mut text, extra);
        self.plain_event(level, kind, master, text);
    }

    pub(crate) fn voter_event(
        &mut self,
        level: Level,
        kind: &'static str,
        master: &Master,
        voter: &Voter,
        extra: &str,
    ) {
        let mut text = self.identity_of_part("sentinel", &voter.runid, &voter.addr, master);
        append(&mut text, extra);
        self.plain_event(level, kind, master, text);
    }

    fn identity(&self, kind: &str, name: &str, addr: &Address) -> String {
        format!("{kind} {name} {} {}", addr.shown(self.global.announce_hostnames), addr.port)
    }

    fn identity_of_part(&self, kind: &str, name: &str, addr: &Address, master: &Master) -> String {
        let shown = master.server.addr.shown(self.global.announce_hostnames);
        format!("{} @ {} {} {}", self.identity(kind, name, addr), master.name, shown, master.server.addr.port)
    }

    // Links -------------------------------------------------------------

    /// Sends a command if the link's command connection is open.
    pub(crate) fn send(&mut self, link: &mut Link, args: Vec<Vec<u8>>, expect: Expect) -> bool {
        let Some(id) = link.command.open() else { return false };
        link.pending.push_back(expect);
        self.push(Action::Send { link: id, args });
        true
    }

    /// Begins to open one connection.
    pub(crate) fn open(&mut self, owner: &Owner, kind: LinkKind, ip: &str, port: u16) -> Channel {
        let id = LinkId(self.next_id());
        self.routes.insert(id, (owner.clone(), kind));
        self.push(Action::Connect { link: id, host: ip.to_owned(), port });
        Channel::Opening { id, since: self.mono() }
    }

    /// Closes the command connection; what it was to answer is forgotten.
    pub(crate) fn close_command(&mut self, link: &mut Link) {
        if let Some(id) = link.command.id() {
            self.close_id(id);
            link.forget(id);
        }
    }

    pub(crate) fn close_pubsub(&mut self, link: &mut Link) {
        if let Some(id) = link.pubsub.as_ref().and_then(Channel::id) {
            self.close_id(id);
            link.forget(id);
        }
    }

    pub(crate) fn close_link(&mut self, link: &mut Link) {
        self.close_command(link);
        self.close_pubsub(link);
    }

    fn close_id(&mut self, id: LinkId) {
        self.routes.remove(&id);
        self.push(Action::Close { link: id });
    }
}

fn append(text: &mut String, extra: &str) {
    if !extra.is_empty() {
        text.push(' ');
        text.push_str(extra);
    }
}

/// A command from its words.
pub(crate) fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
