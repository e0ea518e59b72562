//! Words that wait: `sleep`, `wait_until`, `wait_event`, `wait_log`, `wait_ready`; `since` tells times apart.
//!
//! Every wait has a limit. When it passes, the experiment has failed and says what was seen instead; `try`
//! does not catch that.

use rhai::{Dynamic, FnPtr};

use super::call::Call;
use super::failure::{Failure, FailureKind, Halt, Outcome, Spot, Stop, failure_in};
use super::handle;
use super::session::Running;
use super::values::{EventValue, NodeHandle, TimeSpan, describe};
use super::words::{Place, Takes, Word, option, optional, required};
use crate::history::{Moment, What};
use crate::world::{EventFilter, SeenEvent, Wait, Waited};

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "sleep",
        place: Place::Experiment,
        params: &[required("duration", Takes::Duration)],
        variadic: false,
        options: &[],
        gives: "nothing",
        summary: "Lets time pass.",
        run: sleep,
    },
    Word {
        name: "wait_until",
        place: Place::Experiment,
        params: &[required("limit", Takes::Duration), required("condition", Takes::Closure)],
        variadic: false,
        options: &[],
        gives: "how long it took, a duration",
        summary: "Waits until a closure gives true. A node that does not answer means \"not yet\".",
        run: wait_until,
    },
    Word {
        name: "wait_event",
        place: Place::Experiment,
        params: &[
            required("event", Takes::Event),
            required("limit", Takes::Duration),
            optional("options", Takes::Options),
        ],
        variadic: false,
        options: &[
            option("from", Takes::Nodes, "any", "the sentinels that may say it"),
            option("count", Takes::Count(1, 1000), "1", "so many different sentinels must say it"),
            option("after", Takes::Moment, "the last action", "only events after this moment"),
        ],
        gives: "an event; with `count`, the one that completed it",
        summary: "Waits for a Sentinel event since the experiment's last action.",
        run: wait_event,
    },
    Word {
        name: "wait_log",
        place: Place::Experiment,
        params: &[
            required("node", Takes::Node),
            required("text", Takes::Text),
            required("limit", Takes::Duration),
        ],
        variadic: false,
        options: &[],
        gives: "how long it took, a duration",
        summary: "Waits until a node's log holds a text that was not there at the last action on a node \
                  (at the start of the repeat, if there was none).",
        run: wait_log,
    },
    Word {
        name: "wait_ready",
        place: Place::Experiment,
        params: &[required("limit", Takes::Duration), optional("nodes", Takes::Nodes)],
        variadic: false,
        options: &[],
        gives: "how long it took, a duration",
        summary: "Waits until the topology, or these nodes, are ready: links up, offsets equal, sentinels \
                  know each other and every replica.",
        run: wait_ready,
    },
    Word {
        name: "since",
        place: Place::Experiment,
        params: &[required("later", Takes::EventOrMoment), required("earlier", Takes::EventOrMoment)],
        variadic: false,
        options: &[],
        gives: "a duration",
        summary: "The time from one moment (or event) to a later one.",
        run: since,
    },
];

/// How a log line begins among what is told of a failure.
pub(crate) const LOG_NOTE: &str = "log: ";

/// When a wait must be over.
#[derive(Clone, Copy)]
struct Limit {
    began: Moment,
    until: Moment,
    /// Whether it is the repeat's time-out that comes first, and not the wait's own limit.
    of_repeat: bool,
}

impl Limit {
    fn new(running: &Running, span: TimeSpan) -> Self {
        let world = running.world.borrow();
        let began = world.now();
        let own = Moment(began.0.saturating_add(span.0.max(0) as u64));
        match world.deadline() {
            Some(deadline) if deadline < own => Self { began, until: deadline, of_repeat: true },
            _ => Self { began, until: own, of_repeat: false },
        }
    }

    /// How a wait ends whose limit has passed.
    fn passed(self, call: &Call<'_>, running: &Running, what: String, seen: Vec<String>) -> Stop {
        if self.of_repeat {
            return Stop::Halt(Halt::Deadline);
        }
        running.failed.set(true);
        let place = call.session.place(call.context);
        let (line, file) = (place.line, call.session.imported(&place.file));
        // A check is a line; the log lines are for the error.
        let brief: Vec<&str> =
            seen.iter().map(String::as_str).filter(|line| !line.starts_with(LOG_NOTE)).collect();
        let label =
            if brief.is_empty() { what.clone() } else { format!("{what}; instead: {}", brief.join("; ")) };
        running.world.borrow_mut().note(What::Check { label, held: false, fatal: true, line, file });
        Stop::Halt(Halt::TimedOut { what, seen })
    }

    fn took(self, running: &Running) -> Dynamic {
        let now = running.world.borrow().now();
        Dynamic::from(TimeSpan(now.0.saturating_sub(self.began.0) as i64))
    }
}

fn sleep(call: &mut Call<'_>) -> Outcome {
    let running = call.session.running("sleep")?;
    let limit = Limit::new(running, call.span(0));
    handle::wait(call, running, Wait::Until(limit.until))?;
    if limit.of_repeat {
        return Err(Stop::Halt(Halt::Deadline));
    }
    Ok(Dynamic::UNIT)
}

