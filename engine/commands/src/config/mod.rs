//! Configuration: one declared table of directives behind files, the command line, CONFIG GET, SET and
//! REWRITE.
//!
//! A directive is declared once, in `settings`: its name, type, default, range and whether it can be set
//! live. Directives of Redis 7.2 that have no meaning in this version are known by name (`inert`): they
//! are accepted, kept and shown, so that an existing redis.conf loads. Directives whose meaning is not
//! there yet, and would be missed, are refused with a reason.

mod choice;
mod file;
mod inert;
mod rewrite;
mod setting;
mod settings;

pub use choice::{Allowed, BytesOrPercent, Policy, PubsubDefault};
pub use file::{ConfigError, Source, load_lines, parse_arguments};
pub use rewrite::rewrite;
pub use setting::{
    BufferLimit, BufferLimits, Level, LogLevel, NotifyFlags, Permissions, SavePoint, SavePoints, Words,
};
pub use settings::{Directive, Live, Settings};

use std::collections::BTreeMap;

use types::glob::{Case, matches};

use crate::acl::{RuleError, Rules};
use crate::table::TABLE;

/// The whole configuration of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directives with a meaning.
    pub settings: Settings,
    /// Known directives without one here: name and value.
    inert: BTreeMap<&'static str, String>,
    /// The configuration file, absolute, if the server was started with one.
    pub file: Option<String>,
    /// Lines of the file that configure a sentinel, with their numbers.
    pub sentinel_lines: Vec<(usize, Vec<Vec<u8>>)>,
    /// The users there are now, as lines for CONFIG REWRITE.
    pub user_lines: Vec<String>,
    /// `user` lines: a name and its rules.
    pub users: Vec<Vec<Vec<u8>>>,
    /// Times `save` was given since the file began: the first one replaces the default.
    saves_given: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            inert: inert::DEFAULTS.iter().map(|(name, value)| (*name, value.to_string())).collect(),
            file: None,
            sentinel_lines: Vec::new(),
            users: Vec::new(),
            user_lines: Vec::new(),
            saves_given: 0,
        }
    }
}

/// Why a directive was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// No such directive; the nearest known name, if one is near.
    Unknown(Option<&'static str>),
    /// It cannot be set while the server runs.
    Immutable,
    /// Its value is wrong.
    Invalid(String),
}

impl Config {
    /// Sets a directive from a file or the command line.
    pub fn set_at_start(&mut self, name: &str, words: &[Vec<u8>]) -> Result<(), SetError> {
        let name = name.to_ascii_lowercase();
        // Given again in a file, `save` adds a point to those given before.
        if name == "save" && words.len() > 1 && self.saves_given > 0 {
            let earlier = self.settings.save.clone();
            self.apply(&name, words)?;
            let later = std::mem::replace(&mut self.settings.save, earlier);
            self.settings.save.0.extend(later.0);
            return Ok(());
        }
        if name == "save" {
            self.saves_given += 1;
        }
        if name == "user" && !words.is_empty() {
            return self.add_user(words).map_err(SetError::Invalid);
        }
        self.apply(&name, words)
    }

    /// Sets a directive with CONFIG SET, whose value is one word.
    pub fn set_live(&mut self, name: &str, value: &[u8]) -> Result<(), SetError> {
        let name = name.to_ascii_lowercase();
        if let Some(directive) = settings::find(&name) {
            if directive.live == Live::AtStart {
                return Err(SetError::Immutable);
            }
            return (directive.set)(&mut self.settings, &directive.split(value)).map_err(SetError::Invalid);
        }
        self.apply(&name, &[value.to_vec()])
    }

    /// Takes a `user` line, if its rules hold.
    fn add_user(&mut self, words: &[Vec<u8>]) -> Result<(), String> {
        let error = |word: &[u8], why| {
            format!("Error in user declaration '{}': {why}", String::from_utf8_lossy(word))
        };
        if self.users.iter().any(|known| known[0] == words[0]) {
            return Err(error(&words[0], RuleError::DuplicateUser));
        }
        let rules = Rules::new(&TABLE, &self.settings);
        crate::acl::declared(rules, words).map_err(|(word, why)| error(&word, why))?;
        self.users.push(words.to_vec());
        Ok(())
    }

    fn apply(&mut self, name: &str, words: &[Vec<u8>]) -> Result<(), SetError> {
        if let Some(directive) = settings::find(name) {
            return (directive.set)(&mut self.settings, words).map_err(SetError::Invalid);
        }
        match self.inert.get_mut(name) {
            Some(value) => {
                inert::refuse(name, words).map_err(SetError::Invalid)?;
                let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
                *value = words.join(" ");
                Ok(())
            }
            None => Err(SetError::Unknown(nearest(name, self.names()))),
        }
    }

    /// Names and values of the directives that match any of the patterns, sorted.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(&'static str, String)> {
        let wanted =
            |name: &str| patterns.iter().any(|pattern| matches(pattern, name.as_bytes(), Case::Insensitive));
        let mut found: Vec<_> = settings::DIRECTIVES
            .iter()
            .flat_map(|directive| directive.names().map(move |name| (name, directive)))
            .filter(|(name, _)| wanted(name))
            .map(|(name, directive)| (name, (directive.get)(&self.settings)))
            .collect();
        found.extend(
            self.inert.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (*name, value.clone())),
        );
        found.sort();
        found
    }

    /// The value of a declared directive, as CONFIG GET shows it.
    pub(crate) fn shown(&self, name: &str) -> String {
        settings::find(name).map_or_else(String::new, |directive| (directive.get)(&self.settings))
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        settings::DIRECTIVES.iter().flat_map(Directive::names).chain(self.inert.keys().copied())
    }
}

/// The name in `names` that `name` was probably meant to be.
pub fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    names
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(d, _)| *d <= 1 + name.len() / 5)
        .map(|(_, n)| n)
}

/// Edits (insert, delete, replace, swap neighbours) between two names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests;
