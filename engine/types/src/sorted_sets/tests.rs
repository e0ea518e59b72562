//! Sorted set commands on a context of their own.

use expect_test::expect;

use crate::harness::{check, run};

#[test]
fn adding_on_conditions() {
    check(
        "
        ZADD k 1 a 2 b
        ZADD k NX 5 a 3 c
        ZADD k XX CH 5 a 3 d
        ZADD k GT CH 4 a 9 b
        ZADD k LT CH 4 a 10 b
        ZADD k INCR 1.5 a
        ZADD k NX INCR 1 a
        ZADD none XX 1 a
        ZINCRBY k inf a
        ZINCRBY k -inf a
        ZADD k 1 a 2
        ZADD k NX XX 1 a
        ZADD k NX GT 1 a
        ZADD k INCR 1 a 2 b
        ZADD k nan a
        ZRANGE k 0 -1 WITHSCORES
        ",
        expect![[r#""#]],
    );
}

#[test]
fn taking_out() {
    check(
        "
        ZADD k 1 a 2 b 3 c 4 d 5 e
        ZREM k a x
        ZREMRANGEBYSCORE k (2 3
        ZREMRANGEBYRANK k -1 -1
        ZREMRANGEBYLEX none - +
        ZPOPMIN k 0
        ZPOPMAX k
        ZREM k b
        ZREM k b
        ",
        expect![[r#""#]],
    );
}

#[test]
fn popping_from_several_keys_is_replicated_as_what_was_popped() {
    check(
        "
        ZADD k 1 a 2 b 3 c
        ZMPOP 2 none k MAX COUNT 2
        BZMPOP 0 1 k MIN COUNT 5
        BZMPOP 1.5 2 k l MIN
        BZPOPMIN k l 0
        ZADD l 1 a
        BZPOPMAX k l 0.25
        SET s x
        BZPOPMIN k s 1
        unblocking
        BZPOPMIN k l 0
        BZMPOP 0 1 k MAX
        ",
        expect![[r#""#]],
    );
}

#[test]
fn results_are_stored() {
    check(
        "
        ZADD a 1 x 2 y
        ZADD b 10 y 20 z
        ZUNIONSTORE t 2 a b WEIGHTS 2 0.5
        ZRANGE t 0 -1 WITHSCORES
        ZINTERSTORE t 2 a b AGGREGATE MIN
        ZDIFFSTORE t 2 a b
        ZRANGESTORE t b 0 0
        ZRANGESTORE t b 5 9
        ZINTERCARD 2 a b LIMIT 1
        ZDIFF 2 a none WITHSCORES
        ZUNION 0 a
        ZUNION 3 a
        ",
        expect![[r#""#]],
    );
}

#[test]
fn members_at_random_are_members() {
    let shown = run("
        ZADD k 1 a 2 b 3 c
        ZRANDMEMBER k 10
        ZRANDMEMBER k -4
        ZRANDMEMBER none
    ");
    assert!(shown.contains("ZRANDMEMBER k 10\n    [\"a\" \"b\" \"c\"]"), "{shown}");
    assert!(shown.contains("ZRANDMEMBER none\n    nil"), "{shown}");
}
