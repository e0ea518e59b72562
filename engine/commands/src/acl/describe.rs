//! A user in words: the lines of ACL LIST and of files, which read back as the same user.

use super::user::{KeyPattern, Selector, User};

impl User {
    /// The rules that make this user, without its name.
    pub(crate) fn rules(&self) -> String {
        let mut words: Vec<String> = self.flags().iter().map(|flag| flag.to_string()).collect();
        words.extend(self.passwords.iter().map(|hash| format!("#{hash}")));
        words.push(self.root.rules());
        words.extend(self.selectors.iter().map(|selector| format!("({})", selector.rules())));
        words.join(" ")
    }

    /// The words that say how it stands with the user.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.push(if self.sanitize { "sanitize-payload" } else { "skip-sanitize-payload" });
        flags
    }
}

impl Selector {
    fn rules(&self) -> String {
        let mut words = Vec::new();
        if self.all_keys || !self.keys.is_empty() {
            words.push(self.shown_keys());
        }
        if !self.all_channels {
            words.push("resetchannels".into());
        }
        if self.all_channels || !self.channels.is_empty() {
            words.push(self.shown_channels());
        }
        words.push(self.commands.shown());
        words.join(" ")
    }

    /// Key patterns, as ACL GETUSER shows them.
    pub(crate) fn shown_keys(&self) -> String {
        match self.all_keys {
            true => "~*".into(),
            false => self.keys.iter().map(KeyPattern::shown).collect::<Vec<_>>().join(" "),
        }
    }

    /// Channel patterns, as ACL GETUSER shows them.
    pub(crate) fn shown_channels(&self) -> String {
        let shown = |channel: &Vec<u8>| format!("&{}", String::from_utf8_lossy(channel));
        match self.all_channels {
            true => "&*".into(),
            false => self.channels.iter().map(shown).collect::<Vec<_>>().join(" "),
        }
    }
}

impl KeyPattern {
    fn shown(&self) -> String {
        let prefix = match (self.reads, self.writes) {
            (true, false) => "%R~",
            (false, true) => "%W~",
            _ => "~",
        };
        format!("{prefix}{}", String::from_utf8_lossy(&self.pattern))
    }
}
