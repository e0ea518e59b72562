//! Users from the configuration and from the file that `aclfile` names, and back.
//!
//! Both hold lines `user <name> <rule> …`. A file is taken as a whole or not at all: all its mistakes are
//! told together.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::rules::{RuleError, Rules, is_clean, merge_selectors};
use super::{Acl, DEFAULT, User};
use crate::client::{Client, State};
use crate::server::Server;

/// Reads one declaration of the configuration: name and rules.
pub(crate) fn declared(rules: Rules, words: &[Vec<u8>]) -> Result<User, (Vec<u8>, RuleError)> {
    let (name, rest) = words.split_first().ok_or((Vec::new(), RuleError::Syntax))?;
    if !is_clean(name) {
        return Err((name.clone(), RuleError::Syntax));
    }
    let rest: Vec<&[u8]> = rest.iter().map(Vec::as_slice).collect();
    let merged = merge_selectors(&rest).map_err(|open| (open, RuleError::Syntax))?;
    let mut user = rules.new_user(name);
    for rule in &merged {
        rules.apply(&mut user, rule).map_err(|error| (rule.clone(), error))?;
    }
    Ok(user)
}

/// Reads a file's users; an `Err` tells of all mistakes.
fn read(rules: Rules, path: &str, text: &str) -> Result<BTreeMap<Vec<u8>, Rc<User>>, String> {
    let mut users = BTreeMap::new();
    let mut errors = String::new();
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        if line.is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let [b"user", name, rest @ ..] = words.as_slice() else {
            errors += &format!("{path}:{number} should start with user keyword followed by the username. ");
            continue;
        };
        if !is_clean(name) {
            let name = String::from_utf8_lossy(name);
            errors += &format!("'{path}:{number}: username '{name}' contains invalid characters. ");
            continue;
        }
        if users.contains_key(*name) {
            let name = String::from_utf8_lossy(name);
            errors += &format!("WARNING: Duplicate user '{name}' found on line {number}. ");
            continue;
        }
        let merged = match merge_selectors(rest) {
            Ok(merged) => merged,
            Err(_) => {
                errors += &format!("{path}:{number}: Unmatched parenthesis in selector definition.");
                continue;
            }
        };
        let mut user = rules.new_user(name);
        let mut told = false;
        for rule in &merged {
            match rules.apply(&mut user, rule.trim_ascii()) {
                Ok(()) => {}
                // The name of a command is no secret.
                Err(error @ RuleError::Unknown) => {
                    let rule = String::from_utf8_lossy(rule);
                    errors += &format!("{path}:{number}: Error in applying operation '{rule}': {error}. ");
                }
                // A later mistake may only follow from the first.
                Err(error) if !told => {
                    errors += &format!("{path}:{number}: {error}. ");
                    told = true;
                }
                Err(_) => {}
            }
        }
        users.insert(name.to_vec(), Rc::new(user));
    }
    match errors.is_empty() {
        true => Ok(users),
        false => Err(errors
            + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"),
    }
}

impl Acl {
    /// Every user as a line of a file.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.users().map(|user| format!("user {} {}", user.shown_name(), user.rules())).collect()
    }
}

impl Server {
    /// Takes the users that the configuration declares, or those of the file it names.
    pub fn load_users_at_start(&mut self) -> Result<(), String> {
        let path = self.config.settings.aclfile.clone();
        if !path.is_empty() && !self.config.users.is_empty() {
            return Err("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path \
                        is invalid. This setup is very likely to lead to configuration errors and security holes, \
                        please define either an ACL file or declare users directly in your redis.conf, but not both."
                .into());
        }
        let rules = self.rules();
        for words in &self.config.users {
            match declared(rules, words) {
                Ok(user) => drop(self.acl.users.insert(user.name.clone(), Rc::new(user))),
                Err((word, error)) => {
                    let word = String::from_utf8_lossy(&word);
                    return Err(format!("Error in user declaration '{word}': {error}"));
                }
            }
        }
        if path.is_empty() {
            return Ok(());
        }
        let users = self
            .read_acl_file(&path)
            .map_err(|error| format!("Aborting Redis startup because of ACL errors: {error}"))?;
        self.take_users(users);
        Ok(())
    }

    fn read_acl_file(&mut self, path: &str) -> Result<BTreeMap<Vec<u8>, Rc<User>>, String> {
        let text = self
            .host
            .read_file(path)
            .map_err(|error| format!("Error loading ACLs, opening file '{path}': {error}"))?;
        read(self.rules(), path, &text)
    }

    /// Puts a file's users in the place of all there are; a file without a default user leaves it free.
    fn take_users(&mut self, mut users: BTreeMap<Vec<u8>, Rc<User>>) {
        users.entry(DEFAULT.to_vec()).or_insert_with(|| Rc::new(User::unrestricted(DEFAULT)));
        self.acl.users = users;
    }

    /// ACL LOAD: users named otherwise than `default` must say who they are anew.
    pub(crate) fn reload_users(&mut self, running: &mut Client) -> Result<(), String> {
        let path = self.config.settings.aclfile.clone();
        let users = self.read_acl_file(&path)?;
        let earlier: Vec<Vec<u8>> = self.acl.users.keys().filter(|name| *name != DEFAULT).cloned().collect();
        self.take_users(users);
        for name in earlier {
            self.close_clients_of(&name, running);
        }
        let default = User::clone(self.acl.default_user());
        self.put_user(default, running);
        if running.state.has(State::CLOSE_AFTER_REPLY) {
            self.become_stranger(running);
        }
        Ok(())
    }

    /// ACL SAVE.
    pub(crate) fn save_users(&mut self) -> Result<(), String> {
        let path = self.config.settings.aclfile.clone();
        let text: String = self.acl.lines().into_iter().map(|line| line + "\n").collect();
        self.host.write_file(&path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TABLE;

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let rules = Rules { table: &TABLE, all_channels: false };
        let text = "user a off #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb %R~a* ~b resetchannels \
                    &c +@all -@dangerous (%W~x resetchannels -@all +set)\nuser default on nopass ~* &* +@all\n";
        let users = read(rules, "f", text).expect("users");
        let acl = Acl { users, log: Default::default() };
        let again = acl.lines().join("\n").replace(" sanitize-payload", "");
        assert_eq!(again + "\n", text.replace("  ", " "));
    }

    #[test]
    fn all_mistakes_of_a_file_are_told() {
        let rules = Rules { table: &TABLE, all_channels: false };
        let error =
            read(rules, "f", "# x\nuser a b c\n\n  user d +none\nuser d on\nuser e (+get\n").unwrap_err();
        assert_eq!(
            error,
            "f:1 should start with user keyword followed by the username. f:2: Syntax error. f:4: Error in applying \
             operation '+none': Unknown command or category name in ACL. WARNING: Duplicate user 'd' found on line 5. \
             f:6: Unmatched parenthesis in selector definition.WARNING: ACL errors detected, no change to the \
             previously active ACL rules was performed"
        );
    }
}
