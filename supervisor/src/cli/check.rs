//! `topple check`: mistakes in scripts, without starting anything.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use super::output::colour_on_stdout;
use super::{CheckArgs, WRONG_INPUT};
use crate::lang::{Diagnostic, Inputs, OpenError, Script, Severity, evaluate, render_all};
use crate::ports::CountedPorts;

/// Checks the scripts that the command line names.
pub fn check(args: &CheckArgs) -> ExitCode {
    let mut out = io::stdout().lock();
    let code = check_files(&args.files, &args.inputs.inputs(), &mut out, colour_on_stdout());
    // A reader that went away needs no message.
    ExitCode::from(code.unwrap_or_default())
}

/// Checks scripts; gives the exit code. Warnings are shown and do not count as mistakes.
///
/// # Errors
/// Those of writing.
pub fn check_files(files: &[String], inputs: &Inputs, out: &mut dyn Write, colour: bool) -> io::Result<u8> {
    let mut code = 0;
    for file in files {
        let found = findings(file, inputs);
        out.write_all(render_all(&found, colour).as_bytes())?;
        let count = |severity| found.iter().filter(|found| found.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        writeln!(out, "{file}: {}", verdict(errors, warnings))?;
        if errors > 0 {
            code = WRONG_INPUT;
        }
    }
    out.flush()?;
    Ok(code)
}

/// Everything that is found in one script. Ports are counted up and not looked for on this machine: a check
/// says the same everywhere.
fn findings(file: &str, inputs: &Inputs) -> Vec<Diagnostic> {
    match open(file) {
        Err(diagnostic) => vec![diagnostic],
        Ok(script) => match evaluate(&script, inputs, Box::new(CountedPorts::default())) {
            Ok(evaluation) => evaluation.warnings,
            Err(mistakes) => mistakes,
        },
    }
}

/// Where a built-in topology's scripts would be: nothing is written for a check or a plan.
pub(super) const RUN_DIR: &str = "RUN";

/// Opens a script without a run.
pub(super) fn open(file: &str) -> Result<Rc<Script>, Diagnostic> {
    Script::open(file, Path::new(RUN_DIR)).map(Rc::new).map_err(|error| {
        let notes = match &error {
            OpenError::Missing { hint, .. } => vec![hint.clone()],
            OpenError::Unreadable { .. } => Vec::new(),
        };
        Diagnostic {
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            source_line: String::new(),
            message: error.to_string(),
            notes,
        }
    })
}

fn verdict(errors: usize, warnings: usize) -> String {
    let plural = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    match (errors, warnings) {
        (0, 0) => "no mistakes found".to_owned(),
        (0, _) => plural(warnings, "warning"),
        (_, 0) => plural(errors, "mistake"),
        _ => format!("{}, {}", plural(errors, "mistake"), plural(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(files: &[&str], code: u8, expected: Expect) {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        let mut out = Vec::new();
        let got = check_files(&files, &Inputs::default(), &mut out, false).expect("written");
        expected.assert_eq(&String::from_utf8(out).expect("text"));
        assert_eq!(got, code);
    }

    #[test]
    fn built_in_topologies_have_no_mistakes() {
        check(
            &["sentinel", "chain"],
            0,
            expect![[r#"
            sentinel: no mistakes found
            chain: no mistakes found
        "#]],
        );
    }

    #[test]
    fn a_missing_script_is_a_mistake() {
        check(
            &["sentinell", "nowhere.rhai"],
            2,
            expect![[r#"
                error: there is no file `sentinell`, and no built-in topology of that name
                 --> sentinell
                   = did you mean `sentinel`?

                sentinell: 1 mistake
                error: there is no file `nowhere.rhai`, and no built-in topology of that name
                 --> nowhere.rhai
                   = built-in topologies: standalone, replication, chain, sentinel, sentinel-failover, manual-failover, app-under-failover, two-masters-one-sentinel-set, one-sentinel-dead, all-sentinels-dead, replica-joins-and-leaves-live, notification-scripts, mixed-engines, rolling-restart, hundred-nodes

                nowhere.rhai: 1 mistake
            "#]],
        );
    }

    #[test]
    fn mistakes_and_warnings_are_counted_and_only_mistakes_fail() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = "let m = master(\"m\"); monitor(sentinels(\"s\", 2), \"a\", m);";
        std::fs::write(path("trap.rhai"), text).expect("written");
        std::fs::write(path("wrong.rhai"), format!("{text} mastr(\"n\");")).expect("written");
        let mut out = Vec::new();
        let inputs = Inputs::default();
        assert_eq!(check_files(&[path("trap.rhai")], &inputs, &mut out, false).expect("written"), 0);
        assert_eq!(check_files(&[path("wrong.rhai")], &inputs, &mut out, false).expect("written"), 2);
        let text =
            String::from_utf8(out).expect("text").replace(&format!("{}/", folder.path().display()), "");
        expect![[r#"
            warning: 2 sentinels are an even number
              --> trap.rhai:1:30
               |
             1 | let m = master("m"); monitor(sentinels("s", 2), "a", m);
               |                              ^^^^^^^^^
               = one more costs little: an even number survives no more failures than one less

            trap.rhai: 1 warning
            error: unknown word `mastr`
              --> wrong.rhai:1:58
               |
             1 | let m = master("m"); monitor(sentinels("s", 2), "a", m); mastr("n");
               |                                                          ^^^^^
               = did you mean `master`?

            warning: 2 sentinels are an even number
              --> wrong.rhai:1:30
               |
             1 | let m = master("m"); monitor(sentinels("s", 2), "a", m); mastr("n");
               |                              ^^^^^^^^^
               = one more costs little: an even number survives no more failures than one less

            wrong.rhai: 1 mistake, 1 warning
        "#]]
        .assert_eq(&text);
    }
}
