//! The manifest: a line for each file, `file NAME seq NUMBER type b|h|i`.
//!
//! Names with odd bytes are quoted as in a configuration file. Lines that begin with `#` are remarks. Pairs of
//! a word and a value that are not known are passed over, so that later versions can add some. The errors are
//! in Redis's words.

use resp::split::{quote, split_words};

/// Longest line.
const MAX_LINE_BYTES: usize = 1024;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// All data at one moment.
    Base,
    /// What a rewrite has made superfluous.
    History,
    /// Commands after the base.
    Incremental,
}

impl FileKind {
    fn letter(self) -> char {
        match self {
            FileKind::Base => 'b',
            FileKind::History => 'h',
            FileKind::Incremental => 'i',
        }
    }
}

/// A file of the append-only file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name, without a directory.
    pub name: String,
    /// Its number among its kind.
    pub seq: i64,
    /// What it is for.
    pub kind: FileKind,
}

/// How a base is written, which its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseForm {
    /// As a snapshot: `.rdb`.
    Rdb,
    /// As commands: `.aof`.
    Commands,
}

/// Which files there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The base, if there is one.
    pub base: Option<FileInfo>,
    /// Files to be deleted.
    pub history: Vec<FileInfo>,
    /// Increments, oldest first.
    pub incremental: Vec<FileInfo>,
    /// The number of the last base.
    base_seq: i64,
    /// The number of the last increment.
    incremental_seq: i64,
}

/// What is wrong with a manifest, in Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// There is no line in it.
    #[error("Found an empty AOF manifest")]
    Empty,
    /// A line without end, or beyond 1,024 bytes.
    #[error("The AOF manifest file contains too long line")]
    LineTooLong,
    /// Words that are no pairs, or a name, number or type is missing.
    #[error("Invalid AOF manifest file format")]
    InvalidFormat,
    /// A name with a directory in it.
    #[error("File can't be a path, just a filename")]
    NameIsPath,
    /// A second base.
    #[error("Found duplicate base file information")]
    DuplicateBase,
    /// An increment whose number is not above the one before it.
    #[error("Found a non-monotonic sequence number")]
    NotMonotonic,
    /// A type other than `b`, `h` and `i`.
    #[error("Unknown AOF file type")]
    UnknownType,
}

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ManifestError {
    /// What is wrong.
    pub fault: ManifestFault,
    /// The line's number and text, where it is a line's fault.
    pub line: Option<(usize, String)>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong, and with which line.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        let mut is_empty = true;
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            is_empty = false;
            if line.first() == Some(&b'#') {
                continue;
            }
            manifest.take_line(line).map_err(|fault| {
                let shown = String::from_utf8_lossy(line).trim().to_owned();
                // Redis has no line to show yet when it cannot read one.
                let line = (fault != ManifestFault::LineTooLong).then_some((index + 1, shown));
                ManifestError { fault, line }
            })?;
        }
        match is_empty {
            true => Err(ManifestError { fault: ManifestFault::Empty, line: None }),
            false => Ok(manifest),
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), ManifestFault> {
        if line.last() != Some(&b'\n') || line.len() > MAX_LINE_BYTES {
            return Err(ManifestFault::LineTooLong);
        }
        let file = file_of(line)?;
        match file.kind {
            FileKind::Base if self.base.is_some() => return Err(ManifestFault::DuplicateBase),
            FileKind::Base => {
                self.base_seq = file.seq;
                self.base = Some(file);
            }
            FileKind::History => self.history.push(file),
            FileKind::Incremental if file.seq <= self.incremental_seq => {
                return Err(ManifestFault::NotMonotonic);
            }
            FileKind::Incremental => {
                self.incremental_seq = file.seq;
                self.incremental.push(file);
            }
        }
        Ok(())
    }

    /// The manifest as it is written: base, history, increments.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for file in self.base.iter().chain(&self.history).chain(&self.incremental) {
            let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\'' | b'\\' | b'#');
            let name = match file.name.is_empty() || file.name.bytes().any(odd) {
                true => quote(file.name.as_bytes()),
                false => file.name.clone(),
            };
            text.push_str(&format!("file {name} seq {} type {}\n", file.seq, file.kind.letter()));
        }
        text
    }

    /// Whether it names nothing to load.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incremental.is_empty()
    }

    /// What is to be loaded, in order.
    pub fn loaded(&self) -> impl Iterator<Item = &FileInfo> {
        self.base.iter().chain(&self.incremental)
    }

    /// A new base takes the place of the present one, which becomes history; gives its name.
    pub fn begin_base(&mut self, prefix: &str, form: BaseForm) -> String {
        if let Some(old) = self.base.take() {
            self.history.insert(0, FileInfo { kind: FileKind::History, ..old });
        }
        self.base_seq += 1;
        let suffix = if form == BaseForm::Rdb { "rdb" } else { "aof" };
        let name = format!("{prefix}.{}.base.{suffix}", self.base_seq);
        self.base = Some(FileInfo { name: name.clone(), seq: self.base_seq, kind: FileKind::Base });
        name
    }

    /// A new increment behind the others; gives its name.
    pub fn begin_incremental(&mut self, prefix: &str) -> String {
        self.incremental_seq += 1;
        let name = format!("{prefix}.{}.incr.aof", self.incremental_seq);
        let file = FileInfo { name: name.clone(), seq: self.incremental_seq, kind: FileKind::Incremental };
        self.incremental.push(file);
        name
    }

    /// A rewrite is done: all increments but the newest, which began with it, are history.
    pub fn retire_rewritten(&mut self) {
        self.retire(self.incremental.len().saturating_sub(1));
    }

    /// A rewrite is done that began with no increment of its own: all there are are history.
    pub fn retire_all_incremental(&mut self) {
        self.retire(self.incremental.len());
    }

    fn retire(&mut self, count: usize) {
        for old in self.incremental.drain(..count) {
            self.history.insert(0, FileInfo { kind: FileKind::History, ..old });
        }
    }

    /// An append-only file of one part becomes the base, under its own name.
    pub fn adopt(&mut self, name: &str) {
        self.base_seq = 1;
        self.base = Some(FileInfo { name: name.to_owned(), seq: 1, kind: FileKind::Base });
    }
}

