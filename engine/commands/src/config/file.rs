//! Reading configuration: the lines of a file, and `--directive value` on the command line.
//!
//! Files are read by the shell; this module gets their lines. `include` is resolved through a callback.

use super::{Config, SetError};

/// Where a directive came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A line of a file.
    Line {
        /// The file's path.
        file: String,
        /// From 1.
        line: usize,
        /// The line itself.
        text: String,
    },
    /// The command line.
    Arguments {
        /// The directive and its words.
        text: String,
    },
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct ConfigError {
    /// Where.
    pub source_line: Source,
    /// Why.
    pub reason: String,
}

impl ConfigError {
    /// The whole message, several lines, in the form redis-server prints before it gives up.
    fn message(&self) -> String {
        let (at, text) = match &self.source_line {
            Source::Line { file, line, text } => {
                (format!("Reading the configuration file {file}, at line {line}"), text)
            }
            Source::Arguments { text } => ("Reading the command line".to_string(), text),
        };
        format!("*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n{at}\n>>> '{text}'\n{}", self.reason)
    }
}

/// Files read for an `include`: path and text each.
pub type Included = Vec<(String, String)>;

/// Applies the lines of a file. `include` reads the files that an `include` directive names, perhaps by a
/// pattern.
pub fn load_lines(
    config: &mut Config,
    file: &str,
    text: &str,
    include: &mut dyn FnMut(&str) -> Result<Included, String>,
) -> Result<(), ConfigError> {
    load_at_depth(config, file, text, include, 0)
}

fn load_at_depth(
    config: &mut Config,
    file: &str,
    text: &str,
    include: &mut dyn FnMut(&str) -> Result<Included, String>,
    depth: u32,
) -> Result<(), ConfigError> {
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_matches([' ', '\t', '\r', '\n']);
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let error = |reason: String| ConfigError {
            source_line: Source::Line { file: file.into(), line: index + 1, text: trimmed.into() },
            reason,
        };
        let words = resp::split::split_words(trimmed.as_bytes())
            .map_err(|_| error("Unbalanced quotes in configuration line".into()))?;
        let Some((name, words)) = words.split_first() else { continue };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match name.as_str() {
            "include" if depth >= 16 => return Err(error("include nested too deeply".into())),
            "include" => {
                let path =
                    words.first().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
                for (path, text) in include(&path).map_err(error)? {
                    load_at_depth(config, &path, &text, include, depth + 1)?;
                }
            }
            "sentinel" => config.sentinel_lines.push((index + 1, words.to_vec())),
            _ => {
                let words = as_line(&name, words).map_err(error)?;
                config.set_at_start(&name, &words).map_err(|why| error(reason(&name, why)))?;
            }
        }
    }
    Ok(())
}

/// Applies `--name value… --name value…`; gives the words that belong to no directive.
///
/// As redis-server: the word behind a name is its value whatever it looks like, except behind `--save`, for
/// which nothing means an empty value; further values end at the next `--`; name and value may also come as
/// one word.
pub fn parse_arguments(config: &mut Config, arguments: &[String]) -> Result<Vec<String>, ConfigError> {
    let mut loose = Vec::new();
    let mut at = 0;
    while at < arguments.len() {
        let Some(option) = arguments[at].strip_prefix("--") else {
            loose.push(arguments[at].clone());
            at += 1;
            continue;
        };
        at += 1;
        let mut words = match resp::split::split_words(option.as_bytes()) {
            Ok(words) => words,
            Err(_) => {
                return Err(wrong_argument(option, &[], "Unbalanced quotes in configuration line".into()));
            }
        };
        let name = match words.is_empty() {
            true => String::new(),
            false => String::from_utf8_lossy(&words.remove(0)).into_owned(),
        };
        let is_save = name.eq_ignore_ascii_case("save");
        let next_is_option = arguments.get(at).is_none_or(|next| next.starts_with("--"));
        if words.is_empty() && is_save && next_is_option {
            words.push(Vec::new());
        } else if words.is_empty() && at < arguments.len() {
            words.push(arguments[at].clone().into_bytes());
            at += 1;
        }
        while at < arguments.len() && !arguments[at].starts_with("--") {
            words.push(arguments[at].clone().into_bytes());
            at += 1;
        }
        let line = as_line(&name, &words).map_err(|why| wrong_argument(&name, &words, why))?;
        let set = config.set_at_start(&name, &line);
        set.map_err(|why| wrong_argument(&name, &words, reason(&name, why)))?;
    }
    Ok(loose)
}

fn wrong_argument(name: &str, words: &[Vec<u8>], reason: String) -> ConfigError {
    let shown: Vec<_> = words.iter().map(|word| format!(" \"{}\"", String::from_utf8_lossy(word))).collect();
    ConfigError { source_line: Source::Arguments { text: format!("{name}{}", shown.concat()) }, reason }
}

/// One word may hold several for a directive that takes several.
fn as_line(name: &str, words: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
    match words {
        // One that came quoted may hold a quote of its own.
        [word] if !word.is_empty() && splits(name) => {
            Ok(resp::split::split_words(word).unwrap_or_else(|_| words.to_vec()))
        }
        _ => Ok(words.to_vec()),
    }
}

fn splits(name: &str) -> bool {
    super::settings::find(&name.to_ascii_lowercase())
        .is_some_and(|directive| directive.split(b"a b").len() > 1)
}

fn reason(name: &str, error: SetError) -> String {
    match error {
        SetError::Unknown(None) => "Bad directive or wrong number of arguments".into(),
        SetError::Unknown(Some(near)) => {
            format!(
                "Bad directive or wrong number of arguments: no directive '{name}'; did you mean '{near}'?"
            )
        }
        SetError::Immutable => "can't be set".into(),
        SetError::Invalid(reason) => reason,
    }
}
