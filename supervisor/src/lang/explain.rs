//! Rhai's own errors in the language's terms, with the nearest right word where one is near.

use rhai::{EvalAltResult, LexError, ParseErrorType, Position};

use super::failure::{Failure, Spot, innermost};
use super::session::Session;
use super::suggest::did_you_mean;
use super::values::FIELDS;
use super::words::{self, NOT_YET};

/// An error of the engine that carries no failure of ours.
pub(crate) fn failure(session: &Session, error: &EvalAltResult) -> Failure {
    match innermost(error) {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => unknown_function(session, signature),
        EvalAltResult::ErrorVariableNotFound(name, _) => unknown_variable(session, name),
        EvalAltResult::ErrorPropertyNotFound(name, _) => {
            Failure::new(Spot::Call, format!("the map has no `{name}`"))
                .note(format!("`\"{name}\" in map` tells whether it has one"))
        }
        EvalAltResult::ErrorDotExpr(text, _) => unknown_field(text),
        EvalAltResult::ErrorParsing(parse, _) => unparsable(session, error, parse),
        EvalAltResult::ErrorRuntime(value, _) => {
            Failure::new(Spot::Call, format!("the script threw: {value}"))
        }
        EvalAltResult::ErrorMismatchDataType(wanted, got, _)
        | EvalAltResult::ErrorMismatchOutputType(wanted, got, _) => {
            Failure::new(Spot::Call, format!("expected {}, got {}", plain(wanted), plain(got)))
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            Failure::new(Spot::Call, "functions call each other too deeply, or without end")
        }
        EvalAltResult::ErrorModuleNotFound(name, _) => {
            Failure::new(Spot::Call, format!("there is no script {name:?} to import"))
        }
        EvalAltResult::ErrorArrayBounds(length, index, _) => {
            Failure::new(Spot::Call, format!("there is no element {index}: the array has {length}"))
        }
        other => Failure::new(Spot::Call, lowercase_first(&without_position(&other.to_string()))),
    }
}

/// A call of something that is not there, or not for these types.
fn unknown_function(session: &Session, signature: &str) -> Failure {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
    let types = plain(types.trim_end_matches(')'));
    if is_operator(name) {
        let message = format!("`{name}` has no meaning for {}", types.replace(", ", " and "));
        return Failure::new(Spot::Call, message);
    }
    if script_functions(session).iter().any(|known| known == name) {
        let arguments = if types.is_empty() { 0 } else { types.split(", ").count() };
        return Failure::new(Spot::Call, format!("`{name}` does not take {arguments} arguments"));
    }
    let known = super::check::native_functions();
    if known.contains_key(name) {
        let message = if types.is_empty() {
            format!("`{name}` needs arguments")
        } else {
            format!("`{name}` cannot be called with ({types})")
        };
        return Failure::new(Spot::Call, message);
    }
    unknown_word(name, script_functions(session).iter().map(String::as_str))
}

/// The message for a word that is none.
pub(crate) fn unknown_word<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Failure {
    if NOT_YET.contains(&name) {
        return Failure::new(Spot::Call, format!("`{name}` is not there yet in this version"));
    }
    let hint = match name {
        "eval" | "timestamp" => Some("scripts have no `eval` and no clock of their own".to_owned()),
        _ => did_you_mean(name, words::all().map(|word| word.name).chain(others)),
    };
    Failure::new(Spot::Call, format!("unknown word `{name}`")).note(hint)
}

fn unknown_variable(session: &Session, name: &str) -> Failure {
    let hint = session
        .sources()
        .iter()
        .find_map(|source| did_you_mean(name, source.ast.iter_literal_variables(true, true).map(|v| v.0)));
    Failure::new(Spot::Call, format!("unknown variable `{name}`")).note(hint)
}

