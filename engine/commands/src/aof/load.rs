//! The files read: at start in slices, and by DEBUG LOADAOF at one go.
//!
//! Commands run as the master's do: nothing refuses them, nothing expires on the way, and nobody else hears
//! of them. A last file that was cut short is loaded as far as it is whole, if the configuration allows
//! that; anything else that is wrong is fatal.

use persist::aof::{AofError, Commands, Fault, FileKind, RDB_SIGNATURE, Reader};
use persist::rdb::Verify;
use types::Now;

use super::AofState;
use super::write::Flush;
use crate::client::{Client, Peer, State};
use crate::config::Level;
use crate::host::Garbage;
use crate::persistence::LoadingFigures;
use crate::server::Server;
use crate::snapshot::{Expired, Loader};
use crate::stats::Stats;

/// Bytes that DEBUG LOADAOF reads at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What a server is to load when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadPlan {
    /// The snapshot file, if it is there.
    Snapshot,
    /// The files of the append-only file, in this order.
    AppendOnly(Vec<String>),
}

/// A load under way.
#[derive(Debug)]
pub(super) struct Loading {
    files: Vec<File>,
    /// Which of them is read.
    at: usize,
    phase: Phase,
    client: Box<Client>,
    began_us: u64,
    file_began_us: u64,
    /// Bytes of the files before this one, and of this one so far.
    done_bytes: u64,
    file_bytes: u64,
    /// What its commands would add to the figures: they are not clients'.
    stats: Stats,
}

#[derive(Clone, Debug)]
struct File {
    name: String,
    path: String,
    kind: FileKind,
    bytes: u64,
}

/// Where in a file the load is.
#[derive(Debug)]
enum Phase {
    /// Its first bytes, too few to tell what it is.
    Begin(Vec<u8>),
    /// In a snapshot.
    Snapshot(Box<Loader>),
    Commands(Reader),
}

impl Phase {
    fn begin() -> Self {
        Phase::Begin(Vec::new())
    }
}

impl Server {
    /// What is to be loaded at start. An error is fatal, and all but its last line has been logged.
    pub fn plan_loading(&mut self, now: Now) -> Result<LoadPlan, String> {
        self.now = now;
        if self.sentinel.is_some() {
            return Ok(LoadPlan::Snapshot);
        }
        self.read_manifest()?;
        if !self.config.settings.appendonly {
            return Ok(LoadPlan::Snapshot);
        }
        self.upgrade_single_file()?;
        let paths = self.begin_aof_loading()?;
        Ok(LoadPlan::AppendOnly(paths))
    }

    /// Begins to load the files of the manifest; none when there is nothing in them.
    fn begin_aof_loading(&mut self) -> Result<Vec<String>, String> {
        let mut files = Vec::new();
        for info in self.aof.manifest.clone().loaded() {
            let path = self.aof_path(&info.name);
            let length = match self.host.journal().length(&path) {
                Ok(Some(length)) => Ok(length),
                Ok(None) => Err("No such file or directory".to_owned()),
                Err(error) => Err(error),
            };
            let bytes = length.map_err(|error| {
                format!("Unable to obtain the AOF file {} length. stat: {error}", info.name)
            })?;
            files.push(File { name: info.name.clone(), path, kind: info.kind, bytes });
        }
        let total_bytes: u64 = files.iter().map(|file| file.bytes).sum();
        if total_bytes == 0 {
            return Ok(Vec::new());
        }
        let base_bytes = files.iter().filter(|file| file.kind == FileKind::Base).map(|file| file.bytes).sum();
        self.aof.writing.all_bytes = total_bytes;
        self.aof.rewriting.base_bytes = base_bytes;
        let paths = files.iter().map(|file| file.path.clone()).collect();
        let began_us = self.host.clock_us();
        let client = self.loading_client();
        self.aof.loading = Some(Box::new(Loading {
            files,
            at: 0,
            phase: Phase::begin(),
            client,
            began_us,
            file_began_us: began_us,
            done_bytes: 0,
            file_bytes: 0,
            stats: Stats::default(),
        }));
        self.persistence.loading =
            Some(LoadingFigures { total_bytes, loaded_bytes: 0, since_s: self.wall_seconds() });
        self.refresh_aof();
        Ok(paths)
    }

    /// Whose commands those of a file are.
    fn loading_client(&mut self) -> Box<Client> {
        let mut client = Client::new(self.clients.id_elsewhere(), Peer::default(), self.now.mono_ms);
        client.state.add(State::MASTER);
        Box::new(client)
    }

    /// Takes in the next bytes of the file that is read.
    pub fn feed_aof_file(&mut self, bytes: &[u8], now: Now) -> Result<(), String> {
        self.now = now;
        let Some(mut loading) = self.aof.loading.take() else { return Ok(()) };
        std::mem::swap(&mut self.stats, &mut loading.stats);
        loading.file_bytes += bytes.len() as u64;
        let fed = self.feed_phase(&mut loading, bytes);
        std::mem::swap(&mut self.stats, &mut loading.stats);
        let loaded_bytes = loading.done_bytes + loading.file_bytes;
        self.aof.loading = Some(loading);
        self.loading_progress(loaded_bytes);
        self.free_garbage();
        fed
    }

