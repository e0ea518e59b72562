//! The directives that mean something here, each declared once.

use std::ops::RangeInclusive;

use super::choice::{
    Allowed, AppendFsync, BytesOrPercent, Facility, Hz, OomScore, OomValues, Policy, PubsubDefault,
    ShutdownFlags, Supervised,
};
use super::names::{DirectoryName, FileName};
use super::percentiles::Percentiles;
use super::setting::{BufferLimits, LogLevel, NotifyFlags, Permissions, SavePoints, Setting, Words};
use super::title::TitleTemplate;

/// Whether CONFIG SET may change a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// It may.
    Live,
    /// It is fixed once the server runs.
    AtStart,
}

/// A declared directive.
#[derive(Debug)]
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Its older name, if it has one.
    pub alias: Option<&'static str>,
    /// Whether CONFIG SET may change it.
    pub live: Live,
    /// Reads its value from words.
    pub set: fn(&mut Settings, &[Vec<u8>]) -> Result<(), String>,
    /// Shows its value.
    pub get: fn(&Settings) -> String,
    /// The values of the lines CONFIG REWRITE writes for it.
    pub lines: fn(&Settings) -> Vec<String>,
    many_words: bool,
}

impl Directive {
    /// Its name and its older name.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.alias)
    }

    /// The words of a value given to CONFIG SET.
    pub(super) fn split(&self, value: &[u8]) -> Vec<Vec<u8>> {
        match self.many_words {
            true if value.is_empty() => vec![Vec::new()],
            true => value
                .split(|byte| *byte == b' ')
                .filter(|word| !word.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
            false => vec![value.to_vec()],
        }
    }
}

const ANY: RangeInclusive<i64> = i64::MIN..=i64::MAX;

macro_rules! directives {
    ($($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:literal, $name:literal $(| $alias:literal)?, $live:ident $(, $range:expr)?;)*) => {
        /// Values of all declared directives.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $field: $kind,)*
        }

        impl Default for Settings {
            #[allow(unreachable_code)]
            fn default() -> Self {
                Settings {
                    $($field: {
                        let words: Vec<Vec<u8>> = resp::split::split_words($default.as_bytes()).unwrap_or_default();
                        match <$kind as Setting>::parse(&words, &ANY) {
                            Ok(value) => value,
                            Err(reason) => panic!("default of {}: {reason}", $name),
                        }
                    },)*
                }
            }
        }

        /// Every declared directive.
        pub(super) const DIRECTIVES: &[Directive] = &[
            $(Directive {
                name: $name,
                meaning: concat!($($doc),+),
                alias: directives!(@alias $($alias)?),
                live: Live::$live,
                set: |settings, words| {
                    let value = <$kind as Setting>::parse(words, &directives!(@range $($range)?))?;
                    settings.$field = value.after(&settings.$field);
                    Ok(())
                },
                get: |settings| settings.$field.show(),
                lines: |settings| settings.$field.lines(),
                many_words: <$kind as Setting>::MANY_WORDS,
            },)*
        ];
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
    (@range) => { ANY };
    (@range $range:expr) => { $range };
}

const SECONDS: RangeInclusive<i64> = 0..=i32::MAX as i64;
const POSITIVE: RangeInclusive<i64> = 1..=i32::MAX as i64;

