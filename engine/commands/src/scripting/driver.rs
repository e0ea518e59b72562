//! A machine's steps answered, and scripts past their limit.
//!
//! A script runs at one stretch until `busy-reply-threshold`. After that it is kept in
//! [`Suspended`], goes on for a few milliseconds with every tick, and its client is blocked. Time stands
//! still for its commands: they all see the moment it began.

use resp::Args;
use scripting::Flags;
use scripting::machine::{Answer, Finished, Job, Kind, Machine, Run, Step};
use types::{Now, Propagation};

use crate::client::{Blocked, Client, ClientId, State};
use crate::config::Level;
use crate::dispatch::is_unwanted;
use crate::scripting::Targets;
use crate::server::Server;

/// Time a suspended script gets with every tick.
const TURN_US: u64 = 5_000;
/// Commands between two looks at the clock.
const CALLS_A_LOOK: u64 = 64;
/// Time a library's code may take.
const LOAD_LIMIT_US: u64 = 500_000;

/// What is known of a script that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) kind: Kind,
    pub(super) shown: Vec<u8>,
    /// The command that called it.
    pub(super) command: Vec<Vec<u8>>,
    pub(super) client: ClientId,
    /// Called by an `_RO` command, or with the flag `no-writes`.
    pub(super) read_only: bool,
    pub(super) flags: Flags,
    pub(super) wrote: bool,
    /// The database its commands work on.
    pub(super) db: u32,
    began: Now,
    began_us: u64,
    turn_began_us: u64,
    /// What it writes is a transaction of its own.
    own_transaction: bool,
    kill: Option<&'static str>,
    from_master: bool,
    calls: u64,
    /// Its machine holds libraries that were replaced meanwhile.
    pub(super) is_outdated: bool,
}

impl Running {
    /// It has been left at least once.
    fn is_busy(&self) -> bool {
        self.turn_began_us != self.began_us
    }

    /// Whether it is time to look whether its time is up: at every slice; at every command once it is
    /// past its limit, and now and then before.
    fn looks_at_the_clock(&mut self, step: &Step) -> bool {
        match step {
            Step::Call { .. } => {
                self.calls += 1;
                self.is_busy() || self.calls.is_multiple_of(CALLS_A_LOOK)
            }
            step => matches!(step, Step::Slice),
        }
    }
}

/// A script that has been left in the middle.
#[derive(Debug)]
pub(crate) struct Suspended {
    machine: Machine,
    pub(super) running: Running,
    /// What its last step gets when it goes on.
    answer: Answer,
    /// Its client, when that has gone.
    orphan: Option<Box<Client>>,
}

impl Server {
    /// Runs a script or function for a client.
    pub(super) fn run_script(
        &mut self,
        client: &mut Client,
        args: Args<'_>,
        (run, kind): (Run, Kind),
        (flags, read_only): (Flags, bool),
    ) -> Result<(), types::CommandError> {
        let mut machine = self.scripting.take_machine(kind)?;
        let began_us = self.host.clock_us();
        let running = Running {
            kind,
            shown: run.shown.clone(),
            command: args.to_vecs(),
            client: client.id,
            read_only: read_only || flags.has(Flags::NO_WRITES),
            flags,
            wrote: false,
            db: client.db,
            began: self.now,
            began_us,
            turn_began_us: began_us,
            own_transaction: !client.state.has(State::IN_EXEC) && self.begin_transaction(),
            kill: None,
            from_master: client.state.has(State::MASTER),
            calls: 0,
            is_outdated: false,
        };
        let step = machine.start(Job::Run(run));
        self.drive(client, machine, running, step);
        Ok(())
    }

