//! Writing a snapshot into memory that the caller drains.
//!
//! The checksum is carried over what is drained, a large piece at a time, never byte by byte.

use keyspace::{Data, Value};

use super::format::{self, KeyMeta, encoding, opcode};
use crate::{crc64, lzf};

/// Strings up to this length are never compressed: the gain could not pay for the header.
const LONGEST_UNCOMPRESSED: usize = 20;
/// What compression must save at least.
const LEAST_GAIN: usize = 4;
/// Longest text that can be a 32-bit integer: a sign and ten digits.
const LONGEST_INT32: usize = 11;

/// Whether the file ends in a checksum that counts (`rdbchecksum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// The CRC-64 of the file.
    #[default]
    Crc64,
    /// Zero, which readers take as "not checked".
    Zero,
}

/// What is done to long strings (`rdbcompression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// LZF where it helps.
    #[default]
    Lzf,
    /// Nothing.
    None,
}

/// How a file is written; the defaults are Redis's.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriterOptions {
    /// The checksum at the end.
    pub checksum: Checksum,
    /// Compression of keys and values.
    pub compression: Compression,
    /// How much that may cost.
    pub effort: lzf::Effort,
}

/// Makes an RDB file of version [`super::VERSION`].
///
/// The order of calls is the order in the file: [`header`](Writer::header), any number of
/// [`aux`](Writer::aux), [`function`](Writer::function)s, then for each database that has keys
/// [`select_db`](Writer::select_db) and its keys, and [`end`](Writer::end).
#[derive(Debug)]
pub struct Writer {
    options: WriterOptions,
    pending: Vec<u8>,
    /// How much of `pending` is in `crc` already.
    summed: usize,
    crc: u64,
    /// Bytes that were pending once and have been taken.
    drained: u64,
    /// Made when the first string is long enough.
    compressor: Option<lzf::Compressor>,
    packed: Vec<u8>,
    /// Where an encoded value is put together.
    encoded: Vec<u8>,
}

