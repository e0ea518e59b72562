//! A history taken apart: experiments, their repeats, and what is known over all repeats.

use serde::Serialize;

use super::failover::{Failover, failovers};
use super::figures::Figures;
use crate::history::{During, Event, Exit, History, Ledger, Moment, Outcome, What};

/// Everything that the report says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The topology's name.
    pub name: String,
    /// Seed of the run.
    pub seed: u64,
    /// Experiments that ran, in order.
    pub experiments: Vec<ExperimentSummary>,
}

/// One experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExperimentSummary {
    /// Its name.
    pub name: String,
    /// Its repeats, in order.
    pub repeats: Vec<Repeat>,
    /// Measures over the repeats, in order of their first appearance.
    pub measures: Vec<MeasureSummary>,
    /// Checks over the repeats, in order of their first appearance.
    pub checks: Vec<CheckSummary>,
    /// Failovers over the repeats: the first of each repeat, the second of each, and so on.
    pub failovers: Vec<FailoverSummary>,
}

/// One repeat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeat {
    /// From 0.
    pub number: u32,
    /// How it ended; none when the run was cut off.
    pub outcome: Option<Outcome>,
    /// When its topology was about to be started.
    pub began: Moment,
    /// How long it took, its topology's start included, in milliseconds.
    pub took_ms: f64,
    /// How long the topology took to be ready, when it was started afresh.
    pub ready_ms: Option<f64>,
    /// Its failovers.
    pub failovers: Vec<Failover>,
    /// Its workloads.
    pub workloads: Vec<WorkloadSummary>,
    /// Notification and reconfiguration scripts that sentinels ran.
    pub scripts: Vec<ScriptSummary>,
    /// What the script printed.
    pub printed: Vec<String>,
}

/// A script that sentinels ran, over all of its runs in a repeat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScriptSummary {
    /// Its path.
    pub path: String,
    /// How often it ran.
    pub runs: usize,
    /// How often it did not end with exit code 0.
    pub failed: usize,
    /// Run times in milliseconds.
    pub ms: Figures,
}

/// What the clients of a workload saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkloadSummary {
    /// Its number in the repeat.
    pub workload: u32,
    /// Its options.
    pub detail: String,
    /// Its outages.
    pub outages: Vec<OutageSummary>,
    /// What came of its writes; none when it was not stopped by the script.
    pub ledger: Option<Ledger>,
}

/// A time in which clients could not work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutageSummary {
    /// Last success before.
    pub from: Moment,
    /// In milliseconds; none when it did not end.
    pub ms: Option<f64>,
    /// Clients touched.
    pub clients: u32,
    /// Errors they saw, with counts.
    pub errors: std::collections::BTreeMap<String, u64>,
}

/// A named figure over the repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasureSummary {
    /// Its name.
    pub name: String,
    /// Its unit, or empty.
    pub unit: String,
    /// Over the repeats.
    pub figures: Figures,
    /// Upper limit it is judged by.
    pub max: Option<f64>,
    /// Lower limit it is judged by.
    pub min: Option<f64>,
    /// Values beyond a limit.
    pub beyond: usize,
}

/// A check over the repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckSummary {
    /// What it says.
    pub label: String,
    /// Where.
    pub line: usize,
    /// The imported file that the line is of; none: the script itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How often it was judged.
    pub judged: usize,
    /// How often it held.
    pub held: usize,
    /// Repeats in which it did not.
    pub failed_in: Vec<u32>,
}

/// The nth failover of each repeat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailoverSummary {
    /// Name of the monitored master.
    pub monitor: String,
    /// Phases over the repeats, in their usual order.
    pub phases: Vec<PhaseSummary>,
    /// The totals over the repeats, in milliseconds.
    pub total: Figures,
}

/// One phase over the repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseSummary {
    /// Its name.
    pub name: String,
    /// The milestone that ends it.
    pub until: String,
    /// In milliseconds.
    pub figures: Figures,
}

