//! Rewrites: a child writes a new base, while changes go into a new increment.

use persist::aof::BaseForm;
use resp::Args;
use types::CommandError;

use super::AofState;
use super::journal::Begin;
use super::write::Flush;
use crate::client::{Client, State};
use crate::config::Level;
use crate::host::SnapshotTarget;
use crate::persistence::{Running, SnapshotResult};
use crate::server::Server;
use crate::snapshot::SnapshotInfo;

/// Failures in a row after which rewrites are tried ever more rarely.
const FAILURES_BEFORE_LIMIT: u64 = 3;
/// The longest pause between two tries then.
const LONGEST_PAUSE_MINUTES: u64 = 60;

/// How rewriting goes.
#[derive(Debug)]
pub(crate) struct Rewriting {
    /// One is due as soon as nothing else runs.
    pub(crate) scheduled: bool,
    pub(crate) last_ok: bool,
    /// How long the last one took, in seconds; -1 before there was one.
    pub(crate) last_took_s: i64,
    pub(crate) count: u64,
    pub(crate) failures_in_a_row: u64,
    pub(crate) last_cow_bytes: u64,
    /// Length of the file when it was last rewritten, or of its base at start.
    pub(crate) base_bytes: u64,
    limiter: Limiter,
    /// Of the one that runs: how it writes, and where the stream stood when it began.
    form: BaseForm,
    offset_at_start: u64,
}

impl Default for Rewriting {
    fn default() -> Self {
        Self {
            scheduled: false,
            last_ok: true,
            last_took_s: -1,
            count: 0,
            failures_in_a_row: 0,
            last_cow_bytes: 0,
            base_bytes: 0,
            limiter: Limiter::default(),
            form: BaseForm::Rdb,
            offset_at_start: 0,
        }
    }
}

/// Keeps rewrites that fail again and again from being tried all the time.
#[derive(Debug, Default)]
struct Limiter {
    pause_minutes: u64,
    next_try_ms: Option<u64>,
}

/// What the limiter says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Go,
    Wait,
    /// From now on, for so many minutes.
    WaitMinutes(u64),
}

impl Limiter {
    fn judge(&mut self, failures_in_a_row: u64, now_ms: u64) -> Verdict {
        if failures_in_a_row < FAILURES_BEFORE_LIMIT {
            *self = Self::default();
            return Verdict::Go;
        }
        match self.next_try_ms {
            Some(at_ms) if now_ms < at_ms => Verdict::Wait,
            Some(_) => {
                self.next_try_ms = None;
                Verdict::Go
            }
            None => {
                self.pause_minutes = (self.pause_minutes * 2).clamp(1, LONGEST_PAUSE_MINUTES);
                self.next_try_ms = Some(now_ms + self.pause_minutes * 60_000);
                Verdict::WaitMinutes(self.pause_minutes)
            }
        }
    }
}

impl Server {
    /// What a base written now says about itself.
    pub(super) fn base_snapshot_info(&mut self) -> SnapshotInfo {
        let base = self.base_info();
        SnapshotInfo { aof_base: Some(base), replication: None, ..self.snapshot_info() }
    }

    /// Forks the child of a rewrite; changes go into an increment of their own from here on. Why it failed has
    /// been logged.
    pub(super) fn start_rewrite(&mut self) -> Result<(), ()> {
        if self.persistence.child_is_running() {
            return Err(());
        }
        if let Err(text) = self.make_aof_directory() {
            self.log(Level::Warning, text);
            self.aof.rewriting.last_ok = false;
            return Err(());
        }
        self.aof.feed.select_anew();
        self.flush_aof(Flush::Now);
        if !self.aof.feed.bytes.is_empty() {
            // It would go into the new increment, and what it did is in the base already.
            self.log(
                Level::Warning,
                "Can't rewrite append only file in background: the AOF buffer can't be written",
            );
            self.aof.rewriting.last_ok = false;
            return Err(());
        }
        if self.aof.state != AofState::Off && self.begin_incremental().is_err() {
            self.aof.rewriting.last_ok = false;
            return Err(());
        }
        self.aof.rewriting.count += 1;
        self.aof.rewriting.form = self.base_form();
        self.aof.rewriting.offset_at_start = self.replicating.offset();
        let info = self.base_snapshot_info();
        match self.start_child(SnapshotTarget::Aof, "", &info) {
            Ok(()) => {
                self.aof.rewriting.scheduled = false;
                self.refresh_aof();
                Ok(())
            }
            Err(error) => {
                self.log(
                    Level::Warning,
                    format!("Can't rewrite append only file in background: fork: {error}"),
                );
                self.aof.rewriting.last_ok = false;
                Err(())
            }
        }
    }

