//! The command line: options, and which part of the program serves them.
//!
//! Exit codes: 0 all checks held; 1 a check failed; 2 the script or the command line is wrong; 3 the
//! environment refused (port taken, no permission, binary missing). A run ended by Ctrl-C gives 130.

mod attach;
mod background;
pub mod check;
mod doctor;
mod handlers;
mod init;
mod live;
mod living;
mod logs;
mod output;
pub mod plan;
mod run;
mod up;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use server::Program;

use crate::control::protocol::Verb;
use crate::lang::Inputs;
use crate::plan::EngineChoice;
use crate::script_shim::{self, ShimRequest};

/// Exit code: a check failed.
pub const CHECK_FAILED: u8 = 1;
/// Exit code: the script or the command line is wrong.
pub const WRONG_INPUT: u8 = 2;
/// Exit code: the environment refused.
pub const REFUSED: u8 = 3;
/// Exit code: ended by Ctrl-C, as shells give it.
pub const INTERRUPTED: u8 = 130;

/// Brings up Redis topologies, knocks pieces of them over, and shows what happened.
#[derive(Debug, Parser)]
#[command(name = "topple", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring a topology up and keep it until Ctrl-C, or with -d in the background until `topple down`
    Up(UpArgs),
    /// Run a topology's experiments and report on them
    Run(RunArgs),
    /// Look for mistakes in scripts without starting anything
    Check(CheckArgs),
    /// Show what a script declares, and how each node is started
    Plan(PlanArgs),
    /// Write a built-in topology out, to be edited
    Init(InitArgs),
    /// Tell what this host allows, and how to allow more
    Doctor,
    /// Write completions for a shell to standard output
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// List the topologies that are up
    Ps,
    /// Open the live view of a topology that is up
    Attach(WhichRun),
    /// Tell how every node of a topology that is up is
    Status(StatusArgs),
    /// Tell what has happened in a topology that is up
    Events(EventsArgs),
    /// Show a node's log, or several together
    Logs(LogsArgs),
    /// Connect redis-cli to a node
    Cli(CliArgs),
    /// End a node's process at once (SIGKILL)
    Kill(NodeArgs),
    /// Halt a node's process (SIGSTOP)
    Pause(NodeArgs),
    /// Let a paused node go on
    Resume(NodeArgs),
    /// Stop a node in order
    Stop(NodeArgs),
    /// Start a node that is down
    Start(NodeArgs),
    /// Stop a node, if it runs, and start it
    Restart(NodeArgs),
    /// Ask the sentinels of a monitored master for a failover
    Failover(FailoverArgs),
    /// Stop a topology that is up
    Down(WhichRun),
    /// A server, as redis-server is called
    Server(PassedOn),
    /// A sentinel, as redis-sentinel is called
    Sentinel(PassedOn),
    /// Run a sentinel's script and note what it did
    #[command(hide = true)]
    ScriptShim(ShimArgs),
}

/// What a script is evaluated with.
#[derive(Clone, Debug, Args)]
pub struct InputArgs {
    /// Value of a parameter declared with `param`
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    pub params: Vec<(String, String)>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Server program for nodes that name none themselves
    #[arg(long, value_name = "PATH")]
    pub engine: Option<PathBuf>,
}

impl InputArgs {
    /// As evaluation takes them.
    pub fn inputs(&self) -> Inputs {
        Inputs {
            params: self.params.iter().cloned().collect(),
            seed: self.seed,
            engine: self.engine.as_deref().map(engine_choice),
        }
    }
}

fn engine_choice(path: &Path) -> EngineChoice {
    if path == Path::new("topple") { EngineChoice::Topple } else { EngineChoice::Path(path.to_owned()) }
}

fn parse_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Options of `up`.
#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// A script, or the name of a built-in topology
    pub file: String,
    #[command(flatten)]
    inputs: InputArgs,
    /// Keep the run's directory
    #[arg(long)]
    keep: bool,
    /// Go into the background once the topology is ready
    #[arg(short = 'd', long)]
    detach: bool,
    /// Follow the script: when it or what it imports changes, the topology becomes what it says then
    #[arg(short = 'w', long)]
    watch: bool,
    /// Print lines instead of the live view, as into a pipe
    #[arg(long)]
    plain: bool,
    /// What the background process is started with.
    #[arg(long, hide = true)]
    in_background: bool,
}

