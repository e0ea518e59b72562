//! Manifest and files: read and taken up at start, made and given up as `appendonly` changes.

use persist::aof::{BaseForm, Manifest};
use types::Now;

use super::AofState;
use super::journal::Begin;
use crate::config::Level;
use crate::server::Server;
use crate::snapshot::AofBase;

/// Attempts to begin anew after a full sync, and what lies between them.
const ATTEMPTS_AFTER_SYNC: u32 = 10;
const PAUSE_AFTER_SYNC_S: f64 = 1.0;

impl Server {
    pub(super) fn aof_path(&self, name: &str) -> String {
        format!("{}/{name}", *self.config.settings.appenddirname)
    }

    fn manifest_path(&self) -> String {
        self.aof_path(&format!("{}.manifest", *self.config.settings.appendfilename))
    }

    /// The increment of a first rewrite, until that is done.
    pub(super) fn temporary_incremental(&self) -> String {
        self.aof_path(&format!("temp-{}.incr", *self.config.settings.appendfilename))
    }

    /// How a base is written now.
    pub(super) fn base_form(&self) -> BaseForm {
        match self.config.settings.aof_use_rdb_preamble {
            true => BaseForm::Rdb,
            false => BaseForm::Commands,
        }
    }

    pub(super) fn base_info(&self) -> AofBase {
        let timestamp = self.config.settings.aof_timestamp_enabled.then(|| self.wall_seconds());
        AofBase {
            form: self.base_form(),
            timestamp,
            syncs_often: self.config.settings.aof_rewrite_incremental_fsync,
        }
    }

    /// Makes the directory, or says why not.
    pub(super) fn make_aof_directory(&mut self) -> Result<(), String> {
        let name = self.config.settings.appenddirname.0.clone();
        self.host
            .journal()
            .make_directory(&name)
            .map_err(|error| format!("Can't open or create append-only dir {name}: {error}"))
    }

    /// Reads the manifest, if there is one. An error has been logged but for its last line.
    pub(super) fn read_manifest(&mut self) -> Result<(), String> {
        self.aof.manifest = Manifest::default();
        let directory = self.config.settings.appenddirname.0.clone();
        if !self.host.journal().is_directory(&directory) {
            self.log(Level::Debug, format!("The AOF directory {directory} doesn't exist"));
            return Ok(());
        }
        let path = self.manifest_path();
        let missing = matches!(self.host.journal().length(&path), Ok(None));
        if missing {
            self.log(Level::Debug, format!("The AOF manifest file {path} doesn't exist"));
            return Ok(());
        }
        let text = self.host.read_file(&path).map_err(|error| {
            format!("Fatal error: can't open the AOF manifest file {path} for reading: {error}")
        })?;
        match Manifest::parse(text.as_bytes()) {
            Ok(manifest) => self.aof.manifest = manifest,
            Err(error) => {
                self.log(Level::Warning, "\n*** FATAL AOF MANIFEST FILE ERROR ***");
                if let Some((number, line)) = &error.line {
                    let lines = format!("Reading the manifest file, at line {number}\n>>> '{line}'");
                    self.log(Level::Warning, lines);
                }
                return Err(error.to_string());
            }
        }
        Ok(())
    }

    /// Writes a manifest in place of the one there is.
    pub(super) fn write_manifest(&mut self, manifest: &Manifest) -> Result<(), String> {
        let path = self.manifest_path();
        let written = self.host.write_file(&path, &manifest.to_text());
        if let Err(error) = &written {
            self.log(
                Level::Warning,
                format!("Error trying to write the temporary AOF manifest file {path}: {error}"),
            );
        }
        written
    }

