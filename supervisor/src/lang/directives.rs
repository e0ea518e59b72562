//! Directives of redis.conf and sentinel.conf as scripts give them.
//!
//! A value is turned into the text a configuration file would have. Directives that Topple itself answers
//! for are refused, each with what to write instead. Topple's own engine is asked whether it would take a
//! directive; other servers may be of any version, and say themselves what they do not know.

use commands::config::{Config, SetError};
use rhai::{Array, Dynamic};

use super::values::{TimeSpan, describe};
use super::words::Misfit;
use crate::plan::NodeKind;

/// What to write instead of a directive that Topple generates itself.
const GENERATED: &[(&str, &str)] = &[
    ("port", "use the option `port`"),
    ("bind", "use the option `ip`"),
    ("dir", "every node has a directory of its own; `data` fills it"),
    ("daemonize", "Topple keeps its nodes in the foreground"),
    ("logfile", "nodes log to Topple, which keeps each log in the run's directory"),
    ("pidfile", "Topple knows its processes"),
    ("syslog-enabled", "nodes log to Topple, which keeps each log in the run's directory"),
    ("replicaof", "declare it with `replica(name, of)`"),
    ("slaveof", "declare it with `replica(name, of)`"),
    ("sentinel monitor", "declare it with `monitor(sentinels, name, master)`"),
    ("sentinel down-after-milliseconds", "use the option `down_after` of `monitor`"),
    ("sentinel failover-timeout", "use the option `failover_timeout` of `monitor`"),
    ("sentinel parallel-syncs", "use the option `parallel_syncs` of `monitor`"),
    ("sentinel notification-script", "use the option `notification_script` of `monitor`"),
    ("sentinel client-reconfig-script", "use the option `client_reconfig_script` of `monitor`"),
    ("cluster-enabled", "cluster nodes are not there yet"),
];

/// The text of a directive's value; several lines are joined by line feeds.
pub(crate) fn value(name: &str, value: &Dynamic, kind: &NodeKind) -> Result<String, Misfit> {
    let lower = name.to_lowercase();
    if let Some((_, instead)) = GENERATED.iter().find(|(generated, _)| *generated == lower) {
        return Err(misfit(format!("`{name}` is set by Topple itself"), Some((*instead).to_owned())));
    }
    if name.trim().is_empty() || name.contains(['\n', '\r', '#']) {
        return Err(misfit(format!("{name:?} is no directive"), None));
    }
    if *kind != NodeKind::Sentinel && lower.starts_with("sentinel ") {
        return Err(misfit(format!("`{name}` is a sentinel's directive, and this is a server"), None));
    }
    let Some(array) = value.read_lock::<Array>() else { return line(name, value) };
    let lines: Result<Vec<String>, Misfit> = array.iter().map(|item| line(name, item)).collect();
    Ok(lines?.join("\n"))
}

/// Why Topple's own engine would not start with a directive, if it would not.
pub(crate) fn refused_by_engine(name: &str, text: &str) -> Option<Misfit> {
    if name.starts_with("sentinel ") {
        // A sentinel's own lines are read by the sentinel, beside the monitors they are about.
        return None;
    }
    let mut config = Config::default();
    text.split('\n').find_map(|line| {
        let Ok(words) = resp::split::split_words(line.as_bytes()) else {
            return Some(misfit(format!("the value of `{name}` has unbalanced quotes"), None));
        };
        let words = if words.is_empty() { vec![Vec::new()] } else { words };
        match config.set_at_start(name, &words) {
            Ok(()) => None,
            Err(SetError::Unknown(near)) => Some(misfit(
                format!("Topple's engine knows no directive `{name}`"),
                near.map(|near| format!("did you mean `{near}`?")),
            )),
            Err(SetError::Invalid(reason)) => Some(misfit(format!("the value of `{name}`: {reason}"), None)),
            Err(SetError::Immutable) => Some(misfit(format!("`{name}` cannot be set"), None)),
        }
    })
}

/// One value as text.
pub(crate) fn line(name: &str, value: &Dynamic) -> Result<String, Misfit> {
    if let Ok(flag) = value.as_bool() {
        return Ok(if flag { "yes" } else { "no" }.to_owned());
    }
    if value.is_int() || value.is_float() {
        return Ok(value.to_string());
    }
    if let Ok(text) = value.clone().into_string() {
        if text.contains(['\n', '\r']) {
            let hint = "an array gives a directive several lines";
            return Err(misfit(format!("the value of `{name}` has a line break"), Some(hint.to_owned())));
        }
        return Ok(text);
    }
    let hint = value
        .is::<TimeSpan>()
        .then(|| "directives count in their own units: write the number as redis.conf would".to_owned());
    Err(misfit(
        format!("the value of `{name}` is a string, a number or a boolean, not {}", describe(value)),
        hint,
    ))
}

fn misfit(message: String, hint: Option<String>) -> Misfit {
    Misfit { message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, given: impl Into<Dynamic>) -> Result<String, String> {
        value(name, &given.into(), &NodeKind::Master).map_err(|misfit| misfit.message)
    }

    #[test]
    fn values_become_what_a_file_would_have() {
        assert_eq!(text("appendonly", true), Ok("yes".into()));
        assert_eq!(text("hz", 10_i64), Ok("10".into()));
        let lines: Array = vec!["900 1".into(), "300 10".into()];
        assert_eq!(text("save", Dynamic::from_array(lines)), Ok("900 1\n300 10".into()));
    }

    #[test]
    fn what_topple_generates_is_refused() {
        assert_eq!(text("Port", 1_i64), Err("`Port` is set by Topple itself".into()));
        assert!(text("sentinel announce-ip", "::1").is_err());
        assert!(text("requirepass", "a\nport 1").is_err());
        assert!(text("save", Dynamic::from(TimeSpan(1))).is_err());
    }
}