/// Takes a history apart.
pub fn summarise(history: &History) -> Summary {
    let mut experiments: Vec<ExperimentSummary> = Vec::new();
    for (index, experiment) in history.plan.experiments.iter().enumerate() {
        let ran: Vec<Vec<&Event>> = repeats_of(history, index);
        if ran.is_empty() {
            continue;
        }
        let repeats: Vec<Repeat> = ran.iter().map(|events| repeat(history, events)).collect();
        let all: Vec<(u32, &Event)> = ran
            .iter()
            .flatten()
            .map(|&event| (event.during.map_or(0, |during| during.repeat), event))
            .collect();
        experiments.push(ExperimentSummary {
            name: experiment.name.clone(),
            measures: measures(&all),
            checks: checks(&all),
            failovers: failover_summaries(&repeats),
            repeats,
        });
    }
    Summary { name: history.plan.name.clone(), seed: history.plan.seed, experiments }
}

/// Events of each repeat of an experiment, from its beginning to its end.
pub fn repeats_of(history: &History, experiment: usize) -> Vec<Vec<&Event>> {
    let mut repeats: Vec<(During, Vec<&Event>, bool)> = Vec::new();
    for event in &history.events {
        let Some(during) = event.during.filter(|during| during.experiment as usize == experiment) else {
            continue;
        };
        match repeats.iter_mut().find(|(of, _, _)| *of == during) {
            // What comes after the end is the topology being taken down.
            Some((_, _, ended)) if *ended => {}
            Some((_, events, ended)) => {
                events.push(event);
                *ended = matches!(event.what, What::RepeatEnd { .. });
            }
            None => repeats.push((during, vec![event], false)),
        }
    }
    repeats.into_iter().map(|(_, events, _)| events).collect()
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

fn repeat(history: &History, events: &[&Event]) -> Repeat {
    let began = events.first().map_or(Moment(0), |event| event.at);
    let ended = events.last().map_or(began, |event| event.at);
    let outcome = events.iter().rev().find_map(|event| match &event.what {
        What::RepeatEnd { outcome } => Some(outcome.clone()),
        _ => None,
    });
    // Readiness that the script waited for comes after its first action.
    let first_action = events.iter().position(|event| matches!(event.what, What::Action { .. }));
    let ready_ms = events[..first_action.unwrap_or(events.len())].iter().find_map(|event| match event.what {
        What::Ready { took_us } => Some(ms(took_us)),
        _ => None,
    });
    let printed = events.iter().filter_map(|event| match &event.what {
        What::Print { text } => Some(text.clone()),
        _ => None,
    });
    Repeat {
        number: events.first().and_then(|event| event.during).map_or(0, |during| during.repeat),
        outcome,
        began,
        took_ms: ms(ended.0.saturating_sub(began.0)),
        ready_ms,
        failovers: failovers(history, events),
        workloads: workloads(events),
        scripts: scripts(events),
        printed: printed.collect(),
    }
}

fn scripts(events: &[&Event]) -> Vec<ScriptSummary> {
    let mut paths: Vec<&String> = Vec::new();
    let runs: Vec<(&String, bool, u64)> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::ScriptRun { argv, how, took_us, .. } => {
                Some((argv.first()?, *how == Some(Exit::Code(0)), *took_us))
            }
            _ => None,
        })
        .collect();
    for (path, _, _) in &runs {
        if !paths.contains(path) {
            paths.push(path);
        }
    }
    let summary = |path: &String| {
        let of: Vec<_> = runs.iter().filter(|(ran, _, _)| *ran == path).collect();
        Some(ScriptSummary {
            path: path.clone(),
            runs: of.len(),
            failed: of.iter().filter(|(_, well, _)| !well).count(),
            ms: Figures::of(of.iter().map(|&&(_, _, took_us)| ms(took_us)).collect())?,
        })
    };
    paths.into_iter().filter_map(summary).collect()
}

