//! DEBUG on whole data sets: RELOAD, LOADAOF, POPULATE.

use keyspace::{Db, Expiry};
use persist::rdb::Verify;
use resp::Args;
use resp::number::parse_i64;
use types::CommandError;

use crate::client::{Client, State};
use crate::config::Level;
use crate::host::Garbage;
use crate::server::Server;
use crate::snapshot::Expired;

/// What becomes of the data that is there when a file is loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Present {
    /// It goes.
    Flushed,
    /// It stays; a key that is there and in the file is an error.
    Kept,
    /// It stays; the file's keys replace those that are there.
    Merged,
}

pub(super) fn reload(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let (mut save, mut present) = (true, Present::Flushed);
    for option in args.from(2).iter() {
        match option.to_ascii_lowercase().as_slice() {
            b"nosave" => save = false,
            b"noflush" if present == Present::Flushed => present = Present::Kept,
            b"noflush" => {}
            b"merge" => present = Present::Merged,
            _ => {
                return Err(CommandError::new(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if save && !server.save_now() {
        return Err(CommandError::new("ERR"));
    }
    let loaded = server.load_snapshot_again().and_then(|dbs| server.take_loaded(dbs, present));
    if let Err(reason) = loaded {
        server.log(Level::Warning, format!("DEBUG RELOAD failed: {reason}"));
        return Err(CommandError::new("ERR Error trying to load the RDB dump, check server logs."));
    }
    server.log(Level::Warning, "DB reloaded by DEBUG RELOAD");
    client.writer().ok();
    Ok(())
}

pub(super) fn loadaof(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    if client.state.has(State::IN_EXEC) {
        // The transactions in the file would end the one that this is part of.
        return Err(CommandError::new("ERR DEBUG LOADAOF is not allowed inside a transaction"));
    }
    if let Err(reason) = server.load_aof_again() {
        server.log(Level::Warning, format!("DEBUG LOADAOF failed: {reason}"));
        return Err(CommandError::new("ERR Error trying to load the AOF files, check server logs."));
    }
    client.writer().ok();
    Ok(())
}

pub(super) fn populate(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let number = |at: usize| -> Result<u64, CommandError> {
        let value = parse_i64(args.at(at)).and_then(|value| u64::try_from(value).ok());
        value.ok_or(CommandError::new("ERR value is out of range, must be positive"))
    };
    let count = number(2)?;
    let prefix = args.get(3).unwrap_or(b"key");
    let size = args.get(4).map(|_| number(4)).transpose()?;
    if size.is_some_and(|size| size > server.config.settings.proto_max_bulk_len) {
        return Err(CommandError::OutOfRange);
    }
    let stamp = server.access_clock(false).of_new();
    let db = &mut server.dbs[client.db as usize];
    for index in 0..count {
        let key = [prefix, b":", index.to_string().as_bytes()].concat();
        let hash = db.hash_of(&key);
        if db.get(hash, &key).is_some() {
            continue;
        }
        let mut value = format!("value:{index}").into_bytes();
        if let Some(size) = size.filter(|size| *size > 0) {
            value.resize(size as usize, 0);
        }
        db.set_bytes(hash, &key, &value, Expiry::Clear, stamp);
    }
    client.writer().ok();
    Ok(())
}

impl Server {
    /// Reads the snapshot file into databases that nobody sees yet.
    fn load_snapshot_again(&mut self) -> Result<Vec<Db>, String> {
        let checked = self.config.settings.rdbchecksum && !self.debug.skip_checksums;
        let verify = if checked { Verify::Checksum } else { Verify::Nothing };
        let expired = if self.replicating.is_replica() { Expired::Keep } else { Expired::Drop };
        let mut loader = self.loader(verify, expired);
        let path = self.config.settings.dbfilename.clone();
        self.host.read_snapshot(&path, &mut |piece| {
            loader.feed(piece).map(drop).map_err(|error| error.to_string())
        })?;
        let loaded = loader.finish().map_err(|error| error.to_string())?;
        // Replicas have these keys yet, and must not give their deadlines to later ones of the same name.
        self.effects.expired.extend(loaded.expired_keys);
        Ok(loaded.dbs)
    }

    /// Has what was loaded take the place of the data, or join it.
    fn take_loaded(&mut self, loaded: Vec<Db>, present: Present) -> Result<(), String> {
        if present == Present::Flushed {
            let old = std::mem::replace(&mut self.dbs, loaded);
            self.host.free(Garbage { dbs: old, ..Garbage::default() });
            return Ok(());
        }
        let both = self.dbs.iter().zip(&loaded);
        let twice = both.flat_map(|(old, new)| {
            new.iter().find(|entry| old.get(old.hash_of(entry.key()), entry.key()).is_some())
        });
        if let (Present::Kept, Some(entry)) = (present, twice.into_iter().next()) {
            return Err(format!("the key '{}' is there already", String::from_utf8_lossy(entry.key())));
        }
        for (db, mut new) in self.dbs.iter_mut().zip(loaded) {
            while let Some(key) = new.random(0).map(|entry| entry.key().to_vec()) {
                let hash = new.hash_of(&key);
                if let Some(removed) = new.remove(hash, &key) {
                    db.insert_removed(hash, &key, removed);
                }
            }
        }
        Ok(())
    }
}
