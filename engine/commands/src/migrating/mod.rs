//! MIGRATE: keys handed to another server, which this one waits for.
//!
//! Everything stands still until the other has answered or the timeout is over, as in Redis: that makes the
//! move atomic for this server's clients. Each key travels as RESTORE and goes here only when the other took it,
//! which replicas hear of as DEL. Connections are kept for a while for the next call ([`connections`]).

mod connections;
mod options;

pub(crate) use connections::PeerConnections;

use keyspace::WallMs;
use persist::rdb;
use resp::{Args, encode};
use types::{Class, Command, CommandError, Flags, Meta, spec};

use crate::admin::plain;
use crate::client::Client;
use crate::host::PeerError;
use crate::server::Server;
use crate::table::{AdminHandler, Entry, TABLE};
use options::{AfterMove, Existing, Login, Options};

/// Bytes written in one go: the timeout is that of each.
const PIECE_BYTES: usize = 64 * 1024;

const TAKES: &[&str] = &["RW", "access", "delete"];
const TAKES_SOME: &[&str] = &["RW", "access", "delete", "incomplete"];

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[plain(
    Meta {
        name: "migrate",
        summary: "Moves or copies keys to another server.",
        since: "2.6.0",
        group: "generic",
        complexity: "DUMP and DEL of each key here, RESTORE of it there, and O(N) bytes on the way between them",
        arity: -6,
        flags: Flags::WRITE.and(Flags::MOVABLEKEYS),
        acl: &["keyspace", "dangerous"],
        keys: &[
            spec::KeySpec { flags: TAKES, begin: spec::Begin::Index(3), find: spec::Find::Range(0, 1, 0) },
            spec::KeySpec {
                flags: TAKES_SOME,
                begin: spec::Begin::Keyword("KEYS", -2),
                find: spec::Find::Range(-1, 1, 0),
            },
        ],
        tips: &["nondeterministic_output"],
        args: "host port:integer key destination-db:integer timeout:integer [COPY] [REPLACE] \
               [AUTH password | AUTH2 username password] [KEYS key [key ...]]",
        ..Meta::BASE
    },
    migrate,
)];

/// A key on its way.
struct Parcel<'a> {
    key: &'a [u8],
    payload: Vec<u8>,
    /// Its deadline, if it has one.
    expires_at: Option<WallMs>,
}

/// How the conversation with the other server ended.
enum Outcome {
    /// It took everything.
    Done,
    /// It refused something, first with this.
    Refused(String),
    /// The connection failed.
    Broken(Broken),
}

/// Where and how the connection failed.
#[derive(Clone, Copy)]
struct Broken {
    doing: Doing,
    error: PeerError,
    /// Keys the other server had said something about.
    answered: usize,
}

/// What was being done when the connection failed.
#[derive(Clone, Copy)]
enum Doing {
    Connecting,
    Writing,
    Reading,
}

fn migrate(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let options = options::parse(args)?;
    let entry = TABLE.find(b"migrate").ok_or(CommandError::Syntax)?;
    let parcels = server.pack(client, entry, &options);
    if parcels.is_empty() {
        client.writer().simple("NOKEY");
        return Ok(());
    }
    let mut gone = Vec::new();
    // A connection that was kept may have been closed by the other side meanwhile: it is tried once anew.
    let mut outcome = server.converse(client, entry, &options, &parcels, &mut gone);
    if matches!(outcome, Outcome::Broken(Broken { error: PeerError::Failed, answered: 0, .. })) {
        outcome = server.converse(client, entry, &options, &parcels, &mut gone);
    }
    if !gone.is_empty() {
        let deletion = std::iter::once(&b"DEL"[..]).chain(gone).map(<[u8]>::to_vec).collect();
        server.effects.replicate_instead(vec![deletion]);
    }
    match outcome {
        Outcome::Done => {
            client.writer().ok();
            Ok(())
        }
        Outcome::Refused(error) => {
            Err(CommandError::new(format!("ERR Target instance replied with error: {error}")))
        }
        Outcome::Broken(Broken { doing, .. }) => {
            let what = match doing {
                Doing::Connecting => "connecting to the client",
                Doing::Writing => "writing to target instance",
                Doing::Reading => "reading to target instance",
            };
            Err(CommandError::new(format!("IOERR error or timeout {what}")))
        }
    }
}

