//! Random commands on bitmaps and bitfields.

use super::{Random, compare};

const OFFSETS: &[&str] =
    &["0", "1", "7", "8", "9", "31", "63", "64", "100", "-1", "x", "4294967296", "#1", ""];
const FORMATS: &[&str] = &[
    "u1", "u2", "u7", "u8", "u9", "u31", "u63", "i1", "i2", "i5", "i8", "i16", "i33", "i63", "i64", "u64",
    "i65", "u0", "x8", "8", "i",
];
const FIELD_VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "100",
    "-100",
    "255",
    "-129",
    "65536",
    "4294967295",
    "9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775807",
    "9223372036854775808",
    "x",
];
const OVERFLOWS: &[&str] = &["WRAP", "SAT", "FAIL", "sat", "foo"];
const UNITS: &[&str] = &["BYTE", "BIT", "bit", "BITS"];

const BITS: &[&str] = &[
    "SETBIT $K $BO $BB",
    "SETBIT $K $BR 1",
    "SETBIT $K $BR 1",
    "SETBIT $K $BR 0",
    "GETBIT $K $BO",
    "GETBIT $K $BR",
    "BITCOUNT $K",
    "BITCOUNT $K $I $I",
    "BITCOUNT $K $BI $BI $BU",
    "BITCOUNT $K $BI $BI BIT",
    "BITPOS $K $BB",
    "BITPOS $K $BB $BI",
    "BITPOS $K $BB $BI $BI",
    "BITPOS $K $BB $BI $BI $BU",
    "BITPOS $K $BB $BI $BI BIT",
    "BITPOS $K $BB $I $I",
    "BITOP AND $K $K $K",
    "BITOP OR $K $K $K $K",
    "BITOP XOR $K $K $K",
    "BITOP NOT $K $K",
    "BITOP NOT $K $K $K",
    "BITOP NAND $K $K",
    "BITFIELD $K GET $BF $BR",
    "BITFIELD $K GET $BF $BO",
    "BITFIELD $K SET $BF $BR $BV",
    "BITFIELD $K SET $BF $BR $BV GET $BF $BR",
    "BITFIELD $K INCRBY $BF $BR $BV",
    "BITFIELD $K OVERFLOW $BW INCRBY $BF $BR $BV INCRBY $BF $BR $BV",
    "BITFIELD $K OVERFLOW $BW SET $BF $BR $BV OVERFLOW $BW INCRBY $BF $BR $BV",
    "BITFIELD $K OVERFLOW $BW SET $BF #$R $BV GET $BF #$R",
    "BITFIELD_RO $K GET $BF $BR GET $BF $BR",
    "BITFIELD_RO $K SET $BF $BR $BV",
    "SET $K $V",
    "SET $K $V PXAT $M",
    "APPEND $K $V",
    "GET $K",
    "STRLEN $K",
    "DUMP $K",
    "OBJECT ENCODING $K",
    "DEL $K",
    "HSET h f v",
    "RENAME h $K",
];

/// What stands for words of this family.
pub(super) fn fill(word: &str, random: &mut Random) -> Option<Vec<u8>> {
    let pool = match word {
        "$BO" => OFFSETS,
        "$BF" => FORMATS,
        "$BV" => FIELD_VALUES,
        "$BW" => OVERFLOWS,
        "$BU" => UNITS,
        "$BB" => &["0", "1", "1", "0", "2", "x"],
        "$BR" => return Some(random.below(400).to_string().into_bytes()),
        "$BI" => return Some((random.below(200) as i64 - 100).to_string().into_bytes()),
        "#$R" => return Some(format!("#{}", random.below(20)).into_bytes()),
        _ => return None,
    };
    Some(random.pick(pool).into())
}

#[test]
fn bits_are_alike() {
    compare(BITS);
}