    /// Opens the increment that begins with a rewrite.
    fn begin_incremental(&mut self) -> Result<(), ()> {
        let mark = self.replicating.offset();
        let (path, begin, manifest) = match self.aof.state {
            AofState::WaitRewrite => (self.temporary_incremental(), Begin::Empty, None),
            _ => {
                let mut manifest = self.aof.manifest.clone();
                let name = manifest.begin_incremental(&self.config.settings.appendfilename);
                (self.aof_path(&name), Begin::Empty, Some(manifest))
            }
        };
        if let Some(manifest) = &manifest {
            // The file is there before the manifest names it.
            if let Err(error) = self.host.journal().truncate(&path, 0) {
                self.log(Level::Warning, format!("Can't open the append-only file {path}: {error}"));
                return Err(());
            }
            if self.write_manifest(manifest).is_err() {
                self.host.journal().remove(&path);
                return Err(());
            }
        }
        if let Err(error) = self.host.journal().open(&path, begin, mark) {
            self.log(Level::Warning, format!("Can't open the append-only file {path}: {error}"));
            return Err(());
        }
        let shown = path.rsplit('/').next().unwrap_or(&path).to_owned();
        self.log(Level::Notice, format!("Creating AOF incr file {shown} on background rewrite"));
        if let Some(manifest) = manifest {
            self.aof.manifest = manifest;
        }
        self.aof.writing.begin_file(0);
        Ok(())
    }

    /// The child of a rewrite has ended.
    pub(crate) fn rewrite_ended(&mut self, running: Running, result: &SnapshotResult) {
        let began_us = self.host.clock_us();
        self.aof.rewriting.last_cow_bytes = result.cow_bytes;
        let ok = result.code == Some(0);
        match (result.signal, &result.file) {
            (None, Some(file)) if ok => {
                self.log(Level::Notice, "Background AOF rewrite terminated with success");
                // One that was killed too late has missed what came while the file was off.
                if !running.killed {
                    self.take_new_base(file);
                }
            }
            (Some(signal), _) => {
                // A child that was killed on purpose says nothing about the disk.
                self.note_failed_rewrite(!running.killed);
                self.log(Level::Warning, format!("Background AOF rewrite terminated by signal {signal}"));
            }
            (None, _) => {
                self.note_failed_rewrite(true);
                self.log(Level::Warning, "Background AOF rewrite terminated with error");
            }
        }
        if let Some(file) = &result.file {
            // Where it was not renamed it is of no use.
            self.host.journal().remove(file);
        }
        if self.aof.state == AofState::WaitRewrite {
            let path = self.temporary_incremental();
            self.host.journal().remove(&path);
            self.aof.feed.clear();
            self.aof.rewriting.scheduled = true;
        }
        self.aof.rewriting.last_took_s =
            (self.now.mono_ms.saturating_sub(running.started.mono_ms) / 1000) as i64;
        self.refresh_aof();
        let took_us = self.host.clock_us().saturating_sub(began_us);
        self.log(Level::Verbose, format!("Background AOF rewrite signal handler took {took_us}us"));
    }

    fn note_failed_rewrite(&mut self, counts: bool) {
        if counts {
            self.aof.rewriting.last_ok = false;
            self.aof.rewriting.failures_in_a_row += 1;
        }
    }

    /// The file that a child has written becomes the base, and what it replaces history.
    fn take_new_base(&mut self, file: &str) {
        let prefix = self.config.settings.appendfilename.0.clone();
        let mut manifest = self.aof.manifest.clone();
        let base = manifest.begin_base(&prefix, self.aof.rewriting.form);
        if self.rename_logged("base", file, &base).is_err() {
            self.note_failed_rewrite(true);
            return;
        }
        let mut first = None;
        match self.aof.state {
            AofState::WaitRewrite => {
                // The file that grows keeps growing under its name for good.
                let incremental = manifest.begin_incremental(&prefix);
                let temporary = self.temporary_incremental();
                if self.rename_logged("incr", &temporary, &incremental).is_err() {
                    let path = self.aof_path(&base);
                    self.host.journal().remove(&path);
                    self.note_failed_rewrite(true);
                    return;
                }
                manifest.retire_rewritten();
                first = Some(incremental);
            }
            AofState::On => manifest.retire_rewritten(),
            AofState::Off => manifest.retire_all_incremental(),
        }
        if self.write_manifest(&manifest).is_err() {
            for name in std::iter::once(base).chain(first) {
                let path = self.aof_path(&name);
                self.host.journal().remove(&path);
            }
            self.note_failed_rewrite(true);
            return;
        }
        self.aof.manifest = manifest;
        self.count_base_bytes();
        self.delete_history();
        self.aof.rewriting.last_ok = true;
        self.aof.rewriting.failures_in_a_row = 0;
        self.log(Level::Notice, "Background AOF rewrite finished successfully");
        if self.aof.state == AofState::WaitRewrite {
            // The base is on the disk; the increment may not be yet.
            self.aof.synced_offset = Some(self.aof.rewriting.offset_at_start);
            self.set_aof_state(AofState::On);
            self.aof_reached_disk();
        }
    }

