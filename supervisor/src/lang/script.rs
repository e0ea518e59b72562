//! Where a script's text comes from, and what paths in it mean.
//!
//! A script is a file or a built-in topology. Relative paths in it resolve from the script's folder first,
//! then from the working directory; those of `import` from the folder of the file that they stand in. A built-in topology's scripts are compiled in too; they are written out
//! below the run's directory, and paths resolve there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use super::suggest::did_you_mean;

/// Topologies compiled into the binary, by name.
pub const BUILT_IN_TOPOLOGIES: &[(&str, &str)] = &[
    ("standalone", include_str!("../../../topologies/standalone.rhai")),
    ("replication", include_str!("../../../topologies/replication.rhai")),
    ("chain", include_str!("../../../topologies/chain.rhai")),
    ("sentinel", include_str!("../../../topologies/sentinel.rhai")),
    ("sentinel-failover", include_str!("../../../topologies/sentinel-failover.rhai")),
    ("manual-failover", include_str!("../../../topologies/manual-failover.rhai")),
    ("app-under-failover", include_str!("../../../topologies/app-under-failover.rhai")),
    ("two-masters-one-sentinel-set", include_str!("../../../topologies/two-masters-one-sentinel-set.rhai")),
    ("one-sentinel-dead", include_str!("../../../topologies/one-sentinel-dead.rhai")),
    ("all-sentinels-dead", include_str!("../../../topologies/all-sentinels-dead.rhai")),
    ("replica-joins-and-leaves-live", include_str!("../../../topologies/replica-joins-and-leaves-live.rhai")),
    ("notification-scripts", include_str!("../../../topologies/notification-scripts.rhai")),
    ("mixed-engines", include_str!("../../../topologies/mixed-engines.rhai")),
    ("rolling-restart", include_str!("../../../topologies/rolling-restart.rhai")),
    ("hundred-nodes", include_str!("../../../topologies/hundred-nodes.rhai")),
];

/// Scripts that built-in topologies name, by their path beside `topologies/`.
pub const BUILT_IN_SCRIPTS: &[(&str, &str)] = &[
    ("scripts/notify.sh", include_str!("../../../scripts/notify.sh")),
    ("scripts/reconfig.sh", include_str!("../../../scripts/reconfig.sh")),
    ("scripts/app.py", include_str!("../../../scripts/app.py")),
    ("scripts/notify-works.sh", include_str!("../../../scripts/notify-works.sh")),
    ("scripts/notify-recovers.sh", include_str!("../../../scripts/notify-recovers.sh")),
    ("scripts/notify-hangs.sh", include_str!("../../../scripts/notify-hangs.sh")),
];

/// A topology script.
#[derive(Clone, Debug)]
pub struct Script {
    /// The path as given, or the name of the built-in topology.
    name: String,
    source: String,
    origin: Origin,
    /// Imported files as first read, so that every evaluation of a run sees the same text.
    imports: RefCell<BTreeMap<PathBuf, String>>,
    /// Every place where an import was looked for.
    looked_for: RefCell<BTreeSet<PathBuf>>,
}

/// What relative paths start from.
#[derive(Clone, Debug)]
enum Origin {
    /// The folder of the script, absolute.
    Folder(PathBuf),
    /// The folder that the built-in scripts are written to.
    BuiltIn(PathBuf),
}

