//! List commands: their declarations here, their code in a file for each kind of work.
//!
//! - `push` and `pop`: at the ends, also waiting for what to take; `transfer`: from one list to another.
//! - `read`: LLEN, LINDEX, LRANGE, LPOS; `edit`: changes elsewhere.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4. A command that has to wait only says
//! for what: who waits, and runs again when, is the dispatcher's business.

mod edit;
mod pop;
mod push;
mod read;
#[cfg(test)]
mod tests;
mod transfer;

use keyspace::values::End;

use crate::Handler;
use crate::arguments::is_word;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, one_key};

const LIST: Meta = Meta { group: "list", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const PUSH: Flags = WRITE.and(Flags::FAST);
const POP: Flags = Flags::WRITE.and(Flags::FAST);
const WAITING: Flags = Flags::WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING);
const PUSH_COST: &str = "O(1) for each element";
const POP_COST: &str = "O(N) where N is the number of elements taken";
const KEYS_COST: &str = "O(N) where N is the number of keys";
const SEVERAL_COST: &str = "O(N+M) where N is the number of keys and M the number of elements taken";
const WALK_COST: &str = "O(N) where N is the number of elements on the way from the nearer end";

const SOURCE: KeySpec = one_key(&["RW", "access", "delete"]);
const TARGET: KeySpec =
    KeySpec { flags: &["RW", "insert"], begin: Begin::Index(2), find: Find::Range(0, 1, 0) };
/// All arguments but the last, the timeout.
const WAITED_FOR: KeySpec =
    KeySpec { flags: &["RW", "access", "delete"], begin: Begin::Index(1), find: Find::Range(-2, 1, 0) };

