//! `SENTINEL CONFIG GET` and `SET`: settings that belong to no master.

use super::Call;
use crate::{Reply, Sentinel, config, core::Global, glob};

/// The settings in the order in which they are shown.
const NAMES: [&str; 7] = [
    "resolve-hostnames",
    "announce-hostnames",
    "announce-ip",
    "announce-port",
    "sentinel-user",
    "sentinel-pass",
    "loglevel",
];

pub(super) fn config(call: &mut Call<'_>) -> Result<Reply, Reply> {
    match call.args[0].to_ascii_lowercase().as_str() {
        "get" => Ok(get(&call.sentinel.core.global, &call.args[1..])),
        "set" => set(call.sentinel, &call.args[1..]),
        _ => Err(Reply::err(
            "Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> \
             [<param> <value> ...] are supported.",
        )),
    }
}

fn get(global: &Global, patterns: &[String]) -> Reply {
    let yes_no = |on: bool| if on { "yes" } else { "no" }.to_owned();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let wanted = |name: &str| {
        let name = name.as_bytes();
        patterns.iter().any(|p| glob::matches(p.to_ascii_lowercase().as_bytes(), name))
    };
    let shown = NAMES.into_iter().filter(|name| wanted(name)).map(|name| {
        let value = match name {
            "resolve-hostnames" => yes_no(global.resolve_hostnames),
            "announce-hostnames" => yes_no(global.announce_hostnames),
            "announce-ip" => text(&global.announce_ip),
            "announce-port" => global.announce_port.to_string(),
            "sentinel-user" => text(&global.sentinel_user),
            "sentinel-pass" => text(&global.sentinel_pass),
            _ => global.loglevel.clone(),
        };
        (Reply::bulk(name), Reply::bulk(value))
    });
    Reply::Map(shown.collect())
}

/// All or nothing: values are checked before the first is taken.
fn set(sentinel: &mut Sentinel, args: &[String]) -> Result<Reply, Reply> {
    let mut changed = sentinel.core.global.clone();
    let mut seen: Vec<String> = Vec::new();
    let mut rest = args;
    while let [name, values @ ..] = rest {
        let option = name.to_ascii_lowercase();
        if !NAMES.contains(&option.as_str()) {
            return Err(Reply::err(format!("Invalid argument '{name}' to SENTINEL CONFIG SET")));
        }
        if seen.contains(&option) {
            return Err(Reply::err(format!("Duplicate argument '{name}' to SENTINEL CONFIG SET")));
        }
        let [value, behind @ ..] = values else {
            return Err(Reply::err(format!("Missing argument '{name}' value")));
        };
        set_one(&mut changed, &option, value)
            .ok_or_else(|| Reply::err(format!("Invalid value '{value}' to SENTINEL CONFIG SET '{name}'")))?;
        seen.push(option);
        rest = behind;
    }
    sentinel.core.global = changed;
    if seen.iter().any(|name| name.starts_with("sentinel-")) {
        // The other sentinels must be introduced to anew.
        for peer in sentinel.peers.values_mut() {
            sentinel.core.close_link(&mut peer.link);
        }
    }
    sentinel.core.flush();
    Ok(Reply::ok())
}

fn set_one(global: &mut Global, option: &str, value: &str) -> Option<()> {
    let text = || (!value.is_empty()).then(|| value.to_owned());
    match option {
        "resolve-hostnames" => global.resolve_hostnames = config::parse_yes_no(value)?,
        "announce-hostnames" => global.announce_hostnames = config::parse_yes_no(value)?,
        "announce-ip" => global.announce_ip = text(),
        "announce-port" => global.announce_port = value.parse().ok()?,
        "sentinel-user" => global.sentinel_user = text(),
        "sentinel-pass" => global.sentinel_pass = text(),
        _ => {
            let level = value.to_ascii_lowercase();
            let known = ["debug", "verbose", "notice", "warning", "nothing"].contains(&level.as_str());
            global.loglevel = known.then_some(level)?;
        }
    }
    Some(())
}
