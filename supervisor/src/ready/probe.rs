//! Asking nodes for their [`Facts`]: one connection a node, all nodes at once, as often as is useful.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use resp::Value;
use tokio::task::JoinSet;

use crate::client::{Client, ClientError, Endpoint, info_fields};
use crate::plan::{NodeId, NodeKind, Plan};
use crate::ready::{Facts, MonitorFacts, Peer, Round, ServerFacts};

/// Limit of one question. A node that is loading or paused is asked again.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// So many sentinels over all of a sentinel's masters make its full account long: it is counted first.
const LARGE_COMPANY: usize = 20;

/// Connections kept from round to round.
pub struct Prober {
    targets: Vec<Target>,
    connections: HashMap<NodeId, Client>,
    offsets: HashMap<NodeId, i64>,
}

#[derive(Clone)]
struct Target {
    id: NodeId,
    endpoint: Endpoint,
    sentinel: bool,
    /// Names to ask a sentinel about, each with how many sentinels watch it.
    monitors: Vec<(String, usize)>,
}

impl Prober {
    /// A prober of all servers and sentinels of a plan.
    pub fn new(plan: &Plan) -> Self {
        let target = |id: NodeId| {
            let node = plan.node(id);
            Target {
                id,
                endpoint: Endpoint::of(node),
                sentinel: node.kind == NodeKind::Sentinel,
                monitors: plan
                    .monitors_of(id)
                    .map(|monitor| (monitor.name.clone(), monitor.sentinels.len()))
                    .collect(),
            }
        };
        Self {
            targets: plan.node_ids().filter(|&id| !plan.node(id).is_process()).map(target).collect(),
            connections: HashMap::new(),
            offsets: HashMap::new(),
        }
    }

    /// Asks every node for which `runs` says so; the others are silent for that reason.
    ///
    /// Must be called inside a `LocalSet`.
    pub async fn round(&mut self, runs: impl Fn(NodeId) -> Result<(), String>) -> Round {
        let mut facts = HashMap::new();
        let mut asked = JoinSet::new();
        for target in &self.targets {
            if let Err(reason) = runs(target.id) {
                self.connections.remove(&target.id);
                facts.insert(target.id, Facts::Silent(reason));
                continue;
            }
            let target = target.clone();
            let connection = self.connections.remove(&target.id);
            asked.spawn_local(async move {
                let answer = ask(&target, connection).await;
                (target.id, answer)
            });
        }
        while let Some(joined) = asked.join_next().await {
            let Ok((id, answer)) = joined else { continue };
            let said = match answer {
                Ok((connection, said)) => {
                    self.connections.insert(id, connection);
                    said
                }
                Err(error) => Facts::Silent(format!("does not answer ({error})")),
            };
            facts.insert(id, said);
        }
        let offset = |(&id, facts): (&NodeId, &Facts)| match facts {
            Facts::Server(server) => Some((id, server.offset)),
            _ => None,
        };
        let offsets = facts.iter().filter_map(offset).collect();
        let earlier_offsets = std::mem::replace(&mut self.offsets, offsets);
        Round { facts, earlier_offsets }
    }
}

async fn ask(target: &Target, connection: Option<Client>) -> Result<(Client, Facts), ClientError> {
    let mut client = match connection {
        Some(client) => client,
        None => Client::connect(&target.endpoint, ANSWER_LIMIT).await?,
    };
    let facts = if target.sentinel {
        ask_sentinel(&mut client, &target.monitors).await?
    } else {
        let reply = client.command(&["INFO"], ANSWER_LIMIT).await?;
        match reply.to_text() {
            Some(text) => Facts::Server(server_facts(&text)),
            None => Facts::Silent(refusal(&reply)),
        }
    };
    Ok((client, facts))
}

fn refusal(reply: &Value) -> String {
    format!("answers {}", reply.as_error().unwrap_or_else(|| "nonsense".to_owned()))
}

/// Reads INFO.
pub fn server_facts(info: &str) -> ServerFacts {
    let fields: HashMap<String, String> = info_fields(info).into_iter().collect();
    let get = |name: &str| fields.get(name).map_or("", String::as_str);
    let role = get("role").to_owned();
    let master = match (get("master_host").parse::<IpAddr>(), get("master_port").parse()) {
        (Ok(ip), Ok(port)) => Some(SocketAddr::new(ip, port)),
        _ => None,
    };
    let offset_field = if role == "slave" { "slave_repl_offset" } else { "master_repl_offset" };
    ServerFacts {
        loading: get("loading") == "1" || get("async_loading") == "1",
        linked: get("master_link_status") == "up" && get("master_sync_in_progress") == "0",
        offset: get(offset_field).parse().unwrap_or(-1),
        master,
        role,
    }
}

