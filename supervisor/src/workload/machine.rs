//! One client of a workload as a state machine: what it does next, and what an outcome means.
//!
//! Pure: no sockets and no clock. The shell asks [`Machine::step`] what to do, does it, and tells the
//! outcome with [`Machine::connected`], [`Machine::replied`] or [`Machine::failed`].

use resp::Value;

use crate::history::Moment;
use crate::plan::NodeId;

/// Pause after a failure, doubled from failure to failure.
const FIRST_PAUSE_US: u64 = 2_000;
const LAST_PAUSE_US: u64 = 50_000;

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// SET of a key that is never used again.
    Set,
    /// GET of a key that does not exist.
    Get,
    /// INCR of a counter of the client's own.
    Incr,
    /// SET and GET of what was set, in turns.
    Mixed,
}

impl Op {
    /// By its word in the language.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "set" => Self::Set,
            "get" => Self::Get,
            "incr" => Self::Incr,
            "mixed" => Self::Mixed,
            _ => return None,
        })
    }
}

/// What is the same for all clients of a workload.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What they do.
    pub op: Op,
    /// Begins every key; no other workload has it.
    pub prefix: String,
    /// Bytes in a value.
    pub value_bytes: usize,
    /// Limit of one operation.
    pub op_timeout_us: u64,
    /// Time from one operation of a client to its next; none: as soon as the reply came.
    pub interval_us: Option<u64>,
}

impl Settings {
    /// The key of an operation.
    pub fn key(&self, client: u32, seq: u64) -> String {
        format!("{}:{client}:{seq}", self.prefix)
    }

    /// The key of a client's counter.
    pub fn counter(&self, client: u32) -> String {
        format!("{}:{client}", self.prefix)
    }

    /// The value of a key: the key itself, so that a wrong one is noticed, filled up or cut to its size.
    pub fn value(&self, key: &str) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.value_bytes.max(key.len()));
        value.extend_from_slice(key.as_bytes());
        value.push(b' ');
        value.resize(self.value_bytes.max(1), b'.');
        value
    }
}

/// What the client is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Find the server and connect to it.
    Connect,
    /// Send this command and tell what comes until the limit.
    Send {
        /// The command.
        args: Vec<Vec<u8>>,
        /// Microseconds the reply may take.
        limit_us: u64,
    },
    /// Do nothing until then (or until something changes).
    Sleep(Moment),
    /// The client is done.
    Finished,
}

/// What an outcome means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The operation succeeded.
    Acked(Ack),
    /// It failed; its fate is unknown. The class of the failure.
    Failed {
        /// E.g. `timeout`, `READONLY`.
        class: String,
        /// Whether an operation was under way, and not only a connection attempt.
        operation: bool,
    },
}

/// A success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// When it was known.
    pub at: Moment,
    /// The node that said so.
    pub node: NodeId,
    /// When the connection it came over was made.
    pub connected_at: Moment,
    /// How long it took.
    pub latency_us: u64,
    /// What was written.
    pub written: Option<Written>,
}

/// What a write wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The key of this number.
    Key(u64),
    /// The counter now has this value.
    Counter(i64),
}

/// One client.
#[derive(Clone, Debug)]
pub struct Machine {
    client: u32,
    connection: Option<(NodeId, Moment)>,
    in_flight: Option<InFlight>,
    next_seq: u64,
    due: Moment,
    /// Failures since the last success.
    failures: u32,
    /// Last key that was acknowledged, for reading it back in `Mixed`.
    last_key: Option<u64>,
    /// Set when the workload is to stop: how long recovery is awaited.
    stop_by: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    sent_at: Moment,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Write(u64),
    Count,
    Read,
}

impl Machine {
    /// A client that begins at `start`.
    pub fn new(client: u32, start: Moment) -> Self {
        Self {
            client,
            connection: None,
            in_flight: None,
            next_seq: 0,
            due: start,
            failures: 0,
            last_key: None,
            stop_by: None,
        }
    }

    /// Whether the last operation failed (or none succeeded after a failed connection).
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The node it is connected to.
    pub fn node(&self) -> Option<NodeId> {
        self.connection.map(|(node, _)| node)
    }

    /// From now on the client only goes on until an operation succeeds again, at most until `limit`.
    pub fn stop(&mut self, limit: Moment) {
        self.stop_by = Some(limit);
    }

