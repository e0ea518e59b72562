//! The numbers and small structures that the writer and the reader share.

use std::fmt;

/// The version that the writer makes: readable by Redis 7.0 and everything after it.
pub const VERSION: u16 = 10;
/// The newest version that the reader takes (Redis 7.4).
pub const NEWEST_READABLE: u16 = 12;
/// The longest string a file may hold, compressed or not: Redis's limit of 512 MB.
pub const MAX_STRING_BYTES: u64 = 512 * 1024 * 1024;

pub(super) const MAGIC: &[u8; 5] = b"REDIS";
/// The checksum is there from this version on.
pub(super) const FIRST_WITH_CHECKSUM: u16 = 5;

pub(super) mod opcode {
    pub(crate) const SLOT_INFO: u8 = 244;
    pub(crate) const FUNCTION2: u8 = 245;
    pub(crate) const FUNCTION_PRE_GA: u8 = 246;
    pub(crate) const MODULE_AUX: u8 = 247;
    pub(crate) const IDLE: u8 = 248;
    pub(crate) const FREQ: u8 = 249;
    pub(crate) const AUX: u8 = 250;
    pub(crate) const RESIZE_DB: u8 = 251;
    pub(crate) const EXPIRE_MS: u8 = 252;
    pub(crate) const EXPIRE_S: u8 = 253;
    pub(crate) const SELECT_DB: u8 = 254;
    pub(crate) const END: u8 = 255;
}

/// Special forms of a string: the low bits of a first byte whose two high bits are set.
pub(super) mod encoding {
    pub(crate) const INT8: u8 = 0;
    pub(crate) const INT16: u8 = 1;
    pub(crate) const INT32: u8 = 2;
    pub(crate) const LZF: u8 = 3;
    /// The two high bits that say that a special form follows.
    pub(crate) const SPECIAL: u8 = 0xc0;
}

/// The name of a form of values other than plain strings, for messages about what is wrong with one.
pub(super) fn type_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "list",
        2 => "set",
        3 => "zset",
        4 => "hash",
        5 => "zset (binary scores)",
        6 => "module (pre-release)",
        7 => "module",
        9 => "hash (zipmap)",
        10 => "list (ziplist)",
        11 => "set (intset)",
        12 => "zset (ziplist)",
        13 => "hash (ziplist)",
        14 => "list (quicklist of ziplists)",
        15 => "stream",
        16 => "hash (listpack)",
        17 => "zset (listpack)",
        18 => "list (quicklist of listpacks)",
        19 => "stream (version 2)",
        20 => "set (listpack)",
        21 => "stream (version 3)",
        22 => "hash with field expiry (pre-release)",
        23 => "hash with field expiry (listpack, pre-release)",
        24 => "hash with field expiry",
        25 => "hash with field expiry (listpack)",
        _ => return None,
    })
}

/// A string as it is kept: integers have a short form of their own in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringValue<'a> {
    /// Any bytes. The reader gives this also for decimal digits outside the 32-bit range.
    Bytes(&'a [u8]),
    /// A value kept as an integer.
    Int(i64),
}

impl StringValue<'_> {
    /// The string itself; an integer in decimal.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            StringValue::Bytes(bytes) => bytes.to_vec(),
            StringValue::Int(number) => itoa::Buffer::new().format(*number).as_bytes().to_vec(),
        }
    }
}

/// What a file says about a key beside its name and value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyMeta {
    /// Wall-clock time, in milliseconds since 1970, at which the key expires.
    pub expires_at_ms: Option<i64>,
    /// Seconds since the key was last used; written under an LRU eviction policy.
    pub lru_idle_s: Option<u64>,
    /// The logarithmic access counter; written under an LFU eviction policy.
    pub lfu: Option<u8>,
}

/// A module's type id: nine characters of name and ten bits of encoding version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleId(pub u64);

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for place in (0..9).rev() {
            let six_bits = (self.0 >> (10 + 6 * place)) & 63;
            write!(f, "{}", char::from(ALPHABET[six_bits as usize]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_name_from_its_id() {
        // A letter's place in the alphabet, six bits each, the first letter highest.
        let id = [26u64, 27, 28, 0, 1, 2, 52, 62, 63].iter().fold(0, |id, six| id << 6 | six) << 10 | 3;
        assert_eq!(ModuleId(id).to_string(), "abcABC0-_");
    }
}
