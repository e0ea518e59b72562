//! Listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use commands::config::{Level, Settings};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::log::{Log, Role};

/// Where clients can connect.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) unix: Option<UnixListener>,
}

/// An address as `ip:port`, an IPv6 one without brackets, as Redis shows it.
pub(crate) fn show(address: &SocketAddr) -> String {
    match address.ip() {
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => format!("{ip}:{}", address.port()),
            None => format!("{ip}:{}", address.port()),
        },
        ip => format!("{ip}:{}", address.port()),
    }
}

/// Opens every configured TCP listener; an address that begins with `-` may fail.
pub(crate) fn open_tcp(settings: &Settings, log: &Log, role: Role) -> Result<Vec<TcpListener>, String> {
    let mut listeners = Vec::new();
    let port = settings.port as u16;
    if port == 0 {
        return Ok(listeners);
    }
    for word in &settings.bind.0 {
        let (name, optional) = word.strip_prefix('-').map_or((word.as_str(), false), |name| (name, true));
        match listen(name, port, settings.tcp_backlog as i32) {
            Ok(listener) => listeners.push(listener),
            Err(_) if optional => {}
            Err(error) => {
                let text = format!(
                    "Warning: Could not create server TCP listening socket {name}:{port}: bind: {}",
                    reason(&error)
                );
                log.line(role, Level::Warning, &text);
                return Err(format!("cannot listen on {name}:{port}: {}", reason(&error)));
            }
        }
    }
    Ok(listeners)
}

/// Opens every configured listener.
pub(crate) fn open(settings: &Settings, log: &Log, role: Role) -> Result<Listeners, String> {
    let tcp = open_tcp(settings, log, role).inspect_err(|_| {
        let text = format!("Failed listening on port {} (tcp), aborting.", settings.port);
        log.line(role, Level::Warning, &text);
    })?;
    let mut listeners = Listeners { tcp, unix: None };
    if !settings.unixsocket.is_empty() {
        let _ = std::fs::remove_file(&settings.unixsocket);
        let listener = UnixListener::bind(&settings.unixsocket).map_err(|error| {
            let text = format!("Failed opening Unix socket: bind: {}", reason(&error));
            log.line(role, Level::Warning, &text);
            text
        })?;
        restrict(settings).inspect_err(|text| log.line(role, Level::Warning, text))?;
        listeners.unix = Some(listener);
    }
    if listeners.tcp.is_empty() && listeners.unix.is_none() {
        log.line(role, Level::Warning, "Configured to not listen anywhere, exiting.");
        return Err("configured to not listen anywhere".into());
    }
    Ok(listeners)
}

/// Gives the Unix socket its configured permissions.
fn restrict(settings: &Settings) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = settings.unixsocketperm.0;
    if mode == 0 {
        return Ok(());
    }
    std::fs::set_permissions(&settings.unixsocket, std::fs::Permissions::from_mode(mode))
        .map_err(|error| format!("Failed setting permissions of the Unix socket: {}", reason(&error)))
}

/// The system's words, without the error number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}

fn listen(name: &str, port: u16, backlog: i32) -> io::Result<TcpListener> {
    let ip = match name {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" | "::" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        name => match name.parse() {
            Ok(ip) => ip,
            Err(_) => resolve(name)?,
        },
    };
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn resolve(name: &str) -> io::Result<IpAddr> {
    use std::net::ToSocketAddrs as _;
    let first = (name, 0).to_socket_addrs()?.next();
    first
        .map(|address| address.ip())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such address"))
}
