//! What lints cannot see: which crate may use which, sizes, headers, and calls that have a better place.
//!
//! Every rule names what to do instead. The rules themselves are those of `engine/ARCHITECTURE.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const FILE_LINES: usize = 800;
/// Longest function, in lines. Data (declaration tables) does not count, nor does a match whose arms are one
/// line each.
const FUNCTION_LINES: usize = 70;

/// Crates and what of this workspace they may use, tests aside.
const MAY_USE: &[(&str, &[&str])] = &[
    ("engine/resp", &[]),
    ("engine/keyspace", &["resp"]),
    ("engine/persist", &["resp", "keyspace"]),
    ("engine/replication", &["resp", "keyspace", "persist"]),
    ("engine/sentinel", &["resp", "keyspace", "persist"]),
    ("engine/types", &["resp", "keyspace", "persist"]),
    ("engine/scripting", &["resp"]),
    ("engine/commands", &["resp", "keyspace", "persist", "replication", "sentinel", "types", "scripting"]),
    ("engine/sys", &[]),
    (
        "engine/server",
        &["resp", "keyspace", "persist", "replication", "sentinel", "types", "commands", "sys"],
    ),
    ("supervisor", &["resp", "commands", "sys", "server"]),
];

/// Crates without I/O, clock and randomness.
const PURE: &[&str] = &[
    "engine/resp",
    "engine/keyspace",
    "engine/persist",
    "engine/replication",
    "engine/sentinel",
    "engine/types",
    "engine/scripting",
    "engine/commands",
];

/// What a pure crate must not mention, and what it does instead.
const IMPURE: &[(&str, &str)] = &[
    ("std::time::Instant", "take `now` as an argument"),
    ("std::time::SystemTime", "take `now` as an argument"),
    ("Instant::now", "take `now` as an argument"),
    ("SystemTime::now", "take `now` as an argument"),
    ("std::fs::", "give and take bytes; the shell does files"),
    ("std::net::Tcp", "give and take bytes; the shell does sockets"),
    ("std::process::", "ask the host"),
    ("std::thread::", "one thread owns the data"),
    ("tokio", "tokio belongs to server, tools and supervisor"),
    ("rand::", "take a seeded generator"),
    ("RandomState::new", "take a seed"),
];

/// What no source may hold.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "build it, or leave it out"),
    (concat!("unimpl", "emented!("), "build it, or leave it out"),
    (concat!("#[ig", "nore"), "a test runs or does not exist"),
    (concat!("FIX", "ME"), "mend it, or write an issue"),
    (concat!("db", "g!("), "remove it"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let root = root();
    let mut paths = Vec::new();
    for dir in ["engine", "supervisor", "tests"] {
        sources(&root.join(dir), &mut paths);
    }
    paths.sort();
    let named = |path: &PathBuf| path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
    paths.iter().map(|path| (named(path), fs::read_to_string(path).expect("a source"))).collect()
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Code without its tests at the foot, its comments and what its strings hold.
fn code_lines(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    code.lines().map(|line| line.split("//").next().unwrap_or(line).to_string()).collect()
}

#[test]
fn dependencies_point_one_way() {
    let known: Vec<&str> = MAY_USE.iter().map(|(name, _)| name.rsplit('/').next().unwrap_or(name)).collect();
    let mut faults = Vec::new();
    for (name, may_use) in MAY_USE {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        for dependency in section.lines().filter_map(|line| line.split(['.', ' ', '=']).next()) {
            let ours = known.contains(&dependency);
            if ours && !may_use.contains(&dependency) {
                faults.push(format!("{name} must not use {dependency}: dependencies point one way"));
            }
            if dependency == "tokio" && !matches!(*name, "engine/server" | "engine/tools" | "supervisor") {
                faults.push(format!("{name} must not use tokio"));
            }
        }
    }
    let listed: Vec<String> = fs::read_to_string(root().join("Cargo.toml"))
        .expect("the workspace's manifest")
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\",").map(str::to_string))
        .filter(|member| member.starts_with("engine/") || member == "supervisor")
        .collect();
    for member in listed {
        if !MAY_USE.iter().any(|(name, _)| *name == member) {
            faults.push(format!("{member} has no line in MAY_USE: say what it may use"));
        }
    }
    report(faults);
}

