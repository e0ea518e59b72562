//! Changing what is monitored and how; starting a failover by hand.

use super::Call;
use crate::{
    Reply,
    address::Address,
    config::{self, Refusal},
    event::Level,
    failover::{self, Cause},
    glob,
    instance::{Master, MasterSettings},
    reconfigure::{self, Keep},
    select,
};

pub(super) fn failover(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let index = call.master()?;
    let (core, master) = (&mut call.sentinel.core, &mut call.sentinel.masters[index]);
    if master.failover.is_some() {
        return Err(Reply::Error("INPROG Failover already in progress".into()));
    }
    if select::best_replica(core, master).is_none() {
        return Err(Reply::Error("NOGOODSLAVE No suitable replica to promote".into()));
    }
    core.log(Level::Notice, format!("Executing user requested FAILOVER of '{}'", master.name));
    failover::start(core, master, Cause::Command);
    Ok(Reply::ok())
}

pub(super) fn flush_config(call: &mut Call<'_>) -> Result<Reply, Reply> {
    call.sentinel.rewrite_in_full();
    Ok(Reply::ok())
}

pub(super) fn monitor(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let [name, host, port, quorum] = call.args else { return Err(Reply::err("syntax error")) };
    let quorum: i64 = quorum.parse().map_err(|_| Reply::err("Invalid quorum"))?;
    let port: i64 = port.parse().map_err(|_| Reply::err("Invalid port"))?;
    if quorum <= 0 {
        return Err(Reply::err("Quorum must be 1 or greater."));
    }
    let sentinel = &mut *call.sentinel;
    let core = &mut sentinel.core;
    if !config::accepts_host(&core.global, &mut core.names, host, call.host) {
        return Err(Reply::err("Invalid IP address or hostname specified"));
    }
    if sentinel.masters.iter().any(|m| m.name == *name) {
        return Err(Reply::err("Duplicate master name."));
    }
    let port = u16::try_from(port).map_err(|_| Reply::err("Invalid port number."))?;
    let quorum = u32::try_from(quorum).map_err(|_| Reply::err("Invalid quorum"))?;
    let settings = MasterSettings::new(quorum, &core.periods);
    let addr = Address::new(host, port, &core.names);
    let master = Master::new(core.next_master_id(), name, addr, settings, core.mono());
    core.flush();
    core.master_event(Level::Warning, "+monitor", &master, &format!("quorum {quorum}"));
    sentinel.masters.push(master);
    Ok(Reply::ok())
}

pub(super) fn remove(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let index = call.master()?;
    let mut master = call.sentinel.masters.remove(index);
    let core = &mut call.sentinel.core;
    core.master_event(Level::Warning, "-monitor", &master, "");
    reconfigure::reset(core, &mut master, Keep::Nothing);
    core.flush();
    Ok(Reply::ok())
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let sentinel = &mut *call.sentinel;
    let mut count = 0;
    for master in &mut sentinel.masters {
        if glob::matches(call.args[0].as_bytes(), master.name.as_bytes()) {
            reconfigure::reset(&mut sentinel.core, master, Keep::Nothing);
            sentinel.core.master_event(Level::Warning, "+reset-master", master, "");
            count += 1;
        }
    }
    if count > 0 {
        sentinel.core.flush();
    }
    Ok(Reply::Int(count))
}

/// Options of SENTINEL SET with the number of their values.
const OPTIONS: [(&str, usize); 10] = [
    ("down-after-milliseconds", 1),
    ("failover-timeout", 1),
    ("parallel-syncs", 1),
    ("notification-script", 1),
    ("client-reconfig-script", 1),
    ("auth-pass", 1),
    ("auth-user", 1),
    ("quorum", 1),
    ("rename-command", 2),
    ("master-reboot-down-after-period", 1),
];

/// Options are applied one by one; those before a wrong one stay applied.
pub(super) fn set(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let index = call.master()?;
    let mut rest = &call.args[1..];
    let mut result = Ok(Reply::ok());
    while let [name, values @ ..] = rest {
        let option = name.to_ascii_lowercase();
        let known = OPTIONS.iter().find(|(known, count)| *known == option && values.len() >= *count);
        let Some((_, count)) = known else {
            let text = format!("Unknown option or number of arguments for SENTINEL SET '{name}'");
            result = Err(Reply::err(text));
            break;
        };
        if let Err(error) = set_one(call, index, name, &option, &values[..*count]) {
            result = Err(error);
            break;
        }
        rest = &values[*count..];
    }
    call.sentinel.core.flush();
    result
}

/// Changes one setting. Errors and the event show its name as it was given.
fn set_one(
    call: &mut Call<'_>,
    index: usize,
    given: &str,
    option: &str,
    values: &[String],
) -> Result<(), Reply> {
    let (core, master) = (&mut call.sentinel.core, &mut call.sentinel.masters[index]);
    if matches!(option, "notification-script" | "client-reconfig-script") && core.global.deny_scripts_reconfig
    {
        return Err(Reply::err(
            "Reconfiguration of scripts path is denied for security reasons. Check the \
             deny-scripts-reconfig configuration directive in your Sentinel configuration",
        ));
    }
    let words: Vec<&str> = values.iter().map(String::as_str).collect();
    let removed = if option == "rename-command" {
        // A new name replaces the old one; its own name removes it.
        master.settings.renamed.remove(&values[0].to_ascii_lowercase());
        values[0].eq_ignore_ascii_case(&values[1])
    } else {
        false
    };
    if !removed {
        config::set(&mut master.settings, option, &words, call.host).map_err(|refusal| match refusal {
            Refusal::NotExecutable(text) => Reply::err(text),
            Refusal::BadValue | Refusal::RenamedTwice => {
                // Of two names the empty one is to blame.
                let wrong = values.iter().rfind(|v| v.is_empty()).unwrap_or(&values[0]);
                Reply::err(format!("Invalid argument '{wrong}' for SENTINEL SET '{given}'"))
            }
        })?;
    }
    let shown = if option == "auth-pass" { "******".to_owned() } else { values.join(" ") };
    core.master_event(Level::Warning, "+set", master, &format!("{given} {shown}"));
    Ok(())
}