/// Why a script cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither a file nor a built-in topology.
    #[error("there is no file `{name}`, and no built-in topology of that name")]
    Missing {
        /// What was asked for.
        name: String,
        /// The nearest built-in name, or the list of them.
        hint: String,
    },
    /// There, but not readable.
    #[error("cannot read `{name}`: {source}")]
    Unreadable {
        /// What was asked for.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// A path that a script names.
pub(crate) struct ResolvedPath {
    pub(crate) path: PathBuf,
    /// What is wrong with it as a program to run, if anything is.
    pub(crate) trouble: Option<String>,
}

impl Script {
    /// Opens a file, or a built-in topology by name. `root` is where [`Script::write_out`] will put the
    /// scripts of a built-in topology: the run's directory.
    pub fn open(name: &str, root: &Path) -> Result<Self, OpenError> {
        let path = Path::new(name);
        if let Some((_, source)) = built_in(name).filter(|_| !path.is_file()) {
            return Ok(Self::new(name, source, Origin::BuiltIn(root.to_owned())));
        }
        match std::fs::read_to_string(path) {
            Ok(source) => {
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
                Ok(Self::new(name, &source, Origin::Folder(folder)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let names: Vec<&str> = BUILT_IN_TOPOLOGIES.iter().map(|(name, _)| *name).collect();
                let hint = did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("built-in topologies: {}", names.join(", ")));
                Err(OpenError::Missing { name: name.to_owned(), hint })
            }
            Err(source) => Err(OpenError::Unreadable { name: name.to_owned(), source }),
        }
    }

    /// A script from memory, whose relative paths start from `folder`.
    pub fn from_text(name: &str, source: &str, folder: &Path) -> Self {
        Self::new(name, source, Origin::Folder(folder.to_owned()))
    }

    fn new(name: &str, source: &str, origin: Origin) -> Self {
        Self {
            name: name.to_owned(),
            source: source.to_owned(),
            origin,
            imports: RefCell::default(),
            looked_for: RefCell::default(),
        }
    }

    /// The path as given, or the built-in topology's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is a built-in topology.
    pub fn is_built_in(&self) -> bool {
        matches!(self.origin, Origin::BuiltIn(_))
    }

    /// The topology's name when the script gives none: the file's stem.
    pub(crate) fn stem(&self) -> String {
        Path::new(&self.name)
            .file_stem()
            .map_or_else(|| "topology".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// Writes the scripts of a built-in topology to where its paths point. Does nothing for a file.
    pub fn write_out(&self) -> io::Result<()> {
        let Origin::BuiltIn(root) = &self.origin else { return Ok(()) };
        std::fs::create_dir_all(self.folder())?;
        for (path, text) in BUILT_IN_SCRIPTS {
            let target = root.join(path);
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&target, text)?;
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// A file that the script names.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.resolve_beside(&self.folder(), path)
    }

    fn resolve_beside(&self, folder: &Path, path: &str) -> PathBuf {
        let given = Path::new(path);
        let beside = normalized(&folder.join(given));
        if given.is_absolute() || beside.exists() || self.compiled_in(&beside).is_some() {
            return beside;
        }
        match std::path::absolute(given) {
            Ok(from_here) if from_here.exists() => normalized(&from_here),
            _ => beside,
        }
    }

    /// A program that the script names, and whether it can be run.
    pub(crate) fn resolve_program(&self, path: &str) -> ResolvedPath {
        let path = self.resolve(path);
        let trouble = match std::fs::metadata(&path) {
            _ if self.compiled_in(&path).is_some() => None,
            Err(_) => Some(format!("there is no file {}", path.display())),
            Ok(metadata) if metadata.is_dir() => Some(format!("{} is a directory", path.display())),
            Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
                Some(format!("{0} is not executable: chmod +x {0}", path.display()))
            }
            Ok(_) => None,
        };
        ResolvedPath { path, trouble }
    }

    /// The text and path of a script that is imported, by the file at `from` or by the script itself. Paths start
    /// from the folder of the file that they stand in.
    ///
    /// # Errors
    /// The message and what to do, when there is no such file or it cannot be read.
    pub(crate) fn import(
        &self,
        path: &str,
        from: Option<&Path>,
    ) -> Result<(PathBuf, String), (String, Option<String>)> {
        let own = self.folder();
        let folder = from.and_then(Path::parent).unwrap_or(&own);
        let resolved = self.resolve_beside(folder, &with_extension(path));
        self.looked_for.borrow_mut().insert(resolved.clone());
        if let Some(text) = self.imports.borrow().get(&resolved) {
            return Ok((resolved.clone(), text.clone()));
        }
        let text = std::fs::read_to_string(&resolved).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let message = format!("there is no script {} to import", resolved.display());
                (message, self.import_hint(&resolved, folder, path))
            }
            _ => (format!("cannot read {}: {error}", resolved.display()), None),
        })?;
        self.imports.borrow_mut().insert(resolved.clone(), text.clone());
        Ok((resolved, text))
    }

    /// What an import of a file that is not there may have meant.
    fn import_hint(&self, resolved: &Path, folder: &Path, path: &str) -> Option<String> {
        let from_script = self.resolve(&with_extension(path));
        if from_script.is_file() {
            let right = relative(folder, &from_script);
            return Some(format!(
                "paths start from the file they stand in: write {:?}",
                right.with_extension("")
            ));
        }
        let beside = std::fs::read_dir(resolved.parent()?).ok()?.flatten().map(|entry| entry.path());
        let scripts = beside.filter(|path| path.extension().is_some_and(|extension| extension == "rhai"));
        let names: Vec<String> =
            scripts.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
        let wanted = resolved.file_stem()?.to_string_lossy().into_owned();
        did_you_mean(&wanted, names.iter().map(String::as_str))
    }

    /// The files that an evaluation was made from, with their texts: the script itself, and what it imports or
    /// would import if it were there. None for a built-in topology, which does not change.
    pub fn files(&self) -> BTreeMap<PathBuf, Option<String>> {
        if self.is_built_in() {
            return BTreeMap::new();
        }
        let imports = self.imports.borrow();
        let looked_for = self.looked_for.borrow();
        let mut files: BTreeMap<PathBuf, Option<String>> =
            looked_for.iter().map(|path| (path.clone(), imports.get(path).cloned())).collect();
        files.insert(self.path(), Some(self.source.clone()));
        files
    }

    /// Where the script itself is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join(Path::new(&self.name).file_name().unwrap_or_default())
    }

    /// The same script after its file has gone.
    pub(crate) fn as_missing(&self) -> Self {
        Self::new(&self.name, "", self.origin.clone())
    }

    /// What relative paths start from.
    pub(crate) fn folder(&self) -> PathBuf {
        match &self.origin {
            Origin::Folder(folder) => folder.clone(),
            Origin::BuiltIn(root) => root.join("topologies"),
        }
    }

    /// The text of a compiled-in script that a path of a built-in topology means.
    fn compiled_in(&self, path: &Path) -> Option<&'static str> {
        let Origin::BuiltIn(root) = &self.origin else { return None };
        let inside = path.strip_prefix(root).ok()?;
        BUILT_IN_SCRIPTS.iter().find(|(name, _)| Path::new(name) == inside).map(|(_, text)| *text)
    }
}

