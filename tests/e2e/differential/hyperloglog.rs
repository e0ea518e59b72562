//! Random commands on HyperLogLogs, whose bytes are compared again and again. None is damaged on purpose: the
//! real server goes on with registers that do not add up, as far as it does not come across them.

use super::{Random, compare_with};

/// A small limit, so that some become dense.
const DIRECTIVES: &[&str] = &["--hll-sparse-max-bytes", "300"];

const HYPERLOGLOGS: &[&str] = &[
    "PFADD $K $Q",
    "PFADD $K $Q $Q $Q",
    "PFADD $K $Q $Q $Q $Q $Q $Q $Q $Q",
    "PFADD $K $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q $Q",
    "PFADD $K",
    "PFADD $K $V",
    "PFCOUNT $K",
    "PFCOUNT $K",
    "PFCOUNT $K $K $K",
    "PFMERGE $K $K $K",
    "PFMERGE $K $K",
    "PFMERGE $K",
    "PFDEBUG ENCODING $K",
    "PFDEBUG DECODE $K",
    "PFDEBUG GETREG $K",
    "PFDEBUG TODENSE $K",
    "PFDEBUG FOO $K",
    "GET $K",
    "GET $K",
    "GETRANGE $K 0 15",
    "STRLEN $K",
    "DUMP $K",
    "OBJECT ENCODING $K",
    "COPY $K $K REPLACE",
    "SET $K $V",
    "DEL $K",
    "DEL $K $K",
    "HSET h f v",
    "RENAME h $K",
];

/// What stands for words of this family.
pub(super) fn fill(word: &str, random: &mut Random) -> Option<Vec<u8>> {
    (word == "$Q").then(|| format!("element {}", random.below(3000)).into_bytes())
}

#[test]
fn hyperloglogs_are_alike() {
    compare_with(HYPERLOGLOGS, DIRECTIVES);
}
