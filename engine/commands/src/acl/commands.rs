//! ACL and its subcommands.

use resp::number::parse_i64;
use resp::{Args, Writer};
use sha2::{Digest, Sha256};
use types::{Command, CommandError, Flags, Meta};

use super::check::{Detail, Reason};
use super::log::Context;
use super::rules::{is_clean, merge_selectors};
use super::user::Selector;
use super::{Categories, DEFAULT, User};
use crate::admin::{container, help, plain};
use crate::client::Client;
use crate::config::Level;
use crate::server::Server;
use crate::table::AdminHandler;

/// Entries ACL LOG shows without a count.
const LOG_SHOWN: usize = 10;
/// Bits of a password by ACL GENPASS without a number.
const PASSWORD_BITS: i64 = 256;
const MOST_PASSWORD_BITS: i64 = 4096;

const ASKING: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SENTINEL);
const BASE: Meta = Meta { group: "server", since: "6.0.0", flags: Flags::ADMIN.and(ASKING), ..Meta::BASE };

const fn sub(name: &'static str, summary: &'static str, arity: i32, args: &'static str) -> Meta {
    Meta { name, summary, arity, args, ..BASE }
}

/// One that tells nothing secret.
const fn open(meta: Meta) -> Meta {
    Meta { flags: ASKING, ..meta }
}

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[container(
    Meta {
        name: "acl",
        summary: "Shows and changes who may do what.",
        complexity: "Depends on subcommand.",
        arity: -2,
        flags: Flags::SENTINEL,
        ..BASE
    },
    &[
        plain(open(sub("cat", "Lists categories, or a category's commands.", -2, "[category]")), cat),
        plain(
            sub("deluser", "Deletes users and closes their connections.", -3, "username [username ...]"),
            deluser,
        ),
        plain(
            Meta {
                since: "7.0.0",
                ..sub(
                    "dryrun",
                    "Tells whether a user could run a command.",
                    -4,
                    "username command [arg [arg ...]]",
                )
            },
            dryrun,
        ),
        plain(open(sub("genpass", "Makes up a password.", -2, "[bits:integer]")), genpass),
        plain(sub("getuser", "Describes a user.", 3, "username"), getuser),
        plain(
            Meta {
                flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
                ..sub("help", "Lists the subcommands.", 2, "")
            },
            help_,
        ),
        plain(sub("list", "Gives the users as lines of an ACL file.", 2, ""), list),
        plain(sub("load", "Reads the ACL file again.", 2, ""), load),
        plain(sub("log", "Shows what was refused of late.", -2, "[count:integer | RESET]"), log),
        plain(sub("save", "Writes the ACL file.", 2, ""), save),
        plain(sub("setuser", "Makes or changes a user.", -3, "username [rule [rule ...]]"), setuser),
        plain(sub("users", "Names the users.", 2, ""), users),
        plain(open(sub("whoami", "Names this connection's user.", 2, "")), whoami),
    ],
)];

fn error(text: impl Into<String>) -> CommandError {
    CommandError::new(text.into())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn cat(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let names: Vec<&str> = match args.get(2) {
        _ if args.len() > 3 => return Err(subcommand_syntax(args)),
        None => Categories::all_names().to_vec(),
        Some(name) => {
            let category = Categories::named(name)
                .ok_or_else(|| error(format!("ERR Unknown category '{}'", lossy(name))))?;
            let all = server.table.all().filter(|entry| entry.categories.has(category));
            all.map(|entry| entry.full_name.as_str()).collect()
        }
    };
    let mut writer = client.writer();
    writer.array(names.len());
    names.iter().for_each(|name| writer.bulk(name.as_bytes()));
    Ok(())
}

fn subcommand_syntax(args: Args<'_>) -> CommandError {
    let name = lossy(args.at(1));
    error(format!("ERR unknown subcommand or wrong number of arguments for '{name}'. Try ACL HELP."))
}

fn deluser(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let names = args.from(2);
    if names.iter().any(|name| name == DEFAULT) {
        return Err(error("ERR The 'default' user cannot be removed"));
    }
    let mut deleted = 0;
    for name in names.iter() {
        deleted += i64::from(server.remove_user(name, client));
    }
    client.writer().int(deleted);
    Ok(())
}

fn setuser(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let name = args.at(2);
    if !is_clean(name) {
        return Err(error("ERR Usernames can't contain spaces or null characters"));
    }
    let words: Vec<&[u8]> = args.from(3).iter().collect();
    let merged = merge_selectors(&words).map_err(|open| {
        error(format!("ERR Unmatched parenthesis in acl selector starting at '{}'.", lossy(&open)))
    })?;
    let rules = server.rules();
    let mut user = server.acl.user(name).map_or_else(|| rules.new_user(name), |user| User::clone(user));
    for rule in &merged {
        rules
            .apply(&mut user, rule)
            .map_err(|why| error(format!("ERR Error in ACL SETUSER modifier '{}': {why}", lossy(rule))))?;
    }
    server.put_user(user, client);
    client.writer().ok();
    Ok(())
}

fn getuser(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let Some(user) = server.acl.user(args.at(2)).cloned() else {
        client.writer().null();
        return Ok(());
    };
    let mut writer = client.writer();
    writer.map(6);
    writer.bulk(b"flags");
    let flags = user.flags();
    writer.set(flags.len());
    flags.iter().for_each(|flag| writer.bulk(flag.as_bytes()));
    writer.bulk(b"passwords");
    writer.array(user.passwords.len());
    user.passwords.iter().for_each(|hash| writer.bulk(hash.as_bytes()));
    describe_selector(&mut writer, &user.root);
    writer.bulk(b"selectors");
    writer.array(user.selectors.len());
    for selector in &user.selectors {
        writer.map(3);
        describe_selector(&mut writer, selector);
    }
    Ok(())
}

fn describe_selector(writer: &mut Writer<'_>, selector: &Selector) {
    for (name, value) in [
        ("commands", selector.commands.shown()),
        ("keys", selector.shown_keys()),
        ("channels", selector.shown_channels()),
    ] {
        writer.bulk(name.as_bytes());
        writer.bulk(value.as_bytes());
    }
}

fn list(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let lines = server.acl.lines();
    let mut writer = client.writer();
    writer.array(lines.len());
    lines.iter().for_each(|line| writer.bulk(line.as_bytes()));
    Ok(())
}

fn users(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let mut writer = client.writer();
    writer.array(server.acl.users().len());
    server.acl.users().for_each(|user| writer.bulk(&user.name));
    Ok(())
}

fn whoami(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let name = client.user_name().to_vec();
    client.writer().bulk(&name);
    Ok(())
}

fn genpass(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 3 {
        return Err(subcommand_syntax(args));
    }
    let bits = match args.get(2) {
        None => PASSWORD_BITS,
        Some(word) => parse_i64(word).ok_or(CommandError::NotAnInteger)?,
    };
    if !(1..=MOST_PASSWORD_BITS).contains(&bits) {
        return Err(error(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {MOST_PASSWORD_BITS}"
        )));
    }
    // The host's secret, stretched: the server's own random numbers are for choosing keys.
    let secret = server.host.entropy();
    let blocks = (0u32..).map(|block| Sha256::digest([secret.as_slice(), &block.to_be_bytes()].concat()));
    let digits = blocks.flatten().flat_map(|byte| [byte >> 4, byte & 15]);
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    let password: String = digits.take((bits as usize).div_ceil(4)).map(digit).collect();
    client.writer().bulk(password.as_bytes());
    Ok(())
}

