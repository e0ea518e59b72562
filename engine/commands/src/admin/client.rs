//! CLIENT and its subcommands.

use std::fmt::Write as _;

use resp::number::parse_i64;
use resp::{Args, Protocol};
use types::{Command, CommandError, Flags, Meta};

use super::{container, help, plain};
use crate::client::{Blocked, Client, ClientId, State};
use crate::gates::{Pause, Paused, PausedBy};
use crate::server::Server;
use crate::table::AdminHandler;
use crate::tracking::{self, ClientTracking};

const BASE: Meta = Meta {
    group: "connection",
    acl: &["connection"],
    flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SENTINEL),
    ..Meta::BASE
};
/// What is asked twice is answered in two ways.
const VARYING: &[&str] = &["nondeterministic_output"];
const ADMIN: Meta = Meta { flags: BASE.flags.and(Flags::ADMIN), ..BASE };

const fn sub(
    name: &'static str,
    summary: &'static str,
    since: &'static str,
    arity: i32,
    args: &'static str,
) -> Meta {
    Meta { name, summary, since, arity, args, ..BASE }
}

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[container(
    Meta {
        name: "client",
        summary: "Tells of connections and changes them.",
        since: "2.4.0",
        complexity: "Depends on subcommand.",
        arity: -2,
        flags: Flags::SENTINEL,
        acl: &[],
        ..BASE
    },
    &[
        plain(sub("id", "Gives this connection's id.", "5.0.0", 2, ""), id),
        plain(sub("getname", "Gives this connection's name.", "2.6.9", 2, ""), getname),
        plain(sub("setname", "Names this connection.", "2.6.9", 3, "connection-name"), setname),
        plain(
            sub(
                "setinfo",
                "Notes the client library's name or version.",
                "7.2.0",
                4,
                "LIB-NAME libname | LIB-VER libver",
            ),
            setinfo,
        ),
        plain(Meta { tips: VARYING, ..sub("info", "Describes this connection.", "6.2.0", 2, "") }, info),
        plain(
            Meta {
                complexity: "O(N), N being the number of clients",
                tips: VARYING,
                ..Meta {
                    flags: ADMIN.flags,
                    ..sub(
                        "list",
                        "Describes all connections.",
                        "2.4.0",
                        -2,
                        "[TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id:integer [client-id ...]]",
                    )
                }
            },
            list,
        ),
        plain(
            Meta {
                flags: ADMIN.flags,
                ..sub(
                    "kill",
                    "Closes connections.",
                    "2.4.0",
                    -3,
                    "ip-port | [ID client-id:integer] [TYPE NORMAL | MASTER | SLAVE | REPLICA | PUBSUB] [USER username] [ADDR ip-port] [LADDR ip-port] [SKIPME YES | NO]",
                )
            },
            kill,
        ),
        plain(
            Meta {
                flags: ADMIN.flags,
                ..sub(
                    "pause",
                    "Holds commands back for a time.",
                    "3.0.0",
                    -3,
                    "timeout:integer [WRITE | ALL]",
                )
            },
            pause,
        ),
        plain(Meta { flags: ADMIN.flags, ..sub("unpause", "Ends CLIENT PAUSE.", "6.2.0", 2, "") }, unpause),
        plain(sub("reply", "Chooses whether commands are answered.", "3.2.0", 3, "ON | OFF | SKIP"), reply),
        plain(
            Meta {
                flags: ADMIN.flags,
                ..sub(
                    "unblock",
                    "Wakes a client that waits in a command.",
                    "5.0.0",
                    -3,
                    "client-id:integer [TIMEOUT | ERROR]",
                )
            },
            unblock,
        ),
        plain(
            Meta {
                flags: ADMIN.flags,
                ..sub("no-evict", "Protects this connection from client eviction.", "7.0.0", 3, "ON | OFF")
            },
            no_evict,
        ),
        plain(
            sub("no-touch", "Keeps commands from counting as use of keys.", "7.2.0", 3, "ON | OFF"),
            no_touch,
        ),
        plain(
            sub("getredir", "Gives the id that invalidations are sent to.", "6.0.0", 2, ""),
            tracking::getredir,
        ),
        plain(
            Meta {
                complexity: "O(1); some options may add to that",
                ..sub(
                    "tracking",
                    "Has the server tell of changes to keys that this connection read.",
                    "6.0.0",
                    -3,
                    "ON | OFF [REDIRECT client-id:integer] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
                )
            },
            tracking::tracking,
        ),
        plain(
            sub("caching", "Says whether the keys of the next command are tracked.", "6.0.0", 3, "YES | NO"),
            tracking::caching,
        ),
        plain(
            sub("trackinginfo", "Describes this connection's tracking.", "6.2.0", 2, ""),
            tracking::trackinginfo,
        ),
        plain(
            Meta {
                flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
                ..sub("help", "Lists the subcommands.", "5.0.0", 2, "")
            },
            help_,
        ),
    ],
)];