    /// What to do now.
    pub fn step(&mut self, settings: &Settings, now: Moment) -> Step {
        if let Some(limit) = self.stop_by
            && (self.failures == 0 || now >= limit)
        {
            return Step::Finished;
        }
        if now < self.due {
            return Step::Sleep(self.due);
        }
        if self.connection.is_none() {
            return Step::Connect;
        }
        let (args, kind) = self.operation(settings);
        self.in_flight = Some(InFlight { sent_at: now, kind });
        Step::Send { args, limit_us: settings.op_timeout_us }
    }

    fn operation(&mut self, settings: &Settings) -> (Vec<Vec<u8>>, Kind) {
        let seq = self.next_seq;
        self.next_seq += 1;
        let get = |key: String| vec![b"GET".to_vec(), key.into_bytes()];
        let read = match (settings.op, self.last_key) {
            (Op::Get, _) => Some(settings.key(self.client, seq)),
            (Op::Mixed, Some(last)) if seq % 2 == 1 => Some(settings.key(self.client, last)),
            _ => None,
        };
        if let Some(key) = read {
            return (get(key), Kind::Read);
        }
        if settings.op == Op::Incr {
            return (vec![b"INCR".to_vec(), settings.counter(self.client).into_bytes()], Kind::Count);
        }
        let key = settings.key(self.client, seq);
        let value = settings.value(&key);
        (vec![b"SET".to_vec(), key.into_bytes(), value], Kind::Write(seq))
    }

    /// A connection was made.
    pub fn connected(&mut self, now: Moment, node: NodeId) {
        self.connection = Some((node, now));
    }

    /// The reply to what [`Step::Send`] sent.
    pub fn replied(&mut self, settings: &Settings, now: Moment, reply: &Value) -> Fact {
        let sent = self.in_flight.take();
        let (Some(sent), Some((node, connected_at))) = (sent, self.connection) else {
            return self.fail(now, "unexpected reply", false);
        };
        if let Some(error) = reply.as_error() {
            let code = error.split(' ').next().unwrap_or_default().to_owned();
            // Somebody else is master now, or this one cannot serve: look again where to go.
            if matches!(code.as_str(), "READONLY" | "LOADING" | "MASTERDOWN") {
                self.connection = None;
            }
            return self.fail(now, &code, true);
        }
        let written = match (sent.kind, reply) {
            (Kind::Write(seq), _) => {
                self.last_key = Some(seq);
                Some(Written::Key(seq))
            }
            (Kind::Count, Value::Int(value)) => Some(Written::Counter(*value)),
            (Kind::Count, _) => return self.fail(now, "unexpected reply", true),
            (Kind::Read, _) => None,
        };
        self.failures = 0;
        // A client that fell behind does not catch up with a burst: the rate is a limit.
        self.due = settings.interval_us.map_or(now, |interval| Moment((self.due.0 + interval).max(now.0)));
        let latency_us = now.0.saturating_sub(sent.sent_at.0);
        Fact::Acked(Ack { at: now, node, connected_at, latency_us, written })
    }

    /// Connecting failed, or the connection was lost, or the reply did not come in time.
    pub fn failed(&mut self, now: Moment, class: &str) -> Fact {
        let operation = self.in_flight.take().is_some();
        self.connection = None;
        self.fail(now, class, operation)
    }

    fn fail(&mut self, now: Moment, class: &str, operation: bool) -> Fact {
        let pause_us = (FIRST_PAUSE_US << self.failures.min(8)).min(LAST_PAUSE_US);
        self.failures += 1;
        self.due = Moment(now.0 + pause_us);
        Fact::Failed { class: class.to_owned(), operation }
    }

