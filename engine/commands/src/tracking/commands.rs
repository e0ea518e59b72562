//! CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR.

use resp::Args;
use resp::number::parse_i64;
use types::CommandError;

use super::{ClientTracking, Mode};
use crate::client::{Client, ClientId, State};
use crate::server::Server;

/// The options of CLIENT TRACKING.
#[derive(Default)]
struct Options {
    redirect: Option<ClientId>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    noloop: bool,
    prefixes: Vec<Vec<u8>>,
}

fn refused(text: impl Into<String>) -> CommandError {
    CommandError::new(text.into())
}

impl Options {
    fn parse(server: &Server, client: &Client, args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 0;
        while at < args.len() {
            let value = args.get(at + 1);
            match (args.at(at).to_ascii_lowercase().as_slice(), value) {
                (b"redirect", Some(_)) if options.redirect.is_some() => {
                    return Err(refused("ERR A client can only redirect to a single other client"));
                }
                (b"redirect", Some(id)) => {
                    let id = parse_i64(id).ok_or(CommandError::NotAnInteger)?;
                    let mut all = server.clients.iter().chain([client]).map(|client| client.id);
                    let found = all.find(|known| i64::try_from(known.id) == Ok(id));
                    let missing = "ERR The client ID you want redirect to does not exist";
                    options.redirect = Some(found.ok_or_else(|| refused(missing))?);
                    at += 1;
                }
                (b"prefix", Some(prefix)) => {
                    options.prefixes.push(prefix.to_vec());
                    at += 1;
                }
                (b"bcast", _) => options.broadcast = true,
                (b"optin", _) => options.opt_in = true,
                (b"optout", _) => options.opt_out = true,
                (b"noloop", _) => options.noloop = true,
                _ => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        Ok(options)
    }

    /// Whether they go together, and with what the client has asked for before.
    fn judge(&self, before: Option<&ClientTracking>) -> Result<(), CommandError> {
        let mode = before.map(|before| before.mode);
        let error = if !self.broadcast && !self.prefixes.is_empty() {
            "ERR PREFIX option requires BCAST mode to be enabled"
        } else if mode.is_some_and(|mode| (mode == Mode::Broadcast) != self.broadcast) {
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling \
             it with a different mode."
        } else if self.broadcast && (self.opt_in || self.opt_out) {
            "ERR OPTIN and OPTOUT are not compatible with BCAST"
        } else if self.opt_in && self.opt_out {
            "ERR You can't specify both OPTIN mode and OPTOUT mode"
        } else if self.opt_in && mode == Some(Mode::OptOut) || self.opt_out && mode == Some(Mode::OptIn) {
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling \
             it with a different mode."
        } else {
            return self.judge_prefixes(before.map_or(&[], |before| &before.prefixes));
        };
        Err(refused(error))
    }

    /// No key may be below two prefixes of one client: it would be told of twice.
    fn judge_prefixes(&self, before: &[Vec<u8>]) -> Result<(), CommandError> {
        let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        let said = |a: &[u8], which: &str, b: &[u8]| {
            let (a, b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
            refused(format!(
                "ERR Prefix '{a}' overlaps with {which} prefix '{b}'. Prefixes for a single client must not overlap."
            ))
        };
        for (at, prefix) in self.prefixes.iter().enumerate() {
            if let Some(known) = before.iter().find(|known| overlap(known, prefix)) {
                return Err(said(prefix, "an existing", known));
            }
            if let Some(later) = self.prefixes[at + 1..].iter().find(|later| overlap(later, prefix)) {
                return Err(said(prefix, "another provided", later));
            }
        }
        Ok(())
    }
}

pub(crate) fn tracking(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let options = Options::parse(server, client, args.from(3))?;
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            options.judge(client.rare.tracking.as_deref())?;
            server.begin_tracking(client, options);
        }
        b"off" => server.end_tracking(client),
        _ => return Err(CommandError::Syntax),
    }
    client.writer().ok();
    Ok(())
}

impl Server {
    fn begin_tracking(&mut self, client: &mut Client, mut options: Options) {
        let before = client.rare.tracking.take();
        self.tracking.clients += usize::from(before.is_none());
        if options.broadcast && options.prefixes.is_empty() {
            options.prefixes.push(Vec::new());
        }
        for prefix in &options.prefixes {
            self.tracking.prefixes.entry(prefix.clone()).or_default().clients.insert(client.id);
        }
        let mut prefixes = before.map_or_else(Vec::new, |before| before.prefixes);
        options.prefixes.retain(|prefix| !prefixes.contains(prefix));
        prefixes.append(&mut options.prefixes);
        prefixes.sort();
        client.rare.tracking = Some(Box::new(ClientTracking {
            redirect: options.redirect,
            mode: match (options.broadcast, options.opt_in, options.opt_out) {
                (true, ..) => Mode::Broadcast,
                (_, true, _) => Mode::OptIn,
                (_, _, true) => Mode::OptOut,
                _ => Mode::Default,
            },
            noloop: options.noloop,
            caching: false,
            broken: false,
            prefixes,
        }));
        client.state.add(State::TRACKING);
        self.refresh_watching();
    }
}

pub(crate) fn caching(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let mode = client.rare.tracking.as_ref().map_or(Mode::Default, |tracking| tracking.mode);
    if client.rare.tracking.is_none() {
        return Err(refused(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    }
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"yes" if mode != Mode::OptIn => {
            return Err(refused(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        b"no" if mode != Mode::OptOut => {
            return Err(refused(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        b"yes" | b"no" => {}
        _ => return Err(CommandError::Syntax),
    }
    if let Some(tracking) = &mut client.rare.tracking {
        tracking.caching = true;
    }
    client.writer().ok();
    Ok(())
}

pub(crate) fn getredir(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let redirect = client.rare.tracking.as_ref().map_or(-1, |tracking| tracking.redirect_id() as i64);
    client.writer().int(redirect);
    Ok(())
}

pub(crate) fn trackinginfo(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let tracking = client.rare.tracking.clone();
    let flags: Vec<&str> = match &tracking {
        None => vec!["off"],
        Some(tracking) => {
            let mut flags = vec!["on"];
            flags.extend(match tracking.mode {
                Mode::Default => None,
                Mode::Broadcast => Some("bcast"),
                Mode::OptIn => Some("optin"),
                Mode::OptOut => Some("optout"),
            });
            flags.extend(tracking.caching.then_some(match tracking.mode {
                Mode::OptIn => "caching-yes",
                _ => "caching-no",
            }));
            flags.extend(tracking.noloop.then_some("noloop"));
            flags.extend(tracking.broken.then_some("broken_redirect"));
            flags
        }
    };
    let redirect = tracking.as_ref().map_or(-1, |tracking| tracking.redirect_id() as i64);
    let prefixes = tracking.map_or_else(Vec::new, |tracking| tracking.prefixes);
    let mut writer = client.writer();
    writer.map(3);
    writer.bulk(b"flags");
    writer.set(flags.len());
    flags.iter().for_each(|flag| writer.bulk(flag.as_bytes()));
    writer.bulk(b"redirect");
    writer.int(redirect);
    writer.bulk(b"prefixes");
    writer.array(prefixes.len());
    prefixes.iter().for_each(|prefix| writer.bulk(prefix));
    Ok(())
}