    /// An append-only file of one part, as servers before 7.0 wrote it, becomes the base.
    pub(super) fn upgrade_single_file(&mut self) -> Result<(), String> {
        let name = self.config.settings.appendfilename.0.clone();
        if !matches!(self.host.journal().length(&name), Ok(Some(_))) {
            return Ok(());
        }
        let directory = self.config.settings.appenddirname.0.clone();
        let target = self.aof_path(&name);
        let manifest = &self.aof.manifest;
        // The manifest is written first: a server that ended between the two steps is to finish them.
        let begun = manifest.incremental.is_empty()
            && manifest.base.as_ref().is_some_and(|base| base.name == name)
            && matches!(self.host.journal().length(&target), Ok(None));
        if !manifest.is_empty() && !begun && self.host.journal().is_directory(&directory) {
            return Ok(());
        }
        self.make_aof_directory()?;
        let mut manifest = std::mem::take(&mut self.aof.manifest);
        if !begun {
            manifest.adopt(&name);
        }
        self.write_manifest(&manifest)?;
        self.aof.manifest = manifest;
        self.host.journal().rename(&name, &target).map_err(|error| {
            format!("Error trying to move the old AOF file {name} into dir {directory}: {error}")
        })?;
        self.log(
            Level::Notice,
            format!(
                "Successfully migrated an old-style AOF file ({name}) into the AOF directory ({directory})."
            ),
        );
        Ok(())
    }

    /// Takes the append-only file up once the data is loaded: from here on every change goes into it. An error
    /// is fatal.
    pub fn open_aof_at_start(&mut self, now: Now) -> Result<(), String> {
        self.now = now;
        if !self.config.settings.appendonly || self.sentinel.is_some() {
            self.delete_history();
            return Ok(());
        }
        self.make_aof_directory()?;
        let prefix = self.config.settings.appendfilename.0.clone();
        let mut manifest = self.aof.manifest.clone();
        let is_new = manifest.is_empty();
        if is_new {
            let name = manifest.begin_base(&prefix, self.base_form());
            let path = self.aof_path(&name);
            let info = self.base_snapshot_info();
            self.host
                .save(&path, &self.dbs, &info)
                .map_err(|error| format!("Write error writing append only file on disk: {error}"))?;
            self.log(Level::Notice, format!("Creating AOF base file {name} on server start"));
        }
        let opens = !manifest.incremental.is_empty();
        let name = match manifest.incremental.last() {
            Some(file) => file.name.clone(),
            None => manifest.begin_incremental(&prefix),
        };
        let path = self.aof_path(&name);
        let length = self
            .host
            .journal()
            .open(&path, Begin::AsIs, 0)
            .map_err(|error| format!("Can't open the append-only file {name}: {error}"))?;
        if manifest != self.aof.manifest {
            self.write_manifest(&manifest)?;
        }
        self.aof.manifest = manifest;
        self.aof.writing.begin_file(length);
        let verb = if opens { "Opening" } else { "Creating" };
        self.log(Level::Notice, format!("{verb} AOF incr file {name} on server start"));
        if is_new {
            self.count_base_bytes();
        }
        self.aof.synced_offset = Some(self.replicating.offset());
        self.aof.writing.restart_period(self.now.mono_ms);
        self.set_aof_state(AofState::On);
        self.delete_history();
        Ok(())
    }

    /// The base has just been written: its length is what growth is measured by.
    pub(super) fn count_base_bytes(&mut self) {
        let name = self.aof.manifest.base.as_ref().map(|base| base.name.clone());
        let base = name.and_then(|name| {
            let path = self.aof_path(&name);
            let began_us = self.latency_clock_us();
            let length = self.host.journal().length(&path).ok().flatten();
            self.note_latency_since("aof-fstat", began_us);
            length
        });
        self.aof.writing.all_bytes = base.unwrap_or(0) + self.aof.writing.file_bytes;
        self.aof.rewriting.base_bytes = self.aof.writing.all_bytes;
    }

    /// Deletes what rewrites have made superfluous.
    pub(super) fn delete_history(&mut self) {
        if self.config.settings.aof_disable_auto_gc || self.aof.manifest.history.is_empty() {
            return;
        }
        let mut manifest = self.aof.manifest.clone();
        for file in std::mem::take(&mut manifest.history) {
            let path = self.aof_path(&file.name);
            self.log(Level::Notice, format!("Removing the history file {} in the background", file.name));
            self.host.journal().remove(&path);
        }
        if self.write_manifest(&manifest).is_ok() {
            self.aof.manifest = manifest;
        }
    }

