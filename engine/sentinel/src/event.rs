//! What happened, in the words operators and client libraries know.
//!
//! Events are published on the channel of their name and logged as
//! `kind text`. Names and texts are Redis's.

/// How much a log line matters; the levels of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding faults of the sentinel itself; never published.
    Debug,
    /// `-` in the log.
    Verbose,
    /// `*` in the log.
    Notice,
    /// `#` in the log; also runs the notification script.
    Warning,
}

/// One event of the sentinel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its weight in the log.
    pub level: Level,
    /// Its name and pub/sub channel: `+sdown`.
    pub kind: &'static str,
    /// Its text: `master mymaster 127.0.0.1 6379`.
    pub text: String,
}

impl Event {
    /// Whether the event is also published on the channel [`Event::kind`].
    pub fn is_published(&self) -> bool {
        self.level != Level::Debug
    }
}
