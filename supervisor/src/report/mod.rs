//! The report: what a run's history says, as a pure function of it.
//!
//! - [`summary`]: a history taken apart into experiments, repeats, checks, measures, outages, ledgers.
//! - [`failover`]: the anatomy of each failover, in phases that add up.
//! - [`timeline`]: what happened in a repeat, line by line.
//! - [`figures`]: minimum, median, p90 and maximum over repeats.
//! - [`text`], [`json`]: the two forms.
//! - [`live`]: lines for events as they come.
//! - [`paint`], [`table`]: colours and aligned columns.
//!
//! Nothing here reads a clock, a file or a socket: the same history always gives the same report.

pub mod failover;
pub mod figures;
pub mod json;
pub mod live;
pub mod paint;
pub mod status;
pub mod summary;
pub mod table;
pub mod text;
pub mod timeline;

#[cfg(test)]
mod tests;
