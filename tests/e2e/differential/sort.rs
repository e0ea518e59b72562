//! Random SORTs, of sets and of the lists that SORT stores.
//!
//! Where several elements weigh the same as texts, chance decides their order, so that such commands are
//! compared without it. Numbers out of range are left out: the real server does not forget them.

use super::compare_with;

/// Misses are not listened to: they come in the order of the elements, which is chance for a set.
const DIRECTIVES: &[&str] = &["--notify-keyspace-events", "EAn"];

const SORTS: &[&str] = &[
    "SADD $K $H $H $H",
    "SADD $K $R $R $R $R",
    "SADD $K $I $I",
    "SADD $K $H",
    "SET $K $V",
    "SET $K $R",
    "SET $K $R",
    "HSET $K $H $R",
    "HSET $K a $V b $R",
    "DEL $K",
    "SREM $K $H",
    "SORT $K",
    "SORT $K DESC",
    "SORT $K LIMIT $R $R",
    "SORT $K LIMIT $I $I",
    "SORT $K ALPHA",
    "SORT $K ALPHA DESC LIMIT $R $R",
    "SORT_RO $K ALPHA",
    "SORT_RO $K STORE $K",
    "SORT $K BY *",
    "SORT $K BY key:*",
    "SORT $K BY key:* DESC LIMIT 1 2",
    "SORT $K BY *->a",
    "SORT $K BY key:*->b GET # GET key:*",
    "SORT $K BY key:*->nothing GET *->a",
    "SORT $K BY * ALPHA",
    "SORT $K BY key:* ALPHA DESC",
    "SORT $K ALPHA GET * GET # GET key:*->a",
    "SORT $K ALPHA GET plain",
    "SORT $K BY nosort",
    "SORT $K ALPHA STORE $K",
    "SORT $K ALPHA STORE $K",
    "SORT $K STORE $K",
    "SORT $K BY key:* GET # GET * STORE $K",
    "SORT $K DESC LIMIT $R $R STORE $K",
    "SORT $K BY nosort DESC STORE $K",
    "SORT $K FOO",
    "TYPE $K",
    "EXISTS $K",
    "COPY $K $K REPLACE",
    "PEXPIREAT $K $M",
    "SCAN 0 TYPE list COUNT 1000",
];

#[test]
fn sorts_are_alike() {
    compare_with(SORTS, DIRECTIVES);
}
