//! Random DUMP and RESTORE of values whose bytes do not depend on a table's order.

use super::{Random, compare};

/// Name, payload of an older form or `-`, payload.
const VALUES: &str = include_str!("../../../engine/persist/tests/fixtures/every.dumps");
const TABLES: &[&str] = &["set:words", "set:large", "hash:large", "hash:longvalue", "old:hash:zipmap"];

const DUMPS: &[&str] = &[
    "RESTORE $K 0 $YD",
    "RESTORE $K 0 $YD",
    "RESTORE $K 0 $YD REPLACE",
    "RESTORE $K 0 $YD REPLACE",
    "RESTORE $K $M $YD ABSTTL",
    "RESTORE $K $M $YD ABSTTL REPLACE",
    "RESTORE $K 1 $YD REPLACE ABSTTL",
    "RESTORE $K 1 $YD ABSTTL",
    "RESTORE $K 0 $YD IDLETIME $R",
    "RESTORE $K 0 $YD REPLACE FREQ $R",
    "RESTORE $K 0 $YD $YO $R",
    "RESTORE $K $I $V REPLACE",
    "RESTORE $K 0 $V",
    "DUMP $K",
    "DUMP $K",
    "DUMP $K",
    "TYPE $K",
    "APPEND $K $V",
    "RENAME $K $K",
    "COPY $K $K REPLACE",
    "PEXPIRETIME $K",
    "DEL $K",
];

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// What stands for words of this family.
pub(super) fn fill(word: &str, random: &mut Random) -> Option<Vec<u8>> {
    match word {
        "$YD" => {
            let fits = |line: &&str| {
                let name = line.split(' ').next().unwrap_or_default();
                line.len() < 8000 && !TABLES.contains(&name)
            };
            let lines: Vec<&str> = VALUES.lines().filter(fits).collect();
            let words: Vec<&str> = random.pick(&lines).rsplitn(3, ' ').collect();
            Some(bytes(if words[1] == "-" { words[0] } else { words[1] }))
        }
        "$YO" => Some(random.pick(&["IDLETIME", "FREQ", "idletime", "FOO", "ABSTTL"]).into()),
        _ => None,
    }
}

#[test]
fn dumps_are_alike() {
    compare(DUMPS);
}
