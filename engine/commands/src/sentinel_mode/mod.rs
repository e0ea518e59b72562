//! A server that is a sentinel: the machine, and what can be done for it without the shell.
//!
//! The rules are those of the crate `sentinel`. Here its events are logged and published, its configuration
//! is written, and clients' commands are handed to it; connections, timers and scripts it asks for are
//! passed on to the shell. Everything the machine orders is carried out in order, so a vote is on disk
//! before the reply that tells it leaves.

mod commands;

use ::sentinel::{Action, Event, Host, Input, MonoMs, Reply, Sentinel, WallMs};
use resp::Writer;
use types::Now;

use crate::config::{Level, rewrite};
use crate::server::{Server, Shutdown};
use crate::table::SENTINEL_TABLE;

pub(crate) use commands::{COMMANDS, instead};

/// What a sentinel has beyond a server.
pub(crate) struct SentinelMode {
    machine: Sentinel,
    outside: Box<dyn Host>,
    /// Actions for the shell, in order.
    requests: Vec<Action>,
    /// The machine was told something since the shell last looked.
    stirred: bool,
    /// The last attempt to write the configuration succeeded.
    saved: bool,
}

impl Server {
    /// Makes the server a sentinel, for good: other commands exist from now on, and there is no data.
    pub fn become_sentinel(&mut self, config: ::sentinel::Config, outside: Box<dyn Host>, now: Now) {
        self.now = now;
        self.table = &SENTINEL_TABLE;
        // Users are told apart by the commands there are.
        self.acl = crate::acl::Acl::new(&self.config.settings.requirepass);
        if let Err(text) = self.load_users_at_start() {
            self.log(Level::Warning, text);
        }
        let machine = Sentinel::new(config, self.random.next_u64(), machine_time(now));
        self.sentinel = Some(Box::new(SentinelMode {
            machine,
            outside,
            requests: Vec::new(),
            stirred: true,
            saved: true,
        }));
        self.obey_machine();
    }

    /// Tells the sentinel what happened; without one, nothing happens.
    pub fn sentinel_input(&mut self, input: Input, now: Now) {
        self.now = now;
        if let Some(mode) = &mut self.sentinel {
            mode.machine.handle(machine_time(now), input);
            self.obey_machine();
        }
    }

    /// When the sentinel wants to be told the time next, in monotonic milliseconds.
    pub fn sentinel_timeout_ms(&self) -> Option<u64> {
        let at = self.sentinel.as_ref()?.machine.next_timeout();
        (at != MonoMs::NEVER).then_some(at.0)
    }

    /// Connections, scripts and look-ups the sentinel asks for, in order.
    pub fn take_sentinel_requests(&mut self) -> Vec<Action> {
        self.sentinel.as_mut().map(|mode| std::mem::take(&mut mode.requests)).unwrap_or_default()
    }

    /// Whether requests or the timeout may have changed since the last call.
    pub fn take_sentinel_stirred(&mut self) -> bool {
        self.sentinel.as_mut().is_some_and(|mode| std::mem::take(&mut mode.stirred))
    }

    /// Carries out what the machine has ordered.
    fn obey_machine(&mut self) {
        while let Some(action) = self.sentinel.as_mut().and_then(|mode| mode.machine.poll_action()) {
            match action {
                Action::Event(event) => self.announce(&event),
                Action::Log { level, text } => self.log(log_level(level), text),
                Action::Persist(text) => self.save_sentinel(&text),
                Action::Exit { code } => self.shutdown = Some(Shutdown::Done(code)),
                other => self.pass_on(other),
            }
        }
        if let Some(mode) = &mut self.sentinel {
            mode.stirred = true;
        }
    }

    fn pass_on(&mut self, action: Action) {
        if let Some(mode) = &mut self.sentinel {
            mode.requests.push(action);
        }
    }

    fn announce(&mut self, event: &Event) {
        self.log(log_level(event.level), format!("{} {}", event.kind, event.text));
        if event.is_published() {
            self.publish(event.kind.as_bytes(), event.text.as_bytes());
        }
    }

    /// Writes the machine's lines, and around them the directives and users that are the server's.
    fn save_sentinel(&mut self, text: &[u8]) {
        let path = self.config.file.clone().unwrap_or_default();
        self.config.user_lines = self.acl.lines();
        let text = rewrite(&self.config, &String::from_utf8_lossy(text));
        let written = self.host.write_file(&path, &text);
        if let Some(mode) = &mut self.sentinel {
            mode.saved = written.is_ok();
        }
        match written {
            Ok(()) => self.log(Level::Notice, "Sentinel new configuration saved on disk"),
            Err(reason) => {
                let text = "WARNING: Sentinel was not able to save the new configuration on disk!!!";
                self.log(Level::Warning, format!("{text}: {reason}"));
            }
        }
    }

    /// Has the machine answer a command; false beside the answer when the configuration could not be
    /// written meanwhile.
    fn ask_machine(&mut self, args: &[&[u8]]) -> Option<(Reply, bool)> {
        let now = machine_time(self.now);
        let mode = self.sentinel.as_mut()?;
        mode.saved = true;
        let reply = mode.machine.command(now, args, &*mode.outside);
        self.follow_log_level();
        self.obey_machine();
        let saved = self.sentinel.as_ref().is_none_or(|mode| mode.saved);
        Some((reply, saved))
    }

    /// SENTINEL CONFIG SET loglevel.
    fn follow_log_level(&mut self) {
        let Some(mode) = &self.sentinel else { return };
        let before = self.config.settings.loglevel;
        // The machine takes no level that the server does not know.
        let _ = self.config.set_live("loglevel", mode.machine.loglevel().as_bytes());
        if self.config.settings.loglevel != before {
            self.host.log_level_changed(self.config.settings.loglevel);
        }
    }

    /// The section of INFO.
    pub(crate) fn sentinel_info(&self) -> String {
        self.sentinel.as_ref().map(|mode| mode.machine.info_section()).unwrap_or_default()
    }
}

fn machine_time(now: Now) -> ::sentinel::Now {
    ::sentinel::Now { mono: MonoMs(now.mono_ms), wall: WallMs(now.wall.0) }
}

fn log_level(level: ::sentinel::Level) -> Level {
    match level {
        ::sentinel::Level::Debug => Level::Debug,
        ::sentinel::Level::Verbose => Level::Verbose,
        ::sentinel::Level::Notice => Level::Notice,
        ::sentinel::Level::Warning => Level::Warning,
    }
}

/// Writes a reply of the machine in the client's protocol.
fn write(writer: &mut Writer<'_>, reply: &Reply) {
    match reply {
        Reply::Status(text) => writer.simple(text),
        Reply::Error(text) => writer.error(text),
        Reply::Int(value) => writer.int(*value),
        Reply::Bulk(bytes) => writer.bulk(bytes),
        Reply::Nil => writer.null(),
        Reply::NilArray => writer.null_array(),
        Reply::Array(items) => {
            writer.array(items.len());
            items.iter().for_each(|item| write(writer, item));
        }
        Reply::Map(pairs) => {
            writer.map(pairs.len());
            for (name, value) in pairs {
                write(writer, name);
                write(writer, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
