//! Reading the commands of a file that arrives in pieces.
//!
//! A file that stops inside a command or inside a transaction was cut short, as by a crash: what lies before
//! is sound, and [`Reader::valid_up_to`] says where that ends. Everything else that is not a command is
//! damage. Between commands there may be annotations, lines that begin with `#`; of those `#TS:` tells the
//! time.

use resp::request::{RequestError, Trust};
use resp::{Args, Batch, Limits, Parser};

/// Longest annotation, its line's end included.
pub const MAX_ANNOTATION_BYTES: usize = 1024;

/// Commands handed out together, so that their memory can be fetched ahead.
const BATCH: usize = 16;

const LIMITS: Limits = Limits { max_bulk_bytes: u32::MAX - 1, trust: Trust::Authenticated };

/// Why a file cannot be read on, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at offset {offset}")]
pub struct AofError {
    /// Where the command begins that is not complete, or not one.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file ends inside a command.
    #[error("the file ends inside a command")]
    CutShort,
    /// The file ends inside a transaction, which begins at the offset.
    #[error("the file ends inside a transaction")]
    OpenTransaction,
    /// Another byte where a command should begin.
    #[error("expected '*' or '#', got {}", shown(*.0))]
    NotACommand(u8),
    /// A command without a name.
    #[error("a command of no arguments")]
    NoArguments,
    /// Arguments that do not follow the protocol.
    #[error("{0}")]
    Malformed(RequestError),
    /// An annotation without end.
    #[error("an annotation longer than {MAX_ANNOTATION_BYTES} bytes")]
    AnnotationTooLong,
}

impl Fault {
    /// Whether it is what a crash leaves: all before it is sound.
    #[must_use]
    pub fn is_truncation(&self) -> bool {
        matches!(self, Fault::CutShort | Fault::OpenTransaction)
    }
}

fn shown(byte: u8) -> String {
    match byte {
        b' '..=b'~' => format!("'{}'", byte as char),
        _ => format!("byte {byte:#04x}"),
    }
}

/// Commands in the order of the file.
#[derive(Clone, Copy, Debug)]
pub struct Commands<'a> {
    /// How to find them in `bytes`.
    pub batch: &'a Batch,
    /// What they lie in.
    pub bytes: &'a [u8],
}

impl<'a> Commands<'a> {
    /// The commands, each its name and arguments.
    pub fn iter(self) -> impl Iterator<Item = Args<'a>> {
        (0..self.batch.len()).map(move |index| self.batch.args(index, self.bytes))
    }
}

/// Takes a file of commands apart.
#[derive(Debug, Default)]
pub struct Reader {
    parser: Parser,
    batch: Batch,
    /// `buffer[taken..filled]` waits to be read.
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
    /// The file's bytes before `buffer`.
    base: u64,
    /// Where what is sound ends: behind the last command that belongs to no open transaction.
    valid_up_to: u64,
    in_transaction: bool,
    /// Unix seconds that the last `#TS:` told.
    timestamp: Option<i64>,
    failed: Option<AofError>,
}

impl Reader {
    /// A reader at `offset` of a file: 0, or the end of the snapshot before its commands.
    #[must_use]
    pub fn new(offset: u64) -> Self {
        Self { base: offset, valid_up_to: offset, ..Self::default() }
    }

