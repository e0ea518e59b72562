//! The language's own types: nodes, monitors, moments, durations, events, workloads, ledgers.
//!
//! They are handles and plain data; everything that touches a live node is a word (see [`super::words`]).
//! Their fields are listed once in [`FIELDS`], for registration, suggestions and the reference.

use std::rc::Rc;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString};

use super::failure::{Failure, Spot};
use super::quantity::{format_micros, parse_duration};
use crate::history::{Ledger, Moment};
use crate::plan::{MonitorId, Node, NodeId, NodeKind};
use crate::world::{SeenEvent, WorkloadId};

/// A node, as scripts hold it.
#[derive(Clone, Debug)]
pub(crate) struct NodeHandle {
    pub(crate) id: NodeId,
    pub(crate) node: Rc<Node>,
}

/// A monitored master, as scripts hold it.
#[derive(Clone, Debug)]
pub(crate) struct MonitorHandle {
    pub(crate) id: MonitorId,
    pub(crate) name: ImmutableString,
}

/// A length of time in microseconds; differences of moments may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimeSpan(pub(crate) i64);

/// A Sentinel event that a wait saw.
#[derive(Clone, Debug)]
pub(crate) struct EventValue {
    pub(crate) seen: SeenEvent,
    pub(crate) node: NodeHandle,
}

/// A running workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoadHandle(pub(crate) WorkloadId);

/// What became of a workload's writes, with the nodes as handles.
#[derive(Clone, Debug)]
pub(crate) struct LedgerValue {
    pub(crate) ledger: Ledger,
    pub(crate) lost_nodes: Vec<NodeHandle>,
}

/// A field of one of the language's types.
pub(crate) struct Field {
    /// The type's name in the language.
    pub(crate) of: &'static str,
    /// The field.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) summary: &'static str,
}

const fn field(of: &'static str, name: &'static str, summary: &'static str) -> Field {
    Field { of, name, summary }
}

/// Every field of every type.
pub(crate) const FIELDS: &[Field] = &[
    field("node", "name", "the name it was declared with"),
    field("node", "ip", "its address, as text"),
    field("node", "port", "its port"),
    field("node", "address", "`ip:port`"),
    field("monitor", "name", "the monitored master's name"),
    field("duration", "ms", "in milliseconds, as a number with a fraction"),
    field("duration", "seconds", "in seconds, as a number with a fraction"),
    field("event", "at", "the moment it was received"),
    field("event", "node", "the sentinel that said it"),
    field("event", "event", "its type, e.g. `+switch-master`"),
    field("event", "text", "its text, e.g. `mymaster 127.0.0.1 6379 127.0.0.1 6380`"),
    field("ledger", "acked", "writes that were acknowledged"),
    field("ledger", "failed", "operations that failed or timed out; their fate is unknown"),
    field("ledger", "lost", "acknowledged writes that could not be read back"),
    field("ledger", "lost_writes", "the lost ones, as maps of `key`, `node` and `at`; at most 1,000"),
    field("ledger", "longest_outage", "the longest time without a success, a duration"),
    field("error", "message", "what a caught error says"),
];

/// The language's name of a value's type.
pub(crate) fn type_name(value: &Dynamic) -> &'static str {
    if value.is_unit() {
        "nothing"
    } else if value.is_bool() {
        "a boolean"
    } else if value.is_int() || value.is_float() {
        "a number"
    } else if value.is_string() || value.is_char() {
        "a string"
    } else if value.is_array() {
        "an array"
    } else if value.is_map() {
        "a map"
    } else if value.is_fnptr() {
        "a closure"
    } else {
        own_type_name(value)
    }
}

