//! What can be wrong with a file, and where.

use std::fmt;

/// A file that cannot be loaded: the reason and the offset, from the start of the file, of the
/// element that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdbError {
    /// Bytes before the element at fault.
    pub offset: u64,
    /// What is wrong with it.
    pub kind: ErrorKind,
}

/// The reasons for refusing a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ended inside the file.
    UnexpectedEnd,
    /// The first bytes are not `REDIS` and four digits.
    WrongSignature,
    /// Version 0, or newer than [`super::NEWEST_READABLE`].
    UnsupportedVersion(u16),
    /// The stored CRC-64 differs from that of the bytes read.
    WrongChecksum {
        /// The one in the file.
        expected: u64,
        /// The one of the bytes before it.
        found: u64,
    },
    /// A length that begins with a byte that has no meaning.
    InvalidLength(u8),
    /// A string form that has no meaning.
    InvalidStringEncoding(u8),
    /// A string longer than [`super::MAX_STRING_BYTES`].
    StringTooLong(u64),
    /// A number that does not fit its field (database number, slot).
    NumberTooLarge(u64),
    /// A compressed string that does not decompress to its length.
    InvalidLzf,
    /// A value of a type that is not supported; its name.
    UnsupportedValueType(&'static str),
    /// A value whose parts do not follow its format; the format's name.
    InvalidValue(&'static str),
    /// A byte that is neither an opcode nor a value type.
    UnknownType(u8),
    /// Functions in the form of a Redis 7.0 release candidate.
    PreReleaseFunction,
    /// Module data whose parts do not follow the format; the part's code.
    InvalidModuleData(u64),
    /// Expiry, idle time or frequency without a key to follow it.
    MetadataWithoutKey,
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.offset;
        match &self.kind {
            ErrorKind::UnexpectedEnd => write!(f, "unexpected end of file at offset {at}"),
            ErrorKind::WrongSignature => write!(f, "wrong signature at offset {at}: not an RDB file"),
            ErrorKind::UnsupportedVersion(version) => {
                write!(f, "can't handle RDB format version {version} at offset {at}")
            }
            ErrorKind::WrongChecksum { expected, found } => {
                write!(f, "wrong checksum at offset {at}: expected {expected:016x}, got {found:016x}")
            }
            ErrorKind::InvalidLength(byte) => write!(f, "invalid length byte {byte:#04x} at offset {at}"),
            ErrorKind::InvalidStringEncoding(form) => {
                write!(f, "unknown string encoding {form} at offset {at}")
            }
            ErrorKind::StringTooLong(length) => {
                write!(f, "string of {length} bytes at offset {at} is longer than the limit of 512 MB")
            }
            ErrorKind::NumberTooLarge(number) => write!(f, "number {number} out of range at offset {at}"),
            ErrorKind::InvalidLzf => write!(f, "invalid LZF compressed string at offset {at}"),
            ErrorKind::UnsupportedValueType(name) => {
                write!(f, "value of type {name} at offset {at} is not supported")
            }
            ErrorKind::InvalidValue(name) => write!(f, "invalid {name} at offset {at}"),
            ErrorKind::UnknownType(code) => write!(f, "unknown opcode or value type {code} at offset {at}"),
            ErrorKind::PreReleaseFunction => {
                write!(f, "functions of a pre-release format at offset {at} are not supported")
            }
            ErrorKind::InvalidModuleData(code) => write!(f, "invalid module data {code} at offset {at}"),
            ErrorKind::MetadataWithoutKey => {
                write!(f, "expiry or usage data without a key at offset {at}")
            }
        }
    }
}

impl std::error::Error for RdbError {}
