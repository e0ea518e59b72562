//! Counters behind INFO's Stats, Commandstats and Errorstats.

use std::collections::BTreeMap;

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
    /// Calls of each command, by its number in the table.
    calls: Vec<u64>,
    samples: [Rates; SAMPLES],
    next_sample: usize,
    last: Option<(u64, [u64; RATES])>,
}

/// Numbers in [`Rates`].
const RATES: usize = 5;

/// Per second: commands; bytes in and out for clients; bytes in and out for replication.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates(pub(crate) [f64; RATES]);

impl Stats {
    /// A command is called.
    pub(crate) fn call(&mut self, entry: &Entry) {
        self.commands += 1;
        if self.calls.len() <= entry.number {
            self.calls.resize(entry.number + 1, 0);
        }
        self.calls[entry.number] += 1;
    }

    /// A command was answered with an error.
    pub(crate) fn error(&mut self, text: &str) {
        self.error_count += 1;
        let code = text.split(' ').next().unwrap_or_default();
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < MOST_ERROR_CODES {
            self.errors.insert(code.to_string(), 1);
        }
    }

    /// Calls of each command of the server's table that was called.
    pub(crate) fn calls(&self, table: &'static Table) -> impl Iterator<Item = (&'static Entry, u64)> {
        let all = table.entries().iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands));
        all.filter_map(|entry| {
            self.calls.get(entry.number).filter(|calls| **calls > 0).map(|calls| (entry, *calls))
        })
    }

    /// Takes a sample for the rates, some ten times a second.
    pub(crate) fn sample(&mut self, now_ms: u64) {
        let counts = [
            self.commands,
            self.input_bytes,
            self.output_bytes,
            self.repl_input_bytes,
            self.repl_output_bytes,
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
