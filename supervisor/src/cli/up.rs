//! `topple up`: a topology in the foreground, or with `-d` in the background.

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

use tokio::sync::mpsc;

use super::attach::palette;
use super::background::{self, Foreground};
use super::handlers::Handlers;
use super::live::{Live, Prepared, WhenKilled, explain, prepare, with_runtime};
use super::output::{colour_on_stderr, colour_on_stdout, complain, print, release_complaints};
use super::{REFUSED, UpArgs, WRONG_INPUT};
use crate::control::serve::Control;
use crate::experiment::Cause;
use crate::experiment::living::NotReady;
use crate::history::What;
use crate::interrupt::CTRL_C;
use crate::lang::Inputs;
use crate::launch::shell_line;
use crate::plan::{NodeKind, Plan};
use crate::replan::apply::Living;
use crate::replan::follow::Follower;
use crate::report::live::LiveLines;
use crate::report::paint::Paint;
use crate::stage::Files;
use crate::view::screen::{End, View};
use crate::view::state::Purpose;
use crate::view::terminal;
use crate::world::WorldError;

/// The stage's name in the run directory.
const STAGE: &str = "up";

/// Brings the topology up, says where it is, and keeps it until Ctrl-C or `topple down`.
pub(super) fn up(args: &UpArgs) -> ExitCode {
    if args.detach && !args.in_background {
        return background::start(std::env::args_os().skip(1));
    }
    let foreground = match args.in_background.then(Foreground::detach).transpose() {
        Ok(foreground) => foreground,
        Err(error) => {
            complain(&format!("topple: {}: {error}", background::OPTION));
            return ExitCode::from(REFUSED);
        }
    };
    let prepared = match prepare(&args.file, &args.inputs) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    if args.watch && prepared.script.is_built_in() {
        complain(&format!(
            "topple: `{0}` is built in and does not change; `topple init {0}` writes it out, then `topple up \
             {0}.rhai --watch`",
            args.file
        ));
        return ExitCode::from(WRONG_INPUT);
    }
    let paint = Paint::new(colour_on_stdout());
    let lines = LiveLines::new(prepared.evaluation.plan.clone(), paint);
    let shown = Rc::new(Cell::new(false));
    let hidden = Rc::clone(&shown);
    let listener = Box::new(move |event: &_| {
        // The view shows events itself.
        if !hidden.get()
            && let Some(line) = lines.line(event)
        {
            print(&format!("{line}\n"));
        }
    });
    let when_killed = if args.keep { WhenKilled::Keep } else { WhenKilled::Remove };
    let options = Options {
        file: args.file.clone(),
        keep: args.keep,
        watch: args.watch,
        plain: args.plain || foreground.is_some() || !terminal::is_able(),
        paint,
    };
    with_runtime(prepared, Some(listener), when_killed, |live, prepared| {
        serve(live, prepared, options, foreground, shown)
    })
}

struct Options {
    file: String,
    keep: bool,
    watch: bool,
    plain: bool,
    paint: Paint,
}

impl Options {
    fn files(&self) -> Files {
        if self.keep { Files::Keep } else { Files::Remove }
    }
}

async fn serve(
    live: Live,
    prepared: Prepared,
    options: Options,
    foreground: Option<Foreground>,
    shown: Rc<Cell<bool>>,
) -> ExitCode {
    let run = live.dir.path();
    let file = options.file.clone();
    let control = Control::listen(run, file, live.journal.clone(), live.nodes.clone(), live.stages.clone());
    let mut down = match control {
        Ok(down) => down,
        Err(error) => {
            complain(&format!("topple: cannot listen in {}: {error}", run.display()));
            live.finish(Files::Remove).await;
            return ExitCode::from(REFUSED);
        }
    };
    let window = if options.plain { Window::none() } else { Window::open(&live, &prepared, shown) };
    let mut follower = options.watch.then(|| follower(&live, &prepared));
    let mut handlers = match bring_up(&live, &prepared, foreground.as_ref()).await {
        Ok(handlers) => handlers,
        Err(error) => {
            window.close().await;
            return not_up(live, &error, options.keep).await;
        }
    };
    if !window.is_open() {
        let hint = match foreground {
            Some(_) => {
                "`topple down` stops the topology; `topple status`, `topple events -f` and `topple attach` tell how \
                 it is.\n"
            }
            None => "Ctrl-C stops the topology.\n",
        };
        print(&addresses(&live.journal.plan(), options.paint, hint));
    }
    if let Some(Err(error)) = foreground.map(|foreground| foreground.ready(live.dir.path())) {
        complain(&format!("topple: cannot go into the background: {error}"));
    }
    let (reason, code) = keep_up(&live, &prepared.inputs, follower.as_mut(), &mut handlers, &mut down).await;
    window.close().await;
    print(&format!("\n{reason}\n"));
    drop(handlers);
    live.stages.stop_all().await;
    let _ = live.stages.tear_down(Files::Keep).await;
    live.finish(options.files()).await;
    ExitCode::from(code)
}

