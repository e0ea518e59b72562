//! Expected replies as text: the notation of the case files, described in `tests/cases/README.md`.

use std::fmt;

use resp::Value;
use resp::split::{quote, split_words};

/// An expected reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `_`: whatever it is.
    Any,
    /// `:1..5`: an integer from here to there, both included.
    Range(i64, i64),
    /// This reply, which is no collection.
    Exactly(Value),
    /// `[…]`, `%[…]`, `~[…]`, `>[…]`: a collection of this kind, element by element.
    List(Shape, Vec<Pattern>),
    /// `{…}`, `~{…}`: a collection of this kind, in any order.
    Bag(Shape, Vec<Pattern>),
}

/// The kind of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Array,
    Map,
    Set,
    Push,
}

impl Shape {
    fn prefix(self) -> &'static str {
        match self {
            Shape::Array => "",
            Shape::Map => "%",
            Shape::Set => "~",
            Shape::Push => ">",
        }
    }
}

/// The elements of a collection, a map's keys and values in turn.
fn elements(reply: &Value) -> Option<(Shape, Vec<&Value>)> {
    match reply {
        Value::Array(items) => Some((Shape::Array, items.iter().collect())),
        Value::Set(items) => Some((Shape::Set, items.iter().collect())),
        Value::Push(items) => Some((Shape::Push, items.iter().collect())),
        Value::Map(pairs) => Some((Shape::Map, pairs.iter().flat_map(|(key, value)| [key, value]).collect())),
        _ => None,
    }
}

impl Pattern {
    /// Reads a line.
    pub fn parse(line: &str) -> Result<Pattern, String> {
        // Alone on their line, statuses and errors need no quotes.
        match line.as_bytes() {
            [b'+', first, ..] if *first != b'"' => {
                return Ok(Pattern::Exactly(Value::Simple(line[1..].into())));
            }
            [b'-', first, ..] if *first != b'"' => {
                return Ok(Pattern::Exactly(Value::Error(line[1..].into())));
            }
            _ => {}
        }
        let mut reader = Reader { rest: line };
        let pattern = reader.pattern()?;
        match reader.rest.trim() {
            "" => Ok(pattern),
            rest => Err(format!("unexpected {rest:?} after a reply")),
        }
    }

    /// Whether a reply is as expected.
    pub fn matches(&self, reply: &Value) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Range(low, high) => matches!(reply, Value::Int(n) if (low..=high).contains(&n)),
            Pattern::Exactly(expected) => expected == reply,
            Pattern::List(shape, patterns) => elements(reply).is_some_and(|(found, items)| {
                found == *shape
                    && items.len() == patterns.len()
                    && patterns.iter().zip(items).all(|(pattern, item)| pattern.matches(item))
            }),
            Pattern::Bag(shape, patterns) => elements(reply).is_some_and(|(found, mut items)| {
                found == *shape
                    && items.len() == patterns.len()
                    && patterns.iter().all(|pattern| {
                        let at = items.iter().position(|item| pattern.matches(item));
                        at.map(|at| items.swap_remove(at)).is_some()
                    })
            }),
        }
    }

    /// The pattern that expects a reply; unordered where `like` is.
    pub fn of(reply: &Value, like: Option<&Pattern>) -> Pattern {
        let Some((shape, items)) = elements(reply) else { return Pattern::Exactly(reply.clone()) };
        let mut patterns: Vec<Pattern> = items.into_iter().map(|item| Pattern::of(item, None)).collect();
        match like {
            Some(Pattern::Bag(..)) => {
                patterns.sort_by_key(Pattern::to_string);
                Pattern::Bag(shape, patterns)
            }
            _ => Pattern::List(shape, patterns),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined =
            |patterns: &[Pattern]| patterns.iter().map(Pattern::nested).collect::<Vec<_>>().join(" ");
        match self {
            Pattern::Exactly(Value::Simple(text)) if is_plain(text) => {
                write!(f, "+{}", String::from_utf8_lossy(text))
            }
            Pattern::Exactly(Value::Error(text)) if is_plain(text) => {
                write!(f, "-{}", String::from_utf8_lossy(text))
            }
            Pattern::Any => f.write_str("_"),
            Pattern::Range(low, high) => write!(f, ":{low}..{high}"),
            Pattern::Exactly(value) => f.write_str(&scalar(value)),
            Pattern::List(shape, patterns) => write!(f, "{}[{}]", shape.prefix(), joined(patterns)),
            Pattern::Bag(shape, patterns) => write!(f, "{}{{{}}}", shape.prefix(), joined(patterns)),
        }
    }
}

/// Whether a status or error can stand on its line without quotes.
fn is_plain(text: &[u8]) -> bool {
    text.first().is_some_and(|first| *first != b'"') && text.iter().all(|byte| (0x20..0x7f).contains(byte))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Simple(text) => format!("+{}", quote(text)),
        Value::Error(text) => format!("-{}", quote(text)),
        Value::Int(n) => format!(":{n}"),
        Value::Bulk(bytes) => quote(bytes),
        Value::Nil => "nil".into(),
        Value::Double(n) => format!(",{n}"),
        Value::Bool(truth) => format!("#{truth}"),
        Value::BigNumber(digits) => format!("({}", String::from_utf8_lossy(digits)),
        Value::Verbatim(_, text) => format!("={}", quote(text)),
        Value::Array(_) | Value::Map(_) | Value::Set(_) | Value::Push(_) => {
            unreachable!("a collection is no scalar")
        }
    }
}

