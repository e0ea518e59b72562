//! Words that act on nodes: `kill`, `stop`, `start`, `restart`, `pause`, `resume`, `failover`,
//! `config_set`.

use rhai::Dynamic;

use super::call::Call;
use super::directives;
use super::failure::{Failure, Outcome};
use super::load;
use super::values::{LoadHandle, NodeHandle};
use super::words::{Param, Place, Takes, Word, required};
use crate::plan::NodeId;
use crate::world::{Acted, Action};

const ONE_NODE: &[Param] = &[required("node", Takes::Node)];

/// A verb on one node.
const fn verb(name: &'static str, summary: &'static str, run: fn(&mut Call<'_>) -> Outcome) -> Word {
    Word {
        name,
        place: Place::Experiment,
        params: ONE_NODE,
        variadic: false,
        options: &[],
        gives: "the moment it took effect",
        summary,
        run,
    }
}

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    verb("kill", "Ends a node's process with SIGKILL, and waits until it has ended.", |call| {
        on_node(call, Action::Kill)
    }),
    Word {
        name: "stop",
        place: Place::Experiment,
        params: &[required("node", Takes::NodeOrLoad)],
        variadic: false,
        options: &[],
        gives: "the moment it ended; of a workload, its ledger",
        summary: "Ends a node's process gracefully (SIGTERM). Of a workload: awaits recovery, reads every \
                  acknowledged key back.",
        run: stop,
    },
    verb("start", "Starts a node that is down, with the same command, port and data.", |call| {
        on_node(call, Action::Start)
    }),
    verb("restart", "Stops a node gracefully and starts it again.", |call| on_node(call, Action::Restart)),
    verb("pause", "Stops a node's process with SIGSTOP; its connections stay open.", |call| {
        on_node(call, Action::Pause)
    }),
    verb("resume", "Lets a paused process go on (SIGCONT).", |call| on_node(call, Action::Resume)),
    Word {
        name: "failover",
        place: Place::Experiment,
        params: &[required("monitor", Takes::Monitor)],
        variadic: false,
        options: &[],
        gives: "the moment a sentinel took the order",
        summary: "SENTINEL FAILOVER on the first sentinel that answers.",
        run: |call| act(call, Action::Failover(call.monitor(0).id)),
    },
    Word {
        name: "config_set",
        place: Place::Experiment,
        params: &[
            required("node", Takes::Node),
            required("directive", Takes::Text),
            required("value", Takes::Scalar),
        ],
        variadic: false,
        options: &[],
        gives: "the moment it was asked for",
        summary: "CONFIG SET of one directive, with the value as `config` takes it; SENTINEL CONFIG SET on a \
                  sentinel.",
        run: config_set,
    },
];

fn on_node(call: &mut Call<'_>, action: fn(NodeId) -> Action) -> Outcome {
    act(call, action(call.node(0).id))
}

fn stop(call: &mut Call<'_>) -> Outcome {
    match call.get(0).and_then(|value| value.clone().try_cast::<LoadHandle>()) {
        Some(handle) => load::stop(call, handle),
        None => on_node(call, Action::Stop),
    }
}

fn config_set(call: &mut Call<'_>) -> Outcome {
    let node = call.node(0);
    super::observe::must_be_asked(call, &node)?;
    let value = call.get(2).cloned().unwrap_or_default();
    let name = call.text(1).to_string();
    let text = directives::line(&name, &value)
        .map_err(|misfit| Failure::new(call.spot(2), misfit.message).note(misfit.hint))?;
    act(call, Action::ConfigSet(node.id, name, text))
}

/// Acts, and gives the moment.
pub(crate) fn act(call: &Call<'_>, action: Action) -> Outcome {
    mark(call)?;
    let running = call.session.running(call.word.name)?;
    let acted = running.world.borrow_mut().act(action)?;
    match acted {
        Acted::Done(moment) => Ok(Dynamic::from(moment)),
        Acted::Workload(id) => Ok(Dynamic::from(LoadHandle(id))),
    }
}

/// Events from now on belong to this action. The moment before acting is taken, not the one after: what
/// sentinels say while the action lasts is a consequence of it.
pub(crate) fn mark(call: &Call<'_>) -> Outcome<()> {
    let running = call.session.running(call.word.name)?;
    running.last_action.set(running.world.borrow().now());
    Ok(())
}

/// Whether a command acts on the topology, as the verbs do: then `wait_event` looks no further back.
pub(crate) fn changes_topology(words: &[Vec<u8>]) -> bool {
    let word = |index: usize| {
        words.get(index).map(|w| String::from_utf8_lossy(w).to_uppercase()).unwrap_or_default()
    };
    match word(0).as_str() {
        "REPLICAOF" | "SLAVEOF" | "FAILOVER" | "SHUTDOWN" | "DEBUG" => true,
        "SENTINEL" => matches!(
            word(1).as_str(),
            "FAILOVER" | "RESET" | "MONITOR" | "REMOVE" | "SET" | "SIMULATE-FAILURE" | "CONFIG"
        ),
        "CONFIG" => word(1) == "SET",
        "CLIENT" => matches!(word(1).as_str(), "KILL" | "PAUSE"),
        _ => false,
    }
}

/// The ids of nodes.
pub(crate) fn ids(nodes: &[NodeHandle]) -> Vec<NodeId> {
    nodes.iter().map(|node| node.id).collect()
}