    /// The master is another node now: a connection elsewhere is of no use.
    pub fn master_moved(&mut self) {
        self.connection = None;
        self.due = Moment(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(3);

    fn settings(op: Op) -> Settings {
        Settings { op, prefix: "p".to_owned(), value_bytes: 12, op_timeout_us: 500_000, interval_us: None }
    }

    fn sent(step: Step) -> Vec<String> {
        match step {
            Step::Send { args, .. } => {
                args.into_iter().map(|arg| String::from_utf8(arg).expect("text")).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn ok() -> Value {
        Value::Simple(b"OK".to_vec())
    }

    #[test]
    fn keys_are_used_once_and_values_carry_them() {
        let settings = settings(Op::Set);
        let mut machine = Machine::new(7, Moment(0));
        assert_eq!(machine.step(&settings, Moment(0)), Step::Connect);
        machine.connected(Moment(5), NODE);
        assert_eq!(sent(machine.step(&settings, Moment(10))), ["SET", "p:7:0", "p:7:0 ......"]);
        let fact = machine.replied(&settings, Moment(35), &ok());
        let ack = Ack {
            at: Moment(35),
            node: NODE,
            connected_at: Moment(5),
            latency_us: 25,
            written: Some(Written::Key(0)),
        };
        assert_eq!(fact, Fact::Acked(ack));
        assert_eq!(sent(machine.step(&settings, Moment(35)))[1], "p:7:1");
        machine.failed(Moment(40), "timeout");
        machine.connected(Moment(50_000), NODE);
        assert_eq!(sent(machine.step(&settings, Moment(60_000)))[1], "p:7:2", "a failed key is not reused");
    }

    #[test]
    fn a_read_only_server_is_left_and_other_errors_are_borne() {
        let settings = settings(Op::Set);
        let mut machine = Machine::new(0, Moment(0));
        machine.connected(Moment(0), NODE);
        machine.step(&settings, Moment(0));
        let readonly = Value::Error(b"READONLY You can't write".to_vec());
        let fact = machine.replied(&settings, Moment(1), &readonly);
        assert_eq!(fact, Fact::Failed { class: "READONLY".to_owned(), operation: true });
        assert_eq!(machine.step(&settings, Moment(2)), Step::Sleep(Moment(1 + FIRST_PAUSE_US)));
        assert_eq!(machine.step(&settings, Moment(5_000)), Step::Connect);
        machine.connected(Moment(5_000), NODE);
        machine.step(&settings, Moment(5_000));
        machine.replied(&settings, Moment(6_000), &Value::Error(b"NOREPLICAS x".to_vec()));
        assert!(matches!(machine.step(&settings, Moment(50_000)), Step::Send { .. }));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_a_switch_ends_them() {
        let settings = settings(Op::Set);
        let mut machine = Machine::new(0, Moment(0));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            machine.failed(Moment(0), "connection refused");
            match machine.step(&settings, Moment(0)) {
                Step::Sleep(due) => pauses.push(due.0 / 1000),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 50, 50, 50]);
        machine.master_moved();
        assert_eq!(machine.step(&settings, Moment(0)), Step::Connect);
    }

    #[test]
    fn stopping_awaits_recovery_but_not_for_ever() {
        let settings = settings(Op::Set);
        let mut machine = Machine::new(0, Moment(0));
        machine.failed(Moment(0), "timeout");
        machine.stop(Moment(1_000_000));
        assert_eq!(machine.step(&settings, Moment(10_000)), Step::Connect);
        machine.connected(Moment(10_000), NODE);
        machine.step(&settings, Moment(10_000));
        machine.replied(&settings, Moment(10_001), &ok());
        assert_eq!(machine.step(&settings, Moment(10_001)), Step::Finished);
        let mut stuck = Machine::new(1, Moment(0));
        stuck.failed(Moment(0), "timeout");
        stuck.stop(Moment(1_000_000));
        assert_eq!(stuck.step(&settings, Moment(1_000_000)), Step::Finished);
    }

    #[test]
    fn a_rate_spaces_operations_without_bursts() {
        let settings = Settings { interval_us: Some(1000), ..settings(Op::Set) };
        let mut machine = Machine::new(0, Moment(0));
        machine.connected(Moment(0), NODE);
        machine.step(&settings, Moment(0));
        machine.replied(&settings, Moment(200), &ok());
        assert_eq!(machine.step(&settings, Moment(200)), Step::Sleep(Moment(1000)));
        machine.step(&settings, Moment(1000));
        machine.replied(&settings, Moment(9_000), &ok());
        assert!(matches!(machine.step(&settings, Moment(9_000)), Step::Send { .. }));
        machine.replied(&settings, Moment(9_100), &ok());
        assert_eq!(machine.step(&settings, Moment(9_100)), Step::Sleep(Moment(10_000)));
    }

    #[test]
    fn mixed_reads_back_what_it_wrote() {
        let settings = settings(Op::Mixed);
        let mut machine = Machine::new(0, Moment(0));
        machine.connected(Moment(0), NODE);
        assert_eq!(sent(machine.step(&settings, Moment(0)))[0], "SET");
        machine.replied(&settings, Moment(1), &ok());
        assert_eq!(sent(machine.step(&settings, Moment(1))), ["GET", "p:0:0"]);
    }

    #[test]
    fn counters_give_their_value() {
        let settings = settings(Op::Incr);
        let mut machine = Machine::new(2, Moment(0));
        machine.connected(Moment(0), NODE);
        assert_eq!(sent(machine.step(&settings, Moment(0))), ["INCR", "p:2"]);
        let Fact::Acked(ack) = machine.replied(&settings, Moment(1), &Value::Int(9)) else { panic!() };
        assert_eq!(ack.written, Some(Written::Counter(9)));
    }
}
