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
        expect![[r#"
            ZADD k 1 a 2 b
                :2 dirty=2 touched=0:k events=new@0:k,zadd@0:k
            ZADD k NX 5 a 3 c
                :1 dirty=1 touched=0:k events=zadd@0:k
            ZADD k XX CH 5 a 3 d
                :1 dirty=1 touched=0:k events=zadd@0:k
            ZADD k GT CH 4 a 9 b
                :1 dirty=1 touched=0:k events=zadd@0:k
            ZADD k LT CH 4 a 10 b
                :1 dirty=1 touched=0:k events=zadd@0:k
            ZADD k INCR 1.5 a
                "5.5" dirty=1 touched=0:k events=zincr@0:k
            ZADD k NX INCR 1 a
                nil
            ZADD none XX 1 a
                :0
            ZINCRBY k inf a
                "inf" dirty=1 touched=0:k events=zincr@0:k
            ZINCRBY k -inf a
                -ERR resulting score is not a number (NaN)
            ZADD k 1 a 2
                -ERR syntax error
            ZADD k NX XX 1 a
                -ERR XX and NX options at the same time are not compatible
            ZADD k NX GT 1 a
                -ERR GT, LT, and/or NX options at the same time are not compatible
            ZADD k INCR 1 a 2 b
                -ERR INCR option supports a single increment-element pair
            ZADD k nan a
                -ERR value is not a valid float
            ZRANGE k 0 -1 WITHSCORES
                ["c" "3" "b" "9" "a" "inf"] hits=1/1
        "#]],
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
        expect![[r#"
            ZADD k 1 a 2 b 3 c 4 d 5 e
                :5 dirty=5 touched=0:k events=new@0:k,zadd@0:k
            ZREM k a x
                :1 dirty=1 touched=0:k events=zrem@0:k
            ZREMRANGEBYSCORE k (2 3
                :1 dirty=1 touched=0:k events=zremrangebyscore@0:k
            ZREMRANGEBYRANK k -1 -1
                :1 dirty=1 touched=0:k events=zremrangebyrank@0:k
            ZREMRANGEBYLEX none - +
                :0
            ZPOPMIN k 0
                []
            ZPOPMAX k
                ["d" "4"] dirty=1 touched=0:k events=zpopmax@0:k
            ZREM k b
                :1 dirty=1 touched=0:k events=zrem@0:k,del@0:k
            ZREM k b
                :0
        "#]],
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
        expect![[r#"
            ZADD k 1 a 2 b 3 c
                :3 dirty=3 touched=0:k events=new@0:k,zadd@0:k
            ZMPOP 2 none k MAX COUNT 2
                ["k" [["c" "3"] ["b" "2"]]] dirty=2 touched=0:k events=zpopmax@0:k replicated=[ZPOPMAX k 2]
            BZMPOP 0 1 k MIN COUNT 5
                ["k" [["a" "1"]]] dirty=1 touched=0:k events=zpopmin@0:k,del@0:k replicated=[ZPOPMIN k 1]
            BZMPOP 1.5 2 k l MIN
                nil waits=zset:k,l:1500ms
            BZPOPMIN k l 0
                nil waits=zset:k,l:forever
            ZADD l 1 a
                :1 dirty=1 touched=0:l events=new@0:l,zadd@0:l
            BZPOPMAX k l 0.25
                ["l" "a" "1"] dirty=1 touched=0:l events=zpopmax@0:l,del@0:l replicated=[ZPOPMAX l]
            SET s x
                +OK dirty=1 touched=0:s events=new@0:s,set@0:s
            BZPOPMIN k s 1
                -WRONGTYPE Operation against a key holding the wrong kind of value
            BZPOPMIN k l 0
                nil
            BZMPOP 0 1 k MAX
                nil
        "#]],
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
        expect![[r#"
            ZADD a 1 x 2 y
                :2 dirty=2 touched=0:a events=new@0:a,zadd@0:a
            ZADD b 10 y 20 z
                :2 dirty=2 touched=0:b events=new@0:b,zadd@0:b
            ZUNIONSTORE t 2 a b WEIGHTS 2 0.5
                :3 dirty=1 hits=2/2 touched=0:t events=new@0:t,zunionstore@0:t
            ZRANGE t 0 -1 WITHSCORES
                ["x" "2" "y" "9" "z" "10"] hits=1/1
            ZINTERSTORE t 2 a b AGGREGATE MIN
                :1 dirty=1 hits=2/2 touched=0:t events=zinterstore@0:t
            ZDIFFSTORE t 2 a b
                :1 dirty=1 hits=2/2 touched=0:t events=zdiffstore@0:t
            ZRANGESTORE t b 0 0
                :1 dirty=1 hits=1/1 touched=0:t events=zrangestore@0:t
            ZRANGESTORE t b 5 9
                :0 dirty=1 hits=1/1 touched=0:t events=del@0:t
            ZINTERCARD 2 a b LIMIT 1
                :1 hits=2/2
            ZDIFF 2 a none WITHSCORES
                ["x" "1" "y" "2"] hits=1/2 events=keymiss@0:none
            ZUNION 0 a
                -ERR at least 1 input key is needed for \'zunion\' command
            ZUNION 3 a
                -ERR syntax error
        "#]],
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
