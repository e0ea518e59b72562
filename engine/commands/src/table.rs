//! The command table: every declared command by name.

use std::borrow::Cow;
use std::sync::LazyLock;

use resp::Args;
use types::{Command, CommandError, Flags, Meta};

use crate::acl::Categories;
use crate::client::Client;
use crate::sentinel_mode;
use crate::server::Server;

/// Arguments that a fast command sees to in no time.
const FEW_ARGUMENTS: usize = 8;

/// The code of a command that needs more than the data.
pub(crate) type AdminHandler = fn(&mut Server, &mut Client, Args<'_>) -> Result<(), CommandError>;

/// A command's code.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    Data(types::Handler),
    Admin(AdminHandler),
}

/// A command in the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) meta: &'static Meta,
    /// What clients call it: its own name but for `rename-command`.
    pub(crate) name: Cow<'static, str>,
    pub(crate) run: Run,
    pub(crate) subcommands: Vec<Entry>,
    /// `config|get` for a subcommand, else the name.
    pub(crate) full_name: String,
    /// Argument index of the first key, 0 for none: for looking ahead.
    pub(crate) first_key: usize,
    /// Number in [`Table::entries`] order, subcommands included: for statistics and access control.
    pub(crate) number: usize,
    /// With at most so many arguments it costs little whatever the data; 0 when that cannot be said.
    pub(crate) quick_up_to: usize,
    /// ACL categories.
    pub(crate) categories: Categories,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    /// Open addressing over a power of two: indexes into `entries`, plus one.
    slots: Vec<u16>,
}

/// Declarations do not change: one table serves every server of the process.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(Table::of_servers);
/// What exists in a sentinel instead.
pub(crate) static SENTINEL_TABLE: LazyLock<Table> = LazyLock::new(Table::of_sentinels);

impl Table {
    fn of_servers() -> Self {
        let mut count = 0;
        let mut entries: Vec<Entry> =
            types::commands().map(|command| entry(command, Run::Data, None, &mut count)).collect();
        entries.extend(crate::admin::commands().map(|command| entry(command, Run::Admin, None, &mut count)));
        Self::index(entries)
    }

