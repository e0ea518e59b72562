//! Conditions under which commands are refused or held back.
//!
//! In the normal case none applies and a command passes with one comparison: each condition sets a bit
//! when it begins to hold, and only then are the rules looked at.

use resp::Args;
use types::Flags;

use crate::client::{Blocked, Client, State};
use crate::server::Server;
use crate::table::Entry;

/// Conditions that hold now, and pauses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gates {
    bits: u32,
    /// The pauses, by who asked for them.
    pauses: [Option<Pause>; 3],
    /// What they come to together.
    pub(crate) pause: Option<Pause>,
}

/// Who has commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PausedBy {
    /// CLIENT PAUSE.
    Command,
    /// SHUTDOWN, until the replicas have everything.
    Shutdown,
    /// FAILOVER, until another is the master.
    Failover,
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) until_ms: u64,
    pub(crate) what: Paused,
}

impl Gates {
    /// Begins or tightens a pause: the stricter mode and the later end win.
    pub(crate) fn begin_pause(&mut self, by: PausedBy, pause: Pause) {
        let own = &mut self.pauses[by as usize];
        *own = strictest([*own, Some(pause)].into_iter());
        self.pause = strictest(self.pauses.into_iter());
    }

    /// Ends a pause; those of others go on.
    pub(crate) fn end_pause(&mut self, by: PausedBy) {
        self.pauses[by as usize] = None;
        self.pause = strictest(self.pauses.into_iter());
    }

    /// Ends the pauses whose time is over; true when there were any.
    pub(crate) fn end_pauses_until(&mut self, now_ms: u64) -> bool {
        let over = |pause: Option<Pause>| pause.is_some_and(|pause| pause.until_ms <= now_ms);
        let any = self.pauses.iter().any(|pause| over(*pause));
        self.pauses = self.pauses.map(|pause| pause.filter(|_| !over(pause)));
        self.pause = strictest(self.pauses.into_iter());
        any
    }
}

fn strictest(pauses: impl Iterator<Item = Option<Pause>>) -> Option<Pause> {
    pauses.flatten().reduce(|one, other| Pause {
        until_ms: one.until_ms.max(other.until_ms),
        what: one.what.max(other.what),
    })
}

/// What a pause holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Paused {
    Writes,
    All,
}

const LOADING: u32 = 1;
const READ_ONLY: u32 = 2;
const SNAPSHOT_FAILED: u32 = 4;
const FEW_REPLICAS: u32 = 8;
const PAUSED: u32 = 16;
const STALE: u32 = 32;
const SHUTTING_DOWN: u32 = 64;
const MEMORY: u32 = 128;
const BUSY: u32 = 256;
const AOF_FAILED: u32 = 512;

/// Conditions under which scripts do not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScriptGates {
    pub(crate) stale: bool,
    pub(crate) read_only: bool,
    pub(crate) snapshot_failed: bool,
    pub(crate) few_replicas: bool,
}

/// What a gate says to a command.
pub(crate) enum Verdict {
    Pass,
    /// Refused with this error.
    Refuse(String),
    /// Held back; the client is blocked and the command runs later.
    Hold,
}

impl Server {
    /// Recomputes which conditions hold; called when something they depend on changes.
    pub(crate) fn refresh_gates(&mut self) {
        let settings = &self.config.settings;
        let replica = self.replicating.is_replica();
        let mut bits = 0;
        let mut set = |holds: bool, bit: u32| bits |= if holds { bit } else { 0 };
        set(self.persistence.loading.is_some(), LOADING);
        set(replica && settings.replica_read_only, READ_ONLY);
        set(
            !self.persistence.last_save_ok
                && settings.stop_writes_on_bgsave_error
                && !settings.save.0.is_empty()
                && !replica,
            SNAPSHOT_FAILED,
        );
        let enough = self.replicating.timely_replicas as i64 >= settings.min_replicas_to_write;
        set(
            !replica && settings.min_replicas_to_write > 0 && settings.min_replicas_max_lag > 0 && !enough,
            FEW_REPLICAS,
        );
        set(self.gates.pause.is_some(), PAUSED);
        set(replica && !settings.replica_serve_stale_data && !self.replicating.link_is_up(), STALE);
        set(self.shutdown.is_some(), SHUTTING_DOWN);
        set(self.scripting.suspended.is_some(), BUSY);
        set(self.aof.is_on() && self.aof.writing.failure().is_some(), AOF_FAILED);
        set(self.limits_memory(), MEMORY);
        self.gates.bits = bits;
    }

