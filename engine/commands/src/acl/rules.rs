//! The rules of ACL SETUSER, and what each makes of a user.
//!
//! The grammar, and every error in its words, are Redis's. Rules are applied to a copy: one that fails
//! leaves the user as it was.

use resp::split::split_words;

use super::category::Categories;
use super::user::{KeyPattern, Selector, User, hash_password};
use crate::table::Table;

/// Why a rule was not taken; the texts are Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
         Try 'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
         effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
    #[error("Duplicate user found. A user can only be defined once in config files")]
    DuplicateUser,
}

/// What rules are read by.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) table: &'static Table,
    /// `acl-pubsub-default` is `allchannels`.
    pub(crate) all_channels: bool,
}

/// Words with the parts of each parenthesis in one. An `Err` is the word whose parenthesis is never closed.
pub(crate) fn merge_selectors(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(Vec<u8>, Vec<u8>)> = None;
    for word in words {
        // One that opens while another is open takes its place; Redis says nothing either.
        open = match open {
            _ if word.first() == Some(&b'(') && word.last() != Some(&b')') => {
                Some((word.to_vec(), word.to_vec()))
            }
            Some((first, mut selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                Some((first, selector))
            }
            None => {
                merged.push(word.to_vec());
                continue;
            }
        };
        if word.last() == Some(&b')')
            && let Some((_, selector)) = open.take()
        {
            merged.push(selector);
        }
    }
    match open {
        Some((first, _)) => Err(first),
        None => Ok(merged),
    }
}

/// Whether a word may be a user's name or a pattern.
pub(crate) fn is_clean(word: &[u8]) -> bool {
    !word.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

fn is_hash(word: &[u8]) -> bool {
    word.len() == 64 && word.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Rules {
    /// A new user, who may do nothing.
    pub(crate) fn new_user(&self, name: &[u8]) -> User {
        User::new(name, self.all_channels)
    }

    /// Applies one rule to a user.
    pub(crate) fn apply(&self, user: &mut User, rule: &[u8]) -> Result<(), RuleError> {
        let hash_of = |rule: &[u8]| match is_hash(&rule[1..]) {
            true => Ok(String::from_utf8_lossy(&rule[1..]).into_owned()),
            false => Err(RuleError::BadHash),
        };
        match (rule.to_ascii_lowercase().as_slice(), rule.first()) {
            (b"", _) => {}
            (b"on", _) => user.enabled = true,
            (b"off", _) => user.enabled = false,
            (b"nopass", _) => {
                user.nopass = true;
                user.passwords.clear();
            }
            (b"sanitize-payload", _) => user.sanitize = true,
            (b"skip-sanitize-payload", _) => user.sanitize = false,
            (b"resetpass", _) => {
                user.nopass = false;
                user.passwords.clear();
            }
            (b"clearselectors", _) => user.selectors.clear(),
            (b"reset", _) => *user = self.new_user(&user.name.clone()),
            (_, Some(b'>')) => add_password(user, hash_password(&rule[1..])),
            (_, Some(b'#')) => add_password(user, hash_of(rule)?),
            (_, Some(b'<')) => remove_password(user, &hash_password(&rule[1..]))?,
            (_, Some(b'!')) => remove_password(user, &hash_of(rule)?)?,
            (_, Some(b'(')) if rule.len() > 1 && rule.ends_with(b")") => {
                let mut selector = Selector::new(self.all_channels);
                // Redis takes a selector with unbalanced quotes for an empty one.
                for word in split_words(&rule[1..rule.len() - 1]).unwrap_or_default() {
                    self.apply_to_selector(&mut selector, &word)?;
                }
                user.selectors.push(selector);
            }
            _ => self.apply_to_selector(&mut user.root, rule)?,
        }
        Ok(())
    }

    fn apply_to_selector(&self, selector: &mut Selector, rule: &[u8]) -> Result<(), RuleError> {
        match (rule.to_ascii_lowercase().as_slice(), rule.first()) {
            (b"allkeys" | b"~*", _) => {
                selector.all_keys = true;
                selector.keys.clear();
            }
            (b"resetkeys", _) => {
                selector.all_keys = false;
                selector.keys.clear();
            }
            (b"allchannels" | b"&*", _) => {
                selector.all_channels = true;
                selector.channels.clear();
            }
            (b"resetchannels", _) => {
                selector.all_channels = false;
                selector.channels.clear();
            }
            (b"allcommands" | b"+@all", _) => selector.commands.allow_all(),
            (b"nocommands" | b"-@all", _) => selector.commands.deny_all(),
            (_, Some(b'~' | b'%')) => add_key_pattern(selector, rule)?,
            (_, Some(b'&')) => add_channel(selector, &rule[1..])?,
            (_, Some(b'+' | b'-')) if rule.get(1) == Some(&b'@') => self.category(selector, rule)?,
            (_, Some(b'+')) => self.allow(selector, &rule[1..])?,
            (_, Some(b'-')) => {
                let entry = self.table.find_full(&rule[1..]).ok_or(RuleError::Unknown)?;
                selector.commands.change(self.table, entry, false);
                selector.commands.note(&entry.full_name, false);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn category(&self, selector: &mut Selector, rule: &[u8]) -> Result<(), RuleError> {
        let allow = rule[0] == b'+';
        let category = Categories::named(&rule[2..]).ok_or(RuleError::Unknown)?;
        for entry in self.table.all().filter(|entry| entry.categories.has(category)) {
            selector.commands.change(self.table, entry, allow);
        }
        selector.commands.note(&String::from_utf8_lossy(&rule[1..]), allow);
        Ok(())
    }

    /// `+command`, `+container|subcommand`, `+command|first-argument`.
    fn allow(&self, selector: &mut Selector, name: &[u8]) -> Result<(), RuleError> {
        let Some(at) = name.iter().rposition(|byte| *byte == b'|') else {
            let entry = self.table.find(name).ok_or(RuleError::Unknown)?;
            selector.commands.change(self.table, entry, true);
            selector.commands.note(&entry.full_name, true);
            return Ok(());
        };
        let (whole, part) = (&name[..at], &name[at + 1..]);
        let entry = self.table.find_full(whole).ok_or(RuleError::Unknown)?;
        if whole.contains(&b'|') {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if part.is_empty() {
            return Err(RuleError::Syntax);
        }
        match entry.subcommands.is_empty() {
            true => selector.commands.allow_first_arg(entry, part),
            false => {
                let entry = entry.subcommand(part).ok_or(RuleError::Unknown)?;
                selector.commands.change(self.table, entry, true);
            }
        }
        selector.commands.note(&String::from_utf8_lossy(name), true);
        Ok(())
    }
}

fn add_password(user: &mut User, hash: String) {
    if !user.passwords.contains(&hash) {
        user.passwords.push(hash);
    }
    user.nopass = false;
}

fn remove_password(user: &mut User, hash: &str) -> Result<(), RuleError> {
    let at = user.passwords.iter().position(|known| known == hash).ok_or(RuleError::NoSuchPassword)?;
    user.passwords.remove(at);
    Ok(())
}

/// `~pattern`, `%R~pattern`, `%W~pattern`, `%RW~pattern`.
fn add_key_pattern(selector: &mut Selector, rule: &[u8]) -> Result<(), RuleError> {
    if selector.all_keys {
        return Err(RuleError::AfterAllKeys);
    }
    let (mut reads, mut writes, mut at) = (rule[0] == b'~', rule[0] == b'~', 1);
    while rule[0] == b'%' && at < rule.len() {
        match rule[at].to_ascii_uppercase() {
            b'R' if !reads => reads = true,
            b'W' if !writes => writes = true,
            b'~' if reads || writes => {
                at += 1;
                break;
            }
            _ => return Err(RuleError::Syntax),
        }
        at += 1;
    }
    let pattern = &rule[at..];
    if !is_clean(pattern) {
        return Err(RuleError::Syntax);
    }
    match selector.keys.iter_mut().find(|known| known.pattern == pattern) {
        Some(known) => {
            known.reads |= reads;
            known.writes |= writes;
        }
        None => selector.keys.push(KeyPattern { reads, writes, pattern: pattern.to_vec() }),
    }
    Ok(())
}

fn add_channel(selector: &mut Selector, pattern: &[u8]) -> Result<(), RuleError> {
    if selector.all_channels {
        return Err(RuleError::AfterAllChannels);
    }
    if !is_clean(pattern) {
        return Err(RuleError::Syntax);
    }
    if !selector.channels.iter().any(|known| known == pattern) {
        selector.channels.push(pattern.to_vec());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TABLE;

    fn user(rules: &str) -> Result<User, RuleError> {
        let by = Rules { table: &TABLE, all_channels: false };
        let mut user = by.new_user(b"u");
        let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
        for rule in merge_selectors(&words).map_err(|_| RuleError::Syntax)? {
            by.apply(&mut user, &rule)?;
        }
        Ok(user)
    }

    fn commands(rules: &str) -> String {
        user(rules).expect("rules").root.commands.shown()
    }

    #[test]
    fn rules_of_commands_are_kept_without_those_made_void() {
        for (rules, shown) in [
            ("", "-@all"),
            ("+@all -@string -@slow +get", "+@all -@string -@slow +get"),
            ("+@all -@string +get -@string", "+@all +get -@string"),
            ("-@all +@STRING +@string", "-@all +@string"),
            ("+GET +get", "-@all +get"),
            ("+client|list +config|get +config +acl|list -acl", "-@all +client|list +config -acl"),
            ("+select|0 +select|0 +debug|sleep +debug", "-@all +select|0 +debug"),
            ("-@dangerous", "-@all -@dangerous"),
            ("+config +config|get -config|set +config", "-@all +config"),
            ("+get allcommands", "+@all"),
            ("+@all nocommands", "-@all"),
        ] {
            assert_eq!(commands(rules), shown, "{rules}");
        }
    }

    #[test]
    fn wrong_rules_say_what_is_wrong() {
        for (rules, error) in [
            ("+nosuch", RuleError::Unknown),
            ("+@nosuch", RuleError::Unknown),
            ("-config|nosuch", RuleError::Unknown),
            ("+get|", RuleError::Syntax),
            ("+config|get|x", RuleError::FirstArgOfSubcommand),
            ("~* ~a", RuleError::AfterAllKeys),
            ("&* &a", RuleError::AfterAllChannels),
            ("%X~a", RuleError::Syntax),
            ("%~a", RuleError::Syntax),
            ("%RR~a", RuleError::Syntax),
            ("<none", RuleError::NoSuchPassword),
            ("#abc", RuleError::BadHash),
            ("nosuch", RuleError::Syntax),
            ("(+get on)", RuleError::Syntax),
            ("(+get", RuleError::Syntax),
        ] {
            assert_eq!(user(rules).err(), Some(error), "{rules}");
        }
    }

    #[test]
    fn passwords_are_added_and_removed() {
        let made = user("on >a >a >b <a").expect("rules");
        assert!(made.takes_password(b"b") && !made.takes_password(b"a"));
        assert_eq!(made.passwords, [hash_password(b"b")]);
        assert!(user("on nopass").expect("rules").takes_password(b"anything"));
        assert!(!user("off nopass").expect("rules").takes_password(b"anything"));
        assert!(user("on nopass >a reset").expect("rules").passwords.is_empty());
    }
}
