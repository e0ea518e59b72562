//! Reading the `sentinel …` directives of a configuration file.
//!
//! Other directives belong to the server and are only kept for the rewriting.
//! As in Redis the order of lines does not matter: settings of the sentinel
//! are read first, then masters, then what is said of masters.

pub(crate) mod words;

use std::str::FromStr;

use thiserror::Error;

use crate::{
    Host, Pace,
    address::{Names, literal},
    core::Global,
    instance::MasterSettings,
    periods::Periods,
};

pub use words::SourceLine;

/// What the configuration needs to know of the server around it.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The port this sentinel listens on; announced unless `announce-port` is set.
    pub listen_port: u16,
    /// `requirepass`; also sent to other sentinels unless `sentinel-pass` is set.
    pub requirepass: Option<String>,
    /// `loglevel`, shown by `SENTINEL CONFIG GET`.
    pub loglevel: String,
    /// Added to UTC in the dates of log lines.
    pub utc_offset_seconds: i32,
}

/// A configuration ready to run.
#[derive(Debug)]
pub struct Config {
    pub(crate) source: Vec<SourceLine>,
    pub(crate) global: Global,
    pub(crate) pace: Option<Pace>,
    pub(crate) myid: Option<String>,
    pub(crate) current_epoch: u64,
    pub(crate) masters: Vec<MasterConfig>,
    /// Names that were looked up while the file was read.
    pub(crate) names: Names,
}

/// One master as the file knows it.
#[derive(Debug)]
pub(crate) struct MasterConfig {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) settings: MasterSettings,
    pub(crate) config_epoch: u64,
    pub(crate) leader_epoch: u64,
    pub(crate) known_replicas: Vec<(String, u16)>,
    /// Host, port and run id.
    pub(crate) known_sentinels: Vec<(String, u16, String)>,
}

/// A line that cannot be accepted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: '{text}': {reason}")]
pub struct ConfigError {
    /// Counted from 1.
    pub line: usize,
    /// The line as it stands.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

const UNRECOGNIZED: &str = "Unrecognized sentinel configuration statement.";
const NO_SUCH_MASTER: &str = "No such master with specified name.";
const BAD_PERIOD: &str = "negative time parameter.";
const BAD_TIME: &str = "negative or zero time parameter.";
/// The reason for a script that cannot be run; also SENTINEL SET's error.
pub(crate) const BAD_NOTIFICATION_SCRIPT: &str = "Notification script seems non existing or non executable";
/// Likewise.
pub(crate) const BAD_RECONFIG_SCRIPT: &str =
    "Client reconfiguration script seems non existing or non executable";

type Checked = Result<(), String>;

impl Config {
    /// Reads a whole file.
    pub fn from_text(text: &[u8], around: Surroundings, host: &dyn Host) -> Result<Config, ConfigError> {
        let mut lines = Vec::new();
        let mut raw_lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        if raw_lines.last().is_some_and(|last| last.is_empty()) {
            raw_lines.pop();
        }
        for (index, raw) in raw_lines.into_iter().enumerate() {
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            lines.push(SourceLine::parse(raw).ok_or_else(|| ConfigError {
                line: index + 1,
                text: String::from_utf8_lossy(raw).into_owned(),
                reason: "Unbalanced quotes in configuration line".to_owned(),
            })?);
        }
        Config::from_lines(lines, around, host)
    }

    /// Reads a file already split into lines.
    pub fn from_lines(
        lines: Vec<SourceLine>,
        around: Surroundings,
        host: &dyn Host,
    ) -> Result<Config, ConfigError> {
        let mut config = Config {
            source: Vec::new(),
            global: Global {
                listen_port: around.listen_port,
                deny_scripts_reconfig: true,
                requirepass: around.requirepass,
                loglevel: around.loglevel,
                utc_offset_seconds: around.utc_offset_seconds,
                ..Global::default()
            },
            pace: None,
            myid: None,
            current_epoch: 0,
            masters: Vec::new(),
            names: Names::default(),
        };
        for pass in [Pass::Globals, Pass::Masters, Pass::AboutMasters] {
            for (index, line) in lines.iter().enumerate() {
                if line.keyword(0).as_deref() != Some("sentinel") {
                    continue;
                }
                config.take(line, pass, host).map_err(|reason| ConfigError {
                    line: index + 1,
                    text: String::from_utf8_lossy(&line.raw).trim().to_owned(),
                    reason,
                })?;
            }
        }
        config.source = lines;
        config.look_up_names(host);
        Ok(config)
    }

    /// Looks every name up, so that the first events show addresses already.
    fn look_up_names(&mut self, outside: &dyn Host) {
        if !self.global.resolve_hostnames {
            return;
        }
        for master in &self.masters {
            let replicas = master.known_replicas.iter().map(|(host, _)| host);
            let sentinels = master.known_sentinels.iter().map(|(host, _, _)| host);
            for host in [&master.host].into_iter().chain(replicas).chain(sentinels) {
                if self.names.ip(host).is_none() {
                    self.names.learn(host, outside.resolve(host));
                }
            }
        }
    }

