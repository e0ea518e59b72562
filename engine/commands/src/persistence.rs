//! Snapshots: when they are made, what came of them, and the file loaded at start.

use keyspace::Db;
use persist::rdb::{Checksum, Compression, Verify};
use resp::Args;
use types::{CommandError, Now};

use crate::client::{Client, State};
use crate::config::Level;
use crate::gates::{Pause, Paused, PausedBy};
use crate::host::SnapshotTarget;
use crate::server::{Server, Shutdown};
use crate::snapshot::{Expired, KeyDelay, LoadError, Loaded, Loader, SnapshotInfo};

/// Milliseconds after a failed snapshot before a save point tries again.
const RETRY_MS: u64 = 5_000;

/// How a snapshot child ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotResult {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Memory copied because it was written to meanwhile.
    pub cow_bytes: u64,
    /// Keys it wrote.
    pub keys: u64,
    /// The file it wrote, where its name was its own choice.
    pub file: Option<String>,
    /// Microseconds that removing what it left took.
    pub clear_up_us: u64,
}

/// A snapshot child that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) target: SnapshotTarget,
    pub(crate) started: Now,
    pub(crate) dirty_at_start: u64,
    pub(crate) killed: bool,
}

/// State of snapshots and loading.
#[derive(Debug)]
pub(crate) struct Persistence {
    pub(crate) running: Option<Running>,
    /// BGSAVE SCHEDULE while a child of another kind runs.
    pub(crate) scheduled: bool,
    /// A replica waits for a snapshot that can be begun at once.
    pub(crate) sync_wanted: bool,
    pub(crate) dirty_at_save: u64,
    pub(crate) last_save_s: i64,
    pub(crate) last_save_ok: bool,
    pub(crate) last_try_ms: Option<u64>,
    pub(crate) last_took_s: i64,
    pub(crate) saves: u64,
    pub(crate) last_cow_bytes: u64,
    pub(crate) latest_fork_us: u64,
    pub(crate) forks: u64,
    /// Bytes in all and bytes loaded, while the file is loaded at start.
    pub(crate) loading: Option<LoadingFigures>,
    pub(crate) last_load_keys: u64,
    pub(crate) last_load_expired: u64,
}

/// Progress of loading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadingFigures {
    pub(crate) total_bytes: u64,
    pub(crate) loaded_bytes: u64,
    pub(crate) since_s: i64,
}

impl Persistence {
    pub(crate) fn new(now: Now) -> Self {
        Self {
            running: None,
            scheduled: false,
            sync_wanted: false,
            dirty_at_save: 0,
            last_save_s: now.wall.0 / 1000,
            last_save_ok: true,
            last_try_ms: None,
            last_took_s: -1,
            saves: 0,
            last_cow_bytes: 0,
            latest_fork_us: 0,
            forks: 0,
            loading: None,
            last_load_keys: 0,
            last_load_expired: 0,
        }
    }

    /// Whether a snapshot child shares our memory.
    pub(crate) fn child_is_running(&self) -> bool {
        self.running.is_some()
    }
}

impl Server {
    /// `rdbcompression`.
    #[inline]
    pub(crate) fn compression(&self) -> Compression {
        if self.config.settings.rdbcompression { Compression::Lzf } else { Compression::None }
    }

    /// What a snapshot taken now says about itself.
    pub(crate) fn snapshot_info(&mut self) -> SnapshotInfo {
        let policy = self.config.settings.maxmemory_policy;
        let usage = (policy.is_lru() || policy.is_lfu()).then(|| self.access_clock(true));
        let settings = &self.config.settings;
        SnapshotInfo {
            created: self.now.wall.0 / 1000,
            used_bytes: self.host.figures().used_bytes,
            replication: self.replicating.for_snapshot(),
            functions: self.scripting.library_codes(),
            compression: self.compression(),
            checksum: if settings.rdbchecksum { Checksum::Crc64 } else { Checksum::Zero },
            usage,
            aof_base: None,
            key_delay: KeyDelay::from_setting(settings.rdb_key_save_delay),
        }
    }

