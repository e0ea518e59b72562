//! Random commands on lists, with the nodes of lists small enough for all forms to be met. What waits is the
//! business of cases with several connections.

use super::compare_with;

const LISTS: &[&str] = &[
    "LPUSH $K $H",
    "RPUSH $K $H $H $H",
    "LPUSH $K $V $V $H $H",
    "RPUSH $K $V $I $F",
    "LPUSHX $K $H $V",
    "RPUSHX $K $H",
    "LPOP $K",
    "RPOP $K",
    "LPOP $K $R",
    "RPOP $K $I",
    "LLEN $K",
    "LINDEX $K $I",
    "LINDEX $K $R",
    "LSET $K $R $V",
    "LSET $K $I $H",
    "LINSERT $K BEFORE $H $V",
    "LINSERT $K AFTER $H $H",
    "LINSERT $K x $H $H",
    "LRANGE $K $I $I",
    "LRANGE $K 0 -1",
    "LRANGE $K $R $R",
    "LTRIM $K $R $I",
    "LTRIM $K $I $I",
    "LTRIM $K 0 -1",
    "LREM $K $R $H",
    "LREM $K -1 $H",
    "LREM $K 0 $V",
    "LPOS $K $H",
    "LPOS $K $H RANK $R",
    "LPOS $K $H RANK -1 COUNT $R",
    "LPOS $K $H COUNT 0 MAXLEN $R",
    "LPOS $K $H COUNT $I RANK -2",
    "LMOVE $K $K LEFT RIGHT",
    "LMOVE $K $K RIGHT RIGHT",
    "LMOVE $K $K left LEFT",
    "LMOVE $K $K LEFT x",
    "RPOPLPUSH $K $K",
    "LMPOP $R $K $K LEFT",
    "LMPOP 2 $K $K RIGHT COUNT $R",
    "LMPOP 2 $K $K LEFT COUNT $I",
    "LMPOP 1 $K x",
    "BLPOP $K $K x",
    "BLPOP $K -1",
    "SET $K $V",
    "DEL $K $K",
    "TYPE $K",
    "RENAME $K $K",
    "COPY $K $K",
    "MOVE $K $D",
    "EXPIREAT $K $S",
];

#[test]
fn lists_are_alike() {
    compare_with(LISTS, &[]);
}

#[test]
fn lists_of_small_nodes_are_alike() {
    compare_with(LISTS, &["--list-max-listpack-size", "4", "--list-compress-depth", "1"]);
}
