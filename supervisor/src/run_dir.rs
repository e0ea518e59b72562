//! The directory of a run: plan, history, report, and a folder for every node.
//!
//! ```text
//! <runs>/<topology>-<date>-<time>-<pid>/
//!   plan.json            what was run
//!   history.jsonl        a header, then one event a line, as they came
//!   report.txt           the report, as printed
//!   control              the socket through which a topology that is up is asked and acted on
//!   owner                locked while its supervisor lives; not there in a run that is to be kept
//!   up.log               what a topology in the background prints
//!   wrappers/            what sentinels run instead of the scripts, and what those did (journal.jsonl)
//!   scripts/             scripts that a built-in topology brings along
//!   <stage>/<node>/      one stage per fresh topology: `up`, `1.1` (experiment 1, repeat 1)…
//!     redis.conf or sentinel.conf, log, command (the exact start command), data/
//! ```
//!
//! `<runs>` is `$TOPPLE_RUNS`, else `$XDG_STATE_HOME/topple/runs`, else `~/.local/state/topple/runs`, else
//! `topple-runs` in the temporary directory: state that outlives a reboot where there is a home, so that a
//! kept run can be read later. Relative values of these variables are ignored, as XDG asks.
//!
//! The guardian removes the directory of a supervisor that was killed. Should it be killed too, or the kill
//! come before it was told, the next run reclaims the directory: its `owner` is there and no longer locked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::clock::Clock;

/// The file whose lock tells that a run's supervisor lives.
const OWNER: &str = "owner";
/// The file that every run has which came as far as to its plan.
const PLAN: &str = "plan.json";

/// A run's own directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// The lock of a run's owner; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Owned {
    _lock: Flock<fs::File>,
}

impl RunDir {
    /// Chooses the directory of a run of the topology `name`; nothing is made yet.
    pub fn choose(name: &str, clock: &Clock) -> Self {
        let parent = Self::parent();
        let stamp = stamp(clock.started_wall_ms());
        Self { path: parent.join(format!("{}-{stamp}-{}", file_name(name), std::process::id())) }
    }

    /// Where the directories of runs are made.
    pub fn parent() -> PathBuf {
        runs_dir(|name| std::env::var_os(name).map(PathBuf::from), std::env::temp_dir())
    }

    /// Directories of all runs, of living and ended ones.
    pub fn all() -> Vec<PathBuf> {
        let entries = fs::read_dir(Self::parent()).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        found.sort();
        found
    }

    /// Makes it.
    ///
    /// # Errors
    /// When it cannot be made or is there already; the error names the path.
    pub fn create(&self) -> io::Result<()> {
        let named = |error: io::Error| {
            let path = self.path.display();
            io::Error::new(error.kind(), format!("cannot make the run directory {path}: {error}"))
        };
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(named)?;
        }
        fs::create_dir(&self.path).map_err(named)?;
        fs::create_dir(self.wrappers()).map_err(named)
    }

    /// Says that the directory is to go with this process, and holds the lock that tells that it lives.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn own(&self) -> io::Result<Owned> {
        // Under its name only once it is locked: a run that starts beside this one would find it orphaned.
        let unnamed = self.path.join(format!("{OWNER}.new"));
        let lock = Flock::lock(fs::File::create(&unnamed)?, FlockArg::LockExclusive);
        let lock = lock.map_err(|(_, errno)| errno)?;
        fs::rename(&unnamed, self.path.join(OWNER))?;
        Ok(Owned { _lock: lock })
    }

    /// Takes [`own`](Self::own) back: the directory is to stay.
    pub fn keep(&self) {
        let _ = fs::remove_file(self.path.join(OWNER));
    }

    /// Removes the directories of runs whose supervisor and guardian were killed; gives those.
    pub fn reclaim() -> Vec<PathBuf> {
        let orphaned = Self::all().into_iter().filter(|path| is_orphaned(path));
        orphaned.filter(|path| fs::remove_dir_all(path).is_ok()).collect()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where script wrappers and their journal are.
    pub fn wrappers(&self) -> PathBuf {
        self.path.join("wrappers")
    }

    /// Where the nodes of a stage live.
    pub fn stage(&self, stage: &str) -> PathBuf {
        self.path.join(stage)
    }

    /// Removes the files of one stage.
    pub fn remove_stage(&self, stage: &str) {
        let _ = fs::remove_dir_all(self.path.join(stage));
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Those of removing.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }
}

