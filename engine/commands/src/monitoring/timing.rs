//! How long commands take, at little cost.
//!
//! Reading the clock costs as much as a tenth of a pipelined GET. So data commands whose cost is small
//! whatever the data are timed together as long as they follow each other: one reading ends the run and
//! begins the next, and each of the run gets an equal share. Everything else is timed alone. When somebody
//! looks closely (a low threshold of the slow log, or any of latencies), everything is.

use resp::Args;

use crate::client::{Client, State};
use crate::monitoring::monitor::is_script;
use crate::server::Server;
use crate::table::Entry;

/// Commands timed together at the most.
const RUN: usize = 16;
/// Thresholds below this need every command timed alone, in microseconds.
const CLOSE_US: i64 = 1000;

/// The clock as last read, and the commands run since.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    last_ns: u64,
    /// Numbers of the commands of the run.
    run: [u16; RUN],
    run_length: usize,
    /// Every command is timed alone.
    closely: bool,
    /// More than one command has come at once.
    several: bool,
    /// `latency-tracking`.
    keeps_histograms: bool,
}

impl Server {
    /// So many commands are about to run: reads the clock.
    pub(crate) fn begin_timing(&mut self, commands: usize) {
        self.timing.several = commands > 1;
        self.timing.last_ns = self.host.monotonic_ns();
    }

    /// Thresholds may have changed.
    pub(crate) fn refresh_timing(&mut self) {
        let settings = &self.config.settings;
        self.timing.closely = (0..CLOSE_US).contains(&settings.slowlog_log_slower_than)
            || settings.latency_monitor_threshold > 0;
        self.timing.keeps_histograms = settings.latency_tracking;
    }

    /// Whether a command may be timed together with its neighbours. Where it has none, its own time costs no
    /// more.
    pub(crate) fn is_timed_in_runs(&self, client: &Client, entry: &Entry, args: Args<'_>) -> bool {
        args.len() <= entry.quick_up_to
            && !self.timing.closely
            && (self.timing.several || client.state.has(State::IN_SCRIPT))
    }

    /// A command that is timed with its neighbours has run.
    pub(crate) fn add_to_run(&mut self, entry: &Entry) {
        let timing = &mut self.timing;
        timing.run[timing.run_length] = entry.number as u16;
        timing.run_length += 1;
        if timing.run_length == RUN {
            self.end_run();
        }
    }

    /// Ends a run: its time is shared out. Gives the clock.
    pub(crate) fn end_run(&mut self) -> u64 {
        if self.timing.run_length == 0 {
            return self.timing.last_ns;
        }
        let now_ns = self.host.monotonic_ns();
        let timing = &mut self.timing;
        let share = now_ns.saturating_sub(timing.last_ns) / timing.run_length as u64;
        for alike in timing.run[..timing.run_length].chunk_by(|a, b| a == b) {
            self.stats.took(usize::from(alike[0]), share, alike.len() as u64, timing.keeps_histograms);
        }
        timing.run_length = 0;
        timing.last_ns = now_ns;
        now_ns
    }

    /// A command that is timed alone begins; gives the clock.
    pub(crate) fn begin_alone(&mut self, client: &Client, entry: &Entry, args: Args<'_>) -> u64 {
        // What a script calls is shown behind the script.
        if !self.monitors.is_empty() && is_script(entry) {
            self.show_line_to_monitors(client, entry, args);
        }
        self.end_run()
    }

    /// A command that is timed alone, begun at `start_ns`, has run.
    pub(crate) fn end_alone(
        &mut self,
        client: &Client,
        entry: &'static Entry,
        args: Args<'_>,
        start_ns: u64,
    ) {
        self.end_run();
        let now_ns = self.host.monotonic_ns();
        self.timing.last_ns = now_ns;
        let took_ns = now_ns.saturating_sub(start_ns);
        self.stats.took(entry.number, took_ns, 1, self.timing.keeps_histograms);
        self.note_if_slow(client, entry, args, took_ns / 1000);
    }

    /// A command that waited is over without having run.
    pub(crate) fn count_ended_wait(&mut self, entry: &Entry) {
        self.stats.took(entry.number, 0, 1, self.timing.keeps_histograms);
    }

    fn note_if_slow(&mut self, client: &Client, entry: &'static Entry, args: Args<'_>, took_us: u64) {
        let settings = &self.config.settings;
        let took_us = took_us as i64;
        let slow = settings.slowlog_log_slower_than;
        if slow >= 0 && took_us >= slow {
            self.log_slow(client, entry, args, took_us);
        }
        let threshold_ms = self.config.settings.latency_monitor_threshold;
        if threshold_ms > 0 && took_us / 1000 >= threshold_ms {
            let event = if entry.has(types::Flags::FAST) { "fast-command" } else { "command" };
            self.note_latency(event, took_us / 1000);
        }
    }
}
