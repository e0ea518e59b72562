//! Random commands on hashes.

use super::compare_with;

/// Small limits, so that hashes of a few fields become tables.
const DIRECTIVES: &[&str] = &["--hash-max-listpack-entries", "6", "--hash-max-listpack-value", "40"];

const HASHES: &[&str] = &[
    "HSET $K $H $V",
    "HSET $K $H $V",
    "HSET $K $H $V $H $V",
    "HSET $K $H $V $H $V $H $V $H $V",
    "HSET $K $H $V $H",
    "HMSET $K $H $V $H $V",
    "HMSET $K $H $V $H",
    "HSETNX $K $H $V",
    "HGET $K $H",
    "HGET $K $H",
    "HMGET $K $H $H $H",
    "HGETALL $K",
    "HGETALL $K",
    "HKEYS $K",
    "HVALS $K",
    "HDEL $K $H",
    "HDEL $K $H $H $H",
    "HEXISTS $K $H",
    "HLEN $K",
    "HSTRLEN $K $H",
    "HINCRBY $K $H $I",
    "HINCRBY $K $H $I",
    "HINCRBYFLOAT $K $H $F",
    "HINCRBYFLOAT $K $H $F",
    "HRANDFIELD $K",
    "HRANDFIELD $K 1000",
    "HRANDFIELD $K 1000 WITHVALUES",
    "HRANDFIELD $K -5",
    "HRANDFIELD $K 2 WITHVALUES",
    "HRANDFIELD $K -3 withvalues",
    "HRANDFIELD $K $I",
    "HRANDFIELD $K 1 foo",
    "HRANDFIELD $K -9223372036854775808",
    "HRANDFIELD $K 9223372036854775807 WITHVALUES",
    "HSCAN $K 0 COUNT 1000",
    "HSCAN $K 0 COUNT 1000 MATCH $P",
    "HSCAN $K 0 TYPE hash",
    "HSCAN $K x",
    "HSCAN $K 0 COUNT 0",
    "HSCAN $K 0 COUNT x",
    "SET $K $V",
    "DEL $K",
    "TYPE $K",
    "OBJECT ENCODING $K",
    "OBJECT ENCODING $K",
    "COPY $K $K REPLACE",
    "COPY $K $K DB $D",
    "RENAME $K $K",
    "MOVE $K 1",
    "PEXPIREAT $K $M",
    "PEXPIREAT $K 1",
    "PERSIST $K",
    "SCAN 0 TYPE hash COUNT 1000",
    "GET $K",
];

#[test]
fn hashes_are_alike() {
    compare_with(HASHES, DIRECTIVES);
}
