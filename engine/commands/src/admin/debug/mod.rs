//! DEBUG: what those need who test servers, guarded by `enable-debug-command`.
//!
//! It has no declared subcommands, as in Redis: each is found here by name and number of arguments.
//! - `data`: whole data sets: RELOAD, POPULATE; `digest`: digests of values and of everything.
//! - `inspect`: OBJECT, HTSTATS and the like; `protocol`: every kind of reply.
//! - `process`: what slows, stops or ends the process.
//!
//! Figures of allocations and encodings are this server's own. The names, the arguments and the errors are
//! those of Redis 7.2.

mod data;
mod digest;
mod inspect;
mod process;
mod protocol;
#[cfg(test)]
mod tests;

use resp::Args;
use types::{Command, CommandError, Flags, Meta};

use super::{help, plain};
use crate::client::Client;
use crate::server::Server;
use crate::table::AdminHandler;

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[plain(
    Meta {
        name: "debug",
        summary: "Tools for those who test servers.",
        complexity: "Depends on subcommand.",
        group: "server",
        arity: -2,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE).and(Flags::PROTECTED),
        args: "subcommand",
        ..Meta::BASE
    },
    debug,
)];

/// What DEBUG has switched.
#[derive(Debug, Default)]
pub(crate) struct DebugState {
    /// PAUSE-CRON: the timer does nothing.
    pub(crate) cron_paused: bool,
    /// SET-DISABLE-DENY-SCRIPTS: scripts may call what is denied to them.
    pub(crate) disable_deny_scripts: bool,
    /// SET-SKIP-CHECKSUM-VALIDATION: snapshots are loaded whatever their checksum.
    pub(crate) skip_checksums: bool,
}

/// A subcommand: its name, how many arguments it takes (its name included), what it does.
type Subcommand = (&'static str, std::ops::RangeInclusive<usize>, AdminHandler);

const MANY: usize = usize::MAX;

const SUBCOMMANDS: &[Subcommand] = &[
    ("aof-flush-sleep", 2..=2, process::aof_flush_sleep),
    ("assert", 1..=1, process::assert),
    ("change-repl-id", 1..=1, process::change_repl_id),
    ("client-eviction", 1..=1, inspect::client_eviction),
    ("config-rewrite-force-all", 1..=1, process::config_rewrite_force_all),
    ("crash-and-recover", 1..=2, process::crash_and_recover),
    ("dict-resizing", 2..=2, process::flag),
    ("digest", 1..=1, digest::digest),
    ("digest-value", 1..=MANY, digest::digest_value),
    ("error", 2..=2, process::error),
    ("help", 1..=1, help_),
    ("htstats", 2..=3, inspect::htstats),
    ("htstats-key", 2..=3, inspect::htstats_key),
    ("leak", 2..=2, process::leak),
    ("listpack", 2..=2, inspect::listpack),
    ("loadaof", 1..=1, data::loadaof),
    ("log", 2..=2, process::log),
    ("object", 2..=2, inspect::object),
    ("oom", 1..=1, process::oom),
    ("panic", 1..=1, process::panic),
    ("pause-cron", 2..=2, process::pause_cron),
    ("populate", 2..=4, data::populate),
    ("protocol", 2..=2, protocol::protocol),
    ("quicklist", 2..=3, inspect::quicklist),
    ("quicklist-packed-threshold", 2..=2, process::quicklist_packed_threshold),
    ("reload", 1..=4, data::reload),
    ("replicate", 2..=MANY, process::replicate),
    ("replybuffer", 3..=3, process::replybuffer),
    ("restart", 1..=2, process::restart),
    ("sdslen", 2..=2, inspect::sdslen),
    ("segfault", 1..=1, process::segfault),
    ("set-active-expire", 2..=2, process::set_active_expire),
    ("set-disable-deny-scripts", 2..=2, process::set_disable_deny_scripts),
    ("set-skip-checksum-validation", 2..=2, process::set_skip_checksum_validation),
    ("sleep", 2..=2, process::sleep),
    ("stringmatch-len", 3..=3, inspect::stringmatch_len),
    ("structsize", 1..=1, inspect::structsize),
];

fn debug(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let name = String::from_utf8_lossy(args.at(1)).to_ascii_lowercase();
    let found =
        SUBCOMMANDS.iter().find(|(known, count, _)| *known == name && count.contains(&(args.len() - 1)));
    match found {
        Some((_, _, run)) => run(server, client, args),
        None => Err(unknown(args.at(1))),
    }
}

/// The error for what does not exist, or not with so many arguments.
fn unknown(name: &[u8]) -> CommandError {
    let name = String::from_utf8_lossy(&name[..name.len().min(128)]).into_owned();
    CommandError::new(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."
    ))
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(client, "DEBUG", HELP);
    Ok(())
}

const HELP: &[&str] = &[
    "AOF-FLUSH-SLEEP <microseconds>",
    "    Sleep before each write to the append-only file.",
    "ASSERT | PANIC | SEGFAULT | OOM",
    "    End the process as a broken invariant, a bad access or a lack of memory would.",
    "CHANGE-REPL-ID",
    "    Take a new replication id; replicas will need a full sync.",
    "CLIENT-EVICTION",
    "    Tell which clients would be evicted first.",
    "CONFIG-REWRITE-FORCE-ALL",
    "    Rewrite the configuration file with every directive.",
    "CRASH-AND-RECOVER [<milliseconds>] | RESTART [<milliseconds>]",
    "    Start anew in place: at once, or after saving in order.",
    "DIGEST",
    "    Give a digest of all data. It is this server's own: equal for equal data, also on a",
    "    replica and after a restart, but not the number another kind of server gives.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Give such a digest for each key's value; zeros for a key that does not exist.",
    "ERROR <string>",
    "    Reply with <string> as an error.",
    "HTSTATS <dbid> | HTSTATS-KEY <key>",
    "    Tell of the table of a database or of a value.",
    "LEAK <string>",
    "    Lose some memory for good.",
    "LISTPACK <key> | QUICKLIST <key> [<0|1>]",
    "    Write what is known of a value's inside to the log.",
    "LOADAOF",
    "    Load the append-only file in place of the data.",
    "LOG <message>",
    "    Write <message> to the log.",
    "OBJECT <key>",
    "    Tell of the value at <key>.",
    "PAUSE-CRON <0|1>",
    "    Stop or resume what the timer does.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Add <count> string keys <prefix>:<number>; existing ones stay.",
    "PROTOCOL <type>",
    "    Reply with a value of a type: string, integer, double, bignum, null, array, set, map,",
    "    attrib, push, verbatim, true or false.",
    "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
    "    Save the data and load it again.",
    "REPLICATE <word> [<word> ...]",
    "    Send a command to replicas without running it here.",
    "SDSLEN <key>",
    "    Tell the lengths of a key and of its string.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Stop or resume deleting expired keys by themselves.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Let scripts call what is denied to them.",
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    "    Load snapshots whatever their checksum.",
    "SLEEP <seconds>",
    "    Stop everything for a while.",
    "STRINGMATCH-LEN <pattern> <string>",
    "    Tell whether a pattern of KEYS matches a string.",
    "STRUCTSIZE",
    "    Tell the sizes of some structures.",
    "DICT-RESIZING <0|1> |",
    "QUICKLIST-PACKED-THRESHOLD <size> | REPLYBUFFER <what> <value>",
    "    Taken without effect: this server has nothing that they would tune.",
];
