//! The databases as an RDB file, and back.
//!
//! Both ways in pieces: the writer hands bytes to a sink as they come, the [`Loader`] is fed with what
//! arrives, and nothing it has read takes effect before the file's checksum held.

use std::io;

use keyspace::values::Limits;
use keyspace::{Db, Entry, Expiry, WallMs};
use persist::aof::{BaseForm, CommandWriter};
use persist::rdb::{
    Checksum, Compression, Item, KeyMeta, RdbError, Reader, Step, StringValue, Verify, Writer, WriterOptions,
};
use types::AccessClock;

/// Bytes gathered before they are handed to the sink.
const PIECE_BYTES: usize = 256 * 1024;

/// Keys for which tables are made ahead on a file's word alone.
const RESERVED_KEYS: u64 = 1 << 20;

/// What a snapshot says about itself, and how it is written.
#[derive(Clone, Debug, Default)]
pub struct SnapshotInfo {
    /// Unix seconds.
    pub created: i64,
    /// Bytes the server held.
    pub used_bytes: u64,
    /// Replication id, offset and the database the stream has selected, where replication is in use.
    pub replication: Option<([u8; 40], u64, i64)>,
    /// The code of every library of functions.
    pub functions: Vec<Vec<u8>>,
    /// `rdbcompression`.
    pub compression: Compression,
    /// `rdbchecksum`.
    pub checksum: Checksum,
    /// How to tell when or how often keys were used, where an eviction policy asks for it.
    pub usage: Option<AccessClock>,
    /// It is a base of the append-only file.
    pub aof_base: Option<AofBase>,
    /// `rdb-key-save-delay`: what `progress` is to wait when it hears of a key.
    pub key_delay: KeyDelay,
}

/// What a base of the append-only file is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AofBase {
    /// As a snapshot, or as commands.
    pub form: BaseForm,
    /// Unix seconds to begin with, where timestamps are written.
    pub timestamp: Option<i64>,
    /// `aof-rewrite-incremental-fsync`: it goes to the disk a few megabytes at a time.
    pub syncs_often: bool,
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Keys written.
    pub keys: u64,
    /// What to wait now, in microseconds.
    pub delay_us: u64,
}

/// A wait for every so many keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyDelay {
    /// Microseconds; 0 for no wait at all.
    pub delay_us: u64,
    /// Keys a wait.
    pub every_keys: u64,
}

impl KeyDelay {
    /// From the value of `rdb-key-save-delay`.
    pub fn from_setting(value: i64) -> Self {
        match value {
            0.. => Self { delay_us: value as u64, every_keys: 1 },
            _ => Self { delay_us: 1, every_keys: value.unsigned_abs() },
        }
    }

    /// Whether it is time to wait, `keys` having been written.
    fn is_due(self, keys: u64) -> bool {
        self.delay_us > 0 && keys.is_multiple_of(self.every_keys)
    }
}

/// Writes all databases. `progress` hears the number of keys written, and how long to wait, after every piece
/// and when a [`KeyDelay`] is due.
pub fn write(
    dbs: &[Db],
    info: &SnapshotInfo,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<u64> {
    if let Some(base) = info.aof_base.filter(|base| base.form == BaseForm::Commands) {
        return write_commands(dbs, (info, base), sink, progress);
    }
    let mut writer = Writer::new(WriterOptions {
        checksum: info.checksum,
        compression: info.compression,
        ..WriterOptions::default()
    });
    write_preamble(&mut writer, info);
    info.functions.iter().for_each(|code| writer.function(code));
    let mut keys = 0;
    for (index, db) in dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        writer.select_db(index as u32, db.len() as u64, db.volatile_len() as u64);
        for entry in db.iter() {
            writer.key(entry.key(), entry.data(), meta_of(entry, info.usage));
            keys += 1;
            if writer.pending().len() >= PIECE_BYTES {
                sink(writer.pending())?;
                writer.clear_pending();
                progress(Progress { keys, delay_us: 0 });
            }
            if info.key_delay.is_due(keys) {
                progress(Progress { keys, delay_us: info.key_delay.delay_us });
            }
        }
    }
    writer.end();
    sink(writer.pending())?;
    progress(Progress { keys, delay_us: 0 });
    Ok(writer.written())
}

