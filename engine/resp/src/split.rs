//! The quoting rules of inline commands, configuration files and redis-cli's prompt.
//!
//! Words are separated by spaces. `"…"` understands `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and `\` before any
//! other character; `'…'` understands only `\'`. A closing quote must be followed by a space or the end.

/// The quotes of a line do not balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// Splits a line into words.
pub fn split_words(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut text = line.to_vec();
    let mut words = Vec::new();
    split_in_place(&mut text, |start, end| words.push((start, end)))?;
    Ok(words.into_iter().map(|(start, end)| text[start..end].to_vec()).collect())
}

/// Splits a line into words inside its own buffer: an unquoted word is never longer than its quoted form,
/// so each is written over the text it came from. `word` gets each word's start and end, in order.
pub fn split_in_place(line: &mut [u8], mut word: impl FnMut(usize, usize)) -> Result<(), UnbalancedQuotes> {
    let mut read = 0;
    loop {
        while read < line.len() && is_space(line[read]) {
            read += 1;
        }
        if read == line.len() {
            return Ok(());
        }
        let start = read;
        let (end, next) = unquote_word(line, start)?;
        word(start, end);
        read = next;
    }
}

/// Unquotes the word at `start` in place; gives the end of its plain form and where reading goes on.
fn unquote_word(line: &mut [u8], start: usize) -> Result<(usize, usize), UnbalancedQuotes> {
    let (mut read, mut write) = (start, start);
    while read < line.len() {
        match line[read] {
            byte if is_space(byte) || byte == 0 => break,
            quote @ (b'"' | b'\'') => {
                (write, read) = unquote_quoted(line, write, read + 1, quote)?;
                if read < line.len() && !is_space(line[read]) {
                    return Err(UnbalancedQuotes);
                }
                break;
            }
            byte => {
                line[write] = byte;
                read += 1;
                write += 1;
            }
        }
    }
    // A NUL ends the line, as it would end a C string.
    let next = if read < line.len() && line[read] == 0 { line.len() } else { read };
    Ok((write, next))
}

fn unquote_quoted(
    line: &mut [u8],
    mut write: usize,
    mut read: usize,
    quote: u8,
) -> Result<(usize, usize), UnbalancedQuotes> {
    loop {
        let rest = line.get(read..).unwrap_or_default();
        let (byte, taken) = match *rest {
            [] => return Err(UnbalancedQuotes),
            [b'\\', b'x', high, low, ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_digit(high) << 4 | hex_digit(low), 4)
            }
            [b'\\', escaped, ..] if quote == b'"' => (unescape(escaped), 2),
            [b'\\', b'\'', ..] if quote == b'\'' => (b'\'', 2),
            [byte, ..] if byte == quote => return Ok((write, read + 1)),
            [byte, ..] => (byte, 1),
        };
        line[write] = byte;
        write += 1;
        read += taken;
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    }
}

/// Writes `text` in double quotes so that [`split_words`] gives it back.
pub fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend(['\\', byte as char]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            7 => out.push_str("\\a"),
            8 => out.push_str("\\b"),
            0x20..=0x7e => out.push(byte as char),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<&[&str]>) {
        let words = split_words(line.as_bytes()).ok();
        let words: Option<Vec<String>> = words
            .map(|words| words.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect());
        let expected: Option<Vec<String>> =
            expected.map(|words| words.iter().map(|word| word.to_string()).collect());
        assert_eq!(words, expected, "{line:?}");
    }

    #[test]
    fn words_and_quotes() {
        check("", Some(&[]));
        check("  set  k v \r", Some(&["set", "k", "v"]));
        check(r#"set k "a b""#, Some(&["set", "k", "a b"]));
        check(r#"set k "\x41\n\"q\"""#, Some(&["set", "k", "A\n\"q\""]));
        check(r"set k 'it\'s \n'", Some(&["set", "k", r"it's \n"]));
        check(r#"set k """#, Some(&["set", "k", ""]));
        check(r#"pre"fix" x"#, Some(&["prefix", "x"]));
        check(r#"set k "open"#, None);
        check(r#"set k "a"b"#, None);
        check("set k 'open", None);
        check(r#"""#, None);
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(split_words(quote(&all).as_bytes()), Ok(vec![all]));
    }
}
