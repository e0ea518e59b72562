//! Loading the data at start, in slices, so that clients are answered meanwhile: the parts of the append-only
//! file, or the snapshot file.

use std::fs::File;
use std::io::Read as _;
use std::rc::Rc;

use commands::LoadPlan;
use commands::config::Level;

use crate::listen::reason;
use crate::shell::Shell;

/// Bytes a slice: a few milliseconds of work.
const SLICE_BYTES: usize = 1 << 20;

/// Loads what there is, and takes the append-only file up. An error is fatal.
pub(crate) async fn load(shell: &Rc<Shell>) -> Result<(), String> {
    match shell.with(|server, now| server.plan_loading(now))? {
        LoadPlan::Snapshot => load_snapshot(shell).await?,
        LoadPlan::AppendOnly(paths) => load_aof(shell, &paths).await?,
    }
    shell.with(|server, now| server.open_aof_at_start(now))
}

async fn load_aof(shell: &Rc<Shell>, paths: &[String]) -> Result<(), String> {
    let mut slice = vec![0; if paths.is_empty() { 0 } else { SLICE_BYTES }];
    for path in paths {
        let mut file = File::open(path).map_err(|error| {
            let reason = reason(&error);
            format!("Fatal error: can't open the append log file {path} for reading: {reason}")
        })?;
        loop {
            let read = file.read(&mut slice).map_err(|error| {
                format!("Unrecoverable error reading the append only file {path}: {}", reason(&error))
            })?;
            if read == 0 {
                break;
            }
            shell.with(|server, now| server.feed_aof_file(&slice[..read], now))?;
            tokio::task::yield_now().await;
        }
        shell.with(|server, now| server.end_aof_file(now))?;
    }
    shell.with(|server, now| server.aof_loaded(now));
    Ok(())
}

/// Loads the configured snapshot file, if it exists.
async fn load_snapshot(shell: &Rc<Shell>) -> Result<(), String> {
    let path = shell.server.borrow().config.settings.dbfilename.clone();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            shell.with(|server, _| server.load_abandoned());
            return Ok(());
        }
        Err(error) => {
            return Err(format!("Fatal error loading the DB, can't open {path}: {error}. Exiting."));
        }
    };
    let total_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let started = std::time::Instant::now();
    let mut loader = shell.with(|server, _| server.begin_loading(total_bytes));
    let mut loaded_bytes = 0;
    loop {
        let read = file.read(loader.space(SLICE_BYTES)).map_err(|error| fatal(&path, &error))?;
        if read == 0 {
            break;
        }
        loaded_bytes += read as u64;
        loader.commit(read).map_err(|error| fatal(&path, &error))?;
        shell.with(|server, _| server.loading_progress(loaded_bytes));
        tokio::task::yield_now().await;
    }
    shell.with(|server, _| server.loaded(loader)).map_err(|error| fatal(&path, &error))?;
    let seconds = started.elapsed().as_secs_f64();
    shell.with(|server, _| server.log(Level::Notice, format!("DB loaded from disk: {seconds:.3} seconds")));
    Ok(())
}

fn fatal(path: &str, error: &dyn std::fmt::Display) -> String {
    format!("Fatal error loading the DB from {path}: {error}. Nothing was loaded. Exiting.")
}
