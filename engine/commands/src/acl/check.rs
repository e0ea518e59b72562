//! Whether a user may run a command: asked once before it runs, and for what scripts call.

use resp::Args;
use types::glob::{Case, matches};

use super::user::{Selector, User};
use crate::command_keys::{KeyUse, keys_of};
use crate::table::Entry;
use types::Flags;

/// What a user was refused for. Later ones tell more: they mean that the earlier were passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    Command,
    Key,
    Auth,
    Channel,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) reason: Reason,
    /// The command, key or channel that was refused.
    pub(crate) object: Vec<u8>,
    /// Its argument's index.
    at: usize,
}

/// How much a refusal tells the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Not which key or channel.
    Brief,
    /// Everything (ACL DRYRUN).
    Full,
}

impl Denied {
    /// The refusal in words, without an error code.
    pub(crate) fn text(&self, user: &User, entry: &Entry, detail: Detail) -> String {
        let (user, object) = (user.shown_name(), String::from_utf8_lossy(&self.object));
        match (self.reason, detail) {
            (Reason::Key, Detail::Brief) => "No permissions to access a key".into(),
            (Reason::Channel, Detail::Brief) => "No permissions to access a channel".into(),
            (Reason::Key, Detail::Full) => {
                format!("User {user} has no permissions to access the '{object}' key")
            }
            (Reason::Channel, Detail::Full) => {
                format!("User {user} has no permissions to access the '{object}' channel")
            }
            (Reason::Command | Reason::Auth, _) => {
                format!("User {user} has no permissions to run the '{}' command", entry.full_name)
            }
        }
    }

    /// Why a queued command does not run, in EXEC's words.
    pub(crate) fn text_in_exec(&self) -> String {
        let reason = match self.reason {
            Reason::Command | Reason::Auth => "no permission to execute the command or subcommand",
            Reason::Key => "no permission to touch the specified keys",
            Reason::Channel => "no permission to access one of the channels used as arguments to the command",
        };
        format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {reason}"
        )
    }
}

/// Which channels a command names, and how.
enum Channels {
    None,
    /// Names, from argument 1 up to this one.
    Names(usize),
    /// Patterns, from argument 1 on.
    Patterns,
}

fn channels_of(entry: &Entry, args: Args<'_>) -> Channels {
    match entry.meta.name {
        "publish" | "spublish" => Channels::Names(2.min(args.len())),
        "subscribe" | "ssubscribe" => Channels::Names(args.len()),
        "psubscribe" => Channels::Patterns,
        _ => Channels::None,
    }
}

impl User {
    /// Whether the user may run this command with these arguments.
    pub(crate) fn check(&self, entry: &Entry, args: Args<'_>) -> Result<(), Denied> {
        let mut keys = None;
        let mut worst: Option<Denied> = None;
        for selector in self.all_selectors() {
            let Err(denied) = selector.check(entry, args, &mut keys) else { return Ok(()) };
            // The selector that came furthest tells the reason.
            let further = |worst: &Denied| (denied.reason, denied.at) > (worst.reason, worst.at);
            if worst.as_ref().is_none_or(further) {
                worst = Some(denied);
            }
        }
        worst.map_or(Ok(()), Err)
    }

    /// Whether the user may run this command on whatever key it reads.
    pub(crate) fn reads_all_keys(&self, entry: &Entry) -> bool {
        self.all_selectors().any(|selector| {
            let all = selector.all_keys || selector.keys.iter().any(|key| key.reads && key.pattern == b"*");
            all && selector.commands.allows(entry)
        })
    }
}

impl Selector {
    fn check(&self, entry: &Entry, args: Args<'_>, keys: &mut Option<Vec<KeyUse>>) -> Result<(), Denied> {
        let denied = |reason, object: &[u8], at| Err(Denied { reason, object: object.to_vec(), at });
        let allowed = entry.meta.flags.has(Flags::NO_AUTH)
            || self.commands.allows(entry)
            || args.get(1).is_some_and(|arg| self.commands.allows_first_arg(entry, arg));
        if !allowed {
            return denied(Reason::Command, entry.full_name.as_bytes(), 0);
        }
        if !self.all_keys && !entry.meta.keys.is_empty() {
            // Wrong arguments name no keys; the command will say what is wrong with them.
            let keys = keys.get_or_insert_with(|| keys_of(entry, args).unwrap_or_default());
            if let Some(key) = keys.iter().find(|key| !self.allows_key(args.at(key.at), key)) {
                return denied(Reason::Key, args.at(key.at), key.at);
            }
        }
        if !self.all_channels {
            let allowed = |channel: &[u8], literal: bool| {
                self.channels.iter().any(|pattern| match literal {
                    true => pattern == channel,
                    false => matches(pattern, channel, Case::Sensitive),
                })
            };
            let (last, literal) = match channels_of(entry, args) {
                Channels::None => (0, false),
                Channels::Names(last) => (last, false),
                Channels::Patterns => (args.len(), true),
            };
            if let Some(at) = (1..last).find(|at| !allowed(args.at(*at), literal)) {
                return denied(Reason::Channel, args.at(at), at);
            }
        }
        Ok(())
    }

    fn allows_key(&self, key: &[u8], usage: &KeyUse) -> bool {
        let (reads, writes) = (usage.reads(), usage.writes());
        self.keys.iter().any(|pattern| {
            (pattern.reads || !reads)
                && (pattern.writes || !writes)
                && matches(&pattern.pattern, key, Case::Sensitive)
        })
    }
}