/// A connection's name, or the error for one with spaces or line ends.
pub(super) fn checked_name(name: &[u8]) -> Result<String, CommandError> {
    printable(name)
        .ok_or(CommandError::new("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn printable(text: &[u8]) -> Option<String> {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte)).then(|| String::from_utf8_lossy(text).into_owned())
}

fn id(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let id = client.id.id as i64;
    client.writer().int(id);
    Ok(())
}

fn getname(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let name = client.name.clone();
    match name.is_empty() {
        true => client.writer().null(),
        false => client.writer().bulk(name.as_bytes()),
    }
    Ok(())
}

fn setname(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    client.name = checked_name(args.at(2))?;
    client.writer().ok();
    Ok(())
}

fn setinfo(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let option = args.at(2).to_ascii_lowercase();
    let value = |what| {
        printable(args.at(3)).ok_or_else(|| {
            CommandError::new(format!("ERR {what} cannot contain spaces, newlines or special characters."))
        })
    };
    match option.as_slice() {
        b"lib-name" => client.rare.lib_name = value("lib-name")?,
        b"lib-ver" => client.rare.lib_version = value("lib-ver")?,
        _ => {
            let shown = String::from_utf8_lossy(args.at(2)).into_owned();
            return Err(CommandError::new(format!("ERR Unrecognized option '{shown}'")));
        }
    }
    client.writer().ok();
    Ok(())
}

impl Server {
    /// A client's line of CLIENT LIST, without its end.
    pub(crate) fn describe_client(&self, client: &Client) -> String {
        describe(client, self.now.mono_ms)
    }
}

fn info(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let text = server.describe_client(client) + "\n";
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

/// Which clients a TYPE word means.
fn is_of_type(client: &Client, word: &str) -> bool {
    match word {
        "master" => client.state.has(State::MASTER),
        "slave" | "replica" => client.state.has(State::REPLICA),
        "pubsub" => client.state.has(State::PUBSUB) && !client.state.has(State::REPLICATION),
        _ => !client.state.has(State::REPLICATION) && !client.state.has(State::PUBSUB),
    }
}

fn type_word(word: &[u8]) -> Result<String, CommandError> {
    let lower = String::from_utf8_lossy(word).to_ascii_lowercase();
    match lower.as_str() {
        "normal" | "master" | "slave" | "replica" | "pubsub" => Ok(lower),
        _ => Err(CommandError::new(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(word)))),
    }
}

fn client_id(word: &[u8]) -> Result<u64, CommandError> {
    // Nobody has a negative one.
    parse_i64(word).map(|id| u64::try_from(id).unwrap_or(0)).ok_or(CommandError::new("ERR Invalid client ID"))
}

fn list(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let mut of_type = None;
    let mut ids: Option<Vec<u64>> = None;
    match args.get(2).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None => {}
        Some(b"type") if args.len() == 4 => of_type = Some(type_word(args.at(3))?),
        Some(b"id") if args.len() > 3 => {
            ids = Some(args.from(3).iter().map(client_id).collect::<Result<_, _>>()?)
        }
        Some(_) => return Err(CommandError::Syntax),
    }
    let now_ms = server.now.mono_ms;
    let master = server.replicating.upstream.as_ref().and_then(|upstream| upstream.listed_client());
    let mut all: Vec<&Client> = server.clients.iter().chain([&*client]).chain(master).collect();
    all.sort_by_key(|client| client.id.id);
    let listed: Vec<&Client> = match ids {
        // As often and in the order asked for.
        Some(ids) => {
            let with = |id: u64| all.iter().copied().find(|client| client.id.id == id);
            ids.into_iter().filter_map(with).collect()
        }
        None => {
            let is_wanted = |client: &&Client| of_type.as_deref().is_none_or(|word| is_of_type(client, word));
            all.into_iter().filter(is_wanted).collect()
        }
    };
    let text: String = listed.into_iter().map(|client| describe(client, now_ms) + "\n").collect();
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

/// A line of CLIENT LIST.
fn describe(client: &Client, now_ms: u64) -> String {
    let tracking = client.rare.tracking.as_deref();
    let state = |bit| client.state.has(bit);
    let flags = [
        (state(State::MONITOR), 'O'),
        (state(State::REPLICA), 'S'),
        (state(State::MASTER), 'M'),
        (state(State::PUBSUB), 'P'),
        (state(State::MULTI) || state(State::IN_EXEC), 'x'),
        (client.blocked.is_some(), 'b'),
        (tracking.is_some(), 't'),
        (tracking.is_some_and(|tracking| tracking.broken), 'R'),
        (tracking.is_some_and(ClientTracking::broadcasts), 'B'),
        (state(State::DIRTY_CAS), 'd'),
        (state(State::CLOSE_AFTER_REPLY), 'c'),
        (state(State::CLOSE_NOW), 'A'),
        (client.peer.address.starts_with('/'), 'U'),
        (state(State::NO_EVICT), 'e'),
        (state(State::NO_TOUCH), 'T'),
    ];
    let mut flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
    if flags.is_empty() {
        flags.push('N');
    }
    let (multi, multi_bytes) = match state(State::IN_EXEC) {
        true => (client.rare.exec_size.0 as i64, client.rare.exec_size.1),
        false if state(State::MULTI) => (client.rare.queued.len() as i64, client.rare.queued_bytes),
        false => (-1, 0),
    };
    let seconds = |since: u64| now_ms.saturating_sub(since) / 1000;
    let output = client.out.len();
    let mut line = format!(
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub={} psub={} ssub={} multi={multi} ",
        client.id.id,
        client.peer.address,
        client.peer.local,
        client.peer.fd,
        client.name,
        seconds(client.connected_ms),
        seconds(client.active_ms),
        client.db,
        client.rare.channels.len(),
        client.rare.patterns.len(),
        client.rare.shard_channels.len(),
    );
    let _ = write!(
        line,
        "qbuf={} qbuf-free=0 argv-mem=0 multi-mem={} rbs={} rbp={} obl={output} oll=0 omem={} tot-mem={} \
         events=r cmd={} user={} redir={} resp={} lib-name={} lib-ver={}",
        client.query_bytes,
        multi_bytes,
        client.out.capacity(),
        client.out.capacity(),
        client.unsent,
        client.memory_bytes(),
        client.last_command.map_or("NULL", |entry| entry.full_name.as_str()),
        String::from_utf8_lossy(client.user_name()),
        tracking.map_or(-1, |tracking| tracking.redirect_id() as i64),
        if client.protocol == Protocol::Resp3 { 3 } else { 2 },
        client.rare.lib_name,
        client.rare.lib_version,
    );
    line
}

/// The filters of CLIENT KILL.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    of_type: Option<String>,
    address: Option<String>,
    local: Option<String>,
    user: Option<Vec<u8>>,
    keep_me: bool,
}

impl Filter {
    fn parse(server: &Server, args: Args<'_>) -> Result<Self, CommandError> {
        let mut filter = Filter { keep_me: true, ..Self::default() };
        if !args.len().is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        for at in (0..args.len()).step_by(2) {
            let value = String::from_utf8_lossy(args.at(at + 1)).into_owned();
            match args.at(at).to_ascii_lowercase().as_slice() {
                b"id" => {
                    let id = parse_i64(args.at(at + 1)).filter(|id| *id > 0);
                    filter.id =
                        Some(id.ok_or(CommandError::new("ERR client-id should be greater than 0"))? as u64);
                }
                b"type" => filter.of_type = Some(type_word(args.at(at + 1))?),
                b"addr" => filter.address = Some(value),
                b"laddr" => filter.local = Some(value),
                b"user" if server.acl.user(args.at(at + 1)).is_none() => {
                    return Err(CommandError::new(format!("ERR No such user '{value}'")));
                }
                b"user" => filter.user = Some(args.at(at + 1).to_vec()),
                b"skipme" => match value.to_ascii_lowercase().as_str() {
                    "yes" => filter.keep_me = true,
                    "no" => filter.keep_me = false,
                    _ => return Err(CommandError::Syntax),
                },
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(filter)
    }

    /// Whether the master's connection is meant. It has no address and no id of a client's: only its type
    /// names it.
    fn names_master(&self) -> bool {
        let only_type =
            self.id.is_none() && self.address.is_none() && self.local.is_none() && self.user.is_none();
        only_type && self.of_type.as_deref() == Some("master")
    }

    fn matches(&self, client: &Client) -> bool {
        self.id.is_none_or(|id| client.id.id == id)
            && self.of_type.as_deref().is_none_or(|word| is_of_type(client, word))
            && self.address.as_ref().is_none_or(|address| client.peer.address == *address)
            && self.local.as_ref().is_none_or(|local| client.peer.local == *local)
            && self.user.as_ref().is_none_or(|user| client.user_name() == user)
    }
}

fn kill(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let old_form = args.len() == 3;
    let filter = match old_form {
        true => {
            Filter { address: Some(String::from_utf8_lossy(args.at(2)).into_owned()), ..Filter::default() }
        }
        false => Filter::parse(server, args.from(2))?,
    };
    let others: Vec<ClientId> =
        server.clients.iter().filter(|other| filter.matches(other)).map(|other| other.id).collect();
    let me = filter.matches(client) && !filter.keep_me;
    for id in &others {
        server.clients.close(*id);
    }
    if me {
        client.state.add(State::CLOSE_AFTER_REPLY);
    }
    let master = !old_form && filter.names_master() && server.drop_master_link();
    let killed = others.len() + usize::from(me) + usize::from(master);
    match (old_form, killed) {
        (true, 0) => return Err(CommandError::new("ERR No such client")),
        (true, _) => client.writer().ok(),
        (false, _) => client.writer().int(killed as i64),
    }
    Ok(())
}

fn pause(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 4 {
        let name = String::from_utf8_lossy(args.at(1)).into_owned();
        return Err(CommandError::new(format!(
            "ERR unknown subcommand or wrong number of arguments for '{name}'. Try CLIENT HELP."
        )));
    }
    let timeout_ms =
        parse_i64(args.at(2)).ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| CommandError::new("ERR timeout is negative"))?;
    let what = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"all") => Paused::All,
        Some(b"write") => Paused::Writes,
        Some(_) => return Err(CommandError::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let until_ms = server.now.mono_ms.saturating_add(timeout_ms);
    server.pause(PausedBy::Command, Pause { until_ms, what });
    client.writer().ok();
    Ok(())
}

fn unpause(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.end_pause(PausedBy::Command);
    client.writer().ok();
    Ok(())
}

impl Server {
    /// Has commands wait.
    pub(crate) fn pause(&mut self, by: PausedBy, pause: Pause) {
        self.gates.begin_pause(by, pause);
        self.timer_changed = true;
        self.refresh_gates();
    }

    /// Ends what one had wait.
    pub(crate) fn end_pause(&mut self, by: PausedBy) {
        self.gates.end_pause(by);
        self.release_held_back();
    }

    /// Has those that waited try again.
    fn release_held_back(&mut self) {
        self.refresh_gates();
        let held: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|client| client.blocked == Some(Blocked::Paused))
            .map(|client| client.id)
            .collect();
        self.serve_held_back();
        for id in held {
            if let Some(client) = self.clients.get_mut(id) {
                client.blocked = None;
            }
            self.clients.wake(id);
        }
    }

    pub(crate) fn end_pause_if_over(&mut self) {
        if self.gates.pause.is_some() && self.gates.end_pauses_until(self.now.mono_ms) {
            self.release_held_back();
        }
    }
}

fn reply(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            client.state.remove(State::REPLY_OFF);
            client.state.remove(State::REPLY_SKIP);
            client.writer().ok();
        }
        b"off" => client.state.add(State::REPLY_OFF),
        b"skip" if !client.state.has(State::REPLY_OFF) => client.state.add(State::REPLY_SKIP_NEXT),
        b"skip" => {}
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

fn unblock(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let id = parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let with_error = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"timeout") => false,
        Some(b"error") => true,
        Some(_) => return Err(CommandError::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let target = server.clients.iter().find(|other| other.id.id as i64 == id).map(|other| other.id);
    let unblocked = target.is_some_and(|id| match with_error {
        false => server.time_out(id),
        true => server.unblock_with_error(id),
    });
    client.writer().int(i64::from(unblocked));
    Ok(())
}

fn on_or_off(client: &mut Client, word: &[u8], bit: State) -> Result<(), CommandError> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => client.state.add(bit),
        b"off" => client.state.remove(bit),
        _ => return Err(CommandError::Syntax),
    }
    client.writer().ok();
    Ok(())
}

