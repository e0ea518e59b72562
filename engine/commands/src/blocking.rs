//! Clients that wait: for keys (BLPOP and its like), and how long (WAIT too).
//!
//! A command that cannot be served says what it waits for ([`BlockOn`]); its client is put into the queue
//! of each of its keys, in order of arrival. Keys that commands touch are noted as ready while a client
//! waits for them; once the command is over (EXEC and scripts as a whole), the commands of those who wait
//! for a ready key run again, one client after the other. What they touch in turn becomes ready too and is
//! served after what was ready before. Each run that changes something ends a wait, so this ends.
//!
//! A command that runs again and still cannot be served keeps its place and its deadline. Whether what it
//! finds is of the right kind is looked at before, so that others do not even run.

use std::collections::{BTreeSet, HashMap, VecDeque};

use keyspace::Kind;
use resp::Args;
use types::{BlockOn, ExpiryRule, TimedOut};

use crate::client::{Blocked, Client, ClientId, Peer, Queued, State};
use crate::gates::Verdict;
use crate::server::Server;
use crate::table::Entry;

const UNBLOCKED_BY_USER: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
const UNBLOCKED_BY_ROLE: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/// A key of a database.
type DbKey = (u32, Vec<u8>);

/// What a client waits for, and the command that runs again then.
#[derive(Debug)]
pub(crate) struct Waiting {
    command: Queued,
    db: u32,
    keys: Vec<Vec<u8>>,
    kind: Kind,
    without_key_too: bool,
    timed_out: TimedOut,
    deadline_ms: Option<u64>,
}

/// Who waits for one key.
#[derive(Debug, Default)]
struct Queue {
    clients: VecDeque<ClientId>,
    /// How many of them are to hear of its end too.
    without_key_too: usize,
    /// The key is among those to be served.
    is_ready: bool,
}

/// Everyone who waits.
#[derive(Debug, Default)]
pub(crate) struct Blocking {
    queues: HashMap<DbKey, Queue>,
    /// Touched keys that somebody waits for.
    ready: VecDeque<DbKey>,
    /// Ready keys are being served.
    is_serving: bool,
    /// A pause held somebody back who would have been served.
    held_back: bool,
    /// Deadlines, nearest first.
    deadlines: BTreeSet<(u64, ClientId)>,
}

impl Blocking {
    /// Whether anyone waits for a key.
    pub(crate) fn anyone_waits(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Keys that are waited for.
    pub(crate) fn key_count(&self) -> usize {
        self.queues.len()
    }

    /// Keys whose end is waited for.
    pub(crate) fn key_count_without_key(&self) -> usize {
        self.queues.values().filter(|queue| queue.without_key_too > 0).count()
    }

    /// Clients that wait for a limited time.
    pub(crate) fn deadline_count(&self) -> usize {
        self.deadlines.len()
    }

    /// When the next wait is over.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    /// Whether some key is to be served.
    #[inline]
    pub(crate) fn any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Notes a change of a key.
    pub(crate) fn touched(&mut self, touched: &DbKey) {
        if let Some(queue) = self.queues.get_mut(touched)
            && !std::mem::replace(&mut queue.is_ready, true)
        {
            self.ready.push_back(touched.clone());
        }
    }

    /// Notes that any key of some databases may have changed.
    pub(crate) fn touched_all(&mut self, is_meant: impl Fn(u32) -> bool) {
        let keys: Vec<DbKey> = self.queues.keys().filter(|(db, _)| is_meant(*db)).cloned().collect();
        keys.iter().for_each(|key| self.touched(key));
    }

    /// Forgets keys that became ready behind the first `kept`.
    fn forget_ready(&mut self, kept: usize) {
        for key in self.ready.drain(kept.min(self.ready.len())..) {
            if let Some(queue) = self.queues.get_mut(&key) {
                queue.is_ready = false;
            }
        }
    }

    fn enter(&mut self, id: ClientId, waiting: &Waiting) {
        for key in &waiting.keys {
            let queue = self.queues.entry((waiting.db, key.clone())).or_default();
            // A key may be named twice.
            if queue.clients.back() != Some(&id) {
                queue.clients.push_back(id);
                queue.without_key_too += usize::from(waiting.without_key_too);
            }
        }
    }

    fn leave(&mut self, id: ClientId, waiting: &Waiting) {
        for key in &waiting.keys {
            let place = (waiting.db, key.clone());
            let Some(queue) = self.queues.get_mut(&place) else { continue };
            let before = queue.clients.len();
            queue.clients.retain(|other| *other != id);
            if queue.clients.len() < before && waiting.without_key_too {
                queue.without_key_too -= 1;
            }
            if queue.clients.is_empty() {
                self.queues.remove(&place);
            }
        }
    }

    /// Has a client woken at a time; forgotten when its wait ends.
    pub(crate) fn set_deadline(&mut self, id: ClientId, deadline_ms: Option<u64>) {
        self.deadlines.extend(deadline_ms.map(|at_ms| (at_ms, id)));
    }

    fn clear_deadline(&mut self, id: ClientId, deadline_ms: Option<u64>) {
        if let Some(at_ms) = deadline_ms {
            self.deadlines.remove(&(at_ms, id));
        }
    }
}

impl Server {
    /// Has a client wait for what its command asked for.
    pub(crate) fn block_on_keys(
        &mut self,
        client: &mut Client,
        entry: &'static Entry,
        args: Args<'_>,
        on: BlockOn,
    ) {
        client.blocked = Some(Blocked::Keys);
        if client.state.has(State::RETRYING) {
            // It was waiting already, and goes on as it was.
            return;
        }
        let deadline_ms = on.timeout_ms.map(|timeout_ms| self.now.mono_ms.saturating_add(timeout_ms));
        let waiting = Box::new(Waiting {
            command: match &on.again {
                Some(words) => Queued::of_words(entry, words),
                None => Queued::new(entry, args),
            },
            db: client.db,
            keys: on.keys,
            kind: on.kind,
            without_key_too: on.without_key_too,
            timed_out: on.timed_out,
            deadline_ms,
        });
        self.blocking.enter(client.id, &waiting);
        self.blocking.set_deadline(client.id, deadline_ms);
        self.timer_changed |= deadline_ms.is_some();
        client.rare.waiting = Some(waiting);
        self.refresh_watching();
    }

