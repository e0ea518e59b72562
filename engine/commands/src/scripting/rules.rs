//! What must hold before a script begins, by the flags in its first line.
//!
//! A script without a first line promises nothing: only its commands are judged, one by one.

use scripting::Flags;

use crate::client::{Client, State};
use crate::server::Server;

impl Server {
    /// Why a script with these flags must not begin now; `read_only`: it was called by an `_RO` command.
    pub(super) fn refuses_script(&self, client: &Client, flags: Flags, read_only: bool) -> Option<String> {
        let obeyed = client.state.has(State::MASTER);
        let writes = !flags.has(Flags::COMPATIBLE) && !flags.has(Flags::NO_WRITES);
        let gates = self.script_gates();
        if gates.stale && !obeyed && !flags.has(Flags::ALLOW_STALE) {
            return Some(
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.".into(),
            );
        }
        if writes {
            if gates.read_only && !obeyed {
                return Some("READONLY You can not run script with write flag on readonly replica.".into());
            }
            if read_only {
                return Some("ERR Can not execute a script with write flag using *_ro command.".into());
            }
            if gates.snapshot_failed && !obeyed {
                return Some(
                    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
                     disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts."
                        .into(),
                );
            }
            if gates.few_replicas && !obeyed {
                return Some("NOREPLICAS Not enough good replicas to write.".into());
            }
            if self.is_out_of_memory() && !obeyed && !flags.has(Flags::ALLOW_OOM) {
                return Some(
                    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
                        .into(),
                );
            }
        }
        None
    }

    /// Whether commands that take memory are refused, as the last look found.
    pub(super) fn is_out_of_memory(&self) -> bool {
        self.limits_memory() && self.eviction.out_of_memory
    }
}
