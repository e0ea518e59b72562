//! From the command line to a living run: evaluate the script, fork the guardian, start the runtime.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::output::{colour_on_stderr, complain, print};
use super::{InputArgs, REFUSED, WRONG_INPUT};
use crate::clock::Clock;
use crate::guardian::handle::GuardianHandle;
use crate::guardian::process;
use crate::interrupt::Interrupt;
use crate::journal::{Journal, Listener};
use crate::lang::{Evaluation, Inputs, OpenError, Script, evaluate, render_all};
use crate::nodes::Nodes;
use crate::ports::SystemPorts;
use crate::run_dir::{Owned, RunDir};
use crate::stage::{Files, Stages};
use crate::world::WorldError;

/// A script that was evaluated, and the directory its run will have.
pub(super) struct Prepared {
    pub(super) clock: Clock,
    pub(super) dir: RunDir,
    pub(super) script: Rc<Script>,
    pub(super) inputs: Inputs,
    pub(super) evaluation: Evaluation,
}

/// Evaluates a script; nothing is started or written. Mistakes are shown.
pub(super) fn prepare(file: &str, inputs: &InputArgs) -> Result<Prepared, ExitCode> {
    let clock = Clock::start();
    let stem = PathBuf::from(file)
        .file_stem()
        .map_or_else(|| "topology".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let dir = RunDir::choose(&stem, &clock);
    let script = Rc::new(Script::open(file, dir.path()).map_err(|error| {
        complain(&format!("topple: {error}"));
        if let OpenError::Missing { hint, .. } = &error {
            complain(&format!("  {hint}"));
        }
        ExitCode::from(WRONG_INPUT)
    })?);
    let inputs = inputs.inputs();
    let evaluation = evaluate(&script, &inputs, Box::new(SystemPorts::default())).map_err(|mistakes| {
        complain(&render_all(&mistakes, colour_on_stderr()));
        ExitCode::from(WRONG_INPUT)
    })?;
    if !evaluation.warnings.is_empty() {
        complain(&render_all(&evaluation.warnings, colour_on_stderr()));
    }
    for line in &evaluation.printed {
        print(&format!("{line}\n"));
    }
    Ok(Prepared { clock, dir, script, inputs, evaluation })
}

/// Everything that lives during a run.
pub(super) struct Live {
    pub(super) journal: Journal,
    pub(super) nodes: Nodes,
    pub(super) stages: Stages,
    pub(super) interrupt: Interrupt,
    pub(super) dir: RunDir,
    guardian: GuardianHandle,
    /// None for a run that is to be kept.
    _owned: Option<Owned>,
}

impl Live {
    /// Ends the run: the directory goes, or stays with its path told.
    pub(super) async fn finish(self, files: Files) {
        match files {
            Files::Keep => {
                self.dir.keep();
                // Without a guardian there is nobody left to remove it either.
                let _ = self.guardian.keep_when_orphaned().await;
                print(&format!("\nThe run's files are in {}\n", self.dir.path().display()));
            }
            Files::Remove => {
                if let Err(error) = self.dir.remove() {
                    complain(&format!("topple: cannot remove {}: {error}", self.dir.path().display()));
                }
            }
        }
    }
}

/// Whether the run's directory outlives a supervisor that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenKilled {
    /// It stays.
    Keep,
    /// The guardian removes it.
    Remove,
}

/// Forks the guardian and runs `work` on a runtime of this thread.
///
/// Must be called while the process has one thread: that is what makes the fork safe.
pub(super) fn with_runtime<F>(
    prepared: Prepared,
    listener: Option<Listener>,
    when_killed: WhenKilled,
    work: impl FnOnce(Live, Prepared) -> F,
) -> ExitCode
where
    F: Future<Output = ExitCode>,
{
    let clock = prepared.clock;
    let refused = |what: &str, error: std::io::Error| {
        complain(&format!("topple: {what}: {error}"));
        ExitCode::from(REFUSED)
    };
    let guardian = match sys::fork_guardian(|socket| process::run(socket, clock)) {
        Ok(guardian) => guardian,
        Err(error) => return refused("cannot fork the guardian process", error),
    };
    // If somebody kills the guardian, its orphans come here.
    let _ = sys::become_subreaper();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refused("cannot start the runtime", error),
    };
    let local = LocalSet::new();
    let code = local.block_on(&runtime, async {
        match open(&prepared, listener, guardian.socket, when_killed) {
            Ok(live) => work(live, prepared).await,
            Err(error) => {
                let _ = prepared.dir.remove();
                refused("cannot start the run", error)
            }
        }
    });
    // Dropping the tasks closes the guardian's socket; it ends what is left and then itself.
    drop(local);
    drop(runtime);
    await_end(guardian.pid);
    code
}

/// Descriptors that a node costs the supervisor: its log, a probe, a subscription, a client.
const FILES_A_NODE: u64 = 6;
/// Those it needs anyway.
const FILES: u64 = 100;

/// Raises this process's limit of open files as far as it may; the nodes keep theirs.
fn allow_open_files(nodes: usize) -> std::io::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let wanted = FILES + FILES_A_NODE * nodes as u64;
    if hard >= wanted {
        return Ok(());
    }
    let text = format!(
        "{nodes} nodes need about {wanted} open files, and {hard} are allowed: raise the limit (`ulimit -Hn`, or \
         LimitNOFILE of the service)"
    );
    Err(std::io::Error::other(text))
}

fn open(
    prepared: &Prepared,
    listener: Option<Listener>,
    socket: std::os::unix::net::UnixStream,
    when_killed: WhenKilled,
) -> std::io::Result<Live> {
    allow_open_files(prepared.evaluation.plan.nodes.len())?;
    let interrupt = Interrupt::on_signals()?;
    let (reports, reported) = mpsc::unbounded_channel();
    let guardian = GuardianHandle::connect(socket, reports)?;
    for path in RunDir::reclaim() {
        complain(&format!("topple: removed what a killed run had left: {}", path.display()));
    }
    let dir = prepared.dir.clone();
    if when_killed == WhenKilled::Remove {
        guardian.remove_when_orphaned(dir.path().to_owned());
    }
    dir.create()?;
    let owned = (when_killed == WhenKilled::Remove).then(|| dir.own()).transpose()?;
    prepared.script.write_out()?;
    let plan = &prepared.evaluation.plan;
    fs::write(dir.path().join("plan.json"), serde_json::to_vec_pretty(plan)?)?;
    let journal = Journal::new(prepared.clock, Rc::new(plan.clone()), listener);
    journal.write_to(&dir.path().join("history.jsonl"))?;
    let nodes = Nodes::new(journal.clone(), guardian.clone(), reported);
    let stages = Stages::new(journal.clone(), nodes.clone(), dir.clone());
    Ok(Live { journal, nodes, stages, interrupt, dir, guardian, _owned: owned })
}

/// Waits until the guardian has ended: only then is nothing left for certain.
fn await_end(pid: i32) {
    while let Ok(None) = sys::waitpid_nohang(pid) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Shows why the world refused, with a node's last log lines where there are some.
pub(super) fn explain(error: &WorldError) {
    complain(&format!("topple: {error}"));
    if let WorldError::Unreachable { node, log, .. } = error
        && !log.is_empty()
    {
        complain(&format!("  the last lines of {node}'s log:"));
        for line in log {
            complain(&format!("    {line}"));
        }
    }
}
