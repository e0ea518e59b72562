//! One command: looked up, judged, called, and what follows from it.

use keyspace::KeyHash;
use resp::{Args, Batch};
use types::{Caller, CommandError, Ctx, ExpiryRule, Flags, Propagation};

use crate::client::{Blocked, Client, Queued, State};
use crate::gates::Verdict;
use crate::scripting::Targets;
use crate::server::Server;
use crate::table::{Entry, Run};

/// Arguments shown in the error for an unknown command, in bytes.
const SHOWN_ARGS_BYTES: usize = 128;

/// A command of a batch, looked up ahead.
#[derive(Clone, Copy, Default)]
struct Ahead {
    entry: Option<&'static Entry>,
    hash: Option<KeyHash>,
}

/// What became of a command.
enum Ran {
    Done,
    /// Not run; to be tried again when the client is woken.
    Held,
}

impl Server {
    /// Runs a batch. Some when it stopped early: with the offset behind the last command run, if any ran.
    pub(crate) fn run_batch(
        &mut self,
        client: &mut Client,
        batch: &Batch,
        input: &[u8],
    ) -> Option<Option<usize>> {
        if batch.is_empty() {
            return None;
        }
        self.begin_timing(batch.len());
        let stopped = self.run_commands(client, batch, input);
        self.end_run();
        stopped
    }

    fn run_commands(&mut self, client: &mut Client, batch: &Batch, input: &[u8]) -> Option<Option<usize>> {
        let mut ahead = [Ahead::default(); 16];
        self.look_ahead(client, batch, input, &mut ahead);
        for (index, ahead) in ahead.iter().enumerate().take(batch.len()) {
            let args = batch.args(index, input);
            if let Ran::Held = self.run_one(client, *ahead, args) {
                return Some(index.checked_sub(1).map(|last| batch.end(last)));
            }
            if client.blocked.is_some() || client.state.has(State::CLOSING) {
                return Some(Some(batch.end(index)));
            }
        }
        None
    }

    /// Runs one command of the stream from the master.
    pub(crate) fn run_from_master(&mut self, client: &mut Client, batch: &Batch, index: usize, input: &[u8]) {
        let args = batch.args(index, input);
        let ahead = Ahead { entry: self.table.find(args.at(0)), hash: None };
        self.begin_timing(1);
        self.run_one(client, ahead, args);
        self.end_run();
        client.out.clear();
    }

    /// Runs commands of the server's own file, which nothing refuses; which of them does not exist, and why, if
    /// one does not.
    pub(crate) fn run_from_file(
        &mut self,
        client: &mut Client,
        batch: &Batch,
        input: &[u8],
    ) -> Result<(), (Vec<u8>, String)> {
        let mut ahead = [Ahead::default(); 16];
        self.look_ahead(client, batch, input, &mut ahead);
        self.begin_timing(batch.len());
        for (index, ahead) in ahead.iter().enumerate().take(batch.len()) {
            let args = batch.args(index, input);
            let entry = resolve(ahead.entry, args).map_err(|(why, _)| (args.at(0).to_vec(), why))?;
            if client.state.has(State::MULTI) && !runs_inside_multi(entry) {
                client.rare.queued.push(Queued::new(entry, args));
            } else {
                self.call(client, entry, args, ahead.hash);
            }
            client.out.clear();
        }
        self.end_run();
        Ok(())
    }

    /// Looks commands up and starts fetching the memory of their first keys: buckets first, then entries,
    /// so that the waits overlap.
    fn look_ahead(&self, client: &Client, batch: &Batch, input: &[u8], ahead: &mut [Ahead; 16]) {
        let db = &self.dbs[client.db as usize];
        let mut last: Option<&'static Entry> = None;
        for (index, ahead) in ahead.iter_mut().enumerate().take(batch.len()) {
            let args = batch.args(index, input);
            let name = args.at(0);
            // Pipelines repeat themselves: the last command's name is tried before the table.
            let entry = match last {
                Some(entry) if entry.name.as_bytes().eq_ignore_ascii_case(name) => Some(entry),
                _ => self.table.find(name),
            };
            last = entry.or(last);
            ahead.entry = entry;
            if let Some(entry) = entry
                && entry.first_key > 0
                && args.len() > entry.first_key
            {
                let hash = db.hash_of(args.at(entry.first_key));
                if batch.len() > 1 {
                    db.prefetch_bucket(hash);
                }
                ahead.hash = Some(hash);
            }
        }
        if batch.len() > 1 {
            for hash in ahead.iter().take(batch.len()).filter_map(|ahead| ahead.hash) {
                db.prefetch_entry(hash);
            }
        }
    }

