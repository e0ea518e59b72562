//! The files of the user's own programs: those that a `process` names in its command or environment, and that lie
//! beside the script. When one changes, the process restarts.
//!
//! What such a program reads beyond that (modules, templates) is not known here. A file that the program writes
//! itself would have it restart for ever; it is noticed and left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::history::Moment;
use crate::plan::{Node, NodeId, NodeKind, Plan};

/// A file that changes this soon after the restart that it caused…
const SOON_US: u64 = 2_000_000;
/// …so many times in a row is written by the program itself.
const TIMES: u32 = 5;

/// The files that are watched for processes, and what is known of them.
#[derive(Default)]
pub(super) struct ProcessFiles {
    of: BTreeMap<PathBuf, BTreeSet<NodeId>>,
    restarts: BTreeMap<PathBuf, Restarts>,
    left_alone: BTreeSet<PathBuf>,
}

/// Restarts that a file has caused, one soon after the other.
#[derive(Clone, Copy)]
struct Restarts {
    last: Moment,
    in_a_row: u32,
}

impl ProcessFiles {
    /// Brings it to what a plan names; `scripts` are files that are followed for another reason.
    pub(super) fn update(&mut self, plan: &Plan, scripts: &BTreeSet<PathBuf>) {
        let mut of: BTreeMap<PathBuf, BTreeSet<NodeId>> = BTreeMap::new();
        for id in plan.node_ids() {
            for path in named(plan.node(id)) {
                // One that is gone may come again.
                let counts = path.is_file() || self.of.contains_key(&path);
                if counts && !scripts.contains(&path) && !self.left_alone.contains(&path) {
                    of.entry(path).or_default().insert(id);
                }
            }
        }
        self.of = of;
    }

    /// The script is another: what was left alone may have another meaning.
    pub(super) fn begin_anew(&mut self) {
        self.restarts.clear();
        self.left_alone.clear();
    }

    /// All of them.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.of.keys()
    }

    /// The processes that changed files concern, each with its file.
    pub(super) fn concerned(&self, changed: &BTreeSet<PathBuf>) -> BTreeMap<NodeId, PathBuf> {
        let mut found = BTreeMap::new();
        for path in changed {
            for id in self.of.get(path).into_iter().flatten() {
                found.entry(*id).or_insert_with(|| path.clone());
            }
        }
        found
    }

    /// Notes that a file has its processes restart now. False when the program seems to write it itself: then it is
    /// left alone from here on.
    pub(super) fn may_restart(&mut self, path: &Path, now: Moment) -> bool {
        let before = self.restarts.get(path).filter(|before| now.0 - before.last.0 <= SOON_US);
        let in_a_row = before.map_or(0, |before| before.in_a_row) + 1;
        if in_a_row > TIMES {
            self.restarts.remove(path);
            self.left_alone.insert(path.to_owned());
            return false;
        }
        self.restarts.insert(path.to_owned(), Restarts { last: now, in_a_row });
        true
    }
}

/// The files that a process may mean with the words of its command and the values of its environment. Relative
/// paths start from where it runs; absolute ones count below that folder.
fn named(node: &Node) -> BTreeSet<PathBuf> {
    let NodeKind::Process { command, cwd, .. } = &node.kind else { return BTreeSet::new() };
    let mut words: Vec<&str> = Vec::new();
    for text in command.iter().chain(node.env.values()) {
        // A path may have blanks in it; a text may be a shell's line with several words.
        words.push(text);
        let mut is_output = false;
        for word in text.split(|c: char| c.is_whitespace() || "'\";|&()".contains(c)) {
            let follows = std::mem::replace(&mut is_output, word.ends_with('>'));
            if !follows && !word.contains('>') {
                words.push(word);
                words.extend(word.split_once('=').map(|(_, value)| value));
            }
        }
    }
    let beside =
        |word: &&str| !word.is_empty() && (Path::new(word).is_relative() || Path::new(word).starts_with(cwd));
    words.into_iter().filter(beside).map(|word| cwd.join(word)).collect()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::lang::{Inputs, Script, evaluate};
    use crate::ports::CountedPorts;

    fn plan(folder: &Path, source: &str) -> Plan {
        let script = Rc::new(Script::from_text("t.rhai", source, folder));
        evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default())).expect("right").plan
    }

    fn watched(files: &ProcessFiles, folder: &Path) -> Vec<String> {
        files.paths().map(|path| path.strip_prefix(folder).expect("beside").display().to_string()).collect()
    }

    #[test]
    fn files_that_a_command_or_the_environment_names_are_watched_while_they_are_named() {
        let folder = tempfile::tempdir().expect("temporary directory");
        for name in ["app.py", "conf.toml", "with blank", "env.json", "out.log", "t.rhai", "part of it"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let all = format!(
            r#"process("p", #{{ command: ["python3", "./app.py", "--config=conf.toml", "with blank", "t.rhai"],
                env: #{{ E: "{}/env.json", O: "/etc/passwd" }} }});
            process("q", #{{ command: ["sh", "-c", "exec python3 'app.py' >out.log 2> out.log"] }});"#,
            folder.path().display()
        );
        let mut files = ProcessFiles::default();
        let scripts = BTreeSet::from([folder.path().join("t.rhai")]);
        files.update(&plan(folder.path(), &all), &scripts);
        assert_eq!(watched(&files, folder.path()), ["app.py", "conf.toml", "env.json", "with blank"]);
        let changed = BTreeSet::from([folder.path().join("app.py")]);
        assert_eq!(files.concerned(&changed).into_keys().collect::<Vec<_>>(), [NodeId(0), NodeId(1)]);
        std::fs::remove_file(folder.path().join("app.py")).expect("removed");
        let fewer = "process(\"p\", #{ command: [\"python3\", \"app.py\"] });";
        files.update(&plan(folder.path(), fewer), &scripts);
        assert_eq!(watched(&files, folder.path()), ["app.py"], "gone, and waited for");
        files.update(&plan(folder.path(), "master(\"m\");"), &scripts);
        assert_eq!(watched(&files, folder.path()), [""; 0]);
    }

    #[test]
    fn a_file_that_changes_after_every_restart_is_left_alone() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let path = folder.path().join("out");
        std::fs::write(&path, "").expect("written");
        let plan = plan(folder.path(), "process(\"p\", #{ command: [\"tee\", \"out\"] });");
        let mut files = ProcessFiles::default();
        files.update(&plan, &BTreeSet::new());
        let mut at = |seconds: u64| files.may_restart(&path, Moment(seconds * 1_000_000));
        assert_eq!([at(1), at(10), at(11), at(13), at(15), at(16)], [true; 6]);
        assert!(!at(17));
        files.update(&plan, &BTreeSet::new());
        assert_eq!(watched(&files, folder.path()), [""; 0]);
        files.begin_anew();
        files.update(&plan, &BTreeSet::new());
        assert_eq!(watched(&files, folder.path()), ["out"]);
    }
}
