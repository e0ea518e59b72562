//! One value by itself, as DUMP gives it and RESTORE takes it: the code and body of a file's value, the
//! version of the format in two bytes and a CRC-64 of all before it in eight, lowest byte first.
//!
//! The version written is 10, and with it the forms that 7.0 has: 7.0 and everything after it take them,
//! where 7.2's own number 11 would be refused by 7.0. Every version up to the newest that is read is taken.

use keyspace::values::Limits;
use keyspace::{Data, Object};

use super::cursor::{Cursor, Stop, Text};
use super::format::{NEWEST_READABLE, VERSION};
use super::values::{Builder, Spare, code};
use super::writer::{Compression, Writer, WriterOptions};
use crate::crc64;
use crate::lzf::Effort;

/// Why a payload is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadError {
    /// It is too short, too new, or its checksum is another.
    Footer,
    /// The value does not follow its format, or has no elements.
    Format,
}

/// A value that was restored.
#[derive(Debug)]
pub enum Restored {
    /// A string.
    String(Vec<u8>),
    /// A value of another type.
    Object(Object),
}

/// The payload of a value; long strings are compressed where that helps, if that is wanted.
#[must_use]
pub fn dump(value: Data<'_>, compression: Compression) -> Vec<u8> {
    let options = WriterOptions { compression, effort: Effort::Exact, ..WriterOptions::default() };
    let mut writer = Writer::new(options);
    writer.value(value);
    let mut payload = writer.into_pending();
    payload.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = crc64::update(0, &payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// The value of a payload, all of which is checked. Bytes between the value's end and the version are passed
/// over, as Redis does.
///
/// # Errors
/// [`PayloadError`]; a hostile payload costs no more memory than a few times its length.
pub fn restore(payload: &[u8], limits: &Limits) -> Result<Restored, PayloadError> {
    let (rest, checksum) = payload.split_last_chunk::<8>().ok_or(PayloadError::Footer)?;
    let (value, version) = rest.split_last_chunk::<2>().ok_or(PayloadError::Footer)?;
    let known = u16::from_le_bytes(*version) <= NEWEST_READABLE;
    if !known || crc64::update(0, rest) != u64::from_le_bytes(*checksum) {
        return Err(PayloadError::Footer);
    }
    read(value, limits).map_err(|_| PayloadError::Format)?.ok_or(PayloadError::Format)
}

/// The value; none when there is none of this code, or it has no elements.
fn read(value: &[u8], limits: &Limits) -> Result<Option<Restored>, Stop> {
    let mut cursor = Cursor::new(value, 0, 0);
    let code = cursor.byte()?;
    let mut spare = Spare::default();
    if code == code::STRING {
        let text: Text = cursor.text()?;
        return Ok(Some(Restored::String(text.lend(value, &mut spare.first)?.to_vec())));
    }
    match Builder::new(code) {
        None => Ok(None),
        Some(mut builder) => Ok(builder.advance(&mut cursor, &mut spare, limits)?.map(Restored::Object)),
    }
}
