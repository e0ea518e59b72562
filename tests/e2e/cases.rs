//! Runs the case files of `tests/cases` against our server and against the real one: both must answer as
//! the files say. The notation is described in `tests/cases/README.md`.
//!
//! With `TOPPLE_UPDATE_CASES=1` the real server's replies are written into the files, for a person to read
//! over; what the files say already stays where it still holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use resp::Value;
use resp::split::split_words;

use super::pattern::Pattern;
use super::support::client::Client;
use super::support::server::{Engine, Server};

/// How long `>>` asks again.
const UNTIL_LIMIT: Duration = Duration::from_secs(5);
/// The folder of what the installed real server is too old for.
const ONLY_OURS: &str = "only-7.2";

/// What a step does.
#[derive(Clone, Debug)]
enum Action {
    /// `>`: sends a command.
    Command(Vec<Vec<u8>>),
    /// `>>`: sends a command until the reply is the expected one.
    Until(Vec<Vec<u8>>),
    /// `>&`: sends a command whose client is to wait; a `<` reads its reply.
    Wait(Vec<Vec<u8>>),
    /// `<`: reads what comes unasked.
    Message,
}

#[derive(Clone, Debug)]
struct Step {
    /// The client's number.
    client: u32,
    action: Action,
    /// The line it stands on, from 1.
    line: usize,
    /// The line of the expected reply; one that is missing goes there.
    expected_line: usize,
    expected: Option<Pattern>,
}

fn parse_file(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let wrong = |error: String| format!("line {number}: {error}");
        // A truth value begins like a comment.
        let comment = line.starts_with('#') && !matches!(line, "#true" | "#false");
        if line.trim().is_empty() || comment {
            continue;
        }
        if let Some(step) = parse_step(line, number).map_err(wrong)? {
            steps.push(step);
            continue;
        }
        let step = steps.last_mut().filter(|step| step.expected.is_none() && step.line + 1 == number);
        let step = step.ok_or_else(|| wrong("a reply that belongs to no command".into()))?;
        step.expected = Some(Pattern::parse(line).map_err(wrong)?);
    }
    Ok(steps)
}

/// A line that begins a step: `>`, `>>`, `>&` or `<`, with a client's number before it if it is not the first.
fn parse_step(line: &str, number: usize) -> Result<Option<Step>, String> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let client = if digits == 0 { 1 } else { line[..digits].parse().map_err(|_| "a client's number")? };
    let step = |action| Step { client, action, line: number, expected_line: number + 1, expected: None };
    let words = |text: &str| split_words(text.as_bytes()).map_err(|error| error.to_string());
    let rest = &line[digits..];
    Ok(Some(if let Some(command) = rest.strip_prefix(">> ") {
        step(Action::Until(words(command)?))
    } else if let Some(command) = rest.strip_prefix(">& ") {
        // There is nothing to compare yet.
        Step { expected: Some(Pattern::parse("_")?), ..step(Action::Wait(words(command)?)) }
    } else if let Some(command) = rest.strip_prefix("> ") {
        step(Action::Command(words(command)?))
    } else if rest == "<" {
        step(Action::Message)
    } else {
        return Ok(None);
    }))
}

/// The connections of one file.
struct Clients<'a> {
    server: &'a Server,
    open: BTreeMap<u32, Client>,
}

