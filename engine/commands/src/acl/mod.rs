//! Access control: users, what each may do, and whose a connection is.
//!
//! A connection has a user; one whose user may do everything passes every command with the comparison that
//! all gates share (see [`crate::gates`]), the others are judged in [`check`]. When users change, the
//! connections that are theirs are brought up to date at once, so that no command looks a user up by name.
//! Users come from `user` lines of the configuration or from a file of their own, never from both.

mod category;
mod check;
mod commands;
mod describe;
mod file;
mod log;
mod rules;
#[cfg(test)]
mod tests;
mod user;

use std::collections::BTreeMap;
use std::rc::Rc;

use resp::Args;
use types::Flags;
use types::glob::{Case, matches};

pub(crate) use category::Categories;
pub(crate) use check::{Denied, Detail, Reason};
pub(crate) use commands::COMMANDS;
pub(crate) use file::declared;
pub(crate) use log::Context;
pub(crate) use rules::{RuleError, Rules};
pub(crate) use user::User;

use crate::client::{Client, ClientId, State};
use crate::server::Server;
use crate::table::{Entry, Table};
use log::{Log, LogEntry};

const DEFAULT: &[u8] = b"default";

/// The users, and what was refused to them.
#[derive(Debug)]
pub(crate) struct Acl {
    users: BTreeMap<Vec<u8>, Rc<User>>,
    pub(crate) log: Log,
}

impl Acl {
    /// The default user alone, with the password that `requirepass` gives it.
    pub(crate) fn new(requirepass: &str) -> Self {
        let mut acl = Self { users: BTreeMap::new(), log: Log::default() };
        let mut user = User::unrestricted(DEFAULT);
        if !requirepass.is_empty() {
            user.nopass = false;
            user.passwords.push(user::hash_password(requirepass.as_bytes()));
        }
        acl.users.insert(DEFAULT.to_vec(), Rc::new(user));
        acl
    }

    pub(crate) fn user(&self, name: &[u8]) -> Option<&Rc<User>> {
        self.users.get(name)
    }

    /// The user of connections that have not said who they are.
    pub(crate) fn default_user(&self) -> &Rc<User> {
        &self.users[DEFAULT]
    }

    /// All users by name.
    pub(crate) fn users(&self) -> impl ExactSizeIterator<Item = &Rc<User>> {
        self.users.values()
    }
}

impl Server {
    /// Whether `client` may run `entry`: the question that scripts ask for what they call. Commands of
    /// clients have been judged before they run.
    pub(crate) fn acl_check(&self, client: &Client, entry: &Entry, args: Args<'_>) -> Result<(), Denied> {
        match client.state.has(State::RESTRICTED) && !client.state.has(State::MASTER) {
            true => self.user_of(client).check(entry, args),
            false => Ok(()),
        }
    }

    /// Whether `client` may have `entry` read any key, also those that its arguments do not name.
    pub(crate) fn reads_all_keys(&self, client: &Client, entry: &Entry) -> bool {
        !client.state.has(State::RESTRICTED)
            || client.state.has(State::MASTER)
            || !entry.meta.flags.has(Flags::MOVABLEKEYS)
            || self.user_of(client).reads_all_keys(entry)
    }

    /// The user whose connection it is.
    pub(crate) fn user_of<'a>(&'a self, client: &'a Client) -> &'a Rc<User> {
        client.rare.user.as_ref().unwrap_or_else(|| self.acl.default_user())
    }

    /// Judges a command before it is queued or runs; the error, code included, if it is refused.
    pub(crate) fn refused_by_acl(
        &mut self,
        client: &Client,
        entry: &Entry,
        args: Args<'_>,
    ) -> Option<String> {
        let denied = self.acl_check(client, entry, args).err()?;
        let context = context_of(client);
        let text = denied.text(self.user_of(client), entry, Detail::Brief);
        self.log_denial(client, denied, context);
        Some(format!("NOPERM {text}"))
    }

    /// Notes a refusal in ACL LOG.
    pub(crate) fn log_denial(&mut self, client: &Client, denied: Denied, context: Context) {
        let user = self.user_of(client).name.clone();
        self.log_refusal(client, denied.reason, context, denied.object, user);
    }

    /// Notes a failed authentication, by its command's name and the user it named.
    pub(crate) fn log_failed_auth(&mut self, client: &Client, command: &[u8], user: &[u8]) {
        self.log_refusal(client, Reason::Auth, context_of(client), command.to_vec(), user.to_vec());
    }

    fn log_refusal(
        &mut self,
        client: &Client,
        reason: Reason,
        context: Context,
        object: Vec<u8>,
        user: Vec<u8>,
    ) {
        let entry = LogEntry {
            count: 1,
            reason,
            context,
            object,
            user,
            client: self.describe_client(client),
            id: 0,
            created_ms: 0,
            updated_ms: 0,
        };
        let max_len = self.config.settings.acllog_max_len as usize;
        self.acl.log.add(entry, self.now.wall.0, max_len);
    }