    /// Adds the next bytes of the file. Call [`next`](Self::next) until it has no more before feeding again.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.commit(bytes.len());
    }

    /// Room for `length` bytes to be read into, then told with [`commit`](Self::commit).
    pub fn space(&mut self, length: usize) -> &mut [u8] {
        if self.buffer.len() - self.filled < length && self.taken > 0 {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.base += self.taken as u64;
            self.filled -= self.taken;
            self.taken = 0;
        }
        let end = self.filled + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.filled..end]
    }

    /// Takes over the first `length` bytes of the last [`space`](Self::space).
    ///
    /// # Panics
    /// When that space was smaller.
    pub fn commit(&mut self, length: usize) {
        assert!(length <= self.buffer.len() - self.filled, "more bytes committed than there was space for");
        self.filled += length;
    }

    /// Bytes of the file that have been read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.base + self.taken as u64
    }

    /// How much of the file is sound and whole: what comes after it may be cut off.
    #[must_use]
    pub fn valid_up_to(&self) -> u64 {
        self.valid_up_to
    }

    /// Unix seconds that the last timestamp told.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The next commands, up to sixteen; none when more bytes are needed.
    ///
    /// # Errors
    /// What is no command, and where; again the same from then on. Commands before it have been given.
    #[allow(clippy::should_implement_trait, reason = "commands are lent, which Iterator cannot express")]
    pub fn next(&mut self) -> Result<Option<Commands<'_>>, AofError> {
        self.batch.clear();
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while self.batch.is_empty() {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(fault) => {
                    let error = AofError { offset: self.offset(), fault };
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(Some(Commands { batch: &self.batch, bytes: &self.buffer[..self.filled] }))
    }

    /// Reads an annotation or some commands; `false` when more bytes are needed.
    fn advance(&mut self) -> Result<bool, Fault> {
        match self.buffer[self.taken..self.filled].first() {
            None => return Ok(false),
            Some(b'*') => {}
            Some(b'#') => return self.annotation(),
            Some(other) => return Err(Fault::NotACommand(*other)),
        }
        let start = self.taken;
        let input = &mut self.buffer[..self.filled];
        let parsed = self.parser.parse(input, start, BATCH, LIMITS, &mut self.batch);
        let mut end = start;
        for index in 0..self.batch.len() {
            // Commands lie side by side, unless an empty one was passed over, or an inline one has slipped in
            // behind the end of a line.
            let begins = self.batch.start(index);
            if begins != end || self.buffer[begins] != b'*' {
                return self.end_before_gap(index, end);
            }
            end = self.batch.end(index);
            self.follow(index, end);
        }
        self.taken = end;
        match parsed {
            Ok(done) if done > end => self.gap(end),
            Ok(_) => Ok(!self.batch.is_empty()),
            // What came before the fault is given first; the fault shows itself again.
            Err(_) if !self.batch.is_empty() => {
                self.parser = Parser::default();
                Ok(true)
            }
            // The fault may be that of a command behind one without arguments, which the parser passed over.
            Err(_) if self.is_empty_command(start) => Err(Fault::NoArguments),
            Err(error) => Err(Fault::Malformed(error)),
        }
    }

    fn is_empty_command(&mut self, start: usize) -> bool {
        let input = &mut self.buffer[..self.filled];
        let line = input[start..].iter().position(|byte| *byte == b'\r').map_or(0, |length| length + 2);
        let end = (start + line).min(input.len());
        let parsed = Parser::default().parse(&mut input[..end], start, 1, LIMITS, &mut self.batch);
        parsed.is_ok_and(|done| done > start)
    }

    /// What the protocol passes over between requests has no place in a file.
    fn gap(&mut self, at: usize) -> Result<bool, Fault> {
        if !self.batch.is_empty() {
            self.parser = Parser::default();
            return Ok(true);
        }
        match self.buffer[at] {
            b'*' => Err(Fault::NoArguments),
            other => Err(Fault::NotACommand(other)),
        }
    }

    /// The commands from `index` on lie behind a gap: they are not given.
    fn end_before_gap(&mut self, index: usize, end: usize) -> Result<bool, Fault> {
        self.batch.truncate(index);
        self.taken = end;
        self.parser = Parser::default();
        self.gap(end)
    }

    /// Keeps track of transactions.
    fn follow(&mut self, index: usize, end: usize) {
        let args = self.batch.args(index, &self.buffer);
        let name = args.at(0);
        if name.eq_ignore_ascii_case(b"multi") {
            self.in_transaction = true;
        } else if name.eq_ignore_ascii_case(b"exec") || name.eq_ignore_ascii_case(b"discard") {
            self.in_transaction = false;
        }
        if !self.in_transaction {
            self.valid_up_to = self.base + end as u64;
        }
    }

    fn annotation(&mut self) -> Result<bool, Fault> {
        let rest = &self.buffer[self.taken..self.filled];
        let Some(length) = rest.iter().take(MAX_ANNOTATION_BYTES).position(|byte| *byte == b'\n') else {
            let is_too_long = rest.len() >= MAX_ANNOTATION_BYTES;
            return if is_too_long { Err(Fault::AnnotationTooLong) } else { Ok(false) };
        };
        if let Some(seconds) = rest[..length].strip_prefix(b"#TS:") {
            let seconds = std::str::from_utf8(seconds.trim_ascii()).ok().and_then(|text| text.parse().ok());
            self.timestamp = seconds.or(self.timestamp);
        }
        self.taken += length + 1;
        if !self.in_transaction {
            self.valid_up_to = self.offset();
        }
        Ok(true)
    }

    /// To be called when the file has ended.
    ///
    /// # Errors
    /// The earlier error if there was one, else that the file ends inside a command or transaction.
    pub fn finish(&self) -> Result<(), AofError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.taken < self.filled {
            return Err(AofError { offset: self.offset(), fault: Fault::CutShort });
        }
        match self.in_transaction {
            true => Err(AofError { offset: self.valid_up_to, fault: Fault::OpenTransaction }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands and the end, as text; fed in pieces of a size.
    fn read(file: &[u8], piece: usize) -> (String, Reader) {
        let (mut reader, mut told) = (Reader::new(0), String::new());
        for bytes in file.chunks(piece.max(1)) {
            reader.feed(bytes);
            loop {
                match reader.next() {
                    Ok(None) => break,
                    Ok(Some(commands)) => {
                        for args in commands.iter() {
                            let words: Vec<_> = args.iter().map(String::from_utf8_lossy).collect();
                            told.push_str(&format!("{} | ", words.join(" ")));
                        }
                    }
                    Err(error) => return (told + &error.to_string(), reader),
                }
            }
        }
        let end = reader.finish().map_or_else(|error| error.to_string(), |()| "whole".into());
        (told + &end, reader)
    }

    fn command(words: &[&str]) -> String {
        let mut bytes = Vec::new();
        resp::encode::command(&mut bytes, words);
        String::from_utf8(bytes).unwrap()
    }

    fn check(file: &str, told: &str, valid_up_to: usize) {
        for piece in [1, 2, 7, 1 << 20] {
            let (text, reader) = read(file.as_bytes(), piece);
            assert_eq!(text, told, "{file:?} in pieces of {piece}");
            assert_eq!(reader.valid_up_to(), valid_up_to as u64, "{file:?} in pieces of {piece}");
        }
    }

    #[test]
    fn a_whole_file() {
        let set = command(&["SET", "k", "a\r\nb"]);
        let file =
            format!("#TS:1700000000\r\n{}{set}#remark\r\n{}", command(&["SELECT", "1"]), set.repeat(40));
        let told = "SELECT 1 | ".to_string() + &"SET k a\r\nb | ".repeat(41) + "whole";
        check(&file, &told, file.len());
        assert_eq!(read(file.as_bytes(), 5).1.timestamp(), Some(1_700_000_000));
        check("", "whole", 0);
    }

    #[test]
    fn a_file_cut_short_is_sound_up_to_its_last_whole_command() {
        let (one, two) = (command(&["SET", "a", "1"]), command(&["DEL", "a"]));
        for cut in 1..two.len() {
            let file = format!("{one}{}", &two[..cut]);
            let told = format!("SET a 1 | the file ends inside a command at offset {}", one.len());
            check(&file, &told, one.len());
        }
        check(
            &format!("{one}#TS:17"),
            &format!("SET a 1 | the file ends inside a command at offset {}", one.len()),
            one.len(),
        );
    }

    #[test]
    fn a_transaction_is_kept_whole() {
        let (one, multi, exec) = (command(&["SET", "a", "1"]), command(&["multi"]), command(&["EXEC"]));
        let open = format!("{one}{multi}{one}");
        let at = one.len();
        check(
            &open,
            &format!("SET a 1 | multi | SET a 1 | the file ends inside a transaction at offset {at}"),
            at,
        );
        let cut = format!("{open}{}", &exec[..exec.len() - 1]);
        let told =
            format!("SET a 1 | multi | SET a 1 | the file ends inside a command at offset {}", open.len());
        check(&cut, &told, at);
        let whole = format!("{open}{exec}");
        check(&whole, "SET a 1 | multi | SET a 1 | EXEC | whole", whole.len());
    }

    #[test]
    fn damage_is_told_from_a_short_file() {
        let one = command(&["SET", "a", "1"]);
        let at = one.len();
        let bad = |tail: &str, why: &str| {
            check(&format!("{one}{tail}{one}"), &format!("SET a 1 | {why} at offset {at}"), at)
        };
        bad("garbage\r\n", "expected '*' or '#', got 'g'");
        bad("\0", "expected '*' or '#', got byte 0x00");
        bad("\r\n", "expected '*' or '#', got byte 0x0d");
        bad("*0\r\n", "a command of no arguments");
        bad("*-1\r\n", "a command of no arguments");
        bad("*0\r\n*1\r\n3", "a command of no arguments");
        bad("*x\r\n", "invalid multibulk length");
        bad("*1\r\nx4\r\nPING\r\n", "expected '$', got 'x'");
        bad("*1\r\n$-1\r\n", "invalid bulk length");
        bad(&format!("#{}\r\n", "x".repeat(2000)), "an annotation longer than 1024 bytes");
    }
}
