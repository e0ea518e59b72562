//! Workloads: `workload`, and `writing`, `acked`, `failed` of a running one; `stop` gives its ledger.

use std::time::Duration;

use rhai::Dynamic;

use super::call::Call;
use super::failure::{Failure, Outcome, Spot};
use super::observe::{ask, unfit};
use super::quantity::parse_size;
use super::values::{LedgerValue, LoadHandle, TimeSpan};
use super::words::{Place, Takes, Word, option, optional, required};
use crate::world::{Acted, Action, Observation, Query, Via, WorkloadSpec, WorkloadStatus};

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "workload",
        place: Place::Experiment,
        params: &[optional("options", Takes::Options)],
        variadic: false,
        options: &[
            option("clients", Takes::Count(1, 10_000), "8", "concurrent clients, one connection each"),
            option(
                "via",
                Takes::NodeOrMonitor,
                "the only monitor, or the first master",
                "where clients write: always this node, or the master that the sentinels name",
            ),
            option("op", Takes::Choice(&["set", "get", "incr", "mixed"]), "\"set\"", "what they do"),
            option("value", Takes::Size, "\"32b\"", "size of a value"),
            option("rate", Takes::Count(1, 10_000_000), "", "operations a second, over all clients"),
            option("timeout", Takes::Duration, "\"500ms\"", "limit of one operation"),
        ],
        gives: "a workload",
        summary: "Starts clients that write (or read) until `stop`.",
        run: workload,
    },
    Word {
        name: "writing",
        place: Place::Experiment,
        params: &[required("workload", Takes::Load)],
        variadic: false,
        options: &[],
        gives: "a boolean",
        summary: "Whether every client's last operation succeeded, within the last 250 ms.",
        run: |call| Ok(status(call)?.writing.into()),
    },
    Word {
        name: "acked",
        place: Place::Experiment,
        params: &[required("workload", Takes::Load)],
        variadic: false,
        options: &[],
        gives: "a number",
        summary: "Operations acknowledged so far.",
        run: |call| Ok((status(call)?.acked as i64).into()),
    },
    Word {
        name: "failed",
        place: Place::Experiment,
        params: &[required("workload", Takes::Load)],
        variadic: false,
        options: &[],
        gives: "a number",
        summary: "Operations that failed or timed out so far.",
        run: |call| Ok((status(call)?.failed as i64).into()),
    },
];

fn workload(call: &mut Call<'_>) -> Outcome {
    let options = call.options(0)?;
    if let Some(node) = options.node("via").filter(|node| node.node.is_process()) {
        let message = format!("`{}` is a process, not a server: no workload goes there", node.node.name);
        return Err(Failure::new(options.value_spot("via"), message).into());
    }
    let via = match (options.node("via"), options.monitor("via")) {
        (Some(node), _) if node.is_sentinel() => {
            let message = format!("`{}` is a sentinel: clients write to a server", node.node.name);
            return Err(Failure::new(options.value_spot("via"), message)
                .note("give the monitor, and clients ask its sentinels for the master".to_owned())
                .into());
        }
        (Some(node), _) => Via::Node(node.id),
        (_, Some(monitor)) => Via::Monitor(monitor.id),
        _ => default_via(call)?,
    };
    let timeout = options.span("timeout").unwrap_or(TimeSpan(500_000));
    let value = options.text("value").and_then(|text| parse_size(&text).ok()).unwrap_or(32);
    let spec = WorkloadSpec {
        clients: options.int("clients").unwrap_or(8) as u32,
        via,
        op: options.text("op").map_or_else(|| "set".to_owned(), |op| op.to_string()),
        value_bytes: u32::try_from(value).map_err(|_| {
            Failure::new(options.value_spot("value"), "option `value`: at most 4gb".to_owned())
        })?,
        rate: options.int("rate").map(|rate| rate as u32),
        op_timeout: Duration::from_micros(timeout.0.max(1) as u64),
    };
    let running = call.session.running("workload")?;
    let acted = running.world.borrow_mut().act(Action::StartWorkload(spec))?;
    match acted {
        Acted::Workload(id) => Ok(Dynamic::from(LoadHandle(id))),
        Acted::Done(_) => Err(Failure::new(Spot::Call, "the workload did not start").into()),
    }
}

/// Without `via`: through the only monitor, or to the only master.
fn default_via(call: &Call<'_>) -> Outcome<Via> {
    let state = call.session.state.borrow();
    if let [_] = state.plan.monitors.as_slice() {
        return Ok(Via::Monitor(crate::plan::MonitorId(0)));
    }
    let masters: Vec<_> =
        state.nodes.iter().filter(|node| node.node.kind == crate::plan::NodeKind::Master).collect();
    match (state.plan.monitors.is_empty(), masters.as_slice()) {
        (true, [master]) => Ok(Via::Node(master.id)),
        _ => Err(Failure::new(Spot::Call, "`workload` needs the option `via` here")
            .note("there are several masters or monitors: `via: node` or `via: monitor`".to_owned())
            .into()),
    }
}

fn status(call: &Call<'_>) -> Outcome<WorkloadStatus> {
    match ask(call, Query::Workload(call.load(0).0))? {
        Observation::Workload(status) => Ok(status),
        other => Err(unfit(call, &other)),
    }
}

/// Stops a workload and gives its ledger.
pub(crate) fn stop(call: &Call<'_>, load: LoadHandle) -> Outcome {
    let ledger = match ask(call, Query::StopWorkload(load.0))? {
        Observation::Ledger(ledger) => ledger,
        other => return Err(unfit(call, &other)),
    };
    let lost_nodes = ledger.lost_writes.iter().filter_map(|write| call.session.handle(write.node)).collect();
    Ok(Dynamic::from(LedgerValue { ledger, lost_nodes }))
}
