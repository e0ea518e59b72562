//! Words that ask: `cmd`, `info`, `role`, `link`, `running`, `paused`, `logs`, `now`, `script_runs`, and
//! `master` of a monitor.

use resp::Value;
use rhai::{Array, Dynamic, Map};

use super::call::Call;
use super::failure::{Failure, FailureKind, Outcome, Spot, Stop};
use super::values::{MonitorHandle, NodeHandle, TimeSpan};
use super::words::{Place, Takes, Word, optional, required};
use crate::history::{Exit, Moment, What};
use crate::plan::NodeId;
use crate::world::{Observation, ProcessState, Query};

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "cmd",
        place: Place::Experiment,
        params: &[required("node", Takes::Node), required("command", Takes::Text)],
        variadic: true,
        options: &[],
        gives: "the reply: a string, a number, an array, a map, or `()`",
        summary: "Sends a command to a node. An error reply is an error.",
        run: cmd,
    },
    Word {
        name: "info",
        place: Place::Experiment,
        params: &[required("node", Takes::Node), optional("field", Takes::Text)],
        variadic: false,
        options: &[],
        gives: "a map of all fields, or the field's value; numbers as numbers",
        summary: "INFO of a node, all sections.",
        run: info,
    },
    Word {
        name: "role",
        place: Place::Experiment,
        params: &[required("node", Takes::Node)],
        variadic: false,
        options: &[],
        gives: "\"master\", \"slave\" or \"sentinel\"",
        summary: "The role that a node reports.",
        run: role,
    },
    Word {
        name: "link",
        place: Place::Experiment,
        params: &[required("node", Takes::Node)],
        variadic: false,
        options: &[],
        gives: "\"up\" or \"down\"; \"none\" for a master",
        summary: "The state of a replica's link to its master.",
        run: link,
    },
    Word {
        name: "running",
        place: Place::Experiment,
        params: &[required("node", Takes::Node)],
        variadic: false,
        options: &[],
        gives: "a boolean",
        summary: "Whether a node's process runs; a paused one does not.",
        run: |call| process_is(call, |state| matches!(state, ProcessState::Running(_))),
    },
    Word {
        name: "paused",
        place: Place::Experiment,
        params: &[required("node", Takes::Node)],
        variadic: false,
        options: &[],
        gives: "a boolean",
        summary: "Whether a node's process is stopped by `pause`.",
        run: |call| process_is(call, |state| matches!(state, ProcessState::Paused(_))),
    },
    Word {
        name: "logs",
        place: Place::Experiment,
        params: &[required("node", Takes::Node), optional("lines", Takes::Count(1, 100_000))],
        variadic: false,
        options: &[],
        gives: "an array of strings",
        summary: "The last lines of a node's log, 100 unless said otherwise.",
        run: logs,
    },
    Word {
        name: "now",
        place: Place::Experiment,
        params: &[],
        variadic: false,
        options: &[],
        gives: "a moment",
        summary: "This moment.",
        run: |call| {
            let running = call.session.running("now")?;
            let now = running.world.borrow().now();
            Ok(Dynamic::from(now))
        },
    },
    Word {
        name: "script_runs",
        place: Place::Experiment,
        params: &[optional("event", Takes::Text)],
        variadic: false,
        options: &[],
        gives: "an array of maps with `at`, `node`, `event`, `argv`, `output`, `exit`, `took`",
        summary: "The notification and reconfiguration scripts that sentinels ran in this repeat, oldest \
                  first; only those for one event, if it is given. `event` is \"client-reconfig\" for a \
                  reconfiguration script; `exit` is `()` when it ended by a signal or never started.",
        run: script_runs,
    },
];

/// Replies that mean "not now": a wait goes on after them.
const TRANSIENT_ERRORS: &[&str] =
    &["LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS", "READONLY", "NOGOODSLAVE"];

/// Asks the world.
pub(crate) fn ask(call: &Call<'_>, query: Query) -> Outcome<Observation> {
    let running = call.session.running(call.word.name)?;
    let observation = running.world.borrow_mut().observe(query)?;
    Ok(observation)
}

/// The answer was of another kind than the question: a mistake of the world's, not of the script's.
pub(crate) fn unfit(call: &Call<'_>, observation: &Observation) -> Stop {
    Failure {
        kind: FailureKind::Environment,
        message: format!("`{}` got an answer of another kind: {observation:?}", call.word.name),
        notes: Vec::new(),
        spot: Spot::Call,
    }
    .into()
}