    fn run_one(&mut self, client: &mut Client, ahead: Ahead, args: Args<'_>) -> Ran {
        let reply_from = client.out.len();
        let ran = self.judge_and_run(client, ahead, args);
        self.clients.flush_running(client);
        match client.blocked {
            None => self.after_reply(client, reply_from),
            // What a transaction that was left in the middle has answered so far.
            Some(Blocked::Script) if is_unwanted(client) => client.out.truncate(reply_from),
            Some(_) => {}
        }
        ran
    }

    /// What becomes of the reply that begins at `reply_from`, once it is there.
    #[inline]
    pub(crate) fn after_reply(&mut self, client: &mut Client, reply_from: usize) {
        let skipping = client.state.has(State::REPLY_SKIP);
        if client.state.has(State::AFTERWARDS) || skipping {
            self.drop_unwanted_reply(client, reply_from, skipping);
            self.end_caching(client);
        }
    }

    /// CLIENT REPLY OFF and SKIP, and streams that are never answered.
    fn drop_unwanted_reply(&mut self, client: &mut Client, reply_from: usize, skipping: bool) {
        if is_unwanted(client) || skipping {
            client.out.truncate(reply_from);
        }
        client.state.remove(State::REPLY_SKIP);
        if client.state.has(State::REPLY_SKIP_NEXT) {
            client.state.remove(State::REPLY_SKIP_NEXT);
            client.state.add(State::REPLY_SKIP);
        }
    }

    fn judge_and_run(&mut self, client: &mut Client, ahead: Ahead, args: Args<'_>) -> Ran {
        let entry = match resolve(ahead.entry, args) {
            Ok(entry) => entry,
            Err((error, entry)) => {
                client.last_command = entry;
                match entry {
                    Some(entry) => self.refuse(client, entry, args, &error),
                    None => self.refuse_unknown(client, &error),
                }
                return Ran::Done;
            }
        };
        client.last_command = Some(entry);
        if entry.has(Flags::PROTECTED)
            && let Some(error) = self.protection(client, entry)
        {
            self.refuse(client, entry, args, &error);
            return Ran::Done;
        }
        match self.gate(client, entry, args) {
            Verdict::Pass => {}
            Verdict::Refuse(error) => {
                self.refuse(client, entry, args, &error);
                return Ran::Done;
            }
            Verdict::Hold => return Ran::Held,
        }
        if client.state.has(State::MULTI) && !runs_inside_multi(entry) {
            // What will not run need not be kept.
            if !client.state.has(State::DIRTY_EXEC) && !client.state.has(State::DIRTY_CAS) {
                let queued = Queued::new(entry, args);
                client.rare.queued_bytes += queued.bytes();
                client.rare.queued.push(queued);
            }
            client.writer().simple("QUEUED");
            return Ran::Done;
        }
        self.call(client, entry, args, ahead.hash);
        if self.blocking.any_ready() {
            self.serve_ready_beside(client);
        }
        Ran::Done
    }

    /// Refuses a command before it ran. A transaction that is being queued is spoilt; one that EXEC would have run
    /// is over, even where there was none.
    fn refuse(&mut self, client: &mut Client, entry: &Entry, args: Args<'_>, error: &str) {
        self.stats.rejected(entry);
        if entry.meta.name != "exec" {
            return self.refuse_unknown(client, error);
        }
        self.discard(client);
        let why = error.strip_prefix("ERR ").unwrap_or(error);
        self.answer_error(client, &format!("EXECABORT Transaction discarded because of: {why}"));
        if !self.monitors.is_empty() {
            // They saw MULTI.
            self.show_line_to_monitors(client, entry, args);
        }
    }

    /// Refuses what is no command.
    fn refuse_unknown(&mut self, client: &mut Client, error: &str) {
        if client.state.has(State::MULTI) {
            client.state.add(State::DIRTY_EXEC);
        }
        self.answer_error(client, error);
    }

    pub(crate) fn answer_error(&mut self, client: &mut Client, error: &str) {
        self.stats.error(error);
        client.writer().error(error);
    }

