//! One client's connection: bytes in, commands run, bytes out.
//!
//! Bytes are read into a buffer that all connections share, because between read and write nothing awaits;
//! only what is left of an incomplete command is kept by the connection itself. An idle connection holds no
//! buffer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use commands::config::Level;
use commands::{ClientId, Then};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::shell::{Shell, Wake};
use crate::transfer::{self, Sent};
use crate::transport::Transport;

/// The shared read buffer: as much as one read takes.
const READ_BYTES: usize = 64 * 1024;
/// Bytes kept for a client that is blocked before reading from it stops.
const BLOCKED_INPUT_BYTES: usize = 64 * 1024;
/// A leftover or output buffer above this is given back when it is empty.
const KEEP_BYTES: usize = 64 * 1024;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

struct Connection {
    shell: Rc<Shell>,
    id: ClientId,
    transport: Transport,
    wake: Rc<Wake>,
    /// Input that is no complete command yet.
    rest: Vec<u8>,
    /// Output taken from the server, and how much of it was written.
    out: Vec<u8>,
    written: usize,
    then: Then,
    /// Changes are to be written to the append-only file before output may go out.
    writes_first: bool,
}

/// Why the connection's task goes on.
enum Event {
    /// Commands were run.
    Handled,
    /// The server wants the client looked at.
    Woken,
    /// The other side closed, or the connection broke.
    Gone,
}

/// Serves a client until one side closes.
pub(crate) async fn serve(shell: Rc<Shell>, transport: Transport, unix_path: String) {
    let peer = transport.peer(&unix_path);
    let connected = shell.with(|server, now| server.connect(peer, now));
    let id = match connected {
        Ok(id) => id,
        Err(line) => {
            let mut transport = transport;
            let _ = poll_fn(|cx| Pin::new(&mut transport).poll_write(cx, line.as_bytes())).await;
            return;
        }
    };
    let wake = shell.register(id);
    let mut connection = Connection {
        shell: shell.clone(),
        id,
        transport,
        wake,
        rest: Vec::new(),
        out: Vec::new(),
        written: 0,
        then: Then::Continue,
        writes_first: false,
    };
    connection.run().await;
    shell.unregister(id);
}

