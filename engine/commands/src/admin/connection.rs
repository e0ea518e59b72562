//! Connections: AUTH, HELLO, PING, ECHO, SELECT, QUIT, RESET.

use resp::number::parse_i64;
use resp::{Args, Protocol};
use types::{Command, CommandError, Flags, Meta};

use super::plain;
use crate::client::{Client, State};
use crate::server::Server;
use crate::table::AdminHandler;

const BASE: Meta = Meta { group: "connection", acl: &["connection"], ..Meta::BASE };
const STRANGER: Flags = Flags::NOSCRIPT
    .and(Flags::LOADING)
    .and(Flags::STALE)
    .and(Flags::FAST)
    .and(Flags::NO_AUTH)
    .and(Flags::ALLOW_BUSY);

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[
    plain(
        Meta {
            name: "auth",
            summary: "Proves who the client is.",
            complexity: "O(N), N being the number of the user's passwords",
            arity: -2,
            flags: STRANGER.and(Flags::SENTINEL),
            args: "[username] password",
            ..BASE
        },
        auth,
    ),
    plain(
        Meta {
            name: "hello",
            summary: "Chooses the protocol version, and may authenticate and name the connection.",
            since: "6.0.0",
            arity: -1,
            flags: STRANGER.and(Flags::SENTINEL),
            args: "[protover:integer [AUTH username password] [SETNAME clientname]]",
            ..BASE
        },
        hello,
    ),
    plain(
        Meta {
            name: "ping",
            summary: "Answers PONG, or the message.",
            arity: -1,
            flags: Flags::FAST.and(Flags::SENTINEL),
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            args: "[message]",
            ..BASE
        },
        ping,
    ),
    plain(
        Meta {
            name: "echo",
            summary: "Answers with the message.",
            arity: 2,
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            args: "message",
            ..BASE
        },
        echo,
    ),
    plain(
        Meta {
            name: "select",
            summary: "Chooses the database of this connection.",
            arity: 2,
            flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
            args: "index:integer",
            ..BASE
        },
        select,
    ),
    plain(Meta { name: "quit", summary: "Closes the connection.", arity: -1, flags: STRANGER, ..BASE }, quit),
    plain(
        Meta {
            name: "reset",
            summary: "Makes the connection as it was when it began.",
            since: "6.2.0",
            flags: STRANGER,
            ..BASE
        },
        reset,
    ),
];

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

fn auth(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let (user, password): (&[u8], &[u8]) = match args.len() {
        2 => (b"default", args.at(1)),
        3 => (args.at(1), args.at(2)),
        _ => return Err(CommandError::Syntax),
    };
    if args.len() == 2 && server.acl.default_user().nopass {
        return Err(CommandError::new(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        ));
    }
    server.authenticate(client, args.at(0), user, password)?;
    client.writer().ok();
    Ok(())
}

impl Server {
    /// Makes the connection that of `user`, if that is the password; `command` names what asks for it.
    fn authenticate(
        &mut self,
        client: &mut Client,
        command: &[u8],
        user: &[u8],
        password: &[u8],
    ) -> Result<(), CommandError> {
        match self.acl.user(user).filter(|user| user.takes_password(password)).cloned() {
            Some(user) => {
                self.become_user(client, user);
                Ok(())
            }
            None => {
                self.log_failed_auth(client, command, user);
                Err(CommandError::new(WRONG_PASSWORD))
            }
        }
    }
}

fn hello(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let protocol = match args.get(1).map(parse_i64) {
        None => client.protocol,
        Some(Some(2)) => Protocol::Resp2,
        Some(Some(3)) => Protocol::Resp3,
        Some(Some(_)) => return Err(CommandError::new("NOPROTO unsupported protocol version")),
        Some(None) => {
            return Err(CommandError::new("ERR Protocol version is not an integer or out of range"));
        }
    };
    let (mut name, mut credentials) = (None, None);
    let mut at = 2;
    while at < args.len() {
        let left = args.len() - at - 1;
        match args.at(at).to_ascii_lowercase().as_slice() {
            b"auth" if left >= 2 => {
                credentials = Some((args.at(at + 1), args.at(at + 2)));
                at += 3;
            }
            b"setname" if left >= 1 => {
                name = Some(super::client::checked_name(args.at(at + 1))?);
                at += 2;
            }
            _ => {
                let option = String::from_utf8_lossy(args.at(at)).into_owned();
                return Err(CommandError::new(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
    }
    if let Some((user, password)) = credentials {
        server.authenticate(client, args.at(0), user, password)?;
    }
    if client.state.has(State::STRANGER) {
        return Err(CommandError::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time",
        ));
    }
    if let Some(name) = name {
        client.name = name;
    }
    client.protocol = protocol;
    server.clients.protocol_changed(protocol);
    describe(server, client);
    Ok(())
}

fn describe(server: &Server, client: &mut Client) {
    let id = client.id.id as i64;
    let role = if server.replicating.is_replica() { "replica" } else { "master" };
    let sentinel = server.sentinel.is_some();
    let mut writer = client.writer();
    writer.map(if sentinel { 6 } else { 7 });
    writer.bulk(b"server");
    writer.bulk(b"redis");
    writer.bulk(b"version");
    writer.bulk(b"7.2.4");
    writer.bulk(b"proto");
    writer.int(if writer.protocol() == Protocol::Resp3 { 3 } else { 2 });
    writer.bulk(b"id");
    writer.int(id);
    writer.bulk(b"mode");
    writer.bulk(if sentinel { b"sentinel" } else { b"standalone" });
    if !sentinel {
        writer.bulk(b"role");
        writer.bulk(role.as_bytes());
    }
    writer.bulk(b"modules");
    writer.array(0);
}

fn ping(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 2 {
        return Err(CommandError::Arity("ping".into()));
    }
    let subscribed = client.state.has(State::PUBSUB) && client.protocol == Protocol::Resp2;
    let mut writer = client.writer();
    match (subscribed, args.get(1)) {
        (true, message) => {
            writer.array(2);
            writer.bulk(b"pong");
            writer.bulk(message.unwrap_or_default());
        }
        (false, Some(message)) => writer.bulk(message),
        (false, None) => writer.simple("PONG"),
    }
    Ok(())
}

fn echo(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    client.writer().bulk(args.at(1));
    Ok(())
}

fn select(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let index = parse_i64(args.at(1)).ok_or(CommandError::NotAnInteger)?;
    match usize::try_from(index) {
        Ok(index) if index < server.dbs.len() => {
            client.db = index as u32;
            client.writer().ok();
            Ok(())
        }
        _ => Err(CommandError::DbIndex),
    }
}

fn quit(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    client.writer().ok();
    client.state.add(State::CLOSE_AFTER_REPLY);
    Ok(())
}

fn reset(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    if client.state.has(State::REPLICATION) {
        return Err(CommandError::new("ERR can only reset normal client connections"));
    }
    server.discard(client);
    server.unsubscribe_silently(client);
    server.end_tracking(client);
    server.end_monitor(client);
    for bit in [State::REPLY_OFF, State::REPLY_SKIP, State::REPLY_SKIP_NEXT, State::NO_TOUCH, State::NO_EVICT]
    {
        client.state.remove(bit);
    }
    server.become_stranger(client);
    client.db = 0;
    client.protocol = Protocol::Resp2;
    client.name.clear();
    client.writer().simple("RESET");
    Ok(())
}
