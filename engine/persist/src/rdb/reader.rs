//! Reading a snapshot that arrives in pieces.
//!
//! The bytes lie in one buffer, which the caller fills ([`Reader::feed`], or [`Reader::space`] and
//! [`Reader::commit`] to read into it directly) and from which items are lent out. The buffer
//! grows with what has arrived and never with what a length in the file promises. The checksum is
//! carried over large pieces, as they leave the buffer.

use keyspace::Object;
use keyspace::values::Limits;

use super::cursor::{Cursor, Stop, Text};
use super::error::{ErrorKind, RdbError};
use super::format::{self, KeyMeta, ModuleId, StringValue, opcode};
use super::values::{Builder, Spare, code};
use crate::crc64;

/// Whether the checksum of the file is compared (`rdbchecksum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// A file whose checksum does not match is refused.
    Checksum,
    /// The checksum is passed over.
    Nothing,
}

/// What came of the checksum at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It matched.
    Matched,
    /// The file has none (before version 5), or the one that means "not computed".
    Absent,
    /// The reader was told not to look.
    Skipped,
}

/// What [`Reader::next`] found.
#[derive(Debug)]
pub enum Step<'a> {
    /// All that was fed has been taken; the next item is not complete yet.
    NeedMore,
    /// One item; it borrows from the reader until the next call.
    Item(Item<'a>),
    /// The file is complete. Further calls give the same.
    Done {
        /// What came of the checksum.
        checked: Checked,
        /// Bytes that were fed after the file's end (the commands after the preamble of an
        /// append-only file, for example).
        trailing: &'a [u8],
    },
}

