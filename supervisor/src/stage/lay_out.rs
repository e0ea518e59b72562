//! Writing what nodes start from: directories, configurations, script wrappers, start commands.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::guardian::protocol::SpawnRequest;
use crate::launch::{Launch, Paths, launch, shell_line};
use crate::plan::{NodeId, Plan};
use crate::run_dir::RunDir;
use crate::script_shim::write_wrapper;

/// A node's place on disk and its start command.
#[derive(Clone, Debug)]
pub struct LaidOut {
    /// Which node.
    pub node: NodeId,
    /// Where its log is.
    pub log: PathBuf,
    /// How it is started, every time.
    pub command: SpawnRequest,
}

/// Why a node's files cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare {node} in {path}: {source}")]
pub struct LayOutError {
    node: String,
    path: String,
    source: io::Error,
}

/// Writes everything that the nodes of a stage start from. Their data is empty, or a copy of what the plan
/// says.
///
/// # Errors
/// [`LayOutError`] for the first node whose files cannot be written.
pub fn lay_out(plan: &Plan, dir: &RunDir, stage: &str) -> Result<Vec<LaidOut>, LayOutError> {
    let paths = paths(plan, dir, stage)?;
    plan.node_ids().map(|id| lay_out_node(plan, id, &paths)).collect()
}

/// Where a stage's nodes and programs are; writes the wrappers of the scripts that its sentinels run.
///
/// # Errors
/// [`LayOutError`] for the first wrapper that cannot be written.
pub fn paths(plan: &Plan, dir: &RunDir, stage: &str) -> Result<Paths, LayOutError> {
    let folder = dir.wrappers();
    let program = program();
    let mut wrappers = BTreeMap::new();
    for (sentinel, script) in scripts_of_sentinels(plan) {
        let name = &plan.node(sentinel).name;
        let wrapper = write_wrapper(&folder, &program, name, &script)
            .map_err(|source| refused(plan, sentinel, &folder, source))?;
        wrappers.insert((sentinel, script), wrapper);
    }
    Ok(Paths { topple: program, nodes: dir.stage(stage), wrappers })
}

fn refused(plan: &Plan, node: NodeId, path: &Path, source: io::Error) -> LayOutError {
    LayOutError { node: plan.node(node).name.clone(), path: path.display().to_string(), source }
}

/// Writes everything that one node starts from.
///
/// # Errors
/// [`LayOutError`] when its files cannot be written.
pub fn lay_out_node(plan: &Plan, id: NodeId, paths: &Paths) -> Result<LaidOut, LayOutError> {
    write_node(plan, id, paths).map_err(|source| refused(plan, id, &paths.node_dir(plan.node(id)), source))
}

/// Which sentinel runs which scripts.
fn scripts_of_sentinels(plan: &Plan) -> impl Iterator<Item = (NodeId, PathBuf)> {
    plan.monitors_in_force().flat_map(|(_, monitor)| {
        let scripts = [&monitor.notification_script, &monitor.client_reconfig_script];
        monitor.sentinels.iter().flat_map(move |&sentinel| {
            scripts.into_iter().flatten().map(move |script| (sentinel, script.clone()))
        })
    })
}

/// This binary.
pub fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"))
}

fn write_node(plan: &Plan, id: NodeId, paths: &Paths) -> io::Result<LaidOut> {
    let node = plan.node(id);
    let launch = launch(plan, id, paths);
    fs::create_dir_all(&launch.data)?;
    if let Some(data) = &node.data {
        copy_tree(data, &launch.data)?;
    }
    for (name, text) in &launch.files {
        fs::write(launch.dir.join(name), text)?;
    }
    write_command(&launch)?;
    let output = launch.dir.join("log");
    let own_log =
        node.config.get("logfile").map(|name| name.trim_matches('"')).filter(|name| !name.is_empty());
    let log = own_log.map_or_else(|| output.clone(), |name| launch.data.join(name));
    let command = spawn_request(launch);
    Ok(LaidOut { node: id, log, command })
}

/// Writes the start command of a node that is there already, and gives it.
///
/// # Errors
/// [`LayOutError`] when it cannot be written.
pub fn lay_out_command(plan: &Plan, id: NodeId, paths: &Paths) -> Result<SpawnRequest, LayOutError> {
    let launch = launch(plan, id, paths);
    write_command(&launch).map_err(|source| refused(plan, id, &launch.dir, source))?;
    Ok(spawn_request(launch))
}

fn spawn_request(launch: Launch) -> SpawnRequest {
    let output = launch.dir.join("log");
    SpawnRequest { argv: launch.argv, env: launch.env, cwd: launch.cwd, output }
}

/// A script that starts the node by hand exactly as the run does.
fn write_command(launch: &Launch) -> io::Result<()> {
    let path = launch.dir.join("command");
    let mut file = fs::File::create(&path)?;
    let dir = shell_line(&[launch.cwd.display().to_string()]);
    let variables: Vec<String> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let environment =
        if variables.is_empty() { String::new() } else { format!("env {} ", shell_line(&variables)) };
    writeln!(file, "#!/bin/sh\ncd {dir} && exec {environment}{}", shell_line(&launch.argv))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("copying {}: {error}", from.display()));
    for entry in fs::read_dir(from).map_err(named)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(named)?;
        }
    }
    Ok(())
}