/// Writes all databases as the commands that make them.
fn write_commands(
    dbs: &[Db],
    (info, base): (&SnapshotInfo, AofBase),
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<u64> {
    let mut writer = CommandWriter::default();
    base.timestamp.into_iter().for_each(|seconds| writer.timestamp(seconds));
    info.functions.iter().for_each(|code| writer.function(code));
    let mut keys = 0;
    for (index, db) in dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        writer.select_db(index as u32);
        for entry in db.iter() {
            writer.key(entry.key(), entry.data(), entry.expires_at().map(|WallMs(at)| at));
            keys += 1;
            if writer.pending().len() >= PIECE_BYTES {
                sink(writer.pending())?;
                writer.clear_pending();
                progress(Progress { keys, delay_us: 0 });
            }
            if info.key_delay.is_due(keys) {
                progress(Progress { keys, delay_us: info.key_delay.delay_us });
            }
        }
    }
    sink(writer.pending())?;
    progress(Progress { keys, delay_us: 0 });
    Ok(writer.written())
}

fn meta_of(entry: Entry<'_>, usage: Option<AccessClock>) -> KeyMeta {
    let counted = usage.and_then(AccessClock::policy_lfu);
    KeyMeta {
        expires_at_ms: entry.expires_at().map(|WallMs(at)| at),
        lfu: counted.map(|lfu| lfu.counter(entry.access()) as u8),
        lru_idle_s: match counted {
            None => usage.map(|clock| clock.idle_seconds(entry.access()).into()),
            Some(_) => None,
        },
    }
}

fn write_preamble(writer: &mut Writer, info: &SnapshotInfo) {
    writer.header();
    let number = |n: i64| n.to_string().into_bytes();
    writer.aux(b"redis-ver", b"7.2.4");
    writer.aux(b"redis-bits", b"64");
    writer.aux(b"ctime", &number(info.created));
    writer.aux(b"used-mem", &number(info.used_bytes as i64));
    if let Some((id, offset, stream_db)) = &info.replication {
        writer.aux(b"repl-stream-db", &number(*stream_db));
        writer.aux(b"repl-id", id);
        writer.aux(b"repl-offset", &number(*offset as i64));
    }
    writer.aux(b"aof-base", if info.aof_base.is_some() { b"1" } else { b"0" });
}

/// What becomes of keys whose deadline has passed while a file is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// They are dropped (a master reading its own file).
    Drop,
    /// They are kept: the master will say when they go (a replica).
    Keep,
}

/// Why a file cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is damaged, or holds what this version cannot.
    #[error(transparent)]
    Rdb(#[from] RdbError),
    /// A library of functions does not load.
    #[error("Failed loading functions: {0}")]
    Functions(String),
    /// More databases than there are.
    #[error("database {db} at offset {offset}, but there are only {databases} databases")]
    NoSuchDb {
        /// The database named.
        db: u32,
        /// Where.
        offset: u64,
        /// How many there are.
        databases: usize,
    },
}

/// What was loaded.
pub struct Loaded {
    /// The databases.
    pub dbs: Vec<Db>,
    /// The code of libraries of functions.
    pub functions: Vec<Vec<u8>>,
    /// Keys in them.
    pub keys: u64,
    /// Keys dropped because their deadline had passed.
    pub expired: u64,
    /// Those keys with their databases, where the file belongs to a replicated history: replicas that go on
    /// with it have them yet.
    pub expired_keys: Vec<(u32, Vec<u8>)>,
    /// Replication id, offset and the database selected in the stream, if the file has them.
    pub replication: Option<([u8; 40], u64, u32)>,
    /// Unix seconds of its creation, bytes used then, and the version that wrote it.
    pub created: i64,
    /// Bytes the writer held.
    pub used_bytes: i64,
    /// The version that wrote it.
    pub version: String,
    /// It is the base of an append-only file.
    pub is_aof_base: bool,
}

impl Loaded {
    /// Counts a key, as loaded or as expired; whether it is to be stored.
    fn admits(
        &mut self,
        db: usize,
        key: &[u8],
        meta: KeyMeta,
        (expired, now, replicated): (Expired, WallMs, bool),
    ) -> bool {
        let is_due = meta.expires_at_ms.is_some_and(|at| WallMs(at) <= now);
        if !is_due || expired == Expired::Keep {
            self.keys += 1;
            return true;
        }
        self.expired += 1;
        // The id stands before all keys.
        if replicated {
            self.expired_keys.push((db as u32, key.to_vec()));
        }
        false
    }
}