    /// Whether `client` may run `entry` now.
    pub(crate) fn gate(&mut self, client: &mut Client, entry: &'static Entry, args: Args<'_>) -> Verdict {
        if self.gates.bits == 0 && !client.state.has(State::SPECIAL) {
            return Verdict::Pass;
        }
        if client.state.has(State::UNAUTHENTICATED) && !entry.has(Flags::NO_AUTH) {
            return Verdict::Refuse("NOAUTH Authentication required.".into());
        }
        if client.state.has(State::MULTI) && entry.has(Flags::NO_MULTI) {
            return Verdict::Refuse("ERR Command not allowed inside a transaction".into());
        }
        if client.state.has(State::RESTRICTED)
            && let Some(error) = self.refused_by_acl(client, entry, args)
        {
            return Verdict::Refuse(error);
        }
        if self.gates.bits & MEMORY != 0 && self.is_short_of_memory(client, entry) {
            return Verdict::Refuse("OOM command not allowed when used memory > 'maxmemory'.".into());
        }
        if let Some(error) = self.refusal(client, entry) {
            return Verdict::Refuse(error);
        }
        if self.gates.bits & BUSY != 0
            && !entry.has(Flags::ALLOW_BUSY)
            && let Some(error) = self.busy_error()
        {
            return Verdict::Refuse(error.into());
        }
        if client.state.has(State::REPLICA) || client.state.has(State::MONITOR) {
            let reads = any_runs(client, entry, |run| run.has(Flags::READONLY));
            if reads || self.may_replicate(client, entry, args) {
                return Verdict::Refuse("ERR Replica can't interact with the keyspace".into());
            }
        }
        if self.holds_back(client, entry, args) {
            client.blocked = Some(Blocked::Paused);
            return Verdict::Hold;
        }
        Verdict::Pass
    }

    /// Why a command that must be enabled first ([`Flags::PROTECTED`]) is refused; before anything else is asked, even
    /// who the client is.
    pub(crate) fn protection(&self, client: &Client, entry: &Entry) -> Option<String> {
        let settings = &self.config.settings;
        let (name, allowed) = match entry.meta.name {
            "debug" => ("debug", settings.enable_debug_command),
            _ => ("module", settings.enable_module_command),
        };
        (!allowed.allows(client)).then(|| {
            format!(
                "ERR {} command not allowed. If the enable-{name}-command option is set to \"local\", you can run it \
                 from a local connection, otherwise you need to set this option in the configuration file, and then \
                 restart the server.",
                name.to_uppercase()
            )
        })
    }

    /// The conditions that scripts are judged by.
    pub(crate) fn script_gates(&self) -> ScriptGates {
        let holds = |bit| self.gates.bits & bit != 0;
        ScriptGates {
            stale: holds(STALE),
            read_only: holds(READ_ONLY),
            snapshot_failed: holds(SNAPSHOT_FAILED),
            few_replicas: holds(FEW_REPLICAS),
        }
    }

    /// Why a command that writes, called by a script, is refused now.
    pub(crate) fn refuses_write(&self, client: &Client, entry: &Entry) -> Option<String> {
        let bits = self.gates.bits & (SNAPSHOT_FAILED | AOF_FAILED | FEW_REPLICAS | READ_ONLY);
        if bits == 0 { None } else { self.refusal(client, entry) }
    }