    fn drive(&mut self, client: &mut Client, mut machine: Machine, mut running: Running, mut step: Step) {
        let now = std::mem::replace(&mut self.now, running.began);
        loop {
            let looks = running.looks_at_the_clock(&step);
            let answer = match step {
                Step::Finished(finished) => {
                    self.now = now;
                    if !running.is_outdated {
                        self.scripting.put_machine(running.kind, machine);
                    }
                    self.script_ended(client, &running, finished);
                    return;
                }
                Step::Call { args, resp3, replicate } => {
                    match self.call_from_script(client, &mut running, args.args(), resp3, replicate) {
                        Ok(reply) => Answer::Reply(reply, args),
                        Err(text) => Answer::Refused(text, args),
                    }
                }
                Step::Permission(args) => Answer::Permission(self.permission(client, args.args())),
                Step::Log(level, text) => self.log_from_script(level, &text),
                Step::Slice => Answer::Continue,
            };
            if looks && self.turn_is_over(&running) {
                self.now = now;
                self.suspend(client, Suspended { machine, running, answer, orphan: None });
                return;
            }
            step = machine.go_on(answer);
        }
    }

    fn log_from_script(&mut self, level: u8, text: &[u8]) -> Answer {
        let level = match level {
            0 => Level::Debug,
            1 => Level::Verbose,
            2 => Level::Notice,
            _ => Level::Warning,
        };
        self.log(level, String::from_utf8_lossy(text));
        Answer::Continue
    }

    /// Whether a script is to be left for now.
    fn turn_is_over(&mut self, running: &Running) -> bool {
        if running.from_master {
            return false;
        }
        let now_us = self.host.clock_us();
        let limit_us = match running.is_busy() {
            true => TURN_US,
            false => (self.config.settings.busy_reply_threshold as u64).saturating_mul(1000),
        };
        if now_us.saturating_sub(running.turn_began_us) < limit_us {
            return false;
        }
        if !running.is_busy() {
            let elapsed_ms = now_us.saturating_sub(running.began_us) / 1000;
            let killer = if running.kind == Kind::Scripts { "SCRIPT KILL" } else { "FUNCTION KILL" };
            let name = String::from_utf8_lossy(&running.shown).into_owned();
            self.log(
                Level::Warning,
                format!(
                    "Slow script detected: still in execution after {elapsed_ms} milliseconds. You can try killing \
                     the script using the {killer} command. Script name is: {name}."
                ),
            );
        }
        true
    }

    fn suspend(&mut self, client: &mut Client, suspended: Suspended) {
        client.blocked = Some(Blocked::Script);
        self.scripting.suspended = Some(Box::new(suspended));
        // What it did so far has been settled, call by call.
        self.effects.propagation = Propagation::Nothing;
        self.timer_changed = true;
        self.refresh_gates();
    }

    /// Goes on a little with the script that was left; gives whether there is one.
    pub(crate) fn script_tick(&mut self) -> bool {
        let Some(suspended) = self.scripting.suspended.take() else { return false };
        let Suspended { mut machine, mut running, answer, orphan } = *suspended;
        let id = running.client;
        let (mut client, connected) = match orphan {
            Some(client) => (client, false),
            None => match self.clients.take(id) {
                Some(client) => (client, true),
                None => return false,
            },
        };
        client.blocked = None;
        let reply_from = client.out.len();
        // Never the moment it began, which means that it was not left yet.
        running.turn_began_us = self.host.clock_us().max(running.began_us + 1);
        let answer = running.kill.map_or(answer, Answer::Kill);
        let step = machine.go_on(answer);
        self.drive(&mut client, machine, running, step);
        // No command is around it here that would take this: it must not be the next one's.
        self.effects.propagation = Propagation::AsReceived;
        if self.scripting.suspended.is_none() {
            self.refresh_gates();
            if client.state.has(State::IN_EXEC) {
                self.go_on_with_exec(&mut client);
            }
            client.write_offset = self.replicating.offset();
            self.effects.propagation = Propagation::AsReceived;
        }
        let waits = client.blocked.is_some();
        match waits {
            true if is_unwanted(&client) => client.out.truncate(reply_from),
            true => {}
            false => self.after_reply(&mut client, reply_from),
        }
        match connected {
            true => {
                self.clients.put_back(client);
                if !waits {
                    self.clients.wake(id);
                }
            }
            false => {
                if let Some(suspended) = &mut self.scripting.suspended {
                    suspended.orphan = Some(client);
                } else {
                    // What it took part in since its connection ended, by the rest of a transaction.
                    self.end_all_of(&mut client);
                }
            }
        }
        if self.scripting.suspended.is_none() {
            // What the master sent meanwhile.
            self.finish_held_sync();
            self.apply_stream(&[]);
        }
        true
    }

