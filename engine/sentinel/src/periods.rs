//! Every period and time-out of the rules, and the pace of messages.
//!
//! The figures are Redis 7.2's. `SENTINEL DEBUG` changes them; nothing else
//! does. The pace never touches a figure that decides: it only sends more
//! messages and acts on an answer when it comes instead of at the next tick.

/// How many messages are sent and when an answer is acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pace {
    /// More messages, and deadlines met to the millisecond.
    #[default]
    Prompt,
    /// The timing of Redis: a tick 10 to 20 times a second, its periods.
    Redis,
}

/// The figures of the rules, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Periods {
    pub(crate) info_ms: u64,
    pub(crate) ping_ms: u64,
    pub(crate) ask_ms: u64,
    pub(crate) publish_ms: u64,
    pub(crate) default_down_after_ms: u64,
    pub(crate) default_failover_timeout_ms: u64,
    pub(crate) tilt_trigger_ms: u64,
    pub(crate) tilt_ms: u64,
    pub(crate) slave_reconf_timeout_ms: u64,
    pub(crate) min_link_reconnect_ms: u64,
    pub(crate) election_timeout_ms: u64,
    pub(crate) script_max_runtime_ms: u64,
    pub(crate) script_retry_delay_ms: u64,
}

impl Default for Periods {
    fn default() -> Self {
        Periods {
            info_ms: 10_000,
            ping_ms: 1_000,
            ask_ms: 1_000,
            publish_ms: 2_000,
            default_down_after_ms: 30_000,
            default_failover_timeout_ms: 180_000,
            tilt_trigger_ms: 2_000,
            tilt_ms: 30_000,
            slave_reconf_timeout_ms: 10_000,
            min_link_reconnect_ms: 15_000,
            election_timeout_ms: 10_000,
            script_max_runtime_ms: 60_000,
            script_retry_delay_ms: 30_000,
        }
    }
}

impl Periods {
    /// Every figure under its name in `SENTINEL DEBUG`, in the order shown.
    pub(crate) fn named(&mut self) -> [(&'static str, &mut u64); 13] {
        [
            ("INFO-PERIOD", &mut self.info_ms),
            ("PING-PERIOD", &mut self.ping_ms),
            ("ASK-PERIOD", &mut self.ask_ms),
            ("PUBLISH-PERIOD", &mut self.publish_ms),
            ("DEFAULT-DOWN-AFTER", &mut self.default_down_after_ms),
            ("DEFAULT-FAILOVER-TIMEOUT", &mut self.default_failover_timeout_ms),
            ("TILT-TRIGGER", &mut self.tilt_trigger_ms),
            ("TILT-PERIOD", &mut self.tilt_ms),
            ("SLAVE-RECONF-TIMEOUT", &mut self.slave_reconf_timeout_ms),
            ("MIN-LINK-RECONNECT-PERIOD", &mut self.min_link_reconnect_ms),
            ("ELECTION-TIMEOUT", &mut self.election_timeout_ms),
            ("SCRIPT-MAX-RUNTIME", &mut self.script_max_runtime_ms),
            ("SCRIPT-RETRY-DELAY", &mut self.script_retry_delay_ms),
        ]
    }
}

/// The longest random delay around the start of a failover.
pub(crate) const MAX_DESYNC_MS: u64 = 1000;
/// Commands without an answer after which a link gets no more of them.
pub(crate) const MAX_PENDING: usize = 100;
/// What a replica's priority is until its INFO says otherwise.
pub(crate) const DEFAULT_REPLICA_PRIORITY: i64 = 100;
/// Replicas that resynchronise at once unless configured.
pub(crate) const DEFAULT_PARALLEL_SYNCS: u32 = 1;

/// The figures of the pace [`Pace::Prompt`]; they add messages, no verdicts.
pub(crate) mod prompt {
    /// INFO while a promotion or a reconfiguration is awaited.
    pub(crate) const INFO_WATCH_MS: u64 = 25;
    /// INFO in the first moments of a link and after a change of role.
    pub(crate) const INFO_EAGER_MS: u64 = 100;
    /// How long those first moments last.
    pub(crate) const EAGER_MS: u64 = 2_000;
    /// INFO otherwise.
    pub(crate) const INFO_MS: u64 = 1_000;
    /// Asking the others while a verdict or a vote is awaited.
    pub(crate) const ASK_MS: u64 = 100;
    /// Asking in the first moments of an outage, when the others are about to
    /// see it as well.
    pub(crate) const ASK_FIRST_MS: u64 = 10;
    /// How long those first moments last.
    pub(crate) const ASK_FIRST_FOR_MS: u64 = 100;
    /// The least time between two questions provoked by a colleague's.
    pub(crate) const ASK_ECHO_MS: u64 = 20;
    /// The least time between the starts of two candidates, by rank.
    pub(crate) const RANK_SPACING_MS: u64 = 50;
    /// A turn that comes later than this is taken a little later still.
    pub(crate) const LATE_TURN_MS: u64 = 5;
    /// How long the choice of a replica waits for INFO newer than the outage.
    pub(crate) const FRESH_INFO_WAIT_MS: u64 = 200;
    /// The longest time that a routine message waits for others.
    pub(crate) const MAX_SLACK_MS: u64 = 50;
    /// The first delay before a failed connection is tried again; it doubles.
    pub(crate) const RECONNECT_MS: u64 = 50;
    /// The least period of PING, however small `down-after-milliseconds` is.
    pub(crate) const MIN_PING_MS: u64 = 100;
}
