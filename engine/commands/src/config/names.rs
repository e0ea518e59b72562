//! Names of files and directories that may not lead anywhere else.

use std::ops::RangeInclusive;

use super::setting::Setting;

/// A name without a path in it.
fn name(words: &[Vec<u8>], directive: &str, what: &str) -> Result<String, String> {
    let [word] = words else { return Err("wrong number of arguments".into()) };
    if word.is_empty() {
        return Err(format!("{directive} can't be empty"));
    }
    if word.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        return Err(format!("{directive} can't be a path, just a {what}"));
    }
    Ok(String::from_utf8_lossy(word).into_owned())
}

/// `appendfilename`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(pub String);

impl Setting for FileName {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        name(words, "appendfilename", "filename").map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl std::ops::Deref for FileName {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

/// `appenddirname`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryName(pub String);

impl Setting for DirectoryName {
    fn parse(words: &[Vec<u8>], _: &RangeInclusive<i64>) -> Result<Self, String> {
        name(words, "appenddirname", "dirname").map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl std::ops::Deref for DirectoryName {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}
