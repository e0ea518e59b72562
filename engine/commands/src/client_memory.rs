//! What clients may hold: limits on output that is not read, and `maxmemory-clients`.
//!
//! Output is judged where it is appended, so that a client that never reads costs no more than its limit
//! however fast others publish; the clock's part (soft limits) is judged there and by the timer. Clients'
//! memory together is kept as an estimate that only grows, and is counted anew when it seems too much: the
//! common case is one addition. Rules as Redis 7.2: `client-output-buffer-limit`, `maxmemory-clients`.

use crate::client::{Client, ClientId, State};
use crate::config::{BufferLimits, Level};
use crate::server::Server;

/// The least that `maxmemory-clients` means.
const LEAST_LIMIT_BYTES: u64 = 128 * 1024;

/// What the list of clients must know to judge them.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    limits: BufferLimits,
    /// Replicas may always be behind by this much.
    backlog_bytes: u64,
    pub(crate) now_ms: u64,
    /// Whose output was too much.
    pub(crate) overflowed: Vec<ClientId>,
    /// At least what all clients hold together, while that is limited.
    total_bytes: u64,
    is_limited: bool,
}

impl Watch {
    /// Judges a client whose output has grown; closes it when that is too much. True: it is closing.
    pub(crate) fn judge(&mut self, client: &mut Client, grown_by: usize) -> bool {
        if self.is_limited && is_counted(client) {
            self.total_bytes += grown_by as u64;
        }
        if client.state.has(State::CLOSE_NOW) {
            return true;
        }
        let too_much = self.is_too_much(client);
        if too_much {
            client.state.add(State::CLOSE_NOW);
            self.overflowed.push(client.id);
        }
        too_much
    }

    /// Whether a client has more unread output than its class may, now or for too long.
    fn is_too_much(&self, client: &mut Client) -> bool {
        let limit = self.limits.limit(client.class());
        if limit.hard_bytes == 0 && limit.soft_bytes == 0 {
            return false;
        }
        let bytes = (client.out.len() + client.unsent) as u64;
        let hard_bytes = match client.state.has(State::REPLICA) && limit.hard_bytes > 0 {
            true => limit.hard_bytes.max(self.backlog_bytes),
            false => limit.hard_bytes,
        };
        if limit.soft_bytes == 0 || bytes <= limit.soft_bytes {
            client.over_soft_since_ms = None;
        } else if client.over_soft_since_ms.is_none() {
            client.over_soft_since_ms = Some(self.now_ms);
        }
        let soft_ms = limit.soft_seconds.saturating_mul(1000);
        let over_soft =
            client.over_soft_since_ms.is_some_and(|since_ms| self.now_ms.saturating_sub(since_ms) > soft_ms);
        over_soft || hard_bytes > 0 && bytes > hard_bytes
    }

    /// A client that ran commands is put back: what it holds may have grown.
    pub(crate) fn returned(&mut self, client: &mut Client) {
        if self.is_limited && is_counted(client) {
            let bytes = client.memory_bytes();
            self.total_bytes += bytes.saturating_sub(client.counted_bytes);
            client.counted_bytes = bytes;
        }
        self.judge(client, 0);
    }
}

/// Whether what a client holds counts among clients' memory: not that of replicas and the master.
fn is_counted(client: &Client) -> bool {
    !client.state.has(State::REPLICATION)
}

impl Client {
    /// Bytes held for this client, all in all.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let lists = [&self.rare.channels, &self.rare.patterns, &self.rare.shard_channels];
        let names: usize =
            lists.into_iter().flatten().map(|name| name.capacity() + size_of::<Vec<u8>>()).sum();
        let watched: usize = self.rare.watching.iter().map(|(_, key)| key.capacity() + 32).sum();
        let buffers = self.out.capacity() + self.unsent + self.query_bytes + self.rare.queued_bytes;
        (size_of::<Client>() + size_of::<crate::client::Rare>() + buffers + names + watched) as u64
    }
}