/// A part of the file.
#[derive(Debug)]
pub enum Item<'a> {
    /// The signature, always first.
    Header {
        /// Version of the format.
        version: u16,
    },
    /// An auxiliary field.
    Aux {
        /// Its name.
        key: &'a [u8],
        /// Its value, integers in decimal.
        value: &'a [u8],
    },
    /// The keys that follow belong to this database.
    SelectDb(u32),
    /// Sizes of the database, a hint.
    ResizeDb {
        /// Number of keys.
        keys: u64,
        /// Number of keys with an expiry.
        volatile: u64,
    },
    /// Sizes of a hash slot (version 12), a hint.
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Number of keys in it.
        keys: u64,
        /// Number of keys with an expiry in it.
        volatile: u64,
    },
    /// A key with a string for its value.
    Key {
        /// Its name.
        key: &'a [u8],
        /// Its value.
        value: StringValue<'a>,
        /// Expiry and usage.
        meta: KeyMeta,
    },
    /// A key with a value of another type.
    Object {
        /// Its name.
        key: &'a [u8],
        /// Its value.
        object: Object,
        /// Expiry and usage.
        meta: KeyMeta,
    },
    /// A key whose value has no elements: no such key exists.
    EmptyKey(&'a [u8]),
    /// A function library's source.
    Function(&'a [u8]),
    /// Data that a module keeps beside the keys. It has been passed over.
    ModuleAux {
        /// The module's type.
        module: ModuleId,
    },
}

/// An item as ranges of the buffer, before anything is lent out.
#[derive(Debug)]
enum Parsed {
    Header {
        version: u16,
    },
    Aux {
        key: Text,
        value: Text,
    },
    SelectDb(u32),
    ResizeDb {
        keys: u64,
        volatile: u64,
    },
    SlotInfo {
        slot: u64,
        keys: u64,
        volatile: u64,
    },
    Meta(KeyMeta),
    Key {
        key: Text,
        value: Text,
    },
    /// A key whose value, of this code, is to be built.
    Begin {
        key: Text,
        code: u8,
    },
    Object(Option<Object>),
    Function(Text),
    ModuleAux(ModuleId),
    End,
    Checksum(u64),
}

#[derive(Debug)]
enum State {
    Header,
    Body,
    /// Inside a value; its key is in `Reader::key`.
    Value(Builder),
    Checksum,
    Done(Checked),
    Failed(RdbError),
}

/// Takes an RDB file of version 1 to [`super::NEWEST_READABLE`] apart.
#[derive(Debug)]
pub struct Reader {
    verify: Verify,
    state: State,
    version: u16,
    /// What has been read about the key to come.
    meta: KeyMeta,
    /// `buffer[taken..filled]` waits to be read.
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
    /// The file's bytes before `buffer`.
    base: u64,
    /// `buffer[..summed]` is in `crc`.
    summed: usize,
    crc: u64,
    /// Where a key or value goes that does not lie in the buffer as it is.
    spare: Spare,
    /// The key whose value is being built.
    key: Vec<u8>,
    /// When compact encodings of values end.
    limits: Limits,
}

impl Reader {
    /// A reader at the start of a file.
    #[must_use]
    pub fn new(verify: Verify) -> Self {
        Reader {
            verify,
            state: State::Header,
            version: 0,
            meta: KeyMeta::default(),
            buffer: Vec::new(),
            taken: 0,
            filled: 0,
            base: 0,
            summed: 0,
            crc: 0,
            spare: Spare::default(),
            key: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Reads values into the encodings that these limits ask for, instead of the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds the next bytes of the file. Call [`next`](Reader::next) until it needs more before
    /// feeding again, so that the buffer stays small.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).copy_from_slice(bytes);
        self.commit(bytes.len());
    }

    /// Room for `length` bytes to be read into, then told with [`commit`](Reader::commit).
    pub fn space(&mut self, length: usize) -> &mut [u8] {
        if self.buffer.len() - self.filled < length && self.taken > 0 {
            self.sum();
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.base += self.taken as u64;
            self.filled -= self.taken;
            self.taken = 0;
            self.summed = 0;
        }
        let end = self.filled + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.filled..end]
    }

    /// Takes over the first `length` bytes of the last [`space`](Reader::space).
    ///
    /// # Panics
    /// When that space was smaller.
    pub fn commit(&mut self, length: usize) {
        assert!(length <= self.buffer.len() - self.filled, "more bytes committed than there was space for");
        self.filled += length;
    }

    /// Bytes of the file that have been read into items.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.base + self.taken as u64
    }

    /// The next part of the file.
    ///
    /// # Errors
    /// [`RdbError`] when the file cannot be loaded; further calls give the same error.
    #[allow(clippy::should_implement_trait, reason = "items are lent, which Iterator cannot express")]
    pub fn next(&mut self) -> Result<Step<'_>, RdbError> {
        let parsed = match self.parse() {
            Ok(parsed) => parsed,
            Err(Stop::NeedMore) => return Ok(Step::NeedMore),
            Err(Stop::Error(error)) => return self.fail(error),
        };
        let meta = match parsed {
            Parsed::Key { .. } | Parsed::Object(_) => std::mem::take(&mut self.meta),
            _ => KeyMeta::default(),
        };
        if let Err(Stop::Error(error)) = self.unpack(&parsed) {
            return self.fail(error);
        }
        Ok(self.lend(parsed, meta))
    }

    fn fail(&mut self, error: RdbError) -> Result<Step<'_>, RdbError> {
        self.state = State::Failed(error.clone());
        Err(error)
    }

    /// To be called when the input has ended.
    ///
    /// # Errors
    /// The earlier error if there was one, else [`ErrorKind::UnexpectedEnd`] unless
    /// [`Step::Done`] has been reached.
    pub fn finish(&self) -> Result<(), RdbError> {
        match &self.state {
            State::Done(_) => Ok(()),
            State::Failed(error) => Err(error.clone()),
            State::Header | State::Body | State::Value(_) | State::Checksum => {
                Err(RdbError { offset: self.base + self.filled as u64, kind: ErrorKind::UnexpectedEnd })
            }
        }
    }

    /// Takes the next part that the caller should see off the buffer. `Parsed::End` stands for
    /// the state `Done`.
    fn parse(&mut self) -> Result<Parsed, Stop> {
        loop {
            let mut cursor = Cursor::new(&self.buffer[..self.filled], self.taken, self.base);
            let parsed = match &mut self.state {
                State::Header => header(&mut cursor)?,
                State::Body => body(&mut cursor, self.meta)?,
                State::Value(builder) => {
                    let built = builder.advance(&mut cursor, &mut self.spare, &self.limits);
                    self.taken = cursor.kept;
                    let object = built?;
                    self.state = State::Body;
                    return Ok(Parsed::Object(object));
                }
                State::Checksum => Parsed::Checksum(u64::from_le_bytes(cursor.array()?)),
                State::Done(_) => return Ok(Parsed::End),
                State::Failed(error) => return Err(Stop::Error(error.clone())),
            };
            let start = std::mem::replace(&mut self.taken, cursor.at);
            match parsed {
                Parsed::Meta(meta) => self.meta = meta,
                Parsed::Begin { key, code } => self.begin(&key, code)?,
                Parsed::End if self.version < format::FIRST_WITH_CHECKSUM => {
                    self.state = State::Done(Checked::Absent);
                }
                Parsed::End => {
                    self.sum();
                    self.state = State::Checksum;
                }
                Parsed::Checksum(stored) => self.state = State::Done(self.check(stored, start)?),
                Parsed::Header { version } => {
                    self.version = version;
                    self.state = State::Body;
                    return Ok(parsed);
                }
                other => return Ok(other),
            }
        }
    }

    /// Begins a value of this code, which [`body`] has found to exist.
    fn begin(&mut self, key: &Text, code: u8) -> Result<(), Stop> {
        let key = key.lend(&self.buffer, &mut self.spare.first)?;
        self.key.clear();
        self.key.extend_from_slice(key);
        if let Some(builder) = Builder::new(code) {
            self.state = State::Value(builder);
        }
        Ok(())
    }

    fn check(&self, stored: u64, at: usize) -> Result<Checked, Stop> {
        if self.verify == Verify::Nothing {
            Ok(Checked::Skipped)
        } else if stored == 0 {
            Ok(Checked::Absent)
        } else if stored == self.crc {
            Ok(Checked::Matched)
        } else {
            let kind = ErrorKind::WrongChecksum { expected: stored, found: self.crc };
            Cursor::fail(self.base + at as u64, kind)
        }
    }

    /// Carries the checksum over what has been taken.
    fn sum(&mut self) {
        let summing = matches!(self.state, State::Header | State::Body | State::Value(_));
        if summing && self.verify == Verify::Checksum {
            self.crc = crc64::update(self.crc, &self.buffer[self.summed..self.taken]);
        }
        self.summed = self.taken;
    }

    /// Puts the strings of an item that do not lie in the buffer as they are where they can be
    /// lent from.
    fn unpack(&mut self, parsed: &Parsed) -> Result<(), Stop> {
        let Spare { first, second } = &mut self.spare;
        match parsed {
            Parsed::Aux { key, value } => {
                key.lend(&self.buffer, first)?;
                value.lend(&self.buffer, second)?;
            }
            Parsed::Key { key, value } => {
                key.lend(&self.buffer, first)?;
                if !matches!(value, Text::Int(_)) {
                    value.lend(&self.buffer, second)?;
                }
            }
            Parsed::Function(code) => {
                code.lend(&self.buffer, first)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn lend(&self, parsed: Parsed, meta: KeyMeta) -> Step<'_> {
        let Spare { first, second } = &self.spare;
        let item = match parsed {
            Parsed::Key { key, value } => Item::Key {
                key: self.lent(&key, first),
                value: match value {
                    Text::Int(number) => StringValue::Int(number),
                    value => StringValue::Bytes(self.lent(&value, second)),
                },
                meta,
            },
            Parsed::Object(Some(object)) => Item::Object { key: &self.key, object, meta },
            Parsed::Object(None) => Item::EmptyKey(&self.key),
            Parsed::Aux { key, value } => {
                Item::Aux { key: self.lent(&key, first), value: self.lent(&value, second) }
            }
            Parsed::Function(code) => Item::Function(self.lent(&code, first)),
            Parsed::Header { version } => Item::Header { version },
            Parsed::SelectDb(db) => Item::SelectDb(db),
            Parsed::ResizeDb { keys, volatile } => Item::ResizeDb { keys, volatile },
            Parsed::SlotInfo { slot, keys, volatile } => Item::SlotInfo { slot, keys, volatile },
            Parsed::ModuleAux(module) => Item::ModuleAux { module },
            Parsed::Meta(_) | Parsed::Begin { .. } | Parsed::End | Parsed::Checksum(_) => return self.done(),
        };
        Step::Item(item)
    }

    fn lent<'a>(&'a self, text: &Text, unpacked: &'a [u8]) -> &'a [u8] {
        match text {
            Text::Plain(range) => &self.buffer[range.clone()],
            Text::Int(_) | Text::Compressed { .. } => unpacked,
        }
    }

    fn done(&self) -> Step<'_> {
        match self.state {
            State::Done(checked) => Step::Done { checked, trailing: &self.buffer[self.taken..self.filled] },
            _ => Step::NeedMore,
        }
    }
}