fn own_type_name(value: &Dynamic) -> &'static str {
    if value.is::<NodeHandle>() {
        "a node"
    } else if value.is::<MonitorHandle>() {
        "a monitor"
    } else if value.is::<Moment>() {
        "a moment"
    } else if value.is::<TimeSpan>() {
        "a duration"
    } else if value.is::<EventValue>() {
        "an event"
    } else if value.is::<LoadHandle>() {
        "a workload"
    } else if value.is::<LedgerValue>() {
        "a ledger"
    } else if value.is::<Failure>() {
        "an error"
    } else {
        "another kind of value"
    }
}

/// A short rendering of a value for error messages.
pub(crate) fn describe(value: &Dynamic) -> String {
    let kind = type_name(value);
    if value.is_string() {
        format!("the string {:?}", value.to_string())
    } else if value.is_int() || value.is_float() {
        format!("the number {value}")
    } else if value.is_bool() {
        format!("`{value}`")
    } else {
        kind.to_owned()
    }
}

/// A duration given as a duration or as text with a unit.
pub(crate) fn as_span(value: &Dynamic) -> Option<TimeSpan> {
    if let Some(span) = value.clone().try_cast::<TimeSpan>() {
        return Some(span);
    }
    let text = value.clone().into_immutable_string().ok()?;
    parse_duration(&text).ok().map(|d| TimeSpan(d.as_micros() as i64))
}

impl NodeHandle {
    /// `ip:port`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.node.ip, self.node.port)
    }

    /// Whether it is a server: no sentinel and no process.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.node.kind, NodeKind::Master | NodeKind::Replica { .. })
    }

    /// Whether it is a sentinel.
    pub(crate) fn is_sentinel(&self) -> bool {
        self.node.kind == NodeKind::Sentinel
    }
}

impl std::fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&format_micros(self.0))
    }
}

/// Moments as text: time since the run began.
pub(crate) fn moment_text(moment: Moment) -> String {
    format!("+{}", format_micros(moment.0 as i64))
}

/// Registers names, fields and texts of the types.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<NodeHandle>("node")
        .register_get("name", |n: &mut NodeHandle| n.node.name.clone())
        .register_get("ip", |n: &mut NodeHandle| n.node.ip.to_string())
        .register_get("port", |n: &mut NodeHandle| i64::from(n.node.port))
        .register_get("address", |n: &mut NodeHandle| n.address());
    engine
        .register_type_with_name::<MonitorHandle>("monitor")
        .register_get("name", |m: &mut MonitorHandle| m.name.clone());
    engine
        .register_type_with_name::<TimeSpan>("duration")
        .register_get("ms", |d: &mut TimeSpan| d.0 as f64 / 1e3)
        .register_get("seconds", |d: &mut TimeSpan| d.0 as f64 / 1e6);
    engine.register_type_with_name::<Moment>("moment");
    engine
        .register_type_with_name::<EventValue>("event")
        .register_get("at", |e: &mut EventValue| e.seen.at)
        .register_get("node", |e: &mut EventValue| e.node.clone())
        .register_get("event", |e: &mut EventValue| e.seen.event.clone())
        .register_get("text", |e: &mut EventValue| e.seen.text.clone());
    engine.register_type_with_name::<LoadHandle>("workload");
    engine
        .register_type_with_name::<LedgerValue>("ledger")
        .register_get("acked", |l: &mut LedgerValue| l.ledger.acked as i64)
        .register_get("failed", |l: &mut LedgerValue| l.ledger.failed as i64)
        .register_get("lost", |l: &mut LedgerValue| l.ledger.lost as i64)
        .register_get("lost_writes", |l: &mut LedgerValue| l.lost_writes())
        .register_get("longest_outage", |l: &mut LedgerValue| TimeSpan(l.ledger.longest_outage_us as i64));
    engine
        .register_type_with_name::<Failure>("error")
        .register_get("message", |f: &mut Failure| f.message.clone());
    register_texts(engine);
    register_arithmetic(engine);
}