impl Server {
    /// Passes on what clients are judged by.
    pub(crate) fn refresh_client_limits(&mut self) {
        let settings = &self.config.settings;
        let limited = client_limit(settings.maxmemory_clients, settings.maxmemory).is_some();
        let watch = &mut self.clients.watch;
        watch.limits = settings.client_output_buffer_limit;
        watch.backlog_bytes = settings.repl_backlog_size;
        let began = limited && !watch.is_limited;
        watch.is_limited = limited;
        if began {
            self.count_clients_memory();
        }
    }

    /// Once no command runs: says who was closed for too much output, and evicts clients if all of them
    /// together hold too much.
    pub(crate) fn settle_client_memory(&mut self) {
        if !self.clients.watch.overflowed.is_empty() {
            for id in std::mem::take(&mut self.clients.watch.overflowed) {
                let Some(client) = self.clients.get(id) else { continue };
                let line = format!(
                    "Client id={} addr={} name={} omem={} scheduled to be closed ASAP for overcoming of output \
                     buffer limits.",
                    id.id,
                    client.peer.address,
                    client.name,
                    client.out.len() + client.unsent
                );
                self.log(Level::Warning, line);
                // What it will never read is not kept until its connection has noticed.
                if let Some(client) = self.clients.get_mut(id) {
                    client.out = Vec::new();
                }
                self.clients.wake(id);
            }
        }
        if self.clients.watch.is_limited {
            self.evict_clients();
        }
    }

    fn evict_clients(&mut self) {
        let settings = &self.config.settings;
        let Some(limit) = client_limit(settings.maxmemory_clients, settings.maxmemory) else { return };
        if self.clients.watch.total_bytes <= limit {
            return;
        }
        self.count_clients_memory();
        while self.clients.watch.total_bytes > limit {
            let candidates = self.clients.iter().filter(|client| {
                is_counted(client)
                    && !client.state.has(State::NO_EVICT)
                    && !client.state.has(State::CLOSE_NOW)
            });
            let Some(largest) = candidates.max_by_key(|client| client.counted_bytes) else { return };
            let (id, bytes) = (largest.id, largest.counted_bytes);
            let line = format!("Evicting client: id={} addr={} tot-mem={bytes}", id.id, largest.peer.address);
            self.log(Level::Notice, line);
            self.clients.close(id);
            self.clients.watch.total_bytes -= bytes;
            self.eviction.stats.evicted_clients += 1;
        }
    }

    fn count_clients_memory(&mut self) {
        let mut total_bytes = 0;
        let open = |client: &&mut Client| is_counted(client) && !client.state.has(State::CLOSE_NOW);
        for client in self.clients.iter_mut().filter(open) {
            client.counted_bytes = client.memory_bytes();
            total_bytes += client.counted_bytes;
        }
        self.clients.watch.total_bytes = total_bytes;
    }

    /// Closes clients that are idle for too long, or over a soft limit for too long.
    pub(crate) fn close_idle_and_slow(&mut self) {
        let now_ms = self.now.mono_ms;
        let timeout_ms = self.config.settings.timeout as u64 * 1000;
        let mut idle = Vec::new();
        self.clients.judge_all();
        for client in self.clients.iter() {
            let quiet = !client.state.has(State::EXEMPT_FROM_TIMEOUT) && client.blocked.is_none();
            if timeout_ms > 0 && quiet && now_ms.saturating_sub(client.active_ms) > timeout_ms {
                idle.push(client.id);
            }
        }
        for id in idle {
            self.clients.close(id);
        }
    }

    /// Whether a client that has sent so many bytes without a whole command is to be closed for it.
    pub fn is_query_too_long(&self, id: ClientId, bytes: usize) -> bool {
        let queued = self.clients.get(id).map_or(0, |client| client.rare.queued_bytes);
        (bytes + queued) as u64 > self.config.settings.client_query_buffer_limit
    }
}

