//! A blocking client: sends commands, reads replies, waits no longer than ten seconds for one.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use resp::Value;
use resp::encode::command;

/// How long a reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

/// A connection to a server on this machine.
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    consumed: usize,
}

impl Client {
    /// Connects to a port of 127.0.0.1.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Client { stream, input: Vec::new(), consumed: 0 })
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Allows replies more time, for commands that take long.
    pub fn allow(&mut self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))
    }

    /// Gives up sending after so long without progress.
    pub fn limit_writes(&mut self, limit: Duration) -> io::Result<()> {
        self.stream.set_write_timeout(Some(limit))
    }

    /// Sends one command and gives its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.send(std::iter::once(args))?;
        self.reply()
    }

    /// Sends the words of a line without quotes and gives the reply.
    pub fn line(&mut self, line: &str) -> io::Result<Value> {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// Sends several commands at once, without waiting for any reply.
    pub fn send<'a, A: AsRef<[u8]> + 'a>(
        &mut self,
        commands: impl Iterator<Item = &'a [A]>,
    ) -> io::Result<()> {
        let mut output = Vec::new();
        commands.for_each(|args| command(&mut output, args));
        self.stream.write_all(&output)
    }

    /// The next reply or message.
    pub fn reply(&mut self) -> io::Result<Value> {
        loop {
            let parsed = Value::parse(&self.input[self.consumed..])
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if let Some((value, length)) = parsed {
                self.consumed += length;
                return Ok(value);
            }
            self.fill()?;
        }
    }

    /// The next line, without its end: for what is no reply (the snapshot of a synchronization).
    pub fn raw_line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let unread = &self.input[self.consumed..];
            if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line = unread[..end].strip_suffix(b"\r").unwrap_or(&unread[..end]).to_vec();
                self.consumed += end + 1;
                return Ok(line);
            }
            self.fill()?;
        }
    }

    /// The next bytes, so many.
    pub fn raw_bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.input.len() - self.consumed < length {
            self.fill()?;
        }
        let bytes = self.input[self.consumed..self.consumed + length].to_vec();
        self.consumed += length;
        Ok(bytes)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.input.drain(..self.consumed);
        self.consumed = 0;
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.input.extend_from_slice(&chunk[..length]);
                Ok(())
            }
        }
    }
}
