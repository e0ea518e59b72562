//! Declarations of replication commands; the code is in [`crate::replicating`].

use types::{Command, Flags, Meta};

use super::plain;
use crate::replicating;
use crate::table::AdminHandler;

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE);
const BASE: Meta = Meta { group: "server", ..Meta::BASE };
const SYNC: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_MULTI).and(Flags::NO_ASYNC_LOADING);

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[
    plain(
        Meta {
            name: "replicaof",
            summary: "Makes the server a replica of another, or a master.",
            since: "5.0.0",
            arity: 3,
            flags: ADMIN.and(Flags::NO_ASYNC_LOADING),
            args: "host port:integer | NO ONE",
            ..BASE
        },
        replicating::replicaof,
    ),
    plain(
        Meta {
            name: "slaveof",
            summary: "The older name of REPLICAOF.",
            arity: 3,
            flags: ADMIN.and(Flags::NO_ASYNC_LOADING),
            args: "host port:integer | NO ONE",
            ..BASE
        },
        replicating::replicaof,
    ),
    plain(
        Meta {
            name: "failover",
            summary: "Has this master and one of its replicas change places.",
            since: "6.2.0",
            arity: -1,
            flags: ADMIN,
            args: "[TO host port:integer [FORCE]] [ABORT] [TIMEOUT milliseconds:integer]",
            ..BASE
        },
        replicating::failover,
    ),
    plain(
        Meta {
            name: "role",
            summary: "Tells whether the server is a master or a replica, and of its peers.",
            since: "2.8.12",
            flags: Flags::NOSCRIPT
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::SENTINEL),
            acl: &["admin", "dangerous"],
            ..BASE
        },
        replicating::role,
    ),
    plain(
        Meta {
            name: "replconf",
            summary: "What replicas and their master tell each other.",
            since: "3.0.0",
            arity: -1,
            flags: ADMIN.and(Flags::LOADING).and(Flags::ALLOW_BUSY),
            ..BASE
        },
        replicating::replconf,
    ),
    plain(
        Meta {
            name: "psync",
            summary: "Asks for the stream from an offset on.",
            since: "2.8.0",
            arity: -3,
            flags: SYNC,
            args: "replicationid offset:integer",
            ..BASE
        },
        replicating::psync,
    ),
    plain(
        Meta { name: "sync", summary: "Asks for a snapshot and the stream after it.", flags: SYNC, ..BASE },
        replicating::sync,
    ),
    plain(
        Meta {
            name: "wait",
            summary: "Waits until replicas have acknowledged this connection's writes.",
            since: "3.0.0",
            group: "generic",
            arity: 3,
            flags: Flags::NOSCRIPT.and(Flags::BLOCKING),
            acl: &["connection"],
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            args: "numreplicas:integer timeout:integer",
            ..BASE
        },
        replicating::wait,
    ),
    plain(
        Meta {
            name: "waitaof",
            summary: "Waits until this connection's writes are on the disks of the server and its replicas.",
            since: "7.2.0",
            group: "generic",
            arity: 4,
            flags: Flags::NOSCRIPT.and(Flags::BLOCKING),
            acl: &["connection"],
            tips: &["request_policy:all_shards", "response_policy:agg_min"],
            args: "numlocal:integer numreplicas:integer timeout:integer",
            ..BASE
        },
        crate::aof::waitaof,
    ),
];