fn built_in(name: &str) -> Option<&'static (&'static str, &'static str)> {
    BUILT_IN_TOPOLOGIES.iter().find(|(known, _)| *known == name)
}

/// A script's path as `import` completes it.
fn with_extension(path: &str) -> String {
    if Path::new(path).extension().is_some() { path.to_owned() } else { format!("{path}.rhai") }
}

/// A file's path as one says it from a folder.
fn relative(folder: &Path, file: &Path) -> PathBuf {
    let shared = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(file.components().skip(shared)).collect()
}

/// A path without `.` and `..`, by its text alone: the file may not be there yet.
fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_topology_finds_its_scripts_below_the_run_directory() {
        let script = Script::open("sentinel", Path::new("/run-1")).expect("built in");
        let found = script.resolve_program("../scripts/notify.sh");
        assert_eq!(found.path, Path::new("/run-1/scripts/notify.sh"));
        assert_eq!(found.trouble, None);
        assert!(script.resolve_program("../scripts/other.sh").trouble.is_some());
    }

    #[test]
    fn written_out_scripts_can_be_run() {
        let root = tempfile::tempdir().expect("temporary directory");
        let script = Script::open("sentinel", root.path()).expect("built in");
        script.write_out().expect("written");
        let mode = std::fs::metadata(root.path().join("scripts/notify.sh")).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o755);
    }

    #[test]
    fn paths_resolve_beside_the_script_first() {
        let folder = tempfile::tempdir().expect("temporary directory");
        std::fs::write(folder.path().join("n.sh"), "#!/bin/sh\n").expect("written");
        let script = Script::from_text("t.rhai", "", folder.path());
        let found = script.resolve_program("./x/../n.sh");
        assert_eq!(found.path, folder.path().join("n.sh"));
        assert!(found.trouble.expect("trouble").contains("not executable"));
    }

    #[test]
    fn the_files_of_a_script_are_itself_and_its_imports_also_missing_ones() {
        let folder = tempfile::tempdir().expect("temporary directory");
        std::fs::write(folder.path().join("part.rhai"), "1").expect("written");
        let script = Script::from_text("t.rhai", "2", folder.path());
        assert!(script.import("part", None).is_ok() && script.import("gone", None).is_err());
        let at = |name: &str| folder.path().join(name);
        let expected = [("gone.rhai", None), ("part.rhai", Some("1")), ("t.rhai", Some("2"))];
        let expected = expected.map(|(name, text)| (at(name), text.map(str::to_owned)));
        assert_eq!(script.files(), BTreeMap::from(expected));
    }

    #[test]
    fn paths_are_said_from_a_folder() {
        let said = |folder, file| relative(Path::new(folder), Path::new(file)).display().to_string();
        assert_eq!(said("/a/b", "/a/c/d.rhai"), "../c/d.rhai");
        assert_eq!(said("/a", "/a/c.rhai"), "c.rhai");
    }

    #[test]
    fn an_unknown_name_gets_a_hint() {
        match Script::open("sentinal", Path::new("/run-1")) {
            Err(OpenError::Missing { hint, .. }) => assert_eq!(hint, "did you mean `sentinel`?"),
            other => panic!("{other:?}"),
        }
    }
}