fn workloads(events: &[&Event]) -> Vec<WorkloadSummary> {
    let mut workloads: Vec<WorkloadSummary> = Vec::new();
    for event in events {
        match &event.what {
            What::WorkloadBegin { workload, detail } => workloads.push(WorkloadSummary {
                workload: *workload,
                detail: detail.clone(),
                outages: Vec::new(),
                ledger: None,
            }),
            What::Outage { workload, from, until, clients, errors } => {
                let outage = OutageSummary {
                    from: *from,
                    ms: until.map(|until| ms(until.0.saturating_sub(from.0))),
                    clients: *clients,
                    errors: errors.clone(),
                };
                let of = workloads.iter_mut().find(|summary| summary.workload == *workload);
                of.into_iter().for_each(|summary| summary.outages.push(outage.clone()));
            }
            What::WorkloadEnd { workload, ledger } => {
                let of = workloads.iter_mut().find(|summary| summary.workload == *workload);
                of.into_iter().for_each(|summary| summary.ledger = Some(ledger.clone()));
            }
            _ => {}
        }
    }
    workloads
}

fn measures(events: &[(u32, &Event)]) -> Vec<MeasureSummary> {
    struct Gathered {
        name: String,
        unit: String,
        values: Vec<f64>,
        max: Option<f64>,
        min: Option<f64>,
        beyond: usize,
    }
    let mut gathered: Vec<Gathered> = Vec::new();
    for (_, event) in events {
        let What::Measure { name, value, unit, max, min } = &event.what else { continue };
        let beyond = max.is_some_and(|limit| *value > limit) || min.is_some_and(|limit| *value < limit);
        let index = gathered.iter().position(|known| known.name == *name).unwrap_or_else(|| {
            gathered.push(Gathered {
                name: name.clone(),
                unit: unit.clone(),
                values: Vec::new(),
                max: *max,
                min: *min,
                beyond: 0,
            });
            gathered.len() - 1
        });
        gathered[index].values.push(*value);
        gathered[index].beyond += usize::from(beyond);
    }
    let summary = |of: Gathered| {
        Some(MeasureSummary {
            figures: Figures::of(of.values)?,
            name: of.name,
            unit: of.unit,
            max: of.max,
            min: of.min,
            beyond: of.beyond,
        })
    };
    gathered.into_iter().filter_map(summary).collect()
}

fn checks(events: &[(u32, &Event)]) -> Vec<CheckSummary> {
    let mut checks: Vec<CheckSummary> = Vec::new();
    for (repeat, event) in events {
        let What::Check { label, held, line, file, .. } = &event.what else { continue };
        let known =
            checks.iter().position(|check| (&check.label, check.line, &check.file) == (label, *line, file));
        let index = known.unwrap_or_else(|| {
            checks.push(CheckSummary {
                label: label.clone(),
                line: *line,
                file: file.clone(),
                judged: 0,
                held: 0,
                failed_in: Vec::new(),
            });
            checks.len() - 1
        });
        let check = &mut checks[index];
        check.judged += 1;
        check.held += usize::from(*held);
        if !held && !check.failed_in.contains(repeat) {
            check.failed_in.push(*repeat);
        }
    }
    checks
}

fn failover_summaries(repeats: &[Repeat]) -> Vec<FailoverSummary> {
    let most = repeats.iter().map(|repeat| repeat.failovers.len()).max().unwrap_or(0);
    let nth = |n: usize| {
        let all: Vec<&Failover> = repeats.iter().filter_map(|repeat| repeat.failovers.get(n)).collect();
        // In the order of the repeat that has most of them.
        let longest = all.iter().max_by_key(|failover| failover.phases.len())?;
        let phases = longest.phases.iter().filter_map(|phase| {
            let values = all.iter().filter_map(|failover| {
                failover.phases.iter().find(|other| other.name == phase.name).map(|other| other.ms)
            });
            Some(PhaseSummary {
                name: phase.name.clone(),
                until: phase.until.clone(),
                figures: Figures::of(values.collect())?,
            })
        });
        Some(FailoverSummary {
            monitor: longest.monitor.clone(),
            phases: phases.collect(),
            total: Figures::of(all.iter().map(|failover| failover.total_ms).collect())?,
        })
    };
    (0..most).filter_map(nth).collect()
}
