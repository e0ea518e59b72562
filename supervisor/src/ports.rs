//! Ports for nodes that name none.
//!
//! The allocator is passed into evaluation, so that a plan is a function of the script, its inputs and the
//! allocator. The real one skips ports that something on this machine listens on; the recorded one repeats
//! a plan, so that a restart or another repeat never moves a node.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, TcpListener};

use crate::plan::Plan;

/// Gives ports to nodes.
pub trait PortAllocator {
    /// A port for the node of this name at this address: the first free one from `first` upward. None when
    /// there is none.
    fn allocate(&mut self, node: &str, ip: IpAddr, first: u16) -> Option<u16>;

    /// Takes a port that the script names out of the choice.
    fn claim(&mut self, ip: IpAddr, port: u16);
}

/// Free ports of this machine.
#[derive(Debug, Default)]
pub struct SystemPorts {
    taken: HashSet<(IpAddr, u16)>,
}

impl PortAllocator for SystemPorts {
    fn allocate(&mut self, _node: &str, ip: IpAddr, first: u16) -> Option<u16> {
        let port = (first..=u16::MAX).find(|&port| !self.taken.contains(&(ip, port)) && is_free(ip, port))?;
        self.taken.insert((ip, port));
        Some(port)
    }

    fn claim(&mut self, ip: IpAddr, port: u16) {
        self.taken.insert((ip, port));
    }
}

/// Whether nothing listens on the port, as far as this process may know.
pub fn is_free(ip: IpAddr, port: u16) -> bool {
    TcpListener::bind((ip, port)).is_ok()
}

/// The process that listens on a port, as far as this one may look: `process 4711 (redis-server *:6379)`.
pub fn holder(port: u16) -> Option<String> {
    let sockets: HashSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening_socket(line, port)).collect::<Vec<_>>())
        .collect();
    let holds = |pid: &u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| sockets.contains(target.to_string_lossy().as_ref()))
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pid = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find(holds)?;
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
    Some(format!("process {pid} ({})", line.trim_end()))
}

/// The socket of a line of the kernel's table that listens on the port, as links in `/proc/*/fd` name it.
fn listening_socket(line: &str, port: u16) -> Option<String> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let here = u16::from_str_radix(local_port, 16).ok() == Some(port) && *fields.get(3)? == LISTENING;
    here.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
}

/// Ports counted up without a look at the machine: for plans that are only shown or compared.
#[derive(Debug, Default)]
pub struct CountedPorts {
    taken: HashSet<(IpAddr, u16)>,
}

impl PortAllocator for CountedPorts {
    fn allocate(&mut self, _node: &str, ip: IpAddr, first: u16) -> Option<u16> {
        let port = (first..=u16::MAX).find(|&port| !self.taken.contains(&(ip, port)))?;
        self.taken.insert((ip, port));
        Some(port)
    }

    fn claim(&mut self, ip: IpAddr, port: u16) {
        self.taken.insert((ip, port));
    }
}

/// The ports of a plan, node by node.
#[derive(Debug, Default)]
pub struct RecordedPorts {
    ports: HashMap<String, u16>,
}

impl RecordedPorts {
    /// The ports of this plan.
    pub fn of(plan: &Plan) -> Self {
        Self { ports: plan.nodes.iter().map(|node| (node.name.clone(), node.port)).collect() }
    }
}

impl PortAllocator for RecordedPorts {
    fn allocate(&mut self, node: &str, _ip: IpAddr, first: u16) -> Option<u16> {
        // A node that the plan does not have makes the plans differ, which is what is reported then.
        Some(self.ports.get(node).copied().unwrap_or(first))
    }

    fn claim(&mut self, _ip: IpAddr, _port: u16) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_in_use_is_skipped() {
        let listener = TcpListener::bind((LOOPBACK, 0)).expect("a free port");
        let used = listener.local_addr().expect("bound").port();
        let mut ports = SystemPorts::default();
        assert_ne!(ports.allocate("a", LOOPBACK, used), Some(used));
    }

    #[test]
    fn who_holds_a_port_is_found() {
        let listener = TcpListener::bind((LOOPBACK, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let found = holder(port).expect("it is this process");
        assert!(found.starts_with(&format!("process {} (", std::process::id())), "{found}");
        drop(listener);
        assert_eq!(holder(port), None);
    }

    #[test]
    fn no_port_is_given_twice_or_when_claimed() {
        let mut ports = CountedPorts::default();
        ports.claim(LOOPBACK, 6380);
        let given: Vec<_> = ["a", "b", "c"].map(|name| ports.allocate(name, LOOPBACK, 6379)).into();
        assert_eq!(given, [Some(6379), Some(6381), Some(6382)]);
        assert_eq!(ports.allocate("d", LOOPBACK, u16::MAX), Some(u16::MAX));
        assert_eq!(ports.allocate("e", LOOPBACK, u16::MAX), None);
    }
}
