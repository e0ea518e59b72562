//! A script's first line, `#!lua name=mylib flags=no-writes,allow-stale`, and the flags in it.
//!
//! The rules and the errors are Redis's; libraries of functions and scripts of EVAL read it differently.

/// What a script or function promises or asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// It writes nothing.
    pub const NO_WRITES: Flags = Flags(1);
    /// It may run when memory is used up.
    pub const ALLOW_OOM: Flags = Flags(2);
    /// It may run on a replica without its master.
    pub const ALLOW_STALE: Flags = Flags(4);
    /// It must not run in a cluster.
    pub const NO_CLUSTER: Flags = Flags(8);
    /// Its keys may be of several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: Flags = Flags(16);
    /// It has no shebang: nothing is promised, and each command is judged by itself.
    pub const COMPATIBLE: Flags = Flags(32);

    /// The flags a script can name.
    pub const NAMES: &'static [(Flags, &'static str)] = &[
        (Flags::NO_WRITES, "no-writes"),
        (Flags::ALLOW_OOM, "allow-oom"),
        (Flags::ALLOW_STALE, "allow-stale"),
        (Flags::NO_CLUSTER, "no-cluster"),
        (Flags::ALLOW_CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
    ];

    /// The flag of this name.
    pub fn named(name: &[u8]) -> Option<Flags> {
        Self::NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(flag, _)| *flag)
    }

    /// Both sets.
    pub fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| *name)
    }
}

/// The first line of a library of functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shebang {
    /// The engine's name.
    pub engine: String,
    /// The library's name.
    pub name: String,
    /// Length of the line, its newline not counted: the code begins there, so that line numbers are right.
    pub length: usize,
}

impl Shebang {
    /// Reads a library's first line; the error is the whole reply.
    pub fn of_library(code: &[u8]) -> Result<Self, String> {
        if !code.starts_with(b"#!") {
            return Err("ERR Missing library metadata".into());
        }
        let Some(length) = code.iter().position(|byte| *byte == b'\n') else {
            return Err("ERR Invalid library metadata".into());
        };
        let Ok(words) = resp::split::split_words(&code[..length]) else {
            return Err("ERR Invalid library metadata".into());
        };
        let mut words = words.into_iter();
        let engine = words.next().unwrap_or_default();
        let engine = String::from_utf8_lossy(engine.get(2..).unwrap_or_default()).into_owned();
        let mut name: Option<Vec<u8>> = None;
        for word in words {
            let Some(value) = strip_prefix_any_case(&word, b"name=") else {
                return Err(format!("ERR Invalid metadata value given: {}", String::from_utf8_lossy(&word)));
            };
            if name.replace(value.to_vec()).is_some() {
                return Err("ERR Invalid metadata value, name argument was given multiple times".into());
            }
        }
        let Some(name) = name else { return Err("ERR Library name was not given".into()) };
        if !is_valid_name(&name) {
            return Err(format!("ERR {INVALID_NAME}"));
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        Ok(Self { engine, name, length })
    }
}

/// Reads the first line of a script of EVAL: its flags, and the length of the line; the error is the whole
/// reply.
pub fn of_script(body: &[u8]) -> Result<(Flags, usize), String> {
    if !body.starts_with(b"#!") {
        return Ok((Flags::COMPATIBLE, 0));
    }
    let Some(length) = body.iter().position(|byte| *byte == b'\n') else {
        return Err("ERR Invalid script shebang".into());
    };
    let line = &body[..length];
    let Ok(words) = resp::split::split_words(line) else {
        return Err("ERR Invalid engine in script shebang: missing engine".into());
    };
    let mut words = words.into_iter();
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(format!("ERR Unexpected engine in script shebang: {}", String::from_utf8_lossy(&engine)));
    }
    let mut flags = Flags::default();
    for word in words {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(format!("ERR Unknown lua shebang option: {}", String::from_utf8_lossy(&word)));
        };
        if list.is_empty() {
            continue;
        }
        for name in list.split(|byte| *byte == b',') {
            match Flags::named(name) {
                Some(flag) => flags = flags.and(flag),
                None => {
                    return Err(format!(
                        "ERR Unexpected flag in script shebang: {}",
                        String::from_utf8_lossy(name)
                    ));
                }
            }
        }
    }
    Ok((flags, length))
}

/// What is said of a library's or function's name that will not do.
pub(crate) const INVALID_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or function may be called so.
pub(crate) fn is_valid_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn strip_prefix_any_case<'a>(word: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = word.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_script() {
        assert_eq!(of_script(b"return 1"), Ok((Flags::COMPATIBLE, 0)));
        assert_eq!(of_script(b"#!lua\nreturn 1"), Ok((Flags::default(), 5)));
        let (flags, _) = of_script(b"#!lua flags=no-writes,allow-stale\n").unwrap();
        assert_eq!(flags.names().collect::<Vec<_>>(), ["no-writes", "allow-stale"]);
        assert_eq!(of_script(b"#!lua flags=x\n").unwrap_err(), "ERR Unexpected flag in script shebang: x");
        assert_eq!(of_script(b"#!lua").unwrap_err(), "ERR Invalid script shebang");
    }

    #[test]
    fn a_librarys_name() {
        let shebang = Shebang::of_library(b"#!lua name=lib\ncode").unwrap();
        assert_eq!((shebang.engine.as_str(), shebang.name.as_str(), shebang.length), ("lua", "lib", 14));
        assert_eq!(Shebang::of_library(b"#!lua\n").unwrap_err(), "ERR Library name was not given");
        assert_eq!(Shebang::of_library(b"x").unwrap_err(), "ERR Missing library metadata");
        assert_eq!(Shebang::of_library(b"#!lua a=1\n").unwrap_err(), "ERR Invalid metadata value given: a=1");
    }
}
