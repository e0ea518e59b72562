//! Words that judge: `check` notes and goes on, `require` ends the experiment, `measure` names a figure.

use rhai::Dynamic;

use super::call::Call;
use super::failure::{Failure, Halt, Outcome, Stop};
use super::values::{TimeSpan, as_span, describe};
use super::words::{Place, Takes, Word, option, optional, required};
use crate::history::What;

const LIMITS: &[super::words::Opt] = &[
    option("max", Takes::Any, "", "the figure must not be above this"),
    option("min", Takes::Any, "", "the figure must not be below this"),
];

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "check",
        place: Place::Experiment,
        params: &[required("held", Takes::Bool), optional("label", Takes::Text)],
        variadic: false,
        options: &[],
        gives: "whether it held",
        summary: "Notes whether something holds, and goes on; one that does not fails the experiment.",
        run: check,
    },
    Word {
        name: "require",
        place: Place::Experiment,
        params: &[required("held", Takes::Bool), optional("label", Takes::Text)],
        variadic: false,
        options: &[],
        gives: "nothing",
        summary: "Notes whether something holds; if not, the experiment has failed and ends here. `try` \
                  does not catch it.",
        run: require,
    },
    Word {
        name: "measure",
        place: Place::Experiment,
        params: &[
            required("name", Takes::Text),
            required("value", Takes::Any),
            optional("options", Takes::Options),
        ],
        variadic: false,
        options: LIMITS,
        gives: "the value",
        summary: "A named figure for the report, a number or a duration; beyond its `max` or `min`, the \
                  experiment has failed.",
        run: measure,
    },
];

/// Records a check; a failed one fails the repeat.
fn record(call: &Call<'_>, fatal: bool) -> Outcome<(bool, String)> {
    let held = call.bool(0);
    let label = match call.text_or_none(1) {
        Some(label) => label.to_string(),
        None => call.session.argument_texts(call.context).join(", "),
    };
    let running = call.session.running(call.word.name)?;
    let place = call.session.place(call.context);
    let (line, file) = (place.line, call.session.imported(&place.file));
    running.world.borrow_mut().note(What::Check { label: label.clone(), held, fatal, line, file });
    if !held {
        running.failed.set(true);
    }
    Ok((held, label))
}

fn check(call: &mut Call<'_>) -> Outcome {
    record(call, false).map(|(held, _)| held.into())
}

fn require(call: &mut Call<'_>) -> Outcome {
    match record(call, true)? {
        (true, _) => Ok(Dynamic::UNIT),
        (false, label) => Err(Stop::Halt(Halt::Required { label })),
    }
}

/// A figure and its unit.
#[derive(Clone, Copy)]
struct Figure {
    value: f64,
    unit: &'static str,
}

fn measure(call: &mut Call<'_>) -> Outcome {
    let given = call.get(1).cloned().unwrap_or_default();
    let figure = figure(&given).ok_or_else(|| {
        Failure::new(
            call.spot(1),
            format!("`value` of `measure`: expected a number or a duration, got {}", describe(&given)),
        )
    })?;
    let options = call.options(2)?;
    let limit = |key: &str| -> Outcome<Option<f64>> {
        let Some(value) = options.get(key) else { return Ok(None) };
        match limit_figure(figure.unit, value) {
            Some(limit) => Ok(Some(limit)),
            None => {
                let wanted = if figure.unit == "ms" { "a duration" } else { "a number" };
                let message = format!("`{key}` must be {wanted}, as the figure is; got {}", describe(value));
                Err(Failure::new(options.value_spot(key), message).into())
            }
        }
    };
    let (max, min) = (limit("max")?, limit("min")?);
    let running = call.session.running("measure")?;
    running.world.borrow_mut().note(What::Measure {
        name: call.text(0).to_string(),
        value: figure.value,
        unit: figure.unit.to_owned(),
        max,
        min,
    });
    if max.is_some_and(|max| figure.value > max) || min.is_some_and(|min| figure.value < min) {
        running.failed.set(true);
    }
    Ok(given)
}

/// Numbers are plain; durations count in milliseconds.
fn figure(value: &Dynamic) -> Option<Figure> {
    if let Some(span) = value.clone().try_cast::<TimeSpan>() {
        return Some(Figure { value: span.0 as f64 / 1e3, unit: "ms" });
    }
    number(value).map(|value| Figure { value, unit: "" })
}

fn limit_figure(unit: &str, value: &Dynamic) -> Option<f64> {
    if unit == "ms" { as_span(value).map(|span| span.0 as f64 / 1e3) } else { number(value) }
}

/// A finite number: a NaN would pass every limit.
fn number(value: &Dynamic) -> Option<f64> {
    let number = value.as_float().ok().or_else(|| value.as_int().ok().map(|n| n as f64))?;
    number.is_finite().then_some(number)
}
