//! Taking elements off the bytes at hand, which may stop short of any of them.
//!
//! Nothing is copied or decompressed while elements are looked for: a string becomes the range it
//! occupies, so that an element that is not complete yet costs next to nothing when it is tried
//! again. Only [`Text::lend`] makes bytes of it.

use std::ops::Range;

use super::error::{ErrorKind, RdbError};
use super::format::{MAX_STRING_BYTES, encoding};
use crate::lzf;

/// Why an element was not taken.
#[derive(Debug)]
pub(super) enum Stop {
    /// Its end has not arrived yet.
    NeedMore,
    Error(RdbError),
}

/// Where a string lies in the bytes, or what it says.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Plain(Range<usize>),
    Int(i64),
    Compressed { packed: Range<usize>, length: usize, offset: u64 },
}

impl Text {
    /// The string's bytes: a part of `data`, or written into `spare`.
    pub(super) fn lend<'b>(&self, data: &'b [u8], spare: &'b mut Vec<u8>) -> Result<&'b [u8], Stop> {
        match self {
            Text::Plain(range) => return Ok(&data[range.clone()]),
            Text::Int(number) => {
                spare.clear();
                spare.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            }
            Text::Compressed { packed, length, offset } => {
                if lzf::decompress(&data[packed.clone()], *length, spare).is_err() {
                    return Cursor::fail(*offset, ErrorKind::InvalidLzf);
                }
            }
        }
        Ok(spare)
    }
}

/// A first byte (or more) of a string: a length, or a special form.
enum Length {
    Plain(u64),
    Special(u8),
}

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    pub(super) at: usize,
    /// What lies before has been taken for good, whatever becomes of the element behind it.
    pub(super) kept: usize,
    /// The file's bytes before `data`.
    base: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8], at: usize, base: u64) -> Self {
        Cursor { data, at, kept: at, base }
    }

    /// The offset in the file of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The bytes that elements are ranges of.
    pub(super) fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Takes what has been read for good: it is not read again when more bytes come.
    pub(super) fn keep(&mut self) {
        self.kept = self.at;
    }

    pub(super) fn fail<T>(offset: u64, kind: ErrorKind) -> Result<T, Stop> {
        Err(Stop::Error(RdbError { offset, kind }))
    }

    /// Whether what is there, however little, could become `expected`.
    pub(super) fn starts_like(&self, expected: &[u8]) -> bool {
        let there = &self.data[self.at..];
        let shared = there.len().min(expected.len());
        there[..shared] == expected[..shared]
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.data.get(self.at).ok_or(Stop::NeedMore)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let bytes = self.data.get(self.at..).and_then(<[u8]>::first_chunk).ok_or(Stop::NeedMore)?;
        self.at += N;
        Ok(*bytes)
    }

    /// The offset in the file of the first byte that has not been taken for good.
    pub(super) fn kept_offset(&self) -> u64 {
        self.base + self.kept as u64
    }

    /// `length` bytes that are all there.
    pub(super) fn bytes(&mut self, length: u64) -> Result<&'a [u8], Stop> {
        let range = self.range(length)?;
        Ok(&self.data[range])
    }

    /// A range of `length` bytes that are all there.
    fn range(&mut self, length: u64) -> Result<Range<usize>, Stop> {
        if ((self.data.len() - self.at) as u64) < length {
            return Err(Stop::NeedMore);
        }
        let start = self.at;
        self.at += length as usize;
        Ok(start..self.at)
    }

    fn length_or_special(&mut self) -> Result<Length, Stop> {
        let offset = self.offset();
        let first = self.byte()?;
        Ok(match first >> 6 {
            0 => Length::Plain(u64::from(first)),
            1 => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            2 => match first {
                0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
                0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
                _ => return Self::fail(offset, ErrorKind::InvalidLength(first)),
            },
            _ => Length::Special(first & 0x3f),
        })
    }

    /// A number in the variable-length form.
    pub(super) fn number(&mut self) -> Result<u64, Stop> {
        let offset = self.offset();
        match self.length_or_special()? {
            Length::Plain(number) => Ok(number),
            Length::Special(form) => Self::fail(offset, ErrorKind::InvalidLength(encoding::SPECIAL | form)),
        }
    }

    /// A number that must fit 32 bits.
    pub(super) fn number_u32(&mut self) -> Result<u32, Stop> {
        let offset = self.offset();
        let number = self.number()?;
        match u32::try_from(number) {
            Ok(number) => Ok(number),
            Err(_) => Self::fail(offset, ErrorKind::NumberTooLarge(number)),
        }
    }

    /// A string in any of its forms.
    pub(super) fn text(&mut self) -> Result<Text, Stop> {
        let offset = self.offset();
        match self.length_or_special()? {
            Length::Plain(length) => Ok(Text::Plain(self.bounded_range(offset, length)?)),
            Length::Special(encoding::INT8) => Ok(Text::Int(i64::from(i8::from_le_bytes(self.array()?)))),
            Length::Special(encoding::INT16) => Ok(Text::Int(i64::from(i16::from_le_bytes(self.array()?)))),
            Length::Special(encoding::INT32) => Ok(Text::Int(i64::from(i32::from_le_bytes(self.array()?)))),
            Length::Special(encoding::LZF) => {
                let packed_length = self.number()?;
                let length = self.number()?;
                if length > MAX_STRING_BYTES {
                    return Self::fail(offset, ErrorKind::StringTooLong(length));
                }
                let packed = self.bounded_range(offset, packed_length)?;
                Ok(Text::Compressed { packed, length: length as usize, offset })
            }
            Length::Special(form) => Self::fail(offset, ErrorKind::InvalidStringEncoding(form)),
        }
    }

    fn bounded_range(&mut self, offset: u64, length: u64) -> Result<Range<usize>, Stop> {
        if length > MAX_STRING_BYTES {
            return Self::fail(offset, ErrorKind::StringTooLong(length));
        }
        self.range(length)
    }
}