fn header(cursor: &mut Cursor<'_>) -> Result<Parsed, Stop> {
    let offset = cursor.offset();
    let start: [u8; 9] = match cursor.array() {
        Ok(start) => start,
        // A file of another kind is refused at its first wrong byte, however short it is.
        Err(_) if cursor.starts_like(format::MAGIC) => return Err(Stop::NeedMore),
        Err(_) => return Cursor::fail(offset, ErrorKind::WrongSignature),
    };
    let (magic, digits) = start.split_at(format::MAGIC.len());
    if magic != format::MAGIC || !digits.iter().all(u8::is_ascii_digit) {
        return Cursor::fail(offset, ErrorKind::WrongSignature);
    }
    let version = digits.iter().fold(0, |version, digit| version * 10 + u16::from(digit - b'0'));
    if !(1..=format::NEWEST_READABLE).contains(&version) {
        let at = offset + format::MAGIC.len() as u64;
        return Cursor::fail(at, ErrorKind::UnsupportedVersion(version));
    }
    Ok(Parsed::Header { version })
}

/// One element after the header. `meta` is what earlier elements said about the key to come.
fn body(cursor: &mut Cursor<'_>, meta: KeyMeta) -> Result<Parsed, Stop> {
    let offset = cursor.offset();
    let code = cursor.byte()?;
    if code == code::STRING {
        return Ok(Parsed::Key { key: cursor.text()?, value: cursor.text()? });
    }
    if Builder::new(code).is_some() {
        return Ok(Parsed::Begin { key: cursor.text()?, code });
    }
    if let Some(name) = format::type_name(code) {
        return Cursor::fail(offset, ErrorKind::UnsupportedValueType(name));
    }
    match code {
        opcode::EXPIRE_MS => {
            let at_ms = i64::from_le_bytes(cursor.array()?);
            return Ok(Parsed::Meta(KeyMeta { expires_at_ms: Some(at_ms), ..meta }));
        }
        opcode::EXPIRE_S => {
            let at_s = i64::from(i32::from_le_bytes(cursor.array()?));
            return Ok(Parsed::Meta(KeyMeta { expires_at_ms: Some(at_s * 1_000), ..meta }));
        }
        opcode::IDLE => return Ok(Parsed::Meta(KeyMeta { lru_idle_s: Some(cursor.number()?), ..meta })),
        opcode::FREQ => return Ok(Parsed::Meta(KeyMeta { lfu: Some(cursor.byte()?), ..meta })),
        _ if meta != KeyMeta::default() => return Cursor::fail(offset, ErrorKind::MetadataWithoutKey),
        _ => {}
    }
    Ok(match code {
        opcode::AUX => Parsed::Aux { key: cursor.text()?, value: cursor.text()? },
        opcode::SELECT_DB => Parsed::SelectDb(cursor.number_u32()?),
        opcode::RESIZE_DB => Parsed::ResizeDb { keys: cursor.number()?, volatile: cursor.number()? },
        opcode::SLOT_INFO => {
            Parsed::SlotInfo { slot: cursor.number()?, keys: cursor.number()?, volatile: cursor.number()? }
        }
        opcode::FUNCTION2 => Parsed::Function(cursor.text()?),
        opcode::MODULE_AUX => Parsed::ModuleAux(module_aux(cursor)?),
        opcode::END => Parsed::End,
        opcode::FUNCTION_PRE_GA => return Cursor::fail(offset, ErrorKind::PreReleaseFunction),
        _ => return Cursor::fail(offset, ErrorKind::UnknownType(code)),
    })
}