impl LedgerValue {
    fn lost_writes(&self) -> rhai::Array {
        self.ledger
            .lost_writes
            .iter()
            .zip(&self.lost_nodes)
            .map(|(write, node)| {
                let mut map = rhai::Map::new();
                map.insert("key".into(), write.key.clone().into());
                map.insert("node".into(), Dynamic::from(node.clone()));
                map.insert("at".into(), Dynamic::from(write.at));
                Dynamic::from_map(map)
            })
            .collect()
    }
}

/// How values read in `print` and in `${…}`.
fn register_texts(engine: &mut Engine) {
    for name in ["to_string", "to_debug"] {
        engine
            .register_fn(name, |n: &mut NodeHandle| n.node.name.clone())
            .register_fn(name, |m: &mut MonitorHandle| m.name.clone())
            .register_fn(name, |d: &mut TimeSpan| d.to_string())
            .register_fn(name, |m: &mut Moment| moment_text(*m))
            .register_fn(name, |e: &mut EventValue| format!("{} {}", e.seen.event, e.seen.text))
            .register_fn(name, |l: &mut LoadHandle| format!("workload {}", l.0.0))
            .register_fn(name, |f: &mut Failure| f.message.clone())
            .register_fn(name, |l: &mut LedgerValue| {
                format!("{} acknowledged, {} failed, {} lost", l.ledger.acked, l.ledger.failed, l.ledger.lost)
            });
    }
}

/// Sums and differences of times. Anything else has no meaning and is no function.
fn register_arithmetic(engine: &mut Engine) {
    engine
        .register_fn("-", |a: Moment, b: Moment| TimeSpan(a.0 as i64 - b.0 as i64))
        .register_fn("+", |a: Moment, b: TimeSpan| shift(a, b.0))
        .register_fn("-", |a: Moment, b: TimeSpan| shift(a, -b.0))
        .register_fn("+", |a: Moment, b: &str| Ok::<_, Box<EvalAltResult>>(shift(a, text_us(b)?)))
        .register_fn("-", |a: Moment, b: &str| Ok::<_, Box<EvalAltResult>>(shift(a, -text_us(b)?)))
        .register_fn("+", |a: TimeSpan, b: TimeSpan| TimeSpan(a.0.saturating_add(b.0)))
        .register_fn("-", |a: TimeSpan, b: TimeSpan| TimeSpan(a.0.saturating_sub(b.0)))
        .register_fn("+", |a: TimeSpan, b: &str| span_plus(a, b, 1))
        .register_fn("-", |a: TimeSpan, b: &str| span_plus(a, b, -1))
        .register_fn("*", |a: TimeSpan, b: i64| TimeSpan(a.0.saturating_mul(b)))
        .register_fn("*", |a: TimeSpan, b: f64| TimeSpan((a.0 as f64 * b) as i64))
        .register_fn("/", |a: TimeSpan, b: i64| divide(a, b as f64))
        .register_fn("/", divide)
        .register_fn("/", |a: TimeSpan, b: TimeSpan| a.0 as f64 / b.0 as f64);
}

fn shift(moment: Moment, by_us: i64) -> Moment {
    Moment(moment.0.saturating_add_signed(by_us))
}

fn span_plus(span: TimeSpan, text: &str, sign: i64) -> Result<TimeSpan, Box<EvalAltResult>> {
    Ok(TimeSpan(span.0.saturating_add(sign * text_us(text)?)))
}

fn divide(span: TimeSpan, by: f64) -> TimeSpan {
    TimeSpan((span.0 as f64 / by) as i64)
}

/// The microseconds of a duration's text.
pub(crate) fn text_us(text: &str) -> Result<i64, Box<EvalAltResult>> {
    parse_duration(text).map(|d| d.as_micros() as i64).map_err(|error| {
        Failure::new(Spot::Call, format!("a duration was expected: {error}"))
            .note(DURATION_HINT.to_owned())
            .raise(rhai::Position::NONE)
    })
}

/// What a duration looks like.
pub(crate) const DURATION_HINT: &str = "a duration is a string with a unit: \"250ms\", \"1s\", \"2m\"";
