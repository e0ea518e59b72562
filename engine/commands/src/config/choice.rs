//! Directives whose value is one of a few words, and a number that may be a share.

use std::ops::RangeInclusive;

use super::setting::{Setting, parse_memory};

/// A value out of a list of names.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Names in the order in which Redis lists them.
    const NAMES: &'static [(&'static str, Self)];
}

impl<C: Choice> Setting for C {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let [word] = words else { return Err("wrong number of arguments".into()) };
        let known = C::NAMES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
        known.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = C::NAMES.iter().map(|(name, _)| *name).collect();
            format!("argument(s) must be one of the following: {}", names.join(", "))
        })
    }

    fn show(&self) -> String {
        C::NAMES.iter().find(|(_, value)| value == self).map_or("", |(name, _)| name).into()
    }
}

/// Declares an enumeration with the names of its values.
macro_rules! choices {
    ($($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $value_doc:literal])+ $value:ident = $word:literal,)+ })*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $name {
                $($(#[doc = $value_doc])+ $value,)+
            }

            impl Choice for $name {
                const NAMES: &'static [(&'static str, Self)] = &[$(($word, $name::$value),)+];
            }
        )*
    };
}

choices! {
    /// `maxmemory-policy`: what goes when memory is short.
    Policy {
        /// Of the keys with a deadline, those unused for long.
        VolatileLru = "volatile-lru",
        /// Of the keys with a deadline, those used rarely.
        VolatileLfu = "volatile-lfu",
        /// Of the keys with a deadline, any.
        VolatileRandom = "volatile-random",
        /// Of the keys with a deadline, those that end soonest.
        VolatileTtl = "volatile-ttl",
        /// Keys unused for long.
        AllkeysLru = "allkeys-lru",
        /// Keys used rarely.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// Nothing: writes are refused.
        NoEviction = "noeviction",
    }

    /// `appendfsync`: when changes reach the disk.
    AppendFsync {
        /// A thread sees to it once a second.
        EverySec = "everysec",
        /// Before their replies go out.
        Always = "always",
        /// When the system likes.
        No = "no",
    }

    /// `acl-pubsub-default`: what a new user may listen to.
    PubsubDefault {
        /// Every channel.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }

    /// `supervised`: which supervisor is told that the server is ready.
    Supervised {
        /// upstart: the process stops itself.
        Upstart = "upstart",
        /// systemd: a message to its socket.
        Systemd = "systemd",
        /// Whichever the environment speaks of.
        Auto = "auto",
        /// None.
        No = "no",
    }

    /// `syslog-facility`.
    Facility {
        /// user
        User = "user",
        /// local0
        Local0 = "local0",
        /// local1
        Local1 = "local1",
        /// local2
        Local2 = "local2",
        /// local3
        Local3 = "local3",
        /// local4
        Local4 = "local4",
        /// local5
        Local5 = "local5",
        /// local6
        Local6 = "local6",
        /// local7
        Local7 = "local7",
    }

    /// `oom-score-adj`: how the kernel is told whom to kill first.
    OomScore {
        /// Not at all.
        No = "no",
        /// By values added to what the process was started with.
        Yes = "yes",
        /// The same.
        Relative = "relative",
        /// By values as they are.
        Absolute = "absolute",
    }

    /// Who may use what could harm: DEBUG, MODULE, protected directives.
    Allowed {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients on this machine.
        Local = "local",
    }
}

impl Allowed {
    /// Whether this client may.
    pub(crate) fn allows(self, client: &crate::client::Client) -> bool {
        match self {
            Allowed::Yes => true,
            Allowed::Local => client.peer.is_local,
            Allowed::No => false,
        }
    }
}

/// A number of bytes, or a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesOrPercent {
    /// So many bytes.
    Bytes(u64),
    /// So many percent.
    Percent(u32),
}

impl Setting for BytesOrPercent {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let [word] = words else { return Err("wrong number of arguments".into()) };
        let wrong = || "argument must be a memory or percent value".to_string();
        match word.strip_suffix(b"%") {
            Some(number) => {
                let percent = resp::number::parse_i64(number).and_then(|number| u32::try_from(number).ok());
                percent.map(Self::Percent).ok_or_else(wrong)
            }
            None => parse_memory(word).map(Self::Bytes).ok_or_else(wrong),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Percent(percent) => format!("{percent}%"),
        }
    }
}

impl Policy {
    /// Whether uses are counted rather than timed.
    pub fn is_lru(self) -> bool {
        matches!(self, Policy::VolatileLru | Policy::AllkeysLru)
    }

    /// Whether it counts uses.
    pub fn is_lfu(self) -> bool {
        matches!(self, Policy::VolatileLfu | Policy::AllkeysLfu)
    }

    /// Whether keys without a deadline may go.
    pub fn takes_all_keys(self) -> bool {
        matches!(self, Policy::AllkeysLru | Policy::AllkeysLfu | Policy::AllkeysRandom)
    }
}

/// `oom-score-adj-values`: for a master, a replica and a snapshot child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomValues(pub [i32; 3]);

impl Setting for OomValues {
    const MANY_WORDS: bool = true;

    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let [master, replica, child] = words else { return Err("wrong number of arguments".into()) };
        let number = |word: &Vec<u8>| {
            let number = resp::number::parse_i64(word).and_then(|number| i32::try_from(number).ok());
            number.filter(|number| (-2000..=2000).contains(number)).ok_or_else(|| {
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_string()
            })
        };
        Ok(Self([number(master)?, number(replica)?, number(child)?]))
    }

    fn show(&self) -> String {
        self.0.map(|value| value.to_string()).join(" ")
    }

    fn lines(&self) -> Vec<String> {
        vec![self.show()]
    }
}

/// `shutdown-on-sigterm` and `shutdown-on-sigint`: the options of SHUTDOWN that a signal stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    /// SAVE (true) or NOSAVE (false), if either.
    pub save: Option<bool>,
    /// NOW: waits for no replica.
    pub now: bool,
    /// FORCE: ends though saving fails.
    pub force: bool,
}

impl Setting for ShutdownFlags {
    const MANY_WORDS: bool = true;

    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let mut flags = Self::default();
        for word in words {
            let save = match word.to_ascii_lowercase().as_slice() {
                b"default" => continue,
                b"save" => true,
                b"nosave" => false,
                b"now" => {
                    flags.now = true;
                    continue;
                }
                b"force" => {
                    flags.force = true;
                    continue;
                }
                _ => {
                    return Err(
                        "argument(s) must be one of the following: default, save, nosave, now, force".into(),
                    );
                }
            };
            if flags.save.is_some_and(|earlier| earlier != save) {
                return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
            }
            flags.save = Some(save);
        }
        Ok(flags)
    }

    fn show(&self) -> String {
        let save = self.save.map(|save| if save { "save" } else { "nosave" });
        let words = [save, self.now.then_some("now"), self.force.then_some("force")];
        let shown = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if shown.is_empty() { "default".into() } else { shown }
    }

    fn lines(&self) -> Vec<String> {
        vec![self.show()]
    }
}

/// `hz`: any number is taken, and means one from 1 to 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hz(u16);

impl Hz {
    /// How often a second.
    pub fn per_second(self) -> u64 {
        u64::from(self.0)
    }
}

impl Setting for Hz {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let number = i64::parse(words, &(0..=i64::from(i32::MAX)))?;
        Ok(Self(number.clamp(1, 500) as u16))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}
