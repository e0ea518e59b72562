//! Requests as a server reads them: arrays of bulk strings, or inline commands.
//!
//! A command's arguments are [`Span`]s relative to the command's first byte in the connection's input
//! buffer, so a command that arrives whole costs neither an allocation nor a copy. A command that arrives
//! in pieces is taken up where it was left. Inline commands are unquoted inside the buffer. [`Batch`]
//! holds several parsed commands, so that a caller can look ahead (prefetch) over a pipeline.

use crate::number::parse_i64;
use crate::split::split_in_place;

/// Longest inline command or length line.
const MAX_INLINE_BYTES: usize = 64 * 1024;
/// Arguments of a client that has not authenticated.
const MAX_UNAUTHENTICATED_ARGS: i64 = 10;
/// Longest argument of a client that has not authenticated.
const MAX_UNAUTHENTICATED_BYTES: i64 = 16_384;

/// Where an argument lies, relative to its command's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Length in bytes.
    pub length: u32,
}

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`.
    pub max_bulk_bytes: u32,
    /// Whether the client may send only little, because it has yet to authenticate.
    pub trust: Trust,
}

/// Whether a client has authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It has, or need not.
    Authenticated,
    /// It must first.
    Unauthenticated,
}

/// Why a client is told `-ERR Protocol error: …` and disconnected; the text is Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A line without end.
    #[error("too big inline request")]
    InlineTooBig,
    /// An inline command's quotes.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// The `*` line has no end.
    #[error("too big mbulk count string")]
    CountTooBig,
    /// A `$` line has no end.
    #[error("too big bulk count string")]
    BulkCountTooBig,
    /// The number of arguments is no number or too large.
    #[error("invalid multibulk length")]
    InvalidMultibulkLength,
    /// Too many arguments before authentication.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// Another byte where an argument's length should begin.
    #[error("expected '$', got '{}'", *.0 as char)]
    ExpectedDollar(u8),
    /// An argument's length is no number or too large.
    #[error("invalid bulk length")]
    InvalidBulkLength,
    /// Too long an argument before authentication.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulkLength,
}

/// Parsed commands, in order.
#[derive(Debug, Default)]
pub struct Batch {
    spans: Vec<Span>,
    commands: Vec<Parsed>,
}

#[derive(Clone, Copy, Debug)]
struct Parsed {
    first_span: u32,
    span_count: u32,
    start: usize,
    end: usize,
}

impl Batch {
    /// Commands in it.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether it holds no command.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.commands.clear();
    }

    /// The arguments of command `index`; `buffer` is the one that was parsed.
    pub fn args<'a>(&'a self, index: usize, buffer: &'a [u8]) -> Args<'a> {
        let command = self.commands[index];
        let first = command.first_span as usize;
        Args {
            bytes: &buffer[command.start..command.end],
            spans: &self.spans[first..first + command.span_count as usize],
        }
    }

    /// Where command `index` begins in the parsed buffer.
    pub fn start(&self, index: usize) -> usize {
        self.commands[index].start
    }

    /// Forgets the commands from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.commands.truncate(length);
        self.spans
            .truncate(self.commands.last().map_or(0, |last| (last.first_span + last.span_count) as usize));
    }

    /// Where command `index` ends in the parsed buffer.
    pub fn end(&self, index: usize) -> usize {
        self.commands[index].end
    }
}

/// The arguments of one command, its name first.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments in `bytes` at `spans`.
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// How many, the command's name included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none; a parsed command always has its name.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `index`.
    pub fn at(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start as usize..(span.start + span.length) as usize]
    }

    /// Argument `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.spans.len()).then(|| self.at(index))
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: &self.spans[index.min(self.spans.len())..] }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| &bytes[span.start as usize..(span.start + span.length) as usize])
    }

    /// The command as it came, if that is the one way to write it: as an array of bulk strings, with the ends of
    /// lines where they belong (the parser takes any two bytes for them). To be asked of a whole command only,
    /// not of [`from`](Self::from).
    #[inline]
    pub fn as_sent(&self) -> Option<&'a [u8]> {
        let bytes = self.bytes;
        if bytes.first() != Some(&b'*') || self.spans.first()?.start == 0 {
            return None;
        }
        let ends_line = |at: usize| bytes.get(at..at + 2) == Some(b"\r\n");
        let mut at = 1 + bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        for span in self.spans {
            let start = span.start as usize;
            if !ends_line(at) || bytes.get(at + 2) != Some(&b'$') || !ends_line(start - 2) {
                return None;
            }
            at = start + span.length as usize;
        }
        (ends_line(at) && at + 2 == bytes.len()).then_some(bytes)
    }

    /// Copies of the arguments.
    pub fn to_vecs(&self) -> Vec<Vec<u8>> {
        self.iter().map(<[u8]>::to_vec).collect()
    }
}