    /// Ends whatever a client waits for, without telling it.
    pub(crate) fn end_wait(&mut self, client: &mut Client) {
        match client.blocked.take() {
            Some(Blocked::Wait { deadline_ms, .. }) => self.blocking.clear_deadline(client.id, deadline_ms),
            Some(Blocked::Keys) => {
                if let Some(waiting) = client.rare.waiting.take() {
                    self.leave_queues(client.id, &waiting);
                    self.count_ended_wait(waiting.command.entry);
                }
            }
            other => client.blocked = other,
        }
    }

    fn leave_queues(&mut self, id: ClientId, waiting: &Waiting) {
        self.blocking.leave(id, waiting);
        self.blocking.clear_deadline(id, waiting.deadline_ms);
        self.refresh_watching();
    }

    /// Serves those who wait for keys that became ready, and those whom that makes ready, and so on.
    pub(crate) fn serve_ready(&mut self) {
        // A script that was left in the middle is not over.
        if self.scripting.suspended.is_some() || std::mem::replace(&mut self.blocking.is_serving, true) {
            return;
        }
        while let Some(key) = self.blocking.ready.pop_front() {
            let Some(queue) = self.blocking.queues.get_mut(&key) else { continue };
            queue.is_ready = false;
            for id in queue.clients.clone() {
                if self.may_serve(id, &key) {
                    self.retry(id);
                }
            }
        }
        self.blocking.is_serving = false;
    }

    /// The same after a command of `running`: it is in its place meanwhile, so that it hears of what others
    /// change as everyone does.
    pub(crate) fn serve_ready_beside(&mut self, running: &mut Client) {
        if running.state.has(State::MASTER) {
            self.serve_ready();
            return;
        }
        let id = running.id;
        let stand_in = Client::new(id, Peer::default(), self.now.mono_ms);
        self.clients.put_back(Box::new(std::mem::replace(running, stand_in)));
        self.serve_ready();
        if let Some(client) = self.clients.take(id) {
            *running = *client;
        }
    }

    /// Whether what a key holds is what a client waits for.
    fn may_serve(&self, id: ClientId, (db_index, key): &DbKey) -> bool {
        let Some(client) = self.clients.get(id) else { return false };
        let Some(waiting) = &client.rare.waiting else { return false };
        if client.state.has(State::CLOSING) {
            return false;
        }
        let db = &self.dbs[*db_index as usize];
        let held = db.get(db.hash_of(key), key);
        let held = held.filter(|entry| !types::ctx::is_due(*entry, self.now, ExpiryRule::Delete));
        waiting.without_key_too || held.is_some_and(|entry| entry.kind() == waiting.kind)
    }

