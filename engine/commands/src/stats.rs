//! Counters behind INFO's Stats, Commandstats and Errorstats.

use std::collections::BTreeMap;

use crate::monitoring::histogram::Histogram;
use crate::table::{Entry, Table};

/// Samples kept for rates.
const SAMPLES: usize = 16;
/// Distinct error codes counted before the rest are no longer told apart.
const MOST_ERROR_CODES: usize = 128;

/// Counters since the server began or CONFIG RESETSTAT.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) connections: u64,
    pub(crate) rejected_connections: u64,
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    /// From the master, and to replicas (the stream; snapshots are the shell's).
    pub(crate) repl_input_bytes: u64,
    pub(crate) repl_output_bytes: u64,
    /// Times clients' input was handled, and output was sent.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) error_count: u64,
    pub(crate) sync_full: u64,
    pub(crate) sync_partial_ok: u64,
    pub(crate) sync_partial_err: u64,
    /// By a command's number in the table.
    per_command: Vec<CommandStats>,
    samples: [Rates; SAMPLES],
    next_sample: usize,
    last: Option<(u64, [u64; RATES])>,
}

/// Counters of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandStats {
    pub(crate) calls: u64,
    /// Time of all calls, in nanoseconds.
    pub(crate) took_ns: u64,
    /// Refused before it ran.
    pub(crate) rejected: u64,
    /// Answered with an error.
    pub(crate) failed: u64,
    pub(crate) histogram: Option<Box<Histogram>>,
}

/// Numbers in [`Rates`].
const RATES: usize = 7;

/// Per second: commands; bytes in and out for clients; bytes in and out for replication; cycles of the event
/// loop; microseconds that commands took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates(pub(crate) [f64; RATES]);

impl Stats {
    /// Time of all commands, in nanoseconds.
    pub(crate) fn commands_ns(&self) -> u64 {
        self.per_command.iter().map(|one| one.took_ns).sum()
    }

    fn of(&mut self, number: usize) -> &mut CommandStats {
        if self.per_command.len() <= number {
            self.per_command.resize(number + 1, CommandStats::default());
        }
        &mut self.per_command[number]
    }

    /// Calls of the command with this number took so long each.
    pub(crate) fn took(&mut self, number: usize, ns: u64, times: u64, with_histogram: bool) {
        let stats = self.of(number);
        stats.calls += times;
        stats.took_ns += ns * times;
        if with_histogram {
            stats.histogram.get_or_insert_default().add(ns, times);
        }
    }

    /// A command was refused before it ran.
    pub(crate) fn rejected(&mut self, entry: &Entry) {
        self.of(entry.number).rejected += 1;
    }

    /// A command that ran was answered with an error.
    pub(crate) fn failed(&mut self, entry: &Entry) {
        self.of(entry.number).failed += 1;
    }

    /// A command was answered with an error.
    pub(crate) fn error(&mut self, text: &str) {
        self.error_count += 1;
        let code = text.split_once(' ').map_or("ERR", |(code, _)| code);
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < MOST_ERROR_CODES {
            self.errors.insert(code.to_string(), 1);
        }
    }

    /// The commands of the server's table that have counters.
    pub(crate) fn commands(
        &self,
        table: &'static Table,
    ) -> impl Iterator<Item = (&'static Entry, &CommandStats)> {
        table.all().filter_map(|entry| Some((entry, self.per_command.get(entry.number)?)))
    }

    /// The durations of a command, if any were counted.
    pub(crate) fn histogram(&self, entry: &Entry) -> Option<&Histogram> {
        self.per_command.get(entry.number)?.histogram.as_deref()
    }

    /// Takes a sample for the rates, some ten times a second.
    pub(crate) fn sample(&mut self, now_ms: u64, ticks: u64) {
        let counts = [
            self.commands,
            self.input_bytes,
            self.output_bytes,
            self.repl_input_bytes,
            self.repl_output_bytes,
            self.reads + ticks,
            self.commands_ns() / 1000,
        ];
        if let Some((then_ms, before)) = self.last {
            let elapsed_ms = now_ms.saturating_sub(then_ms);
            if elapsed_ms < 90 {
                return;
            }
            let rate = |index: usize| {
                counts[index].saturating_sub(before[index]) as f64 * 1000.0 / elapsed_ms as f64
            };
            self.samples[self.next_sample] = Rates(std::array::from_fn(rate));
            self.next_sample = (self.next_sample + 1) % SAMPLES;
        }
        self.last = Some((now_ms, counts));
    }

    /// Mean rates over the samples.
    pub(crate) fn rates(&self) -> Rates {
        let mean =
            |index: usize| self.samples.iter().map(|sample| sample.0[index]).sum::<f64>() / SAMPLES as f64;
        Rates(std::array::from_fn(mean))
    }
}
