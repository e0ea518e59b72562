//! Both sides of replication, as machines without sockets, clock or randomness.
//!
//! Four things make up what a server knows of replication:
//! - [`history::History`]: its identity: ids, offset and backlog. Every server has one for life.
//! - [`replica::Link`]: its connection to a master, while it is a replica.
//! - [`master::Peer`]: one for each replica attached to it.
//! - [`stream`]: what is said besides the commands of the data set.
//!
//! Rules and wording follow what Redis 7.2 does on the wire and in its log.
//!
//! # A master
//!
//! - `REPLCONF` from a client: keep a [`master::Peer`] for it and call
//!   [`replconf`](master::Peer::replconf).
//! - `PSYNC`: ask [`try_partial`](history::History::try_partial).
//!   - On [`Continue`](history::Psync::Continue), send [`stream::continue_line`], the backlog
//!     [`from`](backlog::Backlog::copy_from) that byte, and the stream from now on; the peer is
//!     [`online`](master::Peer::online).
//!   - On [`Full`](history::Psync::Full), log the reason,
//!     [`create_backlog_with`](history::History::create_backlog_with) a fresh id, and let the
//!     peer [`wait_for_snapshot`](master::Peer::wait_for_snapshot). At the fork, send
//!     [`stream::full_resync_line`] with the offset of that moment, and keep the stream after it
//!     for the peer. While the snapshot is being made, send [`stream::NEWLINE`] now and then.
//!     Then send [`stream::snapshot_length_line`] and the file, and go
//!     [`online`](master::Peer::online); or [`stream::snapshot_mark_line`], the snapshot and the
//!     mark, and [`await_ack`](master::Peer::await_ack) before sending the stream.
//! - A write: its bytes go to [`History::feed`](history::History::feed) and to every peer past
//!   the fork. The first command for another database than the last, and the first after a fork
//!   for a full synchronization, has a [`stream::select`] before it. [`stream::PING`] is fed in
//!   every `repl-ping-replica-period`, [`stream::GETACK`] when a client waits.
//!
//! # A replica
//!
//! `REPLICAOF` makes a [`replica::Link`]. A master that becomes a replica calls
//! [`create_backlog`](history::History::create_backlog) and passes its own
//! [`position`](history::History::position); a replica that changes masters passes its former
//! link's. What is applied goes, byte for byte, to [`History::feed`](history::History::feed) and
//! [`Link::applied`](replica::Link::applied); both offsets are always equal. The database that the
//! stream has selected is part of its state: it stays across a partial resynchronization, and
//! comes from `repl-stream-db` with a snapshot.
//!
//! `REPLICAOF NO ONE` drops the link and calls [`shift_to`](history::History::shift_to).
//!
//! ```
//! use topple_replication::history::History;
//! use topple_replication::id::ReplId;
//! use topple_replication::replica::{Action, Input, Link, LinkConfig};
//!
//! /// Carries out what the link asks; a server writes to sockets where this prints.
//! fn carry_out(link: &mut Link, history: &mut History, input: &[u8], now_ms: u64) {
//!     let mut target = None;
//!     while let Some(action) = link.poll_action() {
//!         match action {
//!             Action::Connect { host, port } => println!("open a socket to {host}:{port}"),
//!             Action::Send(bytes) => println!("write {}", bytes.escape_ascii()),
//!             Action::StartFullSync(position) => target = Some(position),
//!             Action::SnapshotStart(_) => {}
//!             Action::Snapshot(part) => println!("feed the reader {:?}", part.bytes(input)),
//!             Action::SnapshotDone => {
//!                 // Here the data set is replaced. A server that loads in slices answers later.
//!                 history.adopt(target.take().expect("told before"));
//!                 link.handle(now_ms, Input::Loaded);
//!             }
//!             Action::PartialAccepted { id } => {
//!                 history.go_on(id);
//!             }
//!             Action::Stream(part) => {
//!                 // Here the commands in it are carried out; what is not a whole command yet waits.
//!                 let bytes = part.bytes(input);
//!                 history.feed(bytes);
//!                 link.applied(bytes.len() as u64);
//!             }
//!             Action::HandoverAccepted | Action::HandoverRefused => println!("asked for in FAILOVER only"),
//!             Action::Disconnect => println!("close the socket, drop the incomplete command"),
//!             Action::Log(level, line) => println!("{level:?} {line}"),
//!         }
//!     }
//! }
//!
//! let mut history = History::new(ReplId::from_random([7; 20]));
//! let mut link = Link::new(LinkConfig::new("10.0.0.1", 6379, 6380), None, 0);
//! carry_out(&mut link, &mut history, b"", 0);
//! link.handle(1, Input::Connected);
//! carry_out(&mut link, &mut history, b"", 1);
//! let id = ReplId::from_random([8; 20]);
//! let answers = format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {id} 100\r\n$3\r\nRDB*1\r\n$4\r\nPING\r\n");
//! link.handle(2, Input::Bytes(answers.as_bytes()));
//! carry_out(&mut link, &mut history, answers.as_bytes(), 2);
//! assert_eq!(history.id(), id);
//! assert_eq!(history.offset().0, 100 + 14);
//! assert_eq!(link.position(), Some(history.position()));
//! // The server sleeps until there is input or `next_timeout`, then passes `Input::Timeout`.
//! assert_eq!(link.next_timeout(), 1_002);
//! ```
//!
//! Deliberately absent: applying the stream, making and loading snapshots, and buffering for slow
//! replicas. Those are the server's, which owns the data and the connections.

#![forbid(unsafe_code)]

pub mod backlog;
pub mod history;
pub mod id;
pub mod master;
pub mod replica;
pub mod stream;
