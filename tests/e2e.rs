//! End-to-end tests: real processes, real clients, the real `redis-server` beside ours.
//!
//! One target of the supervisor's crate, so that the binary is built before it and everything links once.
//! Needs Debian's `redis-server` package (`apt-get install redis-server`) and redis-py
//! (`python3 -m venv target/py && target/py/bin/pip install redis==5.0.8`), node and ioredis
//! (`npm install --prefix target/clients/node ioredis@5.4.1`); nothing is skipped without them.

// Nothing of a test is reachable from outside: `pub` here is for the modules beside.
#![allow(unreachable_pub)]

mod e2e {
    mod cases;
    mod declarations;
    mod differential;
    mod engine_aof;
    mod engine_aof_damaged;
    mod engine_clients;
    mod engine_damaged;
    mod engine_failover;
    mod engine_memory;
    mod engine_migrate;
    mod engine_persistence;
    mod engine_protocol;
    mod engine_replica_rules;
    mod engine_resync;
    mod engine_scripts;
    mod engine_standing;
    mod engine_startup;
    mod engine_sync;
    mod engine_values;
    mod experiments;
    mod failover_clients;
    mod guardian;
    mod handlers;
    mod living;
    mod pattern;
    mod sentinel_events;
    mod sentinel_files;
    mod sentinel_quorums;
    mod sentinel_replies;
    mod sentinel_scripts;
    mod support;
    mod topologies;
    mod traps;
    mod view;
    mod watch;
}
