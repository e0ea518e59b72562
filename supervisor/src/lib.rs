//! Topple's supervisor: topology language → plan → processes → experiments → report.

#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
pub mod clock;
pub mod control;
pub mod experiment;
pub mod guardian;
pub mod history;
pub mod interrupt;
pub mod journal;
pub mod lang;
pub mod launch;
pub mod nodes;
pub mod plan;
pub mod ports;
pub mod present;
pub mod ready;
pub mod replan;
pub mod report;
pub mod run_dir;
pub mod script_shim;
pub mod stage;
pub mod view;
pub mod watch;
pub mod workload;
pub mod world;
pub mod world_real;
