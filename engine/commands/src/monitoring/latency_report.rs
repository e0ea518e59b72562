//! Latencies for people: LATENCY GRAPH and LATENCY DOCTOR.
//!
//! The graph has four rows, a column for each sample and below it how long ago that was; the advice follows
//! from the events that were noted and from settings known to cost time.

use std::fmt::Write as _;

use super::latency::{Latencies, Series};
use crate::config::Settings;

/// Samples drawn, and rows.
const COLUMNS: usize = 80;
const ROWS: i64 = 4;

/// An event's latest samples.
pub(super) fn graph_text(event: &str, series: &Series, now_s: i64) -> String {
    let skipped = series.samples.len().saturating_sub(COLUMNS);
    let samples: Vec<_> = series.samples.iter().skip(skipped).collect();
    let high = samples.iter().map(|sample| sample.took_ms).max().unwrap_or(0);
    let low = samples.iter().map(|sample| sample.took_ms).min().unwrap_or(0);
    let mut text = format!(
        "{event} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        series.longest_ms,
        "-".repeat(COLUMNS)
    );
    // Half rows: the top of a column is a bar low or high in its row.
    let range = (high - low).max(1);
    let heights: Vec<i64> =
        samples.iter().map(|sample| (sample.took_ms - low) * (ROWS * 2 - 1) / range).collect();
    for row in (0..ROWS).rev() {
        let cell = |height: &i64| match height - row * 2 {
            ..0 => ' ',
            0 => '_',
            1 => 'o',
            _ => '#',
        };
        let line: String = heights.iter().map(cell).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    let ages: Vec<String> = samples.iter().map(|sample| age(now_s - sample.at_s)).collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    for at in 0..longest {
        let line: String = ages.iter().map(|age| age.chars().nth(at).unwrap_or(' ')).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// `5s`, `3m`, `2h`, `1d`.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ ..60 => format!("{s}s"),
        s @ ..3600 => format!("{}m", s / 60),
        s @ ..86_400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// Advice for an event.
fn advice(event: &str) -> &'static str {
    match event {
        "command" => {
            "Look into SLOWLOG GET for commands that run long, and avoid those whose cost grows with the data \
             (KEYS, SMEMBERS of large sets, unbounded ranges); SCAN and its kin do the same in pieces."
        }
        "fast-command" => {
            "Commands of constant cost were slow: the machine itself is probably busy, swapping, or a virtual one \
             that is short of processor time."
        }
        "fork" => {
            "Forking for snapshots takes time that grows with the memory in use; snapshots at quiet hours, or on a \
             replica, keep it from clients."
        }
        "expire-cycle" => {
            "Many keys expire at the same moment: spread their deadlines, or lower active-expire-effort."
        }
        "expire-del" => {
            "Values that expire are large and freed while clients wait: set lazyfree-lazy-expire to yes, or keep \
             them in smaller keys."
        }
        "eviction-cycle" => {
            "Memory is short and keys are evicted while clients wait: raise maxmemory, keep less, or lower \
             maxmemory-eviction-tenacity."
        }
        "eviction-del" => {
            "Values that are evicted are large and freed while clients wait: set lazyfree-lazy-eviction to yes."
        }
        "rdb-unlink-temp-file" => {
            "Removing the file of a snapshot that was broken off takes long: the disk is slow or busy, and large \
             files are slow to remove on some file systems."
        }
        _ => "Compare the times of these samples with what else happened on the machine.",
    }
}

/// What the samples mean.
pub(super) fn doctor_text(latencies: &Latencies, threshold_ms: i64, settings: &Settings) -> String {
    if threshold_ms == 0 {
        return "Nothing is noted, so nothing can be said: latency monitoring is off. Turn it on with \
                \"CONFIG SET latency-monitor-threshold <milliseconds>\", and ask again later.\n"
            .into();
    }
    if latencies.0.is_empty() {
        return format!(
            "All is well: nothing took {threshold_ms} ms or longer since this server began to look.\n"
        );
    }
    let mut text = format!("Some things took {threshold_ms} ms or longer:\n\n");
    for (number, (event, series)) in latencies.0.iter().enumerate() {
        let count = series.samples.len() as i64;
        let sum: i64 = series.samples.iter().map(|sample| sample.took_ms).sum();
        let mean = sum / count.max(1);
        let deviation: i64 =
            series.samples.iter().map(|sample| (sample.took_ms - mean).abs()).sum::<i64>() / count.max(1);
        let span_s =
            series.samples.back().map_or(0, |s| s.at_s) - series.samples.front().map_or(0, |s| s.at_s);
        let _ = writeln!(
            text,
            "{}. {event}: {count} samples, {mean} ms on average, mean deviation {deviation} ms, one every {:.2} \
             seconds; the longest took {} ms.",
            number + 1,
            span_s as f64 / count.max(1) as f64,
            series.longest_ms
        );
    }
    text.push_str("\nWhat may help:\n\n");
    for event in latencies.0.keys() {
        let _ = writeln!(text, "- {event}: {}", advice(event));
    }
    let slow = settings.slowlog_log_slower_than;
    if latencies.0.contains_key("command") && (slow < 0 || slow / 1000 > threshold_ms) {
        let _ = writeln!(
            text,
            "- The slow log misses what is noted here: \"CONFIG SET slowlog-log-slower-than {}\" would show it.",
            threshold_ms * 1000
        );
    }
    text
}
