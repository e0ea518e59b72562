//! The report for a terminal.

use super::failover::Failover;
use super::figures::{Figures, number};
use super::live::toned;
use super::paint::Paint;
use super::summary::{ExperimentSummary, FailoverSummary, Repeat, WorkloadSummary, repeats_of, summarise};
use super::table::{Align, Table};
use super::timeline::{Tone, duration, line};
use crate::history::{Event, Exit, History, Moment, Outcome, What};

/// Width of the bar that stands for a whole failover.
const BAR_CELLS: f64 = 30.0;
/// Longest text in a line of a table.
const LINE_CHARS: usize = 120;
/// Lost writes shown one by one.
const SHOWN_LOSSES: usize = 5;

/// The report of a whole run.
pub fn text(history: &History, paint: Paint) -> String {
    let summary = summarise(history);
    let mut out = String::new();
    for experiment in &summary.experiments {
        let index = history.plan.experiments.iter().position(|planned| planned.name == experiment.name);
        Section { history, paint, experiment, index: index.unwrap_or(0) }.render(&mut out);
    }
    out.push_str(&verdict(&summary.experiments, paint));
    out
}

fn verdict(experiments: &[ExperimentSummary], paint: Paint) -> String {
    let repeats: Vec<&Repeat> = experiments.iter().flat_map(|experiment| &experiment.repeats).collect();
    let passed = repeats.iter().filter(|repeat| repeat.outcome == Some(Outcome::Passed)).count();
    let plural = if experiments.len() == 1 { "" } else { "s" };
    let line =
        format!("{} experiment{plural}, {passed} of {} repeats passed", experiments.len(), repeats.len());
    let line = if passed == repeats.len() { paint.green(&line) } else { paint.red(&line) };
    format!("\n{line}\n")
}

struct Section<'a> {
    history: &'a History,
    paint: Paint,
    experiment: &'a ExperimentSummary,
    index: usize,
}

