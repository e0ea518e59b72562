//! The types a directive's value can have: how each is read, and how CONFIG GET shows it.

use std::fmt;
use std::ops::RangeInclusive;

use resp::number::parse_i64;

/// A directive's value.
pub(super) trait Setting: Sized {
    /// Reads it from the words after the directive's name.
    fn parse(words: &[Vec<u8>], range: &RangeInclusive<i64>) -> Result<Self, String>;
    /// What CONFIG GET shows.
    fn show(&self) -> String;
    /// The words of a line that sets it, as CONFIG REWRITE writes it; more than one for repeated lines.
    fn lines(&self) -> Vec<String> {
        vec![word_in_file(&self.show())]
    }
    /// The value in force when `self` is given after `earlier`.
    fn after(self, _earlier: &Self) -> Self {
        self
    }
    /// Whether CONFIG SET's one word is split into several.
    const MANY_WORDS: bool = false;
}

/// A value as one word of a file: in quotes where it must be.
pub(super) fn word_in_file(value: &str) -> String {
    let needs_none = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\'' && b != b'\\';
    match !value.is_empty() && value.bytes().all(needs_none) {
        true => value.to_owned(),
        false => resp::split::quote(value.as_bytes()),
    }
}

fn one(words: &[Vec<u8>]) -> Result<&[u8], String> {
    match words {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".into()),
    }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

impl Setting for i64 {
    fn parse(words: &[Vec<u8>], range: &RangeInclusive<i64>) -> Result<Self, String> {
        let value = parse_i64(one(words)?).ok_or("argument couldn't be parsed into an integer")?;
        if !range.contains(&value) {
            return Err(format!("argument must be between {} and {} inclusive", range.start(), range.end()));
        }
        Ok(value)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// File permissions, written in octal; 0 leaves them as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub u32);

impl Setting for Permissions {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let text = String::from_utf8_lossy(one(words)?).into_owned();
        let mode =
            u32::from_str_radix(&text, 8).map_err(|_| "argument couldn't be parsed into an integer")?;
        match mode {
            0..=0o777 => Ok(Permissions(mode)),
            _ => Err("argument must be between 0 and 777 inclusive".into()),
        }
    }

    fn show(&self) -> String {
        format!("{:o}", self.0)
    }
}

impl Setting for bool {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        match one(words)?.to_ascii_lowercase().as_slice() {
            b"yes" => Ok(true),
            b"no" => Ok(false),
            _ => Err("argument must be 'yes' or 'no'".into()),
        }
    }

    fn show(&self) -> String {
        if *self { "yes".into() } else { "no".into() }
    }
}

impl Setting for String {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        one(words).map(text)
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// A number of bytes, written with a unit or without: `64mb`, `1048576`.
impl Setting for u64 {
    fn parse(words: &[Vec<u8>], range: &RangeInclusive<i64>) -> Result<Self, String> {
        let value = parse_memory(one(words)?).ok_or("argument must be a memory value")?;
        if i64::try_from(value).is_ok_and(|value| !range.contains(&value)) {
            return Err(format!("argument must be between {} and {} inclusive", range.start(), range.end()));
        }
        Ok(value)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Reads `64mb` and the like: `k`, `m`, `g` are powers of 1000, `kb`, `mb`, `gb` of 1024. Nothing is zero.
pub(crate) fn parse_memory(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return Some(0);
    }
    let split = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at(split);
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let factor = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Any number of words; an empty word alone means none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Setting for Words {
    const MANY_WORDS: bool = true;

    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        Ok(Self(words.iter().filter(|word| !word.is_empty()).map(|word| text(word)).collect()))
    }

    fn show(&self) -> String {
        self.0.join(" ")
    }

    fn lines(&self) -> Vec<String> {
        let words: Vec<String> = self.0.iter().map(|word| word_in_file(word)).collect();
        vec![if words.is_empty() { "\"\"".into() } else { words.join(" ") }]
    }
}

/// `save <seconds> <changes>`: a snapshot after so long if so much changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last one.
    pub seconds: u64,
    /// Changes since the last one.
    pub changes: u64,
}

/// All save points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

impl Setting for SavePoints {
    const MANY_WORDS: bool = true;

    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        if words.iter().all(Vec::is_empty) && words.len() <= 1 {
            return Ok(Self::default());
        }
        if !words.len().is_multiple_of(2) {
            return Err("Invalid save parameters".into());
        }
        let number = |word: &Vec<u8>, least| parse_i64(word).filter(|n| *n >= least).map(|n| n as u64);
        let points = words.chunks(2).map(|pair| {
            let (seconds, changes) = (number(&pair[0], 1)?, number(&pair[1], 0)?);
            Some(SavePoint { seconds, changes })
        });
        points.collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| "Invalid save parameters".into())
    }

    fn show(&self) -> String {
        self.0.iter().map(|p| format!("{} {}", p.seconds, p.changes)).collect::<Vec<_>>().join(" ")
    }

    fn lines(&self) -> Vec<String> {
        if self.0.is_empty() {
            return vec!["\"\"".into()];
        }
        self.0.iter().map(|p| format!("{} {}", p.seconds, p.changes)).collect()
    }
}