    fn feed_phase(&mut self, loading: &mut Loading, bytes: &[u8]) -> Result<(), String> {
        match &mut loading.phase {
            Phase::Begin(first) => {
                first.extend_from_slice(bytes);
                if first.len() >= RDB_SIGNATURE.len() || !RDB_SIGNATURE.starts_with(first) {
                    let first = std::mem::take(first);
                    self.begin_content(loading, first.starts_with(RDB_SIGNATURE));
                    return self.feed_phase(loading, &first);
                }
                Ok(())
            }
            Phase::Snapshot(loader) => match loader.feed(bytes) {
                Ok(false) => Ok(()),
                Ok(true) => self.end_snapshot(loading),
                Err(error) => Err(self.damaged_snapshot(loading, &error.to_string())),
            },
            Phase::Commands(reader) => {
                reader.feed(bytes);
                self.run_loaded(loading)
            }
        }
    }

    fn begin_content(&mut self, loading: &mut Loading, is_snapshot: bool) {
        if !is_snapshot {
            loading.phase = Phase::Commands(Reader::new(0));
            return;
        }
        let is_single = loading.file().name == *self.config.settings.appendfilename;
        self.log(
            Level::Notice,
            match is_single {
                true => "Reading RDB preamble from AOF file...",
                false => "Reading RDB base file on AOF loading...",
            },
        );
        let verify = if self.config.settings.rdbchecksum { Verify::Checksum } else { Verify::Nothing };
        loading.phase = Phase::Snapshot(Box::new(self.loader(verify, Expired::Keep)));
    }

    /// A snapshot is read whole: it is the data; commands may follow.
    fn end_snapshot(&mut self, loading: &mut Loading) -> Result<(), String> {
        let Phase::Snapshot(loader) = std::mem::replace(&mut loading.phase, Phase::begin()) else {
            return Ok(());
        };
        let (offset, trailing) = loader.behind();
        let loaded = loader.finish().map_err(|error| self.damaged_snapshot(loading, &error.to_string()))?;
        self.log_loaded(&loaded);
        self.replace_libraries(loaded.functions).map_err(|error| self.damaged_snapshot(loading, &error))?;
        let old = std::mem::replace(&mut self.dbs, loaded.dbs);
        self.host.free(Garbage { dbs: old, ..Garbage::default() });
        if loading.file().name == *self.config.settings.appendfilename {
            self.log(Level::Notice, "Reading the remaining AOF tail...");
        }
        loading.phase = Phase::Commands(Reader::new(offset));
        self.feed_phase(loading, &trailing)
    }

    fn damaged_snapshot(&mut self, loading: &Loading, error: &str) -> String {
        let name = &loading.file().name;
        self.log(Level::Warning, format!("Error reading the RDB file {name}: {error}"));
        match *name == *self.config.settings.appendfilename {
            true => format!("Error reading the RDB preamble of the AOF file {name}, AOF loading aborted"),
            false => format!("Error reading the RDB base file {name}, AOF loading aborted"),
        }
    }

    fn run_loaded(&mut self, loading: &mut Loading) -> Result<(), String> {
        let Loading { phase, client, files, at, .. } = loading;
        let Phase::Commands(reader) = phase else { return Ok(()) };
        let name = &files[*at].name;
        loop {
            match reader.next() {
                Ok(None) => return Ok(()),
                Ok(Some(Commands { batch, bytes })) => {
                    if let Err((command, reason)) = self.run_from_file(client, batch, bytes) {
                        let command = String::from_utf8_lossy(&command).into_owned();
                        let offset = reader.offset();
                        self.log(Level::Warning, format!("{reason} before offset {offset} of {name}"));
                        return Err(format!(
                            "Unknown command '{command}' reading the append only file {name}"
                        ));
                    }
                }
                Err(error) => return Err(self.damaged_commands(name, &error)),
            }
        }
    }

    fn damaged_commands(&mut self, name: &str, error: &AofError) -> String {
        self.log(Level::Warning, format!("{name}: {error}"));
        format!(
            "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
             ./redis-check-aof --fix <filename.manifest>"
        )
    }

    /// The file that is read has ended; the next one, if there is one, follows.
    pub fn end_aof_file(&mut self, now: Now) -> Result<(), String> {
        self.now = now;
        let Some(mut loading) = self.aof.loading.take() else { return Ok(()) };
        let ended = self.end_phase(&mut loading);
        loading.done_bytes += loading.file_bytes;
        loading.file_bytes = 0;
        loading.at += 1;
        loading.phase = Phase::begin();
        loading.file_began_us = self.host.clock_us();
        // A transaction does not reach into the next file.
        loading.client = self.loading_client();
        self.aof.loading = Some(loading);
        ended
    }

