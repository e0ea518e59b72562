//! What happened, a line an event.

use crate::history::{Event, Moment, Outcome, ReloadStage, What};
use crate::nodes::describe_exit;
use crate::plan::{NodeId, Plan};

/// What kind of thing a line is about; decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The experiment's doing.
    Action,
    /// Something ended or failed.
    Bad,
    /// Something is well (again).
    Good,
    /// A sentinel's word.
    Sentinel,
    /// The rest.
    Plain,
}

/// A line: who, what, and how to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Moment,
    /// The node or part of the run it is about.
    pub who: String,
    /// The text.
    pub text: String,
    /// Its kind.
    pub tone: Tone,
}

/// The line of an event; none for events that say nothing to a reader.
pub fn line(plan: &Plan, event: &Event) -> Option<Line> {
    let name = |id: NodeId| plan.node(id).name.clone();
    let (who, text, tone) = match &event.what {
        What::RepeatBegin | What::Plan { .. } => return None,
        What::RepeatEnd { outcome } => ("run".to_owned(), describe_outcome(outcome), outcome_tone(outcome)),
        What::Started { node, pid } => (name(*node), format!("started, process {pid}"), Tone::Plain),
        What::Exited { node, how, expected, .. } => {
            let by_itself = if *expected { "" } else { " by itself" };
            let tone = if *expected { Tone::Plain } else { Tone::Bad };
            (name(*node), format!("ended{by_itself}: {}", describe_exit(*how)), tone)
        }
        What::Ready { took_us } => {
            let text = format!("ready after {}", duration(*took_us));
            ("topology".to_owned(), text, Tone::Good)
        }
        What::Action { verb, nodes, detail } => {
            let names: Vec<String> = nodes.iter().map(|&node| name(node)).collect();
            let text = format!("{verb} {} {detail}", names.join(", "));
            ("experiment".to_owned(), text.trim_end().to_owned(), Tone::Action)
        }
        What::Sentinel { node, event, text, .. } => {
            (name(*node), format!("{event} {text}").trim_end().to_owned(), Tone::Sentinel)
        }
        What::Role { node, role } => (name(*node), format!("is {role} now"), Tone::Plain),
        What::ScriptRun { node, argv, how, took_us, .. } => script_run(name(*node), argv, *how, *took_us),
        What::WorkloadBegin { detail, .. } => ("clients".to_owned(), format!("begin: {detail}"), Tone::Plain),
        What::Outage { from, until, clients, errors, .. } => outage(*from, *until, *clients, errors),
        What::FirstWrite { node, .. } => {
            ("clients".to_owned(), format!("first write acknowledged by {}", name(*node)), Tone::Good)
        }
        What::WorkloadEnd { ledger, .. } => {
            let text = format!("end: {} acknowledged, {} lost", ledger.acked, ledger.lost);
            ("clients".to_owned(), text, if ledger.lost == 0 { Tone::Good } else { Tone::Bad })
        }
        What::Check { label, held, .. } => {
            let (text, tone) = if *held { ("held", Tone::Good) } else { ("FAILED", Tone::Bad) };
            ("check".to_owned(), format!("{text}: {label}"), tone)
        }
        What::Measure { name, value, unit, .. } => {
            let value = super::figures::number(*value);
            ("measure".to_owned(), format!("{name} {value} {unit}").trim_end().to_owned(), Tone::Plain)
        }
        What::Print { text } => ("print".to_owned(), text.clone(), Tone::Plain),
        What::Reload { stage, node, text } => {
            let tone = match stage {
                ReloadStage::Refused | ReloadStage::Failed => Tone::Bad,
                ReloadStage::Planned | ReloadStage::Told => Tone::Action,
                ReloadStage::Done => Tone::Good,
            };
            (node.map_or_else(|| "script".to_owned(), name), text.clone(), tone)
        }
        What::Note { node, text } => {
            let who = node.map_or_else(|| "note".to_owned(), name);
            (who, text.lines().next().unwrap_or_default().to_owned(), Tone::Bad)
        }
    };
    Some(Line { at: event.at, who, text, tone })
}

fn script_run(
    node: String,
    argv: &[String],
    how: Option<crate::history::Exit>,
    took_us: u64,
) -> (String, String, Tone) {
    let mut words = argv.iter();
    let program = words.next().map_or("", |path| path.rsplit('/').next().unwrap_or(path));
    let args: Vec<&str> = words.map(String::as_str).collect();
    let ended = how.map_or_else(|| "could not be started".to_owned(), describe_exit);
    let tone = if how == Some(crate::history::Exit::Code(0)) { Tone::Plain } else { Tone::Bad };
    let text = format!("ran {program} {}: {ended} after {}", args.join(" "), duration(took_us));
    (node, text, tone)
}

fn outage(
    from: Moment,
    until: Option<Moment>,
    clients: u32,
    errors: &std::collections::BTreeMap<String, u64>,
) -> (String, String, Tone) {
    let length = until.map_or_else(
        || "never over".to_owned(),
        |until| format!("lasted {}", duration(until.0.saturating_sub(from.0))),
    );
    let errors: Vec<String> = errors.iter().map(|(class, count)| format!("{count} × {class}")).collect();
    let plural = if clients == 1 { "" } else { "s" };
    let text = format!("outage of {clients} client{plural}, {length} ({})", errors.join(", "));
    ("clients".to_owned(), text, Tone::Bad)
}

/// `passed`, `failed` or the error.
pub fn describe_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Failed => "failed".to_owned(),
        Outcome::Error(message) => format!("error: {}", message.lines().next().unwrap_or_default()),
    }
}

fn outcome_tone(outcome: &Outcome) -> Tone {
    if *outcome == Outcome::Passed { Tone::Good } else { Tone::Bad }
}

/// `850 µs`, `12.3 ms`, `4.56 s`.
pub fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", super::figures::number(us as f64 / 1000.0)),
        _ => format!("{:.2} s", us as f64 / 1_000_000.0),
    }
}
