//! SLOWLOG: the commands that took long.

use std::collections::VecDeque;

use resp::Args;
use resp::number::parse_i64;
use types::{Command, CommandError, Flags, Meta};

use super::secrets::without_secrets;
use crate::admin::{container, help, plain};
use crate::client::{Client, State};
use crate::server::Server;
use crate::table::{AdminHandler, Entry};

/// Arguments kept of a command, and bytes of an argument.
const KEPT_ARGS: usize = 32;
const KEPT_BYTES: usize = 128;
/// Entries shown without a count.
const SHOWN: usize = 10;

const BASE: Meta = Meta { group: "server", since: "2.2.12", ..Meta::BASE };
const ADMIN: Meta = Meta { flags: Flags::ADMIN.and(Flags::LOADING).and(Flags::STALE), ..BASE };

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[container(
    Meta {
        name: "slowlog",
        summary: "Tells of commands that took long.",
        complexity: "Depends on subcommand.",
        arity: -2,
        ..BASE
    },
    &[
        plain(
            Meta {
                name: "get",
                summary: "Shows the latest entries.",
                complexity: "O(N), N being the number of entries shown",
                arity: -2,
                tips: &["request_policy:all_nodes", "nondeterministic_output"],
                args: "[count:integer]",
                ..ADMIN
            },
            get,
        ),
        plain(
            Meta {
                name: "len",
                summary: "Counts the entries.",
                arity: 2,
                tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
                ..ADMIN
            },
            len,
        ),
        plain(
            Meta {
                name: "reset",
                summary: "Drops all entries.",
                complexity: "O(N), N being the number of entries",
                arity: 2,
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..ADMIN
            },
            reset,
        ),
        plain(
            Meta {
                name: "help",
                summary: "Lists the subcommands.",
                since: "6.2.0",
                arity: 2,
                flags: Flags::LOADING.and(Flags::STALE),
                ..BASE
            },
            help_,
        ),
    ],
)];

/// A command that took long.
#[derive(Clone, Debug)]
struct SlowEntry {
    id: u64,
    /// Unix time in seconds.
    at_s: i64,
    took_us: i64,
    args: Vec<Vec<u8>>,
    address: String,
    name: String,
}

/// The log, latest first.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    entries: VecDeque<SlowEntry>,
    next_id: u64,
}

impl SlowLog {
    /// Drops the oldest beyond `slowlog-max-len`.
    pub(crate) fn trim(&mut self, max_len: usize) {
        self.entries.truncate(max_len);
    }
}

/// What is kept of a command's arguments.
fn kept(args: &[&[u8]]) -> Vec<Vec<u8>> {
    let whole = if args.len() > KEPT_ARGS { KEPT_ARGS - 1 } else { args.len() };
    let shorten = |arg: &&[u8]| match arg.len().checked_sub(KEPT_BYTES) {
        None | Some(0) => arg.to_vec(),
        Some(more) => [&arg[..KEPT_BYTES], format!("... ({more} more bytes)").as_bytes()].concat(),
    };
    let mut kept: Vec<Vec<u8>> = args[..whole].iter().map(shorten).collect();
    if whole < args.len() {
        kept.push(format!("... ({} more arguments)", args.len() - whole).into_bytes());
    }
    kept
}

impl Server {
    /// Notes a command that took long.
    pub(crate) fn log_slow(&mut self, client: &Client, entry: &Entry, args: Args<'_>, took_us: i64) {
        let max_len = self.config.settings.slowlog_max_len as usize;
        if entry.has(Flags::SKIP_SLOWLOG) || max_len == 0 {
            return;
        }
        // Redis's scripts have a client of their own, which has neither.
        let (address, name) = match client.state.has(State::IN_SCRIPT) {
            true => ("?:0".into(), String::new()),
            false => (client.peer.address.clone(), client.name.clone()),
        };
        let log = &mut self.slowlog;
        log.entries.push_front(SlowEntry {
            id: log.next_id,
            at_s: self.now.wall.0 / 1000,
            took_us,
            args: kept(&without_secrets(entry, args)),
            address,
            name,
        });
        log.next_id += 1;
        log.trim(max_len);
    }
}

fn get(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let count = match args.get(2) {
        _ if args.len() > 3 => {
            let name = String::from_utf8_lossy(args.at(1)).into_owned();
            return Err(CommandError::new(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try SLOWLOG HELP."
            )));
        }
        None => SHOWN,
        Some(word) => match parse_i64(word).filter(|count| *count >= -1) {
            Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
            None => {
                return Err(CommandError::new("ERR count should be greater than or equal to -1"));
            }
        },
    };
    let shown = server.slowlog.entries.iter().take(count);
    let mut writer = client.writer();
    writer.array(shown.len());
    for entry in shown {
        writer.array(6);
        writer.int(entry.id as i64);
        writer.int(entry.at_s);
        writer.int(entry.took_us);
        writer.array(entry.args.len());
        entry.args.iter().for_each(|arg| writer.bulk(arg));
        writer.bulk(entry.address.as_bytes());
        writer.bulk(entry.name.as_bytes());
    }
    Ok(())
}

fn len(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    client.writer().int(server.slowlog.entries.len() as i64);
    Ok(())
}

fn reset(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.slowlog.entries.clear();
    client.writer().ok();
    Ok(())
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    The latest entries (10, or so many; -1 for all): id, Unix time, microseconds,",
            "    arguments, the client's address and name.",
            "LEN",
            "    How many entries there are.",
            "RESET",
            "    Drop all entries.",
        ],
    );
    Ok(())
}