#[test]
fn pure_crates_are_pure() {
    let mut faults = Vec::new();
    for (path, text) in all_sources() {
        if !PURE.iter().any(|name| path.starts_with(&format!("{name}/src/"))) || path.contains("/tests") {
            continue;
        }
        for (index, line) in code_lines(&text).iter().enumerate() {
            for (word, instead) in IMPURE {
                if line.contains(word) {
                    faults.push(format!("{path}:{}: `{word}` in a pure crate: {instead}", index + 1));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn unsafe_code_has_two_homes() {
    let mut faults = Vec::new();
    let mut roots: BTreeMap<String, bool> = BTreeMap::new();
    for (path, text) in all_sources() {
        let home = path.starts_with("engine/sys/") || path.starts_with("engine/keyspace/src/packed");
        let code = code_lines(&text);
        let uses = |line: &String| {
            line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl")
        };
        if !home && path != "tests/tidy.rs" && code.iter().any(uses) {
            faults.push(format!("{path}: `unsafe` lives in engine/sys and keyspace's packed module"));
        }
        let forks = |line: &String| line.contains("unistd::fork") || line.contains("libc::fork");
        if path != "engine/sys/src/fork.rs" && path != "tests/tidy.rs" && code.iter().any(forks) {
            faults.push(format!("{path}: `fork` happens in engine/sys/src/fork.rs alone"));
        }
        if path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") {
            let forbids = text.contains("#![forbid(unsafe_code)]");
            let exempt = path.starts_with("engine/sys/")
                || (path.starts_with("engine/keyspace/") && text.contains("#![deny(unsafe_code)]"));
            roots.insert(path, forbids || exempt);
        }
    }
    faults.extend(
        roots
            .into_iter()
            .filter(|(_, ok)| !ok)
            .map(|(path, _)| format!("{path}: lacks #![forbid(unsafe_code)]")),
    );
    report(faults);
}

#[test]
fn every_module_says_what_it_is_for() {
    let lacks = |(path, text): (String, String)| {
        (!text.starts_with("//!")).then(|| format!("{path}: begins without //!"))
    };
    report(all_sources().into_iter().filter_map(lacks).collect());
}

#[test]
fn files_and_functions_stay_small() {
    let mut faults = Vec::new();
    for (path, text) in all_sources() {
        let lines = text.lines().count();
        if lines > FILE_LINES {
            faults.push(format!("{path}: {lines} lines; at most {FILE_LINES}: split it by noun"));
        }
        for (name, start, length) in functions(&text) {
            if length > FUNCTION_LINES {
                faults
                    .push(format!("{path}:{start}: fn {name} has {length} lines; at most {FUNCTION_LINES}"));
            }
        }
    }
    report(faults);
}

/// Functions with their first line and length; rustfmt's layout makes ends easy to find. Lines that are one
/// whole match arm do not count.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let starts = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "async fn ",
            "pub(crate) async fn ",
            "pub async fn ",
            "const fn ",
            "pub const fn ",
            "pub(crate) const fn ",
        ];
        let Some(rest) = starts.iter().find_map(|start| trimmed.strip_prefix(start)) else { continue };
        let end = format!("{}}}", " ".repeat(indent));
        let Some(length) = lines[index..].iter().position(|line| *line == end) else { continue };
        let name = rest.split(['(', '<']).next().unwrap_or_default().to_string();
        let data = data_lines(&lines[index..index + length]);
        found.push((name, index + 1, length + 1 - data));
    }
    found
}

/// Lines that are data rather than code: match arms of one line, and the texts that tests expect.
fn data_lines(lines: &[&str]) -> usize {
    let mut expected = false;
    let mut data = 0;
    for line in lines {
        let ends = line.trim_start().starts_with("\"#]]");
        expected &= !ends;
        data += usize::from(expected || is_whole_arm(line));
        expected |= line.contains("expect![[r#\"") && !line.contains("\"#]]");
    }
    data
}

fn is_whole_arm(line: &str) -> bool {
    line.contains(" => ") && line.trim_end().ends_with(',')
}

#[test]
fn nothing_is_left_unfinished() {
    let mut faults = Vec::new();
    for (path, text) in all_sources() {
        for (word, instead) in BANNED {
            if text.contains(word) {
                faults.push(format!("{path}: holds `{word}`: {instead}"));
            }
        }
    }
    report(faults);
}

#[test]
fn the_top_level_stays_what_it_is() {
    let expected = [
        "Cargo.toml",
        "Cargo.lock",
        "engine",
        "supervisor",
        "topologies",
        "scripts",
        "tests",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "target",
    ];
    let entries = fs::read_dir(root()).expect("the top level").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let strange = |name: &String| !name.starts_with('.') && !expected.contains(&name.as_str());
    report(names.filter(strange).map(|name| format!("{name}: not one of {expected:?}")).collect());
}
