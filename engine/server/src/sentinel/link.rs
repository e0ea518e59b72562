//! One connection of the sentinel to a process it watches, or to another sentinel.
//!
//! A task opens it, writes what the machine sends and reports every reply in order. The connection ends
//! with its [`Link`].

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use ::sentinel::{Input, LinkId, Value};
use commands::config::Settings;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::listen;
use crate::master_link;
use crate::shell::{Shell, Wake};

/// Bytes read at a time; the buffer is the task's only while it reads.
const READ_BYTES: usize = 16 * 1024;
/// A reply longer than this is no instance's: the connection is given up.
const MOST_REPLY_BYTES: usize = 16 << 20;

/// A connection, open or opening.
pub(super) struct Link {
    line: Rc<Line>,
    task: JoinHandle<()>,
}

/// What the driver hands to the connection's task.
#[derive(Default)]
struct Line {
    out: RefCell<Vec<u8>>,
    wake: Wake,
}

impl Link {
    /// Begins to connect; what becomes of it is told to the machine.
    pub(super) fn open(shell: &Rc<Shell>, id: LinkId, host: String, port: u16) -> Self {
        let line = Rc::new(Line::default());
        let task = tokio::task::spawn_local(run(shell.clone(), id, host, port, line.clone()));
        Self { line, task }
    }

    /// Writes a command.
    pub(super) fn send(&self, args: &[Vec<u8>]) {
        resp::encode::command(&mut self.line.out.borrow_mut(), args);
        self.line.wake.set();
    }

    /// Whether the connection failed or ended.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shell: Rc<Shell>, link: LinkId, host: String, port: u16, line: Rc<Line>) {
    let tell = |input: Input| shell.with(|server, now| server.sentinel_input(input, now));
    let source = source(&shell.server.borrow().config.settings, &host);
    let opened = async {
        let stream = master_link::connect(host, port, source).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        Ok::<_, io::Error>((stream, local.ip()))
    };
    match opened.await {
        Ok((stream, local_ip)) => {
            tell(Input::Connected { link, local_ip });
            // Whatever ends a connection, to the machine it is closed.
            let _ = converse(&shell, link, &stream, &line).await;
            tell(Input::Closed { link });
        }
        Err(error) if is_answer(&error) => tell(Input::Closed { link }),
        Err(error) => tell(Input::ConnectFailed { link, error: listen::reason(&error) }),
    }
}

/// Whether it was the network that refused, and not this system at once.
fn is_answer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, TimedOut};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | TimedOut)
}

/// The address to connect from: `bind-source-addr`, or else the first address listened on from which `host`
/// can be reached, because it is the one the others know us by.
fn source(settings: &Settings, host: &str) -> String {
    if !settings.bind_source_addr.is_empty() {
        return settings.bind_source_addr.clone();
    }
    let Ok(target) = host.parse::<IpAddr>() else { return String::new() };
    let reaches = |own: &IpAddr| {
        own.is_ipv4() == target.is_ipv4()
            && !own.is_unspecified()
            && own.is_loopback() == target.is_loopback()
            // The usual loopback address is the system's choice already, and fits every other one.
            && *own != IpAddr::V4(Ipv4Addr::LOCALHOST)
    };
    let own =
        settings.bind.0.iter().filter_map(|word| word.trim_start_matches('-').parse().ok()).find(reaches);
    own.map(|ip| ip.to_string()).unwrap_or_default()
}

/// Writes and reads until the connection ends.
async fn converse(shell: &Shell, link: LinkId, stream: &TcpStream, line: &Line) -> io::Result<()> {
    let mut input = Vec::new();
    loop {
        let is_flushed = flush(stream, &line.out)?;
        let interest = if is_flushed { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        tokio::select! {
            biased;
            () = line.wake.wait() => {}
            ready = stream.ready(interest) => {
                if ready?.is_readable() {
                    let is_open = read(stream, &mut input)?;
                    report(shell, link, &mut input)?;
                    if !is_open {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Writes what the socket takes; whether that was all.
fn flush(stream: &TcpStream, out: &RefCell<Vec<u8>>) -> io::Result<bool> {
    let mut out = out.borrow_mut();
    while !out.is_empty() {
        match stream.try_write(&out) {
            Ok(written) => drop(out.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Reads what there is; false when the other side has ended the connection.
fn read(stream: &TcpStream, input: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; READ_BYTES];
    loop {
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => input.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
        if input.len() > MOST_REPLY_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Tells the machine every whole reply and removes it from the input.
fn report(shell: &Shell, link: LinkId, input: &mut Vec<u8>) -> io::Result<()> {
    let mut at = 0;
    while let Some((value, length)) =
        resp::Value::parse(&input[at..]).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
    {
        at += length;
        let reply = machine_value(value);
        shell.with(|server, now| server.sentinel_input(Input::Reply { link, reply }, now));
    }
    input.drain(..at);
    if input.is_empty() && input.capacity() > READ_BYTES {
        *input = Vec::new();
    }
    Ok(())
}

fn machine_value(value: resp::Value) -> Value {
    let all = |items: Vec<resp::Value>| items.into_iter().map(machine_value).collect();
    match value {
        resp::Value::Simple(text) => Value::Simple(text),
        resp::Value::Error(text) => Value::Error(text),
        resp::Value::Int(value) => Value::Int(value),
        resp::Value::Bulk(bytes) | resp::Value::Verbatim(_, bytes) => Value::Bulk(bytes),
        resp::Value::Nil => Value::Nil,
        resp::Value::Array(items) | resp::Value::Set(items) => Value::Array(all(items)),
        resp::Value::Push(items) => Value::Push(all(items)),
        resp::Value::Map(_) | resp::Value::Double(_) | resp::Value::Bool(_) | resp::Value::BigNumber(_) => {
            Value::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commands::config::Config;

    fn source_of(directive: &str, value: &str, host: &str) -> String {
        let mut config = Config::default();
        let words: Vec<Vec<u8>> = value.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(config.set_at_start(directive, &words), Ok(()));
        source(&config.settings, host)
    }

    #[test]
    fn connections_leave_from_the_address_the_others_know() {
        assert_eq!(source_of("bind", "* -::*", "10.0.0.7"), "");
        assert_eq!(source_of("bind", "127.0.0.9", "127.0.0.1"), "127.0.0.9");
        assert_eq!(source_of("bind", "10.1.0.3", "10.0.0.7"), "10.1.0.3");
        assert_eq!(source_of("bind-source-addr", "10.1.0.4", "10.0.0.7"), "10.1.0.4");
    }

    #[test]
    fn an_address_from_which_the_host_cannot_be_reached_is_left_out() {
        assert_eq!(source_of("bind", "127.0.0.9 10.1.0.3", "10.0.0.7"), "10.1.0.3");
        assert_eq!(source_of("bind", "127.0.0.9", "10.0.0.7"), "");
        assert_eq!(source_of("bind", "10.1.0.3", "::1"), "");
        assert_eq!(source_of("bind", "10.1.0.3", "127.0.0.1"), "");
    }

    #[test]
    fn replies_become_what_the_machine_knows() {
        let parsed = resp::Value::parse(b"*3\r\n:1\r\n$1\r\na\r\n*-1\r\n");
        let value = parsed.ok().flatten().map(|(value, _)| machine_value(value));
        let wanted = vec![Value::Int(1), Value::Bulk(b"a".to_vec()), Value::Nil];
        assert_eq!(value, Some(Value::Array(wanted)));
        assert_eq!(machine_value(resp::Value::Double(1.0)), Value::Other);
    }
}