fn expiry_of(meta: KeyMeta) -> Expiry {
    meta.expires_at_ms.map_or(Expiry::Clear, |at| Expiry::At(WallMs(at)))
}

/// The access word of a key, by what the file tells of its use.
fn stamp_of(meta: KeyMeta, access: AccessClock) -> u32 {
    match (meta.lfu, meta.lru_idle_s) {
        (Some(frequency), _) => access.of_frequency(frequency),
        (None, Some(idle_s)) => access.of_idle(idle_s),
        (None, None) => access.of_new(),
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loaded {{ keys: {}, expired: {} }}", self.keys, self.expired)
    }
}

/// Reads a snapshot into databases that nobody sees yet.
#[derive(Debug)]
pub struct Loader {
    reader: Reader,
    loaded: Loaded,
    db: usize,
    expired: Expired,
    now: WallMs,
    /// How keys are stamped.
    access: AccessClock,
    id: Option<[u8; 40]>,
    offset: Option<u64>,
    stream_db: u32,
    done: bool,
    /// Where the file ended, and what was fed beyond.
    behind: (u64, Vec<u8>),
}

impl Loader {
    /// A loader into `dbs`, which must be empty.
    pub fn new(dbs: Vec<Db>, verify: Verify, expired: Expired, now: WallMs) -> Self {
        Self::with(dbs, verify, expired, now, Limits::default(), AccessClock::lru(now.0, true))
    }

    /// A loader into `dbs`, which must be empty; values get the encodings that `limits` ask for, keys the
    /// access words of `access`.
    pub fn with(
        dbs: Vec<Db>,
        verify: Verify,
        expired: Expired,
        now: WallMs,
        limits: Limits,
        access: AccessClock,
    ) -> Self {
        let loaded = Loaded {
            dbs,
            functions: Vec::new(),
            keys: 0,
            expired: 0,
            expired_keys: Vec::new(),
            replication: None,
            created: 0,
            used_bytes: 0,
            version: String::new(),
            is_aof_base: false,
        };
        Self {
            reader: Reader::new(verify).with_limits(limits),
            loaded,
            db: 0,
            expired,
            now,
            access,
            id: None,
            offset: None,
            stream_db: 0,
            done: false,
            behind: (0, Vec::new()),
        }
    }

    /// A place to read the next bytes into; [`commit`](Self::commit) says how many came.
    pub fn space(&mut self, length: usize) -> &mut [u8] {
        self.reader.space(length)
    }

    /// Takes in the bytes that were read into [`space`](Self::space). True once the file is complete.
    pub fn commit(&mut self, length: usize) -> Result<bool, LoadError> {
        self.reader.commit(length);
        self.advance()
    }