impl Connection {
    async fn run(&mut self) {
        loop {
            match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Gone => return,
                Event::Handled => {}
                Event::Woken => self.look(),
            }
            if std::mem::take(&mut self.writes_first) {
                others_first().await;
                self.shell.write_aof();
            }
            let transfer = self.shell.transfers.borrow_mut().remove(&self.id);
            if let Some(pieces) = transfer
                && !self.send_snapshot(pieces).await
            {
                return;
            }
            if self.write_output().await.is_err() || matches!(self.then, Then::Close | Then::CloseAfterOutput)
            {
                return;
            }
        }
    }

    /// Asks the server what it wants of this client, and runs what waited while it was blocked.
    fn look(&mut self) {
        {
            let server = self.shell.server.borrow();
            self.then = server.attention(self.id);
            self.writes_first = server.aof_is_pending();
        }
        if self.then == Then::Continue && !self.rest.is_empty() {
            self.handle_rest();
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.then == Then::More {
            // The pipeline was interrupted to send its replies; what is left of it may be all there is.
            self.handle_rest();
            return Poll::Ready(Event::Handled);
        }
        if self.wake.poll(cx).is_ready() {
            return Poll::Ready(Event::Woken);
        }
        let blocked = self.then == Then::Blocked;
        if blocked && self.rest.len() > BLOCKED_INPUT_BYTES {
            return Poll::Pending;
        }
        READ.with_borrow_mut(|shared| {
            let mut buffer = ReadBuf::new(shared);
            match Pin::new(&mut self.transport).poll_read(cx, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(_)) => Poll::Ready(Event::Gone),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Event::Gone),
                Poll::Ready(Ok(())) => {
                    self.take_input(buffer.filled_mut(), blocked);
                    Poll::Ready(Event::Handled)
                }
            }
        })
    }

    fn take_input(&mut self, bytes: &mut [u8], blocked: bool) {
        let length = self.rest.len() + bytes.len();
        if self.shell.server.borrow().is_query_too_long(self.id, length) {
            self.refuse_long_request();
        } else if blocked {
            self.rest.extend_from_slice(bytes);
        } else if self.rest.is_empty() {
            let consumed = self.handle(bytes);
            self.rest.extend_from_slice(&bytes[consumed..]);
        } else {
            self.rest.extend_from_slice(bytes);
            self.handle_rest();
        }
    }

    /// A request beyond `client-query-buffer-limit`: the client is closed.
    fn refuse_long_request(&mut self) {
        let id = self.id.id;
        self.shell.with(|server, _| {
            server
                .log(Level::Warning, format!("Closing client that reached max query buffer length: id={id}"));
        });
        self.rest = Vec::new();
        self.then = Then::Close;
    }

    fn handle_rest(&mut self) {
        let mut rest = std::mem::take(&mut self.rest);
        let consumed = self.handle(&mut rest);
        rest.drain(..consumed);
        if rest.is_empty() && rest.capacity() > KEEP_BYTES {
            rest = Vec::new();
        }
        self.rest = rest;
    }

    /// Runs commands; gives the bytes used up. Fetches the output in the same borrow.
    fn handle(&mut self, bytes: &mut [u8]) -> usize {
        let now = self.shell.now();
        let mut server = self.shell.server.borrow_mut();
        let handled = server.handle(self.id, bytes, now);
        self.then = handled.then;
        self.writes_first = server.aof_is_pending();
        self.shell.settle(&mut server);
        let wanted = server.wanted(self.id, bytes.len() - handled.consumed);
        if wanted > READ_BYTES {
            self.rest.reserve(wanted);
        }
        handled.consumed
    }

    /// Writes all output there is. While the other side does not read, the server may still want the client
    /// closed.
    async fn write_output(&mut self) -> io::Result<()> {
        loop {
            if self.written == self.out.len() && !self.fetch_output() {
                return if self.then == Then::Close {
                    Err(io::ErrorKind::ConnectionAborted.into())
                } else {
                    Ok(())
                };
            }
            poll_fn(|cx| self.poll_write(cx)).await?;
        }
    }

    /// Takes the next output from the server; false when there is none, or the client must go.
    fn fetch_output(&mut self) -> bool {
        let mut server = self.shell.server.borrow_mut();
        if self.written > 0 {
            server.output_sent(self.id, self.written);
        }
        self.written = 0;
        self.out.clear();
        if self.out.capacity() > KEEP_BYTES {
            self.out = Vec::new();
        }
        if server.aof_is_pending() {
            // Somebody else's command has given this client output meanwhile.
            server.write_aof(self.shell.now());
            self.shell.settle(&mut server);
        }
        if !server.take_output(self.id, &mut self.out) {
            self.then = Then::Close;
            return false;
        }
        !self.out.is_empty()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            match Pin::new(&mut self.transport).poll_write(cx, &self.out[self.written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.wake.register(cx);
                    let unwanted =
                        self.wake.is_set() && self.shell.server.borrow().attention(self.id) == Then::Close;
                    if unwanted {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends a snapshot to this client, a replica; false when the connection is lost.
    async fn send_snapshot(&mut self, pieces: transfer::PieceReceiver) -> bool {
        if self.write_output().await.is_err() {
            return false;
        }
        let stalled_after = {
            let server = self.shell.server.borrow();
            Duration::from_secs(server.config.settings.repl_timeout.unsigned_abs())
        };
        let sent = tokio::select! {
            sent = transfer::send(&mut self.transport, pieces, stalled_after) => sent,
            () = unwanted(&self.shell, &self.wake, self.id) => Sent::Failed,
        };
        match sent {
            Sent::Marked => self.shell.with(|server, _| server.snapshot_sent(self.id, true)),
            Sent::Sized => self.shell.with(|server, _| server.snapshot_sent(self.id, false)),
            Sent::Failed => return false,
        }
        true
    }
}

/// Lets every connection that is ready have its turn: what all of them change is written at one go.
async fn others_first() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until the server wants a client closed.
async fn unwanted(shell: &Shell, wake: &Wake, id: ClientId) {
    loop {
        wake.wait().await;
        if shell.server.borrow().attention(id) == Then::Close {
            return;
        }
    }
}
