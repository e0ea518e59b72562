//! Programs of other servers: whether they are there, and whether they know a directive; nothing is started.
//!
//! A server has the names of its directives in it as texts that end with a zero byte, and its table of directives
//! points at them. So its file tells what it knows, of whatever version it is. Linkers keep a text that is the
//! end of another one only once; then the pointer alone tells whether the shorter one is a name too.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use memchr::memmem::{self, Finder};

/// Directives that servers of some versions read without a table.
const WITHOUT_TABLE: &[&str] = &[
    "bind",
    "client-output-buffer-limit",
    "dir",
    "include",
    "loadmodule",
    "notify-keyspace-events",
    "oom-score-adj-values",
    "rename-command",
    "replicaof",
    "save",
    "slaveof",
    "user",
];

/// What every server of the family knows; a program without them is a wrapper, or something else.
const FAMILY: [&str; 3] = ["maxmemory-policy", "dbfilename", "masterauth"];

/// Where a command named without a folder is found.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| {
        let mode = std::fs::metadata(file).map_or(0, |data| data.permissions().mode());
        file.is_file() && mode & 0o111 != 0
    })
}

/// How a server's program is had that is not there.
pub(crate) fn how_to_install(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    match name.as_ref() {
        "redis-server" | "redis-sentinel" | "valkey-server" | "valkey-sentinel" => {
            format!(
                "install it (Debian: apt-get install {name}), or name another server in the option `engine`"
            )
        }
        _ => "name a server by its path in the option `engine`, or install one (Debian: apt-get install redis-server)"
            .to_owned(),
    }
}

/// The file of a server.
pub(crate) struct Program {
    bytes: Vec<u8>,
    segments: Vec<Segment>,
}

/// A part of the file that is loaded into memory.
struct Segment {
    offset: u64,
    address: u64,
    length: u64,
}

impl Program {
    /// Reads a server's program. None when it is not there, or no program that could tell.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let found = if path.components().count() == 1 { on_path(path.to_str()?)? } else { path.to_owned() };
        Self::of(std::fs::read(found).ok()?)
    }

    fn of(bytes: Vec<u8>) -> Option<Self> {
        let segments = segments(&bytes)?;
        let program = Self { bytes, segments };
        FAMILY.iter().all(|name| program.has(name)).then_some(program)
    }

    /// Whether the server knows a directive; those of modules are taken for known.
    pub(crate) fn knows(&self, directive: &str) -> bool {
        // Of sentinels' directives the second word is the name.
        let name = directive.strip_prefix("sentinel ").unwrap_or(directive);
        name.contains(['.', ' ']) || self.has(name)
    }

    fn has(&self, name: &str) -> bool {
        let text = [name.as_bytes(), b"\0"].concat();
        let of_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let mut seen = false;
        for at in memmem::find_iter(&self.bytes, &text) {
            let whole = !at.checked_sub(1).and_then(|before| self.bytes.get(before)).is_some_and(of_a_name);
            if whole || self.points_at(at) {
                return true;
            }
            seen = true;
        }
        seen && WITHOUT_TABLE.contains(&name)
    }

    /// Whether something in the file is the address that this place of it is loaded to.
    fn points_at(&self, at: usize) -> bool {
        let at = at as u64;
        let holds = |segment: &&Segment| (segment.offset..segment.offset + segment.length).contains(&at);
        let Some(segment) = self.segments.iter().find(holds) else { return false };
        let address = at - segment.offset + segment.address;
        Finder::new(&address.to_le_bytes()).find(&self.bytes).is_some()
    }
}

/// The loaded segments of an ELF file of 64 bits, low byte first; none for any other file.
fn segments(bytes: &[u8]) -> Option<Vec<Segment>> {
    const LOADED: u64 = 1;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let mut found = Vec::new();
    for index in 0..count {
        let at = usize::try_from(table.checked_add(index * size)?).ok()?;
        let field = |offset: usize| number(at.checked_add(offset)?, 8);
        if number(at, 4)? == LOADED {
            let (offset, address, length) = (field(8)?, field(16)?, field(32)?);
            offset.checked_add(length)?;
            address.checked_add(length)?;
            found.push(Segment { offset, address, length });
        }
    }
    Some(found)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file that looks like a server's: names, of which `tails` are the ends of others and pointed at.
    pub(crate) fn server(names: &[&str], tails: &[&str]) -> Vec<u8> {
        const ADDRESS: u64 = 0x40_0000;
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64, 0);
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes.resize(64 + 56, 0);
        bytes[64] = 1;
        bytes[64 + 16..64 + 24].copy_from_slice(&ADDRESS.to_le_bytes());
        for name in FAMILY.iter().chain(names) {
            bytes.extend(name.as_bytes());
            bytes.push(0);
        }
        for tail in tails {
            let at = memmem::find(&bytes, &[tail.as_bytes(), b"\0"].concat()).expect("the end of a name");
            bytes.extend((ADDRESS + at as u64).to_le_bytes());
        }
        let length = bytes.len() as u64;
        bytes[64 + 32..64 + 40].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    #[test]
    fn a_server_s_file_tells_which_directives_it_knows() {
        let names = ["zset-max-listpack-entries", "masteruser", "replica-priority"];
        let older = Program::of(server(&names, &[])).expect("a server");
        let newer = Program::of(server(&names, &["set-max-listpack-entries"])).expect("a server");
        for known in ["zset-max-listpack-entries", "masterauth", "user", "module.setting"] {
            assert!(older.knows(known), "{known}");
        }
        for unknown in ["locale-collate", "set-max-listpack-entries", "priority", "sentinel monitor"] {
            assert!(!older.knows(unknown), "{unknown}");
        }
        assert!(newer.knows("set-max-listpack-entries") && !newer.knows("priority"));
        assert!(newer.knows("sentinel replica-priority"));
    }

    #[test]
    fn what_is_no_server_s_file_tells_nothing() {
        let whole = server(&[], &[]);
        assert!(Program::of(whole.clone()).is_some());
        assert!(Program::of(b"#!/bin/sh\nexec redis-server\n".to_vec()).is_none());
        assert!(Program::of(whole[..100].to_vec()).is_none());
        assert!(Program::of(whole[..whole.len() - 2].to_vec()).is_none());
        assert!(Program::read(Path::new("no-such-program-anywhere")).is_none());
        let mut wild = whole;
        wild[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Program::of(wild).is_none());
    }
}
