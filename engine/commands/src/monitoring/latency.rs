//! LATENCY: what took the server's time, by event; and how long commands take, as histograms.
//!
//! An event that takes at least `latency-monitor-threshold` is a sample; of a second, the longest is kept.

use std::collections::{BTreeMap, VecDeque};

use resp::Args;
use types::{Command, CommandError, Flags, Meta};

use super::latency_report::{doctor_text, graph_text};
use crate::admin::{container, help, plain};
use crate::client::Client;
use crate::server::Server;
use crate::table::{AdminHandler, Entry};

/// Samples kept of an event.
const KEPT: usize = 160;

const BASE: Meta = Meta { group: "server", since: "2.8.13", ..Meta::BASE };
const ADMIN: Meta = Meta {
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    ..BASE
};

const fn sub(name: &'static str, summary: &'static str, arity: i32, args: &'static str) -> Meta {
    Meta { name, summary, arity, args, ..ADMIN }
}

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[container(
    Meta {
        name: "latency",
        summary: "Tells what takes the server's time.",
        complexity: "Depends on subcommand.",
        arity: -2,
        ..BASE
    },
    &[
        plain(sub("doctor", "Says what the samples mean.", 2, ""), doctor),
        plain(sub("graph", "Draws an event's samples.", 3, "event"), graph),
        plain(
            Meta {
                flags: Flags::LOADING.and(Flags::STALE),
                tips: &[],
                ..sub("help", "Lists the subcommands.", 2, "")
            },
            help_,
        ),
        plain(
            Meta {
                since: "7.0.0",
                complexity: "O(N), N being the number of commands with a histogram",
                ..sub("histogram", "Counts the durations of commands.", -2, "[command [command ...]]")
            },
            histogram,
        ),
        plain(sub("history", "Gives an event's samples.", 3, "event"), history),
        plain(sub("latest", "Gives each event's latest sample.", 2, ""), latest),
        plain(
            Meta {
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..sub("reset", "Drops the samples of events, or all.", -2, "[event [event ...]]")
            },
            reset,
        ),
    ],
)];

/// A sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Unix time in seconds.
    pub(super) at_s: i64,
    pub(super) took_ms: i64,
}

/// The samples of an event, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) samples: VecDeque<Sample>,
    /// The longest ever.
    pub(super) longest_ms: i64,
}

/// All events.
#[derive(Debug, Default)]
pub(crate) struct Latencies(pub(super) BTreeMap<&'static str, Series>);

impl Latencies {
    fn add(&mut self, event: &'static str, sample: Sample) {
        let series = self.0.entry(event).or_default();
        series.longest_ms = series.longest_ms.max(sample.took_ms);
        match series.samples.back_mut() {
            Some(last) if last.at_s == sample.at_s => last.took_ms = last.took_ms.max(sample.took_ms),
            _ => series.samples.push_back(sample),
        }
        if series.samples.len() > KEPT {
            series.samples.pop_front();
        }
    }
}

impl Server {
    /// Notes that an event took so long, if that is worth noting.
    pub(crate) fn note_latency(&mut self, event: &'static str, took_ms: i64) {
        let threshold_ms = self.config.settings.latency_monitor_threshold;
        if threshold_ms > 0 && took_ms >= threshold_ms {
            self.latencies.add(event, Sample { at_s: self.now.wall.0 / 1000, took_ms });
        }
    }

    /// The same, told in microseconds.
    pub(crate) fn note_latency_us(&mut self, event: &'static str, took_us: u64) {
        self.note_latency(event, (took_us / 1000) as i64);
    }

    /// Something begins that is worth noting if it takes long; gives the clock, where anybody wants to know.
    pub(crate) fn begin_latency(&mut self) -> Option<u64> {
        (self.config.settings.latency_monitor_threshold > 0).then(|| self.host.clock_us())
    }

    /// It has ended.
    pub(crate) fn end_latency(&mut self, event: &'static str, started_us: Option<u64>) {
        if let Some(started_us) = started_us {
            let took_us = self.host.clock_us().saturating_sub(started_us);
            self.note_latency_us(event, took_us);
        }
    }
}

/// The event that an argument names, if it has samples.
fn series<'a>(server: &'a Server, name: &[u8]) -> Option<&'a Series> {
    server.latencies.0.iter().find(|(event, _)| event.as_bytes() == name).map(|(_, series)| series)
}

fn latest(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let mut writer = client.writer();
    writer.array(server.latencies.0.len());
    for (event, series) in &server.latencies.0 {
        let last = series.samples.back().copied().unwrap_or(Sample { at_s: 0, took_ms: 0 });
        writer.array(4);
        writer.bulk(event.as_bytes());
        [last.at_s, last.took_ms, series.longest_ms].iter().for_each(|number| writer.int(*number));
    }
    Ok(())
}

fn history(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let samples = series(server, args.at(2)).map_or_else(VecDeque::new, |series| series.samples.clone());
    let mut writer = client.writer();
    writer.array(samples.len());
    for sample in samples {
        writer.array(2);
        writer.int(sample.at_s);
        writer.int(sample.took_ms);
    }
    Ok(())
}

fn graph(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let name = String::from_utf8_lossy(args.at(2)).into_owned();
    let Some(series) = series(server, args.at(2)) else {
        return Err(CommandError::new(format!("ERR No samples available for event '{name}'")));
    };
    let text = graph_text(&name, series, server.wall_seconds());
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

fn doctor(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let threshold_ms = server.config.settings.latency_monitor_threshold;
    let text = doctor_text(&server.latencies, threshold_ms, &server.config.settings);
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

fn reset(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let all = args.len() == 2;
    let before = server.latencies.0.len();
    let named = |event: &str| args.from(2).iter().any(|name| name == event.as_bytes());
    server.latencies.0.retain(|event, _| !all && !named(event));
    client.writer().int((before - server.latencies.0.len()) as i64);
    Ok(())
}

fn histogram(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let named = |entry: &&'static Entry| {
        let is = |name: &[u8]| {
            let found = server.table.find_full(name);
            let parts = found.map_or(&[][..], |found| found.subcommands.as_slice());
            found.is_some_and(|found| std::ptr::eq(found, *entry))
                || parts.iter().any(|part| std::ptr::eq(part, *entry))
        };
        args.len() == 2 || args.from(2).iter().any(is)
    };
    let entries: Vec<&Entry> = server.table.all().filter(named).collect();
    let shown: Vec<_> =
        entries.iter().filter_map(|entry| Some((entry, server.stats.histogram(entry)?))).collect();
    let mut writer = client.writer();
    writer.map(shown.len());
    for (entry, histogram) in shown {
        writer.bulk(entry.full_name.as_bytes());
        writer.map(2);
        writer.bulk(b"calls");
        writer.int(histogram.total() as i64);
        writer.bulk(b"histogram_usec");
        let limits = histogram.doubling();
        writer.map(limits.len());
        for (limit_us, count) in limits {
            writer.int(limit_us as i64);
            writer.int(count as i64);
        }
    }
    Ok(())
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "LATENCY",
        &[
            "DOCTOR",
            "    What the samples mean, in words.",
            "GRAPH <event>",
            "    An event's samples, drawn.",
            "HISTOGRAM [<command> ...]",
            "    How many calls of commands took up to how many microseconds.",
            "HISTORY <event>",
            "    An event's samples: Unix time and milliseconds.",
            "LATEST",
            "    Each event's latest sample and longest duration.",
            "RESET [<event> ...]",
            "    Drop the samples of events, or all.",
        ],
    );
    Ok(())
}