/// "Unknown property 'x' - a getter is not registered for type 'y'".
fn unknown_field(text: &str) -> Failure {
    let quoted: Vec<&str> = text.split('\'').collect();
    let (Some(name), Some(of)) = (quoted.get(1), quoted.get(3)) else {
        return Failure::new(Spot::Call, lowercase_first(text));
    };
    if text.starts_with("No writable") {
        return Failure::new(Spot::Call, format!("the field `{name}` of {} cannot be set", plain(of)));
    }
    let fields = || FIELDS.iter().filter(|field| field.of == *of).map(|field| field.name);
    let failure = Failure::new(Spot::Call, format!("{} has no field `{name}`", plain(of)));
    if words::find(name).is_some() {
        return failure.note(format!("`{name}` is a word: write `{name}()`"));
    }
    let all: Vec<&str> = fields().collect();
    let known = (!all.is_empty()).then(|| format!("it has {}", super::options::listed(&all)));
    failure.note(did_you_mean(name, fields()).or(known))
}

/// Words of Rhai that cannot be names, whether it uses them or keeps them for later.
const RESERVED: &[&str] = &[
    "until",
    "for",
    "in",
    "do",
    "loop",
    "while",
    "switch",
    "with",
    "is",
    "match",
    "case",
    "default",
    "new",
    "use",
    "module",
    "package",
    "super",
    "spawn",
    "go",
    "thread",
    "sync",
    "shared",
    "async",
    "await",
    "yield",
    "public",
    "protected",
    "private",
    "static",
    "var",
    "void",
    "null",
    "nil",
    "goto",
    "exit",
    "each",
    "then",
    "this",
    "global",
    "call",
    "curry",
    "type_of",
    "print",
    "debug",
    "eval",
    "if",
    "else",
    "let",
    "const",
    "fn",
    "return",
    "throw",
    "try",
    "catch",
    "break",
    "continue",
    "import",
    "export",
    "as",
    "true",
    "false",
    "unless",
];

/// The parser's error, with what is behind it when a name is none.
fn unparsable(session: &Session, error: &EvalAltResult, parse: &ParseErrorType) -> Failure {
    let (source, position) = session.place_of(error);
    let word = source.as_deref().map(|source| word_at(&source.text, position)).unwrap_or_default();
    if word == "eval" {
        return unknown_word(&word, std::iter::empty());
    }
    let failure = Failure::new(Spot::Call, parse_error(parse));
    let reserved = RESERVED.contains(&word.as_str());
    failure.note(reserved.then(|| format!("`{word}` is a word of Rhai's and cannot be a name")))
}

fn word_at(text: &str, position: Position) -> String {
    let line = position.line().and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
    let from = position.position().unwrap_or(1).saturating_sub(1);
    line.chars().skip(from).take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What the parser says, in a sentence.
pub(crate) fn parse_error(error: &ParseErrorType) -> String {
    match error {
        ParseErrorType::BadInput(LexError::UnexpectedInput(text)) => format!("unexpected `{text}`"),
        ParseErrorType::MissingToken(token, purpose) => format!("`{token}` is missing {purpose}"),
        ParseErrorType::UnexpectedEOF => "the script ends in the middle".to_owned(),
        ParseErrorType::Reserved(word) => format!("`{word}` is a reserved word"),
        ParseErrorType::DuplicatedProperty(name) => format!("`{name}` is given twice"),
        other => lowercase_first(&other.to_string()),
    }
}

/// The names of the functions that the scripts define.
pub(crate) fn script_functions(session: &Session) -> Vec<String> {
    session
        .sources()
        .iter()
        .flat_map(|source| source.ast.iter_functions().map(|f| f.name.to_owned()).collect::<Vec<_>>())
        .filter(|name| !name.starts_with("anon$"))
        .collect()
}

fn is_operator(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Rhai's names of types in plain words.
fn plain(types: &str) -> String {
    types
        .split(", ")
        .map(|name| match name {
            "i64" | "f64" | "INT" | "FLOAT" => "a number",
            "bool" => "a boolean",
            "string" | "&str | ImmutableString | String" => "a string",
            "array" => "an array",
            "map" => "a map",
            "()" => "nothing",
            "Fn" => "a closure",
            "event" => "an event",
            "error" => "an error",
            "node" => "a node",
            "monitor" => "a monitor",
            "moment" => "a moment",
            "duration" => "a duration",
            "workload" => "a workload",
            "ledger" => "a ledger",
            other => other,
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn without_position(text: &str) -> String {
    text.rsplit_once(" (line ").map_or(text, |(before, _)| before).to_owned()
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if chars.clone().next().is_none_or(char::is_lowercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
