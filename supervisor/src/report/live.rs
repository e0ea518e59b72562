//! Lines for events as they come, for a reader who watches.

use super::paint::Paint;
use super::timeline::{Line, Tone, line};
use crate::history::{Event, What};
use crate::plan::Plan;

/// Makes lines.
pub struct LiveLines {
    plan: Plan,
    paint: Paint,
    who_width: usize,
}

impl LiveLines {
    /// For events of a run of this plan.
    pub fn new(plan: Plan, paint: Paint) -> Self {
        let names = plan.nodes.iter().map(|node| node.name.chars().count());
        let who_width = names.max().unwrap_or(0).max("experiment".len());
        Self { plan, paint, who_width }
    }

    /// The line of an event; none when it is not worth one.
    pub fn line(&self, event: &Event) -> Option<String> {
        let Line { at, who, text, tone } = match &event.what {
            What::RepeatEnd { .. } => return None,
            _ => line(&self.plan, event)?,
        };
        let time = format!("{:>9.3}", at.0 as f64 / 1_000_000.0);
        let who = format!("{who:<width$}", width = self.who_width);
        Some(format!("{}  {who}  {}", self.paint.dim(&time), toned(self.paint, tone, &text)))
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