/// The limit on all clients together in bytes, if there is one.
fn client_limit(setting: crate::config::BytesOrPercent, maxmemory: u64) -> Option<u64> {
    use crate::config::BytesOrPercent;
    let bytes = match setting {
        BytesOrPercent::Bytes(0) | BytesOrPercent::Percent(0) => return None,
        BytesOrPercent::Bytes(bytes) => bytes,
        BytesOrPercent::Percent(_) if maxmemory == 0 => return None,
        BytesOrPercent::Percent(percent) => (maxmemory as f64 * f64::from(percent) / 100.0) as u64,
    };
    Some(bytes.max(LEAST_LIMIT_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Then;
    use crate::config::BytesOrPercent;
    use crate::tests::World;

    #[test]
    fn a_subscriber_that_never_reads_is_closed_at_its_limit() {
        let mut world = World::new(&[("client-output-buffer-limit", "pubsub 100kb 0 0")]);
        let (deaf, listening, publisher) = (world.client(), world.client(), world.client());
        world.send(deaf, "SUBSCRIBE news");
        world.send(listening, "SUBSCRIBE news");
        let message = format!("PUBLISH news {}", "x".repeat(10_000));
        let mut heard = 0;
        for _ in 0..30 {
            world.send(publisher, &message);
            heard += world.output(listening).len();
        }
        assert!(heard > 300_000);
        assert_eq!(world.server.attention(deaf), Then::Close);
        assert_eq!(world.server.attention(listening), Then::Continue);
        let left = world.server.clients.get(deaf).map(|client| client.out.len());
        assert_eq!(left, Some(0), "nothing is gathered for it any more");
        let log = world.outside.borrow().log.join("\n");
        assert!(log.contains("scheduled to be closed ASAP for overcoming of output buffer limits."), "{log}");
    }

    #[test]
    fn a_soft_limit_takes_its_time() {
        let mut world = World::new(&[("client-output-buffer-limit", "pubsub 0 10kb 5")]);
        let (deaf, publisher) = (world.client(), world.client());
        world.send(deaf, "SUBSCRIBE news");
        world.send(publisher, &format!("PUBLISH news {}", "x".repeat(20_000)));
        world.pass(4_000);
        assert_eq!(world.server.attention(deaf), Then::Continue);
        world.pass(2_000);
        assert_eq!(world.server.attention(deaf), Then::Close);
    }

    #[test]
    fn the_largest_clients_go_first() {
        let mut world = World::new(&[("maxmemory-clients", "400kb")]);
        let (modest, exempt, greedy, setter) =
            (world.client(), world.client(), world.client(), world.client());
        world.send(exempt, "CLIENT NO-EVICT on");
        for (client, count) in [(modest, 1), (exempt, 3), (greedy, 2)] {
            world.send(client, "MULTI");
            for _ in 0..count {
                world.send(client, &format!("SET k {}", "x".repeat(60_000)));
            }
        }
        world.send(setter, "PING");
        assert_eq!(world.server.attention(greedy), Then::Continue, "240 KB or so");
        world.send(greedy, &format!("SET k {}", "x".repeat(60_000)));
        world.send(greedy, &format!("SET k {}", "x".repeat(60_000)));
        let closed = [modest, exempt, greedy, setter].map(|id| world.server.attention(id) == Then::Close);
        assert_eq!(closed, [false, false, true, false]);
        assert_eq!(world.server.eviction.stats.evicted_clients, 1);
    }

    #[test]
    fn limits_are_bytes_or_a_share() {
        assert_eq!(client_limit(BytesOrPercent::Bytes(0), 1 << 30), None);
        assert_eq!(client_limit(BytesOrPercent::Percent(5), 0), None);
        assert_eq!(client_limit(BytesOrPercent::Percent(50), 1 << 30), Some(1 << 29));
        assert_eq!(client_limit(BytesOrPercent::Bytes(1), 0), Some(LEAST_LIMIT_BYTES));
    }
}
