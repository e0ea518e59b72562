//! The form in which a word of the language is declared, and the list of all of them.
//!
//! A word is declared once, beside its code, as a constant: name, parameters, options, where it is allowed,
//! what it gives, a summary. That one declaration feeds registration, checking of arguments and options,
//! suggestions, `check`'s walk over the syntax tree, and the reference text.

use rhai::Dynamic;

use super::call::Call;
use super::failure::Outcome;
use super::quantity::{QuantityError, parse_duration, parse_size};
use super::values::{DURATION_HINT, EventValue, LoadHandle, MonitorHandle, NodeHandle, TimeSpan, describe};
use super::{act, chaos, declare, handle, judge, load, observe, phase, random, topology, wait};
use crate::history::Moment;

/// A word of the language.
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) params: &'static [Param],
    /// Whether further arguments may follow; they are strings, numbers or booleans.
    pub(crate) variadic: bool,
    pub(crate) options: &'static [Opt],
    pub(crate) gives: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) run: fn(&mut Call<'_>) -> Outcome,
}

/// Where a word is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At top level only: it declares.
    TopLevel,
    /// Inside `experiment`, `on_ready` and `on_event` only: it touches live nodes.
    Experiment,
    /// Everywhere.
    Anywhere,
}

/// A parameter.
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) required: bool,
}

/// An option in a word's map.
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// What holds when it is not given; empty when there is nothing.
    pub(crate) default: &'static str,
    pub(crate) summary: &'static str,
}

/// What a parameter or an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Takes {
    /// Any value.
    Any,
    Bool,
    Text,
    /// The type of a Sentinel event, or `*`.
    Event,
    /// A name that may be a directory's: letters, digits, `-`, `_`, `.`.
    Name,
    /// A whole number in this range.
    Count(i64, i64),
    /// A number of any kind.
    Number,
    Duration,
    Size,
    /// One of these strings.
    Choice(&'static [&'static str]),
    Node,
    /// A node, or an array of nodes.
    Nodes,
    Monitor,
    /// A node name (it declares) or a monitor (it asks).
    NameOrMonitor,
    NodeOrMonitor,
    NodeOrLoad,
    Load,
    EventOrMoment,
    Moment,
    Array,
    /// A map of redis.conf directives, or of environment variables.
    Table,
    /// A map of the word's options.
    Options,
    Closure,
    /// A string, number, boolean or duration.
    Scalar,
}

/// A required parameter.
pub(crate) const fn required(name: &'static str, takes: Takes) -> Param {
    Param { name, takes, required: true }
}

/// A parameter that may be left out.
pub(crate) const fn optional(name: &'static str, takes: Takes) -> Param {
    Param { name, takes, required: false }
}

/// An option.
pub(crate) const fn option(
    name: &'static str,
    takes: Takes,
    default: &'static str,
    summary: &'static str,
) -> Opt {
    Opt { name, takes, default, summary }
}

/// Most arguments that any call can have.
pub(crate) const MAX_ARGUMENTS: usize = 16;

/// Every word.
pub(crate) fn all() -> impl Iterator<Item = &'static Word> {
    [
        topology::WORDS,
        declare::WORDS,
        handle::WORDS,
        act::WORDS,
        observe::WORDS,
        load::WORDS,
        wait::WORDS,
        judge::WORDS,
        random::WORDS,
        phase::WORDS,
        chaos::WORDS,
    ]
    .into_iter()
    .flatten()
}

/// The word of a name.
pub(crate) fn find(name: &str) -> Option<&'static Word> {
    all().find(|word| word.name == name)
}

/// Words that the language will have: the error for them says so instead of guessing at another word.
pub(crate) const NOT_YET: &[&str] = &[
    "cluster",
    "cluster_node",
    "partition",
    "isolate",
    "delay",
    "throttle",
    "lose",
    "reset",
    "heal",
    "fill_disk",
    "truncate_file",
    "corrupt_file",
    "step_clock",
];

impl Word {
    /// The fewest and the most arguments.
    pub(crate) fn arity(&self) -> (usize, usize) {
        let least = self.params.iter().filter(|param| param.required).count();
        (least, if self.variadic { MAX_ARGUMENTS } else { self.params.len() })
    }

    /// E.g. `monitor(sentinels, name, master, [options])`.
    pub(crate) fn signature(&self) -> String {
        let mut parts: Vec<String> = self
            .params
            .iter()
            .map(|param| if param.required { param.name.to_owned() } else { format!("[{}]", param.name) })
            .collect();
        if self.variadic {
            parts.push("…".to_owned());
        }
        format!("{}({})", self.name, parts.join(", "))
    }

