//! Tests of the family, as lines of commands and what comes of them.

use expect_test::expect;

use crate::harness::check;

#[test]
fn set_and_its_conditions() {
    check(
        "
        GET k
        SET k v
        GET k
        SET k w NX
        SET k w XX
        SET n w XX
        SET k x GET
        SET k 12 NX GET
        SET n 1 NX GET
        SET k y nx xx
        SET k y FOO
        ",
        expect![[r#"
            GET k
                nil hits=0/1 events=keymiss@0:k
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            GET k
                "v" hits=1/1
            SET k w NX
                nil
            SET k w XX
                +OK dirty=1 touched=0:k events=set@0:k
            SET n w XX
                nil
            SET k x GET
                "w" dirty=1 hits=1/1 touched=0:k events=set@0:k replicated=[SET k x]
            SET k 12 NX GET
                "x" hits=1/1
            SET n 1 NX GET
                nil dirty=1 hits=0/1 touched=0:n events=keymiss@0:n,new@0:n,set@0:n replicated=[SET n 1 NX]
            SET k y nx xx
                -ERR syntax error
            SET k y FOO
                -ERR syntax error
        "#]],
    );
}

#[test]
fn set_with_a_time_is_replicated_as_a_deadline() {
    check(
        "
        SET k v EX 10
        SET k v PX 1500 GET
        SET k v EXAT 1000000001
        SET k v PXAT 1000000000500 NX
        SET n v PXAT 1000000000500 NX
        SET k w KEEPTTL
        SET k w KEEPTTL GET
        SET k v EX 10 EX 20
        SET k v EX 10 PX 20
        SET k v EX 10 KEEPTTL
        SET k v KEEPTTL EX 10
        SET k v EX
        SET k v EX 0
        SET k v EX x
        SET k v EX 9223372036854775807
        SET k v PX 9223372036854775807
        SET k v PXAT -1
        SET k v PERSIST
        SETEX k 5 v
        PSETEX k 5 v
        SETEX k 0 v
        PSETEX k -1 v
        SETEX k x v
        ",
        expect![[r#"
            SET k v EX 10
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k,expire@0:k replicated=[SET k v PXAT 1000000010000]
            SET k v PX 1500 GET
                "v" dirty=1 hits=1/1 touched=0:k events=set@0:k,expire@0:k replicated=[SET k v PXAT 1000000001500]
            SET k v EXAT 1000000001
                +OK dirty=1 touched=0:k events=set@0:k,expire@0:k replicated=[SET k v PXAT 1000000001000]
            SET k v PXAT 1000000000500 NX
                nil
            SET n v PXAT 1000000000500 NX
                +OK dirty=1 touched=0:n events=new@0:n,set@0:n,expire@0:n replicated=[SET n v PXAT 1000000000500]
            SET k w KEEPTTL
                +OK dirty=1 touched=0:k events=set@0:k
            SET k w KEEPTTL GET
                "w" dirty=1 hits=1/1 touched=0:k events=set@0:k replicated=[SET k w KEEPTTL]
            SET k v EX 10 EX 20
                +OK dirty=1 touched=0:k events=set@0:k,expire@0:k replicated=[SET k v PXAT 1000000020000]
            SET k v EX 10 PX 20
                -ERR syntax error
            SET k v EX 10 KEEPTTL
                -ERR syntax error
            SET k v KEEPTTL EX 10
                -ERR syntax error
            SET k v EX
                -ERR syntax error
            SET k v EX 0
                -ERR invalid expire time in \'set\' command
            SET k v EX x
                -ERR value is not an integer or out of range
            SET k v EX 9223372036854775807
                -ERR invalid expire time in \'set\' command
            SET k v PX 9223372036854775807
                -ERR invalid expire time in \'set\' command
            SET k v PXAT -1
                -ERR invalid expire time in \'set\' command
            SET k v PERSIST
                -ERR syntax error
            SETEX k 5 v
                +OK dirty=1 touched=0:k events=set@0:k,expire@0:k replicated=[SET k v PXAT 1000000005000]
            PSETEX k 5 v
                +OK dirty=1 touched=0:k events=set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000005]
            SETEX k 0 v
                -ERR invalid expire time in \'setex\' command
            PSETEX k -1 v
                -ERR invalid expire time in \'psetex\' command
            SETEX k x v
                -ERR value is not an integer or out of range
        "#]],
    );
}

#[test]
fn an_expired_key_is_deleted_by_whoever_meets_it() {
    check(
        "
        SET k v PX 100
        +100
        GET k
        +1
        GET k
        SET k v PX 100
        +101
        SET k w NX
        SET k v PX 100
        +101
        APPEND k x
        SET k v PX 100
        +101
        rule hide
        GET k
        SET k w KEEPTTL
        PEXPIREAT k 1000000000000
        rule ignore
        GET k
        ",
        expect![[r#"
            SET k v PX 100
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000100]
            GET k
                "v" hits=1/1
            GET k
                nil hits=0/1 expired=0:k touched=0:k events=expired@0:k,keymiss@0:k
            SET k v PX 100
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000201]
            SET k w NX
                +OK dirty=1 expired=0:k touched=0:k,0:k events=expired@0:k,new@0:k,set@0:k
            SET k v PX 100
                +OK dirty=1 touched=0:k events=set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000302]
            APPEND k x
                :1 dirty=1 expired=0:k touched=0:k,0:k events=expired@0:k,new@0:k,append@0:k
            SET k v PX 100
                +OK dirty=1 touched=0:k events=set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000403]
            GET k
                nil hits=0/1 events=keymiss@0:k
            SET k w KEEPTTL
                +OK dirty=1 expired=0:k touched=0:k,0:k events=expired@0:k,new@0:k,set@0:k
            PEXPIREAT k 1000000000000
                :1 dirty=1 touched=0:k events=expire@0:k
            GET k
                "w" hits=1/1
        "#]],
    );
}

#[test]
fn the_older_ways_to_set() {
    check(
        "
        SETNX k v
        SETNX k v
        GETSET k w
        GETSET n w
        GETDEL k
        GETDEL k
        MSET a 1 b 2 a 3
        MSET a 1 b
        MSETNX c 1 a 2
        MSETNX c 1 d 2 c 3
        MGET a b c d nope
        STRLEN c
        STRLEN nope
        ",
        expect![[r#"
            SETNX k v
                :1 dirty=1 touched=0:k events=new@0:k,set@0:k
            SETNX k v
                :0
            GETSET k w
                "v" dirty=1 hits=1/1 touched=0:k events=set@0:k replicated=[SET k w]
            GETSET n w
                nil dirty=1 hits=0/1 touched=0:n events=keymiss@0:n,new@0:n,set@0:n replicated=[SET n w]
            GETDEL k
                "w" dirty=1 hits=1/1 touched=0:k events=del@0:k replicated=[DEL k]
            GETDEL k
                nil hits=0/1 events=keymiss@0:k
            MSET a 1 b 2 a 3
                +OK dirty=3 touched=0:a,0:b,0:a events=new@0:a,set@0:a,new@0:b,set@0:b,set@0:a
            MSET a 1 b
                -ERR wrong number of arguments for \'mset\' command
            MSETNX c 1 a 2
                :0
            MSETNX c 1 d 2 c 3
                :1 dirty=3 touched=0:c,0:d,0:c events=new@0:c,set@0:c,new@0:d,set@0:d,set@0:c
            MGET a b c d nope
                ["3" "2" "3" "2" nil] hits=4/5 events=keymiss@0:nope
            STRLEN c
                :1 hits=1/1
            STRLEN nope
                :0 hits=0/1 events=keymiss@0:nope
        "#]],
    );
}

#[test]
fn getex_changes_the_deadline_only() {
    check(
        "
        GETEX k EX 10
        GETEX k EX x
        SET k v
        GETEX k
        GETEX k PERSIST
        GETEX k EX 10
        GETEX k PERSIST PERSIST
        GETEX k PX 10 PX 20
        GETEX k PXAT 1000000000020
        GETEX k EX 0
        GETEX k EX x
        GETEX k EX
        GETEX k PERSIST EX 10
        GETEX k EX 10 PERSIST
        GETEX k KEEPTTL
        GETEX k PXAT 1000000000000
        EXISTS k
        ",
        expect![[r#"
            GETEX k EX 10
                nil hits=0/1 events=keymiss@0:k
            GETEX k EX x
                nil hits=0/1 events=keymiss@0:k
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            GETEX k
                "v" hits=1/1
            GETEX k PERSIST
                "v" hits=1/1
            GETEX k EX 10
                "v" dirty=1 hits=1/1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000010000]
            GETEX k PERSIST PERSIST
                "v" dirty=1 hits=1/1 touched=0:k events=persist@0:k replicated=[PERSIST k]
            GETEX k PX 10 PX 20
                "v" dirty=1 hits=1/1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000000020]
            GETEX k PXAT 1000000000020
                "v" dirty=1 hits=1/1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000000020]
            GETEX k EX 0
                -ERR invalid expire time in \'getex\' command hits=1/1
            GETEX k EX x
                -ERR value is not an integer or out of range hits=1/1
            GETEX k EX
                -ERR syntax error
            GETEX k PERSIST EX 10
                -ERR syntax error
            GETEX k EX 10 PERSIST
                -ERR syntax error
            GETEX k KEEPTTL
                -ERR syntax error
            GETEX k PXAT 1000000000000
                "v" dirty=1 hits=1/1 touched=0:k events=del@0:k replicated=[DEL k]
            EXISTS k
                :0 hits=0/1 events=keymiss@0:k
        "#]],
    );
}

#[test]
fn parts_of_strings() {
    check(
        r#"
        APPEND k 12
        OBJECT ENCODING k
        APPEND k 3
        OBJECT ENCODING k
        SETRANGE k 5 x
        SETRANGE k 1 ""
        SETRANGE none 5 ""
        SETRANGE k -1 x
        SETRANGE k x x
        SETRANGE k 1048576 x
        SETRANGE new 2 ab
        GETRANGE k 0 -1
        GETRANGE k -2 -1
        GETRANGE k 4 2
        GETRANGE k -1 -2
        GETRANGE k -100 1
        GETRANGE k 2 100
        GETRANGE k -9223372036854775808 9223372036854775807
        GETRANGE none 0 -1
        SUBSTR k 0 0
        SET n 12345
        GETRANGE n 1 2
        GETRANGE n x 2
        "#,
        expect![[r#"
            APPEND k 12
                :2 dirty=1 touched=0:k events=new@0:k,append@0:k
            OBJECT ENCODING k
                "int" hits=1/1
            APPEND k 3
                :3 dirty=1 touched=0:k events=append@0:k
            OBJECT ENCODING k
                "raw" hits=1/1
            SETRANGE k 5 x
                :6 dirty=1 touched=0:k events=setrange@0:k
            SETRANGE k 1 ""
                :6
            SETRANGE none 5 ""
                :0
            SETRANGE k -1 x
                -ERR offset is out of range
            SETRANGE k x x
                -ERR value is not an integer or out of range
            SETRANGE k 1048576 x
                -ERR string exceeds maximum allowed size (proto-max-bulk-len)
            SETRANGE new 2 ab
                :4 dirty=1 touched=0:new events=new@0:new,setrange@0:new
            GETRANGE k 0 -1
                "123\x00\x00x" hits=1/1
            GETRANGE k -2 -1
                "\x00x" hits=1/1
            GETRANGE k 4 2
                "" hits=1/1
            GETRANGE k -1 -2
                "" hits=1/1
            GETRANGE k -100 1
                "12" hits=1/1
            GETRANGE k 2 100
                "3\x00\x00x" hits=1/1
            GETRANGE k -9223372036854775808 9223372036854775807
                "123\x00\x00x" hits=1/1
            GETRANGE none 0 -1
                "" hits=0/1 events=keymiss@0:none
            SUBSTR k 0 0
                "1" hits=1/1
            SET n 12345
                +OK dirty=1 touched=0:n events=new@0:n,set@0:n
            GETRANGE n 1 2
                "23" hits=1/1
            GETRANGE n x 2
                -ERR value is not an integer or out of range
        "#]],
    );
}

#[test]
fn counting() {
    check(
        r#"
        INCR n
        INCRBY n 41
        DECR n
        DECRBY n -9
        OBJECT ENCODING n
        SET n 9223372036854775807
        INCR n
        SET n -9223372036854775808
        DECR n
        DECRBY n 1
        DECRBY n -9223372036854775808
        INCRBY n 1.5
        SET n " 1"
        INCR n
        SET n 5 PX 100
        INCR n
        PTTL n
        INCRBYFLOAT n 0.1
        PTTL n
        INCRBYFLOAT f 3.0e3
        INCRBYFLOAT f -3000
        INCRBYFLOAT f inf
        INCRBYFLOAT f nan
        INCRBYFLOAT f ""
        SET f x
        INCRBYFLOAT f 1
        "#,
        expect![[r#"
            INCR n
                :1 dirty=1 touched=0:n events=new@0:n,incrby@0:n
            INCRBY n 41
                :42 dirty=1 touched=0:n events=incrby@0:n
            DECR n
                :41 dirty=1 touched=0:n events=incrby@0:n
            DECRBY n -9
                :50 dirty=1 touched=0:n events=incrby@0:n
            OBJECT ENCODING n
                "int" hits=1/1
            SET n 9223372036854775807
                +OK dirty=1 touched=0:n events=set@0:n
            INCR n
                -ERR increment or decrement would overflow
            SET n -9223372036854775808
                +OK dirty=1 touched=0:n events=set@0:n
            DECR n
                -ERR increment or decrement would overflow
            DECRBY n 1
                -ERR increment or decrement would overflow
            DECRBY n -9223372036854775808
                -ERR decrement would overflow
            INCRBY n 1.5
                -ERR value is not an integer or out of range
            SET n " 1"
                +OK dirty=1 touched=0:n events=set@0:n
            INCR n
                -ERR value is not an integer or out of range
            SET n 5 PX 100
                +OK dirty=1 touched=0:n events=set@0:n,expire@0:n replicated=[SET n 5 PXAT 1000000000100]
            INCR n
                :6 dirty=1 touched=0:n events=incrby@0:n
            PTTL n
                :100 hits=1/1
            INCRBYFLOAT n 0.1
                "6.1" dirty=1 touched=0:n events=incrbyfloat@0:n replicated=[SET n 6.1 KEEPTTL]
            PTTL n
                :100 hits=1/1
            INCRBYFLOAT f 3.0e3
                "3000" dirty=1 touched=0:f events=new@0:f,incrbyfloat@0:f replicated=[SET f 3000 KEEPTTL]
            INCRBYFLOAT f -3000
                "0" dirty=1 touched=0:f events=incrbyfloat@0:f replicated=[SET f 0 KEEPTTL]
            INCRBYFLOAT f inf
                -ERR increment would produce NaN or Infinity
            INCRBYFLOAT f nan
                -ERR value is not a valid float
            INCRBYFLOAT f ""
                -ERR value is not a valid float
            SET f x
                +OK dirty=1 touched=0:f events=set@0:f
            INCRBYFLOAT f 1
                -ERR value is not a valid float
        "#]],
    );
}

#[test]
fn common_subsequences() {
    check(
        "
        MSET a ohmytext b mynewtext
        LCS a b
        LCS a b LEN
        LCS a b IDX
        LCS a b IDX MINMATCHLEN 3 WITHMATCHLEN
        LCS a b IDX MINMATCHLEN -1
        LCS a none
        LCS a b IDX LEN
        LCS a b MINMATCHLEN
        LCS a b FOO
        ",
        expect![[r#"
            MSET a ohmytext b mynewtext
                +OK dirty=2 touched=0:a,0:b events=new@0:a,set@0:a,new@0:b,set@0:b
            LCS a b
                "mytext" hits=2/2
            LCS a b LEN
                :6 hits=2/2
            LCS a b IDX
                ["matches" [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] "len" :6] hits=2/2
            LCS a b IDX MINMATCHLEN 3 WITHMATCHLEN
                ["matches" [[[:4 :7] [:5 :8] :4]] "len" :6] hits=2/2
            LCS a b IDX MINMATCHLEN -1
                ["matches" [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] "len" :6] hits=2/2
            LCS a none
                "" hits=1/2 events=keymiss@0:none
            LCS a b IDX LEN
                -ERR If you want both the length and indexes, please just use IDX. hits=2/2
            LCS a b MINMATCHLEN
                -ERR syntax error hits=2/2
            LCS a b FOO
                -ERR syntax error hits=2/2
        "#]],
    );
}