/// Whether a run's supervisor has gone without leaving word that the directory is to stay.
fn is_orphaned(path: &Path) -> bool {
    match fs::File::open(path.join(OWNER)) {
        Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok(),
        // One that is kept has its plan. Killed in its first moments, a run has neither.
        Err(_) => !path.join(PLAN).exists() && !maker_lives(path),
    }
}

/// Whether the process lives that a run's directory is named after.
fn maker_lives(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let pid = name.rsplit('-').next().and_then(|pid| pid.parse::<u32>().ok());
    // Something else lies here: no run's, and not ours to remove.
    pid.is_none_or(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

fn runs_dir(variable: impl Fn(&str) -> Option<PathBuf>, temporary: PathBuf) -> PathBuf {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    absolute("TOPPLE_RUNS")
        .or_else(|| absolute("XDG_STATE_HOME").map(|path| path.join("topple/runs")))
        .or_else(|| absolute("HOME").map(|path| path.join(".local/state/topple/runs")))
        .unwrap_or_else(|| temporary.join("topple-runs"))
}

/// The name with everything but letters, digits, `-`, `_` and `.` replaced; never hidden, never empty.
fn file_name(name: &str) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let name: String = name.chars().map(safe).take(80).collect();
    match name.trim_start_matches('.') {
        "" => "unnamed".to_owned(),
        visible => visible.to_owned(),
    }
}

/// `YYYYMMDD-HHMMSS` in UTC.
fn stamp(wall_ms: i64) -> String {
    let seconds = wall_ms.div_euclid(1000);
    let (year, month, day) = civil_date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar: 400-year eras of
/// 146,097 days, with years that begin in March so that the leap day comes last.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_absolute_place_is_taken() {
        let place = |set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, path)| path.into());
            runs_dir(find, "/tmp".into()).display().to_string()
        };
        assert_eq!(place(&[("TOPPLE_RUNS", "/r"), ("HOME", "/h")]), "/r");
        assert_eq!(place(&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")]), "/x/topple/runs");
        assert_eq!(place(&[("XDG_STATE_HOME", "x"), ("HOME", "/h")]), "/h/.local/state/topple/runs");
        assert_eq!(place(&[]), "/tmp/topple-runs");
    }

    #[test]
    fn only_what_nobody_owns_is_orphaned() {
        let parent = tempfile::tempdir().expect("a directory");
        let run = |name: &str| {
            let run = RunDir { path: parent.path().join(name) };
            run.create().expect("made");
            run
        };
        let dead = u32::MAX;
        let orphaned = |run: &RunDir| is_orphaned(run.path());
        let owned = run(&format!("owned-1-1-{dead}"));
        let lock = owned.own().expect("locked");
        assert!(!orphaned(&owned), "its owner lives");
        drop(lock);
        assert!(orphaned(&owned));
        owned.keep();
        fs::write(owned.path().join(PLAN), "{}").expect("written");
        assert!(!orphaned(&owned), "it is kept");
        assert!(orphaned(&run(&format!("early-1-1-{dead}"))), "killed before it was owned");
        assert!(!orphaned(&run(&format!("early-1-1-{}", std::process::id()))), "just being made");
        assert!(!orphaned(&run("something-else")), "not a run's");
    }

    #[test]
    fn names_are_safe_as_files() {
        assert_eq!(file_name("a b/../c"), "a-b-..-c");
        assert_eq!(file_name(".."), "unnamed");
        assert_eq!(file_name(""), "unnamed");
    }

    #[test]
    fn stamps_are_utc() {
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(951_868_799_999), "20000229-235959");
        assert_eq!(stamp(951_868_800_000), "20000301-000000");
        assert_eq!(stamp(1_795_219_579_000), "20261121-000619");
    }
}
