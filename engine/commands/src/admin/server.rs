//! Administration: INFO, SAVE and its kin, SHUTDOWN, TIME.

use resp::Args;
use types::{Command, CommandError, Flags, Meta};

use super::plain;
use crate::client::Client;
use crate::persistence;
use crate::server::Server;
use crate::table::AdminHandler;

const BASE: Meta = Meta { group: "server", ..Meta::BASE };
const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);
const SAVING: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[
    plain(
        Meta {
            name: "info",
            summary: "Describes the server in named sections.",
            arity: -1,
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
            acl: &["dangerous"],
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            args: "[section [section ...]]",
            ..BASE
        },
        crate::info::info,
    ),
    plain(
        Meta {
            name: "save",
            summary: "Writes the snapshot file and waits for it.",
            complexity: "O(N), N being the number of keys",
            flags: SAVING.and(Flags::NO_MULTI),
            ..BASE
        },
        persistence::save,
    ),
    plain(
        Meta {
            name: "bgsave",
            summary: "Writes the snapshot file in a forked child.",
            arity: -1,
            flags: SAVING,
            args: "[SCHEDULE]",
            ..BASE
        },
        persistence::bgsave,
    ),
    plain(
        Meta {
            name: "bgrewriteaof",
            summary: "Writes the append-only file anew in a forked child.",
            flags: SAVING,
            ..BASE
        },
        crate::aof::bgrewriteaof,
    ),
    plain(
        Meta {
            name: "lastsave",
            summary: "Gives the Unix time of the last snapshot.",
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            acl: &["admin", "dangerous"],
            tips: &["nondeterministic_output"],
            ..BASE
        },
        persistence::lastsave,
    ),
    plain(
        Meta {
            name: "shutdown",
            summary: "Ends the server, saving its data first if it saves at all.",
            arity: -1,
            flags: Flags::ADMIN
                .and(Flags::NOSCRIPT)
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::NO_MULTI)
                .and(Flags::SENTINEL)
                .and(Flags::ALLOW_BUSY),
            args: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
            ..BASE
        },
        persistence::shutdown,
    ),
    plain(
        Meta { name: "monitor", summary: "Shows every command as it runs.", flags: ADMIN, ..BASE },
        crate::monitoring::monitor::monitor,
    ),
    plain(
        Meta {
            name: "time",
            summary: "Gives the server's time.",
            since: "2.6.0",
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            tips: &["nondeterministic_output"],
            ..BASE
        },
        time,
    ),
    plain(
        Meta {
            name: "lolwut",
            summary: "Shows which version this is.",
            since: "5.0.0",
            arity: -1,
            flags: Flags::READONLY.and(Flags::FAST),
            args: "[VERSION version:integer]",
            ..BASE
        },
        super::lolwut::lolwut,
    ),
];

fn time(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let us = server.host.wall_us();
    let mut writer = client.writer();
    writer.array(2);
    writer.bulk_int(us / 1_000_000);
    writer.bulk_int(us % 1_000_000);
    Ok(())
}
