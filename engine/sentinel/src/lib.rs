//! Redis Sentinel as a pure state machine.
//!
//! [`Sentinel`] watches masters, their replicas and the other sentinels,
//! agrees with them on outages, elects a leader and fails over, by the rules
//! of Redis 7.2.4. It has no sockets, clock, files, processes or randomness
//! of its own: the shell tells it what happened and when, and does what it
//! asks.
//!
//! # The shell's loop
//!
//! ```
//! use topple_sentinel::{Action, Config, Host, Input, MonoMs, Now, Sentinel, Surroundings, WallMs};
//!
//! struct Files;
//! impl Host for Files {
//!     fn is_executable(&self, _path: &str) -> bool {
//!         true
//!     }
//!     fn resolve(&self, _name: &str) -> Option<std::net::IpAddr> {
//!         None
//!     }
//! }
//!
//! let file = b"port 26379\nsentinel monitor mymaster 127.0.0.1 6379 2\n";
//! let around = Surroundings { listen_port: 26379, ..Surroundings::default() };
//! let config = Config::from_text(file, around, &Files)?;
//! let mut now = Now { mono: MonoMs(0), wall: WallMs(1_700_000_000_000) };
//! let mut sentinel = Sentinel::new(config, 42, now);
//!
//! // 1. After every call: carry out the actions, in order.
//! let mut wanted = Vec::new();
//! sentinel.handle(now, Input::Tick);
//! while let Some(action) = sentinel.poll_action() {
//!     match action {
//!         Action::Persist(text) => assert!(text.starts_with(b"port 26379\n")), // write, fsync, rename
//!         Action::Connect { link, host, port } => wanted.push((link, host, port)),
//!         Action::Event(event) => println!("{} {}", event.kind, event.text), // log and publish
//!         _ => {}
//!     }
//! }
//! assert_eq!(wanted.len(), 2); // commands and pub/sub of the master
//!
//! // 2. Whatever happens is an input; so is the passing of time.
//! let (link, ..) = wanted[0].clone();
//! sentinel.handle(now, Input::Connected { link, local_ip: "127.0.0.1".parse()? });
//! now.mono = sentinel.next_timeout();
//! sentinel.handle(now, Input::Tick);
//!
//! // 3. Clients' commands are answered at once; the reply is written after
//! //    the actions polled now are carried out.
//! let reply = sentinel.command(now, &[b"SENTINEL", b"MYID"], &Files);
//! while let Some(_action) = sentinel.poll_action() {}
//! # let _ = reply;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the shell must keep to
//!
//! - Actions are carried out in order; [`Action::Persist`] synchronously. A
//!   command's reply is written after the actions polled behind it: a vote
//!   must be on disk before it is told.
//! - A link is one TCP connection in RESP2. Inputs about a link come in the
//!   order in which they happened. After [`Action::Close`] anything more said
//!   of the link is ignored, so races need no care.
//! - A tick is delivered at [`Sentinel::next_timeout`], which is asked again
//!   after every call. A tick that comes more than two seconds late is a
//!   clock one cannot trust: it leads to TILT, by design.
//! - What is published: events other than debug ones, on the channel of their
//!   name. `SUBSCRIBE` and the rest of the clients' commands are the shell's.
//!
//! # The pace
//!
//! `sentinel pace prompt|redis` (default `prompt`) chooses how many messages
//! are sent, never what decides: `down-after-milliseconds`, quorum, votes and
//! time-outs are those of Redis in both. [`Pace`] says more.
#![forbid(unsafe_code)]

mod action;
mod address;
mod agreement;
mod command;
mod config;
mod connection;
mod core;
mod delays;
mod down;
mod election;
mod event;
mod failover;
mod glob;
mod hello;
mod info;
mod instance;
mod link;
mod machine;
mod periods;
mod probe;
mod random;
mod reconfigure;
mod refresh;
mod rewrite;
mod scripts;
mod select;
mod tilt;
mod time;
mod value;

pub use action::{Action, Host, Input, ScriptOutcome};
pub use config::{Config, ConfigError, SourceLine, Surroundings};
pub use event::{Event, Level};
pub use link::LinkId;
pub use machine::Sentinel;
pub use periods::Pace;
pub use scripts::ScriptId;
pub use time::{MonoMs, Now, WallMs};
pub use value::{Reply, Value};