    /// `appendonly` was changed; false when it cannot be switched on.
    pub(crate) fn switch_aof(&mut self, is_in_exec: bool) -> bool {
        match (self.config.settings.appendonly, self.aof.state) {
            (false, AofState::Off) | (true, AofState::On | AofState::WaitRewrite) => true,
            (false, _) => {
                self.stop_aof();
                true
            }
            (true, AofState::Off) => self.start_aof(is_in_exec),
        }
    }

    /// Begins an append-only file with a rewrite, at once or as soon as that is possible.
    pub(crate) fn start_aof(&mut self, is_in_exec: bool) -> bool {
        self.host.journal().settle();
        if self.aof.writing.sync_error.take().is_some() {
            self.log(Level::Warning, "AOF reopen, just ignore the AOF fsync error in bio job");
        }
        if self.aof.writing.error.take().is_some() {
            self.log(Level::Warning, "AOF reopen, just ignore the last error.");
        }
        self.aof.feed.clear();
        self.set_aof_state(AofState::WaitRewrite);
        if self.persistence.child_is_running() && !self.is_rewriting_aof() {
            self.aof.rewriting.scheduled = true;
            self.log(
                Level::Notice,
                "AOF was enabled but there is already another background operation. An AOF background was scheduled \
                 to start when possible.",
            );
        } else if is_in_exec {
            self.aof.rewriting.scheduled = true;
            self.log(
                Level::Notice,
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible.",
            );
        } else if self.persistence.child_is_running() {
            // The child of before it was switched off: what came since is in no file.
            self.aof.rewriting.scheduled = true;
            self.log(
                Level::Warning,
                "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and \
                 starting a rewrite now.",
            );
            self.kill_snapshot();
        } else if self.start_rewrite().is_err() {
            self.set_aof_state(AofState::Off);
            self.log(
                Level::Warning,
                "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above \
                 logs for more info about the error.",
            );
            return false;
        }
        self.aof.writing.restart_period(self.now.mono_ms);
        true
    }

    /// Gives the append-only file up; what was written stays.
    pub(crate) fn stop_aof(&mut self) {
        let _ = self.flush_for_good();
        self.host.journal().close();
        if self.is_rewriting_aof() {
            self.log(Level::Notice, "Killing running AOF rewrite child");
            self.kill_snapshot();
            if self.aof.state == AofState::WaitRewrite {
                let path = self.temporary_incremental();
                self.host.journal().remove(&path);
            }
        }
        self.aof.rewriting.scheduled = false;
        self.aof.feed.clear();
        self.aof.writing.begin_file(0);
        self.aof.synced_offset = None;
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            link.synced(None);
        }
        self.set_aof_state(AofState::Off);
        self.fail_local_waits();
    }

    /// A full sync has replaced the data: the file begins anew. A replica without the file it should have does
    /// not go on.
    pub(crate) fn restart_aof_after_sync(&mut self) {
        if !self.config.settings.appendonly {
            return;
        }
        for _ in 0..ATTEMPTS_AFTER_SYNC {
            if self.start_aof(false) {
                return;
            }
            self.log(
                Level::Warning,
                "Failed enabling the AOF after successful master synchronization! Trying it again in one second.",
            );
            self.host.sleep(PAUSE_AFTER_SYNC_S);
        }
        self.log(
            Level::Warning,
            "FATAL: this replica instance finished the synchronization with its master, but the AOF can't be turned \
             on. Exiting now.",
        );
        self.host.exit(1);
    }

    /// The last step at an orderly end; false when it must not end now.
    pub(crate) fn end_aof(&mut self, force: bool) -> bool {
        if !self.aof.is_on() {
            return true;
        }
        if self.is_rewriting_aof() {
            if self.aof.state == AofState::WaitRewrite {
                // All there is of the file is on its way: without it the data would be lost.
                if !force {
                    self.log(Level::Warning, "Writing initial AOF, can't exit.");
                    return false;
                }
                self.log(Level::Warning, "Writing initial AOF. Exit anyway.");
            }
            self.log(Level::Warning, "There is a child rewriting the AOF. Killing it!");
            self.kill_snapshot();
        }
        self.log(Level::Notice, "Calling fsync() on the AOF file.");
        let _ = self.flush_for_good();
        true
    }
}
