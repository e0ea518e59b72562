//! Geo commands: places as scores of sorted sets. Their declarations here, their code beside.
//!
//! - `geohash`: places as numbers, and distances; `area`: which numbers to look at for a circle or a box.
//! - `read`: members on the map; `search`: members in an area.
//!
//! Behaviour, errors and what is replicated are those of Redis 7.2.4.

mod area;
mod geohash;
mod read;
mod search;
#[cfg(test)]
mod tests;

use crate::Handler;
use crate::spec::{Begin, Command, Find, Flags, KeySpec, Meta, one_key};

const GEO: Meta = Meta { group: "geo", ..Meta::BASE };
const READ: Flags = Flags::READONLY;
const WRITE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const MEMBERS_COST: &str = "O(log(N)) for each member asked for, where N is the number of members";
const SEARCH_COST: &str =
    "O(N+log(M)) where N is the number of members in the cells around the area and M that of all members";

const READ_KEY: &[KeySpec] = &[one_key(&["RO", "access"])];

const fn key_at(index: i32, flags: &'static [&'static str]) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(index), find: Find::Range(0, 1, 0) }
}

/// The key behind a word.
const fn key_behind(word: &'static str, from: i32) -> KeySpec {
    KeySpec { flags: &["OW", "update"], begin: Begin::Keyword(word, from), find: Find::Range(0, 1, 0) }
}

const fn command(meta: Meta, run: Handler) -> Command<Handler> {
    Command { meta, run, subcommands: &[] }
}

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[
    command(
        Meta {
            name: "geoadd",
            summary: "Adds members at their longitudes and latitudes.",
            since: "3.2.0",
            complexity: MEMBERS_COST,
            arity: -5,
            flags: WRITE,
            keys: &[one_key(&["RW", "update"])],
            args: "key [NX | XX] [CH] longitude:double latitude:double member [longitude:double \
                   latitude:double member ...]",
            ..GEO
        },
        read::geoadd,
    ),
    command(
        Meta {
            name: "geopos",
            summary: "Gives the longitude and latitude of members.",
            since: "3.2.0",
            complexity: "O(N) where N is the number of members asked for",
            arity: -2,
            flags: READ,
            keys: READ_KEY,
            args: "key [member [member ...]]",
            ..GEO
        },
        read::geopos,
    ),
    command(
        Meta {
            name: "geohash",
            summary: "Gives the geohash texts of members.",
            since: "3.2.0",
            complexity: MEMBERS_COST,
            arity: -2,
            flags: READ,
            keys: READ_KEY,
            args: "key [member [member ...]]",
            ..GEO
        },
        read::geohash,
    ),
    command(
        Meta {
            name: "geodist",
            summary: "Gives the distance between two members.",
            since: "3.2.0",
            complexity: "O(log(N))",
            arity: -4,
            flags: READ,
            keys: READ_KEY,
            args: "key member1 member2 [M | KM | FT | MI]",
            ..GEO
        },
        read::geodist,
    ),
    command(
        Meta {
            name: "georadius",
            summary: "Finds the members within a distance of a place, and stores them if asked.",
            since: "3.2.0",
            complexity: SEARCH_COST,
            arity: -6,
            flags: WRITE.and(Flags::MOVABLEKEYS),
            keys: &[one_key(&["RO", "access"]), key_behind("STORE", 6), key_behind("STOREDIST", 6)],
            args: "key longitude:double latitude:double radius:double (M | KM | FT | MI) [WITHCOORD] \
                   [WITHDIST] [WITHHASH] [COUNT count:integer [ANY]] [ASC | DESC] [STORE key] \
                   [STOREDIST key]",
            deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
            ..GEO
        },
        search::georadius,
    ),
    command(
        Meta {
            name: "georadius_ro",
            summary: "Finds the members within a distance of a place.",
            since: "3.2.10",
            complexity: SEARCH_COST,
            arity: -6,
            flags: READ,
            keys: READ_KEY,
            args: "key longitude:double latitude:double radius:double (M | KM | FT | MI) [WITHCOORD] \
                   [WITHDIST] [WITHHASH] [COUNT count:integer [ANY]] [ASC | DESC]",
            deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
            ..GEO
        },
        search::georadius_ro,
    ),
    command(
        Meta {
            name: "georadiusbymember",
            summary: "Finds the members within a distance of another, and stores them if asked.",
            since: "3.2.0",
            complexity: SEARCH_COST,
            arity: -5,
            flags: WRITE.and(Flags::MOVABLEKEYS),
            keys: &[one_key(&["RO", "access"]), key_behind("STORE", 5), key_behind("STOREDIST", 5)],
            args: "key member radius:double (M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
                   [COUNT count:integer [ANY]] [ASC | DESC] [STORE key] [STOREDIST key]",
            deprecated: Some((
                "6.2.0",
                "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
            )),
            ..GEO
        },
        search::georadiusbymember,
    ),
    command(
        Meta {
            name: "georadiusbymember_ro",
            summary: "Finds the members within a distance of another.",
            since: "3.2.10",
            complexity: SEARCH_COST,
            arity: -5,
            flags: READ,
            keys: READ_KEY,
            args: "key member radius:double (M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
                   [COUNT count:integer [ANY]] [ASC | DESC]",
            deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
            ..GEO
        },
        search::georadiusbymember_ro,
    ),
    command(
        Meta {
            name: "geosearch",
            summary: "Finds the members in a circle or a box.",
            since: "6.2.0",
            complexity: SEARCH_COST,
            arity: -7,
            flags: READ,
            keys: READ_KEY,
            args: "key (FROMMEMBER member | FROMLONLAT longitude:double latitude:double) (BYRADIUS \
                   radius:double (M | KM | FT | MI) | BYBOX width:double height:double (M | KM | FT | \
                   MI)) [ASC | DESC] [COUNT count:integer [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
            ..GEO
        },
        search::geosearch,
    ),
    command(
        Meta {
            name: "geosearchstore",
            summary: "Stores the members in a circle or a box at another key.",
            since: "6.2.0",
            complexity: SEARCH_COST,
            arity: -8,
            flags: WRITE,
            keys: &[one_key(&["OW", "update"]), key_at(2, &["RO", "access"])],
            args: "destination source (FROMMEMBER member | FROMLONLAT longitude:double \
                   latitude:double) (BYRADIUS radius:double (M | KM | FT | MI) | BYBOX width:double \
                   height:double (M | KM | FT | MI)) [ASC | DESC] [COUNT count:integer [ANY]] \
                   [STOREDIST]",
            ..GEO
        },
        search::geosearchstore,
    ),
];