fn no_evict(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    on_or_off(client, args.at(2), State::NO_EVICT)
}

fn no_touch(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    on_or_off(client, args.at(2), State::NO_TOUCH)
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "CLIENT",
        &[
            "CACHING (YES|NO)",
            "    Whether the keys of the next command are tracked, in OPTIN and OPTOUT mode.",
            "GETNAME",
            "    The name of this connection.",
            "GETREDIR",
            "    The client id that invalidation messages go to, -1 without tracking.",
            "ID",
            "    The id of this connection.",
            "INFO",
            "    This connection's line of CLIENT LIST.",
            "KILL <ip:port> | <option> <value> [<option> <value> ...]",
            "    Close connections. Options: ADDR, LADDR, TYPE, USER, ID, SKIPME.",
            "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> ...]",
            "    A line for each connection.",
            "NO-EVICT (ON|OFF)",
            "    Protect this connection from eviction.",
            "NO-TOUCH (ON|OFF)",
            "    Do not count this connection's commands as use of keys.",
            "PAUSE <timeout> [WRITE|ALL]",
            "    Hold back all commands, or writes, for so many milliseconds.",
            "REPLY (ON|OFF|SKIP)",
            "    Whether commands of this connection are answered.",
            "SETINFO <option> <value>",
            "    Note LIB-NAME or LIB-VER.",
            "SETNAME <name>",
            "    Name this connection.",
            "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
            "         [OPTIN] [OPTOUT] [NOLOOP]",
            "    Tell of changes to keys that this connection read.",
            "TRACKINGINFO",
            "    Describe this connection's tracking.",
            "UNBLOCK <clientid> [TIMEOUT|ERROR]",
            "    Wake a client that waits in a command.",
            "UNPAUSE",
            "    End CLIENT PAUSE.",
        ],
    );
    Ok(())
}
