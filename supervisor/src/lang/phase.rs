//! Faults at a phase instead of at a time: `during_snapshot`.
//!
//! A snapshot is over in milliseconds where there is little to write. `rdb-key-save-delay`, which Redis and
//! Topple have for tests, makes the child take its time; the parent gets its own value back at once, so that
//! only this one child is slow.

use resp::Value;
use rhai::Dynamic;

use super::call::Call;
use super::failure::{Failure, FailureKind, Outcome, Spot, Stop};
use super::handle;
use super::observe::{self, ask, unfit};
use super::values::{NodeHandle, TimeSpan};
use super::words::{Place, Takes, Word, option, optional, required};
use crate::history::Moment;
use crate::world::{Observation, Query, Wait};

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[Word {
    name: "during_snapshot",
    place: Place::Experiment,
    params: &[
        required("node", Takes::Node),
        optional("options", Takes::Options),
        required("body", Takes::Closure),
    ],
    variadic: false,
    options: &[option("lasting", Takes::Duration, "\"2s\"", "how long the snapshot is to last at least")],
    gives: "what the body gives",
    summary: "Has a node write a snapshot (BGSAVE) that lasts, and runs the body while the snapshot child runs. \
              The node needs at least one key.",
    run: during_snapshot,
}];

/// The directive that slows a snapshot down: microseconds a key, or keys a wait when negative.
const DELAY: &str = "rdb-key-save-delay";
/// How long an earlier snapshot may take to end.
const EARLIER_LIMIT_US: u64 = 30_000_000;
/// The shortest sleep that the kernel keeps about right, in microseconds.
const SHORTEST_SLEEP_US: i64 = 100;

fn during_snapshot(call: &mut Call<'_>) -> Outcome {
    let node = call.node(0);
    let lasting = call.options(1)?.span("lasting").unwrap_or(TimeSpan(2_000_000));
    observe::must_be_asked(call, &node)?;
    super::act::mark(call)?;
    let keys = keys(call, &node)?;
    if keys == 0 {
        let message = format!("`{}` has no keys: its snapshot would be over at once", node.node.name);
        return Err(Failure::new(call.spot(0), message).note("give it a key first".to_owned()).into());
    }
    await_earlier_snapshot(call, &node)?;
    let before = command(call, &node, &["CONFIG", "GET", DELAY])?;
    let before = before.as_array().and_then(|pair| pair.get(1)?.to_text()).unwrap_or_else(|| "0".to_owned());
    command(call, &node, &["CONFIG", "SET", DELAY, &delay(keys, lasting.0).to_string()])?;
    let begun = command(call, &node, &["BGSAVE"]);
    command(call, &node, &["CONFIG", "SET", DELAY, &before])?;
    begun?;
    if field(call, &node, "rdb_bgsave_in_progress")?.as_deref() != Some("1") {
        let message = format!("the snapshot of `{}` was over before the body began", node.node.name);
        return Err(Failure::new(Spot::Call, message).note("raise the option `lasting`".to_owned()).into());
    }
    call.closure(2).call_within_context::<Dynamic>(call.context, ()).map_err(Stop::Nested)
}

/// A server writes one snapshot at a time: one that was asked for before must be over.
fn await_earlier_snapshot(call: &Call<'_>, node: &NodeHandle) -> Outcome<()> {
    let running = call.session.running(call.word.name)?;
    let now = || running.world.borrow().now();
    let until = Moment(now().0 + EARLIER_LIMIT_US);
    while field(call, node, "rdb_bgsave_in_progress")?.as_deref() == Some("1") {
        if now() >= until {
            let message = format!("`{}` still writes an earlier snapshot", node.node.name);
            return Err(Failure::new(call.spot(0), message).into());
        }
        handle::wait(call, running, Wait::Change(until))?;
    }
    Ok(())
}

/// The delay with which so many keys take this long.
fn delay(keys: i64, lasting_us: i64) -> i64 {
    match lasting_us / keys {
        each if each >= SHORTEST_SLEEP_US => each,
        _ => -(keys * SHORTEST_SLEEP_US / lasting_us.max(1)).max(1),
    }
}

/// Keys in all databases.
fn keys(call: &Call<'_>, node: &NodeHandle) -> Outcome<i64> {
    let count = |(name, value): &(String, String)| {
        let database = name.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok());
        database.then(|| value.strip_prefix("keys=")?.split(',').next()?.parse::<i64>().ok())?
    };
    Ok(fields(call, node)?.iter().filter_map(count).sum())
}

fn field(call: &Call<'_>, node: &NodeHandle, wanted: &str) -> Outcome<Option<String>> {
    Ok(fields(call, node)?.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value))
}

fn fields(call: &Call<'_>, node: &NodeHandle) -> Outcome<Vec<(String, String)>> {
    match ask(call, Query::Info(node.id))? {
        Observation::Info(fields) => Ok(fields),
        other => Err(unfit(call, &other)),
    }
}

fn command(call: &Call<'_>, node: &NodeHandle, words: &[&str]) -> Outcome<Value> {
    let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    match ask(call, Query::Command(node.id, words))? {
        Observation::Reply(Value::Error(text)) => Err(Failure {
            kind: FailureKind::Script,
            message: format!("`{}` makes no snapshot: {}", node.node.name, String::from_utf8_lossy(&text)),
            notes: Vec::new(),
            spot: call.spot(0),
        }
        .into()),
        Observation::Reply(value) => Ok(value),
        other => Err(unfit(call, &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_makes_any_number_of_keys_last() {
        assert_eq!(delay(1, 2_000_000), 2_000_000);
        assert_eq!(delay(1000, 2_000_000), 2000);
        // A million keys: a sleep of 100 µs after each 50th.
        assert_eq!(delay(1_000_000, 2_000_000), -50);
    }
}
