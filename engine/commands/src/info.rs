//! INFO: the server described in sections, field names as Redis 7.2 has them.

use std::fmt::Write as _;

use replication::id::NO_ID;
use replication::replica::{Link, LinkState};
use resp::Args;
use types::CommandError;

use crate::aof::AofState;
use crate::client::{Client, State};
use crate::host::SnapshotTarget;
use crate::persistence::{LoadingFigures, Running};
use crate::replicating::Upstream;
use crate::server::Server;

/// A section: its name, whether it is shown without being asked for, and what writes it.
type Section = (&'static str, bool, fn(&Server, &mut Fields));

const SECTIONS: &[Section] = &[
    ("Server", true, server),
    ("Clients", true, clients),
    ("Memory", true, crate::memory_report::section),
    ("Persistence", true, persistence),
    ("Stats", true, stats),
    ("Replication", true, replication),
    ("CPU", true, cpu),
    ("Modules", true, modules),
    ("Commandstats", false, commandstats),
    ("Errorstats", true, errorstats),
    ("Latencystats", false, latencystats),
    ("Cluster", true, cluster),
    ("Keyspace", true, keyspace),
];

/// Those a sentinel has; its own section follows them.
const OF_SENTINELS: [&str; 4] = ["Server", "Clients", "Stats", "CPU"];

/// Lines `name:value`.
#[derive(Default)]
pub(crate) struct Fields(String);

impl Fields {
    pub(crate) fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// A number of bytes, and the same for people.
    pub(crate) fn bytes(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human(bytes));
    }
}

/// `1.50M` and the like.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