    fn rules(&self) -> Rules {
        Rules::new(self.table, &self.config.settings)
    }

    /// Makes the connection a user's.
    pub(crate) fn become_user(&self, client: &mut Client, user: Rc<User>) {
        let restricted = !user.may_do_everything();
        client.state.set(State::RESTRICTED, restricted);
        client.state.remove(State::UNAUTHENTICATED);
        client.state.remove(State::STRANGER);
        client.rare.user = (user.name != DEFAULT).then_some(user);
    }

    /// Makes the connection one that has not said whose it is.
    pub(crate) fn become_stranger(&self, client: &mut Client) {
        let user = self.acl.default_user();
        client.rare.user = None;
        client.state.set(State::RESTRICTED, !user.may_do_everything());
        client.state.set(State::UNAUTHENTICATED, !user.needs_no_password());
        client.state.set(State::STRANGER, !user.needs_no_password());
    }

    /// Puts a user in the place of the one of the same name, if there is one, and brings that one's
    /// connections up to date.
    pub(crate) fn put_user(&mut self, user: User, running: &mut Client) {
        let name = user.name.clone();
        let user = Rc::new(user);
        let earlier = self.acl.users.insert(name.clone(), user.clone());
        let Some(earlier) = earlier else { return };
        let restricted = !user.may_do_everything();
        let mut lost = Vec::new();
        let refresh = |client: &mut Client| {
            if client.user_name() != name {
                return;
            }
            if client.rare.user.is_some() {
                client.rare.user = Some(user.clone());
            }
            client.state.set(State::RESTRICTED, restricted);
            if client.state.has(State::STRANGER) {
                client.state.set(State::UNAUTHENTICATED, !user.needs_no_password());
            }
            if lost_a_channel(&earlier, &user, client) {
                lost.push(client.id);
            }
        };
        self.clients.iter_mut().chain([running]).for_each(refresh);
        lost.into_iter().for_each(|id| self.clients.close(id));
    }

    /// Takes a user away and closes its connections; false when there is none.
    fn remove_user(&mut self, name: &[u8], running: &mut Client) -> bool {
        let found = self.acl.users.remove(name).is_some();
        if found {
            self.close_clients_of(name, running);
        }
        found
    }

    /// Closes a user's connections; the one whose command does it, behind its reply.
    fn close_clients_of(&mut self, name: &[u8], running: &mut Client) {
        let theirs = |client: &&Client| client.rare.user.is_some() && client.user_name() == name;
        let others: Vec<ClientId> = self.clients.iter().filter(theirs).map(|client| client.id).collect();
        others.into_iter().for_each(|id| self.clients.close(id));
        if theirs(&&*running) {
            self.become_stranger(running);
            running.state.add(State::CLOSE_AFTER_REPLY);
        }
    }

    /// CONFIG SET requirepass: another name for the default user's password.
    pub(crate) fn set_default_password(&mut self, running: &mut Client) {
        let mut user = User::clone(self.acl.default_user());
        let password = self.config.settings.requirepass.as_bytes();
        user.passwords.clear();
        user.nopass = password.is_empty();
        if !password.is_empty() {
            user.passwords.push(user::hash_password(password));
        }
        self.put_user(user, running);
    }
}

/// Where a client's command stands.
fn context_of(client: &Client) -> Context {
    match client.state.has(State::MULTI) || client.state.has(State::IN_EXEC) {
        true => Context::Multi,
        false => Context::TopLevel,
    }
}

/// Whether the client listens to a channel that its user may not listen to, now that the user has changed. It may
/// have done so before, under another user; where the user had no channels at all, that is let be, as in Redis.
fn lost_a_channel(earlier: &User, now: &User, client: &Client) -> bool {
    if !client.state.has(State::PUBSUB) || now.all_selectors().any(|selector| selector.all_channels) {
        return false;
    }
    let allowed: Vec<&Vec<u8>> = now.all_selectors().flat_map(|selector| &selector.channels).collect();
    if earlier.all_selectors().all(|selector| !selector.all_channels && selector.channels.is_empty()) {
        return false;
    }
    let allows = |channel: &Vec<u8>| allowed.iter().any(|pattern| matches(pattern, channel, Case::Sensitive));
    let rare = &client.rare;
    !rare.patterns.iter().all(|pattern| allowed.contains(&pattern))
        || !rare.channels.iter().chain(&rare.shard_channels).all(allows)
}

impl Rules {
    /// How a server with these settings reads rules.
    pub(crate) fn new(table: &'static Table, settings: &crate::config::Settings) -> Self {
        let all_channels = settings.acl_pubsub_default == crate::config::PubsubDefault::AllChannels;
        Self { table, all_channels }
    }
}