/// The state of one connection's parser: what is known of the command that is still incomplete.
#[derive(Debug, Default)]
pub struct Parser {
    /// Arguments still to come; none before the `*` line was read.
    left: Option<u32>,
    /// Length of the argument whose `$` line was read.
    bulk: Option<u32>,
    /// Bytes of the current command that need no second look, from its first byte.
    at: usize,
    spans: Vec<Span>,
}

enum Progress {
    Command,
    Empty,
    NeedMore,
}

impl Parser {
    /// Parses up to `most` commands from `buffer[start..]` into `batch` (spans index `buffer`).
    ///
    /// An inline command is always a batch of its own: it is unquoted where it stands, and must not be so
    /// again because one before it was held back.
    ///
    /// Gives the offset up to which the buffer is done with (empty commands included). What lies behind
    /// it is an incomplete command; the caller keeps those bytes, moved to the front of its buffer if it
    /// likes, and calls again with `start` at the first of them when more have come.
    pub fn parse(
        &mut self,
        buffer: &mut [u8],
        start: usize,
        most: usize,
        limits: Limits,
        batch: &mut Batch,
    ) -> Result<usize, RequestError> {
        let mut start = start;
        while batch.len() < most && start < buffer.len() {
            let inline = buffer[start] != b'*' && self.left.is_none();
            let line_end = matches!(buffer[start], b'\r' | b'\n');
            if inline && !line_end && !batch.is_empty() {
                break;
            }
            if !inline && self.left.is_none() && limits.trust == Trust::Authenticated {
                let first_span = batch.spans.len() as u32;
                if let Some(length) = whole(&buffer[start..], limits.max_bulk_bytes, &mut batch.spans) {
                    let span_count = batch.spans.len() as u32 - first_span;
                    let end = start + length;
                    batch.commands.push(Parsed { first_span, span_count, start, end });
                    start = end;
                    continue;
                }
                batch.spans.truncate(first_span as usize);
            }
            let progress = match inline {
                false => self.multibulk(&buffer[start..], limits)?,
                true => self.inline(&mut buffer[start..])?,
            };
            match progress {
                Progress::NeedMore => break,
                Progress::Empty => start += self.finish(),
                Progress::Command => {
                    let first_span = batch.spans.len() as u32;
                    batch.spans.append(&mut self.spans);
                    let span_count = batch.spans.len() as u32 - first_span;
                    let end = start + self.finish();
                    batch.commands.push(Parsed { first_span, span_count, start, end });
                    start = end;
                    if inline {
                        break;
                    }
                }
            }
        }
        Ok(start)
    }

    /// How many bytes the argument being received still needs, when that is known: a hint for reserving.
    pub fn wanted(&self, received: usize) -> usize {
        self.bulk.map_or(0, |length| (self.at + length as usize + 2).saturating_sub(received))
    }

    fn finish(&mut self) -> usize {
        let length = self.at;
        self.at = 0;
        self.left = None;
        self.bulk = None;
        self.spans.clear();
        length
    }

    fn multibulk(&mut self, input: &[u8], limits: Limits) -> Result<Progress, RequestError> {
        let mut left = match self.left {
            Some(left) => left,
            None => match self.count(input, limits)? {
                Some(0) => return Ok(Progress::Empty),
                Some(count) => count,
                None => return Ok(Progress::NeedMore),
            },
        };
        while left > 0 {
            let length = match self.bulk {
                Some(length) => length,
                None => match self.bulk_length(input, limits)? {
                    Some(length) => length,
                    None => return Ok(Progress::NeedMore),
                },
            };
            if input.len() < self.at + length as usize + 2 {
                return Ok(Progress::NeedMore);
            }
            self.spans.push(Span { start: self.at as u32, length });
            self.at += length as usize + 2;
            self.bulk = None;
            left -= 1;
            self.left = Some(left);
        }
        Ok(Progress::Command)
    }

    fn count(&mut self, input: &[u8], limits: Limits) -> Result<Option<u32>, RequestError> {
        let Some((text, after)) = number_line(input, 0, RequestError::CountTooBig)? else { return Ok(None) };
        let count = parse_i64(text).filter(|count| *count <= i64::from(i32::MAX));
        let count = count.ok_or(RequestError::InvalidMultibulkLength)?;
        if limits.trust == Trust::Unauthenticated && count > MAX_UNAUTHENTICATED_ARGS {
            return Err(RequestError::UnauthenticatedMultibulkLength);
        }
        let count = u32::try_from(count).unwrap_or(0);
        self.at = after;
        self.left = Some(count);
        Ok(Some(count))
    }

