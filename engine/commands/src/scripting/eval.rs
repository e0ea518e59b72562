//! EVAL, EVALSHA, SCRIPT.

use resp::Args;
use resp::number::parse_i64;
use scripting::machine::{Arguments, Finished, Job, Run};
use scripting::{Flags, Kind, sha1_hex, shebang};
use types::CommandError;

use super::Script;
use crate::client::Client;
use crate::server::Server;
use crate::table::Entry;

/// Text that SHA-1 names have.
const NAME_BYTES: usize = 40;

pub(super) fn eval(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    run_text(server, client, args, false)
}

pub(super) fn eval_ro(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    run_text(server, client, args, true)
}

pub(super) fn evalsha(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    run_named(server, client, args, false)
}

pub(super) fn evalsha_ro(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    run_named(server, client, args, true)
}

fn run_text(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
    read_only: bool,
) -> Result<(), CommandError> {
    let keys = number_of_keys(args, CommandError::NotAnInteger)?;
    let name = sha1_hex(args.at(1));
    server.define_script(&name, args.at(1))?;
    start(server, client, args, keys, name, read_only)
}

fn run_named(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
    read_only: bool,
) -> Result<(), CommandError> {
    let missing = || CommandError::new("NOSCRIPT No matching script. Please use EVAL.");
    if args.at(1).len() != NAME_BYTES {
        return Err(missing());
    }
    let keys = number_of_keys(args, CommandError::NotAnInteger)?;
    let name = String::from_utf8_lossy(args.at(1)).to_ascii_lowercase();
    if !server.scripting.scripts.contains_key(&name) {
        return Err(missing());
    }
    start(server, client, args, keys, name, read_only)
}

/// The number of keys, argument 2.
pub(super) fn number_of_keys(args: Args<'_>, no_number: CommandError) -> Result<usize, CommandError> {
    let keys = parse_i64(args.at(2)).ok_or(no_number)?;
    if keys > args.len() as i64 - 3 {
        return Err(CommandError::new("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(keys).map_err(|_| CommandError::new("ERR Number of keys can't be negative"))
}

fn start(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
    keys: usize,
    name: String,
    read_only: bool,
) -> Result<(), CommandError> {
    let flags = server.scripting.scripts.get(&name).map(|script| script.flags).unwrap_or_default();
    if let Some(error) = server.refuses_script(client, flags, read_only) {
        return Err(CommandError::Other(error.into()));
    }
    let run = Run {
        shown: name.clone().into_bytes(),
        name: name.into_bytes(),
        args: Arguments::from_args(args.from(3)),
        keys,
        resp3: client.protocol == resp::Protocol::Resp3,
    };
    server.run_script(client, args, (run, Kind::Scripts), (flags, read_only))
}

impl Server {
    /// What the first line of the script or function says that a command runs; none where it says nothing, or is not
    /// known.
    pub(crate) fn declared_flags(&self, entry: &Entry, args: Args<'_>) -> Option<Flags> {
        let name = args.get(1).filter(|_| entry.meta.group == "scripting")?;
        let flags = match entry.meta.name {
            "eval" | "eval_ro" => shebang::of_script(name).ok()?.0,
            "evalsha" | "evalsha_ro" => {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                self.scripting.scripts.get(&name)?.flags
            }
            "fcall" | "fcall_ro" => self.scripting.places.get(&name.to_ascii_lowercase())?.flags,
            _ => return None,
        };
        (!flags.has(Flags::COMPATIBLE)).then_some(flags)
    }

    /// Compiles a script and caches it, unless it is cached already.
    fn define_script(&mut self, name: &str, body: &[u8]) -> Result<(), CommandError> {
        if self.scripting.scripts.contains_key(name) {
            return Ok(());
        }
        let (flags, skipped) = shebang::of_script(body).map_err(|error| CommandError::Other(error.into()))?;
        let mut machine = self.scripting.take_machine(Kind::Scripts)?;
        let job = Job::Define { name: name.to_string(), body: body[skipped..].to_vec() };
        let finished = machine.finish(job);
        self.scripting.put_machine(Kind::Scripts, machine);
        if let Finished::Failed(failure) = finished {
            return Err(CommandError::Other(String::from_utf8_lossy(&failure.message).into_owned().into()));
        }
        self.scripting.scripts.insert(name.to_string(), Script { body: body.to_vec(), flags });
        Ok(())
    }
}

pub(super) fn load(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let name = sha1_hex(args.at(2));
    server.define_script(&name, args.at(2))?;
    client.writer().bulk(name.as_bytes());
    Ok(())
}

pub(super) fn exists(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let mut writer = client.writer();
    writer.array(args.len() - 2);
    for name in args.from(2).iter() {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        writer.int(i64::from(server.scripting.scripts.contains_key(&name)));
    }
    Ok(())
}

pub(super) fn flush(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if !is_flush_mode(args) {
        return Err(CommandError::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    server.scripting.scripts.clear();
    server.scripting.machines[super::slot(Kind::Scripts)] = None;
    client.writer().ok();
    Ok(())
}

/// Whether a FLUSH subcommand has at most SYNC or ASYNC behind it.
pub(super) fn is_flush_mode(args: Args<'_>) -> bool {
    match args.get(2) {
        None => true,
        Some(mode) => {
            args.len() == 3 && (mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async"))
        }
    }
}

pub(super) fn kill(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.kill_script(Kind::Scripts, "Script killed by user with SCRIPT KILL...")?;
    client.writer().ok();
    Ok(())
}

/// The stepping debugger is not there; scripts run as ever, and its calls in them do nothing.
pub(super) fn debug(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let known = [&b"no"[..], b"yes", b"sync"];
    if !known.iter().any(|mode| args.at(2).eq_ignore_ascii_case(mode)) {
        return Err(CommandError::new("ERR Use SCRIPT DEBUG YES/SYNC/NO"));
    }
    client.writer().ok();
    Ok(())
}

pub(super) fn help(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    crate::admin::help(
        client,
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Accepted; there is no stepping debugger.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Tell which scripts are cached.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all cached scripts.",
            "KILL",
            "    End the script that runs, if it has written nothing.",
            "LOAD <script>",
            "    Cache a script without running it; gives its SHA-1.",
        ],
    );
    Ok(())
}
