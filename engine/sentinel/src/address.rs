//! Where an instance is: a host as it was told, its address, its port.
//!
//! A host is an IP literal or, with `resolve-hostnames yes`, a name. Names are
//! resolved by the shell on request; until an answer comes the name stands for
//! itself. Whether two addresses are the same follows Redis: equal ports and
//! an equal address or an equal name.

use std::{collections::BTreeMap, net::IpAddr};

use crate::time::MonoMs;

/// Host and port of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// As configured, announced or reported.
    pub(crate) host: String,
    /// The address in its canonical text; `None` while a name is unresolved.
    pub(crate) ip: Option<String>,
    pub(crate) port: u16,
}

impl Address {
    /// An address of a host that is a literal, or a name known to `names`.
    pub(crate) fn new(host: &str, port: u16, names: &Names) -> Address {
        Address { host: host.to_owned(), ip: names.ip(host), port }
    }

    /// The host as replies, events and the file show it.
    pub(crate) fn shown(&self, announce_hostnames: bool) -> &str {
        match &self.ip {
            Some(ip) if !announce_hostnames => ip,
            _ => &self.host,
        }
    }

    pub(crate) fn is(&self, other: &Address) -> bool {
        self.port == other.port && self.has_same_host(other)
    }

    /// Whether `host:port`, as told by another instance, is this address.
    pub(crate) fn matches(&self, host: &str, port: u16, names: &Names) -> bool {
        self.port == port && self.has_same_host(&Address::new(host, port, names))
    }

    fn has_same_host(&self, other: &Address) -> bool {
        let same_ip = self.ip.is_some() && self.ip == other.ip;
        same_ip || self.host.eq_ignore_ascii_case(&other.host)
    }
}

/// The canonical text of an IP literal.
pub(crate) fn literal(host: &str) -> Option<String> {
    host.parse::<IpAddr>().ok().map(|ip| ip.to_string())
}

/// What is known of host names.
#[derive(Default, Debug)]
pub(crate) struct Names {
    known: BTreeMap<String, Resolution>,
}

#[derive(Debug)]
struct Resolution {
    ip: Option<String>,
    asked_at: Option<MonoMs>,
}

/// How long an unanswered or failed resolution is left alone.
const RETRY_MS: u64 = 1000;

impl Names {
    pub(crate) fn ip(&self, host: &str) -> Option<String> {
        literal(host).or_else(|| self.known.get(&host.to_ascii_lowercase())?.ip.clone())
    }

    /// Whether the shell must be asked for `host` now; notes that it is.
    pub(crate) fn ask(&mut self, host: &str, now: MonoMs) -> bool {
        if literal(host).is_some() {
            return false;
        }
        let entry =
            self.known.entry(host.to_ascii_lowercase()).or_insert(Resolution { ip: None, asked_at: None });
        if entry.asked_at.is_some_and(|at| now.since(at) < RETRY_MS) {
            return false;
        }
        entry.asked_at = Some(now);
        true
    }

    /// Takes the shell's answer. A failure keeps an earlier address.
    pub(crate) fn learn(&mut self, host: &str, ip: Option<IpAddr>) {
        let entry =
            self.known.entry(host.to_ascii_lowercase()).or_insert(Resolution { ip: None, asked_at: None });
        if let Some(ip) = ip {
            entry.ip = Some(ip.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_canonical_and_names_wait_for_an_answer() {
        let mut names = Names::default();
        assert_eq!(Address::new("0:0:0:0:0:0:0:1", 1, &names).shown(false), "::1");
        let name = Address::new("db.local", 1, &names);
        assert_eq!(name.shown(false), "db.local");
        assert!(names.ask("db.local", MonoMs(0)));
        assert!(!names.ask("DB.local", MonoMs(5)));
        names.learn("db.local", "10.0.0.1".parse().ok());
        let resolved = Address::new("db.local", 1, &names);
        assert_eq!(resolved.shown(false), "10.0.0.1");
        assert_eq!(resolved.shown(true), "db.local");
        assert!(resolved.matches("10.0.0.1", 1, &names));
        assert!(!resolved.matches("10.0.0.1", 2, &names));
        assert!(name.is(&resolved));
    }
}
