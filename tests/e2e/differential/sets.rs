//! Random commands on sets.
//!
//! Not compared is how a set of other than integers is represented: before 7.2 there were no listpacks of
//! members, so that the order of small sets differs, too.

use super::compare_with;

/// Small limits, so that sets of a few members become tables.
const DIRECTIVES: &[&str] = &["--set-max-intset-entries", "6"];

const SETS: &[&str] = &[
    "SADD $K $H",
    "SADD $K $H",
    "SADD $K $H $H",
    "SADD $K $H $H $H $H $H $H $H",
    "SADD $K $V $I",
    "SADD $K $I $I $I",
    "SADD $K $R $R",
    "SREM $K $H",
    "SREM $K $H $H $H",
    "SREM $K $R $R $R",
    "SISMEMBER $K $H",
    "SISMEMBER $K $I",
    "SMISMEMBER $K $H $H $H",
    "SCARD $K",
    "SMEMBERS $K",
    "SMEMBERS $K",
    "SPOP $K 1000",
    "SPOP $K 0",
    "SPOP $K -1",
    "SPOP $K x",
    "SPOP $K 1 1",
    "SRANDMEMBER $K",
    "SRANDMEMBER $K 1000",
    "SRANDMEMBER $K 2",
    "SRANDMEMBER $K -7",
    "SRANDMEMBER $K $I",
    "SMOVE $K $K $H",
    "SMOVE $K $K $H",
    "SMOVE $K $K $R",
    "SINTER $K $K",
    "SINTER $K $K $K",
    "SINTER $K",
    "SINTERCARD 2 $K $K",
    "SINTERCARD 2 $K $K LIMIT $I",
    "SINTERCARD 3 $K $K $K LIMIT 1",
    "SINTERCARD $I $K $K",
    "SINTERCARD 1 $K LIMIT",
    "SINTERCARD 1 $K LIMIT 1 LIMIT 2",
    "SINTERSTORE $K $K $K",
    "SINTERSTORE $K $K $K $K",
    "SUNION $K $K",
    "SUNION $K $K $K $K",
    "SUNIONSTORE $K $K $K",
    "SUNIONSTORE $K $K",
    "SDIFF $K $K",
    "SDIFF $K $K $K $K",
    "SDIFFSTORE $K $K $K",
    "SDIFFSTORE $K $K $K $K $K",
    "SSCAN $K 0 COUNT 1000",
    "SSCAN $K 0 COUNT 1000 MATCH $P",
    "SSCAN $K 0 TYPE set",
    "SSCAN $K -1x",
    "SET $K $V",
    "HSET $K $H $V",
    "DEL $K",
    "TYPE $K",
    "COPY $K $K REPLACE",
    "RENAME $K $K",
    "PEXPIREAT $K $M",
    "PEXPIREAT $K 1",
    "SCAN 0 TYPE set COUNT 1000",
    "GET $K",
];

#[test]
fn sets_are_alike() {
    compare_with(SETS, DIRECTIVES);
}