/// Passes over what a module keeps beside the keys: its id, when it is to be loaded, and parts
/// that each say their kind.
fn module_aux(cursor: &mut Cursor<'_>) -> Result<ModuleId, Stop> {
    const END: u64 = 0;
    const SIGNED: u64 = 1;
    const UNSIGNED: u64 = 2;
    const FLOAT: u64 = 3;
    const DOUBLE: u64 = 4;
    const STRING: u64 = 5;

    let module = ModuleId(cursor.number()?);
    let when_offset = cursor.offset();
    let when = cursor.number()?;
    if when != UNSIGNED {
        return Cursor::fail(when_offset, ErrorKind::InvalidModuleData(when));
    }
    cursor.number()?;
    loop {
        let offset = cursor.offset();
        match cursor.number()? {
            END => return Ok(module),
            SIGNED | UNSIGNED => {
                cursor.number()?;
            }
            FLOAT => {
                cursor.array::<4>()?;
            }
            DOUBLE => {
                cursor.array::<8>()?;
            }
            STRING => {
                cursor.text()?;
            }
            part => return Cursor::fail(offset, ErrorKind::InvalidModuleData(part)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory follows what has arrived, not what a length promises.
    #[test]
    fn a_hostile_length_allocates_nothing() {
        for (length, then) in [
            (&[0x80, 0x1f, 0xff, 0xff, 0xff][..], None),
            // 1,000 bytes that claim to be nearly 512 MB compressed.
            (&[0xc3, 0x43, 0xe8, 0x80, 0x1f, 0xff, 0xff, 0xff], Some(ErrorKind::InvalidLzf)),
            // 1,000 bytes that claim the most they could be, but are all literals.
            (&[0xc3, 0x43, 0xe8, 0x80, 0, 1, 0x57, 0xc0], Some(ErrorKind::InvalidLzf)),
        ] {
            let mut reader = Reader::new(Verify::Checksum);
            reader.feed(b"REDIS0010\xfe\x00\x00\x01k");
            reader.feed(length);
            while let Step::Item(_) = reader.next().expect("nothing wrong yet") {}
            reader.feed(&[0; 1_000]);
            match reader.next() {
                Ok(Step::NeedMore) => assert_eq!(then, None),
                Err(error) => assert_eq!(Some(error.kind), then),
                Ok(step) => panic!("{step:?}"),
            }
            assert!(
                reader.buffer.capacity() + reader.spare.first.capacity() + reader.spare.second.capacity()
                    < 8_000
            );
        }
    }

    #[test]
    fn the_buffer_does_not_grow_with_the_file() {
        let mut reader = Reader::new(Verify::Checksum);
        reader.feed(b"REDIS0010");
        for _ in 0..10_000 {
            while let Step::Item(_) = reader.next().expect("a good file") {}
            reader.feed(b"\x00\x03key\x05value");
        }
        assert!(reader.buffer.capacity() < 100);
        assert_eq!(reader.base + reader.filled as u64, 9 + 11 * 10_000);
    }
}