impl Pattern {
    /// Its text inside a collection, where statuses and errors are quoted.
    fn nested(&self) -> String {
        match self {
            Pattern::Exactly(value) => scalar(value),
            other => other.to_string(),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn pattern(&mut self) -> Result<Pattern, String> {
        self.rest = self.rest.trim_start();
        let shape = match self.rest.as_bytes() {
            [b'[' | b'{', ..] => Some((Shape::Array, 0)),
            [b'%', b'[' | b'{', ..] => Some((Shape::Map, 1)),
            [b'~', b'[' | b'{', ..] => Some((Shape::Set, 1)),
            [b'>', b'[' | b'{', ..] => Some((Shape::Push, 1)),
            _ => None,
        };
        if let Some((shape, prefix)) = shape {
            self.rest = &self.rest[prefix..];
            return self.collection(shape);
        }
        let Some(kind) = self.rest.chars().next() else { return Err("a reply is missing".into()) };
        match kind {
            '"' => self.quoted().map(|bytes| Pattern::Exactly(Value::Bulk(bytes))),
            '+' | '-' | '=' => {
                self.rest = &self.rest[1..];
                let text = self.quoted()?;
                Ok(Pattern::Exactly(match kind {
                    '+' => Value::Simple(text),
                    '-' => Value::Error(text),
                    _ => Value::Verbatim("txt".into(), text),
                }))
            }
            _ => self.word(),
        }
    }

    fn collection(&mut self, shape: Shape) -> Result<Pattern, String> {
        let ordered = self.rest.starts_with('[');
        let end = if ordered { ']' } else { '}' };
        self.rest = &self.rest[1..];
        let mut patterns = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(end) {
                self.rest = rest;
                return Ok(match ordered {
                    true => Pattern::List(shape, patterns),
                    false => Pattern::Bag(shape, patterns),
                });
            }
            if self.rest.is_empty() {
                return Err(format!("a {end} is missing"));
            }
            patterns.push(self.pattern()?);
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, String> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, char)| {
            let closes = !escaped && *char == '"';
            escaped = !escaped && *char == '\\';
            closes
        });
        let (Some((end, _)), true) = (end, self.rest.starts_with('"')) else {
            return Err(format!("quotes are missing at {:?}", self.rest));
        };
        let words = split_words(&self.rest.as_bytes()[..=end]).map_err(|error| error.to_string())?;
        self.rest = &self.rest[end + 1..];
        Ok(words.into_iter().next().unwrap_or_default())
    }

    fn word(&mut self) -> Result<Pattern, String> {
        let end = self.rest.find([' ', ']', '}']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let wrong = || format!("{word:?} is no reply");
        let exactly = match word.split_at_checked(1) {
            Some(("_", "")) => return Ok(Pattern::Any),
            Some((":", number)) => {
                if let Some((low, high)) = number.split_once("..") {
                    let bound = |text: &str| text.parse().map_err(|_| wrong());
                    return Ok(Pattern::Range(bound(low)?, bound(high)?));
                }
                Value::Int(number.parse().map_err(|_| wrong())?)
            }
            Some((",", number)) => Value::Double(number.parse().map_err(|_| wrong())?),
            Some(("(", digits)) => Value::BigNumber(digits.into()),
            _ => match word {
                "nil" => Value::Nil,
                "#true" => Value::Bool(true),
                "#false" => Value::Bool(false),
                _ => return Err(wrong()),
            },
        };
        Ok(Pattern::Exactly(exactly))
    }
}

#[test]
fn what_is_written_is_read_again() {
    for line in [
        "+OK",
        "-ERR no such key",
        ":-5",
        ":1..5",
        "nil",
        "_",
        r#""a \"b\"\x00""#,
        r#"[+"OK" -"ERR x" [] {"a" "b"} :1]"#,
        r#"%["k" ,1.5 "b" #true]"#,
        r#"~{"a"}"#,
        r#">["message" "c" "m"]"#,
    ] {
        assert_eq!(Pattern::parse(line).map(|pattern| pattern.to_string()), Ok(line.to_owned()));
    }
    for line in ["", "OK", "[", "\"a", "1", "[:x]", "nil nil"] {
        assert!(Pattern::parse(line).is_err(), "{line:?}");
    }
}

#[test]
fn order_matters_only_where_it_is_said() {
    let reply = Value::Array(vec![Value::Int(2), Value::Int(1), Value::Int(1)]);
    for (line, expected) in [
        ("[:2 :1 :1]", true),
        ("[:1 :2 :1]", false),
        ("{:1 :2 :1}", true),
        ("{:1 :2 :2}", false),
        ("{:1 :2}", false),
        ("[:2 _ :0..1]", true),
        ("~[:2 :1 :1]", false),
    ] {
        assert_eq!(Pattern::parse(line).unwrap().matches(&reply), expected, "{line}");
    }
}