fn wait_until(call: &mut Call<'_>) -> Outcome {
    let running = call.session.running("wait_until")?;
    let limit = Limit::new(running, call.span(0));
    let condition = call.closure(1);
    let mut choices = call.session.state.borrow_mut().random.split();
    let mut last;
    loop {
        match call.session.choosing_by(&mut choices, || holds(call, &condition))? {
            Seen::Yes => return Ok(limit.took(running)),
            Seen::No => last = vec!["the condition is still false".to_owned()],
            Seen::NotYet(why) => last = why,
        }
        if running.world.borrow().now() >= limit.until {
            let what = format!("{} within {}", condition_text(call), call.span(0));
            return Err(limit.passed(call, running, what, last));
        }
        handle::wait(call, running, Wait::Change(limit.until))?;
    }
}

/// The condition as the script has it.
fn condition_text(call: &Call<'_>) -> String {
    let texts = call.session.argument_texts(call.context);
    let text = texts.last().map_or("", |text| text.trim_start_matches("||").trim());
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    inner.trim().to_owned()
}

/// What a condition gave.
enum Seen {
    Yes,
    No,
    /// Why, and what is known of it.
    NotYet(Vec<String>),
}

fn holds(call: &Call<'_>, condition: &FnPtr) -> Outcome<Seen> {
    match condition.call_within_context::<Dynamic>(call.context, ()) {
        Ok(value) => match value.as_bool() {
            Ok(true) => Ok(Seen::Yes),
            Ok(false) => Ok(Seen::No),
            Err(_) => Err(Failure::new(
                call.spot(1),
                format!("the condition must give true or false; it gave {}", describe(&value)),
            )
            .into()),
        },
        Err(error) => match failure_in(&error) {
            Some(failure) if failure.kind == FailureKind::Unreachable => {
                Ok(Seen::NotYet([vec![failure.message], failure.notes].concat()))
            }
            _ => Err(Stop::Nested(error)),
        },
    }
}

fn wait_event(call: &mut Call<'_>) -> Outcome {
    let running = call.session.running("wait_event")?;
    let options = call.options(2)?;
    let event = call.text(0).to_string();
    let from = options.nodes("from");
    if let Some(wrong) = from.iter().find(|node| !node.is_sentinel()) {
        let message = format!("`{}` is not a sentinel: it publishes no events", wrong.node.name);
        return Err(Failure::new(options.value_spot("from"), message).into());
    }
    let count = options.int("count").unwrap_or(1) as u32;
    let after = options.get("after").and_then(|value| value.clone().try_cast::<Moment>());
    let limit = Limit::new(running, call.span(1));
    let filter = EventFilter {
        event: event.clone(),
        from: super::act::ids(&from),
        count,
        after: after.unwrap_or_else(|| running.last_action.get()),
    };
    match handle::wait(call, running, Wait::Event(filter, limit.until))? {
        Waited::Came(seen) => completing(call, seen),
        Waited::Heard => completing(call, Vec::new()),
        Waited::TimedOut { seen } => {
            let times = if count > 1 { format!(" from {count} sentinels") } else { String::new() };
            let what = format!("{event}{times} within {}", call.span(1));
            Err(limit.passed(call, running, what, seen))
        }
    }
}

/// The event that completed a wait: the last of those that matched.
fn completing(call: &Call<'_>, seen: Vec<SeenEvent>) -> Outcome {
    let event = seen.into_iter().max_by_key(|event| event.at);
    let event = event.ok_or_else(|| Failure::new(Spot::Call, "the event came without a description"))?;
    let node: NodeHandle = call.session.handle(event.node).ok_or_else(|| {
        Failure::new(Spot::Call, format!("the event came from an unknown node {}", event.node.0))
    })?;
    Ok(Dynamic::from(EventValue { seen: event, node }))
}

fn wait_log(call: &mut Call<'_>) -> Outcome {
    let running = call.session.running("wait_log")?;
    let (node, text) = (call.node(0), call.text(1).to_string());
    let limit = Limit::new(running, call.span(2));
    match handle::wait(call, running, Wait::Log(node.id, text.clone(), limit.until))? {
        Waited::Came(_) | Waited::Heard => Ok(limit.took(running)),
        Waited::TimedOut { seen } => {
            let what = format!("{text:?} in the log of {} within {}", node.node.name, call.span(2));
            Err(limit.passed(call, running, what, seen))
        }
    }
}

fn wait_ready(call: &mut Call<'_>) -> Outcome {
    let running = call.session.running("wait_ready")?;
    let nodes = super::act::ids(&call.nodes(1));
    let limit = Limit::new(running, call.span(0));
    match handle::wait(call, running, Wait::Ready(nodes, limit.until))? {
        Waited::Came(_) | Waited::Heard => Ok(limit.took(running)),
        Waited::TimedOut { seen } => {
            let what = format!("ready within {}", call.span(0));
            Err(limit.passed(call, running, what, seen))
        }
    }
}

fn since(call: &mut Call<'_>) -> Outcome {
    let at = |param: usize| {
        let value = call.get(param)?;
        value
            .clone()
            .try_cast::<Moment>()
            .or_else(|| value.clone().try_cast::<EventValue>().map(|event| event.seen.at))
    };
    let (later, earlier) = (at(0).unwrap_or_default(), at(1).unwrap_or_default());
    Ok(Dynamic::from(TimeSpan(later.0 as i64 - earlier.0 as i64)))
}
