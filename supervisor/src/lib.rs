//! Topple's supervisor: topology language → plan → processes → experiments → report.

#![forbid(unsafe_code)]

pub mod client;
pub mod clock;
pub mod guardian;
pub mod history;
pub mod journal;
pub mod plan;
pub mod ready;
pub mod run_dir;
pub mod watch;
pub mod world;
