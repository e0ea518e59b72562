//! Connections to other servers that the whole process waits on: what MIGRATE talks over.
//!
//! A timeout is that of one call, however many reads or writes it takes.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use commands::{PeerConnection, PeerError};
use socket2::{Domain, Socket, Type};

/// A line longer than this is no reply to a command that was sent.
const LONGEST_LINE: usize = 64 * 1024;
/// No clock goes as far as the largest number that a command can name.
const LONGEST_TIMEOUT_MS: u64 = 365 * 24 * 3600 * 1000;
/// Bytes read at a time.
const READ_BYTES: usize = 4096;

/// An open connection.
pub(crate) struct BlockingConnection {
    stream: TcpStream,
    /// Read and not yet asked for.
    received: Vec<u8>,
}

impl BlockingConnection {
    /// Connects to `host:port`, from address `source` unless that is empty.
    pub(crate) fn open(host: &str, port: u16, source: &str, timeout_ms: u64) -> Result<Self, PeerError> {
        let deadline = Deadline::after(timeout_ms);
        let mut last = PeerError::Unreachable;
        for address in (host, port).to_socket_addrs().map_err(|_| PeerError::Unreachable)? {
            let opened = deadline.left().and_then(|left| connect(address, source, left).map_err(why));
            match opened {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(Self { stream, received: Vec::new() });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn connect(address: SocketAddr, source: &str, limit: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), None)?;
    let source = source.parse::<IpAddr>().ok().filter(|source| source.is_ipv4() == address.is_ipv4());
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&address.into(), limit)?;
    Ok(socket.into())
}

impl PeerConnection for BlockingConnection {
    fn write(&mut self, mut bytes: &[u8], timeout_ms: u64) -> Result<(), PeerError> {
        let deadline = Deadline::after(timeout_ms);
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(deadline.left()?)).map_err(why)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(PeerError::Failed),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(why(error)),
            }
        }
        Ok(())
    }

    fn read_line(&mut self, timeout_ms: u64) -> Result<Vec<u8>, PeerError> {
        let deadline = Deadline::after(timeout_ms);
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.received.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.received.len() > LONGEST_LINE {
                return Err(PeerError::Failed);
            }
            self.stream.set_read_timeout(Some(deadline.left()?)).map_err(why)?;
            let mut piece = [0; READ_BYTES];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(PeerError::Failed),
                Ok(read) => self.received.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(why(error)),
            }
        }
    }
}

fn why(error: io::Error) -> PeerError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => PeerError::TimedOut,
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => PeerError::Unreachable,
        _ => PeerError::Failed,
    }
}

/// The end of a call.
#[derive(Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn after(timeout_ms: u64) -> Self {
        Self(Instant::now() + Duration::from_millis(timeout_ms.min(LONGEST_TIMEOUT_MS)))
    }

    /// What is left of it, more than nothing.
    fn left(self) -> Result<Duration, PeerError> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(PeerError::TimedOut) } else { Ok(left) }
    }
}