    /// Writes the snapshot file and waits for it.
    pub(crate) fn save_now(&mut self) -> bool {
        let info = self.snapshot_info();
        let path = self.config.settings.dbfilename.clone();
        let result = self.host.save(&path, &self.dbs, &info);
        match result {
            Ok(()) => {
                self.log(Level::Notice, "DB saved on disk");
                self.saved(self.effects.dirty);
                true
            }
            Err(error) => {
                self.log(Level::Warning, format!("Error trying to save the DB: {error}"));
                false
            }
        }
    }

    fn saved(&mut self, dirty: u64) {
        self.persistence.dirty_at_save = dirty;
        self.persistence.last_save_s = self.wall_seconds();
        self.persistence.last_save_ok = true;
        self.persistence.saves += 1;
        self.refresh_gates();
    }

    /// Forks a child that writes a snapshot, or all data in another form.
    pub(crate) fn start_child(
        &mut self,
        target: SnapshotTarget,
        path: &str,
        info: &SnapshotInfo,
    ) -> Result<(), String> {
        let fork_us = self.host.start_snapshot(target, path, &self.dbs, info)?;
        self.persistence.latest_fork_us = fork_us;
        self.note_latency("fork", fork_us as i64 / 1000);
        self.persistence.forks += 1;
        self.persistence.running =
            Some(Running { target, started: self.now, dirty_at_start: self.effects.dirty, killed: false });
        Ok(())
    }