/// Why the topology is not up.
enum NotUp {
    /// It does not come up.
    World(WorldError),
    /// It came up, and what the script does then has failed.
    OnReady(NotReady),
    /// Somebody does not want it any more.
    Interrupted,
}

/// Brings the topology up, and has the script's handlers at work.
async fn bring_up(
    live: &Live,
    prepared: &Prepared,
    foreground: Option<&Foreground>,
) -> Result<Handlers, NotUp> {
    let abandoned = async {
        match foreground {
            Some(foreground) => foreground.gone().await,
            None => std::future::pending().await,
        }
    };
    let ready = async {
        live.stages.bring_up(STAGE).await.map_err(NotUp::World)?;
        let script = (*prepared.script).clone();
        Handlers::start(live, script, prepared.inputs.clone()).await.map_err(NotUp::OnReady)
    };
    let gone = || WorldError::Interrupted("the command that asked for it has ended".to_owned());
    tokio::select! {
        ready = ready => ready,
        () = abandoned => Err(NotUp::World(gone())),
        _ = live.interrupt.wait() => Err(NotUp::Interrupted),
    }
}

/// Says why, and takes down what is there.
async fn not_up(live: Live, error: &NotUp, keep: bool) -> ExitCode {
    let (code, unwanted) = match error {
        NotUp::World(error) => {
            explain(error);
            // The logs tell why a topology does not come up; one nobody wants any more has nothing to tell.
            (REFUSED, matches!(error, WorldError::Interrupted(_)))
        }
        NotUp::OnReady(failed) => {
            if let Some(diagnostic) = &failed.diagnostic {
                complain(&diagnostic.render(colour_on_stderr()));
            }
            complain("topple: `on_ready` has failed: the topology goes down");
            (failed.cause.exit_code(), failed.cause == Cause::Interrupted)
        }
        NotUp::Interrupted => {
            let reason = live.interrupt.reason().unwrap_or_default();
            print(&format!("\n{reason}: ending what was started\n"));
            (super::INTERRUPTED, true)
        }
    };
    let _ = live.stages.tear_down(Files::Keep).await;
    live.finish(if unwanted && !keep { Files::Remove } else { Files::Keep }).await;
    ExitCode::from(code)
}

/// Returns when the topology is to go down: why, and the exit code.
async fn keep_up(
    live: &Live,
    inputs: &Inputs,
    follower: Option<&mut Follower>,
    handlers: &mut Handlers,
    down: &mut mpsc::UnboundedReceiver<()>,
) -> (String, u8) {
    let lost = async {
        while !live.nodes.guardian_lost() {
            live.nodes.changed().await;
        }
    };
    let followed = async {
        let Some(follower) = follower else { return std::future::pending().await };
        loop {
            let script = follower.until_other_handlers().await;
            handlers.replace(live, (*script).clone(), inputs.clone()).await;
        }
    };
    tokio::select! {
        () = followed => unreachable!("it goes on for as long as it is polled"),
        reason = live.interrupt.wait() => {
            (format!("{reason}: stopping (once more ends everything at once)"), 0)
        }
        _ = down.recv() => ("asked to go down".to_owned(), 0),
        () = lost => ("the guardian process is gone: every node has ended with it".to_owned(), REFUSED),
    }
}

