//! The system's log: datagrams to `/dev/log` in the form of RFC 3164, as syslog(3) sends them.

use std::os::unix::net::UnixDatagram;

use chrono::Local;
use commands::config::{Facility, Level, Settings};

const SOCKET: &str = "/dev/log";

/// A way to the system's log. A message that cannot be sent is lost.
#[derive(Debug)]
pub(crate) struct Syslog {
    socket: Option<UnixDatagram>,
    ident: String,
    facility: u8,
}

impl Syslog {
    pub(crate) fn new(settings: &Settings) -> Self {
        let facility = match settings.syslog_facility {
            Facility::User => 1,
            Facility::Local0 => 16,
            Facility::Local1 => 17,
            Facility::Local2 => 18,
            Facility::Local3 => 19,
            Facility::Local4 => 20,
            Facility::Local5 => 21,
            Facility::Local6 => 22,
            Facility::Local7 => 23,
        };
        Self { socket: socket(), ident: settings.syslog_ident.clone(), facility }
    }

    /// The same for a process whose inherited descriptors are closed.
    pub(crate) fn reopened(&self) -> Self {
        Self { socket: socket(), ident: self.ident.clone(), facility: self.facility }
    }

    pub(crate) fn send(&self, level: Level, text: &str) {
        if let Some(socket) = &self.socket {
            let time = Local::now().format("%b %e %H:%M:%S").to_string();
            let message = message(self.facility, level, &time, &self.ident, text);
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn socket() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(SOCKET).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

fn message(facility: u8, level: Level, time: &str, ident: &str, text: &str) -> String {
    let severity = match level {
        Level::Debug => 7,
        Level::Verbose => 6,
        Level::Notice => 5,
        Level::Warning => 4,
    };
    format!("<{}>{time} {ident}[{}]: {text}", facility * 8 + severity, std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_facility_and_severity() {
        let pid = std::process::id();
        let shown = message(16, Level::Warning, "Jan  1 00:00:00", "redis", "hello");
        assert_eq!(shown, format!("<132>Jan  1 00:00:00 redis[{pid}]: hello"));
    }
}