    /// Forks a snapshot child.
    pub(crate) fn start_snapshot(&mut self, target: SnapshotTarget) -> Result<(), String> {
        let info = self.snapshot_info();
        let path = self.config.settings.dbfilename.clone();
        self.persistence.last_try_ms = Some(self.now.mono_ms);
        match self.start_child(target, &path, &info) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.log(Level::Warning, format!("Can't save in background: fork: {error}"));
                if target == SnapshotTarget::File {
                    self.persistence.last_save_ok = false;
                    self.refresh_gates();
                }
                Err(error)
            }
        }
    }

    /// The snapshot child has ended.
    pub fn snapshot_ended(&mut self, result: SnapshotResult, now: Now) {
        self.now = now;
        let Some(running) = self.persistence.running.take() else { return };
        let ok = result.code == Some(0);
        if running.target == SnapshotTarget::Aof {
            self.rewrite_ended(running, &result);
            self.start_wanted_snapshot();
            self.after_commands();
            return;
        }
        self.persistence.last_cow_bytes = result.cow_bytes;
        if running.target == SnapshotTarget::File {
            self.file_snapshot_ended(running, result, ok);
        } else if ok {
            self.log(Level::Notice, "Background RDB transfer terminated with success");
        } else {
            self.log(Level::Warning, "Background transfer error");
        }
        self.snapshot_for_replicas_ended(running.target, ok);
        self.after_commands();
    }

    fn file_snapshot_ended(&mut self, running: Running, result: SnapshotResult, ok: bool) {
        self.persistence.last_took_s =
            (self.now.mono_ms.saturating_sub(running.started.mono_ms) / 1000) as i64;
        if ok {
            self.log(Level::Notice, "Background saving terminated with success");
            self.saved(running.dirty_at_start);
            return;
        }
        match result.signal {
            Some(signal) => {
                self.note_latency_us("rdb-unlink-temp-file", result.clear_up_us);
                self.log(Level::Warning, format!("Background saving terminated by signal {signal}"))
            }
            None => self.log(Level::Warning, "Background saving error"),
        }
        // A child that was killed on purpose says nothing about the disk.
        if !running.killed {
            self.persistence.last_save_ok = false;
            self.refresh_gates();
        }
    }

    /// Kills the running child, if there is one.
    pub(crate) fn kill_snapshot(&mut self) {
        if let Some(running) = &mut self.persistence.running {
            running.killed = true;
            let started_us = self.begin_latency();
            self.host.kill_snapshot();
            self.end_latency("rdb-unlink-temp-file", started_us);
            self.refresh_aof();
        }
    }

    pub(crate) fn persistence_tick(&mut self) {
        if self.persistence.child_is_running()
            || self.persistence.loading.is_some()
            || self.shutdown.is_some()
        {
            return;
        }
        if std::mem::take(&mut self.persistence.scheduled) {
            let _ = self.start_file_snapshot();
            return;
        }
        let dirty = self.effects.dirty - self.persistence.dirty_at_save;
        let elapsed_s = self.wall_seconds().saturating_sub(self.persistence.last_save_s).max(0) as u64;
        let failed_lately = !self.persistence.last_save_ok
            && self.persistence.last_try_ms.is_some_and(|at| self.now.mono_ms.saturating_sub(at) < RETRY_MS);
        let points = &self.config.settings.save.0;
        let due = points
            .iter()
            .find(|point| dirty > 0 && dirty >= point.changes && elapsed_s > point.seconds)
            .copied();
        if let Some(point) = due.filter(|_| !failed_lately) {
            self.log(
                Level::Notice,
                format!("{} changes in {} seconds. Saving...", point.changes, point.seconds),
            );
            let _ = self.start_file_snapshot();
        }
    }

    fn start_file_snapshot(&mut self) -> Result<(), String> {
        self.start_snapshot(SnapshotTarget::File)
    }

    /// A loader for the snapshot file, for the shell to feed; commands are answered with -LOADING until
    /// [`loaded`](Self::loaded) or [`load_abandoned`](Self::load_abandoned).
    pub fn begin_loading(&mut self, total_bytes: u64) -> Loader {
        self.persistence.loading =
            Some(LoadingFigures { total_bytes, loaded_bytes: 0, since_s: self.wall_seconds() });
        self.refresh_gates();
        let verify = if self.config.settings.rdbchecksum { Verify::Checksum } else { Verify::Nothing };
        let expired = if self.replicating.is_replica() { Expired::Keep } else { Expired::Drop };
        self.loader(verify, expired)
    }

    /// A loader into databases of its own.
    pub(crate) fn loader(&self, verify: Verify, expired: Expired) -> Loader {
        let (dbs, clock) = (self.fresh_dbs(), self.access_clock(true));
        Loader::with(dbs, verify, expired, self.now.wall, self.limits, clock)
    }

    /// How far loading has come.
    pub fn loading_progress(&mut self, loaded_bytes: u64) {
        if let Some(loading) = &mut self.persistence.loading {
            loading.loaded_bytes = loaded_bytes;
        }
    }

    /// The file was loaded whole: its contents are the data now.
    pub fn loaded(&mut self, loader: Loader) -> Result<(), LoadError> {
        let mut loaded = loader.finish()?;
        self.replace_libraries(std::mem::take(&mut loaded.functions)).map_err(LoadError::Functions)?;
        self.log_loaded(&loaded);
        self.persistence.loading = None;
        self.replicating.resume_from_snapshot(loaded.replication, &mut self.random);
        self.dbs = loaded.dbs;
        for (db, key) in loaded.expired_keys {
            self.propagate(db, [&b"DEL"[..], &key].into_iter());
        }
        self.flush_replication();
        self.refresh_gates();
        Ok(())
    }

    /// Tells of a snapshot that was read whole.
    pub(crate) fn log_loaded(&mut self, loaded: &Loaded) {
        let age = self.wall_seconds().saturating_sub(loaded.created);
        self.log(Level::Notice, format!("Loading RDB produced by version {}", loaded.version));
        self.log(Level::Notice, format!("RDB age {age} seconds"));
        let megabytes = loaded.used_bytes as f64 / (1024.0 * 1024.0);
        self.log(Level::Notice, format!("RDB memory usage when created {megabytes:.2} Mb"));
        if loaded.is_aof_base {
            self.log(Level::Notice, "RDB is base AOF");
        }
        self.log(
            Level::Notice,
            format!("Done loading RDB, keys loaded: {}, keys expired: {}.", loaded.keys, loaded.expired),
        );
        self.persistence.last_load_keys = loaded.keys;
        self.persistence.last_load_expired = loaded.expired;
    }

    /// Nothing was loaded (no file).
    pub fn load_abandoned(&mut self) {
        self.persistence.loading = None;
        self.refresh_gates();
    }

    /// Replaces all data (a full sync): watchers hear of it.
    pub(crate) fn replace_data(&mut self, dbs: Vec<Db>) {
        let old = std::mem::replace(&mut self.dbs, dbs);
        self.touch_all_watched();
        self.host.free(crate::Garbage { dbs: old, ..crate::Garbage::default() });
    }
}