    /// The client of a suspended script has gone; its script goes on without it.
    pub(crate) fn keep_for_script(&mut self, client: Box<Client>) {
        if let Some(suspended) = &mut self.scripting.suspended
            && suspended.running.client == client.id
        {
            suspended.orphan = Some(client);
        }
    }

    fn script_ended(&mut self, client: &mut Client, running: &Running, finished: Finished) {
        if running.own_transaction {
            self.end_transaction();
        }
        // Its commands were propagated one by one.
        self.effects.propagation = Propagation::Nothing;
        self.scripting.targets = Targets::ALL;
        let failed = match &finished {
            Finished::Reply { failures, .. } => !failures.is_empty(),
            other => matches!(other, Finished::Failed(_)),
        };
        if failed && let Some(entry) = self.table.find(&running.command[0]) {
            self.stats.failed(entry);
        }
        match finished {
            Finished::Reply { bytes, failures, .. } => {
                for failure in failures.into_iter().filter(|failure| !failure.counted) {
                    self.stats.error(&String::from_utf8_lossy(&failure.message));
                }
                client.out.extend_from_slice(&bytes);
            }
            Finished::Failed(failure) => {
                let text = String::from_utf8_lossy(&failure.message).into_owned();
                if !failure.counted {
                    self.stats.error(&text);
                }
                client.writer().error(&text);
            }
            Finished::Done | Finished::Registered(_) => client.writer().null(),
        }
    }

    /// Runs a library's code in `machine`; what it registered, or the error.
    pub(super) fn load_in(
        &mut self,
        machine: &mut Machine,
        code: Vec<u8>,
    ) -> Result<Vec<scripting::Function>, String> {
        let began_us = self.host.clock_us();
        let mut step = machine.start(Job::Load { code });
        loop {
            let answer = match step {
                Step::Finished(Finished::Registered(functions)) => return Ok(functions),
                Step::Finished(Finished::Failed(failure)) => {
                    return Err(String::from_utf8_lossy(&failure.message).into_owned());
                }
                Step::Finished(_) => return Err("ERR No functions registered".into()),
                Step::Log(level, text) => self.log_from_script(level, &text),
                Step::Slice if self.host.clock_us().saturating_sub(began_us) > LOAD_LIMIT_US => {
                    Answer::Kill("FUNCTION LOAD timeout")
                }
                Step::Slice => Answer::Continue,
                Step::Call { args, .. } => {
                    Answer::Refused("ERR This Redis command is not allowed from script".into(), args)
                }
                Step::Permission(_) => Answer::Permission(None),
            };
            step = machine.go_on(answer);
        }
    }

    /// What a client is told while a script is past its limit.
    pub(crate) fn busy_error(&self) -> Option<&'static str> {
        let running = &self.scripting.suspended.as_ref()?.running;
        Some(match running.kind {
            Kind::Scripts => BUSY_SCRIPT,
            Kind::Functions => BUSY_FUNCTION,
        })
    }

    /// SCRIPT KILL and FUNCTION KILL.
    pub(super) fn kill_script(&mut self, kind: Kind, text: &'static str) -> Result<(), types::CommandError> {
        let busy = self.busy_error();
        let Some(suspended) = &mut self.scripting.suspended else {
            return Err(types::CommandError::new("NOTBUSY No scripts in execution right now."));
        };
        let running = &mut suspended.running;
        if running.wrote {
            return Err(types::CommandError::new(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either \
                 wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        if running.kind != kind {
            return Err(types::CommandError::new(busy.unwrap_or(BUSY_SCRIPT)));
        }
        running.kill = Some(text);
        Ok(())
    }

    /// Milliseconds since the suspended script began, with what FUNCTION STATS tells of it.
    pub(super) fn suspended_script(&mut self) -> Option<(u64, &Running)> {
        let now_us = self.host.clock_us();
        let running = &self.scripting.suspended.as_ref()?.running;
        Some((now_us.saturating_sub(running.began_us) / 1000, running))
    }
}

const BUSY_SCRIPT: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
