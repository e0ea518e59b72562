//! Lines of a configuration file, split into words and quoted again.
//!
//! The format is that of redis.conf: words separated by blanks; in double
//! quotes `\n`, `\r`, `\t`, `\b`, `\a`, `\xHH` and `\` before any byte are
//! escapes, in single quotes only `\'` is.

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// As it stands in the file, without the newline.
    pub raw: Vec<u8>,
    /// Its words; none for comments and empty lines.
    pub words: Vec<Vec<u8>>,
}

impl SourceLine {
    /// Splits a line; `None` when its quotes are not balanced.
    pub fn parse(raw: &[u8]) -> Option<SourceLine> {
        let text = raw.trim_ascii();
        let words = if text.starts_with(b"#") { Vec::new() } else { split(text)? };
        Some(SourceLine { raw: raw.to_vec(), words })
    }

    /// A word, lower-cased, for comparison.
    pub(crate) fn keyword(&self, index: usize) -> Option<String> {
        let word = self.words.get(index)?;
        Some(String::from_utf8_lossy(word).to_ascii_lowercase())
    }
}

/// Splits into words; `None` when quotes are not balanced or a closing quote
/// is not followed by a blank.
fn split(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (word, tail) = take_word(rest)?;
        words.push(word);
        rest = tail.trim_ascii_start();
    }
    Some(words)
}

fn take_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut at = 0;
    while at < text.len() && !text[at].is_ascii_whitespace() {
        match text[at] {
            quote @ (b'"' | b'\'') => {
                at = take_quoted(text, at + 1, quote, &mut word)?;
                if text.get(at).is_some_and(|byte| !byte.is_ascii_whitespace()) {
                    return None;
                }
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
    Some((word, &text[at..]))
}

/// Reads up to the closing quote; returns the place behind it.
fn take_quoted(text: &[u8], mut at: usize, quote: u8, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*text.get(at)?, text.get(at + 1)) {
            (byte, _) if byte == quote => return Some(at + 1),
            (b'\\', Some(b'\'')) if quote == b'\'' => {
                word.push(b'\'');
                at += 2;
            }
            (b'\\', Some(&next)) if quote == b'"' => {
                let hex = text.get(at + 2..at + 4).filter(|_| next == b'x');
                let hex = hex.and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
                word.push(hex.unwrap_or(match next {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                }));
                at += if hex.is_some() { 4 } else { 2 };
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// A word as it can stand in the file: quoted only where it must be.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for byte in word.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', byte as char]),
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            b' '..=b'~' => quoted.push(byte as char),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<String>> {
        let line = SourceLine::parse(text.as_bytes())?;
        Some(line.words.into_iter().map(|w| String::from_utf8_lossy(&w).into_owned()).collect())
    }

    #[test]
    fn words_are_split_as_in_redis_conf() {
        assert_eq!(words("  # a comment 'x"), Some(vec![]));
        assert_eq!(
            words("a  \"b c\\x41\\n\" 'd\\'e'"),
            Some(vec!["a".into(), "b cA\n".into(), "d'e".into()])
        );
        assert_eq!(words("a \"b"), None);
        assert_eq!(words("a \"b\"c"), None);
        assert_eq!(words("\"\""), Some(vec![String::new()]));
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for word in ["plain", "", "two words", "quo\"te", "back\\slash", "é\n\t", "#hash", "it's"] {
            assert_eq!(words(&quote(word)), Some(vec![word.to_owned()]), "{word:?}");
        }
        assert_eq!(quote("plain"), "plain");
    }
}
