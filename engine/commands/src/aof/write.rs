//! The buffer goes into the file before replies go out, and the file to the disk as `appendfsync` says.
//!
//! With `always` both happen before a reply. With `everysec` a thread syncs once a second; while it does, a
//! write could be held up by the kernel for as long, so it is put off, for two seconds at the most.

use types::Now;

use super::AofState;
use super::journal::Appended;
use crate::config::{AppendFsync, Level};
use crate::server::{Server, Shutdown};

/// How long a write is put off for the sake of a sync.
const POSTPONE_MS: u64 = 2000;
/// Pause between two syncs with `everysec`.
const SYNC_PERIOD_MS: u64 = 1000;
/// Pause between two lines about writes that fail.
const COMPLAINT_PERIOD_MS: u64 = 30_000;

/// Pause between two lines about commands of the master that cannot be written.
const IGNORED_PERIOD_MS: u64 = 10_000;

/// Whether a write may be put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// It may.
    WhenItSuits,
    /// It may not.
    Now,
}

/// How writing goes.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// Why the last write failed, if it did.
    pub(crate) error: Option<String>,
    /// Why the last sync aside failed, if it did.
    pub(crate) sync_error: Option<String>,
    complained_ms: Option<u64>,
    /// When it was last said that a replica goes on all the same.
    ignored_ms: Option<u64>,
    postponed_since_ms: Option<u64>,
    last_sync_ms: u64,
    /// Writes that were put off and then done without the sync having ended.
    pub(crate) delayed: u64,
    /// Bytes of the file that grows, and how many of them were synced, or are about to be.
    pub(crate) file_bytes: u64,
    pub(crate) synced_bytes: u64,
    /// Bytes of base and increments.
    pub(crate) all_bytes: u64,
    /// The stream's offset that what is written reaches.
    written_offset: u64,
}

impl Writing {
    /// Why writes are refused, if they are.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.error.as_deref().or(self.sync_error.as_deref())
    }

    /// Another file begins to grow, or the same one is taken up at `length`.
    pub(super) fn begin_file(&mut self, length: u64) {
        self.file_bytes = length;
        self.synced_bytes = length;
        self.postponed_since_ms = None;
    }

    pub(super) fn restart_period(&mut self, now_ms: u64) {
        self.last_sync_ms = now_ms;
    }
}

impl Server {
    /// Whether something is to be written before replies may go out.
    #[inline]
    pub fn aof_is_pending(&self) -> bool {
        self.aof.takes_commands() && self.aof.feed.ready_bytes() > 0
    }

    /// Writes what is to be written; called before replies go out.
    pub fn write_aof(&mut self, now: Now) {
        self.now = now;
        self.flush_aof(Flush::WhenItSuits);
    }

    pub(crate) fn flush_aof(&mut self, flush: Flush) {
        if !self.aof.is_on() {
            return;
        }
        let ready = self.aof.feed.ready_bytes();
        if !self.aof.feed.is_open() {
            self.aof.writing.written_offset = self.replicating.offset();
        }
        if ready == 0 {
            self.sync_what_is_written();
            return;
        }
        let policy = self.config.settings.appendfsync;
        let is_syncing = policy == AppendFsync::EverySec && self.host.sync_state().pending > 0;
        if is_syncing && flush == Flush::WhenItSuits && self.postpones() {
            return;
        }
        if self.aof.debug_sleep_us > 0 {
            self.host.sleep(self.aof.debug_sleep_us as f64 / 1e6);
        }
        let began_us = self.latency_clock_us();
        let mut appended = self.host.journal().append(&self.aof.feed.bytes[..ready]);
        self.note_write_latency(began_us, is_syncing);
        if appended.error.is_some() {
            self.write_failed(ready, &mut appended);
        }
        self.aof.writing.postponed_since_ms = None;
        self.aof.feed.consume(appended.bytes);
        self.aof.writing.file_bytes += appended.bytes as u64;
        self.aof.writing.all_bytes += appended.bytes as u64;
        if appended.error.is_none() {
            self.write_succeeded();
            self.sync_what_is_written();
        }
    }