    fn take(&mut self, line: &SourceLine, pass: Pass, host: &dyn Host) -> Checked {
        let keyword = line.keyword(1).ok_or(UNRECOGNIZED)?;
        if Pass::of(&keyword) != pass {
            return Ok(());
        }
        let mut args = Vec::new();
        for word in &line.words[2..] {
            args.push(std::str::from_utf8(word).map_err(|_| "Not a text in UTF-8.")?);
        }
        match pass {
            Pass::Globals => self.take_global(&keyword, &args),
            Pass::Masters => self.take_monitor(&args),
            Pass::AboutMasters => self.take_about_master(&keyword, &args, host),
        }
    }

    fn take_global(&mut self, keyword: &str, args: &[&str]) -> Checked {
        let [value] = args else { return Err(UNRECOGNIZED.to_owned()) };
        let global = &mut self.global;
        match keyword {
            "myid" => {
                if value.len() != 40 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err("Malformed Sentinel id in myid option.".to_owned());
                }
                self.myid = Some((*value).to_owned());
            }
            "current-epoch" => self.current_epoch = self.current_epoch.max(number(value)?),
            "announce-ip" => global.announce_ip = non_empty(value),
            "announce-port" => global.announce_port = number(value)?,
            "sentinel-user" => global.sentinel_user = non_empty(value),
            "sentinel-pass" => global.sentinel_pass = non_empty(value),
            "deny-scripts-reconfig" => global.deny_scripts_reconfig = yes_no(keyword, value)?,
            "resolve-hostnames" => global.resolve_hostnames = yes_no(keyword, value)?,
            "announce-hostnames" => global.announce_hostnames = yes_no(keyword, value)?,
            _ => {
                self.pace = Some(match value.to_ascii_lowercase().as_str() {
                    "prompt" => Pace::Prompt,
                    "redis" => Pace::Redis,
                    _ => return Err("Please specify redis or prompt for the pace option.".to_owned()),
                });
            }
        }
        Ok(())
    }

    fn take_monitor(&mut self, args: &[&str]) -> Checked {
        let [name, host, port, quorum] = args else { return Err(UNRECOGNIZED.to_owned()) };
        let quorum = quorum.parse::<u32>().ok().filter(|q| *q > 0).ok_or("Quorum must be 1 or greater.")?;
        if self.masters.iter().any(|m| m.name == *name) {
            return Err("Duplicate master name.".to_owned());
        }
        let port = instance_port(port, self.accepts(host))?;
        self.masters.push(MasterConfig {
            name: (*name).to_owned(),
            host: (*host).to_owned(),
            port,
            settings: MasterSettings::new(quorum, &Periods::default()),
            config_epoch: 0,
            leader_epoch: 0,
            known_replicas: Vec::new(),
            known_sentinels: Vec::new(),
        });
        Ok(())
    }

    /// Whether a host is an address, or a name and names are allowed.
    fn accepts(&self, host: &str) -> bool {
        literal(host).is_some() || (self.global.resolve_hostnames && !host.is_empty())
    }

    fn take_about_master(&mut self, keyword: &str, args: &[&str], host: &dyn Host) -> Checked {
        if !ABOUT_MASTERS.iter().any(|(word, counts)| *word == keyword && counts.contains(&args.len())) {
            return Err(UNRECOGNIZED.to_owned());
        }
        let accepts = args.get(1).is_some_and(|host| self.accepts(host));
        let master = self.masters.iter_mut().find(|m| m.name == args[0]).ok_or(NO_SUCH_MASTER)?;
        match keyword {
            "known-replica" | "known-slave" => {
                let port = instance_port(args[2], accepts)?;
                let replica = (args[1].to_owned(), port);
                if master.known_replicas.contains(&replica) {
                    return Err("Duplicate hostname and port for replica.".to_owned());
                }
                master.known_replicas.push(replica);
            }
            "known-sentinel" => {
                let port = instance_port(args[2], accepts)?;
                // A line without run id is of the first generation of Sentinel.
                let Some(runid) = args.get(3) else { return Ok(()) };
                if master.known_sentinels.iter().any(|(_, _, id)| id == runid) {
                    return Err("Duplicate runid for sentinel.".to_owned());
                }
                master.known_sentinels.push((args[1].to_owned(), port, (*runid).to_owned()));
            }
            "config-epoch" => master.config_epoch = number(args[1])?,
            "leader-epoch" => master.leader_epoch = number(args[1])?,
            _ => set(&mut master.settings, keyword, &args[1..], host).map_err(|why| reason(keyword, why))?,
        }
        Ok(())
    }
}

/// Which of the three readings of the file a directive belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Globals,
    Masters,
    AboutMasters,
}

impl Pass {
    fn of(keyword: &str) -> Pass {
        match keyword {
            "monitor" => Pass::Masters,
            _ if GLOBALS.contains(&keyword) => Pass::Globals,
            _ => Pass::AboutMasters,
        }
    }
}

