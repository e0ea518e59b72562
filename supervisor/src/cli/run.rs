//! `topple run`: experiments, progress as they go, and the report.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use tokio::sync::{mpsc, oneshot};

use super::live::{Live, WhenKilled, prepare, with_runtime};
use super::output::{colour_on_stderr, colour_on_stdout, complain, print};
use super::{REFUSED, RunArgs, WRONG_INPUT};
use crate::experiment::{self, Cause, Selection, Summary};
use crate::history::History;
use crate::lang::{Diagnostic, Inputs, Script, render_all};
use crate::plan::Plan;
use crate::report::live::Progress;
use crate::report::paint::Paint;
use crate::report::{json, text};
use crate::stage::Files;
use crate::world::World;
use crate::world_real::WorldHandle;
use crate::world_real::executor::Executor;

/// Scripts recurse; debug builds use large frames.
pub(super) const SCRIPT_STACK_BYTES: usize = 64 << 20;

type Finished = Result<Summary, Vec<Diagnostic>>;

/// Runs a script's experiments and reports on them.
pub(super) fn run(args: &RunArgs) -> ExitCode {
    let prepared = match prepare(&args.file, &args.inputs) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let paint = Paint::new(colour_on_stdout());
    let progress = Progress::new(prepared.evaluation.plan.clone(), args.repeat, paint);
    let listener = Box::new(move |event: &_| {
        if let Some(line) = progress.line(event) {
            print(&line);
        }
    });
    let when_killed = if args.keep { WhenKilled::Keep } else { WhenKilled::Remove };
    with_runtime(prepared, Some(listener), when_killed, |live, prepared| {
        let on_thread = OnThread {
            script: Rc::into_inner(prepared.script).expect("evaluation keeps no copy of the script"),
            inputs: prepared.inputs,
            plan: prepared.evaluation.plan,
            selection: Selection { only: args.only.clone(), repeat: args.repeat },
        };
        serve(live, on_thread, args.clone(), paint)
    })
}

/// What the script's thread works with.
struct OnThread {
    script: Script,
    inputs: Inputs,
    plan: Plan,
    selection: Selection,
}

impl OnThread {
    /// Runs the experiments on a thread of their own, which blocks while the world works.
    fn start(self, world: WorldHandle) -> std::io::Result<oneshot::Receiver<Finished>> {
        let (sender, receiver) = oneshot::channel();
        let builder = std::thread::Builder::new().name("script".to_owned()).stack_size(SCRIPT_STACK_BYTES);
        builder.spawn(move || {
            let script = Rc::new(self.script);
            let world: Rc<RefCell<dyn World>> = Rc::new(RefCell::new(world));
            let finished = experiment::run(&script, &self.inputs, &self.plan, &world, &self.selection);
            // The world goes first: that is how the executor knows that nothing more is asked.
            drop(world);
            let _ = sender.send(finished);
        })?;
        Ok(receiver)
    }
}

async fn serve(live: Live, on_thread: OnThread, args: RunArgs, paint: Paint) -> ExitCode {
    let (requests, asked) = mpsc::unbounded_channel();
    let world = WorldHandle::new(requests, live.journal.clock());
    let finished = match on_thread.start(world) {
        Ok(finished) => finished,
        Err(error) => {
            complain(&format!("topple: cannot start the script's thread: {error}"));
            live.finish(Files::Remove).await;
            return ExitCode::from(REFUSED);
        }
    };
    let executor = Executor::new(
        live.journal.clone(),
        live.nodes.clone(),
        live.stages.clone(),
        live.interrupt.clone(),
        args.keep,
    );
    let files = executor.run(asked).await;
    let history = live.journal.history();
    let code = match finished.await {
        Ok(Ok(summary)) => {
            print(&report(&history, &summary, live.dir.path(), paint));
            summary.exit_code()
        }
        Ok(Err(mistakes)) => {
            complain(&render_all(&mistakes, colour_on_stderr()));
            WRONG_INPUT
        }
        Err(_) => {
            complain("topple: the script's thread ended without a result");
            REFUSED
        }
    };
    let code = match args.json.as_deref().map(|path| write_json(&history, path)) {
        Some(Err(error)) => {
            complain(&format!("topple: {error}"));
            code.max(REFUSED)
        }
        _ => code,
    };
    live.finish(files).await;
    ExitCode::from(code)
}

/// The report, also written to the run's directory.
fn report(history: &History, summary: &Summary, dir: &Path, paint: Paint) -> String {
    let _ = fs::write(dir.join("report.txt"), whole_report(history, summary, Paint::default(), false));
    whole_report(history, summary, paint, colour_on_stdout())
}

fn whole_report(history: &History, summary: &Summary, paint: Paint, colour: bool) -> String {
    let mut out = text::text(history, paint);
    let reasons: Vec<Diagnostic> = summary
        .repeats
        .iter()
        .filter(|repeat| repeat.cause != Cause::Interrupted)
        .filter_map(|repeat| repeat.diagnostic.clone())
        .collect();
    if !reasons.is_empty() {
        out.push('\n');
        out.push_str(&render_all(&reasons, colour));
    }
    out
}

fn write_json(history: &History, path: &Path) -> Result<(), String> {
    fs::write(path, json::json(history)).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
