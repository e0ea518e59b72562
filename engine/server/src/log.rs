//! The log, in Redis's line format: `PID:ROLE DATE LEVEL message`.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write as _;

use chrono::Local;
use commands::config::{Level, LogLevel, Settings};

use crate::syslog::Syslog;

/// Which role a line speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Sentinel,
    Child,
    Replica,
    Master,
}

impl Role {
    fn letter(self) -> char {
        match self {
            Role::Sentinel => 'X',
            Role::Child => 'C',
            Role::Replica => 'S',
            Role::Master => 'M',
        }
    }
}

/// Where log lines go.
#[derive(Debug)]
pub(crate) struct Log {
    file: RefCell<Option<File>>,
    path: String,
    syslog: Option<Syslog>,
    least: std::cell::Cell<LogLevel>,
}

impl Log {
    /// A log into the file at `path`, or to the standard output when it is empty.
    pub(crate) fn open(path: &str, least: LogLevel) -> Result<Self, String> {
        let file = match path.is_empty() {
            true => None,
            false => Some(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path)
                    .map_err(|error| format!("Can't open the log file: {error} ({path})"))?,
            ),
        };
        Ok(Self {
            file: RefCell::new(file),
            path: path.into(),
            syslog: None,
            least: std::cell::Cell::new(least),
        })
    }

    /// The same log, whose lines go to the system's too if the settings say so.
    pub(crate) fn with_syslog(mut self, settings: &Settings) -> Self {
        self.syslog = settings.syslog_enabled.then(|| Syslog::new(settings));
        self
    }

    /// Changes the least severity that is logged.
    pub(crate) fn set_least(&self, least: LogLevel) {
        self.least.set(least);
    }

    /// Writes a line with one `write(2)`, so that lines of several processes do not mix.
    pub(crate) fn line(&self, role: Role, level: Level, text: &str) {
        if self.least.get().0.is_none_or(|least| level < least) {
            return;
        }
        let mark = match level {
            Level::Debug => '.',
            Level::Verbose => '-',
            Level::Notice => '*',
            Level::Warning => '#',
        };
        let time = Local::now().format("%d %b %Y %H:%M:%S%.3f");
        let line = format!("{}:{} {time} {mark} {text}\n", std::process::id(), role.letter());
        self.write(&line);
        if let Some(syslog) = &self.syslog {
            syslog.send(level, text);
        }
    }

    /// Writes text as it is.
    pub(crate) fn raw(&self, text: &str) {
        self.write(text);
    }

    fn write(&self, text: &str) {
        let mut file = self.file.borrow_mut();
        // A log that cannot be written to is no reason to stop serving.
        let _ = match &mut *file {
            Some(file) => file.write_all(text.as_bytes()),
            None => std::io::stdout().write_all(text.as_bytes()),
        };
    }

    /// The same log from a snapshot child, whose inherited descriptors are closed.
    pub(crate) fn reopened(&self) -> Self {
        let mut log = Self::open(&self.path, self.least.get()).unwrap_or_else(|_| Self {
            file: RefCell::new(None),
            path: String::new(),
            syslog: None,
            least: self.least.clone(),
        });
        log.syslog = self.syslog.as_ref().map(Syslog::reopened);
        log
    }
}