    fn refusal(&self, client: &Client, entry: &Entry) -> Option<String> {
        if client.state.has(State::MASTER) {
            return None;
        }
        let bits = self.gates.bits;
        let runs = |flag| any_runs(client, entry, |run| run.has(flag));
        let all_run = |flag| {
            let queued = if entry.meta.name == "exec" { client.rare.queued.as_slice() } else { &[] };
            entry.has(flag) && queued.iter().all(|queued| queued.entry.has(flag))
        };
        let write = runs(Flags::WRITE);
        // Whoever looks whether the server is well must hear that it is not.
        let write_or_ping = write || entry.meta.name == "ping";
        if write_or_ping && bits & SNAPSHOT_FAILED != 0 {
            return Some(MISCONF.into());
        }
        if write_or_ping && bits & AOF_FAILED != 0 {
            let error = self.aof.writing.failure().unwrap_or_default();
            return Some(format!("MISCONF Errors writing to the AOF file: {error}"));
        }
        if runs(Flags::WRITE) && bits & FEW_REPLICAS != 0 {
            return Some("NOREPLICAS Not enough good replicas to write.".into());
        }
        if runs(Flags::WRITE) && bits & READ_ONLY != 0 {
            return Some("READONLY You can't write against a read only replica.".into());
        }
        if client.state.has(State::PUBSUB)
            && client.protocol == resp::Protocol::Resp2
            && !works_subscribed(entry)
        {
            return Some(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                entry.full_name
            ));
        }
        if bits & STALE != 0 && !all_run(Flags::STALE) {
            return Some(
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.".into(),
            );
        }
        if bits & LOADING != 0 && !all_run(Flags::LOADING) {
            return Some("LOADING Redis is loading the dataset in memory".into());
        }
        None
    }

    /// Whether this command, or one that EXEC would run, may change data here or at replicas.
    fn may_replicate(&self, client: &Client, entry: &Entry, args: Args<'_>) -> bool {
        let may = |entry: &Entry, args: Args<'_>| match self.declared_flags(entry, args) {
            Some(declared) => !declared.has(scripting::Flags::NO_WRITES),
            None => entry.has(Flags::WRITE) || entry.has(Flags::MAY_REPLICATE),
        };
        let queued = if entry.meta.name == "exec" { client.rare.queued.as_slice() } else { &[] };
        may(entry, args) || queued.iter().any(|queued| may(queued.entry, queued.args()))
    }

    fn holds_back(&self, client: &Client, entry: &Entry, args: Args<'_>) -> bool {
        if client.state.has(State::REPLICATION) {
            return false;
        }
        let Some(pause) = self.gates.pause else { return false };
        match pause.what {
            // What could lift the pause, or end the server, must get through.
            Paused::All => !matches!(
                entry.full_name.as_str(),
                "client|unpause" | "client|pause" | "shutdown" | "replconf"
            ),
            // Queued too: by the time of EXEC another may be the master.
            Paused::Writes => self.may_replicate(client, entry, args),
        }
    }
}

/// Whether this command, or one that it would run, is of a kind. EXEC is judged by what was queued: things may have
/// changed since.
fn any_runs(client: &Client, entry: &Entry, is: impl Fn(&Entry) -> bool) -> bool {
    let queued = if entry.meta.name == "exec" { client.rare.queued.as_slice() } else { &[] };
    is(entry) || queued.iter().any(|queued| is(queued.entry))
}

fn works_subscribed(entry: &Entry) -> bool {
    matches!(
        entry.full_name.as_str(),
        "ping"
            | "subscribe"
            | "ssubscribe"
            | "sunsubscribe"
            | "psubscribe"
            | "unsubscribe"
            | "punsubscribe"
            | "quit"
            | "reset"
    )
}

const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
    disk. Commands that may modify the data set are disabled, because this instance is configured to report errors \
    during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
    details about the RDB error.";