    fn rename_logged(&mut self, kind: &str, from: &str, name: &str) -> Result<(), ()> {
        let to = self.aof_path(name);
        // The log names files without their directory, as Redis's does.
        let shown = from.rsplit('/').next().unwrap_or(from);
        let began_us = self.latency_clock_us();
        let renamed = self.host.journal().rename(from, &to);
        self.note_latency_since("aof-rename", began_us);
        match renamed {
            Ok(()) => {
                self.log(
                    Level::Notice,
                    format!("Successfully renamed the temporary AOF {kind} file {shown} into {name}"),
                );
                Ok(())
            }
            Err(error) => {
                self.log(
                    Level::Warning,
                    format!(
                        "Error trying to rename the temporary AOF {kind} file {shown} into {name}: {error}"
                    ),
                );
                Err(())
            }
        }
    }

    /// Begins a rewrite that is due.
    pub(super) fn rewrite_tick(&mut self) {
        if self.persistence.child_is_running() || self.shutdown.is_some() {
            return;
        }
        if self.aof.rewriting.scheduled {
            if self.may_rewrite() {
                let _ = self.start_rewrite();
            }
            return;
        }
        let settings = &self.config.settings;
        let percentage = settings.auto_aof_rewrite_percentage;
        let bytes = self.aof.writing.all_bytes;
        if self.aof.state != AofState::On || percentage == 0 || bytes <= settings.auto_aof_rewrite_min_size {
            return;
        }
        let base = self.aof.rewriting.base_bytes.max(1);
        let growth = (u128::from(bytes) * 100 / u128::from(base)) as i64 - 100;
        if growth >= percentage && self.may_rewrite() {
            self.log(Level::Notice, format!("Starting automatic rewriting of AOF on {growth}% growth"));
            let _ = self.start_rewrite();
        }
    }

    fn may_rewrite(&mut self) -> bool {
        let rewriting = &mut self.aof.rewriting;
        match rewriting.limiter.judge(rewriting.failures_in_a_row, self.now.mono_ms) {
            Verdict::Go => true,
            Verdict::Wait => false,
            Verdict::WaitMinutes(minutes) => {
                self.log(
                    Level::Warning,
                    format!(
                        "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} \
                         minutes"
                    ),
                );
                false
            }
        }
    }
}

pub(crate) fn bgrewriteaof(
    server: &mut Server,
    client: &mut Client,
    _: Args<'_>,
) -> Result<(), CommandError> {
    if server.is_rewriting_aof() {
        return Err(CommandError::new("ERR Background append only file rewriting already in progress"));
    }
    if server.persistence.child_is_running() || client.state.has(State::IN_EXEC) {
        server.aof.rewriting.scheduled = true;
        server.aof.rewriting.failures_in_a_row = 0;
        client.writer().simple("Background append only file rewriting scheduled");
        return Ok(());
    }
    match server.start_rewrite() {
        Ok(()) => client.writer().simple("Background append only file rewriting started"),
        Err(()) => {
            return Err(CommandError::new(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod limiter_tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.judge(2, 0), Verdict::Go);
        let mut now_ms = 0;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let Verdict::WaitMinutes(minutes) = limiter.judge(3, now_ms) else { panic!("goes on") };
            pauses.push(minutes);
            assert_eq!(limiter.judge(3, now_ms + minutes * 60_000 - 1), Verdict::Wait);
            now_ms += minutes * 60_000;
            assert_eq!(limiter.judge(3, now_ms), Verdict::Go);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(limiter.judge(0, now_ms), Verdict::Go);
        assert_eq!(limiter.judge(3, now_ms), Verdict::WaitMinutes(1));
    }
}
