//! The [`Server`] value: command table, dispatch, configuration, transactions, pub/sub, administration.
//!
//! A server is a plain value without sockets, clock or threads. The shell gives it bytes a client sent and
//! the time, and takes the bytes to send back; what must be done outside at once (a file, a fork, the log)
//! goes through [`Host`]. So a whole server runs inside a unit test or a simulation.
//!
//! How a command flows: [`Server::handle`] parses a batch, looks every command up in the table, prefetches
//! its first key, then for each: arity, gates, call, effects. Effects (changed keys, events, what to
//! replicate) are gathered here and nowhere else.

#![forbid(unsafe_code)]

pub mod config;

mod acl;
mod admin;
mod aof;
mod blocking;
#[cfg(test)]
mod blocking_tests;
mod client;
mod client_memory;
mod clients;
#[cfg(test)]
mod clients_tests;
mod command_info;
mod command_keys;
mod dispatch;
mod eviction;
#[cfg(test)]
mod eviction_tests;
mod expiry;
mod feed;
mod gates;
mod host;
mod info;
mod memory_report;
mod migrating;
mod monitoring;
mod persistence;
mod pubsub;
mod replicating;
mod scripting;
mod sentinel_mode;
mod server;
pub mod snapshot;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod tracking;
mod transactions;

pub use aof::LoadPlan;
pub use aof::journal::{Appended, Begin, Journal, SyncState};
pub use client::{ClientId, Peer};
pub use host::{
    AllocatorFigures, Figures, Garbage, Host, LazyFreed, PeerConnection, PeerError, SnapshotTarget,
};
pub use persistence::SnapshotResult;
pub use replicating::MasterRequest;
pub use replication::replica::Input as LinkInput;
pub use server::{Handled, Identity, Server, Then};
