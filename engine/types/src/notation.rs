//! Arguments as a tree, read from the notation of the command reference.
//!
//! `key value [NX | XX] [EX seconds:integer | KEEPTTL] [field [field ...]]`: upper-case words are tokens,
//! lower-case ones values (with a type after a colon; `key` is a key, anything else a string), brackets
//! make optional, parentheses do not, bars separate alternatives, `[x ...]` after `x` makes it repeat.

/// A node of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argument {
    /// Its name, in lower case.
    pub name: String,
    /// `key`, `string`, `integer`, `double`, `unix-time`, `pattern`, `pure-token`, `oneof`, `block`.
    pub kind: String,
    /// The word that comes before it, or that it is.
    pub token: Option<String>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// Alternatives or parts.
    pub children: Vec<Argument>,
}

impl Argument {
    /// The flags COMMAND DOCS shows.
    pub fn flags(&self) -> Vec<&'static str> {
        let flags = [(self.optional, "optional"), (self.multiple, "multiple")];
        flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect()
    }
}

/// Reads the notation.
pub fn arguments(notation: &str) -> Vec<Argument> {
    let spaced: String = notation
        .chars()
        .map(|c| if "[]()|".contains(c) { format!(" {c} ") } else { c.to_string() })
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    alternatives(&words, &mut at)
}

/// Sequences separated by bars, up to a closing bracket.
fn alternatives(words: &[&str], at: &mut usize) -> Vec<Argument> {
    let mut choices = vec![sequence(words, at)];
    while words.get(*at) == Some(&"|") {
        *at += 1;
        choices.push(sequence(words, at));
    }
    match choices.len() {
        1 => choices.remove(0),
        _ => {
            let children: Vec<Argument> = choices.into_iter().map(one).collect();
            let name = children.first().map(|first| first.name.clone()).unwrap_or_default();
            vec![Argument { name, kind: "oneof".into(), children, ..Argument::default() }]
        }
    }
}

/// A sequence as one node.
fn one(mut parts: Vec<Argument>) -> Argument {
    match parts.len() {
        1 => parts.remove(0),
        _ => {
            let name = parts.first().map(|first| first.name.clone()).unwrap_or_default();
            Argument { name, kind: "block".into(), children: parts, ..Argument::default() }
        }
    }
}

fn sequence(words: &[&str], at: &mut usize) -> Vec<Argument> {
    let mut parts: Vec<Argument> = Vec::new();
    while let Some(word) = words.get(*at) {
        match *word {
            "]" | ")" | "|" => break,
            "(" => {
                *at += 1;
                parts.push(one(alternatives(words, at)));
                *at += 1;
            }
            "..." => {
                *at += 1;
            }
            "[" => {
                *at += 1;
                let begin = *at;
                let inner = alternatives(words, at);
                let repeats = words[begin..*at].last() == Some(&"...");
                *at += 1;
                if repeats && repeats_tail(&parts, &inner) {
                    let block = parts.split_off(parts.len() - inner.len());
                    parts.push(Argument { multiple: true, ..one(block) });
                } else if !inner.is_empty() {
                    parts.push(Argument { optional: true, ..one(inner) });
                }
            }
            word => {
                *at += 1;
                parts.push(leaf(word));
                attach_token(&mut parts);
            }
        }
    }
    parts
}

/// `key value [key value ...]`: the bracket repeats what stands before it.
fn repeats_tail(parts: &[Argument], inner: &[Argument]) -> bool {
    let tail = parts.len().checked_sub(inner.len()).map(|from| &parts[from..]);
    tail.is_some_and(|tail| tail.iter().zip(inner).all(|(a, b)| a.name == b.name))
}

fn leaf(word: &str) -> Argument {
    let is_token = word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "-*=~$".contains(c));
    if is_token {
        let name = word.to_ascii_lowercase();
        return Argument { name, kind: "pure-token".into(), token: Some(word.into()), ..Argument::default() };
    }
    let (name, kind) = word.split_once(':').unwrap_or((word, if is_key(word) { "key" } else { "string" }));
    Argument { name: name.into(), kind: kind.into(), ..Argument::default() }
}

fn is_key(word: &str) -> bool {
    matches!(word, "key" | "newkey" | "source" | "destination" | "key1" | "key2")
}

/// `EX seconds`: a token followed by a value is that value's token.
fn attach_token(parts: &mut Vec<Argument>) {
    let [.., token, value] = parts.as_slice() else { return };
    if token.kind == "pure-token" && value.kind != "pure-token" {
        let token = parts.remove(parts.len() - 2).token;
        if let Some(value) = parts.last_mut() {
            value.token = token;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let token = argument.token.as_ref().map(|token| format!("{token}=")).unwrap_or_default();
            let children =
                if argument.children.is_empty() { String::new() } else { shown(&argument.children) };
            format!("{token}{}:{}{}{}", argument.name, argument.kind, argument.flags().concat(), children)
        };
        format!("({})", arguments.iter().map(one).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn notations_become_trees() {
        for (notation, expected) in [
            ("", "()"),
            ("key", "(key:key)"),
            ("key [key ...]", "(key:keymultiple)"),
            (
                "key value [NX | XX]",
                "(key:key value:string nx:oneofoptional(NX=nx:pure-token XX=xx:pure-token))",
            ),
            (
                "key [EX seconds:integer | KEEPTTL]",
                "(key:key seconds:oneofoptional(EX=seconds:integer KEEPTTL=keepttl:pure-token))",
            ),
            ("key value [key value ...]", "(key:blockmultiple(key:key value:string))"),
            ("[section [section ...]]", "(section:stringoptionalmultiple)"),
        ] {
            assert_eq!(shown(&arguments(notation)), expected, "{notation}");
        }
    }
}
