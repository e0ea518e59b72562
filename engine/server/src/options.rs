//! The command line of redis-server and redis-sentinel, and the configuration it leads to.

use std::io::Write as _;
use std::path::Path;

use commands::config::{Config, ConfigError, load_lines, parse_arguments};

/// Which program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `topple server`, `redis-server`.
    Server,
    /// `topple sentinel`, `redis-sentinel`.
    Sentinel,
}

/// A server about to be started.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) program: Program,
    pub(crate) config: Config,
    /// The command line as it came, without the program's name.
    pub(crate) arguments: Vec<String>,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Run a server.
    Run(Box<Start>),
    /// Print something and end.
    Exit { code: i32, text: String },
}

const VERSION: &str = concat!(
    "Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc bits=64 build=0 (Topple ",
    env!("CARGO_PKG_VERSION"),
    ")\n"
);

const USAGE: &str = "\
Usage: topple server [/path/to/redis.conf] [options] [-]
       topple server - (read config from stdin)
       topple server -v or --version
       topple server -h or --help
       topple sentinel /path/to/sentinel.conf

Any directive of the configuration file is also an option:

       topple server (run the server with default conf)
       topple server /etc/redis/6379.conf
       topple server --port 7777
       topple server --port 7777 --replicaof 127.0.0.1 8888
       topple server /etc/myredis.conf --loglevel verbose -
       topple server /etc/sentinel.conf --sentinel
";

/// Reads the command line and the files it names.
pub(crate) fn read(program: Program, arguments: &[String]) -> Decision {
    let exit = |code, text: &str| Decision::Exit { code, text: text.into() };
    match arguments.first().map(String::as_str) {
        Some("-v" | "--version") => return exit(0, VERSION),
        Some("-h" | "--help") => return exit(0, USAGE),
        _ => {}
    }
    let mut program = program;
    let mut arguments: Vec<String> = arguments.to_vec();
    if let Some(at) = arguments.iter().position(|argument| argument == "--sentinel") {
        arguments.remove(at);
        program = Program::Sentinel;
    }
    match configure(program, &arguments) {
        Ok(config) => Decision::Run(Box::new(Start { program, config, arguments })),
        Err(error) => exit(1, &format!("\n{error}\n")),
    }
}

/// Prints to the stream that fits the exit code.
pub(crate) fn print(code: i32, text: &str) {
    let _ = match code {
        0 => std::io::stdout().write_all(text.as_bytes()),
        _ => std::io::stderr().write_all(text.as_bytes()),
    };
}

fn configure(program: Program, arguments: &[String]) -> Result<Config, String> {
    let mut config = Config::default();
    if program == Program::Sentinel {
        config.settings.port = 26379;
        config.settings.protected_mode = false;
    }
    let mut rest = arguments;
    if let Some((file, after)) = arguments.split_first().filter(|(first, _)| !first.starts_with('-')) {
        let path = absolute(file);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("Fatal error, can't open config file '{path}': {error}"))?;
        load(&mut config, &path, &text)?;
        config.file = Some(path);
        rest = after;
    }
    // `-`, first or last, takes more directives from the standard input, after the file and before the
    // options.
    let first = rest.first().is_some_and(|argument| argument == "-");
    let last = rest.len() > 1 && rest.last().is_some_and(|argument| argument == "-");
    if first || last {
        let text = std::io::read_to_string(std::io::stdin())
            .map_err(|error| format!("Can't read stdin: {error}"))?;
        load(&mut config, "-", &text)?;
    }
    let options = &rest[usize::from(first)..rest.len() - usize::from(last)];
    let loose = parse_arguments(&mut config, options).map_err(|error: ConfigError| error.to_string())?;
    if let Some(word) = loose.first() {
        return Err(format!(
            "Unexpected argument '{word}': options begin with --, a configuration file comes first"
        ));
    }
    Ok(config)
}

fn load(config: &mut Config, path: &str, text: &str) -> Result<(), String> {
    load_lines(config, path, text, &mut crate::include::read).map_err(|error| error.to_string())
}

fn absolute(path: &str) -> String {
    std::path::absolute(Path::new(path))
        .map_or_else(|_| path.to_string(), |path| path.to_string_lossy().into_owned())
}
