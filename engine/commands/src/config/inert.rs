//! Directives of Redis 7.2 that mean nothing here, or not yet: known, checked, kept, shown.
//!
//! Most tune a mechanism that this engine does without (incremental rehashing, I/O threads, active
//! defragmentation, TLS). A value that asks for something which would be missed (cluster mode,
//! TLS) is refused, because a server that silently lacks what its configuration promises
//! loses data.

use std::ops::RangeInclusive;

use resp::number::parse_i64;

use super::setting::parse_memory;

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    YesNo,
    Int(RangeInclusive<i64>),
    /// A number of bytes, with a unit or without.
    Bytes(RangeInclusive<i64>),
    OneOf(&'static [&'static str]),
    Text,
}

use Kind::{Bytes, Int, OneOf, Text, YesNo};

/// A directive without a meaning here.
#[derive(Debug)]
pub(super) struct Inert {
    pub(super) name: &'static str,
    pub(super) alias: Option<&'static str>,
    pub(super) default: &'static str,
    /// Whether CONFIG SET may change it.
    pub(super) is_live: bool,
    kind: Kind,
}

const INT: i64 = i32::MAX as i64;

const fn live(name: &'static str, default: &'static str, kind: Kind) -> Inert {
    Inert { name, alias: None, default, is_live: true, kind }
}

const fn fixed(name: &'static str, default: &'static str, kind: Kind) -> Inert {
    Inert { name, alias: None, default, is_live: false, kind }
}

impl Inert {
    const fn known_as(self, alias: &'static str) -> Self {
        Self {
            name: self.name,
            alias: Some(alias),
            default: self.default,
            is_live: self.is_live,
            kind: self.kind,
        }
    }

    /// Its name and its older name.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.alias)
    }

    /// The value as it is kept, if it is one.
    pub(super) fn check(&self, words: &[Vec<u8>]) -> Result<String, String> {
        refuse(self.name, words)?;
        let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let [word] = words else { return Err("wrong number of arguments".into()) };
        let within = |value: i64, range: &RangeInclusive<i64>| match range.contains(&value) {
            true => Ok(value.to_string()),
            false => Err(format!("argument must be between {} and {} inclusive", range.start(), range.end())),
        };
        match &self.kind {
            YesNo => one_of(word, &["yes", "no"]).ok_or_else(|| "argument must be 'yes' or 'no'".into()),
            OneOf(names) => one_of(word, names)
                .ok_or_else(|| format!("argument(s) must be one of the following: {}", names.join(", "))),
            Int(range) => {
                within(parse_i64(word).ok_or("argument couldn't be parsed into an integer")?, range)
            }
            Bytes(range) => {
                let bytes = parse_memory(word).and_then(|bytes| i64::try_from(bytes).ok());
                within(bytes.ok_or("argument must be a memory value")?, range)
            }
            Text => Ok(text(word)),
        }
    }
}

fn one_of(word: &[u8], names: &[&str]) -> Option<String> {
    names.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(word)).map(|name| name.to_string())
}

/// The directive called `name` (lower case).
pub(super) fn find(name: &str) -> Option<&'static Inert> {
    INERT.iter().find(|one| one.names().any(|known| known == name))
}

