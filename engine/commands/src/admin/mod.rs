//! The declarations of the commands that need more than the data, a group a table, beside their code.

mod client;
mod config;
mod connection;
pub(crate) mod debug;
mod elsewhere;
mod lolwut;
mod memory;
mod replication;
mod server;
mod transactions;

use types::Command;

use crate::table::AdminHandler;

/// Every command of this crate.
pub(crate) fn commands() -> impl Iterator<Item = &'static Command<AdminHandler>> {
    let tables = [
        connection::COMMANDS,
        elsewhere::COMMANDS,
        crate::acl::COMMANDS,
        crate::monitoring::slowlog::COMMANDS,
        crate::monitoring::latency::COMMANDS,
        client::COMMANDS,
        transactions::COMMANDS,
        transactions::PUBSUB_COMMANDS,
        server::COMMANDS,
        config::COMMANDS,
        crate::command_info::COMMANDS,
        replication::COMMANDS,
        crate::scripting::commands::COMMANDS,
        memory::COMMANDS,
        debug::COMMANDS,
        crate::migrating::COMMANDS,
    ];
    tables.into_iter().flatten()
}

/// A command without subcommands.
pub(crate) const fn plain(meta: types::Meta, run: AdminHandler) -> Command<AdminHandler> {
    Command { meta, run, subcommands: &[] }
}

/// A container: it is never called itself with a subcommand; without one, the arity refuses it.
pub(crate) const fn container(
    meta: types::Meta,
    subcommands: &'static [Command<AdminHandler>],
) -> Command<AdminHandler> {
    Command { meta, run: never, subcommands }
}

fn never(
    _: &mut crate::server::Server,
    _: &mut crate::client::Client,
    _: resp::Args<'_>,
) -> Result<(), types::CommandError> {
    Err(types::CommandError::Syntax)
}

/// Answers a HELP subcommand: the lines, with a head and the line for HELP itself.
pub(crate) fn help(client: &mut crate::client::Client, name: &str, lines: &[&str]) {
    let mut writer = client.writer();
    writer.array(lines.len() + 3);
    writer.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.iter().for_each(|line| writer.simple(line));
    writer.simple("HELP");
    writer.simple("    Print this help.");
}