/// Options of `init`.
#[derive(Clone, Debug, Args)]
struct InitArgs {
    /// The built-in topology's name
    name: String,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

/// Which topology is meant.
#[derive(Clone, Debug, Args)]
pub struct WhichRun {
    /// The topology's name, or that of its run directory; needed when several are up
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
}

/// Options of `status`.
#[derive(Clone, Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    which: WhichRun,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Options of `events`.
#[derive(Clone, Debug, Args)]
struct EventsArgs {
    #[command(flatten)]
    which: WhichRun,
    /// Go on with what happens from now on
    #[arg(short = 'f', long)]
    follow: bool,
    /// As JSON, one event a line
    #[arg(long)]
    json: bool,
}

/// Options of `logs`.
#[derive(Clone, Debug, Args)]
struct LogsArgs {
    /// Nodes, by name or role (`mymaster:master`); all without one. Several are merged in the order of time
    nodes: Vec<String>,
    #[command(flatten)]
    which: WhichRun,
    /// Go on with what is logged from now on
    #[arg(short = 'f', long)]
    follow: bool,
    /// How many of the last lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
}

/// Options of `cli`.
#[derive(Clone, Debug, Args)]
struct CliArgs {
    #[command(flatten)]
    which: WhichRun,
    /// A node, by name or role (`mymaster:master`)
    node: String,
    /// A command to send; an interactive session without one
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Options of `kill` and its like.
#[derive(Clone, Debug, Args)]
struct NodeArgs {
    /// A node, by name or role (`mymaster:master`, `mymaster:replica:0`)
    node: String,
    #[command(flatten)]
    which: WhichRun,
}

/// Options of `failover`.
#[derive(Clone, Debug, Args)]
struct FailoverArgs {
    /// The monitored master's name
    monitor: String,
    #[command(flatten)]
    which: WhichRun,
}

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// A script, or the name of a built-in topology
    pub file: String,
    #[command(flatten)]
    inputs: InputArgs,
    /// Run only the experiments whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Repeat each experiment this often instead of what the script says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// Write the history and what was computed from it to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep the run's directory also when everything passed
    #[arg(long)]
    keep: bool,
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Scripts, or names of built-in topologies
    #[arg(required = true)]
    pub files: Vec<String>,
    /// What they are evaluated with.
    #[command(flatten)]
    pub inputs: InputArgs,
}

/// Options of `plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// A script, or the name of a built-in topology
    pub file: String,
    /// What it is evaluated with.
    #[command(flatten)]
    pub inputs: InputArgs,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of another program, for the help text; they are passed on before clap sees them.
#[derive(Clone, Debug, Args)]
#[command(disable_help_flag = true)]
struct PassedOn {
    /// As the program itself takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

#[derive(Clone, Debug, Args)]
struct ShimArgs {
    #[arg(long)]
    journal: PathBuf,
    #[arg(long)]
    node: String,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the program with its arguments, the program's own name first.
pub fn main(args: Vec<OsString>) -> ExitCode {
    if let Some((program, passed_on)) = other_program(&args) {
        return serve(program, passed_on);
    }
    match Cli::try_parse_from(&args) {
        Ok(cli) => dispatch(cli.command),
        Err(error) => {
            // `--help` and `--version` come this way too, and are no mistake.
            let code = if error.use_stderr() { WRONG_INPUT } else { 0 };
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}

/// The server and its arguments, when the binary was called by its name or as `topple server` or
/// `topple sentinel`. Looked at before clap: the server reads its arguments itself.
fn other_program(args: &[OsString]) -> Option<(Program, &[OsString])> {
    let name = Path::new(args.first()?).file_name().and_then(OsStr::to_str)?;
    match name {
        "redis-server" => return Some((Program::Server, &args[1..])),
        "redis-sentinel" => return Some((Program::Sentinel, &args[1..])),
        _ => {}
    }
    let program = match args.get(1)?.to_str()? {
        "server" => Program::Server,
        "sentinel" => Program::Sentinel,
        _ => return None,
    };
    Some((program, &args[2..]))
}

fn serve(program: Program, args: &[OsString]) -> ExitCode {
    let args: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    exit_code(server::main(program, &args))
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Up(args) => up::up(&args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Init(args) => init::init(&args),
        Command::Doctor => doctor::doctor(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "topple", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::Ps => living::ps(),
        Command::Attach(which) => attach::attach(&which),
        Command::Status(args) => living::status(&args),
        Command::Events(args) => living::events(&args),
        Command::Logs(args) => logs::logs(&args),
        Command::Cli(args) => living::cli(&args),
        Command::Kill(args) => living::act(Verb::Kill, &args),
        Command::Pause(args) => living::act(Verb::Pause, &args),
        Command::Resume(args) => living::act(Verb::Resume, &args),
        Command::Stop(args) => living::act(Verb::Stop, &args),
        Command::Start(args) => living::act(Verb::Start, &args),
        Command::Restart(args) => living::act(Verb::Restart, &args),
        Command::Failover(args) => living::failover(&args),
        Command::Down(which) => living::down(&which),
        Command::Server(passed_on) => serve(Program::Server, &passed_on.args),
        Command::Sentinel(passed_on) => serve(Program::Sentinel, &passed_on.args),
        Command::ScriptShim(args) => {
            let ShimArgs { journal, node, command } = args;
            exit_code(script_shim::run(&ShimRequest { journal, node, command }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_name_or_a_word_chooses_the_program() {
        let of = |words: &[&str]| {
            let args: Vec<OsString> = words.iter().map(Into::into).collect();
            other_program(&args).map(|(program, passed_on)| {
                let words: Vec<String> =
                    passed_on.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
                (program == Program::Sentinel, words.join(" "))
            })
        };
        assert_eq!(of(&["/usr/bin/redis-server", "--port", "1"]), Some((false, "--port 1".to_owned())));
        assert_eq!(of(&["topple", "sentinel", "s.conf", "--help"]), Some((true, "s.conf --help".to_owned())));
        assert_eq!(of(&["redis-sentinel"]), Some((true, String::new())));
        assert_eq!(of(&["topple", "run", "server"]), None);
        assert_eq!(of(&["topple"]), None);
    }

    #[test]
    fn parameters_need_a_name() {
        assert_eq!(parse_param("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(parse_param("=b").is_err());
        assert!(parse_param("a").is_err());
    }
}