    /// The table of a server whose configuration gives commands other names, or none. Made once for a
    /// process, it stays.
    pub(crate) fn renamed(renames: &[(String, String)]) -> &'static Self {
        let Self { mut entries, .. } = Self::of_servers();
        for (original, name) in renames {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.meta.name == original) {
                entry.name = Cow::Owned(name.clone());
            }
        }
        Box::leak(Box::new(Self::index(entries)))
    }

    fn of_sentinels() -> Self {
        let mut count = 0;
        let shared = crate::admin::commands().filter(|command| command.meta.flags.has(Flags::SENTINEL));
        let entries = shared.chain(sentinel_mode::COMMANDS).map(|command| {
            let mut entry = entry(command, Run::Admin, None, &mut count);
            if let Some(handler) = sentinel_mode::instead(command.meta.name) {
                entry.run = Run::Admin(handler);
            }
            entry
        });
        Self::index(entries.collect())
    }

    fn index(entries: Vec<Entry>) -> Self {
        let mut slots = vec![0u16; (entries.len() * 4).next_power_of_two()];
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.name.is_empty()) {
            let mut at = hash(entry.name.as_bytes()) as usize & (slots.len() - 1);
            while slots[at] != 0 {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = index as u16 + 1;
        }
        Self { entries, slots }
    }

    /// The command called `name`, in any case.
    pub(crate) fn find(&'static self, name: &[u8]) -> Option<&'static Entry> {
        let mut at = hash(name) as usize & (self.slots.len() - 1);
        loop {
            let index = self.slots[at].checked_sub(1)?;
            let entry = &self.entries[index as usize];
            if entry.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(entry);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// A command or `container|subcommand` by name, in any case.
    pub(crate) fn find_full(&'static self, name: &[u8]) -> Option<&'static Entry> {
        match name.iter().position(|byte| *byte == b'|') {
            Some(at) => self.find(&name[..at])?.subcommand(&name[at + 1..]),
            None => self.find(name),
        }
    }

    /// The command or subcommand that `args` begin with; a container itself without a subcommand of its own.
    pub(crate) fn resolve(&'static self, args: Args<'_>) -> Option<&'static Entry> {
        let entry = self.find(args.get(0)?)?;
        match args.get(1) {
            Some(name) if !entry.subcommands.is_empty() => entry.subcommand(name),
            _ => Some(entry),
        }
    }

    /// Every command and subcommand.
    pub(crate) fn all(&'static self) -> impl Iterator<Item = &'static Entry> {
        self.entries.iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands))
    }

    /// Every command, in order of declaration.
    pub(crate) fn entries(&'static self) -> &'static [Entry] {
        &self.entries
    }
}

impl Entry {
    /// Whether the command has all of `flags`.
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.meta.flags.has(flags)
    }

    /// The subcommand called `name`, in any case.
    pub(crate) fn subcommand(&'static self, name: &[u8]) -> Option<&'static Entry> {
        self.subcommands.iter().find(|sub| sub.meta.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

fn entry<H: Copy>(
    command: &'static Command<H>,
    run: fn(H) -> Run,
    parent: Option<&str>,
    count: &mut usize,
) -> Entry {
    let number = *count;
    *count += 1;
    let name = command.meta.name;
    let run_ = run(command.run);
    Entry {
        meta: &command.meta,
        name: Cow::Borrowed(name),
        quick_up_to: if matches!(run_, Run::Data(_)) { quick_up_to(&command.meta) } else { 0 },
        run: run_,
        subcommands: command.subcommands.iter().map(|sub| entry(sub, run, Some(name), count)).collect(),
        full_name: parent.map_or_else(|| name.to_string(), |parent| format!("{parent}|{name}")),
        first_key: command.meta.first_key_index().unwrap_or(0),
        number,
        categories: Categories::of(&command.meta),
    }
}

/// Arguments with which a command is quick whatever the data: its cost is constant, or it is a fast one, whose
/// cost grows with what is given, or with a count where it takes one.
fn quick_up_to(meta: &Meta) -> usize {
    match meta.complexity == "O(1)" {
        true => usize::MAX,
        false if !meta.flags.has(Flags::FAST) => 0,
        false if meta.args.contains("[count") => meta.arity.unsigned_abs() as usize,
        false => FEW_ARGUMENTS,
    }
}

/// A hash of a name that does not depend on the case of its letters.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte | 0x20)).wrapping_mul(0x0100_0193))
        >> 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name_alone() {
        for table in [&*TABLE, &*SENTINEL_TABLE] {
            for entry in table.entries() {
                let upper = entry.meta.name.to_uppercase();
                let found = table.find(upper.as_bytes()).map(|found| found.number);
                assert_eq!(found, Some(entry.number), "{upper}");
            }
            assert!(table.find(b"nosuchcommand").is_none());
            assert!(table.find(b"").is_none());
        }
    }

    #[test]
    fn a_sentinel_knows_other_commands_than_a_server() {
        let names = SENTINEL_TABLE.entries().iter().map(|entry| entry.meta.name);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        assert_eq!(
            names.join(" "),
            "acl auth client command hello info ping psubscribe publish punsubscribe role sentinel \
             shutdown subscribe unsubscribe"
        );
        assert!(TABLE.find(b"sentinel").is_none());
    }
    #[test]
    fn what_is_timed_with_its_neighbours_is_quick_whatever_the_data() {
        let check = |name: &str, expected: usize| {
            assert_eq!(TABLE.find(name.as_bytes()).unwrap().quick_up_to, expected, "{name}");
        };
        check("get", usize::MAX);
        check("lpush", FEW_ARGUMENTS);
        check("lpop", 2);
        check("zrange", 0);
        check("flushall", 0);
        check("eval", 0);
    }
}