    fn bulk_length(&mut self, input: &[u8], limits: Limits) -> Result<Option<u32>, RequestError> {
        let Some(&first) = input.get(self.at) else { return Ok(None) };
        if first != b'$' {
            return Err(RequestError::ExpectedDollar(first));
        }
        let line = number_line(input, self.at, RequestError::BulkCountTooBig)?;
        let Some((text, after)) = line else { return Ok(None) };
        let length = parse_i64(text).filter(|length| (0..=i64::from(limits.max_bulk_bytes)).contains(length));
        let length = length.ok_or(RequestError::InvalidBulkLength)?;
        if limits.trust == Trust::Unauthenticated && length > MAX_UNAUTHENTICATED_BYTES {
            return Err(RequestError::UnauthenticatedBulkLength);
        }
        // Spans are 32 bits wide; a command beyond 4 GiB in all is refused like too long an argument.
        if after as u64 + length as u64 + 2 > u64::from(u32::MAX) {
            return Err(RequestError::InvalidBulkLength);
        }
        self.at = after;
        self.bulk = Some(length as u32);
        Ok(self.bulk)
    }

    fn inline(&mut self, input: &mut [u8]) -> Result<Progress, RequestError> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            return if input.len() > MAX_INLINE_BYTES {
                Err(RequestError::InlineTooBig)
            } else {
                Ok(Progress::NeedMore)
            };
        };
        let line_end = if end > 0 && input[end - 1] == b'\r' { end - 1 } else { end };
        let spans = &mut self.spans;
        split_in_place(&mut input[..line_end], |start, end| {
            spans.push(Span { start: start as u32, length: (end - start) as u32 });
        })
        .map_err(|_| RequestError::UnbalancedQuotes)?;
        self.at = end + 1;
        Ok(if self.spans.is_empty() { Progress::Empty } else { Progress::Command })
    }
}

/// A command that is there as a whole and has nothing unusual: its spans are added, its length is given.
/// `None` says nothing about it but that the thorough way must look, whatever was added.
#[inline]
fn whole(input: &[u8], max_bulk_bytes: u32, spans: &mut Vec<Span>) -> Option<usize> {
    let (count, mut at) = short_number(input, 1)?;
    if count == 0 {
        return None;
    }
    for _ in 0..count {
        if input.get(at) != Some(&b'$') {
            return None;
        }
        let (length, start) = short_number(input, at + 1)?;
        at = start + length as usize + 2;
        if at > input.len() || length > max_bulk_bytes {
            return None;
        }
        spans.push(Span { start: start as u32, length });
    }
    Some(at)
}

