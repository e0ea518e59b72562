//! The sentinel's configuration file: read at the start, and checked to be one that can be written.

use std::fs::OpenOptions;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;

use ::sentinel::{Host, SourceLine, Surroundings};
use commands::config::{Config, ConfigError, Source};

use crate::listen;

/// What is told about programs without running them.
pub(crate) struct Programs;

impl Host for Programs {
    fn is_executable(&self, path: &str) -> bool {
        std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    }

    fn resolve(&self, name: &str) -> Option<IpAddr> {
        (name, 0).to_socket_addrs().ok()?.next().map(|address| address.ip())
    }
}

/// Whether the sentinel can keep its state; what to say when it cannot.
pub(crate) fn check_file(config: &Config) -> Result<(), String> {
    let Some(path) = &config.file else {
        return Err("Sentinel needs config file on disk to save state. Exiting...".into());
    };
    match OpenOptions::new().append(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = listen::reason(&error);
            Err(format!("Sentinel config file {path} is not writable: {reason}. Exiting..."))
        }
    }
}

/// Reads the sentinel's part of the configuration file; an `Err` is the message to end with.
pub(crate) fn read(config: &Config) -> Result<::sentinel::Config, String> {
    let path = config.file.clone().unwrap_or_default();
    let text = match path.is_empty() {
        true => String::new(),
        false => std::fs::read_to_string(&path)
            .map_err(|error| format!("Fatal error, can't open config file '{path}': {error}"))?,
    };
    if let Some(text) = elsewhere(config, &text) {
        return Err(text);
    }
    let settings = &config.settings;
    let around = Surroundings {
        listen_port: settings.port as u16,
        requirepass: Some(settings.requirepass.clone()).filter(|password| !password.is_empty()),
        loglevel: config.get(&[b"loglevel"]).pop().map(|(_, level)| level).unwrap_or_default(),
        utc_offset_seconds: chrono::Local::now().offset().local_minus_utc(),
    };
    ::sentinel::Config::from_text(text.as_bytes(), around, &Programs).map_err(|error| {
        let source_line = Source::Line { file: path, line: error.line, text: error.text };
        ConfigError { source_line, reason: error.reason }.to_string()
    })
}

/// Directives that would be lost when the file is rewritten, because they stand in another one.
fn elsewhere(config: &Config, text: &str) -> Option<String> {
    let own = text.lines().filter(|line| {
        let words = SourceLine::parse(line.as_bytes()).map(|line| line.words).unwrap_or_default();
        words.first().is_some_and(|word| word.eq_ignore_ascii_case(b"sentinel"))
    });
    (own.count() != config.sentinel_lines.len()).then(|| {
        "Sentinel directives must stand in the configuration file itself, not in an included one".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_needs_a_file_it_can_write() {
        let mut config = Config::default();
        assert_eq!(
            check_file(&config),
            Err("Sentinel needs config file on disk to save state. Exiting...".into())
        );
        config.file = Some("/nowhere/sentinel.conf".into());
        assert_eq!(
            check_file(&config),
            Err("Sentinel config file /nowhere/sentinel.conf is not writable: No such file or directory. \
                 Exiting..."
                .into())
        );
    }

    #[test]
    fn directives_in_an_included_file_are_refused() {
        let mut config = Config::default();
        let mut include = |_: &str| {
            Ok(vec![("other.conf".to_string(), "sentinel monitor m 127.0.0.1 6379 1\n".to_string())])
        };
        let text = "include other.conf\n";
        assert_eq!(commands::config::load_lines(&mut config, "f", text, &mut include), Ok(()));
        assert!(elsewhere(&config, text).is_some());
        assert_eq!(elsewhere(&Config::default(), "# sentinel\nport 1\n"), None);
    }
}
