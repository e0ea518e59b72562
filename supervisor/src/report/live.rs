//! Lines for events as they come, for a reader who watches: all of them for `up`, the telling ones for `run`.

use std::cell::RefCell;

use super::paint::Paint;
use super::timeline::{Line, Tone, line};
use crate::history::{Event, Outcome, What};
use crate::plan::Plan;

/// Makes lines.
pub struct LiveLines {
    plan: RefCell<Plan>,
    paint: Paint,
    who_width: usize,
}

impl LiveLines {
    /// For events of a run of this plan.
    pub fn new(plan: Plan, paint: Paint) -> Self {
        let names = plan.nodes.iter().map(|node| node.name.chars().count());
        let who_width = names.max().unwrap_or(0).max("experiment".len());
        Self { plan: RefCell::new(plan), paint, who_width }
    }

    /// The line of an event; none when it is not worth one. Goes along when the plan changes.
    pub fn line(&self, event: &Event) -> Option<String> {
        let Line { at, who, text, tone } = match &event.what {
            What::RepeatEnd { .. } => return None,
            What::Plan { plan } => {
                *self.plan.borrow_mut() = (**plan).clone();
                return None;
            }
            _ => line(&self.plan.borrow(), event)?,
        };
        let time = format!("{:>9.3}", at.0 as f64 / 1_000_000.0);
        let who = format!("{who:<width$}", width = self.who_width);
        // What a script's mistakes look like is in the lines below the first.
        let (text, below) = text.split_once('\n').map_or((&*text, None), |(first, rest)| (first, Some(rest)));
        let below = below.map_or_else(String::new, |below| format!("\n{below}"));
        Some(format!("{}  {who}  {}{below}", self.paint.dim(&time), toned(self.paint, tone, text)))
    }
}

/// Progress of a run: a heading for each repeat, then the lines that tell how it goes.
pub struct Progress {
    plan: Plan,
    /// Repeats of every experiment, when the command line says so.
    repeat: Option<u32>,
    paint: Paint,
    lines: LiveLines,
}

impl Progress {
    /// For a run of this plan.
    pub fn new(plan: Plan, repeat: Option<u32>, paint: Paint) -> Self {
        Self { lines: LiveLines::new(plan.clone(), paint), plan, repeat, paint }
    }

    /// What to show for an event, newline included; none when it is not telling.
    pub fn line(&self, event: &Event) -> Option<String> {
        let during = event.during?;
        let experiment = self.plan.experiments.get(during.experiment as usize)?;
        match &event.what {
            What::RepeatBegin => {
                let of = self.repeat.unwrap_or(experiment.repeat);
                let count = if of > 1 { format!(" ({} of {of})", during.repeat + 1) } else { String::new() };
                Some(format!("{}{count}\n", self.paint.bold(&experiment.name)))
            }
            What::RepeatEnd { outcome } => {
                let painted = match outcome {
                    Outcome::Passed => self.paint.green("passed"),
                    Outcome::Failed => self.paint.red("failed"),
                    Outcome::Error(_) => self.paint.red("error"),
                };
                Some(format!("  {painted}\n"))
            }
            what if is_telling(what) => self.lines.line(event).map(|line| format!("{line}\n")),
            _ => None,
        }
    }
}

fn is_telling(what: &What) -> bool {
    match what {
        What::Sentinel { event, text, .. } => {
            matches!(event.as_str(), "+switch-master" | "+elected-leader")
                || (matches!(event.as_str(), "+odown" | "-odown") && text.starts_with("master "))
        }
        What::Exited { expected, .. } => !expected,
        What::Check { held, .. } => !held,
        What::Started { .. } | What::Role { .. } | What::ScriptRun { .. } => false,
        _ => true,
    }
}

/// Text in the colour of its tone.
pub fn toned(paint: Paint, tone: Tone, text: &str) -> String {
    match tone {
        Tone::Action => paint.yellow(text),
        Tone::Bad => paint.red(text),
        Tone::Good => paint.green(text),
        Tone::Sentinel => paint.cyan(text),
        Tone::Plain => text.to_owned(),
    }
}
