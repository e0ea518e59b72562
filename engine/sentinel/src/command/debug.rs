//! For tests of people and machines: periods, and crashes on purpose.

use super::Call;
use crate::{Reply, event::Level};

pub(super) fn debug(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let mut periods = call.sentinel.core.periods.clone();
    if call.args.is_empty() {
        let shown = periods.named().into_iter();
        return Ok(Reply::Map(shown.map(|(n, ms)| (Reply::bulk(n), Reply::bulk(ms.to_string()))).collect()));
    }
    for pair in call.args.chunks(2) {
        let [name, value] = pair else { return Err(unknown(&pair[0])) };
        let mut named = periods.named().into_iter();
        let (_, figure) = named.find(|(n, _)| n.eq_ignore_ascii_case(name)).ok_or_else(|| unknown(name))?;
        *figure =
            value.parse().ok().filter(|ms| *ms > 0).ok_or_else(|| {
                Reply::err(format!("Invalid argument '{value}' for SENTINEL DEBUG '{name}'"))
            })?;
    }
    call.sentinel.core.periods = periods;
    Ok(Reply::ok())
}

fn unknown(name: &str) -> Reply {
    Reply::err(format!("Unknown option or number of arguments for SENTINEL DEBUG '{name}'"))
}

pub(super) fn simulate_failure(call: &mut Call<'_>) -> Result<Reply, Reply> {
    let core = &mut call.sentinel.core;
    core.simulated_failure = Default::default();
    for mode in call.args {
        match mode.to_ascii_lowercase().as_str() {
            "crash-after-election" => {
                core.simulated_failure.after_election = true;
                core.log(
                    Level::Warning,
                    "Failure simulation: this Sentinel will crash after being successfully elected as \
                     failover leader"
                        .into(),
                );
            }
            "crash-after-promotion" => {
                core.simulated_failure.after_promotion = true;
                core.log(
                    Level::Warning,
                    "Failure simulation: this Sentinel will crash after promoting the selected replica \
                     to master"
                        .into(),
                );
            }
            "help" => {
                let modes = ["crash-after-election", "crash-after-promotion"];
                return Ok(Reply::Array(modes.iter().map(Reply::bulk).collect()));
            }
            _ => return Err(Reply::err("Unknown failure simulation specified")),
        }
    }
    Ok(Reply::ok())
}