/// All of them.
pub(super) const INERT: &[Inert] = &[
    live("active-defrag-cycle-max", "25", Int(1..=99)),
    live("active-defrag-cycle-min", "1", Int(1..=99)),
    live("active-defrag-ignore-bytes", "104857600", Bytes(1..=i64::MAX)),
    live("active-defrag-max-scan-fields", "1000", Int(1..=i64::MAX)),
    live("active-defrag-threshold-lower", "10", Int(0..=1000)),
    live("active-defrag-threshold-upper", "100", Int(0..=1000)),
    live("activedefrag", "no", YesNo),
    live("activerehashing", "yes", YesNo),
    fixed("always-show-logo", "no", YesNo),
    fixed("aof_rewrite_cpulist", "", Text),
    fixed("bgsave_cpulist", "", Text),
    fixed("bio_cpulist", "", Text),
    live("cluster-allow-pubsubshard-when-down", "yes", YesNo),
    live("cluster-allow-reads-when-down", "no", YesNo),
    live("cluster-allow-replica-migration", "yes", YesNo),
    live("cluster-announce-bus-port", "0", Int(0..=65535)),
    live("cluster-announce-hostname", "", Text),
    live("cluster-announce-human-nodename", "", Text),
    live("cluster-announce-ip", "", Text),
    live("cluster-announce-port", "0", Int(0..=65535)),
    live("cluster-announce-tls-port", "0", Int(0..=65535)),
    fixed("cluster-config-file", "nodes.conf", Text),
    fixed("cluster-enabled", "no", YesNo),
    live("cluster-link-sendbuf-limit", "0", Bytes(0..=i64::MAX)),
    live("cluster-migration-barrier", "1", Int(0..=INT)),
    live("cluster-node-timeout", "15000", Int(0..=i64::MAX)),
    fixed("cluster-port", "0", Int(0..=65535)),
    live("cluster-preferred-endpoint-type", "ip", OneOf(&["ip", "hostname", "unknown-endpoint"])),
    live("cluster-replica-no-failover", "no", YesNo).known_as("cluster-slave-no-failover"),
    live("cluster-replica-validity-factor", "10", Int(0..=INT)).known_as("cluster-slave-validity-factor"),
    live("cluster-require-full-coverage", "yes", YesNo),
    live("crash-log-enabled", "yes", YesNo),
    live("crash-memcheck-enabled", "yes", YesNo),
    fixed("disable-thp", "yes", YesNo),
    live("dynamic-hz", "yes", YesNo),
    live("hide-user-data-from-log", "no", YesNo),
    live("ignore-warnings", "", Text),
    fixed("io-threads", "1", Int(1..=128)),
    fixed("io-threads-do-reads", "no", YesNo),
    live("jemalloc-bg-thread", "yes", YesNo),
    live("key-load-delay", "0", Int(i32::MIN as i64..=INT)),
    live("loading-process-events-interval-bytes", "2097152", Bytes(1024..=i32::MAX as i64)),
    live("locale-collate", "", Text),
    live("propagation-error-behavior", "ignore", OneOf(&["ignore", "panic", "panic-on-replicas"])),
    live("rdb-save-incremental-fsync", "yes", YesNo),
    live("repl-diskless-load", "disabled", OneOf(&["disabled", "on-empty-db", "swapdb"])),
    live("replica-lazy-flush", "no", YesNo).known_as("slave-lazy-flush"),
    live("sanitize-dump-payload", "no", OneOf(&["no", "yes", "clients"])),
    fixed("server_cpulist", "", Text),
    fixed("socket-mark-id", "0", Int(0..=u32::MAX as i64)),
    live("tls-auth-clients", "yes", OneOf(&["no", "yes", "optional"])),
    live("tls-ca-cert-dir", "", Text),
    live("tls-ca-cert-file", "", Text),
    live("tls-cert-file", "", Text),
    live("tls-ciphers", "", Text),
    live("tls-ciphersuites", "", Text),
    live("tls-client-cert-file", "", Text),
    live("tls-client-key-file", "", Text),
    live("tls-client-key-file-pass", "", Text),
    live("tls-cluster", "no", YesNo),
    live("tls-dh-params-file", "", Text),
    live("tls-key-file", "", Text),
    live("tls-key-file-pass", "", Text),
    live("tls-port", "0", Int(0..=65535)),
    live("tls-prefer-server-ciphers", "no", YesNo),
    live("tls-protocols", "", Text),
    live("tls-replication", "no", YesNo),
    live("tls-session-cache-size", "20480", Int(0..=INT)),
    live("tls-session-cache-timeout", "300", Int(0..=INT)),
    live("tls-session-caching", "yes", YesNo),
    live("use-exit-on-panic", "no", YesNo),
    live("watchdog-period", "0", Int(0..=INT)),
];

/// Values that must not be taken for granted: the directive, what it may be set to, and what is missing.
const ONLY: &[(&str, &[&str], &str)] = &[
    ("cluster-enabled", &["no"], "cluster mode"),
    ("tls-port", &["0"], "TLS"),
    ("tls-replication", &["no"], "TLS"),
];

/// What a directive may only be set to, and what is missing.
#[cfg(test)]
pub(super) fn only(name: &str) -> Option<(&'static [&'static str], &'static str)> {
    ONLY.iter().find(|(known, ..)| *known == name).map(|(_, values, what)| (*values, *what))
}

/// Refuses a value that asks for what is not there.
fn refuse(name: &str, words: &[Vec<u8>]) -> Result<(), String> {
    let Some((_, allowed, what)) = ONLY.iter().find(|(known, ..)| *known == name) else { return Ok(()) };
    match words {
        [word] if allowed.iter().any(|value| value.as_bytes().eq_ignore_ascii_case(word)) => Ok(()),
        _ => Err(format!("{what} is not supported by this version")),
    }
}
