//! Words about the script as a whole: `topology`, `param`, `defaults`, `experiment`, `duration`.

use rhai::{Dynamic, Map};

use super::call::Call;
use super::declare::{CONFIG, ENGINE, ENV, IP, RESTART, directives_of};
use super::failure::{Failure, Halt, Outcome, Stop};
use super::handle;
use super::random::Random;
use super::suggest::did_you_mean;
use super::values::TimeSpan;
use super::words::{Opt, Place, Takes, Word, option, optional, required};
use crate::plan::{Experiment, Network, NodeKind};
use crate::world::Begun;

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "topology",
        place: Place::TopLevel,
        params: &[required("options", Takes::Options)],
        variadic: false,
        options: &[
            option("name", Takes::Name, "the file's name", "name of the topology in reports"),
            option("network", Takes::Text, "\"host\"", "network the nodes live on"),
        ],
        gives: "nothing",
        summary: "Settings of the whole topology; once, before any node.",
        run: topology,
    },
    Word {
        name: "param",
        place: Place::TopLevel,
        params: &[required("name", Takes::Name), required("default_value", Takes::Scalar)],
        variadic: false,
        options: &[],
        gives: "the value in force, of the default's type",
        summary: "A parameter of the script, which `-p name=value` overrides.",
        run: param,
    },
    Word {
        name: "defaults",
        place: Place::TopLevel,
        params: &[required("options", Takes::Options)],
        variadic: false,
        options: DEFAULTS,
        gives: "nothing",
        summary: "Options for all nodes declared after it. What a node or a later `defaults` says itself goes \
                  first, `config` and `env` entry by entry.",
        run: defaults,
    },
    Word {
        name: "experiment",
        place: Place::TopLevel,
        params: &[
            required("name", Takes::Text),
            optional("options", Takes::Options),
            required("body", Takes::Closure),
        ],
        variadic: false,
        options: &[
            option("repeat", Takes::Count(1, 100_000), "1", "how often it runs"),
            option("timeout", Takes::Duration, "\"60s\"", "limit of one repeat"),
            option("fresh", Takes::Bool, "true", "start from a fresh, ready topology with empty data"),
        ],
        gives: "nothing",
        summary: "Declares an experiment; its body acts on the live topology when the script is run.",
        run: experiment,
    },
    Word {
        name: "duration",
        place: Place::Anywhere,
        params: &[required("text", Takes::Duration)],
        variadic: false,
        options: &[],
        gives: "a duration",
        summary: "A duration from its text, for comparing and adding.",
        run: duration,
    },
];

const DEFAULTS: &[Opt] = &[
    ENGINE,
    CONFIG,
    option("sentinel_config", Takes::Table, "", "sentinel.conf directives for every sentinel"),
    RESTART,
    ENV,
    IP,
];

fn topology(call: &mut Call<'_>) -> Outcome {
    let options = call.options(0)?;
    let mut state = call.session.state.borrow_mut();
    if state.topology_declared || !state.nodes.is_empty() {
        let what = if state.topology_declared { "once" } else { "before any node" };
        return Err(Failure::new(super::failure::Spot::Call, format!("`topology` is said {what}")).into());
    }
    state.topology_declared = true;
    if let Some(name) = options.text("name") {
        state.plan.name = name.to_string();
    }
    drop(state);
    match options.text("network").as_deref() {
        None | Some("host") => {
            call.session.state.borrow_mut().plan.network = Network::Host;
        }
        Some(name @ ("namespace" | "proxy")) => {
            let failure = Failure::new(
                options.value_spot("network"),
                format!("the network \"{name}\" is not there yet: this version has \"host\" only"),
            );
            call.session.mistake(call.context, failure)?;
        }
        Some(other) => {
            let failure = Failure::new(
                options.value_spot("network"),
                format!("there is no network {other:?}: this version has \"host\" only"),
            );
            call.session.mistake(call.context, failure)?;
        }
    }
    Ok(Dynamic::UNIT)
}

fn param(call: &mut Call<'_>) -> Outcome {
    let name = call.text(0).to_string();
    let default = call.get(1).cloned().unwrap_or_default();
    let value = match call.session.inputs.params.get(&name) {
        None => default,
        Some(given) => parse_like(&default, given).ok_or_else(|| {
            Failure::new(
                call.spot(0),
                format!(
                    "parameter `{name}` was given as {given:?}, but takes {} like its default `{default}`",
                    super::values::type_name(&default)
                ),
            )
        })?,
    };
    let mut state = call.session.state.borrow_mut();
    if state.plan.params.insert(name.clone(), value.to_string()).is_some() {
        drop(state);
        let failure = Failure::new(call.spot(0), format!("the parameter `{name}` is declared twice"));
        call.session.mistake(call.context, failure)?;
    }
    Ok(value)
}