    /// Whether a write waits a little longer for a sync to end.
    fn postpones(&mut self) -> bool {
        let now_ms = self.now.mono_ms;
        let Some(since_ms) = self.aof.writing.postponed_since_ms else {
            self.aof.writing.postponed_since_ms = Some(now_ms);
            return true;
        };
        if now_ms.saturating_sub(since_ms) < POSTPONE_MS {
            return true;
        }
        self.aof.writing.delayed += 1;
        self.log(
            Level::Notice,
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for \
             fsync to complete, this may slow down Redis.",
        );
        false
    }

    /// The clock, if anybody wants to know how long it took.
    pub(super) fn latency_clock_us(&mut self) -> Option<u64> {
        (self.config.settings.latency_monitor_threshold > 0).then(|| self.host.clock_us())
    }

    /// Notes how long something took that began at `began_us`.
    pub(super) fn note_latency_since(&mut self, event: &'static str, began_us: Option<u64>) {
        if let Some(began_us) = began_us {
            let took_us = self.host.clock_us().saturating_sub(began_us);
            self.note_latency(event, took_us as i64 / 1000);
        }
    }

    fn note_write_latency(&mut self, began_us: Option<u64>, is_syncing: bool) {
        let event = match (is_syncing, self.persistence.child_is_running()) {
            (true, _) => "aof-write-pending-fsync",
            (false, true) => "aof-write-active-child",
            (false, false) => "aof-write-alone",
        };
        self.note_latency_since(event, began_us);
        self.note_latency_since("aof-write", began_us);
    }

    fn write_succeeded(&mut self) {
        if self.aof.writing.error.take().is_some() {
            self.log(Level::Notice, "AOF write error looks solved. The server can write again.");
            self.refresh_gates();
        }
    }

    /// Not all was written: what is half in the file is taken out again. Where replies may not go out before
    /// their changes are on the disk, there is no going on.
    fn write_failed(&mut self, wanted: usize, appended: &mut Appended) {
        let error = appended.error.clone().unwrap_or_default();
        let now_ms = self.now.mono_ms;
        let complains =
            self.aof.writing.complained_ms.is_none_or(|at| now_ms.saturating_sub(at) >= COMPLAINT_PERIOD_MS);
        if complains {
            self.aof.writing.complained_ms = Some(now_ms);
            self.log(
                Level::Warning,
                match appended.bytes {
                    0 => format!("Error writing to the AOF file: {error}"),
                    bytes => format!(
                        "Short write while writing to the AOF file: (nwritten={bytes}, expected={wanted})"
                    ),
                },
            );
        }
        if appended.bytes > 0 {
            match self.host.journal().shorten(self.aof.writing.file_bytes) {
                Ok(()) => appended.bytes = 0,
                Err(error) if complains => self.log(
                    Level::Warning,
                    format!(
                        "Could not remove short write from the append-only file.  Redis may refuse to load the AOF \
                         the next time it starts.  ftruncate: {error}"
                    ),
                ),
                Err(_) => {}
            }
        }
        if self.config.settings.appendfsync == AppendFsync::Always {
            self.log(
                Level::Warning,
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...",
            );
            return self.end_at_once();
        }
        self.aof.writing.error = Some(error);
        self.refresh_gates();
    }

    /// Ends the process before a reply goes out that promises what is not on the disk.
    fn end_at_once(&mut self) {
        self.shutdown = Some(Shutdown::Done(1));
        self.host.exit(1);
    }

    /// Has what is written reach the disk, when it is time.
    fn sync_what_is_written(&mut self) {
        let writing = &self.aof.writing;
        if writing.synced_bytes == writing.file_bytes || writing.error.is_some() {
            // Changes that left no trace in the file are as safe as those before them.
            if writing.synced_bytes == writing.file_bytes && self.aof.feed.bytes.is_empty() {
                self.nothing_to_sync();
            }
            return;
        }
        if self.config.settings.no_appendfsync_on_rewrite && self.persistence.child_is_running() {
            return;
        }
        match self.config.settings.appendfsync {
            AppendFsync::Always => self.sync_now(),
            AppendFsync::EverySec => self.sync_once_a_second(),
            AppendFsync::No => {}
        }
    }

    fn nothing_to_sync(&mut self) {
        let offset = self.aof.writing.written_offset;
        if self.aof.synced_offset.is_some_and(|synced| synced < offset)
            && self.host.sync_state().pending == 0
            && self.aof.writing.sync_error.is_none()
        {
            self.aof.synced_offset = Some(offset);
            self.aof_reached_disk();
        }
    }

