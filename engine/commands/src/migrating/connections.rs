//! Connections to other servers, kept for the next MIGRATE: ten seconds after their last use they are closed.

use super::options::Options;
use crate::host::{PeerConnection, PeerError};
use crate::server::Server;

/// Connections kept at most.
const MOST_KEPT: usize = 64;
/// How long one is kept unused.
const KEPT_MS: u64 = 10_000;

/// A connection and what is known of its other end.
pub(super) struct Kept {
    /// `host:port`, as the command named it.
    name: String,
    pub(super) connection: Box<dyn PeerConnection>,
    /// The database selected there; none: unknown.
    pub(super) selected: Option<i64>,
    used_ms: u64,
}

/// The connections that are kept, the one used last at the end.
#[derive(Default)]
pub(crate) struct PeerConnections {
    kept: Vec<Kept>,
}

impl PeerConnections {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Closes those that nobody has used for a while.
    pub(crate) fn close_idle(&mut self, now_ms: u64) {
        self.kept.retain(|kept| now_ms.saturating_sub(kept.used_ms) <= KEPT_MS);
    }
}

impl Server {
    /// A connection to the server that `options` name: taken from those kept, or a new one. `Err` with why
    /// there is none.
    pub(super) fn reach_peer(&mut self, options: &Options<'_>) -> Result<Kept, PeerError> {
        let name = format!("{}:{}", options.host, options.port);
        let kept = &mut self.peer_connections.kept;
        if let Some(at) = kept.iter().position(|kept| kept.name == name) {
            return Ok(kept.remove(at));
        }
        // Whatever is no port is refused as port 0 is.
        let port = options.port.parse().unwrap_or(0);
        let connection = self.host.connect_peer(&options.host, port, options.timeout_ms)?;
        Ok(Kept { name, connection, selected: None, used_ms: 0 })
    }

    /// Keeps a connection for the next time, with the database that is selected there.
    pub(super) fn keep_peer(&mut self, peer: Kept, selected: Option<i64>) {
        let kept = &mut self.peer_connections.kept;
        if kept.len() == MOST_KEPT {
            kept.remove(0);
        }
        kept.push(Kept { selected, used_ms: self.now.mono_ms, ..peer });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl PeerConnection for Silent {
        fn write(&mut self, _: &[u8], _: u64) -> Result<(), PeerError> {
            Ok(())
        }
        fn read_line(&mut self, _: u64) -> Result<Vec<u8>, PeerError> {
            Err(PeerError::TimedOut)
        }
    }

    #[test]
    fn what_nobody_uses_is_closed_after_ten_seconds() {
        let kept = |name: &str, used_ms| Kept {
            name: name.into(),
            connection: Box::new(Silent),
            selected: None,
            used_ms,
        };
        let mut connections = PeerConnections { kept: vec![kept("a:1", 0), kept("b:2", 1)] };
        connections.close_idle(10_000);
        assert_eq!(connections.len(), 2);
        connections.close_idle(10_001);
        assert_eq!(connections.len(), 1);
        connections.close_idle(20_000);
        assert_eq!(connections.len(), 0);
    }
}