async fn ask_sentinel(client: &mut Client, monitors: &[(String, usize)]) -> Result<Facts, ClientError> {
    if monitors.iter().map(|(_, sentinels)| sentinels).sum::<usize>() > LARGE_COMPANY {
        let reply = client.command(&["INFO", "sentinel"], ANSWER_LIMIT).await?;
        if let Some(missing) = reply.to_text().and_then(|text| missing_company(&text, monitors)) {
            return Ok(Facts::Silent(missing));
        }
    }
    let questions: Vec<Vec<&str>> = monitors
        .iter()
        .flat_map(|(name, _)| ["MASTER", "REPLICAS", "SENTINELS"].map(|what| vec!["SENTINEL", what, name]))
        .collect();
    let replies = client.pipeline(&questions, ANSWER_LIMIT).await?;
    let mut facts = BTreeMap::new();
    for ((name, _), replies) in monitors.iter().zip(replies.chunks_exact(3)) {
        // An error means that the name is not monitored (yet).
        if replies.iter().all(|reply| reply.as_error().is_none()) {
            facts.insert(name.clone(), monitor_facts(&replies[0], &replies[1], &replies[2]));
        }
    }
    Ok(Facts::Sentinel(facts))
}

/// The first master that a sentinel does not know all sentinels of yet, by its INFO.
fn missing_company(info: &str, monitors: &[(String, usize)]) -> Option<String> {
    let known: HashMap<String, usize> = info_fields(info)
        .into_iter()
        .filter(|(field, _)| field.strip_prefix("master").is_some_and(|n| n.parse::<u32>().is_ok()))
        .filter_map(|(_, value)| {
            let fields: HashMap<&str, &str> =
                value.split(',').filter_map(|pair| pair.split_once('=')).collect();
            Some(((*fields.get("name")?).to_owned(), fields.get("sentinels")?.parse().ok()?))
        })
        .collect();
    monitors.iter().find_map(|(name, wanted)| match known.get(name) {
        Some(count) if count >= wanted => None,
        count => Some(format!("{name}: knows {} of {wanted} sentinels", count.copied().unwrap_or(0))),
    })
}

fn monitor_facts(master: &Value, replicas: &Value, sentinels: &Value) -> MonitorFacts {
    let master = pairs(master);
    let peers = |reply: &Value| -> Vec<Peer> {
        reply.as_array().unwrap_or_default().iter().filter_map(|item| peer(&pairs(item))).collect()
    };
    MonitorFacts {
        address: address_in(&master),
        flags: master.get("flags").cloned().unwrap_or_default(),
        replicas: peers(replicas),
        sentinels: peers(sentinels),
    }
}

fn peer(fields: &HashMap<String, String>) -> Option<Peer> {
    Some(Peer {
        address: address_in(fields)?,
        flags: fields.get("flags").cloned().unwrap_or_default(),
        linked: fields.get("master-link-status").is_none_or(|status| status == "ok"),
    })
}

fn address_in(fields: &HashMap<String, String>) -> Option<SocketAddr> {
    Some(SocketAddr::new(fields.get("ip")?.parse().ok()?, fields.get("port")?.parse().ok()?))
}

/// A flat array of names and values, or a map, as a map.
fn pairs(reply: &Value) -> HashMap<String, String> {
    let text = |value: &Value| value.to_text().unwrap_or_default();
    match reply {
        Value::Map(entries) => entries.iter().map(|(name, value)| (text(name), text(value))).collect(),
        other => other
            .as_array()
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replicas_info_is_read() {
        let facts = server_facts(
            "loading:0\r\nasync_loading:0\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:6379\r\n\
             master_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:42\r\n\
             master_repl_offset:42\r\n",
        );
        assert_eq!(facts.role, "slave");
        assert_eq!(facts.master, Some("127.0.0.1:6379".parse().unwrap()));
        assert!(facts.linked && !facts.loading);
        assert_eq!(facts.offset, 42);
        let loading = server_facts("loading:1\r\nrole:master\r\n");
        assert!(loading.loading && !loading.linked);
    }

    #[test]
    fn a_sentinel_s_company_is_counted() {
        let info = "# Sentinel\r\nsentinel_masters:2\r\n\
                    master0:name=a,status=ok,address=127.0.0.1:1,slaves=6,sentinels=30\r\n\
                    master1:name=b,status=ok,address=127.0.0.1:2,slaves=6,sentinels=29\r\n";
        let wanted = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 30)).collect::<Vec<_>>();
        assert_eq!(missing_company(info, &wanted(&["a"])), None);
        assert_eq!(
            missing_company(info, &wanted(&["a", "b"])),
            Some("b: knows 29 of 30 sentinels".to_owned())
        );
        assert_eq!(missing_company(info, &wanted(&["c"])), Some("c: knows 0 of 30 sentinels".to_owned()));
    }

    #[test]
    fn sentinel_replies_are_read_flat_or_as_maps() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let flat = Value::Array(["ip", "127.0.0.1", "port", "7", "flags", "master"].map(bulk).to_vec());
        let map = Value::Map(vec![(bulk("ip"), bulk("::1")), (bulk("port"), bulk("8"))]);
        let facts = monitor_facts(&flat, &Value::Array(vec![map]), &Value::Array(vec![]));
        assert_eq!(facts.address, Some("127.0.0.1:7".parse().unwrap()));
        assert_eq!(facts.flags, "master");
        assert_eq!(facts.replicas[0].address, "[::1]:8".parse().unwrap());
        assert!(facts.sentinels.is_empty());
    }
}