/// `replicaof <host> <port>`, or nothing.
impl Setting for Option<(String, u16)> {
    const MANY_WORDS: bool = true;

    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        match words {
            [] => Ok(None),
            [empty] if empty.is_empty() => Ok(None),
            [host, port] if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") => Ok(None),
            [host, port] => {
                let port = parse_i64(port).and_then(|port| u16::try_from(port).ok());
                Ok(Some((text(host), port.ok_or("Invalid master port")?)))
            }
            _ => Err("wrong number of arguments".into()),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map(|(host, port)| format!("{host} {port}")).unwrap_or_default()
    }

    fn lines(&self) -> Vec<String> {
        self.iter().map(|(host, port)| format!("{} {port}", word_in_file(host))).collect()
    }
}

/// Severity of a log line, from the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `.`
    Debug,
    /// `-`
    Verbose,
    /// `*`
    Notice,
    /// `#`
    Warning,
}

/// `loglevel`: the least severity that is logged; none logs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub Option<Level>);

const LEVELS: [(&str, Option<Level>); 5] = [
    ("debug", Some(Level::Debug)),
    ("verbose", Some(Level::Verbose)),
    ("notice", Some(Level::Notice)),
    ("warning", Some(Level::Warning)),
    ("nothing", None),
];

impl Setting for LogLevel {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let word = text(one(words)?).to_ascii_lowercase();
        let known = LEVELS.iter().find(|(name, _)| *name == word);
        known.map(|(_, level)| Self(*level)).ok_or_else(|| {
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing".into()
        })
    }

    fn show(&self) -> String {
        LEVELS.iter().find(|(_, level)| *level == self.0).map_or("notice", |(name, _)| name).into()
    }
}

/// `notify-keyspace-events`: classes of events, as the letters say. `K` and `E` are bits beside those of
/// [`types::Class`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(pub u16);

impl NotifyFlags {
    /// Events are published on `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: u16 = 1 << 14;
    /// Events are published on `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: u16 = 1 << 15;
    /// What `A` stands for: all classes but `m` and `n`.
    const ALL: u16 = 0x1ff | 1 << 11;
    /// In the order they are shown in. Redis leaves `n` out behind `A`, and so loses it when it rewrites its file.
    const LETTERS: [(u8, u16); 14] = [
        (b'g', 1),
        (b'$', 2),
        (b'l', 4),
        (b's', 8),
        (b'h', 16),
        (b'z', 32),
        (b'x', 64),
        (b'e', 128),
        (b't', 256),
        (b'd', 1 << 11),
        (b'n', 1024),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', 512),
    ];
}

impl Setting for NotifyFlags {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        let mut flags = 0;
        for &letter in one(words)? {
            let known = Self::LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, bit)| *bit);
            let known = known.or((letter == b'A').then_some(Self::ALL));
            flags |= known.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        }
        Ok(Self(flags))
    }

    fn show(&self) -> String {
        let mut shown = String::new();
        let mut rest = self.0;
        if rest & Self::ALL == Self::ALL {
            shown.push('A');
            rest &= !Self::ALL;
        }
        for (letter, bit) in Self::LETTERS {
            if rest & bit != 0 {
                shown.push(letter as char);
            }
        }
        shown
    }
}

/// `client-output-buffer-limit` of one class of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferLimit {
    /// Disconnect at once beyond this; 0 for no limit.
    pub hard_bytes: u64,
    /// Disconnect after `soft_seconds` beyond this; 0 for no limit.
    pub soft_bytes: u64,
    /// How long the soft limit may be exceeded.
    pub soft_seconds: u64,
}

/// Limits for the three classes: normal, replica, pubsub. A line sets the classes it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferLimits(pub [Option<BufferLimit>; 3]);

impl BufferLimits {
    const CLASSES: [&'static str; 3] = ["normal", "slave", "pubsub"];
    const DEFAULTS: [BufferLimit; 3] = [
        BufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
        BufferLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 },
        BufferLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 },
    ];

    /// The limit of class `index` (normal, replica, pubsub).
    pub fn limit(&self, index: usize) -> BufferLimit {
        self.0[index].unwrap_or(Self::DEFAULTS[index])
    }

    fn shown(&self) -> impl Iterator<Item = String> {
        let limits = *self;
        (0..3).map(move |index| {
            let limit = limits.limit(index);
            format!(
                "{} {} {} {}",
                Self::CLASSES[index],
                limit.hard_bytes,
                limit.soft_bytes,
                limit.soft_seconds
            )
        })
    }
}

impl fmt::Display for BufferLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown().collect::<Vec<_>>().join(" "))
    }
}

impl Setting for BufferLimits {
    const MANY_WORDS: bool = true;

    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        if words.is_empty() || !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = Self::default();
        for group in words.chunks(4) {
            let class = text(&group[0]).to_ascii_lowercase();
            let class = if class == "replica" { "slave".into() } else { class };
            let index = Self::CLASSES.iter().position(|known| *known == class);
            let index = index.ok_or("Invalid client class specified in buffer limit configuration.")?;
            let bytes =
                (parse_memory(&group[1]), parse_memory(&group[2]), parse_i64(&group[3]).filter(|n| *n >= 0));
            let (Some(hard_bytes), Some(soft_bytes), Some(seconds)) = bytes else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into()
                );
            };
            limits.0[index] = Some(BufferLimit { hard_bytes, soft_bytes, soft_seconds: seconds as u64 });
        }
        Ok(limits)
    }

    fn after(self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|class| self.0[class].or(earlier.0[class])))
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn lines(&self) -> Vec<String> {
        self.shown().collect()
    }
}
