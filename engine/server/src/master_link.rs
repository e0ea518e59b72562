//! The connection to this server's master.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use commands::{LinkInput, MasterRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::shell::Shell;

/// Bytes read at a time: snapshots come this way.
const READ_BYTES: usize = 256 * 1024;
/// Longest time a few bytes may take to be written before the connection is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

/// The connection, as far as it has come.
enum Connection {
    None,
    Opening(Connecting),
    Open(TcpStream),
}

/// Does what the link to the master asks for, as long as the server runs.
pub(crate) async fn run(shell: Rc<Shell>) {
    let mut connection = Connection::None;
    let mut buffer = Vec::new();
    loop {
        for request in shell.with(|server, _| server.take_master_requests()) {
            carry_out(&shell, &mut connection, request).await;
        }
        let timeout_ms = shell.server.borrow().link_timeout_ms();
        let timeout = async {
            match timeout_ms {
                Some(at_ms) => tokio::time::sleep_until(shell.instant(at_ms)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shell.master_link.wait() => {}
            event = next_event(&mut connection, &mut buffer) => {
                let closed = matches!(event, LinkInput::ConnectFailed(_) | LinkInput::Closed);
                if closed {
                    connection = Connection::None;
                }
                shell.with(|server, now| server.link_input(event, now));
            }
            () = timeout => shell.with(|server, now| server.link_input(LinkInput::Timeout, now)),
        }
        if matches!(connection, Connection::None) {
            buffer = Vec::new();
        }
    }
}

async fn carry_out(shell: &Shell, connection: &mut Connection, request: MasterRequest) {
    match request {
        MasterRequest::Disconnect => *connection = Connection::None,
        MasterRequest::Connect { host, port } => {
            let source = shell.server.borrow().config.settings.bind_source_addr.clone();
            *connection = Connection::Opening(Box::pin(connect(host, port, source)));
        }
        MasterRequest::Send(bytes) => {
            if let Connection::Open(stream) = connection {
                let written = tokio::time::timeout(WRITE_LIMIT, stream.write_all(&bytes)).await;
                if !matches!(written, Ok(Ok(()))) {
                    *connection = Connection::None;
                    shell.with(|server, now| server.link_input(LinkInput::Closed, now));
                }
            }
        }
    }
}

/// The next thing that happens on the connection.
async fn next_event<'a>(connection: &mut Connection, buffer: &'a mut Vec<u8>) -> LinkInput<'a> {
    match connection {
        Connection::None => pending().await,
        Connection::Opening(connecting) => match connecting.await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                *connection = Connection::Open(stream);
                LinkInput::Connected
            }
            Err(error) => {
                let text = error.to_string();
                LinkInput::ConnectFailed(text.split(" (os error").next().unwrap_or(&text).to_string())
            }
        },
        Connection::Open(stream) => {
            buffer.resize(READ_BYTES, 0);
            match stream.read(buffer).await {
                Ok(0) | Err(_) => LinkInput::Closed,
                Ok(read) => LinkInput::Bytes(&buffer[..read]),
            }
        }
    }
}

/// Opens a connection to `host:port`, from address `source` unless that is empty.
pub(crate) async fn connect(host: String, port: u16, source: String) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no address for this name");
    for address in tokio::net::lookup_host((host.as_str(), port)).await? {
        match connect_to(address, &source).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr, source: &str) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source.parse::<IpAddr>().ok().filter(|source| source.is_ipv4() == address.is_ipv4())
    {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}
