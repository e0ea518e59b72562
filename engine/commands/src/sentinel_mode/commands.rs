//! SENTINEL's declarations, and what PUBLISH and ROLE are to a sentinel.
//!
//! The machine answers; the declarations check names and arities before it is asked, and tell COMMAND.

use resp::Args;
use types::{Command, CommandError, Flags, Meta};

use crate::admin::{container, plain};
use crate::client::Client;
use crate::server::Server;
use crate::table::AdminHandler;

const BASE: Meta = Meta {
    group: "sentinel",
    since: "2.8.4",
    flags: Flags::ADMIN.and(Flags::SENTINEL).and(Flags::ONLY_SENTINEL),
    ..Meta::BASE
};

const fn sub(
    name: &'static str,
    since: &'static str,
    arity: i32,
    args: &'static str,
    summary: &'static str,
) -> Command<AdminHandler> {
    plain(Meta { name, since, arity, args, summary, ..BASE }, answer)
}

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[container(
    Meta {
        name: "sentinel",
        summary: "Tells of monitored masters and directs their care.",
        arity: -2,
        ..BASE
    },
    &[
        sub("ckquorum", "2.8.4", 3, "master-name", "Checks whether enough sentinels can be reached."),
        sub(
            "config",
            "6.2.0",
            -4,
            "SET parameter value [parameter value ...] | GET parameter [parameter ...]",
            "Shows or changes settings of the sentinel itself.",
        ),
        sub("debug", "7.0.0", -2, "[parameter value [parameter value ...]]", "Shows or changes periods."),
        sub("failover", "2.8.4", 3, "master-name", "Starts a failover without asking the others."),
        sub("flushconfig", "2.8.4", 2, "", "Writes the configuration file."),
        sub("get-master-addr-by-name", "2.8.4", 3, "master-name", "Gives a master's address."),
        sub("help", "6.2.0", 2, "", "Lists the subcommands."),
        sub(
            "info-cache",
            "3.2.0",
            -3,
            "nodename [nodename ...]",
            "Gives the last INFO of masters and replicas.",
        ),
        sub(
            "is-master-down-by-addr",
            "2.8.4",
            6,
            "ip port:integer current-epoch:integer runid",
            "Tells whether a master seems down, and may vote.",
        ),
        sub("master", "2.8.4", 3, "master-name", "Describes one master."),
        sub("masters", "2.8.4", 2, "", "Describes all masters."),
        sub("monitor", "2.8.4", 6, "name ip port:integer quorum:integer", "Begins to monitor a master."),
        sub("myid", "6.2.0", 2, "", "Gives the sentinel's id."),
        sub("pending-scripts", "2.8.4", 2, "", "Lists scripts that wait or run."),
        sub("remove", "2.8.4", 3, "master-name", "Ends the monitoring of a master."),
        sub("replicas", "5.0.0", 3, "master-name", "Describes a master's replicas."),
        sub("reset", "2.8.4", 3, "pattern", "Forgets all but the address of matching masters."),
        sub("sentinels", "2.8.4", 3, "master-name", "Describes the other sentinels of a master."),
        sub(
            "set",
            "2.8.4",
            -5,
            "master-name option value [option value ...]",
            "Changes settings of a master.",
        ),
        sub(
            "simulate-failure",
            "3.2.0",
            -3,
            "[CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
            "Has the sentinel crash at a chosen moment.",
        ),
        sub("slaves", "2.8.0", 3, "master-name", "The older name of SENTINEL REPLICAS."),
    ],
)];

/// What a sentinel runs in place of a server's command.
pub(crate) fn instead(name: &str) -> Option<AdminHandler> {
    matches!(name, "publish" | "role").then_some(answer as AdminHandler)
}

/// Subcommands that promise the configuration is on disk.
const SAVING: [&[u8]; 5] = [b"monitor", b"remove", b"set", b"flushconfig", b"config"];

fn answer(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let words: Vec<&[u8]> = args.iter().collect();
    let Some((reply, saved)) = server.ask_machine(&words) else {
        return Err(CommandError::new("ERR This instance has no sentinel"));
    };
    if let ::sentinel::Reply::Error(text) = reply {
        return Err(CommandError::new(text));
    }
    let promises = words.get(1).is_some_and(|word| SAVING.iter().any(|name| word.eq_ignore_ascii_case(name)));
    if promises && !saved {
        return Err(CommandError::new("ERR Failed to save config file. Check server logs."));
    }
    super::write(&mut client.writer(), &reply);
    Ok(())
}