/// The live view, if there is one.
struct Window {
    view: Option<View>,
    shown: Rc<Cell<bool>>,
}

impl Window {
    fn none() -> Self {
        Self { view: None, shown: Rc::default() }
    }

    /// Opens the view. While it is open nothing else is printed; its keys for leaving count as Ctrl-C.
    fn open(live: &Live, prepared: &Prepared, shown: Rc<Cell<bool>>) -> Self {
        let opened = View::open(live.dir.path(), Purpose::Up, palette());
        let mut view = match opened {
            Ok(view) => view,
            Err(error) => {
                complain(&format!("topple: {error}"));
                return Self::none();
            }
        };
        shown.set(true);
        // Those that were printed are behind the view now.
        for warning in &prepared.evaluation.warnings {
            let text = format!("{}:{}: {}", warning.file, warning.line, warning.message);
            live.journal.record(What::Note { node: None, text });
        }
        let (ended, interrupt, told) = (view.ended(), live.interrupt.clone(), Rc::clone(&shown));
        tokio::task::spawn_local(async move {
            let end = ended.await;
            release_complaints();
            told.set(false);
            match end {
                End::Quit => interrupt.press("left with q"),
                End::Interrupted => interrupt.press(CTRL_C),
                End::Failed(error) => complain(&format!("topple: cannot show the live view: {error}")),
                End::Broken => complain("topple: the live view is gone, the topology is up: Ctrl-C stops it"),
                End::Closed | End::Gone => {}
            }
        });
        Self { view: Some(view), shown }
    }

    fn is_open(&self) -> bool {
        self.shown.get()
    }

    /// Closes it; the terminal is as it was when this returns.
    async fn close(self) {
        if let Some(view) = self.view {
            view.close().await;
        }
        release_complaints();
        self.shown.set(false);
    }
}

fn follower(live: &Live, prepared: &Prepared) -> Follower {
    let living = Living {
        journal: live.journal.clone(),
        nodes: live.nodes.clone(),
        stages: live.stages.clone(),
        dir: live.dir.clone(),
    };
    Follower::new(living, prepared.inputs.clone(), prepared.script.clone(), &prepared.evaluation)
}

/// A table of the nodes with a command that connects to each.
fn addresses(plan: &Plan, paint: Paint, hint: &str) -> String {
    let mut out = String::new();
    let width = |text: fn(&crate::plan::Node) -> String| {
        plan.nodes_in_force().map(|node| text(node).chars().count()).max().unwrap_or(0)
    };
    let role = |node: &crate::plan::Node| node.kind_name().to_owned();
    let address = |node: &crate::plan::Node| match node.is_process() {
        true => String::new(),
        false => std::net::SocketAddr::new(node.ip, node.port).to_string(),
    };
    let (names, roles, places) = (width(|node| node.name.clone()), width(role), width(address));
    out.push('\n');
    for node in plan.nodes_in_force() {
        if let NodeKind::Process { command, .. } = &node.kind {
            let command = paint.dim(&shell_line(command));
            out.push_str(&format!(
                "  {:names$}  {:roles$}  {:places$}  {command}\n",
                node.name,
                role(node),
                ""
            ));
            continue;
        }
        let host = if node.ip == std::net::IpAddr::from([127, 0, 0, 1]) {
            String::new()
        } else {
            format!("-h {} ", node.ip)
        };
        out.push_str(&format!(
            "  {:names$}  {:roles$}  {:places$}  {}\n",
            node.name,
            role(node),
            address(node),
            paint.dim(&format!("redis-cli {host}-p {}", node.port)),
        ));
    }
    for (_, monitor) in plan.monitors_in_force() {
        if let Some(&sentinel) = monitor.sentinels.first() {
            let port = plan.node(sentinel).port;
            let command = format!("redis-cli -p {port} SENTINEL GET-MASTER-ADDR-BY-NAME {}", monitor.name);
            out.push_str(&format!("\n  master of {}: {}\n", monitor.name, paint.dim(&command)));
        }
    }
    out.push('\n');
    out.push_str(hint);
    out
}