fn file_of(line: &[u8]) -> Result<FileInfo, ManifestFault> {
    let words = split_words(line.trim_ascii()).map_err(|_| ManifestFault::InvalidFormat)?;
    if words.len() < 6 || words.len() % 2 != 0 {
        return Err(ManifestFault::InvalidFormat);
    }
    let (mut name, mut seq, mut kind) = (None, 0, None);
    for pair in words.chunks_exact(2) {
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" => {
                if pair[1].contains(&b'/') || pair[1].contains(&b'\\') {
                    return Err(ManifestFault::NameIsPath);
                }
                name = Some(String::from_utf8(pair[1].clone()).map_err(|_| ManifestFault::InvalidFormat)?);
            }
            b"seq" => seq = number(&pair[1]),
            b"type" => kind = pair[1].first().copied(),
            _ => {}
        }
    }
    let (Some(name), Some(letter), true) = (name, kind, seq != 0) else {
        return Err(ManifestFault::InvalidFormat);
    };
    let kind = match letter {
        b'b' => FileKind::Base,
        b'h' => FileKind::History,
        b'i' => FileKind::Incremental,
        _ => return Err(ManifestFault::UnknownType),
    };
    Ok(FileInfo { name, seq, kind })
}

/// A number as C reads it: as far as there are digits, else 0.
fn number(word: &[u8]) -> i64 {
    let digits = word.iter().skip(usize::from(word.first() == Some(&b'-')));
    let length = digits.take_while(|byte| byte.is_ascii_digit()).count();
    let end = length + usize::from(word.first() == Some(&b'-'));
    std::str::from_utf8(&word[..end]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "file appendonly.aof.2.base.rdb seq 2 type b\n\
        file appendonly.aof.1.base.rdb seq 1 type h\n\
        file appendonly.aof.1.incr.aof seq 1 type h\n\
        file appendonly.aof.2.incr.aof seq 2 type i\n\
        file appendonly.aof.3.incr.aof seq 3 type i\n";

    #[test]
    fn what_is_written_is_read() {
        let manifest = Manifest::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(manifest.to_text(), SAMPLE);
        let loaded: Vec<&str> = manifest.loaded().map(|file| file.name.as_str()).collect();
        assert_eq!(
            loaded,
            ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.3.incr.aof"]
        );
    }

    #[test]
    fn a_rewrite_makes_the_old_files_history() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.begin_base("a", BaseForm::Rdb), "a.1.base.rdb");
        assert_eq!(manifest.begin_incremental("a"), "a.1.incr.aof");
        // The rewrite begins with an increment of its own, which is not part of what it writes.
        assert_eq!(manifest.begin_incremental("a"), "a.2.incr.aof");
        assert_eq!(manifest.begin_base("a", BaseForm::Commands), "a.2.base.aof");
        manifest.retire_rewritten();
        assert_eq!(
            manifest.to_text(),
            "file a.2.base.aof seq 2 type b\nfile a.1.incr.aof seq 1 type h\nfile a.1.base.rdb seq 1 type h\n\
             file a.2.incr.aof seq 2 type i\n"
        );
        assert_eq!(Manifest::parse(manifest.to_text().as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn odd_names_are_quoted() {
        let mut manifest = Manifest::default();
        manifest.begin_base("my \"own\" file\n", BaseForm::Rdb);
        let text = manifest.to_text();
        assert_eq!(text, "file \"my \\\"own\\\" file\\n.1.base.rdb\" seq 1 type b\n");
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn remarks_and_unknown_words_are_passed_over() {
        let text = "# made by hand\nTYPE base size 7 SEQ 4x file f\n";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.base, Some(FileInfo { name: "f".into(), seq: 4, kind: FileKind::Base }));
        assert!(Manifest::parse(b"#\n").unwrap().is_empty());
    }

    #[test]
    fn errors_name_the_line() {
        let check = |text: &str, fault: &str, line: Option<(usize, &str)>| {
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), fault, "{text:?}");
            assert_eq!(error.line.as_ref().map(|(at, shown)| (*at, shown.as_str())), line, "{text:?}");
        };
        let good = "file a seq 1 type i\n";
        check("", "Found an empty AOF manifest", None);
        check("file a seq 1 type b", "The AOF manifest file contains too long line", None);
        check(&format!("{}\n", "x".repeat(1024)), "The AOF manifest file contains too long line", None);
        check("\n", "Invalid AOF manifest file format", Some((1, "")));
        let check_second = |line: &str, fault| check(&format!("{good}{line}\n"), fault, Some((2, line)));
        check_second("file b seq 2", "Invalid AOF manifest file format");
        check_second("file b seq 2 type", "Invalid AOF manifest file format");
        check_second("file \"b seq 2 type i", "Invalid AOF manifest file format");
        check_second("file b seq 0 type i", "Invalid AOF manifest file format");
        check_second("name b seq 2 type i", "Invalid AOF manifest file format");
        check_second("file a/b seq 2 type i", "File can't be a path, just a filename");
        check_second("file b seq 1 type i", "Found a non-monotonic sequence number");
        check_second("file b seq 2 type x", "Unknown AOF file type");
        check(
            "file a seq 1 type b\nfile b seq 2 type b\n",
            "Found duplicate base file information",
            Some((2, "file b seq 2 type b")),
        );
    }
}