pub(crate) fn save(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    if server.persistence.running.is_some_and(|running| running.target == SnapshotTarget::File) {
        return Err(CommandError::new("ERR Background save already in progress"));
    }
    match server.save_now() {
        true => client.writer().ok(),
        false => return Err(CommandError::new("ERR")),
    }
    Ok(())
}

pub(crate) fn bgsave(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let schedule = match args.get(1) {
        None => false,
        Some(word) if args.len() == 2 && word.eq_ignore_ascii_case(b"schedule") => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    match server.persistence.running.map(|running| running.target) {
        Some(SnapshotTarget::File) => {
            return Err(CommandError::new("ERR Background save already in progress"));
        }
        running if running.is_some() && schedule || client.state.has(State::IN_EXEC) => {
            server.persistence.scheduled = true;
            client.writer().simple("Background saving scheduled");
            return Ok(());
        }
        Some(SnapshotTarget::Replicas | SnapshotTarget::Aof) => {
            return Err(CommandError::new(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                 schedule a BGSAVE whenever possible.",
            ));
        }
        None => {}
    }
    match server.start_file_snapshot() {
        Ok(()) => client.writer().simple("Background saving started"),
        Err(_) => return Err(CommandError::new("ERR")),
    }
    Ok(())
}

pub(crate) fn lastsave(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    client.writer().int(server.persistence.last_save_s);
    Ok(())
}

pub(crate) fn shutdown(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let (mut save, mut now, mut force, mut abort) = (None, false, false, false);
    for word in args.from(1).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" if save != Some(true) => save = Some(false),
            b"save" if save != Some(false) => save = Some(true),
            b"now" => now = true,
            b"force" => force = true,
            b"abort" if args.len() == 2 => abort = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    if abort {
        return match server.shutdown.take() {
            Some(_) => {
                server.log(Level::Notice, "Shutdown manually aborted.");
                server.shutdown_abandoned();
                client.writer().ok();
                Ok(())
            }
            None => Err(CommandError::new("ERR No shutdown in progress.")),
        };
    }
    if client.state.has(State::IN_EXEC) && !now {
        return Err(CommandError::new(
            "ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client",
        ));
    }
    if save != Some(false)
        && let Some(error) = server.busy_error()
    {
        return Err(CommandError::new(error));
    }
    server.log(Level::Warning, "User requested shutdown...");
    match server.begin_shutdown(save, now, force) {
        Ok(()) => {
            if server.exit_code().is_none() {
                client.blocked = Some(crate::client::Blocked::Shutdown);
            } else {
                client.state.add(State::CLOSE_AFTER_REPLY);
            }
            Ok(())
        }
        Err(()) => Err(CommandError::new("ERR Errors trying to SHUTDOWN. Check logs.")),
    }
}

impl Server {
    /// A signal asks the server to end in order.
    pub fn shutdown_by_signal(&mut self, signal: &str, now: Now) {
        self.now = now;
        if matches!(self.shutdown, Some(Shutdown::Waiting { .. })) {
            // Asked twice: do not wait any longer. What a script has half done is not saved.
            let save = self.scripting.suspended.is_some().then_some(false);
            let _ = self.finish_shutdown(save, true);
            return;
        }
        self.log(Level::Warning, format!("Received {signal} scheduling shutdown..."));
        self.log(Level::Warning, "User requested shutdown...");
        let settings = &self.config.settings;
        let flags =
            if signal == "SIGINT" { settings.shutdown_on_sigint } else { settings.shutdown_on_sigterm };
        let _ = self.begin_shutdown(flags.save, flags.now, flags.force);
        self.after_commands();
    }

    fn begin_shutdown(&mut self, save: Option<bool>, now: bool, force: bool) -> Result<(), ()> {
        let timeout_s = self.config.settings.shutdown_timeout as u64;
        // Without the word of someone who knows, the end waits for a script's.
        let busy = self.scripting.suspended.is_some() && save != Some(false);
        if busy || !now && timeout_s > 0 && self.replicating.any_replica_lags() {
            let whom = if busy { "a script" } else { "replicas" };
            self.log(Level::Notice, format!("Waiting for {whom} before shutting down."));
            self.replicating.ask_for_acks();
            let deadline_ms = self.now.mono_ms + timeout_s * 1000;
            self.shutdown = Some(Shutdown::Waiting { deadline_ms, save, force });
            self.pause(PausedBy::Shutdown, Pause { until_ms: deadline_ms, what: Paused::Writes });
            self.refresh_gates();
            return Ok(());
        }
        self.finish_shutdown(save, force)
    }

    pub(crate) fn shutdown_tick(&mut self) {
        let Some(Shutdown::Waiting { deadline_ms, save, force }) = self.shutdown else { return };
        let lagging = self.replicating.any_replica_lags();
        if lagging && self.now.mono_ms < deadline_ms {
            return;
        }
        if lagging {
            self.log(Level::Warning, "Lagging replicas at the end of shutdown-timeout.");
        }
        let _ = self.finish_shutdown(save, force);
    }

    fn finish_shutdown(&mut self, save: Option<bool>, force: bool) -> Result<(), ()> {
        if self.persistence.child_is_running() && !self.is_rewriting_aof() {
            self.log(Level::Warning, "There is a child saving an .rdb. Killing it!");
            self.kill_snapshot();
        }
        if !self.end_aof(force) {
            self.shutdown = None;
            self.shutdown_abandoned();
            return Err(());
        }
        let saves = save.unwrap_or(!self.config.settings.save.0.is_empty())
            && self.persistence.loading.is_none()
            && self.sentinel.is_none();
        if saves {
            self.log(Level::Notice, "Saving the final RDB snapshot before exiting.");
            if !self.save_now() && !force {
                self.log(Level::Warning, "Error trying to save the DB, can't exit.");
                self.shutdown = None;
                self.shutdown_abandoned();
                return Err(());
            }
        }
        self.flush_replication();
        let who = if self.sentinel.is_some() { "Sentinel" } else { "Redis" };
        self.log(Level::Warning, format!("{who} is now ready to exit, bye bye..."));
        self.shutdown = Some(Shutdown::Done(0));
        Ok(())
    }

    fn shutdown_abandoned(&mut self) {
        self.end_pause(PausedBy::Shutdown);
        self.refresh_gates();
        self.unblock_shutdown();
    }

    fn unblock_shutdown(&mut self) {
        let waiting: Vec<_> = self
            .clients
            .iter()
            .filter(|client| client.blocked == Some(crate::client::Blocked::Shutdown))
            .map(|client| client.id)
            .collect();
        for id in waiting {
            if let Some(client) = self.clients.get_mut(id) {
                client.blocked = None;
                client.writer().error("ERR Errors trying to SHUTDOWN. Check logs.");
            }
            self.clients.wake(id);
        }
    }
}
