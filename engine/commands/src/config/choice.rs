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

    /// `acl-pubsub-default`: what a new user may listen to.
    PubsubDefault {
        /// Every channel.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
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
    pub fn is_lfu(self) -> bool {
        matches!(self, Policy::VolatileLfu | Policy::AllkeysLfu)
    }

    /// Whether keys without a deadline may go.
    pub fn takes_all_keys(self) -> bool {
        matches!(self, Policy::AllkeysLru | Policy::AllkeysLfu | Policy::AllkeysRandom)
    }
}
