//! Shorter periods for real sentinels during the bring-up.
//!
//! Redis's Sentinel looks at replicas every 10 s and says hello every 2 s, so a topology of real sentinels
//! takes seconds to know itself. `SENTINEL DEBUG` (Redis 7.0 and later) changes these periods; they are put
//! back before the topology counts as ready, so experiments see the sentinel's own pace. Our own sentinels
//! need none of this. Periods that decide (down-after, time-outs) are never touched.

use std::time::Duration;

use resp::Value;
use tokio::time::Instant;

use crate::client::{Client, Endpoint};
use crate::nodes::Nodes;
use crate::plan::{EngineChoice, NodeId, NodeKind, Plan};

const SHORT_PERIODS: [(&str, &str); 3] =
    [("INFO-PERIOD", "50"), ("PUBLISH-PERIOD", "50"), ("PING-PERIOD", "100")];
const ANSWER_LIMIT: Duration = Duration::from_millis(500);

/// Sentinels whose periods were changed.
pub struct Hastened(Vec<(Endpoint, Vec<(String, String)>)>);

/// Shortens the periods of all real sentinels, as soon as each answers.
pub async fn hasten(plan: &Plan, nodes: &Nodes, limit: Duration) -> Hastened {
    let deadline = Instant::now() + limit;
    let is_real = |id: &NodeId| {
        let node = plan.node(*id);
        node.kind == NodeKind::Sentinel && matches!(node.engine, EngineChoice::Path(_))
    };
    let tasks: Vec<_> = plan
        .node_ids()
        .filter(is_real)
        .map(|id| {
            let endpoint = Endpoint::of(plan.node(id));
            let nodes = nodes.clone();
            tokio::task::spawn_local(async move {
                while nodes.runs(id).is_ok() && Instant::now() < deadline {
                    if let Some(before) = shorten(&endpoint).await {
                        return Some((endpoint, before));
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                None
            })
        })
        .collect();
    let mut hastened = Vec::new();
    for task in tasks {
        hastened.extend(task.await.ok().flatten());
    }
    Hastened(hastened)
}

/// Gives the values before; empty when this version cannot change them; none when it does not answer yet.
async fn shorten(endpoint: &Endpoint) -> Option<Vec<(String, String)>> {
    let mut client = Client::connect(endpoint, ANSWER_LIMIT).await.ok()?;
    let reply = client.command(&["SENTINEL", "DEBUG"], ANSWER_LIMIT).await.ok()?;
    let before = known_periods(&reply);
    if before.is_empty() {
        return Some(before);
    }
    let mut command = vec!["SENTINEL", "DEBUG"];
    for (name, value) in SHORT_PERIODS {
        command.extend([name, value]);
    }
    client.command(&command, ANSWER_LIMIT).await.ok()?;
    Some(before)
}

fn known_periods(reply: &Value) -> Vec<(String, String)> {
    let items: Vec<String> = reply.as_array().unwrap_or_default().iter().filter_map(Value::to_text).collect();
    let value_of = |name: &str| {
        let pair = items.chunks_exact(2).find(|pair| pair[0].eq_ignore_ascii_case(name))?;
        Some((name.to_owned(), pair[1].clone()))
    };
    let known: Vec<_> = SHORT_PERIODS.iter().filter_map(|(name, _)| value_of(name)).collect();
    if known.len() == SHORT_PERIODS.len() { known } else { Vec::new() }
}

impl Hastened {
    /// Puts every period back to what it was.
    pub async fn restore(self) {
        for (endpoint, before) in self.0 {
            if before.is_empty() {
                continue;
            }
            let mut command = vec!["SENTINEL".to_owned(), "DEBUG".to_owned()];
            command.extend(before.into_iter().flat_map(|(name, value)| [name, value]));
            if let Ok(mut client) = Client::connect(&endpoint, ANSWER_LIMIT).await {
                let _ = client.command(&command, ANSWER_LIMIT).await;
            }
        }
    }
}
