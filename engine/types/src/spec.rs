//! How a command is declared: once, beside its code.
//!
//! The declaration feeds the dispatcher (arity, flags, keys), COMMAND and its subcommands (everything),
//! ACL categories and the documentation. Arguments are declared in the notation of the command reference,
//! `key [NX | XX] [EX seconds:integer | KEEPTTL]`, and turned into a tree when asked for.

/// What a command does to the data, and when it may run: the flags COMMAND INFO shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(pub u32);

macro_rules! flags {
    ($($bit:literal $name:ident $text:literal $doc:literal),* $(,)?) => {
        impl Flags {
            $(#[doc = $doc] pub const $name: Flags = Flags(1 << $bit);)*
            /// Every flag with the name COMMAND INFO gives it.
            pub const NAMES: &'static [(Flags, &'static str)] = &[$((Flags::$name, $text)),*];
        }
    };
}

flags! {
    0 WRITE "write" "May change data.",
    1 READONLY "readonly" "Only reads data.",
    2 DENYOOM "denyoom" "Refused when memory is short.",
    3 ADMIN "admin" "Administrative.",
    4 PUBSUB "pubsub" "Publish/subscribe.",
    5 NOSCRIPT "noscript" "Not from scripts.",
    6 BLOCKING "blocking" "May block its client.",
    7 LOADING "loading" "Allowed while a file is loaded.",
    8 STALE "stale" "Allowed on a replica without its master.",
    9 SKIP_MONITOR "skip_monitor" "Not shown by MONITOR.",
    10 SKIP_SLOWLOG "skip_slowlog" "Not in the slow log.",
    11 ASKING "asking" "Implies ASKING in a cluster.",
    12 FAST "fast" "Constant or logarithmic time.",
    13 NO_AUTH "no_auth" "Allowed before authentication.",
    14 MAY_REPLICATE "may_replicate" "Replicates although it is no write.",
    15 NO_ASYNC_LOADING "no_async_loading" "Not while a replica loads beside its old data.",
    16 NO_MULTI "no_multi" "Not inside MULTI.",
    17 ALLOW_BUSY "allow_busy" "Allowed while a script is busy.",
    18 MOVABLEKEYS "movablekeys" "Its keys cannot be told from positions alone.",
    19 SENTINEL "sentinel" "Known to a sentinel.",
    20 ONLY_SENTINEL "only_sentinel" "Known to a sentinel only.",
    21 NO_MANDATORY_KEYS "no_mandatory_keys" "It may have no keys at all.",
}

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// Only where a directive allows it (`enable-debug-command`, `enable-module-command`). COMMAND INFO says nothing
    /// of it.
    pub const PROTECTED: Flags = Flags(1 << 31);

    /// Both sets.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a command's keys are, and what it does to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// What happens to the keys, in the flags of COMMAND INFO: `RO`, `RW`, `OW`, `RM`, `access`, …
    pub flags: &'static [&'static str],
    /// Where to look.
    pub begin: Begin,
    /// What is found there.
    pub find: Find,
}

/// Where a key specification begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(i32),
    /// After this word, searched from the given argument (from the end when negative).
    Keyword(&'static str, i32),
    /// Only code can tell (SORT's STORE, which may stand anywhere among other options).
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to `last` (relative; negative from the end), every `step`; `limit` divides what is left.
    Range(i32, i32, i32),
    /// A number of keys stands at `numkeys`, the first of them at `first`, every `step` (all relative).
    Count(i32, i32, i32),
    /// Only code can tell.
    Unknown,
}

/// One key at argument 1.
pub const fn one_key(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(1), find: Find::Range(0, 1, 0) }
}

/// Keys from argument 1 to the end.
pub const fn all_keys(flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(1), find: Find::Range(-1, 1, 0) }
}

/// Everything about a command but its code.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Name in lower case.
    pub name: &'static str,
    /// What it does, one sentence, in our own words.
    pub summary: &'static str,
    /// First Redis version that had it.
    pub since: &'static str,
    /// Group of the command reference: `string`, `generic`, `server`…
    pub group: &'static str,
    /// Its cost.
    pub complexity: &'static str,
    /// Number of arguments, its name included; at least so many when negative.
    pub arity: i32,
    /// Flags.
    pub flags: Flags,
    /// ACL categories beyond those that follow from flags and group, without the `@`.
    pub acl: &'static [&'static str],
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// Hints for clients of a cluster.
    pub tips: &'static [&'static str],
    /// Its arguments in the notation of the reference.
    pub args: &'static str,
    /// Since when it is deprecated, and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
}

impl Meta {
    /// A base for declarations: `Meta { name: …, ..Meta::BASE }`.
    pub const BASE: Meta = Meta {
        name: "",
        summary: "",
        since: "1.0.0",
        group: "generic",
        complexity: "O(1)",
        arity: 1,
        flags: Flags::NONE,
        acl: &[],
        keys: &[],
        tips: &[],
        args: "",
        deprecated: None,
    };

    /// Whether `count` arguments (the name included) are a right number.
    pub fn accepts(&self, count: usize) -> bool {
        let count = count as i64;
        let arity = i64::from(self.arity);
        if arity >= 0 { count == arity } else { count >= -arity }
    }

    /// The command's first key argument, where positions alone tell it.
    pub fn first_key_index(&self) -> Option<usize> {
        match self.keys.first()?.begin {
            Begin::Index(index) if matches!(self.keys[0].find, Find::Range(..)) => {
                usize::try_from(index).ok()
            }
            _ => None,
        }
    }
}

/// A command: its declaration and its code.
#[derive(Clone, Copy, Debug)]
pub struct Command<H: 'static> {
    /// The declaration.
    pub meta: Meta,
    /// The code; of a container, what answers an unknown subcommand's place is never called.
    pub run: H,
    /// Subcommands of a container (`CLIENT`, `CONFIG`).
    pub subcommands: &'static [Command<H>],
}
