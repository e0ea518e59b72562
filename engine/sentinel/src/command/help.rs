//! `SENTINEL HELP`, in our own words.

use super::Call;
use crate::Reply;

const LINES: &[&str] = &[
    "SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CKQUORUM <master-name>",
    "    Tell whether enough Sentinels are reachable to agree on an outage and to",
    "    elect a leader.",
    "CONFIG SET <param> <value> [<param> <value> ...]",
    "    Change settings of this Sentinel.",
    "CONFIG GET <param> [<param> ...]",
    "    Show settings of this Sentinel.",
    "DEBUG [<param> <value> ...]",
    "    Show or change periods and time-outs, in milliseconds.",
    "FAILOVER <master-name>",
    "    Fail over now, without asking other Sentinels.",
    "FLUSHCONFIG",
    "    Write the configuration file anew, with the current state.",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Show where the master is.",
    "INFO-CACHE <master-name> [<master-name> ...]",
    "    Show the last INFO of masters and their replicas.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Tell whether this Sentinel sees the master down; with a run id, vote.",
    "MASTER <master-name>",
    "    Show one monitored master.",
    "MASTERS",
    "    Show all monitored masters.",
    "MONITOR <name> <ip> <port> <quorum>",
    "    Monitor one more master.",
    "MYID",
    "    Show the id of this Sentinel.",
    "PENDING-SCRIPTS",
    "    Show scripts that run or wait.",
    "REMOVE <master-name>",
    "    Stop monitoring a master.",
    "REPLICAS <master-name>",
    "    Show the replicas of a master.",
    "RESET <pattern>",
    "    Forget what was discovered about matching masters.",
    "SENTINELS <master-name>",
    "    Show the other Sentinels of a master.",
    "SET <master-name> <option> <value> [<option> <value> ...]",
    "    Change settings of a master.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    Crash on purpose at a stage of the next failover.",
    "HELP",
    "    Show this text.",
];

pub(super) fn help(_call: &mut Call<'_>) -> Result<Reply, Reply> {
    Ok(Reply::Array(LINES.iter().map(|line| Reply::Status((*line).to_owned())).collect()))
}
