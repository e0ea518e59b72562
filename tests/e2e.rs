//! End-to-end tests: real processes, real clients, the real `redis-server` beside ours.
//!
//! One target of the supervisor's crate, so that the binary is built before it and everything links once.
//! Needs Debian's `redis-server` package (`apt-get install redis-server`); nothing is skipped without it.

mod e2e {
    mod cases;
    mod declarations;
    mod differential;
    mod engine_clients;
    mod engine_damaged;
    mod engine_persistence;
    mod engine_protocol;
    mod engine_replica_rules;
    mod engine_resync;
    mod engine_startup;
    mod engine_sync;
    mod experiments;
    mod guardian;
    mod pattern;
    mod support;
}
