//! Noticing that files change, whatever way an editor writes them.
//!
//! Editors write in place, truncate first, write beside and rename, or write twice. So folders are watched and
//! not files, a change counts only once nothing more happens for a moment, and what counts is another text. A
//! look now and then finds what no notice comes of: a folder that was made anew, a link that leads elsewhere, a
//! file system of another machine.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// Nothing happens for this long once an editor is done.
const SETTLED: Duration = Duration::from_millis(60);
/// An editor that goes on writing is not waited for any longer.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);
/// A file that is gone or empty may be about to be written.
const GRACE: Duration = Duration::from_secs(1);
/// A program above this size is not read at every look.
const LARGE_BYTES: u64 = 1 << 20;
/// How often files are looked at without a notice.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// What was seen of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its bytes; none when it is not there.
    pub bytes: Option<Vec<u8>>,
    /// Whether it can be run; counts for programs only.
    pub runnable: bool,
}

impl Seen {
    /// A script with this text.
    pub fn script(text: Option<String>) -> Self {
        Self { bytes: text.map(String::into_bytes), runnable: false }
    }

    /// What is there now. Of a large program only size and time are looked at.
    fn now(path: &Path, kind: Kind) -> Self {
        let data = std::fs::metadata(path).ok();
        let mode = data.as_ref().map_or(0, |data| data.permissions().mode());
        let large = data.filter(|data| kind == Kind::Program && data.len() > LARGE_BYTES);
        let bytes = match large {
            Some(data) => Some(format!("{} {:?}", data.len(), data.modified().ok()).into_bytes()),
            None => std::fs::read(path).ok(),
        };
        Self { bytes, runnable: kind == Kind::Program && mode & 0o111 != 0 }
    }

