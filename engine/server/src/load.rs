//! Loading the snapshot file at start, in slices, so that clients are answered meanwhile.

use std::fs::File;
use std::io::Read as _;
use std::rc::Rc;

use commands::config::Level;

use crate::shell::Shell;

/// Bytes a slice: a few milliseconds of work.
const SLICE_BYTES: usize = 1 << 20;

/// Loads the configured file, if it exists. An error is fatal: nothing of the file was taken over.
pub(crate) async fn load(shell: &Rc<Shell>) -> Result<(), String> {
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