impl Section<'_> {
    fn render(&self, out: &mut String) {
        self.heading(out);
        self.errors(out);
        self.checks(out);
        self.measures(out);
        for (n, failover) in self.experiment.failovers.iter().enumerate() {
            self.failover(out, n, failover);
        }
        let shown = self.shown_repeat();
        self.clients(out, shown);
        self.scripts(out, shown);
        self.printed(out, shown);
        self.timeline(out, shown);
    }

    /// The repeat whose details are shown: the first that did not pass, else the last.
    fn shown_repeat(&self) -> &Repeat {
        let repeats = &self.experiment.repeats;
        let failed = repeats.iter().find(|repeat| repeat.outcome != Some(Outcome::Passed));
        failed.or(repeats.last()).expect("an experiment that ran has a repeat")
    }

    fn title(&self, out: &mut String, title: &str) {
        out.push_str(&format!("\n  {}\n", self.paint.bold(title)));
    }

    fn of_repeat(&self, repeat: &Repeat) -> String {
        if self.experiment.repeats.len() == 1 {
            String::new()
        } else {
            format!(", repeat {}", repeat.number + 1)
        }
    }

    fn heading(&self, out: &mut String) {
        let repeats = &self.experiment.repeats;
        let passed = repeats.iter().filter(|repeat| repeat.outcome == Some(Outcome::Passed)).count();
        let all_us: f64 = repeats.iter().map(|repeat| repeat.took_ms * 1000.0).sum();
        let verdict = match (passed == repeats.len(), repeats.len()) {
            (true, 1) => self.paint.green("passed"),
            (true, count) => self.paint.green(&format!("passed, {count} of {count} repeats")),
            (false, 1) => self.paint.red("FAILED"),
            (false, count) => self.paint.red(&format!("FAILED, {passed} of {count} repeats passed")),
        };
        let took = duration(all_us as u64);
        out.push_str(&format!("\n{}: {verdict}, {took}\n", self.paint.bold(&self.experiment.name)));
        let ready = Figures::of(repeats.iter().filter_map(|repeat| repeat.ready_ms).collect());
        if let Some(ready) = ready {
            let median = if ready.values.len() > 1 { " (median)" } else { "" };
            out.push_str(&format!("  topology ready in {} ms{median}\n", number(ready.median)));
        }
    }

    fn errors(&self, out: &mut String) {
        for repeat in &self.experiment.repeats {
            match &repeat.outcome {
                Some(Outcome::Error(message)) => {
                    out.push_str(&format!(
                        "\n  {}\n",
                        self.paint.red(&format!("error{}", self.of_repeat(repeat)))
                    ));
                    for line in message.lines() {
                        out.push_str(&format!("    {line}\n"));
                    }
                }
                None => out.push_str(&format!("\n  {}\n", self.paint.red("the run was cut off"))),
                Some(Outcome::Passed | Outcome::Failed) => {}
            }
        }
    }

    fn checks(&self, out: &mut String) {
        let checks = &self.experiment.checks;
        if checks.is_empty() {
            return;
        }
        self.title(out, "checks");
        let mut table = Table::new(&[Align::Left, Align::Right]);
        for check in checks {
            let verdict = if check.held == check.judged { "ok" } else { "FAILED" };
            let repeats: Vec<String> =
                check.failed_in.iter().map(|repeat| (repeat + 1).to_string()).collect();
            let failed_in = if repeats.is_empty() || self.experiment.repeats.len() == 1 {
                String::new()
            } else {
                format!(" (not in repeat {})", repeats.join(", "))
            };
            let label = format!("{}{failed_in}", cut(&check.label));
            table.row([
                verdict.to_owned(),
                format!("{}/{}", check.held, check.judged),
                label,
                match &check.file {
                    None => format!("line {}", check.line),
                    Some(file) => format!("{file}:{}", check.line),
                },
            ]);
        }
        let text = table.render("    ", |row, column, cell| match column {
            0 if checks[row].held == checks[row].judged => self.paint.green(cell),
            0 => self.paint.red(cell),
            3 => self.paint.dim(cell),
            _ => cell.to_owned(),
        });
        out.push_str(&text);
    }

    fn measures(&self, out: &mut String) {
        let measures = &self.experiment.measures;
        if measures.is_empty() {
            return;
        }
        self.title(out, "measures");
        let several = self.experiment.repeats.len() > 1;
        let mut table = Table::new(figure_columns(several));
        if several {
            table.row(["", "min", "median", "p90", "max", "", "limit"]);
        }
        for measure in measures {
            let mut row = vec![measure.name.clone()];
            row.extend(columns(&measure.figures, several));
            row.push(measure.unit.clone());
            row.push(limit(measure.min, measure.max, measure.beyond));
            table.row(row);
        }
        let heading = usize::from(several);
        let text = table.render("    ", |row, column, cell| match (row.checked_sub(heading), column) {
            (None, _) => self.paint.dim(cell),
            (Some(row), _) if column > 0 && measures[row].beyond > 0 => self.paint.red(cell),
            _ => cell.to_owned(),
        });
        out.push_str(&text);
    }

    fn failover(&self, out: &mut String, n: usize, over_repeats: &FailoverSummary) {
        let shown = self.shown_repeat();
        let of_shown = shown.failovers.get(n);
        let count = over_repeats.total.values.len();
        let several = count > 1;
        let ordinal = if self.experiment.failovers.len() > 1 { format!(" {}", n + 1) } else { String::new() };
        let what = of_shown.map_or_else(String::new, describe_failover);
        let over = if several { format!(", ms over {count} repeats") } else { ", ms".to_owned() };
        self.title(out, &format!("failover{ordinal} of {}{what}{over}", over_repeats.monitor));
        let mut table = Table::new(figure_columns(several));
        if several {
            table.row(["", "min", "median", "p90", "max", "", "ends with"]);
        }
        let whole: f64 = over_repeats.phases.iter().map(|phase| phase.figures.median).sum();
        for phase in &over_repeats.phases {
            let mut row = vec![phase.name.clone()];
            row.extend(columns(&phase.figures, several));
            row.push(bar(phase.figures.median, whole));
            row.push(phase.until.clone());
            table.row(row);
        }
        let mut row = vec!["total".to_owned()];
        row.extend(columns(&over_repeats.total, several));
        table.row(row);
        let bar_column = if several { 5 } else { 2 };
        let last = over_repeats.phases.len() + usize::from(several);
        let text = table.render("    ", |row, column, cell| match (row, column) {
            (0, _) if several => self.paint.dim(cell),
            (row, _) if row == last => self.paint.bold(cell),
            (_, column) if column == bar_column => self.paint.cyan(cell),
            (_, column) if column > bar_column => self.paint.dim(cell),
            _ => cell.to_owned(),
        });
        out.push_str(&text);
    }

    fn clients(&self, out: &mut String, repeat: &Repeat) {
        for workload in &repeat.workloads {
            self.title(out, &format!("clients{}: {}", self.of_repeat(repeat), workload.detail));
            self.workload(out, workload);
        }
    }

    fn workload(&self, out: &mut String, workload: &WorkloadSummary) {
        let mut table = Table::new(&[Align::Left, Align::Right]);
        if let Some(ledger) = &workload.ledger {
            table.row(["acknowledged".to_owned(), number(ledger.acked as f64)]);
            table.row(["failed, fate unknown".to_owned(), number(ledger.failed as f64)]);
            table.row(["acknowledged and lost".to_owned(), number(ledger.lost as f64)]);
            table.row(["longest outage of a client".to_owned(), duration(ledger.longest_outage_us)]);
            let [p50, p99, p999, max] = ledger.latency_us;
            let quantiles = [("p50", p50), ("p99", p99), ("p99.9", p999), ("max", max)];
            for (name, us) in quantiles {
                table.row([format!("latency {name}"), duration(us)]);
            }
        }
        let lost = workload.ledger.as_ref().map_or(0, |ledger| ledger.lost);
        let text = table.render("    ", |row, column, cell| match (row, column) {
            (2, 1) if lost > 0 => self.paint.red(cell),
            (2, 1) => self.paint.green(cell),
            _ => cell.to_owned(),
        });
        out.push_str(&text);
        for outage in &workload.outages {
            let length = outage.ms.map_or_else(|| "not over".to_owned(), |ms| format!("{} ms", number(ms)));
            let errors: Vec<String> = outage
                .errors
                .iter()
                .map(|(class, count)| format!("{} × {class}", number(*count as f64)))
                .collect();
            let plural = if outage.clients == 1 { "" } else { "s" };
            let line =
                format!("outage of {} client{plural}: {length} ({})", outage.clients, errors.join(", "));
            out.push_str(&format!("    {}\n", self.paint.yellow(&line)));
        }
        self.losses(out, workload);
    }

    fn losses(&self, out: &mut String, workload: &WorkloadSummary) {
        let Some(ledger) = workload.ledger.as_ref().filter(|ledger| ledger.lost > 0) else { return };
        for write in ledger.lost_writes.iter().take(SHOWN_LOSSES) {
            let node = &self.history.plan.node(write.node).name;
            let at = number(relative_ms(write.at, self.zero(self.shown_repeat())));
            let line = format!("lost: {}, acknowledged by {node} at {at} ms", write.key);
            out.push_str(&format!("    {}\n", self.paint.red(&line)));
        }
        let hidden = ledger.lost.saturating_sub(SHOWN_LOSSES as u64);
        if hidden > 0 {
            out.push_str(&format!("    {}\n", self.paint.red(&format!("and {hidden} more"))));
        }
    }

    fn scripts(&self, out: &mut String, repeat: &Repeat) {
        if repeat.scripts.is_empty() {
            return;
        }
        self.title(out, &format!("scripts run by the sentinels{}", self.of_repeat(repeat)));
        let mut table = Table::new(&[Align::Left, Align::Right]);
        for script in &repeat.scripts {
            let name = script.path.rsplit('/').next().unwrap_or_default();
            let ended = if script.failed == 0 {
                "all with exit code 0".to_owned()
            } else {
                format!("{} did not end with exit code 0", script.failed)
            };
            let times = format!("{} to {} ms", number(script.ms.min), number(script.ms.max));
            table.row([name.to_owned(), script.runs.to_string(), "runs".to_owned(), ended, times]);
        }
        let text = table.render("    ", |row, column, cell| match column {
            3 if repeat.scripts[row].failed > 0 => self.paint.red(cell),
            _ => cell.to_owned(),
        });
        out.push_str(&text);
    }

    fn printed(&self, out: &mut String, repeat: &Repeat) {
        if repeat.printed.is_empty() {
            return;
        }
        self.title(out, &format!("printed{}", self.of_repeat(repeat)));
        for line in repeat.printed.iter().flat_map(|text| text.lines()) {
            out.push_str(&format!("    {line}\n"));
        }
    }

    /// Moment 0 of a repeat's timeline: the first action, else the beginning.
    fn zero(&self, repeat: &Repeat) -> Moment {
        let events = self.events(repeat);
        let action = events.iter().find(|event| matches!(event.what, What::Action { .. }));
        action.map_or(repeat.began, |event| event.at)
    }

    fn events(&self, repeat: &Repeat) -> Vec<&Event> {
        let of = |events: &Vec<&Event>| {
            events.first().and_then(|event| event.during).map(|during| during.repeat) == Some(repeat.number)
        };
        repeats_of(self.history, self.index).into_iter().find(of).unwrap_or_default()
    }

    fn timeline(&self, out: &mut String, repeat: &Repeat) {
        let mut events = self.events(repeat);
        events.sort_by_key(|event| event.at);
        // How the topology came up is of interest only when it did not.
        let ready = events.iter().position(|event| matches!(event.what, What::Ready { .. }));
        let events = &events[ready.map_or(0, |ready| ready + 1)..];
        let zero = self.zero(repeat);
        let mut table = Table::new(&[Align::Right]);
        let mut tones = Vec::new();
        let told = events.iter().filter(|event| belongs_to_timeline(&event.what));
        for line in told.filter_map(|event| line(&self.history.plan, event)) {
            table.row([format!("{:.1}", relative_ms(line.at, zero)), line.who, cut(&line.text)]);
            tones.push(line.tone);
        }
        if table.is_empty() {
            return;
        }
        let first_action = events.iter().find_map(|event| match &event.what {
            What::Action { .. } => line(&self.history.plan, event).map(|line| line.text),
            _ => None,
        });
        let since = first_action.map_or_else(String::new, |action| format!(", ms since {action}"));
        self.title(out, &format!("timeline{}{since}", self.of_repeat(repeat)));
        let text = table.render("    ", |row, column, cell| match column {
            0 => self.paint.dim(cell),
            2 => toned(self.paint, tones.get(row).copied().unwrap_or(Tone::Plain), cell),
            _ => cell.to_owned(),
        });
        out.push_str(&text);
    }
}

