//! The append-only file on the disk: appended to here, synced by a thread of its own where that must not hold
//! anybody up.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use commands::{Appended, Begin, Journal, SyncState};
use tokio::sync::Notify;

use crate::listen::reason;
use crate::shell::Shell;

/// What the thread is to do.
enum Job {
    /// Sync a file; the mark is told then. When nobody else holds it, it is closed.
    Sync(Arc<File>, u64),
    /// Remove a file, whose blocks may take long to free.
    Remove(String),
}

/// What the thread has done.
#[derive(Debug, Default)]
struct Done {
    mark: Option<u64>,
    error: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: AtomicUsize,
    done: Mutex<Done>,
    /// A sync has ended.
    ended: Arc<Notify>,
}

impl Shared {
    fn done(&self) -> std::sync::MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files, from the thread that runs everything.
#[derive(Debug, Default)]
pub(crate) struct FileJournal {
    grows: Option<Arc<File>>,
    shared: Arc<Shared>,
    /// To the thread, once there is one.
    sender: Option<Sender<Job>>,
}

impl FileJournal {
    /// Told whenever a sync aside has ended.
    pub(crate) fn ended(&self) -> Arc<Notify> {
        self.shared.ended.clone()
    }

    /// How far syncing aside has come.
    pub(crate) fn state(&self) -> SyncState {
        let pending = self.shared.pending.load(Ordering::Acquire);
        let done = self.shared.done();
        SyncState { pending, done: done.mark, error: done.error.clone() }
    }

    fn hand_over(&mut self, job: Job) {
        let sender = self.sender.take().or_else(|| start(self.shared.clone()));
        let is_sync = matches!(job, Job::Sync(..));
        if is_sync {
            self.shared.pending.fetch_add(1, Ordering::AcqRel);
        }
        match sender {
            Some(sender) => {
                if sender.send(job).is_ok() {
                    self.sender = Some(sender);
                }
            }
            // Where no thread can be started it is done here.
            None => work(&self.shared, job),
        }
    }
}

/// Starts the thread; it ends with the sender.
fn start(shared: Arc<Shared>) -> Option<Sender<Job>> {
    let (sender, receiver) = channel();
    let run = move || receiver.into_iter().for_each(|job| work(&shared, job));
    std::thread::Builder::new().name("aof-sync".into()).spawn(run).ok().map(|_| sender)
}

fn work(shared: &Shared, job: Job) {
    match job {
        Job::Sync(file, mark) => {
            let synced = file.sync_data();
            {
                let mut done = shared.done();
                match synced {
                    Ok(()) => (done.mark, done.error) = (Some(mark), None),
                    Err(error) => done.error = Some(reason(&error)),
                }
            }
            shared.pending.fetch_sub(1, Ordering::AcqRel);
            shared.ended.notify_one();
        }
        Job::Remove(path) => drop(std::fs::remove_file(path)),
    }
}

/// The directory that `path` lies in.
fn directory(path: &str) -> &Path {
    Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Journal for FileJournal {
    fn open(&mut self, path: &str, begin: Begin, mark: u64) -> Result<u64, String> {
        let open = || -> io::Result<(File, u64)> {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            let file = options.open(path)?;
            if begin == Begin::Empty {
                file.set_len(0)?;
            }
            let length = file.metadata()?.len();
            // The name is there after a crash only once the directory is.
            File::open(directory(path))?.sync_all()?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| reason(&error))?;
        if let Some(before) = self.grows.replace(Arc::new(file)) {
            self.hand_over(Job::Sync(before, mark));
        }
        Ok(length)
    }

    fn close(&mut self) {
        self.grows = None;
    }

    fn append(&mut self, bytes: &[u8]) -> Appended {
        let Some(file) = &self.grows else {
            return Appended { bytes: 0, error: Some("no file is open".into()) };
        };
        let mut written = 0;
        while written < bytes.len() {
            match (&**file).write(&bytes[written..]) {
                Ok(0) => return Appended { bytes: written, error: Some("nothing was written".into()) },
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Appended { bytes: written, error: Some(reason(&error)) },
            }
        }
        Appended { bytes: written, error: None }
    }

    fn shorten(&mut self, length: u64) -> Result<(), String> {
        let file = self.grows.as_ref().ok_or("no file is open")?;
        file.set_len(length).map_err(|error| reason(&error))
    }

    fn sync(&mut self) -> Result<(), String> {
        let Some(file) = &self.grows else { return Ok(()) };
        file.sync_data().map_err(|error| reason(&error))
    }

    fn sync_aside(&mut self, mark: u64) {
        if let Some(file) = self.grows.clone() {
            self.hand_over(Job::Sync(file, mark));
        }
    }

    fn settle(&mut self) {
        while self.shared.pending.load(Ordering::Acquire) > 0 {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        *self.shared.done() = Done::default();
    }

    fn length(&self, path: &str) -> Result<Option<u64>, String> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    fn read(&mut self, path: &str, offset: u64, most: usize) -> Result<Vec<u8>, String> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(most as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|error| reason(&error))
    }

    fn is_directory(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn make_directory(&mut self, path: &str) -> Result<(), String> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(reason(&error)),
            Err(error) if !Path::new(path).is_dir() => Err(reason(&error)),
            _ => Ok(()),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        let rename = || {
            std::fs::rename(from, to)?;
            File::open(directory(to))?.sync_all()
        };
        rename().map_err(|error| reason(&error))
    }

    fn remove(&mut self, path: &str) {
        if Path::new(path).exists() {
            self.hand_over(Job::Remove(path.to_owned()));
        }
    }

    fn truncate(&mut self, path: &str, length: u64) -> Result<(), String> {
        let truncate = || {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            file.set_len(length)?;
            file.sync_all()
        };
        truncate().map_err(|error| reason(&error))
    }
}

/// Tells the server whenever a sync aside has ended.
pub(crate) async fn follow(shell: std::rc::Rc<Shell>, ended: Arc<Notify>) {
    loop {
        ended.notified().await;
        shell.with(|server, now| server.aof_synced(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_grows_and_is_synced_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        let mut journal = FileJournal::default();
        journal.make_directory(&path("d")).unwrap();
        journal.make_directory(&path("d")).unwrap();
        assert!(journal.make_directory(&path("x/y")).is_err() && journal.is_directory(&path("d")));
        let file = path("d/a");
        assert_eq!(journal.open(&file, Begin::AsIs, 0), Ok(0));
        assert_eq!(journal.append(b"hello world"), Appended { bytes: 11, error: None });
        journal.shorten(5).unwrap();
        assert_eq!(journal.append(b"!").error, None);
        journal.sync_aside(7);
        // The next file: the one before it is synced too.
        assert_eq!(journal.open(&path("d/b"), Begin::Empty, 8), Ok(0));
        let mut waits = 0;
        while journal.state().pending > 0 {
            waits += 1;
            assert!(waits < 100_000, "never synced");
            std::thread::yield_now();
        }
        assert_eq!(journal.state(), SyncState { pending: 0, done: Some(8), error: None });
        assert_eq!(journal.read(&file, 1, 100).as_deref(), Ok(&b"ello!"[..]));
        assert_eq!(journal.open(&file, Begin::AsIs, 9), Ok(6));
        journal.settle();
        assert_eq!(journal.state().done, None);
        assert_eq!(journal.length(&path("none")), Ok(None));
        journal.truncate(&file, 2).unwrap();
        journal.rename(&file, &path("c")).unwrap();
        assert_eq!(journal.length(&path("c")), Ok(Some(2)));
    }
}
