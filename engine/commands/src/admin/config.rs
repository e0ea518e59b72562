//! CONFIG and its subcommands.

use resp::Args;
use types::glob::{Case, matches};
use types::{Command, CommandError, Flags, Meta};

use super::{container, help, plain};
use crate::client::{Client, State};
use crate::config::{Level, SetError, Settings, rewrite};
use crate::eviction::EvictionStats;
use crate::server::Server;
use crate::stats::Stats;
use crate::table::AdminHandler;

const BASE: Meta = Meta {
    group: "server",
    since: "2.0.0",
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
    ..Meta::BASE
};

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[container(
    Meta { name: "config", summary: "Shows and changes the configuration.", arity: -2, ..BASE },
    &[
        plain(
            Meta {
                name: "get",
                summary: "Shows directives by pattern.",
                complexity: "O(N), N being the number of directives",
                arity: -3,
                args: "parameter [parameter ...]",
                ..BASE
            },
            get,
        ),
        plain(
            Meta {
                name: "set",
                summary: "Changes directives, all or none.",
                arity: -4,
                args: "parameter value [parameter value ...]",
                ..BASE
            },
            set,
        ),
        plain(
            Meta {
                name: "rewrite",
                summary: "Writes the configuration to its file.",
                since: "2.8.0",
                arity: 2,
                ..BASE
            },
            rewrite_,
        ),
        plain(Meta { name: "resetstat", summary: "Sets INFO's counters to 0.", arity: 2, ..BASE }, resetstat),
        plain(
            Meta {
                name: "help",
                summary: "Lists the subcommands.",
                since: "5.0.0",
                arity: 2,
                flags: Flags::LOADING.and(Flags::STALE),
                ..BASE
            },
            help_,
        ),
    ],
)];

fn get(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let patterns: Vec<&[u8]> = args.from(2).iter().collect();
    let found = server.config.get(&patterns);
    let mut writer = client.writer();
    writer.map(found.len());
    for (name, value) in found {
        // One that was asked for by name is called as it was asked for, unless a pattern came first.
        let asked = patterns.iter().find(|pattern| matches(pattern, name.as_bytes(), Case::Insensitive));
        let asked = asked.filter(|asked| asked.eq_ignore_ascii_case(name.as_bytes()));
        writer.bulk(asked.copied().unwrap_or(name.as_bytes()));
        writer.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let pairs = args.from(2);
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    check_names(server, client, pairs)?;
    let before = server.config.clone();
    for at in (0..pairs.len()).step_by(2) {
        let name = String::from_utf8_lossy(pairs.at(at)).to_ascii_lowercase();
        if let Err(error) = server.config.set_live(&name, pairs.at(at + 1)) {
            server.config = before;
            return Err(refused(&name, &error));
        }
    }
    if let Err((name, reason)) = apply_outside(server, client, &before.settings) {
        server.config = before;
        return Err(refused(name, &SetError::Invalid(reason)));
    }
    if server.config.settings.requirepass != before.settings.requirepass {
        server.set_default_password(client);
    }
    server.settings_changed();
    server.warn_of_small_memory(before.settings.maxmemory);
    client.writer().ok();
    Ok(())
}

/// Directives that decide which files are written.
const PROTECTED: [&str; 2] = ["dbfilename", "dir"];

/// Judges all names before any value: whether they exist, may be changed, and come once.
fn check_names(server: &Server, client: &Client, pairs: Args<'_>) -> Result<(), CommandError> {
    let allowed = server.config.settings.enable_protected_configs.allows(client);
    for at in (0..pairs.len()).step_by(2) {
        let name = String::from_utf8_lossy(pairs.at(at)).to_ascii_lowercase();
        // They are called as they were written; what is wrong with a value is told of the directive.
        let written = String::from_utf8_lossy(pairs.at(at));
        server.config.check_live(&name).map_err(|error| refused(&written, &error))?;
        let invalid = |reason: &str| refused(&written, &SetError::Invalid(reason.into()));
        if PROTECTED.contains(&name.as_str()) && !allowed {
            return Err(invalid("can't set protected config"));
        }
        if (0..at).step_by(2).any(|earlier| pairs.at(earlier).eq_ignore_ascii_case(pairs.at(at))) {
            return Err(invalid("duplicate parameter"));
        }
    }
    Ok(())
}

/// Does what changed settings ask of the outside, or undoes it and says which one failed.
fn apply_outside(
    server: &mut Server,
    client: &Client,
    before: &Settings,
) -> Result<(), (&'static str, String)> {
    let moved = server.config.settings.dir != before.dir;
    if moved {
        let directory = server.config.settings.dir.clone();
        server.config.settings.dir =
            server.host.change_directory(&directory).map_err(|reason| ("dir", reason))?;
    }
    let applied = server.host.settings_changed(before, &server.config.settings);
    if applied.is_err() && moved {
        let _ = server.host.change_directory(&before.dir);
    }
    applied?;
    match server.switch_aof(client.state.has(State::IN_EXEC)) {
        true => Ok(()),
        false => Err(("appendonly", "Unable to turn on AOF. Check server logs.".into())),
    }
}

fn refused(name: &str, error: &SetError) -> CommandError {
    CommandError::new(match error {
        SetError::Unknown(_) => {
            format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
        }
        SetError::Immutable => format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
        ),
        SetError::Invalid(reason) => {
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
        }
    })
}