fn handle(call: &Call<'_>, id: NodeId) -> Outcome<NodeHandle> {
    call.session
        .handle(id)
        .ok_or_else(|| Failure::new(Spot::Call, format!("there is no node number {}", id.0)).into())
}

fn cmd(call: &mut Call<'_>) -> Outcome {
    let node = call.node(0);
    let mut words = vec![call.text(1).as_bytes().to_vec()];
    words.extend(call.rest().iter().map(bytes));
    if super::act::changes_topology(&words) {
        super::act::mark(call)?;
    }
    reply(call, &node, words)
}

/// Refuses a process, which answers no commands.
pub(crate) fn must_be_asked(call: &Call<'_>, node: &NodeHandle) -> Outcome<()> {
    if !node.node.is_process() {
        return Ok(());
    }
    let message = format!("`{}` is a process, not a server: it answers no commands", node.node.name);
    Err(Failure::new(call.spot(0), message).note("its output is in `logs(node)`".to_owned()).into())
}

/// Sends a command; an error reply becomes a failure.
fn reply(call: &Call<'_>, node: &NodeHandle, words: Vec<Vec<u8>>) -> Outcome {
    must_be_asked(call, node)?;
    let name = String::from_utf8_lossy(&words[0]).to_uppercase();
    match ask(call, Query::Command(node.id, words))? {
        Observation::Reply(Value::Error(text)) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            let code = text.split(' ').next().unwrap_or_default();
            let transient = TRANSIENT_ERRORS.contains(&code);
            let kind = if transient { FailureKind::Unreachable } else { FailureKind::Script };
            let message = format!("`{}` answered {name} with an error: {text}", node.node.name);
            let notes = if transient { Vec::new() } else { last_words(call, node)? };
            Err(Failure { kind, message, notes, spot: Spot::Call }.into())
        }
        Observation::Reply(value) => Ok(dynamic(value)),
        other => Err(unfit(call, &other)),
    }
}

/// The last lines of a node's log, as notes of an error.
fn last_words(call: &Call<'_>, node: &NodeHandle) -> Outcome<Vec<String>> {
    const LINES: usize = 5;
    match ask(call, Query::Logs(node.id, LINES))? {
        Observation::Logs(lines) => Ok(lines.into_iter().map(|line| format!("log: {line}")).collect()),
        other => Err(unfit(call, &other)),
    }
}

/// An argument of a command.
fn bytes(value: &Dynamic) -> Vec<u8> {
    match value.clone().try_cast::<rhai::Blob>() {
        Some(blob) => blob,
        None => value.to_string().into_bytes(),
    }
}

/// A reply as a value of the language.
fn dynamic(value: Value) -> Dynamic {
    match value {
        Value::Int(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::Bool(flag) => flag.into(),
        Value::Nil => Dynamic::UNIT,
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.into_iter().map(dynamic).collect::<Array>().into()
        }
        Value::Map(pairs) => {
            let map: Map = pairs
                .into_iter()
                .map(|(key, value)| (dynamic(key).to_string().into(), dynamic(value)))
                .collect();
            Dynamic::from_map(map)
        }
        Value::Simple(bytes)
        | Value::Bulk(bytes)
        | Value::Verbatim(_, bytes)
        | Value::BigNumber(bytes)
        | Value::Error(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(error) => Dynamic::from_blob(error.into_bytes()),
        },
    }
}

fn fields(call: &Call<'_>) -> Outcome<Vec<(String, String)>> {
    must_be_asked(call, &call.node(0))?;
    match ask(call, Query::Info(call.node(0).id))? {
        Observation::Info(fields) => Ok(fields),
        other => Err(unfit(call, &other)),
    }
}

fn info(call: &mut Call<'_>) -> Outcome {
    let fields = fields(call)?;
    let Some(wanted) = call.text_or_none(1) else {
        let map: Map =
            fields.iter().map(|(name, value)| (name.as_str().into(), number_or_text(value))).collect();
        return Ok(Dynamic::from_map(map));
    };
    match fields.iter().find(|(name, _)| *name == wanted.as_str()) {
        Some((_, value)) => Ok(number_or_text(value)),
        None => {
            let hint = super::suggest::did_you_mean(&wanted, fields.iter().map(|(name, _)| name.as_str()));
            let message = format!("INFO of `{}` has no field `{wanted}`", call.node(0).node.name);
            Err(Failure::new(call.spot(1), message).note(hint).into())
        }
    }
}