    /// Which argument each parameter gets when `given` are there: optional ones are filled from the left.
    pub(crate) fn bind(&self, given: usize) -> Vec<Option<usize>> {
        let (least, _) = self.arity();
        let mut spare = given.saturating_sub(least);
        let mut next = 0;
        self.params
            .iter()
            .map(|param| {
                let filled = param.required || spare > 0;
                if filled && !param.required {
                    spare -= 1;
                }
                (filled && next < given).then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect()
    }

    /// The option of a name.
    pub(crate) fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// Why a value does not fit.
pub(crate) struct Misfit {
    /// What was expected and what was got.
    pub(crate) message: String,
    /// What would be right.
    pub(crate) hint: Option<String>,
}

impl Takes {
    /// With its article, for "takes …".
    pub(crate) fn described(self) -> String {
        match self {
            Takes::Any => "any value".into(),
            Takes::Bool => "true or false".into(),
            Takes::Text => "a string".into(),
            Takes::Event => "the type of a Sentinel event".into(),
            Takes::Name => "a name".into(),
            Takes::Count(least, i64::MAX) => format!("a whole number from {least}"),
            Takes::Count(least, most) => format!("a whole number from {least} to {most}"),
            Takes::Number => "a number".into(),
            Takes::Duration => "a duration".into(),
            Takes::Size => "a size".into(),
            Takes::Choice(choices) => one_of(choices),
            Takes::Node => "a node".into(),
            Takes::Nodes => "a node or an array of nodes".into(),
            Takes::Monitor => "a monitor".into(),
            Takes::NameOrMonitor => "a name or a monitor".into(),
            Takes::NodeOrMonitor => "a node or a monitor".into(),
            Takes::NodeOrLoad => "a node or a workload".into(),
            Takes::Load => "a workload".into(),
            Takes::EventOrMoment => "an event or a moment".into(),
            Takes::Moment => "a moment".into(),
            Takes::Array => "an array".into(),
            Takes::Table => "a map".into(),
            Takes::Options => "a map of options".into(),
            Takes::Closure => "a closure".into(),
            Takes::Scalar => "a string, a number or a boolean".into(),
        }
    }

    /// Whether a value fits.
    pub(crate) fn accept(self, value: &Dynamic) -> Result<(), Misfit> {
        match self {
            Takes::Name if value.is_string() => check_name(&value.to_string()),
            Takes::Event if value.is_string() => check_event(&value.to_string()),
            Takes::Duration => self.accept_quantity(value, parse_duration(&value.to_string()).err()),
            Takes::Size => self.accept_quantity(value, parse_size(&value.to_string()).err()),
            Takes::Choice(choices) if value.is_string() => check_choice(choices, &value.to_string()),
            Takes::Count(least, most) if value.is_int() => {
                let number = value.as_int().unwrap_or_default();
                if (least..=most).contains(&number) {
                    Ok(())
                } else {
                    Err(Misfit::new(format!("expected {}, got {number}", self.described())))
                }
            }
            _ if self.has_type(value) => Ok(()),
            _ => Err(self.wrong_type(value)),
        }
    }

    /// Whether a value is of the right type, its content apart.
    fn has_type(self, value: &Dynamic) -> bool {
        match self {
            Takes::Any => true,
            Takes::Bool => value.is_bool(),
            Takes::Text => value.is_string(),
            Takes::Number => value.is_int() || value.is_float(),
            Takes::Node => value.is::<NodeHandle>(),
            Takes::Nodes => value.is::<NodeHandle>() || is_array_of_nodes(value),
            Takes::Monitor => value.is::<MonitorHandle>(),
            Takes::NameOrMonitor => value.is_string() || value.is::<MonitorHandle>(),
            Takes::NodeOrMonitor => value.is::<NodeHandle>() || value.is::<MonitorHandle>(),
            Takes::NodeOrLoad => value.is::<NodeHandle>() || value.is::<LoadHandle>(),
            Takes::Load => value.is::<LoadHandle>(),
            Takes::EventOrMoment => value.is::<EventValue>() || value.is::<Moment>(),
            Takes::Moment => value.is::<Moment>(),
            Takes::Array => value.is_array(),
            Takes::Table | Takes::Options => value.is_map(),
            Takes::Closure => value.is_fnptr(),
            Takes::Scalar => {
                value.is_string()
                    || value.is_int()
                    || value.is_float()
                    || value.is_bool()
                    || value.is_char()
                    || value.is::<TimeSpan>()
                    || value.is::<rhai::Blob>()
            }
            Takes::Name
            | Takes::Event
            | Takes::Count(..)
            | Takes::Duration
            | Takes::Size
            | Takes::Choice(_) => false,
        }
    }

    fn accept_quantity(self, value: &Dynamic, error: Option<QuantityError>) -> Result<(), Misfit> {
        if self == Takes::Duration && value.is::<TimeSpan>() {
            return Ok(());
        }
        if !value.is_string() {
            return Err(self.wrong_type(value));
        }
        match error {
            None => Ok(()),
            Some(error) => {
                Err(Misfit { message: format!("expected {}: {error}", self.described()), hint: self.hint() })
            }
        }
    }

    fn wrong_type(self, value: &Dynamic) -> Misfit {
        let hint = match self {
            Takes::Duration if value.is_int() => {
                Some(format!("{DURATION_HINT}; here perhaps \"{value}s\" or \"{value}ms\""))
            }
            Takes::Node if is_array_of_nodes(value) => {
                Some("this is an array of nodes: take one with `[0]`, or go through it with `for`".into())
            }
            _ => self.hint(),
        };
        Misfit { message: format!("expected {}, got {}", self.described(), describe(value)), hint }
    }

    fn hint(self) -> Option<String> {
        match self {
            Takes::Duration => Some(DURATION_HINT.to_owned()),
            Takes::Size => Some("a size is a string with a unit: \"512b\", \"64kb\", \"1mb\"".to_owned()),
            Takes::Options | Takes::Table => Some("a map is written `#{ key: value }`".to_owned()),
            Takes::Closure => Some("a closure is written `|| …` or `|| { … }`".to_owned()),
            _ => None,
        }
    }
}

impl Misfit {
    fn new(message: String) -> Self {
        Self { message, hint: None }
    }
}

fn is_array_of_nodes(value: &Dynamic) -> bool {
    value
        .read_lock::<rhai::Array>()
        .is_some_and(|array| !array.is_empty() && array.iter().all(Dynamic::is::<NodeHandle>))
}

fn check_name(name: &str) -> Result<(), Misfit> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || name.len() > 64 || !name.chars().all(good) {
        return Err(Misfit {
            message: format!("{name:?} cannot be a name"),
            hint: Some("a name has 1 to 64 letters, digits, `-`, `_` and `.`, and no `.` first".into()),
        });
    }
    Ok(())
}

/// Types of the events that Sentinel publishes.
const SENTINEL_EVENTS: &[&str] = &[
    "+config-update-from",
    "+convert-to-slave",
    "+elected-leader",
    "+failover-detected",
    "+failover-end",
    "+failover-end-for-timeout",
    "+failover-state-reconf-slaves",
    "+failover-state-select-slave",
    "+failover-state-send-slaveof-noone",
    "+failover-state-wait-promotion",
    "+fix-slave-config",
    "+monitor",
    "+new-epoch",
    "+odown",
    "+promoted-slave",
    "+reboot",
    "+redirect-to-master",
    "+reset-master",
    "+role-change",
    "+sdown",
    "+selected-slave",
    "+sentinel",
    "+sentinel-address-switch",
    "+sentinel-address-update",
    "+sentinel-invalid-addr",
    "+set",
    "+slave",
    "+slave-reconf-done",
    "+slave-reconf-inprog",
    "+slave-reconf-sent",
    "+slave-reconf-sent-be",
    "+switch-master",
    "+tilt",
    "+try-failover",
    "+vote-for-leader",
    "-cmd-link-reconnection",
    "-dup-sentinel",
    "-failover-abort-no-good-slave",
    "-failover-abort-not-elected",
    "-failover-abort-slave-timeout",
    "-monitor",
    "-odown",
    "-pubsub-link-reconnection",
    "-role-change",
    "-script-error",
    "-script-timeout",
    "-sdown",
    "-slave-reconf-sent-timeout",
    "-tilt",
];

/// A type that is near a known one, and not it, is a slip; others may be another version's.
fn check_event(event: &str) -> Result<(), Misfit> {
    if event == "*" || SENTINEL_EVENTS.contains(&event) {
        return Ok(());
    }
    let hint = super::suggest::did_you_mean(event, SENTINEL_EVENTS.iter().copied());
    let is_one = event.len() > 1 && event.starts_with(['+', '-']) && !event.contains(char::is_whitespace);
    match hint {
        None if is_one => Ok(()),
        hint => Err(Misfit {
            message: format!("Sentinel publishes no event {event:?}"),
            hint: hint.or_else(|| Some("events are like \"+switch-master\" and \"-sdown\"".to_owned())),
        }),
    }
}

fn check_choice(choices: &[&str], text: &str) -> Result<(), Misfit> {
    if choices.contains(&text) {
        return Ok(());
    }
    Err(Misfit {
        message: format!("expected {}, got {text:?}", one_of(choices)),
        hint: super::suggest::did_you_mean(text, choices.iter().copied()),
    })
}

/// `"a"`, `"b"` or `"c"`.
fn one_of(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("{choice:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
