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
mod names;
#[cfg(test)]
mod page;
mod percentiles;
mod rewrite;
mod setting;
mod settings;
mod title;

pub use choice::{
    Allowed, AppendFsync, BytesOrPercent, Facility, Hz, OomScore, OomValues, Policy, PubsubDefault,
    ShutdownFlags, Supervised,
};
pub use file::{ConfigError, Included, Source, load_lines, parse_arguments};
pub use names::{DirectoryName, FileName};
pub use percentiles::Percentiles;
pub use rewrite::{rewrite, rewrite_all};
pub(crate) use setting::parse_memory;
pub use setting::{
    BufferLimit, BufferLimits, Level, LogLevel, NotifyFlags, Permissions, SavePoint, SavePoints, Words,
};
pub use settings::{Directive, Live, Settings};
pub use title::{TitleParts, TitleTemplate};

use std::collections::BTreeMap;

use types::glob::{Case, matches};

use crate::acl::{RuleError, Rules};
use crate::table::TABLE;

/// Directives that CONFIG GET shows only when it is asked for by name.
const HIDDEN: [&str; 6] = [
    "hide-user-data-from-log",
    "key-load-delay",
    "loading-process-events-interval-bytes",
    "rdb-key-save-delay",
    "use-exit-on-panic",
    "watchdog-period",
];

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
    /// Commands that go by another name, or by none.
    pub(crate) renames: Vec<(String, String)>,
    /// Times `save` was given since the file began: the first one replaces the default.
    saves_given: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            inert: inert::INERT.iter().map(|one| (one.name, one.default.to_string())).collect(),
            file: None,
            sentinel_lines: Vec::new(),
            users: Vec::new(),
            user_lines: Vec::new(),
            renames: Vec::new(),
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
        if name == "rename-command" {
            return self.rename_command(words).map_err(SetError::Invalid);
        }
        if name == "loadmodule" {
            return Err(SetError::Invalid("modules are not supported by this version".into()));
        }
        if name == "user" && !words.is_empty() {
            return self.add_user(words).map_err(SetError::Invalid);
        }
        self.apply(&name, words)
    }

    /// Whether CONFIG SET may change a directive at all.
    pub fn check_live(&self, name: &str) -> Result<(), SetError> {
        let name = name.to_ascii_lowercase();
        let is_live = match (settings::find(&name), inert::find(&name)) {
            (Some(directive), _) => directive.live == Live::Live,
            (None, Some(inert)) => inert.is_live,
            (None, None) => return Err(SetError::Unknown(nearest(&name, self.names()))),
        };
        if is_live { Ok(()) } else { Err(SetError::Immutable) }
    }

    /// Sets a directive with CONFIG SET, whose value is one word.
    pub fn set_live(&mut self, name: &str, value: &[u8]) -> Result<(), SetError> {
        self.check_live(name)?;
        let name = name.to_ascii_lowercase();
        match settings::find(&name) {
            Some(directive) => {
                (directive.set)(&mut self.settings, &directive.split(value)).map_err(SetError::Invalid)
            }
            None => self.apply(&name, &[value.to_vec()]),
        }
    }

    /// Takes a `rename-command` line: a command and its new name, which is empty for a command that is to
    /// be gone.
    fn rename_command(&mut self, words: &[Vec<u8>]) -> Result<(), String> {
        let [old, new] = words else { return Err("wrong number of arguments".into()) };
        let text = |word: &[u8]| String::from_utf8_lossy(word).to_ascii_lowercase();
        let (old, new) = (text(old), text(new));
        // Lines take effect one after the other.
        let current =
            |name: &str| self.renames.iter().rev().find(|(_, now)| now == name).map(|(was, _)| was.clone());
        let gone = |name: &str| self.renames.iter().any(|(was, _)| was == name);
        let exists =
            |name: &str| current(name).is_some() || TABLE.find(name.as_bytes()).is_some() && !gone(name);
        if !exists(&old) {
            return Err("No such command in rename-command".into());
        }
        if !new.is_empty() && exists(&new) {
            return Err("Target command name already exists".into());
        }
        let original = current(&old).unwrap_or(old);
        self.renames.retain(|(was, _)| *was != original);
        self.renames.push((original, new));
        Ok(())
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
        let Some(inert) = inert::find(name) else {
            return Err(SetError::Unknown(nearest(name, self.names())));
        };
        let value = inert.check(words).map_err(SetError::Invalid)?;
        self.inert.insert(inert.name, value);
        Ok(())
    }

    /// Names and values of the directives that match any of the patterns, sorted.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(&'static str, String)> {
        let is_pattern = |text: &[u8]| text.iter().any(|byte| b"*?[".contains(byte));
        let wanted = |name: &str| {
            let mut patterns =
                patterns.iter().filter(|pattern| !HIDDEN.contains(&name) || !is_pattern(pattern));
            patterns.any(|pattern| matches(pattern, name.as_bytes(), Case::Insensitive))
        };
        let declared = settings::DIRECTIVES.iter().flat_map(|directive| {
            let names = directive.names().filter(|name| wanted(name));
            names.map(|name| (name, (directive.get)(&self.settings)))
        });
        let inert = inert::INERT.iter().flat_map(|one| {
            let names = one.names().filter(|name| wanted(name));
            names.map(|name| (name, self.inert[one.name].clone()))
        });
        let mut found: Vec<_> = declared.chain(inert).collect();
        found.sort();
        found
    }

    /// The line that sets a directive without meaning as it is set now.
    fn inert_line(&self, one: &inert::Inert) -> String {
        format!("{} {}", one.name, setting::word_in_file(&self.inert[one.name]))
    }

    /// The value of a declared directive, as CONFIG GET shows it.
    pub(crate) fn shown(&self, name: &str) -> String {
        settings::find(name).map_or_else(String::new, |directive| (directive.get)(&self.settings))
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        settings::DIRECTIVES
            .iter()
            .flat_map(Directive::names)
            .chain(inert::INERT.iter().flat_map(inert::Inert::names))
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