directives! {
    /// TCP port; 0 for none.
    port: i64 = "6379", "port", Live, 0..=65535;
    /// Addresses to listen on; a leading `-` makes one optional.
    bind: Words = "* -::*", "bind", Live;
    /// Address that outgoing connections come from; empty: any.
    bind_source_addr: String = "\"\"", "bind-source-addr", Live;
    /// Unix socket path; empty for none.
    unixsocket: String = "\"\"", "unixsocket", AtStart;
    /// Permissions of the Unix socket.
    unixsocketperm: Permissions = "0", "unixsocketperm", AtStart;
    /// Queue of connections not yet accepted.
    tcp_backlog: i64 = "511", "tcp-backlog", AtStart, SECONDS;
    /// Seconds between keepalive probes; 0 for none.
    tcp_keepalive: i64 = "300", "tcp-keepalive", Live, SECONDS;
    /// Seconds after which an idle client is disconnected; 0 for never.
    timeout: i64 = "0", "timeout", Live, SECONDS;
    /// Clients at the most.
    maxclients: i64 = "10000", "maxclients", Live, 1..=u32::MAX as i64;
    /// Refuses strangers when no password is set and no address was chosen.
    protected_mode: bool = "yes", "protected-mode", Live;
    /// Password of the default user; empty for none.
    requirepass: String = "\"\"", "requirepass", Live;
    /// File that users are kept in; empty: they are lines of the configuration.
    aclfile: String = "\"\"", "aclfile", AtStart;
    /// What a new user may listen to.
    acl_pubsub_default: PubsubDefault = "resetchannels", "acl-pubsub-default", Live;
    /// Refusals kept for ACL LOG.
    acllog_max_len: i64 = "128", "acllog-max-len", Live, 0..=i64::MAX;
    /// Keys remembered at the most for clients that track them; 0 for no limit.
    tracking_table_max_keys: i64 = "1000000", "tracking-table-max-keys", Live, 0..=i64::MAX;
    /// Microseconds from which on a command is in the slow log; negative for never.
    slowlog_log_slower_than: i64 = "10000", "slowlog-log-slower-than", Live, -1..=i64::MAX;
    /// Entries kept in the slow log.
    slowlog_max_len: i64 = "128", "slowlog-max-len", Live, 0..=i64::MAX;
    /// Milliseconds from which on what takes time is noted; 0 for never.
    latency_monitor_threshold: i64 = "0", "latency-monitor-threshold", Live, 0..=i64::MAX;
    /// Whether the durations of commands are counted by class.
    latency_tracking: bool = "yes", "latency-tracking", Live;
    /// Which percentiles of them INFO shows.
    latency_tracking_info_percentiles: Percentiles = "50 99 99.9", "latency-tracking-info-percentiles", Live;
    /// Number of databases.
    databases: i64 = "16", "databases", AtStart, POSITIVE;
    /// Working directory: where the snapshot is.
    dir: String = ".", "dir", Live;
    /// Name of the snapshot file.
    dbfilename: String = "dump.rdb", "dbfilename", Live;
    /// When snapshots are made by themselves.
    save: SavePoints = "3600 1 300 100 60 10000", "save", Live;
    /// Whether snapshots are compressed.
    rdbcompression: bool = "yes", "rdbcompression", Live;
    /// Whether snapshots carry a checksum.
    rdbchecksum: bool = "yes", "rdbchecksum", AtStart;
    /// Microseconds to wait after each key of a snapshot, so that tests and drills find one under way; a
    /// negative number of microseconds is waited once in so many keys.
    rdb_key_save_delay: i64 = "0", "rdb-key-save-delay", Live, i32::MIN as i64..=i32::MAX as i64;
    /// Whether writes are refused while snapshots fail.
    stop_writes_on_bgsave_error: bool = "yes", "stop-writes-on-bgsave-error", Live;
    /// Delete snapshot files used for replication alone.
    rdb_del_sync_files: bool = "no", "rdb-del-sync-files", Live;
    /// Whether every change goes into the append-only file.
    appendonly: bool = "no", "appendonly", Live;
    /// What the names of the append-only file's parts begin with.
    appendfilename: FileName = "appendonly.aof", "appendfilename", AtStart;
    /// The directory that they are in.
    appenddirname: DirectoryName = "appendonlydir", "appenddirname", AtStart;
    /// When changes reach the disk: before their replies, within a second, or when the system likes.
    appendfsync: AppendFsync = "everysec", "appendfsync", Live;
    /// Whether nothing is synced while a child writes.
    no_appendfsync_on_rewrite: bool = "no", "no-appendfsync-on-rewrite", Live;
    /// Growth in percent of the last rewrite's size that has the append-only file rewritten; 0 for never.
    auto_aof_rewrite_percentage: i64 = "100", "auto-aof-rewrite-percentage", Live, SECONDS;
    /// Bytes below which the append-only file is not rewritten by itself.
    auto_aof_rewrite_min_size: u64 = "64mb", "auto-aof-rewrite-min-size", Live, 0..=i64::MAX;
    /// Whether a file that ends inside a command is loaded up to there.
    aof_load_truncated: bool = "yes", "aof-load-truncated", Live;
    /// Whether a rewrite writes a snapshot, which loads faster than commands.
    aof_use_rdb_preamble: bool = "yes", "aof-use-rdb-preamble", Live;
    /// Whether times are written between commands; files with them need version 7.0 to be read.
    aof_timestamp_enabled: bool = "no", "aof-timestamp-enabled", Live;
    /// Whether what a rewrite writes goes to the disk a few megabytes at a time.
    aof_rewrite_incremental_fsync: bool = "yes", "aof-rewrite-incremental-fsync", Live;
    /// Whether files that a rewrite has made superfluous are kept.
    aof_disable_auto_gc: bool = "no", "aof-disable-auto-gc", Live;
    /// Log file; empty: standard output.
    logfile: String = "\"\"", "logfile", AtStart;
    /// Least severity logged.
    loglevel: LogLevel = "notice", "loglevel", Live;
    /// Whether to go into the background.
    daemonize: bool = "no", "daemonize", AtStart;
    /// File that holds the process id; empty for none.
    pidfile: String = "\"\"", "pidfile", AtStart;
    /// Timer frequency.
    hz: Hz = "10", "hz", Live;
    /// The master to replicate from.
    replicaof: Option<(String, u16)> = "\"\"", "replicaof" | "slaveof", AtStart;
    /// Password for the master; empty for none.
    masterauth: String = "\"\"", "masterauth", Live;
    /// User for the master; empty for the default one.
    masteruser: String = "\"\"", "masteruser", Live;
    /// Whether a replica refuses writes.
    replica_read_only: bool = "yes", "replica-read-only" | "slave-read-only", Live;
    /// Whether a replica without its master answers with the data it has.
    replica_serve_stale_data: bool = "yes", "replica-serve-stale-data" | "slave-serve-stale-data", Live;
    /// Sentinel prefers lower; 0 is never promoted.
    replica_priority: i64 = "100", "replica-priority" | "slave-priority", Live, SECONDS;
    /// Whether Sentinel tells clients of this replica.
    replica_announced: bool = "yes", "replica-announced", Live;
    /// Address a replica announces; empty: the one it connects from.
    replica_announce_ip: String = "\"\"", "replica-announce-ip" | "slave-announce-ip", Live;
    /// Port a replica announces; 0: its own.
    replica_announce_port: i64 = "0", "replica-announce-port" | "slave-announce-port", Live, 0..=65535;
    /// Bytes of recent stream kept for partial resynchronization.
    repl_backlog_size: u64 = "1mb", "repl-backlog-size", Live, 1..=i64::MAX;
    /// Seconds after which a master without replicas gives its backlog up; 0 for never.
    repl_backlog_ttl: i64 = "3600", "repl-backlog-ttl", Live, 0..=i64::MAX;
    /// Whether full syncs go straight to the sockets.
    repl_diskless_sync: bool = "yes", "repl-diskless-sync", Live;
    /// Seconds to wait for more replicas before a diskless sync.
    repl_diskless_sync_delay: i64 = "5", "repl-diskless-sync-delay", Live, SECONDS;
    /// Start a diskless sync at once when so many replicas wait; 0 for no such number.
    repl_diskless_sync_max_replicas: i64 = "0", "repl-diskless-sync-max-replicas", Live, SECONDS;
    /// Whether a replica goes on with what it cannot write to its append-only file.
    replica_ignore_disk_write_errors: bool = "no", "replica-ignore-disk-write-errors", Live;
    /// Seconds between pings to replicas.
    repl_ping_replica_period: i64 = "10", "repl-ping-replica-period" | "repl-ping-slave-period", Live, POSITIVE;
    /// Seconds of silence after which a replication link is given up.
    repl_timeout: i64 = "60", "repl-timeout", Live, POSITIVE;
    /// Whether to let the kernel gather small writes on replication links.
    repl_disable_tcp_nodelay: bool = "no", "repl-disable-tcp-nodelay", Live;
    /// Replicas that must be connected and timely for writes to be accepted.
    min_replicas_to_write: i64 = "0", "min-replicas-to-write" | "min-slaves-to-write", Live, SECONDS;
    /// Seconds of lag up to which a replica counts as timely.
    min_replicas_max_lag: i64 = "10", "min-replicas-max-lag" | "min-slaves-max-lag", Live, SECONDS;
    /// Which keyspace events are published.
    notify_keyspace_events: NotifyFlags = "\"\"", "notify-keyspace-events", Live;
    /// Longest string and argument.
    proto_max_bulk_len: u64 = "512mb", "proto-max-bulk-len", Live, (1 << 20)..=i64::MAX;
    /// Most bytes of a request held for a client.
    client_query_buffer_limit: u64 = "1gb", "client-query-buffer-limit", Live, (1 << 20)..=i64::MAX;
    /// Limits on replies a client does not read.
    client_output_buffer_limit: BufferLimits = "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60", "client-output-buffer-limit", Live;
    /// Who may use DEBUG: `no`, `yes`, `local`.
    enable_debug_command: Allowed = "no", "enable-debug-command", AtStart;
    /// Seconds SHUTDOWN waits for replicas to catch up.
    shutdown_timeout: i64 = "10", "shutdown-timeout", Live, SECONDS;
    /// Who may change protected directives: `no`, `yes`, `local`.
    enable_protected_configs: Allowed = "no", "enable-protected-configs", AtStart;
    /// Who may use MODULE: `no`, `yes`, `local`.
    enable_module_command: Allowed = "no", "enable-module-command", AtStart;
    /// What SIGTERM means, as options of SHUTDOWN.
    shutdown_on_sigterm: ShutdownFlags = "default", "shutdown-on-sigterm", Live;
    /// What SIGINT means, as options of SHUTDOWN.
    shutdown_on_sigint: ShutdownFlags = "default", "shutdown-on-sigint", Live;
    /// Which supervisor is told that the server is ready.
    supervised: Supervised = "no", "supervised", AtStart;
    /// Whether the log also goes to the system's.
    syslog_enabled: bool = "no", "syslog-enabled", AtStart;
    /// The name in the system's log.
    syslog_ident: String = "redis", "syslog-ident", AtStart;
    /// The facility in the system's log.
    syslog_facility: Facility = "local0", "syslog-facility", AtStart;
    /// Whether the kernel is told whom to kill first when memory is out.
    oom_score_adj: OomScore = "no", "oom-score-adj", Live;
    /// With which values: master, replica, snapshot child.
    oom_score_adj_values: OomValues = "0 200 800", "oom-score-adj-values", Live;
    /// The process title, with variables in braces.
    proc_title_template: TitleTemplate = "\"{title} {listen-addr} {server-mode}\"", "proc-title-template", Live;
    /// Whether the process title says what the process is.
    set_proc_title: bool = "yes", "set-proc-title", AtStart;
    /// Milliseconds after which other clients are told that a script runs.
    busy_reply_threshold: i64 = "5000", "busy-reply-threshold" | "lua-time-limit", Live, 0..=i64::MAX;
    /// Memory above which keys are evicted; 0 for no limit.
    maxmemory: u64 = "0", "maxmemory", Live;
    /// Which keys are evicted.
    maxmemory_policy: Policy = "noeviction", "maxmemory-policy", Live;
    /// Keys drawn at a time when one is to be evicted.
    maxmemory_samples: i64 = "5", "maxmemory-samples", Live, POSITIVE;
    /// How long evicting may hold commands up, from 0 to 100.
    maxmemory_eviction_tenacity: i64 = "10", "maxmemory-eviction-tenacity", Live, 0..=100;
    /// Memory of all clients together above which the largest are disconnected, in bytes or as a share of
    /// `maxmemory`; 0 for no limit.
    maxmemory_clients: BytesOrPercent = "0", "maxmemory-clients", Live;
    /// Whether a replica leaves eviction to its master.
    replica_ignore_maxmemory: bool = "yes", "replica-ignore-maxmemory" | "slave-ignore-maxmemory", Live;
    /// How slowly counters of use grow.
    lfu_log_factor: i64 = "10", "lfu-log-factor", Live, SECONDS;
    /// Minutes after which a counter of use loses one; 0 for never.
    lfu_decay_time: i64 = "1", "lfu-decay-time", Live, SECONDS;
    /// How much of the processor expiring may take, from 1 to 10.
    active_expire_effort: i64 = "1", "active-expire-effort", Live, 1..=10;
    /// Whether large values are freed in the background when they are evicted.
    lazyfree_lazy_eviction: bool = "no", "lazyfree-lazy-eviction", Live;
    /// Whether large values are freed in the background when a command replaces them.
    lazyfree_lazy_server_del: bool = "no", "lazyfree-lazy-server-del", Live;
    /// Whether DEL frees large values in the background.
    lazyfree_lazy_user_del: bool = "no", "lazyfree-lazy-user-del", Live;
    /// Whether memory is freed in the background when keys expire.
    lazyfree_lazy_expire: bool = "no", "lazyfree-lazy-expire", Live;
    /// Whether FLUSHALL without an option frees in the background.
    lazyfree_lazy_user_flush: bool = "no", "lazyfree-lazy-user-flush", Live;
    /// Elements in a node of a list, or with -1 to -5 its size from 4 KB doubling to 64 KB.
    list_max_listpack_size: i64 = "-2", "list-max-listpack-size" | "list-max-ziplist-size", Live, i32::MIN as i64..=i32::MAX as i64;
    /// Nodes at each end of a list that are not compressed; 0 for none at all.
    list_compress_depth: i64 = "0", "list-compress-depth", Live, SECONDS;
    /// Integers up to which a set of integers is compact.
    set_max_intset_entries: i64 = "512", "set-max-intset-entries", Live, 0..=i64::MAX;
    /// Members up to which a set is compact.
    set_max_listpack_entries: i64 = "128", "set-max-listpack-entries", Live, 0..=i64::MAX;
    /// Bytes of the longest member of a compact set.
    set_max_listpack_value: u64 = "64", "set-max-listpack-value", Live, 0..=i64::MAX;
    /// Fields up to which a hash is compact.
    hash_max_listpack_entries: i64 = "512", "hash-max-listpack-entries" | "hash-max-ziplist-entries", Live, 0..=i64::MAX;
    /// Bytes of the longest field or value of a compact hash.
    hash_max_listpack_value: u64 = "64", "hash-max-listpack-value" | "hash-max-ziplist-value", Live, 0..=i64::MAX;
    /// Members up to which a sorted set is compact.
    zset_max_listpack_entries: i64 = "128", "zset-max-listpack-entries" | "zset-max-ziplist-entries", Live, 0..=i64::MAX;
    /// Bytes of the longest member of a compact sorted set.
    zset_max_listpack_value: u64 = "64", "zset-max-listpack-value" | "zset-max-ziplist-value", Live, 0..=i64::MAX;
    /// Bytes in a node of a stream; 0 for no limit.
    stream_node_max_bytes: u64 = "4096", "stream-node-max-bytes", Live, 0..=i64::MAX;
    /// Entries in a node of a stream; 0 for no limit.
    stream_node_max_entries: i64 = "100", "stream-node-max-entries", Live, 0..=i64::MAX;
    /// Bytes up to which a HyperLogLog is sparse.
    hll_sparse_max_bytes: u64 = "3000", "hll-sparse-max-bytes", Live, 0..=i64::MAX;
}

impl Settings {
    /// The limits of compact encodings.
    pub(crate) fn limits(&self, seed: keyspace::HashSeed) -> keyspace::values::Limits {
        keyspace::values::Limits {
            list_max_listpack_size: self.list_max_listpack_size,
            list_compress_depth: self.list_compress_depth,
            set_max_intset_entries: self.set_max_intset_entries as u64,
            set_max_listpack_entries: self.set_max_listpack_entries as u64,
            set_max_listpack_value: self.set_max_listpack_value,
            hash_max_listpack_entries: self.hash_max_listpack_entries as u64,
            hash_max_listpack_value: self.hash_max_listpack_value,
            zset_max_listpack_entries: self.zset_max_listpack_entries as u64,
            zset_max_listpack_value: self.zset_max_listpack_value,
            stream_node_max_bytes: self.stream_node_max_bytes,
            stream_node_max_entries: self.stream_node_max_entries as u64,
            hll_sparse_max_bytes: self.hll_sparse_max_bytes,
            seed,
            ..keyspace::values::Limits::default()
        }
    }
}

/// The directive called `name` (lower case).
pub(super) fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.names().any(|known| known == name))
}