impl Writer {
    /// A writer with nothing pending.
    #[must_use]
    pub fn new(options: WriterOptions) -> Self {
        Writer {
            options,
            pending: Vec::new(),
            summed: 0,
            crc: 0,
            drained: 0,
            compressor: None,
            packed: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// What has been written and not yet cleared.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Forgets the pending bytes: the caller has them. Their memory is kept for the next ones.
    pub fn clear_pending(&mut self) {
        self.sum();
        self.drained += self.pending.len() as u64;
        self.pending.clear();
        self.summed = 0;
    }

    /// What has been written and not yet cleared, for good.
    pub(super) fn into_pending(self) -> Vec<u8> {
        self.pending
    }

    /// Length of the file so far, in bytes.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.drained + self.pending.len() as u64
    }

    /// The signature and the version.
    pub fn header(&mut self) {
        self.pending.extend_from_slice(format::MAGIC);
        self.pending.extend_from_slice(format!("{:04}", format::VERSION).as_bytes());
    }

    /// An auxiliary field, such as `redis-ver`, `redis-bits`, `ctime`, `used-mem`, `aof-base`,
    /// `repl-stream-db`, `repl-id`, `repl-offset`.
    pub fn aux(&mut self, key: &[u8], value: &[u8]) {
        self.pending.push(opcode::AUX);
        self.text(key);
        self.text(value);
    }

    /// Begins database `db`, which has `keys` keys, `volatile` of them with an expiry. The counts
    /// are a hint that lets a reader size its tables.
    pub fn select_db(&mut self, db: u32, keys: u64, volatile: u64) {
        self.pending.push(opcode::SELECT_DB);
        self.number(u64::from(db));
        self.pending.push(opcode::RESIZE_DB);
        self.number(keys);
        self.number(volatile);
    }

    /// A key with its value, of whatever type.
    pub fn key(&mut self, key: &[u8], value: Data<'_>, meta: KeyMeta) {
        if let Some(at_ms) = meta.expires_at_ms {
            self.pending.push(opcode::EXPIRE_MS);
            self.pending.extend_from_slice(&at_ms.to_le_bytes());
        }
        if let Some(idle_s) = meta.lru_idle_s {
            self.pending.push(opcode::IDLE);
            self.number(idle_s);
        }
        if let Some(frequency) = meta.lfu {
            self.pending.extend_from_slice(&[opcode::FREQ, frequency]);
        }
        self.pending.push(Self::code_of(value));
        self.text(key);
        self.body(value);
    }

    /// A value without a key: its code and its body.
    pub(super) fn value(&mut self, value: Data<'_>) {
        self.pending.push(Self::code_of(value));
        self.body(value);
    }

    /// A function library's source.
    pub fn function(&mut self, code: &[u8]) {
        self.pending.push(opcode::FUNCTION2);
        self.text(code);
    }

    /// The end mark and the checksum. Nothing may be written after it.
    pub fn end(&mut self) {
        self.pending.push(opcode::END);
        self.sum();
        let crc = match self.options.checksum {
            Checksum::Crc64 => self.crc,
            Checksum::Zero => 0,
        };
        self.pending.extend_from_slice(&crc.to_le_bytes());
    }

    fn sum(&mut self) {
        if self.options.checksum == Checksum::Crc64 {
            self.crc = crc64::update(self.crc, &self.pending[self.summed..]);
        }
        self.summed = self.pending.len();
    }

    pub(super) fn number(&mut self, number: u64) {
        match number {
            0..0x40 => self.pending.push(number as u8),
            0x40..0x4000 => self.pending.extend_from_slice(&(0x4000 | number as u16).to_be_bytes()),
            0x4000..=0xffff_ffff => {
                self.pending.push(0x80);
                self.pending.extend_from_slice(&(number as u32).to_be_bytes());
            }
            _ => {
                self.pending.push(0x81);
                self.pending.extend_from_slice(&number.to_be_bytes());
            }
        }
    }

    /// Bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// A string that `encode` appends.
    pub(super) fn blob(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        encode(&mut encoded);
        self.text(&encoded);
        self.encoded = encoded;
    }

    /// A string, or an element of a collection.
    pub(super) fn element(&mut self, value: Value<'_>) {
        match value {
            Value::Int(number) => self.int(number),
            Value::Bytes(bytes) => self.text(bytes),
        }
    }

    fn int(&mut self, number: i64) {
        if let Ok(number) = i32::try_from(number) {
            self.small_int(number);
        } else {
            self.plain(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    fn small_int(&mut self, number: i32) {
        if let Ok(number) = i8::try_from(number) {
            self.pending.extend_from_slice(&[encoding::SPECIAL | encoding::INT8, number as u8]);
        } else if let Ok(number) = i16::try_from(number) {
            self.pending.push(encoding::SPECIAL | encoding::INT16);
            self.pending.extend_from_slice(&number.to_le_bytes());
        } else {
            self.pending.push(encoding::SPECIAL | encoding::INT32);
            self.pending.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn plain(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.pending.extend_from_slice(bytes);
    }

    /// A string in the shortest of its forms.
    pub(super) fn text(&mut self, bytes: &[u8]) {
        if let Some(number) = canonical_int32(bytes) {
            self.small_int(number);
        } else if bytes.len() <= LONGEST_UNCOMPRESSED
            || self.options.compression == Compression::None
            || !self.compressed(bytes)
        {
            self.plain(bytes);
        }
    }

    /// Writes the compressed form if that is shorter; gives whether it did.
    fn compressed(&mut self, bytes: &[u8]) -> bool {
        self.packed.clear();
        let effort = self.options.effort;
        let compressor = self.compressor.get_or_insert_with(|| lzf::Compressor::new(effort));
        let Some(length) = compressor.compress(bytes, &mut self.packed, bytes.len() - LEAST_GAIN) else {
            return false;
        };
        self.pending.push(encoding::SPECIAL | encoding::LZF);
        self.number(length as u64);
        self.number(bytes.len() as u64);
        self.pending.extend_from_slice(&self.packed);
        true
    }
}

/// The integer that `bytes` are the one decimal form of: no `+`, no leading zeros, no `-0`.
fn canonical_int32(bytes: &[u8]) -> Option<i32> {
    if bytes.len() > LONGEST_INT32 {
        return None;
    }
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut magnitude = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + i64::from(digit - b'0');
    }
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_decimal_form_is_an_integer() {
        for (text, number) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("2147483647", Some(i32::MAX)),
            ("-2147483648", Some(i32::MIN)),
            ("2147483648", None),
            ("-2147483649", None),
            ("99999999999", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("007", None),
            ("+7", None),
            ("7 ", None),
            ("1a", None),
        ] {
            assert_eq!(canonical_int32(text.as_bytes()), number, "{text:?}");
        }
    }

    /// A length or an integer takes the fewest bytes its form allows.
    #[test]
    fn numbers_take_the_shortest_form() {
        for (number, bytes) in [
            (63, &[63][..]),
            (64, &[0x40, 64]),
            (0x3fff, &[0x7f, 0xff]),
            (0x4000, &[0x80, 0, 0, 0x40, 0]),
            (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            let mut writer = Writer::new(WriterOptions::default());
            writer.number(number);
            assert_eq!(writer.pending(), bytes, "{number}");
        }
    }

    #[test]
    fn draining_changes_neither_checksum_nor_length() {
        let write = |drain: bool| {
            let mut writer = Writer::new(WriterOptions::default());
            let mut file = Vec::new();
            writer.header();
            writer.select_db(0, 100, 0);
            for n in 0..100i64 {
                let key = format!("key:{n}");
                writer.key(key.as_bytes(), Data::String(Value::Int(n)), KeyMeta::default());
                if drain {
                    file.extend_from_slice(writer.pending());
                    writer.clear_pending();
                }
            }
            writer.end();
            file.extend_from_slice(writer.pending());
            assert_eq!(writer.written(), file.len() as u64);
            file
        };
        assert_eq!(write(true), write(false));
    }
}