    /// Calls a command and settles what follows.
    pub(crate) fn call(
        &mut self,
        client: &mut Client,
        entry: &'static Entry,
        args: Args<'_>,
        hash: Option<KeyHash>,
    ) {
        let dirty = self.effects.dirty;
        let reply_from = client.out.len();
        let retrying = client.state.has(State::RETRYING);
        self.stats.commands += u64::from(!retrying);
        let in_run = self.is_timed_in_runs(client, entry, args);
        let start_ns = if in_run { 0 } else { self.begin_alone(client, entry, args) };
        let result = match entry.run {
            Run::Data(handler) => {
                let mut ctx = self.context(client, entry, hash);
                handler(&mut ctx, args)
            }
            Run::Admin(handler) => handler(self, client, args),
        };
        if let Err(error) = result {
            client.out.truncate(reply_from);
            let error = error.to_string();
            self.stats.error(&error);
            self.stats.failed(entry);
            client.writer().error(&error);
        }
        match (self.effects.block.take(), in_run) {
            // It counts as called when its wait is over.
            (Some(on), _) => self.block_on_keys(client, entry, args, on),
            (None, true) => self.add_to_run(entry),
            (None, false) => self.end_alone(client, entry, args, start_ns),
        }
        if client.state.has(State::TRACKING) {
            self.remember_tracked(client, entry, args);
        }
        if self.effects.dirty != dirty || self.has_effects() {
            self.settle_command(client, args, self.effects.dirty != dirty);
        }
        // Behind the events that it caused.
        if !self.monitors.is_empty() && !retrying {
            self.show_to_monitors(client, entry, args);
        }
    }

    pub(crate) fn context<'a>(
        &'a mut self,
        client: &'a mut Client,
        entry: &Entry,
        hash: Option<KeyHash>,
    ) -> Ctx<'a> {
        let expiry = if client.state.has(State::MASTER) {
            ExpiryRule::Ignore
        } else if self.replicating.is_replica() || self.gates.pause.is_some() {
            ExpiryRule::Hide
        } else {
            ExpiryRule::Delete
        };
        let touches = !client.state.has(State::NO_TOUCH) || entry.meta.name == "touch";
        let reads_all_keys = self.reads_all_keys(client, entry);
        let access = self.access_clock(touches);
        self.effects.unreplicated = self.replicating.is_unreplicated() && !self.aof.takes_commands();
        let compression = self.compression();
        Ctx {
            dbs: &mut self.dbs,
            db_index: client.db,
            now: self.now,
            access,
            expiry,
            out: resp::Writer::new(&mut client.out, client.protocol),
            effects: &mut self.effects,
            random: &mut self.random,
            first_key: hash,
            // What the master took, its replica takes.
            max_string_bytes: match client.state.has(State::MASTER) {
                true => u64::MAX,
                false => self.config.settings.proto_max_bulk_len,
            },
            limits: &self.limits,
            compression,
            may_block: !client.state.has(State::IN_EXEC) && !client.state.has(State::MASTER),
            reads_all_keys,
            caller: if client.state.has(State::IN_SCRIPT) { Caller::Script } else { Caller::Client },
        }
    }

    fn has_effects(&self) -> bool {
        let effects = &self.effects;
        let keys = [&effects.expired, &effects.touched];
        keys.iter().any(|keys| !keys.is_empty())
            || !effects.notices.is_empty()
            || !effects.flushed.is_empty()
            || effects.swapped.is_some()
            || effects.propagation != Propagation::AsReceived
    }

    /// Everything that follows from one command of a client: replication, watchers, events.
    fn settle_command(&mut self, client: &mut Client, args: Args<'_>, changed: bool) {
        self.propagate_expired();
        let propagation = std::mem::take(&mut self.effects.propagation);
        // What the master sends goes on as it came; in this server's own file stands what it meant.
        let goes_on = !client.state.has(State::MASTER) || self.aof.takes_commands();
        if (changed || propagation == Propagation::Always) && goes_on {
            match propagation {
                Propagation::AsReceived | Propagation::Always => {
                    self.propagate_bytes(client.db, args.as_sent(), args.iter());
                }
                Propagation::Instead(commands) => self.propagate_instead(client.db, &commands),
                Propagation::Nothing => {}
            }
            client.write_offset = self.replicating.offset();
        }
        if std::mem::take(&mut self.effects.flushed_all) && self.persistence.loading.is_none() {
            self.flush_snapshot();
        }
        self.settle_touched(Some(client));
        self.publish_notices();
    }

    /// FLUSHALL ends a snapshot that is being made, and the file becomes empty too.
    fn flush_snapshot(&mut self) {
        if self.persistence.running.is_some_and(|running| running.target == crate::SnapshotTarget::File) {
            self.kill_snapshot();
        }
        if !self.config.settings.save.0.is_empty() {
            let dirty = self.effects.dirty;
            self.save_now();
            self.effects.dirty = dirty;
        }
    }

    /// What follows from work that no client asked for.
    pub(crate) fn settle_effects(&mut self) {
        self.settle_effects_of(None);
    }

    /// The same while a client's command is about to run, which may be watching what was touched.
    pub(crate) fn settle_effects_of(&mut self, running: Option<&mut Client>) {
        self.propagate_expired();
        self.effects.propagation = Propagation::AsReceived;
        self.settle_touched(running);
        self.publish_notices();
    }

    fn propagate_expired(&mut self) {
        if self.effects.expired.is_empty() {
            return;
        }
        let verb: &[u8] = if self.config.settings.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        // A script decides where its own commands go; what had expired goes everywhere.
        let targets = std::mem::replace(&mut self.scripting.targets, Targets::ALL);
        for (db, key) in std::mem::take(&mut self.effects.expired) {
            self.propagate(db, [verb, &key].into_iter());
        }
        self.scripting.targets = targets;
    }

    fn publish_notices(&mut self) {
        if self.effects.notices.is_empty() {
            return;
        }
        let flags = self.config.settings.notify_keyspace_events.0;
        for notice in std::mem::take(&mut self.effects.notices) {
            if flags & crate::config::NotifyFlags::KEYSPACE != 0 {
                let channel = [format!("__keyspace@{}__:", notice.db).as_bytes(), &notice.key].concat();
                self.publish(&channel, notice.event.as_bytes());
            }
            if flags & crate::config::NotifyFlags::KEYEVENT != 0 {
                let channel = format!("__keyevent@{}__:{}", notice.db, notice.event);
                self.publish(channel.as_bytes(), &notice.key);
            }
        }
    }

    /// Once no command runs: what is done for all commands of a turn together.
    pub(crate) fn after_commands(&mut self) {
        if self.blocking.any_ready() {
            self.serve_ready();
        }
        if self.persistence.sync_wanted {
            self.start_wanted_snapshot();
        }
        self.flush_replication();
        self.failover_step();
        self.settle_tracking();
        self.settle_client_memory();
        self.free_garbage();
    }

    /// Hands on what is to be freed.
    pub(crate) fn free_garbage(&mut self) {
        self.garbage.values.append(&mut self.effects.discarded.0);
        if !self.garbage.is_empty() {
            self.host.free(std::mem::take(&mut self.garbage));
        }
    }
}