/// A number of at most four digits and its line's end, as `(number, where the next line begins)`.
#[inline(always)]
fn short_number(input: &[u8], at: usize) -> Option<(u32, usize)> {
    let digit =
        |at: usize| input.get(at).map(|byte| u32::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
    let mut number = digit(at)?;
    let mut at = at + 1;
    // A leading zero is no number, but alone.
    if number > 0 {
        for _ in 0..3 {
            let Some(next) = digit(at) else { break };
            number = number * 10 + next;
            at += 1;
        }
    }
    (input.get(at) == Some(&b'\r')).then_some((number, at + 2))
}

/// The text between a type byte at `at` and its line's end, and where the next line begins.
fn number_line(
    input: &[u8],
    at: usize,
    too_big: RequestError,
) -> Result<Option<(&[u8], usize)>, RequestError> {
    let rest = &input[at + 1..];
    // Length lines are a few bytes: a plain loop beats a search call.
    for (index, &byte) in rest.iter().enumerate() {
        if byte == b'\r' {
            if rest.len() == index + 1 {
                return Ok(None);
            }
            return Ok(Some((&rest[..index], at + index + 3)));
        }
        if index > MAX_INLINE_BYTES {
            return Err(too_big);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_bulk_bytes: 512 << 20, trust: Trust::Authenticated };

    fn parse_whole(input: &[u8], limits: Limits) -> Result<(Vec<Vec<String>>, usize), RequestError> {
        let mut buffer = input.to_vec();
        let mut batch = Batch::default();
        let mut parser = Parser::default();
        let text = |arg: &[u8]| String::from_utf8_lossy(arg).into_owned();
        let (mut commands, mut done) = (Vec::new(), 0);
        // An inline command ends its batch.
        loop {
            batch.clear();
            done = parser.parse(&mut buffer, done, 100, limits, &mut batch)?;
            if batch.is_empty() {
                return Ok((commands, done));
            }
            commands
                .extend((0..batch.len()).map(|index| batch.args(index, &buffer).iter().map(text).collect()));
        }
    }

    /// The same bytes, arriving one at a time into a buffer that is compacted after every command.
    fn parse_dripping(input: &[u8]) -> Vec<Vec<String>> {
        let (mut parser, mut buffer, mut commands) = (Parser::default(), Vec::new(), Vec::new());
        for &byte in input {
            buffer.push(byte);
            let mut batch = Batch::default();
            let done = parser.parse(&mut buffer, 0, 100, LIMITS, &mut batch).unwrap();
            for index in 0..batch.len() {
                let args = batch.args(index, &buffer);
                commands.push(args.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect());
            }
            buffer.drain(..done);
        }
        commands
    }

    #[test]
    fn a_pipeline_of_all_forms() {
        let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n\r\nPING\r\n*0\r\n*-1\r\n*1\r\n$4\r\nPI\r\n\r\nset k \"a b\"\n*1\r\n$4\r\nPI";
        let expected: Vec<Vec<String>> = [&["GET", "k"][..], &["PING"], &["PI\r\n"], &["set", "k", "a b"]]
            .iter()
            .map(|command| command.iter().map(|arg| arg.to_string()).collect())
            .collect();
        let (commands, done) = parse_whole(input, LIMITS).unwrap();
        assert_eq!(commands, expected);
        assert_eq!(done, input.len() - "*1\r\n$4\r\nPI".len());
        assert_eq!(parse_dripping(input), expected);
    }

    #[test]
    fn errors_are_redis_own() {
        let check = |input: &[u8], limits, expected: &str| {
            assert_eq!(parse_whole(input, limits).unwrap_err().to_string(), expected);
        };
        let stranger = Limits { trust: Trust::Unauthenticated, ..LIMITS };
        check(b"*x\r\n", LIMITS, "invalid multibulk length");
        check(b"*2147483648\r\n", LIMITS, "invalid multibulk length");
        check(b"*1\r\nPING\r\n", LIMITS, "expected '$', got 'P'");
        check(b"*1\r\n$-1\r\n", LIMITS, "invalid bulk length");
        check(b"*1\r\n$536870913\r\n", LIMITS, "invalid bulk length");
        check(b"set k \"a\r\n", LIMITS, "unbalanced quotes in request");
        check(b"*11\r\n", stranger, "unauthenticated multibulk length");
        check(b"*1\r\n$16385\r\n", stranger, "unauthenticated bulk length");
        check(&vec![b'a'; MAX_INLINE_BYTES + 1], LIMITS, "too big inline request");
        check(
            &[b"*1".to_vec(), vec![b'1'; MAX_INLINE_BYTES + 8]].concat(),
            LIMITS,
            "too big mbulk count string",
        );
    }

    #[test]
    fn a_command_is_as_it_was_sent_if_there_is_no_other_way_to_write_it() {
        let check = |input: &[u8], expected: bool| {
            let (mut buffer, mut batch) = (input.to_vec(), Batch::default());
            Parser::default().parse(&mut buffer, 0, 1, LIMITS, &mut batch).unwrap();
            let shown = String::from_utf8_lossy(input).into_owned();
            assert_eq!(batch.args(0, &buffer).as_sent(), expected.then_some(input), "{shown:?}");
        };
        check(b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", true);
        check(b"GET k\r\n", false);
        check(b"*2\r\n$3\r\nGETxx$1\r\nk\r\n", false);
        check(b"*2\r\n$3\r\nGET\r\n$1\r\nkxx", false);
        check(b"*2\rx$3\r\nGET\r\n$1\r\nk\r\n", false);
        check(b"*2\r\n$3\rxGET\r\n$1\r\nk\r\n", false);
        let words = [Span { start: 0, length: 4 }, Span { start: 4, length: 1 }];
        assert_eq!(Args::new(b"*GETk", &words).as_sent(), None, "words without their protocol");
    }

    #[test]
    fn the_batch_stops_where_it_is_told() {
        let mut buffer = b"*1\r\n$4\r\nPING\r\n".repeat(3);
        let mut batch = Batch::default();
        assert_eq!(Parser::default().parse(&mut buffer, 0, 2, LIMITS, &mut batch), Ok(28));
        assert_eq!((batch.len(), batch.end(1)), (2, 28));
        let mut inline = b"PING\r\nPING\r\n".to_vec();
        batch.clear();
        assert_eq!(Parser::default().parse(&mut inline, 0, 2, LIMITS, &mut batch), Ok(6));
    }
}