    fn is_void(&self) -> bool {
        self.bytes.as_ref().is_none_or(Vec::is_empty)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Script,
    Program,
}

/// Files that are watched.
pub struct Files {
    /// None when the system gives no notices; the looks remain.
    watcher: Option<RecommendedWatcher>,
    noticed: mpsc::UnboundedReceiver<()>,
    folders: BTreeSet<PathBuf>,
    known: BTreeMap<PathBuf, (Kind, Seen)>,
    /// When scripts were last written, if writing the same text counts too.
    saved: BTreeMap<PathBuf, Option<SystemTime>>,
}

impl Files {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let (notices, noticed) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and we read them.
            let reads = |kind: &EventKind| matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write));
            if event.is_ok_and(|event| !reads(&event.kind)) {
                let _ = notices.send(());
            }
        });
        Self {
            watcher: watcher.ok(),
            noticed,
            folders: BTreeSet::new(),
            known: BTreeMap::new(),
            saved: BTreeMap::new(),
        }
    }

    /// Watches these scripts, with what was read of them, and these programs, and nothing else.
    pub fn watch(&mut self, scripts: BTreeMap<PathBuf, Seen>, programs: BTreeSet<PathBuf>) {
        let programs = programs.into_iter().map(|path| {
            let known = self.known.get(&path).map(|(_, seen)| seen.clone());
            let seen = known.unwrap_or_else(|| Seen::now(&path, Kind::Program));
            (path, (Kind::Program, seen))
        });
        let scripts = scripts.into_iter().map(|(path, seen)| (path, (Kind::Script, seen)));
        self.known = programs.chain(scripts).collect();
        let folders = self.known.keys().flat_map(|path| {
            let target = std::fs::canonicalize(path).ok();
            [Some(path.clone()), target]
                .into_iter()
                .flatten()
                .filter_map(|path| Some(path.parent()?.to_owned()))
        });
        let folders: BTreeSet<PathBuf> = folders.collect();
        if let Some(watcher) = &mut self.watcher {
            for gone in self.folders.difference(&folders) {
                let _ = watcher.unwatch(gone);
            }
            for new in folders.difference(&self.folders) {
                let _ = watcher.watch(new, RecursiveMode::NonRecursive);
            }
        }
        self.folders = folders;
        self.saved.clear();
    }

    /// Until the next [`watch`](Self::watch) a script that is saved unchanged counts as changed: its user wants
    /// it tried again.
    pub fn count_every_save(&mut self) {
        let scripts = self.known.iter().filter(|(_, (kind, _))| *kind == Kind::Script);
        self.saved = scripts.map(|(path, _)| (path.clone(), written(path))).collect();
    }

    /// Completes when files are otherwise than they were known, and settled; they are known so from then on.
    pub async fn changed(&mut self) -> BTreeSet<PathBuf> {
        loop {
            // A watcher that failed has dropped its end: the looks remain.
            let notice = timeout(LOOK_PERIOD, self.noticed.recv()).await;
            if notice == Ok(None) {
                sleep(LOOK_PERIOD).await;
            }
            if self.look().is_empty() {
                continue;
            }
            let found = self.settled().await;
            if !found.is_empty() {
                let paths = found.keys().cloned().collect();
                for (path, seen) in found {
                    self.known.entry(path).and_modify(|known| known.1 = seen);
                }
                return paths;
            }
        }
    }

    /// What is otherwise once nothing more happens.
    async fn settled(&mut self) -> BTreeMap<PathBuf, Seen> {
        let began = Instant::now();
        let mut found = self.look();
        loop {
            while matches!(timeout(SETTLED, self.noticed.recv()).await, Ok(Some(())))
                && began.elapsed() < SETTLE_LIMIT
            {}
            let again = self.look();
            let void = again.values().any(Seen::is_void);
            let (still, late) = (again == found, began.elapsed());
            if (still && (!void || late > GRACE)) || late > SETTLE_LIMIT {
                return again;
            }
            found = again;
            sleep(SETTLED).await;
        }
    }

    fn look(&self) -> BTreeMap<PathBuf, Seen> {
        let now = self.known.iter().map(|(path, (kind, known))| (path, known, Seen::now(path, *kind)));
        let saved = |path: &Path| self.saved.get(path).is_some_and(|before| *before != written(path));
        now.filter(|(path, known, now)| *known != now || saved(path))
            .map(|(path, _, now)| (path.clone(), now))
            .collect()
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Watches `script` and `program` in a folder of their own.
    fn watched(folder: &Path) -> Files {
        let (script, program) = (folder.join("script"), folder.join("program"));
        fs::write(&script, "one").expect("written");
        fs::write(&program, "run").expect("written");
        let mut files = Files::new();
        files.watch(BTreeMap::from([(script, Seen::script(Some("one".into())))]), BTreeSet::from([program]));
        files
    }

    async fn changed(files: &mut Files) -> Vec<String> {
        let paths = timeout(LIMIT, files.changed()).await.expect("a change");
        paths.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn every_way_of_writing_counts_once() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let mut files = watched(folder.path());
        let script = folder.path().join("script");
        fs::write(&script, "two").expect("written in place");
        assert_eq!(changed(&mut files).await, ["script"]);
        let beside = folder.path().join("script.new");
        fs::write(&beside, "three").expect("written beside");
        fs::rename(&script, folder.path().join("script~")).expect("moved away");
        fs::rename(&beside, &script).expect("renamed");
        assert_eq!(changed(&mut files).await, ["script"]);
        for text in ["", "four", "five"] {
            fs::write(&script, text).expect("written");
        }
        assert_eq!(changed(&mut files).await, ["script"]);
        assert!(files.look().is_empty());
        fs::write(&script, "five").expect("the same text");
        fs::write(folder.path().join("other"), "x").expect("another file");
        fs::set_permissions(folder.path().join("program"), fs::Permissions::from_mode(0o755))
            .expect("changed");
        assert_eq!(changed(&mut files).await, ["program"]);
    }

    #[tokio::test]
    async fn the_same_text_counts_on_demand() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let mut files = watched(folder.path());
        let script = folder.path().join("script");
        let save = || {
            let file = fs::File::options().append(true).open(&script).expect("open");
            file.set_modified(SystemTime::now() + GRACE).expect("saved");
        };
        save();
        assert!(files.look().is_empty());
        files.count_every_save();
        assert!(files.look().is_empty());
        fs::write(&script, "one").expect("saved");
        assert_eq!(changed(&mut files).await, ["script"]);
    }

    #[tokio::test]
    async fn what_is_written_before_the_watch_begins_counts_too() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let script = folder.path().join("script");
        fs::write(&script, "later").expect("written");
        let mut files = Files::new();
        files.watch(BTreeMap::from([(script, Seen::script(Some("first".into())))]), BTreeSet::new());
        assert_eq!(changed(&mut files).await, ["script"]);
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_waited_for_and_then_told() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let mut files = watched(folder.path());
        let script = folder.path().join("script");
        fs::remove_file(&script).expect("removed");
        let writer = std::thread::spawn({
            let script = script.clone();
            move || {
                std::thread::sleep(SETTLED * 3);
                fs::write(script, "again").expect("written");
            }
        });
        assert_eq!(changed(&mut files).await, ["script"]);
        writer.join().expect("written");
        assert_eq!(files.known[&script].1, Seen::script(Some("again".into())));
        fs::remove_file(&script).expect("removed");
        assert_eq!(changed(&mut files).await, ["script"]);
        assert_eq!(files.known[&script].1, Seen::default());
    }
}