/// Numbers as numbers, but only when their text is what the number would be written as: identifiers of
/// digits stay text.
fn number_or_text(text: &str) -> Dynamic {
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return number.into();
    }
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-')
        && text.bytes().filter(|b| *b == b'.').count() == 1;
    match text.parse::<f64>() {
        Ok(number) if decimal => number.into(),
        _ => text.to_owned().into(),
    }
}

fn role(call: &mut Call<'_>) -> Outcome {
    let answer = reply(call, &call.node(0), vec![b"ROLE".to_vec()])?;
    let first = answer.clone().try_cast::<Array>().and_then(|items| items.into_iter().next());
    first.ok_or_else(|| Failure::new(Spot::Call, format!("ROLE answered {answer}")).into())
}

fn link(call: &mut Call<'_>) -> Outcome {
    let fields = fields(call)?;
    let status = fields.iter().find(|(name, _)| name == "master_link_status");
    Ok(status.map_or("none", |(_, value)| value.as_str()).to_owned().into())
}

fn process_is(call: &Call<'_>, is: fn(ProcessState) -> bool) -> Outcome {
    match ask(call, Query::Process(call.node(0).id))? {
        Observation::Process(state) => Ok(is(state).into()),
        other => Err(unfit(call, &other)),
    }
}

fn logs(call: &mut Call<'_>) -> Outcome {
    let lines = usize::try_from(call.int_or(1, 100)).unwrap_or(100);
    match ask(call, Query::Logs(call.node(0).id, lines))? {
        Observation::Logs(lines) => Ok(lines.into_iter().map(Dynamic::from).collect::<Array>().into()),
        other => Err(unfit(call, &other)),
    }
}

/// The node that most sentinels name as the monitored master.
pub(crate) fn master_of(call: &Call<'_>, monitor: &MonitorHandle) -> Outcome {
    match ask(call, Query::Master(monitor.id))? {
        Observation::Node(id) => Ok(Dynamic::from(handle(call, id)?)),
        other => Err(unfit(call, &other)),
    }
}

fn script_runs(call: &mut Call<'_>) -> Outcome {
    let wanted = call.text_or_none(0);
    let runs = match ask(call, Query::ScriptRuns)? {
        Observation::ScriptRuns(runs) => runs,
        other => return Err(unfit(call, &other)),
    };
    let mut found = Array::new();
    for (at, run) in runs {
        let What::ScriptRun { node, argv, output, how, took_us } = run else { continue };
        let event = event_of(&argv);
        if wanted.as_ref().is_some_and(|wanted| wanted.as_str() != event) {
            continue;
        }
        let node = handle(call, node)?;
        found.push(script_run(at, node, event, &argv, output, how, took_us));
    }
    Ok(found.into())
}

/// A notification script gets the event's type and text; a reconfiguration script gets seven arguments.
fn event_of(argv: &[String]) -> String {
    match argv {
        [_, event, _text] => event.clone(),
        _ => "client-reconfig".to_owned(),
    }
}

fn script_run(
    at: Moment,
    node: NodeHandle,
    event: String,
    argv: &[String],
    output: String,
    how: Option<Exit>,
    took_us: u64,
) -> Dynamic {
    let exit = match how {
        Some(Exit::Code(code)) => i64::from(code).into(),
        Some(Exit::Signal(_)) | None => Dynamic::UNIT,
    };
    let mut map = Map::new();
    map.insert("at".into(), Dynamic::from(at));
    map.insert("node".into(), Dynamic::from(node));
    map.insert("event".into(), event.into());
    map.insert("argv".into(), argv.iter().cloned().map(Dynamic::from).collect::<Array>().into());
    map.insert("output".into(), output.into());
    map.insert("exit".into(), exit);
    map.insert("took".into(), Dynamic::from(TimeSpan(took_us as i64)));
    Dynamic::from_map(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_values_become_numbers_only_when_they_are() {
        assert_eq!(number_or_text("2").as_int(), Ok(2));
        assert_eq!(number_or_text("0.25").as_float(), Ok(0.25));
        for text in ["7.2.4", "up", "007", "1e5", "", "-"] {
            assert!(number_or_text(text).is_string(), "{text}");
        }
    }
}