/// A parameter's text as a value of its default's type.
fn parse_like(default: &Dynamic, text: &str) -> Option<Dynamic> {
    if default.is_int() {
        text.parse::<i64>().ok().map(Dynamic::from)
    } else if default.is_float() {
        text.parse::<f64>().ok().map(Dynamic::from)
    } else if default.is_bool() {
        match text {
            "true" | "yes" => Some(true.into()),
            "false" | "no" => Some(false.into()),
            _ => None,
        }
    } else if default.is::<TimeSpan>() {
        super::values::as_span(&text.to_owned().into()).map(Dynamic::from)
    } else {
        Some(text.to_owned().into())
    }
}

/// What is wrong with parameters that no `param` declared.
pub(crate) fn undeclared_params(
    given: &std::collections::BTreeMap<String, String>,
    declared: &std::collections::BTreeMap<String, String>,
) -> Vec<(String, Option<String>)> {
    given
        .keys()
        .filter(|name| !declared.contains_key(*name))
        .map(|name| {
            let hint = did_you_mean(name, declared.keys().map(String::as_str));
            (format!("the script has no parameter `{name}`"), hint)
        })
        .collect()
}

fn defaults(call: &mut Call<'_>) -> Outcome {
    let options = call.options(0)?;
    directives_of(call, &options, "config", &NodeKind::Master)?;
    directives_of(call, &options, "sentinel_config", &NodeKind::Sentinel)?;
    let mut state = call.session.state.borrow_mut();
    let earlier = std::mem::take(&mut state.defaults);
    let mut merged = options.or(&earlier).into_map();
    for table in ["config", "sentinel_config", "env"] {
        let of = |map: &Map| map.get(table).and_then(|value| value.clone().try_cast::<Map>());
        if let (Some(mut entries), Some(now)) = (of(&earlier), of(&merged)) {
            entries.extend(now);
            merged.insert(table.into(), Dynamic::from_map(entries));
        }
    }
    state.defaults = merged;
    Ok(Dynamic::UNIT)
}

fn duration(call: &mut Call<'_>) -> Outcome {
    Ok(Dynamic::from(call.span(0)))
}

fn experiment(call: &mut Call<'_>) -> Outcome {
    let name = call.text(0).to_string();
    let options = call.options(1)?;
    let positive = |key: &str, default_s: u64| {
        let span = options.span(key).unwrap_or(TimeSpan(default_s as i64 * 1_000_000));
        std::time::Duration::from_micros(span.0.max(0) as u64)
    };
    let declared = Experiment {
        name: name.clone(),
        repeat: options.int("repeat").unwrap_or(1) as u32,
        timeout: positive("timeout", 60),
        fresh: options.bool("fresh").unwrap_or(true),
        position: call.session.place(call.context),
    };
    let earlier = call
        .session
        .state
        .borrow()
        .plan
        .experiments
        .iter()
        .find(|known| known.name == name)
        .map(|known| known.position.line);
    if let Some(line) = earlier {
        let failure = Failure::new(call.spot(0), format!("there are two experiments named {name:?}"))
            .note(format!("the other one is declared at line {line}"));
        call.session.mistake(call.context, failure)?;
    }
    let index = {
        let mut state = call.session.state.borrow_mut();
        state.plan.experiments.push(declared);
        state.plan.experiments.len() - 1
    };
    match &call.session.running {
        Some(running) if running.target.is_some_and(|target| target.experiment as usize == index) => {
            run_body(call)
        }
        _ => Ok(Dynamic::UNIT),
    }
}

/// Calls the body of the experiment that this evaluation is to run, in place.
fn run_body(call: &Call<'_>) -> Outcome {
    let Some((running, target)) = call.session.running.as_ref().and_then(|r| Some((r, r.target?))) else {
        return Ok(Dynamic::UNIT);
    };
    {
        let mut state = call.session.state.borrow_mut();
        if let Some(difference) = super::difference_so_far(&running.expected, &state.plan) {
            return Err(Stop::Halt(Halt::Diverged(difference)));
        }
        state.random = Random::for_repeat(running.expected.seed, target);
    }
    running.inside.set(true);
    let ready = match running.begun {
        Begun::Fresh => handle::topology_is_ready(call.session, call.context.engine(), running),
        Begun::GoesOn => handle::listen_from_now(call.session, running),
    };
    running.last_action.set(running.world.borrow().now());
    let outcome = ready.and_then(|()| call.closure(2).call_within_context::<Dynamic>(call.context, ()));
    running.inside.set(false);
    match outcome {
        // Nothing after the body matters to this repeat.
        Ok(_) => Err(Stop::Halt(Halt::BodyDone)),
        Err(error) => Err(Stop::Nested(error)),
    }
}
