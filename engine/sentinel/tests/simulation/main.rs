//! Sentinels in virtual time: a network, fake servers, faults from a seed,
//! and checkers over what happened.
//!
//! Nothing here waits: time jumps to the next event. A seed gives the same
//! run every time, so a failing one is pasted into `seeds.rs`.
#![allow(clippy::print_stdout, reason = "the figures and failing seeds are for a human")]

mod checks;
mod formats;
mod scenarios;
mod scripts;
mod seeds;
mod server;
mod timing;
mod world;