impl Clients<'_> {
    fn run(&mut self, step: &Step) -> io::Result<Value> {
        let server = self.server;
        let client = self.open.entry(step.client).or_insert_with(|| server.client());
        match &step.action {
            Action::Command(command) => client.call(command),
            Action::Message => client.reply(),
            Action::Wait(command) => {
                let mut observer = server.client();
                let before = blocked_clients(&mut observer)?;
                client.send([command.as_slice()].into_iter())?;
                let deadline = Instant::now() + UNTIL_LIMIT;
                while blocked_clients(&mut observer)? <= before {
                    if Instant::now() > deadline {
                        return Err(io::Error::other("the client does not wait"));
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(Value::Nil)
            }
            Action::Until(command) => {
                let deadline = Instant::now() + UNTIL_LIMIT;
                loop {
                    let reply = client.call(command)?;
                    let reached = step.expected.as_ref().is_none_or(|expected| expected.matches(&reply));
                    if reached || Instant::now() > deadline {
                        return Ok(reply);
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }
}

fn blocked_clients(observer: &mut Client) -> io::Result<u64> {
    let info = observer.line("INFO clients")?.to_text().unwrap_or_default();
    let field = info.lines().find_map(|line| line.trim().strip_prefix("blocked_clients:"));
    field.and_then(|count| count.parse().ok()).ok_or_else(|| io::Error::other("no count of blocked clients"))
}

/// A reply that was not the expected one.
struct Failure {
    step: Step,
    found: Result<Value, String>,
}

fn run_file(server: &Server, steps: &[Step]) -> Vec<Failure> {
    let mut failures = Vec::new();
    server.client().line("FLUSHALL").expect("an empty server");
    let mut clients = Clients { server, open: BTreeMap::new() };
    for step in steps {
        let found = clients.run(step).map_err(|error| error.to_string());
        let broken = found.is_err();
        let matches = |pattern: &Pattern| found.as_ref().is_ok_and(|reply| pattern.matches(reply));
        if !step.expected.as_ref().is_some_and(matches) {
            failures.push(Failure { step: step.clone(), found });
        }
        if broken {
            break;
        }
    }
    failures
}

fn describe(file: &Path, text: &str, failure: &Failure) -> String {
    let line = text.lines().nth(failure.step.line - 1).unwrap_or_default();
    let expected = failure.step.expected.as_ref().map_or("nothing".to_owned(), Pattern::to_string);
    let found = match &failure.found {
        Ok(reply) => Pattern::of(reply, failure.step.expected.as_ref()).to_string(),
        Err(error) => format!("no reply: {error}"),
    };
    format!("{}:{}: {line}\n  expected {expected}\n  found    {found}\n", file.display(), failure.step.line)
}

/// The file's text with the replies that were found in place of those that were expected.
fn updated(text: &str, failures: &[Failure]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for failure in failures.iter().rev() {
        let Ok(reply) = &failure.found else { continue };
        let at = failure.step.expected_line - 1;
        let line = Pattern::of(reply, failure.step.expected.as_ref()).to_string();
        match failure.step.expected {
            Some(_) => lines[at] = line,
            None => lines.insert(at, line),
        }
    }
    lines.join("\n") + "\n"
}

/// All case files below a folder, in order.
fn case_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of the cases")
        .map(|entry| entry.expect("an entry of the folder").path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .flat_map(|path| match path.is_dir() {
            true => case_files(&path),
            false if path.extension().is_some_and(|extension| extension == "resp") => vec![path],
            false => Vec::new(),
        })
        .collect()
}

fn check_all(engine: Engine) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let update = engine == Engine::Redis && std::env::var_os("TOPPLE_UPDATE_CASES").is_some();
    let server = Server::start(engine, &["--databases", "16", "--enable-debug-command", "yes"]);
    let (mut report, mut steps_run) = (String::new(), 0);
    for file in case_files(&folder) {
        let shown = file.strip_prefix(&folder).unwrap_or(&file).to_owned();
        if engine == Engine::Redis && shown.starts_with(ONLY_OURS) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a case file");
        let steps = parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", shown.display()));
        steps_run += steps.len();
        let failures = run_file(&server, &steps);
        for failure in &failures {
            write!(report, "{}", describe(&shown, &text, failure)).expect("a string takes all");
        }
        if update && !failures.is_empty() {
            std::fs::write(&file, updated(&text, &failures)).expect("a case file written");
        }
    }
    assert!(steps_run > 0, "no cases in {}", folder.display());
    assert!(report.is_empty(), "{engine:?} answers otherwise:\n{report}");
}

#[test]
fn ours_answers_as_the_cases_say() {
    check_all(Engine::Topple);
}

#[test]
fn the_real_server_answers_as_the_cases_say() {
    check_all(Engine::Redis);
}