fn dryrun(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let user = server.acl.user(args.at(2)).cloned();
    let user = user.ok_or_else(|| error(format!("ERR User '{}' not found", lossy(args.at(2)))))?;
    let command = args.from(3);
    let entry = server.table.resolve(command);
    let entry = entry.ok_or_else(|| error(format!("ERR Command '{}' not found", lossy(args.at(3)))))?;
    if !entry.meta.accepts(command.len()) {
        return Err(CommandError::Arity(entry.full_name.clone()));
    }
    match user.check(entry, command) {
        Ok(()) => client.writer().ok(),
        Err(denied) => client.writer().bulk(denied.text(&user, entry, Detail::Full).as_bytes()),
    }
    Ok(())
}

fn needs_file(server: &Server) -> Result<(), CommandError> {
    match server.config.settings.aclfile.is_empty() {
        false => Ok(()),
        true => Err(error(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
             SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
             order to store users in the Redis configuration.",
        )),
    }
}

fn load(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    needs_file(server)?;
    server.reload_users(client).map_err(|why| error(format!("ERR {why}")))?;
    client.writer().ok();
    Ok(())
}

fn save(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    needs_file(server)?;
    if let Err(why) = server.save_users() {
        server.log(Level::Warning, format!("Saving ACL: {why}"));
        return Err(error(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    client.writer().ok();
    Ok(())
}

fn log(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let count = match args.get(2) {
        _ if args.len() > 3 => return Err(subcommand_syntax(args)),
        None => LOG_SHOWN,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            server.acl.log.clear();
            client.writer().ok();
            return Ok(());
        }
        Some(word) => parse_i64(word).ok_or(CommandError::NotAnInteger)?.max(0) as usize,
    };
    let now_ms = server.now.wall.0;
    let mut writer = client.writer();
    let entries = server.acl.log.latest(count);
    writer.array(entries.len());
    for entry in entries {
        writer.map(10);
        writer.bulk(b"count");
        writer.int(entry.count as i64);
        let reason = match entry.reason {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Auth => "auth",
            Reason::Channel => "channel",
        };
        let context = match entry.context {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        };
        for (name, value) in [
            ("reason", reason.as_bytes()),
            ("context", context.as_bytes()),
            ("object", &entry.object),
            ("username", &entry.user),
        ] {
            writer.bulk(name.as_bytes());
            writer.bulk(value);
        }
        writer.bulk(b"age-seconds");
        writer.double((now_ms - entry.created_ms) as f64 / 1000.0);
        writer.bulk(b"client-info");
        writer.bulk(entry.client.as_bytes());
        for (name, value) in [
            ("entry-id", entry.id as i64),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ] {
            writer.bulk(name.as_bytes());
            writer.int(value);
        }
    }
    Ok(())
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "ACL",
        &[
            "CAT [<category>]",
            "    The categories, or the commands of one.",
            "DELUSER <username> [<username> ...]",
            "    Delete users and close their connections.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Whether a user could run a command, without running it.",
            "GENPASS [<bits>]",
            "    Make up a password of 256 bits, or of so many.",
            "GETUSER <username>",
            "    Describe a user.",
            "LIST",
            "    The users as lines of an ACL file.",
            "LOAD",
            "    Read the ACL file again.",
            "LOG [<count> | RESET]",
            "    What was refused of late.",
            "SAVE",
            "    Write the ACL file.",
            "SETUSER <username> <attribute> [<attribute> ...]",
            "    Make or change a user.",
            "USERS",
            "    Name the users.",
            "WHOAMI",
            "    Name this connection's user.",
        ],
    );
    Ok(())
}