    fn sync_now(&mut self) {
        let began_us = self.latency_clock_us();
        if let Err(error) = self.host.journal().sync() {
            self.log(
                Level::Warning,
                format!(
                    "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {error}. Exiting..."
                ),
            );
            return self.end_at_once();
        }
        self.note_latency_since("aof-fsync-always", began_us);
        self.aof.writing.synced_bytes = self.aof.writing.file_bytes;
        self.aof.writing.last_sync_ms = self.now.mono_ms;
        if self.aof.state == AofState::On {
            self.aof.synced_offset = Some(self.aof.writing.written_offset);
            self.aof_reached_disk();
        }
    }

    fn sync_once_a_second(&mut self) {
        let now_ms = self.now.mono_ms;
        if now_ms.saturating_sub(self.aof.writing.last_sync_ms) < SYNC_PERIOD_MS {
            return;
        }
        if self.host.sync_state().pending == 0 {
            let offset = self.aof.writing.written_offset;
            self.host.journal().sync_aside(offset);
            self.aof.writing.synced_bytes = self.aof.writing.file_bytes;
        }
        self.aof.writing.last_sync_ms = now_ms;
    }

    /// A sync aside may have ended.
    pub fn aof_synced(&mut self, now: Now) {
        self.now = now;
        let state = self.host.sync_state();
        if state.error != self.aof.writing.sync_error {
            if let Some(error) = &state.error {
                self.log(Level::Warning, format!("Fail to fsync the AOF file: {error}"));
            }
            self.aof.writing.sync_error = state.error;
            self.refresh_gates();
        }
        if let (AofState::On, Some(done)) = (self.aof.state, state.done)
            && self.aof.synced_offset.is_some_and(|synced| synced < done)
        {
            self.aof.synced_offset = Some(done);
            self.aof_reached_disk();
        }
        if state.pending == 0 && self.aof.writing.postponed_since_ms.is_some() {
            self.flush_aof(Flush::WhenItSuits);
        }
    }

    /// More is on the disk than before: whoever waits for that hears of it.
    pub(super) fn aof_reached_disk(&mut self) {
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            link.synced(self.aof.synced_offset.map(replication::id::Offset));
        }
        if std::mem::take(&mut self.aof.ack_when_synced) {
            self.acknowledge_to_master();
        }
        self.answer_waits(None);
    }

    /// The master wants to know how far this server is, and may be waiting for its disk.
    pub(crate) fn acknowledge_when_synced(&mut self) {
        let offset = self.replicating.offset();
        self.aof.ack_when_synced = self.aof.synced_offset.is_some_and(|synced| synced < offset);
    }

    /// Whether what the master sends cannot be taken because it cannot be written: a replica that went on would
    /// promise what it does not keep. It ends, unless it was told to go on.
    pub(crate) fn aof_refuses_stream(&mut self) -> bool {
        if !self.aof.is_on() || self.aof.writing.failure().is_none() {
            return false;
        }
        if !self.config.settings.replica_ignore_disk_write_errors {
            self.log(Level::Warning, "Replica was unable to write command to disk.");
            self.end_at_once();
            return true;
        }
        let now_ms = self.now.mono_ms;
        let writing = &mut self.aof.writing;
        if writing.ignored_ms.is_none_or(|at| now_ms.saturating_sub(at) >= IGNORED_PERIOD_MS) {
            writing.ignored_ms = Some(now_ms);
            self.log(Level::Warning, "Replica is applying a command it is unable to write to disk.");
        }
        false
    }

    /// What happens without anybody writing.
    pub(crate) fn aof_tick(&mut self) {
        if self.persistence.loading.is_none() {
            self.flush_aof(Flush::WhenItSuits);
            self.rewrite_tick();
        }
    }

    /// The last write before the end, or before the file is closed; the reason if it is not on the disk.
    pub(super) fn flush_for_good(&mut self) -> Result<(), String> {
        self.flush_aof(Flush::Now);
        let synced = self.host.journal().sync();
        if let Err(error) = &synced {
            self.log(Level::Warning, format!("Fail to fsync the AOF file: {error}"));
        }
        synced
    }
}
