//! Administration: INFO, SAVE and its kin, SHUTDOWN, TIME, DEBUG, MEMORY's basics.

use resp::Args;
use resp::number::{parse_f64, parse_i64};
use types::{Command, CommandError, Flags, Meta};

use super::{container, help, plain};
use crate::client::Client;
use crate::persistence;
use crate::server::Server;
use crate::table::AdminHandler;

const BASE: Meta = Meta { group: "server", ..Meta::BASE };
const SAVING: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);
const DEBUG: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);

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
            flags: DEBUG.and(Flags::NO_MULTI).and(Flags::SENTINEL).and(Flags::ALLOW_BUSY),
            args: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
            ..BASE
        },
        persistence::shutdown,
    ),
    plain(
        Meta { name: "monitor", summary: "Shows every command as it runs.", flags: DEBUG, ..BASE },
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
    container(
        Meta { name: "debug", summary: "Tools for those who test servers.", arity: -2, flags: DEBUG, ..BASE },
        &[
            plain(
                Meta {
                    name: "sleep",
                    summary: "Stops everything for so many seconds.",
                    arity: 3,
                    flags: DEBUG,
                    args: "seconds:double",
                    ..BASE
                },
                debug_sleep,
            ),
            plain(
                Meta {
                    name: "set-active-expire",
                    summary: "Turns the deletion of expired keys on or off.",
                    arity: 3,
                    flags: DEBUG,
                    args: "0 | 1",
                    ..BASE
                },
                debug_set_active_expire,
            ),
            plain(
                Meta {
                    name: "change-repl-id",
                    summary: "Takes a new replication id.",
                    arity: 2,
                    flags: DEBUG,
                    ..BASE
                },
                debug_change_repl_id,
            ),
            plain(
                Meta {
                    name: "populate",
                    summary: "Adds keys key:0, key:1 and so on.",
                    arity: -3,
                    flags: DEBUG,
                    args: "count:integer [prefix [size:integer]]",
                    ..BASE
                },
                debug_populate,
            ),
            plain(
                Meta { name: "help", summary: "Lists the subcommands.", arity: 2, flags: DEBUG, ..BASE },
                debug_help,
            ),
        ],
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
        lolwut,
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

fn lolwut(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let text = concat!("Topple ver. ", env!("CARGO_PKG_VERSION"), ", as Redis ver. 7.2.4\n");
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

/// DEBUG is for those whom `enable-debug-command` lets.
fn may_debug(server: &Server, client: &Client) -> Result<(), CommandError> {
    if server.config.settings.enable_debug_command.allows(client) {
        return Ok(());
    }
    Err(CommandError::new(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the \
         server.",
    ))
}

fn debug_sleep(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    may_debug(server, client)?;
    let seconds = parse_f64(args.at(2)).filter(|seconds| (0.0..1e9).contains(seconds)).unwrap_or(0.0);
    server.host.sleep(seconds);
    client.writer().ok();
    Ok(())
}

fn debug_set_active_expire(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    may_debug(server, client)?;
    server.active_expire = parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)? != 0;
    client.writer().ok();
    Ok(())
}

fn debug_change_repl_id(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    may_debug(server, client)?;
    server.change_replication_id();
    client.writer().ok();
    Ok(())
}

fn debug_populate(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    may_debug(server, client)?;
    let count = parse_i64(args.at(2)).and_then(|n| u64::try_from(n).ok()).ok_or(CommandError::OutOfRange)?;
    let prefix = String::from_utf8_lossy(args.get(3).unwrap_or(b"key")).into_owned();
    let size = match args.get(4) {
        Some(size) => {
            parse_i64(size).and_then(|n| usize::try_from(n).ok()).ok_or(CommandError::OutOfRange)?
        }
        None => 0,
    };
    let stamp = (server.now.wall.0 / 1000) as u32 & 0x00ff_ffff;
    let db = &mut server.dbs[client.db as usize];
    for index in 0..count {
        let key = format!("{prefix}:{index}");
        let hash = db.hash_of(key.as_bytes());
        if db.get(hash, key.as_bytes()).is_none() {
            let mut value = format!("value:{index}").into_bytes();
            if size > 0 {
                value.resize(size, 0);
            }
            db.set_bytes(hash, key.as_bytes(), &value, keyspace::Expiry::Clear, stamp);
        }
    }
    client.writer().ok();
    Ok(())
}

fn debug_help(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    may_debug(server, client)?;
    help(
        client,
        "DEBUG",
        &[
            "CHANGE-REPL-ID",
            "    Take a new replication id; replicas will need a full sync.",
            "POPULATE <count> [<prefix>] [<size>]",
            "    Add <count> string keys; existing ones stay.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Stop or resume deleting expired keys by themselves.",
            "SLEEP <seconds>",
            "    Stop everything for a while.",
        ],
    );
    Ok(())
}