impl Server {
    /// Reads those of the keys that are there.
    fn pack<'a>(
        &mut self,
        client: &mut Client,
        entry: &'static Entry,
        options: &Options<'a>,
    ) -> Vec<Parcel<'a>> {
        let compression = self.compression();
        let mut ctx = self.context(client, entry, None);
        let mut parcels = Vec::new();
        for bytes in options.keys.iter() {
            let key = ctx.key(bytes);
            if let Some(found) = ctx.read(key) {
                let payload = rdb::dump(found.data(), compression);
                parcels.push(Parcel { key: bytes, payload, expires_at: found.expires_at() });
            }
        }
        parcels
    }

    /// Hands the parcels over; the keys that went are added to `gone`.
    fn converse<'a>(
        &mut self,
        client: &mut Client,
        entry: &'static Entry,
        options: &Options<'_>,
        parcels: &[Parcel<'a>],
        gone: &mut Vec<&'a [u8]>,
    ) -> Outcome {
        let broken = |doing, error| Outcome::Broken(Broken { doing, error, answered: 0 });
        let mut peer = match self.reach_peer(options) {
            Ok(peer) => peer,
            // Who refuses a connection is found out by writing to it, in Redis and for its clients.
            Err(PeerError::Failed) => return broken(Doing::Writing, PeerError::Failed),
            Err(error) => return broken(Doing::Connecting, error),
        };
        let select = peer.selected != Some(options.db);
        let (request, sent) = request(options, select, parcels, self.now.wall);
        for piece in request.chunks(PIECE_BYTES) {
            if let Err(error) = peer.connection.write(piece, options.timeout_ms) {
                return broken(Doing::Writing, error);
            }
        }
        let mut refusal = None;
        for _ in 0..usize::from(options.login.is_some()) + usize::from(select) {
            match peer.connection.read_line(options.timeout_ms) {
                Ok(line) => note_refusal(&mut refusal, &line),
                Err(error) => return broken(Doing::Reading, error),
            }
        }
        // Where it could not be logged in or selected, what follows is refused or goes astray.
        let astray = refusal.is_some();
        let mut broken = None;
        for (answered, key) in sent.into_iter().enumerate() {
            match peer.connection.read_line(options.timeout_ms) {
                Ok(line) => {
                    let taken = !line.starts_with(b"-") && !astray;
                    note_refusal(&mut refusal, &line);
                    if taken && options.after == AfterMove::Delete {
                        self.let_go(client, entry, key);
                        gone.push(key);
                    }
                }
                Err(error) => {
                    broken = Some(Broken { doing: Doing::Reading, error, answered });
                    break;
                }
            }
        }
        match (refusal, broken) {
            (Some(refusal), None) => {
                self.keep_peer(peer, None);
                Outcome::Refused(refusal)
            }
            (Some(refusal), Some(_)) => Outcome::Refused(refusal),
            (None, Some(broken)) => Outcome::Broken(broken),
            (None, None) => {
                self.keep_peer(peer, Some(options.db));
                Outcome::Done
            }
        }
    }

    /// Deletes a key that lives elsewhere now.
    fn let_go(&mut self, client: &mut Client, entry: &'static Entry, key: &[u8]) {
        let mut ctx = self.context(client, entry, None);
        let key = ctx.key(key);
        ctx.remove(key);
        ctx.changed(key, Class::Generic, "del");
    }
}

fn note_refusal(first: &mut Option<String>, line: &[u8]) {
    if let Some(error) = line.strip_prefix(b"-")
        && first.is_none()
    {
        *first = Some(String::from_utf8_lossy(error).into_owned());
    }
}

/// Everything that is sent, and the keys in it: one that expired meanwhile is left out.
fn request<'a>(
    options: &Options<'_>,
    select: bool,
    parcels: &[Parcel<'a>],
    now: WallMs,
) -> (Vec<u8>, Vec<&'a [u8]>) {
    let mut request = Vec::new();
    let mut keys = Vec::new();
    let mut say = |words: &[&[u8]]| {
        encode::header(&mut request, b'*', words.len());
        words.iter().for_each(|word| encode::bulk(&mut request, word));
    };
    match options.login {
        Some(Login { user: Some(user), password }) => say(&[b"AUTH", user, password]),
        Some(Login { user: None, password }) => say(&[b"AUTH", password]),
        None => {}
    }
    let mut buffer = itoa::Buffer::new();
    if select {
        say(&[b"SELECT", buffer.format(options.db).as_bytes()]);
    }
    for parcel in parcels {
        let ttl_ms = match parcel.expires_at {
            Some(at) if at < now => continue,
            Some(at) => (at.0 - now.0).max(1),
            None => 0,
        };
        let ttl_ms = buffer.format(ttl_ms).as_bytes();
        match options.existing {
            Existing::Refuse => say(&[b"RESTORE", parcel.key, ttl_ms, &parcel.payload]),
            Existing::Replace => say(&[b"RESTORE", parcel.key, ttl_ms, &parcel.payload, b"REPLACE"]),
        }
        keys.push(parcel.key);
    }
    (request, keys)
}