pub(crate) fn info(server_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let asked: Vec<String> =
        args.from(1).iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    let wanted = |name: &str, by_default: bool| {
        let name = name.to_ascii_lowercase();
        match asked.is_empty() {
            true => by_default,
            false => asked.iter().any(|word| {
                *word == name || word == "all" || word == "everything" || (word == "default" && by_default)
            }),
        }
    };
    let mut text = String::new();
    server_.info_figures = server_.host.figures();
    let sentinel = server_.sentinel.is_some();
    let exists = |name: &str| !sentinel || OF_SENTINELS.contains(&name);
    let sections = SECTIONS.iter().filter(|(name, by_default, _)| exists(name) && wanted(name, *by_default));
    for (name, _, write) in sections {
        let mut fields = Fields::default();
        write(server_, &mut fields);
        let gap = if text.is_empty() { "" } else { "\r\n" };
        let _ = write!(text, "{gap}# {name}\r\n{}", fields.0);
    }
    if sentinel && wanted("Sentinel", true) {
        let gap = if text.is_empty() { "" } else { "\r\n" };
        let _ = write!(text, "{gap}{}", server_.sentinel_info());
    }
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

fn server(server: &Server, f: &mut Fields) {
    let settings = &server.config.settings;
    let uptime_s = server.now.mono_ms.saturating_sub(server.started.mono_ms) / 1000;
    f.add("redis_version", "7.2.4");
    f.add("redis_git_sha1", "00000000");
    f.add("redis_git_dirty", 0);
    f.add("redis_build_id", "0");
    f.add("redis_mode", if server.sentinel.is_some() { "sentinel" } else { "standalone" });
    f.add("server_name", "topple");
    f.add("topple_version", env!("CARGO_PKG_VERSION"));
    f.add("os", &server.identity.os);
    f.add("arch_bits", 64);
    f.add("monotonic_clock", "POSIX clock_gettime");
    f.add("multiplexing_api", "epoll");
    f.add("atomicvar_api", "c11-builtin");
    // No C compiler made this server.
    f.add("gcc_version", "0.0.0");
    f.add("process_id", server.identity.pid);
    f.add(
        "process_supervised",
        if server.identity.supervised.is_empty() { "no" } else { server.identity.supervised },
    );
    f.add("run_id", String::from_utf8_lossy(&server.run_id));
    f.add("tcp_port", settings.port);
    f.add("server_time_usec", server.now.wall.0 * 1000);
    f.add("uptime_in_seconds", uptime_s);
    f.add("uptime_in_days", uptime_s / 86_400);
    f.add("hz", settings.hz.per_second());
    f.add("configured_hz", settings.hz.per_second());
    f.add("lru_clock", (server.now.wall.0 / 1000) & 0x00ff_ffff);
    f.add("executable", &server.identity.executable);
    f.add("config_file", server.config.file.as_deref().unwrap_or_default());
    f.add("io_threads_active", 0);
    if let Some(crate::server::Shutdown::Waiting { deadline_ms, .. }) = server.shutdown {
        f.add("shutdown_in_milliseconds", deadline_ms.saturating_sub(server.now.mono_ms));
    }
    let tcp = (settings.port > 0).then(|| {
        let bind = settings.bind.0.iter().map(|address| format!(",bind={address}")).collect::<String>();
        format!("name=tcp{bind},port={}", settings.port)
    });
    let unix = (!settings.unixsocket.is_empty()).then(|| format!("name=unix,bind={}", settings.unixsocket));
    for (index, listener) in tcp.into_iter().chain(unix).enumerate() {
        f.add(&format!("listener{index}"), listener);
    }
}

fn clients(server: &Server, f: &mut Fields) {
    let replicas = server.replicating.replicas.len();
    let blocked = server.clients.iter().filter(|client| client.blocked.is_some()).count();
    // INFO itself is asked by a client, which is out of its place.
    f.add("connected_clients", (server.clients.len()).saturating_sub(replicas));
    f.add("cluster_connections", 0);
    f.add("maxclients", server.config.settings.maxclients);
    f.add(
        "client_recent_max_input_buffer",
        server.clients.iter().map(|client| client.query_bytes).max().unwrap_or(0),
    );
    f.add(
        "client_recent_max_output_buffer",
        server.clients.iter().map(|client| client.out.len()).max().unwrap_or(0),
    );
    f.add("blocked_clients", blocked);
    f.add("tracking_clients", server.tracking.clients);
    let pubsub = server.clients.iter().filter(|client| client.state.has(State::PUBSUB)).count();
    f.add("pubsub_clients", pubsub);
    f.add(
        "watching_clients",
        server.clients.iter().filter(|client| !client.rare.watching.is_empty()).count(),
    );
    f.add("clients_in_timeout_table", server.blocking.deadline_count());
    f.add("total_watched_keys", server.watched.len());
    f.add("total_blocking_keys", server.blocking.key_count());
    f.add("total_blocking_keys_on_nokey", server.blocking.key_count_without_key());
}

fn persistence(server: &Server, f: &mut Fields) {
    let state = &server.persistence;
    let running = state.running;
    f.add("loading", u8::from(state.loading.is_some()));
    f.add("async_loading", 0);
    f.add("current_cow_peak", 0);
    f.add("current_cow_size", if running.is_some() { server.host.snapshot_cow_bytes() } else { 0 });
    f.add("current_cow_size_age", 0);
    f.add("current_fork_perc", "0.00");
    f.add("current_save_keys_processed", 0);
    f.add("current_save_keys_total", if running.is_some() { server.key_count() } else { 0 });
    f.add("rdb_changes_since_last_save", server.effects.dirty - state.dirty_at_save);
    let aof = &server.aof;
    let rewriting = running.filter(|running| running.target == SnapshotTarget::Aof);
    let saving = running.filter(|running| running.target != SnapshotTarget::Aof);
    let elapsed_s = |running: Option<Running>| {
        running.map_or(-1, |r| (server.now.mono_ms.saturating_sub(r.started.mono_ms) / 1000) as i64)
    };
    f.add("rdb_bgsave_in_progress", u8::from(saving.is_some()));
    f.add("rdb_last_save_time", state.last_save_s);
    f.add("rdb_last_bgsave_status", if state.last_save_ok { "ok" } else { "err" });
    f.add("rdb_last_bgsave_time_sec", state.last_took_s);
    f.add("rdb_current_bgsave_time_sec", elapsed_s(saving));
    f.add("rdb_saves", state.saves);
    f.add("rdb_last_cow_size", state.last_cow_bytes);
    f.add("rdb_last_load_keys_expired", state.last_load_expired);
    f.add("rdb_last_load_keys_loaded", state.last_load_keys);
    let status = |ok: bool| if ok { "ok" } else { "err" };
    f.add("aof_enabled", u8::from(aof.is_on()));
    f.add("aof_rewrite_in_progress", u8::from(rewriting.is_some()));
    f.add("aof_rewrite_scheduled", u8::from(aof.rewriting.scheduled));
    f.add("aof_last_rewrite_time_sec", aof.rewriting.last_took_s);
    f.add("aof_current_rewrite_time_sec", elapsed_s(rewriting));
    f.add("aof_last_bgrewrite_status", status(aof.rewriting.last_ok));
    f.add("aof_rewrites", aof.rewriting.count);
    f.add("aof_rewrites_consecutive_failures", aof.rewriting.failures_in_a_row);
    f.add("aof_last_write_status", status(aof.writing.failure().is_none()));
    f.add("aof_last_cow_size", aof.rewriting.last_cow_bytes);
    f.add("module_fork_in_progress", 0);
    f.add("module_fork_last_cow_size", 0);
    if aof.is_on() {
        f.add("aof_current_size", aof.writing.all_bytes);
        f.add("aof_base_size", aof.rewriting.base_bytes);
        f.add("aof_pending_rewrite", u8::from(aof.state == AofState::WaitRewrite));
        f.add("aof_buffer_length", aof.feed.bytes.len());
        f.add("aof_pending_bio_fsync", server.host.sync_state().pending);
        f.add("aof_delayed_fsync", aof.writing.delayed);
    }
    if let Some(loading) = state.loading {
        loading_fields(server, loading, f);
    }
}

fn loading_fields(server: &Server, loading: LoadingFigures, f: &mut Fields) {
    let percent = loading.loaded_bytes as f64 * 100.0 / loading.total_bytes.max(1) as f64;
    let elapsed_s = (server.wall_seconds() - loading.since_s).max(0) as f64;
    let eta_s = if percent > 0.0 { elapsed_s * (100.0 - percent) / percent } else { 1.0 };
    f.add("loading_start_time", loading.since_s);
    f.add("loading_total_bytes", loading.total_bytes);
    f.add("loading_loaded_bytes", loading.loaded_bytes);
    f.add("loading_loaded_perc", format!("{percent:.2}"));
    f.add("loading_eta_seconds", eta_s as u64);
}

fn stats(server: &Server, f: &mut Fields) {
    let (stats, effects) = (&server.stats, &server.effects);
    let [ops, input, output, repl_input, repl_output, cycles, busy_us] = stats.rates().0;
    f.add("total_connections_received", stats.connections);
    f.add("total_commands_processed", stats.commands);
    f.add("instantaneous_ops_per_sec", ops as u64);
    f.add("total_net_input_bytes", stats.input_bytes);
    f.add("total_net_output_bytes", stats.output_bytes);
    f.add("total_net_repl_input_bytes", stats.repl_input_bytes);
    f.add("total_net_repl_output_bytes", stats.repl_output_bytes);
    f.add("instantaneous_input_kbps", format!("{:.2}", input / 1024.0));
    f.add("instantaneous_output_kbps", format!("{:.2}", output / 1024.0));
    f.add("instantaneous_input_repl_kbps", format!("{:.2}", repl_input / 1024.0));
    f.add("instantaneous_output_repl_kbps", format!("{:.2}", repl_output / 1024.0));
    f.add("rejected_connections", stats.rejected_connections);
    f.add("sync_full", stats.sync_full);
    f.add("sync_partial_ok", stats.sync_partial_ok);
    f.add("sync_partial_err", stats.sync_partial_err);
    f.add("expired_keys", effects.expired_keys);
    f.add("expired_stale_perc", format!("{:.2}", server.expiry.stale_share * 100.0));
    f.add("expired_time_cap_reached_count", server.expiry.capped);
    f.add("expire_cycle_cpu_milliseconds", server.expiry.total_us / 1000);
    f.add("evicted_keys", server.eviction.stats.evicted_keys);
    f.add("evicted_clients", server.eviction.stats.evicted_clients);
    let (total_us, current_us) = server.exceeded_us();
    f.add("total_eviction_exceeded_time", total_us / 1000);
    f.add("current_eviction_exceeded_time", current_us / 1000);
    f.add("keyspace_hits", effects.hits);
    f.add("keyspace_misses", effects.misses);
    f.add("pubsub_channels", server.pubsub.channel_count());
    f.add("pubsub_patterns", server.pubsub.pattern_count());
    f.add("pubsubshard_channels", server.pubsub.shard_channel_count());
    f.add("latest_fork_usec", server.persistence.latest_fork_us);
    f.add("total_forks", server.persistence.forks);
    f.add("migrate_cached_sockets", server.peer_connections.len());
    f.add("slave_expires_tracked_keys", 0);
    // There is no active defragmentation: nothing is its.
    f.add("active_defrag_hits", 0);
    f.add("active_defrag_misses", 0);
    f.add("active_defrag_key_hits", 0);
    f.add("active_defrag_key_misses", 0);
    f.add("total_active_defrag_time", 0);
    f.add("current_active_defrag_time", 0);
    f.add("tracking_total_keys", server.tracking.key_count());
    f.add("tracking_total_items", server.tracking.item_count());
    f.add("tracking_total_prefixes", server.tracking.prefix_count());
    let [auth, command, key, channel] = server.acl.log.denied;
    f.add("acl_access_denied_auth", auth);
    f.add("acl_access_denied_cmd", command);
    f.add("acl_access_denied_key", key);
    f.add("acl_access_denied_channel", channel);
    f.add("unexpected_error_replies", 0);
    f.add("total_error_replies", stats.error_count);
    f.add("dump_payload_sanitizations", 0);
    f.add("total_reads_processed", stats.reads);
    f.add("total_writes_processed", stats.writes);
    f.add("io_threaded_reads_processed", 0);
    f.add("io_threaded_writes_processed", 0);
    f.add("reply_buffer_shrinks", 0);
    f.add("reply_buffer_expands", 0);
    // A cycle is a client's input handled, or the timer; its time is the processor's, which waiting is not.
    let [sys, user, ..] = server.info_figures.cpu_seconds;
    f.add("eventloop_cycles", stats.reads + server.ticks);
    f.add("eventloop_duration_sum", ((sys + user) * 1e6) as u64);
    f.add("eventloop_duration_cmd_sum", stats.commands_ns() / 1000);
    f.add("instantaneous_eventloop_cycles_per_sec", cycles as u64);
    f.add("instantaneous_eventloop_duration_usec", if cycles > 0.0 { (busy_us / cycles) as u64 } else { 0 });
}

fn replication(server: &Server, f: &mut Fields) {
    let replicating = &server.replicating;
    let now_ms = server.now.mono_ms;
    f.add("role", if replicating.is_replica() { "slave" } else { "master" });
    if let Some(upstream) = &replicating.upstream {
        upstream_fields(server, upstream, f);
    }
    f.add("connected_slaves", replicating.replicas.len());
    let settings = &server.config.settings;
    if settings.min_replicas_to_write > 0 && settings.min_replicas_max_lag > 0 {
        f.add("min_slaves_good_slaves", replicating.timely_replicas);
    }
    for (index, peer) in server.attached().enumerate() {
        f.add(&format!("slave{index}"), peer.info_line(now_ms));
    }
    let history = &replicating.history;
    f.add("master_failover_state", crate::replicating::failover_state(replicating.failover.as_ref()));
    f.add("master_replid", history.id());
    f.add("master_replid2", history.second_id().map_or_else(|| NO_ID.to_string(), |id| id.to_string()));
    f.add("master_repl_offset", replicating.offset());
    f.add("second_repl_offset", history.second_offset().map_or(-1, |offset| offset.0 as i64));
    let backlog = history.backlog();
    f.add("repl_backlog_active", u8::from(backlog.is_some()));
    f.add("repl_backlog_size", history.backlog_size());
    f.add("repl_backlog_first_byte_offset", backlog.map_or(0, |backlog| backlog.first_offset().0));
    f.add("repl_backlog_histlen", backlog.map_or(0, |backlog| backlog.length()));
}

fn upstream_fields(server: &Server, upstream: &Upstream, f: &mut Fields) {
    let now_ms = server.now.mono_ms;
    let ago = |at_ms: u64| now_ms.saturating_sub(at_ms) / 1000;
    let link = upstream.link.as_ref();
    let state = link.map_or(LinkState::Connect, Link::state);
    f.add("master_host", &upstream.host);
    f.add("master_port", upstream.port);
    f.add("master_link_status", if state == LinkState::Online { "up" } else { "down" });
    let last_io = link.and_then(Link::last_io_ms);
    f.add("master_last_io_seconds_ago", last_io.map_or(-1, |at_ms| ago(at_ms) as i64));
    let transfer = link.and_then(Link::transfer);
    f.add("master_sync_in_progress", u8::from(transfer.is_some()));
    let applied = link.and_then(Link::position).map_or(0, |position| position.offset.0);
    f.add("slave_read_repl_offset", link.map_or(0, |link| link.received().0));
    f.add("slave_repl_offset", applied);
    if let Some(transfer) = transfer {
        let total = transfer.total_bytes.unwrap_or(0);
        f.add("master_sync_total_bytes", total);
        f.add("master_sync_read_bytes", transfer.read_bytes);
        f.add(
            "master_sync_left_bytes",
            transfer.total_bytes.map_or(-1, |total| total as i64 - transfer.read_bytes as i64),
        );
        let percent = if total > 0 { transfer.read_bytes as f64 * 100.0 / total as f64 } else { 0.0 };
        f.add("master_sync_perc", format!("{percent:.2}"));
        f.add("master_sync_last_io_seconds_ago", ago(transfer.last_io_ms));
    }
    if state != LinkState::Online {
        let down_since = link.and_then(Link::down_since_ms);
        f.add("master_link_down_since_seconds", down_since.map_or(-1, |at_ms| ago(at_ms) as i64));
    }
    let settings = &server.config.settings;
    f.add("slave_priority", settings.replica_priority);
    f.add("slave_read_only", u8::from(settings.replica_read_only));
    f.add("replica_announced", u8::from(settings.replica_announced));
}

fn cpu(server: &Server, f: &mut Fields) {
    let [sys, user, sys_children, user_children] = server.info_figures.cpu_seconds;
    f.add("used_cpu_sys", format!("{sys:.6}"));
    f.add("used_cpu_user", format!("{user:.6}"));
    f.add("used_cpu_sys_children", format!("{sys_children:.6}"));
    f.add("used_cpu_user_children", format!("{user_children:.6}"));
    f.add("used_cpu_sys_main_thread", format!("{sys:.6}"));
    f.add("used_cpu_user_main_thread", format!("{user:.6}"));
}

fn modules(_: &Server, _: &mut Fields) {}

fn commandstats(server: &Server, f: &mut Fields) {
    for (entry, stats) in server.stats.commands(server.table) {
        let took_us = stats.took_ns / 1000;
        if stats.calls + stats.rejected + stats.failed > 0 {
            f.add(
                &format!("cmdstat_{}", entry.full_name),
                format!(
                    "calls={},usec={took_us},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                    stats.calls,
                    stats.took_ns as f64 / 1000.0 / stats.calls.max(1) as f64,
                    stats.rejected,
                    stats.failed
                ),
            );
        }
    }
}

fn latencystats(server: &Server, f: &mut Fields) {
    let percentiles = &server.config.settings.latency_tracking_info_percentiles;
    for (entry, _) in server.stats.commands(server.table) {
        let Some(histogram) = server.stats.histogram(entry) else { continue };
        let shown: Vec<String> = percentiles
            .0
            .iter()
            .map(|percent| format!("p{percent}={:.3}", histogram.percentile(*percent) as f64 / 1000.0))
            .collect();
        f.add(&format!("latency_percentiles_usec_{}", entry.full_name), shown.join(","));
    }
}

fn errorstats(server: &Server, f: &mut Fields) {
    for (code, count) in &server.stats.errors {
        f.add(&format!("errorstat_{code}"), format!("count={count}"));
    }
}

fn cluster(_: &Server, f: &mut Fields) {
    f.add("cluster_enabled", 0);
}

fn keyspace(server: &Server, f: &mut Fields) {
    for (index, db) in server.dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        let (keys, volatile, ttl) = (db.len(), db.volatile_len(), server.average_ttl_ms(index));
        f.add(&format!("db{index}"), format!("keys={keys},expires={volatile},avg_ttl={ttl}"));
    }
}
