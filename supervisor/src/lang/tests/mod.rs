//! Scripts and what they declare; wrong scripts and what they are told.

mod declaring;
mod imports;
mod rhai_terms;
mod traps;
mod wrong_calls;
mod wrong_topologies;

use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use expect_test::Expect;

use super::{Evaluation, Inputs, Script, evaluate, render_all};
use crate::plan::NodeKind;
use crate::ports::CountedPorts;

fn script(source: &str) -> Rc<Script> {
    Rc::new(Script::from_text("t.rhai", source, Path::new("/scripts")))
}

fn evaluated(source: &str, inputs: &Inputs) -> Evaluation {
    evaluate(&script(source), inputs, Box::new(CountedPorts::default()))
        .unwrap_or_else(|mistakes| panic!("{}", render_all(&mistakes, false)))
}

/// The mistakes of a script, or the warnings of one without.
fn mistakes(source: &str) -> String {
    match evaluate(&script(source), &Inputs::default(), Box::new(CountedPorts::default())) {
        Ok(evaluation) => render_all(&evaluation.warnings, false),
        Err(mistakes) => render_all(&mistakes, false),
    }
}

fn check(source: &str, expected: Expect) {
    expected.assert_eq(&mistakes(source));
}

/// A plan in a few lines.
fn declares(source: &str, expected: Expect) {
    let plan = evaluated(source, &Inputs::default()).plan;
    let mut text = String::new();
    for node in &plan.nodes {
        let kind = match &node.kind {
            NodeKind::Master => "master".to_owned(),
            NodeKind::Sentinel => "sentinel".to_owned(),
            NodeKind::Replica { of } => format!("replica of {}", plan.nodes[of.0 as usize].name),
            NodeKind::Process { command, cwd, ready } => {
                format!("process {command:?} in {} {ready:?} {:?}", cwd.display(), node.env)
            }
        };
        let _ = write!(text, "{} {kind} {}:{}", node.name, node.ip, node.port);
        if !node.config.is_empty() {
            let _ = write!(text, " {:?}", node.config);
        }
        let _ = writeln!(text, " line {}", node.position.line);
    }
    for monitor in &plan.monitors {
        let _ = writeln!(
            text,
            "monitor {} quorum {} down after {:?}, {} sentinels",
            monitor.name,
            monitor.quorum,
            monitor.down_after,
            monitor.sentinels.len()
        );
    }
    for experiment in &plan.experiments {
        let _ = writeln!(
            text,
            "experiment {:?} x{} {:?}",
            experiment.name, experiment.repeat, experiment.timeout
        );
    }
    expected.assert_eq(&text);
}
