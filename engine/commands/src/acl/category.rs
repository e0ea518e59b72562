//! Command categories, as ACL CAT lists them.
//!
//! A command's categories are those it declares, those of its group, and those that follow from its flags.

use types::{Flags, Meta};

/// Names in the order ACL CAT gives them; a category's bit is its place here.
const NAMES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// A set of categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Categories(u32);

impl Categories {
    /// The category called `name`, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let at = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some(Self(1 << at))
    }

    /// The names of all categories there are.
    pub(crate) fn all_names() -> &'static [&'static str] {
        &NAMES
    }

    /// The names of these.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, name)| *name)
    }

    /// Whether all of `other` are among these.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The categories of a command.
    pub(crate) fn of(meta: &Meta) -> Self {
        let mut found = Self::default();
        let mut add = |name: &str| match Self::named(name.as_bytes()) {
            Some(category) => found.0 |= category.0,
            None => panic!("{} declares the category '{name}', which does not exist", meta.name),
        };
        meta.acl.iter().for_each(|name| add(name));
        match meta.group {
            // A container, which has no flags either.
            "stream" if meta.flags == Flags::NONE => {}
            "string" | "list" | "set" | "hash" | "bitmap" | "hyperloglog" | "geo" | "stream" => {
                add(meta.group)
            }
            "sorted-set" => add("sortedset"),
            // SORT is of the types that it sorts.
            "generic" if !meta.keys.is_empty() && !meta.acl.contains(&"list") => add("keyspace"),
            _ => {}
        }
        let scripting = meta.acl.contains(&"scripting");
        for (flag, names) in [
            (Flags::WRITE, ["write"].as_slice()),
            (Flags::READONLY, if scripting { &[] } else { &["read"] }),
            (Flags::ADMIN, &["admin", "dangerous"]),
            (Flags::PUBSUB, &["pubsub"]),
            (Flags::FAST, &["fast"]),
            (Flags::BLOCKING, &["blocking"]),
        ] {
            if meta.flags.has(flag) {
                names.iter().for_each(|name| add(name));
            }
        }
        if !meta.flags.has(Flags::FAST) {
            add("slow");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_follow_from_flags_group_and_declaration() {
        let of = |name: &str| {
            let entry = crate::table::TABLE.find_full(name.as_bytes()).expect("a command");
            entry.categories.names().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("get"), "read string fast");
        assert_eq!(of("config|get"), "admin slow dangerous");
        assert_eq!(of("watch"), "fast transaction");
        assert_eq!(of("publish"), "pubsub fast");
        assert!(Categories::named(b"KeySpace").is_some());
        assert!(Categories::named(b"nosuch").is_none());
    }
}
