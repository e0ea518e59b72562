//! What clients ask: `SENTINEL …`, `ROLE`, `PUBLISH` of a hello, and the
//! Sentinel section of INFO.

mod administer;
mod agree;
mod debug;
mod globals;
mod help;
mod inspect;

use crate::{Host, Reply, Sentinel, hello};

pub(crate) use inspect::info_section;

/// What a subcommand gets: the words behind its name.
pub(crate) struct Call<'a> {
    pub(crate) sentinel: &'a mut Sentinel,
    pub(crate) args: &'a [String],
    pub(crate) host: &'a dyn Host,
}

/// A subcommand: its name, the number of words with `SENTINEL` and the name
/// (negative: at least), what it does.
struct Subcommand {
    name: &'static str,
    arity: isize,
    run: fn(&mut Call<'_>) -> Result<Reply, Reply>,
}

const SUBCOMMANDS: [Subcommand; 21] = [
    Subcommand { name: "masters", arity: 2, run: inspect::masters },
    Subcommand { name: "master", arity: 3, run: inspect::master },
    Subcommand { name: "replicas", arity: 3, run: inspect::replicas },
    Subcommand { name: "slaves", arity: 3, run: inspect::replicas },
    Subcommand { name: "sentinels", arity: 3, run: inspect::sentinels },
    Subcommand { name: "info-cache", arity: -3, run: inspect::info_cache },
    Subcommand { name: "pending-scripts", arity: 2, run: inspect::pending_scripts },
    Subcommand { name: "get-master-addr-by-name", arity: 3, run: agree::master_addr },
    Subcommand { name: "is-master-down-by-addr", arity: 6, run: agree::is_master_down },
    Subcommand { name: "ckquorum", arity: 3, run: agree::check_quorum },
    Subcommand { name: "myid", arity: 2, run: agree::myid },
    Subcommand { name: "failover", arity: 3, run: administer::failover },
    Subcommand { name: "monitor", arity: 6, run: administer::monitor },
    Subcommand { name: "remove", arity: 3, run: administer::remove },
    Subcommand { name: "reset", arity: 3, run: administer::reset },
    Subcommand { name: "set", arity: -5, run: administer::set },
    Subcommand { name: "flushconfig", arity: 2, run: administer::flush_config },
    Subcommand { name: "config", arity: -4, run: globals::config },
    Subcommand { name: "debug", arity: -2, run: debug::debug },
    Subcommand { name: "simulate-failure", arity: -3, run: debug::simulate_failure },
    Subcommand { name: "help", arity: 2, run: help::help },
];

/// Answers one command.
pub(crate) fn run(sentinel: &mut Sentinel, args: &[&[u8]], host: &dyn Host) -> Reply {
    let args: Vec<String> = args.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    let command = args.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    match (command.as_str(), args.get(1)) {
        ("sentinel", Some(name)) => run_subcommand(sentinel, name, &args, host),
        ("role", None) => inspect::role(sentinel),
        ("publish", Some(channel)) if args.len() == 3 => publish(sentinel, channel, &args[2]),
        ("sentinel" | "role" | "publish", _) => wrong_arity(&command),
        _ => Reply::err(format!("unknown command '{command}', with args beginning with: ")),
    }
}

fn run_subcommand(sentinel: &mut Sentinel, name: &str, args: &[String], host: &dyn Host) -> Reply {
    let Some(subcommand) = SUBCOMMANDS.iter().find(|s| s.name.eq_ignore_ascii_case(name)) else {
        return Reply::err(format!("unknown subcommand '{name}'. Try SENTINEL HELP."));
    };
    let (given, wanted) = (args.len(), subcommand.arity.unsigned_abs());
    if (subcommand.arity > 0 && given != wanted) || given < wanted {
        return wrong_arity(&format!("sentinel|{}", subcommand.name));
    }
    let mut call = Call { sentinel, args: &args[2..], host };
    (subcommand.run)(&mut call).unwrap_or_else(|error| error)
}

fn wrong_arity(name: &str) -> Reply {
    Reply::err(format!("wrong number of arguments for '{name}' command"))
}

/// A client hands us a hello, as other sentinels do.
fn publish(sentinel: &mut Sentinel, channel: &str, payload: &str) -> Reply {
    if channel != hello::CHANNEL {
        return Reply::err("Only HELLO messages are accepted by Sentinel instances.");
    }
    sentinel.hello_received(payload.as_bytes());
    Reply::Int(1)
}

impl Call<'_> {
    /// The place of the master named by the first argument.
    fn master(&self) -> Result<usize, Reply> {
        let found = self.sentinel.masters.iter().position(|m| m.name == self.args[0]);
        found.ok_or_else(|| Reply::err("No such master with that name"))
    }
}
