//! A fake Redis server: as much as a sentinel can tell.

use topple_sentinel::Value;

/// Where a server is: index into the world's hosts.
pub(crate) type HostId = usize;

/// A data server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) host: HostId,
    pub(crate) runid: String,
    pub(crate) alive: bool,
    pub(crate) paused: bool,
    pub(crate) priority: i64,
    /// `None`: a master.
    pub(crate) follows: Option<HostId>,
    pub(crate) link_up: bool,
    pub(crate) link_down_since: u64,
    /// When a resynchronisation that has begun will be complete.
    pub(crate) synced_at: u64,
    pub(crate) offset: u64,
    /// How long a synchronisation takes.
    pub(crate) sync_ms: u64,
    pub(crate) restarts: u64,
    /// It does what SLAVEOF says, not only answers OK.
    pub(crate) obeys: bool,
}

/// What a command does to the world beyond its reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Publish { channel: String, payload: Vec<u8> },
    Subscribe,
    Follow(Option<(String, u16)>),
    KillClients { pubsub: bool },
}

impl Server {
    pub(crate) fn new(host: HostId, follows: Option<HostId>) -> Server {
        Server {
            host,
            runid: format!("{host:040x}"),
            alive: true,
            paused: false,
            priority: 100,
            follows,
            link_up: follows.is_some(),
            link_down_since: 0,
            synced_at: 0,
            offset: 1,
            sync_ms: 10,
            restarts: 0,
            obeys: true,
        }
    }

    /// INFO as a sentinel reads it. `replicas` are the addresses of those
    /// attached.
    pub(crate) fn info(&self, now: u64, master: Option<&str>, replicas: &[(String, u16)]) -> Vec<u8> {
        let mut text = format!("# Server\r\nrun_id:{}\r\n# Replication\r\n", self.runid);
        match master {
            None => text.push_str("role:master\r\n"),
            Some(host) => {
                let status = if self.link_up { "up" } else { "down" };
                text.push_str(&format!(
                    "role:slave\r\nmaster_host:{host}\r\nmaster_port:6379\r\nmaster_link_status:{status}\r\n"
                ));
                if !self.link_up {
                    let down = now.saturating_sub(self.link_down_since) / 1000;
                    text.push_str(&format!("master_link_down_since_seconds:{down}\r\n"));
                }
                text.push_str(&format!(
                    "slave_repl_offset:{}\r\nslave_priority:{}\r\nreplica_announced:1\r\n",
                    self.offset, self.priority
                ));
            }
        }
        text.push_str(&format!("connected_slaves:{}\r\n", replicas.len()));
        for (n, (ip, port)) in replicas.iter().enumerate() {
            text.push_str(&format!("slave{n}:ip={ip},port={port},state=online,offset=1,lag=0\r\n"));
        }
        text.into_bytes()
    }

    /// Replies to the commands that need nothing of the world.
    pub(crate) fn simple_reply(args: &[Vec<u8>]) -> (Value, Option<Effect>) {
        let words: Vec<String> = args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        let upper: Vec<String> = words.iter().map(|w| w.to_ascii_uppercase()).collect();
        let ok = || Value::Simple(b"OK".to_vec());
        let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
        match upper.as_slice() {
            ["PING"] => (Value::Simple(b"PONG".to_vec()), None),
            ["AUTH", ..] | ["CLIENT", "SETNAME", _] | ["CONFIG", "REWRITE"] => (ok(), None),
            ["SUBSCRIBE", _] => {
                let fields =
                    vec![Value::Bulk(b"subscribe".to_vec()), Value::Bulk(args[1].clone()), Value::Int(1)];
                (Value::Array(fields), Some(Effect::Subscribe))
            }
            ["PUBLISH", _, _] => {
                let effect = Effect::Publish { channel: words[1].clone(), payload: args[2].clone() };
                (Value::Int(1), Some(effect))
            }
            ["SLAVEOF", "NO", "ONE"] => (ok(), Some(Effect::Follow(None))),
            ["SLAVEOF", _, port] => {
                let to = (words[1].clone(), port.parse().expect("a port"));
                (ok(), Some(Effect::Follow(Some(to))))
            }
            ["CLIENT", "KILL", "TYPE", kind] => {
                (Value::Int(0), Some(Effect::KillClients { pubsub: *kind == "PUBSUB" }))
            }
            other => panic!("a sentinel sent {other:?}"),
        }
    }
}
