//! Topple's supervisor: topology language → plan → processes → experiments → report.

#![forbid(unsafe_code)]

pub mod history;
pub mod plan;
pub mod world;
