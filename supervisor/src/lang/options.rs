//! The options of a call: checked against the word's declaration, then read by name.
//!
//! At top level a wrong option is noted and left out, and evaluation goes on, so that one look shows every
//! mistake; in an experiment it is an error at once.

use rhai::{Dynamic, ImmutableString, Map};

use super::call::{Call, nodes_of};
use super::failure::{Failure, Outcome, Spot};
use super::suggest::did_you_mean;
use super::values::{MonitorHandle, NodeHandle, TimeSpan, as_span};
use super::words::Opt;

/// Options that fit the declaration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    map: Map,
    /// Which argument of the call they came in.
    argument: usize,
}

impl Options {
    /// No options.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Checks a map against a declaration.
    pub(crate) fn check(call: &Call<'_>, argument: usize, map: Map, declared: &[Opt]) -> Outcome<Self> {
        let mut checked = Map::new();
        for (key, value) in map {
            let value = value.flatten();
            match misfit(call.word.name, argument, &key, &value, declared) {
                None => {
                    checked.insert(key, value);
                }
                Some(failure) => call.session.mistake(call.context, failure)?,
            }
        }
        Ok(Self { map: checked, argument })
    }

    /// Adds what is missing from others.
    pub(crate) fn or(mut self, others: &Map) -> Self {
        for (key, value) in others {
            self.map.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// The place of an option's value.
    pub(crate) fn value_spot(&self, key: &str) -> Spot {
        Spot::Value(self.argument, key.to_owned())
    }

    /// The place of a key in the map that is an option's value.
    pub(crate) fn inner_spot(&self, key: &str, inner: &str) -> Spot {
        Spot::Inner(self.argument, key.to_owned(), inner.to_owned())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Dynamic> {
        self.map.get(key)
    }

    pub(crate) fn into_map(self) -> Map {
        self.map
    }

    pub(crate) fn text(&self, key: &str) -> Option<ImmutableString> {
        self.get(key).and_then(|value| value.clone().into_immutable_string().ok())
    }

    pub(crate) fn int(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(|value| value.as_int().ok())
    }

    pub(crate) fn bool(&self, key: &str) -> Option<bool> {
        self.get(key).and_then(|value| value.as_bool().ok())
    }

    pub(crate) fn span(&self, key: &str) -> Option<TimeSpan> {
        self.get(key).and_then(as_span)
    }

    pub(crate) fn table(&self, key: &str) -> Option<Map> {
        self.get(key).and_then(|value| value.clone().try_cast())
    }

    pub(crate) fn node(&self, key: &str) -> Option<NodeHandle> {
        self.get(key).and_then(|value| value.clone().try_cast())
    }

    pub(crate) fn nodes(&self, key: &str) -> Vec<NodeHandle> {
        self.get(key).map(nodes_of).unwrap_or_default()
    }

    pub(crate) fn monitor(&self, key: &str) -> Option<MonitorHandle> {
        self.get(key).and_then(|value| value.clone().try_cast())
    }
}

/// Why an option does not fit, if it does not.
pub(crate) fn misfit(
    word: &str,
    argument: usize,
    key: &str,
    value: &Dynamic,
    declared: &[Opt],
) -> Option<Failure> {
    let Some(option) = declared.iter().find(|option| option.name == key) else {
        return Some(unknown(word, argument, key, declared));
    };
    let misfit = option.takes.accept(value).err()?;
    let message = format!("option `{key}` of `{word}`: {}", misfit.message);
    Some(Failure::new(Spot::Value(argument, key.to_owned()), message).note(misfit.hint))
}

/// The message for an option that the word does not have.
pub(crate) fn unknown(word: &str, argument: usize, key: &str, declared: &[Opt]) -> Failure {
    let names: Vec<&str> = declared.iter().map(|option| option.name).collect();
    let known = format!("`{word}` has the options {}", listed(&names));
    Failure::new(Spot::Key(argument, key.to_owned()), format!("unknown option `{key}`"))
        .note(did_you_mean(key, names.iter().copied()).unwrap_or(known))
}

/// `a`, `b` and `c`.
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
