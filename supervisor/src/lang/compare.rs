//! The six comparisons.
//!
//! Rhai gives false for a comparison of different types, silently. Here such a mix is an error: one
//! function takes over all six operators for every type (the engine's fast path for operators is off), and
//! decides. Times compare with each other and with duration strings, nodes with `==` and `!=`, numbers with
//! numbers, strings with strings; anything compares with `()` by `==` and `!=`.

use std::any::TypeId;
use std::cmp::Ordering;

use rhai::{Dynamic, Engine};

use super::failure::{Failure, Outcome, Spot};
use super::quantity::parse_duration;
use super::values::{DURATION_HINT, LoadHandle, MonitorHandle, NodeHandle, TimeSpan, describe, type_name};
use crate::history::Moment;

/// Whether an operator holds for an order.
type Holds = fn(Ordering) -> bool;

/// Puts the operators in the engine.
pub(crate) fn register(engine: &mut Engine) {
    engine.set_fast_operators(false);
    let operators: [(&'static str, Holds); 6] = [
        ("==", Ordering::is_eq),
        ("!=", Ordering::is_ne),
        ("<", Ordering::is_lt),
        ("<=", Ordering::is_le),
        (">", Ordering::is_gt),
        (">=", Ordering::is_ge),
    ];
    for (operator, holds) in operators {
        let types = [TypeId::of::<Dynamic>(); 2];
        engine.register_raw_fn(operator, types, move |context, args| {
            judge(operator, holds, args[0], args[1])
                .map_err(|stop| stop.raise(context.call_position(), context.call_source()))
        });
    }
}

/// One comparison.
fn judge(operator: &str, holds: Holds, a: &Dynamic, b: &Dynamic) -> Outcome<bool> {
    let (a, b) = (a.flatten_clone(), b.flatten_clone());
    let equality = matches!(operator, "==" | "!=");
    if let Some(equal) = equality.then(|| equal(&a, &b)).flatten() {
        return Ok(equal == (operator == "=="));
    }
    if let Some(wrong) = lexical_trap(equality, &a, &b) {
        return Err(wrong.into());
    }
    match ordering(&a, &b) {
        Some(ordering) => Ok(holds(ordering)),
        // Only floating-point NaN has no order and is yet comparable: nothing holds but `!=`.
        None if is_number(&a) && is_number(&b) => Ok(operator == "!="),
        None => Err(mismatch(operator, &a, &b).into()),
    }
}

/// Whether two values that have no order are the same.
fn equal(a: &Dynamic, b: &Dynamic) -> Option<bool> {
    if a.is_unit() || b.is_unit() {
        return Some(a.is_unit() && b.is_unit());
    }
    same(a, b, |x: &NodeHandle, y| x.id == y.id)
        .or_else(|| same(a, b, |x: &MonitorHandle, y| x.id == y.id))
        .or_else(|| same(a, b, |x: &LoadHandle, y| x == y))
        .or_else(|| same(a, b, |x: &rhai::Blob, y| x == y))
        .or_else(|| same(a, b, |x: &std::ops::Range<i64>, y| x == y))
        .or_else(|| same(a, b, |x: &std::ops::RangeInclusive<i64>, y| x == y))
}

fn same<T: rhai::Variant + Clone>(a: &Dynamic, b: &Dynamic, eq: impl Fn(&T, &T) -> bool) -> Option<bool> {
    match (a.read_lock::<T>(), b.read_lock::<T>()) {
        (Some(x), Some(y)) => Some(eq(&x, &y)),
        _ => None,
    }
}

/// The order of two values that have one.
fn ordering(a: &Dynamic, b: &Dynamic) -> Option<Ordering> {
    if let (Some(x), Some(y)) = (cast::<Moment>(a), cast::<Moment>(b)) {
        return Some(x.cmp(&y));
    }
    if a.is::<TimeSpan>() || b.is::<TimeSpan>() {
        return Some(super::values::as_span(a)?.cmp(&super::values::as_span(b)?));
    }
    if let (Ok(x), Ok(y)) = (a.as_int(), b.as_int()) {
        return Some(x.cmp(&y));
    }
    if is_number(a) && is_number(b) {
        return number(a)?.partial_cmp(&number(b)?);
    }
    if let (Ok(x), Ok(y)) = (a.as_bool(), b.as_bool()) {
        return Some(x.cmp(&y));
    }
    let is_text = |v: &Dynamic| v.is_string() || v.is_char();
    (is_text(a) && is_text(b)).then(|| a.to_string().cmp(&b.to_string()))
}

fn cast<T: rhai::Variant + Clone>(value: &Dynamic) -> Option<T> {
    value.clone().try_cast::<T>()
}

fn is_number(value: &Dynamic) -> bool {
    value.is_int() || value.is_float()
}

fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|n| n as f64))
}

/// `"10s" < "9s"` holds letter by letter, which is never what was meant.
fn lexical_trap(equality: bool, a: &Dynamic, b: &Dynamic) -> Option<Failure> {
    let is_duration = |v: &Dynamic| v.is_string() && parse_duration(&v.to_string()).is_ok();
    (!equality && is_duration(a) && is_duration(b)).then(|| {
        Failure::new(Spot::Call, "two strings compare letter by letter, not as durations")
            .note(format!("write `duration({:?})` for a duration", a.to_string()))
    })
}

fn mismatch(operator: &str, a: &Dynamic, b: &Dynamic) -> Failure {
    let is_time = |v: &Dynamic| v.is::<TimeSpan>() || v.is::<Moment>();
    let message = if type_name(a) == type_name(b) {
        format!("`{operator}` has no meaning between {} and {}", describe(a), describe(b))
    } else {
        format!("`{operator}` cannot compare {} with {}", describe(a), describe(b))
    };
    let hint = match (is_time(a), is_time(b)) {
        (true, _) | (_, true) => Some(DURATION_HINT.to_owned()),
        _ => None,
    };
    Failure::new(Spot::Call, message).note(hint)
}