impl Server {
    /// Passes changed settings on to where they are kept.
    fn settings_changed(&mut self) {
        self.pass_settings_to_effects();
        let settings = &self.config.settings;
        self.host.log_level_changed(settings.loglevel);
        let backlog_bytes = settings.repl_backlog_size as usize;
        if self.replicating.history.backlog_size() != backlog_bytes {
            self.replicating.history.set_backlog_size(backlog_bytes);
        }
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        if let Some(link) = self.replicating.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            let config = link.config_mut();
            config.user = some(&settings.masteruser);
            config.password = some(&settings.masterauth);
            config.timeout_ms = settings.repl_timeout as u64 * 1000;
        }
        self.slowlog.trim(settings.slowlog_max_len as usize);
        self.acl.log.trim(settings.acllog_max_len as usize);
        self.refresh_gates();
        self.refresh_timing();
        self.refresh_limits();
        self.refresh_client_limits();
        self.evict_soon();
    }

    /// Says so when a limit that was just set is below what is in use.
    fn warn_of_small_memory(&mut self, before: u64) {
        let (limit, used) = (self.config.settings.maxmemory, self.used_bytes());
        if limit != before && limit > 0 && limit < used {
            let line = format!(
                "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage \
                 ({used}). This will result in key eviction and/or the inability to accept new write commands depending \
                 on the maxmemory-policy."
            );
            self.log(Level::Warning, line);
        }
    }

    /// What commands are to note, and how they free.
    pub(crate) fn pass_settings_to_effects(&mut self) {
        let settings = &self.config.settings;
        self.effects.notify = settings.notify_keyspace_events.0;
        self.effects.lazy = types::LazyFree {
            user_del: settings.lazyfree_lazy_user_del,
            server_del: settings.lazyfree_lazy_server_del,
            expire: settings.lazyfree_lazy_expire,
        };
    }
}

fn rewrite_(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let Some(path) = server.config.file.clone() else {
        return Err(CommandError::new("ERR The server is running without a config file"));
    };
    // A file that was deleted meanwhile is made anew.
    let old = server.host.read_file(&path).unwrap_or_default();
    server.config.user_lines = server.acl.lines();
    let text = rewrite(&server.config, &old);
    if let Err(reason) = server.host.write_file(&path, &text) {
        server.log(Level::Warning, format!("CONFIG REWRITE failed: {reason}"));
        return Err(CommandError::new(format!("ERR Rewriting config file: {reason}")));
    }
    server.log(Level::Notice, "CONFIG REWRITE executed with success.");
    client.writer().ok();
    Ok(())
}

fn resetstat(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.stats = Stats::default();
    server.effects.hits = 0;
    server.effects.misses = 0;
    server.effects.expired_keys = 0;
    server.eviction.stats = EvictionStats::default();
    server.expiry.reset_figures();
    server.host.reset_lazy_freed();
    client.writer().ok();
    Ok(())
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "CONFIG",
        &[
            "GET <pattern> [<pattern> ...]",
            "    Names and values of the directives that match.",
            "SET <directive> <value> [<directive> <value> ...]",
            "    Change directives, all of them or none.",
            "RESETSTAT",
            "    Set the counters of INFO to 0.",
            "REWRITE",
            "    Write the configuration to its file, keeping comments and order.",
        ],
    );
    Ok(())
}
