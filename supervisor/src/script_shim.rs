//! Notification and reconfiguration scripts, and how the supervisor knows what they did.
//!
//! The generated configuration of a sentinel names a wrapper instead of the user's script: two lines of
//! `sh` in the run directory that execute `topple script-shim`. The shim runs the user's script with the
//! same arguments, passes its output on, appends one line to the run's journal of scripts, and ends as the
//! script ended (same exit code, same signal), so that the sentinel's retries are what they would be
//! without it. This works with any sentinel.
//!
//! Nothing here decides when a script runs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::history::Exit;

/// Output beyond this is cut off in the history.
const OUTPUT_BYTES: usize = 4 << 10;

/// File in the scripts folder that takes a line for each script run.
pub const JOURNAL: &str = "journal.jsonl";

/// What the shim is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShimRequest {
    /// File to append to.
    pub journal: PathBuf,
    /// Name of the sentinel.
    pub node: String,
    /// The user's script and its arguments.
    pub command: Vec<String>,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRecord {
    /// Name of the sentinel that ran it.
    pub node: String,
    /// The user's script and its arguments.
    pub argv: Vec<String>,
    /// What it wrote, cut.
    pub output: String,
    /// How it ended; none when it could not be started.
    pub how: Option<Exit>,
    /// How long it ran.
    pub took_us: u64,
}

/// Makes the wrapper of a script for one sentinel and gives its path.
///
/// # Errors
/// Those of writing it.
pub fn write_wrapper(scripts: &Path, program: &Path, node: &str, script: &Path) -> io::Result<PathBuf> {
    let stem = script.file_name().unwrap_or_default().to_string_lossy();
    let path = scripts.join(format!("{node}.{stem}"));
    let quoted = |path: &Path| quote(&path.to_string_lossy());
    let text = format!(
        "#!/bin/sh\nexec {} script-shim --journal {} --node {} -- {} \"$@\"\n",
        quoted(program),
        quoted(&scripts.join(JOURNAL)),
        quote(node),
        quoted(script),
    );
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// In single quotes for `sh`.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Runs the user's script and records it; gives the exit code to end with, or ends by the same signal.
pub fn run(request: &ShimRequest) -> i32 {
    let began = Instant::now();
    let ended = run_script(request);
    let took = began.elapsed();
    let (how, output) = match ended {
        Ok((how, output)) => (Some(how), output),
        Err(error) => (None, format!("{}: {error}", request.command.first().map_or("", String::as_str))),
    };
    let _ = io::stdout().write_all(output.as_bytes());
    let record = ScriptRecord {
        node: request.node.clone(),
        argv: request.command.clone(),
        output: cut(output),
        how,
        took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    };
    if let Ok(line) = serde_json::to_string(&record) {
        let _ = sys::append_line(&request.journal, &line);
    }
    match how {
        Some(Exit::Code(code)) => code,
        Some(Exit::Signal(signal)) => die_by(signal),
        // What a sentinel's own child ends with when it cannot execute a script: no further try.
        None => 2,
    }
}

/// The output goes to a file and not through a pipe: a process that the script leaves in the background
/// would keep the pipe open, and the shim would wait for it.
fn run_script(request: &ShimRequest) -> io::Result<(Exit, String)> {
    let folder = request.journal.parent().unwrap_or(Path::new("."));
    let captured = folder.join(format!("output-{}", std::process::id()));
    let output = OpenOptions::new().append(true).create_new(true).open(&captured)?;
    let result = start_and_wait(request, output);
    let text = fs::read(&captured).unwrap_or_default();
    let _ = fs::remove_file(&captured);
    result.map(|how| (how, String::from_utf8_lossy(&text).into_owned()))
}

fn start_and_wait(request: &ShimRequest, output: fs::File) -> io::Result<Exit> {
    let pid = sys::spawn(sys::SpawnSpec {
        argv: request.command.iter().map(Into::into).collect(),
        env: Vec::new(),
        cwd: std::env::current_dir()?,
        output,
    })?;
    let mut pause = Duration::from_micros(200);
    loop {
        match sys::waitpid_nohang(pid)? {
            Some(sys::Ended::Code(code)) => return Ok(Exit::Code(code)),
            Some(sys::Ended::Signal(signal)) => return Ok(Exit::Signal(signal)),
            None => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

fn cut(mut output: String) -> String {
    if output.len() > OUTPUT_BYTES {
        let end = (0..=OUTPUT_BYTES).rev().find(|&end| output.is_char_boundary(end)).unwrap_or(0);
        output.truncate(end);
    }
    output
}

fn die_by(signal: i32) -> i32 {
    if let Ok(signal) = nix::sys::signal::Signal::try_from(signal) {
        let _ = nix::sys::signal::raise(signal);
    }
    // The signal is one that this process ignores.
    128 + signal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(dir: &Path, script: &str) -> ShimRequest {
        let path = dir.join("it's a script.sh");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        ShimRequest {
            journal: dir.join(JOURNAL),
            node: "s1".to_owned(),
            command: vec![path.display().to_string(), "+sdown".to_owned(), "master m".to_owned()],
        }
    }

    fn recorded(request: &ShimRequest) -> ScriptRecord {
        let text = fs::read_to_string(&request.journal).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    #[test]
    fn arguments_output_and_exit_code_are_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let request = request(dir.path(), "#!/bin/sh\necho \"$1/$2\"; echo bad >&2; exit 7\n");
        assert_eq!(run(&request), 7);
        let record = recorded(&request);
        assert_eq!(record.output, "+sdown/master m\nbad\n");
        assert_eq!(record.how, Some(Exit::Code(7)));
        assert_eq!(record.argv, request.command);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside script and journal");
    }

    #[test]
    fn a_background_process_does_not_hold_the_shim_up() {
        let dir = tempfile::tempdir().unwrap();
        let request = request(dir.path(), "#!/bin/sh\nsleep 5 & echo $!\n");
        let began = Instant::now();
        assert_eq!(run(&request), 0);
        assert!(began.elapsed() < Duration::from_secs(4));
        let pid: i32 = recorded(&request).output.trim().parse().unwrap();
        sys::signal_process(pid, 9).unwrap();
    }

    #[test]
    fn a_script_that_cannot_run_is_recorded_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut request = request(dir.path(), "");
        request.command[0] = "/nonexistent/script".to_owned();
        assert_eq!(run(&request), 2);
        assert_eq!(recorded(&request).how, None);
    }

    #[test]
    fn the_wrapper_runs_under_sh_whatever_the_names() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("it's.sh");
        let program = Path::new("/bin/echo");
        let wrapper = write_wrapper(dir.path(), program, "s1", &script).unwrap();
        let output = std::process::Command::new(wrapper).args(["+odown", "a b"]).output().unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        let expected = format!(
            "script-shim --journal {} --node s1 -- {} +odown a b\n",
            dir.path().join(JOURNAL).display(),
            script.display()
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn long_output_is_cut_between_letters() {
        assert_eq!(cut("é".repeat(3000)).len(), OUTPUT_BYTES);
        assert_eq!(cut("short".to_owned()), "short");
    }
}
