//! What the server tells of its own work: MONITOR, the slow log, latencies.

pub(crate) mod histogram;
pub(crate) mod latency;
mod latency_report;
pub(crate) mod monitor;
mod secrets;
pub(crate) mod slowlog;
#[cfg(test)]
mod tests;
pub(crate) mod timing;
