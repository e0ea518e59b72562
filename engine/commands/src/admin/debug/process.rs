//! DEBUG on the process: what slows, stops, ends or restarts it, and switches.

use resp::Args;
use resp::number::{parse_f64, parse_i64};
use types::CommandError;

use crate::client::Client;
use crate::config::{Level, rewrite_all};
use crate::server::Server;

type Outcome = Result<(), CommandError>;

/// Signals that end a process as the named faults do.
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

fn switch(argument: &[u8]) -> Result<bool, CommandError> {
    // As C's atoi: what is no number is 0.
    Ok(parse_i64(argument).unwrap_or(0) != 0)
}

pub(super) fn sleep(server: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    let seconds = parse_f64(args.at(2)).filter(|seconds| (0.0..1e9).contains(seconds)).unwrap_or(0.0);
    server.host.sleep(seconds);
    client.writer().ok();
    Ok(())
}

pub(super) fn set_active_expire(server: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    server.active_expire = switch(args.at(2))?;
    client.writer().ok();
    Ok(())
}

pub(super) fn set_disable_deny_scripts(server: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    server.debug.disable_deny_scripts = switch(args.at(2))?;
    client.writer().ok();
    Ok(())
}

pub(super) fn set_skip_checksum_validation(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Outcome {
    server.debug.skip_checksums = switch(args.at(2))?;
    client.writer().ok();
    Ok(())
}

pub(super) fn pause_cron(server: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    server.debug.cron_paused = switch(args.at(2))?;
    client.writer().ok();
    Ok(())
}

/// A switch that there is nothing for.
pub(super) fn flag(_: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    switch(args.at(2))?;
    client.writer().ok();
    Ok(())
}

pub(super) fn aof_flush_sleep(server: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    let sleep_us = parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)?;
    server.aof.debug_sleep_us = sleep_us.max(0) as u64;
    client.writer().ok();
    Ok(())
}

pub(super) fn quicklist_packed_threshold(_: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    let bytes = crate::config::parse_memory(args.at(2)).filter(|bytes| *bytes < 1 << 32);
    if bytes.is_none() {
        return Err(CommandError::new(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ));
    }
    client.writer().ok();
    Ok(())
}

pub(super) fn replybuffer(_: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    let known = [&b"peak-reset-time"[..], b"resizing"];
    if !known.iter().any(|name| args.at(2).eq_ignore_ascii_case(name)) {
        return Err(super::unknown(args.at(1)));
    }
    client.writer().ok();
    Ok(())
}

pub(super) fn change_repl_id(server: &mut Server, client: &mut Client, _: Args<'_>) -> Outcome {
    server.change_replication_id();
    client.writer().ok();
    Ok(())
}

pub(super) fn error(_: &mut Server, _: &mut Client, args: Args<'_>) -> Outcome {
    // An error is one line.
    let line = String::from_utf8_lossy(args.at(2)).replace(['\r', '\n'], " ");
    Err(CommandError::new(line))
}

pub(super) fn log(server: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    let line = format!("DEBUG LOG: {}", String::from_utf8_lossy(args.at(2)));
    server.log(Level::Warning, line);
    client.writer().ok();
    Ok(())
}

pub(super) fn leak(_: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    args.at(2).to_vec().leak();
    client.writer().ok();
    Ok(())
}

pub(super) fn replicate(server: &mut Server, client: &mut Client, args: Args<'_>) -> Outcome {
    server.propagate_to_replicas(client.db, args.from(2).iter());
    client.writer().ok();
    Ok(())
}

pub(super) fn config_rewrite_force_all(server: &mut Server, client: &mut Client, _: Args<'_>) -> Outcome {
    let failed = |reason: &str| CommandError::new(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}"));
    let path = server.config.file.clone().ok_or_else(|| failed("there is no configuration file"))?;
    let old = server.host.read_file(&path).unwrap_or_default();
    let text = rewrite_all(&server.config, &old);
    server.host.write_file(&path, &text).map_err(|reason| failed(&reason))?;
    client.writer().ok();
    Ok(())
}

pub(super) fn segfault(server: &mut Server, _: &mut Client, _: Args<'_>) -> Outcome {
    server.log(Level::Warning, "DEBUG SEGFAULT: the process ends by a bad access");
    server.host.crash(SIGSEGV);
    Err(CommandError::new("ERR the process could not be ended"))
}

pub(super) fn panic(server: &mut Server, _: &mut Client, _: Args<'_>) -> Outcome {
    server.log(Level::Warning, "=== DEBUG PANIC: called deliberately, the process ends ===");
    server.host.crash(SIGABRT);
    Err(CommandError::new("ERR the process could not be ended"))
}

pub(super) fn assert(server: &mut Server, _: &mut Client, _: Args<'_>) -> Outcome {
    server.log(Level::Warning, "=== DEBUG ASSERT: an assertion failed deliberately, the process ends ===");
    server.host.crash(SIGABRT);
    Err(CommandError::new("ERR the process could not be ended"))
}

pub(super) fn oom(server: &mut Server, _: &mut Client, _: Args<'_>) -> Outcome {
    server.log(Level::Warning, "Out Of Memory allocating more than there is, as DEBUG OOM asks!");
    server.host.crash(SIGABRT);
    Err(CommandError::new("ERR the process could not be ended"))
}

fn delay_ms(args: Args<'_>) -> Result<u64, CommandError> {
    match args.get(2) {
        None => Ok(0),
        Some(delay) => {
            let delay = parse_i64(delay).ok_or(CommandError::NotAnInteger)?;
            Ok(u64::try_from(delay).unwrap_or(0))
        }
    }
}

pub(super) fn crash_and_recover(server: &mut Server, _: &mut Client, args: Args<'_>) -> Outcome {
    restart_now(server, delay_ms(args)?)
}

pub(super) fn restart(server: &mut Server, _: &mut Client, args: Args<'_>) -> Outcome {
    let delay_ms = delay_ms(args)?;
    let saves = !server.config.settings.save.0.is_empty();
    if saves && !server.save_now() {
        return Err(CommandError::new("ERR failed to restart the server. Check server logs."));
    }
    restart_now(server, delay_ms)
}

fn restart_now(server: &mut Server, delay_ms: u64) -> Outcome {
    let reason = server.host.restart(delay_ms);
    server.log(Level::Warning, format!("Can't restart: {reason}"));
    Err(CommandError::new("ERR failed to restart the server. Check server logs."))
}
