//! MONITOR: every command that clients run, as it runs.
//!
//! Commands that administer are not shown, nor what is secret. A command is shown when it has run, so those
//! of a transaction stand before their EXEC.

use std::fmt::Write as _;

use resp::{Args, split};
use types::{CommandError, Flags};

use super::secrets::without_secrets;
use crate::client::{Client, State};
use crate::server::Server;
use crate::table::Entry;

pub(crate) fn monitor(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    if client.state.has(State::IN_EXEC) {
        return Err(CommandError::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // A replica has other things to do; asking twice changes nothing.
    if client.state.has(State::REPLICA) || client.state.has(State::MONITOR) {
        return Ok(());
    }
    client.state.add(State::MONITOR);
    server.monitors.push(client.id);
    client.writer().ok();
    Ok(())
}

/// Whether a command runs a script; it is shown before it runs.
pub(super) fn is_script(entry: &Entry) -> bool {
    entry.has(Flags::SKIP_MONITOR) && entry.meta.group == "scripting"
}

impl Server {
    /// Shows a command that has run to those who watch, unless it is not for them.
    pub(crate) fn show_to_monitors(&mut self, client: &Client, entry: &Entry, args: Args<'_>) {
        let hidden = Flags::ADMIN.0 | Flags::SKIP_MONITOR.0;
        if entry.meta.flags.0 & hidden == 0 && !client.state.has(State::MASTER) {
            self.show_line_to_monitors(client, entry, args);
        }
    }

    pub(crate) fn show_line_to_monitors(&mut self, client: &Client, entry: &Entry, args: Args<'_>) {
        let now_us = self.host.wall_us();
        let address = client.peer.address.as_str();
        let from = match address.strip_suffix(":0").filter(|path| path.starts_with('/')) {
            _ if client.state.has(State::IN_SCRIPT) => "lua".to_string(),
            Some(path) => format!("unix:{path}"),
            None => address.to_string(),
        };
        let mut line = format!("+{}.{:06} [{} {from}]", now_us / 1_000_000, now_us % 1_000_000, client.db);
        for arg in without_secrets(entry, args) {
            let _ = write!(line, " {}", split::quote(arg));
        }
        line.push_str("\r\n");
        for id in self.monitors.clone() {
            // One that has said QUIT gets no more than its reply.
            if id != client.id || !client.state.has(State::CLOSING) {
                self.clients.send(id, line.as_bytes());
            }
        }
    }

    /// RESET, or the end of the client.
    pub(crate) fn end_monitor(&mut self, client: &mut Client) {
        if client.state.has(State::MONITOR) {
            client.state.remove(State::MONITOR);
            self.monitors.retain(|id| *id != client.id);
        }
    }
}