/// Directives about this sentinel itself.
pub(crate) const GLOBALS: [&str; 10] = [
    "myid",
    "current-epoch",
    "announce-ip",
    "announce-port",
    "sentinel-user",
    "sentinel-pass",
    "deny-scripts-reconfig",
    "resolve-hostnames",
    "announce-hostnames",
    "pace",
];

/// Directives about a master, with the numbers of arguments they take.
const ABOUT_MASTERS: [(&str, &[usize]); 14] = [
    ("down-after-milliseconds", &[2]),
    ("failover-timeout", &[2]),
    ("parallel-syncs", &[2]),
    ("notification-script", &[2]),
    ("client-reconfig-script", &[2]),
    ("auth-pass", &[2]),
    ("auth-user", &[2]),
    ("master-reboot-down-after-period", &[2]),
    ("rename-command", &[3]),
    ("config-epoch", &[2]),
    ("leader-epoch", &[2]),
    ("known-replica", &[3]),
    ("known-slave", &[3]),
    ("known-sentinel", &[3, 4]),
];

/// Why a setting of a master was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    BadValue,
    NotExecutable(&'static str),
    RenamedTwice,
}

fn reason(keyword: &str, refusal: Refusal) -> String {
    match refusal {
        Refusal::BadValue if keyword == "master-reboot-down-after-period" => BAD_PERIOD.to_owned(),
        Refusal::BadValue => BAD_TIME.to_owned(),
        Refusal::NotExecutable(reason) => format!("{reason}."),
        Refusal::RenamedTwice => "Same command renamed multiple times with rename-command.".to_owned(),
    }
}

/// Changes one setting of a master; shared with `SENTINEL SET`. An empty
/// script, user or password removes it.
pub(crate) fn set(
    settings: &mut MasterSettings,
    option: &str,
    args: &[&str],
    host: &dyn Host,
) -> Result<(), Refusal> {
    let value = args[0];
    let positive = || value.parse::<u64>().ok().filter(|v| *v > 0).ok_or(Refusal::BadValue);
    let script = |reason| {
        let runnable = value.is_empty() || host.is_executable(value);
        if runnable { Ok(non_empty(value)) } else { Err(Refusal::NotExecutable(reason)) }
    };
    match option {
        "down-after-milliseconds" => settings.down_after_ms = positive()?,
        "failover-timeout" => settings.failover_timeout_ms = positive()?,
        "parallel-syncs" => {
            settings.parallel_syncs = u32::try_from(positive()?).map_err(|_| Refusal::BadValue)?;
        }
        "quorum" => settings.quorum = u32::try_from(positive()?).map_err(|_| Refusal::BadValue)?,
        "master-reboot-down-after-period" => {
            settings.reboot_down_after_ms = value.parse().map_err(|_| Refusal::BadValue)?;
        }
        "notification-script" => settings.notification_script = script(BAD_NOTIFICATION_SCRIPT)?,
        "client-reconfig-script" => settings.client_reconfig_script = script(BAD_RECONFIG_SCRIPT)?,
        "auth-pass" => settings.auth_pass = non_empty(value),
        "auth-user" => settings.auth_user = non_empty(value),
        _ => rename(settings, value, args.get(1).copied().unwrap_or(""))?,
    }
    Ok(())
}

fn rename(settings: &mut MasterSettings, old: &str, new: &str) -> Result<(), Refusal> {
    if old.is_empty() || new.is_empty() {
        return Err(Refusal::BadValue);
    }
    let names = (old.to_owned(), new.to_owned());
    if settings.renamed.insert(old.to_ascii_lowercase(), names).is_some() {
        return Err(Refusal::RenamedTwice);
    }
    Ok(())
}

fn non_empty(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn number<T: FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("'{value}' is not a number in range."))
}

fn yes_no(option: &str, value: &str) -> Result<bool, String> {
    parse_yes_no(value).ok_or_else(|| {
        let plural = if option == "deny-scripts-reconfig" { "s" } else { "" };
        format!("Please specify yes or no for the {option} option{plural}.")
    })
}

/// `yes` or `no` in any case.
pub(crate) fn parse_yes_no(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The port of an instance whose host is acceptable.
fn instance_port(port: &str, host_is_accepted: bool) -> Result<u16, String> {
    let port = port.parse().map_err(|_| "Invalid port number.".to_owned())?;
    host_is_accepted.then_some(port).ok_or_else(|| "Can't resolve instance hostname.".to_owned())
}

/// Whether a host given at run time is an address or a name that has one;
/// the name's address is learnt.
pub(crate) fn accepts_host(global: &Global, names: &mut Names, host: &str, outside: &dyn Host) -> bool {
    if names.ip(host).is_none() && global.resolve_hostnames && !host.is_empty() {
        names.learn(host, outside.resolve(host));
    }
    names.ip(host).is_some()
}