    /// Takes bytes in. True once the file is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool, LoadError> {
        self.reader.feed(bytes);
        self.advance()
    }

    /// Keys loaded so far.
    pub fn keys(&self) -> u64 {
        self.loaded.keys
    }

    /// Once the file is complete: where it ended, and the bytes that were fed beyond.
    pub(crate) fn behind(&self) -> (u64, Vec<u8>) {
        self.behind.clone()
    }

    /// What is wrong if the file ends here.
    pub(crate) fn check_end(&self) -> Result<(), RdbError> {
        self.reader.finish()
    }

    fn advance(&mut self) -> Result<bool, LoadError> {
        let Self { reader, loaded, .. } = self;
        loop {
            let offset = reader.offset();
            match reader.next()? {
                Step::NeedMore => return Ok(false),
                Step::Done { trailing, .. } => {
                    let trailing = trailing.to_vec();
                    self.behind = (reader.offset(), trailing);
                    self.done = true;
                    return Ok(true);
                }
                Step::Item(Item::SelectDb(db)) if db as usize >= loaded.dbs.len() => {
                    return Err(LoadError::NoSuchDb { db, offset, databases: loaded.dbs.len() });
                }
                Step::Item(Item::SelectDb(db)) => self.db = db as usize,
                Step::Item(Item::ResizeDb { keys, .. }) => {
                    loaded.dbs[self.db].reserve(keys.min(RESERVED_KEYS) as usize);
                }
                Step::Item(Item::Key { key, value, meta }) => {
                    let rules = (self.expired, self.now, self.id.is_some());
                    if loaded.admits(self.db, key, meta, rules) {
                        let (expiry, stamp) = (expiry_of(meta), stamp_of(meta, self.access));
                        let db = &mut loaded.dbs[self.db];
                        let hash = db.hash_of(key);
                        match value {
                            StringValue::Int(number) => db.set_int(hash, key, number, expiry, stamp),
                            StringValue::Bytes(bytes) => db.set_bytes(hash, key, bytes, expiry, stamp),
                        }
                    }
                }
                Step::Item(Item::Object { key, object, meta }) => {
                    let rules = (self.expired, self.now, self.id.is_some());
                    if loaded.admits(self.db, key, meta, rules) {
                        let db = &mut loaded.dbs[self.db];
                        let hash = db.hash_of(key);
                        db.set_object(hash, key, object, expiry_of(meta), stamp_of(meta, self.access));
                    }
                }
                Step::Item(Item::Aux { key, value }) => {
                    let text = String::from_utf8_lossy(value);
                    match key {
                        b"repl-id" => self.id = value.try_into().ok(),
                        b"repl-offset" => self.offset = text.parse().ok(),
                        b"repl-stream-db" => self.stream_db = text.parse().unwrap_or(0),
                        b"ctime" => loaded.created = text.parse().unwrap_or(0),
                        b"used-mem" => loaded.used_bytes = text.parse().unwrap_or(0),
                        b"redis-ver" => loaded.version = text.into_owned(),
                        b"aof-base" => loaded.is_aof_base = value == b"1",
                        _ => {}
                    }
                }
                Step::Item(Item::Function(code)) => loaded.functions.push(code.to_vec()),
                Step::Item(_) => {}
            }
        }
    }

    /// What was loaded, if the file was complete.
    pub fn finish(mut self) -> Result<Loaded, LoadError> {
        if !self.done {
            self.reader.finish()?;
        }
        self.loaded.replication = self.id.zip(self.offset).map(|(id, offset)| (id, offset, self.stream_db));
        Ok(self.loaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyspace::HashSeed;

    fn db() -> Db {
        Db::new(HashSeed([1, 2, 3, 4]))
    }

    #[test]
    fn what_is_written_is_loaded() {
        let mut dbs = vec![db(), db(), db()];
        for index in 0..1000 {
            let key = format!("key{index}");
            let hash = dbs[2].hash_of(key.as_bytes());
            let expiry = if index % 2 == 0 { Expiry::At(WallMs(index)) } else { Expiry::Clear };
            dbs[2].set_bytes(hash, key.as_bytes(), index.to_string().as_bytes(), expiry, 0);
        }
        let mut file = Vec::new();
        let info = SnapshotInfo { replication: Some(([b'a'; 40], 77, 0)), ..SnapshotInfo::default() };
        let written = write(
            &dbs,
            &info,
            &mut |piece| {
                file.extend_from_slice(piece);
                Ok(())
            },
            &mut |_| {},
        )
        .unwrap();
        assert_eq!(written as usize, file.len());

        let mut loader = Loader::new(vec![db(), db(), db()], Verify::Checksum, Expired::Drop, WallMs(500));
        let complete = file.chunks(100).map(|piece| loader.feed(piece).unwrap()).collect::<Vec<_>>();
        assert_eq!(complete.last(), Some(&true));
        let loaded = loader.finish().unwrap();
        assert_eq!((loaded.keys, loaded.expired), (749, 251));
        assert_eq!(loaded.replication, Some(([b'a'; 40], 77, 0)));
        let hash = loaded.dbs[2].hash_of(b"key999");
        assert_eq!(loaded.dbs[2].get(hash, b"key999").unwrap().value(), keyspace::Value::Int(999));
    }

    #[test]
    fn a_cut_file_is_an_error_with_its_offset() {
        let mut file = Vec::new();
        write(
            &[db()],
            &SnapshotInfo::default(),
            &mut |piece| {
                file.extend_from_slice(piece);
                Ok(())
            },
            &mut |_| {},
        )
        .unwrap();
        let mut loader = Loader::new(vec![db()], Verify::Checksum, Expired::Drop, WallMs(0));
        assert!(!loader.feed(&file[..file.len() - 3]).unwrap());
        let error = loader.finish().unwrap_err().to_string();
        assert!(error.contains("offset"), "{error}");
    }
}
