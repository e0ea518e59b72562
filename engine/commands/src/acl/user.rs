//! What a user is and may: state, password hashes, selectors.
//!
//! A selector allows some commands on some keys and channels; a user may do what any one of its selectors
//! allows. The first selector is the user's own, the others were given in parentheses.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::table::{Entry, Table};

/// A password's SHA-256, in lower-case hexadecimal.
pub(crate) type PasswordHash = String;

/// The hash of a password.
pub(crate) fn hash_password(password: &[u8]) -> PasswordHash {
    use std::fmt::Write as _;
    Sha256::digest(password).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: Vec<u8>,
    pub(crate) enabled: bool,
    /// Any password will do.
    pub(crate) nopass: bool,
    /// `sanitize-payload`: whether payloads given to RESTORE are checked deeply.
    pub(crate) sanitize: bool,
    pub(crate) passwords: Vec<PasswordHash>,
    pub(crate) root: Selector,
    pub(crate) selectors: Vec<Selector>,
}

/// One set of permissions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector {
    pub(crate) commands: Commands,
    pub(crate) all_keys: bool,
    pub(crate) all_channels: bool,
    pub(crate) keys: Vec<KeyPattern>,
    pub(crate) channels: Vec<Vec<u8>>,
}

/// A key pattern and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPattern {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    pub(crate) pattern: Vec<u8>,
}

/// The commands a selector allows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Commands {
    /// Every command: nothing was taken away since `+@all`.
    pub(crate) all: bool,
    /// Where the rules start from, `+@all` or `-@all`: what holds for commands yet unknown.
    pub(crate) future: bool,
    /// By [`Entry::number`].
    bits: Vec<u64>,
    /// First arguments allowed of commands that are not allowed as a whole.
    first_args: HashMap<usize, Vec<Vec<u8>>>,
    /// The rules given after `future`, without those that later ones made void: allowed or not, and the name.
    rules: Vec<(bool, String)>,
}

impl User {
    /// A new user, who may do nothing.
    pub(crate) fn new(name: &[u8], all_channels: bool) -> Self {
        Self {
            name: name.to_vec(),
            enabled: false,
            nopass: false,
            sanitize: true,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// The default user as a server begins with it, who may do everything.
    pub(crate) fn unrestricted(name: &[u8]) -> Self {
        let mut user = Self::new(name, true);
        user.enabled = true;
        user.nopass = true;
        user.root.all_keys = true;
        user.root.commands.allow_all();
        user
    }

    /// Whether no command of this user need be looked at.
    pub(crate) fn may_do_everything(&self) -> bool {
        self.all_selectors().any(|s| s.commands.all && s.all_keys && s.all_channels)
    }

    /// Whether a connection is this user's from the start.
    pub(crate) fn needs_no_password(&self) -> bool {
        self.enabled && self.nopass
    }

    /// Whether this is the user's password.
    pub(crate) fn takes_password(&self, password: &[u8]) -> bool {
        if !self.enabled {
            return false;
        }
        let hash = hash_password(password);
        self.nopass || self.passwords.iter().any(|known| same_secret(known.as_bytes(), hash.as_bytes()))
    }

    pub(crate) fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    pub(crate) fn shown_name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}

/// Compares without telling by its duration where the difference is.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |found, (a, b)| found | (a ^ b));
    a.len() == b.len() && differences == 0
}

impl Selector {
    /// One that allows nothing, but perhaps all channels.
    pub(crate) fn new(all_channels: bool) -> Self {
        Self {
            commands: Commands::default(),
            all_keys: false,
            all_channels,
            keys: Vec::new(),
            channels: Vec::new(),
        }
    }
}

impl Commands {
    pub(crate) fn allow_all(&mut self) {
        *self = Self { all: true, future: true, ..Self::default() };
    }

    pub(crate) fn deny_all(&mut self) {
        *self = Self::default();
    }

    /// Whether a command is allowed, whatever its arguments.
    pub(crate) fn allows(&self, entry: &Entry) -> bool {
        let word = self.bits.get(entry.number / 64);
        // What no rule has touched is as in the beginning.
        self.all || word.map_or(self.future, |word| word & (1 << (entry.number % 64)) != 0)
    }

    /// Whether a command is allowed with this first argument.
    pub(crate) fn allows_first_arg(&self, entry: &Entry, arg: &[u8]) -> bool {
        let allowed = self.first_args.get(&entry.number);
        allowed.is_some_and(|allowed| allowed.iter().any(|known| known.eq_ignore_ascii_case(arg)))
    }

    /// Allows or denies a command with all its subcommands.
    pub(crate) fn change(&mut self, table: &'static Table, entry: &'static Entry, allow: bool) {
        if self.bits.is_empty() {
            let words = table.all().map(|entry| entry.number).max().unwrap_or(0) / 64 + 1;
            self.bits = vec![if self.future { u64::MAX } else { 0 }; words];
        }
        self.all &= allow;
        for entry in std::iter::once(entry).chain(&entry.subcommands) {
            let (word, bit) = (entry.number / 64, 1 << (entry.number % 64));
            match allow {
                true => self.bits[word] |= bit,
                false => self.bits[word] &= !bit,
            }
            self.first_args.remove(&entry.number);
        }
    }

    pub(crate) fn allow_first_arg(&mut self, entry: &Entry, arg: &[u8]) {
        let allowed = self.first_args.entry(entry.number).or_default();
        if !allowed.iter().any(|known| known.eq_ignore_ascii_case(arg)) {
            allowed.push(arg.to_vec());
        }
    }

    /// Notes a rule, in place of those it makes void: the same name, and parts of the same container.
    pub(crate) fn note(&mut self, name: &str, allow: bool) {
        let name = name.to_ascii_lowercase();
        let part = format!("{name}|");
        self.rules.retain(|(_, earlier)| *earlier != name && !earlier.starts_with(&part));
        self.rules.push((allow, name));
    }

    /// The rules that make these commands, as ACL GETUSER shows them.
    pub(crate) fn shown(&self) -> String {
        let mut text = String::from(if self.future { "+@all" } else { "-@all" });
        for (allow, name) in &self.rules {
            text.push_str(if *allow { " +" } else { " -" });
            text.push_str(name);
        }
        text
    }
}