    fn end_phase(&mut self, loading: &mut Loading) -> Result<(), String> {
        if let Phase::Begin(first) = &mut loading.phase {
            let first = std::mem::take(first);
            if first.is_empty() {
                return Ok(());
            }
            self.begin_content(loading, false);
            self.feed_phase(loading, &first)?;
        }
        let is_last = loading.at + 1 == loading.files.len();
        match &loading.phase {
            Phase::Snapshot(loader) => {
                let error = loader.check_end().err().map_or_else(String::new, |error| error.to_string());
                return Err(self.damaged_snapshot(loading, &error));
            }
            Phase::Commands(reader) => {
                if let Err(error) = reader.finish() {
                    let valid_up_to = reader.valid_up_to();
                    self.cut_short(loading, &error, valid_up_to, is_last)?;
                }
            }
            Phase::Begin(_) => {}
        }
        let seconds = self.host.clock_us().saturating_sub(loading.file_began_us) as f64 / 1e6;
        let kind = if loading.file().kind == FileKind::Base { "base" } else { "incr" };
        let name = &loading.file().name;
        self.log(Level::Notice, format!("DB loaded from {kind} file {name}: {seconds:.3} seconds"));
        Ok(())
    }

    /// A file ends inside a command or transaction: that may be forgiven.
    fn cut_short(
        &mut self,
        loading: &Loading,
        error: &AofError,
        valid_up_to: u64,
        is_last: bool,
    ) -> Result<(), String> {
        let File { name, path, .. } = loading.file();
        if !error.fault.is_truncation() {
            return Err(self.damaged_commands(name, error));
        }
        if error.fault == Fault::OpenTransaction {
            self.log(Level::Warning, format!("Revert incomplete MULTI/EXEC transaction in AOF file {name}"));
        }
        if self.config.settings.aof_load_truncated {
            self.log(Level::Warning, format!("!!! Warning: short read while loading the AOF file {name}!!!"));
            self.log(Level::Warning, format!("!!! Truncating the AOF {name} at offset {valid_up_to} !!!"));
            match self.host.journal().truncate(path, valid_up_to) {
                Ok(()) if is_last => {
                    self.aof.writing.all_bytes -= loading.file_bytes - valid_up_to;
                    self.log(
                        Level::Warning,
                        format!("AOF {name} loaded anyway because aof-load-truncated is enabled"),
                    );
                    return Ok(());
                }
                Ok(()) => return Err("Fatal error: the truncated file is not the last file".into()),
                Err(error) => {
                    self.log(Level::Warning, format!("Error truncating the AOF file {name}: {error}"));
                }
            }
        }
        self.log(Level::Warning, format!("{name}: {error}"));
        Err(format!(
            "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, \
             then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the \
             'aof-load-truncated' configuration option to yes and restart the server."
        ))
    }

    /// All files are loaded.
    pub fn aof_loaded(&mut self, now: Now) {
        self.now = now;
        let Some(loading) = self.aof.loading.take() else { return };
        let seconds = self.host.clock_us().saturating_sub(loading.began_us) as f64 / 1e6;
        self.log(Level::Notice, format!("DB loaded from append only file: {seconds:.3} seconds"));
        self.end_aof_loading();
    }

    fn end_aof_loading(&mut self) {
        self.aof.loading = None;
        self.persistence.loading = None;
        self.persistence.dirty_at_save = self.effects.dirty;
        self.refresh_aof();
    }

    /// DEBUG LOADAOF: what is in the files takes the place of the data, or nothing changes.
    pub(crate) fn load_aof_again(&mut self) -> Result<(), String> {
        if self.aof.state == AofState::On {
            self.flush_aof(Flush::Now);
        }
        let libraries = self.scripting.library_codes();
        let (manifest, bytes) = (self.aof.manifest.clone(), self.aof.writing.all_bytes);
        let base_bytes = self.aof.rewriting.base_bytes;
        let fresh = self.fresh_dbs();
        let old = std::mem::replace(&mut self.dbs, fresh);
        // What is loaded is no change: nothing of it goes anywhere.
        let dirty = self.effects.dirty;
        let loaded = self.replace_libraries(Vec::new()).and_then(|()| self.load_all_files());
        self.effects.dirty = dirty;
        self.end_aof_loading();
        if let Err(error) = loaded {
            self.dbs = old;
            self.aof.manifest = manifest;
            let _ = self.replace_libraries(libraries);
            (self.aof.writing.all_bytes, self.aof.rewriting.base_bytes) = (bytes, base_bytes);
            return Err(error);
        }
        self.aof.rewriting.base_bytes = base_bytes;
        self.touch_all_watched();
        self.host.free(Garbage { dbs: old, ..Garbage::default() });
        self.log(Level::Warning, "Append Only File loaded by DEBUG LOADAOF");
        Ok(())
    }

    fn load_all_files(&mut self) -> Result<(), String> {
        self.read_manifest()?;
        if self.aof.manifest.is_empty() {
            return Err("there is no append-only file".into());
        }
        for path in self.begin_aof_loading()? {
            let mut offset = 0;
            loop {
                let piece = self.host.journal().read(&path, offset, PIECE_BYTES)?;
                if piece.is_empty() {
                    break;
                }
                offset += piece.len() as u64;
                self.feed_aof_file(&piece, self.now)?;
            }
            self.end_aof_file(self.now)?;
        }
        Ok(())
    }
}

impl Loading {
    fn file(&self) -> &File {
        &self.files[self.at]
    }
}