    /// Runs the command of a client that waits once more.
    fn retry(&mut self, id: ClientId) {
        let Some(mut client) = self.clients.take(id) else { return };
        let Some(waiting) = client.rare.waiting.take() else {
            self.clients.put_back(client);
            return;
        };
        let ready = self.blocking.ready.len();
        let reply_from = client.out.len();
        let (entry, args) = (waiting.command.entry, waiting.command.args());
        client.blocked = None;
        match self.gate(&mut client, entry, args) {
            Verdict::Pass => {
                client.state.add(State::RETRYING);
                self.call(&mut client, entry, args, None);
                client.state.remove(State::RETRYING);
            }
            Verdict::Refuse(error) => self.answer_error(&mut client, &error),
            Verdict::Hold => {
                self.blocking.held_back = true;
                client.blocked = Some(Blocked::Keys);
            }
        }
        self.clients.flush_running(&mut client);
        match client.blocked {
            Some(_) => {
                // What it touched without coming to an end must not wake it again and again.
                self.blocking.forget_ready(ready);
                client.rare.waiting = Some(waiting);
            }
            None => {
                self.leave_queues(id, &waiting);
                self.after_reply(&mut client, reply_from);
            }
        }
        let done = client.blocked.is_none();
        self.clients.put_back(client);
        if done {
            self.clients.wake(id);
        }
    }

    /// A pause is over: what it held back may go on.
    pub(crate) fn serve_held_back(&mut self) {
        if std::mem::take(&mut self.blocking.held_back) {
            self.blocking.touched_all(|_| true);
        }
    }

    /// Answers those who have waited long enough.
    pub(crate) fn end_waits_in_time(&mut self) {
        while let Some(&(at_ms, id)) = self.blocking.deadlines.first()
            && at_ms <= self.now.mono_ms
        {
            self.blocking.deadlines.pop_first();
            self.time_out(id);
        }
    }

    /// Has a client's wait end as if its time were over; false when it does not wait for anything that
    /// ends so.
    pub(crate) fn time_out(&mut self, id: ClientId) -> bool {
        let Some(client) = self.clients.get(id) else { return false };
        match (client.blocked, &client.rare.waiting) {
            (Some(Blocked::Wait { .. }), _) => self.finish_wait(id),
            (Some(Blocked::Keys), Some(waiting)) => {
                let timed_out = waiting.timed_out;
                self.answer_waiting(id, |_, client| match timed_out {
                    TimedOut::Null => client.writer().null(),
                    TimedOut::NullArray => client.writer().null_array(),
                });
            }
            _ => return false,
        }
        true
    }

    /// Ends a client's wait with a reply.
    pub(crate) fn answer_waiting(&mut self, id: ClientId, reply: impl FnOnce(&mut Server, &mut Client)) {
        let Some(mut client) = self.clients.take(id) else { return };
        let reply_from = client.out.len();
        self.end_wait(&mut client);
        reply(self, &mut client);
        self.clients.flush_running(&mut client);
        self.after_reply(&mut client, reply_from);
        self.clients.put_back(client);
        self.clients.wake(id);
    }

    /// CLIENT UNBLOCK ERROR; false when the client does not wait.
    pub(crate) fn unblock_with_error(&mut self, id: ClientId) -> bool {
        self.fail_wait(id, UNBLOCKED_BY_USER)
    }

    fn fail_wait(&mut self, id: ClientId, error: &str) -> bool {
        let blocked = self.clients.get(id).and_then(|client| client.blocked);
        if !matches!(blocked, Some(Blocked::Wait { .. } | Blocked::Keys)) {
            return false;
        }
        self.answer_waiting(id, |server, client| server.answer_error(client, error));
        true
    }

    /// Nobody waits on when the server gets another master: what they wait for may never come. They are
    /// told, and disconnected.
    pub(crate) fn fail_all_waits(&mut self) {
        let waits = |client: &&Client| matches!(client.blocked, Some(Blocked::Wait { .. } | Blocked::Keys));
        let waiting: Vec<ClientId> = self.clients.iter().filter(waits).map(|client| client.id).collect();
        for id in waiting {
            self.fail_wait(id, UNBLOCKED_BY_ROLE);
            if let Some(client) = self.clients.get_mut(id) {
                client.state.add(State::CLOSE_AFTER_REPLY);
            }
        }
    }
}
