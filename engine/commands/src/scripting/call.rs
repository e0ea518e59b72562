//! One command of a script: found, judged, run on behalf of the script's client, and its reply taken.

use resp::{Args, Protocol};
use scripting::Flags as ScriptFlags;
use types::Flags;

use super::driver::Running;
use crate::client::{Client, State};
use crate::scripting::Targets;
use crate::server::Server;
use crate::table::Entry;

impl Server {
    /// Runs a command for a script; its reply, or why it was not run.
    pub(super) fn call_from_script(
        &mut self,
        client: &mut Client,
        running: &mut Running,
        args: Args<'_>,
        resp3: bool,
        replicate: u8,
    ) -> Result<Vec<u8>, String> {
        let entry = match self.judge_call(client, running, args) {
            Ok(entry) => entry,
            Err(text) => {
                self.stats.error(&text);
                if let Some(entry) = self.command_of_script(args) {
                    self.stats.rejected(entry);
                }
                return Err(text);
            }
        };
        running.wrote |= entry.has(Flags::WRITE);
        self.scripting.targets = Targets(replicate);
        let protocol = if resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        // The command runs as the client, into a buffer of its own.
        let out = std::mem::take(&mut client.out);
        let protocol = std::mem::replace(&mut client.protocol, protocol);
        let db = std::mem::replace(&mut client.db, running.db);
        let was_in_exec = client.state.has(State::IN_EXEC);
        client.state.add(State::IN_EXEC);
        client.state.add(State::IN_SCRIPT);
        self.call(client, entry, args, None);
        client.state.remove(State::IN_SCRIPT);
        client.state.set(State::IN_EXEC, was_in_exec);
        running.db = std::mem::replace(&mut client.db, db);
        client.protocol = protocol;
        self.scripting.targets = Targets::ALL;
        Ok(std::mem::replace(&mut client.out, out))
    }

    /// The command, if the script may run it now.
    fn judge_call(
        &mut self,
        client: &Client,
        running: &Running,
        args: Args<'_>,
    ) -> Result<&'static Entry, String> {
        let entry = self.command_of_script(args).ok_or("ERR Unknown Redis command called from script")?;
        if !entry.meta.accepts(args.len()) {
            return Err("ERR Wrong number of args calling Redis command from script".into());
        }
        // DEBUG lifts that from administration, not from what would turn on the script itself.
        let lifted = self.debug.disable_deny_scripts && entry.meta.group == "server";
        if entry.has(Flags::NOSCRIPT) && !lifted {
            return Err("ERR This Redis command is not allowed from script".into());
        }
        let gates = self.script_gates();
        let obeyed = client.state.has(State::MASTER);
        if gates.stale && !obeyed && !entry.has(Flags::STALE) {
            return Err("ERR Can not execute the command on a stale replica".into());
        }
        if let Err(denied) = self.acl_check(client, entry, args) {
            let text = denied.text(self.user_of(client), entry, crate::acl::Detail::Brief);
            self.log_denial(client, denied, crate::acl::Context::Lua);
            return Err(format!("NOPERM ACL failure in script: {text}"));
        }
        if running.read_only && (entry.has(Flags::WRITE) || entry.has(Flags::MAY_REPLICATE)) {
            return Err("ERR Write commands are not allowed from read-only scripts.".into());
        }
        if entry.has(Flags::WRITE)
            && !obeyed
            && let Some(error) = self.refuses_write(client, entry)
        {
            return Err(error);
        }
        let allow_oom = !running.flags.has(ScriptFlags::COMPATIBLE)
            && (running.flags.has(ScriptFlags::ALLOW_OOM) || running.flags.has(ScriptFlags::NO_WRITES));
        if entry.has(Flags::DENYOOM) && !obeyed && !allow_oom && !running.wrote && self.is_out_of_memory() {
            return Err("OOM command not allowed when used memory > 'maxmemory'.".into());
        }
        Ok(entry)
    }

    /// The command or subcommand that arguments name.
    fn command_of_script(&self, args: Args<'_>) -> Option<&'static Entry> {
        let entry = self.table.find(args.get(0)?)?;
        match (entry.subcommands.is_empty(), args.get(1)) {
            (false, Some(name)) => entry.subcommand(name),
            _ => Some(entry),
        }
    }

    /// `redis.acl_check_cmd`: none when there is no such command.
    pub(super) fn permission(&self, client: &Client, args: Args<'_>) -> Option<bool> {
        let entry = self.command_of_script(args)?;
        Some(self.acl_check(client, entry, args).is_ok())
    }
}
