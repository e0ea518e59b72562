//! `chaos`: one random fault after another, by the run's seed.
//!
//! The same seed makes the same choices; the moments at which they take effect are the machine's. Every fault
//! is an action of the history, and everything that was brought down is up again at the end.

use rhai::{Array, Dynamic, Map};

use super::call::Call;
use super::failure::{Failure, Outcome};
use super::handle;
use super::observe::{ask, unfit};
use super::options::{Options, listed};
use super::suggest::did_you_mean;
use super::values::{NodeHandle, TimeSpan};
use super::words::{Place, Takes, Word, option, optional, required};
use crate::history::Moment;
use crate::plan::NodeId;
use crate::world::{Action, Observation, ProcessState, Query, Wait};

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[Word {
    name: "chaos",
    place: Place::Experiment,
    params: &[
        required("nodes", Takes::Nodes),
        required("span", Takes::Duration),
        optional("options", Takes::Options),
    ],
    variadic: false,
    options: &[
        option(
            "faults",
            Takes::Array,
            "`[\"kill\", \"pause\"]`",
            "what may happen: \"kill\", \"stop\", \"pause\"",
        ),
        option("every", Takes::Duration, "\"1s\"", "time from one fault to the next, give or take a half"),
        option("lasting", Takes::Duration, "\"1s\"", "how long a fault lasts, give or take a half"),
        option("at_once", Takes::Count(1, 1000), "1", "so many nodes may be down at the same time"),
    ],
    gives: "an array of maps with `at`, `node`, `fault`",
    summary: "For a span of time, one random fault after another on these nodes, chosen by the run's seed; at \
              its end all of them are up again. What is down when it is chosen is left alone.",
    run: chaos,
}];

const FAULTS: &[&str] = &["kill", "stop", "pause"];

/// What is to happen, and how often.
struct Course {
    nodes: Vec<NodeHandle>,
    faults: Vec<String>,
    every_us: i64,
    lasting_us: i64,
    at_once: usize,
}

/// A fault that lasts.
struct Down {
    node: NodeHandle,
    fault: String,
    until: Moment,
}

fn chaos(call: &mut Call<'_>) -> Outcome {
    let options = call.options(2)?;
    let course = Course {
        nodes: call.nodes(0),
        faults: faults(&options)?,
        every_us: options.span("every").unwrap_or(TimeSpan(1_000_000)).0.max(1_000),
        lasting_us: options.span("lasting").unwrap_or(TimeSpan(1_000_000)).0.max(1_000),
        at_once: options.int("at_once").map_or(1, |count| count as usize),
    };
    let running = call.session.running(call.word.name)?;
    let began = running.world.borrow().now();
    let now = || running.world.borrow().now();
    let end = Moment(now().0.saturating_add(call.span(1).0.max(0) as u64));
    let mut down: Vec<Down> = Vec::new();
    let mut done = Array::new();
    let mut next = after(call, now(), course.every_us);
    loop {
        let due = down.iter().map(|fault| fault.until).chain([next, end]).min().unwrap_or(end);
        handle::wait(call, running, Wait::Until(due))?;
        let over = now() >= end;
        for ended in take(&mut down, |fault| over || fault.until <= now()) {
            restore(call, &ended)?;
        }
        if over {
            // All of it is one action: what sentinels said meanwhile is a consequence of it.
            running.last_action.set(began);
            return Ok(done.into());
        }
        if now() >= next {
            next = after(call, now(), course.every_us);
            if let Some(fault) = strike(call, &course, &down)? {
                done.push(told(now(), &fault));
                down.push(fault);
            }
        }
    }
}

fn faults(options: &Options) -> Outcome<Vec<String>> {
    let Some(given) = options.get("faults") else { return Ok(vec!["kill".to_owned(), "pause".to_owned()]) };
    let given = given.clone().try_cast::<Array>().unwrap_or_default();
    let names: Vec<String> = given.iter().map(ToString::to_string).collect();
    if let Some(wrong) = names.iter().find(|name| !FAULTS.contains(&name.as_str())) {
        let failure = Failure::new(options.value_spot("faults"), format!("there is no fault `{wrong}`"));
        let hint = did_you_mean(wrong, FAULTS.iter().copied());
        return Err(failure.note(hint.unwrap_or_else(|| format!("there are {}", listed(FAULTS)))).into());
    }
    if names.is_empty() {
        return Err(Failure::new(options.value_spot("faults"), "`faults` needs at least one").into());
    }
    Ok(names)
}

/// About so long after a moment: from a half to one and a half times, by the seed.
fn after(call: &Call<'_>, moment: Moment, about_us: i64) -> Moment {
    let share = 0.5 + call.session.state.borrow_mut().random.unit();
    Moment(moment.0.saturating_add((about_us as f64 * share) as u64))
}

fn take(down: &mut Vec<Down>, is_due: impl Fn(&Down) -> bool) -> Vec<Down> {
    let (due, rest) = std::mem::take(down).into_iter().partition(is_due);
    *down = rest;
    due
}

/// Chooses a node and a fault, whether or not there is room for one: what the seed chooses next must not
/// depend on how long things take.
fn strike(call: &Call<'_>, course: &Course, down: &[Down]) -> Outcome<Option<Down>> {
    let (node, fault) = {
        let random = &mut call.session.state.borrow_mut().random;
        let node = course.nodes[random.below(course.nodes.len())].clone();
        (node, course.faults[random.below(course.faults.len())].clone())
    };
    let running = call.session.running(call.word.name)?;
    let until = after(call, running.world.borrow().now(), course.lasting_us);
    let runs = matches!(state(call, node.id)?, ProcessState::Running(_));
    if !runs || down.len() >= course.at_once {
        return Ok(None);
    }
    let action = match fault.as_str() {
        "kill" => Action::Kill(node.id),
        "stop" => Action::Stop(node.id),
        _ => Action::Pause(node.id),
    };
    let _took_effect_at = super::act::act(call, action)?;
    Ok(Some(Down { node, fault, until }))
}

/// Undoes a fault, unless something else has: a restart policy, or a handler.
fn restore(call: &Call<'_>, ended: &Down) -> Outcome<()> {
    let action = match state(call, ended.node.id)? {
        ProcessState::Paused(_) => Action::Resume(ended.node.id),
        ProcessState::Ended(_) => Action::Start(ended.node.id),
        ProcessState::Running(_) | ProcessState::NotStarted => return Ok(()),
    };
    super::act::act(call, action).map(|_| ())
}

fn state(call: &Call<'_>, id: NodeId) -> Outcome<ProcessState> {
    match ask(call, Query::Process(id))? {
        Observation::Process(state) => Ok(state),
        other => Err(unfit(call, &other)),
    }
}

fn told(at: Moment, fault: &Down) -> Dynamic {
    let mut map = Map::new();
    map.insert("at".into(), Dynamic::from(at));
    map.insert("node".into(), Dynamic::from(fault.node.clone()));
    map.insert("fault".into(), fault.fault.clone().into());
    Dynamic::from_map(map)
}