/// Whether replies to a client are dropped.
pub(crate) fn is_unwanted(client: &Client) -> bool {
    [State::REPLY_OFF, State::REPLY_SKIP, State::MASTER].iter().any(|state| client.state.has(*state))
}

/// Finds the command or subcommand and checks the number of arguments.
fn resolve(
    entry: Option<&'static Entry>,
    args: Args<'_>,
) -> Result<&'static Entry, (String, Option<&'static Entry>)> {
    let Some(entry) = entry else { return Err((unknown(args), None)) };
    let entry = match (entry.subcommands.is_empty(), args.get(1)) {
        (false, Some(name)) => {
            entry.subcommand(name).ok_or_else(|| (unknown_subcommand(entry, name), None))?
        }
        _ => entry,
    };
    match entry.meta.accepts(args.len()) {
        true => Ok(entry),
        false => Err((CommandError::Arity(entry.full_name.clone()).to_string(), Some(entry))),
    }
}

fn unknown(args: Args<'_>) -> String {
    let mut shown = String::new();
    for arg in args.from(1).iter() {
        if shown.len() >= SHOWN_ARGS_BYTES {
            break;
        }
        shown.push_str(&format!("'{}' ", shortened(arg, SHOWN_ARGS_BYTES - shown.len())));
    }
    let name = shortened(args.at(0), SHOWN_ARGS_BYTES);
    format!("ERR unknown command '{name}', with args beginning with: {shown}")
}

/// What errors quote of an argument: so many bytes, up to a zero byte.
fn shortened(arg: &[u8], room: usize) -> String {
    let text = arg.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(&text[..text.len().min(room)]).into_owned()
}

fn unknown_subcommand(entry: &Entry, name: &[u8]) -> String {
    let shown = shortened(name, SHOWN_ARGS_BYTES);
    format!("ERR unknown subcommand '{shown}'. Try {} HELP.", entry.meta.name.to_uppercase())
}

fn runs_inside_multi(entry: &Entry) -> bool {
    // The full name: SLOWLOG RESET is queued.
    matches!(entry.full_name.as_str(), "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}
