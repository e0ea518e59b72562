//! `topple init`: a built-in topology written out to be edited, with the scripts it names.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::output::{complain, print};
use super::{InitArgs, REFUSED, WRONG_INPUT};
use crate::lang::script::{BUILT_IN_SCRIPTS, BUILT_IN_TOPOLOGIES};
use crate::lang::suggest::did_you_mean;

/// Writes the files into the working directory; what is there already stays, unless told otherwise.
pub(super) fn init(args: &InitArgs) -> ExitCode {
    let Some((name, source)) = BUILT_IN_TOPOLOGIES.iter().find(|(name, _)| *name == args.name) else {
        let names: Vec<&str> = BUILT_IN_TOPOLOGIES.iter().map(|(name, _)| *name).collect();
        complain(&format!("topple: there is no built-in topology `{}`", args.name));
        let hint = did_you_mean(&args.name, names.iter().copied());
        complain(&format!("  {}", hint.unwrap_or_else(|| format!("there are {}", names.join(", ")))));
        return ExitCode::from(WRONG_INPUT);
    };
    let files = files(name, source);
    if !args.force
        && let Some((path, _, _)) = files.iter().find(|(path, _, _)| path.exists())
    {
        complain(&format!("topple: {} is there already; --force writes over it", path.display()));
        return ExitCode::from(WRONG_INPUT);
    }
    for (path, text, mode) in &files {
        if let Err(error) = write(path, text, *mode) {
            complain(&format!("topple: cannot write {}: {error}", path.display()));
            return ExitCode::from(REFUSED);
        }
        print(&format!("wrote {}\n", path.display()));
    }
    print(&format!(
        "\n`topple up {name}.rhai` brings it up; `topple check {name}.rhai` looks for mistakes.\n"
    ));
    ExitCode::SUCCESS
}

/// The topology, whose paths now start from its own folder, and the scripts it names.
fn files(name: &str, source: &str) -> Vec<(PathBuf, String, u32)> {
    let mut files =
        vec![(PathBuf::from(format!("{name}.rhai")), source.replace("../scripts/", "scripts/"), 0o644)];
    for (path, text) in BUILT_IN_SCRIPTS {
        if source.contains(&format!("../{path}")) {
            files.push((PathBuf::from(path), (*text).to_owned(), 0o755));
        }
    }
    files
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_comes_with_the_scripts_it_names() {
        for (name, source) in BUILT_IN_TOPOLOGIES {
            let files = files(name, source);
            assert!(!files[0].1.contains("../scripts"), "{name}");
            for (path, _) in BUILT_IN_SCRIPTS {
                let written = files.iter().any(|(file, _, _)| file == Path::new(path));
                assert_eq!(written, files[0].1.contains(path), "{name} {path}");
            }
        }
    }
}
