//! A small client for one connection to a node: commands with limits, pipelines, published messages.
//!
//! Not a general Redis client: RESP2, no pool, no retry. After any error the connection is of no further
//! use, because a late reply would be taken for the next one's; callers drop it and connect anew.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use resp::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::plan::Node;

/// Where a node is reached, and with which password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
    /// Its `requirepass`.
    pub password: Option<String>,
}

impl Endpoint {
    /// The endpoint of a planned node.
    pub fn of(node: &Node) -> Self {
        let password = node.config.get("requirepass").filter(|value| !value.is_empty()).cloned();
        Self { address: SocketAddr::new(node.ip, node.port), password }
    }
}

/// Why a command got no reply. A reply that is an error is a reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Connecting, writing or reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer closed the connection.
    #[error("connection closed by the server")]
    Closed,
    /// The limit passed.
    #[error("no reply within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The bytes received are no RESP.
    #[error("{0}")]
    Malformed(#[from] resp::ValueError),
    /// The password was refused.
    #[error("{0}")]
    Refused(String),
}

impl ClientError {
    /// A short class for counting: `refused`, `closed`, `timeout`…
    pub fn class(&self) -> &'static str {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => "connection refused",
            Self::Io(_) => "connection reset",
            Self::Closed => "connection closed",
            Self::TimedOut(_) => "timeout",
            Self::Malformed(_) => "malformed reply",
            Self::Refused(_) => "authentication refused",
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// Connects, and authenticates when the endpoint has a password.
    ///
    /// # Errors
    /// As [`ClientError`]; everything together within `limit`.
    pub async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<Self, ClientError> {
        let deadline = Instant::now() + limit;
        let stream = timeout_at(deadline, TcpStream::connect(endpoint.address))
            .await
            .map_err(|_| ClientError::TimedOut(limit))??;
        stream.set_nodelay(true)?;
        let mut client = Self { stream, input: Vec::with_capacity(4 << 10) };
        if let Some(password) = &endpoint.password {
            let reply = client.command(&["AUTH", password], limit).await?;
            if let Some(error) = reply.as_error() {
                return Err(ClientError::Refused(error));
            }
        }
        Ok(client)
    }

    /// Sends one command and awaits its reply.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn command<A: AsRef<[u8]>>(
        &mut self,
        args: &[A],
        limit: Duration,
    ) -> Result<Value, ClientError> {
        let deadline = Instant::now() + limit;
        let work = async {
            self.send(args).await?;
            self.next().await
        };
        timeout_at(deadline, work).await.map_err(|_| ClientError::TimedOut(limit))?
    }

    /// Sends several commands at once and awaits all replies, in order.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn pipeline<A: AsRef<[u8]>>(
        &mut self,
        commands: &[Vec<A>],
        limit: Duration,
    ) -> Result<Vec<Value>, ClientError> {
        let deadline = Instant::now() + limit;
        let work = async {
            let mut out = Vec::new();
            for args in commands {
                resp::encode::command(&mut out, args);
            }
            self.stream.write_all(&out).await?;
            let mut replies = Vec::with_capacity(commands.len());
            for _ in commands {
                replies.push(self.next().await?);
            }
            Ok(replies)
        };
        timeout_at(deadline, work).await.map_err(|_| ClientError::TimedOut(limit))?
    }

    /// Whether the peer has neither closed the connection nor sent anything unasked.
    pub fn is_open(&self) -> bool {
        let mut byte = [0];
        let waiting = self.stream.try_read(&mut byte);
        matches!(waiting, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends one command without awaiting a reply.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<(), ClientError> {
        let mut out = Vec::new();
        resp::encode::command(&mut out, args);
        Ok(self.stream.write_all(&out).await?)
    }

    /// The next reply or published message, however long it takes. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub async fn next(&mut self) -> Result<Value, ClientError> {
        loop {
            if let Some((value, length)) = Value::parse(&self.input)? {
                self.input.drain(..length);
                return Ok(value);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }
}

/// The fields of an INFO reply, in order.
pub fn info_fields(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// Serves one connection: answers each chunk it reads with the next of `answers`, then closes.
    async fn serve(answers: Vec<&'static str>) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut chunk = [0; 1024];
                assert_ne!(stream.read(&mut chunk).await.unwrap(), 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Endpoint { address, password: None }
    }

    #[tokio::test]
    async fn replies_come_in_order_and_an_end_is_an_error() {
        let endpoint = serve(vec!["+PONG\r\n", ":1\r\n$2\r\nab\r\n"]).await;
        let mut client = Client::connect(&endpoint, LIMIT).await.unwrap();
        assert_eq!(client.command(&["PING"], LIMIT).await.unwrap(), Value::Simple(b"PONG".to_vec()));
        let replies = client.pipeline(&[vec!["A"], vec!["B"]], LIMIT).await.unwrap();
        assert_eq!(replies, [Value::Int(1), Value::Bulk(b"ab".to_vec())]);
        let error = client.command(&["PING"], LIMIT).await.unwrap_err();
        assert!(matches!(error, ClientError::Closed | ClientError::Io(_)), "{error}");
    }

    #[tokio::test]
    async fn a_password_is_sent_and_its_refusal_told() {
        let mut endpoint = serve(vec!["-WRONGPASS no\r\n"]).await;
        endpoint.password = Some("x".into());
        let error = Client::connect(&endpoint, LIMIT).await.unwrap_err();
        assert_eq!(error.to_string(), "WRONGPASS no");
    }

    #[tokio::test]
    async fn silence_is_a_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint { address: listener.local_addr().unwrap(), password: None };
        let mut client = Client::connect(&endpoint, LIMIT).await.unwrap();
        let error = client.command(&["PING"], Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.class(), "timeout");
    }

    #[test]
    fn info_is_read_as_fields() {
        let fields = info_fields("# Replication\r\nrole:master\r\nslave0:ip=::1,port=1\r\n\r\n");
        assert_eq!(fields[0], ("role".to_owned(), "master".to_owned()));
        assert_eq!(fields[1].1, "ip=::1,port=1");
    }
}