/// At most as long as fits a line; the rest is in the history.
fn cut(text: &str) -> String {
    if text.chars().count() <= LINE_CHARS {
        return text.to_owned();
    }
    text.chars().take(LINE_CHARS - 1).chain(['…']).collect()
}

/// What has a section of its own is left out: what was printed, and scripts that ended well.
fn belongs_to_timeline(what: &What) -> bool {
    match what {
        What::Print { .. } | What::RepeatEnd { .. } => false,
        What::ScriptRun { how, .. } => *how != Some(Exit::Code(0)),
        _ => true,
    }
}

fn relative_ms(at: Moment, zero: Moment) -> f64 {
    (at.0 as f64 - zero.0 as f64) / 1000.0
}

/// A name, and a figure or four.
fn figure_columns(several: bool) -> &'static [Align] {
    const ALL: [Align; 5] = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    if several { &ALL } else { &ALL[..2] }
}

fn columns(figures: &Figures, several: bool) -> Vec<String> {
    if several {
        [figures.min, figures.median, figures.p90, figures.max].map(number).to_vec()
    } else {
        vec![number(figures.median)]
    }
}

fn limit(min: Option<f64>, max: Option<f64>, beyond: usize) -> String {
    let mut words = Vec::new();
    words.extend(min.map(|limit| format!("≥ {}", number(limit))));
    words.extend(max.map(|limit| format!("≤ {}", number(limit))));
    if beyond > 0 {
        words.push(format!("({beyond} beyond)"));
    }
    words.join(" ")
}

fn describe_failover(failover: &Failover) -> String {
    let cause = failover.cause.as_ref().map_or_else(String::new, |cause| format!(" after {cause}"));
    let to = failover.to.as_ref().map_or_else(String::new, |to| format!(": {to} takes over"));
    let leader = failover.leader.as_ref().map_or_else(String::new, |leader| format!(", led by {leader}"));
    format!("{cause}{to}{leader}")
}

fn bar(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return String::new();
    }
    let cells = (part / whole * BAR_CELLS).round() as usize;
    "█".repeat(cells.max(usize::from(part > 0.0)))
}