/// Keys behind their number at argument `index`.
const fn counted_keys(index: i32) -> KeySpec {
    KeySpec { flags: &["RW", "access", "delete"], begin: Begin::Index(index), find: Find::Count(0, 1, 1) }
}

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The end called LEFT or RIGHT.
fn end_named(word: &[u8]) -> Option<End> {
    [("LEFT", End::Front), ("RIGHT", End::Back)]
        .into_iter()
        .find_map(|(name, end)| is_word(word, name).then_some(end))
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "lpush",
            summary: "Adds elements to the front of a list, which is created if need be.",
            complexity: PUSH_COST,
            arity: -3,
            flags: PUSH,
            keys: &[one_key(&["RW", "insert"])],
            args: "key element [element ...]",
            ..LIST
        },
        push::lpush,
    ),
    command(
        Meta {
            name: "rpush",
            summary: "Adds elements to the back of a list, which is created if need be.",
            complexity: PUSH_COST,
            arity: -3,
            flags: PUSH,
            keys: &[one_key(&["RW", "insert"])],
            args: "key element [element ...]",
            ..LIST
        },
        push::rpush,
    ),
    command(
        Meta {
            name: "lpushx",
            summary: "Adds elements to the front of a list that exists.",
            since: "2.2.0",
            complexity: PUSH_COST,
            arity: -3,
            flags: PUSH,
            keys: &[one_key(&["RW", "insert"])],
            args: "key element [element ...]",
            ..LIST
        },
        push::lpushx,
    ),
    command(
        Meta {
            name: "rpushx",
            summary: "Adds elements to the back of a list that exists.",
            since: "2.2.0",
            complexity: PUSH_COST,
            arity: -3,
            flags: PUSH,
            keys: &[one_key(&["RW", "insert"])],
            args: "key element [element ...]",
            ..LIST
        },
        push::rpushx,
    ),
    command(
        Meta {
            name: "lpop",
            summary: "Takes elements from the front of a list.",
            complexity: POP_COST,
            arity: -2,
            flags: POP,
            keys: &[one_key(&["RW", "access", "delete"])],
            args: "key [count:integer]",
            ..LIST
        },
        pop::lpop,
    ),
    command(
        Meta {
            name: "rpop",
            summary: "Takes elements from the back of a list.",
            complexity: POP_COST,
            arity: -2,
            flags: POP,
            keys: &[one_key(&["RW", "access", "delete"])],
            args: "key [count:integer]",
            ..LIST
        },
        pop::rpop,
    ),
    command(
        Meta {
            name: "llen",
            summary: "Gives the length of a list.",
            arity: 2,
            flags: READ_FAST,
            keys: &[one_key(&["RO"])],
            args: "key",
            ..LIST
        },
        read::llen,
    ),
    command(
        Meta {
            name: "lindex",
            summary: "Gives the element at a place in a list.",
            complexity: WALK_COST,
            arity: 3,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key index:integer",
            ..LIST
        },
        read::lindex,
    ),
    command(
        Meta {
            name: "lset",
            summary: "Replaces the element at a place in a list.",
            complexity: WALK_COST,
            arity: 4,
            flags: WRITE,
            keys: &[one_key(&["RW", "update"])],
            args: "key index:integer element",
            ..LIST
        },
        edit::lset,
    ),
    command(
        Meta {
            name: "linsert",
            summary: "Adds an element before or after another one of a list.",
            since: "2.2.0",
            complexity: WALK_COST,
            arity: 5,
            flags: WRITE,
            keys: &[one_key(&["RW", "insert"])],
            args: "key (BEFORE | AFTER) pivot element",
            ..LIST
        },
        edit::linsert,
    ),
    command(
        Meta {
            name: "lrange",
            summary: "Gives a part of a list.",
            complexity: "O(S+N) where S is the way from the nearer end to the part and N its length",
            arity: 4,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key start:integer stop:integer",
            ..LIST
        },
        read::lrange,
    ),
    command(
        Meta {
            name: "ltrim",
            summary: "Cuts a list down to a part of it.",
            complexity: "O(N) where N is the number of elements that go",
            arity: 4,
            flags: Flags::WRITE,
            keys: &[one_key(&["RW", "delete"])],
            args: "key start:integer stop:integer",
            ..LIST
        },
        edit::ltrim,
    ),
    command(
        Meta {
            name: "lrem",
            summary: "Removes elements that are equal to one.",
            complexity: "O(N+M) where N is the length of the list and M the number of elements that go",
            arity: 4,
            flags: Flags::WRITE,
            keys: &[one_key(&["RW", "delete"])],
            args: "key count:integer element",
            ..LIST
        },
        edit::lrem,
    ),
    command(
        Meta {
            name: "lpos",
            summary: "Gives the places of elements that are equal to one.",
            since: "6.0.6",
            complexity: "O(N) where N is the number of elements looked at",
            arity: -3,
            flags: READ,
            keys: &[one_key(&["RO", "access"])],
            args: "key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
            ..LIST
        },
        read::lpos,
    ),
    command(
        Meta {
            name: "lmove",
            summary: "Takes an element from an end of a list and adds it to an end of another.",
            since: "6.2.0",
            arity: 5,
            flags: WRITE,
            keys: &[SOURCE, TARGET],
            args: "source destination (LEFT | RIGHT) (LEFT | RIGHT)",
            ..LIST
        },
        transfer::lmove,
    ),
    command(
        Meta {
            name: "rpoplpush",
            summary: "Takes an element from the back of a list and adds it to the front of another.",
            since: "1.2.0",
            arity: 3,
            flags: WRITE,
            keys: &[SOURCE, TARGET],
            args: "source destination",
            deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
            ..LIST
        },
        transfer::rpoplpush,
    ),
    command(
        Meta {
            name: "lmpop",
            summary: "Takes elements from the first of several lists that is there.",
            since: "7.0.0",
            complexity: SEVERAL_COST,
            arity: -4,
            flags: Flags::WRITE.and(Flags::MOVABLEKEYS),
            keys: &[counted_keys(1)],
            args: "numkeys:integer key [key ...] (LEFT | RIGHT) [COUNT count:integer]",
            ..LIST
        },
        pop::lmpop,
    ),
    command(
        Meta {
            name: "blpop",
            summary: "Takes an element from the front of the first of several lists that is there, or waits for one.",
            since: "2.0.0",
            complexity: KEYS_COST,
            arity: -3,
            flags: WAITING,
            keys: &[WAITED_FOR],
            args: "key [key ...] timeout:double",
            ..LIST
        },
        pop::blpop,
    ),
    command(
        Meta {
            name: "brpop",
            summary: "Takes an element from the back of the first of several lists that is there, or waits for one.",
            since: "2.0.0",
            complexity: KEYS_COST,
            arity: -3,
            flags: WAITING,
            keys: &[WAITED_FOR],
            args: "key [key ...] timeout:double",
            ..LIST
        },
        pop::brpop,
    ),
    command(
        Meta {
            name: "blmove",
            summary: "Does as LMOVE does, or waits for an element.",
            since: "6.2.0",
            arity: 6,
            flags: WAITING.and(Flags::DENYOOM),
            keys: &[SOURCE, TARGET],
            args: "source destination (LEFT | RIGHT) (LEFT | RIGHT) timeout:double",
            ..LIST
        },
        transfer::blmove,
    ),
    command(
        Meta {
            name: "brpoplpush",
            summary: "Does as RPOPLPUSH does, or waits for an element.",
            since: "2.2.0",
            arity: 4,
            flags: WAITING.and(Flags::DENYOOM),
            keys: &[SOURCE, TARGET],
            args: "source destination timeout:double",
            deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
            ..LIST
        },
        transfer::brpoplpush,
    ),
    command(
        Meta {
            name: "blmpop",
            summary: "Does as LMPOP does, or waits for elements.",
            since: "7.0.0",
            complexity: SEVERAL_COST,
            arity: -5,
            flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
            keys: &[counted_keys(2)],
            args: "timeout:double numkeys:integer key [key ...] (LEFT | RIGHT) [COUNT count:integer]",
            ..LIST
        },
        pop::blmpop,
    ),
];
