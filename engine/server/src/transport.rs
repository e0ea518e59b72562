//! What a connection runs over: TCP or a Unix socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use commands::Peer;
use std::os::fd::AsRawFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A stream socket.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Transport {
    /// A TCP connection, set up as Redis does: small writes go out at once, dead peers are noticed.
    pub(crate) fn tcp(stream: TcpStream, keepalive_s: i64) -> Self {
        let _ = stream.set_nodelay(true);
        if let Ok(seconds @ 1..) = u64::try_from(keepalive_s) {
            let time = std::time::Duration::from_secs(seconds);
            let keepalive = socket2::TcpKeepalive::new()
                .with_time(time)
                .with_interval((time / 3).max(std::time::Duration::from_secs(1)))
                .with_retries(3);
            let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        }
        Transport::Tcp(stream)
    }

    /// How the connection is described to clients; `port` stands for the missing address of a Unix socket.
    pub(crate) fn peer(&self, unix_path: &str) -> Peer {
        match self {
            Transport::Tcp(stream) => {
                let text = |address: io::Result<std::net::SocketAddr>| {
                    address.map_or_else(|_| "?:0".to_string(), |address| crate::listen::show(&address))
                };
                let is_local = stream.peer_addr().is_ok_and(|address| address.ip().is_loopback());
                Peer {
                    address: text(stream.peer_addr()),
                    local: text(stream.local_addr()),
                    is_local,
                    fd: stream.as_raw_fd(),
                }
            }
            Transport::Unix(stream) => {
                let path = format!("{unix_path}:0");
                Peer { address: path.clone(), local: path, is_local: true, fd: stream.as_raw_fd() }
            }
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
