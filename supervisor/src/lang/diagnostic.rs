//! What is wrong with a script, and how it is shown: file, line, column, the source line with a caret,
//! what was expected, the nearest right word.
//!
//! A diagnostic carries its source line, so showing it needs no file. Nothing here decides what is wrong.

use std::fmt::Write as _;

use rhai::Position;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The script cannot run.
    Error,
    /// The script runs, but probably not as meant.
    Warning,
}

/// Something wrong at a place in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The script's path as given, or the name of a built-in topology.
    pub file: String,
    /// Line, from 1; 0 when there is no place to point at.
    pub line: usize,
    /// Column in characters, from 1; 0 when only the line is known.
    pub column: usize,
    /// The text of that line.
    pub source_line: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What was expected, the nearest right word, where to look.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic at a position of a source text.
    pub(crate) fn at(
        severity: Severity,
        file: &str,
        source: &str,
        position: Position,
        message: impl Into<String>,
    ) -> Self {
        let line = position.line().unwrap_or(0);
        Self {
            severity,
            file: file.to_owned(),
            line,
            column: position.position().unwrap_or(0),
            source_line: line
                .checked_sub(1)
                .and_then(|index| source.lines().nth(index))
                .unwrap_or_default()
                .to_owned(),
            message: message.into(),
            notes: Vec::new(),
        }
    }

    /// A diagnostic about a file as a whole.
    pub(crate) fn about(file: &str, message: impl Into<String>) -> Self {
        Self::at(Severity::Error, file, "", Position::NONE, message)
    }

    /// With a further note, if there is one.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<Option<String>>) -> Self {
        self.notes.extend(note.into());
        self
    }

    /// In one line: place and message.
    pub fn summary(&self) -> String {
        match self.line {
            0 => format!("{}: {}", self.file, self.message),
            line => format!("{}:{line}: {}", self.file, self.message),
        }
    }

    /// The text for a terminal; `colour` adds escape sequences.
    pub fn render(&self, colour: bool) -> String {
        let paint = Paint { colour };
        let mut out = String::new();
        let (label, style) = match self.severity {
            Severity::Error => ("error", "1;31"),
            Severity::Warning => ("warning", "1;33"),
        };
        let message = paint.with("1", &self.message);
        let _ = writeln!(out, "{}{} {message}", paint.with(style, label), paint.with("1", ":"));
        let gutter = " ".repeat(self.line.to_string().len());
        if self.line == 0 {
            let _ = writeln!(out, " {} {}", paint.with("34", "-->"), self.file);
        } else {
            self.render_place(&mut out, &paint, &gutter, style);
        }
        for note in &self.notes {
            let _ = writeln!(out, " {gutter} {} {note}", paint.with("34", "="));
        }
        out
    }

    /// The place: where it is, the line, the caret below.
    fn render_place(&self, out: &mut String, paint: &Paint, gutter: &str, style: &str) {
        let place = match self.column {
            0 => format!("{}:{}", self.file, self.line),
            column => format!("{}:{}:{column}", self.file, self.line),
        };
        let bar = paint.with("34", "|");
        // Tabs would push the caret away from what it points at.
        let shown = self.source_line.replace('\t', " ");
        let _ = writeln!(out, "{gutter} {} {place}", paint.with("34", "-->"));
        let _ = writeln!(out, " {gutter} {bar}");
        let _ = writeln!(out, " {} {bar} {}", paint.with("34", &self.line.to_string()), shown.trim_end());
        if self.column > 0 {
            let indent = " ".repeat(self.column - 1);
            let carets = "^".repeat(token_width(&shown, self.column));
            let _ = writeln!(out, " {gutter} {bar} {indent}{}", paint.with(style, &carets));
        }
    }
}

/// Colours text when asked to.
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How many characters the word, number or string at a column has.
fn token_width(line: &str, column: usize) -> usize {
    let mut chars = line.chars().skip(column - 1);
    match chars.next() {
        Some(quote @ ('"' | '`')) => {
            let mut escaped = false;
            let inside = chars
                .take_while(|c| {
                    let ends = *c == quote && !escaped;
                    escaped = *c == '\\' && !escaped;
                    !ends
                })
                .count();
            let rest = line.chars().count().saturating_sub(column - 1);
            (inside + 2).min(rest)
        }
        Some(c) if c.is_alphanumeric() || c == '_' => {
            1 + chars.take_while(|c| c.is_alphanumeric() || *c == '_').count()
        }
        _ => 1,
    }
}

/// All of them, for a terminal, errors first, each followed by an empty line.
pub fn render_all(diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|d| (d.severity, d.file.as_str(), d.line, d.column));
    let mut out = String::new();
    for diagnostic in sorted {
        out.push_str(&diagnostic.render(colour));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_diagnostic_shows_the_place_and_the_word() {
        let source = "let a = 1;\n\tlet mm = monitor(ss, #{ qourum: 2 });\n";
        let diagnostic = Diagnostic::at(
            Severity::Error,
            "x.rhai",
            source,
            Position::new(2, 27),
            "unknown option `qourum`",
        )
        .note("did you mean `quorum`?".to_owned());
        expect![[r#"
            error: unknown option `qourum`
              --> x.rhai:2:27
               |
             2 |  let mm = monitor(ss, #{ qourum: 2 });
               |                           ^^^^^
               = did you mean `quorum`?
        "#]]
        .assert_eq(&diagnostic.render(false));
        assert!(diagnostic.render(true).contains("\x1b[1;31merror\x1b[0m"));
    }

    #[test]
    fn a_string_is_underlined_whole() {
        assert_eq!(token_width(r#"sleep("5 \" parsecs")"#, 7), 14);
        assert_eq!(token_width(r#"sleep("open"#, 7), 5);
        assert_eq!(token_width("", 5), 1);
    }
}
